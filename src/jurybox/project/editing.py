"""What owners change in bulk or for good: labels, texts, names, classes, people; each with its undoing.

Every change is one transaction and one event of `jurybox.project.history`, which undoes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection

from jurybox.errors import InputError
from jurybox.project.beliefs import BeliefSource
from jurybox.project.facets import Facets
from jurybox.project.handle import ProjectPart
from jurybox.project.history import History, rename
from jurybox.store import browse, classes, editing, filters, loans, people, state
from jurybox.store.checks import storable
from jurybox.store.engine import Store
from jurybox.store.filters import AnnotationFilter, TextFilter, text_numbers
from jurybox.store.history import note_event

ACTS = ("delete_labels", "reopen", "assign", "gold", "delete")
"""What `Editing.change_texts` does to texts."""

LONGEST_NAME = 200

MOST_LABELS = 100
"""The most further labels that a text is reopened for."""


class Editing(ProjectPart):
    """Changes many texts or labels at once, and names; `history` has who did what, and undoes it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from jurybox import Project
    >>> from jurybox.store.filters import TextFilter
    >>> path = Path(tempfile.mkdtemp()) / "reviews.db"
    >>> with Project.create(path, texts=["fine", "spam!"], classes=["bad", "good"]) as project:
    ...     found = project.edit.matching(TextFilter(search="spam"))
    ...     deleted = project.edit.delete_texts(found)
    ...     print(project.status().texts)
    ...     event, *_ = project.edit.history.last()
    ...     undone = project.edit.history.undo(event.number)
    ...     print(project.status().texts)
    1
    2
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], beliefs: BeliefSource, facets: Facets
    ) -> None:
        super().__init__(store, clock)
        self._beliefs = beliefs
        self._facets = facets

    @property
    def history(self) -> History:
        """What owners have done, and how it is undone."""
        return History(self.store, self._clock)

    def matching(self, chosen: TextFilter) -> list[str]:
        """Return the ids of all texts that fit a search, in their order."""
        with self.store.read() as connection:
            return browse.matching_texts(connection, chosen)

    def matching_annotations(self, chosen: AnnotationFilter) -> list[int]:
        """Return the numbers of all annotations that stand and fit a search, in their order."""
        with self.store.read() as connection:
            return browse.matching_annotations(connection, chosen)

    def change_texts(
        self,
        act: str,
        text_ids: Iterable[str],
        *,
        labels: int = 1,
        to: str = "",
        known: str | None = None,
        by: str | None = None,
    ) -> int:
        """Do one of `ACTS` to some texts; return how many texts, or labels, were changed.

        Parameters
        ----------
        labels, to, known
            What belongs to `reopen`, `assign` and `make_gold`.

        Raises
        ------
        InputError
            If there is no such act.
        """
        acts: Mapping[str, Callable[[], int]] = {
            "delete_labels": lambda: self.delete_labels_of(text_ids, by=by),
            "reopen": lambda: self.reopen(text_ids, labels, by=by),
            "assign": lambda: self.assign(text_ids, to, by=by),
            "gold": lambda: self.make_gold(text_ids, known, by=by),
            "delete": lambda: self.delete_texts(text_ids, by=by),
        }
        if act not in acts:
            raise InputError(f"act is {act!r}, expected one of {', '.join(ACTS)}")
        return acts[act]()

    def delete_labels(self, numbers: Iterable[int], *, by: str | None = None) -> int:
        """Take annotations back, by their numbers; return how many stood. Their texts are asked for again.

        Parameters
        ----------
        by
            Who does it, for the history; so everywhere here.
        """
        with self._change() as (connection, now):
            done = editing.delete_labels(connection, numbers, now=now)
            self._note(connection, "delete labels", len(done), by, {"labels": done})
        return len(done)

    def delete_labels_of(self, text_ids: Iterable[str], *, by: str | None = None) -> int:
        """Take back all annotations of some texts; return how many stood.

        Raises
        ------
        NotFoundError
            If there is no text of one of the ids; so everywhere here.
        """
        with self._change() as (connection, now):
            numbers = editing.labels_of(connection, texts=_numbers(connection, text_ids))
            done = editing.delete_labels(connection, numbers, now=now)
            self._note(connection, "delete labels", len(done), by, {"labels": done})
        return len(done)

    def delete_texts(self, text_ids: Iterable[str], *, by: str | None = None) -> int:
        """Delete texts with their labels; return how many. Until that is undone they are in no list or file.

        An import of the same ids does not bring them back.
        """
        with self._change() as (connection, now):
            numbers = _numbers(connection, text_ids)
            detail = editing.withdraw_texts(connection, numbers, now=now)
            self._note(connection, "delete texts", len(numbers), by, detail)
        return len(numbers)

    def reopen(self, text_ids: Iterable[str], labels: int = 1, *, by: str | None = None) -> int:
        """Ask for so many further labels of texts, before all others; return how many texts.

        They are asked of people who have not labelled them, even where a reviewer has decided.

        Raises
        ------
        InputError
            If labels is not 1 to 100.
        """
        if not 1 <= labels <= MOST_LABELS:
            raise InputError(f"labels is {labels!r}, expected 1 to {MOST_LABELS}")
        with self._change() as (connection, _):
            numbers = _numbers(connection, text_ids)
            detail = editing.reopen(connection, numbers, labels)
            self._note(connection, "reopen", len(numbers), by, detail)
        return len(numbers)

    def assign(self, text_ids: Iterable[str], name: str, *, by: str | None = None) -> int:
        """Give texts to one person alone for 30 days, before all others; return how many.

        Those that the person has labelled or skipped are left out, and gold texts, which everybody gets.

        Raises
        ------
        NotFoundError
            If there is no such person.
        ConflictError
            If they are removed.
        """
        with self._change() as (connection, now):
            numbers = _numbers(connection, text_ids)
            detail = editing.assign(connection, numbers, name, now=now)
            given = len(detail["texts"])
            self._note(connection, "assign", given, by, {**detail, "name": name})
        return given

    def make_gold(self, text_ids: Iterable[str], label: str | None = None, *, by: str | None = None) -> int:
        """Say that the label of texts is known: this one, or for each its consensus; return how many.

        Texts without a consensus are left out; of several questions, what nobody was asked stays open.

        Raises
        ------
        InputError
            If there is no such class.
        """
        ids = list(dict.fromkeys(text_ids))
        if label is not None:
            known: Mapping[str, str] = dict.fromkeys(ids, label)
        else:
            with self.store.read() as connection:
                text_numbers(connection, ids)  # raises for an unknown one
                several = bool(state.read_questions(connection))
            known = self._facets.answers(ids) if several else self._consensus_of(ids)
        return self.change_gold(known, by=by)

    def _consensus_of(self, text_ids: Iterable[str]) -> dict[str, str]:
        beliefs = self._beliefs.now().texts
        found = ((one, beliefs.find(one)) for one in text_ids)
        return {one: b.label for one, b in found if b is not None and b.label and b.n_annotations}

    def change_gold(self, labels: Mapping[str, str | None], *, by: str | None = None) -> int:
        """Say what the labels of texts are known to be, or with None that they are not; return how many."""
        with self._change() as (connection, now):
            detail = editing.change_gold(connection, labels, now=now)
            self._note(connection, "gold", len(labels), by, detail)
        return len(labels)

    def keep_search(self, name: str, query: str, *, by: str | None = None) -> None:
        """Keep a search among texts under a name, as the query of the page's address.

        Raises
        ------
        InputError
            If the name is empty or longer than 200 characters.
        """
        if len(storable(name, "name", empty=False)) > LONGEST_NAME:
            raise InputError(f"the name has {len(name)} characters, expected at most {LONGEST_NAME}")
        with self._change() as (connection, now):
            filters.keep_search(connection, name, storable(query, "query"), by=by, now=now)

    def drop_search(self, name: str, *, by: str | None = None) -> None:
        """Forget a search that was kept; nothing happens if there is none of this name."""
        with self._change() as (connection, now):
            query = filters.drop_search(connection, name)
            if query:
                note_event(connection, "drop search", name, by=by, now=now, detail={"query": query})

    def rename(self, name: str, *, by: str | None = None) -> None:
        """Give the project another title; InputError if it is empty."""
        storable(name, "name", empty=False)
        with self._change() as (connection, _):
            self._rename(connection, "rename project", state.read_state(connection).name, name, by)

    def rename_class(self, old: str, new: str, *, by: str | None = None) -> None:
        """Give a class another name; all labels of it are of the new one.

        With several questions, ``old`` is written ``question:class``.

        Raises
        ------
        InputError
            If there is no such class, the name is empty, or the classes were no scale any more.
        ConflictError
            If there is a class of the new name.
        """
        with self._change() as (connection, _):
            self._rename(connection, "rename class", old, new, by)

    def merge_classes(self, old: str, into: str, *, by: str | None = None) -> None:
        """Make two classes one: what was said of the first is said of the second, and the first is gone.

        With several questions, both are written ``question:class``. Of a question that may have several
        classes, the second then applies where either did.

        Raises
        ------
        InputError
            If there is no such class, or both are one, or of two questions, or only one were left, or no
            scale any more.
        """
        with self._change() as (connection, now):
            detail = classes.merge(connection, old, into, now=now)
            note_event(connection, "merge classes", old, by=by, now=now, detail=detail)

    def rename_person(self, old: str, new: str, *, by: str | None = None) -> None:
        """Give a person another name; link and sessions stay.

        Raises
        ------
        NotFoundError
            If there is no such person.
        ConflictError
            If the name is taken.
        """
        with self._change() as (connection, _):
            self._rename(connection, "rename person", old, new, by)

    def remove_person(self, name: str, *, labels: bool = False, by: str | None = None) -> int:
        """End a person's link and take them off all lists; return how many labels were deleted.

        Parameters
        ----------
        labels
            Whether their labels are deleted, too; otherwise they count as before.

        Raises
        ------
        NotFoundError
            If there is no such person.
        ConflictError
            If they are the only owner, or removed already.
        """
        with self._change() as (connection, now):
            person = people.lock_annotator(connection, name).id
            standing = people.remove(connection, name)
            loans.give_back_all(connection, name)
            numbers = editing.labels_of(connection, annotator=person) if labels else []
            done = editing.delete_labels(connection, numbers, now=now)
            detail = {"person": person, "standing": standing, "labels": done}
            note_event(connection, "remove person", name, by=by, now=now, detail=detail)
        return len(done)

    def erase_person(self, name: str, *, by: str | None = None) -> str:
        """Forget who somebody is: a pseudonym takes the place of the name, in the trail, too; return it.

        Link and sessions end, the labels stay and count. What the person wrote in remarks and comments stays
        as it is. This cannot be undone.

        Raises
        ------
        NotFoundError
            If there is no such person.
        ConflictError
            If they are the only owner.
        """
        with self._change() as (connection, now):
            detail = {"person": people.lock_annotator(connection, name).id}
            loans.give_back_all(connection, name)
            pseudonym = people.erase(connection, name, now=now)
            actor = pseudonym if by == name else by
            note_event(connection, "erase person", pseudonym, by=actor, now=now, detail=detail)
        return pseudonym

    @contextmanager
    def _change(self) -> Iterator[tuple[Connection, float]]:
        with self.store.write() as connection:
            editing.alone(connection)
            yield connection, self._clock()

    def _note(
        self, connection: Connection, verb: str, n: int, by: str | None, detail: Mapping[str, Any]
    ) -> None:
        """Write down what was done to how many; nothing where it was none."""
        if n:
            note_event(connection, verb, str(n), by=by, now=self._clock(), detail=detail)

    def _rename(self, connection: Connection, verb: str, old: str, new: str, by: str | None) -> None:
        if old == new:
            return
        detail = rename(connection, verb, old, new)
        note_event(connection, verb, new, by=by, now=self._clock(), detail=detail)


def _numbers(connection: Connection, text_ids: Iterable[str]) -> list[int]:
    return list(text_numbers(connection, text_ids).values())
