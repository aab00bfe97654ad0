"""The archive of a case: its papers, its proofs and its timeline, as far as the reader may see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version

from api.auth.reading import Reading
from api.services import documents
from api.services.case_reading import timeline_builder
from api.services.service import Service
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import NotFound
from ledger.core.messages import Message
from ledger.core.trust.trust_file import encode_trust
from ledger.i18n import Labels
from ledger.interchange.exports.case_archive import ArchivedFile, case_archive
from ledger.interchange.exports.timeline_files import timeline_csv, timeline_json
from ledger.interchange.papers.paper_text import PaperLanguage
from ledger.interchange.papers.typeset import require_fonts
from ledger.workers.pool import TooCostly

PAGE = 100  # papers that are looked for at a time


def archive_of_case(
    service: Service, reading: Reading, case_id: str, labels: Labels, language: PaperLanguage
) -> Iterator[bytes]:
    """Return the pieces of the archive; each file is made when those before it are sent, and each read is recorded.

    Raises NotFound for a case that the reader may not see, and Unavailable if this machine lacks the fonts of papers.
    """
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    require_fonts()
    reading.record(Message("archive of the case"), case_id)
    return case_archive(
        case_id,
        _files(service, reading, case_id, labels, language),
        log_id=service.parts.trust.trust.log_id_text,
        date=instant_text(service.parts.clock() // 1000),
        software=f"tallystick {version('tallystick')}",
    )


def _files(
    service: Service, reading: Reading, case_id: str, labels: Labels, language: PaperLanguage
) -> Iterator[ArchivedFile]:
    texts = labels.translate
    proofs, timeline_name = texts(Message("Proofs")), texts(Message("Timeline"))
    with service.parts.workers.turn(reading.agency), service.parts.database.read() as connection:
        timeline = timeline_builder(service, reading, labels).case(connection, case_id)
    for content, ending in ((timeline_csv(timeline, labels, bom=True), ".csv"), (timeline_json(timeline), ".json")):
        yield ArchivedFile(timeline_name, timeline_name, [content], timeline_name, ending=ending)
    yield from _papers(service, reading, case_id, labels, language)
    yield from _bundles(service, reading, case_id, labels, proofs)
    trust = encode_trust(service.parts.trust.trust)
    trust_says = texts(Message("Trust file: compare it with what the agencies published"))
    yield ArchivedFile(proofs, "trust", [trust], trust_says, ending=".json")
    certificate = texts(Message("Certificate of the case"))
    try:
        pdf = documents.certified_case(service, reading, case_id, language)
    except TooCostly:  # of so many events it is made from the bundle, by tally proof certificate
        return
    yield ArchivedFile(proofs, certificate, [pdf], certificate, ending=".pdf")


def _bundles(service: Service, reading: Reading, case_id: str, labels: Labels, folder: str) -> Iterator[ArchivedFile]:
    """Yield the bundle of the case; of one too large for that, the bundle without sections, and those of its events."""
    whole = labels.translate(Message("Proof bundle of the case"))
    try:
        bundle = documents.bundle_of_case(service, reading, case_id)
    except TooCostly:
        with suppress(TooCostly):
            bundle = documents.bundle_of_case(service, reading, case_id, documents.Disclosure("sections"))
            says = labels.translate(Message("Proof bundle of the case, without confidential sections"))
            yield ArchivedFile(folder, f"{case_id}.without-sections.bundle", [bundle], says, ending=".json")
        with service.parts.database.read() as connection:
            steps = service.histories.of(connection, case_id)
        for entry in (step.entry for step in steps):
            with suppress(NotFound):  # who sees a part of the case is not shown every event of it
                bundle = documents.bundle_of_event(service, reading, entry.event_id)
                name, says = f"{entry.sequence:04} {entry.event_id}.bundle", labels.of("event_type", entry.event_type)
                yield ArchivedFile(folder, name, [bundle], says, entry.event_id, ".json")
    else:
        yield ArchivedFile(folder, f"{case_id}.bundle", [bundle], whole, ending=".json")


def _papers(
    service: Service, reading: Reading, case_id: str, labels: Labels, language: PaperLanguage
) -> Iterator[ArchivedFile]:
    """Yield each paper that the reader may have, under the number of its event and its title.

    Papers of offers that came to nothing stand in a folder of their own.
    """
    standing, void = (
        labels.translate(Message("Documents")),
        labels.translate(Message("Documents of offers that were refused or recalled")),
    )
    with service.parts.database.read() as connection:
        handovers = service.histories.of(connection, case_id)[-1].after.handovers
    after = None
    while papers := documents.papers_of_case(service, reading, case_id, labels, after=after, limit=PAGE):
        for paper in papers:
            pdf = None
            with suppress(NotFound):  # who sees a part of the case is not shown every event of it
                pdf = documents.printed_event(service, reading, paper.event_id, language, name=paper.document)
            if pdf is not None:
                offer = handovers.get(paper.handover_id or "")
                folder = void if offer is not None and offer.came_to_nothing else standing
                name = f"{paper.sequence:04} {paper.title}"
                yield ArchivedFile(folder, name, [pdf], paper.title, paper.event_id, ".pdf")
        after = documents.place_of_paper(papers[-1])
