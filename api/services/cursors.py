"""Cursors: where the next page of a list begins, sealed so that only this service reads and makes them.

A place in a list is a key of a row: a number that counts what others do, a word, the id of a case. Sealed, it says
nothing to whoever holds it, and nobody asks for the rows behind a place that no page has ended at. AES-SIV (RFC 5297)
gives the same text for the same place, so that a page is the same when it is asked for again.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.core.errors import MalformedInput

LONGEST = 1000  # characters of a cursor
PATTERN = r"^[A-Za-z0-9_-]{23,1000}$"


class Cursors:
    """Seals and opens cursors under a key derived from the 32-byte ``service_key``."""

    def __init__(self, service_key: bytes) -> None:
        derived = HKDF(SHA256(), 64, salt=None, info=b"tallystick cursors").derive(service_key)
        self._cipher = AESSIV(derived)

    def seal(self, scope: str, place: str) -> str:
        """Return the cursor of a place in the lists of this scope, which is all that it can be opened for."""
        sealed = self._cipher.encrypt(b"." + place.encode(), [scope.encode()])  # encrypts nothing that is empty
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, scope: str, cursor: str, *, field: str = "after") -> str:
        """Return the place. Raises MalformedInput for what this service has not sealed in this scope."""
        try:
            sealed = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
            return self._cipher.decrypt(sealed, [scope.encode()]).decode()[1:]
        except (InvalidTag, NotBase64, ValueError) as error:
            raise MalformedInput(
                f"expected `next` of the page before, not {cursor[:100]!r}",
                field=field,
                hint="Leave it out to begin at the first page.",
            ) from error
