"""Files to import, made by tests: CSV of any bytes, workbooks, archives that pretend to be workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from ledger.interchange.imports.source_file import FORMATS, Layout, SourceFile
from ledger.interchange.imports.tables import SourceRow

SHEET = "xl/worksheets/sheet1.xml"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def csv_file(folder: Path, text: str | bytes, *, name: str = "file.csv", encoding: str = "utf-8") -> Path:
    """Write a file of this text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def workbook(folder: Path, rows: Iterable[Sequence[Any]], *, name: str = "file.xlsx", title: str = "Sheet") -> Path:
    """Write a workbook of one sheet."""
    book = Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    path = folder / name
    book.save(path)
    return path


def with_part(path: Path, part: str, data: bytes | Iterable[bytes]) -> Path:
    """Copy the workbook at ``path`` with other bytes in a part, which are compressed as they come."""
    forged = path.with_name(f"forged-{path.name}")
    chunks = [data] if isinstance(data, bytes) else data
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            if info.filename != part:
                new.writestr(info, old.read(info))
        with new.open(part, "w", force_zip64=True) as stream:
            for chunk in chunks:
                stream.write(chunk)
    return forged


def sheet_xml(rows: str) -> bytes:
    """Return a worksheet of these row elements."""
    sheet = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData></worksheet>'
    return b'<?xml version="1.0" encoding="UTF-8"?>' + sheet.encode()


def read(path: Path, **layout: Any) -> list[SourceRow]:
    """All rows of a file."""
    with SourceFile(path, Layout(FORMATS[path.suffix], **layout)) as source:
        return list(source.table().rows())
