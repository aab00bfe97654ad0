"""Opening an installation: every part of the service is made here, once, out of its settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread, current_thread
from typing import Any

import structlog
from msgspec.structs import replace

from api.connecting import Connector
from api.parts import Parts
from api.supervising import make_supervisor
from api.webhooks import WebhookPages, receivers_of, webhook_secret
from ledger import installation as installations
from ledger.chain.node import ChainIncident
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.event.record import IncidentRecorded
from ledger.core.note import SeedSigner, parse_vkey
from ledger.core.trust import EarlierLogKey, FinalityRule, Trust, TrustedChain, encode_trust, parse_trust
from ledger.cosign import Courier, Gatherer, Voucher, WitnessFile
from ledger.deliver import Deliverer
from ledger.follow import Follower
from ledger.installation import DataDirectory, Installation
from ledger.keys import LocalSigner, open_keystore, open_note_key
from ledger.publish import Publisher
from ledger.record import Recorder, shipped_rulebook
from ledger.recount import recount
from ledger.registry import Registry
from ledger.seal import Sealer
from ledger.sequence import Sequencer
from ledger.settings import Settings
from ledger.stamp import Stamper, read_roots
from ledger.store.access import AccessLog
from ledger.store.database import Database, open_database
from ledger.store.erasure import clear_away
from ledger.store.log import initialise, tree
from ledger.supervision.publishing import Definitions
from ledger.system import SystemStream
from ledger.warn import Warner
from ledger.workdays import shipped_calendar
from ledger.worker_pool import WorkerPool, WorkLimits

PUBLISH_EVERY = 0.25  # seconds between looks at whether a checkpoint is due
FOLLOW_EVERY = 0.5  # seconds between two looks at the chain
VOUCH_EVERY = 0.5  # seconds between looks at whether a block is to be vouched for
WARN_EVERY = 10.0  # seconds between looks at the deadlines that come near
ERASE_EVERY = 1.0  # seconds between looks at whether something was erased
SEAL_EVERY = 60.0  # seconds between looks at whether reads are due to be sealed
LOOK_S = 30  # seconds; a chain that takes longer is looked at while submissions come in
WITNESS_LOOK_S = 20  # seconds; longer than any witness is given to answer
ENDING_S = 5  # seconds; whoever waits longer for a chain that does not answer is left behind

logger = structlog.get_logger(__name__)


@contextmanager
def open_parts(settings: Settings) -> Iterator[Parts]:
    """The parts of a running service; events are committed and the chain is followed until the block is left.

    One that is ahead shows a database that must not be written. Witnesses are heard before the chain is followed, which
    writes to the log; nothing is served before both were looked at.
    Raises NotFound where ``tally init`` did not run, KeyRefused for a wrong passphrase or keys that are not the
    identity's, IntegrityBroken for a database from before its keys were replaced, Unavailable for no database.
    """
    parts, system, connector = _assemble(settings)
    stop = Event()
    parts.sequencer.start()
    threads = _threads(_hearing(parts), stop)
    try:
        parts.courier.has_looked.wait(WITNESS_LOOK_S)
        threads += _threads(_working(parts, system), stop)
        parts.follower.has_looked.wait(LOOK_S)
        yield parts
    finally:
        stop.set()
        for thread in threads:
            thread.join(ENDING_S)
        parts.sequencer.stop()
        connector.close()
        parts.workers.close()
        parts.supervisor.views.close()
        parts.database.close()


def _hearing(parts: Parts) -> dict[str, Callable[[Event], None]]:
    """What has witnesses sign, and tells others of the log."""
    return {
        "cosign": parts.courier.run,
        "publish": _every(PUBLISH_EVERY, lambda: parts.publisher.publish(parts.database, parts.clock())),
    }


def _working(parts: Parts, system: SystemStream) -> dict[str, Callable[[Event], None]]:
    """What writes to the log by itself, and tells of what was written."""
    warner = Warner(parts.database)
    sealer = Sealer(parts.database, parts.access, system)
    voucher = Voucher(parts.database, parts.courier.witnesses, lambda: parts.trust.trust)
    deliverer = Deliverer(
        parts.database,
        WebhookPages(parts),
        receivers_of(parts),
        secret=partial(webhook_secret, parts),
        clock=now_ms,
    )
    working = {
        "follow": parts.follower.run,
        "vouch": _every(VOUCH_EVERY, voucher.step),
        "warn": _every(WARN_EVERY, lambda: warner.step(now_ms())),
        "deliver": deliverer.run,
        "erase": _every(ERASE_EVERY, lambda: clear_away(parts.database)),
        "seal": _every(SEAL_EVERY, lambda: sealer.step(now_ms())),
        "supervise": parts.supervisor.run,
    }
    if parts.stamper is not None:
        working["stamp"] = parts.stamper.run
    return working


def _assemble(settings: Settings) -> tuple[Parts, SystemStream, Connector]:
    """Every part, none of them running yet."""
    where = DataDirectory(settings.data_dir)
    installation = installations.load(where)
    roots = _timestamp_roots(settings)
    installations.require_own_keys(where, installation)
    signer, service, submitter = _keys(settings, where)
    workers = _workers(settings)
    database, registry, recorder = _log(settings, where, installation, workers)
    log_id = installation.log_id_bytes
    publisher = Publisher(signer, settings.checkpoint_interval_ms)
    sequencer = Sequencer(database, registry, publisher, now_ms, recorder.states)
    system = SystemStream(database, recorder, sequencer, publisher, service, log_id=log_id, clock=now_ms)
    access = AccessLog(database)
    trust = TrustHolder(where, installation, _finality(settings, installation), roots)
    witnesses = WitnessFile(where.witnesses)
    witnesses.read()
    courier = Courier(database, witnesses, policy=lambda: trust.trust.policy, halt=sequencer.halt, clock=now_ms)
    connector = Connector(
        settings=settings,
        where=where,
        installation=installation,
        database=database,
        registry=registry,
        system=system,
        submitter=submitter,
        gatherer=Gatherer(witnesses, lambda: trust.trust.policy, courier.states),
        finality=trust.finality,
        sealer=Sealer(database, access, system),
        clock=now_s,
        on_incident=lambda incident: record_incident(system, incident),
        on_deployed=trust.deployed,
        started=[],
    )
    follower = Follower(connector, sequencer.halt, FOLLOW_EVERY)
    supervisor = make_supervisor(
        settings=settings,
        path=where.views,
        database=database,
        registry=registry,
        recorder=recorder,
        system=system,
        clock=now_ms,
        workers=workers,
    )
    parts = Parts(
        settings=settings,
        trust=trust,
        database=database,
        registry=registry,
        recorder=recorder,
        sequencer=sequencer,
        publisher=publisher,
        access=access,
        follower=follower,
        courier=courier,
        supervisor=supervisor,
        token_key=installations.read_token_key(where),
        clock=now_ms,
        stamper=_stamper(settings, database, roots),
        workers=workers,
    )
    return parts, system, connector


def _keys(settings: Settings, where: DataDirectory) -> tuple[SeedSigner, LocalSigner, LocalSigner]:
    """The service's own: that of checkpoints, that of its events, and that of what it sends to the chain."""
    passphrase = settings.passphrase(where)
    return (
        open_note_key(where.keys.note_key("log"), passphrase),
        open_keystore(where.keys.keystore("service"), passphrase),
        open_keystore(where.keys.keystore("submitter"), passphrase),
    )


