"""Faults of a model's file in a reader's language: what is said most is translated, the rest stays as the file's reader
says it."""

from __future__ import annotations

import re
from typing import NamedTuple

from api.texts import Texts, later
from ledger.supervision.model.refused import ModelRefused

_PATTERNS = {
    r"expected text: fill it in": later("fill it in"),
    r"expected text: write it in quotes": later("this looks like a number: write it in quotes"),
    r"missing": later("this part is missing"),
    r"missing: .*": later("this must be filled in"),
    r"unknown .+ (?P<word>'.*'): did you mean (?P<near>.+)\?": later("there is no {word}: is it {near}?"),
    r"unknown .+ (?P<word>'.*'): expected (?:one of )?(?P<near>.+)": later("not {word}, but one of: {near}"),
    r"expected a whole number.*": later("expected a whole number"),
    r"expected true or false.*": later("expected true or false"),
    r"expected a time in UTC such as (?P<like>\S+?),? not (?P<word>.*)": later("not {word}, but a time such as {like}"),
    r"expected a day such as (?P<like>\S+?),? not (?P<word>.*)": later("not {word}, but a day such as {like}"),
    r"expected (?P<low>\S+) to (?P<high>\S+), not (?P<word>.*)": later("not {word}, but from {low} to {high}"),
    r"the example (?P<name>'.*') expects (?P<expected>\[.*\]), found (?P<found>\[.*\])": later(
        "the example {name} must raise {expected}, and raises {found}"
    ),
    r"not YAML: (?P<why>.*)": later("this is no YAML: {why}"),
    r"expected the columns of lead.key: (?P<names>.*)": later("expected the columns of lead.key: {names}"),
}
_TOLD = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in _PATTERNS.items())


class ToldFault(NamedTuple):
    """``field`` is the place in the file, ``message`` what was expected there."""

    line: int
    field: str
    message: str


def told_faults(refused: ModelRefused, say: Texts) -> list[ToldFault]:
    """Each fault, by line."""
    return [ToldFault(line, field, _told(message, say)) for line, field, message in refused.faults]


def _told(message: str, say: Texts) -> str:
    if say.language == "en":
        return message
    for pattern, text in _TOLD:
        if found := pattern.fullmatch(message):
            return say(text, **found.groupdict()) if "{" in text else say(text)
    return message
