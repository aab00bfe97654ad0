"""Whether the service can do its work, and what is wrong if not, without asking the chain or a witness."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict

from api.schemas.answers import view_of
from api.services.parts import Parts
from ledger.core.errors import TallystickError
from ledger.core.messages import Message
from ledger.store import log
from ledger.store.connections import NotDurable
from ledger.store.replicas import ReplicaState

PATIENCE_MS = 2000  # for who writes, who has the lock for milliseconds unless a commit waits for a standby


class Readiness(Struct, frozen=True):
    """Whether the service can work, and what is wrong if not.

    ``ready`` needs the database, the sequencer, a clock that was not set forward, a followed chain and every loop. A
    chain that is away delays anchors but not submissions; a defect of this service in following the chain or asking
    witnesses needs an operator, and is not ready. ``loops`` is failed once a thread has ended that works until the
    service stops. ``waits`` is why nothing was anchored, ``detail`` what that waits for, ``fault`` what prevents
    recording or anchors, ``hint`` what to do about it. ``database`` is not_durable while commits are not as durable as
    the setting ``durable_copies`` declares. ``chain_seen_s`` is how many seconds ago the chain was last looked at, null
    if never. ``replicas`` is how far each is behind; one that is away or lags keeps nothing from being ready.
    """

    ready: bool
    database: str
    sequencer: str
    clock: str
    chain: str
    witnesses: str
    loops: str
    waits: str | None
    detail: str | None
    fault: str | None
    hint: str | None
    chain_seen_s: int | None
    replicas: list[ReplicaState]


class PartStates(Struct, frozen=True):
    """What each part says of itself, without a look into the database: ``failed`` if an operator is needed."""

    sequencer: str
    clock: str
    chain: str
    witnesses: str
    loops: str


_RESTART = Message("Restart the service; its log says what ended.")


def ended_loops(parts: Parts) -> list[str]:
    """Return the names of the threads that have ended although the service runs: what they did is not done."""
    return [thread.name for thread in parts.loops if not thread.is_alive()]


def clock_fault(parts: Parts) -> TallystickError | None:
    """Return why nothing is recorded by the machine's clock, if so."""
    try:
        parts.sequencer.clock()
    except TallystickError as refusal:
        return refusal
    return None


def states_of(parts: Parts) -> PartStates:
    """Return what the parts say of themselves now."""
    return PartStates(
        sequencer="ok" if parts.sequencer.is_running else "failed",
        clock="ok" if clock_fault(parts) is None else "failed",
        chain=parts.chain_worker.state.word,
        witnesses="ok" if parts.collector.defect is None else "failed",
        loops="failed" if ended_loops(parts) else "ok",
    )


def readiness_of(parts: Parts) -> Readiness:
    """Return the state of the parts now."""
    fault: Message | str | None = None
    hint: Message | str | None = None
    chain_status = parts.chain_worker.chain_status
    try:
        log.require_room(parts.database, PATIENCE_MS)
        database = "ok"
    except TallystickError as error:
        database = error.code if isinstance(error, NotDurable) else "failed"
        fault, hint = error.message, error.hint
    if refusal := clock_fault(parts):
        fault, hint = refusal.message, refusal.hint
    if not parts.sequencer.is_running:
        failure = parts.sequencer.failure
        fault, hint = (failure.message, failure.hint) if failure else (Message("the writer has ended"), _RESTART)
    elif ended := ended_loops(parts):
        fault, hint = Message("threads have ended: {names}", names=", ".join(ended)), _RESTART
    states, state = states_of(parts), parts.chain_worker.state
    return view_of(
        Readiness,
        states,
        ready=database == "ok" and "failed" not in asdict(states).values(),
        database=database,
        waits=state.waits,
        detail=state.detail,
        fault=fault or state.fault or parts.collector.defect,
        hint=hint or state.hint,
        chain_seen_s=None if chain_status is None else max(0, parts.clock() // 1000 - chain_status.seen_at),
        replicas=list(parts.replicas.states),
    )
