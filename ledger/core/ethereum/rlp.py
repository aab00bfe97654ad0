"""RLP of the Ethereum Yellow Paper (appendix B): byte strings and lists.

Only the canonical spelling is accepted, so that bytes which hash to a root have exactly one meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ledger.core.errors import MalformedInput

MAX_DEPTH = 8  # lists within lists; a trie's node has 4 at most

_LIST = 0xC0
_STRING = 0x80
_SHORT = 55  # bytes; a length up to it is part of the first byte

Item: TypeAlias = "bytes | tuple[Item, ...]"


def decode(data: bytes) -> Item:
    """Decode one item. Raises MalformedInput for every non-canonical spelling, and for lists nested too deep."""
    item, end = _item(data, 0, len(data), MAX_DEPTH)
    if end != len(data):
        raise _refused(f"{len(data) - end} bytes stand after the end")
    return item


def encode(item: bytes | Sequence[Item]) -> bytes:
    """Encode an item."""
    if isinstance(item, bytes):
        alone = len(item) == 1 and item[0] < _STRING
        return item if alone else _head(len(item), _STRING) + item
    body = b"".join(map(encode, item))
    return _head(len(body), _LIST) + body


def _item(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    """Decode the item at ``start``, which must end at or before ``limit``; return it and its end."""
    if start >= limit:
        raise _refused("an item is missing")
    first = data[start]
    if first < _STRING:
        return data[start : start + 1], start + 1
    if first < _LIST:
        body, end = _bounds(data, start, limit, first - _STRING)
        if end - body == 1 and data[body] < _STRING:
            raise _refused("a byte that stands for itself has a length before it")
        return data[body:end], end
    if depth == 0:
        raise _refused(f"lists are nested more than {MAX_DEPTH} deep")
    at, end = _bounds(data, start, limit, first - _LIST)
    items: list[Item] = []
    while at < end:
        item, at = _item(data, at, end, depth - 1)
        items.append(item)
    return tuple(items), end


def _bounds(data: bytes, start: int, limit: int, stated: int) -> tuple[int, int]:
    """Return where the body of the item at ``start`` begins and ends.

    ``stated`` is its first byte without the kind: the length itself, or 55 more than the number of bytes that spell it.
    """
    body, length = start + 1, stated
    if stated > _SHORT:
        body += stated - _SHORT
        spelled = data[start + 1 : body]
        length = int.from_bytes(spelled, "big")
        if length <= _SHORT or spelled[0] == 0:
            raise _refused("a length is spelled longer than it need be")
    if body + length > limit:
        raise _refused("an item is cut")
    return body, body + length


def _head(length: int, kind: int) -> bytes:
    if length <= _SHORT:
        return bytes((kind + length,))
    spelled = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + _SHORT + len(spelled),)) + spelled


def _refused(why: str) -> MalformedInput:
    return MalformedInput(f"not RLP in its one spelling: {why}", field="rlp")
