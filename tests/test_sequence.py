"""Sequencing: each judged event gets its place, once; the batch survives its losers; receipts follow the commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, text

from ledger import sequence as sequencing
from ledger.core.errors import Conflict, IntegrityBroken, RuleRefused, TallystickError, Unauthorized, Unavailable
from ledger.core.event import case as acts
from ledger.core.event.item import ItemPart, ItemSplit
from ledger.core.merkle import EMPTY_ROOT, leaf_hash
from ledger.core.proof import parse_tlog_proof
from ledger.publish import Receipt
from ledger.record import Duplicate, Judged
from ledger.sequence import Answer
from ledger.states import NeedsDatabase
from ledger.store import log
from tests.builders import COURT, POLICE, PROCURATORATE, SERVICE, Event, Officer, Writer, clerk, signed
from tests.casework import Case, pieces, registration
from tests.ledgers import Clock, Ledger, open_ledger, receipt_bytes, sqlite_url, verified
from tests.merkle_reference import mth

OFFICERS = (clerk(POLICE), clerk(POLICE, 2), clerk(PROCURATORATE))
OPENED = acts.CaseOpened(case_number="1", case_type="theft", business_line="criminal", stage="investigation")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A founded ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*OFFICERS)


@pytest.fixture
def founded(tmp_path: Path) -> str:
    """The URL of a founded ledger on SQLite that nobody has open: for tests that gather a batch by hand."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        opened.found(*OFFICERS)
    return sqlite_url(tmp_path)


def resigned(event: Event, by: Officer, **fields: Any) -> Event:
    """The same payload under another signature."""
    return Event(signed(replace(event.envelope, **fields), by), event.payload, event.sections)


def entries_of(ledger: Ledger) -> list[bytes]:
    with ledger.database.read() as connection:
        return [entry.envelope for entry in log.entries(connection, 0, log.count_entries(connection))]


def refusal(future: Future[Answer]) -> TallystickError:
    error = future.exception(60)
    assert isinstance(error, TallystickError)
    return error


def size_of(receipt: Receipt) -> int:
    return int(receipt.proof.partition("ledger.test/tests\n")[2].partition("\n")[0])


# -- receipts ----------------------------------------------------------------------------------------------------------


def test_a_receipt_leads_from_the_entry_to_the_logs_signature(each_database_url: str) -> None:
    """Every receipt's proof verifies to a signed checkpoint whose root is that of all entries stored up to its size."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        case = Case().open().register("phone", "knife").offer("phone", to=PROCURATORATE).accept()
        receipts = ledger.post_all(case.events)
        entries = entries_of(ledger)
        for event, receipt in zip(case.events, receipts, strict=True):
            checkpoint = verified(receipt, event)
            assert checkpoint.root == mth(entries[: checkpoint.size])
            assert entries[receipt.index] == event.entry
        assert [receipt.index for receipt in receipts] == list(range(len(entries) - len(receipts), len(entries)))


def test_a_resubmission_gets_the_stored_receipt_byte_for_byte(each_database_url: str) -> None:
    """The same bytes, re-signed, after the stream moved on, after 24 hours, in a new process: one receipt."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        case = Case().open()
        first = receipt_bytes(ledger.post(case.last))
        opened, again = case.last, resigned(case.last, clerk(POLICE), signed_at=case.last.envelope.signed_at + 7)
        assert again.submission != opened.submission
        assert receipt_bytes(ledger.post(opened)) == first
        assert receipt_bytes(ledger.post(again)) == first
        ledger.post_all(case.register("phone", "knife").events[1:])
        assert receipt_bytes(ledger.post(opened)) == first
        ledger.clock.forward(25 * 3600)
        assert receipt_bytes(ledger.post(opened)) == first
        size = len(entries_of(ledger))
        with open_ledger(each_database_url, clock=ledger.clock) as restarted:
            assert receipt_bytes(restarted.post(again)) == first
            assert len(entries_of(restarted)) == size


