"""Outside lists whose persons are told as an agency's own cases tell them."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest

from ledger.core.errors import MalformedInput
from ledger.interchange.imports.identity import COLUMN, IdentityKey, named_csv, read_named
from ledger.interchange.imports.source_file import Layout, SourceFile

KEY = IdentityKey("police-east", bytes(32))


def pseudonymised(folder: Path, text: str, *identity: str) -> tuple[tuple[int, int], list[list[str]]]:
    """Return how many rows it has and how many are left out, and the rows of the file with pseudonyms."""
    (folder / "list.csv").write_text(text, encoding="utf-8")
    with SourceFile(folder / "list.csv", Layout("csv")) as source:
        named = read_named(source, identity)
    data = named_csv(named, {COLUMN: [KEY.person_id(*numbers) for numbers in named.persons]})
    return (len(named.rows), named.left_out), list(csv.reader(StringIO(data.decode(), newline="")))


def test_numbers_become_the_ids_that_an_import_gives(tmp_path: Path) -> None:
    """As the mapping's identity reads them: without spaces around them; what else is in the row stays as it is."""
    counts, rows = pseudonymised(
        tmp_path, '号码,name,发放日期\n 3101 ,Li,2026-03-01\n3102,"Wang, the elder",\n', "号码"
    )
    assert counts == (2, 0)
    assert rows == [
        ["person_id", "name", "发放日期"],
        [KEY.person_id("3101"), "Li", "2026-03-01"],
        [KEY.person_id("3102"), "Wang, the elder", ""],
    ]


def test_several_columns_are_one_identity_in_their_order(tmp_path: Path) -> None:
    """As in a mapping with two columns; neither of them is left."""
    _, rows = pseudonymised(tmp_path, "kind,paid,number\npassport,1,77\n", "number", "kind")
    assert rows == [["person_id", "paid"], [KEY.person_id("77", "passport"), "1"]]


def test_who_has_no_number_is_left_out_and_counted(tmp_path: Path) -> None:
    """A blank is not one person."""
    counts, rows = pseudonymised(tmp_path, "number,paid\n,1\n77,2\n", "number")
    assert (counts, len(rows)) == ((1, 1), 2)


@pytest.mark.parametrize(
    ("text", "identity", "field", "word"),
    [
        ("number,paid\n1,2\n", "nummer", "--identity", "number, paid"),
        ("number,person_id\n1,2\n", "number", "FILE", "another name"),
    ],
)
def test_what_the_file_has_not_or_has_already_is_refused(
    tmp_path: Path, text: str, identity: str, field: str, word: str
) -> None:
    """A column that is not there, with those that are; a column that the new one would double. Nothing is written."""
    with pytest.raises(MalformedInput) as refused:
        pseudonymised(tmp_path, text, identity)
    assert refused.value.field == field
    assert word in (refused.value.hint or "")


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """By its number in the file."""
    with pytest.raises(MalformedInput, match="row 3"):
        pseudonymised(tmp_path, "number,paid\n1,2\n3,4,5\n", "number")
