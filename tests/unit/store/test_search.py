"""Search: what is found by which word, by whom, at what cost; and that the words are those of the log."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from ledger.audit import audit_log, left_out
from ledger.core.events import case as acts
from ledger.core.events import item
from ledger.core.visibility import Reader
from ledger.procedures import shipped_rulebook
from ledger.store.search import SearchPage, search
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.unit.store.test_imports import TRUST

DIGEST = "sha256:" + "5a" * 32
NOW = instant(START + 3600)
WORDS = {  # what is typed, and as what it is found
    "case-1": ["case"],
    "phone": ["item"],
    "〔２０２６〕刑初0417号": ["case_number"],
    "(2026) 刑初": ["case_number"],
    "2026刑初04": ["case_number"],
    "seal-7": ["seal"],
    "SEAL-8": ["seal"],
    "E 12": ["exhibit"],
    DIGEST: ["digest"],
    "5a" * 32: ["digest"],
    "5a5a5a5a5a": ["digest"],
    person_id("li"): ["person"],
    "handover-1": ["handover"],
    clerk(POLICE).officer_id: ["officer"],
}


def recorded(ledger: Ledger, case_id: str = "case-1") -> Ledger:
    """A case with something of every kind; its first seal is broken since."""
    case = Case(case_id).open(case_number="〔2026〕刑初 0417号").name("li")
    case.register("phone", seal_number="Seal-7", exhibit_number="E12", digests=(DIGEST,))
    case.say(item.ItemUnsealed, clerk(POLICE), item_id="phone", seal_number="Seal-7", ground="to look")
    case.say(item.ItemSealed, clerk(POLICE), item_id="phone", seal_number="Seal-8")
    case.offer("phone", to=PROCURATORATE, persons=("li",)).accept()
    ledger.post_all(case.events)
    return ledger


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """A ledger of each kind of database with that case."""
    with open_ledger(each_database_url) as opened:
        yield recorded(opened.found(*(clerk(agency) for agency in (POLICE, PROCURATORATE, COURT, LAB))))


def matches(ledger: Ledger, word: str, agency: str = POLICE, limit: int = 50) -> SearchPage:
    with ledger.database.read() as connection:
        return search(connection, Reader(agency, frozenset(), NOW), word, limit)


def test_every_word_of_a_case_finds_it(ledger: Ledger) -> None:
    """By each kind of word, in full or by its beginning, however it is spelled; the hit names item, event and case."""
    for word, kinds in WORDS.items():
        hits = matches(ledger, word).hits
        assert [hit.kind for hit in hits] == kinds, word
        assert [hit.case_id for hit in hits] == ["case-1"], word
    (hit,) = matches(ledger, DIGEST).hits
    assert (hit.item_id, hit.case_number, hit.stage) == ("phone", "〔2026〕刑初 0417号", "prosecution_review")
    (by_event,) = matches(ledger, hit.event_id).hits
    assert (by_event.kind, by_event.index) == ("event", hit.index)


def test_what_a_reader_may_not_see_is_not_there(ledger: Ledger) -> None:
    """To an agency that has no part in the case every word finds nothing, and its supervisor finds all."""
    for word in WORDS:
        assert matches(ledger, word, COURT).hits == (), word
        assert matches(ledger, word, PROCURATORATE).hits != (), word
    with ledger.database.read() as connection:
        reader = Reader(COURT, frozenset((POLICE,)), NOW)
        assert [hit.kind for hit in search(connection, reader, "seal-7", 9).hits] == ["seal"]


def test_neither_hits_nor_pages_tell_of_what_is_not_seen(ledger: Ledger) -> None:
    """With and without a thousand words of others' cases that begin likewise, a reader is given the same pages."""

    def pages(reader: Reader) -> list[SearchPage]:
        pages_read, after = [], None
        with ledger.database.read() as connection:
            while not pages_read or after is not None:
                pages_read.append(search(connection, reader, "paper", 2, after))
                after = pages_read[-1].following
        return pages_read

    mine = Case("mine").open(clerk(LAB), case_number="paper m 1")
    for number in ("paper m 2", "paper z 3"):
        mine.say(acts.CaseNumbered, clerk(LAB), case_number=number)
    ledger.post_all(mine.events)
    reader = Reader(LAB, frozenset(), NOW)
    before = [(tuple(hit.word for hit in page.hits), page.following) for page in pages(reader)]
    assert len(before) == 2
    theirs = Case("theirs", step=1).open(case_number="paper a")
    for number in range(1100):
        theirs.say(acts.CaseNumbered, case_number=f"paper m 1{number}")
    ledger.post_all(theirs.events)
    assert [(tuple(hit.word for hit in page.hits), page.following) for page in pages(reader)] == before


def test_pages_follow_each_other(ledger: Ledger) -> None:
    """Each hit comes once, ids first, however small the pages are."""
    for name, number in (("two", "2026刑初0418号"), ("case-1", "case-1")):
        ledger.post_all(Case(f"case-of-{name}").open(case_number=number).events)
    collected: list[str] = []
    for word in ("2026", "case-1"):
        after, is_end = None, False
        with ledger.database.read() as connection:
            while not is_end:
                page = search(connection, Reader(POLICE, frozenset(), NOW), word, 1, after)
                assert len(page.hits) == 1
                collected += [f"{hit.kind} {hit.case_id}" for hit in page.hits]
                after, is_end = page.following, page.following is None
    assert collected == [
        "case_number case-1",
        "case_number case-of-two",
        "case case-1",
        "case_number case-of-case-1",
    ]


@pytest.mark.parametrize("change", ["DELETE FROM words WHERE kind = 'seal'", "UPDATE words SET item_id = 'knife'"])
def test_an_audit_holds_the_words_against_the_log(tmp_path: Path, change: str) -> None:
    """Whoever hides a case from the search is found out; untouched, there is no finding."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        recorded(ledger.found(*(clerk(agency) for agency in (POLICE, PROCURATORATE))))
        assert audit_log(ledger.database, TRUST, shipped_rulebook(), look=left_out).findings == ()
        with ledger.database.log.begin() as connection:
            connection.execute(text(change))
        report = audit_log(ledger.database, TRUST, shipped_rulebook(), look=left_out)
        assert {finding.step for finding in report.findings} == {"models"}


def test_one_query_that_goes_by_indexes(tmp_path: Path) -> None:
    """However large the log, no table is read from end to end, and the database is asked once."""
    queries: list[tuple[str, Any]] = []
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        recorded(ledger.found(*(clerk(agency) for agency in (POLICE, PROCURATORATE))))
        with ledger.database.read() as connection:
            notice = partial(asked, queries)
            event.listen(connection, "before_cursor_execute", notice)
            search(connection, Reader(POLICE, frozenset((PROCURATORATE, COURT)), NOW), "5a5a5a5a5a", 9)
            event.remove(connection, "before_cursor_execute", notice)
            ((sql, given),) = queries
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all()
    steps = [step.detail for step in plan]
    scans = [step for step in steps if step.startswith("SCAN")]
    assert all(table not in step for step in scans for table in ("words", "entries", "items", "cases", "case_agencies"))
    assert any("SEARCH words" in step for step in steps)


def asked(
    queries: list[tuple[str, Any]], _connection: object, _cursor: object, sql: str, given: Any, *_: object
) -> None:
    """Keeps what the database is asked."""
    if "SELECT" in sql:
        queries.append((sql, given))
