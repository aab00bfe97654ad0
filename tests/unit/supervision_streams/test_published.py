"""What a model must be to be published, and to be adopted."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.errors import RuleRefused
from ledger.core.events import digest_of
from ledger.core.events.supervision import BilingualText, ModelPublished
from tests.testkit.builders import FAR_POLICE, POLICE, PROCURATORATE, UPPER, analyst, clerk, refused
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger
from tests.testkit.supervision import Model, adopted, definition_of, figures, published
from tests.unit.supervision_streams.stand import post


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
        (of_text(definition_of(version=2)), "definition_differs", "version"),
        (published(title=BilingualText(zh="另一标题", en="Another title")), "definition_differs", "title"),
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
    ledger.post(Model().published(case_study=BilingualText(zh="规则", en="rule-4711")).last)
