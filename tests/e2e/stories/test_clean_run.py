"""Story 1, the clean run: police, procuratorate, court, prison; then the service is off, and the proofs stand alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.core.events import case as acts
from ledger.core.events import case as custody_change
from ledger.core.events import item
from tests.e2e.stories.town import AUDITOR, Town, TownCase
from tests.testkit.builders import COURT, DETENTION, POLICE, PRISON, PROCURATORATE, clerk, instant, supervisor
from tests.testkit.casework import person_id
from tests.unit.cli.tally import Done

CASE = "clean-run"
DEFENDANTS = ("the first", "the second")
EXHIBITS = tuple(f"{CASE}-exhibit-{number}" for number in range(1, 21))
DOSSIER = f"{CASE}-dossier"


def investigate(town: Town) -> TownCase:
    """The police open the case, detain two persons and seize twenty things."""
    case = town.case(CASE).open().name(*DEFENDANTS)
    for name in DEFENDANTS:
        detained = {"measure": "detention", "started_at": instant(case.now), "ground": "caught at the place"}
        case.say(acts.MeasureImposed, measure_id=name.replace(" ", "-"), person_id=person_id(name), **detained)
    case.register(DOSSIER, kind="dossier")
    return case.register(*EXHIBITS, seal_number="S-118")


def decide(case: TownCase, kind: str, decision_id: str) -> None:
    """A decision of the responsible agency on both persons."""
    concerned = tuple(person_id(name) for name in DEFENDANTS)
    paper = {"number": f"2026-{decision_id}", "decided_at": instant(case.now), "person_ids": concerned}
    case.say(acts.DecisionRecorded, kind=kind, decision_id=decision_id, **paper)


def pass_on(case: TownCase, *items: str, to: str, purpose: str) -> None:
    """Case, things and persons go to the next agency, which takes them all as listed."""
    case.offer(*items, to=to, purpose=purpose, persons=DEFENDANTS).accept()
    if purpose != "execution":
        change_custody(case, to)


def change_custody(case: TownCase, to: str) -> None:
    """The detention house keeps both for the agency that has the case now: asked for and served."""
    handover_id = f"handover-{len(case.state.handovers)}"
    for name in DEFENDANTS:
        change = {"custody_change_id": f"{name.replace(' ', '-')}-{handover_id}"}
        asked = {"handover_id": handover_id, "person_id": person_id(name), "detention_house": DETENTION}
        case.say(custody_change.CustodyChangeRequested, clerk(to), **change, **asked, number="2026-31")
        case.say(custody_change.CustodyChangeServed, clerk(DETENTION), **change, served_at=instant(case.now))


def dispose(case: TownCase) -> None:
    """The court has the exhibits destroyed as it has judged: a clerk proposes, a supervisor signs second."""
    order = {"item_ids": EXHIBITS, "disposal": "destroyed", "ground": "tools of the crime", "decision_id": "judgment"}
    case.say(item.ItemDisposalProposed, **order)
    case.say(item.ItemDisposed, supervisor(COURT), cites=case.last.ref, disposed_at=instant(case.now))


def run(town: Town) -> TownCase:
    """From the opening to the closing, with nothing out of order."""
    case = investigate(town)
    pass_on(case, DOSSIER, *EXHIBITS, to=PROCURATORATE, purpose="prosecution_review")
    decide(case, "prosecuted", "indictment")
    pass_on(case, DOSSIER, *EXHIBITS, to=COURT, purpose="public_prosecution")
    decide(case, "judgment", "judgment")
    decide(case, "judgment_effective", "effective")
    dispose(case)
    pass_on(case, DOSSIER, to=PRISON, purpose="execution")
    return case.close(decision_id="judgment")


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
            self._take("proof", "get", event.envelope.event_id, "--output", file)
        self._take("proof", "get", "--case", CASE, "--output", self.whole)
        self._take("log", "save", self.log)
        ends = [option for bundle in (*self.bundles, self.whole) for option in ("--block-of", bundle)]
        self._take("log", "trust", *ends, "--output", self.trust)

    def _take(self, *words: str | Path) -> None:
        done = self.town.at_the_terminal(AUDITOR, *words)
        assert done.status == 0, done.err

    def check(self, bundle: Path, *options: str | Path) -> Done:
        """``tally proof check`` by somebody who has these files and no profile."""
        return self.town.tally("--json", "proof", "check", bundle, "--trust", self.trust, *options)

    def entries(self) -> list[dict[str, Any]]:
        """The public entries of the copy, read as the bytes they are: each after its length in two bytes."""
        found = []
        for bundle in sorted(self.log.glob("tile/entries/**/*")):
            data = bundle.read_bytes() if bundle.is_file() else b""
            while data:
                end = 2 + int.from_bytes(data[:2], "big")
                found.append(json.loads(data[2:end]))
                data = data[end:]
        return found


@pytest.fixture(scope="module")
def kept(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The clean run, anchored and taken home."""
    case = run(town)
    town.anchored()
    return Kept(town, case, tmp_path_factory.mktemp("kept"))


def test_every_step_is_taken_without_a_flag_and_everybody_sees_where_the_case_is(kept: Kept) -> None:
    """Two defendants and twenty exhibits go all the way; nothing was unlawful, so nothing is flagged."""
    assert [receipt["flags"] for receipt in kept.case.receipts] == [[] for _ in kept.case.events]
    shown = kept.case.seen_by(clerk(POLICE))
    assert (shown["responsible"], shown["stage"], shown["closed"]) == (PRISON, "closed", True)
    assert {person["responsible"] for person in shown["persons"]} == {PRISON}
    assert [handover["status"] for handover in shown["handovers"]] == ["accepted", "accepted", "accepted"]
    states = {line["item_id"]: (line["holder"], line["status"]) for line in shown["items"]}
    assert states == {DOSSIER: (PRISON, "held")} | dict.fromkeys(EXHIBITS, (COURT, "disposed"))


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
    assert report["state"]["head"] == kept.case.last.digest
    assert report["flags"] == []


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
