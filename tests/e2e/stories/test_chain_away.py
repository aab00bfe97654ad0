"""Story 10 beside somebody else's chain: it goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.stories.town import SmallTown, Town, on_chain_of_others
from tests.unit.chain.external import running_anvil
from tests.unit.chain.faulty import FaultyNode, faulty_node, lost_request


class Abroad(NamedTuple):
    """A town whose chain is somebody else's, and the node in between."""

    town: Town
    node: FaultyNode


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abroad]:
    """Found a town on an Anvil of somebody else's; its blocks are final at once."""
    folder = tmp_path_factory.mktemp("abroad")
    with (
        running_anvil() as anvil,
        faulty_node(anvil.url) as node,
        SmallTown.founded(folder, **on_chain_of_others(anvil, node.url)) as town,
    ):
        yield Abroad(town, node)


def test_submissions_go_on_while_the_chain_is_away_and_are_anchored_when_it_is_back(abroad: Abroad) -> None:
    """Receipts are given as ever; how far the chain lags is shown, and what is wrong; then it catches up by itself."""
    town, node = abroad
    before = town.anchored()
    node.faults["*"] = lost_request  # tests/unit/chain/test_rpc.py has what else a node may do
    try:
        town.until("the fault is shown", lambda: town.readiness()["chain"] == "faulty")
        case = town.case("away").open().register("thing")
        assert case.receipt["index"] == town.size() - 1
        readiness = town.readiness()
        assert (readiness["ready"], readiness["sequencer"], readiness["chain"]) == (True, "ok", "faulty")
        assert town.confirmed() == before < town.size()
    finally:
        node.faults.clear()
    assert town.anchored() > case.receipt["index"]
    assert town.readiness()["chain"] == "connected"


@pytest.mark.extended
def test_an_audit_without_the_chain_says_what_is_missing(abroad: Abroad) -> None:
    """On the operator's machine with the service off: while nobody answers, nothing is said to be intact."""
    town, node = abroad
    town.anchored()
    with town.switched_off():
        chain_settings = f"TALLYSTICK_CHAIN={node.url}\nTALLYSTICK_FINALITY=0\n"
        (town.data / "settings.env").write_text(chain_settings, encoding="utf-8")
        audit = ("audit", "--data-dir", town.data)
        node.faults["*"] = lost_request
        try:
            done = town.at_the_terminal("auditor", *audit)
            assert (done.status, done.json()["verdict"], done.json()["findings"]) == (3, "unverifiable", []), done.out
            chain = {step["name"]: step for step in done.json()["steps"]}["chain"]
            assert chain["result"] == "not_checked"
            assert "cannot be reached" in chain["detail"]
            assert "Check that the node runs" in chain["detail"]
        finally:
            node.faults.clear()
        done = town.at_the_terminal("auditor", *audit)
        assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
