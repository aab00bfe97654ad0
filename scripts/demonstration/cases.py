"""Acts two and three: a theft case goes from the police to corrections, and a model looks at it by itself."""

from __future__ import annotations

import secrets
import time
from typing import Any

import msgspec

from ledger.client.sample_ledger import ServiceLedger
from ledger.config.installation import Installation
from ledger.config.keys import KeyDirectory
from ledger.samples import load
from ledger.samples.player import Player, SampleCase
from ledger.samples.theft_case import CASE, DOSSIERS, PRY_BARS, theft_case
from ledger.samples.town import TownKeys
from scripts.demonstration.stage import ROOT, Stage, StepFailed, wait_for

FOLDER = ROOT / "examples" / "theft-case"
MODEL = "detention-extended-late"
MATERIAL = FOLDER / "dossier" / "01-decision-to-file-the-case.txt"
REFUSED = 1  # exit code
ACTS = {  # what a heading is shown before
    "opened": "The police open a case",
    "refused": "Police to procuratorate",
    "returned": "Back for supplementary investigation, and again",
    "judged": "Procuratorate to court to corrections",
}
HELD = {
    "opened": ("case opened, two persons named in confidential sections, both detained, one of them too long", CASE),
    "registered": ("items registered from real files", "3 papers, 4 seized things, 3 photographs"),
    "refused": ("refused: binding_defective, remedy rebind; the police still hold everything", ""),
    "accepted in part": ("accepted in part: custody of five moved, the pry bars stay with the police", ""),
    "resolved": ("discrepancy resolved by both signatures, the pry bars follow", ""),
    "returned": ("returned to the police for supplementary investigation (art. 175), due in 30 days", ""),
    "supplemented": ("supplemented and accepted again: the procuratorate is responsible", ""),
    "judged": ("indicted, tried, judged", "the court holds six items"),
    "executed": ("execution papers accepted: corrections is responsible", ""),
}
# Who holds what at a point, by the item.
HOLDERS = {
    "refused": {DOSSIERS[0]: "psb-east", PRY_BARS: "psb-east"},
    "accepted in part": {DOSSIERS[0]: "procuratorate-east", PRY_BARS: "psb-east"},
    "resolved": {PRY_BARS: "procuratorate-east"},
    "returned": {DOSSIERS[0]: "psb-east"},
    "supplemented": {DOSSIERS[0]: "procuratorate-east"},
    "judged": {DOSSIERS[0]: "court-east", PRY_BARS: "court-east"},
}


def play_theft(stage: Stage) -> None:
    """Play the case, each act signed by its officer; after each step its outcome is read by the command line."""
    points = theft_case(FOLDER).points(_player(stage))
    for next_point, (step, detail) in HELD.items():
        if title := ACTS.get(next_point):
            stage.act(title)
        point, case = next(points)
        if point != next_point:
            raise StepFailed(f"the story should come to {next_point!r}, not to {point!r}")
        _look(stage, point, case)
        stage.held(step, detail)


def _look(stage: Stage, point: str, case: SampleCase) -> None:
    """Raise StepFailed unless the service shows the case as the story has it."""
    responsible = case.state.responsible
    shown = stage.tally("case", "show", CASE, profile=case.clerk_of(responsible))
    expected = {"responsible": responsible, "stage": case.state.stage}
    if {name: shown[name] for name in expected} != expected:
        raise StepFailed(f"the case should be {expected}, not {shown}")
    holders = {item["item_id"]: item["holder"] for item in shown["items"]}
    for item_id, holder in HOLDERS.get(point, {}).items():
        if holders[item_id] != holder:
            raise StepFailed(f"{item_id} should be held by {holder}, not by {holders[item_id]}")


def _player(stage: Stage) -> Player:
    """Return who plays stories through the service, with the keys that the people have at their terminals."""
    identity = msgspec.json.decode((stage.data / "installation.json").read_bytes(), type=Installation)
    keys = TownKeys(KeyDirectory(stage.directory / "config" / "keys"), stage.passphrase_file)
    ledger = ServiceLedger(stage.url, identity.log_id_bytes, keys)
    return Player(ledger, keys, began_at=int(time.time()), secret=secrets.token_hex(16))


def play_twelve(stage: Stage) -> None:
    """Play the twelve stories, so that there is something to look at for everybody."""
    stage.act("The twelve stories")
    under_way: list[load.Progress] = []

    def show(progress: load.Progress) -> None:
        if under_way and (part := under_way[-1].part):
            stage.held(part.en, f"{progress.events - under_way[-1].events} events")
        under_way.append(progress)

    load.play(_player(stage), show)


# -- supervision -------------------------------------------------------------------------------------------------------


def publish_model(stage: Stage) -> None:
    """Try a model on its examples and publish it as the analyst; nobody will run it by hand."""
    stage.act("Prosecutors publish a model")
    tried = stage.tally("model", "test", MODEL, profile="analyst")
    stage.tally("model", "publish", MODEL, profile="analyst")
    stage.held("a model is published: detention extended after it had expired", f"{len(tried)} examples hold")


def work_lead(stage: Stage) -> None:
    """Work on the lead that nobody asked for: it goes to who must answer, is confirmed by material, and is closed."""
    stage.act("The ledger looks by itself")
    lead = raised_lead(stage)
    lead_id = lead["lead_id"]
    stage.held("the service raised a lead, with no command given", lead["says"]["en"])
    if stage.tally("lead", "list", profile="police"):
        raise StepFailed("the police should see no lead before it is assigned")
    stage.held("nobody but the prosecutors sees it yet", "0 leads in the list of the police")
    stage.tally("lead", "assign", lead_id, "j-0021", profile="prosecutor-chief")
    answer = ("--answer", "the form came back from the chief's desk a day late", "--material", str(MATERIAL))
    stage.tally("lead", "answer", lead_id, *answer, profile="police")
    finding = ("--finding", "the form was signed when the detention had expired")
    stage.tally("lead", "confirm", lead_id, *finding, profile="prosecutor", expect=REFUSED)
    stage.held("assigned, answered; confirming it without material is refused: data is no evidence")
    stage.tally("lead", "confirm", lead_id, *finding, "--material", str(MATERIAL), profile="prosecutor")
    paper = ("--document", "东检纠〔2026〕3号", "--dated", "2026-03-02", "--material", str(MATERIAL))
    notice = ("--outcome", "rectification_notice", *paper, "--summary", "notice was given")
    stage.tally("lead", "close", lead_id, *notice, profile="prosecutor")
    stage.held("confirmed by what was looked at, closed with a rectification notice", lead_id)


def raised_lead(stage: Stage) -> dict[str, Any]:
    """Return the lead of the case. Raises StepFailed where the service does not raise it in time."""

    def leads() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = stage.tally("lead", "list", "--case", CASE, "--model", MODEL, profile="auditor")
        return listed

    return wait_for(f"the service raises a lead of {MODEL}", leads, every=1)[0]
