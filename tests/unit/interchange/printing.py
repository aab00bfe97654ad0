"""Papers of cases in memory: what is printed of an event, without a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ledger.core.custody import Act, CaseState, fold
from ledger.core.events import Section
from ledger.i18n import Labels
from ledger.interchange.papers.document import document
from ledger.interchange.papers.lists import PrintedEvent
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText
from ledger.interchange.papers.sheet import Sheet
from ledger.procedures import shipped_rulebook
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import HistoryEvent
from tests.testkit.builders import COURT, DETENTION, LOG_ID, POLICE, PROCURATORATE
from tests.testkit.casework import Case

NAMES = {
    POLICE: ("东区公安局", "East District Public Security Bureau"),
    PROCURATORATE: ("东区人民检察院", "East District People's Procuratorate"),
    COURT: ("东区人民法院", "East District People's Court"),
    DETENTION: ("东区看守所", "East Detention House"),
}


def names(labels: Labels) -> Callable[[str], str]:
    """The names of agencies in one language."""
    return lambda agency: NAMES.get(agency, (agency, agency))[labels.language != "zh-CN"]


def history_of(case: Case) -> Iterator[HistoryEvent]:
    """The events of the case as the store would give them."""
    before: CaseState | None = None
    for index, event in enumerate(case.events):
        envelope = event.envelope
        after = fold(before, Act(event.payload, event.digest, envelope.signed_at, shipped_rulebook())).state
        entry = StoredEntry(
            log_index=index,
            event_id=envelope.event_id,
            event_type=envelope.event_type,
            stream_kind="case",
            stream_id=envelope.stream.id,
            sequence=envelope.sequence,
            agency=envelope.agency,
            key_id=envelope.key_id,
            payload_digest=event.digest,
            signed_at=envelope.signed_at,
            recorded_at=envelope.signed_at * 1000,
            committed_size=index + 1,
            envelope=event.entry,
            payload=event.payload_bytes,
        )
        yield HistoryEvent(entry, event.payload, before, after)
        before = after


def sheet_of(
    case: Case,
    language: PaperLanguage = "zh-CN",
    *,
    kind: str | None = None,
    sections: Mapping[str, Section | None] | None = None,
) -> Sheet:
    """The document of the case's last event."""
    *_, event = history_of(case)
    text = PaperText(language, names)
    log_id = f"0x{LOG_ID.hex()}"
    return document(
        PrintedEvent(event, sections), text, log_id=log_id, verify_url="https://ledger.test/verify", kind=kind
    )
