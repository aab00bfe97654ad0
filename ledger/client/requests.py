"""The requests of a client, each described once for the blocking and the awaiting one (``ledger.client.service``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Protocol, TypeVar
from urllib.parse import quote

from msgspec import DecodeError

from ledger.client.exchange import OF_ANOTHER, Exchange, NameField, Reply, Row, ServiceCall, same_name
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.log.tiles import moved_tile

T = TypeVar("T")


class Credentials(Protocol):
    """What a request carries to show who asks."""

    def header(self) -> dict[str, str]:
        """Return the Authorization header of a token that may still be valid, or nothing."""

    def renewal(self) -> Exchange[None]:
        """Get a new token."""


class Requests:
    """Requests of the API at ``url``. A 401 signs in once and repeats the request."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        name_field: NameField = same_name,
        language: str = "en",
    ):
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._name_field = name_field
        self._headers = {"Accept-Language": language}

    def get(self, /, path: str, **query: Any) -> Exchange[Any]:
        """Return the JSON at ``path``, asked with the query parameters that are not None. Raises as ``error_of``."""
        return _decoded((yield from self.fetch(path, **query)), Any)

    def fetch(self, /, path: str, **query: Any) -> Exchange[bytes]:
        """Return the bytes at ``path``."""
        return (yield from self._asked("GET", path, params=_without_none(query))).content

    def download(self, /, path: str, target: IO[bytes], **query: Any) -> Exchange[None]:
        """Write the bytes at ``path`` to an open file, a piece at a time. Raises Unavailable if they are cut off."""
        yield from self._asked("GET", path, params=_without_none(query), target=target)

    def pages(self, /, path: str, key: str, *, after: Any = None, **query: Any) -> Exchange[None]:
        """Give out the rows of all pages behind ``after``.

        Each answer lists its rows under ``key``; its ``next`` is the ``after`` of the next page.
        """
        is_end = False
        while not is_end:
            page = yield from self.get(path, after=after, **query)
            for row in page[key]:
                yield Row(row)
            after = page.get("next")
            is_end = after is None

    def news(self, /, path: str, key: str, behind: str | None, **query: Any) -> Exchange[tuple[list[Any], str | None]]:
        """Return the rows behind the cursor, of all pages, and the cursor for the next look."""
        rows: list[Any] = []
        page: dict[str, Any] = {"next": behind}
        while "next" in page:
            page = yield from self.get(path, after=page["next"], **query)
            rows += page[key]
        return rows, page.get("resume", behind)

    def post(
        self, /, path: str, content: bytes, answer: type[T], *, content_type: str = "application/json"
    ) -> Exchange[T]:
        """Post a JSON text and return the answer. Raises Unavailable if the outcome is unknown."""
        headers = {"Content-Type": content_type}
        return _decoded((yield from self._asked("POST", path, content=content, headers=headers)).content, answer)

    def upload(self, /, path: str, source: Callable[[], Iterable[bytes]], size: int, answer: type[T]) -> Exchange[T]:
        """Post the ``size`` bytes that ``source`` yields and return the answer.

        Raises Unavailable if they are cut off.
        """
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        return _decoded((yield from self._asked("POST", path, headers=headers, source=source)).content, answer)

    def delete(self, /, path: str) -> Exchange[Any]:
        """Delete the resource at ``path`` and return the answer."""
        return _decoded((yield from self._asked("DELETE", path)).content, Any)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        target: IO[bytes] | None = None,
        source: Callable[[], Iterable[bytes]] | None = None,
    ) -> Exchange[Reply]:
        def call() -> ServiceCall:
            signed_in = self._credentials.header() if self._credentials else {}
            all_headers = {**self._headers, **(headers or {}), **signed_in}
            return ServiceCall(method, self.url + path, params or {}, all_headers, content, target, source)

        reply: Reply = yield call()
        if reply.status == 401 and reply.problem and self._credentials:
            yield from self._credentials.renewal()
            reply = yield call()
        if (elsewhere := moved_tile(path.removeprefix("/"), reply.location)) is not None:
            # Whoever keeps the log's tiles does not learn who asks.
            reply = yield ServiceCall("GET", elsewhere, target=target)
        if not reply.is_success:
            raise self.renamed(reply.error())
        return reply

    def renamed(self, error: TallystickError) -> TallystickError:
        """Return the error with its field named as the user knows it."""
        return error.amended(field=self._name_field(error.field))


def path_of(template: str, *parts: str) -> str:
    """Return a path with ids put in, quoted so that each is one segment."""
    return template.format(*(quote(part, safe="") for part in parts))


def _without_none(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _decoded(content: bytes, answer: type[T]) -> T:
    try:
        return decode_json(content, answer)
    except (DecodeError, RecursionError) as error:
        raise Unavailable(
            "no answer of the service: {error}", error=error, code="service_garbled", hint=OF_ANOTHER
        ) from error
