"""The contracts at one block, read without writer and journal: for comparing them with the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.chain.anchor import AnchorRecord
from ledger.chain.contract import contract_abi, read
from ledger.chain.deploy import Deployment
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.registry import RegistryReader
from ledger.core.events.registry import RegistryChange


class ContractsAt:
    """Registry and anchor contract of a deployment at the block ``at``.

    Reading raises ChainMismatch if they are not there, and ChainUnavailable.
    """

    def __init__(self, eth: Eth, deployment: Deployment, at: BlockRef):
        self._eth = eth
        self._deployment = deployment
        self._at = at

    def count(self) -> int:
        """Return the number of the last record."""
        return int(self._of_anchor("recordCount"))

    def records(self) -> Iterator[AnchorRecord]:
        """Yield all anchors in order, except the record that the contract started with."""
        for number in range(1, self.count() + 1):
            yield self.record(number)

    def head(self) -> AnchorRecord:
        """Return the last record; number 0 is the one that the contract started with."""
        return self.record(self.count())

    def registry(self) -> tuple[int, bytes]:
        """Return how many changes the registry has made, and its rolling hash after them."""
        return self._of_registry("changeCount"), self._of_registry("registryHash")

    def changes(self, log_id: bytes, first_block: int) -> list[RegistryChange]:
        """Return the registry's changes as the log mirrors them, the first of them in ``first_block``.

        Raises ChainMismatch if they do not follow from the ledger's id.
        """
        reader = RegistryReader(address=self._deployment.registry, eth=lambda: self._eth)
        changes = reader.changes(after=0, registry_hash=log_id, first_block=first_block, final=self._at)
        return [change.body() for change in changes]

    def record(self, number: int) -> AnchorRecord:
        root, size, block_number, timestamp = self._of_anchor("record", number)
        return AnchorRecord(number, root, size, block_number, timestamp)

    def _of_anchor(self, function: str, *arguments: object) -> Any:
        return read(self._eth, contract_abi("LogAnchor"), self._deployment.anchor, self._at.hash, function, *arguments)

    def _of_registry(self, function: str) -> Any:
        return read(self._eth, contract_abi("AgencyRegistry"), self._deployment.registry, self._at.hash, function)
