"""The sandbox of a piece of work: what a process can no longer reach once it works on what others wrote.

Landlock takes from a process, for good, the right to open files that it does not need; a filter of system calls
(seccomp) takes from it sockets, programs and other processes. Neither needs a privilege. Where the kernel has only one
of them, that is used; where it has none, the limits of memory and time are all there is. ``enforced`` says which.
"""

from __future__ import annotations

import ctypes
import errno
import mimetypes
import os
import platform
import site
import stat
import sys
import sysconfig
import tempfile
import zoneinfo
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct

# -- Landlock, as linux/landlock.h has it: the numbers of its system calls are the same on every architecture ----------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_OF_ABI, _RULE_PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
_READ, _WRITE, _MAKE = _READ_FILE | _READ_DIR, _WRITE_FILE | _TRUNCATE, _REMOVE_FILE | _MAKE_REG
_OWN: Final = "/proc/self/"
_OF_A_FILE: Final = _READ_FILE | _WRITE_FILE | _TRUNCATE
# The rights to files that each version of the ABI can take away: all up to this one. To execute is the first of them.
_RIGHTS_TO_FILES = {1: 1 << 12, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
# What the filter of system calls takes as well, where there is one: to bind and connect TCP, to reach abstract sockets
# and to signal processes outside; with the versions that have it.
_TCP, _ABI_OF_TCP = 0b11, 4
_OUTSIDE, _ABI_OF_OUTSIDE = 0b11, 6

# -- prctl and seccomp -------------------------------------------------------------------------------------------------

_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_FOREIGN: Final = 0x40000000  # from here on the numbers are those of another interface of the same processor
_CLONE_THREAD: Final = 0x00010000
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# The numbers of system calls on these two; 0 where there is none.
_CLONE: Final = (56, 220)
_FCNTL: Final = (72, 25)
_PRLIMIT: Final = (302, 261)
_MMAP: Final = (9, 222)
_SHARED_MEMORY: Final = 0x21  # of mmap: shared, and of no file
_SET_OWNER, _SET_SIGNAL, _SET_OWNER_EX = 8, 10, 15  # of fcntl: which signal a process gets when a pipe has data
_CLONE3, _FIRST_UNKNOWN = 435, 463  # newer calls have one number everywhere
_REFUSED: Final = {
    # sockets; io_uring opens them too
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    # processes and programs; threads are made by clone
    "fork": (57, 0),
    "vfork": (58, 0),
    "execve": (59, 221),
    "execveat": (322, 281),
    # the memory and the descriptors of other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    # signals; a process that aborts ends all the same
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    # limits, priorities and places in the machine, also of other processes: a limit of computing time ends a service
    "setrlimit": (160, 164),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # memory that no limit counts; memory, queues and keys that all processes of a user share, and no path leads to
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # rights in a world of its own, which open more of the kernel to attack
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # the machine and its clock, where the service is root
    "mount": (165, 40),
    "reboot": (169, 142),
    "adjtimex": (159, 171),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    # lengths, modes, owners, attributes and times of files: Landlock leaves them, or did so until its version 3
    "truncate": (76, 45),
    "chmod": (90, 0),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, 0),
    "fchown": (93, 55),
    "lchown": (94, 0),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, 0),
    "utimes": (235, 0),
    "futimesat": (261, 0),
    "utimensat": (280, 88),
}


class Enforced(NamedTuple):
    """Whether work is kept from ``files`` that are not its own, and from the ``calls`` by which it would reach sockets,
    programs and processes."""

    files: bool
    calls: bool


