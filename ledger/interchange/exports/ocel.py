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

from ledger.core.custody import Handover, Item, Person
from ledger.core.custody.spans import Span
from ledger.core.encoding.decoding import decode_json
from ledger.core.events.terms import Quantity
from ledger.core.procedure.legal_days import instant_text
from ledger.timeline import Chronicle, TimelineStep

ObjectType = Literal["case", "item", "person", "agency", "handover"]


class Declared(Struct, frozen=True):
    """An attribute that objects or events of a type may have."""

    name: str
    type: Literal["string", "time", "integer", "float", "boolean"]


class DeclaredType(Struct, frozen=True):
    name: str
    attributes: tuple[Declared, ...]


class Attribute(Struct, frozen=True, omit_defaults=True):
    """``time`` is there with an object's attribute: from when on it has the value."""

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


_EVENT_ATTRIBUTES = tuple(
    Declared(name, "time" if name.endswith("_at") else "string")
    for name in ("signed_at", "recorded_at", "proven_at", "officer", "sentence", "flags", "breaks", "missed")
)
_START = "1970-01-01T00:00:00Z"  # of attributes that never change


def ocel(chronicles: Iterable[Chronicle]) -> OcelFile:
    """The cases in one log."""
    return merged(_of_case(one) for one in chronicles)


def encode(file: OcelFile) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(file)


def decode(data: bytes) -> OcelFile:
    """Raises msgspec.ValidationError for what is no log of ours."""
    return decode_json(data, OcelFile)


def merged(files: Iterable[OcelFile]) -> OcelFile:
    """One log of several: an object that stands in more than one, such as an agency, has what any of them says."""
    objects: dict[str, OcelObject] = {}
    events: list[OcelEvent] = []
    for file in files:
        events += file.events
        for one in file.objects:
            known = objects.get(one.id)
            objects[one.id] = one if known is None else _both(known, one)
    found = tuple(objects.values())
    return OcelFile(
        eventTypes=tuple(DeclaredType(name, _EVENT_ATTRIBUTES) for name in sorted({event.type for event in events})),
        objectTypes=tuple(
            DeclaredType(name, _declared(one for one in found if one.type == name))
            for name in sorted({one.type for one in found})
        ),
        events=tuple(sorted(events, key=lambda event: event.time)),
        objects=found,
    )


def _both(one: OcelObject, other: OcelObject) -> OcelObject:
    return structs.replace(
        one,
        attributes=tuple(dict.fromkeys((*one.attributes, *other.attributes))),
        relationships=tuple(dict.fromkeys((*one.relationships, *other.relationships))),
    )


def _declared(objects: Iterable[OcelObject]) -> tuple[Declared, ...]:
    names = dict.fromkeys(attribute.name for one in objects for attribute in one.attributes)
    return tuple(Declared(name, "time" if name.endswith("_at") else "string") for name in names)


def _of_case(chronicle: Chronicle) -> OcelFile:
    handovers = chronicle.state.handovers
    events = tuple(_event(step, chronicle.state.case_id, handovers.get(_handover_id(step))) for step in chronicle.steps)
    return OcelFile((), (), events, tuple(_objects(chronicle)))


# -- objects -----------------------------------------------------------------------------------------------------------


def _objects(chronicle: Chronicle) -> Iterator[OcelObject]:
    state = chronicle.state
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in chronicle.spans:
        spans[span.subject, span.subject_id].append(span)
    of_case = Relation(f"case:{state.case_id}", "of case")
    known = [Attribute("case_type", state.case_type, _START), Attribute("business_line", state.business_line, _START)]
    changing = _changing(spans["case", state.case_id])
    yield OcelObject(of_case.objectId, "case", (*known, *changing), ())
    parties = {party for made in state.handovers.values() for party in made.parties}
    for agency in sorted(state.agencies | parties | {step.agency for step in chronicle.steps}):
        yield OcelObject(f"agency:{agency}", "agency", (), ())
    for item in state.items.values():
        parents = [parent for parent in item.parents if parent in state.items]
        yield _item(item, parents, spans["item", item.item_id], of_case)
    for person_id in sorted({person_id for step in chronicle.steps for person_id in step.person_ids}):
        yield _person(person_id, state.persons.get(person_id), spans["person", person_id], of_case)
    for handover in state.handovers.values():
        yield _handover(handover, of_case)


