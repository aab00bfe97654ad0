"""Checks of a sealed folder or a file: whether it is as it was listed, and as the record says.

1  form    the folder is a bag, and lists its files by known algorithms
2  tags    every file beside the payload exists, with the digests of the tag manifests
3  files   every file of the payload exists, no other does, and each has the digests of the manifests
4  record  the digests of the bag, or of the single file, are those that the record has of the item

A step that cannot be checked makes the verdict ``unverifiable``: step 1 (other algorithms), 2 and 3 (a file cannot be
read) and 4 (no record was given: any bag agrees with itself; or the record has no digest to compare, is itself
unverifiable, or is of an examination that did not find the item as it was registered).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, parse_digest
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events.terms import MatchResult, Verdict
from ledger.core.messages import Message, Term, joined
from ledger.core.verification.report import (
    Check,
    CheckedStep,
    NotChecked,
    OtherLedger,
    Statement,
    StepResult,
    perform,
    worst,
)
from ledger.evidence import bag
from ledger.evidence.bag import BagBinding, FileFault, FileFinding, Listed, ReportFinding
from ledger.evidence.folder import Folder, FolderEntry
from ledger.evidence.folder_hashing import hash_each
from ledger.evidence.hashing import BOTH, SILENT, Hashed, HashingProgress, UnreadableFile, hash_file
from ledger.evidence.names import from_line, printable, sort_lines, to_line


class RecordedDigests(Struct, frozen=True):
    """What the record has of an item: its source, how far that is proven, and item and ledger if known.

    ``compared`` is what the source says of the item beside the record before; a registration is that record itself.
    ``development``, ``conformity`` and ``completeness`` are those of the proof: what stands beside its verdict.
    """

    said_by: str
    digests: tuple[str, ...]
    verdict: Verdict = "intact"
    item_id: str | None = None
    log_id: str | None = None
    compared: MatchResult = "match"
    development: bool = False
    conformity: Statement | None = None
    completeness: Statement | None = None


class EvidenceCheck(Struct, frozen=True):
    """The outcome of a check; ``files`` and ``size`` (bytes) are those of the payload that exists.

    ``development``, ``conformity`` and ``completeness`` are those of the record.
    """

    verdict: Verdict
    steps: tuple[CheckedStep, ...]
    digests: tuple[str, ...]
    files: int
    size: int
    binding: BagBinding | None = None
    development: bool = False
    conformity: Statement | None = None
    completeness: Statement | None = None


class _BagCheck:
    """The state of one bag's check."""

    def __init__(
        self, folder: Folder, record: RecordedDigests | None, report: ReportFinding, progress: HashingProgress
    ):
        self.folder = folder
        self.record = record
        self.report = report
        self.progress = progress
        self.algorithms = bag.algorithms_of(folder)
        self.closed_by: tuple[Algorithm, ...] = ()
        self.digests: tuple[Digest, ...] = ()
        self.binding: BagBinding | None = None
        self.payload = FolderComparison(0, 0, {})

    def compare(
        self, present: Iterable[FolderEntry], manifests: Mapping[Algorithm, str], inside: str
    ) -> FolderComparison:
        """Compare the present files with those that these manifests list."""
        listed = (
            line
            for algorithm, name in manifests.items()
            for line in bag.read_manifest(self.folder, name, algorithm, inside=inside)
        )
        return compare(self.folder, present, listed, tuple(manifests), report=self.report, progress=self.progress)


def check_bag(
    path: Path,
    record: RecordedDigests | None,
    *,
    report: ReportFinding = lambda _finding: None,
    progress: HashingProgress = SILENT,
) -> EvidenceCheck:
    """Check the bag at ``path`` against itself, and against the record if one is given; ``report`` gets each fault.

    Raises MalformedInput for what is no bag at all, or has folders that cannot be read.
    """

    def attempt(check: Check[_BagCheck], run: _BagCheck) -> StepResult:
        try:
            return check(run)
        except UnreadableFile as error:
            return NotChecked(error.text)

    with Folder(path) as folder:
        run = _BagCheck(folder, record, report, progress)
        steps = tuple(
            perform(number, name, partial(attempt, check), run) for number, (name, check) in enumerate(STEPS, 1)
        )
    verdict, digests = worst(step.verdict for step in steps), tuple(map(str, run.digests))
    payload = run.payload
    return EvidenceCheck(verdict, steps, digests, payload.files, payload.size, run.binding, *_beside(record))


def check_file(path: Path, record: RecordedDigests, *, progress: HashingProgress = SILENT) -> EvidenceCheck:
    """Check a single file against the record. Raises what hash_file does."""
    recorded = {parse_digest(digest).algorithm for digest in record.digests}
    hashed = hash_file(path, tuple(sorted(recorded)) or BOTH, progress=progress)
    step = perform(len(STEPS), "record", lambda digests: _agreement(record, digests), hashed.digests)
    digests = tuple(map(str, hashed.digests))
    return EvidenceCheck(step.verdict, (step,), digests, 1, hashed.size, None, *_beside(record))


