"""The header of an Ethereum block: its RLP hashes to the block's hash, and holds the root of the state.

Fields by hard fork: 15 of the Yellow Paper, then EIP-1559 (london), EIP-4895 (shanghai), EIP-4844 and EIP-4788
(cancun), EIP-7685 (prague).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

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
FIELD_COUNTS = (15, 16, 17, 20, 21)  # before london, london, shanghai, cancun, prague

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
    # Hard forks append fields: the count tells the fork, and an unknown count is refused rather than guessed.
    if not isinstance(items, tuple) or len(items) not in FIELD_COUNTS:
        raise _malformed("it has another number of fields than any hard fork up to prague")
    for item, (name, length) in zip(items, FIELDS, strict=False):
        is_of_form = isinstance(item, bytes) and (
            len(item) <= 32 and not item.startswith(b"\0") if length == QUANTITY else length in {ANY_LENGTH, len(item)}
        )
        if not is_of_form:
            raise _malformed(f"{name} is of another form")
    fields = cast(Sequence[bytes], items)
    return BlockHeader(
        hash=keccak256(data),
        number=_number(fields[_NUMBER], "number"),
        timestamp=_number(fields[_TIMESTAMP], "timestamp"),
        state_root=fields[_STATE_ROOT],
    )


def _number(item: bytes, name: str) -> int:
    number = int.from_bytes(item, "big")
    if number >= _MAX_QUANTITY:
        raise _malformed(f"{name} is 2^53 or more")
    return number


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("not the header of a block: {why}", why=why, field="header_rlp")
