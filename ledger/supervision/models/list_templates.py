"""Templates over registered lists: on the list and in a case, in a case but not on the list, rows of a list that no
case has, or too many of them. A list may be joined with further lists, by a value that it shares with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Column
from ledger.core.messages import Message
from ledger.supervision.model_faults import Unfit, Wording, unknown
from ledger.supervision.models.definition import Parameter
from ledger.supervision.models.filters import (
    Bindings,
    Made,
    cells_sql,
    faults_of_cells,
    filter_sql,
    united_sql,
    words_sql,
)
from ledger.supervision.runs.query_session import quoted
from ledger.supervision.view_catalogue import LIST, LIST_COLUMNS, LISTED, ListUse, view_columns, view_of_dataset

MAX_LISTS = 4  # further lists beside the first
_FURTHER = ("dataset", "header", "equals", "listed", "absent")


def lists_of(form_values: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids of the data sets that a filled-in form names, by the names that its query has for them."""
    named = [form_values.get("dataset"), *(further["dataset"] for further in form_values.get("lists") or ())]
    return {list_name(name): _id_of(name, values) for name in named if name is not None}


def list_name(dataset: str) -> str:
    """Return what a query calls a data set that a form names: by its parameter, or by its id."""
    return f"{LIST}{dataset[1:]}" if dataset.startswith("$") else f"{LISTED}_{dataset.replace('-', '_')}"


