"""The kernel's side of labelling in a notebook: what is pressed passes the gate, and nothing counts twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import jurybox as jb
from jurybox.store.records import Task
from jurybox.store.settings import ProjectSettings

SETTINGS = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)


@pytest.fixture
def project(tmp_path: Path) -> jb.Project:
    texts = [(f"t{i}", f"text {i}") for i in range(4)]
    return jb.Project.create(tmp_path / "p.db", texts=texts, classes=["1", "2", "3"], settings=SETTINGS)


def press(widget: Any, **pressed: Any) -> dict[str, Any]:
    """Send what the script sends, by the way that ipywidgets takes it from the browser."""
    pressed.setdefault("text_id", (widget.view["task"] or {}).get("text_id"))
    widget._handle_custom_msg(pressed, [])
    view: dict[str, Any] = widget.view
    return view


@pytest.mark.slow
def test_what_is_pressed_is_stored_for_this_annotator_as_a_task(project: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = project.label("ana")
    first = widget.view["task"]["text_id"]
    after = press(widget, do="label", label="2", seconds=1.5)
    assert (after["given"], after["message"], after["recent"][0]["label"]) == (1, "", "2")
    assert after["task"]["text_id"] != first
    (given,) = project.reading.annotation_records()
    assert (given.text_id, given.annotator, given.label, given.seconds) == (first, "ana", "2", 1.5)
    assert [one.origin for one in project.reading.provenance()] != ["direct"], "it came with a loan"
    assert press(widget, do="label", label="2", text_id=first)["given"] == 1, "a key that was pressed twice"
    back = press(widget, do="undo")
    assert (back["task"]["text_id"], back["given"]) == (first, 0)
    press(widget, do="skip", reason="unsure")
    assert [skip.reason for skip in project.export().skips] == ["unsure"]


def test_two_widgets_of_two_people_never_hold_the_same_text(project: jb.Project) -> None:
    pytest.importorskip("anywidget")
    ana, bo = project.label("ana"), project.label("bo")
    assert ana.view["task"]["text_id"] != bo.view["task"]["text_id"]


def test_what_is_refused_is_said_and_not_stored(project: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = project.label("ana")
    assert "nothing to take back" in press(widget, do="undo")["message"]
    assert "'9'" in press(widget, do="label", label="9")["message"]
    project.people.pause("ana")
    refused = press(widget, do="label", label="1")
    assert "paused" in refused["message"]
    assert not list(project.reading.annotation_records())
    assert project.label("ana").view["rest"] == "this annotator is paused"
    with pytest.raises(jb.InputError):
        project.label("")


def test_a_scale_of_digits_has_its_own_keys(tmp_path: Path) -> None:
    pytest.importorskip("anywidget")
    settings = ProjectSettings(encoder="tfidf", audit_size=0, scale=True)
    classes = ["0", "1", "2"]
    made = jb.Project.create(tmp_path / "s.db", texts=["a"], classes=classes, settings=settings)
    assert [one["key"] for one in made.label("ana").view["classes"]] == ["0", "1", "2"]


def test_without_anywidget_the_message_says_what_to_install(
    project: jb.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jurybox.project import labeller

    labeller._widget.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(jb.JuryboxError, match=r"jurybox\[notebook\]"):
        project.label("ana")
    assert "ana" not in [one.name for one in project.people.all()], "nobody was added for nothing"


def test_a_text_that_is_lost_in_hand_gives_way_to_the_next(project: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = project.label("ana")
    held = widget.view["task"]["text_id"]
    project.edit.delete_texts([held])
    after = press(widget, do="label", label="2")
    assert after["message"]
    assert after["task"]["text_id"] != held
    assert press(widget, do="label", label="2")["given"] == 1


QUESTIONS = ["food=single:bad,good", "topics=several:price,noise"]


@pytest.fixture
def asking(tmp_path: Path) -> jb.Project:
    texts = [(f"t{i}", f"text {i}") for i in range(4)]
    return jb.Project.create(tmp_path / "q.db", texts=texts, questions=QUESTIONS, settings=SETTINGS)


def chosen_of(view: dict[str, Any]) -> dict[str, list[str]]:
    return {field["name"]: field["chosen"] for field in view["fields"]}


@pytest.mark.slow
def test_several_questions_are_one_answer_that_comes_back_with_undo(asking: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = asking.label("ana")
    assert widget.view["classes"] == []
    keys = {field["name"]: [one["key"] for one in field["options"]] for field in widget.view["fields"]}
    assert keys == {"food": ["1", "2"], "topics": ["3", "4", "5"]}
    assert widget.view["fields"][1]["options"][-1] == {"name": "", "key": "5", "none": True}
    first = widget.view["task"]["text_id"]
    after = press(widget, do="label", answers={"food": [], "topics": ["noise", "price"]}, seconds=2)
    assert after["recent"][0]["label"] == "topics=price|noise"
    assert chosen_of(after) == {"food": [], "topics": []}
    back = press(widget, do="undo")
    assert (back["task"]["text_id"], chosen_of(back)) == (first, {"food": [], "topics": ["price", "noise"]})
    press(widget, do="label", answers={"food": ["good"], "topics": [""]})
    (given,) = asking.reading.annotation_records()
    assert (given.text_id, given.label) == (first, "food=good; topics=|")
    assert chosen_of(press(widget, do="undo")) == {"food": ["good"], "topics": [""]}
    press(widget, do="skip", reason="unsure")
    assert chosen_of(press(widget, do="undo")) == {"food": [], "topics": []}


def test_what_is_no_answer_is_said_and_the_text_stays(asking: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = asking.label("ana")
    first = widget.view["task"]["text_id"]
    wrongs: tuple[dict[str, list[str]], ...] = ({"food": []}, {"food": ["great"]}, {"mood": ["good"]})
    for wrong in wrongs:
        after = press(widget, do="label", answers=wrong)
        assert after["message"]
        assert after["task"]["text_id"] == first
    assert not list(asking.reading.annotation_records())


@pytest.mark.slow
def test_single_classes_are_a_yes_or_no_and_the_rest_stays_open(
    asking: jb.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("anywidget")
    lend = asking.next_task

    def unsure(annotator: str) -> Any:
        task = lend(annotator)
        assert isinstance(task, Task)
        return replace(task, asked=("topics:price",))

    monkeypatch.setattr(asking, "next_task", unsure)
    widget = asking.label("ana")
    (field,) = widget.view["fields"]
    assert (field["name"], [one["key"] for one in field["options"]]) == ("topics:price", ["y", "n"])
    press(widget, do="label", answers={"topics:price": ["no"]})
    (given,) = asking.reading.annotation_records()
    assert given.label == "topics=<price"
    back = press(widget, do="undo")
    assert chosen_of(back) == {"food": [], "topics:price": ["no"]}  # it did not become a no to noise


def test_a_class_that_came_meanwhile_was_not_asked_for(asking: jb.Project) -> None:
    pytest.importorskip("anywidget")
    widget = asking.label("ana")
    asking.add_class("topics:taste")
    press(widget, do="label", answers={"topics": [""]})
    (given,) = asking.reading.annotation_records()
    assert given.label == "topics=<price|noise"
