"""Story 9, appeal and remand: the file goes up within three days, comes back, and the first instance begins anew."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case as acts
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import COURT, PROCURATORATE, UPPER_COURT, clerk
from tests.testkit.casework import person_id

LI = person_id("li")
DOSSIER = "remanded-dossier"
INDICTED = "2025-03-03T02:00:00Z"  # a Monday
ACCEPTED = "2025-03-05T02:00:00Z"
JUDGED = "2025-04-28T02:00:00Z"
APPEALED = "2025-05-06T02:00:00Z"
SENT_UP = "2025-05-08T02:00:00Z"
TAKEN_UP = "2025-05-09T02:00:00Z"
REMANDED = "2025-06-30T02:00:00Z"
SENT_DOWN = "2025-07-01T02:00:00Z"
BACK = "2025-07-02T02:00:00Z"


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """One defendant at liberty, from the indictment to the day on which the file is back."""
    made = town.case("remanded").on(INDICTED).open(by=clerk(PROCURATORATE), stage="prosecution_review")
    made.name("li", role="defendant").register(DOSSIER, kind="dossier")
    pass_on(made, to=COURT, purpose="public_prosecution", offered=INDICTED, accepted=ACCEPTED)
    decide(made.on(JUDGED), "judgment", JUDGED, served_at=JUDGED)
    decide(made.on(APPEALED), "appealed", APPEALED)
    pass_on(made, to=UPPER_COURT, purpose="appeal", offered=SENT_UP, accepted=TAKEN_UP)
    decide(made.on(REMANDED), "remanded", REMANDED)
    pass_on(made, to=COURT, purpose="remand", offered=SENT_DOWN, accepted=BACK)
    return made


def pass_on(case: TownCase, *, to: str, purpose: str, offered: str, accepted: str) -> None:
    case.on(offered).offer(DOSSIER, to=to, purpose=purpose, persons=("li",))
    case.on(accepted).accept(received_at=accepted)


def decide(case: TownCase, kind: str, at: str, **fields: Any) -> None:
    paper = {"decision_id": kind, "kind": kind, "number": "2025-1", "person_ids": (LI,), "decided_at": at}
    case.say(acts.DecisionRecorded, None, **paper, **fields)


def test_the_file_goes_up_within_three_days(case: TownCase) -> None:
    """Ten days to appeal from the day after service; then three for the court to send the file, met on the second."""
    by = clerk(COURT)
    appeal = case.deadlines(by, as_of="2025-05-01T00:00:00Z")[f"appeal_against_judgment {LI}"]
    assert (appeal["last_day"], appeal["article"]) == ("2025-05-08", "CPL 230")
    sending = case.deadlines(by, as_of="2025-05-07T00:00:00Z")
    assert sending.keys() == {"file_to_upper_court case"}
    file_up = sending["file_to_upper_court case"]
    assert (file_up["agency"], file_up["last_day"], file_up["days_left"]) == (COURT, "2025-05-09", 2)
    met = case.deadlines(by, as_of=BACK, status="met")
    assert {"file_to_upper_court case", f"appeal_against_judgment {LI}"} <= met.keys()


def test_the_upper_court_has_its_own_time(case: TownCase) -> None:
    """Two months from its acceptance; 9 July is the last day, the remand meets it."""
    found = case.deadlines(clerk(UPPER_COURT), as_of="2025-06-01T00:00:00Z", agency=UPPER_COURT)
    assert found.keys() == {f"second_instance {LI}"}
    assert found[f"second_instance {LI}"]["last_day"] == "2025-07-09"
    assert f"second_instance {LI}" in case.deadlines(clerk(UPPER_COURT), as_of=BACK, status="met")


def test_remanded_the_first_instance_begins_anew(case: TownCase) -> None:
    """Two months from the return, whatever was left of the first time; the file is where it came from."""
    first = case.deadlines(clerk(COURT), as_of="2025-04-01T00:00:00Z")[f"first_instance {LI}"]
    assert (first["started_at"], first["last_day"]) == (ACCEPTED, "2025-05-06")
    anew = case.deadlines(clerk(COURT), as_of="2025-07-10T00:00:00Z")
    assert anew.keys() == {f"first_instance {LI}"}
    assert (anew[f"first_instance {LI}"]["started_at"], anew[f"first_instance {LI}"]["last_day"]) == (
        BACK,
        "2025-09-02",
    )
    shown = case.seen_by(clerk(COURT))
    assert (shown["stage"], shown["responsible"]) == ("first_instance", COURT)
    assert {item["item_id"]: item["holder"] for item in shown["items"]} == {DOSSIER: COURT}
    assert [handover["purpose"] for handover in shown["handovers"]] == ["public_prosecution", "appeal", "remand"]


def test_nothing_of_it_was_refused_for_being_entered_late(case: TownCase) -> None:
    """Late entry is what the flags say, and nothing besides."""
    flags = {flag["name"] for receipt in case.receipts for flag in receipt["flags"]}
    assert flags == {"late_entry"}
