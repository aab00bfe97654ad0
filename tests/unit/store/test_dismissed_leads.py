"""A lead that was dismissed is told from one that was confirmed and came to nothing, once both are closed."""

from __future__ import annotations

from ledger.store import supervision
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk, supervisor
from tests.testkit.ledgers import Ledger
from tests.testkit.supervision import Lead, Model, closed, dismissed

HANDLER = clerk(PROCURATORATE)
OFFICERS = (HANDLER, clerk(POLICE), analyst(PROCURATORATE), supervisor(PROCURATORATE))


def test_a_dismissed_lead_is_counted_apart(sqlite: Ledger) -> None:
    """Both are closed; only the confirmed one has the outcome that it was closed with."""
    wrong = Lead({"case_id": "case-1", "item_id": "a"}).raised().assigned().act(dismissed(), HANDLER)
    right = Lead({"case_id": "case-1", "item_id": "b"}).raised().assigned().confirmed()
    for subject in (Model().published(), *(lead.act(closed("none"), HANDLER) for lead in (wrong, right))):
        for event in subject.events:
            sqlite.post(event)
    with sqlite.database.read() as connection:
        tally = supervision.tally_of_model(connection, "item-not-handed-over")
    assert [(outcome, count) for _, _, outcome, count in tally] == [("dismissed", 1), ("none", 1)]
