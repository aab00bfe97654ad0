"""Texts of pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from api.texts import Texts
from ledger.i18n import Labels
from ledger.i18n.messages import said
from tests.testkit.machine import REPOSITORY

API = REPOSITORY / "api"


def reads_recorded() -> Iterator[str]:
    """Yield what the log of reads says, as its places in the code have it, with x-1 for what is filled in."""
    for file in API.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            at = {"record": 0, "read_case": 2}.get(name)
            if isinstance(call, ast.Call) and at is not None and len(call.args) > at:
                given = call.args[at]
                parts = given.values if isinstance(given, ast.JoinedStr) else [given]
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x-1" for part in parts)


def test_what_was_read_is_told_in_chinese() -> None:
    """Whoever looks who has read a case reads no English there; what is put together of names alone stays."""
    translations = {text: said(text, Labels("zh-CN")) for text in reads_recorded() if re.search("[a-z]{2}", text)}
    assert len(translations) > 40
    assert [text for text, chinese in translations.items() if chinese.isascii()] == []


def test_english_is_as_it_stands() -> None:
    """The English texts are those in the templates; slots are filled."""
    assert Texts("en")("Code for the console") == "Code for the console"
    assert Texts("zh-CN")("code for the console: {code}", code="AB") == "控制台配对码：AB"
