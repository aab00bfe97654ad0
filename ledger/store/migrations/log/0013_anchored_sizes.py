"""An index of anchored sizes"""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_chain_writes_anchored", "chain_writes", ["state", "anchored_size", "number"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_chain_writes_anchored", "chain_writes")
