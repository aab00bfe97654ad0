"""What the things of a case are called, by its record as a client has fetched and verified it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from threading import Thread
from typing import Any

from ledger.client.service import ServiceClient, at
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.events import Event, Section
from ledger.core.events.case import CaseNumbered, CaseOpened, CaseTakenOver, PersonNamed
from ledger.core.events.item import ItemRegistered
from ledger.core.events.payload import decode_section
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.case import open_case

MAX_RECORD = 64 * 1024 * 1024  # bytes of the record of a case
RECORD_WITHIN_S = 10.0  # that a question waits for it
MOST_KEPT = 32  # records
SOUND = ("intact", "not_yet_anchored")  # verdicts on an event whose words are taken


@dataclass(slots=True)
class CaseNames:
    """The number of a case, the id of its procedure, the descriptions of its items and the names of its persons by
    their ids, after so many ``events``.
    """

    number: str | None = None
    procedure: str | None = None
    items: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    events: int = 0

    def learn(self, event: Event, sections: Mapping[str, Section]) -> None:
        """Take in what an event calls something, with its confidential sections as far as they are shown."""
        match event.body:
            case CaseOpened() | CaseTakenOver() as body:
                self.number, self.procedure = body.case_number, body.procedure
            case CaseNumbered() as body:
                self.number = body.case_number
            case ItemRegistered() as body:
                number = f" {body.exhibit_number}" if body.exhibit_number else ""
                self.items[body.item_id] = f"{body.description}{number}"
            case PersonNamed(section=str(label)) as body if label in sections:
                if name := sections[label].fields.get("name"):
                    self.persons[body.person_id] = name


def names_in(bundle: bytes, trust: Trust) -> CaseNames:
    """Return the names that a case's bundle shows. Raises IntegrityBroken or MalformedInput if it does not verify."""
    names = CaseNames()
    for verified in open_case(bundle, trust).events:
        names.events += 1
        if verified.report.verdict not in SOUND:
            raise IntegrityBroken("the record of the case does not verify", field="bundle")
        if verified.event is not None:
            sections = {label: decode_section(text, label) for label, text in verified.entry.sections.items()}
            names.learn(verified.event, sections)
    return names


class CaseRecords:
    """The records of cases as the service shows them, each verified by the trust file and kept.

    A record is fetched again once its case has more events. It is not waited for longer than ``within_s`` seconds, and
    not read beyond ``most_bytes``. One that comes later is there for the next question.
    """

    def __init__(
        self,
        service: ServiceClient,
        trust: Trust | None,
        *,
        within_s: float = RECORD_WITHIN_S,
        most_bytes: int = MAX_RECORD,
    ):
        self._service = service
        self._trust = trust
        self._within_s = within_s
        self._most_bytes = most_bytes
        self._kept: dict[str, CaseNames] = {}  # the newest last
        self._readers: dict[str, Thread] = {}

    def names(self, case_id: str, events: int) -> CaseNames | None:
        """Return what the things of a case are called that has so many events, or None if no record of it verified."""
        if self._trust is None:
            return None
        kept = self._kept.get(case_id)
        if kept is None or kept.events < events:
            reader = self._readers.get(case_id)
            if reader is None or not reader.is_alive():
                reader = Thread(target=self._read, args=(case_id, self._trust), daemon=True)
                self._readers[case_id] = reader
                reader.start()
            reader.join(self._within_s)
            kept = self._kept.get(case_id)
        # A question adds to the names what its own acts bring in.
        return None if kept is None else replace(kept, items=dict(kept.items), persons=dict(kept.persons))

    def _read(self, case_id: str, trust: Trust) -> None:
        bundle = _Bounded(self._most_bytes)
        # Nothing is named otherwise, and the question says so.
        with suppress(TallystickError):
            self._service.download(at("/api/v1/cases/{}/proof", case_id), bundle)
            names = names_in(bundle.getvalue(), trust)
            self._kept.pop(case_id, None)
            self._kept[case_id] = names
            for oldest in list(self._kept)[:-MOST_KEPT]:
                del self._kept[oldest]


class _Bounded(BytesIO):
    """Takes as many bytes as a record may have. Raises MalformedInput for more."""

    def __init__(self, most: int):
        super().__init__()
        self._most = most

    def write(self, piece: Any, /) -> int:
        if self.tell() + len(piece) > self._most:
            raise MalformedInput("the record of the case has more than {limit} bytes", limit=self._most, field="bundle")
        return super().write(piece)
