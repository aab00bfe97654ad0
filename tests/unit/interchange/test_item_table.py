"""Items as a table: what spreadsheets hold becomes rows, and every fault is at its cell."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.item import ItemRegistered
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import Labels, label_first_by
from ledger.interchange.imports.item_table import (
    MOST_ITEMS,
    ItemColumn,
    ItemTable,
    block_of,
    item_columns,
    item_fields,
    pasted_rows,
    table_of,
)
from ledger.procedures import books_that_ship, shipped_rulebook
from tests.unit.interchange.files import SHEET, sheet_xml, with_part

COIN = {"description": "a coin", "quantity": "2"}
OF_SEIZURE = ("seizure.document_number", "seizure.seized_at", "seizure.officers")
LIST = "序号,物品名称,数量（件）,特征,封条编号,备注\r\n1,手机,3部,黑色,F-1,甲\r\n2,刀具,1,,F-2,\r\n"


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return shipped_rulebook()


@pytest.fixture
def columns(book: Rulebook) -> tuple[ItemColumn, ...]:
    """Return the columns of a criminal case, in whose zone times are read, with a person of the case."""
    label_first_by(book)
    return item_columns(book, Labels("zh-CN"), {"person": {"5f" * 16: "张三"}})


def xlsx(rows: Sequence[Sequence[Any]], change: Callable[[Any], None] = lambda _: None) -> bytes:
    """Return a workbook of one sheet."""
    workbook = Workbook()
    sheet = workbook.active
    for row in rows:
        sheet.append(row)
    change(sheet)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def table(content: bytes, columns: tuple[ItemColumn, ...]) -> ItemTable:
    return table_of(content, columns)


def faults(columns: tuple[ItemColumn, ...], book: Rulebook, **cells: str) -> dict[str, str]:
    """Return what is wrong with a row, by its columns."""
    stated = {path.replace("__", "."): text for path, text in (COIN | cells).items()}
    return {fault.path: str(fault.reason) for fault in item_fields(stated, columns, book)[1]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LIST.encode(), id="utf-8"),
        pytest.param(b"\xef\xbb\xbf" + LIST.encode(), id="utf-8 with a byte order mark"),
        pytest.param(LIST.encode("gb18030"), id="gb18030"),
        pytest.param(LIST.replace(",", "\t").encode("utf-16"), id="utf-16 with tabs"),
        pytest.param(LIST.replace(",", ";").encode(), id="semicolons"),
        pytest.param(b"\xe6\x89\xa3\xe6\x8a\xbc\r\n\r\n" + LIST.encode(), id="title above"),
        pytest.param(xlsx([line.split(",") for line in LIST.splitlines()]), id="xlsx"),
        pytest.param(
            xlsx([["扣押清单"], [], *(line.split(",") for line in LIST.splitlines())]), id="xlsx with a title"
        ),
    ],
)
def test_a_list_is_read_as_agencies_save_it(content: bytes, columns: tuple[ItemColumn, ...], book: Rulebook) -> None:
    """In each encoding and format, by the headings of the trade; a column that is not read is named."""
    read = table(content, columns)
    phone, knife = (item_fields(row.cells, columns, book) for row in read.rows)
    assert read.ignored == ("备注",)
    assert phone == (
        {
            "description": "手机",
            "quantity": {"value": "3", "unit": "piece"},
            "features": "黑色",
            "seal_number": "F-1",
            "item_kind": "exhibit",
        },
        [],
    )
    assert (knife[0]["description"], knife[1]) == ("刀具", [])


def test_every_column_is_read(columns: tuple[ItemColumn, ...], book: Rulebook) -> None:
    """Words by their labels in either language, times in the zone of the procedure, money, lists and persons."""
    stated = {
        "item_kind": "电子数据",
        "description": "聊天记录\n两份",
        "quantity": "１,２00",
        "unit": "file",
        "digests": "5F" * 32 + " blake3:" + "00" * 32,
        "collection.collectors": "officer-7，officer-8",
        "collection.tool": "reader",
        "collection.method": "export",
        "seizure.document_number": "扣〔2026〕9号",
        "seizure.seized_at": "2026年3月1日 21时30分",
        "seizure.officers": "officer-7 officer-8",
        "seizure.witness": "张三",
        "fungible": "是",
    }
    fields, wrong = item_fields(stated, columns, book)
    assert wrong == []
    body = canonical.parse(canonical.encode({"item_id": "item-1"} | fields), decoder_of(ItemRegistered))
    assert (body.item_kind, str(body.quantity.value), body.quantity.unit) == ("electronic_data", "1200", "file")
    assert body.digests == ("sha256:" + "5f" * 32, "blake3:" + "00" * 32)
    assert body.collection is not None
    assert body.collection.collectors == ("officer-7", "officer-8")
    assert body.seizure is not None
    assert (body.seizure.seized_at, body.seizure.witness) == ("2026-03-01T13:30:00Z", "5f" * 16)
    assert body.fungible


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"description": ""}, {"description": "fill this in"}),
        ({"quantity": ""}, {"quantity": "fill this in"}),
        ({"quantity": "-1"}, {"quantity": "expected a number such as 3"}),
        ({"quantity": "3斗"}, {"quantity": "expected a number alone"}),
        ({"quantity": "3瓶", "unit": "gram"}, {"quantity": "expected a number alone"}),
        ({"item_kind": "物品"}, {"item_kind": "expected one of: 物证"}),
        ({"unit": "斗", "quantity": "x"}, {"unit": "expected one of", "quantity": "expected a number"}),
        ({"item_kind": "dossier"}, {"dossier.volumes": "the kind dossier needs it"}),
        ({"item_kind": "data_at_provider"}, {"account": "the kind data_at_provider needs it"}),
        ({"dossier__pages": "many"}, {"dossier.pages": "a number", "dossier.volumes": "fill this in"}),
        (
            {"seizure__place": "x"},
            dict.fromkeys(OF_SEIZURE, "belongs"),
        ),
        (
            {"seizure__seized_at": "2026-02-30"},
            {"seizure.seized_at": "no such day", "seizure.officers": "", "seizure.document_number": ""},
        ),
        ({"digests": "5f5f"}, {"digests": "expected digests"}),
        ({"digests": " ".join(f"{number:064x}" for number in range(9))}, {"digests": "at most 4 files"}),
        ({"fungible": "perhaps"}, {"fungible": "yes or no"}),
        ({"seal_number": "x" * 101}, {"seal_number": "at most 100"}),
        ({"description": "x" * 4001, "unit": "x"}, {"description": "at most 4000", "unit": "expected one of"}),
    ],
)
def test_each_fault_is_at_its_cell(
    cells: dict[str, str], expected: dict[str, str], columns: tuple[ItemColumn, ...], book: Rulebook
) -> None:
    """All faults of a row come at once, each with its column and what was expected."""
    wrong = faults(columns, book, **cells)
    assert wrong.keys() == expected.keys()
    assert all(words in wrong[path] for path, words in expected.items()), wrong


def merge(sheet: Any) -> None:
    sheet.merge_cells("B2:B3")


def compute(sheet: Any) -> None:
    sheet["B3"] = "=1+1"
    sheet["A2"] = "=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("change", "row", "path", "words"),
    [
        pytest.param(merge, 3, "quantity", "merged cells", id="merged cells"),
        pytest.param(compute, 3, "quantity", "a formula", id="formula"),
        pytest.param(compute, 2, "description", "a formula", id="formula of text"),
        pytest.param(lambda sheet: sheet.__setitem__("B2", 10**16), 2, "quantity", "15 digits", id="digits lost"),
        pytest.param(lambda sheet: sheet.__setitem__("A2", "a\u202eb"), 2, "description", "U+202E", id="hidden sign"),
        pytest.param(lambda sheet: sheet.__setitem__("A2", "#REF!"), 2, "description", "the error", id="error"),
    ],
)
def test_a_cell_that_is_no_text_is_a_fault(
    change: Callable[[Any], None], row: int, path: str, words: str, columns: tuple[ItemColumn, ...]
) -> None:
    """Of a workbook: it is told at its row and column, and the other cells are read."""
    read = table(xlsx([["名称", "数量"], ["a", 1], ["b", 2]], change), columns)
    (line,) = [line for line in read.rows if line.number == row]
    assert [(fault.path, words in str(fault.reason)) for fault in line.faults] == [(path, True)]
    assert path not in line.cells


def bomb(folder: Path) -> bytes:
    path = folder / "plain.xlsx"
    path.write_bytes(xlsx([["名称", "数量"]]))
    strings = (b"<si><t>a</t></si>" * 65_536 for _ in range(80))
    return with_part(path, "xl/sharedStrings.xml", strings).read_bytes()


def forged(folder: Path) -> bytes:
    path = folder / "plain.xlsx"
    path.write_bytes(xlsx([["名称", "数量"]]))
    return with_part(path, SHEET, b"<!DOCTYPE x>" + sheet_xml("")).read_bytes()


def refusals(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    many = [["名称", "数量"], *(["a", 1] for _ in range(MOST_ITEMS + 20))]
    yield "too many rows of a workbook", xlsx(many), "rows"
    yield "too many rows after the headings", xlsx(many[: MOST_ITEMS + 2]), "at most 1000 rows"
    yield "too many rows of a text", "\n".join("a,1" for _ in range(MOST_ITEMS + 20)).encode(), "rows"
    yield "no headings", b"a,b\n1,2\n", "headings"
    yield (
        "two columns of one meaning",
        "名称,物品名称,数量\na,b,1\n".encode(),
        "two columns say the same: 名称, 物品名称",
    )
    yield "old workbook", b"\xd0\xcf\x11\xe0" + bytes(600), "XLS"
    yield "no text", b"\x89PNG\r\n\x1a\n\xff\x00", "no text"
    yield "cut off", xlsx(many[:3])[:-40], "no XLSX"
    yield "quotation mark not closed", '名称,数量\n"a,1\n'.encode(), "no CSV"
    yield "huge cell", ("名称,数量\n" + "x" * 40_000 + ",1\n").encode(), "characters"
    yield "document type", forged(folder), "document type"
    yield "zip bomb", bomb(folder), "unpacks to"
    yield "repeated text", xlsx([["名称", "数量"], *(["x" * 30_000, 1] for _ in range(70))]), "2000000 characters"


def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, columns: tuple[ItemColumn, ...]) -> None:
    """Each with what is wrong, before anything of it is used."""
    for name, content, words in refusals(tmp_path):
        with pytest.raises(MalformedInput) as refused:
            table(content, columns)
        assert words in refused.value.message, name


def test_a_long_cell_takes_no_longer_than_its_length(columns: tuple[ItemColumn, ...], book: Rulebook) -> None:
    """Neither as a heading nor as a quantity with its unit."""
    begun = time.process_time()
    quantity = "1" + " " * 30_000 + "1"
    assert faults(columns, book, quantity=quantity).keys() == {"quantity"}
    assert block_of([["(" * 30_000, "名称", "数量"], ["x", "a", "1"]], columns, ()).rows[0].cells["quantity"] == "1"
    assert time.process_time() - begun < 5, "a pass for each character takes minutes"


def test_a_block_of_cells_goes_where_it_is_pasted(columns: tuple[ItemColumn, ...]) -> None:
    """Into the columns from there on, or by its own headings; a cell with several lines is one cell."""
    block = pasted_rows('手机\t3\n"刀,\n两把"\t2\n\n')
    read = block_of(block, columns, ("description", "quantity", "unit"))
    assert [dict(row.cells) for row in read.rows] == [
        {"description": "手机", "quantity": "3"},
        {"description": "刀,\n两把", "quantity": "2"},
    ]
    read = block_of(pasted_rows("序号\t数量\t名称\n1\t3\t手机"), columns, ("seal_number",))
    assert [dict(row.cells) for row in read.rows] == [{"description": "手机", "quantity": "3"}]
    assert block_of([], columns, ()).rows == ()
    with pytest.raises(MalformedInput, match="not 'nothing'"):
        block_of([["\x01"]], columns, ("description", "nothing"))


def test_columns_follow_the_procedure(book: Rulebook) -> None:
    """A kind's needs and fields are columns for that kind alone, and what the procedure has not is none."""
    columns = {column.path: column for column in item_columns(book, Labels("en"))}
    assert columns["dossier.volumes"].kinds == ("dossier",)
    assert columns["particulars.title_number"].kinds == ("real_estate",)
    assert columns["account"].kinds == ()
    assert "detainee" not in columns["item_kind"].options
    assert "seizure.witness" not in columns, "there is nobody to choose"
    evidence = {column.path: column for column in item_columns(books_that_ship()["evidence"], Labels("en"))}
    assert evidence["particulars.power_state"].options == {"running": "switched on", "off": "switched off"}
