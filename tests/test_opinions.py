"""Shares of people who would say each class: estimated, asked for, kept and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from jurybox import Annotations, AnswerSheet, InputError, Settings, play_questions, play_round
from jurybox.cli.app import app, run
from jurybox.consensus import estimate_consensus, estimate_opinions
from jurybox.consensus.opinions import cross_entropy, manhattan, opinions_of
from jurybox.formats import write_table
from jurybox.labelled import annotations_at
from jurybox.project import Project
from jurybox.store.settings import ProjectSettings
from jurybox.strategies import get_strategy, soft_labels
from support.web import stage


def crowd(N: int = 300, M: int = 12, n: int = 5, seed: int = 0) -> tuple[Annotations, np.ndarray, np.ndarray]:
    """Return labels of a crowd that is of one mind about most texts and split about the others."""
    rng = np.random.default_rng(seed)
    share = np.where(rng.random(N) < 0.5, 0.04, np.where(rng.random(N) < 0.5, 0.96, 0.5))
    text = np.repeat(np.arange(N), n)
    annotator = np.concatenate([rng.permutation(M)[:n] for _ in range(N)])
    label = (rng.random(len(text)) < share[text]).astype(int)
    return (
        Annotations.from_indices(text, annotator, label, texts=N, annotators=M, classes=2),
        share,
        rng.normal(size=(N, 3)) + 2 * share[:, None],
    )


def test_shares_are_those_of_the_consensus_and_near_the_truth() -> None:
    annotations, share, _ = crowd()
    found = estimate_opinions(annotations)
    assert np.array_equal(found.shares, estimate_consensus(annotations).shares)
    raw = annotations.counts[:, 1] / annotations.n_labels
    assert np.abs(found.shares[:, 1] - share).mean() < np.abs(raw - share).mean()


def test_stated_errors_are_true_of_a_simulated_crowd() -> None:
    annotations, share, _ = crowd(N=1000)
    found = estimate_opinions(annotations)
    off = np.sqrt(np.square(found.shares[:, 1] - share).mean())
    stated = np.sqrt(np.square(found.error).mean())
    assert 0.6 * off < stated < 1.6 * off


def test_a_text_known_to_be_split_is_better_known_than_one_without_labels() -> None:
    labels = [[0] * 8] * 10 + [[1] * 8] * 10 + [[0, 1] * 4] * 5 + [[None] * 8]
    annotations = Annotations.from_wide(labels)
    p = np.full((26, 2), 0.5)
    p[:10], p[10:20] = (0.95, 0.05), (0.05, 0.95)
    found = estimate_opinions(annotations, p)
    assert found.error[:25].max() < 0.7 * found.error[25]
    assert found.gain[:25].max() < 0.2 * found.gain[25]
    assert abs(found.shares[20, 0] - 0.5) < 0.1


def test_nothing_is_known_without_labels_and_model() -> None:
    found = estimate_opinions(Annotations.from_wide([[0, 1], [None, None]]))
    assert np.isnan(found.error[1])
    assert found.shares[1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("K", [2, 3, 30])
def test_answers_are_distributions_for_any_number_of_classes(K: int) -> None:
    rng = np.random.default_rng(K)
    p = rng.dirichlet(np.ones(K), 91)
    text = np.repeat(np.arange(90), 2)
    label = np.where(rng.random(180) < 0.7, p[text].argmax(axis=1), rng.integers(0, K, 180))
    annotations = Annotations.from_indices(
        text, np.tile([0, 1, 1, 2], 45), label, texts=91, annotators=3, classes=K
    )
    found = estimate_opinions(annotations, p)
    said = found.answers(np.tile([0, 5, 90], 3), np.repeat([0, 1, 2], 3))
    assert said.shape == (9, K)
    assert said.sum(axis=1) == pytest.approx(1)
    assert (said >= 0).all()
    assert (found.error >= 0).all()
    assert (found.error <= 1).all()


def test_people_who_say_a_class_more_often_are_expected_to() -> None:
    rng = np.random.default_rng(3)
    share = rng.choice([0.1, 0.9], 400)
    tilt = np.array([-1.5, 0, 0, 1.5])
    text, annotator = (
        np.repeat(np.arange(400), 3),
        np.concatenate([rng.permutation(4)[:3] for _ in range(400)]),
    )
    odds = np.log(share / (1 - share))[text] + tilt[annotator]
    label = (rng.random(len(text)) < 1 / (1 + np.exp(-odds))).astype(int)
    annotations = Annotations.from_indices(text, annotator, label, texts=400, annotators=4, classes=2)
    found = estimate_opinions(annotations)
    everywhere = np.arange(400)
    said = [found.answers(everywhere, np.full(400, j))[:, 1].mean() for j in range(4)]
    assert said[0] < min(said[1:3])
    assert max(said[1:3]) < said[3]


def test_positions_are_checked() -> None:
    found = estimate_opinions(Annotations.from_wide([[0, 1], [1, 1]]))
    for texts, people in (([2], [0]), ([0], [-1]), ([0, 1], [0]), ([0.5], [0])):
        with pytest.raises(InputError):
            found.answers(texts, people)


def test_distances() -> None:
    t, p = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    assert manhattan(t, p).tolist() == [1.0, 0.5]
    assert cross_entropy(t, p) == pytest.approx([np.log(2), -0.5 * np.log(0.25 * 0.75)])
    assert np.isfinite(cross_entropy(t, t)).all()


def test_strategies_for_shares() -> None:
    assert get_strategy("default", "shares").targets is not get_strategy("default").targets
    assert get_strategy("random", "shares").calibrated
    with pytest.raises(InputError, match=r"activelab.*shares"):
        get_strategy("activelab", "shares")
    with pytest.raises(InputError, match="opinion"):
        get_strategy("default", "opinion")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="least_gain"):
        Settings(least_gain=-1.0)


def test_a_round_trains_on_shares_and_stops_asking_where_they_are_known() -> None:
    annotations, share, features = crowd()
    unlabelled = np.arange(250, 300)
    part = annotations.subset(texts=np.arange(250))
    some = Annotations.from_indices(
        part.text, part.annotator, part.label, texts=300, annotators=12, classes=2
    )
    settings = Settings(target="shares", max_labels=20, least_gain=0.025)
    played = play_round(some, features, settings, np.random.default_rng(0))
    assert played.known.any()
    assert not played.known[unlabelled].any()
    assert not np.isin(played.ranking.texts, np.flatnonzero(played.known)).any()
    assert np.isin(unlabelled, played.ranking.texts).all()
    split = np.flatnonzero((np.abs(some.counts[:250, 1] - 2.5) < 1) & (share[:250] == 0.5))
    assert played.known[split].mean() > 0.5
    told = soft_labels(
        some, "default", np.random.default_rng(0), pred_probs=played.pred_probs, target="shares"
    )
    assert 0.3 < np.median(told.targets[split, 1]) < 0.7
    assert not play_round(some, features, Settings(max_labels=20), np.random.default_rng(0)).known.any()


def test_a_text_is_known_where_the_shares_of_all_its_questions_are() -> None:
    """One question plays the round that annotations play; of several, what each would gain is added up."""
    annotations, _, features = crowd()
    late = np.random.default_rng(1).permutation(300)[:150]  # of these the second question is still open
    keep = ~np.isin(annotations.text, late) | (annotations.annotator < 2)
    fewer = annotations_at(annotations, keep)
    settings = Settings(target="shares", max_labels=20, least_gain=0.025)
    own = play_round(annotations, features, settings, np.random.default_rng(0))
    one = play_questions(AnswerSheet.of({"a": annotations}), features, settings, np.random.default_rng(0))
    assert one.known is not None
    np.testing.assert_array_equal(one.known, own.known)
    np.testing.assert_array_equal(one.ranking.texts, own.ranking.texts)
    sheet = AnswerSheet.of({"a": annotations, "b": fewer})
    both = play_questions(sheet, features, settings, np.random.default_rng(0))
    a, b = both.rounds.values()
    assert (a.known & ~b.known).any()
    assert both.known is not None
    np.testing.assert_array_equal(both.known, a.known & b.known)
    assert not np.isin(both.ranking.texts, np.flatnonzero(both.known)).any()
    gains = np.zeros(300)
    for each, said in zip((a, b), (annotations, fewer), strict=True):
        found = opinions_of(estimate_consensus(said, each.pred_probs, check=False), each.pred_probs)
        wanting = ~each.known & (said.n_labels < 20)
        gains[wanting] += found.gain[wanting]
    np.testing.assert_allclose(-both.ranking.scores, gains[both.ranking.texts], atol=1e-6)
    np.testing.assert_allclose(both.expected_errors.sum(axis=1), gains, atol=1e-6)
    assert all(set(each.tolist()) == {1.0} for each in both.thresholds.values())


def test_a_strategy_whose_consensus_knows_no_shares_is_refused() -> None:
    annotations, _, features = crowd()
    settings = Settings(get_strategy("activelab"), target="shares")
    with pytest.raises(InputError, match=r"'shares'.*estimate_consensus"):
        play_round(annotations, features, settings, 0)


SETTINGS = ProjectSettings(
    encoder="tfidf", target="shares", audit_size=6, audit_share=0.5, audit_labels=2, least_gain=0.08, batch=5
)
TEXTS = [(f"t{n}", f"{'good fine' if n % 2 else 'bad awful'} thing number {n}") for n in range(40)]


def label(project: Project, n: int) -> int:
    """Let two people label, who differ on every fifth text; return how many labels they gave."""
    given = 0
    for turn in range(4 * n):
        name = ("ana", "ben")[turn % 2]
        if given < n and (task := project.next_task(name)):
            number = int(task.text_id[1:])
            odd = number % 2 == 1
            project.submit(task, "good" if odd != (name == "ben" and number % 5 == 0) else "bad")
            given += 1
    return given


@pytest.mark.slow
def test_a_project_stops_asking_about_texts_whose_shares_are_known(location: str, tmp_path: Path) -> None:
    with Project.create(location, classes=["bad", "good"], texts=TEXTS, settings=SETTINGS) as project:
        unknown = project.beliefs.now().shares
        assert unknown is not None
        assert unknown.cross_entropy is None
        label(project, 30)
        project.refit()
        known = project.beliefs.now().shares
        assert known is not None
        assert known.n_texts == 6
        assert known.known + known.open == project.beliefs.now().basis.texts
        assert known.cross_entropy is not None
        assert known.manhattan is not None
        assert known.cross_entropy.low <= known.cross_entropy.estimate <= known.cross_entropy.high
        audit, opinions = set(project.audit.texts()), project.beliefs.now().opinions
        assert opinions is not None
        closed = {
            one.text_id
            for one, gain in zip(project.beliefs.now().texts, opinions.gain, strict=True)
            if one.n_annotations and gain < SETTINGS.least_gain
        } - audit
        assert closed
        before = project.annotations().n_labels
        label(project, 200)
        after = project.annotations().n_labels
        place = {str(name): i for i, name in enumerate(project.annotations().texts)}
        assert all(after[place[one]] == before[place[one]] for one in closed)
        rows = [
            json.loads(line)
            for line in write_table(project.export(), "consensus", tmp_path / "c.jsonl")
            .read_text(encoding="utf-8")
            .splitlines()
        ]
        for row, one in zip(rows, project.beliefs.now().texts, strict=True):
            assert (row["share_bad"], row["share_good"]) == one.shares
            assert row["share_error"] == one.share_error
            assert row["share_bad"] + row["share_good"] == pytest.approx(1)
        project.configure(target="class")
        assert project.beliefs.now().shares is None
        assert project.beliefs.now().texts[0].shares == ()
        asked = set()
        while task := project.next_task("cleo"):
            asked.add(task.text_id)
            project.submit(task, "bad")
        assert closed <= asked  # they are asked about again


ASKED = ("tone=single:bad,good", "topics=several:things")


def answer(project: Project, n: int) -> None:
    """Let two people answer, who differ about the tone of every fifth text; of every fourth it is all."""
    for turn in range(4 * n):
        name = ("ana", "ben")[turn % 2]
        if project.annotations().n_annotations < n and (task := project.next_task(name)):
            number = int(task.text_id[1:])
            good = (number % 2 == 1) != (name == "ben" and number % 5 == 0)
            topics = {"topics": ["things"] if number % 3 else []} if number % 4 else {}
            project.submit(task, {"tone": "good" if good else "bad", **topics})


@pytest.mark.slow
def test_a_project_with_several_questions_stops_where_the_shares_of_all_are_known(
    location: str, tmp_path: Path
) -> None:
    settings = SETTINGS.updated({"least_gain": 0.05, "enough_agreement": 1})  # which ends nothing here
    with Project.create(location, questions=ASKED, texts=TEXTS, settings=settings) as project:
        answer(project, 30)
        project.refit()
        beliefs = [source.now() for source in project.facets.each().values()]
        audit = set(project.audit.texts())
        for one in beliefs:
            assert one.shares is not None
            assert one.shares.known + one.shares.open == one.basis.texts
            assert one.shares.cross_entropy is not None
        tone, things = (
            (one.opinions.gain < settings.least_gain) & one.inputs.annotations.labelled
            for one in beliefs
            if one.opinions is not None
        )
        ids = [one.text_id for one in beliefs[0].texts]
        closed = {ids[i] for i in np.flatnonzero(tone & things)} - audit
        half = {ids[i] for i in np.flatnonzero(tone != things)} - audit
        assert closed
        assert half
        asked = set()
        while task := project.next_task("cleo"):
            asked.add(task.text_id)
            project.submit(task, {"tone": "bad", "topics": []})
        assert not closed & asked
        assert half <= asked
        lines = write_table(project.export(), "consensus", tmp_path / "c.jsonl").read_text(encoding="utf-8")
        now = [source.now().texts for source in project.facets.each().values()]
        for line, first, second in zip(lines.splitlines(), *now, strict=True):
            row = json.loads(line)
            assert (row["share_tone:bad"], row["share_tone:good"]) == first.shares
            assert row["share_topics:things"] == second.shares[1]
            assert row["share_error_tone"] == first.share_error
            assert row["share_error_topics:things"] == second.share_error
        assert project.refit().diagnostics["facets"]["topics:things"]["thresholds"] == [0.5, 0.5]
        project.configure(target="class")
        assert all(source.now().shares is None for source in project.facets.each().values())


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="target"):
        ProjectSettings(target="opinion")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="least_gain"):
        ProjectSettings(least_gain=-1)
    with pytest.raises(InputError, match="strategy"):
        ProjectSettings(target="shares", strategy="activelab")


@pytest.mark.slow
def test_the_command_line_makes_and_shows_such_a_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("id,text\n" + "".join(f"{name},{text}\n" for name, text in TEXTS), encoding="utf-8")
    place = str(tmp_path / "p.db")
    made = ["init", place, "--texts", str(texts), "-l", "bad", "-l", "good", "--target", "shares"]
    assert (
        run(app, [*made, "--set", "audit_size=6", "--set", "audit_share=0.5", "--set", "encoder=tfidf"]) == 0
    )
    with Project.open(place) as project:
        assert project.settings.target == "shares"
        label(project, 40)
        project.refit()
    capsys.readouterr()
    assert run(app, ["status", place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["shares"]
    assert told["known"] + told["open"] > 0
    assert told["cross_entropy"]["estimate"] > 0
    assert run(app, ["status", place]) == 0
    assert "Manhattan distance" in capsys.readouterr().out
    assert run(app, ["train", place, str(tmp_path / "model")]) == 0
    assert run(app, ["report", place, str(tmp_path / "r.html")]) == 0
    assert f"cross-entropy of the shares foretold is {told['cross_entropy']['estimate']:.3f}" in (
        tmp_path / "r.html"
    ).read_text(encoding="utf-8")
    assert run(app, ["report", place, "--section", "shares"]) == 0


@pytest.mark.slow
def test_shares_of_several_questions_are_shown_and_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, place = tmp_path / "texts.csv", str(tmp_path / "p.db")
    texts.write_text("id,text\n" + "".join(f"{name},{text}\n" for name, text in TEXTS), encoding="utf-8")
    made = ["init", place, "--texts", str(texts), "--target", "shares", "--set", "encoder=tfidf"]
    made += ["--set", "audit_size=6", "--set", "audit_share=0.5"]
    assert run(app, [*made, *(word for each in ASKED for word in ("--question", each))]) == 0
    with Project.open(place) as project:
        answer(project, 40)
        project.refit()
    capsys.readouterr()
    assert run(app, ["status", place, "--question", "topics:things"]) == 0
    assert "Manhattan distance" in capsys.readouterr().out
    assert run(app, ["train", place, str(tmp_path / "model")]) == 0
    index = json.loads((tmp_path / "model" / "jurybox.json").read_text(encoding="utf-8"))
    assert [one["thresholds"] for one in index["models"]] == [None, None]
    assert "thresholds" not in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    with stage(str(tmp_path / "q.db"), questions=ASKED) as held:
        held.project.configure(target="shares")
        for name in ("ana", "bo"):
            held.project.submit("t1", {"tone": "good", "topics": ["things"]}, annotator=name)
        where = {"id": "t1", "question": "topics:things"}
        page = held.browser("olga").get("/manage/text", params=where).text
    assert re.search(r"People would say: yes \d+", page)
