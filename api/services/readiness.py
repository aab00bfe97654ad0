"""Whether the service can do its work, and what is wrong if not, without asking the chain or a witness."""

from __future__ import annotations

from msgspec import Struct

from api.services.parts import Parts
from ledger.core.errors import TallystickError
from ledger.store import log
from ledger.store.connections import NotDurable
from ledger.store.replicas import ReplicaState

PATIENCE_MS = 2000  # for who writes, who has the lock for milliseconds unless a commit waits for a standby


class Readiness(Struct, frozen=True):
    """Whether the service can work, and what is wrong if not.

    ``ready`` needs the database, the sequencer, a clock that was not set forward and a followed chain. A chain that is
    away delays anchors but not submissions; a defect of this service in following the chain or asking witnesses needs
    an operator, and is not ready. ``waits`` is why nothing was anchored, ``detail`` what that waits for, ``fault`` what
    prevents anchors, ``hint`` what to do about it. ``database`` is not_durable while commits are not as durable as the
    setting ``durable_copies`` declares. ``chain_seen_s`` is how many seconds ago the chain was last looked at, null if
    never. ``replicas`` is how far each is behind; one that is away or lags keeps nothing from being ready.
    """

    ready: bool
    database: str
    sequencer: str
    clock: str
    chain: str
    witnesses: str
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
    )


def readiness_of(parts: Parts) -> Readiness:
    """Return the state of the parts now."""
    hint = None
    chain_status = parts.chain_worker.chain_status
    try:
        with parts.database.lock(PATIENCE_MS) as connection:  # it can be taken, and is released again
            log.tree(connection)
        database = "ok"
    except TallystickError as error:
        database, hint = error.code if isinstance(error, NotDurable) else "failed", error.hint
    if fault := clock_fault(parts):
        hint = fault.hint
    states, state = states_of(parts), parts.chain_worker.state
    return Readiness(
        ready=database == states.sequencer == states.clock == states.witnesses == "ok" and states.chain != "failed",
        database=database,
        sequencer=states.sequencer,
        clock=states.clock,
        chain=states.chain,
        witnesses=states.witnesses,
        waits=state.waits,
        detail=state.detail,
        fault=state.fault or parts.collector.defect,
        hint=hint or state.hint,
        chain_seen_s=None if chain_status is None else max(0, parts.clock() // 1000 - chain_status.seen_at),
        replicas=list(parts.replicas.states),
    )
