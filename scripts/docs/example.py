"""The ledger of the worked examples: fixed keys, a dozen entries, three witnesses. All its bytes follow from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from dilithium_py.ml_dsa import ML_DSA_44
from msgspec import Raw
from msgspec.structs import replace

from ledger.config.keys import LocalSigner
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decode_json
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text
from ledger.core.ethereum import contract_changes
from ledger.core.ethereum.block_headers import read_header
from ledger.core.events import (
    SUITE_SECP256K1_EIP712,
    SYSTEM_STREAM_ID,
    Authority,
    Body,
    Envelope,
    Event,
    Payload,
    Section,
    Stream,
    case,
    entry_hash,
    item,
    make_event,
    record,
    registry,
    supervision,
    unsigned_envelope,
)
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.terms import Quantity, Role
from ledger.core.log import merkle
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint, cosign_statement, sign_checkpoint
from ledger.core.log.head_map import MAP_SALT, HeadMap, MapKey, MappedHead, map_key
from ledger.core.log.notes import NoteSigner, SeedSigner, SignatureType, SignedNote, VerifyingKey, parse_note
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.procedure.adoption import publication_of
from ledger.core.procedure.package import MAIN_FILE, canonical_form
from ledger.core.signing import authority
from ledger.core.signing.signatures import address_of
from ledger.core.trust.block_notes import BlockStatement
from ledger.core.trust.trust_file import TRUST_FORMAT, Trust, TrustedBlock, TrustedChain
from ledger.core.verification.bundle import FORMAT, Anchor, Bundle, BundleEntry, MapLeaf, MapProof, nodes_of
from ledger.recording.event_signing import sign_envelope
from scripts.docs.chain_states import State

LOG_ID = bytes(range(32))
OFFICER_KEY = PrivateKey(b"\x11" * 32)
SERVICE_KEY = PrivateKey(b"\x22" * 32)
ADMIN_KEY = PrivateKey(b"\x33" * 32)
COLLEAGUE_KEY = PrivateKey(b"\x44" * 32)  # is revoked
ANALYST_KEY = PrivateKey(b"\x55" * 32)
LOG = SeedSigner.from_seed("ledger.example/handovers", b"\x01" * 32)
WITNESSES = tuple(
    SeedSigner.from_seed(f"witness.example/w{number}", bytes([1 + number]) * 32, SignatureType.COSIGNATURE_V1)
    for number in (1, 2, 3)
)
WITNESS = WITNESSES[0]


class RepeatableSigner:
    """A ``NoteSigner`` with an ML-DSA-44 key that signs without chance (FIPS 204 3.4): its files can be compared."""

    def __init__(self, name: str, seed: bytes) -> None:
        public_key, self._secret_key = ML_DSA_44.key_derive(seed)
        self.verifying_key = VerifyingKey(name, SignatureType.SUBTREE_V1, public_key)

    def sign(self, message: bytes, /) -> bytes:
        return bytes(ML_DSA_44.sign(self._secret_key, message, deterministic=True))


ML_DSA_WITNESS = RepeatableSigner(WITNESS.verifying_key.name, b"\x0c" * 32)  # the other key of the first witness
WITNESS_LINES = "".join(f"witness w{n} {w.verifying_key.vkey()}\n" for n, w in enumerate(WITNESSES, 1))
POLICY = f"{WITNESS_LINES}group two 2 w1 w2 w3\nquorum two\n"
COSIGNED_AT = 1_767_225_600  # unix seconds, 2026-01-01T00:00:00Z
COSIGNATURES = ((WITNESSES[0], COSIGNED_AT), (WITNESSES[2], COSIGNED_AT + 6))
SIGNED_AT = COSIGNED_AT - 60
OCCURRED_AT = "2025-12-31T23:58:00Z"
ANCHORED_AT = COSIGNED_AT + 12
REVOKED_AT = COSIGNED_AT - 30
VOUCHED_AT = COSIGNED_AT + 60
VALID_FROM, VALID_UNTIL = 1_735_689_600, 1_830_297_600
NO_HASH = "0x" + "00" * 32
CHAIN = TrustedChain(
    chain_id=31337,
    deployment_block_number=6,
    deployment_block_hash="0x" + "b0" * 32,
    registry="0x" + "e1" * 20,
    anchor="0x" + "e2" * 20,
    registry_code_hash="0x" + "d1" * 32,
    anchor_code_hash="0x" + "d2" * 32,
    finality="finalized",
)


def key_id(key: PrivateKey) -> str:
    return address_of(key.public_key)


@dataclass(frozen=True)
class Entry:
    """An event of the example with the bytes of its parts."""

    payload: Payload[Body]
    envelope: Envelope
    sections: dict[str, Section]

    @property
    def payload_bytes(self) -> bytes:
        return canonical.encode(self.payload)

    @property
    def data(self) -> bytes:
        return canonical.encode(self.envelope)

    @property
    def event(self) -> Event:
        """Return it as the rules read it."""
        return make_event(self.envelope, self.payload, self.data)


OFFICERS = {"p-0417": OFFICER_KEY, "p-0999": COLLEAGUE_KEY, "p-0555": ANALYST_KEY}
SYSTEM = Stream(kind="system", id=SYSTEM_STREAM_ID)
CASE = Stream(kind="case", id="case-7f3a")
MODEL_ID = "seized-not-stored"
MODEL = Stream(kind="supervision", id=f"model-{MODEL_ID}")
CHANGE_LOCATION = registry.ChangeLocation(
    block_number=7, block_hash="0x" + "b1" * 32, transaction_hash="0x" + "c1" * 32
)
AUTHORIZED = Authority(authorization_type="statute", authorization_identifier="CPL 112")


@dataclass
class Writer:
    """Writes the events of an example in the order of the log; ids and salts count."""

    entries: list[Entry]

    def write(
        self,
        body: Body,
        stream: Stream,
        officer: str = "",
        sections: dict[str, Section] | None = None,
        signed_at: int = SIGNED_AT,
        **of_payload: str,
    ) -> Entry:
        """Append an entry, signed by the service in the system stream. ``of_payload`` are salt and ``occurred_at``."""
        of_stream = [entry for entry in self.entries if entry.envelope.stream == stream]
        previous = of_stream[-1] if of_stream else None
        of_service = stream.kind == "system"
        officer = officer or (authority.SERVICE_OFFICER if of_service else "p-0417")
        sections, number = sections or {}, len(self.entries)
        payload = Payload(
            officer=officer,
            occurred_at=of_payload.get("occurred_at", OCCURRED_AT),
            salt=of_payload.get("salt", f"{number:032x}"),
            body=body,
            authority=None if of_service else AUTHORIZED,
            confidential={label: blake3_text(canonical.encode(section)) for label, section in sections.items()},
        )
        signer = LocalSigner.from_private_key((SERVICE_KEY if of_service else OFFICERS[officer]).secret)
        envelope = unsigned_envelope(
            payload,
            event_id=f"01940000-0000-7000-8000-{number:012x}",
            stream=stream,
            sequence=previous.envelope.sequence + 1 if previous else 0,
            previous=entry_hash(previous.data) if previous else None,
            agency=authority.SERVICE_AGENCY if of_service else "psb-east",
            key_id=signer.key_id,
            signed_at=signed_at,
        )
        entry = Entry(payload, sign_envelope(envelope, signer, LOG_ID), sections)
        self.entries.append(entry)
        return entry


def resigned(entry: Entry, body: Any = None, **envelope: Any) -> Entry:
    """Return the entry with another body, or other fields of the envelope, signed again by its key."""
    payload = entry.payload if body is None else replace(entry.payload, body=body)
    unsigned = replace(entry.envelope, payload_digest=blake3_text(canonical.encode(payload)), **envelope)
    key = next(key for key in (SERVICE_KEY, *OFFICERS.values()) if key_id(key) == entry.envelope.key_id)
    return Entry(payload, sign_envelope(unsigned, LocalSigner.from_private_key(key.secret), LOG_ID), entry.sections)


def registry_changes(**of_officer: Any) -> list[registry.RegistryChange]:
    """Admit an agency that grants three officers a key, and adopt its procedure; one key is revoked, after all else.

    ``of_officer`` are other terms of the first key.
    """
    name = {"en": "East District Public Security Bureau", "zh": "东城公安分局"}
    place: dict[str, Any] = {"registry_hash": NO_HASH, "location": CHANGE_LOCATION}
    common = {**place, "agency": "psb-east"}
    profile = registry.AgencyProfile(jurisdiction="31/01", name=name)
    drafts: list[registry.RegistryChange] = [
        registry.AgencyAdmitted(number=1, kind="public_security", admin=key_id(ADMIN_KEY), profile=profile, **common)
    ]
    roles: dict[str, tuple[Role, ...]] = {
        "p-0417": ("clerk", "supervisor"),
        "p-0999": ("clerk",),
        "p-0555": ("analyst",),
    }
    for number, (officer, granted) in enumerate(roles.items(), 2):
        terms: dict[str, Any] = {"roles": granted, "suite": 1, "valid_from": VALID_FROM, "valid_until": VALID_UNTIL}
        terms |= of_officer if officer == "p-0417" else {}
        key = key_id(OFFICERS[officer])
        drafts.append(registry.KeyGranted(number=number, key_id=key, officer=officer, **common, **terms))
    drafts.append(registry.ProcedureAdopted(number=5, digest=procedure().digest, **place))
    drafts.append(registry.KeyRevoked(number=6, key_id=key_id(COLLEAGUE_KEY), **common))
    rolled, changes = LOG_ID, []
    for draft in drafts:
        rolled = contract_changes.registry_hash(rolled, draft)
        changes.append(replace(draft, registry_hash="0x" + rolled.hex()))
    return changes


@cache
def procedure() -> ProcedurePublished:
    """Return the publication of the package in ``example-procedure.toml``, by which the case is judged."""
    return publication_of(canonical_form({MAIN_FILE: Path(__file__).with_name("example-procedure.toml").read_bytes()}))


def model_version(version: int) -> supervision.ModelPublished:
    definition = f"id: {MODEL_ID}\nversion: {version}\n"
    return supervision.ModelPublished(
        model_id=MODEL_ID,
        version=version,
        definition=definition,
        model_digest=blake3_text(definition.encode()),
        title=supervision.BilingualText(en="Seized, not stored", zh="扣押未入库"),
        business_line="criminal",
        severity="low",
    )


def registration(number: int) -> item.ItemRegistered:
    return item.ItemRegistered(
        item_id=f"item-7f3a-0{number}",
        item_kind="exhibit",
        description="a mobile phone, black",
        quantity=Quantity(value="1", unit="piece"),
        seal_number=f"S-{number}",
    )


def head_map(of: Iterable[Entry]) -> HeadMap:
    """Return the head map over these entries."""
    heads: dict[MapKey, MappedHead] = {}
    for entry in of:
        heads[map_key(entry.envelope.stream)] = MappedHead(entry.envelope.sequence + 1, merkle.leaf_hash(entry.data))
    mapped = HeadMap()
    mapped.update(heads)
    return mapped


def mapped_entries(root: bytes | None = None, **of_payload: Any) -> list[Entry]:
    """Return the log with an entry behind it that commits to its head map, or to another root."""
    writer = Writer(entries())
    body = record.HeadsMapped(root="0x" + (head_map(writer.entries).root if root is None else root).hex())
    of_commitment = {"occurred_at": instant_text(SIGNED_AT), "salt": MAP_SALT} | of_payload
    writer.write(body, SYSTEM, **of_commitment)
    return writer.entries


NARRATIVE = Section(salt="f" * 32, fields={"text": "found in the left pocket of 张某"})
PROCEDURE_ENTRIES = (4, 5)  # its text, and its adoption
REGISTERED, BY_COLLEAGUE, ERASURE, SEALED, PUBLISHED, REVOCATION = 7, 8, 9, 10, (11, 12), 13  # entries
MAPPED = 14  # the entry that commits to the map, in the longer log
NO_CASE = Stream(kind="case", id="case-0b5d")
CASE_ENTRIES = (6, REGISTERED, BY_COLLEAGUE, ERASURE)
KEY_CHANGES: tuple[type[Body], ...] = (registry.KeyGranted, registry.KeyRevoked)


def opening() -> case.CaseOpened:
    return case.CaseOpened(
        case_number="2025-0417",
        case_type="theft",
        business_line="criminal",
        stage="investigation",
        procedure="example",
    )


def entries(signed_at: int = SIGNED_AT, *, mirrored_by: str = "", **of_officer: Any) -> list[Entry]:
    """Return the log: the registry's mirror with a procedure, a case whose second event has an erased section, reads
    sealed, a model.

    ``signed_at`` is of that second event, ``of_officer`` are other terms of its signer's key; ``mirrored_by`` is the
    officer whom the payloads of the mirror name.
    """
    writer = Writer([])
    *first, revoked = registry_changes(**of_officer)
    *first, adopted = first
    for change in first:
        writer.write(change, SYSTEM, mirrored_by)
    writer.write(procedure(), SYSTEM)
    writer.write(adopted, SYSTEM, mirrored_by)
    writer.write(opening(), CASE)
    registered = writer.write(registration(1), CASE, sections={"narrative": NARRATIVE}, signed_at=signed_at)
    concerns, label, ground = registered.event.ref, "narrative", "court order 12"
    proposal = record.ErasureProposed(concerns=concerns, label=label, ground=ground)
    cites = writer.write(proposal, CASE, "p-0999").event.ref
    writer.write(record.SectionErased(cites=cites, concerns=concerns, label=label, ground=ground), CASE)
    writer.write(record.AccessSealed(count=7, head="sha256:" + "a5" * 32), SYSTEM)
    for version in (1, 2):
        writer.write(model_version(version), MODEL, "p-0555")
    writer.write(revoked, SYSTEM, mirrored_by)
    return writer.entries


def trust(policy: str = POLICY) -> Trust:
    """Return what a verifier of the example brings along: no block, witnesses vouch for that."""
    return Trust(
        format=TRUST_FORMAT,
        log_id_text="0x" + LOG_ID.hex(),
        origin=LOG.verifying_key.name,
        log_vkey=LOG.verifying_key.vkey(),
        service_key_id=key_id(SERVICE_KEY),
        policy_text=policy,
        development=False,
        chains=(CHAIN,),
        suites=(SUITE_SECP256K1_EIP712,),
    )


def cosigned(checkpoint: Checkpoint, cosignatures: Iterable[tuple[NoteSigner, int]] = COSIGNATURES) -> str:
    """Return the note of a tree head, signed by the log and by witnesses at their times."""
    signed = parse_note(sign_checkpoint(checkpoint, LOG))
    return str(signed.with_signatures(cosign_checkpoint(checkpoint, witness, at) for witness, at in cosignatures))


def vouched(header_rlp: str, signers: Iterable[NoteSigner] = (WITNESSES[0], WITNESSES[2]), **changes: Any) -> str:
    """Return the block note of a header; ``changes`` are of the statement."""
    header = read_header(bytes.fromhex(header_rlp[2:]))
    block = TrustedBlock(header.number, "0x" + header.hash.hex())
    statement = replace(BlockStatement(LOG_ID, CHAIN, block), **changes)
    return str(
        SignedNote(
            statement.text(), tuple(cosign_statement(statement.text(), signer, VOUCHED_AT) for signer in signers)
        )
    )


@dataclass
class Ledger:
    """A log and the chain that has its tree head as record 1, and what both prove of an entry."""

    entries: list[Entry]
    note: str = ""
    state: State | None = None

    def __post_init__(self) -> None:
        leaves = [merkle.leaf_hash(entry.data) for entry in self.entries]
        self.paths = merkle.grow(merkle.EMPTY_TREE, leaves).inclusion_proofs()
        self.checkpoint = Checkpoint(LOG.verifying_key.name, len(leaves), merkle.root_of(leaves))
        self.note = self.note or cosigned(self.checkpoint)
        self.state = self.state or self.state_with()

    def state_with(self, revoked_at: int = REVOKED_AT, *, others: int = 0, **changes: Any) -> State:
        """Both contracts two blocks after the record. With no other accounts its proofs are short."""
        state = State(CHAIN, number=11, timestamp=ANCHORED_AT + 24, others=others, **changes)
        state.record(1, self.checkpoint.root, self.checkpoint.size, 9, ANCHORED_AT)
        bodies = ((index, entry.payload.body) for index, entry in enumerate(self.entries))
        grants = [authority.grant_of(body, index) for index, body in bodies if isinstance(body, registry.KeyGranted)]
        return state.has(*grants, revoked_at={key_id(COLLEAGUE_KEY): revoked_at})

    def proof(self, index: int) -> str:
        """Return the C2SP tlog-proof of an entry."""
        return TlogProof(index, self.paths[index], self.note).to_text()

    def indices_of(self, change: type[Body], **fields: str) -> list[int]:
        """Return the entries of this body whose fields are these."""
        bodies = ((index, entry.payload.body) for index, entry in enumerate(self.entries))
        of_change = [(index, body) for index, body in bodies if isinstance(body, change)]
        return [index for index, body in of_change if all(getattr(body, name) == fields[name] for name in fields)]

    def mirror_of(self, *signers: str) -> set[int]:
        """Return the mirror entries about keys: their agency's admission, their grants and revocations."""
        about = {index for key in signers for kind in KEY_CHANGES for index in self.indices_of(kind, key_id=key)}
        return {*self.indices_of(registry.AgencyAdmitted), *about} if about else set()

    def anchor(self, *signers: str, state: State | None = None, **changes: Any) -> Anchor:
        """Return what the state proves of record 1 and of keys, and who vouches for the block."""
        proven = (state or self.state).proving(1, *signers)  # type: ignore[union-attr]
        return replace(proven, **({"block_note": vouched(proven.header)} | changes))

    def entry(self, index: int, **changes: Any) -> BundleEntry:
        """Return an entry as a bundle has it."""
        shown = self.entries[index]
        parts: dict[str, Any] = {
            "payload": decode_json(shown.payload_bytes, Payload[Raw]),
            "sections": dict(shown.sections),
        }
        return BundleEntry(index=index, envelope=shown.envelope, **(parts | changes))

    def file(self, subjects: Iterable[int], others: Iterable[int] = (), **changes: Any) -> Bundle:
        """Return a bundle of these entries, complete; ``changes`` are of its parts, ``event`` or ``stream`` one."""
        subjects = [*subjects]
        envelopes = [self.entries[index].envelope for index in subjects]
        signers = sorted({e.key_id for e in envelopes if e.stream.kind != "system"})
        shown = sorted({*subjects, *others, *self.mirror_of(*signers)})
        parts: dict[str, Any] = {
            "format": FORMAT,
            "log_id": "0x" + LOG_ID.hex(),
            "note": self.note,
            "entries": tuple(self.entry(index) for index in shown),
            "nodes": nodes_of(shown, self.checkpoint.size, self.paths.__getitem__),
            "anchor": self.anchor(*signers),
        }
        return Bundle(**(parts | changes))

    def bundle(self, index: int, **changes: Any) -> Bundle:
        """Return the bundle of one entry."""
        return self.file([index], **({"event": index} | changes))

    def case_bundle(self, indices: Iterable[int] = CASE_ENTRIES) -> Bundle:
        """Return the bundle of the case, with the procedure that judges it."""
        return self.file(indices, PROCEDURE_ENTRIES, stream=CASE)

    def system_bundle(self) -> Bundle:
        """Return the bundle of the ledger's own stream."""
        indices = (index for index, entry in enumerate(self.entries) if entry.envelope.stream == SYSTEM)
        return self.file(indices, stream=SYSTEM)

    def package(self) -> Bundle:
        """Return the bundle of the model."""
        return self.file(PUBLISHED, stream=MODEL)

    def map_proof(self, stream: Stream) -> MapProof:
        """Return the place of a stream in the head map to which the last entry commits."""
        proof, leaf = head_map(self.entries[:MAPPED]).prove(map_key(stream)), None
        if proof.leaf is not None:
            key, head = proof.leaf
            leaf = MapLeaf(key="0x" + key.hex(), count=head.count, head="0x" + head.head.hex())
        siblings = proof.siblings
        return MapProof(index=MAPPED, siblings=siblings, leaf=leaf)

    def whole_case(self, indices: Iterable[int] = CASE_ENTRIES) -> Bundle:
        """Return the bundle of the case that shows that it is whole. Requires a log that ends with its head map."""
        return self.file(indices, (*PROCEDURE_ENTRIES, MAPPED), stream=CASE, map=self.map_proof(CASE))

    def absence(self, stream: Stream) -> Bundle:
        """Return the bundle that shows that there is no such stream. Requires the same."""
        commitment = self.entry(MAPPED, payload=None)
        place = {"absent": stream, "map": self.map_proof(stream)}
        return replace(self.file((), (MAPPED,), event=MAPPED), event=None, entries=(commitment,), **place)


def erased() -> Bundle:
    """Return the bundle of the item's registration once its section is erased."""
    ledger = Ledger(entries())
    file = ledger.file([REGISTERED], [ERASURE], event=REGISTERED)
    shown = (replace(entry, sections={}) if entry.index == REGISTERED else entry for entry in file.entries)
    return replace(file, entries=tuple(shown))


def bundle() -> Bundle:
    """Return the proof bundle of the item's registration."""
    return Ledger(entries()).bundle(REGISTERED)
