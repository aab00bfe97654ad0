"""``tally anchor``: how much of the log is anchored in the chain."""

from __future__ import annotations

import time

import click

from ledger.cli.command import Group
from ledger.cli.exits import Exit
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session

POLL_S = 0.5  # seconds between two looks
LISTED = ("number", "size", "state", "block_number", "transaction_hash", "root")


@click.group("anchor", cls=Group)
def command() -> None:
    """What of the log stands on the chain."""


@command.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the anchors."""
    session.output.table(list(session.service.pages("/api/v1/anchors", "anchors")), [Column(name) for name in LISTED])


@command.command("status")
@pass_session
def status(session: Session) -> None:
    """Show how far the log is anchored, and what the service says of the chain."""
    log = session.service.get("/api/v1/log")
    chain = {name: status for name, status in log["chain"].items() if status is not None}
    status = {"size": log["size"], "witnessed": log["witnessed"], "anchored": log["anchored"], "chain": chain}
    if session.json:
        return session.output.data(status | {"witnesses": log["witnesses"]})
    session.output.record(status)
    return session.output.table(log["witnesses"], [Column(name) for name in ("name", "size", "fault")])


@command.command("wait")
@click.option("--timeout", "timeout_s", type=int, default=120, show_default=True, help="Seconds to wait.")
@pass_session
def wait(session: Session, timeout_s: int) -> int:
    """Wait until all that the log has now is anchored and final."""
    from rich.console import Console
    from rich.progress import Progress

    size = session.service.get("/api/v1/log")["size"]
    confirmed = 0
    deadline = time.monotonic() + timeout_s
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("entries anchored", total=size)
        while confirmed < size and time.monotonic() < deadline:
            confirmed = session.service.get("/api/v1/log")["anchored"]["confirmed"]
            bars.update(bar, completed=confirmed)
            time.sleep(POLL_S if confirmed < size else 0)
    session.output.record({"size": size, "anchored": confirmed})
    return Exit.OK if confirmed >= size else Exit.NOT_YET_ANCHORED
