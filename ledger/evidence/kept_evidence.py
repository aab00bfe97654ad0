"""The evidence store of a service: files of items, encrypted, in a folder or a bucket.

Files are encrypted (``file_encryption``) as they arrive (``transfers``), under keys of their own that stand in the
database: whoever has the storage alone reads nothing.

The object ``ledger`` has the id of the ledger: a storage without it, as a disk that is not mounted, is away rather than
empty, and one with another id is of another ledger.

An object is written once and never overwritten. What a killed upload has left is read by nobody, and reported and
removed by a check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import Struct, structs

from ledger.config.installation import DataDirectory
from ledger.config.keys import KeyRefused, create_keystore
from ledger.config.settings import Settings
from ledger.core.encoding.digests import Algorithm, Digest, new_hasher, parse_digest
from ledger.core.errors import Conflict, IntegrityBroken, Unavailable
from ledger.core.messages import Message
from ledger.evidence.file_encryption import FOLDER, StoreKey, open_store_key, place_of
from ledger.evidence.transfers import (
    ARRIVING_OF_AGENCY,
    LEAVING_OF_AGENCY,
    MOST_ARRIVING,
    MOST_LEAVING,
    Arrival,
    FilePlaces,
    OpenFile,
    Room,
    StoreLimits,
)
from ledger.storage.objects import PRIVATE_FOLDER, Objects, disk_errors, make_folders, objects_at, storage_of
from ledger.store import evidence_files, log
from ledger.store.activity import Failure, failure_of
from ledger.store.append import mark_erased
from ledger.store.database import Connection, Database
from ledger.store.evidence_files import ItemFile, StoredFile

ARRIVES_WITHIN_S: Final = 24 * 3600  # between two segments of a file that is still arriving
KEY_NAME = "evidence"  # of its key file
MARK = "ledger"  # the object that says of which ledger the store is
MOST_OF_MARK: Final = 1024  # bytes

FileCondition = Literal["intact", "damaged", "missing", "unreadable"]  # in which a file was when it was hashed again
# All that is told of files.
FileState = Literal[FileCondition, "gone", "surplus", "arriving", "to_delete", "unverifiable"]


def require_own_files(connection: Connection, key: StoreKey) -> None:
    """Raise KeyRefused if the store, or a file in it, has another key than this."""
    if others := _key_ids(connection) - {key.key_id}:
        raise KeyRefused(
            "files of the evidence store are under the key {other}, not under {key.key_id}",
            other=min(others),
            key=key,
            field="key",
            hint="Restore the file evidence.json in keys/ of the same backup as the database, or copy it from the "
            "service that shares the database; if a rotation was cut short, end it: tally key rotate evidence",
        )


def _key_ids(connection: Connection) -> set[str]:
    own = evidence_files.key_of_store(connection)
    return evidence_files.key_ids(connection) | (set() if own is None else {own})


class StoreFinding(Struct, frozen=True):
    """What is wrong with a file (by its digest), or with a folder of objects that belongs to none (by its name).

    ``fault`` is ``missing``, ``damaged`` or ``unreadable`` for a file, ``surplus`` for a folder; of a folder to which
    something was written within a day it is ``arriving``: that may be an upload under way, and is no fault. Nor is
    ``to_delete``, a folder that the service is going to delete. While a row about files is not as the service wrote it,
    ``unverifiable`` is it and every folder of no file.
    """

    fault: Literal["missing", "damaged", "unreadable", "surplus", "arriving", "to_delete", "unverifiable"]
    subject: str
    detail: Message | None = None


def _of_item(connection: Connection, kept: ItemFile, digest: str) -> ItemFile | None:
    of_item = evidence_files.of_item(connection, kept.case_id, kept.item_id)
    return next((each for each in of_item if each.digest == digest), None)


def require_mark(objects: Objects, log_id: bytes, *, may_be_new: bool = False) -> None:
    """Require that the storage is the one that was written to, which it need not be because it answers.

    Raises Unavailable if it has nothing of this store, unless that ``may_be_new``, and Conflict if it is another's.
    """
    try:
        mark = objects.read(MARK, MOST_OF_MARK)
    except IntegrityBroken:
        mark = b""  # of whatever it is, of this ledger it is not
    if mark is None and not may_be_new:
        raise Unavailable(
            "the evidence store is not where it was: there is nothing of it",
            code="store_unavailable",
            hint="Is the disk mounted, and does evidence_store name the same folder, bucket and prefix as before?",
        )
    if mark not in (None, log_id.hex().encode()):
        raise Conflict(
            "the evidence store is that of another ledger",
            code="store_refused",
            field="evidence_store",
            hint="Name another folder, bucket or prefix; what is there is left as it is.",
        )


@dataclass(eq=False, repr=False)
class KeptEvidence:
    """The evidence store. ``clock`` returns unix milliseconds; ``fault`` is what the last ``look`` showed."""

    database: Database
    objects: Objects
    key: StoreKey
    limits: StoreLimits
    clock: Callable[[], int]
    arriving: FilePlaces = field(default_factory=lambda: FilePlaces("in", MOST_ARRIVING, ARRIVING_OF_AGENCY))
    leaving: FilePlaces = field(default_factory=lambda: FilePlaces("out", MOST_LEAVING, LEAVING_OF_AGENCY))
    fault: Failure | None = field(default=None, init=False)

    def expect(self, wanted: Digest, stored: StoredFile | None, *, agency: str | None = None) -> Arrival:
        """Return what takes the bytes of a file that is to have this digest; ``stored`` if the store has the file.

        They are judged by the room of the ``agency`` that gives it, unless it is None.
        """
        room = None
        if agency is not None:
            with self.database.read() as connection:
                room = self._room(connection, agency)
        return Arrival(self.objects, wanted, stored, room, limit=self.limits.file, mark=self.mark)

    def mark(self) -> None:
        """Write of which ledger the store is, unless it says so. Raises Unavailable, and Conflict as require_mark.

        A store that has files has its mark: a storage without it is another one, to which nothing may be written.
        """
        with self.database.read() as connection:
            has_files = bool(evidence_files.key_ids(connection))
        if has_files:
            self.require_mark()
            return
        try:
            self.objects.create(MARK, self._log_id().hex().encode())
        except Conflict:
            self.require_mark()

    def require_mark(self) -> None:
        """Require that the storage is this store's, as the function of this name, which raises what this does."""
        require_mark(self.objects, self._log_id())

    def look(self) -> bool:
        """Note whether the storage answers, is this store's and has room, before somebody gives or takes a file.

        Returns whether it can be worked on: what is deleted makes room.
        """

        def require() -> None:
            with self.database.read() as connection:
                is_new = not evidence_files.key_ids(connection)
            require_mark(self.objects, self._log_id(), may_be_new=is_new)

        self.fault = failure_of(require, "evidence store out of reach")
        if self.fault is not None:
            return False
        self.fault = failure_of(self.objects.require_room, "evidence store full")
        return True

    def _log_id(self) -> bytes:
        with self.database.read() as connection:
            return log.tree(connection).log_id

    def keep(
        self,
        arrival: Arrival,
        digests: Sequence[Digest],
        kept: ItemFile,
        require: Callable[[], object] = lambda: None,
    ) -> ItemFile:
        """Record the file that has arrived, with ``digests``, as one of an item; durable when this returns.

        A file that the item has already stays as it is; one that was damaged is replaced by what has arrived, and is
        then given by whoever sent it.
        ``require`` is called under the writer's lock, and raises if the file may not be kept any more. Raises what that
        raises, MalformedInput (quota_exceeded), and Unavailable if the file was deleted while it arrived.
        """
        row = self._row(arrival, digests, kept.kept_at)
        with self.database.read() as connection:
            stored = evidence_files.file(connection, row.digest)
            earlier = _of_item(connection, kept, row.digest)
        if stored is not None and earlier is not None:
            kept_anew = structs.replace(earlier, agency=kept.agency, officer=kept.officer, kept_at=kept.kept_at)
            return kept_anew if self._is_replaced(arrival, stored, row, kept_anew, require) else earlier
        is_new = False
        arrival.may_be_kept = True
        with self.database.write() as connection:
            require()
            if earlier := _of_item(connection, kept, row.digest):
                kept = earlier
            else:
                has_file = evidence_files.file(connection, row.digest) is not None
                is_new = not has_file and arrival.stored is None
                if not has_file and not is_new:
                    raise Unavailable(
                        "the file was deleted while it arrived", code="file_deleted", hint="Send it again."
                    )
                self._room(connection, kept.agency).require(arrival.size)
                evidence_files.keep(connection, row if is_new else None, kept)
        if not is_new:
            with suppress(Unavailable):  # the file is kept: a check removes what cannot be deleted now
                self.discard(arrival)
        return kept

    def discard(self, arrival: Arrival) -> None:
        """Delete what an arrival has written, unless it is kept; later, if the storage is away. Raises Unavailable.

        A commit that is reported as failed may have taken effect, and one on PostgreSQL may still do so: what is
        kept is asked behind it, under the writer's lock, and where that cannot be asked everything stays.
        """
        if not arrival.written:
            return
        if arrival.may_be_kept:
            with self.database.lock() as connection:
                if evidence_files.is_kept(connection, arrival.name):
                    return
        try:
            self.objects.forget(place_of(arrival.name))
        except Unavailable:
            with self.database.write() as connection:
                evidence_files.delete_later(connection, arrival.name, self.clock())

    def _row(self, arrival: Arrival, digests: Sequence[Digest], kept_at: int) -> StoredFile:
        texts = {digest.algorithm: str(digest) for digest in digests}
        own = texts[Algorithm.BLAKE3]
        row = StoredFile(
            own,
            texts[Algorithm.SHA256],
            texts.get(Algorithm.SM3),
            name=arrival.name,
            size=arrival.size,
            sealed_key=b"",
            key_id="",
            kept_at=kept_at,
        )
        return self.key.seal(arrival.file_key, row)

    def _is_replaced(
        self, arrival: Arrival, stored: StoredFile, row: StoredFile, kept_anew: ItemFile, require: Callable[[], object]
    ) -> bool:
        """Keep of two uploads of one file the first one, unless it was damaged, or is another one by its changed row.

        Returns whether the second one is kept. The objects that a changed row names stay: they may be those of another
        file.
        """
        outcome: FileCondition | None = "intact"
        if arrival.stored is None:
            try:
                outcome, _ = self.hash_again(stored)
            except IntegrityBroken:
                outcome = None
        if outcome == "intact":
            require()
            with suppress(Unavailable):
                self.discard(arrival)
            return False
        arrival.may_be_kept = True
        with self.database.write() as connection:
            require()
            if evidence_files.file(connection, row.digest) != stored:
                raise Unavailable("the file was deleted while it arrived", code="file_deleted", hint="Send it again.")
            evidence_files.replace(connection, row, kept_anew)
            if outcome is not None:
                evidence_files.delete_later(connection, stored.name, self.clock())
        if outcome is not None:
            with suppress(Unavailable):
                self._delete(stored.name)
        return True

    def _room(self, connection: Connection, agency: str) -> Room:
        return Room(agency, self.limits.agency, evidence_files.bytes_of(connection, agency))

    def open(self, stored: StoredFile) -> OpenFile:
        """Open a file of the store. Raises IntegrityBroken if its key does not open."""
        return OpenFile(self.objects, stored, self.key.open(stored), self.require_mark)

    def is_own(self, stored: StoredFile) -> bool:
        """Tell whether the row of a file is as a service with this key wrote it."""
        try:
            self.key.open(stored)
        except IntegrityBroken:
            return False
        return True

    def hash_again(
        self, stored: StoredFile, wanted: Digest | None = None, stops: Callable[[], bool] = lambda: False
    ) -> tuple[FileCondition, Digest | None]:
        """Read the whole file; return whether it has the digest, and its digest if it was read whole.

        ``wanted`` is by default its BLAKE3 digest. Raises Unavailable if the storage is away, or once ``stops`` holds,
        and IntegrityBroken if the row is not as the service wrote it: that says nothing about the file.
        """
        wanted = wanted or parse_digest(stored.digest)
        hasher = new_hasher(wanted.algorithm)
        opened = self.open(stored)
        try:
            for piece in opened.pieces():
                hasher.update(piece)
                if stops():
                    raise Unavailable("the service ends", code="ending")
        except IntegrityBroken as error:
            return ("missing" if error.code == "file_missing" else "damaged"), None
        except Unavailable as error:
            if error.code != "file_unreadable":
                raise
            return "unreadable", None
        digest = Digest(wanted.algorithm, hasher.digest())
        return ("intact" if digest == wanted else "damaged"), digest

    def destroy(self, case_id: str, item_id: str, digest: str, require: Callable[[], object] = lambda: None) -> bool:
        """Delete a file of an item, and its bytes if it is kept for no other item; return whether these went.

        First its key goes, from the write-ahead log as well (``append.clear_away``); a backup of before has it.
        Does nothing a second time. If the storage is away, ``delete_waiting`` deletes the bytes once it is back. Raises
        IntegrityBroken, and deletes nothing, if a row about the file is not as the service wrote it, and what
        ``require`` raises under the writer's lock.
        """
        with self.database.write() as connection:
            require()
            if (stored := evidence_files.file(connection, digest)) is not None:
                self.key.open(stored)
            gone = evidence_files.forget(connection, case_id, item_id, digest)
            if gone is not None:
                mark_erased(connection, self.database, f"file {gone.name}")
                evidence_files.delete_later(connection, gone.name, self.clock())
        if gone is not None:
            with suppress(Unavailable, Conflict):
                self._delete(gone.name)
        return gone is not None

    def delete_waiting(self) -> int:
        """Delete the objects that are still to be deleted; return of how many files.

        What somebody else has noted in the database stays. Raises Unavailable if the storage is away, and Conflict if
        it is of another ledger. A file that alone cannot be deleted stops no other: its Unavailable is raised last.
        """
        with self.database.read() as connection:
            waiting = evidence_files.to_delete(connection)
        first: Unavailable | None = None
        for each in waiting:
            try:
                self._delete(each.name)
            except Unavailable as error:
                self.require_mark()  # not with each of thousands does a storage that is away keep the service waiting
                first = first or error
        if first is not None:
            raise first
        return len(waiting)

    def _delete(self, name: str) -> None:
        """Delete the objects of a file, unless there is one of this name. Raises what ``require_mark`` does."""
        with self.database.read() as connection:
            is_kept = evidence_files.is_kept(connection, name)
        if not is_kept:
            self.require_mark()  # in a folder that is empty because no disk is mounted there is nothing to delete
            self.objects.forget(place_of(name))
        with self.database.lock() as connection:
            evidence_files.forget_deleted(connection, name)

    def check(self, *, progress: Callable[[int], object] = lambda _size: None) -> Iterator[StoreFinding]:
        """Read every file and compare it with its digest, and list what belongs to no file.

        ``progress`` is called with the bytes of each file. Raises Unavailable if the storage is away, and Conflict if
        it is of another ledger.
        """
        folders: dict[str, tuple[int, float]] = {}
        with self.database.read() as connection:
            if evidence_files.key_ids(connection):
                self.require_mark()
        for listed in self.objects.list(FOLDER):
            name = listed.name.split("/")[2]
            size, written_at = folders.get(name, (0, 0.0))
            folders[name] = size + listed.size, max(written_at, listed.written_at)
        # Read behind the list: what is written meanwhile is in neither, or in both.
        with self.database.read() as connection:
            stored = list(evidence_files.files(connection))
            unlike = evidence_files.unlike(connection)
            waiting = {each.name for each in evidence_files.to_delete(connection)}
        for changed in unlike:
            yield StoreFinding("unverifiable", changed, Message("its row in the database is not as it was written"))
        for each in stored:
            try:
                outcome, digest = self.hash_again(each)
            except IntegrityBroken as error:
                if each.digest not in unlike:
                    yield StoreFinding("unverifiable", each.digest, error.text)
                continue
            finally:
                progress(each.size)
            if outcome != "intact":
                detail = None if digest is None else Message("{digest} found", digest=digest)
                yield StoreFinding(outcome, each.digest, detail)
        for name in sorted(folders.keys() - {each.name for each in stored}):
            size, written_at = folders[name]
            detail = Message("{size} bytes", size=size)
            if name in waiting:
                yield StoreFinding("to_delete", name, detail)
                continue
            is_old = written_at < self.clock() / 1000 - ARRIVES_WITHIN_S
            of_none: Literal["surplus", "unverifiable"] = "unverifiable" if unlike else "surplus"
            yield StoreFinding(of_none if is_old else "arriving", name, detail)

    def remove(self, finding: StoreFinding) -> None:
        """Delete the folder of a finding ``surplus`` or ``to_delete``, unless a file has it. Raises Unavailable."""
        self._delete(finding.subject)


