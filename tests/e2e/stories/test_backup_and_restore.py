"""The drill of a restore: a town is backed up while it records, its machine is lost, and another one goes on."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.config.installation import DataDirectory, load
from ledger.core.log.notes import parse_vkey
from tests.e2e.stories.town import SmallTown
from tests.testkit.service import Refused
from tests.testkit.tally import TALLY
from tests.testkit.witness_server import SmallWitness, serving

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]  # a town of its own; tests/unit/backup tries each part
KILLS = 6  # of runs of `tally backup create`, each at another moment


@dataclass
class Drill:
    """A town, the place of its backups and the key that opens them.

    ``size`` is what the backup of this ``generation`` has. It is the first, unless a run ended before it was killed.
    """

    town: SmallTown
    place: Path
    identity: Path
    recipient: str
    size: int = 0
    generation: int = 0

    def create(self) -> Any:
        passphrase = ("--passphrase-file", self.town.tally.passphrase_file)
        return self.town.tally.ok("backup", "create", *self.words(), *passphrase)

    def words(self) -> tuple[str | Path, ...]:
        return ("--data-dir", self.town.data, "--to", self.place, "--recipient", self.recipient)

    def killed(self, after_s: float) -> None:
        """Start a backup as a process of its own, and kill it."""
        words = [TALLY, "backup", "create", *self.words(), "--passphrase-file", self.town.tally.passphrase_file]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(after_s)
            process.kill()

    def reading(self) -> tuple[str | Path, ...]:
        return ("--from", self.place, "--identity", self.identity, "--trust", self.town.data / "trust.json")

    def restored(self, folder: Path, *words: str | Path) -> tuple[SmallTown, Any]:
        """Restore onto a machine of its own, with the copy of the keys; return it, not started, and what was said."""
        copy = SmallTown(folder, **self.town.settings)
        done = self.town.tally.ok("backup", "restore", *self.reading(), "--data-dir", copy.data, *words)
        shutil.copytree(self.town.data / "keys", copy.data / "keys")
        return copy, done


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """Yield a town at rest that a witness has seen: backed up while it recorded, after kills, and at the end."""
    folder = tmp_path_factory.mktemp("drill")
    with SmallTown.founded(folder / "town") as town:
        log_key = parse_vkey(load(DataDirectory(town.data)).log_key)
        witness = SmallWitness("w1", log_key, town.log_id)
        with serving(witness):
            (town.data / "witnesses.toml").write_text(witness.row(foreign=True), encoding="utf-8")
            key = town.tally.ok("backup", "key", folder / "identity")
            drill = Drill(town, folder / "place", folder / "identity", key["public_key"])
            theft = town.case("theft").open().register("phone", "knife").offer("phone", to="procuratorate-east")
            ended = threading.Event()

            def work() -> None:
                number = 0
                while not ended.is_set():
                    number += 1
                    town.case(f"while-{number}").open().register("bag")

            working = threading.Thread(target=work)
            working.start()
            chance = random.Random(17)
            for _ in range(KILLS):
                drill.killed(0.2 + chance.random() * 2)
            created = drill.create()
            drill.size, drill.generation = created["size"], created["generation"]
            ended.set()
            working.join()
            theft.accept()
            town.anchored()
            size = town.size()
            town.until("the witness has seen all", lambda: witness.size >= size)
            town.stop()
            drill.create()
            yield drill


def test_a_ledger_goes_on_from_its_newest_backup(drill: Drill, tmp_path: Path) -> None:
    """On a machine that had nothing of it: the restore lacks nothing that the witness has seen, the audit is intact,
    the service starts, and the next case is recorded and anchored."""
    verified = drill.town.tally.ok("backup", "verify", *drill.reading(), "--all")
    assert {report["verdict"] for report in verified} == {"intact"}
    again, done = drill.restored(tmp_path)
    with closing(again):
        assert (done["lacking"], done["findings"]) == (0, [])
        assert [each["size"] for each in done["seen"]] == [done["size"]]
        report = again.tally.ok("audit", "--data-dir", again.data)
        assert (report["verdict"], report["size"]) == ("intact", done["size"])
        again.start()
        again.case("robbery").open().register("gun").offer("gun", to="procuratorate-east").accept()
        again.anchored()
        assert again.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"


def test_an_older_backup_is_restored_and_not_written_on(drill: Drill, tmp_path: Path) -> None:
    """It says how many entries the world has seen beyond it, and the service refuses every event: a witness has seen
    more."""
    older, done = drill.restored(tmp_path, "--generation", str(drill.generation))
    with closing(older):
        assert done["size"] == drill.size
        assert [each["name"] for each in done["seen"]][1:] == [f"generation {drill.generation + 1}"]
        assert done["lacking"] == max(each["size"] for each in done["seen"]) - drill.size > 0
        with pytest.raises(Refused) as refused:
            older.first_post("another-history")
        assert (refused.value.status, refused.value.code) == (503, "witness_ahead")


def test_what_does_not_fit_is_refused(drill: Drill, tmp_path: Path) -> None:
    """No public key, a stranger's key, a place without backups, a directory that is not empty, a place within it."""
    tally, town = drill.town.tally, drill.town
    create = ("backup", "create", "--data-dir", town.data, "--passphrase-file", tally.passphrase_file)
    tally.refuses(Exit.USAGE, "public key", *create, "--to", drill.place)
    tally.refuses(Exit.USAGE, "data directory", *create, "--to", town.data / "place", "--recipient", drill.recipient)
    tally.refuses(Exit.USAGE, "age1", *create, "--to", drill.place, "--recipient", "age1nothing")
    tally.ok("backup", "key", tmp_path / "stranger")
    tally.refuses(
        Exit.USAGE, "none of these keys", "backup", "verify", "--from", drill.place, "--identity", tmp_path / "stranger"
    )
    nothing = ("--from", tmp_path / "nothing", "--identity", drill.identity)
    tally.refuses(Exit.REFUSED, "no backup", "backup", "verify", *nothing)
    tally.refuses(Exit.REFUSED, "not empty", "backup", "restore", *drill.reading(), "--data-dir", town.data)
    tally.refuses(Exit.UNVERIFIABLE, "", "backup", "verify", "--from", drill.place, "--identity", drill.identity)


def test_old_generations_go(drill: Drill, tmp_path: Path) -> None:
    """By prune, by the machine's own key: the newest stays and verifies."""
    place = tmp_path / "place"
    shutil.copytree(drill.place, place)
    pruned = drill.town.tally.ok(
        "backup", "prune", "--from", place, "--data-dir", drill.town.data, "--keep", "1", "--at-once"
    )
    assert pruned["removed"]
    assert pruned["freed"] > 0
    left = drill.town.tally.ok("backup", "list", "--from", place)
    assert len(left) == 1
    words = ("--from", place, "--identity", drill.identity, "--trust", drill.town.data / "trust.json")
    assert drill.town.tally.ok("backup", "verify", *words)["verdict"] == "intact"
