"""The witnesses that the log asks: ``witnesses.toml`` in the data directory.

::

    [[witnesses]]
    url = "https://witness.psb-east.example"
    verifier_keys = ["witness.psb-east.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"]
    account = "0x5e1f..."  # only of a witness that the contract counts
    mirror_key = "..."  # only of one that is a mirror too

A witness without an account is a foreign one: it co-signs checkpoints by C2SP tlog-witness and knows no contract.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import msgspec
from msgspec import Meta, Struct

from ledger.config.watched_file import WatchedFile
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decode_toml, decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events.terms import KeyId
from ledger.core.log.checkpoints import Cosignature, parse_size
from ledger.core.log.notes import NoteSignature, SignedNote, VerifyingKey, parse_signature_lines
from ledger.core.log.policy import parse_witness_keys
from ledger.core.log.witness_protocol import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    COSIGN_ANCHOR,
    COSIGN_BLOCK,
    MIRROR_INFO_MEDIA_TYPE,
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    AddEntries,
    AnchorCosignature,
    CosignAnchor,
    CosignBlock,
)
from ledger.core.messages import Message
from ledger.loggers import get_logger
from ledger.store.activity import pause_after
from ledger.tls import tls_context

logger = get_logger(__name__)


class Witness(Struct, frozen=True):
    """A witness: its URL, the keys of its signatures (``parse_witness_keys``), and the ``account`` that co-signs
    anchors, if any.
    """

    url: str
    keys: tuple[VerifyingKey, ...]
    account: str | None = None
    mirror: VerifyingKey | None = None  # with which it signs as a mirror, and vouches for blocks

    @property
    def vouching_keys(self) -> tuple[VerifyingKey, ...]:
        return (*self.keys, *([self.mirror] if self.mirror else []))

    @property
    def vkeys(self) -> tuple[str, ...]:
        return tuple(key.vkey() for key in self.keys)

    @property
    def name(self) -> str:
        return self.keys[0].name


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    verifier_keys: tuple[str, ...]
    account: KeyId | None = None
    mirror_key: str | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    witnesses: Annotated[tuple[_Row, ...], Meta(max_length=64)] = ()


def read_witnesses(text: str) -> tuple[Witness, ...]:
    """Parse the text of the file. Raises MalformedInput, naming the field."""
    tables = decode_toml(text, field="witnesses.toml")
    try:
        file = convert(tables, _File)
    except msgspec.ValidationError as error:
        raise MalformedInput(str(error), field="witnesses.toml") from error
    read = tuple(_witness(row, f"witnesses.toml: witnesses[{number}]") for number, row in enumerate(file.witnesses))
    unique: dict[str, list[object]] = {
        "verifier_keys": [key.public_key for witness in read for key in witness.vouching_keys],
        "account": [witness.account for witness in read if witness.account],
        "url": [witness.url for witness in read],
    }
    for field_name, values in unique.items():
        if len(set(values)) < len(values):
            raise MalformedInput("two witnesses have the same", field=f"witnesses.toml: {field_name}")
    return read


def _witness(row: _Row, where: str) -> Witness:
    try:
        keys = parse_witness_keys(row.verifier_keys)
    except TallystickError as error:
        raise MalformedInput(error.text, field=f"{where}.verifier_keys", hint=error.hint) from error
    try:
        mirror = parse_witness_keys([row.mirror_key])[0] if row.mirror_key is not None else None
    except TallystickError as error:
        raise MalformedInput(error.text, field=f"{where}.mirror_key", hint=error.hint) from error
    try:
        url = httpx.URL(row.url)
    except httpx.InvalidURL as error:
        raise MalformedInput("not a URL: {error}", error=error, field=f"{where}.url") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise MalformedInput("expected the http(s) URL under which the witness is reached", field=f"{where}.url")
    return Witness(row.url.rstrip("/"), keys, row.account, mirror)


class WitnessFile(WatchedFile[Witness]):
    """The witnesses of the file, which are added and removed while the service runs."""

    def __init__(self, path: Path):
        warning = "the file of witnesses cannot be read, the witnesses of before are asked"
        super().__init__(path, read_witnesses, keeps=True, warning=warning)


T = TypeVar("T")

ANSWER_WITHIN_S = 5.0  # from the connection to the last byte of the answer
MAX_ANSWER = 64 * 1024  # bytes, room for the lines of a dozen keys


class NotCosigned(TallystickError):
    """A witness did not co-sign; the message says why in one sentence."""

    code = "not_cosigned"


class OtherSize(NotCosigned):
    """The witness last co-signed another size, ``size``, than the request says."""

    def __init__(self, size: int):
        super().__init__(Message("the witness has size {size}", size=size))
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
    return httpx.AsyncClient(verify=tls_context(), timeout=ANSWER_WITHIN_S, trust_env=False, follow_redirects=False)


async def add_checkpoint(client: httpx.AsyncClient, url: str, asked: AddCheckpoint) -> tuple[NoteSignature, ...]:
    """Return the witness's signature lines, unverified. Raises OtherSize, OtherHistory, NotCosigned."""
    answer = await _post(client, f"{url}{ADD_CHECKPOINT}", asked.body(), "text/plain; charset=utf-8")
    if answer.status == 409 and answer.media_type == SIZE_MEDIA_TYPE:
        raise OtherSize(_read(lambda: parse_size(answer.text.removesuffix("\n"))))
    if answer.status == 422 and asked.old > 0:
        raise OtherHistory("the witness answers {answer.reason}", answer=answer)
    return answer.lines()


