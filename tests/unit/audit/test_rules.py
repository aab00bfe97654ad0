"""What a dishonest operator can sequence, and only the rules show; and the audit of one case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.audit import audit_case, audit_log, left_out
from ledger.core.errors import IntegrityBroken, NotFound
from ledger.core.events import Authority, case, handover
from ledger.core.events.case import CaseClosed, CaseSplit
from ledger.core.events.record import ErasureProposed, RecordLate
from ledger.core.events.registry import RegistryChange
from ledger.core.events.stocktake import CountedDifference, StocktakeRecorded
from ledger.core.log.merkle import leaf_hash, root_of
from ledger.core.log.tiles import RightEdge, hashes_in
from ledger.store import log as stored_log
from ledger.store import stocktakes
from ledger.store.append import NewEntry, ValidatedSubmission, rows_of, write_batch
from ledger.store.opening import open_database
from tests.testkit.builders import (
    COURT,
    POLICE,
    PROCURATORATE,
    SERVICE,
    SignedEvent,
    Writer,
    clerk,
    event_of,
    section,
    supervisor,
)
from tests.testkit.bundles import trust
from tests.testkit.casework import Case, registration, second_of
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_founded, sqlite_url
from tests.unit.audit.stand import FOUNDING, OFFICERS, PROCEDURES, TRUST, Stand, contracts, found


def force(ledger: Ledger, *events: SignedEvent) -> int:
    """Sequences events that nobody judged, as a dishonest operator can; gives the index of the first."""
    database = ledger.database
    with database.write() as connection:
        tree = stored_log.tree(connection)
        edge = RightEdge.read(tree.size, stored_log.tile_reader(connection))
        grown = edge.append([leaf_hash(event.entry) for event in events])
        parts = [(event.event, event.envelope, event.entry, event.payload_bytes, {}) for event in events]
        forced = [ValidatedSubmission(*part, registry_changes=0, rows=rows_of(part[0])) for part in parts]
        entries = [NewEntry(index, submission) for index, submission in enumerate(forced, tree.size)]
        changes = sum(isinstance(event.payload.body, RegistryChange) for event in events)
        new = replace(
            tree,
            size=grown.size,
            root=grown.root,
            registry_changes=tree.registry_changes + changes,
            recorded_at=ledger.clock(),
        )
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


@pytest.mark.parametrize("sequence", [7, 9])
def test_event_out_of_its_stream(stand: Stand, sequence: int) -> None:
    """A gap, or an event that does not stand on the last."""
    stray = event_of(
        registration("gold"),
        clerk(PROCURATORATE),
        stream=stand.theft.stream,
        sequence=sequence,
        previous="sha256:" + "7e" * 32,
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


def test_section_of_an_agency_that_one_officer_erased(stand: Stand) -> None:
    """In the stream of an agency, too, two sign: an erasure that nobody else proposed is named."""
    own = Writer("agency", POLICE)
    late = RecordLate(happened_at="2026-03-01T00:00:00Z", ground="the network was down")
    late_entry = own.write(late, clerk(POLICE), sections={"narrative": section(), "note": section("note")})
    law = Authority("statute", "Personal Information Protection Law 47")
    for label, officer in (("narrative", clerk(POLICE)), ("note", supervisor(POLICE))):
        proposal = ErasureProposed(concerns=late_entry.ref, label=label, ground="on request")
        own.write(second_of(own.write(proposal, officer), proposal), supervisor(POLICE), authority=law)
    stand.ledger.post(late_entry)
    index = force(stand.ledger, *own.events[1:])
    assert found(stand.audit()) == {("custody", index + 3)}


def test_two_stocktakes_of_an_agency_under_one_id(stand: Stand) -> None:
    """The second one is named, and the row of the first one stands; another agency may have the same id."""
    stock = {"stocktake_id": "stocktake-1", "storage_location": "Room 3", "counters": ("p-1",), "tree_size": 1}
    stock |= {"scans": 0, "scans_taken_back": 0}
    body = StocktakeRecorded(**stock, started_size=1, started_at="2026-03-01T08:00:00Z")
    stream = Writer("agency", POLICE)
    first, second = stream.write(body, clerk(POLICE)), stream.write(body, clerk(POLICE))
    others = Writer("agency", COURT).write(body, clerk(COURT))
    index = force(stand.ledger, first, second, others)
    assert found(stand.audit()) == {("custody", index + 1)}
    with stand.ledger.database.read() as connection:
        row = stocktakes.find_recorded(connection, POLICE, "stocktake-1")
    assert row is not None
    assert row.event_id == first.event.event_id


def test_a_stocktake_whose_difference_does_not_fit(stand: Stand) -> None:
    """What is missing has a discrepancy, so that a line without one is named."""
    stock = {"stocktake_id": "stocktake-1", "storage_location": "Room 3", "counters": ("p-1",), "tree_size": 1}
    stock |= {"scans": 1, "scans_taken_back": 0}
    line = CountedDifference(case_id="case-1", item_id="knife", kind="missing", recorded_as="unplaced")
    body = StocktakeRecorded(**stock, started_size=1, started_at="2026-03-01T08:00:00Z", differences=(line,))
    index = force(stand.ledger, Writer("agency", POLICE).write(body, clerk(POLICE)))
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
    assert ("custody", index + 1) in found(audit_case(stand.database, TRUST, PROCEDURES, "case-8", look=left_out))


def test_case_that_was_closed_over_what_it_split_off(stand: Stand) -> None:
    """What was given up stands in no case, though the one that gave it up is closed."""
    old = Case("case-7", start=stand.theft.now).open().register("phone")
    old.say(CaseSplit, new_case_id="case-8", ground="two offences", item_ids=("phone",)).say(CaseClosed, ground="over")
    stand.ledger.post_all(old.events[:-1])
    index = force(stand.ledger, old.last)
    assert ("custody", index) in found(stand.audit())
    assert ("custody", index) in found(audit_case(stand.database, TRUST, PROCEDURES, "case-7", look=left_out))


def test_key_that_was_not_granted(stand: Stand) -> None:
    """By another ledger's service key no mirror entry is good."""
    stranger = trust(log_key=LOG_SIGNER.verifying_key, service_key_id="0x" + "00" * 20)
    report = audit_log(stand.database, stranger, PROCEDURES, look=left_out)
    assert {("authority", index) for index in range(FOUNDING)} <= found(report)


