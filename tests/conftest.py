"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of crowd-labelled benchmark data, which is not part of the project."""
    folder = Path(os.environ.get("JURYBOX_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the benchmark data is not at {folder}; set JURYBOX_DATA to its folder")
    return folder
