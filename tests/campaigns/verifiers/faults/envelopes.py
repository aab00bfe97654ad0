"""Faults of the envelope, which the log does not have so."""

from __future__ import annotations

from typing import Any

from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import OTHER, edited, flip, refused
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
    edited(f"envelope.{_field} edited", ("envelope", _field), _value, 3, 4, 6)
edited("envelope.signed_at edited", ("envelope", "signed_at"), lambda at: at + 1, 3, 6)
edited("envelope.key_id edited", ("envelope", "key_id"), clerk(COURT, 9).key_id, 3, 6)
edited("signature edited", ("envelope", "signature"), lambda s: s[:9] + flip(s[9:]), 3, 6)

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
    "signature in upper case": ("signature", lambda s: "0x" + s[2:].upper()),
    "signature empty": ("signature", ""),
    "event_id of version 4": ("event_id", "01940000-0000-4000-8000-00000000ffff"),
    "agency with a final newline": ("agency", lambda a: a + "\n"),
    "agency in full width": ("agency", "ｐｏｌｉｃｅ"),
    "stream kind unknown": ("stream", {"kind": "person", "id": "case-1"}),
    "key_id cut": ("key_id", lambda k: k[:-1]),
    "signed_at null": ("signed_at", None),
}
for _name, (_field, _value) in ENVELOPE_FORMS.items():
    refused(f"envelope with {_name}", lambda base, f=_field, v=_value: put(base.tree, ("envelope", f), v))
for _field in (*ENVELOPE, "version", "key_id", "signature", "signed_at"):
    refused(f"envelope without {_field}", lambda base, f=_field: without(base.tree, ("envelope", f)))
