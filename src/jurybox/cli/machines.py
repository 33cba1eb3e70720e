"""The commands `machine …`: language models and rules that answer beside people."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.importing import OneOfSeveral
from jurybox.cli.machine_tables import (
    show_asked,
    show_panel,
    show_panels,
    show_quote,
    show_reports,
    show_shares,
)
from jurybox.cli.output import bar, print_json, say
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.errors import InputError
from jurybox.numerals import count, number, share

if TYPE_CHECKING:
    from jurybox.machines import MachineSpec

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the machine is called.", show_default=False)]
Version = Annotated[
    int | None,
    typer.Option("--version", min=1, help="Which version; default: the last one.", show_default=False),
]
_ASK = "Limits"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    machine = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Language models and rules that answer beside people.",
    )
    machine.command(
        epilog=examples(
            "machine add reviews.db words --keywords polite=please,thanks --keywords rude=idiot",
            "machine add meals.db words --keywords food:Positive=tasty --keywords topics:price=cheap,dear",
            "machine add reviews.db mine --function rules.py:label",
            "machine add reviews.db mini --model gpt-4o-mini --price-input 0.15 --price-output 0.6",
            "machine add reviews.db local --model llama3.2 --base-url http://127.0.0.1:11434/v1",
        )
    )(add)
    machine.command(
        epilog=examples(
            "machine ask reviews.db mini --dry-run",
            "machine ask reviews.db mini --budget 2.50 --per-minute 300",
            "machine ask reviews.db mini --worth",
            "machine ask reviews.db mini --write-batch questions.jsonl",
            "machine ask reviews.db mini --read-batch answers.jsonl",
        )
    )(ask)
    machine.command("list", epilog=examples("machine list reviews.db --json"))(show)
    machine.command(epilog=examples("machine release reviews.db --error 0.05"))(release)
    machine.command(epilog=examples("machine replace reviews.db mini"))(replace)
    machine.command(epilog=examples("machine shares reviews.db"))(shares)
    machine.command(epilog=examples("machine stop reviews.db mini"))(stop)
    app.add_typer(machine, name="machine", rich_help_panel="Project")


def add(
    project: ProjectLocation,
    name: Name,
    keywords: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=WORD,…",
            help="Words that speak for a class, of several questions NAME:CLASS; once for each.",
            show_default=False,
        ),
    ] = None,
    regex: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=PATTERN",
            help="What speaks for a class, of several questions NAME:CLASS; once for each.",
            show_default=False,
        ),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE:NAME", help="A function of a text, in a module or FILE.py.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of a language model on its server.", show_default=False)
    ] = None,
    base_url: Annotated[
        str, typer.Option(help="Its server: any that speaks as OpenAI's does.")
    ] = "https://api.openai.com/v1",
    key: Annotated[
        str, typer.Option(metavar="VARIABLE", help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    prompt: Annotated[
        Path | None,
        typer.Option(
            help="A file with the prompt; default: made from classes and guidelines.", show_default=False
        ),
    ] = None,
    few_shot: Annotated[
        int, typer.Option("--examples", min=0, help="Reviewed texts to show as examples.")
    ] = 0,
    max_tokens: Annotated[
        int,
        typer.Option(
            min=0,
            help="The longest answer; default: enough for all questions, and at least 64.",
            show_default=False,
        ),
    ] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 for the likeliest answer.")] = 0.0,
    logprobs: Annotated[bool, typer.Option("--logprobs", help="Ask for probabilities.")] = False,
    structured: Annotated[
        bool, typer.Option("--schema/--no-schema", help="Hold the server to the schema of the answer.")
    ] = True,
    once: Annotated[
        bool,
        typer.Option("--once", help="The server charges once for a request with the same Idempotency-Key."),
    ] = False,
    price_input: Annotated[float, typer.Option(min=0, help="Price of a million tokens read.")] = 0.0,
    price_output: Annotated[float, typer.Option(min=0, help="Price of a million tokens written.")] = 0.0,
    price_answer: Annotated[float, typer.Option(min=0, help="Price of an answer.")] = 0.0,
    by: Annotated[str | None, typer.Option(help="Who adds it; default: you.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Add a language model or a rule; of a name that is there, a new version.

    Its answers are features of the classifier, never votes.
    """
    from jurybox.formats.plain import plain
    from jurybox.machines import Keywords, LanguageModel, Patterns, Price
    from jurybox.machines.prompts import default_instructions
    from jurybox.machines.rules import python_function

    kinds = [kind for kind in (keywords, regex, function, model) if kind]
    if len(kinds) != 1:
        raise InputError("name one of --keywords, --regex, --function and --model")
    spec: MachineSpec
    with open_project(project) as opened:
        if keywords:
            spec = Keywords({k: tuple(words.split(",")) for k, words in _pairs(keywords)})
        elif regex:
            spec = Patterns(dict(_pairs(regex)))
        elif function:
            spec = python_function(function)
        else:
            told = prompt.read_text(encoding="utf-8") if prompt else ""
            questions = opened.questions
            classes = () if questions else opened.classes
            spec = LanguageModel(
                model=model or "",
                classes=classes,
                questions=questions,
                instructions=told or default_instructions(classes, opened.guidelines, questions),
                base_url=base_url,
                examples=opened.machines.examples(few_shot) if few_shot else (),
                max_tokens=max_tokens,
                temperature=temperature,
                logprobs=logprobs,
                structured=structured,
                key=key,
                once=once,
            )
        price = Price(price_input, price_output, price_answer)
        added = opened.machines.add(name, spec, price=price, made_by=by or getpass.getuser())
    if as_json:
        print_json(plain(added))
        return
    say(f"{added.title} ({added.kind})")


