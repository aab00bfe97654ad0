"""Durable signed submissions a second: ours, one each and in bulk, beside the naive design and a bare echo.

python -m scripts.bench.submissions [--rounds N] [--events N] [--validators N]
                                    [--postgres URL [--processes N ...]] [--json FILE]

Each round measures all of them one after the other over 64 connections; the table has the medians. Of the
``--events`` of each round the naive design gets a sixth. Each of ours has so many ``--validators`` beside it. Every
server starts on an empty database; with --postgres (postgresql+psycopg://...), processes of ours share the empty
database that it names: one, and then two, or each count of ``--processes`` in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ledger.config.settings import PREFIX
from scripts.bench.events import submissions
from scripts.bench.figures import Figure, options, show
from scripts.demonstration.stage import free_port, is_up, running, wait_for_process

CONNECTIONS = 64
BULK = 100  # events of a bulk request
PROCESSES = [1, 2]  # that share a PostgreSQL database
POSTGRES = "on PostgreSQL"  # ends the name of a run of so many processes there
PEERS_FOLDER = f"{PREFIX}PEERS_FOLDER"
EVENTS = "/api/v1/events"
JSON = "application/json"


class Run(NamedTuple):
    """What one load came to."""

    per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    args = options(__doc__, rounds=3, events=8000, validators=0, postgres="", processes=PROCESSES)
    os.environ[f"{PREFIX}VALIDATOR_PROCESSES"] = str(args.validators)
    rounds = [measure(args.events, number, args.postgres, args.processes) for number in range(args.rounds)]
    show("submissions", figures_of({name: [run[name] for run in rounds] for name in rounds[0]}), args.json)


def measure(count: int, number: int, postgres_url: str, processes: list[int]) -> dict[str, Run]:
    """Measure one round."""
    single = submissions(count, f"{number}-single")
    runs: dict[str, Run] = {}
    with sqlite_server("naive") as port:
        runs["naive"] = load([port], EVENTS, JSON, single[: count // 6])
        runs["echo"] = load([port], "/echo", JSON, single)
    with sqlite_server("ours") as port:
        runs["single"] = load([port], EVENTS, JSON, single)
    for sharing in processes if postgres_url else ():
        with ExitStack() as stack:
            os.environ[PEERS_FOLDER] = stack.enter_context(tempfile.TemporaryDirectory(prefix="tallystick-bench-"))
            stack.callback(os.environ.pop, PEERS_FOLDER)
            ports = [stack.enter_context(server("ours", postgres_url))[0] for _ in range(sharing)]
            runs[on_postgres(sharing)] = load(ports, EVENTS, JSON, submissions(count, f"{number}-of-{sharing}"))
    many = submissions(2 * count, f"{number}-bulk")
    requests = [b"\n".join(many[start : start + BULK]) for start in range(0, len(many), BULK)]
    with sqlite_server("ours") as port:
        run = load([port], f"{EVENTS}/batch", "application/x-ndjson", requests, connections=8)
        runs["bulk"] = run._replace(per_second=BULK * run.per_second)
    return runs


def figures_of(runs: dict[str, list[Run]]) -> list[Figure]:
    """Medians over the rounds."""
    speed = {name: median(run.per_second for run in of_kind) for name, of_kind in runs.items()}
    p99 = median(run.p99_ms for run in runs["single"])
    figures = [
        Figure("durable submissions, one each", speed["single"], "naive design", speed["naive"], "/s", ">= 12"),
        Figure("durable submissions, one each", speed["single"], "bare echo", speed["echo"], "/s", ">= 0.5"),
        Figure("durable submissions, in bulk", speed["bulk"], "bare echo", speed["echo"], "/s", ">= 0.9"),
        Figure("durable submissions, in bulk", speed["bulk"], "one each", speed["single"], "/s", ">= 2"),
        Figure("a submission's 99th percentile", p99, "limit", 150, "ms", "<= 1"),
    ]
    counts = [int(name.partition(" ")[0]) for name in speed if name.endswith(POSTGRES)]
    for count, before in zip(counts, [None, *counts], strict=False):
        name = on_postgres(count)
        target = ">= 0.45" if count > 1 else ">= 0.3"
        figures.append(Figure(name, speed[name], "bare echo", speed["echo"], "/s", target))
        if before is not None:
            figures.append(Figure(name, speed[name], on_postgres(before), speed[on_postgres(before)], "/s", ">= 1"))
    return figures


def on_postgres(processes: int) -> str:
    """Return the name of the run of so many processes on one PostgreSQL database."""
    return f"{processes} {POSTGRES}"


def load(ports: list[int], path: str, content_type: str, bodies: list[bytes], connections: int = CONNECTIONS) -> Run:
    """Post the bodies; the first of them only warm the server up, and count for nothing."""
    warm = len(bodies) // 20
    post(ports, path, content_type, bodies[:warm], connections)
    return post(ports, path, content_type, bodies[warm:], connections)


def post(ports: list[int], path: str, content_type: str, bodies: list[bytes], connections: int) -> Run:
    """Post the bodies from a process of its own. Raises RuntimeError where one was refused."""
    listening = ",".join(map(str, ports))
    command = [sys.executable, "-m", "scripts.bench.load", listening, path, content_type, str(connections)]
    frames = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    done = subprocess.run(command, input=frames, capture_output=True, check=True, timeout=600)
    answers: dict[str, Any] = json.loads(done.stdout)
    if any(not status.startswith("2") for status in answers["statuses"]):
        raise RuntimeError(f"{path} answered {answers['statuses']}")
    return Run(answers["requests"] / answers["seconds"], answers["p50_ms"], answers["p99_ms"])


@contextmanager
def sqlite_server(kind: str) -> Iterator[int]:
    """Run a server of this kind on an empty SQLite database; yield its port."""
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder,
        server(kind, f"sqlite:///{folder}/bench.db") as (port, _),
    ):
        yield port


@contextmanager
def server(kind: str, database_url: str) -> Iterator[tuple[int, int]]:
    """Run a server of this kind; yield its port and its process."""
    port = free_port()
    command = [sys.executable, "-m", f"scripts.bench.server_{kind}", str(port), database_url]
    with (
        tempfile.NamedTemporaryFile(prefix="tallystick-bench-", suffix=".log") as log,
        running(command, stdout=log, stderr=log) as process,
    ):
        wait_for_process(process, lambda: is_up(f"http://127.0.0.1:{port}/healthz"), Path(log.name))
        yield port, process.pid


if __name__ == "__main__":
    main()
