"""Cases with their items and handovers: lists, the search by what stands on a paper, and files for other programs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request
from starlette.responses import Response

from api.dependencies import (
    LabelsOf,
    PageOf,
    Reads,
    ServiceOf,
    SlugPath,
    SlugQuery,
    WordQuery,
    download,
    json_response,
    page_response,
    require_agencies,
    require_stage,
)
from api.schemas import answers as views
from api.schemas.openapi import Paged, Routes, problems
from api.services.case_reading import read_letter, require_handover, search_cases, timeline_builder
from ledger.core.custody.state import HandoverStatus
from ledger.core.encoding.decoding import convert
from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.interchange.exports import ocel
from ledger.interchange.exports.case_uco import case_uco
from ledger.interchange.exports.timeline_files import timeline_csv, timeline_json
from ledger.store import cases, log
from ledger.store.search import LONGEST, SHORTEST, Hit
from ledger.timeline.sentences import names_by_id

router = Routes(400, 401, 503, prefix="/api/v1")


@router.reads("/cases", "List the cases", Paged("cases", views.CaseLine), 404, tags=["cases"])
def list_cases(
    *, service: ServiceOf, reading: Reads, page: PageOf, stage: WordQuery = None, responsible: SlugQuery = None
) -> Response:
    """List the cases that you may see, in the order of their ids."""
    require_stage(service, stage)
    require_agencies(reading, responsible=responsible)
    window = page.window("cases")
    with service.parts.database.read() as connection:
        rows = cases.list_cases(connection, reading.reader, window, stage=stage, responsible=responsible)
    lines = [convert(row, views.CaseLine) for row in rows]
    reading.record(Message("list of cases"), *(line.case_id for line in lines))
    return page.response("cases", lines, lambda line: line.case_id)


@router.reads("/cases/{case_id}", "Show a case", views.CaseView, 404, tags=["cases"])
def show_case(service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Return the case in its present state: stage, items, pseudonymous persons, measures, handovers, discrepancies."""
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        row = cases.case(connection, case_id)
        splits = cases.open_splits(connection, [case_id])
    states = service.parts.validator.states
    view = views.case_view(row, states.shown(states.of_listed_case(case_id)), sight, splits)
    reading.record(Message("case"), case_id)
    return json_response(view)


@router.reads(
    "/cases/{case_id}/head", "Say what the next event of a case stands on", views.HeadView, 404, tags=["cases"]
)
def head(service: ServiceOf, reading: Reads, case_id: SlugPath) -> Response:
    """Return the sequence number and the `previous` of the case's next event.

    An agency to which a letter of the case goes gets it as well, to sign the receipt and the answer.
    """
    with service.parts.database.read() as connection:
        reading.require_letter(connection, case_id)
        last = log.head(connection, "case", case_id)
        assert last is not None, "there is such a case"
    reading.record(Message("head of the case"), case_id)
    return json_response(views.HeadView(case_id, last.sequence + 1, last.head))


@router.reads("/items", "List the items", Paged("items", views.ItemLine), 404, tags=["items"])
def list_items(
    *, service: ServiceOf, reading: Reads, page: PageOf, case_id: SlugQuery = None, holder: SlugQuery = None
) -> Response:
    """List the items of the cases that you may see, in the order of their ids."""
    require_agencies(reading, holder=holder)
    window = page.window("items")
    with service.parts.database.read() as connection:
        if case_id is not None:
            reading.require_case(connection, case_id)
        rows = cases.list_items(connection, reading.reader, window, case_id=case_id, holder=holder)
    lines = [views.item_line(row) for row in rows]
    reading.record(Message("list of items"), *dict.fromkeys(line.case_id for line in lines))
    return page.response("items", lines, lambda line: cases.place_of_item(line.item_id, line.case_id))


@router.reads("/items/{item_id}", "Show an item", views.ItemView, 404, tags=["items"])
def show_item(service: ServiceOf, reading: Reads, item_id: SlugPath) -> Response:
    """Return the item in its present state."""
    unseen = NotFound("no item {item_id} that you may see", item_id=item_id, field="item_id")
    with service.parts.database.read() as connection:
        case_id = cases.case_of_item(connection, item_id, reading.reader)
        if case_id is None:
            raise unseen
    item = service.parts.validator.states.of_listed_case(case_id).items.get(item_id)
    if item is None:
        raise unseen
    reading.record(Message("item {item_id}", item_id=item_id), case_id)
    return json_response(views.item_view(case_id, item))


@router.reads("/handovers", "List your agency's handovers", Paged("handovers", views.HandoverLine), tags=["handovers"])
def list_handovers(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    box: Literal["inbox", "outbox", "all"] = "all",
    status: HandoverStatus | None = None,
) -> Response:
    """List what is offered to you (inbox) or by you (outbox), the latest change last."""
    window = page.window("handovers")
    with service.parts.database.read() as connection:
        rows = cases.list_handovers(connection, reading.agency, window, box=box, status=status)
    lines = [convert(row, views.HandoverLine) for row in rows]
    reading.record(Message("list of handovers"), *dict.fromkeys(line.case_id for line in lines))
    return page.response("handovers", lines, lambda line: line.updated_index)


