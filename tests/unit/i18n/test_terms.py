"""One Chinese word for one thing, the one that is used in practice, wherever a text comes from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ledger.core.encoding.canonical import MEANINGS
from ledger.core.events.terms import TABLE_OF
from ledger.core.messages import Message, Term
from ledger.i18n import Labels, translate
from ledger.procedures import shipped_rulebook
from scripts import texts
from tests.testkit.machine import REPOSITORY

# What each thing was called beside its one word.
INSTEAD_OF = {
    "移送机关": ("移出机关", "移送方"),
    "案件建档": ("立案登记",),
    "封条": ("封签", "封存编号"),
    "完整性校验值": ("散列", "摘要值"),
    "内容校验值": ("载荷摘要",),
    "校验": ("审计",),
    "违规提示": ("规则标记",),
    "告警": ("警报", "报警"),
    "认定属实": ("查证属实",),
    "跟踪回访": ("回头看",),
    "经办人员": ("办案人员",),
    "审批人": ("审批主管", "主管可见"),
    "模型分析员": ("建模人员",),
    "人员代号": ("化名", "加密摘要"),
    "联署": ("共签", "共同签名"),
    "最低联署机关数": ("法定数", "联署门槛"),
    "上链": ("锚定",),
    "检查点": ("树头",),
    "日志分块": ("数据块",),
    "见证规则": ("见证政策",),
    "运维方": ("运营方", "运行者"),
    "不在案": ("未到案",),
    "案卷": ("卷宗",),
}
CHINESE = re.compile("[一-龥]")
FOLDERS = ("ledger/procedures", "ledger/supervision")
OF_ACCOUNTS = re.compile(r'、审计|"审计"')  # an audit of accounts beside appraisals, as rules of procedure call it


@cache
def chinese_texts() -> tuple[tuple[str, str], ...]:
    """Return each text with its place: those of the catalogue, of packages, models and views."""
    return tuple((place, OF_ACCOUNTS.sub("", text)) for place, text in _chinese_texts())


def _chinese_texts() -> Iterator[tuple[str, str]]:
    for entry in texts.catalogue("zh_CN"):
        for text in (entry.string,) if isinstance(entry.string, str) else entry.string:
            yield f"the catalogue: {entry.id}", text
    files = (file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*") if _has_texts(file))
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{file.relative_to(REPOSITORY)}:{number}", line


def _has_texts(file: Path) -> bool:
    return file.suffix in (".toml", ".yaml")


@pytest.mark.parametrize("word", INSTEAD_OF)
def test_a_thing_has_one_word(word: str) -> None:
    """No text calls it by another word that stood for it before."""
    others = INSTEAD_OF[word]
    assert [place for place, text in chinese_texts() if any(foreign_word in text for foreign_word in others)] == []


def vocabularies_of_terms() -> set[str]:
    """Return the vocabularies whose words messages have in slots: those that ``Term`` is called with."""
    sources = (file.read_text(encoding="utf-8") for name in texts.PLACES for file in _sources(name))
    trees = (ast.parse(source) for source in sources if "Term(" in source)
    calls = (call for tree in trees for call in ast.walk(tree) if isinstance(call, ast.Call))
    named = (call.args[0] for call in calls if getattr(call.func, "id", "") == "Term")
    return {argument.value for argument in named if isinstance(argument, ast.Constant)}


def _sources(folder: str) -> Iterator[Path]:
    return (REPOSITORY / folder).rglob("*.py")


def test_a_word_in_a_slot_has_its_label() -> None:
    """Also one of a procedure: a flag's detail and a refusal say what it means, not how the package spells it."""
    vocabularies = vocabularies_of_terms()
    assert {"agency_kind", "qualifying_ground", "event_type"} <= vocabularies
    for vocabulary in vocabularies:
        table = TABLE_OF.get(vocabulary)
        of_procedure = {} if table is None else getattr(shipped_rulebook(), table)
        words = Labels("zh-CN").all(vocabulary) | {word: row.label["zh"] for word, row in of_procedure.items()}
        assert words, vocabulary
        for word, label in words.items():
            assert translate(Message("{word}", word=Term(vocabulary, word)), "zh-CN", lambda _, value: value) == label
            assert CHINESE.search(label), (vocabulary, word)


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=str)
def test_what_a_form_asks_for_is_said_in_chinese(meaning: str) -> None:
    """A refusal describes the form of a text, and never only by its example."""
    described = meaning.params.get("description", meaning) if isinstance(meaning, Message) else meaning
    assert CHINESE.search(translate(described, "zh-CN")), meaning
