"""Create the tables of the log.

Until 0.1 is released, the declared tables are the schema. With the release their statements are written out here, so
that a later migration finds what it changes, and the version is the number alone.
"""

from alembic import op

from ledger.store.migrating import metadata, newest_version

revision = newest_version("log")
down_revision = None


def upgrade() -> None:
    metadata("log").create_all(op.get_bind())
