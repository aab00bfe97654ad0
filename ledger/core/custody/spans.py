"""What a case's events do to it, its items and persons: spans of one standing, and what each event concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ledger.core.custody.state import CaseState, Item, ItemStatus, Person
from ledger.core.events import Event
from ledger.core.events.fields import fields_of
from ledger.core.events.item import ItemDisposed, ItemMerged, ItemSplit
from ledger.core.events.terms import Money, Quantity, Stage

Subject = Literal["case", "item", "person"]
Key = tuple[Subject, str]

SUBJECTS: tuple[Subject, ...] = ("case", "item", "person")


class SpanEnd(Struct, frozen=True):
    """The event at an end of a span; its time is as claimed."""

    sequence: int
    event_id: str
    occurred_at: str


class CustodyStanding(Struct, frozen=True):
    """The standing of a subject: who is responsible for it, who holds it, and where it is (``location``).

    The location is a place, or else an agency. A case has no holder. A person is held by a keeper and kept
    there for an agency (``kept_for``). What does not apply, or no longer, is None: an item that was disposed of has no
    holder.
    """

    responsible: str | None
    holder: str | None = None
    location: str | None = None
    kept_for: str | None = None
    stage: Stage | None = None
    status: ItemStatus | None = None
    checked_out_to: str | None = None
    quantity: Quantity | None = None
    money: Money | None = None
    condition: str | None = None
    seal_number: str | None = None


class Span(Struct, frozen=True):
    """One standing of a subject, from event ``since`` until event ``until``, which is None while it lasts."""

    subject: Subject
    subject_id: str
    since: SpanEnd
    until: SpanEnd | None
    standing: CustodyStanding


class SpanCourse:
    """The spans of a case as far as its events were added; a copy goes on without the rest being read again."""

    def __init__(self) -> None:
        self.events = 0  # that were added
        self._lasting: dict[Key, tuple[SpanEnd, CustodyStanding]] = {}
        self._ended: list[Span] = []

    def copy(self) -> SpanCourse:
        """Return a course that goes on from here; this one stays as it is."""
        course = SpanCourse()
        course.events, course._lasting, course._ended = self.events, {**self._lasting}, [*self._ended]
        return course

    def add(self, event: Event, before: CaseState | None, after: CaseState) -> None:
        """Add the event that follows, with the case before and after it."""
        self.events += 1
        now = SpanEnd(event.sequence, event.event_id, event.occurred_at)
        for key, standing in standings_touched(before, after):
            since = self._lasting.get(key)
            if since is not None and since[1] == standing:
                continue
            if since is not None:
                self._ended.append(Span(*key, since[0], now, since[1]))
            if standing is None:
                self._lasting.pop(key, None)
            else:
                self._lasting[key] = now, standing

    def spans(self) -> tuple[Span, ...]:
        """Return the spans of the case, then those of its items and persons by id, each in order of time, gapless."""
        spans = [*self._ended, *(Span(*key, since, None, standing) for key, (since, standing) in self._lasting.items())]
        return tuple(
            sorted(spans, key=lambda span: (SUBJECTS.index(span.subject), span.subject_id, span.since.sequence))
        )


def custody_spans(steps: Iterable[tuple[Event, CaseState]]) -> tuple[Span, ...]:
    """Return the spans of a case as ``SpanCourse`` does.

    ``steps`` are the events of the whole stream in their order, with the case after each.
    """
    course, before = SpanCourse(), None
    for event, after in steps:
        course.add(event, before, after)
        before = after
    return course.spans()


def standings_touched(before: CaseState | None, after: CaseState) -> Iterator[tuple[Key, CustodyStanding | None]]:
    """Yield the standings that the event may have changed; None for a person who left the case."""
    yield ("case", after.case_id), CustodyStanding(after.responsible, stage=after.stage)
    persons: set[str] = set()
    items = after.items.changes(before.items if before else None)
    for item in (change.after for change in items if change.after is not None):
        yield ("item", item.item_id), _item_standing(item)
        persons |= {item.person_id} if item.person_id else set()
    persons |= {change.key for change in after.persons.changes(before.persons if before else None)}
    changes = after.custody_changes.changes(before.custody_changes if before else None)
    persons |= {change.after.person_id for change in changes if change.after is not None}
    for person_id in sorted(persons):
        person = after.persons.get(person_id)
        yield ("person", person_id), None if person is None else _person_standing(after, person)


def _item_standing(item: Item) -> CustodyStanding:
    if not item.is_live:
        return CustodyStanding(None, status=item.status)
    return CustodyStanding(
        item.responsible,
        holder=item.holder,
        location=item.storage_location or item.holder,
        status=item.status,
        checked_out_to=item.checked_out_to,
        quantity=item.quantity,
        money=item.money,
        condition=item.condition,
        seal_number=item.seal_number,
    )


def _person_standing(state: CaseState, person: Person) -> CustodyStanding:
    house = _keeper_of(state, person) if person.kept_for else None
    return CustodyStanding(
        person.responsible, holder=house, location=house, kept_for=person.kept_for, stage=person.stage
    )


def _keeper_of(state: CaseState, person: Person) -> str | None:
    """Return the house that holds the person: the detainee's holder, or the house that served the last change."""
    for item in state.items.values():
        if item.is_live and item.is_person and item.person_id == person.person_id:
            return item.holder
    served = [
        change for change in state.custody_changes.values() if change.person_id == person.person_id and change.served_at
    ]
    return served[-1].keeper if served else None


