"""What is imported when: the budget of ``--help``, a lazy package, and hints that can be looked up."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Iterator

import pytest

import jurybox

HEAVY = ("numpy", "pandas", "scipy", "sklearn", "torch", "sqlalchemy", "fastapi", "pyarrow")


def loaded_by(code: str) -> set[str]:
    """Return which heavy packages a process has loaded after running some code."""
    program = f"import sys\n{code}\nprint(*(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(argument: str) -> None:
    code = "from jurybox.cli.app import app\nfrom jurybox.cli.app import run\nrun(app, [{!r}])"
    assert loaded_by(code.format(argument)) == set()


def test_the_package_is_lazy_and_shows_its_public_names_alone() -> None:
    assert loaded_by("import jurybox; dir(jurybox)") == set()
    assert dir(jurybox) == sorted(jurybox.__all__)
    for name in jurybox.__all__:
        assert getattr(jurybox, name) is not None
    assert callable(jurybox.simulate), "no module of the same name stands in its way"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        jurybox.nonsense  # noqa: B018


UNLISTED = tuple(f"jurybox.{name}" for name in ("store", "project", "report", "web", "client", "learner"))


def public_functions() -> Iterator[tuple[str, object]]:
    """Walk over functions and methods that modules offer; commands are nobody's to call."""
    for found in pkgutil.walk_packages(jurybox.__path__, "jurybox."):
        if found.name.endswith("__main__") or ".migrations" in found.name or ".cli" in found.name:
            continue
        module = importlib.import_module(found.name)
        unlisted = [name for name in vars(module) if not name.startswith("_")]
        for name in getattr(module, "__all__", unlisted if found.name.startswith(UNLISTED) else ()):
            thing = getattr(module, name)
            if getattr(thing, "__module__", found.name) != found.name:
                continue
            if inspect.isfunction(thing):
                yield f"{found.name}.{name}", thing
            elif inspect.isclass(thing) and thing.__module__ == found.name:
                for method, function in vars(thing).items():
                    written = (
                        inspect.isfunction(function) and function.__code__.co_filename == module.__file__
                    )
                    if written and not method.startswith("_"):
                        yield f"{found.name}.{name}.{method}", function


@pytest.mark.slow
def test_hints_of_public_functions_can_be_looked_up() -> None:
    failed = []
    for name, function in public_functions():
        try:
            typing.get_type_hints(function)
        except NameError as error:
            failed.append(f"{name}: {error}")
    assert failed == []
