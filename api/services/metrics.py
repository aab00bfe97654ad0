"""The metrics of a service: gathered when they are asked for, of what its parts know and of look-ups in the database.

docs/operations/metrics.md explains each. A database that does not answer keeps nobody waiting for longer than
``GATHER_S``: what is known without it is told then, and that it is silent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from importlib.metadata import version
from threading import Lock, Thread
from typing import get_args

from msgspec import Struct
from msgspec.structs import asdict
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.auth.provider_sign_in import SIGNED_IN
from api.middleware.exposition import counter, counters, gauge, gauges, histograms, request_families, state
from api.services.parts import Parts
from api.services.readiness import PartStates, Readiness, readiness_of, states_of
from api.services.service_status import ANCHOR_GAS, SAYINGS, ServiceStatus, SignedInOverview, alarms, service_status
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.worker import ChainWord
from ledger.backup.of_directory import LastBackup, last_backups
from ledger.chain.journal import WriteState
from ledger.config.installation import DataDirectory
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import TallystickError
from ledger.evidence.kept_evidence import FileCondition
from ledger.loggers import get_logger
from ledger.recording.sequencer import MAX_WAITING
from ledger.store import clocks, evidence_files, retention
from ledger.workers import sandbox

GATHER_S = 5.0  # seconds that a look into the database may take; Prometheus waits for ten unless set otherwise
SILENT = "silent"  # state of a database that did not answer in this time
COUNT_S = 300.0  # seconds for which what is counted row by row is kept
MOST_COUNTED = 10_000
DATABASE_STATES = ("ok", "not_durable", "failed", SILENT)

logger = get_logger(__name__)


class KeptCounts(Struct, frozen=True):
    """What is kept and what is due, which is counted: rarely, for each of thousands of rows is read.

    ``checks`` is how many checks of evidence files wait, and since when (unix milliseconds), ``to_delete`` how many
    such files are to be deleted from the storage, ``due`` how many cases (True) and things are kept long enough, all
    counted up to ``MOST_COUNTED``. ``files`` is how many files the evidence store has, and their bytes.
    """

    checks: tuple[int, int | None]
    to_delete: int
    due: Counter[bool]
    files: tuple[int, int]


class KeptFacts(Struct, frozen=True):
    """What was counted within the last ``COUNT_S``, and the last backup from here, of the place in the settings."""

    counts: KeptCounts
    backup: LastBackup | None


class DatabaseFacts(Struct, frozen=True):
    """What a look into the database showed; ``status``, ``warnings`` and ``kept`` are None if it could not be read."""

    readiness: Readiness | None = None
    status: ServiceStatus | None = None
    warnings: int | None = None
    kept: KeptFacts | None = None
    seconds: float = GATHER_S


class ServiceMetrics(Collector):
    """Gathers the metrics of a service that runs. Threads may ask at once: they share one look into the database."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._lock = Lock()
        self._look: Future[DatabaseFacts] | None = None
        self._counted: tuple[float, KeptCounts] | None = None  # when, and what came of it

    def collect(self) -> Iterator[Metric]:
        """Yield every family of metrics; those that only the database knows without samples while it is silent."""
        parts = self._parts
        facts = self._facts()
        yield gauges("info", "The version of the program.", ["version"], {(version("tallystick"),): 1})
        yield from _of_readiness(facts, states_of(parts))
        yield from request_families(parts.measures.requests)
        yield _of_sandbox()
        yield from _of_recording(parts)
        yield from _of_chain(parts)
        yield from _of_witnesses(parts)
        yield from _of_replicas(parts)
        yield from _of_supervision(parts)
        yield from _of_measures(parts)
        if facts.status is not None:
            yield from _of_log(facts.status)
            yield from _of_followers(facts.status, parts)
            inside = facts.status.inside
            assert inside is not None, "the operator sees it"
            yield from _of_work(facts.status, inside, facts.warnings or 0)
        if facts.kept is not None:
            yield from _of_kept(facts.kept, parts)

    def _facts(self) -> DatabaseFacts:
        """Return what a look shows that is begun now, or was begun by another scrape and has not ended."""
        with self._lock:
            if self._look is None or self._look.done():
                self._look = Future()
                Thread(target=self._gather, args=(self._look,), name="metrics", daemon=True).start()
            look = self._look
        try:
            return look.result(GATHER_S)
        except TimeoutError:
            return DatabaseFacts()

    def _gather(self, look: Future[DatabaseFacts]) -> None:
        began, readiness, status, warnings, kept = time.perf_counter(), None, None, None, None
        try:
            readiness = readiness_of(self._parts)
            status = service_status(self._parts, None, for_operator=True)
            with self._parts.database.read() as connection:
                warnings = clocks.warnings_made(connection)
            kept = self._kept_facts()
        except TallystickError as error:
            logger.warning("metrics without the database", reason=error.for_operator)
        except Exception:
            logger.exception("metrics without the database, for a reason that nobody foresaw")
        look.set_result(DatabaseFacts(readiness, status, warnings, kept, time.perf_counter() - began))

    def _kept_facts(self) -> KeptFacts:
        settings, now = self._parts.settings, self._parts.clock() // 1000
        places = last_backups(DataDirectory(settings.data_dir))
        backups = [last for place, last in places.items() if settings.backup_store in (None, place)]
        if self._counted is None or time.monotonic() - self._counted[0] > COUNT_S:
            with self._parts.database.read() as connection:
                counts = KeptCounts(
                    checks=evidence_files.waiting(connection, MOST_COUNTED),
                    to_delete=evidence_files.count_to_delete(connection, MOST_COUNTED),
                    due=retention.count_due(connection, instant_text(now), MOST_COUNTED),
                    files=evidence_files.total(connection),
                )
            self._counted = time.monotonic(), counts
        return KeptFacts(self._counted[1], backup=max(backups, key=lambda last: last.made_at, default=None))


