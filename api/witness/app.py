"""A witness: its routes (C2SP tlog-witness, and two of our own) over a ``Cosigner``, and how its parts are made."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from api.middleware import logs
from api.middleware.edge import EdgeMiddleware
from api.middleware.measuring import MeasuredRoute, RequestMeasures
from api.middleware.problems import HANDLERS, Refused
from api.middleware.request_limits import JSON, RateLimit, read_body, require_content_type
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.config.settings import WITNESS_PREFIX, WitnessSettings
from ledger.core.errors import MalformedInput
from ledger.core.log.tiles import TileName, parse_name
from ledger.core.log.witness_protocol import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    COSIGN_ANCHOR,
    COSIGN_BLOCK,
    MAX_ADD_CHECKPOINT,
    MIRROR,
    MIRROR_INFO_MEDIA_TYPE,
    SIZE_MEDIA_TYPE,
    AddEntries,
    CosignAnchor,
    CosignBlock,
    parse_add_checkpoint,
    parse_add_entries,
    parse_request,
)
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust, parse_trust
from ledger.i18n import in_readers_language
from ledger.recording.clock import now_ms
from ledger.store.witness import Moved, WitnessStore
from ledger.witness.alarms import Alarms, Health, Status, status_of
from ledger.witness.contracts import contracts_at
from ledger.witness.cosigning import Cosigner
from ledger.witness.directory import WitnessDirectory, open_keys
from ledger.witness.follow import LogFollower
from ledger.witness.mirror import LogMirror, NothingToUpload
from ledger.witness.source import LogSource
from ledger.witness.watch import Watch

MAX_COSIGN = 4096  # bytes
HINTS = {
    400: "Correct the field named here; docs/protocol/witness.md tells what a witness is asked, and in which form.",
    403: "This witness takes what is signed by the log's key in its trust file.",
    404: "This witness follows one log on one chain: GET /status tells which.",
    409: "GET /status tells how far this witness has come: ask again for what it has.",
    413: "Send one wish at a time, in the form that docs/protocol/witness.md tells.",
    422: "Nothing was signed: mend what is named here, then ask again.",
    500: "Tell whoever operates this witness the request id in the header X-Request-Id.",
    503: "Try again a little later: retry_after says after how many seconds. The same may be asked again.",
}
JSON_TYPE = {"content-type": JSON}
TEXT_TYPE = {"content-type": "text/plain; charset=utf-8"}
BYTES = "application/octet-stream"
BYTES_TYPE = {"content-type": BYTES}
FRESH = {"cache-control": "no-store"}
ETERNAL = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
TAKES_GZIP = {"accept-encoding": "gzip"}
MAX_ADD_ENTRIES = 2 + 65_535 + 16 + 2 + 65_535  # bytes before the first package


class WitnessRoutes(Struct, frozen=True):
    """The routes of a witness."""

    cosigner: Cosigner
    mirror: LogMirror | None
    status: Callable[[], Status]
    timeout_s: float

    def routes(self) -> list[Route]:
        return [
            MeasuredRoute(ADD_CHECKPOINT, self.add_checkpoint, methods=["POST"]),
            MeasuredRoute(COSIGN_ANCHOR, self.cosign_anchor, methods=["POST"]),
            MeasuredRoute(COSIGN_BLOCK, self.cosign_block, methods=["POST"]),
            MeasuredRoute("/{origin_hash}/checkpoint", self.show_checkpoint),
            MeasuredRoute("/status", self.show_status),
            MeasuredRoute("/status.txt", self.show_plain_status),
            *(MirrorRoutes(self.mirror, self.timeout_s).routes() if self.mirror else []),
        ]

    async def add_checkpoint(self, request: Request) -> Response:
        body = await self._body(request, None, MAX_ADD_CHECKPOINT)
        checkpoint_request = parse_add_checkpoint(body)
        try:
            lines = await run_in_threadpool(self.cosigner.add_checkpoint, checkpoint_request)
        except Moved as error:
            return Response(f"{error.size}\n", 409, {"content-type": SIZE_MEDIA_TYPE})
        return Response(lines, 200, TEXT_TYPE)

    async def cosign_anchor(self, request: Request) -> Response:
        body = await self._body(request, JSON, MAX_COSIGN)
        signed = await run_in_threadpool(self.cosigner.cosign_anchor, parse_request(body, CosignAnchor))
        return Response(msgspec.json.encode(signed), 200, JSON_TYPE)

    async def cosign_block(self, request: Request) -> Response:
        body = await self._body(request, JSON, MAX_COSIGN)
        lines = await run_in_threadpool(self.cosigner.cosign_block, parse_request(body, CosignBlock))
        return Response(lines, 200, TEXT_TYPE)

    async def show_checkpoint(self, request: Request) -> Response:
        note = await run_in_threadpool(self.cosigner.checkpoint, request.path_params["origin_hash"])
        return Response(note, 200, TEXT_TYPE)

    async def show_status(self, _request: Request) -> Response:
        status = await run_in_threadpool(self.status)
        return Response(msgspec.json.encode(status, enc_hook=in_readers_language), 200, JSON_TYPE)

    async def show_plain_status(self, _request: Request) -> Response:
        status = await run_in_threadpool(self.status)
        return Response(status.lines(), 200 if status.health is Health.WATCHING else 503, TEXT_TYPE)

    async def _body(self, request: Request, media_type: str | None, limit: int) -> bytes:
        return await read_body(request.scope, request.receive, media_type, limit=limit, timeout_s=self.timeout_s)


class MirrorRoutes(Struct, frozen=True):
    """The routes of a witness that is a mirror (C2SP tlog-mirror, and tlog-tiles below ``/mirror/<origin hash>``)."""

    mirror: LogMirror
    timeout_s: float

    def routes(self) -> list[Route]:
        return [
            MeasuredRoute(ADD_ENTRIES, self.add_entries, methods=["POST"]),
            MeasuredRoute(MIRROR + "/{origin_hash}/checkpoint", self.show_checkpoint),
            MeasuredRoute(MIRROR + "/{origin_hash}/{name:path}", self.show_tile),
        ]

    async def add_entries(self, request: Request) -> Response:
        asked = await self._asked(request)
        try:
            lines = await run_in_threadpool(self.mirror.add_entries, asked)
        except NothingToUpload as error:
            return Response(error.info(), 409, {"content-type": MIRROR_INFO_MEDIA_TYPE} | TAKES_GZIP)
        return Response(lines, 200, TEXT_TYPE | TAKES_GZIP)

    async def show_checkpoint(self, request: Request) -> Response:
        note = await run_in_threadpool(self.mirror.checkpoint, request.path_params["origin_hash"])
        return Response(note, 200, TEXT_TYPE | FRESH)

    async def show_tile(self, request: Request) -> Response:
        name = parse_name(request.path_params["name"])
        data = await run_in_threadpool(self.mirror.contents, request.path_params["origin_hash"], name)
        if isinstance(name, TileName) or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(data, 200, BYTES_TYPE | ETERNAL)
        return Response(gzip.compress(data, 1, mtime=0), 200, BYTES_TYPE | ETERNAL | {"content-encoding": "gzip"})

    async def _asked(self, request: Request) -> AddEntries:
        """Return how the request begins: entries that follow are not waited for, since the mirror needs none."""
        require_content_type(request.scope["headers"], BYTES, "gzip")
        is_packed = request.headers.get("content-encoding", "").strip().lower() == "gzip"
        unpack = zlib.decompressobj(wbits=31) if is_packed else None
        head = b""
        try:
            async with asyncio.timeout(self.timeout_s):
                async for part in request.stream():
                    head += unpack.decompress(part, MAX_ADD_ENTRIES) if unpack else part[:MAX_ADD_ENTRIES]
                    asked = parse_add_entries(head)
                    if asked is not None:
                        return asked
        except TimeoutError:
            raise Refused(408, "expected the request sooner", code="body_too_slow") from None
        except zlib.error as error:
            raise MalformedInput("not gzip", field="body") from error
        raise MalformedInput("the request ends before its first package", field="body")


def create_app(
    cosigner: Cosigner,
    status: Callable[[], Status],
    *,
    mirror: LogMirror | None = None,
    max_requests_per_s: int,
    request_timeout_s: float,
    write_log: Callable[..., Any] | None = None,
    measures: RequestMeasures | None = None,
) -> ASGIApp:
    """Return the application.

    ``write_log`` gets the line of each request; by default it goes to standard error. ``measures`` counts them.
    """
    logs.configure()
    routes = WitnessRoutes(cosigner, mirror, status, request_timeout_s)
    return EdgeMiddleware(
        Starlette(routes=routes.routes(), exception_handlers=dict(HANDLERS)),
        addresses=RateLimit(max_requests_per_s, "requests of one address", time.monotonic),
        secure=False,
        log=write_log or logs.request_log(),
        hints=HINTS,
        measures=measures,
    )


ENDING_S = 5  # seconds that a look under way gets when the witness stops


def read_trust(settings: WitnessSettings) -> Trust:
    """Return the trust file that the settings name, or the one in the witness's directory. Raises MalformedInput."""
    path = settings.trust or WitnessDirectory(settings.data_dir).trust
    try:
        return parse_trust(path.read_bytes())
    except FileNotFoundError as error:
        hint = Message("Lay it there, or name it by --trust or {variable}.", variable=f"{WITNESS_PREFIX}TRUST")
        raise MalformedInput(
            "expected the ledger's trust file at {path}", path=path, field="--trust", hint=hint
        ) from error


