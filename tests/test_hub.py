"""To the Hugging Face hub and back, with the libraries' own code; a folder stands in for the hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import jurybox as jb
from jurybox.datasets import Dataset
from jurybox.formats import write

datasets = pytest.importorskip("datasets")
huggingface_hub = pytest.importorskip("huggingface_hub")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEXTS = [(f"t{i}", f"text number {i}") for i in range(12)]
SAID = [(f"t{i}", who, "yes" if i % 2 else "no") for i in range(10) for who in ("ana", "bo")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@dataclass
class Hub:
    """What the hub keeps of one data set: files in a folder, and how it was made."""

    folder: Path
    made: dict[str, Any] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    fails: bool = False

    def repo_info(self, repo_id: str, **_: Any) -> Any:
        if repo_id not in self.made:
            import httpx

            answer = httpx.Response(404, request=httpx.Request("GET", "http://hub.test"))
            raise huggingface_hub.errors.RepositoryNotFoundError("there is none", response=answer)
        return SimpleNamespace(id=repo_id, sha="0" * 40)

    def create_repo(self, repo_id: str, **how: Any) -> Any:
        self.made[repo_id] = how
        return SimpleNamespace(repo_id=repo_id)

    def preupload_lfs_files(self, additions: Any, **_: Any) -> None:
        for addition in additions:
            with addition.as_file() as file:
                self.uploaded[addition.path_in_repo] = file.read()

    def create_commit(self, _repo_id: str, operations: Any, **_: Any) -> Any:
        if self.fails:
            raise OSError("the line is cut")
        for operation in operations:
            content = self.uploaded.get(operation.path_in_repo)
            if content is None:
                with operation.as_file() as file:
                    content = file.read()
            path = self.folder / operation.path_in_repo
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return SimpleNamespace(oid="1" * 40)


def in_place_of(ours: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _api, *given, **named: ours(*given, **named)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    from fsspec.implementations.dirfs import DirFileSystem
    from fsspec.implementations.local import LocalFileSystem

    kept = Hub(tmp_path / "hub")
    kept.folder.mkdir()
    for name in ("repo_info", "create_repo", "preupload_lfs_files", "create_commit"):
        monkeypatch.setattr(huggingface_hub.HfApi, name, in_place_of(getattr(kept, name)))
    files = DirFileSystem(path=str(kept.folder), fs=LocalFileSystem())
    monkeypatch.setattr("datasets.dataset_dict.DirFileSystem", lambda **_: files)
    return kept


@pytest.fixture
def project(tmp_path: Path) -> Iterator[jb.Project]:
    with jb.Project.create(tmp_path / "p.db", texts=TEXTS, classes=["yes", "no"]) as made:
        made.add_annotations(pd.DataFrame(SAID, columns=["text", "annotator", "label"]))
        made.configure(encoder="tfidf", tuning=False)
        made.refit()
        yield made


def test_a_project_goes_to_the_hub_and_comes_back_as_a_data_set(
    hub: Hub, project: jb.Project, tmp_path: Path
) -> None:
    write(project.export(), tmp_path / "out", format="huggingface", push_to_hub="me/reviews")
    assert hub.made["me/reviews"]["private"] is True
    assert sorted(path.name for path in hub.folder.rglob("*") if path.is_file()) == [
        "README.md",
        "train-00000-of-00001.parquet",
    ]
    pushed = datasets.load_dataset(str(hub.folder), split="train")
    assert pushed.features["label"].names == ["yes", "no"]
    kept = datasets.load_from_disk(str(tmp_path / "out"))["train"]
    assert pushed.to_dict() == kept.to_dict()
    guessed = dict(zip(pushed["id"], pushed["is_guess"], strict=True))
    assert [text_id for text_id, guess in guessed.items() if guess] == ["t10", "t11"]

    data = Dataset.from_hub(str(hub.folder))
    assert data.classes == ("yes", "no")
    together = {*data.texts.tolist(), *data.test_ids.tolist()}
    assert together == {text_id for text_id, _ in TEXTS}
    assert set(data.test_ids) <= {f"t{i}" for i in range(10)}, "a guess is no gold label"
    said = {(row.text, row.annotator): row.label for row in data.answers.to_frame().itertuples()}
    assert said == {(t, who): label for t, who, label in SAID if t in set(data.texts)}


def test_what_cannot_be_pushed_leaves_nothing_behind(hub: Hub, project: jb.Project, tmp_path: Path) -> None:
    hub.fails = True
    with pytest.raises(
        jb.InputError, match="'me/reviews' was not pushed: the line is cut; nothing was written"
    ):
        write(project.export(), tmp_path / "out", format="huggingface", push_to_hub="me/reviews")
    assert not (tmp_path / "out").exists()
    assert not list(hub.folder.iterdir())


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_rows_of_annotations_come_from_the_hub_by_the_names_they_have_there(
    tmp_path: Path, form: str
) -> None:
    words = dict(TEXTS)
    rows = pd.DataFrame(
        [(text_id, words[text_id], who, label) for text_id, who, label in SAID],
        columns=["item", "comment", "worker", "answer"],
    )
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = rows.sample(frac=1, random_state=0)
    if form == "csv":
        rows.to_csv(folder / "train.csv", index=False)
    elif form == "jsonl":
        rows.to_json(folder / "train.jsonl", orient="records", lines=True)
    else:
        rows.to_parquet(folder / "train.parquet", index=False)
    columns = {"id": "item", "text": "comment", "annotator": "worker", "label": "answer"}
    data = Dataset.from_hub(str(folder), columns=columns)
    assert data.classes == ("no", "yes")
    assert dict(zip(data.texts, data.pool_texts, strict=True)) == {
        text_id: words[text_id] for text_id in data.texts
    }
    assert len(data.texts) + len(data.test_ids) == 10
    assert (data.answers.n_labels == 2).all()
    with pytest.raises(jb.InputError, match=r"there is no column 'text'.*pass columns="):
        Dataset.from_hub(str(folder))
    shutil.rmtree(folder)