def lists_shown(form: str, form_values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the lists whose cells a filled-in form shows: as its rows, or by a filter or a day, since a
    cell that is compared with values of the author's choice is known after a few runs."""
    parts = [form_values, *(form_values.get("lists") or ())]
    if form != "list_rows":
        parts = [part for part in parts if part.get("listed") is not None or part.get("day") is not None]
    return frozenset(list_name(part["dataset"]) for part in parts if part.get("dataset") is not None)


def lists_compared(form_values: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the columns of each list that a filled-in form compares with other values, by the name of the list."""
    if form_values.get("dataset") is None:
        return {}
    first = list_name(form_values["dataset"])
    compared: defaultdict[str, set[str]] = defaultdict(set, {first: {form_values["header"]}})
    for further in form_values.get("lists") or ():
        compared[first].add(further["equals"])
        compared[list_name(further["dataset"])].add(further["header"])
    return compared


def uses_of(
    named: Mapping[str, str],
    parameters: Mapping[str, Parameter],
    shown: Container[str],
    compared: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> dict[str, ListUse]:
    """Return how a condition uses each of its lists.

    ``named`` are the ids of the data sets by the names of the lists; ``shown`` are the lists whose cells it shows, and
    ``compared`` the columns of each that it compares. A list that is a parameter has the columns that this states.
    """
    stated = {f"{LIST}{name}": parameter.columns for name, parameter in parameters.items()}
    return {
        name: ListUse(dataset_id, stated.get(name, {}), name in shown, frozenset(compared.get(name, ())))
        for name, dataset_id in named.items()
    }


def _id_of(dataset: str, values: Mapping[str, Any]) -> str:
    return str(values[dataset[1:]]) if dataset.startswith("$") else dataset


# -- faults ------------------------------------------------------------------------------------------------------------


def fault_of_list_field(
    value: Any, kind: str, columns: Collection[str], parameters: Mapping[str, Parameter]
) -> Wording | None:
    """Return what is wrong with a field about a list of these columns: which list it is, or which of its columns."""
    if kind == "dataset":
        return _fault_of_dataset(value, parameters)
    if kind == "answers" and isinstance(value, str) and value.startswith("$"):
        return fault_of_reference(value, parameters, "text")
    return _fault_of_shown(value, columns) if kind == "headers" else _fault_of_header(value, columns)


def _fault_of_dataset(value: Any, parameters: Mapping[str, Parameter]) -> Wording | None:
    """Return what is wrong with the name of a data set, which is an id or a parameter as ``$name``."""
    if isinstance(value, str) and value.startswith("$"):
        return fault_of_reference(value, parameters, "dataset")
    try:
        view_of_dataset(str(value))
    except Unfit as error:
        return error.expected
    return None


def fault_of_reference(text: str, parameters: Mapping[str, Parameter], kind: str) -> Wording | None:
    """Return what is wrong with ``$name`` where a parameter of the kind is expected."""
    parameter = parameters.get(text[1:])
    if parameter is None:
        return unknown("parameter", text[1:], parameters)
    return None if parameter.type == kind else Wording("parameter_expected", kinds=kind, name=text, type=parameter.type)


def _fault_of_header(value: Any, columns: Collection[str]) -> Wording | None:
    """Return what is wrong with the name of a list's column: one of ``columns``, any heading if there are none."""
    if not (isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()):
        return Wording("heading_expected")
    return unknown("column", value, columns) if columns and value not in columns else None


def _fault_of_shown(value: Any, columns: Collection[str]) -> Wording | None:
    """Return what is wrong with columns of a list that the rows show: they need names that a lead can have."""
    if not isinstance(value, list) or not 0 < len(set(map(str, value))) == len(value):
        return Wording("headings_expected")
    for name in value:
        if fault := _fault_of_header(name, columns):
            return fault
        try:
            convert(name, Column)
        except MalformedInput:
            return Wording("column_name", name=repr(name))
        if name in LIST_COLUMNS:
            return Wording("name_taken")
    return None


def columns_of_list(dataset: Any, parameters: Mapping[str, Parameter]) -> Collection[str]:
    """Return the columns that the parameter of a data set states; nothing if it states none, or is another's."""
    parameter = parameters.get(dataset[1:]) if isinstance(dataset, str) and dataset.startswith("$") else None
    return () if parameter is None else parameter.columns


def faults_of_lists(
    value: Any, first: Collection[str], parameters: Mapping[str, Parameter]
) -> Iterator[tuple[str, Message]]:
    """Yield what is wrong with the further lists of a form, whose first one has the columns ``first``."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LISTS:
        yield "", Wording("lists_expected", most=MAX_LISTS)
        return
    for number, further in enumerate(value):
        at = f"[{number}]"
        if not isinstance(further, dict):
            yield at, Wording("fields_expected", names=_FURTHER)
            continue
        yield from ((f"{at}.{name}", unknown("field", name, _FURTHER)) for name in further if name not in _FURTHER)
        missing = [name for name in ("dataset", "header", "equals") if name not in further]
        yield from ((f"{at}.{name}", Wording("missing")) for name in missing)
        if missing:
            continue
        own = columns_of_list(further["dataset"], parameters)
        checked = {
            "dataset": _fault_of_dataset(further["dataset"], parameters),
            "header": _fault_of_header(further["header"], own),
            "equals": _fault_of_header(further["equals"], first),
            "absent": None if isinstance(further.get("absent", False), bool) else Wording("of_boolean"),
        }
        yield from ((f"{at}.{name}", fault) for name, fault in checked.items() if fault)
        if "listed" in further:
            faults = faults_of_cells(own, further["listed"], parameters)
            yield from ((f"{at}.listed{path}", fault) for path, fault in faults)


# -- queries -----------------------------------------------------------------------------------------------------------


def dataset_match(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    """Return the query of rows of a view whose value is on a list."""
    view, day = form_values["view"], _day_of(form_values)
    columns = [name for name in view_columns()[view] if name != "evidence"]
    extra = {"dataset_id": "VARCHAR", LISTED: "VARCHAR[]", "matched": "BIGINT"}
    conditions = [filter_sql("v", view, form_values["where"], bindings), *_in_time(form_values, day, bindings)]
    days = ""
    if day is not None:
        days = f"min({day}) AS first_day, max({day}) AS last_day, "
        extra |= {"first_day": "DATE", "last_day": "DATE"}
    shown = ", ".join(f"v.{quoted(name)}" for name in columns)
    sql = f"""
        SELECT {shown}, {_id_in_sql(form_values, bindings)} AS dataset_id,
            {united_sql(f"d.{LISTED}")} AS {LISTED}, count(*) AS matched, {days}
            list_concat({united_sql("v.evidence")}, {united_sql("d.evidence")}) AS evidence
        FROM {quoted(view)} v JOIN ({_chosen(form_values, bindings)}) d
            ON d.{quoted(form_values["header"])} = CAST(v.{quoted(form_values["column"])} AS VARCHAR)
        WHERE {" AND ".join(conditions)}
        GROUP BY {shown}
        HAVING count(*) > {bindings.name(form_values["over"], "BIGINT")}
    """  # noqa: S608
    return sql, dict(view_columns()[view]) | extra


def case_not_listed(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    """Return the query of rows of a view whose value is not on a list."""
    view, column, since, day = (
        form_values["view"],
        f"v.{quoted(form_values['column'])}",
        form_values["from"],
        _day_of(form_values),
    )
    conditions = [filter_sql("v", view, form_values["where"], bindings), f"{column} IS NOT NULL"]
    same = [f"d.{quoted(form_values['header'])} = CAST({column} AS VARCHAR)"]
    if since is not None:
        days = bindings.name(form_values["days"], "BIGINT")
        conditions.append(f"legal_day($as_of) > legal_day(v.{quoted(since)}) + CAST({days} AS INTEGER)")
        same += [] if day is None else [f"{day} >= legal_day(v.{quoted(since)})"]
    same += [] if day is None else [f"{day} <= legal_day($as_of)"]
    sql = f"""
        SELECT v.*, {_id_in_sql(form_values, bindings)} AS dataset_id
        FROM {quoted(view)} v
        WHERE {" AND ".join(conditions)}
            AND NOT EXISTS (FROM ({_chosen(form_values, bindings)}) d WHERE {" AND ".join(same)})
    """  # noqa: S608
    return sql, dict(view_columns()[view]) | {"dataset_id": "VARCHAR"}


def list_rows(form_values: Mapping[str, Any], bindings: Bindings) -> Made:
    """Return the query of rows of a list, grouped; of those that no case has where a view is named."""
    view, day = form_values["view"], _day_of(form_values)
    shown = form_values["per"] or [form_values["header"]]
    answers = str(form_values["answers"])
    per = [f"d.{quoted(name)}" for name in shown]
    agency, named = (
        (bindings.name(answers, "VARCHAR"), "") if answers.startswith("$") else ("n.agency", _NAMED_AGENCIES)
    )
    conditions = [f"d.{quoted(form_values['header'])} IS NOT NULL"]
    if day is not None:
        days = bindings.name(form_values["days"], "BIGINT")
        conditions.append(f"legal_day($as_of) > {day} + CAST({days} AS INTEGER)")
    if view is not None:
        same = [
            f"CAST(v.{quoted(form_values['column'])} AS VARCHAR) = d.{quoted(form_values['header'])}",
            filter_sql("v", view, form_values["where"], bindings),
        ]
        if form_values["from"] is not None and day is not None:
            same.append(f"legal_day(v.{quoted(form_values['from'])}) >= {day}")
        conditions.append(f"NOT EXISTS (FROM {quoted(view)} v WHERE {' AND '.join(same)})")
    counted = "*" if form_values["distinct"] is None else f"DISTINCT d.{quoted(form_values['distinct'])}"
    days_shown = "" if day is None else f"min({day}) AS first_day, max({day}) AS last_day, "
    sql = f"""
        SELECT {", ".join(per)}, {agency} AS supervised, {_id_in_sql(form_values, bindings)} AS dataset_id,
            count({counted}) AS counted, min(d.row_digest) AS row_digest, {days_shown}
            {united_sql(f"d.{LISTED}")} AS {LISTED}, {united_sql("d.evidence")} AS evidence
        FROM ({_chosen(form_values, bindings)}) d {named and f"LEFT JOIN ({named}) n ON n.name = d.{quoted(answers)}"}
        WHERE {" AND ".join(conditions)}
        GROUP BY {", ".join([*per, *([agency] if named else [])])}
        HAVING count({counted}) > {bindings.name(form_values["over"], "BIGINT")}
    """  # noqa: S608
    columns = {**dict.fromkeys(shown, "VARCHAR"), "supervised": "VARCHAR", "dataset_id": "VARCHAR"}
    columns |= {"counted": "BIGINT", "row_digest": "VARCHAR"}
    columns |= {} if day is None else {"first_day": "DATE", "last_day": "DATE"}
    return sql, columns | {LISTED: "VARCHAR[]", "evidence": "VARCHAR[]"}


# An agency by its id or either of its names; of two of one name the first id.
_NAMED_AGENCIES = """
    SELECT name, min(agency) AS agency
    FROM (
        SELECT agency AS name, agency FROM agencies
        UNION ALL SELECT name_zh, agency FROM agencies
        UNION ALL SELECT name_en, agency FROM agencies
    )
    GROUP BY name
"""


def _chosen(form_values: Mapping[str, Any], bindings: Bindings) -> str:
    """Return the query of the rows of the first list that are asked for, each with the rows of further lists."""
    joins, conditions, listed = [], [cells_sql("d", form_values["listed"], bindings)], f"d.{LISTED}"
    for number, further in enumerate(form_values["lists"] or (), start=1):
        source = (
            f"SELECT c.{quoted(further['header'])} AS value, {united_sql(f'c.{LISTED}')} AS {LISTED} "  # noqa: S608
            f"FROM {list_name(further['dataset'])} c WHERE {cells_sql('c', further.get('listed'), bindings)} GROUP BY 1"
        )
        same = f"j{number}.value = d.{quoted(further['equals'])}"
        if further.get("absent", False):
            conditions.append(f"NOT EXISTS (FROM ({source}) j{number} WHERE {same})")
        else:
            joins.append(f"JOIN ({source}) j{number} ON {same}")
            listed = f"list_concat({listed}, j{number}.{LISTED})"
    return (
        f"SELECT d.* EXCLUDE ({LISTED}), {listed} AS {LISTED} "  # noqa: S608
        f"FROM {list_name(form_values['dataset'])} d {' '.join(joins)} WHERE {' AND '.join(conditions)}"
    )


def _id_in_sql(form_values: Mapping[str, Any], bindings: Bindings) -> str:
    return bindings.name(form_values["dataset"], "VARCHAR")


def _day_of(form_values: Mapping[str, Any]) -> str | None:
    return None if form_values["day"] is None else f"TRY_CAST(d.{quoted(form_values['day'])} AS DATE)"


def _in_time(form_values: Mapping[str, Any], day: str | None, bindings: Bindings) -> Iterator[str]:
    """Yield the conditions that the day of the list's row lies in the time that is asked about."""
    if day is not None:
        yield f"{day} <= legal_day($as_of)"
        if form_values["from"] is not None:
            yield f"{day} >= legal_day(v.{quoted(form_values['from'])})"
        if form_values["until"] is not None:
            yield f"coalesce({day} < legal_day(v.{quoted(form_values['until'])}), true)"
    if form_values["stage"] is not None:
        meanwhile = f"AND {day} >= legal_day(g.entered_at) AND coalesce({day} < legal_day(g.left_at), true)"
        stages = words_sql(form_values["stage"], bindings)
        yield f"""EXISTS (
                FROM stages g WHERE g.case_id = v.case_id AND g.stage IN ({stages}) {meanwhile if day else ""}
            )"""
