"""What is printed: audits in words, tables that fit a terminal, and texts of others that do not steer it."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from rich.console import Console

import ledger.cli
import ledger.cli.commands
from ledger.audit.findings import STEPS, AuditFinding, AuditFindings, finding
from ledger.cli.output import Column, DrawnColumn, Output, arrange, draw, printable, printable_json, printable_line
from ledger.cli.report import show_audit
from ledger.cli.session import Session
from ledger.core.messages import Message
from ledger.i18n import Labels
from tests.testkit.anchored_bundles import trusting


def shown(language: str, *findings: AuditFinding) -> Any:
    """Show the audit of a log in which all steps held but for the findings."""
    collected = AuditFindings()
    for step in STEPS:
        signatures = Message("{count} signatures", count=320)
        collected.checked(step, signatures if step == "signatures" else "each event stands on the one before")
    collected.add(*findings)
    report = msgspec.to_builtins(collected.report(scope="log", trust=trusting(), size=320, root=bytes(32)))
    show_audit(cast(Session, SimpleNamespace(json=False, labels=Labels(language))), report)
    return report


def test_findings_and_steps_are_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its index and what differs; in English as the report for programs has it."""
    missing = finding("entries", 7, "entry_missing")
    row = finding("models", 9, "row", "a row", "no such row", row="items phone")
    shown("zh-CN", missing, row)
    out = capsys.readouterr().out
    for line in ("320 个签名", "序号 7: 此条缺失", "序号 9: 数据行 items phone (有此行 / 无此行)"):
        assert line in out
    report = shown("en", missing, row)
    out = capsys.readouterr().out
    assert f"index 7: {report['findings'][0]['what']}\n" in out
    assert "index 9: items phone (a row / no such row)" in out


def test_a_report_from_before_words_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A service that is older than this command gives the English alone."""
    shown("zh-CN", AuditFinding("entries", 7, "the entry is missing"))
    assert "序号 7: the entry is missing" in capsys.readouterr().out


def test_sums_of_a_discrepancy_are_told_in_the_main_unit() -> None:
    """The protocol has them in the smallest; a count of something else is told as it is."""
    output = Output(json=False, labels=Labels("en"))
    assert output.words("expected", "sum 300000 CNY") == "3,000.00 CNY"
    assert output.words("found", "4501 SGS") == "4501 SGS", "a seal"
    assert output.words("found", "30 note") == "30 note"


EVIL = "ring \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \r gone \u202egnp.exe :skull: 戒指"
SHOWN = r"ring \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \r gone \u202egnp.exe :skull: 戒指"


def test_control_characters_are_spelled_out() -> None:
    """Escape sequences, both sets of controls, changes of direction; breaks in a line of ours. In JSON the value is the
    same."""
    assert printable(EVIL) == printable_line(EVIL) == SHOWN
    assert printable("a\n\tb") == "a\n\tb"
    assert printable_line("a\n\tb\u2028c") == r"a\n\tb\u2028c"
    text = printable_json(json.dumps(EVIL, ensure_ascii=False))
    assert "\x9b" not in text
    assert json.loads(text) == EVIL


@pytest.mark.parametrize("as_json", [False, True])
def test_results_do_not_steer(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Records, tables and messages show what a field holds, as JSON and for people."""
    output = Output(json=as_json, labels=Labels("en"))
    row = {"description": EVIL, EVIL: {"remark": EVIL}}
    output.record(row)
    output.table([row], [Column("description"), Column(EVIL)])
    output.warn(EVIL)
    captured = capsys.readouterr()
    for steering in "\x1b\x9b\x07\r":
        assert steering not in captured.out + captured.err
    assert as_json or captured.out.count(SHOWN) >= 2


