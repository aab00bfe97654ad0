"""Faults of the payload."""

from __future__ import annotations

from typing import Any

from tests.campaigns.verifiers.changes import put, without, written
from tests.campaigns.verifiers.faults.naming import OTHER, called, edited, refused, simple

PAYLOAD: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "stream": {"kind": "case", "id": "case-77"},
    "sequence": 8,
    "previous": OTHER,
    "agency": "somewhere",
    "officer": "somebody-else",
    "occurred_at": "2026-03-02T01:00:59Z",
    "salt": "00" * 16,
    "authority": {"authorization_type": "warrant", "authorization_identifier": "1"},
    "confidential": {"narrative": OTHER},
}
for _field, _value in PAYLOAD.items():
    edited(f"payload.{_field} edited", ("payload", _field), _value, 4)

PAYLOAD_FORMS: dict[str, tuple[str, Any]] = {
    "type that does not exist": ("event_type", "item.stolen"),
    "type named toString": ("event_type", "to_string.constructor"),
    "version 2": ("version", 2),
    "confidential empty": ("confidential", {}),
    "confidential with SHA-256": ("confidential", {"narrative": "sha256:" + "00" * 32}),
    "date that is none": ("occurred_at", "2026-02-29T01:00:00Z"),
    "leap second": ("occurred_at", "2026-06-30T23:59:60Z"),
    "hour 24": ("occurred_at", "2026-03-01T24:00:00Z"),
    "time with fraction": ("occurred_at", "2026-03-01T23:00:00.0Z"),
    "time in lower case": ("occurred_at", "2026-03-01t23:00:00z"),
    "year 999": ("occurred_at", "0999-03-01T23:00:00Z"),
    "year 3000": ("occurred_at", "3000-03-01T23:00:00Z"),
    "salt of 15 bytes": ("salt", "00" * 15),
    "sequence true": ("sequence", True),
    "sequence -0": ("sequence", -0.0),
    "sequence 1.0": ("sequence", 1.0),
    "body a list": ("body", []),
    "body null": ("body", None),
    "stream without kind": ("stream", {"id": "case-1"}),
}
for _name, (_field, _value) in PAYLOAD_FORMS.items():
    edited(f"payload with {_name}", ("payload", _field), _value, 1)
for _name, _value in {"a list": [], "text": "text", "a number": 7}.items():
    edited(f"payload that is {_name}", ("payload",), _value, 1)
for _field in ("event_id", "body", "salt", "stream", "previous", "officer"):
    simple(f"payload without {_field}", lambda base, f=_field: without(base.tree, ("payload", f)), 1)

TEXTS = {
    "with a bidirectional override": ("a\u202eb", 1),
    "with a left-to-right mark": ("a\u200eb", 1),
    "empty": ("", 1),
    "of 4001 characters": ("x" * 4001, 1),
    "of 4000 characters outside the plane": ("\U00020000" * 4000, 4),
    "with a joiner": ("a\u200db", 4),
}
for _name, (_text, _step) in TEXTS.items():
    edited(f"description {_name}", ("payload", "body", "description"), _text, _step, of=called("registered"))
for _name, _text in {"with a newline": "a\nb", "with a line separator": "a\u2028b", "of 101": "x" * 101}.items():
    edited(f"case number {_name}", ("payload", "body", "case_number"), _text, 1, of=called("opened"))
for _text in ("1.50", "01", "1.", ".5", "-1", "1e3", "0x1", "1,5", " 1", "1\n", "१"):
    edited(f"quantity {_text!r}", ("payload", "body", "quantity", "value"), _text, 1, of=called("registered"))

refused(
    "half a surrogate in the payload",
    lambda base: written(put(base.tree, ("payload", "salt"), "MARK")).replace(b"MARK", b"\\ud800"),
)
simple(
    "payload of another event",
    lambda base: base.tree | {"payload": base.world.bundle(base.world.index_of(4))["payload"]},
    4,
    of=lambda base: base.name != "numbered",
)
