"""Signing in and out: the signed challenge is exchanged for a token, in a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from api.auth.sessions import SignedChallenge
from api.console.shared.access import SessionCookie, page_router
from api.console.shared.forms import FormOf
from api.console.shared.rendering import LANGUAGE_COOKIE, PATH, page
from api.dependencies import ServiceOf, read_json
from ledger.core.encoding.decoding import decoder_of
from ledger.i18n import LANGUAGES

MAX_BODY = 4096  # bytes
A_YEAR = 365 * 24 * 3600  # seconds

router = page_router()
_signed = decoder_of(SignedChallenge)
Back = Annotated[str, Query(max_length=2000)]


@router.get("/sign-in")
def sign_in_page(request: Request, service: ServiceOf, next: Back = "") -> Response:  # noqa: A002 - the address has it
    """Show the page to sign in with this machine's signer, or with a wallet."""
    return page(request, service, "sign_in/sign_in.html", following=_within(next))


async def read_signed(request: Request, service: ServiceOf) -> SignedChallenge:
    """Return what the page posted. Raises Refused or MalformedInput."""
    return await read_json(request, service, _signed, limit=MAX_BODY)


@router.post("/sign-in")
def sign_in(service: ServiceOf, signed: Annotated[SignedChallenge, Depends(read_signed)]) -> Response:
    """Sign in by the nonce of a challenge and its signature."""
    issued = service.sign_in.token(signed.nonce, signed.signature, service.authority())
    response = Response(status_code=204)
    SessionCookie(service.parts.settings).give(response, issued.access_token, issued.expires_in)
    return response


@router.post("/sign-out")
def sign_out(service: ServiceOf) -> Response:
    """Remove the token from this browser."""
    response = RedirectResponse(f"{PATH}/sign-in", 303)
    SessionCookie(service.parts.settings).take(response)
    return response


@router.post("/language")
def choose_language(service: ServiceOf, form: FormOf) -> Response:
    """Store the reader's language in this browser."""
    chosen = form.get("language")
    response = RedirectResponse(_within(form.get("next") or ""), 303)
    if chosen in LANGUAGES:
        secure = service.parts.settings.url.startswith("https://")
        response.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=A_YEAR, path=PATH, secure=secure, httponly=True, samesite="strict"
        )
    return response


def _within(address: str) -> str:
    """Return the address if it is one of the console's, or the console's start: nobody is redirected elsewhere."""
    is_ours = address.startswith(f"{PATH}/") and "\\" not in address and not any(c < " " for c in address)
    return address if is_ours else f"{PATH}/"
