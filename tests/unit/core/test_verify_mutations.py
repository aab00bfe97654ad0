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

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.log.notes import parse_note
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import decode_bundle, encode_bundle
from ledger.core.verification.verify import verify_event
from tests.testkit.anchored_bundles import anchored
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import ANCHORED_AT, LOG_SIGNER, log_with, naming, tree
from tests.testkit.changed_bundles import CASE, GOOD, REGISTERED, TRUST, put

DATA = encode_bundle(GOOD)
TREE: Any = json.loads(DATA)


def says(data: bytes) -> Any:
    """What a verified bundle comes to, in one form for all spellings of it."""
    content = json.loads(data)
    (subject,) = [entry for entry in content["entries"] if entry["index"] == content["event"]]
    note = parse_note(content["note"])
    head = note.text, note.signature_by(LOG_SIGNER.verifying_key)
    return {"log_id": content["log_id"], "head": head, "anchor": content["anchor"]["header"], **subject}


SAID = says(DATA)


def require_refused_or_same(data: bytes) -> None:
    try:
        report = verify_event(data, TRUST).report
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
    try:
        data = canonical.encode(tree)
    except (OverflowError, UnicodeEncodeError):  # it is not to be had in JSON of this kind
        data = json.dumps(tree).encode()
    require_refused_or_same(data)


def _revoked() -> Any:
    log = log_with(CASE, POLICE, PROCURATORATE)
    log.registry.revoke(clerk(POLICE))
    log.mirror()
    return tree(anchored(log, REGISTERED, log.state(revoked_at={clerk(POLICE).key_id: ANCHORED_AT - 1})))


def _spoiled(change: Callable[[Any], Any], start: Any = TREE) -> Any:
    spoiled = deepcopy(start)
    change(spoiled)
    return spoiled


def subject(bundle: Any) -> Any:
    """The entry that the bundle is about."""
    return next(entry for entry in bundle["entries"] if entry["index"] == bundle["event"])


LESS_THAN_INTACT: dict[str, Any] = {
    "payload withheld": _spoiled(lambda b: [subject(b).pop(part) for part in ("payload", "sections")]),
    "payload changed": _spoiled(lambda b: subject(b)["payload"].update(salt="00" * 16)),
    "without authority": _spoiled(lambda b: b.update(entries=[subject(b)])),
    "without an anchor": _spoiled(lambda b: b.pop("anchor")),
    "without a node of the state": _spoiled(put("anchor", "state", to=lambda nodes: nodes[1:])),
    "revoked before the anchor, and not shown": _spoiled(lambda b: b["entries"].pop(), _revoked()),
}


def using(bundle: Any) -> Trust:
    """The trust file that names the block of the anchor as it was before the bundle was spoiled."""
    whole = decode_bundle(canonical.encode(bundle))
    return TRUST if whole.anchor is None else naming(whole)


@pytest.mark.parametrize("name", LESS_THAN_INTACT)
def test_nothing_that_is_left_out_makes_a_verdict_intact(name: str) -> None:
    """From a bundle that is not intact no part can be taken so that it becomes intact."""
    bundle = LESS_THAN_INTACT[name]
    trust = using(bundle)
    assert verify_event(canonical.encode(bundle), trust).report.verdict != "intact"
    for path in paths(bundle)[1:]:
        shorter = deepcopy(bundle)
        del parent_of(shorter, path)[path[-1]]
        try:
            verdict = verify_event(canonical.encode(shorter), trust).report.verdict
        except MalformedInput:
            continue
        assert verdict != "intact", path
