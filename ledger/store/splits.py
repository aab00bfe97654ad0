"""Ids that splits name for a new case: until it is opened, they belong to the agency that split."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Table, select

from ledger.core.events import Payload
from ledger.core.events.case import CaseSplit
from ledger.store.database import one_of
from ledger.store.tables import ENTRIES, SPLITS

_OPENED = (ENTRIES.c.stream_kind == "case", ENTRIES.c.stream_id == SPLITS.c.new_case_id, ENTRIES.c.sequence == 0)
_NAMED = select(SPLITS).where(one_of(SPLITS.c.new_case_id, "case_ids")).order_by(SPLITS.c.log_index)


def projections(payload: Payload, index: int) -> Iterator[tuple[Table, tuple[str, ...], dict[str, Any]]]:
    """Yield the row of the split that the entry at ``index`` is, if it is one: table, key and row."""
    if isinstance(payload.body, CaseSplit):
        row = {"log_index": index, "case_id": payload.stream.id, "new_case_id": payload.body.new_case_id}
        yield SPLITS, (str(index),), {**row, "agency": payload.agency}


def splitting_agencies(
    connection: Connection, case_ids: Collection[str], *, below: int | None = None
) -> dict[str, str]:
    """Return which agency split something off for each of these cases that is not opened yet, by case id.

    ``below`` is the index up to which entries count, all of them without it.
    """
    opening, query = select(ENTRIES.c.log_index).where(*_OPENED), _NAMED
    if below is not None:
        opening, query = opening.where(ENTRIES.c.log_index < below), query.where(SPLITS.c.log_index < below)
    agencies: dict[str, str] = {}
    for row in connection.execute(query.where(~opening.exists()), {"case_ids": json.dumps(sorted(case_ids))}):
        agencies.setdefault(row.new_case_id, row.agency)
    return agencies
