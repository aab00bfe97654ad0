"""Editing a model's file: what is put in stands there, all else stays as its author wrote it, and drafts are whole."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.core.errors import MalformedInput
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.editing import FORMS, REMOVED, derived, draft, edited, renumbered, value_at
from ledger.supervision.models.model_file import parse_model, require_publishable, shipped_models
from ledger.supervision.models.yaml_document import read_document

DRAFT = draft("my-own", "count_over")
AWKWARD = (
    *("", "0417", "true", "~", "a: b", "a, b}", "# no comment", "'", '"', "- x", "\\0", "中文：“引号”", "$most", "1e5"),
)


def put(place: str, value: object, text: str = DRAFT) -> object:
    return value_at(read_document(edited(text, {place: value})).tree, place)


def test_text_is_read_back_as_it_was_typed() -> None:
    """Whatever it looks like, in a flow mapping as in a block."""
    places = ("title.zh", "need.requested_by", "condition.with.where.status")
    for text in AWKWARD:
        tree = read_document(edited(DRAFT, dict.fromkeys(places, text))).tree
        assert [value_at(tree, place) for place in places] == [text] * 3


@pytest.mark.parametrize(
    "value", [3, -1, True, Decimal("0.25"), ["a", "b"], {"not": None}, {"status": ["held", "0417"]}, "two\nlines\n"]
)
def test_other_values_are_read_back(value: object) -> None:
    """Numbers, lists, filters and queries of several lines."""
    assert put("condition.with.over", value) == value


def test_what_is_not_touched_stays() -> None:
    """Comments, order and words: only the value of the place is another, and it stands where it stood."""
    before, after = " ".join(DRAFT.split()), " ".join(edited(DRAFT, {"severity": "high"}).split())
    assert after == before.replace("severity: medium #", "severity: high #")
    assert before.count("#") == after.count("#") > 10


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_goes_through(name: str) -> None:
    """Another id, and the same values else."""
    text = shipped_models()[name]
    assert read_document(edited(text, {"model": "another"})).tree == read_document(text).tree | {"model": "another"}


@pytest.mark.parametrize("form", FORMS)
def test_every_draft_goes_through(form: str) -> None:
    """Each part of it is read as before."""
    text = draft("my-own", form)
    tree = read_document(text).tree
    assert read_document(edited(text, {"version": 1})).tree == tree


def test_entries_are_added_and_taken_out() -> None:
    """One right after the last of a list, and a field that is left out again."""
    text = edited(DRAFT, {"legal_basis[1].zh": "第二条", "legal_basis[1].en": "art. 2", "condition.with.time": REMOVED})
    tree = read_document(text).tree
    assert tree["legal_basis"][1] == {"zh": "第二条", "en": "art. 2"}
    assert "time" not in tree["condition"]["with"]


def test_what_is_no_model_file_is_refused() -> None:
    """With the line at fault."""
    with pytest.raises(ModelRefused, match="line 3"):
        edited("model: a\nversion: [1\n", {"version": 2})


LEAD = "lead-" + "5f" * 16


@pytest.mark.parametrize("name", ["third-return", "unusual-share", "pension-in-execution"])
def test_a_model_of_a_lead_is_the_one_that_raised_it(name: str) -> None:
    """Under the new id and as version 1, with its comments; its examples come out as they did."""
    text = shipped_models()[name]
    copy = derived(text, "mine", {}, LEAD)
    original, model = parse_model(text), require_publishable(copy)
    assert (model.model_id, model.version) == ("mine", 1)
    assert (model.condition, model.lead, model.checks) == (original.condition, original.lead, original.checks)
    assert LEAD in copy.splitlines()[0]
    assert all(comment in copy for comment in text.splitlines() if comment.startswith("#"))


def test_the_parameters_are_those_of_the_lead() -> None:
    """Their defaults from now on, a share as the author would write it; those that cannot be are refused, like an id
    that is none."""
    text = shipped_models()["third-return"]
    model = parse_model(derived(text, "mine", {"returns": "1"}, LEAD))
    assert model.parameters_of({}) == {"returns": 1}
    with pytest.raises(MalformedInput):
        derived(text, "mine", {"returns": "9"}, LEAD)
    with pytest.raises(MalformedInput):
        derived(text, "Not a slug", {}, LEAD)
    copy = derived(shipped_models()["unusual-share"], "mine", {"times": "1.5"}, LEAD)
    assert str(parse_model(copy).parameters_of({})["times"]) == "1.5"


@pytest.mark.parametrize("name", shipped_models())
def test_a_model_that_is_taken_over_keeps_all_but_id_and_version(name: str) -> None:
    """Line by line, comments and layout included."""
    text = shipped_models()[name].replace("version: 1", "version: 4  # of ours", 1)
    copy = renumbered(text, "mine", 7)
    changed = [pair for pair in zip(text.splitlines(), copy.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [(f"model: {name}", "model: mine"), ("version: 4  # of ours", "version: 7  # of ours")]


@pytest.mark.parametrize("text", ["title: x\n", "{model: x, version: 1}\n", "model:\n  x\nversion: 1\n"])
def test_an_id_that_stands_elsewhere_is_not_changed(text: str) -> None:
    """The refusal names the lines that are expected."""
    with pytest.raises(ModelRefused, match="lines of their own"):
        renumbered(text, "mine", 7)
