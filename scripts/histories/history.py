"""A history: many lives between two days, interleaved as a log has them, and the answer key of what was planted.

``generate`` with the same seed and sizes gives the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import CaseState
from scripts.histories.life import Entry, Horizon, Life, Planted, Step
from scripts.histories.otherwise import Commission, Other, Referral
from scripts.histories.plan import Plan, drawn
from scripts.histories.plants import PLANTS, Plant
from scripts.histories.sentence import Criminal
from scripts.histories.twins import LinkedTwin, Twin
from scripts.histories.world import Officer, cities

BEGINS = datetime(2023, 1, 4, 1, tzinfo=UTC)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
LAST_OPENED = 20  # days before the end
RATE = 0.004  # of the cases break one part of one rule
COURSES: dict[str, type[Criminal]] = {
    "criminal": Criminal,
    "referral": Referral,
    "commission": Commission,
    "civil": Other,
    "administrative": Other,
    "public_interest": Other,
}
LINKED = Plant(0, "linked twins", LinkedTwin, 700, {"phone": True}, twins=True)


class History:
    """The lives in the order of their case ids; ``ends`` is the moment that supervision looks from."""

    def __init__(self, lives: list[Life], planted_on: tuple[Planted, ...]) -> None:
        self.lives = lives
        self.ends = ENDS
        self._of_agencies = planted_on

    @cached_property
    def entries(self) -> list[Entry]:
        """The events of all cases as a log takes them."""
        entries = [step.entry for life in self.lives for step in life.steps]
        return sorted(entries, key=lambda entry: (entry.recorded_at, entry.payload.stream.id))

    @cached_property
    def planted(self) -> tuple[Planted, ...]:
        """The answer key: what was broken on purpose."""
        return tuple(sorted([*self._of_agencies, *(one for life in self.lives for one in life.planted)]))

    @property
    def states(self) -> Iterator[CaseState]:
        """The cases as they stand at the end."""
        return (life.state for life in self.lives)

    @property
    def steps(self) -> Iterator[Step]:
        """Every event of every case, with the case before and after it."""
        return (step for life in self.lives for step in life.steps)

    @property
    def officers(self) -> tuple[Officer, ...]:
        """All who sign."""
        found = {(one.officer.agency, one.officer.officer_id): one.officer for one in self.entries}
        return tuple(found[key] for key in sorted(found))

    def anchors(self) -> Iterator[tuple[int, int]]:
        """Tree size and block time (unix seconds): on every full hour with something new, all there is by then."""
        hour = 3600
        hours = [entry.recorded_at // hour for entry in self.entries]
        for size, (this, following) in enumerate(pairwise([*hours, hours[-1] + 1]), 1):
            if this != following:
                yield size, (this + 1) * hour


class Fate(NamedTuple):
    """What a life is to be: its plant, if it has one, and what it ``shared`` with which ``twin``, counted from it."""

    plant: Plant | None = None
    shared: str = ""
    twin: int = 0


def generate(seed: int, cases: int, *, rate: float = RATE, rates: Mapping[str, float] | None = None) -> History:
    """A history of so many cases; of each plant as many as its rate says, one at least where it is not 0.

    ``rates`` are shares of the cases by ``rule/part``, ``rate`` is that of all others. Raises ValueError where there
    are too few cases for that.
    """
    shares = defaultdict(lambda: rate, rates or {})
    towns = cities()
    careless = (towns[1].police,) if shares["14/discrepancies"] else ()
    correcting = (towns[4].police,) if shares["14/corrections"] else ()
    lives = []
    for number, fate in enumerate(_fates(seed, cases, shares)):
        chance = Random(f"{seed}/{number}")
        plan = replace(drawn(chance), careless=careless, correcting=correcting)
        latest = (ENDS - BEGINS).days - (fate.plant.days if fate.plant else LAST_OPENED)
        begins = BEGINS + timedelta(days=chance.randint(0, latest), hours=chance.randint(0, 6))
        life = Life(_case_id(seed, number), chance.choice(towns), chance, begins, ENDS)
        _live(life, plan, fate, _case_id(seed, number + fate.twin))
        lives.append(life)
    agencies = [Planted(14, "discrepancies", "", careless), Planted(14, "corrections", "", correcting)]
    return History(lives, tuple(one for one in agencies if one.subjects))


def _case_id(seed: int, number: int) -> str:
    return f"c{seed}-{number:05}"


def _fates(seed: int, cases: int, shares: Mapping[str, float]) -> list[Fate]:
    """One for each case; twins stand beside each other."""
    chosen = []
    for plant in (*PLANTS, LINKED):
        share = shares[f"{plant.rule}/{plant.part}"]
        for number in range(max(1, round(share * cases)) if share else 0):
            shared = sha256(f"{seed} {plant.part} {number}".encode()).hexdigest()
            chosen.append([Fate(plant, shared, 1), Fate(plant, shared, -1)] if plant.twins else [Fate(plant)])
    planted = sum(map(len, chosen))
    if planted > cases:
        raise ValueError(f"expected at least {planted} cases for a life of each plant, not {cases}")
    groups = [*chosen, *([Fate()] for _ in range(cases - planted))]
    Random(seed).shuffle(groups)
    return [one for group in groups for one in group]


def _live(life: Life, plan: Plan, fate: Fate, twin: str) -> None:
    """The life as far as it goes until the history ends."""
    plant = fate.plant
    course = plant.course(life, plant.fitted(plan)) if plant else COURSES[plan.kind](life, plan)
    if isinstance(course, Twin):
        course.shared, course.twin = fate.shared, twin
    with suppress(Horizon):
        course.live_through()
