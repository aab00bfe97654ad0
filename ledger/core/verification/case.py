"""Conformity of a case: whether every act in its bundle was possible by the procedure in force for it.

Acts are judged by the versions of the procedure that the bundle carries, besides those that the reader has. It is not
checked if none is here that was in force for an act, if a payload is withheld, or if the case rests on another case,
which is not in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.custody.cases import with_split_off
from ledger.core.custody.due_dates import Deadline, deadlines
from ledger.core.custody.fold import book_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text, spelled
from ledger.core.errors import RuleRefused, TallystickError
from ledger.core.events import Body, Event, case
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.messages import Message, joined
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import decode_bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import NotChecked, StepResult
from ledger.core.verification.stream import ADOPTION, StreamReport, VerifiedStream, unread


class RaisedFlag(Struct, frozen=True):
    """A flag and the sequence of the event that raised it."""

    sequence: int
    flag: Flag


class ExceededLimit(Struct, frozen=True):
    """A time limit that was not kept; times are RFC 3339.

    ``due_at`` is the first instant that is too late, ``stopped_at`` when it was met all the same, None if it is open.
    """

    deadline_id: str
    clock: str
    article: str
    subject: str
    agency: str
    started_at: str
    due_at: str
    stopped_at: str | None


class TimeLimits(Struct, frozen=True):
    """The time limits of a case ``as_of`` a time, by the times that its signers claim: those that were not kept.

    ``uncounted`` of them cannot be counted, for days off that the procedure does not know.
    """

    as_of: str
    late: tuple[ExceededLimit, ...] = ()
    uncounted: int = 0


class CaseReport(StreamReport, frozen=True):
    """The result for a case: ``state`` and ``flags`` as far as its acts were judged, ``time_limits`` if all were."""

    case_id: str
    flags: tuple[RaisedFlag, ...] = ()
    time_limits: TimeLimits | None = None
    state: CaseState | None = None
    procedures: Procedures = Procedures()


def verify_case(
    data: bytes,
    trust: Trust,
    procedures: Procedures,
    *,
    entries: Iterable[bytes] | None = None,
    observed: Sequence[ObservedBlock] = (),
) -> CaseReport:
    """Verify the bundle of a case.

    ``procedures`` are in force, for this reader, before those whose adoption the bundle carries. ``entries`` are those
    of the log from the first on, to the bundle's checkpoint or beyond. Raises MalformedInput if the bytes are no bundle
    of a case.
    """
    return judge_case(open_case(data, trust, entries=entries, observed=observed), procedures)


def open_case(
    data: bytes, trust: Trust, *, entries: Iterable[bytes] | None = None, observed: Sequence[ObservedBlock] = ()
) -> VerifiedStream:
    """Verify the events in the bundle of a case; arguments as in ``verify_case``."""
    bundle = decode_bundle(data)
    bundle.require_stream("case")
    return VerifiedStream(bundle, trust, entries=entries, observed=observed)


def judge_case(stream: VerifiedStream, procedures: Procedures) -> CaseReport:
    """Return the report on a case whose events were verified, with the judgement of its acts."""
    conformity = _Conformity(stream, carried_procedures(stream, procedures))
    report = stream.report("custody", conformity.judge)
    return CaseReport(
        **asdict(report),
        case_id=stream.stream.id,
        flags=tuple(conformity.flags),
        time_limits=conformity.time_limits,
        state=conformity.state,
        procedures=conformity.procedures,
    )


def carried_procedures(stream: VerifiedStream, before: Procedures) -> Procedures:
    """Return the procedures that the entries in a bundle bring into force after those before.

    An entry that does not hold counts as left out. Whether the log has further adoptions, they alone do not show.
    """
    texts: dict[str, tuple[int, bytes]] = {}
    adoptions: list[tuple[int, str]] = []
    for entry in stream.verification.bundle.entries:
        body = entry.event.body if entry.event else None
        if not isinstance(body, ProcedurePublished | ProcedureAdopted):
            continue
        report = stream.verification.event(entry).report
        # Without an index of step 8 there may be no tree head either, by which an entry could hold.
        if report.faults or report.subject.index is None or stream.verification.entries.fault(entry) is not None:
            continue
        if isinstance(body, ProcedurePublished):
            text = body.text.encode()
            texts.setdefault(blake3_text(text), (entry.index, text))
        else:
            adoptions.append((entry.index, body.digest))
    procedures = before
    for index, digest in adoptions:
        published_at, text = texts.get(digest, (index, b""))
        procedures = procedures.adopt(digest, index, text if published_at < index else None)
    return procedures


class _Conformity:
    """The judgement of a case in progress."""

    def __init__(self, stream: VerifiedStream, procedures: Procedures):
        self.stream = stream
        self.procedures = procedures
        self.flags: list[RaisedFlag] = []
        self.time_limits: TimeLimits | None = None
        self.state: CaseState | None = None

    def judge(self) -> StepResult:
        """Judge every act in its order, as far as that is possible."""
        left_out = self._adoption_left_out()
        if left_out is not None:
            return NotChecked("entry {index} adopts a procedure, and the bundle does not carry it", index=left_out)
        kinds = {agency: body.kind for agency, body in self.stream.verification.admissions().items()}
        unknown = set[str]()
        judged_by: dict[Message, None] = {}
        for number, event in enumerate(self.stream.events):
            if event.event is None:
                return unread(number)
            if rests_on_another_case(event.event):
                return NotChecked("event {number} rests on another case, which is not in the bundle", number=number)
            # Without the registry: a bundle does not hold all of it, so jurisdiction is not judged.
            unknown |= {agency for agency in receivers_of(event.event.body) if agency not in kinds}
            index = NOT_YET if event.report.subject.index is None else event.report.subject.index
            in_force = self.procedures.at(index)
            procedure_id = self.state.procedure if self.state else getattr(event.event.body, "procedure", None)
            if procedure_id is not None and procedure_id not in in_force:
                return NotChecked(
                    "no version of the procedure {procedure_id} is here that was in force for event {number}",
                    procedure_id=procedure_id,
                    number=number,
                )
            try:
                book = book_of(self.state, event.event, in_force)
                judged_by[self._version(book, index)] = None
                act = Act(event.event, book, kinds=kinds)
                self.state, raised = fold(self.state, act)
            except TallystickError as error:
                raise RuleRefused(
                    "impossible ({error.code}): {error}", error=error, field=f"events[{number}]"
                ) from error
            self.flags += (RaisedFlag(number, flag) for flag in raised)
        counts = {"count": len(self.stream.events), "flags": len(self.flags)}
        versions = joined(list(judged_by), by=", ")
        parts: list[str] = [
            Message("{count} acts were possible by {versions}, {flags} flags", **counts, versions=versions)
        ]
        parts += self._limits(book)
        if unknown:
            agencies = joined(sorted(unknown), by=", ")
            parts.append(
                Message(
                    "not checked: whether {agencies} may receive what was sent there, because the bundle does not show "
                    "of which kind they are",
                    agencies=agencies,
                )
            )
        unread_log = isinstance(self.stream.scanned, NotChecked) or self.stream.verification.quorum_time is None
        if unread_log or self.stream.events[-1].report.subject.index is None:
            parts.append(Message("that no later version was in force is not shown"))
        return joined(parts, by="; ")

    def _limits(self, book: Rulebook) -> list[str]:
        """Judge the time limits of the case, and return what that is in words; nothing where no time ran.

        Up to the time by which the last event is proven: without such a time, up to the last one that is claimed.
        """
        assert self.state is not None, "a case has an event, which opens it"
        proven = self.stream.events[-1].report.proven_time
        as_of = self.state.last_occurred_at if proven is None else instant_text(proven)
        clocks = deadlines(self.state, book, datetime.fromisoformat(as_of))
        given_up = [*_given_up(self.state, book)]
        late = tuple(_late(clock) for clock in (*clocks, *given_up) if clock.status in ("missed", "overdue"))
        uncounted = sum(clock.status == "uncountable" for clock in clocks)
        self.time_limits = TimeLimits(as_of, late, uncounted)
        parts: list[str] = []
        if late:
            text = Message("by the times claimed, time limits that were not kept up to {as_of}: {late}")
            parts.append(Message(text, late=len(late), as_of=as_of))
        elif clocks:
            parts.append(
                Message(
                    "by the times claimed, no time limit that can be counted was exceeded up to {as_of}", as_of=as_of
                )
            )
        if given_up:
            text = Message("{given_up} time limits are judged up to the split: whether they ran on here is not shown")
            parts.append(Message(text, given_up=len(given_up)))
        if uncounted:
            parts.append(Message("{uncounted} time limits cannot be counted", uncounted=uncounted))
        return parts

    def _version(self, book: Rulebook, index: int) -> Message:
        """Return the version by which an act at this index was judged, and the entry that brought it into force."""
        named = {"procedure_id": book.procedure.id, "version": book.procedure.version}
        entry = max(each.index for each in self.procedures.versions if each.book is book and each.index < index)
        if entry < 0:
            return Message("{procedure_id} {version} (given beside the bundle)", **named)
        return Message("{procedure_id} {version} (entry {index})", **named, index=entry)

    def _adoption_left_out(self) -> int | None:
        """Return the index of an adoption in the log before the last event that the bundle leaves out.

        None if there is none, or if the entries given do not show it.
        """
        scanned, last = self.stream.scanned, self.stream.events[-1].report.subject.index
        if isinstance(scanned, NotChecked) or last is None:
            return None
        carried = {version.index for version in self.procedures.versions}
        adoptions = (entry.index for entry in scanned if entry.envelope.event_type == ADOPTION)
        return next((index for index in adoptions if index < last and index not in carried), None)


def _given_up(state: CaseState, book: Rulebook) -> Iterator[Deadline]:
    """Yield the deadlines of what the case split off, as of the split: when another case took it over is not here."""
    for split_id, split in state.splits.items():
        shown, as_of = with_split_off(state, (split_id,)), datetime.fromisoformat(split.occurred_at)
        given_up = {clock.deadline_id for clock in split.clocks}
        yield from (each for each in deadlines(shown, book, as_of) if each.deadline_id in given_up)


def _late(clock: Deadline) -> ExceededLimit:
    assert clock.due_at is not None, "what is late has an end"
    stated = {name: getattr(clock, name) for name in ExceededLimit.__struct_fields__}
    return ExceededLimit(**stated | {"due_at": spelled(clock.due_at)})


def receivers_of(body: Body) -> tuple[str, ...]:
    """Return the agency that an event says something goes to, if there is one: rules can ask for its kind."""
    agency: str | None = getattr(body, "to_agency", None)
    return () if agency is None else (agency,)


def rests_on_another_case(event: Event) -> bool:
    """Return whether the event takes over what a split of another case gave up."""
    body = event.body
    return isinstance(body, case.CaseJoined) or (isinstance(body, case.CaseOpened) and body.split_from is not None)
