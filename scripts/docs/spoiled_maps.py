"""Vectors about head maps: a case that is whole or not, and a stream that the log does not have."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace as other
from functools import cache, partial
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Stream
from ledger.core.log import merkle
from ledger.core.log.head_map import EMPTY_MAP, HeadMap, HeadProof, MappedHead, map_key
from ledger.core.verification.bundle import Bundle, BundleEntry, MapLeaf, MapProof, nodes_of
from scripts.docs import example
from scripts.docs.example import CASE, CASE_ENTRIES, MAPPED, NO_CASE
from scripts.docs.vector import (
    OTHER,
    Edit,
    Vector,
    copied,
    failing,
    plain,
    policy,
    put,
    refused,
    repeated,
    spoiled_line,
    unverifiable,
    whole,
    without,
)

LAST, MIDDLE = "/entries/8", "/entries/6"  # events of the case
COMMITMENT = "/entries/10"
EMPTY = b64encode(EMPTY_MAP).decode()

whole_case = partial(Vector, of="whole")
# What does not hold of a map counts as left out.
not_shown = partial(Vector, of="whole", unchecked=(9,), completeness="not_checked")
contradicted = partial(Vector, of="whole", failed=(9,), completeness="contradicted")
absent = partial(Vector, of="absent")
no_map = failing(6, unchecked=(7,), of="absent", completeness="not_checked")


@cache
def ledger() -> example.Ledger:
    """Return the log of the example with its head map behind it."""
    return example.Ledger(example.mapped_entries())


def map_vectors() -> list[Vector]:
    """Return faults of maps and of what is shown by them."""
    return [*_whole(), *_commitments(), *_covered(), *_absent()]


def _false_map(count: int, head: bytes) -> tuple[bytes, MapProof]:
    """Return the root of the map in which the case has this state, and the proof of it."""
    true = example.head_map(example.entries())
    key = map_key(CASE)
    true.update({key: MappedHead(count, merkle.Hash(head))})
    return true.root, _proof(true, CASE)


def _proof(of: HeadMap, stream: Stream) -> MapProof:
    proof = of.prove(map_key(stream))
    return MapProof(index=MAPPED, siblings=proof.siblings, leaf=_leaf_of(proof))


def _leaf_of(proof: HeadProof) -> MapLeaf | None:
    if proof.leaf is None:
        return None
    key, state = proof.leaf
    return MapLeaf(key="0x" + key.hex(), count=state.count, head="0x" + state.head.hex())


def _committed(root: bytes, proof: MapProof, **of_payload: str) -> tuple[Any, ...]:
    """Return the case of a log that has committed to this map."""
    of = example.Ledger(example.mapped_entries(root, **of_payload))
    return whole(replace(of.whole_case(), map=proof))


def _by_suite_2() -> example.Ledger:
    """Return the log whose head map is signed by suite 2."""
    *others, mapped = example.mapped_entries()
    return example.Ledger([*others, example.resigned(mapped, suite=2)])


def _dated(signed_at: int, occurred_at: str) -> tuple[Any, ...]:
    """Return the absence in a log that has committed to its map at this time; the payload is withheld."""
    of = example.Ledger(example.mapped_entries(None, signed_at=signed_at, occurred_at=occurred_at))
    entries = (BundleEntry(index=MAPPED, envelope=of.entries[MAPPED].envelope),)
    nodes = nodes_of([MAPPED], of.checkpoint.size, of.paths.__getitem__)
    return whole(replace(ledger().absence(NO_CASE), entries=entries, nodes=nodes, note=of.note, anchor=of.anchor()))


def _siblings(count: int) -> tuple[Edit]:
    """Put so many siblings before those of whole.json."""
    file = ledger().whole_case()
    more = count - len(_proof(example.head_map(example.entries()), CASE).siblings)
    return (repeated(f'"{b64encode(bytes([7] * 32)).decode()}",', more, '"siblings":[', file=file),)


def _whole() -> list[Vector]:
    true = ledger()
    head = merkle.leaf_hash(true.entries[CASE_ENTRIES[-1]].data)
    old = example.head_map(true.entries[: CASE_ENTRIES[-1]])
    root, proof = example.head_map(true.entries[:MAPPED]).root, true.map_proof(CASE)
    elsewhere = "0x" + bytes(byte ^ 255 for byte in map_key(CASE)).hex()
    one_witness = example.cosigned(true.checkpoint, example.COSIGNATURES[:1])
    return [
        whole_case("a whole case as it is"),
        contradicted("the last event left out of a whole case", without(LAST)),
        failing(7, 8, 9, of="whole", conformity="contradicted", completeness="contradicted")(
            "an event left out in the middle of a whole case", without(MIDDLE)
        ),
        failing(6, 7, 8, unchecked=(9,), of="whole", conformity="contradicted", completeness="not_checked")(
            "an event of a whole case in the place of another",
            (*copied("/entries/7/envelope", f"{MIDDLE}/envelope"), *copied("/entries/7/payload", f"{MIDDLE}/payload")),
        ),
        unverifiable(
            "a whole case without a node of one event",
            without("/nodes/0~16"),
            unchecked=(6, 7, 9),
            of="whole",
            completeness="not_checked",
        ),
        not_shown("the map left out", without("/map")),
        not_shown("the siblings of the map left out", without("/map/siblings")),
        not_shown("a sibling of the map that is another", put("/map/siblings/0", b64encode(b"\x01" * 32).decode())),
        not_shown("a sibling of the map twice", copied("/map/siblings/0", "/map/siblings/-")),
        not_shown("an empty deepest sibling", put("/map/siblings/0", EMPTY)),
        not_shown("no leaf in the map", without("/map/leaf")),
        not_shown("a leaf with another count", put("/map/leaf/count", 3)),
        not_shown("a leaf with another head", put("/map/leaf/head", "0x" + "07" * 32)),
        not_shown("a leaf of another stream", put("/map/leaf/key", "0x" + map_key(NO_CASE).hex())),
        not_shown("a leaf that has another place", put("/map/leaf/key", elsewhere)),
        not_shown("a map by a suite that nobody has", whole(_by_suite_2().whole_case()), trust=put("/suites", [1, 2])),
        not_shown("an entry that commits to no map", put("/map/index", CASE_ENTRIES[0])),
        not_shown("a commitment to another map", _committed(bytes(32), proof)),
        not_shown("a commitment whose payload has a salt of its own", _committed(root, proof, salt="ab" * 16)),
        not_shown(
            "a commitment that occurred before it was signed", _committed(root, proof, occurred_at=example.OCCURRED_AT)
        ),
        contradicted("a log that commits to a case of three events", _committed(*_false_map(3, head))),
        contradicted("a log that commits to another last event", _committed(*_false_map(4, b"\x07" * 32))),
        contradicted("a log that commits to an old map", _committed(old.root, _proof(old, CASE))),
        unverifiable(
            "a whole case without the quorum",
            put("/note", one_witness),
            unchecked=(3, 6, 9),
            of="whole",
            completeness="not_checked",
        ),
        failing(3, 6, unchecked=(8, 9), of="whole", conformity="not_checked", completeness="not_checked")(
            "a whole case with a witness's line twice",
            put("/note", true.note + true.note.splitlines(keepends=True)[-1]),
        ),
        whole_case("a whole case without an anchor", without("/anchor"), "not_yet_anchored", unchecked=(4, 5, 6)),
        refused("a map of an entry that is not here", put("/map/index", 3), of="whole"),
        refused("a leaf of no events", put("/map/leaf/count", 0), of="whole"),
        refused("a leaf of 2^53 events", put("/map/leaf/count", 2**53), of="whole"),
        refused("a leaf whose key has 31 bytes", put("/map/leaf/key", "0x" + "07" * 31), of="whole"),
        refused("a leaf whose head has 31 bytes", put("/map/leaf/head", "0x" + "07" * 31), of="whole"),
        refused("a field of a map that is not listed", put("/map/remark", "x"), of="whole"),
        refused("a field of a leaf that is not listed", put("/map/leaf/remark", "x"), of="whole"),
        refused("a map of one event", put("/map", {"index": CASE_ENTRIES[1]})),
        not_shown("as many siblings as a key has bits", edits=_siblings(256)),
        refused("more siblings than a key has bits", edits=_siblings(257), of="whole"),
        refused("a sibling of another length", put("/map/siblings/0", "AAAA"), of="whole"),
        refused("a map with one event", (*without("/stream"), *put("/event", CASE_ENTRIES[-1])), of="whole"),
    ]


def _commitment(**envelope: Any) -> tuple[Any, ...]:
    """Return the case of a log whose commitment has other fields of its envelope, signed by the ledger's key."""
    *entries, last = example.mapped_entries()
    return whole(example.Ledger([*entries, example.resigned(last, **envelope)]).whole_case())


