"""What the API answers with of supervision: models, leads and recommendations, made from stored rows and states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from api.schemas.answers import EventView
from api.services.recurrence import Recurrence
from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import Counted as Occurrences
from ledger.core.events.supervision import (
    Figures,
    LeadAnswered,
    LeadClosed,
    LeadConfirmed,
    LeadDismissed,
    LeadRaised,
    RecommendationAnswered,
    RecommendationIssued,
    RecommendationRechecked,
    Told,
)
from ledger.core.procedure.deadlines import Counted
from ledger.core.supervision import LeadState, ModelState, RecommendationState
from ledger.core.supervision.state import ModelVersion
from ledger.core.visibility import Sight
from ledger.store.clocks import instant


class LeadLine(Struct, frozen=True):
    """A lead in a list; ``updated_index`` is its latest entry, ``outcome`` what came of a closed one, which of a
    dismissed one is ``dismissed``."""

    lead_id: str
    model_id: str
    model_version: int
    case_id: str | None
    supervised: str
    procuratorate: str
    severity: str
    says: Told
    status: str
    handler: str | None
    outcome: str | None
    recommendation_id: str | None
    raised_at: str
    updated_index: int


class LeadView(Struct, frozen=True):
    """A lead with its life. ``raised`` is what was found and how, ``events`` are its steps as they were signed.

    ``sight`` tells by what the reader sees it. The next event stands on ``head``, its number is ``sequence`` + 1.
    """

    lead_id: str
    procuratorate: str
    supervised: str
    case_id: str | None
    status: str
    handler: str | None
    department: str | None
    raised_at: str
    sight: Sight
    sequence: int
    head: str
    raised: LeadRaised
    answers: tuple[LeadAnswered, ...]
    confirmed: LeadConfirmed | None
    dismissed: LeadDismissed | None
    closed: LeadClosed | None
    events: tuple[EventView, ...]


class ModelHeading(Struct, frozen=True):
    """What every view of a version of a model begins with."""

    model_id: str
    version: int
    model_digest: str
    title: Told
    business_line: str
    severity: str
    publisher: str
    published_at: str


class ModelHead(ModelHeading, frozen=True):
    """A model by one of its versions; ``adoptions`` counts the agencies that run any of them."""

    retired: bool
    adoptions: int


class ModelLine(ModelHead, frozen=True):
    """A model in a list, by its newest version; ``updated_index`` is its latest entry."""

    updated_index: int


class VersionLine(Struct, frozen=True):
    """A version that was published."""

    version: int
    model_digest: str
    published_at: str
    officer: str
    event_id: str


class AdoptionView(Struct, frozen=True):
    """An agency that runs a version, under its own parameters."""

    agency: str
    version: int
    parameters: dict[str, str]
    adopted_at: str
    note: str | None


class LeadsOfModel(Struct, frozen=True):
    """How a model's leads turned out, over all agencies: how many, by state, and of the closed ones by outcome, which
    of dismissed ones is ``dismissed``."""

    total: int
    by_status: dict[str, int]
    by_outcome: dict[str, int]


class ModelView(ModelHeading, frozen=True):
    """A version of a model: ``definition`` is its file's text. ``leads`` are those of this version, null for
    who is no procuratorate.

    ``versions`` and ``adoptions`` are of the whole model; ``retired`` is why it is not run any more. The next event
    stands on ``head``, its number is ``sequence`` + 1.
    """

    retired: str | None
    sequence: int
    head: str
    definition: str
    case_study: Told | None
    figures: Figures | None
    versions: tuple[VersionLine, ...]
    adoptions: tuple[AdoptionView, ...]
    leads: LeadsOfModel | None


class RecommendationLine(Struct, frozen=True):
    """A recommendation in a list; ``leads`` counts those that it rests on.

    ``due_at`` is the first instant that is too late for the reply, ``last_day`` the legal day before it, null where the
    rules know none.
    """

    recommendation_id: str
    document_number: str
    procuratorate: str
    to_agency: str
    model_id: str | None
    status: str
    issued_at: str
    due_at: str | None
    last_day: date | None
    answered_at: str | None
    result: str | None
    leads: int
    updated_index: int


class RecommendationView(Struct, frozen=True):
    """A recommendation with its life; see ``LeadView`` for what is named alike. ``counted`` are the leads that its
    model raised before and after, for the procuratorate that issued it; ``runs_from`` is the day on which the model was
    published first, where that falls into the period before."""

    recommendation_id: str
    procuratorate: str
    to_agency: str
    status: str
    issued_at: str
    due_at: str | None
    last_day: date | None
    answered_at: str | None
    sight: Sight
    sequence: int
    head: str
    issued: RecommendationIssued
    answers: tuple[RecommendationAnswered, ...]
    rechecks: tuple[RecommendationRechecked, ...]
    counted: dict[str, Occurrences] | None
    runs_from: str | None
    events: tuple[EventView, ...]


def lead_line(row: dict[str, Any]) -> LeadLine:
    """A row of the read model."""
    return convert({**row, "says": {"en": row["says_en"], "zh": row["says_zh"]}}, LeadLine)


def lead_view(state: LeadState, sight: Sight, events: tuple[EventView, ...]) -> LeadView:
    """A lead at its head."""
    same = ("lead_id", "procuratorate", "status", "handler", "department", "raised_at", "sequence", "head")
    found = ("raised", "answers", "confirmed", "dismissed", "closed")
    fields = {name: getattr(state, name) for name in (*same, *found)}
    raised = state.raised
    return LeadView(**fields, supervised=raised.supervised, case_id=raised.case_id, sight=sight, events=events)


def model_line(row: dict[str, Any]) -> ModelLine:
    """A row of the read model."""
    return convert({**row, "title": {"en": row["title_en"], "zh": row["title_zh"]}}, ModelLine)


def model_view(state: ModelState, shown: ModelVersion, leads: LeadsOfModel | None) -> ModelView:
    """A version of a model, the model at its head."""
    body = shown.body
    names = ("model_id", "version", "model_digest", "title", "business_line", "severity", "definition")
    library = ("case_study", "figures")
    return ModelView(
        **{name: getattr(body, name) for name in (*names, *library)},
        publisher=state.publisher,
        published_at=shown.published_at,
        retired=state.retired,
        sequence=state.sequence,
        head=state.head,
        versions=version_lines(state),
        adoptions=tuple(
            AdoptionView(agency, one.version, one.parameters, one.adopted_at, one.note)
            for agency, one in sorted(state.adoptions.items())
        ),
        leads=leads,
    )


def version_lines(state: ModelState) -> tuple[VersionLine, ...]:
    """The versions of a model, from 1 on."""
    return tuple(
        VersionLine(one.body.version, one.body.model_digest, one.published_at, one.officer, one.event_id)
        for one in state.versions
    )


def leads_of_model(tally: list[tuple[int, str, str | None, int]], version: int) -> LeadsOfModel:
    """Of (version, status, outcome, how many) what the version's leads come to."""
    return leads_of(rest for of_version, *rest in tally if of_version == version)


