"""OCEL 2.0: cases as object-centric event logs, which process-mining programs read (https://www.ocel-standard.org).

The objects are cases, items, persons under their pseudonyms, agencies and handovers; what changes of an object is an
attribute of it with the time from which it holds. Events lie at their claimed time; recorded and proven time stand
beside it. Ids carry their type, so that those of several cases can stand in one file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct, structs

from ledger.core.custody import Handover
from ledger.core.custody.spans import Span
from ledger.core.encoding.decoding import decode_json
from ledger.core.encoding.instants import instant_text
from ledger.core.events.terms import Money, Quantity
from ledger.core.messages import plain
from ledger.i18n.amounts import money_in_words
from ledger.timeline.case_history import CaseTimeline, TimelineStep

ObjectType = Literal["case", "item", "person", "agency", "handover"]


class DeclaredAttribute(Struct, frozen=True):
    """An attribute that objects or events of a type may have."""

    name: str
    type: Literal["string", "time", "integer", "float", "boolean"]


class DeclaredType(Struct, frozen=True):
    name: str
    attributes: tuple[DeclaredAttribute, ...]


class Attribute(Struct, frozen=True, omit_defaults=True):
    """A value; an object's attribute has it from ``time`` on."""

    name: str
    value: str
    time: str | None = None


class Relation(Struct, frozen=True):
    objectId: str  # noqa: N815 - spelled as the standard does
    qualifier: str


class OcelObject(Struct, frozen=True):
    id: str
    type: ObjectType
    attributes: tuple[Attribute, ...]
    relationships: tuple[Relation, ...]


class OcelEvent(Struct, frozen=True):
    id: str
    type: str
    time: str
    attributes: tuple[Attribute, ...]
    relationships: tuple[Relation, ...]


class OcelFile(Struct, frozen=True):
    """The whole file, with the standard's names."""

    eventTypes: tuple[DeclaredType, ...]  # noqa: N815
    objectTypes: tuple[DeclaredType, ...]  # noqa: N815
    events: tuple[OcelEvent, ...]
    objects: tuple[OcelObject, ...]


def _declared(name: str) -> DeclaredAttribute:
    return DeclaredAttribute(name, "time" if name.endswith("_at") else "string")


_EVENT_ATTRIBUTES = tuple(
    map(_declared, ("signed_at", "recorded_at", "proven_at", "officer", "sentence", "flags", "breaks", "missed"))
)
_START = "1970-01-01T00:00:00Z"  # of attributes that never change


def ocel(timelines: Iterable[CaseTimeline]) -> OcelFile:
    """Return the cases in one log."""
    return merged(OcelFile((), (), _events(timeline), tuple(_objects(timeline))) for timeline in timelines)


def encode(file: OcelFile) -> bytes:
    """Return the file's bytes."""
    return msgspec.json.encode(file, enc_hook=plain)


def decode(data: bytes) -> OcelFile:
    """Return the file. Raises msgspec.ValidationError for what is no log of ours."""
    return decode_json(data, OcelFile)


def merged(files: Iterable[OcelFile]) -> OcelFile:
    """Return one log of several; an object of more than one, such as an agency, has the attributes of all."""
    objects: dict[str, OcelObject] = {}
    events: list[OcelEvent] = []
    for file in files:
        events += file.events
        for new in file.objects:
            earlier = objects.get(new.id)
            if earlier is not None:
                attributes = tuple(dict.fromkeys((*earlier.attributes, *new.attributes)))
                relationships = tuple(dict.fromkeys((*earlier.relationships, *new.relationships)))
                objects[new.id] = structs.replace(earlier, attributes=attributes, relationships=relationships)
            else:
                objects[new.id] = new
    names: dict[str, dict[str, None]] = {}  # of attributes, by the type of object
    for merged_object in objects.values():
        names.setdefault(merged_object.type, {}).update(dict.fromkeys(each.name for each in merged_object.attributes))
    return OcelFile(
        eventTypes=tuple(DeclaredType(name, _EVENT_ATTRIBUTES) for name in sorted({event.type for event in events})),
        objectTypes=tuple(DeclaredType(kind, tuple(map(_declared, names[kind]))) for kind in sorted(names)),
        events=tuple(sorted(events, key=lambda event: event.time)),
        objects=tuple(objects.values()),
    )


# -- objects -----------------------------------------------------------------------------------------------------------


