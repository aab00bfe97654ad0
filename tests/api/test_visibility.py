"""What is left of an offer, what is confidential, and the record of every read; the matrix has who may see."""

from __future__ import annotations

import time

import pytest
import sqlalchemy
from sqlalchemy import text

from api.auth.reading import Reading
from api.services.auditing import visible_report
from ledger.audit import AuditReport
from ledger.audit.findings import finding
from ledger.core.encoding.digests import blake3_text
from ledger.core.events.case import PersonNamed
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.procedure.adoption import publication_of
from ledger.core.verification.bundle import decode_bundle
from ledger.recording.case_states import CachedStates
from ledger.store import search, word_parts
from ledger.store.tables import ENTRIES, KEPT_STATES, NAME_PARTS, SECTIONS
from ledger.store.word_parts import parts_of
from tests.api.console.pages import page_of, post
from tests.api.matrix import World, clerk_of, reader
from tests.api.noticing import session_of
from tests.api.service import Served, name_confidentially, problem
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, Writer, auditor, clerk, section
from tests.testkit.casework import Case, person_id
from tests.testkit.supervision import dataset
from tests.unit.core.test_adoption import FIRST

AUDITOR = reader("jurisdiction", "auditor")


# -- what is left of an offer ------------------------------------------------------------------------------------------


def test_a_refused_offer_stays_to_be_seen_alone(world: World) -> None:
    """Who refused sees the offer and the own answer, as event and as handover, and nothing else of the case."""
    served, by, handover_id = world.served, clerk_of("refused"), world.offered_to("refused")
    of_offer = [event for event in world.case.events if getattr(event.payload.body, "handover_id", None) == handover_id]
    for event in of_offer:
        assert served.get(f"/api/v1/events/{event.envelope.event_id}", by).status_code == 200
    assert len(of_offer) == 2
    assert served.get(f"/api/v1/cases/case-1/handovers/{handover_id}", by).json()["status"] == "refused"
    problem(served.get(f"/api/v1/cases/case-1/handovers/{world.offer}", by), 404, "not_found", "handover_id")
    listed = served.get("/api/v1/handovers", by).json()["handovers"]
    assert [handover["handover_id"] for handover in listed] == [handover_id]


# -- confidential sections ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "withhold", "shown"),
    [
        (clerk_of("own"), None, {"person:1"}),
        (clerk_of("own"), "sections", set()),
        (clerk_of("former"), None, set()),
        (clerk_of("offered"), None, {"person:1"}),
        (AUDITOR, None, set()),
    ],
)
def test_a_bundle_withholds_what_its_reader_may_not_see(
    world: World, by: Officer, withhold: str | None, shown: set[str]
) -> None:
    """Sections leave the house only with who may read them; with a whole case, all of them or none."""
    path = f"/api/v1/events/{world.named}/proof"
    answer = world.served.get(path, by, **({"withhold": withhold} if withhold else {}))
    assert set(decode_bundle(answer.content).subjects[0].sections) == shown
    bundle = world.served.get("/api/v1/cases/case-1/proof", by, **({"withhold": withhold} if withhold else {}))
    assert (b"a name" in bundle.content) == (bool(shown) and by == clerk_of("own"))


def test_who_comes_is_read_while_an_offer_stands(served: Served) -> None:
    """The name of a suspect, by the receiver and until the offer ends; that of a victim with the acceptance."""
    case = name_confidentially(Case().open())
    victim = PersonNamed(person_id=person_id("wang"), role="victim", section="person:1")
    case.act(victim, sections={"person:1": section("person", name="another name")})
    served.record(case.register("phone").offer("phone", to=PROCURATORATE))
    suspect, witness = (event.envelope.event_id for event in case.events[1:3])

    def shown(event_id: str) -> bool:
        return "name" in served.get(f"/api/v1/events/{event_id}", clerk(PROCURATORATE)).json().get("sections", {}).get(
            "person:1", {}
        ).get("fields", {})

    assert (shown(suspect), shown(witness)) == (True, False)
    served.record(case.recall())
    problem(served.get(f"/api/v1/events/{suspect}", clerk(PROCURATORATE)), 404, "not_found", "event_id")
    served.record(case.offer("phone", to=PROCURATORATE).accept())
    assert (shown(suspect), shown(witness)) == (True, True)


