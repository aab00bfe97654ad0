"""Cases of an agency in order"""

from collections.abc import Sequence

from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Index the cases of an agency in order: the next page took as long as the agency has cases."""
    op.drop_index("ix_case_agencies_agency", "case_agencies")
    op.create_index("ix_case_agencies_agency", "case_agencies", ["agency", "case_id"])


def downgrade() -> None:
    op.drop_index("ix_case_agencies_agency", "case_agencies")
    op.create_index("ix_case_agencies_agency", "case_agencies", ["agency"])
