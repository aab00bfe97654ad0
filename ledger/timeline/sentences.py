"""Details of flags in the reader's words. The custody rules say them in English phrases, and those are recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from string import Formatter
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import CaseState
from ledger.core.custody.spans import concerned
from ledger.core.events import NAME_OF, Payload, handover
from ledger.core.events.case import ItemDecision
from ledger.core.events.handover import NotAcceptedItem, ReceivedItem
from ledger.core.events.item import ItemDisposed, ItemPart
from ledger.core.events.record import Correction
from ledger.core.events.supervision import BilingualText, PeriodCount
from ledger.core.events.terms import EventRef, Money, Quantity
from ledger.core.procedure.legal_days import with_readable_times
from ledger.i18n import Bilingual, Labels
from ledger.i18n.messages import said

# The rules' own phrases, the more particular first; a slot is a field, and its value is said as that field's.
TEMPLATES = (
    "signed {hours} hours after it happened",
    "received at {received_at}, before it was offered at {offered_at}",
    "answered at {occurred_at}, before it was received at {received_at}",
    "served at {served_at}, before it was decided at {decided_at}",
    "served at {served_at}, before it was requested at {requested_at}",
    "disposed at {disposed_at}, before it was proposed at {proposed_at}",
    "disposed at {disposed_at}, before it was decided at {decided_at}",
    "in effect at {effective_at}, before it was decided at {decided_at}",
    "due at {due_at}, before it was set at {occurred_at}",
    "until {until}, before it was set at {occurred_at}",
    "return no. {number} for supplementary investigation",
    "handover {handover_id} set {due_at}",
    "{officer} released and received",
    "{occurred_at}, after an act of {before_at}",
    "the case was closed",
    "item {item_id} was due at {due_at}",
    "item {item_id} is frozen until {day}",
    "item {item_id} was frozen until {day}",
    "item {item_id}: differs",
    "item {item_id}: quantity {found}, recorded {expected}",
    "item {item_id}: {disposal}, decided {decided}",
    "item {item_id}: {found}, recorded {expected}",
    "{person_id} is kept for {agency}",
    "{clock} is not extended by {article}",
    "{deadline_id} is set to {until}, the rules give it until {lawful}",
)
_PARTS = re.compile(r", (?=item |[0-9a-f]{32} is kept|(?:received|answered|served|disposed|in effect|due) at )")


def _pattern(template: str) -> re.Pattern[str]:
    pieces = Formatter().parse(template)
    return re.compile("".join(re.escape(text) + (f"(?P<{slot}>.+?)" if slot else "") for text, slot, _, _ in pieces))


_PATTERNS = {template: _pattern(template) for template in TEMPLATES}


def in_words(labels: Labels, detail: str, said: Callable[[str, str], str]) -> str:
    """The detail, phrase by phrase; one that is not of the rules stays as it is."""
    separator = labels.of("telling", "separator")
    return separator.join(_phrase(labels, part, said) for part in _PARTS.split(detail))


def _phrase(labels: Labels, phrase: str, said: Callable[[str, str], str]) -> str:
    for template, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(phrase):
            shown = labels.find("flag_detail", template) or template
            return shown.format_map({slot: said(slot, value) for slot, value in match.groupdict().items()})
    return said("", phrase)


SHOWN = 5  # items or persons of a list that are named; the others are counted
# A field whose values are words of a vocabulary: by its name, and by the event type where that decides.
_VOCABULARY = {
    "stage": "stage",
    "purpose": "purpose",
    "reason_code": "reason_code",
    "remedy": "remedy",
    "item_kind": "item_kind",
    "business_line": "business_line",
    "procedure": "procedure",
    "relation": "case_relation",
    "measure": "measure",
    "disposal": "disposal",
    "decided": "disposal",
    "seal_state": "seal_state",
    "match_result": "match_result",
    "qualifying_ground": "qualifying_ground",
    "excluded_for": "exclusion_ground",
    "verdict": "verdict",
    "jurisdiction": "check_result",
    "dossier_complete": "check_result",
    "property_matches_list": "check_result",
    "person_and_measure": "check_result",
    "within_time": "check_result",
    "roles": "role",
    "severity": "severity",
    "outcome": "lead_outcome",
}
VOCABULARY_IN = {
    ("person.named", "role"): "person_role",
    ("decision.recorded", "kind"): "decision_kind",
    ("discrepancy.raised", "kind"): "discrepancy_kind",
    ("registry.agency_admitted", "kind"): "agency_kind",
    ("lead.dismissed", "reason_code"): "dismissal_reason",
    ("recommendation.rechecked", "result"): "recheck_result",
}
_THINGS = {"items", "person_ids"}
_NUMBER = re.compile(r"[0-9.]+")
_DAYS = frozenset({"until", "day", "lawful", "ends_at"})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TWO_DAYS = 48  # hours
_AGENCIES = frozenset(
    ("agency", "from_agency", "to_agency", "detention_house", "requested_by", "supervised", "procuratorate")
)
# Fields that follow a sentence in a clause, in this order, where they are stated and the sentence has no slot for them.
CLAUSES = (
    "procedure",
    "person_id",
    "person_ids",
    "items",
    "split_from",
    "follows",
    "returns",
    "received_at",
    "not_accepted",
    "absent_person_ids",
    "received",
    "quantity",
    "condition",
    "seal_number",
    "seal_state",
    "storage_location",
    "match_result",
    "finding",
    "exhibit_number",
    "digests",
    "seizure",
    "parent_items",
    "money",
    "until",
    "decided_at",
    "served_at",
    "effective_at",
    "decision_id",
    "document_number",
    "reason_code",
    "qualifying_ground",
    "ground",
    "explanation",
    "remark",
    "remedy",
    "due_at",
    "expires_at",
    "recipient",
    "proceeds",
    "withheld",
    "findings",
    "severity",
    "department",
    "measures",
    "leads",
    "recommendation_id",
    "note",
    "authority",
)

Names = Callable[[str], str]


def names_by_id(known: Callable[[], Mapping[str, Bilingual]], labels: Labels) -> Names:
    """Names agencies or models by their ids, in the language of the labels; the id where it is not known.

    ``known`` is asked when the first one is named, and never again.
    """
    asked = cache(known)

    def name(one: str) -> str:
        found = asked().get(one)
        return one if found is None else labels.told(found)

    return name


class Narrator:
    """Tells events in one language. ``names`` gives the name of an agency by its id."""

    def __init__(self, labels: Labels, names: Names = str):
        self._labels = labels
        self._names = names

    def tell(self, before: CaseState | None, payload: Payload, after: CaseState | None) -> str:
        """The event in plain sentences. ``before`` and ``after`` are the case around it, None in other streams."""
        return self.words(payload, after).sentence(slots_of(before, payload, after))

    def alone(self, payload: Payload) -> str:
        """What a payload says by itself, whatever case it will stand in: for whoever is asked to sign it."""
        slots = slots_of(None, payload, None)
        body = payload.body
        items = tuple(getattr(line, "item_id", line) for line in slots.get("items") or slots.get("item_ids") or ())
        slots["things"] = (*items, *(getattr(body, "person_ids", None) or ()))
        return self.words(payload, None).sentence(slots, "alone")

    def detail(self, text: str) -> str:
        """What a flag says beside its name, for whoever has not the case at hand."""
        return Words(self._labels, self._names, "", None).said("detail", text)

    def words(self, payload: Payload, after: CaseState | None) -> Words:
        """What the values of an event are called; ``after`` is the case that its items stand in."""
        return Words(self._labels, self._names, NAME_OF[type(payload.body)], after)


class Words:
    """The words of one event: ids with what they stand for, times in Beijing's, vocabularies by their labels."""

    def __init__(self, labels: Labels, names: Names, event_type: str, after: CaseState | None):
        self._labels = labels
        self._names = names
        self._event_type = event_type
        self._after = after

    def sentence(self, slots: Mapping[str, Any], catalogue: str = "told") -> str:
        """The event type's sentence, and a clause for each field that it has no slot for."""
        template = self._labels.find(catalogue, self._event_type) or self._labels.of("told", self._event_type)
        taken = {name for _, name, _, _ in Formatter().parse(template) if name}
        return self._ended((self._filled(template, slots), *self._clauses(slots, taken)))

    def value(self, field: str, value: Any) -> str:
        """One value, in words."""
        return self.said(field, value)

    def note(self, kind: str, values: Mapping[str, Any]) -> str:
        """A note of this kind; see ``ledger.timeline.case_history``."""
        return self._ended((self._filled(self._labels.of("note", kind), values),))

    def of_break(self, kind: str) -> str:
        """What is wrong with a time that the chain of custody leaves open."""
        return self._labels.of("break", kind)

    def of_flag(self, name: str) -> str:
        """What the rules say that a flag means."""
        return self._labels.of_flag(name)

    def _filled(self, template: str, values: Mapping[str, Any]) -> str:
        slots = {name for _, name, _, _ in Formatter().parse(template) if name}
        said = {name: self.said(name, values.get(name)) for name in slots}
        ends = {name for name in slots if f"{{{name}}}." in template or f"{{{name}}}。" in template}
        return template.format_map({name: text.rstrip(".。") if name in ends else text for name, text in said.items()})

    def _ended(self, parts: Iterable[str]) -> str:
        stop = self._labels.of("telling", "full_stop")
        return stop.join(part.rstrip(".。") for part in parts) + stop.rstrip()

    def _clauses(self, slots: Mapping[str, Any], taken: set[str]) -> Iterator[str]:
        if "things" in taken:
            taken = taken | _THINGS
        if self._event_type == "decision.recorded":  # not by another decision: it is this one's own id
            taken = taken | {"decision_id"}
        for field in CLAUSES:
            value = slots.get(field)
            if field not in taken and value not in (None, (), ""):
                yield self._labels.of("clause", field).format(self.said(field, value))

    def said(self, field: str, value: Any) -> str:
        """A field's value: ids with what they stand for, words by labels, times in Beijing's, long lists cut short."""
        if value is None or value == ():
            return self._labels.of("telling", "nothing")
        if isinstance(value, bool):
            return self._labels.of("telling", "yes" if value else "no")
        if isinstance(value, tuple):
            return self._list([self.said(field, part) for part in value])
        if isinstance(value, Struct):
            return self._struct(value)
        vocabulary = VOCABULARY_IN.get((self._event_type, field)) or _VOCABULARY.get(field)
        if vocabulary is not None:
            return self._labels.of(vocabulary, str(value))
        if field in _AGENCIES:
            return self._names(str(value))
        if (at := _moment_in(field, value)) is not None:
            return self._labels.moment(at) if at.timestamp() else self._labels.of("telling", "ever")
        if (told := self._of_time(field, str(value))) is not None:
            return told
        if field == "detail":
            return in_words(self._labels, str(value), self.said)
        if field in ("expected", "found"):
            return "; ".join(self._difference(part) for part in str(value).split("; "))
        return self._thing(str(value))

    def _of_time(self, field: str, text: str) -> str | None:
        """What is said of days, clocks and the law that they rest on; None of any other field."""
        if field in _DAYS and _DAY.fullmatch(text):
            return self._labels.of("moment", "day").format(date.fromisoformat(text))
        if field == "hours":
            return self._lasting(int(text))
        if field == "clock":
            return self._labels.of_clock(text)
        if field == "extension":
            clock, _, name = text.rpartition("/")
            return self._labels.of_extension(clock, name)
        if field == "deadline_id":
            clock, subject, _ = text.split("/")
            return self._labels.of("telling", "item").format(
                self._labels.of_clock(clock), self.said("subject", subject)
            )
        if (field, text) == ("subject", "case"):
            return self._labels.of("subject", "case")
        return self._labels.of_article(text) if field == "article" else None

    def _thing(self, text: str) -> str:
        """An item with what it is, a person shortened; anything else as it is."""
        if self._after is not None and text in self._after.items:
            return self._labels.of("telling", "item").format(
                said(self._after.items[text].description, self._labels), text
            )
        if len(text) == 32 and not text.strip("0123456789abcdef"):
            return self._labels.of("telling", "person").format(text[:8])
        return text

    def _lasting(self, hours: int) -> str:
        """So many hours; from two days on, days and hours."""
        days, rest = divmod(hours, 24) if hours >= _TWO_DAYS else (0, hours)
        counted = [(unit, count) for unit, count in (("day", days), ("hour", rest)) if count]
        units = [self._labels.of("unit", unit if count == 1 else f"{unit}s").format(count) for unit, count in counted]
        return ("" if self._labels.language == "zh-CN" else " ").join(units)

    def _difference(self, text: str) -> str:
        """What a discrepancy says, in the reader's words where it is one of the custody rules' own phrases."""
        if text == "as listed":
            return self._labels.of("telling", "as_listed")
        if (seal := text.removeprefix("seal ")) != text:
            return self._labels.of("telling", "seal").format(self._labels.find("seal_state", seal) or seal)
        amount, _, unit = text.partition(" ")
        return f"{amount} {self._labels.of('quantity_unit', unit)}" if _NUMBER.fullmatch(amount) else text

    def _list(self, parts: list[str]) -> str:
        shown = self._labels.of("telling", "separator").join(parts[:SHOWN])
        if len(parts) <= SHOWN:
            return shown
        return self._labels.of("telling", "more").format(shown, len(parts) - SHOWN)

    def _struct(self, value: Struct) -> str:
        match value:
            case Quantity(value=amount, unit=unit):
                return f"{amount} {self._labels.of('quantity_unit', unit)}"
            case PeriodCount(count=count, period_from=since, period_until=until):
                return self._labels.of("telling", "counted").format(count, since, until)
            case Money(fen=fen, currency=currency):
                return f"{fen / 100:.2f} {currency}"
            case BilingualText():
                return self._labels.told(value)
            case EventRef(event_id=event_id):
                return event_id
            case NotAcceptedItem(item_id=item_id, reason_code=reason):
                told = self.said("explanation", value.explanation) if value.explanation else None
                return self._noted(item_id, [self._labels.of("reason_code", reason), *([told] if told else [])])
            case ReceivedItem(item_id=item_id):
                return self._noted(item_id, self._findings(value))
            case ItemPart(item_id=item_id, quantity=quantity):
                return self._noted(item_id, [self._struct(quantity)])
            case ItemDecision(item_id=item_id, disposal=disposal):
                return self._noted(item_id, [self._labels.of("disposal", disposal)])
            case Correction(field=field, recorded=recorded, correct=correct):
                return f"{field}: {with_readable_times(recorded)} → {with_readable_times(correct)}"
        return self._list([self.said(field, part) for field, part in asdict(value).items() if part not in (None, ())])

    def _noted(self, item_id: str, notes: list[str]) -> str:
        return self._labels.of("telling", "noted").format(
            self._thing(item_id), self._labels.of("telling", "separator").join(notes)
        )

    def _findings(self, line: ReceivedItem) -> list[str]:
        fields = ("match_result", "condition", "quantity", "seal_number", "seal_state", "remark")
        return [self.said(field, value) for field in fields if (value := getattr(line, field)) is not None]


