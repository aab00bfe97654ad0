"""Files that a reader takes away: proof bundles, certificates, and the documents that events print as.

Each is made as far as the reader may see what is in it, and the read is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import dropwhile, islice
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from api.auth.reading import Reading, case_of
from api.services.case_reading import find_event, record_event
from api.services.service import Service
from api.services.stocktakes import lines_of, nonexistent, recorded_body
from ledger.audit import AuditReport
from ledger.core.custody.fold import require_opening
from ledger.core.errors import TallystickError
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import Labels, label_first_by
from ledger.interchange.papers.audit_paper import AuditPaperRequest, print_audit
from ledger.interchange.papers.certificate import CertificateRequest, print_certificate
from ledger.interchange.papers.document import document
from ledger.interchange.papers.events_to_print import events_of, read_event
from ledger.interchange.papers.labels import LabelSize, label_sheet, print_labels
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText
from ledger.interchange.papers.printed_event import PrintedEvent, papers_of
from ledger.interchange.papers.stocktake_paper import PrintedStocktake, stocktake_paper
from ledger.interchange.papers.typeset import typeset
from ledger.proofs.bundles import Withheld
from ledger.store import cases, log, stocktakes
from ledger.timeline.case_history import cited_events
from ledger.timeline.sentences import names_by_id
from ledger.workers.pool import TooCostly

PAPERS = "papers/{}"  # the list of a case's papers: a place in one case is none in another
MAX_CERTIFIED = 400  # events of a case: some 250 MB are needed for so many


class Disclosure(NamedTuple):
    """What a file is to leave out at the reader's wish, and the ground on which its confidential sections are read."""

    withhold: Withheld | None = None
    ground: str | None = None

    def withheld(self, *, shows_sections: bool) -> Withheld | None:
        """Return what is left out, which is at least what the reader may not see."""
        return self.withhold if self.withhold is not None or shows_sections else "sections"


_SECTIONS = b'"sections":{"'  # how an entry of a bundle begins to show them
ALL_VISIBLE = Disclosure()  # all that the reader may see without stating a ground


def bundle_of_event(service: Service, reading: Reading, event_id: str, disclosure: Disclosure = ALL_VISIBLE) -> bytes:
    """Return the event's bundle as this reader may have it, and record the read."""
    with service.parts.database.read() as connection:
        entry, sight = find_event(connection, reading, event_id)
        shows_sections = reading.sees_sections(connection, entry, sight, disclosure.ground)
    bundle = service.prover.bundle(event_id, disclosure.withheld(shows_sections=shows_sections))
    if _SECTIONS in bundle:
        reading.note_sections(case_of(entry))
    record_event(reading, Message("proof of event {event_id}"), entry, disclosure.ground)
    return bundle


def bundle_of_case(service: Service, reading: Reading, case_id: str, disclosure: Disclosure = ALL_VISIBLE) -> bytes:
    """Return the case's bundle as this reader may have it, and record the read.

    Of many events this takes seconds: what answers with it alone calls ``proof_of_case``.
    """
    with service.parts.database.read() as connection:
        sight = reading.require_case(connection, case_id)
        holds = cases.holds(connection, case_id, reading.agency)
    shows_sections = sight == "party" and (holds or disclosure.ground is not None)
    bundle = service.prover.case_bundle(case_id, disclosure.withheld(shows_sections=shows_sections))
    if _SECTIONS in bundle:
        reading.note_sections(case_id)
    reading.record(Message("proof of the case"), case_id, ground=disclosure.ground)
    return bundle


def proof_of_case(service: Service, reading: Reading, case_id: str, disclosure: Disclosure) -> bytes:
    """Return the case's bundle in a turn of the reader's agency. Raises Unavailable."""
    with service.parts.workers.turn(reading.agency):
        return bundle_of_case(service, reading, case_id, disclosure)


class OfferedPaper(Struct, frozen=True):
    """A paper that an event prints, by its name in the procedure, with its title in the reader's language.

    ``handover_id`` is the handover that the event is about, if it is about one.
    """

    event_id: str
    event_type: str
    sequence: int
    document: str
    title: str
    article: str
    handover_id: str | None = None


