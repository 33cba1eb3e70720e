"""The exports that people have: each is read with its meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from jurybox import formats
from jurybox.formats import AnnotationRecord, ReadOptions
from support.exports import SAMPLES, Sample


def given_labels(path: Path, options: ReadOptions) -> tuple[set[tuple[str, str, str]], int, dict[str, str]]:
    """Return who said what of which text, the number of skips, and the comments by text."""
    texts: dict[str, str] = {}
    labels: list[AnnotationRecord] = []
    skips = 0
    for batch in formats.read(path, options).batches():
        texts |= {record.id: record.text for record in batch.texts}
        labels += batch.annotations
        skips += len(batch.skips)
    found = {(record.annotator, texts[record.text_id], record.label) for record in labels}
    assert len(found) == len(labels)
    comments = {texts[record.text_id]: record.comment for record in labels if record.comment}
    return found, skips, comments


def written(folder: Path, sample: Sample) -> Path:
    path = folder / sample.name
    path.write_bytes(sample.content)
    return path


@pytest.mark.parametrize("name", SAMPLES)
def test_an_export_is_read_with_its_meaning(tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    options = ReadOptions(classes=sample.classes, turn=name in ("google forms", "qualtrics"))
    labels, skips, _ = given_labels(written(tmp_path, sample), options)
    assert labels == sample.labels
    assert skips == sample.skips
    plan = formats.read(tmp_path / sample.name, options).plan
    assert (plan.annotations, plan.skips, plan.losses) == (len(sample.labels), sample.skips, ())
    assert str(tmp_path / sample.name) in plan.files[0].file


@pytest.mark.slow
def test_the_page_has_the_table_that_the_script_makes() -> None:
    import format_table

    page = format_table.PAGE.read_text(encoding="utf-8")
    assert f"{format_table.START}\n{format_table.table()}{format_table.END}" in page
