"""What one person says of a text to all questions: as one value in writing, as numbers, and as a mapping.

A stored project with several questions keeps such an answer as it keeps the class of a project with one: as
one name. So a decision about a text is one row there, which is submitted, changed and taken back as a whole.

    food=Negative; topics=price|service; stars=4        two classes apply of the topics, and no others
    topics=|                                            none of them applies; food and stars have no answer
    topics=price<price|food                             price applies, food does not; of others nobody asked

Its code says of each facet which class was given, -1 where there is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from jurybox.answers import NOT_ASKED, as_set
from jurybox.coding import is_missing
from jurybox.errors import InputError
from jurybox.questions import NO_YES, Facet, Question, declared_questions
from jurybox.scales import numbers_of

__all__ = [
    "Answers",
    "all_facets",
    "answer_cells",
    "answer_code",
    "answer_said",
    "answer_written",
    "facet_named",
    "facets_at",
    "gold_is_met",
    "label_written",
    "new_classes",
    "question_records",
    "widened",
    "with_class",
    "writable_questions",
]

Answers: TypeAlias = Mapping[str, Any]
"""By question: a class, or a list of classes, an empty one where none applies; nothing where unanswered.

Of classes of which only some were asked for, ``{"yes": [...], "asked": [...]}``, or one by one
``"question:class": "yes"``, or "no".
"""

MOST_FACETS = 200
_BETWEEN, _IS, _EACH, _OF = "; ", "=", "|", "<"
_RESERVED = ("id", "text", "annotator", "label", "seconds", "comment", "time", "question")
"""Columns of a table of annotations, which no question can be called."""


def writable_questions(questions: Sequence[Question | str]) -> tuple[Question, ...]:
    """Return questions whose answers can be written down, the classes as text.

    Raises
    ------
    InputError
        As `jurybox.questions.declared_questions`; for a question without classes, or with a name that cannot
        be told apart from what stands between names; or for too many facets.

    Examples
    --------
    >>> [each.name for each in writable_questions(["food=single:bad,good", "topics=several:price"])]
    ['food', 'topics']
    """
    found = tuple(
        each.with_classes([str(name) for name in each.classes], each.scale)
        for each in declared_questions(questions)
    )
    for each in found:
        if not each.classes:
            raise InputError(f"question {each.name!r} has no classes; name them: {each.name}=single:bad,good")
        if each.name in _RESERVED:
            raise InputError(
                f"a question is called {each.name!r}, which is a column of every file of labels; "
                "give it another name"
            )
        for name in (each.name, *each.classes):
            _check_name(str(name))
    if len(all_facets(found)) > MOST_FACETS:
        raise InputError(
            f"the questions have {len(all_facets(found)):,} answers of their own, each class of one with "
            f"several counted; expected at most {MOST_FACETS}"
        )
    return found


def _check_name(name: str) -> None:
    if name != name.strip() or is_missing(name) or any(mark in name for mark in ";=|<,\n\r\x00"):
        raise InputError(
            f"a question or class is called {name!r}, expected a name without ; = | < , and line breaks, "
            "without blanks at its ends, and none that means 'no answer'"
        )


def all_facets(questions: Sequence[Question]) -> tuple[Facet, ...]:
    """Return whatever has an answer of its own, in order."""
    return tuple(facet for question in questions for facet in question.facets)


def facet_named(facets: Sequence[Facet], name: str) -> Facet:
    """Return the facet that is written as ``question``, or ``question:class``.

    Raises
    ------
    InputError
        If there is none.
    """
    for facet in facets:
        if str(facet) == name:
            return facet
    known = ", ".join(map(str, facets)) or "none: this project has one question"
    raise InputError(f"question is {name!r}, expected one of {known}", code="no_question", name=name)


def facets_at(questions: Sequence[Question], places: str) -> tuple[str, ...]:
    """Return the names of the facets at some places, which are written with blanks between.

    Examples
    --------
    >>> facets_at(writable_questions(["food=single:bad,good", "topics=several:price,service"]), "0 2")
    ('food', 'topics:service')
    """
    facets = all_facets(questions)
    return tuple(str(facets[int(place)]) for place in places.split())


def gold_is_met(known: Sequence[int], given: Sequence[int]) -> bool:
    """Whether an answer says nothing else than what is known, as code each; of what is open in one, nothing.

    Examples
    --------
    >>> gold_is_met((1, 0, -1), (1, -1, 1)), gold_is_met((1, 0, -1), (1, 1, -1))
    (True, False)
    """
    return all(NOT_ASKED in (right, said) or right == said for right, said in zip(known, given, strict=True))


def answer_code(questions: Sequence[Question], said: str | Answers) -> tuple[int, ...]:
    """Return the class given at each facet, -1 where there is no answer.

    Parameters
    ----------
    said
        An answer in writing, or by question.

    Raises
    ------
    InputError
        For a question or class that there is not, a question answered twice, or no answer at all.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price,service"])
    >>> answer_code(asked, "topics=price; food=good")
    (1, 1, 0)
    >>> answer_code(asked, {"topics": []}), answer_code(asked, "topics=price<price")
    ((-1, 0, 0), (-1, 1, -1))
    """
    by_name = _read(said) if isinstance(said, str) else _by_question(questions, said)
    known = [each.name for each in questions]
    for name in by_name:
        if name not in known:
            raise InputError(
                f"the answer is to question {name!r}, expected {', '.join(known)}", code="no_question"
            )
    code = [label for each in questions for label in _labels(each, by_name.get(each.name))]
    if all(label == NOT_ASKED for label in code):
        raise InputError(
            f"{said!r} answers no question, expected an answer such as {_example(questions)!r}",
            code="no_answer",
        )
    return tuple(code)


def widened(questions: Sequence[Question], said: str | Answers) -> tuple[Question, ...]:
    """Return the questions with the classes, behind the others, that an answer names and they lack.

    Raises
    ------
    InputError
        As `answer_code` for all else that is wrong, and as `with_class`.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price"])
    >>> [each.classes for each in widened(asked, "food=great; topics=taste|price")]
    [('bad', 'good', 'great'), ('price', 'taste')]
    """
    known = tuple(questions)
    while True:
        try:
            answer_code(known, said)
        except InputError as error:
            if error.code != "no_class" or "option" not in error.values:
                raise
            known = with_class(known, str(error.values["question"]), str(error.values["option"]))
        else:
            return known


def with_class(questions: Sequence[Question], name: str, option: str) -> tuple[Question, ...]:
    """Return the questions, one of them with a class more; a scale's number is one above the last.

    Raises
    ------
    InputError
        As `writable_questions`; or if the classes were no scale any more.
    """
    found = []
    for each in questions:
        if each.name == name:
            scale = each.scale
            named = scale is None or scale == numbers_of(each.classes, True)
            scale = None if named or scale is None else (*scale, scale[-1] + 1)
            each = each.with_classes([*each.classes, option], scale)
        found.append(each)
    return writable_questions(found)


def new_classes(before: Sequence[Question], after: Sequence[Question]) -> list[str]:
    """Return the classes, as ``question:class``, that questions have and did not have before.

    Examples
    --------
    >>> asked = writable_questions(["topics=several:price"])
    >>> new_classes(asked, with_class(asked, "topics", "taste"))
    ['topics:taste']
    """
    known = {each.name: set(map(str, each.classes)) for each in before}
    return [
        f"{each.name}:{name}" for each in after for name in each.classes if str(name) not in known[each.name]
    ]


def answer_written(questions: Sequence[Question], said: str | Answers | Sequence[int]) -> str:
    """Return an answer in writing, always the same for the same answer.

    Parameters
    ----------
    said
        The answer in writing, by question, or as code.

    Raises
    ------
    InputError
        As `answer_code`.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price,service"])
    >>> answer_written(asked, {"topics": ["service", "price"], "food": "good"})
    'food=good; topics=price|service'
    """
    code = answer_code(questions, said) if isinstance(said, str | Mapping) else tuple(said)
    cells = zip(questions, answer_cells(questions, code), strict=True)
    return _BETWEEN.join(f"{each.name}{_IS}{cell}" for each, cell in cells if cell is not None)


def label_written(questions: Sequence[Question], label: str | Answers) -> str:
    """Return a label as it is stored: a class, or an answer to several questions.

    Raises
    ------
    InputError
        As `answer_code`; or for an answer by question where there is one question.
    """
    if isinstance(label, str):
        return label
    if not questions:
        raise InputError(f"label is {label!r}, expected a class: this project has one question")
    return answer_written(questions, label)


def answer_cells(questions: Sequence[Question], code: Sequence[int]) -> tuple[str | None, ...]:
    """Return what a table holds in the column of each question; None where there is no answer.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price,service"])
    >>> answer_cells(asked, (-1, 0, 0)), answer_cells(asked, (1, 1, -1))
    ((None, '|'), ('good', 'price<price'))
    """
    return tuple(None if said is None else _cell(said) for said in _each(questions, code))


def answer_said(questions: Sequence[Question], code: Sequence[int]) -> dict[str, Any]:
    """Return an answer by question, as `Answers`; questions without one are left out.

    Examples
    --------
    >>> asked = writable_questions(["food=single:bad,good", "topics=several:price,service"])
    >>> answer_said(asked, (-1, 1, 0)), answer_said(asked, (0, 0, -1))
    ({'topics': ['price']}, {'food': 'bad', 'topics': {'yes': [], 'asked': ['price']}})
    """
    found = zip(questions, _each(questions, code), strict=True)
    return {each.name: said for each, said in found if said is not None}


def question_records(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return questions as JSON values; ``Question(**record)`` is one again."""
    return [
        {"name": each.name, "kind": each.kind, "classes": list(each.classes)}
        | ({} if each.scale is None else {"scale": list(each.scale)})
        for each in questions
    ]


