"""``ledger.core.verification.verify``, steps 4, 5 and 12: who vouches for a block, and what its state shows.

What else a chain may hold, of records, accounts, tries and headers, the published vectors have.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.contract_storage import anchor_slots
from scripts.docs.chain_states import packed
from tests.testkit.anchored_bundles import GOOD, NAMED, anchored, on_chain, verdict_of
from tests.testkit.builders import POLICE, START, clerk
from tests.testkit.bundles import ANCHORED_AT, CHAIN, trust
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
    assert NAMED.hash in report.steps[3].detail
    assert report.proven_time == ANCHORED_AT


def test_block_that_the_chain_has() -> None:
    """A node that was asked vouches for the block where it is final, and for nothing where it is not."""
    report = verdict_of(GOOD, on_chain(), using=trust())
    assert (report.verdict, results(report)["block"], report.proven_time) == ("intact", "checked", ANCHORED_AT)
    fresh = verdict_of(GOOD, on_chain(is_final=False), using=trust())
    assert (fresh.verdict, results(fresh)["block"]) == ("not_yet_anchored", "not_checked")
    assert "not for good" in fresh.steps[3].detail


def test_other_block_that_the_chain_has() -> None:
    """A node contradicts a block by what is final there; what may still be replaced is told."""
    second_hash = "0x" + "22" * 32
    final = verdict_of(GOOD, on_chain(hash=second_hash))
    assert (final.verdict, faults(final)) == ("tampered", ["block"])
    fresh = on_chain(hash=second_hash, is_final=False)
    named = verdict_of(GOOD, fresh)
    assert (named.verdict, results(named)["block"]) == ("intact", "checked")
    unnamed = verdict_of(GOOD, fresh, using=trust())
    assert (unnamed.verdict, results(unnamed)["block"]) == ("not_yet_anchored", "not_checked")
    for report in (named, unnamed):
        assert f"; the chain has {second_hash} there now, but not for good" in report.steps[3].detail
    assert "nobody vouches for it" in unnamed.steps[3].detail


@pytest.mark.parametrize(
    "observed", [on_chain(number=13), on_chain(chain=replace(CHAIN.identity, deployment_block_hash="0x" + "11" * 32))]
)
def test_blocks_of_other_numbers_and_chains(observed: ObservedBlock) -> None:
    """They say nothing of this one."""
    assert results(verdict_of(GOOD, replace(observed, hash="0x" + "22" * 32), using=trust()))["block"] == "not_checked"


def test_first_record_of_a_successor() -> None:
    """Record 0 of a contract that continues another holds the other's last record."""
    state = LOG.state()
    root, meta = anchor_slots(1)[3:]
    state.anchor[root], state.anchor[meta] = 77, packed((4, 64), (3, 64), (START, 64))
    assert results(verdict_of(anchored(LOG, REGISTERED, state)))["anchor"] == "checked"


def test_account_that_is_not_there() -> None:
    """The state of the block proves that there is no such contract."""
    chain = replace(CHAIN, anchor="0x" + "77" * 20)
    state = LOG.state(number=2)
    state.chain = replace(CHAIN, anchor="0x" + "78" * 20)
    proof = state.proving(2, clerk(POLICE).key_id, contract=chain.anchor)
    absent = state.absent(bytes.fromhex(chain.anchor[2:]))
    anchor = replace(proof, state=tuple(sorted({*proof.state, *absent})))
    using = trust(chains=(replace(chain, trusted_blocks=(state.block(),)),))
    report = verdict_of(LOG.bundle(REGISTERED, NOTE, anchor=anchor), using=using)
    assert faults(report) == ["anchor"]
    assert "no account" in report.faults[0].detail
