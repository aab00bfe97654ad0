"""``evidence.rehashing``: kept files are hashed again at each handover and move, and what was found is recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs, to_builtins
from sqlalchemy import ColumnElement, Connection, Table, select, text, true
from structlog.testing import capture_logs

from ledger.audit import audit_case, left_out
from ledger.core.encoding.digests import Algorithm, blake3_text, digest_by
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import Authority
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.item import ItemCheckedIn, ItemCheckedOut, ItemDisposalProposed, ItemMoved
from ledger.core.events.record import IncidentRecorded
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.procedure.adoption import publication_of
from ledger.core.procedure.package import canonical_form
from ledger.evidence.file_encryption import object_of
from ledger.evidence.kept_evidence import KeptEvidence
from ledger.evidence.rehashing import DESTROYED, FOREIGN_MS, LEFT_MS, Rehasher
from ledger.procedures import books_that_ship, shipped_package
from ledger.storage.objects import FolderObjects
from ledger.store import bindings, evidence_files, log
from ledger.store.evidence_files import FileCheck
from ledger.store.evidence_tables import EVIDENCE_FILES, FILE_CHECKS, FILES_TO_DELETE, ITEM_FILES
from ledger.store.tables import ENTRIES
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, supervisor
from tests.testkit.casework import Case, dispose
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url
from tests.unit.audit.stand import PROCEDURES, TRUST
from tests.unit.evidence.test_kept_evidence import give, in_folder, objects, unreadable

ORDER = Authority("court_order", "O-1")
DATA = os.urandom(1000)
DIGEST = str(digest_by(Algorithm.SHA256, DATA))


@dataclass
class Stand:
    """A ledger whose case has a disk of which a file is kept."""

    ledger: Ledger
    store: KeptEvidence
    folder: Path
    incidents: list[IncidentRecorded] = field(default_factory=list)
    recorded: int = 0

    @property
    def rehasher(self) -> Rehasher:
        return Rehasher(self.store, self.ledger.validator.states.of_case, self.is_sound, self.incidents.append)

    def is_sound(self, case_id: str) -> bool:
        return not audit_case(self.ledger.database, TRUST, PROCEDURES, case_id, look=left_out).findings

    def record(self, case: Case) -> Case:
        """Record what the case has that is not recorded yet."""
        self.ledger.post_all(case.events[self.recorded :])
        self.recorded = len(case.events)
        return case

    def checks(self, item: str = "disk") -> list[FileCheck]:
        with self.ledger.database.read() as connection:
            return evidence_files.checks_of(connection, "case-1", item)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with open_founded(sqlite_url(tmp_path), clerk(POLICE), clerk(PROCURATORATE), supervisor(POLICE)) as ledger:
        store = replace(in_folder(tmp_path, ledger.database), clock=lambda: ledger.clock.ms)
        yield Stand(ledger, store, tmp_path / "a store")


def held(stand: Stand) -> Case:
    """Record a case with a disk and a phone; a file of the disk is kept, given by its SHA-256."""
    case = Case(start=stand.ledger.clock.seconds - 600).open()
    stand.record(case.register("disk", "phone", digests=(DIGEST,)))
    give(stand.store, DATA)
    return case


def held_as_property(stand: Stand) -> Case:
    """Record a case with a disk, which may be destroyed, and keep a file of it."""
    case = Case(start=stand.ledger.clock.seconds - 600).open().register("disk", kind="property", digests=(DIGEST,))
    stand.record(case)
    give(stand.store, DATA)
    return case


def destroy_disk(stand: Stand, case: Case) -> None:
    """Record what makes the disk's files go: one officer proposes that it is destroyed, another one does it."""
    case.say(ItemDisposalProposed, item_ids=("disk",), disposal="destroyed", ground="court order")
    stand.record(dispose(case, disposed_at=case.moment))


