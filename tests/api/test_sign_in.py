"""Signing in, and every token that is none of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from eth_account.messages import encode_defunct

from api.auth.sessions import domain_of
from ledger.core.signing.signatures import personal_digest
from tests.api.service import Served, problem
from tests.testkit.builders import LOG_ID, POLICE, PROCURATORATE, START, clerk, signature_of

NOW = START + 3600
OFFICER = clerk(POLICE)
TOKEN_KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
HEADER = {"typ": "at+jwt", "alg": "Ed25519"}
CLAIMS = {
    "iss": "https://ledger.test",
    "aud": "0x" + LOG_ID.hex(),
    "sub": OFFICER.key_id,
    "agency": POLICE,
    "officer": OFFICER.officer_id,
    "iat": NOW,
    "nbf": NOW,
    "auth_time": NOW,
    "exp": NOW + 900,
    "jti": "0123456789abcdef0123456789abcdef",
}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: dict[str, Any] = HEADER, key: Ed25519PrivateKey = TOKEN_KEY, **claims: Any) -> str:
    """Return a token under the service's own key unless another is given; a claim of None is left out."""
    payload = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(payload).encode())}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def read(served: Served, text: str) -> Any:
    return served.request("GET", "/api/v1/cases", headers={"authorization": f"Bearer {text}"})


# -- the challenge -----------------------------------------------------------------------------------------------------


def test_the_challenge_is_a_text_of_eip_4361(shared: Served) -> None:
    """Every line is where EIP-4361 has it, the address in EIP-55, and the ledger is named."""
    challenge = shared.challenge(OFFICER)
    assert challenge["message"].split("\n") == [
        "ledger.test wants you to sign in with your Ethereum account:",
        Account.from_key(OFFICER.key.secret).address,
        "",
        "Sign in to read this ledger. This signs no event.",
        "",
        "URI: https://ledger.test",
        "Version: 1",
        "Chain ID: 1",
        f"Nonce: {challenge['nonce']}",
        "Issued At: 2026-03-02T02:00:00Z",
        "Expiration Time: 2026-03-02T02:02:00Z",
        "Resources:",
        f"- urn:tallystick:0x{LOG_ID.hex()}",
    ]


def test_a_wallet_signs_in(shared: Served) -> None:
    """What eth-account signs as personal_sign opens the reads."""
    challenge = shared.challenge(OFFICER)
    signed = Account.sign_message(encode_defunct(text=challenge["message"]), OFFICER.key.secret)
    answer = shared.answer(challenge["nonce"], bytes(signed.signature))
    assert answer.json() | {"access_token": ""} == {"access_token": "", "token_type": "Bearer", "expires_in": 900}
    assert read(shared, answer.json()["access_token"]).status_code == 200


def test_a_challenge_is_good_once(shared: Served) -> None:
    """Also a right signature does not open twice."""
    challenge = shared.challenge(OFFICER)
    signature = signature_of(personal_digest(challenge["message"]), OFFICER.key)
    assert shared.answer(challenge["nonce"], signature).status_code == 200
    problem(shared.answer(challenge["nonce"], signature), 401, "challenge_unknown", "nonce")


def test_a_wrong_signature_uses_the_challenge_up(shared: Served) -> None:
    """There is one try; another key's signature is none."""
    challenge = shared.challenge(OFFICER)
    digest = personal_digest(challenge["message"])
    problem(
        shared.answer(challenge["nonce"], signature_of(digest, clerk(PROCURATORATE).key)),
        401,
        "signature_refused",
        "signature",
    )
    problem(shared.answer(challenge["nonce"], signature_of(digest, OFFICER.key)), 401, "challenge_unknown", "nonce")


def test_a_challenge_expires(served: Served) -> None:
    """After its two minutes it is gone."""
    challenge = served.challenge(OFFICER)
    served.ledger.clock.forward(120)
    signature = signature_of(personal_digest(challenge["message"]), OFFICER.key)
    problem(served.answer(challenge["nonce"], signature), 401, "challenge_unknown", "nonce")


