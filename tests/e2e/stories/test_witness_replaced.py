"""An agency's witness is replaced by a majority, by the command line alone, while the ledger goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.samples.town import AGENCIES, admin_of
from tests.e2e.stories.guarded import COURT, POLICE, PROCURATORATE, GuardedTown, TownWitness

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # five processes are started, and wait for one another

MAJORITY = [agency.agency_id for agency in AGENCIES[:6]]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[GuardedTown]:
    """Yield a ledger whose anchors need two of three witnesses."""
    with GuardedTown.founded(tmp_path / "guarded") as town:
        town.anchored()
        yield town


@pytest.fixture
def heir(town: GuardedTown) -> Iterator[TownWitness]:
    """Yield the witness to come, running."""
    heir = TownWitness(town, "heir")
    heir.make_keys()
    heir.spawn()
    heir.wait()
    yield heir
    heir.stop()


def decide(town: GuardedTown, folder: Path, *words: str) -> None:
    """One admin proposes, six of eleven approve on machines of their own; an auditor sends it. Five are too few."""
    proposal, approvals = folder / "proposal.json", []
    town.ok(admin_of(POLICE), "registry", "propose", *words, "-o", proposal)
    for agency in MAJORITY:
        approval = folder / f"{agency}.json"
        done = town.at_the_terminal(admin_of(agency), "registry", "approve", proposal, "--yes", "-o", approval)
        assert done.status == 0, done.err
        approvals += ["--approval", str(approval)]
    done = town.at_the_terminal("auditor", "registry", "send", proposal, *approvals[2:])
    assert (done.status, "MajorityMissing" in done.err) == (1, True)
    town.ok("auditor", "registry", "send", proposal, *approvals)


def renew(town: GuardedTown, mine: Path, folder: Path) -> None:
    """Renew a verifier's trust file by the ledger's new one: the operator and two witnesses of the old one sign it."""
    asked, copies = folder / "renewal.json", []
    words = ("--data-dir", town.data, "--passphrase-file", town.tally.passphrase_file)
    town.tally.ok("trust", "renew", mine, town.data / "trust.json", *words, "-o", asked)
    for witness in (town.witnesses[POLICE], TownWitness(town, PROCURATORATE)):
        copies.append(folder / f"renewal-{witness.agency}.json")
        words = ("--data-dir", witness.folder, "--passphrase-file", town.tally.passphrase_file)
        town.tally.ok("trust", "cosign", asked, "--trust", mine, "--yes", *words, "-o", copies[-1])
    refused = town.tally("trust", "accept", asked, copies[0], "--trust", mine)
    assert (refused.status, "is not reached" in refused.err) == (1, True), refused.err
    town.tally.ok("trust", "accept", *copies, "--trust", mine)
    assert mine.read_bytes() == (town.data / "trust.json").read_bytes()


def test_a_witness_is_replaced_and_proofs_follow(town: GuardedTown, heir: TownWitness, tmp_path: Path) -> None:
    """The service asks the new witness without a restart, and the old one counts no more. With the new policy, anchors
    and proofs rest on the new one: whoever has the old trust file accepts the new one by its witnesses' word. Where too
    few are left, a lower quorum lets anchors go on."""
    decide(town, tmp_path, "witness", COURT, heir.account)
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
    renew(town, mine, tmp_path)
    done = town.tally("--json", "proof", "check", bundle, "--trust", mine)
    assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
    assert name in done.out

    first.stop()
    receipt = town.case("one-is-left").open().receipt
    town.until("the reason is shown", lambda: town.readiness()["waits"] == "quorum_missing")
    done = town.at_the_terminal("auditor", "doctor")
    anchoring = next(witness for witness in done.json() if witness["check"] == "anchoring")
    assert anchoring["result"] == "failed", anchoring
    decide(town, tmp_path, "quorum", "1")
    (town.data / "witness.policy").write_text(f"witness {heir.agency} {heir.vkey}\nquorum {heir.agency}\n")
    town.stop()
    town.witnesses.pop(POLICE)
    town.start()
    assert town.anchored() > receipt["index"]
