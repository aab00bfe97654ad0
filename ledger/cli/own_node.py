"""A chain node that the verifier trusts: which block it has now at a number, and whether for good."""

from __future__ import annotations

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth, final_block, final_block_of
from ledger.chain.journal import ChainFingerprint
from ledger.chain.rpc import JsonRpc
from ledger.cli.options import Node
from ledger.core.trust.trust_file import Trust, TrustedBlock
from ledger.core.verification.chain import ObservedBlock


class OwnNode:
    """Which chain of the trust file the node is of, and what that has.

    Raises ChainUnavailable where it does not answer, WrongChain or ChainMismatch where it is of no chain of the trust
    file.
    """

    def __init__(self, node: Node, trust: Trust):
        self._eth = Eth(JsonRpc(node.url))
        chain_id = self._eth.chain_id()
        named = next((chain for chain in trust.chains if chain.chain_id == chain_id), None)
        if named is None:
            raise ChainUnavailable(
                "the node is of chain {chain_id}, which the trust file does not name",
                chain_id=chain_id,
                code="wrong_chain",
                hint="Give the URL of a node of the chain that the ledger is anchored on.",
            )
        deployed = bytes.fromhex(named.deployment_block_hash[2:])
        self._eth.require_chain(chain_id, ChainFingerprint(chain_id, named.deployment_block_number, deployed))
        self.chain = named
        rule = self.chain.finality if node.confirmations is None else node.confirmations
        self._final = final_block(self._eth, rule)

    def observed_block(self, number: int) -> ObservedBlock | None:
        """Return the block that the chain has at the number, or None beyond its end."""
        block = self._eth.block(number)
        if block is None:
            return None
        is_final = self._final is not None and number <= self._final.number
        return ObservedBlock(self.chain.identity, number, "0x" + block.hash.hex(), is_final)

    def final(self, which: str) -> TrustedBlock:
        """Return the newest final block, or the final one of a number. Raises NotFound, MalformedInput."""
        return final_block_of(self._eth, self._final, which)
