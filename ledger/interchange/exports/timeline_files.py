"""Timelines as files: CSV for spreadsheets, which do not calculate with it, and JSON with everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from io import StringIO

import msgspec
from msgspec.structs import astuple

from ledger.core.encoding.instants import instant_text
from ledger.core.messages import plain
from ledger.i18n import Labels, zone_in_use
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.timeline.case_history import CaseTimeline, TimelineStep

BOM = "\ufeff"  # by which Excel recognises UTF-8
_CELLS: Mapping[str, Callable[[TimelineStep, Labels], str]] = {  # by the column's field
    "sequence": lambda step, _: str(step.sequence),
    "occurred_at": lambda step, _: _local(step.occurred_at),
    "signed_at": lambda step, _: _local(instant_text(step.signed_at)),
    "recorded_at": lambda step, _: _local(instant_text(step.recorded_at // 1000)),
    "proven_time": lambda step, _: "" if step.proven_at is None else _local(instant_text(step.proven_at)),
    "event_type": lambda step, labels: labels.of("event_type", step.event_type),
    "agency": lambda step, _: step.agency,
    "officer": lambda step, _: step.officer,
    "sentence": lambda step, _: step.sentence,
    "notes": lambda step, _: "\n".join(note.text for note in step.notes),
    "item_ids": lambda step, _: " ".join(step.item_ids),
    "person_ids": lambda step, _: " ".join(step.person_ids),
    "authority": lambda step, _: " ".join(astuple(step.authority)) if step.authority else "",
    "state": lambda step, labels: labels.of("state", step.state),
    "index": lambda step, _: str(step.index),
    "event_id": lambda step, _: step.event_id,
    "payload_digest": lambda step, _: step.payload_digest,
}


def _local(instant: str) -> str:
    return zone_in_use().local(datetime.fromisoformat(instant)).isoformat()


def timeline_csv(timeline: CaseTimeline, labels: Labels, *, bom: bool) -> bytes:
    """Return a row an event under headings in the reader's language, times in the zone in use. ``bom`` is for Excel."""
    text = StringIO(newline="")
    writer = CsvWriter(text)
    writer.row(labels.of("field", name) for name in _CELLS)
    for step in timeline.steps:
        writer.row(cell(step, labels) for cell in _CELLS.values())
    return ((BOM if bom else "") + text.getvalue()).encode()


def timeline_json(timeline: CaseTimeline) -> bytes:
    """Return a whole case: the spans between its events, and every step."""
    state = timeline.state
    file = {
        "format": "tallystick/timeline@v1",
        **{name: getattr(state, name) for name in ("case_id", "case_type", "business_line")},
        "numbers": dict(state.numbers),
        "spans": timeline.spans,
        "events": timeline.steps,
    }
    return msgspec.json.format(msgspec.json.encode(file, enc_hook=plain), indent=1)
