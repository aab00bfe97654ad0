"""``tally search``, ``event``, ``access`` and ``paper``: find, read and print what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from ledger.cli.command import Command, Group, output_option, signing
from ledger.cli.event_recorder import EventRecorder, make_body, print_receipt
from ledger.cli.files import STANDARD_OUTPUT, save
from ledger.cli.options import READING_GROUND
from ledger.cli.output import Column, Output, columns
from ledger.cli.params import FILE
from ledger.cli.report import flag_in_words
from ledger.cli.session import Session
from ledger.client.events import send, send_together
from ledger.client.service import path_of
from ledger.core.custody import Flag
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, Authority, Stream, decode_submission
from ledger.core.events.terms import Instant, LeafHash, SafeInt
from ledger.core.messages import Message, Term
from ledger.recording.event_signing import Claims, StreamPosition
from ledger.timeline.sentences import LABEL_IN, name_of_section, vocabulary_of

HIT_COLUMNS = columns(
    *(
        "word_kind:word_kind",
        "word",
        "item_id",
        "description",
        "case_id",
        "case_number",
        "case_type",
        "stage",
        "event_id",
    )
)


@click.command("search", cls=Command)
@click.argument("text", required=False)
@click.option("--file", type=FILE, help="Search for this very file.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Hits at most.")
def search_command(session: Session, text: str | None, file: Path | None, limit: int) -> None:
    """Find cases by a number, a description, the name of a person, a digest, an officer or any id.

    Three characters are enough, or two Chinese ones; --file takes the digest of a file. Searches are recorded.
    """
    from ledger.evidence.hashing import hash_file

    if (text is None) == (file is None):
        raise click.UsageError("expected a text, or --file with a file")
    asked = text if file is None else str(hash_file(file, (Algorithm.SHA256,)).digests[0])
    hits = list(islice(session.service.pages("/api/v1/search", "hits", limit=min(limit, 1000), q=asked), limit))
    if session.json:
        return session.output.data(hits)
    rows: list[dict[str, Any]] = []
    for hit in hits:
        rows.append(hit | {"word_kind": hit["kind"]})
        for part in hit["parts"]:
            parents = ", ".join(part["parents"])
            of = Message("{description}, from {parents}", description=part["description"], parents=parents)
            rows.append(rows[-1] | {"item_id": part["item_id"], "description": session.labels.translate(of)})
    return session.output.table(rows, HIT_COLUMNS)


DRAFT = 'Expected {"event_type": ..., "stream": {"kind": ..., "id": ...}, "body": {...}}: docs/protocol/event-types.md.'
EVENT_COLUMNS = columns(
    *("envelope.sequence", "payload.occurred_at", "event_type", "envelope.agency", "payload.officer"),
    *("event_id", "index"),
)


class _Draft(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person writes of an event. Without ``sequence`` it goes on the stream's head, asked from the service."""

    event_type: str
    stream: Stream
    body: dict[str, Any]
    sequence: SafeInt | None = None
    previous: LeafHash | None = None
    occurred_at: Instant | None = None
    authority: Authority | None = None
    sections: dict[str, dict[str, str]] = {}


@click.group("event", cls=Group)
def event_group() -> None:
    """Any event by its body, and signed submissions as files."""


@event_group.command("sign")
@click.argument("file", type=FILE)
@output_option(default="EVENT_ID.json")
@signing
def sign(session: Session, file: Path, output: Path | None) -> None:
    """Sign the event that FILE describes, without sending it.

    FILE is JSON: event_type, stream {kind, id}, body, and where wanted occurred_at, authority, sections. With sequence
    and previous (the leaf hash that it follows), and for the first event of a case, the service is not asked where the
    case stands.
    """
    try:
        draft = canonical.parse(file.read_bytes(), decoder_of(_Draft), where=str(file))
    except MalformedInput as error:
        raise MalformedInput(error.text, field=error.field, hint=error.hint or DRAFT) from error
    if draft.event_type not in EVENT_TYPES:
        raise MalformedInput(
            "there is no event type {event_type!r}",
            event_type=Term("event_type", draft.event_type),
            field=f"{file}.event_type",
        )
    claims = Claims(draft.occurred_at, draft.authority, draft.sections)
    recorder = EventRecorder(session, claims)
    body = make_body(EVENT_TYPES[draft.event_type].body, **draft.body)
    if draft.sequence is not None:
        place = StreamPosition(draft.stream, draft.sequence, draft.previous)
    else:
        opens = draft.event_type in ("case.opened", "case.taken_over")
        place = StreamPosition(draft.stream) if opens else recorder.place(draft.stream)
    signed = recorder.sign(body, place, claims)
    target = output or Path(f"{signed.envelope.event_id}.json")
    save(session, target, signed.submission, event_id=signed.envelope.event_id)


