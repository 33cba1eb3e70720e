"""A pool in shards: made from a source, piece by piece, and added to when the source has new files.

The pool says in ``pool.json`` what it was made from and how the source was cut; ``views`` holds what its
features were fitted to, on a sample. Both are written before the first shard. Whoever works on a piece reads
it, encodes it and writes its shard: a process that is killed loses the pieces that it was working on, and
these are all that is done again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from jurybox.encoders import Views, fit_views, get_encoders
from jurybox.encoders.base import Progress
from jurybox.encoders.views import View
from jurybox.errors import FormatError, InputError
from jurybox.pool.shards import Over, Place, Rows16, Shard, finished, here
from jurybox.pool.sources import Columns, Piece, files_of, pieces_of, read_piece

__all__ = ["EncodedPool", "encode", "is_pool"]

_MANIFEST = "pool.json"
_VERSION = 1
_SAMPLE, _SAMPLE_PIECES = 4096, 32


@dataclass(frozen=True)
class EncodedPool:
    """A pool in shards.

    Attributes
    ----------
    place
        Where it is.
    encoder
        Name of its encoder, as in `jurybox.encoders.get_encoders`.
    columns
        What was read.
    rows
        Texts a shard, about.
    pieces
        What each shard is made of.
    n_views
        Views side by side.
    """

    place: Place
    encoder: str
    columns: Columns
    rows: int
    pieces: tuple[Piece, ...]
    n_views: int

    @classmethod
    def open(cls, address: str) -> EncodedPool:
        """Open the pool at an address.

        Raises
        ------
        FormatError
            If there is none, or a newer version of jurybox has made it.
        """
        place = Place(str(address))
        with place.open(_MANIFEST) as file:
            told: Mapping[str, Any] = json.loads(file.read())
        if told.get("jurybox_pool") != _VERSION:
            raise FormatError(
                f"is a pool of version {told.get('jurybox_pool')}, expected {_VERSION}", file=str(address)
            )
        pieces = tuple(Piece(*piece) for piece in told["pieces"])
        return cls(place, told["encoder"], Columns(**told["columns"]), told["rows"], pieces, told["views"])

    def write(self) -> None:
        """Write down what it is made of."""
        told = {
            "jurybox_pool": _VERSION,
            "encoder": self.encoder,
            "columns": asdict(self.columns),
            "rows": self.rows,
            "views": self.n_views,
            "pieces": [[piece.file, piece.start, piece.stop] for piece in self.pieces],
        }
        self.place.write(_MANIFEST, lambda file: file.write(json.dumps(told, indent=0).encode()))

    @cached_property
    def views(self) -> Views:
        """Its views, as they were fitted."""
        encoders = get_encoders(self.encoder)
        if len(encoders) != self.n_views:
            raise InputError(
                f"encoder {self.encoder!r} is {len(encoders)} views here, expected {self.n_views}, as where "
                "the pool was begun: install the same extras"
            )
        return Views.beside(tuple(View.restored(each, self._kept(at)) for at, each in enumerate(encoders)))

    def _kept(self, view: int) -> dict[str, Any]:
        with self.place.open(_view_name(view)) as file, np.load(io.BytesIO(file.read())) as held:
            return {name: held[name] for name in held.files}

    def shards(self) -> list[Shard]:
        """Return its finished shards.

        Raises
        ------
        InputError
            If some are not finished: a round ranks whole pools.
        """
        found = finished(self.place)
        if len(found) < len(self.pieces):
            raise InputError(
                f"{len(self.pieces) - len(found)} of {len(self.pieces)} shards of {self.place.address} are "
                "not finished: go on with jurybox encode"
            )
        return found

    def pending(self) -> list[int]:
        """Return the numbers of the shards that are not finished."""
        done = {shard.number for shard in finished(self.place)}
        return [number for number in range(len(self.pieces)) if number not in done]

    def made(self, number: int) -> int:
        """Make one shard; return how many texts it has."""
        ids, texts = read_piece(self.pieces[number], self.columns)
        rows: Rows16 = self.views.rows(texts).astype(np.float16)
        names = [f"{number:06d}-{row}" for row in range(len(texts))] if ids is None else ids
        Shard(self.place, number).write(names, texts, rows)
        return len(texts)


@dataclass(frozen=True)
class Making:
    """Makes shards by their numbers; each process that works on them reads the pool's views once."""

    address: str
    n_pieces: int

    def __call__(self, number: int) -> int:
        """Make one shard; return how many texts it has."""
        return _pool_here(self).made(number)


