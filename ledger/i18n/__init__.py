"""The labels of protocol words in the languages of those who read them. The words themselves never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.machinery import SourceFileLoader
from typing import Any, Protocol

from ledger.core.encoding.decoding import decode_json
from ledger.core.procedure.legal_days import SHANGHAI
from ledger.procedures import shipped_rules

LANGUAGES = ("en", "zh-CN")


def language_of(tag: str | None) -> str:
    """The language for a tag such as ``zh_CN.UTF-8``: Chinese for any Chinese, else English."""
    return "zh-CN" if (tag or "").lower().startswith("zh") else "en"


class Bilingual(Protocol):
    """What is said in both languages."""

    @property
    def en(self) -> str: ...

    @property
    def zh(self) -> str: ...


class Labels:
    """The labels of one language, by vocabulary and word. ``suffix`` is how the names of fields in it end."""

    def __init__(self, language: str):
        self.language = language
        self.suffix = "zh" if language == "zh-CN" else "en"
        self._labels = _catalogue(language)

    def of(self, vocabulary: str, word: str) -> str:
        """The label of ``word``; the word itself, in words, where the catalogue has none."""
        return self.find(vocabulary, word) or word.replace("_", " ")

    def find(self, vocabulary: str, word: str) -> str | None:
        """The label that the catalogue has, if any."""
        return self._labels.get(vocabulary, {}).get(word)

    def all(self, vocabulary: str) -> Mapping[str, str]:
        """Every word of the vocabulary with its label."""
        return self._labels[vocabulary]

    def told(self, both: Bilingual) -> str:
        """What is said in both languages, in this one."""
        return both.zh if self.suffix == "zh" else both.en

    def moment(self, at: datetime) -> str:
        """A time in Beijing's, to the minute."""
        return self.of("moment", "hour").format(at.astimezone(SHANGHAI))

    def of_flag(self, name: str) -> str:
        """What the rules say that a flag means."""
        return self._of_rule("flags", name)

    def of_clock(self, name: str) -> str:
        """What the rules say that a clock gives time for."""
        return self._of_rule("clocks", name)

    def of_extension(self, clock: str, name: str) -> str:
        """What the rules say for what more time that extension of the clock is."""
        rows = _rules("clocks").get(clock, {}).get("extensions", ())
        found: dict[str, str] = next((row for row in rows if row["name"] == name), {})
        return found.get(self.suffix, name.replace("_", " "))

    def of_relation(self, word: str) -> str:
        """How one node of a correlation stands to another: its own words, a person's role, how two cases are linked."""
        found = (self.find(vocabulary, word) for vocabulary in ("relation", "person_role", "case_relation"))
        return next(filter(None, found), word.replace("_", " "))

    def of_article(self, article: str) -> str:
        """What the law or rule that it stands in is called, with its number: ``CPL 175``; as it is if not known."""
        if self.language != "zh-CN":
            return article
        law, _, number = article.rpartition(" ")
        names = _laws()
        if article in names and "{" not in names[article]:  # a law that is named whole, without articles
            return names[article]
        return names[law].format(number) if law in names else article  # what a signer wrote is no template

    def _of_rule(self, kind: str, name: str) -> str:
        return str(_rules(kind).get(name, {}).get(self.suffix, name.replace("_", " ")))


@cache
def _catalogue(language: str) -> dict[str, dict[str, str]]:
    return decode_json(_data(f"{language}.json"), dict[str, dict[str, str]])


@cache
def help_in(language: str) -> dict[str, str]:
    """The help of commands and options by its English, and each first paragraph by that; empty for English."""
    if language == "en":
        return {}
    texts = decode_json(_data(f"help.{language}.json"), dict[str, str])
    return {english.partition("\n\n")[0]: told.partition("\n\n")[0] for english, told in texts.items()} | texts


@cache
def messages_in(language: str) -> dict[str, str]:
    """What refusals say, by their English with slots in braces; empty for English."""
    return {} if language == "en" else decode_json(_data(f"messages.{language}.json"), dict[str, str])


@cache
def _rules(kind: str) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in _rulebook()[kind]}


def _laws() -> dict[str, str]:
    laws: dict[str, str] = _rulebook()["laws"]
    return laws


@cache
def _rulebook() -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - few runs tell of a rule, and all would wait for it

    return tomllib.loads(shipped_rules())


def _data(name: str) -> bytes:
    """A file beside this module, by its loader: importing pathlib or importlib.resources would slow every start."""
    loader = __spec__.loader
    assert isinstance(loader, SourceFileLoader)
    return loader.get_data(f"{__path__[0]}/{name}")
