"""Models, leads and recommendations as a reader may see them, and their views, made from stored rows and states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from msgspec import Struct

from api.auth.reading import Reading
from api.schemas.answers import EventView, event_view, view_of
from ledger.core.custody import CaseState
from ledger.core.custody.due_dates import Deadline, deadline
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import spelled
from ledger.core.errors import NotFound
from ledger.core.events import supervision as acts
from ledger.core.messages import Message
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import Agency
from ledger.core.supervision import LeadState, ModelState, RecommendationState
from ledger.core.supervision.models import STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.core.supervision.state import ModelVersion
from ledger.core.visibility import Sight
from ledger.recording.supervision_streams import counted_periods, supervision_state
from ledger.recording.validation import Validator
from ledger.store import log, supervision
from ledger.store.clock_lines import ClockLine
from ledger.store.database import Connection
from ledger.store.tables import NO_CASE


class LeadLine(Struct, frozen=True):
    """A lead in a list. ``updated_index`` is its latest entry.

    ``outcome`` is that of a closed lead, or ``dismissed``, ``passed_to`` the agency to which it went then.
    ``business_line`` is the line that took it up, if not its model's.
    """

    lead_id: str
    model_id: str
    model_version: int
    case_id: str | None
    supervised: str
    supervising: str
    severity: str
    says: acts.BilingualText
    status: str
    handler: str | None
    business_line: str | None
    outcome: str | None
    recommendation_id: str | None
    passed_to: str | None
    raised_at: str
    updated_index: int


class LeadView(Struct, frozen=True):
    """A lead with its history. ``raised`` is the finding, ``events`` are its steps as they were signed.

    ``sight`` is how the reader sees it. The next event has ``head`` as its previous one and the number ``sequence`` +
    1.
    """

    lead_id: str
    supervising: str
    supervised: str
    case_id: str | None
    status: str
    handler: str | None
    department: str | None
    business_line: str | None
    raised_at: str
    sight: Sight
    sequence: int
    head: str
    raised: acts.LeadRaised
    answers: tuple[acts.LeadAnswered, ...]
    confirmed: acts.LeadConfirmed | None
    dismissed: acts.LeadDismissed | None
    closed: acts.LeadClosed | None
    events: tuple[EventView, ...]


class ModelHeading(Struct, frozen=True):
    """The fields that every view of a version of a model begins with."""

    model_id: str
    version: int
    model_digest: str
    title: acts.BilingualText
    business_line: str | None
    severity: str
    publisher: str
    published_at: str


class ModelHead(ModelHeading, frozen=True):
    """A model by one of its versions. ``adoptions`` counts the agencies that run any of them."""

    retired: bool
    adoptions: int


class ModelLine(ModelHead, frozen=True):
    """A model in a list, by its newest version. ``updated_index`` is its latest entry."""

    updated_index: int


class VersionLine(Struct, frozen=True):
    """A published version."""

    version: int
    model_digest: str
    published_at: str
    officer: str
    event_id: str


class AdoptionView(Struct, frozen=True):
    """An agency that runs a version with its own parameters."""

    agency: str
    version: int
    parameters: dict[str, str]
    adopted_at: str
    note: str | None


class LeadsOfModel(Struct, frozen=True):
    """The number of a model's leads over all agencies: in total, by status, and by outcome of the closed ones.

    The outcome of a dismissed lead is ``dismissed``.
    """

    total: int
    by_status: dict[str, int]
    by_outcome: dict[str, int]


class ModelView(ModelHeading, frozen=True):
    """A version of a model. ``definition`` is the text of its file.

    ``leads`` are those of this version, null for readers of agencies that do not supervise. ``versions`` and
    ``adoptions`` are of the whole model; ``retired`` is the reason why it is not run any more. The next event has
    ``head`` as its previous one and the number ``sequence`` + 1.
    """

    retired: str | None
    sequence: int
    head: str
    definition: str
    case_study: acts.BilingualText | None
    figures: acts.Figures | None
    versions: tuple[VersionLine, ...]
    adoptions: tuple[AdoptionView, ...]
    leads: LeadsOfModel | None


class RecommendationLine(Struct, frozen=True):
    """A recommendation in a list. ``leads`` counts the leads that it rests on.

    ``to_outside`` is the name of an addressee without an agency. ``due_at`` is the first instant at which a reply is
    late, ``last_day`` the legal day before it, ``article`` the clause that sets it. They are null as long as no receipt
    is recorded from which the time counts, and if the rules set no period.
    """

    recommendation_id: str
    kind: str
    document_number: str
    supervising: str
    to_agency: str | None
    to_outside: str | None
    model_id: str | None
    status: str
    urgent: bool
    issued_at: str
    received_at: str | None
    due_at: str | None
    last_day: date | None
    article: str | None
    unknown: str | None
    answered_at: str | None
    result: str | None
    leads: int
    updated_index: int


class RecommendationView(Struct, frozen=True):
    """A recommendation with its history; fields named as in ``LeadView`` mean the same.

    ``counted`` are the leads that its model raised before and after, for the supervising agency that issued it.
    ``runs_from`` is the day on which the model was first published, if that is within the period before.
    """

    recommendation_id: str
    supervising: str
    to_agency: str | None
    status: str
    issued_at: str
    received_at: str | None
    due_at: str | None
    last_day: date | None
    article: str | None
    unknown: str | None
    answered_at: str | None
    sight: Sight
    sequence: int
    head: str
    issued: acts.RecommendationIssued
    objections: tuple[acts.RecommendationObjected, ...]
    reviews: tuple[acts.RecommendationReviewed, ...]
    answers: tuple[acts.RecommendationAnswered, ...]
    escalations: tuple[acts.RecommendationEscalated, ...]
    rechecks: tuple[acts.RecommendationRechecked, ...]
    counted: dict[str, acts.PeriodCount] | None
    runs_from: str | None
    events: tuple[EventView, ...]


def lead_line(row: dict[str, Any]) -> LeadLine:
    """Return the line of a lead from its row of the read model."""
    return convert({**row, "says": {"en": row["says_en"], "zh": row["says_zh"]}}, LeadLine)


def lead_view(state: LeadState, sight: Sight, events: tuple[EventView, ...]) -> LeadView:
    """Return the view of a lead in its latest state."""
    raised = state.raised
    return view_of(LeadView, state, supervised=raised.supervised, case_id=raised.case_id, sight=sight, events=events)


def model_line(row: dict[str, Any]) -> ModelLine:
    """Return the line of a model from its row of the read model."""
    return convert({**row, "title": {"en": row["title_en"], "zh": row["title_zh"]}}, ModelLine)


def model_view(state: ModelState, version: ModelVersion, leads: LeadsOfModel | None) -> ModelView:
    """Return the view of a version, with the model in its latest state."""
    return view_of(
        ModelView,
        version.body,
        publisher=state.publisher,
        published_at=version.published_at,
        retired=state.retired,
        sequence=state.sequence,
        head=state.head,
        versions=version_lines(state),
        adoptions=tuple(
            view_of(AdoptionView, adoption, agency=agency) for agency, adoption in sorted(state.adoptions.items())
        ),
        leads=leads,
    )


def version_lines(state: ModelState) -> tuple[VersionLine, ...]:
    """Return the versions of a model, from 1 on."""
    return tuple(
        view_of(VersionLine, published, version=published.body.version, model_digest=published.body.model_digest)
        for published in state.versions
    )


def leads_of(counted: Iterable[Sequence[Any]]) -> LeadsOfModel:
    """Return the counts of leads from rows of (status, outcome, count)."""
    by_status: Counter[str] = Counter()
    by_outcome: Counter[str] = Counter()
    for status, outcome, count in counted:
        by_status[status] += count
        if outcome is not None:
            by_outcome[outcome] += count
    return LeadsOfModel(by_status.total(), dict(by_status), dict(by_outcome))


def recommendation_line(row: dict[str, Any], due: Deadline | None) -> RecommendationLine:
    """Return the line of a recommendation from its row of the read model and the deadline of the reply."""
    return convert({**row, **_of_reply(due)}, RecommendationLine)


def reply_deadline(validator: Validator, state: RecommendationState, moment: datetime) -> Deadline | None:
    """Return the deadline of the reply as it is at the moment, None as long as nothing has started it."""
    clock = state.reply_clock
    if clock is None or state.timing is None:
        return None
    # It may count from a time that was claimed to be later.
    as_of = max(moment, datetime.fromisoformat(clock.started_at))
    return deadline(state.timing, clock, validator.book_of(state.timing), as_of)


def reply_deadlines(
    validator: Validator, connection: Connection, recommendation_ids: Iterable[str], moment: datetime
) -> dict[str, Deadline | None]:
    """Return the deadlines of the replies to these recommendations, which there are."""
    due: dict[str, Deadline | None] = {}
    for recommendation_id in recommendation_ids:
        state = validator.supervision_state(connection, RECOMMENDATION_STREAM + recommendation_id)
        assert isinstance(state, RecommendationState), "the read model shows one that has a stream"
        due[recommendation_id] = reply_deadline(validator, state, moment)
    return due


def deadlines_at(
    validator: Validator, connection: Connection, lines: Iterable[ClockLine], moment: datetime
) -> Iterator[Deadline]:
    """Yield the deadlines of these lines at a moment, without those that have disappeared since they were listed."""
    states: dict[tuple[str, str], CaseState | None] = {}
    for line in lines:
        stream = ("case", line.case_id) if line.case_id != NO_CASE else ("recommendation", line.subject)
        if stream not in states:
            states[stream] = _timing_of(validator, connection, line)
        state = states[stream]
        clock = state.clocks.get(line.deadline_id) if state else None
        if state is not None and clock is not None:
            yield deadline(state, clock, validator.book_of(state), moment)


def _timing_of(validator: Validator, connection: Connection, line: ClockLine) -> CaseState | None:
    """Return that in which the clock of a line of the list runs: its case, or what a recommendation's clocks run in."""
    if line.case_id != NO_CASE:
        return validator.states.shown(validator.states.of_listed_case(line.case_id))
    state = validator.supervision_state(connection, RECOMMENDATION_STREAM + line.subject)
    return state.timing if isinstance(state, RecommendationState) else None


