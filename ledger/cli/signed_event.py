"""Print an event as it was signed: officer, time and authority, then what was signed, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.cli.output import Column, Output
from ledger.cli.report import flag_in_words
from ledger.core.custody import Flag
from ledger.core.encoding.decoding import convert
from ledger.timeline.sentences import VOCABULARY_IN

HEAD = ("event_type", "event_id", "stream", "sequence", "agency", "officer", "occurred_at", "signed_at", "recorded_at")
SEALS = ("authority", "payload_digest", "key_id", "index")


def show_event(output: Output, event: Mapping[str, Any]) -> None:
    """Print a signed event. Digests of sections and the signature are for programs: ``--json`` has them."""
    if output.json:
        return output.data(event)
    fields = {**event["payload"], **event["envelope"], **event}
    output.record({name: fields.get(name) for name in (*HEAD, *SEALS)} | {"stream": fields["stream"]["id"]})
    _show_fields(output, "content", event["payload"]["body"], fields["event_type"])
    for label, section in (event.get("sections") or {}).items():
        erased = {"section": output.labels.of("message", "erased")}
        _show_fields(output, label, erased if section is None else section["fields"])
    for flag in convert(event["flags"], list[Flag]):
        output.warn(flag_in_words(output.labels, flag))
    return None


def _show_fields(output: Output, name: str, fields: Mapping[str, Any], event_type: str = "") -> None:
    """Print the fields under each other, and lists of things as tables of their own."""
    lists = {field: value for field, value in fields.items() if _is_list(value)}
    if rest := [field for field in fields if field not in lists]:
        output.under(name)
        output.record(fields, [Column(field, VOCABULARY_IN.get((event_type, field))) for field in rest])
    for field, rows in lists.items():
        output.part(field, rows, [Column(column) for column in dict.fromkeys(key for row in rows for key in row)])


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, Mapping) for part in value)
