"""Stocktakes: a place of storage as it is counted, against the record.

A place is written as the agency likes, from the room on: ``Room 3, shelf 12``. Whoever counts ``Room 3`` counts all
that begins with it, but not ``Room 30``: what follows must not go on with the last number or Latin word.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.state import Item, ItemStatus
from ledger.core.events.terms import ChangeInCount, DiscrepancyKind, RecordedAs

ScanResult = Literal["present", "elsewhere", "surplus", "unknown", "again", "ambiguous"]
SCAN_RESULTS: tuple[ScanResult, ...] = get_args(ScanResult)
GOES_ON = string.ascii_letters + string.digits  # signs that go on with a number or a word


class StoredItem(Struct, frozen=True):
    """An item as the record has it by now, since the entry ``updated_index``; its ``holder`` may be any agency."""

    case_id: str
    item_id: str
    description: str
    holder: str
    status: ItemStatus
    seal_number: str | None = None
    storage_location: str | None = None
    updated_index: int = 0


class CountedCode(Struct, frozen=True):
    """A code that was scanned, with the item that it stands for by now, None if the agency's cases have none.

    ``seal_number`` is the seal that whoever counted read on it, if he looked; it ``fitted`` if the record had it then.
    The thing ``was_present`` if it lay where the record said when it was scanned.
    """

    code: str
    item: StoredItem | None
    seal_number: str | None = None
    fitted: bool = False
    was_present: bool = False


class CountDifference(Struct, frozen=True):
    """A difference between the record and the item as it was counted, as ``DiscrepancyRaised`` says it.

    How it is ``recorded_as``, the place, holder or seal that the record has (``expected``), and the place where it was
    counted or the seal that was read (``found``).
    """

    kind: DiscrepancyKind
    recorded_as: RecordedAs
    expected: str | None = None
    found: str | None = None


class CountedSide(Struct, frozen=True):
    """A side of such a difference: a word, and the place, holder or seal that goes with it."""

    word: RecordedAs | Literal["not_there"]
    text: str | None = None


def sides_of(
    kind: DiscrepancyKind, recorded_as: RecordedAs, expected: str | None, actual: str | None
) -> tuple[CountedSide, CountedSide]:
    """Return both sides of a difference: how the record has it, and how it was counted."""
    counted: RecordedAs | Literal["not_there"] = "sealed" if kind == "seal" else "placed"
    return CountedSide(recorded_as, expected), CountedSide("not_there" if kind == "missing" else counted, actual)


class ItemCount(Struct, frozen=True):
    """What was counted of one item: nothing is different where it is present."""

    item: StoredItem
    differences: tuple[CountDifference, ...]


class ChangedItem(Struct, frozen=True):
    """An item that came into the room by the record while it was counted, or is gone from it, and was not scanned."""

    item: StoredItem
    change: ChangeInCount


class StocktakeComparison(Struct, frozen=True):
    """Count and record: what lies where it should, what differs, and codes that stand for nothing.

    ``changed_since`` came into the room by the record since the count began, or is gone from it, and was not scanned:
    it is not called missing.
    """

    present: tuple[StoredItem, ...]
    differing: tuple[ItemCount, ...]
    unknown_codes: tuple[str, ...]
    changed_since: tuple[ChangedItem, ...] = ()


def lies_in(place: str | None, room: str) -> bool:
    """Tell whether a place of storage is the room, or one in it."""
    if place is None or not place.startswith(room):
        return False
    rest = place[len(room) :]
    return not rest or room[-1] not in GOES_ON or rest[0] not in GOES_ON


def differences_of(item: StoredItem, seal_number: str | None, *, agency: str, room: str) -> tuple[CountDifference, ...]:
    """Return how an item that was counted in the room differs from the agency's record of it."""
    word, text = recorded_place(item, agency)
    if word not in ("placed", "unplaced", "checked_out"):
        return (CountDifference("surplus", word, text, room),)
    is_here = word == "placed" and lies_in(text, room)
    differing = () if is_here else (CountDifference("location", word, text, room),)
    return (*differing, *_seal_differences(item, seal_number))


