"""What a file is: its format, its encoding and its delimiter, told from its name and its bytes.

Nothing is guessed that cannot be told: a file that is neither UTF-8 nor UTF-16 nor plausible Western European
text is refused with a request to name its encoding, because a wrong guess would store garbage that looks like
text.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from jurybox.errors import FormatError, InputError

__all__ = [
    "BROKEN_FILE",
    "FORMATS",
    "open_binary",
    "open_text",
    "sniff_delimiter",
    "sniff_encoding",
    "sniff_format",
]

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "huggingface", "folder", "label-studio", "doccano")

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BROKEN_FILE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged or vanished file raises."""

_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WESTERN = frozenset(
    "àâäáãåæçéèêëíìîïñóòôöõøœßúùûüýÿðþšžÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝÐÞŠŽ"
    "¡¿«»‹›„“”‚‘’–—…•·€£¥§°²³µ½¼¾©®™ªº\xa0\xad"
)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking gzip, bzip2 and xz on the way.

    Raises
    ------
    FormatError
        If there is no such file or it may not be read.
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
        return path.open("rb")
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", file=str(path)) from error


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


def sniff_format(path: Path) -> str:
    """Tell the format of a file or folder, one of `FORMATS`.

    Raises
    ------
    FormatError
        If the file does not exist, or is of a kind that cannot be read.
    """
    if path.is_dir():
        saved_dataset = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
        return "huggingface" if saved_dataset else "folder"
    with _reading(path) as file:
        head = file.read(4096)
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    for suffix in reversed(suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-")):
        problem = "is a spreadsheet, an archive or a PDF; save it as CSV (UTF-8) first"
        raise FormatError(problem, file=str(path), code="binary")
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"


def sniff_encoding(path: Path) -> str:
    """Tell the encoding of a text file by its byte order mark, else by decoding all of it.

    Raises
    ------
    FormatError
        If the file is broken UTF-8, or in an encoding that cannot be told from its bytes.
    """
    with _reading(path) as file:
        head = file.read(_SAMPLE)
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    units = max(len(head) // 2, 1)
    if head[1::2].count(0) > 0.3 * units and head[1::2].count(0) > 9 * head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > 0.3 * units and head[::2].count(0) > 9 * head[1::2].count(0):
        return "utf-16-be"
    line = _first_line_not_utf8(path)
    return "utf-8" if line is None else _single_byte_encoding(path, line)


def _first_line_not_utf8(path: Path) -> int | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with _reading(path) as file:
        for block in _blocks(file):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return lines + error.object[: error.start].count(b"\n")
            lines += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return lines
    return None


def _single_byte_encoding(path: Path, line: int) -> str:
    sample = _bytes_around_high_ones(path)
    high = sum(byte > 0x7F for byte in sample)
    in_sequences = sum(len(found) for found in _UTF8_SEQUENCE.findall(sample))
    if in_sequences > high / 2:
        problem = f"is UTF-8 with wrong bytes (the first in line {line}); repair it, or name its encoding"
        raise FormatError(problem, file=str(path), code="encoding")
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    characters = sample.decode("cp1252", errors="replace")
    western = sum(character in _WESTERN for character in characters)
    if western >= 0.95 * high and high <= 0.35 * (letters + high):
        return "cp1252"
    problem = (
        f"is not UTF-8 (line {line}), and its encoding cannot be told; name it, e.g. cp1251 or shift_jis"
    )
    raise FormatError(problem, file=str(path), code="encoding")


def _bytes_around_high_ones(path: Path) -> bytes:
    sample = bytearray()
    with _reading(path) as file:
        for block in _blocks(file):
            for found in re.finditer(rb"[\x80-\xff]+", block):
                sample += block[max(found.start() - 8, 0) : found.end() + 8]
                if len(sample) > _SAMPLE:
                    return bytes(sample)
    return bytes(sample)


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open_binary(path) as file:
            yield file
    except BROKEN_FILE as error:
        raise FormatError(f"is damaged or cut off: {error}", file=str(path)) from error


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def sniff_delimiter(sample: Sequence[str], file: str) -> str:
    """Tell which of ``, ; tab |`` separates the cells of some whole lines.

    The one wins under which most rows are as wide as the header; among equals the one with more columns.

    Raises
    ------
    FormatError
        If there is no line at all.
    """
    if not any(line.strip() for line in sample):
        raise FormatError("is empty", file=file, code="empty_file")
    return max(",;\t|", key=lambda delimiter: _fit(sample, delimiter))


def _fit(sample: Sequence[str], delimiter: str) -> tuple[float, int]:
    widths: Counter[int] = Counter()
    header = 0
    try:
        for row in csv.reader(sample, delimiter=delimiter):
            header = header or len(row)
            widths[len(row)] += bool(row)
    except csv.Error:
        return (0.0, 0)
    return (round(widths[header] / widths.total(), 2), header) if header > 1 else (0.0, header)
