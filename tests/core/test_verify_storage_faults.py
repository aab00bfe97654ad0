"""``ledger.core.verify``, step 12: each change of a proof of storage is found, and by this step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from ledger.core.bundle import ProvenAt
from ledger.core.contract_state import anchor_slots
from tests.bundles import tree
from tests.proven import ANCHORED_AT, BLOCK, GOOD, anchored, of, replace_state, state_of, verdict_of
from tests.states import hexed, path, storage_trie
from tests.verifying import LOG, NOTE, REGISTERED, Tree, faults, put, results

EARLIER = tree(anchored(LOG, REGISTERED, replace_state(number=BLOCK - 1), number=2, note=NOTE))
OTHER_KEY = tree(anchored(LOG, REGISTERED + 2, state_of(LOG, number=2), number=2, note=NOTE))
RECORD_1 = state_of(LOG, number=2).proven(1)


def tree_of(proven: ProvenAt) -> Tree:
    return cast(Tree, msgspec.to_builtins(proven))


def exclusion() -> list[str]:
    """A path of the anchor contract's storage to a slot that holds nothing."""
    storage = storage_trie(state_of(LOG, number=2).anchor)
    return [hexed(node) for node in path(storage, anchor_slots(9)[1])]


def at(*path: str | int, to: Any) -> Callable[[Tree], None]:
    return put("anchors", 0, "proven_at", *path, to=to)


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


SLOTS = ("anchor", "storage_proof")
FAULTS: dict[str, Callable[[Tree], None]] = {
    "slot of another record": at(*SLOTS, 1, "key", to=hexed(anchor_slots(3)[1])),
    "slots of a record swapped": at(*SLOTS, to=lambda slots: [slots[0], slots[2], slots[1], *slots[3:]]),
    "slots of record n-1 for those of n": at(*SLOTS, to=lambda slots: [slots[0], *slots[3:], *slots[1:3]]),
    "slot of record n-1 left out": at(*SLOTS, to=lambda slots: slots[:-1]),
    "one slot more": at(*SLOTS, to=lambda slots: [*slots, slots[0]]),
    "no slots": at(*SLOTS, to=[]),
    "registry without its hash": at("registry", "storage_proof", to=lambda slots: slots[1:]),
    "key's slots cut": at("registry", "storage_proof", to=lambda slots: slots[:-1]),
    "key's slots of another key": at("registry", to=of(OTHER_KEY, "registry")),
    "account of the other contract": at("anchor", "account_proof", to=of(tree(GOOD), "registry", "account_proof")),
    "contracts swapped": lambda b: b["anchors"][0]["proven_at"].update(
        anchor=of(tree(GOOD), "registry"), registry=of(tree(GOOD), "anchor")
    ),
    "header of another block": at("header_rlp", to=of(EARLIER, "header_rlp")),
    "header and hash of another block": lambda b: b["anchors"][0]["proven_at"].update(
        header_rlp=of(EARLIER, "header_rlp"), block_hash=of(EARLIER, "block_hash")
    ),
    "header that was changed": at("header_rlp", to=flipped),
    "header that is none": at("header_rlp", to="0xc0"),
    "hash of another block": at("block_hash", to=flipped),
    "number of another block": at("block_number", to=13),
    "proof of record 1 as record 2": lambda b: b["anchors"][0].update(proven_at=tree_of(RECORD_1)),
    "value that the proof does not have": at(*SLOTS, 0, "value", to=flipped),
    "inclusion as exclusion": at(*SLOTS, 1, "value", to="0x" + "00" * 32),
    "exclusion as inclusion": at(*SLOTS, 1, "proof", to=exclusion()),
    "slot's node cut": at(*SLOTS, 1, "proof", to=lambda nodes: nodes[:-1]),
    "slot's node added": at(*SLOTS, 1, "proof", to=lambda nodes: [*nodes, nodes[-1]]),
    "slot without nodes": at(*SLOTS, 1, "proof", to=[]),
    "slot's node changed": at(*SLOTS, 1, "proof", 0, to=flipped),
    "account's node cut": at("anchor", "account_proof", to=lambda nodes: nodes[:-1]),
    "account's node added": at("registry", "account_proof", to=lambda nodes: [*nodes, "0x80"]),
    "account's node changed": at("registry", "account_proof", 0, to=flipped),
    "account's nodes swapped": at("anchor", "account_proof", to=lambda nodes: nodes[::-1]),
    "other block number of the record": put("anchors", 0, "anchored_in", "block_number", to=8),
    "other block time of the record": put("anchors", 0, "anchored_in", "timestamp", to=ANCHORED_AT + 1),
    "number of another record": put("anchors", 0, "number", to=1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_by_step_12(name: str) -> None:
    """What does not lead from the header to the record is tampered with; steps 10 and 13 then check nothing of it."""
    bad = tree(GOOD)
    FAULTS[name](bad)
    report = verdict_of(bad)
    assert (report.verdict, faults(report)) == ("tampered", ["storage"])
    assert results(report)["block"] == results(report)["revocation"] == "not_checked"
    assert report.block is None


FORMS: dict[str, Callable[[Tree], None]] = {
    "odd hex": at("header_rlp", to="0xc"),
    "upper-case hex": at("header_rlp", to="0xC0"),
    "a short slot": at(*SLOTS, 0, "key", to="0x0"),
    "a value as a quantity": at(*SLOTS, 0, "value", to="0x5"),
    "66 nodes": at("anchor", "account_proof", to=["0x80"] * 66),
    "17 slots": at(*SLOTS, to=lambda slots: slots[:1] * 17),
    "a field more": at("more", to=1),
    "no registry": lambda b: b["anchors"][0]["proven_at"].pop("registry"),
    "null": put("anchors", 0, "proven_at", to=None),
}


@pytest.mark.parametrize("name", FORMS)
def test_fault_of_form_is_found_by_step_11(name: str) -> None:
    """What is not of its form makes the anchor none."""
    bad = tree(GOOD)
    FORMS[name](bad)
    assert faults(verdict_of(bad)) == ["anchor"]
