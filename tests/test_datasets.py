"""Data sets: the generated corpus, folders, politeness, and files that are wrong or hostile."""

from __future__ import annotations

import json
import os
import pickle
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.datasets import Dataset, load, load_demo
from jurybox.datasets.folder import load_folder
from jurybox.datasets.politeness import (
    EXTRA_JSON,
    EXTRA_PICKLED,
    HUB_NAME,
    load_politeness,
    read_pickled_annotations,
)
from jurybox.encoders import TfidfEncoder
from jurybox.errors import FormatError, InputError


@pytest.mark.parametrize("turned", [False, True])
def test_a_data_set_keeps_what_reviewers_decided(turned: bool) -> None:
    names = [f"t{n}" for n in range(40)]
    said = Annotations.from_indices(
        np.repeat(np.arange(40), 2),
        np.tile([0, 1], 40),
        np.arange(80) % 2,
        texts=names,
        annotators=2,
        classes=2,
    )
    said = replace(said, decided=(said.annotator == 1) & (said.text < 30))
    texts = {"id": names[::-1] if turned else names, "text": names}
    made = Dataset.from_frames(texts, said, test={"id": ["x"], "text": ["x"], "label": [0]}, name="small")
    for given, n in ((made.answers, 30), (made.initial, None)):
        assert given.decided is not None
        of = np.array([int(name[1:]) for name in given.texts[given.text]])
        assert np.array_equal(given.decided, (of < 30) & (given.annotators[given.annotator] == 1))
        assert n is None or given.decided.sum() == n


@pytest.fixture(scope="module")
def demo() -> Dataset:
    return load_demo()


@pytest.mark.slow
def test_demo_is_deterministic_and_changes_with_the_seed(demo: Dataset) -> None:
    again, other = load_demo(), load_demo(seed=1)
    assert demo.pool_texts == again.pool_texts
    assert np.array_equal(demo.answers.label, again.answers.label)
    assert np.array_equal(demo.initial.text, again.initial.text)
    assert demo.pool_texts != other.pool_texts


@pytest.mark.slow
def test_demo_has_at_least_2000_distinct_varied_texts(demo: Dataset) -> None:
    texts = [*demo.pool_texts, *demo.test_texts]
    assert len(demo.pool_texts) >= 2000
    assert len(set(texts)) == len(texts)
    assert len({word for text in texts for word in re.findall(r"\w+", text.lower())}) > 500
    assert all(5 <= len(text) <= 500 for text in texts)
    assert demo.gold is not None
    assert 0.4 < demo.gold.mean() < 0.6


@pytest.mark.slow
def test_demo_annotators_are_as_reliable_as_it_says(demo: Dataset) -> None:
    answers, gold, confusions = demo.answers, demo.gold, demo.confusions
    assert gold is not None
    assert confusions is not None
    assert demo.reliability is not None
    assert answers.n_annotators >= 12
    for m in range(answers.n_annotators):
        own = answers.annotator == m
        for k in range(2):
            given = answers.label[own & (gold[answers.text] == k)]
            expected = confusions[m, k, 1]
            tolerance = 4.5 * np.sqrt(expected * (1 - expected) / len(given)) + 1e-9
            assert abs(given.mean() - expected) < tolerance
    assert demo.reliability.max() > 0.95
    assert demo.reliability.min() == 0.5


@pytest.mark.slow
def test_demo_initial_annotations_are_among_the_answers(demo: Dataset) -> None:
    triplets = set(zip(demo.answers.text, demo.answers.annotator, demo.answers.label, strict=True))
    initial = set(zip(demo.initial.text, demo.initial.annotator, demo.initial.label, strict=True))
    assert len(initial) == 200
    assert initial <= triplets
    assert sorted(demo.initial.n_labels)[-100:] == [2] * 100


