"""Texts of pages: written in English in the code, and translated by catalogue as gettext does it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ledger.core.encoding.decoding import decode_json

_LOCALES = Path(__file__).parent / "locales"


class Texts:
    """Translates the texts of pages into one language; a text that the catalogue lacks stays English."""

    def __init__(self, language: str):
        self.language = language
        self._catalogue = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """Return the translated text, with ``values`` put into its placeholders."""
        translated = self._catalogue.get(text, text)
        return translated.format(**values) if values else translated


def later(text: str) -> str:
    """Return the text unchanged; marks a text that is translated where it is shown, for the catalogues."""
    return text


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the translations of a language by English text; empty for English."""
    if language == "en":
        return {}
    return decode_json((_LOCALES / f"{language}.json").read_bytes(), dict[str, str])
