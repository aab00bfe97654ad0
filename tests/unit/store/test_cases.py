"""Read models are shown to who may see them, in a stable order, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.errors import NotFound
from ledger.core.visibility import Reader
from ledger.store import cases
from ledger.store.cases import Page
from tests.testkit.builders import COURT, LAB, POLICE, PRISON, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger
from tests.unit.store.plans import noted, plan

AGENCIES = (POLICE, PROCURATORATE, COURT, PRISON, LAB)
OFFICERS = tuple(clerk(agency) for agency in AGENCIES)
NOW = instant(START + 3600)


def reader(agency: str, *, supervised: tuple[str, ...] = (), now: str = NOW) -> Reader:
    return Reader(agency, frozenset(supervised), now)


def sight(ledger: Ledger, case_id: str, by: Reader) -> str | None:
    with ledger.database.read() as connection:
        return cases.sight(connection, case_id, by)


def case_ids(ledger: Ledger, by: Reader, page: Page | None = None, **only: Any) -> list[str]:
    with ledger.database.read() as connection:
        return [row["case_id"] for row in cases.list_cases(connection, by, page or Page(), **only)]


def walked(ledger: Ledger, by: Reader, limit: int) -> list[str]:
    """Every case that the reader is shown, page by page."""
    ids: list[str] = []
    while page := case_ids(ledger, by, Page(limit, ids[-1] if ids else None)):
        ids += page
    return ids


def test_an_open_offer_lets_the_receiver_see_the_case_until_it_ends(ledger: Ledger) -> None:
    """Offered: seen. Refused, recalled or run out: not any more."""
    refused = Case("case-1").open().register("a").offer("a", to=PROCURATORATE)
    recalled = Case("case-2").open().register("b").offer("b", to=PROCURATORATE)
    expiring = Case("case-3").open().register("c").offer("c", to=PROCURATORATE, expires_at=NOW)
    ledger.post_all([*refused.events, *recalled.events, *expiring.events])
    eyes = reader(PROCURATORATE)
    assert [sight(ledger, case_id, eyes) for case_id in ("case-1", "case-2", "case-3")] == ["offered"] * 3
    ledger.post_all([refused.refuse().last, recalled.recall().last])
    assert [sight(ledger, case_id, eyes) for case_id in ("case-1", "case-2")] == [None, None]
    assert sight(ledger, "case-3", reader(PROCURATORATE, now=instant(START + 3601))) is None


def test_an_unseen_case_looks_like_one_that_is_not_there(ledger: Ledger) -> None:
    """The refusal tells nothing of whether there is such a case."""
    ledger.post_all(Case("case-1").open().events)
    with ledger.database.read() as connection:
        listed = []
        for case_id in ("case-1", "case-9"):
            with pytest.raises(NotFound) as refused:
                cases.require_sight(connection, case_id, reader(COURT))
            listed.append(str(refused.value).replace(case_id, "X"))
        assert cases.require_sight(connection, "case-1", reader(POLICE)) == "party"
    assert listed[0] == listed[1]


def test_lists_show_what_the_reader_sees_and_no_more(ledger: Ledger) -> None:
    """Cases and items of others are in no list; filters take away, never add."""
    mine, yours = Case("case-1").open().register("a"), Case("case-2").open(clerk(COURT)).register("b")
    ledger.post_all([*mine.events, *yours.events])
    assert case_ids(ledger, reader(POLICE)) == ["case-1"]
    assert case_ids(ledger, reader(PRISON)) == []
    assert case_ids(ledger, reader(POLICE), responsible=COURT) == []
    assert case_ids(ledger, reader(POLICE), stage="investigation") == ["case-1"]
    with ledger.database.read() as connection:
        assert [row["item_id"] for row in cases.list_items(connection, reader(POLICE), Page())] == ["a"]
        assert cases.list_items(connection, reader(POLICE), Page(), case_id="case-2") == []
        assert cases.list_items(connection, reader(POLICE), Page(), holder=COURT) == []


def test_a_page_is_the_same_by_whatever_its_cases_are_seen(ledger: Ledger) -> None:
    """Held, offered twice, or supervised: what is merged from several lists is what sight says of each case."""
    cases_by_number = [Case(f"case-{number}").open(clerk((POLICE, COURT, LAB)[number % 3])) for number in range(9)]
    for case in cases_by_number[:4]:
        case.register(f"{case.stream.id}-a", f"{case.stream.id}-b")
        for item in "ab":
            case.offer(f"{case.stream.id}-{item}", to=PRISON, purpose="loan")
    ledger.post_all([event for case in cases_by_number for event in case.events])
    readers = [reader(PRISON), reader(PRISON, supervised=(LAB, COURT)), reader(LAB, supervised=(POLICE,))]
    many = tuple(f"agency-{number}" for number in range(cases.MOST_MERGED))
    for eyes in (*readers, reader(PRISON, supervised=(LAB, COURT, *many))):
        expected = [case.stream.id for case in cases_by_number if sight(ledger, case.stream.id, eyes)]
        assert [walked(ledger, eyes, limit) for limit in (1, 2, 9)] == [expected] * 3


def test_a_page_of_cases_is_found_in_order_by_an_index(sqlite: Ledger) -> None:
    """No query reads all the cases that its reader sees: each list begins where the page before ended."""
    sqlite.post_all(Case("case-1").open().events)
    with sqlite.database.read() as connection:
        with noted(connection) as statements:
            cases.list_cases(connection, reader(PROCURATORATE, supervised=(POLICE, COURT)), Page(50, "case-0"))
        steps = plan(connection, statements)
    assert sum("ix_case_agencies_agency (agency=? AND case_id>?)" in step for step in steps) == 3, steps
    assert not any("SCAN cases" in step or "SCAN case_agencies" in step for step in steps)


def test_handovers_lie_in_the_boxes_of_both_sides(ledger: Ledger) -> None:
    """The sender's outbox and the receiver's inbox have the same handover; its status is the present one."""
    case = Case("case-1").open().register("a", "b").offer("a", to=PROCURATORATE).refuse()
    ledger.post_all(case.offer("b", to=COURT, purpose="loan").events)

    def box(agency: str, which: Any, **only: Any) -> list[tuple[str, str]]:
        with ledger.database.read() as connection:
            rows = cases.list_handovers(connection, agency, Page(), box=which, **only)
        return [(row["handover_id"], row["status"]) for row in rows]

    both = [("handover-1", "refused"), ("handover-2", "offered")]
    assert box(POLICE, "outbox") == box(POLICE, "all") == both
    assert box(POLICE, "inbox") == []
    assert box(PROCURATORATE, "inbox") == both[:1]
    assert box(COURT, "inbox", status="offered") == both[1:]
    assert box(COURT, "inbox", status="refused") == []


def test_who_holds_something_has_the_case_in_hand(ledger: Ledger) -> None:
    """Responsible for the case, or holding an item of it; a past holder has nothing in hand any more. Who has numbered
    it is shown with his number, who has not without one."""
    case = Case("case-1").open().register("a", "b").offer("a", to=LAB, purpose="forensic_examination").accept()
    case.offer("b", to=PROCURATORATE).accept()
    ledger.post_all(case.events)
    with ledger.database.read() as connection:
        in_hand = {agency: cases.holds(connection, "case-1", agency) for agency in AGENCIES}
        assert cases.case(connection, "case-1")["agencies"] == {POLICE: "2026-0417", PROCURATORATE: None, LAB: None}
        with pytest.raises(NotFound):
            cases.case(connection, "case-9")
    assert in_hand == {POLICE: False, PROCURATORATE: True, LAB: True, COURT: False, PRISON: False}
