"""Story 6, custody of a person: the case has passed on, the certificate is not served, the jail knows nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.core.events import case as acts
from tests.e2e.stories.prosecution import WorkedLead, publish
from tests.e2e.stories.service import Refused
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import DETENTION, POLICE, PROCURATORATE, UPPER, clerk
from tests.testkit.casework import person_id

LI = person_id("li")
ARRESTED = "2025-03-03T02:00:00Z"
ACCEPTED = "2025-05-06T02:00:00Z"  # a Tuesday
LATE = "2025-05-12T02:00:00Z"
SERVED = "2025-05-13T02:00:00Z"
CLOCK = f"custody_change {LI}"


def passed_on(town: Town, case_id: str = "kept") -> TownCase:
    """Li is locked up for the police; the procuratorate accepted the case and him with it."""
    case = town.case(case_id).on(ARRESTED).open().name("li")
    arrest = {"measure_id": "arrest-li", "person_id": LI, "measure": "arrest", "ground": "approved"}
    case.say(acts.MeasureImposed, None, **arrest, started_at=ARRESTED)
    return case.on(ACCEPTED).offer(to=PROCURATORATE, persons=("li",)).accept(received_at=ACCEPTED)


def kept_for(case: TownCase, agency: str) -> Any:
    """For whom the agency sees that the detention house keeps Li."""
    (person,) = case.seen_by(clerk(agency))["persons"]
    return person["kept_for"]


def tally(town: Town, agency: str, *arguments: str) -> Any:
    """What ``tally --json`` answers to the agency's clerk."""
    done = town.at_the_terminal(clerk(agency), *arguments)
    assert done.status == Exit.OK, done.err
    return json.loads(done.out)


def test_the_detention_house_shows_the_police_until_the_certificate_is_served(town: Town) -> None:
    """Responsibility moved with the acceptance; the clock of the change runs out unserved; the service clears both."""
    case = passed_on(town)
    with pytest.raises(Refused) as unseen:
        case.seen_by(clerk(DETENTION))
    assert unseen.value.status == 404
    assert kept_for(case, PROCURATORATE) == POLICE
    running = case.deadlines(clerk(PROCURATORATE), as_of="2025-05-08T00:00:00Z")[CLOCK]
    assert (running["status"], running["last_day"], running["days_left"]) == ("running", "2025-05-09", 1)

    paper = ("--handover", "handover-1", "--number", "2025-31", "--custody-change-id", "custody-1")
    asked = ("custody", "request", "kept", LI, DETENTION, *paper, "--occurred-at", LATE)
    assert tally(town, PROCURATORATE, *asked)["custody_change_id"] == "custody-1"
    assert kept_for(case, DETENTION) == POLICE
    overdue = tally(town, PROCURATORATE, "deadline", "list", "--overdue", "--as-of", LATE, "--case", "kept")
    assert [(one["clock"], one["agency"], one["days_left"]) for one in overdue if one["clock"] == "custody_change"] == [
        ("custody_change", PROCURATORATE, -3)
    ]

    tally(town, DETENTION, "custody", "serve", "kept", "custody-1", "--served-at", SERVED, "--occurred-at", SERVED)
    assert kept_for(case, DETENTION) == kept_for(case, POLICE) == PROCURATORATE
    now = "2025-05-14T00:00:00Z"
    assert CLOCK not in case.deadlines(clerk(PROCURATORATE), as_of=now)
    missed = case.deadlines(clerk(PROCURATORATE), as_of=now, status="missed")[CLOCK]
    assert (missed["stopped_at"], len(missed["events"])) == (SERVED, 2)


def test_a_change_that_is_not_served_becomes_a_lead_and_service_clears_it(town: Town) -> None:
    """Rule 10: the procuratorate should have asked for it, so that the one above has the lead; once the certificate is
    served, the detention house keeps Li for the right organ, the lead is confirmed by it, and nothing more comes of it.
    """
    publish(town, "custody-change-not-served")
    case = passed_on(town, "kept-3")
    started = case.last.payload.sequence
    deadline = f"custody_change/{LI}/{started}"
    lead = WorkedLead(town, "custody-change-not-served", having=UPPER, case_id="kept-3", deadline_id=deadline)
    raised = lead.shown["raised"]
    assert (raised["supervised"], raised["procuratorate"]) == (PROCURATORATE, UPPER)
    assert "stopped_at" not in raised["values"]

    lead.assign()
    paper = ("--handover", "handover-1", "--number", "2025-34", "--custody-change-id", "custody-1")
    tally(town, PROCURATORATE, "custody", "request", "kept-3", LI, DETENTION, *paper, "--occurred-at", LATE)
    tally(town, DETENTION, "custody", "serve", "kept-3", "custody-1", "--served-at", SERVED, "--occurred-at", SERVED)
    assert kept_for(case, DETENTION) == PROCURATORATE
    lead.answer(PROCURATORATE, "asked for and served; the time in custody is counted right again")
    lead.confirm("the register of the detention house has it")
    lead.close("none", "cleared by service")
    assert lead.shown["status"] == "closed"


def test_nobody_serves_for_the_detention_house(town: Town) -> None:
    """The half of the detention house is its own; a police station is no detention house."""
    passed_on(town, "kept-2")
    paper = ("--handover", "handover-1", "--number", "2025-32", "--custody-change-id", "custody-1")
    at_the_police = town.at_the_terminal(clerk(PROCURATORATE), "custody", "request", "kept-2", LI, POLICE, *paper)
    assert (at_the_police.status, json.loads(at_the_police.err)["error"]["code"]) == (
        Exit.REFUSED,
        "not_a_detention_house",
    )
    tally(town, PROCURATORATE, "custody", "request", "kept-2", LI, DETENTION, *paper)
    serve = ("custody", "serve", "kept-2", "custody-1", "--served-at", SERVED)
    by_the_police = town.at_the_terminal(clerk(POLICE), *serve)
    assert (by_the_police.status, json.loads(by_the_police.err)["error"]["code"]) == (
        Exit.REFUSED,
        "not_the_detention_house",
    )
    until = ("--until", "2025-06-06", "--number", "2025-33", "--article", "CPL 172")
    tally(town, PROCURATORATE, "custody", "notify", "kept-2", "arrest-li", DETENTION, *until)