def _badly_signed(of: Callable[[example.Ledger], Bundle]) -> tuple[Any, ...]:
    """Return a bundle of a log whose last entry has the signature of another."""
    *entries, last = example.mapped_entries()
    signature = entries[-1].envelope.signature
    return whole(of(example.Ledger([*entries, other(last, envelope=replace(last.envelope, signature=signature))])))


def _led_to(stream: Stream, proof: MapProof) -> bytes:
    """Return the root to which a proof leads, whatever is wrong with it, by docs/protocol/head-map.md."""
    key, hashed = int.from_bytes(map_key(stream)), bytes(32)
    if proof.leaf is not None:
        leaf_key, head = (bytes.fromhex(text[2:]) for text in (proof.leaf.key, proof.leaf.head))
        hashed = sha256(b"\0" + leaf_key + proof.leaf.count.to_bytes(8) + head).digest()
    for depth, sibling in zip(reversed(range(len(proof.siblings))), proof.siblings, strict=True):
        halves = sibling + hashed if key >> (255 - depth) & 1 else hashed + sibling
        hashed = sha256(b"\1" + halves).digest()
    return hashed


def _commitments() -> list[Vector]:
    """Return entries that commit to no map, whatever root their payloads name."""
    true = ledger().map_proof(CASE)
    assert true.leaf is not None
    elsewhere = "0x" + bytes([map_key(CASE)[0] ^ 128, *map_key(CASE)[1:]]).hex()
    misplaced = replace(true, leaf=replace(true.leaf, key=elsewhere))
    hollow = replace(true, siblings=(EMPTY_MAP, *true.siblings))
    malformed = {"a leaf that has another place": misplaced, "an empty deepest sibling": hollow}
    of_agency = {"stream": Stream(kind="agency", id="ledger"), "sequence": 0, "previous": None}
    return [
        not_shown("a commitment that is not signed by its key", _badly_signed(example.Ledger.whole_case)),
        not_shown("a commitment of another event type", _commitment(event_type="access.sealed")),
        not_shown("a commitment in the name of an agency", _commitment(agency="psb-east")),
        not_shown("a commitment in another stream", _commitment(**of_agency)),
        not_shown("a commitment whose payload was edited", put(f"{COMMITMENT}/payload/salt", "01" * 16)),
        whole_case("a commitment without its payload", without(f"{COMMITMENT}/payload")),
        *(
            not_shown(f"a commitment to the root to which {name} leads", _committed(_led_to(CASE, proof), proof))
            for name, proof in malformed.items()
        ),
    ]


