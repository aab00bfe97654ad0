"""The head map: for each stream of the log, how many events it has and which is the last.

A Merkle trie over all streams at a size of the log, of the kind that Diem and jellyfish use. The key of a stream is
SHA-256 of its canonical bytes; the bits of the key, the high bit of each byte first, lead from the root to its place.

    empty subtree                   32 zero bytes
    subtree of exactly one stream   SHA-256(0x00 || key || count || head), at whatever depth
    any other subtree               SHA-256(0x01 || left || right)

``count`` is 8 bytes, big-endian; ``head`` is the leaf hash (RFC 6962) of the stream's last entry. So the root and each
proof are a function of the map alone. The log itself commits to the root with a ``heads.mapped`` entry: its map is that
of all entries before it.

``HeadMap`` keeps a map in pages, which somebody else stores. A page is named by the hexadecimal digits that the keys in
it begin with. It holds the streams themselves, or, if there are more than ``MAX_IN_PAGE``, the hashes of its 16 parts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple, NewType

from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import IntegrityBroken, ProofRefused
from ledger.core.events import NAME_OF, Envelope, Payload, Stream
from ledger.core.events.record import HeadsMapped
from ledger.core.log.merkle import HASH_LENGTH, Hash, RootMismatch, node_hash
from ledger.core.signing.authority import SERVICE_OFFICER

MapKey = NewType("MapKey", bytes)  # 32 bytes
PageName = str  # hexadecimal digits, at most 64

EMPTY_MAP = Hash(bytes(HASH_LENGTH))
MAX_DEPTH = 8 * HASH_LENGTH  # bits of a key, and hashes of a proof
MAX_IN_PAGE = 16  # streams
CHECKED_AT_ONCE = 1024  # pages
MAP_SALT = "00" * 16
MAPPED = NAME_OF[HeadsMapped]
_RECORD_LENGTH = HASH_LENGTH + 8 + HASH_LENGTH  # key, count, leaf hash
_STREAMS, _PARTS = b"\x00", b"\x01"  # the first byte of a page
_PART_LENGTH = 1 + HASH_LENGTH  # kind of the subtree, hash

# Returns the stored pages among those named.
PageReader = Callable[[Collection[PageName]], Mapping[PageName, bytes]]


class MappedHead(Struct, frozen=True):
    """The state of a stream: the number of its events, and the leaf hash of the last one's entry."""

    count: int
    head: Hash


class HeadProof(Struct, frozen=True):
    """The place of a stream in a map: the siblings on the way to the root, deepest first, and what stands there.

    ``leaf`` is the key and the state of the only stream below the siblings: the one looked for, or another that shares
    the first ``len(siblings)`` bits of its key. It is None if there is none.
    """

    siblings: tuple[Hash, ...] = ()
    leaf: tuple[MapKey, MappedHead] | None = None


def map_key(stream: Stream) -> MapKey:
    """Compute the key of a stream."""
    return MapKey(sha256(canonical.encode(stream)).digest())


def map_leaf(key: MapKey, head: MappedHead) -> Hash:
    """Hash a subtree of exactly one stream. Requires 1 <= head.count < 2**63."""
    return Hash(sha256(b"\x00" + key + head.count.to_bytes(8, "big") + head.head).digest())