def _by_question(questions: Sequence[Question], said: Answers) -> dict[str, Any]:
    """Return answers by question, those put together that were given class by class."""
    found = dict(said)
    for each in questions:
        own = {
            facet.option: found.pop(str(facet))
            for facet in each.facets
            if facet.option is not None and str(facet) in found
        }
        if own and each.name in found:
            raise InputError(f"question {each.name!r} is answered twice: as a whole, and class by class")
        for option, word in own.items():
            if word not in NO_YES and not isinstance(word, bool):
                raise InputError(
                    f"the answer to '{each.name}:{option}' is {word!r}, expected yes or no", code="no_class"
                )
        if own:
            yes = [name for name, word in own.items() if word in ("yes", True)]
            found[each.name] = {"yes": yes, "asked": [*own]}
    return found


def _read(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in written.split(_BETWEEN.strip()):
        name, equals, cell = (piece.strip() for piece in part.partition(_IS))
        if not equals or name in found:
            problem = f"answers question {name!r} twice" if equals else f"has {part.strip()!r}"
            raise InputError(
                f"the answer {written!r} {problem}, expected question=answer once for each, with ; between",
                code="no_answer",
            )
        found[name] = cell
    return found


def _labels(question: Question, said: Any) -> list[int]:
    """Return what is said of each facet of a question."""
    names = [str(name) for name in question.classes]
    if question.kind != "several":
        cell = str(said).strip() if said is not None else ""
        if not cell:
            return [NOT_ASKED]
        if cell not in names:
            raise _unknown(question, cell)
        return [names.index(cell)]
    yes, asked = _asked(said, names)
    if yes is None:
        return [NOT_ASKED] * len(names)
    for name in (*yes, *(asked or ())):
        if name not in names:
            raise _unknown(question, str(name))
    if asked is not None and yes - asked:
        raise InputError(
            f"the answer to {question.name!r} names {min(yes - asked)!r}, which was not asked for"
        )
    return [NOT_ASKED if asked is not None and name not in asked else int(name in yes) for name in names]


def _asked(said: Any, names: Sequence[str]) -> tuple[frozenset[Any] | None, frozenset[Any] | None]:
    """Return the classes that apply, None without an answer; and those asked for, None where all were."""
    if isinstance(said, Mapping):
        return as_set(list(said.get("yes", ()))), as_set(list(said.get("asked", ())))
    if isinstance(said, str) and _OF in said:
        yes, _, asked = said.partition(_OF)
        return as_set(yes, names) or frozenset(), as_set(asked, names) or frozenset()
    return as_set(said, names), None


def _unknown(question: Question, name: str) -> InputError:
    classes = ", ".join(map(repr, question.classes))
    return InputError(
        f"the answer to question {question.name!r} is {name!r}, expected one of {classes}",
        code="no_class",
        classes=classes,
        question=question.name,
        option=name,
    )


def _example(questions: Sequence[Question]) -> str:
    return _BETWEEN.join(f"{each.name}{_IS}{each.classes[0]}" for each in questions)


def _each(questions: Sequence[Question], code: Sequence[int]) -> list[Any]:
    """Return what a code says to each question, as `Answers` has it; None where there is no answer."""
    found: list[Any] = []
    start = 0
    for question in questions:
        own = [int(label) for label in code[start : start + len(question.facets)]]
        start += len(own)
        if all(label == NOT_ASKED for label in own):
            found.append(None)
        elif question.kind != "several":
            found.append(question.classes[own[0]])
        else:
            pairs = list(zip(question.classes, own, strict=True))
            yes = [name for name, label in pairs if label == 1]
            asked = [name for name, label in pairs if label != NOT_ASKED]
            found.append(yes if len(asked) == len(own) else {"yes": yes, "asked": asked})
    return found


def _cell(said: Any) -> str:
    if isinstance(said, str):
        return said
    if isinstance(said, Mapping):
        return f"{_EACH.join(said['yes'])}{_OF}{_EACH.join(said['asked'])}"
    return _EACH.join(said) or _EACH
