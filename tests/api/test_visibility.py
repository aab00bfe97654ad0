"""What is left of an offer, what is confidential, and the record of every read; the matrix has who may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest
from sqlalchemy import text

from ledger.core.events.case import PersonNamed
from ledger.core.verification.bundle_format import decode_bundle
from tests.api.conftest import serving
from tests.api.service import Served, problem
from tests.testkit.builders import (
    COURT,
    DETENTION,
    LAB,
    POLICE,
    PRISON,
    PROCURATORATE,
    Officer,
    auditor,
    clerk,
    section,
    supervisor,
)
from tests.testkit.casework import Case, person_id

OFFER_EXPIRES = "2026-03-02T03:00:00Z"  # an hour after the ledger's clock


class World(NamedTuple):
    """One case that has been everywhere: opened by the police, now with the court, offered to the prison."""

    served: Served
    case: Case


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world where the police handed all over (former party), the court holds, the prison is being offered the
    case, the laboratory refused its offer, the detention house is a stranger; the procuratorate has no part in it but
    its jurisdiction."""
    with serving(tmp_path_factory.mktemp("world")) as served:
        case = Case().open()
        case.act(
            PersonNamed(person_id=person_id("suspect"), role="suspect", section="person:1"),
            sections={"person:1": section("person", name="a name")},
        )
        case.register("phone").offer("phone", to=COURT, purpose="jurisdiction_transfer", persons=("suspect",))
        case.accept()
        case.offer("phone", to=LAB, purpose="forensic_examination").refuse()
        case.offer("phone", to=PRISON, purpose="execution", expires_at=OFFER_EXPIRES)
        served.record(case)
        served.publish()
        yield World(served, case)


READERS: dict[str, Officer | None] = {
    "nobody": None,
    "holder": clerk(COURT),
    "former party": clerk(POLICE),
    "offered": clerk(PRISON),
    "refused the offer": clerk(LAB),
    "stranger": clerk(DETENTION),
    "stranger's supervisor": supervisor(DETENTION),
    "stranger's auditor": auditor(DETENTION),
    "procuratorate's clerk": clerk(PROCURATORATE),
    "jurisdiction auditor": auditor(PROCURATORATE),
}


def records(served: Served) -> int:
    return served.parts.access.head().count


# -- what is left of an offer ------------------------------------------------------------------------------------------


def test_a_refused_offer_stays_to_be_seen_alone(world: World) -> None:
    """Who refused sees the offer and the own answer, as event and as handover, and nothing else of the case."""
    served, case = world
    by = clerk(LAB)
    offer, refusal = case.events[5], case.events[6]
    assert served.get(f"/api/v1/events/{offer.envelope.event_id}", by).status_code == 200
    assert served.get(f"/api/v1/events/{refusal.envelope.event_id}", by).status_code == 200
    assert served.get("/api/v1/cases/case-1/handovers/handover-2", by).json()["status"] == "refused"
    problem(served.get("/api/v1/cases/case-1/handovers/handover-3", by), 404, "not_found", "handover_id")
    listed = served.get("/api/v1/handovers", by).json()["handovers"]
    assert [handover["handover_id"] for handover in listed] == ["handover-2"]


def test_an_expired_offer_shows_the_case_no_more(served: Served) -> None:
    """The view ends with the offer, but for the offer itself."""
    case = served.record(Case().open().register("phone"))
    case.offer("phone", to=COURT, purpose="property_transfer", expires_at=OFFER_EXPIRES)
    served.record(case)
    assert served.get("/api/v1/cases/case-1", clerk(COURT)).status_code == 200
    served.ledger.clock.forward(3601)
    problem(served.get("/api/v1/cases/case-1", _fresh(served, clerk(COURT))), 404, "not_found", "case_id")
    assert served.get(f"/api/v1/events/{case.last.envelope.event_id}", clerk(COURT)).status_code == 200


def test_a_recalled_offer_shows_the_case_no_more(served: Served) -> None:
    """The sender took it back."""
    served.record(Case().open().register("phone").offer("phone", to=COURT, purpose="property_transfer").recall())
    problem(served.get("/api/v1/cases/case-1", clerk(COURT)), 404, "not_found", "case_id")
    assert served.get("/api/v1/cases/case-1/handovers/handover-1", clerk(COURT)).json()["status"] == "recalled"


def _fresh(served: Served, officer: Officer) -> Officer:
    served._tokens.pop(officer.key_id, None)
    return officer


# -- confidential sections ---------------------------------------------------------------------------------------------


def sections_seen(world: World, by: Officer, **query: str) -> object:
    path = f"/api/v1/events/{world.case.events[1].envelope.event_id}"
    return world.served.get(path, by, **query).json().get("sections")


