"""Models, leads and recommendations"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables, empty: an existing log has no event of supervision, since none could be recorded."""
    op.create_table(
        "models",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("business_line", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("published_at", sa.String(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("adoptions", sa.Integer(), nullable=False),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=True),
        sa.Column("supervised", sa.String(), nullable=False),
        sa.Column("procuratorate", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("says_en", sa.Text(), nullable=False),
        sa.Column("says_zh", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("handler", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("recommendation_id", sa.String(), nullable=True),
        sa.Column("raised_at", sa.String(), nullable=False),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("lead_id"),
    )
    op.create_index("ix_leads_case_id", "leads", ["case_id"], unique=False)
    op.create_index("ix_leads_model", "leads", ["model_id", "status"], unique=False)
    op.create_index("ix_leads_procuratorate", "leads", ["procuratorate", "status"], unique=False)
    op.create_index("ix_leads_supervised", "leads", ["supervised", "status"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("recommendation_id", sa.String(), nullable=False),
        sa.Column("document_number", sa.String(), nullable=False),
        sa.Column("procuratorate", sa.String(), nullable=False),
        sa.Column("to_agency", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("issued_at", sa.String(), nullable=False),
        sa.Column("answered_at", sa.String(), nullable=True),
        sa.Column("result", sa.String(), nullable=True),
        sa.Column("leads", sa.Integer(), nullable=False),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("recommendation_id"),
    )
    op.create_index("ix_recommendations_procuratorate", "recommendations", ["procuratorate"], unique=False)
    op.create_index("ix_recommendations_to", "recommendations", ["to_agency"], unique=False)


def downgrade() -> None:
    for table in ("recommendations", "leads", "models"):
        op.drop_table(table)
