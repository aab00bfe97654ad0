"""A history: many cases between two days, interleaved as a log has them, and the answer key of what was planted.

``generate`` with the same seed and sizes gives the same bytes. With a history come a list of pension payments, as
another office would give it, and its forms for a ledger: a source of views, a registry, signed submissions.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.encoding.digests import blake3_text
from ledger.core.events import Event
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.terms import AgencyKind
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_acts import person_id
from ledger.supervision.views.case_record import SourceEvent
from ledger.supervision.views.sources import BundleViewSource
from scripts.histories.courses import CommissionCourse, CriminalCourse, LinkedTwin, ReferralCourse, SupervisionCourse
from scripts.histories.plants import PLANTS, Plant
from scripts.histories.simulation import BEGINS, BOOK, ENDS, Breach, EndOfHistory, SimulatedCase, drawn

LAST_OPENED = 20  # days before the end
RATE = 0.004  # of the cases break one part of one rule
COURSES: dict[str, type[CriminalCourse]] = {
    "criminal": CriminalCourse,
    "referral": ReferralCourse,
    "commission": CommissionCourse,
    "civil": SupervisionCourse,
    "administrative": SupervisionCourse,
    "public_interest": SupervisionCourse,
}
LINKED = Plant(0, "linked twins", LinkedTwin, 700, {"phone": True}, twins=True)
DATASET = "pensions"
HEADINGS = ("person_id", "paid_on", "amount_fen")
STRANGERS = 3  # pensioners who are in no case, for each who is
MONTHS = 3


@dataclass
class GeneratedHistory:
    """The cases in the order of their ids, and what was planted on agencies."""

    cases: list[SimulatedCase]
    planted_on: list[Breach]

    @cached_property
    def events(self) -> list[Event]:
        """Return the events of all cases in the order of the log."""
        events = [step.event for simulated in self.cases for step in simulated.steps]
        return sorted(events, key=lambda event: (event.signed_at, event.stream.id))

    @cached_property
    def planted(self) -> tuple[Breach, ...]:
        """Return the answer key: what was broken on purpose."""
        return tuple(sorted([*self.planted_on, *(breach for case in self.cases for breach in case.planted)]))

    def anchors(self) -> Iterator[tuple[int, int]]:
        """Yield tree size and block time (unix seconds): at every full hour with new entries, all entries by then."""
        hour = 3600
        hours = [event.signed_at // hour for event in self.events]
        for size, (this, following) in enumerate(pairwise([*hours, hours[-1] + 1]), 1):
            if this != following:
                yield size, (this + 1) * hour


class Fate(NamedTuple):
    """What becomes of a case: its plant, if any, and what it ``shared`` with which ``twin``, counted from it."""

    plant: Plant | None = None
    shared: str = ""
    twin: int = 0


def generate(seed: int, count: int, *, rate: float = RATE) -> GeneratedHistory:
    """Generate a history of so many cases, of which each plant has the share ``rate``, at least one if that is not 0.

    Raises ValueError if there are too few cases.
    """
    towns = cities()
    careless = (towns[1]["police"],) if rate else ()
    correcting = (towns[4]["police"],) if rate else ()
    cases: list[SimulatedCase] = []
    for number, (plant, shared, twin) in enumerate(_fates(seed, count, rate)):
        chance = Random(f"{seed}/{number}")
        plan = replace(drawn(chance), careless=careless, correcting=correcting)
        latest = (ENDS - BEGINS).days - (plant.days if plant else LAST_OPENED)
        begins = BEGINS + timedelta(days=chance.randint(0, latest), hours=chance.randint(0, 6))
        play, fitted = (plant.course, plant.fitted(plan)) if plant else (COURSES[plan.kind], plan)
        case = play(_case_id(seed, number), chance.choice(towns), chance, begins, fitted)
        case.breaks = (plant.rule, plant.part) if plant else case.breaks
        case.shared, case.twin = shared, _case_id(seed, number + twin)
        with suppress(EndOfHistory):
            case.live_through()
        cases.append(case)
    of_agencies = [Breach(14, "discrepancies", "", careless), Breach(14, "corrections", "", correcting)]
    return GeneratedHistory(cases, [breach for breach in of_agencies if breach.subjects])


def _case_id(seed: int, number: int) -> str:
    return f"c{seed}-{number:05}"


def _fates(seed: int, count: int, rate: float) -> list[Fate]:
    """Choose a fate for each case; twins stand beside each other."""
    chosen = []
    for plant in (*PLANTS, LINKED):
        for number in range(max(1, round(rate * count)) if rate else 0):
            shared = sha256(f"{seed} {plant.part} {number}".encode()).hexdigest()
            chosen.append([Fate(plant, shared, 1), Fate(plant, shared, -1)] if plant.twins else [Fate(plant)])
    planted = sum(map(len, chosen))
    if planted > count:
        raise ValueError(f"expected at least {planted} cases for one of each plant, not {count}")
    groups = [*chosen, *([Fate()] for _ in range(count - planted))]
    Random(seed).shuffle(groups)
    return [fate for group in groups for fate in group]


BEFORE, AFTER = -400 * DAY, 400 * DAY  # the first payment, from the opening of the case: to suspects, to victims


def pension_list(history: GeneratedHistory) -> bytes:
    """Make a CSV of monthly payments: the planted ones in prison, others before it or to victims."""
    chance = Random(f"pensions {len(history.cases)}")
    in_prison = {person for breach in history.planted if breach.rule == 17 for person in breach.subjects}
    rows: list[tuple[str, str, int]] = []
    for simulated in history.cases:
        for person in simulated.state.persons.values():
            if person.person_id in in_prison:
                rows += _payments(person.person_id, taken_in(simulated.state) + 10 * DAY, chance)
            elif chance.random() < 0.1:
                first = BEFORE if person.role == "suspect" else AFTER
                rows += _payments(person.person_id, BOOK.zone.day_of_text(simulated.state.opened_at) + first, chance)
    for number in range(STRANGERS * len(in_prison)):
        rows += _payments(person_id(f"stranger {number}"), date(2025, 1, 10), chance)
    lines = [f"{person},{paid_on},{amount}\n" for person, paid_on, amount in sorted(rows)]
    return "".join([",".join(HEADINGS), "\n", *lines]).encode()


def registered(table: bytes) -> DatasetRegistered:
    """Return what an agency signs of the list."""
    return DatasetRegistered(
        dataset_id=DATASET,
        source="social insurance bureau",
        legal_basis="letter of request",
        period_from=BEGINS.date().isoformat(),
        period_until=ENDS.date().isoformat(),
        rows=table.count(b"\n") - 1,
        digest=blake3_text(table),
        readable=True,
    )


def payments(table: bytes) -> dict[str, list[date]]:
    """Return the days on which each person of the list was paid."""
    days: dict[str, list[date]] = {}
    for row in csv.DictReader(io.StringIO(table.decode())):
        days.setdefault(row["person_id"], []).append(date.fromisoformat(row["paid_on"]))
    return days


def taken_in(state: CaseState) -> date:
    """Return the day on which a prison accepted. Requires that one did."""
    sent = [sent for sent in state.handovers.values() if sent.purpose == "execution" and sent.is_accepted]
    return BOOK.zone.day_of_text(sent[-1].answered_at or "")


def _payments(person: str, first: date, chance: Random) -> list[tuple[str, str, int]]:
    amount = chance.randint(900, 6_000) * 100
    return [(person, (first + month * 30 * DAY).isoformat(), amount) for month in range(MONTHS)]


class HistorySource(BundleViewSource):
    """A history as a source of views."""

    def __init__(self, history: GeneratedHistory) -> None:
        self._cases: dict[str, list[SourceEvent]] = defaultdict(list)
        for index, event in enumerate(history.events):
            logged = SourceEvent(index, event)
            self._cases[event.stream.id].append(logged)
        events = [event for events in self._cases.values() for event in events]
        anchors = [(size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None)) for size, at in history.anchors()]
        super().__init__(events, Procedures.of(BOOK), agencies=agencies(), anchors=anchors)

    def _by_case(self) -> dict[str, list[SourceEvent]]:
        return self._cases  # kept, as there are many


# -- the agencies: cities of several provinces, each with every kind of agency -----------------------------------------

PROVINCES = ("甲", "乙", "丙")
CITIES = {"东": "east", "西": "west"}
_OF_CITY: dict[str, tuple[AgencyKind, str, str]] = {
    "police": ("public_security", "公安局", "Public Security Bureau"),
    "procuratorate": ("procuratorate", "人民检察院", "People's Procuratorate"),
    "court": ("court", "人民法院", "People's Court"),
    "detention_house": ("detention_house", "看守所", "Detention House"),
    "commission": ("supervision_commission", "监察委员会", "Supervision Commission"),
    "administration": ("administrative_agency", "市场监督管理局", "Market Regulation Bureau"),
    "depot": ("property_custodian", "涉案财物管理中心", "Property Depot"),
    "lab": ("forensic_lab", "司法鉴定中心", "Forensic Laboratory"),
    "correction": ("judicial_administration", "社区矫正管理局", "Community Correction Bureau"),
}
_OF_PROVINCE: dict[str, tuple[AgencyKind, str, str]] = {
    "upper_procuratorate": ("procuratorate", "人民检察院", "People's Procuratorate"),
    "upper_court": ("court", "高级人民法院", "High People's Court"),
    "prison": ("judicial_administration", "第一监狱", "First Prison"),
}


def cities() -> tuple[Mapping[str, str], ...]:
    """Return, of each city, the agencies that its cases come to, by what they are; those of its province among them."""
    return tuple(
        {role: _id_of(role, p, city) for role in _OF_CITY} | {role: _id_of(role, p) for role in _OF_PROVINCE}
        for p in range(len(PROVINCES))
        for city in CITIES
    )


def agencies() -> list[tuple[str, AgencyKind, str, str, str]]:
    """Return id, kind, both names and jurisdiction of all agencies, those of provinces first."""
    provinces = [
        (_id_of(role, p), kind, f"{name}省{zh}", f"{en} of Province {p + 1}", f"{p + 1:02}")
        for p, name in enumerate(PROVINCES)
        for role, (kind, zh, en) in _OF_PROVINCE.items()
    ]
    return provinces + [
        (
            _id_of(role, p, city),
            kind,
            f"{province}省{city}城市{zh}",
            f"{en} of {CITIES[city].title()} City, Province {p + 1}",
            f"{p + 1:02}/{c + 1:02}",
        )
        for p, province in enumerate(PROVINCES)
        for c, city in enumerate(CITIES)
        for role, (kind, zh, en) in _OF_CITY.items()
    ]


def _id_of(role: str, province: int, city: str = "") -> str:
    return f"{role.replace('_', '-')}-{province + 1}{CITIES[city][0] if city else ''}"
