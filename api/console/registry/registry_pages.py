"""Agencies and keys with their history: who may sign what, since when, by whose decision, and the use of each key.

A page beside them has what the ledger and each agency still lack, with the command that provides it. All of it is
public: anybody can derive it from the log's envelopes and its ``registry.*`` entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from fastapi import Path
from starlette.responses import Response

from api.console.shared.access import PublicVisit, PublicVisitOf, Visit, VisitOf, page_router
from api.console.shared.rendering import narrator_of
from api.dependencies import After, OfficerQuery, SlugPath, SlugQuery, download, known_agency
from api.services.documents import bundle_of_event
from api.services.setup import ledger_setup
from ledger.chain.journal import Purpose
from ledger.core.errors import NotFound
from ledger.core.events import Event
from ledger.core.events import registry as changes
from ledger.core.events.registry import RegistryChange
from ledger.core.signing.authority import Agency, Grant
from ledger.store import cases, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.growth import KeyUses, Use
from ledger.store.log import StoredEntry
from ledger.timeline.anchored_sizes import AnchoredSizes, stages
from ledger.timeline.event_fields import event_fields

CHANGES = 50  # of the registry at a time
BY_ADMIN = (changes.KeyGranted, changes.KeyRevoked, changes.AdminChanged)

router = page_router()
EntryPath = Annotated[int, Path(ge=0, lt=2**53)]
KeyPath = Annotated[str, Path(pattern=r"^0x[0-9a-f]{40}$")]


class AgencyLine(NamedTuple):
    """An agency in the list: how many of its keys are valid now and how many are not, and how often they signed."""

    agency: Agency
    holding: int
    over: int
    uses: int


class ChangeLine(NamedTuple):
    """A change of the registry as the log has it, in a sentence, and by whose decision."""

    entry: StoredEntry
    event: Event
    sentence: str
    decided: Literal["founding", "admin", "majority"]


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
    status = visit.service.parts.chain_worker.chain_status
    return visit.page(
        "registry/agencies.html",
        lines=agency_lines(visit),
        authority=visit.service.parts.authority(),
        chain_status=status,
        counted=_uses(visit).counted,
    )


def agency_lines(visit: Visit | PublicVisit) -> list[AgencyLine]:
    """Return all agencies, those of a kind beside each other."""
    authority, uses = visit.service.parts.authority(), _uses(visit)
    now = visit.service.parts.clock() // 1000
    lines = []
    for agency in sorted(authority.agencies.values(), key=lambda agency: (agency.kind, agency.agency_id)):
        own = [grant for grant in authority.grants.values() if grant.agency_id == agency.agency_id]
        holding = sum(_state(grant, now) == "holds" for grant in own)
        lines.append(AgencyLine(agency, holding, len(own) - holding, sum(uses.count(grant.key_id) for grant in own)))
    return lines


@router.get("/agencies/changes")
def list_changes(visit: PublicVisitOf, before: After = -1) -> Response:
    """Show the registry's whole history, newest first."""
    with visit.service.parts.database.read() as connection:
        entries = log.registry_entries(connection)
    entries = [entry for entry in entries if before < 0 or entry.log_index < before]
    page_entries = entries[: -CHANGES - 1 : -1]
    following = page_entries[-1].log_index if len(entries) > len(page_entries) else None
    changes = list(_changes(visit, page_entries))
    return visit.page("registry/registry_changes.html", changes=changes, following=following)


@router.get("/agencies/changes/{entry}")
def show_change(visit: PublicVisitOf, entry: EntryPath) -> Response:
    """Show all values of one change, how far it is proven, and its proof."""
    anchored = AnchoredSizes(DatabaseJournal(visit.service.parts.database))
    with visit.service.parts.database.read() as connection:
        stored = _registry_entry(connection, entry)
        proven_at, now = anchored.proven_at([entry]).get(entry), visit.service.parts.clock()
        proof_stages = stages(connection, stored, anchored.of(entry), proven_at, now)
    event = log.event_of(stored)
    (change,) = _changes(visit, [stored])
    words = narrator_of(visit.service, visit.labels).words(event, None)
    return visit.page(
        "registry/registry_change.html",
        change=change,
        particulars=event_fields(event, {}, words, visit.labels),
        stages=proof_stages,
        agency=getattr(event.body, "agency", None),
        key=getattr(event.body, "key_id", None),
    )


@router.get("/agencies/changes/{entry}/bundle")
def change_bundle(visit: VisitOf, entry: EntryPath) -> Response:
    """Return the proof bundle of a change for download."""
    with visit.service.parts.database.read() as connection:
        event_id = _registry_entry(connection, entry).event_id
    return download(bundle_of_event(visit.service, visit.reading, event_id), f"registry.{event_id}.bundle.json")


