"""The head map as docs/protocol defines it, built anew each time: slow, and by the words of the definition alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256

EMPTY = bytes(32)


def key_of(kind: str, stream_id: str) -> bytes:
    """SHA-256 of the stream's canonical bytes."""
    return sha256(b'{"id":"%s","kind":"%s"}' % (stream_id.encode(), kind.encode())).digest()


@lru_cache(1000)
def bits(key: bytes) -> str:
    return f"{int.from_bytes(key, 'big'):0256b}"


def subtree(heads: Mapping[bytes, tuple[int, bytes]], prefix: str = "") -> bytes:
    """The hash of the part of the map whose keys begin with these bits."""
    inside = {key: head for key, head in heads.items() if bits(key).startswith(prefix)}
    if not inside:
        return EMPTY
    if len(inside) == 1:
        ((key, (count, head)),) = inside.items()
        return sha256(b"\x00" + key + count.to_bytes(8, "big") + head).digest()
    return sha256(b"\x01" + subtree(inside, prefix + "0") + subtree(inside, prefix + "1")).digest()


def proof(heads: Mapping[bytes, tuple[int, bytes]], key: bytes) -> tuple[list[bytes], tuple[bytes, int, bytes] | None]:
    """The siblings from the deepest up, and the stream below them, if there is one."""
    siblings: list[bytes] = []
    inside, prefix = dict(heads), ""
    while len(inside) > 1:
        bit = bits(key)[len(prefix)]
        siblings.insert(0, subtree(inside, prefix + ("1" if bit == "0" else "0")))
        prefix += bit
        inside = {inner: head for inner, head in inside.items() if bits(inner).startswith(prefix)}
    return siblings, next(((sibling_key, count, head) for sibling_key, (count, head) in inside.items()), None)


def of_log(entries: Iterable[tuple[str, str, bytes]]) -> dict[bytes, tuple[int, bytes]]:
    """The map of a log: kind and id of each entry's stream, and its bytes."""
    heads: dict[bytes, tuple[int, bytes]] = {}
    for kind, stream_id, entry in entries:
        key = key_of(kind, stream_id)
        heads[key] = (heads.get(key, (0, b""))[0] + 1, sha256(b"\x00" + entry).digest())
    return heads
