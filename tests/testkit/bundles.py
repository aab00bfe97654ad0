"""Builders of logs and proof bundles, as somebody who has no store makes them: trees by the recursive reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.ethereum.block_headers import read_header
from ledger.core.events import EVENT_TYPES, SYSTEM_STREAM_ID, Body, registry
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint, parse_checkpoint, sign_checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner, SignatureType, parse_note
from ledger.core.log.policy import parse_policy
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.verification.bundle_format import (
    AuthorityEvidence,
    Bundle,
    CaseBundle,
    Erasure,
    Evidence,
    decode_bundle,
    encode_bundle,
    raw,
    read_anchor,
)
from ledger.core.verification.trust import Trust, TrustedBlock, TrustedChain
from scripts.docs.chain_states import State
from tests.oracles import merkle_reference as reference
from tests.testkit.builders import (
    LOG_ID,
    POLICE,
    SERVICE,
    START,
    Event,
    Officer,
    Registry,
    Writer,
    clerk,
    key_id,
    supervisor,
)
from tests.testkit.casework import Case

ORIGIN = "ledger.example/handovers"
LOG_SIGNER = SeedSigner.from_seed(ORIGIN, bytes([1]) * 32)
WITNESSES = [
    SeedSigner.from_seed(f"witness.example/w{number}", bytes([number + 1]) * 32, SignatureType.COSIGNATURE_V1)
    for number in (1, 2, 3)
]
WITNESS_LINES = "".join(f"witness w{n} {w.verifying_key.vkey()}\n" for n, w in enumerate(WITNESSES, 1))
TWO_OF_THREE = f"{WITNESS_LINES}group g 2 w1 w2 w3\nquorum g\n"


def _word(label: str) -> str:
    return "0x" + sha256(label.encode()).hexdigest()


CHAIN = TrustedChain(
    chain_id=31337,
    deployment_block_number=3,
    deployment_block_hash=_word("block 3"),
    registry=key_id("registry contract"),
    anchor=key_id("anchor contract"),
    registry_code_hash=_word("registry code"),
    anchor_code_hash=_word("anchor code"),
    finality="finalized",
)


ANCHORED_AT = START + 4000  # the time of block 9, which has the anchor
BLOCK = 12  # whose state proves it


def trust(policy: str = "quorum none\n", *, development: bool = True, **changes: Any) -> Trust:
    """Return the trust file's content for the logs of these builders."""
    trust = Trust(LOG_ID, LOG_SIGNER.verifying_key, SERVICE.key_id, parse_policy(policy), development, (CHAIN,))
    return replace(trust, **changes)


