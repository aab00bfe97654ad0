"""Rows about kept files that somebody hides who can write to the database, and who binds what he did without a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from ledger.audit import audit_log, left_out
from ledger.audit.bindings import is_chain_whole
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.item import ItemDisposalProposed, ItemMoved
from ledger.store import bindings, evidence_files, log
from ledger.store.evidence_tables import EVIDENCE_FILES, FILE_CHECKS, ITEM_FILES
from ledger.store.tables import BINDINGS
from tests.testkit.builders import POLICE, PROCURATORATE, supervisor
from tests.testkit.casework import Case, dispose
from tests.unit.audit.stand import PROCEDURES, TRUST
from tests.unit.evidence.stand import DATA, DIGEST, ORDER, Stand, bind_all
from tests.unit.evidence.test_kept_evidence import give, objects

TABLES = (ITEM_FILES, EVIDENCE_FILES, FILE_CHECKS)
HOLD: dict[str, Any] = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "case"}


def hidden(stand: Stand) -> list[str]:
    """Return the rows about files that an audit of everything names."""
    report = audit_log(stand.ledger.database, TRUST, PROCEDURES, look=left_out, processes=1)
    steps = {step.name for step in report.steps if step.result == "failed"}
    assert steps <= {"bindings"}, report.findings
    return [finding.slots["row"] for finding in report.findings]


def change(stand: Stand, deed: Callable[[Connection], object]) -> None:
    """Do something to the database, and bind the rows of files as they are then."""
    with stand.ledger.database.lock() as connection:
        deed(connection)
        for table in TABLES:
            bind_all(connection, table)


def two_things(stand: Stand) -> Case:
    """Record two things of which one file is kept for both, and move them; the checks are done."""
    case = (
        Case(start=stand.ledger.clock.seconds - 600).open().register("disk", "copy", kind="property", digests=(DIGEST,))
    )
    stand.record(case)
    give(stand.store, DATA)
    give(stand.store, DATA, item="copy")
    stand.ledger.clock.forward(5)
    for item in ("disk", "copy"):
        case.say(ItemMoved, item_id=item, storage_location="room 2")
    stand.record(case.offer("copy", to=PROCURATORATE, purpose="forensic_examination").accept())
    stand.rehasher.step()
    assert [check.outcome for check in (*stand.checks(), *stand.checks("copy"))] == ["intact"] * 3
    return case


def destroy(stand: Stand, case: Case, item: str) -> None:
    case.say(ItemDisposalProposed, item_ids=(item,), disposal="destroyed", ground="court order")
    stand.record(dispose(case, disposed_at=case.moment))


def test_what_the_service_does_names_no_row(stand: Stand) -> None:
    """Checks, a destruction that a hold keeps off, its release, and a file that is kept for the other thing still."""
    case = two_things(stand)
    assert hidden(stand) == []
    stand.record(
        case.say(HoldPlaced, supervisor(POLICE), authority=ORDER, **HOLD | {"scope": "items", "item_ids": ("disk",)})
    )
    case.say(HoldReleased, supervisor(POLICE), authority=ORDER, hold_id="hold-1")
    destroy(stand, case, "disk")
    assert hidden(stand) == []
    for _ in range(2):
        stand.rehasher.step()
        assert hidden(stand) == []
    assert stand.checks()[0].outcome == "gone"
    assert len(objects(stand.store)) == 1


@pytest.mark.parametrize("item", ["disk", "copy"])
def test_a_file_that_is_said_to_be_kept_no_more_is_named(stand: Stand, item: str) -> None:
    """Unless two have signed that the thing was destroyed; so is one that is said to be another thing's."""
    two_things(stand)
    change(stand, lambda connection: connection.execute(ITEM_FILES.delete().filter_by(item_id=item)))
    (named,) = hidden(stand)
    assert named.startswith(f"item_files case-1 {item} ")


def test_a_row_that_was_replaced_is_named(stand: Stand) -> None:
    """The service never changes for which item a file is kept, by whom and since when."""
    two_things(stand)
    later = ITEM_FILES.update().filter_by(item_id="copy").values(kept_at=stand.ledger.clock.ms)
    change(stand, lambda connection: connection.execute(later))
    (named,) = hidden(stand)
    assert named.startswith("item_files case-1 copy ")


def test_a_name_that_is_no_rows_is_named(stand: Stand) -> None:
    """The chain has no key: whoever binds something under a name that no row has ends no audit by it."""
    two_things(stand)
    with stand.ledger.database.lock() as connection:
        for digest in (DIGEST, None):
            bindings.bind(connection, ITEM_FILES.name, {"nobody": digest})
    assert hidden(stand) == ["item_files nobody"]


