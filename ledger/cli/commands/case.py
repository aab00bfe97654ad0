"""``tally case``: open a case, look at it, move it through its stages, close it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import columns
from ledger.cli.params import (
    FILE,
    GROUND,
    EventReference,
    ProcedureWord,
    act_command,
    add_act,
    generated_id,
    with_event_recorder,
)
from ledger.cli.session import Session
from ledger.cli.timeline_output import show_spans, show_steps
from ledger.client.service import path_of
from ledger.core.encoding.decoding import decode_json, decode_toml
from ledger.core.encoding.digests import Algorithm, digest_by
from ledger.core.errors import MalformedInput
from ledger.core.events import case

FORMATS = ("csv", "json", "ocel", "case-uco")
LISTED = columns("case_id", "stage", "responsible", "case_number", "closed")
PAGE = 1000  # events that are asked for at a time
PARTS = {
    "assignments": columns("agency", "department", "handler"),
    "items": columns("description", "item_id", "item_kind", "quantity", "holder", "responsible", "status"),
    "persons": columns("person_id", "role:person_role", "stage", "trial", "responsible", "kept_for"),
    "measures": columns("measure_id", "person_id", "measure", "started_at", "until", "ended_at"),
    "decisions": columns("decision_id", "kind:decision_kind", "number", "decided_at", "served_at", "effective_at"),
    "handovers": columns("handover_id", "from_agency", "to_agency", "purpose", "status", "due_at"),
    "custody_changes": columns("custody_change_id", "person_id", "requested_by", "keeper", "served_at"),
    "discrepancies": columns("discrepancy_id", "expected", "found", "resolutions"),
    "open_splits": columns("new_case_id", "event_id", "persons", "items"),
}


@click.group("case", cls=Group)
def case_group() -> None:
    """Cases: open, look, number, assign, stage, close."""


@act_command(case_group, "case.opened")
@click.option("--number", "case_number", required=True, help="The agency's own number of the case.")
@click.option("--type", "case_type", required=True, help="What it is about, such as theft.")
@click.option(
    "--line", "business_line", type=ProcedureWord("business_line"), help="Business line [the procedure's first]."
)
@click.option("--stage", type=ProcedureWord("stage"), help="Stage that the case is at [the procedure's first].")
@click.option("--procedure", metavar="ID", help="The one that judges its acts [the ledger's, if it has one].")
@generated_id("--case-id", "case", "Unique over all agencies, and public for ever: no names. Made up unless given.")
@click.option("--split-from", type=EventReference(), help="The split that this case comes out of.")
@with_event_recorder
def open_(recorder: EventRecorder, case_id: str, procedure: str | None, **fields: Any) -> None:
    """Open a case."""
    fields["procedure"] = procedure or only_procedure(recorder.session)
    if None in (fields["business_line"], fields["stage"]):
        vocabularies = recorder.session.procedure_in_force(fields["procedure"], field="--procedure").vocabularies
        for name in ("business_line", "stage"):
            fields[name] = fields[name] or next(iter(vocabularies[name]))
    recorder.open_case(case_id, make_body(case.CaseOpened, **fields))


def only_procedure(session: Session) -> str:
    """Return the procedure that the ledger has in force. Raises MalformedInput if it has none, or several."""
    in_force = [*session.procedures]
    if len(in_force) != 1:
        raise MalformedInput(
            "expected one of the procedures that are in force: {procedures}",
            procedures=", ".join(in_force) or "-",
            field="--procedure",
            hint="See: tally procedure list --ledger",
        )
    return in_force[0]


@act_command(case_group, "case.taken_over")
@click.argument("file", type=FILE)
@generated_id("--case-id", "case", "Unique over all agencies, and public for ever: no names. Made up unless given.")
@with_event_recorder
def take_over(recorder: EventRecorder, case_id: str, *, file: Path) -> None:
    """Take over a case that was under way elsewhere.

    FILE is TOML or JSON with the fields of case.taken_over: case_number, case_type, business_line, stage,
    procedure, source_system, source_key, and where they are known persons, measures, handovers, deadlines and as_of.
    """
    recorder.open_case(case_id, read_taken_over(file))


@case_group.command("list")
@click.option("--stage", type=ProcedureWord("stage"), help="Only cases at this stage.")
@click.option("--responsible", metavar="AGENCY", help="Only cases that this agency answers for.")
def list_(session: Session, /, **query: str | None) -> None:
    """List the cases that you may see."""
    session.output.table(list(session.service.pages("/api/v1/cases", "cases", **query)), LISTED)


@case_group.command("show")
@click.argument("case_id")
def show(session: Session, case_id: str) -> None:
    """Show a case as it stands: stage, items, persons, measures, handovers, discrepancies."""
    case_now = session.service.get(path_of("/api/v1/cases/{}", case_id))
    session.output.record(case_now, columns(*(name for name in case_now if name not in PARTS)))
    in_words = [row | session.output.sides(row) for row in case_now["discrepancies"]]
    case_now = case_now if session.json else case_now | {"discrepancies": in_words}
    session.output.parts((part, case_now[part], shown) for part, shown in PARTS.items())


@case_group.command("timeline")
@click.argument("case_id")
def timeline(session: Session, case_id: str) -> None:
    """Tell everything that happened in a case, in its order.

    Each event in a sentence, with the time that is claimed, the time at which it was recorded and, once it is anchored,
    a time by which it is proven to have existed; then what it moved, the deadlines that it met or missed, and what is
    wrong with it.
    """
    path = path_of("/api/v1/cases/{}/timeline", case_id)
    events = list(session.service.pages(path, "events", limit=PAGE, lang=session.language))
    show_steps(session.output, events)


@case_group.command("spans")
@click.argument("case_id")
def spans(session: Session, case_id: str) -> None:
    """Say who answered for a case and who held its items and persons between any two events."""
    show_spans(session.output, session.service.get(path_of("/api/v1/cases/{}/spans", case_id))["spans"])


@case_group.command("export")
@click.argument("case_id", required=False)
@click.option("--all", "every", is_flag=True, help="Every case that you may see, in one file; with ocel only.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), required=True, help="Format of the file.")
@output_option(required=True)
@click.option("--bom", is_flag=True, help="Begin a CSV file with a byte order mark, for Excel.")
def export(session: Session, /, *, case_id: str | None, every: bool, file_format: str, output: Path, bom: bool) -> None:
    """Write a case to a file for other programs; what is exported is recorded as read.

    csv is its timeline for spreadsheets, json that and who held what between events, ocel an OCEL 2.0 event log for
    process mining, case-uco a CASE/UCO graph for digital forensics.
    """
    from ledger.cli.exporting import export_all, export_case
    from ledger.cli.files import save

    if every == (case_id is not None):
        raise click.UsageError("Name one case, or say --all.")
    if every and file_format != "ocel":
        raise click.UsageError("Only --format ocel puts several cases into one file.")
    data = export_all(session) if case_id is None else export_case(session, case_id, file_format, bom=bom)
    save(session, output, data, bytes=len(data))


@case_group.command("archive")
@click.argument("case_id")
@output_option(required=True)
@click.option(
    "--files",
    "folders",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="A file or folder of this computer: files that the case has by their digests go in, under their items' names.",
)
def archive(session: Session, /, *, case_id: str, output: Path, folders: tuple[Path, ...]) -> None:
    """Take a case away in one archive: every paper, the timeline, the proofs, and files under names that people read.

    It is a BagIt bag (RFC 8493) in a ZIP, with the SHA-256 of each file. Only what you may see is in it, and it is
    recorded as read.
    """
    from ledger.cli.exporting import archive_case
    from ledger.cli.files import show_written

    show_written(session, output, **archive_case(session, case_id, output, folders))


act = partial(add_act, case_group)
ITEMS = click.option("--item", "item_ids", multiple=True, help="An item that leaves; may be given several times.")
PERSONS = click.option("--person", "person_ids", multiple=True, help="A person who leaves; may be given several times.")

act("case.numbered", "case_number")
act(
    "case.assigned",
    click.option("--department", required=True),
    click.option("--handler", required=True, help="Id of the officer who handles the case."),
)
act(
    "case.stage_entered",
    click.argument("stage", type=ProcedureWord("stage")),
    click.option("--trial", type=ProcedureWord("trial"), help="Kind of trial from here on."),
    click.option("--person", "person_ids", multiple=True, help="A person who enters it alone; several times for more."),
)
act("case.linked", "other_case_id", click.option("--relation", type=ProcedureWord("case_relation"), required=True))
act(
    "case.split",
    generated_id("--new-case-id", "case", "Made up unless given; its opening cites this event."),
    ITEMS,
    PERSONS,
    GROUND,
)
act(
    "case.joined",
    "other_case_id",
    click.option("--cites", type=EventReference(), required=True, help="The other case's split that gave it up."),
    GROUND,
)
act(
    "case.closed",
    GROUND,
    click.option("--decision", "decision_id", help="Id of the decision that ends it."),
)


def read_taken_over(file: Path) -> case.CaseTakenOver:
    """Return the taking over that a TOML or JSON file states, with the file's digest unless it states another.

    Raises MalformedInput with the file and the field.
    """
    data = file.read_bytes()
    content = {"file_digest": str(digest_by(Algorithm.SHA256, data)), **_fields(data, file)}
    try:
        return make_body(case.CaseTakenOver, **content)
    except MalformedInput as error:
        field = (error.field or "").lstrip("-")
        raise MalformedInput(error.text, field=f"{file}: {field}", hint=error.hint) from error


def _fields(data: bytes, file: Path) -> dict[str, Any]:
    if file.suffix.lower() != ".json":
        return decode_toml(data, field=str(file))
    try:
        return decode_json(data, dict[str, Any])
    except msgspec.DecodeError as error:
        raise MalformedInput("this is no JSON object: {error}", error=error, field=str(file)) from error
