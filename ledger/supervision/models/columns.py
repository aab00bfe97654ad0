"""The views that models ask (``views.toml``): which columns there are, of what type, and values of those types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from ledger.supervision import catalogue
from ledger.supervision.catalogue import DATASET, DATASET_COLUMNS
from ledger.supervision.models.refused import Unfit, unknown
from ledger.supervision.wording import Wording

_DATASET_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_EXPECTED = {
    "VARCHAR": Wording("of_quoted"),
    "BIGINT": Wording("of_integer"),
    "BOOLEAN": Wording("of_boolean"),
    "TIMESTAMP": Wording("of_time"),
    "DATE": Wording("of_date"),
    "DECIMAL(21,6)": Wording("of_decimal"),
    "VARCHAR[]": Wording("of_list"),
}


@cache
def views() -> Mapping[str, Mapping[str, str]]:
    """The columns of each view with their DuckDB types; views of data sets are not among them."""
    return {name: view.kinds() for name, view in catalogue.views().items()}


def fault_of_view(view: str) -> Wording | None:
    """What is wrong with the name of a view, if anything is; those of data sets are known by what they begin with."""
    return None if view in views() or view.startswith(DATASET) else unknown("view", view, views())


def fault_of_column(view: str, column: str) -> Wording | None:
    """What is wrong with the name of a column, if anything is. Requires the view to be known."""
    if view.startswith(DATASET) or column in views()[view]:
        return None
    return unknown(Wording("a_column_of", view=view), column, views()[view])


def type_of(view: str, column: str) -> str:
    """The DuckDB type of a known column; what a data set has of its own is text."""
    return DATASET_COLUMNS.get(column, "VARCHAR") if view.startswith(DATASET) else views()[view][column]


def dataset_view(dataset_id: str) -> str:
    """The name of a data set's view. Raises Unfit for what is no id."""
    if not _DATASET_ID.fullmatch(dataset_id):
        raise Unfit(Wording("dataset_id"))
    return catalogue.dataset_view(dataset_id)


def typed(value: Any, kind: str) -> Any:
    """A value of a file as one of the DuckDB type; None stays None. Raises Unfit."""
    if value is None:
        return None
    made = _typed(value, kind)
    if made is None:
        raise Unfit(Wording("expected_not", expected=_EXPECTED[kind], given=repr(value)))
    return made


def _typed(value: Any, kind: str) -> Any:
    if kind == "VARCHAR[]":
        return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else None
    if kind == "BIGINT":
        return value if type(value) is int else None
    if kind == "BOOLEAN":
        return value if isinstance(value, bool) else None
    if kind == "DECIMAL(21,6)":
        return Decimal(value) if type(value) in (int, Decimal) else None
    if not isinstance(value, str):
        return None
    return value if kind == "VARCHAR" else _moment(value, kind)


def _moment(text: str, kind: str) -> datetime | date | None:
    try:
        if kind == "DATE":
            return date.fromisoformat(text) if len(text) == 10 else None
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else None  # columns of times have no zone
