"""Pairing: a page may ask once it was given the code that the signer shows. A code works once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hmac import compare_digest

from ledger.core.errors import Unauthorized

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