def test_a_receipt_of_a_flagged_event_comes_back_with_its_flags(ledger: Ledger) -> None:
    """Flags are a part of the receipt, the first time and every time."""
    case = Case().act(OPENED, clerk(POLICE), occurred_at="2026-02-01T00:00:00Z")
    first = ledger.post(case.last)
    assert [flag.name for flag in first.flags] == ["late_entry"]
    assert receipt_bytes(ledger.post(case.last)) == receipt_bytes(first)


def test_the_same_payload_by_another_signer_is_another_event(ledger: Ledger) -> None:
    """An event's identity is id, payload and signer: another officer's signature under the same words is a conflict."""
    case = Case().open()
    ledger.post(case.last)
    other = resigned(case.last, clerk(POLICE, 2), key_id=clerk(POLICE, 2).key_id)
    with pytest.raises(Conflict) as refused:
        ledger.post(other)
    assert refused.value.code == "event_id_taken"


# -- one batch ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_commit(founded: str) -> None:
    """What waits together is committed together: one checkpoint for all, each with its own proof."""
    with open_ledger(founded, start=False) as ledger:
        cases = [Case(f"case-{number}").open().register(f"item-{number}") for number in range(20)]
        events = [event for case in cases for event in case.events]
        futures = [ledger.submit(event) for event in events]
        ledger.sequencer.start()
        receipts = [ledger.receipt(future) for future in futures]
        checkpoints = {verified(receipt, event) for receipt, event in zip(receipts, events, strict=True)}
        assert len(checkpoints) == 1
        assert checkpoints.pop().size == len(entries_of(ledger))


def test_what_comes_while_the_lock_is_held_goes_with_the_batch(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that waits for another process's commit takes along whatever comes meanwhile."""
    asked, write = threading.Event(), ledger.database.write

    def noted() -> AbstractContextManager[Connection]:
        asked.set()
        return write()

    with ledger.database.write():
        monkeypatch.setattr(ledger.database, "write", noted)
        first = ledger.submit(Case("case-1").open().last)
        assert asked.wait(60)
        second = ledger.submit(Case("case-2").open().last)
    assert size_of(ledger.receipt(first)) == size_of(ledger.receipt(second))


def test_dependent_events_need_not_wait_for_each_other(founded: str) -> None:
    """A chain of events on one case, judged on states that are not committed yet, goes through in one batch."""
    with open_ledger(founded, start=False) as ledger:
        case = Case().open().name("suspect").register("phone", "knife")
        case.offer("phone", "knife", to=PROCURATORATE, persons=("suspect",)).accept().give_back("knife").accept()
        futures = [ledger.submit(event) for event in case.events]
        ledger.sequencer.start()
        receipts = [ledger.receipt(future) for future in futures]
        assert [after.index - before.index for before, after in pairwise(receipts)] == [1] * (len(receipts) - 1)
        assert len({size_of(receipt) for receipt in receipts}) == 1
        assert ledger.recorder.states.of_case("case-1") == case.state


def test_an_event_sent_twice_in_one_batch_is_recorded_once(founded: str) -> None:
    """Both senders get the one receipt, also where one of them signed again."""
    with open_ledger(founded, start=False) as ledger:
        event = Case().open().last
        again = resigned(event, clerk(POLICE), signed_at=event.envelope.signed_at + 1)
        futures = [ledger.submit(event), ledger.submit(event), ledger.submit(again)]
        ledger.sequencer.start()
        receipts = {receipt_bytes(ledger.receipt(future)) for future in futures}
        assert len(receipts) == 1
        assert entries_of(ledger).count(event.entry) == 1
        assert again.entry not in entries_of(ledger)


def test_one_id_for_two_events_of_a_batch_is_refused(founded: str) -> None:
    """The first of them is recorded, the second told that the id is taken."""
    with open_ledger(founded, start=False) as ledger:
        one = Case("case-one").open().last
        two = Writer("case", "case-two").write(OPENED, clerk(POLICE), event_id=one.envelope.event_id)
        futures = [ledger.submit(one), ledger.submit(two)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), one)
        assert refusal(futures[1]).code == "event_id_taken"


