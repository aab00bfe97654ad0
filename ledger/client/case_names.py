"""What the things of a case are called, by its record as a client has fetched and verified it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any

from msgspec import Struct, structs

from ledger.acts import ACTS
from ledger.client.service import ServiceClient, path_of
from ledger.core.custody.corrections import corrected_words
from ledger.core.custody.items import Making, called_as, parts_of
from ledger.core.custody.state import WordsSource
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.events import Event, Section
from ledger.core.events.case import CaseNumbered, CaseOpened, CaseTakenOver, PersonNamed
from ledger.core.events.fields import field_of
from ledger.core.events.item import ItemDisposalProposed, ItemDisposed, ItemMerged, ItemRegistered, ItemSplit
from ledger.core.events.letter import LetterSent
from ledger.core.events.record import Correction, RecordCorrected
from ledger.core.events.terms import EventId
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.case import carried_procedures, open_case
from ledger.core.verification.verify import verify_event

MAX_RECORD = 64 * 1024 * 1024  # bytes of the record of a case
RECORDS_WITHIN_S = 10.0  # seconds that a question waits for the records of all its cases
MOST_KEPT = 32  # records
SOUND = ("intact", "not_yet_anchored")  # verdicts on an event whose words are taken


class ItemWords(Struct, frozen=True):
    """What an item is called, and where an agency stated it."""

    description: str
    exhibit_number: str | None
    stated_in: WordsSource

    def __str__(self) -> str:
        return f"{self.description} {self.exhibit_number}" if self.exhibit_number else self.description


@dataclass(slots=True)
class CaseNames:
    """The number of a case and where it is stated, the id of its procedure, what its items are called and the names of
    its persons by their ids, after so many ``events``; ``book`` is the procedure as the record itself has it. ``cited``
    are the events, by their ids, that another one may cite, ``introduced`` those with which something begins that
    others name, such as a handover, by what it is and its id. A record that is not ``is_whole`` has the letters of a
    case alone.
    """

    number: str | None = None
    numbered_in: WordsSource | None = None
    procedure: str | None = None
    book: Rulebook | None = None
    items: dict[str, ItemWords] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    events: int = 0
    cited: dict[str, Event] = field(default_factory=dict)
    introduced: dict[tuple[str, str], Event] = field(default_factory=dict)
    is_whole: bool = True

    def learn(self, event: Event, sections: Mapping[str, Section]) -> None:
        """Take in what an event calls something, with its confidential sections as far as they are shown."""
        self.cited[event.event_id], source = event, WordsSource(event.event_id, event.agency)
        if (act := ACTS.get(event.event_type)) is not None and act.makes is not None:
            begun = field_of(type(event.body), act.makes)
            assert begun is not None, "it has the id of what the act brings in"
            assert begun.type.names is not None, "it is an id"
            self.introduced.setdefault((begun.type.names, getattr(event.body, act.makes)), event)
        match event.body:
            case CaseOpened() | CaseTakenOver() as body:
                self.procedure = body.procedure
                self.number, self.numbered_in = body.case_number, source
            case CaseNumbered() as body:
                self.number, self.numbered_in = body.case_number, source
            case ItemRegistered() as body:
                self.items.setdefault(body.item_id, ItemWords(body.description, body.exhibit_number, source))
            case ItemSplit() as body:
                self._call_parts(event, body, [body.item_id])
            case ItemMerged() as body:
                self._call_parts(event, body, body.item_ids)
            case ItemDisposed() as body:
                proposal = self.cited.get(body.cites.event_id)
                sold = proposal.body.item_ids if proposal and isinstance(proposal.body, ItemDisposalProposed) else ()
                self._call_parts(event, body, sold)
            case RecordCorrected() as body:
                self._correct(WordsSource(body.corrects.event_id, event.agency), body.corrections)
            case PersonNamed(section=str(label)) as body if label in sections:
                if name := sections[label].fields.get("name"):
                    self.persons[body.person_id] = name

    def _call_parts(self, event: Event, body: Making, source_ids: Sequence[str]) -> None:
        """Call what comes of items as the fold does; by its id alone if it has no words, nor has an item before it."""
        sources = [self.items[item_id] for item_id in source_ids if item_id in self.items]
        for path, part in parts_of(body).items():
            if sources or part.description is not None:
                stated_in = WordsSource(event.event_id, event.agency, path)
                self.items.setdefault(part.item_id, ItemWords(*called_as(body, part, sources), stated_in))

    def _correct(self, source: WordsSource, corrections: Sequence[Correction]) -> None:
        """Take in what the agency that stated a number or words in ``source`` has put right."""
        for correction in corrections:
            if correction.field == "case_number" and self.numbered_in == source:
                self.number = correction.correct
        for item_id, words in self.items.items():
            if structs.replace(words.stated_in, part="") == source:
                corrected = corrected_words(words.stated_in.part, corrections).items()
                own = {name: text for name, text in corrected if name in ItemWords.__struct_fields__}
                self.items[item_id] = structs.replace(words, **own)


def names_in(bundle: bytes, trust: Trust, case_id: str) -> CaseNames:
    """Return the names that the bundle of a case shows.

    Raises IntegrityBroken or MalformedInput if it does not verify, or is that of another case.
    """
    names, record = CaseNames(), open_case(bundle, trust)
    if record.stream.id != case_id:  # whose items may have the same ids
        raise IntegrityBroken("expected the record of {case_id}", case_id=case_id, field="bundle")
    for verified in record.events:
        names.events += 1
        if verified.report.verdict not in SOUND:
            raise IntegrityBroken("the record of the case does not verify", field="bundle")
        if verified.event is not None:
            names.learn(verified.event, verified.entry.sections)
    if names.procedure is not None:
        names.book = carried_procedures(record, Procedures()).current.get(names.procedure)
    return names


class CaseRecords:
    """The records of cases as the service shows them, each verified by the trust file and kept.

    A record is fetched again once its case has more events, and not read beyond ``most_bytes``. Those of one question
    are not waited for longer than ``within_s`` seconds. One that comes later is there for the next question. Threads
    may share it.
    """

    def __init__(
        self,
        service: ServiceClient,
        trust: Trust | None,
        *,
        within_s: float = RECORDS_WITHIN_S,
        most_bytes: int = MAX_RECORD,
    ):
        self._service = service
        self._trust = trust
        self._within_s = within_s
        self._most_bytes = most_bytes
        self._kept: dict[str, CaseNames] = {}  # the newest last
        self._readers: dict[str, Thread] = {}
        self._lock = Lock()

    def names(
        self, events: Mapping[str, int], letters: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> dict[str, CaseNames]:
        """Return what the things of cases are called, by the cases' ids; ``events`` are how many each has by now.

        Of a case whose record cannot be had, those of its ``letters`` are named that the officer may read all the same.
        A case has no names if nothing of it verified.
        """
        until = time.monotonic() + self._within_s
        newest = {
            case_id: self._newest(case_id, count, letters.get(case_id, ()), until) for case_id, count in events.items()
        }
        # A question adds to the names what its own acts bring in.
        return {
            case_id: replace(
                names,
                items=dict(names.items),
                persons=dict(names.persons),
                cited=dict(names.cited),
                introduced=dict(names.introduced),
            )
            for case_id, names in newest.items()
            if names is not None
        }

    def _newest(self, case_id: str, events: int, letters: Sequence[str], until: float) -> CaseNames | None:
        """Return the names of a case, fetched anew if it has more events and that is done ``until`` (monotonic)."""
        left = until - time.monotonic()
        with self._lock:
            kept = self._kept.get(case_id)
            is_new = kept is not None and kept.events >= events
            if kept is not None and not kept.is_whole:
                is_new = is_new and all(("letter", letter_id) in kept.introduced for letter_id in letters)
            if self._trust is None or is_new or left <= 0:
                return kept
            reader = self._readers.get(case_id)
            if reader is None:
                reader = Thread(target=self._read, args=(case_id, self._trust, events, letters), daemon=True)
                self._readers[case_id] = reader
                reader.start()
        reader.join(left)
        with self._lock:
            return self._kept.get(case_id)

    def _read(self, case_id: str, trust: Trust, events: int, letters: Sequence[str]) -> None:
        names = None
        try:
            # Nothing is named otherwise, and the question says so.
            with suppress(TallystickError):
                names = names_in(self._download("/api/v1/cases/{}/proof", case_id), trust, case_id)
            if names is None and letters:
                names = self._of_letters(case_id, trust, events, letters)
        finally:
            with self._lock:
                del self._readers[case_id]
                kept = self._kept.get(case_id)
                if names is not None and (names.is_whole or kept is None or not kept.is_whole):
                    self._kept.pop(case_id, None)
                    self._kept[case_id] = names
                for oldest in list(self._kept)[:-MOST_KEPT]:
                    del self._kept[oldest]

    def _of_letters(self, case_id: str, trust: Trust, events: int, letters: Sequence[str]) -> CaseNames | None:
        """Return what the events of letters show that the service gives out, None if none of them verifies."""
        names = CaseNames(events=events, is_whole=False)
        for letter_id in letters:
            with suppress(TallystickError):
                letter = self._service.get(path_of("/api/v1/cases/{}/letters/{}", case_id, letter_id))
                event_id = convert(letter["event"]["envelope"]["event_id"], EventId)
                verified = verify_event(self._download("/api/v1/events/{}/proof", event_id), trust)
                event = verified.event
                if (
                    event is not None
                    and isinstance(event.body, LetterSent)
                    and (event.stream.kind, event.stream.id, event.body.letter_id) == ("case", case_id, letter_id)
                    and verified.report.verdict in SOUND
                ):
                    names.learn(event, verified.entry.sections)
        return names if names.introduced else None

    def _download(self, template: str, named_id: str) -> bytes:
        bundle = _Bounded(self._most_bytes)
        self._service.download(path_of(template, named_id), bundle)
        return bundle.getvalue()


class _Bounded(BytesIO):
    """Takes as many bytes as a record may have. Raises MalformedInput for more."""

    def __init__(self, most: int):
        super().__init__()
        self._most = most

    def write(self, piece: Any, /) -> int:
        if self.tell() + len(piece) > self._most:
            raise MalformedInput("the record of the case has more than {limit} bytes", limit=self._most, field="bundle")
        return super().write(piece)
