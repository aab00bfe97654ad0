"""Outside data: a list of pension payments, as another office would give it, persons as keyed digests."""

from __future__ import annotations

import csv
import io
from datetime import date
from hashlib import sha256
from random import Random

from ledger.core.custody import CaseState
from ledger.core.encoding.digests import blake3_text
from ledger.core.events.record import DatasetRegistered
from ledger.core.procedure.legal_days import DAY, legal_day_of
from scripts.histories.history import BEGINS, ENDS, History

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
