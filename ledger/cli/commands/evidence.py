"""``tally evidence``: digests of files, folders sealed as bags, and whether they are still what the record says."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import Any, BinaryIO

import click
import msgspec
from msgspec.structs import asdict

from ledger.cli.command import Group
from ledger.cli.errors import EXIT_OF_VERDICT, exit_of_report
from ledger.cli.files import progress_of
from ledger.cli.options import TRUST, option_of
from ledger.cli.output import columns, printable_json, printable_line
from ledger.cli.params import DATA_DIR
from ledger.cli.passphrase import Passphrase, passphrase_options, read_service_passphrase
from ledger.cli.proofs import is_case_bundle, ledger_of, trust_for
from ledger.cli.report import show_conclusion, show_trust, trusted_by
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events.item import ItemExamined, ItemRegistered
from ledger.core.events.terms import MatchResult, Verdict
from ledger.core.messages import Message, Term, plain
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.case import judge_case, open_case
from ledger.core.verification.report import Report, Statement, worst
from ledger.core.verification.verify import verify_event
from ledger.evidence import sealing
from ledger.evidence.bag import FileFinding, binding
from ledger.evidence.checking import EvidenceCheck, RecordedDigests, check_bag, check_file
from ledger.evidence.folder_hashing import hash_folder
from ledger.evidence.hashing import BOTH, Hashed, HashingProgress, hash_file
from ledger.evidence.store import EvidenceStore
from ledger.procedures import shipped_procedures
from ledger.recording.event_signing import new_id

EXISTING = click.Path(exists=True, path_type=Path)
STORE = click.Path(file_okay=False, path_type=Path)
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
FINDINGS = columns("fault:file_state", "subject", "detail")


@click.group("evidence", cls=Group)
def evidence_group() -> None:
    """Evidence: hash files, seal folders as bags, check them against the record."""


@evidence_group.command("hash")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=EXISTING)
@click.option(
    "--algorithm",
    "-a",
    "algorithms",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    multiple=True,
    default=[algorithm.value for algorithm in BOTH],
    show_default=True,
    help="May be given several times; all are taken in one pass.",
)
@click.option("--store", type=STORE, help="Keep each file in this folder too, by its BLAKE3 digest.")
def hash_(session: Session, paths: Sequence[Path], algorithms: Sequence[str], store: Path | None) -> None:
    """Hash files, and all files in folders."""
    chosen = tuple(map(Algorithm, algorithms))
    kept = EvidenceStore(store) if store else None
    with progress_of(session.labels.of("message", "hashing"), session.output) as progress:
        rows = (row for path in paths for row in _hashed(path, chosen, kept, progress))
        if not sys.stdout.isatty():
            return show_digests(session, rows)
        digested = list(rows)  # on one terminal they and the bar would write over each other
    return show_digests(session, digested)


def _hashed(
    path: Path, algorithms: Sequence[Algorithm], store: EvidenceStore | None, progress: HashingProgress
) -> Iterator[dict[str, Any]]:
    if path.is_dir():
        for below, hashed in hash_folder(path, algorithms, store=store, progress=progress):
            yield _row(path / below, hashed)
        return
    progress.expect(1, path.stat().st_size)
    put = store.put if store else hash_file
    yield _row(path, put(path, algorithms, progress=progress))


def _row(path: Path, hashed: Hashed) -> dict[str, Any]:
    printable_path = str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")
    return {"path": printable_path, "bytes": hashed.size, "digests": [str(digest) for digest in hashed.digests]}


@evidence_group.command("seal")
@click.argument("source", type=EXISTING)
@click.argument("bag", type=click.Path(path_type=Path))
@click.option("--case", "case_id", required=True, help="The case that the item enters.")
@click.option("--item-id", help="Unique over all cases; made up unless given.")
@click.option("--log-id", help="The ledger [that of the profile].")
@click.option("--sm3", is_flag=True, help="List the files by SM3 too.")
def seal(
    session: Session, /, *, source: Path, bag: Path, case_id: str, item_id: str | None, log_id: str | None, sm3: bool
) -> None:
    """Copy a file or folder into a new bag (BagIt, RFC 8493) that names its item: 'tally item register --bag' next."""
    from importlib.metadata import version

    try:
        ledger = log_id or f"0x{session.log_id.hex()}"
    except TallystickError as error:
        hint = (
            "Name the ledger by --log-id, as its trust file does, or make a profile: tally profile add NAME --url URL"
        )
        raise error.amended(hint=Message(hint)) from error
    try:
        bag_binding = binding(case_id=case_id, item_id=item_id or new_id("item"), log_id=ledger)
    except MalformedInput as error:
        raise error.amended(field=option_of(error.field)) from error
    with progress_of(source.name, session.output) as progress:
        bag_report = sealing.seal(
            source,
            bag,
            bag_binding,
            date=datetime.now(UTC).date().isoformat(),
            software=f"tallystick {version('tallystick')}",
            algorithms=(*BOTH, Algorithm.SM3) if sm3 else BOTH,
            progress=progress,
        )
    summary = {"file": str(bag)} | msgspec.structs.asdict(bag_binding) | {"digests": list(map(str, bag_report.digests))}
    session.output.record(summary | {"files": bag_report.files, "bytes": bag_report.size})


@evidence_group.command("check")
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
def check(
    session: Session,
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
    if trust_files and bundle is None:
        raise MalformedInput("a trust file is what a bundle is checked by", field="--trust", hint="Give --bundle too.")
    if store is not None:
        return _check_store(session, store)
    assert path is not None
    record = trust = None
    if bundle is not None:
        data = bundle.read()
        trust = trust_for(session, data, trust_files)
        record = from_bundle(data, trust, item_id)
    elif item_id:
        item = session.service.get(path_of("/api/v1/items/{}", item_id))
        digests = tuple(item.get("digests", ()))  # as the service says now, without proof
        record = RecordedDigests(Message("the service on item {item_id}", item_id=item_id), digests, item_id=item_id)
    findings: list[FileFinding] = []
    with progress_of(path.name, session.output) as progress:
        if path.is_dir():
            checked = check_bag(path, record, report=findings.append, progress=progress)
        elif record is None:
            raise MalformedInput(
                "{path} is a file: there is nothing to hold it against", path=path, field="PATH", hint=_FILE
            )
        else:
            progress.expect(1, path.stat().st_size)
            checked = check_file(path, record, progress=progress)
    show_check(session, checked, findings, trust)
    if checked.verdict == "tampered" and path.suffix.lower() in ARCHIVES:
        session.warn(_ARCHIVE)
    if record is None:
        session.warn(_NO_RECORD)
    return exit_of_report(checked)


@evidence_group.group("store", cls=Group)
def store_group() -> None:
    """Check a service's evidence store, as its operator."""


