"""Anchoring: what is published goes to the chain as a continuation of what is there, and waits for its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.anchoring.anchors import WaitReason
from ledger.chain.contract_clients import AnchorClient
from ledger.chain.journal import ChainWrite, WriteState
from ledger.chain.transaction import Transaction
from ledger.core.errors import IntegrityBroken
from ledger.store import log
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import Linked, linked_ledger


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    """A linked ledger whose registry is mirrored, and one clerk's key in it."""
    with linked_ledger(tmp_path) as ledger:
        ledger.grant(clerk(POLICE))
        ledger.mirror.catch_up(ledger.final)
        yield ledger


def grow(linked: Linked, case_id: str) -> None:
    """One more entry, published."""
    linked.ledger.post(Case(case_id, start=linked.clock.seconds - 600).open().last)
    linked.clock.forward(2)
    assert linked.publish() is not None


def test_published_checkpoints_are_anchored(linked: Linked) -> None:
    """The contract has the log's size and root, and checks itself that each anchor continues the one before. Only what
    is published is anchored, once, and not before the interval is over."""
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    linked.publish()
    for number in range(1, 4):
        write = linked.anchorer.step()
        assert isinstance(write, ChainWrite)
        assert write.state is WriteState.CONFIRMED
        with linked.ledger.database.read() as connection:
            tree = log.tree(connection)
        head = linked.anchors.head("latest")
        assert (head.number, head.size, head.root) == (number, tree.size, tree.root)
        assert linked.anchorer.step() is WaitReason.NOTHING_NEW
        grow(linked, f"case-{number}")
        assert linked.anchorer.step() is WaitReason.TOO_SOON
        linked.clock.forward(2 * linked.interval_s)


def test_of_two_services_that_anchor_at_once_one_waits(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another service on the same ledger is first: that is no fault, and the tree is anchored once."""
    linked.publish()
    writer = replace(linked.writer)
    rival = replace(linked, writer=writer, anchors=AnchorClient(address=linked.deployment.anchor, writer=writer))
    prepare = linked.writer.prepare

    def overtaken(*asked: Any, **options: Any) -> Transaction:
        prepared = prepare(*asked, **options)
        assert isinstance(rival.anchorer.step(), ChainWrite)
        return prepared

    with monkeypatch.context() as patch:
        patch.setattr(linked.writer, "prepare", overtaken)
        assert linked.anchorer.step() is WaitReason.IN_FLIGHT
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    assert linked.anchors.head("latest").number == 1


def test_a_clock_that_was_set_back_does_not_stop_anchoring(linked: Linked) -> None:
    """The last anchor lies in the future by this clock: that is no reason to wait for a day."""
    linked.clock.forward(86_400)
    linked.publish()
    linked.anchorer.step()
    linked.clock.forward(-86_400)
    grow(linked, "case-1")
    assert isinstance(linked.anchorer.step(), ChainWrite)


def test_nothing_is_anchored_while_the_mirror_lags(linked: Linked) -> None:
    """A revocation on the chain blocks anchoring until the log has it, and a checkpoint that has it is published."""
    linked.publish()
    linked.revoke(clerk(POLICE))
    assert linked.anchorer.step() is WaitReason.MIRROR_LAGS
    linked.mirror.catch_up(linked.final)
    assert linked.anchorer.step() is WaitReason.MIRROR_LAGS
    linked.clock.forward(2)
    linked.publish()
    assert isinstance(linked.anchorer.step(), ChainWrite)


def test_a_log_whose_history_was_changed_is_not_anchored(linked: Linked) -> None:
    """Where the chain has another root at its size than the log, nothing is sent and the two roots are told."""
    linked.publish()
    linked.anchorer.step()
    linked.clock.forward(2 * linked.interval_s)
    grow(linked, "case-1")
    with linked.ledger.database.write() as connection:
        hashes = connection.execute(text("SELECT hashes FROM tiles WHERE level = 0")).scalar_one()
        connection.execute(text("UPDATE tiles SET hashes = :new"), {"new": b"\x01" * 32 + hashes[32:]})
    with pytest.raises(IntegrityBroken) as broken:
        linked.anchorer.step()
    assert linked.anchors.head("latest").root.hex() in str(broken.value)
    assert linked.anchors.head("latest").number == 1


def test_a_log_that_was_shortened_beside_its_journal_is_found_before_anything_is_anchored(linked: Linked) -> None:
    """There is nothing new to anchor, so only the look at connecting finds it; a log as it was passes that look."""
    linked.publish()
    linked.anchorer.step()
    linked.anchorer.require_one_history()
    with linked.ledger.database.write() as connection:
        connection.execute(text("UPDATE tree SET size = 3"))
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    with pytest.raises(IntegrityBroken, match="has 3 entries"):
        linked.anchorer.require_one_history()
