"""Read models of supervision: one row for each model, lead and recommendation."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlmodel import Field, SQLModel

from ledger.core.events.supervision import BilingualText, RecommendationIssued
from ledger.core.supervision import LeadState, Matter, ModelState, RecommendationState, subject_kind_of
from ledger.core.supervision.models import STREAM as MODEL_STREAM
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.core.visibility import LeadSides, ModelSides, Reader, RecommendationSides, Sides, Sight, can_see
from ledger.store.cases import Page
from ledger.store.database import fetched, one_of
from ledger.store.tables import big, core_of, text


class ModelTable(SQLModel, table=True):
    """A model with its newest version; ``adoptions`` counts the agencies that run a version of it."""

    __tablename__ = "models"

    model_id: str = Field(primary_key=True)
    version: int
    model_digest: str
    title_en: str = Field(sa_column=text())
    title_zh: str = Field(sa_column=text())
    business_line: str
    severity: str
    publisher: str
    published_at: str
    retired: bool
    adoptions: int
    updated_index: int = Field(sa_column=big(), description="log index of the latest event")


class LeadTable(SQLModel, table=True):
    """A lead in its present state.

    ``notified`` marks that the supervised agency sees it. ``outcome`` is that of a closed lead, ``dismissed`` for a
    dismissed one.
    """

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_procuratorate", "procuratorate", "status"),
        Index("ix_leads_supervised", "supervised", "status"),
        Index("ix_leads_model", "model_id", "status"),
    )

    lead_id: str = Field(primary_key=True)
    model_id: str
    model_version: int
    case_id: str | None = Field(default=None, index=True)
    supervised: str
    procuratorate: str
    severity: str
    says_en: str = Field(sa_column=text())
    says_zh: str = Field(sa_column=text())
    status: str
    notified: bool
    handler: str | None = None
    outcome: str | None = None
    recommendation_id: str | None = None
    raised_at: str
    updated_index: int = Field(sa_column=big())


class RecommendationTable(SQLModel, table=True):
    """A recommendation in its present state; ``result`` is that of its last re-check."""

    __tablename__ = "recommendations"
    __table_args__ = (
        Index("ix_recommendations_procuratorate", "procuratorate"),
        Index("ix_recommendations_to", "to_agency"),
    )

    recommendation_id: str = Field(primary_key=True)
    document_number: str
    procuratorate: str
    to_agency: str
    model_id: str | None = None
    status: str
    issued_at: str
    answered_at: str | None = None
    result: str | None = None
    leads: int
    updated_index: int = Field(sa_column=big())


MODELS = core_of(ModelTable)
LEADS = core_of(LeadTable)
RECOMMENDATIONS = core_of(RecommendationTable)


Row = dict[str, Any]
TABLES = (MODELS, LEADS, RECOMMENDATIONS)


class LeadFilter(Struct, frozen=True):
    """A filter of leads: those that meet everything given.

    ``agency`` is the supervised one; any of ``statuses`` matches.

    ``raised_before`` (RFC 3339) is exclusive.
    """

    status: str | None = None
    model_id: str | None = None
    case_id: str | None = None
    agency: str | None = None
    procuratorate: str | None = None
    severity: str | None = None
    handler: str | None = None
    business_line: str | None = None
    raised_before: str | None = None
    statuses: tuple[str, ...] = ()


# -- the projection ----------------------------------------------------------------------------------------------------


def projection(matter: Matter, index: int) -> tuple[Table, tuple[str, ...], Row]:
    """Return the row of a model, lead or recommendation after the entry at ``index``: table, key and row."""
    if isinstance(matter, ModelState):
        return MODELS, (matter.model_id,), _model_row(matter, index)
    if isinstance(matter, LeadState):
        return LEADS, (matter.lead_id,), _lead_row(matter, index)
    return RECOMMENDATIONS, (matter.recommendation_id,), _recommendation_row(matter, index)


def _model_row(state: ModelState, index: int) -> Row:
    newest, body = state.newest, state.newest.body
    return {
        "model_id": state.model_id,
        "version": body.version,
        "model_digest": body.model_digest,
        "title_en": body.title.en,
        "title_zh": body.title.zh,
        "business_line": body.business_line,
        "severity": body.severity,
        "publisher": state.publisher,
        "published_at": newest.published_at,
        "retired": state.retired is not None,
        "adoptions": len(state.adoptions),
        "updated_index": index,
    }


def _lead_row(state: LeadState, index: int) -> Row:
    raised, closed = state.raised, state.closed
    return {
        "lead_id": state.lead_id,
        "model_id": raised.model_id,
        "model_version": raised.model_version,
        "case_id": raised.case_id,
        "supervised": raised.supervised,
        "procuratorate": state.procuratorate,
        "severity": raised.severity,
        "says_en": raised.says.en,
        "says_zh": raised.says.zh,
        "status": state.status,
        "notified": state.notified,
        "handler": state.handler,
        "outcome": state.came_to,
        "recommendation_id": closed.recommendation_id if closed else None,
        "raised_at": state.raised_at,
        "updated_index": index,
    }


def _recommendation_row(state: RecommendationState, index: int) -> Row:
    return {
        "recommendation_id": state.recommendation_id,
        "document_number": state.issued.document_number,
        "procuratorate": state.procuratorate,
        "to_agency": state.issued.to_agency,
        "model_id": state.issued.model_id,
        "status": state.status,
        "issued_at": state.issued_at,
        "answered_at": state.answered_at,
        "result": state.rechecks[-1].result if state.rechecks else None,
        "leads": len(state.issued.leads),
        "updated_index": index,
    }


def stored_rows(connection: Connection, first: str | None, last: str | None) -> dict[str, dict[tuple[str, ...], Row]]:
    """Return the stored rows of the streams ``first <= id < last``: by stream, then by table name and key."""
    by_stream_id: dict[str, dict[tuple[str, ...], Row]] = {}
    for table, prefix, key in (
        (MODELS, MODEL_STREAM, MODELS.c.model_id),
        (LEADS, "", LEADS.c.lead_id),
        (RECOMMENDATIONS, RECOMMENDATION_STREAM, RECOMMENDATIONS.c.recommendation_id),
    ):
        stream_id = literal(prefix) + key
        query = select(table) if first is None else select(table).where(stream_id >= first)
        query = query if last is None else query.where(stream_id < last)
        for row in connection.execute(query).mappings():
            own_id = row[key.name]
            by_stream_id.setdefault(prefix + own_id, {})[table.name, own_id] = dict(row)
    return by_stream_id


# -- who sees what -----------------------------------------------------------------------------------------------------


def sight(connection: Connection, stream_id: str, reader: Reader) -> Sight | None:
    """Return what makes the stream visible to the reader; None if nothing does, or if there is no such stream."""
    of_stream = sides(connection, stream_id)
    return None if of_stream is None else can_see(reader, of_stream)


def sides(connection: Connection, stream_id: str) -> Sides | None:
    """Return the agencies that have a part in the stream's subject, or None; of a model only its publisher."""
    thing = subject_kind_of(stream_id)
    if thing == "model":
        own_id = stream_id.removeprefix(MODEL_STREAM)
        publisher = connection.execute(select(MODELS.c.publisher).where(MODELS.c.model_id == own_id)).scalar()
        return None if publisher is None else ModelSides(frozenset((publisher,)))
    if thing == "lead":
        lead = (LEADS.c.procuratorate, LEADS.c.supervised, LEADS.c.notified)
        lead_row = connection.execute(select(*lead).where(LEADS.c.lead_id == stream_id)).first()
        return (
            None
            if lead_row is None
            else LeadSides(lead_row.procuratorate, lead_row.supervised, bool(lead_row.notified))
        )
    if thing == "recommendation":
        own_id = stream_id.removeprefix(RECOMMENDATION_STREAM)
        both = (RECOMMENDATIONS.c.procuratorate, RECOMMENDATIONS.c.to_agency)
        row = connection.execute(select(*both).where(RECOMMENDATIONS.c.recommendation_id == own_id)).first()
        return None if row is None else RecommendationSides(row.procuratorate, row.to_agency)
    return None


