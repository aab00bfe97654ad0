"""Templates: conditions without a query language, as forms to fill in (templates.toml) and the SQL that they make.

Values of a model's file are bound by name, never spelled out in the text of a query.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.messages import Message, Term
from ledger.supervision.model_faults import Unfit, Wording, one_of, unknown
from ledger.supervision.models.definition import Condition, Parameter, Query, Scope, Template
from ledger.supervision.models.procedure_words import CLOCK, FieldWords, vocabulary_of
from ledger.supervision.runs.query_session import quoted
from ledger.supervision.view_catalogue import convert_value, fault_of_column, type_of, view_columns, view_of_dataset

PREFIX = "with_"  # what the names of bound values begin with; parameters of models have other names
_WORDS = ("not", "over", "under", "has")
_ORDERED = ("BIGINT", "DECIMAL(33,18)", "TIMESTAMP", "DATE")
_KINDS = {
    "VARCHAR": ("text",),
    "VARCHAR[]": ("text",),
    "BIGINT": ("integer",),
    "DECIMAL(33,18)": ("integer", "decimal"),
    "BOOLEAN": ("boolean",),
    "DATE": ("date",),
    "TIMESTAMP": (),
}
FieldKind = Literal["view", "column", "columns", "where", "words", "count", "yes_no", "dataset", "header"]
NONE = "none"
MAX_COUNT = 1_000_000
Made = tuple[str, dict[str, str]]  # the SQL, and the columns of its rows with their types


class Bindings:
    """The values that a query binds. A value ``$name`` is the parameter of that name, which is bound when it runs."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def name(self, value: Any, kind: str) -> str:
        """Bind a value of the DuckDB type and return how the query refers to it."""
        if isinstance(value, str) and value.startswith("$"):
            return f"CAST({value} AS {kind})"
        name = f"{PREFIX}{len(self.values) + 1}"
        self.values[name] = convert_value(value, kind)
        return f"CAST(${name} AS {kind})"


