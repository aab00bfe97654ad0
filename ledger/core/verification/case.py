"""Verification of a case bundle: every event by itself, and what only all of them together prove.

1  form     every event is a bundle of this ledger and this case, and all are proven under one tree head
2  events   each event's own verification (``ledger.core.verification.bundle``); the worst verdict counts
3  order    sequence 0 to n-1 without a gap, each on the one before, at rising indices
4  custody  every act was possible; flags and final state, derived anew by the procedure in force for each act
5  end      no event of the case follows the last one, by all entries up to the checkpoint

Steps 1 to 3 make the verdict; step 3 not checked makes it ``unverifiable``. Step 4 makes the statement on *conformity*
and step 5 that on *completeness*: checked is ``shown``, failed ``contradicted``, and neither changes the verdict. Step
4 judges by the versions of the procedure that the bundle carries, besides those that the reader has; it is not checked
if none is here that was in force for an act, if a payload is withheld, or if the case rests on another case, which is
not in the bundle. It knows the kinds of agencies that signed an event or whose admission the bundle carries; it names
the others to which something was sent, because whether they may receive that is then not checked. Step 5 is not checked
if no entries were given, fewer than the checkpoint has, or others than those of its tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.custody.fold import book_of
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, ProofRefused, RuleRefused, TallystickError
from ledger.core.events import NAME_OF, Body, Envelope, Payload, Stream, case, decode_envelope, digest_of
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.registry import AgencyAdmitted, ProcedureAdopted
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Hash, RootMismatch, leaf_hash
from ledger.core.log.replay import StreamHead, place_after
from ledger.core.log.tlog_proofs import tree_head_of
from ledger.core.messages import Message, joined
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.verification.bundle import VerifiedEvent, verify_event
from ledger.core.verification.bundle_format import CaseBundle, decode_case_bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import (
    Check,
    NotChecked,
    Outcome,
    ProofReport,
    Report,
    of_all,
    perform,
    statement_of,
    worst,
)
from ledger.core.verification.trust import Trust

ADOPTION = NAME_OF[ProcedureAdopted]
BATCH = 4096  # leaf hashes appended at once


class RaisedFlag(Struct, frozen=True):
    """A flag and the sequence of the event that raised it."""

    sequence: int
    flag: Flag


class CarriedRules(NamedTuple):
    """What the entries beside the events of a case say: the procedures, and the kinds of agencies by their ids."""

    procedures: Procedures
    kinds: Mapping[str, str]


class CaseReport(Report, frozen=True):
    """The result for a case: ``events`` in the order of the bundle, ``state`` and ``flags`` as far as step 4 came."""

    case_id: str
    events: tuple[ProofReport, ...]
    flags: tuple[RaisedFlag, ...] = ()
    state: CaseState | None = None
    procedures: Procedures = Procedures()


class _Run(Struct):
    """The verification of one case in progress."""

    bundle: CaseBundle
    events: list[VerifiedEvent]
    carried: CarriedRules | NotChecked
    entries: Iterable[bytes] | None
    scanned: list[ScannedEntry] | NotChecked | None = None  # of the entries, which are read once
    flags: list[RaisedFlag] = []
    state: CaseState | None = None


def verify_case(
    data: bytes,
    trust: Trust,
    procedures: Procedures,
    *,
    entries: Iterable[bytes] | None = None,
    observed: Sequence[ObservedBlock] = (),
) -> CaseReport:
    """Verify a case bundle.

    ``procedures`` are in force, for this reader, before those whose adoption the bundle carries. ``entries`` are those
    of the log from the first on, to the last event's checkpoint or beyond. Raises MalformedInput if the bytes are no
    case bundle, or if one of its events is no bundle.
    """
    bundle = decode_case_bundle(data)
    events = [verify_event(bytes(event), trust, observed=observed) for event in bundle.events]
    run = _Run(bundle, events, carried_rules(bundle, trust, procedures, observed=observed), entries)
    steps = [perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1)]
    *_, custody, end = steps = [*steps[:3], *(replace(step, verdict="intact") for step in steps[3:])]
    return CaseReport(
        verdict=worst(step.verdict for step in steps),
        conformity=statement_of(custody),
        completeness=statement_of(end),
        development=trust.development,
        case_id=bundle.case_id,
        steps=tuple(steps),
        events=tuple(event.report for event in events),
        flags=tuple(run.flags),
        state=run.state,
        procedures=procedures if isinstance(run.carried, NotChecked) else run.carried.procedures,
    )


# 1
def _form(run: _Run) -> Outcome:
    expected = (run.bundle.log_id, Stream(kind="case", id=run.bundle.case_id))
    for number, event in enumerate(run.events):
        if (event.bundle.log_id, event.envelope.stream) != expected:
            raise IntegrityBroken("the event is of another ledger or stream", field=f"events[{number}]")
    require_one_tree_head(run.events, "events")
    return Message("{count} events, all proven under one tree head", count=len(run.events))


def require_one_tree_head(events: Sequence[VerifiedEvent], where: str) -> None:
    """Accept proofs under one tree head: two heads could each belong to a fork. Raises ProofRefused.

    Signature lines may differ; they count in each event's own verification.
    """
    heads = [tree_head_of(event.bundle.proof.partition("\n\n")[2]) for event in events]
    for number, head in enumerate(heads):
        if head != heads[0]:
            raise ProofRefused("the proof is under another tree head than the first", field=f"{where}[{number}]")


# 3
def order_of(events: Sequence[VerifiedEvent]) -> Outcome:
    """Accept events that are a stream's from its first on, without a gap. Raises IntegrityBroken."""
    head, last = None, -1
    for number, event in enumerate(events):
        envelope, index, place = event.envelope, event.report.subject.index, f"events[{number}]"
        sequence, previous = place_after(head)
        if (envelope.sequence, envelope.previous) != (sequence, previous):
            raise IntegrityBroken(
                "expected event {sequence} on {previous}", sequence=sequence, previous=previous, field=place
            )
        if index is None:
            return NotChecked("event {number} has no index that its proof shows", number=number)
        # Rising indices keep the order of the stream and that of the log the same.
        if index <= last:
            raise IntegrityBroken("entry {index} does not come after entry {last}", index=index, last=last, field=place)
        head, last = StreamHead(envelope.sequence, envelope.payload_digest), index
    return Message("sequence 0 to {count} without a gap", count=len(events) - 1)


