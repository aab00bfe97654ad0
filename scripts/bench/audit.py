"""The full audit of a log, beside recovering as many signatures on all cores; and one that goes on from it.

python -m scripts.bench.audit [--entries N] [--new N] [--json FILE]
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from coincurve import PublicKey

from api.services.parts import RecordingParts
from ledger.audit import Basis, audit_log, left_out
from ledger.procedures import shipped_procedures
from ledger.recording.clock import now_ms
from ledger.recording.validation import Duplicate
from ledger.store.database import attach
from scripts.bench.events import submissions
from scripts.bench.figures import Figure, options, show
from scripts.campaigns.casework import SERVICE, TRUST, recording_into, registry_changes

T = TypeVar("T")

RUN = 8_000  # submissions made at a time
CHUNK = 5_000  # recoveries of one task


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, entries=100_000, new=200)
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/ledger.db"
        # Each in a process of its own: a child's memory counts from what its parent had.
        size = apart(fill, url, args.entries)
        seconds, memory, kept = apart(audit, url)
        apart(fill, url, size + args.new, size)
        whole, _, _ = apart(audit, url)
        continued, _, _ = apart(audit, url, kept)
    figures = [
        Figure(f"audit of {size} entries", seconds, "coincurve recover, all cores", recover(size), "s", "<= 5"),
        Figure(f"audit that goes on, of {args.new} new entries", continued, "whole audit", whole, "s", "<= 0.2"),
        Figure("memory: this process and the largest worker", memory, "limit", 500, "MB", "<= 1"),
    ]
    show("Audit", figures, args.json)


def apart(action: Callable[..., T], *arguments: object) -> T:
    """Return what the action gives when a new process does it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(action, *arguments).result()


def audit(url: str, since: Basis | None = None) -> tuple[float, float, Basis | None]:
    """Seconds and megabytes, and what a later audit goes on from."""
    database = attach(url)
    began = time.perf_counter()
    report = audit_log(database, TRUST, shipped_procedures(), look=left_out, since=since)
    seconds = time.perf_counter() - began
    database.close()
    if report.findings:
        raise SystemExit(f"the audit found {report.findings[:3]}")
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return seconds, sum(used) / 1024, report.basis


def fill(url: str, entries: int, present: int = 0) -> int:
    """Bring a ledger to about so many entries, by the way that every event goes, and return how many there are.

    It has ``present`` ones before; a new one has none.
    """
    with recording_into(url) as recording:
        size = present or len([*registry_changes()])
        while size < entries:
            batch = submissions(min(RUN, entries - size + 3), f"{size}")
            record(recording, batch)
            recording.publisher.publish(recording.database, now_ms())
            size += len(batch)
    return size


def record(recording: RecordingParts, bodies: Iterable[bytes]) -> None:
    """Judges each, and waits for the receipts."""
    futures = []
    for data in bodies:
        judged = recording.validator.validate(data, int(time.time()))
        assert not isinstance(judged, Duplicate)
        futures.append(recording.sequencer.submit(judged))
    for future in futures:
        future.result()


def recover(count: int) -> float:
    """Seconds for so many recoveries on all cores."""
    began = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(recover_chunk, range(-(-count // CHUNK))))
    return time.perf_counter() - began


def recover_chunk(_number: int) -> None:
    digest = b"\x07" * 32
    signature = SERVICE.sign(digest)
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    for _ in range(CHUNK):
        PublicKey.from_signature_and_message(recoverable, digest, hasher=None)


if __name__ == "__main__":
    main()
