"""Bodies of events of supervision: models, the leads that they raise, and recommendations.

Each model, lead and recommendation has a stream of its own (kind ``supervision``): ``model-<model_id>``, ``<lead_id>``,
``recommendation-<recommendation_id>``. ``ledger.core.supervision`` decides in which order these may come, and by whom.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import HANDLING, SERVICE, Body, event
from ledger.core.events.letter import Outsider

MAX_CITED = 1000  # events that a lead cites; ``cited_count`` says how many were found

SUPERVISING: tuple[terms.Role, ...] = ("supervisor", "auditor", "analyst")
_CHECKING: tuple[terms.Role, ...] = ("clerk", *SUPERVISING)
PUBLISHING: tuple[terms.Role, ...] = (*HANDLING, "analyst")  # of models: those who see in casework what goes wrong

Parameters = Annotated[dict[terms.Column, terms.Text], Meta(max_length=64)]
Row = Annotated[dict[terms.Column, terms.Text], Meta(min_length=1, max_length=64)]
Material = Annotated[tuple[terms.Digest, ...], Meta(max_length=100)]


class BilingualText(terms.Value, frozen=True):
    """A text in both languages."""

    zh: terms.Text
    en: terms.Text


# -- models ------------------------------------------------------------------------------------------------------------


class Figures(terms.Value, frozen=True):
    """A measurement of a model: ``found`` of ``planted`` anomalies in ``cases``, and ``false_leads`` besides."""

    measured_on: terms.Date
    cases: terms.SafeInt
    planted: terms.SafeInt
    found: terms.SafeInt
    false_leads: terms.SafeInt


class Origin(terms.Value, frozen=True):
    """The version of another ledger's model that this one was made of: the event that published it there."""

    log_id: terms.Bytes32
    event: terms.EventRef
    model_id: terms.ModelId
    version: terms.Count
    model_digest: terms.Blake3


@event("model.published", streams=("supervision",), roles=PUBLISHING)
class ModelPublished(Body, frozen=True):
    """The next version of a model. ``definition`` is its file's text, ``model_digest`` that of the text in UTF-8.

    ``case_study`` describes an exemplary case, without anything that leads to the case or to a person. ``origin`` is
    where the version was taken from, if from another ledger.
    """

    model_id: terms.ModelId
    version: terms.Count
    model_digest: terms.Blake3
    definition: terms.Definition
    title: BilingualText
    severity: terms.Severity
    business_line: terms.BusinessLine | None = None
    case_study: BilingualText | None = None
    figures: Figures | None = None
    origin: Origin | None = None


@event("model.retired", streams=("supervision",), roles=("analyst", "supervisor"))
class ModelRetired(Body, frozen=True):
    """The model is no longer run, until its publisher publishes another version."""

    ground: terms.Text


@event("model.adopted", streams=("supervision",), roles=("analyst",))
class ModelAdopted(Body, frozen=True):
    """The signing agency runs this version from now on, with parameters of its own."""

    version: terms.Count
    model_digest: terms.Blake3
    parameters: Parameters = msgspec.field(default_factory=dict)
    note: terms.Text | None = None


# -- leads -------------------------------------------------------------------------------------------------------------


class Check(terms.Value, frozen=True):
    """A check, and who makes it, before the lead counts: data is not evidence."""

    what: BilingualText
    by: BilingualText


class CitedDataset(terms.Value, frozen=True):
    """A registered data set that the finding rests on: its digest, and those of the rows."""

    dataset_id: terms.DatasetId
    digest: terms.Digest
    rows: Annotated[tuple[terms.Digest, ...], Meta(max_length=MAX_CITED)] = ()


