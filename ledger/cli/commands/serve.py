"""``tally serve``: run the service of an installation."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.command import Command
from ledger.cli.passphrase import Passphrase, passphrase_options
from ledger.cli.session import Session, pass_session


@click.command("serve", cls=Command)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="[TALLYSTICK_DATA_DIR]")
@click.option("--host", help="Address to listen at [TALLYSTICK_HOST, else 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen at [TALLYSTICK_PORT, else 8420].")
@click.option("--database-url", help="SQLite in the data directory, unless postgresql+psycopg://...")
@click.option("--chain", help="'embedded', or the URL of a JSON-RPC node.")
@passphrase_options
@pass_session
def command(session: Session, /, *, data_dir: Path | None, passphrase: Passphrase, **given: str | None) -> None:
    """Run the service until it is interrupted.

    Every setting can also come from a variable TALLYSTICK_* or from settings.env in the data directory.
    """
    from api.app import create_app
    from api.middleware.clients import ConnectionLimits
    from api.middleware.server import make_server
    from api.wiring import open_parts
    from ledger.cli.listening import listening, private, process_lock
    from ledger.config.installation import DataDirectory, load
    from ledger.config.settings import EMBEDDED, read_settings

    settings = read_settings(data_dir, **given)
    where = DataDirectory(settings.data_dir)
    load(where)
    owned = private(where.path, keys=where.keys.path, output=session.output)
    if passphrase.is_named or not settings.knows_passphrase(where):
        secret = passphrase.read(of="the service's keys")
        settings = read_settings(data_dir, **given, key_passphrase=secret)
    # Services share a ledger that share a database server and a chain; of an embedded chain each would follow its own.
    shares = settings.database_url is not None and settings.chain != EMBEDDED
    alone = process_lock(
        where.lock,
        shares=shares,
        message=f"another service runs on the ledger in {where.path}",
        hint="Work with that one, stop it, or name the directory of another ledger.",
    )
    port_hint = "Choose another, by --port or TALLYSTICK_PORT; the URL of the profiles has it too."
    with owned, alone, listening(settings.host, settings.port, field="--port", hint=port_hint) as listener:
        session.output.note(f"serving {settings.data_dir} at {settings.url}")
        with open_parts(settings) as parts:
            server = make_server(
                create_app(parts),
                host=settings.host,
                port=settings.port,
                header_timeout_s=settings.header_timeout_s,
                limits=ConnectionLimits(
                    most=settings.max_connections,
                    most_of_address=settings.max_connections_per_address,
                    proxies=settings.proxy_networks,
                ),
            )
            server.run([listener])
