"""Health: whether the process is alive, and whether it can do its work. Neither shows how it is built."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from api.dependencies import ServiceOf, json_response
from api.schemas.openapi import Routes
from ledger.core.errors import TallystickError
from ledger.store import log
from ledger.store.connections import NotDurable
from ledger.store.replicas import ReplicaState

router = Routes(tags=["health"])

PATIENCE_MS = 2000  # for who writes, who has the lock for milliseconds unless a commit waits for a standby


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(Struct, frozen=True):
    """Whether the service can work, and what is wrong if not.

    ``ready`` needs the database, the sequencer and a followed chain. A chain that is away delays anchors but not
    submissions; a defect of this service in following the chain or asking witnesses needs an operator, and is not
    ready. ``waits`` is why nothing was anchored, ``told`` what that waits for, ``fault`` what prevents anchors,
    ``hint`` what to do about it. ``database`` is not_durable while commits are not as durable as the setting
    ``durable_copies`` declares. ``chain_seen_s`` is how many seconds ago the chain was last looked at, null if never.
    ``replicas`` is how far each is behind; one that is away or lags keeps nothing from being ready.
    """

    ready: bool
    database: str
    sequencer: str
    chain: str
    witnesses: str
    waits: str | None
    told: str | None
    fault: str | None
    hint: str | None
    chain_seen_s: int | None
    replicas: list[ReplicaState]


@router.reads("/healthz", "Say that the process lives", Alive)
async def healthz() -> Response:
    """Answer without looking at anything."""
    return json_response(Alive("ok"))


@router.reads("/readyz", "Say whether submissions can be taken", Readiness, 503)
def readyz(service: ServiceOf) -> Response:
    """Return the state of the parts, with status 503 if submissions cannot be taken. No chain or witness is asked."""
    parts, hint = service.parts, None
    chain_status = parts.chain_worker.chain_status
    try:
        with parts.database.lock(PATIENCE_MS) as connection:  # it can be taken, and is released again
            log.tree(connection)
        database = "ok"
    except TallystickError as error:
        database, hint = error.code if isinstance(error, NotDurable) else "failed", error.hint
    sequencer = "ok" if parts.sequencer.is_running else "failed"
    state, witness_defect = parts.chain_worker.state, parts.collector.defect
    witnesses = "ok" if witness_defect is None else "failed"
    readiness = Readiness(
        ready=database == sequencer == witnesses == "ok" and state.word != "failed",
        database=database,
        sequencer=sequencer,
        chain=state.word,
        witnesses=witnesses,
        waits=state.waits,
        told=state.detail,
        fault=state.fault or witness_defect,
        hint=hint or state.hint,
        chain_seen_s=None if chain_status is None else max(0, parts.clock() // 1000 - chain_status.seen_at),
        replicas=list(parts.replicas.states),
    )
    return json_response(readiness, 200 if readiness.ready else 503)
