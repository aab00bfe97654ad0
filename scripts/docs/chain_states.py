"""Build chain states for examples and tests: accounts, slots, a header, EIP-1186 proofs from the ``trie`` library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

import rlp
from msgspec.structs import replace
from trie.hexary import HexaryTrie

from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.block_headers import FIELDS, QUANTITY
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.log.merkle import EMPTY_TREE
from ledger.core.signing.authority import Grant
from ledger.core.trust.trust_file import TrustedBlock, TrustedChain
from ledger.core.verification.bundle import Anchor
from ledger.core.verification.contract_storage import anchor_slots, grant_slots

CANCUN = 20  # header fields
OTHERS = 40  # accounts that have nothing to do with us, so that the tries have branches


def quantity(number: int) -> bytes:
    """Big-endian, without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def packed(*numbers: tuple[int, int]) -> int:
    """Numbers and their widths in bits, from the low bits."""
    word = shift = 0
    for number, width in numbers:
        word |= number << shift
        shift += width
    return word


def secure_trie(values: dict[bytes, bytes]) -> HexaryTrie:
    """Build a trie as Ethereum keeps state and storage: under the hashes of the keys."""
    trie = HexaryTrie({})
    for key, value in values.items():
        trie[keccak256(key)] = value
    return trie


def path(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    """Return the nodes that a node gives as proof: those that stand in their parent are not given again."""
    nodes = [bytes(rlp.encode(node)) for node in trie.get_proof(keccak256(key))]  # type: ignore[no-untyped-call]
    return tuple(node for number, node in enumerate(nodes) if number == 0 or len(node) >= 32)


def header_rlp(state_root: bytes, number: int, timestamp: int, *, fields: int = CANCUN) -> bytes:
    """Encode a header of the hard fork that has so many fields; what is not given follows from the field's name."""
    values: dict[str, bytes] = {
        "stateRoot": state_root,
        "number": quantity(number),
        "timestamp": quantity(timestamp),
        "extraData": b"",
    }
    encoded = []
    for name, length in FIELDS[:fields]:
        filler = sha256(name.encode()).digest() * 8
        encoded.append(values.get(name, quantity(len(name)) if length == QUANTITY else filler[: max(length, 0)]))
    return bytes(rlp.encode(encoded))


@dataclass
class State:
    """Both contracts of a chain after block ``number``; slots by their 32-byte keys."""

    chain: TrustedChain
    number: int
    timestamp: int  # unix seconds
    anchor: dict[bytes, int] = field(default_factory=dict)
    registry: dict[bytes, int] = field(default_factory=dict)
    fields: int = CANCUN
    others: int = OTHERS
    odd_account: bytes | None = None  # in the place of the anchor's
    odd_words: dict[bytes, bytes] = field(default_factory=dict)  # by slot of the anchor, as the trie has them

    def record(self, number: int, root: bytes, size: int, block_number: int, timestamp: int) -> State:
        """Record ``number``, the last so far; record 0 of a new log comes with the first."""
        slots = anchor_slots(number)
        if number == 1 and slots[3] not in self.anchor:
            self.anchor[slots[3]] = int.from_bytes(EMPTY_TREE.root(), "big")
            self.anchor[slots[4]] = packed((0, 64), (block_number - 1, 64), (timestamp - 1, 64))
        self.anchor[slots[0]] = packed((number, 64), (size, 64))
        self.anchor[slots[1]] = int.from_bytes(root, "big")
        self.anchor[slots[2]] = packed((size, 64), (block_number, 64), (timestamp, 64))
        return self

    def has(self, *grants: Grant, revoked_at: dict[str, int] | None = None) -> State:
        """Set what the registry holds."""
        for grant in grants:
            agency, officer, terms = grant_slots(grant.key_id)
            self.registry[agency] = int.from_bytes(grant.agency_id.encode().ljust(32, b"\0"), "big")
            self.registry[officer] = int.from_bytes(grant.officer.encode().ljust(32, b"\0"), "big")
            roles = sum(ROLE_BITS[role] for role in set(grant.roles))
            until, revoked = grant.valid_until, (revoked_at or {}).get(grant.key_id, 0)
            self.registry[terms] = packed(
                (roles, 32), (grant.suite, 8), (grant.valid_from, 64), (until, 64), (revoked, 64)
            )
        return self

    def header(self) -> bytes:
        """Return the header of the block."""
        return self._header_of(self._tries()[0])

    def _header_of(self, state: HexaryTrie) -> bytes:
        return header_rlp(state.root_hash, self.number, self.timestamp, fields=self.fields)

    def block(self) -> TrustedBlock:
        """Return the block, as a trust file names it."""
        return TrustedBlock(self.number, hexed(keccak256(self.header())))

    def proving(self, number: int, *key_ids: str, **changes: Any) -> Anchor:
        """Return what proves record ``number``, and the grants of keys.

        Of a key that was revoked before the record before, also the first record after that.
        """
        state, anchor, registry = self._tries()
        revocations = changes.get("revocations", self._revocations(number, key_ids))
        slots = {slot for shown in (number, *revocations.values()) for slot in anchor_slots(shown)}
        nodes = {
            *path(state, bytes.fromhex(self.chain.anchor[2:])),
            *path(state, bytes.fromhex(self.chain.registry[2:])),
            *(node for slot in slots for node in path(anchor, slot)),
            *(node for key_id in key_ids for slot in grant_slots(key_id) for node in path(registry, slot)),
        }
        parts: dict[str, Any] = {
            "chain": self.chain.identity,
            "contract": self.chain.anchor,
            "number": number,
            "header": hexed(self._header_of(state)),
            "state": tuple(sorted(map(hexed, nodes))),
            "revocations": revocations,
        }
        return Anchor(**(parts | changes))

    def _revocations(self, number: int, key_ids: Iterable[str]) -> dict[str, int]:
        """Return the first records below ``number`` after keys were revoked."""
        times = {shown: self.anchor.get(anchor_slots(shown)[2], 0) >> 128 for shown in range(1, number)}
        firsts: dict[str, int] = {}
        for key_id in key_ids:
            revoked = self.registry.get(grant_slots(key_id)[2], 0) >> 168
            later = [shown for shown, time in times.items() if 0 < revoked < time]
            firsts |= dict.fromkeys([key_id][: len(later)], min(later, default=0))
        return firsts

    def absent(self, address: bytes) -> tuple[str, ...]:
        """Return the path that shows that there is no such account."""
        return tuple(map(hexed, path(self._tries()[0], address)))

    def with_handmade_trie(self, anchor: Anchor, nodes: list[Any]) -> Anchor:
        """Return an anchor of this state whose registry keeps these nodes as storage."""
        proof = [node if isinstance(node, bytes) else rlp.encode(node) for node in nodes]
        trie = self._state_trie(storage_trie(self.anchor).root_hash, keccak256(proof[0]))
        accounts = (path(trie, bytes.fromhex(address[2:])) for address in (self.chain.anchor, self.chain.registry))
        more = {hexed(node) for node in (*(node for nodes in accounts for node in nodes), *proof)}
        header = hexed(header_rlp(trie.root_hash, self.number, self.timestamp))
        return replace(anchor, header=header, state=tuple(sorted({*anchor.state, *more})))

    def _tries(self) -> tuple[HexaryTrie, HexaryTrie, HexaryTrie]:
        """State, the anchor's storage, the registry's storage."""
        anchor, registry = (storage_trie(slots) for slots in (self.anchor, self.registry))
        for slot, value in self.odd_words.items():
            anchor[keccak256(slot)] = value
        return self._state_trie(anchor.root_hash, registry.root_hash), anchor, registry

    def _state_trie(self, anchor_root: bytes, registry_root: bytes) -> HexaryTrie:
        trie = _copied(others(self.others))
        anchor = self.odd_account or account(anchor_root, self.chain.anchor_code_hash)
        trie[keccak256(bytes.fromhex(self.chain.anchor[2:]))] = anchor
        registry = account(registry_root, self.chain.registry_code_hash)
        trie[keccak256(bytes.fromhex(self.chain.registry[2:]))] = registry
        return trie


def storage_trie(slots: dict[bytes, int]) -> HexaryTrie:
    return _copied(_storage_trie(tuple(sorted(slots.items()))))


@cache
def _storage_trie(slots: tuple[tuple[bytes, int], ...]) -> HexaryTrie:
    return secure_trie({key: bytes(rlp.encode(quantity(value))) for key, value in slots if value})


def _copied(trie: HexaryTrie) -> HexaryTrie:
    """Return a trie that may be changed, of one that is kept because it takes long to build."""
    return HexaryTrie(dict(trie.db), trie.root_hash)


def account(storage_root: bytes, code_hash: str) -> bytes:
    """Encode a contract's account, with a nonce and no balance."""
    return bytes(rlp.encode([b"\x01", b"", storage_root, bytes.fromhex(code_hash[2:])]))


@cache
def others(count: int) -> HexaryTrie:
    """Build a trie of the accounts of strangers."""
    names = [sha256(b"account %d" % number).digest()[:20] for number in range(count)]
    return secure_trie({name: account(keccak256(name), hexed(keccak256(b""))) for name in names})


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
    """Encode a part of a path: even flags are followed by a nibble of padding."""
    return bytes.fromhex(flag + nibbles if len(nibbles) % 2 else f"{flag}0{nibbles}")
