"""The page on which anybody checks a proof, with the verifier and this server's trust file.

Files dropped there stay in the browser.
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.console.access import Visits, session_of
from api.console.rendering import language, page
from api.console.security import PATH
from api.console.verifying_words import words_in
from api.dependencies import ServiceOf
from ledger.core.verification.trust import encode_trust

router = APIRouter()


@router.get("/verify")
def verify_page(request: Request, service: ServiceOf, visitor: Visits) -> Response:
    """Show the page. The verifier runs in the browser, which sends nothing once the page is loaded."""
    trust = encode_trust(service.parts.trust.trust).decode()
    words = msgspec.json.encode(words_in(language(request))).decode()
    return page(request, service, "verify.html", session_of(visitor), connects=False, trust=trust, words=words)


def to_verify_page(_request: Request) -> Response:
    """Redirect from the address printed on paper. The browser keeps what is behind its ``#``."""
    return RedirectResponse(f"{PATH}/verify", 307)
