"""Story 4, the third return: the review begins anew twice; the third return is recorded, flagged, and not refused."""

from __future__ import annotations

from typing import Any

from tests.e2e.stories.prosecution import WorkedLead, publish
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, clerk
from tests.testkit.casework import person_id

REVIEW = f"prosecution_review {person_id('li')}"
SUPPLEMENT = f"supplementary_investigation {person_id('li')}"
# Received, last day of the review, returned, last day of the supplementary investigation. Li is at liberty, so that an
# end on a day off gives way: 25 May 2025 is a Sunday, 20 June a Friday.
ROUNDS = (
    ("2025-03-03", "2025-04-03", "2025-03-28", "2025-04-28"),
    ("2025-04-25", "2025-05-26", "2025-05-20", "2025-06-20"),
    ("2025-06-17", "2025-07-17", "2025-07-10", "2025-08-11"),
)


def at(day: str) -> str:
    return f"{day}T02:00:00Z"


def submit(case: TownCase, day: str, **follows: str) -> None:
    case.on(at(day)).offer(f"{case.stream.id}-file", to=PROCURATORATE, persons=("li",), **follows)
    case.accept(received_at=at(day))


def give_back(case: TownCase, day: str) -> dict[str, Any]:
    """Returned and taken back on one day; gives the receipt of the return."""
    case.on(at(day)).give_back(f"{case.stream.id}-file", persons=("li",), remedy="supplement")
    receipt = case.receipt
    case.accept(received_at=at(day))
    return receipt


def last_days(case: TownCase, agency: str, day: str) -> dict[str, str]:
    """The deadlines of the agency that run on a day, with the last day of each."""
    listed = case.deadlines(clerk(agency), as_of=at(day), agency=agency)
    return {name: one["last_day"] for name, one in listed.items() if one["status"] == "running"}


def lawful(flags: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The flags but for that of the story's past, which is recorded late."""
    return [(flag["name"], flag["article"]) for flag in flags if flag["name"] not in ("late_entry", "backdated")]


def test_the_review_begins_anew_twice_and_the_third_return_is_flagged(town: Town) -> None:
    """Each acceptance starts a month of review, each return stops it and starts a month of supplementary investigation;
    two returns are lawful, the third stands in the record under the article that it breaks.
    """
    case = (
        town.case("third-return").on(at("2025-03-02")).open().name("li").register("third-return-file", kind="dossier")
    )
    flagged = []
    for number, (received, review_until, returned, supplement_until) in enumerate(ROUNDS):
        submit(case, received, **({"follows": f"handover-{2 * number}"} if number else {}))
        assert last_days(case, PROCURATORATE, received)[REVIEW] == review_until
        flagged.append(lawful(give_back(case, returned)["flags"]))
        assert REVIEW not in last_days(case, PROCURATORATE, returned)
        assert last_days(case, POLICE, returned)[SUPPLEMENT] == supplement_until
    assert flagged == [[], [], [("third_return", "CPL 175")]]

    assert case.seen_by(clerk(POLICE))["responsible"] == POLICE
    handovers = case.seen_by(clerk(PROCURATORATE))["handovers"]
    assert [(one["purpose"], one["status"], one["returns"], one["follows"]) for one in handovers] == [
        ("prosecution_review", "accepted", None, None),
        ("supplementary_investigation", "accepted", "handover-1", None),
        ("prosecution_review", "accepted", None, "handover-2"),
        ("supplementary_investigation", "accepted", "handover-3", None),
        ("prosecution_review", "accepted", None, "handover-4"),
        ("supplementary_investigation", "accepted", "handover-5", None),
    ]
    steps = town.read("/api/v1/cases/third-return/timeline", clerk(PROCURATORATE))["events"]
    (third,) = [step for step in steps if any(flag["name"] == "third_return" for flag in step["flags"])]
    assert (third["event_type"], third["body"]["handover_id"]) == ("handover.returned", "handover-6")


def test_the_third_return_becomes_a_lead_by_itself_and_ends_in_a_rectification_notice(town: Town) -> None:
    """Rule 8, published by an analyst: the service raises the lead for the district's procuratorate and cites the third
    return; the police, who had to supplement, answer; it is confirmed by what was looked at, and a notice comes of it.
    """
    publish(town, "third-return")
    case = town.case("returned").on(at("2025-03-02")).open().name("li").register("returned-file", kind="dossier")
    for number, (received, _, returned, _) in enumerate(ROUNDS):
        submit(case, received, **({"follows": f"handover-{2 * number}"} if number else {}))
        give_back(case, returned)
    lead = WorkedLead(town, "third-return", case_id="returned", handover_id="handover-6")
    raised = lead.shown["raised"]
    assert (raised["supervised"], raised["procuratorate"], raised["case_id"]) == (POLICE, PROCURATORATE, "returned")
    assert case.events[-2].digest in {event["payload_digest"] for event in raised["events"]}

    lead.assign()
    assert not lead.sees(clerk(COURT))
    lead.answer(POLICE, "the bank sent its records only now")
    lead.confirm("the three lists of what was missing are the same")
    lead.close("rectification_notice", "notice given to the police", "--document", "2025-4")
    shown = lead.shown
    assert (shown["status"], shown["closed"]["outcome"]) == ("closed", "rectification_notice")
    assert lead.steps() == ["lead.raised", "lead.assigned", "lead.answered", "lead.confirmed", "lead.closed"]


def test_a_return_that_the_police_do_not_take_counts_for_none(town: Town) -> None:
    """Refused, the return has moved nothing: the review runs on as it ran, and the next return is no third one."""
    case = town.case("return-refused").on(at("2025-03-02")).open().name("li")
    case.register("return-refused-file", kind="dossier")
    submit(case, "2025-03-03")
    case.on(at("2025-03-28")).give_back("return-refused-file", persons=("li",))
    assert REVIEW not in last_days(case, PROCURATORATE, "2025-03-28")
    case.on(at("2025-03-31")).refuse(reason_code="other", remedy="not_accepted", explanation="nothing is missing")
    assert last_days(case, PROCURATORATE, "2025-03-31")[REVIEW] == "2025-04-03"
    assert case.seen_by(clerk(POLICE))["responsible"] == PROCURATORATE
