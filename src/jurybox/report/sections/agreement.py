"""How far annotators agree, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.project.origins import Agreements

__all__ = ["describe_agreement"]


def describe_agreement(project: Project, _view: View) -> Agreements:
    """Return the coefficients over all texts, and over those drawn by chance."""
    return project.agreement()
