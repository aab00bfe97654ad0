"""Timelines as files: CSV for spreadsheets, which do not calculate with it, and JSON with everything."""

from __future__ import annotations

from io import StringIO

import msgspec
from msgspec import Struct

from ledger.core.custody.spans import Span
from ledger.core.procedure.legal_days import in_legal_zone, instant_text
from ledger.i18n import Labels
from ledger.interchange.exports.csv_output import CsvWriter
from ledger.timeline import CaseTimeline, TimelineStep

BOM = "\ufeff"  # by which Excel recognises UTF-8
COLUMNS = (
    "sequence",
    "occurred_at",
    "signed_at",
    "recorded_at",
    "proven_time",
    "event_type",
    "agency",
    "officer",
    "sentence",
    "notes",
    "item_ids",
    "person_ids",
    "authority",
    "state",
    "index",
    "event_id",
    "payload_digest",
)


class TimelineFile(Struct, frozen=True):
    """A whole case as JSON: the spans between its events, and every step."""

    format: str
    case_id: str
    case_type: str
    business_line: str
    numbers: dict[str, str]
    spans: tuple[Span, ...]
    events: tuple[TimelineStep, ...]


def timeline_csv(timeline: CaseTimeline, labels: Labels, *, bom: bool = False) -> bytes:
    """Return a row an event under headings in the reader's language, times in Beijing time. ``bom`` is for Excel."""
    text = StringIO(newline="")
    writer = CsvWriter(text)
    writer.row(labels.of("field", name) for name in COLUMNS)
    for step in timeline.steps:
        writer.row(_cells(step, labels))
    return ((BOM if bom else "") + text.getvalue()).encode()


def _cells(step: TimelineStep, labels: Labels) -> tuple[str, ...]:
    authority = step.authority
    paper = (authority.authorization_type, authority.authorization_identifier) if authority else ()
    return (
        str(step.sequence),
        in_legal_zone(step.occurred_at),
        in_legal_zone(instant_text(step.signed_at)),
        in_legal_zone(instant_text(step.recorded_at // 1000)),
        "" if step.proven_at is None else in_legal_zone(instant_text(step.proven_at)),
        labels.of("event_type", step.event_type),
        step.agency,
        step.officer,
        step.sentence,
        "\n".join(note.text for note in step.notes),
        " ".join(step.item_ids),
        " ".join(step.person_ids),
        " ".join(paper),
        labels.of("state", step.state),
        str(step.index),
        step.event_id,
        step.payload_digest,
    )


def timeline_json(timeline: CaseTimeline) -> bytes:
    """Return all spans and steps of the timeline."""
    state = timeline.state
    file = TimelineFile(
        format="tallystick/timeline@v1",
        case_id=state.case_id,
        case_type=state.case_type,
        business_line=state.business_line,
        numbers=dict(state.numbers),
        spans=timeline.spans,
        events=timeline.steps,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=1)
