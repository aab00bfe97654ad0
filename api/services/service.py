"""The service as every request handler sees it: its parts, the services built on them, and cursors of lists.

A cursor is the start of the next page, sealed so that only this service can read and make it. A place in a list is the
key of a row: a number that counts what others do, a word, the id of a case. Sealed, it reveals nothing, and nobody can
ask for rows behind a place at which no page has ended. AES-SIV (RFC 5297) seals the same place to the same text, so
that a page requested again is the same.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from api.auth.phone_access import PhoneAccess
from api.auth.provider_sign_in import ProviderSignIn
from api.auth.sessions import SignInService
from api.services.auditing import Audits
from api.services.parts import Parts
from api.services.submission import SubmissionService
from ledger.core.errors import MalformedInput
from ledger.proofs.bundles import Prover
from ledger.store.growth import KeyUses
from ledger.timeline.case_history import Histories
from ledger.timeline.diagrams import Pictures

T = TypeVar("T")
LONGEST = 1000  # characters of a cursor
PATTERN = r"^[A-Za-z0-9_-]{23,1000}$"


class Cursors:
    """Seals and opens cursors under a key derived from the 32-byte ``service_key``."""

    def __init__(self, service_key: bytes) -> None:
        derived = HKDF(SHA256(), 64, salt=None, info=b"tallystick cursors").derive(service_key)
        self._cipher = AESSIV(derived)

    def seal(self, scope: str, place: str) -> str:
        """Return the cursor of a place in the lists of this scope, for which alone it can be opened."""
        sealed = self._cipher.encrypt(b"." + place.encode(), [scope.encode()])  # AES-SIV does not encrypt an empty text
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, scope: str, cursor: str, *, field: str = "after") -> str:
        """Return the place of a cursor. Raises MalformedInput for one that was not sealed here for this scope."""
        try:
            sealed = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
            return self._cipher.decrypt(sealed, [scope.encode()]).decode()[1:]
        except (InvalidTag, NotBase64, ValueError) as error:
            raise MalformedInput(
                "expected `next` of the page before, not {cursor!r}",
                cursor=cursor[:100],
                field=field,
                code="cursor_refused",
                hint="Leave it out to begin at the first page.",
            ) from error

    def position(self, scope: str, after: str | None, *, field: str = "after") -> str | None:
        """Return the position behind which a list continues, None at its start. Raises MalformedInput as ``open``."""
        return None if after is None else self.open(scope, after, field=field)

    def following(self, scope: str, rows: Sequence[T], limit: int, place_of: Callable[[T], object]) -> str | None:
        """Return the cursor behind a page of at most ``limit`` rows of a list, None if the page is not full."""
        return self.seal(scope, str(place_of(rows[-1]))) if len(rows) == limit else None


class Service(Struct, frozen=True):
    """What every request handler can use: the parts, and the services built on them.

    ``uses`` counts what each key has signed.
    """

    parts: Parts
    sign_in: SignInService
    provider_sign_in: ProviderSignIn
    phones: PhoneAccess
    submissions: SubmissionService
    prover: Prover
    histories: Histories
    pictures: Pictures
    audits: Audits
    cursors: Cursors
    uses: KeyUses

    def limit(self, requested: int) -> int:
        """Return the number of entries of a page: what was asked for, at most the configured maximum."""
        return min(requested, self.parts.settings.max_page_entries)