def _workers(settings: Settings) -> WorkerPool:
    """For work whose cost a request decides; none is started before there is some."""
    return WorkerPool(settings.worker_processes, work_limits(settings))


def work_limits(settings: Settings) -> WorkLimits:
    """What one piece of such work may take."""
    return WorkLimits(
        memory_mb=settings.worker_memory_mb, cpu_s=settings.worker_cpu_s, seconds=settings.request_timeout_s
    )


def _log(
    settings: Settings, where: DataDirectory, installation: Installation, workers: WorkerPool
) -> tuple[Database, Registry, Recorder]:
    """The log of this ledger, and what reads and judges its events."""
    log_id = installation.log_id_bytes
    database = open_database(settings.database_url or f"sqlite:///{where.database}")
    try:
        initialise(database, log_id)
        with database.read() as connection:
            installations.require_no_rollback(installation, tree(connection).size)
    except TallystickError:
        database.close()
        raise
    registry = Registry(log_id, installation.service_keys)
    recorder = Recorder(database, registry, shipped_rulebook(), shipped_calendar(), Definitions(workers))
    if recount(database, recorder):
        logger.info("clocks counted anew")
    return database, registry, recorder


def _finality(settings: Settings, installation: Installation) -> FinalityRule:
    """By which rule blocks of the chain are final; warns where that is not the founding's word."""
    rule, founded = installations.finality_rule(installation.founding, settings), installation.founding.finality
    if settings.finality is not None and rule != founded:
        logger.warning("the setting finality overrides the founding's", setting=rule, founding=founded)
    return rule


