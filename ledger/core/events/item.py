"""Bodies of item events: things, data, money and persons in custody."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from ledger.core.events import terms
from ledger.core.events.case import Particulars
from ledger.core.events.catalogue import Body, event

Digests = Annotated[tuple[terms.Digest, ...], Meta(max_length=8)]
Holds = Annotated[tuple[terms.HoldId, ...], Meta(max_length=100)]


class Collection(terms.Value, frozen=True):
    """How electronic data was taken: collectors, tool, method, and the medium it came from.

    If it was taken over a network, ``address`` is that of the remote system, ``network_time_at`` the time that a time
    server gave, and the item's ``account`` is that whose data it is. ``record_number`` is that of the record of it.
    ``no_witness`` says why nobody witnessed it, ``medium_not_taken`` why the medium was not.
    """

    collectors: Annotated[tuple[terms.OfficerId, ...], Meta(min_length=1, max_length=16)]
    tool: terms.Line
    method: terms.Text
    medium_item_id: terms.ItemId | None = None
    recording: Digests = ()
    address: terms.Line | None = None
    network_time_at: terms.Instant | None = None
    record_number: terms.Number | None = None
    witness: terms.PersonId | None = None
    no_witness: terms.Text | None = None
    medium_not_taken: terms.Text | None = None


class Seizure(terms.Value, frozen=True):
    """The act by which a thing came into custody; its officers sign the list, with holder and witness.

    ``place`` is where it was seized, ``no_witness`` why nobody witnessed it.
    """

    document_number: terms.Number
    seized_at: terms.Instant
    officers: Annotated[tuple[terms.OfficerId, ...], Meta(min_length=1, max_length=16)]
    holder: terms.PersonId | None = None
    witness: terms.PersonId | None = None
    place: terms.Line | None = None
    no_witness: terms.Text | None = None


class Dossier(terms.Value, frozen=True):
    """Extent of a file: numbered volumes and pages in all."""

    volumes: terms.Count
    pages: terms.Count | None = None


@event("item.registered")
class ItemRegistered(Body, frozen=True):
    """A thing enters the case, held by the signing agency. Its kind decides which parts are required:

    ``dossier`` needs ``dossier``; ``electronic_data`` needs ``digests`` and ``collection``; ``detainee`` needs
    ``person_id``; money is ``property`` with ``money``. ``features`` are by what it is told apart from others of its
    kind, ``obtained_from`` is where or from whom it comes. ``particulars`` are stated in the fields that its kind has.
    """

    item_id: terms.ItemId
    item_kind: terms.ItemKind
    description: terms.Text
    quantity: terms.Quantity
    exhibit_number: terms.Number | None = None
    condition: terms.Text | None = None
    seal_number: terms.Number | None = None
    storage_location: terms.Line | None = None
    digests: Digests = ()
    parent_items: tuple[terms.ItemId, ...] = ()
    dossier: Dossier | None = None
    collection: Collection | None = None
    seizure: Seizure | None = None
    money: terms.Money | None = None
    account: terms.Number | None = None
    fungible: bool = False
    person_id: terms.PersonId | None = None
    features: terms.Text | None = None
    obtained_from: terms.Line | None = None
    particulars: Particulars = field(default_factory=dict)


@event("item.sealed")
class ItemSealed(Body, frozen=True):
    """A seal is put on an unsealed item."""

    item_id: terms.ItemId
    seal_number: terms.Number


@event("item.unsealed")
class ItemUnsealed(Body, frozen=True):
    """The seal ``seal_number`` is removed."""

    item_id: terms.ItemId
    seal_number: terms.Number
    ground: terms.Text


@event("item.examined")
class ItemExamined(Body, frozen=True):
    """The result of an examination; ``match_result`` compares it with the record before."""

    item_id: terms.ItemId
    method: terms.Text
    match_result: terms.MatchResult
    condition: terms.Text | None = None
    quantity: terms.Quantity | None = None
    money: terms.Money | None = None
    digests: Digests = ()
    finding: terms.Text | None = None


class ItemPart(terms.Value, frozen=True):
    """A child of a split, or the whole of a merge."""

    item_id: terms.ItemId
    quantity: terms.Quantity
    description: terms.Text | None = None
    money: terms.Money | None = None
    seal_number: terms.Number | None = None


@event("item.split")
class ItemSplit(Body, frozen=True):
    """The parts' quantities (and money) add up to the item's, exactly."""

    item_id: terms.ItemId
    parts: Annotated[tuple[ItemPart, ...], Meta(min_length=2, max_length=1000)]


@event("item.merged")
class ItemMerged(Body, frozen=True):
    """Only fungible goods of one case and one origin, held by one agency, in one unit."""

    item_ids: Annotated[tuple[terms.ItemId, ...], Meta(min_length=2, max_length=1000)]
    whole: ItemPart


@event("item.moved")
class ItemMoved(Body, frozen=True):
    """A change of location only: custody and responsibility stay."""

    item_id: terms.ItemId
    storage_location: terms.Line


@event("item.checked_out")
class ItemCheckedOut(Body, frozen=True):
    """An officer takes the item along; ``due_at`` is when it is due back."""

    item_id: terms.ItemId
    to_officer: terms.OfficerId
    ground: terms.Text
    due_at: terms.Instant | None = None


@event("item.checked_in")
class ItemCheckedIn(Body, frozen=True):
    """The item as it came back. What is stated becomes the record; what is left out stays as recorded."""

    item_id: terms.ItemId
    condition: terms.Text | None = None
    seal_number: terms.Number | None = None
    quantity: terms.Quantity | None = None
    money: terms.Money | None = None
    seal_state: terms.SealState | None = None
    digests: Digests = ()
    match_result: terms.MatchResult | None = None
    remark: terms.Text | None = None


@event("item.frozen")
class ItemFrozen(Body, frozen=True):
    """Property, or data at a provider, is frozen; ``frozen_until`` is the last day.

    ``method`` is what keeps it unchanged (a locked account, a barred transfer), ``digests`` are those of frozen data,
    ``number`` is that of the notice.
    """

    item_id: terms.ItemId
    frozen_until: terms.Date
    number: terms.Number | None = None
    method: terms.Text | None = None
    digests: Digests = ()


@event("item.freeze_renewed")
class ItemFreezeRenewed(Body, frozen=True):
    """A freeze is renewed; ``frozen_until`` is the new last day, ``number`` that of the notice."""

    item_id: terms.ItemId
    frozen_until: terms.Date
    number: terms.Number | None = None


@event("item.unfrozen")
class ItemUnfrozen(Body, frozen=True):
    """The freeze is lifted at ``unfrozen_at``."""

    item_id: terms.ItemId
    unfrozen_at: terms.Instant
    ground: terms.Text
    number: terms.Number | None = None


@event("item.disposal_proposed")
class ItemDisposalProposed(Body, frozen=True):
    """The first of the two signatures of a disposal; ``decision_id`` names the decision that orders it.

    While a legal hold covers an item it is refused, unless it has happened all the same: in spite of ``despite_holds``.
    """

    item_ids: Annotated[tuple[terms.ItemId, ...], Meta(min_length=1, max_length=1000)]
    disposal: terms.Disposal
    ground: terms.Text
    decision_id: terms.DecisionId | None = None
    recipient: terms.Line | None = None
    despite_holds: Holds = ()


@event("item.disposed", roles=("supervisor",))
class ItemDisposed(Body, frozen=True):
    """The second signature, by another officer; ``cites`` is the proposal.

    ``proceeds`` is the child item of an early sale, held by the signing agency until it hands it over. Without words of
    its own it is called after the first thing sold and the currency, in no language: ``the car → CNY``.
    ``despite_holds`` are the legal holds in spite of which it has happened.
    """

    cites: terms.EventRef
    disposed_at: terms.Instant
    proceeds: ItemPart | None = None
    despite_holds: Holds = ()
