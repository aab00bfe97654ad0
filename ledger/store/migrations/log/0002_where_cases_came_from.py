"""Where cases came from"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = ("case_id", "agency", "source_system", "source_key")


def upgrade() -> None:
    imports = op.create_table(
        "imports",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("file_digest", sa.String(), nullable=False),
        sa.Column("row", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row_digest", sa.String(), nullable=True),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "agency", "source_system", "source_key"),
    )
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.create_index("ix_imports_source", ["agency", "source_system", "source_key"], unique=False)
    latest = {tuple(row[name] for name in KEY): row for row in _recorded()}
    if latest:
        op.bulk_insert(imports, list(latest.values()))


def _recorded() -> Iterator[dict[str, Any]]:
    """Yield the rows of the imports that the log has recorded, in order."""
    entries = sa.table("entries", *map(sa.column, ("log_index", "event_type", "stream_kind", "payload")))
    query = sa.select(entries.c.log_index, entries.c.payload).order_by(entries.c.log_index)
    query = query.where(entries.c.event_type == "import.recorded", entries.c.stream_kind == "case")
    for index, data in op.get_bind().execute(query).all():
        payload = json.loads(bytes(data))
        origin = {"case_id": payload["stream"]["id"], "agency": payload["agency"], "row_digest": None}
        yield {**origin, **payload["body"], "updated_index": index}


def downgrade() -> None:
    op.drop_table("imports")
