"""The chain over HTTP, on a real node: contracts and anchors.

``tests/unit/cli/test_registry.py`` sends admins' transactions; ``tests/unit/chain`` tries those that are refused.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from ledger.core.log.notes import parse_note
from tests.api.conftest import serving_ledger
from tests.api.service import Served
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES, Linked, linked_ledger

Chained = tuple[Served, Linked]


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    """Return a service with its contracts deployed and mirrored, and a key granted; and its chain."""
    folder = tmp_path_factory.mktemp("chain")
    with linked_ledger(folder) as linked, serving_ledger(linked.ledger, lambda: linked.link) as served:
        linked.grant(clerk(POLICE))
        served.parts.chain_worker.step()
        yield served, linked


def test_the_contracts_are_named(chained: Chained) -> None:
    """Chain id, both addresses, how many changes and decisions there are, and when that was seen."""
    served, linked = chained
    chain_status = served.parts.chain_worker.chain_status
    assert chain_status is not None
    assert served.get("/api/v1/chain").json() == {
        "chain_id": 31337,
        "registry": linked.deployment.registry,
        "anchor": linked.deployment.anchor,
        "change_count": len(AGENCIES) + 2,
        "decision_count": 0,
        "agency_count": len(AGENCIES),
        "witness_count": 0,
        "quorum": 0,
        "seen_at": chain_status.seen_at,
        "age_s": served.parts.clock() // 1000 - chain_status.seen_at,
    }


def test_anchors_are_listed_as_they_were_made(chained: Chained) -> None:
    """Each has the size and root of a checkpoint that was published, the registry's hash, and its block; in pages."""
    served, linked = chained
    roots = {}
    for number in range(3):
        served.record(Case(f"case-{number}", start=linked.clock.seconds - 600).open())
        linked.clock.forward(2 * linked.interval_s)
        size = served.publish()
        roots[size] = parse_note(served.get("/checkpoint").text).text.split("\n")[2]
        served.parts.chain_worker.step()
    anchors = served.get("/api/v1/anchors").json()["anchors"]
    assert {anchor["size"] for anchor in anchors} >= set(roots)
    state = linked.anchors.now().registry_state()
    for anchor in anchors[-3:]:
        assert base64.b64encode(bytes.fromhex(anchor["root"].removeprefix("sha256:"))).decode() == roots[anchor["size"]]
        assert (anchor["state"], anchor["chain_id"]) == ("confirmed", 31337)
        assert anchor["registry_hash"] == "0x" + state.registry_hash.hex()
        block = linked.chain.eth.block(anchor["block_number"])
        assert block is not None
        assert (anchor["block_hash"], anchor["timestamp"]) == ("0x" + block.hash.hex(), block.timestamp)
    pages = served.pages("/api/v1/anchors", limit=1)
    assert [page["anchors"] for page in pages if page["anchors"]] == [[anchor] for anchor in anchors]
    assert served.get("/api/v1/anchors", after=anchors[-1]["number"]).json() == {"anchors": []}
