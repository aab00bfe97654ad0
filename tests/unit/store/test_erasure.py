"""What is erased is gone: from every answer, from the database's file, and from its write-ahead log."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.core.events import Authority
from ledger.core.events.case import CaseLinked
from ledger.core.events.record import SectionErased
from ledger.store import log
from ledger.store.append import clear_away
from tests.testkit.builders import POLICE, clerk, section, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url

AUTHORITY = Authority("court_order", "12/2026")
SECRETS = ("the-secret-begins", "the-secret-ends")
OFFICERS = (clerk(POLICE), supervisor(POLICE))
SIZES = (20, 1_000, 60_000)  # characters: within a page, most of one, and many


def files_with(folder: Path, word: str) -> list[str]:
    """The files that hold the word, of all that lie beside the database."""
    return sorted(file.name for file in folder.iterdir() if word.encode() in file.read_bytes())


def confidential(size: int) -> Case:
    """A case that says something about itself, in sections that others surround."""
    case = Case().open()
    for number in range(4):
        text = f"neighbour-{number} " + "n" * min(size, 3_900)
        case.act(CaseLinked(f"case-{number + 2}", "related"), sections={"narrative": section(text=text)})
    fields = {f"part_{number:02}": "s" * min(size, 3_900) for number in range(1 + size // 3_900)}
    longer = section(**fields | {"part_00": "the-secret-begins", "part_99": "the-secret-ends"})
    return case.act(CaseLinked("case-9", "related"), sections={"narrative": longer})


def erase(sqlite: Ledger, case: Case) -> None:
    body = SectionErased(concerns=case.events[5].ref, label="narrative", ground="the court ordered it")
    sqlite.post(case.act(body, supervisor(POLICE), authority=AUTHORITY).last)


@pytest.mark.parametrize("size", SIZES)
def test_erased_bytes_are_nowhere(sqlite: Ledger, tmp_path: Path, size: int) -> None:
    """Neither beginning nor end of the text is in a file of the database; what stands beside it stays."""
    case = confidential(size)
    sqlite.post_all(case.events)
    assert [files_with(tmp_path, word) != [] for word in SECRETS] == [True, True]
    erase(sqlite, case)
    assert clear_away(sqlite.database)
    assert [files_with(tmp_path, word) for word in SECRETS] == [[], []]
    assert files_with(tmp_path, "neighbour-3") != []
    with sqlite.database.read() as connection:
        entry = log.entry_by_event_id(connection, case.events[5].envelope.event_id)
        assert log.sections(connection, entry.log_index) == {"narrative": None}


def test_bytes_that_reached_the_file_before_are_overwritten(sqlite: Ledger, tmp_path: Path) -> None:
    """The section was in the database's file already, and in no write-ahead log any more."""
    case = confidential(1_000)
    sqlite.post_all(case.events)
    assert sqlite.database.empty_write_ahead_log()
    assert files_with(tmp_path, SECRETS[0]) == ["ledger.db"]
    erase(sqlite, case)
    assert clear_away(sqlite.database)
    assert files_with(tmp_path, SECRETS[0]) == []


def test_a_reader_in_the_way_is_waited_for(sqlite: Ledger, tmp_path: Path) -> None:
    """It reads on undisturbed, events come in meanwhile, and once it is through the bytes go, in whatever process."""
    case = confidential(1_000)
    sqlite.post_all(case.events)
    with sqlite.database.read() as reader:
        log.tree(reader)
        erase(sqlite, case)
        assert not clear_away(sqlite.database)
        sqlite.post(case.register("phone").last)
    with open_ledger(sqlite_url(tmp_path)) as other:
        assert clear_away(other.database)
    assert files_with(tmp_path, SECRETS[0]) == []


def test_nothing_is_done_where_nothing_was_erased(sqlite: Ledger, tmp_path: Path) -> None:
    """The write-ahead log is left to SQLite."""
    sqlite.post_all(confidential(20).events)
    size = (tmp_path / "ledger.db-wal").stat().st_size
    assert clear_away(sqlite.database)
    assert (tmp_path / "ledger.db-wal").stat().st_size == size > 0
