"""Benchmark data: folders, the Hugging Face hub, and a corpus that the package generates."""

from __future__ import annotations

import os
from pathlib import Path

from jurybox.datasets.base import Dataset
from jurybox.datasets.demo import load_demo
from jurybox.datasets.folder import TEXTS, load_folder
from jurybox.datasets.politeness import HUB_NAME, download_politeness, is_politeness, load_politeness
from jurybox.errors import InputError, MissingExtraError

__all__ = ["Dataset", "load", "load_demo", "load_example"]

_POLITENESS = ("stanford-politeness", HUB_NAME)


def load(name_or_path: str | Path, *, seed: int = 0) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name_or_path
        ``"demo"``: generated reviews; a folder with ``texts.csv`` and ``annotations.csv``, or with the
        files of the Stanford politeness data; ``"stanford-politeness"``: that data from the Hugging Face
        hub.
    seed
        Draws what a data set leaves open: the demo corpus, held-out texts, the annotations to start from.

    Raises
    ------
    InputError
        Where there is no such data set, or its files cannot be read (a `FormatError` that names file, row,
        column).
    MissingExtraError
        Where the hub is needed and the ``hub`` extra is not installed.

    Examples
    --------
    >>> load("demo", seed=1).initial
    Annotations(2,000 texts, 14 annotators, 2 classes, 200 annotations)
    """
    if name_or_path == "demo":
        return load_demo(seed=seed)
    folder = Path(name_or_path).expanduser()
    if folder.is_dir() and is_politeness(folder):
        return load_politeness(folder)
    if (folder / TEXTS).is_file():
        return load_folder(folder, seed=seed)
    if str(name_or_path) in _POLITENESS:
        return load_politeness(download_politeness())
    found = f"the folder has no {TEXTS}" if folder.is_dir() else "there is no such folder"
    raise InputError(
        f"data set {str(name_or_path)!r} is unknown ({found}); expected 'demo', 'stanford-politeness', "
        "or a folder with texts.csv (id, text) and annotations.csv (id, annotator, label)"
    )


def load_example(*, seed: int = 0) -> Dataset:
    """Load what the notebooks work on: Stanford politeness where it can be had, else the demo corpus.

    The folder that the environment variable ``JURYBOX_DATA`` names is looked into first, then the hub.

    Parameters
    ----------
    seed
        As of `load`.

    Examples
    --------
    >>> load_example().initial.n_classes
    2
    """
    folder = Path(os.environ.get("JURYBOX_DATA", "")) / _POLITENESS[0]
    if os.environ.get("JURYBOX_DATA") and folder.is_dir():
        return load(folder, seed=seed)
    try:
        return load(_POLITENESS[0], seed=seed)
    except (InputError, MissingExtraError):
        return load("demo", seed=seed)
