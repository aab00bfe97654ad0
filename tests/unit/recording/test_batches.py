"""Sequencing: each judged event gets its place, once; the batch survives its losers; receipts follow the commit."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest
from sqlalchemy import Connection, text

from ledger.recording.case_states import NeedsDatabase
from ledger.store.append import ValidatedSubmission
from tests.oracles.merkle_reference import mth
from tests.testkit.builders import POLICE, PROCURATORATE, Writer, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, receipt_bytes, verified
from tests.unit.recording.stand import OFFICERS, OPENED, entries_of, refusal, resigned, size_of

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


# -- one batch ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_commit(gathering: Ledger) -> None:
    """What waits together is committed together: one checkpoint for all, each with its own proof."""
    cases = [Case(f"case-{number}").open().register(f"item-{number}") for number in range(20)]
    events = [event for case in cases for event in case.events]
    futures = [gathering.submit(event) for event in events]
    gathering.sequencer.start()
    receipts = [gathering.receipt(future) for future in futures]
    checkpoints = {verified(receipt, event) for receipt, event in zip(receipts, events, strict=True)}
    assert len(checkpoints) == 1
    assert checkpoints.pop().size == len(entries_of(gathering))


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


def test_dependent_events_need_not_wait_for_each_other(gathering: Ledger) -> None:
    """A chain of events on one case, judged on states that are not committed yet, goes through in one batch."""
    case = Case().open().name("suspect").register("phone", "knife")
    case.offer("phone", "knife", to=PROCURATORATE, persons=("suspect",)).accept().give_back("knife").accept()
    futures = [gathering.submit(event) for event in case.events]
    gathering.sequencer.start()
    receipts = [gathering.receipt(future) for future in futures]
    assert [after.index - before.index for before, after in pairwise(receipts)] == [1] * (len(receipts) - 1)
    assert len({size_of(receipt) for receipt in receipts}) == 1
    assert gathering.validator.states.of_case("case-1") == case.state


def test_an_event_sent_twice_in_one_batch_is_recorded_once(gathering: Ledger) -> None:
    """Both senders get the one receipt, also where one of them signed again."""
    event = Case().open().last
    again = resigned(event, clerk(POLICE), signed_at=event.envelope.signed_at + 1)
    futures = [gathering.submit(event), gathering.submit(event), gathering.submit(again)]
    gathering.sequencer.start()
    receipts = {receipt_bytes(gathering.receipt(future)) for future in futures}
    assert len(receipts) == 1
    assert entries_of(gathering).count(event.entry) == 1
    assert again.entry not in entries_of(gathering)


def test_one_id_for_two_events_of_a_batch_is_refused(gathering: Ledger) -> None:
    """The first of them is recorded, the second told that the id is taken."""
    first = Case("case-one").open().last
    two = Writer("case", "case-two").write(OPENED, clerk(POLICE), event_id=first.envelope.event_id)
    futures = [gathering.submit(first), gathering.submit(two)]
    gathering.sequencer.start()
    verified(gathering.receipt(futures[0]), first)
    assert refusal(futures[1]).code == "event_id_taken"


def test_a_writer_learns_what_another_process_wrote(each_database_url: str) -> None:
    """Once its next batch is done with, memory is enough to judge what stands on the other's events."""
    with open_ledger(each_database_url) as first, open_ledger(each_database_url) as other:
        first.found(*OFFICERS)
        theirs, ours = Case("case-theirs").open(), Case("case-ours").open()
        other.post(ours.last)
        first.post(theirs.last)
        following = theirs.register("phone").last
        with pytest.raises(NeedsDatabase):
            other.validator.in_memory().validate(following.submission, other.clock.seconds)
        for item_id in ("knife", "coat"):  # what others wrote is taken in behind the answers, before the next batch
            other.post(ours.register(item_id).last)
        judged = other.validator.in_memory().validate(following.submission, other.clock.seconds)
        assert isinstance(judged, ValidatedSubmission)
        assert judged.before is not None
        assert judged.before.head == theirs.events[0].digest


def test_what_another_process_wrote_and_somebody_edited_is_not_learnt(ledger: Ledger) -> None:
    """Nothing is judged on it, and the batch beside it is written all the same."""
    with open_ledger(ledger.database.url) as other:
        theirs, ours = Case("case-theirs").open(), Case("case-ours").open()
        other.post(ours.last)
        index = ledger.post(theirs.last).index
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE entries SET payload = x'7b7d' WHERE log_index = :index"), {"index": index})
        assert other.post(ours.register("knife").last).index == index + 1
        other.post(ours.register("coat").last)
        with pytest.raises(NeedsDatabase):
            other.validator.in_memory().validate(theirs.register("phone").last.submission, other.clock.seconds)
