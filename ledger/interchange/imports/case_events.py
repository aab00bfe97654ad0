"""From a planned row to signed events: those the ledger lacks, and corrections of those that say something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from blake3 import blake3
from msgspec import Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.errors import TallystickError
from ledger.core.events import Body, Payload, Stream
from ledger.core.events.record import Correction, ImportRecorded, RecordCorrected
from ledger.core.events.terms import EventRef
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.plan import Fact, Plan, Subject, subject_of
from ledger.interchange.imports.tables import CellRefused
from ledger.recording.signing import Actor, Signed, StreamPosition, sign_event

ABSENT = "null"
LONGEST = 200  # characters of a Line
KEPT = 100  # characters of a longer text that are shown before its digest
GROUND = "changed in {}"
IN_SECTION = "in the confidential section {} of the event that is corrected"
IN_NEW_SECTION = "in the confidential section {} of this event"

_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Section = tuple[str, dict[str, str]]


class Seen(Struct, frozen=True):
    """An event of the case as the ledger shows it. ``sections`` is None where they are not shown, a section's fields
    where it was erased."""

    payload: Payload
    payload_digest: str
    sections: dict[str, dict[str, str] | None] | None


class Step(Struct, frozen=True):
    """An event that is still to be signed."""

    body: Body
    occurred_at: str | None = None
    section: Section | None = None
    columns: dict[str, str] = {}


class Recorded(Struct):
    """A fact as it stands: ``said`` by path, after all corrections. ``sections`` as in ``Seen``."""

    ref: EventRef
    said: dict[str, str]
    sections: dict[str, dict[str, str] | None] | None


def recorded(events: Iterable[Seen], agency: str) -> dict[Subject, Recorded]:
    """What the agency has recorded of a case, by what it is about."""
    facts: dict[Subject, Recorded] = {}
    by_digest: dict[str, Recorded] = {}
    for event in events:
        payload, body = event.payload, event.payload.body
        if payload.agency != agency:
            continue
        if isinstance(body, RecordCorrected):
            _correct(by_digest.get(body.corrects.payload_digest), body, event)
        elif (subject := subject_of(body)) and subject not in facts:
            ref = EventRef(event_id=payload.event_id, payload_digest=event.payload_digest)
            said = dict(_leaves(msgspec.to_builtins(body))) | {"occurred_at": payload.occurred_at}
            facts[subject] = by_digest[event.payload_digest] = Recorded(ref, said, event.sections)
    return facts


def _correct(fact: Recorded | None, body: RecordCorrected, event: Seen) -> None:
    if fact is None:
        return
    for correction in body.corrections:
        fact.said[correction.field] = correction.correct
    if fact.sections is not None and event.sections is not None:
        fact.sections = fact.sections | event.sections


def steps(plan: Plan, facts: dict[Subject, Recorded], origin: ImportRecorded) -> Iterator[Step]:
    """The events that bring the case in line with the row, the record of the import last."""
    for fact in plan.facts:
        known = facts.get(fact.subject)
        if known is None:
            yield Step(fact.body, fact.occurred_at, fact.section, fact.columns)
        elif correction := _correction(fact, known, origin.source_system):
            yield correction
    yield Step(origin)


def _correction(fact: Fact, known: Recorded, source_system: str) -> Step | None:
    said = dict(_leaves(msgspec.to_builtins(fact.body)))
    if fact.occurred_at is not None:
        said["occurred_at"] = fact.occurred_at
    differing = [
        Correction(field=path, recorded=known.said.get(path, ABSENT), correct=said.get(path, ABSENT))
        for path in sorted(_paths(fact, known))
        if known.said.get(path, ABSENT) != said.get(path, ABSENT)
    ]
    section = _changed_section(fact, known)
    if section is not None:
        label = section[0]
        told = Correction(
            field=f"confidential.{label}", recorded=IN_SECTION.format(label), correct=IN_NEW_SECTION.format(label)
        )
        differing.append(told)
    if not differing:
        return None
    body = RecordCorrected(corrects=known.ref, corrections=tuple(differing), ground=GROUND.format(source_system))
    return Step(body, None, section)


def _paths(fact: Fact, known: Recorded) -> set[str]:
    """All that either side says; when it happened only where the row says so."""
    paths = {path for path, _ in _leaves(msgspec.to_builtins(fact.body))} | known.said.keys()
    paths = {path for path in paths if not path.startswith("confidential.")}
    return paths if fact.occurred_at is not None else paths - {"occurred_at"}


def _changed_section(fact: Fact, known: Recorded) -> Section | None:
    """The row's section where it says something else than the one recorded; one that is not shown is left alone."""
    if fact.section is None or known.sections is None:
        return None
    label, fields = fact.section
    stands = known.sections.get(label, {})
    return None if stands is None or stands == fields else fact.section


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    elif value is not None:
        yield path, _line(value)


def _line(value: Any) -> str:
    """A value in one line; of a long one the beginning, and its digest."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) <= LONGEST and not _BREAK.search(text):
        return text
    return f"{' '.join(text[:KEPT].split())} ... (blake3:{blake3(text.encode()).hexdigest()})"


class Fault(Struct, frozen=True):
    """Why a row was not imported; ``column`` and ``value`` where one cell is to blame."""

    row: int
    source_key: str | None
    column: str | None
    value: str | None
    reason: str
    code: str


class Chain(Struct, frozen=True):
    """Signed events of one case, in their order, and the steps that they are of."""

    steps: tuple[Step, ...]
    events: tuple[Signed, ...]


class Pen:
    """Signs for ``actor`` in the ledger ``log_id``, by the rules of ``book``."""

    def __init__(self, actor: Actor, log_id: bytes, book: Rulebook):
        self.actor = actor
        self._log_id = log_id
        self._book = book

    def sign(self, steps: Iterable[Step], place: StreamPosition) -> Chain:
        """The events from ``place`` on. Raises MalformedInput."""
        all_steps, events = tuple(steps), []
        for step in all_steps:
            sections = dict([step.section]) if step.section else None
            signed = sign_event(
                step.body, place, self.actor, self._log_id, occurred_at=step.occurred_at, sections=sections
            )
            events.append(signed)
            place = StreamPosition(place.stream, place.sequence + 1, signed.envelope.payload_digest)
        return Chain(all_steps, tuple(events))

    def require_possible(self, chain: Chain) -> None:
        """Folds the events of a new case. Raises CellRefused or RuleRefused where the rules will not have one."""
        state: CaseState | None = None
        for position, event in enumerate(chain.events):
            envelope = event.envelope
            act = Act(event.payload, envelope.payload_digest, envelope.signed_at, self._book)
            try:
                state = fold(state, act).state
            except TallystickError as error:
                raise at_column(error, chain.steps[position]) from error


def first_place(case_id: str) -> StreamPosition:
    """Where a case begins."""
    return StreamPosition(Stream(kind="case", id=case_id))


def at_column(error: TallystickError, step: Step) -> TallystickError:
    """The refusal at the column that the part of the event comes from; as it is where it comes from none."""
    part = (error.field or "").partition("payload.body.")[2].partition(".")[0].partition("[")[0]
    column = step.columns.get(part)
    return error if column is None else CellRefused(column, "", error.message)


def fault_of(row: int, source_key: str | None, error: TallystickError) -> Fault:
    """What is told of a row that was refused."""
    if isinstance(error, CellRefused):
        return Fault(row, source_key, error.column or None, error.value[:200] or None, error.message, error.code)
    where = f"{error.field}: " if error.field else ""
    return Fault(row, source_key, None, None, f"{where}{error.message}", error.code)
