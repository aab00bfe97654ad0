"""Signing in: a challenge, its signature, a token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth.sessions import ChallengeAsked, ChallengeGiven, ChallengeSigned, TokenGiven
from api.dependencies import ServiceOf, answer, posted
from api.schemas.openapi import answers, takes
from ledger.core.encoding.decoding import decoder_of

MAX_BODY = 4096  # bytes

router = APIRouter(prefix="/api/v1/sign-in", tags=["sign-in"])
_asked = decoder_of(ChallengeAsked)
_signed = decoder_of(ChallengeSigned)


@router.post(
    "/challenge",
    summary="Ask for a text to sign",
    responses=answers(ChallengeGiven, 400, 403, 415, 429, 503),
    openapi_extra=takes(ChallengeAsked),
)
async def challenge(request: Request, service: ServiceOf) -> Response:
    """The answer's `message` (EIP-4361) is to be signed as it is with the key (`personal_sign`), once, within a short
    time. The key must be granted."""
    asked = await posted(request, service, _asked, limit=MAX_BODY)
    return answer(await run_in_threadpool(lambda: service.sign_in.challenge(asked.key_id, service.authority())))


@router.post(
    "/token",
    summary="Give the signature, get a token",
    responses=answers(TokenGiven, 400, 401, 403, 415, 429, 503),
    openapi_extra=takes(ChallengeSigned),
)
async def token(request: Request, service: ServiceOf) -> Response:
    """The token opens reads; it holds for a short time and only as long as the key is granted."""
    signed = await posted(request, service, _signed, limit=MAX_BODY)
    given = await run_in_threadpool(lambda: service.sign_in.token(signed.nonce, signed.signature, service.authority()))
    return answer(given)
