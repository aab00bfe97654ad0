"""Work on what others wrote reaches nothing of the service: no file, no network, no program, no other process."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from ledger.cli.diagnosis import worker_sandbox
from ledger.workers import pool as worker_pool
from ledger.workers import sandbox
from ledger.workers.pool import TooCostly, WorkerPool, WorkFailed, WorkLimits
from ledger.workers.process import OUTCOME, Ending
from ledger.workers.sandbox import NO_FILES, Enforced, Files, Sandbox, enforced
from tests.testkit.attacks import (
    ATTACKS,
    ON_FILES,
    ON_PROCESSES,
    ON_SOCKETS,
    Attack,
    finds_what_it_keeps,
    imported,
    in_thread,
    is_in_memory,
    is_refused,
    make_file,
    open_to_all,
    overwrite_file,
    own_descriptors,
    put_together,
    read_file,
    read_memory_of_process,
    rename_file,
    shorten_file,
    start_program,
    take_more_memory,
    take_shared_memory,
    use_own_files,
)

needs_files = pytest.mark.skipif(not enforced().files, reason="this kernel has no Landlock")
needs_calls = pytest.mark.skipif(not enforced().calls, reason="no calls can be filtered by this kernel, or processor")
BY_FILES = (*ON_FILES, read_memory_of_process)  # attacks that Landlock refuses; the filter refuses the others


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """A worker with nothing loaded."""
    worker = WorkerPool(1, WorkLimits(memory_mb=64), modules=())
    yield worker
    worker.close()


class Targets(NamedTuple):
    """What there is to attack: a folder of the service, and a port on which it listens."""

    place: Path
    port: int


@pytest.fixture
def targets() -> Iterator[Targets]:
    """A folder with a key, and a service that listens: on loopback, in the folder, and under a name in none.

    The paths of pytest's folders are too long for a socket.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as by_file,
        socket.socket(socket.AF_UNIX) as by_name,
    ):
        place, port = Path(folder), listener.getsockname()[1]
        for name in ("key.json", "old"):
            (place / name).write_text("secret", encoding="utf-8")
        by_file.bind(str(place / "listening"))
        by_name.bind(f"\0tallystick-{port}")
        by_file.listen()
        by_name.listen()
        yield Targets(place, port)