def _sees_lead(reader: Reader) -> ColumnElement[bool]:
    """Build the condition that the reader sees a row of ``leads``."""
    as_supervised = and_(LEADS.c.supervised == reader.agency, LEADS.c.notified)
    return or_(LEADS.c.procuratorate == reader.agency, as_supervised, _above(LEADS.c.procuratorate, reader))


def _sees_recommendation(reader: Reader) -> ColumnElement[bool]:
    """Build the condition that the reader sees a row of ``recommendations``."""
    both = (RECOMMENDATIONS.c.procuratorate, RECOMMENDATIONS.c.to_agency)
    return or_(*(side == reader.agency for side in both), _above(RECOMMENDATIONS.c.procuratorate, reader))


def _above(procuratorate: ColumnElement[str], reader: Reader) -> ColumnElement[bool]:
    return procuratorate.in_(reader.supervised) if reader.supervised else false()


# -- queries -----------------------------------------------------------------------------------------------------------


def list_leads(
    connection: Connection, reader: Reader, page: Page, wanted: LeadFilter, *, newest_first: bool = False
) -> list[Row]:
    """Return the leads that the reader sees, latest change last, or first with ``newest_first``.

    ``page.after`` is an ``updated_index``.
    """
    query = select(LEADS).where(*_of_leads(reader, wanted))
    if not newest_first:
        return _paged(connection, query, LEADS.c.updated_index, page)
    if page.after is not None:
        query = query.where(LEADS.c.updated_index < int(page.after))
    return fetched(connection, query.order_by(LEADS.c.updated_index.desc()).limit(page.limit))


