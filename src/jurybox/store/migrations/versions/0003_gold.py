"""Texts whose label is known, qualification, and caps as shares."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables and add the columns."""
    op.create_table(
        "gold",
        sa.Column("text_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_gold_class_id"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_gold_text_id"),
        sa.PrimaryKeyConstraint("text_id", name="pk_gold"),
    )
    op.create_table(
        "gold_leases",
        sa.Column("annotator_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("selection_probability", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name="fk_gold_leases_annotator_id"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_gold_leases_text_id"),
        sa.PrimaryKeyConstraint("annotator_id", "text_id", name="pk_gold_leases"),
    )
    op.add_column("project", sa.Column("n_gold", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("annotators", sa.Column("max_share", sa.Double(), nullable=True))
    op.add_column("annotators", sa.Column("qualified", sa.Boolean(), nullable=True))
