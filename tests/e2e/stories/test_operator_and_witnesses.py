"""Story 10 again, with a quorum of two of three witnesses: what the operator does alone, the contract refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.chain import contract
from ledger.core.log.notes import parse_note
from ledger.samples.town import admin_of
from tests.e2e.stories.guarded import QUORUM, GuardedTown

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # five processes are started, and wait for one another


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedTown]:
    """Yield a ledger of eight agencies, three of which witness; a phone was handed over, and everything is anchored."""
    with GuardedTown.founded(tmp_path_factory.mktemp("guarded")) as town:
        town.case("theft").open().register("phone", "knife").offer("phone", to="procuratorate-east").accept()
        town.anchored()
        yield town


def test_anchors_need_the_witnesses_and_proofs_carry_them(town: GuardedTown, tmp_path: Path) -> None:
    """Not for development: an auditor's bundle names the quorum and a time that is proven; /checkpoint has the
    co-signatures. The operator alone is refused by the contract in words (tests/unit/contracts/test_log_anchor.py has
    what else it refuses)."""
    event_id = json.loads(town.entries()[-1])["event_id"]
    bundle = town.vouched_proof(event_id, tmp_path / "bundle.json")
    done = town.at_the_terminal("auditor", "proof", "check", bundle)
    report = done.json()
    assert (done.status, report["verdict"], report["development"]) == (0, "intact", False), done.out
    steps = {step["name"]: step for step in report["steps"]}
    assert "the quorum founding_witnesses is reached by" in steps["witnesses"]["detail"]
    assert "by the quorum of witnesses" in steps["time"]["detail"]
    assert "its block note is signed by" in steps["block"]["detail"]
    assert len(parse_note(town.checkpoint()).signatures) >= 3
    assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"

    refused = town.operator().anchor([*town.entries(), b"one more"])
    assert refused is not None
    assert (refused.error, refused.hint) == ("QuorumMissing", "Ask more witnesses to co-sign.")


def test_a_forked_history_and_a_hidden_revocation_are_refused(town: GuardedTown) -> None:
    """With the log's and the submitter's keys he leaves a revocation out of the log and tells the witnesses another
    history. The contract refuses the old registry hash, and for the new one no witness signs: each has followed the
    true log."""
    operator = town.operator()
    before, old_hash = town.entries(), operator.registry_hash()
    town.ledger.relay(contract.revoke_key(town.keys.key_id("lab")), town.keys.signer(admin_of("lab-east")))
    town.until("the revocation is in the log", lambda: len(town.entries()) > len(before))
    town.anchored()
    true, new_hash = town.entries(), operator.registry_hash()
    assert new_hash != old_hash

    hiding = [*true[: len(before)], *(b"another entry %d" % number for number in range(9))]
    refused = operator.anchor(hiding)
    assert refused is not None
    assert refused.error == "Inconsistent"
    beyond = [*true, b"what nobody has followed"]
    refused = operator.anchor(beyond, registry_hash=old_hash)
    assert refused is not None
    assert refused.error == "RegistryHashStale"

    signed = 0
    for witness in town.witnesses.values():
        for history, registry_hash in ((hiding, new_hash), (beyond, new_hash), (true, old_hash)):
            answer = operator.ask(witness.url, history, registry_hash)
            assert answer.status_code in (409, 422), answer.text
        signed += operator.ask(witness.url, true, new_hash).is_success  # the third may have gone on at once
    assert signed >= QUORUM, "the true history is signed for"
