"""Story 12, erasure and a stranger: a name is erased on authority; who has only the document still says intact."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.samples.stories import ACQUITTED, ERASURE
from tests.e2e.stories.town import Town
from tests.testkit.machine import REPOSITORY

LABEL = "person:1"
STRANGER = REPOSITORY / "scripts" / "verify" / "check.js"


@dataclass(frozen=True)
class Taken:
    """What was taken home: a bundle from before the erasure, one from after it, the case's, and the trust file."""

    before: Path
    after: Path
    whole: Path
    trust: Path


@pytest.fixture(scope="module")
def taken(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """Play the story, and take proofs home before and after the erasure."""
    folder = tmp_path_factory.mktemp("taken")
    points = town.story(ERASURE, "2025-03-03")
    _, case = next(points)
    event_id = case.events[1].envelope.event_id
    town.anchored()
    before = fetched(town, folder / "before.json", event_id)
    next(points)
    town.anchored()
    after = fetched(town, folder / "after.json", event_id)
    whole = fetched(town, folder / "case.json", "--case", ERASURE.case_id)
    bundles = Taken(before, after, whole, town.trusting(before, after, whole))
    assert ACQUITTED not in str(town.read(f"/api/v1/events/{event_id}", "court"))
    return bundles


def fetched(town: Town, file: Path, *words: str) -> Path:
    town.ok("court", "proof", "get", *words, "--output", file)
    return file


def ours(town: Town, bundle: Path, trust: Path) -> tuple[int, Any]:
    done = town.tally("--json", "proof", "check", bundle, "--trust", trust)
    return done.status, done.json()


def strangers(bundle: Path, trust: Path) -> tuple[int, Any]:
    done = subprocess.run(["node", STRANGER, bundle, "--trust", trust, "--json"], capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


def test_the_name_is_gone_and_both_verifiers_say_intact_and_erased(town: Town, taken: Taken) -> None:
    """The bundle has the digest and not the name; step 8 says erased, of whichever verifier, and no step fails."""
    assert ACQUITTED in taken.before.read_text(encoding="utf-8")
    assert ACQUITTED not in taken.after.read_text(encoding="utf-8")
    code, ours_report = ours(town, taken.after, taken.trust)
    other_code, other = strangers(taken.after, taken.trust)
    assert (code, ours_report["verdict"], other_code, other["verdict"]) == (0, "intact", 0, "intact")
    assert (ours_report["steps"][7]["result"], other["steps"][7]["status"]) == ("not_checked", "not_checked")
    assert ours_report["steps"][7]["detail"].startswith(f"{LABEL} erased by entry ")
    assert other["steps"][7]["detail"] == f"{LABEL} erased"
    assert [step["result"] for step in ours_report["steps"]] == [step["status"] for step in other["steps"]]


def test_the_whole_case_is_intact_to_both(town: Town, taken: Taken) -> None:
    """The case bundle holds without the name: of each event the two say the same, step by step."""
    code, ours_report = ours(town, taken.whole, taken.trust)
    other_code, other = strangers(taken.whole, taken.trust)
    assert (code, ours_report["verdict"], other_code, other["verdict"]) == (0, "intact", 0, "intact")
    assert [[step["result"] for step in event["steps"]] for event in ours_report["events"]] == [
        [step["status"] for step in event["steps"]] for event in other["events"]
    ]


def test_who_kept_the_name_can_still_prove_it(town: Town, taken: Taken) -> None:
    """What was handed out before keeps its proof: erasing takes the name from the ledger, not from others."""
    assert ours(town, taken.before, taken.trust)[1]["verdict"] == "intact"
    assert strangers(taken.before, taken.trust)[1]["verdict"] == "intact"


def test_another_name_does_not_pass_for_the_erased_one(town: Town, taken: Taken, tmp_path: Path) -> None:
    """Somebody who fills the gap with a name of his own is found out by both, by step 8."""
    bundle = json.loads(taken.after.read_bytes())
    bundle["sections"] = {LABEL: {"fields": {"full_name": "somebody else"}, "salt": "00" * 16}}
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(bundle), encoding="utf-8")
    code, ours_report = ours(town, forged, taken.trust)
    other_code, other = strangers(forged, taken.trust)
    assert (code, other_code) == (1, 1)
    assert [step["name"] for step in ours_report["steps"] if step["result"] == "failed"] == ["sections"]
    assert [step["name"] for step in other["steps"] if step["status"] == "failed"] == ["sections"]
