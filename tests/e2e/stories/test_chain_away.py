"""Story 10 beside somebody else's chain, which goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.stories.town import SmallTown, on_chain_of_others
from tests.unit.chain.external import running_anvil
from tests.unit.chain.faulty import faulty_node, lost_request


@pytest.mark.extended
def test_an_audit_without_the_chain_says_what_is_missing(tmp_path: Path) -> None:
    """On the operator's machine with the service off: while nobody answers, nothing is said to be intact."""
    with (
        running_anvil() as anvil,
        faulty_node(anvil.url) as node,
        SmallTown.founded(tmp_path / "abroad", **on_chain_of_others(anvil, node.url)) as town,
    ):
        town.anchored()
        town.stop()
        chain_settings = f"TALLYSTICK_CHAIN={node.url}\nTALLYSTICK_FINALITY=0\n"
        (town.data / "settings.env").write_text(chain_settings, encoding="utf-8")
        node.faults["*"] = lost_request
        done = town.at_the_terminal("auditor", "audit", "--data-dir", town.data)
        assert (done.status, done.json()["verdict"], done.json()["findings"]) == (3, "unverifiable", []), done.out
        chain = {step["name"]: step for step in done.json()["steps"]}["chain"]
        assert chain["result"] == "not_checked"
        assert "cannot be reached" in chain["detail"]
        assert "Check that the node runs" in chain["detail"]
        node.faults.clear()
        done = town.at_the_terminal("auditor", "audit", "--data-dir", town.data)
        assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