@store_group.command("check")
@DATA_DIR
@click.option("--remove-surplus", is_flag=True, help="Delete what belongs to no file and is older than a day.")
@passphrase_options
def check_kept(session: Session, /, *, data_dir: Path | None, remove_surplus: bool, passphrase: Passphrase) -> int:
    """Read every file of the evidence store, compare it with its digest, and list what belongs to no file.

    The service may run meanwhile. A file that is missing or damaged is replaced once it is given again: tally item put
    --again.
    """

    from ledger.config.installation import DataDirectory, database_url, load
    from ledger.config.settings import read_settings
    from ledger.evidence.kept_evidence import open_kept_evidence
    from ledger.store.opening import open_database

    settings = read_settings(data_dir)
    directory = DataDirectory(settings.data_dir)
    load(directory)
    secret = read_service_passphrase(settings, directory, passphrase)
    database = open_database(database_url(settings.database_url, directory))
    try:
        kept = open_kept_evidence(settings, directory, secret, database, lambda: time_ns() // 1_000_000)
        if kept is None:
            raise MalformedInput(
                "this ledger has no evidence store", field="evidence_store", hint="docs/operations/evidence-store.md"
            )
        with progress_of(session.labels.of("message", "hashing"), session.output) as progress:
            findings = list(kept.check(progress=progress.advance))
        for finding in findings:
            if remove_surplus and finding.fault in ("surplus", "to_delete"):
                kept.remove(finding)
    finally:
        database.close()
    faults = {each.fault for each in findings}
    verdict: Verdict = "unverifiable" if faults & {"unreadable", "unverifiable"} else "intact"
    if faults & {"missing", "damaged"}:
        verdict = "tampered"
    if session.json:
        session.output.data({"verdict": verdict, "findings": findings})
    else:
        session.output.table([msgspec.structs.asdict(finding) for finding in findings], FINDINGS)
        session.output.record({"verdict": verdict})
    return EXIT_OF_VERDICT[verdict]


def _check_store(session: Session, folder: Path) -> int:
    with progress_of(folder.name, session.output) as progress:
        findings = list(EvidenceStore(folder).check(progress=progress))
    verdict = worst("unverifiable" if finding.fault == "unreadable" else "tampered" for finding in findings)
    if session.json:
        session.output.data({"verdict": verdict, "findings": findings})
    else:
        show_findings(session, findings)
        session.output.record({"verdict": verdict})
    return EXIT_OF_VERDICT[verdict]


_ARCHIVE = Message(
    "An archive has other digests than the sealed folder in it, and is not opened here: unpack it, check the folder."
)
_NO_RECORD = Message("Compare it with what was signed, by --bundle, or with what the service has, by --item.")
_FILE = Message("Give --item or --bundle. {archive}", archive=_ARCHIVE)


def show_digests(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each row as soon as it is computed: a list in JSON, or a line for each digest as ``b3sum`` prints it."""
    if not session.json:
        for row in rows:
            for digest in row["digests"]:
                click.echo(f"{digest}  {printable_line(row['path'])}")
        return
    before = "["
    for row in rows:
        click.echo(f"{before}\n{printable_json(msgspec.json.encode(row, enc_hook=plain).decode())}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def show_check(
    session: Session, checked: EvidenceCheck, findings: Sequence[FileFinding], trust: Trust | None = None
) -> None:
    """Print the steps of a check, each file that is not as listed, the trust file's digest, and the verdict."""
    output, labels, trusted = session.output, session.labels, trusted_by(trust)
    fields = msgspec.to_builtins(checked, enc_hook=plain)
    fields["bytes"] = fields.pop("size")
    if session.json:
        return output.data(fields | {"findings": findings} | trusted)
    steps = [asdict(step) | {"detail": labels.translate(step.detail)} for step in checked.steps]
    output.table(steps, columns("number", "name:step", "result:result", "detail"))
    show_findings(session, findings)
    output.record((fields["binding"] or {}) | {name: fields[name] for name in ("digests", "files", "bytes")})
    show_trust(labels, trusted)
    return show_conclusion(labels, checked)


def show_findings(session: Session, findings: Iterable[FileFinding]) -> None:
    """Print a line for each finding, in red."""
    for finding in findings:
        fault = session.labels.of("fault", finding.fault)
        detail = f" ({session.labels.translate(finding.detail)})" if finding.detail else ""
        click.secho(printable_line(f"{fault}: {finding.path}{detail}"), fg="red")


def from_bundle(data: bytes, trust: Trust, item_id: str | None) -> RecordedDigests:
    """Return what a bundle proves of an item: that of an event that registers or examines it, or that of a case.

    In the bundle of a case it is the item ``item_id``. Raises MalformedInput if the bundle does not concern the item.
    """
    return _from_case(data, trust, item_id) if is_case_bundle(data) else _from_event(data, trust, item_id)


def _from_event(data: bytes, trust: Trust, item_id: str | None) -> RecordedDigests:
    verified = verify_event(data, trust)
    event_type = Term("event_type", verified.envelope.event_type)
    event = Message("event {event_id} ({event_type})", event_id=verified.envelope.event_id, event_type=event_type)
    log_id, verdict = ledger_of(data), verified.report.verdict
    if verified.event is None:
        return RecordedDigests(event, (), verdict, item_id, log_id, "match", *_beside(verified.report))
    body = verified.event.body
    if not isinstance(body, ItemRegistered | ItemExamined) or item_id not in (None, body.item_id):
        raise MalformedInput(
            "{event} does not say what {item_id} is",
            event=event,
            item_id=item_id or "an item",
            field="--bundle",
            hint="Give the bundle of the event that registered or examined the item, or that of its case with --item.",
        )
    compared: MatchResult = "match"
    if isinstance(body, ItemExamined):
        compared = body.match_result
        outcome = Term("match_result", compared)
        event = Message("{event}, which found: {outcome},", event=event, outcome=outcome)
    return RecordedDigests(event, body.digests, verdict, body.item_id, log_id, compared, *_beside(verified.report))


def _from_case(data: bytes, trust: Trust, item_id: str | None) -> RecordedDigests:
    if item_id is None:
        raise MalformedInput("expected the item of the case that this is", field="--item")
    case = open_case(data, trust)
    report = judge_case(case, Procedures())
    # The item alone may also be asked for under a procedure that nobody adopted.
    state = report.state or judge_case(case, shipped_procedures()).state
    source = Message("item {item_id} of case {report.case_id}", item_id=item_id, report=report)
    log_id = ledger_of(data)
    if state is None:
        return RecordedDigests(source, (), report.verdict, item_id, log_id, "match", *_beside(report))
    item = state.items.get(item_id)
    if item is None:
        raise MalformedInput(
            "case {case_id} has no item {item_id}", case_id=report.case_id, item_id=item_id, field="--item"
        )
    return RecordedDigests(source, item.digests, report.verdict, item_id, log_id, "match", *_beside(report))


def _beside(report: Report) -> tuple[bool, Statement, Statement]:
    """Return what a proof says beside its verdict: ``development``, ``conformity`` and ``completeness``."""
    return report.development, report.conformity, report.completeness
