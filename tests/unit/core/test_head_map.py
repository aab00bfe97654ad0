"""The head map against its definition, its proofs, and everything that a forger of a proof may try."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, ProofRefused
from ledger.core.events import Stream, decode_payload, require_digest
from ledger.core.events.record import AccessSealed, HeadsMapped
from ledger.core.log.head_map import (
    EMPTY_MAP,
    MAX_IN_PAGE,
    HeadMap,
    HeadProof,
    MapKey,
    MappedHead,
    is_map,
    map_key,
    map_leaf,
    map_payload,
    proven_root,
    require_mapped,
    state_in,
    verify_head,
)
from ledger.core.log.merkle import Hash, RootMismatch, node_hash
from tests.oracles import head_map_reference as reference
from tests.testkit.builders import SERVICE, event_of, refused_at

Heads = dict[MapKey, MappedHead]


def key(number: int) -> MapKey:
    return MapKey(sha256(b"stream %d" % number).digest())


def head(number: int, count: int = 1) -> MappedHead:
    return MappedHead(count, Hash(sha256(b"entry %d of %d" % (count, number)).digest()))


def heads_of(size: int) -> Heads:
    return {key(number): head(number) for number in range(size)}


def plain(heads: Heads) -> dict[bytes, tuple[int, bytes]]:
    return {bytes(key): (state.count, state.head) for key, state in heads.items()}


def built(heads: Heads) -> HeadMap:
    head_map = HeadMap()
    head_map.update(heads)
    return head_map


class Pages:
    """Pages that are stored, and how often they were asked for."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.reads = 0

    def __call__(self, names: Collection[str]) -> Mapping[str, bytes]:
        self.reads += 1
        return {name: self.stored[name] for name in names if name in self.stored}


# A key is made of one that another shares, to make long common beginnings; hashes alone would hardly have any.
def _beginning_alike(number: int, shared: int) -> MapKey:
    mixed = int.from_bytes(key(number), "big") >> shared | (int.from_bytes(key(0), "big") >> (256 - shared)) << (
        256 - shared
    )
    return MapKey(mixed.to_bytes(32, "big"))


KEYS = st.builds(_beginning_alike, st.integers(0, 60), st.sampled_from([0, 0, 3, 9, 30, 250]))
MAPS = st.dictionaries(KEYS, st.builds(head, st.integers(0, 9), st.integers(1, 5)), max_size=60)


@settings(deadline=None)
@given(st.lists(MAPS, max_size=4), KEYS)
def test_a_map_is_that_of_its_definition(updates: list[Heads], looked_for: MapKey) -> None:
    """Whatever the order of updates, and whether its pages were stored between them: the same root and proofs."""
    pages, root, all_heads = Pages(), EMPTY_MAP, Heads()
    for update in updates:
        head_map = HeadMap(root, pages)
        head_map.update(update)
        pages.stored.update(head_map.changed)
        root, all_heads = head_map.root, all_heads | update
        assert root == reference.subtree(plain(all_heads))
    stored = HeadMap(root, pages)
    assert stored.heads([*all_heads, looked_for]) == all_heads | stored.heads([looked_for])
    for sought in [*all_heads, looked_for]:
        proof = HeadMap(root, pages).prove(sought)
        siblings, leaf = reference.proof(plain(all_heads), sought)
        assert list(proof.siblings) == siblings
        assert proof.leaf == (leaf and (leaf[0], MappedHead(leaf[1], Hash(leaf[2]))))
        assert verify_head(sought, proof, root) == all_heads.get(sought)


def test_the_smallest_maps() -> None:
    """Of none the root is 32 zero bytes and the proof empty; of one it is the leaf's hash, of key, count and head."""
    empty = HeadMap()
    empty.update({})
    assert (empty.root, empty.changed, empty.prove(key(1))) == (bytes(32), {}, HeadProof())
    assert verify_head(key(1), HeadProof(), EMPTY_MAP) is None
    alone = built({key(1): head(1, 3)})
    assert alone.root == map_leaf(key(1), head(1, 3))
    assert alone.root == sha256(b"\x00" + key(1) + (3).to_bytes(8, "big") + head(1, 3).head).digest()
    assert alone.prove(key(2)) == HeadProof((), (key(1), head(1, 3)))


