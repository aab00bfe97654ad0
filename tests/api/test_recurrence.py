"""What came again: leads by the day on which they were raised, as many days up to the day of issue as after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.services.supervision_views import Recurrence, recurrence
from ledger.core.encoding.instants import spelled
from ledger.core.events.letter import Outsider
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk, refused, supervisor
from tests.testkit.ledgers import Ledger, Untried, open_founded, sqlite_url
from tests.testkit.supervision import Lead, Model, Recommendation, rechecked

ZONE = shipped_rulebook().zone

DAY_S = 86_400


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_founded(
        sqlite_url(tmp_path),
        clerk(PROCURATORATE),
        clerk(POLICE),
        analyst(PROCURATORATE),
        supervisor(PROCURATORATE),
        definitions=Untried(),
    ) as opened:
        yield opened


def raise_on(ledger: Ledger, item_id: str) -> None:
    lead = Lead({"case_id": "case-1", "item_id": item_id}, start=ledger.clock.seconds)
    ledger.post(lead.raised().last)


def issue(ledger: Ledger, recommendation_id: str = "2026-7", **fields: Any) -> Recommendation:
    recommendation = Recommendation(recommendation_id, start=ledger.clock.seconds).issued(
        **{"model_id": "item-not-handed-over", **fields}
    )
    ledger.post(recommendation.last)
    return recommendation


def recurrence_of(ledger: Ledger, recommendation: Recommendation) -> Recurrence | None:
    now = spelled(datetime.fromtimestamp(ledger.clock.seconds, UTC))
    with ledger.database.read() as connection:
        return recurrence(connection, recommendation.state, now, ledger.registry.authority.agencies, ZONE)


def test_the_lead_that_led_to_it_came_before(ledger: Ledger) -> None:
    """Also where it was raised on the day of issue; as many days are looked at on either side."""
    ledger.post(Model(start=ledger.clock.seconds).published().last)
    ledger.clock.forward(30 * DAY_S)
    raise_on(ledger, "phone")
    recommendation = issue(ledger)
    assert recurrence_of(ledger, recommendation) is None, "no day has passed"
    ledger.clock.forward(3 * DAY_S)
    raise_on(ledger, "knife")
    raise_on(ledger, "car")
    counts = recurrence_of(ledger, recommendation)
    assert counts
    assert (counts.before.count, counts.after.count, counts.runs_from) == (1, 2, None)
    issued = ZONE.day_of(datetime.fromisoformat(recommendation.state.issued_at))
    border = (issued + timedelta(days=1)).isoformat()
    assert (counts.before.period_until, counts.after.period_from) == (border, border)
    assert counts.before.period_from == (issued - timedelta(days=2)).isoformat()
    assert counts.after.period_until == (issued + timedelta(days=4)).isoformat()


def test_a_model_that_is_new_is_told(ledger: Ledger) -> None:
    """What it raised on its first day is of all history, though it falls into the period before."""
    ledger.clock.forward(30 * DAY_S)
    ledger.post(Model(start=ledger.clock.seconds).published().last)
    raise_on(ledger, "phone")
    recommendation = issue(ledger)
    ledger.clock.forward(2 * DAY_S)
    counts = recurrence_of(ledger, recommendation)
    assert counts
    assert counts.runs_from == recommendation.state.issued_at[:10]


def test_nothing_is_counted_without_a_model(ledger: Ledger) -> None:
    """Nor about somebody who is no agency, of whom no lead is."""
    ledger.clock.forward(30 * DAY_S)
    bank = Outsider(kind="bank", name="East Bank")
    by_hand, outside = issue(ledger, model_id=None), issue(ledger, "2026-8", to_agency=None, to_outside=bank)
    ledger.clock.forward(2 * DAY_S)
    raise_on(ledger, "phone")
    assert [recurrence_of(ledger, recommendation) for recommendation in (by_hand, outside)] == [None, None]


def test_numbers_of_the_service_are_those_that_it_counts(ledger: Ledger) -> None:
    """Both, in its own days and by the recommendation's model; nobody counts in more entries than the log has."""
    ledger.clock.forward(30 * DAY_S)
    raise_on(ledger, "phone")
    raise_on(ledger, "knife")
    recommendation = issue(ledger)
    ledger.clock.forward(3 * DAY_S)
    raise_on(ledger, "car")
    recommendation.now = ledger.clock.seconds
    counts, by = recurrence_of(ledger, recommendation), supervisor(PROCURATORATE)
    assert counts
    own = {"counted_by": "service", "before": counts.before, "after": counts.after}
    shorter = replace(counts.after, period_until=counts.after.period_from)
    beyond = replace(counts.before, tree_size=10_000)
    for fields, code, field in (
        ({"after": replace(counts.after, count=0)}, "not_counted_so", "counted_by"),
        ({"before": replace(counts.before, count=9)}, "not_counted_so", "counted_by"),
        ({"after": replace(shorter, count=0)}, "not_counted_so", "counted_by"),
        ({"model_id": None}, "not_counted_so", "counted_by"),
        ({"counted_by": "officer", "before": beyond}, "beyond_log", "before.tree_size"),
    ):
        with refused(code, field=f"payload.body.{field}"):
            ledger.post(recommendation.draft(replace(rechecked(), **(own | fields)), by))  # type: ignore[arg-type]
    ledger.post(recommendation.draft(replace(rechecked(), **own), by))  # type: ignore[arg-type]
