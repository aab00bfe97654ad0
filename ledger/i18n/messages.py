"""What refusals, proofs and the log of reads say, in the reader's language.

They say it in English where they are made, for programs and for what is recorded. A text is found by its English, with
slots in braces, and what stood in the slots is put into the Chinese one. So are the sentences that have a word of their
own (docs/decisions/0011), where nothing but their English has come here.
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
    """The text, the type of an event or a verdict in the reader's language; as it is where the catalogues have none."""
    placed = _PLACED.fullmatch(text) if labels.language != "en" else None
    behind = said(placed[2], labels) if placed else ""
    if placed and behind == placed[2]:
        placed = None
    for pattern, told in _patterns(labels.language):
        if match := pattern.fullmatch(text):
            if placed and _takes(match, placed.end(1)):
                break
            return _filled(told, [said(part, labels) for part in match.groups()])
    if placed:
        return f"{placed[1]}：{behind}"
    return labels.find("event_type", text) or labels.find("verdict", text) or text


def _takes(match: re.Match[str], position: int) -> bool:
    """Tell whether a slot takes what stands there, so that the catalogue's own words do not."""
    return any(match.start(slot) <= position < match.end(slot) for slot in range(1, len(match.groups()) + 1))


def _filled(told: str, parts: list[str]) -> str:
    """The slots filled: ``{}`` in their order, ``{0}`` with the first part, wherever it stands in English."""
    for number, part in enumerate(parts):
        told = told.replace(f"{{{number}}}", part) if f"{{{number}}}" in told else told.replace(_SLOT, part, 1)
    return told


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The catalogue's texts, those first that leave the least open."""
    told = _worded(Labels("en"), Labels(language)) | messages_in(language) if language != "en" else {}
    texts = sorted(told.items(), key=lambda text: len(text[0].replace(_SLOT, "")), reverse=True)
    return [
        (re.compile("(.+?)".join(map(re.escape, english.split(_SLOT))), re.DOTALL), told) for english, told in texts
    ]


def _worded(english: Labels, other: Labels) -> dict[str, str]:
    """The sentences of words, but those that any text could be. What something is (``a_column``) has its label within
    them alone: by itself it may be anybody's id."""
    words = english.all(_WORDED)
    kinds = [word for word in words if word.startswith("a_") and "{" not in words[word]]
    told: dict[str, str] = {}
    for word, sentence in words.items():
        if word not in (*kinds, *_OF_ANY_TEXT):
            for kind in kinds if "{what}" in sentence else [""]:
                text = sentence.replace("{what}", words.get(kind, ""))
                names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
                places = {name: f"{{{names.index(name)}}}" for name in names} | {"what": other.of(_WORDED, kind)}
                told[text.format(**dict.fromkeys(names, _SLOT))] = other.of(_WORDED, word).format(**places)
    return told
