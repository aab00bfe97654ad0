"""Agencies and keys with their history: who may sign what, since when, by whose decision, and the use of each key.

All of it is public: anybody can derive it from the log's envelopes and its ``registry.*`` entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Path, Request
from msgspec import Struct
from starlette.responses import Response

from api.console.shared.access import PublicVisit, PublicVisitOf, VisitOf
from api.console.shared.rendering import download, narrator_of
from api.dependencies import After, SlugPath, known_agency
from api.services.documents import bundle_of_event
from api.services.service import Service
from ledger.chain.journal import Purpose
from ledger.core.errors import NotFound
from ledger.core.events import decode_payload
from ledger.core.events import registry as changes
from ledger.core.events.registry import RegistryChange
from ledger.core.signing.authority import Agency, AuthorityState, Grant
from ledger.i18n import Labels
from ledger.store import cases, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.growth import KeyUses, Use
from ledger.store.log import StoredEntry
from ledger.timeline.anchored_sizes import Anchored, AnchoredSizes, stages
from ledger.timeline.event_fields import event_fields

CHANGES = 50  # of the registry at a time
BY_ADMIN = (changes.KeyGranted, changes.KeyRevoked, changes.AdminChanged)

router = APIRouter()
EntryPath = Annotated[int, Path(ge=0, lt=2**53)]
KeyPath = Annotated[str, Path(pattern=r"^0x[0-9a-f]{40}$")]


class AgencyLine(NamedTuple):
    """An agency in the list: how many of its keys are valid now and how many are not, and how often they signed."""

    agency: Agency
    holding: int
    over: int
    uses: int


class ChangeLine(NamedTuple):
    """A change of the registry with its log index; ``recorded_at`` is in unix milliseconds."""

    entry: int
    recorded_at: int
    kind: str
    sentence: str
    decided: Literal["founding", "admin", "majority"]
    body: Any


class _ChangePlace(Struct, frozen=True):
    """The place and times of a change, in the form that ``ledger.timeline.anchored_sizes`` needs."""

    index: int
    signed_at: int
    recorded_at: int
    state: Anchored
    proven_at: int | None


class VisibleUse(NamedTuple):
    """An event that a key signed. ``stream`` is None for a case that the reader may not see."""

    use: Use
    stream: str | None


class KeyLine(NamedTuple):
    """A key with the changes that granted and revoked it, and how often it signed."""

    grant: Grant
    state: Literal["holds", "revoked", "not_yet", "over"]
    granted: ChangeLine
    revoked: ChangeLine | None
    uses: int
    last_use: int | None


@router.get("/agencies")
def list_agencies(visit: PublicVisitOf) -> Response:
    """Show all agencies, and what waits to be decided or mirrored."""
    authority, uses, now = (
        visit.service.authority(),
        _uses(visit.request, visit.service),
        visit.service.parts.clock() // 1000,
    )
    ordered = sorted(authority.agencies.values(), key=lambda agency: (agency.kind, agency.agency_id))
    values: dict[str, Any] = {
        "lines": [_line(agency, authority, uses, now) for agency in ordered],
        "authority": authority,
        "seen": visit.service.parts.chain_worker.chain_status,
        "followed": visit.service.parts.chain_worker.state,
        "counted": uses.counted,
    }
    return visit.page("registry/agencies.html", **values)


@router.get("/agencies/changes")
def list_changes(visit: PublicVisitOf, before: After = -1) -> Response:
    """Show the registry's whole history, newest first."""
    with visit.service.parts.database.read() as connection:
        entries = log.registry_entries(connection)
    entries = [entry for entry in entries if before < 0 or entry.log_index < before]
    page_entries = entries[: -CHANGES - 1 : -1]
    values: dict[str, Any] = {
        "changes": list(_changes(visit.service, visit.labels, page_entries)),
        "following": page_entries[-1].log_index if len(entries) > len(page_entries) else None,
    }
    return visit.page("registry/registry_changes.html", **values)


@router.get("/agencies/changes/{entry}")
def show_change(visit: PublicVisitOf, entry: EntryPath) -> Response:
    """Show all values of one change, how far it is proven, and its proof."""
    with visit.service.parts.database.read() as connection:
        stored = _registry_entry(connection, entry)
        anchored = AnchoredSizes(DatabaseJournal(visit.service.parts.database))
        proven_at = anchored.proven_at([entry]).get(entry)
        proof_stages = stages(
            connection, _ChangePlace(entry, stored.signed_at, stored.recorded_at, anchored.of(entry), proven_at)
        )
    payload = log.payload_of(stored)
    (change,) = _changes(visit.service, visit.labels, [stored])
    values: dict[str, Any] = {
        "change": change,
        "particulars": event_fields(
            payload, {}, narrator_of(visit.service, visit.labels).words(payload, None), visit.labels
        ),
        "stages": proof_stages,
        "agency": getattr(payload.body, "agency", None),
        "key": getattr(payload.body, "key_id", None),
        "event_id": stored.event_id,
        "digest": stored.payload_digest,
    }
    return visit.page("registry/registry_change.html", **values)


