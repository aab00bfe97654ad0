"""An outcome that is not known is looked up: nothing acknowledged is lost, nothing is recorded twice."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from ledger.core.errors import Unavailable
from ledger.core.events.case import CaseOpened
from ledger.store import checkpoints, log
from ledger.store.connections import DiskFailed
from tests.campaigns.faults.commits import (
    When,
    database_error,
    disk_error,
    failing_commits,
    full_disk,
    programming_error,
    server_error,
    silent_after_commit,
)
from tests.oracles.merkle_reference import mth
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, receipt_bytes, sqlite_url, verified


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """Return a founded ledger of each kind of database."""
    with open_ledger(each_database_url) as opened:
        yield opened.found(clerk(POLICE))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Ledger]:
    """Return a founded ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(clerk(POLICE))


def require_sound(ledger: Ledger, *, holds: list[bytes], lacks: list[bytes]) -> None:
    """Require that the tree is that of the stored entries, these are recorded exactly once, those not at all."""
    with ledger.database.read() as connection:
        tree = log.tree(connection)
        entries = [entry.envelope for entry in log.entries(connection, 0, log.count_entries(connection))]
    assert (tree.size, tree.root) == (len(entries), mth(entries))
    assert [entries.count(entry) for entry in holds] == [1] * len(holds)
    assert [entries.count(entry) for entry in lacks] == [0] * len(lacks)


def errors_of(ledger: Ledger) -> tuple[Exception, ...]:
    return database_error() if ledger.database.is_sqlite else server_error(), programming_error()


@pytest.mark.parametrize("which", [0, 1])
def test_a_commit_that_raised_though_it_persisted_is_acknowledged(ledger: Ledger, which: int) -> None:
    """The look-up finds the batch in the log: everybody gets the receipt that he would have got."""
    cases = [Case(f"case-{number}").open() for number in range(3)]
    with failing_commits(ledger.database.log, "after", errors_of(ledger)[which]) as happened:
        receipts = ledger.post_all([case.last for case in cases])
    assert happened == ["after"]
    for case, receipt in zip(cases, receipts, strict=True):
        verified(receipt, case.last)
        assert receipt_bytes(ledger.post(case.last)) == receipt_bytes(receipt)
    require_sound(ledger, holds=[case.last.entry for case in cases], lacks=[])


@pytest.mark.parametrize("which", [0, 1])
def test_a_commit_that_did_not_persist_acknowledges_nobody(ledger: Ledger, which: int) -> None:
    """Nobody gets a receipt out of a batch that came to nothing; sent again, it is recorded once."""
    case = Case().open()
    with failing_commits(ledger.database.log, "before", errors_of(ledger)[which]) as happened:
        failure = ledger.submit(case.last).exception(60)
    assert happened == ["before"]
    assert isinstance(failure, Unavailable)
    assert failure.code in ("database_unavailable", "not_recorded")
    require_sound(ledger, holds=[], lacks=[case.last.entry])
    verified(ledger.post(case.last), case.last)
    require_sound(ledger, holds=[case.last.entry], lacks=[])


@pytest.mark.parametrize("when", ["before", "after", "unknown"])
def test_what_goes_together_is_whole_whatever_becomes_of_its_commit(ledger: Ledger, when: str) -> None:
    """All of it is in the log or nothing; sent again it is recorded once, with the receipts of that."""
    case = Case().open().register("phone", "knife")
    error = errors_of(ledger)[0]
    if when == "unknown":
        with silent_after_commit(ledger.database.log, "after", error):
            answers = [future.exception(60) for future in ledger.submit_together(case.events)]
    else:
        with failing_commits(ledger.database.log, "after" if when == "after" else "before", error):
            answers = [future.exception(60) for future in ledger.submit_together(case.events)]
    entries = [event.entry for event in case.events]
    if when == "after":
        assert answers == [None] * 3
    else:
        assert {type(answer) for answer in answers} == {Unavailable}
    require_sound(ledger, holds=[] if when == "before" else entries, lacks=entries if when == "before" else [])
    if when == "before":
        ledger.submit_together(case.events)
    for event in case.events:
        verified(ledger.post(event), event)
    require_sound(ledger, holds=entries, lacks=[])


def test_a_refusal_is_told_only_of_what_was_committed(tmp_path: Path) -> None:
    """A rival that lost against an event which then came to nothing is not told that he lost."""
    with open_ledger(sqlite_url(tmp_path)) as first:
        first.found(clerk(POLICE))
    with open_ledger(sqlite_url(tmp_path), start=False) as ledger:
        winner = Case("case-1").open()
        loser = Case("case-1").open(case_number="another").last
        futures = [ledger.submit(winner.last), ledger.submit(loser)]
        with failing_commits(ledger.database.log, "before", database_error()):
            ledger.sequencer.start()
            failures = [future.exception(60) for future in futures]
        assert [type(failure) for failure in failures] == [Unavailable, Unavailable]
        verified(ledger.post(loser), loser)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_outcome_that_cannot_be_looked_up_is_called_unknown(ledger: Ledger, when: When) -> None:
    """No acknowledgement and no claim that nothing was recorded; the same event sent again settles it."""
    case = Case().open()
    with silent_after_commit(ledger.database.log, when, errors_of(ledger)[0]):
        failure = ledger.submit(case.last).exception(60)
    assert isinstance(failure, Unavailable)
    assert failure.code == "outcome_unknown"
    verified(ledger.post(case.last), case.last)
    require_sound(ledger, holds=[case.last.entry], lacks=[])


