"""``evidence.rehashing``: rows of files that somebody wrote or changed make no check, incident or deletion."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs, to_builtins
from sqlalchemy import ColumnElement, Table, select, text, true
from structlog.testing import capture_logs

from ledger.core.encoding.digests import Algorithm, blake3_text, digest_by
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events.item import ItemMoved
from ledger.core.events.record import IncidentRecorded
from ledger.evidence.rehashing import FOREIGN_MS, LEFT_MS
from ledger.store import bindings, evidence_files, log
from ledger.store.evidence_files import FileCheck
from ledger.store.evidence_tables import EVIDENCE_FILES, FILE_CHECKS, FILES_TO_DELETE, ITEM_FILES
from ledger.store.tables import ENTRIES
from tests.testkit.casework import Case
from tests.unit.evidence.stand import DATA, Stand, bind_all, destroy_disk, held, held_as_property
from tests.unit.evidence.test_kept_evidence import give, objects


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
