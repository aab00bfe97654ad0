"""Proofs that end in the hash of a block: `tally proof check` with a trusted block, or with a node of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.cli.proofs import anchor_block
from ledger.core.encoding import canonical
from tests.testkit.machine import free_port
from tests.testkit.tally import Tally
from tests.unit.chain.external import running_anvil
from tests.unit.cli.world import World, open_case


@pytest.fixture(scope="module")
def node(world: World) -> str:
    """Return the URL of the chain's node, which here is that of the service."""
    return f"http://127.0.0.1:{world.settings['embedded_chain_port']}"


@pytest.fixture(scope="module")
def proof(world: World) -> Path:
    """Get the bundle of a case whose every event is anchored."""
    case_id = open_case(world, items=1)
    world.anchored()
    path = world.tally.folder / "case.json"
    world.ok("proof", "get", "--case", case_id, "-o", path)
    return path


def trust_file(world: World, *options: str) -> Path:
    path = world.tally.folder / "trust.json"
    world.ok("log", "trust", *options, "--replace", "-o", path)
    return path


def blocks(report: Any) -> set[str]:
    """Tell what step 10 came to, over all events."""
    assert len(report["events"]) == 2
    return {step["result"] for event in report["events"] for step in event["steps"] if step["name"] == "block"}


def proven_block(proof: Path) -> int:
    block = anchor_block(proof.read_bytes())
    assert block is not None
    return block[1]


def check(tally: Tally, proof: Path, *more: str | Path, status: Exit = Exit.OK) -> Any:
    done = tally("--json", "proof", "check", proof, *more)
    assert done.status == status, done.err
    return done.json()


def test_without_a_block(world: World, proof: Path) -> None:
    """The proof ends in a block that nobody vouches for: that is said, and its hash is shown."""
    report = check(world.tally, proof, "--trust", trust_file(world), status=Exit.NOT_YET_ANCHORED)
    assert (report["verdict"], blocks(report)) == ("not_yet_anchored", {"not_checked"})
    shown = world.tally("proof", "check", proof, "--trust", trust_file(world)).out
    assert f"ends in block: {proven_block(proof)} 0x" in shown
    assert "a chain that one operator runs alone adds no independence" in shown


def test_block_that_the_service_names(world: World, proof: Path) -> None:
    """With the block in the trust file nothing else is needed."""
    for named in (("--block", str(proven_block(proof))), ("--block-of", str(proof))):
        report = check(world.tally, proof, "--trust", trust_file(world, *named))
        assert (report["verdict"], blocks(report)) == ("intact", {"checked"})


def test_block_that_an_own_node_names(world: World, proof: Path, node: str) -> None:
    """The hash may come from one's own node, whatever the service says."""
    options = ("--block-of", str(proof), "--block", "latest-final", "--rpc", node)
    report = check(world.tally, proof, "--trust", trust_file(world, *options, "--confirmations", "0"))
    assert blocks(report) == {"checked"}


def test_node_is_asked_now(world: World, proof: Path, node: str) -> None:
    """--rpc shows that the block is on the chain now, for good; and not for good where the rule says so."""
    trust = trust_file(world)
    assert blocks(check(world.tally, proof, "--trust", trust, "--rpc", node)) == {"checked"}
    waiting = ("--rpc", node, "--confirmations", "1000")
    late = check(world.tally, proof, "--trust", trust, *waiting, status=Exit.NOT_YET_ANCHORED)
    assert (late["verdict"], blocks(late)) == ("not_yet_anchored", {"not_checked"})
    assert "not for good" in json.dumps(late)


def test_block_of_another_history(world: World, proof: Path) -> None:
    """A trust file that names another block of this number: the proof is of a history that its holder does not know."""
    trust = trust_file(world, "--block", str(proven_block(proof)))
    document = json.loads(trust.read_bytes())
    document["chains"][0]["trusted_blocks"][0]["hash"] = "0x" + "11" * 32
    trust.write_bytes(canonical.encode(document))
    assert world.tally("proof", "check", proof, "--trust", trust).status == Exit.REFUSED


def test_nodes_that_cannot_tell(world: World, proof: Path) -> None:
    """A silent node, and one of another chain, give no verdict."""
    trust = trust_file(world)
    silent = world.tally("proof", "check", proof, "--trust", trust, "--rpc", f"http://127.0.0.1:{free_port()}")
    assert (silent.status, silent.out) == (Exit.UNREACHABLE, "")
    with running_anvil("--chain-id", "31400") as foreign_node:
        done = world.tally("proof", "check", proof, "--trust", trust, "--rpc", foreign_node.url)
    assert (done.status, "which the trust file does not name" in done.err) == (Exit.UNREACHABLE, True)


@pytest.mark.parametrize(("which", "status"), [("99999999", Exit.REFUSED), ("newest", Exit.USAGE)])
def test_block_that_is_none(world: World, node: str, which: str, status: Exit) -> None:
    """A block that is not final yet, and a word that names none."""
    for more in ((), ("--rpc", node)):
        assert world.run("log", "trust", "--block", which, *more).status == status
