"""RLP and tries against the libraries `rlp` and `trie`: the same verdict on good and on changed bytes."""

from __future__ import annotations

import random

import pytest
import rlp as library
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.ethereum import trie
from ledger.core.ethereum.trie import EMPTY_ROOT, MAX_NODE_LENGTH, Item, encode_rlp, walk
from scripts.docs.chain_states import path, secure_trie

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


@pytest.mark.parametrize("length", [0, 1, 55, 56, 57, 255, 256, 65536])
def test_lengths(length: int) -> None:
    """Each length is spelled in as few bytes as it needs."""
    for item in (b"\x80" * length, (b"x" * length,)):
        assert trie.decode_rlp(trie.encode_rlp(item)) == item
        assert trie.encode_rlp(item) == library.encode(item)


def nested(levels: int) -> bytes:
    """Lists within lists, so many: the library would reach Python's limit."""
    data = b""
    for _ in range(levels):
        spelled = bytes([len(data)]) if len(data) < 256 else len(data).to_bytes(2, "big")
        data = (bytes([0xC0 + len(data)]) if len(data) < 56 else bytes([0xF7 + len(spelled)]) + spelled) + data
    return data


NOT_RLP = {
    "nothing": b"",
    "a byte after the end": b"\x01\x02",
    "a small byte with a length": b"\x81\x7f",
    "a string that is cut": b"\x83ab",
    "an item that passes the list's end": b"\xc2\x82a",
    "an item that ends where the next list begins": b"\xc4\xc2\x82ab\x01",
    "a short string with a long length": b"\xb8\x37" + b"a" * 55,
    "a short list with a long length": b"\xf8\x01\x01",
    "a length with a zero before it": b"\xb9\x00\x38" + b"a" * 56,
    "no length where one is announced": b"\xb8",
    "a length of 2^64 - 1": b"\xbf" + b"\xff" * 8,
    "lists nested too deep": nested(trie.MAX_DEPTH + 1),
}


@pytest.mark.parametrize("name", NOT_RLP)
def test_other_spellings(name: str) -> None:
    """What is spelled otherwise, is cut or goes on is refused."""
    with pytest.raises(MalformedInput):
        trie.decode_rlp(NOT_RLP[name])


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


Proof = tuple[bytes, ...]


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def grown(size: int, length: int = 33) -> HexaryTrie:
    """A trie of numbered keys and values of up to ``length`` bytes."""
    chance = random.Random(size)
    return secure_trie({key_of(number): chance.randbytes(chance.randint(1, length)) for number in range(size)})


TRIES = {size: grown(size) for size in (1, 2, 3, 16, 17, 120, 700)}


@pytest.mark.parametrize("size", TRIES)
def test_every_key_and_as_many_absent_ones(size: int) -> None:
    """Inclusion gives the value, exclusion None, as the library has them."""
    trie = TRIES[size]
    for number in range(min(2 * size + 4, 400)):
        value = value_at(trie.root_hash, key_of(number), path(trie, key_of(number)))
        assert (value or b"") == trie[keccak(key_of(number))]
        assert (value is None) == (number >= size)


# -- faults by name ----------------------------------------------------------------------------------------------------

TRIE = TRIES[120]
KEY = key_of(7)
GOOD = path(TRIE, KEY)
ABSENT = path(TRIE, key_of(5_000))


def value_at(root: bytes, key: bytes, nodes: Proof) -> bytes | None:
    """Walk the nodes, found by their hashes; a KeyError names one that is missing."""
    return walk(root, key, {bytes(keccak(node)): node for node in nodes}.__getitem__)


@pytest.mark.parametrize("nodes", [GOOD[:-1], (), GOOD[1:], ABSENT, path(TRIE, key_of(8))])
def test_node_that_is_missing(nodes: Proof) -> None:
    """Each node of the path is asked for by its hash."""
    with pytest.raises(KeyError):
        value_at(TRIE.root_hash, KEY, nodes)


def test_nodes_in_any_order_and_more_of_them() -> None:
    """What is not on the path is not looked at."""
    nodes = (*reversed(GOOD), b"\xc0", *ABSENT)
    assert value_at(TRIE.root_hash, KEY, nodes) == value_at(TRIE.root_hash, KEY, GOOD) is not None


def test_node_of_another_hash() -> None:
    """A source that gives something else is refused."""
    with pytest.raises(ProofRefused, match="the node is not"):
        walk(TRIE.root_hash, KEY, lambda _: GOOD[-1])


def test_empty_trie() -> None:
    """It has no node to ask for."""
    assert walk(EMPTY_ROOT, KEY, {}.__getitem__) is None


def test_exclusion_is_no_inclusion() -> None:
    """A proof that a key is absent says nothing of another key."""
    absent = key_of(5_000)
    assert value_at(TRIE.root_hash, absent, ABSENT) is None
    with pytest.raises(KeyError):
        value_at(TRIE.root_hash, absent, GOOD)


