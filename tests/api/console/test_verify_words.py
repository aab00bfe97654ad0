"""The verify page's words: every reason that the verifier can give is told in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from typing import get_args

import pytest

from api.console.verify.verify_pages import reasons_in, words_in
from ledger.core.events.terms import Verdict
from ledger.i18n import LANGUAGES
from tests.testkit.machine import REPOSITORY

VERIFIER = REPOSITORY / "api" / "console" / "verify" / "verifier"
SAYING = r"\b(?:checked|failed|unchecked|unshown|refuse)\((?P<text>{})"
# A reason that is chosen before it is said: a row of a table of faults, and what a function returns of one.
CHOSEN = r"(?:\], |[a-z0-9)] ?, |return |\? )(?P<text>{})(?:\]| :|;)"
LITERAL = r"`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\])*\""
# Parts of reasons that are put together, and a constant.
APART = (
    "a bundle has at most 4 MiB",
    "{} withheld",
    "{} erased",
    "{} withheld: an erasure is claimed that does not hold, {}",
    "; RFC 3161 timestamps are not checked by this verifier",
)


def said() -> Iterator[str]:
    """Yield the verifier's reasons, with {} for what is filled in."""
    for name in ("verify", "steps", "chain", "log", "forms"):
        source = (VERIFIER / f"{name}.js").read_text(encoding="utf-8")
        for pattern in (SAYING, CHOSEN):
            for match in re.finditer(pattern.format(LITERAL), source):
                text = re.sub(r"\$\{(?:[^{}]|\{[^}]*\}|`[^`]*`)*\}", "{}", match["text"][1:-1])
                if " " in text:
                    yield text


def test_every_reason_is_told_in_chinese() -> None:
    """A reason that the verifier gives stands in the catalogue with as many slots; none is left over."""
    given = {*said(), *APART}
    reasons = reasons_in("zh-CN")
    assert given - set(reasons) == set()
    assert set(reasons) - given == set()
    assert [text for text, chinese in reasons.items() if not re.search(r"[一-鿿]", chinese)] == []
    for text, chinese in reasons.items():
        slots = re.findall(r"\{\d?\}", chinese)
        assert len(slots) == text.count("{}"), text
        numbered = [[f"{{{at}}}" for at in order] for order in permutations(range(len(slots)))]
        assert slots in [["{}"] * len(slots), *numbered], text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_and_verdict_has_words(language: str) -> None:
    """What it means that a step was checked, and that it was not, wherever it can be so."""
    words = words_in(language)
    never = {"form", "ledger", "signature"}  # are checked or fail
    for steps in (words["steps"], words["case_steps"]):
        for name, step_words in steps.items():
            assert step_words["name"], name
            assert step_words["checked"], name
            assert step_words["not_checked"] or name in never, name
    assert set(words["verdicts"]) == set(words["meanings"]) == set(get_args(Verdict))
