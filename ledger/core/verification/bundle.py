"""Verification of a proof bundle: bytes and a trust file in, numbered steps and one verdict out.

 1  form        payload, sections and proof are of the form that the protocol gives them
 2  ledger      the bundle is of the ledger that the trust file names
 3  signature   the envelope is signed by the key it names, for this ledger
 4  payload     the payload has the digest that was signed, and agrees with the envelope
 5  checkpoint  the log signed the tree head of the proof
 6  inclusion   the envelope is the entry at this index of that tree
 7  witnesses   as many witnesses co-signed the tree head as the policy asks for
 8  sections    each section shown has the digest that the payload commits to
 9  authority   agency and key are in the registry's mirror below this entry, and the grant covers the act
10  block       the block of the anchor is final: by the trust file, by a node that was asked, or by the witnesses
11  anchor      the contract's storage in that block has this tree head as a record, after the record before it
12  revocation  the registry's storage in that block has the grant of step 9, and the key was good for this entry
13  time        the entry existed by a proven time, and was not signed after it

A step is checked, failed or not checked. One failed step makes the verdict ``tampered``. Not checked makes it
``unverifiable`` for steps 4 (payload withheld), 5, 6, 7 (quorum not reached), 9, and 12 (the key's slots left out, or
revoked in the very second of the anchor), and ``not_yet_anchored`` for steps 10 to 12 if no block is trusted. It does
not change the verdict for step 7 if the policy asks for no witness, for step 8 (withheld or erased), for step 12 if
the ledger's own key signed the entry, and for step 13.

The verdict is about the *content*, payload and sections, and rests on *evidence*. What ``intact`` needs is mandatory.
Optional evidence (erasures, the entry of a revocation, a block note, timestamps) that does not verify counts as left
out, and its step says so; so leaving evidence out never makes a verdict ``intact``. One exception follows from C2SP
signed-note: a bad line of a named witness spoils the note of step 7. A chain's state is used only after its block is
trusted; from then on the registry's slot decides whether a key was revoked, and a log entry that contradicts it is
reported. Each step comes after those it rests on.

Files, chains and clocks are not read here. Whether the custody rules were kept, and whether events followed, is judged
for a whole case: ``ledger.core.verification.case``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.errors import IntegrityBroken, MalformedInput, ProofRefused, SignatureRefused, TallystickError
from ledger.core.ethereum.block_headers import BlockHeader, read_header
from ledger.core.events import (
    EVENT_TYPES,
    Envelope,
    Payload,
    decode_envelope,
    decode_payload,
    decode_section,
    digest_of,
    require_agreement,
)
from ledger.core.log.checkpoints import Checkpoint, Cosignature, names_of, verify_checkpoint, verify_cosignatures
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.notes import VerifyingKey
from ledger.core.log.policy import Policy
from ledger.core.log.tlog_proofs import TlogProof, parse_tlog_proof
from ledger.core.messages import Message, joined
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import Grant
from ledger.core.verification.bundle_format import Anchor, Bundle, decode_bundle, read_anchor, read_authority, read_part
from ledger.core.verification.chain import (
    ObservedBlock,
    require_below,
    require_mirrored_by,
    require_not_revoked,
    require_record,
    require_trusted,
    when,
)
from ledger.core.verification.contract_storage import RecordState, read_anchor_state, read_grant_state
from ledger.core.verification.evidence import TreeHead, erased_at, read_stamps, require_granted, revoked_at
from ledger.core.verification.report import (
    AnchorBlock,
    Check,
    NotChecked,
    Outcome,
    ProofReport,
    ProvenRecord,
    Statement,
    perform,
    subject_of,
    worst,
)
from ledger.core.verification.timestamps import Timestamp
from ledger.core.verification.trust import Trust, TrustedChain

SIGNED_AHEAD_S = 300  # seconds by which a signer's clock may be ahead of the proven time

CONFORMITY = Statement("not_checked", "the custody rules judge a case, not one event")
COMPLETENESS = Statement("not_checked", "one event says nothing of those after it")


class _Run:
    """A verification in progress: what its steps have read and accepted so far, None for what they have not."""

    def __init__(self, bundle: Bundle, trust: Trust, observed: Sequence[ObservedBlock]):
        self.bundle = bundle
        self.trust = trust
        self.observed = observed
        self.envelope, self.entry = read_part(bundle.envelope, decode_envelope, "envelope")
        self.shown: Payload | None = None  # as step 1 read it
        self.payload: Payload | None = None  # as step 4 accepted it
        self.payload_bytes = b""
        self.sections: dict[str, bytes] = {}
        self.proof: TlogProof | None = None
        self.accepted: TreeHead | None = None
        self.index: int | None = None
        self.quorum_time: int | None = None  # as step 7 accepted it
        self.last_cosigned: int | None = None  # the latest of those times
        self.block: AnchorBlock | None = None
        self.trusted: tuple[Anchor, BlockHeader, TrustedChain] | None = None  # as step 10 accepted it
        self.record: RecordState | None = None  # as step 11 accepted it
        self.before: RecordState | None = None  # the record before it, unless it is record 0
        self.evidence = b""
        self.grant: Grant | None = None
        self.kind: str | None = None  # of the agency, as step 9 accepted it
        self.proven_time: int | None = None

    def head(self) -> TreeHead:
        """Return the tree head that step 5 accepted. Raises NotChecked if it did not."""
        if self.accepted is None:
            raise NotChecked("there is no checkpoint that step 5 accepted")
        return self.accepted

    def accepted_index(self) -> int:
        """Return the index that step 6 accepted. Raises NotChecked if it did not."""
        if self.index is None:
            raise NotChecked("there is no index that step 6 accepted")
        return self.index


class VerifiedEvent(NamedTuple):
    """A bundle, its report, the parts of it that were read, and the kind of the signing agency.

    None stands for what is not shown or not accepted.
    """

    report: ProofReport
    bundle: Bundle
    envelope: Envelope
    payload: Payload | None
    checkpoint: Checkpoint | None
    kind: str | None


def verify_bundle(data: bytes, trust: Trust, *, observed: Sequence[ObservedBlock] = ()) -> ProofReport:
    """Verify a bundle against a trust file.

    ``observed`` are blocks that a chain was asked for. Raises MalformedInput if the bytes are no bundle at all; every
    other fault is a failed step of the report.
    """
    return verify_event(data, trust, observed=observed).report


def verify_event(data: bytes, trust: Trust, *, observed: Sequence[ObservedBlock] = ()) -> VerifiedEvent:
    """Verify a bundle as ``verify_bundle`` does; return the parts that were read with the report."""
    run = _Run(decode_bundle(data), trust, observed)
    steps = tuple([perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1)])
    checkpoint = run.accepted.checkpoint if run.accepted else None
    record: ProvenRecord | None = None
    if run.record is not None and run.trusted is not None:
        record = ProvenRecord(run.trusted[0].number, run.record.block_number, run.record.timestamp)
    report = ProofReport(
        verdict=worst([step.verdict for step in steps]),
        conformity=CONFORMITY,
        completeness=COMPLETENESS,
        development=trust.development,
        subject=subject_of(run.envelope, run.payload, run.index, checkpoint),
        steps=steps,
        proven_time=run.proven_time,
        block=run.block,
        record=record,
    )
    return VerifiedEvent(report, run.bundle, run.envelope, run.payload, checkpoint, run.kind)


# 1
def _form(run: _Run) -> Outcome:
    first_fault: list[MalformedInput] = []
    for read in (_read_proof, _read_payload, _read_sections):
        try:
            read(run)
        except MalformedInput as fault:
            if not first_fault:
                first_fault.append(fault)
    if first_fault:
        raise first_fault.pop()  # popped, so that no cycle of frame and exception keeps the run alive
    return Message("envelope, payload, sections and proof read strictly")


def _read_proof(run: _Run) -> None:
    run.proof = parse_tlog_proof(run.bundle.proof)


def _read_payload(run: _Run) -> None:
    if run.bundle.payload is not UNSET:
        run.shown, run.payload_bytes = read_part(
            run.bundle.payload, partial(decode_payload, event_type=run.envelope.event_type), "payload"
        )


def _read_sections(run: _Run) -> None:
    for label, part in run.bundle.sections.items():
        _, run.sections[label] = read_part(part, partial(decode_section, label=label), f"sections.{label}")


# 2
def _ledger(run: _Run) -> Outcome:
    expected = "0x" + run.trust.log_id.hex()
    if run.bundle.log_id != expected:
        raise IntegrityBroken("expected the ledger {expected}", expected=expected, field="log_id")
    return Message("ledger {expected}", expected=expected)


# 3
def _signature(run: _Run) -> Outcome:
    signatures.verify_envelope(run.envelope, run.trust.log_id)
    return Message("signed by {run.envelope.key_id}", run=run)


# 4
def _payload(run: _Run) -> Outcome:
    if run.bundle.payload is UNSET:
        return NotChecked("withheld")
    if run.shown is None:
        return NotChecked("the payload has not the form of step 1")
    require_agreement(run.envelope, run.shown, run.payload_bytes)
    # Set only now: later steps must not rely on a payload that the signature does not cover.
    run.payload = run.shown
    return Message("{run.envelope.payload_digest}, and every field that stands in both is equal", run=run)


# 5
def _checkpoint(run: _Run) -> Outcome:
    if run.proof is None:
        return NotChecked("the proof has not the form of step 1")
    try:
        checkpoint = verify_checkpoint(run.proof.checkpoint, run.trust.log_key_of(run.proof.checkpoint))
    except SignatureRefused as error:
        raise _spoiled(error, error.field) from error
    run.accepted = TreeHead(checkpoint, run.proof.checkpoint, run.trust.log_id)
    return Message("size {checkpoint.size}, root {root}", checkpoint=checkpoint, root=checkpoint.root.hex())


def _spoiled(error: SignatureRefused, field: str | None) -> SignatureRefused:
    return SignatureRefused(
        "{error}: whoever passed the note on may have spoiled it, which says nothing of the log; ask for another copy",
        error=error,
        field=field,
    )


# 6
def _inclusion(run: _Run) -> Outcome:
    checkpoint = run.head().checkpoint
    assert run.proof is not None
    run.proof.verify_inclusion(leaf_hash(run.entry), checkpoint)
    # Set only after the proof held: an index that is merely claimed is reported nowhere.
    run.index = run.proof.index
    return Message("entry {run.index} of {checkpoint.size}", run=run, checkpoint=checkpoint)


# 7
def _witnesses(run: _Run) -> Outcome:
    # Verified even where no quorum is asked for: a false line of a known witness spoils a note.
    policy, note = run.trust.policy, run.head().note
    try:
        cosignatures = verify_cosignatures(note, policy.witnesses.values())
    except SignatureRefused as error:
        raise _spoiled(error, "proof") from error
    if not policy.asks_for_witnesses:
        return NotChecked("the policy asks for no witness: this is a development ledger", "intact")
    names = names_of(cosignatures)
    run.quorum_time = _quorum_time(policy, cosignatures)
    if run.quorum_time is None:
        return NotChecked("the quorum {policy.quorum} is not reached by {names}", policy=policy, names=names)
    run.last_cosigned = max(cosignature.timestamp for cosignature in cosignatures)
    return Message("the quorum {policy.quorum} is reached by {names}", policy=policy, names=names)


def _quorum_time(policy: Policy, cosignatures: Iterable[Cosignature]) -> int | None:
    """Return when the quorum was reached, or None: no single witness can date an entry earlier."""
    in_time_order = sorted(cosignatures, key=lambda cosignature: cosignature.timestamp)
    cosigners = list[VerifyingKey]()
    for cosignature in in_time_order:
        cosigners.append(cosignature.witness)
        if policy.is_met_by(cosigners):
            return cosignature.timestamp
    return None


# 8
def _sections(run: _Run) -> Outcome:
    if run.payload is None:
        return NotChecked("there is no payload that commits to sections", "intact")
    committed = run.payload.confidential
    for label, data in run.sections.items():
        if committed.get(label) != digest_of(data):
            raise IntegrityBroken(
                "expected {committed}, calculated {calculated}",
                committed=committed.get(label, Message("no section of this label")),
                calculated=digest_of(data),
                field=f"sections.{label}",
            )
    erased, faults = _erasures(run)
    hidden = sorted(committed.keys() - run.sections.keys())  # a section that failed step 1 counts as not shown
    if hidden:
        reasons = [
            Message("{label} erased by entry {entry}", label=label, entry=erased[label])
            if label in erased
            else Message("{label} withheld", label=label)
            for label in hidden
        ]
        return NotChecked(joined([joined(reasons, by=", "), *faults]), "intact")
    shown = Message("{count} of {count} sections shown, with the digests committed to", count=len(committed))
    return joined([shown, *faults])


def _erasures(run: _Run) -> tuple[dict[str, int], list[Message]]:
    """Return the entries that erased sections, by label, and texts about claimed erasures that do not verify."""
    held, faults = dict[str, int](), list[Message]()
    for erasure in run.bundle.erased:
        try:
            held[erasure.label] = erased_at(erasure, run.envelope, run.head())
        except NotChecked as gap:
            faults.append(Message("erasure of {erasure.label} not looked at: {gap.why}", erasure=erasure, gap=gap))
        except TallystickError as error:
            faults.append(Message("erasure of {erasure.label} does not hold: {error}", erasure=erasure, error=error))
    return held, faults


# 9
def _authority(run: _Run) -> Outcome:
    index, evidence = run.accepted_index(), run.bundle.authority
    service = run.trust.service_keys
    if _is_of_the_service(run.envelope):
        authorities.require_key(authorities.initial(run.trust.log_id, service), run.envelope, index)
        _require_officer(run, None)
        signed = Message("signed by the ledger's own key, which the trust file names")
        passed_over = Message("evidence of a grant is not looked at: it needs none")
        return signed if evidence is UNSET else joined([signed, passed_over])
    if evidence is UNSET:
        return NotChecked("the bundle has no evidence of a grant")
    run.evidence = bytes(evidence)
    standing = require_granted(run.evidence, run.envelope, index, run.head(), service)
    grant = standing.grant
    _require_officer(run, grant)
    run.grant, run.kind = grant, standing.kind
    return Message("{grant.key_id} granted to {grant.agency_id} at entry {grant.granted}", grant=grant)


def _is_of_the_service(envelope: Envelope) -> bool:
    row = EVENT_TYPES.get(envelope.event_type)
    return row is not None and not row.roles


def _require_officer(run: _Run, grant: Grant | None) -> None:
    if run.payload is not None:
        authorities.require_officer(grant, run.payload)


# 10
def _block(run: _Run) -> Outcome:
    if run.bundle.anchor is UNSET:
        return NotChecked("the bundle has no anchor: ask for a newer proof", "not_yet_anchored")
    anchor = read_anchor(bytes(run.bundle.anchor))
    header = read_header(bytes.fromhex(anchor.header_rlp[2:]))
    outcome = require_trusted(anchor, header, run.trust, run.observed)
    chain = run.trust.chain(anchor.chain, anchor.contract)
    is_trusted = not isinstance(outcome, NotChecked)
    run.block = AnchorBlock(header.number, "0x" + header.hash.hex(), header.timestamp, is_trusted)
    if is_trusted and chain is not None:
        # Without the note, many bundles share one anchor in the caches.
        run.trusted = (replace(anchor, block_note=UNSET), header, chain)
    return outcome


# 11
def _anchor(run: _Run) -> Outcome:
    checkpoint = run.head().checkpoint
    anchor, header, chain = _trusted_state(run)
    state = read_anchor_state(anchor, header, chain)
    compared = require_record(anchor.number, state, header, checkpoint)
    run.record = state.record
    run.before = state.previous if anchor.number > 1 else None
    return compared


def _trusted_state(run: _Run) -> tuple[Anchor, BlockHeader, TrustedChain]:
    if run.trusted is None:
        raise NotChecked("there is no block that step 10 accepted", "not_yet_anchored")
    return run.trusted


# 12
def _revocation(run: _Run) -> Outcome:
    index = run.accepted_index()
    # The trust file, not the registry, says which key the ledger itself signs with.
    if _is_of_the_service(run.envelope):
        return NotChecked("the ledger's own key is not revoked, the trust file names another", "intact")
    if run.grant is None:
        return NotChecked("there is no grant that step 9 accepted", "intact")
    revoked, faults = None, list[Message]()
    revocation = read_authority(run.evidence).revocation
    if revocation is not UNSET:
        try:
            revoked = revoked_at(bytes(revocation), run.grant, run.head(), run.trust.service_keys)
        except TallystickError as error:
            faults = [Message("the entry of a revocation is shown that does not hold: {error}", error=error)]
    # Without a trusted block there is no slot to decide: the log's own entry has to do.
    if run.trusted is None and revoked is not None:
        require_below(index, revoked)
    anchor, header, chain = _trusted_state(run)
    # The registry decides: the log's own entries are the operator's.
    slot = read_grant_state(anchor, header, chain, run.grant.key_id)
    if slot is None:
        left_out = Message("the anchor leaves out the registry's slots of the key: ask for another proof")
        return NotChecked(joined([left_out, *faults]))
    anchored_at = None if run.record is None else run.record.timestamp
    if revoked is not None:
        require_mirrored_by(run.before, slot, revoked)
    outcome = require_not_revoked(run.grant, slot, header, index, revoked=revoked, anchored_at=anchored_at)
    return outcome if isinstance(outcome, NotChecked) else joined([outcome, *faults])


# 13
def _time(run: _Run) -> Outcome:
    run.accepted_index()
    signed_at = run.envelope.signed_at
    proven = list[tuple[int, str]]()
    # The step must not fail because a line was left out on the way: without some co-signatures the latest is no later.
    latest = list[tuple[int, str]]()
    if run.quorum_time is not None and run.last_cosigned is not None:
        proven.append((run.quorum_time, Message("the quorum of witnesses")))
        latest.append((run.last_cosigned, Message("each of the witnesses shown")))
    if run.record is not None:
        by_anchor = Message("block {record.block_number}, which has the anchor", record=run.record)
        proven.append((run.record.timestamp, by_anchor))
        latest.append((run.record.timestamp, by_anchor))
    if latest and signed_at > min(latest)[0] + SIGNED_AHEAD_S:
        shown_at, by = min(latest)
        raise ProofRefused(
            "signed at {signed_at}, but in the log at {shown_at} by {by}",
            signed_at=when(signed_at),
            shown_at=when(shown_at),
            by=by,
            field="envelope.signed_at",
        )
    stamps, remarks = _stamps(run)
    if run.quorum_time is not None and signed_at > run.quorum_time + SIGNED_AHEAD_S:
        after = Message("it says to be signed after the quorum of witnesses was reached, of whom one signed later")
        remarks.append(after)
    for stamp in stamps:
        proven.append((stamp.time, Message("the timestamp of {stamp.authority}", stamp=stamp)))
        if signed_at > stamp.time + SIGNED_AHEAD_S:
            remarks.append(Message("it says to be signed after the timestamp of {stamp.authority}", stamp=stamp))
    if not proven:
        untold = Message("no quorum, no trusted block and no timestamp tells the time")
        return NotChecked(joined([untold, *remarks]), "intact")
    run.proven_time, by = min(proven)
    in_log = Message("in the log at {time} by {by}", time=when(run.proven_time), by=by)
    return joined([in_log, *remarks])


def _stamps(run: _Run) -> tuple[Sequence[Timestamp], list[Message]]:
    """Return the timestamps that verify, and texts about the others."""
    if run.bundle.timestamps is UNSET:
        return (), []
    if not run.trust.timestamp_roots:
        return (), [Message("timestamps are not checked: the trust file names no authority's root")]
    stamps = read_stamps(
        bytes(run.bundle.timestamps),
        leaf_hash(run.entry),
        run.accepted_index(),
        run.trust.timestamp_roots,
        lambda note: verify_checkpoint(note, run.trust.log_key_of(note)),
    )
    remarks = [Message("a timestamp does not hold: {fault}", fault=fault) for fault in stamps.faults]
    if stamps.unknown:
        remarks.append(Message("{stamps.unknown} of an authority that the trust file does not name", stamps=stamps))
    return stamps.held, remarks


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("form", _form),
    ("ledger", _ledger),
    ("signature", _signature),
    ("payload", _payload),
    ("checkpoint", _checkpoint),
    ("inclusion", _inclusion),
    ("witnesses", _witnesses),
    ("sections", _sections),
    ("authority", _authority),
    ("block", _block),
    ("anchor", _anchor),
    ("revocation", _revocation),
    ("time", _time),
)
