"""``ledger.core.verify``, steps 12 to 14: what the contracts' storage proves, and of which block."""

from __future__ import annotations

import json

import pytest
import rlp
from msgspec.structs import replace

from ledger.core.bundle import raw
from ledger.core.contract_state import anchor_slots
from ledger.core.merkle import EMPTY_TREE
from ledger.core.trust import TrustedBlock
from ledger.core.verify_case import verify_case
from ledger.core.verify_chain import SeenBlock
from ledger.record import shipped_rulebook
from tests.builders import POLICE, START, clerk
from tests.bundles import CHAIN, WITNESSES, anchor_of, tree, trust
from tests.proven import (
    ANCHORED_AT,
    BLOCK,
    GOOD,
    NAMED,
    anchored,
    held,
    of,
    on_chain,
    replace_state,
    state_of,
    trusting,
    verdict_of,
)
from tests.states import packed
from tests.verifying import LOG, NOTE, REGISTERED, faults, results

# -- what holds --------------------------------------------------------------------------------------------------------


def test_complete_bundle_ends_in_a_block_hash() -> None:
    """With a trusted block hash nothing is left open, and the report names the block and the time it proves."""
    report = verdict_of(GOOD)
    assert report.verdict == "intact"
    assert {name for name, result in results(report).items() if result != "checked"} == {"witnesses"}
    assert report.block is not None
    assert (report.block.number, report.block.hash, report.block.trusted) == (NAMED.number, NAMED.hash, True)
    assert NAMED.hash in report.steps[12].detail
    assert report.proven_time == ANCHORED_AT


def test_block_that_nobody_vouches_for() -> None:
    """Without a trusted hash step 13 is not checked and says which block the proof ends in; the verdict stays."""
    report = verdict_of(GOOD, using=trust())
    assert (report.verdict, results(report)["storage"], results(report)["block"]) == (
        "intact",
        "checked",
        "not_checked",
    )
    assert NAMED.hash in report.steps[12].detail
    assert report.steps[12].detail.startswith("no trusted block hash")
    assert report.block is not None
    assert not report.block.trusted
    assert report.proven_time is None


def test_block_that_the_chain_has() -> None:
    """A node that was asked vouches for the block where it is final, and for nothing where it is not."""
    seen = verdict_of(GOOD, on_chain(), using=trust())
    assert (results(seen)["block"], seen.proven_time) == ("checked", ANCHORED_AT)
    fresh = verdict_of(GOOD, on_chain(is_final=False), using=trust())
    assert (results(fresh)["block"], fresh.verdict) == ("not_checked", "intact")
    assert "not for good" in fresh.steps[12].detail


@pytest.mark.parametrize(
    "seen",
    [on_chain(number=13), on_chain(chain=replace(CHAIN.identity, deployment_block_hash="0x" + "11" * 32))],
)
def test_blocks_of_other_numbers_and_chains(seen: SeenBlock) -> None:
    """They say nothing of this one."""
    assert results(verdict_of(GOOD, replace(seen, hash="0x" + "22" * 32), using=trust()))["block"] == "not_checked"


def test_earliest_time_counts() -> None:
    """A witness that co-signed before the anchor's block proves more than the block."""
    note = LOG.note(witnesses=[(WITNESSES[0], ANCHORED_AT - 100), (WITNESSES[1], ANCHORED_AT - 90)])
    policy = "".join(f"witness w{n} {w.verifying_key.vkey()}\n" for n, w in enumerate(WITNESSES, 1))
    using = replace(trusting(NAMED), policy=trust(f"{policy}group g 2 w1 w2 w3\nquorum g\n").policy)
    bundle = anchored(LOG, REGISTERED, state_of(LOG, number=2), number=2, note=note)
    assert verdict_of(bundle, using=using).proven_time == ANCHORED_AT - 100


@pytest.mark.parametrize("fields", [15, 16, 17, 20, 21])
def test_headers_of_every_hard_fork(fields: int) -> None:
    """From before london to prague."""
    report = verdict_of(anchored(LOG, REGISTERED, state_of(LOG, fields=fields)), using=trust())
    assert results(report)["storage"] == "checked"