class Concerned(Struct, frozen=True):
    """Ids of the case's items and persons, in order."""

    item_ids: tuple[str, ...]
    person_ids: tuple[str, ...]


def concerned(before: CaseState | None, event: Event, after: CaseState) -> Concerned:
    """Return the items and persons concerned by the event, which led from ``before`` to ``after``."""
    named = {*named_things(event.body), *_implied(before, event, after)}
    changed = {change.key for change in after.items.changes(before.items if before else None)}
    items = changed | {item_id for item_id in named if item_id in after.items}
    persons_before = before.persons.keys() if before else frozenset[str]()
    persons = (named & persons_before) | (named & after.persons.keys()) | (after.persons.keys() - persons_before)
    return Concerned(tuple(sorted(items)), tuple(sorted(persons)))


def history_ends_of(item_id: str, events: Sequence[Event]) -> dict[str, int]:
    """Return the item, and the items of the case that became it by splits and merges, each until which event.

    ``events`` are those of the whole stream in their order. What an item's history tells of a whole or a source ends
    with the event that split or merged it.
    """
    until = {item_id: len(events)}
    for event in reversed(events):
        match event.body:
            case ItemSplit(item_id=split, parts=parts) if any(part.item_id in until for part in parts):
                until[split] = event.sequence
            case ItemMerged(item_ids=sources, whole=whole) if whole.item_id in until:
                until |= dict.fromkeys(sources, event.sequence)
    return until


def named_things(value: Struct) -> Iterator[str]:
    """Yield the ids of items and persons in the body, at any depth."""
    for field in fields_of(type(value)):
        inner = getattr(value, field.name)
        for part in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(part, Struct):
                yield from named_things(part)
            elif part is not None and field.type.names in ("item", "person"):
                yield part


# By the field of a body: the register of the case that has its id, and the items and persons behind an entry of it.
_BEHIND: Mapping[str, tuple[str, Callable[[Any], Iterable[str | None]]]] = {
    "handover_id": ("handovers", lambda handover: (*handover.items, *handover.person_ids)),
    "measure_id": ("measures", lambda measure: (measure.person_id,)),
    "discrepancy_id": ("discrepancies", lambda discrepancy: (discrepancy.item_id,)),
    "letter_id": ("letters", lambda letter: (*letter.person_ids, *letter.item_ids, letter.person_id)),
    "hold_id": ("holds", lambda hold: hold.item_ids),
    "custody_change_id": ("custody_changes", lambda change: (change.person_id,)),
    "deadline_id": ("clocks", lambda clock: (clock.subject,)),
}


def _implied(before: CaseState | None, event: Event, after: CaseState) -> Iterator[str]:
    """Yield the ids behind what the body names: handovers and the like, and the proposal of a disposal."""
    body = event.body
    for field, (register, things_of) in _BEHIND.items():
        entry = getattr(after, register).get(getattr(body, field, ""))
        if entry is not None:
            yield from filter(None, things_of(entry))
    if isinstance(body, ItemDisposed) and before is not None:
        yield from before.proposals[body.cites.event_id].item_ids
