"""Story 19, each his own way: a case that was under way is taken over, and its suspects leave the review apart.

The agencies of a service, by the command line: one suspect is prosecuted alone, one is named later, one not prosecuted.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.core.encoding.instants import instant_text
from ledger.samples.case_acts import person_id
from tests.e2e.stories.town import Town

LI, WANG, ZHAO = map(person_id, ("li", "wang", "zhao"))
BEGAN = (datetime.now(UTC) - timedelta(days=10)).replace(hour=1, minute=0, second=0)


@pytest.fixture(scope="module")
def case_id(town: Town, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The procuratorate takes over a review of ten days, as its card has it."""
    began = instant_text(int(BEGAN.timestamp()))
    arrested = instant_text(int((BEGAN - timedelta(days=20)).timestamp()))
    stated = {
        "case_number": "2026-58",
        "case_type": "fraud",
        "business_line": "criminal",
        "stage": "prosecution_review",
        "procedure": "cn-criminal",
        "source_system": "case cards",
        "source_key": "58",
        "persons": [{"person_id": person, "role": "suspect"} for person in (LI, WANG)],
        "measures": [{"measure_id": "arrest-li", "person_id": LI, "measure": "arrest", "started_at": arrested}],
        "deadlines": [{"clock": "prosecution_review", "started_at": began}],
    }
    file = tmp_path_factory.mktemp("cards") / "58.json"
    file.write_text(json.dumps(stated))
    taken: str = town.ok("prosecutor", "case", "take-over", file)["case_id"]
    return taken


def running(town: Town, case_id: str) -> dict[str, dict[str, Any]]:
    """The deadlines of the case that run, by clock and subject."""
    query = {"case_id": case_id, "seen": True, "limit": 100}
    listed = town.read("/api/v1/deadlines", "prosecutor", **query)["deadlines"]
    return {f"{each['clock']} {each['subject']}": each for each in listed if each["status"] == "running"}


def stages(town: Town, case_id: str) -> dict[str, str]:
    case = town.read(f"/api/v1/cases/{case_id}", "prosecutor")
    persons = case["persons"]
    listed = persons.values() if isinstance(persons, dict) else persons
    return {person["person_id"]: person["stage"] for person in listed} | {"case": case["stage"]}


def test_the_review_runs_from_the_stated_start_and_says_so(town: Town, case_id: str) -> None:
    """For each suspect, as the procuratorate's time; the police have no duty."""
    clocks = running(town, case_id)
    assert {*clocks} == {f"prosecution_review {LI}", f"prosecution_review {WANG}"}
    review = clocks[f"prosecution_review {LI}"]
    assert (review["agency"], review["taken_over"]) == ("procuratorate-east", True)
    assert "Taken over" in review["arithmetic"][0]


def test_one_is_prosecuted_while_the_case_stays(town: Town, case_id: str) -> None:
    """He is at the court, with its clock; the other's review goes on, and views and timeline show both stages."""
    options = ("--purpose", "public_prosecution", "--person", LI, "--case-stays")
    handover_id = town.ok("prosecutor", "handover", "offer", case_id, "court-east", *options)["handover_id"]
    received = instant_text(int(datetime.now(UTC).timestamp()))
    town.ok("court", "handover", "accept", case_id, handover_id, "--received-at", received, "--all-as-listed")
    assert stages(town, case_id) == {LI: "first_instance", WANG: "prosecution_review", "case": "prosecution_review"}
    clocks = running(town, case_id)
    assert clocks[f"first_instance {LI}"]["agency"] == "court-east"
    assert f"prosecution_review {WANG}" in clocks
    assert f"prosecution_review {LI}" not in clocks
    assert LI[:8] in town.at_the_terminal("prosecutor", "case", "timeline", case_id).out


def test_one_is_named_later_and_one_is_not_prosecuted(town: Town, case_id: str, tmp_path: Path) -> None:
    """Whoever is added is at the case's stage; a decision about one ends his review alone."""
    name = tmp_path / "name"
    name.write_text("赵某")
    town.ok("prosecutor", "person", "name", case_id, "--role", "suspect", "--person-id", ZHAO, "--name", f"@{name}")
    assert stages(town, case_id)[ZHAO] == "prosecution_review"
    decided = instant_text(int(datetime.now(UTC).timestamp()))
    words = ("--number", "58-1", "--decided-at", decided, "--person", WANG)
    town.ok("prosecutor", "decision", "record", case_id, "not_prosecuted", *words)
    assert f"prosecution_review {WANG}" not in running(town, case_id)
    town.ok("prosecutor", "case", "stage", case_id, "closed", "--person", WANG)
    assert stages(town, case_id)[WANG] == "closed"
    assert stages(town, case_id)["case"] == "prosecution_review"
