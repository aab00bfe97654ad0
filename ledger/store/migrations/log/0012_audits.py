"""Audits"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("audit_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=True),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("officer", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("report", sa.LargeBinary(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id"),
    )
    op.create_index("ix_audits_case_id", "audits", ["case_id"], unique=False)
    op.create_index("ix_audits_started_at", "audits", ["started_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audits_started_at", "audits")
    op.drop_index("ix_audits_case_id", "audits")
    op.drop_table("audits")
