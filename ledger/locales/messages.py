"""What refusals, proofs and the log of reads say, in the reader's language.

They say it in English where they are made, for programs and for what is recorded. A text is found by its English, with
slots in braces, and what stood in the slots is put into the Chinese one.
"""

from __future__ import annotations

import re
from functools import cache

from ledger.locales import Labels, messages_in

_SLOT = "{}"


def said(text: str, labels: Labels) -> str:
    """The text, or the type of an event, in the reader's language; as it is where the catalogues have none like it."""
    for pattern, told in _patterns(labels.language):
        if match := pattern.fullmatch(text):
            return _filled(told, [said(part, labels) for part in match.groups()])
    return labels.find("event_type", text) or text


def _filled(told: str, parts: list[str]) -> str:
    """The slots filled: ``{}`` in their order, ``{0}`` with the first part, wherever it stands in English."""
    for number, part in enumerate(parts):
        told = told.replace(f"{{{number}}}", part) if f"{{{number}}}" in told else told.replace(_SLOT, part, 1)
    return told


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The catalogue's texts, those first that leave the least open."""
    texts = sorted(messages_in(language).items(), key=lambda text: len(text[0].replace(_SLOT, "")), reverse=True)
    return [
        (re.compile("(.+?)".join(map(re.escape, english.split(_SLOT))), re.DOTALL), told) for english, told in texts
    ]
