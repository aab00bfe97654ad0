"""The public log before clients that others wrote: each in its own environment, against a server on a socket."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.core.log.checkpoints import stated_checkpoint
from tests.api.conftest import serving
from tests.api.service import Served, listening_for
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER
from tests.testkit.machine import program

CASES = 290  # entries with those of the registry: more than a full tile, fewer than two
GROWN = 260  # a second full tile between the two checkpoints


@dataclass(frozen=True)
class Live:
    """A log on a port, as it stood once and as it stands now. ``folder`` takes the files of clients."""

    served: Served
    url: str
    folder: Path

    @property
    def size(self) -> int:
        return stated_checkpoint(self.served.get("/checkpoint").text).size


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Return a log that was published, grew by more than a tile, and was published again."""
    folder = tmp_path_factory.mktemp("live")
    with serving(folder) as served, listening_for(served) as port:
        served.ledger.post_all([Case(f"case-{number}").open().last for number in range(CASES)])
        served.publish()
        (folder / "old.note").write_text(served.get("/checkpoint").text, encoding="utf-8")
        served.ledger.post_all([Case(f"case-more-{number}").open().last for number in range(GROWN)])
        served.publish()
        (folder / "log.vkey").write_text(LOG_SIGNER.verifying_key.vkey() + "\n", encoding="utf-8")
        yield Live(served, f"http://127.0.0.1:{port}", folder)


def ran(path: Path, *arguments: object) -> str:
    """Return what the program says; it must succeed."""
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def aics(live: Live, *arguments: object) -> Any:
    """Return what ``aics-tlog`` answers of this log, with the log's key brought along."""
    return json.loads(ran(program("aics", "aics-tlog"), *arguments, "--vkey-file", live.folder / "log.vkey"))


@pytest.mark.parametrize("index", [255, 540])
def test_tlog_scales_makes_the_same_tlog_proof(live: Live, index: int) -> None:
    """Out of our tiles it writes, byte for byte, the proof that we give."""
    ours = live.served.get(f"/api/v1/log/inclusion/{index}").json()["proof"]
    assert ran(program("tlog-scales", "tlog-tiles"), "gen-proof", live.url, index) == ours


def test_aics_tlog_verifies_checkpoint_and_consistency(live: Live) -> None:
    """Signature and root from tiles that it authenticates; the log of today extends the checkpoint that was kept."""
    verified = aics(live, "verify-checkpoint", "--tiles", live.url, "--origin", LOG_SIGNER.verifying_key.name)
    assert (verified["ok"], verified["size"]) == (True, live.size)
    grown = aics(live, "verify-consistency", "--tiles", live.url, "--old-checkpoint", live.folder / "old.note")
    assert grown["ok"]


@pytest.mark.parametrize("index", [255, 540])
def test_aics_tlog_proves_entries_from_tiles(live: Live, index: int) -> None:
    """It comes to the entry that was signed, through full and partial tiles and compressed bundles."""
    entry = live.folder / f"{index}.entry"
    assert aics(live, "verify-inclusion", "--tiles", live.url, "--index", index, "--entry-out", entry)["ok"]
    envelope = json.loads(entry.read_bytes())
    assert envelope["suite"] == 1