class RunningWitness(Struct, frozen=True):
    """The application of a witness that runs, with what its metrics are made of."""

    app: ASGIApp
    status: Callable[[], Status]
    requests: RequestMeasures


@contextmanager
def open_witness(settings: WitnessSettings) -> Iterator[RunningWitness]:
    """Yield a witness that watches log and chain until the block is left.

    Raises MalformedInput for what is missing, KeyRefused for a wrong passphrase, Conflict for the database of another
    log, NotFound if the node is of no chain that the trust file names, and Unavailable if the node does not answer.
    """
    trust = read_trust(settings)
    for option, url in (("log", settings.log_url), ("rpc", settings.rpc_url)):
        if not url:
            raise MalformedInput("expected an http(s) URL", field=f"--{option}", hint=_hint(f"{option.upper()}_URL"))
    where = WitnessDirectory(settings.data_dir)
    keys = open_keys(where, settings.passphrase(where))
    contracts = contracts_at(
        Eth(JsonRpc(settings.rpc_url, timeout_seconds=settings.rpc_timeout_s)), trust, settings.finality
    )
    source = LogSource(settings.log_url, timeout_s=settings.log_timeout_s)
    store = WitnessStore.open(where.database, trust)
    alarms = Alarms(store, now_ms)
    follower = LogFollower(store, source, contracts, alarms, now_ms, keeps_entries=keys.mirror is not None)
    watch = Watch(
        trust,
        follower,
        contracts,
        reach_timeout_s=settings.reach_timeout_s,
        anchor_lag_s=settings.anchor_lag_s,
        mirror_lag_s=settings.mirror_lag_s,
    )
    cosigner = Cosigner(watch, contracts, keys.notes, keys.account, keys.mirror)
    requests = RequestMeasures()

    def status() -> Status:
        return status_of(store, now=now_ms(), silence_s=settings.silence_s)

    app = create_app(
        cosigner,
        status,
        mirror=LogMirror(watch, keys.mirror) if keys.mirror else None,
        max_requests_per_s=settings.max_requests_per_s,
        request_timeout_s=settings.request_timeout_s,
        measures=requests,
    )
    stop = Event()
    looking = Thread(target=watch.run, args=(stop, settings.look_interval_s), name="look", daemon=True)
    looking.start()
    try:
        yield RunningWitness(app, status, requests)
    finally:
        stop.set()
        looking.join(ENDING_S)
        source.close()
        store.close()


def _hint(name: str) -> str:
    return Message("It comes from the option or from the variable {variable}.", variable=f"{WITNESS_PREFIX}{name}")
