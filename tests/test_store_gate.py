"""What annotators may write, and what they may not: labels only by right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.formats.records import AnnotationRecord
from jurybox.project import Project
from jurybox.store.gate import IN_HAND, REMARK_LENGTH, REMARKS_ON_A_TEXT
from jurybox.store.records import NothingLeft, Role, Task, Why
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import Clock

PLAIN = ProjectSettings(audit_size=0, overlap=0, max_labels=3, enough_agreement=None, first_labels=1)
N = 60
DAY = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(location: str) -> None:
    texts = [(f"t{i}", f"text {i}") for i in range(N)]
    classes = ["no", "yes"]
    with Project.create(location, classes=classes, texts=texts, settings=PLAIN, clock=Clock()) as project:
        for name in ("ana", "bo"):
            project.people.add(name)


@pytest.fixture
def place(location: str) -> str:
    return copied(make, location)


@pytest.fixture
def project(place: str, clock: Clock) -> Iterator[Project]:
    with Project.open(place, clock=clock) as project:
        yield project


def take(project: Project, annotator: str) -> Task:
    task = project.next_task(annotator)
    assert isinstance(task, Task)
    return task


def why(project: Project, annotator: str) -> Why:
    nothing = project.next_task(annotator)
    assert isinstance(nothing, NothingLeft)
    return nothing.why


def refused(act: Callable[[], object]) -> str:
    """Return the code by which something is refused."""
    with pytest.raises(ConflictError) as error:
        act()
    assert error.value.code
    return error.value.code


def by(project: Project, annotator: str, text: str) -> dict[str, Callable[[], object]]:
    """Return everything that an annotator might do with a text."""
    return {
        "submit": lambda: project.submit(text, "yes", annotator=annotator, direct=False),
        "skip": lambda: project.skip(text, annotator=annotator, direct=False),
        "flag": lambda: project.flag(text, "odd", annotator=annotator, direct=False),
        "undo": lambda: project.undo(annotator, text, direct=False),
        "change": lambda: project.change(annotator, text, "no", direct=False),
        "renew": lambda: project.renew(annotator, text),
    }


def origins(project: Project) -> dict[str, str]:
    with project.store.read() as connection:
        query = "SELECT external_id, origin FROM annotations JOIN texts ON texts.id = text_id"
        return {row.external_id: row.origin for row in connection.exec_driver_sql(query)}


def test_texts_of_others_and_texts_that_are_none_are_refused_alike(project: Project) -> None:
    mine = take(project, "ana").text_id
    theirs = take(project, "bo").text_id
    free = next(f"t{i}" for i in range(N) if f"t{i}" not in (mine, theirs))
    for verb in ("submit", "skip", "flag", "renew"):
        said = set()
        for text in (theirs, free, "nope"):
            with pytest.raises(ConflictError) as error:
                by(project, "ana", text)[verb]()
            assert error.value.code == "not_yours"
            said.add(str(error.value).replace(text, "…"))
            project.release("ana", text)
        assert len(said) == 1, verb
    project.submit(mine, "yes", annotator="ana", direct=False)
    for verb in ("undo", "change"):
        codes = {refused(by(project, "ana", text)[verb]) for text in (theirs, free, "nope")}
        assert codes == {"not_editable"}
    status = project.status()
    assert (status.annotations, status.skips, status.flags) == (1, 0, 0)
    assert [decision.text_id for decision in project.reading.decisions("ana")] == [mine]
    assert take(project, "bo").text_id == theirs, "nobody gives back what someone else holds"


def test_nobody_writes_while_paused(project: Project) -> None:
    done, task = take(project, "ana"), None
    receipt = project.submit(done, "yes", key="k")
    task = take(project, "ana")
    project.people.pause("ana")
    for text in (task.text_id, done.text_id):
        for verb in ("skip", "flag", "undo", "change", "renew"):
            assert refused(by(project, "ana", text)[verb]) == "paused"
    assert refused(lambda: project.submit(task, "yes")) == "paused"
    again = project.submit(done, "yes", key="k")
    assert (again.annotation, again.repeated) == (receipt.annotation, True), "it was acknowledged before"
    assert project.submit(task.text_id, "yes", annotator="ana").annotation, "the owner may"
    project.people.resume("ana")
    assert not project.submit(take(project, "ana"), "yes").repeated


def test_a_paused_reviewer_decides_nothing(project: Project) -> None:
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate("t1", "yes", reviewer="rita")
    project.people.pause("rita")
    assert refused(lambda: project.adjudicate("t2", "yes", reviewer="rita")) == "paused"
    assert refused(by(project, "rita", "t3")["submit"]) == "paused"


@pytest.mark.slow
def test_who_failed_the_test_writes_nothing(project: Project) -> None:
    for number in range(6):
        project.gold.set(f"t{number}", "yes")
    project.configure(qualification_texts=2, gold_share=0.5)
    tasks = project.next_tasks("ana", 4).tasks
    for task in tasks[:2]:
        project.submit(task, "no")
    assert refused(by(project, "ana", "t40")["submit"]) == "not_yours"
    project.next_task("ana")
    assert project.people.get("ana").qualified is False
    for text in (tasks[0].text_id, tasks[2].text_id):
        for verb in ("skip", "flag", "undo", "change", "renew"):
            assert refused(by(project, "ana", text)[verb]) == "not_qualified"
    assert refused(lambda: project.submit(tasks[2], "yes")) == "not_qualified"
    assert project.status().annotations == 2


def test_while_being_tested_only_gold_texts_may_be_answered(project: Project, clock: Clock) -> None:
    ordinary = take(project, "ana")
    for number in range(6):
        project.gold.set(f"t{number}", "yes")
    project.configure(qualification_texts=2)
    clock.now += 601
    assert refused(lambda: project.submit(ordinary, "yes")) == "being_tested"
    for task in project.next_tasks("ana", 2).tasks:
        project.submit(task, "yes")
    take(project, "ana")
    assert not project.submit(ordinary, "yes").repeated


def test_a_late_answer_is_kept_wherever_its_text_went(project: Project, clock: Clock) -> None:
    expired, taken, returned, paused = project.next_tasks("ana", 4).tasks
    project.release("ana", returned.text_id)
    clock.now += 601
    assert len(project.next_tasks("bo", N).tasks) == N
    for task in (expired, taken, returned):
        project.submit(task, "yes")
    project.people.pause("ana")
    project.people.resume("ana")
    project.submit(paused, "yes")
    assert set(origins(project).values()) == {"queue"}, "they came by the queue, and what it knew is kept"


def test_a_text_that_was_deleted_and_came_back_may_be_answered(project: Project) -> None:
    held, ended = project.next_tasks("ana", 2).tasks
    project.release("ana", ended.text_id)
    project.edit.delete_texts([held.text_id, ended.text_id])
    for task in (held, ended):
        assert refused(lambda task=task: project.submit(task, "yes")) == "not_yours"  # type: ignore[misc]
    project.edit.history.undo(project.edit.history.last_number())
    for task in (held, ended):
        project.submit(task, "yes")
    assert origins(project) == {held.text_id: "queue", ended.text_id: "queue"}


def test_cap_and_share_hold_for_late_answers(project: Project, clock: Clock) -> None:
    project.people.set_cap("ana", 5)
    first = project.next_tasks("ana", 5).tasks
    clock.now += 601
    second = project.next_tasks("ana", 5, resume=False).tasks
    late = [task for task in first if task.text_id not in {other.text_id for other in second}]
    if not late:  # the same texts again: let someone else have them
        clock.now += 601
        project.next_tasks("bo", 20)
        second = project.next_tasks("ana", 5).tasks
        late = list(first)
    assert len(second) == 5
    assert refused(lambda: project.submit(late[0], "yes")) == "cap_reached"
    for task in second:
        project.submit(task, "yes")
    assert refused(lambda: project.submit(late[0], "yes")) == "cap_reached"
    assert project.people.get("ana").n_annotations == 5
    assert project.submit(late[0].text_id, "yes", annotator="ana").annotation, "the owner may"


@pytest.mark.slow
def test_nobody_gets_round_cap_or_share_by_giving_texts_back(project: Project) -> None:
    project.people.set_cap("bo", 6)
    project.configure(max_share=0.4)
    for name, most in (("ana", 20), ("bo", 6)):
        seen: set[str] = set()
        for _ in range(12):
            for task in project.next_tasks(name, 6, resume=False).tasks:
                seen.add(task.text_id)
            for text in seen:
                project.release(name, text)
            project.skip(next(iter(seen)), annotator=name, direct=False)
            project.undo(name, direct=False)
        codes = []
        for text in seen:
            with suppress(ConflictError):
                project.submit(text, "yes", annotator=name, direct=False)
                codes.append("stored")
        assert codes == ["stored"] * min(most, len(seen))


def test_a_text_lent_within_the_cap_may_be_answered(project: Project) -> None:
    tasks = project.next_tasks("ana", 3).tasks
    project.people.set_cap("ana", 1)
    for task in tasks:
        project.submit(task, "yes")
    assert why(project, "ana") is Why.CAP_REACHED


def test_a_skip_taken_back_brings_no_text_beyond_the_cap(project: Project) -> None:
    project.people.set_cap("ana", 2)
    skipped = take(project, "ana")
    project.skip(skipped)
    for task in project.next_tasks("ana", 2).tasks:
        project.submit(task, "yes")
    project.undo("ana", skipped.text_id, direct=False)
    assert refused(lambda: project.submit(skipped, "yes")) == "cap_reached"
    assert project.people.get("ana").n_annotations == 2


def test_only_so_many_texts_are_in_hand(project: Project, clock: Clock) -> None:
    for _ in range(4):
        tasks = project.next_tasks("ana", 50, resume=False, lend_limit=IN_HAND)
    assert tasks.nothing == NothingLeft(Why.IN_HAND)
    assert project.status().on_loan == IN_HAND
    more = project.next_tasks("ana", 50, lend_limit=45, seconds=3 * DAY)
    assert len(more.tasks) == project.status().on_loan == 45
    clock.now += 2 * DAY
    assert project.renew("ana", more.tasks[0].text_id) == clock.now + 3 * DAY
    assert project.status().on_loan == 45
    clock.now += 2 * DAY
    assert project.status().on_loan == 1
    with pytest.raises(InputError, match="seconds"):
        project.next_tasks("ana", 1, seconds=31 * DAY)


def test_texts_lent_to_label_them_elsewhere_are_done_when_their_labels_come_in(project: Project) -> None:
    lent = project.next_tasks("ana", 30, seconds=3 * DAY).tasks
    project.add_annotations([AnnotationRecord(task.text_id, "ana", "yes") for task in lent])
    assert project.status().on_loan == 0
    further = project.next_tasks("ana", 30).tasks
    assert not {task.text_id for task in lent} & {task.text_id for task in further}


def test_undo_lends_no_more_than_may_be_in_hand(project: Project) -> None:
    project.submit(take(project, "ana"), "yes")
    project.next_tasks("ana", IN_HAND)
    task = project.undo("ana", direct=False)
    assert project.status().on_loan == IN_HAND
    assert not project.submit(task, "no").repeated, "it was lent, so its answer is taken"


def test_reviewers_and_owners_label_directly(project: Project) -> None:
    project.people.add("rita", role=Role.REVIEWER, cap=1)
    for text in ("t1", "t2"):
        project.submit(text, "yes", annotator="rita", direct=False)
    project.submit("t3", "yes", annotator="ana")
    project.submit(take(project, "bo"), "yes")
    found = origins(project)
    assert [found.pop(text) for text in ("t1", "t2", "t3")] == ["direct"] * 3
    assert set(found.values()) == {"queue"}
    for act in (by(project, "rita", "nope")["submit"], lambda: project.skip("nope", annotator="ana")):
        with pytest.raises(NotFoundError, match="no text"):
            act()


def test_remarks_are_limited_in_number_and_size(project: Project) -> None:
    task = take(project, "ana")
    for verb in (project.flag, project.skip):
        with pytest.raises(InputError, match="2,001 characters") as error:
            verb(task, "x" * (REMARK_LENGTH + 1))
        assert error.value.code == "too_long"
    with pytest.raises(InputError, match="2,001 characters"):
        project.submit(task, "yes", comment="x" * (REMARK_LENGTH + 1))
    for _ in range(REMARKS_ON_A_TEXT):
        project.flag(task, "odd")
    assert refused(lambda: project.flag(task, "odd")) == "too_many_remarks"
    project.submit(task, "yes", comment="x" * REMARK_LENGTH)
    with pytest.raises(InputError, match="2,001 characters"):
        project.change("ana", task.text_id, "no", comment="x" * (REMARK_LENGTH + 1), direct=False)
    project.flag(task.text_id, "x" * 3_000, annotator="ana")
    assert project.status().flags == REMARKS_ON_A_TEXT + 1


def test_remarks_are_limited_in_all(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jurybox.store.gate.REMARKS", 3)
    tasks = project.next_tasks("ana", 4).tasks
    for task in tasks[:3]:
        project.flag(task, "odd")
    assert refused(lambda: project.flag(tasks[3], "odd")) == "too_many_remarks"


@pytest.mark.slow
def test_nobody_changes_their_mind_for_ever(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jurybox.store.gate.REVISIONS", 6)
    first, second = project.next_tasks("ana", 2).tasks
    labels = ["yes", "no"] * 5
    project.submit(first, labels[0])
    for label in labels[1:6]:
        project.change("ana", first.text_id, label, direct=False)
    again = {
        "change": lambda: project.change("ana", first.text_id, labels[6], direct=False),
        "undo": lambda: project.undo("ana", first.text_id, direct=False),
    }
    assert {verb: refused(act) for verb, act in again.items()} == dict.fromkeys(again, "too_many_changes")

    def skip_and_take_back() -> None:
        for _ in range(7):
            project.skip(second)
            project.undo("ana", second.text_id, direct=False)

    assert refused(skip_and_take_back) == "too_many_changes"
    project.change("ana", first.text_id, labels[6])  # the owner decides
    assert not project.submit(take(project, "bo"), "yes").repeated


# ---- keys


@pytest.mark.slow
def test_keys_outlive_the_process(project: Project, place: str, clock: Clock) -> None:
    first, second = project.next_tasks("ana", 2).tasks
    for task in (first, second):
        project.submit(task, "yes")
    project.people.add("rita", role=Role.REVIEWER)
    undone = project.undo("ana", key="u", direct=False)
    project.flag(first.text_id, "odd", annotator="ana", key="f", direct=False)
    verdict = project.adjudicate("t9", "yes", reviewer="rita", key="v")
    changed = project.change("ana", first.text_id, "no", key="c", direct=False)
    project.change("ana", first.text_id, "yes", direct=False)
    project.skip(undone, "cannot tell", key="s")
    project.undo("ana", second.text_id, direct=False)
    with Project.open(place, clock=clock) as later:
        assert later.undo("ana", key="u", direct=False) == undone
        later.flag(first.text_id, "odd", annotator="ana", key="f", direct=False)
        again = later.adjudicate("t9", "yes", reviewer="rita", key="v")
        assert (again.annotation, again.repeated) == (verdict.annotation, True)
        assert (
            later.change("ana", first.text_id, "no", key="c", direct=False).annotation == changed.annotation
        )
        later.skip(undone, "cannot tell", key="s")
        status = later.status()
        assert (status.annotations, status.flags, status.skips) == (2, 1, 0)
        assert {one.label for one in later.reading.decisions("ana")} == {"yes"}
        with pytest.raises(ConflictError, match="another request"):
            later.undo("ana", first.text_id, key="u")
        with pytest.raises(InputError, match="256 characters"):
            later.undo("ana", key="k" * 256)


def test_a_label_that_was_there_already_is_not_given_again_when_it_was_taken_back(project: Project) -> None:
    task = project.next_tasks("ana", 1).tasks[0]
    given = project.submit(task, "yes", key="one")
    assert project.submit(task, "yes", key="two").annotation == given.annotation
    project.undo("ana", task.text_id, direct=False)
    again = project.submit(task, "yes", key="two")
    assert (again.annotation, again.repeated) == (given.annotation, True)
    assert project.status().annotations == 0
    with pytest.raises(ConflictError, match="another request"):
        project.submit(task, "no", key="two")
    assert not project.submit(task, "no", key="three").repeated


def test_what_failed_is_not_kept(project: Project) -> None:
    task = take(project, "ana")
    project.people.pause("ana")
    assert refused(lambda: project.flag(task, "odd", key="f")) == "paused"
    project.people.resume("ana")
    project.flag(task, "odd", key="f")
    assert project.status().flags == 1


# ---- clocks that jump


def test_the_last_decision_is_the_last_whatever_the_clock_says(project: Project, clock: Clock) -> None:
    order = []
    for step in range(6):
        task = take(project, "ana")
        order.append(task.text_id)
        project.skip(task) if step % 3 == 1 else project.submit(task, "yes")
        clock.now -= 100
    assert [decision.text_id for decision in project.reading.decisions("ana")] == order[::-1]
    assert [project.undo("ana", direct=False).text_id for _ in order] == order[::-1]


@pytest.mark.parametrize("golden", [False, True])
def test_loans_given_by_a_clock_that_was_ahead_have_ended(
    project: Project, clock: Clock, golden: bool
) -> None:
    if golden:
        project.configure(gold_share=1)
        project.gold.set("t0", "yes")
    start = clock.now
    clock.now += 31 * DAY
    ahead = project.next_tasks("ana", N).tasks
    assert len(ahead) == N
    assert why(project, "bo") is Why.WITH_OTHERS or golden
    clock.now = start
    assert project.status().on_loan == 0
    assert len(project.next_tasks("bo", N).tasks) == N
    assert not project.submit(ahead[0], "yes").repeated


def test_servers_whose_clocks_differ_a_little_agree_on_loans(project: Project, clock: Clock) -> None:
    held = {task.text_id for task in project.next_tasks("ana", N // 2).tasks}
    clock.now -= 5
    assert not held & {task.text_id for task in project.next_tasks("bo", N).tasks}
