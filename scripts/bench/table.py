"""The table of how fast the ledger is (docs/performance.md): each of its benchmarks, several times, in turn.

python -m scripts.bench.table --json FILE [--times N] [--machine TEXT] [--postgres URL] [--only NAME ...]

Each of the ``--times`` goes through all of them, so that a machine that slows down slows all. ``--postgres`` names an
empty database (postgresql+psycopg://...), without which nothing is measured there. ``--only`` measures those of these
names anew and leaves the others in FILE as they are. Takes about half an hour each time, and wants a quiet machine.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.progress import Progress

from scripts.bench.figures import Figure

BENCHMARKS = {
    "submissions": "scripts.bench.submissions --rounds 1 --events 4000",
    "submissions-beside": "scripts.bench.submissions --rounds 1 --events 4000 --validators 1",
    "in-process": "scripts.bench.in_process",
    "flatness": "scripts.bench.flatness --entries 10000 1000000",
    "audit": "scripts.bench.audit",
    "proofs": "tests.campaigns.bench.proofs",
    "evidence": "scripts.bench.evidence",
    "views": "scripts.bench.views --events 10000 1000000",
    "at-rest": "scripts.bench.at_rest --rounds 1",
    "pages": "tests.campaigns.bench.console",
}
WITH_POSTGRES = "submissions"  # the one that measures PostgreSQL too


class BenchmarkRuns(Struct, frozen=True):
    """What a benchmark showed each time that it ran; ``command`` are its module and its options."""

    command: str
    runs: list[list[Figure]]


class Table(Struct, frozen=True):
    """What was measured on one machine, by the names of ``BENCHMARKS``."""

    machine: str
    benchmarks: dict[str, BenchmarkRuns]


def main() -> None:
    """Measures, and writes the file after each time, for the last ones take long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--machine", default="")
    parser.add_argument("--postgres", default="")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    args = parser.parse_args()
    table = read(args.json) if args.json.exists() else Table("", {})
    table = Table(args.machine or table.machine, table.benchmarks | {name: BenchmarkRuns("", []) for name in args.only})
    with Progress() as progress:
        task = progress.add_task("benchmarks", total=args.times * len(args.only))
        for _ in range(args.times):
            for name in args.only:
                command = BENCHMARKS[name]
                if name == WITH_POSTGRES and args.postgres:
                    command += " --postgres URL"
                figures = run(command.replace("URL", args.postgres))
                table.benchmarks[name] = BenchmarkRuns(command, [*table.benchmarks[name].runs, figures])
                args.json.write_bytes(msgspec.json.format(msgspec.json.encode(table)) + b"\n")
                progress.advance(task)


def read(file: Path) -> Table:
    """Return the table in a file. Raises msgspec.DecodeError if it holds something else."""
    return msgspec.json.decode(file.read_bytes(), type=Table)


def run(command: str) -> list[Figure]:
    """Run a benchmark in a process of its own; return its figures. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        file = Path(folder, "figures.json")
        subprocess.run([sys.executable, "-m", *shlex.split(command), "--json", file], check=True)
        # Written with the ratio, which follows from what else is written.
        return msgspec.json.decode(file.read_bytes(), type=list[Figure])


if __name__ == "__main__":
    main()