def change_key(database: Database, old: StoreKey, new: StoreKey) -> int:
    """Encrypt the keys of all files under another key of the store, in one transaction; return of how many.

    Files whose keys are under it already are left as they are. Raises IntegrityBroken for a key that does not open.
    """
    with database.write() as connection:
        stored = [each for each in evidence_files.files(connection) if each.key_id != new.key_id]
        evidence_files.seal_again(connection, [new.seal(old.open(each), each) for each in stored])
        evidence_files.keep_key_of_store(connection, database, new.key_id)
    return len(stored)


def open_kept_evidence(
    settings: Settings, where: DataDirectory, passphrase: str, database: Database, clock: Callable[[], int]
) -> KeptEvidence | None:
    """Return the evidence store of the settings, or None if they name none. Makes the key of a new store.

    Raises SecretRefused, KeyRefused for a key that is missing or that is not the one of the files, and MalformedInput
    for settings that do not go together.
    """
    address = storage_of(settings, "evidence_store")
    if address is None:
        return None
    path = where.keys.keystore(KEY_NAME)
    with database.read() as connection:
        is_new = not _key_ids(connection)
    if not path.exists():
        if not is_new:
            raise KeyRefused(
                "the key of the evidence store is missing: {path}",
                path=path,
                field="key",
                hint="Restore it from the backup of keys/, or copy it from the service that shares the database: "
                "without it no file of the store can be read.",
            )
        create_keystore(path, passphrase)
    key = open_store_key(path, passphrase)
    with database.lock() if is_new else database.read() as connection:
        require_own_files(connection, key)
        if is_new:  # of two services that begin at once, the second is refused
            evidence_files.keep_key_of_store(connection, database, key.key_id)
    if is_new and address.folder is not None:
        with disk_errors(address.name):
            make_folders(address.folder, PRIVATE_FOLDER)
    limits = StoreLimits(settings.max_evidence_bytes, settings.max_evidence_bytes_of_agency)
    return KeptEvidence(database, objects_at(address), key, limits, clock)
