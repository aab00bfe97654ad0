"""The words that the library's pages for society say."""

from __future__ import annotations

import re
from importlib.resources import files

SHARES = ("all", "at_least", "less_than_80")  # said by ``pages`` itself


def public_words() -> tuple[str, ...]:
    """By the templates."""
    folder = files("ledger.supervision.library.public")
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".html"))
    words = {word for text in texts for word in re.findall(r'say\("(\w+)"\)', text)}
    return (*sorted(words), *SHARES)
