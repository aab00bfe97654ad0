"""``tally sample``: load the twelve stories as sample data."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session

DATA_DIR = click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="[TALLYSTICK_DATA_DIR]")
URL = click.option("--url", help="Of its service, unless it is the one that its settings name.")


@click.group("sample", cls=Group)
def command() -> None:
    """Sample data for a development ledger: the cases of twelve stories, and the people who played them."""


@command.command("load")
@DATA_DIR
@URL
@pass_session
def load(session: Session, data_dir: Path | None, url: str | None) -> None:
    """Play the twelve stories into an empty development ledger whose service runs.

    Only a ledger founded by 'tally init --development' without a founding of its own has the keys for it. Cut short,
    the same command goes on; done, it changes nothing.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ledger.client.sample_ledger import ServiceLedger
    from ledger.config.installation import DataDirectory
    from ledger.config.installation import load as installation_in
    from ledger.config.settings import read_settings
    from ledger.samples import load as loading

    settings = read_settings(data_dir)
    where = DataDirectory(settings.data_dir)
    keys = loading.require_development(where)
    ledger = ServiceLedger(url or settings.url, installation_in(where).log_id_bytes, keys)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=session.json) as bar:
        task = bar.add_task("", total=len(loading.PARTS))

        def told(progress: loading.Progress) -> None:
            part = progress.part
            text = session.labels.told(part) if part else ""
            bar.update(task, completed=progress.done, description=text)

        events = loading.load(where, ledger, told)
    session.output.record({"stories": 12, "events": events})
    session.output.done("Next: tally sample profiles")


@command.command("profiles")
@DATA_DIR
@URL
@click.option("--replace", is_flag=True, help="Put them in place of profiles of these names.")
@pass_session
def profiles(session: Session, data_dir: Path | None, url: str | None, replace: bool) -> None:
    """Make a profile of each person of the town, so that you can act as any of them."""
    import msgspec

    from ledger.client.profiles import Profile
    from ledger.config.installation import DataDirectory
    from ledger.config.installation import load as installation_in
    from ledger.config.settings import read_settings
    from ledger.core.errors import Conflict
    from ledger.samples.load import require_development
    from ledger.samples.town import PEOPLE

    settings = read_settings(data_dir)
    where = DataDirectory(settings.data_dir.absolute())
    keys = require_development(where)
    existing = {person.profile for person in PEOPLE} & set(session.profiles.names())
    if existing and not replace:
        raise Conflict(
            f"there are profiles of these names: {', '.join(sorted(existing))}",
            field="--replace",
            hint="Put the town's people in their place by --replace, or set TALLYSTICK_CONFIG_DIR to another folder.",
        )
    town_profiles = [
        Profile(
            name=person.profile,
            url=url or settings.url,
            agency=person.agency,
            officer=person.officer,
            key=person.profile,
            log_id=installation_in(where).log_id,
            key_dir=str(keys.directory.path),
            passphrase_file=str(keys.passphrase_file),
        )
        for person in PEOPLE
    ]
    for profile in town_profiles:
        session.profiles.write(profile, replace=replace)
        session.profiles.token(profile).unlink(missing_ok=True)
    rows = [
        msgspec.to_builtins(profile) | {"role": person.role}
        for profile, person in zip(town_profiles, PEOPLE, strict=True)
    ]
    session.output.table(rows, [Column(name) for name in ("name", "agency", "officer", "role")])
