"""Single keys from a terminal."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["line_mode", "read_key", "single_keys"]

_END_OF_INPUT = "\x04"


@contextmanager
def single_keys() -> Iterator[None]:
    """Deliver keys as they are pressed, without showing them, until the end of the block.

    The mode is set once and pending keys are kept, so that nothing is lost of what is typed ahead.
    """
    try:
        import termios
        import tty
    except ImportError:  # Windows, where typer.getchar does all of this
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def line_mode() -> Iterator[None]:
    """Edit lines as usual within `single_keys`, until the end of the block."""
    try:
        import termios
    except ImportError:
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    usual = termios.tcgetattr(terminal)
    usual[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(terminal, termios.TCSADRAIN, usual)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def read_key() -> str:
    """Wait for a key; what arrows and their kin send is an empty text.

    Raises
    ------
    EOFError
        On Ctrl-D, or when the terminal has gone.
    """
    if os.name == "nt":
        return typer.getchar()
    terminal = sys.stdin.fileno()
    key = os.read(terminal, 1)
    if not key or key == _END_OF_INPUT.encode():
        raise EOFError
    if key == b"\x1b":
        _skip_sequence(terminal)
        return ""
    return key.decode("ascii", errors="ignore")


def _skip_sequence(terminal: int) -> None:
    """Read the rest of what an arrow or a function key sends: ``[`` or ``O``, numbers, a letter."""
    if not select.select([terminal], [], [], 0)[0] or os.read(terminal, 1) not in (b"[", b"O"):
        return
    while select.select([terminal], [], [], 0)[0] and not b"@" <= os.read(terminal, 1) <= b"~":
        continue
