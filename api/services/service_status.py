"""The status of the service from what it knows already, and what an operator must look at.

Nothing here asks the chain, a witness or anybody else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from msgspec import Struct

from api.auth.reading import Reading
from api.services.parts import Parts
from api.services.readiness import clock_fault, ended_loops
from api.services.webhooks import ROLE as WEBHOOK_ROLE
from api.texts import later
from ledger.anchoring.anchors import WaitReason, last_size
from ledger.anchoring.timestamps import TimestampWorkerState
from ledger.anchoring.worker import ChainWorkerState
from ledger.chain.chain_status import ChainStatus
from ledger.chain.contract_clients import act_of
from ledger.chain.journal import Purpose, WriteState
from ledger.core.events.record import IncidentRecorded
from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.recording.clock import seconds_behind
from ledger.recording.uploading import UploadState
from ledger.store import checkpoints, growth, imports, log, notices, search, webhooks, word_parts
from ledger.store.activity import Failure
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.checkpoints import PublishedCheckpoint, StoredTimestamp
from ledger.store.database import Connection
from ledger.store.growth import Day
from ledger.store.imports import SystemImports
from ledger.store.log import TreeState
from ledger.store.notices import MailState
from ledger.store.webhooks import Webhook
from ledger.supervision.runs.supervisor import ALL, RunState
from ledger.timeline.anchored_sizes import LATE_AFTER_S
from ledger.witness.gathering.collector import WitnessState

DAYS = 14  # of the log's growth
INCIDENTS = 10  # the newest


class AnchorOverview(Struct, frozen=True):
    """The sizes that were sent, are in a block, and are final by the journal; and the number of anchors by state.

    ``confirmed_at`` is in unix milliseconds.
    """

    submitted: int
    mined: int
    confirmed: int
    confirmed_at: int | None
    counts: Mapping[str, int]


class WaitingChange(Struct, frozen=True):
    """A change of the registry that its ``sender`` has signed and that is in no block, with the node's reason."""

    sender: str
    refusal: str | None


class FailedChange(Struct, frozen=True):
    """A change of the registry that its ``sender`` has signed and that came to nothing.

    It is the write ``number``, and calls ``act``.
    """

    sender: str
    number: int
    act: str

    @property
    def says(self) -> Message:
        return Message("number {change.number}: {change.act}", change=self)


class Incident(Struct, frozen=True):
    """An incident in the log; ``recorded_at`` is in unix milliseconds."""

    index: int
    kind: str
    description: str
    recorded_at: int


class SignedInOverview(Struct, frozen=True):
    """What signed-in readers see: incidents, runs of models, and imports and webhooks of their agency.

    An operator sees the webhooks of all agencies, and no imports.
    """

    incidents: list[Incident]
    runs: RunState
    imports: list[SystemImports]
    webhooks: list[Webhook] | None
    reads: int


class ServiceStatus(Struct, frozen=True):
    """The whole status as of ``now`` (unix milliseconds). ``inside`` is None for visitors.

    ``clock_fault`` is why nothing is recorded by the machine's clock, if so. ``ended_loops`` are the threads that have
    ended and should not. ``free_bytes`` is None if the database is on another machine. ``open_since`` (unix
    milliseconds) is when the first entry was recorded that no final anchor covers. ``chain_status`` is what the last
    look at the chain showed, of whose changes of the registry the log has ``mirrored``; ``waiting`` are changes that
    are late to come into a block, ``failed`` those that never will. ``witness_defect`` prevents asking any witness;
    ``quorum`` is from how many agencies the contract demands a co-signature. ``evidence`` is why no file can be put
    into the evidence store, or taken. ``noticed`` is the size up to which notices were derived, ``indexed`` the one up
    to which searches find words by their parts. ``mail`` is None on a ledger that sends none.
    """

    now: int
    is_written: bool
    clock_fault: str | None
    ended_loops: list[str]
    tree: TreeState
    published: PublishedCheckpoint | None
    witnessed: PublishedCheckpoint | None
    kept_bytes: int
    free_bytes: int | None
    anchors: AnchorOverview
    open_since: int | None
    chain: ChainWorkerState
    chain_status: ChainStatus | None
    mirrored: int
    waiting: list[WaitingChange]
    failed: list[FailedChange]
    witnesses: list[WitnessState]
    witness_defect: str | None
    quorum: int
    timestamp_url: str | None
    stamps: TimestampWorkerState | None
    stamped: StoredTimestamp | None
    upload: UploadState | None
    evidence: Failure | None
    noticed: int
    indexed: int
    mail: MailState | None
    inside: SignedInOverview | None


