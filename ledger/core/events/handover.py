"""Bodies of handover and discrepancy events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import Body, event
from ledger.core.events.item import Digests


class OfferedItem(terms.Value, frozen=True):
    """One line of the transfer list, as the sender states it; fields left out are as recorded.

    ``stays`` means that the thing does not move: only responsibility for it is offered.
    """

    item_id: terms.ItemId
    quantity: terms.Quantity | None = None
    condition: terms.Text | None = None
    seal_number: terms.Number | None = None
    stays: bool = False


Lines = Annotated[tuple[OfferedItem, ...], Meta(max_length=1000)]
Photographs = Annotated[tuple[terms.Digest, ...], Meta(max_length=32)]


class OutlinePoint(terms.Value, frozen=True):
    """A point of an outline: what is to be done or found out about the case, or about one person or item of it."""

    text: terms.Text
    person_id: terms.PersonId | None = None
    item_id: terms.ItemId | None = None


Outline = Annotated[tuple[OutlinePoint, ...], Meta(max_length=100)]  # the first point is number 1


class OutlineAnswer(terms.Value, frozen=True):
    """What came of one ``point`` of an outline, by its number."""

    point: terms.Count
    text: terms.Text


OutlineAnswers = Annotated[tuple[OutlineAnswer, ...], Meta(max_length=100)]


@event("handover.offered")
class HandoverOffered(Body, frozen=True):
    """The sender's half. It moves nothing. ``follows`` names an earlier handover of the case that this one resumes
    (after a refusal with a remedy, or the resubmission after a return), ``about`` the decision that it asks to be
    reviewed. ``due_at`` is when what is lent is due back. ``case_stays``: what is listed goes alone, and the case stays
    with its agency and at its stage. ``number`` is that of the list as written on it. ``outline`` is what the receiver
    has to complete, ``outline_answers`` are what came of the points of the handover that this one follows."""

    handover_id: terms.HandoverId
    to_agency: terms.AgencyId
    purpose: terms.Purpose
    items: Lines = ()
    person_ids: tuple[terms.PersonId, ...] = ()
    follows: terms.HandoverId | None = None
    about: terms.DecisionId | None = None
    expires_at: terms.Instant | None = None
    due_at: terms.Instant | None = None
    case_stays: bool = False
    number: terms.Number | None = None
    outline: Outline = ()
    outline_answers: OutlineAnswers = ()


@event("handover.returned")
class HandoverReturned(Body, frozen=True):
    """An offer the other way: back to the sender of the accepted handover ``returns``.

    ``number`` is that of the paper by which it goes back, ``outline`` what the receiver has to complete.
    """

    handover_id: terms.HandoverId
    returns: terms.HandoverId
    purpose: terms.Purpose
    reason_code: terms.ReasonCode
    explanation: terms.Text
    items: Lines = ()
    person_ids: tuple[terms.PersonId, ...] = ()
    remedy: terms.Remedy | None = None
    due_at: terms.Instant | None = None
    case_stays: bool = False
    number: terms.Number | None = None
    outline: Outline = ()


Offer = HandoverOffered | HandoverReturned  # what moves nothing before it is accepted
OFFERS = (HandoverOffered, HandoverReturned)


class AspectCheck(terms.Value, frozen=True):
    """One thing that the receiver looks at, and whether it is in order."""

    aspect: terms.Aspect
    result: terms.CheckResult


@event("handover.checked")
class HandoverChecked(Body, frozen=True):
    """The receiver's check before the answer; moves nothing."""

    handover_id: terms.HandoverId
    aspects: Annotated[tuple[AspectCheck, ...], Meta(min_length=1, max_length=50)]
    remark: terms.Text | None = None


class ReceivedItem(terms.Value, frozen=True):
    """One item as the receiver found it; a difference from the list opens a discrepancy with the acceptance.

    ``digests`` are those of the thing's own files, ``photographs`` those of pictures that show how it was found.
    """

    item_id: terms.ItemId
    match_result: terms.MatchResult
    condition: terms.Text | None = None
    quantity: terms.Quantity | None = None
    money: terms.Money | None = None
    seal_number: terms.Number | None = None
    seal_state: terms.SealState | None = None
    digests: Digests = ()
    remark: terms.Text | None = None
    photographs: Photographs = ()


class NotAcceptedItem(terms.Value, frozen=True):
    """An item that stays with the sender, and why; ``photographs`` are digests of pictures that show how it was."""

    item_id: terms.ItemId
    reason_code: terms.ReasonCode
    explanation: terms.Text | None = None
    quantity: terms.Quantity | None = None
    seal_state: terms.SealState | None = None
    photographs: Photographs = ()


@event("handover.accepted")
class HandoverAccepted(Body, frozen=True):
    """The receiver's half. Custody of the accepted items moves here and nowhere else.

    "All as listed, except...": with ``rest_as_listed`` every offered item in neither list is received as listed;
    without it every offered item must stand in one of them. ``absent_person_ids`` are offered persons who did not come
    (a co-defendant at large): those present are accepted. ``number`` is that of the receipt.
    """

    handover_id: terms.HandoverId
    received_at: terms.Instant
    rest_as_listed: bool
    received: Annotated[tuple[ReceivedItem, ...], Meta(max_length=1000)] = ()
    not_accepted: Annotated[tuple[NotAcceptedItem, ...], Meta(max_length=1000)] = ()
    absent_person_ids: tuple[terms.PersonId, ...] = ()
    number: terms.Number | None = None


@event("handover.refused")
class HandoverRefused(Body, frozen=True):
    """``remedy`` tells the sender what to do, ``due_at`` until when; ``number`` is that of the notice."""

    handover_id: terms.HandoverId
    reason_code: terms.ReasonCode
    remedy: terms.Remedy
    explanation: terms.Text
    received_at: terms.Instant | None = None
    due_at: terms.Instant | None = None
    number: terms.Number | None = None


@event("handover.recalled")
class HandoverRecalled(Body, frozen=True):
    """The sender takes back an offer that is not answered."""

    handover_id: terms.HandoverId
    ground: terms.Text


@event("discrepancy.raised")
class DiscrepancyRaised(Body, frozen=True):
    """A difference found after the acceptance, by either side of the handover, or by a stocktake of an agency.

    It names one of the two: ``handover_id`` or ``stocktake_id``. Of a handover both sides are stated in words. Of a
    stocktake it says how the thing is ``recorded_as``, with the place, holder or seal in ``expected``, and in ``found``
    the place where it was counted or the seal that was read; what is missing was found nowhere.
    """

    discrepancy_id: terms.RaisedDiscrepancyId
    item_id: terms.ItemId
    kind: terms.DiscrepancyKind
    expected: terms.Line | None = None
    found: terms.Line | None = None
    recorded_as: terms.RecordedAs | None = None
    handover_id: terms.HandoverId | None = None
    stocktake_id: terms.StocktakeId | None = None


@event("discrepancy.resolved")
class DiscrepancyResolved(Body, frozen=True):
    """One side's signature under a resolution; the discrepancy ends when both sides have signed the same words.

    Where both sides are one agency, another officer than the one who raised it signs. What an agency counted as surplus
    it can take back alone: its signature ends it.
    """

    discrepancy_id: terms.DiscrepancyId
    resolution: terms.Text