def refusals(targets: Targets, *attacks: Attack, enter: Callable[[], None] = lambda: None) -> list[bool]:
    """Attack in a child of this process, once it has called ``enter``, and return of each attack if it was refused."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter()
            os.write(writer, bytes(is_refused(attack, *targets) for attack in attacks))
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as answers:
        return [bool(answer) for answer in answers.read()]


@pytest.mark.parametrize(
    "attack",
    [pytest.param(attack, marks=needs_files if attack in BY_FILES else needs_calls) for attack in ATTACKS],
    ids=lambda attack: attack.__name__,
)
def test_work_reaches_nothing(pool: WorkerPool, targets: Targets, attack: Attack) -> None:
    """What a process of the service can do, its work cannot; and the worker goes on."""
    with pytest.raises(WorkFailed) as failure:
        pool.run(attack, *targets, agency="east")
    assert "PermissionError" in failure.value.__notes__[0]
    assert (targets.place / "key.json").read_text(encoding="utf-8") == "secret"
    assert refusals(targets, attack) == [False]
    assert pool.run(len, "abc", agency="east") == 3


def test_work_opens_its_own_files(pool: WorkerPool, tmp_path: Path) -> None:
    """Those that it is given to read and write, and temporary ones where it may make them."""
    source, target, folder = tmp_path / "source", tmp_path / "target", tmp_path / "folder"
    source.write_text("a table", encoding="utf-8")
    folder.mkdir()
    files = Files(read=(str(source),), write=(str(target),), folder=str(folder), most=7)
    assert pool.run(use_own_files, str(source), str(target), agency="east", files=files) == str(folder)
    assert target.read_text(encoding="utf-8") == "a table"
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@needs_files
def test_work_opens_no_files_of_other_work(pool: WorkerPool, tmp_path: Path) -> None:
    """Neither to read nor to write, and temporary ones only in a folder of its own."""
    source, target, folder = tmp_path / "source", tmp_path / "target", tmp_path / "folder"
    source.write_text("a table", encoding="utf-8")
    folder.mkdir()
    for lacking in (Files(), Files(read=(str(source),)), Files(read=(str(source),), folder=str(folder), most=7)):
        with pytest.raises(WorkFailed) as failure:
            pool.run(use_own_files, str(source), str(target), agency="east", files=lacking)
        assert "PermissionError" in failure.value.__notes__[0] or "No usable temporary" in failure.value.__notes__[0]


@needs_files
@pytest.mark.parametrize("attack", [make_file, overwrite_file, rename_file], ids=lambda attack: attack.__name__)
def test_work_that_writes_a_file_writes_no_other(pool: WorkerPool, targets: Targets, attack: Attack) -> None:
    """So that what it may write is not multiplied, beside its file as elsewhere."""
    files = Files(write=(str(targets.place / "table"),), most=4 * 1024**3)
    with pytest.raises(WorkFailed) as failure:
        pool.run(attack, *targets, agency="east", files=files)
    assert "PermissionError" in failure.value.__notes__[0]


def test_work_reads_what_is_installed(pool: WorkerPool) -> None:
    """A module that nothing has loaded, of the interpreter or of a package, a library that it is linked to, and the
    zones: they are imported where they are needed."""
    names = ("sqlite3", "lzma", "openpyxl", "ledger.core.procedure.zones")
    assert pool.run(imported, *names, agency="east", limits=WorkLimits(memory_mb=256)) == imported(*names)
    noon = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Asia/Urumqi"))
    assert pool.run(datetime.astimezone, noon, ZoneInfo("Asia/Kolkata"), agency="east") == "2026-07-01T11:30:00+05:30"
    assert pool.run(in_thread, agency="east") == 7


def test_work_does_not_answer_for_other_work(pool: WorkerPool) -> None:
    """It has no descriptor of the worker's but the one that its own result goes into: what it writes into the
    standard output is no outcome."""
    kinds = pool.run(own_descriptors, agency="east")
    assert sorted(kinds.values()) == sorted([stat.S_IFCHR] * 3 + [stat.S_IFIFO])
    assert {kinds[number] for number in range(3)} == {stat.S_IFCHR}
    forged = OUTCOME.pack(Ending.DONE, 1, 1.0, 0)
    assert pool.run(os.write, 1, forged, agency="east") == len(forged)
    assert pool.run(len, "abc", agency="east") == 3


@needs_calls
def test_work_cannot_raise_its_limits(pool: WorkerPool) -> None:
    """That of memory holds also for work that asks the kernel for another one, or for memory that none counts."""
    with pytest.raises(TooCostly, match="more than 64 MB of memory"):
        pool.run(take_more_memory, 300 * 1024 * 1024, agency="east")
    assert pool.run(take_more_memory, 1024 * 1024, agency="east") == 1024 * 1024
    with pytest.raises(WorkFailed) as failure:
        pool.run(take_shared_memory, 300 * 1024 * 1024, agency="east")
    assert "PermissionError" in failure.value.__notes__[0]


def test_work_finds_nothing_of_the_work_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what it was given nor what came of it: its process has the memory of the worker, where both passed."""
    # What is freed stays in the worker, as it does in one that is large.
    monkeypatch.setattr(worker_pool, "_FRUGAL", {"MALLOC_TRIM_THRESHOLD_": str(10**9)})
    memory, limits = Files(read=("/proc",)), WorkLimits(memory_mb=256, cpu_s=20)
    pool = WorkerPool(1, WorkLimits(memory_mb=64), modules=())
    try:
        for size in (100, 60_000, 4_000_000):
            first, second, third, fourth = (secrets.token_bytes(16) for _ in range(4))
            rest = bytes(size)
            assert pool.run(len, rest + put_together(first, second), agency="west") == size + 32
            assert not pool.run(is_in_memory, first, second, agency="east", files=memory, limits=limits)
            assert pool.run(put_together, rest + third, fourth, agency="west") == rest + third + fourth
            assert not pool.run(is_in_memory, third, fourth, agency="east", files=memory, limits=limits)
    finally:
        pool.close()


