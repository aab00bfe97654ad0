"""The fields of an event, one a line, under their labels. Sentences shorten; this leaves nothing out.

Ids stand whole, each thing of a list has its own line, and words of vocabularies stand beside what they are called:
what is signed is the word, and a procedure may call it anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody.stocktakes import CountedSide
from ledger.core.events import Event, Section
from ledger.core.events.fields import Field, field_of
from ledger.core.events.handover import DiscrepancyRaised
from ledger.core.events.record import ErasureProposed, SectionErased
from ledger.core.events.stocktake import CountedDifference
from ledger.core.events.terms import NAME_FIELD, PERSON_NAME, EventRef, Money, Quantity
from ledger.i18n import Labels
from ledger.timeline.sentences import EventWords, officer_of, quoted, sides_by_field

_SINGLE_VALUES = (CountedSide, EventRef, Money, Quantity)


class EventField(NamedTuple):
    """A label and a value, in the words of a language."""

    label: str
    value: str


def event_fields(event: Event, sections: dict[str, Section], words: EventWords, labels: Labels) -> list[EventField]:
    """Return everything that a payload and its confidential sections state. Lines of a list are numbered."""
    fields = [
        EventField(labels.of("field", "officer"), officer_of(event, labels)),
        EventField(labels.of("field", "occurred_at"), words.value("occurred_at", event.occurred_at)),
    ]
    if event.authority is not None:
        fields.append(EventField(labels.of("field", "authority"), words.value("authority", event.authority)))
    fields += _fields(event.body, words, labels, "")
    for label, section in sections.items():
        is_persons = label == getattr(event.body, "section", None)
        of = words.label("section") if is_persons else labels.find("particular", label) or label
        for name, text in section.fields.items():
            word = PERSON_NAME if is_persons and name == NAME_FIELD else name
            fields.append(EventField(f"{of} · {labels.of('field', word)}", text))
    return fields


def fields_to_sign(
    event: Event, sections: dict[str, Section], words: EventWords, labels: Labels, *, number: str | None = None
) -> tuple[EventField, ...]:
    """Return what an officer reads before he signs an event: its stream with its number, then all that it states."""
    called = event.stream.id
    if number is not None:
        called = labels.of("telling", "item").format(quoted(number), called)
    elif event.stream.kind == "case" and event.previous is not None:
        called = labels.of("telling", "unnamed").format(called)
    stream = EventField(labels.of("field", f"{event.stream.kind}_id"), called)
    return (stream, *event_fields(event, sections, words, labels))


def _fields(struct: Struct, words: EventWords, labels: Labels, above: str) -> Iterator[EventField]:
    values = asdict(struct)
    if isinstance(struct, CountedDifference | DiscrepancyRaised) and struct.recorded_as is not None:
        sides = sides_by_field(struct)  # one without a text of its own says what ``recorded_as`` says
        values |= {name: side for name, side in sides.items() if side.text is not None or side.word == "not_there"}
    for name, value in values.items():
        label = f"{above}{words.label(name)}"
        own = field_of(type(struct), name)
        assert own is not None, "it is one of its fields"
        match value:
            case dict() if name == "particulars":
                for key, part in value.items():
                    chosen = labels.of_particular(key, part)
                    shown = words.particular(key, part) if chosen == part else _coded(chosen, part, labels)
                    yield EventField(f"{label} · {words.named(key)}", shown)
            case None | () | False if name != "rest_as_listed":
                continue
            case str() if isinstance(struct, ErasureProposed | SectionErased) and name == "label":
                of = words.section(struct.concerns.event_id, value)
                yield EventField(label, of if value in of else labels.of("telling", "item").format(of, value))
            case dict():
                yield from (EventField(f"{label} · {key}", words.value(name, part)) for key, part in value.items())
            case tuple():
                words.look_up(value)
                for number, line in enumerate(value, 1):
                    numbered = label if len(value) == 1 and not isinstance(line, Struct) else f"{label} {number}"
                    yield from _line(line, own, words, labels, numbered)
            case _:
                yield from _line(value, own, words, labels, label)


def _line(value: Any, own: Field, words: EventWords, labels: Labels, label: str) -> Iterator[EventField]:
    if isinstance(value, Struct) and not isinstance(value, _SINGLE_VALUES):
        return _fields(value, words, labels, f"{label} · ")
    in_words = words.value(own.name, value)
    if isinstance(value, str) and own.type.vocabulary is not None:
        in_words = labels.of(own.type.vocabulary, value)
        # Choices that no procedure has are called so by this program.
        return iter((EventField(label, in_words if own.type.kind == "choice" else _coded(in_words, value, labels)),))
    return iter((EventField(label, in_words),))


def _coded(called: str, word: str, labels: Labels) -> str:
    return called if called == word.replace("_", " ") else labels.of("telling", "item").format(called, word)
