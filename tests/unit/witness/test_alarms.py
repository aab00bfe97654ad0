"""Each alarm, raised by a log or a chain that gives reason for it, and what it does to signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import Conflict, ProofRefused
from ledger.core.log.merkle import Hash
from ledger.core.log.replay import LogFault
from ledger.core.log.witness_protocol import AddCheckpoint
from ledger.store.witness import Halted, Moved
from ledger.witness.alarms import Health
from tests.testkit.builders import Event, Registry, clerk
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES
from tests.unit.witness.stand import CLERK, LAG_S, OTHER_CLERK, Stand, begun, event_by, halted, halted_by_look

STRANGER = clerk(AGENCIES[2], 7)  # no key of his is granted


def fork(stand: Stand, at: int, more: int) -> None:
    """From entry ``at`` on the log has another history, ``more`` entries longer."""
    old = len(stand.log.events)
    del stand.log.events[at:]
    for number in range(old - at + more):
        stand.log.add(event_by(OTHER_CLERK, f"case-fork-{number}"))


# -- what the log has signed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
def test_a_fork_that_is_published(stand: Stand, more: int) -> None:
    """Another tree under the log's key, at the same size or a larger one."""
    size = begun(stand)
    fork(stand, size - 2, more)
    halted_by_look(stand, "fork")


@pytest.mark.parametrize(("kept", "added"), [(-1, 1), (-1, 4), (0, 3)])
def test_a_fork_that_is_only_submitted(stand: Stand, kept: int, added: int) -> None:
    """A split view: everybody sees the honest log, the witness is to sign another one, which forks off below what it
    has co-signed, or above."""
    size = begun(stand)
    other = stand.log.copy()
    del other.events[size + kept :]
    other.add(*(event_by(OTHER_CLERK, f"case-fork-{number}") for number in range(added)))
    stand.open_cases(9, CLERK)
    with pytest.raises((Halted, Moved, ProofRefused)):
        stand.cosigner.add_checkpoint(AddCheckpoint(size, other.proof(size), other.note()))
    halted(stand, "fork")
    assert stand.status.cosigned_size == size


def test_a_rollback(stand: Stand) -> None:
    """The log publishes less than it did."""
    size = begun(stand)
    stand.log.published = size - 1
    halted_by_look(stand, "rollback")


def test_a_rollback_of_what_was_only_co_signed(stand: Stand) -> None:
    """The log was put back before the witness had looked at the checkpoint that it co-signed: it shows the entries
    behind the older one no more."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    del stand.log.events[size:]
    stand.log.published = size
    with pytest.raises(LogFault):
        stand.watch.look()
    assert (stand.kinds(), stand.status.health) == (["rollback"], Health.HALTED)
    with pytest.raises(Halted):
        stand.store.require_free()


def test_a_rollback_of_what_was_not_followed_yet(stand: Stand) -> None:
    """A checkpoint is remembered from when its signature was seen, though its entries could not be read."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    bundle = f"/tile/entries/000.p/{size + 3}"
    stand.log.lies[bundle] = 503
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.published, stand.status.followed) == (["unreachable"], size + 3, size)
    stand.log.published = size
    with pytest.raises(LogFault):
        stand.watch.look()
    assert "rollback" in stand.kinds()


def test_a_checkpoint_that_waits_for_its_quorum(stand: Stand) -> None:
    """/checkpoint may be older than what this witness has co-signed: others have yet to, and the entries are shown."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    stand.log.lies["/checkpoint"] = stand.log.note(size).encode()
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.watch.look()
    assert (stand.kinds(), stand.status.published, stand.status.followed) == ([], size, size + 3)


def test_a_look_that_another_overtakes(stand: Stand) -> None:
    """Looks are taken side by side; the answer that was given before another's is no rollback."""
    size = begun(stand)

    def answered_late() -> bytes:
        del stand.log.lies["/checkpoint"]
        stand.open_cases(3, CLERK)
        stand.watch.look()
        return stand.log.note(size).encode()

    stand.log.lies["/checkpoint"] = answered_late
    stand.watch.look()
    assert (stand.kinds(), stand.status.published) == ([], size + 3)


