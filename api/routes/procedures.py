"""Procedure packages: the texts that the log has, and which of them the agencies have adopted. Public."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Path
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import ServiceOf, holding, json_body, json_response
from api.schemas.openapi import OF_A_BODY, Paged, Routes
from ledger.core.errors import NotFound
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.terms import PackageText
from ledger.core.messages import Message
from ledger.core.procedure.adoption import Procedures, publication_of
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import event_of

router = Routes(400, 503, prefix="/api/v1/procedures", tags=["registry"])

MAX_BODY: Final = 2 * 1024 * 1024  # bytes; JSON spells the quotes of a text with two
PUBLISHING: Final = ("analyst", "supervisor")
DigestPath = Annotated[str, Path(pattern=r"^blake3:[0-9a-f]{64}$")]


class ProcedureView(Struct, frozen=True):
    """A version of a procedure. ``published`` and ``adopted`` are log indices.

    ``fault`` says why an adopted version is unusable. ``procedure`` and ``version`` are null if the log has no text of
    the digest.
    """

    digest: str
    procedure: str | None
    version: int | None
    published: int | None
    adopted: tuple[int, ...]
    in_force: bool
    fault: str | None


class ProcedureTextView(Struct, frozen=True):
    """``text`` is the canonical form of the package: the BLAKE3 digest of its bytes is ``digest``."""

    digest: str
    procedure: str
    version: int
    published: int
    text: str


class PackageToPublish(Struct, frozen=True, forbid_unknown_fields=True):
    """A package in its canonical form."""

    text: PackageText


@router.reads("", "List the procedures", Paged("procedures", ProcedureView))
def procedures(service: ServiceOf) -> Response:
    """List what was published in the log's order, then what was adopted without a text."""
    service.parts.authority()  # what other processes have adopted, too
    adopted = service.parts.registry.procedures()
    with service.parts.database.read() as connection:
        published = {body.digest: (index, body) for index, body in reversed(_published(connection))}
    views = [_view(digest, adopted, published.get(digest)) for digest in _digests(published, adopted)]
    return json_response({"procedures": views})


class PublishedVersion(NamedTuple):
    """What an entry says of the text that it publishes."""

    digest: str
    procedure: str
    version: int


# By the digest of the payload, which determines it: a long text is decoded when it is first listed, and never again.
_versions: dict[str, PublishedVersion] = {}


def _published(connection: Connection) -> list[tuple[int, PublishedVersion]]:
    rows = []
    for index, payload_digest in log.digests_of_publications(connection):
        if payload_digest not in _versions:
            body = _body_at(connection, index)
            _versions[payload_digest] = PublishedVersion(body.digest, body.procedure, body.version)
        rows.append((index, _versions[payload_digest]))
    return rows


def _body_at(connection: Connection, index: int) -> ProcedurePublished:
    body = event_of(log.entry(connection, index)).body
    assert isinstance(body, ProcedurePublished), "the payload is of the type that its entry says"
    return body


def _digests(published: dict[str, tuple[int, PublishedVersion]], adopted: Procedures) -> list[str]:
    in_order = sorted(published, key=lambda digest: published[digest][0])
    return list(dict.fromkeys((*in_order, *(version.digest for version in adopted.versions))))


def _view(digest: str, adopted: Procedures, published: tuple[int, PublishedVersion] | None) -> ProcedureView:
    versions = [row for row in adopted.versions if row.digest == digest]
    fault = versions[-1].fault if versions else None
    book = versions[-1].book if versions else None
    procedure, version = (book.procedure.id, book.procedure.version) if book else (None, None)
    if published is not None:
        _, procedure, version = published[1]
    return ProcedureView(
        digest=digest,
        procedure=procedure,
        version=version,
        published=published[0] if published else None,
        adopted=tuple(row.index for row in versions),
        in_force=any(book.digest == digest for book in adopted.current.values()),
        fault=None if fault is None else str(fault),
    )


@router.reads("/{digest}", "Get the text of a procedure", ProcedureTextView, 404)
def procedure(service: ServiceOf, digest: DigestPath) -> Response:
    """Return a package as the log has it, whether it was adopted or not."""
    with service.parts.database.read() as connection:
        indices = [index for index, version in _published(connection) if version.digest == digest]
        if not indices:
            raise NotFound("the log has no procedure {digest}", digest=digest, field="digest")
        index, body = indices[0], _body_at(connection, indices[0])
    return json_response(ProcedureTextView(digest, body.procedure, body.version, index, body.text))


Publishes = Annotated[Reading, Depends(holding(*PUBLISHING))]
PackageToPublishBody = Annotated[PackageToPublish, json_body(PackageToPublish, limit=MAX_BODY)]


@router.posts("", "Publish a procedure", PackageToPublish, ProcedureView, 401, 403, *OF_A_BODY, status=201)
def publish(service: ServiceOf, reading: Publishes, package: PackageToPublishBody) -> Response:
    """Put a package into the log, for an agency's analysts and supervisors; the service signs the entry.

    It is in force once the agencies' majority has adopted its digest on the chain. What is published already is not
    published again.
    """
    body = publication_of(package.text.encode())
    with service.parts.database.read() as connection:
        rows = [(index, earlier) for index, earlier in _published(connection) if earlier.digest == body.digest]
    if not rows:
        version = PublishedVersion(body.digest, body.procedure, body.version)
        rows = [(service.parts.system.append(body).index, version)]
    reading.record(Message("publication of procedure {digest}", digest=body.digest))
    return json_response(_view(body.digest, service.parts.registry.procedures(), rows[0]), status=201)
