"""Machines that answer for a project: language models and rules, asked once about each text.

What they say is a feature of the classifier and never a vote; annotators do not see it. Several questions are
asked in one request, and at each of them an answer is what it is where nothing else is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from jurybox.answers import NOT_ASKED
from jurybox.errors import ConflictError, InputError
from jurybox.machines import LanguageModel, MachineSpec, Price
from jurybox.machines.parts import parts_of, refuse_unknown
from jurybox.machines.prompts import first_messages
from jurybox.machines.rules import check_rule
from jurybox.project.asking import (
    Asked,
    AskOptions,
    MachineReport,
    Quote,
    Worker,
    most_of,
    parts_asked,
    summary,
)
from jurybox.project.basis import read_inputs
from jurybox.project.facets import Facets
from jurybox.project.handle import ProjectPart
from jurybox.project.release import ReleaseBelief, judge_replacement, judge_shares, plan_of, releasable
from jurybox.project.whom import QuestionOutlook, Waiting, WhomToAsk, texts_for, whom_to_ask
from jurybox.store import machines, responses
from jurybox.store.engine import Store
from jurybox.store.machines import Machine, Released
from jurybox.store.said import read_unread
from jurybox.store.state import read_classes, read_questions, read_state
from jurybox.trust.replacement import Replacement
from jurybox.trust.shares import ClassShare
from jurybox.written import answer_code

_SHOWN = 3


class Machines(ProjectPart):
    """Adds machines, asks them, and says what they have done: ``project.machines``."""

    def __init__(self, store: Store, clock: Callable[[], float], facets: Facets) -> None:
        super().__init__(store, clock)
        self._facets = facets

    def add(self, name: str, spec: MachineSpec, *, price: Price | None = None, made_by: str = "") -> Machine:
        """Add a machine; of a name that is there, a new version, unless it is the same.

        Raises
        ------
        InputError
            For a rule that cannot work, or classes that are none of this project.
        """
        with self.store.write() as connection:
            classes, questions = read_classes(connection), read_questions(connection)
            if isinstance(spec, LanguageModel):
                refuse_unknown(spec.parts, parts_of(classes, questions))
            else:
                check_rule(spec, classes, questions)
            return machines.add_machine(
                connection, name, spec, price or Price(), made_by=made_by, now=self._clock()
            )

    def reports(self) -> list[MachineReport]:
        """Return all versions of all machines, in the order in which they came."""
        with self.store.read() as connection:
            return [
                MachineReport(
                    machine, responses.read_tally(connection, machine), read_unread(connection, machine)
                )
                for machine in machines.read_machines(connection)
            ]

    def examples(self, n: int) -> tuple[tuple[str, str], ...]:
        """Return texts that a reviewer has decided, with their labels, the classes in turn.

        None is of the audit sample, of which no prompt may know a label; with several questions, none has a
        question open.

        Raises
        ------
        ConflictError
            If there are fewer.
        """
        with self.store.read() as connection:
            found = responses.read_reviewed(connection)
            questions = read_questions(connection)
        if questions:
            found = [pair for pair in found if NOT_ASKED not in answer_code(questions, pair[1])]
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
            parts_asked(connection, machine)  # raises where it was told of other classes
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
            If a rule cannot work, or a language model was told of classes that are none any more; a server
            that does not answer is said in what is returned.
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
        texts, codes, sure = releasable(inputs, found.plan)
        numbers: list[int] = [] if bound is None else codes[:, 0].tolist()
        if numbers and inputs.questions:
            with self.store.write() as connection:  # apart: whoever answers anew waits for its end
                numbers = responses.answer_numbers(connection, inputs.questions, codes.tolist())
        with self.store.write() as connection:
            machines.write_released(
                connection,
                [*zip(texts.tolist(), numbers, sure.tolist(), strict=False)],
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

    def whom(self) -> WhomToAsk | None:
        """Return what a person's label and a machine's answer bring, at all questions together.

        None before the first label.
        """
        return whom_to_ask(self._outlooks(forecast=True))

    def may_replace(
        self, name: str, *, version: int | None = None, allowance: float = 0.1, question: str | None = None
    ) -> Replacement:
        """Test whether a machine may replace a person (`jurybox.trust.replacement`).

        Parameters
        ----------
        question
            Of several questions the one that is meant, see `Facets.of`.

        Raises
        ------
        NotFoundError
            If there is no such machine.
        InputError, ConflictError
            As `Facets.of`.
        """
        inputs = self._facets.of(question).now().inputs
        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
        place = [one.id for one in inputs.machines].index(machine.id)
        return judge_replacement(inputs, place, allowance=allowance)

    def shares(self, question: str | None = None) -> dict[str, ClassShare]:
        """Return the share of each class in the pool, by the audit sample and with the model's help.

        Parameters
        ----------
        question
            Of several questions the one that is meant, see `Facets.of`.

        Raises
        ------
        ConflictError
            As `plan_release`; and as `Facets.of`.
        """
        inputs = self._facets.of(question).now().inputs
        return dict(zip(inputs.classes, judge_shares(inputs), strict=True))

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
            parts_asked(connection, machine)  # raises where it was told of other classes
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

        with self.store.read() as connection:
            machine = machines.find_machine(connection, name, version)
            parts, model = parts_asked(connection, machine), _language_model(machine)
            texts = responses.read_batch(connection, machine)
            told = [*read_replies(path, mark=machines.mark(connection, machine))]
        answers = {
            reply.text: read_answer(reply.body, model, machine.price, texts.get(reply.text, ""))
            for reply in told
            if not reply.problem
        }
        with self.store.write() as connection:  # apart: whoever answers anew waits for its end
            responses.add_said(connection, [*answers.values()])
        with self.store.write() as connection:
            responses.unclaim(connection, machine, [reply.text for reply in told if reply.problem])
            found = [
                answer
                for number, answer in answers.items()
                if responses.write_answer(connection, machine, number, answer, now=self._clock())
            ]
            lost = responses.read_tally(connection, machine).lost
        return summary(machine, parts, found, lost, "done")

    def _waiting(self, machine: Machine, limit: int | None, options: AskOptions | None) -> Waiting:
        """Return what a machine is to be asked about next, in order."""
        worth = options is not None and options.worth
        with self.store.read() as connection:
            texts = responses.read_waiting(connection, machine)
        if worth or not (machine.price.is_free and limit is None):  # else all are asked, in whatever order
            outlooks = self._outlooks(forecast=worth)
            return texts_for(outlooks, machine, texts, worth=worth).first(limit)
        return Waiting(tuple(texts), 0)

    def _outlooks(self, *, forecast: bool) -> list[QuestionOutlook]:
        """Return what is known of every question."""
        beliefs = [source.now() for source in self._facets.sources()]
        return [
            QuestionOutlook(one.inputs, one.posterior, one.forecast if forecast else None) for one in beliefs
        ]

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
