"""Faults of the anchor: who vouches for its block, what its state proves, and the key in it: steps 10 to 12."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.trie import EMPTY_ROOT
from ledger.core.log.checkpoints import cosign_text
from ledger.core.log.notes import SignedNote, parse_note
from ledger.core.verification.bundle_format import Bundle, raw
from ledger.core.verification.contract_storage import anchor_slots, registry_slots
from ledger.core.verification.trust import TrustedBlock
from scripts.docs import example
from scripts.docs.chain_states import (
    State,
    branch,
    deep,
    extension,
    hashed,
    hexed,
    leaf,
    other,
    quantity,
)
from scripts.docs.example import (
    ANCHORED_AT,
    BY_COLLEAGUE,
    CHAIN,
    OFFICER_KEY,
    REGISTERED,
    REVOCATION,
    REVOKED_AT,
    WITNESSES,
)
from scripts.docs.vector import (
    OTHER,
    Patch,
    Vector,
    failing,
    fails_anchor,
    fails_block,
    fails_registry,
    ledger,
    plain,
    policy,
    put,
    quorum_of_none,
    refused,
    spoiled_line,
    untrusted,
    unverifiable,
    whole,
    without,
)

KEY_SLOTS = registry_slots(example.key_id(OFFICER_KEY))[1:]  # agency, officer, terms
ELSEWHERE = "0x" + "ab" * 32
NO_KEY_SLOTS = without(*(f"/anchor/registry/storage_proof/{place}" for place in (3, 2, 1)))


def vectors() -> list[Vector]:
    return [*_block(), *_notes(), *_record(), *_grant(), *_revocation(), *_tries()]


def _anchor(state: State | None = None, index: int = REGISTERED, **changes: Any) -> tuple[Patch]:
    """Another anchor: of another state, which its witnesses vouch for, or with other parts."""
    return put("/anchor", plain(ledger().anchor(index, state, **changes)))


def _named(state: State, **changes: Any) -> tuple[Patch]:
    """Let the trust file name the block of a state."""
    block = replace(state.block(), **changes)
    return put("/chains/0/trusted_blocks", [{"number": block.number, "hash": block.hash}])


def _state(change: Callable[[State], Any] = bool, **terms: Any) -> State:
    """Return a state of the ledger's contracts that hold something else."""
    state = ledger().state_with(**terms)
    change(state)
    return state


def _block() -> list[Vector]:
    true = ledger().state_with()
    claim = {"size": 12, "root": "0x" + ledger().checkpoint.root.hex(), "contract": CHAIN.anchor, "number": 1}
    forged = _state(lambda state: state.record(1, bytes(32), 12, 9, 1))
    no_note = without("/anchor/block_note")
    return [
        untrusted("no anchor", without("/anchor")),
        refused("A: an anchor that is claimed", (*without("/anchor"), *put("/anchors", [claim]))),
        untrusted("A: a state in a block that nobody vouches for", no_note),
        untrusted(
            "B: header and tries built by whoever holds the bundle",
            _anchor(forged, block_note=ledger().anchor(REGISTERED).block_note),
        ),
        Vector("block named by the trust file", no_note, trust=_named(true)),
        Vector(
            "block named by the trust file, with a note that does not count",
            put("/anchor/block_note", "x"),
            trust=_named(true),
        ),
        fails_block("another hash of the block in the trust file", trust=_named(true, hash=ELSEWHERE)),
        untrusted("another block in the trust file", no_note, trust=_named(true, number=12)),
        untrusted("a contract that the trust file does not name", put("/anchor/contract", "0x" + "e3" * 20)),
        untrusted("another chain", put("/anchor/chain/deployment_block_hash", ELSEWHERE)),
        untrusted("no chain in the trust file", trust=put("/chains", [])),
        fails_block("record 0", put("/anchor/number", 0)),
        fails_block("an anchor in upper case", put("/anchor/contract", "0x" + "E2" * 20)),
        fails_block("a header that is none", put("/anchor/header_rlp", "0xc0")),
        fails_block("a byte behind the header", put("/anchor/header_rlp", hexed(true.header()) + "00")),
        Vector("header of a block after the Merge alone", _anchor(_state(fields=15))),
        Vector("header of a block after Prague", _anchor(_state(fields=21))),
        fails_block("a list of nodes that is too long", put("/anchor/anchor/account_proof", ["0x80"] * 66)),
    ]


