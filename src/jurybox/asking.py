"""What a loop in memory asks and is answered: batches, oracles, its start, and its file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import PicklingError
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Floats
from jurybox.atomic import new_file
from jurybox.coding import class_names, identifiers
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.inputs import array, text_rows
from jurybox.labelled import annotations_over

__all__ = [
    "Batch",
    "Oracle",
    "first_answer",
    "many",
    "read_state",
    "read_texts",
    "start_annotations",
    "with_ids",
    "write_state",
]

_VERSION = 1

Oracle: TypeAlias = Callable[..., Any]
"""From a text, or from a text and its id, to a label, to (annotator, label), or to None: no answer."""


@dataclass(frozen=True, eq=False, repr=False)
class Batch(Shown):
    """The texts to label next.

    Attributes
    ----------
    text_ids, texts : tuple of length B
        The texts, the most wanted first.
    scores : ndarray, shape (B,)
        Low = ask next.
    reasons : tuple of B str
        As in `jurybox.Ranking`.
    """

    text_ids: tuple[Any, ...]
    texts: tuple[str, ...]
    scores: Floats
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.text_ids)

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        return iter(zip(self.text_ids, self.texts, strict=True))

    def headline(self) -> str:
        """Return how many texts there are, and why."""
        kinds = ", ".join(f"{self.reasons.count(kind)} {kind}" for kind in dict.fromkeys(self.reasons))
        return f"Batch({len(self)} texts: {kinds})"

    def to_frame(self) -> DataFrame:
        """Return one row per text: the text, its score, and why it is asked for."""
        import pandas as pd

        columns = {"text": list(self.texts), "score": self.scores, "reason": list(self.reasons)}
        return pd.DataFrame(columns, index=pd.Index(list(self.text_ids), name="text_id"))


def many(given: Any) -> bool:
    """Whether something is several values, not a single text or number."""
    return isinstance(given, Iterable) and not isinstance(given, str)


def with_ids(function: Oracle) -> Oracle:
    """Let a function of a text alone be called with its id, too."""
    try:
        signature = inspect.signature(function)
        signature.bind("", "")
    except (TypeError, ValueError):  # it takes no second value, or is built in and does not say
        return lambda text, _: function(text)
    required = [
        p
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return function if len(required) == 2 else lambda text, _: function(text)


def first_answer(
    asking: Mapping[str, Oracle], annotations: Annotations, at: int, text: str, text_id: Any
) -> tuple[Any, Any] | None:
    """Ask about the text at a position those who have not labelled it, who labelled least first.

    Returns
    -------
    (annotator, label) or None
        None where nobody answers.
    """
    a = annotations
    given = dict(zip(a.annotators.tolist(), a.labels_per_annotator.tolist(), strict=True))
    had = set(a.annotators[a.annotator[a.text == at]].tolist())
    for name in sorted(set(asking) - had, key=lambda name: (given.get(name, 0), name)):
        answer = asking[name](text, text_id)
        who, label = answer if isinstance(answer, tuple) else (name, answer)
        if label is not None and who not in had:
            return who, label
    return None


def read_texts(texts: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return ids and texts."""
    if isinstance(texts, str):
        raise InputError("texts is one string, expected several texts: pass [text] to label one")
    rows = text_rows(texts)
    if rows is not None:
        pairs: list[tuple[Any, Any]] = [(key, text) for key, text, _ in rows]
    else:
        pairs = [_pair(at, each) for at, each in enumerate(array(texts))]
    if all(key is None for key, _ in pairs):
        ids: NDArray[Any] = np.arange(len(pairs))
    else:
        ids = np.empty(len(pairs), dtype=object)
        ids[:] = [key for key, _ in pairs]
    for at, (_, text) in enumerate(pairs):
        if not isinstance(text, str):
            raise InputError(f"row {at}: text is {text!r:.40}, expected a text; replace missing ones by ''")
    return identifiers(ids, "text"), tuple(text for _, text in pairs)


def _pair(at: int, given: Any) -> tuple[Any, Any]:
    """Return id, or None, and text of what stands in a list of texts."""
    if isinstance(given, str):
        return None, given
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    raise InputError(f"row {at}: text is {given!r:.40}, expected a text, or a pair of id and text")


def start_annotations(annotations: Any, ids: NDArray[Any], named: Sequence[Hashable]) -> Annotations:
    """Return what is known at the start, over the texts and classes of the loop."""
    classes = class_names(named)
    if annotations is None:
        return Annotations.from_indices([], [], [], texts=ids, annotators=[], classes=classes)
    if isinstance(annotations, Annotations):
        if annotations.texts.tolist() == ids.tolist() and annotations.classes == classes:
            return annotations
        return annotations_over(annotations, ids, classes)
    return Annotations.from_long(annotations, texts=ids, classes=classes)


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write what a loop goes on from; the file is whole or not there."""
    import joblib

    try:
        with new_file(path, overwrite=True) as draft:
            joblib.dump({"jurybox loop": _VERSION, "state": state}, draft, compress=3)
    except (PicklingError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"the loop cannot be saved: {error!s:.200}; give strategy, classifier and encoder by name, or "
            "by an entry point (jurybox.plugins)"
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote."""
    import joblib

    held = joblib.load(path)
    if not isinstance(held, dict) or held.get("jurybox loop") != _VERSION:
        raise InputError(f"{path} holds no loop of this version of jurybox")
    return dict(held["state"])