@event("lead.raised", streams=("supervision",), roles=SERVICE)
class LeadRaised(Body, frozen=True):
    """A finding of a model in the log of ``tree_size`` entries, for the moment ``as_of``.

    ``key`` identifies the finding; ``finding`` is the digest of key and model, so the same finding has the same
    ``lead_id``. ``events`` are cited up to their limit, ``cited_count`` is how many there are. ``values`` are the row
    that the model returned. ``supervised`` has to answer, ``supervising`` is the agency that supervises it.
    ``procedures`` are the digests of those that were in force at the tree size, in the order of their ids. ``cases``
    are those of the cited events, by their ids, as far as who ran the model sees them: whoever is assigned the lead
    sees them, too.
    """

    lead_id: terms.LeadId
    model_id: terms.ModelId
    model_version: terms.Count
    model_digest: terms.Blake3
    tree_size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    as_of: terms.Instant
    key: Row
    finding: terms.Blake3
    supervised: terms.AgencyId
    supervising: terms.AgencyId
    severity: terms.Severity
    says: BilingualText
    cited_count: terms.SafeInt
    procedures: Annotated[tuple[terms.Blake3, ...], Meta(max_length=256)] = ()
    checks: Annotated[tuple[Check, ...], Meta(max_length=50)] = ()
    events: Annotated[tuple[terms.EventRef, ...], Meta(max_length=MAX_CITED)] = ()
    cases: Annotated[tuple[terms.CaseId, ...], Meta(max_length=MAX_CITED)] = ()
    datasets: Annotated[tuple[CitedDataset, ...], Meta(max_length=20)] = ()
    values: Parameters = msgspec.field(default_factory=dict)
    parameters: Parameters = msgspec.field(default_factory=dict)
    case_id: terms.CaseId | None = None


@event("lead.assigned", streams=("supervision",), roles=SUPERVISING)
class LeadAssigned(Body, frozen=True):
    """The officer who works on the lead; from the first assignment on the supervised agency sees it.

    ``business_line`` is the line that takes it up, if another than that of the model, or than the one that had it.
    """

    handler: terms.OfficerId
    department: terms.Line | None = None
    business_line: terms.BusinessLine | None = None
    note: terms.Text | None = None


@event("lead.transferred", streams=("supervision",), roles=SUPERVISING)
class LeadTransferred(Body, frozen=True):
    """To a supervising agency above or below, which assigns it anew."""

    to_agency: terms.AgencyId
    ground: terms.Text


@event("lead.answered", streams=("supervision",), roles=HANDLING)
class LeadAnswered(Body, frozen=True):
    """The supervised agency's answer, with the digests of the material that it shows."""

    answer: terms.Text
    digests: Material = ()
    events: Annotated[tuple[terms.EventRef, ...], Meta(max_length=100)] = ()


@event("lead.confirmed", streams=("supervision",), roles=_CHECKING)
class LeadConfirmed(Body, frozen=True):
    """``digests`` are of the material that was checked; without any the lead cannot be confirmed."""

    finding: terms.Text
    digests: Material = ()


@event("lead.dismissed", streams=("supervision",), roles=_CHECKING)
class LeadDismissed(Body, frozen=True):
    """The lead is not confirmed, for ``reason_code``."""

    reason_code: terms.DismissalReason
    ground: terms.Text


@event("lead.closed", streams=("supervision",), roles=_CHECKING)
class LeadClosed(Body, frozen=True):
    """What came of the lead, with number, day and digests of the paper that the outcome is, or the recommendation.

    What is passed on goes to an agency, which sees the lead from then on, or to somebody outside: at most one of them.
    """

    outcome: terms.LeadOutcome
    summary: terms.Text
    document_number: terms.Number | None = None
    document_date: terms.Date | None = None
    digests: Material = ()
    recommendation_id: terms.RecommendationId | None = None
    to_agency: terms.AgencyId | None = None
    to_outside: Outsider | None = None


# -- recommendations ---------------------------------------------------------------------------------------------------


