"""Models, leads and recommendations in a ledger: judged by their streams, listed, told to their parties, audited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text

from ledger.audit import audit_log, left_out
from ledger.core.errors import Conflict, RuleRefused, Unauthorized
from ledger.core.event import Stream, digest_of
from ledger.core.event.record import DatasetRegistered
from ledger.core.event.supervision import ModelPublished, Told
from ledger.core.supervision import LeadState
from ledger.matters import matter_of
from ledger.record import shipped_rulebook
from ledger.store import feed, supervision
from ledger.store.cases import Page, Reader
from ledger.store.feed import Cursor
from ledger.store.supervision import Wanted
from ledger.store.supervision_tables import LEADS, MODELS, RECOMMENDATIONS
from tests.audit.test_rules import force
from tests.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    Event,
    Officer,
    analyst,
    auditor,
    clerk,
    event_id,
    event_of,
    refused,
    supervisor,
)
from tests.bundles import trust
from tests.casework import Case
from tests.ledgers import LOG_SIGNER, Ledger, open_ledger
from tests.supervised import (
    Lead,
    Model,
    Recommendation,
    adopted,
    answered,
    assigned,
    closed,
    confirmed,
    definition_of,
    figures,
    published,
    raised,
    rechecked,
    replied,
    retired,
    transferred,
)

OFFICERS = (
    *(clerk(agency) for agency in (POLICE, COURT, PROCURATORATE, NEIGHBOUR, FAR_POLICE)),
    *(supervisor(agency) for agency in (PROCURATORATE, UPPER, NEIGHBOUR)),
    *(analyst(agency) for agency in (PROCURATORATE, COURT, UPPER)),
    auditor(UPPER),
)


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """A founded ledger on SQLite and on PostgreSQL."""
    with open_ledger(each_database_url) as opened:
        yield opened.found(*OFFICERS)


def post(ledger: Ledger, *streams: Any) -> None:
    """Each event once the one before is in the log."""
    for stream in streams:
        write(ledger, stream.events)


def write(ledger: Ledger, events: list[Event]) -> None:
    for event in events:
        ledger.post(event)


def rows(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    with ledger.database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def told(ledger: Ledger, agency: str) -> list[str]:
    """The types of event that the agency's feed has of supervision."""
    with ledger.database.read() as connection:
        steps = feed.page(connection, agency, Cursor(), 100)
    return [step.entry.event_type for step in steps if step.entry.stream_kind == "supervision"]


def findings(ledger: Ledger) -> set[tuple[str, int | None]]:
    report = audit_log(
        ledger.database, trust(log_key=LOG_SIGNER.verifying_key), shipped_rulebook(), look=left_out, processes=1
    )
    return {(finding.step, finding.index) for finding in report.findings}


def lived() -> tuple[Model, Lead, Recommendation]:
    """A model that is adopted, a lead to its end, a recommendation to its re-check."""
    model = Model().published().published().act(adopted(2), analyst(UPPER))
    lead = Lead().raised().assigned().act(answered(), clerk(POLICE)).confirmed()
    made = Recommendation().issued(leads=(lead.state.lead_id,))
    lead.act(closed("recommendation"), clerk(PROCURATORATE))
    return model, lead, made.act(replied(), clerk(POLICE)).act(rechecked(), supervisor(PROCURATORATE))


# -- recorded ----------------------------------------------------------------------------------------------------------


def test_lists_show_what_the_streams_stand_at(ledger: Ledger) -> None:
    """One row each, changed with the event that changed it, whether in one batch or in several."""
    model, lead, made = lived()
    post(ledger, model)
    write(ledger, lead.events[:-1])
    post(ledger, made)
    last = ledger.post(lead.last).index
    (row,) = rows(ledger, MODELS)
    assert (row["model_id"], row["version"], row["adoptions"], row["retired"]) == (model.model_id, 2, 1, False)
    (row,) = rows(ledger, LEADS)
    assert (row["lead_id"], row["status"], row["told"]) == (lead.state.lead_id, "closed", True)
    assert (row["outcome"], row["recommendation_id"], row["updated_index"]) == ("recommendation", "2026-7", last)
    (row,) = rows(ledger, RECOMMENDATIONS)
    assert (row["status"], row["result"], row["leads"]) == ("rechecked", "fell", 1)
    with ledger.database.read() as connection:
        known = matter_of(connection, lead.state.lead_id, ledger.registry.authority.agencies)
    assert known == lead.state


