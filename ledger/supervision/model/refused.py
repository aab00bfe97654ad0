"""Why a model's file is refused: every fault with its line, its field and what was expected there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from ledger.core.errors import MalformedInput

SHOWN_WORDS = 12  # so many words are listed where none is near the one that was written


class Fault(NamedTuple):
    """One thing to correct. ``line`` counts from 1, ``field`` is its path in the file (``need.problem.zh``)."""

    line: int
    field: str
    message: str


class ModelRefused(MalformedInput):
    """A model's file with its ``faults``, by line; there is at least one, and ``message`` tells the first."""

    code = "model_refused"

    def __init__(self, faults: Iterable[Fault]):
        self.faults = tuple(sorted(set(faults)))
        line, field, message = self.faults[0]
        more = len(self.faults) - 1
        super().__init__(
            f"line {line}: {message}",
            field=field or None,
            hint=f"There {'is one more fault' if more == 1 else f'are {more} more faults'} in the file."
            if more
            else None,
        )


def unknown(what: str, word: str, words: Iterable[str]) -> str:
    """That there is no such word, with the nearest of those that there are, or with all where they are few."""
    known = sorted(words)
    near = get_close_matches(word, known, n=3, cutoff=0.6)
    if near:
        return f"unknown {what} {word!r}: did you mean {' or '.join(near)}?"
    listed = ", ".join(known[:SHOWN_WORDS]) + (", ..." if len(known) > SHOWN_WORDS else "")
    return f"unknown {what} {word!r}: expected {'one of ' if len(known) > 1 else ''}{listed or 'none'}"
