"""An agency's witness is replaced by a majority, by the command line alone, while the ledger goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stories.guarded import COURT, POLICE, PROCURATORATE, GuardedTown, TownWitness

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # five processes are started, and wait for one another


@pytest.fixture
def heir(guarded_town: GuardedTown) -> Iterator[TownWitness]:
    """Yield the witness to come, running."""
    heir = TownWitness(guarded_town, "heir")
    heir.make_keys()
    heir.spawn()
    heir.wait()
    yield heir
    heir.stop()


def test_a_witness_is_replaced_and_proofs_follow(guarded_town: GuardedTown, heir: TownWitness, tmp_path: Path) -> None:
    """The service asks the new witness without a restart, and the old one counts no more. With the new policy, anchors
    and proofs rest on the new one: whoever has the old trust file accepts the new one by its witnesses' word. Where too
    few are left, a lower quorum lets anchors go on."""
    town = guarded_town
    town.decide(tmp_path, "witness", COURT, heir.account)
    first, second = town.witnesses[POLICE], town.witnesses[PROCURATORATE]
    now = (first, second, heir)
    (town.data / "witnesses.toml").write_text("".join(witness.row() for witness in now))
    name = f"{heir.agency}.test/witness"

    def has_signed() -> bool:
        log = town.get("/api/v1/log")
        return any(witness["name"] == name and witness["size"] == log["published"] for witness in log["witnesses"])

    town.until("the new witness co-signs", has_signed)
    town.anchored()

    lines = [f"witness {witness.agency} {witness.vkey}" for witness in now]
    mine = tmp_path / "mine.json"
    mine.write_bytes((town.data / "trust.json").read_bytes())
    (town.data / "witness.policy").write_text(
        "\n".join([*lines, f"group now 2 {' '.join(witness.agency for witness in now)}", "quorum now", ""])
    )
    town.stop()
    second.stop()
    town.witnesses.pop(PROCURATORATE)
    town.start()
    event_id = town.case("after-the-change").open().receipt["event_id"]
    town.anchored()
    bundle = town.vouched_proof(event_id, tmp_path / "bundle.json")
    copies = town.renewal(mine, tmp_path, POLICE, PROCURATORATE)
    refused = town.tally("trust", "accept", tmp_path / "renewal.json", copies[0], "--trust", mine)
    assert (refused.status, "is not reached" in refused.err) == (1, True), refused.err
    town.tally.ok("trust", "accept", *copies, "--trust", mine)
    assert mine.read_bytes() == (town.data / "trust.json").read_bytes()
    done = town.tally("--json", "proof", "check", bundle, "--trust", mine)
    assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
    assert name in done.out

    first.stop()
    receipt = town.case("one-is-left").open().receipt
    town.until("the reason is shown", lambda: town.readiness()["waits"] == "quorum_missing")
    done = town.at_the_terminal("auditor", "doctor")
    anchoring = next(witness for witness in done.json() if witness["check"] == "anchoring")
    assert anchoring["result"] == "failed", anchoring
    town.decide(tmp_path, "quorum", "1")
    (town.data / "witness.policy").write_text(f"witness {heir.agency} {heir.vkey}\nquorum {heir.agency}\n")
    town.stop()
    town.witnesses.pop(POLICE)
    town.start()
    assert town.anchored() > receipt["index"]