def test_a_handover_a_move_and_a_loan_make_a_check_due(stand: Stand) -> None:
    """Of the files of the things that went, once for each event, with the digest before and that of what was read."""
    case = held(stand)
    assert stand.rehasher.step() == 0
    case.say(ItemMoved, item_id="disk", storage_location="room 2")
    case.say(ItemMoved, item_id="phone", storage_location="room 2")
    case.say(ItemCheckedOut, item_id="disk", to_officer="p-0417", ground="imaging")
    case.say(ItemCheckedIn, item_id="disk")
    stand.record(case.offer("disk", "phone", to=PROCURATORATE).accept())
    assert stand.rehasher.step() == 4
    checks = stand.checks()
    names = ["handover.accepted", "item.checked_in", "item.checked_out", "item.moved"]
    assert [check.event_type for check in checks] == names
    assert {(check.outcome, check.before, check.after) for check in checks} == {("intact", DIGEST, DIGEST)}
    assert stand.checks("phone") == []
    assert stand.rehasher.step() == 0
    assert stand.incidents == []


def test_an_offer_that_is_refused_makes_nothing_due(stand: Stand) -> None:
    """Nor a thing that the receiver did not accept: it stays where it was."""
    case = held(stand).offer("disk", to=PROCURATORATE).refuse()
    stand.record(case)
    assert stand.rehasher.step() == 0
    assert stand.checks() == []


@pytest.mark.parametrize(("harm", "outcome"), [("change", "damaged"), ("delete", "missing")])
def test_a_file_that_is_not_as_it_was_is_an_incident(stand: Stand, harm: str, outcome: str) -> None:
    """Everybody reads that one of the store's files is damaged, and nobody which case it is of."""
    case = held(stand)
    (path,) = (stand.folder / name for name in objects(stand.store))
    path.write_bytes(b"other") if harm == "change" else path.unlink()
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    rehasher = stand.rehasher
    assert rehasher.step() == 1
    (check,) = stand.checks()
    assert (check.outcome, check.before, check.after) == (outcome, DIGEST, None)
    assert rehasher.outcomes == {outcome: 1}
    (incident,) = stand.incidents
    assert incident.kind == "file_damaged"
    assert outcome in incident.description
    assert not any(word in incident.description for word in ("case-1", "disk", DIGEST, DIGEST[7:]))


def test_what_waits_is_counted_from_its_event_on(stand: Stand) -> None:
    """Up to as many as are asked for, with the time of the first event; and the files, with their bytes."""
    case = held(stand)
    for room in ("room 2", "room 3"):
        case.say(ItemMoved, item_id="disk", storage_location=room)
    stand.record(case)
    replace(stand.rehasher, stops=lambda: True).step()
    with stand.ledger.database.read() as connection:
        assert evidence_files.total(connection) == (1, len(DATA))
        first = log.entry(connection, log.tree(connection).size - 2)
        assert first is not None
        assert [evidence_files.waiting(connection, most) for most in (1, 9)] == [
            (1, first.recorded_at),
            (2, first.recorded_at),
        ]
    stand.rehasher.step()
    with stand.ledger.database.read() as connection:
        assert evidence_files.waiting(connection, 9) == (0, None)


def test_a_file_that_cannot_be_read_is_an_incident_and_stops_no_other(stand: Stand) -> None:
    """What comes behind it is hashed; what is due once more is not tried for ever."""
    case = held(stand)
    give(stand.store, b"another", item="phone")
    with stand.ledger.database.read() as connection:
        name = next(each.name for each in evidence_files.files(connection) if each.sha256 == DIGEST)
    store = unreadable(stand.store, stand.folder, object_of(name, 0))
    case.say(ItemMoved, item_id="disk", storage_location="room 2")
    stand.record(case.say(ItemMoved, item_id="phone", storage_location="room 2"))
    assert replace(stand.rehasher, store=store).step() == 2
    assert [stand.checks(item)[0].outcome for item in ("disk", "phone")] == ["unreadable", "intact"]
    (incident,) = stand.incidents
    assert "unreadable" in incident.description


def test_two_services_record_one_incident(stand: Stand) -> None:
    """The one whose outcome is stored; the other one, which hashed the file meanwhile, records nothing."""
    case = held(stand)
    (path,) = (stand.folder / name for name in objects(stand.store))
    path.unlink()
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    is_first = True

    def clock() -> int:
        nonlocal is_first
        if is_first:
            is_first = False
            assert stand.rehasher.step() == 1
        return stand.store.clock()

    replace(stand.rehasher, store=replace(stand.store, clock=clock)).step()
    assert not is_first
    assert len(stand.incidents) == 1


