"""What another version of a procedure would change: cases are folded under both versions, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct

from ledger.core.custody import CaseState, fold
from ledger.core.custody.due_dates import Deadline, deadlines
from ledger.core.errors import RuleRefused
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.verification.bundle import decode_bundle
from ledger.supervision.views.case_record import SourceEvent
from ledger.supervision.views.sources import BundleActs

Part = Literal["refusal", "flags", "stage", "deadline"]


class ImpactRow(Struct, frozen=True):
    """One difference: in what of which case, and what it is under each version; empty where it is not there."""

    case_id: str
    part: Part
    concerns: str
    before: str
    after: str


class _CaseOutcome(NamedTuple):
    """A case under one version: the flags of each event, where it is refused, and how it ends."""

    flags: dict[int, list[str]]
    refusal: tuple[int, str] | None
    state: CaseState | None
    deadlines: dict[tuple[str, str], Deadline]


def events_of(data: bytes) -> list[SourceEvent] | None:
    """Return the events of a case bundle, which is not verified; None if a payload is withheld.

    Raises MalformedInput.
    """
    events = []
    for entry in decode_bundle(data).subjects:
        if entry.payload is None:
            return None
        events.append(SourceEvent(entry.index, entry.require_event()))
    return events


def kinds_of(data: bytes) -> dict[str, str]:
    """Return the kinds of the agencies whose admissions a case bundle shows, by their ids. Nothing is verified."""
    bodies = [entry.event.body for entry in decode_bundle(data).entries if entry.event]
    return {body.agency: body.kind for body in bodies if isinstance(body, AgencyAdmitted)}


def impact(
    cases: Mapping[str, list[SourceEvent]],
    before: Rulebook,
    after: Rulebook,
    as_of: datetime,
    kinds: Mapping[str, str],
) -> Iterator[list[ImpactRow]]:
    """Yield for each case what differs if all of its acts are judged by ``after`` in the place of ``before``.

    Deadlines are those at ``as_of``; ``kinds`` are those of agencies by their ids. Cases of another procedure are left
    alone.
    """
    for case_id, events in cases.items():
        acts = [BundleActs(cases, Procedures.of(book), kinds) for book in (before, after)]
        outcomes = [_fold_case(events, of, book, as_of) for of, book in zip(acts, (before, after), strict=True)]
        yield [ImpactRow(case_id, *row) for row in _differences(*outcomes)]


def _fold_case(events: Iterable[SourceEvent], acts: BundleActs, book: Rulebook, as_of: datetime) -> _CaseOutcome:
    state: CaseState | None = None
    flags: dict[int, list[str]] = {}
    refusal: tuple[int, str] | None = None
    for event in events:
        try:
            act = acts.act(state, event.event, index=event.log_index)
            state, raised = fold(state, act)
        except RuleRefused as error:
            refusal = event.event.sequence, error.code
            break
        flags[event.event.sequence] = sorted(flag.name for flag in raised)
    due = deadlines(acts.shown(state, NOT_YET), book, as_of) if state else ()
    return _CaseOutcome(flags, refusal, state, {(deadline.clock, deadline.subject): deadline for deadline in due})


def _differences(before: _CaseOutcome, after: _CaseOutcome) -> Iterator[tuple[Part, str, str, str]]:
    if before.refusal != after.refusal:
        yield "refusal", "", _refusal(before), _refusal(after)
    for sequence in sorted(before.flags.keys() & after.flags.keys()):
        if before.flags[sequence] != after.flags[sequence]:
            yield "flags", str(sequence), ", ".join(before.flags[sequence]), ", ".join(after.flags[sequence])
    stages = [outcome.state.stage if outcome.state else "" for outcome in (before, after)]
    if stages[0] != stages[1]:
        yield "stage", "", stages[0], stages[1]
    for key in sorted(before.deadlines.keys() | after.deadlines.keys()):
        ends = [_end(outcome.deadlines.get(key)) for outcome in (before, after)]
        if ends[0] != ends[1]:
            yield "deadline", "/".join(key), ends[0], ends[1]


def _refusal(outcome: _CaseOutcome) -> str:
    return "" if outcome.refusal is None else f"{outcome.refusal[0]}: {outcome.refusal[1]}"


def _end(deadline: Deadline | None) -> str:
    if deadline is None:
        return ""
    end = deadline.last_day or deadline.due_at
    return " ".join(part for part in (deadline.status, end.isoformat() if end else None) if part)
