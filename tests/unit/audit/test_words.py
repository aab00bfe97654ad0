"""What an audit says is in the catalogues: whatever stands in its source, of steps and of findings, is translated."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from ledger.audit.findings import STEPS, AuditFindings, AuditReport, finding, finding_of
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import SignatureRefused, TallystickError
from ledger.core.messages import Message, plain
from ledger.i18n import Labels, translate
from ledger.i18n.audit_words import VALUES, finding_text, value_text
from tests.testkit.anchored_bundles import trusting
from tests.testkit.machine import REPOSITORY


def literals(of: str, at: int) -> Iterator[str]:
    """The texts that stand as the argument ``at`` of calls of this name."""
    for file in (REPOSITORY / "ledger" / "audit").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == of and len(call.args) > at:
                arg = call.args[at]
                yield from [str(arg.value)] if isinstance(arg, ast.Constant) and arg.value is not None else []


def finding_words() -> tuple[str, ...]:
    """Return the words of findings: those that stand in the source, and those of entries that are made there."""
    of_entries = ("entry_missing", "entry_unreadable", "refused", "refused_at")
    return tuple({*of_entries, *literals("finding", 2), *literals("finding_of", 3), *literals("_stray", 1)})


def claimants() -> tuple[str, ...]:
    """Return the words for whoever claims what a finding is about."""
    return tuple(set(literals("Claimant", 0)))


def test_whatever_stands_in_the_place_of_a_value_is_a_word() -> None:
    """What an audit expected and found, where it is no value of the log (words of findings: test_locales)."""
    values = {*literals("finding", 3), *literals("finding", 4)}
    assert {value for value in values if " " in value} <= set(VALUES)


def test_a_step_is_kept_to_be_told_in_any_language() -> None:
    """The report has its detail in English, and packed; numbers and what quotes others stay as they are."""
    findings = AuditFindings()
    for name in STEPS:
        findings.checked(name, Message("{count} signatures", count=12))
    findings.add(finding("tree", 7, "tree_size", 1, 2))
    report = findings.report(scope="log", trust=trusting(), size=0, root=bytes(32))
    steps = {step.name: step for step in decode_json(msgspec.json.encode(report, enc_hook=plain), AuditReport).steps}
    assert (steps["signatures"].detail, translate(steps["signatures"].text, "zh-CN")) == ("12 signatures", "12 个签名")
    assert translate(steps["tree"].text, "zh-CN") == "1 处问题，最早的在第 7 条"


def test_a_finding_says_in_english_what_it_always_said_and_in_chinese_the_same() -> None:
    """Who claims a root is told by a word of its own; a refusal by what it is called, beside its message."""
    unmet = finding("anchors", None, "root_unmet", "aa", "bb", by="journal", number=3, size=9, sound=4)
    assert unmet.what == "anchor in write 3 of the journal: root at size 9 (met last at 4)"
    assert (
        in_chinese(unmet.word, unmet.slots) == "链上写入日志第 3 项所记上链：条目数 9 时的根哈希（最近相符于条目数 4）"
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
    assert [value_text(Labels("zh-CN"), value) for value in ("aa", "no such row", None)] == ["aa", "无此行", "—"]
    assert value_text(Labels("en"), "no such row") == "no such row"


def in_chinese(word: str, slots: dict[str, str]) -> str:
    return finding_text(Labels("zh-CN"), word, slots)
