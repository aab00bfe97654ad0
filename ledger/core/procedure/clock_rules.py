"""The statutory clocks as data: what starts and stops each, the time that it gives, and how that time is extended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from ledger.core.errors import MalformedInput
from ledger.core.events.terms import (
    Date,
    DecisionKind,
    ExclusionGround,
    ExtensionName,
    Measure,
    Procedure,
    Purpose,
    QualifyingGround,
    Stage,
)
from ledger.core.procedure.deadlines import MonthEnd
from ledger.core.procedure.legal_days import stands_alone

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
    (("measure", "measure_ended"), get_args(Measure)),
    (("offered", "delivered", "received", "accepted", "refused", "returned"), get_args(Purpose)),
    (("decided", "served", "effective"), get_args(DecisionKind)),
    (("procedure", "turned_to"), get_args(Procedure)),
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

    name: ExtensionName
    article: str
    en: str
    zh: str
    adds: Period | None = None
    to: Period | None = None
    of: Period | None = None
    grounds: tuple[QualifyingGround, ...] = ()
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
    valid_from: Date
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
    rests_for: ExclusionGround | None = None
    stages: tuple[Stage, ...] = ()
    month_end: MonthEnd = "same_day"
    valid_until: Date | None = None

    def extension(self, name: str | None, period: str | None) -> ExtensionRule | None:
        """Return the extension of this name for clocks with the base ``period``, or None."""
        return next((row for row in self.extensions if row.name == name and row.of in (None, period)), None)


def require_sound(rules: tuple[ClockRule, ...]) -> None:
    """Accept rows that contradict neither themselves nor each other. Raises MalformedInput, which names the clock."""
    for number, row in enumerate(rules):
        field = f"rules.clocks[{number}] ({row.name})"
        for trigger in _triggers(row):
            if trigger not in TRIGGERS:
                raise MalformedInput(f"no event triggers {trigger!r}", field=field)
        if row.bases and row.bases[-1].when is not None:
            raise MalformedInput("the last base holds under every circumstance: leave out its `when`", field=field)
        for extension in row.extensions:
            if extension.adds is not None and extension.to is not None:
                raise MalformedInput(f"extension {extension.name}: expected adds or to, not both", field=field)
            if extension.of is not None and extension.of not in {base.period for base in row.bases}:
                raise MalformedInput(f"extension {extension.name}: no base is of {extension.of}", field=field)
        if (row.rests is None) != (row.rests_for is None) or row.rests not in {None, *(other.name for other in rules)}:
            raise MalformedInput("expected both a clock in `rests` and why in `rests_for`, or neither", field=field)
        if not stands_alone(row, rules):
            raise MalformedInput(
                f"two rows are in force on {row.valid_from}, or one ends before it begins", field=field
            )


def _triggers(row: ClockRule) -> Iterator[str]:
    """Yield all triggers that the row names."""
    yield from row.starts
    yield from row.stops
    yield from row.provisional
    yield from row.renewals