def leads_of(counted: Iterable[Sequence[Any]]) -> LeadsOfModel:
    """Of (status, outcome, how many) what they come to."""
    by_status: dict[str, int] = {}
    by_outcome: dict[str, int] = {}
    for status, outcome, count in counted:
        by_status[status] = by_status.get(status, 0) + count
        if outcome is not None:
            by_outcome[outcome] = by_outcome.get(outcome, 0) + count
    return LeadsOfModel(sum(by_status.values()), by_status, by_outcome)


def recommendation_line(row: dict[str, Any], due: Counted | None) -> RecommendationLine:
    """A row of the read model, and until when the reply is in time."""
    return convert({**row, **_of_reply(due)}, RecommendationLine)


def recommendation_view(
    state: RecommendationState,
    due: Counted | None,
    sight: Sight,
    events: tuple[EventView, ...],
    found: Recurrence | None,
) -> RecommendationView:
    """A recommendation at its head."""
    same = ("recommendation_id", "procuratorate", "status", "issued_at", "answered_at", "sequence", "head")
    fields = {name: getattr(state, name) for name in (*same, "issued", "answers", "rechecks")}
    fields |= {"counted": found and found.periods(), "runs_from": found and found.runs_from}
    to_agency = state.issued.to_agency
    return RecommendationView(**fields, **_of_reply(due), to_agency=to_agency, sight=sight, events=events)


def _of_reply(due: Counted | None) -> dict[str, Any]:
    if due is None:
        return {"due_at": None, "last_day": None}
    return {"due_at": instant(due.due_at), "last_day": due.last_day}