def lone(node: Item) -> tuple[bytes, Proof]:
    """A trie of one node."""
    data = encode_rlp(node)
    return bytes(keccak(data)), (data,)


NIBBLES = keccak(KEY).hex()
WHOLE = bytes.fromhex("20" + NIBBLES)
EMPTY_BRANCH: tuple[Item, ...] = (b"",) * 17


def branch(child: Item, value: bytes = b"") -> tuple[Item, ...]:
    """A branch with one child, on the key's path."""
    items = [b""] * 16
    at = int(NIBBLES[0], 16)
    return (*items[:at], child, *items[at + 1 :], value)


def below(nibbles: int) -> bytes:
    """A leaf's path after so many nibbles."""
    rest = NIBBLES[nibbles:]
    return bytes.fromhex(("3" if len(rest) % 2 else "20") + rest)


def test_nodes_that_stand_in_their_parent() -> None:
    """A short node is not hashed: the walk goes on in place, and its proof is the parent alone."""
    root, proof = lone((bytes.fromhex("00" + NIBBLES[:62]), branch_at(62, (below(63), b"v"))))
    assert value_at(root, KEY, proof) == b"v"


def branch_at(depth: int, child: Item) -> tuple[Item, ...]:
    items: list[Item] = [b""] * 17
    items[int(NIBBLES[depth], 16)] = child
    return tuple(items)


FAULTS: dict[str, Item] = {
    "no list": b"x" * 40,
    "a list of one": (WHOLE,),
    "a list of three": (WHOLE, b"v", b""),
    "a branch of 16": EMPTY_BRANCH[:16],
    "a child of 31 bytes": branch(b"x" * 31),
    "a child that is no node": branch((b"", b"", b"")),
    "an extension to a child of 3 bytes": (bytes.fromhex("00" + NIBBLES[:2]), b"xyz"),
    "a leaf without a path": (b"", b"v"),
    "a leaf whose path is a list": ((b" ",), b"v"),
    "a leaf whose value is a list": (WHOLE, (b"v",)),
    "a branch below a whole path": (b"\x00" + WHOLE[1:], branch(b"x" * 32)),
    "a path with an unknown flag": (bytes.fromhex("40" + NIBBLES), b"v"),
    "a path with a nibble that should not count": (bytes.fromhex("21" + NIBBLES), b"v"),
    "a node beyond bounds": (WHOLE, b"v" * MAX_NODE_LENGTH),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_node(name: str) -> None:
    """A node of another form is refused, though its hash is right."""
    root, proof = lone(FAULTS[name])
    with pytest.raises(MalformedInput):
        value_at(root, KEY, proof)


ABSENT_BY: dict[str, Item] = {
    "a leaf of another key": (bytes.fromhex("20" + key_of(1).hex()), b"v"),
    "a leaf whose path ends too early": (WHOLE[:-1], b"v"),
    "a leaf whose path ends too late": (WHOLE + b"\0", b"v"),
    "an extension that is longer than a key": (b"\x00" + WHOLE[1:] + b"\0", b"x" * 32),
    "an extension that leads nowhere": (bytes.fromhex("00" + NIBBLES[:2]), b""),
    "a branch without the child": EMPTY_BRANCH,
}


@pytest.mark.parametrize("name", ABSENT_BY)
def test_what_does_not_lead_on_has_no_value(name: str) -> None:
    """A path that goes elsewhere, or ends, shows that the key is absent."""
    root, proof = lone(ABSENT_BY[name])
    assert value_at(root, KEY, proof) is None


def test_what_no_step_of_the_path_reads_is_not_looked_at() -> None:
    """The value of a branch, a part of no nibbles, and where a node stands: no chain makes such a trie."""
    leaf = (below(1), b"v" * 40)
    for node in (branch(leaf), branch(leaf, b"value"), (b"\x00", branch(leaf))):
        root, proof = lone(node)
        assert value_at(root, KEY, proof) == b"v" * 40
    short = encode_rlp((below(63), b"v"))
    root, (extension,) = lone((bytes.fromhex("00" + NIBBLES[:62]), branch_at(62, bytes(keccak(short)))))
    assert value_at(root, KEY, (extension, short)) == b"v"


def test_the_deepest_node_is_read() -> None:
    """Lists nest in a node as deep as its bytes allow, where nothing is read."""
    items = list(branch((below(1), b"v" * 40)))
    at = next(place for place in range(16) if not items[place])
    items[at] = trie.decode_rlp(nested(370))
    root, proof = lone(tuple(items))
    assert len(proof[0]) <= MAX_NODE_LENGTH
    assert value_at(root, KEY, proof) == b"v" * 40
