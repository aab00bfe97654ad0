"""Identifiers: which words are ids of cases and items of this ledger, or numbers on their papers and seals."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ledger.store.tables import CASE_AGENCIES, CASES, ITEMS

ASKED_AT_ONCE = 500
_COLUMNS = {
    "case": CASES.c.case_id,
    "case number": CASE_AGENCIES.c.case_number,
    "item": ITEMS.c.item_id,
    "seal": ITEMS.c.seal_number,
}


def known(connection: Connection, words: Iterable[str]) -> dict[str, str]:
    """Those of the words that are identifiers, and what each names."""
    found: dict[str, str] = {}
    asked = sorted(words)
    for some in (asked[start : start + ASKED_AT_ONCE] for start in range(0, len(asked), ASKED_AT_ONCE)):
        for what, column in _COLUMNS.items():
            for (word,) in connection.execute(select(column).where(column.in_(some))):
                found.setdefault(word, what)
    return found
