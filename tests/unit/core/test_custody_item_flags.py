"""Flags about things: freezes, disposals against or without a decision, judgments, lists."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case, item
from ledger.core.events.handover import OfferedItem
from ledger.core.events.record import DisclosureMade
from ledger.core.events.terms import Disposal
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk, instant, supervisor
from tests.testkit.casework import AT, Case, dispose, holding, stays


def told(written: Case) -> list[tuple[str, str]]:
    return [(flag.name, flag.detail) for flag in written.flags]


def frozen(until: str = "2026-09-01") -> Case:
    """An account is frozen; the day is the second of March."""
    written = holding("account", "cash", kind="property")
    return written.say(item.ItemFrozen, item_id="account", frozen_until=until)


def decide(written: Case, *lines: tuple[str, Disposal], kind: str = "other") -> Case:
    items = tuple(case.ItemDecision(item_id=item_id, disposal=disposal) for item_id, disposal in lines)
    paper: dict[str, Any] = {"decision_id": "decision-1", "kind": kind, "number": "1", "decided_at": AT}
    return written.say(case.DecisionRecorded, **paper, items=items)


# -- freezes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "told_of_it", "in_force", "other"),
    [
        ("frozen_twice", "is frozen", "2026-03-02", "2026-03-01"),
        ("freeze_lapsed", "was frozen", "2026-03-01", "2026-03-02"),
        ("moved_while_frozen", "is frozen", "2026-09-01", "2026-03-01"),
    ],
)
def test_what_a_freeze_does_not_allow_is_flagged(flag: str, told_of_it: str, in_force: str, other: str) -> None:
    """To freeze again while one is in force, whose last day counts, to renew one that has lapsed, and what moves while
    it is frozen; an offer alone moves nothing."""
    for until, flagged in ((in_force, [(flag, f"item account {told_of_it} until {in_force}")]), (other, [])):
        written = frozen(until)
        if flag == "frozen_twice":
            written.say(item.ItemFrozen, item_id="account", frozen_until="2026-08-01")
        elif flag == "freeze_lapsed":
            written.say(item.ItemFreezeRenewed, item_id="account", frozen_until="2026-06-01")
        else:
            assert told(written.offer("account", "cash", to=PROCURATORATE)) == []
            written.accept()
        assert told(written) == flagged


def test_a_frozen_thing_that_stays_may_change_who_answers_for_it() -> None:
    """The case goes on, the account stays where it is."""
    assert told(frozen().offer(stays("account"), to=PROCURATORATE).accept()) == []


@pytest.mark.parametrize(
    ("decision", "names"), [("decision-1", []), (None, ["disposal_without_decision", "moved_while_frozen"])]
)
def test_a_frozen_thing_is_disposed_of_by_decision_only(decision: str | None, names: list[str]) -> None:
    """A decision ends the freeze; without one two flags are raised."""
    written = decide(frozen(), ("account", "forfeited"))
    proposal: dict[str, Any] = {"item_ids": ("account",), "disposal": "forfeited", "ground": "judgment"}
    written.say(item.ItemDisposalProposed, **proposal, decision_id=decision)
    assert [flag.name for flag in dispose(written).flags] == names


# -- decisions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "flagged"),
    [
        ((), []),
        ((("car", "forfeited"),), []),
        (
            (("car", "returned_to_owner"),),
            [("disposal_against_decision", "item car: forfeited, decided returned_to_owner")],
        ),
    ],
)
def test_a_disposal_other_than_decided_is_flagged(
    lines: tuple[tuple[str, Disposal], ...], flagged: list[tuple[str, str]]
) -> None:
    """What the cited decision says of the item is held against what was done with it."""
    written = decide(holding("car", kind="property"), *lines)
    proposal: dict[str, Any] = {"item_ids": ("car",), "disposal": "forfeited", "ground": "judgment"}
    written.say(item.ItemDisposalProposed, **proposal, decision_id="decision-1")
    assert told(dispose(written, supervisor(POLICE))) == flagged


@pytest.mark.parametrize(
    ("kind", "lines", "flagged"),
    [
        ("judgment", (("car", "forfeited"),), [("judgment_silent", "cash")]),
        ("judgment", (("car", "forfeited"), ("cash", "paid_to_treasury")), []),
        ("ruling", (), []),
    ],
)
def test_a_judgment_silent_on_property_is_flagged(
    kind: str, lines: tuple[tuple[str, Disposal], ...], flagged: list[tuple[str, str]]
) -> None:
    """Exhibits need no word in a judgment, property does."""
    written = holding("car", "cash", kind="property").register("knife")
    assert told(decide(written, *lines, kind=kind)) == flagged


def test_an_audit_of_a_closed_case_is_no_act_in_it() -> None:
    """What is noted of a record that rests is not flagged; what is done in the case is."""
    written = holding("phone").close()
    disclosed: dict[str, Any] = {"recipient": "counsel of li", "item_ids": ("phone",)}
    assert told(written.say(DisclosureMade, clerk(POLICE), **disclosed)) == []
    moved = written.say(item.ItemMoved, clerk(POLICE), item_id="phone", storage_location="archive")
    assert told(moved) == [("act_after_closing", "the case was closed")]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_a_list_that_names_another_seal_than_the_record_is_flagged() -> None:
    """Sealed anew without a record: the receiver takes it as listed, and the trace is there."""
    written = holding("phone", "knife", seal_number="S-1")
    lines = (OfferedItem(item_id="phone", seal_number="S-2"), OfferedItem(item_id="knife", seal_number="S-1"))
    assert told(written.offer(*lines, to=COURT, purpose="property_transfer")) == [
        ("list_differs", "item phone: seal S-2, recorded S-1")
    ]
    assert told(written.accept()) == []
    assert written.state.items["phone"].seal_number == "S-2"


def test_a_returned_thing_with_a_day_for_its_remedy_has_a_clock() -> None:
    """Whoever gets the thing back has until the day that the returner set, and meets it by offering again."""
    written = holding("file").offer("file", to=PROCURATORATE).accept()
    due = instant(written.now + 86400)
    written.give_back("file", purpose="return", remedy="supplement", due_at=due).accept()
    (clock,) = [remedy for remedy in written.state.clocks.values() if remedy.name == "remedy"]
    assert (clock.agency, clock.until, clock.is_running) == (POLICE, due, True)
    written.offer("file", to=PROCURATORATE, follows="handover-2")
    assert not written.state.clocks[clock.deadline_id].is_running
