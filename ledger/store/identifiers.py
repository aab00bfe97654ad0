"""Identifiers: which words are ids of cases and items that a reader sees, or numbers on their papers and seals."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ledger.core.visibility import Reader
from ledger.store.cases import seen
from ledger.store.tables import CASE_AGENCIES, CASES, ITEMS

ASKED_AT_ONCE = 500
_COLUMNS = {  # each with the case that it is of
    "case": (CASES.c.case_id, CASES.c.case_id),
    "case number": (CASE_AGENCIES.c.case_number, CASE_AGENCIES.c.case_id),
    "item": (ITEMS.c.item_id, ITEMS.c.case_id),
    "seal": (ITEMS.c.seal_number, ITEMS.c.case_id),
}


def known(connection: Connection, words: Iterable[str], reader: Reader) -> dict[str, str]:
    """Those of the words that are identifiers in cases that the reader sees, and what each names."""
    found: dict[str, str] = {}
    asked = sorted(words)
    for some in (asked[start : start + ASKED_AT_ONCE] for start in range(0, len(asked), ASKED_AT_ONCE)):
        for what, (column, case_id) in _COLUMNS.items():
            for (word,) in connection.execute(select(column).where(column.in_(some), seen(reader, case_id))):
                found.setdefault(word, what)
    return found
