"""Nodes of tries made by hand, as no chain makes them. Paths are hex, a nibble a letter."""

from __future__ import annotations

from typing import Any

import rlp

from ledger.core.encoding.digests import keccak256


def deep(path: str, value: bytes, *, by_hash: bool = False) -> list[Any]:
    """Branches down to a leaf that is so short that it stands in the last of them."""
    split = 60
    below: Any = leaf(path[split + 1 :], value)
    last = branch(path[split], hashed(below) if by_hash else below)
    last[int(other(path[split]), 16)] = bytes(32)  # a neighbour, so that the branch itself is long enough
    return [extension(path[:split], hashed(last)), last, *([below] if by_hash else [])]


def other(path: str) -> str:
    return ("1" if path[0] != "1" else "2") + path[1:]


def hashed(node: Any) -> bytes:
    return keccak256(rlp.encode(node))


def branch(path: str, below: Any, value: bytes = b"") -> list[Any]:
    nodes: list[Any] = [b""] * 16 + [value]
    nodes[int(path, 16)] = below
    return nodes


def extension(path: str, below: Any) -> list[Any]:
    return [part("1" if len(path) % 2 else "0", path), below]


def leaf(path: str, value: Any) -> list[Any]:
    return [part("3" if len(path) % 2 else "2", path), value]


def part(flag: str, nibbles: str) -> bytes:
    """A part of a path: even flags are followed by a nibble of padding."""
    return bytes.fromhex(flag + nibbles if len(nibbles) % 2 else f"{flag}0{nibbles}")
