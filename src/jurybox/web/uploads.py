"""Uploaded files between their preview and their import."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path, PurePath
from typing import IO

from fastapi import Request

from jurybox.errors import InputError, NotFoundError

_MOST = 4
_MOST_BYTES = 200
"""Of a file's name: file systems take 255, and whoever reads it may add something."""


def file_name(name: str) -> str:
    r"""Return the last part of the name that a client gives a file, as it can be stored here: not too long.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> file_name("C:\\texts\\reviews.csv"), len(file_name("x" * 300 + ".csv"))
    ('reviews.csv', 200)
    """
    plain = name.encode(errors="replace").decode()  # a form may say that its names are in any encoding
    base = PurePath(plain.replace("\\", "/")).name
    if not base or base.startswith(".") or any(ord(character) < 32 for character in base):
        raise InputError(f"the file is named {name!r:.80}, expected a name like reviews.csv")
    suffix = "".join(PurePath(base).suffixes[-2:])[-20:]
    stem = base.removesuffix(suffix).encode()[: _MOST_BYTES - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix


class Uploads:
    """A few uploaded files of one server; the oldest goes when there are too many, all go with the server."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="jurybox-uploads-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._paths: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, name: str, content: IO[bytes]) -> str:
        """Keep a file and return its key.

        Raises
        ------
        InputError
            If it has no usable name.

        Examples
        --------
        >>> import io
        >>> uploads = Uploads()
        >>> uploads.find(uploads.keep("../reviews.csv", io.BytesIO(b"text"))).name
        'reviews.csv'
        """
        base = file_name(name)
        key = secrets.token_urlsafe(16)
        folder = self._folder / key
        folder.mkdir()
        with (folder / base).open("wb") as file:
            shutil.copyfileobj(content, file)
        with self._lock:
            self._paths[key] = folder / base
            while len(self._paths) > _MOST:
                shutil.rmtree(self._paths.popitem(last=False)[1].parent, ignore_errors=True)
        return key

    def find(self, key: str) -> Path:
        """Return the path of a kept file; NotFoundError if it is gone."""
        with self._lock:
            if key not in self._paths:
                raise NotFoundError(
                    "the uploaded file is no longer here; upload it again", code="upload_gone"
                )
            return self._paths[key]

    def drop(self, key: str) -> None:
        """Delete a file that is not needed any more."""
        with self._lock:
            path = self._paths.pop(key, None)
        if path is not None:
            shutil.rmtree(path.parent, ignore_errors=True)


def get_uploads(request: Request) -> Uploads:
    """Return the uploads of the server that a request came to."""
    state = request.app.state
    if not hasattr(state, "uploads"):
        state.uploads = Uploads()
    uploads: Uploads = state.uploads
    return uploads
