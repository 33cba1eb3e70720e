"""The demo corpus: generated reviews with a known opinion, and annotators of known reliability.

A review says a few things about a purchase, each for or against it, some in denied words ("anything but
sturdy"), some hearsay that does not count; the customer is happy when what counts for it weighs more than
what counts against. Typos and filler make it look like the real thing. Nothing is downloaded, and the same
seed gives the same corpus.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.datasets import demo_phrases as phrases
from jurybox.datasets.base import Dataset
from jurybox.datasets.frames import draw_initial

CLASSES = ("unhappy", "happy")
_UNHAPPY, _HAPPY = 0, 1

# chosen so that a linear model on TF-IDF learns the task from all labels but not from a hundred
_AGREEING = 0.92
_CONCLUDING = 0.4
_QUOTING = 0.08
_DENYING = 0.16
_GREETING = 0.4
_TYPOS = 0.0025
_SKEW = 1.2

Item = TypeVar("Item")


@dataclass(frozen=True)
class Persona:
    """A simulated annotator: how often each class is recognised, and how much of the work they do."""

    name: str
    sees_unhappy: float
    sees_happy: float
    activity: float

    @property
    def confusion(self) -> list[list[float]]:
        """Probability of each answer given each true class, shape (2, 2)."""
        return [[self.sees_unhappy, 1 - self.sees_unhappy], [1 - self.sees_happy, self.sees_happy]]


PERSONAS = (
    Persona("ana", 0.96, 0.97, 1.2),
    Persona("ben", 0.94, 0.93, 1.0),
    Persona("chloe", 0.93, 0.95, 0.8),
    Persona("dmitri", 0.90, 0.91, 1.5),
    Persona("emeka", 0.89, 0.87, 1.0),
    Persona("fatima", 0.86, 0.90, 1.0),
    Persona("goran", 0.88, 0.84, 0.7),
    Persona("hana", 0.85, 0.85, 1.3),
    Persona("ivo", 0.80, 0.82, 1.0),
    Persona("jia", 0.78, 0.80, 0.6),
    Persona("kofi", 0.72, 0.76, 1.0),
    Persona("lena", 0.70, 0.68, 0.4),
    Persona("max-optimist", 0.35, 0.98, 1.0),
    Persona("spam-bot", 0.50, 0.50, 1.3),
)


class _Clause(NamedTuple):
    words: str
    weight: float  # for (+) or against (−) the purchase


def load_demo(*, seed: int = 0, n_pool: int = 2000, n_test: int = 600, answers_per_text: int = 6) -> Dataset:
    """Generate the demo corpus.

    Parameters
    ----------
    seed
        The same seed gives the same corpus.
    n_pool, n_test
        How many texts to generate.
    answers_per_text
        How many of the annotators would answer about a text if asked.

    Examples
    --------
    >>> demo = load_demo(n_pool=200, n_test=50)
    >>> len(demo.pool_texts), demo.answers.n_annotators, demo.classes
    (200, 14, ('unhappy', 'happy'))
    """
    rng = np.random.default_rng([seed, 0x6A62])
    texts, gold = _corpus(n_pool + n_test, rng)
    ids = np.array([f"review-{number:04d}" for number in range(len(texts))], dtype=object)
    confusions = np.array([persona.confusion for persona in PERSONAS])
    answers = _answers(gold[:n_pool], ids[:n_pool], confusions, answers_per_text, rng)
    return Dataset(
        name="demo",
        texts=ids[:n_pool],
        pool_texts=tuple(texts[:n_pool]),
        initial=draw_initial(answers, rng),
        answers=answers,
        test_ids=ids[n_pool:],
        test_texts=tuple(texts[n_pool:]),
        test_labels=gold[n_pool:],
        gold=gold[:n_pool],
        confusions=confusions,
    )


def _corpus(n_texts: int, rng: np.random.Generator) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct reviews and their classes."""
    reviews: dict[str, int] = {}
    while len(reviews) < n_texts:
        text, happy = _review(rng)
        reviews.setdefault(text, happy)
    return list(reviews), np.array(list(reviews.values()), dtype=np.int64)


def _review(rng: np.random.Generator) -> tuple[str, int]:
    """One review that leans clearly enough, and whether it is happy."""
    happy = _HAPPY if rng.random() < 0.5 else _UNHAPPY
    product = _pick(phrases.PRODUCTS, rng)
    while True:
        clauses = _clauses(happy, product, rng)
        balance = sum(clause.weight for clause in clauses)
        if (balance if happy else -balance) > 0.5:
            return _typos(_write(clauses, rng), rng), happy


