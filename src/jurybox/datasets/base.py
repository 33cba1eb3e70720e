"""What a benchmark data set is made of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Rng
from jurybox.coding import plain
from jurybox.datasets.frames import parts_of_frames, parts_of_rows
from jurybox.display import Shown
from jurybox.errors import InputError, require
from jurybox.scales import numbers_of


@dataclass(frozen=True, repr=False)
class Dataset(Shown):
    """Texts, the annotations at the start, what simulated annotators would answer, and a test set.

    Attributes
    ----------
    name
        For people.
    texts : ndarray of shape (N,)
        Identifiers of the pool, the order of everything else.
    pool_texts : tuple of N str
        The texts themselves.
    initial
        The annotations one starts from.
    answers
        Every annotation known, the initial ones among them: what simulated annotators answer from. Same
        texts, annotators and classes as ``initial``.
    test_ids : ndarray of shape (n,)
        Identifiers of the test texts.
    test_texts : tuple of n str
        Texts that nobody is asked about.
    test_labels : ndarray of shape (n,)
        Their classes, as positions.
    gold : ndarray of shape (N,) or None
        True classes of the pool where they are known.
    confusions : ndarray of shape (M, K, K) or None
        Where annotators are simulated: the probability that annotator m answers l where k is true, [m, k,
        l].
    """

    name: str
    texts: NDArray[Any]
    pool_texts: tuple[str, ...]
    initial: Annotations
    answers: Annotations
    test_ids: NDArray[Any]
    test_texts: tuple[str, ...]
    test_labels: NDArray[np.int64]
    gold: NDArray[np.int64] | None = None
    confusions: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n = len(self.texts)
        for name, part in (("initial", self.initial), ("answers", self.answers)):
            _check_same(f"{name}.texts", part.texts, "texts", self.texts)
            _check_same(f"{name}.annotators", part.annotators, "answers.annotators", self.answers.annotators)
            _check_same(f"{name}.classes", part.classes, "answers.classes", self.answers.classes)
        if len(self.pool_texts) != n or (self.gold is not None and len(self.gold) != n):
            gold = "none" if self.gold is None else len(self.gold)
            raise InputError(
                f"got {n} texts, {len(self.pool_texts)} pool_texts and gold of {gold}, expected as many"
            )
        if not len(self.test_ids) == len(self.test_texts) == len(self.test_labels):
            raise InputError(
                f"got {len(self.test_ids)} test_ids, {len(self.test_texts)} test_texts and "
                f"{len(self.test_labels)} "
                "test_labels, expected as many of each"
            )

    @classmethod
    def from_frames(
        cls,
        texts: Any,
        annotations: Any,
        *,
        test: Any = None,
        classes: Sequence[Hashable] | None = None,
        columns: Mapping[str, Hashable] | None = None,
        name: str = "frames",
        seed: Rng = 0,
    ) -> Dataset:
        """Make a data set from a table of texts and one of annotations, to simulate on.

        Parameters
        ----------
        texts
            A table with ``id`` (or an index of names) and ``text``, and ``label`` where the true class is
            known.
        annotations
            A table with ``text`` (the id), ``annotator`` and ``label``, as `Annotations.from_long` takes it,
            or `Annotations`.
        test
            A table like ``texts`` of texts with a known ``label``, which nobody is asked about; default: a
            fifth of the texts, whose class is their label, else the majority of their annotations.
        classes
            As in `Annotations.from_long`.
        columns
            What the table of annotations calls its columns.
        name
            For people.
        seed
            Draws the test texts and the annotations to start from.

        Raises
        ------
        InputError
            For a table that lacks a column, an unknown id or label, or no test text with a known class.

        Examples
        --------
        >>> texts = {"id": ["a", "b", "c"], "text": ["fine", "bad", "good"]}
        >>> said = [("a", "ana", "yes"), ("b", "ana", "no"), ("c", "bo", "yes")]
        >>> test = {"id": ["d"], "text": ["great"], "label": ["yes"]}
        >>> Dataset.from_frames(texts, said, test=test).answers
        Annotations(3 texts, 2 annotators, 2 classes, 3 annotations)
        """
        known = {"test": test, "classes": classes, "columns": columns, "name": name, "seed": seed}
        return cls(**parts_of_frames(texts, annotations, **known))

    @classmethod
    def from_hub(cls, repository: str, *, split: str = "train", **frames: Any) -> Dataset:
        """Make a data set from one of the hub; needs the extra ``hub``.

        Its rows are annotations, or texts with a list of ``annotations`` each, as a project's export to the
        hub has them.

        Parameters
        ----------
        repository, split
            Which data set (of the hub, or a folder of files), and which part of it.
        **frames
            As `from_frames`; ``columns`` names the columns of id, text, annotator and label.

        Raises
        ------
        InputError
            As `from_frames`.
        """
        rows = require("datasets", extra="hub").load_dataset(repository, split=split)
        return cls(**parts_of_rows(rows, name=repository, **frames))

    def headline(self) -> str:
        """Return the name and the sizes."""
        a = self.answers
        sizes = (
            f"{len(self.texts):,} texts and {len(self.test_ids):,} to test on, {a.n_annotators} annotators"
        )
        return (
            f"Dataset({self.name}: {sizes}, classes {', '.join(map(str, self.classes))}, {len(a):,} answers)"
        )

    def to_frame(self) -> DataFrame:
        """Return one row per text of the pool: the text, its labels at the start and all there are."""
        import pandas as pd

        columns = {
            "text": list(self.pool_texts),
            "n_initial": self.initial.n_labels,
            "n_answers": self.answers.n_labels,
        }
        if self.gold is not None:
            named = dict(enumerate(self.classes))
            columns["label"] = [named.get(k) for k in self.gold.tolist()]
        return pd.DataFrame(columns, index=pd.Index(self.texts, name="text_id"))

    @property
    def classes(self) -> tuple[Any, ...]:
        """Names of the K classes."""
        return self.answers.classes

    def on_scale(self) -> Dataset:
        """Return the same with its classes an ordered scale, by their numbers.

        Raises
        ------
        InputError
            If they are no scale.
        """
        scale = numbers_of(self.classes, True)
        return replace(
            self, initial=replace(self.initial, scale=scale), answers=replace(self.answers, scale=scale)
        )

    @property
    def reliability(self) -> NDArray[np.float64] | None:
        """How often each simulated annotator is right when the classes are equally frequent, shape (M,)."""
        if self.confusions is None:
            return None
        share: NDArray[np.float64] = np.trace(self.confusions, axis1=1, axis2=2) / self.confusions.shape[1]
        return share


def _check_same(name: str, got: Any, other: str, expected: Any) -> None:
    """Refuse parts whose names are not the same in the same order: positions would mean something else."""
    if len(got) != len(expected):
        raise InputError(f"{name} has {len(got)} names and {other} {len(expected)}, expected the same")
    at = next((at for at, pair in enumerate(zip(got, expected, strict=True)) if pair[0] != pair[1]), None)
    if at is not None:
        raise InputError(
            f"{name}[{at}] is {plain(got[at])!r} and {other}[{at}] {plain(expected[at])!r}, expected the "
            "same names in the same order: pass texts=, annotators= and classes= to Annotations.from_long"
        )
