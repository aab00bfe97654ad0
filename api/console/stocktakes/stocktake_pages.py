"""Pages of stocktakes: a room is opened, its codes are scanned, and each scan is answered at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from msgspec import ValidationError
from starlette.responses import RedirectResponse, Response

from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.drafting import drafted, stated
from api.console.shared.forms import FormOf
from api.console.shared.rendering import PATH, narrator_of
from api.dependencies import Following, ScanNumberPath, SlugPath, shown_pdf
from api.services import documents
from api.services import stocktakes as counting
from api.services.drafts import require_role
from api.services.stocktakes import ClosingRequest, ScannedCode
from ledger.core.encoding.canonical import refusal_of
from ledger.core.encoding.decoding import convert
from ledger.core.events.stocktake import StocktakeRecorded
from ledger.core.messages import Message
from ledger.interchange.papers.paper_text import language_for
from ledger.store import cases, stocktakes
from ledger.store.cases import Page

T = TypeVar("T")

ROWS: Final = 50  # of recorded stocktakes on one page
SHOWN: Final = 50  # lines of each list beside the scanner; the whole lists are on a page of their own


def counting_officer(visit: VisitOf) -> None:
    """Let a reader pass whose role may record stocktakes. Raises Unauthorized."""
    require_role(visit.reading, StocktakeRecorded)


router = page_router(counting_officer)


@router.get("/stocktakes")
def show_stocktakes(visit: VisitOf, after: Following = None) -> Response:
    """Show the stocktakes that are open, the form that opens one, and those that were recorded."""
    window = Page(ROWS, visit.service.cursors.position("stocktakes", after))
    with visit.service.parts.database.read() as connection:
        opened = stocktakes.open_of(connection, visit.reading.agency)
        recorded = stocktakes.recorded_of(connection, visit.reading.agency, window)
    visit.reading.record(Message("list of stocktakes"))
    following = visit.service.cursors.following("stocktakes", recorded, ROWS, attrgetter("updated_index"))
    return visit.page("stocktakes/stocktakes.html", opened=opened, recorded=recorded, following=following)


@router.post("/stocktakes")
def open_stocktake(visit: VisitOf, form: FormOf) -> Response:
    """Open a stocktake of the place that the form names, and go to its page."""
    asked = _stated(form.fields("storage_location", "number"), counting.StocktakeRequest)
    opened = counting.open_stocktake(visit.service, visit.reading, asked)
    return RedirectResponse(f"{PATH}/stocktakes/{opened.stocktake_id}", 303)


@router.get("/stocktakes/{stocktake_id}")
def show_stocktake(visit: VisitOf, stocktake_id: SlugPath, whole: bool = False) -> Response:
    """Show the count as it stands with the field for a scanner; once it is recorded, what was recorded."""
    with visit.service.parts.database.read() as connection:
        is_open = stocktakes.find_open(connection, visit.reading.agency, stocktake_id) is not None
    if not is_open:
        row, body = counting.recorded_body(visit.service, visit.reading, stocktake_id)
        names = _names(visit, [case_id for case_id, _ in counting.lines_of(body)])
        words = narrator_of(visit.service, visit.labels).words_of("", None)
        nonexistent = counting.nonexistent(visit.service, visit.reading, body)
        lacking = {(each.case_id, each.discrepancy_id) for each in nonexistent}
        values = {"row": row, "stocktake": body, "names": names, "words": words, "nonexistent": lacking}
        return visit.page("stocktakes/recorded.html", **values)
    return visit.page("stocktakes/stocktake.html", **_shown(visit, stocktake_id, limit=None if whole else SHOWN))


@router.get("/stocktakes/{stocktake_id}/paper")
def paper(visit: VisitOf, stocktake_id: SlugPath) -> Response:
    """Return the report of a recorded stocktake as a PDF in the reader's language."""
    language = language_for(visit.labels.language)
    return shown_pdf(documents.printed_stocktake(visit.service, visit.reading, stocktake_id, language), stocktake_id)