@pytest.mark.slow
def test_demo_is_learnable_but_not_by_one_word(demo: Dataset) -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    gold = demo.gold
    assert gold is not None
    words = CountVectorizer(binary=True, analyzer=lambda text: re.findall(r"\w+", text.lower()))
    has_word = words.fit_transform(demo.pool_texts).toarray() == 1
    agreement = (has_word == (gold == 1)[:, None]).mean(axis=0)
    best = int(np.argmax(np.maximum(agreement, 1 - agreement)))
    has_best = words.transform(demo.test_texts).toarray()[:, best] == 1
    right = float((has_best == (demo.test_labels == 1)).mean())
    one_word = max(right, 1 - right)

    encoder = TfidfEncoder().fit([*demo.pool_texts, *demo.test_texts])
    scale = 1 / np.sqrt((encoder.encode(demo.pool_texts) ** 2).sum(axis=1).mean())
    x, x_test = (encoder.encode(texts) * scale for texts in (demo.pool_texts, demo.test_texts))

    def accuracy(n: int) -> float:
        model = LogisticRegression(C=3, max_iter=1000).fit(x[:n], gold[:n])
        return float(model.score(x_test, demo.test_labels))

    assert one_word < 0.65
    assert one_word + 0.05 < accuracy(100) < 0.85
    assert accuracy(len(x)) > 0.9


def write_folder(folder: Path, texts: str, annotations: str) -> Path:
    (folder / "texts.csv").write_text(texts, encoding="utf-8")
    (folder / "annotations.csv").write_text(annotations, encoding="utf-8")
    return folder


TEXTS = "id,text,split,label\nt1,one,train,\nt2,two,dev,yes\nt3,three,test,no\nt4,four,test,\n"
ANNOTATIONS = "id,annotator,label\nt1,ana,yes\nt1,bo,no\nt2,ana,yes\nt4,bo,yes\nt4,cy,yes\nt4,ana,no\n"


def test_folder_with_split_and_gold(tmp_path: Path) -> None:
    data = load(write_folder(tmp_path, TEXTS, ANNOTATIONS))
    assert data.texts.tolist() == ["t1", "t2"]
    assert data.pool_texts == ("one", "two")
    assert data.classes == ("no", "yes")
    assert data.answers.annotators.tolist() == ["ana", "bo"]
    assert data.answers.n_annotations == 3
    assert data.test_ids.tolist() == ["t3", "t4"]
    assert data.test_labels.tolist() == [0, 1]
    assert data.gold is not None
    assert data.gold.tolist() == [-1, 1]
    assert data.name == tmp_path.name


def test_folder_without_split_holds_out_a_fifth_by_seed(tmp_path: Path) -> None:
    texts = "id,text\n" + "".join(f"t{i},text {i}\n" for i in range(50))
    annotations = "id,annotator,label\n" + "".join(
        f"t{i},a{j},{(i + j) % 6 + 1}\n" for i in range(50) for j in range(3)
    )
    folder = write_folder(tmp_path, texts, annotations)
    data, same, other = load_folder(folder), load_folder(folder), load_folder(folder, seed=1)
    assert len(data.test_texts) == 10
    assert data.classes == (1, 2, 3, 4, 5, 6)
    assert not set(data.texts) & set(data.test_ids)
    assert data.test_ids.tolist() == same.test_ids.tolist() != other.test_ids.tolist()
    assert data.initial.n_labels.max() == 2


def test_folder_survives_byte_order_mark_quotes_and_long_texts(tmp_path: Path) -> None:
    long = "word " * 100_000
    texts = f'\ufeffid,text,split\nt1,"a, ""quoted""\nline",train\nt2,{long},test\nt3,,train\nt4,NA,train\n'
    data = load_folder(write_folder(tmp_path, texts, "id,annotator,label\nt1,NA,1.0\nt2,NA,0\n"))
    assert data.pool_texts == ('a, "quoted"\nline', "", "NA")
    assert data.test_texts == (long,)
    assert data.classes == (0, 1)


