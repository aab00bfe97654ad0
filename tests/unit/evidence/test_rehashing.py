"""``evidence.rehashing``: kept files are hashed again at each handover and move, and what was found is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Unavailable
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.item import ItemCheckedIn, ItemCheckedOut, ItemDisposalProposed, ItemMoved
from ledger.core.events.record import IncidentRecorded
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.procedure.adoption import publication_of
from ledger.core.procedure.package import canonical_form
from ledger.evidence.file_encryption import object_of
from ledger.evidence.rehashing import DESTROYED, LEFT_MS
from ledger.procedures import books_that_ship, shipped_package
from ledger.storage.objects import FolderObjects
from ledger.store import evidence_files, log
from tests.testkit.builders import POLICE, PROCURATORATE, supervisor
from tests.testkit.casework import Case, dispose
from tests.unit.evidence.stand import DATA, DIGEST, ORDER, Stand, destroy_disk, held, held_as_property
from tests.unit.evidence.test_kept_evidence import give, objects, unreadable


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
