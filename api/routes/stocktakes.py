"""Stocktakes of an agency's places of storage: opened, scanned, compared, and made into events to be signed."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from api.auth.reading import Reading
from api.dependencies import PageOf, Reads, ScanNumberPath, ServiceOf, SlugPath, json_body, json_response, shown_pdf
from api.routes.proofs import PDF, Language
from api.schemas.openapi import OF_A_BODY, Paged, Routes, answers
from api.services import documents
from api.services import stocktakes as counting
from api.services.drafts import require_role
from api.services.stocktakes import (
    ClosingRequest,
    DescribedItem,
    NamedDiscrepancy,
    ScanAnswers,
    ScannedCode,
    ScanTakenBack,
    StocktakeRequest,
    StocktakeView,
)
from ledger.core.encoding.instants import instant_text
from ledger.core.events import NAME_OF, Stream
from ledger.core.events.stocktake import StocktakeRecorded
from ledger.core.messages import Message
from ledger.store import stocktakes
from ledger.store.stocktakes import RecordedStocktake

MAX_BODY = 256 * 1024  # bytes


def counting_officer(reading: Reads) -> Reading:
    """Return the reader, whose role may record stocktakes. Raises Unauthorized."""
    require_role(reading, StocktakeRecorded)
    return reading


router = Routes(*(400, 401, 403, 503), prefix="/api/v1/stocktakes", tags=["stocktakes"], asks_first=counting_officer)


class StocktakeOpened(Struct, frozen=True):
    """A stocktake that is open."""

    stocktake_id: str
    storage_location: str
    number: str | None
    officer: str
    started_at: str


class ScansRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Codes in the order in which they were scanned."""

    scans: Annotated[tuple[ScannedCode, ...], Meta(min_length=1, max_length=counting.MOST_AT_ONCE)]


class ActToSign(Struct, frozen=True):
    """An event to be signed; ``sequence`` and ``previous`` are its place, null where it follows one before it here."""

    event_type: str
    stream: Stream
    sequence: int
    previous: str | None
    body: dict[str, Any]


class StocktakeActs(Struct, frozen=True):
    """The events that record a stocktake, to be signed and submitted together, all or none."""

    acts: tuple[ActToSign, ...]


class StocktakeAbandoned(Struct, frozen=True):
    """The stocktake that was abandoned."""

    stocktake_id: str


class StocktakeRead(Struct, frozen=True):
    """A stocktake as it was recorded; ``stocktake`` is what was signed.

    ``nonexistent`` are the discrepancies that it names and that your agency did not raise in their cases,
    ``descriptions`` what the things that it names are called now.
    """

    event_id: str
    ended_at: str
    stocktake: StocktakeRecorded
    nonexistent: tuple[NamedDiscrepancy, ...]
    descriptions: tuple[DescribedItem, ...]


OpeningBody = Annotated[StocktakeRequest, json_body(StocktakeRequest, limit=MAX_BODY)]
ScansBody = Annotated[ScansRequest, json_body(ScansRequest, limit=MAX_BODY)]
ClosingBody = Annotated[ClosingRequest, json_body(ClosingRequest, limit=MAX_BODY)]


@router.reads("", "List your agency's open stocktakes", Paged("stocktakes", StocktakeOpened))
def list_open(service: ServiceOf, reading: Reads) -> Response:
    """List the stocktakes of your agency that are not recorded yet, the newest first."""
    with service.parts.database.read() as connection:
        rows = stocktakes.open_of(connection, reading.agency)
    reading.record(Message("list of stocktakes"))
    return json_response({"stocktakes": [_opened(row) for row in rows]})


@router.reads("/recorded", "List your agency's recorded stocktakes", Paged("stocktakes", RecordedStocktake))
def list_recorded(service: ServiceOf, reading: Reads, page: PageOf) -> Response:
    """List the stocktakes that your agency recorded, the newest first, with the number of lines of each kind."""
    window = page.window("stocktakes")
    with service.parts.database.read() as connection:
        rows = stocktakes.recorded_of(connection, reading.agency, window)
    reading.record(Message("list of stocktakes"))
    return page.response("stocktakes", rows, lambda row: row.updated_index)


@router.posts("", "Open a stocktake", StocktakeRequest, StocktakeOpened, 409, *OF_A_BODY, status=201)
def open_stocktake(service: ServiceOf, reading: Reads, asked: OpeningBody) -> Response:
    """Open a stocktake of a room, or of a shelf of it: of everything whose place of storage begins so.

    It stays on the service until it is recorded or abandoned, at most 90 days. Officers of your agency may scan
    together.
    """
    opened = counting.open_stocktake(service, reading, asked)
    return json_response(_opened(opened), 201)


