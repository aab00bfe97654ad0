"""``recording.uploading``: whoever reads the public store's checkpoint finds all that it covers, at every moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.config.settings import Settings
from ledger.core.errors import IntegrityBroken, MalformedInput, Unavailable
from ledger.core.events.case import PersonNamed
from ledger.core.log import merkle
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint, sign_checkpoint, verify_checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import MAX_NOTE_LENGTH, SeedSigner
from ledger.core.log.tiles import TILE_WIDTH, BundleName, TileName, TileNodes, decode_entry_bundle, width_at
from ledger.recording import uploading
from ledger.recording.public_store import KeptCheckpoint, PublicStore
from ledger.recording.uploading import StoreRefused, UploadState
from ledger.storage import objects
from ledger.storage.objects import objects_at, storage_of
from ledger.store import checkpoints, log
from tests.testkit import bundles
from tests.testkit.builders import POLICE, clerk, section
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_founded, sqlite_url
from tests.testkit.machine import REPOSITORY, environment
from tests.testkit.object_storage import ObjectStorage
from tests.unit.recording.uploads import Place, bucket_of, folder_at, grow_to, uploader_to

ATTACK = SeedSigner.from_seed(LOG_SIGNER.verifying_key.name, b"\x66" * 32)

OFFICERS = (clerk(POLICE),)


@pytest.fixture(params=["bucket", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place: of a real object storage, and of a web server's folder."""
    if request.param == "folder":
        return folder_at(tmp_path / "a public folder")
    return bucket_of(request.getfixturevalue("storage"), f"of/{tmp_path.name}")


