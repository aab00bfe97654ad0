"""Anchors of the journal, records of the contract and each mirror entry are held against the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.audit import AuditReport, NodeContracts, asking, audit_log
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.contract_changes import contract_change
from ledger.core.events.registry import RegistryChange
from ledger.core.signing.authority import initial
from tests.testkit.builders import COURT, LOG_ID, POLICE, SERVICE, clerk
from tests.testkit.ledger_with_chain import Linked, linked_ledger
from tests.unit.audit.stand import FOUNDING, PROCEDURES, TRUST, Stand, contracts, found
from tests.unit.witness.stand import changes_of


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
    """The records and the registry are the log's, and one that moved on is not yet mirrored; the time that readers are
    told of an entry's proof is the contract's, and cannot be taken out."""
    assert stand.audit(look=contracts(stand)).findings == ()
    assert stand.audit(look=contracts(stand, changes=99, registry_hash=bytes(32))).findings == ()
    for value in ("block_time - 1", "NULL"):
        stand.change(f"UPDATE chain_writes SET block_time = {value}")
        assert found(stand.audit(look=contracts(stand))) == {("anchors", None)}


@pytest.mark.parametrize("differing", [{"root": b"\x01" * 32}, {"size": 3}, {"size": 99}, {"registry_hash": bytes(32)}])
def test_chain_that_differs(stand: Stand, differing: dict[str, Any]) -> None:
    """Another root, another size, a larger tree, another registry."""
    assert found(stand.audit(look=contracts(stand, **differing))) == {("chain", None)}


def test_changes_that_the_contract_never_made(stand: Stand) -> None:
    """The first change that the log has and the contract has not is named: the founding's changes begin at entry 0."""
    assert found(stand.audit(look=contracts(stand, changes=FOUNDING - 2))) == {("chain", FOUNDING - 2)}


# -- mirror entries, one by one against a real chain -------------------------------------------------------------------


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    """A chain whose registry has granted two keys; the log has mirrored nothing yet."""
    with linked_ledger(tmp_path) as ledger:
        ledger.grant(clerk(POLICE))
        ledger.grant(clerk(COURT))
        yield ledger


def audited(linked: Linked) -> AuditReport:
    look = asking(lambda: NodeContracts(linked.chain.eth, linked.deployment, linked.final))
    return audit_log(linked.ledger.database, TRUST, PROCEDURES, look=look)


def mirror(linked: Linked, *changes: RegistryChange) -> None:
    """The log mirrors these, as the service's key signs them."""
    for change in changes:
        linked.ledger.mirror(change)


def on_chain(report: AuditReport) -> list[tuple[str, int | None]]:
    return [(fault.word, fault.index) for fault in report.findings if fault.step == "chain"]


def test_an_honest_mirror_may_lag(linked: Linked) -> None:
    """All changes, or the first of them: nothing differs."""
    changes = changes_of(linked)
    mirror(linked, *changes[:-1])
    assert on_chain(audited(linked)) == []
    mirror(linked, changes[-1])
    assert on_chain(audited(linked)) == []


@pytest.mark.parametrize("lags", [False, True])
def test_a_change_that_the_contract_never_made_is_named(linked: Linked, lags: bool) -> None:
    """A grant that somebody invented, with a number and a rolling hash that follow: in the place of the last change, or
    in that of the one before, while the contract has gone on."""
    changes = changes_of(linked)
    kept = changes[: -2 if lags else -1]
    mirror(linked, *kept, invented(kept, changes[len(kept)]))
    assert on_chain(audited(linked)) == [("registry_differs", len(kept))]


def test_a_change_of_another_place_is_named(linked: Linked) -> None:
    """The rolling hash says nothing of block and transaction: they are compared too."""
    changes = changes_of(linked)
    moved = replace(changes[-1], location=replace(changes[-1].location, block_number=1))
    mirror(linked, *changes[:-1], moved)
    assert on_chain(audited(linked)) == [("registry_differs", len(changes) - 1)]


def invented(before: list[RegistryChange], like: Any) -> RegistryChange:
    """A grant to a key of somebody's own, which the rolling hash of the changes before it takes."""
    last = before[-1].registry_hash if before else "0x" + initial(LOG_ID, SERVICE.key_id).registry_hash.hex()
    forged = replace(like, key_id=clerk("stranger").key_id)
    rolled = keccak256(bytes.fromhex(last[2:]) + contract_change(forged).words())
    return replace(forged, registry_hash="0x" + rolled.hex())
