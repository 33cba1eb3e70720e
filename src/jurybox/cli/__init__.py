"""The command line: a thin skin over the library.

Every module here is imported for ``jurybox --help``, so what is heavy is imported inside of the commands.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the arguments of this process name, and exit."""
    from jurybox.cli.app import app, run

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(app, sys.argv[1:]))
