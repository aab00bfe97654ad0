"""``tally item files``, ``put``, ``get`` and ``copy``: files of evidence in the service's store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.files import progress_of, would_be_new
from ledger.cli.options import READING_GROUND, TRUST
from ledger.cli.output import columns
from ledger.cli.params import with_event_recorder
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding.digests import Hasher, new_hasher, parse_digest
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, Unavailable
from ledger.core.events.item import ItemExamined
from ledger.core.messages import Term
from ledger.evidence.hashing import HashingProgress, hash_file
from ledger.evidence.working_copies import finding_of, method_of

PIECE = 1024 * 1024  # bytes that are sent at once
FILES = "/api/v1/cases/{}/items/{}/files"
FILE = FILES + "/{}"
LISTED = columns("recorded", "kept", "size", "agency", "officer", "kept_at")
CHECKS = columns("digest", "event_type", "outcome:file_state", "before", "after", "checked_at")


def add_commands(item_group: Group) -> None:
    """Add these commands to ``tally item``."""
    for command in (files, put, get, copy):
        item_group.command(command.__name__)(command)


@click.argument("case_id")
@click.argument("item_id")
def files(session: Session, case_id: str, item_id: str) -> None:
    """List the files of an item: which the service keeps, and when each was hashed again."""
    answer = session.service.get(path_of(FILES, case_id, item_id))
    if session.json:
        return session.output.data(answer)
    session.output.table(answer["files"], LISTED)
    if answer["checks"]:
        session.output.table(answer["checks"], CHECKS)
    return None


@click.argument("case_id")
@click.argument("item_id")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--again", is_flag=True, help="Send it although the service has it: it replaces one that was damaged.")
def put(session: Session, /, *, case_id: str, item_id: str, file: Path, again: bool) -> None:
    """Give a file of an item that your agency holds, for the service to keep.

    The record must have its digest: BLAKE3, SHA-256 or SM3. Sent twice it is kept once.
    """
    answer = session.service.get(path_of(FILES, case_id, item_id))
    rows = answer["files"]
    recorded = [digest for row in rows for digest in (row["recorded"], *row.get("digests", ()))]
    with progress_of(file.name, session.output) as progress:
        progress.expect(1, file.stat().st_size)
        algorithms = tuple(dict.fromkeys(parse_digest(digest).algorithm for digest in recorded))
        own = [str(digest) for digest in hash_file(file, algorithms, progress=progress).digests] if algorithms else []
    wanted = next((digest for digest in own if digest in recorded), None)
    if wanted is None:
        raise MalformedInput(
            "no digest of {file} is one of item {item_id}: it has {own}, the record {recorded}",
            file=file,
            item_id=item_id,
            own=", ".join(own) or "-",
            recorded=", ".join(recorded) or "-",
            field="FILE",
            code="digest_not_recorded",
            hint="Give the file that was registered, as it was then; record another one by tally item examine.",
        )
    kept = next((row for row in rows if row["kept"] and wanted in (row["recorded"], *row["digests"])), None)
    if kept is not None and not again and (state := _damage(answer["checks"], kept)) is not None:
        raise IntegrityBroken(
            "the service has this file, and found it {state} when it hashed it again",
            state=state,
            code="file_damaged",
            hint="Give it anew, in its place: tally item put --again. See: tally item files",
        )
    if kept is None or again:
        with progress_of(file.name, session.output) as progress:
            size = file.stat().st_size
            progress.expect(1, size)
            kept = session.service.upload(
                path_of(FILE, case_id, item_id, wanted), lambda: _pieces(file, progress), size, dict[str, Any]
            )
    session.output.record(kept)


def _damage(checks: Iterable[dict[str, Any]], kept: dict[str, Any]) -> str | None:
    """Return the state in which the last check found a kept file, unless it was intact or was given anew since."""
    done = [check for check in checks if check["checked_at"] is not None and check["digest"] in kept["digests"]]
    last = max(done, key=lambda check: check["checked_at"], default=None)
    if last is None or last["outcome"] == "intact" or last["checked_at"] < kept["kept_at"]:
        return None
    return Term("file_state", last["outcome"])


def _pieces(file: Path, progress: HashingProgress) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece
            progress.advance(len(piece))


@click.argument("case_id")
@click.argument("item_id")
@click.option("--digest", help="Digest of the file, if the item has several that are kept.")
@output_option(required=True)
@READING_GROUND
@TRUST
def get(
    session: Session,
    /,
    *,
    case_id: str,
    item_id: str,
    digest: str | None,
    output: Path,
    ground: str | None,
    trust_files: Iterable[BinaryIO],
) -> None:
    """Take a file of an item away, and compare it with the signed record.

    The file is hashed as it arrives. It is kept only if the proof of the case, checked against your trust file, has its
    digest: what the service says does not count.
    """
    session.output.record(
        msgspec.structs.asdict(
            _take(session, case_id, item_id, digest, output=output, ground=ground, trust_files=trust_files)
        )
    )


@click.argument("case_id")
@click.argument("item_id")
@click.option("--for", "recipient", required=True, metavar="WHOM", help="Who gets the copy, and what for.")
@click.option("--digest", help="Digest of the file, if the item has several that are kept.")
@output_option(required=True, is_result=False)
@TRUST
@with_event_recorder
def copy(
    recorder: EventRecorder,
    /,
    *,
    case_id: str,
    item_id: str,
    recipient: str,
    digest: str | None,
    output: Path,
    trust_files: Iterable[BinaryIO],
) -> None:
    """Make a working copy of a file of an item that your agency holds, and record it.

    The file is taken as by 'tally item get', written, and read again from its new place. An examination of the item
    states the digest before and that of the copy. Nothing is recorded of a copy that differs.
    """
    session, is_new = recorder.session, would_be_new(recorder.session, output)
    before = _take(session, case_id, item_id, digest, output=output, trust_files=trust_files)
    with progress_of(output.name, session.output) as progress:
        progress.expect(1, before.bytes)
        after = [str(each) for each in hash_file(output, (parse_digest(before.digest).algorithm,)).digests]
    if after != [before.digest]:
        if is_new:
            output.resolve().unlink(missing_ok=True)
        raise IntegrityBroken(
            "the copy on the disk has {after}, what was copied {before}",
            after=after[0],
            before=before.digest,
            code="digest_differs",
            hint="The copy was deleted, and nothing was recorded. Is the disk sound?",
        )
    body = make_body(
        ItemExamined,
        item_id=item_id,
        method=session.labels.translate(method_of(recipient)),
        match_result="match",
        digests=after,
        finding=session.labels.translate(finding_of(before.digest, after[0])),
    )
    recorder.record_with(output, case_id, body, is_new=is_new)  # no copy is given out of which the record does not tell


class TakenFile(msgspec.Struct, frozen=True):
    """A file that was taken and has the digest of the signed record; ``verdict`` is that of the proof."""

    file: str
    bytes: int
    digest: str
    verdict: str
    item_id: str


def _take(
    session: Session,
    case_id: str,
    item_id: str,
    digest: str | None,
    *,
    output: Path,
    trust_files: Iterable[BinaryIO],
    ground: str | None = None,
) -> TakenFile:
    """Download a kept file of an item to a new file, which stays only if the signed record has its digest."""
    from ledger.cli.commands.evidence import from_bundle
    from ledger.cli.files import opened_output
    from ledger.cli.proofs import trust_for

    kept = _kept(session, case_id, item_id, digest)
    proof = session.service.fetch(path_of("/api/v1/cases/{}/proof", case_id), withhold="sections")
    record = from_bundle(proof, trust_for(session, proof, trust_files), item_id)
    if record.verdict not in ("intact", "not_yet_anchored"):
        raise IntegrityBroken(
            "the proof of the case is {verdict}",
            verdict=Term("verdict", record.verdict),
            hint="See why: tally proof check",
        )
    expected = next((each for each in (kept["recorded"], *kept["digests"]) if each in record.digests), None)
    if expected is None:
        raise IntegrityBroken(
            "the signed record of item {item_id} has none of the digests that the service names",
            item_id=item_id,
            code="digest_not_recorded",
            hint="It may have been examined anew since: tally item history. Ask the agency that holds it.",
        )
    algorithm = parse_digest(expected).algorithm
    with opened_output(session, output) as opened, progress_of(output.name, session.output) as progress:
        progress.expect(1, kept["size"])
        target = _HashedFile(opened, new_hasher(algorithm), progress)
        try:
            session.service.download(path_of(FILE, case_id, item_id, expected), target, ground=ground)  # type: ignore[arg-type]
        except Unavailable:
            # What cannot be decrypted is broken off like what the network broke off.
            if (state := _damage(session.service.get(path_of(FILES, case_id, item_id))["checks"], kept)) is None:
                raise
            raise IntegrityBroken(
                "the service found this file {state} when it hashed it again, and could not give it",
                state=state,
                code="file_damaged",
                hint="Ask whoever holds the item to give it anew: tally item put --again. See: tally item files",
            ) from None
        received = f"{algorithm}:{target.hasher.digest().hex()}"
        if received != expected:
            raise IntegrityBroken(
                "the record has {expected}, received was {received}",
                expected=expected,
                received=received,
                code="digest_differs",
                hint="Nothing was kept. Try again; if it is so again, tell the operator: tally evidence store check.",
            )
    return TakenFile(str(output), kept["size"], expected, record.verdict, item_id)


def _kept(session: Session, case_id: str, item_id: str, digest: str | None) -> dict[str, Any]:
    """Return the row of the kept file that is asked for. Raises NotFound, or MalformedInput if there are several."""
    rows: list[dict[str, Any]] = [
        row for row in session.service.get(path_of(FILES, case_id, item_id))["files"] if row["kept"]
    ]
    chosen = [row for row in rows if digest is None or digest in (row["recorded"], *row["digests"])]
    if not chosen:
        raise NotFound(
            "the service keeps no such file of item {item_id}", item_id=item_id, hint="See: tally item files"
        )
    if len(chosen) > 1:
        raise MalformedInput(
            "item {item_id} has {count} files: expected the digest of one",
            item_id=item_id,
            count=len(chosen),
            field="--digest",
            hint="See: tally item files",
        )
    return chosen[0]


class _HashedFile:
    """Hashes what is written to a file."""

    def __init__(self, file: IO[bytes], hasher: Hasher, progress: HashingProgress):
        self._file = file
        self.hasher = hasher
        self._progress = progress

    def write(self, piece: bytes) -> int:
        self.hasher.update(piece)
        self._progress.advance(len(piece))
        return self._file.write(piece)
