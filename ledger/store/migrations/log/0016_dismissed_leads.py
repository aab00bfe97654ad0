"""Dismissed leads"""

from collections.abc import Sequence

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SAY_SO = """
UPDATE leads SET outcome = 'dismissed'
WHERE status = 'closed' AND EXISTS (
    SELECT 1 FROM entries
    WHERE stream_kind = 'supervision' AND stream_id = leads.lead_id AND event_type = 'lead.dismissed'
)
"""


def upgrade() -> None:
    """Give dismissed leads an outcome of their own, so that they differ from those confirmed without outcome."""
    op.execute(_SAY_SO)


def downgrade() -> None:
    op.execute("UPDATE leads SET outcome = 'none' WHERE outcome = 'dismissed'")
