"""A session asks the views and nothing else: what would write, reach outside, or differ each time is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from duckdb import Statement

from ledger.core.errors import MalformedInput
from ledger.core.procedure.zones import UNIVERSAL
from ledger.i18n import Labels
from ledger.procedures import shipped_rulebook
from ledger.supervision.models import sql_guard
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs import query_session
from ledger.supervision.runs.query_session import Limits, QuerySession, open_database
from tests.unit.supervision.modelling import with_sql

AS_OF = datetime(2026, 3, 31, 16, 0, tzinfo=UTC)  # 1 April in Shanghai
CASES = [
    {"case_id": "case-1", "stage": "investigation", "opened_at": "2026-03-02T01:00:00Z", "evidence": ["blake3:01"]},
    {"case_id": "case-2", "stage": "execution", "opened_at": "2026-03-03T16:30:00Z"},
]


@pytest.fixture(scope="module")
def session() -> Iterator[QuerySession]:
    with QuerySession.of_rows({"cases": CASES}, zone=shipped_rulebook().zone) as opened:
        yield opened


def ask(session: QuerySession, sql: str, **parameters: object) -> list[dict[str, Any]]:
    return session.rows(sql, parameters, AS_OF)


def test_rows_come_as_plain_values(session: QuerySession) -> None:
    """Times without zone in UTC, days, lists, decimals; what a row leaves out is None."""
    sql = """
        SELECT case_id, opened_at, legal_day(opened_at) AS day, evidence, closed, CAST(1.5 AS DECIMAL(33,18)) AS amount
        FROM cases ORDER BY case_id
    """
    assert [tuple(row.values()) for row in ask(session, sql)] == [
        ("case-1", datetime(2026, 3, 2, 1), date(2026, 3, 2), ["blake3:01"], None, Decimal("1.5")),  # noqa: DTZ001
        ("case-2", datetime(2026, 3, 3, 16, 30), date(2026, 3, 4), None, None, Decimal("1.5")),  # noqa: DTZ001
    ]


def test_reading_a_file_asks_its_query_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asks may take as long of no rows as of all."""
    asked, judged = list[str](), query_session.require_sound

    def noted(sql: str, views: frozenset[str]) -> Statement:
        asked.append(sql)
        return judged(sql, views)

    monkeypatch.setattr(query_session, "require_sound", noted)
    model = parse_model(with_sql("SELECT case_id, handover_id, to_agency, evidence FROM handovers"))
    assert asked == [model.query.sql]


def test_what_is_divided_by_zero_is_empty(session: QuerySession) -> None:
    """With each operator and type: a share of nothing is above no limit, and stops no query."""
    divided = [
        f"CAST(3 AS {kind}) {by} CAST(0 AS {kind})" for kind in ("INT", "DOUBLE", "DECIMAL(33,18)") for by in OPERATORS
    ]
    columns = (*divided, "mod(3, 0)", "0 / 0", "INTERVAL 1 DAY / 0", "sum(CAST(closed AS INT)) / count(closed)")
    sql = ", ".join(f"{each} AS c{number}" for number, each in enumerate(columns))
    assert set(ask(session, f"SELECT {sql} FROM cases")[0].values()) == {None}
    assert (
        ask(session, "SELECT stage FROM cases GROUP BY stage HAVING round(count(closed) / count(closed), 6) > 0.3")
        == []
    )


def test_parameters_are_values_and_never_text_of_the_query(session: QuerySession) -> None:
    """A parameter that looks like SQL finds nothing and changes nothing; the moment can be asked about."""
    sql = "SELECT case_id FROM cases WHERE stage = $stage AND opened_at < $as_of"
    assert ask(session, sql, stage="execution") == [{"case_id": "case-2"}]
    assert ask(session, sql, stage="x' OR 1=1; DROP TABLE cases; --") == []
    assert ask(session, "SELECT legal_day($as_of) AS day") == [{"day": date(2026, 4, 1)}]
    assert len(ask(session, "FROM cases")) == 2
    with pytest.raises(QueryRefused, match="no parameter stag") as refused:
        ask(session, "FROM cases WHERE stage = $stag", stage="execution")
    assert refused.value.hint == "Did you mean stage?"


