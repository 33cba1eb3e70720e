"""A lead's first hour, as a stranger has it: texts pasted, people invited, everything looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from browser.conftest import Site, picture, serving, violations, window
from jurybox import Project

pytestmark = pytest.mark.slow

WIDE: ViewportSize = {"width": 1440, "height": 900}
GLANCE = 160
TEXTS = [
    *(f"I am glad that I bought lamp number {n}, it is great" for n in range(10)),
    *(f"Sadly kettle number {n} broke at once, never again" for n in range(10)),
]
PAGES = ("", "/trust", "/people", "/person?name=Ben", "/agreement", "/queue", "/texts", "/history", "/audit")


@pytest.fixture
def site(location: str, tmp_path: Path, browser: Browser) -> Iterator[Site]:
    with serving(location, "--no-learner", folder=tmp_path) as started:
        yield started
        for context in browser.contexts:
            context.close()


@pytest.mark.parametrize(
    "location", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"], indirect=True
)  # other tests in a browser are on SQLite
def test_a_lead_sets_up_invites_looks_and_decides(browser: Browser, site: Site, location: str) -> None:
    owner = window(browser, viewport=WIDE, locale="en-GB").new_page()
    paste(owner, site)
    links = invite_several(owner)
    ana, ben = (open_page(window(browser, viewport=WIDE, locale="en-GB"), link) for link in links[:2])
    label(ana, 12, lambda text: "2" if "glad" in text else "1")
    label(ben, 12, lambda text: "12"[len(text) % 2])
    with Project.open(location) as project:
        assert {one.name: one.n_annotations for one in project.people.all()} == {
            "owner": 0,
            "Ana": 12,
            "Ben": 12,
            "Cem": 0,
        }
        project.configure(encoder="tfidf")
        project.refit()
        project.beliefs.keep()
    for path in PAGES:
        owner.goto(f"{site.url}/manage{path}")
        assert violations(owner) == [], path
        picture(owner, f"desk/{path.partition('?')[0].strip('/') or 'overview'}", full_page=True)
    owner.goto(f"{site.url}/manage")
    expect(owner.locator(".verdict .button, .verdict button")).to_have_count(1)
    expect(owner.locator("[data-live=lead]")).to_contain_text("round 1")
    owner.goto(f"{site.url}/manage/agreement")
    expect(owner.locator("table.heat")).to_contain_text(re.compile(r"\d+% · \d+"))
    write_to_ben(owner, site, ben)
    change_many_and_undo(owner, site, location)
    decide_and_take_back(owner, site)
    leave_out_and_count(owner, site)
    owner.goto(f"{site.url}/manage/history")
    for words in (
        "Invited Ana",
        "Wrote to Ben",
        "Deleted texts, with their labels",
        "Left out the labels of Ben",
    ):
        expect(owner.locator("main")).to_contain_text(words)


def paste(owner: Page, site: Site) -> None:
    owner.goto(site.owner_link)
    owner.get_by_label("Texts, one a line").fill("\n".join(TEXTS))
    owner.get_by_role("button", name="Look at them").click()
    expect(owner.locator("main")).to_contain_text("20 texts in all.")
    assert violations(owner) == []
    owner.get_by_label("Name", exact=True).fill("Shop reviews")
    owner.get_by_label("Classes").fill("unhappy\nhappy")
    owner.get_by_label("Guidelines").fill("What of the **product**?")
    owner.get_by_role("button", name="Create the project").dblclick()
    expect(owner).to_have_url(f"{site.url}/manage/people?made=1")
    expect(owner.get_by_role("status")).to_contain_text("20 texts are in.")


def invite_several(owner: Page) -> list[str]:
    owner.get_by_text("Invite several at once").click()
    owner.get_by_label("Names, a line each").fill("Ana\nBen\nCem")
    owner.get_by_role("button", name="Make links").click()
    fields = owner.locator(".links input")
    expect(fields).to_have_count(3)
    return [field.input_value() for field in fields.all()]


def open_page(context: BrowserContext, link: str) -> Page:
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector("#labelling[data-ready]")
    expect(page.locator("#guidelines")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".beside strong")).to_have_text("product")
    return page


def label(page: Page, n: int, key: object) -> None:
    said = page.locator("#progress-text")
    before = int(re.search(r"\d+", said.inner_text())[0])  # type: ignore[index]
    for _ in range(n):
        page.wait_for_timeout(GLANCE)
        text = page.locator("#text").inner_text()
        page.keyboard.press(key(text))  # type: ignore[operator]
        expect(page.locator("#text")).not_to_have_text(text, use_inner_text=True)
    expect(said).to_contain_text(f"{before + n} labels by everybody")
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")


def write_to_ben(owner: Page, site: Site, ben: Page) -> None:
    owner.goto(f"{site.url}/manage/person?name=Ben")
    owner.get_by_label("Write to them").fill("Please read the texts.")
    owner.get_by_role("button", name="Send").click()
    expect(owner.locator("main")).to_contain_text("Not read yet")
    ben.reload()
    expect(ben.locator(".told")).to_have_text("Please read the texts.")
    assert violations(ben) == []
    ben.get_by_role("button", name="I have read it").click()
    expect(ben.locator(".told")).to_have_count(0)


def change_many_and_undo(owner: Page, site: Site, location: str) -> None:
    owner.goto(f"{site.url}/manage/texts?q=kettle")
    owner.locator("[data-page]").click()
    owner.locator("select[name=act]").select_option("delete")
    owner.get_by_role("button", name="Do it").click()
    expect(owner.get_by_role("status")).to_contain_text("Deleted texts, with their labels: 10")
    owner.get_by_role("button", name="Undo").click()
    expect(owner.locator("input.select")).to_have_count(10)
    with Project.open(location) as project:
        assert (project.status().texts, project.status().annotations) == (20, 24)


def decide_and_take_back(owner: Page, site: Site) -> None:
    owner.goto(f"{site.url}/manage/review")
    shown = owner.locator(".reading")
    first = shown.inner_text()
    owner.wait_for_timeout(300)
    owner.keyboard.press("1")
    expect(shown).not_to_have_text(first, use_inner_text=True)
    owner.wait_for_timeout(300)
    owner.keyboard.press("u")
    expect(shown).to_have_text(first, use_inner_text=True)


def leave_out_and_count(owner: Page, site: Site) -> None:
    owner.goto(f"{site.url}/manage/people")
    owner.get_by_role("button", name=re.compile("Leave labels out.*Ben")).click()
    expect(owner.get_by_role("row", name=re.compile("^Ben Annotator"))).to_contain_text("left out")
    owner.get_by_role("button", name=re.compile("Count labels again.*Ben")).click()
    expect(owner.get_by_role("row", name=re.compile("^Ben Annotator"))).not_to_contain_text("left out")
