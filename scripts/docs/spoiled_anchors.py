"""Faults of the anchor and its block (steps 4, 5 and 11): who vouches for it, its header, and what its state proves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import xor
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.block_headers import FIELDS
from ledger.core.log.checkpoints import cosign_statement
from ledger.core.log.merkle import EMPTY_TREE
from ledger.core.log.notes import SignedNote, parse_note
from ledger.core.trust.trust_file import TrustedBlock
from ledger.core.verification.contract_storage import anchor_slots, grant_slots
from scripts.docs import example
from scripts.docs.chain_states import State, branch, deep, extension, hashed, hexed, leaf, other, quantity, storage_trie
from scripts.docs.example import ANCHORED_AT, CHAIN
from scripts.docs.vector import (
    Edit,
    Fails,
    Patch,
    Vector,
    failing,
    ledger,
    on_page,
    plain,
    put,
    refused,
    repeated,
    spoiled_line,
    untrusted,
    unverifiable,
    without,
)

OFFICER = example.key_id(example.OFFICER_KEY)
KEY_SLOTS = grant_slots(OFFICER)  # agency, officer, terms
ELSEWHERE = "0x" + "ab" * 32
EMPTY = EMPTY_TREE.root()


def anchor_vectors() -> list[Vector]:
    """Return faults of the anchor: who vouches for its block, what its state proves, and the key in it."""
    of_anchor = on_page(
        "anchor", [*_block(), *_headers(), *_notes(), *_record(), *_high_bits(), *_read_in_order(), *_accounts()]
    )
    return [*of_anchor, *on_page("registry", _grant()), *on_page("anchor", _tries())]


def _anchor(state: State | None = None, signer: str = OFFICER, **changes: Any) -> tuple[Patch]:
    """Another anchor: of another state, which its witnesses vouch for, or with other parts."""
    return put("/anchor", plain(ledger().anchor(signer, state=state, **changes)))


def _named(state: State, *others: str, **changes: Any) -> tuple[Patch]:
    """Let the trust file name the block of a state, and other hashes of its number."""
    block = replace(state.block(), **changes)
    hashes = (block.hash, *others)
    return put("/chains/0/trusted_blocks", [{"number": block.number, "hash": each} for each in hashes])


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
        refused("an anchor that is claimed", (*without("/anchor"), *put("/anchors", [claim]))),
        untrusted("a state in a block that nobody vouches for", no_note),
        untrusted(
            "header and tries built by whoever holds the bundle",
            _anchor(forged, block_note=ledger().anchor(OFFICER).block_note),
        ),
        Vector("block named by the trust file", no_note, trust=_named(true)),
        Vector(
            "block named by the trust file, with a note that does not count",
            put("/anchor/block_note", "x"),
            trust=_named(true),
        ),
        Fails.block("another hash of the block in the trust file", trust=_named(true, hash=ELSEWHERE)),
        Fails.block("another hash of the block in the trust file besides", trust=_named(true, ELSEWHERE)),
        untrusted("another block in the trust file", no_note, trust=_named(true, number=12)),
        untrusted("a contract that the trust file does not name", put("/anchor/contract", "0x" + "e3" * 20)),
        untrusted("another chain", put("/anchor/chain/deployment_block_hash", ELSEWHERE)),
        untrusted("another chain, by its id", put("/anchor/chain/chain_id", 1)),
        untrusted("another chain, by the number of its block", put("/anchor/chain/deployment_block_number", 7)),
        untrusted("no chain in the trust file", trust=put("/chains", [])),
        refused("record 0", put("/anchor/number", 0)),
        refused("an anchor in upper case", put("/anchor/contract", "0x" + "E2" * 20)),
        Fails.block("a header that is none", put("/anchor/header", "0xc0")),
        Fails.block("a byte behind the header", put("/anchor/header", hexed(true.header()) + "00")),
        Fails.block("a header as long as one may be, that is none", edits=(_header_of(16_384),)),
        refused("a header longer than one may be", edits=(_header_of(16_385),)),
        refused("a header of half a byte", put("/anchor/header", "0xc00")),
        *(
            Vector(f"header of a block after {fork}", _anchor(_state(fields=fields)))
            for fork, fields in {"the Merge alone": 15, "London": 16, "Shanghai": 17, "Prague": 21}.items()
        ),
        unverifiable("no node of the state", put("/anchor/state", []), unchecked=(5, 11)),
        Vector("a node of the state that is not needed", put("/anchor/state/-", "0x80")),
        Vector("a node of the state that is empty", put("/anchor/state/-", "0x")),
        refused("a node of the state that does not begin with 0x", put("/anchor/state/-", "000x")),
        refused("a node of the state in upper case", put("/anchor/state/-", "0xAB")),
        refused("a number of 0 in revocations", put("/anchor/revocations", {OFFICER: 0})),
        Vector("a node of the state as long as one may be", put("/anchor/state/-", "0x" + "80" * 1024)),
        refused("a node of the state longer than one may be", put("/anchor/state/-", "0x" + "80" * 1025)),
    ]


def _header_of(length: int) -> Edit:
    """Put a header of so many bytes that is none."""
    return repeated("c0", length, '"header":"0x', cut=2 * len(ledger().state_with().header()))


def _headers() -> list[Vector]:
    """Return headers in which one thing is off, and those that are at the limits. Nobody need vouch for the first."""
    true: list[Any] = rlp.decode(ledger().state_with().header())
    names = [name for name, _ in FIELDS]

    def changed(**fields: Any) -> str:
        return hexed(rlp.encode([fields.get(name, item) for name, item in zip(names, true, strict=False)]))

    spoiled = {
        "with a number of 2^53": changed(number=quantity(2**53)),
        "with a time of 2^53": changed(timestamp=quantity(2**53)),
        "with a number with a zero before": changed(number=b"\0\5"),
        "with a time of zero that is spelled": changed(timestamp=b"\0"),
        "with a state root of 31 bytes": changed(stateRoot=bytes(31)),
        "with a list for extra data": changed(extraData=[]),
        "of 11 fields": hexed(rlp.encode(true[:11])),
        "that is a string": hexed(rlp.encode(rlp.encode(true))),
    }
    unread = {
        "with other extra data": changed(extraData=b"\0" * 33),
        "with a difficulty of 33 bytes": changed(difficulty=b"\0" * 33),
        "with a nonce of 7 bytes": changed(nonce=bytes(7)),
        "of 12 fields": hexed(rlp.encode(true[:12])),
        "of 18 fields": hexed(ledger().state_with(fields=18).header()),
        "of 22 fields": hexed(rlp.encode([*true, bytes(32), bytes(32)])),
    }
    unknown = put("/anchor/contract", "0x" + "e3" * 20)
    latest = _state(lambda state: vars(state).update(number=2**53 - 1, timestamp=2**53 - 1))
    return [
        *(Fails.block(f"a header {name}", put("/anchor/header", header)) for name, header in spoiled.items()),
        Fails.block("a header that is none, and an unknown contract", (*unknown, *put("/anchor/header", "0xc0"))),
        *(untrusted(f"a header {name}", put("/anchor/header", header)) for name, header in unread.items()),
        Vector("a header of number and time below 2^53", _anchor(latest)),
    ]


def _notes() -> list[Vector]:
    """Return notes that do not count: none of them fails a step."""
    header = hexed(ledger().state_with().header())
    noted = example.vouched(header)

    not_counting = {
        "below the quorum": example.vouched(header, example.WITNESSES[:1]),
        "of contracts with other code": example.vouched(header, contracts=replace(CHAIN, anchor_code_hash=ELSEWHERE)),
        "of another registry": example.vouched(header, contracts=replace(CHAIN, registry="0x" + "e3" * 20)),
        "of another chain": example.vouched(header, contracts=replace(CHAIN, chain_id=1)),
        "of another block": example.vouched(header, block=TrustedBlock(11, ELSEWHERE)),
        "of another ledger": example.vouched(header, log_id=bytes(32)),
        "with a line that does not hold": spoiled_line(example.vouched(header, example.WITNESSES), 0),
        "with a line twice": noted + noted.splitlines(keepends=True)[-1],
        "with a line of text more": noted.replace("\n\n", "\nmore\n\n", 1),
        "that is the checkpoint's": ledger().note,
        "that is empty": "",
    }
    longer = parse_note(noted).text + "\n"
    lines = (
        cosign_statement(longer, witness, example.VOUCHED_AT)
        for witness in (example.WITNESSES[0], example.WITNESSES[2])
    )
    return [
        *(untrusted(f"block note {name}", put("/anchor/block_note", text)) for name, text in not_counting.items()),
        Vector("block note of all witnesses", put("/anchor/block_note", example.vouched(header, example.WITNESSES))),
        refused("a block note that is no text", put("/anchor/block_note", 7)),
        untrusted(
            "block note with an empty line more, well signed",
            put("/anchor/block_note", str(SignedNote(longer, tuple(lines)))),
        ),
    ]


def _slot(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of LogAnchor another word, by its place among those of record 1."""
    key = anchor_slots(1)[number]
    return _state(lambda state: state.anchor.update({key: value(state.anchor[key])}))


