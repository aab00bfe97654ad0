"""Sign-in: an officer signs a challenge (EIP-4361) and gets a short-lived token (JWT, Ed25519).

A token permits reads and nothing else: every write is a signed event. It is valid until it expires, and only as long as
the key that asked for it is granted in the registry of the log. That of an officer for whom his agency's identity
provider vouched (``api.auth.provider_sign_in``) is bound to his key in the same way, and to the provider.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_utils.address import to_checksum_address
from msgspec import Meta, Struct

from api.auth.identity_providers import ProviderFile
from api.middleware.problems import TokenRefused
from ledger.config.settings import Settings
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import MalformedInput, SignatureRefused, Unauthorized
from ledger.core.events.terms import AgencyId, KeyId, OfficerId, SafeInt, SignatureText
from ledger.core.signing.authority import AuthorityState, Grant, require_valid, standing_grant
from ledger.core.signing.signatures import personal_digest, recover
from ledger.store import access
from ledger.store.access import Challenge
from ledger.store.database import Database

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey
    from joserfc.jws import JWSRegistry

ALGORITHM = "Ed25519"  # RFC 9864; the only one accepted, so that a token cannot choose another
STATEMENT = "Sign in to read this ledger. This signs no event."
MAX_TOKEN_LENGTH = 4096  # characters
_HEADER = {"alg": ALGORITHM, "typ": "at+jwt"}  # RFC 9068 2.1; a token with any other header is none of ours


@cache
def _registry() -> JWSRegistry:
    from joserfc.jws import JWSRegistry

    return JWSRegistry(algorithms=[ALGORITHM])


class ChallengeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    key_id: KeyId


class SignInChallenge(Struct, frozen=True):
    """``message`` is to be signed as it is (EIP-191, personal_sign)."""

    nonce: str
    message: str


class SignedChallenge(Struct, frozen=True, forbid_unknown_fields=True):
    nonce: Annotated[str, Meta(min_length=1, max_length=64)]
    signature: SignatureText


class AccessToken(Struct, frozen=True):
    """``expires_in`` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int


