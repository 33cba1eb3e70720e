"""What holds in projects of every kind: in the store, on the web, in files, of what is believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from jurybox import formats
from jurybox.cli.app import app
from jurybox.errors import ConflictError, InputError
from jurybox.interactive import Loop
from jurybox.project import Project
from jurybox.report import gather
from jurybox.store.backup import restore_backup, write_backup
from jurybox.store.filters import AnnotationFilter
from jurybox.store.records import Role, Task
from jurybox.web.app import create_app
from jurybox.web.tokens import hash_token
from jurybox.written import answer_code, answer_said
from support.copies import copied
from support.kinds import KINDS, ProjectKind
from support.store import served
from support.web import token_of, web_settings

pytestmark = pytest.mark.slow


def make(location: str, kind_name: str) -> None:
    with KINDS[kind_name].create(location) as made:
        for name in ("ana", "bo", "olga"):
            made.people.add(name, role=Role.OWNER if name == "olga" else Role.ANNOTATOR)
            made.people.set_token(name, hash_token(token_of(name)))


def make_known(location: str, kind_name: str) -> None:
    make(location, kind_name)
    with Project.open(location) as made:
        label_all(made, KINDS[kind_name])
        made.refit()
        made.facets.keep()


@pytest.fixture
def project(kind: ProjectKind, tmp_path: Path) -> Iterator[Project]:
    """Return a project with people, of whom nobody has labelled."""
    with Project.open(copied(make, str(tmp_path / "p.db"), kind.name)) as made:
        yield made


@pytest.fixture
def known(kind: ProjectKind, tmp_path: Path) -> Iterator[Project]:
    """Return a project in which two people have labelled all, with a round and figures."""
    with Project.open(copied(make_known, str(tmp_path / "p.db"), kind.name)) as made:
        yield made


def label_all(project: Project, kind: ProjectKind, *people: str) -> None:
    for name in people or ("ana", "bo"):
        served(project, name, said=lambda task: kind.label_of(task.text_id))


# ---- store -----------------------------------------------------------------------------------------------


def test_a_decision_is_stored_changed_and_taken_back_as_a_whole(project: Project, kind: ProjectKind) -> None:
    first, second, _ = kind.labels
    task = project.next_task("ana")
    assert isinstance(task, Task)
    receipt = project.submit(task, first, key="k")
    assert (receipt.label, project.submit(task, first, key="k").repeated) == (first, True)
    with pytest.raises(ConflictError):
        project.submit(task.text_id, second, annotator="ana")
    with pytest.raises(InputError):
        project.submit("t5", kind.wrong, annotator="ana")
    assert project.change("ana", task.text_id, second).label == second
    again = project.undo("ana")
    assert again.text_id == task.text_id
    assert project.status().annotations == 0
    project.skip(again)
    assert project.reading.decisions("ana")[0].label is None


def test_a_text_is_finished_when_enough_say_the_same_or_a_reviewer_has_decided(
    project: Project, kind: ProjectKind
) -> None:
    first, second, _ = kind.labels
    project.configure(max_labels=4, enough_agreement=2)
    for name in ("ana", "bo"):
        project.submit("t0", first, annotator=name)
        project.submit("t1", first if name == "ana" else second, annotator=name)
    project.people.add("rita", role=Role.REVIEWER)
    project.adjudicate("t2", second, reviewer="rita")
    opens = {text: project.reading.text_row(text).open for text in ("t0", "t1", "t2", "t3")}
    assert opens == {"t0": False, "t1": True, "t2": False, "t3": True}
    assert {"t0", "t2"}.isdisjoint(served(project, "cy", said=first))


def test_gold_judges_people(project: Project, kind: ProjectKind) -> None:
    first, second, _ = kind.labels
    project.gold.set("t0", first)
    for name, label in (("ana", first), ("bo", second)):
        project.submit("t0", label, annotator=name)
    right = {one.annotator: one.accuracy and one.accuracy.estimate for one in project.gold.report()}
    assert (right["ana"], right["bo"]) == (1.0, 0.0)


def test_deleting_and_restoring_labels_is_in_the_history(known: Project, kind: ProjectKind) -> None:
    before = known.status().annotations
    assert known.edit.delete_labels_of(["t0", "t1"]) == 4
    (event,) = known.edit.history.last(1)
    known.edit.history.undo(event.number)
    assert known.status().annotations == before


def test_a_class_is_renamed_in_all_that_was_said(known: Project, kind: ProjectKind) -> None:
    known.gold.set("t0", kind.labels[0])
    old, new, other = {
        "single": ("good", "fine", "bad"),
        "several": ("topics:price", "cost", "service"),
        "scale": ("3", "4", "2"),
        "two questions": ("food:good", "fine", "bad"),
    }[kind.name]
    bare = old.rpartition(":")[2]
    said = [one.label for one in known.reading.annotation_records()]
    known.edit.rename_class(old, new)
    renamed = [one.label for one in known.reading.annotation_records()]
    assert renamed == [label.replace(bare, new) for label in said]
    assert known.gold.labels()["t0"] == kind.labels[0].replace(bare, new)
    with pytest.raises(InputError):
        known.edit.rename_class(old, "other")
    with pytest.raises(ConflictError):
        known.edit.rename_class(old.replace(bare, new), other)
    for source in known.facets.each().values() or (known.beliefs,):
        source.now()
    event = next(one for one in known.edit.history.last() if one.verb == "rename class")
    known.edit.history.undo(event.number)
    assert [one.label for one in known.reading.annotation_records()] == said


def test_classes_come_and_two_become_one_and_both_are_undone(known: Project, kind: ProjectKind) -> None:
    known.gold.set("t0", kind.labels[0])
    new, old, into = {
        "single": ("great", "fair", "good"),
        "several": ("topics:taste", "topics:price", "topics:service"),
        "scale": ("4", "2", "3"),
        "two questions": ("food:great", "stars:2", "stars:1"),
    }[kind.name]

    def held() -> tuple[object, ...]:
        for source in known.facets.each().values() or (known.beliefs,):
            assert source.now().consensus.basis.round
        said = [one.label for one in known.reading.annotation_records()]
        return known.questions or known.classes, said, known.gold.labels()

    before = held()
    known.add_class(new)
    with pytest.raises(ConflictError):
        known.add_class(new)
    known.edit.merge_classes(old, into)
    merged = held()
    assert known.refit().n_annotations == len(merged[1])  # type: ignore[arg-type]
    with pytest.raises(InputError):
        known.edit.merge_classes(old, into)
    for verb in ("merge classes", "add class"):
        event = next(one for one in known.edit.history.last() if one.verb == verb)
        known.edit.history.undo(event.number)
    assert held() == before
    assert merged != before
    known.refit()


def test_a_backup_comes_back(known: Project, kind: ProjectKind, tmp_path: Path) -> None:
    write_backup(known.store, tmp_path / "b")
    restore_backup(tmp_path / "b", str(tmp_path / "two.db"))
    with Project.open(tmp_path / "two.db") as two:
        assert two.questions == known.questions
        rows = [[one[:5] for one in each.reading.annotation_records()] for each in (known, two)]
        assert rows[0] == rows[1]
        assert isinstance(two.next_task("cy"), Task)


def test_a_project_becomes_a_loop_and_a_loop_a_project(
    project: Project, kind: ProjectKind, tmp_path: Path
) -> None:
    for name in ("ana", "bo"):
        served(project, name, 4, said=lambda task: kind.label_of(task.text_id))
    project.edit.delete_texts(["t11"])
    loop = project.to_loop(batch=2)
    known = {(one.text_id, one.annotator, one.label) for one in project.reading.annotation_records()}
    assert {*loop.annotations.to_frame().itertuples(index=False, name=None)} == known
    loop.run(lambda _, text_id: kind.label_of(text_id), budget=9)
    assert len(loop.annotations) == len(known) + 9
    assert "t11" not in loop.text_ids
    for text_id, row in loop.to_frame().iterrows():
        label, asked = kind.label_of(str(text_id)), project.questions
        expected = answer_said(asked, answer_code(asked, label)) if asked else {"label": label}
        assert {name: row[name] for name in expected} == expected
    loop.save(tmp_path / "here.loop")
    one, two = loop.ask(), Loop.load(tmp_path / "here.loop").ask()
    assert one.text_ids == two.text_ids
    p = loop.predict_proba(["nice soup"]).to_numpy()
    assert ((p > 0) & (p < 1)).all()
    with loop.to_project(tmp_path / "again.db", audit_size=0) as again:
        assert again.questions == project.questions
        assert again.scale == project.scale
        both = [
            {*given.to_frame().itertuples(index=False, name=None)}
            for given in (again.annotations(), again.to_loop().annotations)
        ]
        assert both[0] == both[1] == {*loop.annotations.to_frame().itertuples(index=False, name=None)}


def test_the_consensus_makes_gold_texts(project: Project, kind: ProjectKind, tmp_path: Path) -> None:
    label_all(project, kind)
    found = [f"t{i}" for i in range(6)]
    project.edit.delete_labels_of(["t5"])  # nobody says anything of it
    assert project.edit.make_gold(found[:3] + found[5:]) == 3
    edit = ["edit", "texts", str(tmp_path / "p.db"), "--gold", "consensus", "--id", "t3", "--id", "t4"]
    assert CliRunner().invoke(app, edit).exit_code == 0
    assert project.gold.labels() == {text_id: kind.label_of(text_id) for text_id in found[:5]}
    (event,) = project.edit.history.last(1)
    project.edit.history.undo(event.number)
    assert {*project.gold.labels()} == {*found[:3]}


def test_the_plan_of_the_audit_sample_is_shown(kind: ProjectKind, tmp_path: Path) -> None:
    path = str(tmp_path / "p.db")
    with kind.create(path, audit_size=4, audit_share=0.4) as project:
        project.people.add("ana")
        label_all(project, kind, "ana")
        project.refit()
    show = ["audit", "show", path]
    told = json.loads(CliRunner().invoke(app, [*show, "--json"]).stdout)
    plans = told if isinstance(told, list) else [told]
    assert [one.get("question") for one in plans] == [*kind.facets]
    assert all(one["texts"] == 4 and one["counted"] in (3, 4) for one in plans)  # some leave food open
    assert all(one["within"] > 0 for one in plans)
    shown = CliRunner().invoke(app, show)
    assert shown.exit_code == 0, shown.output
    assert all(name is None or name in shown.stdout for name in kind.facets)
    if (name := kind.facets[-1]) is not None:
        one = json.loads(CliRunner().invoke(app, [*show, "--question", name, "--json"]).stdout)
        assert one == {key: value for key, value in plans[-1].items() if key != "question"}
        assert "labels to give" in CliRunner().invoke(app, [*show, "--question", name]).stdout


# ---- web -------------------------------------------------------------------------------------------------


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[tuple[TestClient, TestClient]]:
    """Programs of an annotator and of an owner of the project that a test asks for before."""
    served_app = create_app(str(tmp_path / "p.db"), settings=web_settings())
    ana, olga = (
        TestClient(served_app, headers={"Authorization": f"Bearer {token_of(name)}"})
        for name in ("ana", "olga")
    )
    yield ana, olga
    served_app.state.server.close()


def test_labels_go_over_rest(
    project: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind
) -> None:
    ana, olga = clients
    first, second, _ = kind.labels
    task = ana.post("/api/v1/tasks", json={"n": 1}).json()["tasks"][0]
    body = {"text_id": task["text_id"], "label": first}
    assert ana.post("/api/v1/annotations", json=body).status_code == 201
    assert ana.post("/api/v1/annotations", json={**body, "label": kind.wrong}).status_code == 422
    assert ana.post("/api/v1/decisions/change", json={**body, "label": second}).json()["label"] == second
    assert ana.get("/api/v1/decisions").json()[0]["label"] == second
    assert ana.post("/api/v1/decisions/undo", json={}).json()["text_id"] == task["text_id"]
    assert olga.get("/api/v1/status").json()["annotations"] == project.status().annotations == 0


def test_every_page_stands(known: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind) -> None:
    _, olga = clients
    for page in ("", "/trust", "/people", "/agreement", "/review", "/texts", "/settings", "/text?id=t0"):
        assert olga.get(f"/manage{page}").status_code == 200, page
    assert clients[0].get("/label").status_code == 200


def test_a_reviewer_decides_whatever_they_think_on_the_page(
    project: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind
) -> None:
    def decide(**sent: Any) -> int:
        return clients[1].post("/manage/adjudicate", data=sent, follow_redirects=False).status_code

    acts: dict[str, tuple[dict[str, Any], str]] = {
        "single": ({"label": "fair"}, "fair"),
        "several": ({"answer_0": ["price", "service"]}, "topics=price|service"),
        "scale": ({"label": "2"}, "2"),
        "two questions": ({"answer_1": "2", "answer_0": "good"}, "food=good; stars=2"),
    }
    sent, label = acts[kind.name]
    for at in ("/manage/text?id=t3", "/manage/review?id=t3"):
        shown = clients[1].get(at).text
        assert all(f'name="{name}"' in shown for name in sent)
    assert decide(text_id="t3", comment="so", **sent) == 303
    found = project.reading.find_annotations(AnnotationFilter(text_id="t3"), limit=5).items
    assert [(one.annotator, one.label, one.comment) for one in found] == [("olga", label, "so")]
    assert f'value="{label}"' in clients[1].get("/manage/text?id=t3").text  # what was given is one press
    assert decide(text_id="t4", label=label) == 303
    project.review.undo("olga", "t4")
    assert decide(text_id="t5") == 422


def test_a_cluster_is_labelled_at_once_at_every_door(
    project: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind, tmp_path: Path
) -> None:
    first, second, third, label, posted = {
        "single": ("bad", "fair", "good", "good", {"label": "bad"}),
        "several": (
            "topics=price<price",
            {"topics:service": "no"},
            "topics=|",
            "topics=|",
            {"answer_0_0": "yes"},
        ),
        "scale": ("1", "2", "3", "3", {"label": "1"}),
        "two questions": ("food=bad", {"stars": "2"}, "food=good", "food=good; stars=2", {"answer_0": "bad"}),
    }[kind.name]
    found = project.pool.find_clusters(2)[0]
    at, most = found.found_at, found.texts

    def said() -> list[str]:
        rows = project.reading.find_annotations(AnnotationFilter(annotator="clusters"), limit=50).items
        assert {row.origin for row in rows} <= {"cluster"}
        return [row.label for row in rows]

    path = str(tmp_path / "p.db")
    done = CliRunner().invoke(app, ["clusters", path, "--show", "0", "--label", str(first)])
    assert done.exit_code == 0, done.output
    assert said() == [first] * most
    sent = clients[1].post("/api/v1/clusters/0/labels", json={"label": second, "found_at": at})
    assert sent.json() == {"done": most}, sent.text
    assert project.pool.label_cluster(0, third) == most
    assert said() == [label] * most
    assert project.pool.label_cluster(0, third) == 0
    assert all(f'name="{name}"' in clients[1].get("/manage/cluster?number=0").text for name in posted)
    page = {"number": 0, "found_at": at, "most": "1", **posted}
    assert clients[1].post("/manage/cluster", data=page, follow_redirects=False).status_code == 303
    assert len({*said()}) == 2
    history = project.edit.history
    for _ in range(2):
        event = next(one for one in history.last() if one.verb == "label cluster" and one.undone_by is None)
        history.undo(event.number)
    both = {"several": "topics=price", "two questions": "food=bad; stars=2"}
    assert said() == [both.get(kind.name, second)] * most
    with pytest.raises(InputError):
        project.pool.label_cluster(0, kind.wrong)
    assert project.status().annotations == most


# ---- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "label-studio", "argilla"])
def test_an_export_comes_back(known: Project, kind: ProjectKind, form: str, tmp_path: Path) -> None:
    out = formats.write(known.export(), tmp_path / "out", format=form)
    options = known.reading_options(formats.ReadOptions(format="auto" if form == "csv" else form))
    source = formats.read(out, options)
    found = {
        (one.text_id, one.annotator): one.label for batch in source.batches() for one in batch.annotations
    }
    assert found == {(one.text_id, one.annotator): one.label for one in known.reading.annotation_records()}


def test_labels_of_a_file_may_become_classes_at_every_door(
    project: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind, tmp_path: Path
) -> None:
    label_all(project, kind)
    label, *more = {
        "single": ("great", "great"),
        "several": ("topics=taste|price", "topics:taste"),
        "scale": ("4", "4"),
        "two questions": ("food=great; stars=4", "food:great", "stars:4"),
    }[kind.name]
    table = f"id,annotator,label\nt0,cy,{label}\n"
    (tmp_path / "more.csv").write_text(table, encoding="utf-8")
    other = table.replace("t0,cy", "t1,cy")
    query = {"filename": "m.csv"}
    assert clients[1].post("/api/v1/import", params=query, content=other.encode()).status_code == 422
    add = ["add", str(tmp_path / "p.db"), str(tmp_path / "more.csv")]
    assert CliRunner().invoke(app, add).exit_code != 0
    done = CliRunner().invoke(app, [*add, "--add-classes"])
    assert done.exit_code == 0, done.output
    sent = clients[1].post("/api/v1/import", params={**query, "add_classes": True}, content=other.encode())
    assert sent.json()["annotations"] == 1, sent.text
    names = [f"{each.name}:{name}" for each in project.questions for name in each.classes] or project.classes
    assert {*more} <= {*names}
    said = {one.text_id: one.label for one in project.reading.annotation_records() if one.annotator == "cy"}
    assert {*said.values()} == {label.replace("taste|price", "price|taste")}
    project.refit()


def test_a_reviewer_decides_by_key(known: Project, kind: ProjectKind, tmp_path: Path) -> None:
    known.submit("t0", kind.labels[1], annotator="olga")
    keys, label = {
        "single": ("3", "good"),
        "several": ("2\n.", "topics=service"),
        "scale": ("3", "3"),
        "two questions": ("2\n-", "food=good"),
    }[kind.name]
    path = str(tmp_path / "p.db")
    for question in kind.facets:
        chosen = [] if question is None else ["--question", question]
        found = json.loads(CliRunner().invoke(app, ["review", path, "--json", "-n", "1", *chosen]).stdout)
        more = ["review", path, "-r", "rita", "-n", "1"]
        shown = CliRunner().invoke(app, [*more, *chosen], input=f"f odd\n{keys}\n")
        assert shown.exit_code == 0, shown.output
        assert f"[{found[0]['text_id']}]" in shown.output
        text = known.reading.find_annotations(
            AnnotationFilter(text_id=found[0]["text_id"], annotator="rita"), limit=5
        )
        assert [(one.label, one.comment, one.origin) for one in text.items] == [(label, "odd", "review")]
    done = CliRunner().invoke(app, ["review", path, "-r", "rita", "-n", "2"], input="s\nu\ns\nq\n")
    assert done.exit_code == 0, done.output
    assert "0 decided by rita" in done.output
    decided = {one.text_id for one in known.reading.annotation_records() if one.annotator == "rita"}
    assert not any(f"[{text_id}]" in done.output for text_id in decided)


# ---- what is believed ------------------------------------------------------------------------------------


def test_figures_are_the_same_at_all_doors(
    known: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind
) -> None:
    for name in kind.facets:
        beliefs = known.facets.of(name).now()
        query = {} if name is None else {"question": name}
        told = clients[1].get("/api/v1/beliefs", params=query).json()
        assert told["consensus"]["quality"] == pytest.approx(beliefs.consensus.quality)
        assert told["basis"]["labels"] == beliefs.basis.labels > 0
        people = {one["name"]: one["n_annotations"] for one in told["annotators"]}
        assert people["ana"] == people["bo"] == beliefs.basis.labels // 2


def test_people_who_agree_are_believed_and_the_report_says_so(known: Project, kind: ProjectKind) -> None:
    assert gather(known, question=kind.facets[0]).title
    for name in kind.facets:
        beliefs = known.facets.of(name).now()
        assert beliefs.consensus.quality is not None
        assert beliefs.consensus.quality > 0.5
        alpha = beliefs.agreement.all_texts.alpha
        assert alpha is None or alpha.estimate == pytest.approx(1.0)


def test_the_final_model_is_trained_for_each_question(
    known: Project, kind: ProjectKind, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    path, out = str(tmp_path / "p.db"), tmp_path / "model"
    done = run(app, ["train", path, str(out), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    models = told if isinstance(told, list) else [told]
    assert len(models) == len(kind.facets)
    for model, name in zip(models, kind.facets, strict=True):
        assert model.get("question") in (name, None)
        fitted = joblib.load(Path(model["folder"]) / "model.joblib")
        assert {*fitted.classes_} == {*model["classes"]}
    if kind.facets[0] is not None:
        index = json.loads((out / "jurybox.json").read_text(encoding="utf-8"))
        assert [one["question"] for one in index["models"]] == [*kind.facets]
        one = run(app, ["train", path, str(tmp_path / "one"), "--question", kind.facets[0]])
        assert one.exit_code == 0, one.output
        assert (tmp_path / "one" / "model.joblib").is_file()


def test_machines_inform_at_each_question_and_never_vote(
    project: Project, clients: tuple[TestClient, TestClient], kind: ProjectKind, tmp_path: Path
) -> None:
    label_all(project, kind, "ana")
    code = tmp_path / "rules.py"
    code.write_text(f"def label(text):\n    return {kind.labels!r}[int(text.split()[-1]) % 3]\n")
    path = str(tmp_path / "p.db")
    for words in (("add", path, "rule", "--function", f"{code}:label"), ("ask", path, "rule")):
        assert CliRunner().invoke(app, ["machine", *words]).exit_code == 0
    assert project.machines.ask("rule").answers == 0
    assert project.status().annotations == len(list(project.reading.annotation_records())) == 12
    assert project.refit().n_annotations == 12
    project.facets.keep()
    for name in kind.facets:
        beliefs = project.facets.of(name).now()
        (rule,) = beliefs.machines.machines
        assert rule.agreement is not None
        assert (rule.agreement.estimate, rule.labels) == (1.0, beliefs.basis.labels)
        query = {} if name is None else {"question": name}
        told = clients[1].get("/api/v1/machines", params=query).json()
        assert told["machines"][0]["confusion"] == [list(row) for row in rule.confusion]
        assert "rule v1" in clients[1].get("/manage/machines", params=query).text


def test_a_suggestion_is_an_answer_and_labels_in_view_of_it_are_known(
    project: Project, kind: ProjectKind
) -> None:
    for name in ("ana", "bo"):
        served(project, name, 6, said=lambda task: kind.label_of(task.text_id))
    project.refit()
    project.configure(suggestions=True)
    task = project.next_task("cy")
    assert isinstance(task, Task)
    found = project.reading.suggestion(task.text_id, "cy")
    assert found is not None
    assert 0 < found.probability <= 1
    assert project.submit(task, found.label).label == found.label
    first = kind.facets[0]
    assert project.facets.of(first).now().inputs.evidence.suggested.sum() == 1