def papers_of_case(
    service: Service, reading: Reading, case_id: str, labels: Labels, *, after: str | None, limit: int
) -> list[OfferedPaper]:
    """Return at most ``limit`` papers that the events of a case print, in the order of the events; record the read.

    ``after`` is the place (``place_of_paper``) of the last paper of the page before.
    """
    sequence, _, document_before = (after or "0,").partition(",")
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        history = service.histories.of(connection, case_id)
    reading.record(Message("papers of the case"), case_id)
    states, first = service.parts.validator.states, int(sequence)
    events = events_of(states, history, reading.authority.kinds, first=first)
    papers: Iterator[OfferedPaper] = (paper for event in events for paper in offered_papers(event, labels))
    if document_before:
        papers = dropwhile(lambda paper: (paper.sequence, paper.document) != (first, document_before), papers)
        next(papers, None)
    return list(islice(papers, limit))


def place_of_paper(paper: OfferedPaper) -> str:
    """Return where the list of a case's papers continues after this one."""
    return f"{paper.sequence},{paper.document}"


def offered_papers(printed: PrintedEvent, labels: Labels) -> list[OfferedPaper]:
    """Return the papers that an event prints, in the order of its procedure."""
    first, event = printed.book.procedure.languages[0], printed.event
    return [
        OfferedPaper(
            event_id=event.event_id,
            event_type=event.event_type,
            sequence=event.sequence,
            document=row.name,
            title=row.title.get(labels.suffix) or row.title[first],
            article=row.article,
            handover_id=getattr(event.body, "handover_id", None),
        )
        for row in papers_of(printed)
    ]


def event_to_print(service: Service, reading: Reading, event_id: str) -> PrintedEvent:
    """Return an event that the reader may see, without names and sections, to look which papers it prints."""
    with service.parts.database.read() as connection:
        entry, _ = find_event(connection, reading, event_id)
        return read_event(
            connection, service.parts.validator.states, entry, reading.authority.kinds, confidential=False
        )


def printed_event(
    service: Service,
    reading: Reading,
    event_id: str,
    language: PaperLanguage,
    *,
    case_id: str | None = None,
    name: str | None,
    withhold: Literal["sections"] | None = None,
    ground: str | None = None,
) -> bytes:
    """Return the paper (PDF) that the event prints, the first of several unless ``name`` says which.

    With ``case_id`` the event must be of this case.
    """
    states = service.parts.validator.states
    with service.parts.database.read() as connection:
        entry, sight = find_event(connection, reading, event_id, case_id)
        # Whoever sees only this event of the case is not shown who the persons of the case are.
        is_party = withhold is None and sight == "party"
        confidential = is_party and reading.sees_sections(connection, entry, sight, ground)
        event = read_event(connection, states, entry, reading.authority.kinds, confidential=confidential)
    label_first_by(event.book)
    text = PaperText(
        language,
        lambda labels: names_by_id(reading.authority.names, labels),
        event.names_of_persons,
        cited_events(service.parts.database),
    )
    log_id = service.parts.trust.trust.log_id_text
    sheet = document(event, text, log_id=log_id, verify_url=_verify_url(service), name=name)
    pdf = service.parts.workers.run(typeset, sheet, agency=reading.agency)
    if event.sections or event.persons:
        reading.note_sections(case_of(entry))
    record_event(reading, Message("paper of event {event_id}"), entry, ground)
    return pdf


def printed_stocktake(service: Service, reading: Reading, stocktake_id: str, language: PaperLanguage) -> bytes:
    """Return the report (PDF) of a stocktake that the reader's agency recorded, and record the read.

    Descriptions of things and numbers of cases are as the record has them now. Raises what ``recorded_body`` raises.
    """
    row, body = recorded_body(service, reading, stocktake_id)
    lines = set(lines_of(body))
    with service.parts.database.read() as connection:
        entry = log.entry(connection, row.updated_index)
        items = stocktakes.items_named(connection, reading.agency, lines)
        numbers = cases.numbers_of(connection, {case_id for case_id, _ in lines}, reading.reader)
    descriptions = {key: item.description for key, item in items.items()}
    lacking = {(each.case_id, each.discrepancy_id) for each in nonexistent(service, reading, body)}
    printed = PrintedStocktake(entry, log.event_of(entry), body, descriptions, numbers, lacking)
    text = PaperText(language, lambda labels: names_by_id(reading.authority.names, labels))
    log_id = service.parts.trust.trust.log_id_text
    sheet = stocktake_paper(printed, text, log_id=log_id, verify_url=_verify_url(service))
    return service.parts.workers.run(typeset, sheet, agency=reading.agency)


