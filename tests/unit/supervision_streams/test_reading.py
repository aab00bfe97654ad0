"""Who is told of models, leads and recommendations; what an audit finds where lists are not what the events give."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from ledger.core.supervision import LeadState
from ledger.core.visibility import Reader
from ledger.store import supervision
from ledger.store.cases import Page
from ledger.store.supervision import LEADS, MODELS, LeadFilter
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    clerk,
    supervisor,
)
from tests.testkit.ledgers import Ledger
from tests.testkit.supervision import Lead, Model, Recommendation, assigned, closed, raised, transferred
from tests.unit.audit.test_rules import force
from tests.unit.supervision_streams.streams import feed_types, findings, post, reader, rows, whole_course, write


def test_the_feed_tells_those_whom_a_lead_concerns(ledger: Ledger) -> None:
    """The procuratorate from the finding on, the supervised agency all of it once it is assigned, nobody else."""
    lead = Lead().raised()
    post(ledger, lead)
    assert (feed_types(ledger, PROCURATORATE), feed_types(ledger, POLICE)) == (["lead.raised"], [])
    ledger.post(lead.assigned().last)
    assert feed_types(ledger, POLICE) == ["lead.raised", "lead.assigned"]
    ledger.post(lead.act(transferred(UPPER), supervisor(PROCURATORATE)).last)
    assert feed_types(ledger, UPPER) == ["lead.raised", "lead.assigned", "lead.transferred"]
    assert feed_types(ledger, PROCURATORATE) == ["lead.raised", "lead.assigned", "lead.transferred"]
    ledger.post(lead.assigned().last)
    assert feed_types(ledger, PROCURATORATE) == ["lead.raised", "lead.assigned", "lead.transferred"]
    assert feed_types(ledger, COURT) == []


def test_the_feed_tells_of_recommendations_and_models(ledger: Ledger) -> None:
    """Both sides of a recommendation; a model's publisher and those who adopted it, from its first version on."""
    model, lead, recommendation = whole_course()
    write(ledger, lead.events[:-1])
    post(ledger, model, recommendation)
    assert feed_types(ledger, UPPER) == ["model.published", "model.published", "model.adopted"]
    issued = ["recommendation.issued", "recommendation.answered", "recommendation.rechecked"]
    assert feed_types(ledger, POLICE)[-3:] == issued
    assert {*issued, "model.adopted"} <= {*feed_types(ledger, PROCURATORATE)}


def test_who_sees_which_stream(ledger: Ledger) -> None:
    """By the party or the jurisdiction, told or not; a model everybody, what is not there nobody."""
    model, recommendation, lead = Model().published(), Recommendation(), Lead().raised()
    post(ledger, model, lead)
    lead_id = lead.state.lead_id

    def seen(by: Reader, stream_id: str = lead_id) -> str | None:
        with ledger.database.read() as connection:
            return supervision.sight(connection, stream_id, by)

    above = reader(UPPER, UPPER, PROCURATORATE, POLICE)
    assert (seen(reader(PROCURATORATE)), seen(reader(POLICE)), seen(above)) == ("party", None, "jurisdiction")
    assert seen(reader(UPPER)) is None
    assert seen(reader(NEIGHBOUR, NEIGHBOUR, FAR_POLICE)) is None
    ledger.post(lead.assigned().last)
    assert seen(reader(POLICE)) == "party"
    ledger.post(recommendation.issued(leads=(lead_id,)).last)
    stream_id = recommendation.stream.id
    assert seen(reader(POLICE), stream_id) == "party"
    assert (seen(above, stream_id), seen(reader(COURT), stream_id)) == ("jurisdiction", None)
    assert (seen(reader(COURT), model.stream.id), seen(reader(COURT), "model-none")) == ("party", None)
    assert seen(reader(COURT), "pensions") is None


def test_lists_are_paged_and_narrowed(ledger: Ledger) -> None:
    """By state, model, case, agency and procuratorate; each page goes on behind the last change."""
    leads = [Lead({"case_id": f"case-{n}"}, start=1772413200 + n).raised() for n in range(3)]
    post(ledger, *leads)
    ledger.post(leads[0].assigned().last)
    by = reader(PROCURATORATE)

    def listed(page: Page = Page(), **wanted: Any) -> list[str | None]:  # noqa: B008 - a frozen value
        with ledger.database.read() as connection:
            return [row["case_id"] for row in supervision.list_leads(connection, by, page, LeadFilter(**wanted))]

    assert listed() == ["case-1", "case-2", "case-0"]
    first = rows(ledger, LEADS)
    index = min(row["updated_index"] for row in first)
    assert listed(Page(1, str(index))) == ["case-2"]
    assert listed(status="assigned") == ["case-0"]
    assert listed(case_id="case-2", model_id="item-not-handed-over", agency=POLICE) == ["case-2"]
    assert listed(procuratorate=UPPER) == []
    with ledger.database.read() as connection:
        tally = supervision.tally_of_model(connection, "item-not-handed-over")
        counted = supervision.tally_of(connection, ["item-not-handed-over", "another"])
        assert supervision.tally_of(connection, ["another"]) == []
    assert tally == [(1, "assigned", None, 1), (1, "raised", None, 2)]
    assert [tallied[2:] for tallied in counted] == [tallied[1:] for tallied in tally]


