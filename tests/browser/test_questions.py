"""Labelling with several questions: keys and Enter, what is left open, none of these, undo; a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import Site, picture, serving, violations, window
from jurybox import Project
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import invite
from jurybox.web.i18n import get_catalogue
from jurybox.web.render import answer_words

pytestmark = pytest.mark.slow

ASKED = ("food=single:bad,good", "topics=several:price,service,noise", "stars=scale:1..5")
SETTINGS = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    path = tmp_path / "p.db"
    with Project.create(
        path, texts=[(f"t{i}", f"text {i}") for i in range(6)], questions=ASKED, settings=SETTINGS
    ) as project:
        project.people.add("ana")
        token = invite(project, "ana")
    with serving(path, "--no-learner") as served:
        yield served, token


def labels(site: Site) -> list[str]:
    with Project.open(site.project) as project:
        return sorted(record.label for record in project.reading.annotation_records())


def open_page(page: Page, site: Site, token: str) -> None:
    page.goto(f"{site.url}/join/{token}")
    page.goto(f"{site.url}/label")
    page.wait_for_selector("#labelling[data-ready]")
    page.wait_for_timeout(200)  # a label is not taken of a text that was shown this moment


def test_questions_are_answered_with_keys_and_sent_with_enter(
    browser: Browser, site: tuple[Site, str]
) -> None:
    served, token = site
    page = window(browser, viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
    open_page(page, served, token)
    assert violations(page) == []
    picture(page, "questions/desk")

    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Answer at least one question")
    page.locator("#sheet").focus()
    for key in ("2", "3", "5"):  # good; price, noise
        page.keyboard.press(key)
    page.keyboard.press("Enter")  # the stars are open: they are named, and nothing is sent
    expect(page.locator("#message")).to_contain_text("stars")
    expect(page.locator(".question[data-question=stars]")).to_have_class("question open")
    expect(page.locator("#recent-list li")).to_have_count(0)

    page.reload()  # what was chosen is kept
    page.wait_for_selector("#labelling[data-ready]")
    expect(page.get_by_role("checkbox", name="noise")).to_be_checked()
    expect(page.get_by_role("radio", name="good")).to_be_checked()
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # left open
    expect(page.locator("#recent-list li")).to_have_count(1)
    expect(page.get_by_role("checkbox", name="noise")).not_to_be_checked()
    page.wait_for_timeout(200)

    for key in ("1", "3", "6", "7"):  # bad; price, and then none of these instead; one star
        page.keyboard.press(key)
    expect(page.get_by_role("checkbox", name="price")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="None of these")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#recent-list li")).to_have_count(2)
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    assert labels(served) == ["food=bad; topics=|; stars=1", "food=good; topics=price|noise"]

    page.keyboard.press("u")  # the text comes back with its answers
    expect(page.get_by_role("radio", name="bad")).to_be_checked()
    expect(page.get_by_role("checkbox", name="None of these")).to_be_checked()
    page.wait_for_timeout(200)
    page.keyboard.press("1")  # once more: bad is left out
    expect(page.get_by_role("radio", name="bad")).not_to_be_checked()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    expect(page.locator("#recent-list li")).to_have_count(2)
    assert labels(served) == ["food=good; topics=price|noise", "food=good; topics=|; stars=1"]


def test_an_answer_that_is_not_sent_yet_is_said_in_the_words_of_the_server(
    browser: Browser, site: tuple[Site, str]
) -> None:
    served, token = site
    stored = [
        "food=good",
        "food=bad; topics=price|noise; stars=4",
        "topics=|",
        "topics=|<price",
        "topics=price<price|noise; stars=1",
    ]
    for language in ("en", "ar"):
        page = window(browser, locale=language).new_page()
        open_page(page, served, token)
        said = page.evaluate(
            """async (labels) => {
                const script = document.querySelector("script[src*='/label/']").src;
                const { inWords } = await import(new URL("page.js", script));
                return labels.map(inWords);
            }""",
            stored,
        )
        assert said == [answer_words(get_catalogue(language), label) for label in stored]
        page.close()


def test_a_class_that_was_added_since_the_page_was_opened_was_not_asked_for(
    browser: Browser, site: tuple[Site, str]
) -> None:
    served, token = site
    page = window(browser, viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
    open_page(page, served, token)
    with Project.open(served.project) as project:
        project.add_class("topics:parking")
    page.locator("#sheet").focus()
    for key in ("2", "3", "7"):  # good; price; one star
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#recent-list li .given")).to_have_text("food: good · topics: price · stars: 1")
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    assert labels(served) == ["food=good; topics=price<price|service|noise; stars=1"]


def test_questions_on_a_phone_and_without_a_script(browser: Browser, site: tuple[Site, str]) -> None:
    served, token = site
    phone = window(browser, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    open_page(page, served, token)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#text").click(trial=True)  # nothing covers it
    picture(page, "questions/phone", full_page=True)
    page.get_by_text("good", exact=True).tap()
    page.get_by_text("None of these").tap()
    page.locator("[data-question=stars] .option").nth(3).tap()
    page.get_by_role("button", name="Submit").tap()
    expect(page.locator("#recent-list li")).to_have_count(1)
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    assert labels(served) == ["food=good; topics=|; stars=4"]
    phone.close()

    plain = window(browser, java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{served.url}/join/{token}")
    if page.get_by_role("button").count():
        page.get_by_role("button").first.click()
    page.goto(f"{served.url}/label")
    page.get_by_role("radio", name="bad").check()
    page.get_by_role("checkbox", name="price").check()
    page.get_by_role("checkbox", name="service").check()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("radio", name="bad")).not_to_be_checked()
    assert labels(served) == ["food=bad; topics=price|service", "food=good; topics=|; stars=4"]
