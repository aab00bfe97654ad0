"""Events of models, leads and recommendations: judged by their streams, listed as they stand, told to those concerned.

What lists show is what the events give: an audit finds where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from ledger.audit import audit_log, left_out
from ledger.core.errors import Conflict, MalformedInput, RuleRefused
from ledger.core.events import Stream
from ledger.core.events.supervision import BilingualText
from ledger.core.supervision import LeadState
from ledger.core.visibility import Reader
from ledger.procedures import shipped_procedures
from ledger.recording.supervision_streams import supervision_state
from ledger.store import feed, supervision
from ledger.store.cases import Page
from ledger.store.feed import Cursor
from ledger.store.supervision import LEADS, MODELS, RECOMMENDATIONS, LeadFilter
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    SignedEvent,
    analyst,
    auditor,
    clerk,
    event_of,
    path_of,
    refused,
    supervisor,
)
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_founded, sqlite_url
from tests.testkit.supervision import (
    Lead,
    Model,
    Recommendation,
    adopted,
    answered,
    assigned,
    closed,
    confirmed,
    dataset,
    definition_of,
    dismissed,
    figures,
    published,
    raised,
    rechecked,
    replied,
    transferred,
)
from tests.unit.audit.test_rules import force

OFFICERS = (
    *(clerk(agency) for agency in (POLICE, COURT, PROCURATORATE, NEIGHBOUR, FAR_POLICE)),
    *(supervisor(agency) for agency in (PROCURATORATE, UPPER, NEIGHBOUR)),
    *(analyst(agency) for agency in (PROCURATORATE, COURT, UPPER)),
    auditor(UPPER),
)


@pytest.fixture
def stored(each_database_url: str) -> Iterator[Ledger]:
    """Open a founded ledger on SQLite and on PostgreSQL."""
    with open_founded(each_database_url, *OFFICERS) as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Open a founded ledger on SQLite alone: what is judged here asks no database in words of its own."""
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as opened:
        yield opened


def post(ledger: Ledger, *streams: Any) -> None:
    """Post each event once the one before is in the log."""
    for stream in streams:
        write(ledger, stream.events)


def write(ledger: Ledger, events: list[SignedEvent]) -> None:
    for event in events:
        ledger.post(event)


