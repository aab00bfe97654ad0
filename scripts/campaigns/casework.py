"""Write cases while processes are killed: two agencies with a clerk each, their admins, and the ledger's own keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from msgspec.structs import replace

from ledger.config.keys import LocalSigner
from ledger.core.ethereum import contract_changes
from ledger.core.events import Stream, case, handover, item, registry
from ledger.core.events.registry import ChangeLocation, Name, Profile, RegistryChange
from ledger.core.events.terms import AgencyKind, Quantity
from ledger.core.log.notes import SeedSigner
from ledger.core.procedure.legal_days import instant_text
from ledger.recording.signing import Actor, Signed, StreamPosition, sign_event

NOWHERE = ChangeLocation(block_number=1, block_hash="0x" + "00" * 32, transaction_hash="0x" + "00" * 32)
FOREVER = 2**40  # unix seconds
UNNUMBERED = (0, "", NOWHERE)  # number, hash and place of a change before it has its number


def numbered(changes: Iterable[RegistryChange], log_id: bytes) -> Iterator[RegistryChange]:
    """Number the changes from 1 on, and give each the rolling hash over it and all before it."""
    rolling = log_id
    for number, change in enumerate(changes, 1):
        change_numbered = replace(change, number=number)
        rolling = contract_changes.registry_hash(rolling, change_numbered)
        yield replace(change_numbered, registry_hash="0x" + rolling.hex())


LOG_ID = sha256(b"the ledger of the fault campaigns").digest()
LOG_SIGNER = SeedSigner.from_seed("fault.example/log", b"\x03" * 32)


def key_of(label: str) -> LocalSigner:
    """Return the key of ``label``, always the same."""
    return LocalSigner.from_private_key(sha256(f"key of {label}".encode()).digest())


SERVICE = key_of("service")
POLICE = Actor("police-east", "police-clerk", key_of("police clerk"))
PROCURATORATE = Actor("procuratorate-east", "procuratorate-clerk", key_of("procuratorate clerk"))
KINDS: dict[str, AgencyKind] = {POLICE.agency: "public_security", PROCURATORATE.agency: "procuratorate"}
CLERKS = (POLICE, PROCURATORATE)


def admin_of(agency: str) -> LocalSigner:
    """Return the key that manages the agency's keys."""
    return key_of(f"admin of {agency}")


def profile_of(agency: str) -> Profile:
    """Return an agency's public profile."""
    return Profile(jurisdiction="31/01", name=Name(en=agency, zh=agency))


def registry_changes() -> Iterator[RegistryChange]:
    """Yield what makes the agencies and their clerks' keys known, numbered and hashed as the contract does."""
    yield from numbered(_changes(), LOG_ID)


def _changes() -> Iterator[RegistryChange]:
    for agency, kind in KINDS.items():
        admin = admin_of(agency).key_id
        yield registry.AgencyAdmitted(*UNNUMBERED, agency=agency, kind=kind, admin=admin, profile=profile_of(agency))
    for clerk in CLERKS:
        yield registry.KeyGranted(
            *UNNUMBERED,
            agency=clerk.agency,
            key_id=clerk.signer.key_id,
            officer=clerk.officer,
            roles=("clerk",),
            suite=1,
            valid_from=0,
            valid_until=FOREVER,
        )


@dataclass
class Casework:
    """One case after another, written event by event: opened, an item registered, offered, accepted."""

    writer: str
    log_id: bytes
    cases: int = 0
    sequence: int = 0
    head: str | None = None
    with_sections: bool = False

    def next(self, now: int) -> Signed:
        """Return the next event on what was acknowledged, signed at ``now`` (unix seconds)."""
        if self.sequence == 4:
            self.cases, self.sequence, self.head = self.cases + 1, 0, None
        name = f"{self.writer}-{self.cases}"
        body, actor = (
            (_OPENED, POLICE),
            (item.ItemRegistered(name, "exhibit", "a phone", Quantity("1", "piece")), POLICE),
            (_offer(name), POLICE),
            (handover.HandoverAccepted("h1", instant_text(now), rest_as_listed=True), PROCURATORATE),
        )[self.sequence]
        sections = {"narrative": {"text": f"what happened in {name}"}} if self.with_sections else None
        place = StreamPosition(Stream("case", name), self.sequence, self.head)
        return sign_event(body, place, actor, self.log_id, sections=sections)

    def acknowledged(self, signed: Signed) -> None:
        """Note that the event stands: the next one follows it."""
        self.sequence, self.head = self.sequence + 1, signed.envelope.payload_digest


_OPENED = case.CaseOpened(case_number="1", case_type="theft", business_line="criminal", stage="investigation")


def _offer(item_id: str) -> handover.HandoverOffered:
    line = handover.OfferedItem(item_id)
    return handover.HandoverOffered("h1", PROCURATORATE.agency, "prosecution_review", items=(line,))