@dataclass
class Log:
    """A log in memory: any event may be put on it, allowed or not."""

    events: list[Event] = field(default_factory=list)
    log_signer: SeedSigner = LOG_SIGNER
    registry: Registry = field(default_factory=Registry)
    system: Writer = field(default_factory=lambda: Writer("system", SYSTEM_STREAM_ID, start=START - 3600))
    _anchors: dict[tuple[int, bytes, int, int], Raw] = field(default_factory=dict)

    def add(self, *events: Event) -> int:
        """Append entries; return the index of the last one."""
        self.events.extend(events)
        return len(self.events) - 1

    def mirror(self, by: Officer = SERVICE) -> int:
        """Append the mirror entries of the registry's changes that the log does not have yet."""
        mirrored = len(self.system.events)
        return self.add(*(self.system.write(change, by) for change in self.registry.bodies[mirrored:]))

    def entries(self, size: int | None = None) -> list[bytes]:
        return [event.entry for event in self.events[:size]]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        entries = self.entries(size)
        return Checkpoint(self.log_signer.verifying_key.name, len(entries), Hash(reference.mth(entries)))

    def note(self, size: int | None = None, *, witnesses: Iterable[tuple[SeedSigner, int]] = ()) -> str:
        """Return the signed checkpoint, co-signed by each witness at its time."""
        checkpoint = self.checkpoint(size)
        signed = parse_note(sign_checkpoint(checkpoint, self.log_signer))
        return str(signed.with_signatures(cosign_checkpoint(checkpoint, w, time) for w, time in witnesses))

    def proof(self, index: int, note: str) -> str:
        """Return the tlog-proof of an entry under a note of this log."""
        entries = self.entries(parse_checkpoint(parse_note(note).text).size)
        hashes = tuple(Hash(sibling) for sibling in reference.inclusion_proof(index, entries))
        return TlogProof(index, hashes, note).to_text()

    def evidence(self, index: int, note: str) -> Evidence:
        event = self.events[index]
        return Evidence(envelope=Raw(event.entry), payload=Raw(event.payload_bytes), proof=self.proof(index, note))

    def find(self, change: type[Body], **fields: Any) -> int | None:
        """Return the index of the first entry of this body."""
        for index, event in enumerate(self.events):
            body = event.payload.body
            if isinstance(body, change) and all(getattr(body, name) == value for name, value in fields.items()):
                return index
        return None

    def authority(self, event: Event, note: str) -> AuthorityEvidence | None:
        granted = self.find(registry.KeyGranted, key_id=event.envelope.key_id)
        admitted = self.find(registry.AgencyAdmitted, agency=event.envelope.agency)
        revoked = self.find(registry.KeyRevoked, key_id=event.envelope.key_id)
        if granted is None or admitted is None:
            return None
        revocation = UNSET if revoked is None else raw(self.evidence(revoked, note))
        return AuthorityEvidence(
            agency=self.evidence(admitted, note), grant=self.evidence(granted, note), revocation=revocation
        )

    def state(self, size: int | None = None, *, number: int = 1, revoked_at: dict[str, int] | None = None) -> State:
        """Return the contracts three blocks after they took the tree head of this size as record ``number``.

        Keys that the log has revoked are revoked there a second before the anchor, or as ``revoked_at`` says.
        """
        state = State(CHAIN, BLOCK, ANCHORED_AT + 36)
        if number > 1:
            state.record(number - 1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
        checkpoint = self.checkpoint(size)
        state.record(number, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
        authority = self.registry.authority
        grants = authority.grants.values()
        revoked = {grant.key_id: ANCHORED_AT - 1 for grant in grants if grant.revoked is not None}
        return state.has(authority.registry_hash, *grants, revoked_at=revoked | (revoked_at or {}))

    def anchor(self, index: int, size: int) -> Raw:
        """Return what proves the anchor of the tree head of this size, and the key of the entry."""
        key = (len(self.events), self.registry.authority.registry_hash, index, size)
        if key not in self._anchors:
            self._anchors[key] = raw(self.state(size).proving(1, self.key_of(index)))
        return self._anchors[key]

    def key_of(self, index: int) -> str | None:
        """Return the key whose slots the bundle of the entry has: none for an entry of the ledger itself."""
        envelope = self.events[index].envelope
        return envelope.key_id if EVENT_TYPES[envelope.event_type].roles else None

    def bundle(self, index: int, note: str | None = None, *, anchored: bool = True, **changes: Any) -> Bundle:
        """Return the bundle of an entry, complete; ``changes`` replace its parts."""
        note, event = note or self.note(), self.events[index]
        size = parse_checkpoint(parse_note(note).text).size
        bundle = Bundle(
            format="tallystick/bundle@v1",
            log_id="0x" + LOG_ID.hex(),
            envelope=Raw(event.entry),
            payload=Raw(event.payload_bytes),
            sections={label: Raw(canonical.encode(section)) for label, section in event.sections.items()},
            authority=UNSET if (evidence := self.authority(event, note)) is None else raw(evidence),
            proof=self.proof(index, note),
            anchor=self.anchor(index, size) if anchored and "anchor" not in changes else UNSET,
        )
        return replace(bundle, **changes)

    def case_bundle(self, case_id: str = "case-1", note: str | None = None, **changes: Any) -> CaseBundle:
        """Return the bundles of all events of a case."""
        note = note or self.note()
        indices = [i for i, event in enumerate(self.events) if event.envelope.stream.id == case_id]
        return CaseBundle(
            format="tallystick/case-bundle@v1",
            log_id="0x" + LOG_ID.hex(),
            case_id=case_id,
            events=tuple(Raw(encode_bundle(self.bundle(index, note, **changes))) for index in indices),
        )

    def erasure(self, label: str, index: int, note: str) -> Erasure:
        return Erasure(label=label, entry=self.evidence(index, note))


def naming(*bundles: Bundle | CaseBundle, policy: str = "quorum none\n", **changes: Any) -> Trust:
    """Return the trust file that names the blocks of these bundles' anchors."""
    blocks = {block.number: block for bundle in bundles for block in _blocks(bundle)}
    return trust(policy, **{"chains": (replace(CHAIN, trusted_blocks=tuple(blocks.values())),)} | changes)


def _blocks(bundle: Bundle | CaseBundle) -> Iterable[TrustedBlock]:
    events = [bundle] if isinstance(bundle, Bundle) else [decode_bundle(bytes(event)) for event in bundle.events]
    for event in events:
        if event.anchor is not UNSET:
            header = read_header(bytes.fromhex(read_anchor(bytes(event.anchor)).header_rlp[2:]))
            yield TrustedBlock(header.number, "0x" + header.hash.hex())


def founded(*agencies: str) -> Log:
    """Return a log with these agencies, and a clerk and a supervisor of each."""
    log = Log()
    for agency in agencies:
        log.registry.admit(agency).grant(clerk(agency), supervisor(agency))
    log.mirror()
    return log


def log_with(case: Case, *agencies: str) -> Log:
    """Return a founded log with the events of a case."""
    log = founded(*(agencies or (POLICE,)))
    log.add(*case.events)
    return log


def tree(bundle: Bundle | CaseBundle) -> dict[str, Any]:
    """Return the bundle as plain values, to be changed and encoded again."""
    return cast(dict[str, Any], msgspec.json.decode(encode_bundle(bundle)))
