"""Rounds: refit on what is there, publish the ranking."""

from __future__ import annotations

from jurybox.project.handle import Handle
from jurybox.store import rounds
from jurybox.store.records import RoundInfo

__all__ = ["Rounds"]


class Rounds(Handle):
    """Plays rounds and remembers them."""

    def rounds(self) -> list[RoundInfo]:
        """Return the rounds that were published, in order."""
        with self.store.read() as connection:
            return rounds.read_rounds(connection)
