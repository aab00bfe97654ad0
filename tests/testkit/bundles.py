"""Builders of logs and proof bundles, as somebody who has no store makes them: trees by the recursive reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ledger.core.ethereum.block_headers import read_header
from ledger.core.events import SUITE_SECP256K1_EIP712, SYSTEM_STREAM_ID, Body, Stream, registry
from ledger.core.events.record import HeadsMapped
from ledger.core.log import replay
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint, sign_checkpoint, stated_checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner, SignatureType, VerifyingKey, parse_note
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.signing.authority import SERVICE_AGENCY
from ledger.core.trust.trust_file import TRUST_FORMAT, Trust, TrustedBlock, TrustedChain
from ledger.core.verification.bundle import (
    FORMAT,
    Anchor,
    Bundle,
    BundleEntry,
    MapLeaf,
    MapProof,
    encode_bundle,
    nodes_of,
)
from scripts.docs.chain_states import State
from tests.oracles import head_map_reference
from tests.oracles import merkle_reference as reference
from tests.testkit.builders import (
    LOG_ID,
    POLICE,
    SERVICE,
    START,
    Officer,
    Registry,
    SignedEvent,
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


def trust(
    policy: str = "quorum none\n",
    *,
    development: bool = True,
    log_key: VerifyingKey = LOG_SIGNER.verifying_key,
    **changes: Any,
) -> Trust:
    """Return the trust file's content for the logs of these builders, or of the log with another key."""
    trust = Trust(
        format=TRUST_FORMAT,
        log_id_text="0x" + LOG_ID.hex(),
        origin=log_key.name,
        log_vkey=log_key.vkey(),
        service_key_id=SERVICE.key_id,
        policy_text=policy,
        development=development,
        chains=(CHAIN,),
        suites=(SUITE_SECP256K1_EIP712,),
    )
    return replace(trust, **changes)


def heads_of(events: Iterable[SignedEvent]) -> dict[bytes, tuple[int, bytes]]:
    """Return the head map over these events: count and last leaf hash of each stream, by its key."""
    streams = ((event.envelope.stream, event.entry) for event in events)
    return head_map_reference.of_log((stream.kind, stream.id, entry) for stream, entry in streams)


def mapping(system: Writer, root: bytes, by: Officer = SERVICE, **fields: Any) -> SignedEvent:
    """Return the next event of the system stream, which commits to the head map with this root."""
    fields = {"salt": "00" * 16, "signed_at": system.now} | fields
    return system.write(HeadsMapped(root="0x" + root.hex()), by, **fields)


