"""Every page, as everyone sees it: accessible, light, self-contained; with a picture of each to look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from browser.conftest import TOKEN, Site, picture, serving, violations, window
from jurybox import Project
from jurybox.datasets import load
from jurybox.machines import Keywords, Price
from jurybox.project.asking import AskOptions
from jurybox.store.records import Fault, Role
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import invite
from jurybox.web.webhooks import Event, add_hook

pytestmark = pytest.mark.slow

HEAVIEST = 100_000

DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce"}
PHONE: Mapping[str, Any] = {
    "reduced_motion": "reduce",
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "desktop-light": {**DESKTOP, "locale": "en-GB"},
    "desktop-dark": {**DESKTOP, "locale": "de-DE", "color_scheme": "dark"},
    "phone-light": {**PHONE, "locale": "es-ES"},
    "phone-dark": {**PHONE, "locale": "en-GB", "color_scheme": "dark"},
    "desktop-arabic": {**DESKTOP, "locale": "ar-EG"},
    "phone-arabic": {**PHONE, "locale": "ar-EG", "color_scheme": "dark"},
}
EXAMINED = ("desktop-light", "phone-dark", "phone-arabic")
"""Looks in which every page is examined for accessibility; the others differ in colours and words only."""
BRIEFLY = ("desktop-light", "phone-arabic")
"""Looks in `make test`: both sets of colours, both widths, both directions; `make test-long` has them all."""

PAGES = {
    "label": "/label",
    "guidelines": "/guidelines",
    "overview": "/manage",
    "queue": "/manage/queue",
    "texts": "/manage/texts?state=labelled",
    "annotations": "/manage/annotations?annotator=ana",
    "text": "/manage/text?id=long",
    "duplicates": "/manage/duplicates",
    "clusters": "/manage/clusters",
    "cluster": "/manage/cluster?number=0",
    "review": "/manage/review",
    "people": "/manage/people",
    "person": "/manage/person?name=ana",
    "trust": "/manage/trust",
    "agreement": "/manage/agreement",
    "machines": "/manage/machines",
    "audit": "/manage/audit",
    "history": "/manage/history",
    "cases": "/manage/cases",
    "remarks": "/manage/review?show=remarks",
    "help": "/help",
    "settings": "/manage/settings",
    "webhooks": "/manage/webhooks",
    "export": "/manage/export",
    "import": "/import",
    "missing": "/nowhere",
}
SPECIAL = {
    "long": "This is a very long remark about a very long discussion. " * 60,
    "code": "def total(prices):\n    result = 0\n    for price in prices:\n        result += price",
    "arabic": "من فضلك، هل يمكنك أن تنظر في الفقرة الثانية؟ 🙂",
    "hostile": "<img src=x onerror=alert(1)> & \"quotes\" 'everywhere'",
}


@dataclass
class Visit:
    """What one page made the browser do."""

    responses: list[Response] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        return {response.url.split("/")[2] for response in self.responses}

    @property
    def weight(self) -> int:
        kinds = ("document", "stylesheet", "script", "image", "font")
        return sum(
            len(response.body())
            for response in self.responses
            if response.request.resource_type in kinds and not 300 <= response.status < 400
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a project whose first rounds have been played."""
    path = tmp_path_factory.mktemp("pages") / "project.db"
    with play(path) as project:
        tokens = {name: invite(project, name) for name in ("ana", "ben")}
    (path.parent / "tokens").write_text("\n".join(tokens.values()))
    with serving(path, "--no-learner", "--webhooks") as started:
        yield started