def test_an_impossible_step_is_refused_by_its_rule(ledger: Ledger) -> None:
    """The stream is folded before the event is sequenced; nothing of a refusal stays."""
    lead = Lead().raised().assigned()
    post(ledger, lead)
    for body, by, rule, field in (
        (confirmed(digests=()), clerk(PROCURATORATE), "material_missing", "body.digests"),
        (confirmed(), supervisor(NEIGHBOUR), "not_the_procuratorate", "agency"),
        (answered(), clerk(COURT), "not_the_supervised", "agency"),
        (transferred("procuratorate-moon"), supervisor(PROCURATORATE), "unknown_agency", "body.to_agency"),
    ):
        with refused(rule, field=f"payload.{field}"):
            ledger.post(lead.draft(body, by))
    assert rows(ledger, LEADS)[0]["status"] == "assigned"


def test_only_the_service_raises_leads(ledger: Ledger) -> None:
    """An officer's key does not, whatever his roles."""
    with pytest.raises(Unauthorized) as caught:
        ledger.post(Lead().draft(raised(), analyst(PROCURATORATE)))
    assert caught.value.code == "service_only"


def test_a_finding_is_raised_once(ledger: Ledger) -> None:
    """Twice in one batch, or later: the second loses, and the same event gets its receipt again."""
    first, second = Lead().raised(), Lead(start=1772500000)
    second.raised()
    ledger.post(first.last)
    with pytest.raises(Conflict) as lost:
        ledger.post(
            event_of(raised(), SERVICE, stream=first.stream, salt="11" * 16, event_id=second.last.envelope.event_id)
        )
    assert lost.value.code == "not_on_head"
    assert ledger.post(first.last).index == rows(ledger, LEADS)[0]["updated_index"]


def test_an_event_off_its_head_is_a_conflict(ledger: Ledger) -> None:
    """Who writes on an older head is told the new one."""
    lead = Lead().raised()
    late = lead.draft(assigned(handler="p-1"), supervisor(PROCURATORATE), event_id=event_id("late"))
    post(ledger, lead.assigned())
    with pytest.raises(Conflict) as lost:
        ledger.post(late)
    assert (lost.value.head, lost.value.sequence) == (lead.last.digest, 2)


def test_a_recommendation_rests_on_leads_that_the_issuer_has(ledger: Ledger) -> None:
    """Or that a procuratorate below it has; not on a stranger's, and not on one that there is not."""
    lead = Lead().raised()
    post(ledger, lead)
    own = (lead.state.lead_id,)
    with refused("unknown_lead", field="payload.body.leads[0]"):
        made = Recommendation("far").issued(supervisor(NEIGHBOUR), to_agency=FAR_POLICE, leads=own)
        ledger.post(made.last)
    with refused("unknown_lead", field="payload.body.leads[1]"):
        ledger.post(Recommendation().issued(leads=(*own, "lead-" + "00" * 16)).last)
    ledger.post(Recommendation().issued(supervisor(UPPER), leads=own).last)


def test_a_lead_closes_by_a_recommendation_that_was_issued(ledger: Ledger) -> None:
    """One that there is not is no outcome."""
    lead = Lead().raised().assigned().confirmed()
    post(ledger, lead)
    with refused("unknown_recommendation", field="payload.body.recommendation_id"):
        ledger.post(lead.draft(closed("recommendation"), clerk(PROCURATORATE)))
    ledger.post(Recommendation().issued(leads=(lead.state.lead_id,)).last)
    ledger.post(lead.act(closed("recommendation"), clerk(PROCURATORATE)).last)


DATASET = DatasetRegistered(
    dataset_id="pensions",
    source="office",
    legal_basis="agreement",
    period_from="2026-01-01",
    period_until="2026-06-30",
    rows=1,
    digest="sha256:" + "00" * 32,
)


def test_a_data_set_takes_no_ones_stream(ledger: Ledger) -> None:
    """It may stand in a stream of supervision that is named otherwise, where nothing is folded."""
    ledger.post(event_of(DATASET, analyst(COURT), stream=Stream(kind="supervision", id="pensions")))
    with refused("not_raised", field="payload.event_type"):
        ledger.post(event_of(DATASET, analyst(COURT), stream=Lead().stream))
    assert findings(ledger) == set()


