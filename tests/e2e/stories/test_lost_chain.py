"""Story 10, the development chain is lost or edited: the journal makes it again, hash for hash."""

from __future__ import annotations

import shutil

from tests.e2e.stories.town import Town


def test_a_chain_whose_folder_is_gone_is_made_again_with_the_same_hashes(town: Town) -> None:
    """Service off, folder deleted, service on: every block as it was, the contracts where they were, and it is told.
    The auditor's audit compares everything with the chain, and it is all there."""
    town.case("before-the-loss").open()
    town.anchored()
    before, hashes, trust = town.incidents(), town.block_hashes(), town.get("/api/v1/log/trust")
    assert len(hashes) > 10
    with town.switched_off():
        shutil.rmtree(town.data / "chain")
    assert town.block_hashes()[: len(hashes)] == hashes
    assert town.get("/api/v1/log/trust") == trust
    town.anchored()
    *earlier, rebuilt = town.incidents()
    assert (earlier, rebuilt["kind"]) == (before, "chain_rebuilt")
    done = town.at_the_terminal("auditor", "audit")
    report = done.json()
    assert (done.status, report["verdict"]) == (0, "intact"), done.out
    assert {step["name"]: step["result"] for step in report["steps"]}["chain"] == "checked"


def test_an_edited_chain_is_found_before_anything_is_built_on_it(town: Town) -> None:
    """Somebody sets a slot of the anchor contract at the node: the edit is gone with that node, and it is told."""
    case = town.case("edited").open()
    town.anchored()
    before, hashes = town.incidents(), town.block_hashes()
    contract, slot, forged = town.get("/api/v1/chain")["anchor"], "0x" + "00" * 32, "0x" + "66" * 32
    town.chain().rpc.call("anvil_setStorageAt", contract, slot, forged)
    case.register("edited-phone")
    town.anchored()
    assert town.chain().rpc.call("eth_getStorageAt", contract, slot, "latest") != forged
    assert town.block_hashes()[: len(hashes)] == hashes
    town.until("the incident is told", lambda: town.incidents() != before)
    *earlier, edited = town.incidents()
    assert (earlier, edited["kind"]) == (before, "chain_edited")
