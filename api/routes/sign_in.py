"""Signing in: a challenge, its signature, a token."""

from __future__ import annotations

from typing import Annotated

from starlette.responses import Response

from api.auth.sessions import AccessToken, ChallengeRequest, SignedChallenge, SignInChallenge
from api.dependencies import ServiceOf, json_body, json_response
from api.schemas.openapi import Routes

MAX_BODY = 4096  # bytes

router = Routes(400, 403, 415, 429, 503, prefix="/api/v1/sign-in", tags=["sign-in"])


ChallengeRequestBody = Annotated[ChallengeRequest, json_body(ChallengeRequest, limit=MAX_BODY)]
SignedChallengeBody = Annotated[SignedChallenge, json_body(SignedChallenge, limit=MAX_BODY)]


@router.posts("/challenge", "Ask for a text to sign", ChallengeRequest, SignInChallenge)
def challenge(service: ServiceOf, asked: ChallengeRequestBody) -> Response:
    """Return a `message` (EIP-4361) to sign unchanged with the key (`personal_sign`), once, within a short time.

    The key must be granted.
    """
    return json_response(service.sign_in.challenge(asked.key_id, service.authority()))


@router.posts("/token", "Give the signature, get a token", SignedChallenge, AccessToken, 401)
def token(service: ServiceOf, signed: SignedChallengeBody) -> Response:
    """Return a token that permits reads for a short time, and only as long as the key is granted."""
    return json_response(service.sign_in.token(signed.nonce, signed.signature, service.authority()))
