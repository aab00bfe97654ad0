"""Items as a table: a row for each item, a column for each field of its registration, as spreadsheets have them.

``item_columns`` gives the columns that a procedure has, ``table_of`` finds them in a file, and ``item_fields`` makes of
a row the fields of an event. A fault names its column, and all come at once. Whoever made a file decides what it costs
to read it, so a service does that in a process with limits.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct, structs

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events.fields import Field, FieldKind, field_of, fields_of
from ledger.core.events.item import ItemRegistered
from ledger.core.messages import Message, Term
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import LANGUAGES, Labels
from ledger.i18n.amounts import usual_currency, usual_unit
from ledger.interchange.imports import values
from ledger.interchange.imports.tables import BOM, IN_PARTS, MAX_CELL, Cell, Unusable, refuse_file
from ledger.interchange.imports.values import DateStyle, Misread
from ledger.timeline.sentences import LABEL_IN

MOST_ITEMS = 1000  # of one table
MOST_COLUMNS = 100
MOST_TEXT = 2_000_000  # characters of a workbook, which compresses what it repeats
HEADINGS_WITHIN = 10  # rows: lists have a title above their headings
FEW = 12  # choices that a fault names
LEAST_HEADINGS = 2  # what is recognised of a row of headings, at least
KIND, QUANTITY, UNIT, DIGESTS, FILES = "item_kind", "quantity", "unit", "digests", "files"
USUAL = (KIND, "description", QUANTITY, UNIT, "exhibit_number", "seal_number")
# Fields that a table has no column for: what is made up, and what has an act or a form of its own.
_WITHOUT = ("item_id", "parent_items", "person_id", "collection.recording")
# Further headings that lists of things have, by the column; signs and blanks do not matter.
_HEADINGS = {
    KIND: ("kind", "type", "category", "类别", "物品种类", "证据种类", "类型"),
    "description": ("name", "item", "article", "名称", "物品名称", "物证名称", "证据名称", "财物名称", "品名"),
    QUANTITY: ("qty", "number of pieces", "件数", "份数"),
    UNIT: ("计量单位", "数量单位"),
    "exhibit_number": ("exhibit", "exhibit number", "item number", "编号", "物品编号", "证据编号", "证物编号"),
    "seal_number": ("seal", "seal no", "bag number", "封条编号", "封签号", "封存编号", "物证袋编号"),
    "features": ("规格", "型号", "规格型号", "特征描述", "物品特征"),
    "condition": ("state", "物品状况", "外观", "外观状况"),
    "storage_location": ("kept at", "location", "存放位置", "保管地点", "保管位置"),
    "obtained_from": ("origin", "物品来源", "提取来源"),
    "account": ("账号", "钱包地址", "户名账号"),
    "money": ("amount", "value", "价值", "金额元"),
    "seizure.document_number": ("扣押清单编号", "扣押决定书文号", "清单编号"),
    "seizure.seized_at": ("扣押日期", "seized at", "seized on"),
    "seizure.place": ("扣押地点", "seized where"),
    "seizure.officers": ("扣押人", "扣押人员", "seized by"),
    "dossier.volumes": ("册数",),
    "dossier.pages": ("页码数", "总页数"),
    DIGESTS: ("sha256", "校验值", "哈希值", "摘要"),
    FILES: ("file", "photo", "photos", "photographs", "照片", "照片文件", "文件", "文件名", "照片文件名"),
}
_COUNTS_ROWS = ("序号", "序", "no", "number", "#", "row")  # a column that nobody misses
_OF_PIECES = "个部台把只支枚块根条"  # what Chinese counts single things by; the ledger has one unit for them
_DIGEST = re.compile(r"(?:blake3|sha256|sm3):[0-9a-f]{64}")
_BARE_SHA256 = re.compile(r"[0-9a-f]{64}")
_WITH_UNIT = re.compile(r"(?P<number>[0-9０-９.,，．]+)\s*(?P<unit>\D+)")
_SEPARATORS = re.compile(r"[\s,，、;；]+")
_SIGNS = re.compile(r"[\s_:：.。·*＊/\-]+")
_IN_BRACKETS = re.compile(r"[(\[（【〔].*?[)\]）】〕]")
_WRITTEN: tuple[DateStyle, ...] = ("written",)
_LONGEST_WORD = 100  # characters of a heading, or of a quantity with its unit
_YES = {"yes": "yes", "true": "yes", "是": "yes", "1": "yes", "no": "no", "false": "no", "否": "no", "0": "no"}
NEEDED = Message("fill this in")


class ItemColumn(Struct, frozen=True):
    """A column. ``path`` is a field of the registration, of a part with a dot; ``files`` has names of files alone.

    ``options`` are the values that it may have, each with its words in the reader's language. Only items of ``kinds``
    state it, or any if there are none named.
    """

    path: str
    label: str
    kind: FieldKind
    is_list: bool = False
    options: Mapping[str, str] = {}
    kinds: tuple[str, ...] = ()
    headings: frozenset[str] = frozenset()
    spellings: Mapping[str, str] = {}

    def word(self, text: str) -> str | None:
        """Return which of the options a text is, by itself or by its words in any language; None if it is none."""
        return text if text in self.options else self.spellings.get(_folded(text))

    @property
    def is_usual(self) -> bool:
        """Tell whether the column is shown before anything is stated in it."""
        return self.path in USUAL


class CellFault(Struct, frozen=True):
    """What is wrong in one column of a row, and by that what to do."""

    path: str
    reason: Message


class TableRow(Struct, frozen=True):
    """A row of a table: ``number`` as a spreadsheet counts it, texts by column, and cells that are no text."""

    number: int
    cells: Mapping[str, str]
    faults: tuple[CellFault, ...] = ()


class ItemTable(Struct, frozen=True):
    """The rows of a sheet, and the headings of it that are no column here."""

    rows: tuple[TableRow, ...]
    ignored: tuple[str, ...] = ()


# -- columns -----------------------------------------------------------------------------------------------------------


def item_columns(
    book: Rulebook, labels: Labels, things: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[ItemColumn, ...]:
    """Return the columns of a procedure, the usual ones first; ``things`` are persons and items by id, with words."""
    columns = [*_columns_of_fields(book, labels, things or {}), *_columns_of_particulars(book, labels)]
    files = ItemColumn(FILES, labels.translate(Message("Names of files")), "line", is_list=True)
    order = {path: place for place, path in enumerate(USUAL)}
    in_order = sorted((*columns, files), key=lambda column: order.get(column.path, len(order)))
    return tuple(structs.replace(column, headings=_headings(column)) for column in in_order)


def _columns_of_fields(book: Rulebook, labels: Labels, things: Mapping[str, Mapping[str, str]]) -> Iterator[ItemColumn]:
    for path, field, label in _leaves(labels):
        part = path.partition(".")[0]
        kinds = tuple(kind for kind, row in book.items.items() if part in row.needs)
        # Only a dossier has volumes, and only data is collected; an account or files any item may have.
        of_kinds = kinds if path != part or path in ("dossier", "collection") else ()
        if path == QUANTITY:
            yield ItemColumn(path, label, "quantity")
            yield _chosen(UNIT, labels.of("field", UNIT), "quantity_unit", tuple(book.units) or ("piece",), labels)
        elif field.type.kind == "word":
            words = (word for word, row in book.items.items() if not row.is_person)
            yield _chosen(path, label, field.type.vocabulary or "", words, labels)
        elif field.type.kind == "money":
            if usual_currency() is not None:
                yield ItemColumn(path, label, "money")
        elif field.type.names in ("person", "item"):
            options = things.get(field.type.names, {})
            if options:
                spellings = {_folded(text): value for value, text in options.items()}
                yield ItemColumn(path, label, "id", False, options, of_kinds, spellings=spellings)
        else:
            yield ItemColumn(path, label, field.type.kind, field.is_list, kinds=of_kinds)


def _leaves(labels: Labels) -> Iterator[tuple[str, Field, str]]:
    """Yield the fields of a registration and of its parts, each with its path and label."""

    def label(name: str) -> str:
        return labels.of("field", LABEL_IN.get(("item.registered", name), name))

    for field in fields_of(ItemRegistered):
        if field.name in _WITHOUT or field.type.kind == "texts":
            continue
        if field.type.kind != "part":
            yield field.name, field, label(field.name)
            continue
        assert field.type.part is not None, "its kind says so"
        for inner in fields_of(field.type.part):
            if (path := f"{field.name}.{inner.name}") not in _WITHOUT:
                yield path, inner, f"{label(field.name)} · {label(inner.name)}"


def _columns_of_particulars(book: Rulebook, labels: Labels) -> Iterator[ItemColumn]:
    """Yield what the procedure lets kinds of items state; what is confidential stands in no table."""
    kinds_of: dict[str, list[str]] = {}
    for kind, row in book.items.items():
        for name in row.fields if not row.is_person else ():
            if not book.fields[name].confidential:
                kinds_of.setdefault(name, []).append(kind)
    for name, kinds in kinds_of.items():
        rule = book.fields[name]
        path, label, of = f"particulars.{name}", labels.of("particular", name), tuple(kinds)
        words = tuple(rule.choices) if rule.type == "choice" else ("yes", "no") if rule.type == "yes_no" else ()
        options = {word: labels.of_particular(name, word) for word in words}
        labelled = ((word, Labels(language).of_particular(name, word)) for language in LANGUAGES for word in words)
        spellings = {_folded(text): word for word, text in labelled} | {_folded(word): word for word in words}
        field_kind: FieldKind = "day" if rule.type == "date" else "choice" if words else "line"
        yield ItemColumn(path, label, field_kind, False, options, of, spellings=spellings)


def _chosen(path: str, label: str, vocabulary: str, words: Iterable[str], labels: Labels) -> ItemColumn:
    """Return a column of words of a vocabulary, which are read in any language."""
    options = {word: labels.of(vocabulary, word) for word in words}
    labelled = [(word, Labels(language).of(vocabulary, word)) for language in LANGUAGES for word in options]
    pieces = dict.fromkeys(_OF_PIECES, "piece") if path == UNIT and "piece" in options else {}
    # Of two words that are called the same the first is meant.
    spellings = (
        pieces | {_folded(text): word for word, text in reversed(labelled)} | {_folded(word): word for word in options}
    )
    return ItemColumn(path, label, "word", False, options, spellings=spellings)


def _headings(column: ItemColumn) -> frozenset[str]:
    """Return the headings of a column, folded: its labels in each language, its path, and what lists call it."""
    texts = [column.label, column.path, *_HEADINGS.get(column.path, ())]
    for language in LANGUAGES:
        labels = Labels(language)
        if column.path.startswith("particulars."):
            texts.append(labels.of("particular", column.path.removeprefix("particulars.")))
        elif column.path == UNIT:
            texts.append(labels.of("field", UNIT))
        elif column.path == FILES:
            texts.append(labels.translate(Message("Names of files")))
        else:
            texts += (label for path, _, label in _leaves(labels) if path == column.path)
    return frozenset(map(_folded, texts))


def _folded(text: str) -> str:
    """Return a text as headings and words are compared: without signs, blanks, case and width."""
    return _SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold())


# -- files -------------------------------------------------------------------------------------------------------------


def _sheets(content: bytes) -> list[list[list[Cell]]]:
    """Return the sheets of an XLSX file, or the only one of a CSV or TSV file, as rows of cells.

    A text is in UTF-8, in UTF-16 with a byte order mark, or in GB18030.
    """
    if content.startswith(b"PK\x03\x04"):
        from ledger.interchange.imports.workbooks import small_sheets

        limits = {"most_rows": MOST_ITEMS + HEADINGS_WITHIN, "most_columns": MOST_COLUMNS}
        sheets = list(small_sheets(io.BytesIO(content), **limits))
        if sum(len(cell) for rows in sheets for row in rows for cell in row if isinstance(cell, str)) > MOST_TEXT:
            refuse_file("the sheets have more than {limit} characters", limit=MOST_TEXT, hint=IN_PARTS)
        return sheets
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        refuse_file("this is an old XLS file", hint="Save it as XLSX, and open that.")
    return [_text_rows(_decoded(content))]


def pasted_rows(text: str) -> list[list[Cell]]:
    """Return a block of cells as spreadsheets put it on the clipboard: tabs between cells. Raises MalformedInput."""
    return _text_rows(text, "\t")


def _decoded(content: bytes) -> str:
    has_mark = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = None
    for codec in ("utf-16",) if has_mark else ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            text = content.removeprefix(BOM).decode(codec)
            break
    if text is None or "\0" in text:
        refuse_file("this is no XLSX, and no text", hint="Save the table as XLSX or as CSV (UTF-8), and open that.")
    return text


def _text_rows(text: str, delimiter: str | None = None) -> list[list[Cell]]:
    beginning = "".join(text.splitlines(keepends=True)[:HEADINGS_WITHIN])
    delimiter = delimiter or max("\t;,", key=beginning.count)
    rows: list[list[Cell]] = []
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, 1):
            if number > MOST_ITEMS + HEADINGS_WITHIN:
                refuse_file("expected at most {limit} rows", limit=MOST_ITEMS, hint=IN_PARTS)
            if max(map(len, cells), default=0) > MAX_CELL:
                refuse_file("a cell has more than {limit} characters", limit=MAX_CELL, number=number)
            rows.append([cell or None for cell in cells[:MOST_COLUMNS]])
    except csv.Error as error:
        refuse_file(
            "this is no CSV: {error}",
            error=error,
            number=len(rows) + 1,
            hint="Look for a quotation mark that is not closed; within a cell it is written twice.",
        )
    return rows


def table_of(content: bytes, columns: Sequence[ItemColumn]) -> ItemTable:
    """Return the table in the first sheet of a file that has headings.

    Raises MalformedInput if none has, for a file of another kind, one that is made to harm, and one of more than
    ``MOST_ITEMS`` rows.
    """
    for rows in _sheets(content):
        for place, row in enumerate(rows[:HEADINGS_WITHIN]):
            texts = [_text(cell) for cell in row]
            headings = _recognised(texts, columns)
            if len([path for path in headings if path]) >= LEAST_HEADINGS:
                return _table(rows, place + 1, headings, texts)
    usual = ", ".join(column.label for column in columns if column.is_usual)
    raise MalformedInput(
        "the file has no row of headings such as {headings}", headings=usual, field="FILE", hint=_TEMPLATE
    )


_TEMPLATE = Message("Take the template, which has them, and copy your rows below them.")


def block_of(rows: list[list[Cell]], columns: Sequence[ItemColumn], start_columns: Sequence[str]) -> ItemTable:
    """Return a block of cells that begins in the first of the ``start_columns``, or that has a row of headings itself.

    Raises MalformedInput for a column that there is not, and as a file's rows do.
    """
    unknown = sorted(set(start_columns) - {column.path for column in columns})
    if unknown:
        raise MalformedInput("expected columns of the table, not {name!r}", name=unknown[0], field="at")
    first = [_text(cell) for cell in rows[0]] if rows else []
    headings = _recognised(first, columns)
    has_headings = len([path for path in headings if path]) >= LEAST_HEADINGS
    return _table(rows, 1, headings, first) if has_headings else _table(rows, 0, start_columns, [])


def _recognised(texts: Sequence[str], columns: Sequence[ItemColumn]) -> list[str | None]:
    """Return the columns that the texts are headings of."""
    by_heading = {heading: column.path for column in reversed(columns) for heading in column.headings}
    texts = [text if len(text) <= _LONGEST_WORD else "" for text in texts]
    return [
        by_heading.get(_folded(text)) or by_heading.get(_folded(_IN_BRACKETS.sub("", text))) if text else None
        for text in texts
    ]


def _text(cell: Cell) -> str:
    try:
        return values.text(cell) or ""
    except Misread:
        return ""


def _table(rows: list[list[Cell]], first: int, headings: Sequence[str | None], texts: Sequence[str]) -> ItemTable:
    """Return the rows from ``first`` on. Raises MalformedInput for a column that is there twice, or too many rows."""
    twice = [path for path, times in Counter(filter(None, headings)).items() if times > 1]
    if twice:
        which = ", ".join(text for text, path in zip(texts, headings, strict=False) if path == twice[0]) or twice[0]
        raise MalformedInput("two columns say the same: {columns}", columns=which, field="FILE")
    table = [
        row
        for number, cells in enumerate(rows[first:], first + 1)
        if (row := _table_row(number, cells, headings)).cells or row.faults
    ]
    if len(table) > MOST_ITEMS:
        refuse_file("expected at most {limit} rows", limit=MOST_ITEMS, hint=IN_PARTS)
    unknown = (text for text, path in zip(texts, headings, strict=False) if text and path is None)
    ignored = (text for text in unknown if _folded(text) not in _COUNTS_ROWS)
    return ItemTable(tuple(table), tuple(dict.fromkeys(ignored)))


def _table_row(number: int, cells: Sequence[Cell], headings: Sequence[str | None]) -> TableRow:
    texts: dict[str, str] = {}
    faults: list[CellFault] = []
    for path, cell in zip(headings, cells, strict=False):
        if path is None:
            continue
        if isinstance(cell, Unusable):
            faults.append(CellFault(path, cell.reason))
            continue
        try:
            text = values.text(cell)
        except Misread as error:
            faults.append(CellFault(path, error.text))
        else:
            if text is not None:
                texts[path] = text
    return TableRow(number, texts, tuple(faults))


# -- rows --------------------------------------------------------------------------------------------------------------


def normalized_cells(cells: Mapping[str, str], columns: Sequence[ItemColumn]) -> dict[str, str]:
    """Return the texts of a row as a form has them: choices by their words, a unit such as of 3瓶 in its own column.

    A row without a kind is of the procedure's first one; a quantity without a unit is in its usual one. What is none
    of the choices stays as it is.
    """
    by_path = {column.path: column for column in columns}
    stated = {path: text for path, text in cells.items() if text and path in by_path}
    for path, text in stated.items():
        if by_path[path].options:
            stated[path] = by_path[path].word(text) or text
    quantity = stated.get(QUANTITY, "")
    match = _WITH_UNIT.fullmatch(quantity) if len(quantity) <= _LONGEST_WORD else None
    unit = by_path[UNIT].word(match["unit"]) if match else None
    if match is not None and unit is not None and stated.get(UNIT, unit) == unit:
        stated |= {QUANTITY: match["number"], UNIT: unit}
    stated.setdefault(KIND, next(iter(by_path[KIND].options)))
    stated.setdefault(UNIT, usual_unit())
    return stated


def item_fields(
    cells: Mapping[str, str], columns: Sequence[ItemColumn], book: Rulebook
) -> tuple[dict[str, Any], list[CellFault]]:
    """Return the fields of the registration that a row states, without an id, and every fault of its cells."""
    by_path = {column.path: column for column in columns}
    faults: list[CellFault] = []
    fields: dict[str, Any] = {}
    for path, text in normalized_cells(cells, columns).items():
        if path == FILES:
            continue
        try:
            value = _value(by_path[path], text)
        except Misread as error:
            faults.append(CellFault(path, error.text))
        else:
            _put(fields, path, value)
    if QUANTITY in fields or UNIT in fields:
        fields[QUANTITY] = {"value": fields.get(QUANTITY), "unit": fields.pop(UNIT, None)}
    faulty = {fault.path for fault in faults}
    faults += (fault for fault in _lacks(fields, faulty, book) if fault.path not in faulty)
    faults += (fault for fault in _of_wrong_type(fields) if fault.path not in {each.path for each in faults})
    order = list(by_path)
    return fields, sorted(faults, key=lambda fault: order.index(fault.path))


def _put(fields: dict[str, Any], path: str, value: Any) -> None:
    part, dot, name = path.partition(".")
    if dot:
        fields.setdefault(part, {})[name] = value
    else:
        fields[part] = value


def _value(column: ItemColumn, text: str) -> Any:
    """Return what a cell states. Raises Misread."""
    if column.options:
        value = column.word(text)
        if value is None:
            words = list(column.options.values())
            more = ["…"] if len(words) > FEW else []
            raise Misread("expected one of: {words}", words=", ".join([*words[:FEW], *more]))
        return value
    if column.kind == "digest":
        return _digests(text)
    if column.is_list:
        return [part for part in _SEPARATORS.split(text) if part]
    match column.kind:
        case "quantity":
            return _number(text)
        case "whole":
            return values.count(text)
        case "moment":
            return values.instant(text, _WRITTEN)
        case "day":
            return values.day(text, _WRITTEN)
        case "money":
            currency = usual_currency() or ""
            return {"amount": values.amount(text, "main", currency), "currency": currency}
        case "yes_no":
            answer = _YES.get(_folded(text))
            if answer is None:
                raise Misread("expected yes or no")
            return answer == "yes"
        case "text":
            return values.text(text)
    return values.line(text)


def _number(text: str) -> str | None:
    if len(text) <= _LONGEST_WORD and _WITH_UNIT.fullmatch(text):
        raise Misread("expected a number alone: the unit has a column of its own")
    return values.decimal(text)


def _digests(text: str) -> list[str]:
    """Return the digests of a cell. One without an algorithm is SHA-256, as most tools print it."""
    digests = []
    for part in _SEPARATORS.split(text.strip().lower()):
        digest = f"sha256:{part}" if _BARE_SHA256.fullmatch(part) else part
        if not _DIGEST.fullmatch(digest):
            raise Misread("expected digests such as sha256:5f…, each of 64 digits, with a blank between")
        digests.append(digest)
    return list(dict.fromkeys(digests))


def _lacks(fields: Mapping[str, Any], faulty: set[str], book: Rulebook) -> Iterator[CellFault]:
    """Yield what is required and not stated: of any item, of its kind, and of a part that something is stated of."""
    for path in ("description", QUANTITY):
        value = fields.get(path)
        if value is None or (path == QUANTITY and value["value"] is None):
            yield CellFault(path, NEEDED)
    kind = fields.get(KIND)
    needs = book.items[kind].needs if isinstance(kind, str) and kind in book.items else ()
    for field in fields_of(ItemRegistered):
        part = field.type.part if field.type.kind == "part" else None
        is_begun = field.name in fields or any(path.startswith(f"{field.name}.") for path in faulty)
        if part is None:
            if field.name in needs and field.name not in fields:
                yield CellFault(field.name, Message("fill this in: the kind {kind} needs it", kind=_kind(kind)))
        elif field.name in needs or is_begun:
            reason = (
                Message("fill this in: the kind {kind} needs it", kind=_kind(kind))
                if field.name in needs
                else Message("fill this in: it belongs to what else is stated of it")
            )
            own = fields.get(field.name, {})
            for inner in fields_of(part):
                if inner.is_required and inner.name not in own:
                    yield CellFault(f"{field.name}.{inner.name}", reason)


def _kind(kind: str | None) -> Message:
    return Term("item_kind", kind or "")


def _of_wrong_type(fields: Mapping[str, Any]) -> Iterator[CellFault]:
    """Yield what the type of an event does not take, such as a text that is too long, each column by itself."""
    for path, struct, name, value in _by_column(fields):
        if (reason := _refusal(struct, name, value)) is not None:
            yield CellFault(path, reason)


def _by_column(fields: Mapping[str, Any]) -> Iterator[tuple[str, type[Struct], str, Any]]:
    """Yield the path of each column that is stated, with the type, the field and the value of what it states."""
    for name, value in fields.items():
        field = field_of(ItemRegistered, name)
        assert field is not None, "columns are made of its fields"
        if field.type.part is not None and field.type.kind == "part":
            for inner, inner_value in value.items():
                yield f"{name}.{inner}", field.type.part, inner, inner_value
        elif field.type.kind == "texts":
            for inner, inner_value in value.items():
                yield f"{name}.{inner}", ItemRegistered, name, {inner: inner_value}
        elif name != QUANTITY or None not in value.values():
            yield name, ItemRegistered, name, value


def _refusal(struct: type[Struct], name: str, value: Any) -> Message | None:
    """Return why a field of an event does not take a value."""
    field = field_of(struct, name)
    assert field is not None, "columns are made of its fields"
    if isinstance(value, str) and field.type.longest is not None and len(value) > field.type.longest:
        return Message("expected at most {limit} characters", limit=field.type.longest)
    if isinstance(value, list) and field.most is not None and len(value) > field.most:
        if field.type.kind == "digest":  # a file has two
            return Message("expected at most {limit} files", limit=field.most // 2)
        return Message("expected at most {limit}, not {count}", limit=field.most, count=len(value))
    (kind,) = (each.type for each in structs.fields(struct) if each.name == name)
    try:
        canonical.parse(canonical.encode(value), decoder_of(kind))
    except TallystickError as error:
        return error.text if isinstance(error.text, Message) else Message(error.message)
    return None
