"""What a file is: its format and its delimiter, told from its name and its bytes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jurybox.errors import FormatError
from jurybox.formats.containers import archive_kind, reading

__all__ = ["FORMATS", "sniff_delimiter", "sniff_format"]

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
    *("google-forms", "qualtrics", "inception"),
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
        problem = "is an archive, a PDF or a picture, whatever its name; unpack it, or save it as CSV (UTF-8)"
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
    if bare.startswith(b"#FORMAT=WebAnno"):
        return "webanno"
    named = next((_BY_SUFFIX[suffix] for suffix in _suffixes(path) if suffix in _BY_SUFFIX), None)
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
