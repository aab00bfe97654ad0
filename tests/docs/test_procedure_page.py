"""The page about procedure packages lists what the code has: facts, and the keys of conditions."""

from __future__ import annotations

import re

from ledger.core.procedure.facts import FACTS, KEYS
from tests.testkit.machine import REPOSITORY

PAGE = (REPOSITORY / "docs" / "procedure.md").read_text(encoding="utf-8")


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of each row of a table, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]


def words_of(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`(\w+)(?:\.W)?`", cell))


def test_the_page_lists_every_fact_with_what_it_answers() -> None:
    """The list is closed: each fact of the code, no other, with its word where it has one."""
    rows = rows_of(PAGE.split("<!-- facts -->")[1].split("<!-- /facts -->")[0])
    listed = {words_of(name)[0]: (name.endswith(".W`"), words_of(keys)) for name, _, keys in rows}
    assert listed == {name: (fact.words is not None, fact.answers) for name, fact in FACTS.items()}


def test_the_page_lists_every_key_of_a_condition() -> None:
    """Each key once, and ``unless``."""
    table = PAGE.split("| key | asks | of |\n")[1].split("\n\n")[0]
    listed = [word for line in table.splitlines()[1:] for word in words_of(line.split("|")[1])]
    assert listed == [*KEYS, "unless"]
