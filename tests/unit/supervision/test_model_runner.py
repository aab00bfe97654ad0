"""Runs of published models are done by worker processes: what one of them takes is its own fault, and no other's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook as Book

from ledger.core.errors import Unavailable
from ledger.core.events.record import TableLayout
from ledger.core.procedure.zones import UNIVERSAL
from ledger.i18n import Labels
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.dataset_rows import Registered
from ledger.supervision.runs.export_runs import Export, ExportedDataset
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.runs.query_session import SessionDataset
from ledger.supervision.views.snapshot import EXPORTS
from ledger.workers.pool import WorkerPool, WorkLimits
from ledger.workers.results import TooManyValues, encode_result
from ledger.workers.sandbox import Files
from tests.testkit.supervision import dataset
from tests.unit.supervision.looking import looked_around
from tests.unit.supervision.modelling import with_sql
from tests.unit.supervision.supervised_ledger import THIRD_RETURN, Watched, sent_back, watched_ledger

LIMITS = WorkLimits(memory_mb=320, cpu_s=1, seconds=60.0)
PATIENT = WorkLimits(memory_mb=320, cpu_s=20, seconds=60.0)
# Cheap where there is no offer, so that it can be published.
ENDLESS = """SELECT h.* FROM handovers h, range(9999) a, range(9999) b, range(9999) c
WHERE a.range + b.range + c.range < 0"""
HUGE = """SELECT h.case_id, h.handover_id, h.to_agency, h.evidence,
    length(string_agg(a.range || ' as many characters as are needed to be too many', '' ORDER BY a.range)) AS many
FROM handovers h, range(9999999) a GROUP BY ALL"""


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    """One process, for all tests of this module."""
    pool = WorkerPool(
        1, patience_s=60, modules=("duckdb", "pyarrow.ipc", "ledger.supervision.runs.export_runs:make_ready")
    )
    yield pool
    pool.close()


@pytest.fixture
def watched(tmp_path: Path, workers: WorkerPool) -> Iterator[Watched]:
    """Open a ledger of the test's own, whose models are run by the workers."""
    with watched_ledger(tmp_path, ModelRunner(workers, LIMITS, agency="the service")) as opened:
        yield opened


def faults(watched: Watched, language: str = "en") -> dict[str, str]:
    return {fault.model_id: Labels(language).translate(fault.says) for fault in watched.supervisor.state.faults}


def test_models_are_read_and_run_in_a_process_of_their_own(
    watched: Watched, workers: WorkerPool, tmp_path: Path
) -> None:
    """They raise what they find, over everything and over the cases that changed, and leave no file behind."""
    workers.last_used = None
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert workers.last_used is not None
    watched.post(sent_back("case-2", 3))
    assert watched.supervisor.step() == 1
    assert faults(watched) == {}
    assert list(tmp_path.glob(f"{EXPORTS}*")) == []


def test_a_model_that_takes_too_much_stops_no_other(watched: Watched) -> None:
    """It is told as the fault of this model's run, in both languages; the others raise what they find, then and when
    cases change."""
    greedy = {
        "endless": (ENDLESS, "the model's query takes too much: this takes more than 1 seconds of computing"),
        "huge": (HUGE, "more than"),
    }
    for model_id, (sql, _) in greedy.items():
        watched.publish(with_sql(sql).replace("model: unanswered", f"model: {model_id}"))
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    english, chinese = faults(watched), faults(watched, "zh-CN")
    assert english.keys() == chinese.keys() == greedy.keys()
    for model_id, (_, says) in greedy.items():
        assert says in english[model_id], model_id
        assert not chinese[model_id].isascii(), model_id
    watched.post(sent_back("case-2", 3))
    assert watched.supervisor.step() == 1


def test_a_model_may_find_something_in_each_row(watched: Watched, workers: WorkerPool) -> None:
    """A query may give a number of rows, and all that they find comes back: more values than other work may return."""
    watched.post(sent_back("case-1", 3))
    sql = """SELECT h.case_id, h.to_agency, h.evidence[:1] AS evidence, a.range AS number, 2 * a.range AS twice
FROM handovers h, range($rows) a WHERE h.handover_id = (SELECT max(handover_id) FROM handovers)"""
    parameters = "  rows: {type: integer, default: 1, minimum: 1, maximum: 100000, meaning: {zh: 行, en: rows}}\n"
    model = parse_model(with_sql(sql, key=("case_id", "number"), parameters=parameters))
    watched.supervisor.views.refresh()
    with watched.supervisor.views.export() as export:
        result = ModelRunner(workers, PATIENT).run(export, model, {"rows": 30_000}, datetime.now(UTC))
    assert len(result.findings) == 30_000
    with pytest.raises(TooManyValues):
        encode_result(result, PATIENT.values)


