"""Read models of supervision: one row for each model, lead and recommendation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Index, Select, Table, and_, false, func, literal, or_, select
from sqlmodel import Field

from ledger.core.errors import NotFound
from ledger.core.events.supervision import BilingualText, RecommendationIssued
from ledger.core.supervision import LeadState, ModelState, RecommendationState, SupervisionState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.core.visibility import Reader, Sides, Sight, can_see, sides_of_lead, sides_of_recommendation
from ledger.store.cases import Page, paged
from ledger.store.database import Change, Row, fetched, one_of, row_of, where_set
from ledger.store.tables import CASES, LEAD_CASES, StoreTable, big, core_of, text


class ModelsTable(StoreTable):
    """A model with its newest version; ``adoptions`` counts the agencies that run a version of it."""

    model_id: str = Field(primary_key=True)
    version: int
    model_digest: str
    title_en: str = Field(sa_column=text())
    title_zh: str = Field(sa_column=text())
    business_line: str | None
    severity: str
    publisher: str
    published_at: str
    retired: bool
    adoptions: int
    updated_index: int = Field(sa_column=big(), description="log index of the latest event")


class LeadsTable(StoreTable):
    """A lead in its present state.

    ``notified`` marks that the supervised agency sees it. ``outcome`` is that of a closed lead, ``dismissed`` for a
    dismissed one, ``passed_to`` the agency to which it went. ``business_line`` took it up, if not its model's.
    """

    __table_args__ = (
        Index("ix_leads_supervising", "supervising", "status"),
        Index("ix_leads_supervised", "supervised", "status"),
        Index("ix_leads_model", "model_id", "status"),
    )

    lead_id: str = Field(primary_key=True)
    model_id: str
    model_version: int
    case_id: str | None = Field(default=None, index=True)
    supervised: str
    supervising: str
    severity: str
    says_en: str = Field(sa_column=text())
    says_zh: str = Field(sa_column=text())
    status: str
    notified: bool
    handler: str | None = None
    business_line: str | None = None
    outcome: str | None = None
    recommendation_id: str | None = None
    passed_to: str | None = None
    raised_at: str
    updated_index: int = Field(sa_column=big())


class RecommendationsTable(StoreTable):
    """A recommendation in its present state; ``result`` is that of its last re-check.

    ``to_outside`` is the name of an addressee without an agency; ``copied_to`` has the ids of the agencies that got a
    copy, each between spaces.
    """

    __table_args__ = (
        Index("ix_recommendations_supervising", "supervising"),
        Index("ix_recommendations_to", "to_agency"),
    )

    recommendation_id: str = Field(primary_key=True)
    kind: str
    document_number: str
    supervising: str
    to_agency: str | None = None
    to_outside: str | None = None
    copied_to: str = Field(sa_column=text())
    model_id: str | None = None
    status: str
    urgent: bool
    reply_within_days: int | None = None
    issued_at: str
    received_at: str | None = None
    answered_at: str | None = None
    result: str | None = None
    leads: int
    updated_index: int = Field(sa_column=big())


MODELS = core_of(ModelsTable)
LEADS = core_of(LeadsTable)
RECOMMENDATIONS = core_of(RecommendationsTable)


_COUNT = func.count()


class LeadFilter(Struct, frozen=True):
    """A filter of leads: those that meet everything given.

    ``agency`` is the supervised one; any of ``statuses`` matches.

    ``raised_before`` (RFC 3339) is exclusive.
    """

    status: str | None = None
    model_id: str | None = None
    case_id: str | None = None
    agency: str | None = None
    supervising: str | None = None
    severity: str | None = None
    handler: str | None = None
    business_line: str | None = None
    raised_before: str | None = None
    statuses: tuple[str, ...] = ()


# -- the projection ----------------------------------------------------------------------------------------------------


def projections(state: SupervisionState, index: int) -> Iterator[Change]:
    """Yield the rows of a model, lead or recommendation after the entry at ``index``."""
    own: dict[str, Any] = {"updated_index": index}
    match state:
        case ModelState(newest=newest):
            own |= {"title_en": newest.body.title.en, "title_zh": newest.body.title.zh}
            own |= {"retired": state.retired is not None, "adoptions": len(state.adoptions)}
            yield MODELS, row_of(MODELS, newest.body, state, newest, **own)
        case LeadState(raised=raised, closed=closed):
            own |= {"says_en": raised.says.en, "says_zh": raised.says.zh, "outcome": state.came_to}
            own["recommendation_id"] = closed.recommendation_id if closed else None
            yield LEADS, row_of(LEADS, state, raised, **own)
            at_work = {"agency": state.supervising, "officer": state.assignee}
            for case_id in raised.cases:
                yield LEAD_CASES, row_of(LEAD_CASES, state, case_id=case_id, **at_work)
        case RecommendationState(issued=issued, rechecks=rechecks):
            own |= {"result": rechecks[-1].result if rechecks else None, "leads": len(issued.leads)}
            own["to_outside"] = issued.to_outside and issued.to_outside.name
            own["copied_to"] = _listed(state.copied_to)
            yield RECOMMENDATIONS, row_of(RECOMMENDATIONS, state, issued, **own)


def _listed(agencies: Collection[str]) -> str:
    """Return ids in one text that ``contains`` finds each of them in: none has a space."""
    return "".join(f" {agency} " for agency in sorted(agencies))


# What identifies the stream that each row follows from.
STREAM_IDS: Mapping[Table, ColumnElement[str]] = {
    MODELS: literal(MODEL_STREAM) + MODELS.c.model_id,
    LEADS: LEADS.c.lead_id,
    LEAD_CASES: LEAD_CASES.c.lead_id,
    RECOMMENDATIONS: literal(RECOMMENDATION_STREAM) + RECOMMENDATIONS.c.recommendation_id,
}


# -- who sees what -----------------------------------------------------------------------------------------------------


def sight(connection: Connection, stream_id: str, reader: Reader) -> Sight | None:
    """Return what makes the stream visible to the reader; None if nothing does, or if there is no such stream."""
    of_stream = sides(connection, (stream_id,)).get(stream_id)
    return None if of_stream is None else can_see(reader, of_stream)


def sides(connection: Connection, stream_ids: Collection[str]) -> dict[str, Sides]:
    """Return the agencies that have a part in the subjects of these streams, by the streams' ids.

    Of a model that is only its publisher. Streams without a subject are left out. It asks once for each kind.
    """
    by_kind: dict[str | None, list[str]] = defaultdict(list)
    for stream_id in stream_ids:
        by_kind[subject_kind_of(stream_id)].append(stream_id)
    of_streams: dict[str, Sides] = {}
    if models := [stream_id.removeprefix(MODEL_STREAM) for stream_id in by_kind["model"]]:
        publishers = select(MODELS.c.model_id, MODELS.c.publisher).where(one_of(MODELS.c.model_id, models))
        for own_id, publisher in connection.execute(publishers):
            of_streams[MODEL_STREAM + own_id] = Sides(frozenset((publisher,)), is_public=True)
    if by_kind["lead"]:
        lead = (LEADS.c.lead_id, LEADS.c.supervising, LEADS.c.supervised, LEADS.c.notified, LEADS.c.passed_to)
        leads = connection.execute(select(*lead).where(one_of(LEADS.c.lead_id, by_kind["lead"])))
        for lead_id, supervising, supervised, notified, passed_to in leads:
            of_streams[lead_id] = sides_of_lead(supervising, supervised, notified=bool(notified), passed_to=passed_to)
    if issued := [stream_id.removeprefix(RECOMMENDATION_STREAM) for stream_id in by_kind["recommendation"]]:
        own = RECOMMENDATIONS.c
        of_it = select(own.recommendation_id, own.supervising, own.to_agency, own.copied_to)
        for own_id, supervising, to_agency, copied_to in connection.execute(
            of_it.where(one_of(own.recommendation_id, issued))
        ):
            copies = frozenset(copied_to.split())
            of_streams[RECOMMENDATION_STREAM + own_id] = sides_of_recommendation(supervising, to_agency, copies)
    return of_streams


def sees_recommendation(reader: Reader, recommendation_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that the reader sees the recommendation of that id."""
    of_it = select(RECOMMENDATIONS.c.recommendation_id).where(_sees_recommendation(reader))
    return recommendation_id.in_(of_it)