@pytest.mark.parametrize(
    ("texts", "annotations", "message"),
    [
        ("id,words\nt1,one\n", ANNOTATIONS, r"texts\.csv, column 'text': missing"),
        (
            "id,text\nt1,one\nt1,two\n",
            ANNOTATIONS,
            r"texts\.csv, row 2, column 'id', value 't1': appears twice",
        ),
        ("id,text,split\nt1,one,tset\n", ANNOTATIONS, r"row 1, column 'split', value 'tset': unknown"),
        (
            TEXTS,
            "id,annotator,label\nt9,ana,yes\n",
            r"annotations\.csv, row 1, column 'id', value 't9': no text",
        ),
        (TEXTS, "id,annotator,label\nt1,ana,\n", r"row 1, column 'label', value '': empty"),
        (TEXTS, "id,annotator,label\nt1,ana,no\nt1,ana,yes\n", r"row 2, column 'annotator', value 'ana'"),
        (TEXTS, "", r"annotations\.csv: no CSV table"),
        (TEXTS, 'id,annotator,label\nt1,ana,no,"x\n', r"annotations\.csv: no CSV table"),
        ("id,text,split\nt1,one,train\n", "id,annotator,label\nt1,a,1\n", r"1 texts for the pool, 0 "),
    ],
)
def test_folder_errors_name_file_row_and_column(
    tmp_path: Path, texts: str, annotations: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        load_folder(write_folder(tmp_path, texts, annotations))


def test_folder_refuses_other_encodings(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, TEXTS, ANNOTATIONS)
    (folder / "texts.csv").write_bytes("id,text\nt1,naïve\n".encode("latin-1"))
    with pytest.raises(FormatError, match="UTF-8"):
        load_folder(folder)


def test_unknown_name_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder.*'demo'"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no texts\.csv"):
        load(tmp_path)


def test_benchmark_folders_load(shared_data: Path) -> None:
    brexit = load(shared_data / "hs-brexit")
    assert (brexit.answers.n_texts, brexit.answers.n_annotators, len(brexit.test_texts)) == (952, 6, 168)
    sarcasm = load(shared_data / "sarcasm")
    assert sarcasm.classes == (1, 2, 3, 4, 5, 6)
    assert sarcasm.answers.n_texts + len(sarcasm.test_texts) == 704


def test_politeness_has_the_published_sizes(shared_data: Path) -> None:
    data = load(shared_data / "stanford-politeness")
    assert data.classes == ("impolite", "polite")
    assert (data.answers.n_texts, data.answers.n_annotators, len(data.test_texts)) == (1500, 219, 678)
    assert data.initial.n_annotations == 200
    assert data.initial.n_labels[:100].tolist() == [2] * 100
    assert data.answers.n_annotations == 7500
    assert (data.answers.n_labels >= data.initial.n_labels).all()


def write_politeness(folder: Path) -> Path:
    (folder / "X_labeled_full.csv").write_text("id,text,a2,a10\nt1,one,1.0,\nt2,two,0.0,1.0\n")
    (folder / "X_unlabeled.csv").write_text("id,text\nt3,three\n")
    (folder / "test.csv").write_text("text,a1,label,id\nfour,1.0,1,t4\n")
    return folder


EXTRA = {"t1": {"a10": 0, "a1": 1}, "t3": {"a2": 1}}


def test_politeness_from_a_folder(tmp_path: Path) -> None:
    folder = write_politeness(tmp_path)
    (folder / EXTRA_JSON).write_text(json.dumps(EXTRA))
    data = load(folder)
    assert data.answers.annotators.tolist() == ["a1", "a2", "a10"]
    assert data.initial.counts.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert data.answers.counts.tolist() == [[1, 2], [1, 1], [0, 1]]
    assert data.test_labels.tolist() == [1]


