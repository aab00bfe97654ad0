"""Faults of step 11: a key that the registry revoked, against what the log and the records of the contract show of it.

All are about entries of the colleague's, whose key is revoked at the end of the example's log.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.log.merkle import EMPTY_TREE
from ledger.core.verification.bundle import Anchor, Bundle
from scripts.docs import example
from scripts.docs.chain_states import hexed, storage_trie
from scripts.docs.example import ANCHORED_AT, BY_COLLEAGUE, REVOCATION, REVOKED_AT
from scripts.docs.vector import (
    Fails,
    Vector,
    failing,
    ledger,
    plain,
    put,
    refused,
    untrusted,
    unverifiable,
    whole,
    without,
)

OFFICER, COLLEAGUE = example.key_id(example.OFFICER_KEY), example.key_id(example.COLLEAGUE_KEY)
REVOKED = "/entries/3"  # where the revocation stands in revoked.json
BETWEEN = REVOCATION + 1  # the colleague's entry after the revocation, in the logs that have one

fails, holds = (partial(make, of="revoked") for make in (Fails.registry, Vector))
not_shown = partial(unverifiable, of="revoked", unchecked=(11,))


def revocation_vectors() -> list[Vector]:
    """Return faults of the revocation of a key."""
    return [*_by_one_record(), *_first_record_after(), *_revoked_twice(), *_borne_out_by_no_slot()]


def _late(*, revoked_again: bool = False) -> example.Ledger:
    """Return a log that took an entry of a key after its revocation, and may then mirror that a second time."""
    writer = example.Writer(example.entries())
    writer.write(example.registration(3), example.CASE, "p-0999")
    if revoked_again:
        writer.write(replace(writer.entries[REVOCATION].payload.body, number=7), example.SYSTEM)
    return example.Ledger(writer.entries)


def _revoked_at(log: example.Ledger, index: int, time: int) -> Bundle:
    """Return the bundle of an entry of the colleague's, in a chain that has the revocation then."""
    return log.bundle(index, anchor=log.anchor(COLLEAGUE, state=log.state_with(time)))


def _without_first(bundle: Bundle) -> Bundle:
    """Leave out the first entry that mirrors the revocation."""
    return replace(bundle, entries=tuple(entry for entry in bundle.entries if entry.index != REVOCATION))


def _by_one_record() -> list[Vector]:
    hidden, late, true = without(REVOKED), _late(), ledger().state_with()
    anchor = ledger().anchor(COLLEAGUE)
    below = whole(late.bundle(BETWEEN))

    def at(time: int) -> Any:
        return put("/anchor", plain(ledger().anchor(COLLEAGUE, state=ledger().state_with(time))))

    return [
        fails("revoked before the anchor, and hidden", hidden),
        holds("revoked after the anchor, and no entry of it yet", (*hidden, *at(ANCHORED_AT + 1))),
        not_shown("revoked in the second of the anchor", (*hidden, *at(ANCHORED_AT))),
        holds("revoked in the second of the anchor, and mirrored", at(ANCHORED_AT)),
        fails("revoked below the entry", below),
        fails("revoked below the entry, in the second of the anchor", whole(_revoked_at(late, BETWEEN, ANCHORED_AT))),
        fails("revoked below the entry, in no block that is trusted", (*below, *without("/anchor")), unchecked=(4, 5)),
        untrusted("revoked above the entry, in no block that is trusted", without("/anchor"), of="revoked"),
        untrusted(
            "revoked below the entry and above it, in no block that is trusted",
            (*whole(_late(revoked_again=True).bundle(BETWEEN)), *without("/anchor")),
            of="revoked",
        ),
        untrusted(
            "revoked below the entry, by an entry that does not hold, in no block that is trusted",
            (*below, *without("/anchor"), *put("/entries/2/payload/salt", "11" * 16)),
            of="revoked",
        ),
        untrusted(
            "revoked below the entry, by an entry of another form, in no block that is trusted",
            (*_misshapen(), *without("/anchor")),
            of="revoked",
        ),
        failing(4, 11, unchecked=(5,), of="revoked")(
            "revoked below the entry, and another hash of the block in the trust file",
            below,
            trust=put("/chains/0/trusted_blocks", [{"number": 11, "hash": "0x" + "ab" * 32}]),
        ),
        failing(5, unchecked=(11,), of="revoked")("revoked, and no such record", put("/anchor/number", 2)),
        unverifiable(
            "revoked, and no storage of LogAnchor",
            put("/anchor/state", _without(anchor, storage_trie(true.anchor).root_hash)),
            unchecked=(5, 11),
            of="revoked",
        ),
        Vector("a revocation of another key", put("/entries/-", plain(ledger().entry(REVOCATION)))),
        fails("a revocation that was edited", put(f"{REVOKED}/payload/body/number", 7)),
    ]


