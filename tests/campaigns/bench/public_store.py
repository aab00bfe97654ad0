"""What a public store costs the process that records, and what readers cost it with the store and without.

python -m tests.campaigns.bench.public_store [--rounds N] [--entries N] [--reads N] [--json FILE]

A checkpoint of ``--entries`` new ones is uploaded to a folder and to a SeaweedFS, in turn: CPU time of this process,
all threads together, beside recording the same entries. Then ``--reads`` of full bundles go to a service, which
serves them or redirects to the store: CPU time of that process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from ledger.config.settings import PREFIX, Settings
from ledger.core.log.tiles import BundleName
from ledger.recording.clock import now_ms
from ledger.recording.public_store import public_store_of
from ledger.recording.uploading import TileUploader
from ledger.store.log import tree
from scripts.bench.audit import fill, record
from scripts.bench.events import submissions
from scripts.bench.figures import Figure, cpu_seconds, options, show
from scripts.campaigns.casework import TRUST, recording_into
from scripts.demonstration.stage import free_port, is_up, running, wait_for_process
from tests.testkit.object_storage import running_storage

FEW = 1024  # entries of the log that is read
TICK = os.sysconf("SC_CLK_TCK")  # of the kernel's count of CPU time, a second


def main() -> None:
    args = options(__doc__, rounds=20, entries=200, reads=2000)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as directory:
        folder = Path(directory)
        (folder / "storage").mkdir()
        with running_storage(folder / "storage") as storage:
            places = {"folder": {"tile_store": (folder / "public").as_uri()}, "SeaweedFS": storage.settings("costs")}
            figures = uploads(folder, places, args.rounds, args.entries)
            figures += reads(folder, storage.settings("reads"), args.reads)
    show("A public store", figures, args.json)


def uploads(folder: Path, places: dict[str, dict[str, str]], rounds: int, entries: int) -> list[Figure]:
    """Record and publish so many entries in each round, and upload their checkpoint to each place."""
    recorded: list[float] = []
    uploaded: dict[str, list[float]] = {name: [] for name in places}
    with recording_into(f"sqlite:///{folder}/costs.db") as ledger:
        uploaders = {}
        for name, settings in places.items():
            store = public_store_of(Settings(**settings))  # type: ignore[arg-type]
            assert store is not None
            uploaders[name] = TileUploader(ledger.database, store, trust=lambda: TRUST)
        for number in range(rounds + 1):
            batch = submissions(entries, f"round-{number}")
            recorded.append(cpu_seconds(lambda batch=batch: record(ledger, batch)))  # type: ignore[misc]
            # A clock of its own, so that each round publishes.
            assert ledger.publisher.publish(ledger.database, now_ms() + 2000 * (number + 1)) is not None
            for name, uploader in uploaders.items():
                uploaded[name].append(cpu_seconds(uploader.step))
        with ledger.database.read() as connection:
            size = tree(connection).size
        assert all(uploader.state.size == size for uploader in uploaders.values())
    base = 1000 * median(recorded[1:])
    return [
        Figure(f"uploading {entries} entries: {name}", 1000 * median(taken[1:]), "recording", base, "ms CPU", "<= 0.25")
        for name, taken in uploaded.items()
    ]


def reads(folder: Path, settings: dict[str, str], count: int) -> list[Figure]:
    """Read full bundles: from a service without a store, from one with it, and from the store.

    Milliseconds of the service's CPU for each read.
    """
    url = f"sqlite:///{folder}/reads.db"
    fill(url, FEW)
    with service(url, {}) as (port, pid):
        whole = cost(f"http://127.0.0.1:{port}", pid, count, 200)
    with service(url, settings) as (port, pid):
        sent = cost(f"http://127.0.0.1:{port}", pid, count, 307)
        direct = cost(settings["tile_store_url"], pid, count, 200)
    return [
        Figure("a bundle: redirected by the service", sent, "served by it", whole, "ms CPU", "<= 0.75"),
        Figure("a bundle: read from the store", direct, "served by it", whole, "ms CPU", "<= 0.02"),
    ]


@contextmanager
def service(url: str, settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Run a service on this ledger; yield its port and process."""
    port = free_port()
    command = [sys.executable, "-m", "scripts.bench.server_ours", str(port), url]
    variables = os.environ | {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    with (
        tempfile.NamedTemporaryFile(prefix="tallystick-bench-", suffix=".log") as log,
        running(command, stdout=log, stderr=log, env=variables) as process,
    ):
        wait_for_process(process, lambda: is_up(f"http://127.0.0.1:{port}/healthz"), Path(log.name))
        yield port, process.pid


def cost(url: str, pid: int, count: int, status: int) -> float:
    """Read so many bundles at ``url``; return the milliseconds of CPU that each cost process ``pid``."""
    with httpx.Client(trust_env=False, headers={"Accept-Encoding": "gzip, identity"}) as client:
        for number in range(-50, count):
            if number == 0:
                began = _cpu(pid)
            answer = client.get(f"{url}/{BundleName(number % (FEW // 256)).path()}")
            assert answer.status_code == status, answer.text
    return 1000 * (_cpu(pid) - began) / count


def _cpu(pid: int) -> float:
    time.sleep(0.05)  # until what was asked last is done
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


if __name__ == "__main__":
    main()
