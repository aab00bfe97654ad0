"""What the reads say: cases, items, handovers, timelines, events, and their pages."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from ledger.core.events.handover import NotAcceptedItem, ReceivedItem
from ledger.proofs import bundles
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, START, clerk, section
from tests.testkit.casework import Case, pieces, registration


@pytest.fixture(scope="module")
def short_delivery(shared: Served) -> Served:
    """Return a service where two of three items are accepted, one count differs; a second case has only been opened."""
    case = Case().open().register("phone", "knife").register("coins", quantity=10)
    case.offer("phone", "knife", "coins", to=PROCURATORATE)
    received_item = ReceivedItem(item_id="coins", match_result="mismatch", quantity=pieces(9))
    kept = NotAcceptedItem(item_id="knife", reason_code="seal_broken", seal_state="broken")
    case.accept(received=(received_item,), not_accepted=(kept,))
    shared.record(case)
    shared.record(Case("case-2", start=START + 600).open(case_number="2026-0418"))
    return shared


def test_a_case_is_shown_as_it_stands(short_delivery: Served) -> None:
    """Who answers for it, what is in it, what is disputed, and what the next event stands on."""
    case = short_delivery.get("/api/v1/cases/case-1", clerk(POLICE)).json()
    assert (case["responsible"], case["stage"], case["sight"]) == (PROCURATORATE, "prosecution_review", "party")
    assert case["agencies"] == {POLICE: "2026-0417", PROCURATORATE: None}
    assert {item["item_id"]: item["holder"] for item in case["items"]} == {
        "phone": PROCURATORATE,
        "coins": PROCURATORATE,
        "knife": POLICE,
    }
    assert [entry["item_id"] for entry in case["discrepancies"]] == ["coins", "knife"]
    head = short_delivery.get("/api/v1/cases/case-1/head", clerk(POLICE)).json()
    assert head == {"case_id": "case-1", "sequence": case["sequence"] + 1, "head": case["head"]}


def test_events_come_with_the_bytes_that_were_signed(short_delivery: Served) -> None:
    """Envelope and payload are stored and shown as they were posted."""
    opened = Case().open().last
    listed = short_delivery.get("/api/v1/events", clerk(POLICE), case_id="case-1", limit="1")
    assert opened.entry in listed.content
    assert opened.payload_bytes in listed.content
    shown = short_delivery.get(f"/api/v1/events/{opened.envelope.event_id}", clerk(POLICE))
    assert opened.payload_bytes in shown.content


@pytest.mark.parametrize(
    ("path", "key", "name", "count"),
    [
        ("/api/v1/cases", "cases", "case_id", 2),
        ("/api/v1/items", "items", "item_id", 3),
        ("/api/v1/handovers", "handovers", "handover_id", 1),
        ("/api/v1/events", "events", "event_id", 6),
        ("/api/v1/cases/case-1/timeline", "events", "event_id", 6),
        ("/api/v1/agencies", "agencies", "agency_id", 6),
        ("/api/v1/registry", "entries", "index", 24),
    ],
)
def test_pages_give_everything_once(short_delivery: Served, path: str, key: str, name: str, count: int) -> None:
    """Following ``next`` to the end, an empty page behind a full one, gives what one large page gives."""
    query = {"case_id": "case-1"} if path == "/api/v1/events" else {}
    by = clerk(POLICE)
    (whole,) = short_delivery.pages(path, by, limit=1000, **query)
    pages = [*short_delivery.pages(path, by, limit=1, **query)]
    assert pages[-1] == {key: []}
    entries = [entry for page in pages for entry in page[key]]
    assert [entry[name] for entry in entries] == [entry[name] for entry in whole[key]]
    assert len(entries) == count


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/cases?stage=investigation", ["case-2"]),
        ("/api/v1/cases?responsible=procuratorate-east", ["case-1"]),
        ("/api/v1/items?holder=police-east", ["knife"]),
        ("/api/v1/items?case_id=case-2", []),
        ("/api/v1/handovers?box=inbox", []),
        ("/api/v1/handovers?box=outbox", ["handover-1"]),
        ("/api/v1/handovers?status=refused", []),
        ("/api/v1/handovers?status=partially_accepted", ["handover-1"]),
    ],
)
def test_lists_are_narrowed(short_delivery: Served, path: str, expected: list[str]) -> None:
    """By stage, responsible agency, holder, case, box and status."""
    answer = short_delivery.request("GET", path, headers=short_delivery.token(clerk(POLICE))).json()
    (entries,) = (entries for key, entries in answer.items() if key != "next")
    names = ("handover_id", "item_id", "case_id")
    assert [next(entry[name] for name in names if name in entry) for entry in entries] == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/v1/cases?stage=nonsense", "investigation"),
        ("/api/v1/cases?responsible=nobody", "nobody"),
        ("/api/v1/items?holder=nobody", "nobody"),
        ("/api/v1/items?case_id=nonsense", "nonsense"),
        ("/api/v1/deadlines?agency=nobody", "nobody"),
        ("/api/v1/deadlines?case_id=nonsense", "nonsense"),
        ("/api/v1/holds?agency=nobody", "nobody"),
        ("/api/v1/retention/due?agency=nobody", "nobody"),
        ("/api/v1/leads?agency=nobody", "nobody"),
        ("/api/v1/leads?supervising=nobody", "nobody"),
        ("/api/v1/recommendations?to_agency=nobody", "nobody"),
    ],
)
def test_what_a_list_cannot_be_narrowed_by_is_refused(short_delivery: Served, path: str, words: str) -> None:
    """A stage, an agency or a case that there is not: an empty list would say that there is nothing."""
    answer = short_delivery.request("GET", path, headers=short_delivery.token(clerk(POLICE)))
    assert words in problem(answer, 404, "not_found", answer.json()["field"])["detail"]


def test_the_registry_is_told_by_agency_and_key(short_delivery: Served) -> None:
    """Agencies with their jurisdiction, keys with their grants and, once it happened, their revocation."""
    agency = short_delivery.get("/api/v1/agencies/police-east").json()
    assert (agency["kind"], agency["jurisdiction"]) == ("public_security", "31/01")
    keys = short_delivery.get("/api/v1/agencies/police-east/keys").json()["keys"]
    assert keys[0]["key_id"] == clerk(POLICE).key_id
    assert {key["revoked"] for key in keys} == {None}


def test_a_search_says_where_it_goes_on(short_delivery: Served) -> None:
    """Page by page by what ``next`` says; whoever searches for what is recorded; too short a text is refused."""
    first = short_delivery.get("/api/v1/search", clerk(POLICE), q="2026-04", limit=1).json()
    assert [hit["case_number"] for hit in first["hits"]] == ["2026-0417"]
    second = short_delivery.get("/api/v1/search", clerk(POLICE), q="2026-04", limit=1, after=first["next"]).json()
    assert [hit["case_id"] for hit in second["hits"]] == ["case-2"]
    assert "next" not in second
    reads = short_delivery.parts.access.since(-1, 1000)
    assert "search" in [read.read.subject for read in reads if read.read.case_id == "case-2"]
    problem(short_delivery.get("/api/v1/search", clerk(POLICE), q="2 0"), 422, "rule_refused", "q")


def test_a_case_too_large_for_one_bundle_is_taken_away_in_parts(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bundle is refused with what to do instead; its archive is whole and proves each event by itself."""
    path, by = "/api/v1/cases/case-1", clerk(POLICE)
    case = served.record(Case().open().act(registration("phone"), sections={"narrative": section(text="x" * 4000)}))
    bare = served.get(f"{path}/proof", by, withhold="sections").content
    for limit, names in ((len(bare), ["case-1.without-sections"]), (1000, [])):
        monkeypatch.setattr(bundles, "MAX_BUNDLE_LENGTH", limit)
        for kind in ("proof", "certificate"):
            refusal = problem(served.get(f"{path}/{kind}", by), 400, "bundle_too_large", "withhold")
            assert "withhold=sections" in refusal["hint"]
        with ZipFile(BytesIO(served.get(f"{path}/archive", by).content)) as archive:
            assert archive.testzip() is None
            proofs = {Path(name).name: archive.read(name) for name in archive.namelist() if "/Proofs/" in name}
        of_events = {f"{number:04} {event.envelope.event_id}": event for number, event in enumerate(case.events)}
        assert [*proofs] == [f"{name}.bundle.json" for name in [*names, *of_events]] + ["trust.json"]
        assert b"x" * 4000 in proofs[f"{[*of_events][1]}.bundle.json"]
