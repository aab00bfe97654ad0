"""Pseudonyms by blinded evaluation, where this service answers for a supervising agency whose key it was given."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import Request
from msgspec import Meta, Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Reads, ServiceOf, SlugPath, json_body, json_response
from api.middleware.problems import Refused
from api.middleware.request_limits import charge
from api.routes.imports import REGISTERING
from api.schemas.openapi import OF_A_BODY, Routes
from api.services.service import Service
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import read_secret
from ledger.core.errors import NotFound, Unauthorized
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import in_line
from ledger.interchange.imports.blinded import BATCH, Element, PseudonymAnswer, PseudonymKey, PseudonymRequest

MAX_BODY = 128 * 1024  # bytes
COST = 10  # elements that count as one request against the rate of an address
MAX_A_DAY = 100_000  # elements of an agency

router = Routes(400, 401, 403, 404, 503, prefix="/api/v1", tags=["pseudonyms"])


class PublicKey(Struct, frozen=True):
    """The public key of the supervising agency that pseudonyms are verified with."""

    agency: str
    public_key: str


class BlindedPersons(Struct, frozen=True, forbid_unknown_fields=True):
    """Blinded elements of ristretto255, of at most 1,000 persons."""

    elements: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=BATCH)]


Asked = Annotated[BlindedPersons, json_body(BlindedPersons, limit=MAX_BODY)]
# How many elements each agency has asked for on a day: a service that starts again counts from none.
_asked: defaultdict[tuple[str, str], int] = defaultdict(int)


@router.reads("/pseudonyms/{agency_id}", "Get the public key of a supervising agency's pseudonyms", PublicKey)
def pseudonym_public_key(service: ServiceOf, reading: Reads, agency_id: SlugPath) -> Response:
    """Return the public key, for the agencies in line with the supervising one."""
    return json_response(PublicKey(agency_id, _key_of(service, reading, agency_id).public))


@router.posts("/pseudonyms/{agency_id}", "Evaluate blinded persons", BlindedPersons, PseudonymAnswer, *OF_A_BODY, 429)
def evaluate_pseudonyms(
    request: Request, service: ServiceOf, reading: Reads, agency_id: SlugPath, asked: Asked
) -> Response:
    """Return the evaluations of blinded persons under the supervising agency's key, with a proof (RFC 9497).

    Takes a role that may register data sets, of an agency in line with the supervising one. Persons count against the
    rate of the address and the day of the agency, and the number of them is recorded as a read.
    """
    key, count = _key_of(service, reading, agency_id), len(asked.elements)
    charge(request.scope, count // COST)
    day = (reading.agency, reading.reader.now[:10])
    if _asked[day] + count > MAX_A_DAY:
        message = "expected at most {most:,} pseudonyms a day"
        raise Refused(429, message, most=MAX_A_DAY, code="too_many_requests", retry_after=3600)
    for other in [other for other in _asked if other[1] != day[1]]:
        del _asked[other]
    _asked[day] += count
    reading.record(Message("{count} pseudonyms under the key of {agency}", count=count, agency=agency_id))
    return json_response(key.answer(PseudonymRequest(asked.elements)))


def _key_of(service: Service, reading: Reading, agency_id: str) -> PseudonymKey:
    """Return the key of a supervising agency in line with the reader's. Raises Unauthorized or NotFound."""
    reading.require_role(*REGISTERING)
    agencies = reading.authority.agencies
    if agency_id not in agencies or not in_line(agencies[agency_id], agencies[reading.agency]):
        raise Unauthorized(
            "{agency_id} is not in line with your agency", agency_id=agency_id, code="outside_jurisdiction"
        )
    path = DataDirectory(service.parts.settings.data_dir).pseudonym_key(agency_id)
    if not path.exists():
        raise NotFound("this service has no key of {agency_id}", agency_id=agency_id, field="agency_id")
    return PseudonymKey(bytes.fromhex(read_secret(path, field="agency_id").decode("ascii").strip()))
