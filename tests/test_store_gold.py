"""Gold texts: mixed in where nobody can tell, evidence about annotators, a test; and caps as shares."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jurybox.errors import InputError, NotFoundError
from jurybox.formats import read, write
from jurybox.formats.records import AnnotationRecord
from jurybox.project import Project
from jurybox.store import rounds, snapshots
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.records import NothingLeft, Role, Task, Why
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import Clock

N = 60
GOLD = {f"t{i}": ("yes" if i % 2 else "no") for i in range(12)}
PLAIN = ProjectSettings(
    audit_size=0, overlap=0, max_labels=3, enough_agreement=None, first_labels=1, gold_share=0.3, seed=4
)
TEST = PLAIN.updated({"qualification_texts": 4, "qualification_accuracy": 0.75})


def make(location: str, settings: ProjectSettings = PLAIN, clock: Clock | None = None) -> Project:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    project = Project.create(
        location, classes=["no", "yes"], texts=texts, settings=settings, clock=clock or Clock()
    )
    project.gold.add(GOLD)
    return project


def make_copied(location: str, settings: ProjectSettings) -> None:
    make(location, settings).close()


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.open(copied(make_copied, location, PLAIN), clock=Clock()) as project:
        yield project


def take(project: Project, annotator: str) -> Task:
    task = project.next_task(annotator)
    assert isinstance(task, Task), task
    return task


def why(project: Project, annotator: str) -> Why:
    nothing = project.next_task(annotator)
    assert isinstance(nothing, NothingLeft)
    return nothing.why


def label_all(project: Project, annotator: str, most: int = 10 * N) -> list[str]:
    """Label texts, gold texts as is right, and return their ids."""
    ids: list[str] = []
    while len(ids) < most and (task := project.next_task(annotator)):
        project.submit(task, GOLD.get(task.text_id, "yes"))
        ids.append(task.text_id)
    return ids


def reasons(project: Project, annotator: str) -> dict[str, str | None]:
    page = project.reading.find_annotations(AnnotationFilter(annotator=annotator), limit=500)
    return {row.text_id: row.reason for row in page.items}


def publish(project: Project, meanwhile: list[tuple[str, str | None]] | None = None) -> None:
    """Play a round that ranks every text it may, the first ones first."""
    snapshot = snapshots.read_snapshot(project.store)
    number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
    for text, label in meanwhile or ():
        project.gold.set(text, label)
    order = np.flatnonzero(rounds.wants_label(snapshot, project.settings))
    outcome = rounds.Outcome(
        order=order,
        scores=np.linspace(0, 1, len(order)) ** 2,
        selection_probability=np.full(len(order), 0.5),
        reasons=["new"] * len(order),
        pred_probs=np.full((N, 2), 0.5),
        diagnostics={},
    )
    rounds.publish(project.store, number, snapshot, outcome, now=2.0)


def open_texts(project: Project) -> set[str]:
    return {
        row.text_id for row in project.reading.find_texts(TextFilter(state=TextState.OPEN), limit=500).items
    }


# ---- naming gold texts


def test_gold_texts_are_named_changed_and_taken_back(project: Project) -> None:
    assert project.gold.labels() == GOLD
    assert open_texts(project) == {f"t{i}" for i in range(12, N)}
    project.gold.set("t0", "yes")
    project.gold.set("t1", None)
    assert project.gold.labels() == {
        **{text: label for text, label in GOLD.items() if text != "t1"},
        "t0": "yes",
    }
    assert "t1" in open_texts(project)
    assert "t0" not in open_texts(project)


def test_wrong_gold_is_refused_as_a_whole(project: Project) -> None:
    with pytest.raises(NotFoundError, match="'t99'"):
        project.gold.add({"t20": "yes", "t99": "yes"})
    with pytest.raises(InputError, match="expected one of 'no', 'yes'"):
        project.gold.add({"t20": "yes", "t21": "perhaps"})
    with pytest.raises(InputError, match="two known labels, 'yes' and 'no'"):
        project.gold.add([("t20", "yes"), ("t21", "no"), ("t20", "no")])
    assert project.gold.labels() == GOLD
    assert project.gold.add([("t20", "yes"), ("t20", "yes")]) == 1


def test_gold_texts_stay_out_of_the_queue_through_rounds_and_settings(project: Project) -> None:
    project.people.add("ana")
    project.submit("t0", "no", annotator="ana")
    project.submit("t30", "no", annotator="ana")
    ordinary = {f"t{i}" for i in range(12, N)}
    changes: list[dict[str, Any]] = [{"max_labels": 4}, {"first_labels": 2}]
    for change in changes:
        project.configure(**change)
        assert open_texts(project) == ordinary
    publish(project)
    assert open_texts(project) == ordinary
    publish(project, meanwhile=[("t40", "yes"), ("t3", None)])
    assert open_texts(project) == ordinary - {"t40"} | {"t3"}


@pytest.mark.slow
def test_the_audit_sample_stays_a_random_one(location: str) -> None:
    with make(
        location, PLAIN.updated({"audit_size": 6, "overlap": 0, "audit_share": 0.1, "gold_share": 1})
    ) as project:
        audit = set(project.audit.texts())
        project.gold.add(dict.fromkeys(audit, "yes"))
        assert audit <= open_texts(project)
        label_all(project, "ana")
        given = reasons(project, "ana")
        assert {given[text] for text in audit} == {"audit"}
        assert {text for text, reason in given.items() if reason == "gold"} == set(GOLD) - audit
        (score,) = project.gold.report()
        assert (score.n, score.right) == (len(audit | set(GOLD)), len(audit | set(GOLD)) - wrong_in(audit))
        publish(project)
        assert project.status().audit_texts == 6


def wrong_in(audit: set[str]) -> int:
    """Count the audit texts that `label_all` labels otherwise than with yes."""
    return sum(GOLD.get(text, "yes") != "yes" for text in audit)


# ---- mixed in


@pytest.mark.slow
def test_gold_texts_come_at_the_rate_and_once_each(location: str) -> None:
    with make(location, PLAIN.updated({"gold_share": 0.2})) as project:
        ids = label_all(project, "ana", most=40)
        assert len(set(ids)) == 40
        n_gold = sum(text in GOLD for text in ids)
        assert 3 <= n_gold <= 12  # 8 expected; the seed is fixed
        assert {text for text, reason in reasons(project, "ana").items() if reason == "gold"} == {
            text for text in ids if text in GOLD
        }
        rest = label_all(project, "ana")
        assert len(set(ids + rest)) == len(ids) + len(rest)


def test_without_gold_or_with_a_share_of_zero_none_comes(location: str) -> None:
    with make(location, PLAIN.updated({"gold_share": 0.0})) as project:
        assert not set(label_all(project, "ana")) & set(GOLD)
        assert why(project, "ana") is Why.ALL_SEEN


@pytest.mark.slow
def test_everyone_has_an_order_of_his_or_her_own(project: Project) -> None:
    orders = [[text for text in label_all(project, name) if text in GOLD] for name in ("ana", "bo", "cy")]
    places = [[i for i, text in enumerate(reasons(project, name)) if text in GOLD] for name in ("ana", "bo")]
    assert all(len(order) >= 5 for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert places[0] != places[1]


@pytest.mark.slow
def test_several_people_hold_the_same_gold_text(location: str) -> None:
    with make(location, PLAIN.updated({"gold_share": 1})) as project:
        held = [{task.text_id for task in project.next_tasks(name, 12).tasks} for name in ("ana", "bo")]
        assert held == [set(GOLD), set(GOLD)]
        assert project.status().on_loan == 24


@pytest.mark.parametrize("played", [False, True])
def test_a_task_never_says_that_it_is_gold(project: Project, played: bool) -> None:
    if played:
        publish(project)
    first = project.next_tasks("ana", 20).tasks
    tasks = first + project.next_tasks("ana", 20, resume=False).tasks
    golden = [task for task in tasks if task.text_id in GOLD]
    others = [task for task in tasks if task.text_id not in GOLD]
    assert len(golden) >= 5
    assert (
        {task.reason for task in golden}
        == {task.reason for task in others}
        == {"new" if played else "spread"}
    )
    for name in ("round", "expires_at", "selection_probability", "metadata"):
        assert {str(getattr(task, name)) for task in golden} == {str(getattr(task, name)) for task in others}
    scores = [task.score for task in tasks if task.score is not None]
    if played:
        assert [task.score for task in first] == sorted(scores[:20])
        assert len(set(scores)) == 40  # none repeats that of the text whose place it took, which comes later
    else:
        assert scores == []


def test_what_is_in_hand_comes_again_in_the_same_order(project: Project) -> None:
    first = project.next_tasks("ana", 20).tasks
    assert any(task.text_id in GOLD for task in first)
    assert project.next_tasks("ana", 20).tasks == first
    with Project.open(project.store.path or project_url(project), clock=project._clock) as other:
        assert other.next_tasks("ana", 20).tasks == first


def project_url(project: Project) -> str:
    url = project.store.engine.url.render_as_string(hide_password=False)
    return url.replace("postgresql+psycopg", "postgresql") + f"&schema={project.store.schema}"


@pytest.mark.slow
def test_giving_back_and_asking_again_betrays_nothing(project: Project) -> None:
    seen = []
    for _ in range(15):
        task = take(project, "ana")
        for _ in range(3):
            project.release("ana", task.text_id)
            assert take(project, "ana").text_id == task.text_id
        seen.append(task.text_id)
        project.submit(task, "yes")
    assert set(seen) & set(GOLD)


@pytest.mark.slow
def test_skipping_and_holding_draw_new_lots(project: Project) -> None:
    skipped, held = [], []
    for _ in range(24):
        task = take(project, "ana")
        project.skip(task, "")
        skipped.append(task.text_id)
        held += [task.text_id for task in project.next_tasks("bo", 1, resume=False).tasks]
    for ids in (skipped, held):
        golden = [text in GOLD for text in ids]
        assert True in golden
        assert False in golden[: len(GOLD)], "not one after the other"


def test_a_gold_text_lasts_as_long_as_any_other(location: str) -> None:
    clock = Clock()
    with make(location, PLAIN.updated({"gold_share": 1}), clock) as project:
        task = take(project, "ana")
        clock.now += 599
        assert project.renew("ana", task.text_id) == clock.now + 600
        clock.now += 601
        assert take(project, "ana").text_id == task.text_id
        clock.now += 1000
        project.submit(task, "yes")
        assert reasons(project, "ana") == {task.text_id: "gold"}
        assert project.status().on_loan == 0


@pytest.mark.slow
def test_decisions_on_gold_texts_can_be_taken_back_like_others(project: Project) -> None:
    publish(project)
    while (task := take(project, "ana")).text_id not in GOLD:
        project.submit(task, "yes")
    project.submit(task, "yes")
    again = project.undo("ana")
    assert (again.text_id, again.reason) == (task.text_id, "new")
    assert again.score is not None
    assert take(project, "ana").text_id == task.text_id
    project.submit(again, "no")
    project.change("ana", task.text_id, "yes")
    assert reasons(project, "ana")[task.text_id] == "gold"
    project.undo("ana")
    project.skip(again, "no idea")
    assert task.text_id not in label_all(project, "ana")


@pytest.mark.slow
def test_gold_texts_are_not_asked_for_once_all_others_are_done(location: str) -> None:
    with make(location, PLAIN.updated({"max_labels": 1, "gold_share": 0.05})) as project:
        label_all(project, "ana")
        assert len(project.gold.report()[0:1]) == 1
        assert why(project, "ana") is Why.FINISHED
        assert why(project, "bo") is Why.FINISHED


def test_gold_texts_under_way_when_they_become_ordinary(location: str) -> None:
    with make(location, PLAIN.updated({"gold_share": 1})) as project:
        task = take(project, "ana")
        project.gold.add(dict.fromkeys(GOLD, "yes"))
        for text in GOLD:
            project.gold.set(text, None)
        project.submit(task, "yes")
        assert project.gold.report()[0].n == 0
        assert reasons(project, "ana") == {task.text_id: None}


# ---- evidence


@pytest.mark.slow
def test_the_report_counts_what_stands_however_it_came(project: Project) -> None:
    project.add_annotations([AnnotationRecord("t1", "bo", "no"), AnnotationRecord("t2", "bo", "no")])
    project.people.add("cy")
    label_all(project, "ana")
    project.undo("ana", next(text for text in list(reasons(project, "ana"))[:10] if text not in GOLD))
    by_name = {score.annotator: score for score in project.gold.report()}
    assert by_name["ana"].n == by_name["ana"].right >= 5
    assert (by_name["bo"].n, by_name["bo"].right) == (2, 1)
    interval = by_name["bo"].accuracy
    assert interval is not None
    assert interval.low < 0.1 < interval.estimate == 0.5 < 0.9 < interval.high
    assert by_name["cy"].accuracy is None
    project.gold.set("t1", "no")
    assert project.gold.report()[0].right == 2


@pytest.mark.slow
def test_gold_annotations_are_annotations_and_known_labels_are_none(project: Project) -> None:
    label_all(project, "ana")
    annotations = project.annotations()
    asked = [text for text, reason in reasons(project, "ana").items() if reason == "gold"]
    labelled = annotations.texts[annotations.n_labels > 0]
    assert set(asked) < set(labelled)
    assert annotations.n_annotations == project.people.get("ana").n_annotations
    assert set(GOLD) - set(asked) == set(GOLD) - set(labelled)


# ---- qualification


def answer(project: Project, annotator: str, right: list[bool]) -> list[str]:
    """Label so many texts, which must be gold texts, rightly or wrongly."""
    ids = []
    for is_right in right:
        task = take(project, annotator)
        known = GOLD[task.text_id]
        project.submit(task, known if is_right else {"no": "yes", "yes": "no"}[known])
        ids.append(task.text_id)
    return ids


@pytest.fixture
def tested(location: str) -> Iterator[Project]:
    with Project.open(copied(make_copied, location, TEST), clock=Clock()) as project:
        yield project


@pytest.mark.slow
def test_a_new_annotator_is_tested_first(tested: Project) -> None:
    ids = answer(tested, "ana", [True, True, True, False])
    assert len(set(ids)) == 4
    assert tested.people.get("ana").qualified is None
    take(tested, "ana")
    assert tested.people.get("ana").qualified is True
    assert len(label_all(tested, "ana")) > 40


@pytest.mark.slow
def test_who_fails_gets_no_more_texts_unless_the_owner_says_so(tested: Project) -> None:
    ids = answer(tested, "ana", [True, False, False, True])
    assert why(tested, "ana") is Why.NOT_QUALIFIED
    assert tested.people.get("ana").qualified is False
    tested.change("ana", ids[1], GOLD[ids[1]])
    tested.undo("ana", ids[2])
    tested.submit(ids[2], GOLD[ids[2]], annotator="ana")
    assert why(tested, "ana") is Why.NOT_QUALIFIED, "a verdict is given once"
    assert tested.annotations().n_annotations == 4, "the labels stay"
    tested.people.qualify("ana")
    assert len(label_all(tested, "ana")) > 40
    tested.people.qualify("ana", verdict=False)
    assert why(tested, "ana") is Why.NOT_QUALIFIED
    tested.configure(qualification_texts=0)
    tested.gold.set("t50", None)
    assert tested.next_tasks("ana").nothing != NothingLeft(Why.NOT_QUALIFIED)


@pytest.mark.slow
def test_nobody_gets_round_the_test(tested: Project) -> None:
    tasks = tested.next_tasks("ana", 50)
    assert len(tasks.tasks) == 9, "four, and five so that there is no pause at its end"
    assert {task.text_id for task in tasks.tasks} <= set(GOLD)
    assert tasks.nothing == NothingLeft(Why.BEING_TESTED)
    assert tested.next_tasks("ana", 1, resume=False).tasks == ()
    for name in ("bo", "cy"):
        while task := tested.next_task(name):
            assert task.text_id in GOLD
            tested.skip(task, "")
        assert why(tested, name) is Why.NOT_QUALIFIED


@pytest.mark.slow
def test_a_test_longer_than_the_gold_texts_takes_them_all(location: str) -> None:
    with make(location, TEST.updated({"qualification_texts": 100})) as project:
        answer(project, "ana", [True] * 9 + [False] * 3)
        answer(project, "bo", [True] * 8 + [False] * 4)
        assert take(project, "ana").text_id not in GOLD
        assert why(project, "bo") is Why.NOT_QUALIFIED


@pytest.mark.slow
def test_reviewers_owners_and_those_at_work_are_not_tested(location: str) -> None:
    with make(location) as project:
        label_all(project, "ana", most=3)
        project.people.add("bo")
        project.people.add("rex", role=Role.REVIEWER)
        project.configure(qualification_texts=4)
        assert [person.qualified for person in project.people.all()] == [True, None, None]
        label_all(project, "ana")
        assert set(label_all(project, "rex", most=20)) - set(GOLD)
        assert set(label_all(project, "bo", most=4)) <= set(GOLD)


def test_without_gold_texts_nobody_is_tested(location: str) -> None:
    with make(location, TEST) as project:
        project.gold.add({})
        for text in GOLD:
            project.gold.set(text, None)
        assert isinstance(project.next_task("ana"), Task)
        assert project.people.get("ana").qualified is None


# ---- shares


@pytest.mark.slow
def test_nobody_gives_more_than_the_share(location: str) -> None:
    with make(location, PLAIN.updated({"max_share": 0.4, "gold_share": 0.0})) as project:
        assert len(label_all(project, "ana")) == 20, "anybody may give some"
        assert why(project, "ana") is Why.SHARE_REACHED
        label_all(project, "bo")
        for _ in range(3):
            label_all(project, "cy")
            label_all(project, "ana")
            label_all(project, "bo")
        counts = [person.n_annotations for person in project.people.all()]
        assert max(counts) > 20
        assert all(n <= max(20, 0.4 * sum(counts)) for n in counts)


def test_a_share_counts_texts_in_hand_and_may_be_a_persons_own(location: str) -> None:
    with make(location, PLAIN.updated({"gold_share": 0.0})) as project:
        project.people.add("ana")
        project.people.set_max_share("ana", 0.5)
        tasks = project.next_tasks("ana", 40)
        assert len(tasks.tasks) == 20
        assert tasks.nothing == NothingLeft(Why.SHARE_REACHED)
        assert len(label_all(project, "bo")) == N - 12 - 20, "the rest is with Ana"
        # 28 by others and 20 in hand: 8 more make a half
        assert len(project.next_tasks("ana", 40, resume=False).tasks) == 8
        project.configure(max_share=0.1)
        project.people.set_max_share("bo", 1.0)
        assert project.next_tasks("bo", 1).nothing != NothingLeft(Why.SHARE_REACHED)
        assert project.people.get("bo").max_share == 1.0
        with pytest.raises(InputError, match="max_share is 0"):
            project.people.set_max_share("bo", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_share", 1.5), ("max_share", True), ("gold_share", -0.1), ("qualification_accuracy", 2)],
)
def test_shares_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} is"):
        PLAIN.updated({name: value})


# ---- at the same time


def test_one_person_in_two_windows_stays_within_share_and_sees_no_text_twice(location: str) -> None:
    settings = PLAIN.updated({"max_share": 0.5})
    with make(location, settings) as one, Project.open(location, clock=Clock()) as two:
        one.people.add("ana")
        start = threading.Barrier(2)

        def work(project: Project) -> list[str]:
            start.wait()
            return [
                task.text_id for _ in range(8) for task in project.next_tasks("ana", 2, resume=False).tasks
            ]

        with ThreadPoolExecutor(2) as pool:
            halves = list(pool.map(work, (one, two)))
        ids = halves[0] + halves[1]
        assert len(ids) == len(set(ids)) == 20
        for text in ids:
            one.submit(text, "yes", annotator="ana")
        assert why(two, "ana") is Why.SHARE_REACHED
        assert one.status().on_loan == 0


@pytest.mark.slow
def test_people_are_tested_at_the_same_time(location: str) -> None:
    names = [f"p{j}" for j in range(6)]
    with make(location, TEST) as one, Project.open(location, clock=Clock()) as two:
        for name in names:
            one.people.add(name)

        def work(name: str) -> int:
            project = one if int(name[1]) % 2 else two
            right = int(name[1]) < 4
            answer(project, name, [right] * 4)
            return len(label_all(project, name, most=5))

        with ThreadPoolExecutor(6) as pool:
            further = list(pool.map(work, names))
        assert further[:4] == [5] * 4
        assert further[4:] == [0, 0]
        assert [person.qualified for person in one.people.all()] == [True] * 4 + [False] * 2


@pytest.mark.slow
def test_gold_is_named_while_people_label(location: str) -> None:
    with make(location) as one, Project.open(location, clock=Clock()) as two:
        one.people.add("ana")
        stop = threading.Event()

        def rename() -> None:
            for i in range(12, 40):
                two.gold.set(f"t{i}", "yes")
            stop.set()

        naming = threading.Thread(target=rename)
        naming.start()
        ids = []
        while not stop.is_set() or isinstance(one.next_task("ana"), Task):
            task = one.next_task("ana")
            if isinstance(task, Task):
                one.submit(task, "yes")
                ids.append(task.text_id)
        naming.join()
        assert len(ids) == len(set(ids))
        assert one.annotations().n_annotations == len(ids)
        assert open_texts(one) == {f"t{i}" for i in range(40, N)}


def test_settings_with_the_new_names_are_stored(location: str) -> None:
    settings = replace(TEST, max_share=0.25)
    with make(location, settings):
        pass
    with Project.open(location) as project:
        assert project.settings == settings


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_brings_the_known_labels_along(tmp_path: Path, form: str) -> None:
    with make(str(tmp_path / "first.db")) as first:
        out = write(first.export(), tmp_path / "out", format=form)
    source = read(out)
    with Project.create(
        str(tmp_path / "second.db"), classes=source.classes, batches=source.batches()
    ) as second:
        assert second.gold.labels() == GOLD
        second.gold.set("t0", None)
        second.add(source.batches())
        assert second.gold.labels() == GOLD
