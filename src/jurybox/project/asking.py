"""Asking one machine: what is sent, written and paid, and when to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError
from jurybox.machines import LanguageModel, MachineAnswer
from jurybox.machines.parts import AnswerPart, parts_of, refuse_unknown
from jurybox.machines.records import asked_of
from jurybox.machines.rules import answer_of
from jurybox.store import responses
from jurybox.store.engine import Store
from jurybox.store.machines import Machine, mark
from jurybox.store.responses import MachineTally
from jurybox.store.state import read_classes, read_questions

Ask: TypeAlias = Callable[[str, str], MachineAnswer]

_PATIENCE = 3
"""Refusals in a row that end it: one alone may be of its text, such as one that is too long."""


@dataclass(frozen=True)
class AskOptions:
    """How a machine is asked.

    Parameters
    ----------
    budget
        What all machines of the project together may cost, what they have cost so far included; None: as the
        setting ``machine_budget`` says.
    per_minute
        Requests a minute at most; None: no limit.
    concurrency
        Requests on their way at a time.
    timeout
        Seconds to wait for an answer.
    retries
        How often a request is sent again that was refused for now.
    worth
        Ask only about texts of which an answer is expected to set right more for its price than a person's
        label does for its own; before that can be told, about a few that people have labelled.
    """

    budget: float | None = None
    per_minute: float | None = None
    concurrency: int = 4
    timeout: float = 120.0
    retries: int = 5
    worth: bool = False

    def __post_init__(self) -> None:
        if self.budget is not None and not self.budget >= 0:
            raise InputError(f"budget is {self.budget}, expected an amount from 0 on")
        if self.per_minute is not None and not self.per_minute > 0:
            raise InputError(f"per_minute is {self.per_minute}, expected a number above 0")
        if self.concurrency < 1 or not self.timeout > 0 or self.retries < 0:
            raise InputError(
                f"concurrency is {self.concurrency}, timeout {self.timeout} and retries {self.retries}, "
                "expected at least 1, more than 0, and at least 0"
            )


@dataclass(frozen=True)
class Asked:
    """What asking came to.

    Attributes
    ----------
    machine
        Which one.
    answers
        Texts answered this time.
    items
        Answers in them: one a text, with several questions one for each, and for each class of one with
        several.
    without_label
        Those of them in which it named no class, or none that could be read.
    price
        What these cost.
    lost
        Texts whose question was sent once and whose answer never came, here or before.
    ended
        Why there are no more: ``done``, ``limit``, ``budget``, ``worth`` (a person's label brings more for
        its price now), ``stopped``, or what went wrong.
    """

    machine: str
    answers: int
    items: int
    without_label: int
    price: float
    lost: int
    ended: str


@dataclass(frozen=True)
class Quote:
    """What asking would send and cost, before a cent is spent.

    Attributes
    ----------
    machine
        Which one.
    texts
        How many it would be asked about.
    most
        What that costs at most.
    spent, budget
        What machines have cost so far, and may cost.
    prompts
        The first few requests, as they would be sent: roles and contents.
    """

    machine: str
    texts: int
    most: float
    spent: float
    budget: float
    prompts: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True)
class MachineReport:
    """A machine, and what it has done so far.

    Attributes
    ----------
    machine, tally
        Which one, and what it has done.
    unread
        Answers that it owes of the texts that it has answered: no class was named there, or none that could
        be read. Of several questions each counts, and each class of one with several.
    """

    machine: Machine
    tally: MachineTally
    unread: int


class Worker:
    """Asks one machine, and nobody else does meanwhile."""

    def __init__(
        self,
        store: Store,
        machine: Machine,
        options: AskOptions,
        budget: float,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._machine, self._options = store, machine, options
        self._budget, self._clock = budget, clock
        with self._store.read() as connection:
            self._mark = mark(connection, machine)
            self._parts = parts_asked(connection, machine)
        self._found: list[MachineAnswer] = []
        self._ended = "done"
        self._refused, self._problem = 0, ""

    def run(
        self,
        waiting: Sequence[tuple[int, str]],
        limit: int | None,
        progress: Callable[[int, int], None],
        *,
        again: bool,
    ) -> Asked:
        """Ask about lost texts, if that is allowed, and waiting ones, until something ends it."""
        with self._store.read() as connection:
            lost = responses.read_lost(connection, self._machine)
            known = {number for number, _ in lost}
        spec = self._machine.spec
        repeat = again or self._machine.price.is_free or (isinstance(spec, LanguageModel) and spec.once)
        todo = [*(lost if repeat else []), *waiting][:limit]
        with self._asking() as ask, ThreadPoolExecutor(self._options.concurrency) as pool:
            running: dict[Future[MachineAnswer], int] = {}
            try:
                for number, text in todo:
                    if self._ended != "done" or not self._claimed(number, text, known):
                        break
                    running[pool.submit(ask, text, f"{self._mark}-{number}")] = number
                    if len(running) >= self._options.concurrency:
                        self._collect(running)
                        progress(len(self._found), len(todo))
            finally:  # also when interrupted: what was paid for is written
                while running:
                    self._collect(running)
                    progress(len(self._found), len(todo))
        with self._store.read() as connection:
            left = responses.read_tally(connection, self._machine).lost
        if self._ended == "done" and self._problem:
            self._ended = self._problem
        if self._ended == "done" and limit is not None and len(todo) == limit:
            self._ended = "limit"
        return summary(self._machine, self._parts, self._found, left, self._ended)

    @contextmanager
    def _asking(self) -> Iterator[Ask]:
        spec = self._machine.spec
        if not isinstance(spec, LanguageModel):
            with self._store.read() as connection:
                rule = answer_of(spec, read_classes(connection), read_questions(connection))
            price = self._machine.price.of(0, 0)
            yield lambda text, _key: replace(rule(text), price=price)
            return
        from jurybox.machines.chat import Chat, Pace

        chat = Chat(
            spec,
            self._machine.price,
            pace=Pace(self._options.per_minute),
            timeout=self._options.timeout,
            retries=self._options.retries,
        )
        try:
            yield chat.ask
        finally:
            chat.close()

    def _claimed(self, number: int, text: str, known: set[int]) -> bool:
        """Note that a question is about to be sent; false where it may not be."""
        most = {number: most_of(self._machine, text)}
        with self._store.write() as connection:
            if number in known:  # its price was set aside when it was first sent
                return True
            try:
                done = responses.claim(
                    connection, self._machine, most, budget=self._budget, now=self._clock()
                )
            except ConflictError:
                self._ended = "stopped"
                return False
        if not done:
            self._ended = "budget"
        return bool(done)

    def _collect(self, running: dict[Future[MachineAnswer], int]) -> None:
        """Write what has come."""
        from jurybox.machines.chat import AnswerLostError, RefusedError

        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            number = running.pop(future)
            error = future.exception()
            with self._store.write() as connection:
                if error is None:
                    answer = future.result()
                    responses.write_answer(connection, self._machine, number, answer, now=self._clock())
                    self._found.append(answer)
                    self._refused = 0
                elif not isinstance(error, AnswerLostError):
                    responses.unclaim(connection, self._machine, [number])
            if error is not None:
                self._problem = str(error)
                self._refused += 1
                if isinstance(error, AnswerLostError) or self._refused >= _PATIENCE:
                    self._ended = self._problem
                if not isinstance(error, AnswerLostError | RefusedError):
                    raise error


def most_of(machine: Machine, text: str) -> float:
    """Return what an answer can cost at most."""
    if not isinstance(machine.spec, LanguageModel):
        return machine.price.answer
    from jurybox.machines.chat import price_at_most

    return price_at_most(machine.spec, machine.price, text)


def parts_asked(connection: Connection, machine: Machine) -> tuple[AnswerPart, ...]:
    """Return what of a text a machine is asked.

    Raises
    ------
    InputError
        If it was told of classes that are none any more.
    """
    parts = parts_of(read_classes(connection), read_questions(connection))
    if isinstance(machine.spec, LanguageModel):
        refuse_unknown(machine.spec.parts, parts)
    return asked_of(machine.spec, parts)


def summary(
    machine: Machine, parts: Sequence[AnswerPart], found: Sequence[MachineAnswer], lost: int, ended: str
) -> Asked:
    """Return what these answers to some parts of texts came to."""
    items, said = len(found) * len(parts), sum(len(answer.said) for answer in found)
    price = sum(answer.price for answer in found)
    return Asked(machine.title, len(found), items, items - said, price, lost, ended)
