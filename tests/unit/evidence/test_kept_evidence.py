"""``evidence.kept_evidence``: a file comes out as it went in, or not at all; nobody with the storage alone reads it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.config.installation import DataDirectory
from ledger.config.keys import KeyRefused, create_keystore
from ledger.config.settings import Settings
from ledger.core.encoding.digests import Algorithm, digest_by
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, TallystickError, Unavailable
from ledger.core.messages import Message
from ledger.evidence import file_encryption, kept_evidence
from ledger.evidence.file_encryption import SEGMENT, TAG, open_store_key
from ledger.evidence.kept_evidence import KeptEvidence, change_key, open_kept_evidence
from ledger.evidence.transfers import StoreLimits
from ledger.storage import objects as storage
from ledger.storage.objects import FolderObjects, disk_errors
from ledger.store import evidence_files
from ledger.store.append import clear_away
from ledger.store.database import Connection, Database
from ledger.store.evidence_files import ItemFile, StoredFile
from ledger.store.evidence_tables import EVIDENCE_FILES
from ledger.store.log import initialise
from ledger.store.opening import open_database
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import lay_tables, sqlite_url
from tests.testkit.machine import REPOSITORY, environment
from tests.testkit.object_storage import ObjectStorage

PASSPHRASE = "passphrase"
NOW_MS = 1_772_400_000_000
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    lay_tables(sqlite_url(tmp_path))
    with closing(open_database(sqlite_url(tmp_path))) as opened:
        initialise(opened, LOG_ID)
        yield opened


def opened(settings: dict[str, str], folder: Path, database: Database) -> KeptEvidence:
    """Open the store as a service does, with a key that is quick to open."""
    where = DataDirectory(folder / "data")
    if not (path := where.keys.keystore("evidence")).exists():
        create_keystore(path, PASSPHRASE, light=True)
    named = Settings(data_dir=where.path, **settings)  # type: ignore[arg-type]
    store = open_kept_evidence(named, where, PASSPHRASE, database, lambda: NOW_MS)
    assert store is not None
    return store


@pytest.fixture(params=["bucket", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> KeptEvidence:
    """An empty store: in a real object storage, and in a folder."""
    if request.param == "folder":
        return in_folder(tmp_path, database)
    storage = request.getfixturevalue("storage")
    return opened(storage.named("evidence_store", f"of/{tmp_path.name}"), tmp_path, database)


def in_folder(tmp_path: Path, database: Database) -> KeptEvidence:
    return opened({"evidence_store": (tmp_path / "a store").as_uri()}, tmp_path, database)


def give(
    store: KeptEvidence, data: bytes, item: str = "disk", agency: str = "police", kept_at: int = NOW_MS
) -> ItemFile:
    """Give a file in pieces of odd sizes, as one of an item."""
    wanted = digest_by(Algorithm.SHA256, data)
    with store.database.read() as connection:
        arrival = store.expect(wanted, evidence_files.file_with(connection, str(wanted)))
    for start in range(0, len(data), 999_983):
        arrival.take(data[start : start + 999_983])
    digests = arrival.finish()
    return store.keep(arrival, digests, ItemFile("case-1", item, str(digests[0]), str(wanted), agency, "p-1", kept_at))


def stored(store: KeptEvidence, data: bytes) -> StoredFile:
    with store.database.read() as connection:
        row = evidence_files.file(connection, str(digest_by(Algorithm.BLAKE3, data)))
    assert row is not None
    return row


def got(store: KeptEvidence, data: bytes, start: int = 0, end: int | None = None) -> bytes:
    """Read what is kept as these bytes."""
    return b"".join(store.open(stored(store, data)).pieces(start, end))


def objects(store: KeptEvidence) -> list[str]:
    return sorted(each.name for each in store.objects.list("files"))


@pytest.mark.parametrize("size", [0, 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 77])
def test_a_file_comes_back_whole_and_in_parts(store: KeptEvidence, size: int) -> None:
    """Of every size around those of segments; any part of it as well, also across segments."""
    data = os.urandom(size)
    kept = give(store, data)
    assert kept.digest == f"blake3:{blake3(data).hexdigest()}"
    assert (stored(store, data).sha256, stored(store, data).size) == (f"sha256:{sha256(data).hexdigest()}", size)
    assert got(store, data) == data
    for start, end in ((0, 1), (size // 2, size // 2 + 3), (SEGMENT - 2, SEGMENT + 2), (size - 1, size), (size, size)):
        if 0 <= start <= size:
            assert got(store, data, start, end) == data[start:end]
    assert len(objects(store)) == max(1, -(-size // SEGMENT))
    assert list(store.check()) == []


def test_the_storage_tells_nothing_of_what_it_has(store: KeptEvidence) -> None:
    """Neither bytes nor digests of a file are in any object or name, and the same file kept anew is another one."""
    data = b"a known picture " * 100_000
    give(store, data)
    first = objects(store)
    raw = [store.objects.read(name, SEGMENT + TAG) for name in first]
    assert all(each is not None and b"known picture" not in each for each in raw)
    digests = (blake3(data).hexdigest(), sha256(data).hexdigest())
    assert not any(digest in name for digest in digests for name in first)
    assert store.destroy("case-1", "disk", f"blake3:{digests[0]}")
    give(store, data)
    assert not {*first} & {*objects(store)}


def test_another_file_is_refused_and_leaves_nothing(store: KeptEvidence) -> None:
    """A file that is cut, changed or another one is not kept; the refusal names what was expected and received."""
    data = os.urandom(SEGMENT + 5)
    for wrong in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), b""):
        arrival = store.expect(digest_by(Algorithm.SHA256, data), None)
        arrival.take(wrong)
        with pytest.raises(MalformedInput) as refused:
            arrival.finish()
        assert refused.value.code == "digest_differs"
        assert sha256(data).hexdigest() in refused.value.message
        assert sha256(wrong).hexdigest() in refused.value.message
        store.discard(arrival)
    assert objects(store) == []


def test_one_file_of_two_items_is_kept_once_until_the_last_goes(store: KeptEvidence) -> None:
    """Given again it is found; what is destroyed for one item stays for the other; twice does nothing."""
    data = os.urandom(1000)
    first = give(store, data)
    names = objects(store)
    assert give(store, data) == first
    give(store, data, item="copy-of-disk", agency="court")
    assert objects(store) == names
    assert not store.destroy("case-1", "disk", first.digest)
    assert got(store, data) == data
    assert store.destroy("case-1", "copy-of-disk", first.digest)
    assert objects(store) == []
    assert not store.destroy("case-1", "copy-of-disk", first.digest)
    with store.database.read() as connection:
        assert evidence_files.file(connection, first.digest) is None


Harm = Callable[[KeptEvidence, list[Path]], None]  # of the files that hold the segments of a kept file


def _flip(_store: KeptEvidence, segments: list[Path]) -> None:
    sealed = bytearray(segments[1].read_bytes())
    sealed[100] ^= 1
    segments[1].write_bytes(sealed)


def _cut(_store: KeptEvidence, segments: list[Path]) -> None:
    segments[1].write_bytes(segments[1].read_bytes()[:-1])


def _swap(_store: KeptEvidence, segments: list[Path]) -> None:
    first, second = (segment.read_bytes() for segment in segments[:2])
    segments[0].write_bytes(second)
    segments[1].write_bytes(first)


def _of_another(store: KeptEvidence, segments: list[Path]) -> None:
    content = os.urandom(2 * SEGMENT + 9)
    give(store, content, item="other")
    segments[0].write_bytes(
        store.objects.read(file_encryption.object_of(stored(store, content).name, 0), SEGMENT + TAG) or b""
    )


def _lose(_store: KeptEvidence, segments: list[Path]) -> None:
    segments[1].unlink()


def _lose_end(_store: KeptEvidence, segments: list[Path]) -> None:
    segments[-1].unlink()


@pytest.mark.parametrize("harm", [_flip, _cut, _swap, _of_another, _lose, _lose_end])
def test_what_was_changed_in_the_storage_is_never_handed_out(tmp_path: Path, database: Database, harm: Harm) -> None:
    """A byte, an end, the order, an object of another file: reading stops before it. A check tells, and it heals."""
    store = in_folder(tmp_path, database)
    data = os.urandom(2 * SEGMENT + 9)
    digest = give(store, data).digest
    harm(store, [tmp_path / "a store" / name for name in objects(store)])
    received: list[bytes] = []
    with pytest.raises(IntegrityBroken) as refused:
        received.extend(store.open(stored(store, data)).pieces())
    lost = harm in (_lose, _lose_end)
    assert refused.value.code == ("file_missing" if lost else "file_damaged")
    assert data.startswith(b"".join(received))
    assert [(each.fault, each.subject) for each in store.check()] == [("missing" if lost else "damaged", digest)]
    arrival = store.expect(digest_by(Algorithm.SHA256, data), None)
    arrival.take(data)
    digests = arrival.finish()
    again = ItemFile("case-1", "disk", digest, str(digests[1]), "police", "p-2", NOW_MS)
    assert store.keep(arrival, digests, again) == again
    with database.read() as connection:
        assert evidence_files.of_item(connection, "case-1", "disk") == [again], "it is of whoever gave it again"
    assert got(store, data) == data
    assert list(store.check()) == []


def test_a_disk_that_is_not_mounted_is_away_and_not_empty(tmp_path: Path, database: Database) -> None:
    """A store that has files gets no new mark: the first upload after a mount that failed is refused, too. Nor is a
    folder of another ledger taken for this one's, in which a check would find everything surplus."""
    store = in_folder(tmp_path, database)
    data = os.urandom(10)
    give(store, data)
    (tmp_path / "a store").rename(tmp_path / "elsewhere")
    (tmp_path / "a store").mkdir()
    for refuse in (lambda: give(store, b"new", item="new"), lambda: got(store, data), lambda: list(store.check())):
        with pytest.raises(Unavailable) as away:
            refuse()
        assert away.value.code == "store_unavailable"
    assert list((tmp_path / "a store").iterdir()) == []
    (tmp_path / "a store" / "ledger").write_bytes(b"00" * 32)
    for refuse in (lambda: got(store, data), lambda: list(store.check()), lambda: give(store, b"new", item="new")):
        with pytest.raises(Conflict) as refused_again:
            refuse()
        assert refused_again.value.code == "store_refused"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_full(number: int) -> None:
    """Not a folder that does not work: whoever gives a file can do nothing but wait, the operator can make room."""
    with pytest.raises(Unavailable, match="the evidence store is full") as full, disk_errors(Message("evidence store")):
        raise OSError(number, "no room")
    assert full.value.code == "store_unavailable"


