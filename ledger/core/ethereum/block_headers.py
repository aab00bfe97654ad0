"""The header of an Ethereum block: its RLP hashes to the block's hash, and holds the root of the state.

Fields by hard fork: 15 of the Yellow Paper, then EIP-1559 (london), EIP-4895 (shanghai), EIP-4844 and EIP-4788
(cancun), EIP-7685 (prague).
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput
from ledger.core.ethereum import trie

MAX_HEADER_LENGTH = 16 * 1024  # bytes: chains of validators put their seals into extraData
QUANTITY = -1  # a number: big-endian, without leading zeros
ANY_LENGTH = -2

_MAX_QUANTITY = 2**53  # JSON numbers below it are exact in every reader

# Name in JSON-RPC, and number of bytes.
FIELDS: tuple[tuple[str, int], ...] = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", QUANTITY),
    ("number", QUANTITY),
    ("gasLimit", QUANTITY),
    ("gasUsed", QUANTITY),
    ("timestamp", QUANTITY),
    ("extraData", ANY_LENGTH),
    ("mixHash", 32),
    ("nonce", 8),
    ("baseFeePerGas", QUANTITY),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", QUANTITY),
    ("excessBlobGas", QUANTITY),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
)

_NAMES = [name for name, _ in FIELDS]
_STATE_ROOT, _NUMBER, _TIMESTAMP = (_NAMES.index(name) for name in ("stateRoot", "number", "timestamp"))


class BlockHeader(NamedTuple):
    """The fields of a header that verification uses; ``timestamp`` in unix seconds."""

    hash: bytes
    number: int
    timestamp: int
    state_root: bytes


def read_header(data: bytes) -> BlockHeader:
    """Decode a header and compute its hash. Raises MalformedInput."""
    # Before it is decoded: the bytes come from whoever made the bundle.
    if len(data) > MAX_HEADER_LENGTH:
        raise _malformed(f"it has {len(data)} bytes, more than {MAX_HEADER_LENGTH}")
    items = trie.decode_rlp(data)
    fields = [item for item in items if isinstance(item, bytes)] if isinstance(items, tuple) else []
    if len(fields) < len(items) or len(fields) <= _TIMESTAMP or len(fields[_STATE_ROOT]) != 32:
        raise _malformed("it is no list of its fields")
    # The others stand in it for its hash alone: every hard fork appends some.
    number, timestamp = (_number(fields[place]) for place in (_NUMBER, _TIMESTAMP))
    return BlockHeader(keccak256(data), number, timestamp, fields[_STATE_ROOT])


def _number(spelled: bytes) -> int:
    number = int.from_bytes(spelled, "big")
    if spelled.startswith(b"\0") or number >= _MAX_QUANTITY:
        raise _malformed("it has a number with a leading zero, or of 2^53 or more")
    return number


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("not the header of a block: {why}", why=why, field="header_rlp")
