"""The chain: what was anchored, and the registry transactions of agencies' admins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated

from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import After, Limit, ServiceOf, json_body, json_response, page_response
from api.schemas.answers import view_of
from api.schemas.openapi import Paged, Routes
from ledger.chain.journal import ChainWrite
from ledger.chain.transaction import PreparedTransaction
from ledger.core.errors import Unavailable
from ledger.core.events.terms import KeyId
from ledger.store.chain_journal import DatabaseJournal

MAX_BODY = 512 * 1024  # bytes; a decision of many admins is the longest call
MAX_ASKING = 8  # requests that wait for the node at once
ASKING_RETRY_S = 5

_REFUSALS = (400, 415, 422)  # of a transaction

_asking = BoundedSemaphore(MAX_ASKING)

router = Routes(503, prefix="/api/v1", tags=["chain"])
Hex = Annotated[str, Meta(pattern=r"^0x(?:[0-9a-f]{2})+$(?!\n)")]


class AnchorView(Struct, frozen=True):
    """An anchor: what it commits to, and its state on the chain. ``timestamp`` is in unix seconds."""

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
    """The contracts, and the registry's counts when the chain was last looked at.

    Counted are changes, decisions of a majority, agencies and witnesses; ``quorum`` is the number of agencies whose
    witness must co-sign an anchor. ``seen_at`` is in unix seconds, ``age_s`` how long ago that was.
    """

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


class CallRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A call of the registry, ABI-encoded."""

    sender: KeyId
    call: Hex


class RawTransaction(Struct, frozen=True, forbid_unknown_fields=True):
    """A signed transaction."""

    raw: Hex


class WriteView(Struct, frozen=True):
    """The state of a transaction. The same transaction sent again gets the same number."""

    number: int
    transaction_hash: str
    state: str
    block_number: int | None


CallRequestBody = Annotated[CallRequest, json_body(CallRequest, limit=MAX_BODY)]
RawTransactionBody = Annotated[RawTransaction, json_body(RawTransaction, limit=MAX_BODY)]


@router.reads("/anchors", "List the anchors", Paged("anchors", AnchorView, "integer"), 400)
def anchors(service: ServiceOf, limit: Limit = 100, after: After = 0) -> Response:
    """List the tree heads that were sent to the chain, in their order; `after` is a number."""
    count = service.limit(limit)
    writes = DatabaseJournal(service.parts.database).anchors(after=max(after, 0), limit=count)
    return page_response("anchors", [*map(_anchor_view, writes)], writes[-1].number if len(writes) == count else None)


@router.reads("/chain", "Say where the contracts are", ChainView)
def chain(service: ServiceOf) -> Response:
    """Return the chain as it was last looked at, however long ago. No node is asked; 503 if it was never looked at."""
    chain_worker = service.parts.chain_worker
    link, chain_status = chain_worker.link, chain_worker.chain_status
    if chain_status is None:
        raise Unavailable("the chain is connected, and was not looked at yet", code="chain_unavailable")
    view = view_of(
        ChainView,
        chain_status.registry,
        chain_id=link.deployment.identity.chain_id,
        registry=link.deployment.registry,
        anchor=link.deployment.anchor,
        seen_at=chain_status.seen_at,
        age_s=max(0, service.parts.clock() // 1000 - chain_status.seen_at),
    )
    return json_response(view)


@router.posts(
    "/chain/transactions/prepare",
    "Prepare a registry transaction of an agency's admin",
    CallRequest,
    PreparedTransaction,
    *_REFUSALS,
)
async def prepare(service: ServiceOf, asked: CallRequestBody) -> Response:
    """Return nonce, gas and fees of a call. Sign the transaction only if it is the call that you asked for."""
    registry = service.parts.chain_worker.link.registry
    with asking_the_node():
        transaction = await run_in_threadpool(registry.prepare, asked.sender, bytes.fromhex(asked.call[2:]))
    fees = transaction.fees
    view = view_of(
        PreparedTransaction,
        transaction,
        data=_hex(transaction.data),
        max_fee=fees.max_fee,
        priority_fee=fees.priority_fee,
    )
    return json_response(view)


@router.posts(
    "/chain/transactions", "Send a signed registry transaction", RawTransaction, WriteView, 403, 409, *_REFUSALS
)
async def send(service: ServiceOf, signed: RawTransactionBody) -> Response:
    """Pass on a signed grant, revocation or decision of an agency's admin, and nothing else."""
    link = service.parts.chain_worker.link
    with asking_the_node():
        write = await run_in_threadpool(link.registry.relay, bytes.fromhex(signed.raw[2:]))
    link.status_reader.expire()
    return json_response(WriteView(write.number, _hex(write.transaction_hash), write.state.value, write.block_number))


@contextmanager
def asking_the_node() -> Iterator[None]:
    """Limit how many requests wait for the node at once, so that a node that hangs blocks few threads.

    Every route that asks the node on somebody's behalf enters it, in the event loop only. Raises Unavailable.
    """
    if not _asking.acquire(blocking=False):
        raise Unavailable("other requests are waiting for the chain", code="busy", retry_after=ASKING_RETRY_S)
    try:
        yield
    finally:
        _asking.release()


def _anchor_view(write: ChainWrite) -> AnchorView:
    assert write.anchored is not None, "the journal lists anchors only"
    return view_of(
        AnchorView,
        write,
        size=write.anchored.size,
        root=f"sha256:{write.anchored.root.hex()}",
        registry_hash=_hex(write.anchored.registry_hash),
        state=write.state.value,
        transaction_hash=_hex(write.transaction_hash),
        block_hash=_hex(write.block_hash) if write.block_hash else None,
    )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
