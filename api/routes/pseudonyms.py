"""Pseudonyms by blinded evaluation, where this service answers for a supervising agency whose key it was given."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request
from msgspec import Meta, Struct
from starlette.responses import Response

from api.dependencies import Reads, ServiceOf, SlugPath, json_body, json_response
from api.middleware.problems import Refused
from api.middleware.request_limits import charge
from api.routes.imports import REGISTERING
from api.schemas.openapi import OF_A_BODY, Routes
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import SecretRefused, read_key
from ledger.core.errors import MalformedInput, NotFound, Unauthorized, Unavailable
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import in_line
from ledger.interchange.imports.blinded import BATCH, Element, PseudonymAnswer, PseudonymKey, PseudonymRequest
from ledger.loggers import get_logger

MAX_BODY = 128 * 1024  # bytes
COST = 10  # elements that count as one request against the rate of an address
MAX_A_DAY = 100_000  # elements of an agency

logger = get_logger(__name__)
router = Routes(400, 401, 403, 404, 503, prefix="/api/v1", tags=["pseudonyms"])


class PublicKey(Struct, frozen=True):
    """The public key of the supervising agency that pseudonyms are verified with."""

    agency: str
    public_key: str


class BlindedPersons(Struct, frozen=True, forbid_unknown_fields=True):
    """Blinded elements of ristretto255, of at most 1,000 persons."""

    elements: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=BATCH)]


Asked = Annotated[BlindedPersons, json_body(BlindedPersons, limit=MAX_BODY)]


class DailyCount:
    """How many elements each agency has asked for today. A service that starts again counts from none."""

    def __init__(self) -> None:
        self._lock = Lock()  # requests are answered in several threads
        self._day = ""
        self._asked = Counter[str]()

    def add(self, agency: str, day: str, count: int) -> None:
        """Count elements of the agency on the UTC ``day``. Raises Refused (429), with nothing counted, if too many."""
        with self._lock:
            if day > self._day:
                self._day, self._asked = day, Counter()
            if self._asked[agency] + count > MAX_A_DAY:
                raise Refused(
                    429,
                    "expected at most {most:,} pseudonyms a day",
                    most=MAX_A_DAY,
                    code="too_many_requests",
                    retry_after=3600,
                )
            self._asked[agency] += count


_asked_today = DailyCount()


def key_in_line(service: ServiceOf, reading: Reads, agency_id: SlugPath) -> PseudonymKey:
    """Return the key of a supervising agency in line with the reader's.

    Raises Unauthorized, NotFound, or Unavailable if its file is not one that only the service can read, of 32 bytes.
    """
    reading.require_role(*REGISTERING)
    agencies = reading.authority.agencies
    if agency_id not in agencies or not in_line(agencies[agency_id], agencies[reading.agency]):
        raise Unauthorized(
            "{agency_id} is not in line with your agency", agency_id=agency_id, code="outside_jurisdiction"
        )
    path = DataDirectory(service.parts.settings.data_dir).pseudonym_key(agency_id)
    if not path.exists():
        raise NotFound("this service has no key of {agency_id}", agency_id=agency_id, field="agency_id")
    try:
        return PseudonymKey(read_key(path, field="agency_id"))
    except (SecretRefused, MalformedInput) as error:
        logger.exception("pseudonym_key_unusable", agency=agency_id)  # where it is concerns the operator alone
        raise Unavailable(
            "this service's key of {agency_id} cannot be used: its operator has to put it there anew",
            agency_id=agency_id,
            retry_after=3600,
        ) from error


KeyInLine = Annotated[PseudonymKey, Depends(key_in_line)]


@router.reads("/pseudonyms/{agency_id}", "Get the public key of a supervising agency's pseudonyms", PublicKey)
def pseudonym_public_key(key: KeyInLine, agency_id: SlugPath) -> Response:
    """Return the public key, for the agencies in line with the supervising one."""
    return json_response(PublicKey(agency_id, key.public))


@router.posts("/pseudonyms/{agency_id}", "Evaluate blinded persons", BlindedPersons, PseudonymAnswer, *OF_A_BODY)
def evaluate_pseudonyms(
    request: Request, key: KeyInLine, reading: Reads, agency_id: SlugPath, asked: Asked
) -> Response:
    """Return the evaluations of blinded persons under the supervising agency's key, with a proof (RFC 9497).

    Takes a role that may register data sets, of an agency in line with the supervising one. Persons count against the
    rate of the address and the day of the agency, and the number of them is recorded as a read.
    """
    count = len(asked.elements)
    charge(request.scope, count // COST)
    _asked_today.add(reading.agency, reading.reader.now[:10], count)
    reading.record(Message("{count} pseudonyms under the key of {agency}", count=count, agency=agency_id))
    return json_response(key.answer(PseudonymRequest(asked.elements)))
