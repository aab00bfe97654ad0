"""Sign-in by an agency's identity provider: OpenID Connect, authorization code flow with PKCE.

1.  ``begin`` keeps what the answer is compared with, under a state that counts once, and sends the browser there
2.  ``finish`` takes the state, in the browser that began alone, for the agency that it began with
3.  exchanges the code, and validates the ID token: algorithm, signature, issuer, audience, times, nonce, what is set
4.  finds the officer, to whom his agency has granted a key that is valid now: his roles are that key's

An officer without a key has no role, and does not sign in. The session reads, and does nothing else: acts are signed
by keys. The provider is asked on its issuer's own host alone, within bounds of time and size; redirects are not
followed.
"""

from __future__ import annotations

import math
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import quote, urlencode

import httpx
import msgspec
from msgspec import Meta, Struct

from api.auth.identity_providers import IdentityProvider, ProviderFile
from api.auth.sessions import AccessToken, SignInService
from api.middleware.problems import TokenRefused
from ledger.config.settings import Settings
from ledger.core.encoding.decoding import decode_json, decoder_of
from ledger.core.errors import NotFound, TallystickError, Unauthorized, Unavailable
from ledger.core.messages import Message
from ledger.core.signing.authority import AuthorityState, Grant
from ledger.loggers import get_logger
from ledger.store import access
from ledger.store.access import Challenge
from ledger.store.database import Database

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

# Signed with a key that the provider alone has: neither "none" nor HMAC, which the reader of a public key could make.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
WAITS_S: Final = 600  # seconds that an officer has at his provider
LEEWAY_S: Final = 60  # that the provider's clock may be apart
MAX_ANSWER: Final = 256 * 1024  # bytes of an answer of the provider
MAX_ID_TOKEN: Final = 16 * 1024  # characters
METADATA_S: Final = 3600  # seconds for which what a provider says of itself is kept
PAUSE_S: Final = 5  # after which one that did not answer is asked again
REFETCH_S: Final = 60  # at most once in this time its keys are asked for again, for a key that is not among them
SIGNED_IN: Final = "signed_in"  # outcome of a sign-in that was not refused
MOST_EXCHANGES: Final = 4  # codes of one provider that are exchanged at once

logger = get_logger(__name__)
T = TypeVar("T")
_Endpoint = Annotated[str, Meta(max_length=2000)]


class BegunSignIn(Struct, frozen=True):
    """Where the browser goes, and what it keeps in a cookie until it comes back."""

    url: str
    browser_secret: str


class FinishedSignIn(Struct, frozen=True):
    """The session's token, and the page to go on with."""

    token: AccessToken
    following: str


class _Waiting(Struct, frozen=True):
    """What was begun under a state: ``browser`` is the digest of the cookie of the browser that did."""

    agency: str
    issuer: str
    nonce: str
    verifier: str
    browser: str
    following: str


class _Metadata(Struct, frozen=True):
    issuer: str
    authorization_endpoint: _Endpoint
    token_endpoint: _Endpoint
    jwks_uri: _Endpoint
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _KeyRows(Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]


class _Tokens(Struct, frozen=True):
    id_token: Annotated[str, Meta(max_length=MAX_ID_TOKEN)]


class _Kept(Struct):
    """What a provider says of itself, and its keys, when they were asked for (seconds of a steady clock)."""

    metadata: _Metadata
    since: float
    keys: KeySet | None = None
    keys_since: float = 0.0


_decoder = decoder_of(_Waiting)


