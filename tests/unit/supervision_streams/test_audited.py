"""What an audit finds where streams and lists of supervision are not what the events come to."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ledger.core.supervision import LeadState
from ledger.store.supervision import MODELS
from tests.testkit.builders import PROCURATORATE, SERVICE, clerk, supervisor
from tests.testkit.ledgers import Ledger
from tests.testkit.supervision import Lead, Model, Recommendation, assigned, closed, raised
from tests.unit.audit.test_rules import force
from tests.unit.supervision_streams.stand import findings, lived, post, rows, write


def test_a_sound_life_has_no_findings(ledger: Ledger) -> None:
    """Streams and lists of supervision are what the events come to."""
    model, lead, made = lived()
    post(ledger, model)
    write(ledger, lead.events[:-1])
    post(ledger, made)
    ledger.post(lead.last)
    assert findings(ledger) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leads SET status = 'closed'",
        "UPDATE leads SET told = NOT told",
        "DELETE FROM leads",
        "UPDATE models SET retired = NOT retired",
        "UPDATE recommendations SET to_agency = 'court-east'",
        "UPDATE models SET model_id = 'another'",
    ],
)
def test_an_edited_list_is_a_finding(ledger: Ledger, statement: str) -> None:
    """What lists show must be what the events come to; no list is left out."""
    post(ledger, Model().published(), Lead().raised(), Recommendation().issued())
    with ledger.database.log.begin() as connection:
        assert connection.execute(text(statement)).rowcount
    assert {step for step, _ in findings(ledger)} == {"models"}


def test_a_row_without_any_event_is_a_finding(ledger: Ledger) -> None:
    """Also where the log has no stream of supervision at all."""
    post(ledger, Model().published())
    row = rows(ledger, MODELS)[0]
    with ledger.database.log.begin() as connection:
        connection.execute(MODELS.insert(), {**row, "model_id": "another"})
    assert findings(ledger) == {("models", None)}


def test_a_step_that_was_impossible_is_a_finding(ledger: Ledger) -> None:
    """What a dishonest operator sequences unjudged is named by its index, and what stands on it is not judged."""
    lead = Lead().raised()
    post(ledger, lead)
    assert isinstance(lead.current, LeadState)
    lead.events.append(lead.draft(closed("none"), clerk(PROCURATORATE)))
    lead.events.append(lead.draft(assigned(), supervisor(PROCURATORATE)))
    index = force(ledger, *lead.events[1:])
    assert findings(ledger) == {("supervision", index)}


def test_a_lead_for_nobody_is_a_finding(ledger: Ledger) -> None:
    """An agency counts from its admission on: a lead that was sequenced before names nobody."""
    lead = Lead()
    lead.events.append(lead.draft(raised(supervised="police-moon"), SERVICE))
    assert findings(ledger) == set()
    index = force(ledger, *lead.events)
    assert findings(ledger) == {("supervision", index)}