def test_a_withheld_payload_is_not_in_the_bundle(world: World) -> None:
    """Only what is public of the event is left."""
    path = f"/api/v1/events/{world.accepted}/proof"
    answer = world.served.get(path, clerk_of("former"), withhold="payload")
    assert b"received_at" not in answer.content
    assert decode_bundle(answer.content).subjects[0].payload is None


# -- the record of reads -----------------------------------------------------------------------------------------------


def test_reads_of_many_cases_are_recorded_for_each(served: Served) -> None:
    """Each case on a list of cases, items or handovers has a record of its own, whose case may be asked for later."""
    for number in range(2):
        case = Case(f"case-{number}").open().register(f"phone-{number}", f"knife-{number}")
        served.record(case.offer(f"phone-{number}", to=COURT))
    for name in ("cases", "items", "handovers"):
        before = served.reads()
        served.get(f"/api/v1/{name}", clerk(POLICE))
        recorded = [row.read.case_id for row in served.parts.access.since(before - 1, 10)]
        assert recorded == ["case-0", "case-1"], name


def test_a_read_that_cannot_be_recorded_is_not_answered(served: Served) -> None:
    """503 for everything with a payload while the log of reads is away; the public log goes on."""
    served.record(Case().open())
    served.publish()
    served.token(clerk(POLICE))
    with served.ledger.database.access.begin() as connection:
        connection.exec_driver_sql("DROP TABLE access_log")
    for path in ("/api/v1/cases", "/api/v1/cases/case-1", "/api/v1/events?case_id=case-1", "/api/v1/items"):
        answer = served.get(path, clerk(POLICE))
        assert answer.status_code == 503, path
        assert "case_number" not in answer.text
        assert answer.headers["retry-after"]
    assert served.get("/checkpoint").status_code == 200


# -- what was edited in the database -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "by", "event_type", "signed", "edited"),
    [
        ("/api/v1/events/{event_id}", POLICE, "case.opened", b"theft", b"fraud"),
        ("/api/v1/events?case_id=case-1", POLICE, "case.opened", b"theft", b"fraud"),
        ("/api/v1/events", POLICE, "case.opened", b"theft", b"fraud"),
        ("/api/v1/datasets", POLICE, "dataset.registered", b'"rows":2', b'"rows":3'),
        ("/api/v1/registry", None, "registry.agency_admitted", b'"salt":"', b'"salt":"00'),
        # Neither does it make anybody a receiver.
        ("/api/v1/events/{event_id}", COURT, "handover.offered", PROCURATORATE.encode(), COURT.encode()),
    ],
)
def test_no_payload_is_shown_that_nobody_signed(
    served: Served, path: str, by: str | None, event_type: str, signed: bytes, edited: bytes
) -> None:
    """Whoever edits one in the database shows it to nobody: the reader is refused."""
    served.record(Case().open().register("phone").offer("phone", to=PROCURATORATE))
    registration = dataset(b"id\n1\n2\n", rows=2)
    served.submit(Writer("agency", POLICE).write(registration, clerk(POLICE), signed_at=served.ledger.clock.seconds))
    with served.parts.database.lock() as connection:
        row = connection.execute(ENTRIES.select().where(ENTRIES.c.event_type == event_type)).first()
        assert row is not None
        assert signed in row.payload
        changed = ENTRIES.update().where(ENTRIES.c.log_index == row.log_index)
        connection.execute(changed.values(payload=row.payload.replace(signed, edited)))
    answer = served.get(path.format(event_id=row.event_id), clerk(by) if by else None)
    assert "was signed" in problem(answer, 500, "integrity_broken")["detail"]


