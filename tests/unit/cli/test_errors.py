"""What stops a command is told to Chinese readers in Chinese; codes, options and ids stay as they are typed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ledger.cli.errors import in_one_line, next_step, refusal_message
from ledger.core.errors import IntegrityBroken, NotFound, RuleRefused, TallystickError, Unavailable
from ledger.i18n import Labels
from tests.testkit.tally import Tally

CHINESE, ENGLISH = Labels("zh-CN"), Labels("en")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFound("no case {case_id} that you may see", case_id="c-1"), "没有您有权查看的案件 c-1"),
        (
            RuleRefused(
                "item {item.item_id} is checked out to {item.checked_out_to}",
                item=SimpleNamespace(item_id="i-1", checked_out_to="p-1"),
                code="checked_out",
            ),
            "该物品已借出，须先收回：物品 i-1 已借给 p-1",
        ),
        (RuleRefused("only property is fungible", code="not_fungible"), "只有财物可为种类物"),
        (Unavailable("it is away", code="service_unreachable"), "账本服务无法连接：it is away"),
    ],
)
def test_a_refusal_says_what_its_code_means(error: TallystickError, expected: str) -> None:
    """Unless the code is but that of a kind of refusal; what the catalogue lacks stands beside it in English."""
    assert refusal_message(error, CHINESE) == expected
    assert refusal_message(error, ENGLISH) == error.message


def test_the_next_step_is_always_told() -> None:
    """The refusal's own, or what is right for its kind; what the catalogue lacks is told in English."""
    assert next_step(RuleRefused("no", hint="Check it in first."), CHINESE) == "请先办理归还：tally item check-in"
    assert next_step(RuleRefused("no", hint="Do that."), CHINESE) == "Do that."
    assert next_step(IntegrityBroken("no"), CHINESE) == "请告知账本的运维方。"
    assert next_step(TallystickError("no"), CHINESE) is None
    assert next_step(RuleRefused("no", hint="Do that."), ENGLISH) == "Do that."
    assert next_step(IntegrityBroken("no"), ENGLISH) == "Tell the operator of the ledger."


def test_the_line_names_place_rule_and_next_step() -> None:
    """An option as it is typed, a part of what is signed by its label."""
    assert (
        in_one_line(CHINESE, "--item", "没有。", rule="not_held", hint="请更正。")
        == "--item：没有（not_held）。请更正。"
    )
    assert in_one_line(ENGLISH, "payload.agency", "not yours", rule="", hint=None) == "agency: not yours."
    assert in_one_line(CHINESE, "payload.agency", "没有", rule="", hint=None) == "机关：没有。"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("case", "opne"), "没有命令 'opne'。是否指 'open'？（tally case --help）。"),
        (("case", "list", "--nope"), "没有选项 '--nope'（tally case list --help）。"),
        (("case", "show"), "缺少参数 'CASE_ID'（tally case show --help）。"),
        (("case", "list"), "--profile：还没有身份配置。请新建：tally profile add NAME --url URL"),
        (
            ("deadline", "list", "--within", "-1"),
            "'--within' 填写有误：-1 不在 x>=0 之内（tally deadline list --help）。",
        ),
        (
            ("item", "examine", "c-1", "i-1", "--method", "x"),
            "缺少选项 '--match'. 可选：match, mismatch, not_checked（tally item examine --help）。",
        ),
        (
            ("item", "register", "c-1", "x", "--quantity", "many"),
            "'--quantity' 填写有误：应为 10 或者 12.5:gram，而不是 'many'（tally item register --help）。",
        ),
    ],
)
def test_bad_usage_is_told_in_chinese(tally: Tally, arguments: tuple[str, ...], expected: str) -> None:
    """What click says, too; with --json programs are told in English."""
    assert tally("--lang", "zh-CN", *arguments).err == expected + "\n"
    assert tally("--lang", "zh-CN", "--json", *arguments).err.isascii()
