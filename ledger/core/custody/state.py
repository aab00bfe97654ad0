"""The state of one case: a pure function of its stream, immutable, with structure shared between versions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.references import look_up
from ledger.core.custody.register import Register
from ledger.core.errors import refuse
from ledger.core.events import Body, Event, terms
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.handover import OfferedItem, OutlinePoint
from ledger.core.events.item import Collection as DataCollection
from ledger.core.events.item import Dossier, Seizure
from ledger.core.events.letter import Outsider
from ledger.core.messages import Message
from ledger.core.procedure.clock_periods import Clock, marks_of_clock
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.authority import Agency

CLOSED = "closed"  # the stage of what is over

ItemStatus = Literal["held", "checked_out", "split", "merged", "disposed", "left"]
HandoverStatus = Literal["offered", "accepted", "partially_accepted", "refused", "recalled"]


class Act(NamedTuple):
    """An event as the rules see it; ``book`` is the version of the case's procedure that is in force for it.

    ``source`` is the state of another case at the event of it that this one cites, if it cites one. ``registered`` are
    the agencies that the log has admitted, by id; None if they are unknown, as for a reader who has only the events of
    the case: then jurisdiction is not judged. ``kinds`` are those of agencies by their ids, as far as they are known.
    """

    event: Event
    book: Rulebook
    source: CaseState | None = None
    registered: Mapping[str, Agency] | None = None
    kinds: Mapping[str, str] = {}

    @property
    def agency(self) -> str:
        """Return the agency that signed the event."""
        return self.event.agency

    @property
    def officer(self) -> str:
        """Return the officer who signed the event."""
        return self.event.officer

    def words_source(self, part: str = "") -> WordsSource:
        """Return where the words of this part of the event's body are stated."""
        return WordsSource(self.event.event_id, self.agency, part)


class WordsSource(Struct, frozen=True):
    """The event in which an agency stated the words for an item or a case; ``part`` begins their paths in its body."""

    event_id: str
    agency: str
    part: str = ""


# What is stated of an item and changes in custody: a correction of it takes effect until a later event has changed it.
CHANGING = ("quantity", "money", "dossier", "seal_number", "condition", "storage_location")


class Item(Struct, frozen=True):
    """An item: ``holder`` has custody, ``responsible`` answers for it, ``offer`` is the open handover it is offered in.

    ``recorded_from`` is when its registration was signed; earlier custody is only claimed. ``lent_by`` has lent it to
    another agency until ``lent_until``; ``due_at`` is when a checked-out item is due back. ``left_for`` is the case for
    which it was split off. By its kind it ``is_person`` in custody, or ``is_property``, which is to be disposed of;
    what ``can_be_frozen`` is property or data at a provider. Its words come from ``stated_in``, which the event
    ``corrected_in`` has corrected last, if any has. ``changed`` are the fields of ``CHANGING`` that other events have
    changed since, all once it has another holder. ``sections_in`` are the events about it that have confidential
    sections.
    """

    item_id: str
    kind: terms.ItemKind
    description: str
    quantity: terms.Quantity
    holder: str
    responsible: str
    status: ItemStatus = "held"
    seal_number: str | None = None
    condition: str | None = None
    storage_location: str | None = None
    digests: tuple[str, ...] = ()
    money: terms.Money | None = None
    fungible: bool = False
    is_person: bool = False
    is_property: bool = False
    can_be_frozen: bool = False
    person_id: str | None = None
    parents: tuple[str, ...] = ()
    offer: str | None = None
    checked_out_to: str | None = None
    frozen_until: str | None = None
    disposal: terms.Disposal | None = None
    exhibit_number: str | None = None
    account: str | None = None
    seal_state: terms.SealState | None = None
    dossier: Dossier | None = None
    seizure: Seizure | None = None
    collection: DataCollection | None = None
    recorded_from: str | None = None
    lent_by: str | None = None
    lent_until: str | None = None
    due_at: str | None = None
    left_for: str | None = None
    particulars: dict[str, str] = msgspec.field(default_factory=dict)
    features: str | None = None
    obtained_from: str | None = None
    stated_in: WordsSource | None = None
    corrected_in: str | None = None
    changed: tuple[str, ...] = ()
    sections_in: tuple[str, ...] = ()

    @property
    def unrecorded_seconds(self) -> int | None:
        """Return how long the item was in hand before its registration; None if it was not seized."""
        if self.seizure is None or self.recorded_from is None:
            return None
        seized, recorded = (datetime.fromisoformat(text) for text in (self.seizure.seized_at, self.recorded_from))
        return max(0, int((recorded - seized).total_seconds()))

    @property
    def is_live(self) -> bool:
        """Tell whether anybody in this case holds it."""
        return self.status in ("held", "checked_out")

    @property
    def is_sealed(self) -> bool:
        """Tell whether it bears an unbroken seal."""
        return self.seal_state == "intact"


