"""What is written reads again as the same project, and is safe to open."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jurybox import formats
from jurybox.errors import FormatError, InputError
from jurybox.formats import (
    EXPORT_FORMATS,
    AnnotationRecord,
    AnnotatorRecord,
    ConsensusRecord,
    Export,
    GoldRecord,
    ReadOptions,
    SkipRecord,
    TextRecord,
)
from jurybox.formats.spreadsheet import escape, unescape
from jurybox.formats.values import as_name
from jurybox.formats.write_tools import TOOL_WRITERS

CLASSES = ("im-polite", "=polite", "10")
EXPORT = Export(
    name="A: project",
    classes=CLASSES,
    texts=[
        TextRecord("1", "=HYPERLINK(1)", {"split": "train", "n": 3, "deep": {"a": [1, None]}}),
        TextRecord("-2", "ä 漢字 😀\r\nsecond line\twith a tab", {"metadata": "none"}),
        TextRecord("id 3", "", None),
        TextRecord("4", "  'quoted' ;-) a;=1", {"label": "gold"}),
        TextRecord("5", "'=not ours", None),
    ],
    annotations=[
        AnnotationRecord("1", "ana", "10", 2.5, "", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        AnnotationRecord("1", "@ben", "im-polite", None, '+ "comment"', None),
        AnnotationRecord(
            "-2", "ana", "=polite", 0.0, "", datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)
        ),
        AnnotationRecord("5", "Čeněk", "10", 1e6, "line\nline", None),
    ],
    consensus=[
        ConsensusRecord("1", "10", 0.75, 0.5, 2, (0.125, 0.125, 0.75)),
        ConsensusRecord("-2", "=polite", 0.9, 1.0, 1, (0.05, 0.9, 0.05)),
        ConsensusRecord("id 3", None, None, None, 0, ()),
        ConsensusRecord("4", "im-polite", 0.5, None, 0, (0.5, 0.25, 0.25)),
        ConsensusRecord("5", "10", 0.75, 1.0, 1, (0.125, 0.125, 0.75)),
    ],
    annotators=[
        AnnotatorRecord("ana", 2, 0.9, 1.0, "10", 1.25),
        AnnotatorRecord("@ben", 1, 0.5, 0.0, None, None),
        AnnotatorRecord("Čeněk", 1),
        AnnotatorRecord("idle", 0),
    ],
    gold=[GoldRecord("-2", "=polite"), GoldRecord("5", "10")],
    skips=[
        SkipRecord("1", "Čeněk", "=unclear", datetime(2026, 3, 1, tzinfo=UTC)),
        SkipRecord("id 3", "@ben"),
    ],
    guidelines="# Rules\n\nBe kind.",
)


def contents(
    path: Path, options: ReadOptions | None = None
) -> tuple[list[TextRecord], list[AnnotationRecord]]:
    batches = list(formats.read(path, options or ReadOptions(classes=CLASSES)).batches())
    texts = [text._replace(row=0) for batch in batches for text in batch.texts]
    annotations = [annotation._replace(row=0) for batch in batches for annotation in batch.annotations]
    return texts, annotations


EXAMPLES = 25
OWN_FORMATS = ("csv", "jsonl", "parquet", "huggingface")


def skips_of(path: Path, options: ReadOptions) -> list[SkipRecord]:
    return [skip._replace(row=0) for batch in formats.read(path, options).batches() for skip in batch.skips]


def target(folder: Path, form: str) -> Path:
    return folder / (f"out{TOOL_WRITERS[form].suffix}" if form in TOOL_WRITERS else "out")


@pytest.mark.parametrize("form", [*OWN_FORMATS, "label-studio", "json"])
def test_what_was_exported_reads_as_the_same_texts_and_annotations(tmp_path: Path, form: str) -> None:
    out = formats.write(EXPORT, target(tmp_path, form), format=form)
    texts, annotations = contents(out)
    assert texts == list(EXPORT.texts)
    assert annotations == list(EXPORT.annotations)
    assert skips_of(out, ReadOptions(classes=CLASSES)) == list(EXPORT.skips)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "huggingface"])
def test_an_exported_folder_remembers_the_project_itself(tmp_path: Path, form: str) -> None:
    source = formats.read(formats.write(EXPORT, tmp_path / "out", format=form))
    assert source.classes == CLASSES
    assert source.annotators == ("ana", "@ben", "Čeněk", "idle")
    assert (source.name, source.guidelines) == (EXPORT.name, EXPORT.guidelines)


unicode_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
risky_text = st.text(st.sampled_from("=+-@;'\"\t\r\n ,)(a1＝"), max_size=12)
some_text = unicode_text | risky_text
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | some_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(some_text, inner, max_size=3),
    max_leaves=5,
)


names = some_text.map(as_name).filter(bool)


@st.composite
def exports(draw: st.DrawFn) -> Export:
    classes = draw(
        st.lists(
            some_text.filter(lambda name: name == name.strip() != ""), min_size=1, max_size=4, unique=True
        )
    )
    ids = draw(st.lists(some_text.filter(bool), max_size=5, unique=True))
    people = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    metadata = st.none() | st.dictionaries(some_text, json_values, min_size=1, max_size=3)
    texts = [TextRecord(text_id, draw(some_text), draw(metadata)) for text_id in ids]
    times = st.none() | st.datetimes(datetime(1970, 1, 2), timezones=st.just(UTC))
    seconds = st.none() | st.floats(0, 1e9)
    annotations = [
        AnnotationRecord(
            text_id, name, draw(st.sampled_from(classes)), draw(seconds), draw(some_text), draw(times)
        )
        for text_id in ids
        for name in people
        if draw(st.booleans())
    ]
    labelled = {(label.text_id, label.annotator) for label in annotations}
    skips = [
        SkipRecord(text_id, name, draw(some_text), draw(times))
        for text_id in ids
        for name in people
        if (text_id, name) not in labelled and draw(st.booleans())
    ]
    return Export("p", classes, texts, annotations, skips=skips)


@pytest.mark.slow
@pytest.mark.parametrize("form", OWN_FORMATS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(export=exports())
def test_any_project_survives_the_round_trip(
    form: str, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(export.texts or form != "huggingface")  # the library cannot read an empty data set
    out = formats.write(export, target(tmp_path_factory.mktemp("trip"), form), format=form)
    texts, annotations = contents(out, ReadOptions(classes=export.classes))
    assert texts == list(export.texts)
    assert annotations == list(export.annotations)
    assert skips_of(out, ReadOptions(classes=export.classes)) == list(export.skips)


@st.composite
def plain_exports(draw: st.DrawFn) -> Export:
    """Projects as other tools can hold them: ids and names without blanks around them, times of this age."""
    classes = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    ids = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    people = draw(st.lists(names, min_size=2, max_size=3, unique_by=str.casefold))
    keys = st.sampled_from(["topic", "source", "länge"])
    metadata = st.none() | st.dictionaries(
        keys, json_values.filter(lambda value: value is not None), min_size=1
    )
    texts = [TextRecord(text_id, draw(some_text), draw(metadata)) for text_id in ids]
    times = st.none() | st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
    seconds = st.none() | st.floats(0, 1e6)
    annotations, skips = [], []
    for text_id in ids:
        for name in people:
            kind = draw(st.sampled_from(["label", "label", "skip", "nothing"]))
            if kind == "label":
                label = draw(st.sampled_from(classes))
                annotations.append(
                    AnnotationRecord(text_id, name, label, draw(seconds), draw(some_text), draw(times))
                )
            elif kind == "skip":
                skips.append(SkipRecord(text_id, name, draw(some_text), draw(times)))
    return Export("p", classes, texts, annotations, skips=skips)


def carried(
    export: Export, carries: frozenset[str]
) -> tuple[list[TextRecord], list[AnnotationRecord], list[SkipRecord]]:
    """Return what of a project a format holds."""

    def moment(record: AnnotationRecord | SkipRecord) -> datetime | None:
        """Return the time to a thousandth of a second: some formats have it as a floating-point number."""
        if "time" not in carries or record.time is None:
            return None
        return datetime.fromtimestamp(round(record.time.timestamp(), 3), UTC)

    return (
        [text if "metadata" in carries else text._replace(metadata=None) for text in export.texts],
        sorted(
            (
                label._replace(
                    seconds=label.seconds if "seconds" in carries else None,
                    comment=label.comment if "comment" in carries else "",
                    time=moment(label),
                )
                for label in export.annotations
            ),
            key=repr,
        ),
        sorted(
            (
                skip._replace(reason=skip.reason if "comment" in carries else "", time=moment(skip))
                for skip in export.skips
            )
            if "skips" in carries
            else [],
            key=repr,
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", TOOL_WRITERS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(export=plain_exports())
def test_any_project_survives_the_formats_of_other_tools(
    form: str, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer = TOOL_WRITERS[form]
    out = formats.write(export, target(tmp_path_factory.mktemp("trip"), form), format=form)
    people = sorted({label.annotator for label in export.annotations}) if form == "wide" else ()
    certain = ("wide", "json", "mturk", "crowd-kit", "google-forms", "qualtrics", "inception")
    known = form in certain or any(export.annotations)
    options = ReadOptions("auto" if known else form, classes=export.classes, annotator_columns=people)
    texts, annotations = contents(out, options)
    found = Export("p", export.classes, texts, annotations, skips=skips_of(out, options))
    order = [text.id for text in export.texts]
    found_texts = sorted(
        {text.id: text for text in carried(found, writer.carries)[0]}.values(),
        key=lambda text: order.index(text.id),
    )
    assert found_texts == carried(export, writer.carries)[0]
    assert carried(found, writer.carries)[1:] == carried(export, writer.carries)[1:]


@pytest.mark.slow
@given(risky_text | unicode_text)
def test_escaping_is_undone_exactly(cell: str) -> None:
    assert unescape(escape(cell)) == cell


@given(risky_text)
def test_no_escaped_cell_starts_a_formula_in_any_locale(cell: str) -> None:
    escaped = escape(cell)
    assert not escaped.lstrip(' \xa0"').startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    for separator in ";\t\r\n":
        for piece in escaped.split(separator)[1:]:
            assert not piece.lstrip('"').startswith(("=", "+", "@", "＝"))
            assert not piece.lstrip('"').startswith("-") or (separator == ";" and piece.startswith("-)"))


def cells(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            yield from row


def test_exported_csv_has_no_cell_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    out = formats.write(EXPORT, tmp_path / "out")
    for table in ("texts", "annotations", "consensus", "annotators"):
        found = list(cells(out / f"{table}.csv"))
        assert len(found) > 10
        assert [cell for cell in found if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))] == []


def test_only_cells_that_were_escaped_are_restored(tmp_path: Path) -> None:
    path = tmp_path / "foreign.csv"
    path.write_text("id,text\n1,'=said she\n")
    assert contents(path)[0] == [TextRecord("1", "'=said she")]


def test_the_consensus_table_opens_in_pandas_with_numbers(tmp_path: Path) -> None:
    out = formats.write_table(EXPORT, "consensus", tmp_path / "labels.csv")
    frame = pd.read_csv(out, dtype={"label": str, "id": str})
    assert frame.columns.tolist()[:6] == ["id", "text", "label", "quality", "agreement", "n_annotations"]
    assert frame["p_10"].tolist()[:2] == [0.75, 0.05]
    assert frame["quality"].isna().tolist() == [False, False, True, False, False]


def test_a_huggingface_export_opens_with_class_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_from_disk(str(formats.write(EXPORT, tmp_path / "out", format="huggingface")))
    rows = loaded["train"]
    assert rows.features["label"].names == list(CLASSES)
    assert rows[1]["label"] == 1
    assert rows[2]["label"] is None
    assert rows[0]["annotations"][1] == {
        "annotator": "@ben",
        "label": "im-polite",
        "seconds": None,
        "comment": '+ "comment"',
        "time": None,
    }
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "train",
        "dataset_dict.json",
        "project.json",
    }


def test_label_studio_tasks_have_the_form_that_its_import_takes(tmp_path: Path) -> None:
    tasks = json.loads(formats.write(EXPORT, tmp_path / "out.json", format="label-studio").read_text("utf-8"))
    assert tasks[0]["data"]["text"] == "=HYPERLINK(1)"
    choice = tasks[0]["annotations"][0]["result"][0]
    assert (choice["type"], choice["to_name"], choice["value"]) == ("choices", "text", {"choices": ["10"]})
    assert tasks[0]["annotations"][0]["lead_time"] == 2.5
    assert tasks[0]["predictions"][0]["score"] == 0.75
    assert tasks[2]["predictions"] == []


def test_an_empty_project_is_written_and_read(tmp_path: Path) -> None:
    empty = Export("empty", ["a", "b"], [], [])
    for form in ("csv", "jsonl", "parquet", "label-studio", "json", "lewidi", "lighttag"):
        out = formats.write(empty, target(tmp_path / form, form), format=form)
        assert contents(out, ReadOptions(classes=["a", "b"])) == ([], [])
    with pytest.raises(InputError, match="cannot be empty"):
        formats.write(empty, tmp_path / "out", format="huggingface")


def failing_texts() -> Iterator[TextRecord]:
    yield TextRecord("1", "one")
    raise RuntimeError("the disk is on fire")


class Failing:
    def __iter__(self) -> Iterator[TextRecord]:
        return failing_texts()


@pytest.mark.parametrize("form", EXPORT_FORMATS)
def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path, form: str) -> None:
    broken = Export("p", ["a"], Failing(), [])
    with pytest.raises(RuntimeError, match="fire"):
        formats.write(broken, target(tmp_path, form), format=form)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", EXPORT_FORMATS)
def test_nothing_is_overwritten_unasked(tmp_path: Path, form: str) -> None:
    out = formats.write(EXPORT, target(tmp_path, form), format=form)
    smaller = Export("smaller", CLASSES, EXPORT.texts, [])
    with pytest.raises(FormatError, match="exists"):
        formats.write(smaller, out, format=form)
    assert len(contents(out)[1]) == len(list(EXPORT.annotations))
    formats.write(smaller, out, format=form, overwrite=True)
    assert contents(out)[1] == []
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter-1.txt").write_text("It was a dark and stormy night.")
    with pytest.raises(FormatError, match="not to be replaced"):
        formats.write(EXPORT, precious, overwrite=True)
    assert (precious / "chapter-1.txt").exists()


def test_wrong_wishes_are_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of csv"):
        formats.write(EXPORT, tmp_path / "out", format="docx")
    with pytest.raises(InputError, match=r"ends in \.csv"):
        formats.write_table(EXPORT, "texts", tmp_path / "out.docx")
    with pytest.raises(InputError, match="expected one of texts"):
        formats.write_table(EXPORT, "people", tmp_path / "out.csv")
    with pytest.raises(InputError, match="out of order"):
        list(contents(formats.write(_disordered(), tmp_path / "out")))


def _disordered() -> Export:
    labels = [AnnotationRecord("2", "ana", "a"), AnnotationRecord("1", "ana", "a")]
    return Export("p", ["a"], [TextRecord("1", "one"), TextRecord("2", "two")], labels)


def test_times_keep_their_moment_in_any_zone(tmp_path: Path) -> None:
    moment = datetime(2026, 7, 1, 9, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    export = Export("p", ["a"], [TextRecord("1", "one")], [AnnotationRecord("1", "ana", "a", time=moment)])
    for form in EXPORT_FORMATS:
        out = formats.write(export, target(tmp_path / form, form), format=form)
        kept = form not in TOOL_WRITERS or "time" in TOOL_WRITERS[form].carries
        options = ReadOptions(annotator_columns=("ana",) if form == "wide" else ())
        assert contents(out, options)[1][0].time == (moment if kept else None), form


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_known_labels_come_back(tmp_path: Path, form: str) -> None:
    out = formats.write(EXPORT, tmp_path / "out", format=form)
    batches = list(formats.read(out).batches())
    found = [(record.text_id, record.label) for batch in batches for record in batch.gold]
    assert found == [("-2", "=polite"), ("5", "10")]
    assert sum(len(batch.annotations) for batch in batches) == 4


def test_a_table_that_happens_to_be_called_gold_is_none(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text\n1,one\n")
    (tmp_path / "gold.csv").write_text("id,label\n1,a\n")
    assert [batch.gold for batch in formats.read(tmp_path).batches()] == [[]]