def rows(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    with ledger.database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def feed_types(ledger: Ledger, agency: str) -> list[str]:
    """Return the types of event that the agency's feed has of supervision."""
    with ledger.database.read() as connection:
        steps = feed.page(connection, agency, Cursor(), 100)
    return [step.entry.event_type for step in steps if step.entry.stream_kind == "supervision"]


def findings(ledger: Ledger) -> set[tuple[str, int | None]]:
    report = audit_log(
        ledger.database, trust(log_key=LOG_SIGNER.verifying_key), shipped_procedures(), look=left_out, processes=1
    )
    return {(finding.step, finding.index) for finding in report.findings}


def reader(agency: str, *supervised: str) -> Reader:
    return Reader(agency, frozenset(supervised), "2026-03-02T01:00:00Z")


def whole_course() -> tuple[Model, Lead, Recommendation]:
    """Return a model that is adopted, a lead to its end, a recommendation to its re-check."""
    model = Model().published().published().act(adopted(2), analyst(UPPER))
    lead = Lead().raised().assigned().act(answered(), clerk(POLICE)).confirmed()
    recommendation = Recommendation().issued(leads=(lead.state.lead_id,))
    lead.act(closed("recommendation"), clerk(PROCURATORATE))
    return model, lead, recommendation.act(replied(), clerk(POLICE)).act(rechecked(), supervisor(PROCURATORATE))


# -- judged and listed -------------------------------------------------------------------------------------------------


def test_lists_and_feeds_show_what_the_streams_stand_at(stored: Ledger) -> None:
    """One row each, changed with the event that changed it; an audit finds nothing in a sound life. Told are both sides
    of a recommendation; a model's publisher and those who adopted it, from its first version on."""
    model, lead, recommendation = whole_course()
    post(stored, model)
    write(stored, lead.events[:-1])
    post(stored, recommendation)
    last = stored.post(lead.last).index
    (row,) = rows(stored, MODELS)
    assert (row["model_id"], row["version"], row["adoptions"], row["retired"]) == (model.model_id, 2, 1, False)
    (row,) = rows(stored, LEADS)
    assert (row["lead_id"], row["status"], row["notified"]) == (lead.state.lead_id, "closed", True)
    assert (row["outcome"], row["recommendation_id"], row["updated_index"]) == ("recommendation", "2026-7", last)
    (row,) = rows(stored, RECOMMENDATIONS)
    assert (row["status"], row["result"], row["leads"]) == ("rechecked", "fell", 1)
    with stored.database.read() as connection:
        folded = supervision_state(connection, lead.state.lead_id, stored.registry.authority.agencies)
    assert folded == lead.state
    assert findings(stored) == set()
    assert feed_types(stored, UPPER) == ["model.published", "model.published", "model.adopted"]
    issued = ["recommendation.issued", "recommendation.answered", "recommendation.rechecked"]
    by_agency = [feed_types(stored, agency) for agency in (POLICE, PROCURATORATE)]
    assert [name for name in by_agency[0] if name.startswith("recommendation.")] == issued
    assert {*issued, "model.adopted"} <= {*by_agency[1]}


def test_an_impossible_step_is_refused_by_its_rule(ledger: Ledger) -> None:
    """The stream is folded before the event is sequenced; nothing of a refusal stays."""
    lead = Lead().raised().assigned()
    post(ledger, lead)
    for body, by, rule, field in (
        (confirmed(digests=()), clerk(PROCURATORATE), "material_missing", "body.digests"),
        (confirmed(), supervisor(NEIGHBOUR), "not_the_supervising_agency", "agency"),
        (transferred("procuratorate-moon"), supervisor(PROCURATORATE), "unknown_agency", "body.to_agency"),
    ):
        with refused(rule, field=path_of(field)):
            ledger.post(lead.draft(body, by))
    assert rows(ledger, LEADS)[0]["status"] == "assigned"


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


def test_a_recommendation_rests_on_leads_that_the_issuer_has(ledger: Ledger) -> None:
    """Or that a procuratorate below it has; not on a stranger's, and not on one that there is not."""
    lead = Lead().raised()
    post(ledger, lead)
    own = (lead.state.lead_id,)
    with refused("unknown_lead", field="payload.body.leads[0]"):
        recommendation = Recommendation("far").issued(supervisor(NEIGHBOUR), to_agency=FAR_POLICE, leads=own)
        ledger.post(recommendation.last)
    with refused("unknown_lead", field="payload.body.leads[1]"):
        ledger.post(Recommendation().issued(leads=(*own, "lead-" + "00" * 16)).last)
    ledger.post(Recommendation().issued(supervisor(UPPER), leads=own).last)


def test_a_lead_closes_by_its_own_procuratorates_recommendation_on_it(ledger: Ledger) -> None:
    """One that another agency issued is none, nor one on something else; who closes is told the same of all of them.
    One of the lead's model, to the agency that the lead is about, is one."""
    lead = Lead().raised().assigned().confirmed()
    post(ledger, lead)
    on = {"leads": (lead.state.lead_id,)}
    model_id = lead.state.raised.model_id
    ledger.post(Recommendation("by-upper").issued(supervisor(UPPER), **on).last)
    ledger.post(Recommendation("on-nothing").issued().last)
    ledger.post(Recommendation("to-another").issued(to_agency=COURT, model_id=model_id).last)
    ledger.post(Recommendation("of-the-model").issued(model_id=model_id).last)
    messages = set()
    for recommendation_id in ("by-upper", "on-nothing", "to-another", "nowhere"):
        with pytest.raises(RuleRefused) as caught:
            ledger.post(lead.draft(closed("recommendation", recommendation_id=recommendation_id), clerk(PROCURATORATE)))
        assert (caught.value.code, caught.value.field) == ("unknown_recommendation", "payload.body.recommendation_id")
        messages.add(caught.value.message.replace(recommendation_id, "ID"))
    assert len(messages) == 1
    ledger.post(lead.act(closed("recommendation", recommendation_id="of-the-model"), clerk(PROCURATORATE)).last)


def test_a_data_set_takes_no_ones_stream(ledger: Ledger) -> None:
    """It stands in the stream of its agency, and in no other one, where anybody could come before him."""
    for stream in (Stream(kind="supervision", id="pensions"), Lead().stream):
        with refused("malformed_input", field="envelope.stream.kind", error=MalformedInput):
            ledger.post(event_of(dataset(), analyst(COURT), stream=stream))
    with refused("malformed_input", field="envelope.stream.id", error=MalformedInput):
        ledger.post(event_of(dataset(), analyst(COURT), stream=Stream(kind="agency", id=PROCURATORATE)))
    assert findings(ledger) == set()


def test_a_case_study_names_nothing_of_the_ledger(ledger: Ledger) -> None:
    """Ids of cases, items and officers, and what has the form of an identifier, are refused in either language."""
    case = Case().open().register("phone-1", seal_number="S-0042")
    post(ledger, case)
    names = ("case-1", clerk(POLICE).officer_id, "手机S-0042", "the item phone-1 of 2026", "138 0013 8000")
    for name in names:
        for study in (BilingualText(zh=name, en="A county."), BilingualText(zh="某县。", en=name)):
            with pytest.raises(RuleRefused) as caught:
                ledger.post(Model().published(case_study=study).last)
            assert caught.value.code == "not_anonymous", study
            assert (caught.value.field or "").startswith("payload.body.case_study."), study
            assert "instead of this say" in (caught.value.hint or ""), study
    told_well = BilingualText(
        zh="某县扣押的手机在移送时漏列，经核实后补送。", en="A phone was left out, and sent after it."
    )
    ledger.post(Model().published(case_study=told_well, figures=figures()).last)


def test_a_case_study_is_no_question_about_what_its_author_may_not_see(ledger: Ledger) -> None:
    """A thing of a case elsewhere is not looked up: it is published like a word that is nothing, and tells nothing."""
    post(ledger, Case("elsewhere").open(clerk(FAR_POLICE)).register("boat-77", by=clerk(FAR_POLICE)))
    for number, word in enumerate(("boat-77", "boat-78"), start=1):
        study = BilingualText(zh=f"某县，{word}。", en=f"A county, {word}.")
        ledger.post(Model(f"model-{number}").published(case_study=study, figures=figures()).last)


def test_what_is_published_is_a_model_that_can_be_run(ledger: Ledger) -> None:
    """One that this version reads, whose examples come out, and that is what is signed beside it."""
    for body, code, field in (
        (published(definition="no model at all"), "model_refused", "definition"),
        (
            published(definition=definition_of().replace("item_id: i1}]", "item_id: i9}]", 1)),  # it does not come out
            "model_refused",
            "definition",
        ),
        (published(definition=definition_of(model_id="third-return")), "definition_differs", "model_id"),
        (published(title=BilingualText(zh="另一标题", en="Another title")), "definition_differs", "title"),
    ):
        with refused(code, field=f"payload.body.{field}"):
            ledger.post(Model().act(body, analyst(PROCURATORATE)).last)
    ledger.post(Model().published().last)


def test_a_model_is_adopted_within_its_bounds(ledger: Ledger) -> None:
    """A parameter that it has not, or a value that it does not allow, is refused; its default is not."""
    model = Model().published()
    post(ledger, model)
    refusals = (({"grace_days": "-99999"}, "grace_days"), ({"grace_days": "5", "nonsense": "1"}, "nonsense"))
    for parameters, field in refusals:
        with refused("parameter_refused", field=f"payload.body.parameters.{field}"):
            ledger.post(model.draft(adopted(parameters=parameters), analyst(UPPER)))
    ledger.post(model.draft(adopted(parameters={}), analyst(UPPER)))


# -- told and audited --------------------------------------------------------------------------------------------------


def test_the_feed_tells_those_whom_a_lead_concerns(stored: Ledger) -> None:
    """The procuratorate from the finding on, the supervised agency all of it once it is assigned, nobody else. So who
    may see it: by the party or the jurisdiction; a model everybody, what is not there nobody. Each relation is in
    tests/unit/test_visibility.py."""
    lead, model = Lead().raised(), Model().published()
    post(stored, lead)
    assert (feed_types(stored, PROCURATORATE), feed_types(stored, POLICE)) == (["lead.raised"], [])
    post(stored, model)
    ids = (lead.stream.id, model.stream.id, "model-none", "pensions")
    with stored.database.read() as connection:
        for by, sights in (
            (reader(PROCURATORATE), ["party", "party", None, None]),
            (reader(POLICE), [None, "party", None, None]),
            (reader(UPPER, UPPER, PROCURATORATE, POLICE), ["jurisdiction", "party", None, None]),
        ):
            assert [supervision.sight(connection, stream_id, by) for stream_id in ids] == sights
    stored.post(lead.assigned().last)
    assert feed_types(stored, POLICE) == ["lead.raised", "lead.assigned"]
    stored.post(lead.act(transferred(UPPER), supervisor(PROCURATORATE)).last)
    assert feed_types(stored, UPPER) == ["lead.raised", "lead.assigned", "lead.transferred"]
    assert feed_types(stored, PROCURATORATE) == ["lead.raised", "model.published", "lead.assigned", "lead.transferred"]
    stored.post(lead.assigned().last)
    assert feed_types(stored, PROCURATORATE) == ["lead.raised", "model.published", "lead.assigned", "lead.transferred"]
    assert feed_types(stored, COURT) == []


def test_lists_are_paged_and_narrowed(stored: Ledger) -> None:
    """By state, model, case, agency and procuratorate; each page goes on behind the last change."""
    leads = [Lead({"case_id": f"case-{n}"}, start=1772413200 + n).raised() for n in range(3)]
    post(stored, *leads)
    stored.post(leads[0].assigned().last)
    by = reader(PROCURATORATE)

    def listed(page: Page = Page(), **wanted: Any) -> list[str | None]:  # noqa: B008 - a frozen value
        with stored.database.read() as connection:
            return [row["case_id"] for row in supervision.list_leads(connection, by, page, LeadFilter(**wanted))]

    assert listed() == ["case-1", "case-2", "case-0"]
    first = rows(stored, LEADS)
    index = min(row["updated_index"] for row in first)
    assert listed(Page(1, str(index))) == ["case-2"]
    assert listed(status="assigned") == ["case-0"]
    assert listed(case_id="case-2", model_id="item-not-handed-over", agency=POLICE) == ["case-2"]
    assert listed(supervising=UPPER) == []
    with stored.database.read() as connection:
        tally = supervision.tally_of_model(connection, "item-not-handed-over")
        counted = supervision.tally_of(connection, ["item-not-handed-over", "another"])
        assert supervision.tally_of(connection, ["another"]) == []
    assert tally == [(1, "assigned", None, 1), (1, "raised", None, 2)]
    assert [tallied[2:] for tallied in counted] == [tallied[1:] for tallied in tally]


def test_a_procuratorates_recommendations_come_newest_first(stored: Ledger) -> None:
    """Those of others that the reader sees too are not among them, and no older one is in the place of a newer one."""
    own = [Recommendation(f"2026-{number}").issued() for number in range(3)]
    of_neighbour = Recommendation("2026-9").issued(supervisor(NEIGHBOUR), to_agency=FAR_POLICE)
    stored.post_all([issued.last for issued in (own[0], own[1], of_neighbour, own[2])])

    def newest(by: Reader, limit: int) -> list[str]:
        with stored.database.read() as connection:
            rows_found = supervision.newest_recommendations(connection, by, PROCURATORATE, limit)
        return [row["recommendation_id"] for row in rows_found]

    above = reader(UPPER, UPPER, PROCURATORATE, NEIGHBOUR, POLICE, FAR_POLICE)
    assert newest(above, 2) == ["2026-2", "2026-1"]
    assert newest(reader(PROCURATORATE), 9) == ["2026-2", "2026-1", "2026-0"]
    assert newest(reader(COURT), 9) == []


def test_how_leads_turned_out_is_counted_over_time(stored: Ledger) -> None:
    """By the hour in which they were raised, each lead once, under what it stands at; one that was dismissed is told
    from one that was confirmed and came to nothing, once both are closed."""
    lead = Lead().raised().assigned().confirmed().act(closed(), clerk(PROCURATORATE))
    unverified, nothing, wrong = (Lead({"case_id": "case-1", "item_id": name}).raised() for name in ("knife", "a", "b"))
    nothing.assigned().confirmed().act(closed("no_further_action"), clerk(PROCURATORATE))
    wrong.assigned().act(dismissed(), clerk(PROCURATORATE)).act(closed("no_further_action"), clerk(PROCURATORATE))
    post(stored, lead, unverified, nothing, wrong)
    with stored.database.read() as connection:
        outturn = supervision.outturn_of_model(connection, "item-not-handed-over")
    hour = lead.state.raised_at[:13]
    assert [row[1:] for row in outturn] == [
        *(("closed", outcome, 1) for outcome in ("dismissed", "no_further_action", "rectification_notice")),
        ("raised", None, 1),
    ]
    assert {row[0] for row in outturn} == {hour}


def test_an_edited_list_is_a_finding(stored: Ledger) -> None:
    """What lists show must be what the events come to; no list is left out, and no row is there without an event."""
    post(stored, Model().published(), Lead().raised(), Recommendation().issued())
    model, *_ = rows(stored, MODELS)
    for table, edit in (
        (LEADS, text("UPDATE leads SET status = 'closed'")),
        (LEADS, text("DELETE FROM leads")),
        (RECOMMENDATIONS, text("UPDATE recommendations SET to_agency = 'court-east'")),
        (MODELS, text("UPDATE models SET model_id = 'another'")),
        (MODELS, MODELS.insert().values({**model, "model_id": "another"})),
    ):
        before = rows(stored, table)
        with stored.database.log.begin() as connection:
            assert connection.execute(edit).rowcount, edit
        changed = findings(stored)
        assert {step for step, _ in changed} == {"models"}, edit
        with stored.database.log.begin() as connection:
            connection.execute(table.delete())
            connection.execute(table.insert(), before)
    assert changed == {("models", None)}
    assert findings(stored) == set()


def test_a_step_that_was_impossible_is_a_finding(stored: Ledger) -> None:
    """What a dishonest operator sequences unjudged is named by its index, and what stands on it is not judged. A lead
    that was sequenced before its agency's admission names nobody."""
    lead, for_nobody = Lead().raised(), Lead({"case_id": "case-2"})
    post(stored, lead)
    assert findings(stored) == set()
    assert isinstance(lead.current, LeadState)
    lead.events.append(lead.draft(closed("no_further_action"), clerk(PROCURATORATE)))
    lead.events.append(lead.draft(assigned(), supervisor(PROCURATORATE)))
    for_nobody.events.append(for_nobody.draft(raised(supervised="police-moon", key={"case_id": "case-2"}), SERVICE))
    indices = [force(stored, *events) for events in (lead.events[1:], for_nobody.events)]
    assert findings(stored) == {("supervision", index) for index in indices}
