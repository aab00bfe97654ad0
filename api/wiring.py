"""Build every part of the service from its settings and connect the parts.

This is the only place where parts are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from secrets import token_bytes
from threading import Event, Thread
from typing import Any

from api.auth.identity_providers import ProviderFile
from api.auth.phone_access import PhoneAccess
from api.auth.provider_sign_in import ProviderSignIn
from api.auth.sessions import SignInService
from api.chain_connector import Connector, TrustHolder, now_s
from api.services.auditing import Audits
from api.services.notice_mail import NoticeMail, forget_gone, mail_server_of
from api.services.parts import Parts, RecordingParts, TrustSource
from api.services.peers import Peers
from api.services.service import Cursors, Service
from api.services.submission import SubmissionService
from api.services.validators import ValidatorPool
from api.services.webhooks import WebhookPages, receivers_of, webhook_secret
from ledger.anchoring.state_proofs import StateProofs
from ledger.anchoring.timestamps import TimestampWorker, read_roots
from ledger.anchoring.worker import ChainConnection, ChainWorker
from ledger.audit import audit_case, left_out
from ledger.audit.bindings import is_chain_whole
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Installation
from ledger.config.keys import open_keystore, open_note_key
from ledger.config.secret_files import write_secret
from ledger.config.settings import EMBEDDED, Settings
from ledger.core.errors import Conflict, MalformedInput, TallystickError
from ledger.core.events.record import DatasetRegistered
from ledger.core.log.notes import NoteSigner
from ledger.core.procedure.adoption import Procedures, publication_of
from ledger.core.signing.authority import ServiceKeys
from ledger.core.signing.signatures import TransactionSigner
from ledger.deadlines.upkeep import recount, warn
from ledger.evidence.kept_evidence import KeptEvidence, open_kept_evidence
from ledger.evidence.rehashing import Rehasher
from ledger.interchange.mail.sender import MailSender
from ledger.interchange.webhooks.deliverer import Deliverer
from ledger.loggers import get_logger
from ledger.notices.noticing import notice
from ledger.proofs.bundles import Prover
from ledger.recording import supervision_streams
from ledger.recording.access_log_sealing import AccessLogSealer
from ledger.recording.clock import RecordingClock, now_ms, seconds_behind
from ledger.recording.clock_judge import ClockJudge
from ledger.recording.public_store import public_store_of
from ledger.recording.publisher import INTERVAL_MS, Publisher
from ledger.recording.registry_view import Registry
from ledger.recording.sequencer import Sequencer
from ledger.recording.system_stream import SystemStream
from ledger.recording.uploading import TileUploader
from ledger.recording.validation import Validator
from ledger.recording.validation_process import ValidatorSetup
from ledger.recording.word_index import index_words
from ledger.store import bindings, log, phones, stocktakes
from ledger.store.access import AccessLog
from ledger.store.activity import Activity, failure_of
from ledger.store.append import clear_away
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database
from ledger.store.growth import KeyUses
from ledger.store.kept_states import state_key_of
from ledger.store.log import initialise, published_text, tree
from ledger.store.opening import open_database
from ledger.store.partitions import make_ahead
from ledger.store.replicas import LOOK_EVERY, Replicas
from ledger.supervision.library.publishing import ModelDefinitions
from ledger.supervision.runs.dataset_rows import write_table
from ledger.supervision.runs.datasets import TABLE_TAKES, DatasetFiles, Datasets, files_of_table
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.runs.supervisor import SupervisionLog, Supervisor
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import LedgerViewSource
from ledger.timeline.case_history import Histories
from ledger.timeline.diagrams import Pictures, TrailFiles
from ledger.witness.gathering.collector import CosignatureCollector
from ledger.witness.gathering.vouching import Voucher
from ledger.witness.gathering.witnesses import Witness, WitnessFile
from ledger.workers import sandbox
from ledger.workers.pool import WorkerPool, WorkLimits

NO_CHAIN = 1  # EIP-155 id in sign-in texts while no chain is deployed; it binds nothing
OWN_WORK = "the service"  # in place of an agency's id where worker processes are shared
RUN_SECONDS = 4  # allowed elapsed time for each second of computing, since the machine is shared
PUBLISH_EVERY = 0.25  # seconds between checks whether a checkpoint is due
FOLLOW_EVERY = 0.5  # seconds between two looks at the chain
VOUCH_EVERY = 0.5  # seconds between checks whether a block is to be vouched for
WARN_EVERY = 10.0  # seconds between checks of approaching deadlines
NOTICE_EVERY = 1.0  # seconds between looks at what is new for somebody
INDEX_EVERY = 1.0  # seconds between looks for words that searches do not find by their parts yet
FORGET_EVERY = 60.0  # seconds between checks whose last key has ended, and which offers were answered
CLOCK_EVERY = 5.0  # seconds between looks whether the clock has jumped
STORE_EVERY = 30.0  # seconds between looks whether the evidence store is there
REHASH_EVERY = 1.0  # seconds between looks for evidence files that are to be hashed again
ERASE_EVERY = 1.0  # seconds between checks whether something was erased
PARTITION_EVERY = 60.0  # seconds between checks whether the log needs another partition
HOLD_EVERY = 5.0  # seconds between looks whether the services' lock on the database was lost
SEAL_EVERY = 60.0  # seconds between checks whether reads are to be sealed
KEYS_AT_ONCE = 2  # opened at the start; each takes a second of a core, and 256 MB
LOOK_S = 30  # seconds to wait at the start; a slower chain is looked at while submissions are served
WITNESS_LOOK_S = 20  # seconds to wait at the start; longer than the timeout of any witness
ENDING_S = 5  # seconds; a thread that waits longer for a silent chain is abandoned
ID_LENGTH = 8  # random bytes by which the views of a data directory are told from those of another

logger = get_logger(__name__)


class BoundFile:
    """Stores the digest of a file of the data directory in the database, so that a changed file is noticed.

    Under a name of this data directory alone: services that share a database have a file each, on machines of which
    neither the names nor the paths need differ. Implements ``LeftDigest`` of ``ledger.supervision.views``.
    """

    def __init__(self, database: Database, path: Path):
        self._database = database
        self._name = f"{path.name} {_id_beside(path)}"

    def last(self) -> str | None:
        """Return the digest that was stored last, or None."""
        with self._database.read() as connection:
            return bindings.last_bound(connection, bindings.VIEWS, self._name)

    def keep(self, digest: str) -> None:
        """Store the digest if it differs from the last one."""
        with self._database.write() as connection:
            if bindings.last_bound(connection, bindings.VIEWS, self._name) != digest:
                bindings.bind(connection, bindings.VIEWS, {self._name: digest})


def _id_beside(path: Path) -> str:
    """Return the id in the file beside this one, which is made anew if it is missing or too short or long."""
    file = path.with_suffix(".id")
    own = file.read_bytes() if file.exists() else b""
    if len(own) != ID_LENGTH:
        own = token_bytes(ID_LENGTH)
        write_secret(file, own, field="data_dir", replace=True)
    return own.hex()


def make_recording_parts(
    database: Database,
    *,
    log_id: bytes,
    log_signer: NoteSigner,
    service_keys: ServiceKeys | str,
    service_signer: TransactionSigner,
    definitions: supervision_streams.Definitions,
    clock: Callable[[], int],
    checkpoint_interval_ms: int = INTERVAL_MS,
    procedures: Procedures | None = None,
    state_key: bytes | None,
    own_keys: str | None = None,
) -> RecordingParts:
    """Build what records events, without starting the sequencer. ``clock`` is the sequencer's.

    ``procedures`` are in force before the log adopts any: none, unless a ledger has no chain that could adopt them.
    Without a ``state_key`` no states of long cases are kept. ``own_keys`` are as for the publisher.
    """
    registry = Registry(log_id, service_keys, procedures)
    validator = Validator(database, registry, definitions, state_key=state_key)
    publisher = Publisher(log_signer, validator.states, checkpoint_interval_ms, own_keys)
    sequencer = Sequencer(database, registry, publisher, clock)
    system = SystemStream(database, validator, sequencer, publisher, service_signer, log_id=log_id, clock=clock)
    return RecordingParts(database, registry, validator, publisher, sequencer, system)


def make_parts(
    recording: RecordingParts,
    *,
    settings: Settings,
    trust: TrustSource,
    witnesses: Callable[[], tuple[Witness, ...]],
    connect: Callable[[], ChainConnection],
    views: Path | None,
    token_key: bytes,
    clock: Callable[[], int],
    workers: WorkerPool,
    trails: Path | None = None,
    timestamp_worker: TimestampWorker | None = None,
    uploader: TileUploader | None,
    evidence: KeptEvidence | None = None,
    clock_judge: ClockJudge | None = None,
) -> Parts:
    """Build the parts of a service without starting any.

    ``connect`` connects the chain, ``views`` is the file of the views of models, or None to keep them in memory;
    ``trails`` is the folder of what pictures of long cases go on from, if that outlives the service.
    """
    database, halt = recording.database, recording.sequencer.halt
    chain_worker = ChainWorker(connect, halt, database.activity, FOLLOW_EVERY)
    registry, state_key = recording.registry, recording.validator.states.state_key
    setup = ValidatorSetup(database.url, *registry.origin, state_key)
    validators = ValidatorPool(
        setup, settings.validator_processes, lambda: registry.authority.changes, float(settings.request_timeout_s)
    )
    return Parts(
        **{part.name: getattr(recording, part.name) for part in fields(recording)},
        settings=settings,
        trust=trust,
        access=AccessLog(database),
        chain_worker=chain_worker,
        states=StateProofs(database, DatabaseJournal(database), lambda: chain_worker.link.chain),
        collector=CosignatureCollector(database, witnesses, policy=lambda: trust.trust.policy, halt=halt, clock=clock),
        supervisor=_supervisor(recording, settings, views, clock, workers),
        validators=validators,
        replicas=Replicas(database, settings.replicas, settings.replica_lag_s),
        # Half of the time of a request: the other half is left to record here what another service did not.
        peers=Peers(
            settings.peers_folder,
            trust.trust.log_id,
            lambda: recording.sequencer.is_running,
            settings.request_timeout_s / 2,
        ),
        token_key=token_key,
        clock=clock,
        trails=None if trails is None else TrailFiles(trails, token_key),
        timestamp_worker=timestamp_worker,
        uploader=uploader,
        evidence=evidence,
        clock_judge=clock_judge,
        workers=workers,
    )


def make_service(parts: Parts) -> Service:
    """Build what the routes share over the parts."""
    trust, clock = parts.trust, lambda: parts.clock() // 1000
    development = trust.trust.development
    providers = ProviderFile(DataDirectory(parts.settings.data_dir).identity_providers, development=development)
    sign_in = SignInService(
        parts.database,
        parts.settings,
        log_id=trust.trust.log_id,
        token_key=parts.token_key,
        chain_id=lambda: trust.trust.chains[-1].chain_id if trust.trust.chains else NO_CHAIN,
        clock=clock,
        providers=providers,
    )
    provider_sign_in = ProviderSignIn(
        parts.database, parts.settings, providers, sign_in, clock=clock, outcomes=parts.measures.provider_sign_ins
    )
    phone_access = PhoneAccess(parts.database, parts.settings, clock)
    database, trusted = parts.database, lambda: trust.trust
    prover = Prover(
        database,
        parts.registry,
        parts.publisher,
        states=parts.states,
        trust=trusted,
        procedures=parts.validator.procedures,
    )
    histories, pictures = Histories(parts.validator.states), Pictures(parts.trails)
    audits, cursors = Audits(parts), Cursors(parts.token_key)
    return Service(
        parts,
        sign_in,
        provider_sign_in,
        phone_access,
        SubmissionService(parts),
        prover,
        histories,
        pictures,
        audits,
        cursors,
        KeyUses(),
    )


def _supervisor(
    recording: RecordingParts, settings: Settings, path: Path | None, clock: Callable[[], int], workers: WorkerPool
) -> Supervisor:
    """Build the supervisor of models without starting it."""
    database, validator, limits = recording.database, recording.validator, workers.limits.times(TABLE_TAKES)

    def write(path: Path, registered: DatasetRegistered, evidence: str, target: Path) -> bool:
        files = files_of_table(path, registered, target)
        return workers.run(write_table, path, registered, evidence, target, agency=OWN_WORK, limits=limits, files=files)

    source = LedgerViewSource(database, validator.states, recording.authority)
    datasets = Datasets(DatasetFiles(database), write)
    views = Views(
        path,
        source,
        datasets=lambda size, agency, ids: datasets.tables(source.registered(size), source.ranks(agency), ids),
        left_with=None if path is None else BoundFile(database, path),
    )
    runner = ModelRunner(workers, model_limits(settings), agency=OWN_WORK)
    record = SupervisionLog(database, recording.authority, recording.system, source.registered, runner)
    return Supervisor(views, record, interval_s=settings.supervision_interval_s, clock=clock, runner=runner)


def model_limits(settings: Settings) -> WorkLimits:
    """Return the limits of one run of a published model."""
    return WorkLimits(
        memory_mb=settings.model_memory_mb, cpu_s=settings.model_cpu_s, seconds=RUN_SECONDS * settings.model_cpu_s
    )


@contextmanager
def open_parts(settings: Settings) -> Iterator[Parts]:
    """Yield the parts of a running service, which commits events and follows the chain until the block is left.

    A chain that is ahead of the log shows a database that must not be written. Therefore witnesses are asked before the
    chain is followed, which writes to the log, and nothing is served before both were looked at once.

    Raises NotFound if ``tally init`` did not run, KeyRefused for a wrong passphrase or keys of another identity,
    IntegrityBroken for a database from before its keys were replaced, and Unavailable if the database does not answer.
    """
    parts, connector = assemble(settings)
    with parts.database.read() as connection:
        if behind_s := seconds_behind(log.tree(connection).recorded_at, parts.clock()):
            logger.warning(
                "the clock of this machine is behind the last entry, whose time new ones get", seconds=behind_s
            )
    stop = Event()
    parts.sequencer.start()
    publish_procedures(parts, DataDirectory(settings.data_dir))
    activity = parts.database.activity
    publish = _repeat(activity, PUBLISH_EVERY, lambda: parts.publisher.publish(parts.database, parts.sequencer.clock()))
    _start_loops(parts, {"cosign": parts.collector.run, "publish": publish}, stop)
    try:
        parts.collector.has_looked.wait(WITNESS_LOOK_S)
        _start_loops(parts, writing_loops(parts), stop)
        parts.chain_worker.has_looked.wait(LOOK_S)
        yield parts
    finally:
        # In this order: first what writes, then the sequencer that commits it, at last what both use.
        stop.set()
        activity.wake()
        for thread in parts.loops:
            thread.join(ENDING_S)
        parts.sequencer.stop()
        parts.peers.close()
        parts.replicas.close()
        connector.close()
        parts.validators.close()
        parts.workers.close()
        parts.supervisor.views.close()
        parts.database.close()


def publish_procedures(parts: Parts, where: DataDirectory) -> None:
    """Publish the texts of packages that the founding adopts, unless the log has them.

    That is done before the chain is followed: an adoption counts only if the text is in the log before it.
    """
    installation = installations.load(where)
    with parts.database.read() as connection:
        size = tree(connection).size
        missing = [
            text
            for digest, text in installations.kept_procedures(where, installation.founding.procedures)
            if published_text(connection, digest, size) is None
        ]
    for text in missing:
        parts.system.append(publication_of(text))


def count_and_warn(parts: Parts) -> None:
    """Count deadlines anew if other days off were adopted, and store the warnings that are due."""
    recount(parts.database, parts.validator)
    warn(parts.database, parts.sequencer.clock(), parts.zone())


def writing_loops(parts: Parts) -> dict[str, Callable[[Event], None]]:
    """Return the loops that write to the log on their own or report what was written, by the name of their thread."""
    sealer = AccessLogSealer(parts.database, parts.access, parts.system)
    voucher = Voucher(parts.database, parts.collector.witnesses, lambda: parts.trust.trust)
    secret = partial(webhook_secret, parts)
    deliverer = Deliverer(parts.database, WebhookPages(parts), receivers_of(parts), secret=secret, clock=now_ms)
    repeat = partial(_repeat, parts.database.activity)
    believed = parts.sequencer.clock  # by another one nothing is stored or forgotten
    working = {
        "follow": parts.chain_worker.run,
        "vouch": repeat(VOUCH_EVERY, voucher.step),
        "hold": repeat(HOLD_EVERY, lambda: hold(parts)),
        "warn": repeat(WARN_EVERY, lambda: count_and_warn(parts)),
        "deliver": deliverer.run,
        "notice": repeat(NOTICE_EVERY, lambda: notice(parts.database, parts.validator, believed())),
        "index words": repeat(INDEX_EVERY, lambda: index_words(parts.database)),
        "forget mail": repeat(FORGET_EVERY, lambda: forget_gone(parts)),
        "forget phones": repeat(FORGET_EVERY, lambda: phones.forget(parts.database, believed() // 1000)),
        "forget stocktakes": repeat(FORGET_EVERY, lambda: stocktakes.forget(parts.database, believed() // 1000)),
        "erase": repeat(ERASE_EVERY, lambda: clear_away(parts.database)),
        "partition": repeat(PARTITION_EVERY, lambda: make_ahead(parts.database)),
        "replicas": repeat(LOOK_EVERY, parts.replicas.look),
        "seal": repeat(SEAL_EVERY, lambda: sealer.step(believed())),
        "supervise": parts.supervisor.run,
    }
    if parts.clock_judge is not None:
        working["clock"] = partial(parts.database.activity.repeat, try_step=parts.clock_judge.step, every_s=CLOCK_EVERY)
    if parts.settings.sends_mail:
        sender = MailSender(parts.database, NoticeMail(parts), mail_server_of(parts.settings), clock=now_ms)
        working["mail"] = sender.run
    if parts.timestamp_worker is not None:
        working["stamp"] = parts.timestamp_worker.run
    if parts.uploader is not None:
        working["upload"] = parts.uploader.run
    if parts.evidence is not None:
        working["rehash"] = partial(rehash, parts)
        working["evidence"] = partial(parts.database.activity.repeat, try_step=parts.evidence.look, every_s=STORE_EVERY)
    return working


def alike(settings: Settings, *, while_running: bool = False) -> dict[str, bytes]:
    """Return what services of one ledger must have alike, by the names of the files and settings.

    One without the witnesses of the others would go on from a log that was rolled back, and one with another policy,
    finality or number of copies would hand out what does not hold by theirs. ``while_running`` restricts it to the
    files that a service reads again when they change.
    """
    where = DataDirectory(settings.data_dir)
    files, values = [where.witnesses, where.identity_providers], {}
    if not while_running:
        files += [where.policy, where.token_key]
        values = {"durable_copies": settings.durable_copies, "finality": settings.finality}
    contents = {file.name: file.read_bytes() if file.exists() else b"" for file in files}
    return contents | {name: str(value).encode() for name, value in values.items()}


def hold(parts: Parts) -> None:
    """Hold the services' lock on the database, and write nothing more if it was lost to another."""
    try:
        lock, alone = parts.database.service_lock, parts.settings.chain == EMBEDDED
        lock.hold(alone=alone, alike=alike(parts.settings, while_running=True))
    except Conflict as error:
        parts.sequencer.halt(error)


