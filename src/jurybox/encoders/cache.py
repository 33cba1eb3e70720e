"""Features on disk: a text is encoded once by each view.

Each view has a folder with what it was fitted to, and segments: ``.npz`` files that hold the digests of some
texts and their rows, in float16. A segment is written under a temporary name and renamed when complete, and
never changed afterwards, so readers and writers in several processes need no lock. The zip format's checksums
show a damaged segment: it is removed and its texts encoded again. The whole cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.encoders.base import Progress, text_digest

_log = logging.getLogger("jurybox.encoders.cache")

Rows: TypeAlias = NDArray[np.float16]

CHUNK = 4096
_MANY_SEGMENTS = 32
_SMALL_BYTES = 1 << 20  # a segment below this size is merged with others
_VIEWS_KEPT = 32
_FITTED = "view.fitted"
STALE_SECONDS = 3600.0
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class RowMaker(Protocol):
    """Makes rows of texts; two of the same name make the same."""

    @property
    def name(self) -> str:
        """Identity."""
        ...

    def rows(self, texts: Sequence[str], progress: Progress | None = None) -> Rows:
        """Rows of the texts, shape (n, C)."""
        ...


@dataclass(frozen=True)
class FeatureCache:
    """Rows by view and text, kept in a folder.

    Parameters
    ----------
    folder
        Where to keep them; made when the first rows are written.

    Examples
    --------
    >>> import tempfile
    >>> from jurybox.encoders import fit_views, get_encoders
    >>> cache = FeatureCache(Path(tempfile.mkdtemp()))
    >>> texts = ["good soup", "bad soup", "cold bread"]
    >>> views = fit_views(get_encoders("tfidf"), texts, cache=cache)
    >>> bool((views.rows(texts) == fit_views(get_encoders("tfidf"), texts, cache=cache).rows(texts)).all())
    True
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    def rows(
        self, view: RowMaker, texts: Sequence[str], progress: Progress | None = None, *, write: bool = True
    ) -> Rows:
        """Rows of the texts, shape (N, C); only texts that this view has never seen are encoded.

        Parameters
        ----------
        progress
            Called with (texts encoded, texts to encode); not called where every text is known.
        write
            Whether those are kept; not where they are kept by their number (`jurybox.encoders.by_number`).
        """
        if not texts:
            return view.rows(texts)
        shelf = self._shelf(view.name)
        digests = [text_digest(text) for text in texts]
        found = shelf.read(set(digests))
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in found}
        for part in _parts(view, list(missing.values()), progress):
            encoded = dict(zip(list(missing)[part.start : part.stop], part.rows, strict=True))
            if write:
                shelf.write(encoded)
            found.update(encoded)
        if missing and write:
            shelf.compact()
        return np.stack([found[digest] for digest in digests])

    def keep(self, name: str, fitted: Mapping[str, NDArray[Any]], rows: Mapping[str, NDArray[Any]]) -> None:
        """Keep what a view was fitted to, by which it is known again, and rows of some texts."""
        shelf = self._shelf(name)
        if rows:
            shelf.write({text_digest(text): np.asarray(row, np.float16) for text, row in rows.items()})
        shelf.put(_FITTED, fitted)
        self._forget_old_views()

    def kept(self, source: str) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Yield what the views kept here were fitted to, of those whose ``source`` is this one."""
        for path in sorted(self.folder.glob(f"*/{_FITTED}")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as fitted:
                    if str(fitted["source"]) != source:
                        continue
                    arrays = {name: fitted[name] for name in fitted.files}
            except FileNotFoundError:  # forgotten by someone else meanwhile
                continue
            except DAMAGE as error:
                _log.warning("view %s is damaged (%s); it is fitted anew", path, error)
                path.unlink(missing_ok=True)
                continue
            yield arrays

    def pool_folder(self, name: str) -> Path:
        """Return where the shards of a view are."""
        return self._shelf(name).folder / "pool"

    def _shelf(self, name: str) -> _Shelf:
        return _Shelf(self.folder / _folder_name(name))

    def _forget_old_views(self) -> None:
        """Keep the views used last: a pool that doubles makes a new one."""
        views = [(modified(path), path) for path in self.folder.glob("*") if (path / _FITTED).exists()]
        for _, path in sorted(views)[:-_VIEWS_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def modified(path: Path) -> float:
    """Time of the last change; 0 for what is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of texts from ``start`` up to ``stop``."""

    start: int
    stop: int
    rows: Rows


def _parts(view: RowMaker, texts: Sequence[str], progress: Progress | None) -> Iterator[_Part]:
    """Encode a few thousand texts at a time, so that an interruption loses little and memory is bounded."""
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]

        def report(done: int, _: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, len(texts))

        yield _Part(start, start + len(chunk), view.rows(chunk, report))


def encoded_in_chunks(view: RowMaker, texts: Sequence[str], progress: Progress | None = None) -> Rows:
    """Rows of the texts, shape (N, C), that are kept nowhere."""
    if not texts:
        return view.rows(texts)
    return np.concatenate([part.rows for part in _parts(view, texts, progress)])


def _size(path: Path) -> int:
    """Bytes of a file; none for what is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _folder_name(encoder_name: str) -> str:
    """Make a folder name that people can tell apart and that no two encoders share."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", encoder_name)[:40].strip("-.")
    return f"{readable}-{hashlib.sha256(encoder_name.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class _Shelf:
    """The files of one view."""

    folder: Path

    def read(self, wanted: set[bytes]) -> dict[bytes, Rows]:
        """Features of those wanted texts that are known."""
        found: dict[bytes, Rows] = {}
        for path in self._segments():
            found.update(self._read_segment(path, wanted - found.keys()))
        return found

    def put(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a file of arrays; after a crash it is either complete or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{uuid.uuid4().hex}.tmp"
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)

    def write(self, features: dict[bytes, Rows]) -> None:
        """Add a segment."""
        digests = np.frombuffer(b"".join(features), np.uint8).reshape(len(features), -1)
        self.put(
            f"{uuid.uuid4().hex}.npz", {"digests": digests, "features": np.stack(list(features.values()))}
        )

    def compact(self) -> None:
        """Merge small segments where there are many; the merged one is written before the old ones go."""
        segments = [path for path in self._segments() if _size(path) < _SMALL_BYTES]
        if len(segments) < _MANY_SEGMENTS:
            return
        self._remove_leftovers()
        merged: dict[bytes, Rows] = {}
        for path in segments:
            merged.update(self._read_segment(path, None))
        if merged:
            self.write(merged)
        for path in segments:
            path.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove what writers that were killed long ago left half-written."""
        for path in self.folder.glob("*.tmp"):
            if time.time() - modified(path) > STALE_SECONDS:
                path.unlink(missing_ok=True)

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.npz"))

    def _read_segment(self, path: Path, wanted: set[bytes] | None) -> dict[bytes, Rows]:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as segment:
                return _rows(segment, wanted)
        except FileNotFoundError:  # merged into another segment by someone else meanwhile
            return {}
        except DAMAGE as error:
            _log.warning("cache segment %s is damaged (%s); its texts are encoded again", path, error)
            path.unlink(missing_ok=True)
            return {}


def _rows(segment: Any, wanted: set[bytes] | None) -> dict[bytes, Rows]:
    """Wanted rows of a segment (all for None); the features are read only where one is wanted."""
    digests = [row.tobytes() for row in segment["digests"]]
    rows = {digest: row for row, digest in enumerate(digests) if wanted is None or digest in wanted}
    if not rows:
        return {}
    features = segment["features"]
    if features.dtype != np.float16 or features.ndim != 2 or len(features) != len(digests):
        raise ValueError(f"features of shape {features.shape}, {features.dtype} for {len(digests)} texts")
    return {digest: features[row] for digest, row in rows.items()}
