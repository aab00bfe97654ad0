"""The report of a stocktake on paper: what was counted, by whom, and each difference in words, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.events.stocktake import MOST_COUNTED, CountedChange, CountedDifference, CountedItem, StocktakeRecorded
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText
from ledger.interchange.papers.stocktake_paper import PrintedStocktake, stocktake_paper
from ledger.interchange.papers.typeset import typeset
from ledger.store.log import StoredEntry
from tests.testkit.builders import LAB, LOG_ID, POLICE, Writer, clerk
from tests.unit.interchange.printing import names
from tests.unit.interchange.test_typeset import text_of

WORDS = {
    "en": (
        *("Report of a stocktake", "Room 3", "p-0099", "In place: 1. Missing: 1. Surplus: 1.", "the yard was dark"),
        *("Missing", "not there", "held by lab-east", "none: this agency never held it", "Under another seal", "S-9"),
        *(
            "Came or gone during the count",
            "gone from the room",
            "a hat",
            "x-17",
            "count-1",
            "2026-7",
            "East District Public Security Bureau",
        ),
    ),
    "zh-CN": (
        *("盘库报告", "Room 3", "p-0099", "在位 1 件；缺失 1 件；多出 1 件", "未见", "由lab-east保管", "从未保管"),
        *("封条S-9", "盘库期间入库或离库", "离库", "a hat", "x-17", "count-1", "东区公安局", "清点人员"),
    ),
}


def line(item_id: str) -> dict[str, str]:
    return {"case_id": "case-1", "item_id": item_id}


def counted(**fields: Any) -> StocktakeRecorded:
    body = StocktakeRecorded(
        stocktake_id="stocktake-1",
        storage_location="Room 3",
        started_at="2026-03-01T22:00:00Z",
        counters=("p-0001", "p-0099"),
        scans=7,
        scans_taken_back=1,
        started_size=7,
        tree_size=9,
        present=(CountedItem(**line("knife")),),
        differences=(
            CountedDifference(**line("coat"), kind="missing", recorded_as="unplaced", discrepancy_id="count-1"),
            CountedDifference(
                **line("lamp"), kind="surplus", recorded_as="held_elsewhere", expected=LAB, found="Room 3"
            ),
            CountedDifference(
                **line("bike"), kind="seal", recorded_as="sealed", expected="S-1", found="S-9", discrepancy_id="count-2"
            ),
            CountedDifference(
                **line("car"), kind="location", recorded_as="checked_out", found="Room 3", discrepancy_id="count-3"
            ),
        ),
        unknown_codes=("x-17",),
        changed_since=(CountedChange(**line("hat"), change="gone"),),
        remark="the yard was dark",
    )
    return replace(body, **fields)


def printed(body: StocktakeRecorded, language: PaperLanguage, *nonexistent: tuple[str, str]) -> str:
    """Return the text of the paper."""
    writer = Writer("agency", POLICE)
    event = writer.write(body, clerk(POLICE))
    envelope = event.envelope
    entry = StoredEntry(
        log_index=12,
        event_id=envelope.event_id,
        event_type=envelope.event_type,
        stream_kind="agency",
        stream_id=POLICE,
        sequence=0,
        agency=POLICE,
        key_id=envelope.key_id,
        payload_digest=event.digest,
        signed_at=envelope.signed_at,
        recorded_at=envelope.signed_at * 1000,
        committed_size=13,
        envelope=event.entry,
        payload=event.payload_bytes,
    )
    descriptions = {("case-1", "hat"): "a hat", ("case-1", "coat"): "a coat"}
    stocktake = PrintedStocktake(entry, event.event, body, descriptions, {"case-1": "2026-7"}, nonexistent)
    text = PaperText(language, names)
    sheet = stocktake_paper(stocktake, text, log_id=f"0x{LOG_ID.hex()}", verify_url="https://ledger.test/verify")
    return text_of(typeset(sheet)).replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_report_tells_the_whole_count(language: PaperLanguage) -> None:
    """Who counted what and when, each kind of difference with both sides, what changed, and the discrepancies."""
    text = printed(counted(), language)
    for word in WORDS[language]:
        assert word.replace(" ", "") in text, word


@pytest.mark.parametrize(
    ("language", "words"), [("en", "the case has none: {}"), ("zh-CN", "案件中并无此项差异：{}")], ids=["en", "zh"]
)
def test_a_report_tells_which_discrepancies_do_not_exist(language: PaperLanguage, words: str) -> None:
    """Beside the thing stands that its case has none of that id; of the others stands the id alone."""
    text = printed(counted(), language, ("case-1", "count-2"), ("case-2", "count-1"))
    for discrepancy_id, is_lacking in (("count-1", False), ("count-2", True), ("count-3", False)):
        assert discrepancy_id in text
        assert (words.format(discrepancy_id).replace(" ", "") in text) is is_lacking


def test_a_full_count_prints() -> None:
    """The most that a stocktake takes is on its paper, the last thing too; what there is none of has no list."""
    present = tuple(CountedItem(**line(f"thing-{number}")) for number in range(MOST_COUNTED))
    text = printed(counted(present=present, differences=(), changed_since=(), unknown_codes=(), remark=None), "both")
    assert f"thing-{MOST_COUNTED - 1}" in text
    assert "Unknowncodes/" not in text
    assert "x-17" not in text
