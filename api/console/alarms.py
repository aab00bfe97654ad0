"""What an operator must look at, from the status of the service: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from api.console.standing import ServiceStatus
from api.texts import later
from ledger.anchoring.anchors import WaitReason
from ledger.supervision.model_faults import Wording
from ledger.supervision.runs.supervisor import ALL

Colour = Literal["bad", "soon"]

LATE_MS = 10 * 60 * 1000  # milliseconds for which an entry may wait for its final anchor
LEAST_FREE = 1024**3  # bytes on the disk of the data directory
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
    detail: Wording | str | None = None
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
    "chain_defect": AlarmText(
        "bad",
        later("The chain is not followed, by a defect of the service."),
        later("The traceback stands in the service's log; report it. Events are recorded, and anchored later."),
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
        later("The traceback stands in the service's log; report it, and start the service again."),
    ),
    "anchor_late": AlarmText(
        "soon",
        later("Entries have waited for a final anchor for more than ten minutes."),
        later("See below what the chain waits for. An account without money, or a node that lags, is mended there."),
        "tally anchor status",
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
    "runs_fault": AlarmText(
        "soon",
        later("Models are not run."),
        later("Leads are raised once they run again. Whoever publishes models sees the same under the model's name."),
        "tally model list",
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
    raised = [
        *_of_writing(status),
        *_of_chain(status),
        *_of_witnesses(status),
        *_of_others(status),
        *_of_inside(status),
    ]
    return sorted(raised, key=lambda alarm: alarm.saying.colour)


def _of_writing(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    if not status.log.is_written:
        yield ServiceAlarm("writer_stopped")
    if status.log.free_bytes is not None and status.log.free_bytes < LEAST_FREE:
        yield ServiceAlarm("disk_low")


def _of_chain(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    state, chain_status = status.chain.followed, status.chain.chain_status
    if state.is_defect:
        yield ServiceAlarm("chain_defect", detail=state.fault)
    elif state.fault is not None:
        yield ServiceAlarm("chain_faulty", detail=state.fault, hint=state.hint)
    if state.waits is WaitReason.QUORUM_MISSING:
        yield ServiceAlarm("quorum_missing", detail=state.detail)
    if status.anchors.open_since is not None and status.now - status.anchors.open_since > LATE_MS:
        yield ServiceAlarm("anchor_late")
    if chain_status is not None and chain_status.balance < chain_status.fee * ANCHOR_GAS * ANCHORS_PAID:
        yield ServiceAlarm("balance_low", chain_status.account)


def _of_witnesses(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    if status.witnesses.defect is not None:
        yield ServiceAlarm("witnesses_defect", detail=status.witnesses.defect)
        return
    for witness in status.witnesses.states:
        if witness.fault is not None:
            yield ServiceAlarm("witness_fault", witness.name, witness.fault)


def _of_others(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    if status.stamps is not None and status.stamps.state.fault is not None:
        yield ServiceAlarm("timestamps_fault", status.stamps.url, status.stamps.state.fault, status.stamps.state.hint)


def _of_inside(status: ServiceStatus) -> Iterator[ServiceAlarm]:
    if status.inside is None:
        return
    for fault in status.inside.runs.faults:
        if fault.model_id == ALL:
            yield ServiceAlarm("runs_fault", detail=fault.says)
        else:
            yield ServiceAlarm("model_fault", fault.model_id, fault.says, agency=fault.procuratorate)
    for hook in status.inside.webhooks or ():
        if hook.failures:
            yield ServiceAlarm("webhook_failing", hook.url, hook.last_error)
    for incident in status.inside.incidents:
        if status.now - incident.recorded_at < RECENT_MS:
            yield ServiceAlarm("incident", str(incident.index), incident.description)
