"""The keys of a service are replaced by the command line, and its ledger goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.core.trust.trust_file import parse_trust
from tests.e2e.stories.guarded import COURT, POLICE, GuardedTown
from tests.e2e.stories.town import SmallTown, Town

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SmallTown]:
    with SmallTown.founded(tmp_path / "town") as town:
        town.anchored()
        yield town


def rotate(town: Town, name: str) -> Any:
    """``tally key rotate`` at the operator's machine, the service being stopped."""
    words = ("--data-dir", town.data, "--light", "--passphrase-file", town.tally.passphrase_file)
    return town.tally.ok("key", "rotate", name, *words)


def test_submitter_is_replaced(town: SmallTown, tmp_path: Path) -> None:
    """A service that runs keeps its key. With the new one events are recorded and anchors wait until a majority allows
    the account; then they go on, and the old account is barred."""
    words = ("--data-dir", town.data, "--passphrase-file", town.tally.passphrase_file)
    done = town.tally("key", "rotate", "submitter", *words)
    assert (done.status, "a service runs" in done.err) == (2, True)
    before = town.key("submitter").key_id

    town.stop()
    rotation = rotate(town, "submitter")
    assert (rotation["before"], town.key("submitter").key_id) == (before, rotation["key"])
    assert rotation["key"] != before
    town.start()
    receipt = town.case("after-the-change").open().receipt
    town.until("anchors wait", lambda: town.readiness()["waits"] is not None)
    town.decide(tmp_path, "submitter", rotation["key"])
    assert town.anchored() > receipt["index"]
    town.decide(tmp_path, "submitter", before, "--bar")
    assert town.anchored() > receipt["index"] + 1


def test_keys_of_log_and_ledger_are_replaced(guarded_town: GuardedTown, tmp_path: Path) -> None:
    """Both keys at once: the ledger goes on; witnesses, officers and verifiers take the new trust file by the old one's
    word, and proofs from before and after are intact by it. By the old file, which a profile keeps too until it takes
    the new one, what came after is not."""
    town, mine = guarded_town, tmp_path / "mine.json"
    old = tmp_path / "old.json"
    for file in (mine, old):
        file.write_bytes((town.data / "trust.json").read_bytes())
    first = town.case("before-the-change").open().receipt
    town.anchored()
    before = town.vouched_proof(first["event_id"], tmp_path / "before.json")
    verdict = town.tally("--json", "proof", "check", before, "--trust", mine).json()["verdict"]
    assert verdict == "intact"

    town.stop()
    log, service = rotate(town, "log"), rotate(town, "service")
    town.start()
    assert town.key("service").key_id == service["key"]
    trust = parse_trust((town.data / "trust.json").read_bytes())
    assert (trust.log_key.vkey(), trust.earlier_log_keys[0].vkey) == (log["key"], log["before"])
    copies = town.renewal(old, tmp_path, POLICE, COURT)
    for witness in town.witnesses.values():
        witness.stop()
        town.tally.ok("trust", "accept", *copies, "--trust", witness.folder / "trust.json")
        witness.spawn()
        witness.wait()
    town.tally.ok("trust", "accept", *copies, "--trust", mine)

    second = town.case("after-the-change").open().receipt
    assert town.anchored() > second["index"]
    refused = town.at_the_terminal("auditor", "proof", "get", second["event_id"], "-o", tmp_path / "refused.json")
    assert (refused.status, "tally trust accept" in refused.err) == (1, True)
    accepted = town.at_the_terminal("auditor", "trust", "accept", *copies)
    assert accepted.status == 0, accepted.err
    after = town.vouched_proof(second["event_id"], tmp_path / "after.json")
    for bundle in (before, after):
        done = town.tally("--json", "proof", "check", bundle, "--trust", mine)
        assert done.json()["verdict"] == "intact", done.out
    assert town.tally("proof", "check", after, "--trust", old).status == Exit.UNVERIFIABLE
    town.stop()
    words = ("--data-dir", town.data)
    audit = town.tally("--json", "audit", *words)
    assert audit.json()["verdict"] == "intact", audit.out
