"""The table of formats in docs/formats.md: what is read, what is written, and what of it comes back.

Run with ``python benchmarks/format_table.py [--check]``. Nothing is claimed: each export in
tests/support/exports.py is read, and a small project is written in each format, read again and compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jurybox import formats
from jurybox.formats import EXPORT_FORMATS, AnnotationRecord, Export, ReadOptions, SkipRecord, TextRecord
from jurybox.formats.tools import OBJECT_TOOLS, TABLE_TOOLS
from jurybox.formats.tools.base import ObjectTool, TableTool
from jurybox.formats.tools.forms import FORMS
from jurybox.formats.write_tools import TOOL_WRITERS

if TYPE_CHECKING:
    from support.exports import Sample

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]
PAGE = ROOT / "docs" / "formats.md"
START, END = "<!-- made by benchmarks/format_table.py -->", "<!-- end -->"
CLASSES = ("polite", "rude")
MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PROJECT = Export(
    "p",
    CLASSES,
    [TextRecord("1", "one", {"topic": "x"}), TextRecord("2", "two"), TextRecord("3", "three")],
    [
        AnnotationRecord("1", "ana", "polite", 2.5, "hm", MOMENT),
        AnnotationRecord("1", "bo", "rude"),
        AnnotationRecord("2", "bo", "polite"),
    ],
    skips=[SkipRecord("2", "ana", "unclear", MOMENT)],
)
OWN = {
    "csv": "jurybox CSV folder",
    "jsonl": "jurybox JSON Lines folder",
    "parquet": "jurybox Parquet folder",
    "huggingface": "Hugging Face data set",
    "wide": "a column a person",
}


def main() -> int:
    """Write the table into the page, or compare it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail where the page has another table")
    arguments = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START)
    made = f"{before}{START}\n{table()}{END}{rest.split(END)[1]}"
    if arguments.check:
        return int(made != page)
    PAGE.write_text(made, encoding="utf-8")
    return 0


def table() -> str:
    """Return the table, after trying everything in it."""
    from support.exports import SAMPLES

    tools: list[TableTool | ObjectTool] = [FORMS, *TABLE_TOOLS, *OBJECT_TOOLS]
    titles = {
        tool.name: f"[{tool.title}]({tool.documentation})" if "://" in tool.documentation else tool.title
        for tool in tools
    }
    read = [read_as(sample) for sample in SAMPLES.values()]
    lines = [
        "| format | `--format` | exports that are read | written | comes back |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys([*OWN, *titles]):
        known = [form for form in read if form == name]
        title = OWN.get(name) or titles[name]
        written = name in EXPORT_FORMATS
        counted = str(len(known)) if known else "yes" if written else "–"
        back = comes_back(name) if written else "–"
        lines.append(f"| {title} | `{name}` | {counted} | {'yes' if written else '–'} | {back} |")
    return "\n".join(lines) + "\n"


def read_as(sample: Sample) -> str:
    """Return the format that a sample is taken for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / sample.name
        path.write_bytes(sample.content)
        plan = formats.read(path, ReadOptions(classes=sample.classes, turn=True)).plan
    if plan.annotations != len(sample.labels):
        raise SystemExit(f"{sample.name}: {plan.annotations} labels were read of {len(sample.labels)}")
    return plan.files[0].format


def comes_back(form: str) -> str:
    """Write the project and read it again; return what is the same."""
    with tempfile.TemporaryDirectory() as folder:
        out = formats.write(
            PROJECT,
            Path(folder) / f"out{TOOL_WRITERS[form].suffix if form in TOOL_WRITERS else ''}",
            format=form,
        )
        batches = list(formats.read(out, ReadOptions(classes=CLASSES)).batches())
    texts = {text.id: text for batch in batches for text in batch.texts}
    labels = {(one.text_id, one.annotator): one for batch in batches for one in batch.annotations}
    skips = [one for batch in batches for one in batch.skips]
    wanted = {(one.text_id, one.annotator): one for one in PROJECT.annotations}
    given = {pair: one.label for pair, one in wanted.items()}
    if {pair: one.label for pair, one in labels.items()} != given:
        raise SystemExit(f"{form}: the labels that come back are {labels}")
    first, known = labels["1", "ana"], wanted["1", "ana"]
    parts = {
        "texts": {name: text.text for name, text in texts.items()}
        == {text.id: text.text for text in PROJECT.texts},
        "labels": True,
        "people": True,
        "times": first.time == known.time,
        "seconds": first.seconds == known.seconds,
        "comments": first.comment == known.comment,
        "skips": [(one.text_id, one.annotator) for one in skips] == [("2", "ana")],
        "metadata": texts["1"].metadata == {"topic": "x"},
    }
    return "everything" if all(parts.values()) else ", ".join(part for part, same in parts.items() if same)


if __name__ == "__main__":
    sys.exit(main())
