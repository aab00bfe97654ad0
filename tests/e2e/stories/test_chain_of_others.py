"""A guarded ledger on somebody else's chain: blocks that are taken back, and two services that share it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stories.guarded import GuardedTown
from tests.e2e.stories.town import Town, on_chain_of_others
from tests.unit.chain.external import running_anvil

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # six processes are started, and wait for one another


DEEPEST = 64  # blocks that a reorganisation takes


def every_witness(town: GuardedTown, condition: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the condition holds of each witness's status."""
    for agency, witness in town.witnesses.items():
        town.until(f"{condition}: {agency}", lambda witness=witness: holds(witness.status()))


def kinds(status: dict[str, Any]) -> list[str]:
    """Return the kinds of the alarms that stand."""
    return [alarm["kind"] for alarm in status["alarms"]]


def test_an_anchor_that_a_reorganisation_took_is_missed_and_anchored_again(tmp_path: Path) -> None:
    """Until its transaction is in a block again every witness says that it is missing, and the service calls nothing
    confirmed that is not; receipts are given as ever. Then the alarms pass by themselves."""
    with running_anvil() as anvil, GuardedTown.founded(tmp_path / "town", **on_chain_of_others(anvil)) as town:
        town.anchored()
        for depth in (1, DEEPEST):
            anvil.mine(DEEPEST)
            town.case(f"before-{depth}").open()
            town.anchored()
            size = town.confirmed()  # with the entry that commits to the head map
            every_witness(town, "the anchor was seen", lambda status, size=size: status["anchored_size"] == size)
            anvil.automine(on=False)
            anvil.reorganise(depth)
            every_witness(town, "the anchor is missed", lambda status: kinds(status) == ["missing_anchor"])
            assert {witness.status()["health"] for witness in town.witnesses.values()} == {"lagging"}
            town.until("it is not called confirmed", lambda size=size: town.confirmed() < size)
            receipt = town.case(f"meanwhile-{depth}").open().receipt
            anvil.automine(on=True)
            anvil.mine()
            assert town.anchored() > receipt["index"]
            every_witness(town, "all is well", lambda status: status["health"] == "watching")
            every_witness(town, "it was seen", lambda status, size=size: status["anchored_size"] > size)
        assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"


def test_two_services_share_a_guarded_ledger(tmp_path: Path, postgres_url: str) -> None:
    """Both publish, ask the witnesses and anchor; one of them is started again and again. Nobody takes the other's
    checkpoints for a rollback, no witness is alarmed, everything is anchored."""
    with (
        running_anvil() as anvil,
        GuardedTown.founded(tmp_path / "town", **on_chain_of_others(anvil), database_url=postgres_url) as town,
        closing(Town(tmp_path / "other", **town.settings)) as second,
    ):
        town.anchored()
        second.data = town.data
        for number in range(4):
            second.start()
            for service in (town, second):
                service.case(f"case-{number}-of-{service.port}").open().register(f"item-{number}-{service.port}")
            assert second.anchored() <= town.anchored()
            for service in (town, second):
                assert service.readiness()["ready"]
                town.until("nothing is in the way", lambda service=service: service.readiness()["fault"] is None)
                town.until("no witness is at fault", lambda service=service: faults(service) == [None] * 3)
                assert "contradict each other" not in service.log()
            second.stop()
        every_witness(town, "no alarm stands", lambda status: kinds(status) == [])
        assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"


def faults(service: Town) -> list[str | None]:
    """Return what the service says against each witness."""
    return [witness["fault"] for witness in service.get("/api/v1/log")["witnesses"]]
