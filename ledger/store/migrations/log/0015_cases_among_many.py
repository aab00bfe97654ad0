"""Indexes that find one case among many"""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Whether a case is offered to an agency, and the next cases that an agency answers for, took as long as it has
    offers and cases."""
    op.drop_index("ix_handovers_to", "handovers")
    op.create_index("ix_handovers_to", "handovers", ["to_agency", "status", "case_id"])
    op.drop_index("ix_cases_responsible", "cases")
    op.create_index("ix_cases_responsible", "cases", ["responsible", "case_id"])


def downgrade() -> None:
    op.drop_index("ix_cases_responsible", "cases")
    op.create_index("ix_cases_responsible", "cases", ["responsible"])
    op.drop_index("ix_handovers_to", "handovers")
    op.create_index("ix_handovers_to", "handovers", ["to_agency", "status"])
