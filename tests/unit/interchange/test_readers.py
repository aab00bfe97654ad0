"""Reading CSV, XLSX and JSON: what agencies export comes in as it is, what is broken is refused with its row."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core.errors import MalformedInput, NotFound
from ledger.interchange.imports.tables import MAX_CELL, MAX_RECORD, Unusable
from tests.unit.interchange.files import SHEET, csv_file, read, sheet_xml, with_part, workbook

WHEN = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - a spreadsheet knows no zones


def refused(path: Path, **layout: Any) -> MalformedInput:
    """Return the refusal of the whole file."""
    with pytest.raises(MalformedInput) as refusal:
        read(path, **layout)
    return refusal.value


# -- CSV ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("编号,案由\r\n1,盗窃\r\n".encode(), "utf-8"),
        (b"\xef\xbb\xbf" + "编号,案由\r\n1,盗窃\r\n".encode(), "utf-8"),
        ("编号,案由\r\n1,盗窃\r\n".encode("gb18030"), "gb18030"),
        ("编号,案由\n1,盗窃".encode("gbk"), "gb18030"),
    ],
    ids=["utf-8", "with a byte order mark", "gb18030", "gbk without a last line end"],
)
def test_csv_is_read_in_the_encodings_that_agencies_export(tmp_path: Path, data: bytes, encoding: str) -> None:
    """Headings and cells come out as they were written; row 1 is that of the headings."""
    (row,) = read(csv_file(tmp_path, data), encoding=encoding)
    assert (row.number, dict(row.cells)) == (2, {"编号": "1", "案由": "盗窃"})


def test_rows_are_counted_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    """A cell of several lines is one row, a blank row counts and is left out, as are titles. Too few cells or too many
    are told with the row; blank ones at the end are not too many."""
    text = 'title\na,b\n"1\n1",x\n,\n2,y\n'
    rows = read(csv_file(tmp_path, text), header_row=2)
    assert [(row.number, row.cells["a"]) for row in rows] == [(3, "1\n1"), (5, "2")]
    rows = read(csv_file(tmp_path, "a,b\n1\n1,2,3\n1,2,,\n1,2\n"))
    assert [row.fault is None for row in rows] == [False, False, True, True]
    assert "expected 2 cells" in str(rows[1].fault)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # A file of many megabytes behind the mark is not gathered.
        ('a,b\n1,2\n1,"open\n' + "x,y\n" * 2_000_000, ("row 3", "quotation mark")),
        ('a,b\n1,2\n1,"open', ("row 3", "quotation mark")),
        ("a\n" + "," * (MAX_RECORD + 1), ("row 2", "quotation mark")),
        (",".join(["a"] * 400_000), ("at most 1000 columns",)),
        ("", ("headings",)),
        (",,\n1,2,3\n", ("blank",)),
    ],
    ids=["open mark in a long file", "open mark", "endless line", "too many columns", "empty", "blank headings"],
)
def test_a_csv_file_that_is_no_table_is_refused_with_its_row(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """Before it fills the memory, with the row in which it went wrong and a hint at what to look for."""
    refusal = refused(csv_file(tmp_path, text))
    for word in words:
        assert word in f"{refusal.message} {refusal.hint}"


def test_a_huge_cell_is_a_fault_of_its_row(tmp_path: Path) -> None:
    """More characters than a spreadsheet's cell can have; the next row is read."""
    rows = read(csv_file(tmp_path, f"a\n{'x' * (MAX_CELL + 1)}\nok\n"))
    assert [bool(row.fault) for row in rows] == [True, False]


def test_another_encoding_is_told_with_the_row(tmp_path: Path) -> None:
    """GB18030 read as UTF-8 does not become nonsense: the first row with such bytes is named."""
    refusal = refused(csv_file(tmp_path, "a,b\n1,x\n2,盗窃\n", encoding="gb18030"))
    assert refusal.message.startswith("row 3")
    assert "encoding" in str(refusal.hint)


# -- XLSX --------------------------------------------------------------------------------------------------------------


def test_a_workbook_is_read_with_its_days_and_numbers(tmp_path: Path) -> None:
    """Days stay days, numbers stay numbers; rows count as the sheet shows them."""
    path = workbook(tmp_path, [["标题"], ["编号", "日期", "数"], ["001", WHEN, 2.5], [], ["002"]])
    first, second = read(path, header_row=2)
    assert (first.number, dict(first.cells)) == (3, {"编号": "001", "日期": WHEN, "数": 2.5})
    assert (second.number, second.cells["编号"]) == (5, "002")


def test_a_sheet_is_found_by_its_name(tmp_path: Path) -> None:
    """Another name is refused with those that there are."""
    path = workbook(tmp_path, [["a"], ["1"]], title="案卡")
    assert len(read(path, sheet="案卡")) == 1
    with pytest.raises(NotFound, match="案卡"):
        read(path, sheet="案件")


def test_a_formula_or_a_rounded_number_is_not_read(tmp_path: Path) -> None:
    """Neither the text of a formula nor what it once gave is what somebody wrote down.

    An identity number kept as a number has lost digits: better no person than another one.
    """
    row = read(workbook(tmp_path, [["a", "b", "c", "d"], ["=1+1", 310101199003070012, "'=no", 123456789012345]]))[0]
    assert isinstance(row.cells["a"], Unusable)
    assert isinstance(row.cells["b"], Unusable)
    assert (row.cells["c"], row.cells["d"]) == ("'=no", 123456789012345)


HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'


def forged(folder: Path, rows: str, dimension: str = "") -> Path:
    """Write a workbook whose sheet has a heading, these rows, and says this of its size."""
    xml = sheet_xml(HEAD + rows).replace(b"<sheetData>", f"{dimension}<sheetData>".encode())
    return with_part(workbook(folder, []), SHEET, xml)


