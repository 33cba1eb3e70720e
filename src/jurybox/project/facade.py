"""Making, opening, filling and configuring a stored project."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from jurybox.annotations import Annotations, Duplicates
from jurybox.arrays import DataFrame
from jurybox.consensus import Consensus
from jurybox.formats import AnnotationRecord, Export, ReadOptions, RecordBatch, TextRecord, read
from jurybox.interactive import Loop
from jurybox.project import arriving, configuring
from jurybox.project.arriving import annotation_records, fill, frame_of, loop_of, text_records
from jurybox.project.audit import Audit
from jurybox.project.beliefs import BeliefSource
from jurybox.project.editing import Editing
from jurybox.project.encoding import Telling
from jurybox.project.facets import Facets, read_whole, what_is_asked
from jurybox.project.gold import Gold
from jurybox.project.labeller import open_labeller
from jurybox.project.labelling import Labelling
from jurybox.project.machines import Machines
from jurybox.project.people import People
from jurybox.project.pool import Pool
from jurybox.project.reading import Notes, Reading
from jurybox.project.reviewing import Reviewing
from jurybox.project.rounds import Rounds
from jurybox.project.tuning import Tuning
from jurybox.questions import Question
from jurybox.store import lifecycle, overview, ranks, snapshots, state
from jurybox.store.checks import storable
from jurybox.store.engine import Store, read_location
from jurybox.store.history import note_arrival
from jurybox.store.importer import importing
from jurybox.store.records import Added, RoundInfo, Status
from jurybox.store.settings import ProjectSettings

Location: TypeAlias = str | PathLike[str]
TextLike: TypeAlias = str | tuple[str, str] | TextRecord | Any


class Project(Labelling):
    """A project that lives in an SQLite file or a PostgreSQL schema.

    Use `create` or `open`; close it, or use it in a ``with`` statement. One object may be shared by threads;
    other processes open their own. Times are Unix times in seconds, taken from `clock`; `by`, wherever it is
    taken, is who does it, for the history.

    Attributes
    ----------
    store, cache
        The database, and the folder for features, which may be deleted at any time.
    people, machines
        Who takes part; language models and rules, and what they have said.
    gold, audit
        Texts whose label is known; the sample that was drawn at random.
    beliefs, facets
        What is believed of texts and people; `facets` has that of each of several questions.
    reading, edit, review, tuning, notes, pool
        Rows and records; what owners change; what reviewers say; the encoder that learns; notes; duplicates.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "reviews.db"
    >>> with Project.create(path, texts=["fine", "awful"], classes=["bad", "good"]) as project:
    ...     while task := project.next_task("ana"):
    ...         receipt = project.submit(task, label="good" if task.text == "fine" else "bad")
    ...     print(task.explanation)
    ...     project.annotations()
    this annotator has labelled or skipped every text that still wants a label
    Annotations(2 texts, 1 annotator, 2 classes, 2 annotations)
    """

    def __init__(self, store: Store, *, cache: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(store, clock)
        self.cache = cache
        self.people = People(store, clock)
        self.gold = Gold(store, clock)
        self.audit = Audit(store, clock)
        self.reading = Reading(store, clock)
        self.notes = Notes(store, clock)
        self.tuning = Tuning(store, clock, cache)
        self._rounds = Rounds(store, clock, cache, self.tuning)
        self.beliefs = BeliefSource(store, clock, self._rounds.random_arm, read_whole)
        self.facets = Facets(store, clock, self._rounds.random_arm, self.beliefs)
        self.edit = Editing(store, clock, self.beliefs, self.facets)
        self.machines = Machines(store, clock, self.facets)
        self.review = Reviewing(store, clock)
        self.pool = Pool(store, clock, self._rounds.encoding)

    @classmethod
    def create(
        cls,
        location: Location,
        *,
        classes: Sequence[str] | None = None,
        questions: Sequence[Question | str] = (),
        texts: Iterable[TextLike] = (),
        batches: Iterable[RecordBatch] = (),
        name: str | None = None,
        guidelines: str = "",
        settings: ProjectSettings | None = None,
        duplicates: Duplicates = "error",
        cache: Location | None = None,
        clock: Callable[[], float] = time.time,
        by: str | None = None,
    ) -> Self:
        """Make a new project; where anything fails, nothing is left behind.

        Parameters
        ----------
        location
            Path of the SQLite file to make, or ``postgresql://user@host/database?schema=NAME``.
        classes
            Names of the classes, in the order in which annotators see them; needed without questions.
        questions
            In place of classes, what is asked of a text: as `jurybox.Question`, or as its `parse` takes it.
        texts, batches, duplicates
            As for `add_texts`, and for `add`: texts and annotations of files.
        name, guidelines
            A title (default: the name of the file or schema), and what annotators are told, in Markdown.
        cache
            Folder for features, which may be deleted at any time; default: beside the file.

        Raises
        ------
        ConflictError
            If there is a project already, or the settings are not for so many questions.
        InputError
            For what cannot be stored, or fewer than two classes.
        """
        asked, classes, settings = what_is_asked(questions, classes, settings)
        store = read_location(location)
        title = storable(name, "name") if name is not None else lifecycle.default_name(store)
        storable(guidelines, "guidelines")
        project = cls(store, cache=lifecycle.cache_folder(store, cache), clock=clock)
        with lifecycle.creation(store) as connection:
            state.create_project(
                connection, title, classes, settings or ProjectSettings(), questions=asked, now=clock()
            )
            if guidelines:
                state.write_guidelines(connection, guidelines, now=clock())
            importer = arriving.importer_within(connection, now=clock(), duplicates=duplicates)
            importer.add_texts(text_records(texts))
            note_arrival(connection, fill(importer, batches), by=by, now=clock(), title=title)
        return project

    @classmethod
    def open(
        cls, location: Location, *, cache: Location | None = None, clock: Callable[[], float] = time.time
    ) -> Self:
        """Open a project; an older one is migrated, after a copy of its SQLite file has been made.

        Raises
        ------
        NotFoundError
            If there is none.
        NewerDatabaseError
            If a newer jurybox wrote it.
        StoreError
            If it cannot be read.
        """
        store = read_location(location)
        lifecycle.open_store(store)
        return cls(store, cache=lifecycle.cache_folder(store, cache), clock=clock)

    def close(self) -> None:
        """Close all connections; the object may be used again and then opens new ones."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Project({self.store.label!r})"

    def add_texts(self, texts: Iterable[TextLike], *, by: str | None = None) -> Added:
        """Add texts, all or none; known ids are counted, not added again.

        Parameters
        ----------
        texts
            Strings, (id, text) pairs or records, streamed; or a table with the columns ``text`` and, where
            they have one, ``id``. Texts without an id get one made from their content.

        Raises
        ------
        FormatError
            For a text that cannot be stored, or an id that is known with another text; nothing is added.
        """
        with importing(self.store, now=self._clock(), by=by) as importer:
            importer.add_texts(text_records(texts))
            return importer.finish()

    def add_annotations(
        self,
        annotations: Annotations | Iterable[AnnotationRecord] | Any,
        *,
        columns: Mapping[str, Hashable] | None = None,
        duplicates: Duplicates = "error",
        by: str | None = None,
    ) -> Added:
        """Add annotations made elsewhere, all or none; unknown annotators are added.

        Parameters
        ----------
        annotations
            Records, `Annotations`, an `AnswerSheet`, or a table with the columns ``text`` (the id),
            ``annotator``, ``label``, or a list of rows of these three.
        columns
            What the table calls these columns, as in `Annotations.from_long`.
        duplicates
            When somebody gives a text another label: ``"error"``, or the ``"last"`` one replaces the first.

        Raises
        ------
        FormatError
            For an unknown text or label, with its row; nothing is added.
        """
        records = annotation_records(annotations, columns, self.classes)
        parts = (RecordBatch((), part) for part in ranks.chunks(records, 5_000))
        return self.add(parts, duplicates=duplicates, by=by)

    def add(
        self,
        batches: Iterable[RecordBatch],
        *,
        duplicates: Duplicates = "error",
        add_classes: bool = False,
        by: str | None = None,
    ) -> Added:
        """Add a file's texts and annotations, streamed, all or none.

        Parameters
        ----------
        batches, duplicates
            As `jurybox.formats.Source.batches` yields them; as of `add_annotations`.
        add_classes
            Whether labels that are no class yet become classes; so with classes in answers to questions.

        Raises
        ------
        FormatError
            As `add_texts` and `add_annotations`.
        """
        with importing(
            self.store, now=self._clock(), duplicates=duplicates, add_classes=add_classes, by=by
        ) as importer:
            return fill(importer, batches)

    def add_file(
        self,
        path: str | PathLike[str],
        options: ReadOptions | None = None,
        *,
        duplicates: Duplicates = "error",
        add_classes: bool = False,
        yes: bool = False,
        strict: bool = False,
        by: str | None = None,
    ) -> Added:
        """Add what is in a file, all or nothing; `jurybox.formats.read(path).plan` says what will come.

        Parameters
        ----------
        path, options
            As for `jurybox.formats.read`; its classes are those of the project.
        duplicates, add_classes
            As for `add`.
        yes
            Go on where labels would be lost.
        strict
            Refuse whatever looks wrong.

        Raises
        ------
        FormatError
            Where labels would be lost, with what decides it; as `add`.
        """
        source = read(path, self.reading_options(options, new_of=path if add_classes else None))
        source.plan.approve(yes=yes, strict=strict, replace=duplicates == "last")
        return self.add(source.batches(), duplicates=duplicates, add_classes=add_classes, by=by)

    def label(self, annotator: str) -> Any:
        """Return a widget that lets an annotator label in this notebook, with the keys of the labelling page.

        Show it as the last line of a cell. What is pressed goes through `submit`, `skip`, `flag` and `undo`
        as a task of this annotator, under the same limits as in the web app; a name that is new is added.
        Of several questions an answer to all is put together there, and submitted by Enter.

        Raises
        ------
        InputError
            If the name cannot be stored.
        MissingExtraError
            If anywidget is not installed.
        """
        return open_labeller(self, self.reading, annotator)

    def to_loop(self, **changes: Any) -> Loop:
        """Return a loop in memory over the texts and annotations of now; what it is told stays there.

        Parameters
        ----------
        **changes
            As of `jurybox.Loop`; default: as the project's settings say.
        """
        return loop_of(self.reading.texts(), self.stored, self.annotations(), changes)

    def add_class(self, name: str, *, by: str | None = None) -> None:
        """Add a class as the last (of several questions ``question:class``); ConflictError if it is there."""
        with self.store.write() as connection:
            configuring.add_class(connection, name, by=by, now=self._clock())

    @property
    def settings(self) -> ProjectSettings:
        """The settings that hold now."""
        with self.store.read() as connection:
            return state.read_state(connection).settings

    def configure(self, *, by: str | None = None, **changes: Any) -> ProjectSettings:
        """Change some settings, by name; they hold from the next task and the next round on.

        The audit sample is drawn when texts come in: its size cannot be changed for texts that are there.

        Parameters
        ----------
        **changes
            As of `jurybox.store.settings.ProjectSettings`.

        Raises
        ------
        InputError, ConflictError
            For an unknown name, or a value that is out of range, names nothing, or fits no such questions.
        """
        with self.store.write() as connection:
            return configuring.change_settings(connection, changes, by=by, now=self._clock())

    @property
    def guidelines(self) -> str:
        """What annotators are told; empty where nothing is."""
        with self.store.read() as connection:
            return state.read_guidelines(connection)

    def set_guidelines(self, text: str, *, by: str | None = None) -> None:
        """Replace the guidelines, in Markdown; earlier versions stay in the store."""
        with self.store.write() as connection:
            configuring.change_guidelines(connection, text, by=by, now=self._clock())

    def refit(
        self, *, progress: Telling | None = None, allowed: Callable[[], bool] = lambda: True
    ) -> RoundInfo:
        """Play one round on what is there and publish its ranking; labelling goes on meanwhile.

        The audit sample is never trained on, and its texts are asked for apart from the ranking.

        Parameters
        ----------
        progress
            Called with what is being done, how much of it is done, and how much there is.
        allowed
            Asked before the ranking takes over: whether it may, for instance since a lock is still held.

        Raises
        ------
        ConflictError
            If another process plays a round of this project, or the ranking may not take over.
        InputError
            If the project has fewer than two classes.
        FitError
            If the classifier cannot be fitted; the last ranking holds.
        """
        return self._rounds.play(progress, allowed)

    def rank_new(self) -> int:
        """Rank texts that came since the last round that this object played; return how many.

        Its classifier says how sure it is of them, and they are asked for where that puts them. The learner
        does so as they come. Where nothing can be said of them they wait for the next round: return 0.
        """
        return self._rounds.rank_new()

    def status(self) -> Status:
        """Return how far the project is."""
        with self.store.read() as connection:
            return overview.read_status(connection, now=self._clock())

    def annotations(self) -> Annotations:
        """Return all annotations that stand, over all texts, annotators and classes in their order."""
        with self.store.read() as connection:
            return snapshots.read_annotations(connection)

    def consensus(self) -> Consensus:
        """Return the consensus of all annotations, aided by the last round's probabilities.

        Reviewers, and owners if the settings say so, are experts: their labels outweigh a few others', and
        so do decisions of a review (`adjudicate`).
        """
        return self.beliefs.now().posterior

    def to_frame(self) -> DataFrame:
        """Return one row per text, by id: what is believed of it, and whether it is a guess of the model."""
        return frame_of(self.reading.texts(), self.beliefs.now())

    def export(self) -> Export:
        """Return everything that `jurybox.formats` writes."""
        facets = {name: source.now() for name, source in self.facets.each().items()}
        return self.reading.everything(None if facets else self.beliefs.now(), facets)
