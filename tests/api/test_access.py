"""The log of reads, read: by those whose cases were read, and by those whose officers read."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from api.routes import oversight
from ledger.store.access import Read
from tests.api.matrix import GOVERNANCE, READS, made_world, reader
from tests.api.service import Served, name_confidentially
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, auditor, clerk, supervisor
from tests.testkit.casework import Case


def reads(served: Served, by: Officer, **query: Any) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    return [row for page in served.pages("/api/v1/access", by, **query) for row in page["reads"]]


def test_a_supervisor_sees_who_read_the_agency_s_cases(served: Served) -> None:
    """Whoever it was: agency, officer, key, what, when."""
    served.record(Case("case-1").open().register("phone").offer("phone", to=COURT, purpose="loan"))
    served.get("/api/v1/cases/case-1", auditor(COURT))
    (read,) = reads(served, supervisor(POLICE))
    by = auditor(COURT)
    assert read == {
        "number": 0,
        "read_at": served.ledger.clock(),
        "agency": COURT,
        "officer": by.officer_id,
        "key_id": by.key_id,
        "what": "case",
        "case_id": "case-1",
        "ground": None,
        "lead_id": None,
        "provider": None,
        "sections": False,
    }


def test_others_reads_of_others_cases_are_not_shown(served: Served) -> None:
    """But all reads by the agency's own officers are, and that somebody looks."""
    served.record(Case("case-1").open())
    served.record(Case("case-2").open(clerk(COURT)))
    served.get("/api/v1/cases/case-1", clerk(POLICE))
    served.get("/api/v1/cases/case-2", clerk(COURT))
    served.get("/api/v1/cases/case-1", auditor(PROCURATORATE))
    assert [read["number"] for read in reads(served, auditor(COURT))] == [1]
    assert [read["number"] for read in reads(served, auditor(PROCURATORATE))] == [2]
    assert [(read["number"], read["what"]) for read in reads(served, auditor(COURT))] == [
        (1, "case"),
        (3, "log of reads"),
    ]


def test_a_list_ends_however_short_its_pages_are(served: Served) -> None:
    """Each page is recorded as a read itself, behind the end that the list had with its first page."""
    served.record(Case("case-1").open())
    for _ in range(3):
        served.get("/api/v1/cases/case-1", clerk(POLICE))
    for query in ({}, {"case_id": "case-1"}):
        pages = list(islice(served.pages("/api/v1/access", supervisor(POLICE), limit=1, **query), 9))
        assert [read["number"] for page in pages for read in page["reads"]][:3] == [0, 1, 2]
        assert "next" not in pages[-1]


def told_of(served: Served, by: Officer, of: str, **query: Any) -> list[dict[str, Any]]:
    """Return what ``by`` is told of the reads by officers of the agency ``of``."""
    return [read for read in reads(served, by, **query) if read["agency"] == of]


@pytest.mark.extended
def test_a_read_by_supervision_says_no_more_than_that(tmp_path: Path) -> None:
    """Whatever the procuratorate asks of the police's case - the case, a lead, a run of a model, what it has in common
    with others, a report - the police are told that supervision read it, in the same words; the procuratorate's own
    auditors see which officer read what."""
    with made_world(tmp_path) as world:
        served = world.served
        for role in ("auditor", "analyst"):
            for row in (*READS, *GOVERNANCE):
                headers = served.token(reader("jurisdiction", role))  # type: ignore[arg-type]
                headers |= {"content-type": "application/json"} if row.body else {}
                served.request(row.operation.partition(" ")[0], row.path(world), headers=headers, content=row.body)
        supervised, supervising = reader("former", "auditor"), reader("jurisdiction", "auditor")
        for_police = told_of(served, supervised, PROCURATORATE)
        whole = told_of(served, supervising, PROCURATORATE)
        assert {read["what"] for read in whole} > {"case", "run of the model item-not-handed-over"}
        assert len({read["officer"] for read in whole}) == 2
        assert {(read["what"], read["officer"], read["key_id"], read["ground"]) for read in for_police} == {
            ("read by supervision", None, None, None)
        }
        assert {read["case_id"] for read in for_police} == {"case-1"}
        by_name = reads(served, supervised, officer=supervising.officer_id)
        assert by_name == [], "nobody is found by the name of who read"


def test_a_party_that_supervises_is_told_apart_by_what_it_reads(served: Served) -> None:
    """As a party it reads like others; what it reads for a lead or a model stays its own."""
    served.record(Case("case-1").open().register("phone").offer("phone", to=PROCURATORATE).accept())
    served.get("/api/v1/cases/case-1", clerk(PROCURATORATE))
    with served.parts.database.read():
        by = auditor(PROCURATORATE)
        read = Read(PROCURATORATE, by.officer_id, by.key_id, "run of the model m", 0, "case-1", supervision=True)
        served.parts.access.append(read)
    for_police = [(read["what"], read["officer"]) for read in told_of(served, auditor(POLICE), PROCURATORATE)]
    assert for_police == [("case", clerk(PROCURATORATE).officer_id), ("read by supervision", None)]
    own = [read["what"] for read in told_of(served, auditor(PROCURATORATE), PROCURATORATE)]
    assert own[:2] == ["case", "run of the model m"]


def test_an_offer_uncovers_no_read_by_supervision(served: Served) -> None:
    """What a read was is decided when it is recorded: the supervised agency could offer the case to see who looked."""
    case = served.record(Case("case-1").open().register("phone"))
    served.get("/api/v1/cases/case-1", auditor(PROCURATORATE))
    served.record(case.offer("phone", to=PROCURATORATE))
    served.get("/api/v1/cases/case-1", clerk(PROCURATORATE))
    for_police = [(read["what"], read["officer"]) for read in told_of(served, auditor(POLICE), PROCURATORATE)]
    assert for_police == [("read by supervision", None), ("case", clerk(PROCURATORATE).officer_id)]


