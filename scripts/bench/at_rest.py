"""The service at rest, as ``tally init`` and ``tally serve`` leave it: seconds to ready, memory, processor time.

python -m scripts.bench.at_rest [--rounds N] [--seconds N] [--before TALLY] [--json FILE]

Each round founds an empty ledger with the embedded chain, starts its service twice, and leaves the second alone for
``--seconds``. Memory and processor time are of all its processes but the chain's node. ``--before`` names the program
``tally`` of another version, which is measured in the same rounds. The figures are medians.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, run
from typing import NamedTuple
from urllib.error import URLError

from scripts.bench.figures import Figure, options, show
from scripts.demonstration.stage import READY_WITHIN, TALLY, free_port, running

NODE = "anvil"  # the chain's node
TICKS = os.sysconf("SC_CLK_TCK")  # a second, in which /proc counts processor time
MIB = 2**20
SETTLES_S = 10  # after the last anchor nobody writes, and the loops rest


FIGURES = (
    ("ready after the first start", "s"),
    ("ready after a later start", "s"),
    ("processor time of that start", "s"),
    ("memory, resident", "MiB"),
    ("memory, proportional", "MiB"),
    ("processor at rest", "% of a core"),
)


class Rest(NamedTuple):
    """One round, in the units of FIGURES."""

    first_start: float
    later_start: float
    start_cpu: float
    resident: float
    proportional: float
    cpu: float


def main() -> None:
    args = options(__doc__, rounds=3, seconds=60, before="")
    versions = [TALLY, Path(args.before)] if args.before else [TALLY]
    rounds = [[measure(tally, args.seconds) for tally in versions] for _ in range(args.rounds)]
    ours, *before = (Rest(*map(median, zip(*rests, strict=True))) for rests in zip(*rounds, strict=True))
    show("at rest", [*figures(ours, "target", Rest(3, 3, 3, 150, 150, 1)), *figures_before(ours, before)], args.json)


def figures(ours: Rest, name: str, reference: Rest) -> list[Figure]:
    """Return the figures beside those of a reference."""
    return [
        Figure(title, own, name, theirs, unit, "<= 1")
        for (title, unit), own, theirs in zip(FIGURES, ours, reference, strict=True)
    ]


def figures_before(ours: Rest, before: list[Rest]) -> list[Figure]:
    """Return the figures beside those of the other version, if one was measured."""
    return [figure for rest in before for figure in figures(ours, "before", rest)]


def measure(tally: Path, seconds: float) -> Rest:
    """Measure one round of a version."""
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        data = ("--data-dir", f"{folder}/data")
        run([tally, "init", "--development", "--keep-passphrase", *data], stdout=DEVNULL, check=True, timeout=60)
        with serving(tally, data) as (_, first_start, _):
            pass
        with serving(tally, data) as (pid, later_start, start_cpu):
            time.sleep(SETTLES_S)
            before, began = processor_time(pid), time.monotonic()
            time.sleep(seconds)
            used = processor_time(pid) - before
            took = time.monotonic() - began
            resident, proportional = memory(pid)
        return Rest(first_start, later_start, start_cpu, resident, proportional, 100 * used / took)


@contextmanager
def serving(tally: Path, data: tuple[str, ...]) -> Iterator[tuple[int, float, float]]:
    """Run the service; yield its process once all is anchored, the seconds until it was ready, and those computed."""
    port = free_port()
    began = time.monotonic()
    with running([str(tally), "serve", *data, "--port", str(port)], stdout=DEVNULL, stderr=DEVNULL) as process:
        while not readiness(port)["ready"]:
            if process.poll() is not None or time.monotonic() - began > READY_WITHIN:
                raise RuntimeError(f"{tally} serve is not ready")
            time.sleep(0.02)
        ready, computed = time.monotonic() - began, processor_time(process.pid)
        while readiness(port)["waits"] != "nothing_new" and time.monotonic() - began < READY_WITHIN:
            time.sleep(0.5)
        yield process.pid, ready, computed


def readiness(port: int) -> dict[str, object]:
    """Return what the service says of itself; not ready while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            stated: dict[str, object] = json.load(answer)
    except (URLError, OSError):
        return {"ready": False, "waits": None}
    return stated


def tree(pid: int) -> list[Path]:
    """Return the folders in /proc of a process and those that it started, directly or not, but the node's."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, fields = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        children.setdefault(int(fields.split()[1]), []).append(int(folder.name))
        names[int(folder.name)] = name
    waiting, folders = [pid], list[Path]()
    while waiting:
        process = waiting.pop()
        if names.get(process) != NODE:
            folders.append(Path("/proc", str(process)))
            waiting += children.get(process, ())
    return folders


def processor_time(pid: int) -> float:
    """Return the seconds that the processes have used so far, with those that they waited for."""
    used = 0
    for folder in tree(pid):
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        used += sum(map(int, fields[11:13]))
    return used / TICKS


def memory(pid: int) -> tuple[float, float]:
    """Return the MiB that the processes hold: resident, and with a share of what others hold too."""
    sizes = {"Rss:": 0, "Pss:": 0}
    for folder in tree(pid):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            name, *fields = line.split()
            if name in sizes:
                sizes[name] += int(fields[0]) * 1024
    return sizes["Rss:"] / MIB, sizes["Pss:"] / MIB


if __name__ == "__main__":
    main()
