"""What is asked of a text: for one class, for any number of classes, or for a point on a scale.

Whatever of a text has an answer of its own is a *facet*: a question, or one class of a question that may have
several ("is it about *price*?"), which is answered yes or no. An *item* is a text's facet. All that exists
for annotations of one question works on the items of one facet.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from jurybox.coding import class_names
from jurybox.errors import InputError
from jurybox.scales import Scale, numbers_of, parse_scale

__all__ = ["NO_YES", "Facet", "Question", "QuestionKind", "declared_questions"]

NO_YES = ("no", "yes")
"""The classes of a facet that is a class of a question with several."""

QuestionKind: TypeAlias = Literal["single", "several", "scale"]
"""One class; any subset of the classes, none of them too; or one of ordered classes."""


@dataclass(frozen=True)
class Facet:
    """What of a text has an answer of its own: a question, or one class of a question with several.

    Attributes
    ----------
    question : str
        The question's name.
    option : hashable, optional
        The class; None where the question has one answer.

    Examples
    --------
    >>> str(Facet("food")), str(Facet("topics", "price"))
    ('food', 'topics:price')
    """

    question: str
    option: Hashable | None = None

    def __str__(self) -> str:
        return self.question if self.option is None else f"{self.question}:{self.option}"


@dataclass(frozen=True)
class Question:
    """A question that annotators answer about a text.

    Attributes
    ----------
    name : str
        Short; unique among the questions.
    kind : {"single", "several", "scale"}
        One class; any subset of the classes; or one of ordered classes.
    classes : tuple of hashable
        What can be answered; on a scale in their order. Empty: what the answers name.
    scale : tuple of float, optional
        On a scale, the classes' numbers, ascending; default: they themselves, 0, 1, … for words.

    Raises
    ------
    InputError
        For no name, an unknown kind, a class named twice, or numbers for another kind than a scale.

    Examples
    --------
    >>> Question("topics", "several", ("price", "service")).facets
    (Facet(question='topics', option='price'), Facet(question='topics', option='service'))
    >>> Question("stars", "scale", (1, 2, 3)).scale
    (1.0, 2.0, 3.0)
    """

    name: str
    kind: QuestionKind = "single"
    classes: tuple[Hashable, ...] = ()
    scale: Scale | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError(f"a question's name is {self.name!r}, expected a word")
        if self.kind not in get_args(QuestionKind):
            known = ", ".join(get_args(QuestionKind))
            raise InputError(f"question {self.name!r} is of kind {self.kind!r}, expected one of {known}")
        names = class_names(self.classes)
        if self.scale is not None and self.kind != "scale":
            raise InputError(f"question {self.name!r} has numbers, which only one of kind 'scale' has")
        object.__setattr__(self, "classes", names)
        if self.kind == "scale" and names:
            object.__setattr__(self, "scale", numbers_of(names, self.scale or True))

    @classmethod
    def parse(cls, declared: str) -> Question:
        """Return what ``"name=kind:class,class"`` declares; of a scale, also ``"name=scale:1..5"``.

        Raises
        ------
        InputError
            As `Question`; or if it is nothing of this form.

        Examples
        --------
        >>> Question.parse("food=single:bad,good").classes
        ('bad', 'good')
        >>> Question.parse("stars=scale:1..3").classes
        ('1', '2', '3')
        """
        name, equals, rest = declared.partition("=")
        kind, _, listed = rest.partition(":")
        if not equals or kind not in get_args(QuestionKind):
            raise InputError(
                f"question is {declared!r}, expected name=kind:class,class with one of the kinds "
                f"{', '.join(get_args(QuestionKind))}, such as topics=several:price,service"
            )
        parts = [part.strip() for part in listed.split(",") if part.strip()]
        if kind == "scale" and ".." in listed:
            parts = parse_scale(listed.strip())
        return cls(name.strip(), kind, tuple(parts))  # type: ignore[arg-type]  # checked above

    @property
    def facet_classes(self) -> tuple[Hashable, ...]:
        """The classes of each of its facets.

        Examples
        --------
        >>> (
        ...     Question("food", classes=("bad", "good")).facet_classes,
        ...     Question("topics", "several").facet_classes,
        ... )
        (('bad', 'good'), ('no', 'yes'))
        """
        return NO_YES if self.kind == "several" else self.classes

    @property
    def declared(self) -> str:
        """What `parse` reads, but for numbers that the classes do not name.

        Examples
        --------
        >>> Question("food", classes=("bad", "good")).declared
        'food=single:bad,good'
        """
        return f"{self.name}={self.kind}:{','.join(map(str, self.classes))}"

    @property
    def facets(self) -> tuple[Facet, ...]:
        """What has an answer of its own: the question itself, or each of its classes."""
        if self.kind != "several":
            return (Facet(self.name),)
        return tuple(Facet(self.name, name) for name in self.classes)

    def with_classes(self, classes: Sequence[Hashable], scale: Scale | None = None) -> Question:
        """Return the same with the classes that its answers have."""
        return replace(self, classes=tuple(classes), scale=scale)


def declared_questions(questions: Sequence[Question | str]) -> tuple[Question, ...]:
    """Return questions as such, after checking that each name is there once, and classes to choose among.

    Raises
    ------
    InputError
        If not.
    """
    found = tuple(each if isinstance(each, Question) else Question.parse(each) for each in questions)
    names = [each.name for each in found]
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    alone = [each for each in found if len(each.classes) == 1 and each.kind != "several"]
    if alone:
        raise InputError(
            f"question {alone[0].name!r} has the one class {alone[0].classes[0]!r}, expected at least 2"
        )
    if twice or not names:
        got = f"question {twice[0]!r} twice" if twice else "no question"
        raise InputError(f"got {got}, expected at least one and each name once")
    return found
