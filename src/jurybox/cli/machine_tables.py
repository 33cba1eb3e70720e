"""What the commands `machine …` say of quotes, answers, machines and whom to ask next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jurybox.cli.output import note, say, table, warn
from jurybox.numerals import between, count, estimate, number, shares

if TYPE_CHECKING:
    from jurybox.project.asking import Asked, MachineReport, Quote
    from jurybox.project.panel import MachineBelief, PanelBelief
    from jurybox.project.whom import WhomToAsk
    from jurybox.trust.shares import ClassShare


def show_quote(quote: Quote) -> None:
    """Say what asking would send and cost."""
    for prompt in quote.prompts:
        for role, content in prompt:
            say(f"[{role}]\n{content}\n")
        say("—" * 20)
    say(f"{quote.machine}: {count(quote.texts, 'text')}, at most {number(quote.most, 4)} in all")
    say(f"spent so far {number(quote.spent, 4)}, budget {number(quote.budget, 4)}")
    if quote.spent + quote.most > quote.budget:
        warn("the budget may end before the texts do")


def show_asked(asked: Asked) -> None:
    """Say what asking came to."""
    of = "them" if asked.items == asked.answers else f"their {asked.items:,} parts"
    none = f", {asked.without_label:,} of {of} without a class" if asked.without_label else ""
    say(f"{asked.machine}: {count(asked.answers, 'answer')}{none}, price {number(asked.price, 4)}")
    if asked.ended == "worth":
        say("about the rest a person's label brings more for its price, or nobody can tell yet: machine list")
    if asked.lost:
        note(
            f"{count(asked.lost, 'question')} sent and never answered; --again asks again, at the same price"
        )


def show_reports(reports: Sequence[MachineReport]) -> None:
    """List machines and what they have done."""
    rows = []
    for report in reports:
        machine, tally = report.machine, report.tally
        state = "stopped" if machine.stopped_at is not None else ""
        counts = (tally.answers, report.unread, tally.lost, tally.batched)
        rows.append(
            (
                machine.title,
                machine.kind,
                *map(number, counts),
                number(tally.price, 4),
                machine.made_by,
                state,
            )
        )
    columns = ("machine", "kind", "answers", "no class", "lost", "in batches", "price", "by", "")
    table([(name, "right" if 2 <= at <= 6 else "left") for at, name in enumerate(columns)], rows)


def show_panel(panel: PanelBelief) -> None:
    """List what people's labels say of them, and whom to ask next."""
    rows = [(f"{one.name} v{one.version}", *_figures(one)) for one in panel.machines]
    table([(name, "right" if at else "left") for at, name in enumerate(("machine", *_FIGURES))], rows)
    say(f"{len(rows)} machines, {panel.effective_votes:.1f} effective votes")
    if panel.whom is not None:
        _show_whom(panel.whom)


def show_panels(panels: Mapping[str, PanelBelief], whom: WhomToAsk | None) -> None:
    """List what people's labels say of them at each of several questions, and whom to ask next about all."""
    rows = [
        (f"{one.name} v{one.version}", question, *_figures(one))
        for question, panel in panels.items()
        for one in panel.machines
    ]
    columns = ("machine", "question", *_FIGURES)
    table([(name, "right" if at > 1 else "left") for at, name in enumerate(columns)], rows)
    if whom is not None:
        _show_whom(whom)


_FIGURES = ("labelled texts", "as people", "95 % interval", "voice", "worth")


def _figures(one: MachineBelief) -> tuple[str, ...]:
    agreed = estimate(one.agreement), shares(one.agreement)
    return number(one.texts), *agreed, number(one.voice, 2), number(one.worth, 4)


def show_shares(found: Mapping[str, ClassShare]) -> None:
    """List shares with the model's help, beside those of the audit sample alone."""
    rows = [(name, between(one.share), between(one.plain)) for name, one in found.items()]
    columns = ("class", "share, 95 % interval", "by the audit sample alone")
    table([(name, "right" if at else "left") for at, name in enumerate(columns)], rows)


def _show_whom(whom: WhomToAsk) -> None:
    """Say what a label and answers bring for their price."""
    rows = [
        (
            one.machine or "a person",
            number(one.texts),
            *(number(value, 4) for value in (one.gain, one.price, one.per_money)),
        )
        for one in whom.offers
    ]
    columns = ("whom to ask next", "texts", "sets right an answer", "price", "for one of money")
    say("")
    table([(name, "right" if at else "left") for at, name in enumerate(columns)], rows)
    for one in whom.first[:3]:
        say(f"{one.text_id}: {one.machine or 'a person'}, sets right {number(one.gain, 3)}")