def faults_of_filter(
    view: str, given: Any, parameters: Mapping[str, Parameter], words: FieldWords | None = None
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with a filter on a known view: the path below it and what was expected.

    ``words`` are those that a case can have; without them none is unknown.
    """
    if not isinstance(given, dict) or not given:
        yield "", Wording("filter_expected", view=view)
        return
    for column, asked in given.items():
        fault = fault_of_column(view, column)
        fault = fault or _fault_of(asked, type_of(view, column), parameters)
        if fault is None and words is not None:
            fault = unknown_word(vocabulary_of(view, column), _asked_words(asked), words)
        if fault:
            yield f".{column}", fault


def _asked_words(asked: Any) -> list[Any]:
    value = next(iter(asked.values())) if isinstance(asked, dict) else asked
    return value if isinstance(value, list) else [value]


def unknown_word(name: str | None, listed: Collection[Any], words: FieldWords) -> Wording | None:
    """Return the first text that is no word of the vocabulary, and no parameter."""
    if name is None:
        return None
    texts = (text for text in listed if isinstance(text, str) and not text.startswith("$"))
    wrong = next((text for text in texts if text not in words[name]), None)
    if wrong is None:
        return None
    return unknown(CLOCK if name == CLOCK else Term("vocabulary", name), wrong, words[name])


def filter_sql(alias: str, view: str, given: Mapping[str, Any] | None, bindings: Bindings) -> str:
    """Return a sound filter as a SQL condition on ``alias``, its values bound; true if it asks nothing."""
    terms = (
        _term(f"{alias}.{quoted(name)}", asked, type_of(view, name), bindings) for name, asked in (given or {}).items()
    )
    return " AND ".join(terms) or "true"


def _fault_of(asked: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if not isinstance(asked, dict):
        return _fault_of_values(asked, kind, parameters)
    if len(asked) != 1:
        return Wording("expected_words", words=_WORDS)
    ((word, value),) = asked.items()
    if word not in _WORDS:
        return unknown("word", word, _WORDS)
    if word in ("over", "under") and (kind not in _ORDERED or value is None or isinstance(value, list)):
        return Wording("comparison", word=word)
    if word == "has":
        return _fault_of_value(value, "VARCHAR", parameters) if kind == "VARCHAR[]" else Wording("has_of_lists")
    return _fault_of_values(value, kind, parameters)


def _fault_of_values(asked: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if asked is not None and kind == "VARCHAR[]":
        return Wording("ask_list")
    values = asked if isinstance(asked, list) else [asked]
    if not values:
        return Wording("no_value")
    return next((fault for value in values if (fault := _fault_of_value(value, kind, parameters))), None)


def _fault_of_value(value: Any, kind: str, parameters: Mapping[str, Parameter]) -> Wording | None:
    if isinstance(value, str) and value.startswith("$"):
        parameter = parameters.get(value[1:])
        if parameter is None:
            return unknown("parameter", value[1:], parameters)
        return None if parameter.type in _KINDS[kind] else Wording("parameter_type", name=value, type=parameter.type)
    try:
        convert_value(value, kind)
    except Unfit as error:
        return error.expected
    return None


def _term(column: str, asked: Any, kind: str, bindings: Bindings) -> str:
    word, value = next(iter(asked.items())) if isinstance(asked, dict) else ("is", asked)
    if word in ("over", "under"):
        return f"{column} {'>' if word == 'over' else '<'} {bindings.name(value, kind)}"
    if word == "has":
        return f"list_contains({column}, {bindings.name(value, 'VARCHAR')})"
    values = value if isinstance(value, list) else [value]
    # `in` with a null is neither true nor false: emptiness is asked for apart.
    given = [bindings.name(item, kind) for item in values if item is not None]
    is_one = [f"{column} IS NULL"] if None in values else []
    is_one += [f"coalesce({column} IN ({', '.join(given)}), false)"] if given else []
    return f"{'NOT ' if word == 'not' else ''}({' OR '.join(is_one)})"


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
    """A template: what it finds, in words, and its fields."""

    en: str
    zh: str
    scope: Literal["case", "all", "per"]
    fields: dict[str, TemplateField]


@cache
def forms() -> Mapping[str, TemplateForm]:
    """Return all templates by name."""
    text = files("ledger.supervision.models").joinpath("templates.toml").read_bytes()
    return convert(tomllib.loads(text.decode()), dict[str, TemplateForm])


def filled_in(form: TemplateForm, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, with the defaults of the rest; None where nothing is asked for."""
    defaults = {name: None if f.default == NONE else f.default for name, f in form.fields.items() if not f.required}
    return defaults | dict(given)


def faults_of_form(
    form: TemplateForm,
    given: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    words: FieldWords | None = None,
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with a filled-in form: the path of the field below ``with`` and what was expected.

    ``words`` are those that a case can have; without them none is unknown.
    """
    for name in given:
        if name not in form.fields:
            yield name, unknown("field", name, form.fields)
    for name, field in form.fields.items():
        if name not in given:
            if field.required:
                yield name, Wording("missing")
            continue
        value = given[name]
        view = given.get("view") if field.of == "view" else field.of
        if field.of == "view" and view not in view_columns():
            continue  # the field `view` has that fault
        if field.kind == "where":
            faults = faults_of_filter(view or "", value, parameters, words)
            yield from ((f"{name}{path}", fault) for path, fault in faults)
        elif fault := _fault_of_field(value, field, view or "", parameters, words):
            yield name, fault


def _fault_of_field(
    value: Any, field: TemplateField, view: str, parameters: Mapping[str, Parameter], words: FieldWords | None
) -> Wording | None:
    is_reference = isinstance(value, str) and value.startswith("$")
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
        case "count" | "dataset" if is_reference:
            kinds = ("integer",) if field.kind == "count" else ("dataset",)
            fault = fault_of_reference(value, parameters, kinds)
        case "count" if type(value) is not int or not 0 <= value <= MAX_COUNT:
            fault = Wording("count_expected", most=f"{MAX_COUNT:,}")
        case "yes_no" if not isinstance(value, bool):
            fault = Wording("expected", expected=Wording("of_boolean"))
        case "dataset":
            try:
                view_of_dataset(str(value))
            except Unfit as error:
                fault = error.expected
        case "header" if not (isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()):
            fault = Wording("heading_expected")
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


def fault_of_reference(text: str, parameters: Mapping[str, Parameter], kinds: tuple[str, ...]) -> Wording | None:
    """Return what is wrong with ``$name`` where a parameter of one of the kinds is expected."""
    parameter = parameters.get(text[1:])
    if parameter is None:
        return unknown("parameter", text[1:], parameters)
    return (
        None
        if parameter.type in kinds
        else Wording("parameter_expected", kinds=one_of(kinds), name=text, type=parameter.type)
    )


def template_query(template: Template, datasets: Mapping[str, str]) -> Query:
    """Build the query of a soundly filled-in form. ``datasets`` are the parameters that name data sets."""
    name, form = template.name, forms()[template.name]
    given = filled_in(form, template.given)
    if "dataset" in given:
        given["dataset"] = _dataset_named(given["dataset"], datasets)
    bindings = Bindings()
    sql, columns = _MAKERS[name](given, bindings)
    scope: Scope = "case" if form.scope == "case" or (form.scope == "per" and "case_id" in given["per"]) else "all"
    joined = {
        "missing_in_next_handover": ("items", "handovers", "handover_items", "custody_spans"),
        "exceeded_clock": ("deadlines",),
        "same_value_elsewhere": ("links",) if given.get("unless_linked") else (),
        "dataset_match": () if given.get("stage") is None else ("stages",),
    }
    views = dict.fromkeys((*([given["view"]] if "view" in given else ()), *joined.get(name, ())))
    return Query(sql=sql, bindings=bindings.values, columns=columns, scope=scope, views=tuple(views))


def dataset_of(condition: Condition, values: Mapping[str, Any]) -> str | None:
    """Return the id of the data set that a run under these values of the parameters compares with, if any."""
    named = condition.given.get("dataset") if isinstance(condition, Template) else None
    return None if named is None else _dataset_named(named, values)


def _dataset_named(named: str, values: Mapping[str, Any]) -> str:
    return str(values[named[1:]]) if named.startswith("$") else named


def _missing_in_next_handover(given: Mapping[str, Any], bindings: Bindings) -> Made:
    purposes = _listed(given["purpose"], bindings)
    handover = ("handover_id", "purpose", "from_agency", "to_agency", "offered_at")
    columns = dict(view_columns()["items"]) | {name: view_columns()["handovers"][name] for name in handover}
    grace = bindings.name(given["grace_days"], "BIGINT")
    chosen = filter_sql("i", "items", given["items"], bindings)
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


def _exceeded_clock(given: Mapping[str, Any], bindings: Bindings) -> Made:
    ended = "coalesce(d.stopped_at, $as_of)"
    # What is due promptly has no end: its days count from its start.
    due = "coalesce(d.due_at, CASE WHEN d.status IN ('running', 'met') THEN d.started_at END)"
    grace = bindings.name(given["grace_days"], "BIGINT")
    sql = f"""
        SELECT d.*,
            date_diff('day', legal_day({due}), legal_day({ended})) + (d.due_at IS NOT NULL)::INTEGER AS days_late
        FROM deadlines d
        WHERE d.clock IN ({_listed(given["clock"], bindings)}) AND {due} IS NOT NULL
            AND d.status IS DISTINCT FROM 'uncountable'
            AND {ended} >= {due} + to_days(CAST({grace} AS INTEGER))
            AND {filter_sql("d", "deadlines", given["where"], bindings)}
    """  # noqa: S608
    return sql, dict(view_columns()["deadlines"]) | {"days_late": "BIGINT"}


def _count_over(given: Mapping[str, Any], bindings: Bindings) -> Made:
    view, per, time = given["view"], given["per"], given["time"]
    counted = "*" if given["distinct"] is None else f"DISTINCT v.{quoted(given['distinct'])}"
    columns = {name: type_of(view, name) for name in per} | {"counted": "BIGINT"}
    shown = [*(f"v.{quoted(name)}" for name in per), f"count({counted}) AS counted"]
    if time is not None:
        shown += [f"min(v.{quoted(time)}) AS first_at", f"max(v.{quoted(time)}) AS last_at"]
        columns |= {"first_at": "TIMESTAMP", "last_at": "TIMESTAMP"}
    conditions = [filter_sql("v", view, given["where"], bindings)]
    if time is not None and given["within_days"] is not None:
        days = bindings.name(given["within_days"], "BIGINT")
        conditions.append(f"v.{quoted(time)} > $as_of - to_days(CAST({days} AS INTEGER))")
        conditions.append(f"v.{quoted(time)} <= $as_of")
    sql = f"""
        SELECT {", ".join(shown)}, {_united("v.evidence")} AS evidence
        FROM {quoted(view)} v
        WHERE {" AND ".join(conditions)}
        GROUP BY {", ".join(f"v.{quoted(name)}" for name in per)}
        HAVING count({counted}) > {bindings.name(given["over"], "BIGINT")}
    """  # noqa: S608
    return sql, columns | {"evidence": "VARCHAR[]"}


def _same_value_elsewhere(given: Mapping[str, Any], bindings: Bindings) -> Made:
    view, time = given["view"], given["time"]
    value = quoted(given["column"])
    # Of each pair of cases the later one is found, so that a pair raises one lead.
    order = "({0}.case_id)" if time is None else f"({{0}}.{quoted(time)}, {{0}}.case_id)"
    others = {f"other_{name}": kind for name, kind in view_columns()[view].items() if kind != "VARCHAR[]"}
    shown = [f"b.{quoted(name.removeprefix('other_'))} AS {quoted(name)}" for name in others]
    chosen = [filter_sql(alias, view, given["where"], bindings) for alias in ("a", "b")]
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
            {linked if given["unless_linked"] else ""}
    """  # noqa: S608
    return sql, dict(view_columns()[view]) | others


def _dataset_match(given: Mapping[str, Any], bindings: Bindings) -> Made:
    view, dataset_id = given["view"], given["dataset"]
    columns = [name for name in view_columns()[view] if name != "evidence"]
    extra = {"dataset_id": "VARCHAR", "row_digests": "VARCHAR[]", "matched": "BIGINT"}
    day = None if given["day"] is None else f"TRY_CAST(d.{quoted(given['day'])} AS DATE)"
    conditions = [filter_sql("v", view, given["where"], bindings), *_in_time(given, day, bindings)]
    days = ""
    if day is not None:
        days = f"min({day}) AS first_day, max({day}) AS last_day, "
        extra |= {"first_day": "DATE", "last_day": "DATE"}
    shown = ", ".join(f"v.{quoted(name)}" for name in columns)
    same = f"d.{quoted(given['header'])} = v.{quoted(given['column'])}"
    sql = f"""
        SELECT {shown}, {bindings.name(dataset_id, "VARCHAR")} AS dataset_id,
            list_sort(list_distinct(list(d.row_digest ORDER BY d.row_digest))) AS row_digests,
            count(*) AS matched, {days}
            list_concat({_united("v.evidence")}, {_united("d.evidence")}) AS evidence
        FROM {quoted(view)} v JOIN {quoted(view_of_dataset(dataset_id))} d ON {same}
        WHERE {" AND ".join(conditions)}
        GROUP BY {shown}
    """  # noqa: S608
    return sql, dict(view_columns()[view]) | extra


def _in_time(given: Mapping[str, Any], day: str | None, bindings: Bindings) -> Iterator[str]:
    """Yield the conditions that the day of the data set's row lies in the time that is asked about."""
    if day is not None:
        yield f"{day} <= legal_day($as_of)"
        if given["from"] is not None:
            yield f"{day} >= legal_day(v.{quoted(given['from'])})"
        if given["until"] is not None:
            yield f"coalesce({day} < legal_day(v.{quoted(given['until'])}), true)"
    if given["stage"] is not None:
        meanwhile = f"AND {day} >= legal_day(g.entered_at) AND coalesce({day} < legal_day(g.left_at), true)"
        stages = _listed(given["stage"], bindings)
        yield f"""EXISTS (
                FROM stages g WHERE g.case_id = v.case_id AND g.stage IN ({stages}) {meanwhile if day else ""}
            )"""


def _listed(words: str | list[str], bindings: Bindings) -> str:
    return ", ".join(bindings.name(word, "VARCHAR") for word in ([words] if isinstance(words, str) else words))


def _united(lists: str) -> str:
    """Return the SQL for the members of many lists, each once, in an order that no thread decides."""
    return (
        f"coalesce(list_sort(list_distinct(flatten(list({lists} ORDER BY {lists}) FILTER ({lists} IS NOT NULL)))), [])"
    )


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Bindings], Made]] = {
    "missing_in_next_handover": _missing_in_next_handover,
    "exceeded_clock": _exceeded_clock,
    "count_over": _count_over,
    "same_value_elsewhere": _same_value_elsewhere,
    "dataset_match": _dataset_match,
}
