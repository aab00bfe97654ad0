"""A report as values: what was asked, and tables whose rows name the events that they were counted from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ledger.core.events.terms import BusinessLine

ColumnKind = Literal["word", "text", "count", "share", "days"]


class Scope(Struct, frozen=True):
    """From the legal day ``since`` to ``until``, both included; agencies below ``jurisdiction``, None for all of them;
    cases of ``business_line``, None for all of them."""

    since: str
    until: str
    jurisdiction: str | None = None
    business_line: BusinessLine | None = None


class Column(Struct, frozen=True):
    """``word`` columns have words of ``vocabulary``, ``text`` of the vocabularies ``agency`` and ``model``
    has their ids; a share is a count in parts of 1,000, days are in tenths."""

    name: str
    kind: ColumnKind
    en: str
    zh: str
    vocabulary: str | None = None


class Row(Struct, frozen=True):
    """``cells`` are in the order of the columns, None where there is nothing to count. ``evidence`` are digests of the
    events counted, sorted; what a share is a part of is not cited."""

    cells: tuple[str | int | None, ...]
    evidence: tuple[str, ...]


class Table(Struct, frozen=True):
    """``chart`` names the column that the picture shows, None for none."""

    name: str
    en: str
    zh: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    chart: str | None = None


class Report(Struct, frozen=True):
    """``tree_size`` is the log that was asked, ``as_of`` the moment (RFC 3339) at which clocks were looked at."""

    scope: Scope
    tree_size: int
    as_of: str
    tables: tuple[Table, ...]
