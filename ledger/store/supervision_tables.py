"""The tables of supervision: read models of its streams, one row for each model, lead and recommendation."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from ledger.store.columns import big, core_of, text


class ModelRow(SQLModel, table=True):
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


class LeadRow(SQLModel, table=True):
    """A lead as it stands; ``told`` says that the supervised agency sees it, ``outcome`` what came of a closed one,
    which of a dismissed one is ``dismissed``."""

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
    told: bool
    handler: str | None = None
    outcome: str | None = None
    recommendation_id: str | None = None
    raised_at: str
    updated_index: int = Field(sa_column=big())


class RecommendationRow(SQLModel, table=True):
    """A recommendation as it stands; ``result`` is that of its last re-check."""

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


MODELS = core_of(ModelRow)
LEADS = core_of(LeadRow)
RECOMMENDATIONS = core_of(RecommendationRow)
