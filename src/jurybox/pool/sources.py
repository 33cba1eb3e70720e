"""Texts in files at any address: how they are cut into the pieces that become shards, and how one is read.

A piece is a reference: a file, and from where to where. In Parquet and Arrow these are rows; in JSON Lines
they are bytes, so that nothing is read to cut a file: a piece has the lines that begin in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jurybox.errors import FormatError
from jurybox.formats.names import NAMES, plain_name
from jurybox.pool.shards import Place, scale

__all__ = ["Columns", "Piece", "files_of", "pieces_of", "read_piece"]

_LINES = (".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_ARROW = ".arrow"
_PROBE = 1 << 20  # bytes by which the length of a line is guessed


@dataclass(frozen=True)
class Columns:
    """Which columns are read.

    Attributes
    ----------
    text
        Of the texts.
    id
        Of the identifiers, ``id`` where there is such a column; None: texts are called by shard and row,
        such as ``000003-17``.
    """

    text: str
    id: str | None

    @classmethod
    def among(cls, names: Sequence[str], file: str, *, text: str | None, id_: str | None) -> Columns:
        """Find them among the columns of a file; names that are given must be there.

        Raises
        ------
        FormatError
            If there is no such column, or none that is called as texts are.
        """
        for given in (text, id_):
            if given is not None and given not in names:
                raise FormatError(f"has no column {given!r}; it has {', '.join(names)}", file=file)
        plain = {plain_name(name): name for name in reversed(names)}
        found = text or next((plain[name] for name in NAMES["text"] if name in plain), None)
        if found is None:
            raise FormatError(
                f"has no column that is called as texts are; it has {', '.join(names)}: name one with --text",
                file=file,
            )
        return cls(found, id_ or ("id" if "id" in names else None))


@dataclass(frozen=True)
class Piece:
    """A reference to some texts of one file.

    Attributes
    ----------
    file
        Its address.
    start, stop
        Rows, or bytes of JSON Lines.
    """

    file: str
    start: int
    stop: int


def files_of(source: str) -> list[str]:
    """Return the addresses of the files of a source, in order.

    Parameters
    ----------
    source
        A file, a pattern such as ``s3://bucket/part-*.parquet``, or a folder: of Parquet or JSON Lines files,
        or a data set of Hugging Face (saved, or at ``hf://datasets/owner/name``).

    Raises
    ------
    FormatError
        If there is none.
    """
    fs, path = Place(source).file_system()
    if any(sign in path for sign in "*?["):
        found = fs.glob(path)
    else:
        found = fs.find(path) if fs.isdir(path) else [path] if fs.exists(path) else []
    kinds = (*_LINES, *_PARQUET, _ARROW)
    files = sorted(one for one in map(str, found) if one.lower().endswith(kinds))
    if not files:
        raise FormatError(f"has no file whose name ends with {', '.join(kinds)}", file=source)
    return files if Place(source).local is not None else [str(fs.unstrip_protocol(one)) for one in files]


def pieces_of(file: str, rows: int, columns: Callable[[Sequence[str]], Columns]) -> list[Piece]:
    """Cut a file into pieces of about so many texts each; `columns` says whether its columns are in order."""
    if file.lower().endswith(_LINES):
        with _opened(file) as lines:
            size = int(lines.seek(0, 2))
            lines.seek(0)
            probe = lines.read(_PROBE)
        first = probe.split(b"\n", 1)[0]
        if not probe.strip():
            return []
        columns(list(_object(first, file, 0)))
        step = max(1, rows * len(probe) // max(1, probe.count(b"\n")))
    else:
        size, names = _arrow_size(file)
        columns(names)
        step = rows
    return [Piece(file, start, min(start + step, size)) for start in range(0, size, step)]


def read_piece(piece: Piece, columns: Columns) -> tuple[list[str] | None, list[str]]:
    """Return the identifiers, where there is a column of them, and the texts of a piece.

    Raises
    ------
    FormatError
        If a text or an identifier is missing, naming file and row.
    """
    wanted = [columns.text, *([columns.id] if columns.id else [])]
    rows = _lines(piece) if piece.file.lower().endswith(_LINES) else _arrow_rows(piece, wanted)
    texts, ids = [], []
    for at, row in rows:
        text, called = row.get(columns.text), row.get(columns.id) if columns.id else at
        if not isinstance(text, str) or called is None or called == "":
            raise FormatError(
                f"has no {'text' if not isinstance(text, str) else 'identifier'} at {at}", file=piece.file
            )
        texts.append(text)
        ids.append(str(called))
    return (ids if columns.id else None), texts


def _opened(file: str) -> Any:
    folder, _, name = file.rpartition("/")
    return Place(folder or "/").open(name)


def _lines(piece: Piece) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield where each line of a piece begins, in bytes, and the object that it is."""
    with _opened(piece.file) as file:
        at = max(piece.start - 1, 0)
        file.seek(at)
        if piece.start:  # what is left of the line before
            at += len(file.readline())
        while at < piece.stop and (line := file.readline()):
            if line.strip():
                yield at, _object(line, piece.file, at)
            at += len(line)


def _object(line: bytes, file: str, at: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise FormatError(f"is no JSON at byte {at}: {error}", file=file) from error
    if not isinstance(found, dict):
        raise FormatError(f"has a {type(found).__name__} at byte {at}, expected an object", file=file)
    return found


def _arrow_size(file: str) -> tuple[int, list[str]]:
    """Return how many rows a Parquet or Arrow file has, and its columns."""
    with _opened(file) as held:
        if file.lower().endswith(_PARQUET):
            parquet = scale("pyarrow.parquet").ParquetFile(held)
            return int(parquet.metadata.num_rows), list(parquet.schema_arrow.names)
        batches = _stream(held)
        names = list(batches.schema.names)
        return sum(batch.num_rows for batch in batches), names


def _arrow_rows(piece: Piece, wanted: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number of each row of a piece, and the columns wanted."""
    with _opened(piece.file) as held:
        at = 0
        for batch in _batches(held, piece, wanted):
            start, stop = max(piece.start - at, 0), min(piece.stop - at, batch.num_rows)
            if start < stop:
                rows = batch.slice(start, stop - start).select(wanted).to_pylist()
                yield from enumerate(rows, at + start)
            at += batch.num_rows
            if at >= piece.stop:
                return


def _batches(held: Any, piece: Piece, wanted: list[str]) -> Iterator[Any]:
    """Yield tables that follow each other from the file's first row on; those before a piece stay unread."""
    arrow = scale("pyarrow")
    if not piece.file.lower().endswith(_PARQUET):
        for batch in _stream(held):
            yield arrow.Table.from_batches([batch])
        return
    parquet, at = scale("pyarrow.parquet").ParquetFile(held), 0
    for group in range(parquet.num_row_groups):
        size = parquet.metadata.row_group(group).num_rows
        if at + size <= piece.start:
            yield arrow.table({name: arrow.nulls(size) for name in wanted})
        else:
            yield parquet.read_row_group(group, columns=wanted)
        at += size


def _stream(held: Any) -> Any:
    """Open an Arrow stream, as data sets are saved, or an Arrow file."""
    ipc = scale("pyarrow.ipc")
    if held.read(6) == b"ARROW1":
        file = ipc.open_file(held)
        return (
            scale("pyarrow")
            .Table.from_batches([file.get_batch(at) for at in range(file.num_record_batches)], file.schema)
            .to_reader()
        )
    held.seek(0)
    return ipc.open_stream(held)
