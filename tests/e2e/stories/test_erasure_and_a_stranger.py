"""Story 12, erasure and a stranger: a name is erased on authority; who has only the document still says intact."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ledger.samples.stories import ACQUITTED, ERASURE
from tests.e2e.stories.town import Town
from tests.testkit.machine import REPOSITORY

LABEL = "person:1"
STRANGER = REPOSITORY / "scripts" / "verify" / "check.js"


def checked(town: Town, bundle: Path, trust: Path) -> tuple[Any, Any]:
    """Return what our verifier and the stranger's report on a bundle, which is intact to both."""
    ours = town.tally("--json", "proof", "check", bundle, "--trust", trust)
    done = subprocess.run(["node", STRANGER, bundle, "--trust", trust, "--json"], capture_output=True, text=True)
    report, of_stranger = ours.json(), json.loads(done.stdout)
    assert (ours.status, report["verdict"], done.returncode, of_stranger["verdict"]) == (0, "intact", 0, "intact")
    return report, of_stranger


def statuses(report: Any, of_stranger: Any) -> tuple[list[str], list[str]]:
    return [step["result"] for step in report["steps"]], [step["status"] for step in of_stranger["steps"]]


def test_the_name_is_gone_and_both_verifiers_say_intact_and_erased(town: Town, tmp_path: Path) -> None:
    """The new bundle has the digest and not the name; step 9 says erased, of whichever verifier. The case bundle holds
    without the name, and who kept the old bundle can still prove it: others' copies are not the ledger's to erase."""
    points = town.story(ERASURE, "2025-03-03")
    _, case = next(points)
    event_id = case.events[1].envelope.event_id
    before, after, whole = (tmp_path / f"{name}.json" for name in ("before", "after", "case"))
    town.anchored()
    town.ok("court", "proof", "get", event_id, "--output", before)
    next(points)
    town.anchored()
    town.ok("court", "proof", "get", event_id, "--output", after)
    town.ok("court", "proof", "get", "--case", ERASURE.case_id, "--output", whole)
    trust = town.trusting(before, after, whole)
    assert ACQUITTED not in str(town.read(f"/api/v1/events/{event_id}", "court"))
    assert [ACQUITTED in file.read_text(encoding="utf-8") for file in (before, after, whole)] == [True, False, False]

    checked(town, before, trust)
    report, of_stranger = checked(town, after, trust)
    assert report["steps"][8]["detail"].startswith(f"{LABEL} erased by entry ")
    assert of_stranger["steps"][8]["detail"] == f"{LABEL} erased"
    ours, theirs = statuses(report, of_stranger)
    assert (ours[8], ours) == ("not_checked", theirs)
    report, of_stranger = checked(town, whole, trust)
    for event, others in zip(report["events"], of_stranger["events"], strict=True):
        ours, theirs = statuses(event, others)
        assert ours == theirs
