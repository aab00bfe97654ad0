"""What the log says of itself: identity, size, trust file, proofs between published sizes. Public."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from msgspec import Struct
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import DECIMAL_PATTERN, ServiceOf, answer
from api.middleware.rates import charge
from api.routes.chain import asking_the_node
from api.routes.tiles import published, served
from api.schemas.openapi import answers, problems
from ledger.anchoring.state_proofs import trusted_block
from ledger.anchoring.timestamps import TimestampWorker
from ledger.chain.backend import ChainBackend
from ledger.chain.finality import final_block_of
from ledger.core.errors import NotFound, ProofRefused
from ledger.core.log import merkle
from ledger.core.log.checkpoints import parse_size
from ledger.core.log.tiles import TileNodes
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.verification.trust import TrustedBlock, encode_trust
from ledger.store import checkpoints, log, timestamps
from ledger.store.journal import DatabaseJournal
from ledger.store.timestamps import StoredTimestamp
from ledger.timeline import AnchoredSizes

router = APIRouter(prefix="/api/v1/log", tags=["log"])
Block = Annotated[str, Field(max_length=16)]
Blocks = Annotated[list[Block] | None, Query(max_length=16, description="a block's number, or latest-final; several")]
Size = Annotated[str, Query(pattern=r"^[1-9][0-9]{0,17}$", description="a tree size from 1 on, a plain decimal")]


class AnchoredView(Struct, frozen=True):
    """Tree sizes that the chain has been sent, has in a block, and has for good."""

    submitted: int
    mined: int
    confirmed: int


class FollowedView(Struct, frozen=True):
    """How the last look at the chain went: ``waits`` is why nothing was anchored and ``told`` what that waits for,
    ``fault`` what stands in the way of it, ``hint`` what to do about that."""

    state: str
    waits: str | None
    told: str | None
    fault: str | None
    hint: str | None


class WitnessView(Struct, frozen=True):
    """A witness that is asked: the largest size that it has co-signed, and why it has not signed a newer one."""

    name: str
    size: int
    fault: str | None


class TimestampedView(Struct, frozen=True):
    """How far an RFC 3161 authority has timestamped checkpoints: the last size and its time (unix seconds, 0 before the
    first), ``fault`` why none comes and ``hint`` what to do about that."""

    size: int
    time: int
    fault: str | None
    hint: str | None


class LogView(Struct, frozen=True):
    """``size`` and ``root`` are of the whole tree, ``published`` is the size of the newest checkpoint, ``witnessed`` of
    the newest that the trust file's quorum of witnesses has co-signed; 0 where it asks for none. ``timestamped`` is
    null where no timestamp authority is configured."""

    origin: str
    log_id: str
    size: int
    root: str
    published: int
    witnessed: int
    witnesses: list[WitnessView]
    anchored: AnchoredView
    chain: FollowedView
    timestamped: TimestampedView | None
    development: bool


class InclusionView(Struct, frozen=True):
    """``proof`` is a C2SP tlog-proof that ends in the published checkpoint."""

    index: int
    leaf_hash: str
    proof: str


class ConsistencyView(Struct, frozen=True):
    """``hashes`` are ``sha256:<hex>`` as in RFC 6962 2.1.2."""

    first: int
    second: int
    hashes: list[str]


@router.get("", summary="Say what the log is and how far it has come", responses=answers(LogView, 503))
def log_state(service: ServiceOf) -> Response:
    """Its id, its size, and how far the chain has it."""
    parts = service.parts
    sizes = AnchoredSizes(DatabaseJournal(parts.database))
    with parts.database.read() as connection:
        tree = log.tree(connection)
        last = checkpoints.last_published(connection)
        witnessed = checkpoints.last_witnessed(connection)
        stamp = timestamps.last(connection)
    trust, state = parts.trust.trust, parts.chain_worker.state
    return answer(
        LogView(
            origin=trust.origin,
            log_id="0x" + trust.log_id.hex(),
            size=tree.size,
            root=f"sha256:{tree.root.hex()}",
            published=last.size if last else 0,
            witnessed=witnessed.size if witnessed else 0,
            witnesses=[WitnessView(one.name, one.size, one.fault) for one in parts.courier.states()],
            chain=FollowedView(state.word, state.waits, state.detail, state.fault, state.hint),
            anchored=AnchoredView(sizes.size("submitted"), sizes.size("mined"), sizes.size("confirmed")),
            timestamped=_timestamped(parts.timestamp_worker, stamp),
            development=trust.development,
        )
    )


def _timestamped(timestamp_worker: TimestampWorker | None, last: StoredTimestamp | None) -> TimestampedView | None:
    """None where no authority is configured."""
    if timestamp_worker is None:
        return None
    size, time = (last.size, last.time) if last else (0, 0)
    return TimestampedView(size, time, timestamp_worker.state.fault, timestamp_worker.state.hint)


@router.get(
    "/trust",
    summary="Get the trust file",
    response_class=Response,
    responses=problems(400, 404, 429, 503) | {200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def trust_file(request: Request, service: ServiceOf, block: Blocks = None) -> Response:
    """`tallystick/trust@v1`. Compare it with what the agencies have published before you trust it.

    Each `block` is named in it by its hash, so that proofs can end there: the number of a final block, or
    `latest-final`.
    """
    trust = service.parts.trust.trust
    if block:
        charge(request.scope, len(block))
        chain = service.parts.chain_worker.link.chain
        with asking_the_node():
            named = await run_in_threadpool(_trusted_blocks, chain, block)
        trust = trust.naming(trust.chains[-1], named)
    return Response(encode_trust(trust), media_type="application/json")


def _trusted_blocks(chain: ChainBackend, which: Sequence[str]) -> list[TrustedBlock]:
    """Ask the node for the blocks. Raises NotFound for one that is not final, MalformedInput, Unavailable."""
    final = chain.final_block()
    return [trusted_block(final_block_of(chain.eth, final, block)) for block in which]


@router.get(
    "/inclusion/{index}",
    summary="Prove that an entry is in the published tree",
    responses=answers(InclusionView, 400, 404, 503),
)
def inclusion(service: ServiceOf, index: Annotated[str, Path(pattern=DECIMAL_PATTERN)]) -> Response:
    """A tlog-proof that ends in the published checkpoint."""
    at = parse_size(index, "index")
    with service.parts.database.read() as connection:
        head = served(service, connection)
        if at >= head.size:
            raise NotFound(f"entry {at} is not published: the log stands at {head.size}", field="index")
        leaf = merkle.leaf_hash(log.entry(connection, at).envelope)
        hashes = merkle.inclusion_proof(at, head.size, TileNodes(head.size, log.tile_reader(connection)))
    proof = TlogProof(at, hashes, head.note)
    return answer(InclusionView(at, f"sha256:{leaf.hex()}", proof.to_text()))


@router.get(
    "/consistency",
    summary="Prove that the tree of one published size continues that of another",
    responses=answers(ConsistencyView, 400, 404, 422, 503),
)
def consistency(service: ServiceOf, first: Size, second: Size) -> Response:
    """For 1 <= first <= second <= the published size."""
    old, new = parse_size(first, "first"), parse_size(second, "second")
    with service.parts.database.read() as connection:
        size = published(connection).size
        if old > new:
            raise ProofRefused(
                f"a tree of {new} entries does not continue one of {old}",
                field="second",
                hint="Ask with the smaller size as `first`.",
            )
        if new > size:
            raise NotFound(f"size {new} is not published: the log stands at {size}", field="second")
        hashes = merkle.consistency_proof(old, new, TileNodes(new, log.tile_reader(connection)))
    return answer(ConsistencyView(old, new, [f"sha256:{sibling.hex()}" for sibling in hashes]))
