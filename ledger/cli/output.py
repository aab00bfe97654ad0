"""What commands print: tables and records for people, JSON for programs, times in the user's zone.

Descriptions, remarks and messages come from those who signed or sent them, and may hold escape sequences that recolour,
overwrite or rename what a reader sees: text of others is made fit for a terminal before it is printed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import east_asian_width

import click
import msgspec

from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.messages import plain, spelled_out
from ledger.core.procedure.zones import Zone
from ledger.i18n import Labels, zone_in_use

if TYPE_CHECKING:
    from rich.console import Console


_LINES = re.compile(r"[^\n\t]+")
_IN_JSON = str.maketrans({chr(point): f"\\u{point:04x}" for point in range(0x7F, 0xA0)})


def printable(text: str) -> str:
    """Return a text of several lines, with every other character spelled out that a reader would not see."""
    return _LINES.sub(lambda line: spelled_out(line[0]), text)


def printable_line(text: str) -> str:
    """Return a text in one line: breaks are spelled out too, so that no text can pass for a line of ours."""
    return spelled_out(text)


def printable_json(text: str) -> str:
    """Escape the second set of control characters in JSON, which encoders leave as they are."""
    return text.translate(_IN_JSON)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Chinese character."""
    wide = 0 if text.isascii() else sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + wide


def padded(text: str, columns: int) -> str:
    """Fill the text up with blanks to ``columns``."""
    return text + " " * (columns - columns_of(text))


_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_DAY = "%Y-%m-%d"
_SUM = re.compile(r"sum ([0-9]+) ([A-Z]{3})")  # of a discrepancy, in the smallest unit
ZONE_OF_TYPED: ContextVar[Callable[[], Zone]] = ContextVar("zone_of_typed", default=zone_in_use)
_AS_SHOWN = re.compile(r"^(\S+ \S+) ([+-]\S+)$")  # what ``when`` gives can be typed again


def when(moment: str | int) -> str:
    """Return a moment (RFC 3339 UTC, or unix seconds) in the ledger's time, with its zone; any other text as it is."""
    try:
        at = datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) else datetime.fromisoformat(moment)
        if at.tzinfo is None:
            return str(moment)
        return zone_in_use().readable(at)
    except (ValueError, OverflowError, OSError):  # by platform, for a year that no calendar has
        return str(moment)


def instant(text: str, *, field: str) -> str:
    """Return a moment (with an offset, or in the ledger's time) as the protocol writes it. Raises MalformedInput."""
    return spelled(_moment(text, _TIMES, field))


def unix_seconds(text: str, *, field: str) -> int:
    """Return a moment, or the beginning of a day in the ledger's time, in unix seconds. Raises MalformedInput."""
    return int(_moment(text, (*_TIMES, _DAY), field).timestamp())


def _moment(text: str, forms: tuple[str, ...], field: str) -> datetime:
    for form in forms:
        try:
            shown = datetime.strptime(text, form)  # noqa: DTZ007 - as clocks of the zone show it
        except ValueError:
            continue
        zone = ZONE_OF_TYPED.get()()
        return zone.start_of(shown.date()) if form == _DAY else zone.moment(shown, field=field)
    try:
        moment = datetime.fromisoformat(_AS_SHOWN.sub(r"\1\2", text))
        if moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise MalformedInput(
        "expected a time such as 2026-03-01 16:30 (in the ledger's zone) or 2026-03-01T10:30:00+02:00, not {text!r}",
        text=text,
        field=field,
    )


MILLISECONDS_FROM = 10**11  # a larger moment is in unix milliseconds, not in seconds
WIDTH_OF_A_FILE = 400  # columns, where the output is no terminal
# A field whose values are words of a vocabulary of the protocol, by the field's name.
VOCABULARY_OF = {
    **{
        name: name
        for name in (
            *("verdict", "stage", "purpose", "reason_code", "remedy", "status", "state", "item_kind", "trial"),
            *("business_line", "role", "measure", "disposal", "event_type", "seal_state", "match_result", "sight"),
            *("severity", "health"),
        )
    },
    "roles": "role",
    "kinds": "discrepancy_kind",
    "outcome": "lead_outcome",
    "waits": "wait_reason",
    "conformity": "statement",
    "completeness": "statement",
}


# A field whose values are ids of agencies, by the field's name.
AGENCY_FIELDS = frozenset(
    (
        *("agency", "from_agency", "to_agency", "by_agency", "supervised", "supervising", "responsible", "holder"),
        *("opened_by", "kept_for", "requested_by", "keeper", "lent_by", "stands_with", "registered_by", "location"),
    )
)