class ProviderSignIn:
    """Signs officers in by their agencies' providers. ``clock`` returns unix seconds.

    ``outcomes`` counts what came of those who came back: SIGNED_IN, or the code of the refusal.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        providers: ProviderFile,
        sign_in: SignInService,
        *,
        clock: Callable[[], int],
        outcomes: Counter[str] | None = None,
    ):
        self._outcomes = Counter() if outcomes is None else outcomes
        self._database, self._settings, self._sign_in = database, settings, sign_in
        self.providers = providers
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}  # by agency and issuer
        self._failed: dict[tuple[str, str], float] = {}  # when they did not answer last
        self._asking = Lock()
        self._exchanges: dict[tuple[str, str], BoundedSemaphore] = {}  # by agency and issuer

    def begin(self, agency: str, *, return_url: str, following: str) -> BegunSignIn:
        """Return where the officer signs in. Raises NotFound for an agency without a provider, and Unavailable."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        provider = self._provider(agency)
        metadata = self._metadata(provider).metadata
        now = self._clock()
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        waiting = _Waiting(agency, provider.issuer, nonce, verifier, _digest(browser), following)
        text = msgspec.json.encode(waiting).decode()
        # Under its digest: what stands in the database answers nobody's request.
        challenge = Challenge(_digest(state), f"provider of {agency}", text, now + WAITS_S)
        access.keep_challenge(self._database, challenge, now)
        url = prepare_grant_uri(
            metadata.authorization_endpoint,
            provider.client_id,
            "code",
            return_url,
            " ".join(dict.fromkeys(("openid", *provider.scopes))),
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            max_age=str(self._settings.provider_session_lifetime_s),
            **({"acr_values": " ".join(provider.acr)} if provider.acr else {}),
        )
        return BegunSignIn(url, browser)

    def finish(
        self,
        agency: str,
        answer: Mapping[str, str],
        browser_secret: str | None,
        authority: AuthorityState,
        *,
        return_url: str,
    ) -> FinishedSignIn:
        """Return a session for the provider's ``answer``, the query of the address that the browser came back to.

        Whatever comes of it, the state is used up. Raises TokenRefused, Unauthorized for an officer without a key that
        is valid now, NotFound for an agency without a provider, and Unavailable where the provider cannot be asked.
        """
        with self._counted():
            now = self._clock()
            waiting = self._waiting(agency, answer.get("state", ""), browser_secret, now)
            provider = self._provider(agency)
            if provider.issuer != waiting.issuer:
                _refuse(Message("the agency has another provider by now"), code="provider_changed")
            kept = self._metadata(provider)
            # RFC 9207: an answer of another provider than the one that was asked.
            issuer = answer.get("iss")
            if issuer != provider.issuer and (issuer or kept.metadata.authorization_response_iss_parameter_supported):
                _refuse(Message("the answer is one of another provider"), code="provider_mixed_up")
            if "error" in answer:
                _refuse(
                    Message("the provider refused it: {reason}", reason=answer["error"][:100]), code="provider_refused"
                )
            code = answer.get("code")
            if not code:
                _refuse(Message("the answer has no code"), code="provider_answer")
            id_token = self._exchanged(provider, kept.metadata, code, waiting.verifier, return_url)
            claims = self._claims(provider, kept, id_token)
            auth_time = self._require_claims(provider, claims, waiting.nonce, now)
            grant = granted_officer(authority, agency, officer_of(provider, claims), now)
            return FinishedSignIn(self._sign_in.token_of_provider(grant, provider.issuer, auth_time), waiting.following)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count how a sign-in ends: by the code of what refused it, if anything did."""
        try:
            yield
        except TallystickError as error:
            self._outcomes[error.code] += 1
            raise
        self._outcomes[SIGNED_IN] += 1

    def _provider(self, agency: str) -> IdentityProvider:
        provider = self.providers.of_agency(agency)
        if provider is None:
            raise NotFound("{agency} has no identity provider here", agency=agency, field="agency")
        return provider

    def _waiting(self, agency: str, state: str, browser_secret: str | None, now: int) -> _Waiting:
        """Take what was begun under the state, which counts once. Raises TokenRefused."""
        challenge = access.take_challenge(self._database, _digest(state), now)
        if challenge is None or not challenge.key_id.startswith("provider of "):
            _refuse(Message("no such sign-in waits: it was used, or it took too long"), code="sign_in_unknown")
        waiting = _decoder.decode(challenge.message)
        if waiting.agency != agency:
            _refuse(Message("this sign-in was begun at another agency's provider"), code="provider_mixed_up")
        # Somebody else's answer would sign this browser in as him.
        if browser_secret is None or not compare_digest(_digest(browser_secret), waiting.browser):
            _refuse(Message("this sign-in was begun in another browser"), code="sign_in_foreign")
        return waiting

    # -- asking the provider -------------------------------------------------------------------------------------------

    def _metadata(self, provider: IdentityProvider) -> _Kept:
        """Return what the provider says of itself, kept for a while. Raises Unavailable."""
        key, now = (provider.agency, provider.issuer), time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept.since < METADATA_S:
            return kept
        # Anybody may begin: one that does not answer must not hold up a thread for each who does.
        if now - self._failed.get(key, -math.inf) < PAUSE_S or not self._asking.acquire(blocking=False):
            _away(Message("it is being asked, or did not answer a moment ago"))
        try:
            # OpenID Connect Discovery 1.0, section 4.
            address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = _decoded(self._ask(provider, "GET", address), _Metadata)
            if metadata.issuer != provider.issuer:
                _away(Message("it calls itself {issuer}", issuer=metadata.issuer[:100]))
            for endpoint in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
                self._require_own(provider, endpoint)
        except Unavailable:
            self._failed[key] = time.monotonic()
            raise
        finally:
            self._asking.release()
        kept = self._kept[key] = _Kept(metadata, time.monotonic())
        return kept

    def _require_own(self, provider: IdentityProvider, url: str) -> None:
        """Raise Unavailable for an address that is not on the issuer's host: a provider leads nowhere else."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            _away(Message("one of its addresses is none"))
        own = httpx.URL(provider.issuer)
        if (parsed.scheme, parsed.host, parsed.port) != (own.scheme, own.host, own.port) or parsed.userinfo:
            _away(Message("its endpoints are not on the host of the issuer"))

    def _keys(self, provider: IdentityProvider, kept: _Kept, *, again: bool = False) -> KeySet:
        """Return the provider's keys; ``again`` asks for them anew, but not more often than ``REFETCH_S``."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        now = time.monotonic()
        if kept.keys is None or (again and now - kept.keys_since >= REFETCH_S):
            rows = _decoded(self._ask(provider, "GET", kept.metadata.jwks_uri), _KeyRows).keys
            # What is no key for signatures is passed over: encryption keys, and symmetric ones above all.
            public = [row for row in rows if row.get("kty") in ("RSA", "EC", "OKP") and row.get("use") != "enc"]
            try:
                kept.keys = KeySet.import_key_set({"keys": public})
            except (JoseError, KeyError, TypeError, ValueError):
                _away(Message("its keys cannot be read"))
            kept.keys_since = now
        return kept.keys

    def _exchanged(
        self, provider: IdentityProvider, metadata: _Metadata, code: str, verifier: str, return_url: str
    ) -> str:
        """Exchange the code for the ID token. Raises TokenRefused for a code that the provider does not take."""
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        body = prepare_token_request("authorization_code", "", return_url, code=code, code_verifier=verifier)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secret = provider.secret()
        auth: tuple[str, str] | None = None
        if secret is None:
            body += "&" + urlencode({"client_id": provider.client_id})
        elif "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            auth = quote(provider.client_id, safe=""), quote(secret, safe="")  # RFC 6749 2.3.1
        else:
            body += "&" + urlencode({"client_id": provider.client_id, "client_secret": secret})
        # Anybody may come back with a code: a provider that is slow must not take the threads of all other requests.
        exchanges = self._exchanges.setdefault((provider.agency, provider.issuer), BoundedSemaphore(MOST_EXCHANGES))
        if not exchanges.acquire(blocking=False):
            _away(Message("too many officers are signing in at once"))
        try:
            data = self._ask(
                provider, "POST", metadata.token_endpoint, content=body.encode(), headers=headers, auth=auth
            )
        finally:
            exchanges.release()
        return _decoded(data, _Tokens).id_token

    def _ask(self, provider: IdentityProvider, method: str, url: str, **request: Any) -> bytes:
        """Return the body of the provider's answer, within bounds. Raises Unavailable; TokenRefused for 400 and 401."""
        timeout_s = self._settings.provider_timeout_s
        ends_at = time.monotonic() + timeout_s
        try:
            with (
                httpx.Client(
                    verify=_tls(provider.roots), timeout=timeout_s, trust_env=False, follow_redirects=False
                ) as client,
                client.stream(method, url, **request) as answer,
            ):
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER or time.monotonic() > ends_at:
                        _away(Message("its answer is too long, or takes too long"))
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            logger.warning("identity provider not asked", agency=provider.agency, url=url, reason=str(error))
            raise _no_answer(type(error).__name__) from error
        if method == "POST" and answer.status_code in (400, 401):
            _refuse(
                Message("the provider does not take the code: it was used, or it is not ours"), code="provider_code"
            )
        if answer.status_code != 200:
            _away(Message("it answered {status}", status=answer.status_code))
        return body

    # -- the ID token --------------------------------------------------------------------------------------------------

    def _claims(self, provider: IdentityProvider, kept: _Kept, id_token: str) -> dict[str, Any]:
        """Return the claims of the ID token, whose signature must be the provider's. Raises TokenRefused."""
        from joserfc import jws, jwt
        from joserfc.errors import JoseError

        try:
            header = jws.extract_compact(id_token.encode()).headers()
        except (JoseError, ValueError, UnicodeError) as error:
            raise _bad(Message("it is no signed token")) from error
        if header.get("alg") not in ALGORITHMS:
            raise _bad(Message("its algorithm is not one that only the provider could sign with"))
        keys = self._keys(provider, kept)
        if header.get("kid") not in {key.kid for key in keys.keys}:
            keys = self._keys(provider, kept, again=True)
        if header.get("kid") is None and len(keys.keys) != 1:
            raise _bad(Message("it does not say which key signed it"))
        if header.get("kid") is not None and header["kid"] not in {key.kid for key in keys.keys}:
            raise _bad(Message("a key signed it that the provider does not have"))
        try:
            return dict(jwt.decode(id_token, keys, algorithms=[header["alg"]]).claims)
        except (JoseError, ValueError, TypeError) as error:
            raise _bad(Message("its signature is not the provider's")) from error

    def _require_claims(self, provider: IdentityProvider, claims: Mapping[str, Any], nonce: str, now: int) -> int:
        """Return when the officer signed in at the provider (unix seconds). Raises TokenRefused."""
        if claims.get("iss") != provider.issuer:
            raise _bad(Message("another provider made it"))
        audience = claims.get("aud")
        # A token for others, too, could be one that they were given.
        if audience not in (provider.client_id, [provider.client_id]):
            raise _bad(Message("it is not for this service alone"))
        if claims.get("azp", provider.client_id) != provider.client_id:
            raise _bad(Message("it was given to another client"))
        times = {name: claims.get(name) for name in ("exp", "iat", "nbf", "auth_time")}
        if any(value is not None and (type(value) is not int or not 0 <= value < 2**53) for value in times.values()):
            raise _bad(Message("its times are no numbers of seconds"))
        expires_at, issued_at = times["exp"], times["iat"]
        if expires_at is None or issued_at is None:
            raise _bad(Message("it does not say from when until when it holds"))
        if now >= expires_at + LEEWAY_S or max(issued_at, times["nbf"] or 0) > now + LEEWAY_S:
            raise _bad(Message("it does not hold now"))
        told_nonce = claims.get("nonce")
        if not isinstance(told_nonce, str) or not compare_digest(told_nonce.encode(), nonce.encode()):
            raise _bad(Message("it is not the answer to this sign-in"))
        auth_time = times["auth_time"]
        # Whoever is asked for ``max_age`` has to say it (OpenID Connect Core 1.0, section 2); ``iat`` is always young.
        if auth_time is None:
            raise _bad(Message("it does not say when the officer signed in"))
        if not now - self._settings.provider_session_lifetime_s < auth_time <= now + LEEWAY_S:
            raise _bad(Message("the officer signed in at the provider too long ago"))
        if provider.acr and claims.get("acr") not in provider.acr:
            raise _bad(Message("the officer did not sign in as his agency demands"))
        if provider.domains:
            address = claims.get("email") if claims.get("email_verified") is True else None
            if not isinstance(address, str) or address.rpartition("@")[2].lower() not in provider.domains:
                raise _bad(Message("its address is not one of the agency's"))
        signed_in_at: int = min(auth_time, now)
        return signed_in_at