def _moment_in(field: str, value: Any) -> datetime | None:
    """The moment that a field names: in RFC 3339 where its name ends so, in unix seconds of a grant."""
    if field.endswith(("_at", "as_of")) and isinstance(value, str) and "T" in value:
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(value, UTC) if field in ("valid_from", "valid_until") else None


def slots_of(before: CaseState | None, payload: Payload, after: CaseState | None) -> dict[str, Any]:
    """The body's fields, with agency, officer and authority, and what they stand for in the case."""
    slots = {"agency": payload.agency, "officer": payload.officer} | asdict(payload.body)
    authority = payload.authority
    if authority is not None:
        slots["authority"] = authority.authorization_type, authority.authorization_identifier
    if after is None:
        return slots
    found = concerned(before, payload, after)
    slots["things"] = (*found.item_ids, *found.person_ids)
    for field, known in (("measure_id", after.measures), ("custody_change_id", after.custody_changes)):
        meant = known.get(slots.get(field, ""))
        slots = slots if meant is None else asdict(meant) | slots
    return slots | _of_handover(payload, after) | _of_disposal(before, payload) | _of_clock(payload)


def _of_handover(payload: Payload, after: CaseState) -> dict[str, Any]:
    """Between whom and for what the handover is, and what was offered, or accepted."""
    made = after.handovers.get(getattr(payload.body, "handover_id", ""))
    if made is None:
        return {}
    slots: dict[str, Any] = {"from_agency": made.from_agency, "to_agency": made.to_agency, "purpose": made.purpose}
    if isinstance(payload.body, handover.HandoverAccepted):
        present = [person for person in made.person_ids if person not in payload.body.absent_person_ids]
        slots["things"] = (*made.accepted_items, *present)
    return slots


def _of_disposal(before: CaseState | None, payload: Payload) -> dict[str, Any]:
    """What the first signature proposed, not what comes of it."""
    if before is None or not isinstance(payload.body, ItemDisposed):
        return {}
    proposal = before.proposals[payload.body.cites.payload_digest]
    return {"things": proposal.item_ids, "disposal": proposal.disposal, "decision_id": proposal.decision_id}


def _of_clock(payload: Payload) -> dict[str, Any]:
    deadline_id = getattr(payload.body, "deadline_id", None)
    if deadline_id is None:
        return {}
    clock, subject, _ = deadline_id.split("/")
    slots = {"clock": clock, "subject": subject}
    extension = getattr(payload.body, "extension", None)
    return slots if extension is None else slots | {"extension": f"{clock}/{extension}"}
