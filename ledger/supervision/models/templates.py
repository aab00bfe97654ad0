"""Templates: conditions without a query language, as forms to fill in (templates.toml) and the SQL that they make."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import BilingualText
from ledger.core.messages import Message
from ledger.supervision.model_faults import Wording, unknown
from ledger.supervision.models.definition import Parameter, Query, Scope, Template
from ledger.supervision.models.filters import (
    Bindings,
    Made,
    faults_of_cells,
    faults_of_filter,
    filter_sql,
    united_sql,
    unknown_word,
    words_sql,
)
from ledger.supervision.models.list_templates import (
    case_not_listed,
    columns_of_list,
    dataset_match,
    fault_of_list_field,
    fault_of_reference,
    faults_of_lists,
    list_rows,
    lists_compared,
    lists_of,
    lists_shown,
    uses_of,
)
from ledger.supervision.models.procedure_words import FieldWords
from ledger.supervision.runs.query_session import quoted
from ledger.supervision.view_catalogue import fault_of_column, type_of, view_columns

FieldKind = Literal[
    "view",
    "column",
    "columns",
    "where",
    "words",
    "count",
    "yes_no",
    "dataset",
    "header",
    "headers",
    "cells",
    "lists",
    "answers",
]
NONE = "none"
MAX_COUNT = 1_000_000


class TemplateField(Struct, frozen=True, forbid_unknown_fields=True):
    """A field: what ``kind`` of thing it takes, ``of`` which view or vocabulary, and its default, if it has one.

    A column may have to be of a ``type``, a view to have some columns (``has``).
    """

    kind: FieldKind
    en: str
    zh: str
    of: str | None = None
    type: str | None = None
    has: tuple[str, ...] = ()
    default: Any = msgspec.UNSET

    @property
    def required(self) -> bool:
        """Tell whether it must be filled in."""
        return self.default is msgspec.UNSET


class TemplateForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A template: what it finds, in words, the columns of what it finds, and its fields."""

    en: str
    zh: str
    columns: BilingualText
    scope: Literal["case", "all", "per"]
    fields: dict[str, TemplateField]


@cache
def forms() -> Mapping[str, TemplateForm]:
    """Return all templates by name."""
    text = files("ledger.supervision.models").joinpath("templates.toml").read_bytes()
    return convert(tomllib.loads(text.decode()), dict[str, TemplateForm])


