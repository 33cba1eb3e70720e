"""What a file is: its format, delimiter and encoding, told from its name and its bytes.

UTF-8 and UTF-16 are known for sure, code pages are guessed. What is broken UTF-8 is no code page: a wrong
guess would store garbage that looks like text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from charset_normalizer import from_bytes

from jurybox.errors import FormatError
from jurybox.formats.containers import archive_kind, reading

__all__ = ["DELIMITERS", "FORMATS", "is_guess", "sniff_delimiter", "sniff_encoding", "sniff_format"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DELIMITERS = ",;\t|"
_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WESTERN_LETTERS = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœßúùûüÀÂÄÁÅÆÇÉÈÊËÍÎÑÓÔÖØŒÚÛÜ")
_WESTERN = _WESTERN_LETTERS | frozenset("ÃÌÏÒÕÙÝÐÞýÿðþšžŠŽ¡¿«»‹›„“”‚‘’–—…•·€£¥§°²³µ½¼¾©®™ªº\xa0\xad")
_OF_CYRILLIC = ("cp1251", "koi8_r", "mac_cyrillic")
_CYRILLIC = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў")
_SIGNS = frozenset("¡¿«»‹›„“”‚‘’–—…•·№€£§°©®\xa0\xad")
_FREQUENT = {
    "cp1251": "оеаинтсрвлк",
    "koi8_r": "оеаинтсрвлк",
    "mac_cyrillic": "оеаинтсрвлк",
    "cp1253": "αοιετσνηυρς",
    "cp1255": "יוהלאתרבשמם",
    "cp1256": "اليمنوترهب",
    "cp1254": "ığşçöüİÇÖÜŞ",
    "cp1257": "ėšįųąčžūęāīēļņģķõäöü",
    "cp1250": "íáéýěščřžůúňťďąęłóśćżźńőűöüășțâî",
    "iso8859_2": "íáéýěščřžůúňťďąęłóśćżźńőűöüă",
    "cp932": "のにはをたがでてとしれさいるあり",
    "euc_jp": "のにはをたがでてとしれさいるあり",
    "gb18030": "的一是不了人我在有这他们你到说就",
    "big5": "的一是不了人我在有這他們你到說就",
    "cp949": "이다는을가의에하고지은를기로어리나요도니",
}
"""The code pages that are told apart, and the letters of which their languages are full."""
_MOST_CHAOS = 0.25


def is_guess(encoding: str) -> bool:
    """Whether an encoding that `sniff_encoding` returned may be wrong."""
    return not encoding.startswith("utf")


def sniff_encoding(path: Path) -> str:
    """Tell the encoding of a text file by its byte order mark, else by decoding all of it.

    Raises
    ------
    FormatError
        If the file is broken UTF-8, or in an encoding that cannot be told from its bytes.
    """
    with reading(path) as file:
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
    return "utf-8" if line is None else _code_page(path, line)


def _first_line_not_utf8(path: Path) -> int | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with reading(path) as file:
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


def _code_page(path: Path, line: int) -> str:
    sample = _lines_with_high_bytes(path)
    high = sum(byte > 0x7F for byte in sample)
    in_sequences = sum(len(found) for found in _UTF8_SEQUENCE.findall(sample))
    if in_sequences > high / 2 and in_sequences > 2:
        problem = f"is UTF-8 with wrong bytes (the first in line {line}); repair it, or name its encoding"
        raise FormatError(problem, file=str(path), code="encoding")
    guess = _western(sample, high) or _by_language(sample)
    if guess is None:
        problem = (
            f"is not UTF-8 (line {line}), and its encoding cannot be told; name it, e.g. cp1251 or shift_jis"
        )
        raise FormatError(problem, file=str(path), code="encoding")
    return guess


def _western(sample: bytes, high: int) -> str | None:
    """Return the code page of Windows or of old Macs, whichever gives more letters of Western Europe."""
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high > 0.35 * (letters + high):
        return None
    found: dict[str, tuple[float, float]] = {}
    for encoding in ("cp1252", "mac_roman"):
        special = [char for char in sample.decode(encoding, errors="replace") if char > "\x7f"]
        plausible = sum(char in _WESTERN for char in special)
        if plausible >= 0.95 * len(special):
            common = sum(char in _WESTERN_LETTERS for char in special)
            # a capital amid a word speaks against the code page
            odd = len(
                re.findall(
                    r"[a-z][ÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜŽŠŸ](?=[a-z])",
                    sample.decode(encoding, errors="replace"),
                )
            )
            found[encoding] = (common - 2 * odd, plausible)
    return max(found, key=found.__getitem__) if found else None


def _by_language(sample: bytes) -> str | None:
    matches = [
        (found.encoding, found.chaos, str(found))
        for found in from_bytes(sample, cp_isolation=list(_FREQUENT), threshold=_MOST_CHAOS)
        if found.encoding in _FREQUENT
    ]
    return max(matches, key=lambda match: _plausibility(*match), default=("",))[0] or None


def _plausibility(encoding: str, chaos: float, text: str) -> float:
    """Return how well the letters are those of the language: signs that no text has speak against it."""
    special = [char for char in text.lower() if char > "\x7f" and char not in _SIGNS]
    frequent = sum(char in _FREQUENT[encoding] for char in special)
    odd = sum(char not in _CYRILLIC for char in special) if encoding in _OF_CYRILLIC else 0
    # Lower case is alike in the code pages of Windows and Macs, and Windows wrote most files.
    return (frequent - odd) / max(len(special), 1) - chaos - 0.02 * encoding.startswith("mac")


def _lines_with_high_bytes(path: Path) -> bytes:
    sample = bytearray()
    with reading(path) as file:
        for block in _blocks(file):
            for found in re.finditer(rb"[^\r\n]{0,80}[\x80-\xff][^\r\n]{0,400}", block):
                sample += found[0] + b"\n"
                if len(sample) > _SAMPLE:
                    return bytes(sample)
    return bytes(sample)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


FORMATS = (
    *(
        "csv",
        "tsv",
        "jsonl",
        "json",
        "parquet",
        "arrow",
        "sheet",
        "zip",
        "lines",
        "huggingface",
        "folder",
        "webanno",
    ),
    *(
        "label-studio",
        "doccano",
        "argilla",
        "prodigy",
        "potato",
        "lighttag",
        "lewidi",
        "mturk",
        "toloka",
        "appen",
    ),
    *("google-forms", "qualtrics", "inception", "crowd-kit"),
)

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}


_NOT_READ = (
    (b"<!doctype html", "is a web page, not the file itself; download it anew"),
    (b"<html", "is a web page, not the file itself; download it anew"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"),
    (b"<?xml", "is XML, which is not read; export it as CSV or JSON"),
)
"""How files begin that hold no records, and what to do about it."""


def sniff_format(path: Path) -> str:
    """Tell the format of a file or folder: how it is written, not which tool wrote it.

    Raises
    ------
    FormatError
        If the file does not exist, or is of a kind that cannot be read.
    """
    if path.is_dir():
        saved_dataset = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
        return "huggingface" if saved_dataset else "folder"
    kind = archive_kind(path)
    if kind == "binary":
        problem = "is an archive, a document, a database or a picture, whatever its name"
        problem = f"{problem}; unpack it, or save the table as CSV (UTF-8)"
        raise FormatError(problem, file=str(path), code="binary")
    if kind is not None:
        return kind
    with reading(path) as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    bare = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for sign, problem in _NOT_READ:
        if bare[:60].lower().startswith(sign):
            raise FormatError(problem, file=str(path))
    if {".yaml", ".yml"} & {*_suffixes(path)}:
        raise FormatError("is YAML, which is not read; export it as CSV or JSON", file=str(path))
    if bare.startswith(b"#FORMAT=WebAnno"):
        return "webanno"
    if bare.startswith(b"__label__"):
        return "lines"
    named = next((_BY_SUFFIX[suffix] for suffix in _suffixes(path) if suffix in _BY_SUFFIX), None)
    if named in ("csv", "tsv") and re.match(rb"""\[\s*\{\s*"|\{\s*"\w""", bare):
        return "json"  # no table begins like that
    if named is not None:
        return named
    if bare[:1] in (b"{", b"["):
        return "json"
    return "lines" if ".txt" in _suffixes(path) and not _is_table(head) else "csv"


def _suffixes(path: Path) -> list[str]:
    return [suffix.lower() for suffix in reversed(path.suffixes[-2:])]


def _is_table(head: bytes) -> bool:
    """Whether the first lines of a .txt file are cells: as many in each, below a header without sentences."""
    from jurybox.formats.names import is_known

    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head[: len(head) // 2 * 2].decode(encoding, errors="replace")
    lines = text.splitlines(keepends=True)
    lines = lines[: max(1, len(lines) - (len(head) == 4096))]
    if lines and lines[0].lower().startswith("sep="):
        return True
    if not any(line.strip() for line in lines):
        return False
    delimiter = sniff_delimiter(lines, "")
    header = next(csv.reader(lines[:1], delimiter=delimiter), [])
    return any(is_known(name) for name in header) and (len(header) > 1 or len(lines) > 1)


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
    first = next(line for line in sample if line.strip()).strip()
    if _BY_BLANKS.fullmatch(first):
        return " "
    return max(DELIMITERS, key=lambda delimiter: _fit(sample, delimiter))


_BY_BLANKS = re.compile(r'"[^"]*"(?: "[^"]*")+')
"""A header as R's write.table writes it."""


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
