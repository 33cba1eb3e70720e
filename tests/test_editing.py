"""Work on many texts and labels, names, classes and people: what it does, and that its undoing undoes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from jurybox import Project
from jurybox.errors import ConflictError, FormatError, InputError, NotFoundError
from jurybox.formats import AnnotationRecord
from jurybox.store import people, rounds, schema, snapshots
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.history import HistoryEvent, note_event
from jurybox.store.records import Fault, Role, Standing, Task
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.waiting import until

pytestmark = pytest.mark.slow

SETTINGS = ProjectSettings(
    encoder="tfidf", audit_size=6, audit_share=0.3, audit_labels=2, max_labels=2, overlap=0, tuning=False
)
N = 30


@pytest.fixture
def project(location: str, tmp_path: Path) -> Iterator[Project]:
    with Project.open(copied(make_project, location), cache=tmp_path) as project:
        yield project


def make_project(location: str) -> None:
    texts = [(f"t{n}", f"text {n}") for n in range(N)]
    with Project.create(location, texts=texts, classes=["no", "yes", "maybe"], settings=SETTINGS) as project:
        for name in ("ana", "bo", "cy"):
            project.people.add(name)
        project.people.add("olga", role=Role.OWNER)


def label(project: Project, annotator: str, n: int, said: str = "yes") -> list[str]:
    done: list[str] = []
    while len(done) < n and isinstance(task := project.next_task(annotator), Task):
        project.submit(task, said)
        done.append(task.text_id)
    return done


def publish(project: Project, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Play a round that ranks the texts from the last to the first, while something happens."""
    rng = np.random.default_rng(0)
    snapshot = snapshots.read_snapshot(project.store)
    meanwhile()
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    shape = snapshot.annotations.n_texts, snapshot.annotations.n_classes
    outcome = rounds.Outcome(
        order=np.arange(shape[0])[::-1],
        scores=np.full(shape[0], 0.5),
        selection_probability=np.full(shape[0], np.nan),
        reasons=["uncertain"] * shape[0],
        pred_probs=rng.dirichlet(np.ones(shape[1]), size=shape[0]),
        diagnostics={"audit": {"texts": [1, 2], "predicted": [0, shape[1] - 1]}},
    )
    rounds.publish(project.store, number, snapshot, outcome, now=2.0)


def state(project: Project) -> Any:
    """Return all that a reader can tell of a project."""
    status = project.status()
    return (
        (status.texts, status.labelled_texts, status.finished_texts, status.annotations, status.audit_texts),
        status.class_counts,
        sorted(record[:3] for record in project.reading.annotation_records()),
        [row.open for row in project.reading.find_texts(limit=N).items],
        project.gold.labels(),
        project.audit.texts(),
        [(p.name, p.standing, p.n_annotations) for p in project.people.all()],
        [one.label for one in project.beliefs.now().texts if one.n_annotations],
    )


def acts(project: Project) -> list[HistoryEvent]:
    """Return the trail without its beginning, in which the project was made."""
    *found, made = project.edit.history.last()
    assert made.verb == "create project"
    return found


def undo_last(project: Project) -> None:
    project.edit.history.undo(project.edit.history.last(1)[0].number, by="olga")


def test_labels_go_and_come_back(project: Project) -> None:
    mine = label(project, "ana", 8)
    label(project, "bo", 4, "no")
    before = state(project)
    found = project.edit.matching_annotations(AnnotationFilter(annotator="ana"))
    assert project.edit.delete_labels(found[:5], by="olga") == 5
    assert project.people.get("ana").n_annotations == 3
    assert project.status().annotations == 7
    assert project.edit.delete_labels(found[:5]) == 0  # they do not stand any more
    (event,) = acts(project)
    assert (event.verb, event.subject, event.actor) == ("delete labels", "5", "olga")
    project.submit(mine[0], "no", annotator="ana")  # said anew: the old label does not come back
    undo_last(project)
    assert project.people.get("ana").n_annotations == 8
    rows = {
        row.text_id: row for row in project.reading.find_annotations(AnnotationFilter(annotator="ana")).items
    }
    assert (rows[mine[0]].label, rows[mine[1]].label) == ("no", "yes")
    assert rows[mine[1]].origin == "queue"
    project.edit.delete_labels_of([mine[0]])
    undo_last(project)
    (anew,) = project.reading.find_annotations(AnnotationFilter(annotator="ana", text_id=mine[0])).items
    project.edit.delete_labels([anew.number])
    project.submit(mine[0], "yes", annotator="ana")
    assert state(project)[:2] == before[:2]


