"""Events of models, leads and recommendations are judged by their streams, and listed as these stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.core.errors import Conflict, MalformedInput, RuleRefused
from ledger.core.events import Stream, digest_of
from ledger.core.events.supervision import BilingualText, ModelPublished
from ledger.recording.supervision_streams import matter_of
from ledger.store.supervision import LEADS, MODELS, RECOMMENDATIONS
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    Writer,
    analyst,
    clerk,
    event_of,
    refused,
    supervisor,
)
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.testkit.supervision import (
    Lead,
    Model,
    Recommendation,
    adopted,
    closed,
    confirmed,
    dataset,
    definition_of,
    figures,
    published,
    raised,
    transferred,
)
from tests.unit.supervision_streams.conftest import OFFICERS
from tests.unit.supervision_streams.streams import findings, post, rows, whole_course, write


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Open a founded ledger on SQLite alone: what is judged here asks no database in words of its own."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*OFFICERS)


def test_lists_show_what_the_streams_stand_at(ledger: Ledger) -> None:
    """One row each, changed with the event that changed it, whether in one batch or in several."""
    model, lead, recommendation = whole_course()
    post(ledger, model)
    write(ledger, lead.events[:-1])
    post(ledger, recommendation)
    last = ledger.post(lead.last).index
    (row,) = rows(ledger, MODELS)
    assert (row["model_id"], row["version"], row["adoptions"], row["retired"]) == (model.model_id, 2, 1, False)
    (row,) = rows(ledger, LEADS)
    assert (row["lead_id"], row["status"], row["notified"]) == (lead.state.lead_id, "closed", True)
    assert (row["outcome"], row["recommendation_id"], row["updated_index"]) == ("recommendation", "2026-7", last)
    (row,) = rows(ledger, RECOMMENDATIONS)
    assert (row["status"], row["result"], row["leads"]) == ("rechecked", "fell", 1)
    with ledger.database.read() as connection:
        folded = matter_of(connection, lead.state.lead_id, ledger.registry.authority.agencies)
    assert folded == lead.state


def test_an_impossible_step_is_refused_by_its_rule(ledger: Ledger) -> None:
    """The stream is folded before the event is sequenced; nothing of a refusal stays."""
    lead = Lead().raised().assigned()
    post(ledger, lead)
    for body, by, rule, field in (
        (confirmed(digests=()), clerk(PROCURATORATE), "material_missing", "body.digests"),
        (confirmed(), supervisor(NEIGHBOUR), "not_the_procuratorate", "agency"),
        (transferred("procuratorate-moon"), supervisor(PROCURATORATE), "unknown_agency", "body.to_agency"),
    ):
        with refused(rule, field=f"payload.{field}"):
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
        with refused("malformed_input", field="payload.stream.kind", error=MalformedInput):
            ledger.post(event_of(dataset(), analyst(COURT), stream=stream))
    with refused("malformed_input", field="payload.stream.id", error=MalformedInput):
        ledger.post(event_of(dataset(), analyst(COURT), stream=Stream(kind="agency", id=PROCURATORATE)))
    assert findings(ledger) == set()


def test_a_procuratorate_takes_no_id_of_its_line(ledger: Ledger) -> None:
    """Its models would not see what it registers: that is refused, not passed over. The first agency's next list comes
    under the same id, and elsewhere the id is free."""
    court = Writer("agency", COURT)
    for _ in range(2):
        ledger.post(court.write(dataset(), analyst(COURT)))
    for agency in (PROCURATORATE, UPPER):
        with refused("dataset_id_taken", field="payload.body.dataset_id"):
            ledger.post(event_of(dataset(), analyst(agency)))
    ledger.post(event_of(dataset(), supervisor(NEIGHBOUR)))


@pytest.mark.parametrize(
    "told_of", ["case-1", clerk(POLICE).officer_id, "手机S-0042", "the item phone-1 of 2026", "138 0013 8000"]
)
def test_a_case_study_names_nothing_of_the_ledger(ledger: Ledger, told_of: str) -> None:
    """Ids of cases, items and officers, and what has the form of an identifier, are refused in either language."""
    case = Case().open().register("phone-1", seal_number="S-0042")
    post(ledger, case)
    for study in (BilingualText(zh=told_of, en="A county."), BilingualText(zh="某县。", en=told_of)):
        event = Model().published(case_study=study).last
        with pytest.raises(RuleRefused) as caught:
            ledger.post(event)
        assert caught.value.code == "not_anonymous"
        assert (caught.value.field or "").startswith("payload.body.case_study.")
        assert "instead of this say" in (caught.value.hint or "")
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


def of_text(text: str, **fields: Any) -> ModelPublished:
    return published(definition=text, model_digest=digest_of(text.encode()), **fields)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (of_text("no model at all"), "model_refused", "definition"),
        (of_text(definition_of().replace("item_id: i1}]", "item_id: i9}]", 1)), "model_refused", "definition"),
        (of_text(definition_of(model_id="third-return")), "definition_differs", "model_id"),
        (published(title=BilingualText(zh="另一标题", en="Another title")), "definition_differs", "title"),
    ],
    ids=["no model", "an example that does not come out", "id", "title"],
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
