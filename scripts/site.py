"""Pages of the site that are generated: the reference of every public name, commands, REST, notebooks.

mkdocs calls `on_files` and `on_page_markdown` (``hooks`` in ``mkdocs.yml``); nothing is written into the
repository.
"""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOT_FOR_READERS = (
    "jurybox.cli",
    "jurybox.web",
    "jurybox.store.migrations",
    "jurybox.__main__",
    "jurybox.report",
)
WITHOUT_LISTS = ("jurybox.store", "jurybox.project", "jurybox.client", "jurybox.learner", "jurybox.wire")


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    pages = {"reference/api.md": api(), "reference/cli.md": commands(), "reference/rest.md": rest()}
    pages.update(
        {f"notebooks/{path.stem}.md": notebook(path) for path in sorted((DOCS / "notebooks").glob("*.ipynb"))}
    )
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Name the files of the repository that pages link to; one that is missing is an error of the build."""
    text, missing = inside(markdown, page.file.src_uri)
    for target in missing:
        logging.getLogger("mkdocs.hooks.site").warning("%s: there is no %s", page.file.src_uri, target)
    return text


def inside(markdown: str, place: str) -> tuple[str, list[str]]:
    """Return a page with links out of ``docs`` as names of files, and those of them that do not exist."""
    missing = []

    def named(link: re.Match[str]) -> str:
        target = (DOCS / place).parent.joinpath(link[2]).resolve()
        if target.is_relative_to(DOCS):
            return link[0]
        if not target.exists():
            missing.append(link[2])
        name = target.relative_to(DOCS.parent) if target.is_relative_to(DOCS.parent) else Path(target.name)
        return f"`{name}`" if link[1].strip("`") in (str(name), name.name) else f"{link[1]} (`{name}`)"

    return re.sub(r"\[([^\]]*)\]\((\.\.[^)#\s]*)(?:#[^)\s]*)?\)", named, markdown), missing


def offered(module: str) -> list[str]:
    """Name what a module offers: what it lists, or, in a project and its store, all that is not private."""
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__all__") or not module.startswith(WITHOUT_LISTS):
        return list(getattr(loaded, "__all__", ()))
    return [
        name
        for name, thing in vars(loaded).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module
    ]


def public_modules() -> Iterator[str]:
    """Name the modules that people import from."""
    import jurybox

    for found in pkgutil.walk_packages(jurybox.__path__, "jurybox."):
        if not found.name.startswith(NOT_FOR_READERS) and offered(found.name):
            yield found.name


def api() -> str:
    """Return the reference of every public name, those of ``jurybox`` itself first."""
    import jurybox

    homes = {module: offered(module) for module in public_modules()}
    first = [f"`jb.{name}`" for name in jurybox.__all__]
    parts = ["# Python\n", "What `import jurybox as jb` offers: " + ", ".join(first) + ".\n"]
    for module, names in homes.items():
        own = [
            name
            for name in names
            if getattr(getattr(importlib.import_module(module), name), "__module__", module) == module
        ]
        if own:
            members = "".join(f"        - {name}\n" for name in own)
            parts.append(
                f"## {module}\n\n::: {module}\n    options:\n      show_root_heading: false\n      "
                f"members:\n{members}"
            )
    return "\n".join(parts)


def commands() -> str:
    """Return the help of every command, as ``--help`` says it."""
    import click
    from typer.main import get_command

    from jurybox.cli.app import app

    def walk(command: Any, name: str) -> Iterator[str]:
        context = click.Context(command, info_name=name)
        yield f"## {name}\n\n```text\n{command.get_usage(context)}\n\n{(command.help or '').strip()}\n"
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record is not None:
                yield f"\n  {record[0]}\n      {record[1]}"
        yield "\n```\n"
        for child, held in sorted(getattr(command, "commands", {}).items()):
            yield from walk(held, f"{name} {child}")

    return "# Command line\n\n" + "\n".join(walk(get_command(app), "jurybox"))


def rest() -> str:
    """Return every route of the REST interface: what it does, takes and answers."""
    from jurybox.web.app import document

    parts = ["# REST\n", "The machine-readable document is at `/api/v1/openapi.json` of every server.\n"]
    for path, methods in document()["paths"].items():
        for method, route in methods.items():
            parts.append(
                f"## `{method.upper()} {path}`\n\n{route.get('summary', '')}. "
                f"{route.get('description', '')}\n"
            )
            rows = [
                f"| `{taken['name']}` | {taken['in']} | {'yes' if taken.get('required') else 'no'} | "
                f"{taken.get('description', '')} |"
                for taken in route.get("parameters", ())
            ]
            if rows:
                parts.append("| parameter | in | needed | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
            answers = ", ".join(
                f"{code}: {said.get('description', '')}" for code, said in route["responses"].items()
            )
            parts.append(f"Answers: {answers}\n")
    return "\n".join(parts)


def notebook(path: Path) -> str:
    """Return a notebook as a page: text, code, and what it printed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if output["output_type"] == "stream":
                parts.append("```text\n" + "".join(output["text"]) + "```")
            elif "text/html" in data:
                parts.append("<div>" + "".join(data["text/html"]) + "</div>")
            elif "image/svg+xml" in data:
                parts.append("".join(data["image/svg+xml"]))
            elif "text/plain" in data:
                parts.append("```text\n" + "".join(data["text/plain"]) + "\n```")
    return "\n\n".join(parts) + "\n"
