"""Presentation of a report in a reader's language: cells, charts, the HTML page and the PDF document."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.errors import Unavailable
from ledger.i18n import Labels, zone_in_use
from ledger.supervision.html_templates import templates_of
from ledger.supervision.reports.questions import ReportColumn, ReportTable, SupervisionReport
from ledger.timeline.sentences import Names

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # nosec B405 - nothing is parsed

    from pygal.style import Style

NOTHING = "–"
BARS_AT_MOST = 12  # the rows come with the most remarkable first
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)  # pygal tells the day in one
CITED_AT_MOST = 50  # digests that a row shows; the report as JSON has all


class Called(NamedTuple):
    """What agencies and models are called, by their ids; without it they stand as their ids."""

    agency: Names = str
    model: Names = str


BY_ID = Called()


def cell_text(column: ReportColumn, cell: str | int | None, labels: Labels, called: Called = BY_ID) -> str:
    """Return what people read: words and names in their language, shares in per cent, days with one decimal."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        match column.vocabulary:
            case None:
                return cell
            case "agency":
                return called.agency(cell)
            case "model":
                return called.model(cell)
            case "flag":
                return labels.of_flag(cell)
            case "clock":
                return labels.of_clock(cell)
        return labels.of(column.vocabulary, cell)
    if column.kind == "share":
        return f"{cell // 10}.{cell % 10} %"
    if column.kind == "days":
        return f"{cell // 10}.{cell % 10}"
    return str(cell)


class ReportHead(Struct, frozen=True):
    """``facts`` are pairs of name and value; ``nothing`` stands in a table without rows, ``events`` before digests."""

    title: str
    facts: tuple[tuple[str, str], ...]
    note: str
    nothing: str
    events: str
    more: str


def head_of(report: SupervisionReport, labels: Labels) -> ReportHead:
    """Return the title, the scope and what the numbers rest on."""
    scope = report.scope
    line = scope.business_line
    say = partial(labels.of, "report")
    facts = (
        (say("period"), f"{scope.since} – {scope.until}"),
        (say("jurisdiction"), scope.jurisdiction or say("all")),
        (say("business_line"), labels.of("business_line", line) if line else say("all")),
        (say("log"), say("entries").format(report.tree_size)),
        (say("as_of"), zone_in_use().readable(datetime.fromisoformat(report.as_of))),
    )
    return ReportHead(say("title"), facts, say("note"), say("nothing"), say("events"), say("more"))


_FRAME, _BAR, _WIDER = 60, 30, 6  # pixels; the last of a Chinese character at the size of labels


@cache
def _style() -> Style:
    from pygal.style import Style

    return Style(
        font_family="Noto Sans CJK SC, sans-serif",
        background="transparent",
        plot_background="transparent",
        foreground="#333333",
        foreground_strong="#111111",
        foreground_subtle="#cccccc",
        guide_stroke_dasharray="2,4",
        major_guide_stroke_dasharray="2,4",
        value_colors=("#111111",),
        colors=("#2f6690",),
        opacity="0.85",
        value_font_size=12,
        label_font_size=12,
        major_label_font_size=12,
    )


def chart(table: ReportTable, labels: Labels, *, bare: bool = False, called: Called = BY_ID) -> str | None:
    """Draw bars of the table's chart column, named by its word and text columns; None if it has no chart or no rows.

    ``bare`` leaves its own style out, for a page that has one and forbids inline styles.
    """
    if table.chart is None or not table.rows:
        return None
    import pygal

    place = [column.name for column in table.columns].index(table.chart)
    column = table.columns[place]
    shown = table.rows[:BARS_AT_MOST][::-1]  # drawn from below
    naming = [at for at, named in enumerate(table.columns) if named.kind in ("word", "text")]
    names_of_bars = [
        " · ".join(cell_text(table.columns[at], row.cells[at], labels, called) for at in naming) for row in shown
    ]
    # pygal leaves room for a Latin character where a wide one stands.
    wide = [sum(unicodedata.east_asian_width(character) in "WF" for character in name) for name in names_of_bars]
    picture = pygal.HorizontalBar(
        style=_style(),
        js=(),
        show_legend=False,
        print_values=True,
        explicit_size=True,
        width=760,
        height=_FRAME + _BAR * len(shown),
        margin=8,
        margin_left=8 + _WIDER * max(wide),
        x_title=labels.in_language(column),
        disable_xml_declaration=True,
        # Beside no bar stands no number: it would lie over the bar's name.
        value_formatter=lambda value: cell_text(column, value, labels) if value else "",
        show_x_labels=False,
        zero=0,
        range=(0, max([1, *(_number(row.cells[place]) for row in shown)])),
    )
    picture.uuid = table.name  # random by default: the same report must give the same bytes
    picture.x_labels = names_of_bars
    picture.add(labels.in_language(column), [_number(row.cells[place]) for row in shown])
    picture.add_xml_filter(partial(_cleaned, bare=bare))
    drawn: str = picture.render(is_unicode=True)
    return _COMMENT.sub("", drawn)


def _cleaned(drawing: Element, *, bare: bool) -> Element:
    """Remove pygal's scripts; of a ``bare`` drawing also definitions (its own style among them) and what it hides."""
    removed = ("defs", "script", "title") if bare else ("script",)
    for part in drawing.iter():
        for child in [*part]:
            if str(child.tag).rpartition("}")[2] in removed or (bare and "style" in child.attrib):
                part.remove(child)
    return drawing


def _number(cell: str | int | None) -> int:
    return cell if isinstance(cell, int) else 0


def _tables(report: SupervisionReport, labels: Labels, called: Called) -> list[dict[str, Any]]:
    """Return the tables of a report as its documents show them."""
    return [
        {
            "title": labels.in_language(table),
            "columns": [labels.in_language(column) for column in table.columns],
            "kinds": [column.kind for column in table.columns],
            "rows": [
                [cell_text(*cell, labels, called) for cell in zip(table.columns, row.cells, strict=True)]
                for row in table.rows
            ],
            "evidence": [row.evidence for row in table.rows],
            "chart": chart(table, labels, called=called),
        }
        for table in report.tables
    ]


def to_html(report: SupervisionReport, labels: Labels, called: Called = BY_ID) -> str:
    """Render the page, in the language of ``labels``."""
    shown = {"head": head_of(report, labels), "language": labels.language, "cited_at_most": CITED_AT_MOST}
    template = templates_of(__package__).get_template("report.html")
    return template.render(shown, tables=_tables(report, labels, called))


def set_report(content: str) -> bytes:
    """Typeset what ``content_of`` returned. Raises Unavailable."""
    import typst

    template = files("ledger.supervision.reports").joinpath("report.typ").read_bytes()
    try:
        document = typst.compile(template, sys_inputs={"report": content}, pdf_standards=["a-3b"])
    except typst.TypstError as error:
        raise Unavailable(
            "the report cannot be set: {error}",
            error=error,
            code="paper_unavailable",
            hint="PDFs need a Chinese font: sudo apt-get install fonts-noto-cjk",
        ) from error
    return document


def content_of(report: SupervisionReport, labels: Labels, called: Called = BY_ID) -> str:
    """Return what the document says, as JSON."""
    head = head_of(report, labels)
    at = zone_in_use().local(datetime.fromisoformat(report.as_of))
    content = asdict(head) | {
        "language": labels.language[:2],
        "date": at.timetuple()[:6],
        "tables": _tables(report, labels, called),
    }
    return json.dumps(content)