def test_deleted_texts_are_nowhere_until_they_are_back(project: Project) -> None:
    label(project, "ana", 9)
    held = project.next_task("bo").text_id  # type: ignore[union-attr]
    project.gold.set("t3", "no")
    before = state(project)
    audited = project.audit.texts()[0]
    gone = [audited, "t3", held, "t29"]
    gone = list(dict.fromkeys(gone))
    assert project.edit.delete_texts(gone) == len(gone)
    assert project.status().texts == N - len(gone)
    for ids in (
        [text.id for text in project.reading.texts()],
        [one.text_id for one in project.beliefs.now().texts],
        [record.text_id for record in project.reading.annotation_records()],
        [row.text_id for row in project.reading.find_texts(limit=N).items],
        [row.text_id for row in project.reading.queue()],
        list(project.to_frame().index),
        project.audit.texts(),
        list(project.gold.labels()),
        project.edit.matching(TextFilter()),
    ):
        assert not {*ids} & {*gone}
    assert project.annotations().n_texts == N  # numbers are positions
    for act in (lambda: project.reading.text_row("t29"), lambda: project.edit.delete_texts(["t29"])):
        with pytest.raises(NotFoundError):
            act()
    with pytest.raises(ConflictError):
        project.submit(held, "yes", annotator="bo", direct=False)
    assert project.to_loop().annotations.n_texts == N - len(gone)
    asked = {row.text_id for row in project.reading.queue(N)}
    publish(project)  # a round that began before does not bring them back
    assert {row.text_id for row in project.reading.queue(N)} <= asked
    project.configure(max_labels=3)
    assert not {row.text_id for row in project.reading.queue(N)} & {*gone}
    project.configure(max_labels=2)
    number = next(e.number for e in project.edit.history.last() if e.verb == "delete texts")
    project.edit.history.undo(number)
    after = state(project)
    assert after[:3] == before[:3]
    assert after[4:] == before[4:]


def test_figures_follow_when_one_text_comes_back_and_another_is_deleted(project: Project) -> None:
    project.edit.delete_texts(["t3"])
    before = project.beliefs.now()
    assert before.texts.find("t3") is None
    undo_last(project)
    project.edit.delete_texts(["t4"])
    now = project.beliefs.now()
    assert now.basis.version != before.basis.version
    assert now.texts.find("t3") is not None
    assert now.texts.find("t4") is None


def test_reopened_texts_are_asked_for_first_whatever_their_labels_say(project: Project) -> None:
    mine = label(project, "ana", 4)
    assert label(project, "bo", 4) == mine
    project.adjudicate(mine[0], "no", reviewer="olga")
    row = project.reading.text_row(mine[0])
    assert not row.open
    project.edit.reopen(mine[:1], by="olga")
    assert project.reading.text_row(mine[0]).open
    assert project.reading.queue(1)[0].text_id == mine[0]
    undo_last(project)
    assert not project.reading.text_row(mine[0]).open
    project.edit.reopen(mine[:1])
    publish(project)
    assert project.reading.queue(1)[0].text_id == mine[0]
    assert label(project, "cy", 1) == mine[:1]
    assert not project.reading.text_row(mine[0]).open
    for labels in (0, 101):
        with pytest.raises(InputError):
            project.edit.reopen(mine[:1], labels)


def test_a_reopened_text_gets_the_labels_that_it_was_reopened_for_and_no_more(project: Project) -> None:
    project.configure(max_labels=5)
    for name in ("dee", "eli"):
        project.people.add(name)
    agreed, split = [f"t{n}" for n in range(N) if f"t{n}" not in project.audit.texts()][:2]
    for name in ("ana", "bo", "cy"):
        project.submit(agreed, "yes", annotator=name)
        project.submit(split, "no" if name == "cy" else "yes", annotator=name)
    assert [project.reading.text_row(one).open for one in (agreed, split)] == [False, True]
    project.edit.reopen([agreed, split])
    assert {*label(project, "dee", 2)} == {agreed, split}
    assert not project.reading.text_row(agreed).open
    assert project.reading.text_row(split).open  # as the rules say
    assert label(project, "eli", 1) != [split]  # but not before all others
    project.edit.reopen([agreed], 2)
    publish(project)
    assert project.reading.text_row(agreed).open
    project.submit(agreed, "yes", annotator="eli")
    assert project.reading.text_row(agreed).open
    project.submit(agreed, "yes", annotator="olga")
    assert not project.reading.text_row(agreed).open


def test_a_reopened_text_that_was_deleted_comes_back_reopened(project: Project) -> None:
    drawn = project.audit.texts()
    mine = [f"t{n}" for n in range(N) if f"t{n}" not in drawn][:2]
    for text in mine:
        for name in ("ana", "bo"):
            project.submit(text, "yes", annotator=name)
    project.edit.reopen(mine[:1], 2)
    project.edit.delete_texts(mine)
    project.edit.history.undo(3)
    assert [row.text_id for row in project.reading.queue() if row.reason == "again"] == mine[:1]
    project.edit.history.undo(2)  # closes what it opened
    with project.store.read() as connection:
        assert connection.scalars(sa.select(schema.reopened.c.text_id)).all() == []