def _item(item: Item, parents: Iterable[str], spans: Iterable[Span], of_case: Relation) -> OcelObject:
    fixed = [Attribute("item_kind", item.kind, _START), Attribute("description", item.description, _START)]
    lineage = (Relation(f"item:{parent}", "comes from") for parent in parents)
    return OcelObject(f"item:{item.item_id}", "item", (*fixed, *_changing(spans)), (of_case, *lineage))


def _person(person_id: str, person: Person | None, spans: Iterable[Span], of_case: Relation) -> OcelObject:
    """``person`` is None who left for another case."""
    fixed = () if person is None else (Attribute("role", person.role, _START),)
    return OcelObject(f"person:{person_id}", "person", (*fixed, *_changing(spans)), (of_case,))


def _handover(made: Handover, of_case: Relation) -> OcelObject:
    attributes = [Attribute("purpose", made.purpose, _START), Attribute("status", "offered", made.offered_at)]
    if made.answered_at is not None:
        attributes.append(Attribute("status", made.status, made.answered_at))
    relations = [of_case, Relation(f"agency:{made.from_agency}", "from"), Relation(f"agency:{made.to_agency}", "to")]
    relations += [Relation(f"item:{item_id}", "lists") for item_id in made.items]
    relations += [Relation(f"person:{person_id}", "lists") for person_id in made.person_ids]
    case_id = of_case.objectId.removeprefix("case:")
    return OcelObject(f"handover:{case_id}/{made.handover_id}", "handover", tuple(attributes), tuple(relations))


def _changing(spans: Iterable[Span]) -> Iterator[Attribute]:
    """What the spans say, each value at the time from which it holds; what ends without another one becomes empty."""
    before: dict[str, str] = {}
    for span in spans:
        now = {name: _text(value) for name, value in structs.asdict(span.standing).items() if value is not None}
        for name in before | now:
            if before.get(name) != now.get(name):
                yield Attribute(name, now.get(name, ""), span.since.occurred_at)
        before = now


def _text(value: object) -> str:
    return f"{value.value} {value.unit}" if isinstance(value, Quantity) else str(value)


# -- events ------------------------------------------------------------------------------------------------------------


def _handover_id(step: TimelineStep) -> str:
    return str(msgspec.json.decode(step.body).get("handover_id", ""))


def _event(step: TimelineStep, case_id: str, handover: Handover | None) -> OcelEvent:
    told = {
        "signed_at": instant_text(step.signed_at),
        "recorded_at": instant_text(step.recorded_at // 1000),
        "proven_at": "" if step.proven_at is None else instant_text(step.proven_at),
        "officer": step.officer,
        "sentence": step.sentence,
        "flags": " ".join(flag.name for flag in step.flags),
        "breaks": " ".join(one.kind for one in step.breaks),
        "missed": " ".join(one.clock for one in step.deadlines if one.status == "missed"),
    }
    attributes = tuple(Attribute(name, value) for name, value in told.items() if value)
    return OcelEvent(
        step.event_id, step.event_type, step.occurred_at, attributes, tuple(_related(step, case_id, handover))
    )


def _related(step: TimelineStep, case_id: str, handover: Handover | None) -> Iterator[Relation]:
    """The case, who signed, what it is about: qualified by the event's verb, and by the answer to what was offered."""
    verb = step.event_type.partition(".")[2]
    yield Relation(f"case:{case_id}", "case")
    yield Relation(f"agency:{step.agency}", "signed by")
    accepts = step.event_type == "handover.accepted" and handover is not None
    for item_id in step.item_ids:
        left = accepts and handover is not None and item_id in handover.items.keys() - set(handover.accepted_items)
        yield Relation(f"item:{item_id}", "not accepted" if left else verb)
    for person_id in step.person_ids:
        yield Relation(f"person:{person_id}", verb)
    if handover is not None:
        yield Relation(f"handover:{case_id}/{handover.handover_id}", verb)
