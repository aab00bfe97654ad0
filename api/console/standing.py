"""The status of the service from what it knows already: nothing here asks the chain, a witness or anybody else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from api.auth.reading import Reading
from api.dependencies import Service
from api.services.webhooks import ROLE as WEBHOOK_ROLE
from ledger.anchoring.anchors import last_size
from ledger.anchoring.timestamps import TimestampWorkerState
from ledger.anchoring.worker import ChainWorkerState
from ledger.chain.journal import WriteState
from ledger.chain.status import ChainStatus
from ledger.config.settings import EMBEDDED
from ledger.core.events import decode_payload
from ledger.core.events.record import IncidentRecorded
from ledger.core.procedure.legal_days import legal_day
from ledger.core.verification.trust import FinalityRule
from ledger.store import checkpoints, growth, imports, log, webhooks
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.growth import Day
from ledger.store.imports import SystemImports
from ledger.store.webhooks import Webhook
from ledger.supervision.runs.supervisor import RunState
from ledger.witness.gathering import WitnessState

DAYS = 14  # of the log's growth
INCIDENTS = 10  # the newest


class LogOverview(Struct, frozen=True):
    """The tree, its newest checkpoint (times in unix milliseconds), each day's entries, and free space on the disk."""

    log_id: str
    origin: str
    size: int
    root: str
    published: int
    published_at: int | None
    witnessed: int
    days: list[Day]
    kept_bytes: int
    free_bytes: int | None
    is_written: bool


class AnchorOverview(Struct, frozen=True):
    """The sizes that were sent, are in a block, and are final by the journal; and the number of anchors by state.

    ``open_since`` (unix milliseconds) is when the first entry was recorded that no final anchor covers.
    """

    submitted: int
    mined: int
    confirmed: int
    confirmed_at: int | None
    open_entries: int
    open_since: int | None
    interval_s: int
    counts: Mapping[str, int]


class WitnessOverview(Struct, frozen=True):
    """The witnesses, what prevents asking any, and from how many agencies the contract demands a co-signature."""

    states: list[WitnessState]
    defect: str | None
    quorum: int


class ChainOverview(Struct, frozen=True):
    """The result of the last look at the chain, and what it showed.

    ``unmirrored`` changes of its registry are not in the log yet; ``finality`` is known once the contracts are
    deployed.
    """

    is_embedded: bool
    chain_id: int
    finality: FinalityRule | None
    followed: ChainWorkerState
    chain_status: ChainStatus | None
    unmirrored: int


class TimestampOverview(Struct, frozen=True):
    """The last timestamped size, and its time in unix seconds."""

    url: str
    size: int
    time: int | None
    state: TimestampWorkerState


class Incident(Struct, frozen=True):
    """An incident in the log; ``recorded_at`` is in unix milliseconds."""

    index: int
    kind: str
    description: str
    recorded_at: int


class SignedInOverview(Struct, frozen=True):
    """What signed-in readers see: incidents, runs of models, and imports and webhooks of their agency."""

    incidents: list[Incident]
    runs: RunState
    imports: list[SystemImports]
    webhooks: list[Webhook] | None
    reads: int


class ServiceStatus(Struct, frozen=True):
    """The whole status as of ``now`` (unix milliseconds). ``inside`` is None for visitors."""

    now: int
    log: LogOverview
    anchors: AnchorOverview
    witnesses: WitnessOverview
    chain: ChainOverview
    stamps: TimestampOverview | None
    inside: SignedInOverview | None


def service_status(service: Service, reading: Reading | None) -> ServiceStatus:
    """Return the status now."""
    parts = service.parts
    return ServiceStatus(
        now=parts.clock(),
        log=_log(service),
        anchors=_anchors(service),
        witnesses=WitnessOverview(parts.collector.states(), parts.collector.defect, service.authority().quorum),
        chain=_chain(service),
        stamps=_stamps(service),
        inside=_inside(service, reading) if reading else None,
    )


