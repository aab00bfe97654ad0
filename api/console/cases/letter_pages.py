"""Letters between agencies: the list of them, and the page of one with the forms for its receipt and its answer.

An agency sees the letters to it and by it whether or not it sees their cases; of a case that it does not see, the pages
show nothing else.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.shared.formats import minute
from api.console.shared.rendering import narrator_of
from api.dependencies import Following, SlugPath, download
from api.schemas.answers import LetterLine
from api.services.case_reading import known_persons, read_letter
from api.services.documents import bundle_of_event
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import decode_event, decode_section
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import label_first_by
from ledger.store import cases
from ledger.store.cases import Page
from ledger.store.search import LONGEST
from ledger.timeline.event_fields import event_fields

ROWS = 50  # of the list on one page
SCOPE = "letters"

router = page_router()
BoxQuery = Annotated[Literal["inbox", "outbox"], Query()]
NumberQuery = Annotated[str, Query(max_length=LONGEST)]


def waiting_letters(visit: Visit, limit: int) -> list[LetterLine]:
    """Return the first letters to the agency that wait for its receipt or answer, and record the read."""
    with visit.service.parts.database.read() as connection:
        rows = cases.list_letters(connection, visit.reading.agency, Page(limit), box="inbox", waiting=True)
    lines = [convert(row, LetterLine) for row in rows]
    if lines:
        visit.reading.record(Message("list of letters"), *dict.fromkeys(line.case_id for line in lines))
    return lines


@router.get("/letters")
def list_letters(
    visit: VisitOf, box: BoxQuery = "inbox", number: NumberQuery = "", after: Following = None
) -> Response:
    """Show the letters to the agency, or those by it, the latest change last; all, or those of a number."""
    number = number.strip()
    window = Page(ROWS, visit.service.cursors.position(SCOPE, after))
    with visit.service.parts.database.read() as connection:
        rows = cases.list_letters(connection, visit.reading.agency, window, box=box, number=number)
    lines = [convert(row, LetterLine) for row in rows]
    visit.reading.record(Message("list of letters"), *dict.fromkeys(line.case_id for line in lines))
    following = visit.service.cursors.following(SCOPE, lines, ROWS, attrgetter("updated_index"))
    return visit.page("cases/letters.html", lines=lines, box=box, number=number, following=following)


@router.get("/cases/{case_id}/letters/{letter_id}")
def letter_page(visit: VisitOf, case_id: SlugPath, letter_id: SlugPath, event: RecordedQuery = ()) -> Response:
    """Show what the letter says, its receipt, and the forms for what the reader's agency may still sign of it."""
    with visit.service.parts.database.read() as connection:
        letter, procedure, view = read_letter(connection, visit.service, visit.reading, case_id, letter_id)
        sight = cases.sight(connection, case_id, visit.reading.reader)
        persons = {} if sight is None else known_persons(connection, visit.reading, case_id)
    state = None if sight is None else visit.service.parts.validator.states.of_listed_case(case_id)
    visit.reading.record(Message("letter {letter_id}", letter_id=letter_id), case_id)
    book = visit.service.parts.validator.procedures().current[procedure]
    label_first_by(book)
    sent = decode_event(bytes(view.envelope), bytes(view.payload))
    stored = view.sections or {}
    sections = {label: decode_section(bytes(raw), label) for label, raw in stored.items() if raw is not None}
    signs, own = visit.reading.session.has_role(*HANDLING), visit.reading.agency
    words = narrator_of(visit.service, visit.labels, persons).words(sent, state)
    return visit.page(
        "cases/letter.html",
        case_id=case_id,
        letter=letter,
        sight=sight,
        particulars=event_fields(sent, sections, words, visit.labels),
        hidden=[words.section(sent.event_id, label) for label in sorted(sent.confidential.keys() - stored.keys())],
        erased=[words.section(sent.event_id, label) for label, raw in stored.items() if raw is None],
        is_mine_to_receive=signs and letter.received_at is None and own in letter.agencies,
        is_mine_to_answer=signs and letter.to_agency == own and letter.from_agency is not None,
        kinds=tuple(book.letters),
        answering_kind=answering_kind(book, letter.kind),
        services=tuple(book.services),
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        recorded_events=recorded(visit, event),
    )


def answering_kind(book: Rulebook, kind: str) -> str | None:
    """Return the kind of letter that stops a clock which a letter of this ``kind`` starts, if there is but one."""
    stops = {stop for row in book.started_by.get(f"letter_received.{kind}", ()) for stop in row.stops}
    answers = [word for word in book.letters if f"letter_sent.{word}" in stops]
    return answers[0] if len(answers) == 1 else None


@router.get("/cases/{case_id}/letters/{letter_id}/bundle")
def letter_bundle(visit: VisitOf, case_id: SlugPath, letter_id: SlugPath) -> Response:
    """Return the proof bundle of the event that recorded the letter, for download."""
    with visit.service.parts.database.read() as connection:
        letter, _, _ = read_letter(connection, visit.service, visit.reading, case_id, letter_id)
    bundle = bundle_of_event(visit.service, visit.reading, letter.event_id)
    return download(bundle, f"{letter_id}.bundle.json")
