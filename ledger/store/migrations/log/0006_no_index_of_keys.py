"""No index of keys"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """No query looks entries up by the key that signed them, and every submission paid for it."""
    op.drop_index("ix_entries_key_id", "entries")


def downgrade() -> None:
    op.create_index("ix_entries_key_id", "entries", ["key_id", "log_index"])
