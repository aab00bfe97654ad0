"""Search: how well what a reader types fits a model, in Chinese or English.

A word fits where it stands in a text. Chinese is written without spaces: a longer word fits in part where half of its
pairs of characters stand in the text, so that 扣押手机 finds what is told of 扣押的手机.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

_HAN: Final = re.compile(r"[\u3400-\u9fff]{3,}")
_LEAST_SHARE: Final = 0.5


class Fit(Struct, frozen=True, order=True):
    """``score`` is 1 for each word that stands in the text as typed; ``places`` names the texts with a word."""

    score: float
    places: tuple[str, ...] = ()


def fit(query: str, texts: Mapping[str, str]) -> Fit | None:
    """How well the query fits the texts, told by the name of each; None where a word of it fits none of them."""
    plain = {place: _plain(text) for place, text in texts.items()}
    score, places = 0.0, dict[str, None]()
    for word in _plain(query).split():
        shares = {place: _share(word, text) for place, text in plain.items()}
        best = max(shares.values(), default=0.0)
        if best < _LEAST_SHARE:
            return None
        score += best
        places |= dict.fromkeys(place for place, share in shares.items() if share == best)
    return Fit(score, tuple(places))


def _share(word: str, text: str) -> float:
    if word in text:
        return 1.0
    if not _HAN.fullmatch(word):
        return 0.0
    pairs = [word[at : at + 2] for at in range(len(word) - 1)]
    return sum(pair in text for pair in pairs) / len(pairs) * 0.9  # never as good as the word itself


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
