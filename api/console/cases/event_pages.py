"""An event of a case with its proof and files, and the log of who read the case."""

from __future__ import annotations

from operator import attrgetter

from starlette.responses import RedirectResponse, Response

from api.console.cases.case_forms import ERASURE_PROPOSED
from api.console.cases.case_pages import read_case
from api.console.shared.access import VisitOf, page_router
from api.console.shared.cited_events import RecordedQuery, recorded
from api.console.shared.rendering import PATH, language, narrator_of
from api.dependencies import EventIdPath, Following, SlugPath, SlugQuery, WordQuery, download, shown_pdf
from api.services.archives import archive_of_case
from api.services.case_reading import ACCESS_LOG_ROLES, find_event, timeline_builder, visible_reads
from api.services.documents import (
    Disclosure,
    bundle_of_event,
    certified_case,
    certified_event,
    event_to_print,
    offered_papers,
    printed_event,
    proof_of_case,
)
from ledger.core.custody.erasures import may_erase
from ledger.core.encoding import canonical
from ledger.core.events import EVENT_TYPES, decode_section
from ledger.core.messages import Message
from ledger.i18n import translate
from ledger.interchange.papers.events_to_print import last_printable_event
from ledger.interchange.papers.paper_text import language_for
from ledger.proofs.bundles import Withheld
from ledger.timeline.anchored_sizes import stages
from ledger.timeline.event_fields import event_fields
from ledger.timeline.sentences import naming

router = page_router()


@router.get("/recorded")
def recorded_events(visit: VisitOf, event: RecordedQuery) -> Response:
    """Return the ids of those of the events that the reader has signed and that are recorded."""
    return download(canonical.encode([each.event_id for each in recorded(visit, event)]), "recorded.json")


@router.get("/cases/{case_id}/events/{event_id}")
def event_page(visit: VisitOf, case_id: SlugPath, event_id: EventIdPath) -> Response:
    """Show the event as it was signed, with its flags, its proof, and its neighbours in the case."""
    with visit.service.parts.database.read() as connection:
        visit.reading.require_case(connection, case_id)
        entry, sight = find_event(connection, visit.reading, event_id, case_id)
        shows_sections = visit.reading.sees_sections(connection, entry, sight, None)
        stored = visit.reading.sections(connection, entry) if shows_sections else {}
    visible = read_case(visit, case_id, Message("event {event_id}", event_id=event_id), whole=True)
    with visit.service.parts.database.read() as connection:
        history = visit.service.histories.of(connection, case_id)
        here = history[entry.sequence]
        (step,) = timeline_builder(visit.service, visit.reading, visit.labels, visible.person_names).steps(
            connection, case_id, [here]
        )
        proof_stages = stages(connection, entry, step.state, step.proven_at, visit.service.parts.clock())
    sections = {label: decode_section(data, label) for label, data in stored.items() if data is not None}
    words = narrator_of(visit.service, visit.labels, visible.person_names).words(here.event, here.after)
    states, kinds = visit.service.parts.validator.states, visit.reading.authority.kinds
    printed = last_printable_event(states, history[: entry.sequence + 1], kinds)
    session, is_party = visit.reading.session, visible.sight == "party"
    return visit.page(
        "cases/event.html",
        **visible._asdict(),
        step=step,
        corrects=is_party
        and not visible.state.closed
        and here.event.agency == visit.reading.agency
        and session.has_role(*EVENT_TYPES["record.corrected"].roles),
        erases=is_party
        and bool(sections)
        and may_erase(visible.state, event_id, visit.reading.agency)
        and session.has_role(*EVENT_TYPES[ERASURE_PROPOSED].roles),
        stages=proof_stages,
        particulars=event_fields(here.event, sections, words, visit.labels),
        hidden=() if shows_sections else [words.section(event_id, label) for label in step.confidential],
        erased=[words.section(event_id, label) for label, data in stored.items() if data is None],
        papers=offered_papers(printed, visit.labels),
        previous=history[entry.sequence - 1].entry.event_id if entry.sequence else None,
        following=history[entry.sequence + 1].entry.event_id if entry.sequence + 1 < len(history) else None,
    )


