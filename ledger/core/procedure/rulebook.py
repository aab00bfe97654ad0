"""The rules of custody as data: flags with their articles, what a handover's purpose moves, and statutory clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.events import terms
from ledger.core.procedure.deadlines import MonthEnd
from ledger.core.procedure.legal_days import holds_on, stands_alone

Circumstance = Literal["in_custody", "summary", "fast_track"]
Period = Annotated[str, Meta(pattern=r"^(?:0|[1-9][0-9]*)(?:\.5)? [hdmy]$")]

# Triggers that are not combined with a vocabulary.
_PLAIN_TRIGGERS = (
    "commission_case_received",
    "custody_change_due",
    "custody_changed",
    "released",
    "frozen",
    "freeze_renewed",
    "checked_out",
    "checked_in",
    "lent",
    "given_back",
    "disposed",
    "remedy_set",
    "remedy_met",
    "offer_open",
    "offer_answered",
    "recommendation_issued",
    "recommendation_answered",
)
_TRIGGERS_OF = (
    (("measure", "measure_ended"), get_args(terms.Measure)),
    (("offered", "delivered", "received", "accepted", "refused", "returned"), get_args(terms.Purpose)),
    (("decided", "served", "effective"), get_args(terms.DecisionKind)),
    (("procedure", "turned_to"), get_args(terms.Procedure)),
)
TRIGGERS = frozenset(_PLAIN_TRIGGERS) | {
    f"{act}.{word}" for acts, words in _TRIGGERS_OF for act in acts for word in words
}


class Base(Struct, frozen=True, forbid_unknown_fields=True):
    """The time that a clock gives under a circumstance. The first base that fits is taken; the last always fits."""

    period: Period
    when: Circumstance | None = None


class ExtensionRule(Struct, frozen=True, forbid_unknown_fields=True):
    """A lawful extension: ``adds`` to the time of a clock, or makes it ``to`` in all, at most ``times`` times.

    With neither it is open: the paper sets how long, and it may be repeated. ``of`` limits it to clocks with this base
    period. If ``grounds`` are given, one of these qualifying grounds must be recorded.
    """

    name: terms.ExtensionName
    article: str
    en: str
    zh: str
    adds: Period | None = None
    to: Period | None = None
    of: Period | None = None
    grounds: tuple[terms.QualifyingGround, ...] = ()
    times: int = 1

    @property
    def is_open(self) -> bool:
        """Tell whether only the paper sets how long it is."""
        return self.adds is None and self.to is None


class ClockRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One row, for clocks that start on the days from ``valid_from`` up to, not including, ``valid_until``.

    ``per`` is the kind of subject; a recommendation's clocks are counted by ``ledger.core.supervision``.
    ``provisional`` are triggers from which the clock runs until the receiver answers; ``renewals`` start it anew, with
    its time counted from the end of the running one. Without ``bases`` only a paper sets the end. ``whose`` time it is:
    that of the agency burdened by the starting event, or of the one responsible at the moment. ``by_paper``: the days
    set by the paper of the starting measure apply to it. While it runs, the clock ``rests`` of the same subject does
    not count, on the ground ``rests_for``. ``stages`` restricts the start to these stages of the case. ``month_end`` is
    the rule for periods of months that start on the last day of a month.
    """

    name: str
    article: str
    valid_from: terms.Date
    en: str
    zh: str
    per: Literal["person", "case", "item", "handover", "recommendation"]
    starts: tuple[str, ...]
    stops: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()
    provisional: tuple[str, ...] = ()
    renewals: tuple[str, ...] = ()
    extensions: tuple[ExtensionRule, ...] = ()
    whose: Literal["agency", "responsible"] = "agency"
    by_paper: bool = True
    rests: str | None = None
    rests_for: terms.ExclusionGround | None = None
    stages: tuple[terms.Stage, ...] = ()
    month_end: MonthEnd = "same_day"
    valid_until: terms.Date | None = None

    def extension(self, name: str | None, period: str | None) -> ExtensionRule | None:
        """Return the extension of this name for clocks with the base ``period``, or None."""
        return next((row for row in self.extensions if row.name == name and row.of in (None, period)), None)


