"""What files come wrapped in: gzip, bzip2, xz, Zstandard and ZIP."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from jurybox.errors import FormatError, InputError, require

__all__ = ["BROKEN_FILE", "Unpacked", "archive_kind", "open_binary", "open_text", "reading", "unpack"]

BROKEN_FILE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What reading a damaged or vanished file raises."""
_BROKEN_ZIP = (*BROKEN_FILE, RuntimeError, NotImplementedError, ValueError)
"""What reading a damaged archive raises: encrypted, packed in another way, with names that are no text."""

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MOST_BYTES = 1 << 35
_MOST_FILES = 100_000
_MOST_RATIO = 2_000
_DEEPEST = 3


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking gzip, bzip2, xz and Zstandard on the way.

    Raises
    ------
    FormatError
        If there is no such file or it may not be read.
    MissingExtraError
        If Zstandard is not installed where it is needed.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(6)
        if head.startswith(b"\x1f\x8b"):
            return cast(BinaryIO, gzip.open(path, "rb"))
        if head.startswith(b"BZh"):
            return cast(BinaryIO, bz2.open(path, "rb"))
        if head.startswith(b"\xfd7zXZ\x00"):
            return cast(BinaryIO, lzma.open(path, "rb"))
        if head.startswith(_ZSTD):
            return _zstandard(path)
        return path.open("rb")
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", file=str(path)) from error


def _zstandard(path: Path) -> BinaryIO:
    zstandard = require("zstandard", extra="tables")

    class Unpacked(io.RawIOBase):
        """What a Zstandard file holds; its errors are those of a damaged file."""

        def __init__(self) -> None:
            self._raw = path.open("rb")
            self._reader = zstandard.ZstdDecompressor().stream_reader(self._raw, read_across_frames=True)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
            try:
                return int(self._reader.readinto(buffer))
            except zstandard.ZstdError as error:
                raise OSError(str(error)) from error

        def close(self) -> None:
            self._raw.close()
            super().close()

    return cast(BinaryIO, io.BufferedReader(Unpacked(), 1 << 16))


def open_text(path: Path, encoding: str) -> IO[str]:
    """Open a file as text with its line ends as they are; wrong bytes raise UnicodeDecodeError on reading."""
    binary = open_binary(path)
    try:
        return io.TextIOWrapper(binary, encoding=encoding, errors="strict", newline="")
    except LookupError as error:
        binary.close()
        raise InputError(
            f"{encoding!r} is not the name of a text encoding; try utf-8, utf-16, cp1252 or shift_jis"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading its bytes; what is damaged raises FormatError."""
    try:
        with open_binary(path) as file:
            yield file
    except BROKEN_FILE as error:
        raise FormatError(f"is damaged or cut off: {error}", file=str(path)) from error


def archive_kind(path: Path) -> str | None:
    """Tell ``zip`` archives and ``sheet``s from their bytes, whatever their name; ``binary`` is neither.

    Raises
    ------
    FormatError
        If the file cannot be read.
    """
    with reading(path) as file:
        head = file.read(512)
    if head.startswith(_OLE):
        return "sheet"
    if (
        head.startswith((b"%PDF-", b"Rar!", b"7z\xbc\xaf", b"\x89PNG", b"\xff\xd8\xff", b"SQLite format 3\0"))
        or head[257:262] == b"ustar"
    ):
        return "binary"
    if not head.startswith((_ZIP, b"PK\x05\x06")):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            mimetype = archive.open("mimetype").read(100) if "mimetype" in names else b""
    except _BROKEN_ZIP as error:
        raise FormatError(
            f"is an archive (ZIP or Excel) that is damaged: {error}", file=str(path), code="binary"
        ) from error
    if b"opendocument.spreadsheet" in mimetype or any(name.startswith("xl/workbook") for name in names):
        return "sheet"
    return "binary" if {"[Content_Types].xml", "mimetype"} & names else "zip"


class Unpacked:
    """A folder that vanishes with this object, and the files in it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jurybox-zip-"))
        self.files: list[Path] = []
        self.drop = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def unpack(path: Path) -> Unpacked:
    """Unpack a ZIP archive, and archives in it.

    Raises
    ------
    FormatError
        If it is damaged, encrypted, holds nothing, or would not fit.
    """
    held = Unpacked()
    try:
        held.files += _unpacked(path, held.folder, _MOST_BYTES, 1)
    except (*_BROKEN_ZIP, FormatError) as error:
        held.drop()
        if isinstance(error, FormatError):
            raise error.within(str(path), error.problem) from error
        raise FormatError(
            f"is an archive that cannot be unpacked: {error}", file=str(path), code="binary"
        ) from error
    if not held.files:
        held.drop()
        raise FormatError("is an archive without files", file=str(path), code="empty_file")
    return held


def _unpacked(path: Path, folder: Path, most: int, depth: int) -> list[Path]:
    """Unpack an archive into a folder, and those in it into folders of their names; return the files."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if _is_data(member)]
        total = sum(member.file_size for member in members)
        packed = max(sum(member.compress_size for member in members), 1)
        too_dense = total > 1 << 27 and total > _MOST_RATIO * packed
        if len(members) > _MOST_FILES or total > most or too_dense or depth > _DEEPEST:
            raise _too_much(path)
        files = [_extracted(archive, member, folder) for member in members]
    most -= total
    for file in [file for file in files if _starts_like_zip(file) and archive_kind(file) == "zip"]:
        home = file.with_suffix("")
        if home.exists():
            home = file.with_name(f"{file.name}.unpacked")
        files.remove(file)
        inner = _unpacked(file, home, most, depth + 1)
        file.unlink()
        most -= sum(one.stat().st_size for one in inner)
        files += inner
        if len(files) > _MOST_FILES:
            raise _too_much(path)
    return files


def _too_much(path: Path) -> FormatError:
    return FormatError("is an archive that unpacks to too much; unpack it yourself", file=str(path))


def _starts_like_zip(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == _ZIP


def _is_data(held: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(held.filename).parts
    if not parts:
        raise zipfile.BadZipFile("a file in it has no name")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return not held.is_dir() and not hidden and parts[-1].lower() not in ("thumbs.db", "desktop.ini")


def _extracted(archive: zipfile.ZipFile, held: zipfile.ZipInfo, folder: Path) -> Path:
    parts = [
        part for part in PurePosixPath(held.filename.replace("\\", "/")).parts if part not in ("/", "..", ".")
    ]
    target = folder.joinpath(*(part.replace(":", "_").replace("\0", "_")[-200:] for part in parts))
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(held) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    return target
