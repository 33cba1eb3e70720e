"""Copies share their labels, near-duplicates as far as labels say so, and no group is split by the audit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import jurybox as jb
from jurybox.errors import ConflictError, NotFoundError
from jurybox.formats.write_tables import out_table
from jurybox.store import snapshots
from jurybox.store.filters import TextFilter
from jurybox.store.settings import ProjectSettings

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=0, overlap=0, tuning=False, first_labels=1, max_labels=3, enough_agreement=2
)
TEXTS = [
    ("a", "The soup was cold."),
    ("b", "The waiter was kind."),
    ("c", "The  soup was cold.\n"),
    ("d", "the soup was cold."),
]
CLASSES = ["bad", "good"]


def made(location: str | Path, texts: list[tuple[str, str]] = TEXTS, **changes: object) -> jb.Project:
    settings = SETTINGS.updated(changes)
    project = jb.Project.create(location, texts=texts, classes=CLASSES, settings=settings)
    for name in ("ana", "bo", "cem", "dan", "eve"):
        project.people.add(name)
    return project


def asked_of(project: jb.Project, name: str) -> list[str]:
    found = []
    while task := project.next_task(name):
        found.append(task.text_id)
        project.skip(task)
    return sorted(found)


def test_a_copy_is_asked_for_once_and_has_the_label(location: str) -> None:
    with made(location) as project:
        project.add_texts([("e", "The soup was cold.")])
        assert asked_of(project, "bo") == ["a", "b", "d"]
        project.submit("c", "bad", annotator="ana")
        project.submit("a", "bad", annotator="cem")
        assert asked_of(project, "ana") == ["b", "d"], "ana has labelled a copy"
        assert asked_of(project, "dan") == ["b", "d"], "two labels agree"
        beliefs = project.beliefs.now()
        found = {one.text_id: one for one in beliefs.texts}
        assert {one.n_annotations for one in (found["a"], found["c"], found["e"])} == {2}
        assert [found[one].copy_of for one in "abcde"] == [None, None, "a", None, "a"]
        assert found["c"].label == found["a"].label == "bad"
        assert beliefs.basis.labels == 2
        assert project.to_frame()["label"].to_dict()["e"] == "bad"
        table = out_table(project.export(), "consensus")
        place = [column.name for column in table.columns].index("copy_of")
        assert [row[place] for row in table.rows()] == [None, None, "a", None, "a"]


def test_nobody_votes_twice_on_copies(location: str) -> None:
    with made(location) as project:
        project.submit("a", "bad", annotator="ana")
        project.submit("c", "good", annotator="ana")
        assert project.annotations().counts[0].tolist() == [0, 1], "the last one counts"
        assert asked_of(project, "bo") == ["a", "b", "d"], "one vote does not finish a text"


def test_sharing_can_be_switched_off_and_on(location: str) -> None:
    with made(location, share_copies=False) as project:
        assert asked_of(project, "ana") == ["a", "b", "c", "d"]
        project.submit("a", "bad", annotator="bo")
        project.submit("c", "bad", annotator="cem")
        assert project.beliefs.now().texts.find("c").n_annotations == 1  # type: ignore[union-attr]
        project.configure(share_copies=True)
        assert asked_of(project, "dan") == ["b", "d"]
        assert project.beliefs.now().texts.find("c").n_annotations == 2  # type: ignore[union-attr]
        project.configure(share_copies=False)
        assert asked_of(project, "eve") == ["a", "b", "c", "d"]


def test_a_copy_follows_where_the_first_is_deleted(location: str) -> None:
    with made(location) as project:
        project.submit("a", "bad", annotator="ana")
        project.edit.delete_texts(["a"])
        assert asked_of(project, "bo") == ["b", "c", "d"]
        project.edit.history.undo(project.edit.history.last_number())
        assert asked_of(project, "cem") == ["a", "b", "d"]
        assert project.beliefs.now().texts.find("c").n_annotations == 1  # type: ignore[union-attr]


def test_a_copy_that_came_while_the_first_was_deleted_is_a_copy_of_the_first(location: str) -> None:
    with made(location) as project:
        project.edit.delete_texts(["a"])
        deleted = project.edit.history.last_number()
        project.add_texts([("e", "The soup was cold.")])
        project.edit.history.undo(deleted)
        beliefs = project.beliefs.now().texts
        assert [beliefs.find(one).copy_of for one in "ace"] == [None, "a", "a"]  # type: ignore[union-attr]
        project.submit("e", "bad", annotator="ana")
        project.submit("c", "bad", annotator="bo")
        assert {*asked_of(project, "cem")} == {"b", "d"}, "two labels of one text agree"


def test_what_was_grouped_last_is_split_first(location: str) -> None:
    with made(location) as project:
        project.pool.merge(["b", "d"])
        merged, held = project.edit.history.last_number(), project.pool.duplicates().groups
        project.pool.merge(["a", "d"])
        again = project.edit.history.last_number()
        with pytest.raises(ConflictError, match="since; undo that first"):
            project.edit.history.undo(merged)
        project.edit.history.undo(again)
        assert project.pool.duplicates().groups == held
        project.edit.history.undo(merged)
        assert [group.texts for group in project.pool.duplicates().groups] == [("a", "c")]


def test_groups_are_split_and_merged_by_hand(location: str) -> None:
    with made(location) as project:
        assert [group.texts for group in project.pool.find(by="olga").groups] == [("a", "c", "d")]
        assert project.pool.split(["c"], by="olga") == 1
        assert [group.texts for group in project.pool.duplicates().groups] == [("a", "d")]
        assert asked_of(project, "ana") == ["a", "b", "c", "d"], "c is no copy any more"
        assert [group.texts for group in project.pool.find().groups] == [("a", "d")], "what is by hand stays"
        number = project.edit.history.last_number()
        assert project.edit.history.event(number).verb == "split group"
        project.edit.history.undo(number)
        assert [group.texts for group in project.pool.duplicates().groups] == [("a", "c", "d")]
        assert asked_of(project, "bo") == ["a", "b", "d"]
        project.pool.merge(["b", "d"])
        assert [group.texts for group in project.pool.duplicates().groups] == [("a", "b", "c", "d")]
        project.edit.history.undo(project.edit.history.last_number())
        assert project.pool.duplicates().total == 1
        with pytest.raises(NotFoundError):
            project.pool.split(["nobody"])


@pytest.mark.slow
def test_what_is_split_from_the_first_text_leaves_the_others_together(location: str) -> None:
    with made(location) as project:
        project.add_texts([("e", "The soup was cold.")])
        project.pool.find()
        project.pool.split(["a"])
        (group,) = project.pool.duplicates().groups
        assert (group.texts, group.copies) == (("c", "d", "e"), ("e",))
        assert asked_of(project, "ana") == ["a", "b", "c", "d"]


def pairs(n: int) -> list[tuple[str, str]]:
    """Return n texts of words of their own, a copy of every third and a near-duplicate of every other."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 7)) for _ in range(20 * n)]
    texts = []
    for row in range(n):
        own = words[12 * row : 12 * row + 12] + (["lovely"] if row % 4 < 2 else ["awful"])
        texts.append((f"t{row}", " ".join(own)))
        texts.append((f"n{row}", " ".join([*own[:-2], "indeed", own[-1]])))
        if row % 3 == 0:
            texts.append((f"c{row}", "  ".join(own)))
    return texts


