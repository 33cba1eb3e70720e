"""Gold texts: texts whose label is known, by which annotators are judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jurybox.errors import InputError
from jurybox.project.handle import ProjectPart
from jurybox.store import gold
from jurybox.store.people import read_annotators
from jurybox.trust.intervals import Interval, wilson


@dataclass(frozen=True)
class GoldScore:
    """How an annotator did on gold texts.

    Attributes
    ----------
    annotator
        The name.
    n, right
        Gold texts labelled, and labelled as is known to be right.
    accuracy
        The share that is right, with its 95 % interval (Wilson's score interval); None without any.
    qualified
        Whether the test was passed or waived; None where there was none, or no verdict yet.
    """

    annotator: str
    n: int
    right: int
    accuracy: Interval | None
    qualified: bool | None


class Gold(ProjectPart):
    """Names gold texts and says how everyone does on them."""

    def set(self, text_id: str, label: str | None) -> None:
        """Say what a text's label is known to be; None makes it an ordinary text again.

        Raises
        ------
        NotFoundError
            If there is no such text.
        InputError
            If there is no such class.
        """
        with self.store.write() as connection:
            gold.set_gold(connection, {text_id: label}, now=self._clock())

    def add(self, labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> int:
        """Name many gold texts, all or none; return how many were named.

        Parameters
        ----------
        labels
            Known labels by the id of the text, or (id, label) pairs.

        Raises
        ------
        NotFoundError, InputError
            As `set`; InputError, too, for a text with two different labels.
        """
        known = _one_each(labels.items() if isinstance(labels, Mapping) else labels)
        with self.store.write() as connection:
            gold.set_gold(connection, known, now=self._clock())
        return len(known)

    def labels(self) -> dict[str, str]:
        """Return the known labels by text."""
        with self.store.read() as connection:
            return gold.read_gold(connection)

    def report(self) -> list[GoldScore]:
        """Return how everyone does on gold texts, in the order in which they came.

        Everything that was ever said of a gold text and stands counts, however the text came to the person.
        """
        with self.store.read() as connection:
            people = read_annotators(connection)
            answers = gold.read_answers(connection)
        none = gold.GoldAnswers(0, 0)
        return [_score(person.name, answers.get(person.name, none), person.qualified) for person in people]


def _score(name: str, answers: gold.GoldAnswers, qualified: bool | None) -> GoldScore:
    accuracy = wilson(answers.right, answers.n) if answers.n else None
    return GoldScore(name, answers.n, answers.right, accuracy, qualified)


def _one_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    known: dict[str, str | None] = {}
    for text_id, label in pairs:
        if known.setdefault(text_id, label) != label:
            raise InputError(
                f"text {text_id!r} has two known labels, {known[text_id]!r} and {label!r}; give one"
            )
    return known
