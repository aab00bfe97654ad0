"""``tally library export`` and ``import``: take a model from one ledger to another, verified offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from ledger.cli.command import Command
from ledger.cli.event_recorder import EventRecorder
from ledger.cli.exits import EXIT_OF_VERDICT, Exit
from ledger.cli.exporting import write
from ledger.cli.library import check_package, imported_publication, is_own, require_proven
from ledger.cli.options import TRUST
from ledger.cli.params import acting
from ledger.cli.session import Session, pass_session
from ledger.cli.supervision import parameters_of
from ledger.client.service import at
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events import Stream
from ledger.core.events.supervision import ModelAdopted, ModelPublished
from ledger.core.supervision.models import STREAM

FILE = click.argument("file", type=click.File("rb"))


@click.command("export", cls=Command)
@click.argument("model", metavar="[MODEL[@VERSION]]", required=False)
@click.option(
    "--public", "folder", type=click.Path(file_okay=False, path_type=Path), help="Pages for society, into this folder."
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File [MODEL-VERSION.model.json]."
)
@pass_session
def export(session: Session, model: str | None, folder: Path | None, output: Path | None) -> None:
    """Export a model as a signed package: one file with tests, figures and case study, proven version by version.

    With --public the whole library as static pages, anonymous, in Chinese and English: what is looked for and why, what
    came of it, exemplary cases. Counts under five are not told, and cannot be worked out.
    """
    from ledger.core.supervision.model_package import decode_package

    if (model is None) == (folder is None):
        raise MalformedInput("expected one of the two", field="MODEL, --public")
    if folder is not None:
        from ledger.cli.public_library import write_public

        return session.output.record(write_public(session, folder))
    assert model is not None

    model_id, _, version = model.partition("@")
    package_bytes = session.service.fetch(at("/api/v1/library/{}/package", model_id), version=version or None)
    package = decode_package(package_bytes)
    target = output or Path(f"{model_id}-{package.version}.model.json")
    write(target, package_bytes)
    summary = {"file": str(target), "model_id": model_id, "version": package.version, "log_id": package.log_id}
    return session.output.record(summary)


@click.command("verify", cls=Command)
@FILE
@TRUST
@pass_session
def verify(session: Session, file: BinaryIO, trust_files: tuple[BinaryIO, ...]) -> int:
    """Verify a package offline: who published which words, and whether the model can be taken over.

    Steps 1 to 4 make the verdict; 5 to 8 say whether the model runs, and whether its case study leads to anybody.
    """
    from ledger.cli.report import show_package

    checked = check_package(session, file.read(), trust_files)
    show_package(session, checked.report, checked.usable)
    if checked.report.verdict == "intact" and not checked.usable.usable:
        return Exit.REFUSED
    return EXIT_OF_VERDICT[checked.report.verdict]


@click.command("import", cls=Command)
@FILE
@TRUST
@click.option("--as", "own_id", metavar="MODEL_ID", help="Under another id here [the same].")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter of your own, within its bounds."
)
@click.option("--note", help="What it is taken over for.")
@click.option("--without-case-study", is_flag=True, help="Leave the case study out.")
@acting
def import_(
    recorder: EventRecorder,
    /,
    *,
    file: BinaryIO,
    trust_files: tuple[BinaryIO, ...],
    own_id: str | None,
    settings: tuple[str, ...],
    note: str | None,
    without_case_study: bool,
) -> None:
    """Import a package of another ledger: verified first, then published here with its origin, to be run for you.

    With --set it is adopted with parameters of your own. A package of your own ledger is adopted, not published again.
    """
    session, parameters = recorder.session, parameters_of(settings)
    checked = check_package(session, file.read(), trust_files)
    body = require_proven(checked)
    _require_within_bounds(body, parameters)
    receipts: dict[str, dict[str, Any]] = {}
    if is_own(session, checked.data):
        if own_id is not None:
            raise MalformedInput("a package of your own ledger is adopted under its id", field="--as")
    else:
        body = imported_publication(session, checked, own_id, case_study=not without_case_study)
        record = recorder.begin if body.version == 1 else recorder.append
        receipts["published"] = record(_stream(body), body)
    if parameters or note or not receipts:
        receipts["adopted"] = recorder.append(_stream(body), _adoption(body, parameters, note))
    _print_outcome(session, body, receipts)


def _stream(body: ModelPublished) -> Stream:
    return Stream(kind="supervision", id=STREAM + body.model_id)


def _print_outcome(session: Session, body: ModelPublished, receipts: Mapping[str, Mapping[str, Any]]) -> None:
    summary: dict[str, Any] = {"model_id": body.model_id, "version": body.version}
    if session.json:
        return session.output.data({**summary, **receipts})
    events = {name: f"{receipt['index']}  {receipt['event_id']}" for name, receipt in receipts.items()}
    return session.output.record(summary | events)


def _require_within_bounds(body: ModelPublished, parameters: dict[str, str]) -> None:
    from ledger.supervision.models.parse import parse_model

    parse_model(body.definition).parameters_of(parameters)


def _adoption(body: ModelPublished, parameters: dict[str, str], note: str | None) -> ModelAdopted:
    fields = {"version": body.version, "model_digest": body.model_digest, "parameters": parameters, "note": note}
    return convert(fields, ModelAdopted)


COMMANDS = (export, verify, import_)
