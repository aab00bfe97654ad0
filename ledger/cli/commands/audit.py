"""``tally audit``: everything is recomputed from stored bytes and compared with checkpoints and chain.

As an auditor by the service, or with ``--data-dir`` on the operator's own machine, with the service on or off: the
embedded chain is then made again from its journal, any other is asked. Where neither can be, the verdict says so.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click
from msgspec import to_builtins

from ledger.cli.command import Command, output_option, signing
from ledger.cli.errors import EXIT_OF_VERDICT
from ledger.cli.event_recorder import EventRecorder, make_body, print_receipt
from ledger.cli.files import bar, checkpoint_in, opened_output, require_free
from ledger.cli.params import FILE
from ledger.cli.report import show_audit
from ledger.cli.session import Session
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert
from ledger.core.events import Stream
from ledger.core.events.record import AuditRecorded
from ledger.core.messages import Message
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import parse_trust
from ledger.recording.event_signing import Claims

if TYPE_CHECKING:
    from ledger.audit import Look
    from ledger.config.settings import Settings
    from ledger.core.trust.trust_file import FinalityRule, Trust
    from ledger.store.database import Database

MOST_FINDINGS = 1000  # that an event holds


class Offline(NamedTuple):
    """How a database is audited without its service: what is left out, and what it is held against.

    Without a ``trust_file`` that is the trust file of the installation.
    """

    database_only: bool
    trust_file: BinaryIO | None
    checkpoints: tuple[Path, ...]
    since: Path | None


@click.command("audit", cls=Command)
@click.argument("case_id", required=False)
@click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the ledger: its database is audited, without the service.",
)
@click.option("--database-only", is_flag=True, help="With --data-dir: leave the chain out. Nothing is intact by that.")
@click.option(
    "--trust", "trust_file", type=click.File("rb"), help="With --data-dir: the ledger's trust file [the one there]."
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=FILE,
    help="With --data-dir: a checkpoint of this log, kept elsewhere, that the database must continue.",
)
@click.option(
    "--since",
    type=FILE,
    help="With --data-dir: go on from the audit that kept this file. Not all that it read is read again.",
)
@output_option(
    "--keep",
    help_text="Keep in a file what a later audit goes on from. Put it where only you can write.",
    is_result=False,
)
@output_option("--pdf", help_text="Write the report as a paper to this file, too.", is_result=False)
@click.option("--record", is_flag=True, help="Sign what was found into the case, or into your agency's own events.")
@click.option("--number", help="With --record: number of the paper on which it is reported.")
@signing
def audit_command(
    session: Session,
    *,
    case_id: str | None,
    data_dir: Path | None,
    database_only: bool,
    trust_file: BinaryIO | None,
    checkpoints: tuple[Path, ...],
    since: Path | None,
    keep: Path | None,
    pdf: Path | None,
    record: bool,
    number: str | None,
) -> int:
    """Audit a case, or everything."""
    offline = Offline(database_only, trust_file, checkpoints, since)
    _require_usable(data_dir, offline, case_id=case_id, keep=keep, record=record, number=number)
    for option, target in (("--keep", keep), ("--pdf", pdf)):
        if target is not None:
            require_free(session, target, option)
    trust = None if data_dir is None else _trust_of(data_dir, trust_file)
    if data_dir is None or trust is None:
        answer = session.service.get("/api/v1/audit", case_id=case_id)
    else:
        answer = _recomputed(session, case_id, data_dir, trust, offline)
    if not session.json:
        show_audit(session, answer)
    session.verdict = EXIT_OF_VERDICT[answer["verdict"]]
    try:
        if keep is not None:
            _keep(session, answer, keep)
        if pdf is not None:
            _print(session, answer, trust, pdf)
        if record:
            findings = [finding["what"] for finding in answer["findings"][:MOST_FINDINGS]]
            stated = {name: answer[name] for name in ("scope", "size", "verdict")}
            body = make_body(AuditRecorded, **stated, findings=findings, document_number=number)
            recorder = EventRecorder(session, Claims())
            stream = Stream(kind="case", id=case_id) if case_id else recorder.own_agency()
            answer |= {"recorded": recorder.append(stream, body)}
            if not session.json:
                print_receipt(session, answer["recorded"])
    finally:
        if session.json:
            show_audit(session, answer)
    return session.verdict


def _require_usable(
    data_dir: Path | None, offline: Offline, *, case_id: str | None, keep: Path | None, record: bool, number: str | None
) -> None:
    """Refuse options that do not go together."""
    is_whole_here = data_dir is not None and case_id is None
    if offline.database_only and data_dir is None:
        raise click.UsageError("--database-only goes with --data-dir: the service looks at its chain.")
    if offline.trust_file is not None and data_dir is None:
        raise click.UsageError("--trust goes with --data-dir: the service audits by its own trust file.")
    if offline.checkpoints and not is_whole_here:
        raise click.UsageError(
            "--checkpoint goes with --data-dir and no case: a service is held to one by 'tally log consistency'."
        )
    if offline.since is not None and not is_whole_here:
        raise click.UsageError("--since goes with --data-dir and no case.")
    if keep is not None and case_id is not None:
        raise click.UsageError("--keep goes with an audit of the whole log.")
    if number is not None and not record:
        raise click.UsageError("--number goes with --record.")


def _trust_of(data_dir: Path, own: BinaryIO | None) -> Trust:
    """Return the auditor's own trust file, or that of the installation. Raises OtherLedger if it is of another one."""
    from ledger.config.installation import DataDirectory, load
    from ledger.core.verification.report import OtherLedger

    where = DataDirectory(data_dir)
    load(where)  # which says of another directory that it has no ledger
    installed = parse_trust(where.trust.read_bytes())
    trust = installed if own is None else parse_trust(own.read())
    if trust.log_id != installed.log_id:
        raise OtherLedger(
            "the trust file is of ledger {trust.log_id_text}, the data directory of {installed.log_id_text}",
            trust=trust,
            installed=installed,
            field="--trust",
        )
    return trust


