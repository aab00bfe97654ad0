"""``verification.bundle``, steps 10 to 12: each change of a proof of storage is found by the step that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from ledger.core.verification.bundle_format import Anchor
from ledger.core.verification.contract_storage import anchor_slots
from scripts.docs.chain_states import hexed, path, storage_trie
from tests.testkit.anchored_bundles import GOOD, NAMED, anchored, of, state_at, trusting, verdict_of
from tests.testkit.bundles import BLOCK, tree
from tests.testkit.changed_bundles import LOG, NOTE, REGISTERED, Tree, faults, put, results

EARLIER = tree(anchored(LOG, REGISTERED, state_at(BLOCK - 1), number=2, note=NOTE))
OTHER_KEY = tree(anchored(LOG, REGISTERED + 2, LOG.state(number=2), number=2, note=NOTE))
RECORD_1 = LOG.state(number=2).proving(1)


def tree_of(anchor: Anchor) -> Tree:
    return cast(Tree, msgspec.to_builtins(anchor))


def exclusion() -> list[str]:
    """A path of the anchor contract's storage to a slot that holds nothing."""
    storage = storage_trie(LOG.state(number=2).anchor)
    return [hexed(node) for node in path(storage, anchor_slots(9)[1])]


def at(*path: str | int, to: Any) -> Callable[[Tree], None]:
    return put("anchor", *path, to=to)


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


SLOTS = ("anchor", "storage_proof")
ANCHOR_FAULTS: dict[str, Callable[[Tree], None]] = {
    "slot of another record": at(*SLOTS, 1, "key", to=hexed(anchor_slots(3)[1])),
    "slots of a record swapped": at(*SLOTS, to=lambda slots: [slots[0], slots[2], slots[1], *slots[3:]]),
    "slots of record n-1 for those of n": at(*SLOTS, to=lambda slots: [slots[0], *slots[3:], *slots[1:3]]),
    "slot of record n-1 left out": at(*SLOTS, to=lambda slots: slots[:-1]),
    "one slot more": at(*SLOTS, to=lambda slots: [*slots, slots[0]]),
    "no slots": at(*SLOTS, to=[]),
    "account of the other contract": at("anchor", "account_proof", to=of(tree(GOOD), "registry", "account_proof")),
    "contract of the other": at("anchor", to=of(tree(GOOD), "registry")),
    "proof of record 1 as record 2": at("anchor", to=tree_of(RECORD_1)["anchor"]),
    "value that the proof does not have": at(*SLOTS, 0, "value", to=flipped),
    "inclusion as exclusion": at(*SLOTS, 1, "value", to="0x" + "00" * 32),
    "exclusion as inclusion": at(*SLOTS, 1, "proof", to=exclusion()),
    "slot's node cut": at(*SLOTS, 1, "proof", to=lambda nodes: nodes[:-1]),
    "slot's node added": at(*SLOTS, 1, "proof", to=lambda nodes: [*nodes, nodes[-1]]),
    "slot without nodes": at(*SLOTS, 1, "proof", to=[]),
    "slot's node changed": at(*SLOTS, 1, "proof", 0, to=flipped),
    "account's node cut": at("anchor", "account_proof", to=lambda nodes: nodes[:-1]),
    "account's nodes swapped": at("anchor", "account_proof", to=lambda nodes: nodes[::-1]),
    "number of another record": at("number", to=1),
}
REGISTRY_FAULTS: dict[str, Callable[[Tree], None]] = {
    "registry without its hash": at("registry", "storage_proof", to=lambda slots: slots[1:]),
    "key's slots cut": at("registry", "storage_proof", to=lambda slots: slots[:-1]),
    "key's slots of another key": at("registry", to=of(OTHER_KEY, "registry")),
    "no slots": at("registry", "storage_proof", to=[]),
    "contract of the other": at("registry", to=of(tree(GOOD), "anchor")),
    "account's node added": at("registry", "account_proof", to=lambda nodes: [*nodes, "0x80"]),
    "account's node changed": at("registry", "account_proof", 0, to=flipped),
}


@pytest.mark.parametrize("name", ANCHOR_FAULTS)
def test_fault_of_the_anchor_is_found_by_step_11(name: str) -> None:
    """What does not lead from the trusted header to the record is tampered with; step 13 then takes no time of it."""
    bad = tree(GOOD)
    ANCHOR_FAULTS[name](bad)
    report = verdict_of(bad)
    assert (report.verdict, faults(report)) == ("tampered", ["anchor"])
    assert (report.record, results(report)["time"]) == (None, "not_checked")


@pytest.mark.parametrize("name", REGISTRY_FAULTS)
def test_fault_of_the_registry_is_found_by_step_12(name: str) -> None:
    """What does not lead from the trusted header to the key's grant is tampered with; the record stands."""
    bad = tree(GOOD)
    REGISTRY_FAULTS[name](bad)
    report = verdict_of(bad)
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])
    assert report.record is not None


@pytest.mark.parametrize("name", [*ANCHOR_FAULTS, *REGISTRY_FAULTS])
def test_fault_under_a_block_that_nobody_trusts(name: str) -> None:
    """Page 12, B: nothing of a state is looked at before its block is trusted, so that nothing is said of it."""
    bad = tree(GOOD)
    (ANCHOR_FAULTS | REGISTRY_FAULTS)[name](bad)
    report = verdict_of(bad, using=trusting())
    assert (report.verdict, faults(report)) == ("not_yet_anchored", [])


@pytest.mark.parametrize(
    ("header", "result"),
    [(of(EARLIER, "header_rlp"), "not_checked"), (flipped(of(tree(GOOD), "header_rlp")), "failed")],
    ids=["of another number", "changed"],
)
def test_header_of_another_block(header: str, result: str) -> None:
    """It has another number, which nobody has named, or another hash than the block that was named."""
    bad = tree(GOOD)
    bad["anchor"]["header_rlp"] = header
    assert results(verdict_of(bad))["block"] == result


FORMS: dict[str, Callable[[Tree], None]] = {
    "header that is none": at("header_rlp", to="0xc0"),
    "odd hex": at("header_rlp", to="0xc"),
    "upper-case hex": at("header_rlp", to="0xC0"),
    "a short slot": at(*SLOTS, 0, "key", to="0x0"),
    "a value as a quantity": at(*SLOTS, 0, "value", to="0x5"),
    "66 nodes": at("anchor", "account_proof", to=["0x80"] * 66),
    "17 slots": at(*SLOTS, to=lambda slots: slots[:1] * 17),
    "a field more": at("more", to=1),
    "no registry": lambda bundle: bundle["anchor"].pop("registry"),
}


@pytest.mark.parametrize("name", FORMS)
def test_fault_of_form_is_found_by_step_10(name: str) -> None:
    """What is not of its form makes the anchor none, whoever vouches for its block."""
    bad = tree(GOOD)
    FORMS[name](bad)
    for using in (trusting(NAMED), trusting()):
        assert faults(verdict_of(bad, using=using)) == ["block"]