def test_a_key_that_is_not_granted_gets_no_challenge(shared: Served) -> None:
    """The challenge itself is refused, before anything is signed."""
    answer = shared.request("POST", "/api/v1/sign-in/challenge", json={"key_id": clerk("nowhere").key_id})
    problem(answer, 403, "key_unknown", "key_id")


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://ledger.test", "ledger.test"),
        ("https://ledger.test:443", "ledger.test"),
        ("https://ledger.test:8443/below", "ledger.test:8443"),
        ("http://127.0.0.1:8420", "127.0.0.1:8420"),
        ("http://[::1]:80", "[::1]"),
    ],
)
def test_the_domain_is_host_and_unusual_port(url: str, domain: str) -> None:
    """As a browser shows the origin."""
    assert domain_of(url) == domain


# -- the token ---------------------------------------------------------------------------------------------------------


def test_the_service_writes_the_token_that_it_takes(shared: Served) -> None:
    """The hand-made tokens of these tests are of the service's own form: each is refused for its one fault."""
    assert read(shared, token()).status_code == 200
    parts = shared.sign_in(OFFICER).json()["access_token"].split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    assert header == HEADER
    assert {**claims, "jti": CLAIMS["jti"]} == CLAIMS


def hs256_with_public_key() -> str:
    signed = token(HEADER | {"alg": "HS256"}).rpartition(".")[0]
    key = TOKEN_KEY.public_key().public_bytes_raw()
    return f"{signed}.{base64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def unsigned(alg: str) -> str:
    return token(HEADER | {"alg": alg}).rpartition(".")[0] + "."


ATTACKER = Ed25519PrivateKey.from_private_bytes(b"\x66" * 32)
ATTACKER_JWK = {"kty": "OKP", "crv": "Ed25519", "x": base64url(ATTACKER.public_key().public_bytes_raw())}
FORGED = {
    "alg none": unsigned("none"),
    "HS256 under the public key": hs256_with_public_key(),
    "EdDSA, the old name": token(HEADER | {"alg": "EdDSA"}),
    "unknown crit": token(HEADER | {"crit": ["exp"]}),
    "another typ": token(HEADER | {"typ": "JWT"}),
    "the attacker's jwk": token(HEADER | {"jwk": ATTACKER_JWK}, ATTACKER),
    "a kid under our key": token(HEADER | {"kid": "1"}),
    "another key": token(key=ATTACKER),
    "a cut signature": token()[:-4],
    "JSON": json.dumps(CLAIMS),
    "exp as text": token(exp=str(NOW + 900)),
    "no exp": token(exp=None),
    "no jti": token(jti=None),
    "a list of audiences": token(aud=["0x" + LOG_ID.hex()]),
    "a claim too many": token(role="admin"),
    "very long": token() + "A" * 100_000,
}
OTHERS = {
    "another audience": (token(aud="0x" + "00" * 32), "token_foreign"),
    "another issuer": (token(iss="https://evil.test"), "token_foreign"),
    "expired": (token(exp=NOW), "token_expired"),
    "not yet": (token(nbf=NOW + 1), "token_expired"),
    "a key that nobody granted": (token(sub=clerk("nowhere").key_id), "key_unknown"),
    "another agency": (token(agency=PROCURATORATE), "token_outdated"),
    "another officer": (token(officer="somebody"), "token_outdated"),
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED.keys())
def test_a_token_of_another_form_or_key_opens_nothing(shared: Served, text: str) -> None:
    """401, and the header says what to bring."""
    answer = read(shared, text)
    problem(answer, 401, "token_malformed")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("text", "code"), OTHERS.values(), ids=OTHERS.keys())
def test_a_token_that_does_not_hold_here_and_now_opens_nothing(shared: Served, text: str, code: str) -> None:
    """Issuer, audience and times count exactly; the registry has the last word."""
    problem(read(shared, text), 401, code)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token", "Bearer a b"])
def test_what_is_no_bearer_token_opens_nothing(shared: Served, header: str) -> None:
    """401, also for half a header."""
    answer = shared.request("GET", "/api/v1/cases", headers={"authorization": header})
    assert answer.status_code == 401
    problem(answer, 401, answer.json()["code"], answer.json().get("field"))


def test_a_token_ends_with_its_key(served: Served) -> None:
    """From the revocation's mirror entry on, also while the token would still run; no new one is given."""
    headers = served.token(OFFICER)
    challenge = served.challenge(OFFICER)
    served.mirror(served.ledger.changes.revoke(OFFICER).bodies[-1])
    problem(served.request("GET", "/api/v1/cases", headers=headers), 401, "key_revoked")
    signature = signature_of(personal_digest(challenge["message"]), OFFICER.key)
    problem(served.answer(challenge["nonce"], signature), 403, "key_revoked", "key_id")
