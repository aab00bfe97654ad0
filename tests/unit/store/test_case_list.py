"""The list of cases by filters and in an order, of what the reader may see."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from ledger.core.events import case as acts
from ledger.core.visibility import Reader
from ledger.store import case_list
from ledger.store.case_list import CaseFilter, Order
from ledger.store.search import cases_of_person
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, clerk, instant, section
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger

DAY = 86_400
NOW = instant(START + 3600)
OFFICERS = tuple(clerk(agency) for agency in (POLICE, PROCURATORATE, COURT))


@pytest.fixture
def listed(ledger: Ledger) -> Ledger:
    """Four cases: one with a person in custody, one with the procuratorate, one flagged, one of a later number."""
    named = Case("case-a", step=1).open(case_number="No. 4").name("li")
    person = section("person:1", name="张三丰")
    naming = acts.PersonNamed(person_id=person_id("li"), role="suspect", section="person:1")
    named.act(naming, sections={"person:1": person})
    passed = Case("case-b", step=2).open(case_number="No. 3").register("phone")
    passed.offer("phone", to=PROCURATORATE).accept()
    late = Case("case-c", step=3).open(case_number="No. 2")
    late.say(acts.DecisionRecorded, decision_id="d", kind="case_filed", occurred_at=instant(late.now - 30 * DAY))
    last = Case("case-d", step=4).open(case_number="No. 1")
    ledger.post_all([*named.events, *passed.events, *late.events, *last.events])
    return ledger


def ids(ledger: Ledger, agency: str, order: Order = "number", limit: int = 9, **wanted: Any) -> list[str]:
    """Return the cases of the filter, read page by page."""
    reader, after, found_ids = Reader(agency, frozenset(), NOW), None, []
    with ledger.database.read() as connection:
        while rows := case_list.filtered(
            connection, reader, CaseFilter(NOW, **wanted), order=order, limit=limit, after=after
        ):
            found_ids += [row["case_id"] for row in rows]
            after = case_list.position_of(rows[-1])
    return found_ids


def test_filters_restrict_what_is_seen(listed: Ledger) -> None:
    """By who answers, the stage, a person that one may read of, what was flagged, and what runs out within days or has;
    others see no case by them. Once its agency neither answers nor holds, a name filters nothing, its pseudonym still
    does."""
    assert ids(listed, POLICE) == ["case-d", "case-c", "case-b", "case-a"]
    assert ids(listed, POLICE, responsible=PROCURATORATE) == ["case-b"]
    assert ids(listed, PROCURATORATE, responsible=PROCURATORATE) == ["case-b"]
    assert ids(listed, POLICE, stage="prosecution_review") == ["case-b"]
    for person in ("三丰", person_id("li")[:8]):
        assert ids(listed, POLICE, person=person) == ["case-a"]
    assert ids(listed, POLICE, flag="late_entry") == ["case-c"]
    for wanted in ({"person": "三丰"}, {"flag": "late_entry"}, {"person": person_id("li")}, {}):
        assert ids(listed, COURT, **wanted) == []
    with listed.database.read() as connection:
        supervising = Reader(COURT, frozenset((POLICE,)), NOW)
        assert cases_of_person(connection, supervising, "三丰") == []
        assert cases_of_person(connection, supervising, person_id("li")) == ["case-a"]
    near = ids(listed, POLICE, within_days=3650)
    assert ids(listed, POLICE, within_days=0) == ids(listed, POLICE, overdue=True) == []
    assert near == [case_id for case_id in ids(listed, POLICE) if case_id in near] != []


def test_each_order_is_one_over_all_pages(listed: Ledger) -> None:
    """Pages of one case give what a single page does; the newest are first where that is said."""
    every = ["case-a", "case-b", "case-c", "case-d"]
    expected = {"id": every, "number": every[::-1], "changed": every[::-1]}
    for order in get_args(Order):
        whole = ids(listed, POLICE, order)
        assert sorted(whole) == every, order
        assert ids(listed, POLICE, order, limit=1) == whole == expected.get(order, whole), order
