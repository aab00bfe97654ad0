"""An audit's steps on its page: whatever the audit says of one is in the list that is translated."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from api.console.audit_words import SAID, told
from api.texts import Texts
from tests.machine import REPOSITORY

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
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return None


def test_whatever_a_step_says_is_translated() -> None:
    """A new sentence of the audit that nobody put into the list would stand on a Chinese page in English."""
    found = set(templates())
    assert len(found) > 15
    assert found - set(SAID) == set()


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("12 signatures", "12 个签名"),
        ("3 of 5 entries, 2 came since the anchor", "共 3 / 5 条，锚定之后新增 2 条"),
        ("2 findings, the first at entry 7", "2 处问题，最早的在第 7 条"),
        ("the registry's mirror is broken: change 3", "登记副本有误：change 3"),
        ("The node is away. Look after the chain", "The node is away. Look after the chain"),
    ],
)
def test_what_is_filled_in_stays(said: str, chinese: str) -> None:
    """Numbers and ids as they are; what quotes others as they said it; in English all as the audit says it."""
    assert told(said, Texts("zh-CN")) == chinese
    assert told(said, Texts("en")) == said
