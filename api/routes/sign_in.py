"""Signing in: a challenge, its signature, a token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.sessions import AccessToken, ChallengeRequest, SignedChallenge, SignInChallenge
from api.dependencies import ServiceOf, json_response, read_json
from api.schemas.openapi import answers, takes
from ledger.core.encoding.decoding import decoder_of

MAX_BODY = 4096  # bytes

router = APIRouter(prefix="/api/v1/sign-in", tags=["sign-in"])
_asked = decoder_of(ChallengeRequest)
_signed = decoder_of(SignedChallenge)


@router.post(
    "/challenge",
    summary="Ask for a text to sign",
    responses=answers(SignInChallenge, 400, 403, 415, 429, 503),
    openapi_extra=takes(ChallengeRequest),
)
async def challenge(request: Request, service: ServiceOf) -> Response:
    """Return a `message` (EIP-4361) to sign unchanged with the key (`personal_sign`), once, within a short time.

    The key must be granted.
    """
    challenge_request = await read_json(request, service, _asked, limit=MAX_BODY)
    return json_response(
        await run_in_threadpool(lambda: service.sign_in.challenge(challenge_request.key_id, service.authority()))
    )


@router.post(
    "/token",
    summary="Give the signature, get a token",
    responses=answers(AccessToken, 400, 401, 403, 415, 429, 503),
    openapi_extra=takes(SignedChallenge),
)
async def token(request: Request, service: ServiceOf) -> Response:
    """Return a token that permits reads for a short time, and only as long as the key is granted."""
    signed = await read_json(request, service, _signed, limit=MAX_BODY)
    issued = await run_in_threadpool(lambda: service.sign_in.token(signed.nonce, signed.signature, service.authority()))
    return json_response(issued)
