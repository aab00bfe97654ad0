"""Signing what a row comes to: events of one case, each on the one before, tried by the rules before they leave."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.errors import TallystickError
from ledger.core.events import Stream
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.comparison import Step
from ledger.interchange.imports.rows import CellRefused
from ledger.recording.signing import Actor, Signed, StreamPosition, sign_event


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
