"""``ledger.core.ethereum.block_headers``: the header of a block of any hard fork, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import rlp as library

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput
from ledger.core.ethereum import block_headers
from scripts.docs.chain_states import header_rlp

ROOT = bytes(range(32))
# Block 1 of the main chain, mined in 2015, and its hash.
FRONTIER = {
    "parentHash": "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "sha3Uncles": "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "05a56e2d52c817161883f50c441c3228cfe54d9f",
    "stateRoot": "d67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3",
    "transactionsRoot": "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "00" * 256,
    "difficulty": "03ff800000",
    "number": "01",
    "gasLimit": "1388",
    "gasUsed": "",
    "timestamp": "55ba4224",
    "extraData": "476574682f76312e302e302f6c696e75782f676f312e342e32",
    "mixHash": "969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59",
    "nonce": "539bd4979fef1ec4",
}
FRONTIER_HASH = "88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6"


def test_block_of_the_main_chain() -> None:
    """A header that millions of nodes hold hashes as they say."""
    header = block_headers.read_header(library.encode([bytes.fromhex(value) for value in FRONTIER.values()]))
    assert header.hash.hex() == FRONTIER_HASH
    assert (header.number, header.timestamp, header.state_root.hex()) == (1, 1438269988, FRONTIER["stateRoot"])


@pytest.mark.parametrize("fields", [12, 15, 16, 17, 18, 20, 21])
def test_every_hard_fork(fields: int) -> None:
    """Number, time, state root and hash are read alike from all of them."""
    data = header_rlp(ROOT, 7, 1_700_000_000, fields=fields)
    assert block_headers.read_header(data) == (keccak256(data), 7, 1_700_000_000, ROOT)


def changed(**values: Any) -> bytes:
    """A header of prague with fields replaced."""
    items = [bytes(value) for value in library.decode(header_rlp(ROOT, 7, 8, fields=21))]
    for name, value in values.items():
        items[[field for field, _ in block_headers.FIELDS].index(name)] = value
    return bytes(library.encode(items))


FAULTS = {
    "no list": bytes(library.encode(b"header")),
    "no RLP": b"\xc1",
    "11 fields": header_rlp(ROOT, 7, 8, fields=11),
    "a number with a leading zero": changed(number=b"\x00\x07"),
    "a zero that is spelled": changed(timestamp=b"\x00"),
    "a number of 2^53": changed(number=(2**53).to_bytes(7, "big")),
    "a time of 2^53": changed(timestamp=(2**53).to_bytes(7, "big")),
    "a short state root": changed(stateRoot=ROOT[:31]),
    "a list for a hash": changed(requestsHash=[ROOT]),
    "extra data beyond bounds": changed(extraData=bytes(20_000)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_header(name: str) -> None:
    """Too few fields, and fields that are read of another form."""
    with pytest.raises(MalformedInput):
        block_headers.read_header(FAULTS[name])
