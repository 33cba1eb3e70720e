"""The final classifier: saved, loaded without jurybox's database, and predicting the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from jurybox.classifiers.estimator import EstimatorClassifier
from jurybox.classifiers.head import Head
from jurybox.encoders import FeatureCache, fit_views, get_encoders
from jurybox.errors import FitError, InputError
from jurybox.training import train_final

THINGS = ["soup", "train", "bread", "bus", "lamp", "tent"]
VIEWS = ["bad", "fair", "good"]
TEXTS = [f"the {view} {thing}, {again} {thing}" for thing in THINGS for view in VIEWS for again in VIEWS]
CLASSES = ("worst", "medium", "best")  # not in alphabetical order


def targets(n_classes: int) -> Any:
    hard = np.array([VIEWS.index(text.split()[1]) for text in TEXTS])
    return 0.1 / n_classes + 0.9 * np.eye(n_classes)[np.minimum(hard, n_classes - 1)]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_saved_head_predicts_as_the_head(tmp_path: Path, n_classes: int) -> None:
    t, pool = targets(n_classes), [*TEXTS, "an unlabelled text", ""]
    weights = np.linspace(0.5, 2, len(TEXTS))
    final = train_final(TEXTS, t, weights, CLASSES[:n_classes], tmp_path / "m", encoder="tfidf", pool=pool)
    views = fit_views(get_encoders("tfidf"), pool)
    head = Head().fit(views.rows(TEXTS), t, weights)
    new = ["a good lamp", "bad bad", "", "nothing of it"]
    expected = head.predict_proba(views.rows(new))

    model = joblib.load(tmp_path / "m" / "model.joblib")
    order = [list(model.classes_).index(name) for name in CLASSES[:n_classes]]
    assert np.allclose(model.predict_proba(new)[:, order], expected, atol=1e-3)  # rows are float16
    assert model.predict(new).tolist() == [CLASSES[k] for k in expected.argmax(axis=1)]
    assert final.agreement == pytest.approx(np.mean(head.out_of_sample.argmax(1) == t.argmax(1)))
    assert (final.n_texts, final.kind, final.classifier) == (len(TEXTS), "scikit-learn", "head")


@pytest.mark.slow
def test_the_tfidf_pipeline_loads_without_jurybox(tmp_path: Path) -> None:
    train_final(TEXTS, targets(3), None, CLASSES, tmp_path / "m", encoder="tfidf")
    expected = joblib.load(tmp_path / "m" / "model.joblib").predict_proba(["the good soup"])
    program = (
        "import sys; sys.modules['jurybox'] = None; import joblib;"
        "print(joblib.load('model.joblib').predict_proba(['the good soup']).tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "m", capture_output=True, text=True, check=True
    )
    assert np.allclose(json.loads(answer.stdout), expected)


@pytest.mark.slow
@pytest.mark.parametrize("classifier", [GaussianNB(), "sklearn:ensemble.RandomForestClassifier"])
def test_estimators_answer_with_names(tmp_path: Path, classifier: Any) -> None:
    final = train_final(
        TEXTS, targets(3), None, CLASSES, tmp_path / "m", encoder="tfidf", classifier=classifier
    )
    model = joblib.load(tmp_path / "m" / "model.joblib")
    assert (model.predict(TEXTS) == np.array(CLASSES)[targets(3).argmax(axis=1)]).mean() > 0.9
    assert final.agreement is not None
    assert model.classes_.tolist() == sorted(CLASSES)


def test_estimators_of_texts_are_saved_as_they_are(tmp_path: Path) -> None:
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=100))
    classifier = EstimatorClassifier(pipeline, takes="texts")
    final = train_final(TEXTS, targets(3), None, (1, 2, 3), tmp_path / "m", classifier=classifier)
    model = joblib.load(tmp_path / "m" / "model.joblib")
    assert model.predict(["the good soup, good soup", "the bad bus, bad bus"]).tolist() == [3, 1]
    assert final.encoder is None


@pytest.mark.parametrize("classifier", ["head", "sklearn:naive_bayes.GaussianNB"])
@pytest.mark.parametrize("n_classes", [1, 2])
def test_one_text_of_one_class_is_enough(tmp_path: Path, classifier: str, n_classes: int) -> None:
    names = CLASSES[:n_classes]
    t = np.eye(n_classes)[[n_classes - 1]]
    train_final(["one"], t, None, names, tmp_path / "m", encoder="tfidf", classifier=classifier)
    model = joblib.load(tmp_path / "m" / "model.joblib")
    assert model.predict(["anything", ""]).tolist() == [names[-1]] * 2
    assert np.allclose(model.predict_proba(["x"]).sum(), 1)


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    final = train_final(TEXTS, targets(3), None, CLASSES, tmp_path / "m", encoder="tfidf")
    described = json.loads((tmp_path / "m" / "jurybox.json").read_text())
    assert described["classes"] == list(CLASSES)
    assert described["encoder"] == final.encoder
    assert "scikit-learn" in described["versions"]
    readme = (tmp_path / "m" / "README.md").read_text()
    assert "worst, medium, best" in readme
    assert "load only files that you trust" in readme
    assert str(tmp_path) not in readme + json.dumps(described)


def test_nothing_is_overwritten_unasked_or_half_written(tmp_path: Path) -> None:
    out = tmp_path / "m"
    train_final(TEXTS, targets(3), None, CLASSES, out, encoder="tfidf")
    before = (out / "model.joblib").read_bytes()
    with pytest.raises(InputError, match="exists"):
        train_final(TEXTS, targets(3), None, CLASSES, out, encoder="tfidf")
    bad = targets(3).copy()
    bad[:, 1] = np.nan
    with pytest.raises(InputError):
        train_final(TEXTS, bad, None, CLASSES, out, encoder="tfidf", overwrite=True)

    def fail(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_final(TEXTS, targets(3), None, CLASSES, out, encoder="tfidf", overwrite=True, progress=fail)
    assert (out / "model.joblib").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    train_final(TEXTS[:9], targets(3)[:9], None, CLASSES, out, encoder="tfidf", overwrite=True)
    assert (out / "model.joblib").read_bytes() != before
    other = tmp_path / "photos"
    other.mkdir()
    (other / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="is no model that jurybox wrote"):
        train_final(TEXTS, targets(3), None, CLASSES, other, encoder="tfidf", overwrite=True)
    assert (other / "photo.jpg").read_bytes() == b"mine"


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 classes and targets of 3 columns"):
        train_final(TEXTS, targets(3), None, CLASSES[:2], tmp_path / "m")
    with pytest.raises(InputError, match="no training rows"):
        train_final([], np.zeros((0, 3)), None, CLASSES, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def tiny_model(folder: Path) -> Path:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", ",", *VIEWS, *THINGS]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=12).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_frozen_transformers_are_found_again_and_checked(tmp_path: Path) -> None:
    encoder = tiny_model(tmp_path / "encoder")
    cache = FeatureCache(tmp_path / "cache")
    final = train_final(
        TEXTS, targets(3), None, CLASSES, tmp_path / "m", encoder=[encoder, "tfidf"], cache=cache
    )
    model = joblib.load(tmp_path / "m" / "model.joblib")
    views = fit_views(get_encoders([encoder, "tfidf"]), TEXTS)
    assert final.encoder == views.name
    head = Head().fit(views.rows(TEXTS), targets(3))
    order = [list(model.classes_).index(name) for name in CLASSES]
    expected = head.predict_proba(views.rows(TEXTS))
    assert np.allclose(model.predict_proba(TEXTS)[:, order], expected, atol=1e-3)
    joblib.dump(model, tmp_path / "again.joblib")  # the encoder in use is not saved along
    assert (tmp_path / "again.joblib").stat().st_size < 1_000_000

    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "changed": True}))
    with pytest.raises(InputError, match="install the same weights"):
        joblib.load(tmp_path / "m" / "model.joblib").predict(["the good soup"])


@pytest.mark.slow
def test_a_fine_tuned_model_is_an_ordinary_hugging_face_folder(tmp_path: Path) -> None:
    from jurybox.classifiers.recipes import TrainingSettings
    from jurybox.classifiers.transformer_classifier import TransformerClassifier

    start = tiny_model(tmp_path / "start")
    transformers: Any = pytest.importorskip("transformers")
    torch: Any = pytest.importorskip("torch")
    training = TrainingSettings(epochs=1, least_steps=10, learning_rate=2e-2, device="cpu")
    classifier = TransformerClassifier(start, training=training)
    steps: list[tuple[int, int]] = []
    final = train_final(
        TEXTS,
        targets(3),
        None,
        CLASSES,
        tmp_path / "m",
        classifier=classifier,
        progress=lambda *counts: steps.append(counts),
    )
    assert final.kind == "transformers"
    assert steps[-1] == (10, 10)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    assert model.config.id2label == dict(enumerate(CLASSES))
    with torch.inference_mode():
        logits = model(**tokenizer(TEXTS[:5], padding=True, return_tensors="pt")).logits
    again = classifier.fit_one(TEXTS, targets(3), np.ones(len(TEXTS)))
    assert np.allclose(torch.softmax(logits, dim=1).numpy(), again.predict_proba(TEXTS[:5]), atol=1e-4)
    assert (tmp_path / "m" / "model.safetensors").is_file()
    with pytest.raises(FitError, match="of one class"):
        train_final(["a"], np.eye(2)[[0]], None, ("x", "y"), tmp_path / "n", classifier=classifier)
    assert not (tmp_path / "n").exists()
