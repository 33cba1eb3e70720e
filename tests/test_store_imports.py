"""Texts and annotations that come in many at a time: all or nothing, and the same twice adds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jurybox.errors import ConflictError, FormatError, InputError
from jurybox.formats.records import AnnotationRecord, GoldRecord, RecordBatch, SkipRecord, TextRecord
from jurybox.project import Project
from jurybox.store.records import Added
from jurybox.store.settings import ProjectSettings

PLAIN = ProjectSettings(audit_size=0, overlap=0, max_labels=2, enough_agreement=None)


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.create(location, classes=["no", "yes"], settings=PLAIN) as project:
        yield project


def label(text: str, annotator: str, name: str, row: int = 0) -> AnnotationRecord:
    return AnnotationRecord(text, annotator, name, row=row)


def test_texts_keep_order_ids_and_metadata(project: Project) -> None:
    records = [
        TextRecord("b", "zwei — שתיים 🙂", {"source": "web", "n": [1, None]}),
        TextRecord("a", ""),
    ]
    assert project.add_texts(records) == Added(texts=2)
    assert list(project.reading.texts()) == records
    assert project.reading.text("b") == records[0]
    assert project.annotations().texts.tolist() == ["b", "a"]


def test_the_same_texts_twice_add_nothing(project: Project) -> None:
    assert project.add_texts(["good", "bad", "good"]) == Added(texts=3)
    assert project.add_texts(["good", "bad", "good"]) == Added(known_texts=3)
    assert project.add_texts(["bad", "new"]) == Added(texts=1, known_texts=1)
    assert len(set(project.annotations().texts)) == 4


def test_an_id_known_with_another_text_stops_everything(project: Project) -> None:
    project.add_texts([("a", "one")])
    with pytest.raises(FormatError, match=r"row 2, column 'id', value 'a'.*another text"):
        project.add_texts([TextRecord("b", "new", row=1), TextRecord("a", "two", row=2)])
    assert [record.id for record in project.reading.texts()] == ["a"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (TextRecord("a", "nul\0", row=3), "row 3, column 'text'.*NUL"),
        (TextRecord("a", "half \ud800", row=4), "row 4.*surrogate"),
        (TextRecord("  ", "x", row=5), "row 5, column 'id'.*not empty"),
        (TextRecord("a", "x", {"score": float("nan")}, row=6), "row 6.*no JSON"),
        (TextRecord("a", "x", {"when": datetime.now(UTC)}, row=7), "row 7.*no JSON"),
    ],
)
def test_texts_that_cannot_be_stored_are_refused(project: Project, record: TextRecord, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        project.add_texts([TextRecord("fine", "fine"), record])
    assert project.status().texts == 0


def test_one_string_is_not_several_texts(project: Project) -> None:
    with pytest.raises(InputError, match="one string"):
        project.add_texts("oops")


def test_annotations_come_in_with_their_time(project: Project) -> None:
    project.add_texts([("a", "x")])
    time = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    record = AnnotationRecord("a", "ana", "yes", seconds=2.5, comment="sure", time=time)
    assert project.add_annotations([record]) == Added(annotations=1, annotators=1)
    assert list(project.reading.annotation_records()) == [record]
    assert project.add_annotations([record]) == Added(known_annotations=1)
    assert project.people.get("ana").n_annotations == 1


def test_contradicting_labels_are_an_error_or_the_last_one_holds(project: Project) -> None:
    project.add_texts([("a", "x")])
    project.add_annotations([label("a", "ana", "yes")])
    with pytest.raises(FormatError, match=r"row 9.*'ana' has given text 'a' another label"):
        project.add_annotations([label("a", "bo", "yes"), label("a", "ana", "no", row=9)])
    assert project.annotations().n_annotations == 1
    added = project.add_annotations(
        [label("a", "ana", "no"), label("a", "bo", "no"), label("a", "bo", "yes")], duplicates="last"
    )
    assert added.annotations == 2
    assert project.annotations().to_wide().to_numpy().tolist() == [[0, 1]]
    assert [person.n_annotations for person in project.people.all()] == [1, 1]
    with project.store.read() as connection:
        retired = connection.exec_driver_sql(
            "SELECT new.class_id FROM annotations old JOIN annotations new ON old.retired_by = new.id"
        ).all()
    assert [tuple(row) for row in retired] == [(0,)]


def test_unknown_texts_and_labels_are_refused_with_their_row(project: Project) -> None:
    project.add_texts([("a", "x")])
    with pytest.raises(FormatError, match=r"row 2, column 'label', value 'maybe'.*'no', 'yes'"):
        project.add_annotations([label("a", "ana", "yes", 1), label("a", "bo", "maybe", 2)])
    with pytest.raises(FormatError, match="row 7, column 'id', value 'z'"):
        project.add_annotations([label("z", "ana", "yes", 7)])
    with pytest.raises(FormatError, match="column 'seconds'"):
        project.add_annotations([AnnotationRecord("a", "ana", "yes", seconds=-1)])
    assert project.status().annotations == 0
    assert project.people.all() == []


@pytest.mark.slow
def test_labels_may_become_classes(project: Project) -> None:
    batch = RecordBatch([TextRecord("a", "x")], [label("a", "ana", "maybe")])
    project.add([batch], add_classes=True)
    assert project.classes == ("no", "yes", "maybe")
    assert project.status().class_counts == {"no": 0, "yes": 0, "maybe": 1}


@pytest.mark.slow
def test_an_import_that_fails_late_leaves_nothing(project: Project) -> None:
    def batches() -> Iterator[RecordBatch]:
        for i in range(3):
            texts = [TextRecord(f"{i}-{j}", "x") for j in range(4000)]
            yield RecordBatch(texts, [label(f"{i}-{j}", f"a{j % 5}", "yes") for j in range(4000)])
        raise FormatError("the file ends in the middle of a row", row=12_001)

    with pytest.raises(FormatError, match="row 12001"):
        project.add(batches())
    status = project.status()
    assert (status.texts, status.annotations, status.annotators) == (0, 0, 0)


def test_imported_annotations_move_the_queue(project: Project) -> None:
    project.add_texts([("a", "x"), ("b", "y"), ("c", "z")])
    project.add_annotations([label(text, who, "yes") for text in "ab" for who in ("ana", "bo")])
    project.add_annotations([label("c", "ana", "no")])
    tasks = project.next_tasks("cy", 5).tasks
    assert [task.text_id for task in tasks] == ["c"]
    assert project.status().finished_texts == 2


def test_a_project_with_a_bad_text_is_not_made(location: str) -> None:
    with pytest.raises(FormatError):
        Project.create(location, classes=["no", "yes"], texts=[("a", "x"), ("a", "y")])
    with Project.create(location, classes=["no", "yes"], texts=[("a", "x")]) as project:
        assert project.status().texts == 1
    with pytest.raises(ConflictError, match="already"):
        Project.create(location, classes=["no", "yes"])
    with Project.open(location) as project:
        assert project.status().texts == 1


storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.dictionaries(storable.filter(str.strip), storable, max_size=30))
def test_what_is_stored_is_what_was_given(project: Project, texts: dict[str, str]) -> None:
    stored = {record.id: record.text for record in project.reading.texts()}
    new = {key: text for key, text in texts.items() if key not in stored}
    added = project.add_texts(list(new.items()))
    assert added.texts == len(new)
    assert {record.id: record.text for record in project.reading.texts()} == stored | new


def test_the_file_of_a_text_that_is_deleted_can_come_again(project: Project) -> None:
    texts = [TextRecord("a", "one"), TextRecord("b", "two")]
    annotations = [label(text, "ana", "yes") for text in ("a", "b")]
    gold, skips = (
        [GoldRecord("a", "yes"), GoldRecord("b", "no")],
        [SkipRecord("a", "bo"), SkipRecord("b", "bo")],
    )
    batch = RecordBatch(texts=texts, annotations=annotations, gold=gold, skips=skips)
    assert project.add([batch]) == Added(texts=2, annotations=2, skips=2, annotators=2)
    project.edit.delete_texts(["a"])
    assert project.add([batch]) == Added(known_texts=2, known_annotations=1, of_deleted=3)
    assert project.gold.labels() == {"b": "no"}
    assert [record.text_id for record in project.reading.annotation_records()] == ["b"]
    project.edit.history.undo(project.edit.history.last_number())
    assert project.gold.labels() == {"a": "yes", "b": "no"}
    assert [record.text_id for record in project.reading.annotation_records()] == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("part", [2, 1_000])
def test_postgresql_is_told_of_a_large_import(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Else it plans as if the tables were empty; the server of the tests never looks by itself."""
    monkeypatch.setattr("jurybox.store.arrivals._PART", part)
    location = f"{postgres_server}&schema=told_{os.getpid()}_{part}"
    with Project.create(location, classes=["no", "yes"], settings=PLAIN) as project:
        project.add_texts((f"t{i}", f"text {i}") for i in range(30))
        with project.store.read() as connection:
            known = sa.text("SELECT reltuples FROM pg_class WHERE oid = 'ranking'::regclass")
            assert connection.scalar(known) == (30 if part == 2 else -1)


