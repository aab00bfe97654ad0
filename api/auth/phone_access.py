"""Phones without a wallet: an officer's desk lets one prepare the answer to one offer. It can sign and post nothing.

The desk shows a code. Who types it gets a token that opens the pages of that offer alone, as long as the officer's key
is granted, the offer waits for the answer of his agency, and the officer does not end it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from api.auth.sessions import ReaderSession, require_granted
from api.middleware.problems import TokenRefused
from ledger.config.settings import Settings
from ledger.core.errors import Unauthorized
from ledger.core.signing.authority import AuthorityState
from ledger.store import phones
from ledger.store.database import Database
from ledger.store.phones import Prepared

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read as something else
CODE_LENGTH: Final = 12  # characters: 60 bits
CODE_LIFETIME_S: Final = 300


class PhoneCode(Struct, frozen=True):
    """A code that a phone may type until ``ends_at`` (unix seconds), once."""

    text: str
    ends_at: int

    @property
    def in_groups(self) -> str:
        """Return the code as people read it out: in groups of four."""
        return "-".join(self.text[at : at + 4] for at in range(0, len(self.text), 4))


class PhoneToken(Struct, frozen=True):
    """A token, which the phone sends with each request for ``expires_in`` seconds."""

    text: str
    expires_in: int


class PhoneAccess:
    """Gives codes to desks and tokens to phones. ``clock`` returns unix seconds."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], int]):
        self._database, self._settings, self._clock = database, settings, clock

    def give_code(self, session: ReaderSession, case_id: str, handover_id: str) -> PhoneCode:
        """Return a code for this offer, in the place of an earlier one and its phone.

        Raises Conflict if phones of this officer prepare for as many offers as they may.
        """
        grant, now = session.grant, self._clock()
        code = PhoneCode("".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)), now + CODE_LIFETIME_S)
        asked = Prepared(case_id, handover_id, grant.key_id, grant.agency_id, grant.officer, code.ends_at)
        phones.show_code(self._database, asked, code.text, now)
        return code

    def open(self, code: str) -> PhoneToken:
        """Return a token for the code as it was typed, which is used up. Raises TokenRefused."""
        typed = code.upper().replace("-", "").replace(" ", "")
        token, now, lifetime_s = secrets.token_urlsafe(32), self._clock(), self._settings.phone_lifetime_s
        if phones.open_phone(self._database, typed, token, now=now, ends_at=now + lifetime_s) is None:
            raise TokenRefused(
                "no desk waits for a phone with this code: it was used, or it has run out",
                field="code",
                code="phone_code_unknown",
            )
        return PhoneToken(token, lifetime_s)

    def session(self, token: str, authority: AuthorityState) -> tuple[Prepared, ReaderSession]:
        """Return what the phone prepares, and the session of its officer. Raises TokenRefused."""
        now = self._clock()
        with self._database.read() as connection:
            prepared = phones.of_token(connection, token, now)
        if prepared is None:
            raise phone_ended()
        try:
            grant = require_granted(authority, prepared.key_id, now)
        except Unauthorized as error:
            raise TokenRefused(error.text, code=error.code, hint=error.hint) from error
        if (grant.agency_id, grant.officer) != (prepared.agency, prepared.officer):
            raise phone_ended()
        return prepared, ReaderSession(grant)

    def prepare(self, token: str, text: str, *, finished: bool) -> None:
        """Store what the phone prepared. Raises TokenRefused if it may not any more."""
        if not phones.prepare(self._database, token, text, self._clock(), finished=finished):
            raise phone_ended()

    def leave(self, token: str) -> None:
        """End the access of a phone; what it prepared stays for the desk."""
        phones.leave(self._database, token, self._clock())


def phone_ended() -> TokenRefused:
    """Return the error for a phone that may prepare nothing any more."""
    return TokenRefused(
        "this phone may prepare no answer any more: its time is over, the desk ended it, or the offer was answered",
        code="phone_ended",
    )
