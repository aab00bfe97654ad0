"""Bodies of item events: things, data, money and persons in custody."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events.catalogue import Body, event
from ledger.core.events.terms import (
    Count,
    Date,
    DecisionId,
    Digest,
    Disposal,
    EventRef,
    Instant,
    ItemId,
    ItemKind,
    Line,
    MatchResult,
    Money,
    Number,
    OfficerId,
    PersonId,
    Quantity,
    SealState,
    Text,
    Value,
)

Digests = Annotated[tuple[Digest, ...], Meta(max_length=8)]


class Collection(Value, frozen=True):
    """How electronic data was taken: two collectors at least, tool, method, and the medium it came from."""

    collectors: Annotated[tuple[OfficerId, ...], Meta(min_length=2, max_length=16)]
    tool: Line
    method: Text
    medium_item_id: ItemId | None = None
    recording: Digests = ()


class Seizure(Value, frozen=True):
    """The act by which a thing came into custody; two officers at least sign the list, with holder and witness."""

    document_number: Number
    seized_at: Instant
    officers: Annotated[tuple[OfficerId, ...], Meta(min_length=2, max_length=16)]
    holder: PersonId | None = None
    witness: PersonId | None = None


class Dossier(Value, frozen=True):
    """Extent of a file: numbered volumes and pages in all."""

    volumes: Count
    pages: Count | None = None


@event("item.registered")
class ItemRegistered(Body, frozen=True):
    """A thing enters the case, held by the signing agency. Its kind decides which parts are required:

    ``dossier`` needs ``dossier``; ``electronic_data`` needs ``digests`` and ``collection``; ``detainee`` needs
    ``person_id``; money is ``property`` with ``money``.
    """

    item_id: ItemId
    item_kind: ItemKind
    description: Text
    quantity: Quantity
    exhibit_number: Number | None = None
    condition: Text | None = None
    seal_number: Number | None = None
    storage_location: Line | None = None
    digests: Digests = ()
    parent_items: tuple[ItemId, ...] = ()
    dossier: Dossier | None = None
    collection: Collection | None = None
    seizure: Seizure | None = None
    money: Money | None = None
    account: Number | None = None
    fungible: bool = False
    person_id: PersonId | None = None


@event("item.sealed")
class ItemSealed(Body, frozen=True):
    """A seal is put on an unsealed item."""

    item_id: ItemId
    seal_number: Number


@event("item.unsealed")
class ItemUnsealed(Body, frozen=True):
    """The seal ``seal_number`` is removed."""

    item_id: ItemId
    seal_number: Number
    ground: Text


@event("item.examined")
class ItemExamined(Body, frozen=True):
    """The result of an examination; ``match_result`` compares it with the record before."""

    item_id: ItemId
    method: Text
    match_result: MatchResult
    condition: Text | None = None
    quantity: Quantity | None = None
    digests: Digests = ()
    finding: Text | None = None


class ItemPart(Value, frozen=True):
    """A child of a split, or the whole of a merge."""

    item_id: ItemId
    quantity: Quantity
    description: Text | None = None
    money: Money | None = None
    seal_number: Number | None = None


@event("item.split")
class ItemSplit(Body, frozen=True):
    """The parts' quantities (and money) add up to the item's, exactly."""

    item_id: ItemId
    parts: Annotated[tuple[ItemPart, ...], Meta(min_length=2, max_length=1000)]


@event("item.merged")
class ItemMerged(Body, frozen=True):
    """Only fungible goods of one case, held by one agency, in one unit."""

    item_ids: Annotated[tuple[ItemId, ...], Meta(min_length=2, max_length=1000)]
    whole: ItemPart


@event("item.moved")
class ItemMoved(Body, frozen=True):
    """A change of location only: custody and responsibility stay."""

    item_id: ItemId
    storage_location: Line


@event("item.checked_out")
class ItemCheckedOut(Body, frozen=True):
    """An officer takes the item along; ``due_at`` is when it is due back."""

    item_id: ItemId
    to_officer: OfficerId
    ground: Text
    due_at: Instant | None = None


@event("item.checked_in")
class ItemCheckedIn(Body, frozen=True):
    """The item as it came back. What is stated becomes the record; what is left out stays as recorded."""

    item_id: ItemId
    condition: Text | None = None
    seal_number: Number | None = None
    quantity: Quantity | None = None
    seal_state: SealState | None = None
    digests: Digests = ()
    match_result: MatchResult | None = None
    remark: Text | None = None


@event("item.frozen")
class ItemFrozen(Body, frozen=True):
    """Property is frozen; ``frozen_until`` is the last day."""

    item_id: ItemId
    frozen_until: Date


@event("item.freeze_renewed")
class ItemFreezeRenewed(Body, frozen=True):
    """A freeze is renewed; ``frozen_until`` is the new last day."""

    item_id: ItemId
    frozen_until: Date


@event("item.disposal_proposed")
class ItemDisposalProposed(Body, frozen=True):
    """The first of the two signatures of a disposal; ``decision_id`` names the decision that orders it."""

    item_ids: Annotated[tuple[ItemId, ...], Meta(min_length=1, max_length=1000)]
    disposal: Disposal
    ground: Text
    decision_id: DecisionId | None = None
    recipient: Line | None = None


@event("item.disposed", roles=("supervisor",))
class ItemDisposed(Body, frozen=True):
    """The second signature, by another officer; ``cites`` is the proposal.

    ``proceeds`` is the child item of an early sale, held by the signing agency until it hands it over.
    """

    cites: EventRef
    disposed_at: Instant
    proceeds: ItemPart | None = None