def test_an_event_of_a_case_in_which_another_was_edited_is_certified(served: Served) -> None:
    """Its bundle proves it, and somebody asks for the certificate just because the case is damaged."""
    case = served.record(Case().open().register("phone").offer("phone", to=PROCURATORATE))
    with served.parts.database.lock() as connection:
        offered = ENTRIES.c.event_type == "handover.offered"
        connection.execute(ENTRIES.update().where(offered).values(payload=b"{}"))
        connection.execute(KEPT_STATES.delete())
    served.parts.validator.states._cache = CachedStates()
    path = f"/api/v1/events/{case.events[1].envelope.event_id}/certificate"
    assert served.get(path, clerk(POLICE)).status_code == 200


@pytest.fixture(params=[b"b name", b'b name","'])
def edited(request: pytest.FixtureRequest, served: Served) -> Case:
    """Return a case in which somebody has edited a name in the database, be it so that nothing can read it."""
    case = served.record(name_confidentially(Case().open()).register("phone"))
    with served.parts.database.lock() as connection:
        data = connection.execute(SECTIONS.select()).one().data
        connection.execute(SECTIONS.update().values(data=data.replace(b"a name", request.param)))
    return case


@pytest.mark.parametrize("is_indexed", [False, True])
def test_no_section_is_shown_that_nobody_signed(served: Served, edited: Case, is_indexed: bool) -> None:
    """Nor a name that somebody has put into the database: not as an event, as what a search finds, by the name that
    stands there or the one that was signed, in a proof, or in a file."""
    if is_indexed:
        with served.parts.database.lock() as connection:
            index = connection.execute(SECTIONS.select()).one().log_index
            rows = [{"part": part, "log_index": index} for part in parts_of("aname") | parts_of("bname")]
            connection.execute(NAME_PARTS.insert(), rows)
            word_parts.keep_position(connection, served.parts.database, 99, search.PARTS_MARK)
    event_id = edited.events[1].envelope.event_id
    paths = [f"/api/v1/events/{event_id}", "/api/v1/events?case_id=case-1"]
    paths += [f"/api/v1/events/{event_id}/proof", "/api/v1/cases/case-1/proof"]
    paths += [f"/api/v1/search?q={text}" for text in ("a name", "b name")]
    for path in paths:
        assert "was signed" in problem(served.get(path, clerk(POLICE)), 500, "integrity_broken")["detail"], path
    # What the index has not come to may have any name.
    assert served.get("/api/v1/search", clerk(POLICE), q="the phone").status_code == (200 if is_indexed else 500)
    for path in ("/cases/case-1/persons", "/search?q=b%20name"):
        assert page_of(served, clerk(POLICE), f"/lists{path}").status_code == 500, path


def test_a_page_names_the_event_that_is_not_as_it_was_signed(served: Served, edited: Case) -> None:
    """Somebody who edits one name in the database takes the case from nobody: its pages show all else, and mark that
    event and no other one, in the reader's language."""
    named, event_id = edited.events[1].envelope, edited.events[1].envelope.event_id
    pages = ["/cases/case-1", f"/cases/case-1/events/{event_id}", "/cases/case-1/items/phone", "/search?q=a%20name"]
    pages += [f"/cases/case-1?tab={tab}" for tab in ("persons", "timeline", "documents")]
    for path in pages:
        page = page_of(served, clerk(POLICE), path)
        assert page.status_code == 200, path
        assert "b name" not in page.text, path
        alert = page.text.partition('role="alert"')[2].partition("</div>")[0]
        assert "does not match its signature" in alert, path
        assert alert.count("/events/") == alert.count(event_id) == 1, path
        assert "case-1" in page.text.replace(alert, ""), path
    steps = page_of(served, clerk(POLICE), "/cases/case-1/timeline").text.split("<li ")[1:]
    marked = [step for step in steps if "Does not match its signature. Tell the auditor." in step]
    assert [named.event_id in step for step in marked] == [True]
    cookie = served.cookie(clerk(POLICE))["cookie"] + "; tallystick-language=zh-CN"
    page = served.request("GET", "/console/cases/case-1", headers={"cookie": cookie})
    assert "请告知监督核查员" in page.text
    served.record(Case("case-2").open())
    assert 'role="alert"' not in page_of(served, clerk(POLICE), "/cases/case-2").text