def test_a_workbook_that_repeats_its_texts_is_read(workers: WorkerPool, tmp_path: Path) -> None:
    """It has each of them once; the table has as much text as the sheet shows, hundreds of times the file's bytes."""
    book, path = Book(write_only=True), tmp_path / "list.xlsx"
    sheet = book.create_sheet("seized")
    for row in ("notes", *["Kept in the room. " * 1800] * 2400):
        sheet.append([row])
    book.save(path)
    data = path.read_bytes()
    body = dataset(data, rows=2400, layout=TableLayout(format="xlsx", sheet="seized"))
    registered = Registered("procuratorate-east", "blake3:" + "11" * 32, body)
    table = ModelRunner(workers, PATIENT).table(path, registered).table
    assert table.num_rows == 2400
    assert table.nbytes > 200 * len(data)


LEFT = (
    "CREATE SCHEMA kept",
    "CREATE TABLE kept.cases AS SELECT 'left' AS case_id",
    "CREATE TABLE left_behind AS SELECT 1 AS x",
    "CREATE TEMP TABLE chosen AS SELECT 'left' AS case_id",
    "CREATE VIEW cases AS SELECT 'left' AS case_id",
    "CREATE MACRO legal_day(moment) AS DATE '2000-01-01'",
    "CREATE TEMP MACRO moment() AS TIMESTAMP '2000-01-01'",
    "CREATE SEQUENCE left_over",
    "CREATE TYPE left_type AS ENUM ('left')",
    "SET VARIABLE left_value = 'left'",
    "PREPARE left_question AS SELECT 'left'",
    "ATTACH ':memory:' AS left_beside",
)


def test_a_run_finds_nothing_of_the_one_before(workers: WorkerPool) -> None:
    """Even of one that got past the check of queries and may write into the databases that were opened before it:
    no table, view, macro, type, value, prepared statement or setting. Each has the limits of its own."""
    threads = Files(read=("/proc",))
    first = workers.run(looked_around, 100, LEFT, agency="east", files=threads)
    second = workers.run(looked_around, 200, LEFT, agency="west", files=threads)
    closed = {
        **dict.fromkeys(("enable_external_access", "autoload_known_extensions"), "false"),
        "autoinstall_known_extensions": "false",
        "lock_configuration": "true",
        "TimeZone": "UTC",
        "threads": "1",
        "async_threads": "0",
    }
    assert first == ([], {**closed, "memory_limit": "95.3 MiB"}, 1)
    assert second == ([], {**closed, "memory_limit": "190.7 MiB"}, 1)


def test_a_busy_pool_is_no_fault_of_the_record(watched: Watched, workers: WorkerPool) -> None:
    """While no worker is free, models cannot be read; as soon as one is, all of them are run."""
    busy = ModelRunner(workers, WorkLimits(seconds=0.05), agency="the service")
    watched.publish()
    watched.post(sent_back("case-1", 3))
    with workers.turn("east"), pytest.raises(Unavailable, match="busy"):
        busy.read(THIRD_RETURN)
    assert watched.supervisor.step() == 1


def test_a_defect_in_a_run_is_that_run_s_fault(workers: WorkerPool, tmp_path: Path) -> None:
    """An error that nobody foresaw comes back as a refusal in both languages, which stops no other run."""
    runner, model = ModelRunner(workers, LIMITS, agency="the service"), parse_model(THIRD_RETURN)
    spoiled = Export(
        str(tmp_path),
        0,
        {"dataset_x": ExportedDataset(str(tmp_path / "missing.arrow"), SessionDataset(True))},
        UNIVERSAL,
    )
    with pytest.raises(QueryRefused, match="defect of this service") as refusal:
        runner.run(spoiled, model, {}, datetime.now(UTC))
    assert not Labels("zh-CN").translate(refusal.value.expected).isascii()


def test_files_of_a_killed_run_are_removed_at_the_next_start(watched: Watched, tmp_path: Path) -> None:
    """They name persons: nobody else would remove them."""
    watched.supervisor.views.close()
    left = tmp_path / f"{EXPORTS}left"
    left.mkdir()
    (left / "persons.arrow").write_bytes(b"x")
    watched.supervisor.views.refresh()
    assert not left.exists()
