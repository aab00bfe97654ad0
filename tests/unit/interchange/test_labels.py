"""Labels of items: what a scanner reads, where they stand on a sheet, and what does not fit."""

from __future__ import annotations

import io

import pytest
import zxingcpp
from pypdf import PdfReader

from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.item import ItemSplit
from ledger.i18n import Labels
from ledger.interchange.papers.labels import MOST_LABELS, LabelSheet, label_sheet, print_labels
from tests.testkit.camera import pages_of
from tests.testkit.casework import Case, part

LONG = "一部黑色手机，屏幕有裂痕，" * 40


def sheet(case: Case, **options: object) -> LabelSheet:
    return label_sheet(case.state, "（2026）沪0101刑初123号", Labels("zh-CN"), str, **{"size": "a4-24", **options})  # type: ignore[arg-type]


def codes(labels: LabelSheet) -> list[list[str]]:
    """Return what a scanner reads on each page, from above."""
    return [[code.text for code in zxingcpp.read_barcodes(page)] for page in pages_of(print_labels(labels))]


def test_a_sheet_has_24_labels_from_its_first_free_place_on() -> None:
    """Each code is an id alone, and the words stand beside it in the reader's language."""
    names = [f"item-{number}" for number in range(1, 27)]
    case = Case(step=1).open().register(*names)
    first, second = codes(sheet(case, start=3))
    assert (sorted(first), sorted(second)) == (sorted(names[:22]), sorted(names[22:]))
    pdf = print_labels(sheet(case, start=3))
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert [float(side) for side in pages[0].mediabox[2:]] == pytest.approx([595.3, 841.9], abs=0.1)
    text = pages[0].extract_text()
    assert all(words in text for words in ("第 1 件", "police-east", "案件 （2026）")), text
    assert pdf == print_labels(sheet(case, start=3)), "the same labels are the same file"


def test_a_roll_has_a_page_each_whatever_is_written() -> None:
    """Texts that do not fit are cut off, and leave the code readable."""
    case = Case().open().register("item-1", description=LONG, exhibit_number="E" * 60, seal_number="封" * 60)
    case.register("item-2")
    assert codes(sheet(case, size="roll")) == [["item-1"], ["item-2"]]
    assert codes(sheet(case, size="roll", item_ids=("item-2",))) == [["item-2"]]
    assert codes(sheet(case, size="roll", first=2)) == [["item-2"]]


def test_nothing_that_is_no_more_gets_a_label_unasked() -> None:
    """Of what was split, its parts; itself only by its id."""
    case = Case(step=1).open().register("notes", "coat", quantity=2)
    case.say(ItemSplit, item_id="notes", parts=(part("a", 1), part("b", 1)))
    assert [label.code for label in sheet(case).labels] == ["coat", "a", "b"]
    assert [label.code for label in sheet(case, item_ids=("notes",)).labels] == ["notes"]


def test_labels_are_of_items_that_the_case_has() -> None:
    """An unknown item is named, none at all is refused, and so are more than are printed at once."""
    case = Case(step=1).open().register("item-1")
    with pytest.raises(NotFound, match="item-7"):
        sheet(case, item_ids=("item-7",))
    with pytest.raises(MalformedInput, match=f"1 to {MOST_LABELS} items, not 0"):
        sheet(case, first=2)
