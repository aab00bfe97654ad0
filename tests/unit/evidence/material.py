"""Makes what the tests of evidence work on: bytes, folders, and a look by somebody who may not read everything."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.evidence.bag import BagBinding, FileFinding
from ledger.evidence.checking import EvidenceCheck, RecordedDigests, check_bag
from ledger.evidence.sealing import Sealed, seal

NOBODY = 65534
BINDING = BagBinding(case_id="case-1", item_id="item-1", log_id="0x" + "5a" * 32)
FILES = {
    "笔录/讯问.txt": b"question and answer",
    "笔录/签名 1.png": b"\x89PNG",
    "disk.img": bytes(range(256)) * 20_000,
    "empty": b"",
    "100%.txt": b"all of it",
}


class RecordedProgress:
    """A progress that remembers what it was told."""

    def __init__(self, when_advanced: Callable[[], object] = lambda: None, *, least: int = -1):
        self._least = least
        self.expected = [0, 0]
        self.sizes: list[int] = []
        self.done = 0
        self._when_advanced: Callable[[], object] | None = when_advanced

    def expect(self, files: int, size: int) -> None:
        self.expected = [self.expected[0] + files, self.expected[1] + size]

    def advance(self, size: int) -> None:
        """Act once, at the first chunk of some size, as the test wants."""
        self.sizes.append(size)
        if size > self._least and (act := self._when_advanced):
            self._when_advanced = None
            act()

    def finish_file(self) -> None:
        self.done += 1


def sample(size: int) -> bytes:
    """Bytes without a period that chunks could hide."""
    return hashlib.shake_128(b"evidence").digest(size)


def write(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Write these files into the folder and return it."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def sealed(source: Path, target: Path, **changes: object) -> Sealed:
    """Seal with all arguments that a test does not care about."""
    options: dict[str, Any] = {"binding": BINDING, "date": "2026-03-01", "software": "tallystick test"}
    return seal(source, target, **options | changes)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """In the folder, as a user without rights: its files are found by relative paths, those above it not at all."""
    before = Path.cwd()
    os.chdir(folder)
    folder.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chdir(before)


def check(bag: Path, record: RecordedDigests | None = None) -> tuple[EvidenceCheck, set[tuple[str, str]]]:
    """Return the outcome of the check, with fault and path of each finding."""
    findings: list[FileFinding] = []
    checked = check_bag(bag, record, report=findings.append)
    return checked, {(finding.fault, finding.path) for finding in findings}


def results(checked: EvidenceCheck) -> list[str]:
    """Return the results of the steps."""
    return [step.result for step in checked.steps]


def replace(path: Path, data: bytes) -> None:
    """Put another file in the place of one that was sealed."""
    path.unlink()
    path.write_bytes(data)


def link(path: Path, target: Path | str) -> None:
    """Put a link in the place of a file that was sealed."""
    path.unlink()
    path.symlink_to(target)


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file that was sealed."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    replace(path, text.replace(old, new).encode())
