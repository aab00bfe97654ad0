"""The keys of a service are replaced by the command line, and its ledger goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.core.verification.trust import parse_trust
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


@pytest.mark.parametrize("name", ["log", "service"])
def test_database_from_before_the_rotation_is_restored(town: SmallTown, tmp_path: Path, name: str) -> None:
    """A service does not start on a database that lacks what came before its key was replaced, though neither chain nor
    witness has seen that. With the newest backup it does; and where there is none, with the keys of the same copy."""
    town.stop()
    town.settings["anchor_interval_s"] = 100_000
    shutil.copytree(town.data, tmp_path / "before")
    town.start()
    town.case("before-the-change").open()
    town.stop()
    shutil.copytree(town.data, tmp_path / "newest")
    key = rotate(town, name)["key"]
    town.start()
    town.case("after-the-change").open()
    town.stop()

    restore(town, tmp_path / "before", "tallystick*.db")
    town.spawn()
    assert town.wait_for_end() == 1
    assert "but the log had" in town.log()
    assert "Restore the newest backup" in town.log()

    restore(town, tmp_path / "newest", "tallystick*.db")
    town.start()
    town.case("after-the-change").open()
    assert key in (town.data / "trust.json").read_text()
    town.stop()

    restore(town, tmp_path / "before", "tallystick*.db")
    restore(town, tmp_path / "before", "installation.json")
    shutil.rmtree(town.data / "keys")
    shutil.copytree(tmp_path / "before" / "keys", town.data / "keys")
    town.start()
    town.case("after-the-loss").open()
    assert key not in (town.data / "trust.json").read_text()
    town.stop()
    audit = town.tally("--json", "audit", "--data-dir", town.data)
    assert audit.json()["findings"] == [], audit.out
    assert rotate(town, name)["key"] != key


def restore(town: Town, copy: Path, files: str) -> None:
    """Put files of a copy in the place of those of the data directory, as an operator does."""
    for file in town.data.glob(f"{files}*"):
        file.unlink()
    for file in copy.glob(files):
        shutil.copy2(file, town.data / file.name)


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
    assert (trust.log_key.vkey(), trust.earlier_log_keys[0].key.vkey()) == (log["key"], log["before"])
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
    assert town.tally("proof", "check", after, "--trust", old).status == 1
    town.stop()
    words = ("--data-dir", town.data)
    audit = town.tally("--json", "audit", *words)
    assert audit.json()["verdict"] == "intact", audit.out