def _of_readiness(facts: DatabaseFacts, states: PartStates) -> Iterator[Metric]:
    readiness = facts.readiness
    database = SILENT if readiness is None else readiness.database
    is_working = {("database",): float(database == "ok")}
    # A look that is slow must not say of the others what it does not know: that the writer has stopped wakes people.
    is_working |= {(part,): float(word != "failed") for part, word in asdict(states).items()}
    yield gauge("ready", "Whether events can be recorded, as /readyz says.", float(bool(readiness and readiness.ready)))
    yield gauges("part_working", "Whether a part of the service works, as /readyz says.", ["part"], is_working)
    yield state("database_state", "The state of the database, as /readyz says.", DATABASE_STATES, database)
    yield gauge("status_read", "Whether what only the database knows could be read.", float(facts.status is not None))
    yield gauge("scrape_seconds", "Seconds that this look into the database took.", facts.seconds)


def _of_sandbox() -> Metric:
    """Return what work on what others wrote is kept from, by the parts of its sandbox."""
    parts = {(part,): float(is_there) for part, is_there in sandbox.enforced()._asdict().items()}
    return gauges("worker_sandbox", "Whether the system has a part of the workers' sandbox.", ["part"], parts)


def _of_recording(parts: Parts) -> Iterator[Metric]:
    submissions, recording = parts.measures.submissions, parts.sequencer.measures
    outcomes = {(outcome,): count for outcome, count in submissions.outcomes.copy().items()}
    validation = {("event",): submissions.validation, ("batch",): submissions.bulk_validation}
    in_use, most = parts.database.connections
    yield counters("submissions", "Submissions, by what came of them.", ["outcome"], outcomes)
    yield histograms("validation_seconds", "Seconds until submissions were judged.", ["request"], validation)
    yield histograms("queue_wait_seconds", "Seconds in the writer's queue.", [], {(): recording.queue_wait})
    yield histograms("commit_seconds", "Seconds until a batch was durable.", [], {(): recording.commit})
    yield histograms("batch_entries", "Entries that a batch added.", [], {(): recording.batch_entries})
    yield counter("failed_batches", "Batches that added nothing, by a fault.", recording.failed_batches)
    yield gauge("queue_events", "Events that wait for the writer.", parts.sequencer.waiting)
    yield gauge("queue_limit_events", "Events that may wait; more are turned away.", MAX_WAITING)
    yield gauge("database_connections", "Connections to the database in use.", in_use)
    yield gauge("database_connections_limit", "Connections to the database that may be in use.", most)


def _of_chain(parts: Parts) -> Iterator[Metric]:
    worker, status = parts.chain_worker.state, parts.chain_worker.chain_status
    waits = {(reason.value,): float(worker.waits is reason) for reason in WaitReason}
    changes = None if status is None else status.registry.change_count
    paid = None if status is None else status.balance / max(1, status.fee * ANCHOR_GAS)
    yield state("chain_state", "The state of the chain's follower.", get_args(ChainWord), worker.word)
    yield gauges("anchors_wait", "Whether nothing is anchored now, by the reason.", ["reason"], waits)
    yield gauge("chain_block", "The newest block that was looked at.", status.head if status else None)
    yield gauge("chain_seen_timestamp_seconds", "When the chain last answered.", status.seen_at if status else None)
    yield gauge("anchors_affordable", "Large anchors that the account's balance pays for.", paid)
    yield gauge("registry_changes", "Changes of the chain's registry.", changes)