def test_a_page_is_read_once_and_with_the_others_of_its_level() -> None:
    """An update of many streams asks for as many pages at a time as it needs: one query a level."""
    pages = Pages()
    first = HeadMap(read=pages)
    first.update(heads_of(40 * MAX_IN_PAGE))
    pages.stored.update(first.changed)
    pages.reads = 0
    second = HeadMap(first.root, pages)
    second.update({key(number): head(number, 2) for number in range(0, 300, 7)})
    assert pages.reads == max(map(len, pages.stored)) + 1


def test_the_names_of_pages_are_the_beginnings_of_keys() -> None:
    """A page is divided when it holds more than MAX_IN_PAGE streams; its parts are named by the next digit."""
    assert set(built(heads_of(MAX_IN_PAGE)).changed) == {""}
    divided = built(heads_of(MAX_IN_PAGE + 1)).changed
    assert set(divided) == {"", *(key(number).hex()[0] for number in range(MAX_IN_PAGE + 1))}


@pytest.mark.parametrize("spoiled", ["root", "part", "missing", "additional"])
def test_a_page_that_was_changed_where_it_is_stored_leads_to_no_root(spoiled: str) -> None:
    """A fault of a disk must not become a false statement, nor an accusation of the log."""
    pages = Pages()
    head_map = HeadMap()
    streams = heads_of(MAX_IN_PAGE + 2)
    head_map.update(streams)
    pages.stored.update(head_map.changed)
    name = next(name for name in pages.stored if name)
    inside = next(sought for sought in streams if sought.hex().startswith(name))
    absent = next(digit for digit in "0123456789abcdef" if digit not in pages.stored)
    sought = inside
    if spoiled == "root":
        pages.stored[""] = pages.stored[""][:-1] + b"x"
    elif spoiled == "part":
        pages.stored[name] = pages.stored[name][:-1] + bytes([pages.stored[name][-1] ^ 1])
    elif spoiled == "missing":
        del pages.stored[name]
    else:
        pages.stored[absent] = pages.stored[name]
        sought = MapKey(bytes.fromhex(absent + "0" * 63))
    for act in (
        HeadMap(head_map.root, pages).check,
        lambda: HeadMap(head_map.root, pages).heads([sought]),
        lambda: HeadMap(head_map.root, pages).update({sought: head(1)}),
    ):
        with pytest.raises(IntegrityBroken, match="head map"):
            act()


@pytest.mark.parametrize(
    "spoil", [lambda _page: b"", lambda page: page[:-1], lambda page: page + page[1:], lambda page: b"x" + page[1:]]
)
@pytest.mark.parametrize("name", ["", "of streams"])
def test_what_is_no_page_is_refused(name: str, spoil: Callable[[bytes], bytes]) -> None:
    """Nothing, a part of a page, more than one or another kind: none leads to another error, whatever is in it."""
    pages, head_map = Pages(), HeadMap()
    head_map.update(heads_of(MAX_IN_PAGE + 2))
    pages.stored.update(head_map.changed)
    HeadMap(head_map.root, pages).check()
    name = next(stored for stored in pages.stored if bool(stored) == bool(name))
    pages.stored[name] = spoil(pages.stored[name])
    with pytest.raises(IntegrityBroken, match="head map"):
        HeadMap(head_map.root, pages).check()


# -- proofs that are refused -------------------------------------------------------------------------------------------

STREAMS = heads_of(40)
MAP = built(STREAMS)
PROOF = MAP.prove(key(1))


