"""``tally decision``, ``record``, ``discrepancy``, ``section`` and ``disclosure``: what is written into a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import digests_of
from ledger.cli.params import Moment, acting, event_ref, split_once, words
from ledger.client.service import at
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.handover import DiscrepancyRaised, DiscrepancyResolved
from ledger.core.events.record import DisclosureMade, RecordCorrected, RecordLate, SectionErased
from ledger.core.events.terms import DecisionKind, DiscrepancyKind, EventRef
from ledger.recording.signing import new_id


@click.group("decision", cls=Group)
def decision_group() -> None:
    """Decisions, with their paper."""


@decision_group.command("record")
@click.argument("case_id")
@click.argument("kind", type=words(DecisionKind))
@click.option("--number", required=True, help="As written on the paper.")
@click.option("--decided-at", type=Moment(), required=True)
@click.option("--served-at", type=Moment())
@click.option("--effective-at", type=Moment())
@click.option("--person", "person_ids", multiple=True, help="Whom it concerns; may be given several times.")
@click.option("--item", "items", metavar="ITEM=DISPOSAL", multiple=True, help="What it says of an item.")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The document, to digest.")
@click.option("--decision-id", help="Made up unless given.")
@acting
def record(
    recorder: EventRecorder,
    case_id: str,
    items: tuple[str, ...],
    file: Path | None,
    decision_id: str | None,
    **fields: Any,
) -> None:
    """Record a decision."""
    disposals = [split_once(text, "=", "--item", "ITEM=DISPOSAL") for text in items]
    body = make_body(
        DecisionRecorded,
        decision_id=decision_id or new_id("decision"),
        items=[{"item_id": item_id, "disposal": disposal} for item_id, disposal in disposals],
        digests=digests_of(file, recorder.session.output) if file else (),
        **fields,
    )
    recorder.record(case_id, body)


@click.group("record", cls=Group)
def record_group() -> None:
    """Corrections, and why something was recorded late."""


@record_group.command("correct")
@click.argument("case_id")
@click.argument("corrects", metavar="EVENT_ID[=DIGEST]")
@click.option(
    "--change",
    "corrections",
    nargs=3,
    multiple=True,
    required=True,
    metavar="FIELD RECORDED CORRECT",
    help="What was recorded in a field, such as quantity.value, and what is correct.",
)
@click.option("--ground", required=True)
@acting
def correct(
    recorder: EventRecorder, case_id: str, corrects: str, corrections: tuple[tuple[str, str, str], ...], **fields: Any
) -> None:
    """Correct what an event says. The event stays; the correction stands beside it."""
    cited = event_ref(recorder.session, corrects, option="EVENT_ID")
    changes = [dict(zip(("field", "recorded", "correct"), change, strict=True)) for change in corrections]
    recorder.record(case_id, make_body(RecordCorrected, corrects=cited, corrections=changes, **fields))


@record_group.command("late")
@click.argument("case_id")
@click.option("--happened-at", type=Moment(), required=True)
@click.option("--ground", required=True, help="Why it was not recorded then.")
@click.option("--concerns", metavar="EVENT_ID[=DIGEST]", help="The late entry, where there is one.")
@acting
def late(recorder: EventRecorder, case_id: str, concerns: str | None, **fields: Any) -> None:
    """Say why something was not recorded when it happened."""
    cited = event_ref(recorder.session, concerns, option="--concerns") if concerns else None
    recorder.record(case_id, make_body(RecordLate, concerns=cited, **fields))


@click.group("discrepancy", cls=Group)
def discrepancy_group() -> None:
    """Differences between release and receipt."""


@discrepancy_group.command("raise")
@click.argument("case_id")
@click.argument("handover_id")
@click.argument("item_id")
@click.option("--kind", type=words(DiscrepancyKind), required=True, help="In what it differs.")
@click.option("--expected", required=True, help="What the record says.")
@click.option("--found", required=True, help="What there is.")
@click.option("--discrepancy-id", help="Made up unless given.")
@acting
def raise_(recorder: EventRecorder, case_id: str, discrepancy_id: str | None, **fields: Any) -> None:
    """Raise a difference that was found after the acceptance."""
    own = discrepancy_id or new_id("discrepancy")
    recorder.record(case_id, make_body(DiscrepancyRaised, discrepancy_id=own, **fields))


@discrepancy_group.command("resolve")
@click.argument("case_id")
@click.argument("discrepancy_id")
@click.option("--resolution", required=True, help="The same words for both sides.")
@acting
def resolve(recorder: EventRecorder, case_id: str, **fields: Any) -> None:
    """Sign a resolution; it ends when both sides have signed the same words."""
    recorder.record(case_id, make_body(DiscrepancyResolved, **fields))


@click.group("section", cls=Group)
def section_group() -> None:
    """Confidential sections of events."""


@section_group.command("erase")
@click.argument("case_id")
@click.argument("event", metavar="EVENT_ID[=DIGEST]")
@click.argument("label")
@click.option("--ground", required=True)
@acting
def erase(recorder: EventRecorder, case_id: str, event: str, label: str, ground: str) -> None:
    """Erase a section of an event for good, such as person:1. Takes a supervisor, and the --authority that orders it.

    What was signed stays, and so does every proof of it: it says that the section was erased, and by whom.
    """
    concerns = event_ref(recorder.session, event, option="EVENT_ID")
    recorder.record(case_id, make_body(SectionErased, concerns=concerns, label=label, ground=ground))


MOST_NAMED = 1000  # events that one disclosure names


@click.group("disclosure", cls=Group)
def disclosure_group() -> None:
    """Disclosures to defence counsel."""


@disclosure_group.command("make")
@click.argument("case_id")
@click.option("--recipient", required=True, help="Who receives it.")
@click.option("--item", "item_ids", multiple=True, help="An item whose copy goes with it; may be given several times.")
@click.option(
    "--copy",
    "copies",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Another file that goes with it, told by its digests; may be given several times.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where to write it [CASE_ID.disclosed.json].")
@acting
def make(
    recorder: EventRecorder,
    /,
    *,
    case_id: str,
    recipient: str,
    item_ids: tuple[str, ...],
    copies: tuple[Path, ...],
    output: Path | None,
) -> None:
    """Write the bundle of a case without its confidential sections, and record who receives it.

    The record names the events, the sections that are withheld, and the digests of what was given. The file is checked
    offline like any bundle: tally proof check.
    """
    from ledger.evidence.hashing import hash_file

    data = recorder.session.service.fetch(at("/api/v1/cases/{}/proof", case_id), withhold="sections")
    events, withheld = _contents_of(data)
    target = output or Path(f"{case_id}.disclosed.json")
    target.write_bytes(data)
    digests = [str(digest) for file in (target, *copies) for digest in hash_file(file).digests]
    fields: dict[str, Any] = {"recipient": recipient, "item_ids": item_ids, "digests": digests, "withheld": withheld}
    recorder.record(case_id, make_body(DisclosureMade, events=events[:MOST_NAMED], **fields))
    recorder.session.output.note(str(target))


def _contents_of(bundle: bytes) -> tuple[list[EventRef], list[str]]:
    """Return the events of a case bundle, and the labels of the sections that they commit to."""
    from ledger.core.events import decode_envelope, decode_payload
    from ledger.core.verification.bundle_format import decode_bundle, decode_case_bundle, read_part

    events: list[EventRef] = []
    labels: set[str] = set()
    for part in decode_case_bundle(bundle).events:
        event = decode_bundle(bytes(part))
        envelope, _ = read_part(event.envelope, decode_envelope, "envelope")
        events.append(EventRef(event_id=envelope.event_id, payload_digest=envelope.payload_digest))
        if event.payload:
            labels.update(read_part(event.payload, decode_payload, "payload")[0].confidential)
    return events, sorted(labels)
