"""Story 5, detained, then bailed: thirty days without a ground, arrest refused on the seventh day, bail, and bail anew.

It happened in 2025 and is entered late, which is flagged and refused by nobody.
"""

from __future__ import annotations

import pytest

from ledger.samples.case_acts import person_id
from ledger.samples.stories import DETAINED_THEN_BAILED, DETENTION_LEAD, PAIR
from tests.e2e.stories.town import Town, TownCase

BAILED, ARRESTED = map(person_id, PAIR)
DETAINED = "2025-03-03"  # a Monday


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """Two persons, from their detention to the prosecution's own bail for one of them."""
    return town.played(DETAINED_THEN_BAILED, DETAINED)


def test_thirty_days_without_a_ground_are_recorded_and_flagged(case: TownCase) -> None:
    """The first extension goes beyond what the law gives, the second stays within it: neither is refused."""
    pairs = zip(case.events, case.receipts, strict=True)
    first, second = (
        {flag["name"] for flag in receipt["flags"]}
        for event, receipt in pairs
        if event.event.event_type == "measure.extended"
    )
    assert "term_beyond_law" in first
    assert not {"term_beyond_law", "extension_without_ground", "extension_without_basis"} & second
    until = {measure["measure_id"]: measure["until"] for measure in case.seen_by("police")["measures"]}
    assert until["detention-1"] == "2025-04-02"


def test_thirty_days_without_a_ground_become_a_lead(town: Town, case: TownCase) -> None:
    """Rule 1 finds the first detention and leaves the second, whose ground the clause has; the police answer, the
    procuratorate confirms by the form that was looked at, and a notice comes of it."""
    town.publish("detention-without-ground")
    raised = town.work(DETENTION_LEAD)["raised"]
    assert (raised["supervised"], raised["values"]["until"]) == ("psb-east", "2025-04-02")
    assert case.stream.id == raised["case_id"]
    measures = [key["measure_id"] for key in town.findings("detention-without-ground", "prosecutor")]
    assert "detention-1" in measures
    assert "detention-2" not in measures


def test_the_day_of_the_law_passes_whatever_the_paper_says(case: TownCase) -> None:
    """Four days more are all that the clause gives without a ground: from the 11th on the first one's time is overdue,
    the handler's list says so, and the second one's runs until 2 April."""
    listed = case.deadlines("police", as_of="2025-03-20T00:00:00Z", mine=True)
    first, second = listed[f"arrest_request {BAILED}"], listed[f"arrest_request {ARRESTED}"]
    assert (first["status"], first["last_day"], first["days_left"]) == ("overdue", "2025-03-10", -10)
    assert first["beyond_law"] is True
    assert (second["status"], second["last_day"], second["beyond_law"]) == ("running", "2025-04-02", False)
    overdue = case.deadlines("police", as_of="2025-03-20T00:00:00Z", status="overdue")
    assert f"arrest_request {BAILED}" in overdue
    assert f"arrest_request {ARRESTED}" not in overdue
