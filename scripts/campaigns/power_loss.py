"""Power fails at every sync of the writer's files: what had not been synced is gone, all of it or some.

python -m scripts.campaigns.power_loss [--events 24] [--kills 6] [--survivals 2] [--seed N] [--every 1]

The writer runs on SQLite under strace, which writes down each call that changes its files. Some of its runs are killed
at a sync, so that the next one finds what was written and never synced. From the calls this module makes the files as a
disk would have them had the power failed then: what was synced, and of the rest nothing, or what chance leaves of it,
sector by sector, the entries of the folder too. On each such state the log is re-derived from its stored bytes and held
against what the client had been acknowledged by then, and a writer must go on. Needs Debian's strace and the right to
trace one's children.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.progress import track
from sqlalchemy import text

from ledger.core.errors import TallystickError
from ledger.recording.event_signing import Signed
from ledger.recording.publisher import Receipt
from ledger.recording.validation import Duplicate
from ledger.store.opening import open_database
from scripts.campaigns.books import Books, Client, check
from scripts.campaigns.casework import LOG_SIGNER, Casework, recording_into
from scripts.campaigns.targets import WriterTarget

CALLS = ("openat", "pwrite64", "ftruncate", "unlink", "fsync", "fdatasync")
SYNCS = ("fsync", "fdatasync")
SECTOR = 512  # bytes that a disk writes whole
FOLDER = ""  # the folder itself, among the names of its files
DATABASE = "ledger.db"
FILES = ("ledger.db", "ledger.db-wal", "ledger-access.db", "ledger-access.db-wal")  # what is mapped is made anew

_LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
_CALL = re.compile(r"(\w+)\((.*)")
_PATH = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_WRITTEN = re.compile(r'\d+<[^>]*>, "((?:\\x[0-9a-f]{2})*)", \d+, (\d+)')


class Change(NamedTuple):
    """A change of a file that no sync has reached: bytes at an offset, or its length, or that it is there or not."""

    file: str
    data: bytes = b""
    offset: int = 0
    length: int | None = None
    exists: bool | None = None


class Call(NamedTuple):
    """A call that has returned: a change, or a sync of the file; ``began`` counts the changes before it was made."""

    at: float  # unix seconds of the next call, before which it was over
    change: Change | None
    synced: str | None
    began: int


class Disk:
    """The files as they are on the disk, and the changes that no sync has reached, in order.

    A sync of a file reaches its bytes; that it is there, a sync of its folder.
    """

    def __init__(self, files: dict[str, bytes]):
        self._contents = [bytearray(content) for content in files.values()]  # of each file that there ever was
        self._named = {name: number for number, name in enumerate(files)}  # what the folder on the disk says
        self._open = dict(self._named)  # what it says to processes
        self._pending: list[tuple[int, str, int, Change]] = []  # number, synced by, which file, how
        self._changes = 0

    def take(self, call: Call) -> None:
        """Let a call happen."""
        if call.change is not None:
            self._change(call.change)
            self._changes += 1
            return
        waiting, self._pending = self._pending, []
        for change in waiting:
            number, by, file, changed = change
            if by == call.synced and number < call.began:
                _apply(self._named, self._contents, file, changed)
            else:
                self._pending.append(change)

    def _change(self, change: Change) -> None:
        if change.exists is None:
            self._pending.append((self._changes, change.file, self._open[change.file], change))
        elif change.exists != (change.file in self._open):
            if change.exists:
                self._open[change.file] = len(self._contents)
                self._contents.append(bytearray())
                file = self._open[change.file]
            else:
                file = self._open.pop(change.file)
            self._pending.append((self._changes, FOLDER, file, change))

    def after_power_loss(self, chance: random.Random | None) -> dict[str, bytes]:
        """Return the files without what no sync has reached, or with what ``chance`` leaves of it."""
        named, contents = dict(self._named), [bytearray(content) for content in self._contents]
        for _, _, file, change in self._pending if chance is not None else ():
            assert chance is not None
            for part in _sectors(change):
                if chance.random() < 0.5:
                    _apply(named, contents, file, part)
        return {name: bytes(contents[file]) for name, file in named.items()}


def _sectors(change: Change) -> Iterator[Change]:
    """Yield a change in the parts that are on a disk whole or not at all."""
    if not change.data:
        yield change
    start = 0
    while start < len(change.data):
        offset = change.offset + start
        end = start + SECTOR - offset % SECTOR
        yield change._replace(data=change.data[start:end], offset=offset)
        start = end


def _apply(named: dict[str, int], contents: list[bytearray], file: int, change: Change) -> None:
    content = contents[file]
    if change.exists:
        named[change.file] = file
    elif change.exists is False:
        if named.get(change.file) == file:
            del named[change.file]
    elif change.length is not None:
        del content[change.length :]
        content.extend(bytes(change.length - len(content)))
    else:
        content.extend(bytes(max(0, change.offset + len(change.data) - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data


@dataclass
class Recorded:
    """Runs of a writer: the files before them, each call, and when the client had which receipt."""

    before: dict[str, bytes]
    calls: list[Call]
    acknowledged: list[tuple[float, Signed, Receipt]]


def record(folder: Path, events: int, kills: int, chance: random.Random) -> Recorded:
    """Let a writer record so many events, killed at a sync so many times between, and return what it did."""
    data, trace = folder / "data", folder / "trace"
    data.mkdir()
    target = WriterTarget(f"sqlite:///{data / DATABASE}")
    target.start()
    target.finish()  # founded, and whole on the disk
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.name in FILES}
    client, recorded = Client(Casework("p"), Books()), Recorded(before, [], [])
    for run in range(kills + 1):
        wanted = events * (run + 1) // (kills + 1)
        kill = ("-e", f"inject=fdatasync:signal=SIGKILL:when={chance.randint(3, 8)}") if run < kills else ()
        options = ["-f", "-qqq", "-ttt", "-y", "-xx", "-s", "100000", "-o", str(trace), "-P", str(data)]
        options += [part for name in FILES for part in ("-P", str(data / name))]
        command = ("strace", *options, "-e", f"trace={','.join(CALLS)}", *kill)
        target = WriterTarget(f"sqlite:///{data / DATABASE}", command, publish_every_s=0.2)
        try:
            target.start()
        except RuntimeError:  # it was killed before it could take anything
            target.finish()
        while len(recorded.acknowledged) < wanted and target.process.poll() is None:
            if client.step(target):
                recorded.acknowledged.append((time.time(), *client.books.acknowledged[-1]))
        target.finish()
        recorded.calls += calls_of(trace, data, sum(call.change is not None for call in recorded.calls))
    if client.books.faults:
        raise RuntimeError(f"the runs do not hold even with power: {client.books.faults}")
    return recorded


def calls_of(trace: Path, folder: Path, changes: int) -> Iterator[Call]:
    """Yield the calls that have returned, in order, from what strace wrote; ``changes`` came before them."""
    begun: dict[str, tuple[str, int]] = {}
    waiting: tuple[Change | None, str | None, int] | None = None
    for line in trace.read_text().splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        thread, at, printed = match[1], float(match[2]), match[3]
        if waiting is not None:
            yield Call(at, *waiting)
            waiting = None
        if printed.endswith("<unfinished ...>"):
            begun[thread] = (printed, changes)
            continue
        resumed = printed.startswith("<... ")
        text_of, began = begun.pop(thread) if resumed else (printed, changes)
        call = _CALL.match(text_of)
        # What failed, or was cut off by the kill, has changed nothing for sure.
        if call is None or not re.search(r"= \d+", printed):
            continue
        name, arguments = call[1], call[2]
        if name in SYNCS:
            waiting = (None, _name(_DESCRIPTOR.match(arguments), folder), began)
        elif (change := _change(name, arguments, folder)) is not None:
            waiting = (change, None, began)
            changes += 1
    if waiting is not None:
        yield Call(time.time(), *waiting)


def _change(name: str, arguments: str, folder: Path) -> Change | None:
    if name in ("openat", "unlink"):
        path = _PATH.search(arguments)
        assert path is not None, "strace writes every path"
        file = Path(bytes.fromhex(path[1].replace("\\x", "")).decode())
        if file.parent != folder or file.name not in FILES or (name == "openat" and "O_CREAT" not in arguments):
            return None
        return Change(file.name, exists=name == "openat")
    file_name = _name(_DESCRIPTOR.match(arguments), folder)
    if file_name is None:
        return None
    if name == "ftruncate":
        return Change(file_name, length=int(re.findall(r", (\d+)", arguments)[0]))
    written = _WRITTEN.match(arguments)
    assert written is not None, f"strace writes what is written: {arguments[:80]}"
    return Change(file_name, bytes.fromhex(written[1].replace("\\x", "")), int(written[2]))


def _name(descriptor: re.Match[str] | None, folder: Path) -> str | None:
    """Return the name of the file that a descriptor is of, as far as it is one of those that are looked at."""
    if descriptor is None:
        return None
    path = Path(bytes.fromhex(descriptor[1].replace("\\x", "")).decode() if "\\x" in descriptor[1] else descriptor[1])
    if path == folder:
        return FOLDER
    return path.name if path.parent == folder and path.name in FILES else None


def states(recorded: Recorded, survivals: int, seed: int, every: int) -> Iterator[tuple[str, float, dict[str, bytes]]]:
    """Yield the files as they would be after a power loss before and behind each ``every``-th sync, and until when.

    With the name of each state comes the time at which the power failed, in unix seconds.
    """
    disk = Disk(recorded.before)
    syncs, last = 0, 0.0
    for call in recorded.calls:
        chosen = call.synced is not None and syncs % every == 0
        if chosen:
            for number in range(survivals + 1):
                chance = random.Random(f"{seed}/{syncs}/{number}") if number else None  # noqa: S311 - a disk's luck
                yield f"before sync {syncs}, survival {number}", last, disk.after_power_loss(chance)
        disk.take(call)
        last = call.at
        if chosen:
            yield f"behind sync {syncs}", last, disk.after_power_loss(None)
        syncs += call.synced is not None


def faults_of(folder: Path, files: dict[str, bytes], acknowledged: Sequence[tuple[Signed, Receipt]]) -> list[str]:
    """Return what is wrong with the files for who was acknowledged this, and with a writer that goes on with them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    url = f"sqlite:///{folder / DATABASE}"
    try:
        with closing(open_database(url)) as database:
            _, faults = check(database, LOG_SIGNER.verifying_key, acknowledged)
            with database.read() as connection:
                whole = connection.execute(text("PRAGMA integrity_check")).scalar_one()
        with recording_into(url) as recording:
            signed = Casework("after").next(int(time.time()))
            judged = recording.validator.validate(signed.submission, int(time.time()))
            assert not isinstance(judged, Duplicate), "the case is new"
            recording.sequencer.submit(judged).result()
    except TallystickError as error:
        return [f"nothing can be recorded any more: {error}"]
    return faults if whole == "ok" else [*faults, f"the file is damaged: {whole}"]


