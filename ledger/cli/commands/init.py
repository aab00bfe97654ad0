"""``tally init``: make a ledger in a data directory."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ledger.cli.command import Command
from ledger.cli.passphrase import Passphrase, generate_passphrase, passphrase_options
from ledger.cli.session import Session, pass_session
from ledger.config.installation import DataDirectory, Founding, create, read_founding
from ledger.config.settings import DEFAULT_DATA_DIR
from ledger.core.encoding.decoding import decode_toml
from ledger.core.errors import MalformedInput


@click.command("init", cls=Command)
@click.option(
    "--founding",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON or TOML with the founding agencies; see below.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TALLYSTICK_DATA_DIR",
    default=DEFAULT_DATA_DIR,
    help="Where the ledger is to be kept.",
    show_default=True,
)
@click.option("--origin", help="The log's name in checkpoints, such as ledger.example/handovers.")
@click.option("--development", is_flag=True, help="Allow quorum 0: every verdict says so.")
@click.option("--keep-passphrase", is_flag=True, help="Mint the passphrase and keep it beside the keys it opens.")
@click.option("--light", is_flag=True, help="Little work against guessing: for tests and demonstrations only.")
@passphrase_options
@pass_session
def command(
    session: Session,
    /,
    *,
    file: Path | None,
    data_dir: Path,
    origin: str | None,
    development: bool,
    keep_passphrase: bool,
    light: bool,
    passphrase: Passphrase,
) -> None:
    """Mint a ledger: its id, the keys of log, service and submitter, and who founds it.

    FOUNDING lists agencies, each with agency_id, kind, admin (the address of its admin's key), jurisdiction and
    name {en, zh}; beside them quorum (of witnesses), development and finality (of the chain's blocks: how many on top
    of one make it final, 12 unless told, or safe, or finalized). Make admin keys with 'tally key new'. A quorum takes
    agencies with a witness {account, verifier_key}, as 'tally witness key' prints them.

    Without FOUNDING, --development founds a town of eleven agencies, to try things out: the keys of its people are kept
    in the data directory, and 'tally sample load' plays the sample with them.
    """
    where = DataDirectory(data_dir)
    if where.installation.exists():
        raise MalformedInput(f"{data_dir} holds a ledger already", field="--data-dir", hint="Choose another one.")
    founding = _founding(file, development=development) if file else _town(where, development=development)
    secret = (
        generate_passphrase(where.passphrase, passphrase)
        if keep_passphrase
        else passphrase.read(of="the service's keys", new=True)
    )
    installation = create(where, founding, origin, secret, light=light)
    session.output.record(
        {
            "data_dir": str(data_dir),
            "log_id": installation.log_id,
            "log_key": installation.log_key,
            "service_key_id": installation.service_key_id,
            "submitter": installation.submitter,
            "development": installation.founding.development,
        }
    )
    session.output.done(f"Next: tally serve --data-dir {data_dir}")


def _town(where: DataDirectory, *, development: bool) -> Founding:
    """Make the keys of a development town and return its founding."""
    from ledger.samples.keys import TownKeys

    if not development:
        raise MalformedInput(
            "expected a file with the founding agencies",
            field="--founding",
            hint="To try things out, --development founds a town whose keys are kept in the data directory.",
        )
    return TownKeys.of(where).make()


def _founding(file: Path, *, development: bool) -> Founding:
    data = file.read_bytes()
    hint = "A founding ends in .toml or .json; docs/tutorial.md begins with one."
    try:
        tables = (
            decode_toml(data, field="--founding", hint=hint) if file.suffix == ".toml" else msgspec.json.decode(data)
        )
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"{file} is not JSON: {error}", field="--founding", hint=hint) from error
    if development and isinstance(tables, dict):
        tables["development"] = True
    try:
        return read_founding(msgspec.json.encode(tables))
    except MalformedInput as error:
        hint = error.hint or "docs/tutorial.md begins with a founding that is valid."
        raise MalformedInput(error.message, field=f"--founding: {error.field}", hint=hint) from error
