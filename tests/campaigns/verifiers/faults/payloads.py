"""Faults of the payload."""

from __future__ import annotations

from typing import Any

from tests.campaigns.verifiers.changes import put, without, written
from tests.campaigns.verifiers.faults.naming import OTHER, refused, simple, twice

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
    simple(f"payload.{_field} edited", lambda base, f=_field, v=_value: put(base.tree, ("payload", f), v), 4)

PAYLOAD_FORMS: dict[str, tuple[tuple[str, ...], Any]] = {
    "unknown field": (("more",), 1),
    "unknown field of the body": (("body", "more"), 1),
    "type that does not exist": (("event_type",), "item.stolen"),
    "type named toString": (("event_type",), "to_string.constructor"),
    "version 2": (("version",), 2),
    "authority null": (("authority",), None),
    "confidential empty": (("confidential",), {}),
    "confidential with SHA-256": (("confidential",), {"narrative": "sha256:" + "00" * 32}),
    "date that is none": (("occurred_at",), "2026-02-29T01:00:00Z"),
    "leap second": (("occurred_at",), "2026-06-30T23:59:60Z"),
    "hour 24": (("occurred_at",), "2026-03-01T24:00:00Z"),
    "time with fraction": (("occurred_at",), "2026-03-01T23:00:00.0Z"),
    "time in lower case": (("occurred_at",), "2026-03-01t23:00:00z"),
    "year 999": (("occurred_at",), "0999-03-01T23:00:00Z"),
    "year 3000": (("occurred_at",), "3000-03-01T23:00:00Z"),
    "salt of 15 bytes": (("salt",), "00" * 15),
    "sequence true": (("sequence",), True),
    "sequence -0": (("sequence",), -0.0),
    "sequence 1.0": (("sequence",), 1.0),
    "body a list": (("body",), []),
    "body null": (("body",), None),
    "stream without kind": (("stream",), {"id": "case-1"}),
}

for _name, (_path, _value) in PAYLOAD_FORMS.items():
    simple(f"payload with {_name}", lambda base, p=_path, v=_value: put(base.tree, ("payload", *p), v), 1)

for _value, _name in ((None, "null"), ([], "a list"), ("text", "text"), (7, "a number")):
    simple(f"payload that is {_name}", lambda base, v=_value: base.tree | {"payload": v}, 1)

for _field in ("event_id", "body", "salt", "stream", "previous", "officer"):
    simple(f"payload without {_field}", lambda base, f=_field: without(base.tree, ("payload", f)), 1)

simple("payload with a key twice", lambda base: twice(base, "payload"), 1)

TEXTS = {
    "in NFD": "Caf\u0065\u0301",
    "with NUL": "a\0b",
    "with a bidirectional override": "a\u202eb",
    "with a left-to-right mark": "a\u200eb",
    "empty": "",
    "of 4001 characters": "x" * 4001,
}

for _name, _text in TEXTS.items():
    simple(
        f"description {_name}",
        lambda base, t=_text: (
            put(base.tree, ("payload", "body", "description"), t) if base.name == "registered" else None
        ),
        1,
    )

for _name, _text in {"of 4000 characters outside the plane": "\U00020000" * 4000, "with a joiner": "a\u200db"}.items():
    simple(
        f"description {_name}",
        lambda base, t=_text: (
            put(base.tree, ("payload", "body", "description"), t) if base.name == "registered" else None
        ),
        4,
    )

for _name, _text in {"with a newline": "a\nb", "with a line separator": "a\u2028b", "of 101": "x" * 101}.items():
    simple(
        f"case number {_name}",
        lambda base, t=_text: put(base.tree, ("payload", "body", "case_number"), t) if base.name == "opened" else None,
        1,
    )

refused(
    "half a surrogate in the payload",
    lambda base: written(put(base.tree, ("payload", "salt"), "MARK")).replace(b"MARK", b"\\ud800"),
)

QUANTITIES = ("1.50", "01", "1.", ".5", "-1", "1e3", "0x1", "1,5", " 1", "1\n", "१")

for _text in QUANTITIES:
    simple(
        f"quantity {_text!r}",
        lambda base, t=_text: (
            put(base.tree, ("payload", "body", "quantity", "value"), t) if base.name == "registered" else None
        ),
        1,
    )

simple(
    "payload of another event",
    lambda base: (
        base.tree | {"payload": base.world.bundle(base.world.index_of(4))["payload"]}
        if base.name != "numbered"
        else None
    ),
    4,
)
