"""A ledger whose contracts an earlier release deployed: what holds up its anchors is said wherever one looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ledger.cli.errors import Exit
from tests.unit.cli.world import World, service_of

pytestmark = pytest.mark.extended
OLDER = (sys.executable, "-m", "tests.unit.cli.older_release")
FAULT = "contracts of another version: LogAnchor at 0x"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Founded and anchored by the older release, then served by this one."""
    world = World(tmp_path_factory.mktemp("upgraded"))
    world.found()
    with service_of(world, *OLDER):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        world.anchored()
    with service_of(world):
        world.wait("/readyz", lambda readiness: readiness["chain"] == "faulty")
        yield world


def test_the_service_says_so(upgraded: World) -> None:
    """It is ready, for submissions go on; beside that stand the fault and what mends it."""
    readiness = upgraded.wait("/readyz", bool)
    assert readiness["ready"] is True
    assert readiness["fault"].startswith(FAULT)
    assert "successor contract" in readiness["hint"]
    chain = upgraded.wait("/api/v1/log", bool)["chain"]
    assert (chain["state"], chain["fault"], chain["hint"]) == ("faulty", readiness["fault"], readiness["hint"])


def test_the_command_line_says_so(upgraded: World) -> None:
    """``anchor status`` shows it, ``doctor`` finds it wrong, each with what mends it."""
    status = upgraded.run("anchor", "status")
    assert (status.status, FAULT in status.out, "successor contract" in status.out) == (Exit.OK, True, True)
    done = upgraded.run("--json", "doctor", "--data-dir", upgraded.data)
    wrong = [finding for finding in done.json() if finding["result"] == "failed"]
    assert (done.status, wrong[-1]["check"]) == (Exit.REFUSED, "anchoring")
    assert FAULT in wrong[-1]["detail"]
    assert "successor contract" in wrong[-1]["mend"]


def test_all_but_anchors_goes_on(upgraded: World) -> None:
    """A key that is granted now comes into the log and signs; nothing of that is anchored."""
    before = upgraded.wait("/api/v1/log", bool)
    upgraded.grant("newcomer", "police-east", "p-0999", "clerk")
    upgraded.wait("/api/v1/log", lambda log: log["size"] > before["size"])
    given = ("--number", "2026-1", "--type", "theft", "--line", "criminal", "--stage", "investigation")
    upgraded.ok("case", "open", *given, profile="newcomer")
    after = upgraded.wait("/api/v1/log", bool)
    assert after["size"] > before["size"] + 1
    assert after["anchored"] == before["anchored"]
