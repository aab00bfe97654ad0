"""Search: cases by what is written on a paper, a seal or a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Following, Limit, Reads, Service, ServiceOf, json_response, position_after
from api.schemas.openapi import answers, page_of
from ledger.core.errors import RuleRefused
from ledger.store import search
from ledger.store.search import Hit, SearchPosition

SHORTEST, LONGEST = 3, 200  # characters
SEARCH_FOR = "search for "  # the access log has this before the text

router = APIRouter(prefix="/api/v1", tags=["cases"])
Asked = Annotated[str, Query(min_length=SHORTEST, max_length=LONGEST, description="the word, or its beginning")]


@router.get(
    "/search",
    summary="Find cases by what stands on a paper, a seal or a file",
    responses=answers(page_of("hits", Hit), 400, 401, 422, 503),
)
def find(service: ServiceOf, reading: Reads, q: Asked, limit: Limit = 100, after: Following = None) -> Response:
    """Find the cases that you may see by a word in full, or by its beginning.

    Searched are case numbers of any agency, numbers of papers, exhibits and seals, digests (with or without the
    algorithm), officers, pseudonyms of persons, and ids of cases, items, handovers and events. The search is recorded.
    """
    results = looked_up(service, reading, q, service.limit(limit), after)
    return json_response({"hits": results.hits} | ({"next": results.following} if results.following else {}))


class Results(Struct, frozen=True):
    """A page of hits. ``following`` is the cursor of the next one, None on the last."""

    hits: tuple[Hit, ...]
    following: str | None = None


def looked_up(service: Service, reading: Reading, text: str, limit: int, after: str | None) -> Results:
    """Return a page of hits and record the search. Raises RuleRefused for a text that is too short."""
    position = position_after(service, "hits", after)
    if len(search.folded(text)) < SHORTEST:
        raise RuleRefused(f"expected at least {SHORTEST} characters to search for", field="q")
    with service.parts.database.read() as connection:
        matches = search.search(connection, reading.reader, text, limit, _place_of(position))
    reading.record(f"{SEARCH_FOR}{text}", *dict.fromkeys(hit.case_id for hit in matches.hits))
    if matches.following is None:
        return Results(matches.hits)
    return Results(matches.hits, service.cursors.seal("hits", _text_of(matches.following)))


def _place_of(text: str | None) -> SearchPosition | None:
    return None if text is None else SearchPosition(*text.rsplit(",", 2))


def _text_of(last_place: SearchPosition) -> str:
    """Encode a place as text. A word may have commas, what follows it has none."""
    return f"{last_place.word},{last_place.kind},{last_place.case_id}"