@event_group.command("submit")
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--all-or-none", is_flag=True, help="Record all of them, or none if one is refused.")
def submit(session: Session, files: tuple[Path, ...], all_or_none: bool) -> None:
    """Send signed submissions; each counts once, however often it is sent.

    Your files stay; those of the profile's outbox are removed once it is known what became of them.
    """
    if all_or_none:
        submissions = [file.read_bytes() for file in files]
        for submission in submissions:
            decode_submission(submission)
        for receipt in send_together(session, submissions, files):
            print_receipt(session, receipt)
        return
    for file in files:
        submission = file.read_bytes()
        decode_submission(submission)
        print_receipt(session, send(session, submission, file))


@event_group.command("list")
@click.argument("case_id")
@READING_GROUND
def list_events(session: Session, case_id: str, ground: str | None) -> None:
    """List the events of a case."""
    events = list(session.service.pages("/api/v1/events", "events", case_id=case_id, ground=ground))
    session.output.table(events, EVENT_COLUMNS)


@event_group.command("show")
@click.argument("event_id")
@READING_GROUND
def show(session: Session, event_id: str, ground: str | None) -> None:
    """Show an event as it was signed."""
    show_event(session.output, session.service.get(path_of("/api/v1/events/{}", event_id), ground=ground))


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
        called = name_of_section(label, event["payload"]["body"].get("section"), output.labels)
        _show_fields(output, called, erased if section is None else section["fields"])
    for flag in convert(event["flags"], list[Flag]):
        output.warn(flag_in_words(output.labels, flag))
    return None


def _show_fields(output: Output, name: str, fields: Mapping[str, Any], event_type: str = "") -> None:
    """Print the fields under each other, and lists of things as tables of their own."""
    lists = {
        field: value
        for field, value in fields.items()
        if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value)
    }
    if rest := [field for field in fields if field not in lists]:
        output.under(name)
        output.record(fields, [_column_of(event_type, field) for field in rest])
    for field, rows in lists.items():
        output.part(field, rows, columns(*dict.fromkeys(key for row in rows for key in row)))


def _column_of(event_type: str, field: str) -> Column:
    return Column(field, vocabulary_of(event_type, field), label=LABEL_IN.get((event_type, field)))


READ_COLUMNS = columns(
    "number", "read_at", "agency", "officer", "what", "sections", "case_id", "reading_ground", "lead_id", "provider"
)


@click.group("access", cls=Group)
def access_group() -> None:
    """Read the log of reads. Takes an auditor or a supervisor."""


@access_group.command("list")
@click.option("--case", "case_id", metavar="CASE", help="Only reads of this case.")
@click.option("--officer", metavar="OFFICER", help="Only what this officer read.")
def list_reads(session: Session, /, **query: str | None) -> None:
    """List who read your agency's cases, what, when and on what ground, and all that your own officers read."""
    reads = list(session.service.pages("/api/v1/access", "reads", limit=1000, **query))
    if session.json:
        return session.output.data(reads)
    rows = [read | {"reading_ground": read["ground"], "what": session.labels.translate(read["what"])} for read in reads]
    return session.output.table(rows, READ_COLUMNS)


@click.command("paper", cls=Command)
@click.argument("event_id", required=False)
@click.option("--case", "case_id", help="Every document of this case, each in a file of its own.")
@click.option("--document", metavar="NAME", help="Which one, where an event prints as several.")
@click.option("--both", is_flag=True, help="In Chinese and English [in your language].")
@click.option("--withhold", type=click.Choice(["sections"]), help="Print no names and nothing confidential.")
@READING_GROUND
@output_option(default="ID.pdf; --case: ID/", folder_okay=True)
def paper_command(
    session: Session,
    /,
    *,
    event_id: str | None,
    case_id: str | None,
    both: bool,
    output: Path | None,
    **query: str | None,
) -> None:
    """Print an event: transfer list, acceptance receipt, notice, custody change certificate, and the like.

    PDF/A with a QR code and room for the seal. docs/paper.md lists the papers of each event.
    """
    from ledger.cli.exporting import paper_of, papers_of_case

    if (event_id is None) == (case_id is None):
        raise MalformedInput("expected one of the two", field="EVENT_ID, --case")
    query["lang"] = "both" if both else session.language
    if event_id is not None:
        own_name = Path(f"{event_id}.pdf")
        file = output / own_name if output and output.is_dir() else output or own_name
        return save(session, file, paper_of(session, event_id, **query))
    folder = output or Path(str(case_id))
    if folder == STANDARD_OUTPUT:
        raise MalformedInput("expected a folder, for several files", field="--output")
    folder.mkdir(exist_ok=True)
    for name, pdf in papers_of_case(session, str(case_id), **query):
        save(session, folder / name, pdf)
    return None
