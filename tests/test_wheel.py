"""What strangers get: the wheel in an empty environment, in an empty folder, without this repository.

It takes minutes, for it installs everything anew: `make test-long`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from test_readme import README, blocks

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = {"en": "ltr", "de": "ltr", "es": "ltr", "ar": "rtl"}
WATCH = """
import os, sys

def watch(event, values):
    if event != "socket.connect" or not isinstance(values[1], tuple):
        return
    if not values[1][0].startswith(("127.", "::1")):
        with open(os.environ["JURYBOX_WATCHED"], "a") as file:
            print(*sys.argv, values[1], file=file)

if "JURYBOX_WATCHED" in os.environ:
    sys.addaudithook(watch)
"""
"""Written down is every connection to another machine."""


class Installed:
    """An environment with nothing but the wheel and what it needs, and a folder to work in."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin, self.work, self.watched = folder / "env" / "bin", folder / "work", folder / "connections"
        self.wheel = wheel
        self.work.mkdir()
        subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
        install = [str(self.bin / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)
        (site,) = (folder / "env" / "lib").glob("python*/site-packages")
        (site / "sitecustomize.py").write_text(WATCH, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """What a stranger's shell has, and where connections are written down."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{self.bin}:/usr/bin:/bin"
        return {**kept, "PATH": path, "COLUMNS": "120", "JURYBOX_WATCHED": str(self.watched)}

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command as it is written, and return what it printed."""
        done = subprocess.run(  # noqa: S602
            command,
            shell=True,
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert bool(done.returncode) == fails, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @contextmanager
    def serving(self, project: str) -> Iterator[tuple[httpx.Client, str]]:
        """Serve a project; a client, and the link that signs the owner in."""
        command = [str(self.bin / "jurybox"), "serve", project, "--port", "0"]
        with subprocess.Popen(
            command,
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as server:
            assert server.stdout is not None
            links = (
                found[0] for line in server.stdout if (found := re.findall(r"https?://\S+/join/\S+", line))
            )
            link = next(links)
            try:
                with httpx.Client(
                    base_url=link.partition("/join/")[0], follow_redirects=True, timeout=60
                ) as client:
                    yield client, link
            finally:
                server.terminate()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], check=True)
    check = Path(sys.executable).with_name("check-wheel-contents")
    subprocess.run([str(check), str(wheel)], check=True)
    return Installed(folder, wheel)


def test_the_wheel_has_what_pages_need_and_no_tests(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
    for language in LANGUAGES:
        assert f"jurybox/web/i18n/{language}.json" in names
    assert any(name.endswith(".html") for name in names)
    assert "jurybox/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_the_readme_holds_for_a_stranger(installed: Installed) -> None:
    (example,) = blocks(README, "python")
    (installed.work / "ten_lines.py").write_text(example, encoding="utf-8")
    printed = installed.run("python ten_lines.py").splitlines()
    assert len(printed) == len(re.findall(r"print\(.*\)  # ", example))
    start = next(block for block in blocks(README) if block.startswith("jurybox init"))
    init, serve = (part.strip() for part in start.split("&&"))
    (installed.work / "reviews.csv").write_text("text\nlovely\nawful\n", encoding="utf-8")
    installed.run(init)
    with installed.serving(shlex.split(serve)[2]) as (client, link):
        assert client.get(link).status_code == 200
        for language, direction in LANGUAGES.items():
            page = client.get("/manage", headers={"Accept-Language": language}).text
            assert f'lang="{language}"' in page
            assert ('dir="rtl"' in page) == (direction == "rtl")
        assert client.get("/healthz").json()["status"] == "ready"
    installed.run("jurybox report reviews.db report.html")
    assert (installed.work / "report.html").stat().st_size > 1_000
    assert not installed.watched.exists(), installed.watched.read_text()


def test_the_demo_speaks_with_nobody(installed: Installed) -> None:
    printed = installed.run("jurybox demo --no-serve")
    assert "jurybox" in printed
    assert not installed.watched.exists(), installed.watched.read_text()


def test_what_is_missing_is_said(installed: Installed) -> None:
    assert "pip install 'jurybox[postgres]'" in installed.run("jurybox status postgresql://h/d", fails=True)
