"""Events in sentences, in the words of a language: ids with what they stand for, times in the zone in use.

The custody rules describe flags in English phrases, and those are recorded; they are told in the reader's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from ledger.acts import ACTS
from ledger.core.custody import CaseState
from ledger.core.custody.spans import Concerned, concerned, named_things
from ledger.core.custody.state import Discrepancy, Letter
from ledger.core.custody.stocktakes import CountDifference, CountedSide, sides_of
from ledger.core.events import EVENT_TYPES, NAME_OF, Body, Event, handover
from ledger.core.events.case import DecisionRecorded, ItemDecision
from ledger.core.events.fields import field_of, fields_of
from ledger.core.events.handover import AspectCheck, NotAcceptedItem, ReceivedItem
from ledger.core.events.item import ItemDisposed, ItemPart
from ledger.core.events.letter import Outsider
from ledger.core.events.record import Correction
from ledger.core.events.registry import Name
from ledger.core.events.stocktake import CountedDifference, StocktakeRecorded
from ledger.core.events.supervision import BilingualText, PeriodCount
from ledger.core.events.terms import PERSON_NAME, EventRef, Money, Quantity
from ledger.core.messages import Message, spelled_out
from ledger.core.procedure.rulebook import Level
from ledger.core.signing.authority import SERVICE_AGENCY
from ledger.i18n import Bilingual, Labels, translate, zone_in_use
from ledger.i18n.amounts import money_in_words

SHOWN = 5  # items or persons of a list that are named; the others are counted
# What is told beside the fields of events has words of these vocabularies, by its name.
_VOCABULARY = {
    **{
        name: name
        for name in (
            *("stage", "purpose", "reason_code", "remedy", "item_kind", "business_line", "trial", "measure"),
            *("disposal", "seal_state", "match_result", "qualifying_ground", "verdict", "severity"),
        )
    },
    "relation": "case_relation",
    "decided": "disposal",
    "excluded_for": "exclusion_ground",
    "roles": "role",
    "outcome": "lead_outcome",
    "grounds": "qualifying_ground",
    "service": "service",
    "particular": "particular",
    "means": "escalation",
    "kind": "letter_kind",  # of the letter that an event is about
}
_THINGS = {"items", "person_ids"}
# What separates the parts of a sentence.
_SEPARATES = re.compile(r"[,;:](?=\s|$)|\.(?=\s)|。(?=.)|[\n()\[\]\"“”→·…、，；：（）［］]")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_WITHIN_QUOTES = str.maketrans({"“": "‘", "”": "’", '"': "'"})
_NUMBERED = re.compile(r"\[[0-9]+\]")
_NUMBER = re.compile(r"[0-9.]+")
_SUM = re.compile(r"sum ([0-9]+) ([A-Z]{3})")  # of a discrepancy, in the smallest unit
_DAYS = frozenset({"until", "period_from", "period_until", "frozen_until", "day", "lawful", "ends_at"})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The label of a field where another than the field's own is meant: by the event type and the field's name.
_WITH_MATERIAL = (
    *("lead.answered", "lead.confirmed", "lead.closed"),
    *("recommendation.received", "recommendation.objected", "recommendation.answered"),
)
LABEL_IN = {
    ("recommendation.issued", "to_agency"): "advised",
    ("recommendation.received", "received_at"): "paper_received_at",
    ("letter.received", "received_at"): "paper_received_at",
    ("lead.assigned", "note"): "remark",
    ("model.adopted", "note"): "remark",
    ("recommendation.rechecked", "note"): "remark",
    **{(event_type, "digests"): "material" for event_type in _WITH_MATERIAL},
    ("section.erased", "label"): "section_label",
    ("section.erasure_proposed", "label"): "section_label",
    ("item.registered", "holder"): "possessor",
    ("item.registered", "witness"): "attesting_witness",
}
# What has no name of its own but for the event that begins it, or that somebody gives it.
_OF_CASE = frozenset(("item", "person", "handover", "letter", "measure", "decision", "custody_change", "hold"))
_AGENCIES = frozenset(
    ("agency", "from_agency", "to_agency", "keeper", "requested_by", "supervised", "supervising", "copies_to")
)
# Fields that follow a sentence in a clause, in this order, if they are stated and the sentence has no slot for them.
CLAUSES = (
    *("trial", "procedure", "person_id", "person_ids", "items", "split_from", "follows", "about", "returns"),
    *("received_at", "case_stays", "to_agency", "to_person", "to_outside", "from_person", "from_outside", "serves"),
    *("answers", "service", "item_ids", "number"),
    *("not_accepted", "absent_person_ids", "received", "quantity", "condition", "seal_number", "seal_state"),
    *("storage_location", "match_result", "finding", "exhibit_number", "digests", "seizure", "parent_items", "money"),
    *("features", "obtained_from", "method", "content", "period_from"),
    *("until", "article", "decided_at", "served_at", "effective_at", "decision_id", "document_number", "document_date"),
    *("reason_code", "qualifying_ground", "grounds", "ground", "explanation", "remark", "remedy"),
    *("review_on", "despite_holds", "erased_for"),
    *("particulars", "outline", "outline_answers", "due_at", "expires_at"),
    *("recipient", "proceeds", "withheld", "findings", "severity", "department", "measures", "leads"),
    *("recommendation_id", "copies_to", "copies_outside", "urgent", "reply_within_days", "objection_within_days"),
    *("advice", "note", "authority"),
)
# What is told of an item in the lines of these.
_OF_LINE: Mapping[type[Struct], tuple[str, ...]] = {
    ReceivedItem: ("match_result", "condition", "quantity", "money", "seal_number", "seal_state", "remark"),
    ItemPart: ("quantity", "money"),
    ItemDecision: ("disposal",),
}
# What the custody rules say in a side of a difference, by the name of its words.
_PHRASES = {"as listed": "as_listed", "differs": "differs"}
_PLACE_OF_CLAUSE = {field: place for place, field in enumerate(CLAUSES)}

Names = Callable[[str], str]
# From the ids of events that another one cites, and the id of the case of which there are the words (None without
# one), to those that are to be had.
CitedEvents = Callable[[Sequence[str], str | None], Mapping[str, Event]]


def quoted(text: str) -> str:
    """Return a recorded text as it stands in a sentence: in quotation marks if it could pass for several parts of it.

    What a reader would not see is spelled out.
    """
    shown = spelled_out(text)
    if shown == text and not _SEPARATES.search(text):
        return text
    return f"“{shown.translate(_WITHIN_QUOTES)}”"


def name_of_section(label: str, of_person: str | None, labels: Labels) -> str:
    """Return what the confidential section of an event has, whose section ``of_person`` is of the person it names."""
    if label == of_person:
        return labels.of("field", PERSON_NAME)
    return labels.find("particular", label) or label


def names_by_id(load_names: Callable[[], Mapping[str, Bilingual | Name]], labels: Labels) -> Names:
    """Return a function from the id of an agency or model to its name in the labels' language, or the id without one.

    ``load_names`` is called once, for the first name. The service, which is no agency, has a name of its own.
    """
    load_once = cache(load_names)

    def name_of(named_id: str) -> str:
        name = load_once().get(named_id)
        if name is None:
            return labels.of("noun", named_id) if named_id == SERVICE_AGENCY else named_id
        return labels.in_language(name)

    return name_of


def naming(names: Names, labels: Labels) -> Callable[[str, Any], Any]:
    """Return what renders the slots of a message: agencies by their names, words by their labels, all else as it is."""

    def show(slot: str, value: Any) -> Any:
        field = slot.rpartition(".")[2]
        if field in _AGENCIES or slot.endswith("agency_id"):
            return names(str(value))
        # What is a kind is not always one of a letter.
        vocabulary = None if field == "kind" else _VOCABULARY.get(field)
        return value if vocabulary is None else labels.find(vocabulary, str(value)) or value

    return show


def officer_of(event: Event, labels: Labels) -> str:
    """Return the officer who signed, or the words for the service, which signs as nobody."""
    return labels.of("noun", event.officer) if event.agency == SERVICE_AGENCY else event.officer


def vocabulary_of(event_type: str, field: str) -> str | None:
    """Return the vocabulary of a field's values, None if they are no words; an unknown event type has no fields."""
    row = EVENT_TYPES.get(event_type)
    own = None if row is None else field_of(row.body, field)
    return _VOCABULARY.get(field) if own is None else own.type.vocabulary