def _term(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of the registry another word, by its place among those of the officer's key."""
    key = KEY_SLOTS[number]
    return _state(lambda state: state.registry.update({key: value(state.registry[key])}))


def _record() -> list[Vector]:
    header = hexed(ledger().state_with().header())
    other_code = dict.fromkeys(("anchor_code_hash", "registry_code_hash"), ELSEWHERE)
    before = _state(lambda state: state.record(2, bytes(32), 20, 10, ANCHORED_AT + 12))
    packed = anchor_slots(1)[2]
    resized = ledger().state_with()
    resized.record(2, bytes(32), 20, 10, ANCHORED_AT + 12)
    resized.anchor[packed] += 1
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
        *(Fails.anchor(f"anchor: {name}", _anchor(state)) for name, state in spoiled.items()),
        *_records_before(),
        Vector("anchor: not the last record any more", _anchor(before)),
        Fails.anchor("anchor: another size, and not the last record any more", _anchor(resized)),
        Vector("anchor: more above the packed numbers", _anchor(_slot(2, lambda word: word + (1 << 192)))),
        unverifiable("anchor: a node of the state left out", _without_node(of_anchor=True), unchecked=(5,)),
        failing(5, 11)(
            "contracts of other code",
            put("/anchor/block_note", example.vouched(header, contracts=replace(CHAIN, **other_code))),
            trust=tuple(patch for field in other_code for patch in put(f"/chains/0/{field}", ELSEWHERE)),
        ),
    ]


