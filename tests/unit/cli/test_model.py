"""``tally model new``, ``check`` and ``test``: models are written and tried out without a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.supervision.models import model_file
from ledger.supervision.models.editing import FORMS
from ledger.supervision.models.model_file import require_publishable, shipped_models
from tests.testkit.tally import Tally
from tests.unit.supervision.modelling import changed


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form in ("cel", "sql") else pytest.mark.extended) for form in FORMS]
)
def test_a_draft_says_what_is_to_be_filled_in_and_is_sound_then(tally: Tally, tmp_path: Path, form: str) -> None:
    """New writes a file; its texts are all that check finds missing; filled in, it can be published."""
    path = tmp_path / "mine.yaml"
    written = tally("model", "new", "my-model", "--template", form, "-o", path)
    assert written.status == Exit.OK
    assert all(line.endswith("fill it in") for line in written.err.splitlines())
    assert tally("model", "check", path).status == Exit.USAGE
    path.write_text(path.read_text(encoding="utf-8").replace('""', '"某文"'), encoding="utf-8")
    assert tally.ok("model", "check", path)[0]["model_id"] == "my-model"
    assert all(line["passed"] for line in tally.ok("model", "test", path))
    assert require_publishable(path.read_text(encoding="utf-8")).model_id == "my-model"


def test_a_draft_overwrites_nothing(tally: Tally, tmp_path: Path) -> None:
    """A file that is there is left as it is, and a name that is no id makes none."""
    path = tmp_path / "mine.yaml"
    path.write_text("mine", encoding="utf-8")
    assert tally("model", "new", "my-model", "-o", path).status == Exit.USAGE
    assert path.read_text(encoding="utf-8") == "mine"
    assert tally("model", "new", "My model", "-o", tmp_path / "x.yaml").status == Exit.USAGE
    assert not (tmp_path / "x.yaml").exists()


def test_faults_are_told_by_file_and_line(tally: Tally, tmp_path: Path) -> None:
    """As compilers tell theirs, in the order of the file; as JSON, one to a line."""
    path = tmp_path / "bad.yaml"
    path.write_text(changed(("severity: low", "severity: urgent"), ("version: 1", "version: 0")), encoding="utf-8")
    done = tally("model", "check", path)
    assert done.status == Exit.USAGE
    assert done.err.splitlines() == [
        f"{path}:2: version: Expected `int` >= 1",
        f"{path}:12: severity: Expected one of low, medium, high, not 'urgent'",
    ]
    first = tally("--json", "model", "check", path).out.splitlines()[0]
    assert '"line":2' in first
    assert '"field":"version"' in first


def test_faults_are_told_wherever_a_file_is_taken(tally: Tally, tmp_path: Path) -> None:
    """All of them, in the reader's language, before any service is asked; programs get the one refusal."""
    path = tmp_path / "bad.yaml"
    for content in (b"\xff\xfe", b"x" * 1_000_001):
        path.write_bytes(content)
        assert tally("model", "check", path).status == Exit.USAGE
    path.write_text(changed(("severity: low", "severity: urgent"), ("version: 1", "version: 0")), encoding="utf-8")
    done = tally("--lang", "zh-CN", "model", "run", path)
    assert done.status == Exit.USAGE
    assert done.err == tally("--lang", "zh-CN", "model", "check", path).err
    assert f"{path}:12: severity: 应为以下之一：low, medium, high，不能是" in done.err
    assert '"code":"model_refused"' in tally("--json", "model", "run", path).err


def test_an_example_that_cannot_be_run_is_named(tally: Tally, tmp_path: Path) -> None:
    """In the reader's language, with what is wrong in it."""
    path = tmp_path / "empty.yaml"
    path.write_text(changed((" to_agency: pro-east,", "")), encoding="utf-8")
    done = tally("--lang", "zh-CN", "model", "test", path)
    assert done.status == Exit.USAGE
    assert "示例 'eighth day' 中：" in done.err
    assert "in the example" not in done.err


def test_rows_that_differ_and_become_one_lead_are_counted(tally: Tally, tmp_path: Path) -> None:
    """Its words would be those of one of them: the author learns it before anybody gets such a lead."""
    path = tmp_path / "united.yaml"
    second = "{case_id: c1, handover_id: h2, status: offered, to_agency: pro-east, offered_at: 2026-02-01T02:00:00Z}"
    united = (
        ("key: [case_id, handover_id]", "key: [case_id]"),
        ("raises: [{case_id: c1, handover_id: h1}]", "raises: [{case_id: c1}]"),
    )
    path.write_text(
        changed(("      handovers:\n", f"      handovers:\n        - {second}\n"), *united), encoding="utf-8"
    )
    done = tally("model", "test", path)
    assert done.status == Exit.OK
    assert "Findings that unite rows which differ in offered_at: 1." in done.err
    assert [line["differing"] for line in tally.ok("model", "test", path)] == [{"handover_id": 1, "offered_at": 1}, {}]


def test_an_example_that_fails_is_shown_with_what_was_found(tally: Tally, tmp_path: Path) -> None:
    """Expected and found stand side by side, and the command says so by its exit code."""
    path = tmp_path / "wrong.yaml"
    path.write_text(changed(("as_of: 2026-03-08T12:00:00Z", "as_of: 2026-03-09T12:00:00Z")), encoding="utf-8")
    done = tally("model", "test", path)
    assert done.status == Exit.REFUSED
    (line,) = [line for line in done.out.splitlines() if "seventh day" in line]
    assert line.split("  ")[-1].strip() == "not as expected"
    assert "no lead" in line
    assert "c1 h1" in line


def test_shipped_models_are_found_by_name(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """One, or all; another name tells the nearest."""
    two = {name: shipped_models()[name] for name in ("same-seal", "third-return")}
    monkeypatch.setattr(model_file, "shipped_models", lambda: two)
    assert {line["model_id"] for line in tally.ok("model", "test", "third-return")} == {"third-return"}
    assert [line["model_id"] for line in tally.ok("model", "check", "--shipped")] == list(two)
    assert "did you mean third-return" in tally("model", "test", "thrid-return").err
    assert tally("model", "test").status == Exit.USAGE
    chinese = tally("--lang", "zh-CN", "model", "test", "third-return").out
    assert chinese.splitlines()[0].split() == ["模型", "示例", "应为", "实为", "结果"]
    assert "不生成线索" in chinese
