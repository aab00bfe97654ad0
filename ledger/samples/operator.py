"""Story 10: the operator, who has the keys of log and submitter, cheats past the service; he is refused.

Each attempt is the very transaction that he would send, tried out on the chain: the words are those of its revert.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from ledger.chain.contract import ANCHOR, REGISTRY
from ledger.chain.errors import CallReverted, RpcRefused
from ledger.chain.eth import Eth
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Growth, consistency_proof, grow, leaf_hash
from ledger.core.log.tiles import TILE_WIDTH, BundleName, decode_entry_bundle
from ledger.core.log.witness_protocol import COSIGN_ANCHOR, CosignAnchor


class Operator:
    """Tries what the operator could do with the key of ``submitter`` and the public log of ``service``."""

    def __init__(self, service: httpx.Client, eth: Eth, submitter: str):
        self._service = service
        self._eth = eth
        self._submitter = submitter
        self.chain: dict[str, Any] = service.get("/api/v1/chain").json()

    def entries(self) -> list[bytes]:
        """Return the public log up to its checkpoint."""
        return public_entries(self._service)

    def registry_hash(self) -> bytes:
        """Return what the registry has now."""
        answer = self._eth.call(self.chain["registry"], REGISTRY.encode_call("registryHash"), "latest")
        current: bytes = REGISTRY.decode_result("registryHash", answer)
        return current

    def head(self) -> tuple[bytes, int]:
        """Return root and size of the newest anchor."""
        root, size, *_ = ANCHOR.decode_result(
            "head", self._eth.call(self.chain["anchor"], ANCHOR.encode_call("head"), "latest")
        )
        return root, size

    def anchor(
        self,
        entries: list[bytes],
        *cosignatures: bytes,
        head: tuple[bytes, int] | None = None,
        registry_hash: bytes | None = None,
    ) -> CallReverted | None:
        """Return why the contract refuses these entries as the continuation of ``head``, None if it would take them.

        Head and registry hash are the chain's own unless others are given.
        """
        root, size = head or self.head()
        tree = _tree(entries)
        proof = consistency_proof(size, len(entries), lambda level, index: tree.rows[level].nodes[index])
        heads = (size, root, len(entries), tree.root(), registry_hash or self.registry_hash())
        call = ANCHOR.encode_call("anchor", *heads, list(proof), b"".join(cosignatures))
        try:  # an estimate runs the transaction on the newest block, and sends nothing
            self._eth.estimate_gas(self._submitter, self.chain["anchor"], call)
        except RpcRefused as error:
            return ANCHOR.reverted(error) or CallReverted(str(error))
        return None

    def ask(self, witness_url: str, entries: list[bytes], registry_hash: bytes) -> httpx.Response:
        """Return a witness's answer to the question whether it co-signs this history for the contract."""
        root, registry = "0x" + _tree(entries).root().hex(), "0x" + registry_hash.hex()
        asked = CosignAnchor(self.chain["chain_id"], self.chain["anchor"], len(entries), root, registry)
        headers = {"Content-Type": "application/json"}
        return self._service.post(witness_url + COSIGN_ANCHOR, content=msgspec.json.encode(asked), headers=headers)


def public_entries(service: httpx.Client) -> list[bytes]:
    """Return the entries that a service publishes, up to its checkpoint."""
    size = stated_checkpoint(service.get("/checkpoint").text).size
    entries: list[bytes] = []
    for first in range(0, size, TILE_WIDTH):
        name = BundleName(first // TILE_WIDTH, min(TILE_WIDTH, size - first))
        entries += decode_entry_bundle(service.get(f"/{name.path()}").content, name.width)
    return entries


def _tree(entries: list[bytes]) -> Growth:
    return grow(EMPTY_TREE, list(map(leaf_hash, entries)))
