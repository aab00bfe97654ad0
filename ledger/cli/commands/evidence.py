"""``tally evidence``: digests of files, folders sealed as bags, and whether they are still what the record says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ledger.cli.command import Group
from ledger.cli.exits import EXIT_OF_VERDICT
from ledger.cli.options import TRUST
from ledger.cli.session import Session, pass_session
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput
from ledger.core.verification.report import worst

if TYPE_CHECKING:
    from ledger.evidence.bag import FileFinding
    from ledger.evidence.checking import RecordedDigests
    from ledger.evidence.hashing import Hashed, Progress
    from ledger.evidence.store import Store

EXISTING = click.Path(exists=True, path_type=Path)
STORE = click.Path(file_okay=False, path_type=Path)
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
USUAL = (Algorithm.BLAKE3, Algorithm.SHA256)


@click.group("evidence", cls=Group)
def command() -> None:
    """Evidence: hash files, seal folders as bags, check them against the record."""


@command.command("hash")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=EXISTING)
@click.option(
    "--algorithm",
    "-a",
    "algorithms",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    multiple=True,
    default=[algorithm.value for algorithm in USUAL],
    show_default=True,
    help="May be given several times; all are taken in one pass.",
)
@click.option("--store", type=STORE, help="Keep each file in this folder too, by its BLAKE3 digest.")
@pass_session
def hash_(session: Session, paths: Sequence[Path], algorithms: Sequence[str], store: Path | None) -> None:
    """Hash files, and all files in folders."""
    from ledger.cli.evidence_output import show_digests
    from ledger.cli.files import progress_of
    from ledger.evidence.store import Store

    chosen = tuple(map(Algorithm, algorithms))
    with progress_of(session.labels.of("message", "hashing"), session.output) as progress:
        rows = (row for path in paths for row in _hashed(path, chosen, Store(store) if store else None, progress))
        if not sys.stdout.isatty():
            show_digests(session, rows)
            return
        digested = list(rows)  # on one terminal they and the bar would write over each other
    show_digests(session, digested)


def _hashed(
    path: Path, algorithms: Sequence[Algorithm], store: Store | None, progress: Progress
) -> Iterator[dict[str, Any]]:
    from ledger.evidence.folder_hashing import hash_folder
    from ledger.evidence.hashing import hash_file

    if path.is_dir():
        for below, hashed in hash_folder(path, algorithms, store=store, progress=progress):
            yield _row(path / below, hashed)
        return
    progress.expect(1, path.stat().st_size)
    put = store.put if store else hash_file
    yield _row(path, put(path, algorithms, progress=progress))


def _row(path: Path, hashed: Hashed) -> dict[str, Any]:
    shown = str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")
    return {"path": shown, "bytes": hashed.size, "digests": [str(digest) for digest in hashed.digests]}


@command.command("seal")
@click.argument("source", type=EXISTING)
@click.argument("bag", type=click.Path(path_type=Path))
@click.option("--case", "case_id", required=True, help="The case that the item enters.")
@click.option("--item-id", help="Unique over all cases; made up unless given.")
@click.option("--log-id", help="The ledger [that of the profile].")
@click.option("--sm3", is_flag=True, help="List the files by SM3 too.")
@pass_session
def seal(
    session: Session, /, *, source: Path, bag: Path, case_id: str, item_id: str | None, log_id: str | None, sm3: bool
) -> None:
    """Copy a file or folder into a new bag (BagIt, RFC 8493) that names its item: 'tally item register --bag' next."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from ledger.cli.files import progress_of
    from ledger.evidence import sealing
    from ledger.evidence.bag import binding
    from ledger.recording.signing import new_id

    bound = binding(
        case_id=case_id,
        item_id=item_id or new_id("item"),
        log_id=log_id or f"0x{session.log_id.hex()}",
    )
    with progress_of(source.name, session.output) as progress:
        bag_report = sealing.seal(
            source,
            bag,
            bound,
            date=datetime.now(UTC).date().isoformat(),
            software=f"tallystick {version('tallystick')}",
            algorithms=(*USUAL, Algorithm.SM3) if sm3 else USUAL,
            progress=progress,
        )
    digests = [str(digest) for digest in bag_report.digests]
    summary = {"file": str(bag), "case_id": bound.case_id, "item_id": bound.item_id, "log_id": bound.log_id}
    session.output.record(summary | {"digests": digests, "files": bag_report.files, "bytes": bag_report.size})


@command.command("check")
@click.argument("path", required=False, type=EXISTING)
@click.option(
    "--item", "item_id", help="The item that this is: what the service says of it is compared, or what --bundle says."
)
@click.option(
    "--bundle",
    type=click.File("rb"),
    help="Proof bundle to compare with: of the item's registration or examination, or of its case.",
)
@TRUST
@click.option("--store", type=STORE, help="Check a store instead: each file against its name.")
@pass_session
def check(
    session: Session,
    /,
    *,
    path: Path | None,
    item_id: str | None,
    bundle: BinaryIO | None,
    trust_files: Sequence[BinaryIO],
    store: Path | None,
) -> int:
    """Check a sealed folder against itself and against the record, or a single file against the record."""
    if (path is None) == (store is None):
        raise MalformedInput("expected one of the two", field="PATH, --store")
    if path is None:
        assert store is not None
        return _check_store(session, store)
    record = _record(session, item_id, bundle, trust_files)
    return _check(session, path, record)


def _record(
    session: Session, item_id: str | None, bundle: BinaryIO | None, trust_files: Sequence[BinaryIO]
) -> RecordedDigests | None:
    from ledger.cli import recorded

    if bundle is not None:
        return recorded.from_bundle(session, bundle.read(), trust_files, item_id)
    return recorded.from_service(session, item_id) if item_id else None


def _check(session: Session, path: Path, record: RecordedDigests | None) -> int:
    from ledger.cli.evidence_output import show_check
    from ledger.cli.files import progress_of
    from ledger.evidence.checking import check_bag, check_file

    findings: list[FileFinding] = []
    with progress_of(path.name, session.output) as progress:
        if path.is_dir():
            checked = check_bag(path, record, report=findings.append, progress=progress)
        elif record is None:
            raise MalformedInput(f"{path} is a file: there is nothing to hold it against", field="PATH", hint=_FILE)
        else:
            progress.expect(1, path.stat().st_size)
            checked = check_file(path, record, progress=progress)
    show_check(session, checked, findings)
    if checked.verdict == "tampered" and path.suffix.lower() in ARCHIVES:
        session.output.warn(_ARCHIVE)
    return EXIT_OF_VERDICT[checked.verdict]


def _check_store(session: Session, folder: Path) -> int:
    from ledger.cli.evidence_output import show_findings
    from ledger.cli.files import progress_of
    from ledger.evidence.store import Store

    with progress_of(folder.name, session.output) as progress:
        findings = list(Store(folder).check(progress=progress))
    verdict = worst("unverifiable" if finding.fault == "unreadable" else "tampered" for finding in findings)
    if session.json:
        session.output.data({"verdict": verdict, "findings": findings})
    else:
        show_findings(session, findings)
        session.output.record({"verdict": verdict})
    return EXIT_OF_VERDICT[verdict]


_ARCHIVE = (
    "An archive has other digests than the sealed folder in it, and is not opened here: unpack it, check the folder."
)
_FILE = f"Give --item or --bundle. {_ARCHIVE}"
