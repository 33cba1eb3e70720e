"""Texts are found by their words, the same ones on both stores, as long as they are in the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jurybox.errors import FormatError
from jurybox.formats.records import TextRecord
from jurybox.project import Project
from jurybox.store import schema
from jurybox.store.backup import restore_backup, write_backup
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.importer import importing
from jurybox.store.search import has_words, words_of
from support.copies import copied

TEXTS = {
    "t-1": "Crème brûlée, and good coffee",
    "t-2": "The coffeehouse: GOOD",
    "t-3": "日本の食べ物",
    "t-4": "ΟΔΟΣ ÑANDÚ straße under_score",
    "t-5": "مُحَمَّد",
    "t-6": "it's 'quoted' & \"so\" | ! <-> (b):* \\ back",
    "t-7": "",
    "t-8": "😀 x" + "y" * 3000,
}


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.open(copied(make_project, location)) as project:
        yield project


def make_project(location: str) -> None:
    with Project.create(location, classes=["no", "yes"], texts=[*TEXTS.items()]) as project:
        project.people.add("ana")


def found(project: Project, search: str) -> list[str]:
    return [row.text_id for row in project.reading.find_texts(TextFilter(search=search)).items]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("coffee", ["t-1", "t-2"]),
        ("coffee good", ["t-1"]),
        ("good coffee", ["t-1", "t-2"]),
        ("creme brul", ["t-1"]),
        ("CRÈME", ["t-1"]),
        ("reme", []),
        ("食べ", ["t-3"]),
        ("οδος", ["t-4"]),
        ("nandu STRASSE", ["t-4"]),
        ("under_score", ["t-4"]),
        ("محمد", ["t-5"]),
        ("it's \" & (b)", ["t-6"]),
        ("quoted'", ["t-6"]),
        ("back\\", ["t-6"]),
        ("t-2", ["t-2"]),
        ("t", [*TEXTS]),
        ("x" + "y" * 3000, ["t-8"]),
        ("😀", ["t-8"]),
        ("nothing of this", []),
    ],
)
def test_a_text_has_all_words_of_a_search(project: Project, search: str, expected: list[str]) -> None:
    has_all_words(project, search, expected)


@pytest.mark.parametrize("few", [0, 1])
def test_many_texts_are_found_as_few_are(project: Project, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("jurybox.store.filters._FEW", few)
    has_all_words(project, "coffee", ["t-1", "t-2"])
    has_all_words(project, "t", [*TEXTS])
    has_all_words(project, "coffee good", ["t-1"])
    project.submit("t-2", "yes", annotator="ana")
    project.submit("t-3", "no", annotator="ana")
    said = project.reading.find_annotations(AnnotationFilter(search="coffee")).items
    assert [row.text_id for row in said] == ["t-2"]
    labelled = project.reading.find_texts(TextFilter(state=TextState.LABELLED, search="coffee")).items
    assert [row.text_id for row in labelled] == ["t-2"]


def has_all_words(project: Project, search: str, expected: list[str]) -> None:
    assert found(project, search) == expected
    assert project.reading.count_texts(TextFilter(search=search), 100) == len(expected)
    assert project.edit.matching(TextFilter(search=search)) == expected


def test_labels_are_found_by_words_of_the_text_or_a_part_of_the_comment(project: Project) -> None:
    project.submit("t-1", "yes", annotator="ana", comment="not sure")
    project.submit("t-2", "no", annotator="ana")

    def rows(search: str) -> list[str]:
        return [
            row.text_id for row in project.reading.find_annotations(AnnotationFilter(search=search)).items
        ]

    assert rows("coffee") == ["t-2", "t-1"]
    assert rows("t su") == ["t-1"]
    assert rows("offee") == []


def test_pages_of_a_search_follow_one_another(project: Project) -> None:
    first = project.reading.find_texts(TextFilter(search="coffee"), limit=1)
    second = project.reading.find_texts(TextFilter(search="coffee"), after=first.next, limit=1)
    assert [row.text_id for row in (*first.items, *second.items)] == ["t-1", "t-2"]
    assert second.next is None


def indexed(project: Project, search: str) -> int:
    """Count what the index itself finds, whatever texts there are."""
    with project.store.read() as connection:
        words = sa.select(sa.func.count()).select_from(schema.text_words)
        return connection.scalar(words.where(has_words(connection, search))) or 0


def test_a_deleted_text_is_out_of_the_index_until_it_comes_back(project: Project) -> None:
    project.edit.delete_texts(["t-1"])
    assert found(project, "coffee") == ["t-2"]
    assert indexed(project, "creme") == 0
    project.edit.history.undo(project.edit.history.last()[0].number)
    assert found(project, "coffee") == ["t-1", "t-2"]
    assert indexed(project, "creme") == 1


def add_and_fail(project: Project) -> None:
    with importing(project.store, now=0.0) as importer:
        importer.add_texts([TextRecord("t-9", "unheard coffee")])
        assert indexed(project, "unheard") == 1
        importer.add_texts([TextRecord("t-1", "another text of a known id")])


def test_an_import_that_fails_leaves_no_words(project: Project) -> None:
    with pytest.raises(FormatError):
        add_and_fail(project)
    assert indexed(project, "unheard") == 0
    assert indexed(project, "coffee") == 2
    project.add_texts([("t-9", "unheard coffee")])
    assert found(project, "coffee") == ["t-1", "t-2", "t-9"]


def test_what_is_restored_finds_the_same(project: Project, location: str, tmp_path: Path) -> None:
    project.edit.delete_texts(["t-1"])
    write_backup(project.store, tmp_path / "copy.db")
    project.close()
    restore_backup(tmp_path / "copy.db", location, overwrite=True)
    with Project.open(location) as copy:
        assert found(copy, "coffee") == ["t-2"]
        assert indexed(copy, "creme") == 0
        copy.edit.history.undo(copy.edit.history.last()[0].number)
        assert found(copy, "coffee") == ["t-1", "t-2"]


def test_a_word_is_of_one_script_and_not_endless() -> None:
    assert words_of("abc日本def 12") == ["abc", "日", "本", "def", "12"]
    assert words_of("a" * 1000) == ["a" * 100]
    assert words_of("한국어 한국") == ["한국어", "한국"]
