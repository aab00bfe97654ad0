"""What the writes of the chain's journal took of gas"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Null for what was written before: the journal then shows what was allowed alone."""
    op.add_column("chain_writes", sa.Column("gas_used", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("chain_writes", "gas_used")
