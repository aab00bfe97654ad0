"""The ledger of the worked examples: fixed keys, four entries, one witness. All its bytes follow from this module."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey
from msgspec import UNSET, Raw
from msgspec.structs import replace

from ledger.core import authority, canonical, contract_change, merkle
from ledger.core.bundle import Anchor, AnchoredIn, AuthorityEvidence, Bundle, Evidence, raw
from ledger.core.checkpoint import Checkpoint, cosign_checkpoint, sign_checkpoint
from ledger.core.event import (
    SYSTEM_STREAM_ID,
    Authority,
    Body,
    Envelope,
    Payload,
    Section,
    Stream,
    case,
    digest_of,
    item,
    make_payload,
    registry,
)
from ledger.core.event.terms import Quantity
from ledger.core.note import SeedSigner, SignatureType, parse_note
from ledger.core.policy import parse_policy
from ledger.core.proof import TlogProof
from ledger.core.signature import address_of, signing_hash
from ledger.core.trust import Trust, TrustedBlock, TrustedChain
from tests.states import State

LOG_ID = bytes(range(32))
OFFICER_KEY = PrivateKey(b"\x11" * 32)
SERVICE_KEY = PrivateKey(b"\x22" * 32)
ADMIN_KEY = PrivateKey(b"\x33" * 32)
LOG = SeedSigner.from_seed("ledger.example/handovers", b"\x01" * 32)
WITNESS = SeedSigner.from_seed("witness.example/w1", b"\x02" * 32, SignatureType.COSIGNATURE_V1)
COSIGNED_AT = 1_767_225_600  # unix seconds, 2026-01-01T00:00:00Z
SIGNED_AT = COSIGNED_AT - 60
OCCURRED_AT = "2025-12-31T23:58:00Z"
ANCHORED_AT = COSIGNED_AT + 12
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

    payload: Payload
    envelope: Envelope
    sections: dict[str, Section]

    @property
    def payload_bytes(self) -> bytes:
        return canonical.encode(self.payload)

    @property
    def data(self) -> bytes:
        return canonical.encode(self.envelope)


def sign(envelope: Envelope, key: PrivateKey) -> Envelope:
    signed = key.sign_recoverable(signing_hash(envelope, LOG_ID), hasher=None)
    return replace(envelope, signature="0x" + (signed[:64] + bytes((27 + signed[64],))).hex())


def entry(
    number: int,
    body: Body,
    *,
    stream: Stream,
    previous: Entry | None = None,
    sections: dict[str, Section] | None = None,
) -> Entry:
    """Event ``number``; ids and salts count. The service signs in the system stream, the officer in others."""
    of_service, sections = stream.kind == "system", sections or {}
    key = SERVICE_KEY if of_service else OFFICER_KEY
    payload = make_payload(
        body=body,
        version=1,
        event_id=f"01940000-0000-7000-8000-{number:012x}",
        stream=stream,
        sequence=previous.payload.sequence + 1 if previous else 0,
        previous=previous.envelope.payload_digest if previous else None,
        agency=authority.SERVICE_AGENCY if of_service else "psb-east",
        officer=authority.SERVICE_OFFICER if of_service else "p-0417",
        occurred_at=OCCURRED_AT,
        salt=f"{number:032x}",
        authority=None if of_service else Authority(authorization_type="statute", authorization_identifier="CPL 112"),
        confidential={label: digest_of(canonical.encode(section)) for label, section in sections.items()},
    )
    common = ("version", "event_id", "event_type", "stream", "sequence", "previous", "agency")
    envelope = Envelope(
        **{name: getattr(payload, name) for name in common},
        payload_digest=digest_of(canonical.encode(payload)),
        signed_at=SIGNED_AT,
        key_id=key_id(key),
        signature="0x" + "00" * 65,
    )
    return Entry(payload, sign(envelope, key), sections)


def registry_changes() -> list[registry.RegistryChange]:
    """An agency is admitted and grants its officer a key."""
    where = {"block_hash": "0x" + "b1" * 32, "transaction_hash": "0x" + "c1" * 32}
    location = registry.ChangeLocation(block_number=7, **where)
    name = registry.Name(en="East District Public Security Bureau", zh="东城公安分局")
    drafts: list[registry.RegistryChange] = [
        registry.AgencyAdmitted(
            number=1,
            registry_hash=NO_HASH,
            location=location,
            agency="psb-east",
            kind="public_security",
            admin=key_id(ADMIN_KEY),
            profile=registry.Profile(jurisdiction="31/01", name=name),
        ),
        registry.KeyGranted(
            number=2,
            registry_hash=NO_HASH,
            location=location,
            agency="psb-east",
            key_id=key_id(OFFICER_KEY),
            officer="p-0417",
            roles=("clerk", "supervisor"),
            suite=1,
            valid_from=1_735_689_600,
            valid_until=1_830_297_600,
        ),
    ]
    rolled, changes = LOG_ID, []
    for draft in drafts:
        rolled = contract_change.registry_hash(rolled, draft)
        changes.append(replace(draft, registry_hash="0x" + rolled.hex()))
    return changes


def entries() -> list[Entry]:
    """The log: two mirror entries, the opening of a case, the registration of an item in it."""
    system, stream = Stream(kind="system", id=SYSTEM_STREAM_ID), Stream(kind="case", id="case-7f3a")
    admitted, granted = registry_changes()
    first = entry(0, admitted, stream=system)
    second = entry(1, granted, stream=system, previous=first)
    opening = case.CaseOpened(
        case_number="2025-0417", case_type="theft", business_line="criminal", stage="investigation"
    )
    opened = entry(2, opening, stream=stream)
    phone = item.ItemRegistered(
        item_id="item-7f3a-01",
        item_kind="exhibit",
        description="a mobile phone, black",
        quantity=Quantity(value="1", unit="piece"),
        seal_number="S-1",
    )
    secret = Section(salt="f" * 32, fields={"text": "found in the left pocket of 张某"})
    registered = entry(3, phone, stream=stream, previous=opened, sections={"narrative": secret})
    return [first, second, opened, registered]


def trust() -> Trust:
    """What a verifier of the example brings along."""
    policy = f"witness w1 {WITNESS.verifying_key.vkey()}\nquorum w1\n"
    proven = anchor().proven_at
    assert proven is not UNSET
    chain = replace(CHAIN, trusted_blocks=(TrustedBlock(proven.block_number, proven.block_hash),))
    return Trust(
        LOG_ID, LOG.verifying_key, key_id(SERVICE_KEY), parse_policy(policy), development=False, chains=(chain,)
    )


def anchor() -> Anchor:
    """Record 1 of the contract, proven by the state of a block two later."""
    admitted, granted = registry_changes()
    assert isinstance(granted, registry.KeyGranted)
    root = merkle.root_of([merkle.leaf_hash(one.data) for one in entries()])
    registry_hash = bytes.fromhex(granted.registry_hash[2:])
    state = State(CHAIN, number=11, timestamp=ANCHORED_AT + 24)
    state.record(1, root, 4, 9, ANCHORED_AT).has(registry_hash, authority.grant_of(granted, admitted.number))
    return Anchor(
        chain=CHAIN.identity,
        contract=CHAIN.anchor,
        number=1,
        size=4,
        root="0x" + root.hex(),
        registry_hash=granted.registry_hash,
        anchored_in=AnchoredIn(
            transaction_hash="0x" + "c2" * 32, block_number=9, block_hash="0x" + "b2" * 32, timestamp=ANCHORED_AT
        ),
        proven_at=state.proven(1, key_id(OFFICER_KEY)),
    )


def note_of(leaves: list[merkle.Hash]) -> str:
    """The tree head, signed by the log and co-signed by the witness."""
    checkpoint = Checkpoint(LOG.verifying_key.name, len(leaves), merkle.root_of(leaves))
    signed = parse_note(sign_checkpoint(checkpoint, LOG))
    return str(signed.with_signatures([cosign_checkpoint(checkpoint, WITNESS, COSIGNED_AT)]))


def bundle() -> Bundle:
    """The proof bundle of the last entry."""
    log = entries()
    leaves = [merkle.leaf_hash(one.data) for one in log]
    note, paths = note_of(leaves), merkle.grow(merkle.EMPTY_TREE, leaves).inclusion_proofs()
    proofs = [TlogProof(index, path, note).to_text() for index, path in enumerate(paths)]
    agency, grant = (
        Evidence(envelope=Raw(one.data), payload=Raw(one.payload_bytes), proof=proof)
        for one, proof in zip(log[:2], proofs, strict=False)
    )
    shown = log[3]
    return Bundle(
        format="tallystick/bundle@v1",
        log_id="0x" + LOG_ID.hex(),
        envelope=Raw(shown.data),
        payload=Raw(shown.payload_bytes),
        sections={label: Raw(canonical.encode(section)) for label, section in shown.sections.items()},
        proof=proofs[3],
        authority=raw(AuthorityEvidence(agency=agency, grant=grant)),
        anchors=raw([anchor()]),
    )