def _clauses(happy: int, product: str, rng: np.random.Generator) -> list[_Clause]:
    """Make up what one customer has to say, in order."""
    n_opinions = int(rng.choice([1, 2, 3, 4], p=[0.25, 0.4, 0.25, 0.1]))
    frequency = _frequencies(len(phrases.ASPECTS))
    chosen = rng.choice(len(phrases.ASPECTS), size=n_opinions, replace=False, p=frequency)
    clauses = []
    for aspect in chosen:
        good = bool(happy) if rng.random() < _AGREEING else not happy
        clauses.append(_opinion(phrases.ASPECTS[aspect], good, product, rng))
    if rng.random() < _CONCLUDING:
        verdicts = phrases.VERDICTS_GOOD if happy else phrases.VERDICTS_BAD
        clauses.append(_Clause(_pick_common(verdicts, rng), 1.6 if happy else -1.6))
    if rng.random() < _GREETING:
        in_tune = rng.random() < _AGREEING
        openings = phrases.OPENINGS_GOOD if bool(happy) == in_tune else phrases.OPENINGS_BAD
        clauses.insert(0, _Clause(_pick_common(openings, rng), 0.0))
    if rng.random() < 0.45:
        clauses.insert(0, _Clause(_fill(_pick(phrases.NEUTRAL, rng), product, rng), 0.0))
    if rng.random() < _QUOTING:
        clauses.insert(int(rng.integers(len(clauses))), _hearsay(product, rng))
    return clauses


def _opinion(aspect: phrases.Aspect, good: bool, product: str, rng: np.random.Generator) -> _Clause:
    """Praise or blame of one aspect: an event, an adjective, or a denied adjective of the other kind."""
    form = rng.random()
    if form < 0.42:
        words, weight = _pick_common(aspect.good if good else aspect.bad, rng), 1.2
    else:
        denied = form > 1 - _DENYING
        frame, weight = _pick_common(phrases.DENIED if denied else phrases.AFFIRMED, rng)
        adjective = _pick_common(aspect.praise if good != denied else aspect.blame, rng)
        words = frame.format(subject=_pick(aspect.subjects, rng), adjective=adjective)
    return _Clause(_fill(words, product, rng), weight if good else -weight)


def _hearsay(product: str, rng: np.random.Generator) -> _Clause:
    """Quote what others say, which does not count."""
    aspect = _pick(phrases.ASPECTS, rng)
    adjective = _pick(aspect.praise + aspect.blame, rng)
    frame = _pick(phrases.HEARSAY, rng).replace("{adjective}", adjective)
    return _Clause(_fill(frame.replace("{subject}", _pick(aspect.subjects, rng)), product, rng), 0.0)


def _fill(words: str, product: str, rng: np.random.Generator) -> str:
    return (
        words.replace("{product}", product)
        .replace("{person}", _pick(phrases.PEOPLE, rng))
        .replace("{time}", _pick(phrases.TIMES, rng))
    )


def _write(clauses: list[_Clause], rng: np.random.Generator) -> str:
    """Join clauses with words that fit the turn from one to the next."""
    text = clauses[0].words
    for before, after in pairwise(clauses):
        joint = _pick(_joints(before, after, rng), rng)
        text += joint + (_capital(after.words) if joint in (". ", "! ") else after.words)
    text = text if rng.random() < 0.2 else _capital(text)
    return text + _pick(phrases.CLOSINGS, rng)


def _joints(before: _Clause, after: _Clause, rng: np.random.Generator) -> tuple[str, ...]:
    if before.weight == 0:
        return phrases.JOINTS_START
    if before.weight * after.weight < 0 and rng.random() < 0.8:
        return phrases.JOINTS_CONTRAST
    return phrases.JOINTS_SAME


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _typos(text: str, rng: np.random.Generator) -> str:
    """Swap, drop or double a letter here and there."""
    letters = list(text)
    for place in np.flatnonzero(rng.random(len(letters) - 1) < _TYPOS):
        match int(rng.integers(3)):
            case 0:
                letters[place], letters[place + 1] = letters[place + 1], letters[place]
            case 1:
                letters[place] = ""
            case _:
                letters[place] *= 2
    return "".join(letters)


def _pick(items: tuple[Item, ...], rng: np.random.Generator) -> Item:
    return items[int(rng.integers(len(items)))]


def _pick_common(items: tuple[Item, ...], rng: np.random.Generator) -> Item:
    """Pick as people choose words: the first ones often, the last ones seldom."""
    return items[int(rng.choice(len(items), p=_frequencies(len(items))))]


@cache
def _frequencies(n: int) -> NDArray[np.float64]:
    """Zipf's law for n things, shape (n,)."""
    weights = 1 / np.arange(1, n + 1) ** _SKEW
    frequencies: NDArray[np.float64] = weights / weights.sum()
    return frequencies


def _answers(
    gold: NDArray[np.int64],
    ids: NDArray[np.object_],
    confusions: NDArray[np.float64],
    answers_per_text: int,
    rng: np.random.Generator,
) -> Annotations:
    """Answers of some annotators to each text, the busy ones to more of them."""
    activity = np.array([persona.activity for persona in PERSONAS])
    # the k largest of log(weight) + Gumbel noise are a weighted draw without replacement
    keys = np.log(activity) + rng.gumbel(size=(len(gold), len(PERSONAS)))
    annotator = np.argsort(-keys, axis=1)[:, :answers_per_text].ravel()
    text = np.repeat(np.arange(len(gold)), answers_per_text)
    label = (rng.random(len(text)) < confusions[annotator, gold[text], _HAPPY]).astype(np.int64)
    names = [persona.name for persona in PERSONAS]
    return Annotations.from_indices(text, annotator, label, texts=ids, annotators=names, classes=CLASSES)