def _log(service: Service) -> LogOverview:
    parts, trust = service.parts, service.parts.trust.trust
    today = legal_day(datetime.fromtimestamp(parts.clock() // 1000, UTC))
    with parts.database.read() as connection:
        tree = log.tree(connection)
        published = checkpoints.last_published(connection)
        witnessed = checkpoints.last_witnessed(connection)
        days = growth.days(connection, tree.size, today, DAYS)
    return LogOverview(
        log_id="0x" + trust.log_id.hex(),
        origin=trust.origin,
        size=tree.size,
        root=f"sha256:{tree.root.hex()}",
        published=published.size if published else 0,
        published_at=published.published_at if published else None,
        witnessed=witnessed.size if witnessed else 0,
        days=days,
        kept_bytes=growth.bytes_kept(parts.database),
        free_bytes=_free_bytes(service),
        is_written=parts.sequencer.is_running,
    )


def _free_bytes(service: Service) -> int | None:
    """Return the free bytes on the disk of the data directory, or None if the database is on another machine."""
    settings = service.parts.settings
    if not service.parts.database.is_sqlite or not settings.data_dir.exists():
        return None
    return shutil.disk_usage(settings.data_dir).free


def _anchors(service: Service) -> AnchorOverview:
    parts = service.parts
    journal = DatabaseJournal(parts.database)
    final = journal.last_anchor(WriteState.CONFIRMED)
    confirmed = last_size(final)
    with parts.database.read() as connection:
        size = log.tree(connection).size
        first_open = log.entry(connection, confirmed) if confirmed < size else None
    return AnchorOverview(
        submitted=last_size(journal.last_anchor()),
        mined=last_size(journal.last_anchor(WriteState.MINED, WriteState.CONFIRMED)),
        confirmed=confirmed,
        confirmed_at=final.timestamp * 1000 if final else None,
        open_entries=max(0, size - confirmed),
        open_since=first_open.recorded_at if first_open else None,
        interval_s=parts.settings.anchor_interval_s,
        counts=journal.counts(),
    )


def _chain(service: Service) -> ChainOverview:
    settings, chain_worker, chains = (
        service.parts.settings,
        service.parts.chain_worker,
        service.parts.trust.trust.chains,
    )
    chain_status = chain_worker.chain_status
    mirrored = service.authority().changes
    return ChainOverview(
        is_embedded=settings.chain == EMBEDDED,
        chain_id=settings.chain_id,
        finality=chains[-1].finality if chains else None,
        followed=chain_worker.state,
        chain_status=chain_status,
        unmirrored=max(0, chain_status.registry.change_count - mirrored) if chain_status else 0,
    )


def _stamps(service: Service) -> TimestampOverview | None:
    timestamp_worker, url = service.parts.timestamp_worker, service.parts.settings.timestamp_url
    if timestamp_worker is None or url is None:
        return None
    with service.parts.database.read() as connection:
        last = checkpoints.last_timestamp(connection)
    return TimestampOverview(url, last.size if last else 0, last.time if last else None, timestamp_worker.state)


def _inside(service: Service, reading: Reading) -> SignedInOverview:
    parts = service.parts
    with parts.database.read() as connection:
        entries = log.system_entries(connection, "incident.recorded", INCIDENTS)
        imported = imports.by_system(connection, reading.agency)
        supervises = reading.session.has_role(WEBHOOK_ROLE)
        hooks = webhooks.listed(connection, reading.agency) if supervises else None
    return SignedInOverview(
        incidents=[_incident(entry) for entry in entries],
        runs=parts.supervisor.state,
        imports=imported,
        webhooks=hooks,
        reads=parts.access.head().count,
    )


def _incident(entry: log.StoredEntry) -> Incident:
    payload = decode_payload(entry.payload)
    assert isinstance(payload.body, IncidentRecorded), "the payload is of the type that its entry says"
    return Incident(entry.log_index, payload.body.kind, payload.body.description, entry.recorded_at)
