"""What the things of a case are called, by its record as a client has fetched and verified it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ledger.client.service import ServiceClient, at
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Event, Section
from ledger.core.events.case import CaseNumbered, CaseOpened, CaseTakenOver, PersonNamed
from ledger.core.events.item import ItemRegistered
from ledger.core.events.payload import decode_section
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.case import open_case

SOUND = ("intact", "not_yet_anchored")  # verdicts on an event whose words are taken


@dataclass(slots=True)
class CaseNames:
    """The number of a case, the descriptions of its items and the names of its persons, by their ids."""

    number: str | None = None
    items: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)

    def learn(self, event: Event, sections: Mapping[str, Section]) -> None:
        """Take in what an event calls something, with its confidential sections as far as they are shown."""
        match event.body:
            case CaseOpened() | CaseTakenOver() | CaseNumbered() as body:
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
        if verified.report.verdict not in SOUND:
            raise IntegrityBroken("the record of the case does not verify", field="bundle")
        if verified.event is not None:
            sections = {label: decode_section(text, label) for label, text in verified.entry.sections.items()}
            names.learn(verified.event, sections)
    return names


def record_of(service: ServiceClient, trust: Trust | None) -> Callable[[str], CaseNames | None]:
    """Return what fetches the record of a case and verifies it by the trust file; it returns None where that fails."""

    def read(case_id: str) -> CaseNames | None:
        if trust is None:
            return None
        try:
            return names_in(service.fetch(at("/api/v1/cases/{}/proof", case_id)), trust)
        except TallystickError:
            return None  # nothing is named then, and the question says so

    return read
