"""All tables of the first release, as `jurybox.store.schema` describes them.

Until that release the tables may change here. Afterwards this module must keep making the tables of 0.2,
whatever becomes of the schema, and each change is a module of its own behind it.
"""

from alembic import op

from jurybox.store.schema import metadata

revision = "0010"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    metadata.create_all(op.get_bind(), checkfirst=False)