def filled_in(form: TemplateForm, form_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, with the defaults of the rest; None where nothing is asked for."""
    defaults = {name: None if f.default == NONE else f.default for name, f in form.fields.items() if not f.required}
    return defaults | dict(form_values)


def faults_of_form(
    form: TemplateForm,
    form_values: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    words: FieldWords | None,
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with a filled-in form: the path of the field below ``with`` and what was expected.

    ``words`` are those that a case can have; without them none is unknown.
    """
    for name in form_values:
        if name not in form.fields:
            yield name, unknown("field", name, form.fields)
    for name, field in form.fields.items():
        if name not in form_values:
            if field.required:
                yield name, Wording("missing")
            continue
        faults = _faults_of_field(form_values[name], field, form_values, parameters, words)
        yield from ((f"{name}{path}", fault) for path, fault in faults)
    optional = [name for name, field in form.fields.items() if field.of == "view" and name == "column"]
    if (
        form_values.get("view") is not None
        and optional
        and "column" not in form_values
        and not form.fields["column"].required
    ):
        yield "column", Wording("missing")


def _faults_of_field(
    value: Any,
    field: TemplateField,
    form_values: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    words: FieldWords | None,
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with a field that was filled in: the path below it and what was expected."""
    view = form_values.get("view") if field.of == "view" else field.of
    if field.of == "view" and view not in view_columns():
        return  # the field `view` has that fault
    columns = columns_of_list(form_values.get("dataset"), parameters)
    match field.kind:
        case "where":
            yield from faults_of_filter(view or "", value, parameters, words)
        case "cells":
            yield from faults_of_cells(columns, value, parameters)
        case "lists":
            yield from faults_of_lists(value, columns, parameters)
        case "header" | "headers" | "answers" | "dataset":
            if fault := fault_of_list_field(value, field.kind, columns, parameters):
                yield "", fault
        case _:
            if fault := _fault_of_value(value, field, view or "", parameters, words):
                yield "", fault


def _fault_of_value(
    value: Any, field: TemplateField, view: str, parameters: Mapping[str, Parameter], words: FieldWords | None
) -> Wording | None:
    fault: Wording | None = None
    match field.kind:
        case "view":
            fitting = [name for name, columns in view_columns().items() if columns.keys() >= set(field.has)]
            fault = None if value in fitting else unknown("view", str(value), fitting)
        case "column":
            fault = _fault_of_column(value, field, view)
        case "columns" if isinstance(value, list) and 0 < len(set(map(str, value))) == len(value):
            fault = next((flaw for column in value if (flaw := _fault_of_column(column, field, view))), None)
        case "columns":
            fault = Wording("columns_expected", view=view)
        case "words":
            fault = _fault_of_words(value, field.of, words)
        case "count" if isinstance(value, str) and value.startswith("$"):
            fault = fault_of_reference(value, parameters, "integer")
        case "count" if type(value) is not int or not 0 <= value <= MAX_COUNT:
            fault = Wording("count_expected", most=f"{MAX_COUNT:,}")
        case "yes_no" if not isinstance(value, bool):
            fault = Wording("expected", expected=Wording("of_boolean"))
    return fault


def _fault_of_words(value: Any, vocabulary: str | None, words: FieldWords | None) -> Wording | None:
    listed = value if isinstance(value, list) and value else [value]
    if not all(isinstance(word, str) for word in listed):
        return Wording("expected", expected=Wording("of_quoted"))
    return None if words is None else unknown_word(vocabulary, listed, words)


def _fault_of_column(value: Any, field: TemplateField, view: str) -> Wording | None:
    if not isinstance(value, str):
        return Wording("column_expected", view=view)
    fault = fault_of_column(view, value)
    if fault is None and field.type and type_of(view, value) != field.type:
        return Wording("column_type", type=field.type, name=value, other=type_of(view, value))
    return fault


def template_query(template: Template, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> Query:
    """Build the query of a soundly filled-in form. ``values`` are those of the parameters."""
    name, form = template.name, forms()[template.name]
    form_values = filled_in(form, template.fields)
    bindings = Bindings(parameters)
    sql, columns = _MAKERS[name](form_values, bindings)
    scope: Scope = (
        "case" if form.scope == "case" or (form.scope == "per" and "case_id" in form_values["per"]) else "all"
    )
    joined = {
        "missing_in_next_handover": ("items", "handovers", "handover_items", "custody_spans"),
        "exceeded_clock": ("deadlines",),
        "same_value_elsewhere": ("links",) if form_values.get("unless_linked") else (),
        "dataset_match": () if form_values.get("stage") is None else ("stages",),
        "list_rows": ("agencies",),
    }
    of_view = form_values.get("view")
    views = dict.fromkeys((*(() if of_view is None else (of_view,)), *joined.get(name, ())))
    lists = uses_of(
        lists_of(form_values, values), parameters, lists_shown(name, form_values), lists_compared(form_values)
    )
    # Rows that no case has are none once another case has them.
    alone = name != "list_rows" or of_view is None
    return Query(sql, bindings.values, columns, scope, tuple(views), lists, alone)


def _missing_in_next_handover(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    purposes = words_sql(form_values["purpose"], bindings)
    handover = ("handover_id", "purpose", "from_agency", "to_agency", "offered_at")
    columns = dict(view_columns()["items"]) | {name: view_columns()["handovers"][name] for name in handover}
    grace = bindings.name(form_values["grace_days"], "BIGINT")
    chosen = filter_sql("i", "items", form_values["items"], bindings)
    sql = f"""
        WITH next AS (
            SELECT i.* EXCLUDE (evidence), {", ".join(f"h.{name}" for name in handover)},
                list_concat(coalesce(i.evidence, []), coalesce(h.evidence, [])) AS evidence
            FROM items i JOIN handovers h ON h.case_id = i.case_id
            WHERE h.purpose IN ({purposes}) AND h.status IN ('accepted', 'partially_accepted')
                AND least(i.seized_at, i.registered_at) <= h.offered_at AND {chosen}
            QUALIFY row_number() OVER (PARTITION BY i.case_id, i.item_id ORDER BY h.offered_at, h.handover_id) = 1
        )
        SELECT n.* FROM next n
        WHERE coalesce(n.status NOT IN ('split', 'merged'), true) AND coalesce(n.disposed_at > n.offered_at, true)
            AND legal_day($as_of) > legal_day(n.offered_at) + CAST({grace} AS INTEGER)
            AND NOT EXISTS (
                FROM handover_items l
                WHERE l.case_id = n.case_id AND l.item_id = n.item_id AND l.purpose IN ({purposes})
                    AND legal_day(l.offered_at) BETWEEN legal_day(n.offered_at)
                        AND legal_day(n.offered_at) + CAST({grace} AS INTEGER)
            )
            AND NOT EXISTS (
                FROM custody_spans s
                WHERE s.case_id = n.case_id AND s.subject = 'item' AND s.subject_id = n.item_id
                    AND s.responsible <> n.from_agency
                    AND s.since <= n.offered_at AND coalesce(s.until > n.offered_at, true)
            )
    """  # noqa: S608
    return sql, columns


def _exceeded_clock(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    ended = "coalesce(d.stopped_at, $as_of)"
    # What is due promptly has no end: its days count from its start, until it was done or counted anew.
    due = "coalesce(d.due_at, CASE WHEN d.status IN ('running', 'met', 'ended') THEN d.started_at END)"
    grace = bindings.name(form_values["grace_days"], "BIGINT")
    sql = f"""
        SELECT d.*,
            date_diff('day', legal_day({due}), legal_day({ended})) + (d.due_at IS NOT NULL)::INTEGER AS days_late
        FROM deadlines d
        WHERE d.clock IN ({words_sql(form_values["clock"], bindings)}) AND {due} IS NOT NULL
            AND d.status IS DISTINCT FROM 'uncountable'
            AND {ended} >= {due} + to_days(CAST({grace} AS INTEGER))
            AND {filter_sql("d", "deadlines", form_values["where"], bindings)}
    """  # noqa: S608
    return sql, dict(view_columns()["deadlines"]) | {"days_late": "BIGINT"}


def _count_over(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    view, per, time = form_values["view"], form_values["per"], form_values["time"]
    counted = "*" if form_values["distinct"] is None else f"DISTINCT v.{quoted(form_values['distinct'])}"
    columns = {name: type_of(view, name) for name in per} | {"counted": "BIGINT"}
    shown = [*(f"v.{quoted(name)}" for name in per), f"count({counted}) AS counted"]
    if time is not None:
        shown += [f"min(v.{quoted(time)}) AS first_at", f"max(v.{quoted(time)}) AS last_at"]
        columns |= {"first_at": "TIMESTAMP", "last_at": "TIMESTAMP"}
    conditions = [filter_sql("v", view, form_values["where"], bindings)]
    if time is not None and form_values["within_days"] is not None:
        days = bindings.name(form_values["within_days"], "BIGINT")
        conditions.append(f"v.{quoted(time)} > $as_of - to_days(CAST({days} AS INTEGER))")
        conditions.append(f"v.{quoted(time)} <= $as_of")
    sql = f"""
        SELECT {", ".join(shown)}, {united_sql("v.evidence")} AS evidence
        FROM {quoted(view)} v
        WHERE {" AND ".join(conditions)}
        GROUP BY {", ".join(f"v.{quoted(name)}" for name in per)}
        HAVING count({counted}) > {bindings.name(form_values["over"], "BIGINT")}
    """  # noqa: S608
    return sql, columns | {"evidence": "VARCHAR[]"}


def _same_value_elsewhere(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    view, time = form_values["view"], form_values["time"]
    value = quoted(form_values["column"])
    # Of each pair of cases the later one is found, so that a pair raises one lead.
    order = "({0}.case_id)" if time is None else f"({{0}}.{quoted(time)}, {{0}}.case_id)"
    others = {f"other_{name}": kind for name, kind in view_columns()[view].items() if kind != "VARCHAR[]"}
    shown = [f"b.{quoted(name.removeprefix('other_'))} AS {quoted(name)}" for name in others]
    chosen = [filter_sql(alias, view, form_values["where"], bindings) for alias in ("a", "b")]
    linked = """AND NOT EXISTS (
                FROM links l
                WHERE (l.case_id = a.case_id AND l.other_case_id = b.case_id)
                    OR (l.case_id = b.case_id AND l.other_case_id = a.case_id)
            )"""
    sql = f"""
        SELECT a.* EXCLUDE (evidence), {", ".join(shown)},
            list_concat(coalesce(b.evidence, []), coalesce(a.evidence, [])) AS evidence
        FROM {quoted(view)} a JOIN {quoted(view)} b ON b.{value} = a.{value} AND b.case_id <> a.case_id
        WHERE {order.format("a")} > {order.format("b")} AND {" AND ".join(chosen)}
            {linked if form_values["unless_linked"] else ""}
    """  # noqa: S608
    return sql, dict(view_columns()[view]) | others


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Bindings], Made]] = {
    "missing_in_next_handover": _missing_in_next_handover,
    "exceeded_clock": _exceeded_clock,
    "count_over": _count_over,
    "same_value_elsewhere": _same_value_elsewhere,
    "dataset_match": dataset_match,
    "case_not_listed": case_not_listed,
    "list_rows": list_rows,
}