def test_a_writer_learns_what_another_process_wrote(each_database_url: str) -> None:
    """Once its next batch is done with, memory is enough to judge what stands on the other's events."""
    with open_ledger(each_database_url) as one, open_ledger(each_database_url) as other:
        one.found(*OFFICERS)
        theirs, ours = Case("case-theirs").open(), Case("case-ours").open()
        other.post(ours.last)
        one.post(theirs.last)
        following = theirs.register("phone").last
        with pytest.raises(NeedsDatabase):
            other.recorder.in_memory().judge(following.submission, other.clock.seconds)
        for item_id in ("knife", "coat"):  # what others wrote is taken in behind the answers, before the next batch
            other.post(ours.register(item_id).last)
        judged = other.recorder.in_memory().judge(following.submission, other.clock.seconds)
        assert isinstance(judged, Judged)
        assert judged.before is not None
        assert judged.before.head == theirs.events[0].digest


def test_what_another_process_wrote_and_somebody_edited_is_not_learnt(founded: str) -> None:
    """Nothing is judged on it, and the batch beside it is written all the same."""
    with open_ledger(founded) as one, open_ledger(founded) as other:
        theirs, ours = Case("case-theirs").open(), Case("case-ours").open()
        other.post(ours.last)
        index = one.post(theirs.last).index
        with one.database.write() as connection:
            connection.execute(text("UPDATE entries SET payload = x'7b7d' WHERE log_index = :index"), {"index": index})
        assert other.post(ours.register("knife").last).index == index + 1
        other.post(ours.register("coat").last)
        with pytest.raises(NeedsDatabase):
            other.recorder.in_memory().judge(theirs.register("phone").last.submission, other.clock.seconds)


def test_of_two_rivals_for_one_head_one_wins(each_database_url: str) -> None:
    """The loser gets head and next sequence; signed again on them it goes through. The batch survives it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        opened = ledger.post(Case("case-1").open().last)
        assert opened.index > 0
    with open_ledger(each_database_url, start=False) as ledger:
        mine, yours, other = Case("case-1").open(), Case("case-1").open(), Case("case-2").open()
        mine.register("phone")
        yours.act(
            registration("knife"), clerk(POLICE, 2), event_id=other.draft(OPENED, clerk(POLICE)).envelope.event_id
        )
        futures = [ledger.submit(event) for event in (mine.last, yours.last, other.last)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), mine.last)
        verified(ledger.receipt(futures[2]), other.last)
        lost = refusal(futures[1])
        assert isinstance(lost, Conflict)
        assert (lost.code, lost.head, lost.sequence) == ("not_on_head", mine.last.digest, 2)
        rebased = mine.register("knife", by=clerk(POLICE, 2))
        verified(ledger.post(rebased.last), rebased.last)


def test_an_item_belongs_to_one_case(founded: str) -> None:
    """An id that another case has is refused under the lock: recorded before, and in the same batch."""
    with open_ledger(founded, start=False) as ledger:
        one, two, three = (Case(name).open().register("phone") for name in ("case-1", "case-2", "case-3"))
        futures = [ledger.submit(event) for event in (*one.events, *two.events)]
        ledger.sequencer.start()
        assert refusal(futures[3]).code == "foreign_item"
        with pytest.raises(RuleRefused) as refused:
            ledger.post_all(three.events)
        assert (refused.value.code, refused.value.field) == ("foreign_item", "payload.body.item_id")
        assert [ledger.receipt(future).index for future in futures[:3]]


def test_a_batch_may_name_more_items_than_a_statement_takes(founded: str) -> None:
    """Forty splits of a thousand parts each are one batch like any other."""
    with open_ledger(founded, start=False) as ledger:
        futures = []
        for number in range(40):
            case = Case(f"case-{number}").open().register(f"sack-{number}", quantity=1000)
            parts = tuple(ItemPart(item_id=f"grain-{number}-{part}", quantity=pieces(1)) for part in range(1000))
            case.act(ItemSplit(item_id=f"sack-{number}", parts=parts))
            futures += [ledger.submit(event) for event in case.events]
        ledger.sequencer.start()
        assert len({size_of(ledger.receipt(future)) for future in futures}) == 1


# -- the registry ------------------------------------------------------------------------------------------------------


def test_a_key_revoked_between_judging_and_committing_is_refused_at_its_index(founded: str) -> None:
    """What stands before the revocation in the log is good, what would stand after it is not."""
    with open_ledger(founded, start=False) as ledger:
        continue_registry(ledger)
        before, after = Case("case-before").open(), Case("case-after").open()
        revocation = ledger.system_writer.write(ledger.changes.revoke(clerk(POLICE)).bodies[-1], SERVICE)
        futures = [ledger.submit(event) for event in (before.last, revocation, after.last)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), before.last)
        revoked_at = ledger.receipt(futures[1]).index
        refused = refusal(futures[2])
        assert isinstance(refused, Unauthorized)
        assert refused.code == "key_revoked"
        assert str(revoked_at) in str(refused)
        assert before.last.entry in entries_of(ledger)
        assert after.last.entry not in entries_of(ledger)


def test_a_verdict_by_an_old_registry_is_looked_at_again(founded: str) -> None:
    """A revocation that another process committed counts here, though the event was judged before it."""
    with open_ledger(founded, start=False) as ledger, open_ledger(founded) as other:
        continue_registry(other)
        case = Case().open()
        future = ledger.submit(case.last)
        other.mirror(other.changes.revoke(clerk(POLICE)).bodies[-1])
        ledger.sequencer.start()
        assert refusal(future).code == "key_revoked"


def test_a_change_of_the_registry_is_mirrored_once(founded: str) -> None:
    """The same change signed anew, by another process that mirrors too, is a conflict and not a broken log."""
    with open_ledger(founded) as ledger:
        continue_registry(ledger)
        body = ledger.changes.admit(COURT).bodies[-1]
        ledger.mirror(body)
        with pytest.raises(Conflict) as lost:
            ledger.mirror(body)
        assert lost.value.code == "already_mirrored"
        assert ledger.sequencer.failure is None


def continue_registry(ledger: Ledger) -> None:
    """Brings the test's own copy of the registry and of the system stream to where ``founded`` left them."""
    ledger.changes.admit(*dict.fromkeys(officer.agency for officer in OFFICERS)).grant(*OFFICERS)
    for body in ledger.changes.bodies:
        ledger.system_writer.write(body, SERVICE)