def _keep(session: Session, answer: dict[str, Any], target: Path) -> None:
    """Write what a later audit goes on from, if the audit has found nothing."""
    if answer["basis"] is None:
        session.note(Message("nothing is kept: only an audit without findings can be gone on from"))
        return
    with opened_output(session, target, option="--keep") as opened:
        opened.write(canonical.encode(answer["basis"]))
    digest = answer["basis"]["digest"]
    session.note(Message("{file} is kept, whose digest is {digest}", file=target, digest=digest))


def _print(session: Session, answer: dict[str, Any], trust: Trust | None, target: Path) -> None:
    """Write the report that was shown as a PDF, by this trust file, or that of the profile or the service."""
    from ledger.audit import AuditReport
    from ledger.client.log_copy import fetch_trust
    from ledger.interchange.papers.audit_paper import AuditPaperRequest, print_audit
    from ledger.interchange.papers.paper_text import language_for

    verify_url = None
    if trust is None:
        trust = session.trust() or fetch_trust(session)
        verify_url = f"{session.profile.url.rstrip('/')}/verify"
    report, name = convert(answer, AuditReport), target.name.removesuffix(".pdf")
    request = AuditPaperRequest(
        report, trust, int(time.time()), language_for(session.language), name, verify_url=verify_url
    )
    with opened_output(session, target, option="--pdf") as opened:
        opened.write(print_audit(request))
    session.note(Message("the report is written to {file}", file=target))


def _recomputed(
    session: Session, case_id: str | None, data_dir: Path, trust: Trust, offline: Offline
) -> dict[str, Any]:
    from ledger.audit import audit_case, audit_log, left_out, read_basis
    from ledger.config.installation import DataDirectory, database_url, finality_rule, load
    from ledger.config.settings import read_settings
    from ledger.store.opening import open_database

    checkpoints = [checkpoint_in(file, "--checkpoint") for file in offline.checkpoints]
    where = DataDirectory(data_dir)
    installation, settings = load(where), read_settings(data_dir)
    procedures = Procedures()
    database = open_database(database_url(settings.database_url, where), for_audit=True)
    look = (
        left_out
        if offline.database_only
        else look_of(settings, database, trust, finality_rule(installation.founding, settings))
    )
    try:
        if case_id is not None:
            report = audit_case(database, trust, procedures, case_id, look=look)
        else:
            with bar(session, "entries audited") as entries:
                report = audit_log(
                    database,
                    trust,
                    procedures,
                    look=look,
                    progress=entries.reach,
                    checkpoints=checkpoints,
                    since=None if offline.since is None else read_basis(offline.since.read_bytes()),
                )
    finally:
        database.close()
    fields: dict[str, Any] = to_builtins(report)
    return fields


def look_of(settings: Settings, database: Database, trust: Trust, rule: FinalityRule) -> Look:
    """Return the final state of the chain. The embedded chain is made again from the journal, any other is asked."""
    from ledger.audit import NodeContracts, asking, replaying
    from ledger.chain.eth import Eth, final_block
    from ledger.chain.rpc import JsonRpc
    from ledger.config.settings import EMBEDDED
    from ledger.store.chain_journal import kept_deployment

    if settings.chain == EMBEDDED:
        return replaying(database, trust.log_id, settings.anvil)

    def connect() -> NodeContracts:
        eth = Eth(JsonRpc(settings.chain))
        return NodeContracts(eth, kept_deployment(database), final_block(eth, rule))

    return asking(connect)
