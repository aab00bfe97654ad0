"""Data sets: the bytes that were registered are kept, and nothing else; models see their rows and cite them."""

from __future__ import annotations

import sqlite3
import stat
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.ipc
import pytest
from blake3 import blake3
from openpyxl import Workbook as Book

from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.record import DatasetRegistered, TableLayout
from ledger.procedures import shipped_procedures
from ledger.store import imports
from ledger.store.database import attach
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.dataset_rows import Registered, rows_of_file, table_of
from ledger.supervision.runs.datasets import (
    DatasetFiles,
    Datasets,
    current_registrations,
    mapped_table,
    rank_in_line,
)
from ledger.supervision.runs.export_runs import exported_session
from ledger.supervision.runs.query_session import LIMITS, QuerySession
from ledger.supervision.view_catalogue import DATASET_COLUMNS, ListUse
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import BundleViewSource
from ledger.workers.pool import WorkFailed
from tests.testkit.builders import COURT, NEIGHBOUR, POLICE, PROCURATORATE, UPPER, Registry
from tests.testkit.ledgers import lay_tables, sqlite_url
from tests.testkit.supervision import dataset

CSV = "身份证,Amount\r\n310101,1200\r\n310102,\r\n".encode()
DIGEST = "blake3:" + "11" * 32  # of a registration
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[DatasetFiles]:
    lay_tables(sqlite_url(tmp_path))
    with closing(attach(sqlite_url(tmp_path))) as database:
        yield DatasetFiles(database)


def kept(files: DatasetFiles, body: DatasetRegistered, data: bytes) -> list[dict[str, Any]]:
    """Keep the file, and return its rows as models see them."""
    columns = files.keep(body, data)
    with files.written(body.digest) as path:
        assert path is not None
        table = table_of(path, Registered("procuratorate-east", DIGEST, body))
    assert table.column_names == [*columns, *DATASET_COLUMNS]
    return table.to_pylist()  # type: ignore[no-any-return]