def test_what_was_done_to_a_text_last_is_undone_first(project: Project) -> None:
    one, other = [f"t{n}" for n in range(N) if f"t{n}" not in project.audit.texts()][:2]
    before, trail = state(project), project.edit.history

    def reopened() -> list[int]:
        with project.store.read() as connection:
            return [*connection.scalars(sa.select(schema.reopened.c.labels))]

    changes: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (
            lambda: project.edit.change_gold({one: "yes", other: "no"}),
            lambda: project.edit.change_gold({one: "no"}),
        ),
        (lambda: project.edit.reopen([one, other], 1), lambda: project.edit.reopen([one], 3)),
        (lambda: project.edit.reopen([one], 3), lambda: project.edit.delete_texts([one])),
    ]
    for first, last in changes:
        first()
        earlier = trail.last_number()
        last()
        later, held = trail.last_number(), (state(project), reopened())
        with pytest.raises(ConflictError) as refused:
            trail.undo(earlier)
        assert refused.value.code == "in_the_way"
        assert (state(project), reopened()) == held
        trail.undo(later)
        trail.undo(earlier)
        assert (state(project), reopened()) == (before, [])


def test_an_assigned_text_goes_to_one_person_even_when_their_page_is_left(project: Project) -> None:
    known = label(project, "ana", 3)
    label(project, "bo", 3)
    assert project.edit.assign([*known, "t20", "t21"], "ana") == 2
    assert project.edit.assign(known[:1], "cy") == 1  # it wanted no label any more
    first = [task.text_id for task in project.next_tasks("ana", 3).tasks]
    assert {*first[:2]} == {"t20", "t21"}
    project.release("ana", "t20")
    assert "t20" in [task.text_id for task in project.next_tasks("ana", 3).tasks]
    others = [task.text_id for task in project.next_tasks("bo", N).tasks]
    assert not {"t20", "t21", known[0]} & {*others}
    receipt = project.submit("t20", "yes", annotator="ana", direct=False)
    assert receipt.label == "yes"
    row = project.reading.find_annotations(AnnotationFilter(text_id="t20")).items[0]
    assert row.reason == "assigned"
    assert project.next_task("cy").text_id == known[0]  # type: ignore[union-attr]
    for event in acts(project):
        project.edit.history.undo(event.number)
    assert project.status().on_loan == len(others) + 1  # what ana borrowed from the queue
    with pytest.raises(NotFoundError):
        project.edit.assign(["t20"], "nobody")


def test_gold_by_one_label_or_by_the_consensus(project: Project) -> None:
    mine = label(project, "ana", 3)
    assert project.edit.make_gold([*mine, "t29"]) == 3  # t29 has no consensus
    assert project.gold.labels() == dict.fromkeys(sorted(mine, key=lambda one: int(one[1:])), "yes")
    project.edit.make_gold(mine[:2], "no")
    assert sorted(project.gold.labels().values()) == ["no", "no", "yes"]
    undo_last(project)
    assert {*project.gold.labels().values()} == {"yes"}
    undo_last(project)  # the undoing, too, is undone
    assert sorted(project.gold.labels().values()) == ["no", "no", "yes"]
    with pytest.raises(InputError):
        project.edit.make_gold(mine, "perhaps")


def test_gold_by_consensus_refuses_a_text_that_is_not_there(project: Project) -> None:
    mine = label(project, "ana", 1)
    with pytest.raises(NotFoundError, match="'t99'"):
        project.edit.make_gold([*mine, "t99"])
    assert project.gold.labels() == {}


def test_names_change_and_change_back(project: Project) -> None:
    label(project, "ana", 2)
    before = state(project)
    project.edit.rename("Another title", by="olga")
    project.edit.rename_class("yes", "sure")
    project.edit.rename_person("ana", "Ana B.")
    assert project.name == "Another title"
    assert project.classes == ("no", "sure", "maybe")
    assert project.people.get("Ana B.").n_annotations == 2
    assert [record.label for record in project.reading.annotation_records()] == ["sure", "sure"]
    with pytest.raises(ConflictError):
        project.edit.rename_class("sure", "no")
    with pytest.raises(ConflictError):
        project.edit.rename_person("bo", "cy")
    for event in acts(project):
        project.edit.history.undo(event.number)
    assert state(project) == before


@pytest.mark.parametrize(("old", "into"), [("no", "maybe"), ("maybe", "no"), ("yes", "no")])
def test_two_classes_become_one_and_two_again(project: Project, old: str, into: str) -> None:
    for name, said in (("ana", "no"), ("bo", "yes"), ("cy", "maybe")):
        label(project, name, 4, said)
    project.change("cy", project.reading.decisions("cy")[0].text_id, "yes")
    project.gold.set("t29", old)
    publish(project)
    probabilities = project.reading.probabilities("t5")
    assert probabilities is not None
    before = state(project)
    project.edit.merge_classes(old, into, by="olga")
    left = [name for name in ("no", "yes", "maybe") if name != old]
    assert list(project.classes) == left
    counts = project.status().class_counts
    assert sum(counts.values()) == 12
    assert counts[into] == before[1][into] + before[1][old]
    assert project.gold.labels() == {"t29": into}
    merged = project.reading.probabilities("t5")
    assert merged is not None
    assert list(merged) == left
    assert np.isclose(merged[into], probabilities[old] + probabilities[into])
    assert project.beliefs.now().texts[0].label in (*left, None)
    project.add_class("new")
    undo_first(project, "merge classes")
    assert project.classes == (*("no", "yes", "maybe"), "new")
    after = state(project)
    assert {name: n for name, n in after[1].items() if name != "new"} == before[1]
    assert after[2] == before[2]
    assert after[4] == before[4]


