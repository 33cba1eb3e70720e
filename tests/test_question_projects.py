"""Stored projects with several questions: answers in, undone and changed as one, rounds, figures, files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

import jurybox as jb
from jurybox import formats
from jurybox.errors import ConflictError, FormatError, InputError
from jurybox.project import Project
from jurybox.questions import Question
from jurybox.store import schema
from jurybox.store.records import Role
from jurybox.store.rounds import read_array
from jurybox.store.settings import ProjectSettings
from jurybox.trust.suspects import find_copycats
from jurybox.whole import answer_sheet
from jurybox.written import (
    all_facets,
    answer_code,
    answer_said,
    answer_written,
    facets_at,
    writable_questions,
)
from support.copies import copied

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,service,noise", "stars=scale:1..5")
QUESTIONS = writable_questions(ASKED)
TEXTS = [
    (f"t{i}", f"{'nice' if i % 3 else 'awful'} soup, {'cheap' if i % 2 else 'slow'} {i}") for i in range(30)
]
TOPICS = QUESTIONS[1].classes
CHEAP = ProjectSettings(encoder="tfidf", tuning=False)
mostly_computed = pytest.mark.parametrize(
    "location", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
"""Runs a test on PostgreSQL only in `make test-long`: its time goes into figures, which no store changes."""


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    with Project.open(copied(make_project, location)) as project:
        yield project


def make_project(location: str) -> None:
    Project.create(location, texts=TEXTS, questions=ASKED, settings=CHEAP).close()


def make_known(location: str) -> None:
    make_project(location)
    with Project.open(location) as made:
        label_all(made, "ana", "bo", most=20)
        task = made.next_task("bo")
        assert task
        made.submit(task, "topics=price<price|noise", comment="=1+1")
        made.gold.set("t1", "food=good; topics=|")
        made.refit()
        made.facets.keep()


def said_of(text_id: str) -> dict[str, object]:
    i = int(text_id[1:])
    return {
        "food": "good" if i % 3 else "bad",
        "topics": ["price"] if i % 2 else [],
        "stars": str(1 + i % 5),
    }


def label_all(project: Project, *people: str, most: int = 100) -> int:
    n = 0
    for name in people:
        while n < most and (task := project.next_task(name)):
            project.submit(task, said_of(task.text_id), seconds=3.0)
            n += 1
    return n


codes = st.tuples(
    st.integers(-1, 1),
    *[st.integers(-1, 1)] * 3,
    st.integers(-1, 4),
).filter(lambda code: any(label >= 0 for label in code))


@given(codes)
def test_an_answer_in_writing_says_what_it_said(code: tuple[int, ...]) -> None:
    written = answer_written(QUESTIONS, code)
    assert answer_code(QUESTIONS, written) == code
    assert answer_code(QUESTIONS, answer_said(QUESTIONS, code)) == code
    assert answer_written(QUESTIONS, "; ".join(reversed(written.split("; ")))) == written


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "food",
        "food=fine",
        "food=good; food=bad",
        "taste=good",
        "topics=price|taste",
        "topics=noise<price",
    ],
)
def test_what_is_no_answer_is_refused(wrong: str) -> None:
    with pytest.raises(InputError):
        answer_code(QUESTIONS, wrong)


@pytest.mark.parametrize(
    "wrong", [["label=single:a,b"], ["q=single:a=b,c"], ["q=single:a;b,c"], ["q=several:"]]
)
def test_names_that_cannot_be_written_down_are_refused(wrong: list[str]) -> None:
    with pytest.raises(InputError):
        writable_questions(wrong)


def test_answers_to_a_text_are_one_decision(project: Project) -> None:
    task = project.next_task("ana")
    assert task
    first = project.submit(task, {"food": "good", "topics": []}, key="k1")
    assert project.submit(task, "topics=|; food=good", key="k1").annotation == first.annotation
    assert [one.label for one in project.reading.decisions("ana")] == ["food=good; topics=|"]
    with pytest.raises(ConflictError, match="change"):
        project.submit(task, {"food": "bad"})

    project.change("ana", task.text_id, {"food": "bad", "stars": "2"})
    assert project.reading.decisions("ana")[0].label == "food=bad; stars=2"
    sheet = project.facets.sheet()
    assert len(sheet["food"]) == len(sheet["stars"]) == 1
    assert len(sheet["topics", "price"]) == 0  # the change left that open

    assert project.undo("ana").text_id == task.text_id
    assert len(project.facets.sheet()) == 0
    assert project.status().annotations == 0


def test_the_same_answer_is_counted_once_whatever_its_order(project: Project) -> None:
    task = project.next_task("ana")
    assert task
    written = "topics=service|price; food=good"
    number = project.submit(task, written).annotation
    again = project.submit(task.text_id, "food=good; topics=price|service", annotator="ana")
    assert (again.annotation, again.repeated) == (number, True)
    other = project.next_task("bo")
    assert other
    project.submit(other, written)
    status = project.status()
    assert status.classes == ()
    assert {one.name: dict(one.class_counts) for one in status.questions}["topics"] == {
        "price": 2,
        "service": 2,
        "noise": 0,
    }


def test_a_refused_answer_leaves_nothing(project: Project) -> None:
    task = project.next_task("ana")
    assert task
    for wrong in ("food=great", {"topics": ["taste"]}, {}):
        with pytest.raises(InputError):
            project.submit(task, wrong)
    project.people.add("bo")
    with pytest.raises(ConflictError, match="none of the texts lent"):
        project.submit("t1" if task.text_id != "t1" else "t2", "food=good", annotator="bo", direct=False)
    assert project.status().annotations == 0
    assert project.classes == ()


def test_texts_end_when_all_answers_are_the_same(project: Project) -> None:
    project.configure(audit_size=0, max_labels=3, enough_agreement=2)
    task = project.next_task("ana")
    assert task
    project.submit(task.text_id, "food=good; topics=|", annotator="ana")
    project.people.add("bo")
    project.people.add("cy")
    project.submit(task.text_id, "food=good; topics=price", annotator="bo")
    assert project.reading.text_row(task.text_id).open
    project.submit(task.text_id, "food=good; topics=|", annotator="cy")
    assert not project.reading.text_row(task.text_id).open


@mostly_computed
def test_a_round_ranks_texts_and_each_question_has_its_figures(project: Project) -> None:
    label_all(project, "ana", "bo", most=50)
    info = project.refit()
    assert set(info.diagnostics["facets"]) == {str(facet) for facet in all_facets(QUESTIONS)}
    assert project.refit().number == info.number + 1  # with what the first has learnt

    kept = project.facets.keep()
    assert len(kept) == len(all_facets(QUESTIONS))
    together = project.facets.describe()
    assert together is not None
    assert [one.question for one in together.facets] == [*map(str, all_facets(QUESTIONS))]
    sheet = project.facets.sheet()
    for one, facet in zip(together.facets, all_facets(QUESTIONS), strict=True):
        assert one.answers == sheet[facet].n_annotations
    food = project.facets.of("food")
    belief = food.now().texts.find("t1")
    assert belief is not None
    assert belief.label == "good"
    assert len(belief.probabilities) == 2
    assert project.facets.of("stars").now().inputs.annotations.scale == (1, 2, 3, 4, 5)
    alpha = food.now().agreement.by_chance.alpha
    assert alpha is not None
    assert alpha.estimate == pytest.approx(jb.krippendorff_alpha(sheet["food"]).value)
    assert together.facets[0].agreement == alpha.estimate
    with pytest.raises(ConflictError, match="several questions"):
        project.consensus()
    with pytest.raises(InputError, match="topics:price"):
        project.facets.of("topics")


def erring(*people: str, wrong: float = 0.2) -> jb.AnswerSheet:
    """Return what people say of all texts, wrong now and then; the last says what the first does."""
    rng = np.random.default_rng(3)
    right = np.array([[i % 2, i % 3 == 0, i % 5 < 2] for i in range(len(TEXTS))])
    said = {name: right ^ (rng.random(right.shape) < wrong) for name in people}
    said[people[-1]] = said[people[0]]
    rows = [
        (text, name, "topics", [topic for topic, yes in zip(TOPICS, row, strict=True) if yes])
        for name, each in said.items()
        for (text, _), row in zip(TEXTS, each, strict=True)
    ]
    return jb.AnswerSheet.from_long(rows, questions=QUESTIONS[1:2])


@mostly_computed
def test_who_copies_is_found_once_for_all_questions(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_annotations(erring("ana", "bo", "cy", "dee", "eve"))
    looked = []

    def counted(*given: Any, **options: Any) -> Any:
        looked.append(1)
        return find_copycats(*given, **options)

    monkeypatch.setattr("jurybox.project.basis.find_copycats", counted)
    found = []
    for topic in TOPICS[:2]:
        people = project.facets.of(f"topics:{topic}").now().annotators
        (one,) = [each.suspect for each in people if each.suspect and each.suspect.kind == "copycat"]
        assert {one.annotator, one.other} == {"ana", "eve"}
        found.append({name: one.evidence[name] for name in ("shared", "agreement", "wrong_shared")})
    assert len(looked) == 1
    assert found[0] == found[1]
    assert (found[0]["shared"], found[0]["agreement"]) == (30, 1)


def test_the_consensus_is_that_of_all_answers_together(project: Project) -> None:
    project.add_annotations(erring("ana", "bo", "cy"))
    expected = jb.estimate_answers(project.facets.sheet())
    for facet in QUESTIONS[1].facets:
        found = project.facets.of(str(facet)).now().posterior
        np.testing.assert_allclose(found.posterior, expected[facet].posterior, atol=1e-9)


def test_items_that_agree_are_asked_for_no_more(project: Project) -> None:
    """A text is wanted for what is open about it alone, and not at all where all its answers agree."""
    project.configure(audit_size=0, enough_agreement=2)
    for name in ("ana", "bo"):
        project.people.add(name)
        for text_id, _ in TEXTS[:20]:
            stars = {"stars": "1" if name == "ana" else "2"} if text_id == "t3" else {"stars": "3"}
            project.submit(text_id, said_of(text_id) | stars, annotator=name)
    told = project.refit().diagnostics["facets"]
    assert told["food"]["wanting"] == 10
    assert told["stars"]["wanting"] == 11


def test_answers_of_a_file_bring_classes_along(project: Project, tmp_path: Path) -> None:
    project.people.add("ana")
    project.submit("t0", {"topics": ["price"]}, annotator="ana")
    project.submit("t1", {"topics": ["price"]}, annotator="ana")
    project.refit()
    rows = [
        ("t0", "ana", "topics=price"),  # says what was said already, and that taste is no topic
        ("t2", "ana", "topics=price"),
        ("t3", "ana", "food=great; topics=price|taste"),
        ("t4", "ana", "topics=price<price|noise"),
        ("t5", "ana", "topics=price<price|service|noise"),
        ("t6", "ana", "stars=6"),
    ]
    records = [formats.AnnotationRecord(*row, row=n) for n, row in enumerate(rows, 1)]
    before = project.questions
    with pytest.raises(FormatError, match=r"row 3.*'great'"):
        project.add([formats.RecordBatch((), records)])
    assert project.questions == before
    with pytest.raises(FormatError, match="another label"):
        project.add([formats.RecordBatch((), records)], add_classes=True)
    assert project.questions == before
    added = project.add([formats.RecordBatch((), records)], add_classes=True, duplicates="last")
    assert (added.annotations, added.known_annotations) == (6, 0)
    assert [each.classes[-1] for each in project.questions] == ["great", "taste", "6"]
    assert project.questions[2].scale == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    said = {one.text_id: one.label for one in project.reading.annotation_records()}
    assert said == {
        "t0": "topics=price",
        "t1": "topics=price<price|service|noise",  # of before: nobody was asked for taste
        "t2": "topics=price",
        "t3": "food=great; topics=price|taste",
        "t4": "topics=price<price|noise",
        "t5": "topics=price<price|service|noise",
        "t6": "stars=6",
    }
    sheet = project.facets.sheet()
    assert sheet["topics", "taste"].counts.sum(axis=0).tolist() == [2, 1]
    assert project.add([formats.RecordBatch((), records)], add_classes=True).annotations == 0
    project.refit()
    for wrong, message in (("mood=good", "question 'mood'"), ("topics=a;b", "has 'b'"), ("stars=0", "scale")):
        with pytest.raises(FormatError, match=message):
            project.add(
                [formats.RecordBatch((), [formats.AnnotationRecord("t9", "ana", wrong)])], add_classes=True
            )
    assert project.status().annotations == 7


@pytest.mark.parametrize(
    "table",
    [
        "id,annotator,food,topics\nt0,ana,great,price|taste\nt1,ana,,price\n",
        "id,annotator,question,label\nt0,ana,food,great\nt0,ana,topics,taste|price\nt1,ana,topics,price\n",
        "id,annotator,food,price,service,noise,topics:taste\nt0,ana,great,1,0,0,1\nt1,ana,,1,0,0,0\n",
        "id,annotator,label\nt0,ana,food=great; topics=price|taste\nt1,ana,topics=price\n",
    ],
    ids=["a column a question", "a row an answer", "a column a class", "in writing"],
)
def test_tables_bring_classes_along(project: Project, tmp_path: Path, table: str) -> None:
    path = tmp_path / "more.csv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(FormatError):
        project.add_file(path)
    assert project.add_file(path, add_classes=True).annotations == 2
    assert [each.classes[-1] for each in project.questions] == ["great", "taste", "5"]
    said = {one.text_id: one.label for one in project.reading.annotation_records()}
    assert said == {"t0": "food=great; topics=price|taste", "t1": "topics=price"}


def test_what_is_for_one_question_is_refused(project: Project) -> None:
    for act in (
        lambda: project.configure(scale=True),
        lambda: project.beliefs.now(),
    ):
        with pytest.raises(ConflictError, match="several questions"):
            act()


def test_a_class_that_comes_was_not_asked_for_before(project: Project) -> None:
    project.configure(ask="unsure", audit_size=0)
    label_all(project, "ana", most=12)
    project.refit()
    asked = asked_for(project)
    assert any("stars" in names for names in asked.values())
    project.add_class("topics:parking")
    sheet = project.facets.sheet()
    assert len(sheet["topics", "parking"]) == 0
    assert len(sheet["topics", "noise"]) == 12
    assert asked_for(project) == asked
    said = project.reading.decisions("ana")[0].label
    assert said is not None
    assert "<price|service|noise" in said
    with project.store.read() as connection:
        p = read_array(connection, 1, "pred_probs")
    assert p is not None
    assert (p[:, 8:10] == 0.5).all()
    np.testing.assert_allclose([p[:, :2].sum(axis=1), p[:, 10:].sum(axis=1)], 1, atol=1e-5)
    assert project.facets.of("topics:parking").now().accuracy == ()
    project.configure(suggestions=True)
    project.people.add("bo")
    ranked = f"t{next(iter(asked))}"
    suggested = project.reading.suggestion(ranked, "bo")
    assert suggested is not None
    assert "parking" not in suggested.label
    project.submit(ranked, {"topics": ["parking"]}, annotator="bo")
    event = next(one for one in project.edit.history.last() if one.verb == "add class")
    with pytest.raises(ConflictError, match="was answered"):
        project.edit.history.undo(event.number)
    project.refit()
    for source in project.facets.each().values():
        source.now()


def asked_for(project: Project) -> dict[int, tuple[str, ...]]:
    """Return what some texts are asked for, by the names of the facets."""
    query = sa.select(schema.ranking.c.text_id, schema.ranking.c.asked).where(schema.ranking.c.round_id == 1)
    with project.store.read() as connection:
        return {n: facets_at(project.questions, at) for n, at in connection.execute(query).all() if at}


def test_two_classes_of_a_question_become_one(project: Project) -> None:
    for name, topics in (("ana", ["price"]), ("bo", ["service"]), ("cy", []), ("dee", {"noise": True})):
        project.people.add(name)
        answers = {f"topics:{n}": "yes" for n in topics} if isinstance(topics, dict) else {"topics": topics}
        project.submit("t1", answers, annotator=name)
    for wrong, into in (
        ("topics:price", "food:good"),
        ("food:bad", "food:good"),
        ("topics:x", "topics:price"),
    ):
        with pytest.raises(InputError):
            project.edit.merge_classes(wrong, into)
    project.edit.merge_classes("topics:service", "topics:price")
    said = {one.annotator: one.label for one in project.reading.annotation_records()}
    both, none = "topics=price", "topics=|"
    assert said == {"ana": both, "bo": both, "cy": none, "dee": "topics=noise<noise"}
    project.change("ana", "t1", {"topics": ["noise"]})
    event = next(one for one in project.edit.history.last() if one.verb == "merge classes")
    project.edit.history.undo(event.number)
    said = {one.annotator: one.label for one in project.reading.annotation_records()}
    assert (said["bo"], said["cy"]) == ("topics=service", "topics=|")
    assert said["ana"] == "topics=noise<price|noise"  # of what has come back nobody asked since
    project.edit.merge_classes("topics:service", "topics:price")
    project.add_class("topics:new")
    event = next(one for one in project.edit.history.last() if one.verb == "merge classes")
    with pytest.raises(ConflictError, match="since"):
        project.edit.history.undo(event.number)


def test_a_decision_is_believed_at_each_question_whoever_decides(project: Project) -> None:
    for name in ("ana", "bo"):
        project.people.add(name)
        project.submit("t1", {"food": "bad"}, annotator=name)
    project.people.add("olga", role=Role.OWNER)
    project.adjudicate("t1", {"food": "good", "topics": ["price"]}, reviewer="olga")
    sheet = project.facets.sheet()
    decided = {str(facet): np.asarray(each.decided).tolist() for facet, each in sheet.facets.items()}
    assert (decided["food"], decided["topics:price"]) == ([False, False, True], [True])
    belief = project.facets.of("food").now().texts.find("t1")
    assert belief is not None
    assert belief.label == "good"


def test_gold_and_reviews_hold_whole_answers(project: Project) -> None:
    project.gold.set("t1", "food=good; topics=price; stars=2")
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate("t2", {"food": "good", "topics": []}, reviewer="rita")
    assert not project.reading.text_row("t2").open
    project.people.add("ana")
    project.submit("t1", "food=good; topics=price; stars=2", annotator="ana")
    project.submit("t1", "food=good; topics=|; stars=2", annotator="rita")
    right = {one.annotator: one.accuracy and one.accuracy.estimate for one in project.gold.report()}
    assert right == {"ana": 1.0, "rita": 0.0}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_becomes_an_equal_project(location: str, form: str, tmp_path: Path) -> None:
    with Project.open(copied(make_known, location)) as project:
        out = formats.write(project.export(), tmp_path / "out", format=form)
        source = formats.read(out)
        assert source.questions == QUESTIONS
        two = Project.create(tmp_path / "two.db", questions=source.questions, batches=source.batches())
        rows = [[record[:5] for record in one.reading.annotation_records()] for one in (project, two)]
        assert rows[0] == rows[1]
        assert [*two.export().gold] == [*project.export().gold]
        two.close()
        with pytest.raises(InputError, match="several questions"):
            formats.write(project.export(), tmp_path / "ls.json", format="prodigy")


@settings(max_examples=25)
@given(st.dictionaries(st.tuples(st.integers(0, 4), st.sampled_from(["ana", "bo"])), codes, max_size=8))
def test_answers_come_back_from_each_layout(
    tmp_path_factory: pytest.TempPathFactory, given_: dict[tuple[int, str], tuple[int, ...]]
) -> None:
    """A column a question, a column a class, and a row an answer say the same."""
    folder = tmp_path_factory.mktemp("layouts")
    expected = {(f"t{i}", who): answer_written(QUESTIONS, code) for (i, who), code in given_.items()}
    people = "id,text,annotator"
    wide, classes, long = [f"{people},food,topics,stars"], [f"{people},food,price,service,noise,stars"], [
        f"{people},question,label"
    ]  # fmt: skip
    for (i, who), code in given_.items():
        start = f"t{i},text {i},{who}"
        food = ("bad", "good")[code[0]] if code[0] >= 0 else ""
        stars = str(code[4] + 1) if code[4] >= 0 else ""
        cells = dict(part.split("=") for part in answer_written(QUESTIONS, code).split("; "))
        wide.append(f"{start},{food},{cells.get('topics', '')},{stars}")
        classes.append(",".join([start, food, *("" if k < 0 else str(k) for k in code[1:4]), stars]))
        long += [f"{start},{name},{cell}" for name, cell in cells.items()]
    for name, lines in (("wide", wide), ("classes", classes), ("long", long)):
        path = folder / f"{name}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if not given_:
            continue
        source = formats.read(path, formats.ReadOptions(questions=QUESTIONS))
        records = [one for batch in source.batches() for one in batch.annotations]
        assert {(one.text_id, one.annotator): one.label for one in records} == expected, name


def test_a_wrong_answer_of_a_file_is_named_with_its_row(location: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("id,annotator,food,topics\nt1,ana,good,price\nt2,ana,great,|\n", encoding="utf-8")
    with Project.create(location, texts=TEXTS, questions=ASKED, settings=CHEAP) as project:
        with pytest.raises(FormatError, match="great"):
            project.add_file(path)
        assert project.status().annotations == 0
        path.write_text("id,annotator,food,topics\nt1,ana,good,price\nt2,ana,,|\n", encoding="utf-8")
        assert project.add_file(path).annotations == 2
        assert project.add_file(path).known_annotations == 2
        sheet = project.facets.sheet()
        assert len(sheet["food"]) == 1
        again = project.add_annotations(sheet)
        assert again.known_annotations == 2


def test_one_question_with_one_answer_is_a_project_like_any_other(tmp_path: Path) -> None:
    with Project.create(tmp_path / "a.db", texts=["x"], questions=["stars=scale:1..3"]) as project:
        assert project.questions == ()
        assert project.classes == ("1", "2", "3")
        assert project.scale == (1, 2, 3)


def test_a_sheet_is_made_of_answers_in_writing() -> None:
    held = jb.Annotations.from_long(
        [
            ("t1", "ana", "food=good; topics=price"),
            ("t2", "ana", "topics=|"),
            ("t1", "bo", "topics=noise<noise"),
        ]
    )
    sheet = answer_sheet(QUESTIONS, held)
    assert sheet["food"].n_annotations == 1
    np.testing.assert_array_equal(sheet["topics", "noise"].counts, [[1, 1], [1, 0]])
    assert Question(name="a", classes=("b", "c")).declared == "a=single:b,c"
