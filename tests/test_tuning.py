"""The second gear: an encoder tuned on the labels, out of sample, in the background."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jurybox.annotations import Annotations
from jurybox.classifiers.calibrated import calibrate
from jurybox.classifiers.cross_fitting import cross_fit, fold_of, predict_mean, predict_own
from jurybox.classifiers.recipes import TuningSettings
from jurybox.errors import InputError
from jurybox.facet_targets import soft_answers
from jurybox.formats.records import AnnotationRecord
from jurybox.joint import play_questions
from jurybox.loop import Settings, play_round
from jurybox.project import Project
from jurybox.project.tuning import Tuned, columns_of, gear_of
from jurybox.questions import Facet
from jurybox.sheets import AnswerSheet
from jurybox.store.settings import ProjectSettings
from jurybox.strategies import soft_labels

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("torch") is None,
    reason="the transformers extra is not installed",
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "soup", "train", "lamp", "the", "a"]
QUICK = TuningSettings(
    folds=2, passes=4, least_steps=40, encoder_rate=3e-3, head_rate=5e-2, device="cpu", max_length=12
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, as ``save_pretrained`` writes it."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        initializer_range=0.3,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


NOBODY = np.array([], int)


def make_texts(n: int) -> tuple[list[str], Any]:
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=n)
    things = rng.choice(["soup", "train", "lamp"], size=n)
    return [f"the {('bad', 'good')[k]} {thing}" for k, thing in zip(label, things, strict=True)], label


def tuner(tiny: Path, settings: TuningSettings = QUICK) -> Any:
    from jurybox.classifiers.tuner import Tuner

    return Tuner(tiny, (2,), settings, threads=1)


def test_a_fold_depends_on_the_position_alone_and_folds_are_of_a_size() -> None:
    fold = fold_of(np.arange(10_000), 3)
    assert np.array_equal(fold_of(np.array([7, 9_999]), 3), fold[[7, 9_999]])
    assert np.bincount(fold).min() > 3_200


@pytest.mark.slow
def test_what_a_model_says_of_a_text_is_out_of_sample(tiny: Path) -> None:
    """Each text has a word of its own and a random label: only who has seen it can know."""
    model = tuner(tiny)
    texts, label = make_texts(60)
    tokens, rows = model.tokens(texts), np.arange(60)
    seen: list[set[int]] = []
    train = model.train

    def spy(tokens: Any, kept: Any, *args: Any, **given: Any) -> Any:
        seen.append(set(kept.tolist()))
        return train(tokens, kept, *args, **given)

    model.train = spy
    folds = cross_fit(model, tokens, rows, np.eye(2)[label], np.ones(60))
    p = predict_own(model, folds, tokens, rows)
    fold = fold_of(rows, 2)
    for number, kept in enumerate(seen):
        assert kept == set(np.flatnonzero(fold != number).tolist())
        own = np.flatnonzero(fold == number)
        np.testing.assert_allclose(p[own], model.predict(tokens, own, folds[number]))
    assert (p.argmax(axis=1) == label).mean() > 0.75  # the words tell
    mean = predict_mean(model, folds, model.tokens(["a good lamp", "a bad soup"]))
    assert mean.argmax(axis=1).tolist() == [1, 0]


@pytest.mark.slow
def test_tuning_is_repeatable_and_leaves_frozen_what_is_to_stay(tiny: Path) -> None:
    texts, label = make_texts(40)
    model = tuner(tiny, TuningSettings(**{**vars(QUICK), "frozen_layers": 1}))
    tokens, rows = model.tokens(texts), np.arange(40)
    one, same = (model.train(tokens, rows, np.eye(2)[label], np.ones(40), seed=3) for _ in range(2))
    other = tuner(tiny).train(tokens, rows, np.eye(2)[label], np.ones(40), seed=3)
    assert all((one[name] == same[name]).all() for name in one)
    assert not any("embeddings" in name or "layer.0" in name for name in one)
    assert any("layer.0" in name for name in other)
    assert not any("embeddings" in name for name in other)


@pytest.mark.slow
def test_one_class_and_senseless_settings_are_refused(tiny: Path) -> None:
    model = tuner(tiny)
    tokens = model.tokens(["good soup", "good lamp"])
    with pytest.raises(InputError, match="one class"):
        cross_fit(model, tokens, np.arange(2), np.eye(2)[[1, 1]], np.ones(2))
    with pytest.raises(InputError, match="folds=1"):
        TuningSettings(folds=1)
    with pytest.raises(InputError, match="passes=0"):
        TuningSettings(passes=0)


def crowd(n: int = 300) -> tuple[Annotations, Any, Any]:
    """Labels of two annotators, who err in a tenth of the cases, features that tell little, and the truth."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=n)
    labels = [
        [int(k) if rng.random() < 0.9 else 1 - int(k) for _ in range(2)] if row < n // 2 else [None, None]
        for row, k in enumerate(truth)
    ]
    x = rng.normal(size=(n, 5)) + 0.5 * truth[:, None]
    return Annotations.from_wide(labels), x, truth


