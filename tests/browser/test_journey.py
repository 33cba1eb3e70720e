"""From a CSV file to an export, as three people do it in their browsers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from browser.conftest import Site, serving, window
from jurybox import Project

pytestmark = pytest.mark.slow

PHONE: ViewportSize = {"width": 390, "height": 844}
GLANCE = 160
"""Milliseconds after which a text that was just shown can be labelled for certain: the page waits for 150."""

TEXTS = [
    "Would you mind having a look at the second paragraph, please?",
    "Fix it. Now.",
    "من فضلك، هل يمكنك أن تنظر في هذا؟",
    "def f(x):\n    return x + 1\n\nprint(f(2))",
    "🙂🙃 thanks a lot 👩‍👩‍👧",
    "<script>alert('x')</script> & <b>not bold</b>",
    ("word " * 800).strip(),
    *(f"Could you check point {n}, please?" for n in range(14)),
    *(f"You got point {n} wrong again." for n in range(14)),
]


@pytest.fixture
def site(tmp_path: Path, browser: Browser) -> Iterator[Site]:
    with serving(tmp_path / "project.db") as started:
        yield started
        for context in browser.contexts:
            context.close()


def polite(text: str) -> bool:
    return any(word in text for word in ("please", "thanks", "من فضلك"))


class Hand:
    """Someone who labels, and remembers what was clicked."""

    def __init__(self, page: Page, clicked: dict[str, str]) -> None:
        self.page = page
        self.clicked = clicked

    @property
    def text(self) -> str:
        return self.page.locator("#text").inner_text()

    def next_after(self, text: str) -> None:
        expect(self.page.locator("#text")).not_to_have_text(text, use_inner_text=True)
        self.page.wait_for_timeout(GLANCE)

    def press(self, key: str | None = None) -> str:
        text = self.text
        key = key or ("1" if polite(text) else "2")
        self.page.keyboard.press(key)
        self.clicked[text] = {"1": "polite", "2": "impolite"}[key]
        self.next_after(text)
        return text

    def tap(self) -> str:
        text = self.text
        label = "polite" if polite(text) else "impolite"
        self.page.locator(f'.class[value="{label}"]').tap()
        self.clicked[text] = label
        self.next_after(text)
        return text

    def swipe(self, pixels: int) -> str:
        """Draw a finger over the text; to the left is the first of two classes."""
        text = self.text
        box = self.page.locator("#sheet").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + 60
        session = self.page.context.new_cdp_session(self.page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 6):
            point = {"x": x + pixels * step / 5, "y": y}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        self.clicked[text] = "polite" if pixels < 0 else "impolite"
        self.next_after(text)
        return text

    def all_sent(self) -> None:
        expect(self.page.locator("#labelling")).to_have_attribute("data-unsent", "0")


def test_from_a_file_to_an_export(browser: Browser, site: Site, tmp_path: Path) -> None:
    owner = window(browser, locale="en-GB").new_page()
    create_project(owner, site, tmp_path)
    ana_link, ben_link = invite(owner, "ana"), invite(owner, "ben")
    assert ana_link != ben_link
    with Project.open(site.project) as project:
        project.configure(encoder="tfidf")
    set_batch(owner, site, 12)

    by_ana: dict[str, str] = {}
    desk = window(browser, locale="en-GB")
    label_by_keyboard(open_label_page(desk, ana_link), by_ana)

    by_ben: dict[str, str] = {}
    phone = window(browser, locale="en-GB", viewport=PHONE, has_touch=True, is_mobile=True)
    label_by_touch(owner, site, phone, ben_link, by_ben)

    owner.goto(f"{site.url}/manage")
    expect(owner.locator("[data-live=lead]")).to_contain_text(re.compile(r"round \d"))
    expect(owner.locator(".stats")).to_contain_text(str(len(by_ana) + len(by_ben)))
    expect(owner.locator("[data-live=queue]")).to_contain_text(re.compile("Audit|Model unsure|Second look"))
    assert exported(owner, site) == {
        **{(text, "ana"): label for text, label in by_ana.items()},
        **{(text, "ben"): label for text, label in by_ben.items()},
    }


def create_project(owner: Page, site: Site, folder: Path) -> None:
    with (folder / "requests.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "message"])
        writer.writerows((f"t{n}", text) for n, text in enumerate(TEXTS))
    owner.goto(site.owner_link)
    expect(owner).to_have_url(f"{site.url}/setup")
    assert owner.request.get(site.owner_link).status == 401, "the link works once"
    owner.get_by_label("File with texts").set_input_files(folder / "requests.csv")
    owner.get_by_role("button", name="Upload").click()
    expect(owner.locator("main")).to_contain_text("Fix it. Now.")
    owner.get_by_label("Name", exact=True).fill("Requests")
    owner.get_by_label("Classes").fill("polite\nimpolite")
    owner.get_by_label("Guidelines").fill("Judge the tone, not the content.")
    owner.get_by_role("button", name="Create the project").click()
    expect(owner).to_have_url(f"{site.url}/manage/people?made=1")


def invite(owner: Page, name: str) -> str:
    owner.get_by_label("Name", exact=True).fill(name)
    owner.get_by_role("button", name="Make a link").click()
    expect(owner.get_by_role("heading", name=f"Link for {name}")).to_be_visible()
    return owner.locator("#invite-link").input_value()


def set_batch(owner: Page, site: Site, batch: int) -> None:
    owner.goto(f"{site.url}/manage/settings")
    owner.get_by_label("Batch").fill(str(batch))
    owner.locator("form", has=owner.get_by_label("Batch")).get_by_role("button", name="Save").click()
    expect(owner.get_by_role("status")).to_contain_text("The settings are stored.")
    expect(owner.get_by_label("Batch")).to_have_value(str(batch))


def open_label_page(context: BrowserContext, link: str) -> Page:
    page = context.new_page()
    page.goto(link)
    first_glance(page)
    return page


def first_glance(page: Page) -> None:
    """Wait for the first text, and as long as people must see it before a label counts."""
    page.wait_for_selector("#labelling[data-ready]")
    if page.locator("#guidelines").is_visible():  # before the first label they are read
        page.keyboard.press("Escape")
    expect(page.locator("#text")).to_be_visible()
    page.wait_for_timeout(GLANCE)


def label_by_keyboard(page: Page, clicked: dict[str, str]) -> None:
    hand = Hand(page, clicked)
    for _ in range(4):
        hand.press()
    expect(page.locator("#today")).to_have_text("4 labels today")
    expect(page.locator("#progress-text")).to_contain_text("4 labels by everybody")

    page.keyboard.press("g")
    expect(page.locator("#guidelines")).to_contain_text("Judge the tone")
    page.keyboard.press("Escape")

    skipped = hand.text
    page.keyboard.press("s")
    page.keyboard.press("1")
    hand.next_after(skipped)
    expect(page.locator("#recent-list .given").first).to_have_text("Skipped")

    undone = hand.press()
    page.keyboard.press("u")
    expect(page.locator("#text")).to_have_text(undone, use_inner_text=True)
    page.wait_for_timeout(GLANCE)
    hand.press("2" if polite(undone) else "1")

    page.keyboard.press("c")
    page.keyboard.type("not sure about 1 or 2")
    page.keyboard.press("Escape")
    hand.press()

    page.keyboard.press("f")
    page.locator("#flag-comment").fill("Is this one a duplicate?")
    page.get_by_role("button", name="Send").click()

    correct(page, hand)
    lose_the_network(page, hand)
    lose_an_answer(page, hand)


def correct(page: Page, hand: Hand) -> None:
    """Change an earlier decision in the strip."""
    text = hand.press("1")
    hand.press()
    page.locator("#recent-list button").nth(1).click()
    page.locator('#correction [data-class="impolite"]').click()
    hand.clicked[text] = "impolite"
    expect(page.locator("#recent-list .given").nth(1)).to_have_text("impolite")
    hand.all_sent()


def lose_the_network(page: Page, hand: Hand) -> None:
    """Label on without a connection; the answers arrive when it is back."""
    expect(page.locator("#message")).to_contain_text("will see your remark")
    with page.expect_response("**/api/v1/tasks") as ahead:
        page.reload()  # which takes the message away
    ahead.value.finished()
    first_glance(page)
    page.context.set_offline(True)
    for _ in range(3):
        hand.press()
    expect(page.locator("#connection")).to_contain_text("3 answers are kept here")
    page.context.set_offline(False)
    hand.all_sent()
    expect(page.locator("#connection")).to_be_hidden()


def lose_an_answer(page: Page, hand: Hand) -> None:
    """The server stores a label, but its answer is lost: the same is sent again and counts once."""
    keys = []

    def swallow(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/annotations", swallow)
    hand.press()
    expect(page.locator("#connection")).to_be_visible()
    hand.all_sent()
    page.unroute("**/api/v1/annotations")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    expect(page.locator("#message")).to_be_empty()


def label_by_touch(
    owner: Page, site: Site, phone: BrowserContext, link: str, clicked: dict[str, str]
) -> None:
    page = open_label_page(phone, link)
    owner.goto(f"{site.url}/manage/people")
    owner.get_by_role("button", name=re.compile("Pause.*ben")).click()
    expect(owner.get_by_role("row", name="ben")).to_contain_text("Paused")
    page.reload()
    expect(page.locator("#rest-text")).to_have_text("The owner has paused your work. Nothing to do for now.")
    owner.get_by_role("button", name=re.compile("Resume.*ben")).click()
    expect(owner.get_by_role("row", name="ben")).not_to_contain_text("Paused")
    page.reload()
    first_glance(page)

    hand = Hand(page, clicked)
    for _ in range(4):
        hand.tap()
    hand.swipe(-160)
    undone = hand.swipe(160)
    page.touchscreen.tap(2, 2)  # Chromium takes the first tap after an injected swipe for the swipe's end
    page.locator("#undo-button").tap()
    expect(page.locator("#text")).to_have_text(undone, use_inner_text=True)
    page.wait_for_timeout(GLANCE)
    hand.tap()
    hand.all_sent()


def exported(owner: Page, site: Site) -> dict[tuple[str, str], str]:
    owner.goto(f"{site.url}/manage/export")
    with owner.expect_download() as download:
        owner.get_by_role("link", name=re.compile("^csv.*Annotations")).click()
    with Path(download.value.path()).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["comment"] for row in rows} == {"", "not sure about 1 or 2"}
    assert all(float(row["seconds"]) > 0 for row in rows)
    shown = {f"t{n}": text.strip() for n, text in enumerate(TEXTS)}
    return {(shown[row["id"]], row["annotator"]): row["label"] for row in rows}