def service_status(parts: Parts, reading: Reading | None, *, for_operator: bool = False) -> ServiceStatus:
    """Return the status now: what visitors see, or the reader, or, without one, the operator, who sees all of it."""
    authority, settings = parts.authority(), parts.settings
    journal = DatabaseJournal(parts.database)
    final = journal.last_anchor(WriteState.CONFIRMED)
    anchors = AnchorOverview(
        submitted=last_size(journal.last_anchor()),
        mined=last_size(journal.last_anchor(WriteState.MINED, WriteState.CONFIRMED)),
        confirmed=last_size(final),
        confirmed_at=final.timestamp * 1000 if final else None,
        counts=journal.counts(),
    )
    kept_bytes = growth.bytes_kept(parts.database)
    is_on_this_disk = parts.database.is_sqlite and settings.data_dir.exists()
    with parts.database.read() as connection:
        tree = log.tree(connection)
        first_open = log.entry(connection, anchors.confirmed) if anchors.confirmed < tree.size else None
        return ServiceStatus(
            now=parts.clock(),
            is_written=parts.sequencer.is_running,
            clock_fault=None if (fault := clock_fault(parts)) is None else fault.message,
            ended_loops=ended_loops(parts),
            tree=tree,
            published=checkpoints.last_published(connection),
            witnessed=checkpoints.last_witnessed(connection),
            kept_bytes=kept_bytes,
            free_bytes=shutil.disk_usage(settings.data_dir).free if is_on_this_disk else None,
            anchors=anchors,
            open_since=first_open.recorded_at if first_open else None,
            chain=parts.chain_worker.state,
            chain_status=parts.chain_worker.chain_status,
            mirrored=authority.changes,
            waiting=_waiting(parts, journal),
            failed=failed_changes(journal),
            witnesses=parts.collector.states(),
            witness_defect=parts.collector.defect,
            quorum=authority.quorum,
            timestamp_url=settings.timestamp_url,
            stamps=parts.timestamp_worker.state if parts.timestamp_worker else None,
            stamped=checkpoints.last_timestamp(connection),
            upload=parts.uploader.state if parts.uploader else None,
            evidence=parts.evidence.fault if parts.evidence else None,
            noticed=notices.position(connection).log_index + 1,
            indexed=word_parts.position(connection, search.PARTS_MARK) + 1,
            mail=notices.mail_state(connection) if settings.sends_mail else None,
            inside=_inside(connection, parts, reading) if reading or for_operator else None,
        )


