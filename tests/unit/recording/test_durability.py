"""What is acknowledged is as durable as the installation declares, whatever PostgreSQL returns from a commit."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from ledger.core.log.merkle import Hash
from ledger.recording.validation import Duplicate
from ledger.store import checkpoints, log
from ledger.store.connections import NotDurable, awaited
from ledger.store.opening import open_database
from tests.testkit.builders import SignedEvent
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.testkit.postgres import PostgresServer, running_server, running_standby
from tests.unit.recording.stand import OFFICERS, entries_of, refusal


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    """Return a server whose settings a test may change."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Return a standby of it, for which commits do not wait."""
    with running_standby(primary) as server:
        yield server


@pytest.fixture
def primary_url(primary: PostgresServer) -> Iterator[str]:
    """Return the URL of an empty database on the server, whose settings are its defaults again behind the test."""
    with primary.fresh_database() as url:
        try:
            yield url
        finally:  # before the database is dropped, which would wait for standbys too
            change(primary, "RESET ALL")


def change(server: PostgresServer, *settings: str) -> None:
    """Change settings of a server and let it read them."""
    for setting in settings:
        server.execute(f"ALTER SYSTEM {setting}")
    server.execute("SELECT pg_reload_conf()")


def wait_for_standbys(server: PostgresServer, names: str) -> None:
    change(server, f"SET synchronous_standby_names = '{names}'")


def waiting_since(server: PostgresServer) -> datetime | None:
    """Return since when a commit waits for standbys, if one does."""
    since: datetime | None = server.execute("SELECT query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    return since


def is_awaited(server: PostgresServer) -> bool:
    """Return whether commits wait for the standby that is there."""
    return bool(server.execute("SELECT sync_state FROM pg_stat_replication") == "sync")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ("", 0),
        ("  ", 0),
        ("*", 1),
        ("north, south", 1),
        ("2 (north, south, east)", 2),
        ("FIRST 2 (north, south)", 2),
        ("any 3(north,south,east)", 3),
        ('"ANY 3 (x)"', 1),
    ],
)
def test_for_how_many_standbys_a_commit_waits(names: str, count: int) -> None:
    """It is read from the names as PostgreSQL does."""
    assert awaited(names) == count


@pytest.mark.parametrize(
    ("settings", "copies", "named"),
    [
        (("SET fsync = off",), 1, "fsync"),
        (("SET synchronous_commit = off",), 1, "synchronous_commit"),
        ((), 2, "synchronous_standby_names"),
        (("SET synchronous_standby_names = '*'", "SET synchronous_commit = remote_write"), 2, "synchronous_commit"),
        (("SET synchronous_standby_names = '*'", "SET synchronous_commit = local"), 2, "synchronous_commit"),
        (("SET synchronous_standby_names = '*'",), 3, "synchronous_standby_names"),
    ],
)
def test_a_server_that_promises_less_is_refused_at_the_start(
    primary: PostgresServer, primary_url: str, settings: tuple[str, ...], copies: int, named: str
) -> None:
    """The setting that falls short is named, and what it would have to be."""
    change(primary, *settings)
    with pytest.raises(NotDurable, match=f"{named} = ") as refused:
        open_database(primary_url, copies=copies)
    assert f"Set {named} = " in str(refused.value.hint)


def test_settings_that_fall_short_later_stop_every_write(primary: PostgresServer, primary_url: str) -> None:
    """Nothing is written with them, and what comes once they are mended is."""
    with open_ledger(primary_url) as ledger:
        ledger.found(*OFFICERS)
        size, case = len(entries_of(ledger)), Case().open()
        change(primary, "SET fsync = off")
        until(lambda: refusal(ledger.submit(case.last)).code == "not_durable")
        assert len(entries_of(ledger)) == size
        change(primary, "SET fsync = on")
        until(lambda: is_recorded(ledger, case.last))


def is_recorded(ledger: Ledger, event: SignedEvent) -> bool:
    """Return whether a submission is acknowledged, and not refused as not durable."""
    try:
        return ledger.post(event).index == len(entries_of(ledger)) - 1
    except NotDurable:
        return False


@pytest.fixture
def two_copies(primary: PostgresServer, standby: PostgresServer, primary_url: str) -> Iterator[Ledger]:
    """Return a ledger that declares two copies and has them."""
    wait_for_standbys(primary, "*")
    until(lambda: is_awaited(primary))
    with open_ledger(primary_url, copies=2) as ledger:
        yield ledger.found(*OFFICERS)
    assert standby.execute("SELECT pg_is_in_recovery()")


