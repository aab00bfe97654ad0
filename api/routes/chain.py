"""The chain: what was anchored, and the registry transactions of agencies' admins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated

from fastapi import APIRouter, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import After, Limit, ServiceOf, answer, listed_publicly, posted
from api.schemas.openapi import answers, page_of, takes
from ledger.chain.journal import ChainWrite
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import Unavailable
from ledger.core.events.terms import KeyId
from ledger.store.journal import DatabaseJournal

MAX_BODY = 512 * 1024  # bytes; a decision of many admins is the longest call
MAX_ASKING = 8  # requests that wait for the node at once
ASKING_RETRY_S = 5

_asking = BoundedSemaphore(MAX_ASKING)

router = APIRouter(prefix="/api/v1", tags=["chain"])
Hex = Annotated[str, Meta(pattern=r"^0x(?:[0-9a-f]{2})+$(?!\n)")]


class AnchorView(Struct, frozen=True):
    """An anchor of the journal: what it commits to, and what became of it. ``timestamp`` is in unix seconds."""

    number: int
    size: int
    root: str
    registry_hash: str
    state: str
    chain_id: int
    transaction_hash: str
    block_number: int | None
    block_hash: str | None
    timestamp: int


class ChainView(Struct, frozen=True):
    """The contracts; how many changes, decisions of a majority, agencies and witnesses the registry had when the chain
    was last seen, and of how many agencies a witness must co-sign an anchor. ``seen_at`` is in unix seconds, ``age_s``
    how long ago that was."""

    chain_id: int
    registry: str
    anchor: str
    change_count: int
    decision_count: int
    agency_count: int
    witness_count: int
    quorum: int
    seen_at: int
    age_s: int


class CallAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """``call`` is ABI-encoded, for the registry."""

    sender: KeyId
    call: Hex


class Prepared(Struct, frozen=True):
    """A transaction to be signed by its sender; fees in wei per gas."""

    chain_id: int
    nonce: int
    to: str
    data: str
    gas: int
    max_fee: int
    priority_fee: int | None


class RawTransaction(Struct, frozen=True, forbid_unknown_fields=True):
    """``raw`` is a signed transaction."""

    raw: Hex


class WriteView(Struct, frozen=True):
    """What became of a transaction; the same transaction again gives the same number."""

    number: int
    transaction_hash: str
    state: str
    block_number: int | None


_asked = decoder_of(CallAsked)
_raw = decoder_of(RawTransaction)


@router.get("/anchors", summary="List the anchors", responses=answers(page_of("anchors", AnchorView), 400, 503))
def anchors(service: ServiceOf, limit: Limit = 100, after: After = 0) -> Response:
    """Tree heads that were sent to the chain, in their order; `after` is a number."""
    count = service.limit(limit)
    writes = DatabaseJournal(service.parts.database).anchors(after=max(after, 0), limit=count)
    return listed_publicly("anchors", [_anchor_view(write) for write in writes], count, lambda anchor: anchor.number)


@router.get("/chain", summary="Say where the contracts are", responses=answers(ChainView, 503))
def chain(service: ServiceOf) -> Response:
    """As the chain was last seen, however long ago: no node is asked. 503 while it was never seen."""
    chain_worker = service.parts.chain_worker
    link, seen = chain_worker.link, chain_worker.chain_status
    if seen is None:
        raise Unavailable("the chain is connected, and was not looked at yet", code="chain_unavailable")
    state = seen.registry
    return answer(
        ChainView(
            link.deployment.identity.chain_id,
            link.deployment.registry,
            link.deployment.anchor,
            state.change_count,
            state.decision_count,
            state.agency_count,
            state.witness_count,
            state.quorum,
            seen.seen_at,
            age_s=max(0, service.parts.clock() // 1000 - seen.seen_at),
        )
    )


@router.post(
    "/chain/transactions/prepare",
    summary="Prepare a registry transaction of an agency's admin",
    responses=answers(Prepared, 400, 415, 422, 429, 503),
    openapi_extra=takes(CallAsked),
)
async def prepare(request: Request, service: ServiceOf) -> Response:
    """Says nonce, gas and fees. Sign it only if it is the call that you asked for."""
    asked = await posted(request, service, _asked, limit=MAX_BODY)
    call = bytes.fromhex(asked.call[2:])
    registry = service.parts.chain_worker.link.registry
    with asking_the_node():
        made = await run_in_threadpool(registry.prepare, asked.sender, call)
    assert made.to is not None, "a call goes to the registry"
    fees = made.fees
    return answer(
        Prepared(made.chain_id, made.nonce, made.to, "0x" + made.data.hex(), made.gas, fees.max_fee, fees.priority_fee)
    )


@router.post(
    "/chain/transactions",
    summary="Send a signed registry transaction",
    responses=answers(WriteView, 400, 403, 409, 415, 422, 429, 503),
    openapi_extra=takes(RawTransaction),
)
async def send(request: Request, service: ServiceOf) -> Response:
    """Grants, revocations and decisions of agencies' admins; nothing else is passed on."""
    raw = bytes.fromhex((await posted(request, service, _raw, limit=MAX_BODY)).raw[2:])
    link = service.parts.chain_worker.link
    with asking_the_node():
        write = await run_in_threadpool(link.registry.relay, raw)
    link.status_reader.expire()
    return answer(WriteView(write.number, _hex(write.transaction_hash), write.state.value, write.block_number))


@contextmanager
def asking_the_node() -> Iterator[None]:
    """Lets few requests wait for the node at once, so that one that hangs holds few of the service's threads.

    Raises Unavailable. Every route that asks the node for anybody enters it, in the event loop only.
    """
    if not _asking.acquire(blocking=False):
        raise Unavailable("other requests are waiting for the chain", code="busy", retry_after=ASKING_RETRY_S)
    try:
        yield
    finally:
        _asking.release()


def _anchor_view(write: ChainWrite) -> AnchorView:
    assert write.anchored is not None, "the journal lists anchors only"
    return AnchorView(
        number=write.number,
        size=write.anchored.size,
        root=f"sha256:{write.anchored.root.hex()}",
        registry_hash=_hex(write.anchored.registry_hash),
        state=write.state.value,
        chain_id=write.chain_id,
        transaction_hash=_hex(write.transaction_hash),
        block_number=write.block_number,
        block_hash=_hex(write.block_hash) if write.block_hash else None,
        timestamp=write.timestamp,
    )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
