"""A history: many lives between two days, interleaved as a log has them, and the answer key of what was planted.

``generate`` with the same seed and sizes gives the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from ledger.core.custody import Act, CaseState
from ledger.core.encoding.digests import blake3_text
from ledger.core.events import Envelope, Payload, encode_submission, registry
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.registry import Name, Profile, RegistryChange
from ledger.core.procedure.legal_days import DAY, legal_day_of
from ledger.recording.signing import envelope_of, sign_payload
from ledger.supervision.views import Acts, Anchors, Logged, LogHead
from ledger.supervision.views.case_rows import Row
from ledger.supervision.views.supervision_rows import MatterRecord
from scripts.campaigns.casework import FOREVER, UNNUMBERED, numbered
from scripts.histories.agencies import Officer, agencies, cities
from scripts.histories.courses import Commission, Criminal, LinkedTwin, Other, Referral, Twin
from scripts.histories.plants import PLANTS, Plant
from scripts.histories.simulation import BOOK, Entry, Horizon, Life, Plan, Planted, Step, drawn

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


DATASET = "pensions"
HEADINGS = ("person_id", "paid_on", "amount_fen")
STRANGERS = 3  # pensioners who are in no case, for each who is
MONTHS = 3
BEFORE, AFTER = -400 * DAY, 400 * DAY  # the first payment, from the opening of the case: to suspects, to victims


def pension_list(history: History) -> bytes:
    """A CSV of monthly payments: those planted are paid in prison, of others some are paid before, or are victims."""
    chance = Random(f"pensions {len(history.lives)}")
    in_prison = {person for one in history.planted if one.rule == 17 for person in one.subjects}
    rows: list[tuple[str, str, int]] = []
    for life in history.lives:
        for person in life.state.persons.values():
            if person.person_id in in_prison:
                rows += _payments(person.person_id, taken_in(life.state) + 10 * DAY, chance)
            elif chance.random() < 0.1:
                first = BEFORE if person.role == "suspect" else AFTER
                rows += _payments(person.person_id, legal_day_of(life.state.opened_at) + first, chance)
    strangers = [sha256(f"stranger {number}".encode()).hexdigest()[:32] for number in range(STRANGERS * len(in_prison))]
    for stranger in strangers:
        rows += _payments(stranger, date(2025, 1, 10), chance)
    written = io.StringIO(newline="")
    table = csv.writer(written, lineterminator="\n")
    table.writerow(HEADINGS)
    table.writerows(sorted(rows))
    return written.getvalue().encode()


def registered(table: bytes) -> DatasetRegistered:
    """What an agency signs of the list."""
    return DatasetRegistered(
        dataset_id=DATASET,
        source="social insurance bureau",
        legal_basis="letter of request",
        period_from=BEGINS.date().isoformat(),
        period_until=ENDS.date().isoformat(),
        rows=table.count(b"\n") - 1,
        digest=blake3_text(table),
    )


def payments(table: bytes) -> dict[str, list[date]]:
    """The days on which each person of the list was paid."""
    found: dict[str, list[date]] = {}
    for row in csv.DictReader(io.StringIO(table.decode())):
        found.setdefault(row["person_id"], []).append(date.fromisoformat(row["paid_on"]))
    return found


def taken_in(state: CaseState) -> date:
    """The day on which a prison accepted. Requires that one did."""
    found = [one for one in state.handovers.values() if one.purpose == "execution" and one.is_accepted]
    return legal_day_of(found[-1].answered_at or "")


def _payments(person: str, first: date, chance: Random) -> list[tuple[str, str, int]]:
    amount = chance.randint(900, 6_000) * 100
    return [(person, (first + month * 30 * DAY).isoformat(), amount) for month in range(MONTHS)]


class Alone:
    """Acts of cases that cite no other."""

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act:
        return Act(payload, digest, signed_at, BOOK)


class HistorySource:
    """Implements ``ledger.supervision.views.Source``; no case of a history cites another one's state."""

    def __init__(self, history: History) -> None:
        self.acts: Acts = Alone()
        self._anchors = [*history.anchors()]
        self._digests = [entry.digest for entry in history.entries]
        self._cases: dict[str, list[Logged]] = defaultdict(list)
        for index, entry in enumerate(history.entries):
            logged = Logged(index, entry.digest, entry.recorded_at, entry.payload)
            self._cases[entry.payload.stream.id].append(logged)

    def head(self) -> LogHead:
        return LogHead(len(self._digests), self.digest_at(len(self._digests)))

    def digest_at(self, size: int) -> str | None:
        return self._digests[size - 1] if size else None

    def touched(self, start: int, end: int) -> list[str]:
        return sorted(key for key, events in self._cases.items() if any(start <= one.log_index < end for one in events))

    def case(self, case_id: str, end: int) -> list[Logged]:
        return [one for one in self._cases[case_id] if one.log_index < end]

    def matters(self, _start: int, _end: int) -> list[MatterRecord]:
        """None: nothing was raised yet."""
        return []

    def agencies(self) -> list[Row]:
        return [(one.agency_id, one.kind, one.zh, one.en, one.jurisdiction) for one in agencies()]

    def datasets(self, end: int) -> list[Row]:
        return []

    def anchors(self, after: int, end: int) -> Anchors:
        rows: list[Row] = [
            (number, size, datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
            for number, (size, at) in enumerate(self._anchors, start=1)
            if number > after and size <= end
        ]
        return Anchors(after + len(rows), rows)


_UNSIGNED = "0x" + "00" * 65


def unsigned(entry: Entry) -> Envelope:
    """The envelope without a signature: enough for whoever reads what is said, and does not ask who said it."""
    nobody = "0x" + "00" * 20
    return envelope_of(entry.payload, entry.digest, key_id=nobody, signed_at=entry.recorded_at, signature=_UNSIGNED)


def submission(entry: Entry, log_id: bytes) -> bytes:
    """The event signed for the ledger ``log_id``, as a client posts it."""
    envelope = sign_payload(entry.payload, entry.officer.signer, log_id, signed_at=entry.recorded_at)
    return encode_submission(envelope, entry.payload, {})


def registry_changes(history: History, log_id: bytes, *officers: Officer) -> Iterator[RegistryChange]:
    """The changes by which the agencies, and the keys of all who sign and of ``officers``, are known."""
    yield from numbered(_changes((*history.officers, *officers)), log_id)


def _changes(officers: tuple[Officer, ...]) -> Iterator[RegistryChange]:
    for agency in agencies():
        yield registry.AgencyAdmitted(
            *UNNUMBERED,
            agency=agency.agency_id,
            kind=agency.kind,
            admin=Officer(agency.agency_id, "admin", ()).signer.key_id,
            profile=Profile(jurisdiction=agency.jurisdiction, name=Name(zh=agency.zh, en=agency.en)),
        )
    for officer in officers:
        yield registry.KeyGranted(
            *UNNUMBERED,
            agency=officer.agency,
            key_id=officer.signer.key_id,
            officer=officer.officer_id,
            roles=officer.roles,
            suite=1,
            valid_from=int(BEGINS.timestamp()) - 86_400,
            valid_until=FOREVER,
        )