@pytest.mark.parametrize(
    ("field", "proof"),
    [
        ("siblings", replace(PROOF, siblings=PROOF.siblings * 60)),
        ("siblings", replace(PROOF, siblings=(Hash(b"short"), *PROOF.siblings[1:]))),
        ("siblings", replace(PROOF, siblings=(EMPTY_MAP, *PROOF.siblings))),
        ("leaf", replace(PROOF, leaf=(key(1), MappedHead(1, Hash(b"short"))))),
        ("leaf", replace(PROOF, leaf=(MapKey(b"short"), head(1)))),
        ("leaf.count", replace(PROOF, leaf=(key(1), MappedHead(0, head(1).head)))),
        ("leaf.count", replace(PROOF, leaf=(key(1), MappedHead(1 << 63, head(1).head)))),
        ("leaf.key", replace(PROOF, leaf=(MapKey(bytes(a ^ 255 for a in key(1))), head(1)))),
    ],
)
def test_a_proof_of_another_form_is_refused(field: str, proof: HeadProof) -> None:
    """Lengths are bounded, and there is one form of each proof."""
    with refused_at(field, error=ProofRefused):
        proven_root(key(1), proof)


def test_a_key_is_32_bytes() -> None:
    """A path could otherwise be of any length."""
    with refused_at("siblings", error=ProofRefused):
        proven_root(MapKey(b"\x00"), PROOF)


@given(st.integers(0, 39), st.data())
def test_a_proof_leads_to_no_other_map(number: int, data: st.DataObject) -> None:
    """Another head, count, sibling or side, or a sibling more or less, is not what the root commits to."""
    proof = MAP.prove(key(number))
    assert proof.leaf is not None
    at = data.draw(st.integers(0, len(proof.siblings) - 1))
    siblings = list(proof.siblings)
    siblings[at] = Hash(bytes([siblings[at][0] ^ 1]) + siblings[at][1:])
    forged = [
        replace(proof, leaf=(key(number), head(number, 2))),
        replace(proof, leaf=(key(number), replace(head(number), count=2))),
        replace(proof, leaf=None),
        replace(proof, siblings=tuple(siblings)),
        replace(proof, siblings=proof.siblings[1:]),
        replace(proof, siblings=(node_hash(EMPTY_MAP, EMPTY_MAP), *proof.siblings)),
    ]
    for forged_proof in forged:
        with pytest.raises(ProofRefused):
            verify_head(key(number), forged_proof, MAP.root)
    with pytest.raises(RootMismatch):
        verify_head(key(number), proof, EMPTY_MAP)


def test_a_stream_is_not_proven_absent_by_a_leaf_elsewhere() -> None:
    """The leaf that stands in the place of a stream shares all bits of the path with it."""
    absent = next(key(number) for number in range(40, 400) if MAP.prove(key(number)).leaf is not None)
    of_absent = MAP.prove(absent)
    assert state_in(absent, of_absent) is None
    assert verify_head(absent, of_absent, MAP.root) is None
    elsewhere = next(sought for sought in STREAMS if MAP.prove(sought).leaf != of_absent.leaf)
    with pytest.raises(ProofRefused):
        verify_head(elsewhere, of_absent, MAP.root)


# -- the entry that commits to a map -----------------------------------------------------------------------------------


def test_the_key_of_a_stream_is_of_its_canonical_bytes() -> None:
    """By the reference, which writes these bytes out."""
    assert map_key(Stream(kind="case", id="case-1")) == reference.key_of("case", "case-1")


def test_the_payload_of_a_map_follows_from_its_envelope_and_root() -> None:
    """Nobody needs to be shown it: another root, salt, time or officer gives another digest."""
    mapped = event_of(HeadsMapped(root="0x" + MAP.root.hex()), SERVICE, salt="00" * 16, signed_at=1772413230)
    payload = map_payload(mapped.envelope, MAP.root)
    assert decode_payload(payload, "heads.mapped").occurred_at == "2026-03-02T01:00:30Z"
    assert is_map(mapped.envelope)
    assert not is_map(event_of(AccessSealed(count=0, head="sha256:" + "00" * 32), SERVICE).envelope)
    committed = replace(mapped.envelope, payload_digest=blake3_text(payload))
    require_mapped(committed, MAP.root)
    require_digest(committed, payload)
    assert canonical.encode(decode_payload(payload, "heads.mapped")) == payload
    with refused_at("envelope.payload_digest", error=ProofRefused):
        require_mapped(committed, EMPTY_MAP)
    with refused_at("envelope.payload_digest", error=ProofRefused):
        require_mapped(mapped.envelope, MAP.root)  # it occurred before it was signed
