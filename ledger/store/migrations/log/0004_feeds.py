"""Feeds"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CASES = """
INSERT INTO feed (agency, log_index, since)
SELECT seeing.agency, entries.log_index, entries.sequence
FROM entries JOIN (
    SELECT agency, case_id FROM case_agencies
    UNION SELECT to_agency, case_id FROM handovers WHERE status = 'offered'
) AS seeing ON seeing.case_id = entries.stream_id
WHERE entries.stream_kind = 'case'
"""
_AGENCIES = """
INSERT INTO feed (agency, log_index, since)
SELECT stream_id, log_index, sequence FROM entries WHERE stream_kind = 'agency'
"""


def upgrade() -> None:
    """Of a log that is there already everybody gets what he sees now."""
    op.create_table(
        "feed",
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("agency", "log_index"),
        sqlite_with_rowid=False,
    )
    op.execute(_CASES)
    op.execute(_AGENCIES)


def downgrade() -> None:
    op.drop_table("feed")