async def add_entries(client: httpx.AsyncClient, url: str, asked: AddEntries) -> tuple[NoteSignature, ...]:
    """Return the mirror's signature lines for a tree of which it has every entry, unverified. Raises NotCosigned."""
    answer = await _post(client, f"{url}{ADD_ENTRIES}", asked.body(), "application/octet-stream")
    if answer.status in (202, 409) and answer.media_type == MIRROR_INFO_MEDIA_TYPE:
        have = " ".join(answer.text.split("\n")[:2])
        raise NotCosigned("the mirror waits for entries: it has {have} (pending size, next entry)", have=have)
    return answer.lines()


async def cosign_anchor(client: httpx.AsyncClient, url: str, asked: CosignAnchor) -> AnchorCosignature:
    """Return the witness's co-signature for the contract, unverified. Raises NotCosigned."""
    answer = await _post(client, f"{url}{COSIGN_ANCHOR}", msgspec.json.encode(asked), "application/json")
    answer.require_success()
    return _read(lambda: canonical.parse(answer.data, _cosignature))


async def cosign_block(client: httpx.AsyncClient, url: str, asked: CosignBlock) -> tuple[NoteSignature, ...]:
    """Return the witness's signature lines for a block note, unverified. Raises NotCosigned."""
    answer = await _post(client, f"{url}{COSIGN_BLOCK}", msgspec.json.encode(asked), "application/json")
    return answer.lines()


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
    def reason(self) -> str:
        """Return status and reason, if the witness gave one."""
        try:
            problem = _problem.decode(self.data)
        except msgspec.DecodeError:
            return str(self.status)
        reason = ". ".join(part for part in (problem.detail or problem.title, problem.hint) if part)[:400]
        return f"{self.status}: {reason}" if reason else str(self.status)

    def require_success(self) -> None:
        if self.status != 200:
            raise NotCosigned("the witness answers {reason}", reason=self.reason)

    def lines(self) -> tuple[NoteSignature, ...]:
        """Return the signature lines of a success, unverified."""
        self.require_success()
        return _read(lambda: parse_signature_lines(self.text))


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
                    raise NotCosigned("the witness answers with more than {limit} bytes", limit=MAX_ANSWER)
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return _Answer(response.status_code, media_type, data)
    except TimeoutError as error:
        raise NotCosigned(
            "the witness does not answer within {answer_within_s:.0f} s", answer_within_s=ANSWER_WITHIN_S
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotCosigned("the witness cannot be reached: {error}", error=error or type(error).__name__) from error


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except MalformedInput as error:
        raise NotCosigned("the witness answers with something else: {error}", error=error) from error


FIRST_PAUSE_S = 1.0  # after a failure, doubled by each that follows


class _Refusal(Struct, frozen=True):
    reason: str
    failures: int
    since: float  # monotonic seconds, as below
    again_at: float


class Refusals:
    """The witnesses that did not sign when they were last asked; each is left alone for longer after each failure."""

    def __init__(self, event: str, longest_pause_s: float):
        self._event = event  # of the log line
        self._longest_pause_s = longest_pause_s
        self._refused: dict[Witness, _Refusal] = {}

    def reason(self, witness: Witness) -> str | None:
        """Return why the witness did not sign when it was last asked; None if it did, or was not asked."""
        refusal = self._refused.get(witness)
        return refusal.reason if refusal else None

    def lasted_s(self, witness: Witness) -> float:
        """Return for how many seconds the witness has not signed whenever it was asked; 0 if it did last."""
        refusal = self._refused.get(witness)
        return time.monotonic() - refusal.since if refusal else 0.0

    def may_be_asked(self, witness: Witness) -> bool:
        """Return whether the pause after the last failure is over."""
        refusal = self._refused.get(witness)
        return refusal is None or refusal.again_at <= time.monotonic()

    def add(self, witness: Witness, reason: str) -> None:
        """Note that the witness did not sign; only another reason than the last one is logged."""
        before = self._refused.get(witness)
        failures = before.failures + 1 if before else 1
        pause_s = pause_after(failures, FIRST_PAUSE_S, self._longest_pause_s)
        if before is None or before.reason != reason:
            logger.warning(self._event, witness=witness.name, reason=reason, again_in_s=pause_s)
        now = time.monotonic()
        self._refused[witness] = _Refusal(reason, failures, before.since if before else now, now + pause_s)

    def remove(self, witness: Witness) -> None:
        """Note that the witness signed."""
        self._refused.pop(witness, None)

    def clear(self) -> None:
        """Forget all: something else is to be signed now."""
        self._refused.clear()


Verify = Callable[[str, Iterable[VerifyingKey]], tuple[Cosignature, ...]]


def own_lines(
    lines: Iterable[NoteSignature], keys: Collection[VerifyingKey], text: str, verify: Verify
) -> dict[VerifyingKey, NoteSignature]:
    """Return the lines by which these keys of a witness have signed this note text, each verified by ``verify``.

    A key may be missing (``require_all``). Raises NotCosigned if all are, or if a line does not verify.
    """
    named = {(key.name, key.key_id): key for key in keys}
    own = [line for line in lines if (line.name, line.key_id) in named]
    try:
        cosignatures = verify(str(SignedNote(text, tuple(own))), keys) if own else ()
    except TallystickError as error:
        raise NotCosigned("the witness answers with another signature: {error}", error=error) from error
    if not cosignatures:
        require_all((), keys)
    return {named[line.name, line.key_id]: line for line in own}


def require_all(signed: Collection[VerifyingKey], keys: Collection[VerifyingKey]) -> None:
    """Require a line by each key. Raises NotCosigned, which names the first key without one."""
    missing = next((key for key in keys if key not in signed), None)
    if missing is not None:
        raise NotCosigned("no signature line of the answer is by {vkey}", vkey=missing.vkey())
