"""Features on disk: a text is encoded once in its life.

Each encoder has a folder of segments, ``.npz`` files that hold the digests of some texts and their
features. A segment is written under a temporary name and renamed when complete, and never changed
afterwards, so readers and writers in several processes need no lock. The zip format's checksums show a
damaged segment: it is removed and its texts encoded again. The whole cache may be deleted at any time.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.encoders.base import FITTED_PREFIX, Encoder, Features, Progress, check_texts, text_digest

_log = logging.getLogger("jurybox.encoders.cache")

_CHUNK = 4096
_MANY_SEGMENTS = 32
_POOLS_KEPT = 8
_STALE_SECONDS = 3600.0
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class FeatureCache:
    """Features by encoder and text, kept in a folder.

    Parameters
    ----------
    folder
        Where to keep them; made when the first features are written.

    Examples
    --------
    >>> import tempfile
    >>> from jurybox.encoders import get_encoder
    >>> cache = FeatureCache(Path(tempfile.mkdtemp()))
    >>> texts = ["good soup", "bad soup", "cold bread"]
    >>> encoder = get_encoder("tfidf").fit(texts)
    >>> bool((cache.features(encoder, texts) == cache.features(encoder, texts)).all())
    True
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    def features(self, encoder: Encoder, texts: Sequence[str], progress: Progress | None = None) -> Features:
        """Features of the texts, shape (N, D); only texts never seen by this encoder are encoded.

        An encoder that must be fitted and is not is fitted on these texts.

        Parameters
        ----------
        progress
            Called with (texts encoded, texts to encode); not called where every text is known.
        """
        texts = check_texts(texts)
        encoder = encoder if encoder.is_fitted else encoder.fit(texts)
        if not texts:
            return encoder.encode(texts)
        shelf = _Shelf(self.folder / _folder_name(encoder.name))
        digests = [text_digest(text) for text in texts]
        found = shelf.read(set(digests))
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in found}
        for encoded in _encode_in_chunks(encoder, missing, progress):
            shelf.write(encoded)
            found.update(encoded)
        if missing:
            shelf.compact()
            self._forget_old_pools()
        return np.stack([found[digest] for digest in digests])

    def _forget_old_pools(self) -> None:
        """Keep the features of the latest pools of a fitted encoder: each text added makes a new pool."""
        pools = [(_modified(path), path) for path in self.folder.glob(f"{FITTED_PREFIX}-*")]
        for _, path in sorted(pools)[:-_POOLS_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def _modified(path: Path) -> float:
    """Time of the last change; 0 for what is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _encode_in_chunks(
    encoder: Encoder, missing: dict[bytes, str], progress: Progress | None
) -> Iterator[dict[bytes, Features]]:
    """Encode a few thousand texts at a time, so that an interruption loses little."""
    digests = list(missing)
    for start in range(0, len(digests), _CHUNK):
        chunk = digests[start : start + _CHUNK]

        def report(done: int, _: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, len(digests))

        features = encoder.encode([missing[digest] for digest in chunk], progress=report)
        yield dict(zip(chunk, features, strict=True))


def _folder_name(encoder_name: str) -> str:
    """Make a folder name that people can tell apart and that no two encoders share."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", encoder_name)[:40].strip("-.")
    return f"{readable}-{hashlib.sha256(encoder_name.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class _Shelf:
    """The segments of one encoder."""

    folder: Path

    def read(self, wanted: set[bytes]) -> dict[bytes, Features]:
        """Features of those wanted texts that are known."""
        found: dict[bytes, Features] = {}
        for path in self._segments():
            found.update(self._read_segment(path, wanted - found.keys()))
        return found

    def write(self, features: dict[bytes, Features]) -> None:
        """Add a segment; after a crash it is either complete or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid.uuid4().hex}.npz"
        temporary = path.with_suffix(".tmp")
        digests = np.frombuffer(b"".join(features), np.uint8).reshape(len(features), -1)
        with temporary.open("wb") as file:
            np.savez(file, digests=digests, features=np.stack(list(features.values())))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def compact(self) -> None:
        """Merge the segments where there are many; the merged one is written before the old ones go."""
        segments = self._segments()
        if len(segments) < _MANY_SEGMENTS:
            return
        self._remove_leftovers()
        merged: dict[bytes, Features] = {}
        for path in segments:
            merged.update(self._read_segment(path, None))
        if merged:
            self.write(merged)
        for path in segments:
            path.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove what writers that were killed long ago left half-written."""
        for path in self.folder.glob("*.tmp"):
            if time.time() - _modified(path) > _STALE_SECONDS:
                path.unlink(missing_ok=True)

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.npz"))

    def _read_segment(self, path: Path, wanted: set[bytes] | None) -> dict[bytes, Features]:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as segment:
                return _rows(segment, wanted)
        except FileNotFoundError:  # merged into another segment by someone else meanwhile
            return {}
        except _DAMAGE as error:
            _log.warning("cache segment %s is damaged (%s); its texts are encoded again", path, error)
            path.unlink(missing_ok=True)
            return {}


def _rows(segment: Any, wanted: set[bytes] | None) -> dict[bytes, Features]:
    """Wanted rows of a segment (all for None); the features are read only where one is wanted."""
    digests = [row.tobytes() for row in segment["digests"]]
    rows = {digest: row for row, digest in enumerate(digests) if wanted is None or digest in wanted}
    if not rows:
        return {}
    features = segment["features"]
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != len(digests):
        raise ValueError(f"features of shape {features.shape}, {features.dtype} for {len(digests)} texts")
    return {digest: features[row] for digest, row in rows.items()}
