"""Exports: spreadsheets open them without calculating, and the programs of others read them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.events import Authority, Section
from ledger.core.events.case import CaseSplit
from ledger.core.events.terms import Money
from ledger.interchange.exports import ocel
from tests.api.conftest import serving
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, START, auditor, clerk, instant
from tests.testkit.casework import Case, detained, got, kept, pieces
from tests.testkit.machine import program

WARRANT = Authority(authorization_type="search warrant", authorization_identifier="W-2026-7")
SECRET = {"note:1": Section(salt="ab" * 16, fields={"said": "nobody else may read this"})}
READ_OCEL = """
import json, sys, pm4py
log = pm4py.read_ocel2_json(sys.argv[1])
flat = pm4py.ocel_flattening(log, "item")
print(json.dumps({
    "events": len(log.events),
    "objects": log.objects["ocel:type"].value_counts().to_dict(),
    "activities": log.events["ocel:activity"].value_counts().to_dict(),
    "qualifiers": sorted(set(log.relations["ocel:qualifier"])),
    "o2o": sorted(set(log.o2o["ocel:qualifier"])),
    "first_holder": log.objects.set_index("ocel:oid")["holder"]["item:phone"],
    "holders": log.object_changes.query("`ocel:oid` == 'item:phone' and `ocel:field` == 'holder'")["holder"].tolist(),
    "phone": flat[flat["case:concept:name"] == "item:phone"]["concept:name"].tolist(),
}))
"""


@pytest.fixture(scope="module")
def readers() -> Path:
    """Return the folder of the programs that read exports; it is made on first use."""
    return program("readers", "python").parent


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Record a detained person, exhibits, data, a split, a short delivery under a warrant, and a second case."""
    with serving(tmp_path_factory.mktemp("exports")) as served:
        case = detained("li").register("phone", exhibit_number="E-1", authority=WARRANT)
        case.register("image", kind="electronic_data", parent_items=("phone",)).register("coins", quantity=10)
        case.register("note", sections=SECRET)
        case.offer("phone", "coins", "image", to=PROCURATORATE, persons=("li",), occurred_at=instant(START + 3600))
        received = (got("phone", digests=("blake3:" + "5a" * 32,)), got("coins", "mismatch", quantity=pieces(9)))
        times = {"received_at": instant(START + 7200), "occurred_at": instant(START + 7800)}
        case.accept(received=received, not_accepted=(kept("image"),), **times)
        case.say(CaseSplit, new_case_id="case-3", ground="apart", item_ids=("phone",), occurred_at=times["occurred_at"])
        served.record(case)
        second_case = Case("case-2", start=START + 600).open(case_number="2026-0418").register("knife")
        second_case.register("cash", kind="property", money=Money(amount=123450, currency="CNY"))
        served.record(second_case.register("yen", kind="property", money=Money(amount=5000, currency="JPY")))
        yield served


def export(served: Served, file_format: str, case_id: str = "case-1", **query: Any) -> httpx.Response:
    answer = served.get(f"/api/v1/cases/{case_id}/export", clerk(POLICE), format=file_format, **query)
    assert answer.status_code == 200, answer.text
    return answer


# -- spreadsheets ------------------------------------------------------------------------------------------------------


