"""What an operator has to look at, out of how the service stands: what is wrong in words, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from api.console.standing import Standing
from api.texts import later
from ledger.anchoring.anchors import WaitReason
from ledger.supervision.runs.supervisor import ALL
from ledger.supervision.wording import Wording

Colour = Literal["bad", "soon"]

LATE_MS = 10 * 60 * 1000  # milliseconds for which an entry may wait for its final anchor
LEAST_FREE = 1024**3  # bytes on the disk of the data directory
ANCHOR_GAS = 500_000  # of a large anchor with its consistency proof
ANCHORS_PAID = 1000  # anchors that the account's balance should pay for
RECENT_MS = 7 * 24 * 3600 * 1000  # milliseconds for which a recorded incident is shown as one to look at


class Saying(NamedTuple):
    """What an alarm means, what to do next, and the command for it, if there is one."""

    colour: Colour
    says: str
    mend: str
    command: str | None = None


class Alarm(NamedTuple):
    """One thing to look at: ``about`` names what it concerns, ``detail`` and ``hint`` are the service's own words;
    ``agency`` is the id of the one that it concerns, if it is one's alone."""

    kind: str
    about: str = ""
    detail: Wording | str | None = None
    hint: str | None = None
    agency: str | None = None

    @property
    def saying(self) -> Saying:
        return SAYINGS[self.kind]


SAYINGS = {
    "writer_stopped": Saying(
        "bad",
        later("Nothing is recorded any more: the writer has stopped."),
        later("The service's log says why. Mend the disk or restore the newest backup, then start it again."),
        "tally doctor",
    ),
    "chain_defect": Saying(
        "bad",
        later("The chain is not followed, by a defect of the service."),
        later("The traceback stands in the service's log; report it. Events are recorded, and anchored later."),
        "tally doctor",
    ),
    "chain_faulty": Saying(
        "bad",
        later("The chain does not answer as it should. Events are recorded; anchors wait."),
        later("Nothing, if it passes by itself. Else see to the node, or set the right address of it."),
        "tally anchor status",
    ),
    "quorum_missing": Saying(
        "bad",
        later("Too few witnesses co-sign: nothing is anchored."),
        later("Ask the agencies that run the witnesses named here. Anchoring goes on by itself."),
        "tally anchor status",
    ),
    "witnesses_defect": Saying(
        "bad",
        later("Witnesses are not asked, by a defect of the service."),
        later("The traceback stands in the service's log; report it, and start the service again."),
    ),
    "anchor_late": Saying(
        "soon",
        later("Entries have waited for a final anchor for more than ten minutes."),
        later("See below what the chain waits for. An account without money, or a node that lags, is mended there."),
        "tally anchor status",
    ),
    "balance_low": Saying(
        "soon",
        later("The account that anchors has little left."),
        later("Send it the chain's own currency: what it has pays for less than a thousand anchors."),
    ),
    "witness_fault": Saying(
        "soon",
        later("A witness does not co-sign."),
        later("Ask whoever runs it; it is asked again by itself. Take one that is gone out of witnesses.toml."),
    ),
    "timestamps_fault": Saying(
        "soon",
        later("The timestamp authority gives no timestamps."),
        later("Nothing waits for it; it is asked again by itself. Compare its address and root certificate."),
    ),
    "runs_fault": Saying(
        "soon",
        later("Models are not run."),
        later("Leads are raised once they run again. Whoever publishes models sees the same under the model's name."),
        "tally model list",
    ),
    "model_fault": Saying(
        "soon",
        later("A published model fails."),
        later("Whoever published it mends it. Where a data set is missing, whoever runs it registers the list."),
        "tally model test",
    ),
    "webhook_failing": Saying(
        "soon",
        later("A webhook of your agency is not delivered."),
        later("See that its receiver answers; then try it. Nothing is lost: it goes on from where it stopped."),
        "tally webhook test",
    ),
    "disk_low": Saying(
        "bad",
        later("Less than 1 GiB is left on the disk of the data directory."),
        later("Make room: without it submissions are answered with 503."),
    ),
    "incident": Saying(
        "soon",
        later("The log records an incident of the last seven days."),
        later("Where it says that the chain was edited, ask who did it, and run an audit."),
        "tally audit",
    ),
}


def alarms(of: Standing) -> list[Alarm]:
    """The gravest first."""
    found = [*_of_writing(of), *_of_chain(of), *_of_witnesses(of), *_of_others(of), *_of_inside(of)]
    return sorted(found, key=lambda one: one.saying.colour)


def _of_writing(of: Standing) -> Iterator[Alarm]:
    if not of.log.is_written:
        yield Alarm("writer_stopped")
    if of.log.free_bytes is not None and of.log.free_bytes < LEAST_FREE:
        yield Alarm("disk_low")


def _of_chain(of: Standing) -> Iterator[Alarm]:
    state, seen = of.chain.followed, of.chain.chain_status
    if state.is_defect:
        yield Alarm("chain_defect", detail=state.fault)
    elif state.fault is not None:
        yield Alarm("chain_faulty", detail=state.fault, hint=state.hint)
    if state.waits is WaitReason.QUORUM_MISSING:
        yield Alarm("quorum_missing", detail=state.detail)
    if of.anchors.open_since is not None and of.now - of.anchors.open_since > LATE_MS:
        yield Alarm("anchor_late")
    if seen is not None and seen.balance < seen.fee * ANCHOR_GAS * ANCHORS_PAID:
        yield Alarm("balance_low", seen.account)


def _of_witnesses(of: Standing) -> Iterator[Alarm]:
    if of.witnesses.defect is not None:
        yield Alarm("witnesses_defect", detail=of.witnesses.defect)
        return
    for witness in of.witnesses.states:
        if witness.fault is not None:
            yield Alarm("witness_fault", witness.name, witness.fault)


def _of_others(of: Standing) -> Iterator[Alarm]:
    if of.stamps is not None and of.stamps.state.fault is not None:
        yield Alarm("timestamps_fault", of.stamps.url, of.stamps.state.fault, of.stamps.state.hint)


def _of_inside(of: Standing) -> Iterator[Alarm]:
    if of.inside is None:
        return
    for fault in of.inside.runs.faults:
        if fault.model_id == ALL:
            yield Alarm("runs_fault", detail=fault.says)
        else:
            yield Alarm("model_fault", fault.model_id, fault.says, agency=fault.procuratorate)
    for hook in of.inside.webhooks or ():
        if hook.failures:
            yield Alarm("webhook_failing", hook.url, hook.last_error)
    for incident in of.inside.incidents:
        if of.now - incident.recorded_at < RECENT_MS:
            yield Alarm("incident", str(incident.index), incident.description)
