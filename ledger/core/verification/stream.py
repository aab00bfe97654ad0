"""Verification of a bundle of a stream: every event by itself, and what only all of them together prove.

After the five steps about the bundle (``ledger.core.verification.verify``):

 6  events   each event's own steps; the worst verdict counts
 7  order    sequence 0 to n-1 without a gap, each on the one before
 8  custody  every act was possible by the procedure in force for it (of a model, versions: they are consecutive)
 9  end      no event of the stream follows the last one, by the head map or all entries up to the checkpoint

Steps 1 to 7 make the verdict; step 7 not checked makes it ``unverifiable``. Step 8 makes the statement on *conformity*
and step 9 that on *completeness*: checked is ``shown``, failed ``contradicted``, and neither changes the verdict. Step
9 is not checked without entries and head map, if no quorum of witnesses has co-signed the tree, if the entries are
fewer than the checkpoint has or others than those of its tree, or if the map does not hold or step 7 was not checked
(``verification.heads``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, RuleRefused
from ledger.core.events import NAME_OF, Envelope, Stream, decode_envelope, entry_hash
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.events.streams import StreamHead, place_after
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Hash, RootMismatch, leaf_hash
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, decode_bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.heads import NO_QUORUM, require_whole
from ledger.core.verification.report import (
    Check,
    NotChecked,
    ProofReport,
    Report,
    StepResult,
    of_all,
    perform,
    statement_of,
    worst,
)
from ledger.core.verification.verify import STEPS, BundleVerification

ADOPTION = NAME_OF[ProcedureAdopted]
CASE_STEPS = ("events", "order", "custody", "end")
BATCH = 4096  # leaf hashes appended at once


def verify_stream(
    data: bytes, trust: Trust, *, entries: Iterable[bytes] | None = None, observed: Sequence[ObservedBlock] = ()
) -> StreamReport:
    """Verify the bundle of a stream that has no rules of its own, neither a case nor a model.

    Arguments as ``verify_case``. Raises MalformedInput if the bytes are no bundle of a stream.
    """
    stream = VerifiedStream(decode_bundle(data), trust, entries=entries, observed=observed)
    return stream.report("custody", lambda: NotChecked("there are no rules for a stream of this kind"))


class StreamReport(Report, frozen=True):
    """The result for a stream: ``events`` in their order."""

    stream: Stream
    events: tuple[ProofReport, ...]


class VerifiedStream:
    """A bundle of a stream with its verified events. ``entries`` are those of the log, as far as they were given.

    Raises MalformedInput if the bundle is not about a stream.
    """

    def __init__(
        self,
        bundle: Bundle,
        trust: Trust,
        *,
        entries: Iterable[bytes] | None = None,
        observed: Sequence[ObservedBlock] = (),
    ):
        self.stream = bundle.require_stream()
        self.verification = BundleVerification(bundle, trust, observed)
        self.events = [self.verification.event(entry) for entry in bundle.subjects]
        self.in_order = False  # whether step 7 accepted the events
        self._entries = entries

    def report(self, name: str, rules: Callable[[], StepResult]) -> StreamReport:
        """Return the report, in which ``rules`` is the check of step 8, and ``name`` is what it is called."""
        events = tuple(event.report for event in self.events)
        checks: dict[str, Check[VerifiedStream]] = {
            "events": lambda _: of_all(events, "events"),
            "order": VerifiedStream.order,
            name: lambda run: run.judged(rules),
            "end": VerifiedStream.end,
        }
        numbered = enumerate(checks.items(), len(STEPS) + 1)
        *own, conformity, completeness = [perform(number, step, check, self) for number, (step, check) in numbered]
        stated = [replace(step, verdict="intact") for step in (conformity, completeness)]
        steps = (*self.verification.steps, *own, *stated)
        return StreamReport(
            verdict=worst(step.verdict for step in steps),
            conformity=statement_of(conformity),
            completeness=statement_of(completeness),
            development=self.verification.trust.development,
            steps=steps,
            stream=self.stream,
            events=events,
        )

    # 7
    def order(self) -> StepResult:
        """Accept events that are the stream's from its first on, without a gap. Raises IntegrityBroken.

        A bundle has its entries in the order of the log, so the order of the stream is that of the log too.
        """
        head = None
        for number, event in enumerate(self.events):
            envelope, place = event.envelope, f"events[{number}]"
            sequence, previous = place_after(head)
            if (envelope.sequence, envelope.previous) != (sequence, previous):
                raise IntegrityBroken(
                    "expected event {sequence} on {previous}", sequence=sequence, previous=previous, field=place
                )
            if event.report.subject.index is None:
                return NotChecked("event {number} has no index that its proof shows", number=number)
            head = StreamHead(envelope.sequence, entry_hash(event.entry.data))
        self.in_order = True
        return Message("sequence 0 to {count} without a gap", count=len(self.events) - 1)

    # 8
    def judged(self, rules: Callable[[], StepResult]) -> StepResult:
        """Return the result of the rules, unless an event by itself contradicts its type. Raises RuleRefused."""
        for number, event in enumerate(self.events):
            stated = event.report.conformity
            if stated.result == "contradicted":
                raise RuleRefused(stated.detail, field=f"events[{number}]")
        return rules()

    # 9
    def end(self) -> StepResult:
        """Accept events that are all of the stream. Raises IntegrityBroken."""
        if self._entries is None and self.verification.bundle.map is not None:
            whole = require_whole(self.verification, self.stream)
            # A map has the number of the events and the last: what is between follows from their order.
            if self.in_order or isinstance(whole, NotChecked):
                return whole
            return NotChecked("there is no order of the events that step 7 accepted")
        scanned = self.scanned
        if isinstance(scanned, NotChecked):
            return scanned
        entries = [entry for entry in scanned if entry.envelope.stream == self.stream]
        expected = [ScannedEntry(entry.index, entry.envelope) for entry in self.verification.bundle.subjects]
        if entries != expected:
            counts = {"count": len(entries), "shown": len(expected)}
            raise IntegrityBroken(
                "the log has {count} events of the stream, not these {shown}", **counts, field="events"
            )
        if self.verification.quorum_time is None:
            return NotChecked(NO_QUORUM)
        checkpoint = self.verification.checkpoint()
        return Message("none of the {checkpoint.size} entries is another event of the stream", checkpoint=checkpoint)

    @cached_property
    def scanned(self) -> list[ScannedEntry] | NotChecked:
        """Return the stream's entries and adoptions of procedures in the bundle's tree, or why they are not known."""
        if self._entries is None:
            last = self.events[-1].envelope.sequence
            return NotChecked(
                "that nothing came after event {last} is not shown: there is no head map, and no entries were given",
                last=last,
            )
        checkpoint = self.verification.accepted
        if checkpoint is None:
            return NotChecked("there is no checkpoint that step 2 accepted")
        try:
            return scan(self._entries, checkpoint, self.stream, types=(ADOPTION,))
        except NotFound as error:
            return NotChecked("the copy of the log is too short: {error}", error=error)
        except (MalformedInput, RootMismatch) as error:
            return NotChecked("the entries given are no copy of this tree: {error}", error=error)


def unread(number: int) -> NotChecked:
    """Return why an event is not judged that was not read."""
    return NotChecked(
        "event {number} is not read: its payload is withheld or another one, or its type of a later release",
        number=number,
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
