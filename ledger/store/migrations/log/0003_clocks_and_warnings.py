"""Clocks and warnings"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables; the service fills the clocks of an existing log when it opens it."""
    op.create_table(
        "clocks",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("deadline_id", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("handler", sa.String(), nullable=True),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("stopped_at", sa.String(), nullable=True),
        sa.Column("due_at", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "deadline_id"),
    )
    op.create_index("ix_clocks_agency", "clocks", ["agency", "status", "due_at"], unique=False)
    op.create_index("ix_clocks_due", "clocks", ["status", "due_at"], unique=False)
    op.create_table(
        "warnings",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("deadline_id", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("handler", sa.String(), nullable=True),
        sa.Column("due_at", sa.String(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("warned_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("case_id", "deadline_id", "due_at", "days"),
    )
    op.create_index("ix_warnings_agency", "warnings", ["agency", "number"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_warnings_agency", "warnings")
    op.drop_table("warnings")
    op.drop_index("ix_clocks_due", "clocks")
    op.drop_index("ix_clocks_agency", "clocks")
    op.drop_table("clocks")
    op.execute("DELETE FROM meta WHERE name = 'clocks_counted_by'")
