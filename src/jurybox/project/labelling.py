"""Labelling: tasks out, decisions in."""

from __future__ import annotations

from jurybox.errors import InputError, NotFoundError
from jurybox.project.handle import Handle
from jurybox.store import decisions, people, queue
from jurybox.store.checks import check_seconds, storable
from jurybox.store.records import Decision, NothingLeft, Receipt, Task, Tasks

__all__ = ["Labelling"]


class Labelling(Handle):
    """Lends texts to annotators and takes what they decide."""

    def next_task(self, annotator: str) -> Task | NothingLeft:
        """Lend an annotator the text to label now: the one already in hand, else the best free one.

        A name that is new is added. Where there is no text, the answer is false in a condition and says why.
        """
        tasks = self.next_tasks(annotator, 1)
        return tasks.tasks[0] if tasks.nothing is None else tasks.nothing

    def next_tasks(self, annotator: str, n: int = 1, *, resume: bool = True) -> Tasks:
        """Lend up to n texts, those in hand first; with ``resume=False``, n further ones."""
        if not isinstance(n, int) or n < 1:
            raise InputError(f"n is {n!r}, expected a whole number of at least 1")
        try:
            return self._lend(annotator, n, resume=resume)
        except NotFoundError:
            with self.store.write() as connection:
                people.ensure_annotator(connection, annotator, now=self._clock())
            return self._lend(annotator, n, resume=resume)

    def renew(self, annotator: str, text_id: str) -> float:
        """Keep a text in hand for longer; return until when. ConflictError if it went to someone else."""
        with self.store.write(durable=False) as connection:
            text = queue.find_text(connection, text_id)
            return queue.renew(connection, annotator, text, now=self._clock())

    def release(self, annotator: str, text_id: str) -> None:
        """Give a text back without a decision."""
        with self.store.write(durable=False) as connection:
            holder = people.lock_annotator(connection, annotator)
            queue.release(connection, holder.id, queue.find_text(connection, text_id))

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
        """Store a label; it is committed when this returns. The same submit twice counts once.

        Parameters
        ----------
        task
            The task, or the id of a text; then `annotator` is needed.
        seconds
            Time on task.
        key
            Idempotency key: what a client sends again after a lost connection carries the same key.

        Raises
        ------
        ConflictError
            If the annotator gave the text another label before (see `change`), or used the key otherwise.
        InputError
            For an unknown label, or a comment or time that cannot be stored.
        NotFoundError
            For an unknown annotator or text.
        """
        name, text = _who(task, annotator)
        if key is not None and len(storable(key, "key", empty=False)) > 255:
            raise InputError(f"key has {len(key)} characters, expected at most 255")
        with self.store.act() as connection:
            return decisions.submit(
                connection,
                name,
                text,
                label,
                seconds=check_seconds(seconds),
                comment=storable(comment, "comment"),
                key=key,
                now=self._clock(),
            )

    def skip(self, task: Task | str, reason: str = "", *, annotator: str | None = None) -> None:
        """Leave a text to others; ConflictError if it is labelled already."""
        name, text = _who(task, annotator)
        with self.store.write() as connection:
            decisions.skip(connection, name, text, storable(reason, "reason"), now=self._clock())

    def flag(self, task: Task | str, comment: str, *, annotator: str | None = None) -> None:
        """Leave a remark about a text for the owner."""
        name, text = _who(task, annotator)
        with self.store.write() as connection:
            decisions.flag(connection, name, text, storable(comment, "comment"), now=self._clock())

    def decisions(self, annotator: str, limit: int = decisions.EDITABLE) -> list[Decision]:
        """Return an annotator's last decisions that stand, the latest first."""
        with self.store.read() as connection:
            return decisions.read_decisions(connection, annotator, limit)

    def undo(self, annotator: str, text_id: str | None = None) -> Task:
        """Take back one of the last ten decisions (default: the last) and lend the text out again.

        Raises
        ------
        NotFoundError
            If there is nothing to take back.
        ConflictError
            If the text is not among the last ten decisions.
        """
        with self.store.act() as connection:
            return decisions.undo(connection, annotator, text_id, now=self._clock())

    def change(self, annotator: str, text_id: str, label: str, *, comment: str | None = None) -> Receipt:
        """Replace the label of one of the last ten decisions; errors as `undo` and `submit`."""
        if comment is not None:
            storable(comment, "comment")
        with self.store.act() as connection:
            return decisions.change(connection, annotator, text_id, label, comment=comment, now=self._clock())

    def adjudicate(self, text_id: str, label: str, *, reviewer: str, comment: str = "") -> Receipt:
        """Store a reviewer's or owner's label; the text is finished with it, and nothing is overwritten."""
        storable(comment, "comment")
        with self.store.act() as connection:
            return decisions.adjudicate(
                connection, reviewer, text_id, label, comment=comment, now=self._clock()
            )

    def _lend(self, annotator: str, n: int, *, resume: bool) -> Tasks:
        with self.store.act(durable=False) as connection:
            return queue.next_tasks(connection, annotator, n, resume=resume, now=self._clock())


def _who(task: Task | str, annotator: str | None) -> tuple[str, str]:
    """Return the annotator and the text's id that a task, or an id with a name, stands for."""
    if isinstance(task, Task):
        return annotator or task.annotator, task.text_id
    if annotator is None:
        raise InputError("annotator is missing: pass the Task, or the id of the text and annotator=")
    return annotator, task
