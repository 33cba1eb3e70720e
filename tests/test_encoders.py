"""Encoders: TF-IDF, frozen transformers, the packaged weights, and finding one by name."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jurybox.encoders as encoders
from jurybox.encoders import Encoder, TfidfEncoder, TransformerEncoder, get_encoder, get_encoders
from jurybox.encoders.base import fit_feature_map
from jurybox.encoders.transformer import HUB_NAME, PACKAGE, check_weights, model_digest
from jurybox.errors import InputError, MissingExtraError

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("torch") is None,
    reason="the transformers extra is not installed",
)
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="the minilm extra is not installed"
)

AWKWARD = [
    "",
    "   ",
    "\n",
    "😀😀",
    "naïve café",
    "\ud800 alone",
    "\x00",
    "a" * 50_000,
    "good soup " * 20_000,
    "!?",
]


@pytest.mark.parametrize("pool", [["one text"], [""], ["", " "], ["same", "same"], AWKWARD, []])
def test_tfidf_survives_any_pool(pool: list[str]) -> None:
    encoder = TfidfEncoder().fit(pool)
    features = encoder.encode(AWKWARD)
    assert features.shape[0] == len(AWKWARD)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert encoder.encode([]).shape == (0, features.shape[1])


def test_tfidf_survives_many_texts_without_a_common_term() -> None:
    pool = [chr(0x4E00 + i) for i in range(1200)]
    assert np.isfinite(TfidfEncoder(dimensions=4).encode(pool)).all()


def test_tfidf_puts_similar_texts_together_and_new_texts_among_them() -> None:
    pool = ["good soup", "good bread", "very good soup", "late train", "late bus", "very late train"]
    encoder = TfidfEncoder(dimensions=3).fit(pool)
    x = encoder.encode(pool)
    assert np.array_equal(x, encoder.encode(pool))
    near, far = encoder.encode(["the good soup"]) @ x[0], encoder.encode(["late late train"]) @ x[0]
    assert near > 5 * abs(far)


def test_tfidf_identity_is_its_pool_and_settings() -> None:
    one, same, other = (TfidfEncoder().fit(pool) for pool in (["a b"], ("a b",), ["a c"]))
    assert one.name == same.name != other.name
    assert TfidfEncoder(dimensions=3).fit(["a b"]).name != one.name
    assert not TfidfEncoder().is_fitted
    assert one.is_fitted


def test_tfidf_pipeline_is_scikit_learn_alone_and_predicts_the_same(tmp_path: Path) -> None:
    import joblib

    pool = ["good soup", "bad soup", "late train"]
    encoder = TfidfEncoder(dimensions=2).fit(pool)
    joblib.dump(encoder.pipeline, tmp_path / "pipeline.joblib")
    assert b"jurybox" not in (tmp_path / "pipeline.joblib").read_bytes()
    again = joblib.load(tmp_path / "pipeline.joblib")
    assert np.allclose(again.transform(["good train"]), encoder.encode(["good train"]), atol=1e-6)


def test_tfidf_that_was_kept_encodes_a_few_texts_as_it_does_many() -> None:
    encoder = TfidfEncoder(dimensions=4).fit(["good soup", "good bread", "bad soup", "cold tea", "hot tea"])
    kept = encoder.restored(encoder.arrays())
    few = ["good tea", "", "zzz", "bad bread, good soup"]
    alone = kept.encode(few)
    assert "pipeline" not in vars(kept)
    np.testing.assert_array_equal(alone, kept.encode(few * 50)[:4])
    np.testing.assert_array_equal(alone, encoder.encode(few))


@pytest.mark.parametrize("texts", ["one string", ["fine", None], [b"bytes"]])
def test_what_is_no_list_of_texts_is_refused(texts: Any) -> None:
    with pytest.raises(InputError, match="expected a"):
        TfidfEncoder().encode(texts)


def make_model(folder: Path, *, seed: int = 0, kind: str = "bert") -> Path:
    """A tiny model with a word-piece vocabulary, as ``save_pretrained`` writes it."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "soup", "train", "late", "!"]
    words += ["the", "##s"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"vocab_size": len(words), "max_position_embeddings": 16, "pad_token_id": 0}
    if kind == "bert":
        shape = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 16}
        model = transformers.BertModel(transformers.BertConfig(**sizes, **shape))
    else:
        model = transformers.DistilBertModel(
            transformers.DistilBertConfig(**sizes, dim=8, n_layers=2, n_heads=2, hidden_dim=16)
        )
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


