"""Sealing: a file or folder is copied into a bag that names its item, and hashed in the same pass.

The bag is built beside its target and renamed to it once everything in it is on the disk: there is a whole bag or
none. What a killed run left is removed by the next one for the same target.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from msgspec import Struct

from ledger.config.secret_files import sync_folder
from ledger.core.encoding.digests import Algorithm, Digest, digest_by
from ledger.core.errors import Conflict, MalformedInput, TallystickError
from ledger.evidence import bag
from ledger.evidence.bag import BagBinding
from ledger.evidence.folder import Folder
from ledger.evidence.hashing import BOTH, SILENT, Hashed, HashingProgress, NotWritten, hash_file, hash_open
from ledger.evidence.names import collation_key, distinct, printable, require_portable, sort_lines

READ_ONLY = 0o444


class Sealed(Struct, frozen=True):
    """A bag that was made: its digests, by which the record names it, and its content; ``size`` in bytes."""

    digests: tuple[Digest, ...]
    files: int
    size: int


class _Files(Struct, frozen=True):
    """The paths to seal, each distinct from all others on any file system, with their number and total size."""

    paths: Iterator[str]
    count: int
    size: int


def seal(
    source: Path,
    target: Path,
    binding: BagBinding,
    *,
    date: str,
    software: str,
    algorithms: Sequence[Algorithm] = BOTH,
    progress: HashingProgress = SILENT,
) -> Sealed:
    """Copy ``source`` into a new bag at ``target``; ``date`` is today's, ``software`` names itself in the bag.

    Raises:
        MalformedInput: something cannot be sealed: links, devices, pipes, unreadable files, names that do not travel.
        IntegrityBroken: a file changes meanwhile.
        Conflict: ``target`` exists.
        NotWritten: the disk refuses.
    """
    if target.exists() or target.is_symlink():
        raise Conflict(
            "{target} is there already", target=target, field="BAG", hint="A sealed folder is never written to."
        )
    if target.resolve().is_relative_to(source.resolve()):
        raise MalformedInput("{target} lies within what is to be sealed", target=target, field="BAG")
    single = not source.is_dir()
    with Folder(source.parent if single else source) as folder, _workshop(target) as workshop:
        if single:
            require_portable(source.name)
            files = _Files(iter([source.name]), 1, source.stat().st_size)
        else:
            files = _files(folder)
        progress.expect(files.count, files.size)
        size, count = _fill(folder, files.paths, workshop, algorithms, progress)
        info = bag.info_text(binding, date=date, software=software, size=size, files=count)
        (workshop / bag.DECLARATION).write_bytes(bag.DECLARED)
        (workshop / bag.INFO).write_text(info, encoding="utf-8")
        digests = _close(workshop, algorithms)
    return Sealed(digests, count, size)


def _files(folder: Folder) -> _Files:
    """Walk before anything is copied, so that what cannot be sealed is refused at once."""
    count = size = 0

    def lines() -> Iterator[bytes]:
        nonlocal count, size
        for present_file in folder.walk():
            require_portable(present_file.path)
            if present_file.size is None:
                raise MalformedInput(
                    "{present_file} is a link, a pipe or a device",
                    present_file=printable(present_file.path),
                    field="file",
                    hint="Only files are evidence; leave it out, or seal what it points at.",
                )
            count, size = count + 1, size + present_file.size
            yield collation_key(present_file.path) + b"\0\0" + present_file.path.encode() + b"\n"

    ordered = sort_lines(lines())
    return _Files(distinct(line.rpartition(b"\0\0")[2][:-1].decode() for line in ordered), count, size)


def _fill(
    folder: Folder, paths: Iterator[str], workshop: Path, algorithms: Sequence[Algorithm], progress: HashingProgress
) -> tuple[int, int]:
    """Copy the payload and write the manifests; return bytes and files."""
    size = count = 0
    payload = workshop / bag.PAYLOAD
    payload.mkdir()

    def copy(path: str, descriptor: int) -> Hashed:
        """Copy an open file to its place in the payload, keeping its modification time."""
        changed_at = os.fstat(descriptor).st_mtime_ns
        (payload / path).parent.mkdir(parents=True, exist_ok=True)
        target = os.open(payload / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READ_ONLY)
        try:
            hashed = hash_open(descriptor, printable(path), algorithms, copy_to=target, progress=progress)
            os.utime(target, ns=(changed_at, changed_at))
        finally:
            os.close(target)
        return hashed

    with ExitStack() as stack:
        manifests = [
            stack.enter_context((workshop / bag.manifest(algorithm)).open("w", encoding="utf-8", newline="\n"))
            for algorithm in algorithms
        ]
        for path, hashed in stack.enter_context(closing(folder.each(paths, copy))):
            if isinstance(hashed, TallystickError):
                raise hashed
            for file, digest in zip(manifests, hashed.digests, strict=True):
                file.write(bag.manifest_line(digest, f"{bag.PAYLOAD}/{path}"))
            size, count = size + hashed.size, count + 1
    return size, count


def _close(workshop: Path, algorithms: Sequence[Algorithm]) -> tuple[Digest, ...]:
    """Write the tag manifests; return their digests, which are the bag's."""
    names = sorted(file.name for file in workshop.iterdir() if file.is_file())
    listed = [(name, hash_file(workshop / name, algorithms).digests) for name in names]
    digests: list[Digest] = []
    for number, algorithm in enumerate(algorithms):
        text = "".join(bag.manifest_line(of_file[number], name) for name, of_file in listed)
        (workshop / bag.tag_manifest(algorithm)).write_text(text, encoding="utf-8", newline="\n")
        digests.append(digest_by(algorithm, text.encode()))
    return tuple(digests)


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """Create a folder beside ``target`` that is renamed to it at the end, unless an error occurs."""
    begins = f".{target.name}.sealing-"
    try:
        _sweep(target.parent, begins)
        # By the target's own path: mkdtemp gives an absolute one from Python 3.12 on, which may lead through folders
        # that this user cannot enter.
        workshop = target.parent / Path(tempfile.mkdtemp(prefix=begins, dir=target.parent)).name
        held = os.open(workshop, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield workshop
            _put(workshop, target)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
            os.close(held)
    except OSError as error:
        raise NotWritten(
            "{target} cannot be written: {error.strerror}", target=target, error=error, field="BAG"
        ) from error


def _put(workshop: Path, target: Path) -> None:
    """Rename the bag to its target (the commit point); before that everything is on the disk."""
    workshop.chmod(0o755)
    os.sync()
    try:
        workshop.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise Conflict("{target} was made by somebody else meanwhile", target=target, field="BAG") from error
        raise
    sync_folder(target.parent)


def _sweep(parent: Path, begins: str) -> None:
    """Remove what killed runs left; a running one holds a lock."""
    for left in parent.glob(f"{glob.escape(begins)}*"):
        folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
        except BlockingIOError:
            continue
        finally:
            os.close(folder)