def _beside(record: RecordedDigests | None) -> tuple[bool, Statement | None, Statement | None]:
    """Return what the record's proof says beside its verdict: ``development``, ``conformity``, ``completeness``."""
    return (record.development, record.conformity, record.completeness) if record else (False, None, None)


# 1
def _check_form(run: _BagCheck) -> StepResult:
    if run.folder.has("fetch.txt"):
        raise IntegrityBroken("expected a bag that is whole, not one with files to be fetched", field="fetch.txt")
    if not run.algorithms:
        return NotChecked("the bag lists its files neither by BLAKE3 nor by SHA-256 or SM3")
    run.binding = bag.binding_of(run.folder) if run.folder.has(bag.INFO) else None
    run.closed_by = tuple(algorithm for algorithm in run.algorithms if run.folder.has(bag.tag_manifest(algorithm)))
    # A bag that names an item is one of ours, which has a tag manifest for each algorithm; others need not.
    if run.binding and run.closed_by != run.algorithms:
        missing = next(algorithm for algorithm in run.algorithms if algorithm not in run.closed_by)
        raise IntegrityBroken("the file is missing", field=bag.tag_manifest(missing))
    run.digests = bag.bag_digests(run.folder, run.closed_by)
    return Message("lists its files by {algorithms}", algorithms=", ".join(run.algorithms))


# 2
def _check_tags(run: _BagCheck) -> StepResult:
    if not run.closed_by:
        return NotChecked("there is no tag manifest that step 1 accepted")
    manifests = {algorithm: bag.tag_manifest(algorithm) for algorithm in run.closed_by}
    foreign = () if run.binding else ("tagmanifest-",)  # a bag that was made elsewhere may have more of them
    present = (
        present_file
        for present_file in run.folder.walk(without=bag.PAYLOAD)
        if not (present_file.path in manifests.values() or present_file.path.startswith(foreign))
    )
    return _result_of(run.compare(present, manifests, ""))


# 3
def _check_files(run: _BagCheck) -> StepResult:
    if not run.algorithms:
        return NotChecked("there is no manifest that step 1 accepted")
    manifests = {algorithm: bag.manifest(algorithm) for algorithm in run.algorithms}
    present = run.folder.walk(bag.PAYLOAD) if run.folder.has(bag.PAYLOAD) else ()
    run.payload = run.compare(present, manifests, f"{bag.PAYLOAD}/")
    return _result_of(run.payload)


_COUNTED: Mapping[FileFault, Message] = {
    "missing": Message("{count} missing"),
    "extra": Message("{count} extra"),
    "changed": Message("{count} changed"),
    "no_file": Message("{count} not a file"),
    "not_listed": Message("{count} not listed in every manifest"),
    "listed_twice": Message("{count} listed more than once"),
    "unreadable": Message("{count} unreadable"),
}


def _result_of(compared: FolderComparison) -> StepResult:
    summary = joined([Message(_COUNTED[fault], count=count) for fault, count in compared.faults.items()], by=", ")
    if compared.faults.keys() - {"unreadable"}:
        raise IntegrityBroken("{compared.files} files: {summary}", compared=compared, summary=summary)
    return (
        NotChecked(summary)
        if summary
        else Message("{compared.files} files, {compared.size} bytes, as listed", compared=compared)
    )


# 4
def _check_record(run: _BagCheck) -> StepResult:
    if run.record is None:
        return NotChecked("the bag agrees with itself, as any bag does: no record was given to compare it with")
    for field in ("item_id", "log_id"):
        named, recorded = getattr(run.binding, field, None), getattr(run.record, field)
        if named is not None and recorded is not None and named != recorded:
            raise IntegrityBroken(
                "the bag is of {named}, the record of {recorded}", named=named, recorded=recorded, field=field
            )
    return _agreement(run.record, run.digests)


STEPS: tuple[tuple[str, Check[_BagCheck]], ...] = (
    ("form", _check_form),
    ("tags", _check_tags),
    ("files", _check_files),
    ("record", _check_record),
)


def _agreement(record: RecordedDigests, digests: Sequence[Digest]) -> StepResult:
    if record.verdict == "tampered":
        raise IntegrityBroken("{record.said_by} is itself tampered", record=record, field="record")
    if record.verdict == "other_ledger":
        raise OtherLedger("{record.said_by} is of another ledger than the trust file", record=record, field="record")
    if record.compared != "match":
        return NotChecked(
            "the digests of {record.said_by} prove nothing of the item as it was registered: compare with its "
            "registration, or with its case",
            record=record,
        )
    recorded = set(record.digests)
    algorithms = {digest.partition(":")[0] for digest in recorded}
    shared = [digest for digest in digests if digest.algorithm in algorithms]
    for digest in shared:
        if str(digest) not in recorded:
            raise IntegrityBroken(
                "{digest} is not among the digests that {record.said_by} has",
                digest=digest,
                record=record,
                field="digests",
            )
    if not shared:
        return NotChecked("{record.said_by} has no digest to compare with", record=record)
    algorithms_shared = joined([digest.algorithm for digest in shared], by=", ")
    agreement = Message("{algorithms} as {record.said_by} says", algorithms=algorithms_shared, record=record)
    if record.verdict == "intact":
        return agreement
    verdict = Term("verdict", record.verdict)
    return NotChecked(
        Message("{agreement}, of which the verdict is itself: {verdict}", agreement=agreement, verdict=verdict),
        record.verdict,
    )


