"""Typesetting of a sheet as PDF/A-3b by typst, with its QR code. Texts go in as data, never as typst source.

The same sheet gives the same bytes, by the same version of typst with the same fonts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.messages import Message, joined
from ledger.i18n.bidi import isolated
from ledger.interchange.papers.sheet import Sheet

if TYPE_CHECKING:
    import typst

TEMPLATES: Final = Path(__file__).parent / "templates"
FAMILIES: Final = ("Noto Serif CJK SC", "Noto Sans CJK SC")
MEND: Final = "apt-get install fonts-noto-cjk"
_NO_GLYPH = re.compile(r'the text `"((?:[^"\\]|\\.)+)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
# What would reverse, hide or break a line of ours: shown as code points. What marks scripts as such stays.
_STEERING = {
    *(code for code in range(0x20) if code != 0x0A),
    *range(0x7F, 0xA0),
    0x061C,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
}
_CODE_POINTS = {code: f"[U+{code:04X}]" for code in _STEERING}


def make_ready() -> list[str]:
    """Look for the fonts of this machine, and return the files that they are in."""
    return [font.path for font in _fonts().fonts() if font.path is not None]


def typeset(sheet: Sheet, attached: str = "") -> bytes:
    """Return the PDF; ``attached`` is the text of the sheet's attachment.

    Raises Unavailable if this machine lacks the Chinese fonts, and MalformedInput for a link that no QR code holds.
    """
    require_fonts()
    at = datetime.fromtimestamp(sheet.date, UTC)
    date = {name: getattr(at, name) for name in ("year", "month", "day", "hour", "minute", "second")}
    data = msgspec.to_builtins(sheet) | {"date": date}
    inputs = {"attached": attached, "qr": sheet.link and qr_code(sheet.link, field="verify_url")}
    return _set(sheet.layout, data, inputs, pdf_standards=["a-3b"])


def missing_fonts(fonts: typst.Fonts | None = None) -> list[str]:
    """Return the families that paper is set in, as far as they are not among ``fonts``, or those of this machine."""
    families = set((fonts or _fonts()).families())
    return [family for family in FAMILIES if family not in families]


def require_fonts(fonts: typst.Fonts | None = None) -> None:
    """Raise Unavailable if fonts are missing, naming the command that installs them."""
    missing = missing_fonts(fonts)
    if missing:
        message = Message("paper is set in {fonts}, not installed here", fonts=joined(missing, by=" and "))
        raise Unavailable(message, code="no_font", hint=Message("On the machine of the service: {mend}", mend=MEND))


def legible(text: str) -> str:
    """Return the text with what would steer a line as code points, line ends as LF and tabs as blanks."""
    return text.replace("\r\n", "\n").replace("\t", " ").translate(_CODE_POINTS)


def typeset_data(layout: str, data: dict[str, Any]) -> bytes:
    """Return the PDF that a template makes of other data than a sheet. Raises Unavailable as ``typeset`` does."""
    require_fonts()
    return _set(layout, data, {})


def qr_code(text: str, *, field: str) -> str:
    """Return the QR code of a text as SVG. Raises MalformedInput, naming the field, if it is too long for one."""
    import segno

    code = io.BytesIO()
    try:
        segno.make(text, error="m", micro=False).save(code, kind="svg", border=0, xmldecl=False)
    except segno.DataOverflowError as error:
        raise MalformedInput("no QR code holds {count} characters", count=len(text), field=field) from error
    return code.getvalue().decode()


def _set(layout: str, data: Any, inputs: dict[str, str], **options: Any) -> bytes:
    """Return the PDF, in which characters that no font has are code points."""
    import typst

    template = str(TEMPLATES / f"{layout}.typ")
    data = _map_texts(data, lambda text: isolated(legible(text)))
    while True:  # each round has fewer characters that no font has
        with_data = inputs | {"sheet": msgspec.json.encode(data).decode()}
        try:
            pdf: bytes = typst.compile(
                template, root=str(TEMPLATES), font_paths=_fonts(), sys_inputs=with_data, format="pdf", **options
            )
        except typst.TypstError as error:
            data = _spell_missing(data, error)
        else:
            return pdf


@cache
def _fonts() -> typst.Fonts:
    import typst

    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


def _spell_missing(data: Any, error: typst.TypstError) -> Any:
    """Return the data with code points for the characters that, typst says, no font has.

    Raises the error again if that is not what it says.
    """
    texts = (_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) for text in _NO_GLYPH.findall(error.diagnostic))
    code_points = str.maketrans({character: f"[U+{ord(character):04X}]" for text in texts for character in text})
    spelled = _map_texts(data, lambda text: text.translate(code_points))
    if spelled == data:
        raise error
    return spelled


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(inner, change) for inner in value]
    return value
