"""Bringing rows in: look up what is there, sign what is missing, send it, look again where others wrote meanwhile.

Nothing is remembered beside the ledger. An event is only added to a case by whoever has seen all events before it, and
the ledger takes it only on the head that was seen: so a run that was killed, a second run and two runs at once come to
the same cases as one run.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

from msgspec import Struct

from ledger.config.keys import LocalSigner
from ledger.config.secret_files import OWNER_ONLY
from ledger.core.errors import Conflict, MalformedInput, TallystickError, Unavailable
from ledger.core.events import NAME_OF, Stream
from ledger.core.events.case import CaseOpened
from ledger.core.events.record import ImportRecorded
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.interchange.imports.case_events import (
    Chain,
    Fault,
    Pen,
    Seen,
    at_column,
    fault_of,
    first_place,
    recorded,
    steps,
)
from ledger.interchange.imports.plan import Plan, Planner, RowRefused
from ledger.interchange.imports.source_file import SourceFile, Survey, rows_of
from ledger.interchange.imports.tables import CellRefused, Row
from ledger.recording.signing import Actor, StreamPosition

ROWS = 100  # of one look-up
WORKERS = 2  # while the ledger judges one part, the next one is signed
ROUNDS = 6  # how often a row is looked at again where others wrote in its case meanwhile
MAX_EVENTS = 500  # of one request
MAX_BYTES = 4 * 1024 * 1024  # of one request
PAUSES_S = (0.5, 1, 2, 4, 8, 16, 30)  # between attempts at a ledger that is busy

OTHERS_WRITE = RowRefused(
    f"others wrote in the case each of {ROUNDS} times that it was looked at: import the row again"
)

T = TypeVar("T")
Became = Literal["imported", "completed", "corrected", "unchanged", "refused"]
State = Literal["absent", "begun", "imported", "changed", "refused"]


class Imported(Struct, frozen=True):
    """An import of a key that the ledger has."""

    case_id: str
    row_digest: str | None


class Found(Struct, frozen=True):
    """What the ledger has of a row; ``sequence`` and ``head`` are where the next event of its case goes."""

    source_key: str
    case_id: str
    sequence: int | None
    head: str | None
    imports: tuple[Imported, ...]


class Result(Struct, frozen=True):
    """What became of a row; ``events`` are those that were recorded now."""

    row: int
    became: Became
    source_key: str | None
    case_id: str | None
    events: int = 0
    fault: Fault | None = None


class Draft(Struct, frozen=True):
    """A plan, what the ledger had of it, and the events that it lacks."""

    plan: Plan
    found: Found
    chain: Chain

    def result(self, errors: Sequence[TallystickError | None]) -> Result | None:
        """By what was said of each event; None where others wrote in the case meanwhile."""
        plan = self.plan
        for step, error in zip(self.chain.steps, errors, strict=True):
            if isinstance(error, Conflict):
                return None
            if error is not None:
                return _refused(plan, at_column(error, step))
        return Result(plan.row, _became(self.found), plan.source_key, plan.case_id, len(errors))


class Ledger(Protocol):
    """What an import asks of the ledger. All of it may be asked again; raises Unavailable where there is no answer."""

    def look_up(self, source_system: str, plans: Sequence[Plan]) -> Sequence[Found]:
        """For each plan, in their order."""
        ...

    def events(self, case_id: str) -> Sequence[Seen]:
        """All events of a case, in their order."""
        ...

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        """For each submission None once it is durable, else its refusal; Unavailable where it is to be sent again."""
        ...


class Importer:
    """Imports the rows of one surveyed file. Safe to call from several threads with different rows."""

    def __init__(
        self,
        planner: Planner,
        ledger: Ledger,
        pen: Pen,
        survey: Survey,
        *,
        pause: Callable[[float], object] = time.sleep,
    ):
        self._planner = planner
        self._ledger = ledger
        self._pen = pen
        self._survey = survey
        self._pause = pause
        self._system = planner.mapping.source_system

    def run(self, file: SourceFile) -> Iterator[Result]:
        """Imports all rows; results come in the order of the rows. Raises IntegrityBroken where the file changed."""
        for results in _in_parts(file, self.take):
            yield from results
        file.require_same(self._survey.digest)

    def states(self, file: SourceFile) -> Iterator[State]:
        """What the ledger has of each row; nothing is sent."""
        for states in _in_parts(file, self._look):
            yield from states

    def take(self, rows: Sequence[Row]) -> list[Result]:
        """Imports these rows."""
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

    def _planned(self, rows: Sequence[Row]) -> tuple[list[Plan], dict[int, Result]]:
        plans: list[Plan] = []
        refused: dict[int, Result] = {}
        for row in rows:
            try:
                plans.append(self._planner.plan(row, self._survey))
            except (CellRefused, RowRefused) as error:
                key = self._planner.key_or_none(row)
                refused[row.number] = Result(row.number, "refused", key, None, 0, fault_of(row.number, key, error))
        return plans, refused

    def _drafts(self, plans: Sequence[Plan], results: dict[int, Result]) -> list[Draft]:
        """What is to be sent of these plans, by what the ledger has now; the others have their result."""
        drafts: list[Draft] = []
        for plan, found in zip(plans, self._ledger.look_up(self._system, plans) if plans else (), strict=True):
            try:
                chain = self._chain(plan, found)
            except TallystickError as error:
                results[plan.row] = _refused(plan, error)
                continue
            if chain is None:
                results[plan.row] = Result(plan.row, "unchanged", plan.source_key, plan.case_id)
            else:
                drafts.append(Draft(plan, found, chain))
        return drafts

    def _chain(self, plan: Plan, found: Found) -> Chain | None:
        """What is still to be signed; None where the row is in as it is. Raises the refusal."""
        if _is_same(plan, found):
            return None
        origin = ImportRecorded(
            source_system=self._system,
            source_key=plan.source_key,
            file_digest=self._survey.digest,
            row=plan.row,
            row_digest=plan.row_digest,
        )
        if found.sequence is None:
            chain = self._pen.sign(steps(plan, {}, origin), first_place(plan.case_id))
            self._pen.require_possible(chain)
            return chain
        seen = self._ledger.events(plan.case_id)
        if not seen:
            raise RowRefused(f"the case {plan.case_id} is there, and none of its events is shown")
        last = seen[-1]
        place = StreamPosition(Stream(kind="case", id=plan.case_id), last.payload.sequence + 1, last.payload_digest)
        return self._pen.sign(steps(plan, recorded(seen, self._pen.actor.agency), origin), place)

    def _send(self, chains: Sequence[Chain]) -> list[list[TallystickError | None]]:
        """For each event of each chain None or its refusal. Raises Unavailable where the ledger stays busy."""
        outcomes: list[list[TallystickError | None]] = [[None] * len(chain.events) for chain in chains]
        waiting = list(range(len(chains)))
        for pause in (*PAUSES_S, None):
            lines = [event.submission for place in waiting for event in chains[place].events]
            answers = iter([answer for part in _parts(lines) for answer in self._ledger.submit(part)])
            for place in waiting:
                outcomes[place] = [next(answers) for _ in chains[place].events]
            waiting = [place for place in waiting if any(isinstance(one, Unavailable) for one in outcomes[place])]
            if not waiting:
                return outcomes
            if pause is not None:
                self._pause(pause)
        raise next(one for one in outcomes[waiting[0]] if isinstance(one, Unavailable))

    def _look(self, rows: Sequence[Row]) -> list[State]:
        plans, refused = self._planned(rows)
        states: list[State] = ["refused"] * len(refused)
        for plan, found in zip(plans, self._ledger.look_up(self._system, plans) if plans else (), strict=True):
            try:
                same = _is_same(plan, found)
            except RowRefused:
                states.append("refused")
                continue
            known: State = "changed" if found.imports else "begun" if found.sequence is not None else "absent"
            states.append("imported" if same else known)
        return states


def _is_same(plan: Plan, found: Found) -> bool:
    """Whether the ledger has the row as it is. Raises RowRefused where the key stands in another case."""
    elsewhere = [one.case_id for one in found.imports if one.case_id != plan.case_id]
    if elsewhere:
        raise RowRefused(
            f"the key {plan.source_key!r} was imported as case {', '.join(elsewhere)} with another identity key"
        )
    return any(one.row_digest == plan.row_digest for one in found.imports)


def _became(found: Found) -> Became:
    if found.imports:
        return "corrected"
    return "imported" if found.sequence is None else "completed"


def _refused(plan: Plan, error: TallystickError) -> Result:
    fault = fault_of(plan.row, plan.source_key, error)
    return Result(plan.row, "refused", plan.source_key, plan.case_id, 0, fault)


def _parts(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As many at a time as one request takes."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and (len(part) == MAX_EVENTS or size + len(line) > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


def _in_parts(file: SourceFile, work: Callable[[Sequence[Row]], list[T]]) -> Iterator[list[T]]:
    """The work on all rows, part by part, ``WORKERS`` parts at a time; what is read ahead stays bounded."""
    with ThreadPoolExecutor(WORKERS) as threads:
        running: deque[Future[list[T]]] = deque()
        for rows in rows_of(file, ROWS):
            running.append(threads.submit(work, rows))
            if len(running) > WORKERS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


NOBODY = "dry-run"


class Planned(Struct, frozen=True):
    """What a row would become; ``events`` counts by type."""

    row: int
    source_key: str
    case_number: str
    stage: str
    events: dict[str, int]


class Trial:
    """Tries the rows of a surveyed file."""

    def __init__(self, planner: Planner, survey: Survey, book: Rulebook):
        self._planner = planner
        self._survey = survey
        signer = LocalSigner.from_private_key(secrets.token_bytes(32))
        self._pen = Pen(Actor(NOBODY, NOBODY, signer), bytes(32), book)

    def take(self, row: Row) -> Planned | Fault:
        """What the row would become, or why it would be refused as a new case."""
        try:
            plan = self._planner.plan(row, self._survey)
            origin = ImportRecorded(
                source_system=self._planner.mapping.source_system,
                source_key=plan.source_key,
                file_digest=self._survey.digest,
                row=plan.row,
                row_digest=plan.row_digest,
            )
            chain = self._pen.sign(steps(plan, {}, origin), first_place(plan.case_id))
            self._pen.require_possible(chain)
        except TallystickError as error:
            return fault_of(row.number, self._planner.key_or_none(row), error)
        opened = chain.steps[0].body
        assert isinstance(opened, CaseOpened), "a plan begins with the opening"
        events = Counter(NAME_OF[type(step.body)] for step in chain.steps)
        return Planned(row.number, plan.source_key, opened.case_number, opened.stage, dict(events))


HEADINGS = ("row", "source_key", "column", "value", "reason")


class Rejects:
    """Writes ``path`` row by row, for its owner's eyes only; no file is left where no row was refused.

    ``say`` tells a reason in the owner's language.
    """

    def __init__(self, path: Path, say: Callable[[str], str] = str):
        self.path = path
        self._say = say
        self.count = 0

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
            os.fchmod(descriptor, OWNER_ONLY)  # where an older list is there, it keeps its mode
        except OSError as error:
            raise MalformedInput(f"{self.path} cannot be written: {error.strerror}", field="--rejects") from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
        self._writer = CsvWriter(self._file)
        self._writer.row(HEADINGS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.count:
            self.path.unlink(missing_ok=True)

    def add(self, fault: Fault) -> None:
        """One line."""
        self.count += 1
        cells = (fault.source_key, fault.column, fault.value, self._say(fault.reason))
        self._writer.row((str(fault.row), *cells))
