"""What an XLSX file must be before anything unpacks it: a small archive of plain XML.

Formats of spreadsheets need no document types, comments or CDATA, and no software writes a megabyte between two tags or
a row of many megabytes. What has them is made to fill the memory of whoever opens it.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from ledger.interchange.imports.rows import refuse_file

MAX_PARTS = 5000
MAX_UNPACKED = 2 * 1024**3  # bytes of all parts
MAX_KEPT = 64 * 1024**2  # bytes of a part that is held in memory: all but sheets
MAX_BETWEEN_TAGS = 1024**2  # bytes
MAX_ROW = 16 * 1024**2  # bytes
CHUNK = 256 * 1024  # bytes
SHEETS = "xl/worksheets/"
_UNREADABLE = (BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError)  # by zipfile
SAVE_AS_CSV = "Save the sheet as CSV (UTF-8) and import that."


def require_sane(file: BinaryIO) -> None:
    """Raises MalformedInput for an archive that would be too large unpacked, or holds XML that is not plain."""
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
            _require_small(parts)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _require_plain(archive, part)
    except _UNREADABLE as error:
        refuse_file(f"this is no XLSX file: {error}", hint="Older .xls files are saved as .xlsx first.")


def _require_small(parts: list[ZipInfo]) -> None:
    if len(parts) > MAX_PARTS:
        refuse_file(f"the archive has {len(parts)} parts, expected at most {MAX_PARTS}")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MAX_UNPACKED:
        refuse_file(f"the archive unpacks to {unpacked} bytes, expected at most {MAX_UNPACKED}", hint=SAVE_AS_CSV)
    for part in parts:
        if part.file_size > MAX_KEPT and not part.filename.startswith(SHEETS):
            refuse_file(
                f"{part.filename!r} unpacks to {part.file_size} bytes, expected at most {MAX_KEPT}", hint=SAVE_AS_CSV
            )


def _require_plain(archive: ZipFile, part: ZipInfo) -> None:
    """Reads the part in chunks; what a tag or a row may reach across chunks is carried over."""
    since_tag = since_row = 0
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(CHUNK):
            if not tail:
                _require_utf8(chunk, part.filename)
            if b"<!" in tail[-1:] + chunk:
                refuse_file(f"{part.filename!r} holds a document type, a comment or CDATA")
            since_tag = _distance(tail[-1:] + chunk, b"<", since_tag + len(chunk))
            since_row = _distance(tail + chunk, b"row>", since_row + len(chunk))
            if since_tag > MAX_BETWEEN_TAGS:
                refuse_file(f"a cell of {part.filename!r} has more than {MAX_BETWEEN_TAGS} bytes")
            if since_row > MAX_ROW and part.filename.startswith(SHEETS):
                refuse_file(f"a row of {part.filename!r} has more than {MAX_ROW} bytes")
            tail = chunk[-8:]


def _distance(window: bytes, mark: bytes, without: int) -> int:
    """Bytes since the last mark in the window; ``without`` where there is none."""
    found = window.rfind(mark)
    return without if found < 0 else len(window) - found


def _require_utf8(head: bytes, name: str) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    declaration = text[: text.find(b"?>") + 1].lower() if text.startswith(b"<?xml") else b""
    if not text.startswith(b"<") or (b"encoding" in declaration and b"utf-8" not in declaration):
        refuse_file(f"{name!r} is no XML in UTF-8")
