"""Sequencing: each judged event gets its place, once; the one writer's time, load, end and tree; its checkpoints."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.event import listen

from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import case as acts
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import EMPTY_ROOT, leaf_hash
from ledger.recording import sequencer as sequencing
from ledger.recording.publisher import INTERVAL_MS
from ledger.recording.validation import Duplicate
from ledger.store import checkpoints, log
from ledger.store.checkpoints import PublishedCheckpoint
from tests.oracles.merkle_reference import mth
from tests.testkit.builders import POLICE, PROCURATORATE, START, Writer, clerk, instant
from tests.testkit.casework import Case
from tests.testkit.ledgers import (
    LOG_SIGNER,
    ORIGIN,
    Ledger,
    open_founded,
    open_ledger,
    receipt_bytes,
    sqlite_url,
    verified,
)
from tests.unit.recording.stand import OFFICERS, OPENED, entries_of, refusal, resigned, size_of

# -- receipts ----------------------------------------------------------------------------------------------------------


def test_a_receipt_leads_from_the_entry_to_the_logs_signature(each_database_url: str) -> None:
    """Every receipt's proof verifies to a signed checkpoint whose root is that of all entries stored up to its size."""
    with open_founded(each_database_url, *OFFICERS) as ledger:
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
    with open_founded(each_database_url, *OFFICERS) as ledger:
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


def test_a_payload_is_recorded_once(gathering: Ledger) -> None:
    """As one event: in another case, under another id, it is refused, in the same batch and in a later one; what is new
    beside it is recorded, and the event itself, submitted again, gets its receipt."""
    first, second = Case().open(), Case("case-2").open(case_number="2")
    numbered = first.draft(
        acts.CaseNumbered(case_number="7"), clerk(POLICE), salt="5a" * 16, occurred_at=instant(START)
    )
    twin = second.draft(acts.CaseNumbered(case_number="7"), clerk(POLICE), salt="5a" * 16, occurred_at=instant(START))
    assert (numbered.digest, numbered.envelope.event_id) != (twin.digest, twin.envelope.event_id)
    assert numbered.digest == twin.digest
    cases = [gathering.submit(first.last), gathering.submit(second.last)]
    futures = [gathering.submit(numbered), gathering.submit(twin), gathering.submit(numbered)]
    gathering.sequencer.start()
    receipt = gathering.receipt(futures[0])
    assert [gathering.receipt(future).index for future in cases] == [receipt.index - 2, receipt.index - 1]
    for refused in (futures[1], gathering.submit(twin)):
        assert (refusal(refused).code, refusal(refused).field) == ("payload_repeated", "envelope.payload_digest")
    assert receipt_bytes(gathering.receipt(gathering.submit(numbered))) == receipt_bytes(receipt)
    gathering.post(second.write(acts.CaseNumbered(case_number="7"), clerk(POLICE)))


# -- together or not at all --------------------------------------------------------------------------------------------


def test_what_goes_together_is_recorded_whole(gathering: Ledger) -> None:
    """A case with its items and an offer is one run of entries, and what came behind it may build on it."""
    case = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE)
    futures = gathering.submit_together(case.events)
    later = gathering.submit(case.accept().last)
    again = gathering.submit(case.events[1])
    gathering.sequencer.start()
    receipts = [gathering.receipt(future) for future in futures]
    assert [after.index - before.index for before, after in pairwise(receipts)] == [1] * 3
    assert len({verified(receipt, event) for receipt, event in zip(receipts, case.events, strict=False)}) == 1
    assert gathering.receipt(later).index == receipts[-1].index + 1
    assert receipt_bytes(gathering.receipt(again)) == receipt_bytes(receipts[1])


def test_one_refusal_refuses_all_that_goes_together(gathering: Ledger) -> None:
    """Nothing of it is recorded, its other members are told so, and neighbours in the batch are as if it never came."""
    rival = Case("case-2").open(case_number="the rival's").last
    mixed = Case().open().register("phone").events + Case("case-2").open().events + Case("case-3").open().events
    first = gathering.submit(rival)
    futures = gathering.submit_together(mixed)
    neighbour = gathering.submit(mixed[0])
    gathering.sequencer.start()
    assert [refusal(future).code for future in futures] == ["not_alone", "not_alone", "event_id_taken", "not_alone"]
    assert gathering.receipt(neighbour).index == gathering.receipt(first).index + 1
    entries = entries_of(gathering)
    assert [entries.count(event.entry) for event in mixed] == [1, 0, 0, 0]
    with gathering.database.read() as connection:
        assert log.tree(connection).root == mth(entries)


