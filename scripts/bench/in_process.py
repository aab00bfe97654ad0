"""The processor time of a submission in process, without HTTP: validated and placed in the log; and where it goes.

python -m scripts.bench.in_process [--events N] [--batch N] [--json FILE]

``--batch`` submissions are validated and then committed together, as a service does under load. The whole is measured
first; then, in a second run, each part without the parts that are named besides it. Measuring takes time too, so that
the parts come to more than the whole.
"""

from __future__ import annotations

import functools
import gc
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from coincurve import PublicKey

from api.services.parts import RecordingParts
from ledger.core.custody import fold
from ledger.core.events.payload import decode_submission
from ledger.core.procedure.package import canonical_form
from ledger.core.signing import authority, signatures
from ledger.procedures import shipped_package
from ledger.recording import sequencer, validation
from ledger.recording.case_states import GARBAGE_THRESHOLDS, CaseStates
from ledger.recording.sequencer import Sequencer
from ledger.recording.validation import Validator
from ledger.store import append, clock_lines
from ledger.store.append import ValidatedSubmission
from ledger.store.database import write_rows
from scripts.bench.events import submissions
from scripts.bench.figures import Figure, cpu_seconds, options, show
from scripts.bench.server_ours import PROCEDURE
from scripts.campaigns.casework import SERVICE, recording_into

# What is measured by itself: what it is an attribute of where it is called, and what it does.
PARTS: tuple[tuple[object, Callable[..., object], str], ...] = (
    (validation, decode_submission, "decoded, and compared with its canonical spelling"),
    (signatures, signatures.signing_hash, "hash of what is signed"),
    (signatures, signatures.recover, "recovery of the signer"),
    (authority, authority.require_key, "right of the key"),
    (CaseStates, CaseStates.at_head, "state of its case"),
    (CaseStates, CaseStates.act, "rules in force"),
    (validation, fold, "rules, flags and clocks of its case"),
    (clock_lines, clock_lines.changes, "lines of deadlines"),
    (validation, append.rows_of, "rows of lists, feeds and search"),
    (sequencer, sequencer.LogView, "heads and ids that the log has"),
    (sequencer, sequencer._place, "place in the batch"),  # noqa: SLF001 - its time counts
    (append, write_rows, "rows written"),
    (sequencer, append.write_batch, "rows of the log"),
    (Sequencer, Sequencer._hand_out, "receipts, with their proofs"),  # noqa: SLF001
    (Sequencer, Sequencer._commit, "transaction"),  # noqa: SLF001
    (Validator, Validator.validate_each, "the rest of validation"),
)


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, events=4000, batch=32)
    whole, recovery = measured(args.events, args.batch, "whole")
    with timed() as taken:
        measured(args.events, args.batch, "parts")
    figures = [
        Figure("a submission, validated and placed", whole, "recovery of a signature", recovery, "us", "<= 5.75")
    ]
    for label, seconds in sorted(taken.items(), key=lambda part: -part[1]):
        # Before it was measured, a twentieth warmed up.
        figures.append(Figure(label, 1e6 * seconds / args.events, "whole", whole, "us", "<= 1"))
    show("A submission in process", figures, args.json)


def measured(count: int, batch: int, name: str) -> tuple[float, float]:
    """Return the microseconds of processor time that each of so many submissions takes, of all threads.

    The second number is what a recovery of a signature took between the batches, so that a machine that slows down
    slows both.
    """
    digest = b"\x07" * 32
    signature = SERVICE.sign(digest)
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    placing = recovering = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder,
        recording_into(f"sqlite:///{folder}/ledger.db", canonical_form(shipped_package(PROCEDURE))) as recording,
    ):
        bodies = submissions(count, name)
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        recover = functools.partial(PublicKey.from_signature_and_message, recoverable, digest, hasher=None)
        for start in range(0, len(bodies), batch):
            placing += cpu_seconds(functools.partial(place, recording, bodies[start : start + batch]))
            recovering += cpu_seconds(lambda: [recover() for _ in range(batch)])
    return 1e6 * placing / len(bodies), 1e6 * recovering / len(bodies)


def place(recording: RecordingParts, bodies: Iterable[bytes]) -> None:
    """Validate a batch, and only then hand it to the writer, so that it is committed together."""
    validated = recording.validator.validate_each(bodies, int(time.time()))
    futures = [recording.sequencer.submit(each) for each in validated if isinstance(each, ValidatedSubmission)]
    assert len(futures) == len(validated), "all are new and valid"
    for future in futures:
        future.result()


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Yield, for the block, the seconds of processor time that each part took without the other parts within it."""
    taken: dict[str, float] = dict.fromkeys((label for *_, label in PARTS), 0.0)
    nested = threading.local()  # in each thread: seconds of the parts within each part that is under way

    def timing(part: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(part)
        def run(*arguments: Any, **named: Any) -> Any:
            within: list[float] = nested.__dict__.setdefault("seconds", [0.0])
            within.append(0.0)
            began = time.thread_time()
            try:
                return part(*arguments, **named)
            finally:
                seconds = time.thread_time() - began
                taken[label] += seconds - within.pop()
                within[-1] += seconds

        return run

    try:
        for owner, part, label in PARTS:
            if getattr(owner, part.__name__) is not part:
                raise RuntimeError(f"{owner} has no {part}: what is measured has moved")
            setattr(owner, part.__name__, timing(part, label))
        yield taken
    finally:
        for owner, part, _ in PARTS:
            setattr(owner, part.__name__, part)


if __name__ == "__main__":
    main()
