"""What stops a command is told to Chinese readers in Chinese; codes, options and ids stay as they are typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import pytest

from api.middleware.problems import HINTS
from ledger.chain.contract import HINT_OF_SILENCE
from ledger.chain.contract import HINTS as CONTRACT_HINTS
from ledger.cli.errors import in_one_line, next_step, refusal_message
from ledger.core.errors import IntegrityBroken, NotFound, RuleRefused, TallystickError, Unavailable
from ledger.i18n import Labels, messages_in
from ledger.i18n.messages import said
from tests.testkit.machine import REPOSITORY
from tests.testkit.tally import Tally

CHINESE, ENGLISH = Labels("zh-CN"), Labels("en")
TOLD = (  # what these say reaches clerks
    *(
        "ledger/core/custody",
        "ledger/recording/validation.py",
        "ledger/client/session.py",
        "ledger/client/service.py",
    ),
    *(
        "ledger/core/procedure/deadlines.py",
        "ledger/interchange/imports/values.py",
        "ledger/interchange/imports/plan.py",
    ),
    *("ledger/core/supervision", "ledger/recording/supervision_streams.py", "ledger/evidence", "ledger/cli/commands"),
)
MESSAGE_AT = {
    "refuse": 1,
    "NotFound": 0,
    "Conflict": 0,
    "Unavailable": 0,
    "UnknownYear": 0,
    "Misread": 0,
    "RowRefused": 0,
    "CellRefused": 2,
}
PARTS = (  # what these say reaches whoever runs a service or a witness, publishes a model, imports or checks a file
    *(
        "ledger/supervision",
        "ledger/interchange",
        "ledger/chain",
        "ledger/anchoring/anchors.py",
        "ledger/witness",
    ),
    *(
        "ledger/anchoring/timestamps.py",
        "ledger/cli",
        "ledger/client",
        "ledger/config/installation.py",
        "ledger/proofs/bundles.py",
    ),
    "ledger/workers/pool.py",
)
MESSAGE_OF_PARTS_AT = MESSAGE_AT | dict.fromkeys(
    (
        *("MalformedInput", "RuleRefused", "IntegrityBroken", "SignatureRefused", "ChainMismatch", "ChainAhead"),
        *("ChainUnavailable", "CallReverted", "NotCosigned", "WitnessAhead", "Undelivered", "TooCostly"),
    ),
    0,
)


def english(node: ast.expr) -> str:
    """Give a text as the catalogue has it: with slots for what is put in. Empty for what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def told_by(place: str, message_at: Mapping[str, int] = MESSAGE_AT) -> Iterator[str]:
    """List the messages and hints of the refusals in a file, or in the files of a folder."""
    path = REPOSITORY / place
    for file in [path] if path.suffix else path.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call):
                at = message_at.get(getattr(call.func, "id", ""), len(call.args))
                yield from map(english, call.args[at : at + 1])
                yield from (english(keyword.value) for keyword in call.keywords if keyword.arg == "hint")


@pytest.mark.parametrize("place", TOLD)
def test_what_clerks_are_told_has_chinese(place: str) -> None:
    """Every refusal of the rules and every hint with it, with whatever stands in its slots."""
    assert without_chinese(told_by(place)) == []


@pytest.mark.parametrize("place", PARTS)
def test_what_parts_of_a_service_say_has_chinese(place: str) -> None:
    """Faults of chain, witnesses, timestamps, models, data sets and mappings, and every hint with them."""
    assert without_chinese(told_by(place, MESSAGE_OF_PARTS_AT)) == []


def without_chinese(texts: Iterator[str]) -> list[str]:
    """Those of the texts, of which there are some, that Chinese readers would be told in English."""
    sentences = {text for text in texts if re.search("[A-Za-z]", text) and not text.startswith("tally ")}
    nouns = {text.replace("has no {} {}", "has no item {}").replace("not {}: {}", "not TOML: {}") for text in sentences}
    assert nouns
    return [text for text in sorted(nouns) if said(text.replace("{}", "x-1"), CHINESE).isascii()]


def test_what_the_doctor_finds_has_chinese() -> None:
    """Each detail that stands in the source of a finding, and what the reader of a mapping says of its form."""
    tree = ast.parse((REPOSITORY / "ledger" / "cli" / "diagnosis.py").read_text("utf-8"))
    findings = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"
    )
    texts = (english(call.args[2]) for call in findings if len(call.args) > 2)
    assert without_chinese(text for text in texts if text != "{}: {}") == []
    assert said("Object contains unknown field `x`", CHINESE) == "没有字段 `x`"


