"""Lists as XLSX: each list of the console as a file, by the rules and filters of its page.

A file has the rows that the pages of the list would have, one after the other, and reading it is recorded like them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from fastapi import Depends
from starlette.responses import Response

from api.console.cases.case_lists import READ_AS, ROWS, Asked, CaseFilters, listed_cases
from api.console.cases.case_pages import read_case, with_split_off
from api.console.cases.letter_pages import BoxQuery, NumberQuery
from api.console.registry.registry_pages import agency_lines
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf, page_router, refusing_unsigned
from api.console.supervision.lead_pages import Filters
from api.dependencies import SlugPath, download
from api.middleware.request_limits import charge
from api.schemas.answers import CaseLine, HandoverLine, LetterLine
from api.services.case_reading import ACCESS_LOG_ROLES, search_cases, visible_reads
from api.services.supervision_views import lead_line
from api.texts import Texts, later
from ledger.core.custody import CaseState
from ledger.core.encoding.decoding import convert
from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.interchange.exports.workbook import MEDIA_TYPE, Cell, workbook
from ledger.store import audit as audits
from ledger.store import cases, clocks, supervision
from ledger.store.cases import Page
from ledger.store.clock_lines import ClockLine
from ledger.store.clocks import Box, DeadlineFilter
from ledger.store.supervision import LeadFilter
from ledger.workers.sandbox import Files

MOST_BYTES = 256 * 1024 * 1024  # of its one sheet before it is packed: 26 KB for each row
MOST_ROWS = 10_000  # of a file: what a worker writes in two seconds
OF_SEARCH = 200  # hits: more of them say that more should be typed
Row = Sequence[Cell]
Part = Literal["items", "persons", "handovers", "deadlines"]

router = page_router(refusing_unsigned)


def list_file(
    visit: Visit,
    name: str,
    title: str,
    columns: str,
    rows: Iterable[Row],
    *,
    read_as: Message | None = None,
    case_ids: Iterable[str | None] = (),
    has_more: bool = False,
) -> Response:
    """Return the file of a list for download, which says so if the list ``has_more`` than its rows.

    ``title``, and ``columns``, the names of its columns with a | between them, are texts to be translated. The file
    counts as the requests of the pages that it stands for. It is recorded ``read_as``, for each of the cases, unless
    what it is made of was recorded already. Raises Refused (429), and Unavailable if the read cannot be recorded.
    """
    texts = Texts(visit.labels.language)
    written = list(rows)
    charge(visit.request.scope, len(written) // ROWS)
    if read_as is not None:
        visit.reading.record(read_as, *dict.fromkeys(filter(None, case_ids)))
    if has_more or len(written) > MOST_ROWS:
        written[MOST_ROWS:] = [(texts("There are more rows than a file has. Filter the list."),)]
    headings = texts(columns).split(" | ")
    workers, agency = visit.service.parts.workers, visit.reading.agency
    with TemporaryDirectory(prefix="tallystick-list-") as folder:  # openpyxl writes sheets there before it packs them
        files = Files(folder=folder, most=MOST_BYTES)
        content = workers.run(workbook, texts(title), headings, written, agency=agency, files=files)
    return download(content, f"{name}.xlsx", MEDIA_TYPE)


# More rows are read than written, to know whether there are more.
WHOLE = Page(MOST_ROWS + 1)


@router.get("/lists/cases")
def cases_file(visit: VisitOf, filters: Annotated[CaseFilters, Depends()]) -> Response:
    """Return the cases of the filters, in their order."""
    with visit.service.parts.database.read() as connection:
        rows = listed_cases(connection, visit, filters, WHOLE.limit)
        lines = [convert(row, CaseLine) for row in rows]
        nearest = clocks.nearest_of(connection, [line.case_id for line in lines], visit.reading.reader.now)
    label, agency = visit.labels.of, visit.agency_names
    columns = later("Number | Matter | Line | Stage | Answers for it | Opened | Runs out next | Last day | Case id")
    return list_file(
        visit,
        "cases",
        later("Cases"),
        columns,
        (
            (
                line.case_number,
                line.case_type,
                label("business_line", line.business_line),
                label("stage", line.stage),
                agency(line.responsible),
                _at(line.opened_at),
                *_clock(visit, nearest.get(line.case_id)),
                line.case_id,
            )
            for line in lines
        ),
        read_as=filters.read_as,
        case_ids=(line.case_id for line in lines),
    )


@router.get("/lists/handovers/{box}")
def box_file(visit: VisitOf, box: Box) -> Response:
    """Return the open offers to the agency, or its own that nobody has answered."""
    now = visit.reading.reader.now
    with visit.service.parts.database.read() as connection:
        rows = clocks.open_offers(connection, visit.reading.agency, box, as_of=now, limit=WHOLE.limit)
        lines = [convert(row, HandoverLine) for row in rows]
        ids = list(dict.fromkeys(line.case_id for line in lines))
        nearest, numbers = clocks.nearest_of(connection, ids, now), cases.numbers_of(connection, ids)
    agency = visit.agency_names
    return list_file(
        visit,
        box,
        later("Inbox") if box == "inbox" else later("Outbox"),
        later("Case | From | To | For | Items | Offered | Runs out next | Last day | Case id"),
        (
            (
                numbers[line.case_id],
                agency(line.from_agency),
                agency(line.to_agency),
                visit.labels.of("purpose", line.purpose),
                line.items,
                _at(line.offered_at),
                *_clock(visit, nearest.get(line.case_id)),
                line.case_id,
            )
            for line in lines
        ),
        read_as=READ_AS[box],
        case_ids=ids,
    )


@router.get("/lists/letters")
def letters_file(visit: VisitOf, box: BoxQuery = "inbox", number: NumberQuery = "") -> Response:
    """Return the letters to the agency or those by it."""
    with visit.service.parts.database.read() as connection:
        rows = cases.list_letters(connection, visit.reading.agency, WHOLE, box=box, number=number.strip())
    lines = [convert(row, LetterLine) for row in rows]
    agency = visit.agency_names
    return list_file(
        visit,
        "letters",
        later("Letters"),
        later("Letter | Number | From | To | Sent | Received | Answer asked for by | Answered | Case id"),
        (
            (
                visit.labels.of("letter_kind", line.kind),
                line.number,
                *(agency(side) if side else None for side in (line.from_agency, line.to_agency)),
                *map(_at, (line.sent_at, line.received_at, line.due_at, line.answered_at)),
                line.case_id,
            )
            for line in lines
        ),
        read_as=Message("list of letters"),
        case_ids=(line.case_id for line in lines),
    )


@router.get("/lists/deadlines")
def deadlines_file(visit: VisitOf) -> Response:
    """Return the open clocks of the agency, what ends first at the top."""
    reader = visit.reading.reader
    wanted = DeadlineFilter(as_of=reader.now, agency=reader.agency, zone=zone_in_use())
    with visit.service.parts.database.read() as connection:
        lines = clocks.list_deadlines(connection, reader, wanted, limit=WHOLE.limit)
        numbers = cases.numbers_of(connection, {line.case_id for line in lines}, reader)
    return list_file(
        visit,
        "deadlines",
        later("Deadlines"),
        later("Case | Runs out next | Last day | Officer | Began | Of | Case id"),
        (
            (
                numbers.get(line.case_id),
                *_clock(visit, line),
                line.handler,
                _at(line.started_at),
                None if line.subject == "case" else line.subject,
                line.case_id,
            )
            for line in lines
        ),
        read_as=Message("list of deadlines"),
        case_ids=(line.case_id for line in lines),
    )


@router.get("/lists/search")
def search_file(visit: VisitOf, q: Asked) -> Response:
    """Return what is found by a text."""
    results = search_cases(visit.request.scope, visit.service, visit.reading, q, limit=OF_SEARCH, after=None)
    label = visit.labels.of
    return list_file(
        visit,
        "search",
        later("Search"),
        later("Case | Matter | Stage | Kind | What matched | Item | Item id | Case id"),
        (
            (
                hit.case_number,
                hit.case_type,
                label("stage", hit.stage),
                label("word_kind", hit.kind),
                hit.word,
                hit.description,
                hit.item_id,
                hit.case_id,
            )
            for hit in results.hits
        ),
        has_more=results.following is not None,
    )


@router.get("/lists/cases/{case_id}/{part}")
def case_file(visit: VisitOf, case_id: SlugPath, part: Part) -> Response:
    """Return the items, persons, handovers or deadlines of a case."""
    visible = with_split_off(visit, read_case(visit, case_id, Message("case")))
    state, name = visible.state, f"{case_id}.{part}"
    match part:
        case "items":
            return list_file(visit, name, later("Items"), _ITEM, _items(visit, state))
        case "persons":
            columns = later("Name | Pseudonym | Part in the case | Stage | Answers for it | Kept for")
            return list_file(visit, name, later("Persons"), columns, _persons(visit, state, dict(visible.person_names)))
        case "handovers":
            columns = later("For | From | To | Items | Offered | Answered | State | Handover id")
            return list_file(visit, name, later("Handovers"), columns, _handovers(visit, state))
        case "deadlines":
            columns = later("Clock | Article | Of | Agency | Began | Last day | Time left | Stopped")
            return list_file(visit, name, later("Deadlines"), columns, _deadlines(visit, state))


_ITEM = later("Item | Item id | Exhibit number | Kind | Quantity | Unit | Seal | Held by | Answers for it | State")


def _items(visit: Visit, state: CaseState) -> Iterable[Row]:
    label, agency = visit.labels.of, visit.agency_names
    for item in state.items.values():
        yield (
            *(item.description, item.item_id, item.exhibit_number),
            *(label("item_kind", item.kind), item.quantity.value),
            *(label("quantity_unit", item.quantity.unit), item.seal_number, agency(item.holder)),
            *(agency(item.responsible), label("status", item.status)),
        )


def _persons(visit: Visit, state: CaseState, names: dict[str, str]) -> Iterable[Row]:
    label, agency = visit.labels.of, visit.agency_names
    for person in state.persons.values():
        yield (
            *(names.get(person.person_id), person.person_id, label("person_role", person.role)),
            *(label("stage", person.stage), agency(person.responsible)),
            agency(person.kept_for) if person.kept_for else None,
        )


def _handovers(visit: Visit, state: CaseState) -> Iterable[Row]:
    label, agency = visit.labels.of, visit.agency_names
    for handover in list(state.handovers.values())[::-1]:
        yield (
            *(label("purpose", handover.purpose), agency(handover.from_agency), agency(handover.to_agency)),
            *(len(handover.items), _at(handover.offered_at), _at(handover.answered_at)),
            *(label("status", handover.status), handover.handover_id),
        )


def _deadlines(visit: Visit, state: CaseState) -> Iterable[Row]:
    agency = visit.agency_names
    for clock in clock_views.of_case(visit, state):
        view = clock_views.view_of(clock, visit.labels)
        item = state.items.get(clock.subject)
        of = item.description if item else clock.subject
        yield (
            *(view.label, view.article, None if clock.subject == "case" else of, agency(clock.agency)),
            *(_at(clock.started_at), _last(clock.due_at), view.left, _at(clock.stopped_at)),
        )


@router.get("/lists/reads/{case_id}")
def reads_file(visit: VisitOf, case_id: SlugPath) -> Response:
    """Return who read the case, newest first."""
    visit.reading.require_role(*ACCESS_LOG_ROLES)
    is_party = read_case(visit, case_id, Message("log of reads")).sight == "party"
    own = None if is_party else visit.reading.agency
    records = visit.service.parts.access.latest(case_id, WHOLE.limit, before=None, agency=own)
    agency = visit.agency_names
    return list_file(
        visit,
        f"{case_id}.reads",
        later("Who read this case"),
        later("When | Agency | Officer | What was read | Confidential sections | Ground | Record"),
        (
            (
                _at(datetime.fromtimestamp(read.read_at / 1000, UTC)),
                agency(read.agency),
                read.officer,
                visit.labels.translate(read.what),
                visit.labels.translate(Message("with confidential sections")) if read.sections else None,
                read.ground,
                read.number,
            )
            for read in visible_reads(visit.service, visit.reading, records)
        ),
    )


@router.get("/lists/leads")
def leads_file(visit: VisitOf, filters: Annotated[Filters, Depends()]) -> Response:
    """Return the leads of the board's filters, the latest change first."""
    reading, labels = visit.reading, visit.labels
    with visit.service.parts.database.read() as connection:
        wanted: LeadFilter = filters.wanted(reading)
        rows = supervision.list_leads(connection, reading.reader, WHOLE, wanted, newest_first=True)
        lines = [lead_line(row) for row in rows]
        numbers = cases.numbers_of(connection, {line.case_id for line in lines if line.case_id}, reading.reader)
        titles = supervision.model_titles(connection)
    agency = visit.agency_names
    return list_file(
        visit,
        "leads",
        later("Leads"),
        later("Lead | Model | Severity | State | Outcome | Case | Agency | Has it | Handled by | Raised | Lead id"),
        (
            (
                labels.in_language(line.says),
                labels.in_language(titles[line.model_id]) if line.model_id in titles else line.model_id,
                labels.of("severity", line.severity),
                labels.of("lead_status", line.status),
                labels.of("lead_outcome", line.outcome) if line.outcome else None,
                numbers.get(line.case_id or ""),
                agency(line.supervised),
                agency(line.supervising),
                line.handler,
                _at(line.raised_at),
                line.lead_id,
            )
            for line in lines
        ),
        read_as=Message("board of leads"),
    )