@pytest.mark.parametrize(("of", "name"), [(bindings.COMMITS, "many"), (bindings.FORGOTTEN, "all")])
def test_a_record_that_is_no_number_breaks_the_chain(stand: Stand, of: str, name: str) -> None:
    """Commits and what was forgotten are numbers: a record with other names counts as one that does not follow."""
    with stand.ledger.database.lock() as connection:
        number = bindings.head(connection).count
        bindings.bind(connection, of, {name: "0 0"})
    report = audit_log(stand.ledger.database, TRUST, PROCEDURES, look=left_out, processes=1)
    assert [each.slots.get("number") for each in report.findings if each.step == "bindings"] == [str(number)]


def test_a_file_without_its_key_is_named(stand: Stand) -> None:
    """It is kept for two things, and cannot be read any more."""
    two_things(stand)
    change(stand, lambda connection: connection.execute(EVIDENCE_FILES.delete()))
    (named,) = hidden(stand)
    assert named.startswith("evidence_files blake3:")


@pytest.mark.parametrize(
    ("event_type", "is_done"), [("item.moved", True), ("item.moved", False), ("handover.accepted", True)]
)
def test_a_check_that_was_hidden_is_named(stand: Stand, event_type: str, is_done: bool) -> None:
    """One that is due, so that it is never made, and one that found something."""
    case = two_things(stand)
    if not is_done:
        stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 3"))
        replace(stand.rehasher, stops=lambda: True).step()
        assert hidden(stand) == []
    last = FILE_CHECKS.select().filter_by(event_type=event_type).order_by(FILE_CHECKS.c.log_index.desc()).limit(1)
    with stand.ledger.database.read() as connection:
        row = connection.execute(last).one()
    assert (row.checked_at is None) != is_done
    change(stand, lambda connection: connection.execute(FILE_CHECKS.delete().filter_by(event_id=row.event_id)))
    (named,) = hidden(stand)
    assert named == f"file_checks case-1 {row.item_id} {row.digest} {row.event_id}"


def test_events_that_were_passed_over_are_named(stand: Stand) -> None:
    """Somebody sets the position forward, so that the service looks at none of what came before."""
    case = two_things(stand)
    stand.record(case.say(ItemMoved, item_id="disk", storage_location="room 3"))
    with stand.ledger.database.lock() as connection:
        size = log.tree(connection).size
        log.keep_fact(connection, stand.ledger.database, "file_checks_up_to", str(size - 1))
    assert stand.rehasher.step() == 0
    (named,) = hidden(stand)
    assert named.startswith("file_checks case-1 disk ")


def test_a_deletion_that_was_hidden_is_named(stand: Stand) -> None:
    """What two have destroyed keeps its file if nobody knows that it is due; a hold that comes explains that."""
    case = two_things(stand)
    destroy(stand, case, "disk")
    replace(stand.rehasher, stops=lambda: True).step()
    assert hidden(stand) == []
    due = FILE_CHECKS.delete().filter_by(event_type="item.disposed", item_id="disk")
    change(stand, lambda connection: connection.execute(due))
    (named,) = hidden(stand)
    assert named.startswith("file_checks case-1 disk ")
    stand.record(case.say(HoldPlaced, supervisor(POLICE), authority=ORDER, **HOLD))
    assert hidden(stand) == []


def test_a_file_whose_second_row_was_hidden_is_not_deleted(stand: Stand) -> None:
    """Of one file that is kept for two things the destruction of one deletes nothing, whatever rows there are."""
    case = two_things(stand)
    change(stand, lambda connection: connection.execute(ITEM_FILES.delete().filter_by(item_id="copy")))
    destroy(stand, case, "disk")
    stand.rehasher.step()
    assert len(objects(stand.store)) == 1
    assert stand.checks()[0].outcome is None
    with stand.ledger.database.read() as connection:
        assert evidence_files.file(connection, next(evidence_files.files(connection)).digest) is not None


def test_a_chain_that_was_cut_is_not_whole(stand: Stand) -> None:
    """So that nothing is deleted by it; one that goes on is whole."""
    two_things(stand)
    assert is_chain_whole(stand.ledger.database)
    with stand.ledger.database.lock() as connection:
        connection.execute(BINDINGS.delete().where(BINDINGS.c.of == "item_files"))
    assert not is_chain_whole(stand.ledger.database)