@needs_files
def test_work_does_not_read_its_memory_as_a_file(pool: WorkerPool) -> None:
    """As the work of the test above is let do."""
    with pytest.raises(WorkFailed) as failure:
        pool.run(is_in_memory, b"a", b"b", agency="east")
    assert "PermissionError" in failure.value.__notes__[0]


def test_what_is_in_memory_is_found_there(pool: WorkerPool) -> None:
    """As the test of the work before it looks for it."""
    parts, memory = (secrets.token_bytes(16), secrets.token_bytes(16)), Files(read=("/proc",))
    assert pool.run(finds_what_it_keeps, *parts, agency="east", files=memory) == (False, True)


@needs_files
def test_no_folder_is_readable_because_the_service_was_started_in_it(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the working directory nor a folder of the module path that has more in it than packages."""
    package = targets.place / "sandbox_example"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "part.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(targets.place)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(targets.place), *filter(None, sys.path))))
    pool = WorkerPool(1, WorkLimits(memory_mb=64), modules=("sandbox_example",))
    try:
        assert pool.run(imported, "sandbox_example.part", agency="east") == [str(package / "part.py")]
        with pytest.raises(WorkFailed) as failure:
            pool.run(read_file, *targets, agency="east")
        assert "PermissionError" in failure.value.__notes__[0]
    finally:
        pool.close()


@pytest.mark.parametrize("version", range(1, min(sandbox._abi(), 7) + 1))
def test_older_kernels_are_asked_for_what_they_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int
) -> None:
    """Of each version of Landlock, the rules are of a form that its kernel takes: this one takes them too."""
    monkeypatch.setattr(sandbox, "_abi", lambda: version)
    os.close(sandbox._ruleset(([str(tmp_path)], sandbox._READ | sandbox._WRITE | sandbox._MAKE)))


@pytest.mark.parametrize(
    ("parts", "refused"),
    [
        pytest.param(Enforced(files=True, calls=False), (*BY_FILES, start_program), marks=needs_files),
        pytest.param(
            Enforced(files=False, calls=True),
            (*ON_SOCKETS, *ON_PROCESSES, shorten_file, open_to_all),
            marks=needs_calls,
        ),
    ],
    ids=["files", "calls"],
)
def test_each_part_is_of_use_alone(
    monkeypatch: pytest.MonkeyPatch, targets: Targets, parts: Enforced, refused: tuple[Attack, ...]
) -> None:
    """Where a system has one of the two, that one keeps work from what it can."""
    monkeypatch.setattr(sandbox, "enforced", lambda: parts)
    assert refusals(targets, *refused, enter=lambda: Sandbox().enter(NO_FILES)) == [True] * len(refused)


@pytest.mark.parametrize(
    ("is_there", "result", "detail"),
    [
        (Enforced(files=True, calls=True), "checked", "no other files, networks or programs"),
        (Enforced(files=False, calls=True), "failed", "could reach the files of the service"),
        (Enforced(files=True, calls=False), "failed", "could reach networks and programs"),
    ],
)
def test_doctor_says_what_a_system_lacks(is_there: Enforced, result: str, detail: str) -> None:
    """The finding says what a worker could reach, and what mends it."""
    finding = worker_sandbox(is_there)
    assert (finding.result, detail in finding.detail) == (result, True)
    assert ("Landlock" in finding.mend) == (result == "failed")
