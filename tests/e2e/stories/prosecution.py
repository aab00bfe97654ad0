"""The prosecution's part of a story: a model is published, and the lead that the service raises is worked on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ledger.cli.errors import Exit
from ledger.supervision.models.model_file import shipped_model
from tests.e2e.stories.town import Town
from tests.testkit.builders import PROCURATORATE, Officer, analyst, clerk, supervisor


def publish(town: Town, *model_ids: str) -> None:
    """The analyst publishes shipped models from their files, those that nobody has published yet."""
    known = {model["model_id"] for model in at_terminal(town, analyst(PROCURATORATE), "model", "list")}
    for model_id in sorted({*model_ids} - known):
        file = town.folder / f"{model_id}.yaml"
        file.write_text(shipped_model(model_id), encoding="utf-8")
        at_terminal(town, analyst(PROCURATORATE), "model", "publish", file)


def at_terminal(town: Town, officer: Officer, *words: str | Path) -> Any:
    """What ``tally --json`` answers the officer, who must not be refused."""
    done = town.at_the_terminal(officer, *words)
    assert done.status == Exit.OK, done.err
    return json.loads(done.out)


class WorkedLead:
    """A lead that the service has raised by itself, and those who work on it, at their terminals."""

    def __init__(self, town: Town, model_id: str, *, having: str = PROCURATORATE, **key: str):
        self.town = town
        self.having = having
        self._model = model_id
        self._key = key
        self.material = town.folder / f"material-{model_id}.txt"
        self.material.write_text("what was looked at", encoding="utf-8")
        self.lead_id: str = town.until(f"the service raises a lead of {model_id}", self._raised)["lead_id"]

    def _raised(self) -> dict[str, Any] | None:
        found = self.listed(supervisor(self.having))
        return next((lead for lead in found if lead["raised"]["key"] == self._key), None)

    def listed(self, officer: Officer) -> list[dict[str, Any]]:
        """The leads of the model as the officer sees them, each in full."""
        lines = self.town.read("/api/v1/leads", officer, model=self._model)["leads"]
        return [self.town.read(f"/api/v1/leads/{line['lead_id']}", officer) for line in lines]

    @property
    def shown(self) -> dict[str, Any]:
        """The lead as the procuratorate that has it sees it."""
        seen: dict[str, Any] = at_terminal(self.town, supervisor(self.having), "lead", "show", self.lead_id)
        return seen

    def sees(self, officer: Officer) -> bool:
        """Whether the lead is in the officer's list."""
        return self.lead_id in {lead["lead_id"] for lead in at_terminal(self.town, officer, "lead", "list")}

    def assign(self) -> None:
        """To a clerk, by the supervisor; before it the agency that must answer knows nothing of the lead."""
        answering = clerk(self.shown["raised"]["supervised"])
        assert not self.sees(answering)
        words = ("lead", "assign", self.lead_id, clerk(self.having).officer_id)
        at_terminal(self.town, supervisor(self.having), *words)
        assert self.sees(answering)

    def answer(self, by: str, words: str) -> None:
        """The supervised agency's clerk answers, and nobody else could."""
        told = ("lead", "answer", self.lead_id, "--answer", words, "--material", self.material)
        at_terminal(self.town, clerk(by), *told)

    def confirm(self, finding: str) -> None:
        """Refused without anything that was looked at, taken with it."""
        words = ("lead", "confirm", self.lead_id, "--finding", finding)
        refused = self.town.at_the_terminal(clerk(self.having), *words)
        told = json.loads(refused.err)["error"]
        assert (refused.status, told["code"]) == (Exit.REFUSED, "material_missing")
        at_terminal(self.town, clerk(self.having), *words, "--material", self.material)
        assert len(self.shown["confirmed"]["digests"]) > 0

    def close(self, outcome: str, summary: str, *more: str) -> None:
        """With what came of it."""
        words = ("lead", "close", self.lead_id, "--outcome", outcome, "--summary", summary)
        at_terminal(self.town, clerk(self.having), *words, *more)

    def steps(self) -> list[str]:
        """The types of its events, in their order."""
        return [event["event_type"] for event in self.shown["events"]]