def recorded_place(item: Item | StoredItem, agency: str) -> tuple[RecordedAs, str | None]:
    """Return how the record has a thing for an agency that counts it, with the place or holder that it names."""
    if item.holder != agency:
        return "held_elsewhere", item.holder
    if item.status != "held":
        return item.status, None
    return ("unplaced", None) if item.storage_location is None else ("placed", item.storage_location)


def recorded_seal(item: Item | StoredItem) -> tuple[RecordedAs, str | None]:
    """Return how the record has a thing that is counted, with the seal that it names."""
    return ("unsealed", None) if item.seal_number is None else ("sealed", item.seal_number)


def _seal_differences(item: StoredItem, seal_number: str | None) -> tuple[CountDifference, ...]:
    if seal_number in (None, item.seal_number):
        return ()
    return (CountDifference("seal", *recorded_seal(item), seal_number),)


def result_of(scan: CountedCode, earlier: Collection[tuple[str, str]], *, agency: str, room: str) -> ScanResult:
    """Return what a scan comes to; ``earlier`` are case and id of the items that were scanned before."""
    if scan.item is None:
        return "unknown"
    if (scan.item.case_id, scan.item.item_id) in earlier:
        return "again"
    kinds = {difference.kind for difference in differences_of(scan.item, None, agency=agency, room=room)}
    return "surplus" if "surplus" in kinds else "elsewhere" if kinds else "present"


def compared(
    expected: Iterable[StoredItem],
    scans: Iterable[CountedCode],
    *,
    agency: str,
    room: str,
    at_opening: Collection[StoredItem] = (),
    missing: Collection[tuple[str, str]] = (),
) -> StocktakeComparison:
    """Compare what was counted in a room of the agency with what the record says is ``expected`` there.

    ``at_opening`` is what lay there by the record when the count began, as the record has it by now, ``missing`` are
    case and id of things that are called missing although they came in since. Of an item that was scanned several
    times, the last seal counts that was read on it, if it did not fit the record then. What lay in its place when it
    was scanned and left the room since then, by the record, counts as in place, but for a wrong seal. What lies in the
    room by the record, and did when the count began, is missing unless it was scanned, whatever else changed of it.
    """
    counted: dict[tuple[str, str], CountedCode] = {}
    unknown: dict[str, None] = {}
    for scan in scans:
        if scan.item is None:
            unknown[scan.code] = None
            continue
        key = scan.item.case_id, scan.item.item_id
        before = counted.get(key, scan)
        read = before if scan.seal_number is None else scan
        counted[key] = replace(
            scan,
            seal_number=read.seal_number,
            fitted=read.fitted,
            was_present=scan.was_present or before.was_present,
        )
    present: list[StoredItem] = []
    differing: list[ItemCount] = []
    changed_since: list[ChangedItem] = []
    for scan in counted.values():
        assert scan.item is not None, "unknown codes are not among them"
        # A seal that fitted may have been replaced since: nobody has read the new one.
        seal_number = None if scan.fitted else scan.seal_number
        if scan.was_present:
            differences = _seal_differences(scan.item, seal_number)
        else:
            differences = differences_of(scan.item, seal_number, agency=agency, room=room)
        if differences:
            differing.append(ItemCount(scan.item, differences))
        else:
            present.append(scan.item)
    expected_by_now = {(item.case_id, item.item_id): item for item in expected}
    lay_here = {(item.case_id, item.item_id): item for item in at_opening}
    for key, item in expected_by_now.items():
        if key in counted:
            continue
        if key not in lay_here and key not in missing:
            changed_since.append(ChangedItem(item, "came"))
        else:
            gone = CountDifference("missing", *recorded_place(item, agency))
            differing.append(ItemCount(item, (gone,)))
    is_told = expected_by_now.keys() | counted.keys()
    changed_since += [ChangedItem(item, "gone") for key, item in lay_here.items() if key not in is_told]
    return StocktakeComparison(tuple(present), tuple(differing), tuple(unknown), tuple(changed_since))
