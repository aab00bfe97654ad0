"""A worker process: does one piece of work after the other, each in a child process with limits of memory and time,
and in a sandbox.

It has the needed modules loaded and made ready, and no threads of its own, so that a child can be forked in
milliseconds and begin at once. A child's memory is freed when it ends, and with it whatever its work has changed:
the next child is forked of the process as it was. Started by ``ledger.workers.pool`` as
``python -P -m ledger.workers.process MODULE[:FUNCTION]...``; jobs come in on standard input, outcomes go out on
standard output. What others wrote is read in the children alone.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum

from ledger.core.errors import TallystickError
from ledger.workers.results import MOST_CHARACTERS, TooManyValues, declared, encode_result
from ledger.workers.sandbox import Sandbox

# Bytes of the pickled (function, arguments, files); then memory in bytes, CPU seconds, seconds, bytes of the result and
# how many values it may have.
JOB = struct.Struct(">QQIdQQ")
# Ending, peak memory of the child in KiB, CPU seconds, bytes of the encoded result.
OUTCOME = struct.Struct(">BQdQ")
CHUNK = 1 << 16
OPEN_FILES = 64
RESERVE = 4 << 20  # bytes of memory for the report of an error
PAUSE_S = 0.0002
_ZEROS = bytes(CHUNK)


class Ending(IntEnum):
    """How a piece of work ended. The result of REFUSED is one of our errors, that of FAILED a traceback's text."""

    DONE = 0
    REFUSED = 1
    FAILED = 2
    NO_MEMORY = 3
    NO_TIME = 4
    TOO_LARGE = 5
    TOO_MANY = 6
    LARGE_FILE = 7


def main(modules: Sequence[str]) -> None:
    """Load the modules, call the function that makes one ready if it is named, and work until standard input ends.

    Such a function returns the files and folders that work of its module reads beside the packages.
    """
    needed: list[str] = []
    for name in modules:
        module, _, function = name.partition(":")
        loaded = importlib.import_module(module)
        if function:
            needed += getattr(loaded, function)()
    sandbox = Sandbox(needed)
    while header := _read(JOB.size):
        size, memory, cpu_s, seconds, most, values = JOB.unpack(header)
        job = _read(size)
        _work(job, sandbox, memory=memory, cpu_s=cpu_s, seconds=seconds, most=most, values=values)


def _work(job: bytearray, sandbox: Sandbox, *, memory: int, cpu_s: int, seconds: float, most: int, values: int) -> None:
    """Do the work in a child, write its outcome, and keep nothing of either: the next child has what is left here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        ending = Ending.FAILED
        try:
            _leave_pipes()
            _limit(memory, cpu_s)
            ending, result = _outcome(job, sandbox, values)
            _write(writer, result)
        except MemoryError:  # for the report of an error, too
            ending = Ending.NO_MEMORY
        finally:
            os._exit(ending)  # in any case
    os.close(writer)
    _clear(job)
    deadline = time.monotonic() + seconds
    ending, parts = _gathered(reader, deadline, most)
    os.close(reader)
    # Work that has closed its pipe need not have ended.
    while ending is Ending.DONE and not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            ending = Ending.NO_TIME
        time.sleep(PAUSE_S)
    if ending is not Ending.DONE:
        os.kill(child, signal.SIGKILL)
        ended = os.wait4(child, 0)
    _, status, usage = ended
    if ending is Ending.DONE:
        ending = _ending_of(status)
    used = usage.ru_utime + usage.ru_stime
    sent = parts if ending in (Ending.DONE, Ending.REFUSED, Ending.FAILED) else []
    _write(1, OUTCOME.pack(ending, usage.ru_maxrss, used, sum(map(len, sent))))
    for part in sent:
        _write(1, part)
    _clear(*parts)


def _ending_of(status: int) -> Ending:
    """Return the ending for a child's exit status.

    Native code that gets no memory aborts the process, or reads invalid memory.
    """
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        return Ending(code) if code in [*Ending] else Ending.FAILED
    by_limit: dict[int, Ending] = {signal.SIGXCPU: Ending.NO_TIME, signal.SIGXFSZ: Ending.LARGE_FILE}
    return by_limit.get(os.WTERMSIG(status), Ending.NO_MEMORY)


def _gathered(reader: int, deadline: float, most: int) -> tuple[Ending, list[memoryview]]:
    """Return what the child writes until it ends, in whole chunks and the beginning of one."""
    chunks, size = [memoryview(bytearray(CHUNK))], 0
    while size <= most:
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return Ending.NO_TIME, chunks
        at = size % CHUNK
        if size and not at:
            chunks.append(memoryview(bytearray(CHUNK)))
        if not (count := os.readv(reader, [chunks[-1][at:]])):
            return Ending.DONE, [*chunks[: size // CHUNK], chunks[-1][:at]]
        size += count
    return Ending.TOO_LARGE, chunks


# -- in the child ------------------------------------------------------------------------------------------------------


def _leave_pipes() -> None:
    """Put nothing in the place of the pipes to the service: by them one piece of work could answer for the next."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in (0, 1):
        os.dup2(nothing, pipe)
    os.close(nothing)


def _limit(memory: int, cpu_s: int) -> None:
    """Set the limits, for good. Memory is counted beyond that of the process before its work: private and written
    pages.
    """
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - no more modules than these
        data = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (data + memory + RESERVE,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def _outcome(job: bytearray, sandbox: Sandbox, values: int) -> tuple[Ending, bytes | memoryview]:
    reserve = mmap.mmap(-1, RESERVE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        function, arguments, files = pickle.loads(job)  # noqa: S301 - our own, from the service
        # A file that grows too large ends the process, whichever library writes it; the interpreter ignores the signal.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (files.most, files.most))
        sandbox.enter(files)
        try:
            result = function(*arguments)
            # A file needs no reading: the service takes it for what it is, bytes that anybody may have made.
            return Ending.DONE, memoryview(result) if declared(function) is bytes else encode_result(result, values)
        except TallystickError as error:
            reserve.close()
            return Ending.REFUSED, encode_result(error, values)
    except MemoryError:
        return Ending.NO_MEMORY, b""
    except TooManyValues:
        return Ending.TOO_MANY, b""
    except BaseException as error:  # noqa: BLE001 - the border of the process
        reserve.close()
        return Ending.FAILED, encode_result("".join(traceback.format_exception(error))[-MOST_CHARACTERS:], values)


# -- pipes -------------------------------------------------------------------------------------------------------------


def _read(size: int) -> bytearray:
    """Read ``size`` bytes from standard input; return none if it has ended."""
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        if not (count := os.readv(0, [rest])):
            return bytearray()
        rest = rest[count:]
    return data


def _write(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _clear(*buffers: bytearray | memoryview) -> None:
    """Overwrite what is in the buffers, in place."""
    for buffer in buffers:
        view = memoryview(buffer)
        for begin in range(0, len(view), CHUNK):
            part = view[begin : begin + CHUNK]
            part[:] = _ZEROS[: len(part)]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it by closing its standard input
    with suppress(BrokenPipeError):
        main(sys.argv[1:])