@router.get("/agencies/changes/{entry}/bundle")
def change_bundle(visit: VisitOf, entry: EntryPath) -> Response:
    """Return the proof bundle of a change for download."""
    with visit.service.parts.database.read() as connection:
        event_id = _registry_entry(connection, entry).event_id
    return download(bundle_of_event(visit.service, visit.reading, event_id), f"registry.{event_id}.bundle.json")


@router.get("/agencies/{agency_id}")
def show_agency(visit: PublicVisitOf, agency_id: SlugPath) -> Response:
    """Show an agency with all keys that it ever had, and what was decided about it."""
    authority, uses = visit.service.authority(), _uses(visit.request, visit.service)
    agency = known_agency(authority, agency_id)
    history = _history(visit.service, visit.labels, agency_id)
    own = sorted(
        (grant for grant in authority.grants.values() if grant.agency_id == agency_id), key=lambda grant: -grant.granted
    )
    values: dict[str, Any] = {
        "agency": agency,
        "keys": [_key_line(visit.service, grant, history, uses) for grant in own],
        "past": [history[index] for index in sorted(history, reverse=True)],
        "counted": uses.counted,
    }
    return visit.page("registry/agency.html", **values)


@router.get("/agencies/{agency_id}/keys/{key_id}")
def show_key(visit: PublicVisitOf, agency_id: SlugPath, key_id: KeyPath) -> Response:
    """Show what the key signed last."""
    authority, uses = visit.service.authority(), _uses(visit.request, visit.service)
    grant = authority.grants.get(key_id)
    if grant is None or grant.agency_id != agency_id:
        raise NotFound(f"no key {key_id} was granted to {agency_id}", field="key_id")
    line = _key_line(visit.service, grant, _history(visit.service, visit.labels, agency_id), uses)
    values: dict[str, Any] = {
        "agency": known_agency(authority, agency_id),
        "line": line,
        "newest": list(_visible_uses(visit, uses.newest(key_id))),
        "counted": uses.counted,
    }
    return visit.page("registry/key.html", **values)


def _registry_entry(connection: Connection, entry: int) -> StoredEntry:
    stored = log.entry(connection, entry)
    if stored.stream_kind != "system" or not stored.event_type.startswith("registry."):
        raise NotFound(f"entry {entry} of the log is no change of the registry", field="entry")
    return stored


def _uses(request: Request, service: Service) -> KeyUses:
    """Return the counts of key uses after reading a further stretch of the log."""
    uses: KeyUses = request.app.state.uses
    with service.parts.database.read() as connection:
        uses.read_on(connection)
    return uses


def _line(agency: Agency, authority: AuthorityState, uses: KeyUses, now: int) -> AgencyLine:
    own = [grant for grant in authority.grants.values() if grant.agency_id == agency.agency_id]
    holding = sum(_state(grant, now) == "holds" for grant in own)
    return AgencyLine(agency, holding, len(own) - holding, sum(uses.count(grant.key_id) for grant in own))


def _key_line(service: Service, grant: Grant, history: dict[int, ChangeLine], uses: KeyUses) -> KeyLine:
    newest = uses.newest(grant.key_id)
    return KeyLine(
        grant,
        _state(grant, service.parts.clock() // 1000),
        history[grant.granted],
        None if grant.revoked is None else history[grant.revoked],
        uses.count(grant.key_id),
        newest[0].signed_at if newest else None,
    )


def _visible_uses(visit: PublicVisit, newest: list[Use]) -> Iterator[VisibleUse]:
    with visit.service.parts.database.read() as connection:
        for use in newest:
            is_seen = visit.visitor and cases.sight(connection, use.stream_id, visit.visitor.reader)
            yield VisibleUse(use, use.stream_id if is_seen or use.stream_kind != "case" else None)


def _state(grant: Grant, now: int) -> Literal["holds", "revoked", "not_yet", "over"]:
    if grant.revoked is not None:
        return "revoked"
    if now < grant.valid_from:
        return "not_yet"
    return "holds" if now < grant.valid_until else "over"


def _history(service: Service, labels: Labels, agency_id: str) -> dict[int, ChangeLine]:
    """Return the changes of the registry about one agency, by log index."""
    with service.parts.database.read() as connection:
        entries = log.registry_entries(connection)
    own = [entry for entry in entries if getattr(decode_payload(entry.payload).body, "agency", None) == agency_id]
    return {change.entry: change for change in _changes(service, labels, own)}


def _changes(service: Service, labels: Labels, entries: list[StoredEntry]) -> Iterator[ChangeLine]:
    narrator = narrator_of(service, labels)
    journal = DatabaseJournal(service.parts.database)
    founding: dict[str, bool] = {}
    for entry in entries:
        payload = decode_payload(entry.payload)
        body = payload.body
        assert isinstance(body, RegistryChange), "the registry's entries mirror its changes"
        sent = body.location.transaction_hash
        if sent not in founding:
            write = journal.find(bytes.fromhex(sent[2:]))
            founding[sent] = write is not None and write.purpose is Purpose.DEPLOYMENT
        decided: Literal["founding", "admin", "majority"] = "admin" if isinstance(body, BY_ADMIN) else "majority"
        yield ChangeLine(
            entry.log_index,
            entry.recorded_at,
            entry.event_type,
            narrator.alone(payload),
            "founding" if founding[sent] else decided,
            body,
        )
