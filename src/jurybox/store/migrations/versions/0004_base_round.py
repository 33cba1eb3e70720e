"""Which ranking covers all texts, behind a front that may be newer."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column: so far every ranking has covered all texts."""
    op.add_column("project", sa.Column("base_round", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE project SET base_round = current_round")
