"""``tally event``: any event by its body; signed submissions as files; what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, print_receipt
from ledger.cli.output import Column
from ledger.cli.params import FILE
from ledger.cli.reading import GROUND
from ledger.cli.session import Session, pass_session
from ledger.client.events import Claims, send
from ledger.client.service import at
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, Authority, Stream, decode_submission
from ledger.core.events.terms import Blake3, Instant, SafeInt
from ledger.recording.signing import Place

DRAFT = 'Expected {"event_type": ..., "stream": {"kind": ..., "id": ...}, "body": {...}}: docs/protocol.md, section 4.'
LISTED = (
    "envelope.sequence",
    "payload.occurred_at",
    "event_type",
    "envelope.agency",
    "payload.officer",
    "event_id",
    "index",
)


class _Draft(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person writes of an event. Without ``sequence`` it goes on the stream's head, asked from the service."""

    event_type: str
    stream: Stream
    body: dict[str, Any]
    sequence: SafeInt | None = None
    previous: Blake3 | None = None
    occurred_at: Instant | None = None
    authority: Authority | None = None
    sections: dict[str, dict[str, str]] = {}


@click.group("event", cls=Group)
def command() -> None:
    """Any event by its body, and signed submissions as files."""


@command.command("sign")
@click.argument("file", type=FILE)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it [EVENT_ID.json].")
@pass_session
def sign(session: Session, file: Path, output: Path | None) -> None:
    """Sign the event that FILE describes, without sending it.

    FILE is JSON: event_type, stream {kind, id}, body, and where wanted occurred_at, authority, sections. With sequence
    and previous (the digest that it follows), and for case.opened, the service is not asked where the case stands.
    """
    draft = _read_draft(file)
    claims = Claims(draft.occurred_at, draft.authority, draft.sections)
    recorder = EventRecorder(session, claims)
    body = make_body(EVENT_TYPES[draft.event_type].body, **draft.body)
    signed = recorder.sign(body, _place(recorder, draft), claims)
    target = output or Path(f"{signed.envelope.event_id}.json")
    target.write_bytes(signed.submission)
    session.output.record({"event_id": signed.envelope.event_id, "file": str(target)})


@command.command("submit")
@click.argument("files", type=FILE, nargs=-1, required=True)
@pass_session
def submit(session: Session, files: tuple[Path, ...]) -> None:
    """Send signed submissions; each counts once, however often it is sent."""
    for file in files:
        submission = file.read_bytes()
        decode_submission(submission)
        print_receipt(session, send(session, submission, file))


@command.command("list")
@click.argument("case_id")
@GROUND
@pass_session
def list_(session: Session, case_id: str, ground: str | None) -> None:
    """List the events of a case."""
    events = list(session.service.pages("/api/v1/events", "events", case_id=case_id, ground=ground))
    session.output.table(events, [Column(name) for name in LISTED])


@command.command("show")
@click.argument("event_id")
@GROUND
@pass_session
def show(session: Session, event_id: str, ground: str | None) -> None:
    """Show an event as it was signed."""
    from ledger.cli.signed_event import show_event

    show_event(session.output, session.service.get(at("/api/v1/events/{}", event_id), ground=ground))


def _place(recorder: EventRecorder, draft: _Draft) -> Place:
    if draft.sequence is not None:
        return Place(draft.stream, draft.sequence, draft.previous)
    return Place(draft.stream) if draft.event_type == "case.opened" else recorder.place(draft.stream)


def _read_draft(file: Path) -> _Draft:
    try:
        draft = canonical.parse(file.read_bytes(), decoder_of(_Draft), where=str(file))
    except MalformedInput as error:
        raise MalformedInput(error.message, field=error.field, hint=error.hint or DRAFT) from error
    if draft.event_type not in EVENT_TYPES:
        raise MalformedInput(f"there is no event type {draft.event_type!r}", field=f"{file}.event_type")
    return draft