@contextmanager
def play(path: Path) -> Iterator[Project]:
    data = load("demo")
    texts = [*SPECIAL.items(), *((f"t{n}", text) for n, text in enumerate(data.pool_texts[:26]))]
    settings = ProjectSettings(
        encoder="tfidf", audit_size=8, audit_share=0.3, audit_labels=2, cost_per_label=0.12
    )
    rng = np.random.default_rng(0)
    with Project.create(
        path,
        texts=texts,
        classes=["unhappy", "happy"],
        name="Customer reviews",
        guidelines="Say how the customer feels about the product, not the delivery.\n\nIf in doubt, skip.",
        settings=settings,
    ) as project:
        for name in ("ana", "ben", "chidi"):
            project.people.add(name)
        for _ in range(3):
            for task in (
                task for name in ("ana", "ben", "chidi") for task in project.next_tasks(name, 8).tasks
            ):
                unhappy = any(word in task.text for word in ("not", "never", "broken", "Hate", "Sadly"))
                label = "unhappy" if unhappy != (rng.random() < 0.1) else "happy"
                project.submit(task, label, seconds=float(rng.gamma(4, 1.1)))
            project.refit()
        words = {"unhappy": ("not", "never", "broken"), "happy": ("love", "great", "good", "perfect")}
        project.machines.add("words", Keywords(words), made_by="olga")
        project.machines.add("words", Keywords({**words, "happy": ("the", "it")}), price=Price(answer=0.001))
        for version, limit in ((1, None), (2, 24)):
            project.machines.ask("words", version=version, limit=limit, options=AskOptions(budget=1.0))
        project.refit()
        project.people.add("dara", role=Role.REVIEWER)
        project.adjudicate("long", "happy", reviewer="dara", comment="Could be ironic.")
        project.flag("arabic", "Is Arabic meant to be in here?", annotator="ana")
        project.flag("code", "Is this a review?", annotator="ben")
        project.review.answer(2, "No, skip such texts.", by="dara")
        project.adjudicate(
            "hostile", "unhappy", reviewer="dara", comment="Markup is text.", fault=Fault.GUIDELINE
        )
        project.edit.reopen(["long"], by="dara")
        project.edit.keep_search("unsure", "state=disagreed")
        project.people.pause("chidi")
        project.pool.find_clusters(4)
        project.beliefs.keep()
        add_hook(project, "https://example.org/a/rather/long/path/where/events/are/received", [*Event])
        yield project


def watched(page: Page) -> list[Visit]:
    """Note all that a page does, in the last of the visits; nothing comes from the cache."""
    visits = [Visit()]
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.on("response", lambda response: visits[-1].responses.append(response))
    page.on("pageerror", lambda error: visits[-1].problems.append(str(error)))
    page.on("console", lambda line: visits[-1].problems.append(line.text) if line.type == "error" else None)
    return visits


def signed_in(browser: Browser, site: Site, token: str, **look: Any) -> BrowserContext:
    context = window(browser, **look)
    page = context.new_page()
    page.goto(f"{site.url}/join/{token}")
    page.close()
    return context


def looks(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=() if name in BRIEFLY else pytest.mark.long, id=name) for name in names]


@pytest.mark.parametrize("look", looks(LOOKS))
def test_pages_are_accessible_light_and_self_contained(browser: Browser, site: Site, look: str) -> None:
    context = signed_in(browser, site, TOKEN, **LOOKS[look])
    page = context.new_page()
    visits = watched(page)
    for name, path in PAGES.items():
        visit = Visit()
        visits.append(visit)
        page.goto(site.url + path)
        picture(page, f"{look}/{name}", full_page=True)
        if look in EXAMINED or name in ("label", "overview"):
            assert violations(page) == [], f"{name} in {look}"
        assert visit.hosts == {site.url.split("/")[2]}
        assert visit.weight < HEAVIEST, f"{name} has {visit.weight} bytes"
        unexpected = [problem for problem in visit.problems if "404" not in problem]
        assert unexpected == []
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= LOOKS[look]["viewport"]["width"], f"{name} in {look} is {width} pixels wide"
        assert cut_off(page) == [], f"{name} in {look}"
    context.close()


