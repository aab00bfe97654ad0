"""Importing rows: look up what the ledger has, sign what it lacks, send it, look again where others wrote meanwhile.

Nothing is remembered beside the ledger. An event is only added to a case by whoever has seen all events before it, and
the ledger takes it only on the head that was seen: so a run that was killed, a second run and two runs at once come to
the same cases as one run. A dry run takes the same steps with a key that is forgotten, and sends nothing.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Literal, Protocol, Self, TypeVar

import stamina
from msgspec import Struct

from ledger.config.keys import LocalSigner
from ledger.config.secret_files import OWNER_ONLY
from ledger.core.errors import Conflict, MalformedInput, TallystickError, Unavailable
from ledger.core.events import NAME_OF, Stream
from ledger.core.events.case import CaseTakenOver
from ledger.core.events.record import ImportRecorded
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.case_events import (
    CaseEvent,
    Difference,
    EventChain,
    ImportSigner,
    Replaced,
    RowFault,
    at_column,
    differences,
    fault_of,
    missing_events,
    recorded_fields,
    replaced_by,
)
from ledger.interchange.imports.plan import SAME_NUMBER, Plan, Planner, RowRefused
from ledger.interchange.imports.source_file import SourceFile, Survey
from ledger.interchange.imports.tables import CellRefused, SourceRow
from ledger.recording.event_signing import Actor, StreamPosition

ROWS = 100  # of one look-up
WORKERS = 2  # while the ledger validates one batch, the next one is signed
ROUNDS = 6  # how often a row is looked at again if others wrote in its case meanwhile
MAX_EVENTS = 500  # of one request
MAX_BYTES = 4 * 1024 * 1024  # of one request
ATTEMPTS = 8  # at a ledger that is busy, over about a minute
DRY_RUN_AGENCY = "dry-run"
REJECT_HEADINGS = ("row", "source_key", "column", "value", "reason")

OTHERS_WRITE = RowRefused(
    "others wrote in the case each of {rounds} times that it was looked at: import the row again", rounds=ROUNDS
)

T = TypeVar("T")
Became = Literal["imported", "completed", "corrected", "unchanged", "refused"]
State = Literal["absent", "begun", "imported", "changed", "refused"]


class EarlierImport(Struct, frozen=True):
    """An import of a key that the ledger has."""

    case_id: str
    row_digest: str | None


class NumberedCase(Struct, frozen=True):
    """A case of the agency under a case number, and the row of the own system that it was imported from, if one was."""

    case_id: str
    case_number: str
    source_system: str | None
    source_key: str | None
    row: int | None


class LookedUpRow(Struct, frozen=True):
    """What the ledger has of a row; ``sequence`` and ``head`` are where the next event of its case goes.

    ``same_number`` are other cases of the agency under the row's case number.
    """

    source_key: str
    case_id: str
    sequence: int | None
    head: str | None
    imports: tuple[EarlierImport, ...]
    same_number: tuple[NumberedCase, ...] = ()


class RowState(Struct, frozen=True):
    """What the ledger has of a row: why it would be refused, in what it differs, and what it adds beside others."""

    row: int
    source_key: str | None
    state: State
    replaced: Replaced | None = None
    differences: tuple[Difference, ...] = ()
    fault: RowFault | None = None


class RowResult(Struct, frozen=True):
    """What became of a row; ``events`` counts those that were recorded now."""

    row: int
    became: Became
    source_key: str | None
    case_id: str | None
    events: int = 0
    fault: RowFault | None = None


class Draft(Struct, frozen=True):
    """A plan, what the ledger had of it, and the events that it lacks."""

    plan: Plan
    looked_up: LookedUpRow
    chain: EventChain

    def result(self, errors: Sequence[TallystickError | None]) -> RowResult | None:
        """Return the result by each event's error, or None if others wrote in the case meanwhile."""
        plan = self.plan
        for event, error in zip(self.chain.unsigned, errors, strict=True):
            if isinstance(error, Conflict):
                return None
            if error is not None:
                return _refused(plan, at_column(error, event))
        is_new = self.looked_up.sequence is None
        became: Became = "corrected" if self.looked_up.imports else "imported" if is_new else "completed"
        return RowResult(plan.row, became, plan.source_key, plan.case_id, len(errors))