@pytest.mark.slow
def test_nothing_like_an_audited_text_is_trained_on(location: str) -> None:
    texts = pairs(30)
    with made(location, texts, audit_size=15, audit_share=0.5, audit_labels=1) as project:
        project.pool.find()
        audit = project.audit.texts()
        assert audit
        assert not [one for one in audit if one.startswith("c")], "copies are not drawn"
        for key, text in texts:
            project.submit(key, "good" if "lovely" in text else "bad", annotator="ana")
        with project.store.read() as connection:
            held = {texts[row][0] for row in snapshots.read_held_out(connection).tolist()}
        assert {one[1:] for one in held} == {one[1:] for one in audit}
        done = project.refit()
        different = sum(not key.startswith("c") for key, _ in texts if key[1:] not in {o[1:] for o in audit})
        assert done.diagnostics["trained_on"] == different
        assert len(done.diagnostics["held_out"]) == len(held)


@pytest.mark.slow
@pytest.mark.parametrize("agree", [True, False])
def test_near_duplicates_share_where_labels_of_pairs_agree(tmp_path: Path, agree: bool) -> None:
    texts = pairs(60)
    with made(tmp_path / "p.db", texts, strategy="random") as project:
        project.pool.find()
        rng = np.random.default_rng(1)
        for row in range(60):
            label = CLASSES[row % 2]
            project.submit(f"t{row}", label, annotator="ana")
            if row < 30:
                other = label if agree else CLASSES[int(rng.integers(2))]
                project.submit(f"n{row}", other, annotator="ana")
        done = project.refit().diagnostics["near_duplicates"]
        assert done["pairs"] == 30
        assert (done["weight"] > 0) == agree
        assert project.pool.duplicates().sharing == {"": done}
        if agree:
            found = [project.beliefs.now().texts.find(f"n{row}") for row in range(30, 60)]
            right = sum(one is not None and one.label == CLASSES[n % 2] for n, one in enumerate(found))
            assert right == 30, "labels that no words tell come from the other text of the pair"


