"""The commands about trust: `annotators`, `review`, `status`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Protocol

import pytest

from jurybox import Project
from jurybox.cli.app import app, run
from jurybox.cli.sitting import read_choice
from jurybox.store.settings import ProjectSettings

LABELS = {
    "ana": {"t0": "bad", "t1": "good", "t2": "bad", "t3": "good"},
    "ben": {"t0": "bad", "t1": "good", "t2": "bad", "t3": "good"},
    "eva": {"t0": "good", "t1": "good", "t2": "bad", "t3": "bad"},
}


class Jurybox(Protocol):
    def __call__(self, *arguments: str, typed: str = "", code: int = 0) -> str: ...


@pytest.fixture
def path(tmp_path: Path) -> str:
    location = tmp_path / "p.db"
    settings = ProjectSettings(encoder="tfidf", audit_size=2, audit_share=1.0, audit_labels=1)
    texts = [(f"t{n}", f"{'good' if n % 2 else 'bad'} thing {n}") for n in range(6)]
    with Project.create(location, classes=["bad", "good"], texts=texts, settings=settings) as project:
        project.set_guidelines("Say what it is.")
        for name, labels in LABELS.items():
            project.people.add(name)
            for text_id, label in labels.items():
                project.submit(text_id, label, annotator=name, comment=f"{name} on {text_id}")
    return str(location)


@pytest.fixture
def jurybox(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Jurybox:
    def call(*arguments: str, typed: str = "", code: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capsys.readouterr()
        assert run(app, arguments) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    return call


@pytest.mark.slow
def test_contested_texts_are_listed(jurybox: Jurybox, path: str) -> None:
    found = json.loads(jurybox("review", path, "--json", "-n", "2"))
    assert {one["text_id"] for one in found} == {"t0", "t3"}
    votes = {vote["annotator"]: vote["comment"] for vote in found[0]["votes"]}
    assert votes == {name: f"{name} on {found[0]['text_id']}" for name in LABELS}
    assert "probably wrong" in jurybox("review", path).splitlines()[0]


@pytest.mark.slow
def test_single_annotations_are_listed(jurybox: Jurybox, path: str) -> None:
    found = json.loads(jurybox("review", path, "--annotations", "--json", "-n", "2"))
    assert {(one["text_id"], one["annotator"]) for one in found} == {("t0", "eva"), ("t3", "eva")}
    assert "eva" in jurybox("review", path, "--annotations")


def test_nothing_is_wrong_with_the_guidelines(jurybox: Jurybox, path: str) -> None:
    assert json.loads(jurybox("review", path, "--guidelines", "--json")) == []
    assert jurybox("review", path, "--guidelines") == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "decided"),
    [
        ("1\n1\n", {"t0": "bad", "t3": "bad"}),
        ("s\ngood\n", {"second": "good"}),
        ("1\nu\n2\n", {"first": "good"}),
        ("q\n", {}),
        ("", {}),
        ("nonsense\ng\nq\n", {}),
    ],
)
def test_texts_are_decided_by_key(jurybox: Jurybox, path: str, typed: str, decided: dict[str, str]) -> None:
    order = [one["text_id"] for one in json.loads(jurybox("review", path, "--json", "-n", "2"))]
    places = {"first": order[0], "second": order[1]}
    jurybox("review", path, "--reviewer", "rita", "-n", "2", typed=typed)
    with Project.open(path) as project:
        given = {
            one.text_id: one.label for one in project.reading.annotation_records() if one.annotator == "rita"
        }
        assert given == {places.get(name, name): label for name, label in decided.items()}
        assert project.status().annotations == 12 + len(decided)


@pytest.mark.slow
def test_what_is_decided_is_not_listed_again(jurybox: Jurybox, path: str) -> None:
    before = [one["text_id"] for one in json.loads(jurybox("review", path, "--json", "-n", "3"))]
    jurybox("review", path, "--reviewer", "rita", "-n", "1", typed="1\n")
    after = [one["text_id"] for one in json.loads(jurybox("review", path, "--json", "-n", "3"))]
    assert before[0] not in after
    assert len(after) == 3
    assert set(before[1:]) <= set(after)
    shown = jurybox("review", path, "--reviewer", "rita", "-n", "1", typed="q\n")
    assert f"[{after[0]}]" in shown
    assert f"[{before[0]}]" not in shown


def test_a_remark_goes_with_the_decision(jurybox: Jurybox, path: str) -> None:
    jurybox("review", path, "--reviewer", "rita", "-n", "1", typed="f it is ironic\n2\n")
    with Project.open(path) as project:
        (one,) = [one for one in project.reading.annotation_records() if one.annotator == "rita"]
    assert one.comment == "it is ironic"


@pytest.mark.slow
def test_an_annotator_does_not_decide(jurybox: Jurybox, path: str) -> None:
    jurybox("review", path, "--reviewer", "ana", "-n", "1", typed="1\nq\n")
    with Project.open(path) as project:
        assert project.status().annotations == 12


def test_one_thing_at_a_time(jurybox: Jurybox, path: str) -> None:
    assert "choose one" in jurybox("review", path, "--annotations", "--guidelines", code=2)


@pytest.mark.parametrize("line", ["", "x", "1 2", "polite"])
def test_what_is_no_decision_is_none(line: str) -> None:
    assert read_choice(line, {"1": "bad"}, {"s": "skip"}) is None


@pytest.mark.slow
def test_one_person_in_full(jurybox: Jurybox, path: str) -> None:
    (eva,) = json.loads(jurybox("annotators", path, "--name", "eva", "--json"))
    assert eva["quality"]["low"] < eva["quality"]["estimate"] < eva["quality"]["high"]
    assert [pair["names"] for pair in eva["pairs"]] == [["ana", "eva"], ["ben", "eva"]]
    shown = jurybox("annotators", path, "--name", "eva")
    assert "says good" in shown
    assert "kappa" in shown
    assert "nobody" in jurybox("annotators", path, "--name", "nobody", code=1)


@pytest.mark.slow
def test_status_says_how_good_and_whether_to_stop(jurybox: Jurybox, path: str) -> None:
    jurybox("round", path)
    figures = json.loads(jurybox("status", path, "--json", "--savings"))
    accuracy = figures["accuracy"]
    assert accuracy["macro_f1"]["low"] <= accuracy["macro_f1"]["high"]
    *_, most = ahead = [point["labels"] for point in figures["forecast"]["points"]]
    assert set(ahead) == {most // 10, most // 2, most} - {0}
    assert most <= 5 * figures["texts"]
    assert {rule["rule"] for rule in figures["rules"]} == {"stable", "exhausted"}
    assert figures["savings"]["unknown"]
    shown = jurybox("status", path, "--savings")
    for words in ("macro-F1", f"{most:,} more", "saved", "rule stable"):
        assert words in shown


@pytest.mark.slow
@pytest.mark.parametrize(("n", "shown"), [("1", 1), ("3", 3), ("50", 4)])
def test_no_more_texts_than_asked_for(jurybox: Jurybox, path: str, n: str, shown: int) -> None:
    assert len(json.loads(jurybox("review", path, "--json", "-n", n))) == shown