def days_of_log(parts: Parts, size: int) -> list[Day]:
    """Return how many of the log's first ``size`` entries were recorded on each of the last days."""
    today = zone_in_use().day_of(datetime.fromtimestamp(parts.clock() // 1000, UTC))
    with parts.database.read() as connection:
        return growth.days(connection, size, today, DAYS, zone_in_use())


def _waiting(parts: Parts, journal: DatabaseJournal) -> list[WaitingChange]:
    """Return the changes of the registry in no block that the node refuses, or that were signed a while ago."""
    refusals, late = parts.chain_worker.refusals, parts.clock() // 1000 - CHANGE_LATE_S
    return [
        WaitingChange(write.sender, refusals.get(write.number))
        for write in journal.unsettled()
        if write.purpose is Purpose.REGISTRY and write.block_number is None
        if write.number in refusals or write.timestamp < late
    ]


def failed_changes(journal: DatabaseJournal) -> list[FailedChange]:
    """Return the changes of the registry that came to nothing, unless they were handed in anew or acknowledged.

    Its sender learns it from nobody where another transaction of his account took the place of one that was sent.
    """
    return [
        FailedChange(write.sender, write.number, str(act_of(write)))
        for write in journal.failed_changes()
        if not any(
            candidate.purpose is Purpose.REGISTRY and act_of(candidate) == act_of(write)
            for candidate in journal.since_nonce(write)
            if candidate.number > write.number or candidate.state is not WriteState.INVALID
        )
    ]


def _inside(connection: Connection, parts: Parts, reading: Reading | None) -> SignedInOverview:
    agency = reading.agency if reading else None
    sees_webhooks = reading is None or reading.session.has_role(WEBHOOK_ROLE)
    return SignedInOverview(
        incidents=[_incident(entry) for entry in log.system_entries(connection, "incident.recorded", INCIDENTS)],
        runs=parts.supervisor.state,
        imports=imports.by_system(connection, agency) if agency else [],
        webhooks=webhooks.listed(connection, agency) if sees_webhooks else None,
        reads=parts.access.head().count,
    )


def _incident(entry: log.StoredEntry) -> Incident:
    body = log.event_of(entry).body
    assert isinstance(body, IncidentRecorded), "the payload is of the type that its entry says"
    return Incident(entry.log_index, body.kind, body.description, entry.recorded_at)


Colour = Literal["bad", "soon"]

LATE_MS = LATE_AFTER_S * 1000
CHANGE_LATE_S = 120  # seconds from its signing to a block in which a change of the registry is no matter of course
ANCHOR_GAS = 500_000  # of a large anchor with its consistency proof
ANCHORS_PAID = 1000  # anchors that the account's balance should pay for
RECENT_MS = 7 * 24 * 3600 * 1000  # milliseconds for which a recorded incident is shown as one to look at


class AlarmText(NamedTuple):
    """The meaning of an alarm, what to do, and the command for it, if there is one."""

    colour: Colour
    says: str
    mend: str
    command: str | None = None


class ServiceAlarm(NamedTuple):
    """One thing to look at. ``about`` names what it concerns; ``detail`` and ``hint`` are the service's own words.

    ``agency`` is the id of the agency that alone is concerned, if any.
    """

    kind: str
    about: str = ""
    detail: str | None = None
    hint: str | None = None
    agency: str | None = None

    @property
    def saying(self) -> AlarmText:
        return SAYINGS[self.kind]


SAYINGS = {
    "writer_stopped": AlarmText(
        "bad",
        later("Nothing is recorded any more: the writer has stopped."),
        later("The service's log says why. Mend the disk or restore the newest backup, then start it again."),
        "tally doctor",
    ),
    "clock_jumped": AlarmText(
        "bad",
        later("Nothing is recorded: the clock of the service's machine has jumped."),
        later("Put it right, and the service goes on by itself. If it is right now, restart the service."),
        "tally doctor",
    ),
    "clock_behind": AlarmText(
        "soon",
        later("The clock of the service's machine is behind the last entry, whose time new ones get."),
        later("Put it right, and see that the time is synchronised: what right clocks sign is refused until then."),
        "tally doctor",
    ),
    "loop_ended": AlarmText(
        "bad",
        later("A thread of the service has ended: what it did is not done any more."),
        later("Restart the service. Its log says what ended; report it."),
        "tally doctor",
    ),
    "chain_defect": AlarmText(
        "bad",
        later("The chain is not followed, by a defect of the service."),
        later("The traceback is in the service's log; report it. Events are recorded, and anchored later."),
        "tally doctor",
    ),
    "chain_faulty": AlarmText(
        "bad",
        later("The chain does not answer as it should. Events are recorded; anchors wait."),
        later("Nothing, if it passes by itself. Else see to the node, or set the right address of it."),
        "tally anchor status",
    ),
    "quorum_missing": AlarmText(
        "bad",
        later("Too few witnesses co-sign: nothing is anchored."),
        later("Ask the agencies that run the witnesses named here. Anchoring goes on by itself."),
        "tally anchor status",
    ),
    "witnesses_defect": AlarmText(
        "bad",
        later("Witnesses are not asked, by a defect of the service."),
        later("The traceback is in the service's log; report it, and start the service again."),
    ),
    "anchor_late": AlarmText(
        "soon",
        later("Entries have waited for a final anchor for more than ten minutes."),
        later("See below what the chain waits for. An account without money, or a node that lags, is mended there."),
        "tally anchor status",
    ),
    "change_waits": AlarmText(
        "bad",
        later("A grant, revocation or decision that an agency's admin has signed is not on the chain."),
        later(
            "A key that it revokes signs on. Tell the admin: his account has to pay for it. It is sent again by itself."
        ),
        "tally agency show",
    ),
    "change_failed": AlarmText(
        "bad",
        later("A grant, revocation or decision that an agency's admin has signed has come to nothing."),
        later(
            "A key that it revokes signs on. Another transaction of his account took its place, or the chain refused "
            "it: tell him to do it again. If it was done otherwise, acknowledge it by its number."
        ),
        "tally chain acknowledge",
    ),
    "balance_low": AlarmText(
        "soon",
        later("The account that anchors has little left."),
        later("Send it the chain's own currency: what it has pays for less than a thousand anchors."),
    ),
    "witness_fault": AlarmText(
        "soon",
        later("A witness does not co-sign."),
        later("Ask whoever runs it; it is asked again by itself. Take one that is gone out of witnesses.toml."),
    ),
    "timestamps_fault": AlarmText(
        "soon",
        later("The timestamp authority gives no timestamps."),
        later("Nothing waits for it; it is asked again by itself. Compare its address and root certificate."),
    ),
    "upload_fault": AlarmText(
        "soon",
        later("The public store does not get the newest checkpoint."),
        later("Who reads from it finds an older one; the service serves what is newer. See that the storage answers."),
        "tally doctor",
    ),
    "evidence_store_fault": AlarmText(
        "bad",
        later("The evidence store is out of reach: officers can neither give nor take files."),
        later("See that its disk is mounted or its storage answers. Handovers go on; files are hashed again later."),
        "tally doctor",
    ),
    "mail_failing": AlarmText(
        "soon",
        later("Mail of notices is not sent."),
        later("See that the mail server answers and takes the login; then try it. Nothing is lost: it is sent later."),
        "tally notice test-mail",
    ),
    "runs_fault": AlarmText(
        "soon",
        later("Models are not run."),
        later("Leads are raised once they run again. Whoever publishes models sees the same under the model's name."),
        "tally library list",
    ),
    "model_fault": AlarmText(
        "soon",
        later("A published model fails."),
        later("Whoever published it mends it. Where a data set is missing, whoever runs it registers the list."),
        "tally model test",
    ),
    "webhook_failing": AlarmText(
        "soon",
        later("A webhook of your agency is not delivered."),
        later("See that its receiver answers; then try it. Nothing is lost: it goes on from where it stopped."),
        "tally webhook test",
    ),
    "disk_low": AlarmText(
        "bad",
        later("Less than 1 GiB is left on the disk of the data directory."),
        later("Make room: without it submissions are answered with 503."),
    ),
    "incident": AlarmText(
        "soon",
        later("The log records an incident of the last seven days."),
        later("Where it says that the chain was edited, ask who did it, and run an audit."),
        "tally audit",
    ),
}


def alarms(status: ServiceStatus) -> list[ServiceAlarm]:
    """Return the alarms, the gravest first."""
    return sorted(_raised(status), key=lambda alarm: alarm.saying.colour)


def _raised(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    if not status.is_written:
        yield ServiceAlarm("writer_stopped")
    elif status.clock_fault is not None:
        yield ServiceAlarm("clock_jumped", detail=status.clock_fault)
    if seconds_behind(status.tree.recorded_at, status.now):
        yield ServiceAlarm("clock_behind")
    yield from (ServiceAlarm("loop_ended", name) for name in status.ended_loops)
    if status.free_bytes is not None and status.free_bytes < growth.LEAST_FREE:
        yield ServiceAlarm("disk_low")
    state, chain_status = status.chain, status.chain_status
    if state.is_defect:
        yield ServiceAlarm("chain_defect", detail=state.fault)
    elif state.fault is not None:
        yield ServiceAlarm("chain_faulty", detail=state.fault, hint=state.hint)
    if state.waits is WaitReason.QUORUM_MISSING:
        yield ServiceAlarm("quorum_missing", detail=state.detail)
    if status.open_since is not None and status.now - status.open_since > LATE_MS:
        yield ServiceAlarm("anchor_late")
    # Whose key is revoked while it can still sign is nothing for visitors without an account.
    named = status.inside is not None
    yield from (
        ServiceAlarm("change_waits", change.sender if named else "", change.refusal if named else None)
        for change in status.waiting
    )
    yield from (
        ServiceAlarm("change_failed", change.sender if named else "", change.says if named else None)
        for change in status.failed
    )
    if chain_status is not None and chain_status.balance < chain_status.fee * ANCHOR_GAS * ANCHORS_PAID:
        yield ServiceAlarm("balance_low", chain_status.account)
    if status.witness_defect is not None:
        yield ServiceAlarm("witnesses_defect", detail=status.witness_defect)
    else:
        faulty = (witness for witness in status.witnesses if witness.fault is not None)
        yield from (ServiceAlarm("witness_fault", witness.name, witness.fault) for witness in faulty)
    yield from _raised_outside(status)
    if status.inside is not None:
        yield from _raised_inside(status.inside, status.now)


def _raised_outside(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    """Yield the alarms about servers of others for which nothing waits."""
    if status.stamps is not None and status.stamps.fault is not None:
        yield ServiceAlarm("timestamps_fault", status.timestamp_url or "", status.stamps.fault, status.stamps.hint)
    if status.upload is not None and status.upload.fault is not None:
        yield ServiceAlarm("upload_fault", detail=status.upload.fault, hint=status.upload.hint)
    if status.evidence is not None:
        yield ServiceAlarm("evidence_store_fault", detail=status.evidence.fault, hint=status.evidence.hint)
    if status.mail is not None and status.mail.failing:
        yield ServiceAlarm("mail_failing", detail=status.mail.last_error)


def _raised_inside(inside: SignedInOverview, now: int) -> Iterator[ServiceAlarm]:
    """Yield the alarms that only signed-in readers see."""
    for fault in inside.runs.faults:
        if fault.model_id == ALL:
            yield ServiceAlarm("runs_fault", detail=fault.says)
        else:
            yield ServiceAlarm("model_fault", fault.model_id, fault.says, agency=fault.supervising)
    for hook in inside.webhooks or ():
        if hook.failures:
            yield ServiceAlarm("webhook_failing", hook.url, hook.last_error)
    for incident in inside.incidents:
        if now - incident.recorded_at < RECENT_MS:
            yield ServiceAlarm("incident", str(incident.index), incident.description)
