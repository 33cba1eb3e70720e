"""Files and folders that are there whole or not at all, and what a killed process has left of them."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from jurybox.errors import FormatError

__all__ = ["new_file", "new_folder", "sweep", "try_lock"]

_REPLACED = "replaced"


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
            target.rename(draft.with_name(_REPLACED))
        draft.rename(target)


def sweep(target: Path, *, family: bool = False) -> None:
    """Remove what processes that were killed have left on its way to a target, and nobody works on.

    A folder that was to be replaced, and was not, comes back.

    Parameters
    ----------
    family
        Whether what was to be a file whose name begins with the target's goes, too.
    """
    if sys.platform == "win32":  # pragma: no cover - a folder cannot be locked there
        return
    for folder in target.parent.glob(f".{escape(target.name)}.{'*' if family else '????????'}.tmp"):
        with suppress(OSError):  # another process was faster
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if try_lock(descriptor):
                    if (folder / _REPLACED).is_dir() and not target.exists():
                        (folder / _REPLACED).rename(target)
                    shutil.rmtree(folder)
            finally:
                os.close(descriptor)


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock an open file unless another one has; the lock ends with the process, or when it is closed."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file unless another one has; the lock ends with the process, or when it is closed."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextmanager
def _on_its_way(target: Path) -> Iterator[Path]:
    """Yield a path in a hidden folder beside the target, locked for as long as this process works on it."""
    folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    descriptor = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        folder.mkdir(mode=0o700)
        if sys.platform != "win32":
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try_lock(descriptor)
        yield folder / target.name
    except OSError as error:
        raise FormatError(f"cannot be written: {error.strerror or error}", file=str(target)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _taken(target: Path, problem: str) -> FormatError:
    return FormatError(f"{problem}; choose another name, or ask for it to be overwritten", file=str(target))
