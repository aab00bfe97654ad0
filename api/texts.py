"""Texts of pages: written in English in the code, and translated where they are shown."""

from __future__ import annotations

from ledger.core.messages import Message
from ledger.i18n import translate


class Texts:
    """Translates the texts of pages into one language; a text that the catalogue lacks stays English."""

    def __init__(self, language: str):
        self.language = language

    def __call__(self, text: str, /, **values: object) -> str:
        """Return the translated text, with ``values`` put into its placeholders."""
        return translate(Message(text, **values) if values else text, self.language)


def later(text: str) -> str:
    """Return the text unchanged; marks a text that is translated where it is shown, for the catalogues."""
    return text
