"""Tables of a stored project, the same on SQLite and PostgreSQL.

Texts, annotators and classes are numbered from 0 in the order in which they came, without gaps: a number is
the position in `jurybox.Annotations`. All times are Unix times in seconds.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    event,
    false,
    select,
    text,
)

from jurybox.store.schema_desk import (
    arrivals,
    ended_sessions,
    flags,
    groups,
    history,
    reopened,
    rulings,
    searches,
    services,
    text_words,
)
from jurybox.store.schema_machines import Serial, machines, metadata, released, responses, shown

__all__ = ["annotations", "annotators", "arrays", "arrivals", "audit", "classes", "ended_sessions", "flags"]
__all__ += ["gold", "gold_leases", "groups", "guidelines", "history", "incoming", "is_at_once"]
__all__ += ["is_counted", "is_lent", "is_standing", "leases", "machines", "metadata", "project", "ranking"]
__all__ += ["released", "reopened"]
__all__ += ["replies", "responses", "rounds", "rulings", "searches", "served", "services", "shown", "skips"]
__all__ += ["stored_texts", "text_words", "texts", "unsettled"]


def only(rows: ColumnElement[bool]) -> dict[str, Any]:
    """Return what limits an index to some rows, on both databases."""
    return {"sqlite_where": rows, "postgresql_where": rows}


project = Table(
    "project",
    metadata,
    Column(
        "id", SmallInteger, CheckConstraint("id = 0", name="single"), primary_key=True, autoincrement=False
    ),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("current_round", Integer, nullable=False),
    Column("audit_rate", Double),
    Column("n_gold", Integer, nullable=False, server_default="0"),
    Column("base_round", Integer, nullable=False, server_default="0"),
    Column("n_texts", Integer, nullable=False, server_default="0"),
    Column("n_placed", Integer, nullable=False, server_default="0"),
    Column("n_copies", Integer, nullable=False, server_default="0"),
    Column("import_number", Integer, nullable=False, server_default="0"),
    Column("uid", String(32), nullable=False),
    Column("session_key", LargeBinary, nullable=False),
    Column("session_generation", Integer, nullable=False),
    Column("questions", JSON),
)
"""One row. `current_round` is the round whose ranking holds and `base_round` that of the last ranking which
covers all texts, see `jurybox.store.ranks`: the same one, or an earlier one. `audit_rate` is the share of
texts in the audit sample, set once the first texts are in and where it grows: then of those not deleted.
`n_gold` is the number of rows of `gold`, so that labelling need not look where there are none. The project
has the first `n_texts` rows of `stored_texts`; what is behind them belongs to import `import_number`, on its
way. The first `n_placed` have places in the base. `uid` is drawn at random and never changes; sessions are
signed with `session_key`, and a new generation ends them all. `questions` are those of a project with several
(`jurybox.written.question_records`)."""

classes = Table(
    "classes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)
"""In a project with several questions these are answers to all of them in writing (`jurybox.written`), each
added when somebody first gives it; one that nobody gives any more stays."""

guidelines = Table(
    "guidelines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Every version of the guidelines; the last one holds."""

