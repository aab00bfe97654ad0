"""Words: titles and cells of a report in a reader's language."""

from __future__ import annotations

from typing import NamedTuple

from ledger.locales import Labels
from ledger.supervision.report.values import Column
from ledger.timeline.sentences import Names

NOTHING = "–"


class Called(NamedTuple):
    """What agencies and models are called, by their ids; without it they stand as their ids."""

    agency: Names = str
    model: Names = str


BY_ID = Called()


def cell_text(column: Column, cell: str | int | None, labels: Labels, called: Called = BY_ID) -> str:
    """What people read: words translated, agencies and models named, shares in per cent and days with one decimal."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return _word(column.vocabulary, cell, labels, called)
    if column.kind == "share":
        return f"{cell // 10}.{cell % 10} %"
    if column.kind == "days":
        return f"{cell // 10}.{cell % 10}"
    return str(cell)


def _word(vocabulary: str | None, word: str, labels: Labels, called: Called) -> str:
    match vocabulary:
        case None:
            return word
        case "agency":
            return called.agency(word)
        case "model":
            return called.model(word)
        case "flag":
            return labels.of_flag(word)
        case "clock":
            return labels.of_clock(word)
    return labels.of(vocabulary, word)
