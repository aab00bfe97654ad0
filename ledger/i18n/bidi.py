"""Right-to-left names in texts from left to right, as those of both languages of this program are.

Without marks a number or an arrow behind an Arabic name, or the next name of a list, is shown on its other side.
"""

from __future__ import annotations

import re

ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"  # FSI and PDI of Unicode Standard Annex 9
# Hebrew, Arabic, Syriac, Thaana, N'Ko and so on, and the forms for presentation: the classes R and AL.
_RTL = "\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff"
_SEPARATES = r",;:|→←·…、，；：。“”\"()（）\[\]<>\n"
# What separates names, and letters of other scripts, are no part of a name; digits and blanks within it are.
_NAME = re.compile(rf"[{_RTL}](?:[^\w{_SEPARATES}]*[{_RTL}\d])*")
# Vowel signs and digits fit several alternatives: without the possessive ``*+`` a name takes time without end.
_WHOLE = re.compile(rf"(?:[{_RTL}]|[^\w→←·|]|\d)*+")


def isolated(text: str, begin: str = ISOLATE, end: str = END_OF_ISOLATE) -> str:
    """Return the text with ``begin`` and ``end`` around each right-to-left name, or around all of it if it is one.

    They are characters of Unicode unless they are given. A text without such names stays as it is.
    """
    if text.isascii() or _NAME.search(text) is None:
        return text
    if _WHOLE.fullmatch(text):
        return f"{begin}{text}{end}"
    return _NAME.sub(lambda name: f"{begin}{name[0]}{end}", text)