class Handover(Struct, frozen=True):
    """A handover, offered or answered.

    ``moves_case`` passes the case on; ``moves_responsibility`` passes the responsibility for its items and persons;
    with neither only custody moves. If the ``case_stays``, only what is listed goes. ``stage`` is the stage of the case
    at the time of the offer, ``stages`` are those of the accused whom it is about. ``due_at`` is the day set by a
    refusal or return, ``about`` the decision of the case that it is about, ``outline`` what the receiver has to
    complete. Times are as claimed.
    """

    handover_id: str
    from_agency: str
    to_agency: str
    purpose: terms.Purpose
    stage: terms.Stage
    offered_by: str
    offered_at: str
    items: dict[str, OfferedItem]
    person_ids: tuple[str, ...]
    moves_case: bool = False
    moves_responsibility: bool = False
    case_stays: bool = False
    stages: dict[str, terms.Stage] = {}
    status: HandoverStatus = "offered"
    returns: str | None = None
    follows: str | None = None
    about: str | None = None
    expires_at: str | None = None
    answered_at: str | None = None
    received_at: str | None = None
    accepted_items: tuple[str, ...] = ()
    reason_code: terms.ReasonCode | None = None
    remedy: terms.Remedy | None = None
    due_at: str | None = None
    outline: tuple[OutlinePoint, ...] = ()

    @property
    def parties(self) -> tuple[str, str]:
        """Return sender and receiver."""
        return self.from_agency, self.to_agency

    @property
    def takes_along(self) -> bool:
        """Tell whether it is about persons whom it does not name: it is not where only what is listed goes."""
        return self.moves_case or not (self.moves_responsibility or self.case_stays)

    @property
    def is_open(self) -> bool:
        """Tell whether the offer is unanswered."""
        return self.status == "offered"

    def is_over(self, at: str) -> bool:
        """Tell whether the time in which the offer could be accepted has passed at this instant."""
        return self.expires_at is not None and self.expires_at < at

    @property
    def is_accepted(self) -> bool:
        """Tell whether at least a part was accepted."""
        return self.status in ("accepted", "partially_accepted")

    @property
    def came_to_nothing(self) -> bool:
        """Tell whether the offer was refused or recalled."""
        return self.status in ("refused", "recalled")


class Person(Struct, frozen=True):
    """A person of the case, who has a ``stage`` and a kind of ``trial`` of his own.

    Nobody but the ``accused`` stays behind when the case passes on. One that ``is_unit`` is a company or another body.
    ``kept_for`` is the agency a keeper keeps the person for, None at liberty. ``left_for`` is the case for which the
    person was split off and that has not taken over yet.
    """

    person_id: str
    role: terms.PersonRole
    responsible: str
    stage: terms.Stage
    trial: terms.Trial | None = None
    accused: bool = False
    kept_for: str | None = None
    is_unit: bool = False
    particulars: dict[str, str] = msgspec.field(default_factory=dict)
    left_for: str | None = None


