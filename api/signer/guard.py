"""The guard of the loopback service, which checks who may speak to it.

1. The header Host must be the very address that is listened on, which excludes other names for it (DNS rebinding). 2.
What the console asks must come from the console's origin, by fetch; no other page gets an answer it could read. 3. Only
the signer's own page, which has the key that the terminal printed, may read and answer questions. 4. Nothing is shown
in a frame, whatever the page around it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from hmac import compare_digest

from api.middleware.problems import Refused
from ledger.core.errors import Unauthorized


class Guard:
    """The checks. ``own`` is this service's origin, ``console`` that of the pages it serves, both as browsers write
    them."""

    def __init__(self, own: str, console: str, page_key: str):
        self._own = own
        self._host = own.partition("://")[2]
        self._console = console
        self._page_key = page_key

    def require_host(self, headers: Mapping[str, str]) -> None:
        """Raise Refused (421) for another host."""
        if headers.get("host") != self._host:
            raise Refused(421, "expected the address {host}", host=self._host, code="foreign_host", field="Host")

    def require_no_frame(self, headers: Mapping[str, str]) -> None:
        """Raise Refused (403) inside a frame."""
        if headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object"):
            raise Refused(403, "this page is shown in no frame", code="framed", field="Sec-Fetch-Dest")

    def require_console(self, headers: Mapping[str, str]) -> None:
        """Raise Refused (403) for another origin, or none, or a request that is no fetch."""
        if headers.get("origin") != self._console:
            raise Refused(
                403, "expected a page of {console}", console=self._console, code="foreign_origin", field="Origin"
            )
        if headers.get("sec-fetch-mode", "cors") != "cors":
            raise Refused(403, "expected a request by fetch", code="foreign_origin", field="Sec-Fetch-Mode")

    def require_own_page(self, headers: Mapping[str, str]) -> None:
        """Raise Refused (403) for another page, or Unauthorized without the page's key."""
        if (
            headers.get("origin", self._own) != self._own
            or headers.get("sec-fetch-site", "same-origin") != "same-origin"
        ):
            raise Refused(403, "expected the signer's own page", code="foreign_origin", field="Origin")
        if not compare_digest(bearer(headers).encode(), self._page_key.encode()):
            raise Unauthorized("open the address that the signer printed", code="page_key", field="Authorization")

    def grants(self) -> dict[str, str]:
        """Return the headers that let the console alone read an answer."""
        return {"Access-Control-Allow-Origin": self._console, "Vary": "Origin"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that let the console's page send its request."""
        self.require_console(headers)
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type",
        }
        private = headers.get("access-control-request-private-network") == "true"
        return self.grants() | allowed | ({"Access-Control-Allow-Private-Network": "true"} if private else {})


def bearer(headers: Mapping[str, str]) -> str:
    """Return the token of the Authorization header, or an empty text."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read as something else
LENGTH = 8  # characters: 40 bits
GUESSES = 3  # wrong codes before another one is made


class Pairing:
    """Codes, and the tokens exchanged for them, which last while the signer runs. ``show`` displays a code."""

    def __init__(self, show: Callable[[str], None]):
        self._show = show
        self._tokens: list[str] = []
        self._renew()

    def take(self, code: str) -> str:
        """Return a token for the code, which is used up. Raises Unauthorized."""
        entered = code.strip().upper().replace("-", "").replace(" ", "")
        if not compare_digest(entered.encode(), self.code.encode()):
            self._guesses -= 1
            if self._guesses == 0:
                self._renew()
            raise Unauthorized("this is not the code that the signer shows now", field="code", code="wrong_code")
        self._renew()
        self._tokens.append(secrets.token_urlsafe(32))
        return self._tokens[-1]

    def knows(self, token: str) -> bool:
        """Return whether the token was issued here."""
        return any(compare_digest(token.encode(), issued.encode()) for issued in self._tokens)

    def _renew(self) -> None:
        self.code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self._guesses = GUESSES
        self._show(f"{self.code[:4]}-{self.code[4:]}")
