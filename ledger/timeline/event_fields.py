"""The fields of an event, one a line, under their labels. Sentences shorten; this leaves nothing out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody.stocktakes import CountedSide
from ledger.core.events import Event, Section
from ledger.core.events.fields import field_of
from ledger.core.events.handover import DiscrepancyRaised
from ledger.core.events.stocktake import CountedDifference
from ledger.core.events.terms import NAME_FIELD, PERSON_NAME, EventRef, Money, Quantity
from ledger.i18n import Labels
from ledger.timeline.sentences import EventWords, officer_of, sides_by_field

_SINGLE_VALUES = (EventRef, Money, Quantity)


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
    called = event.stream.id if number is None else f"{number} ({event.stream.id})"
    stream = EventField(labels.of("field", f"{event.stream.kind}_id"), called)
    return (stream, *event_fields(event, sections, words, labels))


def _fields(struct: Struct, words: EventWords, labels: Labels, above: str) -> Iterator[EventField]:
    values = asdict(struct)
    if isinstance(struct, CountedDifference | DiscrepancyRaised) and struct.recorded_as is not None:
        sides = sides_by_field(struct)  # one without a text of its own says what ``recorded_as`` says
        values |= {name: side for name, side in sides.items() if side.text is not None or side.word == "not_there"}
    for name, value in values.items():
        label = f"{above}{words.label(name)}"
        if above and isinstance(value, str) and (own := field_of(type(struct), name)) and own.type.vocabulary:
            yield EventField(label, labels.of(own.type.vocabulary, value))
            continue
        match value:
            case dict() if name == "particulars":
                yield from (
                    EventField(f"{label} · {words.named(key)}", words.particular(key, part))
                    for key, part in value.items()
                )
            case None | () | False if name != "rest_as_listed":
                continue
            case dict():
                yield from (EventField(f"{label} · {key}", words.value(name, part)) for key, part in value.items())
            case (Struct(), *_):
                words.look_up(value)
                for number, line in enumerate(value, 1):
                    yield from _line(line, name, words, labels, f"{label} {number}")
            case tuple():
                yield EventField(
                    label, labels.of("telling", "separator").join(words.value(name, part) for part in value)
                )
            case CountedSide():
                yield EventField(label, words.value(name, value))
            case _ if isinstance(value, Struct):
                yield from _line(value, name, words, labels, label)
            case _:
                yield EventField(label, words.value(name, value))


def _line(value: Struct, name: str, words: EventWords, labels: Labels, label: str) -> Iterator[EventField]:
    if isinstance(value, _SINGLE_VALUES):
        return iter((EventField(label, words.value(name, value)),))
    return _fields(value, words, labels, f"{label} · ")