def test_the_log_says_whether_sections_were_shown(served: Served) -> None:
    """Of an event, a proof, a list, a search and a page: to who may read them, and if the event has any."""
    case = name_confidentially(Case("case-1").open()).register("phone")
    served.record(case.offer("phone", to=COURT, purpose="loan").accept())
    named, opened = case.events[1].envelope.event_id, case.events[0].envelope.event_id
    asked: list[tuple[Officer, str, dict[str, Any], bool]] = [
        (clerk(POLICE), f"/api/v1/events/{named}", {}, True),
        (clerk(POLICE), f"/api/v1/events/{opened}", {}, False),
        (auditor(PROCURATORATE), f"/api/v1/events/{named}", {}, False),
        (clerk(POLICE), f"/api/v1/events/{named}/proof", {}, True),
        (clerk(POLICE), f"/api/v1/events/{named}/proof", {"withhold": "sections"}, False),
        (clerk(POLICE), f"/api/v1/events/{opened}/proof", {}, False),
        (clerk(POLICE), "/api/v1/cases/case-1/proof", {}, True),
        (clerk(POLICE), "/api/v1/cases/case-1/proof", {"withhold": "sections"}, False),
        (clerk(POLICE), "/api/v1/events", {"case_id": "case-1"}, True),
        (clerk(POLICE), "/api/v1/cases/case-1", {}, False),
        (clerk(POLICE), "/api/v1/search", {"q": "a name"}, True),
    ]
    for officer, path, query, _ in asked:
        served.get(path, officer, **query)
    for event_id in (named, opened):
        path = f"/console/cases/case-1/events/{event_id}"
        assert served.request("GET", path, headers=served.cookie(auditor(PROCURATORATE))).status_code == 200
        assert served.request("GET", path, headers=served.cookie(clerk(POLICE))).status_code == 200
    of_case = reads(served, auditor(POLICE), case_id="case-1")
    pages = [None, True, None, True]  # of a read by supervision it is not said; a page of the case has its names
    assert [read["sections"] for read in of_case] == [
        *(None if officer.agency == PROCURATORATE else shown for officer, _, _, shown in asked),
        *pages,
    ]
    assert not any(read["sections"] for read in reads(served, auditor(PROCURATORATE)))
    page = served.request("GET", "/console/cases/case-1/reads", headers=served.cookie(auditor(POLICE)))
    shown = 1 + sum(read["sections"] or False for read in of_case)  # the page itself has the names at hand
    assert page.text.count("with confidential sections") == shown


def test_the_words_of_a_search_are_in_no_record(served: Served) -> None:
    """They may be a name, and a record of a read is never erased: the search stands with the case that it showed."""
    served.record(Case("case-1").open().register("phone").offer("phone", to=COURT, purpose="loan"))
    served.get("/api/v1/search", clerk(COURT), q="2026-0417")
    assert [read["what"] for read in told_of(served, auditor(POLICE), COURT)] == ["search"]
    own = [read["what"] for read in told_of(served, auditor(COURT), COURT)]
    assert own[:1] == ["search"]
    assert not any("0417" in repr(record.read) for record in served.parts.access.since(-1, 1000))


def test_a_list_of_cases_by_a_person_is_recorded_as_a_search(served: Served) -> None:
    """The page and its file, without the name that was looked for."""
    served.record(Case("case-1").open().register("phone"))
    for path in ("cases", "lists/cases"):
        for query in ("all=true", "all=true&person=+nobody+"):
            answer = served.request("GET", f"/console/{path}?{query}", headers=served.cookie(clerk(POLICE)))
            assert answer.status_code == 200, answer.text
    own = [read["what"] for read in told_of(served, auditor(POLICE), POLICE)]
    assert own == ["list of cases", "search"] * 2


def test_a_ground_is_shown(served: Served) -> None:
    """Why a former party read what is confidential is there to be weighed."""
    case = Case().open().register("phone").offer("phone", to=COURT, purpose="jurisdiction_transfer")
    served.record(case.accept())
    served.get("/api/v1/events", clerk(POLICE), case_id="case-1", ground="request 12/2026")
    assert [read["ground"] for read in reads(served, auditor(COURT), case_id="case-1")] == ["request 12/2026"]


def test_the_list_is_narrowed(served: Served) -> None:
    """By case, and by officer."""
    for number in (1, 2):
        served.record(Case(f"case-{number}").open())
        served.get(f"/api/v1/cases/case-{number}", clerk(POLICE))
    assert [read["case_id"] for read in reads(served, supervisor(POLICE), case_id="case-2")] == ["case-2"]
    served.get("/api/v1/cases/case-1", auditor(POLICE))
    own = reads(served, supervisor(POLICE), officer=auditor(POLICE).officer_id)
    assert [(read["case_id"], read["what"]) for read in own] == [("case-1", "case")]


@pytest.mark.parametrize("looked_at", [1, 10_000])
def test_pages_give_every_read_once(served: Served, monkeypatch: pytest.MonkeyPatch, looked_at: int) -> None:
    """Also where a request may look through few records, none of which it may show."""
    monkeypatch.setattr(oversight, "LOOKED_AT", looked_at)
    served.record(Case("case-1").open())
    served.record(Case("case-2").open(clerk(COURT)))
    for _ in range(3):
        served.get("/api/v1/cases/case-2", clerk(COURT))
        served.get("/api/v1/cases/case-1", clerk(POLICE))
    cases = [read for read in reads(served, auditor(POLICE), limit=2) if read["what"] == "case"]
    assert [read["number"] for read in cases] == [1, 3, 5]