# -- an audit of the whole log -----------------------------------------------------------------------------------------


def test_an_audit_of_the_log_tells_others_of_a_case_only_that_and_where_something_is_wrong(served: Served) -> None:
    """Any auditor may have it. Of a case that he may not see he gets step, entry and kind of each finding, by the API
    and in the report that the console keeps; whoever sees the case gets all of it."""
    # By its trust file alone, which adopts nothing, an audit judges no case.
    served.ledger.system.append(publication_of(FIRST))
    served.ledger.system.append(served.ledger.changes.add(ProcedureAdopted, digest=blake3_text(FIRST)))
    served.record(Case("case-east").open(case_number="Secret-2026-77").register("phone", "knife"))
    with served.ledger.database.log.begin() as connection:
        connection.execute(text("UPDATE items SET description = 'spoiled' WHERE item_id = 'phone'"))
        connection.execute(text("UPDATE case_agencies SET case_number = 'spoiled'"))
        connection.execute(text("DELETE FROM items WHERE item_id = 'knife'"))
    insider, outsider, quoted = (
        auditor(POLICE),
        auditor(COURT),
        ("the phone", "Secret", "spoiled", "case-east", "knife"),
    )
    assert served.get("/api/v1/audit", outsider, case_id="case-east").status_code == 404
    whole, rest = (served.get("/api/v1/audit", by) for by in (insider, outsider))
    kinds = [
        [(each["step"], each["index"], each["word"]) for each in answer.json()["findings"]] for answer in (whole, rest)
    ]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) > 2
    assert all(value in whole.text for value in quoted)
    assert not any(value in rest.text for value in quoted)
    assert "items …" in rest.text
    path = post(served, insider, "/audit", {"whole": "log"}).headers["location"].removeprefix("/console")
    while "The audit is running." in page_of(served, insider, path).text:
        time.sleep(0.05)
    for part in ("", "/report"):
        assert "the phone" in page_of(served, insider, path + part).text
        page = page_of(served, outsider, path + part)
        assert page.status_code == 200
        assert not any(value in page.text for value in quoted)
    assert page_of(served, outsider, f"{path}/paper").status_code == 200
    with served.ledger.database.log.begin() as connection:
        connection.execute(text("DELETE FROM case_agencies WHERE case_id = 'case-east'"))
    assert "the phone" in served.get("/api/v1/audit", insider).text, "whoever signed in it is no stranger to it"
    assert "the phone" not in served.get("/api/v1/audit", outsider).text


def test_a_report_is_shown_with_as_many_queries_for_many_streams_as_for_few(served: Served) -> None:
    """An audit may have thousands of findings, each in a case of its own; whose cases these are is asked once."""
    reading, quotes = Reading(served.parts, session_of(auditor(COURT)), served.parts.authority()), []
    for number in range(9):
        served.record(Case(f"case-{number}").open())
    streams = [*((f"items phone case-{number}") for number in range(9)), "leads lead-1", "models model-1"]

    def queries_for(rows: list[str]) -> int:
        findings = tuple(finding("bindings", None, "row", row=row) for row in rows)
        report = AuditReport("tampered", True, "log", 9, "", (), findings)
        asked: list[str] = []
        with served.parts.database.read() as connection:
            note = lambda *values: asked.append(values[2])  # noqa: E731
            sqlalchemy.event.listen(connection, "before_cursor_execute", note)
            shown = visible_report(connection, reading, report)
        quotes.append("phone" in str(shown))
        return len(asked)

    assert queries_for(streams) == queries_for(streams[:1]) > 0
    assert quotes == [False, False]