@pytest.mark.parametrize("act", ["merge", "rename"])
def test_a_round_that_began_with_other_classes_does_not_take_over(project: Project, act: str) -> None:
    label(project, "ana", 4)
    change = {
        "merge": lambda: project.edit.merge_classes("no", "maybe"),
        "rename": lambda: project.edit.rename_class("no", "never"),
    }
    with pytest.raises(ConflictError, match="classes were merged, renamed, added or removed"):
        publish(project, change[act])
    assert project.status().rounds == 0
    assert len(project.beliefs.now().texts) == N
    publish(project, lambda: project.add_class("new"))  # behind the others, which stay where they are
    assert project.status().rounds == 1
    assert len(project.beliefs.now().texts) == N


def test_a_class_alone_is_not_merged_away(project: Project) -> None:
    project.edit.merge_classes("maybe", "no")
    for old, into in (("yes", "no"), ("no", "no"), ("never", "no")):
        with pytest.raises(InputError):
            project.edit.merge_classes(old, into)


def test_somebody_is_removed_with_their_labels_and_put_back(project: Project) -> None:
    label(project, "ana", 3)
    label(project, "bo", 3, "no")
    before = state(project)
    project.people.set_token("ana", "hash")
    assert project.edit.remove_person("ana", labels=True, by="olga") == 3
    assert project.people.get("ana").standing == Standing.REMOVED
    assert not project.people.has_token("ana")
    assert not project.next_task("ana")
    assert project.status().annotations == 3
    for act in (project.people.resume, project.people.pause, project.edit.remove_person):
        with pytest.raises(ConflictError):
            act("ana")
    undo_last(project)
    assert state(project) == before
    assert project.edit.remove_person("bo") == 0  # their labels stay
    assert project.status().annotations == 6
    with pytest.raises(ConflictError, match="only owner"):
        project.edit.remove_person("olga")


def test_whoever_is_removed_has_no_way_in_and_gets_no_texts(project: Project) -> None:
    hashed = "of a token"
    project.edit.remove_person("ana")
    for act in (
        lambda: project.people.set_token("ana", hashed),
        lambda: project.edit.assign(["t20"], "ana"),
    ):
        with pytest.raises(ConflictError, match="'ana' is removed"):
            act()
    assert project.people.has_token("ana") is False
    assert project.status().on_loan == 0
    with project.store.write() as connection:  # from before tokens of people removed were refused
        mine = schema.annotators.c.name == "ana"
        connection.execute(sa.update(schema.annotators).where(mine).values(token_hash=hashed))
    assert project.people.by_token(hashed) is None
    key = project.people.sessions.key()
    assert project.people.sessions.person(key, "a session", token_hash=hashed) is None
    project.people.set_token("ana", None)
    undo_last(project)
    project.people.set_token("ana", hashed)
    found = project.people.by_token(hashed)
    assert found is not None
    assert found.name == "ana"


def test_whoever_is_erased_has_no_name_left_and_their_labels_stay(project: Project) -> None:
    label(project, "ana", 3)
    project.people.pause("ana", by="olga")
    project.edit.rename_person("ana", "Ana Banana", by="olga")
    project.edit.assign(["t20"], "Ana Banana", by="Ana Banana")
    pseudonym = project.edit.erase_person("Ana Banana", by="olga")
    assert project.people.get(pseudonym).n_annotations == 3
    assert project.people.get(pseudonym).standing == Standing.REMOVED
    events = project.edit.history.last()
    assert events[0].verb == "erase person"
    assert "ana" not in repr(events).lower()
    assert {record.annotator for record in project.reading.annotation_records()} == {pseudonym}
    with pytest.raises(ConflictError):
        project.edit.history.undo(events[0].number)
    with pytest.raises(NotFoundError):
        project.people.get("Ana Banana")


def test_names_of_the_erased_are_in_no_search_and_no_kept_figure(project: Project) -> None:
    label(project, "ana", 3)
    project.edit.keep_search("old", "q=ana&annotator=ana", by="ana")
    project.edit.keep_search("gone", "annotator=ana", by="olga")
    project.edit.drop_search("gone", by="ana")
    project.beliefs.keep()
    project.edit.rename_person("ana", "anna", by="olga")
    project.edit.keep_search("new", "annotator=anna&state=open", by="anna")
    pseudonym = project.edit.erase_person("anna", by="olga")
    assert {one.name: one.query for one in project.reading.searches()} == {
        "new": f"annotator={pseudonym}&state=open",
        "old": f"q=ana&annotator={pseudonym}",  # words that texts are searched for are nobody's name
    }
    (dropped,) = (event for event in project.edit.history.last() if event.verb == "drop search")
    assert (dropped.actor, dropped.detail) == (pseudonym, {"query": f"annotator={pseudonym}"})
    assert project.notes.read("beliefs") is None
    asked = project.notes.read("learner.request")
    assert asked is not None
    assert asked.value == {"pending": True}
    with project.store.read() as connection:
        assert connection.scalars(sa.select(schema.searches.c.made_by)).all() == [pseudonym, pseudonym]


