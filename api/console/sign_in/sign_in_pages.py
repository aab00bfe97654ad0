"""Signing in and out: the signed challenge is exchanged for a token, in a cookie that no script can read.

An officer whose agency has an identity provider may sign in there, to read. The provider's answer comes from another
site: the page that it leads to goes on by itself, since only then the browser sends the session's cookie.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from api.auth.provider_sign_in import WAITS_S
from api.auth.sessions import SignedChallenge
from api.console.shared.access import SessionCookie, page_router
from api.console.shared.forms import FormOf
from api.console.shared.rendering import LANGUAGE_COOKIE, PATH, page
from api.dependencies import ServiceOf, SlugPath, read_json
from api.services.service import Service
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.i18n import LANGUAGES

MAX_BODY = 4096  # bytes
A_YEAR = 365 * 24 * 3600  # seconds

router = page_router()
_signed = decoder_of(SignedChallenge)
Back = Annotated[str, Query(max_length=2000)]


@router.get("/sign-in")
def sign_in_page(request: Request, service: ServiceOf, next: Back = "") -> Response:  # noqa: A002 - the address has it
    """Show the page to sign in with this machine's signer, with a wallet, or by an agency's identity provider."""
    agencies = [provider.agency for provider in service.provider_sign_in.providers()]
    return page(request, service, "sign_in/sign_in.html", following=_within(next), agencies=agencies)


@router.get("/sign-in/provider/{agency}")
def go_to_provider(service: ServiceOf, agency: SlugPath, next: Back = "") -> Response:  # noqa: A002
    """Send the browser to the agency's identity provider."""
    begun = service.provider_sign_in.begin(agency, return_url=_return_url(service, agency), following=_within(next))
    response = RedirectResponse(begun.url, 303)
    _provider_cookie(service).set_on(response, begun.browser_secret, WAITS_S)
    return response


@router.get("/sign-in/provider/{agency}/return")
def return_from_provider(request: Request, service: ServiceOf, agency: SlugPath) -> Response:
    """Sign in by the provider's answer, and go on by a page of this site."""
    answer = dict(request.query_params)
    if len(answer) != len(request.query_params.multi_items()):
        raise MalformedInput("a parameter of the provider's answer comes twice", field="state")
    finished = service.provider_sign_in.finish(
        agency,
        answer,
        _provider_cookie(service).token(request),
        service.parts.authority(),
        return_url=_return_url(service, agency),
    )
    response = page(request, service, "sign_in/signed_in.html", following=finished.following)
    _provider_cookie(service).delete_from(response)
    SessionCookie(service.parts.settings).set_on(response, finished.token.access_token, finished.token.expires_in)
    return response


def _return_url(service: Service, agency: str) -> str:
    """Return the address that the agency's provider leads back to: one of its own, so that answers are not mixed up."""
    return f"{service.parts.settings.url}{PATH}/sign-in/provider/{agency}/return"


def _provider_cookie(service: Service) -> SessionCookie:
    return SessionCookie(service.parts.settings, "tallystick-provider", f"{PATH}/sign-in/provider", for_return=True)


async def read_signed(request: Request, service: ServiceOf) -> SignedChallenge:
    """Return what the page posted. Raises Refused or MalformedInput."""
    return await read_json(request, service, _signed, limit=MAX_BODY)


@router.post("/sign-in")
def sign_in(service: ServiceOf, signed: Annotated[SignedChallenge, Depends(read_signed)]) -> Response:
    """Sign in by the nonce of a challenge and its signature."""
    issued = service.sign_in.token(signed.nonce, signed.signature, service.parts.authority())
    response = Response(status_code=204)
    SessionCookie(service.parts.settings).set_on(response, issued.access_token, issued.expires_in)
    return response


@router.post("/sign-out")
def sign_out(service: ServiceOf) -> Response:
    """Remove the token from this browser."""
    response = RedirectResponse(f"{PATH}/sign-in", 303)
    SessionCookie(service.parts.settings).delete_from(response)
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
