"""Labelling: tasks out, decisions in."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from jurybox.errors import InputError, NotFoundError
from jurybox.formats import ReadOptions, with_new_classes
from jurybox.project.handle import ProjectPart
from jurybox.questions import Question
from jurybox.scales import Scale
from jurybox.store import decisions, loans, people, queue, state
from jurybox.store.checks import check_seconds, storable
from jurybox.store.records import Fault, NothingLeft, Receipt, Task, Tasks
from jurybox.store.said import read_given
from jurybox.store.state import ProjectState
from jurybox.written import Answers, label_written

LONGEST_LOAN = 30 * 86_400
"""The most seconds for which an owner may lend texts."""


class Labelling(ProjectPart):
    """Lends texts to annotators and takes what they decide.

    What an annotator writes passes a gate (`jurybox.store.gate`): the person is active, has not failed the
    test, is within cap and share, and has or had the text on loan. The owner of the project needs no loan:
    with ``direct=True``, which is how an id is meant that comes without a `Task`, the owner speaks for the
    annotator. A label that came without a loan has the origin ``direct``.
    """

    @property
    def name(self) -> str:
        """The title."""
        with self.store.read() as connection:
            return state.read_state(connection).name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in order; with several questions, all answers that people ever gave."""
        with self.store.read() as connection:
            return read_given(connection)

    @property
    def stored(self) -> ProjectState:
        """What the project's row says: settings and questions, among others."""
        with self.store.read() as connection:
            return state.read_state(connection)

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is asked, of a project with several questions; empty where the classes are all there is."""
        with self.store.read() as connection:
            return state.read_questions(connection)

    def reading_options(
        self, options: ReadOptions | None = None, *, new_of: str | PathLike[str] | None = None
    ) -> ReadOptions:
        """Return options for reading a file into this project: its classes are known, or its questions.

        Parameters
        ----------
        new_of
            The file, where what it names besides is to become a class.
        """
        questions = self.questions
        known = {"questions": questions, "classes": None} if questions else {"classes": self.classes}
        found = replace(options or ReadOptions(), **known)
        return found if new_of is None else with_new_classes(new_of, found)

    @property
    def scale(self) -> Scale | None:
        """The classes' numbers where they are an ordered scale, else None."""
        with self.store.read() as connection:
            return state.read_scale(connection)

    def next_task(self, annotator: str) -> Task | NothingLeft:
        """Lend an annotator the text to label now: the one already in hand, else the best free one.

        A name that is new is added. Where there is no text, the answer is false in a condition and says why.
        """
        tasks = self.next_tasks(annotator, 1)
        return tasks.tasks[0] if tasks.nothing is None else tasks.nothing

    def next_tasks(
        self,
        annotator: str,
        n: int = 1,
        *,
        resume: bool = True,
        lend_limit: int | None = None,
        seconds: float | None = None,
    ) -> Tasks:
        """Lend up to n texts, those in hand first; with ``resume=False``, n further ones.

        Parameters
        ----------
        lend_limit
            The most texts in the annotator's hands; None for no limit but caps.
        seconds
            How long they are lent for, at most 30 days; None: as the settings say.

        Raises
        ------
        InputError
            If ``n`` is below 1, ``seconds`` are out of range, or the name cannot be stored.
        """
        if not isinstance(n, int) or n < 1:
            raise InputError(f"n is {n!r}, expected a whole number of at least 1")
        if seconds is not None and not 0 < seconds <= LONGEST_LOAN:
            raise InputError(f"seconds is {seconds!r}, expected more than 0 and at most {LONGEST_LOAN:,}")
        terms = queue.Terms(most=lend_limit, seconds=seconds)
        try:
            return self._lend(annotator, n, resume=resume, terms=terms)
        except NotFoundError:
            with self.store.write() as connection:
                people.ensure_annotator(connection, annotator, now=self._clock())
            return self._lend(annotator, n, resume=resume, terms=terms)

    def renew(self, annotator: str, text_id: str) -> float:
        """Keep a text in hand for longer; return until when. ConflictError if it is not there any more."""
        with self.store.write(durable=False) as connection:
            return queue.renew(connection, annotator, text_id, now=self._clock())

    def release(self, annotator: str, text_id: str) -> None:
        """Give a text back without a decision; nothing happens if it is not in hand, or does not exist.

        A text that an owner has assigned to this person stays theirs.
        """
        with self.store.write(durable=False) as connection:
            holder = people.lock_annotator(connection, annotator)
            number = loans.text_number(connection, text_id)
            if number is not None:
                loans.give_back(connection, holder.id, number, assigned=False)

    def submit(
        self,
        task: Task | str,
        label: str | Answers,
        *,
        annotator: str | None = None,
        seconds: float | None = None,
        comment: str = "",
        key: str | None = None,
        direct: bool | None = None,
    ) -> Receipt:
        """Store a label; it is committed when this returns. The same submit twice counts once.

        Parameters
        ----------
        task
            The task, or the id of a text; then `annotator` is needed.
        label
            The class; in a project with several questions the answers by question, or in writing
            (`jurybox.written`), which is one decision.
        seconds
            Time on task.
        key
            Idempotency key: what a client sends again after a lost connection carries the same key.
        direct
            Whether the owner speaks for the annotator, who needs no loan then and has no cap; None: for an
            id, not for a task.

        Raises
        ------
        ConflictError
            If the annotator gave the text another label before (see `change`), used the key otherwise, or may
            not label it; `code` says which: ``relabelled``, ``paused``, ``not_qualified``, ``being_tested``,
            ``not_yours``, ``cap_reached`` or ``share_reached``.
        InputError
            For an unknown label, or a comment or time that cannot be stored.
        NotFoundError
            For an unknown annotator or text.
        """
        name, text, owner = _who(task, annotator, direct)
        written = self._written(label)
        with self.store.act() as connection:
            return decisions.submit(
                connection,
                name,
                text,
                written,
                seconds=check_seconds(seconds),
                comment=storable(comment, "comment"),
                key=_checked(key),
                direct=owner,
                now=self._clock(),
            )

    def skip(
        self,
        task: Task | str,
        reason: str = "",
        *,
        annotator: str | None = None,
        key: str | None = None,
        direct: bool | None = None,
    ) -> None:
        """Leave a text to others; ConflictError if it is labelled already. Otherwise as `submit`."""
        name, text, owner = _who(task, annotator, direct)
        storable(reason, "reason")
        with self.store.act() as connection:  # labels that owners bring back must not come in between
            now = self._clock()
            decisions.skip(connection, name, text, reason, key=_checked(key), direct=owner, now=now)

    def flag(
        self,
        task: Task | str,
        comment: str,
        *,
        annotator: str | None = None,
        key: str | None = None,
        direct: bool | None = None,
    ) -> None:
        """Leave a remark about a text for the owner; parameters and errors as `submit`.

        An annotator may leave five remarks of 2,000 characters about a text, and 1,000 in all.
        """
        name, text, owner = _who(task, annotator, direct)
        storable(comment, "comment")
        with self.store.write() as connection:
            now = self._clock()
            decisions.flag(connection, name, text, comment, key=_checked(key), direct=owner, now=now)

    def undo(
        self, annotator: str, text_id: str | None = None, *, key: str | None = None, direct: bool = True
    ) -> Task:
        """Take back one of the last ten decisions (default: the last) and lend the text out again.

        Parameters
        ----------
        key
            As in `submit`.
        direct
            Whether the owner does so: even for a person who is paused or has failed the test.

        Raises
        ------
        NotFoundError
            If there is nothing to take back.
        ConflictError
            If the text is not among the last ten decisions, or the annotator may not write.
        """
        with self.store.act() as connection:
            now = self._clock()
            return decisions.undo(connection, annotator, text_id, key=_checked(key), direct=direct, now=now)

    def change(
        self,
        annotator: str,
        text_id: str,
        label: str | Answers,
        *,
        comment: str | None = None,
        key: str | None = None,
        direct: bool = True,
    ) -> Receipt:
        """Replace the label of one of the last ten decisions; otherwise as `undo` and `submit`."""
        if comment is not None:
            storable(comment, "comment")
        written = self._written(label)
        with self.store.act() as connection:
            return decisions.change(
                connection,
                annotator,
                text_id,
                written,
                comment=comment,
                key=_checked(key),
                direct=direct,
                now=self._clock(),
            )

    def adjudicate(
        self,
        text_id: str,
        label: str | Answers,
        *,
        reviewer: str,
        comment: str = "",
        fault: Fault | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Store a reviewer's or owner's label; the text is finished with it, and nothing is overwritten.

        Parameters
        ----------
        reviewer
            Who decides, a reviewer or an owner.
        fault
            Why labels before were wrong; `Reviewing.cases` collects what was unclear in the guidelines.

        Raises
        ------
        ConflictError
            If the person is neither reviewer nor owner, or is paused.
        InputError, NotFoundError
            As `submit`.
        """
        storable(comment, "comment")
        written = self._written(label)
        with self.store.act() as connection:
            now = self._clock()
            return decisions.adjudicate(
                connection,
                reviewer,
                text_id,
                written,
                comment=comment,
                fault=fault,
                key=_checked(key),
                now=now,
            )

    def _written(self, label: str | Answers) -> str:
        """Return a label as it is stored."""
        return label if isinstance(label, str) else label_written(self.questions, label)

    def _lend(self, annotator: str, n: int, *, resume: bool, terms: queue.Terms) -> Tasks:
        with self.store.act(durable=False) as connection:
            return queue.next_tasks(connection, annotator, n, resume=resume, terms=terms, now=self._clock())


def _who(task: Task | str, annotator: str | None, direct: bool | None) -> tuple[str, str, bool]:
    """Return the annotator and the text's id that a task, or an id with a name, stands for; who speaks."""
    if isinstance(task, Task):
        return annotator or task.annotator, task.text_id, bool(direct)
    if annotator is None:
        raise InputError("annotator is missing: pass the Task, or the id of the text and annotator=")
    return annotator, task, direct is None or direct


def _checked(key: str | None) -> str | None:
    if key is not None and len(storable(key, "key", empty=False)) > 255:
        raise InputError(f"key has {len(key)} characters, expected at most 255")
    return key