def test_politeness_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    folder = write_politeness(tmp_path)
    np.save(folder / EXTRA_PICKLED, np.array(EXTRA, dtype=object), allow_pickle=True)
    asked: list[tuple[str, str, str]] = []

    def download(repository: str, name: str, *, repo_type: str) -> str:
        asked.append((repository, name, repo_type))
        return str(folder / name)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    data = load("stanford-politeness")
    assert data.answers.counts.tolist() == [[1, 2], [1, 1], [0, 1]]
    assert (HUB_NAME, EXTRA_PICKLED, "dataset") in asked

    def fail(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(InputError, match="no network"):
        load(HUB_NAME)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (EXTRA_JSON, "{", "no JSON"),
        (EXTRA_JSON, "[1]", "JSON object of objects"),
        (EXTRA_JSON, '{"t9": {"a1": 1}}', "value 't9': no text"),
        (EXTRA_JSON, '{"t1": {"a1": 2}}', r"value 2: text t1, annotator a1: expected 0"),
        ("X_labeled_full.csv", "id,text,a2\nt1,one,0.5\n", r"row 1, column 'a2', value '0\.5'"),
        (
            "X_unlabeled.csv",
            "id,text\nt1,one\n",
            r"X_unlabeled\.csv, row 1, column 'id', value 't1': stands in",
        ),
    ],
)
def test_politeness_errors_name_the_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = write_politeness(tmp_path)
    (folder / EXTRA_JSON).write_text("{}")
    (folder / name).write_text(content)
    with pytest.raises(FormatError, match=message):
        load_politeness(folder)


def npy(data: bytes, shape: str = "()") -> bytes:
    """A .npy file around a pickle."""
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def pickled_array(content: Any, protocol: int = 4) -> bytes:
    array: NDArray[np.object_] = np.empty((), dtype=object)
    array[()] = content
    return pickle.dumps(array, protocol)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pickled_annotations_are_read_as_numpy_writes_them(tmp_path: Path, protocol: int) -> None:
    content = {
        "t1": {"a1": 1, "a2": 0.0, "a3": np.float64(1.0), "a4": np.int64(0), "a5": True},
        "t2": {},
        3: {7: 1},
    }
    path = tmp_path / "extra.npy"
    path.write_bytes(npy(pickled_array(content, protocol)))
    assert read_pickled_annotations(path) == {
        "t1": {"a1": 1.0, "a2": 0.0, "a3": 1.0, "a4": 0.0, "a5": 1.0},
        "t2": {},
        "3": {"7": 1.0},
    }
    assert np.load(path, allow_pickle=True).item() == content


class Attack:
    """Unpickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    return {
        "system": pickled_array({"t1": Attack(os.system, f"touch {marker}")}),
        "eval": pickled_array(Attack(eval, f"open({str(marker)!r}, 'w')")),
        "bare": pickle.dumps(Attack(os.system, f"touch {marker}")),
        "import": b"cbuiltins\n__import__\n(Vos\ntR.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x1adtype.__init__.__globals__\x93.",
        "numpy load": b"cnumpy\nload\n(V" + str(marker).encode() + b"\ntR.",
        "numpy test runner": b"cnumpy.testing._private.utils\nrunstring\n(Vopen('x','w')\n}tR.",
        "list": pickled_array([1, 2]),
        "not a dict inside": pickled_array({"t1": [1]}),
        "text as a label": pickled_array({"t1": {"a1": "1"}}),
        "object as a label": pickled_array({"t1": {"a1": np.dtype("f8")}}),
        "tuple as a key": pickled_array({("t", 1): {"a1": 1}}),
        "huge memo position": b"\x80\x02}r\xff\xff\xff\x7f.",
        "state on a class": b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.",
        "persistent id": b"Pstolen\n.",
        "cut off": pickled_array({"t1": {"a1": 1}})[:-8],
        "empty": b"",
    }


def test_hostile_pickles_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "extra.npy"
    for name, data in hostile_pickles(marker).items():
        path.write_bytes(npy(data))
        with pytest.raises(FormatError, match="refused"):
            read_pickled_annotations(path)
        assert not marker.exists(), name


def test_files_that_are_no_pickled_dict_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "extra.npy"
    for data in (b"", b"PK\x03\x04", npy(pickled_array({}), shape="(10000000000,)")):
        path.write_bytes(data)
        with pytest.raises(FormatError, match="refused"):
            read_pickled_annotations(path)
    np.save(path, np.zeros(3))
    with pytest.raises(FormatError, match="expected one pickled dict"):
        read_pickled_annotations(path)
    with pytest.raises(FormatError, match="refused"):
        read_pickled_annotations(tmp_path / "nowhere.npy")
