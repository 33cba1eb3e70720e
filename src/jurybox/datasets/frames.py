"""Data sets from tables in memory, or rows of the hub; how one is divided into a start, a pool and a test."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Ints, Rng, generator
from jurybox.coding import identifiers, missing_labels
from jurybox.errors import InputError
from jurybox.inputs import table
from jurybox.labelled import annotations_at, annotations_over
from jurybox.text_rows import text_rows

__all__ = [
    "TEST_SHARE",
    "draw_initial",
    "majority",
    "parts_of_frames",
    "parts_of_rows",
    "rank_within_text",
]

N_INITIAL = 100
LABELS_PER_INITIAL = 2
TEST_SHARE = 0.2

_NESTED = {"id", "text", "annotations"}


def parts_of_frames(
    texts: Any,
    annotations: Any,
    *,
    name: str,
    test: Any = None,
    classes: Sequence[Hashable] | None = None,
    columns: Mapping[str, Hashable] | None = None,
    seed: Rng = 0,
) -> dict[str, Any]:
    """Return what a data set is made of; see `jurybox.datasets.base.Dataset.from_frames`."""
    rng = generator(seed)
    ids, words, labels = _texts(texts, "texts")
    answers = annotations
    if not isinstance(answers, Annotations):
        answers = Annotations.from_long(answers, columns=columns, texts=ids, classes=classes)
    elif answers.texts.tolist() != ids.tolist():
        answers = annotations_over(answers, ids, answers.classes)
    gold = _codes(labels, answers.classes, "texts")
    if test is None:
        truth = gold if gold is not None else majority(answers)
        if gold is not None:
            truth = np.where(gold >= 0, gold, majority(answers))
        known = rng.permutation(np.flatnonzero(truth >= 0))
        held = np.sort(known[: round(TEST_SHARE * len(known))])
        test_ids, test_words, test_labels = ids[held], [words[at] for at in held], truth[held]
        kept = np.setdiff1d(np.arange(len(ids)), held)
        ids, words = ids[kept], [words[at] for at in kept]
        answers, gold = answers.subset(texts=kept), None if gold is None else gold[kept]
    else:
        test_ids, test_words, test_names = _texts(test, "test")
        found = _codes(test_names, answers.classes, "test")
        if found is None or (found < 0).any():
            raise InputError(
                "test has texts without a label, expected a column 'label' with a class in each row"
            )
        test_labels = found
    if not len(test_ids) or not len(ids):
        raise InputError(
            f"got {len(ids)} texts for the pool and {len(test_ids)} to test on, expected some of each"
        )
    answers = answers.subset(annotators=np.flatnonzero(answers.labels_per_annotator))
    return {
        "name": name,
        "texts": ids,
        "pool_texts": tuple(words),
        "initial": draw_initial(answers, rng),
        "answers": answers,
        "test_ids": test_ids,
        "test_texts": tuple(test_words),
        "test_labels": test_labels,
        "gold": gold,
    }


def parts_of_rows(
    rows: Any, *, name: str, columns: Mapping[str, Hashable] | None = None, **frames: Any
) -> dict[str, Any]:
    """Return what a data set is made of, from rows with a text and one annotation of it each.

    See `jurybox.datasets.base.Dataset.from_hub`.
    """
    frame = table(rows)
    if frame is None:
        raise InputError(f"got {type(rows).__name__}, expected a table with a row per annotation")
    if set(frame.columns) >= _NESTED and not columns:
        return _parts_of_texts(frame, name=name, **frames)
    names = {"text": "text", **(columns or {})}
    id_column = names.get("id", "id" if "id" in frame.columns else names["text"])
    missing = [column for column in (id_column, *names.values()) if column not in frame.columns]
    if missing:
        raise InputError(f"there is no column {missing[0]!r} among {list(frame.columns)}; pass columns=")
    once = frame.drop_duplicates(id_column)
    texts = {"id": once[id_column].tolist(), "text": once[names["text"]].tolist()}
    theirs = {own: names.get(own, own) for own in ("annotator", "label")}
    return parts_of_frames(
        texts,
        frame[[id_column, *theirs.values()]],
        columns={"text": id_column, **theirs},
        name=name,
        **frames,
    )


def _parts_of_texts(frame: DataFrame, *, name: str, **frames: Any) -> dict[str, Any]:
    """Return what a data set is made of, from rows with a text and the list of its annotations, as we export.

    The label of such a row is a consensus, or a guess: it is not what is tested on.
    """
    said = [
        {"text": text_id, "annotator": one["annotator"], "label": one["label"]}
        for text_id, given in zip(frame["id"], frame["annotations"], strict=True)
        for one in given
    ]
    known = getattr(frame["label"].dtype, "categories", None) if "label" in frame.columns else None
    settings = {"classes": None if known is None else list(known), **frames}
    return parts_of_frames(frame[["id", "text"]], said, name=name, **settings)


def _texts(data: Any, name: str) -> tuple[NDArray[Any], list[str], list[Any] | None]:
    """Return ids, texts, and labels where there is a column of them."""
    rows = text_rows(data)
    if rows is None:
        raise InputError(f"{name} is {type(data).__name__}, expected a table with the columns id and text")
    held = list(rows)
    ids: NDArray[Any] = np.empty(len(held), dtype=object)
    ids[:] = [at if key is None else key for at, (key, _, _) in enumerate(held)]
    ids = identifiers(ids, f"{name}: id")
    labels = [more.get("label") for _, _, more in held]
    return ids, [text for _, text, _ in held], labels if any(more for _, _, more in held) else None


def _codes(labels: list[Any] | None, classes: tuple[Hashable, ...], name: str) -> Ints | None:
    """Return positions of labels among the classes, -1 where there is none; None for no labels at all."""
    if labels is None:
        return None
    held: NDArray[Any] = np.empty(len(labels), dtype=object)
    held[:] = labels
    missing, _ = missing_labels(held, classes)
    codes: Ints = np.full(len(labels), -1, dtype=np.int64)
    position = {label: at for at, label in enumerate(classes)}
    for at in np.flatnonzero(~missing):
        if held[at] not in position:
            raise InputError(
                f"{name}, row {at}: label {held[at]!r} is not one of the classes {list(classes)!r:.200}"
            )
        codes[at] = position[held[at]]
    return None if missing.all() else codes


def majority(annotations: Annotations) -> NDArray[np.int64]:
    """Most frequent label of each text, -1 where there is none; ties go to the class frequent overall.

    Examples
    --------
    >>> majority(Annotations.from_wide([[0, 1], [1, 1], [None, None]]))
    array([ 1,  1, -1])
    """
    counts = annotations.counts
    share = counts.sum(axis=0) / max(counts.sum(), 1)
    winner: NDArray[np.int64] = np.argmax(counts + 0.5 * share, axis=1)
    return np.where(annotations.n_labels > 0, winner, -1)


def draw_initial(
    answers: Annotations,
    rng: Rng,
    *,
    n_texts: int = N_INITIAL,
    labels_per_text: int = LABELS_PER_INITIAL,
) -> Annotations:
    """Draw the annotations to start from: a few of those of some texts, both at random.

    Texts with fewer annotations than wanted come in only when others do not suffice.

    Parameters
    ----------
    answers
        All annotations.
    n_texts, labels_per_text
        How many texts, and how many annotations of each; fewer where there are no more.

    Examples
    --------
    >>> answers = Annotations.from_wide([[0, 1, 1], [1, 1, None], [None, None, None]])
    >>> draw_initial(answers, np.random.default_rng(0), n_texts=2).n_labels
    array([2, 2, 0])
    """
    rng = generator(rng)
    shuffled = rng.permutation(np.flatnonzero(answers.labelled))
    enough = answers.n_labels[shuffled] >= labels_per_text
    chosen = np.concatenate([shuffled[enough], shuffled[~enough]])[:n_texts]
    kept = np.isin(answers.text, chosen) & (rank_within_text(answers, rng) < labels_per_text)
    return annotations_at(answers, kept)


def rank_within_text(answers: Annotations, rng: Rng) -> Ints:
    """Count the annotations of each text from 0, in random order, shape (L,).

    Examples
    --------
    >>> rank_within_text(Annotations.from_wide([[0, 1], [None, 1]]), 0)
    array([1, 0, 0])
    """
    order = np.lexsort((generator(rng).random(answers.n_annotations), answers.text))
    rank = np.empty(answers.n_annotations, dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(answers.n_labels)[:-1]])
    rank[order] = np.arange(answers.n_annotations) - first[answers.text[order]]
    return rank
