"""What leads to a case, a thing or a person is found in a text, however it is written; ordinary texts have none."""

from __future__ import annotations

import pytest

from ledger.core.anonymity import traces, words


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("身份证号31010119900307123X。", "identity card"),
        ("card 310101 19900307 1234", "identity card"),
        ("旧证310101900307123号", "identity card"),
        ("卡号6222 0210 0111 2345 678", "bank card"),
        ("电话１３８００１３８０００", "phone"),
        ("call +86 138-0013-8000", "phone"),
        ("call 021-64370000", "phone"),
        ("流水号 123456789", "long number"),
        ("（2026）沪0101刑初123号", "case number"),
        ("沪公（浦）立字〔2026〕1234号", "case number"),
        ("车牌沪A·12345", "number plate"),
        ("person " + "5f" * 16, "digest or id"),
        ("blake3:" + "ab" * 32, "digest or id"),
        ("event 0198c0de-0000-7000-8000-000000000001", "id of an event"),
        ("write to li@example.com", "address of mail"),
    ],
)
def test_what_has_the_form_of_an_identifier_is_found(text: str, what: str) -> None:
    """By its form alone: no list of persons is needed for it."""
    assert what in traces(text).values()


@pytest.mark.parametrize(
    "text",
    [
        "2026年3月1日至2026年3月15日，某市扣押手机3部，价值12000元，随案移送时漏列1部。",
        "Between 2026-03-01 and 2026-03-15 a county seized 3 phones worth 12,000 yuan; one was left out (CPL 245).",
        "刑事诉讼法第二百四十五条；2018年修正，法发〔2016〕号",
        "依据第175条，第三次退回补充侦查 (2019) 的做法",
    ],
)
def test_ordinary_texts_are_anonymous(text: str) -> None:
    """Days, sums, counts and articles lead to nobody."""
    assert traces(text) == {}


def test_words_that_may_be_ids_are_told_with_their_parts() -> None:
    """Beside Chinese, in capitals, joined to more or full-width: an id is among the words as the ledger has it."""
    assert {"theft-21", "p-0417", "theft-12-phone"} <= words("案件theft-21由P-0417经办，见ｔｈｅｆｔ-12-phone-and")
    assert {"S-0042", "s-0042"} <= words("seal S-0042.")


def test_words_without_digits_or_too_short_are_no_ids() -> None:
    """A phone may be called a phone, even where some item has that id; a long chain of parts is not taken apart."""
    assert words("a phone, 3 knives in 12 days") == frozenset()
    assert max(len(word) for word in words("-".join(["a1"] * 4000))) < 100
