"""``tally notice``: what is new for you, what you are told of, and whether the ledger's mail goes out."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.output import Column, columns
from ledger.cli.params import DATA_DIR
from ledger.cli.session import Session
from ledger.config.settings import read_settings
from ledger.core.errors import RuleRefused
from ledger.core.messages import Message
from ledger.notices.topics import TOPICS, MailRhythm
from ledger.notices.wording import TITLES

NOTICES = "/api/v1/notices"
LISTED = (
    *columns("number", "case_number"),
    Column("says", label="content"),
    Column("in_time", label="until"),
    *columns("is_open", "is_read"),
)
CHOSEN = columns("topic", "browser", "mail", "when")


@click.group("notice", cls=Group)
def notice_group() -> None:
    """Notices: what is new for you, what you are notified about in the browser and by mail, and a test of the mail."""


@notice_group.command("list")
def list_(session: Session) -> None:
    """List what is new for you, the newest first, as far as you may see it now."""
    rows = list(session.service.pages(NOTICES, "notices", lang=session.language))
    session.output.table(rows, LISTED)


@notice_group.command("read")
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1)
def read(session: Session, numbers: tuple[int, ...]) -> None:
    """Mark notices as read, by their numbers, or all that there are."""
    asked = {"numbers": numbers or None}
    session.output.record(session.service.post(f"{NOTICES}/read", msgspec.json.encode(asked), dict[str, Any]))


@notice_group.command("topics")
def topics(session: Session) -> None:
    """List the topics, and how you are notified about each."""
    _show(session, session.service.get(f"{NOTICES}/settings"))


@notice_group.command("choose")
@click.argument("topic", type=click.Choice(TOPICS))
@click.option("--browser/--no-browser", default=None, help="Whether the console shows it.")
@click.option("--mail", type=click.Choice(get_args(MailRhythm)), help="None, at once, or with the daily mail.")
def choose(session: Session, topic: str, browser: bool | None, mail: str | None) -> None:
    """Choose how you are notified about a topic. The other topics stay as they are."""
    choices = session.service.get(f"{NOTICES}/settings")["choices"]
    options = {"browser": browser, "mail": mail}
    choices[topic] |= {name: value for name, value in options.items() if value is not None}
    asked = {"choices": choices, "language": session.language}
    _show(session, session.service.post(f"{NOTICES}/settings", msgspec.json.encode(asked), dict[str, Any]))


@notice_group.command("address")
@click.argument("address", required=False)
def address(session: Session, address: str | None) -> None:
    """Have your mail sent to ADDRESS, once you have opened the link that is sent there; without it, end your mail."""
    asked = {"address": address, "language": session.language}
    settings = session.service.post(f"{NOTICES}/address", msgspec.json.encode(asked), dict[str, Any])
    session.output.record({name: settings[name] for name in ("address", "confirmed")})


def _show(session: Session, settings: dict[str, Any]) -> None:
    if session.json:
        session.output.record(settings)
        return
    rows = [
        {"topic": topic, "when": session.labels.translate(TITLES[topic]), **settings["choices"][topic]}
        for topic in TOPICS
    ]
    session.output.table(rows, CHOSEN)


@notice_group.command("test-mail")
@click.argument("address")
@DATA_DIR
def test_mail(session: Session, address: str, data_dir: Path | None) -> None:
    """Send a mail to ADDRESS from this machine, by the settings of its service: is the server reached, the login taken?

    For whoever runs the ledger. Nothing of any case is in it.
    """
    from api.services.notice_mail import mail_server_of

    settings = read_settings(data_dir)
    if not settings.sends_mail:
        raise RuleRefused("this ledger sends no mail", code="no_mail", hint="Set smtp_host and mail_from.")
    message = EmailMessage()
    message["From"], message["To"] = f"Tallystick <{settings.mail_from}>", address
    message["Subject"] = session.labels.translate(Message("A test of this ledger's mail"))
    message["Date"], message["Auto-Submitted"] = formatdate(), "auto-generated"
    message["Message-ID"] = make_msgid(domain=str(settings.mail_from).partition("@")[2])
    message.set_content(session.labels.translate(Message("The mail server has taken this.")) + f"\n\n{settings.url}\n")
    server = mail_server_of(settings)
    with server.connected() as connection:
        connection.send(message)
    session.output.record({"address": address, "server": f"{server.host}:{server.port}", "sent": True})
