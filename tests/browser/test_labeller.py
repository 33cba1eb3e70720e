"""Labelling in a notebook: the widget's script in a real browser, and a stored project behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import picture, violations, window
from jurybox import Project
from jurybox.store.settings import ProjectSettings

pytest.importorskip("anywidget")
pytestmark = pytest.mark.slow

SETTINGS = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)

NOTEBOOK = """
async ([script, view]) => {
  const listeners = new Set();
  const model = {
    view,
    get: () => model.view,
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    send: async (pressed) => {
      model.view = await window.kernel(pressed);
      for (const listener of listeners) listener();
    },
  };
  window.notebookKeys = [];
  document.addEventListener("keydown", (event) => window.notebookKeys.push(event.key));
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  (await import(url)).default.render({ model, el: document.querySelector("main div") });
}
"""
"""What a notebook does for a widget: a model that brings messages to the kernel and its state back."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    texts = [(f"t{i}", f"text {i}") for i in range(6)]
    with Project.create(
        tmp_path / "p.db",
        texts=texts,
        classes=["no", "yes"],
        settings=SETTINGS,
        guidelines="Say yes to fine.",
    ) as made:
        yield made


def shown(browser: Browser, widget: Any) -> Page:
    page = window(browser, viewport={"width": 900, "height": 700}, locale="en-GB").new_page()

    def kernel(pressed: dict[str, Any]) -> Any:
        widget._handle_custom_msg(pressed, [])
        return widget.view

    page.expose_function("kernel", kernel)
    page.set_content(
        "<!doctype html><html lang=en><title>Notebook</title><main><h1>Notebook</h1><div></div></main>"
    )
    page.add_style_tag(content=widget._css)
    page.evaluate(NOTEBOOK, [widget._esm, widget.view])
    return page


def labels_of(project: Project) -> list[tuple[str, str]]:
    return [(record.text_id, record.label) for record in project.reading.annotation_records()]


def test_one_key_labels_skips_and_takes_back(browser: Browser, project: Project) -> None:
    page = shown(browser, project.label("ana"))
    text = page.locator(".text")
    expect(page.locator("details")).to_have_attribute("open", "")
    assert violations(page) == []
    picture(page, "notebook/labeller")
    first = text.inner_text()
    page.locator(".jurybox-labeller").focus()
    page.wait_for_timeout(200)  # a label is not taken of a text that was shown this moment
    page.keyboard.press("2")
    expect(page.locator(".recent li")).to_have_count(1)
    expect(text).not_to_have_text(first)
    expect(page.locator(".head")).to_have_text("ana · 1 label")
    expect(page.locator(".jurybox-labeller")).to_be_focused()
    (given,) = project.reading.annotation_records()
    assert (given.label, given.annotator) == ("yes", "ana")
    assert given.seconds is not None
    assert 0.15 <= given.seconds < 600

    second = text.inner_text()
    page.keyboard.press("s")
    expect(page.locator(".reasons")).to_be_visible()
    page.wait_for_timeout(200)
    page.keyboard.press("3")
    expect(text).not_to_have_text(second)
    expect(page.locator(".recent li").first).to_have_text(f"skipped — {second}")
    assert [(skip.text_id, skip.reason) for skip in project.export().skips] == [
        (second.replace("text ", "t"), "several")
    ]

    page.keyboard.press("u")
    expect(text).to_have_text(second)
    page.keyboard.press("u")
    expect(text).to_have_text(first)
    assert labels_of(project) == []
    page.wait_for_timeout(200)
    page.get_by_role("button", name="no").click()
    expect(page.locator(".recent li")).to_have_count(1)
    expect(page.locator(".jurybox-labeller")).to_be_focused()
    assert labels_of(project) == [(first.replace("text ", "t"), "no")]
    assert page.evaluate("window.notebookKeys") == [], "the notebook's own keys were not pressed"
    page.context.close()