def _high_bits() -> list[Vector]:
    """Set the highest bit of each packed number: it belongs to the number."""
    last, record, before = 0, 2, 4  # slots
    of_anchor = {
        "number of the last record": (last, 0),
        "size of the last record": (last, 64),
        "size": (record, 0),
        "block number": (record, 64),
        "size before": (before, 0),
        "block number before": (before, 64),
        "time before": (before, 128),
    }
    of_grant = {"roles": 0 + 31, "suite": 32 + 7, "beginning": 40 + 63, "end": 104 + 63}
    return [
        *(
            Fails.anchor(f"anchor: the highest bit of the {name}", _anchor(_slot(slot, partial(xor, 1 << low + 63))))
            for name, (slot, low) in of_anchor.items()
        ),
        *(
            Fails.registry(f"registry: the highest bit of the {name}", _anchor(_term(2, partial(xor, 1 << bit))))
            for name, bit in of_grant.items()
        ),
        Vector(
            "registry: revoked in the last second that there is",
            _anchor(_term(2, lambda word: word | (2**64 - 1) << 168)),
        ),
        Vector("anchor: more above the packed numbers before", _anchor(_slot(before, partial(xor, 1 << 192)))),
        Vector(
            "anchor: more above the packed numbers of the last record", _anchor(_slot(last, partial(xor, 1 << 128)))
        ),
        Vector("registry: more above the packed numbers", _anchor(_term(2, lambda word: word | 1 << 232))),
    ]


def _start(root: bytes, size: int, number: int = 1) -> State:
    """Return a state in which the tree head is record ``number``, and the record before has this root and size."""
    state = ledger().state_with()
    state.record(number, ledger().checkpoint.root, ledger().checkpoint.size, 9, ANCHORED_AT)
    _, _, _, before_root, before = anchor_slots(number)
    word = size | 8 << 64 | (ANCHORED_AT - 1) << 128
    state.anchor |= {before_root: int.from_bytes(root), before: word}
    return state


def _second(root: bytes, size: int) -> tuple[Patch]:
    state = _start(root, size, 2)
    proven = state.proving(2, OFFICER)
    return put("/anchor", plain(replace(proven, block_note=example.vouched(proven.header))))