def officer_of(provider: IdentityProvider, claims: Mapping[str, Any]) -> str:
    """Return the officer whom the claims name, by the provider's list if it has one. Raises Unauthorized."""
    named = claims.get(provider.officer_claim)
    officer = provider.officers.get(str(named)) if provider.officers else named
    if not isinstance(named, str) or not isinstance(officer, str):
        raise _unknown_officer()
    return officer


def granted_officer(authority: AuthorityState, agency: str, officer: str, now: int) -> Grant:
    """Return the officer's grant from this agency that is valid now, of several the last. Raises Unauthorized."""
    grants = authority.valid_grants(agency, now, officer)
    if not grants:
        raise _unknown_officer()
    return max(grants, key=lambda grant: grant.granted)


def _unknown_officer() -> Unauthorized:
    return Unauthorized(
        "your agency has granted no key to this officer, or none that is valid now",
        code="officer_unknown",
        hint="Who reads has the roles of his key: ask the admin of your agency for its grant.",
    )


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return decode_json(data, kind)
    except (msgspec.DecodeError, UnicodeError):
        _away(Message("its answer is not what OpenID Connect asks for"))


def _refuse(text: Message, *, code: str) -> NoReturn:
    raise TokenRefused(text, code=code, hint="Begin again at the page to sign in.")


def _bad(reason: Message) -> TokenRefused:
    return TokenRefused(
        "the provider's ID token is refused: {reason}",
        reason=reason,
        code="id_token_refused",
        hint="Begin again. If it happens again, tell whoever runs this service and the provider.",
    )


def _no_answer(reason: str | Message) -> Unavailable:
    return Unavailable(
        "the identity provider cannot be asked now: {reason}",
        reason=reason,
        code="provider_away",
        hint="Try again later, or sign in with your key.",
    )


def _away(reason: Message) -> NoReturn:
    raise _no_answer(reason)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _tls(roots: str | None) -> ssl.SSLContext:
    """Return what trusts the roots in the file as it is now, or those of the system."""
    if roots is None:
        return _context(None, ())
    status = Path(roots).stat()
    return _context(roots, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=64)
def _context(roots: str | None, _version: tuple[int, ...]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=roots)
