"""Checks of a sealed folder or a file: whether it is as it was listed, and as the record says.

1  form    the folder is a bag, and lists its files by known algorithms
2  tags    every file beside the payload exists, with the digests of the tag manifests
3  files   every file of the payload exists, no other does, and each has the digests of the manifests
4  record  the digests of the bag, or of the single file, are those that the record has of the item

A step that cannot be checked makes the verdict ``unverifiable``: step 1 (other algorithms), 2 and 3 (a file cannot be
read) and 4 (the record has no digest to compare, or is itself unverifiable). Step 4 leaves the verdict unchanged if no
record was given: the bag then only agrees with itself, which any other bag would too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, parse_digest
from ledger.core.errors import IntegrityBroken
from ledger.core.events.terms import Verdict
from ledger.core.verification.report import Check, NotChecked, Outcome, Step, perform, worst
from ledger.evidence import bag
from ledger.evidence.bag import BagBinding, Listed, Report
from ledger.evidence.comparison import Comparison, compare
from ledger.evidence.folder import Folder, FolderEntry
from ledger.evidence.hashing import BOTH, Unreadable, hash_file
from ledger.evidence.progress import SILENT, Progress


class RecordedDigests(Struct, frozen=True):
    """What the record has of an item: its source, how far that is proven, and item and ledger if known."""

    said_by: str
    digests: tuple[str, ...]
    verdict: Verdict = "intact"
    item_id: str | None = None
    log_id: str | None = None


class EvidenceCheck(Struct, frozen=True):
    """The outcome of a check; ``files`` and ``size`` (bytes) are those of the payload that exists."""

    verdict: Verdict
    steps: tuple[Step, ...]
    digests: tuple[str, ...]
    files: int
    size: int
    binding: BagBinding | None = None


class _Run:
    """The state of one bag's check."""

    def __init__(self, folder: Folder, record: RecordedDigests | None, report: Report, progress: Progress):
        self.folder = folder
        self.record = record
        self.report = report
        self.progress = progress
        self.algorithms = bag.algorithms_of(folder)
        self.closed_by: tuple[Algorithm, ...] = ()
        self.digests: tuple[Digest, ...] = ()
        self.binding: BagBinding | None = None
        self.payload = Comparison(0, 0, {})

    def compare(self, present: Iterable[FolderEntry], manifests: Mapping[Algorithm, str], inside: str) -> Comparison:
        """Compare the present files with those that these manifests list."""
        listed = (line for algorithm, name in manifests.items() for line in self._lines(name, algorithm, inside))
        return compare(self.folder, present, listed, tuple(manifests), report=self.report, progress=self.progress)

    def _lines(self, name: str, algorithm: Algorithm, inside: str) -> Iterator[Listed]:
        return bag.read_manifest(self.folder, name, algorithm, inside=inside)


def check_bag(
    path: Path, record: RecordedDigests | None, *, report: Report = lambda _finding: None, progress: Progress = SILENT
) -> EvidenceCheck:
    """Check the bag at ``path`` against itself, and against the record if one is given; ``report`` gets each fault.

    Raises MalformedInput for what is no bag at all, or has folders that cannot be read.
    """
    with Folder(path) as folder:
        run = _Run(folder, record, report, progress)
        steps = tuple(
            perform(number, name, partial(_attempt, check), run) for number, (name, check) in enumerate(STEPS, 1)
        )
    verdict, digests = worst(step.verdict for step in steps), tuple(map(str, run.digests))
    return EvidenceCheck(verdict, steps, digests, run.payload.files, run.payload.size, run.binding)


def check_file(path: Path, record: RecordedDigests, *, progress: Progress = SILENT) -> EvidenceCheck:
    """Check a single file against the record. Raises what hash_file does."""
    recorded = {parse_digest(digest).algorithm for digest in record.digests}
    hashed = hash_file(path, tuple(sorted(recorded)) or BOTH, progress=progress)
    step = perform(len(STEPS), "record", lambda digests: _agreement(record, digests), hashed.digests)
    return EvidenceCheck(step.verdict, (step,), tuple(map(str, hashed.digests)), 1, hashed.size)


