"""``tally proof``: proof bundles fetched, checked and certified. A check starts fast: it imports the core alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

import click

from ledger.cli.command import Group, output_option
from ledger.cli.errors import exit_of_report
from ledger.cli.options import COSE, LOG_COPY, READING_GROUND, TRUST, Node, takes_node
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.core.procedure.adoption import Procedures

FILE = click.File("rb")
LOG = click.option(
    "--log",
    "log_folder",
    type=click.Path(exists=True, file_okay=False),
    help=LOG_COPY,
)


@click.group("proof", cls=Group)
def proof_group() -> None:
    """Proof bundles: fetch, check and certify, offline and without trust in the service."""


@proof_group.command("check")
@click.argument("file", type=FILE)
@TRUST
@LOG
@click.option(
    "--procedure",
    "packages",
    metavar="FOLDER|NAME",
    multiple=True,
    help="Judge conformity by this package too, if the bundle of a case does not carry its own.",
)
@click.option("--entry", type=FILE, help="The entry that a COSE receipt is of, as 'tally proof get --cose' writes it.")
@takes_node
def check(
    session: Session,
    /,
    *,
    file: BinaryIO,
    trust_files: tuple[BinaryIO, ...],
    log_folder: str | None,
    packages: tuple[str, ...],
    entry: BinaryIO | None,
    node: Node | None,
) -> int:
    """Check the bundle in FILE, step by step, down to the hash of a block.

    The block is one that the trust file names ('tally log trust --block-of FILE'), that the node at --rpc has, or that
    the ledger's witnesses vouch for. Of a COSE receipt, which is checked with its --entry, no more is shown than that
    the log has the entry.
    """
    from ledger.cli.proofs import is_receipt, trust_for, verify, verify_with_entry
    from ledger.cli.report import show_report

    data = file.read()
    # What is no bundle, beside an entry, is a receipt that is spoiled from its first byte on.
    if is_receipt(data) or (entry is not None and not data.startswith(b"{")):
        if log_folder or packages or node:
            raise MalformedInput("a receipt is checked with its entry alone", field="--log, --procedure, --rpc")
        receipt_report, trust = verify_with_entry(data, entry, session, trust_files)
        show_report(session, receipt_report, trust)
        return exit_of_report(receipt_report)
    if entry is not None:
        raise MalformedInput("expected a COSE receipt, with which an entry is checked", field="FILE")
    procedures = _procedures_of(packages) if packages else None
    trust = trust_for(session, data, trust_files)
    report = verify(data, trust, log_folder, node, procedures)
    show_report(session, report, trust)
    return exit_of_report(report)


def _procedures_of(packages: Iterable[str]) -> Procedures:
    from ledger.cli.commands.procedure import files_of
    from ledger.core.procedure.adoption import Procedures
    from ledger.core.procedure.package import read_package

    return Procedures.of(*(read_package(files_of(package)) for package in packages))


@proof_group.command("get")
@click.argument("event_id", required=False)
@click.option("--case", "case_id", help="All events of this case, in one bundle.")
@click.option("--withhold", type=click.Choice(["payload", "sections"]), help="What the bundle leaves out.")
@click.option("--tlog-proof", is_flag=True, help="Only its C2SP tlog-proof, which other programs check.")
@COSE
@READING_GROUND
@output_option(default="ID.bundle.json")
def get(
    session: Session,
    /,
    *,
    event_id: str | None,
    case_id: str | None,
    tlog_proof: bool,
    cose: bool,
    output: Path | None,
    **query: str | None,
) -> None:
    """Fetch the bundle of an event, or of a case."""
    from pathlib import Path

    from ledger.cli.files import save
    from ledger.cli.proofs import entry_of, require_asked, take_receipt
    from ledger.client.service import path_of
    from ledger.core.verification.bundle import decode_bundle, tlog_proof_of

    if (event_id is None) == (case_id is None):
        raise MalformedInput("expected one of the two", field="EVENT_ID, --case")
    if tlog_proof and event_id is None:
        raise MalformedInput("a tlog-proof is of one event", field="--tlog-proof", hint="Name the event.")
    if tlog_proof and cose:
        raise MalformedInput("expected one of the two", field="--tlog-proof, --cose")
    if cose and event_id is None:
        raise MalformedInput("a receipt is of one event", field="--cose", hint="Name the event.")
    subject, subject_id = ("events", event_id) if event_id else ("cases", case_id or "")
    path = path_of("/api/v1/{}/{}/proof", subject, subject_id)
    bundle = session.service.fetch(path, **query)
    require_asked(session, bundle, event_id=event_id, case_id=case_id)
    if cose:
        return take_receipt(session, *entry_of(bundle), output or Path(f"{event_id}.cose"))
    target = output or Path(f"{event_id or case_id}.{'tlog-proof' if tlog_proof else 'bundle.json'}")
    return save(session, target, tlog_proof_of(decode_bundle(bundle)).encode() if tlog_proof else bundle)


@proof_group.command("absence")
@click.option("--case", "case_id", help="The case that the log does not have.")
@click.option("--lead", "lead_id", help="The lead that the log does not have.")
@click.option("--agency", "agency_id", help="The agency, of whose own stream there is no event.")
@output_option(default="ID.absence.json")
def absence(
    session: Session, /, *, case_id: str | None, lead_id: str | None, agency_id: str | None, output: Path | None
) -> None:
    """Fetch a file that shows that the log has no event of a case, a lead or an agency, up to its last head map.

    'tally proof check' checks it.
    """
    from pathlib import Path

    from ledger.cli.files import save
    from ledger.cli.proofs import require_asked

    named = {"case": case_id, "supervision": lead_id, "agency": agency_id}
    streams = [(kind, stream_id) for kind, stream_id in named.items() if stream_id is not None]
    if len(streams) != 1:
        raise MalformedInput("expected one of the three", field="--case, --lead, --agency")
    kind, stream_id = streams[0]
    bundle = session.service.fetch("/api/v1/log/absence", kind=kind, id=stream_id)
    require_asked(session, bundle, absent=f"{kind} {stream_id}")
    return save(session, output or Path(f"{stream_id}.absence.json"), bundle)


@proof_group.command("certificate")
@click.argument("file", type=FILE)
@TRUST
@LOG
@click.option("--item", "item_id", help="Only this item of a case, and what happened with it.")
@click.option("--both", is_flag=True, help="In Chinese and English [in your language].")
@click.option("--verify-url", help="Address of a verify page, for the QR code [none].")
@output_option(default="ID.certificate.pdf")
@takes_node
def certificate(
    session: Session,
    *,
    file: BinaryIO,
    trust_files: tuple[BinaryIO, ...],
    log_folder: str | None,
    item_id: str | None,
    both: bool,
    verify_url: str | None,
    output: Path | None,
    node: Node | None,
) -> int:
    """Write a certificate of the bundle in FILE: what is proven, step by step in words, and what is not.

    PDF/A with the bundle attached. It is made here, offline, and of nothing that was tampered with.
    """
    from pathlib import Path

    from ledger.cli.files import save
    from ledger.cli.proofs import certificate_of, trust_for
    from ledger.interchange.papers.paper_text import language_for

    if verify_url is not None and not verify_url.startswith(("http://", "https://")):
        raise MalformedInput("expected an http(s) URL", field="--verify-url")
    data = file.read()
    trust = trust_for(session, data, trust_files)
    language = "both" if both else language_for(session.language)
    certified, pdf = certificate_of(data, trust, language, log_folder, node, verify_url=verify_url, item_id=item_id)
    target = output or Path(f"{certified.name}.certificate.pdf")
    beside = {name: getattr(certified, name).result for name in ("conformity", "completeness")}
    save(session, target, pdf, verdict=certified.verdict, **beside)
    return exit_of_report(certified)
