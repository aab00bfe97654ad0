"""The verify page's words: whatever the verifier says is told in the reader's language."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from api.console.verify.verify_pages import words_in
from ledger.core.events.terms import Verdict
from ledger.i18n import LANGUAGES
from scripts.texts import in_verifier
from tests.testkit.machine import REPOSITORY

VERIFIER = REPOSITORY / "api" / "console" / "verify" / "verifier"
# A sentence that is chosen or returned as it is.
BARE = re.compile(r'(?:\? |: |, |return )("[^"\n]*[a-z] [a-z][^"\n]*")')


def test_the_page_has_each_reason_of_the_verifier() -> None:
    """A Chinese page has them by their ids, an English one shows the ids; none is said as text without its id."""
    assert words_in("zh-CN")["reasons"].keys() == in_verifier()
    assert words_in("en")["reasons"] == {}
    assert [text for file in VERIFIER.glob("[!t]*.js") for text in BARE.findall(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_and_verdict_has_words(language: str) -> None:
    """What it means that a step was checked, and that it was not, wherever it can be so."""
    words = words_in(language)
    never = {"ledger", "checkpoint", "signature"}  # are checked or fail
    for name, step_words in words["steps"].items():
        assert step_words["name"], name
        assert step_words["checked"], name
        assert step_words["not_checked"] or name in never, name
    assert set(words["verdicts"]) == set(words["meanings"]) == set(get_args(Verdict))