def test_what_the_contracts_refuse_has_chinese() -> None:
    """What to do about it, by the contract's name of the refusal."""
    assert without_chinese(iter((*CONTRACT_HINTS.values(), HINT_OF_SILENCE))) == []


def test_sentences_with_a_word_are_found_by_their_english() -> None:
    """What a service refused of a model comes to the command line as English, and is told in Chinese there."""
    translations = {
        "line 3: unknown column 'agncy': did you mean agency?": "第 3 行：没有列 'agncy'，是否为 agency？",
        "the query was ended after 30 s": "查询运行 30 秒后被终止",
        "there is no column name in flags": "flags 没有列 name",
    }
    assert {english: said(english, CHINESE) for english in translations} == translations
    assert [said(word, CHINESE) for word in ("name", "view", "this or that")] == ["name", "view", "this or that"]


def test_what_the_service_advises_has_chinese() -> None:
    """The next step of each status, as the command line tells it."""
    assert [hint for hint in HINTS.values() if said(hint, CHINESE) == hint] == []


def test_chinese_fills_no_slot_that_english_lacks() -> None:
    """Each text is Chinese, but for what is typed, and has no more slots than its English."""
    for text, chinese in messages_in("zh-CN").items():
        assert len(re.findall(r"\{\d?\}", chinese)) <= text.count("{}"), text
        assert not chinese.isascii() or "{}" in text or "=" in text or ":" in text, text


def test_the_nearest_text_is_found_and_filled() -> None:
    """The one that leaves the least open, its slots in the order of the Chinese, words of vocabularies by theirs."""
    assert said("the parts add up to 9 note, the whole is 10", CHINESE) == "各部分之和为 9 note，整体为 10"
    assert said("case c-1 has no handover h9", CHINESE) == "案件 c-1 没有移送 h9"
    assert said("no handover h9 of a case c-1 that you may see", CHINESE) == "没有您有权查看的案件 c-1 的移送 h9"
    assert said("handover h1 is recalled already", CHINESE) == "移送 h1 已撤回，不能再次办理"
    assert said("item.registered takes the role clerk; this key has auditor", CHINESE).startswith(
        "登记物品 须由 经办人"
    )
    assert said("nobody wrote this", CHINESE) == "nobody wrote this"
    assert said("case c-1 has no handover h9", ENGLISH) == "case c-1 has no handover h9"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFound("no case c-1 that you may see"), "没有您有权查看的案件 c-1"),
        (
            RuleRefused("item i-1 is checked out to p-1", code="checked_out"),
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
    """The refusal's own where there is Chinese for it, else what is right for its kind, with the English beside it."""
    assert next_step(RuleRefused("no", hint="Check it in first."), CHINESE) == "请先收回：tally item check-in"
    assert (
        next_step(RuleRefused("no", hint="Do that."), CHINESE) == "未作任何记录。请更正所示之处后重新办理。（Do that.）"
    )
    assert next_step(IntegrityBroken("no"), CHINESE) == "请告知账本的运行人员。"
    assert next_step(TallystickError("no", hint="Do that."), CHINESE) == "Do that."
    assert next_step(RuleRefused("no", hint="Do that."), ENGLISH) == "Do that."


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
        (("case", "list"), "--profile：还没有身份配置。请新建：tally profile add"),
        (
            ("deadline", "list", "--within", "-1"),
            "'--within' 填写有误：-1 不在 x>=0 之内（tally deadline list --help）。",
        ),
        (
            ("item", "examine", "c-1", "i-1", "--method", "x"),
            "缺少选项 '--match'，可选：match, mismatch, not_checked（tally item examine --help）。",
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


def test_a_field_in_front_of_a_message_keeps_it_from_nobody() -> None:
    """Details of steps, files and settings begin with the field that they concern: it stays, and the rest is Chinese.

    A text of the catalogue that begins with a place takes the field for that.
    """
    for text in messages_in("zh-CN"):
        message = text.replace("{}", "x-1")
        sentence = said(f"trust.log_id: {message}", CHINESE)
        alone = said(message, CHINESE)
        assert sentence in (f"trust.log_id：{alone}", f"trust.log_id: {message}" if alone == message else "") or (
            text.startswith("{}: ") and re.search("[一-鿿]", sentence)
        ), sentence
        assert said(f"trust.log_id: {message}", ENGLISH) == f"trust.log_id: {message}"