@dataclass
class Log:
    """A log in memory: any event may be put on it, allowed or not."""

    events: list[SignedEvent] = field(default_factory=list)
    log_signer: SeedSigner = LOG_SIGNER
    registry: Registry = field(default_factory=Registry)
    system: Writer = field(default_factory=lambda: Writer("system", SYSTEM_STREAM_ID, start=START - 3600))
    _anchors: dict[tuple[object, ...], Anchor] = field(default_factory=dict)

    def add(self, *events: SignedEvent) -> int:
        """Append entries; return the index of the last one."""
        self.events.extend(events)
        return len(self.events) - 1

    def mirror(self, by: Officer = SERVICE) -> int:
        """Append the mirror entries of the registry's changes that the log does not have yet."""
        mirrored = sum(isinstance(event.payload.body, registry.RegistryChange) for event in self.system.events)
        return self.add(*(self.system.write(change, by) for change in self.registry.bodies[mirrored:]))

    def map_heads(self, root: bytes | None = None, **fields: Any) -> int:
        """Append the entry that commits to the head map over all entries, or to another root."""
        return self.add(mapping(self.system, self.map_root() if root is None else root, **fields))

    def map_root(self, size: int | None = None) -> bytes:
        """Return the root of the head map over the first entries."""
        return head_map_reference.subtree(heads_of(self.events[:size]))

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
        entries = self.entries(stated_checkpoint(note).size)
        hashes = tuple(Hash(sibling) for sibling in reference.inclusion_proof(index, entries))
        return TlogProof(index, hashes, note).to_text()

    def path(self, index: int, size: int) -> Sequence[bytes]:
        """Return the inclusion proof of an entry in the tree of this size."""
        return reference.inclusion_proof(index, self.entries(size))

    def find(self, change: type[Body], **fields: Any) -> list[int]:
        """Return the indices of the entries of this body whose fields are these."""
        bodies = ((index, event.payload.body) for index, event in enumerate(self.events))
        of_change = [(index, body) for index, body in bodies if isinstance(body, change)]
        return [index for index, body in of_change if all(getattr(body, name) == fields[name] for name in fields)]

    def mirror_of(self, *events: SignedEvent) -> set[int]:
        """Return the mirror entries that events rest on: admissions, grants and revocations."""
        indices: set[int] = set()
        for event in events:
            indices |= {*self.find(registry.AgencyAdmitted, agency=event.envelope.agency)}
            for change in (registry.KeyGranted, registry.KeyRevoked):
                indices |= {*self.find(change, key_id=event.envelope.key_id)}
        return indices

    def state(self, size: int | None = None, *, number: int = 1, revoked_at: dict[str, int] | None = None) -> State:
        """Return the contracts three blocks after they took the tree head of this size as record ``number``.

        Keys that the log has revoked are revoked there a second before the anchor, or as ``revoked_at`` says.
        """
        state = State(CHAIN, BLOCK, ANCHORED_AT + 36)
        if number > 1:
            state.record(number - 1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
        checkpoint = self.checkpoint(size)
        state.record(number, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
        grants = self.registry.authority.grants.values()
        revoked = {grant.key_id: ANCHORED_AT - 1 for grant in grants if grant.revoked is not None}
        return state.has(*grants, revoked_at=revoked | (revoked_at or {}))

    def anchor(self, size: int, *key_ids: str) -> Anchor:
        """Return what proves the anchor of the tree head of this size, and the grants of keys."""
        key = (len(self.events), self.registry.authority.registry_hash, size, key_ids)
        if key not in self._anchors:
            self._anchors[key] = self.state(size).proving(1, *key_ids)
        return self._anchors[key]

    def keys_of(self, *events: SignedEvent) -> tuple[str, ...]:
        """Return the keys whose grants a bundle of events proves: none for those of the ledger itself."""
        envelopes = (event.envelope for event in events)
        return tuple(sorted({e.key_id for e in envelopes if e.agency != SERVICE_AGENCY}))

    def entry(self, index: int, **changes: Any) -> BundleEntry:
        """Return an entry as a bundle has it; ``changes`` are of its parts."""
        event = self.events[index]
        parts = {"payload": Raw(event.payload_bytes), "sections": dict(event.sections)} | changes
        if parts["payload"] is None:
            parts["sections"] = {}
        return BundleEntry(index=index, envelope=event.envelope, **parts)

    def file(
        self, subjects: Iterable[int], note: str | None = None, *, anchored: bool = True, **changes: Any
    ) -> Bundle:
        """Return a bundle of these entries, complete; ``changes`` are of its parts, ``event`` or ``stream`` one.

        ``payload`` and ``sections`` are changes of the entries it is about, ``others`` further entries beside them.
        """
        subjects, note = [*subjects], note or self.note()
        size = stated_checkpoint(note).size
        events = [self.events[index] for index in subjects]
        of_entries = {name: changes.pop(name) for name in ("payload", "sections") if name in changes}
        beside = {*changes.pop("others", ()), *self.mirror_of(*events)} - {*subjects}
        shown = sorted(index for index in {*subjects, *beside} if index in subjects or index < size)
        parts: dict[str, Any] = {
            "format": FORMAT,
            "log_id": "0x" + LOG_ID.hex(),
            "note": note,
            "entries": tuple(self.entry(i, **(of_entries if i in subjects else {})) for i in shown),
            "nodes": nodes_of(shown, size, lambda index: self.path(index, size)),
        }
        if anchored and "anchor" not in changes:
            parts["anchor"] = self.anchor(size, *self.keys_of(*events))
        return Bundle(**(parts | changes))

    def bundle(self, index: int, note: str | None = None, **changes: Any) -> Bundle:
        """Return the bundle of an entry; arguments as of ``file``."""
        return self.file([index], note, **({"event": index} | changes))

    def map_proof(self, stream: Stream, index: int) -> MapProof:
        """Return the place of a stream in the head map to which the entry at ``index`` commits."""
        heads, key = heads_of(self.events[:index]), head_map_reference.key_of(stream.kind, stream.id)
        siblings, leaf = head_map_reference.proof(heads, key)
        shown = MapLeaf(key="0x" + leaf[0].hex(), count=leaf[1], head="0x" + leaf[2].hex()) if leaf else None
        return MapProof(index=index, siblings=tuple(map(Hash, siblings)), leaf=shown)

    def mapped(self, index: int, case_id: str = "case-1", note: str | None = None, **changes: Any) -> Bundle:
        """Return the bundle of a case with its place in the map of the entry at ``index``."""
        proof = self.map_proof(Stream(kind="case", id=case_id), index)
        others = {*changes.pop("others", ()), index}
        return self.case_bundle(case_id, note, **({"map": proof, "others": others} | changes))

    def absence(self, stream: Stream, index: int, note: str | None = None, **changes: Any) -> Bundle:
        """Return the bundle that shows, by the map of the entry at ``index``, that there is no such stream."""
        parts = {"absent": stream, "map": self.map_proof(stream, index), "others": (index,), "payload": None}
        return self.file((), note, **(parts | changes))

    def case_bundle(self, case_id: str = "case-1", note: str | None = None, **changes: Any) -> Bundle:
        """Return the bundle of all events of a case."""
        stream = Stream(kind="case", id=case_id)
        indices = [i for i, event in enumerate(self.events) if event.envelope.stream == stream]
        return self.file(indices, note, **({"stream": stream} | changes))


def naming(*bundles: Bundle, policy: str = "quorum none\n", **changes: Any) -> Trust:
    """Return the trust file that names the blocks of these bundles' anchors."""
    anchors = [bundle.anchor for bundle in bundles if bundle.anchor is not None]
    headers = [read_header(bytes.fromhex(anchor.header[2:])) for anchor in anchors]
    blocks = {header.number: TrustedBlock(header.number, "0x" + header.hash.hex()) for header in headers}
    return trust(policy, **{"chains": (replace(CHAIN, trusted_blocks=tuple(blocks.values())),)} | changes)


def founded(*agencies: str) -> Log:
    """Return a log with these agencies, and a clerk and a supervisor of each."""
    log = Log()
    for agency in agencies:
        log.registry.admit(agency).grant(clerk(agency), supervisor(agency))
    log.mirror()
    return log


def payloads_of(events: Sequence[SignedEvent], first: int = 0) -> dict[int, bytes]:
    """Return what the log serves of its mirror, by index."""
    indexed = enumerate(events, first)
    return {index: event.payload_bytes for index, event in indexed if replay.is_registry_change(event.envelope)}


def replay_events(
    events: Sequence[SignedEvent],
    before: replay.ReplayState | None = None,
    prior: replay.PriorEntries | None = None,
    **changes: Any,
) -> replay.ReplayStep:
    """Return the step over these events, whose tree the log has signed."""
    before = before or replay.empty_log(LOG_ID, SERVICE.key_id)
    entries = [event.entry for event in events]
    envelopes = replay.decode_entries(entries, before.size)
    payloads = changes.get("payloads", payloads_of(events, before.size))
    return replay.replay_entries(
        before,
        envelopes,
        replay.append_entries(before.frontier, entries),
        prior or replay.PriorEntries(),
        payloads,
    )


def log_with(case: Case, *agencies: str) -> Log:
    """Return a founded log with the events of a case."""
    log = founded(*(agencies or (POLICE,)))
    log.add(*case.events)
    return log


def tree(bundle: Bundle) -> dict[str, Any]:
    """Return the bundle as plain values, to be changed and encoded again."""
    return cast(dict[str, Any], msgspec.json.decode(encode_bundle(bundle)))
