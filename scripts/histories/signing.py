"""A history in the form that a ledger takes: the registry that knows its agencies and officers, signed submissions."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.events import Envelope, encode_submission, registry
from ledger.core.events.registry import Name, Profile, RegistryChange
from ledger.recording.signing import envelope_of, sign_payload
from scripts.campaigns.casework import FOREVER, UNNUMBERED, numbered
from scripts.histories.history import BEGINS, History
from scripts.histories.life import Entry
from scripts.histories.world import Officer, agencies

_UNSIGNED = "0x" + "00" * 65


def unsigned(entry: Entry) -> Envelope:
    """The envelope without a signature: enough for whoever reads what is said, and does not ask who said it."""
    nobody = "0x" + "00" * 20
    return envelope_of(entry.payload, entry.digest, key_id=nobody, signed_at=entry.recorded_at, signature=_UNSIGNED)


def submission(entry: Entry, log_id: bytes) -> bytes:
    """The event signed for the ledger ``log_id``, as a client posts it."""
    envelope = sign_payload(entry.payload, entry.officer.signer, log_id, signed_at=entry.recorded_at)
    return encode_submission(envelope, entry.payload, {})


def registry_changes(history: History, log_id: bytes, *officers: Officer) -> Iterator[RegistryChange]:
    """The changes by which the agencies, and the keys of all who sign and of ``officers``, are known."""
    yield from numbered(_changes((*history.officers, *officers)), log_id)


def _changes(officers: tuple[Officer, ...]) -> Iterator[RegistryChange]:
    for agency in agencies():
        yield registry.AgencyAdmitted(
            *UNNUMBERED,
            agency=agency.agency_id,
            kind=agency.kind,
            admin=Officer(agency.agency_id, "admin", ()).signer.key_id,
            profile=Profile(jurisdiction=agency.jurisdiction, name=Name(zh=agency.zh, en=agency.en)),
        )
    for officer in officers:
        yield registry.KeyGranted(
            *UNNUMBERED,
            agency=officer.agency,
            key_id=officer.signer.key_id,
            officer=officer.officer_id,
            roles=officer.roles,
            suite=1,
            valid_from=int(BEGINS.timestamp()) - 86_400,
            valid_until=FOREVER,
        )
