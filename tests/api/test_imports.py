"""Looking up what was imported, and listing outside data sets: each agency its own, nobody another's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.config.settings import Settings
from ledger.core.events.case import CaseNumbered
from ledger.core.events.record import ImportRecorded
from ledger.store.tables import DATASET_FILES
from tests.api.conftest import serving
from tests.api.service import JSON, Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, Writer, auditor, clerk
from tests.testkit.casework import Case
from tests.testkit.supervision import dataset

SYSTEM = "case platform"
LOOK_UP = "/api/v1/imports/look-up"
DIGEST = "sha256:" + "11" * 32
POLICE_CLERK, PROSECUTOR = clerk(POLICE), clerk(PROCURATORATE)


def look_up(served: Served, by: Any, *rows: tuple[str, str], system: str = SYSTEM) -> Any:
    """Return the answer to a question about (source key, case id)."""
    asked = {"source_system": system, "rows": [{"source_key": key, "case_id": case_id} for key, case_id in rows]}
    return served.request("POST", LOOK_UP, content=json.dumps(asked), headers=JSON | served.token(by))


def imported(served: Served, case_id: str, key: str, row_digest: str | None = DIGEST) -> Case:
    """Record a case that the police opened and whose origin they recorded."""
    case = Case(case_id, start=served.ledger.clock.seconds - 60).open()
    body = ImportRecorded(source_system=SYSTEM, source_key=key, file_digest=DIGEST, row=2, row_digest=row_digest)
    return served.record(case.act(body))


def test_a_key_leads_to_its_case_and_to_where_the_case_stands(served: Served) -> None:
    """Imported, begun and unknown rows are told apart, in the order asked; a key in two cases is told twice."""
    whole = imported(served, "whole", "A-1")
    imported(served, "again", "A-1")
    begun = served.record(Case("begun", start=served.ledger.clock.seconds - 60).open())
    asked = look_up(served, POLICE_CLERK, ("A-1", "whole"), ("A-2", "begun"), ("A-3", "unknown"))
    first, second, third = asked.json()["rows"]
    assert [entry["case_id"] for entry in first["imports"]] == ["again", "whole"]
    assert (first["sequence"], first["head"]) == (2, whole.last.event.leaf_hash)
    assert first["imports"][0]["row_digest"] == DIGEST
    assert (second["sequence"], second["head"], second["imports"]) == (1, begun.last.event.leaf_hash, [])
    assert (third["sequence"], third["head"], third["imports"]) == (None, None, [])


def test_a_number_is_the_same_in_other_brackets(served: Served) -> None:
    """As two rows of one number are: a case that somebody typed in is named, under the number that it has now."""
    start = served.ledger.clock.seconds - 60
    served.record(Case("typed", start=start).open(case_number="〔2026〕77号"))
    renumbered = Case("renumbered", start=start).open(case_number="(2026)77号")
    served.record(renumbered.act(CaseNumbered(case_number="(2026)78号")))
    row = {"source_key": "A-1", "case_id": "absent", "case_number": "（2026）77号"}
    asked = json.dumps({"source_system": SYSTEM, "rows": [row]})
    sent = served.request("POST", LOOK_UP, content=asked, headers=JSON | served.token(POLICE_CLERK))
    (answer,) = sent.json()["rows"]
    assert [(case["case_id"], case["case_number"]) for case in answer["same_number"]] == [("typed", "〔2026〕77号")]


def test_imports_are_listed_a_page_at_a_time(served: Served) -> None:
    """By their last change; a key of a system narrows the list."""
    for number in range(3):
        imported(served, f"case-{number}", f"A-{number}")
    first = served.get("/api/v1/imports", POLICE_CLERK, limit=2).json()
    rest = served.get("/api/v1/imports", POLICE_CLERK, limit=2, after=first["next"]).json()
    assert [entry["source_key"] for entry in [*first["imports"], *rest["imports"]]] == ["A-0", "A-1", "A-2"]
    (entry,) = served.get("/api/v1/imports", POLICE_CLERK, source_system=SYSTEM, source_key="A-1").json()["imports"]
    assert entry["case_id"] == "case-1"


def test_a_look_up_is_recorded_with_the_cases_that_it_found(served: Served) -> None:
    """Reading where a case stands is a read of that case."""
    imported(served, "read", "A-1")
    look_up(served, POLICE_CLERK, ("A-1", "read"), ("A-2", "unknown"))
    with served.parts.database.access.connect() as connection:
        from ledger.store.access import ACCESS_LOG

        cases = [row.case_id for row in connection.execute(ACCESS_LOG.select())]
    assert cases == ["read"]


CSV = b"id,amount\n310101,1200\n310102,\n"


def give(served: Served, by: Any, dataset_id: str, data: bytes, kind: str = "application/octet-stream") -> Any:
    path = f"/api/v1/datasets/{dataset_id}/file"
    return served.request("POST", path, content=data, headers={"content-type": kind} | served.token(by))


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Served]:
    """Return a service with a data directory of its own, where the police registered a list of two rows."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path / "data", max_dataset_bytes=1000)
    with serving(tmp_path, settings) as service:
        body = dataset(CSV, dataset_id="pensions-2026", rows=2)
        service.submit(Writer("agency", POLICE).write(body, POLICE_CLERK, signed_at=service.ledger.clock.seconds))
        yield service


def test_an_audit_misses_the_file_that_was_given(keeping: Served) -> None:
    """Nobody signed that it was given, and it is named all the same when it is there no more."""
    give(keeping, POLICE_CLERK, "pensions-2026", CSV)
    faults = []
    for _ in range(2):
        findings = keeping.get("/api/v1/audit", auditor(POLICE)).json()["findings"]
        faults.append([finding["found"] for finding in findings if finding["step"] == "bindings"])
        with keeping.ledger.database.lock() as connection:
            connection.execute(DATASET_FILES.delete())
    assert faults == [[], ["no such row"]]


def test_no_other_file_is_taken_and_from_nobody_else(keeping: Served) -> None:
    """Another agency, a role that registers nothing, an unknown id, other bytes, too many bytes, another type."""
    auditing = auditor(POLICE)
    refusals = [
        (PROSECUTOR, "pensions-2026", CSV, 404, "not_found", "dataset_id"),
        (auditing, "pensions-2026", CSV, 403, "role_missing", None),
        (POLICE_CLERK, "pensions-2027", CSV, 404, "not_found", "dataset_id"),
        (POLICE_CLERK, "pensions-2026", CSV + b"x,1\n", 400, "malformed_input", "file"),
        (POLICE_CLERK, "pensions-2026", CSV * 100, 413, "body_too_large", None),
    ]
    for by, dataset_id, data, status, code, field in refusals:
        answer = give(keeping, by, dataset_id, data)
        problem(answer, status, code, field)
    assert give(keeping, POLICE_CLERK, "pensions-2026", CSV, "text/csv").status_code == 415
    (line,) = keeping.get("/api/v1/datasets", POLICE_CLERK).json()["datasets"]
    assert not line["kept"]
