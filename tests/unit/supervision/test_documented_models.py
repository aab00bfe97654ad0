"""docs/models.md and docs/views.md are true: models and queries are taken, the tables are those of the program."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from textwrap import indent

import pytest

from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.conditions import OWN_FUNCTIONS
from ledger.supervision.models.model_file import (
    ModelFile,
    model_id_of,
    parse_model,
    require_publishable,
    shipped_titles,
)
from ledger.supervision.models.templates import forms
from ledger.supervision.runs.query_session import QuerySession
from ledger.supervision.view_catalogue import views
from scripts.docs.protocol_examples import VIEWS
from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.unit.supervision.modelling import with_condition

PAGE = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
CONDITIONS = blocks(PAGE, "yaml condition")


def template_table(name: str) -> str:
    """Return a template and its fields, as the page shows them."""
    form = forms()[name]
    lines = [f"{form.en} {form.columns.en}", "", f"{form.zh}{form.columns.zh}", ""]
    lines += ["| field | default | what it takes | 填写 |", "|---|---|---|---|"]
    for field, about in form.fields.items():
        default = "required" if about.required else f"`{str(about.default).lower()}`"
        lines.append(f"| `{field}` | {default} | {about.en} | {about.zh} |")
    return "\n".join(lines)


def shipped_table() -> str:
    """Return the shipped models by their rules, as the page lists them."""
    lines = ["| rule | model | finds | 标题 |", "|---|---|---|---|"]
    names = sorted(file.name for file in files("ledger.supervision.models").joinpath("shipped").iterdir())
    for file in names:
        title = shipped_titles()[model_id_of(file)]
        lines.append(f"| {int(file[:2])} | `{model_id_of(file)}` | {title.en} | {title.zh} |")
    return "\n".join(lines)


@pytest.mark.parametrize("name", forms())
def test_each_template_is_told_with_all_its_fields(name: str) -> None:
    """From the same data as the program takes them."""
    assert f"<!-- {name} -->\n{template_table(name)}\n<!-- /{name} -->" in PAGE


def test_each_shipped_model_is_listed() -> None:
    """By the number of its rule, with its titles."""
    assert f"<!-- shipped -->\n{shipped_table()}\n<!-- /shipped -->" in PAGE


def test_the_model_of_the_page_is_publishable() -> None:
    """The model can be published as it stands on the page."""
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


DOCUMENT = VIEWS.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def test_each_column_is_explained_in_both_languages() -> None:
    """No view and no column without words in English and in Chinese; every view cites evidence but the agencies."""
    for view in views().values():
        assert view.en
        assert view.zh
        assert all(column.en and re.search("[一-鿿]", column.zh) for column in view.columns.values()), view.name
        assert (
            view.columns["evidence"].kind == "VARCHAR[]" if view.name != "agencies" else "evidence" not in view.columns
        )


@pytest.mark.parametrize("sql", EXAMPLES)
def test_the_queries_of_the_page_are_answered(sql: str) -> None:
    """What the page shows is a query that may be asked."""
    with QuerySession.of_rows({}) as session:
        assert session.rows(sql, {"grace_days": 3}, datetime(2026, 6, 1, tzinfo=UTC)) == []