@dataclass(frozen=True)
class CampaignResult:
    """What a campaign came to; ``faults`` is empty if it held."""

    syncs: int
    states: int
    acknowledged: int
    lost_unacknowledged: int  # states that lack entries that the client had not been acknowledged then
    faults: tuple[str, ...]


def campaign(folder: Path, recorded: Recorded, survivals: int, seed: int, every: int = 1) -> CampaignResult:
    """Look at the files after each power loss."""
    syncs = Counter(call.synced for call in recorded.calls if call.synced is not None).total()
    faults_in: dict[tuple[int, int], list[str]] = {}
    faults: list[str] = []
    count = lost = 0
    total = (survivals + 2) * -(-syncs // every)
    for name, at, files in track(states(recorded, survivals, seed, every), "power fails", total=total):
        acknowledged = [(signed, receipt) for when, signed, receipt in recorded.acknowledged if when < at]
        count += 1
        # Most states are those of another moment: what was found of one holds for all.
        state = (hash(tuple(sorted(files.items()))), len(acknowledged))
        if state not in faults_in:
            faults_in[state] = faults_of(folder / "lost", files, acknowledged)
        faults += (f"{name}: {fault}" for fault in faults_in[state])
        lost += len(acknowledged) < len(recorded.acknowledged)
    return CampaignResult(syncs, count, len(recorded.acknowledged), lost, tuple(faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=24)
    parser.add_argument("--kills", type=int, default=6, help="of the writer, at a sync, between its runs")
    parser.add_argument("--survivals", type=int, default=2, help="tries of chance at each sync")
    parser.add_argument("--every", type=int, default=1, help="of the syncs")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if shutil.which("strace") is None:
        print("there is no strace here: apt-get install strace")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-power-") as folder:
        chance = random.Random(args.seed)  # noqa: S311 - moments, not secrets
        recorded = record(Path(folder), args.events, args.kills, chance)
        outcome = campaign(Path(folder), recorded, args.survivals, args.seed, args.every)
    for fault in outcome.faults:
        print(fault)
    verdict = f"{len(outcome.faults)} faults" if outcome.faults else "nothing acknowledged was lost"
    print(
        f"{outcome.syncs} syncs, {outcome.states} losses of power, {outcome.acknowledged} events acknowledged: "
        f"{verdict}; {time.monotonic() - began:.0f} s"
    )
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