class ImportLedger(Protocol):
    """The ledger as an import sees it. Everything may be asked again; raises Unavailable if there is no answer."""

    def look_up(self, source_system: str, plans: Sequence[Plan]) -> Sequence[LookedUpRow]:
        """Return what the ledger has of each plan, in their order."""
        ...

    def events(self, case_id: str) -> Sequence[CaseEvent]:
        """Return all events of a case, in their order."""
        ...

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        """Return for each submission None once it is durable, else its refusal; Unavailable if to be sent again."""
        ...


class Importer:
    """Imports the rows of one surveyed file. Safe to call from several threads with different rows.

    Refuses a row that adds persons or items beside those that it no longer names, unless ``may_add``, and a new case
    under the number of another one, unless ``may_double``.
    """

    def __init__(
        self,
        planner: Planner,
        ledger: ImportLedger,
        signer: ImportSigner,
        survey: Survey,
        *,
        may_add: bool = False,
        may_double: bool = False,
    ):
        self._planner = planner
        self._ledger = ledger
        self._signer = signer
        self._survey = survey
        self._may_add = may_add
        self._may_double = may_double
        self._system = planner.mapping.source_system

    def run(self, file: SourceFile) -> Iterator[RowResult]:
        """Import all rows and yield their results in this order. Raises IntegrityBroken if the file changed."""
        for results in _in_batches(file, self.take):
            yield from results
        file.require_same(self._survey.digest)

    def states(self, file: SourceFile) -> Iterator[RowState]:
        """Yield what the ledger has of each row; nothing is sent."""
        for states in _in_batches(file, self._look_up):
            yield from states

    def take(self, rows: Sequence[SourceRow]) -> list[RowResult]:
        """Import these rows and return their results."""
        waiting, results = self._planned(rows)
        for rounds_left in reversed(range(ROUNDS)):
            drafts = self._drafts(waiting, results)
            waiting = []
            for draft, errors in zip(drafts, self._send([draft.chain for draft in drafts]), strict=True):
                result = draft.result(errors)
                if result is None and rounds_left:
                    waiting.append(draft.plan)
                else:
                    results[draft.plan.row] = result or _refused(draft.plan, OTHERS_WRITE)
            if not waiting:
                break
        return [results[row.number] for row in rows]

    def _planned(self, rows: Sequence[SourceRow]) -> tuple[list[Plan], dict[int, RowResult]]:
        plans: list[Plan] = []
        refused: dict[int, RowResult] = {}
        for row in rows:
            try:
                plans.append(self._planner.plan(row, self._survey))
            except (CellRefused, RowRefused) as error:
                key = self._planner.key_or_none(row)
                fault = fault_of(row.number, key, error)
                refused[row.number] = RowResult(row.number, "refused", key, None, 0, fault)
        return plans, refused

    def _drafts(self, plans: Sequence[Plan], results: dict[int, RowResult]) -> list[Draft]:
        """Return what is to be sent of these plans, by what the ledger has now; the others have their result."""
        drafts: list[Draft] = []
        for plan, looked_up in zip(plans, self._ledger.look_up(self._system, plans) if plans else (), strict=True):
            try:
                if self._is_imported(plan, looked_up):
                    results[plan.row] = RowResult(plan.row, "unchanged", plan.source_key, plan.case_id)
                else:
                    drafts.append(Draft(plan, looked_up, self._chain(plan, looked_up)))
            except TallystickError as error:
                results[plan.row] = _refused(plan, error)
        return drafts

    def _chain(self, plan: Plan, looked_up: LookedUpRow) -> EventChain:
        """Return the signed events that the ledger lacks. Raises the refusal."""
        origin = _import_record(self._system, plan, self._survey)
        if looked_up.sequence is None:
            return self._signer.sign_new_case(plan, origin)
        events = self._events(plan)
        last = events[-1]
        position = StreamPosition(Stream(kind="case", id=plan.case_id), last.event.sequence + 1, last.event.leaf_hash)
        recorded = recorded_fields(events, self._signer.actor.agency)
        if not self._may_add and (replaced := replaced_by(plan, recorded)):
            raise RowRefused(
                "it adds persons: {persons}, items: {items}; recorded before and no longer named: {no_longer_named}; "
                "both would stand in the case, by --add",
                **replaced._asdict(),
            )
        return self._signer.sign(missing_events(plan, recorded, origin), position)

    def _events(self, plan: Plan) -> Sequence[CaseEvent]:
        events = self._ledger.events(plan.case_id)
        if not events:
            raise RowRefused("the case {plan.case_id} is there, and none of its events is shown", plan=plan)
        return events

    def _send(self, chains: Sequence[EventChain]) -> list[list[TallystickError | None]]:
        """Return for each event of each chain None or its refusal. Raises Unavailable if the ledger stays busy."""
        outcomes: list[list[TallystickError | None]] = [[None] * len(chain.events) for chain in chains]
        waiting = list(range(len(chains)))

        def is_busy(error: Exception) -> bool:
            """Return whether an event was answered so; what ``submit`` itself raises was tried again there."""
            return any(error in outcome for outcome in outcomes)

        for attempt in stamina.retry_context(
            on=is_busy, attempts=ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=30, wait_jitter=0.5
        ):
            with attempt:
                lines = [event.submission for position in waiting for event in chains[position].events]
                answers = iter([answer for part in _requests(lines) for answer in self._ledger.submit(part)])
                for position in waiting:
                    outcomes[position] = [next(answers) for _ in chains[position].events]
                # A chain is sent again whole: the ledger answers what it has with its receipt.
                waiting = [at for at in waiting if any(isinstance(error, Unavailable) for error in outcomes[at])]
                if waiting:
                    raise next(error for error in outcomes[waiting[0]] if isinstance(error, Unavailable))
        return outcomes

    def _look_up(self, rows: Sequence[SourceRow]) -> list[RowState]:
        plans, refused = self._planned(rows)
        states = [RowState(each.row, each.source_key, "refused", fault=each.fault) for each in refused.values()]
        for plan, looked_up in zip(plans, self._ledger.look_up(self._system, plans) if plans else (), strict=True):
            try:
                states.append(self._state(plan, looked_up))
            except TallystickError as error:
                fault = fault_of(plan.row, plan.source_key, error)
                states.append(RowState(plan.row, plan.source_key, "refused", fault=fault))
        return sorted(states, key=lambda state: state.row)

    def _state(self, plan: Plan, looked_up: LookedUpRow) -> RowState:
        if self._is_imported(plan, looked_up):
            return RowState(plan.row, plan.source_key, "imported")
        if looked_up.sequence is None:
            return RowState(plan.row, plan.source_key, "absent")
        recorded = recorded_fields(self._events(plan), self._signer.actor.agency)
        state: State = "changed" if looked_up.imports else "begun"
        differing = differences(plan, recorded, self._system) if looked_up.imports else ()
        return RowState(plan.row, plan.source_key, state, replaced_by(plan, recorded), tuple(differing))

    def _is_imported(self, plan: Plan, looked_up: LookedUpRow) -> bool:
        """Return whether the ledger has the row as it is.

        Raises RowRefused if its key is in another case, or if a new case would get the number of another one.
        """
        elsewhere = [earlier.case_id for earlier in looked_up.imports if earlier.case_id != plan.case_id]
        if elsewhere:
            raise RowRefused(
                "the key {plan.source_key!r} was imported as case {elsewhere} with another identity key",
                plan=plan,
                elsewhere=", ".join(elsewhere),
            )
        if looked_up.sequence is None and looked_up.same_number and not self._may_double:
            numbered_case = looked_up.same_number[0]
            if numbered_case.source_key is None:
                raise RowRefused(
                    "case {other.case_id} has the number {other.case_number} already: {option}",
                    other=numbered_case,
                    option=SAME_NUMBER,
                )
            raise RowRefused(
                "case {other.case_id} has the number {other.case_number} already, imported from row {other.row} of "
                "{other.source_system} as {other.source_key!r}: {option}",
                other=numbered_case,
                option=SAME_NUMBER,
            )
        return any(earlier.row_digest == plan.row_digest for earlier in looked_up.imports)


