"""Faults of models: every one has its line, its field and what was expected, in words of the catalogues.

A wording is a message by its word in the catalogues and what fills its slots (docs/decisions/0030).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, Self

from ledger.core.errors import MalformedInput
from ledger.core.messages import Message, filled, joined
from ledger.i18n import Labels

VOCABULARY = "model_fault"
SHOWN_WORDS = 12  # so many words are listed where none is near the one that was written


class Wording(Message):
    """A message by its word in the catalogues, which have it in every language, English too.

    A slot is filled by text as it is, by another message, or by several texts.
    """

    __slots__ = ()

    def __new__(cls, word: str, /, **slots: Slot) -> Self:
        """Render the message in English."""
        values = {name: joined(slot, by=", ") if isinstance(slot, tuple) else slot for name, slot in slots.items()}
        return cls._rendered(filled(Labels("en").of(VOCABULARY, word), values), word, values, VOCABULARY)


Slot = str | int | tuple[str, ...]


def one_of(words: Sequence[str]) -> str | Wording:
    """Join the words as alternatives ("a, b or c"). Requires at least one."""
    listed: str | Wording = words[0]
    for word in words[1:]:
        listed = Wording("or", first=listed, second=word)
    return listed


class ModelFault(NamedTuple):
    """One thing to correct. ``line`` counts from 1, ``field`` is its path in the file (``need.problem.zh``)."""

    line: int
    field: str
    expected: Message

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
    faults: tuple[ModelFault, ...]

    def __init__(self, faults: Iterable[ModelFault]):
        once = {(fault.line, fault.field, fault.message): fault for fault in faults}
        self.faults = tuple(once[order] for order in sorted(once))
        first = self.faults[0]
        more = len(self.faults) - 1
        hint = Message("There are {count} more faults in the file.", count=more) if more else None
        super().__init__(
            Message("line {line}: {fault}", line=first.line, fault=first.expected),
            field=first.field or None,
            hint=Message("There is one more fault in the file.") if more == 1 else hint,
        )

    def told_in(self, labels: Labels) -> list[LocalizedFault]:
        """Return each fault, by line, in the language of the labels."""
        return [LocalizedFault(fault.line, fault.field, labels.translate(fault.expected)) for fault in self.faults]


class Unfit(ValueError):
    """A value of a file that is not what its place asks for; ``expected`` says what that is."""

    def __init__(self, expected: Wording):
        super().__init__(str(expected))
        self.expected = expected


def unknown(kind: str | Message, word: str, words: Iterable[str]) -> Wording:
    """Word that there is no such word, with the nearest of those that there are, or with the first of them."""
    choices = in_order(words)
    kind = kind if isinstance(kind, Message) else Wording(f"a_{kind}")
    near = get_close_matches(word, choices, n=3, cutoff=0.6)
    if near:
        return Wording("unknown_near", what=kind, word=repr(word), near=one_of(near))
    if len(choices) == 1:
        return Wording("unknown_one", what=kind, word=repr(word), only=choices[0])
    return Wording("unknown_of" if choices else "unknown_none", what=kind, word=repr(word), words=first_of(choices))


def in_order(words: Iterable[str]) -> Sequence[str]:
    """Return the words in the order that they have, or by the alphabet if they have none."""
    return words if isinstance(words, Sequence) else sorted(words)


def first_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the words as are listed, and an ellipsis if there are more."""
    return (*words[:SHOWN_WORDS], *(("...",) if len(words) > SHOWN_WORDS else ()))