def test_findings_cannot_add_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A text with a break does not pass for the verdict of an audit."""
    step = {"number": 1, "name": "form", "result": "failed", "detail": "it\nverdict: intact", "verdict": "tampered"}
    finding = {"index": 3, "what": "bad\nverdict: intact\x1b[2K", "expected": "a", "found": "b"}
    report = {"steps": [step], "findings": [finding], "scope": "log\nverdict: intact", "size": 4, "root": "00"}
    counts = {"left_out": 0, "anchored_up_to": 4, "entries_since": 0}
    show_audit(Session(), report | counts | {"verdict": "tampered", "development": False})
    out = capsys.readouterr().out
    (verdict,) = [line for line in out.splitlines() if line.startswith("verdict")]
    assert verdict.startswith("verdict: tampered")
    assert "\x1b[2K" not in out


@pytest.mark.parametrize("verdict", ["continued", "not_yet_anchored", "tampered"])
def test_an_audit_that_went_on_is_told_from_a_whole_one(capsys: pytest.CaptureFixture[str], verdict: str) -> None:
    """By the line of its verdict, whatever that is: a worse one alone would pass for that of a whole audit."""
    since = dict.fromkeys(("audited_at", "whole_at", "share", "shares", "entries_again", "streams_unread"), 7)
    since |= {"entries_unread": 312, "digest": "blake3:00"}
    report = {"steps": [], "findings": [], "scope": "log", "size": 4, "root": "00", "since": since}
    counts = {"left_out": 0, "anchored_up_to": 4, "entries_since": 0}
    show_audit(Session(), report | counts | {"verdict": verdict, "development": False})
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("verdict")]
    assert ("going on from an earlier audit" in line) == (verdict == "continued")
    assert ("entries not read again: 312" in line) == (verdict != "continued")


CASE = DrawnColumn("案件", ("sample-06-custody-of-a-person", "v3-a"))
STATUS = DrawnColumn("status", ("overdue", "running"))
MOMENT = DrawnColumn("until", ("2026-11-27 04:00:00 +08:00 (2026-11-26 20:00:00Z)", "2026-11-29"))
ID = DrawnColumn("id", ("custody_change/558853d1…/4", ""), aside=True)


def names(columns: list[DrawnColumn]) -> list[str]:
    return [column.heading for column in columns]


@pytest.mark.parametrize(
    ("room", "beside", "below"),
    [
        (200, ["案件", "status", "until", "id"], []),
        (100, ["案件", "status", "until"], ["id"]),
        (60, ["案件", "status"], ["until", "id"]),
        (10, ["案件"], ["status", "until", "id"]),
    ],
)
def test_no_more_goes_below_than_is_too_wide(room: int, beside: list[str], below: list[str]) -> None:
    """Columns that are meant for it first, then the widest; the first column and narrow ones stay."""
    kept, moved = arrange([CASE, STATUS, MOMENT, ID], room)
    assert (names(kept), names(moved)) == (beside, below)


def drawn(width: int) -> list[str]:
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        draw(console, [CASE, STATUS, MOMENT, ID], ["", ""])
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_row_is_told_whole_on_any_terminal() -> None:
    """Headings once, then each row with what belongs below it; side by side where it fits, and its first column folded
    where not even that does."""
    assert drawn(60) == [
        "案件                           status",
        "sample-06-custody-of-a-person  overdue",
        "      until: 2026-11-27 04:00:00 +08:00 (2026-11-26 20:00:00Z)  id: custody_change/558853d1…/4",
        "v3-a                           running",
        "      until: 2026-11-29",
    ]
    assert len(drawn(200)) == 3
    lines = drawn(20)
    assert "".join(lines[1:3]) == CASE.cells[0]
    assert "status: overdue" in lines[3]


def columns_in(value: object) -> Iterator[Column]:
    """Yield each column in a value of a module."""
    if isinstance(value, Column):
        yield value
    elif isinstance(value, tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from columns_in(part)


def test_each_column_has_a_heading_in_chinese() -> None:
    """Of every table and record of the commands; a field that no catalogue has would be headed by its own name."""
    labels, missing = Labels("zh-CN"), set()
    for package in (ledger.cli, ledger.cli.commands):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for column in columns_in(tuple(vars(import_module(module.name)).values())):
                names = column.heading, column.heading.rpartition(".")[2]
                if not any(labels.find("field", name) for name in names):
                    missing.add(column.heading)
    assert missing == set()


def test_what_is_empty_in_a_part_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A chain that is well is shown without the word fault; why it waits stands in words, in both languages."""
    chain = {"state": "connected", "waits": "nothing_new", "detail": None, "fault": None, "hint": None}
    for language, shown in (("en", "waits: something new to anchor"), ("zh-CN", "等待原因: 有新内容可上链")):
        Output(json=False, labels=Labels(language)).record({"chain": chain})
        out = capsys.readouterr().out
        assert shown in out
        assert "fault" not in out
        assert "故障" not in out
        assert language == "en" or "已连接" in out


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_name_in_another_language_alone_is_shown_without_its_language(language: str) -> None:
    """As an agency of another land is called; where the reader's language is among several, in that."""
    output = Output(json=False, labels=Labels(language))
    assert output.words("name", {"pt-PT": "Polícia"}) == "Polícia"
    both = output.words("name", {"en": "police", "zh": "公安局"})
    assert both == ("police" if language == "en" else "公安局")


def test_what_is_logged_does_not_stand_among_results() -> None:
    """Programs read standard output as JSON: a warning is on standard error, and less than a warning nowhere."""
    script = "from ledger.supervision.views.snapshot import logger; logger.info('hidden'); logger.warning('shown')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert "shown" in ran.stderr
    assert "hidden" not in ran.stderr