def proven_root(key: MapKey, proof: HeadProof) -> Hash:
    """Compute the root of the map in which ``proof`` is the place of the stream with this key.

    It proves nothing until it is compared. Raises ProofRefused unless all of these are true:

    1. there are at most 256 siblings, of 32 bytes each;
    2. the deepest one is not that of an empty subtree: a subtree of one stream has no inner nodes;
    3. the leaf's count is at least 1;
    4. the leaf's key begins with the same ``len(siblings)`` bits.
    """
    depth = len(proof.siblings)
    if depth > MAX_DEPTH:  # 1
        raise ProofRefused("expected at most {limit} hashes in the proof", limit=MAX_DEPTH, field="siblings")
    if any(len(value) != HASH_LENGTH for value in (key, *proof.siblings)):
        raise ProofRefused("expected 32 bytes", field="siblings")
    if depth and proof.siblings[0] == EMPTY_MAP:  # 2
        raise ProofRefused("expected a deepest sibling that is not empty", field="siblings")
    path = int.from_bytes(key, "big") >> (MAX_DEPTH - depth)
    node = EMPTY_MAP
    if proof.leaf is not None:
        leaf_key, head = proof.leaf
        if not 1 <= head.count < 1 << 63:  # 3
            raise ProofRefused("expected at least one event in a stream that is mapped", field="leaf.count")
        if {len(leaf_key), len(head.head)} != {HASH_LENGTH}:
            raise ProofRefused("expected 32 bytes", field="leaf")
        if int.from_bytes(leaf_key, "big") >> (MAX_DEPTH - depth) != path:  # 4
            raise ProofRefused("the leaf is of a stream that has another place", field="leaf.key")
        node = map_leaf(leaf_key, head)
    for sibling in proof.siblings:
        node = node_hash(sibling, node) if path & 1 else node_hash(node, sibling)
        path >>= 1
    return node


def verify_head(key: MapKey, proof: HeadProof, root: Hash) -> MappedHead | None:
    """Return what the map with this root has for a stream; None if the stream is not in it.

    Raises ProofRefused as ``proven_root``; RootMismatch if the proof leads to another root.
    """
    calculated = proven_root(key, proof)
    if calculated != root:
        raise RootMismatch(expected=root, calculated=calculated, field="root")
    return state_in(key, proof)


def state_in(key: MapKey, proof: HeadProof) -> MappedHead | None:
    """Return what a proof says of the stream with this key; None if it says that the map does not have it."""
    return proof.leaf[1] if proof.leaf is not None and proof.leaf[0] == key else None


def is_map(envelope: Envelope) -> bool:
    """Tell whether the entry commits to a head map."""
    return envelope.event_type == MAPPED


def map_payload(envelope: Envelope, root: Hash) -> bytes:
    """Return the canonical payload of the entry with this envelope that commits to ``root``.

    Whoever knows the root therefore checks the entry by its ``payload_digest`` alone.
    """
    body, occurred_at = HeadsMapped(root="0x" + root.hex()), instant_text(envelope.signed_at)
    return canonical.encode(Payload(officer=SERVICE_OFFICER, occurred_at=occurred_at, salt=MAP_SALT, body=body))


def require_mapped(envelope: Envelope, root: Hash) -> None:
    """Accept an entry that commits to the head map with this root. Raises ProofRefused."""
    expected = blake3_text(map_payload(envelope, root))
    if envelope.payload_digest != expected:
        raise ProofRefused(
            "expected {expected}, the digest of a payload with the map's root {root}",
            expected=expected,
            root=root.hex(),
            field="envelope.payload_digest",
        )


# -- keeping a map -----------------------------------------------------------------------------------------------------


class PageChanged(IntegrityBroken):
    """A page of a map is not as it was stored."""

    code = "map_page_changed"


class _Subtree(NamedTuple):
    """A subtree: how many streams it has, where 2 stands for any more, and its hash."""

    streams: int
    hash: Hash


_EMPTY = _Subtree(0, EMPTY_MAP)
_Record = bytes  # key, count and leaf hash of a stream, as a page holds them and as its leaf hashes them


