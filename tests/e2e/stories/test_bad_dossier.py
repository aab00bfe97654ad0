"""Story 3, the bad dossier: refused for its binding, and back again after the day that was set."""

from __future__ import annotations

import time
from typing import Any

from ledger.core.events import handover
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, instant

HOUR = 3600


def refuse(town: Town, case_id: str, *, due_in: int) -> TownCase:
    """A dossier is offered ten hours ago and refused for its binding, to be bound anew within ``due_in`` seconds."""
    case = town.case(case_id, start=int(time.time()) - 10 * HOUR).open()
    case.register(f"{case_id}-dossier", kind="dossier").offer(f"{case_id}-dossier", to=PROCURATORATE)
    return case.refuse(due_at=instant(case.now + due_in))


def offer_again(case: TownCase, *, later: int) -> TownCase:
    """The same dossier, newly bound, ``later`` seconds after the refusal."""
    case.now += later
    return case.offer(f"{case.stream.id}-dossier", to=PROCURATORATE, follows="handover-1")


def timeline(town: Town, case: TownCase) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = town.read(f"/api/v1/cases/{case.stream.id}/timeline", clerk(PROCURATORATE))["events"]
    return steps


def test_a_dossier_that_comes_back_late_is_recorded_flagged_and_linked_to_its_refusal(town: Town) -> None:
    """Nothing is refused for being late: the offer stands, says which rule it breaks and which handover it follows."""
    case = refuse(town, "bad-dossier", due_in=2 * HOUR)
    first = case.seen_by(clerk(POLICE))["handovers"][0]
    assert {name: first[name] for name in ("status", "reason_code", "remedy")} == {
        "status": "refused",
        "reason_code": "binding_defective",
        "remedy": "rebind",
    }
    due = first["due_at"]
    assert case.seen_by(clerk(POLICE))["items"][0]["holder"] == POLICE

    offer_again(case, later=5 * HOUR)
    (flag,) = case.receipt["flags"]
    assert (flag["name"], flag["article"]) == ("remedy_overdue", "procuratorate rules 158")
    assert "handover-1" in flag["detail"]
    assert due in flag["detail"]
    case.accept()

    first, second = case.seen_by(clerk(PROCURATORATE))["handovers"]
    assert (first["handover_id"], first["status"], first["due_at"]) == ("handover-1", "refused", due)
    assert (second["handover_id"], second["status"], second["follows"]) == ("handover-2", "accepted", "handover-1")
    assert second["offered_at"] > due
    steps = timeline(town, case)
    told = [(step["event_type"], step["body"]["handover_id"], step["body"].get("follows")) for step in steps[2:]]
    assert told == [
        ("handover.offered", "handover-1", None),
        ("handover.refused", "handover-1", None),
        ("handover.offered", "handover-2", "handover-1"),
        ("handover.accepted", "handover-2", None),
    ]
    assert [[flag["name"] for flag in step["flags"]] for step in steps] == [[], [], [], [], ["remedy_overdue"], []]


def test_a_dossier_that_comes_back_in_time_raises_no_flag(town: Town) -> None:
    """The flag is for being late, not for coming back."""
    case = offer_again(refuse(town, "rebound-in-time", due_in=2 * HOUR), later=HOUR)
    assert case.receipt["flags"] == []
    assert isinstance(case.last.payload.body, handover.HandoverOffered)


def test_a_handover_that_follows_none_is_refused_at_the_counter_of_the_command_line(town: Town) -> None:
    """A resumption names the handover that it resumes; another name is refused with its rule, exit code 1."""
    case = refuse(town, "follows-nothing", due_in=2 * HOUR)
    words = ("handover", "offer", case.stream.id, PROCURATORATE, "--purpose", "prosecution_review")
    done = town.at_the_terminal(clerk(POLICE), *words, "--item", "follows-nothing-dossier", "--follows", "handover-9")
    assert done.status == 1
    assert "unknown_handover" in done.err