class LabelRequest(NamedTuple):
    """Which labels of a case: of these items, or of all that somebody holds from its item number ``first`` on.

    ``start`` is as on a sheet.
    """

    size: LabelSize = "a4-24"
    item_ids: tuple[str, ...] = ()
    first: int = 1
    start: int = 1


def labels_of_items(service: Service, reading: Reading, case_id: str, labels: Labels, wanted: LabelRequest) -> bytes:
    """Return labels (PDF) of items of a case, and record the read."""
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        state = service.histories.state(connection, case_id)
        number = cases.case(connection, case_id)["case_number"]
    label_first_by(service.parts.validator.book_of(state))
    names = names_by_id(reading.authority.names, labels)
    sheet = label_sheet(state, number, labels, names, **wanted._asdict())
    pdf = service.parts.workers.run(print_labels, sheet, agency=reading.agency)
    reading.record(Message("labels of items of the case"), case_id)
    return pdf


def certified_event(
    service: Service, reading: Reading, event_id: str, language: PaperLanguage, disclosure: Disclosure = ALL_VISIBLE
) -> bytes:
    """Return the certificate (PDF) of what is proven of an event."""
    with service.parts.workers.turn(reading.agency) as turn:
        bundle = bundle_of_event(service, reading, event_id, disclosure)
        request = replace(_certificate_request(service, bundle, language), book=_procedure_of(service, event_id))
        return turn.run(print_certificate, request)


def _procedure_of(service: Service, event_id: str) -> Rulebook | None:
    """Return the procedure that the event's case was opened under, as far as there is one and it is as it was signed.

    The case is not folded: of one that was damaged since, the certificate of an event is asked for all the more.
    """
    with service.parts.database.read() as connection:
        entry = log.entries_by_event_id(connection, [event_id])[event_id]
        openings = log.entries_of_cases(connection, [(entry.stream_id, 0)]) if entry.stream_kind == "case" else []
    for opening in openings:
        with suppress(TallystickError):
            procedure = require_opening(log.event_of(opening)).procedure
            return service.parts.validator.procedures().current.get(procedure)
    return None


def certified_case(
    service: Service,
    reading: Reading,
    case_id: str,
    language: PaperLanguage,
    disclosure: Disclosure = ALL_VISIBLE,
    *,
    item_id: str | None = None,
) -> bytes:
    """Return the certificate (PDF) of what is proven of a case, or of one of its items.

    Raises TooCostly for a case whose certificate would take more than a worker may.
    """
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
        head = log.head(connection, "case", case_id)
        assert head is not None, "there is such a case"
        if head.sequence >= MAX_CERTIFIED:
            raise TooCostly(
                "the case has {sequence} events: certificates are made here of at most {limit}",
                sequence=head.sequence + 1,
                limit=MAX_CERTIFIED,
                field="case_id",
                hint="Take the certificate of an event; or the proof of the case, and certify it on your own "
                "computer: tally proof get --case, tally proof certificate",
            )
    with service.parts.workers.turn(reading.agency) as turn:
        bundle = bundle_of_case(service, reading, case_id, disclosure)
        return turn.run(print_certificate, _certificate_request(service, bundle, language, item_id))


def _certificate_request(
    service: Service, bundle: bytes, language: PaperLanguage, item_id: str | None = None
) -> CertificateRequest:
    parts = service.parts
    procedures = parts.validator.procedures()
    return CertificateRequest(bundle, parts.trust.trust, procedures, language, _verify_url(service), item_id)


def audited(service: Service, report: AuditReport, language: PaperLanguage, *, made_at: int, name: str) -> bytes:
    """Return the report of an audit that ended at ``made_at`` (unix seconds) as a PDF."""
    trust, verify_url = service.parts.trust.trust, _verify_url(service)
    case_id = report.scope.partition(" ")[2]
    with service.parts.database.read() as connection:
        case_number = cases.numbers_of(connection, [case_id]).get(case_id)
    return print_audit(AuditPaperRequest(report, trust, made_at, language, name, verify_url, case_number))


def _verify_url(service: Service) -> str:
    """Return the address of the page where anybody can check a proof."""
    return f"{service.parts.settings.url}/verify"