class Narrator(Struct, frozen=True):
    """Tells events in one language. ``names`` gives the name of an agency by its id.

    ``persons`` are the names of persons by their pseudonyms, as far as the reader may know them, and of the items of a
    case whose state is not at hand. ``cited`` gives the events that others cite. Who signs reads things that others
    name, such as handovers, by the events that ``introduced`` them, and of an id without a name that it has none.
    """

    labels: Labels
    names: Names = str
    persons: Mapping[str, str] = MappingProxyType({})
    cited: CitedEvents = lambda _event_ids, _case_id: {}
    introduced: Mapping[tuple[str, str], Event] | None = None  # by what it is, and its id

    def tell(
        self, before: CaseState | None, event: Event, after: CaseState | None, about: Concerned | None = None
    ) -> str:
        """Return the event in sentences. ``before`` and ``after`` are the case around it, None in other streams.

        ``about`` is what it concerns of the case, if that is known already.
        """
        return self.words(event, after).sentence(slots_of(before, event, after, about))

    def alone(self, event: Event) -> str:
        """Return the content of a payload without its case, for whoever is asked to sign it."""
        slots = slots_of(None, event, None)
        items = tuple(getattr(line, "item_id", line) for line in slots.get("items") or slots.get("item_ids") or ())
        slots["things"] = (*items, *(getattr(event.body, "person_ids", None) or ()))
        return self.words(event, None).sentence(slots, "alone")

    def detail(self, text: str) -> str:
        """Return the detail of a flag, for whoever does not have the case at hand."""
        return self.words_of("", None).value("detail", text)

    def words(self, event: Event, after: CaseState | None) -> EventWords:
        """Return the words for the values of an event; ``after`` is the case of its items."""
        return EventWords(self, NAME_OF[type(event.body)], after, frozenset(_brought_in(event.body)))

    def words_of(self, event_type: str, after: CaseState | None) -> EventWords:
        """Return the words for values of an event of this type, or of none, in a case."""
        return EventWords(self, event_type, after)


