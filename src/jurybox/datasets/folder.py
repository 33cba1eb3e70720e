"""Long-format data set folders: ``texts.csv`` and ``annotations.csv``."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame
from jurybox.datasets.base import Dataset
from jurybox.datasets.frames import TEST_SHARE, draw_initial, majority
from jurybox.errors import FormatError

_log = logging.getLogger("jurybox.datasets")

TEXTS = "texts.csv"
ANNOTATIONS = "annotations.csv"
SPLITS = ("", "train", "dev", "test")


@dataclass(frozen=True)
class _Tables:
    """What the two files say: N texts, L annotations as positions, gold classes (-1: unknown)."""

    ids: NDArray[np.object_]
    texts: NDArray[np.object_]
    is_test: NDArray[np.bool_] | None
    gold: NDArray[np.int64]
    annotations: Annotations


def load_folder(folder: Path, *, seed: int = 0) -> Dataset:
    """Read a long-format folder.

    ``texts.csv`` has the columns id, text and, where known, split (train, dev or test) and label (gold);
    ``annotations.csv`` has id, annotator and label. The pool is all but ``test``; without a split, a fifth
    of the texts is held out. The class of a test text is its gold label, else the majority of its
    annotations (of tied classes the one more frequent overall); test texts with neither are left out.
    Labels that all are whole numbers become numbers.

    Parameters
    ----------
    folder
        The folder.
    seed
        Draws the texts to hold out, and the annotations to start from.

    Raises
    ------
    FormatError
        Naming file, row and column.
    """
    rng = np.random.default_rng([seed, 0x6A62])
    tables = _read(Path(folder))
    truth = np.where(tables.gold >= 0, tables.gold, majority(tables.annotations))
    is_test = tables.is_test if tables.is_test is not None else _hold_out(truth >= 0, rng)
    pool, test = np.flatnonzero(~is_test), np.flatnonzero(is_test & (truth >= 0))
    if not len(pool) or not len(test):
        raise FormatError(
            f"{len(pool)} texts for the pool, {len(test)} with a known class for the test; expected some",
            file=str(folder / TEXTS),
        )
    if len(test) < is_test.sum():
        _log.warning("%d test texts without label and annotations are left out", is_test.sum() - len(test))
    answers = _answers(tables.annotations, pool)
    gold = tables.gold[pool]
    return Dataset(
        name=folder.resolve().name,
        texts=tables.ids[pool],
        pool_texts=tuple(tables.texts[pool]),
        initial=draw_initial(answers, rng),
        answers=answers,
        test_ids=tables.ids[test],
        test_texts=tuple(tables.texts[test]),
        test_labels=truth[test],
        gold=gold if (gold >= 0).any() else None,
    )


def _answers(annotations: Annotations, pool: NDArray[np.int64]) -> Annotations:
    """Annotations of the pool by those who annotated it."""
    of_pool = annotations.subset(texts=pool)
    return of_pool.subset(annotators=np.flatnonzero(of_pool.labels_per_annotator))


def _hold_out(usable: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    candidates = rng.permutation(np.flatnonzero(usable))
    is_test = np.zeros(len(usable), dtype=bool)
    is_test[candidates[: round(TEST_SHARE * len(usable))]] = True
    return is_test


def _read(folder: Path) -> _Tables:
    text_path, annotation_path = folder / TEXTS, folder / ANNOTATIONS
    texts = read_table(text_path, ["id", "text"])
    ids = unique_column(texts, text_path)
    is_test = _is_test(texts, text_path)
    annotations = read_table(annotation_path, ["id", "annotator", "label"])
    for column in ("id", "annotator", "label"):
        empty = (annotations[column] == "").to_numpy()
        refuse(empty, annotations, annotation_path, column, "empty; expected a value")
    unknown = ~annotations["id"].isin(ids).to_numpy()
    refuse(unknown, annotations, annotation_path, "id", f"no text of this id in {TEXTS}")
    twice = annotations.duplicated(["id", "annotator"]).to_numpy()
    refuse(
        twice,
        annotations,
        annotation_path,
        "annotator",
        "labelled this text before; expected one label a text",
    )
    gold = (
        texts["label"].to_numpy(dtype=object) if "label" in texts else np.full(len(texts), "", dtype=object)
    )
    classes, numeric = class_names([*annotations["label"], *gold])
    return _Tables(
        ids=ids,
        texts=texts["text"].to_numpy(dtype=object),
        is_test=is_test,
        gold=_codes(gold, classes, numeric),
        annotations=Annotations.from_indices(
            _positions(annotations["id"], ids),
            *_numbered(annotations["annotator"]),
            _codes(annotations["label"], classes, numeric),
            texts=ids,
            annotators=annotations["annotator"].unique().tolist(),
            classes=classes,
        ),
    )


def _numbered(values: Any) -> tuple[NDArray[np.int64]]:
    import pandas as pd

    return (pd.factorize(values)[0].astype(np.int64),)


def _positions(values: Any, among: NDArray[np.object_]) -> NDArray[np.int64]:
    import pandas as pd

    return pd.Index(among).get_indexer(pd.Index(values)).astype(np.int64)


def class_names(labels: Iterable[str]) -> tuple[tuple[Hashable, ...], bool]:
    """Classes behind labels as they stand in a file, sorted, and whether they are whole numbers.

    Examples
    --------
    >>> class_names(["10", "2.0", ""])
    ((2, 10), True)
    >>> class_names(["no", "yes", "10"])
    (('10', 'no', 'yes'), False)
    """
    distinct = set(labels) - {""}
    numbers = {_whole_number(label) for label in distinct}
    if None in numbers:
        return tuple(sorted(distinct)), False
    return tuple(sorted(number for number in numbers if number is not None)), True


def _whole_number(label: str) -> int | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _codes(labels: Iterable[str], classes: tuple[Hashable, ...], numeric: bool) -> NDArray[np.int64]:
    """Positions of labels among the classes, -1 for an empty one."""
    position = {name: code for code, name in enumerate(classes)}
    codes = (-1 if label == "" else position[_whole_number(label) if numeric else label] for label in labels)
    return np.fromiter(codes, dtype=np.int64)


def _is_test(texts: DataFrame, path: Path) -> NDArray[np.bool_] | None:
    """Which texts are for the test; None where the file does not say."""
    if "split" not in texts:
        return None
    strange = ~texts["split"].isin(SPLITS).to_numpy()
    refuse(strange, texts, path, "split", "unknown; expected train, dev or test")
    is_test: NDArray[np.bool_] = (texts["split"] == "test").to_numpy()
    return is_test if is_test.any() else None


def read_table(path: Path, required: Sequence[str]) -> DataFrame:
    """Read a CSV file with a header; every cell is a string, '' where it is empty.

    Raises
    ------
    FormatError
        Where the file is missing, no UTF-8, no table, or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise FormatError("there is no such file", file=str(path))
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 ({error}): save it as UTF-8", file=str(path)) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise FormatError(
            f"no CSV table ({error}): expected a header and comma-separated rows", file=str(path)
        ) from error
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise FormatError(
            f"missing; the file has {', '.join(map(repr, frame.columns[:8]))}",
            file=str(path),
            column=missing[0],
        )
    return frame


def refuse(bad: NDArray[np.bool_], frame: DataFrame, path: Path, column: str, problem: str) -> None:
    """Raise a FormatError about the first of the ``bad`` rows, shape (rows,), if there is one."""
    if bad.any():
        row = int(bad.argmax())
        raise FormatError(problem, file=str(path), row=row + 1, column=column, value=frame[column].iloc[row])


def unique_column(frame: DataFrame, path: Path, column: str = "id") -> NDArray[np.object_]:
    """Return the identifiers of a table: none empty, none twice."""
    values: NDArray[np.object_] = frame[column].to_numpy(dtype=object)
    refuse(values == "", frame, path, column, "empty; expected an identifier")
    refuse(frame[column].duplicated().to_numpy(), frame, path, column, "appears twice; expected each id once")
    return values
