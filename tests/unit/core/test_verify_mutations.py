"""Random mutations of a good bundle: none is accepted, unless it says the same as before.

What a bundle says is everything but optional evidence, which enters no verdict, and what is signed by nobody that the
trust file names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ledger.core.errors import MalformedInput
from ledger.core.log.notes import parse_note
from ledger.core.log.tlog_proofs import parse_tlog_proof, tree_head_of
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import decode_bundle, encode_bundle
from ledger.core.verification.trust import Trust
from tests.testkit.anchored_bundles import anchored
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import ANCHORED_AT, LOG_SIGNER, log_with, naming, tree
from tests.testkit.changed_bundles import CASE, GOOD, REGISTERED, TRUST, put

DATA = encode_bundle(GOOD)
TREE: Any = json.loads(DATA)
OPTIONAL = ("erased", "timestamps")


def says(data: bytes) -> Any:
    """What a verified bundle comes to, in one form for all spellings of it."""
    content = json.loads(data)
    (content.get("authority") or {}).pop("revocation", None)
    for holder in (content, *(content.get("authority") or {}).values()):
        proof = parse_tlog_proof(holder["proof"])
        holder["proof"] = [proof.index, [h.hex() for h in proof.hashes], tree_head_of(proof.checkpoint)]
        if holder is content:  # of evidence the lines under the tree head do not count
            holder["proof"].append(parse_note(proof.checkpoint).signature_by(LOG_SIGNER.verifying_key))
    content["anchor"].pop("block_note", None)  # the trust file names the block
    return {name: value for name, value in content.items() if value not in ([], None) and name not in OPTIONAL}


SAID = says(DATA)


def require_refused_or_same(data: bytes) -> None:
    try:
        report = verify_bundle(data, TRUST)
    except MalformedInput:
        return
    if report.verdict == "intact":
        content = says(data)
        sections = content.pop("sections", {})  # may be withheld, one by one
        assert sections.items() <= SAID["sections"].items()
        assert content == {name: value for name, value in SAID.items() if name != "sections"}


@settings(max_examples=250)
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


@settings(max_examples=250)
@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_value_replaced(path: tuple[Any, ...], value: Any) -> None:
    """Any JSON value in any place."""
    tree = deepcopy(TREE)
    parent_of(tree, path)[path[-1]] = value
    require_refused_or_same(json.dumps(tree).encode())


def _revoked() -> Any:
    log = log_with(CASE, POLICE, PROCURATORATE)
    log.registry.revoke(clerk(POLICE))
    log.mirror()
    return tree(anchored(log, REGISTERED, log.state(revoked_at={clerk(POLICE).key_id: ANCHORED_AT - 1})))


def _spoiled(change: Callable[[Any], Any], start: Any = TREE) -> Any:
    spoiled = deepcopy(start)
    change(spoiled)
    return spoiled


LESS_THAN_INTACT: dict[str, Any] = {
    "payload withheld": _spoiled(lambda b: b.pop("payload")),
    "payload changed": _spoiled(put("payload", "salt", to="00" * 16)),
    "without authority": _spoiled(lambda b: b.pop("authority")),
    "without an anchor": _spoiled(lambda b: b.pop("anchor")),
    "key's slots left out": _spoiled(put("anchor", "registry", "storage_proof", to=lambda slots: slots[:1])),
    "revoked before the anchor, and not shown": _spoiled(lambda b: b["authority"].pop("revocation"), _revoked()),
}


def using(bundle: Any) -> Trust:
    """The trust file that names the block of the anchor as it was before the bundle was spoiled."""
    whole = decode_bundle(json.dumps(bundle).encode())
    return TRUST if whole.anchor is UNSET else naming(whole)


@pytest.mark.parametrize("name", LESS_THAN_INTACT)
def test_nothing_that_is_left_out_makes_a_verdict_intact(name: str) -> None:
    """Page 12, C: from a bundle that is not intact no part can be taken so that it becomes intact."""
    bundle = LESS_THAN_INTACT[name]
    trust = using(bundle)
    assert verify_bundle(json.dumps(bundle).encode(), trust).verdict != "intact"
    for path in paths(bundle)[1:]:
        shorter = deepcopy(bundle)
        del parent_of(shorter, path)[path[-1]]
        try:
            verdict = verify_bundle(json.dumps(shorter).encode(), trust).verdict
        except MalformedInput:
            continue
        assert verdict != "intact", path