def sees_lead(reader: Reader, lead_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that the reader sees the lead of that id."""
    return lead_id.in_(select(LEADS.c.lead_id).where(_sees_lead(reader)))


def _sees_lead(reader: Reader) -> ColumnElement[bool]:
    """Build the condition that the reader sees a row of ``leads``."""
    # Until a lead is assigned its own subject must not learn of it.
    as_supervised = and_(LEADS.c.supervised == reader.agency, LEADS.c.notified)
    own = (LEADS.c.supervising == reader.agency, LEADS.c.passed_to == reader.agency)
    return or_(*own, as_supervised, _above(LEADS.c.supervising, reader))


def _sees_recommendation(reader: Reader) -> ColumnElement[bool]:
    """Build the condition that the reader sees a row of ``recommendations``."""
    both = (RECOMMENDATIONS.c.supervising, RECOMMENDATIONS.c.to_agency)
    got_copy = RECOMMENDATIONS.c.copied_to.contains(_listed((reader.agency,)), autoescape=True)
    return or_(*(side == reader.agency for side in both), got_copy, _above(RECOMMENDATIONS.c.supervising, reader))


def _above(supervising: ColumnElement[str], reader: Reader) -> ColumnElement[bool]:
    return supervising.in_(reader.supervised) if reader.supervised else false()


# -- queries -----------------------------------------------------------------------------------------------------------


def list_leads(
    connection: Connection, reader: Reader, page: Page, wanted: LeadFilter, *, newest_first: bool = False
) -> list[Row]:
    """Return the leads that the reader sees, latest change last, or first with ``newest_first``.

    ``page.after`` is an ``updated_index``.
    """
    query = _of_leads(select(LEADS), reader, wanted)
    if not newest_first:
        return fetched(connection, paged(query, LEADS.c.updated_index, page))
    if page.after is not None:
        query = query.where(LEADS.c.updated_index < int(page.after))
    return fetched(connection, query.order_by(LEADS.c.updated_index.desc()).limit(page.limit))


def leads_among(connection: Connection, reader: Reader, lead_ids: Collection[str]) -> dict[str, Row]:
    """Return those of the leads that the reader sees, by id."""
    query = _of_leads(select(LEADS), reader, LeadFilter()).where(one_of(LEADS.c.lead_id, lead_ids))
    return {row["lead_id"]: row for row in fetched(connection, query)}


def count_leads(connection: Connection, reader: Reader, wanted: LeadFilter) -> dict[str, int]:
    """Return how many leads of the filter the reader sees in each status."""
    counted = _of_leads(select(LEADS.c.status, _COUNT.label("n")), reader, wanted).group_by(LEADS.c.status)
    return {row.status: row.n for row in connection.execute(counted)}


def count_raised(connection: Connection, model_id: str, agency: str, since: str, until: str) -> int:
    """Return how many leads the model raised about an agency at ``since <= raised_at < until`` (RFC 3339)."""
    query = select(_COUNT).where(LEADS.c.model_id == model_id, LEADS.c.supervised == agency)
    return connection.execute(query.where(LEADS.c.raised_at >= since, LEADS.c.raised_at < until)).scalar_one()


def is_of_line(business_line: str) -> ColumnElement[bool]:
    """Return the condition that a model is of a line of business: it names this one, or none, which is all."""
    return or_(MODELS.c.business_line == business_line, MODELS.c.business_line.is_(None))


def _of_leads(query: Select[Any], reader: Reader, wanted: LeadFilter) -> Select[Any]:
    """Restrict the query to rows of ``leads`` that the reader sees and the filter includes."""
    query = query.where(_sees_lead(reader))
    names = ("status", "model_id", "case_id", "supervising", "severity", "handler")
    query = where_set(query, supervised=wanted.agency, **{name: getattr(wanted, name) for name in names})
    if wanted.statuses:
        query = query.where(LEADS.c.status.in_(wanted.statuses))
    if wanted.raised_before is not None:
        query = query.where(LEADS.c.raised_at < wanted.raised_before)
    if wanted.business_line is not None:
        of_line = select(MODELS.c.model_id).where(is_of_line(wanted.business_line))
        by_model = and_(LEADS.c.business_line.is_(None), LEADS.c.model_id.in_(of_line))
        query = query.where(or_(LEADS.c.business_line == wanted.business_line, by_model))
    return query


def list_recommendations(
    connection: Connection, reader: Reader, page: Page, *, status: str | None = None, agency: str | None = None
) -> list[Row]:
    """Return the recommendations that the reader sees, latest change last; ``agency`` is the recipient."""
    query = where_set(select(RECOMMENDATIONS).where(_sees_recommendation(reader)), status=status, to_agency=agency)
    return fetched(connection, paged(query, RECOMMENDATIONS.c.updated_index, page))


def recommendation(connection: Connection, recommendation_id: str) -> Row:
    """Return the row of a recommendation. Raises NotFound."""
    query = select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.recommendation_id == recommendation_id)
    rows = fetched(connection, query)
    if not rows:
        raise NotFound("no recommendation {recommendation_id}", recommendation_id=recommendation_id)
    return rows[0]


def newest_recommendations(connection: Connection, reader: Reader, supervising: str, limit: int) -> list[Row]:
    """Return the recommendations of a supervising agency that the reader sees, latest change first."""
    of_it = (RECOMMENDATIONS.c.supervising == supervising, _sees_recommendation(reader))
    query = select(RECOMMENDATIONS).where(*of_it).order_by(RECOMMENDATIONS.c.updated_index.desc())
    return fetched(connection, query.limit(limit))


def list_models(connection: Connection, page: Page, *, retired: bool | None = None) -> list[Row]:
    """Return the models, by their ids."""
    return fetched(connection, paged(where_set(select(MODELS), retired=retired), MODELS.c.model_id, page))


def model_titles(connection: Connection) -> dict[str, BilingualText]:
    """Return the title of each model, retired ones too, by its id."""
    rows = connection.execute(select(MODELS.c.model_id, MODELS.c.title_zh, MODELS.c.title_en))
    return {model_id: BilingualText(zh, en) for model_id, zh, en in rows}


def models_with_leads_on(connection: Connection, reader: Reader, case_ids: Collection[str], limit: int) -> list[str]:
    """Return the models that raised most leads on these cases that the reader sees, those with most first."""
    query = _of_leads(select(LEADS.c.model_id), reader, LeadFilter()).where(one_of(LEADS.c.case_id, case_ids))
    query = query.group_by(LEADS.c.model_id).order_by(_COUNT.desc(), LEADS.c.model_id).limit(limit)
    return list(connection.execute(query).scalars())


def tally_of_model(connection: Connection, model_id: str) -> list[tuple[int, str, str | None, int]]:
    """Return how a model's leads turned out over all agencies: version, status, outcome, count."""
    return _tally(connection, LEADS.c.model_version, which=LEADS.c.model_id == model_id)


def outturn_of_model(connection: Connection, model_id: str) -> list[tuple[str, str, str | None, int]]:
    """Return how a model's leads turned out, by the hour in which they were raised.

    Each row is: hour (RFC 3339 up to it, UTC), status, outcome, count.
    """
    return _tally(connection, func.substr(LEADS.c.raised_at, 1, 13), which=LEADS.c.model_id == model_id)


def tally_of(connection: Connection, model_ids: Iterable[str]) -> list[tuple[str, str, str, str | None, int]]:
    """Return how the leads of each of these models turned out: model, supervising agency, status, outcome, count."""
    which = one_of(LEADS.c.model_id, model_ids)
    return _tally(connection, LEADS.c.model_id, LEADS.c.supervising, which=which)


def _tally(connection: Connection, *by: ColumnElement[Any], which: ColumnElement[bool]) -> list[Any]:
    """Return how many of these leads there are by each of ``by``, by status and by outcome, in this order."""
    query = select(*by, LEADS.c.status, LEADS.c.outcome, _COUNT).where(which)
    query = query.group_by(*by, LEADS.c.status, LEADS.c.outcome)
    query = query.order_by(*by, LEADS.c.status, func.coalesce(LEADS.c.outcome, ""))
    return [tuple(row) for row in connection.execute(query)]


def standing(connection: Connection, lead_ids: frozenset[str]) -> dict[str, str]:
    """Return the supervising agency of each of these leads that exists."""
    rows = connection.execute(select(LEADS.c.lead_id, LEADS.c.supervising).where(LEADS.c.lead_id.in_(lead_ids)))
    return {row.lead_id: row.supervising for row in rows}


def cases_of(connection: Connection, lead_ids: Collection[str]) -> list[str]:
    """Return the cases of the ledger that these leads are about, by their ids."""
    query = select(CASES.c.case_id).distinct().join(LEADS, LEADS.c.case_id == CASES.c.case_id)
    return list(connection.execute(query.where(one_of(LEADS.c.lead_id, lead_ids)).order_by(CASES.c.case_id)).scalars())


def is_of(connection: Connection, lead_id: str, issued: RecommendationIssued) -> bool:
    """Return whether the lead is of the recommendation's model, and of the agency that it goes to."""
    query = select(LEADS.c.model_id, LEADS.c.supervised).where(LEADS.c.lead_id == lead_id)
    row = connection.execute(query).first()
    return row is not None and (row.model_id, row.supervised) == (issued.model_id, issued.to_agency)