def test_a_procuratorates_recommendations_come_newest_first(ledger: Ledger) -> None:
    """Those of others that the reader sees too are not among them, and no older one is in the place of a newer one."""
    own = [Recommendation(f"2026-{number}").issued() for number in range(3)]
    other = Recommendation("2026-9").issued(supervisor(NEIGHBOUR), to_agency=FAR_POLICE)
    ledger.post_all([issued.last for issued in (own[0], own[1], other, own[2])])

    def newest(by: Reader, limit: int) -> list[str]:
        with ledger.database.read() as connection:
            rows_found = supervision.newest_recommendations(connection, by, PROCURATORATE, limit)
        return [row["recommendation_id"] for row in rows_found]

    above = reader(UPPER, UPPER, PROCURATORATE, NEIGHBOUR, POLICE, FAR_POLICE)
    assert newest(above, 2) == ["2026-2", "2026-1"]
    assert newest(reader(PROCURATORATE), 9) == ["2026-2", "2026-1", "2026-0"]
    assert newest(reader(COURT), 9) == []


def test_how_leads_turned_out_is_counted_over_time(ledger: Ledger) -> None:
    """By the hour in which they were raised, each lead once, under what it stands at."""
    lead = Lead().raised().assigned().confirmed().act(closed(), clerk(PROCURATORATE))
    other = Lead({"case_id": "case-1", "item_id": "knife"}).raised()
    post(ledger, lead, other)
    with ledger.database.read() as connection:
        outturn = supervision.outturn_of_model(connection, "item-not-handed-over")
    hour = lead.state.raised_at[:13]
    assert outturn == [(hour, "closed", "rectification_notice", 1), (hour, "raised", None, 1)]


def test_a_sound_life_has_no_findings(ledger: Ledger) -> None:
    """Streams and lists of supervision are what the events come to."""
    model, lead, recommendation = whole_course()
    post(ledger, model)
    write(ledger, lead.events[:-1])
    post(ledger, recommendation)
    ledger.post(lead.last)
    assert findings(ledger) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leads SET status = 'closed'",
        "DELETE FROM leads",
        "UPDATE recommendations SET to_agency = 'court-east'",
        "UPDATE models SET model_id = 'another'",
    ],
)
def test_an_edited_list_is_a_finding(ledger: Ledger, statement: str) -> None:
    """What lists show must be what the events come to; no list is left out."""
    post(ledger, Model().published(), Lead().raised(), Recommendation().issued())
    with ledger.database.log.begin() as connection:
        assert connection.execute(text(statement)).rowcount
    assert {step for step, _ in findings(ledger)} == {"models"}


def test_a_row_without_any_event_is_a_finding(ledger: Ledger) -> None:
    """Also where the log has no stream of supervision at all."""
    post(ledger, Model().published())
    row = rows(ledger, MODELS)[0]
    with ledger.database.log.begin() as connection:
        connection.execute(MODELS.insert(), {**row, "model_id": "another"})
    assert findings(ledger) == {("models", None)}


def test_a_step_that_was_impossible_is_a_finding(ledger: Ledger) -> None:
    """What a dishonest operator sequences unjudged is named by its index, and what stands on it is not judged."""
    lead = Lead().raised()
    post(ledger, lead)
    assert isinstance(lead.current, LeadState)
    lead.events.append(lead.draft(closed("none"), clerk(PROCURATORATE)))
    lead.events.append(lead.draft(assigned(), supervisor(PROCURATORATE)))
    index = force(ledger, *lead.events[1:])
    assert findings(ledger) == {("supervision", index)}


def test_a_lead_for_nobody_is_a_finding(ledger: Ledger) -> None:
    """An agency counts from its admission on: a lead that was sequenced before names nobody."""
    lead = Lead()
    lead.events.append(lead.draft(raised(supervised="police-moon"), SERVICE))
    assert findings(ledger) == set()
    index = force(ledger, *lead.events)
    assert findings(ledger) == {("supervision", index)}
