"""Story 1, the clean run: police, procuratorate, court, prison; then the service is off, and the proofs stand alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.samples.stories import CLEAN_RUN
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.tally import Done

CASE = CLEAN_RUN.case_id
EXHIBITS = tuple(f"{CASE}-exhibit-{number}" for number in range(1, 21))


class Kept:
    """What the auditor took home before the service was switched off."""

    def __init__(self, town: Town, case: TownCase, folder: Path):
        self.town = town
        self.case = case
        self.trust = folder / "trust.json"
        self.log = folder / "log"
        self.whole = folder / "case.json"
        self.bundles = [folder / f"{number}.json" for number in range(len(case.events))]
        for event, file in zip(case.events, self.bundles, strict=True):
            town.ok("auditor", "proof", "get", event.envelope.event_id, "--output", file)
        town.ok("auditor", "proof", "get", "--case", CASE, "--output", self.whole)
        town.ok("auditor", "log", "save", self.log)
        ends = [option for bundle in (*self.bundles, self.whole) for option in ("--block-of", bundle)]
        town.ok("auditor", "log", "trust", *ends, "--output", self.trust)

    def check(self, bundle: Path, *options: str | Path) -> Done:
        """``tally proof check`` by somebody who has these files and no profile."""
        return self.town.tally("--json", "proof", "check", bundle, "--trust", self.trust, *options)

    def entries(self) -> list[dict[str, Any]]:
        """Read the public entries of the copy as the bytes they are: each after its length in two bytes."""
        entries = []
        for bundle in sorted(self.log.glob("tile/entries/**/*")):
            data = bundle.read_bytes() if bundle.is_file() else b""
            while data:
                end = 2 + int.from_bytes(data[:2], "big")
                entries.append(json.loads(data[2:end]))
                data = data[end:]
        return entries


@pytest.fixture(scope="module")
def kept(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return the clean run, anchored and taken home."""
    case = town.played(CLEAN_RUN, "2025-03-03")
    town.anchored()
    return Kept(town, case, tmp_path_factory.mktemp("kept"))


def test_every_step_is_taken_without_a_flag_and_everybody_sees_where_the_case_is(kept: Kept) -> None:
    """Two defendants and twenty exhibits go all the way; nothing was unlawful, so nothing is flagged but late entry."""
    assert kept.case.flagged() == []
    shown = kept.case.seen_by("police")
    assert (shown["responsible"], shown["stage"], shown["closed"]) == ("corrections-east", "closed", True)
    assert {person["responsible"] for person in shown["persons"]} == {"corrections-east"}
    assert [handover["status"] for handover in shown["handovers"]] == ["accepted"] * 4
    states = {line["item_id"]: (line["holder"], line["status"]) for line in shown["items"]}
    dossier = {f"{CASE}-dossier": ("corrections-east", "held")}
    assert states == dossier | dict.fromkeys(EXHIBITS, ("court-east", "disposed"))


def test_with_the_service_off_every_bundle_is_intact_and_nothing_came_after_the_last_event(kept: Kept) -> None:
    """Files and trust file are enough: each event, the unbroken chain of the case, and its end by the log's entries."""
    with kept.town.switched_off():
        for bundle in kept.bundles:
            done = kept.check(bundle)
            assert (done.status, done.json()["verdict"], done.json()["development"]) == (0, "intact", True)
        done = kept.check(kept.whole, "--log", kept.log)
    assert done.status == 0, done.out
    report = done.json()
    assert report["verdict"] == "intact"
    assert {step["name"]: step["result"] for step in report["steps"]} == dict.fromkeys(
        ("form", "events", "order", "custody", "end"), "checked"
    )
    assert report["state"]["head"] == kept.case.last.envelope.payload_digest
    assert {raised["flag"]["name"] for raised in report["flags"]} <= {"late_entry", "backdated"}


def test_anybody_who_kept_the_public_entries_finds_the_same_events_and_none_after_them(kept: Kept) -> None:
    """A reader of the published tiles, without a token and without our code, counts the events of the case."""
    stream = {"kind": "case", "id": CASE}
    of_the_case = [entry for entry in kept.entries() if entry["stream"] == stream]
    assert [entry["event_id"] for entry in of_the_case] == [event.envelope.event_id for event in kept.case.events]
    assert of_the_case[-1]["event_type"] == "case.closed"


def test_a_case_bundle_without_its_last_event_is_found_out_by_the_public_entries(kept: Kept, tmp_path: Path) -> None:
    """What is left out at the end shows in the entries, and in nothing else: without them that step is not checked."""
    cut = json.loads(kept.whole.read_text(encoding="utf-8"))
    cut["events"].pop()
    file = tmp_path / "cut.json"
    file.write_text(json.dumps(cut, ensure_ascii=False), encoding="utf-8")
    done = kept.check(file)
    assert (done.status, done.json()["steps"][-1]["result"]) == (0, "not_checked")
    done = kept.check(file, "--log", kept.log)
    assert (done.status, done.json()["verdict"]) == (6, "intact")
    assert done.json()["completeness"]["result"] == "contradicted"
    assert [step["name"] for step in done.json()["steps"] if step["result"] == "failed"] == ["end"]
