"""Wording: a sentence as its word in the catalogues and what fills its slots (docs/decisions/0011)."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.events.supervision import BilingualText
from ledger.i18n import Labels
from ledger.i18n.messages import said

VOCABULARY = "model_fault"


class Wording:
    """What to say, in no language yet: ``str`` gives the English, ``told_in`` that of a reader.

    A slot is filled by text as it is, by text in both languages, by another wording, or by several texts.
    """

    __slots__ = ("slots", "word")

    def __init__(self, word: str, /, **slots: Slot):
        self.word = word
        self.slots = slots

    def told_in(self, labels: Labels) -> str:
        """The sentence in the language of the labels."""
        entry = labels.of(VOCABULARY, self.word)
        return entry.format(**{name: _told(slot, labels) for name, slot in self.slots.items()})

    def __str__(self) -> str:
        return self.told_in(Labels("en"))

    def __repr__(self) -> str:
        return f"Wording({self.word!r}: {self})"


Slot = str | int | BilingualText | Wording | tuple[str, ...]


def told_in(labels: Labels, says: Wording | str) -> str:
    """A fault in the language of the labels: by its wording, or found by its English."""
    return says.told_in(labels) if isinstance(says, Wording) else said(says, labels)


def one_of(words: Sequence[str]) -> str | Wording:
    """One or the other of the words. Requires at least one."""
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
