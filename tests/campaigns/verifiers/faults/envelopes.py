"""Faults of the envelope, which the log does not have so."""

from __future__ import annotations

from typing import Any

from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import OTHER, flip, refused, simple, twice
from tests.testkit.builders import COURT, clerk

ENVELOPE: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "event_type": "case.joined",
    "stream": {"kind": "case", "id": "case-77"},
    "sequence": 8,
    "previous": OTHER,
    "agency": "somewhere",
    "payload_digest": OTHER,
}

for _field, _value in ENVELOPE.items():
    simple(f"envelope.{_field} edited", lambda base, f=_field, v=_value: put(base.tree, ("envelope", f), v), 3, 4, 6)

simple("envelope.signed_at edited", lambda base: put(base.tree, ("envelope", "signed_at"), lambda at: at + 1), 3, 6)


simple("envelope.key_id edited", lambda base: put(base.tree, ("envelope", "key_id"), clerk(COURT, 9).key_id), 3, 6)


simple("signature edited", lambda base: put(base.tree, ("envelope", "signature"), lambda s: s[:9] + flip(s[9:])), 3, 6)

ENVELOPE_FORMS: dict[str, tuple[str, Any]] = {
    "version 2": ("version", 2),
    "version as text": ("version", "1"),
    "version true": ("version", True),
    "sequence as a float": ("sequence", 1.5),
    "sequence below zero": ("sequence", -1),
    "sequence 2^53": ("sequence", 2**53),
    "sequence 2^64": ("sequence", 2**64),
    "digest labelled SHA-256": ("payload_digest", lambda d: d.replace("blake3", "sha256")),
    "digest cut": ("payload_digest", lambda d: d[:-2]),
    "signature of 64 bytes": ("signature", lambda s: s[:-2]),
    "signature in upper case": ("signature", lambda s: "0x" + s[2:].upper().replace("A", "A") + ""),
    "signature empty": ("signature", ""),
    "event_id of version 4": ("event_id", "01940000-0000-4000-8000-00000000ffff"),
    "agency with a final newline": ("agency", lambda a: a + "\n"),
    "agency in full width": ("agency", "ｐｏｌｉｃｅ"),
    "stream kind unknown": ("stream", {"kind": "person", "id": "case-1"}),
    "stream with one field more": ("stream", {"kind": "case", "id": "case-1", "more": 1}),
    "key_id cut": ("key_id", lambda k: k[:-1]),
    "signed_at null": ("signed_at", None),
}

for _name, (_field, _value) in ENVELOPE_FORMS.items():
    refused(f"envelope with {_name}", lambda base, f=_field, v=_value: put(base.tree, ("envelope", f), v))

refused("envelope with a key twice", lambda base: twice(base, "envelope"))

for _field in (*ENVELOPE, "version", "key_id", "signature", "signed_at"):
    refused(f"envelope without {_field}", lambda base, f=_field: without(base.tree, ("envelope", f)))