@pytest.mark.parametrize("index", range(len(LOG.events)))
def test_every_entry(index: int) -> None:
    """Entries of the ledger itself are proven without a key's slots."""
    report = verdict_of(anchored(LOG, index, state_of(LOG)), using=trust())
    assert (report.verdict, results(report)["storage"]) == ("intact", "checked")


def test_anchor_without_the_key() -> None:
    """A proof may leave the key's slots out: then step 10 is not checked, and step 12 is."""
    bad = tree(GOOD)
    del bad["anchors"][0]["proven_at"]["registry"]["storage_proof"][1:]
    report = verdict_of(bad)
    assert (report.verdict, results(report)["storage"], results(report)["revocation"]) == (
        "intact",
        "checked",
        "not_checked",
    )


def test_registry_that_changed_since() -> None:
    """The registry may have gone on; the report says so."""
    made = state_of(LOG).has(bytes([7]) * 32)
    report = verdict_of(anchored(LOG, REGISTERED, made), using=trust())
    assert "changed since" in report.steps[11].detail


def test_first_record_of_a_successor() -> None:
    """Record 0 of a contract that continues another holds the other's last record."""
    made = state_of(LOG)
    root, meta = anchor_slots(1)[3:]
    made.anchor[root], made.anchor[meta] = 77, packed((4, 64), (3, 64), (START, 64))
    assert results(verdict_of(anchored(LOG, REGISTERED, made), using=trust()))["storage"] == "checked"


def test_case_bundle() -> None:
    """All events of a case are checked alike, by one block."""
    made = state_of(LOG)
    events = [tree(anchored(LOG, index, made, note=NOTE)) for index in range(6, len(LOG.events))]
    bundle = tree(LOG.case_bundle(note=NOTE)) | {"events": events}
    block = made.proven(1)
    using = trusting(TrustedBlock(block.block_number, block.block_hash))
    report = verify_case(json.dumps(bundle).encode(), using, shipped_rulebook())
    assert report.verdict == "intact"
    assert {results(event)["block"] for event in report.events} == {"checked"}
    unseen = verify_case(
        json.dumps(bundle).encode(), trust(), shipped_rulebook(), seen=[on_chain(hash=block.block_hash)]
    )
    assert {results(event)["block"] for event in unseen.events} == {"checked"}


# -- a chain that holds something else ---------------------------------------------------------------------------------


SIZE = len(LOG.events)
CHAINS: dict[str, dict[str, int]] = {
    "another root": {"anchor_1": 77},
    "another size": {"anchor_2": packed((9, 64), (9, 64), (ANCHORED_AT, 64))},
    "no record": {"anchor_1": 0, "anchor_2": 0},
    "the record as the last but one of itself": {"anchor_0": packed((1, 64), (5, 64))},
    "a last record of another size": {"anchor_0": packed((2, 64), (9, 64))},
    "later records of the same size": {"anchor_0": packed((3, 64), (SIZE, 64))},
    "a record before it of the same size": {"anchor_4": packed((SIZE, 64), (7, 64), (START, 64))},
    "a record before it in a later block": {"anchor_4": packed((5, 64), (10, 64), (START, 64))},
    "a record before it at a later time": {"anchor_4": packed((5, 64), (7, 64), (ANCHORED_AT + 1, 64))},
    "an empty log before record 2": {"anchor_3": int.from_bytes(EMPTY_TREE.root(), "big")},
}


@pytest.mark.parametrize("name", CHAINS)
def test_contract_that_holds_something_else(name: str) -> None:
    """The slots are proven, and are not those of this tree head after another."""
    assert faults(verdict_of(held(**CHAINS[name]), using=trust())) == ["storage"]


def test_record_that_starts_nowhere() -> None:
    """Record 0 of size 0 has the root of the empty log."""
    made = state_of(LOG)
    made.anchor[anchor_slots(1)[3]] = 77
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


def test_record_from_a_later_block() -> None:
    """The state of a block holds no record of a later one."""
    made = replace_state(number=8)
    assert faults(verdict_of(anchored(LOG, REGISTERED, made, number=2), using=trust())) == ["storage"]