def test_an_event_that_stands_in_the_log_goes_together_with_new_ones(gathering: Ledger) -> None:
    """It gets its stored receipt, also where it was recorded between judging and writing; the new ones are recorded."""
    case = Case().open().register("phone")
    futures = gathering.submit_together(case.events)
    with open_ledger(gathering.database.url) as second_ledger:
        first = second_ledger.post(case.events[0])
    gathering.sequencer.start()
    assert receipt_bytes(gathering.receipt(futures[0])) == receipt_bytes(first)
    assert gathering.receipt(futures[1]).index == first.index + 1


# -- time, load, stopping ----------------------------------------------------------------------------------------------


def test_recorded_time_never_runs_backwards(ledger: Ledger) -> None:
    """A clock that is set back a day stands still in the log; set forward again it goes on."""
    clock = ledger.clock
    case = Case().open().register("one", "two", "three")
    times = []
    for event, moved in zip(case.events, (0, -86_400, 10, 86_500), strict=True):
        clock.forward(moved)
        judged = ledger.validator.validate(event.submission, event.envelope.signed_at)
        assert not isinstance(judged, Duplicate)
        times.append(ledger.receipt(ledger.sequencer.submit(judged)).recorded_at)
    assert times[0] == times[1] == times[2]
    assert times[3] == clock.ms > times[0]


def test_more_than_the_queue_takes_is_turned_away(gathering: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound a submission is told to come back; what waits already is recorded."""
    monkeypatch.setattr(sequencing, "MAX_WAITING", 3)
    events = [Case(f"case-{number}").open().last for number in range(5)]
    futures = [gathering.submit(events[0]), *gathering.submit_together(events[1:3]), *map(gathering.submit, events[3:])]
    for future in futures[3:]:
        busy = refusal(future)
        assert isinstance(busy, Unavailable)
        assert (busy.code, busy.retry_after) == ("busy", 1)
    gathering.sequencer.start()
    assert [gathering.receipt(future).index for future in futures[:3]]
    together = gathering.submit_together(Case("case-7").open().register(*"abcd").events)
    assert [gathering.receipt(future).index for future in together]
    assert gathering.post(events[4]).index == len(entries_of(gathering)) - 1


def test_stopping_commits_what_waits_and_turns_away_the_rest(gathering: Ledger) -> None:
    """Nobody is left without an answer."""
    futures = [gathering.submit(Case(f"case-{number}").open().last) for number in range(5)]
    gathering.sequencer.start()
    gathering.sequencer.stop()
    assert all(future.done() for future in futures)
    assert len({gathering.receipt(future).index for future in futures}) == 5
    assert refusal(gathering.submit(Case("late").open().last)).code == "stopping"


def test_a_halted_writer_answers_everybody_with_the_reason(gathering: Ledger) -> None:
    """After a halt nothing is committed: what waits and what comes gets the reason and its hint."""
    waiting = gathering.submit(Case("case-1").open().last)
    size = len(entries_of(gathering))
    gathering.sequencer.halt(IntegrityBroken("the chain is ahead", hint="Restore the newest backup."))
    gathering.sequencer.start()
    for future in (waiting, gathering.submit(Case("case-2").open().last)):
        answer = refusal(future)
        assert isinstance(answer, Unavailable)
        assert (answer.code, answer.hint) == ("integrity_broken", "Restore the newest backup.")
    first, two = (refusal(gathering.submit(Case("case-3").open().last)) for _ in range(2))
    assert first is not two  # an error that is raised for ever gathers the frames of all who raised it
    assert len(entries_of(gathering)) == size


def test_who_stops_waiting_harms_nobody_else(gathering: Ledger) -> None:
    """A client that goes away cannot cancel an event, nor keep the batch from the others."""
    events = [Case(f"case-{number}").open().last for number in range(3)]
    futures = [gathering.submit(event) for event in events]
    assert futures[1].cancel() is False
    gathering.sequencer.start()
    assert len({gathering.receipt(future).index for future in futures}) == 3
    assert gathering.post(Case("case-9").open().last).index == len(entries_of(gathering)) - 1


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_tiles_and_root_are_the_reference_trees_at_every_size(ledger: Ledger) -> None:
    """Batches of many lengths across the edge of a tile: root and stored tiles are those of the plain RFC 6962 tree."""
    case = Case(step=1).open()
    ledger.post(case.last)
    for length in (1, 2, 3, 240, 20):
        start = len(case.events)
        case.register(*(f"item-{start + number}" for number in range(length)))
        ledger.post_all(case.events[start:])
        entries = entries_of(ledger)
        with ledger.database.read() as connection:
            tree = log.tree(connection)
            assert (tree.size, tree.root) == (len(entries), mth(entries))
            stored = list(connection.execute(text("SELECT level, tile_index, hashes FROM tiles ORDER BY 1, 2")))
        assert [tuple(row) for row in stored] == reference_tiles(entries)


def test_writers_in_turn_read_the_right_edge_once_a_batch(ledger: Ledger) -> None:
    """Behind a batch of another process each tile at the right edge is read once: for the check that the log has what
    was acknowledged here, and for the entries that follow.
    """
    with open_ledger(ledger.database.url) as second_ledger:
        case, another = Case(step=1).open(), Case("case-2", step=1).open()
        case.register(*(f"item-{number}" for number in range(256)))
        ledger.post_all(case.events)
        second_ledger.post(another.last)
        reads: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "FROM tiles" in statement:
                reads.append(statement)

        listen(ledger.database.log, "before_cursor_execute", note)
        ledger.post(case.register("last").last)
        assert len(reads) == 2, "of the two levels of a tree of more than 256 leaves"


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
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as ledger, ledger.database.write() as connection:
        hashes = connection.execute(text("SELECT hashes FROM tiles WHERE level = 0")).scalar_one()
        spoiled = hashes[:-32] + leaf_hash(b"another entry")
        connection.execute(text("UPDATE tiles SET hashes = :hashes WHERE level = 0"), {"hashes": spoiled})
    with open_ledger(sqlite_url(tmp_path)) as restarted:
        with pytest.raises(Unavailable) as refused:
            restarted.post(Case().open().last)
        assert refused.value.code == "integrity_broken"
        assert restarted.sequencer.failure is not None


# -- checkpoints -------------------------------------------------------------------------------------------------------


def publish(ledger: Ledger) -> str | None:
    return ledger.publisher.publish(ledger.database, ledger.clock())


def published(ledger: Ledger) -> list[PublishedCheckpoint]:
    with ledger.database.read() as connection:
        return checkpoints.all_published(connection)


def grow(ledger: Ledger, case_id: str) -> None:
    ledger.post(Case(case_id).open().last)


def test_a_published_checkpoint_is_the_logs_signed_tree(each_database_url: str) -> None:
    """The note verifies under the log's key to size and root of everything stored."""
    with open_founded(each_database_url, clerk(POLICE)) as ledger:
        grow(ledger, "case-1")
        note = publish(ledger)
        assert note is not None
        checkpoint = verify_checkpoint(note, LOG_SIGNER.verifying_key)
        with ledger.database.read() as connection:
            entries = [entry.envelope for entry in log.entries(connection, 0, log.count_entries(connection))]
            assert checkpoints.published_at_size(connection, checkpoint.size) == PublishedCheckpoint(
                len(entries), note, ledger.clock()
            )
            assert checkpoints.published_at_size(connection, checkpoint.size + 1) is None
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, len(entries), mth(entries))


