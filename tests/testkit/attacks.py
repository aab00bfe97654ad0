"""What somebody would do who has made a worker his own: each of these is refused in a sandbox, and done outside.

``place`` is a folder of the service with ``key.json`` and the socket ``listening``; at ``port`` a service listens on
loopback, and as ``@tallystick-NUMBER`` on an abstract socket.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib
import mmap
import os
import resource
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread


def read_file(place: Path, _: int) -> None:
    """Read a key of the service."""
    (place / "key.json").read_bytes()


def list_folder(place: Path, _: int) -> None:
    """Look what there is."""
    list(place.iterdir())


def overwrite_file(place: Path, _: int) -> None:
    """Put another key there."""
    (place / "key.json").write_text("mine", encoding="utf-8")


def shorten_file(place: Path, _: int) -> None:
    """Destroy a key without opening its file."""
    os.truncate(place / "key.json", 0)


def make_file(place: Path, _: int) -> None:
    """Leave something."""
    (place / "left").touch()


def rename_file(place: Path, _: int) -> None:
    """Put a file in the place of another."""
    (place / "old").replace(place / "new")


def open_to_all(place: Path, _: int) -> None:
    """Let every user of the machine read a key."""
    (place / "key.json").chmod(0o644)


def connect(_: Path, port: int) -> None:
    """Reach a service on the network."""
    socket.create_connection(("127.0.0.1", port), 5).close()


def listen(_: Path, __: int) -> None:
    """Wait for connections."""
    socket.create_server(("127.0.0.1", 0)).close()


def send_datagram(_: Path, port: int) -> None:
    """Send something out, as a name server would be asked."""
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"key", ("127.0.0.1", port))


def connect_to_socket(place: Path, _: int) -> None:
    """Reach a service by a file, as PostgreSQL, which trusts whoever has the right user."""
    socket.socket(socket.AF_UNIX).connect(str(place / "listening"))


def connect_to_abstract_socket(_: Path, port: int) -> None:
    """Reach a service by a name that is in no folder."""
    socket.socket(socket.AF_UNIX).connect(f"\0tallystick-{port}")


def start_program(_: Path, __: int) -> None:
    """Run a program."""
    subprocess.run(["/bin/true"], check=True)


def start_process(_: Path, __: int) -> None:
    """Go on in a process that outlives the work."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def signal_process(_: Path, __: int) -> None:
    """End the service, or see whether that could be done."""
    os.kill(os.getppid(), 0)


def read_memory_of_process(_: Path, __: int) -> None:
    """Look for keys in the memory of a process of the same user."""
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def limit_process(_: Path, __: int) -> None:
    """End the service by a limit of its computing time, or see whether that could be done."""
    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, resource.prlimit(os.getppid(), resource.RLIMIT_CPU))


def slow_process_down(_: Path, __: int) -> None:
    """Let everything else come before the service."""
    os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, os.getppid()))


def signal_process_by_pipe(_: Path, __: int) -> None:
    """Let the kernel signal the service when a pipe has something to read."""
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, os.getppid())
    finally:
        os.close(reader)
        os.close(writer)


def share_memory(_: Path, __: int) -> None:
    """Make memory that other processes of the user can reach, and look for theirs."""
    libc = ctypes.CDLL(None, use_errno=True)
    shared = libc.shmget(0, 4096, 0o1600)
    if shared < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    libc.shmctl(shared, 0, None)


Attack = Callable[[Path, int], None]
ON_FILES: tuple[Attack, ...] = (read_file, list_folder, overwrite_file, shorten_file, make_file, rename_file)
ON_SOCKETS: tuple[Attack, ...] = (connect, listen, send_datagram, connect_to_socket, connect_to_abstract_socket)
ON_PROCESSES: tuple[Attack, ...] = (
    start_program,
    start_process,
    signal_process,
    signal_process_by_pipe,
    limit_process,
    slow_process_down,
    share_memory,
)
ATTACKS: tuple[Attack, ...] = (*ON_FILES, *ON_SOCKETS, *ON_PROCESSES, open_to_all, read_memory_of_process)


def is_refused(attack: Attack, place: Path, port: int) -> bool:
    """Attack, and return whether that is refused."""
    try:
        attack(place, port)
    except PermissionError:
        return True
    return False


def take_more_memory(size: int) -> int:
    """Raise the limit of memory, if that can be done, and take some."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return len(bytearray(size))


def take_shared_memory(size: int) -> int:
    """Take memory of the kind that is shared with nobody, and counted for nobody."""
    with mmap.mmap(-1, size) as shared:
        for place in range(0, size, mmap.PAGESIZE):
            shared[place] = 1
    return size


def go_on_in_silence() -> None:
    """Close every pipe, as work does that ends, and do not end."""
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    time.sleep(600)


def own_descriptors() -> dict[int, int]:
    """Return the kinds (the mode's upper bits) of the descriptors that are open, by their numbers."""
    kinds: dict[int, int] = {}
    for descriptor in range(os.sysconf("SC_OPEN_MAX")):
        with suppress(OSError):
            kinds[descriptor] = stat.S_IFMT(os.fstat(descriptor).st_mode)
    return kinds


def use_own_files(source: str, target: str) -> str:
    """Copy a file, by way of a temporary one; return the folder that this one was in."""
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(Path(source).read_bytes())
        copy.flush()
        Path(target).write_bytes(Path(copy.name).read_bytes())
    return str(Path(copy.name).parent)


def imported(*names: str) -> list[str]:
    """Import modules that nothing has loaded yet, and return where they are."""
    return [str(importlib.import_module(name).__file__) for name in names]


def in_thread() -> int:
    """Return a number out of another thread, as a query's time limit is one."""
    answers: list[int] = []
    thread = Thread(target=answers.append, args=(7,))
    thread.start()
    thread.join()
    return answers[0]


def put_together(first: bytes, second: bytes) -> bytes:
    """Return the parts in one piece, which they were in nowhere before."""
    return first + second


def is_in_memory(first: bytes, second: bytes) -> bool:
    """Return whether these parts stand in one piece in the memory that this process has written or inherited."""
    with Path("/proc/self/maps").open(encoding="utf-8") as maps, Path("/proc/self/mem").open("rb", 0) as memory:
        for line in maps:
            place, modes, *_, name = f"{line.rstrip()} ".split(" ")
            if not modes.startswith("rw") or name.startswith("[v"):
                continue
            begin, end = (int(number, 16) for number in place.split("-"))
            memory.seek(begin)
            content = memory.read(end - begin)
            at = content.find(first)
            while at >= 0:
                if content[at + len(first) : at + len(first) + len(second)] == second:
                    return True
                at = content.find(first, at + 1)
    return False


def finds_what_it_keeps(first: bytes, second: bytes) -> tuple[bool, bool]:
    """Return whether the parts are found in one piece before there is one, and while there is."""
    before, kept = is_in_memory(first, second), put_together(first, second)
    return before, is_in_memory(first, second) and bool(kept)