def test_what_a_sheet_says_wrongly_is_not_believed(tmp_path: Path) -> None:
    """#REF! is no value; a sheet of one row that claims all columns and rows is read as the one row it is; a gap of a
    billion rows is not walked through."""
    (row,) = read(forged(tmp_path, '<row r="2"><c r="A2" t="e"><v>#REF!</v></c></row>'))
    assert isinstance(row.cells["a"], Unusable)
    short = '<row r="2"><c r="A2"><v>1</v></c></row>'
    assert len(read(forged(tmp_path, short, '<dimension ref="A1:XFD1048576"/>'))) == 1
    beyond = '<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>'
    assert "rows" in refused(forged(tmp_path, beyond)).message


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 no archive", b"\xd0\xcf\x11\xe0" * 200], ids=["empty", "cut", "xls"]
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, data: bytes) -> None:
    """An older format, or half a file, with what to do."""
    assert "XLSX" in refused(csv_file(tmp_path, data, name="file.xlsx")).message


def test_a_zip_bomb_is_refused_by_what_it_says_it_unpacks_to(tmp_path: Path) -> None:
    """Shared strings of hundreds of megabytes in an archive of kilobytes are not unpacked."""
    bomb = with_part(
        workbook(tmp_path, [["a"]]), "xl/sharedStrings.xml", (b"<si><t>a</t></si>" * 65_536 for _ in range(80))
    )
    assert bomb.stat().st_size < 1_000_000
    assert "unpacks to" in refused(bomb).message


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ((b"<row>" + b"A" * 2_000_000, b"</row>"), "more than 1048576 bytes"),
        ((b"<row>", *[b"<c/>" * 250_000] * 20, b"</row>"), "a row of"),
        ((b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>", b"<row/>"), "document type"),
        ((b"<row><c><![CDATA[", b"<" * 100, b"]]></c></row>"), "CDATA"),
    ],
    ids=["a huge cell", "a million cells", "entities", "cdata"],
)
def test_xml_that_is_made_to_fill_the_memory_is_refused(
    tmp_path: Path, chunks: tuple[bytes, ...], message: str
) -> None:
    """Huge cells, endless rows, entities and CDATA are refused before anything parses them."""
    head, tail = sheet_xml("").split(b"<sheetData>")
    forgery = with_part(workbook(tmp_path, [["a"]]), SHEET, (head + b"<sheetData>", *chunks, b"</sheetData>" + tail))
    assert message in refused(forgery).message


def test_xml_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """In UTF-16 nothing that is looked for would be found."""
    forgery = with_part(workbook(tmp_path, [["a"]]), SHEET, sheet_xml("").decode().encode("utf-16"))
    assert "no XML in UTF-8" in refused(forgery).message


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['[{"a": "1"}, {"a": 2}]', '{"a": "1"}\n\n{"a": 2}\n', '\ufeff[{"a":"1"},{"a":2}]'])
def test_json_is_an_array_or_one_object_a_line(tmp_path: Path, text: str) -> None:
    """Both are read alike, with a byte order mark too, and numbers keep their digits."""
    rows = read(csv_file(tmp_path, text, name="file.json"))
    assert [row.cells["a"] for row in rows] == ["1", "2"]


def test_what_is_nested_has_its_path(tmp_path: Path) -> None:
    """Objects by key, lists by place. An element may end anywhere in what is read at a time."""
    (row,) = read(
        csv_file(tmp_path, '[{"人": [{"名": "张"}, {"名": null}], "数": 1.50, "x": {"y": true}}]', name="f.json")
    )
    assert dict(row.cells) == {"人.0.名": "张", "人.1.名": None, "数": "1.50", "x.y": True}
    text = "[" + ",".join(f'{{"a": "{"汉" * 10_000}", "n": {number}}}' for number in range(30)) + "]"
    rows = read(csv_file(tmp_path, text, name="file.json"))
    assert [row.cells["n"] for row in rows] == [str(number) for number in range(30)]


def test_a_bad_line_is_a_fault_of_its_own(tmp_path: Path) -> None:
    """The others are read: text that is no JSON, no object, a key twice, NaN, too deep, too many values."""
    many = "{" + ",".join(f'"k{number}": 1' for number in range(1001)) + "}"
    bad = [
        "{",
        "[1]",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": ' + "[" * 100_000,
        many,
        f'{{"a": "{"x" * (MAX_CELL + 1)}"}}',
    ]
    rows = read(csv_file(tmp_path, "\n".join(['{"a": 1}', *bad, '{"a": 2}']), name="file.jsonl"))
    assert [row.number for row in rows if row.fault] == list(range(2, 9))


@pytest.mark.parametrize(
    "text", ['[{"a": 1}', '[{"a": 1} {"a": 2}]', '[{"a": 1}, {"a": }]', '[{"a": "' + "x" * (MAX_RECORD + 70_000)]
)
def test_a_broken_array_is_refused_with_its_element(tmp_path: Path, text: str) -> None:
    """What comes after the break cannot be told from it."""
    assert refused(csv_file(tmp_path, text, name="file.json")).field == "FILE"


def test_bytes_of_another_encoding_in_an_array_are_refused(tmp_path: Path) -> None:
    """They are refused as in CSV, and read once their encoding is named."""
    assert "bytes" in refused(csv_file(tmp_path, '[{"a": "盗窃"}]', name="f.json", encoding="gb18030")).message
    (row,) = read(csv_file(tmp_path, '[{"a": "盗窃"}]', name="f.json", encoding="gb18030"), encoding="gb18030")
    assert row.cells["a"] == "盗窃"