class HeadMap:
    """A map in pages: those that ``read`` returns, and those that were changed since.

    ``root`` is that of the stored map. Every page is compared with it as it is read, so a page that was changed where
    it is stored leads to no other root. Nothing is written: ``changed`` are the pages to store in the place of those
    that were read. Methods raise PageChanged.
    """

    def __init__(self, root: Hash = EMPTY_MAP, read: PageReader = lambda _names: {}):
        self.root = root
        self.changed: dict[PageName, bytes] = {}
        self._read = read
        self._pages: dict[PageName, bytes] = {}
        self._expected: dict[PageName, Hash] = {"": root}  # of pages that are not read yet; any other has no stream

    def heads(self, keys: Iterable[MapKey]) -> dict[MapKey, MappedHead]:
        """Return the state of those of these streams that the map has."""
        heads: dict[MapKey, MappedHead] = {}
        for name, inside in self._pages_of(set(keys)):
            states = dict(map(_decode_record, _records(self._pages[name])))
            heads.update((key, states[key]) for key in inside if key in states)
        return heads

    def update(self, heads: Mapping[MapKey, MappedHead]) -> None:
        """Put states of streams into the map, each in the place of the one before."""
        if heads:
            # Read by levels first: page by page, a batch of a thousand streams would be thousands of queries.
            for _ in self._pages_of(heads):
                pass
            self.root = self._place("", sorted(map(_encode_record, heads.items()))).hash

    def prove(self, key: MapKey) -> HeadProof:
        """Return the place of a stream in the map."""
        siblings: list[Hash] = []  # from the root down
        name = ""
        while (page := self._page(name))[:1] == _PARTS:
            rows, digit = _rows(page), _digit(key, len(name))
            for level in range(5):
                at = digit >> 4 - level
                if rows[level][at].streams < 2:
                    parts = range(at << 4 - level, at + 1 << 4 - level)
                    only = next((part for part in parts if rows[4][part].streams), None)
                    return _proof(siblings, [] if only is None else _records(self._page(f"{name}{only:x}")))
                if level < 4:
                    siblings.append(rows[level + 1][digit >> 3 - level ^ 1].hash)
            name = f"{name}{digit:x}"
        records, depth = _records(page), 4 * len(name)
        while len(records) > 1:
            side = _bit(key, depth)
            others = [record for record in records if _bit(record, depth) != side]
            records, depth = [record for record in records if _bit(record, depth) == side], depth + 1
            siblings.append(_subtree(others, depth).hash)
        return _proof(siblings, records)

    def check(self) -> None:
        """Read every page that is stored or might be, and keep none."""
        whole, waiting = HeadMap(self.root, self._read), [""]
        while waiting:
            names, waiting = waiting[-CHECKED_AT_ONCE:], waiting[:-CHECKED_AT_ONCE]
            whole._fetch(names)
            divided = [name for name in names if whole._pages.pop(name)[:1] == _PARTS]
            waiting += [f"{name}{digit:x}" for name in divided for digit in range(16)]

    def _page(self, name: PageName) -> bytes:
        self._fetch([name])
        return self._pages[name]

    def _fetch(self, names: Iterable[PageName]) -> None:
        missing = [name for name in names if name not in self._pages]
        stored = self._read(missing) if missing else {}
        for name in missing:
            page = self._pages[name] = stored.get(name, b"")
            expected = self._expected.pop(name, EMPTY_MAP)
            if not _is_page(page) or _subtree_of(page, 4 * len(name)).hash != expected:
                raise PageChanged(
                    "the page {name!r} of the head map is not as it was stored",
                    name=name,
                    hint="Check the disk. A service makes its map anew; a witness is put back from its newest backup.",
                )
            if page[:1] == _PARTS:
                self._expected.update((f"{name}{digit:x}", part.hash) for digit, part in enumerate(_parts(page)))

    def _pages_of(self, keys: Iterable[MapKey]) -> Iterator[tuple[PageName, list[MapKey]]]:
        """Yield the pages that have these streams, or would have them, each with the keys that belong there."""
        level: dict[PageName, list[MapKey]] = {"": list(keys)}
        while level:
            self._fetch(level)
            below: dict[PageName, list[MapKey]] = {}
            for name, inside in level.items():
                if self._pages[name][:1] == _PARTS:
                    for key in inside:
                        below.setdefault(f"{name}{_digit(key, len(name)):x}", []).append(key)
                else:
                    yield name, inside
            level = below

    def _place(self, name: PageName, heads: list[_Record]) -> _Subtree:
        """Put streams, sorted by key, into the part of the map that this page is of, and return its subtree."""
        page = self._pages.get(name, b"")
        if page[:1] == _PARTS:
            parts = _parts(page)
        else:
            heads = sorted({record[:HASH_LENGTH]: record for record in (*_records(page), *heads)}.values())
            if len(heads) <= MAX_IN_PAGE:
                self._keep(name, _STREAMS + b"".join(heads))
                return _subtree(heads, 4 * len(name))
            parts = [_EMPTY] * 16
        for digit, inside in groupby(heads, lambda record: _digit(record, len(name))):
            parts[digit] = self._place(f"{name}{digit:x}", list(inside))
        page = _PARTS + b"".join(bytes([part.streams]) + part.hash for part in parts)
        self._keep(name, page)
        return _subtree_of(page, 4 * len(name))

    def _keep(self, name: PageName, page: bytes) -> None:
        self._pages[name] = self.changed[name] = page


