"""Labels of items, to be printed and stuck on bags and boxes: each with a QR code that a scanner reads.

The code is the item's id and nothing else, in lower case as the ledger has it: that is what the fields for a scanner
take (docs/console.md, "Labels").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from ledger.core.custody import CaseState
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.messages import Message
from ledger.i18n import Labels, translate
from ledger.interchange.papers.typeset import qr_code, typeset_data
from ledger.timeline.sentences import Names

LabelSize = Literal["a4-24", "roll"]
SIZES: Final[dict[str, dict[str, float]]] = {  # millimetres
    "a4-24": {"width": 70, "height": 37, "columns": 3, "rows": 8, "page_width": 210, "page_height": 297, "top": 0.5},
    "roll": {"width": 60, "height": 40, "columns": 1, "rows": 1, "page_width": 60, "page_height": 40, "top": 0},
}
SIZE_NAMES: Final[dict[str, Message]] = {
    "a4-24": Message("A4, 24 labels of 70 × 37 mm"),
    "roll": Message("Roll, labels of 60 × 40 mm"),
}
MOST_LABELS: Final = 500


class ItemLabel(Struct, frozen=True):
    """What stands on a label: ``code`` is in the QR code, ``number`` is the exhibit number or the place in the case."""

    code: str
    number: str
    description: str
    case_number: str
    seal_number: str
    agency: str


class LabelSheet(Struct, frozen=True):
    """Labels of one size; of the first sheet those before ``start``, counted from 1, are used up already."""

    size: LabelSize
    language: str
    labels: tuple[ItemLabel, ...]
    start: int = 1


def label_sheet(
    state: CaseState,
    case_number: str,
    labels: Labels,
    names: Names,
    *,
    size: LabelSize,
    item_ids: Sequence[str] = (),
    first: int = 1,
    start: int = 1,
) -> LabelSheet:
    """Return the labels of some items of a case, or of all from its item number ``first`` on that somebody holds.

    Raises NotFound for an item that the case does not have, and MalformedInput for too many.
    """
    places = {item_id: place for place, item_id in enumerate(state.items, 1)}
    missing = next((item_id for item_id in item_ids if item_id not in places), None)
    if missing is not None:
        raise NotFound("this case has no item {item_id}", item_id=missing[:64], field="item")
    chosen = tuple(dict.fromkeys(item_ids)) or tuple(
        item_id for item_id, place in places.items() if place >= first and state.items[item_id].is_live
    )
    if not chosen or len(chosen) > MOST_LABELS:
        raise MalformedInput(
            "expected 1 to {limit} items, not {count}", limit=MOST_LABELS, count=len(chosen), field="item"
        )
    printed = tuple(
        ItemLabel(
            code=item.item_id,
            number=item.exhibit_number
            or translate(Message("No. {number}", number=places[item.item_id]), labels.language),
            description=item.description,
            case_number=case_number,
            seal_number=item.seal_number or "",
            agency=names(item.holder),
        )
        for item in map(state.items.__getitem__, chosen)
    )
    return LabelSheet(size, labels.language, printed, start)


def print_labels(sheet: LabelSheet) -> bytes:
    """Return the PDF. Raises Unavailable if this machine lacks the fonts."""
    data = {
        "language": sheet.language,
        "size": SIZES[sheet.size],
        "words": {
            "case": translate(Message("Case"), sheet.language),
            "seal": translate(Message("Seal"), sheet.language),
        },
        "blank": sheet.start - 1,
        "labels": [msgspec.to_builtins(label) for label in sheet.labels],
        "codes": [qr_code(label.code, field="item_id") for label in sheet.labels],
    }
    return typeset_data("labels", data)
