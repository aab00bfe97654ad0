"""Chunks: rows or the bytes of a file, packed, named by a keyed digest of their content, and encrypted.

They are encrypted with age (X25519, ChaCha20-Poly1305) to keys whose other halves are not on the machine that makes
backups: it cannot read what it has written. Anybody can encrypt to such a key, so a chunk counts only if its content
has the digest by which the signed manifest names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct

from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.storage.objects import Objects

FOLDER = "chunks"
MOST_CONTENT = 1 << 28  # bytes of a chunk before it is packed
_LEVEL = 3  # of zstd
_NAMES_OF = "tallystick backup v1: names of chunks by the machine's key and recipients"
_BASE = 1 << 16  # bytes that a packed and encrypted content may have beyond it, and a thousandth of it

Name = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class ChunkRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A chunk as a manifest names it: ``size`` is that of its content, ``stored`` that of what is kept, in bytes."""

    name: Name
    size: Annotated[int, Meta(ge=0, le=MOST_CONTENT)]
    stored: Annotated[int, Meta(ge=0)]
    rows: Annotated[int, Meta(ge=0)] = 0

    @property
    def path(self) -> str:
        """Return where the chunk is kept."""
        return path_of(self.name)

    @property
    def most(self) -> int:
        """Return how many bytes it may have there at most, whatever was written of its content and when."""
        return most_of(self.size)


class TablePart(Struct, frozen=True):
    """Some rows of a table, each with its values in the order of the columns."""

    table: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class RowChunk(Struct, frozen=True):
    """The content of a chunk of rows; ``of`` and ``place`` say where it belongs, so that none stands for another."""

    of: str
    place: int
    parts: tuple[TablePart, ...]


class FileChunk(Struct, frozen=True):
    """The content of a chunk of a file: its path below the data directory, and its bytes."""

    path: str
    data: bytes


class KeyMismatch(TallystickError):
    """None of the keys at hand opens what is encrypted."""

    code = "key_refused"


class Damaged(IntegrityBroken):
    """A chunk that is not what was backed up."""

    code = "backup_damaged"


def most_of(size: int) -> int:
    """Return how many bytes a content of ``size`` bytes has at most, packed and encrypted."""
    return size + (size >> 10) + _BASE


def stored_at(place: Objects, name: str, most: int) -> bytes | None:
    """Return an object, None if there is none. Raises Damaged before a byte is read if it is too long or no file."""
    try:
        return place.read(name, most)
    except IntegrityBroken as error:
        raise Damaged("it is too long, or no file") from error


def path_of(name: str) -> str:
    """Return where the chunk of this name is kept."""
    return f"{FOLDER}/{name[:2]}/{name}"


class Vault:
    """Packs, names and encrypts; opens what one of its own keys, if it has any, can open.

    ``recipients`` are public keys (``age1...``), ``identities`` secret ones (``AGE-SECRET-KEY-1...``). ``name_key`` are
    the 32 bytes under which contents are named.
    """

    def __init__(self, recipients: Sequence[str], identities: Sequence[str], name_key: bytes):
        import pyrage

        try:
            self._recipients = [pyrage.x25519.Recipient.from_str(text) for text in recipients]
        except pyrage.RecipientError as error:
            raise MalformedInput(
                "expected public keys of backups, which begin with age1",
                field="backup_recipients",
                hint="tally backup key prints the public key that belongs to a key file.",
            ) from error
        self._identities = [identity_of(text) for text in identities]
        self.name_key = name_key

    def name_of(self, content: bytes) -> str:
        """Return the keyed digest of a content."""
        return blake3(content, key=self.name_key).hexdigest()

    def seal(self, content: bytes, *, for_own: bool = False) -> bytes:
        """Pack and encrypt a content to the recipients, and with ``for_own`` to its own keys as well."""
        import pyrage

        own = [identity.to_public() for identity in self._identities] if for_own else []
        return pyrage.encrypt(self._codec.compress(content, asbytes=True), [*self._recipients, *own])  # type: ignore[no-any-return]

    def open(self, stored: bytes, size: int) -> bytes:
        """Return the content, of ``size`` bytes. Raises Damaged, and KeyMismatch without the key."""
        import pyrage

        try:
            packed = pyrage.decrypt(stored, self._identities)
        except pyrage.DecryptError as error:
            if "matching keys" in str(error):
                raise KeyMismatch(
                    "none of these keys opens the backup",
                    field="identity",
                    hint="Name the file that tally backup key wrote, of one of the backup_recipients of that time.",
                ) from error
            raise Damaged("it does not decrypt") from error
        with suppress(OSError, ValueError):
            content: bytes = self._codec.decompress(packed, size, asbytes=True)
            return content
        raise Damaged("it does not unpack")

    def content_of(self, ref: ChunkRef, stored: bytes | None) -> bytes:
        """Return the content that a manifest names. Raises Damaged, and KeyMismatch without the key."""
        if stored is None:
            raise Damaged("it is missing")
        content = self.open(stored, ref.size)
        if self.name_of(content) != ref.name:
            raise Damaged("it is another one")
        return content

    @cached_property
    def _codec(self) -> Any:
        import pyarrow

        return pyarrow.Codec("zstd", _LEVEL)


def vault_of_machine(recipients: Sequence[str], own: str) -> Vault:
    """Return the vault by which the machine with this secret key makes backups.

    The key of names follows from its key and the recipients: a run that was cut off finds what it wrote, and what is
    encrypted to others has other names, so that it is never taken for what these recipients can open.
    """
    name_key = blake3("\n".join([own, *sorted(set(recipients))]).encode(), derive_key_context=_NAMES_OF).digest()
    return Vault(recipients, [own], name_key)


def identity_of(text: str) -> Any:
    """Return the secret key that a text spells. Raises MalformedInput."""
    import pyrage

    try:
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError as error:
        raise MalformedInput(
            "expected a secret key of backups, which begins with AGE-SECRET-KEY-1",
            field="identity",
            hint="Name the file that tally backup key wrote.",
        ) from error


def new_identity() -> tuple[str, str]:
    """Make a key pair; return the secret key and the public one."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def public_of(identity: str) -> str:
    """Return the public key of a secret one."""
    return str(identity_of(identity).to_public())


def packed_rows(of: str, place: int, rows: Mapping[str, tuple[tuple[str, ...], Sequence[Sequence[Any]]]]) -> bytes:
    """Return the content of a chunk of rows; ``rows`` has by table the columns and the rows."""
    parts = tuple(TablePart(table, columns, values) for table, (columns, values) in rows.items())
    return msgspec.msgpack.encode(RowChunk(of, place, parts))


def unpacked_rows(content: bytes, of: str, place: int) -> RowChunk:
    """Return the rows of a chunk that belongs to this place. Raises Damaged."""
    chunk: RowChunk = _unpacked(content, RowChunk)
    if (chunk.of, chunk.place) != (of, place):
        raise Damaged("it belongs elsewhere")
    return chunk


def packed_file(path: str, data: bytes) -> bytes:
    """Return the content of a chunk of a file."""
    return msgspec.msgpack.encode(FileChunk(path, data))


def unpacked_file(content: bytes, path: str) -> bytes:
    """Return the bytes of the file at this path. Raises Damaged."""
    chunk: FileChunk = _unpacked(content, FileChunk)
    if chunk.path != path:
        raise Damaged("it belongs elsewhere")
    return chunk.data


def _unpacked(content: bytes, kind: Any) -> Any:
    try:
        return convert(msgspec.msgpack.decode(content), kind, builtin_types=(bytes,))
    except msgspec.DecodeError as error:
        raise Damaged("it cannot be read") from error
