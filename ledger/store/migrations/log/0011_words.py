"""Words"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BRACKETS = str.maketrans("", "", "()[]〔〕【】《》")
PAGE = 10_000  # entries read at a time
KINDS = {
    "case_number": "case_number",
    "number": "document",
    "document_number": "document",
    "exhibit_number": "exhibit",
    "seal_number": "seal",
    "digests": "digest",
    "officers": "officer",
    "collectors": "officer",
    "handler": "officer",
    "person_id": "person",
    "person_ids": "person",
    "handover_id": "handover",
}


def upgrade() -> None:
    """Create the table and fill it from the events of an existing log."""
    by_code_point = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    words = op.create_table(
        "words",
        sa.Column("word", by_code_point, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=True),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("word", "kind", "case_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_words_case_id", "words", ["case_id"], unique=False)
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in _recorded():
        latest[row["word"], row["kind"], row["case_id"]] = row
    rows = list(latest.values())
    for start in range(0, len(rows), PAGE):
        op.bulk_insert(words, rows[start : start + PAGE])


def _recorded() -> Iterator[dict[str, Any]]:
    """Yield the words of the log's events, in order."""
    entries = sa.table("entries", *map(sa.column, ("log_index", "stream_kind", "payload")))
    query = sa.select(entries.c.log_index, entries.c.payload).where(entries.c.stream_kind == "case")
    query, after = query.order_by(entries.c.log_index).limit(PAGE), -1
    while page := op.get_bind().execute(query.where(entries.c.log_index > after)).all():
        for index, data in page:
            payload = json.loads(bytes(data))
            officer = ("officer", payload["officer"], None)
            for kind, text, item_id in (officer, *_said(payload["body"], None)):
                word = "".join(unicodedata.normalize("NFKC", text).casefold().translate(BRACKETS).split())
                case_id = payload["stream"]["id"]
                yield {"word": word, "kind": kind, "case_id": case_id, "item_id": item_id, "updated_index": index}
        after = page[-1].log_index


def _said(value: dict[str, Any], item_id: str | None) -> Iterator[tuple[str, str, str | None]]:
    item_id = value.get("item_id", item_id)
    for name, part in value.items():
        parts = part if isinstance(part, list) else [part]
        if name in KINDS:
            yield from ((KINDS[name], text, item_id) for text in parts)
        else:
            for nested in parts:
                yield from _said(nested, item_id) if isinstance(nested, dict) else ()


def downgrade() -> None:
    op.drop_index("ix_words_case_id", "words")
    op.drop_table("words")