class Files(Struct, frozen=True):
    """The files that a piece of work may open beside those that any work may read.

    ``read`` are files, and folders with all that is in them; ``write`` are files, made if they are not there; in
    ``folder`` it may make temporary files. None of those that it writes becomes larger than ``most`` bytes.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    folder: str | None = None
    most: int = 0


NO_FILES: Final = Files()


class SandboxRefused(OSError):
    """The kernel has what a sandbox is made of, and refused to make one."""


@cache
def enforced() -> Enforced:
    """Return what the sandbox of a piece of work consists of on this machine."""
    return Enforced(_abi() > 0, _has_filters())


class Sandbox:
    """The sandbox of each child of a process, prepared before there is one: what it reads beside its own files is
    interpreter, packages, time zones, and the ``further`` files and folders, which may be in ``/proc/self``.

    No working directory is among them, nor a folder on the module path that has more than packages in it, such as a
    clone in which somebody keeps a ledger: of these only the packages that were imported.
    """

    def __init__(self, further: Iterable[str] = ()):
        further = tuple(further)
        self._own = tuple(path for path in further if path.startswith(_OWN))
        self._readable = _readable(path for path in further if not path.startswith(_OWN))
        self._rules = _ruleset((self._readable, _READ)) if enforced().files and not self._own else None
        self._filter = _call_filter() if enforced().calls else None

    def enter(self, files: Files) -> None:
        """Give up, for good, all that ``enforced`` names: afterwards this process opens no other file.

        Requires a child without threads. Raises SandboxRefused if the kernel does not do what it said that it can, and
        OSError if there is no such file.
        """
        for path in files.write:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if files.folder is not None:
            tempfile.tempdir = files.folder
        if any(enforced()):
            _called(_libc().prctl(_NO_NEW_PRIVS, 1, None, 0, 0))
        if enforced().files:
            own = [os.open(path, os.O_PATH) for path in self._own]  # open: the kernel must not forget which they are
            rules = self._rules if self._rules is not None and files == NO_FILES else self._with(files, own)
            _called(_libc().syscall(_RESTRICT_SELF, rules, 0))
            # Whoever holds what was prepared could add to it, for the next child.
            for descriptor in {self._rules or rules, rules}:
                os.close(descriptor)
        if self._filter is not None:
            _called(_libc().prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(self._filter), 0, 0))

    def _with(self, files: Files, own: Iterable[int]) -> int:
        folder = () if files.folder is None else (files.folder,)
        written = ((files.write, _READ | _WRITE), (folder, _READ | _WRITE | _MAKE))
        rules = _ruleset(((*self._readable, *files.read), _READ), *written)
        for descriptor in own:
            _allow(rules, descriptor, _READ)
        return rules


def _readable(further: Iterable[str]) -> tuple[str, ...]:
    paths: set[str] = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    paths.update({*site.getsitepackages(), site.getusersitepackages()} & {*sys.path})
    for name, module in list(sys.modules.items()):
        if "." not in name and name != "__main__":
            with suppress(TypeError):  # a module of the interpreter itself is in no file
                paths.update(map(str, getattr(module, "__path__", None) or [getattr(module, "__file__", None) or ""]))
    paths.update(_library_folders())
    paths.update((*zoneinfo.TZPATH, *map(str, mimetypes.knownfiles), "/etc/localtime", "/dev/urandom", "/dev/null"))
    real = {str(Path(path).resolve()) for path in (*paths, *further) if path and os.access(path, os.R_OK)}
    # What lies in another one of them needs no rule of its own.
    return tuple(sorted(path for path in real if not any(path.startswith(f"{folder}{os.sep}") for folder in real)))


# -- files -------------------------------------------------------------------------------------------------------------


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("outside", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def _ruleset(*allowed: tuple[Iterable[str], int]) -> int:
    """Return the descriptor of what leaves a process these rights to these paths, and to no others."""
    abi = _abi()
    handled = 2 * max(highest for version, highest in _RIGHTS_TO_FILES.items() if version <= abi) - 1
    has_tcp, has_outside = abi >= _ABI_OF_TCP, abi >= _ABI_OF_OUTSIDE
    attributes = _Ruleset(handled, _TCP if has_tcp else 0, _OUTSIDE if has_outside else 0)
    size = 24 if has_outside else 16 if has_tcp else 8  # an older kernel takes no field that it does not know
    ruleset = _called(_libc().syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0))
    for paths, rights in allowed:
        for path in paths:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                _allow(ruleset, descriptor, rights & handled)
            finally:
                os.close(descriptor)
    return ruleset


def _allow(ruleset: int, descriptor: int, rights: int) -> None:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _OF_A_FILE
    rule = _PathBeneath(rights, descriptor)
    _called(_libc().syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))


@cache
def _abi() -> int:
    """Return the version of Landlock's ABI, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_OF_ABI)))


def _library_folders() -> Iterator[str]:
    """Yield the folders of the C library, in which modules find the libraries that they are linked to."""
    with suppress(OSError), Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = Path("/", line.partition("/")[2].rstrip("\n"))
            if path.name.startswith(("libc.so.", "libc.musl-", "ld-musl-")):
                yield str(path.parent)


# -- system calls ------------------------------------------------------------------------------------------------------


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def _call_filter() -> _Program:
    place = [*_ARCHITECTURES].index(platform.machine())
    architecture = _ARCHITECTURES[platform.machine()]
    steps = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    steps += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _FOREIGN), (_RETURN, 0, 0, _KILL)]
    # What is newer than this list is no call at all, as on an older kernel.
    steps += [(_AT_LEAST, 0, 1, _FIRST_UNKNOWN), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    # Without the newer call that makes threads, the C library makes them by the one whose flags a filter can read.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    for number in filter(None, (numbers[place] for numbers in _REFUSED.values())):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    # Of four calls the arguments decide; each has eight bytes, the lower four first.
    steps += [(_EQUAL, 0, 4, _CLONE[place]), (_LOAD, 0, 0, _ARGUMENTS_AT), (_ANY_BIT, 1, 0, _CLONE_THREAD)]
    steps += [(_RETURN, 0, 0, _FAIL | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    steps += [(_EQUAL, 0, 6, _FCNTL[place]), (_LOAD, 0, 0, _ARGUMENTS_AT + 8)]
    steps += [(_EQUAL, 2, 0, _SET_OWNER), (_EQUAL, 1, 0, _SET_SIGNAL), (_EQUAL, 0, 1, _SET_OWNER_EX)]
    steps += [(_RETURN, 0, 0, _FAIL | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    # The limit of memory counts what is private alone.
    steps += [(_EQUAL, 0, 5, _MMAP[place]), (_LOAD, 0, 0, _ARGUMENTS_AT + 24), (_MASK, 0, 0, _SHARED_MEMORY)]
    steps += [(_EQUAL, 0, 1, _SHARED_MEMORY), (_RETURN, 0, 0, _FAIL | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    # To ask for one's own limits is no harm: process 0, and no new limit (the third argument).
    steps += [(_EQUAL, 1, 0, _PRLIMIT[place]), (_RETURN, 0, 0, _ALLOW)]
    for argument in (_ARGUMENTS_AT, _ARGUMENTS_AT + 16, _ARGUMENTS_AT + 20):
        steps += [(_LOAD, 0, 0, argument), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    steps += [(_RETURN, 0, 0, _ALLOW)]
    return _Program(len(steps), (_Instruction * len(steps))(*(_Instruction(*step) for step in steps)))


@cache
def _has_filters() -> bool:
    """Return whether system calls can be filtered here, by numbers that we know."""
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES or sys.maxsize < 2**32:
        return False
    # Without a filter it fails in any case: as a bad address where there are filters.
    return _libc().prctl(_SET_SECCOMP, _MODE_FILTER, None, 0, 0) < 0 and ctypes.get_errno() == errno.EFAULT


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    return libc


def _called(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise SandboxRefused(number, os.strerror(number))
    return result