def _attempt(check: Check[_Run], run: _Run) -> Outcome:
    try:
        return check(run)
    except Unreadable as error:
        return NotChecked(error.message)


# 1
def _form(run: _Run) -> Outcome:
    if run.folder.has("fetch.txt"):
        raise IntegrityBroken("expected a bag that is whole, not one with files to be fetched", field="fetch.txt")
    if not run.algorithms:
        return NotChecked("the bag lists its files neither by BLAKE3 nor by SHA-256 or SM3")
    run.binding = bag.binding_of(run.folder) if run.folder.has(bag.INFO) else None
    run.closed_by = tuple(algorithm for algorithm in run.algorithms if run.folder.has(bag.tag_manifest(algorithm)))
    if run.binding and run.closed_by != run.algorithms:
        missing = next(algorithm for algorithm in run.algorithms if algorithm not in run.closed_by)
        raise IntegrityBroken("the file is missing", field=bag.tag_manifest(missing))
    run.digests = bag.bag_digests(run.folder, run.closed_by)
    return f"lists its files by {', '.join(run.algorithms)}"


# 2
def _tags(run: _Run) -> Outcome:
    if not run.closed_by:
        return NotChecked("there is no tag manifest that step 1 accepted")
    manifests = {algorithm: bag.tag_manifest(algorithm) for algorithm in run.closed_by}
    foreign = () if run.binding else ("tagmanifest-",)  # a bag that was made elsewhere may have more of them
    present = (
        present_file
        for present_file in run.folder.walk(without=bag.PAYLOAD)
        if not (present_file.path in manifests.values() or present_file.path.startswith(foreign))
    )
    return _outcome(run.compare(present, manifests, ""))


# 3
def _files(run: _Run) -> Outcome:
    if not run.algorithms:
        return NotChecked("there is no manifest that step 1 accepted")
    manifests = {algorithm: bag.manifest(algorithm) for algorithm in run.algorithms}
    present = run.folder.walk(bag.PAYLOAD) if run.folder.has(bag.PAYLOAD) else ()
    run.payload = run.compare(present, manifests, f"{bag.PAYLOAD}/")
    return _outcome(run.payload)


def _outcome(compared: Comparison) -> Outcome:
    summary = ", ".join(f"{count} {fault.replace('_', ' ')}" for fault, count in compared.faults.items())
    if compared.faults.keys() - {"unreadable"}:
        raise IntegrityBroken(f"{compared.files} files: {summary}")
    return NotChecked(summary) if summary else f"{compared.files} files, {compared.size} bytes, as listed"


# 4
def _record(run: _Run) -> Outcome:
    if run.record is None:
        return NotChecked("no record was given to compare with", "intact")
    binding, record = run.binding, run.record
    for field in ("item_id", "log_id"):
        named, recorded = getattr(binding, field, None), getattr(record, field)
        if named is not None and recorded is not None and named != recorded:
            raise IntegrityBroken(f"the bag is of {named}, the record of {recorded}", field=field)
    return _agreement(record, run.digests)


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("form", _form),
    ("tags", _tags),
    ("files", _files),
    ("record", _record),
)


def _agreement(record: RecordedDigests, digests: Sequence[Digest]) -> Outcome:
    if record.verdict == "tampered":
        raise IntegrityBroken(f"{record.said_by} is itself tampered", field="record")
    recorded = set(record.digests)
    algorithms = {digest.partition(":")[0] for digest in recorded}
    shared = [digest for digest in digests if digest.algorithm in algorithms]
    for digest in shared:
        if str(digest) not in recorded:
            raise IntegrityBroken(f"{digest} is not among the digests that {record.said_by} has", field="digests")
    if not shared:
        return NotChecked(f"{record.said_by} has no digest to compare with")
    agreement = f"{', '.join(digest.algorithm for digest in shared)} as {record.said_by} says"
    return (
        agreement if record.verdict == "intact" else NotChecked(f"{agreement}, which is itself no more", record.verdict)
    )
