"""A lead that was dismissed is told from one that was confirmed and came to nothing, once both are closed."""

from __future__ import annotations

from pathlib import Path

from alembic import command

from ledger.store import supervision
from ledger.store.migrate import configuration
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk, supervisor
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.testkit.supervision import Lead, Model, closed, dismissed

HANDLER = clerk(PROCURATORATE)


def outcomes(ledger: Ledger) -> list[tuple[str | None, int]]:
    with ledger.database.read() as connection:
        tally = supervision.tally_of_model(connection, "item-not-handed-over")
    return [(outcome, count) for _, _, outcome, count in tally]


def test_a_dismissed_lead_is_counted_apart(tmp_path: Path) -> None:
    """In the read model as it is written, and in one of an earlier release once it is brought up."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(HANDLER, clerk(POLICE), analyst(PROCURATORATE), supervisor(PROCURATORATE))
        ledger.post_all(Model().published().events)
        wrong = Lead({"case_id": "case-1", "item_id": "a"}).raised().assigned().act(dismissed(), HANDLER)
        right = Lead({"case_id": "case-1", "item_id": "b"}).raised().assigned().confirmed()
        for lead in (wrong, right):
            for event in lead.act(closed("none"), HANDLER).events:
                ledger.post(event)
        assert outcomes(ledger) == [("dismissed", 1), ("none", 1)]
        schema = configuration(ledger.database.log, "log")
        command.downgrade(schema, "0015")
        assert outcomes(ledger) == [("none", 2)]
        command.upgrade(schema, "head")
        assert outcomes(ledger) == [("dismissed", 1), ("none", 1)]