def _is_page(page: bytes) -> bool:
    """Return whether bytes have the form of a page; none at all stand for a part without streams."""
    if page[:1] == _PARTS:
        return len(page) == 1 + 16 * _PART_LENGTH
    keys = [record[:HASH_LENGTH] for record in _records(page)]
    return not page or ((page[:1], len(page) % _RECORD_LENGTH) == (_STREAMS, 1) and keys == sorted(set(keys)))


def _subtree_of(page: bytes, depth: int) -> _Subtree:
    return _rows(page)[0][0] if page[:1] == _PARTS else _subtree(_records(page), depth)


def _encode_record(stream: tuple[MapKey, MappedHead]) -> _Record:
    key, head = stream
    return key + head.count.to_bytes(8, "big") + head.head


def _decode_record(record: _Record) -> tuple[MapKey, MappedHead]:
    key, count, head = record[:HASH_LENGTH], record[HASH_LENGTH:-HASH_LENGTH], record[-HASH_LENGTH:]
    return MapKey(key), MappedHead(int.from_bytes(count, "big"), Hash(head))


def _proof(siblings: list[Hash], records: list[_Record]) -> HeadProof:
    """Return the proof with these siblings, from the root down, of the only stream below them, or of none."""
    return HeadProof(tuple(reversed(siblings)), _decode_record(records[0]) if records else None)


def _records(page: bytes) -> list[_Record]:
    """Return the streams of a page that holds streams, by key."""
    return [page[at : at + _RECORD_LENGTH] for at in range(1, len(page), _RECORD_LENGTH)]


def _parts(page: bytes) -> list[_Subtree]:
    """Return the subtrees of the 16 parts of a page that holds parts."""
    return [
        _Subtree(page[at], Hash(page[at + 1 : at + _PART_LENGTH]))
        for at in range(1, 1 + 16 * _PART_LENGTH, _PART_LENGTH)
    ]


def _rows(page: bytes) -> list[list[_Subtree]]:
    """Return the subtrees of a page that holds parts, in five rows: first the whole, at last the 16 parts."""
    rows = [_parts(page)]
    while len(rows[0]) > 1:
        rows.insert(0, [_joined(*pair) for pair in zip(rows[0][::2], rows[0][1::2], strict=True)])
    return rows


def _joined(left: _Subtree, right: _Subtree) -> _Subtree:
    if left.streams + right.streams < 2:
        return left if left.streams else right
    return _Subtree(2, node_hash(left.hash, right.hash))


def _subtree(records: list[_Record], depth: int) -> _Subtree:
    """Return the subtree of these streams, sorted by key, whose keys share ``depth`` bits."""
    if not records:
        return _EMPTY
    keys = [int.from_bytes(record[:HASH_LENGTH], "big") for record in records]
    leaves = [Hash(sha256(b"\x00" + record).digest()) for record in records]

    def hashed(start: int, end: int, depth: int) -> Hash:
        if end - start == 1:
            return leaves[start]
        # Below the first bit in which the outermost two differ, the subtree has two halves, above it one.
        low = (keys[start] ^ keys[end - 1]).bit_length() - 1
        middle = bisect_left(keys, keys[end - 1] >> low << low, start, end)
        split = MAX_DEPTH - 1 - low
        node = node_hash(hashed(start, middle, split + 1), hashed(middle, end, split + 1))
        for level in range(split - 1, depth - 1, -1):
            siblings = (EMPTY_MAP, node) if _bit(records[start], level) else (node, EMPTY_MAP)
            node = node_hash(*siblings)
        return node

    return _Subtree(min(len(records), 2), hashed(0, len(records), depth))


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def _digit(key: bytes, place: int) -> int:
    return key[place >> 1] >> (0 if place & 1 else 4) & 15