def recommendation_view(
    state: RecommendationState,
    due: Deadline | None,
    sight: Sight,
    events: tuple[EventView, ...],
    recurrence: Recurrence | None,
) -> RecommendationView:
    """Return the view of a recommendation in its latest state."""
    return view_of(
        RecommendationView,
        state,
        **_of_reply(due),
        to_agency=state.issued.to_agency,
        sight=sight,
        events=events,
        counted=recurrence and recurrence.periods(),
        runs_from=recurrence and recurrence.runs_from,
    )


def _of_reply(due: Deadline | None) -> dict[str, Any]:
    if due is None:
        return dict.fromkeys(("due_at", "last_day", "article", "unknown"))
    due_at = None if due.due_at is None else spelled(due.due_at)
    return {"due_at": due_at, "last_day": due.last_day, "article": due.article, "unknown": due.unknown}


M = TypeVar("M", ModelState, LeadState, RecommendationState)


def require_supervision_state(
    connection: Connection, reading: Reading, stream_id: str, kind: type[M], *, field: str
) -> tuple[M, Sight]:
    """Return the state of the stream, and how the reader sees it.

    Raises NotFound alike if it is missing, of another kind, or may not be seen.
    """
    sight = supervision.sight(connection, stream_id, reading.reader)
    state = reading.supervision_state(connection, stream_id) if sight else None
    if sight is None or not isinstance(state, kind):
        raise NotFound(Message("no {field} of this id that you may see", field=field.removesuffix("_id")), field=field)
    return state, sight


