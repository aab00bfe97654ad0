"""``ledger.core.verification.bundle``: what is no bundle is refused whole, what is none of its parts by its step."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import MAX_BUNDLE_LENGTH, encode_bundle
from tests.testkit.builders import refused_at
from tests.testkit.bundles import tree
from tests.testkit.changed_bundles import CASE, GOOD, TRUST, Tree, faults, put, verdict_of


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "bundle"),
        (b"{", "bundle"),
        (b"[]", "bundle"),
        (b"\xef\xbb\xbf{}", "bundle"),
        (b"\xff", "bundle"),
        (b'{"format":"tallystick/bundle@v2"}', "bundle.format"),
        (b"[" * 100_000, "bundle"),
        (b" " * (MAX_BUNDLE_LENGTH + 1), "bundle"),
    ],
)
def test_no_bundle(data: bytes, field: str) -> None:
    """Bytes that are no bundle are malformed, and nothing else is ever raised."""
    with refused_at(field):
        verify_bundle(data, TRUST)


MALFORMED: dict[str, Callable[[Tree], None]] = {
    "unknown field": put("more", to=1),
    "digest labelled SHA-256": put("envelope", "payload_digest", to=lambda d: d.replace("blake3:", "sha256:")),
    "unsigned envelope": lambda b: b["envelope"].pop("signature"),
    "EIP-2098 signature": put("envelope", "signature", to=lambda s: s[:-2]),
    "version 2": put("envelope", "version", to=2),
    "envelope that is text": put("envelope", to="text"),
    "label of another alphabet": lambda b: b["sections"].update({"narr\u0430tive": {}}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    """What breaks the frame of the file or the form of its envelope is malformed and names its field."""
    bad = tree(GOOD)
    MALFORMED[name](bad)
    with pytest.raises(MalformedInput) as caught:
        verdict_of(bad)
    assert caught.value.field


def test_first_fault_of_form_is_named() -> None:
    """Of a proof and a payload that are both of another form the step names the proof, which is read first."""
    bad = tree(GOOD)
    put("proof", to="none")(bad)
    put("payload", to={})(bad)
    form = verdict_of(bad).steps[0]
    assert (form.result, "a proof begins with the line" in form.detail) == ("failed", True)


def doubled(part: bytes) -> bytes:
    """The JSON object with its first key standing twice, first with another value."""
    key = part[1 : part.index(b":")]
    return b"{" + key + b':"x",' + part[1:]


def test_key_that_stands_twice_in_frame_or_envelope() -> None:
    """Two readers would see two different bundles: malformed."""
    data, envelope = encode_bundle(GOOD), CASE.events[1].entry
    for twice in (data[:-1] + b',"proof":"x"}', data.replace(envelope, doubled(envelope))):
        with pytest.raises(MalformedInput):
            verify_bundle(twice, TRUST)
    same = data[:-1] + b',"log_id":' + json.dumps(GOOD.log_id).encode() + b"}"
    with pytest.raises(MalformedInput, match="twice"):
        verify_bundle(same, TRUST)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        (("payload",), "form"),
        (("sections", "narrative"), "form"),
        (("authority", "grant", "payload"), "authority"),
        (("anchor",), "block"),
    ],
)
def test_key_that_stands_twice_counts_alike_in_every_spelling(path: tuple[str | int, ...], step: str) -> None:
    """Whether the rest of the file is canonical or indented, a part that has a key twice fails by its step."""
    bad = tree(GOOD)
    put(*path, to="HERE")(bad)
    good = tree(GOOD)
    for key in path:
        good = good[key]
    part = doubled(json.dumps(good).encode())
    for indent in (None, 1):
        data = json.dumps(bad, indent=indent).encode().replace(b'"HERE"', part)
        assert faults(verify_bundle(data, TRUST)) == [step]


PLACES: dict[str, Callable[[Tree], None]] = {
    "frame": put("log_id", to="HERE"),
    "envelope": put("envelope", "event_id", to="HERE"),
    "payload": put("payload", "body", "description", to="HERE"),
    "section": put("sections", "narrative", "fields", "text", to="HERE"),
    "evidence": put("authority", "grant", "payload", "body", "officer", to="HERE"),
    "evidence of nothing": put("authority", to=["HERE"]),
    "anchor": put("anchor", "registry", to="HERE"),
    "timestamps, which nobody looks at": put("timestamps", to={"a": ["HERE"]}),
    "key": lambda bundle: bundle["sections"].update({"HERE": {}}),
}
NOT_I_JSON = [
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\\\\\ud83d\\\\ude00"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b"9007199254740992",
    b"-9007199254740992",
    b"1" * 5000,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", NOT_I_JSON, ids=lambda value: value[:24].decode("latin-1"))
def test_what_readers_read_differently_makes_no_bundle(place: str, value: bytes) -> None:
    """Half a surrogate pair and an integer of 2^53 or more, wherever they stand: one rule for the whole file."""
    if place == "key" and not value.startswith(b'"'):
        value = b'"\\ud800"'
    bad = tree(GOOD)
    PLACES[place](bad)
    with pytest.raises(MalformedInput):
        verify_bundle(json.dumps(bad).encode().replace(b'"HERE"', value), TRUST)


@pytest.mark.parametrize(
    "value",
    [
        b'"\\ud83d\\ude00"',
        b'"\\\\ud800"',
        b"9007199254740991",
        b'"9007199254740992"',
        b'"\\"99999999999999999999"',
        b"0.99999999999999999999",
        b"1e-9999999999999999999",
        b"12345678901234567890.5",
    ],
)
def test_what_only_looks_like_it_is_read(value: bytes) -> None:
    """A whole pair, an escaped backslash, the largest integer, digits within a text, a fraction or an exponent."""
    bad = tree(GOOD) | {"timestamps": {"a": ["HERE"]}}
    assert verify_bundle(json.dumps(bad).encode().replace(b'"HERE"', value), TRUST).verdict == "intact"
