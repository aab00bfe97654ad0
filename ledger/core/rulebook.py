"""What the custody rules take from data: flags with their articles, and what each purpose of a handover moves."""

from __future__ import annotations

import tomllib
from typing import Literal

import msgspec
from msgspec import Struct

from ledger.core.errors import MalformedInput
from ledger.core.event.terms import Date, Purpose, Stage, choices

FlagName = Literal[
    "third_return",
    "remedy_overdue",
    "resubmission_overdue",
    "same_officer_both_sides",
    "backdated",
    "late_entry",
    "occurred_in_future",
    "property_undisposed",
    "disposal_without_decision",
    "act_after_closing",
]


class FlagRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One row: the flag is raised for acts of the days ``valid_from`` up to, not including, ``valid_until``.

    ``limit`` is the rule's number where it has one: a count, or seconds.
    """

    name: FlagName
    article: str
    valid_from: Date
    en: str
    zh: str
    limit: int = 0
    valid_until: Date | None = None

    def holds_on(self, day: str) -> bool:
        """Whether the rule is in force on ``day`` (``YYYY-MM-DD``)."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


class PurposeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What passes to the receiver at acceptance, and the stage that the case enters."""

    moves: Literal["responsibility", "custody"]
    article: str
    stage: Stage | None = None


class Rulebook(Struct, frozen=True, forbid_unknown_fields=True):
    flags: tuple[FlagRule, ...]
    purposes: dict[Purpose, PurposeRule]

    def in_force(self, day: str) -> dict[str, FlagRule]:
        """The rules in force on ``day``, by name."""
        return {rule.name: rule for rule in self.flags if rule.holds_on(day)}


def parse(text: str) -> Rulebook:
    """The rulebook of a TOML text.

    Raises MalformedInput, also where a purpose has no row or two rows of one flag are in force on the same day.
    """
    try:
        book = msgspec.convert(tomllib.loads(text), Rulebook)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MalformedInput(f"the rulebook cannot be read: {error}", field="rules") from error
    for purpose in choices(Purpose):
        if purpose not in book.purposes:
            raise MalformedInput("this purpose of a handover has no row", field=f"rules.purposes.{purpose}")
    for rule in book.flags:
        in_force = [row for row in book.flags if row.name == rule.name and row.holds_on(rule.valid_from)]
        if in_force != [rule]:
            raise MalformedInput(
                f"two rows of {rule.name} are in force on {rule.valid_from}, or one ends before it begins",
                field="rules.flags",
            )
    return book