@lru_cache(maxsize=1)
def _pool_here(making: Making) -> EncodedPool:
    return EncodedPool.open(making.address)


def is_pool(address: str) -> bool:
    """Whether there is a pool at an address."""
    place = Place(address)
    if place.local is not None:
        return (place.local / _MANIFEST).is_file()
    return not address.startswith("postgres") and _MANIFEST in place.names("")


def encode(
    source: str,
    out: str,
    *,
    encoder: str = "auto",
    text: str | None = None,
    id_: str | None = None,
    rows: int = 50_000,
    over: Over = here,
    progress: Progress | None = None,
) -> int:
    """Encode the texts of a source into shards, or go on with it; return how many texts were encoded now.

    A finished shard is never made again. Files that the source did not have before are added at the end;
    those that it had are taken to be as they were.

    Parameters
    ----------
    source
        As in `jurybox.pool.sources.files_of`.
    out
        Folder or address of the pool; with a cluster, one that all its nodes see.
    encoder
        As in `jurybox.encoders.get_encoders`.
    text, id_
        Columns of texts and identifiers, see `jurybox.pool.sources.Columns`.
    rows
        Texts a shard, about.
    over
        What maps the work over pieces.
    progress
        Told of shards that are done.

    Raises
    ------
    InputError
        If `out` holds a pool that was begun in another way, or there is no text.
    FormatError
        If a file cannot be read, or a text or an identifier is missing.
    """
    if rows < 1:
        raise InputError(f"rows is {rows}, expected at least 1")
    place = Place(out)
    asked = Place(str(place.local)) if place.local is not None else place  # others may work in other folders
    pool = _begun(source, asked, encoder, text, id_, rows)
    pending = pool.pending()
    encoded = 0
    for done, size in enumerate(over(Making(asked.address, len(pool.pieces)), pending), 1):
        encoded += size
        if progress is not None:
            progress(done, len(pending))
    return encoded


def _begun(
    source: str, place: Place, encoder: str, text: str | None, id_: str | None, rows: int
) -> EncodedPool:
    """Open the pool at a place, with the files that have come since; make it where there is none."""
    known = EncodedPool.open(place.address) if is_pool(place.address) else None
    if known is not None and (known.encoder, known.rows) != (encoder, rows):
        raise InputError(
            f"{place.address} was begun with encoder {known.encoder!r} and {known.rows:,} texts a shard, "
            f"expected {encoder!r} and {rows:,}: name the same, or another folder"
        )
    columns: list[Columns] = [known.columns] if known is not None else []

    def checked(names: Sequence[str], file: str) -> Columns:
        found = Columns.among(names, file, text=text, id_=id_)
        if columns and found != columns[0]:
            raise InputError(f"{file} has {found}, expected {columns[0]}, as the files before it have")
        columns.append(found)
        return found

    seen = {piece.file for piece in known.pieces} if known is not None else set()
    own = f"{place.address.rstrip('/')}/"
    files = [file for file in files_of(source) if file not in seen and not file.startswith(own)]
    new = tuple(_cut(files, rows, checked))
    if known is not None:
        grown = replace(known, pieces=known.pieces + new)
        if new:
            grown.write()
        return grown
    sample = _sample(new, columns[0]) if columns else []
    if not sample:
        raise InputError(f"{source} has no text")
    views = fit_views(get_encoders(encoder), sample).views
    pool = EncodedPool(place, encoder, columns[0], rows, new, len(views))
    for at, view in enumerate(views):
        arrays = view.arrays()
        place.write(_view_name(at), lambda file, arrays=arrays: np.savez(file, **arrays))  # type: ignore[misc]
    pool.write()
    return pool


def _cut(
    files: Sequence[str], rows: int, checked: Callable[[Sequence[str], str], Columns]
) -> Iterator[Piece]:
    for file in files:
        yield from pieces_of(file, rows, lambda names, file=file: checked(names, file))  # type: ignore[misc]


def _sample(pieces: Sequence[Piece], columns: Columns) -> list[str]:
    """Return some texts, spread over some pieces, that views are fitted on."""
    places = np.linspace(0, len(pieces) - 1, min(len(pieces), _SAMPLE_PIECES)).round().astype(int)
    chosen = np.unique(places).tolist()
    texts = []
    for at in chosen:
        _, found = read_piece(pieces[at], columns)
        places = np.linspace(0, len(found) - 1, min(len(found), -(-_SAMPLE // len(chosen))))
        texts += [found[place] for place in places.round().astype(int)]
    return texts


def _view_name(view: int) -> str:
    return f"views/{view}.npz"