# -- time, load, stopping ----------------------------------------------------------------------------------------------


def test_recorded_time_never_runs_backwards(ledger: Ledger) -> None:
    """A clock that is set back a day stands still in the log; set forward again it goes on."""
    clock = ledger.clock
    case = Case().open().register("one", "two", "three")
    times = []
    for event, moved in zip(case.events, (0, -86_400, 10, 86_500), strict=True):
        clock.forward(moved)
        judged = ledger.recorder.judge(event.submission, event.envelope.signed_at)
        assert not isinstance(judged, Duplicate)
        times.append(ledger.receipt(ledger.sequencer.submit(judged)).recorded_at)
    assert times[0] == times[1] == times[2]
    assert times[3] == clock.ms > times[0]


def test_more_than_the_queue_takes_is_turned_away(founded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound a submission is told to come back; what waits already is recorded."""
    monkeypatch.setattr(sequencing, "MAX_WAITING", 3)
    with open_ledger(founded, start=False) as ledger:
        events = [Case(f"case-{number}").open().last for number in range(5)]
        futures = [ledger.submit(event) for event in events]
        for future in futures[3:]:
            busy = refusal(future)
            assert isinstance(busy, Unavailable)
            assert (busy.code, busy.retry_after) == ("busy", 1)
        ledger.sequencer.start()
        assert [ledger.receipt(future).index for future in futures[:3]]
        assert ledger.post(events[4]).index == len(entries_of(ledger)) - 1


def test_stopping_commits_what_waits_and_turns_away_the_rest(founded: str) -> None:
    """Nobody is left without an answer."""
    with open_ledger(founded, start=False) as ledger:
        futures = [ledger.submit(Case(f"case-{number}").open().last) for number in range(5)]
        ledger.sequencer.start()
        ledger.sequencer.stop()
        assert all(future.done() for future in futures)
        assert len({ledger.receipt(future).index for future in futures}) == 5
        assert refusal(ledger.submit(Case("late").open().last)).code == "stopping"


def test_a_halted_writer_answers_everybody_with_the_reason(founded: str) -> None:
    """After a halt nothing is committed: what waits and what comes gets the reason and its hint."""
    with open_ledger(founded, start=False) as ledger:
        waiting = ledger.submit(Case("case-1").open().last)
        size = len(entries_of(ledger))
        ledger.sequencer.halt(IntegrityBroken("the chain is ahead", hint="Restore the newest backup."))
        ledger.sequencer.start()
        for future in (waiting, ledger.submit(Case("case-2").open().last)):
            answer = refusal(future)
            assert isinstance(answer, Unavailable)
            assert (answer.code, answer.hint) == ("integrity_broken", "Restore the newest backup.")
        one, two = (refusal(ledger.submit(Case("case-3").open().last)) for _ in range(2))
        assert one is not two  # an error that is raised for ever gathers the frames of all who raised it
        assert len(entries_of(ledger)) == size


def test_who_stops_waiting_harms_nobody_else(founded: str) -> None:
    """A client that goes away cannot cancel an event, nor keep the batch from the others."""
    with open_ledger(founded, start=False) as ledger:
        events = [Case(f"case-{number}").open().last for number in range(3)]
        futures = [ledger.submit(event) for event in events]
        assert futures[1].cancel() is False
        ledger.sequencer.start()
        assert len({ledger.receipt(future).index for future in futures}) == 3
        assert ledger.post(Case("case-9").open().last).index == len(entries_of(ledger)) - 1


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_tiles_and_root_are_the_reference_trees_at_every_size(ledger: Ledger) -> None:
    """Batches of many lengths across the edge of a tile: root and stored tiles are those of the plain RFC 6962 tree."""
    case = Case(step=1).open()
    ledger.post(case.last)
    for length in (1, 2, 3, 100, 130, 20, 1, 260):
        start = len(case.events)
        case.register(*(f"item-{start + number}" for number in range(length)))
        ledger.post_all(case.events[start:])
        entries = entries_of(ledger)
        with ledger.database.read() as connection:
            tree = log.tree(connection)
            assert (tree.size, tree.root) == (len(entries), mth(entries))
            stored = list(connection.execute(text("SELECT level, tile_index, hashes FROM tiles ORDER BY 1, 2")))
        assert [tuple(row) for row in stored] == reference_tiles(entries)


def reference_tiles(entries: list[bytes]) -> list[tuple[int, int, bytes]]:
    """Every tile of the tree over ``entries``, from the definition: level by level, 256 hashes each."""
    tiles, level, width = [], 0, 1
    while len(entries) >= width:
        hashes = [mth(entries[start : start + width]) for start in range(0, len(entries) - width + 1, width)]
        tiles += [(level, start // 256, b"".join(hashes[start : start + 256])) for start in range(0, len(hashes), 256)]
        level, width = level + 1, width * 256
    return tiles


def test_nothing_is_built_on_tiles_that_somebody_changed(tmp_path: Path) -> None:
    """A restarted writer whose tiles do not lead to the log's root stops instead of signing another history."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(*OFFICERS)
        with ledger.database.write() as connection:
            hashes = connection.execute(text("SELECT hashes FROM tiles WHERE level = 0")).scalar_one()
            spoiled = hashes[:-32] + leaf_hash(b"another entry")
            connection.execute(text("UPDATE tiles SET hashes = :hashes WHERE level = 0"), {"hashes": spoiled})
    with open_ledger(sqlite_url(tmp_path)) as restarted:
        with pytest.raises(Unavailable) as refused:
            restarted.post(Case().open().last)
        assert refused.value.code == "integrity_broken"
        assert restarted.sequencer.failure is not None


def test_the_first_entry_of_a_log_has_index_0(tmp_path: Path) -> None:
    """The log starts empty, and its first receipt proves a tree of one entry."""
    with open_ledger(sqlite_url(tmp_path), clock=Clock()) as ledger:
        with ledger.database.read() as connection:
            assert (log.tree(connection).size, log.tree(connection).root) == (0, EMPTY_ROOT)
        receipt = ledger.mirror(ledger.changes.admit(POLICE).bodies[-1])
        assert (receipt.index, size_of(receipt), parse_tlog_proof(receipt.proof).hashes) == (0, 1, ())
