"""Models, leads and recommendations at the command line: materials, runs, faults of a model, checks of leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from msgspec.structs import replace

from ledger.cli.errors import EXIT_OF_VERDICT, Exit
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Output, columns, printable_line
from ledger.cli.params import DigestedFile, outsider, split_once
from ledger.cli.proofs import LEAD, blocks_at_node, require_format, trust_for
from ledger.cli.report import show_report
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.errors import IntegrityBroken
from ledger.core.events import Body
from ledger.core.log.tiles import TILE_WIDTH
from ledger.core.procedure.adoption import Procedures

if TYPE_CHECKING:
    from ledger.cli.options import Node
    from ledger.i18n import Labels
    from ledger.supervision.model_faults import ModelRefused

STEPS = columns("event_type", "agency", "officer", "occurred_at", "index", "event_id")
MATERIAL = (
    click.option(
        "--material",
        "files",
        type=DigestedFile(),
        multiple=True,
        help="A file of the material; only its digests are recorded.",
    ),
    click.option(
        "--digest", "digests", metavar="DIGEST", multiple=True, help="A digest of material, such as sha256:..."
    ),
)


def record_supervision(recorder: EventRecorder, stream_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    """Record an event of a model, lead or recommendation, with the digests of its ``MATERIAL`` if it takes any.

    It goes to whom ``OUTSIDE`` and ``PLACE`` name, if it takes these.
    """
    if "files" in fields:
        fields["digests"] = [*fields["digests"], *fields.pop("files")]
    if "outside" in fields:
        fields["to_outside"] = outsider(fields.pop("outside"), fields.pop("place"))
    recorder.record_supervision(stream_id, make_body(body, **fields))


def print_life(output: Output, events: Iterable[Mapping[str, Any]]) -> None:
    """Print for people the steps of a life, each with its signed event."""
    rows = [{**event["payload"], **event["envelope"], **event} for event in events]
    output.parts([("steps", rows, STEPS)])


def lead_counts(labels: Labels, leads: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return how many leads are at each state, and how many of the closed ones had each outcome."""
    return [
        {"word": word, "what": labels.of(vocabulary, word), "count": count}
        for vocabulary, counted in (("lead_status", "by_status"), ("lead_outcome", "by_outcome"))
        for word, count in (leads or {}).get(counted, {}).items()
    ]


def with_renamed_fields(rows: Iterable[Mapping[str, Any]], **names: str) -> list[dict[str, Any]]:
    """Return the rows with fields under other names, because a name may be labelled differently elsewhere."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


FOUND = columns("lead_id", "supervised", "says", "events", "known")


def parameters_of(settings: Sequence[str]) -> dict[str, str]:
    """Parse ``NAME=VALUE`` parameters. Raises MalformedInput."""
    return dict(split_once(text, "=", "--set", "NAME=VALUE") for text in settings)


def show_run(session: Session, run: dict[str, Any]) -> None:
    """Print what a run found, a line for each row."""
    from ledger.supervision.runs.findings import say_differing

    if session.json:
        return session.output.data(run)
    says = f"says_{session.labels.suffix}"
    rows = [row | {"says": row[says], "events": len(row["evidence"])} for row in run["findings"]]
    session.output.table(rows, FOUND, style_of=lambda row: "dim" if row["known"] else "")
    shown = ("model_id", "version", "parameters", "datasets", "tree_size", "as_of", "total")
    session.output.record({name: run[name] for name in shown})
    for text in say_differing(run["differing"]):
        session.warn(text)
    return None


@contextmanager
def printing_faults(session: Session, name: str) -> Iterator[None]:
    """End the command if the file of this name is refused, after printing every fault; programs get the first error."""
    from ledger.supervision.model_faults import ModelRefused

    try:
        yield
    except ModelRefused as refused:
        if session.json:
            raise
        show_faults(session, name, refused, colour="red")
        raise click.exceptions.Exit(Exit.USAGE) from refused


def show_faults(session: Session, name: str, refused: ModelRefused, *, colour: str) -> None:
    """Print each fault in a line: on standard output as JSON, else on standard error as compilers do."""
    if session.json:
        for fault in refused.faults:
            session.output.line({"file": name, "line": fault.line, "field": fault.field, "expected": fault.message})
    else:
        for line, field, message in refused.told_in(session.labels):
            line_text = ": ".join(filter(None, (f"{name}:{line}", field, message)))
            click.secho(printable_line(line_text), fg=colour, err=True)


def fetch_lead_file(session: Session, lead_id: str) -> bytes:
    """Fetch the file that finds a lead again. Raises NotFound, and IntegrityBroken if it is of another lead."""
    from ledger.core.verification.bundle import decode_bundle
    from ledger.supervision.lead_verification import decode_lead_file

    data = session.service.fetch(path_of("/api/v1/leads/{}/proof", lead_id))
    actual = decode_bundle(decode_lead_file(data).lead).require_event().envelope.stream.id
    if actual != lead_id:
        raise IntegrityBroken(
            "the service gave the proof of {actual}, not of {asked}", actual=actual, asked=lead_id, field="bundle"
        )
    return data


def check_lead(
    session: Session,
    data: bytes,
    files: Sequence[Path],
    *,
    trust_files: Iterable[BinaryIO],
    entries: Callable[[int], Iterable[bytes]] | None,
    node: Node | None,
) -> int:
    """Derive the lead of a lead file again, show the report, and return the exit code.

    ``files`` are those of data sets. ``entries`` gives the first entries of the log, if they are needed. Raises
    MalformedInput.
    """
    from ledger.supervision.lead_verification import decode_lead_file, verify_lead

    held = replace(decode_lead_file(require_format(data, LEAD, "FILE")), files=files, entries=entries)
    trust = trust_for(session, held.lead, trust_files)
    blocks = {block for bundle in held.bundles for block in blocks_at_node(node, bundle, trust)}
    report = verify_lead(held, trust, Procedures(), observed=tuple(blocks))
    show_report(session, report, trust)
    return EXIT_OF_VERDICT[report.verdict]


def entries_in(log_folder: Path) -> Callable[[int], Iterable[bytes]]:
    """Return what gives the entries of a copy of the log."""
    from ledger.client.log_copy import stored_entries

    return lambda _size: stored_entries(log_folder)


def fetched_entries(session: Session, size: int) -> Iterator[bytes]:
    """Fetch the first ``size`` entries of the log as they are asked for, under a progress bar."""
    from ledger.cli.files import bar
    from ledger.client.log_copy import fetch_bundles

    with bar(session, "fetching", -(-size // TILE_WIDTH)) as progress:
        for bundle in fetch_bundles(session.service, size):
            yield from bundle
            progress.step()
