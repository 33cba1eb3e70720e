"""The queue of a stored project: who gets which text, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project import Project
from jurybox.store.records import NothingLeft, Role, Task, Why
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import Clock

PLAIN = ProjectSettings(audit_size=0, overlap=0, max_labels=3, enough_agreement=None, first_labels=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(location: str, clock: Clock, n: int = 10, settings: ProjectSettings = PLAIN) -> Project:
    texts = [(f"t{i}", f"text {i}") for i in range(n)]
    return Project.create(location, classes=["no", "yes"], texts=texts, settings=settings, clock=clock)


def make_ten(location: str) -> None:
    make(location, Clock()).close()


@pytest.fixture
def project(location: str, clock: Clock) -> Iterator[Project]:
    with Project.open(copied(make_ten, location), clock=clock) as project:
        yield project


def take(project: Project, annotator: str) -> Task:
    task = project.next_task(annotator)
    assert isinstance(task, Task)
    return task


def why(project: Project, annotator: str) -> Why:
    nothing = project.next_task(annotator)
    assert isinstance(nothing, NothingLeft)
    return nothing.why


def test_the_same_person_gets_the_text_in_hand_again(project: Project) -> None:
    first = take(project, "ana")
    assert take(project, "ana") == first
    assert take(project, "bo").text_id != first.text_id


def test_held_texts_come_first_and_are_topped_up(project: Project) -> None:
    one = project.next_tasks("ana", 2).tasks
    more = project.next_tasks("ana", 4).tasks
    assert [task.text_id for task in more[:2]] == [task.text_id for task in one]
    assert len({task.text_id for task in more}) == 4
    other_tab = project.next_tasks("ana", 3, resume=False).tasks
    assert not {task.text_id for task in other_tab} & {task.text_id for task in more}


def test_everyone_labels_everything_up_to_the_cap(project: Project) -> None:
    for name in ("ana", "bo", "cy"):
        labelled = set()
        while task := project.next_task(name):
            labelled.add(task.text_id)
            project.submit(task, "yes")
        assert len(labelled) == 10
    assert why(project, "ana") is Why.FINISHED
    assert why(project, "dan") is Why.FINISHED
    assert project.annotations().n_labels.tolist() == [3] * 10


def test_reasons_why_nothing_is_left(location: str, clock: Clock) -> None:
    with make(location, clock, n=0) as project:
        assert why(project, "ana") is Why.NO_TEXTS
        project.add_texts([("a", "x"), ("b", "y")])
        project.people.set_cap("ana", 1)
        project.submit(take(project, "ana"), "no")
        assert why(project, "ana") is Why.CAP_REACHED
        project.people.set_cap("ana", None)
        project.people.pause("ana")
        assert why(project, "ana") is Why.PAUSED
        project.people.resume("ana")
        project.skip(take(project, "ana"), "no idea")
        assert why(project, "ana") is Why.ALL_SEEN
        held = project.next_tasks("bo", 2).tasks
        nothing = project.next_task("cy")
        assert isinstance(nothing, NothingLeft)
        assert nothing.why is Why.WITH_OTHERS
        assert nothing.retry_at == held[0].expires_at == clock.now + 600


def test_cap_counts_texts_in_hand(project: Project) -> None:
    project.people.add("ana", cap=3)
    tasks = project.next_tasks("ana", 5)
    assert len(tasks.tasks) == 3
    assert tasks.nothing is not None
    assert tasks.nothing.why is Why.CAP_REACHED
    assert not project.next_tasks("ana", 1, resume=False).tasks


def test_pausing_gives_texts_back(project: Project) -> None:
    held = {task.text_id for task in project.next_tasks("ana", 10).tasks}
    assert why(project, "bo") is Why.WITH_OTHERS
    project.people.pause("ana")
    assert take(project, "bo").text_id in held


def test_leases_expire_and_are_reclaimed(project: Project, clock: Clock) -> None:
    held = project.next_tasks("ana", 10).tasks
    clock.now += 599
    assert why(project, "bo") is Why.WITH_OTHERS
    until = project.renew("ana", held[0].text_id)
    assert until == clock.now + 600
    clock.now += 1
    taken = project.next_tasks("bo", 10).tasks
    assert {task.text_id for task in taken} == {task.text_id for task in held[1:]}
    with pytest.raises(ConflictError, match="does not hold"):
        project.renew("ana", held[1].text_id)
    assert project.submit(held[1], "no").repeated is False


def test_released_texts_are_free(project: Project) -> None:
    task = take(project, "ana")
    project.release("ana", task.text_id)
    assert take(project, "bo").text_id == task.text_id


def test_late_submit_of_a_finished_text_is_kept(location: str, clock: Clock) -> None:
    with make(location, clock, n=1, settings=PLAIN.updated({"max_labels": 1})) as project:
        late = take(project, "ana")
        clock.now += 601
        project.submit(take(project, "bo"), "yes")
        assert why(project, "cy") is Why.FINISHED
        receipt = project.submit(late, "no")
        assert not receipt.repeated
        assert project.annotations().n_annotations == 2


def test_same_submit_counts_once(project: Project) -> None:
    task = take(project, "ana")
    first = project.submit(task, "yes", key="k1")
    assert project.submit(task, "yes", key="k1") == type(first)(
        first.annotation, first.text_id, "ana", "yes", repeated=True
    )
    assert project.submit(task, "yes").repeated
    with pytest.raises(ConflictError, match="another label"):
        project.submit(task, "no")
    other = take(project, "ana")
    with pytest.raises(ConflictError, match="key 'k1'"):
        project.submit(other, "yes", key="k1")
    assert project.status().annotations == project.annotations().n_annotations == 1


def test_a_replayed_key_stays_harmless_after_a_change(project: Project) -> None:
    task = take(project, "ana")
    project.submit(task, "yes", key="k")
    project.change("ana", task.text_id, "no")
    assert project.submit(task, "yes", key="k").repeated
    assert project.annotations().label.tolist() == [0]


def test_enough_agreement_finishes_a_text(location: str, clock: Clock) -> None:
    settings = ProjectSettings(audit_size=0, overlap=0, max_labels=5, enough_agreement=2, first_labels=2)
    with make(location, clock, n=1, settings=settings) as project:
        project.submit(take(project, "ana"), "yes")
        project.submit(take(project, "bo"), "no")
        project.submit(take(project, "cy"), "yes")
        assert project.next_task("dan")
        project.release("dan", "t0")
        project.change("bo", "t0", "yes")
        assert why(project, "dan") is Why.FINISHED
        project.change("bo", "t0", "no")
        assert project.next_task("dan")


def test_texts_are_asked_for_once_each_before_any_twice(project: Project) -> None:
    by_ana = {project.submit(take(project, "ana"), "yes").text_id for _ in range(5)}
    by_bo = [project.submit(take(project, "bo"), "no").text_id for _ in range(10)]
    assert len(by_ana) == 5
    assert set(by_bo[5:]) == by_ana


def test_first_labels_are_gathered_together(location: str, clock: Clock) -> None:
    settings = PLAIN.updated({"first_labels": 2})
    with make(location, clock, settings=settings) as project:
        first = take(project, "ana")
        project.submit(first, "yes")
        assert take(project, "bo").text_id == first.text_id
        project.submit(first.text_id, "yes", annotator="bo")
        assert take(project, "cy").text_id != first.text_id


def test_audit_sample_comes_first_and_from_everybody(location: str, clock: Clock) -> None:
    settings = PLAIN.updated({"audit_size": 3, "audit_share": 0.5, "audit_labels": 2})
    with make(location, clock, n=20, settings=settings) as project:
        audit = set(project.audit.texts())
        assert len(audit) == 3
        for name in ("ana", "bo"):
            for _ in audit:
                task = take(project, name)
                assert (task.text_id in audit, task.reason) == (True, "audit")
                project.submit(task, "yes")
        task = take(project, "cy")
        assert (task.text_id in audit, task.reason) == (False, "spread")
        assert project.status().audit_finished == 3
        project.add_texts((f"later{i}", f"x {i}") for i in range(200))
        assert 220 * 3 / 20 - 1 <= len(project.audit.texts()) <= 220 * 3 / 20 + 1


def test_skipped_texts_do_not_come_back(project: Project) -> None:
    task = take(project, "ana")
    project.skip(task, "too long")
    project.skip(task, "again")
    assert task.text_id not in {other.text_id for other in project.next_tasks("ana", 10).tasks}
    assert project.status().skips == 1
    assert take(project, "bo").text_id == task.text_id
    project.submit(task.text_id, "yes", annotator="ana")
    assert project.status().skips == 0
    with pytest.raises(ConflictError, match="has labelled"):
        project.skip(task)


def test_undo_hands_the_text_out_again(project: Project, clock: Clock) -> None:
    task = take(project, "ana")
    project.submit(task, "yes")
    clock.now += 1
    skipped = take(project, "ana")
    project.skip(skipped)
    assert project.undo("ana").text_id == skipped.text_id
    assert project.undo("ana").text_id == task.text_id
    assert take(project, "ana").text_id in (task.text_id, skipped.text_id)
    assert project.annotations().n_annotations == project.status().annotations == 0
    with pytest.raises(NotFoundError, match="no decision"):
        project.undo("ana")
    assert not project.submit(task, "no").repeated


def test_only_the_last_ten_decisions_can_be_edited(location: str, clock: Clock) -> None:
    with make(location, clock, n=12) as project:
        order = []
        while task := project.next_task("ana"):
            clock.now += 1
            order.append(task.text_id)
            project.submit(task, "yes", comment=f"about {task.text_id}")
        strip = project.reading.decisions("ana")
        assert [decision.text_id for decision in strip] == order[:1:-1]
        assert strip[0].comment == f"about {order[-1]}"
        with pytest.raises(ConflictError, match="last 10"):
            project.undo("ana", order[0])
        with pytest.raises(ConflictError, match="last 10"):
            project.change("ana", order[1], "no")
        project.change("ana", order[2], "no")
        assert {d.text_id: d.label for d in project.reading.decisions("ana")}[order[2]] == "no"
        project.undo("ana", order[5])
        assert project.annotations().n_annotations == 11


def test_nothing_is_ever_deleted(project: Project) -> None:
    task = take(project, "ana")
    first = project.submit(task, "yes")
    second = project.change("ana", task.text_id, "no")
    project.undo("ana")
    with project.store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id, class_id, origin, retired_by FROM annotations ORDER BY id"
        ).all()
    third = rows[-1].id
    assert [tuple(row) for row in rows] == [
        (first.annotation, 1, "queue", second.annotation),
        (second.annotation, 0, "change", third),
        (third, None, "undo", None),
    ]


@pytest.mark.slow
def test_flags_reach_the_owner(project: Project) -> None:
    task = take(project, "ana")
    project.flag(task, "personal data")
    (flag,) = project.review.flags()
    assert (flag.text_id, flag.annotator, flag.comment) == (task.text_id, "ana", "personal data")


def test_a_reviewer_decides_and_finishes_a_text(project: Project) -> None:
    project.people.add("rita", role=Role.REVIEWER)
    task = take(project, "ana")
    project.submit(task, "yes")
    with pytest.raises(ConflictError, match="expected a reviewer"):
        project.adjudicate(task.text_id, "no", reviewer="ana")
    project.adjudicate(task.text_id, "no", reviewer="rita", comment="clear case")
    project.adjudicate(task.text_id, "yes", reviewer="rita")
    assert project.annotations().n_annotations == 2
    assert task.text_id not in {other.text_id for other in project.next_tasks("bo", 10).tasks}


def test_wrong_input_is_refused(project: Project) -> None:
    task = take(project, "ana")
    with pytest.raises(InputError, match="expected one of 'no', 'yes'"):
        project.submit(task, "maybe")
    with pytest.raises(InputError, match="NUL"):
        project.submit(task, "yes", comment="a\0b")
    with pytest.raises(InputError, match="at least 0"):
        project.submit(task, "yes", seconds=float("nan"))
    with pytest.raises(InputError, match="annotator is missing"):
        project.submit("t1", "yes")
    with pytest.raises(NotFoundError, match="no text"):
        project.submit("nope", "yes", annotator="ana")
    with pytest.raises(NotFoundError, match="no annotator"):
        project.submit("t1", "yes", annotator="nobody")
    with pytest.raises(InputError, match="at least 1"):
        project.next_tasks("ana", 0)


def test_changed_caps_hold_from_the_next_task_on(project: Project) -> None:
    project.configure(max_labels=1)
    for _ in range(10):
        project.submit(take(project, "ana"), "yes")
    assert why(project, "bo") is Why.FINISHED
    project.configure(max_labels=2)
    assert project.next_task("bo")


@pytest.mark.slow
def test_a_text_that_is_changing_hands_is_with_others(postgres_server: str, clock: Clock) -> None:
    location = f"{postgres_server}&schema=changing_hands"
    with make(location, clock, n=1) as project:
        project.people.add("ana")
        with project.store.write() as connection:
            connection.exec_driver_sql("SELECT * FROM ranking FOR UPDATE")
            with Project.open(location, clock=clock) as other:
                assert why(other, "ana") is Why.WITH_OTHERS
        assert project.next_task("ana")


@pytest.mark.parametrize("some", [5, 10_000])
def test_a_reason_that_many_have_is_counted_as_what_the_others_leave(
    location: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, some: int
) -> None:
    monkeypatch.setattr("jurybox.store.browse._SOME", some)
    rules = ProjectSettings(audit_size=10, audit_share=0.25, overlap=0, max_labels=1, audit_labels=1)
    with make(location, clock, 40, rules) as project:
        assert [*project.reading.queue_reasons().items()] == [("audit", 10), ("spread", 30)]
        project.people.add("ana")
        others = [one.text_id for one in project.reading.queue(40) if one.reason == "spread"]
        for text_id in others[:3]:
            project.submit(text_id, "no", annotator="ana")
        assert project.reading.queue_reasons() == {"audit": 10, "spread": 27}
        assert project.status().finished_texts == 3
