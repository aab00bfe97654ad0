"""Verification of a proof bundle: bytes and a trust file in, numbered steps and one verdict out.

About the bundle, once:

 1  ledger      the bundle is of the ledger that the trust file names
 2  checkpoint  the log signed the tree head
 3  witnesses   as many witnesses co-signed the tree head as the policy asks for
 4  block       the block of the anchor is final: by the trust file, by a node that was asked, or by the witnesses
 5  anchor      the contract's storage in that block has this tree head as a record, after the record before it

About each event:

 6  signature   the envelope is signed by the key it names, for the ledger that the bundle names
 7  payload     the payload has the digest that was signed
 8  inclusion   the envelope is the entry at this index of the tree
 9  sections    each section shown has the digest that the payload commits to
10  authority   agency and key are in the registry's mirror below this entry, and the grant is of this agency and time
11  revocation  the registry's storage in that block has the grant of step 10, and the key was good for this entry
12  time        the entry existed by a proven time, and is not signed after the anchor's block or every witness

A step is checked, failed or not checked. One failed step makes the verdict ``tampered``, but step 1 ``other_ledger``:
then the trust file says nothing of the bundle, and of steps 2 to 12 only those that need no trust file are performed.
Step 6 is one of them. A signature is good for one ledger alone, so a bundle that was made to name another than its
events are signed for contradicts itself, and is ``tampered``; unless it names a suite that this program has not, or was
signed anew: ``other_ledger`` proves nothing, not even that. Not checked makes the verdict ``unverifiable`` for steps 2
(no line of the note is by the log's key), 3 (quorum not reached), 6 and whatever rests on a suite that this program has
not, 7 (payload withheld), 8, 10, and 11 (revoked in the very second of the anchor), and where a node of a tree or trie
is missing; and ``not_yet_anchored`` for steps 4, 5 and 11 if no block is trusted. It does not change the verdict for
step 3 if the policy asks for no witness, for step 9 (withheld or erased), for step 11 if the ledger's own key signed
the entry, and for step 12.

The verdict is about the *content*, payload and sections, and rests on *evidence*. What ``intact`` needs is mandatory.
Other entries, block notes and timestamps that do not verify count as left out, and the step that misses them says so;
so leaving evidence out never makes a verdict ``intact``. One exception follows from C2SP signed-note: a bad line of a
named witness spoils the note of step 3. A chain's state is used only after its block is trusted; from then on the
registry's slot decides whether a key was revoked, and a log entry that contradicts it is reported. Each step comes
after those it rests on.

Files, chains and clocks are not read here. What only a whole stream shows is in ``ledger.core.verification.stream``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar

from msgspec import Raw
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, ProofRefused, SignatureRefused, TallystickError, Unauthorized
from ledger.core.ethereum.block_headers import BlockHeader, read_header
from ledger.core.ethereum.trie import node_hash
from ledger.core.events import EVENT_TYPES, Envelope, Event, Payload, require_kind
from ledger.core.events.record import SectionErased
from ledger.core.events.registry import AgencyAdmitted, KeyRevoked
from ledger.core.log.checkpoints import (
    Checkpoint,
    names_of,
    stated_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from ledger.core.log.head_map import MappedHead
from ledger.core.log.merkle import EMPTY_TREE, verify_consistency
from ledger.core.log.notes import decode_base64, parse_note
from ledger.core.messages import Message, joined
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import Grant
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Anchor, Bundle, BundleEntry, TreeStamp, decode_bundle
from ledger.core.verification.chain import ObservedBlock, require_trusted, when
from ledger.core.verification.contract_storage import ContractStates, RecordState, stored_grant
from ledger.core.verification.evidence import HeldEntries
from ledger.core.verification.report import (
    AnchorBlock,
    Check,
    CheckedStep,
    NotChecked,
    OtherLedger,
    ProofReport,
    ProvenRecord,
    R,
    Statement,
    StepResult,
    perform,
    subject_of,
    worst,
)
from ledger.core.verification.timestamps import Timestamp, verify_timestamp

A = TypeVar("A")
T = TypeVar("T")

SIGNED_AHEAD_S = 300  # seconds by which a signer's clock may be ahead of the proven time
# Texts are remembered: bundles of one ledger say the same of it, its tree head and its keys.
_text = lru_cache(maxsize=1024)(Message)

CONFORMITY = Statement("not_checked", "the custody rules judge a case, not one event")
COMPLETENESS = Statement("not_checked", "one event says nothing of those after it")


class ProvenHead(NamedTuple):
    """What the head map over the first ``size`` entries has for a stream; None if it does not have it."""

    size: int
    head: MappedHead | None


class VerifiedEvent(NamedTuple):
    """An event of a bundle, its report, and what was accepted of it; None stands for what was not.

    ``event`` is None also if the payload is not as its event type demands.
    """

    report: ProofReport
    entry: BundleEntry
    event: Event | None
    checkpoint: Checkpoint | None

    @property
    def envelope(self) -> Envelope:
        """Return the envelope of the event."""
        return self.entry.envelope


def verify_event(data: bytes, trust: Trust, *, observed: Sequence[ObservedBlock] = ()) -> VerifiedEvent:
    """Verify the bundle of one event against a trust file.

    ``observed`` are blocks that a chain was asked for. Raises MalformedInput if the bytes are no bundle, or one of a
    stream; every other fault is a failed step of the report.
    """
    bundle = decode_bundle(data)
    return BundleVerification(bundle, trust, observed).event(bundle.require_event())


class BundleVerification:
    """The verification of a bundle: of what its events share once, then of each event."""

    def __init__(self, bundle: Bundle, trust: Trust, observed: Sequence[ObservedBlock] = (), *, assumed: bool = False):
        self.bundle = bundle
        self.trust = trust
        self.observed = observed
        self.accepted: Checkpoint | None = None  # by step 2
        self.quorum_time: int | None = None  # as step 3 accepted it
        self.last_cosigned = 0  # the latest of those times
        self.block: AnchorBlock | None = None
        self.states: tuple[ContractStates, BlockHeader, Anchor] | None = None  # as step 4 accepted the block
        self.record: ProvenRecord | None = None  # as step 5 accepted it
        self.mapped: ProvenHead | None = None  # as step 6 about an absent stream accepted it
        self.unknown_suites = sorted({e.envelope.suite for e in bundle.entries} - signatures.SUITES.keys())
        self.assumed = assumed  # whether entries of these suites count as signed
        self.steps = tuple([perform(number, name, check, self) for number, (name, check) in enumerate(STEPS, 1)])

    def event(self, entry: BundleEntry) -> VerifiedEvent:
        """Verify an entry of the bundle."""
        run, steps = self.perform(EVENT_STEPS, lambda reading: _EventRun(reading, entry))
        report = ProofReport(
            verdict=worst([step.verdict for step in steps]),
            conformity=_conformity(run),
            completeness=COMPLETENESS,
            development=self.trust.development,
            subject=subject_of(entry.envelope, run.payload, run.index, self.accepted),
            steps=steps,
            proven_time=run.proven_time,
            block=self.block,
            record=self.record,
        )
        return VerifiedEvent(report, entry, entry.event if run.payload else None, self.accepted)

    def perform(
        self, checks: Sequence[tuple[str, Check[R]]], begin: Callable[[BundleVerification], R]
    ) -> tuple[R, tuple[CheckedStep, ...]]:
        """Perform the steps after those about the bundle; return the run that ``begin`` has begun, and all steps.

        Nobody can say here whether an entry is signed by a suite that this program has not. So the steps are performed
        as if none of those were, and again as if all were: one with another result then is not checked.
        """
        numbered = [(number, name, check) for number, (name, check) in enumerate(checks, len(STEPS) + 1)]
        if not self.unknown_suites:
            run = begin(self)
            return run, (*self.steps, *[perform(*step, run) for step in numbered])
        runs = [begin(self), begin(self._assuming)]
        performed = zip(*([perform(*step, run) for step in numbered] for run in runs), strict=True)
        suites = ", ".join(map(str, self.unknown_suites))
        why = Message("it rests on an entry of suite {suites}, which this program does not verify", suites=suites)
        steps = [
            replace(step, result="not_checked", detail=why, verdict="unverifiable")
            if any(repeated.result != step.result for repeated in others)
            else step
            for step, *others in performed
        ]
        return runs[0], (*self.steps, *steps)

    @cached_property
    def _assuming(self) -> BundleVerification:
        """Return this verification with the entries of unknown suites as signed."""
        return BundleVerification(self.bundle, self.trust, self.observed, assumed=True)

    @cached_property
    def log_id(self) -> bytes:
        """Return the id of the ledger that the bundle names."""
        return bytes.fromhex(self.bundle.log_id[2:])

    def require_ledger(self) -> None:
        """Accept a bundle that names the ledger of the trust file. Raises NotChecked."""
        if self.log_id != self.trust.log_id:
            raise NotChecked("the trust file is of another ledger")

    def checkpoint(self) -> Checkpoint:
        """Return the tree head that step 2 accepted. Raises NotChecked if it did not."""
        if self.accepted is None:
            raise NotChecked("there is no checkpoint that step 2 accepted")
        return self.accepted

    @cached_property
    def entries(self) -> HeldEntries:
        """Return the entries that hold. Raises NotChecked without a tree head."""
        return HeldEntries(self.bundle, self.trust, self.checkpoint(), assumed=self.assumed)

    @cached_property
    def stamps(self) -> tuple[list[tuple[int, Timestamp]], list[str]]:
        """Return the timestamps that verify, with the sizes of their trees, and texts about the others."""
        held, remarks, unknown = list[tuple[int, Timestamp]](), list[str](), 0
        if self.bundle.timestamps and not self.trust.timestamp_roots:
            return held, [Message("timestamps are not checked: the trust file names no authority's root")]
        for stamp in self.bundle.timestamps:
            try:
                timestamp = _stamped(self, stamp)
            except TallystickError as error:
                remarks.append(Message("a timestamp does not hold: {fault}", fault=error.message))
                continue
            if timestamp is None:
                unknown += 1
            else:
                held.append((stamp.size, timestamp))
        if unknown:
            remarks.append(Message("{unknown} of an authority that the trust file does not name", unknown=unknown))
        return held, remarks

    def admissions(self) -> dict[str, AgencyAdmitted]:
        """Return the first admission of each agency that the bundle proves, by agency."""
        admitted = self.entries.bodies_of(AgencyAdmitted) if self.accepted else []
        return {body.agency: body for _, body in reversed(admitted)}

    def trusted_states(self) -> tuple[ContractStates, BlockHeader, Anchor]:
        """Return the contracts' storage in the block that step 4 accepted, its header, and the anchor that shows them.

        Raises NotChecked if it did not.
        """
        if self.states is None:
            raise NotChecked("there is no block that step 4 accepted", "not_yet_anchored")
        return self.states


# 1
def _ledger(run: BundleVerification) -> StepResult:
    actual, expected = run.bundle.log_id, run.trust.log_id_text
    if actual != expected:
        raise OtherLedger(
            "the bundle is of the ledger {actual}, the trust file of {expected}: take the trust file of the former",
            actual=actual,
            expected=expected,
        )
    return _text(Message("ledger {expected}"), expected=expected)


def _of_note(verify: Callable[[str, A], T], note: str, keys: A) -> T:
    """Verify signatures of a note; a false line is refused with whose fault that can be."""
    try:
        return verify(note, keys)
    except SignatureRefused as error:
        raise SignatureRefused(
            "{error}: whoever passed the note on may have spoiled it, which says nothing of the log; "
            "ask for another copy",
            error=error,
            field="note",
        ) from error


# 2
def _checkpoint(run: BundleVerification) -> StepResult:
    run.require_ledger()
    note = run.bundle.note
    stated_checkpoint(note)  # its form comes first: the size says which keys count
    log_key = run.trust.log_key_of(note)
    if _of_note(lambda text, key: parse_note(text).signature_by(key), note, log_key) is None:
        return NotChecked(
            "no line of the note is by {vkey}, the log's key in the trust file: the note is of another log; or the "
            "trust file is from before that key was replaced (ask an agency for the renewal, which tally trust accept "
            "takes, or for its trust file of today); or whoever passed the note on spoiled it (ask for another copy)",
            vkey=log_key.vkey(),
        )
    checkpoint = run.accepted = _of_note(verify_checkpoint, note, log_key)
    return _text(Message("size {checkpoint.size}, root {root}"), checkpoint=checkpoint, root=checkpoint.root.hex())


# 3
def _witnesses(run: BundleVerification) -> StepResult:
    run.checkpoint()
    policy = run.trust.policy
    # Verified even where no quorum is asked for: a false line of a known witness spoils a note.
    cosignatures = _of_note(verify_cosignatures, run.bundle.note, policy.witnesses.values())
    if not policy.asks_for_witnesses:
        return NotChecked("the policy asks for no witness: this is a development ledger", "intact")
    names = names_of(cosignatures)
    for time in sorted(cosignature.timestamp for cosignature in cosignatures):
        # No single witness can date an entry earlier than the quorum was reached.
        if policy.is_met_by(each.witness for each in cosignatures if each.timestamp <= time):
            run.quorum_time, run.last_cosigned = time, max(each.timestamp for each in cosignatures)
            return Message("the quorum {policy.quorum} is reached by {names}", policy=policy, names=names)
    return NotChecked("the quorum {policy.quorum} is not reached by {names}", policy=policy, names=names)


# 4
def _block(run: BundleVerification) -> StepResult:
    run.require_ledger()
    anchor = run.bundle.anchor
    if anchor is None:
        return NotChecked("the bundle has no anchor: ask for a newer proof", "not_yet_anchored")
    header = read_header(bytes.fromhex(anchor.header[2:]))
    run.block = AnchorBlock(header.number, "0x" + header.hash.hex(), header.timestamp, trusted=False)
    chain = run.trust.chain(anchor.chain, anchor.contract)
    if chain is None:
        return NotChecked("the trust file lacks {anchor.contract}: take today's", "not_yet_anchored", anchor=anchor)
    trusted = require_trusted(anchor, header, chain, run.trust, run.observed)
    nodes = {node_hash(node): node for node in (bytes.fromhex(text[2:]) for text in anchor.state)}

    def node_of(name: bytes) -> bytes:
        if name not in nodes:
            raise NotChecked("the anchor lacks the node {name} of the state", name=name.hex())
        return nodes[name]

    run.block = replace(run.block, trusted=True)
    run.states = ContractStates(header.state_root, chain, node_of), header, anchor
    return trusted


# 5
def _anchor(run: BundleVerification) -> StepResult:
    checkpoint = run.checkpoint()
    states, header, anchor = run.trusted_states()
    number, state = anchor.number, states.anchor(anchor.number)
    record, previous = state.record, state.previous
    if (record.root, record.size) != (checkpoint.root, checkpoint.size):
        raise ProofRefused("the contract has another tree head, of size {record.size}", record=record, field="anchor")
    is_start = number == 1 and previous.size == 0
    if is_start != (previous.root == EMPTY_TREE.root()):
        raise ProofRefused("record {number} is not where the log started", number=number - 1, field="anchor")
    in_order = previous.size < record.size and previous.block_number <= record.block_number <= header.number
    if not in_order or previous.timestamp > record.timestamp:
        raise ProofRefused("record {number} does not come before", number=number - 1, field="anchor")
    is_last = state.last_number == number
    if state.last_number < number or (state.last_size == record.size) != is_last:
        raise ProofRefused("the contract ends at record {state.last_number}", state=state, field="anchor")
    run.record = ProvenRecord(number, record.block_number, record.timestamp)
    return Message("record {number} is this tree head, in block {record.block_number}", number=number, record=record)


STEPS: tuple[tuple[str, Check[BundleVerification]], ...] = (
    ("ledger", _ledger),
    ("checkpoint", _checkpoint),
    ("witnesses", _witnesses),
    ("block", _block),
    ("anchor", _anchor),
)


class _EventRun:
    """The verification of one event in progress: what its steps have accepted so far, None for what they have not."""

    def __init__(self, bundle_run: BundleVerification, entry: BundleEntry):
        self.bundle_run = bundle_run
        self.entry = entry
        self.envelope = entry.envelope
        self.payload: Payload[Raw] | None = None  # as step 7 accepted it
        self.index: int | None = None  # as step 8 accepted it
        self.grants: tuple[Grant, ...] = ()  # as step 10 accepted them
        self.proven_time: int | None = None

    @property
    def is_of_the_service(self) -> bool:
        """Return whether the ledger itself signs the event."""
        return self.envelope.agency == authorities.SERVICE_AGENCY

    def accepted_index(self) -> int:
        """Return the index that step 8 accepted. Raises NotChecked if it did not."""
        if self.index is None:
            raise NotChecked("there is no index that step 8 accepted")
        return self.index


def _conformity(run: _EventRun) -> Statement:
    """Return what one event shows of its conformity: a form, stream or role that its event type does not have."""
    if run.envelope.event_type not in EVENT_TYPES:
        return Statement("not_checked", Message("this release does not know the event type"))
    try:
        require_kind(run.envelope)
        if run.payload is not None and run.entry.event is None:
            run.entry.require_event()
        if run.grants:
            roles = tuple(role for grant in run.grants for role in grant.roles)
            authorities.require_role(run.envelope.event_type, replace(run.grants[0], roles=roles))
        elif run.is_of_the_service:
            authorities.require_role(run.envelope.event_type, None)
    except TallystickError as error:
        return Statement("contradicted", Message("{error.field}: {error}", error=error))
    return CONFORMITY


# 6
def _signature(run: _EventRun) -> StepResult:
    return signed(run.envelope, run.bundle_run.log_id)


def signed(envelope: Envelope, log_id: bytes) -> StepResult:
    """Accept an envelope that is signed for the ledger, if this program has its suite. Raises SignatureRefused."""
    try:
        signatures.verify_envelope(envelope, log_id)
    except signatures.SuiteUnknown as unknown:
        return NotChecked(unknown.text)
    return _text(Message("signed by {key_id}"), key_id=envelope.key_id)


# 7
def _payload(run: _EventRun) -> StepResult:
    if run.entry.payload is None:
        return NotChecked("withheld")
    run.entry.require_payload()
    # Set only now: later steps must not rely on a payload that the signature does not cover.
    run.payload = run.entry.payload
    return run.envelope.payload_digest


# 8
def _inclusion(run: _EventRun) -> StepResult:
    run.bundle_run.entries.require_included(run.entry)
    # Set only after the proof held: an index that is merely claimed is reported nowhere.
    run.index = run.entry.index
    return Message("entry {run.index} of {checkpoint.size}", run=run, checkpoint=run.bundle_run.checkpoint())


# 9
def _sections(run: _EventRun) -> StepResult:
    if run.payload is None:
        return NotChecked("there is no payload that commits to sections", "intact")
    committed = run.payload.confidential
    for label, section in run.entry.sections.items():
        calculated = blake3_text(canonical.encode(section))
        if committed.get(label) != calculated:
            raise IntegrityBroken(
                "expected {committed}, calculated {calculated}",
                committed=committed.get(label, Message("no section of this label")),
                calculated=calculated,
                field=f"sections.{label}",
            )
    hidden = [_hidden(run, label) for label in sorted(committed.keys() - run.entry.sections.keys())]
    if hidden:
        return NotChecked(joined(hidden, by=", "), "intact")
    return _text(Message("{count} of {count} sections shown, with the digests committed to"), count=len(committed))


def _hidden(run: _EventRun, label: str) -> Message:
    """Return why a section is not shown."""
    envelope = run.envelope
    about = envelope.stream, envelope.event_id, envelope.payload_digest, label
    erasures = run.bundle_run.entries.bodies_of(SectionErased, *about) if run.bundle_run.accepted else []
    if erasures:
        return Message("{label} erased by entry {entry}", label=label, entry=erasures[0][0])
    return Message("{label} withheld", label=label)


# 10
def _authority(run: _EventRun) -> StepResult:
    run.accepted_index()
    if run.is_of_the_service:
        run.bundle_run.entries.require_of_ledger(run.entry, run.payload)
        return Message("signed by the ledger's own key, which the trust file names")
    run.grants = run.bundle_run.entries.grounds(run.entry, run.payload)
    granted = Message("{grant.key_id} granted to {grant.agency_id} at entry {grant.granted}")
    return _text(granted, grant=run.grants[0])


# 11
def _revocation(run: _EventRun) -> StepResult:
    index, bundle_run = run.accepted_index(), run.bundle_run
    # The trust file, not the registry, says which key the ledger itself signs with.
    if run.is_of_the_service:
        return NotChecked("the ledger's own key is not revoked, the trust file names another", "intact")
    if not run.grants:
        return NotChecked("there is no grant that step 10 accepted", "intact")
    mirrored = [entry for entry, _ in bundle_run.entries.bodies_of(KeyRevoked, run.envelope.key_id)]
    # Without a trusted block there is no slot to decide: the log's own entries have to do.
    if bundle_run.states is None and mirrored and mirrored[-1] < index:
        raise _revoked_below(mirrored)
    states, header, _ = bundle_run.trusted_states()
    # The registry decides: the log's own entries are the operator's.
    slot = states.grant(run.envelope.key_id)
    if slot._replace(revoked_at=0) not in map(stored_grant, run.grants):
        raise IntegrityBroken("the registry has another grant of the key than the log mirrors", field="anchor")
    if not slot.revoked_at:
        good = Message("not revoked up to block {header.number}, by the registry's key slot", header=header)
        return _good(good, mirrored[:1])
    moment, record = when(slot.revoked_at), bundle_run.record
    if record is None:
        return NotChecked("revoked at {moment}: no record of step 5 to compare that with", moment=moment)
    if slot.revoked_at > record.timestamp:
        good = Message("revoked at {moment}, after the entry was anchored: the key was good then", moment=moment)
        return _good(good, mirrored[:1])
    first = _first_record_after(run, slot.revoked_at)
    # The contract accepted that record only from a log that had mirrored every change before it: an entry at or above
    # its size comes after the mirror of the revocation. One that fits is enough. Were it the first that counts, leaving
    # that one out would improve the verdict, and whoever could get a second one past the witnesses could have had the
    # first one written later.
    above = [entry for entry in mirrored if index < entry < first.size]
    if above:
        good = Message("revoked at entry {revoked}, above this one: the key was good then", revoked=above[0])
        return _good(good, [entry for entry in mirrored[:1] if entry < index])
    if mirrored and mirrored[-1] < index:
        raise _revoked_below(mirrored)
    if mirrored:
        raise Unauthorized("entry {revoked} is not the first revocation", revoked=mirrored[0], field="entries")
    if slot.revoked_at < record.timestamp:
        raise Unauthorized("revoked at {moment}, by no entry that is shown", moment=moment, field="entries")
    return NotChecked("revoked at {moment}, in the very second of the anchor: ask for a newer proof", moment=moment)


def _first_record_after(run: _EventRun, revoked_at: int) -> RecordState:
    """Return the first record of the contract after a revocation. Raises NotChecked if the anchor does not name it."""
    states, _, anchor = run.bundle_run.trusted_states()
    number = anchor.revocations.get(run.envelope.key_id, anchor.number)
    first = states.anchor(number)
    # Behind record 0 stands no registry, so record 1 can be the first whenever the key was revoked.
    follows = number == 1 or first.previous.timestamp <= revoked_at
    precedes = number < anchor.number and revoked_at < first.record.timestamp
    if not follows or not (precedes or number == anchor.number):
        raise NotChecked("the anchor does not name the first record after {moment}", moment=when(revoked_at))
    return first.record


def _good(why: Message, strays: Sequence[int]) -> str:
    """Return why the key was good. An entry that the registry does not bear out spoils nothing, but is reported."""
    stray = Message("entry {entry} mirrors a revocation that does not count: tell the witnesses")
    return joined([why, *(Message(stray, entry=entry) for entry in strays)])


def _revoked_below(mirrored: Sequence[int]) -> Unauthorized:
    return Unauthorized("revoked at entry {revoked}, below this one", revoked=mirrored[0], field="entries")


# 12
def _time(run: _EventRun) -> StepResult:
    index, signed_at, bundle_run = run.accepted_index(), run.envelope.signed_at, run.bundle_run
    proven = list[tuple[int, str]]()
    # The step must not fail because a line was left out on the way: without some co-signatures the latest is no later.
    latest = list[tuple[int, str]]()
    if bundle_run.quorum_time is not None:
        proven.append((bundle_run.quorum_time, Message("the quorum of witnesses")))
        latest.append((bundle_run.last_cosigned, Message("each of the witnesses shown")))
    if bundle_run.record is not None:
        by_anchor = Message("block {record.block_number}, which has the anchor", record=bundle_run.record)
        proven.append((bundle_run.record.timestamp, by_anchor))
        latest.append((bundle_run.record.timestamp, by_anchor))
    if latest and signed_at > min(latest)[0] + SIGNED_AHEAD_S:
        shown_at, by = min(latest)
        raise ProofRefused(
            "signed at {signed_at}, but in the log at {shown_at} by {by}",
            signed_at=when(signed_at),
            shown_at=when(shown_at),
            by=by,
            field="envelope.signed_at",
        )
    stamps, remarks = bundle_run.stamps
    covering = (stamp for size, stamp in stamps if index < size)
    proven += ((stamp.time, Message("the timestamp of {stamp.authority}", stamp=stamp)) for stamp in covering)
    ahead = [by for time, by in proven if signed_at > time + SIGNED_AHEAD_S]
    remarks = [*remarks, *(Message("it says to be signed after {by}", by=by) for by in ahead)]
    if not proven:
        untold = Message("no quorum, no trusted block and no timestamp tells the time")
        return NotChecked(joined([untold, *remarks]), "intact")
    run.proven_time, by = min(proven)
    in_log = Message("in the log at {time} by {by}", time=when(run.proven_time), by=by)
    return joined([in_log, *remarks])


def _stamped(run: BundleVerification, stamp: TreeStamp) -> Timestamp | None:
    """Return when the stamped tree existed, or None if the authority is none that the trust file names."""
    checkpoint = run.checkpoint()
    verify_consistency(stamp.size, stamp.root, checkpoint.size, checkpoint.root, stamp.consistency)
    text = Checkpoint(checkpoint.origin, stamp.size, stamp.root).text()
    return verify_timestamp(decode_base64(stamp.response, "timestamps"), text, run.trust.timestamp_roots)


EVENT_STEPS: tuple[tuple[str, Check[_EventRun]], ...] = (
    ("signature", _signature),
    ("payload", _payload),
    ("inclusion", _inclusion),
    ("sections", _sections),
    ("authority", _authority),
    ("revocation", _revocation),
    ("time", _time),
)
