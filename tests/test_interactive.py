"""`jb.Loop`: ask, tell, learn, save and go on, alone or with oracles, into a project and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jurybox as jb
from jurybox.errors import ConflictError

TEXTS = {
    f"t{n}": f"a {'fine' if n % 2 else 'bad'} {['day', 'soup', 'room', 'staff'][n % 4]} number {n}"
    for n in range(60)
}


def answer(text: str) -> str:
    return "yes" if "fine" in text else "no"


def loop(**changes: Any) -> jb.Loop:
    return jb.Loop(list(TEXTS.items()), ["no", "yes"], **{"encoder": "tfidf", "batch": 6, **changes})


def test_batches_come_until_nobody_is_told_anything() -> None:
    asked = loop()
    for number, batch in enumerate(asked):
        assert len(batch) == 6
        asked.tell(batch.text_ids, "ana", [answer(text) for text in batch.texts])
        if number == 2:
            break
    assert len(asked.annotations) == 18
    assert next(asked).to_frame().index.isin(TEXTS).all()
    with pytest.raises(ConflictError, match="nothing was told"):
        next(asked)
    assert len(repr(asked)) < 200
    assert asked.to_frame().columns[:2].tolist() == ["text", "label"]
    assert asked.predict_proba(["a fine thing", "a bad thing"])["yes"].diff().iloc[1] < 0


def test_annotators_are_known_by_name_at_any_time_and_labels_are_checked() -> None:
    asked = loop()
    asked.tell(["t0", "t1"], "ana", ["no", "yes"])
    asked.tell("t0", "bo", "yes")
    asked.tell(["t2", "t3"], ["ana", "cy"], [0, 1])
    frame = asked.annotations.to_frame()
    assert frame["annotator"].tolist() == ["ana", "bo", "ana", "ana", "cy"]
    assert frame["label"].tolist() == ["no", "yes", "yes", "no", "yes"]
    with pytest.raises(jb.InputError, match="already labelled"):
        asked.tell("t0", "ana", "yes")
    asked.tell("t0", "ana", "yes", replace=True)
    for wrong, message in (
        ((["t0"], "ana", ["maybe"]), "'maybe' is not one of the classes"),
        ((["x"], "ana", ["no"]), "text 'x' is not among"),
        ((["t0", "t1"], "ana", ["no"]), "2 texts, 2 annotators and 1 labels"),
    ):
        with pytest.raises(jb.InputError, match=message):
            asked.tell(*wrong)
    assert len(asked.annotations) == 5


def test_an_oracle_is_any_function_and_the_budget_is_kept() -> None:
    asked = loop().run(answer, budget=20)
    assert len(asked.annotations) == 20
    asked.run({"rule": answer, "by id": lambda _, text_id: answer(TEXTS[text_id])}, budget=7)
    assert len(asked.annotations) == 27
    assert set(asked.annotations.annotators) == {"oracle", "rule", "by id"}
    asked.run(lambda text: ("named", answer(text)), budget=1)
    assert asked.annotations.to_frame()["annotator"].eq("named").sum() == 1
    with pytest.raises(jb.InputError, match="budget is 0"):
        asked.run(answer, budget=0)


def test_texts_without_an_answer_are_left_out_and_the_loop_ends() -> None:
    asked = loop().run(lambda text: answer(text) if "soup" in text else None, budget=100)
    assert len(asked.annotations) == 15
    assert len(asked.ask()) == 0
    assert list(asked) == []


@pytest.mark.parametrize("strategy", ["default", "activelab", "margin"])
@pytest.mark.parametrize("models", [1, 3])
def test_probabilities_of_ones_own_take_the_place_of_a_classifier(strategy: str, models: int) -> None:
    seen: list[int] = []

    def mine(annotations: jb.Annotations) -> Any:
        seen.append(len(annotations))
        p = np.array([[0.2, 0.8] if n % 2 else [0.8, 0.2] for n in range(60)])
        frame = pd.DataFrame(p, list(TEXTS), ["no", "yes"])
        frames = [frame.sample(frac=1, random_state=k) for k in range(models)]
        return frames if models > 1 else frames[0]

    asked = loop(pred_probs=mine, strategy=strategy, encoder="no such encoder").run(answer, budget=12)
    assert seen == [0, 6]
    assert asked.consensus.to_frame()["label"].tolist() == [answer(text) for text in TEXTS.values()]
    assert asked.round.diagnostics["classifier"] == "own probabilities"


class Streaming:
    """An encoder that nothing can pickle; functions can be where dill has been imported, as datasets does."""

    def __init__(self) -> None:
        self.numbers = (number for number in range(9))

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [[len(text)] for text in texts]


@pytest.mark.slow
def test_a_loop_that_is_loaded_goes_on_as_the_other_would_have(tmp_path: Path) -> None:
    one = loop(rng=5, random_share=0.3).run(answer, budget=12)
    one.skip("t3")
    one.save(tmp_path / "here.loop")
    two = jb.Loop.load(tmp_path / "here.loop")
    for each in (one, two):
        each.run(answer, budget=18)
    assert one.annotations.to_frame().equals(two.annotations.to_frame())
    assert one.ask().text_ids == two.ask().text_ids
    assert "t3" not in two.annotations.texts[two.annotations.text]
    lonely = loop(encoder=Streaming())
    with pytest.raises(jb.InputError, match="cannot be saved"):
        lonely.save(tmp_path / "not.loop")
    assert not (tmp_path / "not.loop").exists()


@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"]])
def test_a_loop_keeps_what_reviewers_decided(tmp_path: Path, classes: list[str]) -> None:
    given = jb.Annotations.from_long(
        ["t5", "t1", "t1"], ["bo", "bo", "ana"], ["no", "no", "yes"], classes=["no", "yes"]
    )
    given = replace(
        given, decided=(given.texts[given.text] == "t1") & (given.annotators[given.annotator] == "bo")
    )
    asked = jb.Loop(list(TEXTS.items()), classes, annotations=given, encoder="tfidf")
    asked.tell(["t0", "t7"], "aaron", ["no", "yes"])
    asked.save(tmp_path / "here.loop")
    for each in (asked, jb.Loop.load(tmp_path / "here.loop")):
        assert decisions(each.annotations) == {("t1", "bo", "no")}
    asked.tell("t1", "bo", "yes", replace=True)
    assert decisions(asked.annotations) == set()


def decisions(given: jb.Annotations) -> set[tuple[str, str, str]]:
    assert given.decided is not None
    return set(given.to_frame()[given.decided].itertuples(index=False, name=None))


def test_a_loop_becomes_a_project_and_a_project_a_loop(tmp_path: Path) -> None:
    asked = loop(strategy="margin").run(answer, budget=12)
    with asked.to_project(tmp_path / "p.db", audit_size=0) as project:
        assert project.settings.strategy == "margin"
        assert project.annotations().to_frame().equals(asked.annotations.to_frame())
        again = project.to_loop(batch=3)
        assert again.annotations.n_annotations == 12
        assert again.settings.strategy == "margin"
        assert len(again.ask()) == 3
    with pytest.raises(jb.InputError, match="encoder is an object"):
        loop(encoder=lambda texts: [[1.0] for _ in texts]).to_project(tmp_path / "q.db")


def test_frames_of_texts_and_labels_start_a_loop() -> None:
    texts = pd.DataFrame({"id": list(TEXTS), "text": list(TEXTS.values())})
    said = pd.DataFrame({"text": ["t1", "t0"], "annotator": ["a", "a"], "label": ["yes", "no"]})
    asked = jb.Loop(texts, ["no", "yes"], annotations=said, features=np.eye(60), batch=4)
    assert asked.annotations.n_labels[:2].tolist() == [1, 1]
    assert len(asked.ask()) == 4
    for wrong, message in (
        ("one", "one string"),
        ([("a", "x"), ("a", "y")], "text 'a' appears twice"),
        ([("a", 1)], "row 0: text is 1"),
    ):
        with pytest.raises(jb.InputError, match=message):
            jb.Loop(wrong, ["no", "yes"])


ASKED = ["food=single:bad,good", "topics=several:day,soup,room,staff"]


def answers(text: str) -> dict[str, Any]:
    return {"food": "good" if "fine" in text else "bad", "topics": [text.split()[2]]}


@pytest.mark.slow
def test_a_loop_of_several_questions_is_told_whole_answers() -> None:
    asked = jb.Loop(list(TEXTS.items()), questions=ASKED, encoder="tfidf", batch=6, rng=1)
    for batch in asked:
        asked.tell(batch.text_ids, "ana", [answers(text) for text in batch.texts])
        if len(asked.annotations) == 24:
            break
    asked.tell("t0", "bo", "food=bad; topics=day")
    assert asked.annotations.n_annotations == 25
    p = asked.predict_proba(["a fine soup", "a bad room"])
    assert p.columns.tolist() == [
        "food:bad",
        "food:good",
        *(f"topics:{name}" for name in ("day", "soup", "room", "staff")),
    ]
    assert p["food:good"].diff().iloc[1] < 0 < p["topics:room"].diff().iloc[1]
    frame = asked.to_frame()
    told = frame[frame["n_annotations"] > 0]
    same = [
        {name: row[name] for name in ("food", "topics")} == answers(row["text"]) for _, row in told.iterrows()
    ]
    assert len(same) == asked.annotations.labelled.sum() >= 24
    assert np.mean(same) > 0.8  # one answer each: a few are not believed
    for wrong in (lambda: asked.round, lambda: asked.consensus, lambda: loop().joint_round):
        with pytest.raises(ConflictError, match="question"):
            wrong()
    for given, message in (
        ({"questions": ASKED, "classes": ["a", "b"]}, "expected either"),
        ({}, "expected either"),
        ({"questions": ASKED, "pred_probs": np.eye(60)}, "one question"),
        ({"classes": ["a", "b"], "reading": 5.0}, "this loop has one"),
    ):
        with pytest.raises(jb.InputError, match=message):
            jb.Loop(list(TEXTS.items()), **given)
    with pytest.raises(jb.InputError, match="'maybe'"):
        asked.tell("t1", "bo", {"food": "maybe"})


@pytest.mark.slow
def test_rounds_of_a_loop_are_those_of_play_questions() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 5))
    rows = [(f"t{n}", who, answers(TEXTS[f"t{n}"])) for n in range(0, 40, 2) for who in ("ana", "bo")]
    long = [(t, who, name, said) for t, who, one in rows for name, said in one.items()]
    sheet = jb.AnswerSheet.from_long(long, questions=ASKED, texts=[*TEXTS])
    wide = pd.DataFrame([{"text": t, "annotator": who, **one} for t, who, one in rows])
    batches = []
    for given in (sheet, wide, pd.DataFrame(long, columns=["text", "annotator", "question", "answer"])):
        asked = jb.Loop(
            list(TEXTS.items()), questions=ASKED, annotations=given, features=x, reading=1.0, batch=5, rng=3
        )
        batches.append(asked.ask(["cy"]))
    settings = jb.Settings(batch=5)
    played = jb.play_questions(sheet, x, settings, 3, reading=1.0)
    assert played.asked is not None
    names = [str(facet) for facet in played.rounds]
    for batch in batches:
        assert batch.text_ids == tuple(sheet.texts[played.batch])
        assert batch.asked == tuple(
            tuple(name for name, yes in zip(names, played.asked[text], strict=True) if yes)
            for text in played.batch
        )
    asked_for = batches[0].asked
    assert asked_for is not None
    assert {len(items) for items in asked_for} != {len(names)}  # some are asked for in part
    assert batches[0].to_frame()["asked"].tolist() == [*asked_for]


def test_one_question_with_one_answer_makes_a_loop_like_any_other(tmp_path: Path) -> None:
    asked = jb.Loop(list(TEXTS.items()), questions=["stars=scale:1..3"], encoder="tfidf", batch=6)
    assert asked.questions == ()
    asked.tell(["t0", "t1"], "ana", ["1", "3"])
    assert asked.annotations.scale == (1.0, 2.0, 3.0)
    assert asked.round.consensus.labels[0] == 0
    with asked.to_project(tmp_path / "p.db") as project:
        assert project.scale == (1.0, 2.0, 3.0)
