"""Papers of cases in memory: what is printed of an event, without a store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ledger.core.custody import Act, CaseState, fold
from ledger.core.events import Section
from ledger.core.verification.heads import ABSENCE_STEPS
from ledger.core.verification.stream import CASE_STEPS
from ledger.core.verification.verify import EVENT_STEPS, STEPS
from ledger.i18n import Labels
from ledger.interchange import papers
from ledger.interchange.papers.audit_paper import AUDIT_LIMITS
from ledger.interchange.papers.certificate import LIMITS
from ledger.interchange.papers.document import document
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText
from ledger.interchange.papers.printed_event import PrintedEvent
from ledger.interchange.papers.sheet import FactsBlock, ProseBlock, Sheet
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import HistoryEvent
from tests.testkit.builders import COURT, DETENTION, KINDS, LOG_ID, POLICE, PROCURATORATE
from tests.testkit.casework import Case

NAMES = {
    POLICE: ("东区公安局", "East District Public Security Bureau"),
    PROCURATORATE: ("东区人民检察院", "East District People's Procuratorate"),
    COURT: ("东区人民法院", "East District People's Court"),
    DETENTION: ("东区看守所", "East Detention House"),
}


def names(labels: Labels) -> Callable[[str], str]:
    """Return the names of agencies in one language."""
    return lambda agency: NAMES.get(agency, (agency, agency))[labels.language != "zh-CN"]


def history_of(case: Case) -> Iterator[HistoryEvent]:
    """Yield the events of the case as the store would give them."""
    before: CaseState | None = None
    for index, event in enumerate(case.events):
        envelope = event.envelope
        after = fold(before, Act(event.event, case.book)).state
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
        yield HistoryEvent(entry, event.event, before, after)
        before = after


def sheet_of(
    case: Case,
    language: PaperLanguage = "zh-CN",
    *,
    name: str | None = None,
    sections: Mapping[str, Section | None] | None = None,
    persons: Mapping[str, str] = {},
) -> Sheet:
    """Return the paper of this name that the case's last event prints, or its first."""
    return sheet_of_event(printed(case, sections=sections), language, name=name, persons=persons)


def sheet_of_event(
    event: PrintedEvent,
    language: PaperLanguage = "zh-CN",
    *,
    name: str | None = None,
    persons: Mapping[str, str] = {},
) -> Sheet:
    """Return the paper of this name that the event prints, or its first."""
    text = PaperText(language, names, replace(event, persons=persons or event.persons).names_of_persons)
    log_id = f"0x{LOG_ID.hex()}"
    return document(event, text, log_id=log_id, verify_url="https://ledger.test/verify", name=name)


def printed(case: Case, *, sections: Mapping[str, Section | None] | None = None) -> PrintedEvent:
    """Return the case's last event, to be printed by the procedure of the case."""
    history = tuple(history_of(case))
    last = history[-1]
    return PrintedEvent(last.entry, last.event, case.book, KINDS, history=history, sections=sections)


def blocks_of(case: Case, **options: Any) -> str:
    """Return the values and paragraphs of the paper of the case's last event."""
    blocks = sheet_of(case, **options).blocks
    return str([block for block in blocks if isinstance(block, FactsBlock | ProseBlock)])


CERTIFIED = ("intact", "not_yet_anchored", "unverifiable")
SOURCES = Path(papers.__file__).parent
_SAID = re.compile(r'(?:\bpaper\(|\.table\(|\.of\("paper",)\s*"([a-z_.]+)"')
_EITHER = re.compile(r'paper\(\s*"([a-z_]+)" if [^"]+ else "([a-z_]+)"')


def paper_words() -> tuple[str, ...]:
    """Literal words, and those that certificates ask for."""
    words = {f"limit.{name}" for name in LIMITS} | {f"verdict.{name}" for name in CERTIFIED}
    words |= {f"limit.{name}" for name in AUDIT_LIMITS}
    steps = (*dict((*STEPS, *EVENT_STEPS, *ABSENCE_STEPS)), *CASE_STEPS, "versions")
    words |= {f"check.{name}.checked" for name in steps}
    words |= {f"check.{name}.not_checked" for name in steps if name not in ("ledger", "signature")}
    words |= {f"check.{name}.failed" for name in ("custody", "end")}  # no verdict: certified all the same
    for source in SOURCES.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        words |= {_listed(word, match) for match in _SAID.finditer(text) for word in (match[1],)}
        words |= {word for pair in _EITHER.findall(text) for word in pair}
    return tuple(sorted(words))


def _listed(word: str, match: re.Match[str]) -> str:
    return f"list.{word}" if match[0].startswith(".table") else word