def test_the_id_of_a_data_set_is_its_first_agencys(ledger: Ledger) -> None:
    """Its next list comes under the same id; what another agency registers under it is refused, not passed over."""

    def registering(by: Officer, step: int) -> Event:
        stream = Stream(kind="supervision", id=f"list-{step}")
        return event_of(DATASET, by, stream=stream, event_id=event_id(f"data set {step}"))

    ledger.post(registering(analyst(COURT), 1))
    ledger.post(registering(analyst(COURT), 2))
    with refused("dataset_id_taken", field="payload.body.dataset_id"):
        ledger.post(registering(analyst(PROCURATORATE), 3))


# -- told --------------------------------------------------------------------------------------------------------------


def test_the_feed_tells_those_whom_a_lead_concerns(ledger: Ledger) -> None:
    """The procuratorate from the finding on, the supervised agency all of it once it is assigned, nobody else."""
    lead = Lead().raised()
    post(ledger, lead)
    assert (told(ledger, PROCURATORATE), told(ledger, POLICE)) == (["lead.raised"], [])
    ledger.post(lead.assigned().last)
    assert told(ledger, POLICE) == ["lead.raised", "lead.assigned"]
    ledger.post(lead.act(transferred(UPPER), supervisor(PROCURATORATE)).last)
    assert told(ledger, UPPER) == ["lead.raised", "lead.assigned", "lead.transferred"]
    assert told(ledger, PROCURATORATE) == ["lead.raised", "lead.assigned", "lead.transferred"]
    ledger.post(lead.assigned().last)
    assert told(ledger, PROCURATORATE) == ["lead.raised", "lead.assigned", "lead.transferred"]
    assert told(ledger, COURT) == []


def test_the_feed_tells_of_recommendations_and_models(ledger: Ledger) -> None:
    """Both sides of a recommendation; a model's publisher and those who adopted it, from its first version on."""
    model, lead, made = lived()
    write(ledger, lead.events[:-1])
    post(ledger, model, made)
    assert told(ledger, UPPER) == ["model.published", "model.published", "model.adopted"]
    issued = ["recommendation.issued", "recommendation.answered", "recommendation.rechecked"]
    assert told(ledger, POLICE)[-3:] == issued
    assert {*issued, "model.adopted"} <= {*told(ledger, PROCURATORATE)}


def reader(agency: str, *supervised: str) -> Reader:
    return Reader(agency, frozenset(supervised), "2026-03-02T01:00:00Z")


def test_who_sees_which_stream(ledger: Ledger) -> None:
    """By the party or the jurisdiction, told or not; a model everybody, what is not there nobody."""
    model, made, lead = Model().published(), Recommendation(), Lead().raised()
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
    ledger.post(made.issued(leads=(lead_id,)).last)
    stream_id = made.stream.id
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
            return [row["case_id"] for row in supervision.list_leads(connection, by, page, Wanted(**wanted))]

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
    assert [one[2:] for one in counted] == [one[1:] for one in tally]


def test_a_procuratorates_recommendations_come_newest_first(ledger: Ledger) -> None:
    """Those of others that the reader sees too are not among them, and no older one is in the place of a newer one."""
    own = [Recommendation(f"2026-{number}").issued() for number in range(3)]
    other = Recommendation("2026-9").issued(supervisor(NEIGHBOUR), to_agency=FAR_POLICE)
    ledger.post_all([one.last for one in (own[0], own[1], other, own[2])])

    def newest(by: Reader, limit: int) -> list[str]:
        with ledger.database.read() as connection:
            found = supervision.newest_recommendations(connection, by, PROCURATORATE, limit)
        return [row["recommendation_id"] for row in found]

    above = reader(UPPER, UPPER, PROCURATORATE, NEIGHBOUR, POLICE, FAR_POLICE)
    assert newest(above, 2) == ["2026-2", "2026-1"]
    assert newest(reader(PROCURATORATE), 9) == ["2026-2", "2026-1", "2026-0"]
    assert newest(reader(COURT), 9) == []


# -- audited -----------------------------------------------------------------------------------------------------------


