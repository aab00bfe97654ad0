"""Write cases for campaigns and measurements: two agencies with a clerk each, their admins, and the service's keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from api.services.parts import RecordingParts
from api.wiring import make_recording_parts
from ledger.config.keys import LocalSigner
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import Conflict
from ledger.core.ethereum import contract_changes
from ledger.core.events import SUITE_SECP256K1_EIP712, Stream, case, handover, registry
from ledger.core.events.registry import AgencyProfile, ChangeLocation, Name, RegistryChange
from ledger.core.events.terms import AgencyKind
from ledger.core.log.notes import SeedSigner
from ledger.core.procedure.adoption import publication_of
from ledger.core.trust.trust_file import TRUST_FORMAT, Trust
from ledger.procedures import shipped_procedures
from ledger.recording.clock import now_ms
from ledger.recording.event_signing import Actor, Signed, StreamPosition, sign_event
from ledger.samples.case_acts import listed, registration
from ledger.store.kept_states import state_key_of
from ledger.store.log import initialise
from ledger.store.opening import open_database
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
TRUST = Trust(
    format=TRUST_FORMAT,
    log_id_text="0x" + LOG_ID.hex(),
    origin=LOG_SIGNER.verifying_key.name,
    log_vkey=LOG_SIGNER.verifying_key.vkey(),
    service_key_id=SERVICE.key_id,
    policy_text="quorum none\n",
    development=True,
    chains=(),
    suites=(SUITE_SECP256K1_EIP712,),
)


def admin_of(agency: str) -> LocalSigner:
    """Return the key that manages the agency's keys."""
    return key_of(f"admin of {agency}")


def name_of(agency: str) -> Name:
    """Return an agency's public name."""
    return {"en": agency, "zh": agency}


@contextmanager
def recording_into(database_url: str, *adopted: bytes) -> Iterator[RecordingParts]:
    """Run what records events into this database, as the service puts it together; the log knows agencies and keys.

    Events are judged by the shipped procedures. The log itself has those of the texts ``adopted``, for who asks it.
    """
    database = open_database(database_url)
    initialise(database, LOG_ID)
    recording = make_recording_parts(
        database,
        log_id=LOG_ID,
        log_signer=LOG_SIGNER,
        service_keys=SERVICE.key_id,
        service_signer=SERVICE,
        definitions=ModelDefinitions(),
        clock=now_ms,
        procedures=shipped_procedures(),
        state_key=state_key_of(secret_of("states")),
    )
    recording.sequencer.start()
    try:
        for body in (*map(publication_of, adopted), *registry_changes(*map(blake3_text, adopted))):
            with suppress(Conflict):  # appended by an earlier run, or by a process beside this one
                recording.system.append(body)
        yield recording
    finally:
        recording.sequencer.stop()
        database.close()


def registry_changes(*adopted: str) -> Iterator[RegistryChange]:
    """Yield what makes the agencies and their clerks' keys known, and procedures by their digests ``adopted``.

    The changes are numbered and hashed as the contract does.
    """
    nowhere = ChangeLocation(block_number=1, block_hash="0x" + "00" * 32, transaction_hash="0x" + "00" * 32)
    place: dict[str, Any] = {"number": 0, "registry_hash": "", "location": nowhere}
    terms = place | {"roles": ("clerk",), "suite": 1, "valid_from": 0, "valid_until": FOREVER}
    drafts: list[RegistryChange] = []
    for agency, kind in KINDS.items():
        profile, admin = AgencyProfile(jurisdiction="31/01", name=name_of(agency)), admin_of(agency).key_id
        drafts.append(registry.AgencyAdmitted(**place, agency=agency, kind=kind, admin=admin, profile=profile))
    for clerk in CLERKS:
        key_id = clerk.signer.key_id
        drafts.append(registry.KeyGranted(**terms, agency=clerk.agency, key_id=key_id, officer=clerk.officer))
    drafts += [registry.ProcedureAdopted(**place, digest=digest) for digest in adopted]
    rolling = LOG_ID
    for number, draft in enumerate(drafts, 1):
        change = replace(draft, number=number)
        rolling = contract_changes.registry_hash(rolling, change)
        yield replace(change, registry_hash="0x" + rolling.hex())


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
        body, actor = (
            (case.CaseOpened(name, "theft", "criminal", "investigation", "cn-criminal"), POLICE),
            (registration(name), POLICE),
            (handover.HandoverOffered("h1", PROCURATORATE.agency, "prosecution_review", items=(listed(name),)), POLICE),
            (handover.HandoverAccepted("h1", instant_text(now), rest_as_listed=True), PROCURATORATE),
        )[self.place.sequence]
        return sign_event(body, self.place, actor, self.log_id)

    def acknowledged(self, signed: Signed) -> None:
        """Note that the event stands: the next one follows it."""
        assert self.place is not None
        self.place = signed.following
