"""The views are told as they are: each column in both languages, the page current, its queries answered."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.supervision.runs.query_session import QuerySession
from ledger.supervision.view_catalogue import views
from scripts.docs import view_tables

DOCUMENT = view_tables.DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_page_has_every_view_as_it_is() -> None:
    """docs/views.md is what scripts/docs/view_tables.py writes."""
    assert view_tables.current() == DOCUMENT
    assert view_tables.main(["--check"]) == 0


def test_a_difference_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that was edited by hand is found, and written anew."""
    edited = tmp_path / "views.md"
    edited.write_text(DOCUMENT.replace("| `case_id` |", "| `case` |", 1), encoding="utf-8")
    monkeypatch.setattr(view_tables, "DOCUMENT", edited)
    assert view_tables.main(["--check"]) == 1
    assert view_tables.main([]) == 0
    assert edited.read_text(encoding="utf-8") == DOCUMENT
    assert "differs" in capsys.readouterr().out


def test_each_column_is_explained_in_both_languages() -> None:
    """No view and no column without words in English and in Chinese; every view cites evidence but the agencies."""
    for view in views().values():
        assert view.en
        assert view.zh
        assert all(column.en and re.search("[一-鿿]", column.zh) for column in view.columns.values()), view.name
        assert (
            view.columns["evidence"].kind == "VARCHAR[]" if view.name != "agencies" else "evidence" not in view.columns
        )


@pytest.mark.parametrize("sql", EXAMPLES)
def test_the_queries_of_the_page_are_answered(sql: str) -> None:
    """What the page shows is a query that may be asked."""
    with QuerySession.of_rows({}) as session:
        assert session.rows(sql, {"grace_days": 3}, datetime(2026, 6, 1, tzinfo=UTC)) == []