class EventWords:
    """The words for one event's values: ids by what they stand for, times in the zone in use, words by labels."""

    def __init__(
        self, narrator: Narrator, event_type: str, after: CaseState | None, brought_in: frozenset[str] = frozenset()
    ):
        self._labels, self._names = narrator.labels, narrator.names
        self._persons, self._cited = narrator.persons, narrator.cited
        self._introduced, self._brought_in = narrator.introduced, brought_in
        self._event_type = event_type
        self._after = after
        self._looked_up: dict[str, Event | None] = {}

    def sentence(self, slots: Mapping[str, Any], catalogue: str = "sentence") -> str:
        """Return the event type's sentence, with a clause for each field that it has no slot for."""
        # Few event types have a sentence of their own for a payload alone.
        template = self._labels.find(catalogue, self._event_type) or self._labels.of("sentence", self._event_type)
        # What an event says of persons whom it names may be something else than what it says of the case.
        template = (slots.get("person_ids") and self._labels.find("sentence_of_persons", self._event_type)) or template
        # A difference that a stocktake raises is of no handover.
        template = (slots.get("stocktake_id") and self._labels.find("sentence_of_count", self._event_type)) or template
        if self._event_type in ("section.erasure_proposed", "section.erased"):
            slots = {**slots, "label": self.section(slots["concerns"].event_id, slots["label"])}
        taken = set(_slots_in(template))
        if "things" in taken:
            taken |= _THINGS
        # Not by another one: it is its own id.
        taken |= {"decision.recorded": {"decision_id"}, "recommendation.issued": {"recommendation_id"}}.get(
            self._event_type, set()
        )
        if self._event_type == "case.taken_over":  # the page of the event lists them
            taken.add("measures")
        clauses = [
            self._labels.of("clause", field).format(self.part(field, slots[field]))
            for field in sorted(slots.keys() & _PLACE_OF_CLAUSE.keys() - taken, key=_PLACE_OF_CLAUSE.__getitem__)
            if slots[field] not in (None, (), {}, "", False)
        ]
        return self.joined((self._filled(template, slots, self.part), *clauses))

    def sides(self, difference: CountDifference | CountedDifference | Discrepancy) -> dict[str, str]:
        """Return both sides of a difference in words, by their fields: ``expected`` and ``found``."""
        return {field: self.value(field, side) for field, side in sides_by_field(difference).items()}

    def label(self, field: str) -> str:
        """Return the label of a field of this event."""
        return self._labels.of("field", LABEL_IN.get((self._event_type, field), field))

    def named(self, name: str) -> str:
        """Return the label of a field that the procedure gives a kind."""
        return self._labels.of("particular", name)

    def particular(self, name: str, value: str) -> str:
        """Return what is stated in such a field, in words."""
        return self._thing(self._labels.of_particular(name, value))

    def event(self, event_id: str) -> str:
        """Return an event of the case by what it did, and to what; by its id alone if it is not to be had."""
        event = self._event(event_id)
        return self._unnamed(event_id) if event is None else self._did(event, event_id)

    def _did(self, event: Event, named_id: str, *about: str) -> str:
        parts = [*about, self._labels.of("event_type", event.event_type)]
        word = next((field for field in fields_of(type(event.body)) if field.type.kind == "word"), None)
        if word is not None and (text := getattr(event.body, word.name)):
            parts.append(self._labels.of(word.type.vocabulary or "", text))
        if things := [self._thing(named, "item") for named in dict.fromkeys(named_things(event.body)) if named]:
            parts.append(self._list(things))
        did = " · ".join(parts).translate(_WITHIN_QUOTES)
        return self._labels.of("telling", "event").format(did, named_id)

    def _unnamed(self, text: str) -> str:
        """Return the id of what has no name here: to who signs, as that."""
        return text if self._introduced is None else self._labels.of("telling", "unnamed").format(text)

    def section(self, event_id: str, label: str) -> str:
        """Return what a confidential section of an event has: a person's name, or a field of the procedure."""
        event = self._event(event_id)
        if event is not None:
            return name_of_section(label, getattr(event.body, "section", None), self._labels)
        return self._labels.find("particular", label) or self._unnamed(label)

    def look_up(self, values: Iterable[Any]) -> None:
        """Look up together those of the values that cite events."""
        self._events(value.event_id for value in values if isinstance(value, EventRef))

    def _event(self, event_id: str) -> Event | None:
        self._events([event_id])
        return self._looked_up[event_id]

    def _events(self, event_ids: Iterable[str]) -> None:
        if wanted := [event_id for event_id in event_ids if event_id not in self._looked_up]:
            cited = self._cited(wanted, None if self._after is None else self._after.case_id)
            self._looked_up |= {event_id: cited.get(event_id) for event_id in wanted}

    def note(self, kind: str, values: Mapping[str, Any]) -> str:
        """Return a note of this kind; see ``ledger.timeline.case_history``."""
        return self.joined((self._filled(self._labels.of("note", kind), values, self.value),))

    def of_break(self, kind: str) -> str:
        """Return what is wrong with a time that the chain of custody leaves open."""
        return self._labels.of("break", kind)

    def of_flag(self, name: str) -> str:
        """Return what a flag means."""
        return self._labels.of_flag(name)

    def level_of_flag(self, name: str) -> Level:
        """Return how much a flag matters."""
        return self._labels.level_of_flag(name)

    def _filled(self, template: str, values: Mapping[str, Any], in_words: Callable[[str, Any], str]) -> str:
        texts = {
            name: text.rstrip(".。") if is_last else text
            for name, is_last in _slots_in(template).items()
            for text in (in_words(name, values.get(name)),)
        }
        return template.format_map(texts)

    def joined(self, sentences: Iterable[str]) -> str:
        """Return sentences as one text, each with its full stop."""
        stop = self._labels.of("telling", "full_stop")
        return stop.join(sentence.rstrip(".。") for sentence in sentences) + stop.rstrip()

    def part(self, field: str, value: Any) -> str:
        """Return a value in words as a part of a sentence or list, where a text may have to be ``quoted``."""
        in_words = self.value(field, value)
        return quoted(in_words) if isinstance(value, str) and in_words == value else in_words

    def value(self, field: str, value: Any) -> str:
        """Return a field's value in words, a text as it was recorded; long lists are cut short."""
        if isinstance(value, dict):
            stated = {self.named(name): (self.particular(name, text), text) for name, text in value.items()}
            return self._list(
                [f"{name}: {quoted(part) if part == text else part}" for name, (part, text) in stated.items()]
            )
        if value is None or value == ():
            return self._labels.of("telling", "nothing")
        if isinstance(value, bool):
            return self._labels.of("telling", "yes" if value else "no")
        if isinstance(value, tuple):
            return self._list([self.part(field, part) for part in value])
        if isinstance(value, Struct):
            return self._struct(value)
        if (vocabulary := vocabulary_of(self._event_type, field)) is not None:
            return self._labels.of(vocabulary, str(value))
        if field in _AGENCIES:
            return self._names(str(value))
        if (at := _moment_in(field, value)) is not None:
            return self._labels.moment(at) if at.timestamp() else self._labels.of("telling", "ever")
        if (text := self._time_or_clock(field, str(value))) is not None:
            return text
        if isinstance(value, Message):  # a flag's detail: its slots are fields
            return translate(value, self._labels.language, self.value)
        if (called := self._called(field, str(value))) is not None:
            return called
        if field in ("expected", "found"):
            return "; ".join(self._difference(part) for part in str(value).split("; "))
        return self._thing(str(value), _names_by_field().get(field))

    def _time_or_clock(self, field: str, text: str) -> str | None:
        """Return the words for days, durations, clocks, articles and paths of fields; None for any other field."""
        if field in _DAYS and _DAY.fullmatch(text):
            return self._labels.of("moment", "day").format(date.fromisoformat(text))
        if field == "clock":
            return self._labels.of_clock(text)
        if field == "procedure":
            return self._labels.of_procedure(text)
        if field in ("extension", "earlier"):
            clock, _, name = text.rpartition("/")
            return self._labels.of_extension(clock, name)
        if field == "deadline_id":
            clock, subject, _ = text.split("/")
            return self._item(self._labels.of_clock(clock), self.value("subject", subject))
        if (field, self._event_type) == ("field", "record.corrected"):
            return self._item(self.path(text), text)
        if (field, text) == ("subject", "case"):
            return self._labels.of("subject", "case")
        return self._labels.of_article(text) if field == "article" else None

    def _called(self, field: str, text: str) -> str | None:
        """Return a letter, decision or measure by its kind; None for another field, or for the event that begins it."""
        if self._after is None:
            return None
        if field == "measure_id" and self._event_type != "measure.imposed":
            held = self._after.measures.get(text)
            return None if held is None else self._item(self._labels.of("measure", held.measure), text)
        paper: Letter | DecisionRecorded | None
        if field == "answers" or (field == "letter_id" and self._event_type == "letter.received"):
            paper, vocabulary = self._after.letters.get(text), "letter_kind"
        elif field in ("about", "serves") or (field == "decision_id" and self._event_type != "decision.recorded"):
            paper, vocabulary = self._after.decisions.get(text), "decision_kind"
        else:
            return None
        if paper is None:
            return None
        called = f"{self._labels.of(vocabulary, paper.kind)} {quoted(paper.number or '')}".strip()
        return self._item(called, text)

    def _item(self, called: str, named_id: str) -> str:
        return self._labels.of("telling", "item").format(called, named_id)

    def _thing(self, text: str, kind: str | None = None) -> str:
        """Return an item, a person and a handover with what they are; anything else as it was recorded.

        ``kind`` is what the text is the id of.
        """
        if self._after is not None and text in self._after.items:
            return self._item(quoted(self._after.items[text].description), text)
        if self._after is not None and (handed := self._after.handovers.get(text)) is not None:
            purpose = self._labels.of("purpose", handed.purpose)
            at = self._labels.moment(datetime.fromisoformat(handed.offered_at))
            return self._labels.of("telling", "handover").format(purpose, at, text)
        if (name := self._persons.get(text)) is not None:
            is_enough = self._after is not None and [*self._persons.values()].count(name) == 1
            return quoted(name) if is_enough else self._item(quoted(name), text)
        event = None if kind is None or text in self._brought_in else (self._introduced or {}).get((kind, text))
        if event is not None:
            number = getattr(event.body, "number", None)
            return self._did(event, text, self._names(event.agency), *([] if number is None else [quoted(number)]))
        if _PSEUDONYM.fullmatch(text):
            kind, shown = "person", self._labels.of("telling", "person").format(self._shortened(text))
        else:
            shown = text
        return shown if kind is None or text in self._brought_in else self._unnamed(shown)

    def _shortened(self, person_id: str) -> str:
        """Return a pseudonym as far as it tells the persons of the case apart; whole if the case is not at hand."""
        if self._after is None:
            return person_id
        short = person_id[:8]
        is_alone = all(known_id == person_id or not known_id.startswith(short) for known_id in self._after.persons)
        return f"{short}…" if is_alone else person_id

    def _difference(self, text: str) -> str:
        """Return a side of a discrepancy, in the reader's words if it is one of the custody rules' own phrases."""
        if text in _PHRASES:
            return self._labels.of("telling", _PHRASES[text])
        if (reason := text.removeprefix("reason ")) != text:
            return self._labels.find("reason_code", reason) or text
        if (seal := text.removeprefix("seal ")) != text:
            return self._labels.of("telling", "seal").format(self._labels.find("seal_state", seal) or seal)
        if money := _SUM.fullmatch(text):
            return money_in_words(int(money[1]), money[2])
        amount, _, unit = text.partition(" ")
        return self._labels.quantity(amount, unit) if _NUMBER.fullmatch(amount) else quoted(text)

    def _list(self, parts: list[str]) -> str:
        listed = self._labels.of("telling", "separator").join(parts[:SHOWN])
        if len(parts) <= SHOWN:
            return listed
        return self._labels.of("telling", "more").format(listed, left=len(parts) - SHOWN, all=len(parts))

    def _struct(self, value: Struct) -> str:
        match value:
            case Quantity(value=amount, unit=unit):
                return self._labels.quantity(amount, unit)
            case PeriodCount(count=count, period_from=since, period_until=until):
                return self._labels.of("telling", "counted").format(count, since, until)
            case Money(amount=amount, currency=currency):
                return money_in_words(amount, currency)
            case Outsider(kind=kind, name=name, place=place):
                called = self._item(quoted(name), self._labels.of("outsider_kind", kind))
                return called if place is None else self._list([called, quoted(place)])
            case BilingualText():
                return quoted(self._labels.in_language(value))
            case EventRef(event_id=event_id):
                return self.event(event_id)
            case AspectCheck(aspect=aspect, result=result):
                looked_at = self._labels.of("aspect", aspect)
                return self._labels.of("telling", "noted").format(looked_at, self._labels.of("check_result", result))
            case NotAcceptedItem(item_id=item_id, reason_code=reason):
                explained = [self.part("explanation", value.explanation)] if value.explanation else []
                return self._noted(item_id, [self._labels.of("reason_code", reason), *explained])
            case ReceivedItem(item_id=item_id) | ItemPart(item_id=item_id) | ItemDecision(item_id=item_id):
                stated = ((field, getattr(value, field)) for field in _OF_LINE[type(value)])
                notes = [self.part(field, part) for field, part in stated if part is not None]
                return self._noted(item_id, notes) if notes else self._thing(item_id, "item")
            case CountedSide():
                return self._counted(value)
            case CountedDifference():
                sides = " → ".join(self.value(field, side) for field, side in sides_by_field(value).items())
                return self._noted(value.item_id, [self._labels.of("discrepancy_kind", value.kind), sides])
            case Correction():
                zone = zone_in_use()
                sides = " → ".join(quoted(zone.with_readable_times(text)) for text in (value.recorded, value.correct))
                return f"{self.path(value.field)}: {sides}"
        return self._list([self.part(field, part) for field, part in asdict(value).items() if part not in (None, ())])

    def _counted(self, side: CountedSide) -> str:
        """Return a side of a difference that a stocktake states; what was typed of places and seals as it was typed."""
        match side.word:
            case "placed":
                return quoted(str(side.text))
            case "held_elsewhere":
                return self._labels.of("telling", "held_by").format(self._names(str(side.text)))
            case "sealed":
                return self._labels.of("telling", "seal").format(quoted(str(side.text)))
            case "not_there":
                return self._labels.of("telling", "not_there")
        return self._labels.of("recorded_as", side.word)

    def path(self, path: str) -> str:
        """Return the label of the field that a correction names by its path in a body."""
        *outer, name = _NUMBERED.sub("", path).split(".")
        if outer and name == "value":  # of a quantity
            name = outer.pop()
        return self.named(name) if "particulars" in outer else self._labels.of("field", name)

    def _noted(self, item_id: str, notes: list[str]) -> str:
        separator = self._labels.of("telling", "separator")
        return self._labels.of("telling", "noted").format(self._thing(item_id, "item"), separator.join(notes))


