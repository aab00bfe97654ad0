"""The log for everybody to copy: checkpoint, tiles and entry bundles (C2SP tlog-tiles), at the root. Public."""

from __future__ import annotations

import gzip
import re
from typing import Annotated

from fastapi import Path, Request
from starlette.responses import RedirectResponse, Response

from api.dependencies import ServiceOf
from api.schemas.openapi import Routes
from api.services.service import Service
from ledger.core.errors import NotFound
from ledger.core.log.tiles import TILE_WIDTH, TileName, encode_entry_bundle, parse_name, width_at
from ledger.store import checkpoints, log
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Connection

ETERNAL = {"Cache-Control": "public, max-age=31536000, immutable"}
AS_OF = "Tallystick-As-Of"
FRESH = {"Cache-Control": "no-store"}
MOVED = {"Cache-Control": "public, max-age=60"}  # the public store may be another one tomorrow
COMPRESSED = {"Content-Encoding": "gzip"}
LEVEL = 1  # of gzip: a tenth of the time of the highest level, for a fourteenth more bytes
VARIES = {"Vary": "Accept-Encoding"}
TILE_NAME = (
    r"^(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x(?:00[1-9]|0[1-9][0-9]|[1-9][0-9]{2})/(?:x[0-9]{3}/){0,5})?"
    r"[0-9]{3}(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$"
)
_BYTES = "application/octet-stream"
_BINARY = {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
_NOTE = {"content": {"text/plain": {"schema": {"type": "string"}}}}
# Gzip, or everything, at a weight above 0 (RFC 9110 12.5.3).
_GZIP = re.compile(r"\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*(?:1(?:\.0*)?|0\.0*[1-9]\d*)\s*)?", re.IGNORECASE)

router = Routes(404, 503, tags=["log"])

# The pattern is for the OpenAPI document only; ``parse_name`` validates names.
TileNamePath = Annotated[str, Path(json_schema_extra={"pattern": TILE_NAME})]


@router.head("/checkpoint", include_in_schema=False)
@router.files("/checkpoint", "Get the published checkpoint", _NOTE)
def checkpoint(service: ServiceOf) -> Response:
    """Return a signed note (C2SP tlog-checkpoint), which advances at most once a second.

    If the trust file asks for witnesses, it is the newest that their quorum has co-signed, with the co-signatures.
    """
    with service.parts.database.read() as connection:
        return Response(served(service, connection).note, headers=FRESH, media_type="text/plain; charset=utf-8")


@router.head("/tile/{name:path}", include_in_schema=False)
@router.files("/tile/{name:path}", "Get a tile of hashes, or a bundle of entries", _BINARY, 400)
def tile(service: ServiceOf, request: Request, name: TileNamePath) -> Response:
    """Return `/tile/<L>/<N>[.p/<W>]` or `/tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles), up to the published size.

    Every partial tile and bundle up to that size is served, even if the full one exists. Bundles are compressed for
    clients that accept gzip; hashes do not compress. What the public store has, if there is one, is redirected there.
    """
    path: bytes = request.scope.get("raw_path") or b""
    # A name with escapes, which frameworks decode, is another spelling, and is no name of a tile.
    tile_name = parse_name(path.decode("ascii", "replace") if b"%" in path else f"tile/{name}")
    uploader = service.parts.uploader
    if uploader is not None and (elsewhere := uploader.redirect(tile_name)) is not None:
        return RedirectResponse(elsewhere, status_code=307, headers=MOVED)
    level = tile_name.level if isinstance(tile_name, TileName) else 0

    def has_it(connection: Connection) -> bool:
        return tile_name.width <= width_at(published(connection).size, level, tile_name.index)

    def read(connection: Connection) -> tuple[bytes, dict[str, str]]:
        size = published(connection).size
        if tile_name.width > width_at(size, level, tile_name.index):
            raise NotFound(
                "{path} is not published yet: the log stands at {size}", path=tile_name.path(), size=size, field="name"
            )
        if isinstance(tile_name, TileName):
            data = log.tile_reader(connection)(tile_name.level, tile_name.index, tile_name.width)
        else:
            first = tile_name.index * TILE_WIDTH
            data = encode_entry_bundle(log.envelopes(connection, first, first + tile_name.width))
        return data, as_of_header(connection)

    data, as_of = service.parts.replicas.read(has_it, read)
    if isinstance(tile_name, TileName):
        return Response(data, headers=ETERNAL | as_of, media_type=_BYTES)
    accepted = request.headers.get("accept-encoding", "")
    if not any(_GZIP.fullmatch(coding) for coding in accepted.split(",")):
        return Response(data, headers=ETERNAL | VARIES | as_of, media_type=_BYTES)
    return Response(
        gzip.compress(data, LEVEL, mtime=0), headers=ETERNAL | VARIES | COMPRESSED | as_of, media_type=_BYTES
    )


def as_of_header(connection: Connection) -> dict[str, str]:
    """Return the header that says which size the log had where this was read: of a replica, maybe an earlier one."""
    return {AS_OF: str(log.tree(connection).size)}


def served(service: Service, connection: Connection) -> PublishedCheckpoint:
    """Return the checkpoint for everybody. Raises NotFound before the first."""
    asks_for_witnesses = service.parts.trust.trust.policy.asks_for_witnesses
    return _required(checkpoints.last_served(connection, asks_for_witnesses=asks_for_witnesses))


def published(connection: Connection) -> PublishedCheckpoint:
    """Return the newest published checkpoint. Raises NotFound before the first."""
    return _required(checkpoints.last_published(connection))


def _required(newest: PublishedCheckpoint | None) -> PublishedCheckpoint:
    if newest is None:
        raise NotFound("no checkpoint is published yet", hint="The first one comes within a second of the first entry.")
    return newest