def test_a_round_believes_a_tuned_encoder_as_far_as_it_foretells_labels() -> None:
    annotations, x, truth = crowd()
    good = np.where(np.eye(2)[truth] > 0, 0.95, 0.05)
    noise = np.random.default_rng(1).dirichlet([1, 1], size=len(truth))
    alone, helped, misled = (
        play_round(annotations, x, Settings(), np.random.default_rng(0), tuned=tuned)
        for tuned in (None, good, noise)
    )

    def right(played: Any) -> float:
        return float((played.pred_probs.argmax(axis=1) == truth).mean())

    assert right(helped) > 0.97 > right(alone)
    assert helped.diagnostics["second_gear"] > 0.5
    assert abs(right(misled) - right(alone)) < 0.03
    assert misled.diagnostics["second_gear"] < 0.2
    assert alone.diagnostics["second_gear"] == 0


def test_texts_that_the_encoder_was_not_asked_about_have_the_head_alone() -> None:
    annotations, x, truth = crowd()
    tuned = np.where(np.eye(2)[truth] > 0, 0.95, 0.05)
    tuned[200:] = np.nan
    played = play_round(annotations, x, Settings(), np.random.default_rng(0), tuned=tuned)
    fitted: Any = played.classifier
    assert np.isfinite(played.pred_probs).all()
    np.testing.assert_allclose(played.pred_probs[200:], fitted.predict_proba(x[200:]))


def test_published_methods_mix_by_the_labels_they_train_on() -> None:
    annotations, x, truth = crowd()
    good = np.where(np.eye(2)[truth] > 0, 0.95, 0.05)
    played = play_round(annotations, x, Settings(strategy="activelab"), np.random.default_rng(0), tuned=good)
    assert (played.pred_probs.argmax(axis=1) == truth).mean() > 0.95


def test_no_opinion_on_any_labelled_text_is_no_opinion() -> None:
    class Known:
        out_of_sample = np.array([[0.6, 0.4], [0.3, 0.7]])

        def predict_proba(self, x: Any) -> Any:
            return np.asarray(x)

    counts = np.array([[2, 0], [0, 2]])
    assert calibrate(Known(), counts, np.full((2, 2), np.nan)).mixed is None
    with pytest.raises(InputError, match="tuned has shape"):
        calibrate(Known(), counts, np.ones((3, 2)))


def test_soft_labels_keep_out_what_is_not_to_be_trained_on() -> None:
    annotations, _, _ = crowd()
    trainable = np.arange(annotations.n_texts) != 3
    labels = soft_labels(annotations, "default", np.random.default_rng(0), trainable=trainable)
    assert 3 not in labels.rows
    assert labels.targets.shape == (len(labels.rows), 2)
    assert set(labels.weights) == {2.0}


def test_every_question_believes_a_tuned_encoder_as_far_as_it_foretells_its_labels() -> None:
    annotations, x, truth = crowd()
    good = np.where(np.eye(2)[truth] > 0, 0.95, 0.05)
    noise = np.random.default_rng(1).dirichlet([1, 1], size=len(truth))
    sheet = AnswerSheet.of({"a": annotations, "b": annotations})
    alone = play_round(annotations, x, Settings(), np.random.default_rng(0), tuned=good)
    one = play_questions(
        AnswerSheet.of({"a": annotations}), x, Settings(), np.random.default_rng(0), tuned=good
    )
    np.testing.assert_array_equal(one.rounds[Facet("a")].pred_probs, alone.pred_probs)
    both = play_questions(sheet, x, Settings(), np.random.default_rng(0), tuned=np.hstack([good, noise]))
    share = {facet.question: each.diagnostics["second_gear"] for facet, each in both.rounds.items()}
    assert share["a"] > 0.5
    assert share["b"] < 0.2
    with pytest.raises(InputError, match="expected 4 columns"):
        play_questions(sheet, x, Settings(), np.random.default_rng(0), tuned=good)


