"""The first schema"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "followed",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_id", sa.LargeBinary(), nullable=False),
        sa.Column("log_key", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("roots", sa.LargeBinary(), nullable=False),
        sa.Column("seen_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("looked_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("looked_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchor_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchor_size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchor_root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "followed_streams",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "followed_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "followed_changes",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "cosigned",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "alarms",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("halts", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )


def downgrade() -> None:
    for table in ("alarms", "cosigned", "followed_changes", "followed_events", "followed_streams", "followed"):
        op.drop_table(table)