def _failing_after(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next write commit and be reported as failed, as by a connection that is lost."""
    lock = database.lock

    @contextmanager
    def write() -> Iterator[Connection]:
        monkeypatch.undo()
        with lock() as connection:
            yield connection
        raise Unavailable("lost", code="lost")

    monkeypatch.setattr(database, "write", write)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_commit_that_took_effect_though_it_failed_keeps_the_file(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    """What was written for it is not deleted, also not for a file in the place of a damaged one."""
    store = in_folder(tmp_path, database)
    data = os.urandom(100)
    if is_damaged:
        give(store, data)
        (tmp_path / "a store" / objects(store)[0]).write_bytes(b"other")
    arrival = store.expect(digest_by(Algorithm.SHA256, data), None)
    arrival.take(data)
    digests = arrival.finish()
    _failing_after(database, monkeypatch)
    kept = ItemFile("case-1", "disk", str(digests[0]), str(digests[1]), "police", "p-1", NOW_MS)
    with pytest.raises(Unavailable):
        store.keep(arrival, digests, kept)
    store.discard(arrival)
    assert got(store, data) == data


def test_what_may_not_be_kept_any_more_is_discarded(tmp_path: Path, database: Database) -> None:
    """What is required is asked under the writer's lock; nothing of a refused file stays."""
    store = in_folder(tmp_path, database)
    arrival = store.expect(digest_by(Algorithm.SHA256, b"late"), None)
    arrival.take(b"late")
    digests = arrival.finish()

    def refuse() -> None:
        raise Conflict("gone", code="gone")

    kept = ItemFile("case-1", "disk", str(digests[0]), str(digests[1]), "police", "p-1", NOW_MS)
    with pytest.raises(Conflict):
        store.keep(arrival, digests, kept, refuse)
    store.discard(arrival)
    assert objects(store) == []


@pytest.mark.parametrize("harm", ["sparse", "link", "fifo", "folder"])
def test_an_object_that_is_no_segment_is_damaged_and_not_read(tmp_path: Path, database: Database, harm: str) -> None:
    """A file of a tebibyte, a link to the right bytes, a pipe that nobody writes to, a folder: none is waited for."""
    store = in_folder(tmp_path, database)
    data = os.urandom(100)
    digest = give(store, data).digest
    (segment,) = (tmp_path / "a store" / name for name in objects(store))
    segment.rename(tmp_path / "moved")
    if harm == "sparse":
        with segment.open("wb") as file:
            file.truncate(2**40)
    elif harm == "link":
        segment.symlink_to(tmp_path / "moved")
    elif harm == "fifo":
        os.mkfifo(segment)
    else:
        segment.mkdir()
    with pytest.raises(IntegrityBroken) as refused:
        got(store, data)
    assert refused.value.code == "file_damaged"
    assert [(each.fault, each.subject) for each in store.check()] == [("damaged", digest)]


def test_objects_are_bounded_and_never_written_over(store: KeptEvidence) -> None:
    """By the folder and the bucket alike: one byte more than may be is refused, and so is an object of the same
    name."""
    store.objects.create("files/ab/one/0", b"12345")
    assert store.objects.read("files/ab/one/0", 5) == b"12345"
    with pytest.raises(IntegrityBroken) as refused:
        store.objects.read("files/ab/one/0", 4)
    assert refused.value.code == "object_changed"
    with pytest.raises(TallystickError) as taken:
        store.objects.create("files/ab/one/0", b"second")
    assert taken.value.code == "object_taken"
    assert store.objects.read("files/ab/one/0", SEGMENT + TAG) == b"12345"


@dataclass
class OneUnreadable(FolderObjects):
    """A folder with an object that the disk does not give."""

    folder: Path
    unreadable: str

    def __post_init__(self) -> None:
        FolderObjects.__init__(self, self.folder)

    def read(self, name: str, most: int) -> bytes | None:
        if name == self.unreadable:
            with disk_errors(Message("store")):
                raise OSError(errno.EIO, "a bad sector")
        return super().read(name, most)


def unreadable(store: KeptEvidence, folder: Path, name: str) -> KeptEvidence:
    """Return the store with an object that cannot be read."""
    return replace(store, objects=OneUnreadable(folder, name))


def test_a_file_that_cannot_be_read_is_named_and_stops_no_other(tmp_path: Path, database: Database) -> None:
    """The storage is not away for it: the check goes on behind it, and so may the officer who wants another file."""
    store = in_folder(tmp_path, database)
    kept = [give(store, data, item=item).digest for item, data in (("disk", b"one"), ("phone", b"two"))]
    (name, *_) = objects(store)
    broken = unreadable(store, tmp_path / "a store", name)
    (finding,) = broken.check()
    assert finding.fault == "unreadable"
    assert finding.subject in kept
    data = b"one" if finding.subject == kept[0] else b"two"
    with pytest.raises(Unavailable) as refused:
        got(broken, data)
    assert refused.value.code == "file_unreadable"


def test_a_full_disk_is_a_fault_and_keeps_nothing_from_being_deleted(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told before an officer gives a file in vain, for as long as it lasts; what is deleted makes room."""
    store = in_folder(tmp_path, database)
    give(store, b"data")
    monkeypatch.setattr(storage, "LEAST_ROOM", 2**63)
    assert store.look()
    assert store.fault is not None
    assert store.fault.fault.startswith("the disk of the evidence store is full")
    monkeypatch.undo()
    assert store.look()
    assert store.fault is None


def test_the_key_of_a_destroyed_file_is_in_no_file_of_the_database(tmp_path: Path, database: Database) -> None:
    """Nor in SQLite's write-ahead log, once what is erased was cleared away."""
    store = in_folder(tmp_path, database)
    digest = give(store, b"data").digest
    key = stored(store, b"data").sealed_key

    def has_key() -> bool:
        return any(key in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert has_key()
    assert store.destroy("case-1", "disk", digest)
    assert clear_away(database)
    assert not has_key()


def test_a_list_goes_on_behind_what_vanishes(tmp_path: Path, database: Database) -> None:
    """An object that an upload has just put in place or discarded, or a whole folder: neither ends a check."""
    store = in_folder(tmp_path, database)
    for name in ("ab/one/0", "ab/one/1", "cd/two/0"):
        store.objects.create(f"files/{name}", b"data")
    for vanishing in ("ab/one", "cd/two"):
        listed = store.objects.list("files")
        first = next(listed).name
        for path in (tmp_path / "a store" / "files" / vanishing).iterdir():
            if not first.endswith(f"{vanishing}/{path.name}"):
                path.unlink()
        if vanishing not in first:
            (tmp_path / "a store" / "files" / vanishing).rmdir()
        list(listed)


def test_nothing_is_surplus_while_a_row_is_not_as_written(tmp_path: Path, database: Database) -> None:
    """Who deletes a row of the database gets neither a clean check nor the file's objects deleted."""
    store = in_folder(tmp_path, database)
    digest = give(store, b"data").digest
    now = max(each.written_at for each in store.objects.list("files")) * 1000
    old = replace(store, clock=lambda: int(now) + DAY_MS + 1)
    assert list(old.check()) == []
    with database.write() as connection:
        connection.execute(EVIDENCE_FILES.delete())
    assert [each.fault for each in old.check()] == ["unverifiable", "unverifiable"]
    assert next(old.check()).subject == digest


def test_services_that_share_a_database_have_one_key(tmp_path: Path, database: Database) -> None:
    """Also before a file is kept: the second one, with a key of its own or none, is told to copy the first one's."""
    in_folder(tmp_path, database)
    with pytest.raises(KeyRefused):
        opened({"evidence_store": (tmp_path / "a store").as_uri()}, tmp_path / "second", database)
    third = DataDirectory(tmp_path / "third")
    named = Settings(data_dir=third.path, evidence_store=(tmp_path / "a store").as_uri())
    with pytest.raises(KeyRefused):
        open_kept_evidence(named, third, PASSPHRASE, database, lambda: NOW_MS)
    assert not third.keys.keystore("evidence").exists()


def test_a_segment_of_another_place_does_not_open() -> None:
    """Number and end of a segment are part of what is encrypted."""
    key = os.urandom(32)
    sealed = file_encryption.seal_segment(key, 3, b"segment", is_last=False)
    assert file_encryption.open_segment(key, 3, sealed, is_last=False) == b"segment"
    assert file_encryption.open_segment(key, 4, sealed, is_last=False) is None
    assert file_encryption.open_segment(key, 3, sealed, is_last=True) is None
    assert file_encryption.open_segment(os.urandom(32), 3, sealed, is_last=False) is None
    assert file_encryption.open_segment(key, 3, b"", is_last=False) is None


def test_size_and_quota_are_limits(tmp_path: Path, database: Database) -> None:
    """A file that is too large is refused before it is whole; an agency keeps no more than its share."""
    store = replace(in_folder(tmp_path, database), limits=StoreLimits(file=1000, agency=1500))
    arrival = store.expect(digest_by(Algorithm.SHA256, b""), None)
    with pytest.raises(MalformedInput) as refused:
        arrival.take(bytes(1001))
    assert refused.value.code == "file_too_large"
    give(store, os.urandom(1000))
    for agency, is_refused in (("police", True), ("court", False)):
        data = os.urandom(600)
        if is_refused:
            with pytest.raises(MalformedInput) as refused:
                give(store, data, item="second", agency=agency)
            assert refused.value.code == "quota_exceeded"
            assert (tmp_path / "a store").is_dir()
        else:
            give(store, data, item="third", agency=agency)


def test_a_new_key_takes_the_files_over(store: KeptEvidence, tmp_path: Path) -> None:
    """The objects stay as they are; the old key opens no file any more, and a second time does nothing."""
    data = os.urandom(SEGMENT + 1)
    give(store, data)
    names = {name: store.objects.read(name, SEGMENT + TAG) for name in objects(store)}
    path = tmp_path / "new.json"
    create_keystore(path, PASSPHRASE, light=True)
    new = open_store_key(path, PASSPHRASE)
    assert change_key(store.database, store.key, new) == 1
    assert change_key(store.database, store.key, new) == 0
    assert {name: store.objects.read(name, SEGMENT + TAG) for name in objects(store)} == names
    with pytest.raises(IntegrityBroken):
        store.open(stored(store, data))
    assert got(replace(store, key=new), data) == data
    with store.database.read() as connection:
        kept_evidence.require_own_files(connection, new)
        with pytest.raises(KeyRefused):
            kept_evidence.require_own_files(connection, store.key)


def test_a_service_does_not_start_without_the_key_of_its_files(tmp_path: Path, database: Database) -> None:
    """With no key file, or another one, it says what to restore; an empty store gets a key."""
    store = in_folder(tmp_path, database)
    path = DataDirectory(tmp_path / "data").keys.keystore("evidence")
    give(store, b"file")
    path.rename(tmp_path / "kept.json")
    settings = Settings(data_dir=tmp_path / "data", evidence_store=(tmp_path / "a store").as_uri())
    where = DataDirectory(tmp_path / "data")
    with pytest.raises(KeyRefused) as refused:
        open_kept_evidence(settings, where, PASSPHRASE, database, lambda: NOW_MS)
    assert "missing" in refused.value.message
    create_keystore(path, PASSPHRASE, light=True)
    with pytest.raises(KeyRefused) as refused:
        open_kept_evidence(settings, where, PASSPHRASE, database, lambda: NOW_MS)
    assert refused.value.hint is not None
    assert "evidence.json" in refused.value.hint


def test_a_store_in_the_data_directory_is_refused(tmp_path: Path, database: Database) -> None:
    """Who saves the data directory would save the files with it."""
    settings = Settings(data_dir=tmp_path, evidence_store=(tmp_path / "files").as_uri())
    with pytest.raises(MalformedInput) as refused:
        open_kept_evidence(settings, DataDirectory(tmp_path), PASSPHRASE, database, lambda: NOW_MS)
    assert refused.value.field == "evidence_store"


def test_a_storage_that_is_away_is_no_damage(tmp_path: Path, database: Database, storage: ObjectStorage) -> None:
    """What cannot be read now is neither missing nor damaged, and is there again with the storage."""
    store = opened(storage.named("evidence_store", f"away/{tmp_path.name}"), tmp_path, database)
    data = os.urandom(100)
    give(store, data)
    wrong = opened(storage.named("evidence_store", f"away/{tmp_path.name}", "wrong"), tmp_path, database)
    for refuse in (lambda: got(wrong, data), lambda: give(wrong, b"other"), lambda: list(wrong.check())):
        with pytest.raises(Unavailable) as refused:
            refuse()
        assert refused.value.code == "store_unavailable"
    away = replace(store, objects=FolderObjects(tmp_path / "not mounted"))
    with pytest.raises(Unavailable):
        away.hash_again(stored(store, data))
    assert store.hash_again(stored(store, data))[0] == "intact"


_UPLOAD = """
import sys
from pathlib import Path
from ledger.config.installation import DataDirectory
from ledger.config.settings import Settings
from ledger.core.encoding.digests import Algorithm, Digest
from ledger.evidence.file_encryption import SEGMENT
from ledger.evidence.kept_evidence import open_kept_evidence
from ledger.store.opening import open_database
folder = Path(sys.argv[1])
where = DataDirectory(folder / "data")
settings = Settings(data_dir=where.path, evidence_store=(folder / "a store").as_uri())
database = open_database(f"sqlite:///{folder}/ledger.db")
store = open_kept_evidence(settings, where, sys.argv[2], database, lambda: 0)
arrival = store.expect(Digest(Algorithm.SHA256, bytes(32)), None)
arrival.take(bytes(3 * SEGMENT))
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_upload_is_surplus_a_day_later_and_is_removed(tmp_path: Path, database: Database) -> None:
    """Until then it may be under way. Removing it harms no file."""
    data = os.urandom(10)
    store = in_folder(tmp_path, database)
    give(store, data)
    command = [sys.executable, "-c", _UPLOAD, str(tmp_path), PASSPHRASE]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as upload:
        assert upload.stdout is not None
        assert upload.stdout.readline() == b"written\n"
        upload.send_signal(signal.SIGKILL)
    assert len(objects(store)) == 3
    now = max(each.written_at for each in store.objects.list("files")) * 1000
    fresh = replace(store, clock=lambda: int(now))
    assert [each.fault for each in fresh.check()] == ["arriving"]
    old = replace(store, clock=lambda: int(now) + DAY_MS + 1)
    (surplus,) = old.check()
    assert surplus.fault == "surplus"
    old.remove(surplus)
    assert list(old.check()) == []
    assert got(store, data) == data
