"""Search: what is found by which word, by whom, at what cost; and that the words are those of the log."""

from __future__ import annotations

import pytest

from ledger.core.events import case as acts
from ledger.core.events import item
from ledger.core.visibility import Reader
from ledger.store.search import SearchPage, search
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger
from tests.unit.store.plans import noted, plan

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


OFFICERS = tuple(clerk(agency) for agency in (POLICE, PROCURATORATE, COURT, LAB))


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
def ledger(ledger: Ledger) -> Ledger:
    """A ledger of each kind of database with that case."""
    return recorded(ledger)


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


def pages(ledger: Ledger, agency: str, word: str, limit: int) -> list[SearchPage]:
    """Every page that the agency is given."""
    pages_read: list[SearchPage] = []
    with ledger.database.read() as connection:
        while not pages_read or pages_read[-1].following is not None:
            after = pages_read[-1].following if pages_read else None
            pages_read.append(search(connection, Reader(agency, frozenset(), NOW), word, limit, after))
    return pages_read


def test_neither_hits_nor_pages_tell_of_what_is_not_seen(ledger: Ledger) -> None:
    """With and without hundreds of words of others' cases that begin likewise, a reader is given the same pages."""
    mine = Case("mine").open(clerk(LAB), case_number="paper m 1")
    for number in ("paper m 2", "paper z 3"):
        mine.say(acts.CaseNumbered, clerk(LAB), case_number=number)
    ledger.post_all(mine.events)
    before = pages(ledger, LAB, "paper", 2)
    assert len(before) == 2
    theirs = Case("theirs", step=1).open(case_number="paper a")
    for number in range(300):
        theirs.say(acts.CaseNumbered, case_number=f"paper m 1{number}")
    ledger.post_all(theirs.events)
    assert pages(ledger, LAB, "paper", 2) == before


def test_pages_follow_each_other(ledger: Ledger) -> None:
    """Each hit comes once, ids first, however small the pages are."""
    for name, number in (("two", "2026刑初0418号"), ("case-1", "case-1")):
        ledger.post_all(Case(f"case-of-{name}").open(case_number=number).events)
    read = [page.hits for word in ("2026", "case-1") for page in pages(ledger, POLICE, word, 1)]
    assert [[f"{hit.kind} {hit.case_id}" for hit in hits] for hits in read] == [
        ["case_number case-1"],
        ["case_number case-of-two"],
        ["case case-1"],
        ["case_number case-of-case-1"],
    ]


def test_one_query_that_goes_by_indexes(sqlite: Ledger) -> None:
    """However large the log, no table is read from end to end, and the database is asked once."""
    recorded(sqlite)
    with sqlite.database.read() as connection:
        with noted(connection) as statements:
            search(connection, Reader(POLICE, frozenset((PROCURATORATE, COURT)), NOW), "5a5a5a5a5a", 9)
        steps = plan(connection, statements)
    assert len(statements) == 1
    scans = [step for step in steps if step.startswith("SCAN")]
    assert all(table not in step for step in scans for table in ("words", "entries", "items", "cases", "case_agencies"))
    assert any("SEARCH words" in step for step in steps)
