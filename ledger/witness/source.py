"""The log as its public routes show it: checkpoint, tiles, entries, and the registry changes that it mirrors.

Nothing from here is trusted; a response of another form than requested is ``LogUnreadable``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import httpx
import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events import MAX_ENTRY_BYTES, Envelope
from ledger.core.log.merkle import HASH_LENGTH
from ledger.core.log.notes import MAX_NOTE_LENGTH
from ledger.core.log.replay import LogUnreadable, is_registry_change
from ledger.core.log.tiles import (
    LENGTH_PREFIX,
    TILE_LENGTH,
    TILE_WIDTH,
    BundleName,
    TileName,
    decode_entry_bundle,
    moved_tile,
)
from ledger.tls import tls_context

MAX_BUNDLE = TILE_WIDTH * (LENGTH_PREFIX + MAX_ENTRY_BYTES)  # bytes
MAX_PAGE = 16 * 1024 * 1024  # bytes of one page of registry changes
PAGE = 1000  # registry changes


class LogUnreachable(LogUnreadable):
    """The log does not answer."""

    code = "log_unreachable"


class _Change(Struct, frozen=True):
    index: int
    payload: Raw


class _Page(Struct, frozen=True):
    entries: list[_Change]
    next: int | None = None


_page_decoder = decoder_of(_Page)


class LogSource:
    """The log at ``url``. Threads may share it. Each method raises LogUnreadable, or LogUnreachable without answer."""

    def __init__(self, url: str, *, timeout_s: float = 10.0):
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        headers = {"Cache-Control": "no-cache", "Accept-Encoding": "gzip, identity"}  # C2SP tlog-tiles, log entries
        self._client = httpx.Client(timeout=timeout_s, headers=headers, verify=tls_context())

    def close(self) -> None:
        self._client.close()

    def checkpoint(self) -> str:
        """Return the text of the published checkpoint, unverified."""
        data = self._get("checkpoint", MAX_NOTE_LENGTH)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise LogUnreadable("the log's checkpoint is no text") from error

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile: a ``TileReader``."""
        name = TileName(level, index, width)
        data = self._widest(name, TILE_LENGTH)
        if len(data) < width * HASH_LENGTH:
            raise LogUnreadable("{path} has {count} bytes", path=name.path(), count=len(data))
        return data[: width * HASH_LENGTH]

    def entries(self, first: int, end: int) -> list[bytes]:
        """Return the entries ``first <= index < end``."""
        collected: list[bytes] = []
        for bundle in range(first // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH):
            start = bundle * TILE_WIDTH
            entries = self._bundle(bundle, min(TILE_WIDTH, end - start))
            collected += entries[max(0, first - start) : end - start]
        return collected

    def shows(self, size: int) -> bool:
        """Return whether the log still serves the last of ``size`` entries."""
        try:
            self.entries(size - 1, size)
        except _Missing:
            return False
        return True

    def mirrored_payloads(self, envelopes: Sequence[Envelope], first: int) -> dict[int, bytes]:
        """Return by index the payloads that the log serves of those entries, from index ``first`` on, which mirror the
        registry.
        """
        mirrors = [index for index, envelope in enumerate(envelopes, first) if is_registry_change(envelope)]
        payloads: dict[int, bytes] = {}
        for change in self._changes(mirrors[0] - 1) if mirrors else ():
            if change.index > mirrors[-1]:
                break
            payloads[change.index] = bytes(change.payload)
        return payloads

    def _changes(self, after: int) -> Iterator[_Change]:
        while True:
            data = self._get(f"api/v1/registry?after={after}&limit={PAGE}", MAX_PAGE)
            try:
                page = _page_decoder.decode(data)
            except msgspec.DecodeError as error:
                raise LogUnreadable("the log's registry changes are not of their form") from error
            yield from page.entries
            if page.next is None or not page.entries or page.next <= after:
                return
            after = page.next

    def _bundle(self, index: int, width: int) -> list[bytes]:
        name = BundleName(index, width)
        data = self._widest(name, MAX_BUNDLE)
        for bundle_width in dict.fromkeys((width, TILE_WIDTH)):
            try:
                return decode_entry_bundle(data, bundle_width)
            except MalformedInput as error:
                refused = error
        raise LogUnreadable("{path}: {refused}", path=name.path(), refused=refused) from refused

    def _widest(self, name: TileName | BundleName, limit: int) -> bytes:
        """Return a partial tile or, if it is gone, the full one that replaced it (C2SP tlog-tiles)."""
        try:
            return self._get(name.path(), limit)
        except _Missing:
            if name.width == TILE_WIDTH:
                raise
            return self._get(replace(name, width=TILE_WIDTH).path(), limit)

    def _get(self, path: str, limit: int) -> bytes:
        response, data = self._answer(f"{self._url}/{path}", path, limit)
        # The log may have its tiles at another place. What comes from there is trusted as little.
        if response.has_redirect_location and (url := moved_tile(path, response.headers["Location"])) is not None:
            response, data = self._answer(url, path, limit)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _Missing("the log does not serve /{path}", path=path)
        if response.status_code != httpx.codes.OK:
            raise LogUnreachable(
                "the log answers /{path} with HTTP status {response.status_code}", path=path, response=response
            )
        return data

    def _answer(self, url: str, path: str, limit: int) -> tuple[httpx.Response, bytes]:
        deadline = time.monotonic() + self._timeout_s
        parts: list[bytes] = []
        received = 0
        try:
            with self._client.stream("GET", url) as response:
                for part in response.iter_bytes():
                    received += len(part)
                    if received > limit:
                        raise LogUnreadable(
                            "the log answers /{path} with more than {limit} bytes", path=path, limit=limit
                        )
                    if time.monotonic() > deadline:
                        raise LogUnreachable("the log did not finish its answer to /{path} in time", path=path)
                    parts.append(part)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            refusal = LogUnreachable("the log cannot be reached", hint="Check its URL and the network between.")
            refusal.add_note(str(error))
            raise refusal from error
        return response, b"".join(parts)


class _Missing(LogUnreadable):
    """The log answers 404: it may be gone, or withheld."""
