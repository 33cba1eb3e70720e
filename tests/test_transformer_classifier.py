"""Fine-tuning tiny transformers, made here: soft labels, folds, early stopping, resuming, degenerate data."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jurybox.classifiers import Classifier, Fitted, get_classifier
from jurybox.classifiers.base import ConstantFitted
from jurybox.errors import InputError

torch: Any = pytest.importorskip("torch")
pytest.importorskip("accelerate")
transformers: Any = pytest.importorskip("transformers")

from jurybox.classifiers.recipes import TrainingSettings  # noqa: E402
from jurybox.classifiers.transformer_classifier import (  # noqa: E402
    TransformerClassifier,
    TransformerFitted,
)

pytestmark = pytest.mark.slow

QUICK = TrainingSettings(epochs=1, least_steps=40, batch_size=8, learning_rate=2e-2, device="cpu")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "soup", "train", "bread", "bus", "!"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=12).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def opinions(n: int, seed: int = 0) -> tuple[list[str], Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    things = rng.choice(["soup", "train", "bread", "bus"], size=(n, 2))
    return [f"{a} {'good' if k else 'bad'} {b} !" for k, (a, b) in zip(y, things, strict=True)], np.eye(2)[y]


@pytest.fixture(scope="module")
def fitted(tiny: Path) -> TransformerFitted:
    texts, targets = opinions(40)
    result = TransformerClassifier(tiny, folds=2, training=QUICK).fit(texts, targets)
    assert isinstance(result, TransformerFitted)
    return result


@pytest.mark.slow
def test_it_learns_and_meets_the_contract(tiny: Path, fitted: TransformerFitted) -> None:
    classifier = TransformerClassifier(tiny, folds=2, training=QUICK)
    assert isinstance(classifier, Classifier)
    assert isinstance(fitted, Fitted)
    texts, targets = opinions(40)
    assert fitted.out_of_sample.shape == (40, 2)
    assert np.allclose(fitted.out_of_sample.sum(axis=1), 1)
    assert (fitted.out_of_sample.argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.9
    new, expected = opinions(30, seed=1)
    assert (fitted.predict_proba(new).argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    assert fitted.predict_proba([]).shape == (0, 2)
    assert np.isfinite(fitted.predict_proba(["", "😀", "\ud800", "good " * 5000])).all()
    assert len(fitted.models) == 2
    assert "fold 1: 20 texts, 40 of 40 steps" in fitted.note
    assert texts[0] not in fitted.note


@pytest.mark.slow
def test_same_seed_same_result_and_no_global_randomness(tiny: Path, fitted: TransformerFitted) -> None:
    texts, targets = opinions(40)
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    expected = (np.random.random(), random.random())  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    again = TransformerClassifier(tiny, folds=2, training=QUICK).fit(texts, targets)
    assert (np.random.random(), random.random()) == expected  # noqa: NPY002
    assert np.allclose(again.out_of_sample, fitted.out_of_sample, atol=1e-5)


@pytest.mark.slow
def test_soft_targets_and_weights_are_learnt(tiny: Path) -> None:
    """Where the same text is 80 % one class, so is the prediction; rows of weight 0 do not count."""
    targets = np.array([[0.2, 0.8]] * 10 + [[0.8, 0.2]] * 10 + [[1.0, 0.0]] * 5)
    texts = ["good soup"] * 10 + ["bad soup"] * 10 + ["good soup"] * 5
    weights = np.array([1.0] * 20 + [0.0] * 5)
    classifier = TransformerClassifier(tiny, training=replace(QUICK, least_steps=80))
    model = classifier.fit_one(texts, targets, weights)
    assert np.allclose(model.predict_proba(["good soup", "bad soup"])[:, 1], [0.8, 0.2], atol=0.07)
    fitted = TransformerClassifier(tiny, folds=2, training=QUICK).fit(texts, targets, weights)
    assert np.allclose(fitted.out_of_sample[20:], fitted.predict_proba(["good soup"]), atol=1e-6)


@pytest.mark.slow
def test_training_stops_early_where_enough_is_held_out(tiny: Path) -> None:
    rng = np.random.default_rng(0)
    texts, _ = opinions(140)
    noise = np.eye(2)[rng.integers(2, size=140)]
    settings = replace(QUICK, least_steps=400, evaluations=100, patience=2, warmup=0)
    model = TransformerClassifier(tiny, training=settings).fit_one(texts, noise, np.ones(140))
    assert "texts held out" in model.note
    assert int(model.note.split(" of 400 steps")[0].split()[-1]) < 400
    whole = TransformerClassifier(tiny, training=replace(QUICK, patience=0)).fit_one(
        texts, noise, np.ones(140)
    )
    assert whole.note == "140 texts, 40 of 40 steps"


class StopHereError(Exception):
    """Raised in the middle of training."""


@pytest.mark.slow
def test_an_interrupted_fit_goes_on_where_it_stopped(tiny: Path, tmp_path: Path) -> None:
    texts, targets = opinions(40)
    seen: list[int] = []

    def stop(done: int, most: int) -> None:
        seen.append(done)
        if done == 62:
            raise StopHereError

    classifier = TransformerClassifier(tiny, folds=2, training=QUICK, checkpoints=tmp_path, progress=stop)
    with pytest.raises(StopHereError):
        classifier.fit(texts, targets)
    assert list(tmp_path.glob("*/fold-0/done.json"))
    assert list(tmp_path.glob("*/fold-1/checkpoint-*"))
    seen.clear()
    resumed = replace(classifier, progress=lambda done, _: seen.append(done)).fit(texts, targets)
    assert seen[0] == 61
    assert seen[-1] == 80
    assert list(tmp_path.iterdir()) == []
    straight = TransformerClassifier(tiny, folds=2, training=QUICK).fit(texts, targets)
    assert np.allclose(resumed.out_of_sample, straight.out_of_sample, atol=1e-4)


@pytest.mark.parametrize("n_rows", [1, 3])
def test_a_single_class_is_answered_and_explained(tiny: Path, n_rows: int) -> None:
    fitted = TransformerClassifier(tiny, training=QUICK).fit(["good"] * n_rows, np.eye(2)[[1] * n_rows])
    assert isinstance(fitted, ConstantFitted)
    assert "all of one class" in fitted.note
    assert fitted.predict_proba(["bad"]).shape == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [0, 1, 2, 2]])
def test_a_few_texts_are_enough_to_run(tiny: Path, labels: list[int]) -> None:
    quick = replace(QUICK, least_steps=2)
    texts = ["good soup", "bad train", "", "bread"][: len(labels)]
    fitted = TransformerClassifier(tiny, training=quick).fit(texts, np.eye(4)[labels])
    assert fitted.out_of_sample.shape == (len(labels), 4)
    assert np.allclose(fitted.out_of_sample.sum(axis=1), 1)
    assert np.allclose(fitted.predict_proba(["new"]).sum(axis=1), 1)


def test_names_follow_what_changes_the_result(tiny: Path) -> None:
    one = TransformerClassifier(tiny)
    assert one.name == TransformerClassifier(tiny, progress=lambda *_: None).name
    assert one.name == TransformerClassifier(tiny, training=TrainingSettings(device="cpu")).name
    assert one.name != TransformerClassifier(tiny, training=TrainingSettings(seed=1)).name
    assert one.name != TransformerClassifier(tiny, folds=3).name


def test_what_makes_no_sense_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes texts, not features"):
        TransformerClassifier(tiny).fit(np.zeros((2, 3)), np.eye(2))
    with pytest.raises(InputError, match="at least 2"):
        TransformerClassifier(tiny, folds=1)
    with pytest.raises(InputError, match="learning_rate=0"):
        TrainingSettings(learning_rate=0)
    with pytest.raises(InputError, match="validation_share"):
        TrainingSettings(validation_share=0.9)
    with pytest.raises(InputError, match="no training rows"):
        TransformerClassifier(tiny).fit([], np.zeros((0, 2)))
    with pytest.raises(InputError, match="no weights"):
        _ = TransformerClassifier(tmp_path).name


def test_classifiers_by_name(tiny: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    assert get_classifier("head").takes == "features"
    assert get_classifier("sklearn:naive_bayes.GaussianNB").name == get_classifier(GaussianNB()).name
    transformer = get_classifier("transformer", model=tiny, seed=3)
    assert isinstance(transformer, TransformerClassifier)
    assert (transformer.folder, transformer.training.seed, transformer.takes) == (tiny, 3, "texts")
    assert get_classifier(transformer) is transformer
    with pytest.raises(InputError, match="'forest' is unknown"):
        get_classifier("forest")
