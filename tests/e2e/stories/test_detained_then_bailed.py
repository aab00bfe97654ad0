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
BAILED_ANEW = "2025-06-05T02:00:00Z"


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
        if event.payload.event_type == "measure.extended"
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


def test_arrest_is_decided_on_the_seventh_day_and_in_time(case: TownCase) -> None:
    """The procuratorate's seven days end at midnight of the seventh; one clock for each person, met by his decision."""
    on_the_day = "2025-04-07T07:00:00Z"
    running = case.deadlines("prosecutor", as_of=on_the_day, agency="procuratorate-east")
    assert {key: (deadline["last_day"], deadline["days_left"]) for key, deadline in running.items()} == {
        f"arrest_decision {BAILED}": ("2025-04-07", 0),
        f"arrest_decision {ARRESTED}": ("2025-04-07", 0),
    }
    met = case.deadlines("prosecutor", as_of="2025-04-08T00:00:00Z", status="met", agency="procuratorate-east")
    assert met.keys() == running.keys()


def test_bail_runs_anew_when_the_prosecution_decides_anew(case: TownCase) -> None:
    """Twelve months from the police's bail, then twelve from the procuratorate's: one clock for who is bailed, none for
    the other, whose custody has a clock of its own; the time of a person is that of the organ that answers for him."""
    before = case.deadlines("police", as_of="2025-05-01T00:00:00Z")
    assert before[f"bail_limit {BAILED}"]["last_day"] == "2026-04-07"
    assert before[f"investigation_custody {ARRESTED}"]["last_day"] == "2025-06-07"
    after = case.deadlines("prosecutor", as_of="2025-06-10T00:00:00Z", agency="procuratorate-east")
    assert after[f"bail_limit {BAILED}"]["last_day"] == "2026-06-05"
    assert after[f"bail_limit {BAILED}"]["started_at"] == BAILED_ANEW
    assert {key for key in after if key.startswith(("bail", "investigation"))} == {f"bail_limit {BAILED}"}
    assert {key for key in after if key.startswith("prosecution")} == {
        f"prosecution_review {BAILED}",
        f"prosecution_review {ARRESTED}",
    }
    assert {deadline["agency"] for deadline in after.values()} == {"procuratorate-east"}
