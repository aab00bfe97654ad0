"""``ledger.core.verify``, steps 10 and 12 to 14: what the contracts' storage proves, and each fault by its step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.bundle import Bundle, raw
from ledger.core.contract_state import anchor_slots
from ledger.core.report import Report
from ledger.core.trust import Trust, TrustedBlock
from ledger.core.verify import verify_bundle
from ledger.core.verify_case import verify_case
from ledger.core.verify_chain import SeenBlock
from ledger.record import shipped_rulebook
from tests.builders import START
from tests.bundles import CHAIN, WITNESSES, Log, anchor_of, encode_bundle, tree, trust
from tests.states import State, packed
from tests.verifying import LOG, NOTE, REGISTERED, Tree, results

ANCHORED_AT = START + 4000  # the block time of ``anchor_of``
BLOCK = 12  # whose state proves the anchor; the anchor's is 9


def state_of(log: Log, *, number: int = 1, revoked_at: dict[str, int] | None = None, fields: int = 20) -> State:
    """The contracts three blocks after they took the present tree head as record ``number``."""
    made = State(CHAIN, BLOCK, ANCHORED_AT + 36, fields=fields)
    if number > 1:
        made.record(number - 1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
    checkpoint = log.checkpoint()
    made.record(number, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
    authority = log.registry.authority
    return made.has(authority.registry_hash, *authority.grants.values(), revoked_at=revoked_at)


def anchored(log: Log, index: int, made: State, *, number: int = 1, note: str | None = None, **said: Any) -> Bundle:
    """The bundle of an entry whose anchor the state proves."""
    envelope = log.events[index].envelope
    key_id = envelope.key_id if envelope.stream.kind != "system" else None
    proven = made.proven(number, key_id)
    anchor = anchor_of(log.checkpoint(), log.registry.authority.registry_hash, number=number, proven_at=proven)
    return log.bundle(index, note, anchors=raw([replace(anchor, **said)]))


GOOD = anchored(LOG, REGISTERED, state_of(LOG, number=2), number=2, note=NOTE)
PROVEN = tree(GOOD)["anchors"][0]["proven_at"]
NAMED = TrustedBlock(PROVEN["block_number"], PROVEN["block_hash"])


def trusting(*blocks: TrustedBlock) -> Trust:
    return trust(chains=(replace(CHAIN, trusted_blocks=blocks),))


def verdict_of(bundle: Bundle | Tree, *seen: SeenBlock, using: Trust | None = None) -> Report:
    data = json.dumps(bundle).encode() if isinstance(bundle, dict) else encode_bundle(bundle)
    return verify_bundle(data, using or trusting(NAMED), seen=seen)


def on_chain(**changes: Any) -> SeenBlock:
    return replace(SeenBlock(CHAIN.identity, NAMED.number, NAMED.hash, is_final=True), **changes)


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
