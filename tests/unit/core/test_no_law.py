"""The core knows no law: nothing in it is a word of a procedure, or names an institution or a measure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ledger.core.events.terms import TABLE_OF
from ledger.core.procedure.faults import CORE_NAMES, CORE_WORDS
from ledger.procedures import SHIPPED, shipped_tables
from tests.testkit.machine import REPOSITORY

CORE = REPOSITORY / "ledger" / "core"
OWN = CORE_NAMES.union(*CORE_WORDS.values())
# Institutions, measures, stages and persons of the law, in whatever identifier or sentence they would stand.
OF_LAW = re.compile(
    r"procurat|prosecut|police|public_?security|\bcourts?\b|court_|_court|judge?ment|judicial|detention|prison|arrest|\bbail|"
    r"indict|suspect|defendant|plaintiff|investigat|first_instance|检察|公安|法院|看守所|监狱|侦查|逮捕|拘留|起诉"
)
# Finds names of persons in texts that are to be published, in the words of two languages; it judges nothing.
FINDS_NAMES = CORE / "supervision" / "anonymity.py"


@cache
def words_of_packages() -> dict[str, str]:
    """Return the words of every shipped package, and the names of its clocks and extensions, with where they stand."""
    words: dict[str, str] = {}
    for procedure in SHIPPED:
        tables = shipped_tables(procedure)
        for vocabulary, table in TABLE_OF.items():
            words |= dict.fromkeys(tables.get(table, ()), f"{vocabulary} of {procedure}")
        for row in tables.get("clocks", ()):
            names = (row["name"], *(extension["name"] for extension in row.get("extensions", ())))
            words |= dict.fromkeys(names, f"clock of {procedure}")
    return words


def law_in(source: str) -> list[str]:
    """Return the literals and fields that are words of packages, and whatever else names a law."""
    nodes = list(ast.walk(ast.parse(source)))
    stated, called = set(literals_and_fields(nodes)), set(names(nodes))
    words = {text for text in stated if text in words_of_packages()} - OWN
    return sorted(words.union(filter(_is_of_law, stated | called)))


def literals_and_fields(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the string literals of a module without its docstrings, and the fields of its classes."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    first = [node.body[0] for node in nodes if isinstance(node, documented) and node.body]
    docstrings = {id(statement.value) for statement in first if isinstance(statement, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def names(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield what a module calls its functions, classes, parameters and variables."""
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name):
            yield node.id


def _is_of_law(text: str) -> bool:
    return OF_LAW.search(text.lower()) is not None


@pytest.mark.parametrize(
    "module", [path for path in sorted(CORE.rglob("*.py")) if path != FINDS_NAMES], ids=lambda path: path.stem
)
def test_no_literal_or_field_of_the_core_names_a_law(module: Path) -> None:
    """Compared with the words of all packages that ship, and with names of institutions, measures and stages."""
    assert law_in(module.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        'kind = "arrest"',
        "procuratorate: str",
        'KINDS = ("forensic_lab",)',
        "def require_detention(state): ...",
        'refuse("rule", "the public prosecutor decides this")',
        'clock = "prosecution_review"',
    ],
)
def test_a_law_that_is_put_in_is_found(line: str) -> None:
    """Whether as a word of a package, as a field, in a name or within a sentence."""
    assert law_in(f"{line}\n") != []


def test_what_is_no_law_is_not_taken_for_it() -> None:
    """The words that the core defines for all procedures, and sentences of custody."""
    assert (
        law_in('"""Say that a court decides."""\nstatus = "closed"\nheld: str\nrefuse("not_open", "it is held")\n')
        == []
    )