def test_an_incident_that_is_refused_is_recorded_by_the_next_step(stand: Stand) -> None:
    """The outcome is stored by then: nothing is due any more that would bring it again."""
    case = held(stand)
    (path,) = (stand.folder / name for name in objects(stand.store))
    path.unlink()
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))

    def refuse(_incident: IncidentRecorded) -> None:
        raise Unavailable("busy", code="busy")

    rehasher = stand.rehasher
    rehasher.record = refuse
    with pytest.raises(Unavailable):
        rehasher.step()
    rehasher.record = stand.incidents.append
    assert rehasher.step() == 0
    assert len(stand.incidents) == 1


def test_an_incident_that_a_killed_service_left_is_recorded_once(stand: Stand) -> None:
    """It was killed between the outcome and the incident, or between the incident and the note of it."""
    case = held(stand)
    (path,) = (stand.folder / name for name in objects(stand.store))
    path.unlink()
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))

    class KilledError(BaseException):
        pass

    def killed(_incident: IncidentRecorded) -> None:
        raise KilledError

    first = stand.rehasher
    first.record = killed
    with pytest.raises(KilledError):
        first.step()
    assert stand.rehasher.step() == 0
    assert stand.incidents == []  # it may be on its way still
    later = replace(stand.store, clock=lambda: stand.store.clock() + LEFT_MS)
    second = replace(stand.rehasher, store=later, record=stand.ledger.system.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_files, "keep_reported", lambda *_: killed(stand.incidents[0]))
        with pytest.raises(IndexError):
            second.step()
    replace(stand.rehasher, store=later).step()
    assert stand.incidents == []  # the log has it
    with stand.ledger.database.read() as connection:
        (entry,) = log.system_entries(connection, "incident.recorded", 10)
        body = log.event_of(entry).body
        assert isinstance(body, IncidentRecorded)
        assert "missing" in body.description
        assert evidence_files.unreported(connection) == []


def test_a_file_that_came_after_an_event_is_not_hashed_because_of_it(stand: Stand) -> None:
    """The loop may come to an old entry when the file is there: what happened before it came is nothing about it."""
    case = Case(start=stand.ledger.clock.seconds - 600).open().register("disk", digests=(DIGEST,))
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    stand.ledger.clock.forward(5)
    give(stand.store, DATA, kept_at=stand.ledger.clock.ms)
    assert stand.rehasher.step() == 0
    assert stand.checks() == []
    stand.ledger.clock.forward(5)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 3"))
    assert stand.rehasher.step() == 1


def test_what_was_destroyed_while_the_storage_was_away_is_deleted_once_it_is_back(stand: Stand) -> None:
    """Also by another process; an empty folder in its place, as of a disk that is not mounted, is not it."""
    case = held_as_property(stand)
    (name,) = objects(stand.store)
    destroy_disk(stand, case)
    away = stand.folder.with_name("away")
    stand.folder.rename(away)
    stand.folder.mkdir()
    for _ in range(2):
        with pytest.raises(Unavailable):
            stand.rehasher.step()
    with stand.ledger.database.read() as connection:
        assert list(evidence_files.files(connection)) == []
        assert [each.name in name for each in evidence_files.to_delete(connection)] == [True]
    stand.folder.rmdir()
    away.rename(stand.folder)
    assert [each.fault for each in stand.store.check()] == ["to_delete"]
    stand.rehasher.step()
    assert objects(stand.store) == []
    with stand.ledger.database.read() as connection:
        assert evidence_files.to_delete(connection) == []


def test_what_somebody_notes_in_the_database_is_not_deleted(stand: Stand) -> None:
    """Whoever can write to the database alone cannot let the service delete evidence."""
    held(stand)
    with stand.ledger.database.read() as connection:
        (name,) = (each.name for each in evidence_files.files(connection))
    with stand.ledger.database.lock() as connection:
        connection.execute(EVIDENCE_FILES.delete())
        connection.execute(FILES_TO_DELETE.insert(), [{"name": name, "since": 1}])
        assert (evidence_files.to_delete(connection), evidence_files.count_to_delete(connection, 9)) == ([], 0)
    assert stand.store.delete_waiting() == 0
    assert len(objects(stand.store)) == 1
    assert "to_delete" not in {each.fault for each in stand.store.check()}


