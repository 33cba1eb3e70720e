"""What a machine is, what its answers cost, and what an answer holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from jurybox.errors import InputError
from jurybox.formats.plain import plain, read_plain
from jurybox.machines.parts import AnswerPart, class_places, declared_parts
from jurybox.questions import Question
from jurybox.written import answer_written, writable_questions

__all__ = [
    "Keywords",
    "LanguageModel",
    "MachineAnswer",
    "MachineSpec",
    "Patterns",
    "Price",
    "PythonFunction",
    "asked_of",
    "identity",
    "kind_of",
    "read_spec",
]

_MILLION = 1_000_000
_USUAL_TOKENS = 64


@dataclass(frozen=True)
class Price:
    """What a machine costs, in any currency, the same one everywhere in a project.

    Parameters
    ----------
    input, output
        A million tokens read, and written.
    answer
        An answer, whatever its length.

    Examples
    --------
    >>> Price(input=0.15, output=0.6).of(1000, 20)
    0.000162
    """

    input: float = 0.0
    output: float = 0.0
    answer: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input", "output", "answer"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"the price {name} is {getattr(self, name)}, expected a number from 0 on")

    def of(self, tokens_in: int, tokens_out: int, *, answers: int = 1) -> float:
        """Return what so many tokens and answers cost."""
        tokens = (self.input * tokens_in + self.output * tokens_out) / _MILLION
        return tokens + self.answer * answers

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return not (self.input or self.output or self.answer)


@dataclass(frozen=True)
class Keywords:
    """Answers with the class most of whose words are in a text; with nothing where none or two are first.

    Parameters
    ----------
    words
        Words or phrases by the name of the class, of several questions ``question:class``. Case does not
        count; words count whole.
    """

    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Patterns:
    """Answers with the class whose regular expression is found in a text; with nothing where several are.

    Parameters
    ----------
    patterns
        Python's regular expressions by the name of the class, as in `Keywords`.
    """

    patterns: Mapping[str, str]


@dataclass(frozen=True)
class PythonFunction:
    """Answers with what a function makes of a text: the name of a class, probabilities by name, or None.

    With several questions that is an answer in writing, or a mapping by question of what
    `jurybox.written.Answers` has there, or of probabilities by class.

    Parameters
    ----------
    path
        ``package.module:function`` or ``FILE.py:function``.
    digest
        Of the code, so that answers of another function of that name are not taken for this one's.
    """

    path: str
    digest: str


@dataclass(frozen=True)
class LanguageModel:
    """A language model behind a server that speaks as OpenAI's does, with its prompt.

    Parameters
    ----------
    model
        Name of the model on the server.
    classes
        Names of the classes that it chooses from; none where it is asked several questions.
    instructions
        What it is told before every text.
    base_url
        Where the server is, up to and including ``/v1``.
    examples
        Texts and their labels, of several questions in writing, which it is shown as earlier answers.
    max_tokens
        The longest answer; 0: enough for an answer to all questions, and at least 64.
    temperature
        0 for the likeliest answer.
    logprobs
        Whether the server is asked for the probabilities of its words.
    structured
        Whether the server is held to the schema of the answer; some know no such thing.
    key
        Name of the environment variable that holds the key; the key itself is never stored.
    once
        Whether the server answers a request with a known ``Idempotency-Key`` from memory, for nothing.
    questions
        What it is asked in one request, in place of classes: as `jurybox.Question`, or declared as its
        `parse` takes it, which is how they are kept.
    """

    model: str
    classes: tuple[str, ...]
    instructions: str
    base_url: str = "https://api.openai.com/v1"
    examples: tuple[tuple[str, str], ...] = ()
    max_tokens: int = 0
    temperature: float = 0.0
    logprobs: bool = False
    structured: bool = True
    key: str = "OPENAI_API_KEY"
    once: bool = False
    questions: tuple[Question | str, ...] = ()

    def __post_init__(self) -> None:
        if not self.model.strip() or self.max_tokens < 0:
            raise InputError(
                f"model is {self.model!r} and max_tokens {self.max_tokens}, expected a name and at least 0"
            )
        if not self.base_url.startswith(("http://", "https://")):
            raise InputError(f"base_url is {self.base_url!r}, expected an address such as http://host/v1")
        if self.questions:
            asked = writable_questions(self.questions)
            shown = tuple((text, answer_written(asked, label)) for text, label in self.examples)
            object.__setattr__(self, "questions", tuple(each.declared for each in asked))
            object.__setattr__(self, "examples", shown)
        if bool(self.questions) == bool(self.classes) or len(set(self.classes)) == 1:
            raise InputError(
                f"classes is {self.classes!r} and questions {self.questions!r}, expected at least 2 names or "
                "a question"
            )
        for _, label in self.examples:
            if not self.questions and label not in self.classes:
                raise InputError(f"an example has the label {label!r}, expected one of {self.classes!r}")
        if not self.max_tokens:
            object.__setattr__(self, "max_tokens", max(_USUAL_TOKENS, _longest_answer(self.parts)))

    @property
    def parts(self) -> tuple[AnswerPart, ...]:
        """What it says of a text."""
        return declared_parts(tuple(self.classes), tuple(map(str, self.questions)))


MachineSpec: TypeAlias = Keywords | Patterns | PythonFunction | LanguageModel

_KINDS: dict[str, type[MachineSpec]] = {
    "keywords": Keywords,
    "regex": Patterns,
    "function": PythonFunction,
    "llm": LanguageModel,
}


def kind_of(spec: MachineSpec) -> str:
    """Return the kind of a machine: ``keywords``, ``regex``, ``function`` or ``llm``."""
    return next(kind for kind, made in _KINDS.items() if isinstance(spec, made))


def asked_of(spec: MachineSpec, parts: Sequence[AnswerPart]) -> tuple[AnswerPart, ...]:
    """Return those parts of a project that a machine says something of."""
    if isinstance(spec, PythonFunction):
        return tuple(parts)
    if isinstance(spec, LanguageModel):
        keys = {part.key for part in spec.parts}
    else:
        named = spec.words if isinstance(spec, Keywords) else spec.patterns
        keys = {part.key for name, (part, _) in class_places(parts).items() if name in named}
    return tuple(part for part in parts if part.key in keys)


def _longest_answer(parts: Sequence[AnswerPart]) -> int:
    """Return the bytes of the longest answer: more than it has tokens."""
    longest = {part.key: max(part.classes, key=len) for part in parts}
    return len(json.dumps(longest).encode())


def identity(spec: MachineSpec) -> dict[str, Any]:
    """Return, in JSON values, what a machine's answers depend on: another one is another version.

    Examples
    --------
    >>> model = LanguageModel("m", ("no", "yes"), "Is it polite?")
    >>> identity(model) == identity(replace(model, key="OTHER_KEY"))
    True
    """
    if isinstance(spec, LanguageModel):
        spec = replace(spec, key="", once=False)
    return dict(plain(spec))


def read_spec(kind: str, value: Mapping[str, Any]) -> MachineSpec:
    """Return what `jurybox.formats.plain.plain` made JSON values of."""
    return read_plain(_KINDS[kind], value)


@dataclass(frozen=True)
class MachineAnswer:
    """What a machine said of a text.

    Attributes
    ----------
    said
        The class by part, see `jurybox.machines.parts`; of a part that it left open, or that could not be
        read, nothing.
    probabilities
        Of the classes, by part; of those parts where the machine gives them.
    tokens_in, tokens_out
        Read and written.
    price
        What it cost.
    seconds
        How long it took.
    raw
        What it said, word for word.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    price: float = 0.0
    seconds: float = 0.0
    raw: str = ""
