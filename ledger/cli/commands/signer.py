"""``tally signer``: keep the profile's key for the web console, show what is to be signed, and ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ledger.cli.command import Command
from ledger.cli.session import Session, pass_session

if TYPE_CHECKING:
    from api.signer.question import KeyHolder

PORT = 8546
OTHER_PORT = "Choose another, and let signer_url of the service say the same: the console looks for it there."


@click.command("signer", cls=Command)
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="On 127.0.0.1 alone.")
@click.option("--console", metavar="URL", help="Of the console that may ask; of the profile's service unless given.")
@click.option("--ask", type=click.Choice(("page", "terminal")), default="page", show_default=True, help="Where to ask.")
@pass_session
def signer_command(session: Session, /, *, port: int, console: str | None, ask: str) -> None:
    """Sign for the web console in this computer's browser, until it is interrupted.

    The key stays here. Every signature is asked for, in words, and only pages of the one console are heard, once
    they were given the code that is shown.
    """
    import secrets
    import sys

    from api.middleware.server import make_server
    from api.signer.app import SigningProvider, create_app
    from api.signer.asking import OfficerPrompt, Terminal
    from api.signer.guard import Guard, Pairing
    from api.signer.question import QuestionBuilder
    from api.texts import Texts
    from ledger.cli.listening import listening

    holder = _holder(session, console)
    own, page_key = f"http://127.0.0.1:{port}", secrets.token_urlsafe(24)
    texts, note = Texts(session.language), session.output.note
    chain_id, names = _chain_id(session), _names(session)
    signer = session.signer
    prompt = OfficerPrompt(Terminal(texts, sys.stdin.fileno()) if ask == "terminal" else None)
    provider = SigningProvider(
        QuestionBuilder(holder, session.labels, names, lambda: int(time.time())), signer, prompt, chain_id
    )
    with listening("127.0.0.1", port, field="--port", hint=OTHER_PORT) as socket:
        socket.listen()  # whoever opens the page as soon as its address is told waits a moment
        note(
            texts(
                "signing for {officer} of {agency} at {url}",
                officer=holder.officer,
                agency=holder.agency,
                url=holder.url,
            )
        )
        note(texts("this signer's page, to be opened in the browser: {url}", url=f"{own}/#{page_key}"))
        pairing = Pairing(lambda code: note(texts("code for the console: {code}", code=code)))
        guard = Guard(own, _origin(holder.url), page_key)
        app = create_app(provider, prompt, pairing, guard, texts, asks_here=ask == "page")
        make_server(app, host="127.0.0.1", port=port, header_timeout_s=10).run([socket])


def _holder(session: Session, console: str | None) -> KeyHolder:
    from api.signer.question import KeyHolder
    from ledger.config.keys import keystore_key_id
    from ledger.core.errors import MalformedInput

    profile = session.profile
    if profile.agency is None or profile.officer is None:
        raise MalformedInput(f"the profile {profile.name} names no agency and officer", field="--profile")
    url = (console or profile.url).rstrip("/")
    return KeyHolder(keystore_key_id(session.keystore), profile.agency, profile.officer, session.log_id, url)


def _origin(url: str) -> str:
    """Return the origin as browsers write it: without the port that is the scheme's own."""
    from api.auth.sessions import domain_of

    return f"{urlsplit(url).scheme}://{domain_of(url)}"


def _chain_id(session: Session) -> int:
    """Return the chain id that wallets would show, or 1 if no chain is known. It binds nothing here."""
    from ledger.core.errors import TallystickError

    with suppress(TallystickError):
        return int(session.service.get("/api/v1/chain")["chain_id"])
    return 1


def _names(session: Session) -> Callable[[str], str]:
    """Agencies by the names that the registry has, each with its id: only the id is signed."""
    from ledger.core.errors import TallystickError

    language = "zh" if session.language == "zh-CN" else "en"
    names: dict[str, str] = {}
    with suppress(TallystickError):
        names = {
            agency_row["agency_id"]: agency_row["name"][language]
            for agency_row in session.service.pages("/api/v1/agencies", "agencies")
        }
    return lambda agency: f"{names[agency]} ({agency})" if agency in names else agency