# -- the audit of one case ---------------------------------------------------------------------------------------------


def test_sound_case(stand: Stand) -> None:
    """A sound case is sound by itself, split or not; the anchor is of case-1 only."""
    for case_id, verdict in (("case-1", "intact"), ("case-2", "not_yet_anchored"), ("case-3", "not_yet_anchored")):
        report = audit_case(stand.database, TRUST, PROCEDURES, case_id, look=contracts(stand))
        assert (report.findings, report.verdict, report.scope) == ((), verdict, f"case {case_id}")


def test_case_that_gave_up_what_no_case_has_taken_over_yet(stand: Stand) -> None:
    """Between the split and the opening of the new case the item is in the old one, as one that left."""
    stand.ledger.post_all(stand.theft.register("gold").events[-1:])
    stand.theft.act(CaseSplit(new_case_id="case-9", ground="two offences", item_ids=("gold",)))
    stand.ledger.post(stand.theft.last)
    assert stand.value("SELECT case_id || ' ' || status FROM items WHERE item_id = 'gold'") == "case-1 left"
    assert audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=contracts(stand)).findings == ()

    cited, by = stand.theft.last.ref, clerk(PROCURATORATE)
    opened = Case("case-9", start=stand.theft.now).open(by, source=stand.theft.state, split_from=cited)
    stand.ledger.post(opened.last)
    assert stand.value("SELECT status FROM items WHERE item_id = 'gold' AND case_id = 'case-9'") == "held"
    assert stand.value("SELECT status FROM items WHERE item_id = 'gold' AND case_id = 'case-1'") == "left"
    for case_id in ("case-1", "case-9"):
        assert audit_case(stand.database, TRUST, PROCEDURES, case_id, look=contracts(stand)).findings == ()


