"""Decoding and converting by type, safe in many threads.

The first time that msgspec reads a type, it puts an unfinished description on the class and fills it field by field. A
second thread that uses the class meanwhile reads null pointers, and the process ends by signal 11 (msgspec 0.22,
``StructInfo_Convert`` in ``_core.c``). Here types are described by one thread at a time, so all of ``ledger`` and
``api`` decode and convert through these functions (``tests/unit/core/test_decoding.py`` holds them to it).
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any, TypeVar, overload

import msgspec

from ledger.core.errors import MalformedInput

T = TypeVar("T")

_describing = Lock()


@overload
def decoder_of(kind: type[T], **hooks: Any) -> msgspec.json.Decoder[T]: ...


@overload
def decoder_of(kind: Any, **hooks: Any) -> msgspec.json.Decoder[Any]: ...


def decoder_of(kind: Any, **hooks: Any) -> msgspec.json.Decoder[Any]:
    """Return the JSON decoder of a type, with ``hooks`` as msgspec has them; several threads may use it at once."""
    return _decoder_of(kind, **hooks)


@overload
def decode_json(data: bytes | str, kind: type[T]) -> T: ...


@overload
def decode_json(data: bytes | str, kind: Any) -> Any: ...


def decode_json(data: bytes | str, kind: Any) -> Any:
    """Decode a JSON text by type. Raises msgspec.DecodeError, and ValidationError where it is of another type."""
    return decoder_of(kind).decode(data)


@overload
def convert(value: Any, kind: type[T], *, builtin_types: tuple[type, ...] = ()) -> T: ...


@overload
def convert(value: Any, kind: Any, *, builtin_types: tuple[type, ...] = ()) -> Any: ...


def convert(value: Any, kind: Any, *, builtin_types: tuple[type, ...] = ()) -> Any:
    """Convert a tree of plain values, and of ``builtin_types``, to a type. Raises msgspec.ValidationError."""
    decoder_of(kind)  # describes the type
    return msgspec.convert(value, kind, builtin_types=builtin_types)


@cache
def _decoder_of(kind: Any, **hooks: Any) -> msgspec.json.Decoder[Any]:
    with _describing:
        return msgspec.json.Decoder(kind, **hooks)


def decode_toml(data: bytes | str, *, field: str, hint: str | None = None) -> dict[str, Any]:
    """Return the tables of a TOML file (UTF-8 if it is bytes); ``field`` is the name that a refusal gives it.

    Raises MalformedInput for everything that is not TOML. ``tomllib`` refuses a number of more than 4,300 digits with a
    plain ValueError, and nesting is limited only by the depth of Python's stack.
    """
    import tomllib  # noqa: PLC0415 - a proof check, which reads none, would wait for it

    try:
        return tomllib.loads(data.decode("utf-8") if isinstance(data, bytes) else data)
    except (ValueError, RecursionError) as error:
        raise MalformedInput("not TOML in UTF-8: {error}", error=error, field=field, hint=hint) from error
