"""What a machine is to say of a text: a class for each of its parts.

A project with one question has one part, called `LABEL`. Of several questions each is a part, and so is each
class of a question that may have several, which is answered yes or no: what is not said is not "no".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jurybox.errors import InputError
from jurybox.questions import NO_YES, Question

__all__ = ["LABEL", "AnswerPart", "class_places", "declared_parts", "parts_of", "refuse_unknown"]

LABEL = "label"
"""The only part of a project with one question; no question of several is called so."""


@dataclass(frozen=True)
class AnswerPart:
    """What of a text has an answer of its own.

    Attributes
    ----------
    key
        What it is called: `LABEL`, ``question``, or ``question:class``.
    classes
        What can be answered.
    names
        What a rule calls each of them.
    """

    key: str
    classes: tuple[str, ...]
    names: tuple[str, ...]


def parts_of(classes: Sequence[str], questions: Sequence[Question] = ()) -> tuple[AnswerPart, ...]:
    """Return the parts of a project: of one question with these classes, or of several questions.

    Examples
    --------
    >>> asked = [Question.parse("food=single:bad,good"), Question.parse("topics=several:price")]
    >>> [
    ...     (part.key, part.classes, part.names) for part in parts_of((), asked)
    ... ]  # doctest: +NORMALIZE_WHITESPACE
    [('food', ('bad', 'good'), ('food:bad', 'food:good')),
     ('topics:price', ('no', 'yes'), ('topics:price:no', 'topics:price'))]
    """
    if not questions:
        return (AnswerPart(LABEL, tuple(classes), tuple(classes)),)
    return tuple(
        AnswerPart(str(facet), NO_YES, (f"{facet}:no", str(facet)))
        if facet.option is not None
        else AnswerPart(
            str(facet),
            tuple(map(str, question.classes)),
            tuple(f"{facet}:{name}" for name in question.classes),
        )
        for question in questions
        for facet in question.facets
    )


@lru_cache(maxsize=64)
def declared_parts(classes: tuple[str, ...], questions: tuple[str, ...]) -> tuple[AnswerPart, ...]:
    """Return the parts of questions that are declared as `jurybox.Question.parse` takes them."""
    return parts_of(classes, [Question.parse(each) for each in questions])


def class_places(parts: Sequence[AnswerPart]) -> dict[str, tuple[AnswerPart, str]]:
    """Return the part and the class that each name in a rule stands for."""
    return {name: (part, each) for part in parts for name, each in zip(part.names, part.classes, strict=True)}


def refuse_unknown(told: Sequence[AnswerPart], known: Sequence[AnswerPart]) -> None:
    """Raise InputError where a machine was told of a part or class that a project does not have."""
    places = class_places(known)
    if unknown := [name for part in told for name in part.names if name not in places]:
        raise InputError(
            f"{sorted(unknown)} are no classes of this project: {', '.join(places)}; where they have got "
            "other names, add the machine again, so that it is told"
        )
