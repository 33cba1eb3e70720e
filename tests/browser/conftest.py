"""A real browser, and real servers for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "screenshots" if os.environ.get("JURYBOX_PICTURES") else None
"""Where pictures of the pages go for people to look at; taking them costs a fifth of the time."""

AXE = Axe()
PATIENCE = 240_000
"""Milliseconds for anything that a page does: a busy machine is no fault, and pytest ends what hangs."""

expect.set_options(timeout=PATIENCE)

TOKEN = "the-owner-of-these-tests"  # noqa: S105


@dataclass(frozen=True)
class Site:
    """A running server: where it is and its project is stored, and the link that signs the owner in once."""

    url: str
    project: Path
    owner_link: str


@contextmanager
def serving(project: Path | str, *options: str, folder: Path | None = None) -> Iterator[Site]:
    """Run ``jurybox serve`` as people do, on a free port; of a database, the log is in the folder."""
    command = [sys.executable, "-m", "jurybox", "serve", str(project), *options]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUNBUFFERED": "1",
        "JURYBOX_TOKEN": TOKEN,
        "OMP_NUM_THREADS": "1",
    }
    log = (folder or Path(project).parent) / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=output, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "/join/" in line:
                link = next(word for word in line.split() if "/join/" in word)
                url = link.split("/join/")[0]
                yield Site(url, Path(project), link)
                break
        else:
            pytest.fail(f"the server did not start:\n{log.read_text()}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def window(browser: Browser, **look: Any) -> BrowserContext:
    """Open a window of its own: cookies, size, language."""
    context = browser.new_context(**look)
    context.set_default_timeout(PATIENCE)
    return context


def picture(page: Page, name: str, **options: Any) -> None:
    """Take a picture of a page, if anyone will look at it."""
    if PICTURES is not None:
        path = PICTURES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, **options)


def violations(page: Page) -> list[str]:
    """Return what makes a page hard to use, as far as axe can tell."""
    found = AXE.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if program is None:
        pytest.skip("there is no Chromium; `make browser` installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield started
        started.close()
