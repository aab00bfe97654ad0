"""A backup has all that a ledger cannot make again, once, as of one moment, whoever writes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.backup import creating
from ledger.backup.chunks import FOLDER, KeyMismatch, Vault, new_identity, public_of, vault_of_machine
from ledger.backup.creating import BackupAhead, newest_of
from ledger.backup.generations import OfOtherLedger, numbers_at, read_generation, read_manifest
from ledger.core.errors import Conflict, IntegrityBroken, Unavailable
from ledger.core.log.notes import SeedSigner
from ledger.storage.objects import FolderObjects
from ledger.store import backup as rows
from ledger.store import bindings, imports, log
from ledger.store.access import AccessLog, Read
from ledger.store.database import Database, attach
from ledger.store.migrating import metadata
from ledger.store.tables import DATASET_FILES, SECTIONS
from ledger.supervision.runs.datasets import DatasetFiles
from tests.testkit.ledgers import open_ledger
from tests.testkit.supervision import dataset
from tests.unit.backup.stand import NOW, TRUST, Stand, audit, derived, erasing, folder_at, handed_over, kept


class Counting(FolderObjects):
    """Counts what is written, and does something before some of it."""

    def __init__(self, folder: Path, before: Callable[[int], None] = lambda _number: None):
        super().__init__(folder, is_made=True)
        self.written: list[str] = []
        self._before = before

    def put(self, name: str, data: bytes) -> None:
        self._before(len(self.written))
        super().put(name, data)
        self.written.append(name)

    def create(self, name: str, data: bytes) -> None:
        self._before(len(self.written))
        self.written.append(name)
        super().create(name, data)


def read_in(database: Database) -> None:
    """Record a read, and then the head of the bindings, as the service does before it seals."""
    access = AccessLog(database)
    access.append(Read("police-east", "somebody", "0x00", "case.shown", 1, case_id="case-1"))
    with database.read() as connection:
        head = bindings.head(connection)
    access.append_bindings(head)


def test_each_database_goes_into_either(each_stand: Stand, postgres_url: str) -> None:
    """What is restored has the same rows: those that were kept, and those that follow from the entries. An audit finds
    nothing, and the backup verifies."""
    read_in(each_stand.ledger.database)
    each_stand.create()
    report = each_stand.verified()
    assert (report.verdict, report.findings) == ("intact", ())
    expected = derived(each_stand.ledger.database)
    for name, url in (("file", None), ("server", postgres_url)):
        database = each_stand.restored(name, url)
        assert derived(database) == expected
        before, after = kept(each_stand.ledger.database), kept(database)
        for table in before.keys() - {"meta", "bindings"}:
            assert after[table] == before[table], table
        # The head map is begun anew, which is bound.
        assert after["bindings"][:-1] == before["bindings"]
        assert AccessLog(database).check() == AccessLog(each_stand.ledger.database).check()
        report = audit(database)
        assert report.findings == ()
        assert [step.name for step in report.steps if step.result == "not_checked"] == ["anchors", "chain"]
        database.close()


def test_every_table_is_kept_or_made_again_or_passes(stand: Stand) -> None:
    """None is forgotten: a table that is neither made again nor of some minutes is in a backup."""
    numbered = {table for series in rows.NUMBERED for table in series.tables}
    classes = ({*rows.whole_tables()}, numbered, {*rows.DERIVED}, {*rows.PASSING})
    tables = {*metadata("log").tables.values(), *metadata("access").tables.values()}
    assert set().union(*classes) == tables
    assert sum(map(len, classes)) == len(tables)


def test_only_what_is_new_is_written(stand: Stand) -> None:
    """Of a second backup the ranges that are full are there already; of one with nothing new, everything."""
    first = stand.create()
    place = Counting(stand.folder / "place")
    again = stand.create(place)
    assert (again.chunks, again.stored) == (0, 0)
    assert [name.partition("/")[0] for name in place.written] == ["manifests", "generations"]
    stand.record(handed_over("case-new"))
    before = stand.opened().manifest
    third = stand.create()
    after = stand.opened().manifest
    full = first.generation.size // rows.EACH
    assert after.numbered["log"][:full] == before.numbered["log"][:full]
    assert 0 < third.stored < first.stored
    assert stand.verified().verdict == "intact"


def test_it_goes_on_wherever_it_was_cut_off(stand: Stand) -> None:
    """After each write in turn: no generation names what is not there, and the next run writes what is missing only."""
    whole = Counting(stand.folder / "whole")
    stand.create(whole)
    total = len(whole.written)
    assert total > 6
    for cut in range(total):

        def stop(number: int, cut: int = cut) -> None:
            if number == cut:
                raise Unavailable("cut off")

        folder = stand.folder / f"cut-{cut}"
        with pytest.raises(Unavailable):
            stand.create(Counting(folder, stop))
        assert numbers_at(folder_at(folder)) == []
        place = Counting(folder)
        stand.create(place)
        # A manifest and a note are written by each run.
        assert len(place.written) == total - min(cut, total - 2)
    stand.place = place
    assert stand.verified().verdict == "intact"


def test_what_is_recorded_meanwhile_is_whole_or_left_out(stand: Stand) -> None:
    """Cases, reads and erasures come while chunks are written: the backup is that of one moment, and an audit of what
    is restored finds nothing."""
    case = handed_over("case-erased")
    stand.record(case)

    def meanwhile(number: int) -> None:
        stand.record(handed_over(f"case-while-{number}"))
        read_in(stand.ledger.database)
        if number == 1:
            stand.ledger.post_all(erasing(case))
            read_in(stand.ledger.database)

    stand.create(Counting(stand.folder / "place", meanwhile))
    assert stand.verified().findings == ()
    with stand.ledger.database.read() as connection:
        assert stand.opened().generation.size < log.tree(connection).size
    database = stand.restored()
    assert audit(database).findings == ()
    database.close()


def test_a_range_that_weighs_much_is_in_several_chunks(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no chunk outgrows memory, however large payloads are."""
    monkeypatch.setattr(rows, "MOST_BYTES", 3000)
    stand.create()
    ranges = stand.opened().manifest.numbered["log"]
    assert max(map(len, ranges)) > 1
    assert all(sum(ref.rows for ref in refs) == rows.EACH for refs in ranges[:-1])
    assert stand.verified().verdict == "intact"
    database = stand.restored()
    assert audit(database).findings == ()
    database.close()


