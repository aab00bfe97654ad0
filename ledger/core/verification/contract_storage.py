"""Storage of the two contracts in the state of one block, read from nodes of its tries: the ``anchor`` of a bundle.

Slots are those of docs/contracts.md, "Storage that proofs read". A word is 32 bytes; packed numbers fill it from the
low bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.ethereum import trie
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.signing.authority import Grant
from ledger.core.trust.trust_file import TrustedChain

WORD = 32  # bytes
LAST_RECORD = bytes(WORD)  # slot 0 of LogAnchor

_RECORDS, _GRANTS = 1, 2  # slots of the mappings
_WHERE = "anchor"


class RecordState(NamedTuple):
    """A record of LogAnchor; ``timestamp`` is that of its block, in unix seconds."""

    root: bytes
    size: int
    block_number: int
    timestamp: int


class GrantState(NamedTuple):
    """A grant of AgencyRegistry, ids as words; ``revoked_at`` in unix seconds, 0 while it is not revoked."""

    agency: bytes
    officer: bytes
    roles: int
    suite: int
    valid_from: int
    valid_until: int
    revoked_at: int


def stored_grant(grant: Grant) -> GrantState:
    """Return what the registry holds of a grant that it has not revoked."""
    agency, officer = (name.encode().ljust(WORD, b"\0") for name in (grant.agency_id, grant.officer))
    roles = sum(ROLE_BITS[role] for role in set(grant.roles))
    return GrantState(agency, officer, roles, grant.suite, grant.valid_from, grant.valid_until, revoked_at=0)


class AnchorState(NamedTuple):
    """The LogAnchor after the block: a record, the one before it, and the number and size of the last."""

    last_number: int
    last_size: int
    record: RecordState
    previous: RecordState


def anchor_slots(number: int) -> tuple[bytes, ...]:
    """Return the slots of LogAnchor that prove record ``number``, in the order of a proof. Requires number >= 1."""
    return (LAST_RECORD, *_from(_word(number), _RECORDS, 2), *_from(_word(number - 1), _RECORDS, 2))


def grant_slots(key_id: str) -> tuple[bytes, ...]:
    """Return the slots of AgencyRegistry that prove the grant of a key."""
    return _from(_word(int(key_id, 16)), _GRANTS, 3)


class ContractStates:
    """The storage of both contracts of ``chain`` in a state.

    ``node_of`` gives a node of a trie by its hash, or raises. Words are those of the state whatever gives the nodes: a
    node of another hash is refused.
    """

    def __init__(self, state_root: bytes, chain: TrustedChain, node_of: Callable[[bytes], bytes]):
        self._state_root = state_root
        self._chain = chain
        self._node_of = node_of
        self._storage_roots: dict[str, bytes] = {}

    def anchor(self, number: int) -> AnchorState:
        """Return what the LogAnchor holds about a record. Raises ProofRefused or MalformedInput, and as ``node_of``."""
        account = self._chain.anchor, self._chain.anchor_code_hash
        last, *records = [self._word(account, slot) for slot in anchor_slots(number)]
        last_number, last_size = _unpacked(last, (64, 64))
        return AnchorState(last_number, last_size, record=_record(*records[:2]), previous=_record(*records[2:]))

    def grant(self, key_id: str) -> GrantState:
        """Return what the AgencyRegistry holds about a key. Raises as ``anchor``."""
        account = self._chain.registry, self._chain.registry_code_hash
        agency, officer, terms = [self._word(account, slot) for slot in grant_slots(key_id)]
        return GrantState(agency, officer, *_unpacked(terms, (32, 8, 64, 64, 64)))

    def _word(self, account: tuple[str, str], slot: bytes) -> bytes:
        """Return the word in a slot of a contract, which is given by its address and code hash."""
        number = self._value(self._storage_root(*account), slot)
        if number is None:
            return bytes(WORD)  # an absent slot holds zero
        if not isinstance(number, bytes) or not 0 < len(number) <= WORD or number[0] == 0:
            raise MalformedInput("expected a number of at most 32 bytes in the slot", field=_WHERE)
        # RLP drops leading zeros.
        return number.rjust(WORD, b"\0")

    def _storage_root(self, address: str, code_hash: str) -> bytes:
        if address not in self._storage_roots:
            match self._value(self._state_root, bytes.fromhex(address[2:])):
                case None:
                    raise ProofRefused("the block has no account {address}", address=address, field=_WHERE)
                case (_, _, bytes(storage_root), bytes(deployed)):
                    pass
                case _:
                    raise MalformedInput("expected four fields of an account, two of them hashes", field=_WHERE)
            # Slots mean something only in a contract whose code is known.
            if "0x" + deployed.hex() != code_hash:
                raise ProofRefused(
                    "{address} has not the code {code_hash}", address=address, code_hash=code_hash, field=_WHERE
                )
            self._storage_roots[address] = storage_root
        return self._storage_roots[address]

    def _value(self, root: bytes, key: bytes) -> trie.Item | None:
        """Return what a trie has under the key: an account in the state, a number in storage."""
        try:
            value = trie.walk(root, key, self._node_of)
            return None if value is None else trie.decode_rlp(value)
        except (MalformedInput, ProofRefused) as error:
            raise ProofRefused(error.text, field=_WHERE) from error


def _record(root: bytes, packed: bytes) -> RecordState:
    return RecordState(root, *_unpacked(packed, (64, 64, 64)))


def _unpacked(word: bytes, widths: tuple[int, ...]) -> list[int]:
    """Split a word into numbers of these widths in bits, from the low bits up.

    Higher bits are not looked at: the code hash proves that the contract stores nothing there.
    """
    rest, numbers = int.from_bytes(word, "big"), []
    for width in widths:
        numbers.append(rest & ((1 << width) - 1))
        rest >>= width
    return numbers


def _from(key: bytes, mapping: int, count: int) -> tuple[bytes, ...]:
    """Return the first slots of a struct in a mapping."""
    first = int.from_bytes(keccak256(key + _word(mapping)), "big")
    return tuple(_word((first + offset) % 2 ** (8 * WORD)) for offset in range(count))


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")
