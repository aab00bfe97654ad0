"""Texts of pages: what stands in a template or is said by its code is in the Chinese catalogue, and nothing else is."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator

from jinja2 import Environment, nodes

from api.texts import Texts, catalogue
from ledger.i18n import Labels
from ledger.i18n.messages import said
from tests.testkit.machine import REPOSITORY

API = REPOSITORY / "api"
SAYING = ("_", "texts", "later", "told_as")


def in_templates() -> Iterator[str]:
    for file in [*API.rglob("*.html")]:
        for call in Environment(autoescape=True).parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in SAYING:
                yield from (one.value for one in call.args[:1] if isinstance(one, nodes.Const))
                yield from (part.value for one in call.args[:1] for part in one.find_all(nodes.Const))


def in_code() -> Iterator[str]:
    for file in [*API.rglob("*.py"), *(REPOSITORY / "ledger" / "cli" / "commands").glob("signer.py")]:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SAYING:
                yield from (one.value for one in call.args[:1] if isinstance(one, ast.Constant))


def test_every_text_is_in_chinese_and_none_is_left_over() -> None:
    """Whoever reads Chinese reads no English on a page; a text that went is not translated on."""
    said, known = {*in_templates(), *in_code()}, set(catalogue("zh-CN"))
    assert said - known == set()
    assert known - said == set()
    assert [text for text, told in catalogue("zh-CN").items() if told.isascii()] == []


def reads_recorded() -> Iterator[str]:
    """What the log of reads says, as its places in the code have it, with x-1 for what is filled in."""
    for file in API.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            at = {"record": 0, "read_case": 3}.get(name)
            if isinstance(call, ast.Call) and at is not None and len(call.args) > at:
                given = call.args[at]
                parts = given.values if isinstance(given, ast.JoinedStr) else [given]
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "x-1" for one in parts)


def test_what_was_read_is_told_in_chinese() -> None:
    """Whoever looks who has read a case reads no English there; what is put together of names alone stays."""
    told = {text: said(text, Labels("zh-CN")) for text in reads_recorded() if re.search("[a-z]{2}", text)}
    assert len(told) > 40
    assert [text for text, chinese in told.items() if chinese.isascii()] == []


def test_no_text_is_translated_twice() -> None:
    """Of two translations of one text the last would win, and say on one page what was meant for another."""
    told = json.loads((API / "locales" / "zh-CN.json").read_text(encoding="utf-8"), object_pairs_hook=list)
    assert [text for text, count in Counter(text for text, _ in told).items() if count > 1] == []


def test_slots_are_the_same_in_both_languages() -> None:
    """A translation fills what the English fills."""
    for text, told in catalogue("zh-CN").items():
        assert sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", told)), text


def test_english_is_as_it_stands() -> None:
    """The English texts are those in the templates; slots are filled."""
    assert Texts("en")("Code for the console") == "Code for the console"
    assert Texts("zh-CN")("code for the console: {code}", code="AB") == "控制台配对码：AB"
