"""Notices: whom something is new for, and what he may see of it when it is shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from api.auth.reading import Reading
from ledger.config.settings import Settings
from ledger.core.errors import RuleRefused
from ledger.core.events import case as acts
from ledger.core.events import handover as halves
from ledger.core.events.letter import LetterSent
from ledger.deadlines.upkeep import warn
from ledger.i18n import Labels
from ledger.notices import noticing
from ledger.notices.noticing import KEPT_MS, notice
from ledger.notices.topics import TOPICS
from ledger.notices.wording import sentence
from ledger.store import cases, supervision
from ledger.store import notices as stored
from ledger.store.notice_tables import Notice
from ledger.store.notices import NoticeFilter
from ledger.store.opening import open_database
from ledger.store.tables import CLOCKS, ENTRIES
from tests.api.conftest import serving
from tests.api.console.pages import page_of, post
from tests.api.matrix import AGENCY, RELATIONS, ROLES, World, reader
from tests.api.noticing import ask, later, noticed, put, session_of
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, UPPER_COURT, Officer, analyst, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import Untried, assemble
from tests.testkit.supervision import UPPER, Lead, Model, Recommendation, assigned, transferred

HOME = "clerk@procuratorate.example"
UNTIL = {"expires_at": "2026-03-09T01:00:00Z"}


def listed(served: Served, by: Officer, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = served.get("/api/v1/notices", by, **query).json()["notices"]
    return rows


def kinds(served: Served, by: Officer) -> list[str]:
    return [row["kind"] for row in listed(served, by)][::-1]


def test_each_side_of_a_handover_is_told(served: Served) -> None:
    """What is offered, taken back, refused and accepted, with a difference that the acceptance states; each to the
    other side alone, by the number of the case, with the page on which it is worked."""
    case = Case().open().register("phone", "knife")
    case.offer("knife", to=LAB, purpose="forensic_examination").recall()
    case.offer("knife", to=LAB, purpose="forensic_examination").refuse()
    case.offer("phone", to=PROCURATORATE, purpose="prosecution_review", **UNTIL)
    served.record(case)
    assert noticed(served) == 5
    (row,) = listed(served, clerk(PROCURATORATE))
    assert (row["case_number"], row["until"], row["is_open"]) == (case.state.numbers[POLICE], UNTIL["expires_at"], True)
    assert row["page"] == f"/cases/case-1/handovers/{case.open_handover().handover_id}"
    assert PROCURATORATE not in row["says"]
    assert kinds(served, clerk(LAB)) == ["handover.offered", "handover.recalled", "handover.offered"]
    assert kinds(served, clerk(POLICE)) == ["handover.refused"]
    case.accept(received=(halves.ReceivedItem("phone", "mismatch", seal_state="broken"),))
    served.record(case)
    assert noticed(served) == 2
    assert kinds(served, clerk(POLICE))[1:] == ["handover.accepted", "discrepancy.raised"]
    assert not any(row["is_open"] for row in listed(served, clerk(PROCURATORATE)))


def test_letters_assignments_and_deadlines_reach_whom_they_concern(served: Served) -> None:
    """A letter its addressee, also one that sees nothing else of the case and so no number; an assignment and the
    warnings of a clock their officer, and a supervisor the deadlines that others handle."""
    case = Case().open().name("li").impose("li", "residential_surveillance").register("phone")
    case.say(acts.CaseAssigned, None, department="squad 2", handler=clerk(POLICE).officer_id)
    case.say(acts.CaseAssigned, supervisor(POLICE), department="squad 2", handler=clerk(POLICE).officer_id)
    case.say(LetterSent, None, letter_id="l-1", kind="file_reading_notice", to_agency=COURT, item_ids=("phone",))
    served.record(case)
    last = int(served.ledger.clock() + 181 * 86_400_000)
    assert warn(served.ledger.database, last, served.parts.zone()) == 1
    noticed(served)
    assert kinds(served, clerk(POLICE)) == ["case.assigned", "deadline"]  # by himself he is told of nothing
    assert kinds(served, supervisor(POLICE)) == ["deadline"]
    (row,) = listed(served, clerk(COURT))
    assert (row["kind"], row["case_number"], row["page"]) == ("letter.sent", None, "/cases/case-1/letters/l-1")
    warned = listed(served, clerk(POLICE))[0]
    last_day = served.parts.zone().day_that_ends(datetime.fromisoformat(warned["until"]))
    assert warned["in_time"] == f"last day {last_day}"
    assert warned["says"].endswith(f": last day {last_day}.")


def test_a_notice_names_the_last_day_on_which_one_can_act() -> None:
    """What ends with a day by that day, not by the first instant of the next; what ends at an hour by the hour. How
    many days were left when it was made is not said: it is read later."""

    def says(until: str, last_day: str | None, days: int, language: str) -> str:
        clock = {"until": until, "last_day": last_day, "at_end": "late", "days": days}
        notice = Notice(agency="psb-east", topic="due", kind="deadline", subject="p", word="x", made_at=0, **clock)
        labels = Labels(language)
        return labels.with_moments(labels.translate(sentence(notice, str, str)))

    day_ends, an_hour = ("2026-03-10T16:00:00Z", "2026-03-10"), ("2026-03-10T09:30:00Z", None)
    assert says(*day_ends, 7, "en") == "x: last day 2026-03-10."
    assert says(*day_ends, 0, "en") == "Overdue (last day 2026-03-10): x."
    assert says(*an_hour, 1, "en") == "x: until 2026-03-10 17:30."
    assert says(*day_ends, 1, "zh") == "x：届满日 2026-03-10。"
    assert says(*day_ends, 0, "zh") == "已逾期（届满日 2026-03-10）：x。"


def test_an_end_that_nobody_knows_yet_is_said_not_to_come_before_a_day(served: Served) -> None:
    """Where the days off of the next year are not known: in the notice and the warning. Once they are, though the end
    is the same, it is warned of again, and what was said before waits no longer."""
    begin = int(datetime.fromisoformat("2026-12-27T01:00:00Z").timestamp())
    later(served, begin + 3600 - served.ledger.clock.seconds)
    case = Case(start=begin).open().name("li").impose("li", "bail")
    case.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    served.record(case)
    (deadline,) = served.get("/api/v1/deadlines", clerk(PROCURATORATE)).json()["deadlines"]
    assert (deadline["clock"], deadline["unknown"] is None) == ("arrest_decision", False)
    database, zone = served.ledger.database, served.parts.zone()
    days_before = int(datetime.fromisoformat(deadline["due_at"]).timestamp() - 2 * 86_400) * 1000
    warn(database, days_before, zone)
    noticed(served)
    (row,) = listed(served, clerk(PROCURATORATE), lang="zh-CN")[:1]
    day = deadline["last_day"]
    assert (row["in_time"], row["says"].endswith(f"：届满日不早于 {day}。")) == (f"届满日不早于 {day}", True)
    (row,) = listed(served, clerk(PROCURATORATE))[:1]
    assert row["says"].endswith(f": last day not before {day}.")
    (warning,) = served.get("/api/v1/warnings", clerk(PROCURATORATE)).json()["warnings"]
    assert (warning["last_day"], warning["at_end"]) == (day, "not_before")
    with database.write() as connection:
        known_now = update(CLOCKS).where(CLOCKS.c.deadline_id == deadline["deadline_id"]).values(at_end="late")
        connection.execute(known_now)
    assert (warn(database, days_before, zone) > 0, noticed(served) > 0) == (True, True)
    again, before = listed(served, clerk(PROCURATORATE))[:2]
    assert (again["in_time"], again["is_open"], before["is_open"]) == (f"last day {day}", True, False)


def test_a_notice_of_a_clock_names_the_last_day_of_its_procedures_zone(tmp_path: Path) -> None:
    """A day of Shanghai, in a ledger whose times are those of London."""
    with serving(tmp_path, Settings(public_url="https://ledger.test", time_zone="Europe/London")) as served:
        case = Case().open().name("li").impose("li", "residential_surveillance")
        served.record(case)
        assert served.parts.zone().name == "Europe/London"
        warn(served.ledger.database, served.ledger.clock() + 181 * 86_400_000, served.parts.zone())
        noticed(served)
        (row,) = listed(served, clerk(POLICE))
    assert (row["until"], row["in_time"]) == ("2026-09-02T16:00:00Z", "last day 2026-09-02")


def test_leads_and_recommendations_reach_whom_they_concern(tmp_path: Path) -> None:
    """The officer to whom a lead is assigned and no other, the agency that it concerns, those that it goes to; the
    number of no case and the name of no agency is in what is said of it. A lead that has gone on is seen no more."""
    chief, worker = supervisor(PROCURATORATE), clerk(PROCURATORATE)
    people = (
        analyst(PROCURATORATE),
        chief,
        worker,
        clerk(PROCURATORATE, 2),
        clerk(POLICE),
        supervisor(POLICE),
        supervisor(UPPER),
    )
    with serving(tmp_path, officers=people, tries_models=False) as served:
        lead = Lead(step=1).raised().act(assigned(handler=worker.officer_id), chief)
        for stream in (Model(step=1).published(), lead, Recommendation(step=1).issued(chief)):
            for event in stream.events:
                served.ledger.post(event)
        noticed(served)
        assert kinds(served, worker) == ["lead.assigned"]
        assert kinds(served, clerk(PROCURATORATE, 2)) == []
        assert kinds(served, clerk(POLICE)) == ["lead.notified", "recommendation.issued"]
        assert [row["case_number"] for row in listed(served, clerk(POLICE))] == [None, None]
        assert POLICE not in listed(served, worker)[0]["says"]
        lead.act(transferred(UPPER), chief)
        served.ledger.post(lead.last)
        noticed(served)
        assert kinds(served, supervisor(UPPER)) == ["lead.transferred"]
        assert kinds(served, worker) == []


def test_a_killed_service_goes_on_where_it_was_and_two_store_nothing_twice(served: Served) -> None:
    """Position and notices are stored together: whatever was not committed is derived again, by whichever process."""
    case = served.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    database = open_database(served.ledger.database.url)
    second = assemble(database, served.ledger.clock, Untried())
    with database.read() as connection:
        before = stored.position(connection)
    assert noticed(served) == 1
    late = stored.Notice(agency=LAB, topic="offered", kind="handover.offered", subject="h", made_at=1)
    assert not stored.store(database, before, [late], before)  # derived from the same entries, and stored later
    served.record(case.recall())
    assert (notice(database, second.validator, 0), noticed(served)) == (1, 0)
    assert [row["number"] for row in listed(served, clerk(LAB))] == [2, 1]
    later(served, KEPT_MS // 1000 + 86_400)
    case.now = served.ledger.clock.seconds
    assert served.submit(case.offer("phone", to=LAB, purpose="forensic_examination").last).status_code == 201
    noticed(served)
    assert [row["number"] for row in listed(served, clerk(LAB))] == [
        3
    ]  # what is old is forgotten, no number comes again
    database.close()


def test_what_is_read_is_read_and_choices_are_kept(served: Served) -> None:
    """One notice by opening it, all at once; who wants none of a topic sees none; the bell counts the rest."""
    case = Case().open().register("phone", "knife")
    case.offer("phone", to=LAB, purpose="forensic_examination").offer("knife", to=LAB, purpose="forensic_examination")
    served.record(case)
    noticed(served)
    lab = clerk(LAB)
    assert 'data-count="2"' in page_of(served, lab, "/").text
    bell = page_of(served, lab, "/notices/bell").text
    assert 'data-newest="2" data-says="There is something new for you."' in bell  # what it is would be a read
    opened = page_of(served, lab, "/notices/1")
    assert (opened.status_code, opened.headers["location"]) == (303, "/console/cases/case-1/handovers/handover-1")
    assert [row["is_read"] for row in listed(served, lab)] == [False, True]
    assert 'data-count="1"' in page_of(served, lab, "/notices/bell").text
    assert ask(served, clerk(POLICE), "/read", numbers=[2]).status_code == 200  # another agency's: nothing is marked
    problem(ask(served, lab, "/read", numbers=[10**30]), 400, "malformed_input", "numbers[0]")
    assert [row["says"] for row in listed(served, lab, lang="zh-CN")] == [f"{POLICE}机关向本机关移送。"] * 2
    assert post(served, lab, "/notices/read", {}).status_code == 303
    assert [row["is_read"] for row in listed(served, lab)] == [True, True]
    assert 'data-count="0"' in page_of(served, lab, "/notices").text
    form = {"browser:answered": "on", "mail:offered": "daily"}
    assert post(served, lab, "/notices/settings", form).status_code == 303
    assert listed(served, lab) == []
    settings = served.get("/api/v1/notices/settings", lab).json()
    assert settings["choices"]["offered"] == {"browser": False, "mail": "daily"}
    assert (settings["sends_mail"], settings["address"]) == (False, None)
    problem(ask(served, lab, "/address", address=HOME), 422, "no_mail", "address")
    assert 'id="bell"' not in page_of(served, None, "/notices/bell").text


def test_an_entry_that_cannot_be_understood_is_passed(served: Served) -> None:
    """It has no notice, and those behind it have theirs."""
    case = Case().open().register("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination")
    with pytest.raises(RuleRefused, match="has no handover"):
        list(noticing._in_case(Case().open().state, case.last.event))
    served.record(case.offer("knife", to=PROCURATORATE, purpose="prosecution_review"))
    offered = (ENTRIES.c.event_type == "handover.offered", ENTRIES.c.log_index < served.size() - 1)
    with served.ledger.database.write() as connection:
        connection.execute(update(ENTRIES).where(*offered).values(stream_id="case-of-nobody"))
    assert noticed(served) == 1
    assert kinds(served, clerk(PROCURATORATE)) == ["handover.offered"]


# Of each kind of subject one notice for the agency of each relation, as if it had been derived for it.
SUBJECTS = {
    "handover.accepted": ("answered", "case-1", "handover-1"),
    "discrepancy.raised": ("discrepancy", "case-1", "handover-1"),
    "case.assigned": ("assigned", "case-1", "case-1"),
    "deadline": ("due", "case-1", "letter-1"),
    "lead.answered": ("lead", "", Lead().body.lead_id),
    "recommendation.answered": ("recommendation", "", "phone"),
}


def test_lists_ask_the_one_rule_of_visibility(world: World) -> None:
    """For each relation to a case, each role, and each kind of subject: a notice is listed if, by the rule, the reader
    sees the subject now, and of a clock of a letter also if the letter is to his agency; else it is not there."""
    database = world.served.ledger.database
    rows = [
        stored.Notice(agency=AGENCY[relation], topic=topic, kind=kind, case_id=case_id, subject=subject, made_at=1)
        for relation in RELATIONS
        for kind, (topic, case_id, subject) in SUBJECTS.items()
    ]
    put(world.served, *rows)
    shown = hidden = 0
    for relation in RELATIONS:
        for role in ROLES:
            officer = reader(relation, role)
            reading = Reading(world.served.parts, session_of(officer), world.served.parts.authority())
            wanted = NoticeFilter(officer.officer_id, TOPICS, of_others=True)
            with database.read() as connection:
                listed_kinds = {row.kind for row in stored.listed(connection, reading.reader, wanted, limit=100)}
                sees_case = cases.sight(connection, "case-1", reading.reader) is not None
                to_it = officer.agency == UPPER_COURT
                is_seen = {
                    stream: supervision.sight(connection, stream, reading.reader) is not None
                    for stream in (Lead().body.lead_id, "recommendation-phone")
                }
                expected = {
                    "handover.accepted": sees_case,
                    "discrepancy.raised": sees_case,
                    "case.assigned": sees_case,
                    "deadline": sees_case or to_it,
                    "lead.answered": is_seen[Lead().body.lead_id],
                    "recommendation.answered": is_seen["recommendation-phone"],
                }
            assert listed_kinds == {kind for kind, may in expected.items() if may}, (relation, role)
            shown, hidden = shown + len(listed_kinds), hidden + len(expected) - len(listed_kinds)
    assert shown > 0 < hidden
