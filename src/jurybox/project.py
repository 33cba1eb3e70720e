"""A stored project: texts in, tasks out, labels in, rounds, results.

`Project` is the one door to a stored project for the command line, the web app and the learner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from jurybox.annotations import Annotations
from jurybox.consensus import Consensus
from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    Batch,
    ConsensusRecord,
    Export,
    TextRecord,
)
from jurybox.store.records import (
    Added,
    AnnotatorInfo,
    Decision,
    Flag,
    NothingLeft,
    Receipt,
    Role,
    RoundInfo,
    Status,
    Task,
    Tasks,
)
from jurybox.store.settings import ProjectSettings

__all__ = ["Project"]

Location: TypeAlias = str | PathLike[str]
TextLike: TypeAlias = str | tuple[str, str] | TextRecord
Duplicates: TypeAlias = Literal["error", "last"]
Progress: TypeAlias = Callable[[str, int, int], None]


class Project:
    """A project that lives in an SQLite file or a PostgreSQL schema.

    Use `create` or `open`; close it, or use it in a ``with`` statement. One object may be shared by threads; other
    processes open their own.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "reviews.db"
    >>> with Project.create(path, texts=["fine", "awful", "so so"], classes=["bad", "good"]) as project:
    ...     project.add_annotator("ana")
    ...     while task := project.next_task("ana"):
    ...         receipt = project.submit(task, label="good")
    ...     task.explanation
    """

    # -- life ------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        location: Location,
        *,
        classes: Sequence[str],
        texts: Iterable[TextLike] = (),
        name: str | None = None,
        guidelines: str = "",
        settings: ProjectSettings | None = None,
        cache: Location | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Make a new project; `location` is a file path or a ``postgresql://…?schema=NAME`` URL. ConflictError if it exists."""

    @classmethod
    def open(
        cls, location: Location, *, cache: Location | None = None, clock: Callable[[], float] = time.time
    ) -> Self:
        """Open an existing project, migrating it first where it is old. NotFoundError, NewerDatabaseError, StoreError."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    # -- in ----------------------------------------------------------------------------------------------------

    def add_texts(self, texts: Iterable[TextLike]) -> Added:
        """Add texts, streamed, in one transaction. Plain strings get ids made from their content. Known ids with the same text are counted, with another text are a ConflictError."""

    def add_annotations(self, annotations: Iterable[AnnotationRecord], *, duplicates: Duplicates = "error") -> Added:
        """Add annotations made elsewhere, in one transaction; unknown annotators are added; unknown texts or labels: NotFoundError/InputError naming the row."""

    def add(self, batches: Iterable[Batch], *, duplicates: Duplicates = "error", add_classes: bool = False) -> Added:
        """Add batches of a file (texts and annotations), everything or nothing."""

    # -- people ------------------------------------------------------------------------------------------------

    def annotators(self) -> list[AnnotatorInfo]: ...
    def annotator(self, name: str) -> AnnotatorInfo: ...
    def add_annotator(self, name: str, *, role: Role = Role.ANNOTATOR, cap: int | None = None) -> AnnotatorInfo: ...
    def pause(self, name: str) -> None: ...
    def resume(self, name: str) -> None: ...
    def set_cap(self, name: str, cap: int | None) -> None: ...
    def set_token(self, name: str, token_hash: str | None) -> None: ...
    def annotator_by_token(self, token_hash: str) -> AnnotatorInfo | None: ...

    # -- queue -------------------------------------------------------------------------------------------------

    def next_task(self, annotator: str) -> Task | NothingLeft:
        """The text to label now: the one this annotator already holds, else the best free one."""

    def next_tasks(self, annotator: str, n: int = 1, *, resume: bool = True) -> Tasks:
        """Up to n texts on loan to this annotator, those already held first (unless resume=False)."""

    def renew(self, annotator: str, text_id: str) -> float:
        """Keep a text for longer; returns the new time of expiry. ConflictError if it went to someone else meanwhile."""

    def release(self, annotator: str, text_id: str) -> None:
        """Give a text back unlabelled."""

    def submit(
        self,
        task: Task | str,
        label: str,
        *,
        annotator: str | None = None,
        seconds: float | None = None,
        comment: str = "",
        key: str | None = None,
    ) -> Receipt:
        """Store a label; committed on return. With a text id instead of a Task, `annotator` is needed. Same submit twice counts once (`key`: idempotency key); another label for the same text without change(): ConflictError."""

    def skip(self, task: Task | str, reason: str = "", *, annotator: str | None = None) -> None: ...
    def flag(self, task: Task | str, comment: str, *, annotator: str | None = None) -> None: ...
    def decisions(self, annotator: str, limit: int = 10) -> list[Decision]:
        """The annotator's last decisions that stand, latest first."""

    def undo(self, annotator: str, text_id: str | None = None) -> Task:
        """Take back one of the last ten decisions (default: the last) and hand its text out again."""

    def change(self, annotator: str, text_id: str, label: str, *, comment: str | None = None) -> Receipt:
        """Replace the label of one of the last ten decisions."""

    def adjudicate(self, text_id: str, label: str, *, reviewer: str, comment: str = "") -> Receipt:
        """A reviewer's (or owner's) label; it finishes the text and overwrites nothing."""

    # -- rounds ------------------------------------------------------------------------------------------------

    def refit(self, *, progress: Progress | None = None) -> RoundInfo:
        """Play one round on what is there and publish its ranking. ConflictError while another one runs."""

    def rounds(self) -> list[RoundInfo]: ...

    # -- out ---------------------------------------------------------------------------------------------------

    def annotations(self) -> Annotations:
        """All annotations that stand, over all texts, annotators and classes in stored order."""

    def consensus(self) -> Consensus:
        """Consensus of all annotations, with the last round's probabilities where there are any."""

    def status(self) -> Status: ...
    def annotator_report(self) -> list[AnnotatorRecord]: ...
    def flags(self) -> list[Flag]: ...
    def audit_texts(self) -> list[str]: ...
    def texts(self) -> Iterator[TextRecord]: ...
    def text(self, text_id: str) -> TextRecord: ...
    def annotation_records(self) -> Iterator[AnnotationRecord]: ...
    def consensus_records(self) -> Iterator[ConsensusRecord]: ...
    def export(self) -> Export:
        """Everything that `jurybox.formats` writes; its iterables read the store anew each time."""

    # -- settings ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    def add_class(self, name: str) -> None: ...
    @property
    def settings(self) -> ProjectSettings: ...
    def configure(self, **changes: Any) -> ProjectSettings:
        """Change some settings; applies from the next task on."""

    @property
    def guidelines(self) -> str: ...
    def set_guidelines(self, text: str) -> None: ...
