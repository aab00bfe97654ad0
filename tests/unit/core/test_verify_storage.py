"""``ledger.core.verification.bundle``, steps 10, 11 and 13: who vouches for a block, and what its state shows."""

from __future__ import annotations

import pytest
import rlp
from msgspec.structs import replace

from ledger.core.log.merkle import EMPTY_TREE
from ledger.core.log.notes import SeedSigner, SignedNote
from ledger.core.verification.bundle_format import Bundle, raw
from ledger.core.verification.chain import BlockStatement, ObservedBlock, cosign_block
from ledger.core.verification.contract_storage import anchor_slots
from ledger.core.verification.trust import Trust, TrustedBlock
from scripts.docs.chain_states import packed
from tests.testkit.anchored_bundles import GOOD, NAMED, anchored, held, on_chain, state_at, trusting, verdict_of
from tests.testkit.builders import LOG_ID, POLICE, START, clerk
from tests.testkit.bundles import ANCHORED_AT, CHAIN, TWO_OF_THREE, WITNESSES, tree, trust
from tests.testkit.changed_bundles import LOG, NOTE, REGISTERED, faults, results

# -- what holds --------------------------------------------------------------------------------------------------------


def test_complete_bundle_ends_in_a_block_hash() -> None:
    """With a trusted block hash nothing is left open, and the report names the block and the time it proves."""
    report = verdict_of(GOOD)
    assert report.verdict == "intact"
    assert {name for name, result in results(report).items() if result != "checked"} == {"witnesses"}
    assert report.block is not None
    assert (report.block.number, report.block.hash, report.block.trusted) == (NAMED.number, NAMED.hash, True)
    assert report.record is not None
    assert (report.record.number, report.record.block_number, report.record.timestamp) == (2, 9, ANCHORED_AT)
    assert NAMED.hash in report.steps[9].detail
    assert report.proven_time == ANCHORED_AT


def test_block_that_nobody_vouches_for() -> None:
    """Page 12, A and B: whoever builds header and tries himself gets nothing by it, and the remedy is named."""
    report = verdict_of(GOOD, using=trust())
    assert report.verdict == "not_yet_anchored"
    assert {results(report)[name] for name in ("block", "anchor", "revocation", "time")} == {"not_checked"}
    assert NAMED.hash in report.steps[9].detail
    assert "nobody vouches for it. Ask a node (--rpc), name the block in the trust file" in report.steps[9].detail
    assert report.block is not None
    assert not report.block.trusted
    assert (report.record, report.proven_time) == (None, None)


def test_block_that_the_chain_has() -> None:
    """A node that was asked vouches for the block where it is final, and for nothing where it is not."""
    report = verdict_of(GOOD, on_chain(), using=trust())
    assert (report.verdict, results(report)["block"], report.proven_time) == ("intact", "checked", ANCHORED_AT)
    fresh = verdict_of(GOOD, on_chain(is_final=False), using=trust())
    assert (fresh.verdict, results(fresh)["block"]) == ("not_yet_anchored", "not_checked")
    assert "not for good" in fresh.steps[9].detail


def test_other_block_that_the_chain_has() -> None:
    """A node contradicts a block by what is final there; what may still be replaced is told."""
    other = "0x" + "22" * 32
    final = verdict_of(GOOD, on_chain(hash=other))
    assert (final.verdict, faults(final)) == ("tampered", ["block"])
    fresh = on_chain(hash=other, is_final=False)
    named = verdict_of(GOOD, fresh)
    assert (named.verdict, results(named)["block"]) == ("intact", "checked")
    unnamed = verdict_of(GOOD, fresh, using=trust())
    assert (unnamed.verdict, results(unnamed)["block"]) == ("not_yet_anchored", "not_checked")
    for report in (named, unnamed):
        assert f"; the chain has {other} there now, but not for good" in report.steps[9].detail
    assert "nobody vouches for it" in unnamed.steps[9].detail


