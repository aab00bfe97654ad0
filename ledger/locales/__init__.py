"""The labels of protocol words in the languages of those who read them. The words themselves never change."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh-CN")


def language_of(tag: str | None) -> str:
    """The language for a tag such as ``zh_CN.UTF-8``: Chinese for any Chinese, else English."""
    return "zh-CN" if (tag or "").lower().startswith("zh") else "en"


class Labels:
    """The labels of one language, by vocabulary and word."""

    def __init__(self, language: str):
        self.language = language
        self._labels = _catalogue(language)

    def of(self, vocabulary: str, word: str) -> str:
        """The label of ``word``; the word itself, in words, where the catalogue has none."""
        return self._labels.get(vocabulary, {}).get(word) or word.replace("_", " ")

    def of_flag(self, name: str) -> str:
        """What the rules say that a flag means."""
        language = "zh" if self.language == "zh-CN" else "en"
        return _flags().get(name, {}).get(language, name.replace("_", " "))


@cache
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    file = Path(__file__).parent / f"{language}.json"
    catalogue: dict[str, dict[str, str]] = json.loads(file.read_bytes())
    return catalogue


@cache
def _flags() -> dict[str, dict[str, str]]:
    rules = tomllib.loads((Path(__file__).parents[1] / "rules.toml").read_text(encoding="utf-8"))
    return {rule["name"]: rule for rule in rules["flags"]}
