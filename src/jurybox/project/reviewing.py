"""Reviewing: decisions taken back, cases for the guidelines, remarks answered and settled."""

from __future__ import annotations

from jurybox.project.handle import ProjectPart
from jurybox.store import decisions, loans, people, remarks
from jurybox.store.checks import storable
from jurybox.store.records import Fault, Flag
from jurybox.store.remarks import Case


class Reviewing(ProjectPart):
    """What reviewers do besides deciding (`Project.adjudicate`), and what they say to annotators."""

    def undo(self, reviewer: str, text_id: str) -> None:
        """Take one of a reviewer's last ten decisions back; the text wants what it wanted before.

        Raises
        ------
        NotFoundError, ConflictError
            As `Project.undo`.
        """
        with self.store.act() as connection:
            decisions.undo(connection, reviewer, text_id, key=None, direct=False, now=self._clock())
            holder = people.lock_annotator(connection, reviewer)
            loans.give_back(connection, holder.id, loans.find_text(connection, text_id))

    def decided(self) -> set[str]:
        """Return the ids of the texts that reviewers and owners have decided."""
        with self.store.read() as connection:
            return remarks.read_decided(connection)

    def cases(self, fault: Fault | None = None) -> list[Case]:
        """Return the decisions that say why others were wrong, the latest first.

        Parameters
        ----------
        fault
            Only those of this kind; None: all. What was unclear in the guidelines wants a line there.
        """
        with self.store.read() as connection:
            return remarks.read_cases(connection, fault)

    def flags(self, *, text_id: str | None = None, annotator: str | None = None) -> list[Flag]:
        """Return all remarks of annotators, or some: open ones first, the latest first."""
        with self.store.read() as connection:
            return remarks.read_flags(connection, text_id=text_id, annotator=annotator)

    def answer(self, number: int, answer: str, *, by: str) -> None:
        """Answer a remark, which settles it; its author reads that beside the guidelines.

        Raises
        ------
        NotFoundError
            If there is no such remark; so in `resolve`.
        InputError
            If the answer is empty.
        """
        storable(answer, "answer", empty=False)
        with self.store.write() as connection:
            remarks.answer_flag(connection, number, answer, by=by, now=self._clock())

    def resolve(self, number: int, resolved: bool = True) -> None:
        """Settle a remark without an answer, or open it again."""
        with self.store.write() as connection:
            remarks.resolve_flag(connection, number, resolved, now=self._clock())