def test_chunks_do_not_wait_in_memory_for_the_end(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as many bytes wait as may, they are written before another chunk is made, also of the last snapshot."""
    monkeypatch.setattr(creating, "MOST_WAITING", 0)
    steps: list[str] = []
    seal = Vault.seal

    def sealed(vault: Vault, content: bytes, *, for_own: bool = False) -> bytes:
        steps.append("sealed")
        return seal(vault, content, for_own=for_own)

    monkeypatch.setattr(Vault, "seal", sealed)
    place = Counting(stand.folder / "place", lambda _number: steps.append("put"))
    stand.create(place)
    assert len(steps) > 8
    assert steps == ["sealed", "put"] * (len(steps) // 2) + ["put"]  # the last is the note, which is not sealed
    assert stand.verified().verdict == "intact"


def test_two_runs_at_once_do_no_harm(stand: Stand) -> None:
    """One makes the generation, the other is told so; what either wrote serves the next."""
    stand.create()
    stand.record(handed_over("case-new"))

    def meanwhile(number: int) -> None:
        if number == 0:
            stand.create()

    with pytest.raises(Conflict) as refused:
        stand.create(Counting(stand.folder / "place", meanwhile))
    assert refused.value.code == "backup_overtaken"
    assert numbers_at(stand.place) == [1, 2]
    assert stand.verified().verdict == "intact"


def test_an_erased_section_is_in_no_newer_backup(stand: Stand) -> None:
    """The full range that had it is written anew without it; the generation before keeps it until it is pruned."""
    case = handed_over("case-erased")
    stand.record(case, *(handed_over(f"case-more-{number}") for number in range(3)))
    stand.create()
    stand.ledger.post_all(erasing(case))
    stand.create()

    def names(number: int) -> list[bytes]:
        backup = stand.opened(number)
        chunks = [backup.rows_at("log", *place) for place in backup.starts("log")]
        parts = [part for chunk in chunks for part in chunk.parts if part.table == SECTIONS.name]
        return [row[2] for part in parts for row in part.rows]

    assert (names(1).count(None), names(2).count(None)) == (0, 1)
    assert stand.verified().verdict == "intact"


def test_a_chunk_that_got_lost_is_written_again(stand: Stand) -> None:
    """Whatever is missing or cut short at the place, the next backup has it."""
    stand.create()
    paths = sorted((stand.folder / "place" / FOLDER).rglob("*/*"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    assert stand.verified().verdict == "tampered"
    stand.create()
    assert stand.verified().verdict == "intact"


def test_a_database_that_was_rolled_back_is_not_backed_up_over_a_newer_one(stand: Stand, tmp_path: Path) -> None:
    """Neither one that is shorter, nor one that went on otherwise, nor another ledger's."""
    stand.create()
    older = stand.restored("older")
    stand.record(handed_over("case-new"))
    stand.create()
    with pytest.raises(BackupAhead):
        stand.create(database=older)
    older.close()
    with open_ledger(f"sqlite:///{tmp_path}/older/tallystick.db", clock=stand.ledger.clock) as ledger:
        ledger.clock.forward(3600)
        ledger.post_all([event for number in range(3) for event in handed_over(f"case-other-{number}").events])
        with pytest.raises(BackupAhead):
            stand.create(database=ledger.database)
    assert numbers_at(stand.place) == [1, 2]


def test_a_place_that_lost_a_generation_is_noticed(stand: Stand) -> None:
    """By what the machine remembers: a generation that is gone, or another one of the same number."""
    stand.create()
    last = stand.create().generation
    remembered = (last.number, last.digest)
    assert newest_of(stand.place, TRUST, [stand.machine], remembered) is not None
    with pytest.raises(IntegrityBroken) as refused:
        newest_of(stand.place, TRUST, [stand.machine], (last.number, "blake3:" + "00" * 32))
    assert refused.value.code == "backup_rolled_back"
    stand.place.delete(["generations/00000002"])
    with pytest.raises(IntegrityBroken) as refused:
        newest_of(stand.place, TRUST, [stand.machine], remembered)
    assert refused.value.code == "backup_rolled_back"


def test_the_machine_that_backs_up_cannot_read_what_it_wrote(stand: Stand) -> None:
    """Its own key opens manifests and no chunk; a stranger's key opens nothing."""
    stand.create()
    generation = read_generation(stand.place, 1, TRUST)
    manifest = read_manifest(stand.place, generation, [stand.machine])
    ref = next(manifest.chunks())
    stored = stand.place.read(ref.path, ref.most)
    assert stored is not None
    with pytest.raises(KeyMismatch):
        stand.vault.open(stored, ref.size)
    with pytest.raises(KeyMismatch):
        read_manifest(stand.place, generation, [Stand(stand.ledger, stand.folder).secret])


def test_who_is_named_later_can_open_everything(stand: Stand) -> None:
    """Another recipient, with or without the one before: no chunk of the next backup was written for others. With the
    same recipients, in any order, nothing is written again."""
    stand.create()
    first = stand.secret
    stand.secret = new_identity()[0]
    assert stand.create().chunks > 0
    assert stand.verified().verdict == "intact"
    stand.restored().close()
    with pytest.raises(KeyMismatch):
        read_manifest(stand.place, read_generation(stand.place, 2, TRUST), [first])
    both = [public_of(first), public_of(stand.secret)]
    assert vault_of_machine(both, stand.machine).name_key == vault_of_machine(both[::-1], stand.machine).name_key
    assert vault_of_machine(both, stand.machine).name_key != stand.vault.name_key
    assert stand.create().chunks == 0


def test_a_note_counts_by_the_logs_key_alone(stand: Stand) -> None:
    """One that another key has signed is refused; without a key the note says the same, and nobody vouches for it."""
    stand.now = lambda: NOW
    stand.create()
    foreign_signer = SeedSigner.from_seed("other.test/log", b"\x12" * 32)
    with pytest.raises(OfOtherLedger):
        read_generation(stand.place, 1, foreign_signer.verifying_key)
    generation = read_generation(stand.place, 1, None)
    assert generation.made_at == NOW


def test_a_record_that_knows_later_bindings_is_left_out(stand: Stand) -> None:
    """The log of reads ends before the first record of a head of bindings that the snapshot has not."""
    database = stand.ledger.database
    read_in(database)
    with database.read() as connection:
        bound = bindings.head(connection)
    head = AccessLog(database).head()
    stand.record(handed_over("case-new"))
    read_in(database)
    within = rows.reads_within(database, bound)
    assert within.count == head.count + 1  # the read that came before that record
    assert rows.has_reads(database, within)


def test_files_beside_the_database_are_kept(stand: Stand) -> None:
    """As they are, an empty one too."""
    small, empty = stand.folder / "small", stand.folder / "empty"
    small.write_bytes(b"a founding")
    empty.write_bytes(b"")
    stand.files = {"installation.json": small, "procedures/empty": empty}
    stand.create()
    assert stand.verified().verdict == "intact"
    stand.restored().close()
    assert (stand.folder / "restored" / "installation.json").read_bytes() == b"a founding"
    assert (stand.folder / "restored" / "procedures" / "empty").read_bytes() == b""


def test_files_of_data_sets_are_kept_whoever_makes_the_backup(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it was given to a service with another data directory: a backup has the whole file, and what is restored
    has it, too, as it was bound."""
    monkeypatch.setattr(imports, "PART", 1000)
    data = b"person_id,paid_on\n" + b"p-1,2026-02-15\n" * 2000
    registered = dataset(data, rows=2000)
    with closing(attach(stand.ledger.database.url)) as database:
        DatasetFiles(database).keep(registered, data)
    stand.create()
    assert stand.verified().verdict == "intact"
    with closing(stand.restored()) as restored, DatasetFiles(restored).written(registered.digest) as path:
        assert path is not None
        assert path.read_bytes() == data
        with restored.read() as connection:
            assert bindings.unlike(connection, DATASET_FILES) == []


def test_a_restored_ledger_goes_on(stand: Stand, tmp_path: Path) -> None:
    """It takes the next event of each stream, and its backups go on where the last one ended."""
    case = handed_over("case-goes-on")
    stand.record(case)
    stand.create()
    stand.restored().close()
    with open_ledger(f"sqlite:///{tmp_path}/restored/tallystick.db", clock=stand.ledger.clock) as ledger:
        ledger.post(case.register("letter").last)
        ledger.publisher.publish(ledger.database, ledger.clock.ms)
        assert stand.create(database=ledger.database).generation.number == 2
    assert stand.verified().verdict == "intact"
