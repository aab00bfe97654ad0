"""Sign in (EIP-4361): sign the service's message with the officer's key, keep the token until it expires.

A message is signed only if it names the service that was called, the ledger that the profile is pinned to and the key
that signs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from ledger.client.exchange import Exchange, NameField, same_name
from ledger.client.requests import Requests
from ledger.client.service import ServiceClient
from ledger.config.secret_files import SecretRefused, read_secret, write_secret
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import SignatureRefused
from ledger.core.signing.signatures import TransactionSigner, personal_digest

SPARE_S = 10  # seconds before its end in which a token is not used any more
_RESOURCES = "Resources:"
_RESOURCE = "- urn:tallystick:0x{}"  # the one resource that a service names: its ledger
_FIRST_LINE = "{} wants you to sign in with your Ethereum account:"  # EIP-4361


class Token(Struct, frozen=True):
    """An access token for one URL and one key. ``expires_at`` is in unix seconds by this machine's clock."""

    access_token: str
    expires_at: float
    url: str
    key_id: str


class _Challenge(Struct):
    nonce: str
    message: str


class _Answer(Struct):
    access_token: str
    expires_in: int


class SignIn:
    """Signs one key in; its token is kept in ``file`` (mode 0600), or in memory alone if that is None."""

    def __init__(
        self,
        file: Path | None,
        url: str,
        key_id: str,
        signer: Callable[[], TransactionSigner],
        log_id: Callable[[], bytes],
        *,
        name_field: NameField = same_name,
    ):
        self._name_field = name_field
        self._file = file
        self._token: Token | None = None
        self._url = url
        self._key_id = key_id
        self._signer = signer
        self._log_id = log_id

    def header(self) -> dict[str, str]:
        """Return the Authorization header of the stored token, or nothing."""
        token = self._stored()
        return {"Authorization": f"Bearer {token.access_token}"} if token else {}

    def token(self) -> str:
        """Return a token that is valid now, after signing in if need be."""
        if self._stored() is None:
            with ServiceClient(self._url) as service:
                service.run(self.renewal())
        return self.header()["Authorization"].removeprefix("Bearer ")

    def renewal(self) -> Exchange[None]:
        """Sign in and store the token. Raises SignatureRefused for a message that this key should not sign."""
        log_id = self._log_id()
        requests = Requests(self._url, name_field=self._name_field)
        request = msgspec.json.encode({"key_id": self._key_id})
        challenge = yield from requests.post("/api/v1/sign-in/challenge", request, _Challenge)
        require_own_message(challenge.message, self._url, self._key_id, log_id)
        signature = "0x" + self._signer().sign(personal_digest(challenge.message)).hex()
        signed = msgspec.json.encode({"nonce": challenge.nonce, "signature": signature})
        answer = yield from requests.post("/api/v1/sign-in/token", signed, _Answer)
        self._token = Token(answer.access_token, time.time() + answer.expires_in, self._url, self._key_id)
        if self._file is not None:
            write_secret(self._file, msgspec.json.encode(self._token), field="token", replace=True)

    def _stored(self) -> Token | None:
        token = self._token
        if self._file is not None:
            try:
                token = decode_json(read_secret(self._file, field="token"), Token)
            except (SecretRefused, msgspec.DecodeError):
                return None
        if token is None:
            return None
        is_valid = (token.url, token.key_id) == (self._url, self._key_id) and time.time() < token.expires_at - SPARE_S
        return token if is_valid else None


def require_own_message(message: str, url: str, key_id: str, log_id: bytes) -> None:
    """Check that a message asks this key to sign in at this service, for this ledger. Raises SignatureRefused.

    Otherwise a malicious service could pass on the challenge of another one, and use the officer's token there.
    """
    lines = message.split("\n")
    own = httpx.URL(url)
    first = _FIRST_LINE.format(own.netloc.decode())
    uris = [httpx.URL(line.removeprefix("URI: ")) for line in lines if line.startswith("URI: ")]
    if lines[0] != first or len(lines) < 2 or lines[1].lower() != key_id:
        raise SignatureRefused(
            "the service asks for another signature: {lines!r}",
            lines=lines[0][:200],
            field="message",
            code="foreign_sign_in",
            hint="Only a sign-in of your key at this service is signed. Check the profile's URL against public_url.",
        )
    if [(uri.scheme, uri.netloc) for uri in uris] != [(own.scheme, own.netloc)]:
        raise SignatureRefused("the sign-in message names another service", field="message", code="foreign_sign_in")
    resources = lines[lines.index(_RESOURCES) + 1 :] if _RESOURCES in lines else []
    if resources != [_RESOURCE.format(log_id.hex())]:
        raise SignatureRefused(
            "the sign-in message is not for the profile's ledger, but for {resources}",
            resources=" ".join(resources)[:200] or "none",
            field="message",
            code="foreign_sign_in",
            hint="If the service has a new ledger, make a new profile for it: tally profile add",
        )
