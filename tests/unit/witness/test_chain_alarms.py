"""Each alarm that the chain gives reason for, and what of a chain or its node only passes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import NotFound, Unavailable
from ledger.core.events.record import AccessSealed
from ledger.core.log.merkle import Hash
from ledger.core.log.replay import LogFault
from ledger.witness.alarms import Health
from ledger.witness.contracts import Contracts, contracts_at
from tests.testkit.builders import LOG_ID, SERVICE, Registry, clerk
from tests.testkit.ledger_with_chain import AGENCIES
from tests.unit.witness.stand import CLERK, LAG_S, Stand, begun, event_by, halted_by_look

STRANGER = clerk(AGENCIES[2], 7)  # no key of his is granted


# -- the registry ------------------------------------------------------------------------------------------------------


def test_a_grant_that_the_chain_does_not_have(stand: Stand) -> None:
    """A mirror entry that the operator has made up, rolling hash and all, is held against the chain."""
    size = begun(stand)
    make_up_a_grant(stand)
    halted_by_look(stand, "false_mirror")
    assert stand.status.followed == size


def test_a_grant_that_the_chain_does_not_have_is_found_when_catching_up(chained: Stand) -> None:
    """By a witness that begins long after it, when the chain has gone on and the log has more entries, but no more of
    the chain's changes."""
    begun(chained)
    make_up_a_grant(chained)
    chained.linked.grant(clerk(AGENCIES[1], 4))
    chained.open_cases(3, CLERK)
    fresh = Stand(chained.linked, chained.log, chained.folder / "fresh")
    with pytest.raises(LogFault):
        fresh.watch.look()
    assert (fresh.kinds(), fresh.status.followed) == (["false_mirror"], 0)
    fresh.close()


def make_up_a_grant(stand: Stand, *, ahead: int = 0) -> None:
    """The log mirrors a change that the registry never made, and takes an event of the stranger whom it lets in."""
    forged_registry = Registry()
    forged_registry.authority = stand.follower.followed.authority
    forged = forged_registry.grant(STRANGER).bodies[-1]
    final = stand.linked.final
    location = replace(forged.location, block_number=final.number + ahead, block_hash="0x" + final.hash.hex())
    stand.log.mirror(replace(forged, location=location))
    stand.log.add(event_by(STRANGER, "case-stranger"))


# -- anchors -----------------------------------------------------------------------------------------------------------


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


def test_a_quorum_that_is_missing_is_an_anchor_that_is_late(chained: Stand) -> None:
    """The log publishes no newer checkpoint then; this witness knows more, which it has co-signed."""
    begun(chained)
    chained.anchor()
    chained.watch.look()
    chained.log.published = size = len(chained.log.events)
    chained.open_cases(2, CLERK)
    chained.cosigner.add_checkpoint(chained.log.wish(size, size + 2))
    chained.watch.look()
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["anchor_lag"]


def test_housekeeping_waits_for_no_anchor(chained: Stand) -> None:
    """A map, or a seal of reads, is anchored with the next act: an idle ledger stays idle."""
    begun(chained)
    chained.anchor()
    chained.log.map_heads()
    chained.log.add(chained.log.system.write(AccessSealed(count=1, head="sha256:" + "a5" * 32), SERVICE))
    for _ in range(2):
        chained.watch.look()
        chained.clock.forward(LAG_S + 1)
    assert chained.kinds() == []
    chained.open_cases(1, CLERK)
    for _ in range(2):
        chained.watch.look()
        chained.clock.forward(LAG_S + 1)
    assert chained.kinds() == ["anchor_lag"]


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
    halted_by_look(chained, "fork")


def test_an_edited_anchor(chained: Stand) -> None:
    """A record that is changed in the chain's state after it was seen."""
    begun(chained)
    chained.anchor()
    chained.watch.look()
    slot = "0x" + keccak256((1).to_bytes(32, "big") * 2).hex()  # record n lies at keccak256(n . 1)
    chained.eth.rpc.call("anvil_setStorageAt", chained.trust.chains[0].anchor, slot, "0x" + "77" * 32)
    assert chained.linked.anchors.now().head().root == b"\x77" * 32
    halted_by_look(chained, "fork")


def test_an_anchor_beyond_what_is_published(chained: Stand) -> None:
    """The chain has a larger tree than the log shows: the log was rolled back, or hides entries."""
    size = begun(chained)
    chained.open_cases(2, CLERK)
    chained.anchor()
    chained.log.published = size
    halted_by_look(chained, "rollback")


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


