"""A folder whose files are taken into a project as they come.

A file is taken when it has stopped growing, and again when it has changed: known texts and labels are then
counted, and what is new is added, all of the file or nothing. Which files were taken is noted in the project,
so that watching can end and go on. A file that is refused is left where it is, and looked at again once it
has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jurybox.errors import InputError, JuryboxError
from jurybox.formats import ReadOptions
from jurybox.project.facade import Project
from jurybox.store.records import Added

_NOTE = "watch"


@dataclass(frozen=True)
class Taken:
    """What became of a file: what it added, or why it was refused."""

    path: Path
    added: Added | None
    refused: str = ""


@dataclass
class FolderWatch:
    """Takes the files of a folder into a project.

    Parameters
    ----------
    project
        Open.
    folder
        Its files, not those of folders in it; names that begin with a dot or end in ``.tmp`` or ``.part`` are
        left alone.
    options
        How files are read, as for `jurybox.formats.read`.

    Raises
    ------
    InputError
        If there is no such folder.
    """

    project: Project
    folder: Path
    options: ReadOptions | None = None
    _seen: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(f"there is no folder {self.folder} to watch; make it first")

    def look(self) -> Iterator[Taken]:
        """Take the files that are new or have changed, and are as they were at the look before."""
        note = self.project.notes.read(_NOTE)
        done: dict[str, Any] = {} if note is None else dict(note.value)
        mine = dict(done.get(str(self.folder.resolve()), {}))
        found = dict(_files(self.folder))
        ready = [name for name, mark in found.items() if mine.get(name) != mark == self._seen.get(name)]
        self._seen = found
        for name in ready:
            yield self._take(self.folder / name)
            mine[name] = found[name]
            self.project.notes.write(_NOTE, {**done, str(self.folder.resolve()): mine})

    def _take(self, path: Path) -> Taken:
        try:
            return Taken(path, self.project.add_file(path, self.options))
        except (JuryboxError, OSError) as error:
            return Taken(path, None, str(error))


def _files(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield files by name with size and time of the last change."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix in (".tmp", ".part") or not path.is_file():
            continue
        status = path.stat()
        yield path.name, [status.st_size, status.st_mtime_ns]