def carried_rules(
    bundle: CaseBundle, trust: Trust, given: Procedures, *, observed: Sequence[ObservedBlock] = ()
) -> CarriedRules | NotChecked:
    """Return the procedures that the entries in a case bundle bring into force after those given, and whom they admit.

    NotChecked if one of these entries is not proven, or not whole. Whether the log has further adoptions, they alone do
    not show.
    """
    texts: dict[str, tuple[int, bytes]] = {}
    adoptions: list[tuple[int, str]] = []
    kinds: dict[str, str] = {}
    for number, data in enumerate(bundle.procedures):
        try:
            verified = verify_event(bytes(data), trust, observed=observed)
        except MalformedInput as error:
            return NotChecked("entry {number} about procedures is no bundle: {error}", number=number, error=error)
        index, body = verified.report.subject.index, verified.payload.body if verified.payload else None
        if verified.report.faults or index is None or body is None:
            return NotChecked("entry {number} about procedures is not proven", number=number)
        if isinstance(body, ProcedurePublished):
            text = body.text.encode()
            texts.setdefault(digest_of(text), (index, text))
        elif isinstance(body, ProcedureAdopted):
            adoptions.append((index, body.digest))
        elif isinstance(body, AgencyAdmitted):
            kinds[body.agency] = body.kind
    procedures = given
    for index, digest in sorted(adoptions):
        published_at, text = texts.get(digest, (index, b""))
        procedures = procedures.adopt(digest, index, text if published_at < index else None)
    return CarriedRules(procedures, kinds)


# 4
def _custody(run: _Run) -> Outcome:
    if isinstance(run.carried, NotChecked):
        return run.carried
    procedures = run.carried.procedures
    left_out = _adoption_left_out(run, procedures)
    if left_out is not None:
        return NotChecked("entry {index} adopts a procedure, and the bundle does not carry it", index=left_out)
    signers = {event.envelope.agency: event.kind for event in run.events if event.kind is not None}
    kinds = {**run.carried.kinds, **signers}
    unknown: set[str] = set()
    for number, event in enumerate(run.events):
        if event.payload is None:
            return NotChecked("the payload of event {number} is withheld", number=number)
        if rests_on_another_case(event.payload):
            return NotChecked("event {number} rests on another case, which is not in the bundle", number=number)
        # Without the registry: a case bundle does not hold it, so jurisdiction is not judged.
        index = event.report.subject.index
        in_force = procedures.at(NOT_YET if index is None else index)
        procedure_id = run.state.procedure if run.state else getattr(event.payload.body, "procedure", None)
        if procedure_id is not None and procedure_id not in in_force:
            return NotChecked(
                "no version of the procedure {procedure_id} is here that was in force for event {number}",
                procedure_id=procedure_id,
                number=number,
            )
        try:
            book = book_of(run.state, event.payload, in_force)
            act = Act(event.payload, event.envelope.payload_digest, event.envelope.signed_at, book, kinds=kinds)
            run.state, raised = fold(run.state, act)
        except TallystickError as error:
            raise RuleRefused("impossible ({error.code}): {error}", error=error, field=f"events[{number}]") from error
        run.flags += (RaisedFlag(number, flag) for flag in raised)
        unknown |= {agency for agency in receivers_of(event.payload.body) if agency not in kinds}
    if unknown:
        return Message(
            "{count} acts were possible, {flags} flags; not checked: whether {agencies} may receive what was sent "
            "there, because the bundle does not show of which kind they are",
            count=len(run.events),
            flags=len(run.flags),
            agencies=joined(sorted(unknown), by=", "),
        )
    return Message("{count} acts were possible, {flags} flags", count=len(run.events), flags=len(run.flags))


