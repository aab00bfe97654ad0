"""Texts of refusals, proofs and the access log in the reader's language.

They are raised in English, for programs and for the record. A text is looked up by its English with slots in braces,
and the parts in the slots are put into the Chinese one. The same is done for sentences that have a word of their own
(docs/decisions/0011), if only their English is at hand.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from ledger.i18n import Labels, messages_in

_SLOT = "{}"
# A detail of a step, a file or a setting: the field that it concerns, and what is wrong with that.
_PLACED = re.compile(r"([A-Za-z_][\w.\[\]:/-]*): (.+)", re.DOTALL)
_WORDED = "model_fault"
_OF_ANY_TEXT = (
    "comma",
    "or",
    "said",
    "hinted",
    "engine_said",
    "other_form",
    "expected",
    "expected_not",
    "fields_expected",
)


def said(text: str, labels: Labels) -> str:
    """Return the text, event type or verdict in the reader's language; unchanged if the catalogues lack it."""
    placed = _PLACED.fullmatch(text) if labels.language != "en" else None
    behind = said(placed[2], labels) if placed else ""
    if placed and behind == placed[2]:
        placed = None
    for pattern, translation in _patterns(labels.language):
        if match := pattern.fullmatch(text):
            if placed and _takes(match, placed.end(1)):
                break
            return _filled(translation, [said(part, labels) for part in match.groups()])
    if placed:
        return f"{placed[1]}：{behind}"
    return labels.find("event_type", text) or labels.find("verdict", text) or text


def _takes(match: re.Match[str], position: int) -> bool:
    """Return whether a slot, and not the catalogue's own words, matches this position."""
    return any(match.start(slot) <= position < match.end(slot) for slot in range(1, len(match.groups()) + 1))


def _filled(translation: str, parts: list[str]) -> str:
    """Fill the slots: ``{}`` in order, ``{0}`` with the first part wherever it is in English."""
    for number, part in enumerate(parts):
        translation = (
            translation.replace(f"{{{number}}}", part)
            if f"{{{number}}}" in translation
            else translation.replace(_SLOT, part, 1)
        )
    return translation


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the catalogue's texts, the most specific first."""
    translations = _worded(Labels("en"), Labels(language)) | messages_in(language) if language != "en" else {}
    texts = sorted(translations.items(), key=lambda text: len(text[0].replace(_SLOT, "")), reverse=True)
    return [
        (re.compile("(.+?)".join(map(re.escape, english.split(_SLOT))), re.DOTALL), translations)
        for english, translations in texts
    ]


def _worded(english: Labels, other: Labels) -> dict[str, str]:
    """Return the sentences that have words of their own, except those that any text could match.

    The label of a kind of thing (``a_column``) is matched only within a sentence: by itself it could be anybody's id.
    """
    words = english.all(_WORDED)
    kinds = [word for word in words if word.startswith("a_") and "{" not in words[word]]
    translations: dict[str, str] = {}
    for word, sentence in words.items():
        if word not in (*kinds, *_OF_ANY_TEXT):
            for kind in kinds if "{what}" in sentence else [""]:
                text = sentence.replace("{what}", words.get(kind, ""))
                names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
                places = {name: f"{{{names.index(name)}}}" for name in names} | {"what": other.of(_WORDED, kind)}
                translations[text.format(**dict.fromkeys(names, _SLOT))] = other.of(_WORDED, word).format(**places)
    return translations