@event("recommendation.issued", streams=("supervision",), roles=SUPERVISING)
class RecommendationIssued(Body, frozen=True):
    """A recommendation to an agency that the issuer supervises, or to somebody outside: to exactly one of them.

    Its words, its clocks and its paper are those of the ``procedure``, of the version in force for each event.
    ``copies_to`` and ``copies_outside`` got a copy. Where it is ``urgent``, the reply is due sooner;
    ``reply_within_days`` are the days that the paper itself gives, ``objection_within_days`` those for an objection.
    ``service`` is how it is delivered.
    """

    recommendation_id: terms.RecommendationId
    procedure: terms.ProcedureId
    kind: terms.RecommendationKind
    document_number: terms.Number
    problem: terms.Text
    advice: terms.Text
    to_agency: terms.AgencyId | None = None
    to_outside: Outsider | None = None
    copies_to: Annotated[tuple[terms.AgencyId, ...], Meta(max_length=50)] = ()
    copies_outside: Annotated[tuple[Outsider, ...], Meta(max_length=50)] = ()
    urgent: bool = False
    reply_within_days: Annotated[int, Meta(ge=1, le=366)] | None = None
    objection_within_days: Annotated[int, Meta(ge=1, le=366)] | None = None
    service: terms.Service | None = None
    leads: Annotated[tuple[terms.LeadId, ...], Meta(max_length=MAX_CITED)] = ()
    model_id: terms.ModelId | None = None


@event("recommendation.received", streams=("supervision",), roles=_CHECKING)
class RecommendationReceived(Body, frozen=True):
    """The receipt, by the addressee or by the issuer, who has the receipt on paper: the time to reply begins.

    ``service`` is how it was delivered, ``digests`` are of the receipt.
    """

    received_at: terms.Instant
    service: terms.Service | None = None
    digests: Material = ()


@event("recommendation.objected", streams=("supervision",), roles=_CHECKING)
class RecommendationObjected(Body, frozen=True):
    """The addressee objects; of somebody outside, the issuer files the objection."""

    ground: terms.Text
    digests: Material = ()


@event("recommendation.reviewed", streams=("supervision",), roles=SUPERVISING)
class RecommendationReviewed(Body, frozen=True):
    """What the issuer decides on an objection, or by itself; ``advice`` is the new one of a changed recommendation."""

    result: terms.ReviewResult
    ground: terms.Text
    advice: terms.Text | None = None
    document_number: terms.Number | None = None


@event("recommendation.answered", streams=("supervision",), roles=_CHECKING)
class RecommendationAnswered(Body, frozen=True):
    """The reply of the addressee, and the measures it takes; of somebody outside, the issuer files the reply."""

    answer: terms.Text
    measures: Annotated[tuple[terms.Text, ...], Meta(max_length=50)] = ()
    digests: Material = ()


@event("recommendation.escalated", streams=("supervision",), roles=SUPERVISING)
class RecommendationEscalated(Body, frozen=True):
    """What the issuer does where nothing was mended: it goes on to an agency or to somebody outside, at most one."""

    means: terms.Escalation
    ground: terms.Text
    to_agency: terms.AgencyId | None = None
    to_outside: Outsider | None = None
    document_number: terms.Number | None = None


class PeriodCount(terms.Value, frozen=True):
    """The findings of a model in a period, in the log of ``tree_size`` entries."""

    count: terms.SafeInt
    period_from: terms.Date
    period_until: terms.Date
    tree_size: terms.SafeInt


@event("recommendation.rechecked", streams=("supervision",), roles=SUPERVISING)
class RecommendationRechecked(Body, frozen=True):
    """Whether the problem came again after the recommendation.

    The numbers are the service's (the leads of the recommendation's model, by the day on which they were raised) or
    those of the officer who signs.
    """

    result: terms.RecheckResult
    counted_by: terms.CountedBy
    before: PeriodCount
    after: PeriodCount
    model_id: terms.ModelId | None = None
    parameters: Parameters = msgspec.field(default_factory=dict)
    note: terms.Text | None = None
