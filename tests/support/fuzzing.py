"""Inputs that nobody meant, for every reader: exports of tools with parts exchanged, and files with bytes changed."""

# ruff: noqa: E501 - samples are not broken

from __future__ import annotations

import atexit
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

from jurybox import formats
from jurybox.errors import InputError
from jurybox.formats import ReadOptions
from jurybox.formats.opening import Opening, Part
from jurybox.formats.options import read_plan
from jurybox.formats.read_csv import open_csv
from jurybox.formats.read_json import iter_objects
from jurybox.formats.records import Row, Table
from jurybox.formats.tools import OBJECT_TOOLS, TABLE_TOOLS
from support.exports import SAMPLES

__all__ = ["READERS", "Choices", "fuzz"]

_ODD: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        10**400,
        "",
        " ",
        "a",
        "polite",
        "rude",
        "NA",
    ),
    *(
        "\0",
        "\ud800",
        "é",
        "=1+1",
        "[",
        "{",
        '{"a": 1}',
        "1e999",
        "2024-02-30",
        "31/02/2024",
        "12:99",
        "PT",
        "P",
        "x" * 500,
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        [None],
        {"value": None},
        {"label": []},
        {"a": {"b": {"c": []}}},
        ["polite", "rude"],
        [1, [2]],
    ),
)
_KEYS = (
    "id",
    "text",
    "label",
    "data",
    "annotations",
    "value",
    "result",
    "user_id",
    "status",
    "answer",
    "accept",
    "who",
)
_BYTES = (
    b"\0",
    b"\xff",
    b'"',
    b"\n",
    b",",
    b";",
    b"{",
    b"]",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"sep=;\n",
    b"\t",
    b"NA",
)
_OPTIONS = ReadOptions(classes=("polite", "rude"), annotator="me")
_MEMORY = Path("/dev/shm")  # noqa: S108 - writing to a disk would take most of the time
_FOLDER = Path(tempfile.mkdtemp(prefix="jurybox-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


class Choices(random.Random):
    """Draws what some bytes say: another byte is another choice, and at their end nothing more is changed."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0)
        self._left = iter(content)

    def random(self) -> float:
        """Return the next byte, as a share of all."""
        return next(self._left, 255.9) / 256

    def getrandbits(self, k: int, /) -> int:
        """Return the next bytes, as a number of so many bits."""
        size = -(-k // 8)
        held = bytes(next(self._left, 0) for _ in range(size))
        return int.from_bytes(held, "big") >> (8 * size - k)


def fuzz(reader: Callable[[random.Random], None], chance: random.Random) -> None:
    """Give one input to a reader: it is read or refused in one line; whatever else happens is an error."""
    refused = ""
    with mock.patch.object(tempfile, "tempdir", str(_FOLDER)):  # where archives are unpacked
        try:
            reader(chance)
        except InputError as error:
            refused = str(error)
    assert len(refused.splitlines()) <= 1, refused


def _drain(part: Part) -> None:
    for record in part.read():
        json.dumps(record[0])
        assert record[0]


def _mutated(value: object, rng: random.Random, rate: float) -> object:
    if rng.random() < rate:
        return rng.choice(_ODD)
    if isinstance(value, dict):
        held = {name: _mutated(one, rng, rate) for name, one in value.items() if rng.random() > rate}
        if rng.random() < rate:
            held[rng.choice(_KEYS)] = rng.choice(_ODD)
        return held
    if isinstance(value, list):
        return [_mutated(one, rng, rate) for one in value if rng.random() > rate]
    return value


def _objects(name: str, content: bytes) -> list[object]:
    path = _FOLDER / f"{name.replace(' ', '-')}.json"
    path.write_bytes(content)
    return list(iter_objects(path, "utf-8"))


def _of_objects(tool_name: str, seeds: list[list[object]]) -> Callable[[random.Random], None]:
    tool = next(tool for tool in OBJECT_TOOLS if tool.name == tool_name)

    def read(rng: random.Random) -> None:
        objects = [_mutated(one, rng, 0.03) for one in rng.choice(seeds)]
        held: list[Mapping[str, object]] = [one for one in objects if isinstance(one, dict)]
        opening = Opening(Path("fuzz.json"), "json", "auto", _OPTIONS)
        _drain(opening.items(tool, lambda: iter(held), held, len(held)))

    return read


def _of_table(form: str, seeds: list[Table]) -> Callable[[random.Random], None]:
    def read(rng: random.Random) -> None:
        seed = rng.choice(seeds)
        columns = list(seed.columns)
        if rng.random() < 0.2:
            columns[rng.randrange(len(columns))] = rng.choice(
                ("", "id", "text", "label", "user", "x\ny", "polite", columns[0])
            )
        odd = _ODD if rng.random() < 0.3 else tuple(one for one in _ODD if isinstance(one, str))
        rows = [
            tuple(rng.choice(odd) if rng.random() < 0.05 else cell for cell in row) for row in seed.sample
        ]

        def walked() -> Iterator[Row]:
            return iter(rows)

        options = ReadOptions(classes=("polite", "rude"), turn=rng.random() < 0.5)
        _drain(
            Opening(Path("fuzz.csv"), "csv", form, options).table(
                Table("fuzz.csv", tuple(columns), rows, walked)
            )
        )

    return read


def _of_bytes(suffix: str, seeds: list[bytes]) -> Callable[[random.Random], None]:
    def read(rng: random.Random) -> None:
        content = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(5)):
            at = rng.randrange(len(content) + 1)
            content[at : at + rng.randrange(6)] = rng.choice((*_BYTES, rng.randbytes(3)))
        path = _FOLDER / f"fuzz{suffix}"
        path.write_bytes(content)
        if suffix == ".toml":
            read_plan(path, ReadOptions())
            return
        for part in formats.read(path, _OPTIONS).parts:
            _drain(part)

    return read


def _samples(*starts: str) -> list[bytes]:
    return [sample.content for name, sample in SAMPLES.items() if name.startswith(starts)]


def _table_of(name: str) -> Table:
    path = _FOLDER / name.replace(" ", "-")
    path.write_bytes(SAMPLES[name].content)
    return open_csv(path, "utf-8", None)[0]


_LINES = {
    "doccano": b'{"id": 1, "text": "a", "label": ["polite"], "Comments": ["c"]}\n{"id": 2, "text": "b", "label": []}\n',
    "potato": b'{"id": "1", "displayed_text": "a", "label_annotations": {"tone": {"polite": "1"}}, '
    b'"behavioral_data": {"time_string": "Time spent: 0d 0h 0m 8s "}}',
    "inception": b'[{"id": "1", "text": "a", "marks": {"Tone.label": "polite"}}, {"%FEATURE_STRUCTURES": '
    b'[{"%TYPE": "uima.cas.Sofa", "sofaString": "a b"}, {"%TYPE": "custom.Tone", "begin": 0, "end": 3, "label": "rude"}]}]',
}
_OF_OBJECTS = {
    "label-studio": ("label-studio", "label-studio ratings", "label-studio taxonomy"),
    "argilla": (
        "argilla v1 server",
        "argilla v1 data set",
        "argilla before 1.8",
        "argilla v2",
        "argilla v2 data set",
    ),
    "prodigy": ("prodigy", "prodigy choice"),
    "lighttag": ("lighttag",),
    "lewidi": ("lewidi", "lewidi of 2025", "parallel lists"),
    "appen": ("appen json",),
    "json": ("annotations by name", "annotations in a list"),
}
_OF_TABLES = {
    "mturk": ("mturk", "mturk json", "mturk radio"),
    "toloka": ("toloka",),
    "appen": ("appen",),
    "crowd-kit": ("crowd-kit",),
    "label-studio": ("label-studio csv", "label-studio csv ratings"),
    "potato": ("potato tsv",),
    "qualtrics": ("qualtrics",),
    "auto": ("google forms", "a column a person", "crowd-kit"),
}
_PLAN = b'format = "csv"\nencoding = "utf-8"\nannotator_columns = []\nignore = ["x"]\nturn = false\n\n[columns]\nid = "id"\n'

READERS: dict[str, Callable[[random.Random], None]] = {
    **{
        f"{tool} objects": _of_objects(tool, [_objects(name, SAMPLES[name].content) for name in names])
        for tool, names in _OF_OBJECTS.items()
    },
    **{f"{tool} objects": _of_objects(tool, [_objects(tool, content)]) for tool, content in _LINES.items()},
    **{
        f"{tool} tables": _of_table(tool, [_table_of(name) for name in names])
        for tool, names in _OF_TABLES.items()
    },
    "csv": _of_bytes(".csv", _samples("mturk", "crowd-kit", "a column")),
    "json": _of_bytes(".json", _samples("pandas", "lewidi", "argilla")),
    "lines": _of_bytes(
        ".txt",
        [
            *(b"one text\nanother one\n", "drei, vier\nfünf\n".encode("cp1252")),
            b"__label__polite one text\n__label__rude another one\n",
        ],
    ),
    "sheets": _of_bytes(".xlsx", _samples("a sheet")),
    "zip": _of_bytes(".zip", _samples("doccano", "potato", "inception")),
    "webanno": _of_bytes(
        ".tsv",
        [
            b"#FORMAT=WebAnno TSV 3.3\n#T_SP=custom.Tone|label\n\n#Text=a b\n1-1\t0-1\ta\tpolite[1]\n1-2\t2-3\tb\tpolite[1]\n\n"
        ],
    ),
    "plan": _of_bytes(".toml", [_PLAN]),
}
"""Every reader by name, each of which takes a source of chance."""

assert {name.removesuffix(" objects") for name in READERS if name.endswith(" objects")} == {
    tool.name for tool in OBJECT_TOOLS
}
assert {tool.name for tool in TABLE_TOOLS} <= {name.removesuffix(" tables") for name in READERS} | {"doccano"}