def test_whoever_has_a_name_now_keeps_it_when_an_earlier_bearer_is_erased(project: Project) -> None:
    project.people.pause("ana", by="ana")
    project.edit.rename_person("ana", "anna", by="ana")
    project.people.add("ana")
    project.people.pause("ana", by="ana")
    project.edit.keep_search("hers", "annotator=ana", by="ana")
    pseudonym = project.edit.erase_person("anna", by="olga")
    trail = [(event.actor, event.verb, event.subject) for event in acts(project)]
    assert trail == [
        ("olga", "erase person", pseudonym),
        ("ana", "pause", "ana"),
        (pseudonym, "rename person", pseudonym),
        (pseudonym, "pause", pseudonym),
    ]
    assert project.reading.searches()[0].query == "annotator=ana"
    project.edit.erase_person("ana", by="olga")
    assert "ana" not in repr(project.edit.history.last())
    assert project.reading.searches()[0].query == "annotator=erased-5"


def test_a_class_called_like_whoever_is_erased_keeps_its_name_in_the_trail(project: Project) -> None:
    project.edit.rename_class("maybe", "ana", by="olga")
    project.edit.erase_person("ana", by="olga")
    undo_first(project, "rename class")
    assert project.classes == ("no", "yes", "maybe")


def test_all_that_match_a_search(project: Project) -> None:
    mine = label(project, "ana", 4)
    assert project.edit.matching(TextFilter(search="text 2")) == ["t2", *(f"t{n}" for n in range(20, 30))]
    assert {*project.edit.matching(TextFilter(state=TextState.LABELLED))} == {*mine}
    assert len(project.edit.matching_annotations(AnnotationFilter(label="yes"))) == 4
    with pytest.raises(NotFoundError):
        project.edit.reopen(["t1", "no such text"])
    assert acts(project) == []


def undo_first(project: Project, verb: str) -> None:
    """Undo the latest event of a kind, whatever was done since."""
    number = next(event.number for event in project.edit.history.last() if event.verb == verb)
    project.edit.history.undo(number, by="olga")


def test_gold_of_deleted_texts_comes_back_by_the_name_of_its_class(project: Project) -> None:
    project.gold.add({"t3": "no", "t4": "maybe"})
    project.edit.delete_texts(["t3", "t4"])
    project.edit.merge_classes("yes", "no")  # the number of "maybe" is another one now
    undo_first(project, "delete texts")
    assert project.gold.labels() == {"t3": "no", "t4": "maybe"}
    assert not project.reading.text_row("t3").open
    project.edit.delete_texts(["t3"])
    project.edit.rename_class("no", "never")
    with pytest.raises(ConflictError, match="'never', 'maybe'"):
        undo_first(project, "delete texts")
    assert project.status().texts == N - 1
    undo_first(project, "rename class")
    undo_first(project, "delete texts")
    assert project.gold.labels() == {"t3": "no", "t4": "maybe"}


def test_what_a_reversal_lacks_is_a_conflict(project: Project) -> None:
    project.edit.make_gold(["t1"], "no")
    project.edit.make_gold(["t1"], "yes")
    project.edit.rename_class("no", "never")
    with pytest.raises(ConflictError, match="cannot be undone"):
        undo_first(project, "gold")
    project.edit.rename_class("yes", "sure")
    project.edit.rename_class("sure", "certain")
    with pytest.raises(ConflictError, match="'sure' is 'certain' by now"):
        project.edit.history.undo(project.edit.history.last()[1].number)
    with pytest.raises(NotFoundError):
        project.edit.history.undo(99)


@pytest.mark.parametrize("verb", ["pause", "resume", "leave out", "count", "remove person"])
def test_an_act_on_a_person_is_undone_for_them_whoever_bears_the_name(project: Project, verb: str) -> None:
    label(project, "ana", 2)
    acts: dict[str, Callable[[str], object]] = {
        "pause": project.people.pause,
        "resume": project.people.resume,
        "leave out": project.people.leave_out,
        "count": project.people.count_again,
        "remove person": project.edit.remove_person,
    }
    if verb in ("resume", "count"):
        acts["pause" if verb == "resume" else "leave out"]("ana")
    acts[verb]("ana")
    event = project.edit.history.last()[0]
    project.edit.rename_person("ana", "anna")
    project.people.add("ana")
    newcomer, before = project.people.get("ana"), project.people.get("anna")
    undone = project.edit.history.undo(event.number)
    assert undone.subject == "anna"
    assert project.people.get("ana") == newcomer
    assert project.people.get("anna") != before
    if undone.verb != "put back":
        project.edit.history.undo(undone.number)
        assert project.people.get("ana") == newcomer
        assert project.people.get("anna") == before


