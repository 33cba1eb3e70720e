"""Texts like another one, clusters and their words, and what a project does with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox.clusters import Clusters, find_clusters, most_similar
from jurybox.encoders.by_number import PoolRows, RowShelf
from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project import Project
from jurybox.store.filters import AnnotationFilter
from jurybox.store.settings import ProjectSettings


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 1000))
def test_the_most_similar_are_those_of_a_loop(n_texts: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, size=(n_texts, 3)).astype(np.float64)
    place = int(rng.integers(n_texts))
    others = [at for at in range(n_texts) if at != place]
    expected = sorted((cosine(rows[at], rows[place]) for at in others), reverse=True)[:n]
    found = most_similar(rows, place, n)
    assert place not in found.places
    assert np.allclose(found.similarity, expected, atol=1e-6)
    assert np.allclose([cosine(rows[at], rows[place]) for at in found.places], found.similarity, atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).standard_normal((300, 8))
    whole = most_similar(rows, 7, 20)
    found = find_clusters(rows, lambda places: [f"word{at % 5}" for at in places], 4)
    members = found.split(rows).members(2).places
    monkeypatch.setattr("jurybox.clusters._BLOCK", 17)
    assert most_similar(rows, 7, 20).places.tolist() == whole.places.tolist()
    assert found.split(rows).members(2).places.tolist() == members.tolist()


def test_clusters_are_those_that_were_planted() -> None:
    rng = np.random.default_rng(3)
    of = np.arange(600) % 3
    rows = np.eye(5)[of] + 0.1 * rng.standard_normal((600, 5))
    names = ["soup", "waiter", "music"]
    found = find_clusters(rows, lambda places: [f"the {names[of[at]]} was {at}" for at in places], 3)
    assert found.sizes.tolist() == [200, 200, 200]
    assert sorted(words[0] for words in found.words) == sorted(names)
    split = found.split(rows)
    assert len(np.unique(split.cluster[of == 1])) == 1
    members = split.members(int(split.cluster[1])).places
    assert np.array_equal(np.sort(members), np.flatnonzero(of == 1))
    assert (np.diff(split.nearness[members]) <= 0).all(), "the nearest first"


def test_words_that_all_clusters_have_tell_less() -> None:
    rows = np.repeat(np.eye(2), 4, axis=0)
    texts = ["the soup here", *["the soup"] * 3, *["the waiter"] * 3, "the"]
    found = find_clusters(rows, lambda places: [texts[at] for at in places], 2)
    assert {words[0] for words in found.words} == {"soup", "waiter"}


def test_only_chosen_texts_have_clusters() -> None:
    rows = np.repeat(np.eye(3), 4, axis=0)
    found = find_clusters(rows, lambda places: ["word"] * len(places), 3, among=np.arange(8))
    assert found.sizes.tolist() == [4, 4]


def test_texts_without_words_have_clusters() -> None:
    found = find_clusters(np.eye(4), lambda places: ["?!"] * len(places), 2)
    assert found.words == ((), ())
    assert found.sizes.sum() == 4


def test_equal_texts_are_one_cluster() -> None:
    assert find_clusters(np.ones((5, 2)), lambda places: ["same"] * len(places), 3).sizes.tolist() == [5]


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="0 texts"):
        find_clusters(np.zeros((0, 2)), lambda _: [], 2)
    with pytest.raises(InputError, match="1 clusters"):
        find_clusters(np.ones((5, 2)), lambda _: [], 1)


def test_rows_of_files_and_of_an_array_are_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float16)
    shelf = RowShelf(tmp_path, lambda _: "a")
    shelf.add(0, rows[:30])
    shelf.add(30, rows[30:])
    pool = PoolRows((tuple(shelf.shards(50)),), (1.0,))
    found = find_clusters(pool, lambda places: [f"w{at}" for at in places], 3)
    again = find_clusters(rows.astype(np.float32), lambda places: [f"w{at}" for at in places], 3)
    assert isinstance(found, Clusters)
    assert found.words == again.words
    assert found.headline() == f"Clusters({len(found.sizes)} of 50 texts)"
    assert most_similar(pool, 3).places.tolist() == most_similar(rows, 3).places.tolist()


# -- projects -----------------------------------------------------------------------------------------------

SETTINGS = ProjectSettings(encoder="tfidf", tuning=False, overlap=0, audit_size=6, audit_share=0.2)
TEXTS = [
    *((f"s{at}", f"the soup was cold and salty, dish {at}") for at in range(20)),
    *((f"w{at}", f"our waiter smiled kindly at table {at}") for at in range(20)),
]


def made(location: str, **changes: object) -> Project:
    project = Project.create(
        location, texts=TEXTS, classes=["bad", "good"], settings=SETTINGS.updated(changes)
    )
    for name in ("ana", "bo"):
        project.people.add(name)
    return project


def cluster_of(project: Project, word: str) -> int:
    (found,) = (one.number for one in project.pool.clusters() if word in one.words)
    return found


def test_similar_texts_are_shown_without_copies_and_deleted_ones(location: str) -> None:
    with made(location) as project:
        project.add_texts([("copy", "the soup was cold  and salty, dish 3"), ("twin", TEXTS[25][1] + " ")])
        found = project.pool.similar("s3", 19)
        assert {one.text_id[0] for one in found} == {"s"}
        assert len(found) == 19, "neither itself nor its copy"
        assert [one.similarity for one in found] == sorted((o.similarity for o in found), reverse=True)
        first = found[0].text_id
        project.edit.delete_texts([first])
        assert first not in {one.text_id for one in project.pool.similar("copy", 40)}
        assert "w5" in {one.text_id for one in project.pool.similar("w6", 40)}, "the first of two copies"
        assert "twin" not in {one.text_id for one in project.pool.similar("w6", 40)}
        with pytest.raises(NotFoundError, match="nothing"):
            project.pool.similar("nothing")


def test_a_cluster_is_labelled_at_once_and_that_is_undone(location: str) -> None:
    with made(location) as project:
        assert project.pool.clusters() == []
        found = project.pool.find_clusters(2)
        assert [one.texts for one in found] == [20, 20]
        number = cluster_of(project, "soup")
        assert {one.text_id[0] for one in project.pool.cluster_texts(number)} == {"s"}
        assert len(project.pool.cluster_texts(number, 15)) == 5
        audited = {one for one in project.audit.texts() if one.startswith("s")}
        project.submit("s1", "good", annotator="ana", seconds=1.0)
        done = project.pool.label_cluster(number, "bad", by="olga")
        assert done == 20 - len(audited)
        effort = project.beliefs.now().effort
        assert (effort.labels, effort.annotators) == (1, 1), "a label of a whole cluster costs nobody's time"
        assert project.reading.progress("ana").labels == 1
        rows = project.reading.find_annotations(AnnotationFilter(annotator="clusters"), limit=100).items
        assert {row.text_id for row in rows} == {f"s{at}" for at in range(20)} - audited
        assert {(row.label, row.origin) for row in rows} == {("bad", "cluster")}
        assert project.annotations().n_annotators == 3, "they are nobody's careful labels"
        assert "ana" in {
            row.annotator
            for row in project.reading.find_annotations(AnnotationFilter(text_id="s1"), limit=9).items
        }
        assert project.pool.label_cluster(number, "bad") == 0, "they have it already"
        assert project.pool.label_cluster(number, "good", most=3) <= 3
        trail = project.edit.history
        trail.undo(trail.last_number())
        left = project.reading.find_annotations(AnnotationFilter(annotator="clusters"), limit=100).items
        assert {row.label for row in left} == {"bad"}
        (event,) = (one for one in trail.last() if one.verb == "label cluster" and one.undone_by is None)
        assert event.actor == "olga"
        trail.undo(event.number)
        assert project.status().annotations == 1


def labels_at_once(project: Project) -> dict[str, str]:
    chosen = AnnotationFilter(annotator="clusters")
    return {one.text_id: one.label for one in project.reading.find_annotations(chosen, limit=100).items}


@pytest.mark.parametrize("questions", [(), ("food=single:bad,good", "staff=single:bad,good")])
def test_what_was_said_of_a_cluster_last_is_undone_first(location: str, questions: tuple[str, ...]) -> None:
    first, last = ({"food": "bad"}, {"staff": "good"}) if questions else ("bad", "good")
    classes = [] if questions else ["bad", "good"]
    with Project.create(
        location, texts=TEXTS, classes=classes, questions=questions, settings=SETTINGS
    ) as project:
        project.pool.find_clusters(2)
        number, trail = cluster_of(project, "soup"), project.edit.history
        project.pool.label_cluster(number, first)
        earlier, held = trail.last_number(), labels_at_once(project)
        project.pool.label_cluster(number, last, most=12)
        later, held_later = trail.last_number(), labels_at_once(project)
        assert held_later != held
        with pytest.raises(ConflictError, match="since; undo that first"):
            trail.undo(earlier)
        assert labels_at_once(project) == held_later
        trail.undo(later)
        assert labels_at_once(project) == held
        trail.undo(earlier)
        assert labels_at_once(project) == {}


def test_what_was_undone_of_a_cluster_does_not_come_back(location: str) -> None:
    with made(location, audit_size=0) as project:
        project.pool.find_clusters(2)
        number, trail = cluster_of(project, "soup"), project.edit.history
        project.pool.label_cluster(number, "bad")
        given = trail.last_number()
        project.submit("s1", "good", annotator="ana")
        project.edit.delete_labels_of(["s1", "s2", "w1"])
        deleted = trail.last_number()
        trail.undo(given)
        trail.undo(deleted)
        assert project.status().annotations == 1, (
            "a person's label comes back, what was said at once does not"
        )
        project.pool.label_cluster(number, "bad")
        project.pool.label_cluster(number, "good")
        replaced = trail.last_number()
        project.audit.grow(25)
        trail.undo(replaced)
        left = labels_at_once(project)
        assert {*left.values()} == {"bad"}
        assert not {*left} & {*project.audit.texts()}, "no text of the audit sample has such a label"


def test_people_are_asked_for_texts_of_a_labelled_cluster(location: str) -> None:
    with made(location, audit_size=0) as project:
        project.pool.find_clusters(2)
        project.pool.label_cluster(cluster_of(project, "soup"), "bad")
        asked = set()
        while task := project.next_task("ana"):
            asked.add(task.text_id)
            project.submit(task, "bad" if task.text_id.startswith("s") else "good")
        assert asked == {key for key, _ in TEXTS}


@pytest.mark.slow
def test_what_clusters_say_is_judged_by_what_people_say(tmp_path: Path) -> None:
    with made(str(tmp_path / "p.db"), audit_size=0) as project:
        project.pool.find_clusters(2)
        project.pool.label_cluster(cluster_of(project, "soup"), "good")
        for key, _ in TEXTS[:10]:
            for name in ("ana", "bo"):
                project.submit(key, "bad", annotator=name)
        for key, _ in TEXTS[20:30]:
            for name in ("ana", "bo"):
                project.submit(key, "good", annotator=name)
        project.refit()
        found = {one.text_id: one.label for one in project.beliefs.now().texts}
        assert {found[f"s{at}"] for at in range(20)} == {"bad"}, "clusters were wrong where people looked"


def test_a_text_that_joins_the_audit_loses_what_its_cluster_said(location: str) -> None:
    with made(location, audit_size=0) as project:
        project.pool.find_clusters(2)
        for number in (0, 1):
            project.pool.label_cluster(number, "bad")
        assert project.status().annotations == 40
        project.audit.grow(8)
        rows = project.reading.find_annotations(AnnotationFilter(annotator="clusters"), limit=100).items
        assert len(rows) == 32
        assert not {row.text_id for row in rows} & {*project.audit.texts()}


def test_what_cannot_be_labelled_at_once_is_said(tmp_path: Path) -> None:
    with made(str(tmp_path / "p.db")) as project:
        with pytest.raises(NotFoundError, match="no cluster 0"):
            project.pool.label_cluster(0, "bad")
        with pytest.raises(InputError, match="expected 2 to 500"):
            project.pool.find_clusters(1)
        project.pool.find_clusters(2)
        with pytest.raises(InputError):
            project.pool.label_cluster(0, "ugly")
        project.people.add("clusters")
        project.submit("s1", "bad", annotator="clusters")
        with pytest.raises(ConflictError, match="called 'clusters'"):
            project.pool.label_cluster(0, "bad")


def test_clusters_of_texts_that_are_encoded_in_another_way_are_old(tmp_path: Path) -> None:
    with made(str(tmp_path / "p.db")) as project:
        project.pool.find_clusters(2)
        project.add_texts([(f"n{at}", f"loud music in hall {at}") for at in range(10)])
        assert len(project.pool.cluster_texts(0)) + len(project.pool.cluster_texts(1)) == 50, (
            "new ones belong"
        )
        project.add_texts([(f"m{at}", f"loud music in hall {at}, again") for at in range(50)])
        with pytest.raises(ConflictError, match="find clusters again"):
            project.pool.cluster_texts(0)
