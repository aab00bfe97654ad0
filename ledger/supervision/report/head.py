"""Head: what a report says of itself, in a reader's language."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from ledger.core.legal_day import SHANGHAI
from ledger.locales import Labels
from ledger.supervision.report.values import Report


class Head(Struct, frozen=True):
    """``facts`` are pairs of name and value; ``nothing`` stands in a table without rows, ``events`` before digests."""

    title: str
    facts: tuple[tuple[str, str], ...]
    note: str
    nothing: str
    events: str
    more: str


def head_of(report: Report, labels: Labels) -> Head:
    """Title, scope and what the numbers rest on."""
    scope = report.scope
    at = datetime.fromisoformat(report.as_of).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    line = scope.business_line
    say = _ZH if labels.language == "zh-CN" else _EN
    facts = (
        (say["period"], f"{scope.since} – {scope.until}"),
        (say["jurisdiction"], scope.jurisdiction or say["all"]),
        (say["business_line"], labels.of("business_line", line) if line else say["all"]),
        (say["log"], say["entries"].format(report.tree_size)),
        (say["as_of"], f"{at} ({report.as_of})"),
    )
    return Head(say["title"], facts, say["note"], say["nothing"], say["events"], say["more"])


_EN = {
    "title": "Governance report",
    "period": "Period",
    "jurisdiction": "Jurisdiction",
    "business_line": "Business line",
    "all": "all",
    "log": "Counted from",
    "entries": "the log's first {} entries",
    "as_of": "Clocks as of",
    "note": "Each row names the events that it was counted from. Data is not evidence: check before you act on it.",
    "nothing": "Nothing in this period.",
    "events": "Events",
    "more": "and {} more in the report as JSON",
}
_ZH = {
    "title": "治理分析报告",
    "period": "统计期间",
    "jurisdiction": "辖区",
    "business_line": "业务条线",
    "all": "全部",
    "log": "统计依据",
    "entries": "日志前{}条",
    "as_of": "期限计算截至",
    "note": "每行数字均列明所依据的事件。数据不等于证据，采取措施前须经核实。",
    "nothing": "本期无记录。",
    "events": "事件",
    "more": "另有{}条，见JSON版报告",
}
