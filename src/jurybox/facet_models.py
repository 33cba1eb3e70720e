"""The final models of several questions: a folder each, and an index that says which is which."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jurybox.arrays import Floats
from jurybox.atomic import new_folder
from jurybox.errors import InputError
from jurybox.training import DESCRIPTION_FILE, FinalModel, train_final

__all__ = ["FacetTask", "train_each"]

_KIND = "models of several questions"


@dataclass(frozen=True, eq=False)
class FacetTask:
    """What the model of one facet is trained on.

    Attributes
    ----------
    name
        ``question``, or ``question:class``, which is answered no or yes.
    classes
        Names of the K classes.
    texts, targets
        n labelled texts, and what is believed of them, shape (n, K).
    thresholds
        What probabilities (K,) are divided by before the class with the largest is said; None: that is 1.
    """

    name: str
    classes: tuple[Hashable, ...]
    texts: list[str]
    targets: Floats
    thresholds: tuple[float, ...] | None = None


def train_each(
    tasks: Sequence[FacetTask], out: Path, *, overwrite: bool = False, **options: Any
) -> tuple[FinalModel, ...]:
    """Train the model of every facet, and save them below one folder, all or none.

    Parameters
    ----------
    out
        Folder to write: ``01``, ``02`` … are models as `jurybox.training.train_final` writes them, and
        ``jurybox.json`` says which question each is of, and its thresholds.
    **options
        As of `jurybox.training.train_final`.

    Raises
    ------
    InputError
        As `train_final`; or if ``out`` exists.
    FitError
        If the classifier cannot be trained on these labels.
    """
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another folder or pass overwrite=True")
    made: list[FinalModel] = []
    with new_folder(out, replaceable=_is_ours) as draft:
        for number, task in enumerate(tasks, 1):
            own = f"{number:02}"
            final = train_final(task.texts, task.targets, None, task.classes, draft / own, **options)
            made.append(replace(final, folder=out / own))
        index = [_described(task, final) for task, final in zip(tasks, made, strict=True)]
        described = json.dumps({"kind": _KIND, "models": index}, ensure_ascii=False, indent=1)
        (draft / DESCRIPTION_FILE).write_text(described + "\n", "utf-8")
        (draft / "README.md").write_text(_readme(tasks), "utf-8")
    return tuple(made)


def _is_ours(folder: Path) -> bool:
    try:
        held = json.loads((folder / DESCRIPTION_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get("kind") == _KIND


def _described(task: FacetTask, final: FinalModel) -> dict[str, Any]:
    return {
        "folder": final.folder.name,
        "question": task.name,
        "classes": [str(name) for name in task.classes],
        "thresholds": None if task.thresholds is None else list(task.thresholds),
        "texts": final.n_texts,
        "agreement": final.agreement,
    }


def _readme(tasks: Sequence[FacetTask]) -> str:
    has_thresholds = any(task.thresholds is not None for task in tasks)
    rows = (
        f"- `{number:02}`: {task.name} ({', '.join(map(str, task.classes))})"
        for number, task in enumerate(tasks, 1)
    )
    return "\n".join(
        [
            "# Classifiers of several questions",
            "",
            *rows,
            "",
            "Each folder has a model and says how it is loaded.",
            *(_THRESHOLDS if has_thresholds else ()),
            "",
        ]
    )


_THRESHOLDS = (
    f"`{DESCRIPTION_FILE}` has thresholds, in the order of its `classes`: divide the probabilities by them",
    "and take the largest. They make macro-F1 largest if the consensus is right; without them a rare class",
    "is said too seldom.",
)