def _adoption_left_out(run: _Run, procedures: Procedures) -> int | None:
    """Return the index of an adoption in the log before the last event that the bundle leaves out.

    None if there is none, or if the entries given do not show it.
    """
    scanned, last = _scanned(run), run.events[-1].report.subject.index
    if isinstance(scanned, NotChecked) or last is None:
        return None
    carried = {version.index for version in procedures.versions}
    adoptions = (entry.index for entry in scanned if entry.envelope.event_type == ADOPTION)
    return next((index for index in adoptions if index < last and index not in carried), None)


def receivers_of(body: Body) -> tuple[str, ...]:
    """Return the agency that an event says something goes to, if there is one: rules can ask for its kind."""
    agency: str | None = getattr(body, "to_agency", None)
    return () if agency is None else (agency,)


def rests_on_another_case(payload: Payload) -> bool:
    """Return whether the event takes over what a split of another case gave up."""
    body = payload.body
    return isinstance(body, case.CaseJoined) or (isinstance(body, case.CaseOpened) and body.split_from is not None)


# 5
def _end(run: _Run) -> Outcome:
    scanned, checkpoint = _scanned(run), run.events[-1].checkpoint
    if isinstance(scanned, NotChecked):
        return scanned
    assert checkpoint is not None, "the entries led to its root"
    stream = Stream(kind="case", id=run.bundle.case_id)
    entries = [entry for entry in scanned if entry.envelope.stream == stream]
    expected = [event.envelope.payload_digest for event in run.events]
    if [entry.envelope.payload_digest for entry in entries] != expected:
        counts = {"count": len(entries), "shown": len(expected)}
        raise IntegrityBroken("the log has {count} events of the case, not these {shown}", **counts, field="events")
    return Message("none of the {checkpoint.size} entries is another event of the case", checkpoint=checkpoint)


def _scanned(run: _Run) -> list[ScannedEntry] | NotChecked:
    """Return the entries of the case and the adoptions of procedures in its tree, or why they are not known."""
    if run.scanned is None:
        run.scanned = _scan(run)
    return run.scanned


def _scan(run: _Run) -> list[ScannedEntry] | NotChecked:
    if run.entries is None:
        last = run.events[-1].envelope.sequence
        return NotChecked("that nothing came after event {last} is not shown: no entries were given", last=last)
    checkpoint = run.events[-1].checkpoint
    if checkpoint is None:
        return NotChecked("the last event has no checkpoint that its proof shows")
    stream = Stream(kind="case", id=run.bundle.case_id)
    try:
        return scan(run.entries, checkpoint, stream, types=(ADOPTION,))
    except NotFound as error:
        return NotChecked("the copy of the log is too short: {error}", error=error)
    except (MalformedInput, RootMismatch) as error:
        return NotChecked("the entries given are no copy of this tree: {error}", error=error)


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("form", _form),
    ("events", lambda run: of_all([event.report for event in run.events], "events")),  # 2
    ("order", lambda run: order_of(run.events)),
    ("custody", _custody),
    ("end", _end),
)


class ScannedEntry(Struct, frozen=True):
    """An entry of one of the streams that were searched for."""

    index: int
    envelope: Envelope


def scan(
    entries: Iterable[bytes], checkpoint: Checkpoint, *streams: Stream, types: Collection[str] = ()
) -> list[ScannedEntry]:
    """Return all entries of these streams, or of these event types, in a tree.

    The entries must lead to the root of its verified checkpoint; those beyond its size are not read. Raises NotFound if
    there are fewer, MalformedInput if one of them is no envelope, RootMismatch if they lead to another root.
    """
    tree, batch, matches = EMPTY_TREE, list[Hash](), list[ScannedEntry]()
    index = -1
    for index, entry in enumerate(islice(entries, checkpoint.size)):
        envelope = decode_envelope(entry)
        if envelope.stream in streams or envelope.event_type in types:
            matches.append(ScannedEntry(index, envelope))
        # Entries come as a stream: the tree keeps its right edge and the batch, not the log.
        batch.append(leaf_hash(entry))
        if len(batch) == BATCH:
            tree, batch = tree.append(batch), []
    tree = tree.append(batch)
    if index + 1 != checkpoint.size:
        raise NotFound("expected at least {checkpoint.size} entries", checkpoint=checkpoint, field="entries")
    if tree.root() != checkpoint.root:
        raise RootMismatch(expected=checkpoint.root, calculated=tree.root(), field="root")
    return matches