@pytest.mark.parametrize(
    "observed", [on_chain(number=13), on_chain(chain=replace(CHAIN.identity, deployment_block_hash="0x" + "11" * 32))]
)
def test_blocks_of_other_numbers_and_chains(observed: ObservedBlock) -> None:
    """They say nothing of this one."""
    assert results(verdict_of(GOOD, replace(observed, hash="0x" + "22" * 32), using=trust()))["block"] == "not_checked"


@pytest.mark.parametrize("index", range(len(LOG.events)))
def test_every_entry(index: int) -> None:
    """Entries of the ledger itself are proven without a key's slots."""
    report = verdict_of(anchored(LOG, index, LOG.state()))
    assert (report.verdict, results(report)["anchor"]) == ("intact", "checked")


def test_first_record_of_a_successor() -> None:
    """Record 0 of a contract that continues another holds the other's last record."""
    state = LOG.state()
    root, meta = anchor_slots(1)[3:]
    state.anchor[root], state.anchor[meta] = 77, packed((4, 64), (3, 64), (START, 64))
    assert results(verdict_of(anchored(LOG, REGISTERED, state)))["anchor"] == "checked"


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
    assert faults(verdict_of(held(**CHAINS[name]))) == ["anchor"]


def test_record_that_starts_nowhere() -> None:
    """Record 0 of size 0 has the root of the empty log."""
    state = LOG.state()
    state.anchor[anchor_slots(1)[3]] = 77
    assert faults(verdict_of(anchored(LOG, REGISTERED, state))) == ["anchor"]


def test_record_from_a_later_block() -> None:
    """The state of a block holds no record of a later one."""
    assert faults(verdict_of(anchored(LOG, REGISTERED, state_at(8), number=2))) == ["anchor"]


def test_block_of_the_anchor_itself() -> None:
    """The state may be that of the record's own block."""
    assert verdict_of(anchored(LOG, REGISTERED, state_at(9), number=2)).verdict == "intact"


STEP_OF = {"anchor": "anchor", "registry": "revocation"}


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_other_code(which: str) -> None:
    """A contract of other code proves nothing."""
    chain = replace(CHAIN, **{f"{which}_code_hash": "0x" + "cc" * 32})
    report = verdict_of(GOOD, using=trust(chains=(replace(chain, trusted_blocks=(NAMED,)),)))
    assert faults(report) == [STEP_OF[which]]
    assert f"anchor.{which}.account_proof" in report.faults[0].detail


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_account_that_is_not_there(which: str) -> None:
    """The state of the block proves that there is no such contract."""
    chain = replace(CHAIN, **{which: "0x" + "77" * 20})
    state = LOG.state(number=2)
    state.chain = replace(CHAIN, **{which: "0x" + "78" * 20})
    proof = state.proving(2, clerk(POLICE).key_id, contract=chain.anchor)
    absent = state.absent(bytes.fromhex(getattr(chain, which)[2:]))
    anchor = replace(proof, **{which: replace(getattr(proof, which), account_proof=absent)})
    using = trust(chains=(replace(chain, trusted_blocks=(state.block(),)),))
    report = verdict_of(LOG.bundle(REGISTERED, NOTE, anchor=raw(anchor)), using=using)
    assert faults(report) == [STEP_OF[which]]
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
    state = LOG.state()
    state.odd_account = bytes(rlp.encode(ODD_ACCOUNTS[name]))
    assert faults(verdict_of(anchored(LOG, REGISTERED, state))) == ["anchor"]


@pytest.mark.parametrize(
    "value", [b"\x82\x00\x01", b"\xa1" + b"\x01" * 33, b"\xc1\x01", b"\x80", b"\x81\x05", b"\x05\x05"]
)
def test_odd_words(value: bytes) -> None:
    """A slot holds a number of at most 32 bytes without leading zeros, in RLP."""
    state = LOG.state()
    state.odd_words[anchor_slots(1)[1]] = value
    assert faults(verdict_of(anchored(LOG, REGISTERED, state))) == ["anchor"]