def _notes() -> list[Vector]:
    """Return notes that do not count: none of them fails a step."""
    header = hexed(ledger().state_with().header())
    noted = example.vouched(header)

    not_counting = {
        "below the quorum": example.vouched(header, WITNESSES[:1]),
        "of contracts with other code": example.vouched(header, contracts=replace(CHAIN, anchor_code_hash=ELSEWHERE)),
        "of another registry": example.vouched(header, contracts=replace(CHAIN, registry="0x" + "e3" * 20)),
        "of another chain": example.vouched(header, contracts=replace(CHAIN, chain_id=1)),
        "of another block": example.vouched(header, block=TrustedBlock(11, ELSEWHERE)),
        "of another ledger": example.vouched(header, log_id=bytes(32)),
        "with a line that does not hold": spoiled_line(example.vouched(header, WITNESSES), 0),
        "with a line twice": noted + noted.splitlines(keepends=True)[-1],
        "with a line of text more": noted.replace("\n\n", "\nmore\n\n", 1),
        "that is the checkpoint's": ledger().note,
        "that is empty": "",
    }
    longer = parse_note(noted).text + "\n"
    lines = (cosign_text(longer, witness, example.VOUCHED_AT) for witness in (WITNESSES[0], WITNESSES[2]))
    return [
        *(untrusted(f"block note {name}", put("/anchor/block_note", text)) for name, text in not_counting.items()),
        Vector("block note of all witnesses", put("/anchor/block_note", example.vouched(header, WITNESSES))),
        quorum_of_none(
            "block note where the policy asks for no witness",
            trust=(*policy(f"{example.WITNESS_LINES}quorum none\n"), *put("/development", True)),
        ),
        untrusted("C: a block note that is no text", put("/anchor/block_note", 7)),
        *(
            Vector(
                f"C: a block note that is {name}, of a block that the trust file names",
                put("/anchor/block_note", value),
                trust=_named(ledger().state_with()),
            )
            for name, value in {"a number": 7, "null": None, "a list": [noted], "an object": {"note": noted}}.items()
        ),
        untrusted(
            "block note with an empty line more, well signed",
            put("/anchor/block_note", str(SignedNote(longer, tuple(lines)))),
        ),
    ]