OPERATORS = ("/", "//", "%")
SEVERAL = "expected one SELECT"
OUTSIDE = "reads something else than views"
NO_VIEW = "there is no view"
UNREPEATABLE = "may give another result each time"
SHADOWED = """
    SELECT path, (WITH duckdb_databases AS (SELECT 1 AS x) SELECT x FROM duckdb_databases) AS x FROM duckdb_databases
"""
DOUBLED = "WITH " + ", ".join(f"t{n} AS (SELECT s || s AS s FROM t{n - 1})" for n in range(1, 14))
DOUBLED = f"{DOUBLED.replace('WITH ', 'WITH t0 AS (SELECT case_id AS s FROM cases), ', 1)} SELECT s FROM t13"
REFUSED = {
    "nothing": ("", SEVERAL),
    "two statements": ("SELECT 1; SELECT 2", SEVERAL),
    "a second statement that writes": ("SELECT 1; DELETE FROM cases", SEVERAL),
    "deletes": ("DELETE FROM cases", SEVERAL),
    "drops": ("DROP TABLE cases", SEVERAL),
    "copies out": ("COPY cases TO 'out.csv'", SEVERAL),
    "attaches": ("ATTACH 'other.db'", SEVERAL),
    "sets": ("SET memory_limit = '100GB'", SEVERAL),
    "pragma": ("PRAGMA database_list", SEVERAL),
    "explains": ("EXPLAIN ANALYZE SELECT 1", SEVERAL),
    "reads a file": ("SELECT * FROM read_csv('/etc/passwd')", OUTSIDE),
    "reads a file by name": ("SELECT * FROM '/etc/passwd'", NO_VIEW),
    "reads the catalogue": ("SELECT * FROM information_schema.tables", NO_VIEW),
    "asks by text": ("SELECT * FROM query('SELECT 1')", OUTSIDE),
    "in a part of the query": ("WITH x AS (SELECT * FROM glob('/*')) SELECT * FROM x", OUTSIDE),
    "in a condition": ("FROM cases WHERE case_id IN (SELECT file FROM glob('/*'))", OUTSIDE),
    "chance": ("SELECT random() AS r", UNREPEATABLE),
    "now": ("SELECT now() AS r", UNREPEATABLE),
    "today in capitals": ("SELECT CURRENT_DATE - 1 AS r", UNREPEATABLE),
    "age": ("SELECT age(opened_at) AS r FROM cases", UNREPEATABLE),
    "settings": ("SELECT current_setting('threads') AS r", UNREPEATABLE),
    "first": ("SELECT first(case_id) AS r FROM cases", UNREPEATABLE),
    "mode": ("SELECT mode(stage) AS r FROM cases", UNREPEATABLE),
    "any value": ("SELECT any_value(case_id) AS r FROM cases", UNREPEATABLE),
    "in an order": ("SELECT case_id FROM cases ORDER BY random()", UNREPEATABLE),
    "sample": ("SELECT * FROM cases USING SAMPLE 1", "sample"),
    "text without order": ("SELECT string_agg(case_id, ',') AS r FROM cases", "needs an order"),
    "list without order": ("SELECT list(case_id) AS r FROM cases", "needs an order"),
    "one of several without order": ("SELECT arg_max(case_id, stage) AS r FROM cases", "needs an order"),
    "numbered without order": ("SELECT row_number() OVER () AS r FROM cases", "needs an order"),
    "some without order": ("SELECT case_id FROM cases LIMIT 1", "need an order"),
    "one each without order": ("SELECT DISTINCT ON (stage) case_id FROM cases", "need an order"),
    "any of a list": ("SELECT list_aggregate(evidence, 'any_value') AS r FROM cases", UNREPEATABLE),
    "place of a row": ("SELECT rowid AS r FROM cases", UNREPEATABLE),
    "place of a row of a view": ("SELECT c.rowid AS r FROM cases c", UNREPEATABLE),
    "joined by place": ("SELECT c.case_id FROM cases c POSITIONAL JOIN events", "order of rows"),
    "huge text": ("SELECT length(repeat('x', 1000000000)) AS r", "no function that a query may use"),
    "wide text": ("SELECT length(lpad('x', 1000000, 'x')) AS r", "no function that a query may use"),
    "huge list in a row": ("SELECT len(range(1000000)) AS r", "no function that a query may use"),
    "bytes of a text": ("SELECT strlen(case_id) AS r FROM cases", "no function that a query may use"),
    "function of the engine": ("SELECT getenv('HOME') AS r", "no function that a query may use"),
    "doubled again and again": (DOUBLED, "at most 12 values together"),
    "long text": (f"SELECT '{'x' * 501}' AS r", "at most 500 characters"),
    "describes": ("DESCRIBE cases", "describes nothing|expected one SELECT"),
    "summarizes": ("SUMMARIZE cases", "describes nothing|expected one SELECT"),
    "shows within": ("SELECT * FROM (SHOW ALL TABLES)", "describes nothing"),
    "catalogue under a part's name": (SHADOWED, "table of the engine"),
    "catalogue before a part of its name": (
        "WITH a AS (FROM duckdb_databases), duckdb_databases AS (SELECT 1 AS x) SELECT * FROM a",
        "table of the engine",
    ),
    "unknown view": ("SELECT * FROM handover", NO_VIEW),
    "unknown column": ("SELECT stag FROM cases", "no column stag in the tables"),
    "unknown column of a table": ("SELECT c.stag FROM cases c", "no column stag in the tables"),
    "unknown column of an empty view": ("SELECT h.stag FROM handovers h", "no column stag in the tables"),
    "unknown table": ("SELECT d.stage FROM cases c", "no table d in its FROM"),
    "column of two tables": ("SELECT case_id FROM cases c JOIN cases d ON true", "case_id is one of several tables"),
    "column that is not grouped": ("SELECT stage, count(*) AS n FROM cases", "stage must stand in GROUP BY"),
    "not SQL": ("SELEKT 1", "syntax error at SELEKT"),
    "one name twice": ("SELECT 1 AS a, 2 AS a", "one name"),
    "wrong types": ("SELECT case_id + 1 AS r FROM cases", "no function takes these types: .*VARCHAR"),
    "too long": ("SELECT 1 --" + "x" * 20_000, "at most"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_more_than_a_question_is_refused(session: QuerySession, name: str) -> None:
    """Each with a sentence that says why, on the field; the session answers as before."""
    sql, reason = REFUSED[name]
    with pytest.raises(QueryRefused, match=reason) as refused:
        ask(session, sql)
    assert refused.value.field == "sql"
    assert len(ask(session, "FROM cases")) == 2


def test_a_mistake_of_the_author_is_said_in_chinese_with_the_nearest_name(session: QuerySession) -> None:
    """Whole, and what the engine itself says stands once, behind its name."""
    messages = []
    for sql in ("SELECT stag FROM cases", "SELECT d.stage FROM cases c", "SELECT 1 FROM cases ORDER BY 5"):
        with pytest.raises(QueryRefused) as refused:
            ask(session, sql)
        messages.append(Labels("zh-CN").translate(refused.value.expected))
    column, table, order = messages
    assert column.startswith("查询的各表中没有列 stag。")
    assert "stage" in column.partition("。")[2]
    assert not re.search("[A-Za-z]{2,} [a-z]{2,}", column + table)
    assert order.count("查询引擎报告：") == 1


def test_no_function_is_both_repeatable_and_not() -> None:
    """What depends on clock, chance or order is none of those that queries may use, by our list or the engine's."""
    kinds, (_, volatile) = sql_guard._functions(), sql_guard._engine_names()
    assert kinds["repeatable"] & (kinds["unrepeatable"] | volatile) == set()


def test_what_is_like_no_function_is_answered_by_usual_ones(session: QuerySession) -> None:
    """By names that a query calls, those that conditions ask most before the others, and by no operator."""
    with pytest.raises(QueryRefused) as refused:
        ask(session, "SELECT zzqqxxww(case_id) AS r FROM cases")
    kinds = sql_guard._functions()
    assert f"There are {', '.join(sorted(kinds['usual']))}, ..." in str(refused.value.hint)
    assert kinds["usual"] <= kinds["repeatable"] | kinds["ordered"]


def test_what_says_its_order_is_answered(session: QuerySession) -> None:
    """The same functions with an order, and the parts of a query by names of its own, in scope on both sides of its
    union."""
    sql = """
        WITH mine AS (SELECT *, row_number() OVER (ORDER BY case_id) AS number FROM cases)
        SELECT list(case_id ORDER BY case_id DESC) AS ids, arg_max(case_id, number ORDER BY case_id) AS last
        FROM mine ORDER BY ids LIMIT 1
    """
    assert ask(session, sql) == [{"ids": ["case-2", "case-1"], "last": "case-2"}]
    sql = """
        WITH RECURSIVE a AS (WITH b AS (FROM cases) SELECT case_id FROM b UNION SELECT b.case_id FROM b JOIN a ON true)
        SELECT count(*) AS n FROM a
    """
    assert ask(session, sql) == [{"n": 2}]


ENDLESS = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS r FROM n"
HUGE = "SELECT list(range ORDER BY range) AS r FROM range(100000000)"
LIMITED = {
    "endless": (ENDLESS, Limits(seconds=0.3, memory_mb=4096), "ended after 0.3 s"),
    "huge": (HUGE, Limits(seconds=60, memory_mb=64), "more than 64 MB"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_query_ends_within_its_limits(name: str) -> None:
    """By time and memory; the session answers as before."""
    sql, limits, reason = LIMITED[name]
    with QuerySession.of_rows({"cases": CASES}, limits) as session:
        with pytest.raises(QueryRefused, match=reason):
            ask(session, sql)
        assert len(ask(session, "FROM cases")) == 2


def test_sessions_of_rows_within_one_database_have_nothing_in_common() -> None:
    """Each asks its own rows by its own moment, while another one is open and after it was closed."""
    stages = "SELECT stage, legal_day($as_of) AS day FROM cases"
    with closing(open_database()) as database, QuerySession.of_rows({"cases": CASES[:1]}, within=database) as first:
        for zone, day in ((UNIVERSAL, date(2026, 3, 31)), (shipped_rulebook().zone, date(2026, 4, 1))):
            with QuerySession.of_rows({"cases": CASES[1:]}, zone=zone, within=database) as second:
                assert ask(second, stages) == [{"stage": "execution", "day": day}]
                assert ask(second, "SELECT item_id FROM items") == []
            assert ask(first, stages) == [{"stage": "investigation", "day": date(2026, 3, 31)}]
        with QuerySession.of_rows({"items": [{"item_id": "phone"}]}, within=database) as third:
            assert ask(third, "SELECT stage FROM cases") == []
        assert ask(first, "SELECT item_id FROM items") == []


def test_what_does_not_fit_into_memory_is_left_on_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed in a query leaves nothing of the record in its folder."""
    monkeypatch.chdir(tmp_path)
    with QuerySession.of_rows({"cases": CASES}, Limits(memory_mb=32)) as session:
        with pytest.raises(QueryRefused, match="more than 32 MB"):
            ask(session, "SELECT range AS r FROM range(3000000) ORDER BY hash(range) LIMIT 2900000")
        assert list(tmp_path.iterdir()) == []


def test_nothing_outside_is_reached_even_past_the_check(session: QuerySession, tmp_path: Path) -> None:
    """The engine itself opens no file and takes no other setting."""
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    for sql in (f"SELECT * FROM read_csv('{file}')", "SET enable_external_access = true", "SET threads = 8"):
        with pytest.raises(Exception, match=r"disabled|locked"):
            session._connection.execute(sql)


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "unknown view": ({"casess": [{}]}, "casess"),
    "unknown column": ({"cases": [{"case": "case-1"}]}, "cases[0].case"),
    "wrong type": ({"cases": [{"case_id": "x"}, {"opened_at": "soon"}]}, "cases[1]"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_rows_that_are_none_are_refused(name: str) -> None:
    """Naming the row and the column, with what is near."""
    rows, field = FAULTY[name]
    with pytest.raises(MalformedInput) as refused:
        QuerySession.of_rows(rows)
    assert refused.value.field == field


def test_a_result_that_is_too_large_is_refused_before_it_is_here() -> None:
    """By the bytes of all rows, by their number, and by one text alone: each says so."""
    rows = [{"case_id": f"case-{number}", "stage": "x" * 5000} for number in range(400)]
    for limits, reason in (
        (Limits(result_mb=1), "the query gives more than 1 MB"),
        (Limits(rows=399), "the query gives more than 399 rows"),
        (Limits(characters=4999), "the column stage has a text of more than 4,999 characters"),
    ):
        with QuerySession.of_rows({"cases": rows}, limits) as session, pytest.raises(QueryRefused, match=reason):
            ask(session, "SELECT case_id, stage FROM cases")
    with QuerySession.of_rows({"cases": rows}) as session:
        assert len(ask(session, "SELECT case_id, stage FROM cases")) == 400
