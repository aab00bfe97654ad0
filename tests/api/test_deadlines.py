"""Deadlines and warnings over HTTP: whose they are, which are asked for, how they were counted, who may see them."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case as acts
from ledger.deadlines.upkeep import warn
from ledger.procedures import shipped_rulebook
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, START, Officer, auditor, clerk, instant, supervisor
from tests.testkit.casework import Case, detained, person_id

DAY = 86400
HOURS = {"detention_house_admission", "first_interrogation", "family_notice"}


def handled() -> Case:
    """Li is detained, Wang under surveillance, both today; the clerk of the police handles the case."""
    case = detained("li").name("wang")
    case.impose("wang", "residential_surveillance")
    return case.say(acts.CaseAssigned, None, department="squad 2", handler=clerk(POLICE).officer_id)


@pytest.fixture(scope="module")
def detention(shared: Served) -> Served:
    """Return a service with that case, for tests that change nothing."""
    shared.record(handled())
    return shared


def asked(served: Served, by: Officer, kind: str = "deadlines", of: str = "", **query: Any) -> list[dict[str, Any]]:
    answer = served.get(f"/api/v1/{of}{kind}", by, **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()[kind]
    return rows


def names(deadlines: list[dict[str, Any]]) -> list[str]:
    return [deadline["clock"] for deadline in deadlines]


def test_an_agency_sees_its_own_deadlines_the_nearest_first(detention: Served) -> None:
    """With the day, what is left, whose it is and what it was derived from; hours before days."""
    case = handled()
    deadlines = asked(detention, clerk(POLICE))
    assert names(deadlines)[3:] == ["arrest_request", "surveillance_limit"]
    assert set(names(deadlines)[:3]) == HOURS
    (deadline,) = [deadline for deadline in deadlines if deadline["clock"] == "arrest_request"]
    expected = {
        "due_at": "2026-03-05T16:00:00Z",
        "last_day": "2026-03-05",
        "days_left": 3,
        "status": "running",
        "article": "CPL 91",
        "label": "request arrest of the detained person",
        "agency": POLICE,
        "handler": clerk(POLICE).officer_id,
        "subject": person_id("li"),
        "events": [{"event_id": case.events[2].envelope.event_id, "payload_digest": case.events[2].digest}],
    }
    assert deadline.items() >= expected.items()
    assert asked(detention, clerk(PROCURATORATE)) == []


def test_the_arithmetic_is_told_in_the_readers_language(detention: Served) -> None:
    """By the header, or by the query, which is stronger."""
    path = "/api/v1/cases/case-1/deadlines"

    def arrest_deadline(accepted: str, **query: str) -> dict[str, Any]:
        headers = detention.token(clerk(POLICE)) | {"accept-language": accepted}
        deadlines = detention.request("GET", path, headers=headers, params=query).json()["deadlines"]
        return next(deadline for deadline in deadlines if deadline["clock"] == "arrest_request")

    english = arrest_deadline("en-GB,en;q=0.8")["arithmetic"]
    assert english[0] == "The starting day, 2026-03-02, does not count."
    chinese = arrest_deadline("zh-CN,zh;q=0.9")
    assert chinese["label"] == "提请批准逮捕"
    assert not any(line.isascii() for line in chinese["arithmetic"])
    assert arrest_deadline("en", lang="zh-CN") == chinese
    problem(detention.get(path, clerk(POLICE), lang="fr"), 400, "malformed_input", "lang")


def test_the_time_of_who_is_split_off_is_shown_in_his_case_until_another_takes_him_over(served: Served) -> None:
    """In the list, of the case and of the agency, with the person and his measure; then in the new case alone."""
    old = handled().say(acts.CaseSplit, new_case_id="case-2", person_ids=(person_id("li"),))
    served.record(old)
    before = asked(served, clerk(POLICE), of="cases/case-1/")
    new = Case("case-2", start=old.now).open(source=old.state, split_from=old.last.ref)
    assert (HOURS | {"arrest_request"}) <= {*names(before)}
    assert sorted(map(str, asked(served, clerk(POLICE)))) == sorted(map(str, before))
    shown = served.get("/api/v1/cases/case-1", clerk(POLICE)).json()
    assert person_id("li") in [person["person_id"] for person in shown["persons"]]
    assert "detention-li" in [measure["measure_id"] for measure in shown["measures"]]
    served.record(new)
    assert names(asked(served, clerk(POLICE), of="cases/case-1/")) == ["surveillance_limit"]
    moved = {each["clock"]: each for each in asked(served, clerk(POLICE), of="cases/case-2/")}
    assert {each["clock"]: (each["started_at"], each["due_at"]) for each in before if each["clock"] in moved} == {
        name: (each["started_at"], each["due_at"]) for name, each in moved.items()
    }
    assert len(asked(served, clerk(POLICE))) == len(before)


def test_others_deadlines_are_seen_with_their_case(served: Served) -> None:
    """Of a case with all its agencies, of another agency, of all: as far as the reader sees the case. Those of a case
    hold what has ended, with what ended it; before they began they are not there."""
    case = handled()
    case.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    served.record(case)
    own = names(asked(served, clerk(PROCURATORATE)))
    assert own == ["arrest_decision"]
    of_police = names(asked(served, clerk(PROCURATORATE), agency=POLICE))
    assert set(of_police) == HOURS | {"surveillance_limit"}
    everything = asked(served, clerk(PROCURATORATE), case_id="case-1")
    assert sorted(names(everything)) == sorted(own + of_police)
    assert asked(served, clerk(POLICE), seen=True) == asked(served, clerk(PROCURATORATE), seen=True) == everything
    of_case = "cases/case-1/"
    deadlines = asked(served, clerk(POLICE), of=of_case, as_of=instant(START + DAY))
    (met,) = [deadline for deadline in deadlines if deadline["clock"] == "arrest_request"]
    assert (met["status"], met["days_left"], len(met["events"])) == ("met", None, 2)
    assert met["deadline_id"] == case.clock("arrest_request").deadline_id
    assert asked(served, clerk(POLICE), of=of_case, as_of=instant(START - 1)) == []


# -- warnings ----------------------------------------------------------------------------------------------------------


def test_warnings_are_a_feed_of_ones_own_agency(served: Served) -> None:
    """In their order, from a cursor on, mine alone if asked; what is shown is recorded, an empty look is not."""
    served.record(handled())
    assert asked(served, clerk(POLICE), "warnings") == []
    before = served.reads()
    assert warn(served.ledger.database, (START + 5 * DAY) * 1000, shipped_rulebook().zone) == 4
    warnings = asked(served, clerk(POLICE), "warnings")
    assert [warning["number"] for warning in warnings] == [1, 2, 3, 4]
    assert {(warning["days"], warning["handler"], warning["case_id"]) for warning in warnings} == {
        (0, clerk(POLICE).officer_id, "case-1"),
    }
    first = served.get("/api/v1/warnings", clerk(POLICE), limit=2).json()
    assert first["next"] == first["resume"]
    assert asked(served, clerk(POLICE), "warnings", after=first["next"], mine=True) == warnings[2:]
    assert served.reads() == before + 3
    assert asked(served, supervisor(POLICE), "warnings", mine=True) == []
    last = served.get("/api/v1/warnings", clerk(POLICE), after=first["next"]).json()
    assert "next" not in last
    assert asked(served, clerk(POLICE), "warnings", after=last["resume"]) == []
    assert asked(served, auditor(PROCURATORATE), "warnings") == []
    assert served.reads() == before + 4
