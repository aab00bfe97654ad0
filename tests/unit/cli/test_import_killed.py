"""An import that is killed: whenever it is, the next run ends with exactly the right cases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from ledger.core.events import decode_envelope
from ledger.core.log.tiles import TILE_WIDTH, BundleName, decode_bundle
from tests.unit.cli.import_desk import WHOLE, Desk
from tests.unit.cli.world import World

ROWS = 600


@pytest.mark.extended
def test_a_killed_import_is_resumed_to_the_same_cases(world: World, tmp_path: Path) -> None:
    """Killed twice in the middle and run to its end: every row has one case, every case its events once, in order."""
    desk = Desk(world, tmp_path, "killed")
    file = desk.write(
        *((f"K-{number}", "theft", "2026-03-01", "Zhang", f"3101{number}", "a phone", "1") for number in range(ROWS))
    )
    before, cases_before = size(world), size_of_cases(world)
    for share in (0.2, 0.6):
        kill_at(desk, file, before + int(share * ROWS * len(WHOLE)))
    assert size_of_cases(world) - cases_before < ROWS * len(WHOLE), "the runs were killed before their end"
    last = subprocess.run(desk.command(file, "last.json"), env=environment(desk.world), capture_output=True)
    assert last.returncode == 0, last.stderr
    rows = json.loads(last.stdout)["rows"]
    assert sum(rows.values()) == ROWS
    assert rows["unchanged"] > 0
    assert size_of_cases(world) - cases_before == ROWS * len(WHOLE)
    imports = desk.imports()
    assert sorted(row["source_key"] for row in imports) == sorted(f"K-{number}" for number in range(ROWS))
    assert len({row["case_id"] for row in imports}) == ROWS
    for row in imports[:: ROWS // 20]:
        assert desk.types(row["case_id"]) == WHOLE


def kill_at(desk: Desk, file: Path, entries: int) -> None:
    """Start a run and kill it once the log has as many entries."""
    with subprocess.Popen(
        desk.command(file, "killed.json"), env=environment(desk.world), stdout=subprocess.DEVNULL
    ) as run:
        while size(desk.world) < entries:
            assert run.poll() is None, "the run came to its end before it was killed"
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)


def size(world: World) -> int:
    """How many entries the log has."""
    return int(httpx.get(world.url + "/api/v1/log", trust_env=False).json()["size"])


def size_of_cases(world: World) -> int:
    """How many of them are of cases: the service adds seals of the reads of its own."""
    while (published := int(httpx.get(world.url + "/checkpoint", trust_env=False).text.split("\n")[1])) < size(world):
        time.sleep(0.05)
    count = 0
    for first in range(0, published, TILE_WIDTH):
        bundle = BundleName(first // TILE_WIDTH, min(TILE_WIDTH, published - first))
        data = httpx.get(f"{world.url}/{bundle.path()}", trust_env=False).content
        count += sum(decode_envelope(entry).stream.kind == "case" for entry in decode_bundle(data, bundle.width))
    return count


def environment(world: World) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONFAULTHANDLER": "1", **world.tally.environment()}
