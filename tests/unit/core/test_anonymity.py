"""What leads to a case, a thing or a person is found in a text, however it is written; ordinary texts have none."""

from __future__ import annotations

import pytest

from ledger.core.supervision.anonymity import INSTEAD, Trace, known_traces, traces, words

FORMS = {
    "identity card": [
        *["身份证号31010119900307123X。", "card 310101 19900307 1234", "旧证310101900307123号"],
        "310101 1990 0307 7715",
    ],
    "bank card": ["卡号6222 0210 0111 2345 678"],
    "phone": ["电话１３８００１３８０００", "call +86 138-0013-8000", "call 021-64370000", "电话：010-6655-4433"],
    "long number": ["流水号 123456789"],
    "case number": ["（2026）沪0101刑初123号", "沪公（浦）立字〔2026〕1234号", "2026刑初12号"],
    "number plate": ["车牌沪A·12345"],
    "digest or id": ["person " + "5f" * 16, "blake3:" + "ab" * 32],
    "id of an event": ["event 0198c0de-0000-7000-8000-000000000001"],
    "address of mail": ["write to li@example.com"],
    "passport": ["护照E12345678被扣押"],
    "number of an organisation": ["某公司91310000MA1FL0ABCD的账户"],
    "number of a seal": ["封签号S-1003完好", "the bag with seal S-1003"],
    "number of an officer": ["民警警号012345经办", "sealed by officer P-0417"],
    "address": ["住中山路12号", "a flat at 12 Old Mill Road"],
    "name": [
        *["被告人张三到案后供述", "犯罪嫌疑人 李卫国", "民警王建国核实", "called upon Mr. Smith"],
        *["the defendant Zhang San admitted", "犯罪嫌疑人：李四", "被害人欧阳明", "被告人闫强"],
        *["被告人苗丽到案", "被告人高峰"],
        *["李四（被告人）供述", "defendant john smith", "the accused Zhang San", "被告人张\u200b三"],
    ],
    "address of a page": ["见 https://example.com/cases/1"],
}


@pytest.mark.parametrize(("text", "kind"), [(text, kind) for kind, texts in FORMS.items() for text in texts])
def test_what_has_the_form_of_an_identifier_is_found(text: str, kind: str) -> None:
    """By its form alone: no list of persons is needed for it."""
    (trace,) = traces(text)
    assert trace.kind == kind
    assert text[trace.start :].startswith(trace.text)
    assert trace.instead == INSTEAD[kind]


@pytest.mark.parametrize(
    "text",
    [
        "2026年3月1日至2026年3月15日，某市扣押手机3部，价值12000元，随案移送时漏列1部。",
        "Between 2026-03-01 and 2026-03-15 a county seized 3 phones worth 12,000 yuan; one was left out (CPL 245).",
        "刑事诉讼法第二百四十五条；2018年修正，法发〔2016〕号",
        "依据第175条，第三次退回补充侦查 (2019) 的做法",
        "被告人张某、李某某和被告人王甲供述，证人何时何地看见，被告人曾经供述，被告人文化程度高中。",
        "被告人刘某某、被害人李某甲和证人欧阳某某到案；某某（被害人）由民警王某某询问。",
        "被告人：高中文化，欧阳某；李某（被害人）、文书（见证人）；the suspect later left, the accused was heard.",
        "被告人于三月到案，被害人和证人均未到庭；嫌疑人应当到案，民警周围搜索，法官任何时候可以询问。",
        "The defendant Zhang X, Mr X and Mr Li Mou; the seal was broken; an officer went; witness of the County Court",
        "住某路12号，价值12345.67元，封条破损，警号不详。",
        "The officer who sealed it signed on 2026-03-01; the seal of 2 bags differed.",
    ],
)
def test_ordinary_texts_are_anonymous(text: str) -> None:
    """Days, sums, counts and articles lead to nobody."""
    assert traces(text) == ()


def test_words_that_may_be_ids_are_told_with_their_parts() -> None:
    """Beside Chinese, in capitals, joined to more or full-width. A phone may be called a phone, even where some item
    has that id; a long chain of parts is not taken apart."""
    assert {"theft-21", "p-0417", "theft-12-phone"} <= words("案件theft-21由P-0417经办，见ｔｈｅｆｔ-12-phone-and")
    assert {"S-0042", "s-0042"} <= words("seal S-0042.")
    assert words("a phone, 3 knives in 12 days") == frozenset()
    assert max(len(word) for word in words("-".join(["a1"] * 4000))) < 100


def test_a_trace_is_told_with_its_place() -> None:
    """By its first character in the text as it was written, full-width or not, with what stands around it."""
    text = "案中扣押的手机，电话１３８００１３８０００，号码已停用，另有说明。"
    (trace,) = traces(text)
    assert trace == Trace(10, "１３８００１３８０００", "phone")
    assert trace.shown_in(text) == "…押的手机，电话[１３８００１３８０００]，号码已停用，另…".replace("…押", "…扣押")
    (first,) = traces("13800138000")
    assert first.shown_in("13800138000") == "[13800138000]"


def test_what_is_known_is_told_where_it_stands() -> None:
    """An id of the ledger in any writing; what names nothing is left alone; every kind has advice."""
    identifiers = {"theft-21": "case", "p-0417": "officer", "s-1003": "thing"}
    text = "in THEFT-21-x, by ｐ-0417; rule-4711 and S-1003"
    places = known_traces(text, identifiers)
    texts = [(place.text, place.kind) for place in places]
    assert texts == [("THEFT-21", "case"), ("ｐ-0417", "officer"), ("S-1003", "thing")]
    assert places[0].instead == INSTEAD["case"]
    assert places[2].instead.startswith("leave it out")


def test_one_place_is_told_once() -> None:
    """By the first of its forms, and where it stands: ㎏ is two letters in compatibility form."""
    assert [place.kind for place in traces("310101199003071234 138001380001380")] == ["identity card", "identity card"]
    (trace,) = traces("2㎏, call 13800138000")
    assert (trace.start, trace.text) == (9, "13800138000")
