"""``tally chain``: the node of the embedded chain on this computer, and changes that the chain has not taken."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.command import Group
from ledger.cli.params import DATA_DIR, FILE
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message

if TYPE_CHECKING:
    from ledger.chain.anvil_package import AnvilPin


@click.group("chain", cls=Group)
def chain_group() -> None:
    """Bring the node of the embedded chain, and see to changes that no chain has taken."""


@chain_group.command("install")
@click.option("--registry", metavar="URL", help="URL of a registry of npm packages [the one that npm asks].")
@click.option("--file", "package", type=FILE, help="The package's file, where this computer reaches no registry.")
def install_command(session: Session, /, *, registry: str | None, package: Path | None) -> None:
    """Bring the Anvil of this release into your own folder, where the services that you run find it.

    The package is pinned by its SHA-512, so it may come from any registry, mirror or file. No script of it runs.
    """
    from ledger.chain.anvil_package import anvil_pin, anvil_version, install
    from ledger.config.settings import installed_anvil

    pin = anvil_pin()
    binary = installed_anvil(pin.version)
    if anvil_version(binary) != pin.version:
        install(package.read_bytes() if package else _fetched(pin, registry), pin, binary)
    session.output.record({"version": pin.version, "path": str(binary)})


@chain_group.command("acknowledge")
@click.argument("number", type=click.IntRange(1))
@DATA_DIR
def acknowledge_command(session: Session, /, *, number: int, data_dir: Path | None) -> None:
    """End the alarm about a grant, revocation or decision that came to nothing, as the operator of the service.

    The alarm names its NUMBER. It ends by itself once the agency's admin has handed in the same anew: acknowledge what
    was done otherwise, or is not wanted any more.
    """
    from ledger.config.installation import DataDirectory, database_url
    from ledger.config.settings import read_settings
    from ledger.store.chain_journal import DatabaseJournal
    from ledger.store.opening import open_database

    settings = read_settings(data_dir)
    with closing(open_database(database_url(settings.database_url, DataDirectory(settings.data_dir)))) as database:
        DatabaseJournal(database).acknowledge(number)
    session.output.record({"acknowledged": number})


def _fetched(pin: AnvilPin, registry: str | None) -> bytes:
    """Return the package's file from the registry that is named, or the one that npm asks."""
    from ledger.cli.npm import configured_registry, fetched_by_npm, fetched_from

    npm = shutil.which("npm")
    if npm and not registry:
        return fetched_by_npm(npm, pin.name, pin.version)
    registry = registry or configured_registry(pin.name.partition("/")[0])
    if registry is None:
        raise MalformedInput(
            "there is no npm here, and no registry of npm packages is configured",
            field="--registry",
            hint=Message(
                "Name yours by --registry URL. Without one, run 'npm pack {pin.name}@{pin.version}' on a computer that "
                "has npm, bring the file that this writes, and name it by --file.",
                pin=pin,
            ),
        )
    return fetched_from(registry, pin.name, pin.version)