@router.reads("/{stocktake_id}", "Show an open stocktake", StocktakeView, 404, 409)
def show(service: ServiceOf, reading: Reads, stocktake_id: SlugPath) -> Response:
    """Return what the record says lies there, and how the count compares with it by now."""
    return json_response(counting.view_of(service, reading, stocktake_id))


@router.reads("/{stocktake_id}/recorded", "Show a recorded stocktake", StocktakeRead, 404)
def show_recorded(service: ServiceOf, reading: Reads, stocktake_id: SlugPath) -> Response:
    """Return a stocktake as your agency recorded it."""
    row, body = counting.recorded_body(service, reading, stocktake_id)
    nonexistent = counting.nonexistent(service, reading, body)
    descriptions = counting.descriptions(service, reading, body)
    return json_response(StocktakeRead(row.event_id, row.ended_at, body, nonexistent, descriptions))


@router.files("/{stocktake_id}/paper", "Print a recorded stocktake", PDF)
def paper(service: ServiceOf, reading: Reads, stocktake_id: SlugPath, language: Language) -> Response:
    """Return the report of a stocktake that your agency recorded: what was counted, by whom, and what differs.

    Descriptions and case numbers are as the record has them now; everything else is as it was signed.
    """
    pdf = documents.printed_stocktake(service, reading, stocktake_id, language)
    return shown_pdf(pdf, stocktake_id)


@router.posts("/{stocktake_id}/scans", "Scan codes", ScansRequest, ScanAnswers, 404, 409, *OF_A_BODY)
def scan(service: ServiceOf, reading: Reads, stocktake_id: SlugPath, asked: ScansBody) -> Response:
    """Keep codes that were scanned or typed, and tell at once what each comes to.

    A code is an item's id as on its label, `case/item`, or the number of its seal. `present`: it lies here by the
    record; `elsewhere`: the record has it in another place, or as checked out; `surplus`: it is none of what your
    agency holds; `unknown`: no case of your agency has it; `again`: it was scanned before;
    `ambiguous`: several things have it, of which none is nearer: nothing is kept, scan `case/item`. `counts` is of all
    scans so far, as they were told; what is missing, the stocktake itself shows.
    """
    return json_response(counting.add_scans(service, reading, stocktake_id, asked.scans))


@router.delete(
    "/{stocktake_id}/scans/{number}",
    summary="Take a scan back",
    responses=answers(ScanTakenBack, 400, 401, 403, 404, 409, 503),
)
def take_back(service: ServiceOf, reading: Reads, stocktake_id: SlugPath, number: ScanNumberPath) -> Response:
    """Take a wrong scan back while the stocktake is open.

    It counts no more, and stays in the list with the officer who took it back. Where the same thing was scanned again,
    that scan counts in its place.
    """
    return json_response(counting.take_back(service, reading, stocktake_id, number))


@router.posts(
    "/{stocktake_id}/acts",
    "Draft the events that record a stocktake",
    ClosingRequest,
    StocktakeActs,
    404,
    409,
    *OF_A_BODY,
)
def closing(service: ServiceOf, reading: Reads, stocktake_id: SlugPath, asked: ClosingBody) -> Response:
    """Return the events that record the stocktake against the record as it is by now; nothing is recorded yet.

    What came in by the record since the count began, and was not scanned, is missing only if you name it in `missing`.
    Each difference is a `discrepancy.raised` in the case of its item; the last event is
    `stocktake.recorded` in your agency's stream. Sign them and submit all or none
    (`/api/v1/events/batch?all_or_none=true`).
    """
    acts, _ = counting.closing_acts(service, reading, stocktake_id, asked)
    to_sign = tuple(
        ActToSign(
            NAME_OF[type(act.body)], act.place.stream, act.place.sequence, act.place.head, msgspec.to_builtins(act.body)
        )
        for act in acts
    )
    return json_response(StocktakeActs(to_sign))


@router.delete(
    "/{stocktake_id}",
    summary="Abandon an open stocktake",
    responses=answers(StocktakeAbandoned, 400, 401, 403, 404, 409, 503),
)
def abandon(service: ServiceOf, reading: Reads, stocktake_id: SlugPath) -> Response:
    """Forget an open stocktake with its scans. Nothing of it was recorded."""
    counting.abandon(service, reading, stocktake_id)
    return json_response(StocktakeAbandoned(stocktake_id))


def _opened(row: stocktakes.OpenStocktake) -> StocktakeOpened:
    return StocktakeOpened(row.stocktake_id, row.storage_location, row.number, row.officer, instant_text(row.opened_at))
