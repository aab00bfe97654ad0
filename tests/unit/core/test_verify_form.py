"""``ledger.core.verification.bundle``: what is no bundle is refused whole, what is none of its parts by its step."""

from __future__ import annotations

import json

import pytest

from ledger.core.verification.bundle import verify_bundle
from tests.testkit.bundles import tree
from tests.testkit.changed_bundles import GOOD, TRUST, put, verdict_of


def test_first_fault_of_form_is_named() -> None:
    """Of a proof and a payload that are both of another form the step names the proof, which is read first."""
    bad = tree(GOOD)
    put("proof", to="none")(bad)
    put("payload", to={})(bad)
    form = verdict_of(bad).steps[0]
    assert (form.result, "a proof begins with" in form.detail) == ("failed", True)


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
