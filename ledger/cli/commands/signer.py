"""``tally signer``: keep the profile's key for the web console, show what is to be signed, and ask."""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import urlsplit

import click

from ledger.cli.command import Command
from ledger.cli.event_recorder import reader_of_acts
from ledger.cli.session import Session
from ledger.core.errors import TallystickError
from ledger.core.messages import Message

PORT = 8546
OTHER_PORT = Message("Choose another, and let signer_url of the service say the same: the console looks for it there.")


@click.command("signer", cls=Command)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen at, on 127.0.0.1 alone.",
)
@click.option("--console", metavar="URL", help="URL of the console that may ask [that of the profile's service].")
@click.option("--ask", type=click.Choice(("page", "terminal")), default="page", show_default=True, help="Where to ask.")
def signer_command(session: Session, /, *, port: int, console: str | None, ask: str) -> None:
    """Sign for the web console in this computer's browser, until it is interrupted.

    The key stays here. Every signature is asked for, in words, and only pages of the one console are heard, once
    they were given the code that is shown.
    """
    import secrets
    import sys

    from api.auth.sessions import domain_of
    from api.middleware.server import make_server
    from api.signer.app import SignerRoutes, SigningProvider, create_app
    from api.signer.asking import OfficerPrompt, Terminal
    from api.signer.guard import Guard, Pairing
    from api.signer.question import KeyHolder, QuestionBuilder
    from api.texts import Texts
    from ledger.cli.listening import listening
    from ledger.config.keys import keystore_key_id

    url = (console or session.profile.url).rstrip("/")
    agency, officer = session.officer
    holder = KeyHolder(keystore_key_id(session.keystore), agency, officer, session.log_id, url)
    origin = f"{urlsplit(url).scheme}://{domain_of(url)}"  # as browsers write it: without the scheme's own port
    own, page_key = f"http://127.0.0.1:{port}", secrets.token_urlsafe(24)
    texts, note = Texts(session.language), session.output.note
    chain_id = 1  # as wallets would show the chain; it binds nothing here
    with suppress(TallystickError):
        chain_id = int(session.service.get("/api/v1/chain")["chain_id"])
    with suppress(TallystickError):
        session.full_name(agency)  # the names are loaded while nobody waits

    signer = session.signer
    prompt = OfficerPrompt(Terminal(texts, sys.stdin.fileno()) if ask == "terminal" else None)
    provider = SigningProvider(
        QuestionBuilder(holder, reader_of_acts(session), lambda: int(time.time())),
        signer,
        prompt,
        chain_id,
    )
    with listening("127.0.0.1", port, field="--port", hint=OTHER_PORT) as socket:
        socket.listen()  # whoever opens the page as soon as its address is told waits a moment
        note(texts("signing for {officer} of {agency} at {url}", officer=officer, agency=agency, url=url))
        note(texts("this signer's page, to be opened in the browser: {url}", url=f"{own}/#{page_key}"))
        pairing = Pairing(lambda code: note(texts("code for the console: {code}", code=code)))
        guard = Guard(own, origin, page_key)
        app = create_app(SignerRoutes(provider, prompt, pairing, guard, texts, asks_here=ask == "page"))
        make_server(app, host="127.0.0.1", port=port, header_timeout_s=10).run([socket])