class MeasureState(Struct, frozen=True):
    """A measure on a person, which ``locks_up`` or does not.

    ``until`` is the last day as decided, ``ended_at`` is None while it runs. ``left_for`` is as that of the person.
    """

    measure_id: str
    person_id: str
    measure: terms.Measure
    locks_up: bool
    started_at: str
    until: str | None = None
    ended_at: str | None = None
    left_for: str | None = None


class Discrepancy(Struct, frozen=True):
    """A difference, resolved once both ``parties`` have signed the same text. ``kinds`` are the kinds of difference.

    It is one of a handover, or of the stocktake ``stocktake_id``; then the thing was ``recorded_as`` this.
    ``raised_by`` is the officer who raised it for the agency ``raised_for``, both None if an acceptance states it.
    Where both parties are one agency, another officer of it signs. ``resolved_by`` are the officers who signed.
    """

    discrepancy_id: str
    handover_id: str | None
    item_id: str
    parties: tuple[str, str]
    expected: str | None
    found: str | None
    kinds: tuple[terms.DiscrepancyKind, ...] = ()
    resolutions: dict[str, str] = msgspec.field(default_factory=dict)
    stocktake_id: str | None = None
    raised_by: str | None = None
    raised_for: str | None = None
    recorded_as: terms.RecordedAs | None = None
    resolved_by: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_resolved(self) -> bool:
        """Tell whether both sides have signed the same resolution, or whoever counted too much has signed one."""
        if self.claimed_by is not None:
            return self.claimed_by in self.resolutions
        # Both have signed, and the same words: a resolution by one side is a claim.
        return len(self.resolutions) == len(set(self.parties)) and len(set(self.resolutions.values())) == 1

    @property
    def claimed_by(self) -> str | None:
        """Return the agency that counted another one's thing as surplus, whose claim alone it is, or None.

        Its own thing that it disposed of, split or merged is none such: the agency that answers for it signs, too.
        """
        # Only of a stocktake it says how the thing is recorded; there it is a surplus, and both sides are two agencies.
        return self.raised_for if self.recorded_as == "held_elsewhere" else None

    def may_be_resolved_by(self, officer: str) -> bool:
        """Tell whether this officer may sign for his side: not alone, where both sides are one agency."""
        return len(set(self.parties)) > 1 or officer != self.raised_by


class Letter(Struct, frozen=True):
    """A letter that an agency sent or got; times are as claimed, ``received_at`` is None until a receipt is recorded.

    The other side is an agency, the person ``person_id`` of the case, or somebody ``outside``. ``about`` is the
    decision that it ``serves`` or is about, ``answers`` the letter that it answers; ``person_ids`` and ``item_ids`` are
    those it is about. ``due_at`` is until when an answer is asked for, ``answered_at`` when its addressee first
    answered. The event ``event_id`` recorded it.
    """

    letter_id: str
    kind: terms.LetterKind
    event_id: str
    number: str | None = None
    from_agency: str | None = None
    to_agency: str | None = None
    person_id: str | None = None
    outside: Outsider | None = None
    sent_at: str | None = None
    received_at: str | None = None
    service: terms.Service | None = None
    person_ids: tuple[str, ...] = ()
    item_ids: tuple[str, ...] = ()
    serves: str | None = None
    about: str | None = None
    answers: str | None = None
    due_at: str | None = None
    answered_at: str | None = None

    @property
    def agencies(self) -> tuple[str, ...]:
        """Return the agencies that it is between: the sender and the addressee, as far as they are agencies."""
        return tuple(agency for agency in (self.from_agency, self.to_agency) if agency is not None)


