"""The log's identity, size, trust file, and proofs between published sizes. Public."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query, Request
from msgspec import Struct
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import DECIMAL_PATTERN, ServiceOf, StreamIdQuery, json_response
from api.middleware.request_limits import charge
from api.routes.chain import asking_the_node
from api.routes.tiles import FRESH, as_of_header, published, served
from api.schemas.answers import view_of
from api.schemas.openapi import Routes
from api.services.service import Service
from ledger.chain.eth import final_block_of
from ledger.chain.writer import ChainBackend
from ledger.core.errors import NotFound, ProofRefused
from ledger.core.events import Stream
from ledger.core.events.terms import StreamKind
from ledger.core.log import merkle
from ledger.core.log.checkpoints import parse_size
from ledger.core.log.cose_receipts import RECEIPT_TYPE
from ledger.core.log.tiles import TileNodes
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.trust.trust_file import TrustedBlock, encode_trust
from ledger.store import checkpoints, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Connection
from ledger.timeline.anchored_sizes import AnchoredSizes

router = Routes(503, prefix="/api/v1/log", tags=["log"])
TRUST = {"content": {"application/json": {"schema": {"type": "object"}}}}
RECEIPT = {"content": {RECEIPT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
ABSENCE = {"content": {"application/json": {"schema": {"type": "object", "description": "tallystick/bundle@v1"}}}}
StreamKindQuery = Annotated[StreamKind, Query(description="the kind of the stream")]
Block = Annotated[str, Field(max_length=16)]
Blocks = Annotated[list[Block] | None, Query(max_length=16, description="a block's number, or latest-final; several")]
Size = Annotated[str, Query(pattern=r"^[1-9][0-9]{0,17}$", description="a tree size from 1 on, a plain decimal")]


class AnchoredView(Struct, frozen=True):
    """The tree sizes that were sent to the chain, are in a block, and are final."""

    submitted: int
    mined: int
    confirmed: int


class FollowedView(Struct, frozen=True):
    """The result of the last look at the chain.

    ``waits`` is why nothing was anchored, ``detail`` what that waits for, ``fault`` what prevents it, ``hint`` what to
    do.
    """

    state: str
    waits: str | None
    detail: str | None
    fault: str | None
    hint: str | None


class WitnessView(Struct, frozen=True):
    """A witness: the largest size that it has co-signed, and why it has not co-signed a newer one."""

    name: str
    size: int
    fault: str | None


class TimestampedView(Struct, frozen=True):
    """The last checkpoint that an RFC 3161 authority has timestamped: its size and time.

    ``time`` is in unix seconds, 0 before the first. ``fault`` is why none comes, ``hint`` what to do about it.
    """

    size: int
    time: int
    fault: str | None
    hint: str | None


class StoredView(Struct, frozen=True):
    """The checkpoint that the public store has: its size.

    ``url`` is where others find the store, null if that is not set. ``fault`` is why no newer checkpoint gets there,
    ``hint`` what to do about it.
    """

    size: int
    url: str | None
    fault: str | None
    hint: str | None


class LogStateView(Struct, frozen=True):
    """The state of the log. ``size`` and ``root`` are of the whole tree, ``published`` is the newest checkpoint's size.

    ``witnessed`` is the size of the newest checkpoint that the trust file's quorum has co-signed, 0 if it asks for
    none. ``timestamped`` is null without a timestamp authority, ``stored`` without a public store.
    """

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
    stored: StoredView | None
    development: bool


class ZoneView(Struct, frozen=True):
    """The time zone of the ledger: each of the ``offsets`` from UTC holds from its instant on, the first one ever.

    From the day ``until`` on they are not known. ``label`` is what people call the zone, by language.
    """

    name: str
    offsets: dict[str, str]
    until: str | None
    label: dict[str, str]


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


@router.reads("", "Say what the log is and how far it has come", LogStateView)
def log_state(service: ServiceOf) -> Response:
    """Return the log's id and size, and how much of it is published, witnessed and anchored."""
    parts = service.parts
    sizes = AnchoredSizes(DatabaseJournal(parts.database))
    with parts.database.read() as connection:
        tree = log.tree(connection)
        last = checkpoints.last_published(connection)
        witnessed = checkpoints.last_witnessed(connection)
        stamp = checkpoints.last_timestamp(connection)
    trust, state = parts.trust.trust, parts.chain_worker.state
    timestamped = None
    if parts.timestamp_worker is not None:
        size, time = (stamp.size, stamp.time) if stamp else (0, 0)
        stamping = parts.timestamp_worker.state
        timestamped = TimestampedView(size, time, stamping.fault, stamping.hint)
    stored = None
    if (uploader := parts.uploader) is not None:
        uploading = uploader.state
        stored = StoredView(uploading.size, uploader.public_url, uploading.fault, uploading.hint)
    return json_response(
        LogStateView(
            origin=trust.origin,
            log_id=trust.log_id_text,
            size=tree.size,
            root=f"sha256:{tree.root.hex()}",
            published=last.size if last else 0,
            witnessed=witnessed.size if witnessed else 0,
            witnesses=[view_of(WitnessView, witness) for witness in parts.collector.states()],
            chain=FollowedView(state.word, state.waits, state.detail, state.fault, state.hint),
            anchored=AnchoredView(sizes.size("submitted"), sizes.size("mined"), sizes.size("confirmed")),
            timestamped=timestamped,
            stored=stored,
            development=trust.development,
        )
    )