def test_all_questions_are_trained_on_what_each_would_be_alone() -> None:
    """Of one question that is what `soft_labels` says; what nobody was asked has no weight."""
    annotations, _, _ = crowd()
    rng = np.random.default_rng
    p = rng(1).dirichlet([1, 1], size=annotations.n_texts)
    some = annotations.with_triplets(
        *(each[:90] for each in (annotations.text, annotations.annotator, annotations.label))
    )
    sheet = AnswerSheet.of({"a": annotations, "b": some})
    trainable = np.arange(annotations.n_texts) != 3
    given = {"trainable": trainable}
    both = soft_answers(sheet, "default", rng(0), pred_probs=np.hstack([p, p]), **given)
    for k, each in enumerate(sheet.facets.values()):
        own = soft_labels(each, "default", rng(0), pred_probs=p, **given)
        rows = np.flatnonzero(both.weights[:, k])
        assert both.rows[rows].tolist() == own.rows.tolist()
        np.testing.assert_array_equal(both.targets[rows, 2 * k : 2 * k + 2], own.targets)
        np.testing.assert_array_equal(both.weights[rows, k], own.weights)
    assert 3 not in both.rows


@pytest.mark.slow
def test_one_encoder_learns_all_questions_from_what_was_asked(tiny: Path) -> None:
    """The second question was asked of every other text alone, and of the third all answers are the same."""
    from jurybox.classifiers.tuner import Tuner

    texts, label = make_texts(60)
    is_soup = np.array(["soup" in text for text in texts]).astype(int)
    targets = np.hstack([np.eye(2)[label], np.eye(2)[is_soup], np.eye(3)[np.zeros(60, int)]])
    weights = np.ones((60, 3))
    weights[::2, 1] = 0
    targets[::2, 2:4] = [1, 0]  # of no consequence
    model = Tuner(tiny, (2, 2, 3), QUICK, threads=1)
    tokens, rows = model.tokens(texts), np.arange(60)
    folds = cross_fit(model, tokens, rows, targets, weights)
    p = predict_own(model, folds, tokens, rows)
    assert (p[:, :2].argmax(axis=1) == label).mean() > 0.75
    assert (p[:, 2:4].argmax(axis=1) == is_soup).mean() > 0.75
    np.testing.assert_allclose(p[:, 4:], 1 / 3)
    with pytest.raises(InputError, match="one class"):
        cross_fit(model, tokens, rows, targets, weights * [0, 0, 1])


@pytest.mark.slow
def test_the_loss_is_the_mean_over_questions(tiny: Path) -> None:
    import torch

    from jurybox.classifiers.tuner import Tuner

    rng = np.random.default_rng(0)
    model, sizes = Tuner(tiny, (2, 3), QUICK, threads=1), (slice(0, 2), slice(2, 5))
    z, w = rng.normal(size=(4, 5)), rng.random((4, 2))
    t = np.hstack([rng.dirichlet(np.ones(k), size=4) for k in (2, 3)])
    naive = [
        -w[i, f] * t[i, part] @ np.log(np.exp(z[i, part]) / np.exp(z[i, part]).sum())
        for i in range(4)
        for f, part in enumerate(sizes)
    ]
    assert float(model._loss(*map(torch.tensor, (z, t, w)))) == pytest.approx(np.mean(naive))


ASKED: dict[str, Any] = {
    "one question": {"classes": ("0", "1")},
    "several questions": {"questions": ("mood=single:0,1", "topics=several:soup,train")},
}


@pytest.fixture(params=ASKED)
def project(request: pytest.FixtureRequest, tiny: Path, tmp_path: Path) -> Any:
    texts, label = make_texts(260)
    settings = ProjectSettings(encoder=str(tiny), audit_size=10, audit_share=0.2)
    made = Project.create(
        tmp_path / "p.db",
        texts=[(f"t{i}", f"{text} {i}") for i, text in enumerate(texts)],
        settings=settings,
        **ASKED[request.param],
    )
    topics = [" ".join({"soup", "train"} & set(text.split())) or "|" for text in texts]
    pairs = zip(label, topics, strict=True)
    said = [f"mood={k}; topics={topic}" if made.questions else str(k) for k, topic in pairs]
    made.add_annotations(
        AnnotationRecord(f"t{i}", person, said[i]) for i in range(200) for person in ("ana", "ben")
    )
    yield made
    made.close()


def columns(project: Project) -> tuple[str, ...]:
    return columns_of(project.questions, project.classes)