def require_sound(rules: tuple[ClockRule, ...]) -> None:
    """Accept rows that contradict neither themselves nor each other. Raises MalformedInput, which names the clock."""
    for number, row in enumerate(rules):
        field = f"rules.clocks[{number}] ({row.name})"
        for trigger in (*row.starts, *row.stops, *row.provisional, *row.renewals):
            if trigger not in TRIGGERS:
                raise MalformedInput("no event triggers {trigger!r}", trigger=trigger, field=field)
        if row.bases and row.bases[-1].when is not None:
            raise MalformedInput("the last base holds under every circumstance: leave out its `when`", field=field)
        for extension in row.extensions:
            # Which of the two holds would depend on the reader.
            if extension.adds is not None and extension.to is not None:
                raise MalformedInput(
                    "extension {extension.name}: expected adds or to, not both", extension=extension, field=field
                )
            if extension.of is not None and extension.of not in {base.period for base in row.bases}:
                raise MalformedInput(
                    "extension {extension.name}: no base is of {extension.of}", extension=extension, field=field
                )
        if (row.rests is None) != (row.rests_for is None) or row.rests not in {None, *(other.name for other in rules)}:
            raise MalformedInput("expected both a clock in `rests` and why in `rests_for`, or neither", field=field)
        if not stands_alone(row, rules):
            raise MalformedInput(
                "two rows are in force on {row.valid_from}, or one ends before it begins", row=row, field=field
            )


DAYS_KEPT = 1024

FlagName = Literal[
    "third_return",
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
    "list_differs",
    "loan_overdue",
    "frozen_twice",
    "freeze_lapsed",
    "moved_while_frozen",
    "judgment_silent",
    "disposal_against_decision",
    "extension_without_basis",
    "extension_without_ground",
    "term_beyond_law",
    "custody_not_changed",
]


class FlagRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One row: the flag is raised for acts of the days from ``valid_from`` up to, not including, ``valid_until``.

    ``limit`` is the rule's number if it has one: a count, or seconds.
    """

    name: FlagName
    article: str
    valid_from: terms.Date
    en: str
    zh: str
    limit: int = 0
    valid_until: terms.Date | None = None


class PurposeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What passes to the receiver at acceptance, and the stage that the case enters.

    ``custody_change``: from then on a detention house keeps a detained person of the case for the receiver, and gets a
    certificate (换押证). ``supplements``: the case goes back for further investigation, twice at most.
    """

    moves: Literal["responsibility", "custody"]
    article: str
    stage: terms.Stage | None = None
    custody_change: bool = False
    supplements: bool = False


class Rulebook(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """All rows of the rules. ``laws`` maps a law to its Chinese name, with ``{}`` for the article number."""

    flags: tuple[FlagRule, ...]
    purposes: dict[terms.Purpose, PurposeRule]
    clocks: tuple[ClockRule, ...] = ()
    laws: dict[str, str] = {}

    @cached_property
    def in_force(self) -> Callable[[str], dict[FlagName, FlagRule]]:
        """Return a cached function from a day (``YYYY-MM-DD``) to the flag rules in force on it, by name."""
        return lru_cache(maxsize=DAYS_KEPT)(lambda day: {rule.name: rule for rule in self.flags if holds_on(rule, day)})

    @cached_property
    def clock_rows(self) -> dict[tuple[str, str], ClockRule]:
        """Return the rows of clocks by name and first day."""
        return {(row.name, row.valid_from): row for row in self.clocks}

    @cached_property
    def started_by(self) -> dict[str, tuple[ClockRule, ...]]:
        """Return the rows that each trigger starts, definitely, provisionally or anew."""
        starts = ((row, (*row.starts, *row.provisional, *row.renewals)) for row in self.clocks)
        return _by_trigger((trigger, row) for row, triggers in starts for trigger in triggers)

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


def parse(text: str) -> Rulebook:
    """Parse a rulebook from TOML.

    Raises MalformedInput, also if a purpose has no row or two rows of one flag are in force on the same day.
    """
    tables = decode_toml(text, field="rules")
    try:
        book = convert(tables, Rulebook)
    except msgspec.ValidationError as error:
        raise MalformedInput("the rulebook cannot be read: {error}", error=error, field="rules") from error
    # A missing row would fail only at the first handover of that purpose.
    for purpose in terms.choices(terms.Purpose):
        if purpose not in book.purposes:
            raise MalformedInput("this purpose of a handover has no row", field=f"rules.purposes.{purpose}")
    # Two rows in force on one day would give one act two articles.
    for rule in book.flags:
        if not stands_alone(rule, book.flags):
            raise MalformedInput(
                "two rows of {rule.name} are in force on {rule.valid_from}, or one ends before it begins",
                rule=rule,
                field="rules.flags",
            )
    require_sound(book.clocks)
    return book
