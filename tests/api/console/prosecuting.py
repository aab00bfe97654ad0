"""A prosecutor's desk: cases in which something was left behind, and a published model that finds it."""

from __future__ import annotations

import time

from ledger.core.events.item import Seizure
from ledger.store.supervision import LEADS
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.api.console.desk import Office
from tests.testkit.builders import PROCURATORATE, instant
from tests.testkit.casework import Case
from tests.testkit.supervision import Model

MODEL = "item-not-handed-over"
DAY_S = 24 * 3600


def left_behind(office: Office, case_id: str = "case-1", *, item: str = "knife") -> Case:
    """Return a case that goes to the procuratorate without one of the items that were seized."""
    now = office.ledger.clock.seconds
    officers = ("police-east-c1", "police-east-c2")
    seized = Seizure(document_number="2026-31", seized_at=instant(now - DAY_S), officers=officers)
    case = Case(case_id, start=now - 600, step=60).open(case_number=f"2026-{case_id}")
    case.register(f"{case_id}-phone", f"{case_id}-{item}", seizure=seized)
    return office.record(case.offer(f"{case_id}-phone", to=PROCURATORATE).accept())


def publish(office: Office, model_id: str = MODEL) -> Model:
    """Publish a shipped model as the procuratorate's analyst."""
    text = shipped_model(model_id)
    model = Model(model_id, start=office.ledger.clock.seconds - 600, step=1)
    model.published(definition=text, model_digest=parse_model(text).digest, title=parse_model(text).title)
    for event in model.events:
        office.ledger.post(event)
    return model


def raise_leads(office: Office, *case_ids: str) -> list[str]:
    """Raise leads of these cases by the service's own step; return their ids."""
    office.ledger.clock.ms = (int(time.time()) - 5 * DAY_S) * 1000  # the service signs leads by its own clock
    for case_id in case_ids or ("case-1",):
        left_behind(office, case_id)
    office.ledger.clock.forward(5 * DAY_S)
    publish(office)
    office.parts.supervisor.step()
    with office.ledger.database.read() as connection:
        return [str(row.lead_id) for row in connection.execute(LEADS.select().order_by(LEADS.c.case_id))]