def cells(rows: list[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    return [tuple(row.values())[: -len(DATASET_COLUMNS)] for row in rows]


def test_the_registered_file_is_kept(files: DatasetFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its digest, in as many parts as it takes; given again it is the same. It is written out for its reader
    alone, and only as long as that reads. Its rows are text, a blank cell is None."""
    monkeypatch.setattr(imports, "PART", 10)
    body = dataset(CSV, rows=2)
    for _ in range(2):
        rows = kept(files, body, CSV)
    assert cells(rows) == [("310101", "1200"), ("310102", None)]
    with files.written(body.digest) as path:
        assert path is not None
        assert path.read_bytes() == CSV
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    with files.written("sha256:" + "00" * 32) as path:
        assert path is None
    assert files.digests() == {body.digest}


def test_a_row_has_the_digest_of_what_it_says(files: DatasetFiles) -> None:
    """BLAKE3 of the pairs of column and text in one spelling, which anybody computes; blank cells are left out."""
    texts = '[["身份证","310101"],["Amount","1200"]]', '[["身份证","310102"]]'
    digests = [row["row_digest"] for row in kept(files, dataset(CSV, rows=2), CSV)]
    assert digests == [f"blake3:{blake3(text.encode()).hexdigest()}" for text in texts]


def test_the_layout_that_was_signed_says_how_it_is_read(files: DatasetFiles) -> None:
    """Another encoding and delimiter; the sheet of a workbook."""
    text = "姓名;金额\n张;1\n".encode("gb18030")
    rows = kept(files, dataset(text, layout=TableLayout(format="csv", encoding="gb18030", delimiter=";")), text)
    assert cells(rows) == [("张", "1")]
    book, stream = Book(), BytesIO()
    sheet = book.create_sheet("payments")
    for row in (("id", "paid"), ("a", datetime(2026, 3, 1)), ("b", 7)):  # noqa: DTZ001 - as a spreadsheet has it
        sheet.append(row)
    book.save(stream)
    data = stream.getvalue()
    rows = kept(files, dataset(data, rows=2, layout=TableLayout(format="xlsx", sheet="payments")), data)
    assert cells(rows) == [("a", "2026-03-01"), ("b", "7")]
    lines = b'{"id":"a"}\n{"id":"b","paid":true}\n'
    rows = kept(files, dataset(lines, rows=2, layout=TableLayout(format="json")), lines)
    assert (list(rows[0])[:2], cells(rows)) == (["id", "paid"], [("a", None), ("b", "true")])


@pytest.mark.parametrize(
    ("data", "rows", "reason"),
    [
        (CSV, 3, "3 rows were registered, this layout finds 2"),
        (CSV + b"broken", 1, "1 rows were registered, this layout finds more"),
        (b"id,ID\n1,2\n", 1, "the column 'ID' more than once"),
        (b"id,evidence\n1,2\n", 1, "the column 'evidence' more than once, or as one of ours"),
        (b"id,,paid\n1,2,3\n", 1, "a column without a name"),
        (b"id\n\xff\n", 1, "row by row this is no table"),
        (b"id,paid\n1\n", 1, "row 2: expected 2 cells"),
        ("id\n\u202e1\n".encode(), 1, "U\\+202E, which is no text"),
    ],
)
def test_what_is_no_such_table_is_not_kept(files: DatasetFiles, data: bytes, rows: int, reason: str) -> None:
    """Refused with what is wrong and where; nothing stays behind."""
    body = dataset(data, rows=rows)
    with pytest.raises(MalformedInput, match=reason):
        files.keep(body, data)
    assert files.digests() == set()


def test_rows_that_bring_too_many_columns_are_read_no_further(files: DatasetFiles) -> None:
    """The refusal comes at the column too many, not after the rest of the file, which is no JSON here."""
    data = b"".join(b'{"k%d":1}\n' % number for number in range(1001)) + b"broken"
    body = dataset(data, rows=1002, layout=TableLayout(format="json"))
    with pytest.raises(MalformedInput, match="at most 1000 columns, not 1001"):
        files.keep(body, data)


def test_other_bytes_are_neither_kept_nor_read(files: DatasetFiles, tmp_path: Path) -> None:
    """Not on arrival, and not where the kept file was changed later: then it is as if it were not here."""
    registration = Registered("procuratorate-east", DIGEST, dataset(CSV, rows=2))
    body = registration.body
    with pytest.raises(MalformedInput, match="this one has sha256:") as refused:
        files.keep(body, CSV + b"310103,1\r\n")
    assert refused.value.field == "file"
    files.keep(body, CSV)
    assert len(Datasets(files).tables([registration])) == 1
    for wrong_bytes in (CSV.replace(b"1200", b"9999"), "a text"):  # SQLite takes either
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
            connection.execute("UPDATE dataset_files SET data = ?", [wrong_bytes])
        assert Datasets(files).tables([registration]) == {}
    files.keep(body, CSV)
    assert len(Datasets(files).tables([registration])) == 1


OFFSETS = pyarrow.py_buffer(struct.pack("<3i", 0, 2**30, 3))  # where the two texts of a column begin and end
TEXT, LISTS = pyarrow.array(["a", "b"]), pyarrow.array([["a"], []], pyarrow.list_(pyarrow.string()))


@pytest.mark.parametrize(
    "columns",
    [
        {"id": pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, OFFSETS, pyarrow.py_buffer(b"abc")])},
        {"id": pyarrow.array([1, 2])},
        {"row_digest": LISTS},
    ],
    ids=["texts outside of it", "numbers", "another column of ours"],
)
def test_a_file_that_no_reader_wrote_is_not_mapped(tmp_path: Path, columns: dict[str, pyarrow.Array]) -> None:
    """Who took over the reader of a data set gets no further by the table that he leaves; a right one is taken."""
    right = {"id": TEXT, "row_digest": TEXT, "evidence": LISTS}
    for number, table in enumerate((right, right | columns)):
        target = tmp_path / f"{number}.arrow"
        written = pyarrow.table(table)
        with pyarrow.ipc.new_file(str(target), written.schema) as writer:
            writer.write_table(written)
    assert mapped_table(tmp_path / "0.arrow", 2).column("id").to_pylist() == ["a", "b"]
    for lacking in ("1.arrow", "2.arrow"):
        (tmp_path / "2.arrow").write_bytes(b"ARROW1")
        with pytest.raises(WorkFailed, match="is no table"):
            mapped_table(tmp_path / lacking, 2)


def test_a_file_that_is_not_whole_is_not_mapped(tmp_path: Path) -> None:
    """Cut anywhere, also between two of its batches; of another number of rows than were registered; with a heading
    that is no text."""
    target = tmp_path / "table.arrow"
    batch = pyarrow.record_batch({"id": TEXT, "row_digest": TEXT, "evidence": LISTS})
    with pyarrow.ipc.new_file(str(target), batch.schema) as writer:
        for _ in range(3):
            writer.write_batch(batch)
    whole = target.read_bytes()
    assert mapped_table(target, 6).num_rows == 6
    for rows in (5, 7):
        with pytest.raises(WorkFailed, match=f"no table of {rows} rows"):
            mapped_table(target, rows)
    misnamed = whole.replace(b"\2\0\0\0id\0\0", b"\2\0\0\0\xff\xfe\0\0")
    assert misnamed != whole
    for spoiled in (misnamed, *(whole[:length] for length in range(0, len(whole), 8))):
        target.write_bytes(spoiled)
        for rows in (0, 2, 4, 6):
            with pytest.raises(WorkFailed, match="is no table"):
                mapped_table(target, rows)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_file_that_would_grow_is_not_mapped(tmp_path: Path, compression: str) -> None:
    """A few kilobytes that are made to be gigabytes in memory stay what they are."""
    target = tmp_path / "table.arrow"
    written = pyarrow.table({"id": ["\0" * 1_000_000] * 2, "row_digest": TEXT, "evidence": LISTS})
    for how in (None, compression):
        with pyarrow.ipc.new_file(
            str(target), written.schema, options=pyarrow.ipc.IpcWriteOptions(compression=how)
        ) as writer:
            writer.write_table(written)
        before = pyarrow.total_allocated_bytes()
        if how is None:
            assert mapped_table(target, 2).equals(written)
        else:
            with pytest.raises(WorkFailed, match="a part is compressed"):
                mapped_table(target, 2)
        assert pyarrow.total_allocated_bytes() - before < 1_000_000


def test_no_supervised_agency_decides_what_models_compare_with() -> None:
    """An agency's own list counts, whoever registered the id before; without one, the nearest of an agency that
    supervises it; and only then another's, the first to register."""
    changes = Registry().admit(POLICE, COURT, PROCURATORATE, NEIGHBOUR, UPPER)
    agencies = changes.authority.agencies
    by = {
        agency: Registered(agency, f"blake3:{number:064x}", dataset(CSV, rows=number))
        for number, agency in enumerate((COURT, POLICE, NEIGHBOUR, UPPER, PROCURATORATE), start=1)
    }
    for count, agency in ((5, PROCURATORATE), (4, UPPER), (3, COURT), (2, COURT)):
        ranks = rank_in_line(PROCURATORATE, agencies)
        assert current_registrations([*by.values()][:count], ranks) == {"dataset_pensions": by[agency]}
    assert rank_in_line(UPPER, agencies) == {UPPER: 0, **dict.fromkeys((POLICE, COURT, PROCURATORATE, NEIGHBOUR), 6)}
    assert NEIGHBOUR not in rank_in_line(PROCURATORATE, agencies)


def test_an_id_belongs_to_who_registered_it_first() -> None:
    """Of agencies of one rank. Its latest registration is the view; another agency's of the same id is not."""
    first, second, later = (
        Registered(agency, f"blake3:{number:064x}", dataset(CSV, rows=number))
        for number, agency in enumerate(("procuratorate-east", "police-east", "procuratorate-east"), start=1)
    )
    assert current_registrations([first, second]) == {"dataset_pensions": first}
    assert current_registrations([first, second, later]) == {"dataset_pensions": later}
    assert current_registrations([first, second, later], {"police-east": 1}) == {"dataset_pensions": second}, (
        "of those in line"
    )


def test_a_session_asks_the_rows_beside_the_views(files: DatasetFiles) -> None:
    """Where it is given them and a condition opens them: each row with its digest and the registering event; else there
    is no such view."""
    registration = Registered("procuratorate-east", DIGEST, dataset(CSV, rows=2, dataset_id="pension-list"))
    datasets = Datasets(files)
    assert datasets.tables([registration]) == {}
    digests = [row["row_digest"] for row in kept(files, registration.body, CSV)]
    tables = datasets.tables([registration])
    assert datasets.tables([registration])["dataset_pension_list"].table is tables["dataset_pension_list"].table
    views = Views(
        None,
        BundleViewSource([], shipped_procedures()),
        datasets=lambda size, *_: datasets.tables([registration][size:]),
    )
    views.refresh()
    sql = 'SELECT "身份证" AS id, amount AS amount, row_digest, evidence FROM list_pensions ORDER BY id'
    opened = {"list_pensions": ListUse("pension-list", {}, shown=False)}
    with views.session(with_datasets=True) as session:
        with pytest.raises(QueryRefused, match="there is no view"):
            session.rows(sql, {}, AS_OF)
        assert session.open_lists(opened) == (registration.digest,)
        rows = session.rows(sql, {}, AS_OF)
        with pytest.raises(QueryRefused, match="there is no view") as refused:
            session.rows("SELECT amount FROM dataset_pension_list", {}, AS_OF)
    assert "the name of the parameter" in str(refused.value.hint)
    assert [(row["id"], row["amount"]) for row in rows] == [("310101", "1200"), ("310102", None)]
    assert [row["row_digest"] for row in rows] == digests
    assert {tuple(row["evidence"]) for row in rows} == {(registration.digest,)}
    with views.session() as session, pytest.raises(QueryRefused, match="the data set pension-list is not registered"):
        session.open_lists(opened)
    views.close()


HIDDEN = "dataset_pension_list"
INNER = f"(WITH {HIDDEN} AS (SELECT 1 AS one) SELECT one FROM {HIDDEN})"
OUT_OF_REACH = {
    "by its name": f"SELECT * FROM {HIDDEN}",
    "in capitals": f"SELECT * FROM {HIDDEN.upper()}",
    "quoted": f'SELECT * FROM "{HIDDEN}"',
    "as a text": f"SELECT * FROM '{HIDDEN}'",
    "in a schema": f"SELECT * FROM temp.{HIDDEN}",
    "in a database": f"SELECT * FROM temp.main.{HIDDEN}",
    "in the memory": f"SELECT * FROM memory.main.{HIDDEN}",
    "FROM alone": f"FROM {HIDDEN}",
    "TABLE alone": f"TABLE {HIDDEN}",
    "at a version": f"FROM {HIDDEN} AT (VERSION => 1)",
    "described": f"DESCRIBE {HIDDEN}",
    "summarized": f"FROM (SUMMARIZE {HIDDEN})",
    "pivoted": f"PIVOT {HIDDEN} ON amount IN ('1200') USING count(*)",
    "unpivoted": f"UNPIVOT {HIDDEN} ON amount",
    "by its columns": f"SELECT COLUMNS(*) FROM {HIDDEN}",
    "by query_table": f"SELECT * FROM query_table('{HIDDEN}')",
    "by query": f"SELECT * FROM query('FROM {HIDDEN}')",
    "in a part": f"WITH a AS (FROM {HIDDEN}) FROM a",
    "in a part of its own name": f"WITH {HIDDEN} AS (FROM {HIDDEN}) FROM {HIDDEN}",
    "in a part that recurs": f"WITH RECURSIVE {HIDDEN} AS (FROM {HIDDEN} UNION ALL FROM {HIDDEN}) FROM {HIDDEN}",
    "where a part that recurs begins": (
        f"WITH RECURSIVE {HIDDEN} AS (WITH a AS (SELECT 1) FROM {HIDDEN} UNION ALL FROM {HIDDEN}) FROM {HIDDEN}"
    ),
    "in a part of its name before it": f"WITH a AS (FROM {HIDDEN}), {HIDDEN} AS (SELECT 1) FROM a",
    "beside a condition with a part of its name": f"SELECT * FROM {HIDDEN} WHERE EXISTS {INNER}",
    "beside a column with a part of its name": f"SELECT {INNER} AS one, d FROM {HIDDEN} d",
    "beside a table with a part of its name": f"SELECT * FROM {HIDDEN} JOIN {INNER} ON true",
    "in a union with a part of its name": f"{INNER} UNION ALL FROM {HIDDEN}",
    "in an argument": f"FROM unnest((SELECT [amount] FROM {HIDDEN} ORDER BY 1 LIMIT 1))",
    "in a value": f"SELECT (SELECT amount FROM {HIDDEN} ORDER BY 1 LIMIT 1) AS amount",
    "in a frame": f"SELECT sum(1) OVER (ORDER BY (SELECT count(*) FROM {HIDDEN})) AS n FROM cases",
    "in capitals beside a part": f"SELECT * FROM {HIDDEN.upper()} WHERE EXISTS {INNER.upper()}",
    "another list": f"WITH list_other AS (SELECT 1 WHERE EXISTS {INNER}) FROM list_other, {HIDDEN}",
    "a table of the views": "WITH a AS (WITH kept_cases AS (SELECT 1) FROM kept_cases) FROM kept_cases",
    "a table in its schema": "WITH kept AS (SELECT 1 AS parties) FROM kept.parties",
    "the names of tables": "SELECT table_name FROM duckdb_tables()",
    "the names of views": "SELECT sql FROM duckdb_views()",
    "the names of views as a view": "SELECT sql FROM duckdb_views",
    "the catalogue": "SELECT table_name FROM information_schema.tables",
    "the catalogue of SQLite": "SELECT sql FROM sqlite_master",
    "the catalogue of PostgreSQL": "SELECT relname FROM pg_catalog.pg_class",
    "the functions": "SELECT macro_definition FROM duckdb_functions()",
    "a variable": "SELECT getvariable('lists') AS lists",
    "a pragma": "FROM pragma_show_tables()",
    "all tables": "FROM (SHOW ALL TABLES)",
}


@pytest.mark.parametrize("way", OUT_OF_REACH)
def test_no_query_reaches_a_list_but_by_its_parameter(hiding: QuerySession, way: str) -> None:
    """Whatever names its parts have, and where."""
    checked = "there is no view|reads something else than views|describes nothing|expected one SELECT|another result"
    with pytest.raises(QueryRefused, match=checked):
        hiding.rows(OUT_OF_REACH[way], {}, AS_OF)


def test_a_list_has_no_name_that_a_query_could_have(hiding: QuerySession) -> None:
    """Past the check, too: neither a list nor a table of the views is known to the engine by a name of its own."""
    for name in (HIDDEN, "kept_cases", "kept_parties"):
        with pytest.raises(duckdb.CatalogException, match=f"Table with name {name} does not exist"):
            hiding._connection.execute(f"FROM {name}")
    with pytest.raises(QueryRefused, match="its cells are not shown"):
        hiding.open_lists({"list_pensions": ListUse("pension-list", {}, shown=True)})


@pytest.fixture(scope="module")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuerySession]:
    """Open a session, as a worker has it, with a list that is not readable."""
    folder = tmp_path_factory.mktemp("hiding")
    lay_tables(sqlite_url(folder))
    with closing(attach(sqlite_url(folder))) as database:
        body = dataset(CSV, rows=2, dataset_id="pension-list", readable=False, compared=())
        DatasetFiles(database).keep(body, CSV)
        datasets = Datasets(DatasetFiles(database))
        registration = Registered("procuratorate-east", DIGEST, body)
        source = BundleViewSource([], shipped_procedures())
        views = Views(None, source, datasets=lambda *_: datasets.tables([registration]))
        views.refresh()
        with closing(views), views.export() as export, exported_session(export, LIMITS) as session:
            assert export.datasets.keys() == {HIDDEN}
            session.rows("FROM cases", {}, AS_OF)
            yield session


def test_a_cited_row_is_found_again_in_the_file(tmp_path: Path) -> None:
    """By its digest, in the file that was registered; another file, and a digest of no row, are refused."""
    (tmp_path / "list.csv").write_bytes(CSV)
    (tmp_path / "other.csv").write_bytes(CSV + b"x,1\r\n")
    registration = Registered("procuratorate-east", DIGEST, dataset(CSV, rows=2))
    text = '[["身份证","310102"]]'
    second = f"blake3:{blake3(text.encode()).hexdigest()}"
    assert rows_of_file(tmp_path / "list.csv", registration, [second]) == [{"身份证": "310102", "row_digest": second}]
    with pytest.raises(NotFound, match=DIGEST):
        rows_of_file(tmp_path / "list.csv", registration, [second, DIGEST])
    with pytest.raises(MalformedInput, match="expected the file"):
        rows_of_file(tmp_path / "other.csv", registration, [second])