@pytest.mark.slow
def test_each_question_finds_out_what_near_duplicates_share(tmp_path: Path) -> None:
    texts = pairs(40)
    asked = ("kind=single:bad,good", "lot=single:no,yes")
    rng = np.random.default_rng(1)
    with jb.Project.create(
        tmp_path / "p.db", texts=texts, questions=asked, settings=SETTINGS.updated({"strategy": "random"})
    ) as project:
        project.people.add("ana")
        project.pool.find()
        for row in range(40):
            for key in (f"t{row}", f"n{row}"):
                said = {"kind": CLASSES[row % 2], "lot": ["no", "yes"][int(rng.integers(2))]}
                project.submit(key, said, annotator="ana")
        project.refit()
        found = project.pool.duplicates().sharing
    assert {name: one["pairs"] for name, one in found.items()} == {"kind": 40, "lot": 40}
    assert found["kind"]["weight"] > 0.5
    assert found["lot"]["weight"] == 0


def test_what_is_known_of_a_copy_is_known_of_the_first(location: str) -> None:
    with made(location) as project:
        project.gold.set("c", "bad")
        assert project.gold.labels() == {"a": "bad"}
        assert asked_of(project, "ana") == ["b", "d"], "gold texts come in another way"
        project.edit.change_gold({"c": "good"})
        assert project.gold.labels() == {"a": "good"}
        project.edit.history.undo(project.edit.history.last_number())
        assert project.gold.labels() == {"a": "bad"}
        project.gold.set("c", None)
        assert project.gold.labels() == {}
        assert asked_of(project, "bo") == ["a", "b", "d"]


def test_what_is_known_of_a_copy_is_passed_on_when_copies_begin_to_share(location: str) -> None:
    with made(location, share_copies=False) as project:
        project.gold.set("c", "bad")
        assert project.gold.labels() == {"c": "bad"}
        project.configure(share_copies=True)
        assert project.gold.labels() == {"a": "bad"}
        assert asked_of(project, "ana") == ["b", "d"]


def test_what_is_done_to_a_copy_is_done_to_the_first(location: str) -> None:
    with made(location) as project:
        for name in ("ana", "bo"):
            project.submit("a", "bad", annotator=name)
        assert asked_of(project, "cem") == ["b", "d"]
        project.edit.reopen(project.edit.matching(TextFilter(search="soup was cold"))[1:2], 1)
        assert asked_of(project, "dan") == ["a", "b", "d"]


@pytest.mark.slow
def test_the_command_line_finds_splits_and_shows(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from jurybox.cli.app import app

    path = tmp_path / "p.db"
    made(path).close()

    def told(*options: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["duplicates", str(path), "--json", *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)  # type: ignore[no-any-return]

    assert told()["copies"] == 1
    found = told("--find")
    assert found["total"] == 1
    assert told("--split", "a", "--split", "d")["total"] == 0
    assert told("--merge", "a", "--merge", "b")["total"] == 1
    shown = CliRunner().invoke(app, ["duplicates", str(path)])
    assert "1 group, 0 exact copies" in shown.output
