"""Ids in texts: shown as far as tells them apart, whole in the title, and what others wrote stays text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.console.shared.formats import MOST, abridged, brief, in_brief

PERSON = "6fadde293207092c80925ef293ba0590"
KEY = "0x0b1bee2cf9aa6b3485885fd87574e87551469463"
CASE = "sample-05-detained-then-bailed"


def test_ids_are_abridged_where_they_stand() -> None:
    """Pseudonyms and keys to eight digits, also beside Chinese; the ids that are named at both ends. Words, numbers and
    ids within longer ones stay."""
    sentence = f"案件 {CASE} 人员{PERSON}于密钥{KEY}。"
    assert in_brief(sentence, CASE) == "案件 sample-05…n-bailed 人员6fadde29…于密钥0x0b1bee2c…。"
    assert f'<span title="{CASE}">' in brief(sentence, CASE)
    assert f'<span title="{PERSON}">6fadde29…</span>' in brief(sentence)
    for text in ("decade 2026-11-17 10:00", "案件 case-1", f"x{PERSON}", f"{CASE}-proceeds", "a" * 19):
        assert in_brief(text, CASE, "case-1", None) == text


@given(st.text(alphabet="<>&\"'0af人 -", max_size=80))
def test_text_stays_text(text: str) -> None:
    """No markup comes out of what somebody wrote, and nothing of it is lost that is no id."""
    assert "<" not in str(brief(text)).replace("<span title=", "").replace("</span>", "")
    assert len(abridged(text)) <= max(MOST, 0)
    assert abridged(text)[:3] == text[:3]
