"""The command about people: `annotators`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import bar, note, number, print_json, share, table, warn
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project

if TYPE_CHECKING:
    from jurybox.project.annotators import AnnotatorBelief, PairBelief
    from jurybox.trust.intervals import Interval

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "annotators reviews.db", "annotators reviews.db --name ana", "annotators reviews.db --json"
        ),
    )(annotators)


def annotators(
    project: ProjectLocation,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Everything about one person.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how much, how well and how fast everyone labels, and who is suspect.

    Quality is the probability of a right label, with its 95 % interval: wide after few annotations.
    """
    from jurybox.formats.plain import plain

    with open_project(project) as opened, bar("judging"):
        beliefs = opened.beliefs.now()
        people, pairs = beliefs.annotators, beliefs.pairs
        if name is not None:
            opened.people.get(name)
            people = tuple(one for one in people if one.name == name)
            pairs = tuple(pair for pair in pairs if name in pair.names)
    if as_json:
        print_json(plain(people) if name is None else [{**plain(people[0]), "pairs": plain(pairs)}])
    elif name is not None:
        _show_one(people[0], pairs)
    else:
        _show_all(people)


def _show_all(people: Sequence[AnnotatorBelief]) -> None:
    ordered = sorted(
        people, key=lambda one: (0.0 if one.quality is None else one.quality.estimate - 1, one.name)
    )
    table(
        [
            *(("annotator", "left"), ("annotations", "right"), ("quality", "right"), ("95 %", "left")),
            *(("agrees with consensus", "right"), ("mixes up", "left"), ("drift", "left")),
            *(("without", "right"), ("seconds a text", "right")),
        ],
        [
            (
                one.name,
                number(one.n_annotations),
                _estimate(one.quality),
                _range(one.quality),
                _estimate(one.agreement_with_consensus),
                ", ".join(f"{mix.right} → {mix.said}" for mix in one.mix_ups) or "–",
                one.drift.verdict if one.drift is not None else "–",
                number(one.effect.changed if one.effect is not None else None),
                number(one.median_seconds, 1),
            )
            for one in ordered
        ],
    )
    note("without: texts whose consensus would be another without this annotator")
    _warn_of(ordered)


def _warn_of(people: Sequence[AnnotatorBelief]) -> None:
    for one in people:
        if (suspect := one.suspect) is not None:
            warn(f"{one.name} {one.suspicion} (probability {suspect.probability:.2f}): {_evidence(one)}")


def _evidence(one: AnnotatorBelief) -> str:
    if one.suspect is None:
        return ""
    return ", ".join(
        f"{name.replace('_', ' ')} {number(value)}" for name, value in one.suspect.evidence.items()
    )


def _show_one(one: AnnotatorBelief, pairs: Sequence[PairBelief]) -> None:
    _show_all([one])
    classes = list(one.confusion)
    if classes:
        table(
            [("right class", "left"), *((f"says {said}", "right") for said in classes)],
            [(right, *(share(one.confusion[right][said]) for said in classes)) for right in classes],
            title="confusion",
        )
    if one.drift is not None:
        change = one.drift.change
        note(f"later half against earlier: {100 * change.estimate:+.1f} points, {_range(change)}")
    table(
        [("with", "left"), ("texts", "right"), ("agrees", "right"), ("kappa", "right")],
        [
            (_other(pair, one.name), number(pair.shared), share(pair.agreement), number(pair.kappa, 2))
            for pair in sorted(pairs, key=lambda pair: -pair.shared)
        ],
        title="colleagues",
    )


def _other(pair: PairBelief, name: str) -> str:
    return pair.names[1] if pair.names[0] == name else pair.names[0]


def _estimate(interval: Interval | None) -> str:
    return "–" if interval is None else share(interval.estimate)


def _range(interval: Interval | None) -> str:
    return "–" if interval is None else f"{share(interval.low)} to {share(interval.high)}"