class OneKept(FolderObjects):
    """A folder in which objects of one name cannot be deleted, as under a file system's lock."""

    def __init__(self, folder: Path, name: str):
        super().__init__(folder)
        self.name = name

    def forget(self, folder: str) -> None:
        if self.name in folder:
            raise Unavailable("the folder is locked", code="store_unavailable")
        super().forget(folder)


def test_a_file_that_cannot_be_deleted_keeps_no_other(stand: Stand) -> None:
    """What was destroyed later goes nevertheless; the step says which error it met, and the next one tries again."""
    contents = {"disk": DATA, "phone": b"another"}
    kept = {item: give(stand.store, data, item=item).digest for item, data in contents.items()}
    with stand.ledger.database.read() as connection:
        names = {each.digest: each.name for each in evidence_files.files(connection)}
    away = stand.folder.with_name("away")
    stand.folder.rename(away)
    for item, digest in kept.items():  # the disk's note is the oldest
        stand.store.destroy("case-1", item, digest)
        stand.ledger.clock.forward(5)
    away.rename(stand.folder)
    locked = replace(stand.store, objects=OneKept(stand.folder, names[kept["disk"]]))
    for _ in range(2):
        with pytest.raises(Unavailable, match="locked"):
            replace(stand.rehasher, store=locked).step()
        with stand.ledger.database.read() as connection:
            assert [each.name for each in evidence_files.to_delete(connection)] == [names[kept["disk"]]]
        assert len(objects(stand.store)) == 1
    assert stand.store.delete_waiting() == 1
    assert objects(stand.store) == []