def _records_before() -> list[Vector]:
    """The record before has the root of nothing if and only if it is record 0 and has no entries."""
    another, size = b"\7" * 32, ledger().checkpoint.size
    return [
        Vector("record 1 after a record with entries", _anchor(_start(another, 1))),
        Fails.anchor("record 1 after a record with entries and the root of nothing", _anchor(_start(EMPTY, 1))),
        Fails.anchor("record 1 after a record without entries and another root", _anchor(_start(another, 0))),
        Vector("record 2 after a record without entries and another root", _second(another, 0)),
        Fails.anchor("record 2 after a record without entries", _second(EMPTY, 0)),
        Fails.anchor("record 2 after a record with entries and the root of nothing", _second(EMPTY, 1)),
        Vector("record 2 after a record of one entry fewer", _second(another, size - 1)),
        Fails.anchor("record 2 after a record of its size", _second(another, size)),
        Vector("record before of the same block", _anchor(_slot(4, lambda word: word + (1 << 64)))),
        Vector("record before of the same time", _anchor(_slot(4, lambda word: word + (1 << 128)))),
        Fails.anchor("record before of a later block", _anchor(_slot(4, lambda word: word + (2 << 64)))),
        Vector("record of the block of the header", _anchor(_slot(2, lambda word: word + (2 << 64)))),
        Fails.anchor("record of the block after the header's", _anchor(_slot(2, lambda word: word + (3 << 64)))),
        Fails.anchor("a last record above, of the same size", _anchor(_slot(0, lambda word: word + 1))),
        Fails.anchor("a number of the anchor's that is not the record's", put("/anchor/number", 2)),
    ]


def _read_in_order() -> list[Vector]:
    """A slot is malformed, and a node on the way to another one is missing: what is read first decides."""
    last, root, packed, before_root, before = anchor_slots(1)
    names = {last: "the last record", root: "the root", packed: "size and time", before_root: "the root before"}
    malformed_first = [(last, root), (root, before_root)]
    missing_first = [(root, packed), (root, before_root), (root, before), (before_root, before)]
    names[before] = "size and time before"

    def anchor(malformed: bytes, missing: bytes) -> tuple[Patch]:
        state = _state(lambda state: state.odd_words.update({malformed: rlp.encode(b"\0\5")}))
        proven = ledger().anchor(OFFICER, state=state)
        value = hexed(rlp.encode(quantity(state.anchor[missing])))[2:]
        kept = tuple(node for node in proven.state if not node.endswith(value))
        assert len(kept) == len(proven.state) - 1, "the value has a node of its own"
        return put("/anchor", plain(replace(proven, state=kept)))

    return [
        *(
            Fails.anchor(
                f"anchor: {names[first]} malformed, and the node of {names[then]} left out", anchor(first, then)
            )
            for first, then in malformed_first
        ),
        *(
            unverifiable(
                f"anchor: the node of {names[first]} left out, and {names[then]} malformed",
                anchor(then, first),
                unchecked=(5,),
            )
            for first, then in missing_first
        ),
    ]


def _accounts() -> list[Vector]:
    """Return accounts of the contract, as the state's trie has them."""
    state = ledger().state_with()
    root, code = storage_trie(state.anchor).root_hash, bytes.fromhex(CHAIN.anchor_code_hash[2:])
    spoiled = {
        "of five items": [b"\1", b"", root, code, b""],
        "of three items": [b"\1", root, code],
        "of nothing": [],
        "that is a string": b"\1" * 33,
        "whose storage is a list": [b"\1", b"", [root], code],
        "whose code is a list": [b"\1", b"", root, [code]],
        "of other code": [b"\1", b"", root, b"\7" * 32],
        "of other code, and of a storage that is not here": [b"\1", b"", b"\7" * 32, b"\7" * 32],
        "of an empty storage": [b"\1", b"", keccak256(b"\x80"), code],
    }

    def of(account: Any) -> tuple[Patch]:
        return _anchor(_state(lambda state: setattr(state, "odd_account", rlp.encode(account))))

    elsewhere = State(
        replace(CHAIN, anchor="0x" + "e3" * 20), 11, ANCHORED_AT + 24, state.anchor, state.registry, others=1
    )
    absent = ledger().anchor(OFFICER, state=elsewhere, contract=CHAIN.anchor)
    path = elsewhere.absent(bytes.fromhex(CHAIN.anchor[2:]))
    return [
        *(Fails.anchor(f"an account {name}", of(account)) for name, account in spoiled.items()),
        Vector("an account whose nonce and balance are lists", of([[b"\1"], [], root, code])),
        Fails.anchor("an account of a storage root of 31 bytes", of([b"\1", b"", root[:31], code])),
        Fails.anchor("no account", put("/anchor", plain(replace(absent, state=tuple(sorted({*absent.state, *path})))))),
    ]


