"""``tally disclosure``: what defence counsel receives, without confidential sections, and the record of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledger.cli.bodies import make_body
from ledger.cli.command import Group
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.params import acting
from ledger.client.service import at
from ledger.core.events.record import DisclosureMade
from ledger.core.events.terms import EventRef

MOST_NAMED = 1000  # events that one disclosure names


@click.group("disclosure", cls=Group)
def command() -> None:
    """Disclosures to defence counsel."""


@command.command("make")
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
