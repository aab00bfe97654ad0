"""States of anchors"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Anchors that are there already are proven by the next steps on the chain."""
    op.create_table(
        "anchor_states",
        sa.Column("write_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("anchored_in", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("block_note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("write_number"),
    )
    op.create_table(
        "trie_nodes",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("node", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("trie_nodes")
    op.drop_table("anchor_states")
