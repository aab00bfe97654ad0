"""Act four: the operator, who has the log's and the submitter's keys, cheats past the service; the contract refuses.

Each attempt is the very transaction that he would send, tried out on the chain; the words are those of its revert.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec

from ledger.chain.contract import REGISTRY, contract_abi
from ledger.chain.errors import CallReverted, RpcRefused
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.log.checkpoints import parse_checkpoint
from ledger.core.log.merkle import consistency_proof, leaf_hash, root_of
from ledger.core.log.notes import parse_note
from ledger.core.log.tiles import TILE_WIDTH, BundleName, decode_bundle
from ledger.core.log.witness_protocol import COSIGN_ANCHOR, CosignAnchor
from ledger.samples.town import admin_of
from scripts.demonstration.setting import LEAVER
from scripts.demonstration.stage import Stage, StepFailed
from scripts.demonstration.witnesses import QUORUM, Witness


class Operator:
    """What he can do with his keys and the public log."""

    def __init__(self, stage: Stage):
        self._service = httpx.Client(base_url=stage.url, timeout=30, trust_env=False)
        self._eth = Eth(JsonRpc(stage.rpc_url))
        self._abi = contract_abi("LogAnchor")
        self._submitter: str = msgspec.json.decode((stage.data / "installation.json").read_bytes())["submitter"]
        self.chain: dict[str, Any] = self._service.get("/api/v1/chain").json()

    def entries(self) -> list[bytes]:
        """The public log up to its checkpoint."""
        size = parse_checkpoint(parse_note(self._service.get("/checkpoint").text).text).size
        found: list[bytes] = []
        for first in range(0, size, TILE_WIDTH):
            name = BundleName(first // TILE_WIDTH, min(TILE_WIDTH, size - first))
            found += decode_bundle(self._service.get(f"/{name.path()}").content, name.width)
        return found

    def registry_hash(self) -> bytes:
        """What the registry has now."""
        answer = self._eth.call(self.chain["registry"], REGISTRY.encode_call("registryHash"), "latest")
        current: bytes = REGISTRY.decode_result("registryHash", answer)
        return current

    def anchor(self, entries: list[bytes], registry_hash: bytes) -> CallReverted:
        """What the contract says to this history as the continuation of its head. Raises StepFailed if it takes it."""
        head = self._eth.call(self.chain["anchor"], self._abi.encode_call("head"), "latest")
        root, size, *_ = self._abi.decode_result("head", head)
        leaves = [leaf_hash(entry) for entry in entries]
        proof = consistency_proof(
            size, len(leaves), lambda level, index: root_of(leaves[index << level : (index + 1) << level])
        )
        call = self._abi.encode_call("anchor", size, root, len(entries), root_of(leaves), registry_hash, proof, b"")
        try:
            self._eth.estimate_gas(self._submitter, self.chain["anchor"], call)
        except RpcRefused as error:
            return self._abi.reverted(error) or CallReverted(str(error))
        raise StepFailed("the contract would take an anchor that no witness has co-signed")

    def ask(self, witness: Witness, entries: list[bytes], registry_hash: bytes) -> str:
        """Why a witness does not co-sign this history. Raises StepFailed if it does."""
        root = "0x" + root_of([leaf_hash(entry) for entry in entries]).hex()
        asked = CosignAnchor(
            self.chain["chain_id"], self.chain["anchor"], len(entries), root, "0x" + registry_hash.hex()
        )
        answer = self._service.post(
            witness.url + COSIGN_ANCHOR,
            content=msgspec.json.encode(asked),
            headers={"Content-Type": "application/json"},
        )
        if answer.is_success:
            raise StepFailed(f"the witness of {witness.agency} co-signs a history that it never followed")
        told: str = answer.json()["detail"]
        return told


def cheat(stage: Stage, witnesses: list[Witness]) -> None:
    """Alone, with a forked history, with one that hides a revocation."""
    stage.act("The operator cheats, and the contract refuses")
    operator = Operator(stage)
    true, registry_hash = operator.entries(), operator.registry_hash()
    further = [*true, b"an entry that no witness has followed"]
    require(stage, "QuorumMissing", "the operator alone", operator.anchor(further, registry_hash))
    reasons = {operator.ask(witness, further, registry_hash) for witness in witnesses}
    stage.held(f"no witness signs for it; {QUORUM} of {len(witnesses)} would be needed", "; ".join(sorted(reasons)))
    forked = [*true[: len(true) // 2], *(b"another history %d" % number for number in range(len(true)))]
    require(stage, "Inconsistent", "a forked history", operator.anchor(forked, registry_hash))

    key = stage.tally("key", "show", LEAVER.profile)["key_id"]
    stage.tally("key", "revoke", key, profile=admin_of(LEAVER.agency))
    require(stage, "RegistryHashStale", "a history that hides a revocation", operator.anchor(further, registry_hash))
    size = len(true)
    stage.wait_until(
        "the revocation is anchored", "/api/v1/log", lambda log: log["anchored"]["confirmed"] >= log["size"] > size
    )
    current = operator.registry_hash()
    require(stage, "Inconsistent", "the same under the new registry hash", operator.anchor(forked, current))
    stage.held("the witnesses do not sign for it either", operator.ask(witnesses[0], forked, current))


def require(stage: Stage, error: str, what: str, refused: CallReverted) -> None:
    """The contract's own words. Raises StepFailed for another refusal."""
    if refused.error != error:
        raise StepFailed(f"{what}: expected {error}, not {refused.message}")
    stage.held(f"{what} is refused by the contract", f"{shortened(refused.message)} {refused.hint or ''}".strip())


def shortened(text: str) -> str:
    """The same with hashes cut, so that it fits a line."""
    return re.sub(r"0x([0-9a-f]{8})[0-9a-f]{56}", r"0x\1…", text)