@router.post("/stocktakes/{stocktake_id}/scans")
def scan(visit: VisitOf, form: FormOf, stocktake_id: SlugPath) -> Response:
    """Keep one scan; return a part of the page: what it came to, and how many count."""
    code = _stated(form.fields("code", "seal_number"), ScannedCode)
    scans = counting.add_scans(visit.service, visit.reading, stocktake_id, [code])
    (answer,) = scans.scans
    items = [item for item in (answer.item, *answer.among) if item]
    return visit.page(
        "stocktakes/count.html",
        answer=answer,
        counts=scans.counts,
        stocktake_id=stocktake_id,
        names=_names(visit, [item.case_id for item in items]),
        words=narrator_of(visit.service, visit.labels).words_of("", None),
    )


@router.post("/stocktakes/{stocktake_id}/scans/{number}/take-back")
def take_back(visit: VisitOf, stocktake_id: SlugPath, number: ScanNumberPath) -> Response:
    """Take a scan back, and show the count again."""
    counting.take_back(visit.service, visit.reading, stocktake_id, number)
    return RedirectResponse(f"{PATH}/stocktakes/{stocktake_id}", 303)


@router.post("/stocktakes/{stocktake_id}/drafts")
def make_drafts(visit: VisitOf, form: FormOf, stocktake_id: SlugPath) -> Response:
    """Return a part of the page: the drafts of the discrepancies and of the stocktake, to be signed together."""
    counters = tuple((form.get("counters") or "").replace(",", " ").split())
    missing = [text.rpartition("/") for text in form.all("missing")]
    lines = [{"case_id": case_id, "item_id": item_id} for case_id, _, item_id in missing]
    asked = _stated({"counters": counters, "missing": lines, **form.fields("remark")}, ClosingRequest)
    acts, _ = counting.closing_acts(visit.service, visit.reading, stocktake_id, asked)
    foreseen = counting.drafts_of(visit.service, visit.reading, visit.labels, acts, stated(form))
    following = f"/stocktakes/{stocktake_id}"
    drafts = [drafted(visit, form, each, following=following) for each in foreseen]
    return visit.page("shared/draft.html", drafts=drafts)


@router.post("/stocktakes/{stocktake_id}/abandon")
def abandon(visit: VisitOf, stocktake_id: SlugPath) -> Response:
    """Forget an open stocktake, and go to the list."""
    counting.abandon(visit.service, visit.reading, stocktake_id)
    return RedirectResponse(f"{PATH}/stocktakes", 303)


def _shown(visit: Visit, stocktake_id: str, *, limit: int | None) -> dict[str, Any]:
    """Return what the page of an open stocktake shows."""
    view = counting.view_of(visit.service, visit.reading, stocktake_id)
    missing = [each for each in view.comparison.differing if each.differences[0].kind == "missing"]
    differing = [each for each in view.comparison.differing if each.differences[0].kind != "missing"]
    items = [*view.expected, *view.comparison.present, *(each.item for each in differing)]
    items += [each.item for each in view.comparison.changed_since]
    return {
        "view": view,
        "stocktake_id": stocktake_id,
        "counts": view.counts,
        "answer": None,
        "missing": missing,
        "differing": differing,
        "limit": limit,
        "names": _names(visit, [item.case_id for item in items]),
        "words": narrator_of(visit.service, visit.labels).words_of("", None),
    }


def _names(visit: Visit, case_ids: Sequence[str]) -> dict[str, str]:
    """Return the numbers of cases by their ids."""
    with visit.service.parts.database.read() as connection:
        return cases.numbers_of(connection, set(case_ids), visit.reading.reader)


def _stated(fields: Mapping[str, Any], kind: type[T]) -> T:
    """Return what a form states. Raises MalformedInput with the field."""
    try:
        return convert(fields, kind)
    except ValidationError as error:
        raise refusal_of(str(error), fields, kind, "") from error