def rehash(parts: Parts, stop: Event) -> None:
    """Hash evidence files again as they become due, until ``stop`` is set."""
    assert parts.evidence is not None

    def is_sound(case_id: str) -> bool:
        report = audit_case(parts.database, parts.trust.trust, Procedures(), case_id, look=left_out)
        return not report.findings and is_chain_whole(parts.database)

    state_of, counts = parts.validator.states.of_case, parts.measures.file_checks
    rehasher = Rehasher(parts.evidence, state_of, is_sound, parts.system.append, stop.is_set, counts)
    _repeat(parts.database.activity, REHASH_EVERY, rehasher.step)(stop)


def assemble(settings: Settings) -> tuple[Parts, Connector]:
    """Build every part of the service, and what connects it to its chain, without starting any.

    Raises IntegrityBroken for a database from before its keys were replaced, KeyRefused for keys that were, and
    Conflict if other services are on the database and may not be.
    """
    directory = DataDirectory(settings.data_dir)
    installation = installations.load(directory)
    roots = timestamp_roots(settings)
    installations.require_own_keys(directory, installation)
    passphrase = settings.passphrase(directory)
    keys = directory.keys
    with ThreadPoolExecutor(KEYS_AT_ONCE) as opening:
        log_key = opening.submit(open_note_key, keys.note_key("log"), passphrase)
        keystores = [
            opening.submit(open_keystore, keys.keystore(name), passphrase) for name in ("service", "submitter")
        ]
    log_signer, (service_signer, submitter) = log_key.result(), (opened.result() for opened in keystores)
    store = public_store_of(settings)
    workers = WorkerPool(settings.worker_processes, work_limits(settings))  # starts its processes when there is work
    if not all(enforced := sandbox.enforced()):
        logger.warning("work on what others wrote has limits, and no whole sandbox", **enforced._asdict())
    url = installations.database_url(settings.database_url, directory)
    database = open_database(url, copies=settings.durable_copies)
    try:
        _begin(database, settings, directory, installation)
        evidence = open_kept_evidence(settings, directory, passphrase, database, now_ms)
    except TallystickError:
        database.close()
        raise
    clock, elsewhere = RecordingClock(), settings.clock_urls
    recording = make_recording_parts(
        database,
        log_id=installation.log_id_bytes,
        log_signer=log_signer,
        service_keys=installation.service_keys,
        service_signer=service_signer,
        definitions=ModelDefinitions(workers),
        clock=clock,
        checkpoint_interval_ms=settings.checkpoint_interval_ms,
        state_key=state_key_of(installations.read_token_key(directory)),
        own_keys=installation.own_keys,
    )
    recording.authority()  # the procedures are in force before anything is judged by them
    if recount(database, recording.validator):
        logger.info("clocks counted anew")
    finality, founded = installations.finality_rule(installation.founding, settings), installation.founding.finality
    if settings.finality is not None and finality != founded:
        logger.warning("the setting finality overrides the founding's", setting=finality, founding=founded)
    trust = TrustHolder(directory, installation, finality, roots)
    witnesses = WitnessFile(directory.witnesses)
    witnesses.read()  # a faulty file stops the start, not the first co-signature
    stamping = None
    if settings.timestamp_url is not None:
        stamping = TimestampWorker(
            database, settings.timestamp_url, roots, interval_s=settings.timestamp_interval_s, clock=now_s
        )
    uploader = None
    if store is not None:
        uploader = TileUploader(database, store, trust=lambda: trust.trust, public_url=settings.tile_store_url)
    parts = make_parts(
        recording,
        settings=settings,
        trust=trust,
        witnesses=witnesses,
        connect=lambda: connector(),  # noqa: PLW0108 - it is made below, of these parts
        views=directory.views,
        trails=directory.trails,
        token_key=installations.read_token_key(directory),
        clock=now_ms,
        workers=workers,
        timestamp_worker=stamping,
        uploader=uploader,
        evidence=evidence,
        clock_judge=ClockJudge(clock, lambda: [*elsewhere, *(witness.url for witness in witnesses.read())]),
    )
    connector = Connector(parts, directory, installation, submitter, witnesses, trust)
    return parts, connector


