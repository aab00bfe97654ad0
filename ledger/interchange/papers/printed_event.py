"""An event to be printed: with the case around it, as its reader may see it, and which papers of its procedure it is.

Values have the names that rows of papers use (``ledger.core.procedure.papers``); what is not stated is None or empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import CaseState, Handover, MeasureState
from ledger.core.custody.particulars import is_confidential
from ledger.core.custody.state import Act, Letter
from ledger.core.errors import NotFound
from ledger.core.events import Event, Section
from ledger.core.events.handover import HandoverOffered, HandoverReturned
from ledger.core.events.item import ItemDisposalProposed, ItemDisposed, ItemRegistered, Seizure
from ledger.core.events.letter import LetterSent
from ledger.core.events.record import ErasureProposed, SectionErased
from ledger.core.events.supervision import RecommendationIssued
from ledger.core.events.terms import VALUE_FIELD, EventRef
from ledger.core.messages import Message, Term
from ledger.core.procedure.legal_days import holds_on
from ledger.core.procedure.papers import PaperCondition, PaperRow
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.supervision import reply_period
from ledger.i18n import Labels
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import HistoryEvent
from ledger.timeline.sentences import slots_of


class PrintedEvent(Struct, frozen=True, dict=True):
    """An event of a case or of supervision, by a procedure that says what it prints.

    ``history`` has the events of its case up to it, ``earlier`` those of its supervision stream. ``kinds`` are the
    kinds of agencies. ``sections`` are its confidential ones, by label, None if erased; None altogether if the reader
    may not read them. ``persons`` are the names of persons by id, as far as the reader may know them. ``seized_kinds``
    are the kinds of the things of its seizure, if whoever reads many events has collected them.
    """

    entry: StoredEntry
    event: Event
    book: Rulebook
    kinds: Mapping[str, str] = {}
    history: tuple[HistoryEvent, ...] = ()
    earlier: tuple[Event, ...] = ()
    sections: Mapping[str, Section | None] | None = None
    persons: Mapping[str, str] = {}
    seized_kinds: frozenset[str] | None = None

    @property
    def before(self) -> CaseState | None:
        return self.history[-1].before if self.history else None

    @property
    def after(self) -> CaseState | None:
        return self.history[-1].after if self.history else None

    @property
    def case(self) -> CaseState:
        """Return the case after the event. Requires an event of a case."""
        assert self.after is not None, "rows of events without a case have no values of one"
        return self.after

    @property
    def handover(self) -> Handover | None:
        """Return the handover that the event's body names."""
        return None if self.after is None else self.after.handovers.get(getattr(self.event.body, "handover_id", ""))

    @property
    def seizure(self) -> Seizure | None:
        """Return the seizure that the event states, of which it registers one thing."""
        body = self.event.body
        return body.seizure if isinstance(body, ItemRegistered) else None

    @property
    def letter(self) -> Letter | None:
        """Return the letter that the event's body names."""
        return None if self.after is None else self.after.letters.get(getattr(self.event.body, "letter_id", ""))

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """Return what the event states, and what stands behind it in the case."""
        values = slots_of(self.before, self.event, self.after)
        values |= {"event_id": self.event.event_id, "occurred_at": self.event.occurred_at}
        if self.after is None:
            of_stream = (asdict(event.body) for event in self.earlier[:1])  # what it is about
            values = {name: value for stated in of_stream for name, value in stated.items()} | values
            values["addressee"] = values.get("to_agency") or values.get("to_outside")
            if isinstance(self.event.body, RecommendationIssued):
                act = Act(self.event, self.book, kinds=self.kinds)
                values["reply_within"] = reply_period(act)
            return values
        for part in (
            *(self._of_case(), self._of_handover(), self._of_letter(), self._of_items()),
            *(self._of_measures(), self._of_destruction()),
        ):
            values |= part
        values = {**values.get("particulars", {}), **self._confidential_particulars(), **values}
        values["persons"] = self.person_ids
        values["decision"] = values.get("decision_id") or values.get("serves") or values.get("about")
        return values

    def _confidential_particulars(self) -> dict[str, str]:
        """Return what the sections that the reader may read state in the confidential fields of the procedure."""
        sections = (self.sections or {}).items()
        stated = {label: section.fields for label, section in sections if section and is_confidential(label, self.book)}
        return {label: fields[VALUE_FIELD] for label, fields in stated.items() if VALUE_FIELD in fields}

    def names_of_persons(self, labels: Labels) -> dict[str, str]:
        """Return how each person of the case stands on the paper.

        By name where the reader may know it, else by the role, numbered as the persons of it were named: ``suspect 1``.
        """
        names: dict[str, str] = {}
        numbers: Counter[str] = Counter()
        for person in () if self.after is None else self.after.persons.values():
            numbers[person.role] += 1
            role, number = labels.of("person_role", person.role), numbers[person.role]
            unnamed = labels.of("paper", "unnamed_person").format(role=role, number=number)
            names[person.person_id] = self.persons.get(person.person_id, unnamed)
        return names

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """Return the items that the event is about: those of its list, its seizure, or that it names."""
        handover = self.handover
        if self.seizure is not None:
            number = self.seizure.document_number
            items = self.case.items.values()
            return tuple(item.item_id for item in items if item.seizure and item.seizure.document_number == number)
        if handover is not None:
            return tuple(handover.items)
        return () if not self.history else self.history[-1].concerned.item_ids

    @cached_property
    def person_ids(self) -> tuple[str, ...]:
        """Return the persons that the event is about."""
        if self.handover is not None:
            person_id = getattr(self.event.body, "person_id", None)
            return self.handover.person_ids if person_id is None else (person_id,)
        if isinstance(self.event.body, ItemRegistered | ItemDisposed):
            return ()
        return () if not self.history else self.history[-1].concerned.person_ids

    def of_history(self, kinds: type | tuple[type, ...], field: str, value: str) -> Any:
        """Return the body of these kinds that has the value in this field, or None."""
        bodies = (event.event.body for event in self.history)
        return next((body for body in bodies if isinstance(body, kinds) and getattr(body, field) == value), None)

    def running_measures(self, person_id: str) -> list[MeasureState]:
        """Return the measures on a person that have not ended."""
        measures = self.case.measures.values()
        return [measure for measure in measures if measure.person_id == person_id and measure.ended_at is None]

    def _of_case(self) -> dict[str, Any]:
        case = self.case
        number = case.numbers.get(self.event.agency) or case.numbers.get(case.opened_by)
        names = ("case_id", "case_type", "business_line", "stage")
        return {name: getattr(case, name) for name in names} | {"case_number": number, "case_numbers": case.numbers}

    def _of_handover(self) -> dict[str, Any]:
        handover, body = self.handover, self.event.body
        if handover is None:
            return {}
        offer = self.of_history((HandoverOffered, HandoverReturned), "handover_id", handover.handover_id)
        returned = self.case.handovers.get(handover.returns or "")
        return {
            "offered_at": handover.offered_at,
            "offered_by": handover.offered_by,
            "offer_number": getattr(offer, "number", None),
            "received_at": getattr(body, "received_at", None) or handover.received_at,
            "returned_purpose": None if returned is None else returned.purpose,
        }

    def _of_letter(self) -> dict[str, Any]:
        letter = self.letter
        if letter is None:
            return {}
        sent = self.of_history(LetterSent, "letter_id", letter.letter_id)
        return asdict(letter) | {
            "service": letter.service,
            "content": getattr(sent, "content", None),
            "due_at": getattr(sent, "due_at", None),
            "addressee": letter.to_agency or letter.person_id or letter.outside,
            "answered_letter": None if letter.answers is None else self.case.letters.get(letter.answers),
            "agency": self.event.agency,
        }

    def _of_items(self) -> dict[str, Any]:
        body = self.event.body
        if self.seizure is not None:
            return asdict(self.seizure)
        item = self.case.items.get(getattr(body, "item_id", ""))
        return {} if item is None or item.frozen_until is None else {"frozen_until": item.frozen_until}

    def _of_destruction(self) -> dict[str, Any]:
        """Return who proposed what two destroy, and of a section the digest that remains of it."""
        body = self.event.body
        values: dict[str, Any] = {}
        if isinstance(body, ItemDisposed | SectionErased):
            proposal = self._past(body.cites)
            values = {"proposed_by": proposal.officer, "proposed_at": proposal.occurred_at}
            if isinstance(proposal.body, ItemDisposalProposed):
                values |= {"recipient": proposal.body.recipient, "ground": proposal.body.ground}
        if isinstance(body, ErasureProposed | SectionErased):
            values["section_digest"] = self._past(body.concerns).confidential[body.label]
        return values

    def _past(self, ref: EventRef) -> Event:
        """Return an event of the case that this one cites; the rules let it cite no other."""
        return next(past.event for past in self.history if past.event.event_id == ref.event_id)

    def _of_measures(self) -> dict[str, Any]:
        """Return the measure that the event names, or those of its person that hold the person in custody."""
        measure = self.case.measures.get(getattr(self.event.body, "measure_id", ""))
        measures = [measure] if measure is not None else []
        if not measures:
            held = (each for person_id in self.person_ids for each in self.running_measures(person_id))
            measures = [each for each in held if each.locks_up]
        if not measures:
            return {}
        last = measures[-1]
        changed = self.case.measures.get(getattr(self.event.body, "new_measure_id", ""), last)
        former = None if measure is None or changed is measure else measure.measure
        return {
            "former_measure": former,
            "measure": changed.measure,
            "started_at": changed.started_at,
            "measure_until": changed.until,
        }


