"""Search: cases by what stands on a paper, a seal or a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import Limit, Reads, ServiceOf, answer
from api.openapi import answers, page_of
from api.reading import Reading
from ledger.core.errors import MalformedInput
from ledger.store import search
from ledger.store.database import Database
from ledger.store.search import Found, Hit, Place

SHORTEST, LONGEST = 3, 200  # characters
SEARCH_FOR = "search for "  # what the log of reads says before the text
_PLACE = r"^[^\n]{0,200},[a-z_]{0,16},[a-z0-9-]{0,64}$"

router = APIRouter(prefix="/api/v1", tags=["cases"])
Asked = Annotated[str, Query(min_length=SHORTEST, max_length=LONGEST, description="the word, or its beginning")]
PlaceText = Annotated[str | None, Query(pattern=_PLACE, description="`next` of the page before")]


@router.get(
    "/search",
    summary="Find cases by what stands on a paper, a seal or a file",
    responses=answers(page_of("hits", Hit), 400, 401, 503),
)
def find(service: ServiceOf, reading: Reads, q: Asked, limit: Limit = 100, after: PlaceText = None) -> Response:
    """By any agency's case number, the number of a paper, exhibit or seal, a digest (with or without its algorithm), an
    officer, a person's pseudonym, and the ids of cases, items, handovers and events: in full, or by its beginning.

    Of the cases that you may see. What you searched for is recorded. A page may have fewer hits than asked for, or
    none, and still say `next`: go on until it does not.
    """
    found = looked_up(service.parts.database, reading, q, service.limit(limit), after)
    return answer({"hits": found.hits} | ({"next": text_of(found.following)} if found.following else {}))


def looked_up(database: Database, reading: Reading, text: str, limit: int, after: str | None) -> Found:
    """A page of what is found, recorded as searched for. Raises MalformedInput for a text that is too short."""
    if len(search.folded(text)) < SHORTEST:
        raise MalformedInput(f"expected at least {SHORTEST} characters to search for", field="q")
    with database.read() as connection:
        found = search.search(connection, reading.reader, text, limit, place_of(after))
    reading.record(f"{SEARCH_FOR}{text}", *dict.fromkeys(hit.case_id for hit in found.hits))
    return found


def place_of(text: str | None) -> Place | None:
    """What ``text_of`` wrote."""
    return None if text is None else Place(*text.rsplit(",", 2))


def text_of(place: Place) -> str:
    """As an answer says it; a word may have commas, what follows it has none."""
    return f"{place.word},{place.kind},{place.case_id}"
