"""Search: cases by what stands on a paper, a seal or a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import Following, Limit, Reads, Service, ServiceOf, answer, place
from api.schemas.openapi import answers, page_of
from ledger.core.errors import RuleRefused
from ledger.store import search
from ledger.store.search import Hit, Place

SHORTEST, LONGEST = 3, 200  # characters
SEARCH_FOR = "search for "  # what the log of reads says before the text

router = APIRouter(prefix="/api/v1", tags=["cases"])
Asked = Annotated[str, Query(min_length=SHORTEST, max_length=LONGEST, description="the word, or its beginning")]


@router.get(
    "/search",
    summary="Find cases by what stands on a paper, a seal or a file",
    responses=answers(page_of("hits", Hit), 400, 401, 422, 503),
)
def find(service: ServiceOf, reading: Reads, q: Asked, limit: Limit = 100, after: Following = None) -> Response:
    """By any agency's case number, the number of a paper, exhibit or seal, a digest (with or without its algorithm), an
    officer, a person's pseudonym, and the ids of cases, items, handovers and events: in full, or by its beginning.

    Of the cases that you may see. What you searched for is recorded.
    """
    found = looked_up(service, reading, q, service.limit(limit), after)
    return answer({"hits": found.hits} | ({"next": found.following} if found.following else {}))


class Results(Struct, frozen=True):
    """A page of hits; ``following`` is the cursor of the next one, None on the last."""

    hits: tuple[Hit, ...]
    following: str | None = None


def looked_up(service: Service, reading: Reading, text: str, limit: int, after: str | None) -> Results:
    """A page of what is found, recorded as searched for. Raises RuleRefused for a text that is too short."""
    behind = place(service, "hits", after)
    if len(search.folded(text)) < SHORTEST:
        raise RuleRefused(f"expected at least {SHORTEST} characters to search for", field="q")
    with service.parts.database.read() as connection:
        found = search.search(connection, reading.reader, text, limit, _place_of(behind))
    reading.record(f"{SEARCH_FOR}{text}", *dict.fromkeys(hit.case_id for hit in found.hits))
    if found.following is None:
        return Results(found.hits)
    return Results(found.hits, service.cursors.seal("hits", _text_of(found.following)))


def _place_of(text: str | None) -> Place | None:
    return None if text is None else Place(*text.rsplit(",", 2))


def _text_of(place: Place) -> str:
    """A word may have commas, what follows it has none."""
    return f"{place.word},{place.kind},{place.case_id}"
