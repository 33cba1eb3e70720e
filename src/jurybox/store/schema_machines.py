"""Tables of machines and what they said, beside those of `jurybox.store.schema`, and what tables share."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the type is INTEGER, which is 64 bits wide there.
Serial = BigInteger().with_variant(Integer, "sqlite")

machines = Table(
    "machines",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("price", JSON, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("stopped_at", Double),
)
"""Every version of every language model and rule; what its answers depend on never changes."""

Index("uq_machines_name", machines.c.name, machines.c.version, unique=True)

responses = Table(
    "responses",
    metadata,
    Column("machine_id", ForeignKey("machines.id"), primary_key=True, autoincrement=False),
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("asked_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("batch", String(64)),
    Column("class_id", ForeignKey("classes.id")),
    Column("probabilities", JSON(none_as_null=True)),
    Column("tokens_in", Integer, nullable=False, server_default="0"),
    Column("tokens_out", Integer, nullable=False, server_default="0"),
    Column("price", Double, nullable=False),
    Column("seconds", Double),
    Column("raw", Text, nullable=False, server_default=""),
)
"""What machines said, never an annotation. A row is written before its question is sent, with the most that
the answer can cost, and completed when it has come; `batch` names the file that it was written into."""

shown = Table(
    "shown",
    metadata,
    Column("annotator_id", ForeignKey("annotators.id"), primary_key=True, autoincrement=False),
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("suggested_by", String(32), nullable=False),
    Column("suggested_class", ForeignKey("classes.id"), nullable=False),
)
"""Opinions that were put on somebody's screen, the first for each text: it is there before it is sent."""

released = Table(
    "released",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("class_id", ForeignKey("classes.id"), nullable=False),
    Column("probability", Double, nullable=False),
    Column("round_id", Integer, nullable=False),
    Column("allowed", Double, nullable=False),
    Column("error_bound", Double, nullable=False),
    Column("released_at", Double, nullable=False),
)
"""Texts whose label stands without a person: that of a round's model, under a bound on the error of all."""
