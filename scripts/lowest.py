"""Print the lowest version of each package that a plain installation asks for, as pip's constraints."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def lowest(requirement: str) -> str:
    """Return a requirement pinned to its lower bound.

    Examples
    --------
    >>> lowest("scikit-learn>=1.4,<2")
    'scikit-learn==1.4'
    """
    return re.sub(r"^([\w.-]+)(?:\[.*\])?>=([\w.]+).*$", r"\1==\2", requirement)


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.write("\n".join(map(lowest, project["dependencies"])) + "\n")
