"""Alarms that anchors and the chain give reason for."""

from __future__ import annotations

import pytest

from ledger.core.encoding.digests import keccak256
from ledger.core.log.merkle import Hash
from ledger.core.log.replay import LogFault
from ledger.witness.status import Health
from tests.unit.witness.halting import begun, halted
from tests.unit.witness.stand import CLERK, LAG_S, Stand


def test_an_anchor_that_is_late(chained: Stand) -> None:
    """Entries that wait too long for an anchor are an alarm; it passes with the next anchor."""
    begun(chained)
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["anchor_lag"]
    assert chained.status.health is Health.LAGGING
    chained.anchor()
    chained.watch.look()
    assert chained.kinds() == []
    assert chained.status.anchored_size == len(chained.log.events)
    chained.open_cases(1, CLERK)
    chained.watch.look()
    assert chained.kinds() == []


def test_cosigned_trees_below_an_anchor_are_forgotten(chained: Stand) -> None:
    """What can be anchored no more need not be kept; the last one stays."""
    first = begun(chained)
    second = begun(chained)
    chained.anchor()
    chained.watch.look()
    assert chained.store.has_cosigned(first) is None
    assert chained.store.has_cosigned(second) is not None


def test_an_anchor_that_is_gone(chained: Stand) -> None:
    """A final anchor that a reorganisation took is an alarm until the log is anchored again; signing goes on."""
    begun(chained)
    snapshot = chained.eth.rpc.call("evm_snapshot")
    chained.anchor()
    chained.watch.look()
    assert chained.eth.rpc.call("evm_revert", snapshot)
    chained.watch.look()
    assert chained.kinds() == ["missing_anchor"]
    chained.cosigner.add_checkpoint(chained.log.wish(chained.status.cosigned_size))
    chained.eth.rpc.call("evm_mine")


def test_an_anchor_of_another_tree(chained: Stand) -> None:
    """The operator alone, at quorum 0, anchors a history that nobody can follow: the chain shows it."""
    begun(chained)
    chained.anchor(root=Hash(b"\x66" * 32))
    with pytest.raises(LogFault):
        chained.watch.look()
    halted(chained, "fork")


def test_an_edited_anchor(chained: Stand) -> None:
    """A record that is changed in the chain's state after it was seen."""
    begun(chained)
    chained.anchor()
    chained.watch.look()
    slot = "0x" + keccak256((1).to_bytes(32, "big") * 2).hex()  # record n lies at keccak256(n . 1)
    chained.eth.rpc.call("anvil_setStorageAt", chained.trust.chains[0].anchor, slot, "0x" + "77" * 32)
    assert chained.linked.anchors.head("latest").root == b"\x77" * 32
    with pytest.raises(LogFault):
        chained.watch.look()
    halted(chained, "fork")


def test_an_anchor_beyond_what_is_published(chained: Stand) -> None:
    """The chain has a larger tree than the log shows: the log was rolled back, or hides entries."""
    size = begun(chained)
    chained.open_cases(2, CLERK)
    chained.anchor()
    chained.log.published = size
    with pytest.raises(LogFault):
        chained.watch.look()
    halted(chained, "rollback")


def test_a_chain_that_is_another(chained: Stand) -> None:
    """Contracts that are not those of the trust file, or a reset chain: an alarm, and nothing for the contract."""
    begun(chained)
    code = chained.eth.rpc.call("eth_getCode", chained.trust.chains[0].anchor, "latest")
    chained.eth.rpc.call("anvil_setCode", chained.trust.chains[0].anchor, "0x00")
    chained.watch.look()
    assert chained.kinds() == ["wrong_chain"]
    assert chained.status.health is Health.UNREADABLE
    chained.eth.rpc.call("anvil_setCode", chained.trust.chains[0].anchor, code)
    chained.watch.look()
    assert chained.kinds() == []
