"""Models, leads and recommendations at the command line: materials, runs, faults of a model, checks of leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.errors import Exit
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Output, columns, printable_line
from ledger.cli.params import DigestedFile, outsider, split_once
from ledger.cli.proofs import blocks_at_node, trust_for
from ledger.cli.session import Session
from ledger.client.service import at
from ledger.core.errors import NotFound
from ledger.core.events import Body
from ledger.core.events.registry import names_of

if TYPE_CHECKING:
    from ledger.cli.options import Node
    from ledger.i18n import Labels
    from ledger.supervision.leads import LeadReport
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
OUTSIDE = click.option("--outside", nargs=2, metavar="KIND NAME", help="Somebody who has no agency here.")
PLACE = click.option("--place", metavar="PLACE", help="Where somebody outside has the seat.")


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
    summary = {name: run[name] for name in ("model_id", "version", "parameters", "tree_size", "as_of", "total")}
    session.output.record(summary)
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


def verify_lead(
    session: Session, lead_id: str, files: Sequence[Path], log_folder: Path | None = None, node: Node | None = None
) -> LeadReport:
    """Derive a lead of the service again from bundles and the ``files`` of data sets, and return the report.

    If entries of the log are needed, they are those of the copy in ``log_folder``, or are fetched.

    Raises NotFound.
    """
    from ledger.core.procedure.adoption import Procedures
    from ledger.supervision.leads import LeadMaterial, rederive

    service = session.service
    lead = service.get(at("/api/v1/leads/{}", lead_id))
    raised = lead["raised"]
    bundle = service.fetch(at("/api/v1/events/{}/proof", lead["events"][0]["event_id"]))
    model = service.get(at("/api/v1/models/{}/{}", raised["model_id"], str(raised["model_version"])))
    cases, registrations, hidden = _cited(session, raised)
    agencies = tuple(
        (agency["agency_id"], agency["kind"], *names_of(agency["name"]), agency["jurisdiction"])
        for agency in service.pages("/api/v1/agencies", "agencies")
    )

    def first_entries(size: int) -> Iterator[bytes]:
        from ledger.client.log_copy import stored_entries

        return _fetched_entries(session, size) if log_folder is None else stored_entries(log_folder)

    held = LeadMaterial(bundle, model["definition"], cases, agencies, registrations, files, first_entries, hidden)
    trust = trust_for(session, bundle, ())
    blocks = {
        block for data in (bundle, *cases.values(), *registrations) for block in blocks_at_node(node, data, trust)
    }
    return rederive(held, trust, Procedures(), observed=tuple(blocks))


def _fetched_entries(session: Session, size: int) -> Iterator[bytes]:
    """Fetch the first ``size`` entries of the log as they are asked for, under a progress bar."""
    from ledger.cli.files import bar
    from ledger.client.log_copy import fetch_bundles
    from ledger.core.log.tiles import TILE_WIDTH

    with bar(session, "fetching", -(-size // TILE_WIDTH)) as progress:
        for bundle in fetch_bundles(session.service, size):
            yield from bundle
            progress.step()


def _cited(session: Session, raised: dict[str, Any]) -> tuple[dict[str, bytes], list[bytes], frozenset[str]]:
    """Fetch bundles of the cases of the events that the lead cites, and of the data set registrations among them.

    The ids of those that the officer may not see come beside them.
    """
    cases: dict[str, bytes] = {}
    registrations: list[bytes] = []
    hidden = set[str]()
    for ref in raised.get("events", ()):
        try:
            stream = session.service.get(at("/api/v1/events/{}", ref["event_id"]))["envelope"]["stream"]
            if stream["kind"] != "case":
                registrations.append(session.service.fetch(at("/api/v1/events/{}/proof", ref["event_id"])))
            elif stream["id"] not in cases:
                cases[stream["id"]] = session.service.fetch(at("/api/v1/cases/{}/proof", stream["id"]))
        except NotFound:
            hidden.add(ref["event_id"])
    return cases, registrations, frozenset(hidden)
