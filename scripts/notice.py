"""Write NOTICE: what jurybox installs beside itself, with the licence that each package names.

    python scripts/notice.py            in an environment with all extras, such as make test's

Nothing of these packages is part of jurybox; `pip` fetches them from where their authors publish them.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("dev", "fuzz")
"""Extras for those who build jurybox."""

_HEAD = """jurybox
Copyright The jurybox maintainers. Apache License 2.0, see LICENSE.

Written by scripts/notice.py. Not part of jurybox, but installed with it or with one of its extras, each under
the licence that its authors name:

"""


def needed(name: str) -> dict[str, set[str]]:
    """Return all packages that one asks for, directly or through others, with the extras that bring them."""
    found: dict[str, set[str]] = {}
    extras = set(metadata(name).get_all("Provides-Extra") or ()) - set(OURS)
    for extra in ("", *sorted(extras)):
        _follow(name, extra, extra, found, set())
    return found


def _follow(
    name: str, extra: str, label: str, found: dict[str, set[str]], seen: set[tuple[str, str]]
) -> None:
    from packaging.requirements import Requirement

    if (name, extra) in seen:
        return
    seen.add((name, extra))
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        package = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if package != "jurybox":
            found.setdefault(package, set()).add(label)
        for wanted in requirement.extras or {""}:
            _follow(package, wanted, label, found, seen)


def licence(package: Distribution) -> str:
    """Return the licence in a few words, as the package states it."""
    about = package.metadata
    stated = about.get("License-Expression") or ""
    if not stated:
        classifiers = [value for value in about.get_all("Classifier") or () if value.startswith("License ::")]
        stated = "; ".join(value.rpartition(" :: ")[2] for value in classifiers)
    first = (about.get("License") or "").strip().split("\n")[0][:60]
    return stated or first or "not stated: see the package"


def lines() -> list[str]:
    """Return a line for each package."""
    out = []
    for package, extras in sorted(needed("jurybox").items()):
        by = "" if "" in extras else f" [{', '.join(sorted(extras))}]"
        try:
            out.append(f"{package}{by}: {licence(distribution(package))}")
        except PackageNotFoundError:
            out.append(f"{package}{by}: not installed where this was written")
    return out


if __name__ == "__main__":
    (ROOT / "NOTICE").write_text(_HEAD + "\n".join(lines()) + "\n", encoding="utf-8")
