"""Story 4, the third return: the review begins anew twice; the third return is recorded, flagged, and not refused."""

from __future__ import annotations

import pytest

from ledger.samples.case_acts import person_id
from ledger.samples.stories import SUSPECT, THIRD_RETURN, THIRD_RETURN_LEAD
from tests.e2e.stories.town import Town, TownCase

REVIEW = f"prosecution_review {person_id(SUSPECT)}"
SUPPLEMENT = f"supplementary_investigation {person_id(SUSPECT)}"
# Last day of the review, last day of the supplementary investigation. The suspect is at liberty, so that an end on a
# day off gives way: 25 May 2025 is a Sunday, 20 June a Friday.
LAST_DAYS = (("2025-04-03", "2025-04-28"), ("2025-05-26", "2025-06-20"), ("2025-07-17", "2025-08-11"))


def last_days(case: TownCase, by: str, agency: str) -> dict[str, str]:
    """Return the deadlines of the agency that run at the next act, with the last day of each."""
    listed = case.deadlines(by, as_of=case.moment, agency=agency)
    return {name: deadline["last_day"] for name, deadline in listed.items() if deadline["status"] == "running"}


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """Return the story, in which each acceptance starts a month of review, each return a month of investigation."""
    days, flagged = iter(LAST_DAYS), []
    for point, case in town.story(THIRD_RETURN, "2025-03-02"):
        if point == "received":
            review_until, supplement_until = next(days)
            assert last_days(case, "prosecutor", "procuratorate-east")[REVIEW] == review_until
        elif point == "returned":
            flagged.append([(flag["name"], flag["article"]) for flag in case.flagged()])
            assert REVIEW not in last_days(case, "prosecutor", "procuratorate-east")
        else:
            assert last_days(case, "police", "psb-east")[SUPPLEMENT] == supplement_until
    assert flagged == [[], [], [("returned_too_often", "CPL 175")]]
    return case


def test_the_review_begins_anew_twice_and_the_third_return_is_flagged(town: Town, case: TownCase) -> None:
    """Two returns are lawful, the third stands in the record under the article that it breaks."""
    assert case.seen_by("police")["responsible"] == "psb-east"
    handovers = case.seen_by("prosecutor")["handovers"]
    assert [(step["purpose"], step["status"], step["returns"], step["follows"]) for step in handovers] == [
        ("prosecution_review", "accepted", None, None),
        ("supplementary_investigation", "accepted", "handover-1", None),
        ("prosecution_review", "accepted", None, "handover-2"),
        ("supplementary_investigation", "accepted", "handover-3", None),
        ("prosecution_review", "accepted", None, "handover-4"),
        ("supplementary_investigation", "accepted", "handover-5", None),
    ]
    steps = town.read(f"/api/v1/cases/{case.stream.id}/timeline", "prosecutor")["events"]
    (third,) = [step for step in steps if any(flag["name"] == "returned_too_often" for flag in step["flags"])]
    assert (third["event_type"], third["body"]["handover_id"]) == ("handover.returned", "handover-6")


def test_the_third_return_becomes_a_lead_by_itself_and_ends_in_a_rectification_notice(
    town: Town, case: TownCase
) -> None:
    """Rule 8, published by an analyst: the service raises the lead for the district's procuratorate and cites the third
    return; the police, who had to supplement, answer; it is confirmed by what was looked at, and a notice comes of it.
    """
    town.publish("third-return")
    shown = town.work(THIRD_RETURN_LEAD)
    raised = shown["raised"]
    assert (raised["supervised"], raised["supervising"]) == ("psb-east", "procuratorate-east")
    third = case.events[-2].envelope.payload_digest
    assert third in {event["payload_digest"] for event in raised["events"]}
    assert shown["closed"]["outcome"] == "rectification_notice"
    assert THIRD_RETURN_LEAD.key not in town.findings("third-return", "court")
