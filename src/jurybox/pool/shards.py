"""Where shards are: a folder here, or any address that fsspec knows; each file is there whole or not at all.

A shard is a pair of files: identifiers and texts as Parquet, and features as ``.npy``, in float16. The second
is written last: a shard with features is finished and never changes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.atomic import new_file
from jurybox.errors import FormatError, require

__all__ = ["Over", "Place", "Rows16", "Shard", "here", "scale"]

T = TypeVar("T")
R = TypeVar("R")
Rows16: TypeAlias = NDArray[np.float16]

_GROUP = 1024  # rows read to show one text


class Over(Protocol):
    """Maps a function over references to shards, and yields what it finds, in any order."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield ``function(item)`` of each item."""
        ...


def here(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Map on this machine, one shard after the other.

    Examples
    --------
    >>> list(here(len, ["ab", "c"]))
    [2, 1]
    """
    return map(function, items)


def scale(module: str) -> Any:
    """Import what the extra ``scale`` installs, or say how to install it."""
    return require(module, extra="scale")


@dataclass(frozen=True)
class Place:
    """A folder, here or at an address such as ``s3://bucket/pool``.

    Attributes
    ----------
    address
        Path or URL.
    """

    address: str

    @property
    def local(self) -> Path | None:
        """The folder, where it is one of this machine's file system; else None."""
        if "://" not in self.address:
            return Path(self.address).absolute()
        return Path(self.address.removeprefix("file://")) if self.address.startswith("file://") else None

    def file_system(self) -> tuple[Any, str]:
        """Return fsspec's file system, and the folder's path in it."""
        found: tuple[Any, str] = scale("fsspec.core").url_to_fs(
            self.address if self.local is None else str(self.local)
        )
        return found

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in one of its folders; none where there is no such folder."""
        fs, root = self.file_system()
        try:
            return {str(path).rpartition("/")[2] for path in fs.ls(f"{root}/{folder}", detail=False)}
        except FileNotFoundError:
            return set()

    def open(self, name: str) -> Any:
        """Open one of its files for reading bytes.

        Raises
        ------
        FormatError
            If it is not there.
        """
        fs, root = self.file_system()
        try:
            return fs.open(f"{root}/{name}", "rb")
        except FileNotFoundError as error:
            raise FormatError(f"has no {name}", file=self.address) from error

    def write(self, name: str, fill: Callable[[Any], object]) -> None:
        """Write one of its files, or replace it, whole or not at all.

        Parameters
        ----------
        fill
            Writes the bytes into what it is given.
        """
        if self.local is not None:
            with new_file(self.local / name, overwrite=True) as draft, draft.open("wb") as file:
                fill(file)
            return
        held = io.BytesIO()
        fill(held)
        fs, root = self.file_system()
        fs.pipe_file(f"{root}/{name}", held.getvalue())  # stores of objects show one when it is complete


@dataclass(frozen=True)
class Shard:
    """A reference to one shard: what is sent to those who work on it.

    Attributes
    ----------
    place
        The pool's.
    number
        Of the shard, from 0.
    """

    place: Place
    number: int

    @property
    def features_name(self) -> str:
        """Where the features are in the pool's place."""
        return f"shards/{self.number:06d}.npy"

    @property
    def texts_name(self) -> str:
        """Where identifiers and texts are in the pool's place."""
        return f"shards/{self.number:06d}.parquet"

    def features(self) -> Rows16:
        """Return the features, shape (n, C); a map of the file, where it is on this machine."""
        if self.place.local is not None:
            mapped: Rows16 = np.load(self.place.local / self.features_name, mmap_mode="r", allow_pickle=False)
            return mapped
        with self.place.open(self.features_name) as file:
            read: Rows16 = np.load(io.BytesIO(file.read()), allow_pickle=False)
        return read

    def size(self) -> int:
        """Return how many texts it has."""
        with self.place.open(self.texts_name) as file:
            return int(scale("pyarrow.parquet").ParquetFile(file).metadata.num_rows)

    def rows_of(self, ids: Sequence[str]) -> tuple[Ints, list[str]]:
        """Return which of its rows have one of these identifiers, and which."""
        arrow, compute = scale("pyarrow"), scale("pyarrow.compute")
        with self.place.open(self.texts_name) as file:
            held = scale("pyarrow.parquet").read_table(file, columns=["id"])["id"]
        rows = np.flatnonzero(compute.is_in(held, value_set=arrow.array(ids, arrow.string())).to_numpy())
        return rows, held.take(arrow.array(rows)).to_pylist()

    def texts(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Return identifier and text of some rows; only the groups that they are in are read."""
        with self.place.open(self.texts_name) as file:
            parquet = scale("pyarrow.parquet").ParquetFile(file)
            groups = {group: parquet.read_row_group(group) for group in sorted({r // _GROUP for r in rows})}
            found = [groups[row // _GROUP].slice(row % _GROUP, 1) for row in rows]
        return [(one["id"][0].as_py(), one["text"][0].as_py()) for one in found]

    def write(self, ids: Sequence[str], texts: Sequence[str], features: Rows16) -> None:
        """Write it; it is finished when this returns."""
        arrow = scale("pyarrow")
        table = arrow.table(
            {"id": arrow.array(ids, arrow.string()), "text": arrow.array(texts, arrow.string())}
        )
        parquet = scale("pyarrow.parquet")
        self.place.write(
            self.texts_name, lambda file: parquet.write_table(table, file, row_group_size=_GROUP)
        )
        self.place.write(self.features_name, lambda file: np.save(file, features, allow_pickle=False))


def finished(place: Place) -> list[Shard]:
    """Return the shards of a pool that are finished, in order."""
    numbers: Iterable[str] = (name[:-4] for name in place.names("shards") if name.endswith(".npy"))
    return [Shard(place, number) for number in sorted(map(int, numbers))]