# -- what only passes --------------------------------------------------------------------------------------------------


def test_registry_changes_of_no_form(stand: Stand) -> None:
    """None, pages that are none, that lead nowhere, or that hold something else: nothing is followed of them."""
    for page in (
        b'{"entries":[]}',
        b"[]",
        b'{"entries":[],"next":5}',
        b'{"entries":[{"index":0,"payload":{}}],"next":0}',
    ):
        stand.log.lies["/api/v1/registry"] = page
        stand.watch.try_look()
        assert (stand.kinds(), stand.status.followed) == (["unreadable"], 0), page
    stand.log.lies.clear()
    stand.watch.look()
    assert (stand.kinds(), stand.status.followed) == ([], len(stand.log.events))


def test_a_node_that_is_silent(stand: Stand) -> None:
    """What needs no chain is followed and signed; the alarm passes once the node answers."""
    begun(stand)
    answering = stand.watch.contracts
    stand.watch.contracts = Contracts(Eth(JsonRpc("http://127.0.0.1:9", timeout_seconds=1)), answering.chain, LOG_ID, 0)
    stand.open_cases(1, CLERK)
    stand.watch.look()
    assert stand.kinds() == ["chain_unreachable"]
    assert stand.status.health is Health.SILENT
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    stand.watch.contracts = answering
    stand.watch.look()
    assert stand.kinds() == []


def test_a_node_of_a_chain_that_nobody_trusts(stand: Stand) -> None:
    """A witness does not start beside a node of a chain that its trust file does not name."""
    (chain,) = stand.trust.chains
    foreign_trust = replace(stand.trust, chains=(replace(chain, chain_id=1),))
    with pytest.raises(NotFound) as refused:
        contracts_at(stand.eth, foreign_trust)
    assert refused.value.field == "--rpc"


def test_finality_is_the_trust_files_unless_it_is_overridden(stand: Stand) -> None:
    """The rule by which the service anchors is the witness's too. One that waits longer says so when it starts, and
    each refusal by it names rule and setting."""
    (chain,) = stand.trust.chains
    with capture_logs() as logged:
        final = contracts_at(stand.eth, stand.trust).final()
    assert final == stand.eth.head().ref
    assert logged == []
    depth = final.number - chain.deployment_block_number
    with capture_logs() as logged:
        deep = contracts_at(stand.eth, stand.trust, depth)
    assert [(entry["setting"], entry["trust_file"]) for entry in logged] == [(depth, chain.finality)]
    assert deep.final().number == chain.deployment_block_number
    deepest = contracts_at(stand.eth, stand.trust, 10_000)
    with pytest.raises(Unavailable) as refused:
        deepest.final()
    assert "under 10000 blocks" in str(refused.value.hint)
    assert "TALLYSTICK_WITNESS_FINALITY" in str(refused.value.hint)
    stand.follower.contracts = deep
    with pytest.raises(Unavailable) as refused:
        stand.cosigner.add_checkpoint(stand.log.wish(0))
    assert "is the last final one" in refused.value.message
    assert "TALLYSTICK_WITNESS_FINALITY" in str(refused.value.hint)


def test_a_change_of_a_block_that_is_not_there_yet(stand: Stand) -> None:
    """A mirror entry whose block the node has not come to is not followed: it may be invented, or the node behind. That
    is an alarm which names the rule of finality, and passes."""
    size = begun(stand)
    make_up_a_grant(stand, ahead=9)
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.followed) == (["chain_behind"], size)
    assert "finality" in stand.store.alarms()[0].message


def test_a_log_that_has_mirrored_nothing_yet(chained: Stand) -> None:
    """All changes of the registry are missing from it: late, that is an alarm like one that is missing."""
    chained.log.events.clear()
    chained.log.published = 0
    chained.log.lies["/checkpoint"] = chained.log.note(0).encode()
    chained.watch.look()
    assert (chained.kinds(), chained.status.followed) == ([], 0)
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["mirror_lag"]


def test_a_withheld_change_of_the_registry(chained: Stand) -> None:
    """A revocation that the log does not mirror in time is an alarm until it does."""
    begun(chained)
    chained.anchor()
    chained.linked.revoke(CLERK)
    chained.watch.look()
    assert chained.kinds() == []
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["mirror_lag"]
    chained.mirror()
    chained.watch.look()
    assert chained.kinds() == []