# -- the files and their lists -----------------------------------------------------------------------------------------


class FolderComparison(Struct, frozen=True):
    """How many files are present, their bytes, and how often each fault occurred."""

    files: int
    size: int
    faults: Mapping[FileFault, int]


class _ComparedPath(Struct, frozen=True):
    """One path: the kind of file that is present, if any, and every digest that a manifest lists for it."""

    path: str
    kind: str | None
    listed: tuple[Digest, ...]


_FILE = "file"
_OTHER = "other"


def compare(
    folder: Folder,
    present: Iterable[FolderEntry],
    listed: Iterable[Listed],
    algorithms: tuple[Algorithm, ...],
    *,
    report: ReportFinding,
    progress: HashingProgress,
) -> FolderComparison:
    """Hash the present files and compare them with the listed ones; ``report`` gets each file with a fault.

    Both are sorted, and read in this order, so that few files are in memory at a time. Raises what reading ``present``
    and ``listed`` raises.
    """
    files = size = 0
    faults: Counter[FileFault] = Counter()
    waiting: deque[_ComparedPath] = deque()  # those whose digests are not known yet

    def lines() -> Iterator[bytes]:
        nonlocal files, size
        for present_file in present:
            files, size = files + 1, size + (present_file.size or 0)
            yield _line(present_file.path, _OTHER if present_file.size is None else _FILE)
        for line in listed:
            yield _line(line.path, str(line.digest))

    def count_and_report(finding: FileFinding | None) -> bool:
        if finding is not None:
            faults[finding.fault] += 1
            report(finding)
        return finding is not None

    def to_hash() -> Iterator[str]:
        for compared in _compared_paths(ordered):
            if not count_and_report(_presence_fault(compared, algorithms)):
                waiting.append(compared)
                yield compared.path

    ordered = sort_lines(lines())
    progress.expect(files, size)
    with closing(hash_each(folder, to_hash(), algorithms, progress)) as outcomes:
        for _, outcome in outcomes:
            count_and_report(_content_fault(waiting.popleft(), outcome))
    return FolderComparison(files, size, dict(faults))


def _line(path: str, content: str) -> bytes:
    return to_line(path)[:-1] + b"\0" + content.encode() + b"\n"


def _compared_paths(lines: Iterable[bytes]) -> Iterator[_ComparedPath]:
    """Yield the paths of the sorted lines with what is present and listed of each."""
    for path, group in groupby((line[:-1].partition(b"\0") for line in lines), key=lambda parts: parts[0]):
        contents = [parts[2].decode() for parts in group]
        kind = next((word for word in contents if word in (_FILE, _OTHER)), None)
        digests = tuple(parse_digest(word) for word in contents if word not in (_FILE, _OTHER))
        yield _ComparedPath(from_line(path + b"\n"), kind, digests)


def _presence_fault(compared: _ComparedPath, algorithms: tuple[Algorithm, ...]) -> FileFinding | None:
    shown = printable(compared.path)
    by = [digest.algorithm for digest in compared.listed]
    if compared.kind == _OTHER:
        return FileFinding("no_file", shown, "a link, a pipe or a device")
    if not by:
        return FileFinding("extra", shown)
    if compared.kind is None:
        return FileFinding("missing", shown, " ".join(map(str, compared.listed)))
    if len(by) != len(set(by)):
        return FileFinding("listed_twice", shown)
    if lacking := [algorithm for algorithm in algorithms if algorithm not in by]:
        return FileFinding("not_listed", shown, ", ".join(lacking))
    return None


def _content_fault(compared: _ComparedPath, outcome: Hashed | TallystickError) -> FileFinding | None:
    shown = printable(compared.path)
    if isinstance(outcome, UnreadableFile):
        return FileFinding("unreadable", shown, outcome.message)
    if isinstance(outcome, IntegrityBroken):
        return FileFinding("changed", shown, outcome.message)
    if isinstance(outcome, TallystickError):
        return FileFinding("no_file", shown, outcome.message)
    for digest in outcome.digests:
        if digest not in compared.listed:
            listed = next(recorded for recorded in compared.listed if recorded.algorithm is digest.algorithm)
            return FileFinding(
                "changed", shown, Message("{listed} listed, {digest} found", listed=listed, digest=digest)
            )
    return None