def test_a_name_is_not_given_back_to_whoever_has_it_now(project: Project) -> None:
    project.edit.rename_person("ana", "anna")
    event = project.edit.history.last()[0]
    project.edit.rename_person("anna", "anne")
    project.people.add("anna")
    with pytest.raises(ConflictError, match="anne"):
        project.edit.history.undo(event.number)
    assert [person.name for person in project.people.all()] == ["anne", "bo", "cy", "olga", "anna"]


def test_whoever_is_erased_is_not_put_back(project: Project) -> None:
    project.edit.remove_person("ana")
    removal = project.edit.history.last()[0].number
    pseudonym = project.edit.erase_person("ana")
    project.edit.rename_person(pseudonym, "somebody")
    project.people.add("ana")
    with pytest.raises(ConflictError, match="erased"):
        project.edit.history.undo(removal)
    assert project.people.get("somebody").standing == Standing.REMOVED


def test_a_decision_comes_back_with_its_reason(project: Project) -> None:
    (one,) = label(project, "ana", 1)
    project.adjudicate(one, "no", reviewer="olga", comment="no", fault=Fault.GUIDELINE)
    cases = project.review.cases()
    assert [(case.text_id, case.fault) for case in cases] == [(one, Fault.GUIDELINE)]
    for delete in (project.edit.delete_labels_of, project.edit.delete_texts):
        for _ in range(2):  # the row that came back is copied like the first one
            delete([one])
            assert project.review.cases() == []
            undo_last(project)
            assert project.review.cases() == cases
    assert project.review.decided() == {one}


def test_labels_of_a_deleted_text_wait_for_it(project: Project) -> None:
    (one,) = label(project, "ana", 1)
    before = state(project)
    project.edit.delete_labels_of([one])
    project.edit.delete_texts([one])
    with pytest.raises(ConflictError, match="deleted"):
        undo_first(project, "delete labels")
    undo_first(project, "delete texts")
    undo_first(project, "delete labels")
    assert state(project) == before
    project.edit.remove_person("ana", labels=True)
    project.edit.delete_texts([one])
    with pytest.raises(ConflictError, match="deleted"):
        undo_first(project, "remove person")
    assert project.people.get("ana").standing == Standing.REMOVED
    undo_first(project, "delete texts")
    undo_first(project, "remove person")
    assert state(project) == before


def test_settings_guidelines_and_classes_are_in_the_trail_and_undone(project: Project) -> None:
    first = project.settings
    project.configure(by="olga", batch=7, highlights=("spam",))
    project.configure(by="olga", batch=7)  # changes nothing
    project.set_guidelines("Be kind.", by="olga")
    project.set_guidelines("Be kind.", by="olga")
    project.set_guidelines("Be kind and quick.", by="olga")
    project.add_class("perhaps", by="olga")
    events = acts(project)
    assert [(event.actor, event.verb, event.subject) for event in reversed(events)] == [
        ("olga", "settings", "batch, highlights"),
        ("olga", "guidelines", "1"),
        ("olga", "guidelines", "2"),
        ("olga", "add class", "perhaps"),
    ]
    settings = {
        "before": {"batch": first.batch, "highlights": []},
        "after": {"batch": 7, "highlights": ["spam"]},
    }
    assert events[-1].detail == settings
    with pytest.raises(ConflictError, match="version 2 of the guidelines holds"):
        project.edit.history.undo(events[2].number)
    back = project.edit.history.undo(events[1].number, by="olga")
    assert (project.guidelines, back.subject) == ("Be kind.", "3")
    project.edit.history.undo(back.number)
    assert project.guidelines == "Be kind and quick."
    project.configure(batch=8)
    with pytest.raises(ConflictError, match="batch was 7 and is 8"):
        project.edit.history.undo(events[-1].number)
    project.configure(batch=7)
    project.edit.history.undo(events[-1].number)
    assert project.settings == first


def test_a_class_that_nobody_has_used_is_taken_away_again(project: Project) -> None:
    for name, said in (("ana", "no"), ("bo", "yes"), ("cy", "maybe")):
        label(project, name, 4, said)
    project.add_class("unsure", by="olga")
    project.add_class("perhaps")
    label(project, "ana", 2, "perhaps")
    publish(project)
    before = state(project)
    probabilities = project.reading.probabilities("t5")
    assert probabilities is not None
    done = project.edit.history.undo(first(project, "add class", "unsure"), by="olga")
    assert (done.verb, done.subject, done.actor) == ("remove class", "unsure", "olga")
    assert project.classes == ("no", "yes", "maybe", "perhaps")
    after = state(project)
    assert after[1] == {name: n for name, n in before[1].items() if name != "unsure"}
    assert after[2] == before[2]
    left = project.reading.probabilities("t5")
    assert left is not None
    rest = 1 - probabilities["unsure"]
    assert left == pytest.approx({name: probabilities[name] / rest for name in project.classes}, abs=1e-5)
    predicted = [info.diagnostics["audit"]["predicted"] for info in project.reading.rounds()]
    assert predicted == [[0, 3]]  # the class behind the one that went is still the one that is predicted
    project.add_class("unsure")
    assert project.classes[-1:] == ("unsure",)


