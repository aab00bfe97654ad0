"""Builders of logs and proof bundles, as somebody who has no store makes them: trees by the recursive reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from ledger.core import canonical
from ledger.core.bundle import (
    Anchor,
    AnchoredIn,
    AuthorityEvidence,
    Bundle,
    CaseBundle,
    Erasure,
    Evidence,
    encode_bundle,
    raw,
)
from ledger.core.checkpoint import Checkpoint, cosign_checkpoint, parse_checkpoint, sign_checkpoint
from ledger.core.event import SYSTEM_STREAM_ID, Body, registry
from ledger.core.merkle import Hash
from ledger.core.note import SeedSigner, SignatureType, parse_note
from ledger.core.policy import parse_policy
from ledger.core.proof import TlogProof
from ledger.core.trust import Trust, TrustedChain
from tests import merkle_reference as reference
from tests.builders import LOG_ID, POLICE, SERVICE, START, Event, Officer, Registry, Writer, clerk, key_id, supervisor
from tests.casework import Case

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


def trust(policy: str = "quorum none\n", *, development: bool = True, **changes: Any) -> Trust:
    """The trust file's content for the logs of these builders."""
    made = Trust(LOG_ID, LOG_SIGNER.verifying_key, SERVICE.key_id, parse_policy(policy), development, (CHAIN,))
    return replace(made, **changes)


@dataclass
class Log:
    """A log in memory: any event may be put on it, allowed or not."""

    events: list[Event] = field(default_factory=list)
    log_signer: SeedSigner = LOG_SIGNER
    registry: Registry = field(default_factory=Registry)
    system: Writer = field(default_factory=lambda: Writer("system", SYSTEM_STREAM_ID, start=START - 3600))

    def add(self, *events: Event) -> int:
        """Appends; gives the index of the last one."""
        self.events.extend(events)
        return len(self.events) - 1

    def mirror(self, by: Officer = SERVICE) -> int:
        """Appends the mirror entries of the registry's changes that the log does not have yet."""
        mirrored = len(self.system.events)
        return self.add(*(self.system.write(change, by) for change in self.registry.bodies[mirrored:]))

    def entries(self, size: int | None = None) -> list[bytes]:
        return [event.entry for event in self.events[:size]]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        entries = self.entries(size)
        return Checkpoint(self.log_signer.verifying_key.name, len(entries), Hash(reference.mth(entries)))

    def note(self, size: int | None = None, *, witnesses: Iterable[tuple[SeedSigner, int]] = ()) -> str:
        """The signed checkpoint, co-signed by each witness at its time."""
        checkpoint = self.checkpoint(size)
        signed = parse_note(sign_checkpoint(checkpoint, self.log_signer))
        return str(signed.with_signatures(cosign_checkpoint(checkpoint, w, time) for w, time in witnesses))

    def proof(self, index: int, note: str) -> str:
        """The tlog-proof of an entry under a note of this log."""
        entries = self.entries(parse_checkpoint(parse_note(note).text).size)
        hashes = tuple(Hash(sibling) for sibling in reference.inclusion_proof(index, entries))
        return TlogProof(index, hashes, note).to_text()

    def evidence(self, index: int, note: str) -> Evidence:
        event = self.events[index]
        return Evidence(envelope=Raw(event.entry), payload=Raw(event.payload_bytes), proof=self.proof(index, note))

    def find(self, change: type[Body], **fields: Any) -> int | None:
        """The index of the first entry of this body."""
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
        revocation = UNSET if revoked is None else self.evidence(revoked, note)
        return AuthorityEvidence(
            agency=self.evidence(admitted, note), grant=self.evidence(granted, note), revocation=revocation
        )

    def bundle(self, index: int, note: str | None = None, *, anchored: bool = True, **changes: Any) -> Bundle:
        """The bundle of an entry, complete; ``changes`` replace its parts."""
        note, event = note or self.note(), self.events[index]
        checkpoint = parse_checkpoint(parse_note(note).text)
        bundle = Bundle(
            format="tallystick/bundle@v1",
            log_id="0x" + LOG_ID.hex(),
            envelope=Raw(event.entry),
            payload=Raw(event.payload_bytes),
            sections={label: Raw(canonical.encode(section)) for label, section in event.sections.items()},
            authority=UNSET if (evidence := self.authority(event, note)) is None else raw(evidence),
            proof=self.proof(index, note),
            anchors=raw([anchor_of(checkpoint, self.registry.authority.registry_hash)]) if anchored else UNSET,
        )
        return replace(bundle, **changes)

    def case_bundle(self, case_id: str = "case-1", note: str | None = None, **changes: Any) -> CaseBundle:
        """The bundles of all events of a case."""
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


def anchor_of(checkpoint: Checkpoint, registry_hash: bytes = LOG_ID, **changes: Any) -> Anchor:
    """The record that says of this tree head what is so."""
    anchor = Anchor(
        chain=CHAIN.identity,
        contract=CHAIN.anchor,
        number=1,
        size=checkpoint.size,
        root="0x" + checkpoint.root.hex(),
        registry_hash="0x" + registry_hash.hex(),
        anchored_in=AnchoredIn(
            transaction_hash=_word("tx"), block_number=9, block_hash=_word("block 9"), timestamp=START + 4000
        ),
    )
    return replace(anchor, **changes)


def founded(*agencies: str) -> Log:
    """A log with these agencies, and a clerk and a supervisor of each."""
    log = Log()
    for agency in agencies:
        log.registry.admit(agency).grant(clerk(agency), supervisor(agency))
    log.mirror()
    return log


def log_with(case: Case, *agencies: str) -> Log:
    """A founded log with the events of a case."""
    log = founded(*(agencies or (POLICE,)))
    log.add(*case.events)
    return log


def tree(bundle: Bundle | CaseBundle) -> dict[str, Any]:
    """The bundle as plain values, to be changed and encoded again."""
    return cast(dict[str, Any], msgspec.json.decode(encode_bundle(bundle)))
