"""``tally decision``, ``record``, ``discrepancy``, ``section`` and ``disclosure``: what is written into a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.command import Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.params import (
    FILE,
    GROUND,
    MOMENT,
    PARTICULARS,
    DigestedFile,
    EventReference,
    ProcedureWord,
    act_command,
    add_act,
    generated_id,
    particulars_of,
    split_once,
    with_event_recorder,
    words,
)
from ledger.client.service import path_of
from ledger.core.errors import MalformedInput
from ledger.core.events import NAME_OF
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.record import DisclosureMade, ErasureProposed, RecordCorrected, SectionErased
from ledger.core.events.terms import DiscrepancyKind, EventRef


@click.group("decision", cls=Group)
def decision_group() -> None:
    """Decisions, with their paper."""


@act_command(decision_group, "decision.recorded")
@click.argument("case_id")
@click.argument("kind", type=ProcedureWord("decision_kind"))
@click.option("--number", required=True)
@click.option("--decided-at", type=MOMENT, required=True)
@click.option("--served-at", type=MOMENT)
@click.option("--effective-at", type=MOMENT)
@click.option("--person", "person_ids", multiple=True, help="Whom it concerns; may be given several times.")
@click.option(
    "--item", "items", metavar="ITEM[=DISPOSAL]", multiple=True, help="An item that it is about, and what it orders."
)
@click.option(
    "--for", "grounds", type=ProcedureWord("qualifying_ground"), multiple=True, help="A ground that it states."
)
@click.option("--about", metavar="DECISION", help="The earlier decision that it confirms, changes or answers for.")
@click.option("--answers", metavar="LETTER", help="The letter that it answers.")
@PARTICULARS
@click.option("--file", "digests", type=DigestedFile(), help="The document, to digest.")
@generated_id("--decision-id", "decision")
@with_event_recorder
def record(recorder: EventRecorder, case_id: str, items: tuple[str, ...], **fields: Any) -> None:
    """Record a decision."""
    lines = [split_once(text, "=", "--item", "ITEM=DISPOSAL") if "=" in text else (text,) for text in items]
    fields["items"] = [dict(zip(("item_id", "disposal"), line, strict=False)) for line in lines]
    fields["particulars"] = particulars_of(fields["particulars"])
    recorder.record(case_id, make_body(DecisionRecorded, **fields))


@click.group("record", cls=Group)
def record_group() -> None:
    """Corrections, and why something was recorded late."""


@act_command(record_group, "record.corrected")
@click.argument("case_id")
@click.argument("corrects", type=EventReference())
@click.option(
    "--change",
    "corrections",
    nargs=3,
    multiple=True,
    required=True,
    metavar="FIELD RECORDED CORRECT",
    help="What was recorded in a field, such as quantity.value, and what is correct: never what a section says; "
    "a name is signed anew (tally person name --person-id).",
)
@GROUND
@with_event_recorder
def correct(
    recorder: EventRecorder, case_id: str, corrections: tuple[tuple[str, str, str], ...], **fields: Any
) -> None:
    """Correct what an event says."""
    changes = [dict(zip(("field", "recorded", "correct"), change, strict=True)) for change in corrections]
    recorder.record(case_id, make_body(RecordCorrected, corrections=changes, **fields))


add_act(
    record_group,
    "record.late",
    click.option("--happened-at", type=MOMENT, required=True),
    click.option("--ground", required=True, help="Why it was not recorded then."),
    click.option("--concerns", type=EventReference(), help="The late entry, where there is one."),
)


@click.group("discrepancy", cls=Group)
def discrepancy_group() -> None:
    """Differences between release and receipt, or between record and count."""


add_act(
    discrepancy_group,
    "discrepancy.raised",
    "handover_id",
    "item_id",
    click.option(
        "--kind", type=words(DiscrepancyKind), required=True, help="In what the thing differs from the record."
    ),
    click.option("--expected", required=True, help="What the record says."),
    click.option("--found", required=True, help="What is there instead."),
    generated_id("--discrepancy-id", "discrepancy"),
)
add_act(
    discrepancy_group,
    "discrepancy.resolved",
    "discrepancy_id",
    click.option("--resolution", required=True, help="How it is resolved; both sides say the same words."),
)


@click.group("section", cls=Group)
def section_group() -> None:
    """Confidential sections of events."""


@act_command(section_group, "section.erasure_proposed")
@click.argument("case_id")
@click.argument("concerns", type=EventReference())
@click.argument("label")
@GROUND
@with_event_recorder
def propose_erasure(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Propose to erase a confidential section of an event.

    LABEL names the section, such as person:1. A person may be named by several events, and in corrections: each section
    is erased by itself, and the form on the case's page lists those that are kept.
    """
    recorder.record(case_id, make_body(ErasureProposed, **fields))


