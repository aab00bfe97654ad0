"""``tally proof``: fetch a proof bundle, and check one offline. Checking starts fast: it imports the core alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec
from msgspec import Struct

from ledger.cli.command import Group
from ledger.cli.exits import OF_VERDICT
from ledger.cli.reading import GROUND
from ledger.cli.session import Session, pass_session
from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.core.report import Report
    from ledger.core.trust import Trust
    from ledger.core.verify_case import CaseReport

FILE = click.File("rb")


@click.group("proof", cls=Group)
def command() -> None:
    """Proof bundles: fetch and check, offline and without trust in the service."""


@command.command("check")
@click.argument("file", type=FILE)
@click.option("--trust", "trust_files", type=FILE, multiple=True, help="Trust file [that of the profile].")
@click.option(
    "--log",
    "log_folder",
    type=click.Path(exists=True, file_okay=False),
    help="Copy of the log, as 'tally log save' makes it: shows that nothing came after a case's last event.",
)
@pass_session
def check(session: Session, file: BinaryIO, trust_files: tuple[BinaryIO, ...], log_folder: str | None) -> int:
    """Check the bundle in FILE, step by step."""
    from ledger.cli.report import show_report

    data = file.read()
    trusted = [trust.read() for trust in trust_files] or [_trust_of_profile(session)]
    report = _verify(data, _trust(data, trusted), log_folder)
    show_report(session, report)
    return OF_VERDICT[report.verdict]


@command.command("get")
@click.argument("event_id", required=False)
@click.option("--case", "case_id", help="All events of this case, in one bundle.")
@click.option("--withhold", type=click.Choice(["payload", "sections"]), help="What the bundle leaves out.")
@GROUND
@click.option("--output", "-o", type=click.Path(), help="Where to write it [ID.bundle.json].")
@pass_session
def get(
    session: Session, /, *, event_id: str | None, case_id: str | None, output: str | None, **query: str | None
) -> None:
    """Fetch the bundle of an event, or of a case."""
    from pathlib import Path

    from ledger.cli.client import at

    if (event_id is None) == (case_id is None):
        raise MalformedInput("expected one of the two", field="EVENT_ID, --case")
    path = at("/api/v1/events/{}/proof", event_id) if event_id else at("/api/v1/cases/{}/proof", case_id or "")
    bundle = session.service.fetch(path, **query)
    target = Path(output or f"{event_id or case_id}.bundle.json")
    target.write_bytes(bundle)
    session.output.record({"file": str(target)})


def _verify(data: bytes, trust: Trust, log_folder: str | None) -> Report | CaseReport:
    if _head(data).format != "tallystick/case-bundle@v1":
        from ledger.core.verify import verify_bundle

        return verify_bundle(data, trust)
    from pathlib import Path

    from ledger.cli.log_copy import entries
    from ledger.core import rulebook
    from ledger.core.verify_case import verify_case

    book = rulebook.parse((Path(rulebook.__file__).parents[1] / "rules.toml").read_text(encoding="utf-8"))
    return verify_case(data, trust, book, entries=entries(Path(log_folder)) if log_folder else None)


def _trust(data: bytes, files: Sequence[bytes]) -> Trust:
    """The trust file of the bundle's ledger; where none is, the first one, against which the bundle then fails."""
    from ledger.core.trust import parse_trust

    trusted = [parse_trust(file) for file in files]
    log_id = _head(data).log_id
    return next((trust for trust in trusted if f"0x{trust.log_id.hex()}" == log_id), trusted[0])


def _trust_of_profile(session: Session) -> bytes:
    if session.profile_name or len(session.profiles.names()) == 1:
        file = session.profiles.trust(session.profile)
        if file.exists():
            return file.read_bytes()
    raise MalformedInput(
        "there is no trust file",
        field="--trust",
        hint="A proof is checked against what you trust, never against itself: get it with 'tally log trust', and "
        "compare it with what the ledger's agencies have published.",
    )


class _Head(Struct):
    """Format and ledger that a bundle claims, to choose by; nothing of it is believed."""

    format: str = ""
    log_id: str = ""


def _head(data: bytes) -> _Head:
    try:
        return msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, RecursionError):
        return _Head()
