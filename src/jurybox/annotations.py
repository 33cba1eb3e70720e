"""The labels that annotators gave to texts, as sparse (text, annotator, label) triplets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.arrays import Bools, DataFrame, Floats, Index, Ints, counted, freeze
from jurybox.coding import (
    class_names,
    encode,
    encode_labels,
    identifiers,
    in_order,
    missing_labels,
    positions,
    renumber,
)
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.inputs import COLUMNS, array, long_columns, wide_cells
from jurybox.numerals import count
from jurybox.scales import Scale, check_scale, numbers_of, scale_classes

__all__ = ["Annotations", "Duplicates"]

Duplicates: TypeAlias = Literal["error", "last"]


@dataclass(frozen=True, eq=False, repr=False)
class Annotations(Shown):
    """L labels that M annotators gave to N texts, each one of K classes.

    Build them with `from_long`, `from_wide` or `from_indices`. Texts and annotators without a label are
    kept, and so is the caller's order of texts. All arrays are read-only.

    Attributes
    ----------
    text, annotator, label : ndarray of int32, shape (L,)
        The triplets, as positions in ``texts``, ``annotators`` and ``classes``; sorted by text,
        then annotator.
    texts : ndarray, shape (N,)
        Identifier of each text of the pool.
    annotators : ndarray, shape (M,)
        Identifier of each annotator.
    classes : tuple of length K
        Name of each class.
    missing : mapping
        How many cells said by a word such as "NA" that there is no label, by word.
    scale : tuple of K float, optional
        The classes' numbers, ascending, where they are an ordered scale; None where they have no order.
    decided : ndarray of bool, shape (L,), optional
        Which labels are decisions of somebody who reviewed what others said: believed as an expert's.

    Examples
    --------
    >>> annotations = Annotations.from_long(
    ...     ["t1", "t1", "t2"], ["ana", "bo", "ana"], ["no", "yes", "yes"], texts=["t1", "t2", "t3"]
    ... )
    >>> annotations
    Annotations(3 texts, 2 annotators, 2 classes, 3 annotations)
    >>> annotations.counts
    array([[1, 1],
           [0, 1],
           [0, 0]])
    """

    text: Index
    annotator: Index
    label: Index
    texts: NDArray[Any]
    annotators: NDArray[Any]
    classes: tuple[Hashable, ...]
    missing: Mapping[str, int] = field(default_factory=dict)
    scale: Scale | None = None
    decided: Bools | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            object.__setattr__(self, "scale", check_scale(self.scale, len(self.classes)))
        for held in (self.text, self.annotator, self.label, self.texts, self.annotators, self.decided):
            if held is not None:
                freeze(held)

    def headline(self) -> str:
        """Return the sizes, and the markers that were taken for missing labels."""
        sizes = f"{count(self.n_texts, 'text')}, {count(self.n_annotators, 'annotator')}"
        classes, labels = count(self.n_classes, "class", "classes"), count(len(self), "annotation")
        markers = ", ".join(f"{n} {word!r}" for word, n in self.missing.items())
        return f"Annotations({sizes}, {classes}, {labels}{markers and f'; missing: {markers}'})"

    def __len__(self) -> int:
        return self.n_annotations

    @property
    def n_texts(self) -> int:
        """N, labelled or not."""
        return len(self.texts)

    @property
    def n_annotators(self) -> int:
        """M, with labels or without."""
        return len(self.annotators)

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def n_annotations(self) -> int:
        """L."""
        return len(self.text)

    @cached_property
    def counts(self) -> Ints:
        """How many annotators gave each text each class, shape (N, K)."""
        # one class after the other in memory, because the sum or maximum of a text is then fast
        cell = self.label.astype(np.int64) * self.n_texts + self.text
        counts = np.bincount(cell, minlength=self.n_texts * self.n_classes)
        counts = counts.reshape(self.n_classes, self.n_texts).T
        freeze(counts)
        return counts

    @cached_property
    def n_labels(self) -> Ints:
        """How many labels each text has, shape (N,)."""
        return counted(self.text, self.n_texts)

    @cached_property
    def labels_per_annotator(self) -> Ints:
        """How many labels each annotator gave, shape (M,)."""
        return counted(self.annotator, self.n_annotators)

    @property
    def labelled(self) -> Bools:
        """Which texts have at least one label, shape (N,)."""
        return self.n_labels > 0

    @classmethod
    def from_long(
        cls,
        data: Any,
        annotator: Iterable[Any] | None = None,
        label: Iterable[Any] | None = None,
        *,
        columns: Mapping[str, Hashable] | None = None,
        texts: Sequence[Any] | NDArray[Any] | None = None,
        annotators: Sequence[Any] | NDArray[Any] | None = None,
        classes: Sequence[Hashable] | None = None,
        duplicates: Duplicates = "error",
        scale: bool | Sequence[float] = False,
    ) -> Annotations:
        """Build from one row per annotation.

        Parameters
        ----------
        data
            A table of any kind that `jurybox.inputs.table` knows, with the columns ``text``, ``annotator``
            and ``label``; rows of these three; or the text of each annotation, with ``annotator`` and
            ``label`` as further sequences of the same length L. A row without a label (as in `from_wide`) is
            no annotation.
        columns
            What the table calls these columns, such as ``{"text": "task", "annotator": "worker"}``.
        texts, annotators
            The pool and its order, and the annotators; default: those seen, in order of appearance.
        classes
            Name of each class. Default: ordered categories as they are declared; else the distinct labels,
            sorted; 0, 1, …, max for integer labels that count from 0. Integer labels with text names are
            positions in ``classes``.
        duplicates
            What to do when an annotator labelled a text twice: ``"error"``, or keep the ``"last"`` row.
        scale
            Whether the classes are an ordered scale: those given, else from the lowest to the highest label.
            Their numbers are they themselves, 0, 1, … for words, or those given here, ascending.

        Raises
        ------
        InputError
            For missing columns, lengths that differ, missing texts or annotators, lists in cells, texts,
            annotators or classes that are not among those given, and duplicates; the message shows the first
            offending row, counted from 0. For a scale of words without ``classes``, which say their order.

        Examples
        --------
        >>> Annotations.from_long(["t1", "t1"], ["ana", "bo"], [1, 4], scale=True).classes
        (1, 2, 3, 4)
        """
        given = long_columns(data, annotator, label, columns)
        classes = given.classes if classes is None else class_names(classes)
        text_codes, text_ids = encode(given.text, texts, "text")
        annotator_codes, annotator_ids = encode(given.annotator, annotators, "annotator")
        if not len(given.label) == len(given.text) == len(given.annotator):
            return cls._build(text_codes, annotator_codes, given.label, text_ids, annotator_ids, (), "error")
        missing, markers = missing_labels(given.label, classes)
        (rows,) = np.nonzero(~missing)
        values = given.label[rows]
        label_codes, names = encode_labels(values, scale_classes(values, classes, scale), row=rows)
        who, what = annotator_codes[rows], text_codes[rows]
        built = cls._build(what, who, label_codes, text_ids, annotator_ids, names, duplicates, rows)
        return replace(built, missing=markers, scale=numbers_of(names, scale))

    @classmethod
    def from_wide(
        cls,
        labels: Any,
        *,
        columns: Mapping[str, Hashable] | None = None,
        classes: Sequence[Hashable] | None = None,
        scale: bool | Sequence[float] = False,
    ) -> Annotations:
        """Build from one row per text and one column per annotator.

        Parameters
        ----------
        labels : table or array of shape (N, M)
            NaN, None, ``pd.NA``, empty strings and markers such as "NA" mean 'no label', unless ``classes``
            names them; in a sparse matrix, what is not stored. The index and columns of a frame name texts
            and annotators; those of an array are numbered.
        columns
            ``{"text": "id"}``: the texts' ids are in the column ``id``, not in the index.
        classes, scale
            As in `from_long`.

        Raises
        ------
        InputError
            If the array is not two-dimensional, a column holds texts or ids, a label is fractional or not
            among ``classes``, or a text or an annotator appears twice.

        Examples
        --------
        >>> Annotations.from_wide([[0, None], [1, 1], [None, None]]).n_labels
        array([1, 2, 0])
        """
        wide = wide_cells(labels, columns)
        classes = wide.classes if classes is None else class_names(classes)
        missing, markers = missing_labels(wide.cells, classes)
        text, annotator = np.nonzero(~missing)
        values = wide.cells[~missing]
        label_codes, names = encode_labels(values, scale_classes(values, classes, scale), row=text)
        built = cls._build(text, annotator, label_codes, wide.texts, wide.annotators, names, "error")
        return replace(built, missing=markers, scale=numbers_of(names, scale))

    @classmethod
    def from_indices(
        cls,
        text: ArrayLike,
        annotator: ArrayLike,
        label: ArrayLike,
        *,
        texts: int | Sequence[Any] | NDArray[Any],
        annotators: int | Sequence[Any] | NDArray[Any],
        classes: int | Sequence[Hashable],
        duplicates: Duplicates = "error",
        scale: bool | Sequence[float] | None = False,
    ) -> Annotations:
        """Build from triplets that already are positions; the fast way for large data.

        Parameters
        ----------
        text, annotator, label : array-like of int, shape (L,)
            Positions in ``texts``, ``annotators`` and ``classes``.
        texts, annotators, classes
            Their names, or how many there are.
        duplicates, scale
            As in `from_long`.

        Raises
        ------
        InputError
            If the lengths differ, a position is out of range, or an annotator labelled a text twice.

        Examples
        --------
        >>> Annotations.from_indices([0, 2], [1, 0], [1, 1], texts=3, annotators=2, classes=2)
        Annotations(3 texts, 2 annotators, 2 classes, 2 annotations)
        """
        text_ids = np.arange(texts) if isinstance(texts, int) else identifiers(texts, "text")
        people = (
            np.arange(annotators) if isinstance(annotators, int) else identifiers(annotators, "annotator")
        )
        names = tuple(range(classes)) if isinstance(classes, int) else class_names(classes)
        none = np.zeros(0, dtype=np.int32)
        pool = cls(none, none, none, text_ids, people, names, scale=numbers_of(names, scale))
        return pool.with_triplets(text, annotator, label, duplicates=duplicates)

    @classmethod
    def _build(
        cls,
        text: NDArray[np.integer],
        annotator: NDArray[np.integer],
        label: NDArray[np.integer],
        texts: NDArray[Any],
        annotators: NDArray[Any],
        classes: tuple[Hashable, ...],
        duplicates: Duplicates = "error",
        rows: NDArray[np.integer] | None = None,
        scale: Scale | None = None,
        decided: Bools | None = None,
    ) -> Annotations:
        if duplicates not in ("error", "last"):
            raise InputError(f"duplicates is {duplicates!r}, expected 'error' or 'last'")
        order = in_order(text, annotator, label, texts, annotators, duplicates == "last", rows)
        text, annotator, label = (np.array(column[order], np.int32) for column in (text, annotator, label))
        decided = None if decided is None else decided[order].copy()
        return cls(text, annotator, label, texts, annotators, classes, scale=scale, decided=decided)

    def subset(
        self, *, texts: ArrayLike | slice | None = None, annotators: ArrayLike | slice | None = None
    ) -> Annotations:
        """Keep some texts or annotators, in the order given.

        Parameters
        ----------
        texts, annotators
            Positions without repetition, a mask or a slice; default: all.

        Raises
        ------
        InputError
            If a position is given twice.

        Examples
        --------
        >>> annotations = Annotations.from_wide([[0, 1], [1, None], [1, 1]])
        >>> annotations.subset(texts=[2, 0]).counts
        array([[0, 2],
               [1, 1]])
        """
        new_text, text_ids = renumber(self.texts, texts, "texts")
        new_annotator, annotator_ids = renumber(self.annotators, annotators, "annotators")
        kept = (new_text[self.text] >= 0) & (new_annotator[self.annotator] >= 0)
        triplet = new_text[self.text[kept]], new_annotator[self.annotator[kept]], self.label[kept]
        decided = None if self.decided is None else self.decided[kept]
        names = text_ids, annotator_ids, self.classes
        return self._build(*triplet, *names, scale=self.scale, decided=decided)

    def with_triplets(
        self,
        text: ArrayLike,
        annotator: ArrayLike,
        label: ArrayLike,
        *,
        duplicates: Duplicates = "error",
        decided: Bools | None = None,
    ) -> Annotations:
        """Return other annotations of the same texts, annotators and classes; as `from_indices`."""
        sizes = self.n_texts, self.n_annotators, self.n_classes
        columns = zip((text, annotator, label), sizes, COLUMNS, strict=True)
        text, annotator, label = (positions(array(column), n, name) for column, n, name in columns)
        triplet, names = (text, annotator, label), (self.texts, self.annotators, self.classes)
        return self._build(*triplet, *names, duplicates, scale=self.scale, decided=decided)

    def extend(
        self,
        text: ArrayLike,
        annotator: ArrayLike,
        label: ArrayLike,
        *,
        duplicates: Duplicates = "error",
    ) -> Annotations:
        """Return these and further annotations of the same texts, annotators and classes.

        Parameters
        ----------
        text, annotator, label : array-like of int, shape (L',)
            Positions in ``texts``, ``annotators`` and ``classes``.
        duplicates
            As in `from_long`; the new annotations are the later ones.

        Raises
        ------
        InputError
            As `from_indices`.
        """
        return self.with_triplets(
            np.concatenate([self.text, positions(text, self.n_texts, "text")]),
            np.concatenate([self.annotator, positions(annotator, self.n_annotators, "annotator")]),
            np.concatenate([self.label, positions(label, self.n_classes, "label")]),
            duplicates=duplicates,
            decided=None if self.decided is None else np.pad(self.decided, (0, len(np.asarray(text)))),
        )

    def to_frame(self) -> DataFrame:
        """Return one row per annotation with the columns ``text``, ``annotator`` and ``label``."""
        import pandas as pd

        names = np.empty(self.n_classes, dtype=object)
        names[:] = self.classes
        values = (self.texts[self.text], self.annotators[self.annotator], names[self.label])
        return pd.DataFrame(dict(zip(COLUMNS, values, strict=True))).infer_objects()

    def summary(self) -> DataFrame:
        """Return one row per class: labels, their share, texts that have one, annotators who used it."""
        import pandas as pd

        labels = self.counts.sum(axis=0)
        people = [len(np.unique(self.annotator[self.label == k])) for k in range(self.n_classes)]
        texts = (self.counts > 0).sum(axis=0)
        found = {
            "labels": labels,
            "share": labels / max(len(self), 1),
            "texts": texts,
            "annotators": people,
        }
        return pd.DataFrame(found, index=pd.Index(list(self.classes), name="class"))

    def to_wide(self) -> DataFrame:
        """Return a frame of shape (N, M) of class positions, NaN where there is no label."""
        import pandas as pd

        cells: Floats = np.full((self.n_texts, self.n_annotators), np.nan)
        cells[self.text, self.annotator] = self.label
        return pd.DataFrame(cells, index=pd.Index(self.texts), columns=pd.Index(self.annotators))
