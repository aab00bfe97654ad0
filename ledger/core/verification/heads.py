"""What a head map in a bundle shows of its stream: how many events the log has, or that it has none.

The map is a claim of the log until a quorum of witnesses has co-signed the tree: they have made the map themselves.

A bundle about an absent stream has these steps after the five about the bundle:

6  map      the entry holds, is of the ledger, and commits to the root that the proof leads to; of a bundle that names
            another ledger than the trust file: it fails if the entry is not signed for that one
7  absence  the map does not have the stream

Both make the verdict. Step 7 is also the statement on completeness.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.events import Stream, require_kind
from ledger.core.log.head_map import is_map, map_key, proven_root, require_mapped, state_in
from ledger.core.messages import Message, joined
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, BundleEntry, MapProof, decode_bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import Check, NotChecked, Report, Statement, StepResult, statement_of, worst
from ledger.core.verification.verify import BundleVerification, ProvenHead, signed

NO_QUORUM = Message("no quorum of witnesses has co-signed the tree: whether it has other events is the log's own word")
CONFORMITY = Statement("not_checked", "there is no act to judge")


def proven_head(run: BundleVerification, stream: Stream) -> ProvenHead:
    """Return what the map in the bundle has for a stream.

    Requires a bundle with a map. Raises NotChecked if a part is missing, and a TallystickError if the entry does not
    hold, is not of the ledger, or commits to another root than the proof leads to.
    """
    place, entry = _commitment(run.bundle)
    fault = run.entries.fault(entry)
    if fault is not None:
        raise fault
    if not is_map(entry.envelope):
        raise MalformedInput("expected an entry that commits to a head map", field="envelope.event_type")
    require_kind(entry.envelope)
    run.entries.require_of_ledger(entry, entry.payload)
    key, proof = map_key(stream), place.head_proof
    require_mapped(entry.envelope, proven_root(key, proof))
    return ProvenHead(entry.index, state_in(key, proof))


def _commitment(bundle: Bundle) -> tuple[MapProof, BundleEntry]:
    """Return the place of the stream in the map, and the entry that commits to the map. Requires a bundle with one."""
    assert bundle.map is not None, "the bundle has a map"
    return bundle.map, next(entry for entry in bundle.entries if entry.index == bundle.map.index)


def require_whole(run: BundleVerification, stream: Stream) -> StepResult:
    """Accept that the events in the bundle are all of the stream up to the map of the bundle.

    What does not verify counts as left out: the result is NotChecked, as without a quorum. Raises IntegrityBroken if
    the map has other events.
    """
    try:
        proven = proven_head(run, stream)
    except TallystickError as error:
        return NotChecked("the head map does not hold: {error}", error=error)
    covered = [entry for entry in run.bundle.subjects if entry.index < proven.size]
    count = proven.head.count if proven.head else 0
    if count != len(covered) or (proven.head and proven.head.head != covered[-1].leaf):
        raise IntegrityBroken(
            "the head map of entry {size} has {count} events of the stream, not these {shown}",
            size=proven.size,
            count=count,
            shown=len(covered),
            field="map",
        )
    if run.quorum_time is None:
        return NotChecked(NO_QUORUM)
    shown = Message(
        "these {count} events are all of the stream among the first {size} entries, by the head map of entry {size}",
        count=count,
        size=proven.size,
    )
    return _up_to(run, shown)


def _up_to(run: BundleVerification, shown: Message) -> str:
    """Return what the map shows, and how much of the tree it says nothing of.

    Whoever passes a bundle on can put an older map under the same tree head.
    """
    later = entries_beyond_map(run)
    remarks = [Message("nothing is shown of the {later} entries after those", later=later)] if later else []
    return joined([shown, *remarks])


def entries_beyond_map(run: BundleVerification) -> int:
    """Return how many entries of the accepted tree the bundle's map says nothing of; 0 if that is its own alone.

    Requires that the bundle has a map.
    """
    later = run.checkpoint().size - _commitment(run.bundle)[0].index
    return later if later > 1 else 0


# -- a stream that the log does not have -------------------------------------------------------------------------------


class AbsenceReport(Report, frozen=True):
    """The result for a stream that the log does not have; ``size`` is that of the map, None if none was accepted."""

    stream: Stream
    size: int | None = None


def verify_absence(data: bytes, trust: Trust, *, observed: Sequence[ObservedBlock] = ()) -> AbsenceReport:
    """Verify a bundle about a stream that the log does not have.

    ``observed`` are blocks that a chain was asked for. Raises MalformedInput if the bytes are no such bundle.
    """
    bundle = decode_bundle(data)
    stream = bundle.require_absent()
    verification = BundleVerification(bundle, trust, observed)
    run, steps = verification.perform(ABSENCE_STEPS, lambda reading: reading)
    return AbsenceReport(
        verdict=worst(step.verdict for step in steps),
        conformity=CONFORMITY,
        completeness=statement_of(steps[-1]),
        development=trust.development,
        steps=steps,
        stream=stream,
        size=run.mapped.size if run.mapped else None,
    )


# 6
def _map(run: BundleVerification) -> StepResult:
    if run.log_id != run.trust.log_id:
        # As step 6 of an event: signed for another ledger than it names, the bundle contradicts itself.
        signed(_commitment(run.bundle)[1].envelope, run.log_id)
    run.checkpoint()
    run.mapped = proven_head(run, run.bundle.require_absent())
    return Message("the head map of the first {size} entries", size=run.mapped.size)


# 7
def _absence(run: BundleVerification) -> StepResult:
    if run.mapped is None:
        return NotChecked("there is no head map that step 6 accepted")
    size, head = run.mapped
    if head is not None:
        raise IntegrityBroken("the head map has {count} events of the stream", count=head.count, field="map.leaf")
    if run.quorum_time is None:
        return NotChecked(NO_QUORUM, "intact")
    text = Message("none of the first {size} entries is an event of {stream.kind} {stream.id}")
    return _up_to(run, Message(text, size=size, stream=run.bundle.absent))


ABSENCE_STEPS: tuple[tuple[str, Check[BundleVerification]], ...] = (("map", _map), ("absence", _absence))
