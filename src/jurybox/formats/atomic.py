"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jurybox.errors import FormatError

__all__ = ["new_file", "new_folder"]


@contextmanager
def new_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield the path of a file to fill, which becomes `target` at the end, or vanishes on an error.

    Raises
    ------
    FormatError
        If `target` exists and is not to be overwritten, is a folder, or cannot be written.
    """
    if target.is_dir() or (target.exists() and not overwrite):
        raise _taken(target, "exists")
    with _on_its_way(target) as draft:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)


@contextmanager
def new_folder(target: Path, *, replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `target` at the end, or vanishes on an error.

    Parameters
    ----------
    target
        Where it shall be.
    replaceable
        Whether a folder that is there already may be replaced; an empty one always may.

    Raises
    ------
    FormatError
        If something else is there, or the folder cannot be written.
    """
    if target.exists() and not (target.is_dir() and (not any(target.iterdir()) or replaceable(target))):
        raise _taken(target, "exists and is not to be replaced")
    with _on_its_way(target) as draft:
        draft.mkdir()
        yield draft
        if target.exists():
            old = _sibling(target)
            target.rename(old)
            draft.rename(target)
            shutil.rmtree(old)
        else:
            draft.rename(target)


@contextmanager
def _on_its_way(target: Path) -> Iterator[Path]:
    draft = _sibling(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
    except OSError as error:
        raise FormatError(f"cannot be written: {error.strerror or error}", file=str(target)) from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _sibling(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _taken(target: Path, problem: str) -> FormatError:
    return FormatError(f"{problem}; choose another name, or ask for it to be overwritten", file=str(target))
