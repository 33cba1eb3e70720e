"""Files that nobody meant: whatever their bytes, they are read correctly or refused in one line."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurybox import formats
from jurybox.errors import FormatError
from jurybox.formats import ReadOptions
from jurybox.project import Project
from jurybox.store.records import Added
from support.fuzzing import READERS, fuzz

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz", ".unknown")
SEEDS = (
    b"id,text,annotator,label\n1,hi,ana,a\n2,ho,ben,b\n",
    b'id,text,ana,ben\n1,hi,a,b\n2,ho,,a\n3,"he said ""no""",b,b\n',
    b'{"id": 1, "text": "hi", "annotations": [{"annotator": "ana", "label": "a", "seconds": 1.5}]}\n',
    b'[{"data": {"text": "x"}, "annotations": [{"completed_by": 1, "result": [{"type": "choices", '
    b'"value": {"choices": ["a"]}}]}]}]',
    b'{"t1": {"ana": "a"}, "t2": {"ben": "b"}}',
    "id;text\n1;Müller\n2;=1+1\n".encode("utf-16"),
    "id\ttext\n1\tcafé\n".encode("cp1252"),
)
quick = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(path: Path, options: ReadOptions) -> None:
    """Read to the end; anything but a clear refusal fails the test."""
    try:
        for batch in formats.read(path, options).batches():
            for text in batch.texts:
                assert text.id
                assert "\0" not in text.text
                text.text.encode()
                json.dumps(text.metadata, allow_nan=False)
            for label in batch.annotations:
                assert label.label in ("a", "b")
                assert label.annotator
                assert label.text_id
    except FormatError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert len(message.splitlines()) == 1


@pytest.mark.slow
@quick
@given(content=st.binary(max_size=300), suffix=st.sampled_from(SUFFIXES))
def test_any_bytes(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    read_all(path, ReadOptions(classes=["a", "b"]))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"\0", b"\xff", b'"', b"\n", b",", b"{", b"]", b"\xed\xa0\x80"])
        )
        content[at : at + draw(st.integers(0, 6))] = piece
    return bytes(content)


@pytest.mark.slow
@quick
@given(content=mutated(), suffix=st.sampled_from(SUFFIXES), annotator=st.none() | st.just("me"))
def test_files_that_were_damaged(tmp_path: Path, content: bytes, suffix: str, annotator: str | None) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    read_all(path, ReadOptions(classes=["a", "b"], annotator=annotator))


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "b", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "text",
                    "data",
                    "annotations",
                    "label",
                    "labels",
                    "result",
                    "value",
                    "choices",
                    "annotator",
                    "completed_by",
                    "lead_time",
                    "created_at",
                    "metadata",
                    "was_cancelled",
                    "meta",
                    "comment",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.slow
@quick
@given(value=any_json, form=st.sampled_from(["auto", "json", "jsonl", "label-studio", "doccano"]))
def test_any_json(tmp_path: Path, value: object, form: str) -> None:
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(value))
    read_all(path, ReadOptions(classes=["a", "b"], format=form, annotator="me"))


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.mark.slow
@quick
@given(texts=st.lists(cells, min_size=1, max_size=8), delimiter=st.sampled_from(",;\t|"))
def test_any_text_in_a_proper_csv_is_read_exactly(tmp_path: Path, texts: list[str], delimiter: str) -> None:
    file = io.StringIO(newline="")
    rows = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    rows.writerow(["id", "text"])
    rows.writerows(enumerate(texts))
    path = tmp_path / "fuzz.csv"
    path.write_bytes(file.getvalue().encode())
    batches = formats.read(path, ReadOptions(delimiter=delimiter, encoding="utf-8")).batches()
    assert [text.text for batch in batches for text in batch.texts] == texts


@pytest.mark.parametrize("name", ["data-00000-of-00001.arrow", "dataset_info.json", "state.json"])
def test_a_damaged_huggingface_folder_is_refused(tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": ["hi"]}).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / name).write_bytes(b"{not json")
    with pytest.raises(FormatError, match="no saved data set"):
        formats.read(tmp_path / "saved")


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mutated(), suffix=st.sampled_from(SUFFIXES))
def test_no_file_is_imported_by_half(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    store = tmp_path / "p.db"
    if not store.exists():
        Project.create(store, classes=["a", "b"], texts=[("1", "hi"), ("t1", "x"), ("t2", "y")]).close()
    with Project.open(store) as project:
        before = project.status()
        try:
            source = formats.read(path, ReadOptions(classes=["a", "b"]))
            added = project.add(source.batches())
        except FormatError:
            added = Added()
        after = project.status()
    assert after.texts - before.texts == added.texts
    assert after.annotations - before.annotations == added.annotations
    assert after.annotators - before.annotators == added.annotators


INPUTS = 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_odd_inputs_of_all_readers(name: str) -> None:
    for number in range(INPUTS // len(READERS)):
        fuzz(READERS[name], random.Random(f"{name} {number}"))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_odd_inputs_a_reader(name: str) -> None:
    """`make fuzz` gives each reader a million, and lets atheris choose them."""
    for number in range(INPUTS):
        fuzz(READERS[name], random.Random(f"{name} {number}"))
