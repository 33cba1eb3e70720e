"""The Stanford politeness data as Cleanlab published it, from a folder or from the Hugging Face hub.

One of its arrays is pickled, and unpickling can run any code. Here it cannot: the names that a pickled array
of NumPy needs lead to inert stand-ins, every other name is refused, and what comes out must be a dict of
dicts of numbers.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame
from jurybox.datasets.base import Dataset
from jurybox.datasets.folder import read_table, refuse, unique_column
from jurybox.errors import FormatError, InputError, require

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
_SCALAR_TYPES = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1")
_MOST_ENTRIES = 10_000_000


def read_pickled_annotations(path: Path) -> dict[str, dict[str, float]]:
    """Read a ``.npy`` file that holds one dict: text → annotator → label.

    Raises
    ------
    FormatError
        For anything else; nothing in the file is executed.
    """
    try:
        return _numbers(_content(path))
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"refused ({type(error).__name__}: {error!s:.200})", file=str(path)) from error


def _content(path: Path) -> Any:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        if not dtype.hasobject or shape != ():
            raise ValueError(f"an array of shape {shape} and type {dtype}; expected one pickled dict")
        data = file.read()
    _check_operations(data)
    array = _InertUnpickler(io.BytesIO(data)).load()
    state = getattr(array, "state", None)
    if not (
        isinstance(state, tuple) and len(state) == 5 and isinstance(state[4], list) and len(state[4]) == 1
    ):
        raise ValueError("no array of one object; expected one pickled dict")
    return state[4][0]


def _check_operations(data: bytes) -> None:
    """Refuse memo positions beyond the file's size, with which a short file could ask for all memory."""
    for operation, argument, _ in pickletools.genops(data):
        if "PUT" in operation.name and int(argument or 0) > len(data):
            raise ValueError(f"{operation.name} {argument} in a file of {len(data)} bytes")