def _import_record(source_system: str, plan: Plan, survey: Survey) -> ImportRecorded:
    return ImportRecorded(
        source_system=source_system,
        source_key=plan.source_key,
        file_digest=survey.digest,
        row=plan.row,
        row_digest=plan.row_digest,
    )


def _refused(plan: Plan, error: TallystickError) -> RowResult:
    fault = fault_of(plan.row, plan.source_key, error)
    return RowResult(plan.row, "refused", plan.source_key, plan.case_id, 0, fault)


def _requests(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield as many lines at a time as one request takes."""
    request: list[bytes] = []
    size = 0
    for line in lines:
        if request and (len(request) == MAX_EVENTS or size + len(line) > MAX_BYTES):
            yield request
            request, size = [], 0
        request.append(line)
        size += len(line)
    if request:
        yield request


def _in_batches(file: SourceFile, work: Callable[[Sequence[SourceRow]], list[T]]) -> Iterator[list[T]]:
    """Yield the outcomes for all rows, ``WORKERS`` batches at a time; what is read ahead stays bounded."""
    with ThreadPoolExecutor(WORKERS) as threads:
        running: deque[Future[list[T]]] = deque()
        for rows in file.batches(ROWS):
            running.append(threads.submit(copy_context().run, work, rows))  # the zone of times is in it
            if len(running) > WORKERS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


class PlannedRow(Struct, frozen=True):
    """What a row would become; ``events`` counts by type."""

    row: int
    source_key: str
    case_number: str
    stage: str
    events: dict[str, int]


class DryRun:
    """Plans the rows of a surveyed file, and signs them with a key that is forgotten."""

    def __init__(self, planner: Planner, survey: Survey, in_force: Mapping[str, Rulebook]):
        self._planner = planner
        self._survey = survey
        key = LocalSigner.from_private_key(secrets.token_bytes(32))
        self._signer = ImportSigner(Actor(DRY_RUN_AGENCY, DRY_RUN_AGENCY, key), bytes(32), in_force)

    def take(self, row: SourceRow) -> PlannedRow | RowFault:
        """Return what the row would become, or why it would be refused as a new case."""
        try:
            plan = self._planner.plan(row, self._survey)
            origin = _import_record(self._planner.mapping.source_system, plan, self._survey)
            chain = self._signer.sign_new_case(plan, origin)
        except TallystickError as error:
            return fault_of(row.number, self._planner.key_or_none(row), error)
        opened = chain.unsigned[0].body
        assert isinstance(opened, CaseTakenOver), "a plan begins with the taking over"
        events = Counter(NAME_OF[type(event.body)] for event in chain.unsigned)
        return PlannedRow(row.number, plan.source_key, opened.case_number, opened.stage, dict(events))


class RejectsFile:
    """The refused rows as a CSV file at ``path``, for its owner's eyes only; without any, no file is left.

    ``translate`` gives a reason in the owner's language.
    """

    def __init__(self, path: Path, translate: Callable[[str], str] = str):
        self.path = path
        self._translate = translate
        self._is_empty = True

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
            os.fchmod(descriptor, OWNER_ONLY)  # an older list that is there would keep its mode
        except OSError as error:
            raise MalformedInput(
                "{path} cannot be written: {error.strerror}", path=self.path, error=error, field="--rejects"
            ) from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
        self._writer = CsvWriter(self._file)
        self._writer.row(REJECT_HEADINGS)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._is_empty:
            self.path.unlink(missing_ok=True)

    def add(self, fault: RowFault) -> None:
        """Write one line."""
        self._is_empty = False
        cells = (fault.source_key, fault.column, fault.value, self._translate(fault.reason))
        self._writer.row((str(fault.row), *cells))
