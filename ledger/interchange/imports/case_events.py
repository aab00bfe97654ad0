"""From a planned row to signed events: those the ledger lacks, and corrections of those that say something else.

Events of one case are signed each on the one before, and tried by the rules before they leave.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from blake3 import blake3
from msgspec import Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.custody.fold import book_of
from ledger.core.errors import TallystickError
from ledger.core.events import NAME_OF, Body, Event, Stream
from ledger.core.events.case import CaseTakenOver
from ledger.core.events.fields import ABSENT
from ledger.core.events.record import IN_NEW_SECTION, IN_SECTION, Correction, ImportRecorded, RecordCorrected
from ledger.core.events.terms import EventRef
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.identity import may_be_derived
from ledger.interchange.imports.plan import EventKey, Plan, PlannedEvent, event_key
from ledger.interchange.imports.tables import CellRefused
from ledger.recording.event_signing import Actor, Claims, Signed, StreamPosition, sign_event

LONGEST = 200  # characters of a Line
KEPT = 100  # characters of a longer text that are shown before its digest
GROUND = "changed in {}"

_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# The fields of each section by its label, None for an erased one; None altogether if sections are not shown.
ShownSections = dict[str, dict[str, str] | None] | None


class CaseEvent(Struct, frozen=True):
    """An event of the case as the ledger shows it."""

    event: Event
    sections: ShownSections


class RecordedFields(Struct):
    """An imported event as the ledger has it: its fields by path, after all corrections.

    ``within`` is the path of a part that the event states; what it says of the part alone is among the fields then.
    ``by_hand`` if no import can have recorded it.
    """

    ref: EventRef
    fields: dict[str, str]
    sections: ShownSections
    within: str = ""
    by_hand: bool = False

    def correct(self, corrections: Iterable[Correction]) -> None:
        """Take the corrections of the event that are about these fields."""
        about = (fix for fix in corrections if _is_about(fix.field, self.within))
        self.fields.update({fix.field: fix.correct for fix in about})


def recorded_fields(events: Sequence[CaseEvent], agency: str) -> dict[EventKey, RecordedFields]:
    """Return what the agency has recorded of a case, by the key of the event."""
    by_key: dict[EventKey, RecordedFields] = {}
    by_id: defaultdict[str, list[RecordedFields]] = defaultdict(list)
    importers = {each.event.officer for each in events if isinstance(each.event.body, ImportRecorded | CaseTakenOver)}
    for shown in events:
        event, body = shown.event, shown.event.body
        if event.agency != agency:
            continue
        if isinstance(body, RecordCorrected):
            for corrected in by_id[body.corrects.event_id]:
                corrected.correct(body.corrections)
                if corrected.sections is not None and shown.sections is not None:
                    corrected.sections = corrected.sections | shown.sections
        elif (key := event_key(body)) and key not in by_key:
            fields = _fields(body)
            own = {path: text for path, text in fields.items() if _is_about(path, "")}
            by_hand = event.officer not in importers or not may_be_derived(key[-1])
            by_key[key] = RecordedFields(event.ref, own, shown.sections, by_hand=by_hand)
            by_id[event.event_id].append(by_key[key])
            for stated_key, within in _stated_in(body):
                about = {path: text for path, text in fields.items() if _is_about(path, within)}
                by_key[stated_key] = RecordedFields(event.ref, about, None, within)
                by_id[event.event_id].append(by_key[stated_key])
    return by_key


def _stated_in(body: Body) -> Iterator[tuple[EventKey, str]]:
    """Yield the measures that a taking over states, and their ends, each by its key with its path."""
    if isinstance(body, CaseTakenOver):
        for number, measure in enumerate(body.measures):
            yield ("measure", measure.measure_id), f"measures[{number}]."
            if measure.ended_at is not None:
                yield ("measure_end", measure.measure_id), f"measures[{number}].ended_at"


def _is_about(path: str, within: str) -> bool:
    """Tell whether a field is of the part; of none, if it is of no part that has a key of its own."""
    if not within:
        # Who is named is an event of his own besides.
        return not path.startswith(("measures[", "persons["))
    # The end of a measure has a key of its own.
    return path == within or (path.startswith(within) and not path.endswith(".ended_at"))


def missing_events(
    plan: Plan, recorded: dict[EventKey, RecordedFields], origin: ImportRecorded
) -> Iterator[PlannedEvent]:
    """Yield the events that bring the case in line with the row, the record of the import last."""
    is_new = ("case",) not in recorded
    for planned in plan.events:
        present = recorded.get(planned.key)
        if present is None and is_new and planned.stated is not None:
            continue
        if present is None:
            yield planned
        elif correction := _correction(planned, present, origin.source_system):
            yield correction
    yield PlannedEvent(origin)


class Difference(NamedTuple):
    """A field in which a row differs from its case, of an event of this type; what is ``recorded`` is None if new."""

    event_type: str
    field: str
    recorded: str | None
    correct: str


def differences(plan: Plan, recorded: Mapping[EventKey, RecordedFields], source_system: str) -> Iterator[Difference]:
    """Yield field by field what ``missing_events`` corrects and adds in a case that is imported."""
    for planned in plan.events:
        present, event_type = recorded.get(planned.key), NAME_OF[type(planned.body)]
        if present is None:
            sections = {f"confidential.{label}": IN_NEW_SECTION.format(label) for label in planned.sections}
            added = {path: text for path, text in _fields(planned.body).items() if not path.startswith("confidential.")}
            yield from (Difference(event_type, path, None, text) for path, text in (added | sections).items())
        elif correction := _correction(planned, present, source_system):
            assert isinstance(correction.body, RecordCorrected), "it is one"
            corrections = correction.body.corrections
            yield from (Difference(event_type, fix.field, fix.recorded, fix.correct) for fix in corrections)


class Replaced(NamedTuple):
    """How many persons and items a row adds to its case, and how many it no longer names, which stay recorded."""

    persons: int
    items: int
    no_longer_named: int


def replaced_by(plan: Plan, recorded: Mapping[EventKey, RecordedFields]) -> Replaced | None:
    """Return what the row would add beside others of its kind that it no longer names; None if there is no such.

    What was recorded by hand, no row has named.
    """
    named = {planned.key for planned in plan.events}
    added = Counter(key[0] for key in named - recorded.keys())
    left = Counter(key[0] for key, of in recorded.items() if key not in named and not of.by_hand)
    both = [noun for noun in ("person", "item") if added[noun] and left[noun]]
    numbers = {noun: added[noun] for noun in both}
    no_longer_named = sum(left[noun] for noun in both)
    return Replaced(numbers.get("person", 0), numbers.get("item", 0), no_longer_named) if both else None


def _correction(planned: PlannedEvent, recorded: RecordedFields, source_system: str) -> PlannedEvent | None:
    stated = planned.stated if recorded.within and planned.stated is not None else planned.body
    place = "".join(recorded.within.rpartition(".")[:2])
    fields = {place + path: text for path, text in _fields(stated).items() if _is_about(place + path, recorded.within)}
    paths = fields.keys() | recorded.fields.keys()
    corrections = [
        Correction(field=path, recorded=recorded.fields.get(path, ABSENT), correct=fields.get(path, ABSENT))
        for path in sorted(paths)
        if not path.startswith("confidential.") and recorded.fields.get(path, ABSENT) != fields.get(path, ABSENT)
    ]
    shown = recorded.sections
    # What was erased on authority (None) does not come back with an import.
    sections = {
        label: section
        for label, section in planned.sections.items()
        if shown is not None and shown.get(label, {}) not in (None, section)
    }
    corrections += [
        Correction(
            field=f"confidential.{label}", recorded=IN_SECTION.format(label), correct=IN_NEW_SECTION.format(label)
        )
        for label in sections
    ]
    if not corrections:
        return None
    ground = GROUND.format(source_system)
    body = RecordCorrected(corrects=recorded.ref, corrections=tuple(corrections), ground=ground)
    return PlannedEvent(body, sections)


def _fields(body: Struct) -> dict[str, str]:
    return dict(_leaves(msgspec.to_builtins(body), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]")
    elif value is not None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if len(text) > LONGEST or _BREAK.search(text):  # a correction holds lines: the beginning, and a digest
            text = f"{' '.join(text[:KEPT].split())} ... (blake3:{blake3(text.encode()).hexdigest()})"
        yield path, text


# -- signing -----------------------------------------------------------------------------------------------------------


class RowFault(Struct, frozen=True):
    """Why a row was not imported; ``column`` and ``value`` if a single cell is the reason."""

    row: int
    source_key: str | None
    column: str | None
    value: str | None
    reason: str
    code: str


class EventChain(Struct, frozen=True):
    """Signed events of one case in their order, beside what was signed."""

    unsigned: tuple[PlannedEvent, ...]
    events: tuple[Signed, ...]


class ImportSigner:
    """Signs for ``actor`` in the ledger ``log_id``, by the procedures that are in force, by their ids."""

    def __init__(self, actor: Actor, log_id: bytes, in_force: Mapping[str, Rulebook]):
        self.actor = actor
        self._log_id = log_id
        self._in_force = in_force

    def sign(self, unsigned: Iterable[PlannedEvent], position: StreamPosition) -> EventChain:
        """Return the events signed one on the other from ``position`` on. Raises MalformedInput."""
        in_order, events = tuple(unsigned), []
        for event in in_order:
            signed = sign_event(event.body, position, self.actor, self._log_id, Claims(sections=event.sections))
            events.append(signed)
            position = signed.following
        return EventChain(in_order, tuple(events))

    def sign_new_case(self, plan: Plan, origin: ImportRecorded) -> EventChain:
        """Return the events of a case that the ledger does not have yet.

        Raises CellRefused or RuleRefused if the rules do not allow one of them.
        """
        position = StreamPosition(Stream(kind="case", id=plan.case_id))
        chain = self.sign(missing_events(plan, {}, origin), position)
        state: CaseState | None = None
        for unsigned, event in zip(chain.unsigned, chain.events, strict=True):
            try:
                book = book_of(state, event.event, self._in_force)
                state = fold(state, Act(event.event, book)).state
            except TallystickError as error:
                raise at_column(error, unsigned) from error
        return chain


def at_column(error: TallystickError, event: PlannedEvent) -> TallystickError:
    """Return the refusal at the column that the field of the event is from, or unchanged if it is from none."""
    part = (error.field or "").partition("payload.body.")[2].partition(".")[0].partition("[")[0]
    column = event.columns.get(part)
    return error if column is None else CellRefused(column, "", error.text)


def fault_of(row: int, source_key: str | None, error: TallystickError) -> RowFault:
    """Return the fault of a row that was refused."""
    if isinstance(error, CellRefused):
        return RowFault(row, source_key, error.column or None, error.value[:200] or None, error.text, error.code)
    reason = Message("{name}: {fault}", name=error.field, fault=error.text) if error.field else error.text
    return RowFault(row, source_key, None, None, reason, error.code)
