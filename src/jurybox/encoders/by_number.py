"""Rows of the texts of a project, in their order, in files that are added to: shards.

The digests of a million texts take longer to compare than their rows to use. A project's texts never change
and have numbers, so a view's rows are kept by number: ``.npy`` files of float16, each with the rows of some
texts that follow one another, mapped into memory and read where they are wanted. A full shard is never
written again; small ones at the end, of texts that came a few at a time, are joined. While a shard is made,
drafts keep the pieces of it that are done, for whoever goes on with it; nobody else reads these.

A shard's name says of which texts it is, and their *lineage*: how the project came by all texts up to the
last of these (`jurybox.store.overview.read_lineage`). A project that was restored from a backup, and has got
other texts since, so finds the shards of the texts that it still has, and no others.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.encoders.base import Features
from jurybox.encoders.cache import CHUNK, STALE_SECONDS, Rows, modified
from jurybox.errors import InputError

__all__ = ["PoolRows", "RowFile", "RowShelf"]

Lineage: TypeAlias = Callable[[int], str]
"""From a number of texts to what tells how the project came by the first so many; letters and digits."""

SHARD = 65_536
_MANY = 16  # small shards
_NAME = re.compile(r"(\d+)-(\d+)-([0-9a-z]+)\.(?:npy|draft)")


@dataclass(frozen=True)
class RowFile:
    """Rows of the texts from ``start`` up to ``stop``, in a file."""

    start: int
    stop: int
    path: Path

    def rows(self) -> Rows:
        """Return the rows, shape (stop - start, C), float16, mapped into memory.

        Raises
        ------
        ValueError, OSError
            If the file is damaged or gone.
        """
        rows: Rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
        n = self.stop - self.start
        if rows.dtype != np.float16 or rows.ndim != 2 or len(rows) != n:
            raise ValueError(f"{self.path} has {rows.shape} rows of {rows.dtype}, expected {n} of float16")
        return rows


@dataclass(frozen=True)
class RowShelf:
    """The shards of a view in one project.

    Attributes
    ----------
    folder
        Where they are; may be deleted at any time.
    lineage
        Of the project.
    """

    folder: Path
    lineage: Lineage

    def shards(self, n_texts: int) -> list[RowFile]:
        """Return shards of the first texts, one after the other, as far as there are any; none is damaged."""
        return self._chain("*.npy", 0, n_texts)

    def _chain(self, pattern: str, start: int, n_texts: int) -> list[RowFile]:
        found: dict[int, list[tuple[int, str, Path]]] = {}
        for path in self.folder.glob(pattern):
            if name := _NAME.fullmatch(path.name):
                found.setdefault(int(name[1]), []).append((int(name[2]), name[3], path))
        shards: list[RowFile] = []
        while longest := self._longest(start, found.get(start, []), n_texts):
            shards.append(longest)
            start = longest.stop
        return shards

    def _longest(self, start: int, found: list[tuple[int, str, Path]], n_texts: int) -> RowFile | None:
        for stop, lineage, path in sorted(found, reverse=True):
            shard = RowFile(start, stop, path)
            if stop <= n_texts and lineage == self.lineage(stop) and _is_whole(shard):
                return shard
        return None

    def fill(self, start: int, n_texts: int, make: Callable[[int, int], Rows]) -> int:
        """Make and write the shard that begins with a text, up to its end or that of the texts; return where.

        Parameters
        ----------
        make
            Makes the rows of the texts from one number up to another; called piece by piece, and not for
            those that were done when somebody was cut off.
        """
        stop = min((start // SHARD + 1) * SHARD, n_texts)
        drafts = self._chain("*.draft", start, stop)
        pieces, at = [np.array(draft.rows()) for draft in drafts], drafts[-1].stop if drafts else start
        while at < stop:
            after = min((at // CHUNK + 1) * CHUNK, stop)
            pieces.append(make(at, after))
            if (at, after) != (start, stop):
                drafts.append(RowFile(at, after, self.add(at, pieces[-1], "draft")))
            at = after
        self.add(start, np.concatenate(pieces))
        for draft in drafts:
            draft.path.unlink(missing_ok=True)
        return stop

    def add(self, start: int, rows: Rows, kind: str = "npy") -> Path:
        """Write the rows (n, C) of the texts from ``start`` on; after a crash they are there or not."""
        stop = start + len(rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{uuid.uuid4().hex}.tmp"
        with temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(rows, dtype=np.float16))
            file.flush()
            os.fsync(file.fileno())
        return temporary.replace(self.folder / f"{start:010d}-{stop:010d}-{self.lineage(stop)}.{kind}")

    def join(self, n_texts: int) -> None:
        """Make full shards of small ones, and one of those at the end where they are many.

        The small ones go some time later: another process may be reading them.
        """
        small = [shard for shard in self.shards(n_texts) if shard.stop - shard.start < SHARD]
        for group in _groups(small):
            if group[-1].stop - group[0].start == SHARD or len(group) >= _MANY:
                self.add(group[0].start, np.concatenate([shard.rows() for shard in group]))
        used = {shard.path for shard in self.shards(n_texts)}
        for path in (path for kind in ("npy", "draft", "tmp") for path in self.folder.glob(f"*.{kind}")):
            name = _NAME.fullmatch(path.name)
            ours = name is None or (int(name[2]) <= n_texts and name[3] == self.lineage(int(name[2])))
            if ours and path not in used and time.time() - modified(path) > STALE_SECONDS:
                path.unlink(missing_ok=True)


def _is_whole(shard: RowFile) -> bool:
    """Whether a shard can be read; one that cannot is removed, and its texts are encoded again."""
    try:
        shard.rows()
    except (OSError, ValueError, EOFError):
        shard.path.unlink(missing_ok=True)
        return False
    return True


def _groups(shards: Sequence[RowFile]) -> Iterator[list[RowFile]]:
    """Put shards that follow one another together, up to the size of a full one."""
    group: list[RowFile] = []
    for shard in shards:
        if group and (group[-1].stop != shard.start or shard.start // SHARD != group[0].start // SHARD):
            yield group
            group = []
        group.append(shard)
    if group:
        yield group


@dataclass(frozen=True, eq=False)
class PoolRows:
    """Rows of a pool's N texts, of several views side by side, read where they are wanted.

    Attributes
    ----------
    views : tuple
        The shards of each view, which cover all N texts.
    weights : tuple of float
        What the columns of each are multiplied with.

    Examples
    --------
    >>> import tempfile
    >>> shelf = RowShelf(Path(tempfile.mkdtemp()), lambda n: "a")
    >>> _ = shelf.add(0, np.ones((3, 2), np.float16))
    >>> _ = shelf.add(3, np.zeros((1, 2), np.float16))
    >>> pool = PoolRows((tuple(shelf.shards(4)),), (0.5,))
    >>> pool.shape, pool[np.array([3, 0])].tolist()
    ((4, 2), [[0.0, 0.0], [0.5, 0.5]])
    """

    views: tuple[tuple[RowFile, ...], ...]
    weights: tuple[float, ...]
    _ends: tuple[NDArray[np.int64], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ends = tuple(np.array([shard.stop for shard in shards], dtype=np.int64) for shards in self.views)
        if len({int(end[-1]) if len(end) else 0 for end in ends}) != 1:
            raise InputError("the views have rows of different numbers of texts, expected all of the same")
        object.__setattr__(self, "_ends", ends)

    def __len__(self) -> int:
        return int(self._ends[0][-1]) if len(self._ends[0]) else 0

    @property
    def shape(self) -> tuple[int, int]:
        """Texts and columns, (N, C)."""
        return len(self), sum(shards[0].rows().shape[1] for shards in self.views if shards)

    def __getitem__(self, rows: Ints | slice) -> Features:
        """Rows of some texts, shape (n, C), float32."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        parts = zip(self.views, self._ends, self.weights, strict=True)
        return np.hstack([_taken(shards, ends, rows) * np.float32(weight) for shards, ends, weight in parts])

    def parts(self, size: int = SHARD) -> Iterator[slice]:
        """Yield slices of at most ``size`` texts that together are all of them."""
        return (slice(start, min(start + size, len(self))) for start in range(0, len(self), size))


def _taken(shards: tuple[RowFile, ...], ends: NDArray[np.int64], rows: Ints) -> Features:
    """Return rows (n, C) of one view, float32, shard by shard."""
    if not shards:
        return np.zeros((len(rows), 0), np.float32)
    taken = np.empty((len(rows), shards[0].rows().shape[1]), np.float32)
    of = np.searchsorted(ends, rows, side="right")
    for number in np.unique(of):
        here = np.flatnonzero(of == number)
        taken[here] = shards[number].rows()[rows[here] - shards[number].start]
    return taken