def cut_off(page: Page) -> list[str]:
    """Return what does not fit: tables wider than their panel, words larger than their button.

    A matrix of all people is as wide as they are many, and may be scrolled sideways.
    """
    cut: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main .table-scroll, main button, main .button')]
          .filter(at => !at.querySelector('.heat'))
          .filter(at => at.scrollWidth > at.clientWidth + 1 || at.scrollHeight > at.clientHeight + 1)
          .map(at => at.outerHTML.slice(0, 200))"""
    )
    return cut


@pytest.mark.parametrize("look", looks(EXAMINED))
def test_what_annotators_see(browser: Browser, site: Site, look: str) -> None:
    token = (site.project.parent / "tokens").read_text().split()[0]
    context = signed_in(browser, site, token, **LOOKS[look])
    page = context.new_page()
    page.goto(f"{site.url}/label")
    page.wait_for_selector("#labelling[data-ready]")
    for name, text in SPECIAL.items():
        show(page, text)
        picture(page, f"{look}/label-{name}")
    assert page.locator("#text img").count() == 0, "texts are text"
    for dialog in ("guidelines", "skipping", "flagging", "help"):
        page.keyboard.press({"guidelines": "g", "skipping": "s", "flagging": "f", "help": "?"}[dialog])
        expect(page.locator(f"#{dialog}")).to_be_visible()
        picture(page, f"{look}/dialog-{dialog}")
        assert violations(page) == [], dialog
        page.keyboard.press("Escape")
    page.locator("#recent-list button").first.click()
    expect(page.locator("#correction")).to_be_visible()
    picture(page, f"{look}/dialog-correction")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".menu summary").click()
    picture(page, f"{look}/menu")
    assert violations(page) == []
    page.locator(".menu summary").click()
    page.locator("#sheet").focus()
    context.set_offline(True)
    page.keyboard.press("1")
    expect(page.locator("#connection")).to_be_visible()
    picture(page, f"{look}/label-offline")
    assert violations(page) == []
    context.set_offline(False)
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    context.close()


def show(page: Page, text: str) -> None:
    """Put a text on the page in place of the one that is there, for a picture of it."""
    size = "code" if text.startswith("def") else "long" if len(text) > 900 else "short"
    page.evaluate(
        "([text, size]) => { const at = document.getElementById('text');"
        " at.textContent = text; at.className = `reading ${size}`; }",
        [text, size],
    )


def test_signing_in_and_setting_up(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "new.db", "--no-learner") as site:
        for look in ("desktop-light", "phone-arabic"):
            context = window(browser, **LOOKS[look])
            page = context.new_page()
            page.goto(f"{site.url}/manage")
            picture(page, f"{look}/sign-in")
            assert violations(page) == []
            page.locator("input[name=token]").fill(TOKEN)
            page.locator("main button").click()
            expect(page).to_have_url(f"{site.url}/setup")
            picture(page, f"{look}/setup")
            assert violations(page) == []
            table = "id,review,mood\n1,Works well,good\n2,كسر بعد يوم,bad\n"
            page.locator("input[type=file]").set_input_files(
                {"name": "reviews.csv", "mimeType": "text/csv", "buffer": table.encode()}
            )
            page.locator("main form button.primary").click()
            expect(page.locator("main")).to_contain_text("Works well")
            picture(page, f"{look}/setup-preview", full_page=True)
            assert violations(page) == []
            page.locator("textarea[name=classes]").fill("only one")
            page.locator("button[value=create]").click()
            expect(page.locator(".notice.bad")).to_contain_text(
                re.compile("at least two classes|فئتين على الأقل")
            )
            picture(page, f"{look}/setup-problem", full_page=True)
            assert violations(page) == []
            context.close()


def test_labelling_without_a_script(browser: Browser, site: Site) -> None:
    token = (site.project.parent / "tokens").read_text().split()[1]
    with Project.open(site.project) as project:
        before = project.people.get("ben")
        context = signed_in(browser, site, token, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.url}/label")
        text = page.locator("#text").inner_text()
        page.locator("button.class").first.click()
        expect(page.locator("#text")).not_to_have_text(text, use_inner_text=True)
        assert project.people.get("ben").n_annotations == before.n_annotations + 1
        assert project.reading.decisions("ben")[0].text == text
        page.locator("#undo-button").click()
        expect(page.locator("#text")).to_have_text(text, use_inner_text=True)
        assert project.people.get("ben").n_annotations == before.n_annotations
        page.locator("button[formaction='/label/skip']").click()
        expect(page.locator("#text")).not_to_have_text(text, use_inner_text=True)
        assert project.people.get("ben").n_skips == before.n_skips + 1
        context.close()


def test_the_inbox_decides_one_after_the_other_by_key_and_takes_it_back(browser: Browser, site: Site) -> None:
    with Project.open(site.project) as project:
        context = signed_in(browser, site, TOKEN, **LOOKS["desktop-light"])
        page = context.new_page()
        page.goto(f"{site.url}/manage/review")
        listed = [link.get_attribute("href") for link in page.locator(".waiting li a").all()[:4]]
        shown = page.locator(".reading")
        doubted = []
        for key in ("1", "n", "2"):
            doubted.append(shown.inner_text())
            page.wait_for_timeout(300)  # a key pressed at once is none: nobody has read the text
            page.keyboard.press(key)
            expect(shown).not_to_have_text(doubted[-1], use_inner_text=True)
        assert listed[0] != listed[1]
        assert violations(page) == []
        picture(page, "desktop-light/review-decided", full_page=True)
        page.wait_for_timeout(300)
        page.keyboard.press("u")
        expect(shown).to_have_text(doubted[2], use_inner_text=True)
        page.locator("input[name=comment]").fill("n1")
        page.keyboard.press("Escape")
        page.wait_for_timeout(300)
        page.keyboard.press("g")
        expect(page.locator("input[value=guideline]")).to_be_checked()
        page.keyboard.press("2")
        expect(shown).not_to_have_text(doubted[2], use_inner_text=True)
        decided = {(row.text, row.label) for row in project.reading.decisions("owner", 5)}
        assert decided == {(doubted[0], "unhappy"), (doubted[2], "happy")}
        case = project.review.cases()[0]  # the latest
        assert (case.text, case.comment, case.fault) == (doubted[2], "n1", "guideline")
        context.close()


def test_a_page_hears_of_a_label_without_being_loaded_again(browser: Browser, site: Site) -> None:
    with Project.open(site.project) as project:
        context = signed_in(browser, site, TOKEN, **LOOKS["desktop-light"])
        page = context.new_page()
        with page.expect_request("**/manage/events"):
            page.goto(f"{site.url}/manage")
        page.evaluate("document.body.dataset.loaded = 'once'")
        stats = page.locator("dl.stats")
        before = stats.inner_text()
        open_text = project.reading.queue(1)[0].text_id
        project.people.add("eve")
        project.submit(open_text, "happy", annotator="eve")
        expect(stats).not_to_have_text(before, use_inner_text=True)
        assert page.evaluate("document.body.dataset.loaded") == "once"
        context.close()


def test_a_review_needs_no_script(browser: Browser, site: Site) -> None:
    context = signed_in(browser, site, TOKEN, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/manage/review")
    shown = page.locator(".reading")
    text = shown.inner_text()
    page.get_by_role("link", name="Next without deciding").click()
    expect(shown).not_to_have_text(text, use_inner_text=True)
    second = shown.inner_text()
    page.locator("button.class").first.click()
    expect(shown).not_to_have_text(second, use_inner_text=True)
    expect(page.get_by_role("status")).to_contain_text("Your decision is stored.")
    page.get_by_role("button", name="Undo").click()
    expect(shown).to_have_text(second, use_inner_text=True)
    context.close()


def test_texts_are_selected_with_shift_changed_and_changed_back(browser: Browser, site: Site) -> None:
    with Project.open(site.project) as project:
        context = signed_in(browser, site, TOKEN, **LOOKS["desktop-light"])
        page = context.new_page()
        page.goto(f"{site.url}/manage/texts?q=t")
        boxes = page.locator(".select")
        boxes.nth(1).click()
        boxes.nth(4).click(modifiers=["Shift"])
        assert [boxes.nth(n).is_checked() for n in range(6)] == [False, True, True, True, True, False]
        chosen = [boxes.nth(n).get_attribute("value") or "" for n in range(1, 5)]
        expect(page.locator("input[name=labels]")).to_be_hidden()
        page.locator("select[name=act]").select_option("reopen")
        expect(page.locator("input[name=labels]")).to_be_visible()
        assert violations(page) == []
        picture(page, "desktop-light/texts-selected", full_page=True)
        before = project.status().texts
        page.locator("select[name=act]").select_option("delete")
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_role("status")).to_contain_text("Deleted texts, with their labels: 4")
        assert project.status().texts == before - 4
        assert violations(page) == []
        picture(page, "desktop-light/texts-deleted", full_page=True)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(f"input.select[value='{chosen[0]}']")).to_be_visible()
        assert project.status().texts == before
        page.locator("[data-page]").click()
        assert all(box.is_checked() for box in boxes.all())
        page.keyboard.press("?")
        expect(page).to_have_url(f"{site.url}/help")
        context.close()


def test_many_classes_and_suggestions(browser: Browser, tmp_path: Path) -> None:
    classes = [
        *(f"class {n}" for n in range(1, 40)),
        "class 40, whose name takes several lines of its button",
    ]
    texts = [f"text that speaks of {name}" for name in classes]
    settings = ProjectSettings(encoder="tfidf", audit_size=0, suggestions=True)
    with Project.create(tmp_path / "many.db", texts=texts, classes=classes, settings=settings) as project:
        for task in project.next_tasks("ana", 20).tasks:
            project.submit(task, task.text.removeprefix("text that speaks of "))
        project.refit()
        token = invite(project, "ana")
        with serving(tmp_path / "many.db", "--no-learner") as site:
            context = signed_in(browser, site, token, **LOOKS["desktop-light"])
            page = context.new_page()
            page.goto(f"{site.url}/label")
            page.wait_for_selector("#labelling[data-ready]")
            expect(page.locator("#suggestion")).to_contain_text("The model suggests class")
            picture(page, "desktop-light/label-many-classes")
            assert violations(page) == []
            assert cut_off(page) == []
            page.keyboard.type("class 11")
            expect(page.locator(".classes .class:visible")).to_have_count(1)
            label_and_expect(page, "Enter", "class 11")
            page.keyboard.type("class 37")
            expect(page.locator(".classes .class:visible")).to_have_count(1)
            label_and_expect(page, "Enter", "class 37")
            expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
            assert [decision.label for decision in project.reading.decisions("ana", 2)] == [
                "class 37",
                "class 11",
            ]
            context.close()


def test_two_tabs_share_the_texts_and_the_answers(browser: Browser, site: Site) -> None:
    token = (site.project.parent / "tokens").read_text().split()[1]
    with Project.open(site.project) as project:
        before = project.people.get("ben").n_annotations
        context = signed_in(browser, site, token, locale="en-GB")
        tabs = [context.new_page(), context.new_page()]
        for page in tabs:
            page.goto(f"{site.url}/label")
            page.wait_for_selector("#labelling[data-ready]")
        first, second = tabs
        text = first.locator("#text").inner_text()
        assert second.locator("#text").inner_text() == text
        label_and_expect(first, "1", "unhappy")
        expect(second.locator("#text")).not_to_have_text(text, use_inner_text=True)
        context.set_offline(True)
        for page in tabs:
            label_and_expect(page, "2", "happy")
            expect(page.locator("#connection")).to_be_visible()
        for page in tabs:
            page.close()
        context.set_offline(False)
        page = context.new_page()
        page.goto(f"{site.url}/label")
        expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
        assert project.people.get("ben").n_annotations == before + 3
        assert [one.label for one in project.reading.decisions("ben", 3)] == ["happy", "happy", "unhappy"]
        context.close()


def test_each_text_is_read_out_though_the_focus_stays(browser: Browser, site: Site) -> None:
    token = (site.project.parent / "tokens").read_text().split()[0]
    context = signed_in(browser, site, token, locale="en-GB")
    page = context.new_page()
    page.goto(f"{site.url}/label")
    page.wait_for_selector("#labelling[data-ready]")
    text = page.locator("#text").inner_text()
    page.wait_for_timeout(200)
    page.keyboard.press("1")
    expect(page.locator("#text")).not_to_have_text(text, use_inner_text=True)
    expect(page.locator("#announcement")).to_have_text(
        f"Labelled unhappy. {page.locator('#text').inner_text()}", use_inner_text=True
    )
    page.keyboard.press("u")
    expect(page.locator("#announcement")).to_contain_text(f"Here is the text again. {text}")
    expect(page.locator("#labelling")).to_have_attribute("data-unsent", "0")
    context.close()


def label_and_expect(page: Page, key: str, label: str) -> None:
    page.wait_for_timeout(200)
    page.keyboard.press(key)
    expect(page.locator("#recent-list .given").first).to_have_text(label)


def test_time_on_task_stops_while_the_page_is_hidden(browser: Browser, site: Site) -> None:
    token = (site.project.parent / "tokens").read_text().split()[0]
    context = signed_in(browser, site, token, locale="en-GB")
    page = context.new_page()
    page.clock.install()
    page.goto(f"{site.url}/label")
    page.wait_for_selector("#labelling[data-ready]")
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    page.clock.fast_forward(3_600_000)
    page.evaluate(hide, False)
    page.clock.fast_forward(2_000)
    with page.expect_response("**/api/v1/annotations") as answered:
        page.keyboard.press("2")
    seconds = json.loads(answered.value.request.post_data or "{}")["seconds"]
    assert 2 <= seconds < 3600
    context.close()
