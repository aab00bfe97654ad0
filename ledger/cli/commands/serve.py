"""``tally serve``: runs the service on an installation."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.command import Command
from ledger.cli.passphrase import Passphrase, passphrase_options
from ledger.cli.session import Session, pass_session
from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from ledger.installation import DataDirectory
    from ledger.settings import Settings


@click.command("serve", cls=Command)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="[TALLYSTICK_DATA_DIR]")
@click.option("--host")
@click.option("--port", type=int)
@click.option("--database-url", help="SQLite in the data directory, unless postgresql+psycopg://...")
@click.option("--chain", help="'embedded', or the URL of a JSON-RPC node.")
@passphrase_options
@pass_session
def command(session: Session, /, *, data_dir: Path | None, passphrase: Passphrase, **given: str | None) -> None:
    """Run the service until it is interrupted.

    Every setting can also come from a variable TALLYSTICK_* or from settings.env in the data directory.
    """
    from api.app import create_app
    from api.opening import open_parts
    from api.server import make_server
    from ledger.installation import DataDirectory, load
    from ledger.settings import read_settings

    settings = read_settings(data_dir, **given)
    where = DataDirectory(settings.data_dir)
    load(where)
    if passphrase.is_named or not settings.knows_passphrase(where):
        secret = passphrase.read(of="the service's keys")
        settings = read_settings(data_dir, **given, key_passphrase=secret)
    with _alone_on(where, settings), _listening(settings) as listener:
        session.output.note(f"serving {settings.data_dir} at {settings.url}")
        with open_parts(settings) as parts:
            server = make_server(
                create_app(parts),
                host=settings.host,
                port=settings.port,
                header_timeout_s=settings.header_timeout_s,
            )
            server.run([listener])


@contextmanager
def _alone_on(where: DataDirectory, settings: Settings) -> Iterator[None]:
    """Holds the ledger's lock, which the system lets go of however the process ends. Raises MalformedInput.

    Services share it that share a database server and a chain; on an embedded chain each would follow one of its own.
    """
    from ledger.settings import EMBEDDED

    shares = settings.database_url is not None and settings.chain != EMBEDDED
    with where.lock.open("wb") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shares else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MalformedInput(
                f"another service runs on the ledger in {where.path}",
                field="--data-dir",
                hint="Work with that one, stop it, or name the directory of another ledger.",
            ) from error
        yield


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket bound to the settings' address, before anything is opened. Raises MalformedInput where it cannot be."""
    try:
        family, kind, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise MalformedInput(
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}",
            field="--port",
            hint="Choose another, by --port or TALLYSTICK_PORT; the URL of the profiles has it too.",
        ) from error
    with listener:
        yield listener
