"""Files on their way into the evidence store, hashed, encrypted and written, and out of it, read and verified."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Literal

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, new_hasher
from ledger.core.errors import IntegrityBroken, MalformedInput, Unavailable
from ledger.evidence.file_encryption import (
    CHECK,
    KEY,
    SEGMENT,
    TAG,
    folder_of,
    object_of,
    open_segment,
    seal_segment,
    segment_count,
)
from ledger.storage.objects import Objects
from ledger.store.evidence_files import StoredFile

# Files at once in this process, and of one agency, which cannot keep all others out.
MOST_ARRIVING, ARRIVING_OF_AGENCY = 8, 3  # each with up to three segments in memory
MOST_LEAVING, LEAVING_OF_AGENCY = 16, 6  # each with up to two segments in memory


class StoreLimits(Struct, frozen=True):
    """How many bytes a file may have, and all files that officers of one agency gave."""

    file: int
    agency: int


class Room(Struct, frozen=True):
    """The bytes that the files of an agency may have, and those that they have."""

    agency: str
    limit: int
    used: int

    def require(self, size: int) -> None:
        """Raise MalformedInput (quota_exceeded) unless there is room for ``size`` bytes more."""
        if self.used + size > self.limit:
            raise MalformedInput(
                "{agency} may keep {limit} bytes here and has {used}: there is no room for {size} more",
                agency=self.agency,
                limit=self.limit,
                used=self.used,
                size=size,
                field="file",
                code="quota_exceeded",
                hint="The operator may set max_evidence_bytes_of_agency higher.",
            )


class FilePlaces:
    """Places for ``most`` files at once, ``of_agency`` of them for one agency. Safe to use from several threads.

    ``way`` is that of the files, which a refusal tells: into the store, or out of it.
    """

    def __init__(self, way: Literal["in", "out"], most: int, of_agency: int):
        self.way = way
        self.most = most
        self.of_agency = of_agency
        self._taken = Counter[str]()
        self._lock = Lock()

    @property
    def taken(self) -> int:
        """Return how many are taken."""
        return self._taken.total()

    @contextmanager
    def place(self, agency: str) -> Iterator[None]:
        """Take a place for a file of an agency until the block is left. Raises Unavailable if there is none."""
        with self._lock:
            if self._taken[agency] >= self.of_agency:
                raise self._full_for(agency)
            if self._taken.total() >= self.most:
                raise self._full()
            self._taken[agency] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[agency] -= 1

    def _full_for(self, agency: str) -> Unavailable:
        if self.way == "in":
            return Unavailable(
                "{agency} is giving {most} files already",
                agency=agency,
                most=self.of_agency,
                code="busy",
                hint="Wait until one of them has arrived.",
            )
        return Unavailable(
            "{agency} is taking {most} files already",
            agency=agency,
            most=self.of_agency,
            code="busy",
            hint="Wait until one of these downloads has ended.",
        )

    def _full(self) -> Unavailable:
        if self.way == "in":
            return Unavailable(
                "{most} files are being given already", most=self.most, code="busy", hint="Try again in a minute."
            )
        return Unavailable(
            "{most} files are being taken already", most=self.most, code="busy", hint="Try again in a minute."
        )


class OpenFile(Struct, frozen=True):
    """A file that is read. ``size`` is in bytes."""

    objects: Objects
    stored: StoredFile
    file_key: bytes
    require_mark: Callable[[], None]

    @property
    def size(self) -> int:
        return self.stored.size

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``end``, each verified to be of this file and this place.

        Raises IntegrityBroken (file_missing, file_damaged), and Unavailable if the storage is away, or with the code
        file_unreadable if it answers and does not give this file.
        """
        end = self.size if end is None else min(end, self.size)
        last = segment_count(self.size) - 1
        for number in range(start // SEGMENT, last + 1):
            begin = number * SEGMENT
            if begin >= end and number > 0:
                return
            segment = self._segment(number, is_last=number == last)
            yield segment[max(0, start - begin) : end - begin]

    def _segment(self, number: int, *, is_last: bool) -> bytes:
        expected = self.size - number * SEGMENT if is_last else SEGMENT
        sealed = self._sealed(object_of(self.stored.name, number), expected + TAG)
        if sealed is None:
            self.require_mark()
            raise IntegrityBroken(
                "the evidence store has lost a part of the file {digest}",
                digest=self.stored.digest,
                code="file_missing",
                hint=CHECK,
            )
        segment = open_segment(self.file_key, number, sealed, is_last=is_last)
        if segment is None or len(segment) != expected:
            raise IntegrityBroken(
                "a part of the file {digest} in the evidence store was changed",
                digest=self.stored.digest,
                code="file_damaged",
                hint=CHECK,
            )
        return segment

    def _sealed(self, name: str, size: int) -> bytes | None:
        """Return an object of ``size`` bytes, None if it is missing, and nothing if it is larger or no file.

        Raises Unavailable: with the code file_unreadable if it is this object alone that cannot be read.
        """
        for is_again in (False, True):
            try:
                return self.objects.read(name, size)
            except IntegrityBroken:
                return b""
            except Unavailable as error:
                self.require_mark()  # raises if the storage is away
                if is_again:
                    raise Unavailable(
                        "a part of the file {digest} in the evidence store cannot be read",
                        digest=self.stored.digest,
                        code="file_unreadable",
                        hint=CHECK,
                    ) from error
        raise AssertionError("the second time returns or raises")


class Arrival:
    """A file that arrives: hashed, encrypted and written piece by piece; at most three segments are in memory.

    ``wanted`` is the digest that it must have. With ``stored``, the store has the file: what arrives is only hashed.
    ``room`` is that of the agency that gives it, None if it takes no more of it; no file may have more bytes than
    ``limit``. ``mark`` is called before anything is written to ``objects``.
    """

    def __init__(
        self,
        objects: Objects,
        wanted: Digest,
        stored: StoredFile | None,
        room: Room | None,
        *,
        limit: int,
        mark: Callable[[], None],
    ):
        self._objects = objects
        self._mark = mark
        self._limit = limit
        self._wanted = wanted
        self._room = room
        self.stored = stored
        self.file_key = secrets.token_bytes(KEY)
        self.name = folder_of(self.file_key, str(wanted))
        self._hashers = {algorithm: new_hasher(algorithm) for algorithm in _algorithms(wanted)}
        self._waiting: list[bytes | memoryview] = []
        self._waiting_size = 0
        self.written = 0  # segments
        self.may_be_kept = False  # once a transaction has begun that keeps it
        self.size = 0

    def require_room(self, size: int) -> None:
        """Raise MalformedInput (file_too_large, quota_exceeded) if it may not have ``size`` bytes."""
        if size > self._limit:
            raise MalformedInput(
                "expected a file of at most {limit} bytes",
                limit=self._limit,
                field="file",
                code="file_too_large",
                hint="The operator may set max_evidence_bytes higher.",
            )
        if self._room is not None:
            self._room.require(size)

    def take(self, piece: bytes) -> None:
        """Add bytes. Raises what ``require_room`` does, and Unavailable if the storage does not answer."""
        self.size += len(piece)
        self.require_room(self.size)
        for hasher in self._hashers.values():
            hasher.update(piece)
        if self.stored is not None:
            return
        self._waiting.append(piece)
        self._waiting_size += len(piece)
        # The last segment is encrypted as such, so one is held back.
        while self._waiting_size > SEGMENT:
            joined = memoryview(b"".join(self._waiting))
            self._write(joined[:SEGMENT], is_last=False)
            self._waiting, self._waiting_size = [joined[SEGMENT:]], len(joined) - SEGMENT

    def finish(self) -> tuple[Digest, ...]:
        """Write the rest and return the digests, BLAKE3 first.

        Raises MalformedInput (digest_differs) if it is another file than the one that was wanted.
        """
        digests = tuple(Digest(algorithm, hasher.digest()) for algorithm, hasher in self._hashers.items())
        received = next(digest for digest in digests if digest.algorithm is self._wanted.algorithm)
        if received != self._wanted:
            raise MalformedInput(
                "expected the file with the digest {wanted}, received {size} bytes with {received}",
                wanted=self._wanted,
                size=self.size,
                received=received,
                field="file",
                code="digest_differs",
                hint="Send the file that was registered, whole and as it was then.",
            )
        if self.stored is None:
            self._write(b"".join(self._waiting), is_last=True)
            self._waiting.clear()
        return digests

    def _write(self, segment: bytes | memoryview, *, is_last: bool) -> None:
        number = self.written
        if number == 0:
            self._mark()
        sealed = seal_segment(self.file_key, number, segment, is_last=is_last)
        self.written += 1  # before it is: what was cut off is discarded, too
        self._objects.create(object_of(self.name, number), sealed)


def _algorithms(wanted: Digest) -> tuple[Algorithm, ...]:
    return tuple(dict.fromkeys((Algorithm.BLAKE3, Algorithm.SHA256, wanted.algorithm)))
