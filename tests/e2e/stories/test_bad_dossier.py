"""Story 3, the bad dossier: refused for its binding, and back again after the day that was set."""

from __future__ import annotations

from ledger.samples.stories import BAD_DOSSIER
from tests.e2e.stories.town import Town


def test_a_dossier_that_comes_back_late_is_recorded_flagged_and_linked_to_its_refusal(town: Town) -> None:
    """Nothing is refused for being late: the offer stands, says which rule it breaks and which handover it follows."""
    points = town.story(BAD_DOSSIER, "2025-03-03")
    _, case = next(points)
    first = case.seen_by("police")["handovers"][0]
    assert {name: first[name] for name in ("status", "reason_code", "remedy")} == {
        "status": "refused",
        "reason_code": "binding_defective",
        "remedy": "rebind",
    }
    due = first["due_at"]
    assert case.seen_by("police")["items"][0]["holder"] == "psb-east"

    next(points)
    (flag,) = case.flagged()
    assert (flag["name"], flag["article"]) == ("remedy_overdue", "procuratorate rules 158")
    assert "handover-1" in flag["detail"]
    assert due in flag["detail"]
    case.accept()

    first, second = case.seen_by("prosecutor")["handovers"]
    assert (first["handover_id"], first["status"], first["due_at"]) == ("handover-1", "refused", due)
    assert (second["handover_id"], second["status"], second["follows"]) == ("handover-2", "accepted", "handover-1")
    assert second["offered_at"] > due
    steps = town.read(f"/api/v1/cases/{case.stream.id}/timeline", "prosecutor")["events"]
    assert [(step["event_type"], step["body"]["handover_id"], step["body"].get("follows")) for step in steps[3:]] == [
        ("handover.offered", "handover-1", None),
        ("handover.refused", "handover-1", None),
        ("handover.offered", "handover-2", "handover-1"),
        ("handover.accepted", "handover-2", None),
    ]
    overdue = [any(flag["name"] == "remedy_overdue" for flag in step["flags"]) for step in steps]
    assert overdue == [False] * 5 + [True, False]