def test_a_sound_life_has_no_findings(ledger: Ledger) -> None:
    """Streams and lists of supervision are what the events come to."""
    model, lead, made = lived()
    post(ledger, model)
    write(ledger, lead.events[:-1])
    post(ledger, made)
    ledger.post(lead.last)
    assert findings(ledger) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leads SET status = 'closed'",
        "UPDATE leads SET told = NOT told",
        "DELETE FROM leads",
        "UPDATE models SET retired = NOT retired",
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


def test_a_retired_model_is_refused_to_who_adopts(ledger: Ledger) -> None:
    """The rule reads the stream as the log has it, not what a list says."""
    model = Model().published().act(retired(), analyst(PROCURATORATE))
    post(ledger, model)
    with pytest.raises(RuleRefused) as caught:
        ledger.post(model.draft(adopted(), analyst(UPPER)))
    assert caught.value.code == "model_retired"


# -- the library -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told_of", ["case-1", clerk(POLICE).officer_id, "手机S-0042", "the item phone-1 of 2026", "138 0013 8000"]
)
def test_a_case_study_names_nothing_of_the_ledger(ledger: Ledger, told_of: str) -> None:
    """Ids of cases, items and officers, and what has the form of an identifier, are refused in either language."""
    case = Case().open().register("phone-1", seal_number="S-0042")
    post(ledger, case)
    for study in (Told(zh=told_of, en="A county."), Told(zh="某县。", en=told_of)):
        event = Model().published(case_study=study).last
        with pytest.raises(RuleRefused) as caught:
            ledger.post(event)
        assert caught.value.code == "not_anonymous"
        assert (caught.value.field or "").startswith("payload.body.case_study.")
        assert "instead of this say" in (caught.value.hint or "")
    told_well = Told(zh="某县扣押的手机在移送时漏列，经核实后补送。", en="A phone was left out, and sent after it.")
    ledger.post(Model().published(case_study=told_well, figures=figures()).last)


def of_text(text: str, **fields: Any) -> ModelPublished:
    return published(definition=text, model_digest=digest_of(text.encode()), **fields)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (of_text("no model at all"), "model_refused", "definition"),
        (of_text(definition_of().replace("item_id: i1}]", "item_id: i9}]", 1)), "model_refused", "definition"),
        (of_text(definition_of(model_id="third-return")), "definition_differs", "model_id"),
        (of_text(definition_of(version=2)), "definition_differs", "version"),
        (published(title=Told(zh="另一标题", en="Another title")), "definition_differs", "title"),
        (published(severity="low"), "definition_differs", "severity"),
    ],
    ids=["no model", "an example that does not come out", "id", "version", "title", "severity"],
)
def test_what_is_published_is_a_model_that_can_be_run(
    ledger: Ledger, body: ModelPublished, code: str, field: str
) -> None:
    """One that this version reads, whose examples come out, and that is what is signed beside it."""
    with refused(code, field=f"payload.body.{field}"):
        ledger.post(Model().act(body, analyst(PROCURATORATE)).last)
    ledger.post(Model().published().last)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"grace_days": "-99999"}, "grace_days"), ({"grace_days": "5", "nonsense": "1"}, "nonsense")],
)
def test_a_model_is_adopted_within_its_bounds(ledger: Ledger, parameters: dict[str, str], field: str) -> None:
    """A parameter that it has not, or a value that it does not allow, is refused; its default is not."""
    model = Model().published()
    post(ledger, model)
    with refused("parameter_refused", field=f"payload.body.parameters.{field}"):
        ledger.post(model.draft(adopted(parameters=parameters), analyst(UPPER)))
    ledger.post(model.draft(adopted(parameters={}), analyst(UPPER)))


def test_an_id_of_no_ledger_is_a_word_like_others(ledger: Ledger) -> None:
    """What looks like an id names nothing where there is nothing of that id."""
    ledger.post(Model().published(case_study=Told(zh="规则", en="rule-4711")).last)


def test_how_leads_turned_out_is_counted_over_time(ledger: Ledger) -> None:
    """By the hour in which they were raised, each lead once, under what it stands at."""
    lead = Lead().raised().assigned().confirmed().act(closed(), clerk(PROCURATORATE))
    other = Lead({"case_id": "case-1", "item_id": "knife"}).raised()
    post(ledger, lead, other)
    with ledger.database.read() as connection:
        found = supervision.outturn_of_model(connection, "item-not-handed-over")
    hour = lead.state.raised_at[:13]
    assert found == [(hour, "closed", "rectification_notice", 1), (hour, "raised", None, 1)]
