"""With what: settings in full, and versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project

__all__ = ["Environment", "describe_environment"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "sqlalchemy", "transformers", "torch")


@dataclass(frozen=True)
class Environment:
    """What figures depend on besides the labels.

    Attributes
    ----------
    settings
        All settings that hold now, the seed of everything random among them.
    versions
        Of Python, jurybox and the packages that compute, as installed where this was written.
    system
        Of the machine that this was written on.
    encoder, encoder_reason, classifier
        As really used by the last round; None before the first. The encoder is None, too, where the
        classifier takes texts.
    """

    settings: Mapping[str, object]
    versions: Mapping[str, str]
    system: str
    encoder: str | None
    encoder_reason: str | None
    classifier: str | None


def describe_environment(project: Project, _view: View) -> Environment:
    """Return settings and versions."""
    played = project.rounds()
    made = played[-1].diagnostics if played else {}
    encoder, reason, classifier = (made.get(name) for name in ("encoder", "encoder_reason", "classifier"))
    return Environment(
        settings=project.settings.to_dict(),
        versions=_versions(),
        system=f"{platform.system()} {platform.machine()}",
        encoder=None if encoder is None else str(encoder),
        encoder_reason=None if reason is None else str(reason),
        classifier=None if classifier is None else str(classifier),
    )


def _versions() -> dict[str, str]:
    from jurybox import __version__

    found = {"jurybox": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
