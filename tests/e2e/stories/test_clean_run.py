"""Story 1, the clean run: police, procuratorate, court, prison; then the service is off, and the proofs stand alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.samples.stories import CLEAN_RUN
from tests.e2e.stories.town import Town, TownCase

CASE = CLEAN_RUN.case_id
EXHIBITS = tuple(f"{CASE}-exhibit-{number}" for number in range(1, 21))


@pytest.fixture(scope="module")
def case(town: Town) -> TownCase:
    """Return the clean run, anchored."""
    case = town.played(CLEAN_RUN, "2025-03-03")
    town.anchored()
    return case


def test_every_step_is_taken_without_a_flag_and_everybody_sees_where_the_case_is(case: TownCase) -> None:
    """Two defendants and twenty exhibits go all the way; nothing was unlawful, so nothing is flagged but late entry."""
    assert case.flagged() == []
    shown = case.seen_by("police")
    assert (shown["responsible"], shown["stage"], shown["closed"]) == ("corrections-east", "closed", True)
    assert {person["responsible"] for person in shown["persons"]} == {"corrections-east"}
    assert [handover["status"] for handover in shown["handovers"]] == ["accepted"] * 4
    states = {line["item_id"]: (line["holder"], line["status"]) for line in shown["items"]}
    dossier = {f"{CASE}-dossier": ("corrections-east", "held")}
    assert states == dossier | dict.fromkeys(EXHIBITS, ("court-east", "disposed"))


def test_every_deadline_of_it_was_kept(case: TownCase) -> None:
    """No clock of the case was missed, and none runs on but the time for which it is kept: each is met, or ended."""
    read = case.player.ledger.town.read
    deadlines = read(f"/api/v1/cases/{CASE}/deadlines", "auditor", as_of="2026-01-01T00:00:00Z")["deadlines"]
    assert {deadline["status"] for deadline in deadlines} == {"met", "ended", "running"}
    assert {deadline["clock"] for deadline in deadlines if deadline["status"] == "running"} == {"retention_of_case"}


def test_with_the_service_off_every_bundle_is_intact_and_the_case_without_a_gap(
    town: Town, case: TownCase, tmp_path: Path
) -> None:
    """Files and trust file are enough: each event and the unbroken chain of the case. That nothing came after its last
    event only witnesses could vouch for, and a development ledger has none."""
    whole, log = tmp_path / "case.json", tmp_path / "log"
    bundles = [tmp_path / f"{number}.json" for number in range(len(case.events))]
    for event, file in zip(case.events, bundles, strict=True):
        town.ok("auditor", "proof", "get", event.envelope.event_id, "--output", file)
    town.ok("auditor", "proof", "get", "--case", CASE, "--output", whole)
    town.ok("auditor", "log", "save", log)
    check = ("--json", "proof", "check", "--trust", town.trusting(*bundles, whole))
    with town.switched_off():
        for bundle in bundles:
            done = town.tally(*check, bundle)
            assert (done.status, done.json()["verdict"], done.json()["development"]) == (0, "intact", True)
        done = town.tally(*check, whole, "--log", log)
    assert done.status == 0, done.out
    report = done.json()
    assert report["verdict"] == "intact"
    results = {step["name"]: step["result"] for step in report["steps"]}
    without_witnesses = {results.pop(name) for name in ("witnesses", "end")}
    assert without_witnesses == {"not_checked"}, "a development ledger asks for none, so its log is its own word"
    steps = ("ledger", "checkpoint", "block", "anchor", "events", "order", "custody")
    assert results == dict.fromkeys(steps, "checked")
    assert report["state"]["head"] == case.last.event.leaf_hash
    assert {raised["flag"]["name"] for raised in report["flags"]} <= {"late_entry", "backdated"}
