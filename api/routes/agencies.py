"""The registry as the log has it, agencies and keys, and signing in with a key: a challenge, its signature, a token.

Public.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from msgspec import Raw
from starlette.responses import Response

from api.auth.sessions import AccessToken, ChallengeRequest, SignedChallenge, SignInChallenge
from api.dependencies import (
    After,
    LabelsOf,
    Limit,
    OfficerQuery,
    ServiceOf,
    SlugPath,
    json_body,
    json_response,
    known_agency,
    page_response,
)
from api.schemas.answers import AgencyView, KeyView, RegistryEntryView, agency_view, view_of
from api.schemas.openapi import Paged, Routes
from api.services.setup import LedgerSetup, ledger_setup
from ledger.store import log

MAX_BODY = 4096  # bytes

router = Routes(400, 503, prefix="/api/v1")
REGISTRY, SIGN_IN = ["registry"], ["sign-in"]  # tags of the routes


@router.reads("/agencies", "List the agencies", Paged("agencies", AgencyView), tags=REGISTRY)
def agencies(
    service: ServiceOf, limit: Limit = 1000, after: Annotated[str | None, Query(max_length=31)] = None
) -> Response:
    """List the agencies in the order of their ids."""
    count = service.limit(limit)
    by_id = sorted(service.parts.authority().agencies.values(), key=lambda agency: agency.agency_id)
    views = [agency_view(agency) for agency in by_id if after is None or agency.agency_id > after][:count]
    return page_response("agencies", views, views[-1].agency_id if len(views) == count else None)


@router.reads("/agencies/{agency_id}", "Show an agency", AgencyView, 404, tags=REGISTRY)
def agency(service: ServiceOf, agency_id: SlugPath) -> Response:
    """Return an agency with its jurisdiction and the keys of its admin and its witness."""
    return json_response(agency_view(known_agency(service.parts.authority(), agency_id)))


@router.reads("/agencies/{agency_id}/keys", "List an agency's keys", Paged("keys", KeyView), 404, tags=REGISTRY)
def keys(service: ServiceOf, agency_id: SlugPath) -> Response:
    """List all keys that were ever granted, in the order of their grants; officers are pseudonymous service numbers."""
    authority = service.parts.authority()
    known_agency(authority, agency_id)
    granted = sorted(authority.grants.values(), key=lambda grant: grant.granted)
    return json_response({"keys": [view_of(KeyView, grant) for grant in granted if grant.agency_id == agency_id]})


@router.reads(
    "/registry",
    "List the mirrored changes of the registry",
    Paged("entries", RegistryEntryView, "integer"),
    tags=REGISTRY,
)
def registry(service: ServiceOf, limit: Limit = 100, after: After = -1) -> Response:
    """List the `registry.*` entries with their payloads, from which anybody can derive who may sign what.

    `after` is an index.
    """
    count = service.limit(limit)
    with service.parts.database.read() as connection:
        entries = log.registry_entries(connection, after=after)[:count]
    views = [
        RegistryEntryView(entry.log_index, Raw(entry.envelope), Raw(log.signed_payload(entry))) for entry in entries
    ]
    return page_response("entries", views, views[-1].index if len(views) == count else None)


@router.reads("/setup", "Say what the ledger and its agencies lack", LedgerSetup, tags=REGISTRY)
def setup(service: ServiceOf, words: LabelsOf, officer: OfficerQuery = None) -> Response:
    """Return what is there and what is missing, in steps, with the command for the machine on which it is typed.

    `officer` is the service number with which commands are filled in.
    """
    return json_response(ledger_setup(service, words, officer=officer))


ChallengeRequestBody = Annotated[ChallengeRequest, json_body(ChallengeRequest, limit=MAX_BODY)]
SignedChallengeBody = Annotated[SignedChallenge, json_body(SignedChallenge, limit=MAX_BODY)]


@router.posts("/sign-in/challenge", "Ask for a text to sign", ChallengeRequest, SignInChallenge, 403, 415, tags=SIGN_IN)
def challenge(service: ServiceOf, asked: ChallengeRequestBody) -> Response:
    """Return a `message` (EIP-4361) to sign unchanged with the key (`personal_sign`), once, within a short time.

    The key must be granted.
    """
    return json_response(service.sign_in.challenge(asked.key_id, service.parts.authority()))


@router.posts(
    "/sign-in/token", "Give the signature, get a token", SignedChallenge, AccessToken, 401, 403, 415, tags=SIGN_IN
)
def token(service: ServiceOf, signed: SignedChallengeBody) -> Response:
    """Return a token that permits reads for a short time, and only as long as the key is granted."""
    return json_response(service.sign_in.token(signed.nonce, signed.signature, service.parts.authority()))
