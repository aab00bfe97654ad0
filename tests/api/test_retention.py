"""Retention by the API: a hold is placed, an erasure refused, the hold released, and the section erased by two."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import Authority
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.record import ErasureProposed
from ledger.core.events.retention import RetentionSet
from tests.api.service import Served, name_confidentially, problem
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, auditor, clerk, supervisor
from tests.testkit.casework import Case, second_of

ORDER = Authority("court_order", "12/2026")
HELD: dict[str, Any] = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "case"}
CHIEF = supervisor(POLICE)


def is_kept(served: Served) -> bool:
    return "a name" in served.get("/api/v1/events", clerk(POLICE), case_id="case-1").text


def holds(served: Served, by: Officer = CHIEF, **query: Any) -> list[str]:
    return [hold["hold_id"] for hold in served.get("/api/v1/holds", by, **query).json()["holds"]]


def due(served: Served, by: Officer = CHIEF, **query: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = served.get("/api/v1/retention/due", by, **query).json()["due"]
    return lines


def test_what_is_held_is_erased_by_two_once_it_is_released(served: Served) -> None:
    """The refusal says which hold, by whom, its number, and what to do; one officer alone erases nothing."""
    case = name_confidentially(Case().open())
    concerns = case.events[1].ref
    proposal = ErasureProposed(concerns=concerns, label="person:1", ground="over")
    case.act(proposal, clerk(POLICE))
    second = second_of(case.last, proposal)
    served.record(case.say(HoldPlaced, CHIEF, authority=ORDER, **HELD))
    refusal = served.submit(case.draft(second, CHIEF, authority=ORDER))
    document = problem(refusal, 422, "on_hold", "payload.body.concerns")
    assert "hold-1" in document["detail"]
    assert "H-1" in document["detail"]
    assert POLICE in document["detail"]
    assert document["hint"].endswith(": tally hold release")
    assert is_kept(served)
    shown = served.get("/api/v1/cases/case-1", CHIEF).json()["holds"]
    assert [(hold["hold_id"], hold["released_at"]) for hold in shown] == [("hold-1", None)]
    case.say(HoldReleased, CHIEF, hold_id="hold-1", authority=ORDER)
    case.act(proposal, CHIEF)
    by_himself = second_of(case.last, proposal)
    served.record(case)
    problem(served.submit(case.draft(by_himself, CHIEF, authority=ORDER)), 422, "one_signature", "payload.officer")
    assert is_kept(served)
    served.record(case.act(second, CHIEF, authority=ORDER))
    assert not is_kept(served)


def test_an_auditor_of_the_jurisdiction_holds_a_case_that_is_not_his(served: Served) -> None:
    """He sees the case, so he can keep it; an agency without jurisdiction cannot, and learns nothing of the case."""
    case = Case().open().register("phone")
    served.record(case)
    alien = case.draft(HoldPlaced(ground="g", **HELD), supervisor(COURT), authority=ORDER)
    problem(served.submit(alien), 422, "not_a_party", "envelope.agency")
    watcher = auditor(PROCURATORATE)
    served.record(case.say(HoldPlaced, watcher, authority=ORDER, **HELD))
    assert (holds(served, watcher), holds(served), holds(served, supervisor(COURT))) == (["hold-1"], ["hold-1"], [])


def test_holds_are_listed_by_case_agency_day_and_pages(served: Served) -> None:
    """Those that stand, or all; those that are to be looked at again by a day."""
    case = Case().open().register("phone", "knife")
    for number, item_id in enumerate(("phone", "knife"), 1):
        fields = HELD | {"hold_id": f"hold-{number}", "scope": "items", "item_ids": (item_id,)}
        case.say(HoldPlaced, CHIEF, authority=ORDER, review_on=f"203{number}-01-01", **fields)
    served.record(case.say(HoldReleased, CHIEF, hold_id="hold-1", authority=ORDER))
    assert (holds(served), holds(served, released="true")) == (["hold-2"], ["hold-2", "hold-1"])
    assert (holds(served, review_by="2031-12-31"), holds(served, review_by="2032-01-01")) == ([], ["hold-2"])
    problem(served.get("/api/v1/holds", CHIEF, review_by="2032-13-01"), 400, "malformed_input", "review_by")
    assert (holds(served, agency=COURT), holds(served, case_id="case-1")) == ([], ["hold-2"])
    first = served.get("/api/v1/holds", CHIEF, released="true", limit="1").json()
    following = served.get("/api/v1/holds", CHIEF, released="true", limit="1", after=first["next"]).json()
    assert [page["holds"][0]["hold_id"] for page in (first, following)] == ["hold-2", "hold-1"]


def test_who_supervises_sees_how_long_holds_stand(served: Served) -> None:
    """In the cases of the jurisdiction, also of those that it is no party of: by whom, why, for how many days."""
    case = Case().open().register("phone", "knife")
    for number, (item_id, days) in enumerate((("phone", 30), ("knife", 10)), 1):
        fields = HELD | {"hold_id": f"hold-{number}", "scope": "items", "item_ids": (item_id,)}
        served.record(case.say(HoldPlaced, CHIEF, authority=ORDER, ground="a retrial", **fields))
        served.ledger.clock.forward(days * 86400)
        case.now += days * 86400
    served.forget_tokens()
    watcher = auditor(PROCURATORATE)
    lines = served.get("/api/v1/holds", watcher).json()["holds"]
    shown = [(line["hold_id"], line["agency"], line["officer"], line["ground"], line["days"]) for line in lines]
    assert shown == [(f"hold-{n}", POLICE, CHIEF.officer_id, "a retrial", days) for n, days in ((1, 40), (2, 10))]
    by_days = {days: holds(served, watcher, standing_days=str(days)) for days in (10, 11, 40, 41)}
    assert by_days == {10: ["hold-1", "hold-2"], 11: ["hold-1"], 40: ["hold-1"], 41: []}
    assert holds(served, clerk(COURT), standing_days="10") == []


@pytest.fixture
def kept(served: Served) -> Served:
    """Serve a case with two things that are kept until different days, one of them held, and on offer."""
    case = Case().open().register("phone", "knife")
    case.say(RetentionSet, CHIEF, until="2026-03-10", item_ids=("phone",), authority=ORDER)
    case.say(RetentionSet, CHIEF, until="2026-04-10", item_ids=("knife",), authority=ORDER)
    held = HELD | {"scope": "items", "item_ids": ("phone",)}
    case.say(HoldPlaced, CHIEF, authority=ORDER, **held)
    served.record(case.offer("phone", to=PROCURATORATE, purpose="loan"))
    return served


def test_what_is_due_is_listed_with_what_stands_in_the_way(kept: Served) -> None:
    """By the day, of the agency that has to do it, the first at the top, by pages; nothing before it is due."""
    assert due(kept) == []
    kept.ledger.clock.forward(9 * 86400)
    kept.forget_tokens()
    (line,) = due(kept)
    assert (line["subject"], line["last_day"], line["then"], line["is_due"]) == ("phone", "2026-03-10", "review", True)
    in_the_way = [(each["kind"], each["subject"], each["agency"], each["number"]) for each in line["obstacles"]]
    assert in_the_way == [("hold", "hold-1", POLICE, "H-1"), ("handover", "handover-1", PROCURATORATE, None)]
    assert [each["subject"] for each in due(kept, within_days="60")] == ["phone", "knife"]
    first = kept.get("/api/v1/retention/due", CHIEF, within_days="60", limit="1").json()
    assert [each["subject"] for each in first["due"]] == ["phone"]
    following = kept.get("/api/v1/retention/due", CHIEF, within_days="60", limit="1", after=first["next"]).json()
    assert [each["subject"] for each in following["due"]] == ["knife"]
    assert "next" not in kept.get("/api/v1/retention/due", CHIEF, within_days="60", after=following["next"]).json()


def test_what_others_keep_is_listed_to_whoever_sees_it(kept: Served) -> None:
    """With `seen` of every agency, in the cases that the reader may see; deadlines have none of it."""
    assert [each["subject"] for each in due(kept, auditor(PROCURATORATE), seen="true", within_days="60")] != []
    assert due(kept, auditor(PROCURATORATE), within_days="60") == []
    assert due(kept, clerk(COURT), seen="true", within_days="60") == []
    assert kept.get("/api/v1/deadlines", CHIEF, case_id="case-1").json()["deadlines"] == []