def test_a_failed_sync_stops_the_writer_for_good(on_sqlite: Ledger) -> None:
    """After the first I/O error there is no acknowledgement any more, though the disk would work again."""
    cases = [Case(f"case-{number}").open() for number in range(3)]
    with failing_commits(on_sqlite.database.log, "before", disk_error()):
        failure = on_sqlite.submit(cases[0].last).exception(60)
    assert isinstance(failure, Unavailable)
    assert failure.code == "disk_failed"
    assert on_sqlite.sequencer.failure is not None
    for case in cases:
        answer = on_sqlite.submit(case.last).exception(60)
        assert isinstance(answer, Unavailable)
        assert answer.code == "disk_failed"
    with pytest.raises(DiskFailed):
        on_sqlite.publisher.publish(on_sqlite.database, on_sqlite.clock())
    require_sound(on_sqlite, holds=[], lacks=[case.last.entry for case in cases])


def test_a_disk_that_failed_after_persisting_is_looked_up_by_the_next_start(tmp_path: Path) -> None:
    """No acknowledgement by the process that saw the fault; the next one finds the event and gives its receipt."""
    case = Case().open()
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(clerk(POLICE))
        with failing_commits(ledger.database.log, "after", disk_error()):
            assert isinstance(ledger.submit(case.last).exception(60), Unavailable)
        assert isinstance(ledger.submit(Case("case-2").open().last).exception(60), Unavailable)
    with open_ledger(sqlite_url(tmp_path)) as restarted:
        verified(restarted.post(case.last), case.last)
        require_sound(restarted, holds=[case.last.entry], lacks=[])


def test_a_full_disk_is_waited_out(on_sqlite: Ledger) -> None:
    """While there is no room, 503 and a time to come back; with room again the next submission is recorded."""
    case = Case().open().register(*(f"item-{number}" for number in range(40)))
    with full_disk(on_sqlite.database.log):
        with pytest.raises(Unavailable) as refused:
            on_sqlite.post_all(case.events)
        assert refused.value.code == "disk_full"
        assert 0 < refused.value.retry_after <= 30
        assert on_sqlite.sequencer.failure is None
        with on_sqlite.database.read() as connection:
            assert log.tree(connection).size > 0
    for event in case.events:
        verified(on_sqlite.post(event), event)
    require_sound(on_sqlite, holds=[event.entry for event in case.events], lacks=[])


def test_no_descriptors_left_is_waited_out(on_sqlite: Ledger) -> None:
    """A process that may open no more files answers 503; with descriptors again, the next submission is recorded."""
    case = Case().open()
    on_sqlite.database.log.dispose()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(Unavailable) as refused:
            on_sqlite.post(case.last)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 0 < refused.value.retry_after <= 30
    verified(on_sqlite.post(case.last), case.last)
    require_sound(on_sqlite, holds=[case.last.entry], lacks=[])


def test_a_fault_tells_nobody_what_is_in_the_payloads(ledger: Ledger) -> None:
    """An error of the database names no parameter: neither the answer nor what is logged shows an event."""
    secret = "a-word-that-stands-in-this-event"
    with ledger.database.write() as connection:
        connection.execute(text("DROP TABLE flags"))
    late = Case().act(
        CaseOpened(
            case_number=secret,
            case_type="theft",
            business_line="criminal",
            stage="investigation",
            procedure="cn-criminal",
        ),
        clerk(POLICE),
        occurred_at="2026-02-01T00:00:00Z",
    )
    with capture_logs() as logged:
        failure = ledger.submit(late.last).exception(60)
        ledger.sequencer.stop()
    assert isinstance(failure, Unavailable)
    assert secret not in f"{failure} {failure.__cause__} {logged}"
    assert "a batch came to nothing" in str(logged)


def test_a_published_checkpoint_that_was_not_kept_is_published_again(on_sqlite: Ledger) -> None:
    """A fault while a checkpoint is kept loses no checkpoint: the next look publishes the same size."""
    on_sqlite.post(Case().open().last)
    with failing_commits(on_sqlite.database.log, "before", database_error()), pytest.raises(Unavailable):
        on_sqlite.publisher.publish(on_sqlite.database, on_sqlite.clock())
    note = on_sqlite.publisher.publish(on_sqlite.database, on_sqlite.clock())
    with on_sqlite.database.read() as connection:
        assert [kept.note for kept in checkpoints.all_published(connection)] == [note]