@router.get("/lists/recommendations")
def recommendations_file(visit: VisitOf) -> Response:
    """Return the recommendations that the agency issued or received."""
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_recommendations(connection, visit.reading.reader, WHOLE)
    label, agency = visit.labels.of, visit.agency_names
    return list_file(
        visit,
        "recommendations",
        later("Recommendations"),
        later("Number | Kind | Issued by | Advises | Issued | State | Did it help? | Recommendation id"),
        (
            (
                row["document_number"],
                label("recommendation_kind", row["kind"]),
                agency(row["supervising"]),
                agency(row["to_agency"]) if row["to_agency"] else row["to_outside"],
                _at(row["issued_at"]),
                label("recommendation_status", row["status"]),
                label("recheck_result", row["result"]) if row["result"] else None,
                row["recommendation_id"],
            )
            for row in rows
        ),
        read_as=Message("list of recommendations"),
    )


@router.get("/lists/models")
def models_file(visit: VisitOf) -> Response:
    """Return the models in use."""
    with visit.service.parts.database.read() as connection:
        rows = supervision.list_models(connection, WHOLE)
        titles = supervision.model_titles(connection)
    label, agency = visit.labels.of, visit.agency_names
    return list_file(
        visit,
        "models",
        later("Library of models"),
        later("Model | Business line | Severity | Version | Published by | State | Model id"),
        (
            (
                visit.labels.in_language(titles[row["model_id"]]),
                label("business_line", row["business_line"]),
                label("severity", row["severity"]),
                row["version"],
                agency(row["publisher"]),
                Texts(visit.labels.language)("retired") if row["retired"] else None,
                row["model_id"],
            )
            for row in rows
        ),
        read_as=Message("list of the library"),
    )


