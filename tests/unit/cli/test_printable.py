"""Text of others does not steer the terminal of whoever reads it."""

from __future__ import annotations

import json

import pytest

from ledger.cli.output import Column, Output, printable, printable_json, printable_line
from ledger.cli.report import show_audit
from ledger.cli.session import Session
from ledger.i18n import Labels

EVIL = "ring \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \r gone \u202egnp.exe :skull: 戒指"
SHOWN = r"ring \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \r gone \u202egnp.exe :skull: 戒指"


def test_control_characters_are_spelled_out() -> None:
    """Escape sequences, both sets of control characters and changes of direction are shown, everything else stays."""
    assert printable(EVIL) == printable_line(EVIL) == SHOWN


def test_breaks_stay_in_a_text_and_not_in_a_line() -> None:
    """A remark may have lines; within a line of ours it has none."""
    assert printable("a\n\tb") == "a\n\tb"
    assert printable_line("a\n\tb\u2028c") == r"a\n\tb\u2028c"


def test_json_has_no_control_character() -> None:
    """The second set is escaped too, and the value is the same."""
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
