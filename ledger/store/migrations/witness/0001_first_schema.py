"""Create the tables of the witness.

Until 0.1 is released, the declared tables are the schema. With the release their statements are written out here, so
that a later migration finds what it changes, and the version is the number alone.
"""

from alembic import op

from ledger.store.migrating import metadata, newest_version

revision = newest_version("witness")
down_revision = None


def upgrade() -> None:
    metadata("witness").create_all(op.get_bind())
