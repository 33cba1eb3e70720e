"""Rules as machines: keywords, regular expressions, a function of one's own."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jurybox.errors import InputError
from jurybox.machines.records import Keywords, MachineAnswer, Patterns, PythonFunction

__all__ = ["answer_of", "check_rule", "python_function"]

Rule: TypeAlias = Keywords | Patterns | PythonFunction


def answer_of(rule: Rule, classes: Sequence[str]) -> Callable[[str], MachineAnswer]:
    """Return what answers as a rule says.

    Parameters
    ----------
    classes
        Names of the K classes.

    Raises
    ------
    InputError
        If the rule names a class that is none, a pattern is no regular expression, or the function is not
        there or has changed; later, if the function's answer is none.

    Examples
    --------
    >>> answer = answer_of(Keywords({"good": ("great", "very fine"), "bad": ("awful",)}), ["bad", "good"])
    >>> answer("Great, and very fine too!").label, answer("Greatly awful").label, answer("So so").label
    (1, 0, None)
    """
    if isinstance(rule, PythonFunction):
        return _by_function(rule, classes)
    hits = _counters(rule, classes)

    def answer(text: str) -> MachineAnswer:
        found = [(count(text), k) for k, count in hits.items()]
        most = max((n for n, _ in found), default=0)
        first = [k for n, k in found if n == most]
        return MachineAnswer(first[0] if most and len(first) == 1 else None)

    return answer


def check_rule(rule: Rule, classes: Sequence[str]) -> None:
    """Raise InputError where `answer_of` would."""
    answer_of(rule, classes)


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


def _counters(rule: Keywords | Patterns, classes: Sequence[str]) -> dict[int, Callable[[str], int]]:
    """Return by class what says how often it is named, or whether its pattern is found."""
    named = rule.words if isinstance(rule, Keywords) else rule.patterns
    if not named:
        raise InputError("the rule names no class, expected words or a pattern for at least one")
    return {_class(name, classes): _counter(name, rule) for name in named}


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


def _class(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise InputError(f"{name!r} is no class of this project, expected one of {', '.join(classes)}")
    return list(classes).index(name)


def _by_function(rule: PythonFunction, classes: Sequence[str]) -> Callable[[str], MachineAnswer]:
    function = _load(rule.path)
    if _digest(function) != rule.digest:
        raise InputError(
            f"the code of {rule.path} has changed since it was added; add it again as a new version"
        )

    def answer(text: str) -> MachineAnswer:
        said = function(text)
        if said is None:
            return MachineAnswer(None)
        if isinstance(said, Mapping):
            return _from_probabilities(rule.path, said, classes)
        return MachineAnswer(_class(str(said), classes), raw=str(said))

    return answer


def _from_probabilities(path: str, said: Mapping[str, float], classes: Sequence[str]) -> MachineAnswer:
    p = [0.0] * len(classes)
    for name, value in said.items():
        p[_class(name, classes)] = float(value)
    total = sum(p)
    if min(p) < 0 or not 0 < total < float("inf"):
        raise InputError(f"{path} gave {dict(said)!r}, expected probabilities by class, at least one above 0")
    shares = tuple(value / total for value in p)
    return MachineAnswer(shares.index(max(shares)), shares, raw=repr(dict(said)))


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