@router.reads("/zone", "Say in which time zone the ledger shows times", ZoneView)
def time_zone(service: ServiceOf) -> Response:
    """Return the time zone of what concerns no case. Deadlines of a case are those of its procedure's zone."""
    return json_response(view_of(ZoneView, service.parts.zone()))


@router.files("/trust", "Get the trust file", TRUST, 400, 404)
async def trust_file(request: Request, service: ServiceOf, block: Blocks = None) -> Response:
    """Return `tallystick/trust@v1`. Compare it with what the agencies have published before you trust it.

    Each `block`, the number of a final block or `latest-final`, is named in it by its hash, so that proofs can end
    there.
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
    """Ask the node for the blocks. Raises MalformedInput, Unavailable, and NotFound for a block that is not final."""
    final = chain.final_block()
    return [final_block_of(chain.eth, final, block) for block in which]


@router.reads("/inclusion/{index}", "Prove that an entry is in the published tree", InclusionView, 400, 404)
def inclusion(service: ServiceOf, index: Annotated[str, Path(pattern=DECIMAL_PATTERN)]) -> Response:
    """Return a tlog-proof that ends in the published checkpoint.

    That is the primary's: whoever has read it there must not be given an older one by a replica.
    """
    at = parse_size(index, "index")
    with service.parts.database.read() as connection:
        head = _published_above(service, connection, at)

    def has_it(connection: Connection) -> bool:
        return log.tree(connection).size >= head.size

    def prove(connection: Connection) -> tuple[bytes, TlogProof, dict[str, str]]:
        leaf = merkle.leaf_hash(log.entry(connection, at).envelope)
        hashes = merkle.inclusion_proof(at, head.size, TileNodes(head.size, log.tile_reader(connection)))
        return leaf, TlogProof(at, hashes, head.note), as_of_header(connection)

    leaf, proof, as_of = service.parts.replicas.read(has_it, prove)
    return json_response(InclusionView(at, f"sha256:{leaf.hex()}", proof.to_text()), headers=as_of)


@router.files("/receipt/{index}", "Get the COSE receipt of an entry in the published tree", RECEIPT, 400, 404)
def receipt(service: ServiceOf, index: Annotated[str, Path(pattern=DECIMAL_PATTERN)]) -> Response:
    """Return a receipt of inclusion (RFC 9942, RFC9162_SHA256), which the log's key signs for this request.

    Who checks it needs the bytes of the entry besides, as `/tile/entries/` has them.
    """
    at = parse_size(index, "index")
    with service.parts.database.read() as connection:
        head = _published_above(service, connection, at)
    return Response(service.prover.cose_receipt(at, head.note), headers=FRESH, media_type=RECEIPT_TYPE)


@router.files("/absence", "Prove that the log has no such stream", ABSENCE, 400, 409)
def absence(service: ServiceOf, kind: StreamKindQuery, stream_id: StreamIdQuery) -> Response:
    """Return a bundle that shows, by the last head map below the newest anchor, that no entry is of this stream.

    409 if there is one. Streams and their ids are public, as the entries are.
    """
    bundle = service.prover.absence(Stream(kind=kind, id=stream_id))
    return Response(bundle, headers=FRESH, media_type="application/json")


def _published_above(service: Service, connection: Connection, index: int) -> PublishedCheckpoint:
    """Return the checkpoint for everybody, if it has the entry. Raises NotFound."""
    head = served(service, connection)
    if index >= head.size:
        raise NotFound(
            "entry {at} is not published: the log stands at {head_size}", at=index, head_size=head.size, field="index"
        )
    return head


@router.reads(
    "/consistency",
    "Prove that the tree of one published size continues that of another",
    ConsistencyView,
    400,
    404,
    422,
)
def consistency(service: ServiceOf, first: Size, second: Size) -> Response:
    """Return the proof for 1 <= first <= second <= the published size."""
    old, new = parse_size(first, "first"), parse_size(second, "second")
    if old > new:
        raise ProofRefused(
            "a tree of {new} entries does not continue one of {old}",
            new=new,
            old=old,
            field="second",
            hint="Ask with the smaller size as `first`.",
        )

    def has_it(connection: Connection) -> bool:
        return published(connection).size >= new

    def prove(connection: Connection) -> tuple[Sequence[bytes], dict[str, str]]:
        size = published(connection).size
        if new > size:
            raise NotFound("size {new} is not published: the log stands at {size}", new=new, size=size, field="second")
        hashes = merkle.consistency_proof(old, new, TileNodes(new, log.tile_reader(connection)))
        return hashes, as_of_header(connection)

    hashes, as_of = service.parts.replicas.read(has_it, prove)
    siblings = [f"sha256:{sibling.hex()}" for sibling in hashes]
    return json_response(ConsistencyView(old, new, siblings), headers=as_of)