# -- which papers an event prints --------------------------------------------------------------------------------------


def papers_of(printed: PrintedEvent) -> list[PaperRow]:
    """Return the rows by which the event prints, in the order of its procedure."""
    day = printed.book.zone.day_of_text(printed.event.occurred_at).isoformat()
    rows: dict[str, PaperRow] = {}
    for row in printed.book.papers:
        if row.event == printed.event.event_type and holds_on(row, day) and _fits(row.condition, printed):
            rows.setdefault(row.name, row)
    replaced = {name for row in rows.values() for name in row.replaces}
    return [row for row in rows.values() if row.name not in replaced]


def paper_of(printed: PrintedEvent, name: str | None) -> PaperRow:
    """Return the row of this name by which the event prints, or its first. Raises NotFound if there is none."""
    rows = papers_of(printed)
    for row in rows:
        if name in (None, row.name):
            return row
    kinds = dict.fromkeys(row.event for row in printed.book.papers)
    raise NotFound(
        "{event_type}, as it stands here, prints as no {document}",
        event_type=Term("event_type", printed.event.event_type),
        document=name or "document",
        field="document" if name else "event_id",
        code="no_paper",
        hint=Message("These print: {documents}.", documents=", ".join([row.name for row in rows] or kinds)),
    )


def _fits(condition: PaperCondition | None, printed: PrintedEvent) -> bool:
    if condition is None:
        return True
    for key, words in condition.asked:
        if not _has(printed, words) if key == "has" else {*words}.isdisjoint(_ANSWERS[key](printed)):
            return False
    return condition.unless is None or not _fits(condition.unless, printed)