class Hold(Struct, frozen=True):
    """A legal hold by ``agency``, which covers its ``scope``; it stands until it is released.

    ``item_ids`` are the items that it names, ``event_ids`` the events whose sections it names; of neither it names all.
    ``placed_at`` and ``released_at`` are as claimed.
    """

    hold_id: str
    kind: terms.HoldKind
    scope: terms.HoldScope
    agency: str
    officer: str
    number: str
    ground: str
    placed_at: str
    event_id: str
    item_ids: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    review_on: terms.Date | None = None
    released_at: str | None = None
    released_by: str | None = None

    @property
    def stands(self) -> bool:
        """Tell whether it is not released."""
        return self.released_at is None


class CustodyChange(Struct, frozen=True):
    """A change of custody that an acceptance calls for; done once the keeper has served it."""

    custody_change_id: str
    handover_id: str
    person_id: str
    requested_by: str
    keeper: str
    requested_at: str
    served_at: str | None = None
    number: str | None = None
    period_from: terms.Date | None = None
    until: terms.Date | None = None
    article: str | None = None


class Assignment(Struct, frozen=True):
    """The department and officer that handle the case in one agency."""

    department: str
    handler: str


class DisposalProposal(Struct, frozen=True):
    """The first signature of a disposal, found by its event id."""

    event: terms.EventRef
    item_ids: tuple[str, ...]
    disposal: terms.Disposal
    agency: str
    officer: str
    decision_id: str | None
    proposed_at: str


class ErasureProposal(Struct, frozen=True):
    """The first signature of the erasure of a section, found by its event id; ``concerns`` is the section's event."""

    event: terms.EventRef
    concerns: terms.EventRef
    label: terms.SectionLabel
    agency: str
    officer: str


class Split(Struct, frozen=True):
    """The items and persons that an event, a split by ``agency``, gave up for another case.

    Only ``agency`` may take them over. ``occurred_at`` is the claimed time of the split.
    """

    event: terms.EventRef
    occurred_at: str
    agency: str
    new_case_id: str
    items: tuple[Item, ...]
    persons: tuple[Person, ...]
    measures: tuple[MeasureState, ...]
    clocks: tuple[Clock, ...] = ()
    holds: tuple[Hold, ...] = ()


# Marks by which the rules look up entries, besides their ids: strings, so that a register need not know what they are.


def _item_marks(item: Item) -> tuple[str, ...]:
    return (f"in_custody/{item.person_id}",) if item.is_person and item.is_live else ()


def _handover_marks(handover: Handover) -> tuple[str, ...]:
    purpose = f"purpose/{handover.purpose}"
    if not handover.is_open:
        return (purpose,)
    return ("open", "open/case", purpose) if handover.moves_case else ("open", purpose)


def _measure_marks(measure: MeasureState) -> tuple[str, ...]:
    own = f"person/{measure.person_id}"
    return (own, f"locks_up/{measure.person_id}", "locks_up") if measure.locks_up else (own,)


def _custody_change_marks(change: CustodyChange) -> tuple[str, ...]:
    return () if change.served_at is not None else (f"unserved/{change.person_id}",)


def _hold_marks(hold: Hold) -> tuple[str, ...]:
    return ("standing",) if hold.stands else ()