def with_gap() -> list[Event]:
    events = Case("case-gap").open(CLERK).name("zhang", by=CLERK).name("li", by=CLERK).events
    return [events[0], events[2]]


@pytest.mark.parametrize(
    ("kind", "events", "way"),
    [
        ("unauthorised_key", lambda: [event_by(STRANGER, "case-stranger")], "submitted"),
        ("gap", with_gap, "looked at"),
    ],
)
def test_an_entry_that_should_not_be_there(
    stand: Stand, kind: str, events: Callable[[], list[Event]], way: str
) -> None:
    """The log has signed it, so it can be shown: the alarm names the entry, and what came before stays followed.
    tests/unit/core/test_following.py has each such fault."""
    size = begun(stand)
    stand.log.add(event_by(CLERK, "case-good"), *events())
    act = stand.watch.look if way == "looked at" else lambda: stand.cosigner.add_checkpoint(stand.log.wish(size))
    with pytest.raises((LogFault, Halted)):
        act()
    halted(stand, kind)
    assert f"entry {len(stand.log.events) - 1}" in stand.store.alarms()[0].told
    assert stand.status.followed == size


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


def make_up_a_grant(stand: Stand) -> None:
    """The log mirrors a change that the registry never made, and takes an event of the stranger whom it lets in."""
    made_up = Registry()
    made_up.authority = stand.follower.followed.authority
    forged = made_up.grant(STRANGER).bodies[-1]
    final = stand.linked.final
    location = replace(forged.location, block_number=final.number, block_hash="0x" + final.hash.hex())
    stand.log.mirror(replace(forged, location=location))
    stand.log.add(event_by(STRANGER, "case-stranger"))


# -- the operator ------------------------------------------------------------------------------------------------------


def test_the_operator_decides(stand: Stand) -> None:
    """Neither a restart nor a log that is honest again makes a halted witness sign. Cleared, it looks again: what is
    still wrong raises the alarm anew, what is right is signed."""
    size = begun(stand)
    stand.log.published = size - 1
    stand.watch.try_look()
    stand.log.published = size
    stand.restart()
    stand.watch.try_look()
    halted(stand, "rollback")
    stand.log.published = size - 1
    assert [alarm.number for alarm in stand.store.clear(1, "a proxy kept an old page", stand.clock())] == [1]
    assert stand.store.clear(1, "once more", stand.clock()) == []
    stand.watch.try_look()
    assert [alarm.number for alarm in stand.store.alarms()] == [2]
    stand.store.clear(2, "now it is gone", stand.clock())
    stand.log.published = size
    stand.watch.look()
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    assert [alarm.because for alarm in stand.store.alarms(standing=False)] == [
        "a proxy kept an old page",
        "now it is gone",
    ]


def test_a_look_that_ends_by_a_defect(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log was read well, what comes after it was not: the witness says so until a whole look succeeds."""

    def defect(*_: object) -> NoReturn:
        raise KeyError("number")

    begun(stand)
    with monkeypatch.context() as patch:
        patch.setattr(stand.watch, "_compare", defect)
        stand.watch.try_look()
    assert (stand.kinds(), stand.status.health) == (["look_failed"], Health.SILENT)
    assert "KeyError" in stand.store.alarms()[0].told
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.health) == ([], Health.WATCHING)


def test_a_witness_follows_one_log(stand: Stand) -> None:
    """A database of one log is refused for another."""
    stand.trust = replace(stand.trust, log_id=b"\x05" * 32)
    with pytest.raises(Conflict) as refused:
        stand.restart()
    assert refused.value.code == "other_ledger"


# -- the chain ---------------------------------------------------------------------------------------------------------


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
    assert chained.linked.anchors.head("latest").root == b"\x77" * 32
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
