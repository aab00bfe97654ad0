"""The disk of the campaign of power losses loses what no sync has reached, and the campaign notices what is lost."""

from __future__ import annotations

import random
import time
from pathlib import Path

from scripts.campaigns.casework import Casework, recording_into
from scripts.campaigns.power_loss import FOLDER, Call, Change, Disk, Recorded, calls_of, campaign

TRACE = """\
7 1.000001 openat(AT_FDCWD</>, "{wal}", O_RDWR|O_CREAT|O_NOFOLLOW|O_CLOEXEC, 0600) = 4<{wal}>
7 1.000002 openat(AT_FDCWD</>, "{wal}", O_RDWR|O_CLOEXEC) = 5<{wal}>
7 1.000003 pwrite64(4<{wal}>, "\\x61\\x62", 2, 3) = 2
7 1.000004 fdatasync(4<{wal}> <unfinished ...>
8 1.000005 pwrite64(4<{wal}>, "\\x63", 1, 0) = 1
7 1.000006 <... fdatasync resumed>) = 0
7 1.000007 ftruncate(4<{wal}>, 9) = 0
8 1.000008 pwrite64(4<{wal}>, "\\x64", 1, 0) = -1 EIO (Input/output error)
7 1.000009 fsync(9<{folder}>) = 0
7 1.000010 unlink("{wal}") = 0
7 1.000011 fdatasync(4<{wal}> <unfinished ...>
7 1.000012 +++ killed by SIGKILL +++
"""


def in_hex(path: Path) -> str:
    return "".join(f"\\x{byte:02x}" for byte in str(path).encode())


def test_calls_are_read_as_strace_writes_them(tmp_path: Path) -> None:
    """What returned without an error, in order, each until the next one was made; a sync knows what came before it."""
    names = {"wal": in_hex(tmp_path / "ledger.db-wal"), "folder": in_hex(tmp_path)}
    (tmp_path / "trace").write_text(TRACE.format(**names))
    wal = "ledger.db-wal"
    assert list(calls_of(tmp_path / "trace", tmp_path, 10)) == [
        Call(1.000002, Change(wal, exists=True), None, 10),
        Call(1.000004, Change(wal, b"ab", 3), None, 11),
        Call(1.000006, Change(wal, b"c", 0), None, 12),
        Call(1.000007, None, wal, 12),
        Call(1.000008, Change(wal, length=9), None, 13),
        Call(1.00001, None, FOLDER, 14),
        Call(1.000011, Change(wal, exists=False), None, 14),
    ]


def test_a_disk_keeps_what_a_sync_has_reached() -> None:
    """Bytes by a sync of their file, the file's name by one of its folder, and nothing that came after a sync began."""
    disk = Disk({"a": b"old"})
    changes = (Change("a", b"new", 0), Change("b", exists=True), Change("b", b"x", 1), Change("a", length=1))
    for number, change in enumerate(changes):
        disk.take(Call(0.0, change, None, number))
    assert disk.after_power_loss(None) == {"a": b"old"}
    disk.take(Call(0.0, None, "a", 3))
    assert disk.after_power_loss(None) == {"a": b"new"}
    disk.take(Call(0.0, None, "b", 4))
    assert disk.after_power_loss(None) == {"a": b"new"}
    disk.take(Call(0.0, None, FOLDER, 4))
    assert disk.after_power_loss(None) == {"a": b"new", "b": b"\0x"}
    disk.take(Call(0.0, Change("b", exists=False), None, 4))
    disk.take(Call(0.0, Change("b", exists=True), None, 5))
    assert disk.after_power_loss(None) == {"a": b"new", "b": b"\0x"}  # and not the new file of that name
    disk.take(Call(0.0, None, FOLDER, 6))
    assert disk.after_power_loss(None) == {"a": b"new", "b": b""}


def test_chance_leaves_sectors_whole() -> None:
    """Of what no sync has reached each sector is old or new, and over some tries each is both."""
    disk = Disk({"a": bytes(1536)})
    disk.take(Call(0.0, Change("a", b"\1" * 1000, 300), None, 0))
    outcomes = set()
    for seed in range(64):
        data = disk.after_power_loss(random.Random(seed))["a"]
        outcomes.add((data[300:512], data[512:1024], data[1024:1300]))
        assert data[:300] + data[1300:] == bytes(536)
    old, new = (bytes(212), bytes(512), bytes(276)), (b"\1" * 212, b"\1" * 512, b"\1" * 276)
    assert outcomes == {(a, b, c) for a in (old[0], new[0]) for b in (old[1], new[1]) for c in (old[2], new[2])}


def test_what_was_acknowledged_and_is_gone_is_noticed(tmp_path: Path) -> None:
    """Files from before a receipt do not hold for who has it."""
    url, casework = f"sqlite:///{tmp_path}/ledger.db", Casework("p")
    with recording_into(url):
        pass
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with recording_into(url) as recording:
        signed = casework.next(int(time.time()))
        receipt = recording.sequencer.submit(recording.validator.validate(signed.submission, int(time.time()))).result()
    recorded = Recorded(before, [Call(2.0, None, "ledger.db", 0)], [(1.0, signed, receipt)])  # type: ignore[list-item]
    outcome = campaign(tmp_path, recorded, 0, 1)
    assert outcome.states == 2
    # Before the sync, which no receipt preceded, they hold.
    (fault,) = outcome.faults
    assert fault.startswith("behind sync 0")
    assert fault.endswith("is not there")