@pytest.mark.parametrize("act", ["rename class", "merge classes", "rename person", "erase person"])
def test_names_that_change_during_an_import_are_neither_brought_back_nor_mistaken(
    location: str, act: str
) -> None:
    with Project.create(location, classes=["no", "yes", "maybe"], texts=["old"], settings=PLAIN) as project:
        project.people.add("ana")
        acts: dict[str, Callable[[], object]] = {
            "rename class": lambda: project.edit.rename_class("maybe", "perhaps"),
            "merge classes": lambda: project.edit.merge_classes("maybe", "yes"),
            "rename person": lambda: project.edit.rename_person("ana", "anna"),
            "erase person": lambda: project.edit.erase_person("ana"),
        }

        def batches() -> Iterator[RecordBatch]:
            yield RecordBatch((TextRecord("new", "new"),), (label("new", "ana", "maybe"),))
            acts[act]()

        with pytest.raises(ConflictError, match="import the file again"):
            project.add(batches())
        people, classes = [person.name for person in project.people.all()], project.classes
        assert len(people) == 1
        assert len(classes) == (2 if act == "merge classes" else 3)
        assert [text.text for text in project.reading.texts()] == ["old"]
        assert project.add([RecordBatch((TextRecord("new", "new"),), ())]).texts == 1
        assert project.classes == classes


def test_classes_and_people_that_come_during_an_import_are_in_nobodys_way(project: Project) -> None:
    def batches() -> Iterator[RecordBatch]:
        yield RecordBatch((TextRecord("new", "new"),), (label("new", "ana", "yes"),))
        project.add_class("maybe")
        project.people.add("bo")

    assert project.add(batches()).annotations == 1
    assert project.classes == ("no", "yes", "maybe")
