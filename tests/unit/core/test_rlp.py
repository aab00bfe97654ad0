"""``ledger.core.ethereum.trie``: one spelling for each item, and the same items as the ``rlp`` library reads."""

from __future__ import annotations

import random

import pytest
import rlp as library
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput
from ledger.core.ethereum import trie

ITEMS = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=6), max_leaves=20)


def as_lists(item: object) -> object:
    return [as_lists(part) for part in item] if isinstance(item, (tuple, list)) else item


def depth_of(item: object) -> int:
    return 1 + max(map(depth_of, item), default=0) if isinstance(item, (tuple, list)) else 0


@given(ITEMS)
def test_what_is_encoded_is_read(item: object) -> None:
    """Items come back, spelled as the library spells them."""
    data = library.encode(item)
    assert trie.encode_rlp(item) == data  # type: ignore[arg-type]
    if depth_of(item) <= trie.MAX_DEPTH:
        assert as_lists(trie.decode_rlp(data)) == item
    else:
        with pytest.raises(MalformedInput, match="nested"):
            trie.decode_rlp(data)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 57, 255, 256, 65535, 65536])
def test_lengths(length: int) -> None:
    """Each length is spelled in as few bytes as it needs."""
    for item in (b"\x80" * length, (b"",) * length):
        assert trie.decode_rlp(trie.encode_rlp(item)) == item
        assert trie.encode_rlp(item) == library.encode(item)


FAULTS = {
    "nothing": b"",
    "a byte after the end": b"\x01\x02",
    "a list and more": b"\xc0\x00",
    "a small byte with a length": b"\x81\x7f",
    "a string that is cut": b"\x83ab",
    "a list that is cut": b"\xc3\x01\x02",
    "an item that passes the list's end": b"\xc2\x82a",
    "an item that ends where the next list begins": b"\xc4\xc2\x82ab\x01",
    "a short string with a long length": b"\xb8\x37" + b"a" * 55,
    "a short list with a long length": b"\xf8\x01\x01",
    "a length with a zero before it": b"\xb9\x00\x38" + b"a" * 56,
    "a length that is cut": b"\xb9\x01",
    "no length where one is announced": b"\xb8",
    "a length of 2^64 - 1": b"\xbf" + b"\xff" * 8,
    "a list of 2^64 - 1 bytes": b"\xff" + b"\xff" * 8 + b"\x00",
    "lists nested too deep": bytes(library.encode([[[[[[[[[]]]]]]]]])),
    "lists nested without end": b"\xf9\xff\xff" * 30_000,
}


@pytest.mark.parametrize("name", FAULTS)
def test_other_spellings(name: str) -> None:
    """What is spelled otherwise, is cut or goes on is refused."""
    with pytest.raises(MalformedInput):
        trie.decode_rlp(FAULTS[name])


def test_same_verdict_as_the_library_on_changed_bytes() -> None:
    """5,000 seeded mutations: what both read is the same, and only depth is refused beyond what the library refuses."""
    chance = random.Random(11)
    for _ in range(5_000):
        data = bytearray(trie.encode_rlp(random_item(chance, 4)))
        for _ in range(chance.randint(1, 3)):
            change(data, chance)
        mutated = bytes(data)
        try:
            expected: object = library.decode(mutated)
        except library.exceptions.DecodingError:
            expected = None
        try:
            decoded: object = as_lists(trie.decode_rlp(mutated))
        except MalformedInput:
            decoded = None
        if decoded is None and expected is not None:
            assert depth_of(expected) > trie.MAX_DEPTH
        else:
            assert decoded == expected


def random_item(chance: random.Random, depth: int) -> trie.Item:
    if depth == 0 or chance.random() < 0.4:
        return chance.randbytes(chance.choice([0, 1, 1, 2, 20, 32, 55, 56, 80]))
    return tuple(random_item(chance, depth - 1) for _ in range(chance.randint(0, 4)))


def change(data: bytearray, chance: random.Random) -> None:
    """One byte overwritten, cut or put in; mostly one of those that say how long something is."""
    at = chance.randrange(len(data)) if data else 0
    kind = chance.randrange(3) if data else 2
    if kind == 0:
        data[at] = chance.choice([0x00, 0x7F, 0x80, 0x81, 0xB7, 0xB8, 0xC0, 0xC1, 0xF7, 0xF8, chance.randrange(256)])
    elif kind == 1:
        del data[at]
    else:
        data.insert(at, chance.choice([0x00, 0x80, 0x81, 0xC0, 0xC1, 0xF8, chance.randrange(256)]))
