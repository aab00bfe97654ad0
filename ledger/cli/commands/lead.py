"""``tally lead``: what models found, from the finding to its outcome."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.errors import EXIT_OF_VERDICT
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.options import Node, takes_node
from ledger.cli.output import Column, printable_line
from ledger.cli.params import Moment, acting, event_ref, words
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import all_digests, fetch_view, material, parameters_of, print_life, show_run
from ledger.client.service import at
from ledger.core.events import supervision
from ledger.core.events.terms import DismissalReason, LeadOutcome
from ledger.core.supervision.state import OPEN, LeadStatus

STATUS = Column("status", "lead_status")
LISTED = (
    Column("lead_id"),
    STATUS,
    *(Column(name) for name in ("severity", "model_id", "case_id", "supervised", "procuratorate", "handler", "says")),
)
SHOWN = (
    Column("lead_id"),
    STATUS,
    *(Column(name) for name in ("raised.severity", "raised.says", "raised.model_id", "raised.model_version")),
    *(Column(name) for name in ("case_id", "supervised", "procuratorate", "handler", "department")),
    *(Column(f"raised.{name}") for name in ("as_of", "tree_size", "cited_count", "model_digest", "parameters", "key")),
    *(Column(name) for name in ("raised.values", "confirmed.finding", "confirmed.digests")),
    Column("dismissed.reason_code", "dismissal_reason"),
    *(Column(name) for name in ("dismissed.ground", "closed.outcome", "closed.summary")),
    *(Column(name) for name in ("closed.document_number", "closed.recommendation_id")),
)
CHECKS = (Column("what"), Column("by"))
ANSWERS = (Column("answer"), Column("digests"))
LEAD = click.argument("lead_id")


@click.group("lead", cls=Group)
def lead_group() -> None:
    """Leads: what models found, assigned, answered, confirmed or dismissed, closed with what came of it."""


@lead_group.command("list")
@click.option("--state", type=words(LeadStatus), help="Only those that have come so far.")
@click.option("--model", metavar="MODEL", help="Only those that this model raised.")
@click.option("--case", "case_id", metavar="CASE", help="Only those about this case.")
@click.option("--agency", metavar="AGENCY", help="Only those that this agency has to answer.")
@click.option("--procuratorate", metavar="AGENCY", help="Only those that this procuratorate has.")
@pass_session
def list_(session: Session, /, **query: str | None) -> None:
    """List the leads that you may see, the latest change last: red is grave and undecided, dim is closed."""
    leads = list(session.service.pages("/api/v1/leads", "leads", **query))
    session.output.table(leads, LISTED, style_of=_style)


@lead_group.command("show")
@LEAD
@pass_session
def show(session: Session, lead_id: str) -> None:
    """Show a lead: what was found and how, what must be checked, and each step since."""
    lead, output = fetch_view(session, "/api/v1/leads/{}", lead_id), session.output
    output.record(lead, SHOWN)
    if session.json:
        return
    for name, rows, columns in (
        ("checks", lead["raised"].get("checks", ()), CHECKS),
        ("answers", lead["answers"], ANSWERS),
    ):
        if rows:
            output.part(name, rows, columns)
    print_life(output, lead["events"])


@lead_group.command("assign")
@LEAD
@click.argument("handler")
@click.option("--department", help="Of your procuratorate.")
@click.option("--note", help="For the handler.")
@acting
def assign(recorder: EventRecorder, lead_id: str, **fields: Any) -> None:
    """Assign a lead to HANDLER, an officer of your procuratorate. From then on the agency that must answer sees it."""
    recorder.record_supervision(lead_id, make_body(supervision.LeadAssigned, **fields))


@lead_group.command("transfer")
@LEAD
@click.argument("to_agency")
@click.option("--ground", required=True, help="Why.")
@acting
def transfer(recorder: EventRecorder, lead_id: str, **fields: Any) -> None:
    """Transfer a lead to the procuratorate above or below, or draw it up from one below."""
    recorder.record_supervision(lead_id, make_body(supervision.LeadTransferred, **fields))


@lead_group.command("answer")
@LEAD
@click.option("--answer", required=True, help="What your agency says of it.")
@material
@click.option("--cite", "events", metavar="EVENT_ID[=DIGEST]", multiple=True, help="An event that shows it.")
@acting
def answer(
    recorder: EventRecorder, /, *, lead_id: str, files: tuple[Path, ...], events: tuple[str, ...], **fields: Any
) -> None:
    """Answer a lead for the supervised agency."""
    session = recorder.session
    fields["digests"] = all_digests(session.output, files, fields["digests"])
    cited = [event_ref(session, text, option="--cite") for text in events]
    recorder.record_supervision(lead_id, make_body(supervision.LeadAnswered, events=cited, **fields))


@lead_group.command("confirm")
@LEAD
@click.option("--finding", required=True, help="What the check has shown.")
@material
@acting
def confirm(recorder: EventRecorder, /, *, lead_id: str, files: tuple[Path, ...], **fields: Any) -> None:
    """Confirm a lead by the material that was checked: without any it is refused."""
    fields["digests"] = all_digests(recorder.session.output, files, fields["digests"])
    recorder.record_supervision(lead_id, make_body(supervision.LeadConfirmed, **fields))


@lead_group.command("dismiss")
@LEAD
@click.option("--reason", "reason_code", type=words(DismissalReason), required=True)
@click.option("--ground", required=True, help="Why.")
@acting
def dismiss(recorder: EventRecorder, lead_id: str, **fields: Any) -> None:
    """Dismiss a lead, with the reason."""
    recorder.record_supervision(lead_id, make_body(supervision.LeadDismissed, **fields))


@lead_group.command("close")
@LEAD
@click.option("--outcome", type=words(LeadOutcome), required=True, help="What came of it; none of a dismissed lead.")
@click.option("--summary", required=True, help="In a sentence or two.")
@click.option("--document", "document_number", help="Number of the notice, or of the paper that files the case.")
@click.option("--recommendation", "recommendation_id", metavar="ID", help="The recommendation that came of it.")
@acting
def close(recorder: EventRecorder, lead_id: str, **fields: Any) -> None:
    """Close a lead with its outcome."""
    recorder.record_supervision(lead_id, make_body(supervision.LeadClosed, **fields))


@lead_group.command("verify")
@LEAD
@click.option(
    "--dataset",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="File of a data set that the lead rests on.",
)
@click.option(
    "--log",
    "log_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Copy of the log, as 'tally log save' makes it; else entries are fetched where they are needed.",
)
@takes_node
@pass_session
def verify(
    session: Session, /, *, lead_id: str, files: tuple[Path, ...], log_folder: Path | None, node: Node | None
) -> int:
    """Find a lead again, here, in the events that it cites: the bundles are checked, the service is not believed.

    The entries of the public log tell that no event of the cases is left out; they are fetched where no later event of
    a case tells that.
    What each step compared is told as by 'tally proof check', and so is the exit code.
    """
    from ledger.cli.report import show_report
    from ledger.cli.supervision import verify_lead

    report = verify_lead(session, lead_id, files, log_folder, node)
    show_report(session, report)
    return EXIT_OF_VERDICT[report.verdict]


@lead_group.command("kind")
@LEAD
@click.option("--set", "given", metavar="NAME=VALUE", multiple=True, help="A parameter, wider than the lead's own.")
@click.option("--as-of", type=Moment(), help="As things stood at this time, if not now.")
@pass_session
def kind(session: Session, lead_id: str, given: Sequence[str], as_of: str | None) -> None:
    """Find all of a lead's kind: its model over all history, with its parameters or wider ones. Nothing is raised."""
    asked = {"parameters": parameters_of(given)} | ({"as_of": as_of} if as_of else {})
    path = at("/api/v1/leads/{}/kind", lead_id)
    show_run(session, session.service.post(path, msgspec.json.encode(asked), dict))


@lead_group.command("watch")
@click.option("--every", type=click.FloatRange(min=0.1), default=5, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Show what there is, and end.")
@pass_session
def watch(session: Session, every: float, once: bool) -> None:
    """Show each lead as it is raised or moves on, until you interrupt it."""
    behind: str | None = None
    while True:
        page: dict[str, Any] = {"next": behind}
        while "next" in page:
            page = session.service.get("/api/v1/leads", after=page["next"])
            for lead in page["leads"]:
                _print_lead(session, lead)
            behind = page.get("resume", behind)
        if once:
            return
        time.sleep(every)


def _print_lead(session: Session, lead: dict[str, Any]) -> None:
    """Print a lead in a line of its own, at once."""
    if session.json:
        return session.output.line(lead)
    says = lead["says"][session.labels.suffix]
    status = session.labels.of("lead_status", lead["status"])
    line = f"{lead['lead_id']}  {status}  {lead['supervised']}  {says}"
    style = _style(lead)
    return click.secho(printable_line(line), fg="red" if style == "red" else None, dim=style == "dim")


def _style(row: Any) -> str:
    if row["status"] == "closed":
        return "dim"
    return "red" if row["severity"] == "high" and row["status"] in OPEN else ""