def _without_node(*, of_anchor: bool) -> tuple[Patch]:
    """Leave out the nodes of one contract's storage."""
    state = ledger().state_with()
    kept = ledger().anchor(OFFICER).state
    roots = [storage_trie(slots).root_hash for slots in (state.anchor, state.registry)]
    gone = roots[0 if of_anchor else 1]
    return put("/anchor/state", [node for node in kept if keccak256(bytes.fromhex(node[2:])) != gone])


def _grant() -> list[Vector]:
    nothing = _state(lambda state: [*map(state.registry.pop, KEY_SLOTS)])
    spoiled = {
        "another agency": _term(0, lambda word: word + 1),
        "another officer": _term(1, lambda word: word + 1),
        "other roles": _term(2, lambda word: word ^ 4),
        "another end": _term(2, lambda word: word + (1 << 104)),
        "a grant that no chain has": nothing,
    }
    return [
        *(Fails.registry(f"registry: {name}", _anchor(state)) for name, state in spoiled.items()),
        unverifiable("the nodes of the registry left out", _without_node(of_anchor=False), unchecked=(11,)),
        Vector(
            "registry of an entry of the ledger itself, which no step looks at",
            _without_node(of_anchor=False),
            unchecked=(11,),
            of="sealed",
        ),
    ]


# -- tries made by hand -----------------------------------------------------------------------------------------------

PATH = keccak256(KEY_SLOTS[0]).hex()  # of the slot that is read first
KEY = PATH[1:]  # below the root
FIVE = rlp.encode(quantity(5))


def _trie(name: str, nodes: list[Any], *, fails: bool = False) -> Vector:
    """Make the registry's storage a branch under which these nodes lead to the first slot of a key.

    Nothing else under it is here: where the first slot can be read, a node is missing for the next one.
    """
    root = branch(keccak256(KEY_SLOTS[1]).hex()[0], bytes([7] * 32))
    first = rlp.encode(nodes[0]) if not isinstance(nodes[0], bytes) else nodes[0]
    root[int(PATH[0], 16)] = keccak256(first) if len(first) >= 32 else nodes[0]
    state = ledger().state_with()
    anchor = state.with_handmade_trie(ledger().anchor(OFFICER), [root, *nodes])
    anchor = replace(anchor, block_note=example.vouched(anchor.header))
    comes = Fails.registry if fails else partial(unverifiable, unchecked=(11,))
    return comes(f"trie: {name}", put("/anchor", plain(anchor)))


def _tries() -> list[Vector]:
    """Where the first slot is read, the nodes of the next one are missing."""
    assert keccak256(KEY_SLOTS[1]).hex()[0] != PATH[0], "the next slot is elsewhere"
    too_long = extension(other(KEY[1:]) + "0", bytes(32))
    return [
        _trie("a leaf", [leaf(KEY, FIVE)]),
        _trie("a branch and a leaf", [branch(KEY[0], hashed(leaf(KEY[1:], FIVE))), leaf(KEY[1:], FIVE)]),
        _trie("an extension and a leaf", [extension(KEY[:7], hashed(leaf(KEY[7:], FIVE))), leaf(KEY[7:], FIVE)]),
        _trie("a node that stands in its parent", deep(KEY, FIVE)),
        _trie("a short node by its hash", deep(KEY, FIVE, by_hash=True)),
        _trie("absent by an empty slot of a branch", [branch(other(KEY)[0], bytes(32))]),
        _trie("absent by a leaf that differs", [leaf(other(KEY), FIVE)]),
        _trie("absent by an extension that differs", [extension(other(KEY)[:8], bytes(32))]),
        _trie("absent by an extension longer than the path", [extension(other(KEY) + "00", bytes(32))]),
        _trie("absent by an extension longer than the rest", [branch(KEY[0], hashed(too_long)), too_long]),
        _trie("absent by a leaf that is too short", [leaf(KEY[:-1], FIVE)]),
        _trie("a value with a zero before", [leaf(KEY, rlp.encode(b"\0\5"))], fails=True),
        _trie("a value of zero that is there", [leaf(KEY, rlp.encode(b""))], fails=True),
        _trie("a value in a second spelling", [leaf(KEY, b"\x81\5")], fails=True),
        _trie("a branch with a value", [branch(KEY[0], hashed(leaf(KEY[1:], FIVE)), b"x"), leaf(KEY[1:], FIVE)]),
        _trie("a flag that is none", [[bytes.fromhex("5" + KEY), FIVE]], fails=True),
        *_read_or_not(),
    ]