def leads_among(connection: Connection, reader: Reader, lead_ids: Collection[str]) -> dict[str, Row]:
    """Return those of the leads that the reader sees, by id."""
    query = select(LEADS).where(*_of_leads(reader, LeadFilter()), one_of(LEADS.c.lead_id, "lead_ids"))
    rows = connection.execute(query, {"lead_ids": json.dumps([*lead_ids])}).mappings()
    return {row["lead_id"]: dict(row) for row in rows}


def count_leads(connection: Connection, reader: Reader, wanted: LeadFilter) -> dict[str, int]:
    """Return how many leads of the filter the reader sees in each status."""
    counted = select(LEADS.c.status, cast(func.count(), Integer).label("n")).where(*_of_leads(reader, wanted))
    return {row.status: row.n for row in connection.execute(counted.group_by(LEADS.c.status))}


def count_raised(connection: Connection, model_id: str, agency: str, since: str, until: str) -> int:
    """Return how many leads the model raised about an agency at ``since <= raised_at < until`` (RFC 3339)."""
    query = select(cast(func.count(), Integer)).where(LEADS.c.model_id == model_id, LEADS.c.supervised == agency)
    count = connection.execute(query.where(LEADS.c.raised_at >= since, LEADS.c.raised_at < until)).scalar_one()
    return int(count)


def _of_leads(reader: Reader, wanted: LeadFilter) -> list[ColumnElement[bool]]:
    """Build the conditions that the reader sees a row of ``leads`` and the filter includes it."""
    columns = {
        "status": LEADS.c.status,
        "model_id": LEADS.c.model_id,
        "case_id": LEADS.c.case_id,
        "agency": LEADS.c.supervised,
        "procuratorate": LEADS.c.procuratorate,
        "severity": LEADS.c.severity,
        "handler": LEADS.c.handler,
    }
    named = [column == value for name, column in columns.items() if (value := getattr(wanted, name)) is not None]
    if wanted.statuses:
        named.append(LEADS.c.status.in_(wanted.statuses))
    if wanted.raised_before is not None:
        named.append(LEADS.c.raised_at < wanted.raised_before)
    if wanted.business_line is not None:
        of_line = select(MODELS.c.model_id).where(MODELS.c.business_line == wanted.business_line)
        named.append(LEADS.c.model_id.in_(of_line))
    return [_sees_lead(reader), *named]


def list_recommendations(
    connection: Connection, reader: Reader, page: Page, *, status: str | None = None, agency: str | None = None
) -> list[Row]:
    """Return the recommendations that the reader sees, latest change last; ``agency`` is the recipient."""
    query = select(RECOMMENDATIONS).where(_sees_recommendation(reader))
    if status is not None:
        query = query.where(RECOMMENDATIONS.c.status == status)
    if agency is not None:
        query = query.where(RECOMMENDATIONS.c.to_agency == agency)
    return _paged(connection, query, RECOMMENDATIONS.c.updated_index, page)