def _covered() -> list[Vector]:
    """Return maps with events at the index of the map and above it, and maps that only the log vouches for."""
    writer = example.Writer(example.mapped_entries())
    writer.write(example.registration(3), CASE)
    writer.write(example.opening(), NO_CASE)
    longer = example.Ledger(writer.entries)
    case_after, other_after = MAPPED + 1, MAPPED + 2
    without_case = example.head_map(entry for entry in example.entries() if entry.envelope.stream != CASE)
    lacking = example.Ledger(example.mapped_entries(without_case.root))
    nothing = _proof(without_case, CASE)
    true = ledger()
    own = [index for index, entry in enumerate(true.entries) if entry.envelope.stream == example.SYSTEM]
    of_system = true.file(own, stream=example.SYSTEM, map=true.map_proof(example.SYSTEM))
    system = partial(Vector, of="system", unchecked=(8,), completeness="shown")
    one_witness = put("/note", example.cosigned(true.checkpoint, example.COSIGNATURES[:1]))
    no_witness = (*policy(f"{example.WITNESS_LINES}quorum none\n"), *put("/development", True))
    return [
        whole_case("an event after the map", whole(longer.whole_case((*CASE_ENTRIES, case_after)))),
        whole_case("an event after the map left out", whole(longer.whole_case())),
        system("a map of the stream of its own commitment", whole(of_system)),
        whole_case(
            "a case that begins after the map",
            whole(replace(longer.whole_case((other_after,)), stream=NO_CASE, map=longer.map_proof(NO_CASE))),
        ),
        contradicted("a log that commits to a map without the case", whole(replace(lacking.whole_case(), map=nothing))),
        contradicted(
            "the last event left out of a whole case without the quorum",
            (*without(LAST), *one_witness),
            "unverifiable",
            unchecked=(3, 6),
        ),
        not_shown(
            "a whole case where the policy asks for no witness",
            verdict="not_yet_anchored",
            unchecked=(3, 4, 5, 6, 9),
            trust=no_witness,
        ),
        absent(
            "an absence where the policy asks for no witness",
            verdict="not_yet_anchored",
            unchecked=(3, 4, 5, 7),
            completeness="not_checked",
            trust=no_witness,
        ),
    ]