def _has(printed: PrintedEvent, names: Iterable[str]) -> bool:
    values = (printed.item_ids if name in ("items", "custody") else printed.values.get(name) for name in names)
    return all(value not in (None, (), "", {}) for value in values)


def _named(printed: PrintedEvent, participant: Any) -> Iterator[str]:
    """Yield what an agency, a person or somebody outside is called by: kind and traits, the role, the kind."""
    if participant is None:
        return
    if not isinstance(participant, str):
        yield participant.kind
    elif printed.after is not None and participant in printed.after.persons:
        yield printed.after.persons[participant].role
    elif (kind := printed.kinds.get(participant)) is not None:
        yield kind
        yield from printed.book.traits.get(kind, ())


def _receiver(printed: PrintedEvent) -> Any:
    values = printed.values
    return values.get("addressee") or values.get("keeper") or values.get("to_agency")


def _words_of(name: str) -> Callable[[PrintedEvent], Collection[str]]:
    return lambda printed: tuple(filter(None, (printed.values.get(name),)))


def _kinds_of_items(printed: PrintedEvent) -> Collection[str]:
    if printed.seized_kinds is not None:
        return printed.seized_kinds
    return {printed.case.items[item_id].kind for item_id in printed.item_ids}


def _roles(printed: PrintedEvent) -> Collection[str]:
    persons = printed.case.persons
    return {persons[person_id].role for person_id in printed.person_ids if person_id in persons}


_ANSWERS: Final[Mapping[str, Callable[[PrintedEvent], Collection[str]]]] = {
    "by": lambda printed: tuple(_named(printed, printed.event.agency)),
    "to": lambda printed: tuple(_named(printed, _receiver(printed))),
    "returned": _words_of("returned_purpose"),
    "line": _words_of("business_line"),
    **{
        name: _words_of(name)
        for name in ("purpose", "kind", "reason_code", "measure", "former_measure", "disposal", "stage", "case_type")
    },
    "item_kind": _kinds_of_items,
    "role": _roles,
}
