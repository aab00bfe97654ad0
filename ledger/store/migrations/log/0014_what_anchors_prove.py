"""What anchors prove"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNT_ANCHORS = """
UPDATE chain_writes SET anchor_number = counted.position
FROM (
    SELECT number, row_number() OVER (ORDER BY number) AS position
    FROM chain_writes WHERE purpose = 'anchor' AND state = 'confirmed'
) AS counted
WHERE counted.number = chain_writes.number
"""


def upgrade() -> None:
    """Pages look for one anchor, however many there are. The times of blocks are on the chain: who follows it fetches
    them."""
    op.add_column("chain_writes", sa.Column("block_time", sa.BigInteger(), nullable=True))
    op.add_column("chain_writes", sa.Column("anchor_number", sa.BigInteger(), nullable=True))
    op.execute(_COUNT_ANCHORS)
    op.drop_index("ix_chain_writes_state", "chain_writes")
    op.create_index("ix_chain_writes_block", "chain_writes", ["state", "block_number", "number"])
    op.create_index("ix_chain_writes_anchor", "chain_writes", ["purpose", "state", "number"])


def downgrade() -> None:
    op.drop_index("ix_chain_writes_anchor", "chain_writes")
    op.drop_index("ix_chain_writes_block", "chain_writes")
    op.create_index("ix_chain_writes_state", "chain_writes", ["state"])
    op.drop_column("chain_writes", "anchor_number")
    op.drop_column("chain_writes", "block_time")