def _objects(timeline: CaseTimeline) -> Iterator[OcelObject]:
    state, steps = timeline.state, timeline.steps
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in timeline.spans:
        spans[span.subject, span.subject_id].append(span)
    of_case = Relation(f"case:{state.case_id}", "of case")
    fixed = [Attribute("case_type", state.case_type, _START), Attribute("business_line", state.business_line, _START)]
    yield OcelObject(of_case.objectId, "case", (*fixed, *_changing(spans["case", state.case_id])), ())
    parties = {party for handover in state.handovers.values() for party in handover.parties}
    for agency in sorted(state.agencies | parties | {step.agency for step in steps}):
        yield OcelObject(f"agency:{agency}", "agency", (), ())
    for item in state.items.values():
        fixed = [Attribute("item_kind", item.kind, _START), Attribute("description", item.description, _START)]
        lineage = (Relation(f"item:{parent}", "comes from") for parent in item.parents if parent in state.items)
        attributes = (*fixed, *_changing(spans["item", item.item_id]))
        yield OcelObject(f"item:{item.item_id}", "item", attributes, (of_case, *lineage))
    for person_id in sorted({person_id for step in steps for person_id in step.person_ids}):
        person = state.persons.get(person_id)  # None if the person left for another case
        fixed = [] if person is None else [Attribute("role", person.role, _START)]
        attributes = (*fixed, *_changing(spans["person", person_id]))
        yield OcelObject(f"person:{person_id}", "person", attributes, (of_case,))
    for handover in state.handovers.values():
        yield _handover(handover, of_case)


def _handover(handover: Handover, of_case: Relation) -> OcelObject:
    attributes = [Attribute("purpose", handover.purpose, _START), Attribute("status", "offered", handover.offered_at)]
    if handover.answered_at is not None:
        attributes.append(Attribute("status", handover.status, handover.answered_at))
    relations = [of_case]
    relations += [Relation(f"agency:{handover.from_agency}", "from"), Relation(f"agency:{handover.to_agency}", "to")]
    relations += [Relation(f"item:{item_id}", "lists") for item_id in handover.items]
    relations += [Relation(f"person:{person_id}", "lists") for person_id in handover.person_ids]
    case_id = of_case.objectId.removeprefix("case:")
    return OcelObject(f"handover:{case_id}/{handover.handover_id}", "handover", tuple(attributes), tuple(relations))


def _changing(spans: Iterable[Span]) -> Iterator[Attribute]:
    """Yield the values of spans, each from the time on that it holds; one that ends without another becomes empty."""
    before: dict[str, str] = {}
    for span in spans:
        now = {name: _in_words(value) for name, value in structs.asdict(span.standing).items() if value is not None}
        for name in before | now:
            if before.get(name) != now.get(name):
                yield Attribute(name, now.get(name, ""), span.since.occurred_at)
        before = now


def _in_words(value: Quantity | Money | str) -> str:
    match value:
        case Quantity(value=amount, unit=unit):
            return f"{amount} {unit}"
        case Money(amount=amount, currency=currency):
            return money_in_words(amount, currency)
    return str(value)


# -- events ------------------------------------------------------------------------------------------------------------


def _events(timeline: CaseTimeline) -> tuple[OcelEvent, ...]:
    events = []
    for step in timeline.steps:
        handover = timeline.state.handovers.get(str(msgspec.json.decode(step.body).get("handover_id", "")))
        values = {
            "signed_at": instant_text(step.signed_at),
            "recorded_at": instant_text(step.recorded_at // 1000),
            "proven_at": "" if step.proven_at is None else instant_text(step.proven_at),
            "officer": step.officer,
            "sentence": step.sentence,
            "flags": " ".join(flag.name for flag in step.flags),
            "breaks": " ".join(gap.kind for gap in step.breaks),
            "missed": " ".join(ended.clock for ended in step.deadlines if ended.status == "missed"),
        }
        attributes = tuple(Attribute(name, value) for name, value in values.items() if value)
        relations = tuple(_related(step, timeline.state.case_id, handover))
        events.append(OcelEvent(step.event_id, step.event_type, step.occurred_at, attributes, relations))
    return tuple(events)


def _related(step: TimelineStep, case_id: str, handover: Handover | None) -> Iterator[Relation]:
    """Yield case, signer and subjects: qualified by the event's verb, and by the answer to what was offered."""
    verb = step.event_type.partition(".")[2]
    yield Relation(f"case:{case_id}", "case")
    yield Relation(f"agency:{step.agency}", "signed by")
    left: set[str] = set()
    if handover is not None and step.event_type == "handover.accepted":
        left = handover.items.keys() - set(handover.accepted_items)
    for item_id in step.item_ids:
        yield Relation(f"item:{item_id}", "not accepted" if item_id in left else verb)
    for person_id in step.person_ids:
        yield Relation(f"person:{person_id}", verb)
    if handover is not None:
        yield Relation(f"handover:{case_id}/{handover.handover_id}", verb)
