"""What a dishonest operator can sequence, and only the rules show."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.audit import audit_case, audit_log, left_out
from ledger.core.events import case, handover
from ledger.core.events.registry import RegistryChange
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import RightEdge
from ledger.store import log as stored_log
from ledger.store.append import NewEntry, NewTree, ValidatedSubmission, write_batch
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, SERVICE, Event, Writer, clerk, event_of
from tests.testkit.bundles import trust
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import LOG_SIGNER, Ledger
from tests.unit.audit.stand import BOOK, FOUNDING, TRUST, Stand, found


def force(ledger: Ledger, *events: Event) -> int:
    """Sequences events that nobody judged, as a dishonest operator can; gives the index of the first."""
    database = ledger.database
    with database.write() as connection:
        tree = stored_log.tree(connection)
        edge = RightEdge.read(tree.size, stored_log.tile_reader(connection))
        grown = edge.append([leaf_hash(event.entry) for event in events])
        parts = [(event.envelope, event.payload, event.entry, event.payload_bytes, {}) for event in events]
        forced = [ValidatedSubmission(*part, registry_changes=0) for part in parts]
        entries = [NewEntry(index, submission) for index, submission in enumerate(forced, tree.size)]
        changes = sum(isinstance(event.payload.body, RegistryChange) for event in events)
        new = NewTree(grown.size, grown.root, tree.registry_changes + changes, ledger.clock())
        write_batch(connection, database, entries, grown.tiles, new)
        return tree.size


def test_mirror_that_does_not_follow(stand: Stand) -> None:
    """A change of the registry that is signed and sequenced, but does not follow from the one before."""
    body = replace(stand.ledger.changes.revoke(clerk(COURT)).bodies[-1], registry_hash="0x" + "00" * 32)
    index = force(stand.ledger, stand.ledger.system_writer.write(body, SERVICE))
    report = stand.audit()
    assert found(report) == {("registry", index)}
    assert report.steps[4].result == "not_checked"


def test_act_that_was_impossible(stand: Stand) -> None:
    """An event that the rules make impossible is named, and what stands on it is not judged."""
    writer = Writer("case", "case-8")
    writer.write(stand.theft.events[0].payload.body, clerk(POLICE))
    writer.write(handover.HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    writer.write(registration("gold"), clerk(POLICE))
    index = force(stand.ledger, *writer.events)
    assert found(stand.audit()) == {("custody", index + 1)}


@pytest.mark.parametrize("sequence", [6, 9])
def test_event_out_of_its_stream(stand: Stand, sequence: int) -> None:
    """A gap, or an event that does not stand on the last."""
    stray = event_of(
        registration("gold"),
        clerk(PROCURATORATE),
        stream=stand.theft.stream,
        sequence=sequence,
        previous="blake3:" + "7e" * 32,
    )
    index = force(stand.ledger, stray)
    assert ("streams", index) in found(stand.audit())


def test_revoked_key(stand: Stand) -> None:
    """A key that was used above its revocation."""
    stand.ledger.mirror(stand.ledger.changes.revoke(clerk(PROCURATORATE)).bodies[-1])
    stand.theft.register("gold", by=clerk(PROCURATORATE))
    assert ("authority", force(stand.ledger, stand.theft.last)) in found(stand.audit())


def test_split_that_was_never_made(stand: Stand) -> None:
    """A case that says it comes out of another one, which knows nothing of it."""
    opening = replace(stand.theft.events[0].payload.body, split_from=stand.theft.events[1].ref)
    writer = Writer("case", "case-8")
    writer.write(opening, clerk(POLICE))
    index = force(stand.ledger, *writer.events)
    assert found(stand.audit()) == {("custody", index)}


def test_case_that_another_agency_split_off(stand: Stand) -> None:
    """A case for which an agency split something off, that another agency opened or named before it."""
    old = Case("case-7", start=stand.theft.now).open().register("phone", "knife")
    split = {"new_case_id": "case-8", "ground": "two offences"}
    old.say(case.CaseSplit, item_ids=("phone",), **split)
    theirs = Case("case-9", start=old.now).open(clerk(COURT))
    theirs.say(case.CaseSplit, **split)
    stolen = Case("case-8", start=old.now).open(clerk(COURT))
    old.say(case.CaseSplit, item_ids=("knife",), **split)
    first = stand.ledger.post_all(old.events[:-1])[0].index
    stand.ledger.post(theirs.events[0])
    index = force(stand.ledger, theirs.last, stolen.last)
    assert index == first + len(old.events)
    assert {("custody", index), ("custody", index + 1)} <= found(stand.audit())
    assert ("custody", index + 1) in found(audit_case(stand.database, TRUST, BOOK, "case-8", look=left_out))


def test_key_that_was_not_granted(stand: Stand) -> None:
    """By another ledger's service key no mirror entry is good."""
    stranger = trust(log_key=LOG_SIGNER.verifying_key, service_key_id="0x" + "00" * 20)
    report = audit_log(stand.database, stranger, BOOK, look=left_out)
    assert {("authority", index) for index in range(FOUNDING)} <= found(report)