# -- the block ---------------------------------------------------------------------------------------------------------


def test_trust_file_that_names_another_block() -> None:
    """The proof is of a history that the verifier knows to be another."""
    report = verdict_of(GOOD, using=trusting(TrustedBlock(NAMED.number, "0x" + "11" * 32)))
    assert (report.verdict, faults(report)) == ("tampered", ["block"])


def test_trusted_blocks_of_other_numbers() -> None:
    """They neither help nor hinder."""
    other = TrustedBlock(NAMED.number + 1, "0x" + "11" * 32)
    assert results(verdict_of(GOOD, using=trusting(other)))["block"] == "not_checked"
    assert results(verdict_of(GOOD, using=trusting(other, NAMED)))["block"] == "checked"


# -- block notes -------------------------------------------------------------------------------------------------------


def noted(*signers: SeedSigner, block: TrustedBlock = NAMED, more: str = "") -> tuple[Bundle, Trust]:
    """The good bundle with a block note by these witnesses, and a trust file that asks for two of three."""
    witnessed = LOG.note(witnesses=[(witness, ANCHORED_AT) for witness in WITNESSES])
    statement = BlockStatement(LOG_ID, CHAIN, block)
    lines = tuple(cosign_block(statement, signer, ANCHORED_AT + 40) for signer in signers)
    text = str(SignedNote(statement.text(), lines)) + more
    bundle = anchored(LOG, REGISTERED, LOG.state(number=2), number=2, note=witnessed, block_note=raw(text))
    return bundle, trust(TWO_OF_THREE, development=False)


def test_witnesses_vouch_for_the_block() -> None:
    """A block note of the policy's quorum makes the bundle intact without a node and without a named block."""
    bundle, using = noted(*WITNESSES[:2])
    report = verdict_of(bundle, using=using)
    assert report.verdict == "intact"
    assert set(results(report).values()) == {"checked"}
    assert "its block note is signed by witness.example/w1, witness.example/w2" in report.steps[9].detail


def test_block_note_that_does_not_count() -> None:
    """Below the quorum, of another block, or spoiled: it is told why, and nothing is failed."""
    for bundle, using in (
        noted(WITNESSES[0]),
        noted(*WITNESSES, block=replace(NAMED, number=NAMED.number + 1)),
        noted(*WITNESSES, more="\u2014 no line\n"),
    ):
        report = verdict_of(bundle, using=using)
        assert (report.verdict, results(report)["block"]) == ("not_yet_anchored", "not_checked")
        assert "its block note does not count: " in report.steps[9].detail


@pytest.mark.parametrize("value", [1, None, [], {"note": "x"}])
def test_block_note_that_is_no_text(value: object) -> None:
    """Page 12, C: it counts for nothing, as if it were left out, and is told."""
    bundle = tree(GOOD)
    bundle["anchor"]["block_note"] = value
    for using, verdict in ((None, "intact"), (trust(), "not_yet_anchored")):
        report = verdict_of(bundle, using=using)
        assert (report.verdict, faults(report)) == (verdict, [])
        assert "its block note does not count" in report.steps[9].detail


def test_block_note_that_does_not_count_beside_a_named_block() -> None:
    """What does not count spoils nothing; the step tells it all the same."""
    bundle, using = noted(WITNESSES[0])
    report = verdict_of(bundle, using=replace(using, chains=trusting(NAMED).chains))
    assert (report.verdict, results(report)["block"]) == ("intact", "checked")
    assert "the trust file names it; its block note does not count" in report.steps[9].detail


def test_node_that_has_another_block_than_the_witnesses() -> None:
    """The verifier's own node counts for more than a note: another block there is a failure."""
    bundle, using = noted(*WITNESSES)
    report = verdict_of(bundle, on_chain(hash="0x" + "11" * 32), using=using)
    assert (report.verdict, faults(report)) == ("tampered", ["block"])
