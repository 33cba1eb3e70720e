"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "annotators",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("token_hash", sa.String(length=128), nullable=True),
        sa.Column("n_annotations", sa.Integer(), nullable=False),
        sa.Column("n_skips", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annotators"),
        sa.UniqueConstraint("name", name="uq_annotators_name"),
        sa.UniqueConstraint("token_hash", name="uq_annotators_token_hash"),
    )
    op.create_table(
        "classes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
        sa.UniqueConstraint("name", name="uq_classes_name"),
    )
    op.create_table(
        "guidelines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_guidelines"),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("current_round", sa.Integer(), nullable=False),
        sa.Column("audit_rate", sa.Double(), nullable=True),
        sa.CheckConstraint("id = 0", name="ck_project_single"),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
    )
    op.create_table(
        "ranking",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("labels", sa.SmallInteger(), nullable=False),
        sa.Column("wanted", sa.SmallInteger(), nullable=False),
        sa.Column("cap", sa.SmallInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("selection_probability", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("round_id", "text_id", name="pk_ranking"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_ranking_open",
        "ranking",
        ["round_id", "position", "text_id"],
        unique=False,
        sqlite_where=sa.text("open = 1"),
        postgresql_where=sa.text("open"),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("last_annotation", sa.BigInteger(), nullable=False),
        sa.Column("n_annotations", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rounds"),
    )
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_texts"),
        sa.UniqueConstraint("external_id", name="uq_texts_external_id"),
    )
    op.create_table(
        "annotations",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("selection_probability", sa.Double(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("retired_by", _SERIAL, nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name="fk_annotations_annotator_id"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_annotations_class_id"),
        sa.ForeignKeyConstraint(["retired_by"], ["annotations.id"], name="fk_annotations_retired_by"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_annotations_text_id"),
        sa.PrimaryKeyConstraint("id", name="pk_annotations"),
    )
    op.create_index("ix_annotations_annotator", "annotations", ["annotator_id", "id"], unique=False)
    op.create_index(
        "uq_annotations_idempotency_key",
        "annotations",
        ["annotator_id", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "uq_annotations_standing",
        "annotations",
        ["text_id", "annotator_id"],
        unique=True,
        sqlite_where=sa.text("retired_by IS NULL AND class_id IS NOT NULL"),
        postgresql_where=sa.text("retired_by IS NULL AND class_id IS NOT NULL"),
    )
    op.create_table(
        "arrays",
        sa.Column("round_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name="fk_arrays_round_id"),
        sa.PrimaryKeyConstraint("round_id", "name", "part", name="pk_arrays"),
    )
    op.create_table(
        "audit",
        sa.Column("text_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("drawn_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_audit_text_id"),
        sa.PrimaryKeyConstraint("text_id", name="pk_audit"),
    )
    op.create_table(
        "flags",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name="fk_flags_annotator_id"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_flags_text_id"),
        sa.PrimaryKeyConstraint("id", name="pk_flags"),
    )
    op.create_table(
        "leases",
        sa.Column("text_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("selection_probability", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name="fk_leases_annotator_id"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_leases_text_id"),
        sa.PrimaryKeyConstraint("text_id", name="pk_leases"),
    )
    op.create_index("ix_leases_annotator_id", "leases", ["annotator_id"], unique=False)
    op.create_table(
        "skips",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name="fk_skips_annotator_id"),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name="fk_skips_text_id"),
        sa.PrimaryKeyConstraint("id", name="pk_skips"),
    )
    op.create_index(
        "uq_skips_standing",
        "skips",
        ["annotator_id", "text_id"],
        unique=True,
        sqlite_where=sa.text("retired_at IS NULL"),
        postgresql_where=sa.text("retired_at IS NULL"),
    )
