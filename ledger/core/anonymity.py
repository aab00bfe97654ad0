"""Anonymity: what in a text would lead its reader to a case, a thing or a person.

``traces`` finds what has the form of an identifier wherever it comes from; ``words`` are what may be ids of a ledger,
for whoever can compare them with those that there are. Names, and digits spelled out, are found by neither.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST_ID = 16  # parts between hyphens that an id is taken to have at most
_SHORTEST_ID = 4  # characters: a shorter one, or one without a digit, is a word like others
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_FORMS = {
    "identity card": r"(?<!\d)(?:\d{6}[ -]?(?:19|20)\d{6}[ -]?\d{3}[0-9Xx]|\d{15})(?![\dA-Za-z])",
    "bank card": r"(?<!\d)\d{4}(?:[ -]?\d{4}){3}(?:[ -]?\d{1,3})?(?!\d)",
    "phone": r"(?<!\d)(?:(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}[ -]?\d{7,8})(?!\d)",
    "long number": r"(?<!\d)\d{9,}(?!\d)",
    "case number": r"[(\[〔【〈]\s*(?:19|20)\d{2}\s*[)\]〕】〉][^\s,。;:、]{0,30}?\d+\s*号",
    "number plate": rf"[{_PROVINCES}][A-Z][ ·.-]?[A-Z0-9]{{5,6}}(?![A-Z0-9])",
    "digest or id": r"(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-f])",
    "id of an event": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "address of mail": r"[\w.+-]+@[\w-]+\.[\w.]+",
}
_COMPILED = {what: re.compile(form) for what, form in _FORMS.items()}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DIGIT = re.compile(r"\d")


def traces(text: str) -> dict[str, str]:
    """What in the text has the form of an identifier, and of which; full-width letters and digits count as plain."""
    plain = unicodedata.normalize("NFKC", text)
    found: dict[str, str] = {}
    for what, form in _COMPILED.items():
        for match in form.finditer(plain):
            found.setdefault(match[0], what)
    return found


def words(text: str) -> frozenset[str]:
    """All that may be an id in the text, as it stands and in lower case: every run of parts between hyphens."""
    found: set[str] = set()
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        parts = match[0].split("-")
        for first in range(len(parts)):
            for end in range(first + 1, min(first + _LONGEST_ID, len(parts)) + 1):
                word = "-".join(parts[first:end])
                if len(word) >= _SHORTEST_ID and _DIGIT.search(word):
                    found |= {word, word.lower()}
    return frozenset(found)
