"""The rules of custody as data: flags with their articles, what a handover's purpose moves, and statutory clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import date
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from ledger.core.events import terms
from ledger.core.procedure.deadlines import PERIOD, Manner, MonthEnd, MovesFromDayOff, WorkCalendar
from ledger.core.procedure.facts import AWAITED, FACTS, FACTS_OF_CLOCKS, Condition, Fact
from ledger.core.procedure.legal_days import holds_on
from ledger.core.procedure.papers import PaperRow
from ledger.core.procedure.rows import Label, Law, Sourced
from ledger.core.procedure.zones import Zone

Year = Annotated[str, terms.text(r"[12][0-9]{3}", "year", "2026")]
Period = Annotated[str, terms.text(PERIOD, "hours, days, working days, months or years", "1 m 15 d")]


class Base(Struct, frozen=True, forbid_unknown_fields=True):
    """The time that a clock gives where the ``condition`` (``if``) holds.

    The first base that fits is taken; the last always fits.
    """

    period: Period
    condition: Condition | None = msgspec.field(default=None, name="if")

    def asks(self, *keys: str) -> bool:
        """Tell whether its condition asks about one of the keys."""
        parts = () if self.condition is None else self.condition.parts
        return any(key in keys for part in parts for key, _ in part.asked)


class ExtensionRule(Sourced, frozen=True, kw_only=True):
    """A lawful extension of the time of a clock, by a paper that may give less than the law allows.

    It ``adds`` to the time, or makes it ``to`` in all. With neither it is open: the paper sets how long, and it may be
    repeated.
    """

    name: terms.ExtensionName
    article: str
    label: Label
    adds: Period | None = None
    to: Period | None = None
    of: Period | None = None  # limits it to clocks with this base period
    condition: Condition | None = msgspec.field(default=None, name="if")  # on acts and subjects
    grounds: tuple[terms.QualifyingGround, ...] = ()  # if there are any, one of them must be recorded
    times: int = 1  # how often it may be granted; 0 for any number
    # From when what it adds counts: together with the time from the start, from the end of the time before, or from its
    # own paper.
    counts: Literal["together", "from_end", "from_paper"] = "together"
    requires: terms.ExtensionName | None = None  # limits it to clocks that have this other extension
    within_last: Period | None = None  # the time before the end that it moves in which it is decided

    @property
    def is_open(self) -> bool:
        """Tell whether only the paper sets how long it is."""
        return self.adds is None and self.to is None


class ClockRule(Sourced, frozen=True, kw_only=True):
    """One row, for clocks that start on the days from ``valid_from`` up to, not including, ``valid_until``.

    Clocks of recommendations run in ``ledger.core.supervision``, all others in ``ledger.core.custody.clocks``.
    """

    name: terms.ClockName
    article: str
    valid_from: terms.Date
    label: Label
    # The kind of subject. A recipient is the agency, person or, of one outside, the letter to which something is sent
    # or served; each has a time of its own.
    per: Literal["person", "case", "item", "handover", "letter", "recipient", "recommendation"]
    starts: tuple[str, ...]
    stops: tuple[str, ...] = ()
    # Without any only a paper sets the end, or, where the clock ``ends_as_before`` a change of another one, the former
    # last day of that one.
    bases: tuple[Base, ...] = ()
    provisional: tuple[str, ...] = ()  # triggers from which the clock runs until the receiver answers
    renewals: tuple[str, ...] = ()  # triggers that start it anew, its time counted from the end of the running one
    extensions: tuple[ExtensionRule, ...] = ()
    # Whose time it is: that of the agency burdened by the starting event, or of the one responsible at the moment.
    whose: Literal["agency", "responsible"] = "agency"
    by_paper: bool = True  # the days set by the paper of the starting measure apply to it
    # While it runs, the clock ``rests`` of the same subject does not count, on the ground ``rests_for``, but
    # ``rests_at_most`` that long.
    rests: str | None = None
    rests_for: terms.ExclusionGround | None = None
    rests_at_most: Period | None = None
    starts_if: Condition | None = None  # it starts only where this holds
    month_end: MonthEnd = "same_day"  # the rule for periods of months that start on the last day of a month
    days_off: MovesFromDayOff = "later_at_liberty"  # the rule for last days that are days off
    start_counts: bool = False  # whether the minute of the start counts, or its day
    most: Period | None = None  # the time that it has at most, whatever extends it
    least: Period | None = None  # the time that a paper gives it at least
    prompt: bool = False  # it is due promptly, and has no last day
    # Whether its days count back to its last day: from the day on which the starting decision takes effect, or from the
    # last day of the clock whose start it starts with.
    counts_back: bool = False
    resets: int | None = None  # how often it is counted anew at most; None for any number
    exclusions: tuple[terms.ExclusionGround, ...] | None = None  # the grounds on which it rests; None for all
    at_end: Label | None = None  # what its end is if no lateness: a right is lost, a judgment takes effect
    # A time of retention ends without lateness too. What its subject is due for then: a word of the disposals, or
    # ``review`` or ``erasure``.
    then: str | None = None
    waits_for: tuple[str, ...] = ()  # clocks; while one of them runs, what ``then`` says waits
    # What lawfully destroys something before the time of retention is over: of a case grounds of erasures, of an item
    # kinds of decisions that order its disposal.
    gives_way_to: tuple[str, ...] = ()
    valid_until: terms.Date | None = None

    @property
    def retains(self) -> bool:
        """Tell whether it is a time of retention."""
        return self.then is not None

    @property
    def all_starts(self) -> tuple[str, ...]:
        """Return the facts that start it, definitely, provisionally or anew."""
        return (*self.starts, *self.provisional, *self.renewals)

    @property
    def manner(self) -> Manner:
        """Return how its periods are counted."""
        return Manner(self.month_end, self.days_off, self.start_counts)

    @property
    def ends_as_before(self) -> bool:
        """Tell whether it has until another clock, whose period was changed, would have ended without the change."""
        return not (self.bases or self.prompt) and all(fact.startswith("period_changed.") for fact in self.all_starts)

    @property
    def counts_back_from(self) -> tuple[str, ...]:
        """Return the names of the clocks from whose end its days count back; none if from a day that a paper sets."""
        return tuple(name for fact, _, name in (row.partition(".") for row in self.starts) if fact in FACTS_OF_CLOCKS)

    def extension(self, name: str | None, period: str | None) -> ExtensionRule | None:
        """Return the extension of this name for clocks with the base ``period``, or None."""
        return next((row for row in self.extensions if row.name == name and row.of in (None, period)), None)


# What a time of retention leads to besides a disposal: a look at what is kept, or the end of confidential sections.
RETENTION_ENDS = ("review", "erasure")

DAYS_KEPT = 1024

FlagName = Literal[
    "returned_too_often",
    "outline_missing",
    "reason_unfit",
    "remedy_overdue",
    "resubmission_overdue",
    "same_officer_both_sides",
    "backdated",
    "late_entry",
    "odd_time",
    "property_undisposed",
    "disposal_without_decision",
    "act_after_closing",
    "examination_differs",
    "receipt_differs",
    "custody_corrected",
    "list_differs",
    "loan_overdue",
    "frozen_twice",
    "freeze_lapsed",
    "moved_while_frozen",
    "decision_silent",
    "disposal_against_decision",
    "particulars_missing",
    "extension_without_basis",
    "extension_without_ground",
    "term_beyond_law",
    "custody_not_changed",
    "single_collector",
    "single_seizing_officer",
    "collection_unwitnessed",
    "seizure_unwitnessed",
    "medium_not_taken",
    "sender_of_another_kind",
    "receiver_of_another_kind",
    "hold_by_another_kind",
    "disposed_while_held",
    "retention_shortened",
    "destroyed_before_due",
    "hold_released_by_another",
]


# Flags whose ``limit`` says when they are raised, and those that tolerate so many seconds, or none.
RAISED_BY_NUMBER = frozenset(("returned_too_often", "late_entry", "single_collector", "single_seizing_officer"))
TOLERATING = frozenset(("backdated", "odd_time"))

# How much it matters: somebody has to act on it, it deserves a look, or it is only noted.
Level = Literal["act", "look", "noted"]


class FlagRule(Sourced, frozen=True, kw_only=True):
    """One row: the flag is raised for acts of the days from ``valid_from`` up to, not including, ``valid_until``.

    ``limit`` is the number of those that have one: a count, or seconds. Of a flag whose ``level`` is ``noted``,
    timelines tell once a case.
    """

    name: FlagName
    article: str
    valid_from: terms.Date
    label: Label
    level: Level = "look"
    limit: int | None = None
    valid_until: terms.Date | None = None


class Identity(Struct, frozen=True, forbid_unknown_fields=True):
    """Which procedure it is: a slug, the number of its version, and the day from which acts are judged by it."""

    id: terms.ProcedureId
    version: terms.Count
    title: Label
    valid_from: terms.Date
    languages: tuple[terms.Language, ...]


class Currency(Struct, frozen=True, forbid_unknown_fields=True):
    """The currency of amounts that name none, by ISO 4217, and the decimals of its main unit."""

    code: terms.CurrencyCode
    decimals: Annotated[int, Meta(ge=0, le=4)] = 2


class DaysOff(Struct, frozen=True, forbid_unknown_fields=True):
    """The days off of a year besides its weekends, and the weekend days on which there is work.

    From ``unsure_from`` on a later arrangement may still change them.
    """

    holidays: tuple[terms.Date, ...]
    make_up_days: tuple[terms.Date, ...] = ()
    unsure_from: terms.Date | None = None


class Word(Struct, frozen=True, forbid_unknown_fields=True):
    """A word of the procedure, with its label in each language."""

    label: Label


Missing = Literal["refused", "flagged"]  # what becomes of an event that lacks a field


class SourcedWord(Word, frozen=True, kw_only=True):
    """A word that may rest on an ``article``, and the text of that, as of a ``Sourced`` row."""

    article: str = ""
    source: str = ""
    unconfirmed: Label = {}


class FieldRule(Word, frozen=True, kw_only=True):
    """A field that kinds of decisions, items or letters, or roles of persons, can have.

    One of type ``choice`` takes the words of ``choices``. One that is ``confidential`` is stated in a confidential
    section of the event, under its name as label: it is for those who may read sections, and for nobody else.
    """

    type: Literal["text", "number", "date", "person", "item", "yes_no", "choice"] = "text"
    choices: dict[terms.Word, Label] = {}
    confidential: bool = False


class FieldUse(Struct, frozen=True, forbid_unknown_fields=True):
    """How a kind has a field: where it is ``missing`` the event is refused or flagged, or nothing, if it is optional.

    It may be left out without that where one of the fields in ``unless`` is stated. ``article`` asks for it.
    """

    missing: Missing | None = None
    unless: tuple[terms.Particular, ...] = ()
    article: str = ""


class AgencyKind(Word, frozen=True):
    """A kind of agency, and what its agencies do for others.

    One that ``supervises`` looks into the cases of agencies in its jurisdiction, and has models, leads and
    recommendations. One that ``keeps_persons`` keeps persons in custody for those who answer for them.
    """

    supervises: bool = False
    keeps_persons: bool = False


class PersonRole(Word, frozen=True):
    """What somebody is in a case; clocks of a case that names no person run for all who are ``accused``.

    A role that ``is_unit`` is that of a company or another body: nobody who could be locked up. What is stated of the
    person stands in ``fields``.
    """

    accused: bool = False
    is_unit: bool = False
    fields: dict[terms.Particular, FieldUse] = {}


class Measure(Word, frozen=True):
    """A measure on a person, which ``locks_up`` or does not.

    ``after`` names measures and, for each, the trigger that this one is instead of its own where it follows that one.
    """

    locks_up: bool = False
    after: dict[str, str] = {}


class DecisionKind(SourcedWord, frozen=True):
    """A decision; one that ``settles_property`` has to say what becomes of each property of the case.

    It states its particulars in ``fields``. ``enters`` has, by the stage at which case and persons stand, the one that
    they enter by it. ``by`` are the kinds of agencies, or traits of them, that make it, to which forms offer it first:
    an agency of another kind may record it all the same.
    """

    by: tuple[str, ...] = ()
    settles_property: bool = False
    fields: dict[terms.Particular, FieldUse] = {}
    enters: dict[terms.Stage, terms.Stage] = {}


class LetterKind(Word, frozen=True):
    """A kind of letter; what one that is sent has to say besides its content stands in ``fields``."""

    fields: dict[terms.Particular, FieldUse] = {}


class ItemKind(Word, frozen=True):
    """A kind of item, and which fields of a registration it ``needs``.

    Its particulars are stated in ``fields``. What ``is_person`` is in custody; what ``is_property`` can be frozen, and
    is disposed of before the case is closed; what ``can_be_frozen`` without being property, such as data at a provider,
    stays as it is.
    """

    needs: tuple[Literal["dossier", "digests", "collection", "account", "person_id"], ...] = ()
    fields: dict[terms.Particular, FieldUse] = {}
    is_person: bool = False
    is_property: bool = False
    can_be_frozen: bool = False


class UnitRow(Word, frozen=True):
    """A unit of quantities, and how many digits after the point they may have in it.

    ``many`` is its label beside another number than 1, in the languages that have another one then.
    """

    many: Label = {}
    decimals: Annotated[int, Meta(ge=0, le=terms.MAX_DECIMALS)] = 0


class Disposal(Word, frozen=True):
    """What becomes of an item; ``proceeds`` is the kind of the item that takes its place, if one does."""

    proceeds: str | None = None


class HoldRule(SourcedWord, frozen=True, kw_only=True):
    """A kind of legal hold.

    ``by`` are the kinds of agencies, or traits of them, that place it; of another kind it is flagged. Besides the
    agency that placed it, those of ``released_by`` may release it.
    """

    by: tuple[str, ...] = ()
    released_by: tuple[str, ...] = ()


class Reason(SourcedWord, frozen=True, kw_only=True):
    """Why something is not accepted, or goes back.

    ``differs`` is the kind of discrepancy that an item refused for it opens. One that is a ground of returns names
    their purposes (``for``): it is no reason to refuse receipt, and these returns have only such grounds, or `other`.
    """

    differs: terms.DiscrepancyKind | None = None
    returns_for: tuple[terms.Purpose, ...] = msgspec.field(default=(), name="for")


class LeadOutcome(Word, frozen=True):
    """What comes of a lead: of one that was dismissed, only what is ``nothing``.

    One that ``names_paper`` has number, day and digests of a paper, or names the recommendation that is its paper; one
    that ``needs_recommendation`` names it. One that ``passes_on`` says to whom the lead goes.
    """

    nothing: bool = False
    names_paper: bool = False
    needs_recommendation: bool = False
    passes_on: bool = False


class PurposeRule(SourcedWord, frozen=True, kw_only=True):
    """What passes to the receiver at acceptance, and the stage that the case enters.

    ``senders`` (``from``) and ``receivers`` (``to``) are the kinds of agencies, or traits of them, between which it
    goes; without them it goes between any. ``custody_change``: from then on a keeper keeps a detained person of the
    case for the receiver, and gets a certificate. ``supplements``: the case goes back to be completed.
    """

    moves: Literal["responsibility", "custody"]
    article: str
    stage: terms.Stage | None = None
    senders: tuple[str, ...] = msgspec.field(default=(), name="from")
    receivers: tuple[str, ...] = msgspec.field(default=(), name="to")
    custody_change: bool = False
    supplements: bool = False


class ExampleAct(Struct, frozen=True, forbid_unknown_fields=True):
    """An event of an example by an officer of an agency, and what comes of it.

    ``recommendation`` is the one that it belongs to, if it belongs to none of the case and its body names none.
    ``flags`` are those that it raises, all of them; ``refused`` is the rule that refuses it, ``stage`` that of the case
    after it.
    """

    event: str
    by: terms.AgencyId
    at: str
    body: dict[str, Any] = {}
    recommendation: terms.RecommendationId | None = None
    officer: terms.OfficerId | None = None
    flags: tuple[FlagName, ...] = ()
    refused: str | None = None
    stage: str | None = None


class ExpectedDeadline(Struct, frozen=True, forbid_unknown_fields=True):
    """What is expected of the latest clock of a name and subject, at the moment ``as_of`` after all acts."""

    clock: str
    as_of: str
    subject: str = "case"
    last_day: terms.Date | None = None
    due_at: str | None = None
    status: str | None = None


class ExampleCase(Struct, frozen=True, forbid_unknown_fields=True):
    """Acts of one case, or of recommendations, and what they come to (``ledger.core.supervision.examples`` plays them).

    ``agencies`` are the kinds of the agencies that act, where a row asks for one.
    """

    name: str
    acts: Annotated[tuple[ExampleAct, ...], Meta(min_length=1)]
    agencies: dict[terms.AgencyId, terms.AgencyKind] = {}
    deadlines: tuple[ExpectedDeadline, ...] = ()


class Rulebook(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """All rows of the rules, and its words by what they name.

    ``trials`` stand from the fastest to the slowest; a case has the last until another one is chosen. ``laws`` are
    what articles are of, by what they are called in an article.
    """

    procedure: Identity
    zone: Zone
    flags: tuple[FlagRule, ...]
    lines: dict[terms.BusinessLine, Word]
    stages: dict[terms.Stage, Word]
    persons: dict[terms.PersonRole, PersonRole]
    measures: dict[terms.Measure, Measure]
    decisions: dict[terms.DecisionKind, DecisionKind]
    grounds: dict[terms.QualifyingGround, Word]
    exclusions: dict[terms.ExclusionGround, Word]
    items: dict[terms.ItemKind, ItemKind]
    disposals: dict[terms.Disposal, Disposal]
    purposes: dict[terms.Purpose, PurposeRule]
    reasons: dict[terms.ReasonCode, Reason]
    remedies: dict[terms.Remedy, Word]
    kinds: dict[terms.AgencyKind, AgencyKind] = {}
    trials: dict[terms.Trial, Word] = {}
    letters: dict[terms.LetterKind, LetterKind] = {}
    outsiders: dict[terms.OutsiderKind, Word] = {}
    services: dict[terms.Service, Word] = {}
    holds: dict[terms.HoldKind, HoldRule] = {}
    erasures: dict[terms.ErasureGround, SourcedWord] = {}  # before the time is over for which the case is kept
    aspects: dict[terms.Aspect, Word] = {}
    relations: dict[terms.CaseRelation, Word] = {}
    units: dict[terms.QuantityUnit, UnitRow] = {}
    outcomes: dict[terms.LeadOutcome, LeadOutcome] = {}
    fields: dict[terms.Particular, FieldRule] = {}
    recommendations: dict[terms.RecommendationKind, Word] = {}
    escalations: dict[terms.Escalation, Word] = {}
    clocks: tuple[ClockRule, ...] = ()
    papers: tuple[PaperRow, ...] = ()
    paper_words: dict[str, Label] = {}
    laws: dict[str, Law] = {}
    currency: Currency | None = None
    days_off: dict[Year, DaysOff] = {}
    examples: tuple[ExampleCase, ...] = ()
    digest: str = ""  # of the canonical form that it was decoded from

    @cached_property
    def tables(self) -> dict[str, Any]:
        """Return the rows as the package's files have them, which labels are looked up in."""
        tables: dict[str, Any] = msgspec.to_builtins(self)
        return tables

    @cached_property
    def vocabularies(self) -> dict[str, Collection[str]]:
        """Return the words of each vocabulary that events have words of."""
        return {vocabulary: getattr(self, table) for vocabulary, table in terms.TABLE_OF.items()}

    @cached_property
    def grounded(self) -> frozenset[terms.Purpose]:
        """Return the purposes of returns that have grounds of their own."""
        return frozenset(purpose for reason in self.reasons.values() for purpose in reason.returns_for)

    @cached_property
    def calendar(self) -> WorkCalendar:
        """Return the days off of the years that the procedure knows."""
        return WorkCalendar(
            frozenset(map(int, self.days_off)),
            frozenset(date.fromisoformat(day) for year in self.days_off.values() for day in year.holidays),
            frozenset(date.fromisoformat(day) for year in self.days_off.values() for day in year.make_up_days),
            frozenset(date.fromisoformat(year.unsure_from) for year in self.days_off.values() if year.unsure_from),
        )

    @cached_property
    def traits(self) -> dict[str, frozenset[terms.Trait]]:
        """Return the traits of each kind of agency."""
        traits: tuple[terms.Trait, ...] = get_args(terms.Trait)
        return {kind: frozenset(trait for trait in traits if getattr(row, trait)) for kind, row in self.kinds.items()}

    def names_of_kind(self, kind: str | None) -> frozenset[str]:
        """Return by which words an agency of the kind is asked for: the kind, and its traits; none if it is unknown."""
        return frozenset() if kind is None else frozenset((kind, *self.traits.get(kind, ())))

    def fits(self, kind: str | None, asked_for: Collection[str]) -> bool:
        """Tell whether an agency of the kind is one of those that are asked for, by their kinds or traits.

        Where none is asked for, any is; so is one whose kind nobody knows.
        """
        return kind is None or not asked_for or not self.names_of_kind(kind).isdisjoint(asked_for)

    def purposes_between(self, sender: str | None, receiver: str | None) -> tuple[terms.Purpose, ...]:
        """Return the purposes for which an agency of one kind hands over to one of another."""
        return tuple(
            purpose
            for purpose, row in self.purposes.items()
            if self.fits(sender, row.senders) and self.fits(receiver, row.receivers)
        )

    def law_of(self, article: str) -> Law | None:
        """Return the law of an article, which is that law or ends with a number of its own; None if it is not known."""
        return self.laws.get(article) or self.laws.get(article.rpartition(" ")[0])

    @cached_property
    def supplementing(self) -> tuple[str, ...]:
        """Return the purposes for which a case goes back to be supplemented."""
        return tuple(purpose for purpose, row in self.purposes.items() if row.supplements)

    @cached_property
    def triggers(self) -> frozenset[str]:
        """Return the names of all facts that clocks can start and stop with."""
        own = {trigger for measure in self.measures.values() for trigger in measure.after.values()}
        plain = {name for name, fact in FACTS.items() if fact.words is None}
        tables = ((name, getattr(self, fact.words)) for name, fact in FACTS.items() if fact.words is not None)
        named = {f"{name}.{getattr(word, 'name', word)}" for name, words in tables for word in words}
        return frozenset(own | plain | named)

    @cached_property
    def linking(self) -> frozenset[str]:
        """Return the facts about clocks that start or stop other clocks."""
        triggers = (*self.started_by, *self.stopped_by)
        return frozenset(trigger for trigger in triggers if trigger.partition(".")[0] in FACTS_OF_CLOCKS)

    @cached_property
    def awaiting(self) -> tuple[tuple[str, str, ClockRule], ...]:
        """Return the rows that start with the end of a clock: the fact, the name of that clock, and the row."""
        pairs = ((*trigger.partition(".")[::2], row) for row in self.clocks for trigger in row.starts)
        return tuple(pair for pair in pairs if pair[0] in AWAITED)

    def fact_of(self, trigger: str) -> Fact:
        """Return the kind of fact of a name; one that a measure is instead of its own is like that of a measure."""
        return FACTS.get(trigger.partition(".")[0], FACTS["measure"])

    @cached_property
    def in_force(self) -> Callable[[str], dict[FlagName, FlagRule]]:
        """Return a cached function from a day (``YYYY-MM-DD``) to the flag rules in force on it, by name."""
        return lru_cache(maxsize=DAYS_KEPT)(lambda day: {rule.name: rule for rule in self.flags if holds_on(rule, day)})

    @cached_property
    def started_by(self) -> dict[str, tuple[ClockRule, ...]]:
        """Return the rows that each trigger starts, definitely, provisionally or anew."""
        return _by_trigger((trigger, row) for row in self.clocks for trigger in row.all_starts)

    @cached_property
    def stopped_by(self) -> dict[str, frozenset[str]]:
        """Return the names of the clocks that each trigger stops."""
        stops = _by_trigger((trigger, row) for row in self.clocks for trigger in row.stops)
        return {trigger: frozenset(row.name for row in rows) for trigger, rows in stops.items()}


def _by_trigger(pairs: Iterable[tuple[str, ClockRule]]) -> dict[str, tuple[ClockRule, ...]]:
    rows_of: defaultdict[str, list[ClockRule]] = defaultdict(list)
    for trigger, row in pairs:
        rows_of[trigger].append(row)
    return {trigger: tuple(rows) for trigger, rows in rows_of.items()}


def rows_of(books: Iterable[Rulebook], table: str) -> dict[str, Any]:
    """Return the words of a table of several procedures, each with its row: that of the first which has it."""
    rows: dict[str, Any] = {}
    for book in books:
        rows |= {word: row for word, row in getattr(book, table).items() if word not in rows}
    return rows