def _of_witnesses(parts: Parts) -> Iterator[Metric]:
    witnesses, failing_s = parts.collector.states(), parts.collector.failing_s()
    sizes = {(witness.name,): float(witness.size) for witness in witnesses}
    heard = {(witness.name,): witness.heard_at / 1000 for witness in witnesses if witness.heard_at is not None}
    failing = {(name,): seconds for name, seconds in failing_s.items()}
    of = ["witness"]
    yield gauges("cosigned_entries", "The largest tree that a witness has co-signed.", of, sizes)
    yield gauges("cosigner_heard_timestamp_seconds", "When a witness last answered.", of, heard)
    yield gauges("cosigner_failing_seconds", "Seconds for which a witness has not co-signed when asked.", of, failing)


def _of_replicas(parts: Parts) -> Iterator[Metric]:
    states = {(str(number),): replica for number, replica in enumerate(parts.replicas.states, 1)}
    used = {number: float(replica.used) for number, replica in states.items()}
    answering = {number: replica for number, replica in states.items() if replica.entries_behind is not None}
    behind = {number: float(replica.entries_behind or 0) for number, replica in answering.items()}
    lag = {number: replica.lag_s or 0.0 for number, replica in answering.items()}
    of = ["replica"]
    yield gauges("replica_used", "Whether a replica is read.", of, used)
    yield gauges("replica_behind_entries", "Entries that a replica lacks.", of, behind)
    yield gauges("replica_behind_seconds", "Seconds, by the log's times, that a replica is behind.", of, lag)


def _of_supervision(parts: Parts) -> Iterator[Metric]:
    supervisor = parts.supervisor
    runs = supervisor.state
    looked_at = None if runs.looked_at is None else runs.looked_at / 1000
    yield counter("supervision_runs", "Runs of all models over everything.", supervisor.completed_runs)
    yield counter("supervision_failed_runs", "Looks of supervision that ended in a fault.", supervisor.failed_runs)
    yield counter("leads_raised", "Leads that this process has raised.", runs.raised)
    yield gauge("supervision_faults", "Models that cannot be run, or raise what they find.", len(runs.faults))
    yield gauge("supervision_looked_timestamp_seconds", "When all models last ran over everything.", looked_at)
    yield gauge("supervision_run_seconds", "Seconds that this took.", runs.took_ms / 1000)


def _of_log(status: ServiceStatus) -> Iterator[Metric]:
    published, anchors, size = status.published, status.anchors, status.tree.size
    anchored = {("submitted",): anchors.submitted, ("mined",): anchors.mined, ("confirmed",): anchors.confirmed}
    counts = {(each.value,): anchors.counts.get(each.value, 0) for each in WriteState}
    waited_s = 0.0 if status.open_since is None else max(0, status.now - status.open_since) / 1000
    published_at = None if published is None else published.published_at / 1000
    stamped = status.stamped.size if status.stamped else 0
    yield gauge("log_entries", "Entries of the log.", size)
    yield gauge("log_recorded_timestamp_seconds", "When the last entry was recorded.", status.tree.recorded_at / 1000)
    yield gauge("published_entries", "The size of the newest published checkpoint.", published.size if published else 0)
    yield gauge("published_timestamp_seconds", "When it was published.", published_at)
    witnessed = status.witnessed.size if status.witnessed else 0
    yield gauge("witnessed_entries", "The size of the newest checkpoint that the quorum has co-signed.", witnessed)
    yield gauges("anchored_entries", "The largest tree whose anchor came so far.", ["state"], anchored)
    yield gauges("anchors", "Anchors, by the state of their transaction.", ["state"], counts)
    yield gauge("anchor_lag_entries", "Entries that no final anchor covers.", max(0, size - anchors.confirmed))
    yield gauge("anchor_lag_seconds", "Seconds since the first of these was recorded.", waited_s)
    yield gauge("mirrored_changes", "Changes of the chain's registry that the log has.", status.mirrored)
    yield gauge("timestamped_entries", "The size of the newest checkpoint with a timestamp.", stamped)
    yield gauge("database_bytes", "Bytes that log and log of reads take on the disk.", status.kept_bytes)
    yield gauge("disk_free_bytes", "Bytes that are free on the disk of the data directory.", status.free_bytes)


