"""Machines that answer for a project: language models and rules, asked once about each text.

What they say is a feature of the classifier and never a vote; annotators do not see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from jurybox.errors import ConflictError, InputError
from jurybox.machines import LanguageModel, MachineAnswer, MachineSpec, Price
from jurybox.machines.prompts import first_messages
from jurybox.machines.rules import check_rule
from jurybox.project.asking import Asked, AskOptions, Worker, most_of, summary
from jurybox.project.basis import read_inputs
from jurybox.project.beliefs import BeliefSource
from jurybox.project.handle import ProjectPart
from jurybox.project.release import ReleaseBelief, judge_replacement, judge_shares, plan_of, releasable
from jurybox.project.whom import Waiting, texts_for
from jurybox.store import machines, responses
from jurybox.store.engine import Store
from jurybox.store.machines import Machine, Released
from jurybox.store.responses import MachineTally
from jurybox.store.state import read_classes, read_state, refuse_questions
from jurybox.trust.replacement import Replacement
from jurybox.trust.shares import ClassShare

_SHOWN = 3


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
    """A machine, and what it has done so far."""

    machine: Machine
    tally: MachineTally


class Machines(ProjectPart):
    """Adds machines, asks them, and says what they have done: ``project.machines``."""

    def __init__(self, store: Store, clock: Callable[[], float], beliefs: BeliefSource) -> None:
        super().__init__(store, clock)
        self._beliefs = beliefs

    def add(self, name: str, spec: MachineSpec, *, price: Price | None = None, made_by: str = "") -> Machine:
        """Add a machine; of a name that is there, a new version, unless it is the same.

        Raises
        ------
        InputError
            For a rule that cannot work, or classes that are none of this project.
        """
        with self.store.write() as connection:
            refuse_questions(connection, "asking machines")
            classes = read_classes(connection)
            if isinstance(spec, LanguageModel):
                if unknown := set(spec.classes) - set(classes):
                    raise InputError(
                        f"{sorted(unknown)} are no classes of this project: {', '.join(classes)}"
                    )
            else:
                check_rule(spec, classes)
            return machines.add_machine(
                connection, name, spec, price or Price(), made_by=made_by, now=self._clock()
            )

    def reports(self) -> list[MachineReport]:
        """Return all versions of all machines, in the order in which they came."""
        with self.store.read() as connection:
            return [
                MachineReport(machine, responses.read_tally(connection, machine))
                for machine in machines.read_machines(connection)
            ]

    def examples(self, n: int) -> tuple[tuple[str, str], ...]:
        """Return texts that a reviewer has decided, with their labels, the classes in turn.

        None is of the audit sample, of which no prompt may know a label.

        Raises
        ------
        ConflictError
            If there are fewer.
        """
        with self.store.read() as connection:
            found = responses.read_reviewed(connection)
        labels = dict.fromkeys(label for _, label in found)
        turns = [[pair for pair in found if pair[1] == label] for label in labels]
        chosen = [pair for turn in zip_longest(*turns) for pair in turn if pair is not None][:n]
        if len(chosen) < n:
            raise ConflictError(
                f"reviewers have decided {len(chosen)} texts outside of the audit, expected {n}; review more"
            )
        return tuple(chosen)

    def stop(self, name: str, *, version: int | None = None) -> None:
        """Ask a machine nothing more; a worker that asks it now ends after the answers on their way."""
        with self.store.write() as connection:
            machines.set_stopped(connection, machines.find_machine(connection, name, version), self._clock())

    def resume(self, name: str, *, version: int | None = None) -> None:
        """Let a machine be asked again that was stopped."""
        with self.store.write() as connection:
            machines.set_stopped(connection, machines.find_machine(connection, name, version), None)

    def quote(
        self,
        name: str,
        *,
        version: int | None = None,
        limit: int | None = None,
        options: AskOptions | None = None,
    ) -> Quote:
        """Return what `ask` would send, and what it would cost at most; nothing is sent."""
        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
            spent, budget = responses.spent(connection), self._budget(options)
        texts = self._waiting(machine, limit, options).texts
        prompts: tuple[tuple[tuple[str, str], ...], ...] = ()
        if isinstance(machine.spec, LanguageModel):
            prompts = tuple(
                tuple((m["role"], m["content"]) for m in first_messages(machine.spec, text))
                for _, text in texts[:_SHOWN]
            )
        most = sum(most_of(machine, text) for _, text in texts)
        return Quote(machine.title, len(texts), most, spent, budget, prompts)

    def ask(
        self,
        name: str,
        *,
        version: int | None = None,
        limit: int | None = None,
        again: bool = False,
        options: AskOptions | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Asked:
        """Ask a machine about texts that it was not asked about, those first that people have labelled.

        Where it cannot be asked about all, the others follow in the order of what an answer is expected to
        set right (`jurybox.project.whom`). Each answer is in the database before the next question of its
        place is sent. Ended however, even killed, it goes on where it was, and nothing is paid for twice: a
        question that was sent and not answered is sent again where that costs nothing (the server knows the
        request by its key, or asks no price), and is counted as lost, and as paid, otherwise.

        Parameters
        ----------
        limit
            Texts at most.
        again
            Ask lost questions, too, though they may be paid for twice.
        progress
            Told how many of how many are done.

        Raises
        ------
        ConflictError
            If another process asks this machine now.
        NotFoundError
            If there is no such machine.
        InputError
            If a rule cannot work; a server that does not answer is said in what is returned.
        MissingExtraError
            If a language model is asked without the extra ``llm``.
        """
        options = options or AskOptions()
        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
        with self._alone(machine):
            worker = Worker(self.store, machine, options, self._budget(options), self._clock)
            waiting = self._waiting(machine, limit, options)
            asked = worker.run(waiting.texts, limit, progress, again=again)
        return replace(asked, ended="worth") if asked.ended == "done" and waiting.left_out else asked

    def plan_release(self, allowed: float) -> ReleaseBelief:
        """Return which labels may stand without a person; nothing is written.

        Parameters
        ----------
        allowed
            The share of wrong labels among them that is not to be exceeded, with 95 %.

        Raises
        ------
        ConflictError
            If no round has been played, or no text of the audit sample is labelled.
        """
        with self.store.read() as connection:
            return plan_of(read_inputs(connection), allowed)

    def release(self, allowed: float) -> ReleaseBelief:
        """Let labels of the model stand without a person, in place of those that were released before.

        They are a machine's everywhere: no annotation, and `label_by` of an export is ``released``. From the
        next round on nobody is asked for their texts; whoever labels one nonetheless takes it back.

        Raises
        ------
        ConflictError
            As `plan_release`.
        """
        with self.store.read() as connection:
            inputs = read_inputs(connection)
        found = plan_of(inputs, allowed)
        bound = found.plan.error_bound
        texts = [] if bound is None else releasable(inputs, found.plan)
        with self.store.write() as connection:
            machines.write_released(
                connection,
                texts,
                round_id=inputs.basis.round,
                allowed=allowed,
                error_bound=0.0 if bound is None else bound,
                now=self._clock(),
            )
        return found

    def withdraw(self) -> None:
        """Let no label stand without a person any more."""
        with self.store.write() as connection:
            machines.write_released(
                connection, [], round_id=0, allowed=0.0, error_bound=0.0, now=self._clock()
            )

    def released(self) -> list[Released]:
        """Return the labels that stand without a person."""
        with self.store.read() as connection:
            return machines.read_released(connection)

    def may_replace(self, name: str, *, version: int | None = None, allowance: float = 0.1) -> Replacement:
        """Test whether a machine may replace a person (`jurybox.trust.replacement`).

        Raises
        ------
        NotFoundError
            If there is no such machine.
        """
        with self.store.read() as connection:
            inputs = read_inputs(connection)
        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
        place = [one.id for one in inputs.machines].index(machine.id)
        return judge_replacement(inputs, place, allowance=allowance)

    def shares(self) -> tuple[ClassShare, ...]:
        """Return the share of each class in the pool, by the audit sample and with the model's help.

        Raises
        ------
        ConflictError
            As `plan_release`.
        """
        with self.store.read() as connection:
            return judge_shares(read_inputs(connection))

    def write_batch(
        self,
        name: str,
        path: Path,
        *,
        version: int | None = None,
        limit: int | None = None,
        options: AskOptions | None = None,
    ) -> int:
        """Write questions into a file for the offline batch interface; return how many.

        They count as paid, at the most that they can cost, until `read_batch` brings their answers.

        Raises
        ------
        ConflictError
            If the machine was stopped, another process asks it now, or the budget allows for nothing.
        InputError
            If it is no language model.
        """
        from jurybox.machines.chat import write_requests

        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
        texts = dict(self._waiting(machine, limit, options).texts)
        model = _language_model(machine)
        most = {number: most_of(machine, text) for number, text in texts.items()}
        with self._alone(machine), self.store.write() as connection:
            budget = self._budget(options)
            claimed = responses.claim(
                connection, machine, most, budget=budget, now=self._clock(), batch=path.name[:64]
            )
            if texts and not claimed:
                raise ConflictError(f"the budget of {budget} allows for no further question")
            mark = machines.mark(connection, machine)
            write_requests(path, model, ((n, texts[n]) for n in claimed), mark=mark)  # or nothing is claimed
        return len(claimed)

    def read_batch(self, name: str, path: Path, *, version: int | None = None) -> Asked:
        """Read the answers of a batch; what failed in it may be asked again.

        Raises
        ------
        FormatError
            For a line that is no answer of this machine; nothing is read.
        """
        from jurybox.machines.chat import read_answer, read_replies

        with self.store.write() as connection:
            machine = machines.find_machine(connection, name, version)
            model, texts = _language_model(machine), responses.read_batch(connection, machine)
            found: list[MachineAnswer] = []
            for reply in read_replies(path, mark=machines.mark(connection, machine)):
                if reply.problem:
                    responses.unclaim(connection, machine, [reply.text])
                    continue
                answer = read_answer(reply.body, model, machine.price, texts.get(reply.text, ""))
                if responses.write_answer(connection, machine, reply.text, answer, now=self._clock()):
                    found.append(answer)
            lost = responses.read_tally(connection, machine).lost
        return summary(machine, found, lost, "done")

    def _waiting(self, machine: Machine, limit: int | None, options: AskOptions | None) -> Waiting:
        """Return what a machine is to be asked about next, in order."""
        worth = options is not None and options.worth
        with self.store.read() as connection:
            texts = responses.read_waiting(connection, machine)
        if worth or not (machine.price.is_free and limit is None):  # else all are asked, in whatever order
            now = self._beliefs.now()
            forecast = now.forecast if worth else None
            return texts_for(now.inputs, now.posterior, forecast, machine, texts, worth=worth).first(limit)
        return Waiting(tuple(texts), 0)

    def _budget(self, options: AskOptions | None) -> float:
        if options is not None and options.budget is not None:
            return options.budget
        with self.store.read() as connection:
            return read_state(connection).settings.machine_budget

    @contextmanager
    def _alone(self, machine: Machine) -> Iterator[None]:
        with self.store.exclusive(f"machine-{machine.id}") as alone:
            if not alone:
                raise ConflictError(f"another process asks {machine.title} now; wait for it to end")
            with self.store.write() as connection:
                responses.await_claims(connection)
            yield


def _language_model(machine: Machine) -> LanguageModel:
    if not isinstance(machine.spec, LanguageModel):
        raise InputError(f"{machine.title} is a rule, expected a language model: rules need no batch")
    return machine.spec
