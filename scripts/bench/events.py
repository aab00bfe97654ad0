"""Signed submissions to measure with: handovers of many cases, and a ledger that knows who signs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from api.wiring import RecordingParts, make_recording_parts, now_ms
from ledger.config.keys import LocalSigner
from ledger.core.events import Body, Stream, case, handover, item, registry
from ledger.core.events.registry import Name, Profile, RegistryChange
from ledger.core.events.terms import AgencyKind, Quantity
from ledger.core.log.notes import NoteSigner
from ledger.core.procedure.legal_days import instant_text
from ledger.recording.signing import Actor, StreamPosition, sign_event
from ledger.store.database import Database
from ledger.supervision.library.publishing import ModelDefinitions
from scripts.campaigns.casework import FOREVER, UNNUMBERED, numbered

LOG_ID = b"\x05" * 32
SERVICE = LocalSigner.from_private_key(b"\x09" * 32)
POLICE = Actor("police-east", "p-1", LocalSigner.from_private_key(b"\x07" * 32))
PROCURATORATE = Actor("procuratorate-east", "q-1", LocalSigner.from_private_key(b"\x08" * 32))
STEPS = 4  # events of one case


@dataclass
class _CaseUnderWay:
    case_id: str
    sequence: int = 0
    head: str | None = None


def submissions(count: int, run: str) -> list[bytes]:
    """``count`` submissions: every case is opened first, then an item of each is registered, offered, accepted.

    So an event's predecessor is far ahead of it, whatever connection each goes over.
    """
    cases = [_CaseUnderWay(f"case-{run}-{number}") for number in range(count // STEPS)]
    return [_signed(step, under_way) for step in range(STEPS) for under_way in cases]


def registry_changes() -> Iterator[RegistryChange]:
    """The changes by which the two agencies and their clerks' keys are known."""
    yield from numbered(_changes(), LOG_ID)


def _changes() -> Iterator[RegistryChange]:
    kinds: tuple[tuple[Actor, AgencyKind], ...] = ((POLICE, "public_security"), (PROCURATORATE, "procuratorate"))
    for actor, kind in kinds:
        profile = Profile(jurisdiction="31/01", name=Name(en=actor.agency, zh=actor.agency))
        yield registry.AgencyAdmitted(
            *UNNUMBERED,
            agency=actor.agency,
            kind=kind,
            admin=actor.signer.key_id,
            profile=profile,
        )
        yield registry.KeyGranted(
            *UNNUMBERED,
            agency=actor.agency,
            key_id=actor.signer.key_id,
            officer=actor.officer,
            roles=("clerk",),
            suite=1,
            valid_from=0,
            valid_until=FOREVER,
        )


def _signed(step: int, under_way: _CaseUnderWay) -> bytes:
    body, actor = _body(step, under_way.case_id)
    place = StreamPosition(Stream(kind="case", id=under_way.case_id), under_way.sequence, under_way.head)
    signed = sign_event(body, place, actor, LOG_ID)
    under_way.sequence += 1
    under_way.head = signed.envelope.payload_digest
    return signed.submission


def _body(step: int, case_id: str) -> tuple[Body, Actor]:
    item_id = f"item-{case_id}"
    if step == 0:
        opened = case.CaseOpened(
            case_number=case_id, case_type="theft", business_line="criminal", stage="investigation"
        )
        return opened, POLICE
    if step == 1:
        one = Quantity(value="1", unit="piece")
        phone = item.ItemRegistered(item_id=item_id, item_kind="exhibit", description="a phone", quantity=one)
        return phone, POLICE
    if step == 2:
        offered = handover.HandoverOffered(
            handover_id="handover-1",
            to_agency=PROCURATORATE.agency,
            purpose="prosecution_review",
            items=(handover.OfferedItem(item_id=item_id),),
        )
        return offered, POLICE
    accepted = handover.HandoverAccepted(
        handover_id="handover-1", received_at=instant_text(int(time.time())), rest_as_listed=True
    )
    return accepted, PROCURATORATE


def recording_over(database: Database, log_signer: NoteSigner) -> RecordingParts:
    """Return what records events into this database, as the service puts it together."""
    return make_recording_parts(
        database,
        log_id=LOG_ID,
        log_signer=log_signer,
        service_keys=SERVICE.key_id,
        service_signer=SERVICE,
        definitions=ModelDefinitions(),
        clock=now_ms,
    )
