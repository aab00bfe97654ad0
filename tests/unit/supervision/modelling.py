"""Models for tests: a small one that is sound, and changes of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from duckdb import DuckDBPyConnection

from ledger.procedures import shipped_rulebook
from ledger.supervision.models.conditions import headings_of
from ledger.supervision.models.definition import Model
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.runs.findings import find
from ledger.supervision.runs.query_session import QuerySession, open_database

AS_OF = datetime(2026, 3, 10, tzinfo=UTC)
SOUND = """\
model: unanswered
version: 1
title: {zh: 移送长期无人签收, en: Offer unanswered}
explanation: {zh: 移送后无人签收, en: Nobody answered the offer}
need:
  problem: {zh: 长期不签收, en: Offers wait}
  requested_by: 案件管理部门
  expected_outcome: {zh: 督促签收, en: They are answered}
business_line: criminal
legal_basis:
  - {zh: 人民检察院刑事诉讼规则第一百五十八条, en: procuratorate rules 158}
severity: low
parameters:
  days: {type: integer, default: 7, minimum: 1, maximum: 60, meaning: {zh: 日数, en: days}}
condition:
  view: handovers
  cel: row.status == "offered" && days(legal_day(row.offered_at), legal_day(as_of)) > parameters.days
lead:
  key: [case_id, handover_id]
  supervised: to_agency
  says: {zh: "{handover_id} 超过 {days} 日", en: "{handover_id} of {offered_at}, {days} days"}
checks:
  - what: {zh: 核实是否收到, en: Ask whether it arrived}
    by: {zh: 案件管理部门, en: case management}
examples:
  - name: eighth day
    as_of: 2026-03-09T00:00:00Z
    rows:
      handovers:
        - {case_id: c1, handover_id: h1, status: offered, to_agency: pro-east, offered_at: 2026-03-01T02:00:00Z}
    raises: [{case_id: c1, handover_id: h1}]
  - name: seventh day
    as_of: 2026-03-08T12:00:00Z
    rows:
      handovers:
        - {case_id: c1, handover_id: h1, status: offered, to_agency: pro-east, offered_at: 2026-03-01T02:00:00Z}
    raises: []
"""
_CONDITION = SOUND[SOUND.index("condition:") : SOUND.index("lead:")]
_LEAD = SOUND[SOUND.index("lead:") : SOUND.index("checks:")]
_EXAMPLES = SOUND[SOUND.index("examples:") :]


def changed(*changes: tuple[str, str], text: str = SOUND) -> str:
    """Return the text with each of the changes made once."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def with_condition(condition: str, *, key: Sequence[str], supervised: str, parameters: str = "") -> str:
    """Return a model of this condition; its examples are there for the form alone."""
    says = "{zh: 线索, en: lead}"
    lead = f"lead:\n  key: [{', '.join(key)}]\n  supervised: {supervised}\n  says: {says}\n"
    raised = ", ".join(f"{name}: a" for name in key)
    examples = (
        "examples:\n  - {name: one, as_of: 2026-03-10T00:00:00Z, rows: {}, raises: [{"
        + raised
        + "}]}\n  - {name: none, as_of: 2026-03-10T00:00:00Z, rows: {}, raises: []}\n"
    )
    text = SOUND.replace(_CONDITION, condition).replace(_LEAD, lead).replace(_EXAMPLES, examples)
    return text if not parameters else text.replace("parameters:\n", f"parameters:\n{parameters}", 1)


def with_sql(
    sql: str,
    *,
    key: Sequence[str] = ("case_id", "handover_id"),
    supervised: str = "to_agency",
    parameters: str = "",
) -> str:
    """Return a model that asks this query."""
    indented = sql.strip().replace("\n", "\n    ")
    condition = f"condition:\n  scope: all\n  sql: |\n    {indented}\n"
    return with_condition(condition, key=key, supervised=supervised, parameters=parameters)


@cache
def model_of(text: str) -> Model:
    """Return the model of a text, read once."""
    return parse_model(text)


@cache
def database() -> DuckDBPyConnection:
    """Return a database for the sessions of this process: to open one takes as long as to ask a query."""
    return open_database()


def keys_found(
    text: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    as_of: datetime = AS_OF,
    parameters: Mapping[str, object] | None = None,
) -> list[dict[str, str]]:
    """Return the keys of what the model finds in rows of its views."""
    model = model_of(text)
    headings = headings_of(model.parameters, model.parameters_of(parameters or {}))
    zone = shipped_rulebook().zone
    with QuerySession.of_rows(rows, zone=zone, headings=headings, within=database()) as session:
        return [dict(finding.key) for finding in find(model, parameters or {}, session, as_of)]