def _slot(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of LogAnchor another word, by its place among those of record 1."""
    key, state = anchor_slots(1)[number], ledger().state_with()
    state.anchor[key] = value(state.anchor[key])
    return state


def _term(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of the registry another word, by its place among those of the officer's key."""
    key, state = KEY_SLOTS[number], ledger().state_with()
    state.registry[key] = value(state.registry[key])
    return state


def _record() -> list[Vector]:
    proof, header = "/anchor/anchor/storage_proof", hexed(ledger().state_with().header())
    other_code = dict.fromkeys(("anchor_code_hash", "registry_code_hash"), ELSEWHERE)
    before = _state(lambda state: state.record(2, bytes(32), 20, 10, ANCHORED_AT + 12))
    spoiled = {
        "another root": _slot(1, lambda word: word ^ 1),
        "another size": _slot(2, lambda word: word + 1),
        "a record that is not there": _slot(1, lambda word: word & 0),
        "a record above the block": _slot(2, lambda word: word + (9 << 64)),
        "a record before that is not the start": _slot(3, lambda word: word ^ 1),
        "a record before of a later time": _slot(4, lambda word: word + (1 << 160)),
        "a last record of another size": _slot(0, lambda word: word + (1 << 64)),
        "a last record below": _slot(0, lambda word: word - 1),
    }
    return [
        *(fails_anchor(f"anchor: {name}", _anchor(state)) for name, state in spoiled.items()),
        Vector("anchor: not the last record any more", _anchor(before)),
        Vector("anchor: more above the packed numbers", _anchor(_slot(2, lambda word: word + (1 << 192)))),
        fails_anchor("anchor: another value of a slot than is proven", put(f"{proof}/1/value", OTHER)),
        fails_anchor("anchor: another slot", put(f"{proof}/1/key", OTHER)),
        fails_anchor("anchor: a slot left out", without(f"{proof}/4")),
        fails_anchor("anchor: a node left out", without("/anchor/anchor/account_proof/0")),
        fails_anchor("anchor: a node more", put("/anchor/anchor/account_proof/-", "0x80")),
        failing(11, 12)(
            "contracts of other code",
            put("/anchor/block_note", example.vouched(header, contracts=replace(CHAIN, **other_code))),
            trust=tuple(patch for field in other_code for patch in put(f"/chains/0/{field}", ELSEWHERE)),
        ),
    ]


def _grant() -> list[Vector]:
    slots = "/anchor/registry/storage_proof"
    nothing = _state(lambda state: [*map(state.registry.pop, KEY_SLOTS)])
    spoiled = {
        "another agency": _term(0, lambda word: word + 1),
        "another officer": _term(1, lambda word: word + 1),
        "other roles": _term(2, lambda word: word ^ 4),
        "another end": _term(2, lambda word: word + (1 << 104)),
        "J: a grant that no chain has": nothing,
    }
    return [
        *(fails_registry(f"registry: {name}", _anchor(state)) for name, state in spoiled.items()),
        unverifiable("J: the key's slots left out", NO_KEY_SLOTS, unchecked=(12,)),
        fails_registry("registry: one of the key's slots left out", without(f"{slots}/3")),
        fails_registry("registry: no slot", put(slots, [])),
        fails_registry("registry: the slots of another key", put("/anchor", plain(ledger().anchor(BY_COLLEAGUE)))),
        fails_registry("registry: no account", put("/anchor/registry/account_proof", [])),
        Vector(
            "registry of an entry of the ledger itself, which no step looks at",
            put(slots, []),
            unchecked=(12,),
            of="sealed",
        ),
    ]


def _revocation() -> list[Vector]:
    def at(time: int) -> tuple[Patch]:
        return _anchor(ledger().state_with(time), BY_COLLEAGUE)

    def by_second(time: int) -> tuple[Patch]:
        """Make the tree head record 2, after one at that time of a log that had not come to the revocation's entry."""
        state = ledger().state_with().record(1, bytes(32), REVOCATION, 8, time)
        state.record(2, ledger().checkpoint.root, ledger().checkpoint.size, 9, ANCHORED_AT)
        proven = state.proving(2, ledger().entries[BY_COLLEAGUE].envelope.key_id)
        return put("/anchor", plain(replace(proven, block_note=example.vouched(proven.header_rlp))))

    hidden = without("/authority/revocation")
    shown = put("/authority/revocation", plain(ledger().evidence(REVOCATION)))
    # A log that took an entry of a key after its revocation.
    writer = example.Writer(example.entries())
    writer.write(example.registration(3), example.CASE, "p-0999")
    late = example.Ledger(writer.entries)
    last = len(late.entries) - 1
    below = whole(late.bundle(last))
    fails, holds = (partial(make, of="revoked") for make in (fails_registry, Vector))
    not_shown = partial(unverifiable, of="revoked", unchecked=(12,))
    by_entry_above = "by an entry above that record"
    return [
        fails("C: revoked before the anchor, and hidden", hidden),
        fails(f"C: revoked before the record before, {by_entry_above}", by_second(REVOKED_AT + 1)),
        holds(f"revoked in the second of the record before, {by_entry_above}", by_second(REVOKED_AT)),
        holds("revoked after the anchor, and no entry of it yet", (*hidden, *at(ANCHORED_AT + 1))),
        not_shown("revoked in the second of the anchor", (*hidden, *at(ANCHORED_AT))),
        holds("revoked in the second of the anchor, and mirrored", at(ANCHORED_AT)),
        *_borne_out_by_no_slot(late),
        fails("revoked below the entry", below),
        fails("revoked below the entry, in the second of the anchor", whole(_revoked_at(late, last, ANCHORED_AT))),
        not_shown("revoked below the entry, and the key's slots left out", (*below, *NO_KEY_SLOTS)),
        fails(
            "revoked below the entry, in no block that is trusted", (*below, *without("/anchor")), unchecked=(10, 11)
        ),
        untrusted("revoked above the entry, in no block that is trusted", without("/anchor"), of="revoked"),
        Vector("C: a revocation of another key", shown),
        Vector("C: a revocation that is a grant", put("/authority/revocation", plain(ledger().evidence(1)))),
        Vector("C: a revocation that is nothing", put("/authority/revocation", 7)),
        fails("a revocation that was edited", put("/authority/revocation/payload/body/number", 6)),
    ]


def _borne_out_by_no_slot(late: example.Ledger) -> list[Vector]:
    """Mirror entries of a revocation that the registry does not have by then: shown or left out, it is the same."""
    hidden = without("/authority/revocation")
    moments = {"which the registry does not have": 0, "which the registry has after the anchor": ANCHORED_AT + 1}
    bundles = {
        f"C: a revocation {where} the entry, {why}": whole(_revoked_at(log, index, moment))
        for why, moment in moments.items()
        for where, log, index in (("above", ledger(), BY_COLLEAGUE), ("below", late, len(late.entries) - 1))
    }
    return [
        Vector(f"{name}{left_out}", (*bundle, *change), of="revoked")
        for name, bundle in bundles.items()
        for left_out, change in {"": (), ", left out": hidden}.items()
    ]


def _revoked_at(log: example.Ledger, index: int, time: int) -> Bundle:
    """Return the bundle of an entry, in a chain that has the revocation then."""
    return log.bundle(index, anchor=raw(log.anchor(index, log.state_with(time))))


# -- tries made by hand ------------------------------------------------------------------------------------------------

KEY = keccak256(bytes(32)).hex()  # the path of the registry's slot 0
FIVE = rlp.encode(quantity(5))


def _trie(name: str, proof: list[Any], value: int = 5, *, fails: bool = False, root: bytes | None = None) -> Vector:
    """Make the registry's storage a trie of these nodes, its first slot proven by them, without the key's slots."""
    anchor = ledger().state_with().with_handmade_trie(ledger().anchor(REGISTERED), proof, value, root)
    anchor = replace(anchor, block_note=raw(example.vouched(anchor.header_rlp)))
    comes = fails_registry if fails else partial(unverifiable, unchecked=(12,))
    return comes(f"trie: {name}", put("/anchor", plain(anchor)))


def _tries() -> list[Vector]:
    """Where the trie holds, the key's slots are missing for themselves."""
    too_long = extension(other(KEY[1:]) + "0", bytes(32))
    return [
        _trie("a leaf", [leaf(KEY, FIVE)]),
        _trie("a branch and a leaf", [branch(KEY[0], hashed(leaf(KEY[1:], FIVE))), leaf(KEY[1:], FIVE)]),
        _trie("an extension and a leaf", [extension(KEY[:7], hashed(leaf(KEY[7:], FIVE))), leaf(KEY[7:], FIVE)]),
        _trie("a node that stands in its parent", deep(KEY, FIVE)),
        _trie("a short node by its hash", deep(KEY, FIVE, by_hash=True), fails=True),
        _trie("absent by an empty slot of a branch", [branch(other(KEY)[0], bytes(32))], 0),
        _trie("absent by a leaf that differs", [leaf(other(KEY), FIVE)], 0),
        _trie("absent by an extension that differs", [extension(other(KEY)[:8], bytes(32))], 0),
        _trie("absent by an extension longer than the path", [extension(other(KEY) + "00", bytes(32))], 0, fails=True),
        _trie(
            "absent by an extension longer than the rest", [branch(KEY[0], hashed(too_long)), too_long], 0, fails=True
        ),
        _trie("absent by a leaf that is too short", [leaf(other(KEY)[:-1], FIVE)], 0, fails=True),
        _trie("absent by the empty trie and no node", [], 0, root=EMPTY_ROOT),
        _trie("absent by the empty trie and its node", [b"\x80"], 0, root=EMPTY_ROOT),
        _trie("absent by the empty trie and another node", [b"\xc0"], 0, fails=True, root=EMPTY_ROOT),
        _trie("a node below the end", [leaf(KEY, FIVE), leaf(KEY, FIVE)], fails=True),
        _trie("a value with a zero before", [leaf(KEY, rlp.encode(b"\0\5"))], fails=True),
        _trie("a value of zero that is there", [leaf(KEY, rlp.encode(b""))], 0, fails=True),
        _trie("a value in a second spelling", [leaf(KEY, b"\x81\5")], fails=True),
        _trie(
            "a branch with a value",
            [branch(KEY[0], hashed(leaf(KEY[1:], FIVE)), b"x"), leaf(KEY[1:], FIVE)],
            fails=True,
        ),
        _trie("a flag that is none", [[bytes.fromhex("40" + KEY), FIVE]], fails=True),
        _trie("a node that is too long", [leaf(KEY, b"x" * 1100)], fails=True),
    ]
