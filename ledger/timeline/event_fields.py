"""Particulars: every value that a payload says, one a line, under its label. A sentence shortens; this does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.events import Payload, Section
from ledger.core.events.terms import EventRef, Money, Quantity
from ledger.i18n import Labels
from ledger.timeline.sentences import Words

_WHOLE = (EventRef, Money, Quantity)  # said in one breath


class Particular(NamedTuple):
    """A label and a value, in the words of a language."""

    label: str
    value: str


def particulars(payload: Payload, sections: dict[str, Section], words: Words, labels: Labels) -> list[Particular]:
    """All that a payload and its confidential sections say. Lines of a list are numbered."""
    found = [
        Particular(labels.of("field", "officer"), payload.officer),
        Particular(labels.of("field", "occurred_at"), words.value("occurred_at", payload.occurred_at)),
    ]
    if payload.authority is not None:
        found.append(Particular(labels.of("field", "authority"), words.value("authority", payload.authority)))
    found += _of(payload.body, words, labels, "")
    for label, section in sections.items():
        found += [Particular(f"{label} · {labels.of('field', name)}", text) for name, text in section.fields.items()]
    return found


def _of(value: Struct, words: Words, labels: Labels, above: str) -> Iterator[Particular]:
    for name, part in asdict(value).items():
        label = f"{above}{labels.of('field', name)}"
        match part:
            case None | () | False if name != "rest_as_listed":
                continue
            case dict():
                yield from (Particular(f"{label} · {key}", words.value(name, one)) for key, one in part.items())
            case (Struct(), *_):
                for number, line in enumerate(part, 1):
                    yield from _line(line, name, words, labels, f"{label} {number}")
            case tuple():
                yield Particular(label, labels.of("telling", "separator").join(words.value(name, one) for one in part))
            case _ if isinstance(part, Struct):
                yield from _line(part, name, words, labels, label)
            case _:
                yield Particular(label, words.value(name, part))


def _line(value: Struct, name: str, words: Words, labels: Labels, label: str) -> Iterator[Particular]:
    if isinstance(value, _WHOLE):
        return iter((Particular(label, words.value(name, value)),))
    return _of(value, words, labels, f"{label} · ")
