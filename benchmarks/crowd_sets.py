"""Real crowds in one form: texts, every annotator's label of each, and features of the texts.

A set is a folder of long format (``texts.csv`` with id and text, ``annotations.csv`` with id, annotator,
label and perhaps question) or one that `jurybox.datasets.load` knows. A folder with questions holds a set
for each of them. Three or more classes that are numbers are taken for an ordered scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jurybox import Annotations, datasets
from jurybox.datasets.folder import ANNOTATIONS, TEXTS, class_names
from jurybox.encoders import FeatureCache, fit_views, get_encoders
from jurybox.scales import MOST_POINTS

__all__ = ["CrowdSet", "read_sets"]

MOST_TEXTS = 1500
CACHE = Path(__file__).resolve().parent / "cache" / "features"


@dataclass(frozen=True)
class CrowdSet:
    """N texts and all that a crowd said of them."""

    name: str
    texts: tuple[str, ...]
    annotations: Annotations

    def features(self) -> NDArray[np.float64]:
        """Encode the texts with MiniLM, and map the features as a project does, shape (N, C)."""
        views = fit_views(get_encoders("minilm"), self.texts, cache=FeatureCache(CACHE))
        return np.asarray(views.rows(self.texts), dtype=np.float64)


def read_sets(folder: Path) -> Iterator[CrowdSet]:
    """Yield the sets of a folder, each of up to 1,500 texts drawn with seed 0."""
    folder = Path(folder).resolve()
    if not (folder / ANNOTATIONS).exists():
        found = datasets.load(folder)
        texts = pd.Series(found.pool_texts, index=[str(one) for one in found.texts])
        yield _drawn(folder.name, texts, _rows(found.answers))
        return
    table = pd.read_csv(folder / TEXTS, dtype=str, keep_default_na=False)
    texts = table.drop_duplicates("id").set_index("id")["text"]
    rows = pd.read_csv(folder / ANNOTATIONS, dtype=str, keep_default_na=False)
    questions = rows["question"].unique() if "question" in rows else [None]
    for question in questions:
        chosen = rows if question is None else rows[rows["question"] == question]
        name = folder.name if len(questions) == 1 else f"{folder.name} {question}"
        yield _drawn(name, texts, chosen)


def _rows(answers: Annotations) -> pd.DataFrame:
    """Return annotations as rows of text."""
    return pd.DataFrame(
        {
            "id": [str(answers.texts[i]) for i in answers.text],
            "annotator": [str(answers.annotators[j]) for j in answers.annotator],
            "label": [str(answers.classes[k]) for k in answers.label],
        }
    )


def _drawn(name: str, texts: pd.Series[str], rows: pd.DataFrame) -> CrowdSet:
    """Draw the texts; labels that all are whole numbers become numbers, in their order."""
    rows = rows[rows["id"].isin(texts.index) & (rows["label"] != "") & (rows["annotator"] != "")]
    rows = rows.drop_duplicates(["id", "annotator"])
    ids = texts.index[texts.index.isin(rows["id"].unique())]
    if len(ids) > MOST_TEXTS:
        ids = ids[np.sort(np.random.default_rng(0).choice(len(ids), MOST_TEXTS, replace=False))]
    rows = rows[rows["id"].isin(ids)]
    names, numeric = class_names(rows["label"].unique())
    label = rows["label"].map(lambda given: int(float(given)) if numeric else given)
    given = Annotations.from_long(
        rows["id"],
        rows["annotator"],
        label,
        texts=list(ids),
        classes=list(names),
        scale=bool(numeric) and 2 < len(names) <= MOST_POINTS,
    )
    return CrowdSet(name, tuple(texts[ids]), given)
