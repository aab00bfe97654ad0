"""Checkpoints: signed, growing, at most one a second, whatever the clock does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import EMPTY_ROOT
from ledger.recording.publisher import INTERVAL_MS
from ledger.store import checkpoints, log
from ledger.store.checkpoints import PublishedCheckpoint
from tests.oracles.merkle_reference import mth
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, ORIGIN, Ledger, open_ledger, sqlite_url

OFFICERS = (clerk(POLICE),)


def publish(ledger: Ledger) -> str | None:
    return ledger.publisher.publish(ledger.database, ledger.clock())


def published(ledger: Ledger) -> list[PublishedCheckpoint]:
    with ledger.database.read() as connection:
        return checkpoints.all_published(connection)


def grow(ledger: Ledger, case_id: str) -> None:
    ledger.post(Case(case_id).open().last)


def test_a_published_checkpoint_is_the_logs_signed_tree(each_database_url: str) -> None:
    """The note verifies under the log's key to size and root of everything stored."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(clerk(POLICE))
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
    for number, step in enumerate((moved, -moved, 2, moved), 2):
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
