"""Tables of what owners see and do: remarks, rulings, the trail, searches, notes, groups of texts."""

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    event,
    false,
)

from jurybox.store.schema_machines import Serial, metadata

flags = Table(
    "flags",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("text_id", ForeignKey("texts.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotators.id"), nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),
    Column("answered_by", Text),
    Column("answered_at", Double),
    Column("resolved_at", Double),
)
"""Remarks of annotators, and what a reviewer says to them."""

Index("ix_flags_annotator", flags.c.annotator_id)

rulings = Table(
    "rulings",
    metadata,
    Column("annotation_id", ForeignKey("annotations.id"), primary_key=True, autoincrement=False),
    Column("reason", String(16), nullable=False),
)
"""Why labels before a reviewer's decision were wrong, as `jurybox.store.records.Fault` says."""

searches = Table(
    "searches",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("query", Text, nullable=False),
    Column("made_by", Text),
    Column("created_at", Double, nullable=False),
)
"""Searches among texts that an owner has kept: the query of the page's address."""

# In a MetaData of its own: what each database has of this kind, it makes in a way of its own.
text_words = Table(
    "text_words", MetaData(), Column("rowid", Integer, primary_key=True), Column("words", Text)
)
"""The words of each text and its id, see `jurybox.store.search`; `rowid` is the text's number. FTS5 keeps
neither the places of words, which nobody asks for, nor what they were found in; but it keeps which texts have
a word with each first letter, or first two: of so many words it took a time that grows with the pool."""

for _dialect, _statement in (
    (
        "sqlite",
        "CREATE VIRTUAL TABLE text_words USING fts5"
        "(words, content='', detail=none, columnsize=0, prefix='1 2', tokenize='ascii')",
    ),
    ("postgresql", "CREATE TABLE text_words (rowid integer PRIMARY KEY, words tsvector NOT NULL)"),
    ("postgresql", "CREATE INDEX ix_text_words ON text_words USING gin (words)"),
):
    event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

reopened = Table(
    "reopened",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("labels", SmallInteger, nullable=False),
)
"""Texts that an owner wants to be labelled again, until they have so many labels."""

arrivals = Table(
    "arrivals",
    metadata,
    Column("first_text", Integer, primary_key=True, autoincrement=False),
    Column("token", String(16), nullable=False),
)
"""When texts came in together: the number of the first, and a token drawn at random. A project that goes back
to a backup, and gets other texts, has other tokens: what is kept of texts by number is known by them."""

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("forgotten_at", Double, nullable=False, index=True),
)
"""Sessions that people ended by signing out, kept until their cookies would have ended by themselves."""

history = Table(
    "history",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("actor", Text),
    Column("verb", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("undone_by", BigInteger),
)
"""What owners have done, see `jurybox.store.history`; nothing is ever deleted from it but names of people who
are erased."""

services = Table(
    "services",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", Double, nullable=False),
)
"""Small notes of what runs around the project, see `jurybox.store.services`."""

groups = Table(
    "groups",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("copy_of", Integer, index=True),
    Column("group_id", Integer, nullable=False, index=True),
    Column("by_hand", Boolean, nullable=False, server_default=false()),
)
"""Texts that are copies, or in a group of near-duplicates, of which the number is that of one of its texts;
that one needs no row. What is `by_hand` no search for near-duplicates changes."""
