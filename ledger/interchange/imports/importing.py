"""Bringing rows in: look up what is there, sign what is missing, send it, look again where others wrote meanwhile.

Nothing is remembered beside the ledger. An event is only added to a case by whoever has seen all events before it, and
the ledger takes it only on the head that was seen: so a run that was killed, a second run and two runs at once come to
the same cases as one run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from ledger.core.errors import Conflict, TallystickError, Unavailable
from ledger.core.events import Stream
from ledger.core.events.record import ImportRecorded
from ledger.interchange.imports.chains import Chain, Fault, Pen, at_column, fault_of, first_place
from ledger.interchange.imports.comparison import Seen, recorded, steps
from ledger.interchange.imports.plan import Plan, Planner, RowRefused
from ledger.interchange.imports.rows import CellRefused, Row
from ledger.interchange.imports.source_file import SourceFile, Survey, rows_of
from ledger.recording.signing import StreamPosition

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