@router.reads(
    "/cases/{case_id}/handovers/{handover_id}", "Show a handover", views.HandoverView, 404, tags=["handovers"]
)
def show_handover(service: ServiceOf, reading: Reads, case_id: SlugPath, handover_id: SlugPath) -> Response:
    """Return the handover in its present state.

    What was offered to you remains visible after you have refused it and after it has expired.
    """
    with service.parts.database.read() as connection:
        handover = require_handover(connection, service, reading, case_id, handover_id)
    reading.record(Message("handover {handover_id}", handover_id=handover_id), case_id)
    return json_response(views.handover_view(case_id, handover))


Numbered = Annotated[
    str | None, Query(min_length=1, max_length=LONGEST, description="a part of its number, as on the paper")
]
Waiting = Annotated[bool, Query(description="only those that wait for a receipt, or for the answer they ask for")]


@router.reads("/letters", "List your agency's letters", Paged("letters", views.LetterLine), tags=["letters"])
def list_letters(
    *,
    service: ServiceOf,
    reading: Reads,
    page: PageOf,
    box: Literal["inbox", "outbox", "all"] = "all",
    waiting: Waiting = False,
    number: Numbered = None,
) -> Response:
    """List the letters to you (inbox) or by you (outbox), also of cases that you do not see, the latest change last."""
    window = page.window("letters")
    with service.parts.database.read() as connection:
        rows = cases.list_letters(connection, reading.agency, window, box=box, waiting=waiting, number=number)
    lines = [convert(row, views.LetterLine) for row in rows]
    reading.record(Message("list of letters"), *dict.fromkeys(line.case_id for line in lines))
    return page.response("letters", lines, lambda line: line.updated_index)


@router.reads("/cases/{case_id}/letters/{letter_id}", "Show a letter", views.LetterView, 404, tags=["letters"])
def show_letter(service: ServiceOf, reading: Reads, case_id: SlugPath, letter_id: SlugPath) -> Response:
    """Return the letter in its present state, with the event that recorded it.

    Its sender and its addressee see it, and what is confidential in it, whether or not they see the case.
    """
    with service.parts.database.read() as connection:
        letter, procedure, view = read_letter(connection, service, reading, case_id, letter_id)
    reading.record(Message("letter {letter_id}", letter_id=letter_id), case_id)
    return json_response(views.letter_view(case_id, letter, procedure=procedure, event=view))


Asked = Annotated[
    str,
    Query(
        min_length=SHORTEST,
        max_length=LONGEST,
        description="the text, or a part of it: three characters at least, or two Chinese ones",
    ),
]


@router.reads(
    "/search", "Find cases by what stands on a paper, a seal or a file", Paged("hits", Hit), 422, tags=["cases"]
)
def find(request: Request, service: ServiceOf, reading: Reads, page: PageOf, q: Asked) -> Response:
    """Find the cases that you may see by a text on a paper, a seal or an item.

    Any part is enough of case numbers of any agency, matters, numbers of papers, exhibits, seals and accounts,
    descriptions of items, and names of persons whose sections you may read; the beginning of digests (with or without
    the algorithm), officers and pseudonyms of persons, and of ids of handovers; ids of cases, items and events in full.
    Width, case, brackets and white space do not count. The search is recorded, and counts as a
    hundred requests of the address. Where very much is called like that, a page may have fewer hits than its `limit`,
    or none, and a `next`: the search goes on from there, and a longer text is found at once.
    """
    results = search_cases(request.scope, service, reading, q, limit=page.limit, after=page.after)
    return page_response("hits", results.hits, results.following)


Format = Annotated[Literal["csv", "json", "ocel", "case-uco"], Query(alias="format", description="of the file")]
Bom = Annotated[bool, Query(description="begin a CSV file with a byte order mark, for Excel")]


# The media type of each format, and the suffix of its file's name.
_FORMATS = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "json": ("application/json", "json"),
    "ocel": ("application/json", "ocel.json"),
    "case-uco": ("application/ld+json", "case.jsonld"),
}
_FILES: dict[str, dict[str, str]] = {media_type.partition(";")[0]: {} for media_type, _ in _FORMATS.values()}


@router.get(
    "/cases/{case_id}/export",
    tags=["cases"],
    summary="Give a case as a file for other programs",
    responses={200: {"description": "The file", "content": _FILES}, **problems(400, 401, 404, 503)},
)
def export_case(
    *, service: ServiceOf, reading: Reads, labels: LabelsOf, case_id: SlugPath, file_format: Format, bom: Bom = False
) -> Response:
    """Return the case's timeline as CSV or JSON, an OCEL 2.0 event log, or a CASE/UCO graph.

    Confidential sections are in none of them. The export is recorded as a read.
    """
    media_type, suffix = _FORMATS[file_format]
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    with service.parts.workers.turn(reading.agency):  # of many events this takes seconds
        with service.parts.database.read() as connection:
            timeline = timeline_builder(service, reading, labels).case(connection, case_id)
        match file_format:
            case "csv":
                content = timeline_csv(timeline, labels, bom=bom)
            case "json":
                content = timeline_json(timeline)
            case "ocel":
                content = ocel.encode(ocel.ocel([timeline]))
            case "case-uco":
                content = case_uco(timeline, names_by_id(reading.authority.names, labels))
    reading.record(Message("export of the case as {file_format}", file_format=file_format), case_id)
    return download(content, f"{case_id}.{suffix}", media_type)
