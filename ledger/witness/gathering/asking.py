"""One request to one witness, its response decoded strictly: C2SP tlog-witness, co-signatures of anchors and blocks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import httpx
import msgspec
from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.log.checkpoints import parse_size
from ledger.core.log.notes import NoteSignature, parse_signature_lines
from ledger.core.log.witness_protocol import (
    ADD_CHECKPOINT,
    COSIGN_ANCHOR,
    COSIGN_BLOCK,
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    AnchorCosignature,
    CosignAnchor,
    CosignBlock,
)

T = TypeVar("T")

ANSWER_WITHIN_S = 5.0  # from the connection to the last byte of the answer
MAX_ANSWER = 16 * 1024  # bytes


class NotCosigned(TallystickError):
    """A witness did not co-sign; the message says why in one sentence."""

    code = "not_cosigned"


class OtherSize(NotCosigned):
    """The witness last co-signed another size, ``size``, than the request says."""

    def __init__(self, size: int):
        super().__init__(f"the witness has size {size}")
        self.size = size


class OtherHistory(NotCosigned):
    """The witness says that no consistency proof leads from its last checkpoint to this one."""


class _Problem(Struct, frozen=True):
    detail: str = ""
    title: str = ""
    hint: str = ""


_cosignature = decoder_of(AnchorCosignature)
_problem = decoder_of(_Problem)


def new_client() -> httpx.AsyncClient:
    """Return a client for all witnesses: no proxies, no redirects."""
    return httpx.AsyncClient(verify=_tls(), timeout=ANSWER_WITHIN_S, trust_env=False, follow_redirects=False)


async def add_checkpoint(client: httpx.AsyncClient, url: str, asked: AddCheckpoint) -> tuple[NoteSignature, ...]:
    """Return the witness's signature lines, unverified. Raises OtherSize, OtherHistory, NotCosigned."""
    answer = await _post(client, f"{url}{ADD_CHECKPOINT}", asked.body(), "text/plain; charset=utf-8")
    if answer.status == 409 and answer.media_type == SIZE_MEDIA_TYPE:
        raise OtherSize(_read(lambda: parse_size(answer.text.removesuffix("\n"))))
    if answer.status == 422 and asked.old > 0:
        raise OtherHistory(f"the witness answers {answer.told}")
    if answer.status != 200:
        raise NotCosigned(f"the witness answers {answer.told}")
    return _read(lambda: parse_signature_lines(answer.text))


async def cosign_anchor(client: httpx.AsyncClient, url: str, asked: CosignAnchor) -> AnchorCosignature:
    """Return the witness's co-signature for the contract, unverified. Raises NotCosigned."""
    answer = await _post(client, f"{url}{COSIGN_ANCHOR}", msgspec.json.encode(asked), "application/json")
    if answer.status != 200:
        raise NotCosigned(f"the witness answers {answer.told}")
    return _read(lambda: canonical.parse(answer.data, _cosignature))


async def cosign_block(client: httpx.AsyncClient, url: str, asked: CosignBlock) -> tuple[NoteSignature, ...]:
    """Return the witness's signature lines for a block note, unverified. Raises NotCosigned."""
    answer = await _post(client, f"{url}{COSIGN_BLOCK}", msgspec.json.encode(asked), "application/json")
    if answer.status != 200:
        raise NotCosigned(f"the witness answers {answer.told}")
    return _read(lambda: parse_signature_lines(answer.text))


class _Answer(Struct, frozen=True):
    status: int
    media_type: str
    data: bytes

    @property
    def text(self) -> str:
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise MalformedInput("not text") from error

    @property
    def told(self) -> str:
        """Return status and reason, if the witness gave one."""
        try:
            problem = _problem.decode(self.data)
        except msgspec.DecodeError:
            return str(self.status)
        reason = ". ".join(part for part in (problem.detail or problem.title, problem.hint) if part)[:400]
        return f"{self.status}: {reason}" if reason else str(self.status)


async def _post(client: httpx.AsyncClient, url: str, body: bytes, content_type: str) -> _Answer:
    headers = {"Content-Type": content_type, "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN_S),
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            data = b""
            async for part in response.aiter_bytes():
                data += part
                if len(data) > MAX_ANSWER:
                    raise NotCosigned(f"the witness answers with more than {MAX_ANSWER} bytes")
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return _Answer(response.status_code, media_type, data)
    except TimeoutError as error:
        raise NotCosigned(f"the witness does not answer within {ANSWER_WITHIN_S:.0f} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotCosigned(f"the witness cannot be reached: {error or type(error).__name__}") from error


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except MalformedInput as error:
        raise NotCosigned(f"the witness answers with something else: {error.message}") from error


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
