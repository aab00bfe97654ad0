"""Deadlines and warnings over HTTP: whose they are, which are asked for, how they were counted, who may see them."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events import case as acts
from ledger.deadlines.upkeep import warn
from tests.api.service import Served, problem
from tests.testkit.builders import (
    COURT,
    DETENTION,
    POLICE,
    PROCURATORATE,
    START,
    Officer,
    auditor,
    clerk,
    instant,
    supervisor,
)
from tests.testkit.casework import Case, detained, person_id

DAY = 86400
HOURS = {"detention_house_admission", "first_interrogation", "family_notice"}


def handled() -> Case:
    """Li is detained, Wang under surveillance, both today; the clerk of the police handles the case."""
    case = detained("li").name("wang")
    case.impose("wang", "residential_surveillance")
    return case.say(acts.CaseAssigned, None, department="squad 2", handler=clerk(POLICE).officer_id)


def asked(served: Served, by: Officer, path: str = "/api/v1/deadlines", **query: Any) -> list[dict[str, Any]]:
    answer = served.get(path, by, **query)
    assert answer.status_code == 200, answer.text
    deadlines: list[dict[str, Any]] = answer.json()["deadlines"]
    return deadlines


def names(deadlines: list[dict[str, Any]]) -> list[str]:
    return [deadline["clock"] for deadline in deadlines]


def day(number: int) -> str:
    """Return the instant so many days after the cases begin."""
    return instant(START + number * DAY)


def test_an_agency_sees_its_own_deadlines_the_nearest_first(served: Served) -> None:
    """With the day, what is left, whose it is and what it was derived from; hours before days."""
    case = served.record(handled())
    deadlines = asked(served, clerk(POLICE))
    assert names(deadlines)[3:] == ["arrest_request", "surveillance_limit"]
    assert set(names(deadlines)[:3]) == HOURS
    (deadline,) = [deadline for deadline in deadlines if deadline["clock"] == "arrest_request"]
    assert (deadline["due_at"], deadline["last_day"], deadline["days_left"]) == (
        "2026-03-05T16:00:00Z",
        "2026-03-05",
        3,
    )
    assert (deadline["status"], deadline["article"], deadline["label"]) == (
        "running",
        "CPL 91",
        "request arrest of the detained person",
    )
    assert (deadline["agency"], deadline["handler"], deadline["subject"]) == (
        POLICE,
        clerk(POLICE).officer_id,
        person_id("li"),
    )
    assert deadline["events"] == [
        {"event_id": case.events[2].envelope.event_id, "payload_digest": case.events[2].digest},
    ]
    assert asked(served, clerk(PROCURATORATE)) == []


def test_the_arithmetic_is_told_in_the_readers_language(served: Served) -> None:
    """By the header, or by the query, which is stronger."""
    served.record(handled())
    path = "/api/v1/cases/case-1/deadlines"

    def arrest_deadline(accepted: str, **query: str) -> dict[str, Any]:
        headers = served.token(clerk(POLICE)) | {"accept-language": accepted}
        deadlines = served.request("GET", path, headers=headers, params=query).json()["deadlines"]
        return next(deadline for deadline in deadlines if deadline["clock"] == "arrest_request")

    assert arrest_deadline("en-GB,en;q=0.8")["arithmetic"] == [
        "The starting day, 2026-03-02, does not count.",
        "3 days: from 2026-03-03 to 2026-03-05.",
        "In custody: the last day stays 2026-03-05, day off or not.",
        "In time until 2026-03-05 24:00, Beijing time.",
    ]
    chinese = arrest_deadline("zh-CN,zh;q=0.9")
    assert chinese["label"] == "提请批准逮捕"
    assert not any(line.isascii() for line in chinese["arithmetic"])
    assert arrest_deadline("en", lang="zh-CN") == chinese
    problem(served.get(path, clerk(POLICE), lang="fr"), 400, "malformed_input", "lang")


def test_status_days_and_moment_choose(served: Served) -> None:
    """As it stands at a moment; what is overdue has fewer days left than any number."""
    served.record(handled())
    by = clerk(POLICE)
    assert set(names(asked(served, by, within_days=3))) == HOURS | {"arrest_request"}
    assert set(names(asked(served, by, status="overdue", as_of=day(2)))) == HOURS
    late = asked(served, by, status="overdue", as_of=day(5))
    assert set(names(late)) == HOURS | {"arrest_request"}
    assert late[-1]["days_left"] == -2
    assert names(asked(served, by, status="running", as_of=day(5))) == ["surveillance_limit"]
    assert asked(served, by, as_of=instant(START - DAY)) == []


def test_what_rests_and_what_cannot_be_counted_comes_last_and_says_why(served: Served) -> None:
    """A clock that rests is told with its pause; the end in a year whose holidays are not known is not guessed."""
    case = detained("li").name("zhao").impose("zhao", "bail")
    case.suspend(case.now)
    served.record(case)
    deadlines = asked(served, clerk(POLICE))
    assert set(names(deadlines[-2:])) == {"arrest_request", "bail_limit"}
    (resting,) = asked(served, clerk(POLICE), status="suspended")
    (pause,) = resting["pauses"]
    assert (pause["since"], pause["until"], pause["held_by"]) == (instant(case.now - 60), None, None)
    assert (pause["ground"], pause["article"]) == ("psychiatric_assessment", "CPL 149")
    (unknown,) = asked(served, clerk(POLICE), status="uncountable")
    assert (unknown["clock"], unknown["due_at"], unknown["arithmetic"]) == ("bail_limit", None, [])
    assert "2027" in unknown["unknown"]


def test_mine_are_those_that_i_handle(served: Served) -> None:
    """The handler of the case in my agency is me; a colleague handles none of them."""
    served.record(handled())
    assert len(asked(served, clerk(POLICE), mine=True)) == 5
    assert asked(served, supervisor(POLICE), mine=True) == []
    assert len(asked(served, supervisor(POLICE))) == 5


def test_others_deadlines_are_seen_with_their_case(served: Served) -> None:
    """Of a case with all its agencies, of another agency, of all: as far as the reader sees the case."""
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


@pytest.mark.parametrize(
    ("reader", "sees"),
    [
        (clerk(POLICE), True),
        (auditor(PROCURATORATE), True),
        (clerk(PROCURATORATE), False),
        (supervisor(PROCURATORATE), False),
        (auditor(COURT), False),
        (clerk(DETENTION), False),
    ],
    ids=lambda value: value.officer_id if isinstance(value, Officer) else "",
)
def test_a_list_shows_what_its_reader_may_see(served: Served, reader: Officer, sees: bool) -> None:
    """Parties, and the auditors of a procuratorate in their jurisdiction; each case that is shown is recorded."""
    served.record(handled())
    before = served.parts.access.head().count
    assert len(asked(served, reader, seen=True)) == (5 if sees else 0)
    assert len(asked(served, reader, agency=POLICE)) == (5 if sees else 0)
    assert served.parts.access.head().count == before + 2
    answer = served.get("/api/v1/cases/case-1/deadlines", reader)
    assert answer.status_code == (200 if sees else 404)


def test_nobody_reads_deadlines_without_a_token(served: Served) -> None:
    """Neither lists nor warnings are public."""
    for path in ("/api/v1/deadlines", "/api/v1/cases/case-1/deadlines", "/api/v1/warnings"):
        problem(served.get(path), 401, "token_refused", "Authorization")


def test_pages_of_deadlines_hold_each_once(served: Served) -> None:
    """One at a time by `next`; a `next` that nobody gave is refused."""
    served.record(handled())
    path, by = "/api/v1/deadlines", clerk(POLICE)
    whole = asked(served, by)
    pages: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 1}
    while len(pages) <= len(whole):
        answer = served.get(path, by, **query).json()
        pages += answer["deadlines"]
        if "next" not in answer:
            break
        query["after"] = answer["next"]
    assert pages == whole
    problem(served.get(path, by, after="case-1"), 400, "malformed_input", "after")


@pytest.mark.parametrize(
    ("field", "value"),
    [("as_of", "yesterday"), ("as_of", "2026-13-45T00:00:00Z"), ("status", "late"), ("within_days", "-1")],
)
def test_a_question_that_makes_no_sense_is_refused(served: Served, field: str, value: str) -> None:
    """The field is named."""
    problem(served.get("/api/v1/deadlines", clerk(POLICE), **{field: value}), 400, "malformed_input", field)


def test_the_deadlines_of_a_case_hold_those_that_have_ended(served: Served) -> None:
    """Met or missed, with what ended them among their events; before they began they are not there."""
    case = handled()
    case.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    served.record(case)
    path = "/api/v1/cases/case-1/deadlines"
    deadlines = asked(served, clerk(POLICE), path, as_of=day(1))
    (met,) = [deadline for deadline in deadlines if deadline["clock"] == "arrest_request"]
    assert (met["status"], met["days_left"]) == ("met", None)
    assert met["deadline_id"] == case.clock("arrest_request").deadline_id
    assert len(met["events"]) == 2
    assert asked(served, clerk(POLICE), path, as_of=instant(START - 1)) == []


# -- warnings ----------------------------------------------------------------------------------------------------------


def warned(served: Served, by: Officer, **query: Any) -> list[dict[str, Any]]:
    answer = served.get("/api/v1/warnings", by, **query)
    assert answer.status_code == 200, answer.text
    warnings: list[dict[str, Any]] = answer.json()["warnings"]
    return warnings


def test_warnings_are_a_feed_of_ones_own_agency(served: Served) -> None:
    """In their order, from a cursor on, mine alone if asked; what is shown is recorded, an empty look is not."""
    served.record(handled())
    assert warned(served, clerk(POLICE)) == []
    before = served.parts.access.head().count
    assert warn(served.ledger.database, (START + 5 * DAY) * 1000) == 4
    warnings = warned(served, clerk(POLICE))
    assert [warning["number"] for warning in warnings] == [1, 2, 3, 4]
    assert {(warning["days"], warning["handler"], warning["case_id"]) for warning in warnings} == {
        (0, clerk(POLICE).officer_id, "case-1"),
    }
    first = served.get("/api/v1/warnings", clerk(POLICE), limit=2).json()
    assert first["next"] == first["resume"]
    assert warned(served, clerk(POLICE), after=first["next"], mine=True) == warnings[2:]
    assert served.parts.access.head().count == before + 3
    assert warned(served, supervisor(POLICE), mine=True) == []
    last = served.get("/api/v1/warnings", clerk(POLICE), after=first["next"]).json()
    assert "next" not in last
    assert warned(served, clerk(POLICE), after=last["resume"]) == []
    assert warned(served, auditor(PROCURATORATE)) == []
    assert served.parts.access.head().count == before + 4