def _begin(database: Database, settings: Settings, directory: DataDirectory, installation: Installation) -> None:
    """Hold the database of this ledger for a service, and begin its log at the first start. Raises as ``assemble``."""
    database.service_lock.hold(alone=settings.chain == EMBEDDED, alike=alike(settings))
    with database.read() as connection:
        if not log.has_begun(connection):
            installations.require_no_log(directory)
    initialise(database, installation.log_id_bytes)
    with database.lock() as connection:
        kept = tree(connection)
        installations.require_no_rollback(installation, kept.size)
        installations.require_newest_keys(installation, kept.own_keys)
        if kept.own_keys != installation.own_keys:
            log.keep_own_keys(connection, database, installation.own_keys)


def work_limits(settings: Settings) -> WorkLimits:
    """Return the limits of one piece of work that a request causes."""
    return WorkLimits(
        memory_mb=settings.worker_memory_mb, cpu_s=settings.worker_cpu_s, seconds=settings.request_timeout_s
    )


def timestamp_roots(settings: Settings) -> tuple[bytes, ...]:
    """Return the root certificates of timestamps.

    Raises MalformedInput if a timestamp authority is configured without a root.
    """
    roots = read_roots(settings.timestamp_roots) if settings.timestamp_roots else ()
    if settings.timestamp_url is not None and not roots:
        raise MalformedInput(
            "expected the root certificate of the authority at timestamp_url",
            field="timestamp_roots",
            hint="A timestamp that nobody can verify is worth nothing: name a PEM file with the authority's root.",
        )
    return roots


def _repeat(activity: Activity, pause_s: float, step: Callable[[], object]) -> Callable[[Event], None]:
    """Return a loop that calls ``step`` every ``pause_s`` seconds, more seldom at rest, until its event is set.

    An error of one step is logged and does not prevent the next.
    """
    return lambda stop: activity.repeat(stop, lambda: failure_of(step, "step failed") is None, pause_s)


def _start_loops(parts: Parts, runs: dict[str, Callable[[Event], Any]], stop: Event) -> None:
    """Start one daemon thread for each loop, named by its key, whose end before that of the service is noticed."""
    for name, run in runs.items():
        thread = Thread(target=run, args=(stop,), name=name, daemon=True)
        thread.start()
        parts.loops.append(thread)