def test_comments_and_remarks_reach_the_project_and_the_end_is_said(
    browser: Browser, project: Project
) -> None:
    page = shown(browser, project.label("ana"))
    page.locator(".jurybox-labeller").focus()
    page.keyboard.press("c")
    page.keyboard.type("odd: 2 of 2")
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    page.keyboard.press("1")
    expect(page.locator(".recent li")).to_have_count(1)
    assert [record.comment for record in project.reading.annotation_records()] == ["odd: 2 of 2"]
    page.keyboard.press("f")
    page.keyboard.type("cut off")
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Send to the owner").click()
    expect(page.get_by_role("status")).to_have_text("Thank you. The owner will see your remark.")
    assert [flag.comment for flag in project.review.flags()] == ["cut off"]
    for given in range(2, 7):
        page.wait_for_timeout(200)
        page.keyboard.press("1")
        expect(page.locator(".head")).to_have_text(f"ana · {given} labels")
    expect(page.locator(".text")).to_have_text(
        "Nothing to label: this annotator has labelled or skipped every text that still wants a label."
    )
    assert len(labels_of(project)) == 6
    project.add_texts([("new", "a new one")])
    page.get_by_role("button", name="Look again").click()
    expect(page.locator(".text")).to_have_text("a new one")
    page.context.close()


def test_many_classes_are_found_by_name(browser: Browser, tmp_path: Path) -> None:
    classes = [f"intent {k:02d}" for k in range(40)]
    with Project.create(tmp_path / "q.db", texts=["a", "b"], classes=classes, settings=SETTINGS) as project:
        page = shown(browser, project.label("ana"))
        page.locator(".jurybox-labeller").focus()
        page.keyboard.press("/")
        page.keyboard.type("t 31")
        expect(page.locator(".classes button:visible")).to_have_count(1)
        page.wait_for_timeout(200)
        page.keyboard.press("Enter")
        expect(page.locator(".recent li")).to_have_count(1)
        assert [label for _, label in labels_of(project)] == ["intent 31"]
        page.context.close()


def test_several_questions_are_toggled_by_key_and_submitted_by_enter(
    browser: Browser, tmp_path: Path
) -> None:
    asked = ["food=single:bad,good", "topics=several:price,noise"]
    texts = [(f"t{i}", f"text {i}") for i in range(3)]
    with Project.create(tmp_path / "q.db", texts=texts, questions=asked, settings=SETTINGS) as project:
        page = shown(browser, project.label("ana"))
        first = page.locator(".text").inner_text()
        page.locator(".jurybox-labeller").focus()
        page.wait_for_timeout(200)
        page.keyboard.press("Enter")
        status = page.get_by_role("status")
        expect(status).to_have_text("Answer at least one question, or skip the text.")
        for key in "1234":
            page.keyboard.press(key)
        pressed = page.locator(".questions button[aria-pressed=true]")
        expect(pressed).to_have_text(["2good", "3price", "4noise"])
        assert violations(page) == []
        picture(page, "notebook/questions")
        page.keyboard.press("5")
        expect(pressed).to_have_text(["2good", "5None of these"])
        page.keyboard.press("3")
        expect(pressed).to_have_text(["2good", "3price"])
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(status).to_have_text("Not answered yet: food. Submit again to leave that open.")
        page.keyboard.press("Enter")
        expect(page.locator(".recent li")).to_have_count(1)
        assert [label for _, label in labels_of(project)] == ["topics=price"]
        expect(page.locator(".text")).not_to_have_text(first)
        expect(pressed).to_have_count(0)

        page.keyboard.press("u")
        expect(page.locator(".text")).to_have_text(first)
        expect(pressed).to_have_text(["3price"])
        page.wait_for_timeout(200)
        page.get_by_role("button", name="bad").click()
        page.get_by_role("button", name="None of these").click()
        page.get_by_role("button", name="Submit").click()
        expect(page.locator(".recent li")).to_have_count(1)
        assert labels_of(project) == [(first.replace("text ", "t"), "food=bad; topics=|")]
        expect(page.locator(".jurybox-labeller")).to_be_focused()
        assert page.evaluate("window.notebookKeys") == [], "the notebook's own keys were not pressed"
        page.context.close()
