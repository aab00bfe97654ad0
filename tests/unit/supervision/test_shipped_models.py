"""The seventeen rules and the published models: their examples come out, on both sides of every border."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from ledger.core.events import terms
from ledger.procedures import shipped_rulebook
from ledger.supervision.models.definition import Template
from ledger.supervision.models.model_file import model_id_of, require_publishable, shipped_models, shipped_titles
from ledger.supervision.models.procedure_words import words_that_ship
from ledger.supervision.models.templates import forms
from tests.unit.supervision.modelling import model_of

MODELS = shipped_models()
VOCABULARIES = shipped_rulebook().vocabularies
# Words of the protocol that example rows and conditions may use, by the view's column.
WORDS = {
    "measure": VOCABULARIES["measure"],
    "purpose": VOCABULARIES["purpose"],
    "stage": VOCABULARIES["stage"],
    "role": words_that_ship(("cn-criminal",))["cn-criminal"].words["person_role"],
    "clock": words_that_ship(("cn-criminal",))["cn-criminal"].words["clock"],
    "qualifying_ground": VOCABULARIES["qualifying_ground"],
    "match_result": terms.choices(terms.MatchResult),
    "seal_state": terms.choices(terms.SealState),
    "disposal": VOCABULARIES["disposal"],
    "event_type": ("item.moved", "handover.accepted", "decision.recorded"),
}
KINDS = {"decisions": VOCABULARIES["decision_kind"], "items": VOCABULARIES["item_kind"]}


@pytest.mark.parametrize("name", MODELS)
def test_its_examples_come_out(name: str) -> None:
    """What the file says must and must not raise a lead is what it finds."""
    model = require_publishable(MODELS[name])
    assert (model.model_id, model.title) == (name, shipped_titles()[name])


@pytest.mark.parametrize("name", MODELS)
def test_it_speaks_the_words_of_the_protocol(name: str) -> None:
    """No example passes by a word that no event can hold, and no slip makes a query that never finds anything."""
    for example in model_of(MODELS[name]).examples:
        for view, row in ((view, row) for view, rows in example.rows.items() for row in rows):
            for column, value in row.items():
                words = KINDS.get(view) if column == "kind" else WORDS.get(column)
                assert words is None or value in words, (view, column, value)
    words_of_protocol = {word for words in (*WORDS.values(), *KINDS.values()) for word in words} | _OTHER_WORDS
    text = MODELS[name]
    condition = text[text.index("condition:") : text.index("lead:")]
    quoted = set(re.findall(r"'([^']*)'|\"([a-z_]+)\"", condition))
    parts_of_texts = {"-Q", "day", "quarter", "h", "m", "item ", ":"}
    assert {single or double for single, double in quoted} - words_of_protocol - parts_of_texts == set()


def test_what_runs_under_any_procedure_rests_on_custody_rules() -> None:
    """A model that names no procedure cites no land's law, no line of business of a procedure's own, no prosecutor."""
    models = [model for text in MODELS.values() if not (model := model_of(text)).procedures]
    assert len(models) == 10
    for model in models:
        assert model.business_line is None, model.model_id
        assert all(basis.en.startswith("Custody rule: ") for basis in model.legal_basis), model.model_id
        assert all(basis.zh.startswith("保管规则：") for basis in model.legal_basis), model.model_id
        offices = [model.need.requested_by, *(f"{check.by.zh} {check.by.en}" for check in model.checks)]
        assert not re.search("检察|prosecut", " ".join(offices).lower()), model.model_id


def test_every_rule_ships() -> None:
    """Rules 1 to 17 and the eight published models each have a file, and a file is named as its model."""
    folder = files("ledger.supervision.models").joinpath("shipped")
    names = sorted(file.name for file in folder.iterdir())
    assert {int(name[:2]) for name in names} == set(range(1, 26))
    assert [model_of(MODELS[model_id_of(name)]).model_id for name in names] == list(map(model_id_of, names))


def test_most_templates_are_used_by_a_shipped_model() -> None:
    """Authors find a model of each form to look at; count_over is shown in the guide."""
    conditions = [model_of(text).condition for text in MODELS.values()]
    used = {condition.name for condition in conditions if isinstance(condition, Template)}
    assert set(forms()) - used == {"count_over"}


_OTHER_WORDS = {
    *("offered", "accepted", "partially_accepted", "refused", "recalled", "not_accepted"),
    *("held", "checked_out", "split", "merged", "disposed", "left", "item", "person", "joined"),
    *("running", "overdue", "mismatch", "broken", "missing"),
    *terms.choices(terms.DiscrepancyKind),
    *(rule.name for rule in shipped_rulebook().flags),
}