@pytest.mark.parametrize("use", ["label", "taken back", "gold", "predicted"])
def test_a_class_that_was_used_stays(project: Project, use: str) -> None:
    project.add_class("perhaps")
    label(project, "ana", 1)
    if use == "gold":
        project.gold.set("t29", "perhaps")
    elif use == "predicted":
        publish(project)
    else:
        (one,) = label(project, "bo", 1, "perhaps")
        if use == "taken back":
            project.undo("bo", one)
    before = state(project)
    with pytest.raises(ConflictError, match="'perhaps' was chosen or predicted 1 times and stays"):
        undo_first(project, "add class")
    assert state(project) == before
    project.edit.merge_classes("perhaps", "maybe")
    assert project.classes == ("no", "yes", "maybe")


def test_a_class_is_not_taken_away_under_another_name_or_as_one_of_two(project: Project) -> None:
    project.add_class("perhaps")
    added = first(project, "add class", "perhaps")
    project.edit.rename_class("perhaps", "sure")
    with pytest.raises(ConflictError, match="label is 'perhaps', expected one of"):
        project.edit.history.undo(added)
    project.add_class("perhaps")
    with pytest.raises(ConflictError, match="another class 'perhaps' was added since"):
        project.edit.history.undo(added)
    undo_first(project, "add class")
    undo_first(project, "rename class")
    with pytest.raises(ConflictError, match="classes were merged, renamed, added or removed"):
        publish(project, lambda: project.edit.history.undo(added))
    assert project.classes == ("no", "yes", "maybe")
    project.add_class("perhaps")
    project.edit.merge_classes("maybe", "no")
    project.edit.merge_classes("yes", "no")
    with pytest.raises(ConflictError, match="expected two or more to be left"):
        undo_first(project, "add class")


def first(project: Project, verb: str, subject: str) -> int:
    return next(
        event.number
        for event in project.edit.history.last()
        if (event.verb, event.subject) == (verb, subject)
    )


def test_the_trail_is_read_in_parts_and_in_brief(project: Project) -> None:
    label(project, "ana", 6)
    project.edit.delete_labels_of([text.id for text in project.reading.texts()])
    project.edit.assign(["t3", "t4"], "bo")
    project.edit.make_gold(["t3", "t4"], "no")
    project.configure(batch=7)
    project.edit.merge_classes("maybe", "no")
    project.edit.rename_class("yes", "sure")
    whole, brief = project.edit.history.last(), project.edit.history.last(brief=True)
    assert [event.number for event in brief] == [event.number for event in whole] == [7, 6, 5, 4, 3, 2, 1]
    assert [event.detail for event in brief] == [
        whole[0].detail,
        {"into": "no"},
        whole[2].detail,
        {},
        {"name": "bo"},
        {},
        {"texts": N, "annotations": 0, "skips": 0},
    ]
    assert len(whole[-2].detail["labels"]) == 6
    parts = [project.edit.history.last(2, before=number, brief=True) for number in (None, 6, 4, 2)]
    assert [event.number for part in parts for event in part] == [7, 6, 5, 4, 3, 2, 1]


def test_undoing_a_fixed_number_of_labels_brings_all_back_that_it_had_set(project: Project) -> None:
    project.configure(max_labels=4, enough_agreement=None)
    before = project.settings
    label(project, "ana", N)
    project.configure(labels_per_text=1)
    assert project.status().finished_texts == N
    event = project.edit.history.last()[0]
    assert {*event.detail["before"]} == {"labels_per_text", "max_labels", "first_labels", "audit_labels"}
    project.edit.history.undo(event.number)
    assert project.settings == before
    assert project.status().finished_texts == 0


def test_what_was_brought_in_is_in_the_trail_at_once_with_who_did_it(project: Project) -> None:
    project.add_texts(["one more"], by="olga")
    project.add_texts(["one more"], by="olga")  # brings nothing
    project.add_annotations([AnnotationRecord("t1", "ana", "no")], by="olga")
    with pytest.raises(FormatError):
        project.add_annotations([AnnotationRecord("no such text", "ana", "no")])
    found = [(event.actor, event.verb, event.subject, event.detail) for event in acts(project)]
    assert found == [
        ("olga", "add", "0", {"texts": 0, "annotations": 1, "skips": 0}),
        ("olga", "add", "1", {"texts": 1, "annotations": 0, "skips": 0}),
    ]
    made = project.edit.history.last()[-1]
    assert (made.actor, made.subject, made.detail["texts"]) == (None, project.name, N)
    with pytest.raises(ConflictError, match="cannot be undone"):
        project.edit.history.undo(made.number)
    assert project.edit.history.last(brief=True) == project.edit.history.last()


def test_what_an_older_version_kept_too_little_of_is_not_undone(project: Project) -> None:
    with project.store.write() as connection:
        number = note_event(connection, "split group", "2", by=None, now=1.0, detail={"before": []})
    with pytest.raises(ConflictError, match="kept too little"):
        project.edit.history.undo(number)


