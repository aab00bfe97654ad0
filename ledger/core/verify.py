"""Verification of a proof bundle: bytes and a trust file in, numbered steps and one verdict out.

 1  form        payload, sections and proof are of the form that the protocol gives them
 2  ledger      the bundle is of the ledger that the trust file names
 3  signature   the envelope is signed by the key it names, for this ledger
 4  payload     the payload has the digest that was signed, and says what the envelope says
 5  checkpoint  the log signed the tree head of the proof
 6  inclusion   the envelope is the entry at this index of that tree
 7  witnesses   as many witnesses co-signed the tree head as the policy asks for
 8  sections    each section shown has the digest that the payload commits to
 9  authority   agency and key stand in the registry's mirror below this entry, and the grant covers the act
10  revocation  the key was not revoked below this entry
11  anchor      a trusted contract is said to hold this tree head
12  storage     the contract's storage proves the record of step 11
13  block       the block of step 12 is one that the verifier trusts
14  time        since when the entry is known to exist

A step is checked, failed or not checked. One failed step: ``tampered``. Not checked makes ``unverifiable`` of steps 4
(payload withheld), 5, 6, 7 (quorum not reached), 9 and 11 (anchors of unknown contracts only), ``not_yet_anchored`` of
step 11 without anchors, ``unverifiable`` of step 10 where the key was revoked in the very block of the anchor and the
bundle has no revocation; it leaves the verdict as it is for step 7 where the policy asks for no witness, for step 8
(withheld or erased), for step 10 otherwise, and for steps 12 to 14. What is not proven is told as a claim and enters no
verdict. Step 10 rests on the state that step 12 has proven, and comes after it; both rest on the block of step 13.

Files, chains and clocks are not read here. That nothing came after an event is shown by ``ledger.core.verify_case``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import UNSET

from ledger.core import authority as authorities
from ledger.core import signature
from ledger.core.authority import Grant
from ledger.core.bundle import Anchor, Bundle, decode_bundle, read_anchors, read_authority, read_part
from ledger.core.bundle_evidence import TreeHead, erased_at, require_granted, revoked_at
from ledger.core.bundle_timestamps import read_stamps
from ledger.core.checkpoint import Checkpoint, Cosignature, verify_checkpoint, verify_cosignatures
from ledger.core.contract_state import ContractState, read_state
from ledger.core.errors import IntegrityBroken, MalformedInput, ProofRefused, Unauthorized
from ledger.core.event import (
    EVENT_TYPES,
    Envelope,
    Payload,
    decode_envelope,
    decode_payload,
    decode_section,
    digest_of,
    require_agreement,
)
from ledger.core.merkle import leaf_hash
from ledger.core.note import VerifyingKey
from ledger.core.proof import TlogProof, parse_tlog_proof
from ledger.core.report import Check, NotChecked, Outcome, ProvenBlock, Report, perform, subject_of, worst
from ledger.core.timestamp import Timestamp
from ledger.core.trust import Trust, TrustedChain
from ledger.core.verify_chain import SeenBlock, require_not_revoked, require_record, require_trusted, when

CheckpointVerifier = Callable[[str, VerifyingKey], Checkpoint]


class _Run:
    """A verification under way: what the steps so far have read and accepted. None is what they have not."""

    def __init__(self, bundle: Bundle, trust: Trust, check_note: CheckpointVerifier, seen: Sequence[SeenBlock]):
        self.bundle = bundle
        self.trust = trust
        self.check_note = check_note
        self.seen = seen
        self.envelope, self.entry = read_part(bundle.envelope, decode_envelope, "envelope")
        self.shown: Payload | None = None  # as step 1 read it
        self.payload: Payload | None = None  # as step 4 accepted it
        self.payload_bytes = b""
        self.sections: dict[str, bytes] = {}
        self.proof: TlogProof | None = None
        self.accepted: TreeHead | None = None
        self.index: int | None = None
        self.cosignatures: tuple[Cosignature, ...] = ()
        self.anchor: tuple[Anchor, TrustedChain] | None = None
        self.state: ContractState | None = None  # as step 12 accepted it
        self.block: ProvenBlock | None = None
        self.evidence = b""
        self.grant: Grant | None = None
        self.proven_time: int | None = None

    def head(self) -> TreeHead:
        """The tree head of step 5."""
        if self.accepted is None:
            raise NotChecked("there is no checkpoint that step 5 accepted")
        return self.accepted

    def accepted_index(self) -> int:
        """The index of step 6."""
        if self.index is None:
            raise NotChecked("there is no index that step 6 accepted")
        return self.index


class Verified(NamedTuple):
    """A bundle, its report, and the parts of it that were read; None is what was not shown or not accepted."""

    report: Report
    bundle: Bundle
    envelope: Envelope
    payload: Payload | None
    checkpoint: Checkpoint | None


def verify_bundle(
    data: bytes, trust: Trust, *, check_note: CheckpointVerifier = verify_checkpoint, seen: Sequence[SeenBlock] = ()
) -> Report:
    """What a bundle proves to the holder of the trust file.

    ``check_note`` may remember what it accepted: its result depends on its arguments alone. ``seen`` are blocks that a
    chain was asked for. Raises MalformedInput for what is no bundle at all; whatever is wrong in a bundle is a failed
    step.
    """
    return verify_event(data, trust, check_note=check_note, seen=seen).report


def verify_event(
    data: bytes, trust: Trust, *, check_note: CheckpointVerifier = verify_checkpoint, seen: Sequence[SeenBlock] = ()
) -> Verified:
    """The same with the parts that were read, for those who go on from there."""
    run = _Run(decode_bundle(data), trust, check_note, seen)
    done = {}
    for number in ORDER:
        name, check = STEPS[number - 1]
        done[number] = perform(number, name, check, run)
    steps = tuple([done[number] for number in range(1, len(STEPS) + 1)])
    checkpoint = run.accepted.checkpoint if run.accepted else None
    report = Report(
        verdict=worst([step.verdict for step in steps]),
        development=trust.development,
        subject=subject_of(run.envelope, run.payload, run.index, checkpoint),
        steps=steps,
        proven_time=run.proven_time,
        block=run.block,
    )
    return Verified(report, run.bundle, run.envelope, run.payload, checkpoint)


# 1
def _form(run: _Run) -> Outcome:
    faults: list[MalformedInput] = []
    for read in (_read_proof, _read_payload, _read_sections):
        try:
            read(run)
        except MalformedInput as fault:
            faults.append(fault)
    if faults:
        raise faults[0]
    return "envelope, payload, sections and proof read strictly"


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
        raise IntegrityBroken(f"expected the ledger {expected}, not {run.bundle.log_id}", field="log_id")
    return f"ledger {expected}"


# 3
def _signature(run: _Run) -> Outcome:
    signature.verify_envelope(run.envelope, run.trust.log_id)
    return f"signed by {run.envelope.key_id}"


# 4
def _payload(run: _Run) -> Outcome:
    if run.bundle.payload is UNSET:
        return NotChecked("withheld")
    if run.shown is None:
        return NotChecked("the payload has not the form of step 1")
    require_agreement(run.envelope, run.shown, run.payload_bytes)
    run.payload = run.shown
    return f"{run.envelope.payload_digest}, and every field that stands in both is equal"


# 5
def _checkpoint(run: _Run) -> Outcome:
    if run.proof is None:
        return NotChecked("the proof has not the form of step 1")
    checkpoint = run.check_note(run.proof.checkpoint, run.trust.log_key)
    run.accepted = TreeHead(checkpoint, run.proof.checkpoint, run.trust.log_id)
    return f"size {checkpoint.size}, root {checkpoint.root.hex()}, signed by {run.trust.origin}"


# 6
def _inclusion(run: _Run) -> Outcome:
    checkpoint = run.head().checkpoint
    assert run.proof is not None
    run.proof.verify_inclusion(leaf_hash(run.entry), checkpoint)
    run.index = run.proof.index
    return f"entry {run.index} of {checkpoint.size}, by {len(run.proof.hashes)} hashes"


# 7
def _witnesses(run: _Run) -> Outcome:
    policy, note = run.trust.policy, run.head().note
    if policy.witnesses:
        run.cosignatures = verify_cosignatures(note, policy.witnesses.values())
    if not policy.asks_for_witnesses:
        return NotChecked("the policy asks for no witness: this is a development ledger", "intact")
    names = ", ".join(cosignature.witness.name for cosignature in run.cosignatures) or "no witness"
    if not policy.is_met_by(cosignature.witness for cosignature in run.cosignatures):
        return NotChecked(f"the quorum {policy.quorum} is not reached by {names}")
    return f"the quorum {policy.quorum} is reached by {names}"


# 8
def _sections(run: _Run) -> Outcome:
    if run.payload is None:
        return NotChecked("there is no payload that commits to sections", "intact")
    committed = run.payload.confidential
    for label, data in run.sections.items():
        if committed.get(label) != digest_of(data):
            raise IntegrityBroken(
                f"expected {committed.get(label, 'no section of this label')}, calculated {digest_of(data)}",
                field=f"sections.{label}",
            )
    erased = _erasures(run)
    hidden = sorted(committed.keys() - run.bundle.sections.keys())
    if hidden:
        reasons = {label: f"erased by entry {erased[label]}" if label in erased else "withheld" for label in hidden}
        return NotChecked(", ".join(f"{label} {reason}" for label, reason in reasons.items()), "intact")
    return f"{len(committed)} of {len(committed)} sections shown, with the digests committed to"


def _erasures(run: _Run) -> dict[str, int]:
    return {erasure.label: erased_at(erasure, run.envelope, run.head()) for erasure in run.bundle.erased}


# 9
def _authority(run: _Run) -> Outcome:
    index, evidence = run.accepted_index(), run.bundle.authority
    service_key_id = run.trust.service_key_id
    if _is_of_the_service(run.envelope):
        if evidence is not UNSET:
            raise Unauthorized("an entry of the ledger itself rests on no grant", field="authority")
        authorities.require_key(authorities.initial(run.trust.log_id, service_key_id), run.envelope, index)
        _require_officer(run, None)
        return "signed by the ledger's own key, which the trust file names"
    if evidence is UNSET:
        return NotChecked("the bundle has no evidence of a grant")
    run.evidence = bytes(evidence)
    standing = require_granted(run.evidence, run.envelope, index, run.head(), service_key_id)
    grant = standing.grant
    _require_officer(run, grant)
    run.grant = grant
    return f"{grant.agency_id} admitted at entry {standing.admission}, {grant.key_id} granted at entry {grant.granted}"


def _is_of_the_service(envelope: Envelope) -> bool:
    row = EVENT_TYPES.get(envelope.event_type)
    return row is not None and not row.roles


def _require_officer(run: _Run, grant: Grant | None) -> None:
    if run.payload is not None:
        authorities.require_officer(grant, run.payload)


# 10
def _revocation(run: _Run) -> Outcome:
    index = run.accepted_index()
    if _is_of_the_service(run.envelope):
        return NotChecked("the ledger's own key is not revoked, the trust file names another", "intact")
    if run.grant is None:
        return NotChecked("there is no grant that step 9 accepted", "intact")
    revocation = read_authority(run.evidence).revocation
    revoked = None
    if revocation is not UNSET:
        revoked = revoked_at(revocation, run.grant, run.head(), run.trust.service_key_id)
        if revoked < index:
            raise Unauthorized(f"revoked at entry {revoked}, below entry {index}", field="authority.revocation")
    if run.state is not None and run.state.grant is not None:
        return require_not_revoked(run.grant, run.state.grant, run.state, revoked, index)
    if revoked is None:
        return NotChecked("there is no storage proof of the registry's key slot that step 12 accepted", "intact")
    return f"revoked at entry {revoked}, above entry {index}: the key was good then"


# 11
def _anchor(run: _Run) -> Outcome:
    checkpoint = run.head().checkpoint
    anchors = () if run.bundle.anchors is UNSET else read_anchors(bytes(run.bundle.anchors))
    if not anchors:
        return NotChecked("the bundle has no anchor", "not_yet_anchored")
    known = [(anchor, chain) for anchor in anchors if (chain := run.trust.chain(anchor.chain, anchor.contract))]
    if not known:
        return NotChecked("the trust file names none of the contracts that the bundle names")
    for anchor, _ in known:
        _require_anchored(anchor, checkpoint)
    run.anchor = known[0]
    anchor, _ = run.anchor
    return f"record {anchor.number} of {anchor.contract} on chain {anchor.chain.chain_id} is said to be this tree head"


def _require_anchored(anchor: Anchor, checkpoint: Checkpoint) -> None:
    said, expected = (anchor.size, anchor.root), (checkpoint.size, "0x" + checkpoint.root.hex())
    if said != expected:
        raise ProofRefused(
            f"expected size {expected[0]} and root {expected[1]} as in the checkpoint, not {said[0]} and {said[1]}",
            field="anchors",
        )
    if anchor.number == 0 or anchor.anchored_in.block_number < anchor.chain.deployment_block_number:
        raise ProofRefused("the record is said to be older than the contract", field="anchors")


# 12
def _storage(run: _Run) -> Outcome:
    anchor, chain = _accepted_anchor(run)
    if anchor.proven_at is UNSET:
        return NotChecked("the bundle has no storage proof: the record of step 11 is a claim", "intact")
    key_id = None if _is_of_the_service(run.envelope) else run.envelope.key_id
    state = read_state(anchor.proven_at, chain, anchor.number, key_id)
    said = require_record(state, anchor, run.head().checkpoint)
    run.state = state
    return said


# 13
def _block(run: _Run) -> Outcome:
    anchor, chain = _accepted_anchor(run)
    if run.state is None:
        claim = f"block {anchor.anchored_in.block_number} ({anchor.anchored_in.block_hash}) is a claim"
        return NotChecked(f"there is no storage proof that step 12 accepted; {claim}", "intact")
    header = run.state.header
    outcome = require_trusted(header, chain, run.seen)
    is_trusted = not isinstance(outcome, NotChecked)
    run.block = ProvenBlock(header.number, "0x" + header.hash.hex(), header.timestamp, is_trusted)
    return outcome


def _accepted_anchor(run: _Run) -> tuple[Anchor, TrustedChain]:
    if run.anchor is None:
        raise NotChecked("there is no anchor that step 11 accepted", "intact")
    return run.anchor


# 14
def _time(run: _Run) -> Outcome:
    run.accepted_index()
    known = [(seen.timestamp, f"the co-signature of {seen.witness.name}") for seen in run.cosignatures]
    stamps, passed_over = _stamps(run)
    known += [(stamp.time, f"the timestamp of {stamp.authority}") for stamp in stamps]
    if run.state is not None and run.block is not None and run.block.trusted:
        known.append((run.state.record.timestamp, f"the time of the anchor's block {run.state.record.block_number}"))
    if not known:
        claim = f"; block time {when(run.anchor[0].anchored_in.timestamp)} is a claim" if run.anchor else ""
        told = f"no co-signature, no timestamp and no trusted block tells the time{claim}{passed_over}"
        return NotChecked(told, "intact")
    run.proven_time, by = min(known)
    return f"in the log at {when(run.proven_time)} by {by}{passed_over}"


def _stamps(run: _Run) -> tuple[Sequence[Timestamp], str]:
    """The timestamps that hold, and what is to be told of those that were passed over."""
    if run.bundle.timestamps is UNSET:
        return (), ""
    if not run.trust.timestamp_roots:
        return (), "; timestamps are not checked: the trust file names no authority's root"
    stamps = read_stamps(
        bytes(run.bundle.timestamps),
        leaf_hash(run.entry),
        run.accepted_index(),
        run.trust.timestamp_roots,
        lambda note: run.check_note(note, run.trust.log_key),
    )
    told = f"; {stamps.unknown} of an authority that the trust file does not name" if stamps.unknown else ""
    return stamps.held, told


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
    ("revocation", _revocation),
    ("anchor", _anchor),
    ("storage", _storage),
    ("block", _block),
    ("time", _time),
)

# Each after those that it rests on: 10 on 12.
ORDER = (*range(1, 10), 11, 12, 13, 10, 14)