annotators = Table(
    "annotators",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("cap", Integer),
    Column("token_hash", String(128), unique=True),
    Column("token_ends_at", Double),
    Column("n_annotations", Integer, nullable=False),
    Column("n_skips", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("max_share", Double),
    Column("qualified", Boolean),
    Column("left_out", Boolean, nullable=False, server_default=false()),
    Column("message", Text),
)
"""`max_share` overrules the setting of that name; `qualified` is empty until a person has been tested. Labels
of a person who is `left_out` are kept and count for nothing. `message` is what an owner wrote to a person who
has not said yet that they have read it."""

stored_texts = Table(
    "texts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("external_id", Text, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    Column("metadata", Text),
    Column("withdrawn_at", Double),
    Column("digest", BigInteger, index=True),
)
"""`metadata` is a JSON object as text, and `digest` that of `jurybox.duplicates`. A million rows cannot be
written in a moment, so imports write them little by little behind the last text, and one number lets all in
at once. A text that an owner has deleted is kept here with the time of that: its number is a position in
arrays, and the deletion can be undone."""

Index(
    "ix_texts_withdrawn_at",
    stored_texts.c.withdrawn_at,
    **only(stored_texts.c.withdrawn_at.is_not(None)),
)

# In a MetaData of its own: a view is no table to be made, filled or restored.
texts = Table(
    "visible_texts",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("external_id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("metadata", Text),
)
"""The texts of the project: a view of `stored_texts` without deleted ones and those of an unfinished import.

The plus sign keeps SQLite from reasoning that a text of the queue, too, has a smaller number: it would look
up all places of such texts, and sort them, instead of reading the queue in its order.
"""

event.listen(
    metadata,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        "CREATE VIEW visible_texts AS SELECT id, external_id, text, metadata FROM texts "
        "WHERE +id < (SELECT n_texts FROM project) AND withdrawn_at IS NULL"
    ),
)

annotations = Table(
    "annotations",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("text_id", ForeignKey("texts.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotators.id"), nullable=False),
    Column("class_id", ForeignKey("classes.id")),
    Column("created_at", Double, nullable=False),
    Column("seconds", Double),
    Column("comment", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("round_id", Integer),
    Column("reason", String(32)),
    Column("selection_probability", Double),
    Column("idempotency_key", String(255)),
    Column("retired_by", ForeignKey("annotations.id")),
    Column("suggested_by", String(32)),
    Column("suggested_class", ForeignKey("classes.id")),
)
"""Append-only: only `retired_by` is ever set; a merger of classes, and its undoing, renumber `class_id` and
`suggested_class` (`jurybox.store.classes`). A row without a class takes an earlier row back. Where an
opinion was on the screen, `suggested_by` says whose (``model``), and `suggested_class` what it was."""

is_standing = and_(annotations.c.retired_by.is_(None), annotations.c.class_id.is_not(None))
"""An annotation that nobody has changed or taken back, and that is no taking back itself."""

is_counted = and_(
    is_standing,
    annotations.c.annotator_id.not_in(select(annotators.c.id).where(annotators.c.left_out)),
)
"""An annotation that stands, by somebody whose labels are not left out."""

Index(
    "uq_annotations_standing",
    annotations.c.text_id,
    annotations.c.annotator_id,
    unique=True,
    **only(is_standing),
)
Index("ix_annotations_annotator", annotations.c.annotator_id, annotations.c.id)
is_at_once = and_(is_standing, annotations.c.origin == "cluster")
"""An annotation that stands, and was given to a whole cluster at once."""
Index("ix_at_once", annotations.c.annotator_id, **only(is_at_once))
Index(
    "uq_annotations_idempotency_key",
    annotations.c.annotator_id,
    annotations.c.idempotency_key,
    unique=True,
    **only(annotations.c.idempotency_key.is_not(None)),
)

incoming = Table(
    "incoming",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("text_id", Integer, nullable=False),
    Column("annotator", Text, nullable=False),
    Column("label", Text),
    Column("created_at", Double, nullable=False),
    Column("seconds", Double),
    Column("comment", Text, nullable=False),
    Column("row", Integer, nullable=False),
)
"""Annotations that an import has read and the project does not have yet; one without a label is a skip, and
`row` is that of the file."""

Index("uq_incoming_pair", incoming.c.text_id, incoming.c.annotator, unique=True)

unsettled = Table("unsettled", metadata, Column("text_id", Integer, primary_key=True, autoincrement=False))
"""Texts that got annotations by an import, whose places are still to be brought up to date."""

skips = Table(
    "skips",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("text_id", ForeignKey("texts.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotators.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("retired_at", Double),
    Column("after_annotation", BigInteger, nullable=False, server_default="0"),
)
"""`after_annotation` is the annotator's last annotation before the skip: clocks jump, numbers do not."""

Index(
    "uq_skips_standing",
    skips.c.annotator_id,
    skips.c.text_id,
    unique=True,
    **only(skips.c.retired_at.is_(None)),
)

Index("ix_skips_annotator", skips.c.annotator_id, skips.c.id)

leases = Table(
    "leases",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("annotator_id", ForeignKey("annotators.id"), nullable=False, index=True),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("round_id", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("score", Double),
    Column("selection_probability", Double),
    Column("asked", Text),
)
"""At most one a text: a text is with one person at a time, whatever number of labels it still wants. A loan
lasts `seconds` from when it was last given or renewed."""

_SKEW = 60.0  # between the clocks of two servers


def is_lent(loans: Table, now: Any) -> ColumnElement[bool]:
    """Whether a loan lasts at a time: it has not run out, and was not given by a clock that was ahead.

    A loan that ends later than one that begins now was given before the clock was set back.
    """
    return and_(loans.c.expires_at > now, loans.c.expires_at <= now + loans.c.seconds + _SKEW)


served = Table(
    "served",
    metadata,
    Column("annotator_id", ForeignKey("annotators.id"), primary_key=True, autoincrement=False),
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("round_id", Integer),
    Column("reason", String(32)),
    Column("selection_probability", Double),
)
"""Loans that have ended without a label: who has read a text may answer late (`jurybox.store.gate`)."""

gold = Table(
    "gold",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("class_id", ForeignKey("classes.id"), nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Texts whose label is known."""

gold_leases = Table(
    "gold_leases",
    metadata,
    Column("annotator_id", ForeignKey("annotators.id"), primary_key=True, autoincrement=False),
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("round_id", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("score", Double),
    Column("selection_probability", Double),
    Column("asked", Text),
)
"""Gold texts in hand, by any number of people at once. Position, reason, score, probability and what is asked
are those of the text in whose place a gold text came: what its task says must not tell it apart."""

rounds = Table(
    "rounds",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Double, nullable=False),
    Column("published_at", Double),
    Column("last_annotation", BigInteger, nullable=False),
    Column("n_annotations", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("diagnostics", JSON, nullable=False),
)
"""Round 0 is the order before the first round. `last_annotation` is the last row that a round has seen."""

ranking = Table(
    "ranking",
    metadata,
    Column("round_id", Integer, primary_key=True, autoincrement=False),
    Column("text_id", Integer, primary_key=True, autoincrement=False),
    Column("base", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("labels", SmallInteger, nullable=False),
    Column("wanted", SmallInteger, nullable=False),
    Column("cap", SmallInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("again", Boolean, nullable=False, server_default=false()),
    Column("score", Double),
    Column("selection_probability", Double),
    Column("reason", String(32), nullable=False),
    Column("asked", Text),
    sqlite_with_rowid=False,
)
"""The places of texts in the ranking of a round: of all texts, or of its front, see `jurybox.store.ranks`.
`asked` has the places of the facets that a text is asked for, with blanks between; empty: it is for all.
`again` says that the text was reopened: it wants `wanted` labels, whatever they say."""

# The last column lets SQLite count by the index alone. A condition in other words would not be taken for it.
_open: Any = {"sqlite_where": text("open = 1"), "postgresql_where": text("open")}
Index("ix_ranking_open", ranking.c.round_id, ranking.c.position, ranking.c.text_id, **_open)
Index("ix_ranking_reason", ranking.c.round_id, ranking.c.reason, ranking.c.position, ranking.c.open, **_open)
Index("ix_ranking_closed", ranking.c.round_id, ranking.c.text_id, ranking.c.open, **only(~ranking.c.open))
"""Places grow with texts, closed ones with labels: so these are counted, and the open ones are the others."""

audit = Table(
    "audit",
    metadata,
    Column("text_id", ForeignKey("texts.id"), primary_key=True, autoincrement=False),
    Column("drawn_at", Double, nullable=False),
)

arrays = Table(
    "arrays",
    metadata,
    Column("round_id", ForeignKey("rounds.id"), primary_key=True, autoincrement=False),
    Column("name", String(32), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Numbers that a round leaves behind (little-endian float32), in parts of some ten thousand rows."""

replies = Table(
    "replies",
    metadata,
    Column("annotator_id", ForeignKey("annotators.id"), primary_key=True, autoincrement=False),
    Column("verb", String(16), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("result", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""What was answered under an idempotency key, see `jurybox.store.gate`; labels that it stored have theirs."""
