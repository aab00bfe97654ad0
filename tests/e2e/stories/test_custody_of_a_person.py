"""Story 6, custody of a person: the case has passed on, the certificate is not served, the jail knows nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.samples.case_acts import person_id
from ledger.samples.stories import CUSTODY_LEAD, CUSTODY_OF_A_PERSON, KEPT_PERSON
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.service import Refused

PERSON = person_id(KEPT_PERSON)
ARRESTED = "2025-03-03"  # the case is accepted on 6 May, a Tuesday, and the change asked for on the 12th
SERVED = "2025-05-13T02:00:00Z"
CLOCK = f"custody_change {PERSON}"


def kept_for(case: TownCase, by: str) -> Any:
    """For whom somebody sees that the detention house keeps the person."""
    (person,) = case.seen_by(by)["persons"]
    return person["kept_for"]


def test_the_detention_house_shows_the_police_until_the_certificate_is_served(town: Town) -> None:
    """Responsibility moved with the acceptance; the change is due promptly, and after days rule 10 raises a lead.

    It is for the procuratorate above, since that of the district should have asked for it. Service clears both.
    """
    points = town.story(CUSTODY_OF_A_PERSON, ARRESTED)
    _, case = next(points)
    with pytest.raises(Refused) as unseen:
        case.seen_by("detention")
    assert unseen.value.status == 404
    assert kept_for(case, "prosecutor") == "psb-east"
    running = case.deadlines("prosecutor", as_of="2025-05-08T00:00:00Z")[CLOCK]
    assert (running["status"], running["last_day"], running["days_left"]) == ("running", None, None)
    town.publish("custody-change-not-served")
    _, lead = next(CUSTODY_LEAD.points(town.player()))
    raised = town.ok("prosecutor-chief-city", "lead", "show", lead.lead_id)["raised"]
    assert (raised["supervised"], raised["supervising"]) == ("procuratorate-east", "procuratorate-city")
    assert "stopped_at" not in raised["values"]

    next(points)
    assert kept_for(case, "detention") == "psb-east"
    later = ("--status", "running", "--as-of", "2025-05-12T02:30:00Z", "--case", case.stream.id)
    waiting = town.ok("prosecutor", "deadline", "list", *later)
    assert [line["agency"] for line in waiting if line["clock"] == "custody_change"] == ["procuratorate-east"]

    serve = ("custody", "serve", case.stream.id, "custody-1", "--served-at", SERVED, "--occurred-at", SERVED)
    town.ok("detention", *serve)
    assert kept_for(case, "detention") == kept_for(case, "police") == "procuratorate-east"
    now = "2025-05-14T00:00:00Z"
    assert CLOCK not in case.deadlines("prosecutor", as_of=now)
    served = case.deadlines("prosecutor", as_of=now, status="met")[CLOCK]
    assert (served["stopped_at"], len(served["events"])) == (SERVED, 2)
    assert town.work(CUSTODY_LEAD)["closed"]["outcome"] == "no_further_action"