class CaseState(Struct, frozen=True):
    """The state of a case after one of its events.

    ``procedure`` is the id of the one that judges its acts, ``judged_by`` the digest of its version that judged the
    latest of them, ``responsible`` the agency responsible for the case, ``agencies`` are all that are or were parties
    of it. ``head`` is the leaf hash of its last entry. ``splits`` are what the case gave up for others, by the event id
    of the split: whether it is taken over stands in their streams (``cases.with_split_off``). ``joined_splits`` are the
    event ids of the splits whose items and persons came into this case. A case that was under way elsewhere has
    ``taken_over_as_of``: what was before started no clock; ``taken_over_at`` is when its take-over was signed.
    ``assignments`` and ``numbers`` are by agency, ``clocks`` by deadline id and with those that have ended,
    ``proposals`` and ``erasures`` those that wait for a second signature, ``sections`` the agencies that signed the
    events with confidential sections, by the events' ids, ``links`` by the other case's id. Its words come from
    ``stated_in``, each agency's number from the event in ``numbered_in``, as the event ``corrected_in`` has corrected
    them last, if any has.
    """

    case_id: str
    procedure: str
    judged_by: str
    case_type: str
    business_line: terms.BusinessLine
    opened_by: str
    opened_at: str
    responsible: str
    stage: terms.Stage
    head: str
    sequence: int
    last_occurred_at: str
    agencies: frozenset[str]
    closed: bool = False
    trial: terms.Trial | None = None
    numbers: dict[str, str] = msgspec.field(default_factory=dict)
    items: Register[Item] = msgspec.field(default_factory=partial(Register, _item_marks))
    handovers: Register[Handover] = msgspec.field(default_factory=partial(Register, _handover_marks))
    persons: Register[Person] = msgspec.field(default_factory=Register)
    measures: Register[MeasureState] = msgspec.field(default_factory=partial(Register, _measure_marks))
    decisions: Register[DecisionRecorded] = msgspec.field(default_factory=Register)
    discrepancies: Register[Discrepancy] = msgspec.field(default_factory=Register)
    proposals: Register[DisposalProposal] = msgspec.field(default_factory=Register)
    erasures: Register[ErasureProposal] = msgspec.field(default_factory=Register)
    sections: Register[str] = msgspec.field(default_factory=Register)
    assignments: dict[str, Assignment] = msgspec.field(default_factory=dict)
    custody_changes: Register[CustodyChange] = msgspec.field(default_factory=partial(Register, _custody_change_marks))
    clocks: Register[Clock] = msgspec.field(default_factory=partial(Register, marks_of_clock))
    letters: Register[Letter] = msgspec.field(default_factory=Register)
    holds: Register[Hold] = msgspec.field(default_factory=partial(Register, _hold_marks))
    links: dict[str, terms.CaseRelation] = msgspec.field(default_factory=dict)
    splits: Register[Split] = msgspec.field(default_factory=Register)
    joined_splits: frozenset[str] = frozenset()
    taken_over_as_of: str | None = None
    taken_over_at: str | None = None
    stated_in: WordsSource | None = None
    numbered_in: dict[str, str] = msgspec.field(default_factory=dict)
    corrected_in: str | None = None

    def after(self, act: Act) -> CaseState:
        """Return the state as that after the act; claimed times may go back, the latest stays the measure."""
        return replace(
            self,
            head=act.event.leaf_hash,
            sequence=act.event.sequence,
            judged_by=act.book.digest,
            last_occurred_at=max(self.last_occurred_at, act.event.occurred_at),
        )

    def item(self, item_id: str, *, field: str = "item_id") -> Item:
        """Return the item that ``field`` of the body names. Raises RuleRefused (unknown_item)."""
        return look_up(self.items, item_id, "item", field=field)

    def origins_of(self, item: Item) -> set[str]:
        """Return the ids of the item and of all that it comes from, as far as the case has it."""
        origins, waiting = {item.item_id}, [*item.parents]
        while waiting:
            origin = waiting.pop()
            if origin not in origins:
                origins.add(origin)
                waiting += self.items[origin].parents if origin in self.items else ()
        return origins

    def handover(self, handover_id: str, *, field: str = "handover_id") -> Handover:
        """Return the handover that ``field`` of the body names. Raises RuleRefused (unknown_handover)."""
        return look_up(self.handovers, handover_id, "handover", field=field)

    def person(self, person_id: str, *, field: str = "person_id") -> Person:
        """Return the person that ``field`` of the body names. Raises RuleRefused (unknown_person)."""
        return look_up(self.persons, person_id, "person", field=field, hint=self.left_for)

    def left_for(self, key: str) -> Message | None:
        """Return where a person, measure or clock of this id is named since it was split off, None if it was not."""
        for split in self.splits.values():
            ids = (
                *(person.person_id for person in split.persons),
                *(measure.measure_id for measure in split.measures),
                *(clock.deadline_id for clock in split.clocks),
            )
            if key in ids:
                return Message(
                    "It was split off for case {split.new_case_id}: record this there, once that case has taken over.",
                    split=split,
                )
        return None

    def standing(self, subject: str) -> Person | CaseState:
        """Return the person whose stage and kind of trial count for the clocks of the subject, or else the case."""
        return self.persons.get(subject) or self

    def persons_along(self, named: Collection[str] = ()) -> tuple[Person, ...]:
        """Return the persons whom an act about the case concerns: those named, and who goes where the case goes.

        If nobody is named, all go for whom the agency of the case answers, except those for whom it is over.
        """
        along = (
            person
            for person in self.persons.values()
            if person.responsible == self.responsible and (person.stage != CLOSED or self.closed)
        )
        if not named:
            return tuple(along)
        return (*(self.person(key) for key in named), *(p for p in along if not p.accused and p.person_id not in named))

    def persons_going(self, handover: Handover, absent: Collection[str] = ()) -> tuple[Person, ...]:
        """Return the persons whom the handover is about, without the absent.

        They are those named, and if the case goes, or the things of it, whoever goes where it goes.
        """
        named = handover.person_ids
        along = self.persons_along(named) if handover.takes_along else [self.person(key) for key in named]
        return tuple(person for person in along if person.person_id not in absent)

    def with_persons(self, *persons: Person) -> CaseState:
        """Return the state with these persons, each in the place of an earlier version."""
        return replace(self, persons=self.persons | {person.person_id: person for person in persons})

    def with_items(self, *items: Item) -> CaseState:
        """Return the state with these items, each in the place of an earlier version, and with what has changed."""
        return self.with_corrected(*(_with_changed(self.items.get(item.item_id), item) for item in items))

    def with_corrected(self, *items: Item) -> CaseState:
        """Return the state with these items as a correction has them: it changes nothing that was stated since."""
        return replace(self, items=self.items | {item.item_id: item for item in items})

    def with_handover(self, handover: Handover) -> CaseState:
        """Return the state with this handover in the place of an earlier version."""
        return replace(self, handovers=self.handovers | {handover.handover_id: handover})


