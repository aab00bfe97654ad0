"""A lead that was dismissed is told from one that was confirmed and came to nothing, once both are closed."""

from __future__ import annotations

from pathlib import Path

from ledger.store import supervision
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk, supervisor
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.testkit.supervision import Lead, Model, closed, dismissed

HANDLER = clerk(PROCURATORATE)


def outcomes(ledger: Ledger) -> list[tuple[str | None, int]]:
    with ledger.database.read() as connection:
        tally = supervision.tally_of_model(connection, "item-not-handed-over")
    return [(outcome, count) for _, _, outcome, count in tally]


def test_a_dismissed_lead_is_counted_apart(tmp_path: Path) -> None:
    """Both are closed; only the confirmed one has the outcome that it was closed with."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(HANDLER, clerk(POLICE), analyst(PROCURATORATE), supervisor(PROCURATORATE))
        ledger.post_all(Model().published().events)
        wrong = Lead({"case_id": "case-1", "item_id": "a"}).raised().assigned().act(dismissed(), HANDLER)
        right = Lead({"case_id": "case-1", "item_id": "b"}).raised().assigned().confirmed()
        for lead in (wrong, right):
            for event in lead.act(closed("none"), HANDLER).events:
                ledger.post(event)
        assert outcomes(ledger) == [("dismissed", 1), ("none", 1)]