def ask(
    project: ProjectLocation,
    name: Name,
    version: Version = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Texts at most; default: all.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be sent and what it costs at most; send nothing."),
    ] = False,
    worth: Annotated[
        bool,
        typer.Option("--worth", help="Only where an answer brings more for its price than a person's label."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Ask lost questions, too, though they may be paid for twice.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Ask a machine again that was stopped.")] = False,
    write_batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write questions for the batch interface instead.", show_default=False
        ),
    ] = None,
    read_batch: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the answers of a batch instead.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            rich_help_panel=_ASK,
            help="What all machines together may have cost in the end; default: machine_budget.",
            show_default=False,
        ),
    ] = None,
    per_minute: Annotated[
        float | None,
        typer.Option(min=0.01, rich_help_panel=_ASK, help="Requests a minute at most.", show_default=False),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, rich_help_panel=_ASK, help="Requests on their way at a time.")
    ] = 4,
    timeout: Annotated[
        float, typer.Option(min=0.1, rich_help_panel=_ASK, help="Seconds to wait for an answer.")
    ] = 120.0,
    retries: Annotated[
        int, typer.Option(min=0, rich_help_panel=_ASK, help="Further attempts at what was refused for now.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Ask a machine about texts that it was not asked about, those first that people have labelled.

    Then those of which an answer is expected to set most right. Killed at any time, it goes on where it was,
    and pays for nothing twice.
    """
    from jurybox.formats.plain import plain
    from jurybox.project.asking import AskOptions

    options = AskOptions(budget, per_minute, concurrency, timeout, retries, worth)
    with open_project(project) as opened:
        machines = opened.machines
        if resume:
            machines.resume(name, version=version)
        if dry_run:
            quote = machines.quote(name, version=version, limit=limit, options=options)
            print_json(plain(quote)) if as_json else show_quote(quote)
            return
        if write_batch is not None:
            n = machines.write_batch(name, write_batch, version=version, limit=limit, options=options)
            print_json({"questions": n}) if as_json else say(f"{write_batch}: {count(n, 'question')}")
            return
        if read_batch is not None:
            asked = machines.read_batch(name, read_batch, version=version)
        else:
            with bar(f"asking {name}", 1) as move:
                asked = machines.ask(
                    name, version=version, limit=limit, again=again, options=options, progress=move
                )
        if asked.answers:
            opened.notes.ask_for_round()
    print_json(plain(asked)) if as_json else show_asked(asked)
    if asked.ended not in ("done", "limit", "worth"):
        raise InputError(f"{asked.machine} ended early: {_REASONS.get(asked.ended, asked.ended)}")


_REASONS = {
    "budget": "the budget allows for no further question; --budget or the setting machine_budget raises it",
    "stopped": "it was stopped; --resume asks it again",
}


def show(project: ProjectLocation, question: OneOfSeveral = None, as_json: AsJson = False) -> None:
    """List all versions of all machines, what they have done so far, and what people's labels say of them.

    With several questions, of each; whom to ask next is about all of them, or the one that is named.
    """
    from jurybox.formats.plain import plain

    with open_project(project) as opened:
        reports, facets = opened.machines.reports(), opened.facets
        if opened.questions and question is None:
            panels = {name: source.now().machines for name, source in facets.each().items()}
            whom = opened.machines.whom()
            told = {"questions": plain(panels), "whom": plain(whom)}
        else:
            panel = facets.of(question).now().machines
            told = {"panel": plain(panel)}
    if as_json:
        listed = [
            {
                **plain(report.machine),
                "kind": report.machine.kind,
                **plain(report.tally),
                "unread": report.unread,
            }
            for report in reports
        ]
        print_json({"machines": listed, **told})
        return
    if not reports:
        say("there are no machines; jurybox machine add makes one")
        return
    show_reports(reports)
    if "panel" in told:
        show_panel(panel)
    else:
        show_panels(panels, whom)


def release(
    project: ProjectLocation,
    error: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Share of wrong labels that is not to be exceeded.")
    ] = 0.05,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be released.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Release nothing any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let labels of the model stand without a person, under an error bound that holds with 95 %.

    The bound comes from the audit sample. Exports mark these labels as released.
    """
    from jurybox.formats.plain import plain

    with open_project(project) as opened:
        if withdraw:
            opened.machines.withdraw()
            opened.notes.ask_for_round()
            say("no label stands without a person")
            return
        found = opened.machines.plan_release(error) if dry_run else opened.machines.release(error)
        if not dry_run:
            opened.notes.ask_for_round()
    if as_json:
        print_json(plain(found))
        return
    plan = found.plan
    if plan.error_bound is None:
        say(
            f"nothing may be released: for an error of {share(error)} it takes {plan.needed:,} labelled texts"
        )
        say("of the audit sample (audit_size), of which the model is surest, all of them right")
        return
    say(f"{found.texts:,} of {found.pool:,} texts that nobody has labelled, from {share(plan.threshold)} on")
    say(f"wrong are at most {share(plan.error_bound)} (95 %); sampled: {plan.wrong:.0f} of {plan.sampled:,}")


def replace(
    project: ProjectLocation,
    name: Name,
    version: Version = None,
    allowance: Annotated[
        float,
        typer.Option(min=0, max=0.99, help="By how much more often a person may win."),
    ] = 0.1,
    question: OneOfSeveral = None,
    as_json: AsJson = False,
) -> None:
    """Test whether a machine may replace a person: the alternative annotator test."""
    from jurybox.formats.plain import plain

    with open_project(project) as opened:
        found = opened.machines.may_replace(name, version=version, allowance=allowance, question=question)
    if as_json:
        print_json(plain(found))
        return
    say(found.verdict)
    say(f"it does at least as well as a person with probability {number(found.advantage, 3)}")


def shares(project: ProjectLocation, question: OneOfSeveral = None, as_json: AsJson = False) -> None:
    """Estimate the share of each class in the pool, by the audit sample and with the model's help."""
    from jurybox.formats.plain import plain

    with open_project(project) as opened:
        found = opened.machines.shares(question)
    if as_json:
        print_json(plain(found))
        return
    show_shares(found)


def stop(project: ProjectLocation, name: Name, version: Version = None) -> None:
    """Ask a machine nothing more; its answers stay."""
    with open_project(project) as opened:
        opened.machines.stop(name, version=version)
    say(f"{name} is stopped")


def _pairs(given: Sequence[str]) -> list[tuple[str, str]]:
    """Split CLASS=REST at the first sign."""
    pairs = []
    for one in given:
        name, found, rest = one.partition("=")
        if not found or not name or not rest:
            raise InputError(f"got {one!r}, expected CLASS=…")
        pairs.append((name, rest))
    return pairs
