"""The page about procedure packages lists what the code has, and the package that it writes is sound."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest
from msgspec import Struct

from ledger.core.procedure.facts import FACTS, KEYS
from ledger.core.procedure.package import read_package
from ledger.core.procedure.papers import LISTS, VALUES, ListRow, PaperCondition, PaperRow
from ledger.core.procedure.rows import Law
from ledger.core.procedure.rulebook import (
    ClockRule,
    ExampleAct,
    ExampleCase,
    ExpectedDeadline,
    ExtensionRule,
    FlagName,
    Rulebook,
)
from ledger.core.supervision.examples import faults_of_examples
from tests.testkit.builders import refused_at
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
    listed = {
        words_of(name)[0]: (name.endswith(".W`"), words_of(subjects), words_of(keys))
        for name, _, subjects, keys in rows
    }
    assert listed == {name: (fact.words is not None, fact.names, fact.answers) for name, fact in FACTS.items()}


def test_the_protocol_names_facts_of_every_land_alone() -> None:
    """Verifiers of any procedure count by it: its facts are those of the code, and it rests on no statute."""
    page = (REPOSITORY / "docs" / "protocol" / "clocks.md").read_text(encoding="utf-8").split("## Rows")[0]
    rows = rows_of(page.split("## Facts")[1].split("\n\nA handover")[0])
    listed = {name for row in rows for name in re.findall(r"`(\w+)[.`]", row[0])}
    assert listed - FACTS.keys() == set()
    assert re.findall(r"Article \d+|suspect|three clocks", page) == []


def test_the_page_lists_every_key_flag_and_table() -> None:
    """Each key of a condition once, and ``unless``; each name of a flag; the tables of words, and those in sections of
    their own."""
    table = PAGE.split("| key | asks | of |\n")[1].split("\n\n")[0]
    listed = [word for line in table.splitlines()[1:] for word in words_of(line.split("|")[1])]
    assert listed == [*KEYS, "unless"]
    rows = rows_of(PAGE.split("<!-- flags -->")[1].split("<!-- /flags -->")[0])
    assert sorted(words_of(name)[0] for name, *_ in rows) == sorted(get_args(FlagName))
    table = PAGE.split("| table | what its words name")[1].split("\n\n")[0]
    listed = {word for line in table.splitlines()[2:] for word in words_of(line.split("|")[1])}
    sections = {"procedure", "zone", "currency", "clocks", "flags", "papers", "paper_words", "days_off", "examples"}
    assert listed | sections == {field.name for field in msgspec.structs.fields(Rulebook)} - {"digest"}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("| key | says |\n", ClockRule),
        ("| key of an extension | says |\n", ExtensionRule),
        ("| key of a law | says |\n", Law),
        ("| key of `[[papers]]` | says |\n", PaperRow),
        ("| key of a list | says |\n", ListRow),
        ("| key of a paper's condition | asks |\n", PaperCondition),
        ("| key of `[[examples]]` | says |\n", ExampleCase),
        ("| key of `[[examples.acts]]` | says |\n", ExampleAct),
        ("| key of `[[examples.deadlines]]` | says |\n", ExpectedDeadline),
    ],
)
def test_the_page_lists_every_key_of_a_row(head: str, kind: type[Struct]) -> None:
    """Each key that the decoder knows, and no other."""
    table = PAGE.split(head)[1].split("\n\n")[0]
    listed = [word for line in table.splitlines()[1:] for word in words_of(line.split("|")[1])]
    fields = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert sorted(listed) == sorted(fields - {"acts", "deadlines", "extensions"})


def test_the_page_lists_every_value_and_list_of_papers() -> None:
    """Both lists are closed: each value with the fields by which an event has it, each list with its columns."""
    values = rows_of(PAGE.split("<!-- values -->")[1].split("<!-- /values -->")[0])
    assert [(words_of(name)[0], words_of(fields)) for name, _, fields in values] == [
        (name, value.fields) for name, value in VALUES.items()
    ]
    assert [words_of(name)[0] for name, text, _ in values if text.endswith("(an agency)")] == [
        name for name, value in VALUES.items() if value.is_agency
    ]
    lists = rows_of(PAGE.split("<!-- lists -->")[1].split("<!-- /lists -->")[0])
    assert [(words_of(name)[0], words_of(columns)) for name, _, columns in lists] == [
        (name, row.columns) for name, row in LISTS.items()
    ]


def test_the_row_of_a_paper_on_the_page_is_sound() -> None:
    """Added to the package of the page, it is read, and a slip of the pen in it is told by file and line."""
    written = re.findall(r"^```toml water-lab/(\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    paper = next(
        block for block in re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "papers" in block
    )
    files = {name: text.encode() for name, text in written} | {"papers.toml": paper.encode()}
    assert [row.name for row in read_package(files).papers] == ["delivery_note"]
    slip = files["papers.toml"].replace(b'"seal_number"]', b'"seal_nmber"]')
    with refused_at("papers.toml:21: papers[0].lists[0].columns", match="seal_nmber"):
        read_package(files | {"papers.toml": slip})


def test_the_package_that_the_page_writes_is_sound() -> None:
    """Its files are read, its examples come out, and a slip of the pen is told by its file and line."""
    written = re.findall(r"^```toml water-lab/(\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    files = {name: text.encode() for name, text in written}
    book = read_package(files)
    assert (book.procedure.id, len(book.examples)) == ("water-lab", 2)
    assert list(faults_of_examples(book)) == []
    slip = files["rules.toml"].replace(b'starts = ["received.analysis"]', b'starts = ["received.analysys"]')
    with refused_at("rules.toml:18: clocks[1].starts", match="received.analysys"):
        read_package(files | {"rules.toml": slip})
