"""What ``tally audit`` says on a Chinese terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from ledger.audit.findings import STEPS, AuditFinding, AuditFindings, finding
from ledger.cli.report import show_audit
from ledger.cli.session import Session
from ledger.i18n import Labels


def shown(language: str, *findings: AuditFinding) -> Any:
    """Show the audit of a log in which all steps held but for the findings."""
    collected = AuditFindings()
    for step in STEPS:
        collected.checked(step, "320 signatures" if step == "signatures" else "each event stands on the one before")
    collected.add(*findings)
    report = msgspec.to_builtins(collected.report(scope="log", development=False, size=320, root=bytes(32)))
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