def table(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_a_timeline_as_csv_has_a_row_for_every_event(dealt: Served) -> None:
    """Claimed, signed and recorded time side by side, the sentence, and what is wrong with the event."""
    answer = export(dealt, "csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="case-1.csv"'
    rows = table(answer)
    steps = dealt.get("/api/v1/cases/case-1/timeline", clerk(POLICE)).json()["events"]
    assert [row["sentence"] for row in rows] == [step["sentence"] for step in steps]
    assert [row["sentence"] for row in rows][-2].startswith("procuratorate-east accepts from police-east")
    assert "Discrepancy, not resolved" in rows[-2]["notes"]
    assert "search warrant W-2026-7" in [row["authority"] for row in rows]


def test_excel_is_told_that_it_is_utf_8_and_a_chinese_reader_reads_chinese(dealt: Served) -> None:
    """The byte order mark stands only where it was asked for."""
    assert not export(dealt, "csv").content.startswith(b"\xef\xbb\xbf")
    answer = export(dealt, "csv", bom=True, lang="zh-CN")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert any("接收" in cell for row in table(answer) for cell in row.values())


def test_a_timeline_as_json_holds_spans_and_events(dealt: Served) -> None:
    """The same as the routes give, in one file."""
    file = export(dealt, "json").json()
    assert file["format"] == "tallystick/timeline@v1"
    assert file["events"] == dealt.get("/api/v1/cases/case-1/timeline", clerk(POLICE)).json()["events"]
    assert file["spans"] == dealt.get("/api/v1/cases/case-1/spans", clerk(POLICE)).json()["spans"]


# -- process mining ----------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_pm4py_reads_the_log(dealt: Served, readers: Path, tmp_path: Path) -> None:
    """Two cases in one file: objects of each type, what they went through, and what changed of them when."""
    file = tmp_path / "cases.json"
    logs = [ocel.decode(export(dealt, "ocel", case_id).content) for case_id in ("case-1", "case-2")]
    file.write_bytes(ocel.encode(ocel.merged(logs)))
    done = subprocess.run([readers / "python", "-c", READ_OCEL, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    events = [event for log in logs for event in log.events]
    assert read["events"] == len(events)
    assert read["activities"] == dict(Counter(event.type for event in events))
    assert read["objects"] == {"item": 7, "case": 2, "agency": 2, "person": 1, "handover": 1}
    assert {"accepted", "not accepted", "signed by", "case", "registered"} <= set(read["qualifiers"])
    assert {"of case", "lists", "from", "to", "comes from"} <= set(read["o2o"])
    assert [read["first_holder"], *read["holders"]] == [POLICE, PROCURATORATE, ""]
    assert read["phone"] == [
        "item.registered",
        "item.registered",
        "handover.offered",
        "handover.accepted",
        "case.split",
    ]


def test_a_log_names_nothing_that_is_not_in_it(dealt: Served) -> None:
    """Every relation is to an object of the file, every attribute is declared for its type."""
    log = ocel.decode(export(dealt, "ocel").content)
    objects = {each.id for each in log.objects}
    assert len(objects) == len(log.objects)
    related = [relation.objectId for each in (*log.events, *log.objects) for relation in each.relationships]
    assert set(related) <= objects
    for declared, ones in ((log.eventTypes, log.events), (log.objectTypes, log.objects)):
        declared_names = {kind.name: {attribute.name for attribute in kind.attributes} for kind in declared}
        for each in ones:
            assert {attribute.name for attribute in each.attributes} <= declared_names[each.type]
    assert all(attribute.time for each in log.objects for attribute in each.attributes)


def test_logs_that_are_merged_have_what_they_share_once(dealt: Served) -> None:
    """An agency of two cases is one object; a log merged with itself is larger by its events only."""
    each = ocel.decode(export(dealt, "ocel").content)
    twice = ocel.merged([each, each])
    assert twice.objects == each.objects
    assert len(twice.events) == 2 * len(each.events)
    assert ocel.merged([]).objects == ()


# -- digital forensics -------------------------------------------------------------------------------------------------


@pytest.mark.extended
@pytest.mark.parametrize("case_id", ["case-1", "case-2"])
def test_case_validate_accepts_the_graph(dealt: Served, readers: Path, tmp_path: Path, case_id: str) -> None:
    """By the ontology of CASE 1.5, offline; a hash method that its vocabulary lacks is told as information alone."""
    file = tmp_path / "case.jsonld"
    file.write_bytes(export(dealt, "case-uco", case_id).content)
    command = [readers / "case_validate", "--allow-info", "--built-version", "case-1.5.0", file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Conforms: True" in done.stdout
    broken = file.read_text().replace('"uco-identity:Organization"', '"uco-core:Bundle"', 1)
    file.write_text(broken)
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_graph_has_exhibits_actions_hashes_and_authority(dealt: Served) -> None:
    """Who did what to which item, with its exhibit number, and what its content hashes to."""
    answer = export(dealt, "case-uco")
    assert answer.headers["content-type"] == "application/ld+json"
    nodes = answer.json()["@graph"]
    by_type: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        by_type.setdefault(node["@type"], []).append(node)
    assert len(by_type["case-investigation:InvestigativeAction"]) == len(
        dealt.get("/api/v1/cases/case-1/timeline", clerk(POLICE)).json()["events"]
    )
    records = by_type["case-investigation:ProvenanceRecord"]
    assert [each.get("case-investigation:exhibitNumber") for each in records].count("E-1") == 2
    assert {each["uco-types:hashMethod"] for each in by_type["uco-types:Hash"]} == {"SHA256"}
    (paper,) = by_type["case-investigation:Authorization"]
    assert paper["case-investigation:authorizationIdentifier"] == "W-2026-7"
    assert {each["uco-core:name"] for each in by_type["uco-identity:Organization"]} == {POLICE, PROCURATORATE}
    assert answer.content == export(dealt, "case-uco").content


def test_the_graph_has_amount_and_currency_of_money(dealt: Served) -> None:
    """Each sum is about its item, in the main unit by the currency's decimals; what is no money has none."""
    nodes = {node["@id"]: node for node in export(dealt, "case-uco", "case-2").json()["@graph"]}
    sums = {}
    for node in nodes.values():
        if node["@type"] == "uco-core:Event":
            (item,), (attributes,) = node["uco-core:eventContext"], node["uco-core:eventAttribute"]
            entries = [nodes[entry["@id"]] for entry in nodes[attributes["@id"]]["uco-types:entry"]]
            stated = {entry["uco-types:key"]: entry["uco-types:value"] for entry in entries}
            sums[nodes[item["@id"]]["uco-core:name"]] = stated
    assert sums == {
        "cash": {"amount": "1234.50", "currency": "CNY"},
        "yen": {"amount": "5000", "currency": "JPY"},
    }


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["csv", "json", "ocel", "case-uco"])
def test_an_export_has_no_more_than_its_reader_may_see(dealt: Served, file_format: str) -> None:
    """Without confidential sections and without the second case; a format that there is not is refused."""
    path = "/api/v1/cases/case-1/export"
    answer = dealt.get(path, auditor(PROCURATORATE), format=file_format)
    assert answer.status_code == 200
    assert "nobody else may read this" not in answer.text
    assert "knife" not in answer.text
    problem(dealt.get(path, clerk(POLICE), format=f"{file_format}x"), 400, "malformed_input", "format")
