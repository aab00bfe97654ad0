"""Two agencies, their people and a running service: everything by the command line, as on one machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger.cli.errors import Exit
from ledger.core.encoding.instants import instant_text
from tests.testkit.builders import POLICE, PROCURATORATE, founder
from tests.testkit.machine import free_port
from tests.testkit.service import RunningService
from tests.testkit.tally import Done

UNTIL = "2099-01-01"
AGENCIES = (POLICE, PROCURATORATE)
PEOPLE = {  # profile: agency, officer, role
    "police": ("police-east", "p-0417", "clerk"),
    "chief": ("police-east", "p-0400", "supervisor"),
    "prosecutor": ("procuratorate-east", "j-0021", "clerk"),
    "auditor": ("procuratorate-east", "j-0090", "auditor"),
}

ANALYST = ("procuratorate-east", "j-0095", "analyst")


class World(RunningService):
    """A ledger whose people act by the command line: each of ``PEOPLE`` has a profile, and so has each admin."""

    def ok(self, *words: str | Path, profile: str = "police") -> Any:
        """Give the JSON of a command of somebody that must succeed."""
        return self.tally.ok(*words, profile=profile)

    def run(self, *words: str | Path, profile: str = "police") -> Done:
        """Give how a command of somebody ends."""
        return self.tally(*words, profile=profile)

    def refuses(self, status: Exit, words: str, *arguments: str | Path, profile: str = "police") -> Done:
        """Check how a command of somebody ends, and what it says."""
        return self.tally.refuses(status, words, *arguments, profile=profile)

    def found(self) -> None:
        """Mint the ledger, with an admin for each agency."""
        agencies = [
            founder(agency, admin=self.tally.new_key(f"admin-{agency}"), name={"en": agency, "zh": f"{agency}机关"})
            for agency in AGENCIES
        ]
        self.tally.found(self.data, agencies=agencies)

    def add_people(self) -> None:
        """Grant everybody a key on the chain, and wait until the log has it."""
        for agency in AGENCIES:
            self.tally.add_profile(f"admin-{agency}", self.url, agency, "admin", f"admin-{agency}")
        for profile, (agency, officer, role) in PEOPLE.items():
            self.grant(profile, agency, officer, role)
        for agency in AGENCIES:
            own = sum(member == agency for member, _, _ in PEOPLE.values())
            path = f"/api/v1/agencies/{agency}/keys"
            self.wait(path, lambda answer, own=own: len(answer["keys"]) == own)

    def grant(self, profile: str, agency: str, officer: str, role: str) -> str:
        """Make a key and a profile for somebody, granted by the agency's admin; return the key id."""
        key_id = self.tally.new_key(profile)
        self.tally.add_profile(profile, self.url, agency, officer, profile)
        terms = ("--officer", officer, "--role", role, "--until", UNTIL)
        self.tally.ok("key", "grant", key_id, *terms, profile=f"admin-{agency}")
        return key_id

    def with_analyst(self) -> World:
        """Add an analyst of the procuratorate, unless there is one; return once the log has the key."""
        if not (self.tally.config / "profiles" / "analyst" / "profile.json").exists():
            key_id = self.grant("analyst", *ANALYST)
            path = "/api/v1/agencies/procuratorate-east/keys"
            self.wait(path, lambda answer: key_id in [key["key_id"] for key in answer["keys"]])
        return self

    def wait(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """Return the service's answer once it holds."""

        def answers() -> list[Any]:
            self.require_process()
            try:
                response = self.http.get(path)
            except httpx.TransportError:
                return []
            return [response.json()] if response.is_success and holds(response.json()) else []

        return self.until(path, answers)[0]


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Yield a world whose service runs until the block is left."""
    world = World(folder, embedded_chain_port=free_port())
    world.found()
    with service_of(world):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        yield world


@contextmanager
def service_of(world: World, *command: str) -> Iterator[None]:
    """Run `tally serve`, or another ``command`` of that kind, and end it as an operator ends it."""
    world.spawn(*command)
    try:
        yield
    finally:
        world.stop()


THEN = "2026-03-01T08:30:00Z"


def open_case(world: World, *more: str, items: int = 0) -> str:
    """Return a new case of the police with some bicycles, ``<case>-i1`` and so on."""
    case_id: str = world.ok("case", "open", "--number", "A-1", "--type", "theft", *more)["case_id"]
    for number in range(1, items + 1):
        register(world, case_id, "a bicycle", "--item-id", f"{case_id}-i{number}")
    return case_id


def register(world: World, case_id: str, *words: str | Path, profile: str = "police") -> Any:
    """Register an item; return the receipt."""
    return world.ok("item", "register", case_id, *words, profile=profile)


def offer(world: World, case_id: str, *words: str, to: str = "procuratorate-east", profile: str = "police") -> str:
    """Offer for review; return the handover's id."""
    options = ("--purpose", "prosecution_review", *words)
    handover_id: str = world.ok("handover", "offer", case_id, to, *options, profile=profile)["handover_id"]
    return handover_id


def accept(world: World, case_id: str, handover_id: str, *words: str, profile: str = "prosecutor") -> Any:
    """Accept an offer, as its receiver."""
    options = ("--received-at", instant_text(int(time.time())), *words)
    return world.ok("handover", "accept", case_id, handover_id, *options, profile=profile)


def holder(world: World, item_id: str, profile: str = "police") -> str:
    """Return the agency that has custody of the item."""
    agency: str = world.ok("item", "show", item_id, profile=profile)["holder"]
    return agency
