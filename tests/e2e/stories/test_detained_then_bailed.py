"""Story 5, detained, then bailed: thirty days without a ground, arrest refused on the seventh day, bail, and bail anew.

It happened in 2025 and is entered late, which is flagged and refused by nobody.
"""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case as acts
from ledger.core.events import case as deadline
from tests.e2e.stories.prosecution import WorkedLead, publish
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import person_id

LI, WANG = person_id("li"), person_id("wang")
DETAINED = "2025-03-03T02:00:00Z"  # a Monday, ten in the morning in Shanghai
EXTENDED = "2025-03-05T02:00:00Z"
REQUESTED = "2025-03-31T02:00:00Z"
REFUSED = "2025-04-07T08:00:00Z"  # the seventh day
TRANSFERRED = "2025-06-03T02:00:00Z"
BAILED_ANEW = "2025-06-05T02:00:00Z"


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """Li and Wang, from their detention to the prosecution's own bail for Li."""
    made = town.case("bailed").on(DETAINED).open().name("li", "wang")
    for name in ("li", "wang"):
        measure = {"measure_id": f"detention-{name}", "person_id": person_id(name), "measure": "detention"}
        made.say(acts.MeasureImposed, None, **measure, started_at=DETAINED, ground="caught in the act")
    made.say(acts.CaseAssigned, None, department="squad 2", handler=clerk(POLICE).officer_id)
    thirty_days(made)
    made.on(REQUESTED).offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li", "wang"))
    made.accept(received_at=REQUESTED)
    made.on(REFUSED)
    decide(made, "arrest_refused", LI)
    decide(made, "arrest_approved", WANG)
    change(made, "detention-li", "bail-li", "bail", REFUSED)
    change(made, "detention-wang", "arrest-wang", "arrest", REFUSED)
    made.on(TRANSFERRED).offer(to=PROCURATORATE, persons=("li", "wang")).accept(received_at=TRANSFERRED)
    change(made.on(BAILED_ANEW), "bail-li", "bail-li-anew", "bail", BAILED_ANEW)
    return made


def thirty_days(case: TownCase) -> None:
    """Li's detention is extended with no ground at all, Wang's with one of the three that the clause has."""
    until = {"until": "2025-04-02", "article": "CPL 91", "ground": "more time is needed"}
    case.on(EXTENDED).say(acts.MeasureExtended, None, measure_id="detention-li", **until)
    case.say(acts.MeasureExtended, None, measure_id="detention-wang", **until, qualifying_ground="gang")


def decide(case: TownCase, kind: str, person: str) -> None:
    paper = {"decision_id": kind.replace("_", "-"), "kind": kind, "number": "2025-7", "person_ids": (person,)}
    case.say(acts.DecisionRecorded, clerk(PROCURATORATE), **paper, decided_at=REFUSED)


def change(case: TownCase, old: str, new: str, measure: str, at: str) -> None:
    ids = {"measure_id": old, "new_measure_id": new, "measure": measure}
    case.say(acts.MeasureChanged, None, **ids, started_at=at, ground="decided")


def flags_of(case: TownCase, event_type: str) -> list[set[str]]:
    """The flags that each event of the type raised."""
    pairs = zip(case.events, case.receipts, strict=True)
    receipts = [receipt for event, receipt in pairs if event.payload.event_type == event_type]
    return [{flag["name"] for flag in receipt["flags"]} for receipt in receipts]


def test_thirty_days_without_a_ground_are_recorded_and_flagged(case: TownCase) -> None:
    """Li's extension goes beyond what the law gives, Wang's stays within it: neither is refused."""
    li, wang = flags_of(case, "measure.extended")
    assert "term_beyond_law" in li
    assert not {"term_beyond_law", "extension_without_ground", "extension_without_basis"} & wang
    assert {measure["measure_id"]: measure["until"] for measure in case.seen_by(clerk(POLICE))["measures"]}[
        "detention-li"
    ] == "2025-04-02"


def test_thirty_days_without_a_ground_become_a_lead(town: Town, case: TownCase) -> None:
    """Rule 1 finds Li's detention and leaves Wang's, whose ground the clause has; the police answer, the procuratorate
    confirms by the form that was looked at, and a notice comes of it."""
    publish(town, "detention-without-ground")
    lead = WorkedLead(town, "detention-without-ground", case_id="bailed", measure_id="detention-li")
    raised = lead.shown["raised"]
    assert (raised["supervised"], raised["values"]["until"]) == (POLICE, "2025-04-02")
    assert case.stream.id == raised["case_id"]
    measures = [one["raised"]["key"]["measure_id"] for one in lead.listed(clerk(PROCURATORATE))]
    assert "detention-li" in measures
    assert "detention-wang" not in measures

    lead.assign()
    lead.answer(POLICE, "the form's ground was left blank")
    lead.confirm("no ground of the three is recorded or found in the file")
    lead.close("rectification_notice", "notice given to the police", "--document", "2025-5")
    assert lead.shown["status"] == "closed"