@router.get("/cases/{case_id}/events/{event_id}/bundle")
def event_bundle(
    visit: VisitOf, case_id: SlugPath, event_id: EventIdPath, withhold: Withheld | None = None
) -> Response:
    """Return the proof bundle of an event for download."""
    bundle = bundle_of_event(visit.service, visit.reading, event_id, Disclosure(withhold))
    return download(bundle, f"{case_id}.{event_id}{_without(withhold)}.bundle.json")


@router.get("/cases/{case_id}/bundle")
def case_bundle(visit: VisitOf, case_id: SlugPath, withhold: Withheld | None = None) -> Response:
    """Return the proof bundle of all events of a case for download."""
    bundle = proof_of_case(visit.service, visit.reading, case_id, Disclosure(withhold))
    return download(bundle, f"{case_id}{_without(withhold)}.bundle.json")


@router.get("/cases/{case_id}/archive")
def archive(visit: VisitOf, case_id: SlugPath) -> Response:
    """Return the case with all its papers and proofs for download."""
    in_language = language_for(language(visit.request))
    pieces = archive_of_case(visit.service, visit.reading, case_id, visit.labels, in_language)
    return download(pieces, f"{case_id}.zip", "application/zip")


@router.get("/cases/{case_id}/events/{event_id}/certificate")
def event_certificate(visit: VisitOf, case_id: SlugPath, event_id: EventIdPath) -> Response:
    """Return the certificate of what is proven of an event."""
    read_case(visit, case_id, Message("certificate of event {event_id}", event_id=event_id))
    pdf = certified_event(visit.service, visit.reading, event_id, language_for(language(visit.request)))
    return shown_pdf(pdf, f"{event_id}.certificate")


@router.get("/cases/{case_id}/certificate")
def case_certificate(visit: VisitOf, case_id: SlugPath, item_id: SlugQuery = None) -> Response:
    """Return the certificate of a case, or of one item."""
    pdf = certified_case(visit.service, visit.reading, case_id, language_for(language(visit.request)), item_id=item_id)
    return shown_pdf(pdf, f"{case_id}.certificate")


@router.get("/cases/{case_id}/events/{event_id}/paper")
def event_paper(visit: VisitOf, case_id: SlugPath, event_id: EventIdPath, document: WordQuery = None) -> Response:
    """Return a paper that the event prints: the requested one, or the first; or the event's page if it prints none."""
    if document is None and not offered_papers(event_to_print(visit.service, visit.reading, event_id), visit.labels):
        return RedirectResponse(f"{PATH}/cases/{case_id}/events/{event_id}", 303)
    pdf = printed_event(
        visit.service,
        visit.reading,
        event_id,
        language_for(language(visit.request)),
        case_id=case_id,
        name=document,
    )
    return shown_pdf(pdf, f"{event_id}.{document}" if document else event_id)


def _without(withhold: Withheld | None) -> str:
    return f".without-{withhold}" if withhold else ""


ROWS = 50

SCOPE = "reads of a case"


@router.get("/cases/{case_id}/reads")
def case_reads(visit: VisitOf, case_id: SlugPath, before: Following = None) -> Response:
    """Show the reads, newest first. This read is in the list the next time."""
    visit.reading.require_role(*ACCESS_LOG_ROLES)
    last = visit.service.cursors.position(SCOPE, before, field="before")
    visible = read_case(visit, case_id, Message("log of reads"))
    is_party = visible.sight == "party"
    agency = None if is_party else visit.reading.agency
    rows = visit.service.parts.access.latest(case_id, ROWS, before=None if last is None else int(last), agency=agency)
    following = visit.service.cursors.following(SCOPE, rows, ROWS, attrgetter("number"))
    show = naming(visit.agency_names, visit.labels)
    return visit.page(
        "cases/reads.html",
        **visible._asdict(),
        rows=visible_reads(visit.service, visit.reading, rows),
        is_party=is_party,
        following=following,
        translated=lambda message: translate(message, visit.labels.language, show),
    )
