"""Charts: the picture of a table as SVG, the same bytes for the same table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from xml.etree.ElementTree import Element  # nosec B405 - nothing is parsed

import pygal
from pygal.style import Style

from ledger.locales import Labels
from ledger.supervision.report.values import Column, Table
from ledger.supervision.report.words import BY_ID, Called, cell_text

BARS_AT_MOST = 12  # the rows come with the most remarkable first
_STYLE = Style(
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
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)  # pygal tells the day in one
_FRAME, _BAR, _WIDER = 60, 30, 6  # pixels; the last of a Chinese character at the size of labels


def chart(table: Table, labels: Labels, *, bare: bool = False, called: Called = BY_ID) -> str | None:
    """Bars of the table's chart column, named by its first columns that are words or text; None where it has none.

    ``bare`` leaves its own style out, for a page that has one and lets none stand within it.
    """
    names = [column.name for column in table.columns]
    if table.chart is None or not table.rows:
        return None
    place = names.index(table.chart)
    shown = table.rows[:BARS_AT_MOST][::-1]  # drawn from below
    telling = [place for place, column in enumerate(table.columns) if column.kind in ("word", "text")]
    names_of_bars = [
        " · ".join(cell_text(table.columns[at], row.cells[at], labels, called) for at in telling) for row in shown
    ]
    picture = pygal.HorizontalBar(
        style=_STYLE,
        js=(),
        show_legend=False,
        print_values=True,
        explicit_size=True,
        width=760,
        height=_FRAME + _BAR * len(shown),
        margin=8,
        margin_left=8 + max(map(_width_not_reckoned, names_of_bars)),
        x_title=labels.told(table.columns[place]),
        disable_xml_declaration=True,
        value_formatter=_formatter(table.columns[place], labels),
        show_x_labels=False,
        zero=0,
        range=(0, max([1, *(_number(row.cells[place]) for row in shown)])),
    )
    picture.uuid = table.name  # by default random
    picture.x_labels = names_of_bars
    picture.add(labels.told(table.columns[place]), [_number(row.cells[place]) for row in shown])
    picture.add_xml_filter(_bare if bare else _without_script)
    drawn: str = picture.render(is_unicode=True)
    return _COMMENT.sub("", drawn)


def _width_not_reckoned(text: str) -> int:
    """Pixels that ``text`` takes beyond what pygal leaves for it, which takes every character for a Latin one."""
    return _WIDER * sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def _without_script(drawing: Element) -> Element:
    """What pygal adds for its own program of the page, which no report has."""
    for part in drawing.iter():
        for script in part.findall("{*}script"):
            part.remove(script)
    return drawing


def _bare(drawing: Element) -> Element:
    """Likewise without definitions, its own style among them, and without what that style hides."""
    for part in drawing.iter():
        for child in [*part]:
            if str(child.tag).rpartition("}")[2] in ("defs", "script", "title") or "style" in child.attrib:
                part.remove(child)
    return drawing


def _number(cell: str | int | None) -> int:
    return cell if isinstance(cell, int) else 0


def _formatter(column: Column, labels: Labels) -> Callable[[int], str]:
    """Beside no bar stands no number: it would lie over the bar's name."""
    return lambda value: cell_text(column, value, labels) if value else ""