class TokenClaims(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The complete claims of a token. Times are in unix seconds; ``aud`` is the ledger's id.

    ``auth_time`` is when the officer signed in: a token that was renewed is younger (OpenID Connect Core). ``idp`` is
    the issuer of the provider that vouched for him; without it he signed with the key ``sub``.
    """

    iss: str
    aud: str
    sub: KeyId
    agency: AgencyId
    officer: OfficerId
    auth_time: SafeInt
    iat: SafeInt
    nbf: SafeInt
    exp: SafeInt
    jti: Annotated[str, Meta(min_length=16, max_length=64)]
    idp: Annotated[str, Meta(max_length=500)] | None = None


class ReaderSession(Struct, frozen=True):
    """The grant of the key by which a reader signed in, and the claims of his token, None if he needed none."""

    grant: Grant
    claims: TokenClaims | None = None

    @property
    def agency(self) -> str:
        return self.grant.agency_id

    @property
    def provider(self) -> str | None:
        """Return the issuer of the identity provider that vouched for the reader; None if he signed in by his key."""
        return self.claims.idp if self.claims else None

    def has_role(self, *roles: str) -> bool:
        return not set(roles).isdisjoint(self.grant.roles)


class SignInService:
    """Gives out challenges and tokens of the service. ``clock`` returns unix seconds; ``token_key`` has 32 bytes."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        log_id: bytes,
        token_key: bytes,
        chain_id: Callable[[], int],
        clock: Callable[[], int],
        providers: ProviderFile | None = None,
    ):
        self._database, self._settings, self._url = database, settings, settings.url
        self._providers = providers or ProviderFile(None)
        self._audience = "0x" + log_id.hex()
        self._private_key = Ed25519PrivateKey.from_private_bytes(token_key)
        self._chain_id = chain_id
        self._clock = clock

    @cached_property
    def _key(self) -> OKPKey:
        from joserfc.jwk import OKPKey

        return OKPKey.import_key(self._private_key)

    def challenge(self, key_id: str, authority: AuthorityState) -> SignInChallenge:
        """Return a text for the key to sign. Raises Unauthorized for a key that is not granted now."""
        now = self._clock()
        require_granted(authority, key_id, now)
        nonce = secrets.token_hex(16)
        expires_at = now + self._settings.challenge_lifetime_s
        message = sign_in_text(
            self._url,
            key_id,
            self._audience,
            chain_id=str(self._chain_id()),
            nonce=nonce,
            issued=instant_text(now),
            expires=instant_text(expires_at),
        )
        access.keep_challenge(self._database, Challenge(nonce, key_id, message, expires_at), now)
        return SignInChallenge(nonce, message)

    def token(self, nonce: str, signature: str, authority: AuthorityState) -> AccessToken:
        """Return a token for the signature of a challenge, which is used up whatever the outcome.

        Raises TokenRefused, or Unauthorized for a key that is not granted now.
        """
        now = self._clock()
        challenge = access.take_challenge(self._database, nonce, now)
        if challenge is None:
            raise TokenRefused(
                "no such challenge waits: it was used, or it expired",
                field="nonce",
                code="challenge_unknown",
                hint="Ask for a new one at /api/v1/sign-in/challenge.",
            )
        try:
            signer = recover(personal_digest(challenge.message), bytes.fromhex(signature[2:]), field="signature")
        except SignatureRefused as error:
            raise TokenRefused(error.text, field="signature", code="signature_refused") from error
        if signer != challenge.key_id:
            raise TokenRefused(
                "the challenge was for the key {challenge.key_id}, another one signed it",
                challenge=challenge,
                field="signature",
                code="signature_refused",
            )
        return self._token(require_granted(authority, challenge.key_id, now), now, now)

    def renewed(self, session: ReaderSession) -> AccessToken | None:
        """Return a new token for a session in use, once its token is half over; None before, or if it is at its end.

        However long it is used, a session ends ``session_lifetime_s`` after the officer signed in; of a provider
        ``provider_session_lifetime_s``, from his signing in there on.
        """
        now, claims = self._clock(), session.claims
        if claims is None or 2 * now < claims.iat + claims.exp:
            return None
        is_longer = claims.exp < claims.auth_time + self._session_lifetime_s(claims.idp)
        return self._token(session.grant, now, claims.auth_time, claims.idp) if is_longer else None

    def token_of_provider(self, grant: Grant, issuer: str, auth_time: int) -> AccessToken:
        """Return a token for the officer of the grant, for whom a provider vouched, to which he signed in then."""
        return self._token(grant, self._clock(), auth_time, issuer)

    def _session_lifetime_s(self, idp: str | None) -> int:
        settings = self._settings
        return settings.session_lifetime_s if idp is None else settings.provider_session_lifetime_s

    def _token(self, grant: Grant, now: int, auth_time: int, idp: str | None = None) -> AccessToken:
        from joserfc import jwt

        last = auth_time + max(self._session_lifetime_s(idp), self._settings.token_lifetime_s)
        lifetime_s = min(self._settings.token_lifetime_s, last - now)
        claims = TokenClaims(
            iss=self._url,
            aud=self._audience,
            sub=grant.key_id,
            agency=grant.agency_id,
            officer=grant.officer,
            auth_time=auth_time,
            iat=now,
            nbf=now,
            exp=now + lifetime_s,
            jti=secrets.token_hex(16),
            idp=idp,
        )
        text = jwt.encode(_HEADER, msgspec.to_builtins(claims), self._key, [ALGORITHM], registry=_registry())
        return AccessToken(text, "Bearer", lifetime_s)

    def session(self, token: str, authority: AuthorityState) -> ReaderSession:
        """Return the session of this token. Raises TokenRefused."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        now = self._clock()
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefused("a token has at most {limit} characters", limit=MAX_TOKEN_LENGTH, code="token_malformed")
        try:
            decoded = jwt.decode(token, self._key, [ALGORITHM], registry=_registry())
            claims = convert(decoded.claims, TokenClaims)
        except (JoseError, msgspec.ValidationError, ValueError, UnicodeError) as error:
            raise TokenRefused("this is no token that this service signed", code="token_malformed") from error
        if decoded.header != _HEADER:
            raise TokenRefused("the token's header is not one that this service writes", code="token_malformed")
        if (claims.iss, claims.aud) != (self._url, self._audience):
            raise TokenRefused("the token was given by or for another service", code="token_foreign")
        if not claims.nbf <= now < claims.exp:
            raise TokenRefused(
                "the token holds from {claims.nbf} until {claims.exp} (unix seconds), not at {now}",
                claims=claims,
                now=now,
                code="token_expired",
            )
        try:
            grant = require_granted(authority, claims.sub, now)
        except Unauthorized as error:
            raise TokenRefused(error.text, code=error.code, hint=error.hint) from error
        if (grant.agency_id, grant.officer) != (claims.agency, claims.officer):
            raise TokenRefused("the key was granted anew to somebody else", code="token_outdated")
        if claims.idp is not None:
            provider = self._providers.of_agency(claims.agency)
            if provider is None or provider.issuer != claims.idp:
                raise TokenRefused("the agency has this identity provider no more", code="provider_gone")
            if not provider.names_officer(grant.officer):
                raise TokenRefused(
                    "the agency's identity provider vouches for this officer no more", code="provider_gone"
                )
        return ReaderSession(grant, claims)


READING: Final = ("GET", "HEAD")  # methods of requests that change nothing


def require_key(session: ReaderSession, method: str) -> None:
    """Raise Unauthorized for a request by which a reader without his key would do more than read."""
    if session.provider is not None and method not in READING:
        raise Unauthorized(
            "who signed in by an identity provider reads, and does nothing else",
            code="key_needed",
            hint="Sign in with your key.",
        )


def sign_in_text(url: str, key_id: str, audience: str, *, chain_id: str, nonce: str, issued: str, expires: str) -> str:
    """Return the text that signs in at the service of this address, by EIP-4361, version 1."""
    return (
        f"{domain_of(url)} wants you to sign in with your Ethereum account:\n"
        f"{to_checksum_address(key_id)}\n\n"
        f"{STATEMENT}\n\n"
        f"URI: {url}\n"
        "Version: 1\n"
        f"Chain ID: {chain_id}\n"
        f"Nonce: {nonce}\n"
        f"Issued At: {issued}\n"
        f"Expiration Time: {expires}\n"
        f"Resources:\n- urn:tallystick:{audience}"
    )


def require_granted(authority: AuthorityState, key_id: str, now: int) -> Grant:
    """Return the key's grant if it is valid at ``now`` (unix seconds). Raises Unauthorized."""
    grant = standing_grant(authority, key_id, authority.last_index + 1, field="key_id")
    require_valid(grant, now, field="key_id")
    return grant


def domain_of(url: str) -> str:
    """Return the host, with the port if it is not the scheme's default (RFC 3986 authority)."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if host is None:
        raise MalformedInput("{url} names no host", url=url, field="public_url")
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"