def test_case_of_which_a_part_is_anchored(stand: Stand) -> None:
    """What came since the last anchor is counted; nothing is intact that was not compared with the chain."""
    stand.ledger.post_all(stand.theft.register("gold", "silver").events[-2:])
    report = audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=contracts(stand))
    assert (report.verdict, report.anchored_up_to, report.entries_since) == ("intact", FOUNDING + 7, 2)
    assert report.steps[10].detail == "all entries but 2, which came since the anchor"
    assert audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out).verdict == "unverifiable"


@pytest.mark.parametrize("differing", [{"root": b"\x01" * 32}, {"size": 99}])
def test_case_on_a_chain_that_differs(stand: Stand, differing: dict[str, Any]) -> None:
    """The contract's last record is another root, or of a larger tree; test_chain.py has the others."""
    report = audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=contracts(stand, **differing))
    assert (found(report), report.verdict) == ({("chain", None)}, "tampered")


def test_case_in_a_tree_that_was_never_anchored(large: Stand) -> None:
    """He forges a leaf and the stored root on it, but leaves the tile above, which the anchor is met by: each entry of
    the case is in the tree that is stored, and in none that was anchored."""
    large.anchor()
    first: bytes = large.value("SELECT hashes FROM tiles WHERE level = 0 AND tile_index = 0")
    others = [large.value(f"SELECT hashes FROM tiles WHERE level = 0 AND tile_index = {n}") for n in (1, 2)]
    forged = first[:-32] + bytes(32)
    large.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=forged)
    large.change("UPDATE tree SET root = :value", value=root_of(hashes_in(b"".join((forged, *others)))))
    report = audit_case(large.database, TRUST, PROCEDURES, "case-1", look=left_out)
    assert found(report) == {("anchors", index) for index in range(FOUNDING, FOUNDING + 7)}


@pytest.mark.parametrize(
    ("statement", "step", "index"),
    [
        (f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 1}", "payloads", FOUNDING + 1),
        ("UPDATE items SET holder = 'x' WHERE item_id = 'phone'", "models", FOUNDING + 4),
        ("UPDATE tree SET root = x'" + "00" * 32 + "'", "tree", FOUNDING),
        (f"DELETE FROM entries WHERE log_index = {FOUNDING + 3}", "streams", FOUNDING + 4),
        ("UPDATE checkpoints SET note = replace(note, 'ledger.test', 'other.test')", "checkpoints", None),
        ("UPDATE entries SET payload = x'7b7d' WHERE log_index = 2", "registry", 2),
    ],
)
def test_case_edited(stand: Stand, statement: str, step: str, index: int | None) -> None:
    """What was changed of the case, or of what it rests on, is found; the first finding is the fault."""
    stand.change(statement)
    report = audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out)
    assert report.verdict == "tampered"
    assert (report.findings[0].step, report.findings[0].index) == (step, index)


def test_faults_elsewhere(stand: Stand) -> None:
    """Another case's fault is not this one's."""
    stand.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 8}")
    assert audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out).findings == ()


def test_case_without_checkpoints(tmp_path: Path) -> None:
    """Before the first publication there is no checkpoint to hold the tiles against; of no other case is there any."""
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as ledger:
        ledger.post_all(Case().open().events)
        report = audit_case(ledger.database, TRUST, PROCEDURES, "case-1", look=left_out)
        with pytest.raises(NotFound):
            audit_case(ledger.database, TRUST, PROCEDURES, "case-9", look=left_out)
    assert (report.findings, report.steps[9].result) == ((), "not_checked")


def test_case_whose_checkpoint_differs(stand: Stand) -> None:
    """The last checkpoint is of another root than the tiles give."""
    stand.claim(stand.size, bytes(32))
    assert found(audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out)) == {("checkpoints", None)}


def test_a_value_of_another_type_is_named_by_its_column(stand: Stand) -> None:
    """It ends no audit, and no service begins with it; tests/campaigns/manipulations has each column."""
    stand.change("UPDATE tree SET size = 'n' || size")
    assert {
        finding.word for finding in audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out).findings
    } == {"value_type"}
    with pytest.raises(IntegrityBroken, match=r"tree\.size"):
        open_database(stand.database.url)