def _of_followers(status: ServiceStatus, parts: Parts) -> Iterator[Metric]:
    """Yield how far those have come that follow the log: words of searches, notices, views, the public store."""
    sizes = {"words": status.indexed, "notices": status.noticed, "views": parts.supervisor.viewed}
    if status.upload is not None:
        sizes["public_store"] = status.upload.size
    entries = {(name,): float(size) for name, size in sizes.items()}
    yield gauges("follower_entries", "Entries up to which a follower of the log has come.", ["follower"], entries)


def _of_work(status: ServiceStatus, inside: SignedInOverview, warnings: int) -> Iterator[Metric]:
    hooks, mail = inside.webhooks or [], status.mail
    failing = sum(hook.failures > 0 for hook in hooks)
    since = mail.waiting_since if mail is not None else None
    newest = max((incident.recorded_at for incident in inside.incidents), default=None)
    kinds = Counter(alarm.kind for alarm in alarms(status))
    raised: dict[tuple[str, ...], float] = {(kind,): kinds[kind] for kind in SAYINGS}
    yield gauges("alarms", "What the console's page on operation says to look at.", ["kind"], raised)
    yield gauge("incident_timestamp_seconds", "When the last incident was recorded.", newest and newest / 1000)
    yield gauge("webhooks", "Webhooks of all agencies.", len(hooks))
    yield gauge("webhooks_failing", "Webhooks to which the last delivery failed.", failing)
    yield gauge("mail_addresses", "Confirmed addresses of officers.", mail.addresses if mail else 0)
    yield gauge("mail_failing", "Addresses to which the last message failed.", mail.failing if mail else 0)
    yield gauge("mail_waiting_seconds", "Seconds since the oldest notice in such a message.", _age(status.now, since))
    yield counter("deadline_warnings", "Warnings of deadlines that come near.", warnings)
    yield counter("recorded_reads", "Records of the log of reads.", inside.reads)


def _of_measures(parts: Parts) -> Iterator[Metric]:
    """Yield what is counted of evidence files and of sign-ins by identity providers."""
    checks, sign_ins = parts.measures.file_checks, parts.measures.provider_sign_ins.copy()
    # Each outcome begins at 0, so that a rule sees the first fault rise.
    by_outcome = {(outcome,): float(checks[outcome]) for outcome in get_args(FileCondition)}
    outcomes = {(outcome,): float(count) for outcome, count in sign_ins.items()} | {
        (SIGNED_IN,): float(sign_ins[SIGNED_IN])
    }
    yield counters("evidence_checks", "Evidence files that were hashed again, by the result.", ["outcome"], by_outcome)
    yield counters("provider_sign_ins", "Sign-ins by identity providers, by outcome.", ["outcome"], outcomes)


def _of_kept(kept: KeptFacts, parts: Parts) -> Iterator[Metric]:
    """Yield what is kept: evidence files, what is due after its time of retention, and the last backup."""
    counts = kept.counts
    (files, size), (waiting, since) = counts.files, counts.checks
    due = {("case",): float(counts.due[True]), ("item",): float(counts.due[False])}
    is_configured = parts.settings.backup_store is not None
    made_at = kept.backup.made_at if kept.backup else 0
    failed = kept.backup.failed if kept.backup else None
    yield gauge("evidence_files", "Files that the evidence store has.", files)
    yield gauge("evidence_bytes", "Bytes of these.", size)
    yield gauge("evidence_checks_waiting", "Checks of evidence files that are due and not done.", waiting)
    yield gauge("evidence_check_waiting_seconds", "Seconds since the first was due.", _age(parts.clock(), since))
    yield gauge("evidence_files_to_delete", "Files that are still to be deleted from the storage.", counts.to_delete)
    yield gauges("retention_due", "What has been kept long enough.", ["subject"], due)
    yield gauge("backup_configured", "Whether the settings name a place of backups.", float(is_configured))
    yield gauge("backup_timestamp_seconds", "When the last backup was made, 0 for never.", made_at)
    yield gauge("backup_failed_timestamp_seconds", "When a backup failed since.", failed)


def _age(now_ms: int, since_ms: int | None) -> float:
    return 0.0 if since_ms is None else max(0, now_ms - since_ms) / 1000