def sides_by_field(
    difference: CountDifference | CountedDifference | Discrepancy | handover.DiscrepancyRaised,
) -> dict[str, Any]:
    """Return both sides of a difference as ``EventWords.value`` tells them, by their fields.

    Those of a stocktake are words of its own; of a handover they are texts.
    """
    expected, actual = difference.expected, difference.found
    if difference.recorded_as is None:
        return {"expected": expected, "found": actual}
    kind = difference.kinds[0] if isinstance(difference, Discrepancy) else difference.kind
    return dict(zip(("expected", "found"), sides_of(kind, difference.recorded_as, expected, actual), strict=True))


@cache
def _slots_in(template: str) -> Mapping[str, bool]:
    """Return the slots of a template; true for those before a full stop of it: what fills them loses its own."""
    slots = {name for _, name, _, _ in Formatter().parse(template) if name}
    return {name: f"{{{name}}}." in template or f"{{{name}}}。" in template for name in slots}


def _moment_in(field: str, value: Any) -> datetime | None:
    """Return the moment of a field: in RFC 3339 if the field's name says so, in unix seconds of a grant."""
    if field.endswith(("_at", "as_of")) and isinstance(value, str) and "T" in value:
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(value, UTC) if field in ("valid_from", "valid_until") else None


@cache
def _names_by_field() -> Mapping[str, str]:
    """Return what of a case the ids in a field name, by the field's name, if they always do in bodies and parts."""
    kinds: dict[str, set[str | None]] = {"things": {"item"}}
    bodies: list[type[Struct]] = [row.body for row in EVENT_TYPES.values()]
    while bodies:
        for field in fields_of(bodies.pop()):
            kinds.setdefault(field.name, set()).add(field.type.names)
            if field.type.part is not None:
                bodies.append(field.type.part)
    return {name: kind for name, (kind, *others) in kinds.items() if kind in _OF_CASE and not others}


