"""A guarded ledger on somebody else's chain, which two services share."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.stories.guarded import GuardedTown
from tests.e2e.stories.town import Town, on_chain_of_others
from tests.unit.chain.external import running_anvil

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # six processes are started, and wait for one another


def test_two_services_share_a_guarded_ledger(tmp_path: Path, postgres_url: str) -> None:
    """Both publish, ask the witnesses and anchor; one of them is started again and again. Nobody takes the other's
    checkpoints for a rollback, no witness is alarmed, everything is anchored."""
    with (
        running_anvil() as anvil,
        GuardedTown.founded(tmp_path / "town", **on_chain_of_others(anvil), database_url=postgres_url) as town,
        closing(Town(tmp_path / "other", **town.settings)) as other,
    ):
        town.anchored()
        other.data = town.data
        for number in range(4):
            other.start()
            for service in (town, other):
                service.case(f"case-{number}-of-{service.port}").open().register(f"item-{number}-{service.port}")
            assert other.anchored() <= town.anchored()
            for service in (town, other):
                assert service.readiness()["ready"]
                town.until("nothing is in the way", lambda service=service: service.readiness()["fault"] is None)
                town.until("no witness is at fault", lambda service=service: faults(service) == [None] * 3)
                assert "contradict each other" not in service.log()
            other.stop()
        for witness in town.witnesses.values():
            town.until("no alarm stands", lambda witness=witness: witness.status()["alarms"] == [])
        assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"


def faults(service: Town) -> list[str | None]:
    """Return what the service says against each witness."""
    return [witness["fault"] for witness in service.get("/api/v1/log")["witnesses"]]