def _plain(value: object) -> object:
    """Convert what msgspec cannot encode: registers of a case become mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    return plain(value)


class Column(NamedTuple):
    """A field to show, by its path (parts joined by dots), and a ``vocabulary`` that the field's name does not imply.

    A column that is ``aside`` is the first to go below its row if the terminal is too narrow. ``label`` is the field
    whose label heads it, where that is not its own.
    """

    path: str
    vocabulary: str | None = None
    aside: bool = False
    label: str | None = None

    @property
    def heading(self) -> str:
        """Return the field whose label heads it."""
        return self.label or self.path


def columns(*names: str) -> tuple[Column, ...]:
    """Return the columns of fields, each by its path or by ``PATH:VOCABULARY``."""
    return tuple(Column(path, vocabulary or None) for path, _, vocabulary in (name.partition(":") for name in names))


RECEIVED = Column("received_at", label="paper_received_at")  # of a paper, such as a letter: no case was taken in then
# Vocabularies of columns of views, by which models call what they find, where other fields of that name have others.
_OF_COLUMNS = {
    "kind": ("item_kind", "decision_kind", "person_role", "recommendation_kind"),
    "role": ("person_role",),
    "unit": ("quantity_unit",),
}
_YES_NO = {"true": True, "false": False}


class Output:
    """Prints results and messages. ``names`` gives the name of an agency by its id."""

    def __init__(self, *, json: bool, labels: Labels, names: Callable[[str], str] = str):
        self.json = json
        self.labels = labels
        self.names = names

    @cached_property
    def console(self) -> Console:
        from rich.console import Console

        width = None if sys.stdout.isatty() else WIDTH_OF_A_FILE
        return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)

    def data(self, value: object) -> None:
        """Print the result as JSON."""
        click.echo(printable_json(msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2).decode()))

    def line(self, value: object) -> None:
        """Print one of several results as JSON, in a line of its own, at once."""
        click.echo(printable_json(msgspec.json.encode(value, enc_hook=plain).decode()))

    def table(
        self,
        rows: Sequence[Mapping[str, Any]],
        columns: Sequence[Column],
        *,
        style_of: Callable[[Mapping[str, Any]], str] = lambda _row: "",
    ) -> None:
        """Print the rows as a table of the columns that are not empty, each row in its style; or as JSON."""
        if self.json:
            return self.data(rows)
        if not rows:
            return self.note(self.labels.of("message", "nothing_here"))

        shown = [
            DrawnColumn(self.heading(column.heading), tuple(self.cell(column, row) for row in rows), column.aside)
            for column in columns
        ]
        with self.console.capture() as drawn:
            draw(self.console, [column for column in shown if any(column.cells)], [style_of(row) for row in rows])
        return self._print(drawn.get())

    def record(self, value: Mapping[str, Any], columns: Iterable[Column] | None = None) -> None:
        """Print one thing, field by field; or as JSON."""
        if self.json:
            return self.data(value)
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for column in columns or map(Column, value):
            if text := self.cell(column, value):
                table.add_row(self.heading(column.heading), text)
        with self.console.capture() as drawn:
            self.console.print(table)
        return self._print(drawn.get())

    def _print(self, drawn: str) -> None:
        """Print drawn lines without the blanks that fill the last column."""
        click.echo("\n".join(line.rstrip() for line in drawn.splitlines()))

    def parts(self, listed: Iterable[tuple[str, Iterable[Mapping[str, Any]], Sequence[Column]]]) -> None:
        """Print those of the parts of a record that are not empty: name, rows, columns. In JSON the record has them."""
        for name, rows, shown in () if self.json else listed:
            if part := list(rows):
                self.part(name, part, shown)

    def part(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        """Print a table below a record, under the label of what it lists."""
        self.under(name)
        self.table(rows, columns)

    def under(self, name: str) -> None:
        """Print the heading of what follows."""
        click.secho(printable(f"\n{self.heading(name)}"), bold=True)

    def heading(self, path: str) -> str:
        """Return the label of a field: that of its whole path, or else of its last part."""
        return self.labels.find("field", path) or printable(self.labels.of("field", path.rpartition(".")[2]))

    def cell(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return the text of the field of ``row`` that the column shows."""
        value: Any = row
        for part in column.path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return printable(self.words(column.path.rpartition(".")[2], value, column.vocabulary))

    def words(self, field: str, value: Any, vocabulary: str | None = None) -> str:
        """Return a value as people read it: times in the ledger's zone, words of a vocabulary by their labels."""
        vocabulary = vocabulary or VOCABULARY_OF.get(field)
        if value is None:
            return ""
        if isinstance(value, bool):
            return self.labels.of("message", "yes" if value else "no")
        if isinstance(value, str) and (field.endswith("_at") or field == "until"):
            return when(value)
        if isinstance(value, int) and field.endswith(("_at", "valid_from", "valid_until")):
            return when(value // 1000 if value > MILLISECONDS_FROM else value)
        if isinstance(value, str) and field == "article":
            return self.labels.of_article(value)
        if isinstance(value, str) and field in AGENCY_FIELDS:
            return self.names(value)
        if isinstance(value, str) and vocabulary:
            return self.labels.of(vocabulary, value)
        if isinstance(value, str) and field in ("expected", "found") and (sum_of_money := _SUM.fullmatch(value)):
            return self._words_of(field, {"amount": int(sum_of_money[1]), "currency": sum_of_money[2]})
        if isinstance(value, Mapping):
            return self._words_of(field, value)
        if isinstance(value, list | tuple):
            return "\n".join(self.words(field, part, vocabulary) for part in value)
        return when(value) if isinstance(value, str) and value.endswith("Z") else str(value)

    def _words_of(self, field: str, value: Mapping[str, Any]) -> str:
        if value.keys() == {"value", "unit"}:
            return self.labels.quantity(value["value"], value["unit"])
        if value.keys() == {"amount", "currency"}:
            from ledger.i18n.amounts import money_in_words

            return money_in_words(value["amount"], value["currency"], grouped=True)
        if value and (field == "name" or value.keys() == {"en", "zh"}):
            return self.labels.in_language(value)
        if field == "values":  # of a finding, as texts
            value = {name: _YES_NO.get(part, part) for name, part in value.items()}
            return ", ".join(f"{self.heading(name)}: {self._of_column(name, part)}" for name, part in value.items())
        # The author of a model named its parameters, which no field of the protocol stands for.
        of_field: dict[str, Callable[[str], str]] = {"parameters": str, "numbers": self.names}
        name_of = of_field.get(field, self.heading)
        pairs = ((name_of(key), self.words(key, part)) for key, part in value.items())
        return ", ".join(f"{name}: {text}" for name, text in pairs if text)

    def _of_column(self, column: str, value: Any) -> str:
        labels = (self.labels.find(vocabulary, str(value)) for vocabulary in _OF_COLUMNS.get(column, ()))
        return next(filter(None, labels), None) or self.words(column, value)

    def sides(self, difference: Mapping[str, Any]) -> dict[str, str]:
        """Return both sides of a difference in words, by their fields: ``expected`` and ``found``."""
        from ledger.core.custody.stocktakes import CountDifference
        from ledger.timeline.sentences import Narrator

        if difference.get("recorded_as") is None:  # of a handover: in words already
            return {side: self.words(side, difference[side]) for side in ("expected", "found")}
        kind = difference["kinds"][0] if "kinds" in difference else difference["kind"]
        sides = (difference["recorded_as"], difference.get("expected"), difference.get("found"))
        return Narrator(self.labels, self.names).words_of("", None).sides(CountDifference(kind, *sides))

    def note(self, text: str, **style: Any) -> None:
        """Print a message that is no result, for people only, in their language."""
        if not self.json:
            click.secho(printable(self.labels.translate(text)), err=True, **style or {"dim": True})

    def done(self, text: str) -> None:
        """Print that something was done."""
        self.note(text, fg="green")

    def warn(self, text: str) -> None:
        """Print something that the reader should look at; programs find it in the result."""
        self.note(text, fg="yellow")


GAP = 2  # columns between two cells
INDENT = "      "


class DrawnColumn(msgspec.Struct, frozen=True, dict=True):
    """A column with its cells, and whether it goes below the rows before others do."""

    heading: str
    cells: tuple[str, ...]
    aside: bool = False

    @cached_property
    def width(self) -> int:
        """Return how many columns of a terminal the widest line takes."""
        lines = (line for text in (self.heading, *self.cells) for line in text.split("\n"))
        return max(map(columns_of, lines))


def arrange(columns: Sequence[DrawnColumn], room: int) -> tuple[list[DrawnColumn], list[DrawnColumn]]:
    """Choose the columns that stay side by side within ``room``, and those that are printed below each row."""
    beside, below = list(columns), []
    movable = sorted(columns[1:], key=lambda column: (column.aside, column.width))
    while movable and sum(column.width + GAP for column in beside) - GAP > room:
        moved = movable.pop()
        beside.remove(moved)
        below.append(moved)
    return beside, [column for column in columns if column in below]


def draw(console: Console, columns: Sequence[DrawnColumn], styles: Sequence[str]) -> None:
    """Draw the rows, each in its style."""
    beside, below = arrange(columns, console.width)
    if not below:
        return _draw_rows(console, beside, range(len(styles)), styles)
    _draw_rows(console, beside, (), styles)
    for number, style in enumerate(styles):
        _draw_rows(console, beside, (number,), styles, headed=False)
        cells = ((column.heading, " ".join(column.cells[number].split())) for column in below)
        line = INDENT + "  ".join(f"{heading}: {text}" for heading, text in cells if text)
        console.print(line, style=f"dim {style}".strip(), soft_wrap=True)
    return None


def _draw_rows(
    console: Console,
    columns: Sequence[DrawnColumn],
    numbers: Sequence[int],
    styles: Sequence[str],
    *,
    headed: bool = True,
) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=headed)
    fits = sum(column.width + GAP for column in columns) - GAP <= console.width
    for column in columns:
        fixed = column.width if fits else None
        table.add_column(column.heading, overflow="fold", width=fixed, no_wrap=fits)
    for number in numbers:
        table.add_row(*(column.cells[number] for column in columns), style=styles[number])
    console.print(table)
