"""The witnesses that the log asks: ``witnesses.toml`` in the data directory.

::

    [[witnesses]]
    url = "https://witness.psb-east.example"
    verifier_key = "witness.psb-east.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
    account = "0x5e1f..."  # only of a witness that the contract counts

A witness without an account is a foreign one: it co-signs checkpoints by C2SP tlog-witness and knows no contract.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import structlog
from msgspec import Meta, Struct

from ledger.core.encoding.decoding import convert
from ledger.core.encoding.toml import decode_toml
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events.terms import KeyId
from ledger.core.log.notes import SignatureType, VerifyingKey, parse_vkey, require_type

logger = structlog.get_logger(__name__)


class Witness(Struct, frozen=True):
    """A witness: its URL, the key of its signatures, and the ``account`` that co-signs anchors, if any."""

    url: str
    key: VerifyingKey
    account: str | None = None

    @property
    def vkey(self) -> str:
        return self.key.vkey()

    @property
    def name(self) -> str:
        return self.key.name


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    verifier_key: str
    account: KeyId | None = None


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
    for field_name, of in _UNIQUE.items():
        values = [value for value in map(of, read) if value is not None]
        if len(set(values)) < len(values):
            raise MalformedInput("two witnesses have the same", field=f"witnesses.toml: {field_name}")
    return read


_UNIQUE: dict[str, Callable[[Witness], object]] = {
    "verifier_key": lambda witness: witness.key.public_key,
    "account": lambda witness: witness.account,
    "url": lambda witness: witness.url,
}


def _witness(row: _Row, where: str) -> Witness:
    try:
        key = parse_vkey(row.verifier_key)
        require_type(key, SignatureType.COSIGNATURE_V1)
    except TallystickError as error:
        raise MalformedInput(error.message, field=f"{where}.verifier_key", hint=error.hint) from error
    try:
        url = httpx.URL(row.url)
    except httpx.InvalidURL as error:
        raise MalformedInput(f"not a URL: {error}", field=f"{where}.url") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise MalformedInput("expected the http(s) URL under which the witness is reached", field=f"{where}.url")
    return Witness(row.url.rstrip("/"), key, row.account)


class WitnessFile:
    """The file, read again when it changes: witnesses are added and removed while the service runs."""

    def __init__(self, path: Path):
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._witnesses: tuple[Witness, ...] = ()

    def read(self) -> tuple[Witness, ...]:
        """Return the witnesses that the file names now; none without a file. Raises MalformedInput."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._witnesses = read_witnesses(self._path.read_text(encoding="utf-8")) if stamp else ()
            self._stamp = stamp
        return self._witnesses

    def __call__(self) -> tuple[Witness, ...]:
        """Return the witnesses, or the earlier ones if the file cannot be read now."""
        try:
            return self.read()
        except (TallystickError, OSError, UnicodeDecodeError) as error:
            logger.warning("the file of witnesses cannot be read, the witnesses of before are asked", reason=str(error))
            self._stamp = self._stamped()  # warned once for each change
            return self._witnesses

    def _stamped(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size
