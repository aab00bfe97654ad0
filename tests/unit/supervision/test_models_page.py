"""The page on models is true: its model is sound, its conditions are taken, its tables are those of the program."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from textwrap import indent

import pytest

from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.conditions import OWN_FUNCTIONS
from ledger.supervision.models.model_file import ModelFile, model_id, parse_model, require_publishable, shipped_models
from ledger.supervision.models.templates import forms
from tests.testkit.html_pages import blocks, typed
from tests.testkit.machine import REPOSITORY
from tests.unit.supervision.modelling import with_condition

PAGE = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
CONDITIONS = blocks(PAGE, "yaml condition")


def template_table(name: str) -> str:
    """A template and its fields, as the page tells them."""
    form = forms()[name]
    lines = [form.en, "", form.zh, "", "| field | default | what it takes | 填写 |", "|---|---|---|---|"]
    for field, told in form.fields.items():
        default = "required" if told.required else f"`{str(told.default).lower()}`"
        lines.append(f"| `{field}` | {default} | {told.en} | {told.zh} |")
    return "\n".join(lines)


def shipped_table() -> str:
    """The shipped models by their rules, as the page lists them."""
    lines = ["| rule | model | finds | 标题 |", "|---|---|---|---|"]
    names = sorted(file.name for file in files("ledger.supervision.models").joinpath("shipped").iterdir())
    for file, text in zip(names, shipped_models().values(), strict=True):
        title = parse_model(text).title
        lines.append(f"| {int(file[:2])} | `{model_id(file)}` | {title.en} | {title.zh} |")
    return "\n".join(lines)


@pytest.mark.parametrize("name", forms())
def test_each_template_is_told_with_all_its_fields(name: str) -> None:
    """From the same data as the program takes them."""
    assert f"<!-- {name} -->\n{template_table(name)}\n<!-- /{name} -->" in PAGE


def test_each_shipped_model_is_listed() -> None:
    """By the number of its rule, with its titles."""
    assert f"<!-- shipped -->\n{shipped_table()}\n<!-- /shipped -->" in PAGE


def test_the_model_of_the_page_is_publishable() -> None:
    """As it stands there."""
    (text,) = blocks(PAGE, "yaml")
    assert require_publishable(text).model_id == "repeated-refusals"


@pytest.mark.parametrize("condition", CONDITIONS, ids=range(len(CONDITIONS)))
def test_each_condition_of_the_page_is_taken(condition: str) -> None:
    """All that is wrong with a model of it is the lead, whose columns these rows have not."""
    text = with_condition("condition:\n" + indent(condition, "  "), key=["nothing"], supervised="nothing")
    with pytest.raises(ModelRefused) as refused:
        parse_model(text)
    assert {fault.field for fault in refused.value.faults} == {"lead.key[0]", "lead.supervised"}


def test_each_part_of_a_file_and_each_function_is_told() -> None:
    """The page leaves out none."""
    for name in (*ModelFile.__struct_fields__, *OWN_FUNCTIONS):
        assert f"`{name}" in PAGE, name


@pytest.mark.extended
def test_what_the_page_tells_to_type_works(tmp_path: Path) -> None:
    """The commands, one after the other."""
    out = typed(blocks(PAGE), tmp_path, {"TALLYSTICK_CONFIG_DIR": str(tmp_path)})
    assert (tmp_path / "repeated-refusals.yaml").is_file()
    assert "as expected" in out
