"""Bindings of rows that no event signs"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "bindings",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_bindings_of", "bindings", ["of", "number"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_bindings_of", "bindings")
    op.drop_table("bindings")