def require_model(connection: Connection, reading: Reading, model_id: str, field: str = "model_id") -> ModelState:
    """Return the state of a model. Raises NotFound."""
    return require_supervision_state(connection, reading, STREAM + model_id, ModelState, field=field)[0]


def version_of(state: ModelState, version: int | None, field: str = "version") -> ModelVersion:
    """Return the requested version, or the newest. Raises NotFound."""
    wanted = version or state.newest.body.version
    published = next((candidate for candidate in state.versions if candidate.body.version == wanted), None)
    if published is None:
        raise NotFound(
            "{state.model_id} has no version {wanted}: it has 1 to {count}",
            state=state,
            wanted=wanted,
            count=len(state.versions),
            field=field,
        )
    return published


def life_of(connection: Connection, reading: Reading, stream_id: str, sight: Sight) -> tuple[EventView, ...]:
    """Return the stream's events as they were signed, with confidential sections for a party."""
    return tuple(
        event_view(entry, (), reading.sections(connection, entry) if sight == "party" else None)
        for entry in log.stream(connection, "supervision", stream_id)
    )


class Recurrence(Struct, frozen=True):
    """The counts of both periods.

    ``runs_from`` is the day of the model's first publication, if that is in the period before.
    """

    before: acts.PeriodCount
    after: acts.PeriodCount
    runs_from: str | None

    def periods(self) -> dict[str, acts.PeriodCount]:
        """Return both periods by name."""
        return {"before": self.before, "after": self.after}


def recurrence(
    connection: Connection, state: RecommendationState, now: str, agencies: Mapping[str, Agency], zone: Zone
) -> Recurrence | None:
    """Count the leads before the recommendation and after it; None where the service does not count."""
    counted = counted_periods(connection, state, zone.day_of_text(now), zone)
    if counted is None:
        return None
    before, after = counted
    model = supervision_state(connection, STREAM + (state.issued.model_id or ""), agencies)
    published = zone.day_of_text(model.versions[0].published_at).isoformat() if isinstance(model, ModelState) else ""
    is_new = before.period_from <= published < before.period_until
    return Recurrence(before, after, published if is_new else None)