def verified(ledger: Ledger, read: Callable[[str], bytes | None]) -> int:
    """Read the checkpoint, prove each entry under it by nothing but what is there, and compare that with the ledger.

    Return the size, 0 if there is no checkpoint.
    """
    note = read("checkpoint")
    if note is None:
        return 0
    head = verify_checkpoint(note.decode(), LOG_SIGNER.verifying_key)

    def widest(name: TileName | BundleName) -> bytes:
        """A partial tile, or else the full one that it has become (C2SP tlog-tiles)."""
        for width in (name.width, TILE_WIDTH):
            data = read(replace(name, width=width).path())
            if data is not None:
                return data
        raise AssertionError(f"{name.path()} is not there, and the checkpoint covers {head.size} entries")

    def tile(level: int, index: int, width: int, /) -> bytes:
        return widest(TileName(level, index, width))[: 32 * width]

    nodes = TileNodes(head.size, tile)
    assert merkle.frontier_at(head.size, nodes).root() == head.root
    for index in range(-(-head.size // TILE_WIDTH)):
        width, first = width_at(head.size, 0, index), index * TILE_WIDTH
        data = widest(BundleName(index, width))
        try:
            entries = decode_entry_bundle(data, width)
        except MalformedInput:
            entries = decode_entry_bundle(data, TILE_WIDTH)[:width]
        with ledger.database.read() as connection:
            assert entries == log.envelopes(connection, first, first + width)
            assert tile(0, index, width) == log.tile_reader(connection)(0, index, width)
        for offset, entry in enumerate(entries):
            proof = merkle.inclusion_proof(first + offset, head.size, nodes)
            merkle.verify_inclusion(merkle.leaf_hash(entry), first + offset, head.size, proof, head.root)
    return head.size


class Watched:
    """A store that calls ``look`` after each thing that was done to it, with what was done."""

    def __init__(self, store: PublicStore, look: Callable[[str], None]):
        self._store, self._look = store, look

    def checkpoint(self) -> KeptCheckpoint | None:
        kept = self._store.checkpoint()
        self._look("checkpoint")
        return kept

    def put(self, objects: Mapping[str, bytes]) -> None:
        self._store.put(objects)
        self._look("put")

    def lacks(self, names: Iterable[str]) -> set[str]:
        missing = self._store.lacks(names)
        self._look("lacks")
        return missing

    def replace_checkpoint(self, note: bytes, before: KeptCheckpoint | None) -> None:
        self._store.replace_checkpoint(note, before)
        self._look("replace_checkpoint")

    def forget(self, folders: Iterable[str]) -> None:
        self._store.forget(folders)
        self._look("forget")


def test_a_checkpoint_has_all_its_tiles_at_every_moment(ledger: Ledger, place: Place) -> None:
    """After each thing that is written or deleted, every entry that the store's checkpoint covers is proven by it.

    The log grows within a tile, fills one exactly, begins the next, and skips one; each size is reached.
    """
    moments: list[tuple[str, int]] = []
    uploader = uploader_to(
        ledger, Watched(place.store, lambda done: moments.append((done, verified(ledger, place.read))))
    )
    for size in (20, 21, 255, 256, 257, 300, 800):
        assert grow_to(ledger, size) == size
        assert uploader.step()
        assert uploader.state == UploadState(size)
        assert moments[-1][1] == size
        assert not uploader.step(), "nothing is new"
    assert {done for done, _ in moments} == {"checkpoint", "lacks", "put", "replace_checkpoint", "forget"}
    assert [size for _, size in moments] == sorted(size for _, size in moments)


def test_partial_tiles_go_once_the_full_one_is_there(ledger: Ledger, place: Place) -> None:
    """Those of the last tile stay, whatever width; a full tile is sent once."""
    sent: list[str] = []

    class Counted(Watched):
        def put(self, objects: Mapping[str, bytes]) -> None:
            sent.extend(objects)
            super().put(objects)

    uploader = uploader_to(ledger, Counted(place.store, lambda _: None))
    for size in (200, 250, 260, 270):
        grow_to(ledger, size)
        assert uploader.step()
    gone = ["tile/0/000.p/200", "tile/0/000.p/250", "tile/entries/000.p/200", "tile/entries/000.p/250"]
    remaining = ["tile/0/000", "tile/entries/000", "tile/1/000.p/1", "tile/0/001.p/4", "tile/entries/001.p/14"]
    assert [name for name in gone if place.read(name) is not None] == []
    assert [name for name in remaining if place.read(name) is None] == []
    assert sorted(sent) == sorted({*sent}), "no name is written twice"


def test_only_what_is_public_is_uploaded(ledger: Ledger, place: Place) -> None:
    """No payload and no section of an entry is in any object: the envelope alone, which names the payload by digest."""
    objects: dict[str, bytes] = {}

    class Kept(Watched):
        def put(self, objects_: Mapping[str, bytes]) -> None:
            objects.update(objects_)
            super().put(objects_)

    case = Case("case-of-a-person").open()
    body = PersonNamed(person_id=person_id("li"), role="suspect", section="person:1")
    case.act(body, sections={"person:1": section("person", name="a name")})
    ledger.post_all(case.events)
    size = grow_to(ledger, 30)
    assert uploader_to(ledger, Kept(place.store, lambda _: None)).step()
    everything = b"".join(objects.values())
    sections = 0
    with ledger.database.read() as connection:
        for entry in log.entries(connection, 0, size):
            assert entry.envelope in everything
            assert entry.payload not in everything
            for data in log.sections(connection, entry.log_index).values():
                assert data is not None
                assert data not in everything
                sections += 1
    assert sections, "an entry of the test has a section"


def test_a_killed_process_leaves_a_store_that_the_next_one_completes(
    ledger: Ledger, place: Place, tmp_path: Path
) -> None:
    """Killed with SIGKILL when tiles were written and the checkpoint was not: the one before stands, with its tiles."""
    script = """
import json, os, signal, sys
from ledger.config.settings import Settings
from ledger.core.log.notes import parse_vkey
from ledger.recording.public_store import public_store_of
from ledger.recording.uploading import TileUploader
from ledger.store.opening import open_database
from tests.testkit import bundles
store = public_store_of(Settings(**json.loads(sys.argv[2])))
trust = bundles.trust(chains=(), log_key=parse_vkey(sys.argv[3]))
store.replace_checkpoint = lambda note, before: os.kill(os.getpid(), signal.SIGKILL)
TileUploader(open_database(sys.argv[1]), store, trust=lambda: trust).step()
"""
    grow_to(ledger, 40)
    assert uploader_to(ledger, place.store).step()
    grow_to(ledger, 270)
    key = LOG_SIGNER.verifying_key.vkey()
    command = [sys.executable, "-c", script, sqlite_url(tmp_path), json.dumps(place.settings), key]
    ended = subprocess.run(command, env=environment(PYTHONPATH=str(REPOSITORY)), capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert place.read("tile/0/000") is not None, "tiles were written"
    assert verified(ledger, place.read) == 40
    assert uploader_to(ledger, place.store).step()
    assert verified(ledger, place.read) == 270


def test_an_outage_stops_nothing_and_is_caught_up(long_ledger: Ledger, storage: ObjectStorage, tmp_path: Path) -> None:
    """Events are recorded and published; the store's checkpoint stays behind, as the state says; then it is whole."""
    place = bucket_of(storage, f"outage/{tmp_path.name}")
    uploader = uploader_to(long_ledger, place.store, public_url="https://tiles.example")
    assert uploader.try_step()
    assert uploader.redirect(TileName(0, 0)) == "https://tiles.example/tile/0/000"
    storage.stop()
    try:
        for size in (310, 520):
            grow_to(long_ledger, size)
            assert not uploader.try_step()
            assert uploader.state.size == 300
            assert uploader.state.fault == "the public store does not answer as it should"
            assert uploader.state.hint is not None
            assert uploader.redirect(TileName(0, 0)) is None, "the service serves what readers do not get there"
    finally:
        storage.start()
    assert verified(long_ledger, place.read) == 300
    assert uploader.try_step()
    assert (verified(long_ledger, place.read), uploader.state) == (520, UploadState(520))


def test_a_store_that_fails_while_nothing_is_recorded_is_noticed(
    long_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at each minute, so that readers are sent there no more; what it has lost is written again."""
    place = folder_at(tmp_path / "public")
    away = False

    def look(_: str) -> None:
        if away:
            raise Unavailable("the public store is away")

    uploader = uploader_to(long_ledger, Watched(place.store, look), public_url="https://tiles.example")
    assert uploader.try_step()
    away = True
    assert uploader.try_step(), "it was looked at a moment ago"
    monkeypatch.setattr(uploading, "ASK_EVERY_S", 0.0)
    assert not uploader.try_step()
    assert uploader.redirect(TileName(0, 0)) is None
    away = False
    shutil.rmtree(tmp_path / "public")
    assert uploader.try_step()
    assert verified(long_ledger, place.read) == 300
    assert uploader.redirect(TileName(0, 0)) is not None


def test_nobody_is_sent_to_a_store_that_is_filled_again(
    long_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody emptied it: until its checkpoint is there again, the service serves all tiles itself."""
    place = folder_at(tmp_path / "public")
    monkeypatch.setattr(uploading, "ASK_EVERY_S", 0.0)
    sent_there: list[bool] = []

    class Filled(Watched):
        def put(self, objects: Mapping[str, bytes]) -> None:
            sent_there.append(uploader.redirect(TileName(0, 0)) is not None)
            super().put(objects)

    uploader = uploader_to(long_ledger, Filled(place.store, lambda _: None), public_url="https://tiles.example")
    assert uploader.try_step()
    assert uploader.redirect(TileName(0, 0)) is not None
    sent_there.clear()
    shutil.rmtree(tmp_path / "public")
    assert uploader.try_step()
    assert sent_there
    assert not any(sent_there)
    assert uploader.redirect(TileName(0, 0)) is not None


class Failing(Watched):
    """A store that is away once it has taken objects ``left`` times; ``sent`` are their names."""

    def __init__(self, store: PublicStore):
        super().__init__(store, lambda _: None)
        self.left, self.sent = 1, list[str]()

    def put(self, objects: Mapping[str, bytes]) -> None:
        if not self.left:
            raise Unavailable("the public store is away")
        self.left -= 1
        self.sent.extend(objects)
        super().put(objects)


def test_what_was_sent_before_an_outage_is_not_sent_again(ledger: Ledger, place: Place) -> None:
    """The store fails after some tiles of many; the next step begins behind the last full one that it took."""
    store = Failing(place.store)
    uploader = uploader_to(ledger, store)
    grow_to(ledger, 800)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading, "NAMES_AT_ONCE", 2)
        assert not uploader.try_step()
        assert store.sent == ["tile/0/000", "tile/entries/000", "tile/0/001", "tile/entries/001"]
        store.left = 1000
        grow_to(ledger, 900)
        assert uploader.try_step()
    assert sorted(store.sent) == sorted({*store.sent})
    assert verified(ledger, place.read) == 900


def test_what_was_sent_and_is_gone_is_sent_again(ledger: Ledger, place: Place) -> None:
    """The first upload fails half-way, and the place is emptied: the checkpoint that follows has all its tiles."""
    store = Failing(place.store)
    uploader = uploader_to(ledger, store)
    grow_to(ledger, 800)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading, "NAMES_AT_ONCE", 2)
        assert not uploader.try_step()
        assert place.read("tile/0/000") is not None
        place.store.forget(["tile"])
        store.left = 1000
        assert uploader.try_step()
    assert verified(ledger, place.read) == 800


@pytest.mark.parametrize(
    ("gone", "is_restarted"),
    [
        (["tile/0/000", "tile/entries/000", "tile/1/000.p/1"], False),
        (["tile/1/000.p/1"], True),
        (["tile/entries/001.p/44"], False),
    ],
)
def test_tiles_that_somebody_deleted_are_noticed_and_written_again(
    long_ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch, gone: list[str], is_restarted: bool
) -> None:
    """As by one who empties a store in use: the checkpoint is there again while the deletion goes on.

    Until all is there readers are not sent to the store, and its state says why.
    """
    during: list[tuple[str, UploadState, str | None]] = []
    uploader = uploader_to(long_ledger, place.store, public_url="https://tiles.example")
    assert uploader.step()
    address = storage_of(Settings(**place.settings), "tile_store")  # type: ignore[arg-type]
    assert address is not None
    objects_at(address).delete(gone)

    def look(done: str) -> None:
        during.append((done, uploader.state, uploader.redirect(TileName(0, 0))))

    if is_restarted:
        uploader = uploader_to(long_ledger, Watched(place.store, look), public_url="https://tiles.example")
    else:
        uploader.store = Watched(place.store, look)
        monkeypatch.setattr(uploading, "ASK_EVERY_S", 0.0)
    assert uploader.try_step()
    assert [(state.fault is None, url) for done, state, url in during if done == "put"] == [(False, None)]
    assert verified(long_ledger, place.read) == 300
    assert uploader.state == UploadState(300)
    assert uploader.redirect(TileName(0, 0)) is not None


def other_checkpoints(ledger: Ledger) -> dict[str, bytes]:
    """Give checkpoints that do not belong in this log's store."""
    name = LOG_SIGNER.verifying_key.name
    with ledger.database.read() as connection:
        tree = log.tree(connection)
    foreign_signer = SeedSigner.from_seed("another.log/tests", b"\x22" * 32)
    root = Hash(b"\x01" * 32)
    return {
        "of another log": sign_checkpoint(
            Checkpoint(foreign_signer.verifying_key.name, 3, root), foreign_signer
        ).encode(),
        "of another key": sign_checkpoint(Checkpoint(name, tree.size, Hash(tree.root)), ATTACK).encode(),
        "of another history": sign_checkpoint(Checkpoint(name, tree.size - 1, root), LOG_SIGNER).encode(),
        "ahead": sign_checkpoint(Checkpoint(name, tree.size + 1, root), LOG_SIGNER).encode(),
        "no checkpoint": b"<html>\xff</html>",
        "nothing": b"",
    }


def test_a_store_with_another_log_is_refused(long_ledger: Ledger, place: Place) -> None:
    """Nothing in it is changed, the state says why, and events are recorded as ever."""
    for which, note in other_checkpoints(long_ledger).items():
        place.store.replace_checkpoint(note, place.store.checkpoint())
        uploader = uploader_to(long_ledger, place.store)
        with pytest.raises(StoreRefused) as refused:
            uploader.step()
        assert (refused.value.field, refused.value.code) == ("tile_store", "store_refused"), which
        assert not uploader.try_step(), which
        assert uploader.state == UploadState(0, refused.value.message, refused.value.hint), which
        assert place.read("checkpoint") == note, which
        assert place.read("tile/0/000") is None, which
    grow_to(long_ledger, 301)


def test_a_checkpoint_without_end_is_not_read(ledger: Ledger, place: Place) -> None:
    """One of more bytes than a note has is refused by its size, and the state says so."""
    place.store.replace_checkpoint(bytes(MAX_NOTE_LENGTH + 1), None)
    grow_to(ledger, 20)
    uploader = uploader_to(ledger, place.store)
    with pytest.raises(IntegrityBroken) as refused:
        uploader.step()
    assert refused.value.code == "object_changed"
    assert not uploader.try_step()
    assert uploader.state == UploadState(0, refused.value.message, refused.value.hint)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_checkpoint_that_is_no_file_holds_nothing_up(
    long_ledger: Ledger, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A pipe, a link and a folder of its name: the step ends, readers are not sent there, and events are recorded."""
    uploader = uploader_to(long_ledger, folder_at(tmp_path / "public").store, public_url="https://tiles.example")
    assert uploader.step()
    (tmp_path / "public" / "checkpoint").unlink()
    make(tmp_path / "public" / "checkpoint")
    grow_to(long_ledger, 301)
    assert not uploader.try_step()
    assert (uploader.state.size, uploader.redirect(TileName(0, 0))) == (300, None)
    assert uploader.state.fault is not None


def test_a_lock_that_another_keeps_is_waited_for_in_vain_once(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds the lock of the folder, or puts a pipe in its place, does not stop the loop: the state says what is."""
    monkeypatch.setattr(objects, "ANSWER_WITHIN", timedelta(milliseconds=100))
    uploader = uploader_to(ledger, folder_at(tmp_path).store)
    os.mkfifo(tmp_path / ".lock")
    grow_to(ledger, 20)
    with objects.locked(tmp_path / ".lock"):
        assert not uploader.try_step()
    assert uploader.state.fault == "the folder of the public store does not work"
    assert uploader.try_step()


def test_processes_of_one_ledger_never_put_the_checkpoint_back(place: Place, each_database_url: str) -> None:
    """One is overtaken while it sends tiles: its own checkpoint is not written, and it goes on from the other's."""
    with open_founded(each_database_url, clerk(POLICE)) as ledger:
        second = uploader_to(ledger, place.store)

        def overtake(done: str) -> None:
            if done == "put" and second.state.size < 300:
                grow_to(ledger, 300)
                assert second.step()

        first = uploader_to(ledger, Watched(place.store, overtake))
        grow_to(ledger, 30)
        assert not first.step(), "another process was faster"
        assert verified(ledger, place.read) == 300
        assert first.try_step()
        assert first.state == UploadState(300)


def test_the_store_gets_the_checkpoint_with_the_quorum(ledger: Ledger, place: Place) -> None:
    """Where the trust file asks for witnesses, the newest that they have co-signed; a later co-signature is added."""
    trust = bundles.trust(bundles.TWO_OF_THREE, chains=(), log_key=LOG_SIGNER.verifying_key, development=False)
    uploader = uploader_to(ledger, place.store, trust=lambda: trust)
    for size, witness in zip((20, 30), bundles.WITNESSES, strict=False):
        grow_to(ledger, size)
        with ledger.database.read() as connection:
            kept = checkpoints.published_at_size(connection, 20)
        assert kept is not None
        head = verify_checkpoint(kept.note, LOG_SIGNER.verifying_key)
        line, key = cosign_checkpoint(head, witness, ledger.clock.seconds).line(), witness.verifying_key.vkey()
        checkpoints.store_cosignature(ledger.database, 20, key, line, is_enough=lambda _: True)
        assert uploader.step()
        note = place.read("checkpoint")
        assert note is not None
        assert note.decode().split("\n")[1] == "20"
        assert note.decode().endswith(line)
    assert place.read("tile/0/000.p/30") is None


def test_a_defect_is_told_and_uploading_goes_on(ledger: Ledger, place: Place) -> None:
    """A failure that nobody foresaw is in the state until a step succeeds."""
    broken = True

    def look(_: str) -> None:
        if broken:
            raise KeyError("defect")

    uploader = uploader_to(ledger, Watched(place.store, look))
    grow_to(ledger, 20)
    assert not uploader.try_step()
    assert uploader.state.fault == "checkpoints cannot be uploaded (KeyError)"
    broken = False
    assert uploader.try_step()
    assert uploader.state == UploadState(20)