def _as_second(log: example.Ledger, index: int, size: int, time: int, **changes: Any) -> Bundle:
    """Return the bundle of an entry whose tree head is record 2, after a record 1 of this size at this time.

    ``changes`` are of what the anchor names.
    """
    state = log.state_with().record(1, bytes(32), size, 8, time)
    state.record(2, log.checkpoint.root, log.checkpoint.size, 9, ANCHORED_AT)
    proven = state.proving(2, COLLEAGUE, **changes)
    return log.bundle(index, anchor=replace(proven, block_note=example.vouched(proven.header)))


def _first_record_after() -> list[Vector]:
    """The tree head is record 2, and record 1 is from after the revocation, from its very second, or from before."""
    log, mirrored, after = _late(), REVOCATION + 1, REVOKED_AT + 1

    def of(size: int, time: int, **changes: Any) -> Any:
        return whole(_as_second(log, BY_COLLEAGUE, size, time, **changes))

    named = {number: of(mirrored, REVOKED_AT, revocations={COLLEAGUE: number}) for number in (1, 3)}
    in_its_second = "revoked in the second of the record before"
    return [
        holds("revoked before the record before, and mirrored in it", of(mirrored, after)),
        not_shown(
            "revoked before the record before, which the anchor does not name", of(mirrored, after, revocations={})
        ),
        fails("revoked before the record before, by an entry above that record", of(REVOCATION, after)),
        holds(f"{in_its_second}, by an entry above that record", of(REVOCATION, REVOKED_AT)),
        *(not_shown(f"{in_its_second}, and the anchor names record {n}", patch) for n, patch in named.items()),
        holds(
            "revoked after the record before, and the anchor names a record for another key",
            of(REVOCATION, REVOKED_AT - 1, revocations={OFFICER: 1}),
        ),
        *_below_the_first(),
        refused("record 0 as the first after a revocation", put("/anchor/revocations", {COLLEAGUE: 0})),
        refused("the first record after the revocation of no key", put("/anchor/revocations", {"p-0999": 1})),
    ]


def _below_the_first() -> list[Vector]:
    """Return slots of record 0 that cannot be read: with record 1 as the first after the revocation they are needed."""
    true = _as_second(_late(), BY_COLLEAGUE, REVOCATION + 1, REVOKED_AT + 1)
    assert true.anchor is not None
    root = hexed(rlp.encode(EMPTY_TREE.root()))[2:]
    nodes = [node for node in true.anchor.state if not node.endswith(root)]
    assert len(nodes) < len(true.anchor.state)
    lacking = replace(true, anchor=replace(true.anchor, state=tuple(nodes)))
    return [not_shown("revoked before the record before, and the root of record 0 left out", whole(lacking))]


def _misshapen() -> tuple[Any, ...]:
    """Return the bundle of an entry above its key's revocation, which has a field more than that has."""
    writer = example.Writer(example.entries())
    revocation = writer.entries[REVOCATION]
    body = {**plain(revocation.payload.body), "remark": "x"}
    writer.entries[REVOCATION] = example.resigned(revocation, body)
    writer.write(example.registration(3), example.CASE, "p-0999")
    return whole(example.Ledger(writer.entries).file([BETWEEN], [REVOCATION], event=BETWEEN))


def _without(anchor: Anchor, node: bytes) -> list[str]:
    """Return the nodes of the state but for one, by its hash."""
    return [text for text in anchor.state if keccak256(bytes.fromhex(text[2:])) != node]


def _revoked_twice() -> list[Vector]:
    """An entry between two mirrors of one revocation: leaving out the first does not improve the verdict."""
    log = _late(revoked_again=True)
    name = "an entry between two revocations of its key"
    anchored_above_the_first = _as_second(log, BETWEEN, BETWEEN, REVOKED_AT + 1)
    anchored_above_both = log.bundle(BETWEEN)
    return [
        fails(f"{name}, with an anchor between", whole(anchored_above_the_first)),
        fails(f"{name}, with an anchor between, the first left out", whole(_without_first(anchored_above_the_first))),
        holds(f"{name}, with no anchor between", whole(anchored_above_both)),
        holds(f"{name}, with no anchor between, the first left out", whole(_without_first(anchored_above_both))),
    ]


def _borne_out_by_no_slot() -> list[Vector]:
    """Mirror entries of a revocation that the registry does not have by then: shown or left out, it is the same."""
    moments = {"which the registry does not have": 0, "which the registry has after the anchor": ANCHORED_AT + 1}
    bundles = {
        f"a revocation {where} the entry, {why}": _revoked_at(log, index, moment)
        for why, moment in moments.items()
        for where, log, index in (("above", ledger(), BY_COLLEAGUE), ("below", _late(), BETWEEN))
    }
    return [
        holds(f"{name}{left_out}", whole(entries))
        for name, bundle in bundles.items()
        for left_out, entries in {"": bundle, ", left out": _without_first(bundle)}.items()
    ]
