"""``tally lead``: what models found, from the finding to its outcome."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import save
from ledger.cli.options import LOG_COPY, TRUST, Node, takes_node
from ledger.cli.output import columns, printable_line
from ledger.cli.params import (
    FILE,
    GROUND,
    MOMENT,
    OUTSIDE,
    PLACE,
    EventReference,
    ProcedureWord,
    act_command,
    add_act,
    with_event_recorder,
    words,
)
from ledger.cli.session import Session
from ledger.cli.supervision import (
    MATERIAL,
    check_lead,
    entries_in,
    fetch_lead_file,
    fetched_entries,
    parameters_of,
    print_life,
    record_supervision,
    show_run,
)
from ledger.client.service import path_of
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import LeadAssigned, LeadDismissed
from ledger.core.events.terms import DismissalReason
from ledger.core.supervision.state import OPEN, LeadStatus
from ledger.recording.event_signing import MAX_ACTS

LISTED = columns(
    *("lead_id", "status:lead_status", "severity", "model_id", "case_id", "supervised", "supervising", "handler"),
    "says",
)
SHOWN = columns(
    *("lead_id", "status:lead_status", "raised.severity", "raised.says", "raised.model_id", "raised.model_version"),
    *("case_id", "supervised", "supervising", "handler", "department"),
    *(f"raised.{name}" for name in ("as_of", "tree_size", "cited_count", "model_digest", "parameters", "key")),
    *("raised.values", "confirmed.finding", "confirmed.digests", "dismissed.reason_code:dismissal_reason"),
    *(
        "dismissed.ground",
        "closed.outcome",
        "closed.summary",
        "closed.document_number",
        "closed.document_date",
        "closed.recommendation_id",
        "closed.to_agency",
        "closed.to_outside.name",
    ),
)
CHECKS = columns("what", "by")
ANSWERS = columns("answer", "digests")
LEAD = click.argument("lead_id")
LEADS = click.argument("lead_ids", nargs=-1, metavar="LEAD...")
LISTED_IN = click.option(
    "--from", "file", type=click.File(), help="A file with the leads, one a line; - reads them here."
)


@click.group("lead", cls=Group)
def lead_group() -> None:
    """Leads: what models found, assigned, answered, confirmed or dismissed, closed with what came of it."""


@lead_group.command("list")
@click.option("--state", type=words(LeadStatus), help="Only those that have come so far.")
@click.option("--model", metavar="MODEL", help="Only those that this model raised.")
@click.option("--case", "case_id", metavar="CASE", help="Only those about this case.")
@click.option("--agency", metavar="AGENCY", help="Only those that this agency has to answer.")
@click.option("--supervising", metavar="AGENCY", help="Only those that this agency has.")
def list_(session: Session, /, **query: str | None) -> None:
    """List the leads that you may see, the latest change last: red is grave and undecided, dim is closed."""
    leads = list(session.service.pages("/api/v1/leads", "leads", **query))
    session.output.table(leads, LISTED, style_of=_style)


@lead_group.command("show")
@LEAD
def show(session: Session, lead_id: str) -> None:
    """Show a lead: what was found and how, what must be checked, and each step since."""
    lead, output = session.service.get(path_of("/api/v1/leads/{}", lead_id)), session.output
    output.record(lead, SHOWN)
    output.parts((("checks", lead["raised"].get("checks", ()), CHECKS), ("answers", lead["answers"], ANSWERS)))
    print_life(output, lead["events"])


act = partial(add_act, lead_group, subject="lead_id", record=record_supervision)
CITED = click.option("--cite", "events", type=EventReference(), multiple=True, help="An event that shows it.")
OUTCOME = "What came of it; of a dismissed lead, that nothing did."
DOCUMENT = "Number of the paper, where the outcome is one."


@act_command(lead_group, "lead.assigned")
@LEADS
@click.argument("handler")
@LISTED_IN
@click.option("--department")
@click.option(
    "--line", "business_line", type=ProcedureWord("business_line"), help="The business line that takes it up."
)
@click.option("--note", help="For the handler.")
@with_event_recorder
def assign(recorder: EventRecorder, lead_ids: Sequence[str], file: TextIO | None, **fields: Any) -> None:
    """Assign leads.

    Several are shown together, signed by one consent, and assigned all or not at all.
    """
    recorder.record_supervision_of(_chosen(lead_ids, file), make_body(LeadAssigned, **fields))


@act_command(lead_group, "lead.dismissed")
@LEADS
@LISTED_IN
@click.option("--reason", "reason_code", type=words(DismissalReason), required=True)
@GROUND
@with_event_recorder
def dismiss(recorder: EventRecorder, lead_ids: Sequence[str], file: TextIO | None, **fields: Any) -> None:
    """Dismiss leads.

    Several are shown together, signed by one consent, and dismissed all or not at all.
    """
    recorder.record_supervision_of(_chosen(lead_ids, file), make_body(LeadDismissed, **fields))


def _chosen(lead_ids: Sequence[str], file: TextIO | None) -> list[str]:
    """Return the leads that are named, and those of a file, once each. Raises MalformedInput."""
    lines = file.read().split() if file is not None else ()
    chosen = list(dict.fromkeys((*lead_ids, *lines)))
    if not 0 < len(chosen) <= MAX_ACTS:
        raise MalformedInput("choose 1 to {limit} leads", limit=MAX_ACTS, field="LEAD_IDS")
    return chosen


act(
    "lead.transferred",
    "to_agency",
    GROUND,
)
act(
    "lead.answered",
    click.option("--answer", required=True, help="What your agency says of it."),
    *MATERIAL,
    CITED,
)
act(
    "lead.confirmed",
    click.option("--finding", required=True, help="What the check has shown."),
    *MATERIAL,
)
act(
    "lead.closed",
    click.option("--outcome", type=ProcedureWord("lead_outcome"), required=True, help=OUTCOME),
    click.option("--summary", required=True, help="In a sentence or two."),
    click.option("--document", "document_number", help=DOCUMENT),
    click.option("--dated", "document_date", metavar="DAY", help="Day of the paper."),
    *MATERIAL,
    click.option("--recommendation", "recommendation_id", metavar="ID", help="The recommendation that came of it."),
    click.option("--to", "to_agency", metavar="AGENCY", help="The agency to which it is passed on: it sees it then."),
    OUTSIDE,
    PLACE,
)


@lead_group.command("get")
@LEAD
@output_option(default="LEAD.lead.json")
def get(session: Session, lead_id: str, output: Path | None) -> None:
    """Fetch the file of a lead, which 'tally lead verify' finds it again from, offline.

    It has the lead, its model and the cases that it cites, as far as you may see them.
    """
    save(session, output or Path(f"{lead_id}.lead.json"), fetch_lead_file(session, lead_id))


@lead_group.command("verify")
@click.argument("lead", metavar="LEAD|FILE")
@TRUST
@click.option("--dataset", "files", type=FILE, multiple=True, help="File of a data set that the lead rests on.")
@click.option(
    "--log",
    "log_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=LOG_COPY,
)
@takes_node
def verify(
    session: Session,
    /,
    *,
    lead: str,
    trust_files: tuple[BinaryIO, ...],
    files: tuple[Path, ...],
    log_folder: Path | None,
    node: Node | None,
) -> int:
    """Find a lead again by what you trust alone: from its FILE, as 'tally lead get' writes it, or from the service.

    Of a LEAD that the service has, the bundles are checked: it is not believed. The entries of the public log tell that
    no event of the cases is left out; unless --log has a copy they are fetched where neither a later event of a case
    nor a head map tells that.

    Each step reports what it compared as in 'tally proof check'; the exit code is the same, too.
    """
    is_file = lead == "-" or lead.endswith(".json") or Path(lead).exists()
    data = click.File("rb").convert(lead, None, None).read() if is_file else fetch_lead_file(session, lead)
    fetched = None if is_file else partial(fetched_entries, session)
    entries = fetched if log_folder is None else entries_in(log_folder)
    return check_lead(session, data, files, trust_files=trust_files, entries=entries, node=node)


@lead_group.command("kind")
@LEAD
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter, wider than the lead's own.")
@click.option("--as-of", type=MOMENT, help="As things stood at this time, if not now.")
def kind(session: Session, lead_id: str, settings: Sequence[str], as_of: str | None) -> None:
    """Find all of a lead's kind: its model over all history, with its parameters or wider ones. Nothing is raised."""
    asked = {"parameters": parameters_of(settings)} | ({"as_of": as_of} if as_of else {})
    path = path_of("/api/v1/leads/{}/kind", lead_id)
    show_run(session, session.service.post(path, msgspec.json.encode(asked), dict))


@lead_group.command("watch")
@click.option("--every", type=click.FloatRange(min=0.1), default=5, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Show what there is, and end.")
def watch(session: Session, every: float, once: bool) -> None:
    """Show each lead as it is raised or moves on, until you interrupt it."""
    behind: str | None = None
    while True:
        leads, behind = session.service.news("/api/v1/leads", "leads", behind)
        for lead in leads:
            if session.json:
                session.output.line(lead)
                continue
            says, status = lead["says"][session.labels.suffix], session.labels.of("lead_status", lead["status"])
            line = printable_line(f"{lead['lead_id']}  {status}  {lead['supervised']}  {says}")
            style = _style(lead)
            click.secho(line, fg="red" if style == "red" else None, dim=style == "dim")
        if once:
            return
        time.sleep(every)


def _style(row: Any) -> str:
    if row["status"] == "closed":
        return "dim"
    return "red" if row["severity"] == "high" and row["status"] in OPEN else ""
