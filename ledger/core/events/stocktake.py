"""Body of the event of a stocktake: what an agency counted in one of its places of storage.

It stands in the agency's own stream, which nobody else reads: a room has things of cases with different parties. Each
difference becomes a discrepancy in the case of its item, and tells nothing there of the other cases.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import Body, event

MOST_COUNTED = 1000  # things of one stocktake; a larger room is counted by its shelves


class CountedItem(terms.Value, frozen=True):
    """A thing, by its case."""

    case_id: terms.CaseId
    item_id: terms.ItemId


class CountedChange(CountedItem, frozen=True):
    """A thing that came into the room by the record while it was counted, or is gone from it, and was not scanned."""

    change: terms.ChangeInCount


class CountedDifference(terms.Value, frozen=True):
    """A thing of which record and count differ, as ``DiscrepancyRaised`` says it, and the discrepancy in its case.

    There is none of a surplus thing that the agency never held: what another agency holds is not for it to dispute.
    """

    case_id: terms.CaseId
    item_id: terms.ItemId
    kind: terms.DiscrepancyKind
    recorded_as: terms.RecordedAs
    expected: terms.Line | None = None
    found: terms.Line | None = None
    discrepancy_id: terms.DiscrepancyId | None = None


@event("stocktake.recorded", streams=("agency",))
class StocktakeRecorded(Body, frozen=True):
    """What was counted in a place of storage, against the record as of the log's first ``tree_size`` entries.

    ``present`` lies where the record says, or lay there when it was scanned and was moved or handed over since;
    ``unknown_codes`` stand for nothing that the agency's cases have. Of what differs already in an earlier count, the
    discrepancy is the earlier one. The count began when the log had ``started_size`` entries; ``changed_since`` came
    into the place by the record since then, or is gone from it, and was not scanned: it is not called missing.
    Compared were the first ``scans``, without the ``scans_taken_back`` among them.
    """

    stocktake_id: terms.StocktakeId
    storage_location: terms.Line
    started_at: terms.Instant
    counters: Annotated[tuple[terms.OfficerId, ...], Meta(min_length=1, max_length=16)]
    scans: terms.SafeInt
    scans_taken_back: terms.SafeInt
    started_size: terms.SafeInt
    tree_size: terms.SafeInt
    present: Annotated[tuple[CountedItem, ...], Meta(max_length=MOST_COUNTED)] = ()
    differences: Annotated[tuple[CountedDifference, ...], Meta(max_length=MOST_COUNTED)] = ()
    unknown_codes: Annotated[tuple[terms.Line, ...], Meta(max_length=MOST_COUNTED)] = ()
    changed_since: Annotated[tuple[CountedChange, ...], Meta(max_length=2 * MOST_COUNTED)] = ()
    number: terms.Number | None = None
    remark: terms.Text | None = None