def _timestamp_roots(settings: Settings) -> tuple[bytes, ...]:
    """Under which timestamps count; there must be one where an authority is to be asked."""
    roots = read_roots(settings.timestamp_roots) if settings.timestamp_roots else ()
    if settings.timestamp_url is not None and not roots:
        raise MalformedInput(
            "expected the root certificate of the authority at timestamp_url",
            field="timestamp_roots",
            hint="A timestamp that nobody can verify is worth nothing: name a PEM file with the authority's root.",
        )
    return roots


def _stamper(settings: Settings, database: Database, roots: tuple[bytes, ...]) -> Stamper | None:
    if settings.timestamp_url is None:
        return None
    return Stamper(database, settings.timestamp_url, roots, interval_s=settings.timestamp_interval_s, clock=now_s)


class TrustHolder:
    """The trust file as far as it is known: the contracts join it once they are deployed."""

    def __init__(
        self,
        where: DataDirectory,
        installation: Installation,
        finality: FinalityRule,
        timestamp_roots: tuple[bytes, ...] = (),
    ):
        self._path = where.trust
        self.finality = finality
        self._trust = Trust(
            log_id=installation.log_id_bytes,
            log_key=parse_vkey(installation.log_key),
            service_key_id=installation.service_key_id,
            policy=installations.policy_of(where, installation),
            development=installation.founding.development,
            chains=(),
            earlier_log_keys=tuple(
                EarlierLogKey(parse_vkey(one.key), one.until) for one in installation.earlier_log_keys
            ),
            earlier_service_keys=installation.earlier_service_keys,
            timestamp_roots=timestamp_roots,
        )

    @property
    def trust(self) -> Trust:
        return self._trust

    def deployed(self, contracts: TrustedChain) -> None:
        """Adds the chain and writes the file anew; warns where those who have the last one go by another finality."""
        handed_out = self._handed_out(contracts)
        if handed_out not in (None, contracts.finality):
            logger.warning(
                "the finality of the trust file has changed: witnesses go by the old one until they have the new file",
                before=handed_out,
                now=contracts.finality,
            )
        self._trust = replace(self._trust, chains=(contracts,))
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(encode_trust(self._trust) + b"\n")
        fresh.replace(self._path)

    def _handed_out(self, contracts: TrustedChain) -> FinalityRule | None:
        """By which rule the file that was written before takes blocks of this chain for final; None without one."""
        try:
            chain = parse_trust(self._path.read_bytes()).chain(contracts.identity, contracts.anchor)
        except (FileNotFoundError, MalformedInput):
            return None
        return chain.finality if chain else None


def record_incident(system: SystemStream, incident: ChainIncident) -> None:
    """Puts what befell the embedded node into the log; a log that cannot take it now must not stop the node."""
    edited = incident.kind in ("node_edited", "dump_edited")
    body = IncidentRecorded(kind="chain_edited" if edited else "chain_rebuilt", description=incident.detail)
    try:
        system.append(body)
    except TallystickError:
        logger.exception("incident not recorded", kind=incident.kind)


def now_ms() -> int:
    """This machine's clock in unix milliseconds."""
    return time.time_ns() // 1_000_000


def now_s() -> int:
    """This machine's clock in unix seconds."""
    return int(time.time())


def _every(pause_s: float, step: Callable[[], object]) -> Callable[[Event], None]:
    """Takes the step again and again until it is told to stop; no error keeps it from the next."""

    def run(stop: Event) -> None:
        name = current_thread().name
        while not stop.wait(pause_s):
            try:
                step()
            except TallystickError as error:
                logger.warning("step failed", thread=name, reason=error.for_operator)
            except Exception:
                logger.exception("step failed for a reason that nobody foresaw", thread=name)

    return run


def _threads(runs: dict[str, Callable[[Event], Any]], stop: Event) -> list[Thread]:
    """One for each, running, by its name."""
    made = [Thread(target=run, args=(stop,), name=name, daemon=True) for name, run in runs.items()]
    for thread in made:
        thread.start()
    return made