def newest_recommendations(connection: Connection, reader: Reader, procuratorate: str, limit: int) -> list[Row]:
    """Return the recommendations of a procuratorate that the reader sees, latest change first."""
    of_it = (RECOMMENDATIONS.c.procuratorate == procuratorate, _sees_recommendation(reader))
    query = select(RECOMMENDATIONS).where(*of_it).order_by(RECOMMENDATIONS.c.updated_index.desc())
    return fetched(connection, query.limit(limit))


def list_models(connection: Connection, page: Page, *, retired: bool | None = None) -> list[Row]:
    """Return the models, by their ids."""
    query = select(MODELS)
    if retired is not None:
        query = query.where(MODELS.c.retired == retired)
    if page.after is not None:
        query = query.where(MODELS.c.model_id > page.after)
    return fetched(connection, query.order_by(MODELS.c.model_id).limit(page.limit))


def model_titles(connection: Connection) -> dict[str, BilingualText]:
    """Return the title of each model, retired ones too, by its id."""
    rows = connection.execute(select(MODELS.c.model_id, MODELS.c.title_zh, MODELS.c.title_en))
    return {model_id: BilingualText(zh, en) for model_id, zh, en in rows}


def tally_of_model(connection: Connection, model_id: str) -> list[tuple[int, str, str | None, int]]:
    """Return how a model's leads turned out over all agencies: version, status, outcome, count."""
    columns = (LEADS.c.model_version, LEADS.c.status, LEADS.c.outcome)
    counted = select(*columns, cast(func.count(), Integer)).where(LEADS.c.model_id == model_id)
    order = (LEADS.c.model_version, LEADS.c.status, func.coalesce(LEADS.c.outcome, ""))
    return [tuple(row) for row in connection.execute(counted.group_by(*columns).order_by(*order))]


def outturn_of_model(connection: Connection, model_id: str) -> list[tuple[str, str, str | None, int]]:
    """Return how a model's leads turned out, by the hour in which they were raised.

    Each row is: hour (RFC 3339 up to it, UTC), status, outcome, count.
    """
    hour = func.substr(LEADS.c.raised_at, 1, 13)
    columns = (hour, LEADS.c.status, LEADS.c.outcome)
    counted = select(*columns, cast(func.count(), Integer)).where(LEADS.c.model_id == model_id)
    order = (hour, LEADS.c.status, func.coalesce(LEADS.c.outcome, ""))
    return [tuple(row) for row in connection.execute(counted.group_by(*columns).order_by(*order))]


def tally_of(connection: Connection, model_ids: Iterable[str]) -> list[tuple[str, str, str, str | None, int]]:
    """Return how the leads of each of these models turned out: model, procuratorate, status, outcome, count."""
    columns = (LEADS.c.model_id, LEADS.c.procuratorate, LEADS.c.status, LEADS.c.outcome)
    counted = select(*columns, cast(func.count(), Integer)).where(one_of(LEADS.c.model_id, "model_ids"))
    order = (LEADS.c.model_id, LEADS.c.procuratorate, LEADS.c.status, func.coalesce(LEADS.c.outcome, ""))
    wanted = {"model_ids": json.dumps(list(model_ids))}
    return [tuple(row) for row in connection.execute(counted.group_by(*columns).order_by(*order), wanted)]


def standing(connection: Connection, lead_ids: frozenset[str]) -> dict[str, str]:
    """Return the procuratorate of each of these leads that exists."""
    rows = connection.execute(select(LEADS.c.lead_id, LEADS.c.procuratorate).where(LEADS.c.lead_id.in_(lead_ids)))
    return {row.lead_id: row.procuratorate for row in rows}


def is_of(connection: Connection, lead_id: str, issued: RecommendationIssued) -> bool:
    """Return whether the lead is of the recommendation's model, and of the agency that it goes to."""
    query = select(LEADS.c.model_id, LEADS.c.supervised).where(LEADS.c.lead_id == lead_id)
    row = connection.execute(query).first()
    return row is not None and (row.model_id, row.supervised) == (issued.model_id, issued.to_agency)


def _paged(connection: Connection, query: Select[Any], key: ColumnElement[int], page: Page) -> list[Row]:
    if page.after is not None:
        query = query.where(key > int(page.after))
    return fetched(connection, query.order_by(key).limit(page.limit))
