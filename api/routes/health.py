"""Whether the process lives, and whether it can do its work. Neither tells how it is built."""

from __future__ import annotations

from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from api.dependencies import ServiceOf, answer
from api.schemas.openapi import answers
from ledger.core.errors import TallystickError
from ledger.store import log

router = APIRouter(tags=["health"])


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(Struct, frozen=True):
    """``ready`` needs database and sequencer, and a chain that is followed: one that is away holds up anchors, not
    submissions, but a defect of this service in following the chain or in asking witnesses wants somebody to look.
    ``waits`` is why nothing was anchored and ``told`` what that waits for, ``fault`` what holds up anchors, ``hint``
    what to do about it; ``chain_seen_s`` is how many seconds ago the chain was last seen, null where it never was."""

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


@router.get("/healthz", summary="Say that the process lives", responses=answers(Alive))
async def healthz() -> Response:
    """Nothing is looked at."""
    return answer(Alive("ok"))


@router.get("/readyz", summary="Say whether submissions can be taken", responses=answers(Readiness, 503))
def readyz(service: ServiceOf) -> Response:
    """503, with the same document, where they cannot. No chain and no witness is asked."""
    parts = service.parts
    seen = parts.chain_worker.chain_status
    database = _database(service)
    sequencer = "ok" if parts.sequencer.is_running else "failed"
    state, defect = parts.chain_worker.state, parts.courier.defect
    witnesses = "ok" if defect is None else "failed"
    told = Readiness(
        ready=database == sequencer == witnesses == "ok" and state.word != "failed",
        database=database,
        sequencer=sequencer,
        chain=state.word,
        witnesses=witnesses,
        waits=state.waits,
        told=state.detail,
        fault=state.fault or defect,
        hint=state.hint,
        chain_seen_s=None if seen is None else max(0, parts.clock() // 1000 - seen.seen_at),
    )
    return answer(told, 200 if told.ready else 503)


def _database(service: ServiceOf) -> str:
    """Whether the database takes writes: the writer's lock is had, and let go again."""
    try:
        with service.parts.database.write() as connection:
            log.tree(connection)
    except TallystickError:
        return "failed"
    return "ok"