TEXTS = ["good soup", "bad soup !", "the late train the late train", "", "good", "soups"]


def by_hand(folder: Path, texts: Sequence[str]) -> Any:
    """Mean over the tokens of every hidden layer, one text at a time, in a plain loop."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            output = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            rows.append(np.concatenate([layer[0].mean(dim=0).numpy() for layer in output.hidden_states]))
    return np.array(rows)


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize("token_budget", [None, 1, 12])
def test_transformer_means_tokens_of_every_layer(tiny: Path, token_budget: int | None) -> None:
    features = TransformerEncoder(tiny, token_budget=token_budget).encode(TEXTS)
    assert features.shape == (len(TEXTS), 4 * 8)
    assert np.allclose(features, by_hand(tiny, TEXTS), atol=1e-5)
    last = TransformerEncoder(tiny, layers="last").encode(TEXTS)
    assert np.allclose(last, features[:, -8:], atol=1e-5)


@pytest.mark.slow
@needs_transformers
def test_transformer_reads_other_architectures(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "distil", kind="distilbert")
    encoder = TransformerEncoder(folder)
    assert encoder.dimensions == 3 * 8
    assert np.allclose(encoder.encode(TEXTS), by_hand(folder, TEXTS), atol=1e-5)


@pytest.mark.slow
@needs_transformers
def test_transformer_takes_any_text(tiny: Path) -> None:
    encoder = TransformerEncoder(tiny)
    features = encoder.encode(AWKWARD)
    assert np.isfinite(features).all()
    assert encoder.encode([]).shape == (0, 32)
    cut = encoder.encode(["good soup " * 7])
    assert np.allclose(features[AWKWARD.index("good soup " * 20_000)], cut, atol=1e-5)


@pytest.mark.slow
@needs_transformers
def test_transformer_reads_on_where_the_start_has_few_tokens(tiny: Path) -> None:
    encoder = TransformerEncoder(tiny)
    spaced, plain = encoder.encode([" " * 3_000_000 + "good soup", "good soup"])
    assert np.allclose(spaced, plain, atol=1e-6)


@needs_transformers
@pytest.mark.slow
def test_transformer_takes_ten_megabytes(tiny: Path) -> None:
    features = TransformerEncoder(tiny).encode(["late train " * 1_000_000, "é" * 500_000])
    assert np.isfinite(features).all()


@pytest.mark.slow
@needs_transformers
def test_transformer_reports_progress_to_the_end(tiny: Path) -> None:
    seen: list[tuple[int, int]] = []
    TransformerEncoder(tiny, token_budget=8).encode(TEXTS, progress=lambda *counts: seen.append(counts))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 1
    assert seen[-1] == (len(TEXTS), len(TEXTS))


@pytest.mark.slow
@needs_transformers
def test_transformer_identity_is_weights_tokenizer_and_settings(tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(tiny, copy)
    assert TransformerEncoder(copy).name == TransformerEncoder(tiny).name
    assert TransformerEncoder(tiny, layers="last").name != TransformerEncoder(tiny).name
    assert TransformerEncoder(tiny, max_length=4).name != TransformerEncoder(tiny).name
    before = model_digest(copy)
    (copy / "tokenizer_config.json").write_text("{}")
    assert model_digest(copy) != before
    assert model_digest(make_model(tmp_path / "other", seed=1)) != model_digest(tiny)


@needs_transformers
@pytest.mark.slow
def test_folders_that_hold_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        TransformerEncoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no weights"):
        _ = TransformerEncoder(tmp_path).name
    with pytest.raises(InputError, match="expected 'all' or 'last'"):
        TransformerEncoder(tmp_path, layers="first")  # type: ignore[arg-type]


@pytest.mark.slow
@needs_transformers
def test_get_encoder_by_folder(tiny: Path) -> None:
    encoder = get_encoder(tiny)
    assert encoder.reason == f"frozen transformer {tiny} (local folder): asked for by name"
    assert encoder.encode(["good"]).shape == (1, 32)
    assert encoder.fit(["anything"]) is encoder
    assert encoder.is_fitted


@needs_transformers
@pytest.mark.slow
def test_get_encoder_by_hub_id_downloads_no_code_and_no_pickles(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[tuple[str, list[str]]] = []

    def download(repository: str, *, allow_patterns: list[str], ignore_patterns: str) -> str:
        asked.append((repository, allow_patterns))
        return str(tiny)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    encoder = get_encoder("someone/tiny-model")
    assert encoder.name.startswith("someone/tiny-model:")
    assert "Hugging Face hub" in encoder.reason
    assert encoder.encode(["good"]).shape == (1, 32)
    assert [repository for repository, _ in asked] == ["someone/tiny-model"]
    assert not any(pattern.endswith((".py", ".bin", "*")) for _, patterns in asked for pattern in patterns)


@needs_transformers
@pytest.mark.slow
def test_hub_failures_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match=r"no route to host.*check name and network"):
        get_encoder("someone/tiny-model")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "", "C:\\models"])
def test_names_that_can_be_neither_folder_nor_hub_id_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="'auto', 'tfidf', 'minilm'"):
        get_encoder(name)


def hide(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    """Make modules look as if they were not installed."""
    find = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name in hidden else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_auto_without_torch_is_tfidf_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "torch")
    (encoder,) = get_encoders("auto")
    assert isinstance(encoder, TfidfEncoder)
    assert encoder.reason.startswith("TF-IDF: the frozen transformer needs torch, not installed")


@pytest.mark.slow
@needs_transformers
def test_auto_without_the_package_tries_the_hub_then_tfidf(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    hide(monkeypatch, PACKAGE)

    def fail(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    (encoder,) = get_encoders("auto")
    assert isinstance(encoder, TfidfEncoder)
    assert "not installed" in encoder.reason
    assert "no route to host" in encoder.reason

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tiny))
    with pytest.raises(InputError, match="damaged or replaced"):
        get_encoders("auto")
    monkeypatch.setattr(encoders, "check_weights", lambda _: None)
    taken, beside = get_encoders("auto")
    assert isinstance(beside, TfidfEncoder)
    assert isinstance(taken, TransformerEncoder)
    assert taken.reason.endswith("had from the Hugging Face hub")
    assert taken.folder == tiny
    assert HUB_NAME.endswith("all-MiniLM-L6-v2")


def test_minilm_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(MissingExtraError, match=r"jurybox\[minilm\]"):
        get_encoder("minilm")


@pytest.mark.slow
def test_weights_that_are_not_the_known_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        check_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(InputError, match="expected 53aa5117"):
        check_weights(tmp_path)


@needs_transformers
@needs_minilm
@pytest.mark.slow
def test_minilm_is_what_sentence_transformers_computes() -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    encoder, _ = get_encoders("auto", layers="last")
    assert isinstance(encoder, TransformerEncoder)
    assert encoder.name.startswith("minilm:")
    assert encoder.reason == "frozen transformer all-MiniLM-L6-v2: the packaged weights are installed"
    texts = ["A quick question, if I may.", "", "🙂", "This is wrong! " * 200]
    own = encoder.encode(texts)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    theirs = sentence_transformers.SentenceTransformer(str(encoder.folder), device="cpu").encode(texts)
    assert np.allclose(own, theirs, atol=1e-5)
    assert get_encoder("minilm").encode(["polite"]).shape == (1, 7 * 384)


def test_several_encoders_are_found_by_one_name(tmp_path: Path) -> None:
    assert [type(e) for e in get_encoders(["tfidf"])] == [TfidfEncoder]
    with pytest.raises(InputError, match="none twice"):
        get_encoders("tfidf+tfidf")
    with pytest.raises(InputError, match="at least one"):
        get_encoders([])
    with pytest.raises(InputError, match="'auto', 'tfidf', 'minilm'"):
        get_encoders("tfidf + ./nowhere")
    folder = tmp_path / "a+b"
    folder.mkdir()
    with pytest.raises(InputError, match=r"no config\.json"):  # a folder's name is taken as it is
        get_encoders(str(folder))


@pytest.mark.slow
@needs_transformers
def test_transformer_projects_as_the_map_does(tiny: Path) -> None:
    encoder = TransformerEncoder(tiny, token_budget=8)
    features = encoder.encode(TEXTS)
    mapped = fit_feature_map(features, n_components=3)
    np.testing.assert_allclose(encoder.encode(TEXTS, project=mapped), mapped(features), atol=1e-4)


@pytest.mark.slow
@needs_transformers
def test_transformer_tokenizes_ahead_of_the_model(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = TransformerEncoder(tiny).encode(TEXTS)
    monkeypatch.setattr("jurybox.encoders.transformer._CHUNK", 2)
    np.testing.assert_allclose(TransformerEncoder(tiny).encode(TEXTS), expected, atol=1e-6)


def test_encoders_meet_the_protocol() -> None:
    encoder: Encoder = TfidfEncoder()
    assert encoder.encode(["a", "b"]).shape[0] == 2
