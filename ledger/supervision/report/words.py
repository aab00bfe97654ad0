"""Words: titles and cells of a report in a reader's language."""

from __future__ import annotations

from ledger.locales import Labels
from ledger.supervision.report.values import Column
from ledger.timeline.sentences import Names

NOTHING = "–"


def cell_text(column: Column, cell: str | int | None, labels: Labels, named: Names = str) -> str:
    """What people read: words translated, agencies named, shares in per cent and days with one decimal."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return named(cell) if column.vocabulary == "agency" else _word(column.vocabulary, cell, labels)
    if column.kind == "share":
        return f"{cell // 10}.{cell % 10} %"
    if column.kind == "days":
        return f"{cell // 10}.{cell % 10}"
    return str(cell)


def _word(vocabulary: str | None, word: str, labels: Labels) -> str:
    match vocabulary:
        case None:
            return word
        case "flag":
            return labels.of_flag(word)
        case "clock":
            return labels.of_clock(word)
    return labels.of(vocabulary, word)
