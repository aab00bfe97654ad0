"""Write cases for campaigns and measurements: two agencies with a clerk each, their admins, and the service's keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from msgspec.structs import replace

from api.services.parts import RecordingParts
from api.wiring import make_recording_parts, now_ms
from ledger.config.keys import LocalSigner
from ledger.core.ethereum import contract_changes
from ledger.core.events import Stream, case, handover, item, registry
from ledger.core.events.registry import AgencyProfile, ChangeLocation, Name, RegistryChange
from ledger.core.events.terms import AgencyKind, Quantity
from ledger.core.log.notes import SeedSigner
from ledger.core.log.policy import parse_policy
from ledger.core.procedure.legal_days import instant_text
from ledger.core.verification.trust import Trust
from ledger.recording.event_signing import Actor, Signed, StreamPosition, sign_event
from ledger.store.database import Database
from ledger.supervision.library.publishing import ModelDefinitions

FOREVER = 2**40  # unix seconds
LOG_ID = sha256(b"the ledger of the fault campaigns").digest()
LOG_SIGNER = SeedSigner.from_seed("fault.example/log", b"\x03" * 32)


def secret_of(label: str) -> bytes:
    """Return the private key of ``label``, always the same."""
    return sha256(f"key of {label}".encode()).digest()


def key_of(label: str) -> LocalSigner:
    """Return the key of ``label``, always the same."""
    return LocalSigner.from_private_key(secret_of(label))


SERVICE = key_of("service")
POLICE = Actor("police-east", "police-clerk", key_of("police clerk"))
PROCURATORATE = Actor("procuratorate-east", "procuratorate-clerk", key_of("procuratorate clerk"))
KINDS: dict[str, AgencyKind] = {POLICE.agency: "public_security", PROCURATORATE.agency: "procuratorate"}
CLERKS = (POLICE, PROCURATORATE)
TRUST = Trust(LOG_ID, LOG_SIGNER.verifying_key, SERVICE.key_id, parse_policy("quorum none\n"), True, ())
ONE = Quantity(value="1", unit="piece")


def admin_of(agency: str) -> LocalSigner:
    """Return the key that manages the agency's keys."""
    return key_of(f"admin of {agency}")


def name_of(agency: str) -> Name:
    """Return an agency's public name."""
    return Name(en=agency, zh=agency)


def recording_over(database: Database) -> RecordingParts:
    """Return what records events into this database, as the service puts it together."""
    return make_recording_parts(
        database,
        log_id=LOG_ID,
        log_signer=LOG_SIGNER,
        service_keys=SERVICE.key_id,
        service_signer=SERVICE,
        definitions=ModelDefinitions(),
        clock=now_ms,
    )


def registry_changes() -> Iterator[RegistryChange]:
    """Yield what makes the agencies and their clerks' keys known, numbered and hashed as the contract does."""
    rolling = LOG_ID
    for number, change in enumerate(_changes(), 1):
        numbered = replace(change, number=number)
        rolling = contract_changes.registry_hash(rolling, numbered)
        yield replace(numbered, registry_hash="0x" + rolling.hex())


def _changes() -> Iterator[RegistryChange]:
    nowhere = ChangeLocation(block_number=1, block_hash="0x" + "00" * 32, transaction_hash="0x" + "00" * 32)
    place = (0, "", nowhere)  # number, hash and place of a change before it has its number
    for agency, kind in KINDS.items():
        profile = AgencyProfile(jurisdiction="31/01", name=name_of(agency))
        yield registry.AgencyAdmitted(*place, agency, kind, admin_of(agency).key_id, profile)
    for clerk in CLERKS:
        yield registry.KeyGranted(
            *place,
            clerk.agency,
            clerk.signer.key_id,
            clerk.officer,
            ("clerk",),
            suite=1,
            valid_from=0,
            valid_until=FOREVER,
        )


def following(place: StreamPosition, signed: Signed) -> StreamPosition:
    """Return the position after an event."""
    return StreamPosition(place.stream, place.sequence + 1, signed.envelope.payload_digest)


@dataclass
class Casework:
    """One case after another, written event by event: opened, an item registered, offered, accepted."""

    writer: str
    log_id: bytes = LOG_ID
    cases: int = 0
    place: StreamPosition | None = None

    def next(self, now: int) -> Signed:
        """Return the next event on what was acknowledged, signed at ``now`` (unix seconds)."""
        if self.place is not None and self.place.sequence == 4:
            self.cases, self.place = self.cases + 1, None
        name = f"{self.writer}-{self.cases}"
        self.place = self.place or StreamPosition(Stream("case", name))
        line = handover.OfferedItem(name)
        body, actor = (
            (case.CaseOpened(name, "theft", "criminal", "investigation"), POLICE),
            (item.ItemRegistered(name, "exhibit", "a phone", ONE), POLICE),
            (handover.HandoverOffered("h1", PROCURATORATE.agency, "prosecution_review", items=(line,)), POLICE),
            (handover.HandoverAccepted("h1", instant_text(now), rest_as_listed=True), PROCURATORATE),
        )[self.place.sequence]
        return sign_event(body, self.place, actor, self.log_id)

    def acknowledged(self, signed: Signed) -> None:
        """Note that the event stands: the next one follows it."""
        assert self.place is not None
        self.place = following(self.place, signed)