def test_an_empty_log_publishes_the_empty_tree(tmp_path: Path) -> None:
    """Size 0 and the root of nothing: witnesses can start from there."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        note = publish(ledger)
        assert note is not None
        checkpoint = verify_checkpoint(note, LOG_SIGNER.verifying_key)
        assert (checkpoint.size, checkpoint.root) == (0, EMPTY_ROOT)


def test_one_checkpoint_a_second_and_none_when_idle(ledger: Ledger) -> None:
    """Nothing is published twice, nor sooner than a second after the last."""
    assert publish(ledger) is not None
    ledger.clock.forward(10)
    assert publish(ledger) is None
    grow(ledger, "case-1")
    assert publish(ledger) is not None
    grow(ledger, "case-2")
    ledger.clock.ms += INTERVAL_MS - 1
    assert publish(ledger) is None
    ledger.clock.ms += 1
    assert publish(ledger) is not None
    assert len(published(ledger)) == 3


@pytest.mark.parametrize("moved", [-86_400, 86_400])
def test_a_clock_set_by_a_day_stops_no_checkpoint_and_turns_no_time_back(ledger: Ledger, moved: int) -> None:
    """Publishing goes on, and what is told of the time never runs backwards."""
    publish(ledger)
    for number, step in enumerate((moved, -moved, 2, moved), 3):
        ledger.clock.forward(step)
        ledger.mirror(ledger.changes.grant(clerk(POLICE, number)).bodies[-1])
        publish(ledger)
    kept = published(ledger)
    assert len(kept) >= 3
    times = [checkpoint.published_at for checkpoint in kept]
    assert times == sorted(times)
    assert [checkpoint.size for checkpoint in kept] == sorted({checkpoint.size for checkpoint in kept})


def test_the_published_size_never_shrinks(ledger: Ledger) -> None:
    """A process that looked before another published keeps its smaller tree to itself, and so does one of the same."""
    with ledger.database.read() as connection:
        old = log.tree(connection)
    grow(ledger, "case-1")
    publish(ledger)
    late = PublishedCheckpoint(old.size, ledger.publisher.checkpoint(old.size, old.root), ledger.clock())
    assert [checkpoints.store(ledger.database, tree) for tree in (late, published(ledger)[-1])] == [False, False]
    assert [checkpoint.size for checkpoint in published(ledger)] == [old.size + 1]