def test_what_somebody_writes_about_a_file_is_not_signed(stand: Stand) -> None:
    """Whoever can write to the database alone gets no incident of the service, and no row that counts as its own."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    rehasher = stand.rehasher
    rehasher.step()
    (check,) = stand.checks()
    with stand.ledger.database.lock() as connection:
        connection.execute(FILE_CHECKS.update().values(outcome="damaged", checked_at=1))
    for _ in range(2):
        rehasher.step()
    assert stand.incidents == []
    with stand.ledger.database.read() as connection:
        assert bindings.unlike(connection, FILE_CHECKS) == [check.name]
    (forged,) = stand.checks()
    with pytest.raises(IntegrityBroken):
        evidence_files.keep_reported(stand.ledger.database, forged, 2)
    with stand.ledger.database.read() as connection:
        assert bindings.unlike(connection, FILE_CHECKS) == [check.name]
        assert evidence_files.unreported(connection) == [forged]


@pytest.mark.parametrize("table", [FILE_CHECKS, ITEM_FILES, EVIDENCE_FILES], ids=lambda table: table.name)
@pytest.mark.parametrize("deed", ["changed", "deleted"])
def test_a_check_of_what_somebody_has_changed_stays_due(stand: Stand, table: Table, deed: str) -> None:
    """An edited digest makes no intact file damaged in the service's words; others are checked, and this one later."""
    case = held(stand)
    give(stand.store, b"another", item="phone")
    for item in ("disk", "phone"):
        case.say(ItemMoved, item_id=item, storage_location="room 2")
    stand.record(case)
    replace(stand.rehasher, stops=lambda: True).step()
    digest = next(check.digest for check in stand.checks())
    with stand.ledger.database.lock() as connection:
        of_disk = select(table).where(table.c.digest == digest)
        (as_written,) = [dict(row) for row in connection.execute(of_disk).mappings()]
        connection.execute(table.delete().where(table.c.digest == digest))
        if deed == "changed":
            forged = {FILE_CHECKS: ("log_index", 0), ITEM_FILES: ("recorded", blake3_text(b"other"))}
            column, value = forged.get(table, ("name", "other"))
            connection.execute(table.insert(), [as_written | {column: value}])
    rehasher = stand.rehasher
    for _ in range(2):
        rehasher.step()
    assert stand.incidents == []
    with stand.ledger.database.read() as connection:
        assert bindings.unlike(connection, table)
    assert [check.outcome for check in stand.checks("phone")] == ["intact"]
    assert {check.outcome for check in stand.checks()} <= {None}
    with stand.ledger.database.lock() as connection:
        connection.execute(table.delete().where(table.c.digest == digest))
        connection.execute(table.insert(), [as_written])
    stand.ledger.clock.forward(FOREIGN_MS // 1000)
    rehasher.step()
    assert [check.outcome for check in stand.checks()] == ["intact"]
    assert stand.incidents == []


UNREADABLE = {"bytes": "x'ff'", "no UTF-8": "CAST(x'ff' AS TEXT)", "no number": "'many'"}  # which SQLite allows


OF_FILES = (FILE_CHECKS, ITEM_FILES, EVIDENCE_FILES, FILES_TO_DELETE)


@pytest.mark.parametrize(
    "kinds", [(*UNREADABLE,), *(pytest.param((kind,), marks=pytest.mark.extended) for kind in UNREADABLE)], ids="-".join
)
@pytest.mark.parametrize("table", OF_FILES, ids=lambda table: table.name)
def test_a_value_that_cannot_be_read_stops_no_other_check(stand: Stand, table: Table, kinds: tuple[str, ...]) -> None:
    """In whatever column, of the kinds in turn: that row is left alone, and told; what else is due is done, as this is
    once it is mended."""
    case = held(stand)
    give(stand.store, b"another", item="phone")
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    (stand.rehasher if table is FILES_TO_DELETE else replace(stand.rehasher, stops=lambda: True)).step()
    (due,) = stand.checks()
    with stand.ledger.database.lock() as connection:
        evidence_files.delete_later(connection, "a name", 1)
        (as_written,) = connection.execute(select(table).limit(1).where(_of(table, due))).mappings()
    for number, column in enumerate(table.columns, 3):
        unreadable = text(UNREADABLE[kinds[number % len(kinds)]])
        with stand.ledger.database.lock() as connection:
            connection.execute(table.update().where(_of(table, due)).values({column: unreadable}))
        stand.record(case.say(ItemMoved, item_id="phone", storage_location=f"room {number}"))
        rehasher = stand.rehasher
        with capture_logs() as logged:
            assert rehasher.step() == 1, column
            assert rehasher.step() == 0, column
        is_due = column is not FILE_CHECKS.c.checked_at and table is not FILES_TO_DELETE
        assert [each["log_level"] for each in logged] == ["error"] * is_due, column
        with stand.ledger.database.lock() as connection:
            assert evidence_files.waiting(connection, 9)[0] == is_due, column
            connection.execute(table.delete().where(table.c[column.name] == unreadable))
            connection.execute(table.insert(), [dict(as_written)])
    stand.rehasher.step()
    assert [check.outcome for check in stand.checks()] == ["intact"]
    assert stand.incidents == []
    with stand.ledger.database.read() as connection:
        assert evidence_files.to_delete(connection) == []


def _of(table: Table, due: FileCheck) -> ColumnElement[bool]:
    return true() if table is FILES_TO_DELETE else table.c.digest == due.digest


def test_a_check_that_somebody_has_added_is_not_made(stand: Stand) -> None:
    """Nor one of a file that is said to be another item's; neither becomes a row of the service."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="phone", storage_location="room 2"))
    with stand.ledger.database.lock() as connection:
        (kept,) = [dict(row) for row in connection.execute(select(ITEM_FILES)).mappings()]
        connection.execute(ITEM_FILES.insert(), [kept | {"item_id": "phone"}])
        due = FileCheck("case-1", "disk", kept["digest"], "an event", "item.moved", 0)
        connection.execute(FILE_CHECKS.insert(), [to_builtins(due)])
    stand.rehasher.step()
    assert [check.outcome for check in stand.checks() + stand.checks("phone")] == [None, None]
    with stand.ledger.database.read() as connection:
        assert bindings.unlike(connection, FILE_CHECKS) == [due.name]


@pytest.mark.parametrize("is_bound", [False, True], ids=["", "bound"])
@pytest.mark.parametrize("deed", ["moved", "renamed"])
def test_what_somebody_has_changed_deletes_no_file(stand: Stand, deed: str, is_bound: bool) -> None:
    """Whoever can write to the database alone cannot let the service delete the file of a thing that is kept.

    Nor who adds bindings of what he has written, for which it takes no key.
    """
    case = Case(start=stand.ledger.clock.seconds - 600).open()
    for item in ("disk", "phone"):
        case.register(item, kind="property", digests=(str(digest_by(Algorithm.SHA256, item.encode())),))
    stand.record(case)
    kept = {item: give(stand.store, item.encode(), item=item).digest for item in ("disk", "phone")}
    with stand.ledger.database.lock() as connection:
        (name,) = connection.execute(select(EVIDENCE_FILES.c.name).filter_by(digest=kept["phone"])).scalars()
        if deed == "moved":  # the phone's file becomes one of the disk
            connection.execute(ITEM_FILES.delete().filter_by(item_id="disk"))
            connection.execute(ITEM_FILES.update().filter_by(item_id="phone").values(item_id="disk"))
        else:  # the disk's file has the name of the phone's
            connection.execute(EVIDENCE_FILES.delete().filter_by(digest=kept["phone"]))
            connection.execute(EVIDENCE_FILES.update().values(name=name))
        if is_bound:
            for table in (ITEM_FILES, EVIDENCE_FILES):
                bind_all(connection, table)
    destroy_disk(stand, case)
    stand.rehasher.step()
    assert any(name in each for each in objects(stand.store))
    assert [check.outcome for check in stand.checks()] == [None]


def bind_all(connection: Connection, table: Table) -> None:
    """Bind the rows of a table as they are by now, as whoever can write to the database can."""
    rows = bindings.digests(connection, table.name)
    gone = {key: None for key in bindings.unlike(connection, table) if key not in rows}
    bindings.bind(connection, table.name, rows | gone)


@pytest.mark.parametrize(
    ("table", "column"),
    [(ITEM_FILES, "recorded"), (EVIDENCE_FILES, "name"), (EVIDENCE_FILES, "size"), (EVIDENCE_FILES, "sealed_key")],
    ids=lambda part: getattr(part, "name", part),
)
def test_no_incident_is_signed_of_what_somebody_has_changed_and_bound(stand: Stand, table: Table, column: str) -> None:
    """The row of a file is bound to its key, which the database alone does not give, and to what was signed."""
    case = held(stand)
    with stand.ledger.database.lock() as connection:
        forged = {"recorded": blake3_text(b"other"), "name": "0" * 64, "size": 1, "sealed_key": bytes(60)}[column]
        connection.execute(table.update().values(**{column: forged}))
        bind_all(connection, table)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    assert stand.rehasher.step() == 0
    assert stand.incidents == []
    assert [check.outcome for check in stand.checks()] == [None]


def test_an_incident_names_no_file_that_somebody_puts_in_its_place(stand: Stand) -> None:
    """Between the outcome and the incident, as when the log was busy."""
    case = held(stand)
    give(stand.store, b"another", item="phone")
    with stand.ledger.database.read() as connection:
        names = {each.digest: each.name for each in evidence_files.files(connection)}
    name = names.pop(blake3_text(DATA))
    next(path for path in stand.folder.rglob("*") if path.is_file() and name in str(path)).unlink()
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))

    def busy(_incident: IncidentRecorded) -> None:
        raise Unavailable("the log is busy", code="busy")

    with pytest.raises(Unavailable):
        replace(stand.rehasher, record=busy).step()
    with stand.ledger.database.lock() as connection:
        connection.execute(EVIDENCE_FILES.delete().where(EVIDENCE_FILES.c.digest != blake3_text(DATA)))
        connection.execute(EVIDENCE_FILES.update().values(name=names.popitem()[1]))
        bind_all(connection, EVIDENCE_FILES)
    stand.ledger.clock.forward(LEFT_MS // 1000)
    stand.rehasher.step()
    (incident,) = stand.incidents
    assert incident.description == "a file of the evidence store was missing, and is not kept as it was"


def test_no_file_is_deleted_by_an_event_that_nobody_signed(stand: Stand) -> None:
    """A case of which an audit finds anything deletes nothing, until it is as it was."""
    case = held_as_property(stand)
    destroy_disk(stand, case)
    with stand.ledger.database.lock() as connection:
        this_one = ENTRIES.c.event_id == case.last.envelope.event_id
        (signed,) = connection.execute(select(ENTRIES.c.envelope).where(this_one)).scalars()
        forged = signed.replace(case.last.envelope.signature[:20].encode(), b"0x" + b"5" * 18)
        assert forged != signed
        connection.execute(ENTRIES.update().where(this_one).values(envelope=forged))
    rehasher = stand.rehasher
    rehasher.step()
    assert len(objects(stand.store)) == 1
    with stand.ledger.database.lock() as connection:
        connection.execute(ENTRIES.update().where(this_one).values(envelope=signed))
    stand.ledger.clock.forward(FOREIGN_MS // 1000)
    rehasher.step()
    assert objects(stand.store) == []


def test_a_hold_that_is_recorded_while_a_deletion_waits_for_the_lock_keeps_the_file(stand: Stand) -> None:
    """It is judged once more when nothing can come in between."""
    case = held_as_property(stand)
    destroy_disk(stand, case)
    hold = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "case"}

    def is_sound(_case_id: str) -> bool:
        stand.record(case.say(HoldPlaced, supervisor(POLICE), authority=ORDER, **hold))
        return True

    replace(stand.rehasher, is_sound=is_sound).step()
    assert len(objects(stand.store)) == 1
    assert stand.checks() == []


@pytest.mark.parametrize("position", ["x", "-5", "999999999", "0"])
def test_a_position_that_somebody_has_changed_loses_no_check(stand: Stand, position: str) -> None:
    """Nor is anything hashed twice for one event."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    assert stand.rehasher.step() == 1
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 3"))
    with stand.ledger.database.lock() as connection:
        log.keep_fact(connection, stand.ledger.database, "file_checks_up_to", position)
    assert stand.rehasher.step() == 1
    assert [check.outcome for check in stand.checks()] == ["intact", "intact"]


def test_an_added_check_hides_no_other(stand: Stand) -> None:
    """One at the same place in the queue, of another case."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    replace(stand.rehasher, stops=lambda: True).step()
    (due,) = stand.checks()
    with stand.ledger.database.lock() as connection:
        connection.execute(FILE_CHECKS.insert(), [to_builtins(structs.replace(due, case_id="case-0"))])
    assert stand.rehasher.step() == 1
    assert [check.outcome for check in stand.checks()] == ["intact"]


def test_a_hold_that_comes_before_a_file_is_destroyed_keeps_it(stand: Stand) -> None:
    """Until it is released: the release alone makes the file go."""
    case = held_as_property(stand)
    destroy_disk(stand, case)
    replace(stand.rehasher, stops=lambda: True).step()
    hold = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "case"}
    stand.record(case.say(HoldPlaced, supervisor(POLICE), authority=ORDER, **hold))
    stand.rehasher.step()
    assert len(objects(stand.store)) == 1
    assert stand.checks() == []
    stand.record(case.say(HoldReleased, supervisor(POLICE), authority=ORDER, hold_id="hold-1"))
    stand.rehasher.step()
    assert objects(stand.store) == []
    assert [(check.event_type, check.outcome) for check in stand.checks()] == [("hold.released", "gone")]


def test_checks_wait_for_a_storage_that_is_away(stand: Stand) -> None:
    """They stay due, also for the next process, and are no finding about the file."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    stand.folder.rename(stand.folder.with_name("away"))
    with pytest.raises(Unavailable):
        stand.rehasher.step()
    (check,) = stand.checks()
    assert (check.checked_at, check.outcome) == (None, None)
    stand.folder.with_name("away").rename(stand.folder)
    assert stand.rehasher.step() == 1
    assert stand.checks()[0].outcome == "intact"


def test_what_was_found_is_bound(stand: Stand) -> None:
    """A check that somebody changes in the database is told apart from the one that was stored."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    stand.rehasher.step()
    (check,) = stand.checks()
    with stand.ledger.database.read() as connection:
        rows = bindings.digests(connection, "file_checks")
        key = f"case-1 disk {check.digest} {check.event_id}"
        assert bindings.last_bound(connection, "file_checks", key) == rows[key]


def test_files_of_what_was_destroyed_by_two_are_destroyed(stand: Stand) -> None:
    """The second signature does it; what goes back to its owner keeps its file. A second look does nothing more."""
    case = Case(start=stand.ledger.clock.seconds - 600).open()
    case.register("disk", kind="property", digests=(DIGEST,)).register("other", kind="property")
    stand.record(case)
    give(stand.store, DATA)
    give(stand.store, b"another", item="other")
    stand.rehasher.step()
    assert len(objects(stand.store)) == 2
    destroy_disk(stand, case)
    stand.rehasher.step()
    assert len(objects(stand.store)) == 1
    with stand.ledger.database.read() as connection:
        assert [kept.item_id for kept in evidence_files.of_case(connection, "case-1")] == ["other"]
    stand.rehasher.step()


def test_files_of_data_that_was_erased_are_destroyed(stand: Stand) -> None:
    """The clerk who signs that data is erased means what the service keeps of it as well, and the paper says so."""
    text = canonical_form(shipped_package("evidence"))
    stand.ledger.put(publication_of(text))
    stand.ledger.mirror(stand.ledger.changes.add(ProcedureAdopted, digest=blake3_text(text)))
    stand.ledger.clock.forward(5)
    case = Case(book=books_that_ship()["evidence"], start=stand.ledger.clock.seconds)
    case.open(business_line="evidence", stage="open", procedure="evidence")
    stand.record(case.register("disk", kind="digital_device", exhibit_number="E-1", digests=(DIGEST,)))
    give(stand.store, DATA)
    case.say(ItemDisposalProposed, item_ids=("disk",), disposal="data_erased", ground="court order")
    stand.record(dispose(case, disposed_at=case.moment))
    stand.rehasher.step()
    assert objects(stand.store) == []


def test_records_of_destruction_are_printed_of_what_the_store_deletes() -> None:
    """Of no other disposal, in whatever package: the paper says that the things were destroyed."""
    printed = {
        (name, word)
        for name, book in books_that_ship().items()
        for paper in book.papers
        if paper.name.startswith("destruction") and paper.condition is not None
        for word in paper.condition.disposal
    }
    words = {(name, word) for name, book in books_that_ship().items() for word in book.disposals}
    assert printed == {(name, word) for name, word in words if word in DESTROYED}


def test_files_of_what_is_held_stay_until_the_last_hold_is_released(stand: Stand) -> None:
    """The thing was destroyed in spite of the holds, as the record says; its file is what is left of it."""
    case = Case(start=stand.ledger.clock.seconds - 600).open().register("disk", kind="property", digests=(DIGEST,))
    for hold_id in ("hold-1", "hold-2"):
        held = {"hold_id": hold_id, "kind": "legal_hold", "number": "H-1", "scope": "case"}
        case.say(HoldPlaced, supervisor(POLICE), authority=ORDER, **held)
    stand.record(case)
    give(stand.store, DATA)
    despite = {"despite_holds": ("hold-1", "hold-2")}
    case.say(ItemDisposalProposed, item_ids=("disk",), disposal="destroyed", ground="a fire", **despite)
    stand.record(dispose(case, disposed_at=case.moment, **despite))
    stand.rehasher.step()
    assert len(objects(stand.store)) == 1
    stand.record(case.say(HoldReleased, supervisor(POLICE), authority=ORDER, hold_id="hold-1"))
    stand.rehasher.step()
    assert len(objects(stand.store)) == 1
    stand.record(case.say(HoldReleased, supervisor(POLICE), authority=ORDER, hold_id="hold-2"))
    stand.rehasher.step()
    assert objects(stand.store) == []


def test_a_service_that_ends_leaves_the_rest_due(stand: Stand) -> None:
    """Between two files, and between two segments of one."""
    case = held(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 2"))
    assert replace(stand.rehasher, stops=lambda: True).step() == 0
    assert stand.checks()[0].checked_at is None
    assert stand.rehasher.step() == 1
