"""Texts of pages: written in English where they stand, shown in the reader's language as gettext does it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ledger.core.encoding.decoding import decode_json

_LOCALES = Path(__file__).parent / "locales"


class Texts:
    """The texts of one language. Calling it gives what an English text says in it, the English where there is none."""

    def __init__(self, language: str):
        self.language = language
        self._told = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        told = self._told.get(text, text)
        return told.format(**values) if values else told


def later(text: str) -> str:
    """The text as it is: marks what is shown elsewhere, so that the catalogues have it."""
    return text


@cache
def catalogue(language: str) -> dict[str, str]:
    """Each text by its English; empty for English."""
    if language == "en":
        return {}
    return decode_json((_LOCALES / f"{language}.json").read_bytes(), dict[str, str])
