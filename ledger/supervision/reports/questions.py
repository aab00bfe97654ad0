"""The questions of a report (``tables.toml``) and its tables, whose rows name the events that they were counted from.

The same log, scope and moment give the same report, byte for byte.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import BusinessLine
from ledger.core.procedure.legal_days import YEARS
from ledger.i18n import zone_in_use
from ledger.supervision.view_catalogue import ViewQueries

ColumnKind = Literal["word", "text", "count", "share", "days"]
# What every question is asked of: the agencies, cases and first handovers (no returns) in scope.
_IN_SCOPE = """
WITH agency_in_scope AS (
    SELECT * FROM agencies
    WHERE $jurisdiction IS NULL OR jurisdiction = $jurisdiction OR starts_with(jurisdiction, $jurisdiction || '/')
), case_in_scope AS (
    SELECT * FROM cases WHERE $business_line IS NULL OR business_line = $business_line
), returned AS (
    SELECT case_id, returns, flatten(list(evidence ORDER BY evidence)) AS evidence
    FROM handovers WHERE returns IS NOT NULL AND status != 'recalled' GROUP BY case_id, returns
), differing AS (
    SELECT case_id, handover_id, flatten(list(evidence ORDER BY evidence)) AS evidence
    FROM discrepancies WHERE handover_id IS NOT NULL GROUP BY case_id, handover_id
), looked_at AS (
    SELECT h.* EXCLUDE (evidence), h.status = 'refused' AS was_refused, r.returns IS NOT NULL AS was_returned,
        d.handover_id IS NOT NULL AS differs,
        list_concat(h.evidence, coalesce(r.evidence, []), coalesce(d.evidence, [])) AS evidence
    FROM handovers h SEMI JOIN case_in_scope USING (case_id) SEMI JOIN agency_in_scope a ON a.agency = h.from_agency
    LEFT JOIN returned r ON r.case_id = h.case_id AND r.returns = h.handover_id
    LEFT JOIN differing d ON d.case_id = h.case_id AND d.handover_id = h.handover_id
    WHERE h.offered_at >= $since AND h.offered_at < $until AND h.returns IS NULL
), handover_in_scope AS (
    SELECT *, was_refused OR was_returned OR differs AS failed FROM looked_at
)
"""
_PARTS: Mapping[ColumnKind, int] = {"share": 1000, "days": 10}


class ReportScope(Struct, frozen=True):
    """From the legal day ``since`` to ``until``, both included; agencies below ``jurisdiction``, None for all of them;
    cases of ``business_line``, None for all of them."""

    since: str
    until: str
    jurisdiction: str | None = None
    business_line: BusinessLine | None = None


class ReportColumn(Struct, frozen=True, forbid_unknown_fields=True):
    """``word`` columns have words of ``vocabulary``, ``text`` of the vocabularies ``agency`` and ``model``
    has their ids; a share is a count in parts of 1,000, days are in tenths."""

    name: str
    kind: ColumnKind
    en: str
    zh: str
    vocabulary: str | None = None


class ReportRow(Struct, frozen=True):
    """``cells`` are in the order of the columns, None where there is nothing to count. ``evidence`` are digests of the
    events counted, sorted: also those of what went well, which a share is a part of."""

    cells: tuple[str | int | None, ...]
    evidence: tuple[str, ...]


class ReportTable(Struct, frozen=True):
    """``chart`` names the column that the picture shows, None for none."""

    name: str
    en: str
    zh: str
    columns: tuple[ReportColumn, ...]
    rows: tuple[ReportRow, ...]
    chart: str | None = None


class SupervisionReport(Struct, frozen=True):
    """``tree_size`` is the log that was asked, ``as_of`` the moment (RFC 3339) at which clocks were looked at."""

    scope: ReportScope
    tree_size: int
    as_of: str
    tables: tuple[ReportTable, ...]


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """``sql`` has a column for each of ``columns`` and ``evidence``; it orders its rows."""

    en: str
    zh: str
    columns: tuple[ReportColumn, ...]
    sql: str
    chart: str | None = None


@cache
def questions() -> Mapping[str, Question]:
    """Return the tables of a report by name, in their order."""
    text = files("ledger.supervision.reports").joinpath("tables.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    for table in tables.values():
        table["columns"] = [{"name": name} | column for name, column in table["columns"].items()]
    return convert(tables, dict[str, Question])


def make_report(session: ViewQueries, scope: ReportScope, *, tree_size: int, as_of: datetime) -> SupervisionReport:
    """Make the report of ``session``'s views, which are those of ``tree_size``. Raises MalformedInput, QueryRefused."""
    since, until = _moments(scope)
    parameters = {
        "since": since,
        "until": until,
        "jurisdiction": scope.jurisdiction,
        "business_line": scope.business_line,
    }
    tables = []
    for name, question in questions().items():
        rows = []
        for row in session.rows(_IN_SCOPE + question.sql, parameters, as_of):
            evidence = row["evidence"]
            assert isinstance(evidence, list)
            cells = tuple(_cell(column.kind, row[column.name]) for column in question.columns)
            rows.append(ReportRow(cells, tuple(sorted(set(evidence)))))
        tables.append(ReportTable(name, question.en, question.zh, question.columns, tuple(rows), question.chart))
    return SupervisionReport(scope, tree_size, spelled(as_of), tuple(tables))


def _moments(scope: ReportScope) -> tuple[datetime, datetime]:
    """Return the first instant of the scope and the first after it, in UTC without a zone."""
    days = {}
    for name in ("since", "until"):
        try:
            days[name] = datetime.fromisoformat(getattr(scope, name)).date()
        except ValueError as error:
            raise MalformedInput("expected a day such as 2026-03-01", field=name) from error
        if days[name].year not in YEARS:
            raise MalformedInput(
                "expected a day in the years {first} to {last}", first=YEARS[0], last=YEARS[-1], field=name
            )
    if days["since"] > days["until"]:
        raise MalformedInput("expected a day up to {scope.until}, the last one", scope=scope, field="since")
    zone = zone_in_use()
    return zone.start_of(days["since"]).replace(tzinfo=None), zone.end_of(days["until"]).replace(tzinfo=None)


def _cell(kind: ColumnKind, value: object) -> str | int | None:
    """Return whole numbers only: a share in parts of 1,000, days in tenths, rounded half up."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        value = Decimal(value // timedelta(microseconds=1)) / Decimal(86_400_000_000)
    assert isinstance(value, int | float | Decimal)
    return int((Decimal(str(value)) * _PARTS.get(kind, 1)).quantize(Decimal(1), ROUND_HALF_UP))
