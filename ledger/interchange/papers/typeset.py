"""Setting a sheet as PDF/A-3b by typst, with its QR code. Texts go in as data, never as typst source.

The same sheet gives the same bytes, by the same version of typst with the same fonts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import segno
import typst

from ledger.core.errors import MalformedInput, Unavailable
from ledger.interchange.papers.sheet import Sheet

TEMPLATES: Final = Path(__file__).parent / "templates"
FAMILIES: Final = ("Noto Serif CJK SC", "Noto Sans CJK SC")
MEND: Final = "scripts/setup --browser, or apt-get install fonts-noto-cjk"
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
_SHOWN = {code: f"[U+{code:04X}]" for code in _STEERING}


def typeset(sheet: Sheet, attached: str = "") -> bytes:
    """The PDF; ``attached`` is the text of the sheet's attachment.

    Raises Unavailable where this machine lacks the Chinese fonts, and MalformedInput for a link that no QR code holds.
    """
    return _set(sheet, attached)[0]


def pictures(sheet: Sheet, *, dots_per_inch: float = 144) -> list[bytes]:
    """The pages of the same as PNG, to be looked at."""
    _, inputs = _set(sheet, "")
    made = _compile(sheet, inputs, format="png", ppi=dots_per_inch)
    return made if isinstance(made, list) else [made]


def missing_fonts(fonts: typst.Fonts | None = None) -> list[str]:
    """The families that paper is set in, as far as they are not among ``fonts``, those of this machine."""
    found = set((fonts or _fonts()).families())
    return [family for family in FAMILIES if family not in found]


def require_fonts(fonts: typst.Fonts | None = None) -> None:
    """Raises Unavailable, naming the command that mends it."""
    missing = missing_fonts(fonts)
    if missing:
        told = f"paper is set in {' and '.join(missing)}, not installed here"
        raise Unavailable(told, code="no_font", hint=f"On the machine of the service: {MEND}")


def legible(text: str) -> str:
    """The text with what would steer a line spelled out; a line ends as everywhere, a tab is a blank."""
    return text.replace("\r\n", "\n").replace("\t", " ").translate(_SHOWN)


def _set(sheet: Sheet, attached: str) -> tuple[bytes, dict[str, str]]:
    """The PDF, and the inputs that it was set from: what no font has is spelled out in them."""
    require_fonts()
    data = _mapped(msgspec.to_builtins(sheet) | {"date": _calendar(sheet.date)}, legible)
    given = {"attached": attached, "qr": _qr_code(sheet.link)}
    while True:  # each round has fewer characters that no font has
        inputs = given | {"sheet": msgspec.json.encode(data).decode()}
        try:
            made = _compile(sheet, inputs, format="pdf", pdf_standards=["a-3b"])
        except typst.TypstError as error:
            data = _spelled(data, error)
        else:
            assert isinstance(made, bytes), "a PDF is one file"
            return made, inputs


def _compile(sheet: Sheet, inputs: dict[str, str], **options: Any) -> bytes | list[bytes]:
    template = str(TEMPLATES / f"{sheet.layout}.typ")
    made: bytes | list[bytes] = typst.compile(
        template, root=str(TEMPLATES), font_paths=_fonts(), sys_inputs=inputs, **options
    )
    return made


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


def _qr_code(link: str) -> str:
    drawn = io.BytesIO()
    try:
        segno.make(link, error="m", micro=False).save(drawn, kind="svg", border=0, xmldecl=False)
    except segno.DataOverflowError as error:
        raise MalformedInput(f"no QR code holds {len(link)} characters", field="verify_url") from error
    return drawn.getvalue().decode()


def _calendar(unix_seconds: int) -> dict[str, int]:
    """A moment as typst takes it, UTC."""
    at = datetime.fromtimestamp(unix_seconds, UTC)
    return {name: getattr(at, name) for name in ("year", "month", "day", "hour", "minute", "second")}


def _spelled(data: Any, error: typst.TypstError) -> Any:
    """The data with the code points of what, typst says, no font has. Raises the error where that is not what it is."""
    lacking = {one for shown in _NO_GLYPH.findall(error.diagnostic) for one in _ESCAPED.sub(_unescaped, shown)}
    shown = str.maketrans({one: _code_point(one) for one in lacking})
    spelled = _mapped(data, lambda text: text.translate(shown))
    if spelled == data:
        raise error
    return spelled


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(inner, change) for inner in value]
    return value


def _code_point(character: str) -> str:
    return f"[U+{ord(character):04X}]"
