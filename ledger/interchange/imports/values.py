"""Cells as values: text, numbers, money, days and moments, as people and their systems write them in China.

Each function returns None for a blank cell and raises ``Misread`` for one with another content.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Literal

from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.i18n.amounts import decimals_of
from ledger.interchange.imports.tables import Cell, Unusable

# How days may be spelled: year first with signs or characters between; digits alone; a spreadsheet's count of days.
DateStyle = Literal["written", "compact", "serial"]
MIDNIGHT = time()
SERIAL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - as a spreadsheet counts, in no zone
MoneyUnit = Literal["main", "ten_thousand", "smallest"]  # of the currency: 元, 万元, 分

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BLANKS, _BREAK = re.compile(r"\s+"), re.compile("[\n\t\u2028\u2029]")
# How spreadsheets and programs write a long number into a text file.
_SCIENTIFIC = re.compile(r"[0-9](?:(?:[.,][0-9]+)?[Ee]\+|[.,][0-9]+[Ee])(?P<exponent>[0-9]{1,3})")
_LONG = 10  # digits after the first, of which some are lost
_GUARDED = re.compile(r'="(?P<text>[^"]*)"')  # how exports keep a spreadsheet from rounding a long number
_AROUND = " \t\r\n\u3000\u200b\ufeff\xa0"
_NUMERALS = "〇一二三四五六七八九"
_ZERO = str.maketrans("○零", "〇〇")
_CHINESE = re.compile(
    r"(?P<y>[〇一二三四五六七八九]{4})年(?P<m>[一二三四五六七八九十]{1,2})月(?P<d>[一二三四五六七八九十]{1,3})[日号]"
)
_CLOCK = r"(?P<H>\d{1,2})\s*[:时点]\s*(?:(?P<M>\d{1,2})\s*(?:[:分]\s*(?:(?P<S>\d{1,2})(?:\.0+)?秒?)?)?)?"
_WRITTEN = re.compile(
    rf"(?P<y>\d{{4}})\s*[-/.年]\s*(?P<m>\d{{1,2}})\s*[-/.月]\s*(?P<d>\d{{1,2}})\s*[日号]?(?:[ T]*{_CLOCK})?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
_COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?)?")
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")
_DIGITS = r"[0-9][0-9,]{0,19}(?:\.[0-9]{1,6})?"  # few enough to be calculated with exactly
_NUMBER = re.compile(r"[0-9][0-9,]{0,19}(?:\.[0-9]{1,18})?")
_EXACT = Context(prec=64)  # no number of a cell is longer
_AMOUNT = re.compile(rf"¥?\s*(?P<digits>{_DIGITS})\s*(?P<unit>万元|元)?")


class Misread(Exception):
    """A cell with another content than is asked of it; the message tells what was expected."""

    def __init__(self, expected: str, /, **slots: object):
        self.text = Message(expected, **slots) if slots or not isinstance(expected, Message) else expected
        super().__init__(self.text)


def bare(cell: Cell) -> str:
    """Return what a cell has in it, of whatever kind, without what may stand around it."""
    if cell is None or isinstance(cell, Unusable):
        return ""
    stripped = unicodedata.normalize("NFC", _spelled(cell)).strip(_AROUND)
    guarded = _GUARDED.fullmatch(stripped)
    return guarded["text"].strip(_AROUND) if guarded else stripped


def text(cell: Cell) -> str | None:
    """Return the text of a cell in Unicode normal form C, stripped."""
    if isinstance(cell, Unusable):
        raise Misread("the cell holds {reason}", reason=cell.reason)
    stripped = bare(cell)
    if (number := _SCIENTIFIC.fullmatch(stripped)) and int(number["exponent"]) >= _LONG:
        raise _cut_off()
    if forbidden := _FORBIDDEN.search(stripped):
        raise Misread("the cell holds the character U+{forbidden:04X}, which is no text", forbidden=ord(forbidden[0]))
    return stripped.replace("\r\n", "\n").replace("\r", "\n") or None


def line(cell: Cell) -> str | None:
    """Return the text of a cell in one line."""
    lines = text(cell)
    # One run of white space after the other: a pattern that looks for the break within would go over long runs again.
    return None if lines is None else _BLANKS.sub(lambda run: " " if _BREAK.search(run[0]) else run[0], lines)


def identifier(cell: Cell) -> str | None:
    """Return the line by which a case, a person or a thing is known: one that has all its digits."""
    known_by = line(cell)
    if known_by and _SCIENTIFIC.fullmatch(known_by):  # however short, others come to the same
        raise _cut_off()
    return known_by


def _cut_off() -> Misread:
    return Misread("a spreadsheet has cut off digits of this number: format the cell as text")


def _plain_line(cell: Cell) -> str | None:
    """Return the line with full-width digits and signs replaced by plain ones."""
    one_line = line(cell)
    return None if one_line is None else unicodedata.normalize("NFKC", one_line)


def _spelled(cell: str | float | bool | date | time) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return format(Decimal(repr(cell)).normalize(), "f")
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == MIDNIGHT else cell.isoformat(" ", "seconds")
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def instant(cell: Cell, styles: Collection[DateStyle]) -> str | None:
    """Return the moment in RFC 3339, UTC: without an offset, of the zone in use; of a day alone, its first."""
    moment = _moment(cell, styles)
    return None if moment is None else spelled(moment)


def day(cell: Cell, styles: Collection[DateStyle]) -> str | None:
    """Return the calendar day in the zone in use."""
    moment = _moment(cell, styles)
    return None if moment is None else zone_in_use().local(moment).strftime("%Y-%m-%d")


def _moment(cell: Cell, styles: Collection[DateStyle]) -> datetime | None:
    if isinstance(cell, datetime):
        shown = cell.replace(microsecond=0)
        return shown if shown.tzinfo else _moment_of(shown)
    if isinstance(cell, date):
        return zone_in_use().start_of(cell)
    plain = _plain_line(cell)
    if plain is None:
        return None
    for style in styles:
        if moment := _READERS[style](plain):
            return moment
    raise Misread("expected a day such as 2026-03-01, 2026/3/1 or 2026年3月1日 ({styles})", styles=", ".join(styles))


def _read_written(plain: str) -> datetime | None:
    if match := _CHINESE.fullmatch(plain.translate(_ZERO)):
        year = int("".join(str(_NUMERALS.index(numeral)) for numeral in match["y"]))
        return _moment_of(_shown(year, _from_numerals(match["m"]), _from_numerals(match["d"]), MIDNIGHT))
    return _read_digits(_WRITTEN.fullmatch(plain))


def _from_numerals(numerals: str) -> int:
    """Return a number below 100 in Chinese numerals, such as 二十三."""
    tens, ten, units = numerals.rpartition("十")
    value = (_NUMERALS.index(tens) if tens else 1) * 10 if ten else 0
    return value + (_NUMERALS.index(units) if units else 0)


def _read_serial(plain: str) -> datetime | None:
    if not _SERIAL.fullmatch(plain):
        return None
    moment = SERIAL_EPOCH + timedelta(seconds=round(float(plain) * 86_400))
    return _moment_of(moment)


_READERS: dict[DateStyle, Callable[[str], datetime | None]] = {
    "written": _read_written,
    "compact": lambda plain: _read_digits(_COMPACT.fullmatch(plain)),
    "serial": _read_serial,
}


def _read_digits(match: re.Match[str] | None) -> datetime | None:
    if match is None:
        return None
    parts = match.groupdict()
    try:
        clock = time(int(parts["H"] or 0), int(parts["M"] or 0), int(parts["S"] or 0))
    except ValueError as error:
        raise Misread("there is no such time of day") from error
    shown = _shown(int(parts["y"]), int(parts["m"]), int(parts["d"]), clock)
    if zone := parts.get("zone"):
        return shown.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo)
    return _moment_of(shown)


def _shown(year: int, month: int, day_: int, clock: time) -> datetime:
    if not 1900 <= year <= 2999:
        raise Misread("expected a year from 1900 to 2999")
    try:
        return datetime.combine(date(year, month, day_), clock)
    except ValueError as error:
        raise Misread("the calendar has no such day") from error


def _moment_of(shown: datetime) -> datetime:
    """Return the moment at which clocks of the zone in use show a naive time; of midnight, when the day begins."""
    zone = zone_in_use()
    if shown.time() == MIDNIGHT:
        return zone.start_of(shown.date())
    try:
        return zone.moment(shown, field="cell")
    except MalformedInput as error:
        raise Misread(error.text) from error


def decimal(cell: Cell) -> str | None:
    """Return a number in its shortest spelling."""
    plain = _plain_line(cell)
    if plain is None:
        return None
    if not _NUMBER.fullmatch(plain):
        raise Misread("expected a number such as 3 or 12.5, that is not negative")
    value = Decimal(plain.replace(",", ""))
    return format(value.normalize(_EXACT), "f") if value else "0"


def count(cell: Cell) -> int | None:
    """Return a whole number."""
    number = decimal(cell)
    if number is not None and not number.isdecimal():
        raise Misread("expected a whole number")
    return None if number is None else int(number)


def amount(cell: Cell, unit: MoneyUnit, currency: str) -> int | None:
    """Return an amount of money in the smallest unit of the currency; ``unit`` is that of a number without one."""
    plain = _plain_line(cell)
    if plain is None:
        return None
    match = _AMOUNT.fullmatch(plain)
    if match is None:
        raise Misread("expected an amount such as 1200.50, 1,200元 or 3万元")
    value = Decimal(match["digits"].replace(",", ""))
    written = {"万元": "ten_thousand", "元": "main", None: unit}[match["unit"]]
    if written == "ten_thousand":
        value *= 10_000
    if written != "smallest":
        value = value.scaleb(decimals_of(currency))
    if value != value.to_integral_value():
        raise Misread("expected no part of the smallest unit of {currency}", currency=currency)
    return int(value)