def test_confidential_sections_are_shown_to_who_holds_the_case(world: World) -> None:
    """The court has it in hand."""
    assert sections_seen(world, clerk(COURT))["person:1"]["fields"] == {"name": "a name"}  # type: ignore[index]


def test_a_former_party_says_on_what_ground_it_reads_them(world: World) -> None:
    """Without a ground it sees none; the ground is in the record of the read."""
    assert sections_seen(world, clerk(POLICE)) is None
    assert sections_seen(world, clerk(POLICE), ground="request 12/2026") is not None
    assert b"request 12/2026" in last_record(world.served)


@pytest.mark.parametrize("by", [clerk(PRISON), auditor(PROCURATORATE)], ids=["offered", "jurisdiction"])
def test_no_ground_opens_them_to_others(world: World, by: Officer) -> None:
    """Who is being offered the case waits until it has it; supervision reads the non-confidential part."""
    assert sections_seen(world, by) is None
    assert sections_seen(world, by, ground="a ground") is None
    events = world.served.get("/api/v1/events", by, case_id="case-1", ground="a ground").json()["events"]
    assert all("sections" not in event for event in events)


@pytest.mark.parametrize(
    ("by", "withhold", "shown"),
    [
        (clerk(COURT), None, {"person:1"}),
        (clerk(COURT), "sections", set()),
        (clerk(POLICE), None, set()),
        (clerk(PRISON), None, set()),
        (auditor(PROCURATORATE), None, set()),
    ],
)
def test_a_bundle_withholds_what_its_reader_may_not_see(
    world: World, by: Officer, withhold: str | None, shown: set[str]
) -> None:
    """Sections leave the house only with who may read them."""
    path = f"/api/v1/events/{world.case.events[1].envelope.event_id}/proof"
    answer = world.served.get(path, by, **({"withhold": withhold} if withhold else {}))
    assert set(decode_bundle(answer.content).sections) == shown
    bundle = world.served.get("/api/v1/cases/case-1/proof", by, **({"withhold": withhold} if withhold else {}))
    assert (b"a name" in bundle.content) == bool(shown)


def test_a_withheld_payload_is_not_in_the_bundle(world: World) -> None:
    """Only what is public of the event is left."""
    path = f"/api/v1/events/{world.case.events[2].envelope.event_id}/proof"
    answer = world.served.get(path, clerk(POLICE), withhold="payload")
    assert b"the phone" not in answer.content
    assert decode_bundle(answer.content).payload is msgspec.UNSET


# -- the record of reads -----------------------------------------------------------------------------------------------


def last_record(served: Served) -> bytes:
    query = text("SELECT record FROM access_log ORDER BY number DESC LIMIT 1")
    with served.ledger.database.access.connect() as connection:
        return bytes(connection.execute(query).scalar_one())


def test_a_read_is_recorded_with_who_and_what(world: World) -> None:
    """Agency, officer, key, case, and what was shown; the chain of records holds."""
    world.served.get("/api/v1/cases/case-1", auditor(PROCURATORATE))
    record = msgspec.json.decode(last_record(world.served))["read"]
    assert (record["agency"], record["officer"], record["case_id"], record["what"]) == (
        PROCURATORATE,
        auditor(PROCURATORATE).officer_id,
        "case-1",
        "case",
    )
    assert world.served.parts.access.check().count == records(world.served)


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


def test_reads_of_many_cases_are_recorded_for_each(served: Served) -> None:
    """Who asks later who saw his case finds the lists, too."""
    for number in range(3):
        served.record(Case(f"case-{number}").open())
    before = records(served)
    served.get("/api/v1/cases", clerk(POLICE))
    assert records(served) - before == 3


# -- audits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "status"),
    [("nobody", 401), ("holder", 403), ("procuratorate's clerk", 403), ("stranger's auditor", 404)],
)
def test_an_audit_takes_an_auditor_who_sees_the_case(world: World, reader: str, status: int) -> None:
    """No token, no role, no sight: refused, and not recorded."""
    officer, before = READERS[reader], records(world.served)
    answer = world.served.get("/api/v1/audit", officer, case_id="case-1")
    problem(answer, status, answer.json()["code"], answer.json().get("field"))
    assert records(world.served) == before


def test_an_auditor_of_the_jurisdiction_audits_the_case(world: World) -> None:
    """The verdict is on what is stored; the audit itself is on record."""
    answer = world.served.get("/api/v1/audit", auditor(PROCURATORATE), case_id="case-1")
    report = answer.json()
    assert (report["findings"], report["verdict"]) == ([], "unverifiable")  # this service has no chain to look at
    assert b"audit of the case" in last_record(world.served)
