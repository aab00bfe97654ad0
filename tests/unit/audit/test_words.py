"""What an audit says is in the catalogues: whatever stands in its source, of steps and of findings, is translated."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from ledger.audit.findings import finding, finding_of
from ledger.core.errors import SignatureRefused, TallystickError
from ledger.i18n import Labels, messages_in
from ledger.i18n.audit_words import CLAIMANTS, FINDINGS, VALUES, finding_told, value_told
from ledger.i18n.messages import said as told_in
from tests.testkit.machine import REPOSITORY

SAYING = ("checked", "not_checked", "tell")


def templates() -> Iterator[str]:
    """The texts of steps in the source of the audit, ``{}`` for what is filled in."""
    for file in (REPOSITORY / "ledger" / "audit").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and len(call.args) > 1:
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name in SAYING and (text := template(call.args[1])) is not None:
                    yield text


def template(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def literals(of: str, at: int) -> Iterator[str]:
    """The texts that stand as the argument ``at`` of calls of this name."""
    for file in (REPOSITORY / "ledger" / "audit").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == of and len(call.args) > at:
                given = call.args[at]
                yield from [str(given.value)] if isinstance(given, ast.Constant) and given.value is not None else []


def test_whatever_a_step_says_is_translated() -> None:
    """A new sentence of the audit that nobody put into the list would stand on a Chinese page in English."""
    texts = set(templates())
    assert len(texts) > 15
    assert texts - messages_in("zh-CN").keys() == set()


def test_whatever_a_finding_says_is_in_the_catalogues() -> None:
    """Its word, who claims it, and what stands in the place of a value."""
    words = {*literals("finding", 2), *literals("finding_of", 3), *literals("_stray", 1)}
    assert words <= set(FINDINGS)
    assert set(FINDINGS) - words == {"entry_missing", "entry_unreadable", "refused", "refused_at"}
    assert set(literals("Claimant", 0)) == set(CLAIMANTS)
    values = {*literals("finding", 3), *literals("finding", 4)}
    assert {value for value in values if " " in value} <= set(VALUES)


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("12 signatures", "12 个签名"),
        ("3 of 5 entries, 2 came since the anchor", "共 3 / 5 条，锚定之后新增 2 条"),
        ("2 findings, the first at entry 7", "2 处问题，最早的在第 7 条"),
        ("the registry's mirror is broken: change 3", "登记副本有误：change 3"),
        ("The node is away. Look after the chain", "The node is away. Look after the chain"),
    ],
)
def test_what_is_filled_in_stays(text: str, chinese: str) -> None:
    """Numbers and ids as they are; what quotes others as they said it; in English all as the audit says it."""
    assert told_in(text, Labels("zh-CN")) == chinese
    assert told_in(text, Labels("en")) == text


def test_a_finding_says_in_english_what_it_always_said_and_in_chinese_the_same() -> None:
    """Who claims a root is told by a word of its own; a refusal by what it is called, beside its message."""
    unmet = finding("anchors", None, "root_unmet", "aa", "bb", by="journal", number=3, size=9, sound=4)
    assert unmet.what == "anchor in write 3 of the journal: root at size 9 (met last at 4)"
    assert (
        in_chinese(unmet.word, unmet.slots) == "链上写入日志第 3 项所记锚定：条目数 9 时的根哈希（最近相符于条目数 4）"
    )
    refused = finding_of("signatures", 5, SignatureRefused("the signature is another key's", field="signature"))
    assert refused.what == "signature: the signature is another key's"
    assert in_chinese(refused.word, refused.slots).startswith("字段 signature：签名与内容或者密钥不符")
    unknown = finding_of("custody", 5, TallystickError("{x}", code="brand_new"), "impossible")
    assert (unknown.what, in_chinese(unknown.word, unknown.slots)) == (
        "impossible (brand_new): {x}",
        "此行为不可能成立：brand new（{x}）",
    )


def test_values_are_themselves_and_their_lack_is_told() -> None:
    """A digest as it is; that there is none, in words; that nothing was to be compared, by a dash."""
    assert [value_told(Labels("zh-CN"), value) for value in ("aa", "no such row", None)] == ["aa", "无此行", "—"]
    assert value_told(Labels("en"), "no such row") == "no such row"


def in_chinese(word: str, slots: dict[str, str]) -> str:
    return finding_told(Labels("zh-CN"), word, slots)