@pytest.mark.slow
def test_a_project_tunes_its_encoder_and_rounds_use_it(project: Any) -> None:
    assert "second gear waits: 0 texts" in project.tuning.plan().why
    before = project.refit()
    assert before.diagnostics["second_gear"] == 0
    assert project.tuning.plan().due
    project.tuning.tune(QUICK)
    info = project.refit()
    assert info.diagnostics["tuning"]["texts"] == before.diagnostics["trained_on"]
    share, facets = info.diagnostics["second_gear"], info.diagnostics.get("facets", {})
    assert share == pytest.approx(np.mean([one["second_gear"] for one in facets.values()] or [share]))
    assert not project.tuning.plan().due
    assert "the next tuning at" in project.tuning.plan().why
    project.configure(tuning=False)
    assert project.tuning.plan().why == "second gear off: the setting tuning is off"
    assert "tuning" not in project.refit().diagnostics


@pytest.mark.slow
def test_a_project_says_how_much_each_question_believes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a text tells what is said of it; the tuned encoder knows the answers to one question."""
    rng = np.random.default_rng(0)
    mood, soup = rng.integers(2, size=(2, 150))
    knows = np.hstack([np.where(np.eye(2)[mood] > 0, 0.95, 0.05), np.full((150, 2), 0.5)]).astype(np.float32)
    questions = ("mood=single:0,1", "topics=several:soup")
    settings = ProjectSettings(encoder="tfidf", audit_size=0)
    with Project.create(
        tmp_path / "q.db", texts=[f"text {i}" for i in range(150)], questions=questions, settings=settings
    ) as made:
        ids = [text.id for text in made.reading.texts()]
        made.add_annotations(
            AnnotationRecord(ids[i], person, f"mood={mood[i]}; topics={'soup' if soup[i] else '|'}")
            for i in range(100)
            for person in ("ana", "ben")
        )
        known = Tuned(np.arange(150), knows, columns(made), np.arange(100), 200, 1.0)
        monkeypatch.setattr(made.tuning, "result", lambda names, _: known if names == known.columns else None)
        info = made.refit()
        told = info.diagnostics["facets"]
        assert told["mood"]["second_gear"] > 0.5
        assert told["topics:soup"]["second_gear"] == 0
        gear = gear_of(info.diagnostics)
        assert gear.share == told["mood"]["second_gear"] / 2
        assert "an encoder tuned on 100 texts" in str(gear)
        assert "on average over 2 questions and classes" in str(gear)
        right = made.facets.of("mood").now().posterior.labels == mood
        assert right[100:].mean() > 0.9


@pytest.mark.slow
def test_a_tuning_that_was_killed_is_carried_on_with(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.refit()
    steps = []

    def die() -> None:
        steps.append(1)
        if len(steps) > 60:  # in the second fold
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project.tuning.tune(QUICK, after_step=die)
    assert project.tuning.result(columns(project), NOBODY) is None
    assert "interrupted" in project.tuning.plan().why
    first = len(steps)
    project.tuning.tune(QUICK, after_step=lambda: steps.append(2))
    assert steps[first:].count(2) < first  # not the first fold again
    found = project.tuning.result(columns(project), NOBODY)
    assert np.isfinite(found.of_first(260)).all()
    assert not (project.cache / "tuned" / "job").exists()


@pytest.mark.slow
def test_a_text_that_joins_the_audit_discards_what_was_trained_on_it(project: Any) -> None:
    project.refit()
    project.tuning.tune(QUICK)
    found = project.tuning.result(columns(project), NOBODY)
    assert np.isnan(found.of_first(300)[260:]).all()  # texts that came later
    assert project.tuning.result(columns(project), found.rows[:1]) is None


@pytest.mark.slow
def test_classes_that_changed_discard_what_was_trained_on_them(project: Any) -> None:
    project.refit()
    project.tuning.tune(QUICK)
    project.edit.rename_class("mood:0" if project.questions else "0", "no")
    assert project.tuning.result(columns(project), NOBODY) is None
    assert "classes were" in project.tuning.plan().why
    assert "tuning" not in project.refit().diagnostics


@pytest.mark.slow
@pytest.mark.parametrize("project", ["several questions"], indirect=True)
def test_the_process_tunes_rests_and_ends_with_its_learner(project: Any, tmp_path: Path) -> None:
    from jurybox.tuning import TuningProcess

    project.refit()
    process = TuningProcess(str(tmp_path / "p.db"))
    process.rest()
    process.go()
    while process.ended() is None:
        time.sleep(0.02)
    assert process.ended() == 0
    process.stop()
    assert project.tuning.result(columns(project), NOBODY) is not None
    orphan = subprocess.Popen(
        [sys.executable, "-m", "jurybox.tuning"],
        stdin=subprocess.PIPE,
        env={"JURYBOX_PROJECT": str(tmp_path / "p.db"), "PYTHONPATH": ":".join(sys.path)},
    )
    assert orphan.stdin is not None
    orphan.stdin.close()
    assert orphan.wait() == 1