def test_a_commit_whose_standby_is_given_up_is_not_acknowledged(primary: PostgresServer, two_copies: Ledger) -> None:
    """When the names of standbys are taken out of the settings, as a failover manager does that lost one, PostgreSQL
    returns from the commits that waited for it as if they had succeeded. The outcome is unknown then, nothing of it is
    published, and the same event sent again gets its receipt only once a commit did wait."""
    event, awaiting = Case().open().last, two_copies
    wait_for_standbys(primary, "nobody")
    until(lambda: not is_awaited(primary))
    answer = awaiting.submit(event)
    until(lambda: waiting_since(primary) is not None)
    wait_for_standbys(primary, "")
    assert refusal(answer).code == "outcome_unknown"
    assert event.entry in entries_of(awaiting)  # that it can be read proves nothing
    assert refusal(awaiting.submit(event)).code == "not_durable"
    with pytest.raises(NotDurable):
        awaiting.publisher.publish(awaiting.database, awaiting.clock())
    with awaiting.database.read() as connection:
        assert checkpoints.last_published(connection) is None
        tree = log.tree(connection)
    with pytest.raises(NotDurable):  # nor is a proof made of what was only read
        awaiting.publisher.require_durable(awaiting.database, tree.size, Hash(tree.root))
    wait_for_standbys(primary, "*")
    until(lambda: is_recorded(awaiting, event))
    assert awaiting.publisher.publish(awaiting.database, awaiting.clock()) is not None


def test_a_commit_whose_wait_is_cancelled_is_acknowledged_once_another_waited(
    primary: PostgresServer, standby: PostgresServer, two_copies: Ledger
) -> None:
    """A cancelled wait is a warning for PostgreSQL, and the commit a success. It is looked up, behind a commit that
    waits in its turn."""
    receiver = standby.execute("SELECT pid FROM pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        answer = two_copies.submit(Case().open().last)
        until(lambda: waiting_since(primary) is not None)
        first = waiting_since(primary)
        primary.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        until(lambda: waiting_since(primary) not in (None, first))
        assert not answer.done()
    finally:
        os.kill(receiver, signal.SIGCONT)
    assert two_copies.receipt(answer).index == len(entries_of(two_copies)) - 1


@pytest.mark.parametrize("exchanged_for", ["a shorter one", "one of another history"])
def test_a_database_that_lacks_what_was_acknowledged_stops_the_writer(tmp_path: Path, exchanged_for: str) -> None:
    """As after the promotion of a standby that lagged: nothing is written behind what it has."""
    url, file, copy = sqlite_url(tmp_path), tmp_path / "ledger.db", tmp_path / "before.db"
    with open_ledger(url) as ledger:
        ledger.found(*OFFICERS)
        take_copy(file, copy)
        ledger.post(Case().open().last)
        take_copy(copy, file)
        if exchanged_for != "a shorter one":
            with open_ledger(url) as second:
                second.post(Case("case-2").open().last)
        refused = refusal(ledger.submit(Case("case-3").open().last))
        assert "lacks entries that were acknowledged" in refused.message
        assert not ledger.sequencer.is_running


def test_a_repeated_submission_is_looked_up_where_it_is_answered(tmp_path: Path) -> None:
    """It was found in a database that another has replaced since: no receipt is given of what that one lacks."""
    url, file, copy = sqlite_url(tmp_path), tmp_path / "ledger.db", tmp_path / "before.db"
    with open_ledger(url) as ledger:
        ledger.found(*OFFICERS)
        take_copy(file, copy)
        event = Case().open().last
        ledger.post(event)
    with open_ledger(url, clock=ledger.clock) as restarted:
        restarted.clock.forward(25 * 3600)  # too late for a new event
        again = restarted.validator.validate(event.submission, restarted.clock.seconds)
        assert isinstance(again, Duplicate)
        take_copy(copy, file)
        assert refusal(restarted.sequencer.submit(again)).code == "not_recorded"


def take_copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def test_a_look_is_made_durable_by_a_row_that_changes_whatever_it_said(tmp_path: Path) -> None:
    """SQLite writes no row that stays as it is; one that somebody spoiled keeps no service from its start."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        for spoiled in (None, "even", "odd", "398 spoiled"):
            with ledger.database.write() as connection:
                if spoiled is not None:
                    log.keep_fact(connection, ledger.database, "made_durable", spoiled)
                before = log.fact(connection, "made_durable")
                log.make_durable(connection, ledger.database)
                assert log.fact(connection, "made_durable") not in (None, before)
