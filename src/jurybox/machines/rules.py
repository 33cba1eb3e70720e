"""Rules as machines: keywords, regular expressions, a function of one's own."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jurybox.answers import NOT_ASKED
from jurybox.errors import InputError
from jurybox.machines.parts import LABEL, AnswerPart, class_places, parts_of
from jurybox.machines.records import Keywords, MachineAnswer, Patterns, PythonFunction
from jurybox.questions import Question
from jurybox.written import answer_code

__all__ = ["answer_of", "check_rule", "python_function"]

Rule: TypeAlias = Keywords | Patterns | PythonFunction


def answer_of(
    rule: Rule, classes: Sequence[str], questions: Sequence[Question] = ()
) -> Callable[[str], MachineAnswer]:
    """Return what answers as a rule says.

    Parameters
    ----------
    classes
        Names of the K classes.
    questions
        Several questions, in place of classes.

    Raises
    ------
    InputError
        If the rule names a class that is none, a pattern is no regular expression, or the function is not
        there or has changed; later, if the function's answer is none.

    Examples
    --------
    >>> answer = answer_of(Keywords({"good": ("great", "very fine"), "bad": ("awful",)}), ["bad", "good"])
    >>> answer("Great, and very fine too!").said, answer("Greatly awful").said, answer("So so").said
    ({'label': 'good'}, {'label': 'bad'}, {})
    >>> asked = [Question.parse("food=single:bad,good"), Question.parse("topics=several:price,service")]
    >>> words = Keywords({"food:good": ("tasty",), "topics:price": ("cheap", "dear")})
    >>> answer_of(words, (), asked)("Tasty but dear").said, answer_of(words, (), asked)("slow").said
    ({'food': 'good', 'topics:price': 'yes'}, {})
    """
    parts = parts_of(classes, questions)
    if isinstance(rule, PythonFunction):
        return _by_function(rule, parts, questions)
    counters = _counters(rule, parts)

    def answer(text: str) -> MachineAnswer:
        hits = {key: [(count(text), name) for name, count in by.items()] for key, by in counters.items()}
        return MachineAnswer({key: name for key, found in hits.items() if (name := _first(found))})

    return answer


def check_rule(rule: Rule, classes: Sequence[str], questions: Sequence[Question] = ()) -> None:
    """Raise InputError where `answer_of` would."""
    answer_of(rule, classes, questions)


def python_function(path: str) -> PythonFunction:
    """Return a function as a rule, with the digest of its code.

    Parameters
    ----------
    path
        ``package.module:function`` or ``FILE.py:function``.

    Raises
    ------
    InputError
        If there is no such function.

    Examples
    --------
    >>> python_function("jurybox.coding:is_missing").path
    'jurybox.coding:is_missing'
    """
    return PythonFunction(path, _digest(_load(path)))


def _first(hits: Sequence[tuple[int, str]]) -> str | None:
    """Return the class that is named most often; None where none is, or two are."""
    most = max(n for n, _ in hits)
    first = [name for n, name in hits if n == most]
    return first[0] if most and len(first) == 1 else None


def _counters(
    rule: Keywords | Patterns, parts: Sequence[AnswerPart]
) -> dict[str, dict[str, Callable[[str], int]]]:
    """Return by part and class what says how often it is named, or whether its pattern is found."""
    named = rule.words if isinstance(rule, Keywords) else rule.patterns
    if not named:
        raise InputError("the rule names no class, expected words or a pattern for at least one")
    places = class_places(parts)
    found: dict[str, dict[str, Callable[[str], int]]] = {}
    for name in named:
        if name not in places:
            raise _no_class(name, places)
        part, own = places[name]
        found.setdefault(part.key, {})[own] = _counter(name, rule)
    return found


def _counter(name: str, rule: Keywords | Patterns) -> Callable[[str], int]:
    if isinstance(rule, Keywords):
        words = [re.escape(word.strip()) for word in rule.words[name] if word.strip()]
        if not words:
            raise InputError(f"class {name!r} has no keyword, expected at least one")
        together = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)
        return lambda text: len(together.findall(text))
    try:
        pattern = re.compile(rule.patterns[name])
    except re.error as error:
        raise InputError(f"the pattern of class {name!r} is no regular expression: {error}") from error
    return lambda text: int(pattern.search(text) is not None)


def _no_class(name: str, known: Iterable[str]) -> InputError:
    return InputError(f"{name!r} is no class of this project, expected one of {', '.join(known)}")


def _by_function(
    rule: PythonFunction, parts: Sequence[AnswerPart], questions: Sequence[Question]
) -> Callable[[str], MachineAnswer]:
    function = _load(rule.path)
    if _digest(function) != rule.digest:
        raise InputError(
            f"the code of {rule.path} has changed since it was added; add it again as a new version"
        )

    def answer(text: str) -> MachineAnswer:
        said = function(text)
        if said is None:
            return MachineAnswer()
        try:
            return _by_question(said, parts, questions) if questions else _of_one(said, parts[0])
        except InputError as wrong:
            raise InputError(f"{rule.path} gave {said!r}: {wrong}") from wrong

    return answer


def _of_one(said: Any, part: AnswerPart) -> MachineAnswer:
    """Return what a function said where there is one question: the name of a class, or probabilities."""
    if isinstance(said, Mapping):
        p = _shares(said, part)
        return MachineAnswer({LABEL: max(p, key=p.__getitem__)}, {LABEL: p}, raw=repr(dict(said)))
    if str(said) not in part.classes:
        raise _no_class(str(said), part.classes)
    return MachineAnswer({LABEL: str(said)}, raw=str(said))


def _by_question(said: Any, parts: Sequence[AnswerPart], questions: Sequence[Question]) -> MachineAnswer:
    """Return what a function said to several questions: in writing, or by question, probabilities too."""
    own = {part.key: part for part in parts}
    rest, p = said, {}
    if isinstance(said, Mapping):
        rest = {name: value for name, value in said.items() if not _is_shares(value)}
        for question in questions:
            shares: Any = said.get(question.name)
            if not _is_shares(shares):
                continue
            if question.kind != "several":
                p[question.name] = _shares(shares, own[question.name])
                continue
            for name, value in shares.items():
                key = f"{question.name}:{name}"
                if key not in own:
                    raise _no_class(key, own)
                p[key] = _shares({"no": 1 - float(value), "yes": float(value)}, own[key])
    code = answer_code(questions, rest) if rest else [NOT_ASKED] * len(parts)
    named = {part.key: part.classes[k] for part, k in zip(parts, code, strict=True) if k != NOT_ASKED}
    likely = {key: max(own_p, key=own_p.__getitem__) for key, own_p in p.items()}
    return MachineAnswer({**named, **likely}, p, raw=said if isinstance(said, str) else repr(dict(said)))


def _is_shares(value: Any) -> bool:
    return isinstance(value, Mapping) and not {"yes", "asked"} & value.keys()


def _shares(said: Mapping[str, float], part: AnswerPart) -> dict[str, float]:
    """Return probabilities by class that sum to 1."""
    for name in said:
        if name not in part.classes:
            raise _no_class(name, part.classes)
    p = {name: float(said.get(name, 0.0)) for name in part.classes}
    total = sum(p.values())
    if min(p.values()) < 0 or not 0 < total < float("inf"):
        raise InputError("expected probabilities by class, at least one above 0")
    return {name: value / total for name, value in p.items()}


def _load(path: str) -> Callable[[str], Any]:
    place, _, name = path.rpartition(":")
    if not place:
        raise InputError(f"the function is {path!r}, expected package.module:function or FILE.py:function")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        function = getattr(module, name)
    except (ImportError, OSError, AttributeError) as error:
        raise InputError(f"there is no function {path!r}: {error}") from error
    if not callable(function):
        raise InputError(f"{path} is no function")
    return function  # type: ignore[no-any-return]


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _digest(function: Callable[[str], Any]) -> str:
    """Return a digest of the file that a function is in: what it calls there counts, too."""
    try:
        source = Path(inspect.getsourcefile(function) or "").read_bytes()
    except (OSError, TypeError):
        source = repr(function).encode()
    return hashlib.blake2b(source, digest_size=16).hexdigest()
