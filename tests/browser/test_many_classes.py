"""Labelling with more classes than there are keys: they are typed, and those used last are at the digits."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import picture, serving, violations, window
from jurybox import Project
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import invite

pytestmark = pytest.mark.slow

SETTINGS = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)


@pytest.mark.parametrize("n", [pytest.param(77, marks=pytest.mark.long), 300])
def test_classes_are_typed_and_the_last_ones_have_keys(browser: Browser, tmp_path: Path, n: int) -> None:
    path = tmp_path / "p.db"
    classes = [f"intent {k:03d} of customers" for k in range(n - 1)] + ["card arrival"]
    with Project.create(
        path, texts=[f"text {i}" for i in range(8)], classes=classes, settings=SETTINGS
    ) as project:
        project.people.add("ana")
        token = invite(project, "ana")
    with serving(path, "--no-learner") as site:
        context = window(browser, viewport={"width": 1440, "height": 900}, locale="en-GB")
        page = context.new_page()
        page.goto(f"{site.url}/join/{token}")
        page.goto(f"{site.url}/label")
        page.wait_for_selector("#labelling[data-ready]")
        expect(page.locator("#class-filter")).to_be_focused()
        expect(page.locator("#last-used")).to_be_hidden()
        page.wait_for_timeout(200)  # a label is not taken of a text that was shown this moment
        page.keyboard.type("arriv")
        expect(page.locator(".classes .class:visible")).to_have_count(1)
        assert violations(page) == []
        page.keyboard.press("Enter")
        expect(page.locator("#recent-list li")).to_have_count(1)
        expect(page.locator("#last-used .class")).to_have_count(1)
        expect(page.locator("#class-filter")).to_be_focused()
        expect(page.locator(".classes .class:visible")).to_have_count(n)
        page.wait_for_timeout(200)
        page.keyboard.press("1")  # nothing is typed: the class that was used last
        expect(page.locator("#recent-list li")).to_have_count(2)
        page.wait_for_timeout(200)
        page.keyboard.type("042")
        page.keyboard.press("ArrowDown")
        expect(page.locator(".classes .class:focus")).to_have_attribute("value", "intent 042 of customers")
        page.keyboard.press("Enter")
        expect(page.locator("#last-used .class")).to_have_count(2)
        page.keyboard.type("no such class")
        expect(page.locator("#class-none")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#recent-list li")).to_have_count(3)
        page.keyboard.press("Escape")
        page.keyboard.press("u")
        expect(page.locator("#recent-list li")).to_have_count(2)
        picture(page, f"many-classes/{n}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert violations(page) == []
        expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
        context.close()
    with Project.open(path) as project:
        assert [record.label for record in project.reading.annotation_records()] == ["card arrival"] * 2


def test_on_a_phone_many_classes_leave_the_text_in_view(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    classes = [f"intent {k:02d} of somebody who writes" for k in range(40)]
    texts = [(f"t{i}", f"text {i}") for i in range(20)]
    with Project.create(path, texts=texts, classes=classes, settings=SETTINGS) as project:
        project.people.add("ana")
        token = invite(project, "ana")
        for number, (text_id, _) in enumerate(texts[:9]):
            project.submit(text_id, classes[number], annotator="ana")
    with serving(path, "--no-learner") as site:
        phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
        page = window(browser, locale="en-GB", **phone).new_page()
        page.goto(f"{site.url}/join/{token}")
        page.goto(f"{site.url}/label")
        page.wait_for_selector("#labelling[data-ready]")
        expect(page.locator("#last-used .class").first).to_be_visible()
        text, dock = (page.locator(name).bounding_box() for name in ("#text", ".dock"))
        assert text
        assert dock
        assert text["y"] + text["height"] <= dock["y"], "nothing covers the text"
        assert dock["y"] + dock["height"] <= 844, "what one can do is in view, too"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert violations(page) == []
        picture(page, "many/phone")
        page.context.close()