@pytest.mark.parametrize("verb", ["pause", "leave out"])
def test_what_changes_nothing_about_a_person_is_no_event_to_undo(project: Project, verb: str) -> None:
    act = project.people.pause if verb == "pause" else project.people.leave_out
    act("ana")
    act("ana")
    assert [event.verb for event in acts(project)] == [verb]


def test_undoing_drops_no_search_and_no_title_that_came_since(project: Project) -> None:
    project.edit.keep_search("mine", "q=1")
    project.edit.drop_search("mine")
    project.edit.keep_search("mine", "q=2")
    with pytest.raises(ConflictError, match="another search"):
        undo_first(project, "drop search")
    assert [one.query for one in project.reading.searches()] == ["q=2"]
    project.edit.rename("second")
    first = project.edit.history.last_number()
    project.edit.rename("third")
    with pytest.raises(ConflictError, match="'second' is 'third' by now"):
        project.edit.history.undo(first)
    assert project.name == "third"


@pytest.mark.parametrize("verb", ["rename class", "merge classes", "delete texts", "gold", "add class"])
def test_undoing_takes_no_class_for_another_that_has_its_name_by_now(project: Project, verb: str) -> None:
    label(project, "ana", 3, "yes")
    project.edit.make_gold(["t28"], "yes")
    does: dict[str, Callable[[], object]] = {
        "rename class": lambda: project.edit.rename_class("yes", "sure"),
        "merge classes": lambda: project.edit.merge_classes("maybe", "yes"),
        "delete texts": lambda: project.edit.delete_texts(["t28"]),
        "gold": lambda: project.edit.make_gold(["t28"], "maybe"),
        "add class": lambda: project.add_class("fresh"),
    }
    before = state(project)
    does[verb]()
    event = project.edit.history.last_number()
    name = {"rename class": "sure", "add class": "fresh"}.get(verb, "yes")
    project.edit.rename_class(name, "other")
    project.edit.rename_class("no", name)
    held = state(project)
    if verb == "merge classes":  # which is undone for the class that it was, whatever it is called by now
        project.edit.history.undo(event)
        assert project.classes == ("yes", "other", "maybe")
    else:
        with pytest.raises(ConflictError, match="by now"):
            project.edit.history.undo(event)
        assert state(project) == held
        for _ in range(2):
            undo_last_rename(project)
        project.edit.history.undo(event)
        assert state(project) == before


def undo_last_rename(project: Project) -> None:
    """Undo the last renaming that holds and was no undoing."""
    events = project.edit.history.last()
    undoing = {event.undone_by for event in events}
    number = next(
        event.number
        for event in events
        if event.verb == "rename class" and event.undone_by is None and event.number not in undoing
    )
    project.edit.history.undo(number)


def test_labels_of_a_merged_class_come_back_though_the_other_class_was_renamed(project: Project) -> None:
    label(project, "ana", 3, "yes")
    project.edit.merge_classes("yes", "maybe")
    project.edit.rename_class("maybe", "perhaps")
    project.edit.rename_class("no", "maybe")
    undo_first(project, "merge classes")
    assert {record.label for record in project.reading.annotation_records()} == {"yes"}


def test_nobody_has_both_labelled_and_skipped_a_text(project: Project) -> None:
    (one,) = label(project, "ana", 1)
    project.edit.delete_labels_of([one])
    project.skip(one, annotator="ana")
    undo_first(project, "delete labels")  # the person has decided otherwise since
    project.skip("t5", annotator="olga")
    project.adjudicate("t5", "yes", reviewer="olga")
    counts = {person.name: (person.n_annotations, person.n_skips) for person in project.people.all()}
    assert (counts["ana"], counts["olga"]) == ((0, 1), (1, 0))
    assert project.status().skips == 1


def test_a_text_that_was_assigned_to_another_is_theirs_again(project: Project) -> None:
    for name in ("ana", "bo"):
        project.edit.assign(["t20", "t21", "t22"], name)
    project.submit("t20", "yes", annotator="bo")
    project.submit("t21", "yes", annotator="ana")
    undo_last(project)
    given = [task.text_id for task in project.next_tasks("ana", N).tasks if task.reason == "assigned"]
    assert given == ["t22"]  # one is decided by each
    project.edit.history.undo(project.edit.history.last()[-2].number)
    assert "t22" in [task.text_id for task in project.next_tasks("cy", N).tasks]


def test_whoever_is_removed_at_the_time_is_not_paused(project: Project) -> None:
    refused: list[ConflictError] = []

    def pause() -> None:
        try:
            project.people.pause("ana")
        except ConflictError as error:
            refused.append(error)

    def waits() -> bool:
        if project.store.is_sqlite:  # where one begins to write when the other has ended
            return True
        with project.store.look() as connection:
            return bool(connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    other = threading.Thread(target=pause)
    with project.store.write() as connection:
        people.remove(connection, "ana")
        other.start()
        until(waits)
    other.join()
    assert [error.code for error in refused] == ["removed"]
    assert project.people.get("ana").standing == Standing.REMOVED
