"""Headers and state proofs of real nodes: they hash to the block's hash, and lead to what the node holds."""

from __future__ import annotations

import pytest

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef
from ledger.core.ethereum import trie
from ledger.core.ethereum.block_headers import read_header
from ledger.core.ethereum.trie import verify_path
from tests.unit.chain.external import ExternalNode, running_anvil

ACCOUNT = "0x" + "cd" * 20
SLOTS = [number.to_bytes(32, "big") for number in range(4)]
WORD = 7


def written(node: ExternalNode) -> BlockRef:
    """A block in whose state slot 1 of the account holds a word, and others nothing."""
    for slot in (1, 9):
        word = "0x" + WORD.to_bytes(32, "big").hex()
        node.eth.rpc.call(f"{node.client}_setStorageAt", ACCOUNT, hex(slot), word)
    node.fund(ACCOUNT)
    node.mine()
    return node.eth.head().ref


def require_proven(node: ExternalNode, at: BlockRef) -> None:
    header = read_header(node.eth.header(at))
    assert (header.number, header.hash) == (at.number, at.hash)
    to_account, *to_slots = node.eth.proof(ACCOUNT, SLOTS, at).paths
    account = verify_path(header.state_root, bytes.fromhex(ACCOUNT[2:]), to_account)
    assert account is not None
    fields = trie.decode_rlp(account)
    assert isinstance(fields, tuple)
    storage_root = fields[2]
    assert isinstance(storage_root, bytes)
    held = [verify_path(storage_root, slot, path) for slot, path in zip(SLOTS, to_slots, strict=True)]
    assert held == [None, bytes([WORD]), None, None]


def test_hardhat(hardhat: ExternalNode) -> None:
    """Inclusion and exclusion, by the block's hash."""
    require_proven(hardhat, written(hardhat))


@pytest.mark.parametrize("fork", ["london", "cancun", "prague"])
def test_anvil_under_each_hard_fork(fork: str) -> None:
    """The header of each hard fork is put together from what the node tells."""
    with running_anvil(hardfork=fork) as node:
        require_proven(node, written(node))


def test_header_that_does_not_hash(anvil: ExternalNode) -> None:
    """A node that tells another block under this hash, as chains with seals in the header seem to, is not believed."""
    at = written(anvil)
    eth = anvil.eth
    other = eth.rpc.call("eth_getBlockByNumber", "0x0", False)
    eth.rpc.call = lambda *_, **__: other  # type: ignore[method-assign]
    with pytest.raises(ChainUnavailable) as caught:
        eth.header(at)
    assert caught.value.code == "chain_header"
