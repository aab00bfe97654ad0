"""Texts of pages."""

from __future__ import annotations

from api.texts import Texts


def test_english_is_as_it_stands() -> None:
    """The English texts are those in the templates; slots are filled."""
    assert Texts("en")("Code for the console") == "Code for the console"
    assert Texts("zh-CN")("code for the console: {code}", code="AB") == "控制台配对码：AB"
