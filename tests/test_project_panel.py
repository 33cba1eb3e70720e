"""Machines in a round and in what is believed: they inform, and never vote."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from jurybox import Annotations
from jurybox.classifiers.panel import votes_of
from jurybox.classifiers.pooled import MachineVotes, machine_opinion, pool_machines, uncertainty_of_machines
from jurybox.cli.app import app, run
from jurybox.errors import ConflictError, InputError
from jurybox.formats.plain import plain
from jurybox.loop import Settings, play_round
from jurybox.machines import Keywords, Price
from jurybox.project import Project
from jurybox.project.asking import AskOptions
from jurybox.project.whom import LEAST_KNOWN
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from support.copies import copied
from support.store import label_audit

pytestmark = pytest.mark.slow

N = 60
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, 300)


def some_labels(n_labelled: int) -> Annotations:
    labels = np.full((len(TRUTH), 1), -1)
    labels[:n_labelled, 0] = TRUTH[:n_labelled]
    return Annotations.from_wide(np.where(labels < 0, np.nan, labels))


def machines(*quality: float) -> MachineVotes:
    rng = np.random.default_rng(1)
    right = rng.random((len(TRUTH), len(quality))) < quality
    return MachineVotes(len(quality), votes_of(np.where(right, TRUTH[:, None], 1 - TRUTH[:, None]), 2))


def test_machines_help_a_classifier_that_knows_nothing() -> None:
    features = np.random.default_rng(2).normal(size=(len(TRUTH), 3)).astype(np.float32)
    given = Annotations.from_indices(
        np.arange(80), np.zeros(80, dtype=int), TRUTH[:80], texts=len(TRUTH), annotators=1, classes=2
    )
    alone = play_round(given, features, Settings(), np.random.default_rng(0))
    both = play_round(given, features, Settings(), np.random.default_rng(0), machines=machines(0.9, 0.8))
    later = np.arange(80, len(TRUTH))

    def right(p: np.ndarray) -> float:
        return float((p[later].argmax(axis=1) == TRUTH[later]).mean())

    assert right(both.pred_probs) > 0.85 > right(alone.pred_probs)
    assert both.diagnostics["machines_say"] > 0.2
    assert alone.diagnostics["machines"] == 0


def test_machines_that_guess_have_no_say() -> None:
    p = np.where(TRUTH[:, None] == [0, 1], 0.9, 0.1)
    rows = np.arange(100)
    found = pool_machines(p, machines(0.5, 0.5), rows, np.eye(2)[TRUTH[:100]])
    assert found.say < 0.2
    assert np.array_equal(found.pred_probs.argmax(axis=1), TRUTH)


def test_texts_without_an_answer_keep_the_classifier() -> None:
    votes = machines(0.9).votes.copy()
    votes[150:] = 0
    opinion = machine_opinion(MachineVotes(1, votes), np.arange(100), np.eye(2)[TRUTH[:100]])
    assert np.isnan(opinion[150:]).all()
    assert not np.isnan(opinion[:150]).any()
    p = np.full((len(TRUTH), 2), 0.5)
    found = pool_machines(p, MachineVotes(1, votes), np.arange(100), np.eye(2)[TRUTH[:100]])
    assert (found.pred_probs[150:] == 0.5).all()


def test_before_any_label_the_machines_order_the_queue_and_nothing_is_known() -> None:
    answers = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 1, 1], [-1, -1, -1]])
    votes = MachineVotes(3, votes_of(answers, 2))
    scores = uncertainty_of_machines(votes, np.random.default_rng(0))
    assert max(scores[1], scores[3]) < min(scores[0], scores[2])
    nothing = Annotations.from_indices([], [], [], texts=5, annotators=1, classes=2)
    played = play_round(
        nothing,
        np.zeros((5, 2), dtype=np.float32),
        Settings(batch=2),
        np.random.default_rng(0),
        machines=votes,
    )
    assert played.classifier is None
    assert (played.pred_probs == 0.5).all()
    order = [text for text in played.ranking.texts.tolist() if text != 4]
    assert set(order[:2]) == {1, 3}
    with pytest.raises(InputError, match="machines has 5 texts"):
        play_round(some_labels(2), np.zeros((300, 2)), Settings(), np.random.default_rng(0), machines=votes)


@pytest.fixture
def place(location: str) -> str:
    return copied(make_with_machines, location)


@pytest.fixture
def project(place: str) -> Iterator[Project]:
    with Project.open(place) as project:
        yield project


def make_with_machines(location: str) -> None:
    texts = [(f"t{i}", f"{'good' if i % 2 else 'bad'} {'nice' if i % 3 else 'ugly'} {i}") for i in range(N)]
    settings = ProjectSettings(encoder="tfidf", audit_size=4, first_labels=1, tuning=False)
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=settings) as project:
        project.people.add("ana", role=Role.OWNER)
        for i in range(0, N, 2):
            project.submit(f"t{i}", "no", annotator="ana")
        for i in range(1, N // 2, 2):
            project.submit(f"t{i}", "yes", annotator="ana")
        project.machines.add("words", Keywords({"yes": ("good",), "no": ("bad",)}))
        project.machines.add("copy", Keywords({"yes": ("good",), "no": ("bad", "x")}))
        project.machines.add("other", Keywords({"yes": ("nice",), "no": ("ugly",)}))
        for name in ("words", "copy", "other"):
            project.machines.ask(name)


def test_what_is_known_of_machines(project: Project) -> None:
    project.refit()
    panel = project.beliefs.now().machines
    words, copy, other = panel.machines
    assert (words.answers, words.texts, words.labels) == (N, 45, 45)
    assert words.agreement is not None
    assert words.agreement.estimate == 1.0 > words.agreement.low
    assert words.confusion == ((30, 0), (0, 15))
    assert words.mix_ups == ()
    assert other.mix_ups[0].people == "no"
    assert other.confusion == ((10, 20), (5, 10))
    assert words.correlation[1] == pytest.approx(1)
    assert words.voice == copy.voice == pytest.approx(0.5, abs=0.05)
    assert panel.effective_votes == pytest.approx(2, abs=0.1)
    assert words.worth is not None
    assert copy.worth == pytest.approx(words.worth)  # each would do alone
    assert words.earlier is not None
    assert words.earlier.estimate == 1.0
    assert project.status().annotations == 45
    assert {person.name for person in project.beliefs.now().annotators} == {"ana"}
    assert project.reading.rounds()[-1].diagnostics["machines"] == 3


def test_versions_are_compared(project: Project) -> None:
    project.machines.add("words", Keywords({"yes": ("good", "nice"), "no": ("ugly",)}))
    project.machines.ask("words")
    last = project.beliefs.now().machines.machines[-1]
    assert (last.version, last.answers) == (2, N - 10)  # of "good ugly" it says nothing
    assert last.same_as_before == pytest.approx(30 / 50)


def test_doors_show_the_same(project: Project, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    project.configure(cost_per_label=0.1)
    kept = project.beliefs.keep()
    assert run(app, ["machine", "list", place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["panel"] == plain(kept.machines)
    assert [one["name"] for one in told["machines"]] == ["words", "copy", "other"]
    assert run(app, ["machine", "list", place]) == 0
    shown = capsys.readouterr().out
    assert "3 machines, 2.0 effective votes" in shown
    assert "whom to ask next" in shown
    assert "a person" in shown


def test_whom_to_ask_next(project: Project) -> None:
    assert project.machines.reports()[0].tally.labels == N
    before = project.beliefs.now().machines.whom
    assert before is not None
    assert before.first == ()  # no price of a label is set
    project.configure(cost_per_label=0.1)
    project.refit()
    project.add_texts([(f"new{i}", f"good nice {i}") for i in range(5)])
    project.refit()
    whom = project.beliefs.now().machines.whom
    assert whom is not None
    person, words, copy, other = whom.offers
    assert (person.machine, words.machine, other.machine) == (None, "words v1", "other v1")
    assert (words.texts, words.price, words.per_money) == (5, 0.0, None)
    assert person.gain is not None
    assert person.per_money == pytest.approx(person.gain / 0.1)
    assert words.gain is not None
    assert other.gain is not None
    assert words.gain >= other.gain  # who agrees with people more brings no less
    assert copy.gain == pytest.approx(words.gain, abs=0.02)
    gains = [one.gain for one in whom.first if one.machine is not None]
    assert gains == sorted(gains, reverse=True)
    project.machines.stop("words")
    stopped = project.beliefs.now().machines.whom
    assert stopped is not None
    assert "words v1" not in {one.machine for one in stopped.offers}
    for name in ("copy", "other"):
        project.machines.ask(name)
    done = project.beliefs.now().machines.whom
    assert done is not None
    assert [one.texts for one in done.offers[1:]] == [0, 0]


def test_a_machine_is_asked_where_it_is_worth_its_price(project: Project) -> None:
    worth = AskOptions(worth=True, budget=1000.0)
    with pytest.raises(ConflictError, match="cost_per_label is None"):
        project.machines.ask("words", options=worth)
    project.configure(cost_per_label=1.0)
    project.machines.add("new", Keywords({"yes": ("good",), "no": ("bad", "y")}), price=Price(answer=0.01))
    asked = project.machines.ask("new", options=worth)
    assert (asked.answers, asked.ended) == (LEAST_KNOWN, "worth")  # as many as tell what it is worth
    project.refit()
    whom = project.beliefs.now().machines.whom
    assert whom is not None
    assert whom.offers[-1].price == pytest.approx(0.01)
    project.configure(cost_per_label=1e-6)
    dear = project.machines.add(
        "dear", Keywords({"yes": ("nice",), "no": ("ugly", "y")}), price=Price(answer=50)
    )
    project.machines.ask("dear", limit=LEAST_KNOWN, options=AskOptions(budget=5000.0))
    asked = project.machines.ask("dear", options=worth)
    assert (asked.machine, asked.answers, asked.ended) == (dear.title, 0, "worth")


def test_a_label_given_with_an_opinion_in_view_says_so_and_judges_nobody(project: Project) -> None:
    project.refit()
    before = project.beliefs.now().machines.machines[0].texts
    project.configure(suggestions=True)
    audit = {
        str(project.beliefs.now().inputs.annotations.texts[i])
        for i in project.beliefs.now().inputs.evidence.audit
    }
    text = next(f"t{i}" for i in range(N // 2 + 1, N, 2) if f"t{i}" not in audit)
    shown = project.reading.suggestion(text, "ana")
    assert shown is not None
    project.submit(text, "yes", annotator="ana")
    evidence = project.beliefs.now().inputs.evidence
    assert evidence.suggested.sum() == 1
    assert project.beliefs.now().machines.machines[0].texts == before
    assert len(project.beliefs.now().inputs.independent) == evidence.annotations.n_annotations - 1
    assert project.reading.suggestion(next(iter(audit)), "ana") is None


@pytest.fixture
def judged_place(location: str) -> str:
    return copied(make_judged, location)


@pytest.fixture
def judged(judged_place: str) -> Iterator[Project]:
    with Project.open(judged_place) as project:
        yield project


def make_judged(location: str) -> None:
    """Make a project with a large audit sample, labelled by three people, and a sure rule."""
    n = 300
    texts = [(f"t{i}", f"{'good' if i % 2 else 'bad'} {i}") for i in range(n)]
    settings = ProjectSettings(encoder="tfidf", audit_size=60, audit_share=0.5, tuning=False)
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=settings) as project:
        project.machines.add("words", Keywords({"yes": ("good",), "no": ("bad",)}))
        project.machines.ask("words")
        label_audit(project, n, lambda text: "yes" if int(text[1:]) % 2 else "no")
        project.refit()


def test_labels_are_released_under_a_bound_and_marked(judged: Project) -> None:
    found = judged.machines.plan_release(0.1)
    assert judged.machines.released() == []
    assert found.plan.error_bound is not None
    assert found.plan.error_bound <= 0.1
    assert found.pool == 300 - judged.status().labelled_texts
    assert judged.machines.release(0.1).texts == len(judged.machines.released()) == found.texts > 0
    assert judged.machines.release(0.01).texts == 0  # it takes 299 texts
    assert judged.machines.released() == []
    judged.machines.release(0.1)
    one = judged.machines.released()[0]
    rows = {row.text_id: row for row in judged.export().consensus}
    assert (rows[one.text_id].label_by, rows[one.text_id].label) == ("released", one.label)
    assert {row.label_by for row in rows.values()} <= {"people", "model", "released"}
    judged.refit()
    asked = {row.text_id for row in judged.reading.queue(limit=200)}
    assert not asked & {row.text_id for row in judged.machines.released()}
    judged.submit(one.text_id, "no", annotator="ana")
    assert one.text_id not in {row.text_id for row in judged.machines.released()}
    judged.machines.withdraw()
    assert judged.machines.released() == []


def test_doors_of_release_and_replacement(
    judged: Project, judged_place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, ["machine", "release", judged_place, "--error", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plain(judged.machines.plan_release(0.1))
    assert run(app, ["machine", "release", judged_place, "--error", "0.01"]) == 0
    assert "it takes 299 labelled texts" in capsys.readouterr().out
    assert run(app, ["machine", "replace", judged_place, "words"]) == 0
    assert "passed: it does as well as 3 of 3 people" in capsys.readouterr().out
    assert run(app, ["machine", "shares", judged_place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert run(app, ["machine", "shares", judged_place]) == 0
    assert "by the audit sample alone" in capsys.readouterr().out
    shares = judged.machines.shares()
    assert told == plain(shares)
    assert sum(one.share.estimate for one in shares.values()) == pytest.approx(1, abs=0.02)
    assert 0.5 in shares["no"].share


def test_without_a_round_nothing_is_released(project: Project) -> None:
    with pytest.raises(ConflictError, match="no round"):
        project.machines.release(0.1)
