"""Take the pictures of `docs/gallery.md`: the pages of the demo project, in Chromium.

Run with ``python scripts/gallery.py``. The project is made anew, by simulated annotators with seed 0, and
served; pictures are reduced to 256 colours, which no eye misses on a page of text.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from browser.conftest import TOKEN, serving, window  # noqa: E402
from jurybox.cli.demo_project import make_demo_project  # noqa: E402
from jurybox.datasets import load  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from playwright.sync_api import Browser, Page

WIDE = {"viewport": {"width": 1120, "height": 720}}
TALL = {"viewport": {"width": 1120, "height": 1180}}
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
PICTURES = {
    "label": ("/label", WIDE),
    "label-phone": ("/label", {**PHONE, "color_scheme": "dark"}),
    "overview": ("/manage", TALL),
    "trust": ("/manage/trust", TALL),
    "people": ("/manage/people", TALL),
    "inbox": ("/manage/review", WIDE),
    "texts": ("/manage/texts", WIDE),
}


def main() -> None:
    """Make the project, serve it and take every picture."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("there is no Chromium; `make browser` installs it")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "demo.db"
        make_demo_project(load("demo"), project, encoder="tfidf")
        with serving(project) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            wait_for_the_learner(browser, site.url)
            for name, (path, look) in PICTURES.items():
                take(browser, site.url, path, look, ROOT / "docs" / "images" / f"{name}.png")
            browser.close()


def wait_for_the_learner(browser: Browser, url: str) -> None:
    """Wait until what pages show is from the labels that there are."""
    page = signed_in(browser, url, WIDE)
    while "being refreshed" in (text := page.inner_text("main")) or "changed since" in text:
        page.wait_for_timeout(1000)
        page.goto(f"{url}/manage/trust")
    page.context.close()


def take(browser: Browser, url: str, path: str, look: Mapping[str, Any], to: Path) -> None:
    """Take a picture of a page as its owner sees it, who has read the guidelines."""
    page = signed_in(browser, url, look)
    page.goto(url + path)
    page.keyboard.press("Escape")
    page.mouse.click(5, 300)  # nothing has the focus
    shot = Image.open(BytesIO(page.screenshot()))
    shot.convert("RGB").quantize(256).save(to, optimize=True)
    page.context.close()


def signed_in(browser: Browser, url: str, look: Mapping[str, Any]) -> Page:
    """Return a page of the owner's."""
    context = window(browser, reduced_motion="reduce", device_scale_factor=1.5, locale="en-GB", **look)
    page = context.new_page()
    page.goto(f"{url}/join/{TOKEN}")
    page.goto(f"{url}/manage/trust")
    return page


if __name__ == "__main__":
    main()
