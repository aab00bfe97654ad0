"""Act three: a prosecutors' model runs by itself, and what it finds is worked until something comes of it."""

from __future__ import annotations

import time
from typing import Any

from scripts.demonstration.stage import ANCHORED_WITHIN, ROOT, Stage, StepFailed
from scripts.demonstration.story import CASE, FOLDER

MODEL = "detention-extended-late"
FILE = ROOT / "ledger" / "supervision" / "models" / "shipped" / "01-detention-extended-late.yaml"
MATERIAL = FOLDER / "dossier" / "01-decision-to-file-the-case.txt"
REFUSED = 1  # exit code


def publish(stage: Stage) -> None:
    """The analyst tries a model on its examples and publishes it; nobody will run it by hand."""
    stage.act("Prosecutors publish a model")
    tried = stage.tally("model", "test", str(FILE), profile="analyst")
    stage.tally("model", "publish", str(FILE), profile="analyst")
    stage.held("a model is published: detention extended after it had expired", f"{len(tried)} examples hold")


def work(stage: Stage) -> None:
    """The lead is there: nobody asked for it. It goes to who must answer, is confirmed by material, and is closed."""
    stage.act("The ledger looks by itself")
    lead = raised(stage)
    lead_id = lead["lead_id"]
    stage.held("the service raised a lead, with no command given", lead["says"]["en"])
    stage.held("nobody but the prosecutors sees it yet", f"{leads_of(stage, 'police')} leads in the list of the police")
    stage.tally("lead", "assign", lead_id, "j-0021", profile="prosecutor-chief")
    answer = ("--answer", "the form came back from the chief's desk a day late", "--material", str(MATERIAL))
    stage.tally("lead", "answer", lead_id, *answer, profile="police")
    found = ("--finding", "the form was signed when the detention had expired")
    stage.tally("lead", "confirm", lead_id, *found, profile="prosecutor", expect=REFUSED)
    stage.held("assigned, answered; confirming it without material is refused: data is no evidence")
    stage.tally("lead", "confirm", lead_id, *found, "--material", str(MATERIAL), profile="prosecutor")
    notice = ("--outcome", "rectification_notice", "--document", "东检纠〔2026〕3号", "--summary", "notice was given")
    stage.tally("lead", "close", lead_id, *notice, profile="prosecutor")
    stage.held("confirmed by what was looked at, closed with a rectification notice", lead_id)


def verify(stage: Stage) -> None:
    """The auditor finds the lead again in the events that it cites."""
    stage.tally("log", "trust", "--pin", profile="auditor")
    lead_id, deadline = raised(stage)["lead_id"], time.monotonic() + ANCHORED_WITHIN
    while (report := stage.tally("lead", "verify", lead_id, profile="auditor", expect=None))["verdict"] != "intact":
        if time.monotonic() > deadline:  # witnesses vouch for the block of an anchor some moments after it
            raise StepFailed(f"the lead should be found again, not {report['verdict']}: {report}")
        time.sleep(1)
    stage.held("the lead is found again from the events that it cites, by the model that it names", "intact")


def raised(stage: Stage) -> dict[str, Any]:
    """The lead of the case. Raises StepFailed where the service does not raise it in time."""
    deadline = time.monotonic() + ANCHORED_WITHIN
    while True:
        found: list[dict[str, Any]] = stage.tally("lead", "list", "--case", CASE, "--model", MODEL, profile="auditor")
        if found:
            return found[0]
        if time.monotonic() > deadline:
            raise StepFailed(f"the service raised no lead of {MODEL} within {ANCHORED_WITHIN} s")
        time.sleep(1)


def leads_of(stage: Stage, profile: str) -> int:
    """How many leads somebody sees."""
    return len(stage.tally("lead", "list", profile=profile))
