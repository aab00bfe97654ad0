"""Story 9, appeal and remand: the file goes up within three days, comes back, and the first instance begins anew."""

from __future__ import annotations

import pytest

from ledger.samples.case_acts import person_id
from ledger.samples.stories import APPEAL_AND_REMAND, DEFENDANT
from tests.e2e.stories.town import Town, TownCase

PERSON = person_id(DEFENDANT)
INDICTED = "2025-03-03"  # a Monday
ACCEPTED = "2025-03-05T02:00:00Z"
BACK = "2025-07-02T02:00:00Z"


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """One defendant at liberty, from the indictment to the day on which the file is back."""
    return town.played(APPEAL_AND_REMAND, INDICTED)


def test_the_file_goes_up_within_three_days(case: TownCase) -> None:
    """Ten days to appeal from the day after service; once they have passed, three for the court to send the file."""
    appeal = case.deadlines("court", as_of="2025-05-01T00:00:00Z")[f"appeal_against_judgment {PERSON}"]
    assert (appeal["last_day"], appeal["article"]) == ("2025-05-08", "CPL 230")
    assert not case.deadlines("court", as_of="2025-05-08T00:00:00Z")
    sending = case.deadlines("court", as_of="2025-05-09T00:00:00Z")
    assert sending.keys() == {"file_to_upper_court case"}
    file_up = sending["file_to_upper_court case"]
    assert (file_up["agency"], file_up["last_day"], file_up["days_left"]) == ("court-east", "2025-05-12", 3)
    met = case.deadlines("court", as_of=BACK, status="met")
    assert {"file_to_upper_court case", f"appeal_against_judgment {PERSON}"} <= met.keys()


def test_remanded_the_first_instance_begins_anew(case: TownCase) -> None:
    """Two months from the return, whatever was left of the first time; the file is where it came from."""
    first = case.deadlines("court", as_of="2025-04-01T00:00:00Z")[f"first_instance {PERSON}"]
    assert (first["started_at"], first["last_day"]) == (ACCEPTED, "2025-05-06")
    deadlines = case.deadlines("court", as_of="2025-07-10T00:00:00Z")
    assert deadlines.keys() == {f"first_instance {PERSON}"}
    anew = deadlines[f"first_instance {PERSON}"]
    assert (anew["started_at"], anew["last_day"]) == (BACK, "2025-09-02")
    shown = case.seen_by("court")
    assert (shown["stage"], shown["responsible"]) == ("first_instance", "court-east")
    assert {item["item_id"]: item["holder"] for item in shown["items"]} == {f"{case.stream.id}-dossier": "court-east"}
    assert [handover["purpose"] for handover in shown["handovers"]] == ["public_prosecution", "appeal", "remand"]


def test_nothing_of_a_past_that_was_taken_over_is_marked(case: TownCase) -> None:
    """It lies before the ledger, which had none of it in time: nothing is refused or flagged for being entered late."""
    assert [flag["name"] for receipt in case.receipts for flag in receipt["flags"]] == []