def test_block_of_the_anchor_itself() -> None:
    """Where the state is that of the anchor's own block, its hash is the one that the anchor names."""
    made = replace_state(number=9)
    block = made.proven(2).block_hash
    said = anchor_of(LOG.checkpoint()).anchored_in
    good = anchored(LOG, REGISTERED, made, number=2, anchored_in=replace(said, block_hash=block))
    assert results(verdict_of(good, using=trust()))["storage"] == "checked"
    assert faults(verdict_of(anchored(LOG, REGISTERED, made, number=2), using=trust())) == ["storage"]


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_other_code(which: str) -> None:
    """A contract of other code proves nothing."""
    chain = replace(CHAIN, **{f"{which}_code_hash": "0x" + "cc" * 32})
    report = verdict_of(GOOD, using=trust(chains=(chain,)))
    assert faults(report) == ["storage"]
    assert f"proven_at.{which}.account_proof" in report.faults[0].detail


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_account_that_is_not_there(which: str) -> None:
    """The state of the block proves that there is no such contract."""
    chain = replace(CHAIN, **{which: "0x" + "77" * 20})
    made = state_of(LOG, number=2)
    elsewhere = replace(CHAIN, **{which: "0x" + "78" * 20})
    made.chain = elsewhere
    proven = made.proven(2, clerk(POLICE).key_id)
    absent = made.absent(bytes.fromhex(getattr(chain, which)[2:]))
    part = replace(getattr(proven, which), account_proof=absent)
    anchor = anchor_of(LOG.checkpoint(), number=2, contract=chain.anchor)
    anchor = replace(anchor, proven_at=replace(proven, **{which: part}))
    report = verdict_of(LOG.bundle(REGISTERED, NOTE, anchors=raw([anchor])), using=trust(chains=(chain,)))
    assert faults(report) == ["storage"]
    assert "no account" in report.faults[0].detail


ODD_ACCOUNTS = {
    "three fields": [b"\x01", b"", bytes(32)],
    "no list": b"account",
    "lists for hashes": [b"\x01", b"", [b"x"], bytes(32)],
    "a list for its code": [b"\x01", b"", bytes(32), [b"x"]],
}


@pytest.mark.parametrize("name", ODD_ACCOUNTS)
def test_odd_accounts(name: str) -> None:
    """An account has four fields, two of them hashes."""
    made = state_of(LOG)
    made.odd_account = bytes(rlp.encode(ODD_ACCOUNTS[name]))
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


@pytest.mark.parametrize(
    "value", [b"\x82\x00\x01", b"\xa1" + b"\x01" * 33, b"\xc1\x01", b"\x80", b"\x81\x05", b"\x05\x05"]
)
def test_odd_words(value: bytes) -> None:
    """A slot holds a number of at most 32 bytes without leading zeros, in RLP."""
    made = state_of(LOG)
    made.odd_words[anchor_slots(1)[1]] = value
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


# -- the block ---------------------------------------------------------------------------------------------------------


def test_trust_file_that_names_another_block() -> None:
    """The proof is of a history that the verifier knows to be another."""
    report = verdict_of(GOOD, using=trusting(TrustedBlock(NAMED.number, "0x" + "11" * 32)))
    assert (report.verdict, faults(report)) == ("tampered", ["block"])


def test_chain_that_has_another_block() -> None:
    """Even where the trust file names it: the chain has gone another way."""
    report = verdict_of(GOOD, on_chain(hash="0x" + "11" * 32))
    assert (report.verdict, faults(report)) == ("tampered", ["block"])


def test_trusted_blocks_of_other_numbers() -> None:
    """They neither help nor hinder."""
    other = TrustedBlock(NAMED.number + 1, "0x" + "11" * 32)
    assert results(verdict_of(GOOD, using=trusting(other)))["block"] == "not_checked"
    assert results(verdict_of(GOOD, using=trusting(other, NAMED)))["block"] == "checked"


def test_time_far_away() -> None:
    """A chain may name a second beyond the calendar; it is told in seconds."""
    made = state_of(LOG)
    made.timestamp = 2**52
    bundle = anchored(LOG, REGISTERED, made)
    told = of(tree(bundle), "block_hash")
    report = verdict_of(bundle, using=trusting(TrustedBlock(BLOCK, told)))
    assert str(2**52) in report.steps[12].detail