@act_command(section_group, "section.erased")
@click.argument("case_id")
@click.argument("cites", metavar="PROPOSAL", type=EventReference())
@click.option("--ground", help="Why [as proposed].")
@click.option(
    "--for",
    "erased_for",
    type=ProcedureWord("erasure_ground"),
    help="On which ground of the procedure it is erased before its case has been kept long enough.",
)
@with_event_recorder
def erase(
    recorder: EventRecorder, case_id: str, cites: dict[str, str], ground: str | None, erased_for: str | None
) -> None:
    """Erase a confidential section of an event for good, as the second officer.

    PROPOSAL is the event that proposed it; --authority names what orders it. Takes a supervisor.
    """
    event = recorder.session.service.get(path_of("/api/v1/events/{}", cites["event_id"]))
    proposal = event["payload"]["body"]
    if event["envelope"]["event_type"] != NAME_OF[ErasureProposed]:
        raise MalformedInput("{event_id} proposes no erasure", event_id=cites["event_id"], field="PROPOSAL")
    fields = {"concerns": proposal["concerns"], "label": proposal["label"], "ground": ground or proposal["ground"]}
    recorder.record(case_id, make_body(SectionErased, cites=cites, erased_for=erased_for, **fields))


MOST_NAMED = 1000  # events that one disclosure names


@click.group("disclosure", cls=Group)
def disclosure_group() -> None:
    """Disclosures to defence counsel."""


@act_command(disclosure_group, "disclosure.made")
@click.argument("case_id")
@click.option("--recipient", required=True, help="Who receives it.")
@click.option("--item", "item_ids", multiple=True, help="An item whose copy goes with it; may be given several times.")
@click.option(
    "--copy",
    "copies",
    type=FILE,
    multiple=True,
    help="Another file that goes with it, told by its digests; may be given several times.",
)
@output_option(default="CASE_ID.disclosed.json", is_result=False)
@with_event_recorder
def make(
    recorder: EventRecorder,
    *,
    case_id: str,
    recipient: str,
    item_ids: tuple[str, ...],
    copies: tuple[Path, ...],
    output: Path | None,
) -> None:
    """Record what defence counsel received.

    The bundle of the case is written to a file, without its confidential sections.

    The record names the events, the sections that are withheld, and the digests of what was given. The file is checked
    offline like any bundle: tally proof check.
    """
    from ledger.cli.files import opened_output, would_be_new
    from ledger.evidence.hashing import hash_file

    data = recorder.session.service.fetch(path_of("/api/v1/cases/{}/proof", case_id), withhold="sections")
    events, withheld = _contents_of(data)
    target = output or Path(f"{case_id}.disclosed.json")
    is_new = would_be_new(recorder.session, target)
    with opened_output(recorder.session, target) as opened:
        opened.write(data)
    digests = [str(digest) for file in (target, *copies) for digest in hash_file(file).digests]
    fields: dict[str, Any] = {"recipient": recipient, "item_ids": item_ids, "digests": digests, "withheld": withheld}
    body = make_body(DisclosureMade, events=events[:MOST_NAMED], **fields)
    recorder.record_with(target, case_id, body, is_new=is_new)
    recorder.session.output.note(str(target))


def _contents_of(bundle: bytes) -> tuple[list[EventRef], list[str]]:
    """Return the events of a case bundle, and the labels of the sections that they commit to."""
    from ledger.core.verification.bundle import decode_bundle

    entries = decode_bundle(bundle).subjects
    labels = {label for entry in entries if entry.payload for label in entry.payload.confidential}
    envelopes = [entry.envelope for entry in entries]
    refs = [EventRef(event_id=envelope.event_id, payload_digest=envelope.payload_digest) for envelope in envelopes]
    return refs, sorted(labels)
