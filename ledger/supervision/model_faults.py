"""Faults of models: every one has its line, its field and what was expected, in words of the catalogues.

A wording is a sentence by its word in the catalogues and what fills its slots (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText
from ledger.i18n import Labels
from ledger.i18n.messages import said

VOCABULARY = "model_fault"
SHOWN_WORDS = 12  # so many words are listed where none is near the one that was written


class Wording:
    """What to say, in no language yet: ``str`` gives the English, ``told_in`` that of a reader.

    A slot is filled by text as it is, by text in both languages, by another wording, or by several texts.
    """

    __slots__ = ("slots", "word")

    def __init__(self, word: str, /, **slots: Slot):
        self.word = word
        self.slots = slots

    def told_in(self, labels: Labels) -> str:
        """Return the sentence in the language of the labels."""
        entry = labels.of(VOCABULARY, self.word)
        return entry.format(**{name: _told(slot, labels) for name, slot in self.slots.items()})

    def __str__(self) -> str:
        return self.told_in(Labels("en"))

    def __repr__(self) -> str:
        return f"Wording({self.word!r}: {self})"


Slot = str | int | BilingualText | Wording | tuple[str, ...]


def told_in(labels: Labels, says: Wording | str) -> str:
    """Return a fault in the language of the labels: by its wording, or looked up by its English."""
    return says.told_in(labels) if isinstance(says, Wording) else said(says, labels)


def one_of(words: Sequence[str]) -> str | Wording:
    """Join the words as alternatives ("a, b or c"). Requires at least one."""
    listed: str | Wording = words[0]
    for word in words[1:]:
        listed = Wording("or", first=listed, second=word)
    return listed


def _told(slot: Slot, labels: Labels) -> str:
    if isinstance(slot, Wording):
        return slot.told_in(labels)
    if isinstance(slot, BilingualText):
        return labels.told(slot)
    return labels.of(VOCABULARY, "comma").join(slot) if isinstance(slot, tuple) else str(slot)


class ModelFault(NamedTuple):
    """One thing to correct. ``line`` counts from 1, ``field`` is its path in the file (``need.problem.zh``)."""

    line: int
    field: str
    expected: Wording

    @property
    def message(self) -> str:
        """Return what was expected, in English."""
        return str(self.expected)


class LocalizedFault(NamedTuple):
    """A fault in the language of a reader."""

    line: int
    field: str
    message: str


class ModelRefused(MalformedInput):
    """A model's file with its ``faults``, by line; there is at least one, and ``message`` tells the first."""

    code = "model_refused"

    def __init__(self, faults: Iterable[ModelFault]):
        once = {(fault.line, fault.field, fault.message): fault for fault in faults}
        self.faults = tuple(once[order] for order in sorted(once))
        line, field, message = next(iter(sorted(once)))
        more = len(self.faults) - 1
        super().__init__(
            f"line {line}: {message}",
            field=field or None,
            hint=f"There {'is one more fault' if more == 1 else f'are {more} more faults'} in the file."
            if more
            else None,
        )

    @property
    def expected(self) -> Wording:
        """Return the first fault with its line."""
        first = self.faults[0]
        return Wording("on_line", line=first.line, said=first.expected)

    def told_in(self, labels: Labels) -> list[LocalizedFault]:
        """Return each fault, by line, in the language of the labels."""
        return [LocalizedFault(fault.line, fault.field, fault.expected.told_in(labels)) for fault in self.faults]


class Unfit(ValueError):
    """A value of a file that is not what its place asks for; ``expected`` says what that is."""

    def __init__(self, expected: Wording):
        super().__init__(str(expected))
        self.expected = expected


def unknown(kind: str | Wording, word: str, words: Iterable[str]) -> Wording:
    """Word that there is no such word, with the nearest of those that there are, or with all if they are few."""
    choices = sorted(words)
    kind = Wording(f"a_{kind}") if isinstance(kind, str) else kind
    near = get_close_matches(word, choices, n=3, cutoff=0.6)
    if near:
        return Wording("unknown_near", what=kind, word=repr(word), near=one_of(near))
    if len(choices) == 1:
        return Wording("unknown_one", what=kind, word=repr(word), only=choices[0])
    listed = (*choices[:SHOWN_WORDS], *(("...",) if len(choices) > SHOWN_WORDS else ()))
    return Wording("unknown_of" if choices else "unknown_none", what=kind, word=repr(word), words=listed)