class _InertUnpickler(pickle.Unpickler):
    """Reads NumPy's pickles into stand-ins that keep what they are given and do nothing."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module in _MODULES and name in ("_reconstruct", "ndarray", "dtype", "scalar"):
            return _stand_in(name)
        raise ValueError(f"it names {module}.{name}; expected a dict of dicts of numbers")


def _stand_in(name: str) -> type:
    """Make a class that only remembers its arguments and state; a fresh one, so that none can be altered."""

    class StandIn:
        def __init__(self, *arguments: Any) -> None:
            self.arguments = arguments
            self.state: Any = None

        def __setstate__(self, state: Any) -> None:
            self.state = state

    StandIn.__name__ = name
    return StandIn


def _numbers(content: Any) -> dict[str, dict[str, float]]:
    """Copy a dict of dicts of numbers, refusing everything else."""
    if type(content) is not dict:
        raise ValueError(f"it holds {type(content).__name__}; expected a dict")
    copy: dict[str, dict[str, float]] = {}
    n_entries = 0
    for text, labels in content.items():
        if type(labels) is not dict:
            raise ValueError(f"entry {text!r:.40} is {type(labels).__name__}; expected a dict")
        n_entries += len(labels)
        if n_entries > _MOST_ENTRIES:
            raise ValueError(f"more than {_MOST_ENTRIES} annotations")
        copy[_key(text)] = {_key(annotator): _number(label) for annotator, label in labels.items()}
    return copy


def _key(value: Any) -> str:
    if type(value) not in (str, int):
        raise ValueError(f"a key is {type(value).__name__}; expected a string or a whole number")
    return str(value)


def _number(value: Any) -> float:
    if type(value) in (int, float, bool):
        return float(value)
    arguments = getattr(value, "arguments", None)
    if type(value).__name__ == "scalar" and arguments is not None and len(arguments) == 2:
        kind, data = arguments
        code = getattr(kind, "arguments", (None,))[0]
        if code in _SCALAR_TYPES and type(data) is bytes:
            return float(np.frombuffer(data, dtype=np.dtype(code).newbyteorder("<"))[0])
    raise ValueError(f"a label is {type(value).__name__}; expected a number")


HUB_NAME = "Cleanlab/stanford-politeness"
LABELLED = "X_labeled_full.csv"
UNLABELLED = "X_unlabeled.csv"
TEST = "test.csv"
EXTRA_JSON = "extra_annotations.json"
EXTRA_PICKLED = "extra_annotations.npy"
CLASSES = ("impolite", "polite")

_Triplets = list[tuple[str, str, int]]


def is_politeness(folder: Path) -> bool:
    """Whether a folder looks like this data set."""
    return (folder / LABELLED).is_file()


def load_politeness(folder: Path) -> Dataset:
    """Read the data set from a folder.

    Its initial annotations are those of ``X_labeled_full.csv``; simulated annotators answer from these and
    from ``extra_annotations`` (``.json``, or the published pickled ``.npy``, read without executing
    anything).

    Raises
    ------
    FormatError
        Naming file, row and column.
    """
    labelled = read_table(folder / LABELLED, ["id", "text"])
    unlabelled = read_table(folder / UNLABELLED, ["id", "text"])
    test = read_table(folder / TEST, ["id", "text", "label"])
    ids = np.concatenate(
        [unique_column(labelled, folder / LABELLED), unique_column(unlabelled, folder / UNLABELLED)]
    )
    both = unlabelled["id"].isin(labelled["id"]).to_numpy()
    refuse(
        both,
        unlabelled,
        folder / UNLABELLED,
        "id",
        f"stands in {LABELLED} too; expected it in one of the files",
    )
    initial = _wide_triplets(labelled, folder / LABELLED)
    extra = _extra_triplets(folder, set(ids))
    annotators = sorted({name for _, name, _ in initial + extra}, key=lambda name: (len(name), name))
    return Dataset(
        name="stanford-politeness",
        texts=ids,
        pool_texts=(*labelled["text"], *unlabelled["text"]),
        initial=_annotations(initial, ids, annotators),
        answers=_annotations(extra + initial, ids, annotators),
        test_ids=unique_column(test, folder / TEST),
        test_texts=tuple(test["text"]),
        test_labels=_labels(test, folder / TEST, "label"),
    )


def download_politeness() -> Path:
    """Folder with the data set's files, downloaded from the Hugging Face hub where they are not there yet.

    Raises
    ------
    MissingExtraError
        Where the ``hub`` extra is not installed.
    InputError
        Where the hub cannot be reached.
    """
    hub = require("huggingface_hub", extra="hub")
    try:
        paths = [
            Path(hub.hf_hub_download(HUB_NAME, name, repo_type="dataset"))
            for name in (UNLABELLED, TEST, EXTRA_PICKLED, LABELLED)
        ]
    except Exception as error:
        raise InputError(
            f"{HUB_NAME} could not be had from the hub ({type(error).__name__}: {error!s:.200}): "
            "give the path of a folder with its files, or check the network"
        ) from error
    return paths[-1].parent


def _annotations(triplets: _Triplets, ids: NDArray[np.object_], annotators: list[str]) -> Annotations:
    text, annotator, label = zip(*triplets, strict=True) if triplets else ((), (), ())
    return Annotations.from_long(
        text, annotator, label, texts=ids, annotators=annotators, classes=CLASSES, duplicates="last"
    )


def _wide_triplets(frame: DataFrame, path: Path) -> _Triplets:
    """Annotations of a table with a column for each annotator."""
    triplets = []
    for annotator in frame.columns.difference(["id", "text", "label"], sort=False):
        given = np.flatnonzero(frame[annotator] != "")
        labels = _labels(frame, path, annotator, given)
        ids = frame["id"].to_numpy()[given]
        triplets += [(text, annotator, int(label)) for text, label in zip(ids, labels, strict=True)]
    return triplets


def _labels(
    frame: DataFrame, path: Path, column: str, rows: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Labels 0 and 1 of a column, of some rows or of all."""
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    wanted = np.ones(len(frame), dtype=bool) if rows is None else np.isin(np.arange(len(frame)), rows)
    refuse(wanted & ~np.isin(numbers, (0, 1)), frame, path, column, "expected 0 (impolite) or 1 (polite)")
    return numbers[wanted].astype(np.int64)


def _extra_triplets(folder: Path, ids: set[str]) -> _Triplets:
    path = folder / EXTRA_JSON if (folder / EXTRA_JSON).is_file() else folder / EXTRA_PICKLED
    extra = read_json_annotations(path) if path.suffix == ".json" else read_pickled_annotations(path)
    triplets = []
    for text, labels in extra.items():
        if text not in ids:
            raise FormatError(
                f"no text of this id in {LABELLED} and {UNLABELLED}", file=str(path), value=text
            )
        for annotator, label in labels.items():
            if label not in (0, 1):
                raise FormatError(
                    f"text {text}, annotator {annotator}: expected 0 (impolite) or 1 (polite)",
                    file=str(path),
                    value=label,
                )
            triplets.append((text, annotator, int(label)))
    return triplets


def read_json_annotations(path: Path) -> dict[str, dict[str, Any]]:
    """Read annotations as a JSON object: text → annotator → label.

    Raises
    ------
    FormatError
        Where the file is no such object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError("there is no such file", file=str(path)) from error
    except ValueError as error:
        raise FormatError(f"no JSON ({error})", file=str(path)) from error
    if not isinstance(content, dict) or not all(isinstance(labels, dict) for labels in content.values()):
        raise FormatError("expected a JSON object of objects: text, annotator, label", file=str(path))
    return content
