"""Anchors of the journal, records of the contract and its registry are held against the log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.audit.stand import FOUNDING, Stand, contracts, found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain_writes SET anchored_root = x'00'",
        "UPDATE chain_writes SET anchored_size = anchored_size - 1",
        "UPDATE chain_writes SET anchored_size = 99",
        "UPDATE chain_writes SET raw_transaction = x'00'",
        "UPDATE chain_writes SET anchor_number = anchor_number + 1",
        "UPDATE chain_writes SET anchor_number = NULL",
    ],
)
def test_journal_edited(stand: Stand, statement: str) -> None:
    """The journal's anchors are of the log's roots, its transactions of their hashes."""
    stand.change(statement)
    assert found(stand.audit()) == {("anchors", None)}


def test_chain_that_agrees(stand: Stand) -> None:
    """The contract's records and the registry are the log's; a registry that has moved on is not yet mirrored."""
    assert stand.audit(look=contracts(stand)).findings == ()
    assert stand.audit(look=contracts(stand, changes=99, registry_hash=bytes(32))).findings == ()


def test_time_of_a_block_edited(stand: Stand) -> None:
    """What readers are told of when an entry was proven is the contract's; nor can it be taken out."""
    for value in ("block_time - 1", "NULL"):
        stand.change(f"UPDATE chain_writes SET block_time = {value}")
        assert found(stand.audit(look=contracts(stand))) == {("anchors", None)}


@pytest.mark.parametrize("other", [{"root": b"\x01" * 32}, {"size": 3}, {"size": 99}, {"registry_hash": bytes(32)}])
def test_chain_that_differs(stand: Stand, other: dict[str, Any]) -> None:
    """Another root, another size, a larger tree, another registry."""
    assert found(stand.audit(look=contracts(stand, **other))) == {("chain", None)}


def test_changes_that_the_contract_never_made(stand: Stand) -> None:
    """The first change that the log has and the contract has not is named: the founding's changes begin at entry 0."""
    assert found(stand.audit(look=contracts(stand, changes=FOUNDING - 2))) == {("chain", FOUNDING - 2)}
