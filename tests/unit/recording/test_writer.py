"""The one writer: its time, its load, its end, and the tree that it builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.log.merkle import leaf_hash
from ledger.recording import sequencer as sequencing
from ledger.recording.validation import Duplicate
from ledger.store import log
from tests.oracles.merkle_reference import mth
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.unit.recording.stand import OFFICERS, entries_of, refusal

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
    futures = [gathering.submit(event) for event in events]
    for future in futures[3:]:
        busy = refusal(future)
        assert isinstance(busy, Unavailable)
        assert (busy.code, busy.retry_after) == ("busy", 1)
    gathering.sequencer.start()
    assert [gathering.receipt(future).index for future in futures[:3]]
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
