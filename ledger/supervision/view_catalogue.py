"""The catalogue of views (``views.toml``): which columns models can ask, of what type, and what they mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from msgspec import Struct

from ledger.supervision.model_faults import Unfit, Wording, first_of, in_order, one_of, unknown

DATASET = "dataset_"  # what the names of the views of registered data sets begin with
DATASET_COLUMNS: Mapping[str, str] = {"row_digest": "VARCHAR", "evidence": "VARCHAR[]"}  # beside its own, as text
LIST = "list_"  # what a condition calls a data set by: with the name of the parameter that names it
LISTED = "listed"  # the column with the rows of lists that a row rests on: their ids and digests
LIST_COLUMNS: Mapping[str, str] = {**DATASET_COLUMNS, LISTED: "VARCHAR[]"}
_DATASET_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_EXPECTED = {
    "VARCHAR": Wording("of_quoted"),
    "BIGINT": Wording("of_integer"),
    "BOOLEAN": Wording("of_boolean"),
    "TIMESTAMP": Wording("of_time"),
    "DATE": Wording("of_date"),
    "DECIMAL(33,18)": Wording("of_decimal"),
    "VARCHAR[]": Wording("of_list"),
}


class ViewQueries(Protocol):
    """Answers queries over the views."""

    def rows(self, sql: str, parameters: Mapping[str, object], as_of: datetime) -> list[dict[str, Any]]: ...


class ListUse(Struct, frozen=True):
    """A data set as a condition asks it: its headings by the names that the condition has for them, all as they are if
    none are given. ``shown`` says whether what it finds tells the cells, or only that those of the columns ``compared``
    agree with others."""

    dataset_id: str
    columns: Mapping[str, str]
    shown: bool
    compared: frozenset[str] = frozenset()


class ViewColumn(Struct, frozen=True):
    """``kind`` is the DuckDB type."""

    name: str
    kind: str
    en: str
    zh: str


class View(Struct, frozen=True):
    name: str
    en: str
    zh: str
    columns: Mapping[str, ViewColumn]

    def kinds(self) -> dict[str, str]:
        """Return the type of each column, in their order."""
        return {column.name: column.kind for column in self.columns.values()}


@cache
def views() -> Mapping[str, View]:
    """Return all views by name, except those of data sets."""
    tables = tomllib.loads(files("ledger.supervision.views").joinpath("views.toml").read_text(encoding="utf-8"))
    return {
        name: View(
            name,
            view["meaning"]["en"],
            view["meaning"]["zh"],
            {column: ViewColumn(column, row["type"], row["en"], row["zh"]) for column, row in view["columns"].items()},
        )
        for name, view in tables.items()
    }


def dataset_view(dataset_id: str) -> str:
    """Return the name of a data set's view."""
    return DATASET + dataset_id.replace("-", "_")


def nearest(word: str, words: Iterable[str]) -> Wording:
    """Word a hint at what may have been meant; at the first of all words if nothing is near."""
    choices = in_order(words)
    near = get_close_matches(word, choices, n=3, cutoff=0.5)
    if near:
        return Wording("near", near=one_of(near))
    return Wording("there_are", words=first_of(choices)) if choices else Wording("there_are_none")


@cache
def view_columns() -> Mapping[str, Mapping[str, str]]:
    """Return the columns of each view with their DuckDB types, except views of data sets."""
    return {name: view.kinds() for name, view in views().items()}


@cache
def kept_kinds(view: str) -> Mapping[str, str]:
    """Return the columns that the snapshot keeps of a view, with their types: those that do not depend on others."""
    kinds = dict(view_columns()[view])
    if view == "events":
        del kinds["anchored_at"]
    if view == "deadlines":
        kinds = {"paused" if name == "status" else name: kind for name, kind in kinds.items()} | {
            "paused": "BOOLEAN",
            "at_end": "VARCHAR",
            "replaced": "BOOLEAN",
        }
    return kinds


def fault_of_view(view: str) -> Wording | None:
    """Return what is wrong with the name of a view, if anything. Views of data sets are recognised by their prefix."""
    return None if view in view_columns() or view.startswith(DATASET) else unknown("view", view, view_columns())


def fault_of_column(view: str, column: str) -> Wording | None:
    """Return what is wrong with the name of a column, if anything. Requires a known view."""
    if view.startswith(DATASET) or column in view_columns()[view]:
        return None
    return unknown(Wording("a_column_of", view=view), column, view_columns()[view])


def type_of(view: str, column: str) -> str:
    """Return the DuckDB type of a known column; a data set's own columns are text."""
    return DATASET_COLUMNS.get(column, "VARCHAR") if view.startswith(DATASET) else view_columns()[view][column]


def view_of_dataset(dataset_id: str) -> str:
    """Return the name of a data set's view. Raises Unfit if the id is none."""
    if not _DATASET_ID.fullmatch(dataset_id):
        raise Unfit(Wording("dataset_id"))
    return dataset_view(dataset_id)


def convert_value(value: Any, kind: str) -> Any:
    """Return a value of a file as one of the DuckDB type; None stays None. Raises Unfit."""
    if value is None:
        return None
    fits, converted = False, value
    match kind:
        case "VARCHAR[]":
            fits = isinstance(value, list) and all(isinstance(part, str) for part in value)
        case "BIGINT":
            fits = type(value) is int and -(2**63) <= value < 2**63
        case "BOOLEAN":
            fits = isinstance(value, bool)
        case "DECIMAL(33,18)" if type(value) in (int, Decimal):
            converted = Decimal(value)
            exponent = converted.as_tuple().exponent  # a letter for what is no finite number
            fits = isinstance(exponent, int) and exponent >= -18 and converted.adjusted() < 15
        case "VARCHAR":
            fits = isinstance(value, str)
        case "DATE" | "TIMESTAMP" if isinstance(value, str):
            with suppress(ValueError):
                if kind == "DATE":
                    fits, converted = len(value) == 10, date.fromisoformat(value)
                else:  # columns of times have no zone
                    moment = datetime.fromisoformat(value)
                    fits = moment.tzinfo is not None
                    converted = moment.astimezone(UTC).replace(tzinfo=None) if fits else None
    if not fits:
        raise Unfit(Wording("expected_not", expected=_EXPECTED[kind], given=repr(value)))
    return converted
