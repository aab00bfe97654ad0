"""Random mutations of a good bundle: none is accepted, unless it says the same as before.

What a bundle says is everything but its claims, which no step checks and the report calls so: where and when an anchor
was made, and what is signed by nobody that the trust file names.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.core.bundle import encode_bundle
from ledger.core.errors import MalformedInput
from ledger.core.note import parse_note
from ledger.core.proof import parse_tlog_proof
from ledger.core.verify import verify_bundle
from tests.bundles import CHAIN, LOG_SIGNER, trust
from tests.verifying import GOOD, TRUST

DATA = encode_bundle(GOOD)
TREE: Any = json.loads(DATA)
CLAIMS = ("number", "registry_hash", "anchored_in", "proven_at")


def says(data: bytes) -> Any:
    """What a verified bundle comes to, in one form for all spellings of it."""
    told = json.loads(data)
    for holder in (told, *(told.get("authority") or {}).values()):
        proof = parse_tlog_proof(holder["proof"])
        note = parse_note(proof.checkpoint)
        key = LOG_SIGNER.verifying_key
        holder["proof"] = [proof.index, [h.hex() for h in proof.hashes], note.text, note.signature_by(key)]
    told["anchors"] = [
        {name: value for name, value in anchor.items() if name not in CLAIMS}
        for anchor in told.get("anchors", [])
        if anchor["contract"] == CHAIN.anchor
    ]
    return {name: value for name, value in told.items() if value not in ([], None)}


SAID = says(DATA)


def require_refused_or_same(data: bytes) -> None:
    try:
        report = verify_bundle(data, TRUST)
    except MalformedInput:
        return
    if report.verdict == "intact":
        told = says(data)
        sections = told.pop("sections", {})  # may be withheld, one by one
        assert sections.items() <= SAID["sections"].items()
        assert told == {name: value for name, value in SAID.items() if name != "sections"}


@settings(max_examples=1500)
@given(
    start=st.integers(0, len(DATA) - 1),
    length=st.integers(0, 40),
    put=st.binary(max_size=6)
    | st.sampled_from([b'"', b"}", b"{}", b"null", b"0", b"a", b" ", b",", b"\\n", b"\\u0000"]),
)
@example(start=0, length=0, put=b" ")
@example(start=len(DATA) - 1, length=1, put=b"}\n")
def test_bytes_changed(start: int, length: int, put: bytes) -> None:
    """Bytes cut, put in and overwritten anywhere."""
    require_refused_or_same(DATA[:start] + put + DATA[start + length :])


@settings(max_examples=800)
@given(position=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_one_bit_flipped(position: int, bit: int) -> None:
    """A single bit anywhere."""
    require_refused_or_same(DATA[:position] + bytes([DATA[position] ^ 1 << bit]) + DATA[position + 1 :])


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in the tree."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in inner for path in paths(child, (*at, key)))]


PATHS = paths(TREE)[1:]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def parent_of(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


@settings(max_examples=1500)
@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_value_replaced(path: tuple[Any, ...], value: Any) -> None:
    """Any JSON value in any place."""
    tree = deepcopy(TREE)
    parent_of(tree, path)[path[-1]] = value
    require_refused_or_same(json.dumps(tree).encode())


@settings(max_examples=1500)
@given(first=st.sampled_from(PATHS), second=st.sampled_from(PATHS))
def test_value_from_elsewhere(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    """A value that is well-formed elsewhere in the bundle, here."""
    tree = deepcopy(TREE)
    donor = deepcopy(parent_of(TREE, second)[second[-1]])
    parent_of(tree, first)[first[-1]] = donor
    require_refused_or_same(json.dumps(tree).encode())


@settings(max_examples=400)
@given(path=st.sampled_from(PATHS))
def test_value_left_out(path: tuple[Any, ...]) -> None:
    """Any member missing."""
    tree = deepcopy(TREE)
    del parent_of(tree, path)[path[-1]]
    require_refused_or_same(json.dumps(tree).encode())


@settings(max_examples=300)
@given(data=st.binary(max_size=400) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_garbage(data: bytes) -> None:
    """Anything that is no bundle is malformed and raises nothing else."""
    require_refused_or_same(data)


def test_mutations_are_made_of_an_intact_bundle() -> None:
    """The tests above start from what is accepted."""
    assert verify_bundle(DATA, trust()).verdict == "intact"
