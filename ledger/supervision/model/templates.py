"""Templates as SQL. Names stand in it that were checked against the views; every value is bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ledger.supervision.model.binding import Bindings
from ledger.supervision.model.columns import dataset_view, type_of, views
from ledger.supervision.model.filters import filter_sql
from ledger.supervision.model.forms import filled_in, forms
from ledger.supervision.model.values import Condition, Query, Scope, Template
from ledger.supervision.session import quoted

Made = tuple[str, dict[str, str]]  # the SQL, and the columns of its rows with their types


def template_query(template: Template, datasets: Mapping[str, str]) -> Query:
    """The query of a form that was filled in soundly. ``datasets`` are the values of the parameters that name some."""
    form = forms()[template.name]
    given = filled_in(form, template.given)
    bindings = Bindings()
    sql, columns = _MAKERS[template.name](given, bindings, datasets)
    scope: Scope = "case" if form.scope == "case" or (form.scope == "per" and "case_id" in given["per"]) else "all"
    return Query(sql=sql, bindings=bindings.values, columns=columns, scope=scope, views=_views(template.name, given))


def dataset_of(condition: Condition, values: Mapping[str, Any]) -> str | None:
    """The id of the outside data set that a run under these values of the parameters compares with, if with one."""
    named = condition.given.get("dataset") if isinstance(condition, Template) else None
    return None if named is None else _dataset_named(named, values)


def _dataset_named(named: str, values: Mapping[str, Any]) -> str:
    return str(values[named[1:]]) if named.startswith("$") else named


def _missing_in_next_handover(given: Mapping[str, Any], bindings: Bindings, _datasets: Any) -> Made:
    purposes = _listed(given["purpose"], bindings)
    handover = ("handover_id", "purpose", "from_agency", "to_agency", "offered_at")
    columns = dict(views()["items"]) | {name: views()["handovers"][name] for name in handover}
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


def _exceeded_clock(given: Mapping[str, Any], bindings: Bindings, _datasets: Any) -> Made:
    ended = "coalesce(d.stopped_at, $as_of)"
    grace = bindings.name(given["grace_days"], "BIGINT")
    sql = f"""
        SELECT d.*, date_diff('day', legal_day(d.due_at), legal_day({ended})) + 1 AS days_late
        FROM deadlines d
        WHERE d.clock IN ({_listed(given["clock"], bindings)}) AND d.due_at IS NOT NULL
            AND {ended} >= d.due_at + to_days(CAST({grace} AS INTEGER))
            AND {filter_sql("d", "deadlines", given["where"], bindings)}
    """  # noqa: S608
    return sql, dict(views()["deadlines"]) | {"days_late": "BIGINT"}


def _count_over(given: Mapping[str, Any], bindings: Bindings, _datasets: Any) -> Made:
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


def _same_value_elsewhere(given: Mapping[str, Any], bindings: Bindings, _datasets: Any) -> Made:
    view, time = given["view"], given["time"]
    value = quoted(given["column"])
    order = "({0}.case_id)" if time is None else f"({{0}}.{quoted(time)}, {{0}}.case_id)"
    others = {f"other_{name}": kind for name, kind in views()[view].items() if kind != "VARCHAR[]"}
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
    return sql, dict(views()[view]) | others


def _dataset_match(given: Mapping[str, Any], bindings: Bindings, datasets: Mapping[str, str]) -> Made:
    view, dataset_id = given["view"], _dataset_named(given["dataset"], datasets)
    columns = [name for name in views()[view] if name != "evidence"]
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
        FROM {quoted(view)} v JOIN {quoted(dataset_view(dataset_id))} d ON {same}
        WHERE {" AND ".join(conditions)}
        GROUP BY {shown}
    """  # noqa: S608
    return sql, dict(views()[view]) | extra


def _in_time(given: Mapping[str, Any], day: str | None, bindings: Bindings) -> Iterator[str]:
    """That the day of the data set's row, where it has one, lies in the time that is asked about."""
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
    """The members of many lists, each once, in an order that no thread decides."""
    return (
        f"coalesce(list_sort(list_distinct(flatten(list({lists} ORDER BY {lists}) FILTER ({lists} IS NOT NULL)))), [])"
    )


def _views(name: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    more = {
        "missing_in_next_handover": ("items", "handovers", "handover_items", "custody_spans"),
        "exceeded_clock": ("deadlines",),
        "same_value_elsewhere": ("links",) if given.get("unless_linked") else (),
        "dataset_match": () if given.get("stage") is None else ("stages",),
    }
    return tuple(dict.fromkeys((*([given["view"]] if "view" in given else ()), *more.get(name, ()))))


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Bindings, Mapping[str, str]], Made]] = {
    "missing_in_next_handover": _missing_in_next_handover,
    "exceeded_clock": _exceeded_clock,
    "count_over": _count_over,
    "same_value_elsewhere": _same_value_elsewhere,
    "dataset_match": _dataset_match,
}