def _nested(levels: int) -> list[Any]:
    return [_nested(levels - 1)] if levels else []


def _read_or_not() -> list[Vector]:
    """Return nodes at the borders of the rules: those that can be read, and then those that cannot."""
    below = leaf(KEY[1:], FIVE)
    crowded = branch(KEY[0], hashed(below))
    crowded[int(other(KEY)[0], 16)] = b"x"
    elsewhere = branch(other(KEY)[0], b"x")
    padded = [bytes.fromhex("21" + KEY[1:]), FIVE]
    readable = {
        "a branch with no reference in another place": [crowded, below],
        "absent by an empty slot of a branch, with no reference in another place": [elsewhere],
        "absent by a leaf that differs, with lists a hundred deep": [leaf(other(KEY), _nested(98))],
        "absent by a leaf that differs, with a list": [leaf(other(KEY), [b"x"])],
        "absent by a leaf that differs, with an empty list": [leaf(other(KEY), [])],
        "absent by an extension that differs, with no reference": [extension(other(KEY)[:8], b"x" * 31)],
        "a long node that stands in its parent": [branch(KEY[0], below)],
        "absent by a leaf that differs, without a value": [leaf(other(KEY), b"")],
        "absent by an extension that differs, to nothing": [extension(other(KEY)[:8], b"")],
        "absent by an extension to the end of the path": [extension(other(KEY), bytes(32))],
        "an extension of no part": [extension("", hashed(leaf(KEY, FIVE))), leaf(KEY, FIVE)],
        "an extension to nothing": [extension(KEY[:8], b"")],
        "a leaf that ends too late": [leaf(KEY + "0", FIVE)],
        "a branch whose value is a list": [branch(KEY[0], hashed(below), []), below],  # type: ignore[arg-type]
        "a value of 32 bytes": [leaf(KEY, rlp.encode(b"\1" * 32))],
    }
    malformed = {
        "absent by a leaf that differs, with padding": [branch(KEY[0], hashed(padded)), padded],
        "a leaf with a list": [leaf(KEY, [b"x"])],
        "a leaf with an empty list": [leaf(KEY, [])],
        "a leaf without a value": [leaf(KEY, b"")],
        "an extension to the end of the path": [extension(KEY, FIVE)],
        "an empty part": [[b"", FIVE]],
        "a part that is a list": [[[bytes.fromhex("3" + KEY)], FIVE]],
        "a reference of 31 bytes": [branch(KEY[0], b"x" * 31)],
        "a reference of 33 bytes": [branch(KEY[0], b"x" * 33)],
        "a node of three items": [[*leaf(KEY, FIVE), b""]],
        "a branch of 16 items": [branch(KEY[0], hashed(below))[:16], below],
        "a node that is a string": [rlp.encode(b"a string that is as long as a node may be")],
        "a node with a byte behind it": [rlp.encode(leaf(KEY, FIVE)) + b"\0"],
        "a value of 33 bytes": [leaf(KEY, rlp.encode(b"\1" * 33))],
        "a value that is a list": [leaf(KEY, rlp.encode([b"\5"]))],
        "a value with a byte behind it": [leaf(KEY, FIVE + b"\5")],
        "a length that is spelled with a zero": [b"\xf9\0" + rlp.encode([bytes(32), bytes(32)])[1:]],
        "a length that the first byte could say": [leaf(KEY, b"\xb8\2\5\5")],
        "a node that is cut": [rlp.encode(leaf(KEY, FIVE))[:-1]],
    }
    return [
        *(_trie(name, nodes) for name, nodes in readable.items()),
        *(_trie(name, nodes, fails=True) for name, nodes in malformed.items()),
    ]
