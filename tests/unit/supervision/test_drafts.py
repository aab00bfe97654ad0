"""A model made out of a lead's: the whole of it under another id, with the parameters that found the lead."""

from __future__ import annotations

import pytest

from ledger.core.errors import MalformedInput
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.editing import derived, renumbered
from ledger.supervision.models.model_file import parse_model, require_publishable, shipped_models

LEAD = "lead-" + "5f" * 16


@pytest.mark.parametrize("name", shipped_models())
def test_a_model_of_a_lead_is_the_one_that_raised_it(name: str) -> None:
    """Under the new id and as version 1, with its comments; its examples come out as they did."""
    text = shipped_models()[name]
    made = derived(text, "mine", {}, LEAD)
    known, model = parse_model(text), require_publishable(made)
    assert (model.model_id, model.version) == ("mine", 1)
    assert (model.condition, model.lead, model.checks) == (known.condition, known.lead, known.checks)
    assert LEAD in made.splitlines()[0]
    assert all(comment in made for comment in text.splitlines() if comment.startswith("#"))


def test_the_parameters_are_those_of_the_lead() -> None:
    """Their defaults from now on; those that cannot be are refused, like an id that is none."""
    text = shipped_models()["third-return"]
    model = parse_model(derived(text, "mine", {"returns": "1"}, LEAD))
    assert model.parameters_of({}) == {"returns": 1}
    with pytest.raises(MalformedInput):
        derived(text, "mine", {"returns": "9"}, LEAD)
    with pytest.raises(MalformedInput):
        derived(text, "Not a slug", {}, LEAD)


def test_a_share_stays_a_number() -> None:
    """Written as the author would write it."""
    made = derived(shipped_models()["unusual-share"], "mine", {"times": "1.5"}, LEAD)
    assert str(parse_model(made).parameters_of({})["times"]) == "1.5"


@pytest.mark.parametrize("name", shipped_models())
def test_a_model_that_is_taken_over_keeps_all_but_id_and_version(name: str) -> None:
    """Line by line, comments and layout included."""
    text = shipped_models()[name].replace("version: 1", "version: 4  # of ours", 1)
    made = renumbered(text, "mine", 7)
    changed = [pair for pair in zip(text.splitlines(), made.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [(f"model: {name}", "model: mine"), ("version: 4  # of ours", "version: 7  # of ours")]


@pytest.mark.parametrize("text", ["title: x\n", "{model: x, version: 1}\n", "model:\n  x\nversion: 1\n"])
def test_an_id_that_stands_elsewhere_is_not_changed(text: str) -> None:
    """The refusal names the lines that are expected."""
    with pytest.raises(ModelRefused, match="lines of their own"):
        renumbered(text, "mine", 7)
