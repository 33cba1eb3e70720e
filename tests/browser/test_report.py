"""The report as it is read and printed: without a network, by everyone, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from browser.conftest import PICTURES, picture, violations, window
from jurybox import Project
from jurybox.report import gather, write_report
from support.report import make_project

pytestmark = pytest.mark.slow

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "desktop-light": {"viewport": {"width": 1280, "height": 900}},
    "desktop-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone-light": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "color_scheme": "dark"},
}
EXAMINED = ("desktop-light", "phone-dark")
"""Looks in which `make test` examines the report for accessibility: both sets of colours, both widths."""

PRINTED = (658, 960)
"""What is left of A4 between the margins, in pixels."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    make_project(path / "mails.db")
    with Project.open(path / "mails.db") as project:
        return write_report(gather(project), path / "report.html")


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = window(browser, **LOOKS[getattr(request, "param", "desktop-light")])
    context.set_offline(True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("page", "look"),
    [pytest.param(look, look, marks=() if look in EXAMINED else pytest.mark.long) for look in LOOKS],
    indirect=["page"],
)
def test_the_report_is_accessible_and_needs_no_network(page: Page, look: str, report: Path) -> None:
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    page.goto(report.as_uri())
    assert asked == [report.as_uri()]
    assert problems == []
    picture(page, f"report/{look}", full_page=True)
    if look in EXAMINED:
        assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= LOOKS[look]["viewport"]["width"]
    for link in page.locator("nav a").all():
        link.click()
        target = page.locator(str(link.get_attribute("href")))
        assert target.evaluate("node => Math.abs(node.getBoundingClientRect().top)") < 900


def test_the_report_prints_without_clipping(page: Page, report: Path) -> None:
    page.set_viewport_size({"width": PRINTED[0], "height": PRINTED[1]})
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    clipped = page.evaluate(
        """width => [...document.querySelectorAll('table, svg, pre, .quote, dl, p')]
          .filter(node => node.getBoundingClientRect().right > width + 1)
          .map(node => node.outerHTML.slice(0, 120))""",
        PRINTED[0],
    )
    assert clipped == []
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    pdf = page.pdf(path=PICTURES and PICTURES / "report" / "report.pdf", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 6 <= pages <= 16
    boxes = {
        tuple(float(side) for side in box.split()) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)
    }
    assert {(round(width), round(height)) for _, _, width, height in boxes} == {(595, 842)}, "A4"


def test_dark_screens_print_black_on_white(browser: Browser, report: Path) -> None:
    context = window(browser, color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    context.close()