def _with_changed(before: Item | None, after: Item) -> Item:
    """Return the item with the fields that its events have changed; a new one has none."""
    if before is None:
        return replace(after, changed=()) if after.changed else after
    if after.holder != before.holder:  # who received it has taken it as the list has it, in all of these
        return replace(after, changed=CHANGING)
    changed = [name for name in CHANGING if name in before.changed or getattr(after, name) != getattr(before, name)]
    return replace(after, changed=tuple(changed)) if len(changed) > len(before.changed) else after


_GONE_TO = {
    "left": Message("It was split off for case {item.left_for}: name it there."),
    "split": Message("It was split: name its parts."),
    "merged": Message("It was merged: name the item that came of it."),
    "disposed": Message("It was disposed of."),
}


def refuse_gone(item: Item, *, field: str) -> NoReturn:
    """Refuse (item_gone) what nobody in the case holds any more, and say where it went."""
    hint = Message(_GONE_TO[item.status], item=item)
    refuse("item_gone", "nobody holds item {item.item_id} any more", item=item, field=f"body.{field}", hint=hint)


B = TypeVar("B", bound=Body)
Rule = Callable[[CaseState, Act, B], CaseState]

RULES: dict[type[Body], Rule[Any]] = {}


def rule(*bodies: type[B]) -> Callable[[Rule[B]], Rule[B]]:
    """Register the decorated function as the rule for these bodies."""

    def enter(function: Rule[B]) -> Rule[B]:
        RULES.update(dict.fromkeys(bodies, function))
        return function

    return enter