def test_the_day_of_the_law_passes_whatever_the_paper_says(case: TownCase) -> None:
    """Four days more are all that the clause gives without a ground: from the 11th on Li's time is overdue, his
    handler's list says so, and Wang's runs until 2 April."""
    found = case.deadlines(clerk(POLICE), as_of="2025-03-20T00:00:00Z", mine=True)
    li, wang = found[f"arrest_request {LI}"], found[f"arrest_request {WANG}"]
    assert (li["status"], li["last_day"], li["days_left"], li["beyond_law"]) == ("overdue", "2025-03-10", -10, True)
    assert (wang["status"], wang["last_day"], wang["beyond_law"]) == ("running", "2025-04-02", False)
    overdue = case.deadlines(clerk(POLICE), as_of="2025-03-20T00:00:00Z", status="overdue")
    assert f"arrest_request {LI}" in overdue
    assert f"arrest_request {WANG}" not in overdue


def test_its_arithmetic_is_told_in_words(case: TownCase) -> None:
    """Sentence by sentence, in the reader's language, down to the day that no paper moves."""
    at = "2025-03-20T00:00:00Z"
    li = case.deadlines(clerk(POLICE), as_of=at)[f"arrest_request {LI}"]
    assert li["arithmetic"] == [
        "The starting day, 2025-03-03, does not count.",
        "3 days: from 2025-03-04 to 2025-03-06.",
        "4 days: from 2025-03-07 to 2025-03-10.",
        "In custody: the last day stays 2025-03-10, day off or not.",
        "A decision sets 2025-04-02, later than the law gives: the day of the law stands.",
        "In time until 2025-03-10 24:00, Beijing time.",
    ]
    types = {event.envelope.event_id: event.payload.event_type for event in case.events}
    derived_from = [types[event["event_id"]] for event in li["events"]]
    assert derived_from == ["measure.imposed", "measure.extended", "handover.offered"]
    chinese = case.deadlines(clerk(POLICE), as_of=at, lang="zh-CN")[f"arrest_request {LI}"]
    assert (chinese["label"], len(chinese["arithmetic"])) == ("提请批准逮捕", 6)


def test_arrest_is_decided_on_the_seventh_day_and_in_time(case: TownCase) -> None:
    """The procuratorate's seven days end at midnight of the seventh; one clock for each person, met by his decision."""
    by, on_the_day = clerk(PROCURATORATE), "2025-04-07T07:00:00Z"
    found = case.deadlines(by, as_of=on_the_day, agency=PROCURATORATE)
    assert {key: (one["last_day"], one["days_left"]) for key, one in found.items()} == {
        f"arrest_decision {LI}": ("2025-04-07", 0),
        f"arrest_decision {WANG}": ("2025-04-07", 0),
    }
    met = case.deadlines(by, as_of="2025-04-08T00:00:00Z", status="met", agency=PROCURATORATE)
    assert met.keys() == found.keys()


def test_bail_runs_anew_when_the_prosecution_decides_anew(case: TownCase) -> None:
    """Twelve months from the police's bail, then twelve from the procuratorate's: one clock for Li, none for Wang,
    whose custody has a clock of its own; the time of a person is that of the organ that answers for him."""
    before = case.deadlines(clerk(POLICE), as_of="2025-05-01T00:00:00Z")
    assert before[f"bail_limit {LI}"]["last_day"] == "2026-04-07"
    assert before[f"investigation_custody {WANG}"]["last_day"] == "2025-06-07"
    after = case.deadlines(clerk(PROCURATORATE), as_of="2025-06-10T00:00:00Z", agency=PROCURATORATE)
    assert after[f"bail_limit {LI}"]["last_day"] == "2026-06-05"
    assert after[f"bail_limit {LI}"]["started_at"] == BAILED_ANEW
    assert {key for key in after if key.startswith(("bail", "investigation"))} == {f"bail_limit {LI}"}
    assert {key for key in after if key.startswith("prosecution")} == {
        f"prosecution_review {LI}",
        f"prosecution_review {WANG}",
    }
    assert {one["agency"] for one in after.values()} == {PROCURATORATE}


def test_an_extension_by_name_wants_its_ground_too(town: Town) -> None:
    """The same thirty days decided on the clock itself: flagged for the ground that is not there."""
    made = town.case("no-ground").on(DETAINED).open().name("li")
    measure: dict[str, Any] = {"measure_id": "detention-li", "person_id": LI, "measure": "detention"}
    made.say(acts.MeasureImposed, None, **measure, started_at=DETAINED, ground="caught in the act")
    clock = next(key for key in made.state.clocks if key.startswith("arrest_request"))
    extension = {"extension": "roaming_repeated_gang", "article": "CPL 91", "ground": "more time is needed"}
    made.on(EXTENDED).say(deadline.DeadlineExtended, None, deadline_id=clock, **extension)
    assert "extension_without_ground" in {flag["name"] for flag in made.receipt["flags"]}