@router.get("/lists/agencies")
def agencies_file(visit: VisitOf) -> Response:
    """Return all agencies with their keys."""
    agency = visit.agency_names
    return list_file(
        visit,
        "agencies",
        later("Agencies and keys"),
        later("Agency | Agency id | Kind | Jurisdiction | Keys that hold | Revoked or over | Signed entries"),
        (
            (
                agency(line.agency.agency_id),
                line.agency.agency_id,
                visit.labels.of("agency_kind", line.agency.kind),
                line.agency.profile.jurisdiction,
                *(line.holding, line.over, line.uses),
            )
            for line in agency_lines(visit)
        ),
    )


@router.get("/lists/audits")
def audits_file(visit: VisitOf) -> Response:
    """Return the audits of the whole log, and those of cases that the agency ran, newest first."""
    visit.reading.require_role("auditor")
    with visit.service.parts.database.read() as connection:
        kept = audits.latest(connection, visit.reading.agency, WHOLE.limit)
    label, agency = visit.labels.of, visit.agency_names
    return list_file(
        visit,
        "audits",
        later("Earlier audits"),
        later("Begun | Ended | Case id | Agency | Officer | Verdict | Audit id"),
        (
            (
                *(_at(datetime.fromtimestamp(each / 1000, UTC)) for each in (audit.started_at, audit.ended_at)),
                audit.case_id,
                agency(audit.agency),
                audit.officer,
                label("verdict", audit.verdict) if audit.verdict else None,
                audit.audit_id,
            )
            for audit in kept
        ),
    )


def _clock(visit: Visit, line: ClockLine | None) -> tuple[Cell, Cell]:
    """Return the name of a clock and its last day."""
    if line is None:
        return None, None
    due = None if line.due_at is None else datetime.fromisoformat(line.due_at)
    return visit.labels.of_clock(line.clock), _last(due)


def _last(due_at: datetime | None) -> date | None:
    """Return the day with which a clock ends, or the moment."""
    return None if due_at is None else zone_in_use().day_that_ends(due_at) or _at(due_at)


def _at(instant: str | datetime | None) -> datetime | None:
    """Return an instant as the ledger's own zone shows it, to the second."""
    if instant is None:
        return None
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return zone_in_use().local(at).replace(microsecond=0, tzinfo=None)
