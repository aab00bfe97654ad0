"""Registries that nobody keeps on a chain: changes numbered and hashed as the contract would, for logs of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ledger.core.ethereum import contract_changes
from ledger.core.events.registry import ChangeLocation, RegistryChange

NOWHERE = ChangeLocation(block_number=1, block_hash="0x" + "00" * 32, transaction_hash="0x" + "00" * 32)
FOREVER = 2**40  # unix seconds
UNNUMBERED = (0, "", NOWHERE)  # number, hash and place of a change before it has its number


def numbered(changes: Iterable[RegistryChange], log_id: bytes) -> Iterator[RegistryChange]:
    """The changes from number 1 on, each with the rolling hash over it and all before it."""
    rolling = log_id
    for number, change in enumerate(changes, 1):
        told = replace(change, number=number)
        rolling = contract_changes.registry_hash(rolling, told)
        yield replace(told, registry_hash="0x" + rolling.hex())