def _brought_in(body: Body) -> Iterator[str]:
    """Yield the ids of what an event brings in, which nobody can have named before."""
    act = ACTS.get(NAME_OF[type(body)])
    if act is not None and act.makes is not None:
        yield getattr(body, act.makes)
    for field in fields_of(type(body)):
        inner = getattr(body, field.name)
        for part in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(part, ItemPart):
                yield part.item_id


def slots_of(
    before: CaseState | None, event: Event, after: CaseState | None, about: Concerned | None = None
) -> dict[str, Any]:
    """Return the body's fields, with agency, officer and authority, and what they stand for in the case."""
    body, authority = event.body, event.authority
    slots = {"agency": event.agency, "officer": event.officer} | asdict(body)
    if authority is not None:
        slots["authority"] = authority.authorization_type, authority.authorization_identifier
    if isinstance(body, handover.DiscrepancyRaised):
        slots |= sides_by_field(body)
    if isinstance(body, StocktakeRecorded):
        slots |= {"in_place": len(body.present), "differing": len(body.differences)}
    if after is None:
        return slots
    about = about or concerned(before, event, after)
    listed = [getattr(line, "item_id", line) for line in slots.get("items") or slots.get("item_ids") or ()]
    in_order = dict.fromkeys((*(item_id for item_id in listed if item_id in about.item_ids), *about.item_ids))
    slots["things"] = (*in_order, *about.person_ids)
    for field, by_id in (("measure_id", after.measures), ("custody_change_id", after.custody_changes)):
        if (named := by_id.get(slots.get(field, ""))) is not None:
            slots = asdict(named) | slots
    offered = after.handovers.get(getattr(body, "handover_id", ""))
    if offered is not None:
        slots |= {"from_agency": offered.from_agency, "to_agency": offered.to_agency, "purpose": offered.purpose}
        if isinstance(body, handover.HandoverAccepted):
            present = [person_id for person_id in offered.person_ids if person_id not in body.absent_person_ids]
            slots["things"] = (*offered.accepted_items, *present)
    if before is not None and isinstance(body, ItemDisposed):  # what the first signature proposed
        proposal = before.proposals[body.cites.event_id]
        slots |= {"things": proposal.item_ids, "disposal": proposal.disposal, "decision_id": proposal.decision_id}
    deadline_id = getattr(body, "deadline_id", None)
    if deadline_id is not None:
        slots["clock"], slots["subject"], _ = deadline_id.split("/")
        if (extension := getattr(body, "extension", None)) is not None:
            slots["extension"] = f"{slots['clock']}/{extension}"
    return slots