@router.get("/agencies/{agency_id}")
def show_agency(visit: PublicVisitOf, agency_id: SlugPath) -> Response:
    """Show an agency with all keys that it ever had, and what was decided about it."""
    authority, uses = visit.service.parts.authority(), _uses(visit)
    agency = known_agency(authority, agency_id)
    history = _history(visit, agency_id)
    own = [grant for grant in authority.grants.values() if grant.agency_id == agency_id]
    keys = [_key_line(visit, grant, history, uses) for grant in sorted(own, key=lambda grant: -grant.granted)]
    past = [history[index] for index in sorted(history, reverse=True)]
    return visit.page("registry/agency.html", agency=agency, keys=keys, past=past, counted=uses.counted)


@router.get("/agencies/{agency_id}/keys/{key_id}")
def show_key(visit: PublicVisitOf, agency_id: SlugPath, key_id: KeyPath) -> Response:
    """Show what the key signed last."""
    authority, uses = visit.service.parts.authority(), _uses(visit)
    grant = authority.grants.get(key_id)
    if grant is None or grant.agency_id != agency_id:
        raise NotFound("no key {key_id} was granted to {agency_id}", key_id=key_id, agency_id=agency_id, field="key_id")
    newest = []
    with visit.service.parts.database.read() as connection:
        for use in uses.newest(key_id):
            is_seen = visit.visitor and cases.sight(connection, use.stream_id, visit.visitor.reader)
            newest.append(VisibleUse(use, use.stream_id if is_seen or use.stream_kind != "case" else None))
    return visit.page(
        "registry/key.html",
        agency=known_agency(authority, agency_id),
        line=_key_line(visit, grant, _history(visit, agency_id), uses),
        newest=newest,
        counted=uses.counted,
    )


def _registry_entry(connection: Connection, entry: int) -> StoredEntry:
    stored = log.entry(connection, entry)
    if stored.stream_kind != "system" or not stored.event_type.startswith("registry."):
        raise NotFound("entry {entry} of the log is no change of the registry", entry=entry, field="entry")
    return stored


@router.get("/setup")
def setup(visit: PublicVisitOf, agency: SlugQuery = None, officer: OfficerQuery = None) -> Response:
    """Show all agencies, the reader's own or the one asked for opened; commands that make a key are for ``officer``."""
    own = agency or (visit.visitor.agency if visit.visitor else None)
    shown = ledger_setup(visit.service, visit.labels, officer=officer)
    if all(each.agency_id != own for each in shown.agencies):
        own = None
    return visit.page("registry/setup.html", of=shown, own=own, officer=officer or "")


def _uses(visit: Visit | PublicVisit) -> KeyUses:
    """Return the counts of key uses after reading a further stretch of the log."""
    uses = visit.service.uses
    with visit.service.parts.database.read() as connection:
        uses.read_on(connection)
    return uses


def _key_line(visit: PublicVisit, grant: Grant, history: dict[int, ChangeLine], uses: KeyUses) -> KeyLine:
    newest = uses.newest(grant.key_id)
    return KeyLine(
        grant,
        _state(grant, visit.service.parts.clock() // 1000),
        history[grant.granted],
        None if grant.revoked is None else history[grant.revoked],
        uses.count(grant.key_id),
        newest[0].signed_at if newest else None,
    )


def _state(grant: Grant, now: int) -> Literal["holds", "revoked", "not_yet", "over"]:
    if grant.revoked is not None:
        return "revoked"
    if now < grant.valid_from:
        return "not_yet"
    return "holds" if now < grant.valid_until else "over"


def _history(visit: PublicVisit, agency_id: str) -> dict[int, ChangeLine]:
    """Return the changes of the registry about one agency, by log index."""
    with visit.service.parts.database.read() as connection:
        entries = log.registry_entries(connection)
    own = [entry for entry in entries if getattr(log.event_of(entry).body, "agency", None) == agency_id]
    return {change.entry.log_index: change for change in _changes(visit, own)}


def _changes(visit: PublicVisit, entries: list[StoredEntry]) -> Iterator[ChangeLine]:
    narrator = narrator_of(visit.service, visit.labels)
    journal = DatabaseJournal(visit.service.parts.database)
    founding: dict[str, bool] = {}
    for entry in entries:
        event = log.event_of(entry)
        assert isinstance(event.body, RegistryChange), "the registry's entries mirror its changes"
        sent = event.body.location.transaction_hash
        if sent not in founding:
            write = journal.find(bytes.fromhex(sent[2:]))
            founding[sent] = write is not None and write.purpose is Purpose.DEPLOYMENT
        decided: Literal["admin", "majority"] = "admin" if isinstance(event.body, BY_ADMIN) else "majority"
        yield ChangeLine(entry, event, narrator.alone(event), "founding" if founding[sent] else decided)