def _absent() -> list[Vector]:
    true = ledger()
    file: Bundle = true.absence(NO_CASE)
    one_witness = example.cosigned(true.checkpoint, example.COSIGNATURES[:1])
    unproven = partial(unverifiable, of="absent", completeness="not_checked")
    by_suite_2 = _by_suite_2()
    another = plain(example.Ledger(example.mapped_entries(bytes(32))).entries[MAPPED].envelope)
    return [
        absent("a case that the log does not have"),
        absent("an agency that has written nothing", whole(true.absence(Stream(kind="agency", id="psb-east")))),
        failing(7, of="absent", completeness="contradicted")("a case that the log has", whole(true.absence(CASE))),
        no_map("the proof of another case's absence", put("/absent/id", "case-7f3a")),
        no_map("a sibling of the absence left out", without("/map/siblings/0")),
        no_map("an empty deepest sibling of the absence", put("/map/siblings/0", EMPTY)),
        no_map("a commitment to another map than the absence needs", put("/entries/0/envelope", another)),
        absent("an absence by a map of the last second", _dated(32_503_679_999, "2999-12-31T23:59:59Z")),
        refused("an absence by a map of the year 3000", _dated(32_503_680_000, "3000-01-01T00:00:00Z"), of="absent"),
        no_map("an absence by another key than the ledger's", trust=put("/service_key_id", OTHER[:42])),
        no_map("an absence by a suite that the ledger does not take", trust=put("/suites", [2])),
        unproven(
            "an absence by a suite that nobody has",
            whole(by_suite_2.absence(NO_CASE)),
            trust=put("/suites", [1, 2]),
            unchecked=(6, 7),
        ),
        no_map(
            "an absence by a suite that nobody has, whose proof leads elsewhere",
            whole(replace(by_suite_2.absence(NO_CASE), map=true.map_proof(CASE))),
            trust=put("/suites", [1, 2]),
        ),
        unproven("an absence without nodes", without("/nodes"), unchecked=(6, 7)),
        unproven("an absence without the quorum", put("/note", one_witness), unchecked=(3, 7)),
        absent("an absence without an anchor", without("/anchor"), "not_yet_anchored", unchecked=(4, 5)),
        failing(1, 6, unchecked=(2, 3, 4, 5, 7), of="absent", completeness="not_checked")(
            "an absence that was made to name another ledger", put("/log_id", OTHER)
        ),
        absent(
            "an absence, and a trust file of another ledger",
            verdict="other_ledger",
            trust=put("/log_id", OTHER),
            failed=(1,),
            unchecked=(2, 3, 4, 5, 6, 7),
            completeness="not_checked",
        ),
        failing(3, unchecked=(7,), of="absent", completeness="not_checked")(
            "an absence whose note somebody spoiled", put("/note", spoiled_line(file.note))
        ),
        failing(7, unchecked=(3,), of="absent", completeness="contradicted")(
            "a case that the log has, without the quorum",
            (*whole(true.absence(CASE)), *put("/note", one_witness)),
        ),
        no_map("an absence by a commitment that is not signed", _badly_signed(lambda log: log.absence(NO_CASE))),
        unproven(
            "an absence by a commitment that is not signed, without nodes",
            (*_badly_signed(lambda log: log.absence(NO_CASE)), *without("/nodes")),
            unchecked=(6, 7),
        ),
        failing(2, unchecked=(3, 5, 6, 7), of="absent", completeness="not_checked")(
            "an absence without a tree head", put("/note", "")
        ),
        absent(
            "an absence with an entry besides",
            whole(
                replace(
                    file,
                    entries=(true.entry(0), *file.entries),
                    nodes=nodes_of((0, MAPPED), true.checkpoint.size, true.paths.__getitem__),
                )
            ),
        ),
        refused("an absence without a map", without("/map"), of="absent"),
        refused("an absence and a stream", copied("/absent", "/stream"), of="absent"),
        refused("an absence with an entry of the stream", put("/absent", plain(example.SYSTEM)), of="absent"),
    ]
