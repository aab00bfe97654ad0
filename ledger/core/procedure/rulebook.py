"""The data of the custody rules: flags with their articles, what each purpose of a handover moves, and clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.encoding.toml import decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Date, Purpose, Stage, choices
from ledger.core.procedure.clock_rules import ClockRule, require_sound
from ledger.core.procedure.legal_days import holds_on, stands_alone

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
    valid_from: Date
    en: str
    zh: str
    limit: int = 0
    valid_until: Date | None = None


class PurposeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What passes to the receiver at acceptance, and the stage that the case enters.

    ``custody_change``: from then on a detention house keeps a detained person of the case for the receiver, and gets a
    certificate (换押证). ``supplements``: the case goes back for further investigation, twice at most.
    """

    moves: Literal["responsibility", "custody"]
    article: str
    stage: Stage | None = None
    custody_change: bool = False
    supplements: bool = False


class Rulebook(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """All rows of the rules. ``laws`` maps a law to its Chinese name, with ``{}`` for the article number."""

    flags: tuple[FlagRule, ...]
    purposes: dict[Purpose, PurposeRule]
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
        raise MalformedInput(f"the rulebook cannot be read: {error}", field="rules") from error
    # A missing row would fail only at the first handover of that purpose.
    for purpose in choices(Purpose):
        if purpose not in book.purposes:
            raise MalformedInput("this purpose of a handover has no row", field=f"rules.purposes.{purpose}")
    for rule in book.flags:
        if not stands_alone(rule, book.flags):
            raise MalformedInput(
                f"two rows of {rule.name} are in force on {rule.valid_from}, or one ends before it begins",
                field="rules.flags",
            )
    require_sound(book.clocks)
    return book
