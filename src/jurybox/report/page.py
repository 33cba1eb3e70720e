"""The report of a stored project as one HTML file that needs nothing else, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any

from markupsafe import Markup

from jurybox.atomic import new_file
from jurybox.drawing import Mark, Series, curves, spread_ticks, stack, steps, whisker
from jurybox.errors import InputError
from jurybox.numerals import UNKNOWN, number, points, share
from jurybox.project.annotators import AnnotatorBelief, PairBelief, evidence_in_words
from jurybox.project.stopping import Outlook
from jurybox.report.facts import REASONS, Facts, ReportedRound, to_json
from jurybox.trust.estimates import AuditEstimate, ConsensusEstimate
from jurybox.trust.intervals import Interval
from jurybox.trust.stopping import Verdict

_SECTIONS = {
    "data": "Data",
    "protocol": "Protocol",
    "agreement": "Agreement",
    "annotators": "Annotators",
    "labels": "Labels",
    "accuracy": "Accuracy",
    "contested": "Contested texts",
    "environment": "Settings and versions",
}
_ROWS = 12
_LONGEST = 1500  # characters of a contested text on the page; the JSON has all of it
_MOST_CLASSES, _MOST_PEOPLE, _MOST_PAIRED = 6, 60, 12  # for confusions and pairs to be printed


@dataclass(frozen=True)
class _Glance:
    """One of the figures at the top."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class _Rounds:
    """A row of the table of rounds: one round, or several in a row."""

    name: str
    published: str
    annotations: int | None
    trained_on: int | None
    asked: Mapping[str, int]
    most: int


@dataclass(frozen=True)
class _PairsOf:
    """A row of the table of pairs."""

    name: str
    cells: list[PairBelief | None]


@dataclass(frozen=True)
class _Estimated:
    """A row of the table of estimates: of what, which figure, and the figure."""

    of: str
    figure: str
    found: Interval


@dataclass(frozen=True)
class _Since:
    """A verdict, and the round since which it has been the same."""

    verdict: Verdict
    since: int


def write_report(facts: Facts, out: Path, *, overwrite: bool = False) -> Path:
    """Write facts as a page that loads nothing from anywhere, or as JSON, by the end of the file's name.

    Raises
    ------
    InputError
        If the name ends neither in .html nor in .json.
    FormatError
        If the file exists and is not to be overwritten, or cannot be written.
    """
    if out.suffix not in (".html", ".json"):
        raise InputError(f"the file is {out.name!r}, expected a name that ends in .html or .json")
    written = render(facts) if out.suffix == ".html" else to_json(facts)
    with new_file(out, overwrite=overwrite) as draft:
        draft.write_text(written, encoding="utf-8")
    return out


def render(facts: Facts) -> str:
    """Return facts as an HTML page."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    pages = Environment(
        loader=PackageLoader("jurybox.report", "templates"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        whole=_whole,
        percent=_percent,
        signed=_signed,
        evidence=evidence_in_words,
        labels=_labels,
        shortened=_shortened,
        tojson_plain=_value,
    )
    tables, figures = count(1), count(1)
    people = _people(facts)
    return pages.get_template("report.html").render(
        facts=facts,
        sections=[{"id": name, "title": title} for name, title in _SECTIONS.items()],
        glance=list(_glance(facts)),
        rounds=_rounds(facts),
        audit_rows=list(_audit_rows(facts)),
        curve_rows=_sample(facts.curve),
        forecast_rows=_forecast_rows(facts),
        verdicts=_verdicts(facts),
        learning_curve=_learning_curve(facts),
        reasons=REASONS,
        people=people,
        mix_ups=[(one.name, mix_up) for one in people for mix_up in one.mix_ups],
        suspects=[one for one in people if one.suspect is not None],
        gold=[one for one in facts.gold if one.accuracy is not None],
        pairs=_pairs(facts),
        show_confusions=len(facts.data.classes) <= _MOST_CLASSES and len(people) <= _MOST_PEOPLE,
        show_pairs=1 < len(people) <= _MOST_PAIRED,
        next_table=lambda: next(tables),
        next_figure=lambda: next(figures),
        percent=_percent,
        decimal=_decimal,
        stack=stack,
        whisker=whisker,
    )


def _glance(facts: Facts) -> Iterator[_Glance]:
    data, protocol = facts.data, facts.protocol
    yield _Glance("Texts labelled", _whole(data.labelled_texts), f"of {_whole(data.texts)}")
    people = len([name for name, given in protocol.by_annotator.items() if given["all"]])
    yield _Glance(
        "Annotations", _whole(protocol.annotations), f"by {people} people in {len(protocol.rounds)} rounds"
    )
    alpha = facts.agreement.by_chance.alpha
    if alpha is not None:
        yield _Glance(
            "Krippendorff's α",
            _decimal(alpha.estimate),
            f"{_decimal(alpha.low)} to {_decimal(alpha.high)}, on texts drawn by chance",
        )
    yield _accuracy_at_a_glance("Accuracy of the model", facts.audit.model, "audit texts")
    yield _accuracy_at_a_glance("Accuracy of the labels", facts.audit.consensus, "labelled texts")


def _accuracy_at_a_glance(name: str, found: AuditEstimate | ConsensusEstimate | None, texts: str) -> _Glance:
    if found is None:
        return _Glance(name, UNKNOWN, f"no {texts} with labels yet")
    low, high = _percent(found.accuracy.low), _percent(found.accuracy.high)
    return _Glance(
        name, _percent(found.accuracy.estimate), f"{low} to {high}, on {_whole(found.n_texts)} {texts}"
    )


def _people(facts: Facts) -> list[AnnotatorBelief]:
    """Return everyone who has labelled, the least reliable first, last whose labels are taken to be right."""
    known = [
        (1.0 if one.quality is None else one.quality.estimate, one)
        for one in facts.annotators
        if one.n_annotations
    ]
    return [one for _, one in sorted(known, key=lambda pair: pair[0])]


def _pairs(facts: Facts) -> list[_PairsOf]:
    """Return the lower triangle of agreements, a row a person; None where two share no text."""
    people = [one.name for one in facts.annotators if one.n_annotations]
    known = {pair.names: pair for pair in facts.pairs}
    return [
        _PairsOf(name, [known.get((other, name)) if at < place else None for at, other in enumerate(people)])
        for place, name in enumerate(people)
    ]


def _rounds(facts: Facts) -> list[_Rounds]:
    """Return the rows of the table of rounds: no more than a dozen, rounds in a row together."""
    protocol = facts.protocol
    played, size = protocol.rounds, -(-len(protocol.rounds) // _ROWS) or 1
    parts = [played[start : start + size] for start in range(0, len(played), size)]
    asked = [protocol.before_rounds, *(_together(part) for part in parts)]
    most = max(sum(found.values()) for found in asked)
    first = _Rounds("0", "", None, None, asked[0], most)
    return [first] + [
        _Rounds(
            _span([one.number for one in part]),
            part[-1].published.removesuffix(" UTC"),
            part[-1].annotations,
            part[-1].trained_on,
            found,
            most,
        )
        for part, found in zip(parts, asked[1:], strict=True)
    ]


def _together(part: Sequence[ReportedRound]) -> dict[str, int]:
    reasons = {reason for one in part for reason in one.asked}
    return {reason: sum(one.asked.get(reason, 0) for one in part) for reason in REASONS if reason in reasons}


def _span(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _sample(rows: Sequence[Any]) -> list[Any]:
    """Return rows at even distances, the first and last among them."""
    if len(rows) <= _ROWS:
        return list(rows)
    return [rows[round(at * (len(rows) - 1) / (_ROWS - 1))] for at in range(_ROWS)]


def _audit_rows(facts: Facts) -> Iterator[_Estimated]:
    audit = facts.audit
    for of, found in (("model", audit.model), ("consensus", audit.consensus)):
        if found is not None:
            yield _Estimated(of, "accuracy", found.accuracy)
            yield _Estimated(of, "macro-F1", found.macro_f1)
            for name, share in zip(audit.classes, found.class_shares, strict=True):
                among = "all texts" if of == "model" else "labelled texts"
                yield _Estimated(of, f"share of {name} in {among}", share)


def _forecast_rows(facts: Facts) -> list[Outlook]:
    expected = facts.stopping.forecast
    return [] if expected is None else [Outlook(0, expected.now, None), *expected.points]


def _verdicts(facts: Facts) -> list[_Since]:
    """Return the last round's verdicts, each with the round since which it has been the same."""
    history = facts.stopping.verdicts
    if not history:
        return []
    found = []
    for place, verdict in enumerate(history[-1].verdicts):
        since = history[-1].round
        for one in reversed(history):
            if one.verdicts[place].stop != verdict.stop:
                break
            since = one.round
        found.append(_Since(verdict, since))
    return found


def _learning_curve(facts: Facts) -> Markup | None:
    """Draw the rounds, and what is forecast, over the labels that each learnt from."""
    labels = {one.round: one.labels for one in facts.stopping.verdicts}
    points = [
        Mark(labels[one.round], one.estimate, one.low, one.high) for one in facts.curve if one.round in labels
    ]
    if not points:
        return None
    first, last = points[0], points[-1]
    said = (
        f"From {_percent(first.y)} with {_whole(first.x)} labels to {_percent(last.y)} with {_whole(last.x)}"
    )
    series = [Series(points, "measured")]
    if facts.stopping.forecast is not None:
        start = facts.stopping.forecast.labels
        to_come = [
            Mark(start + row.labels, row.accuracy.estimate, row.accuracy.low, row.accuracy.high)
            for row in _forecast_rows(facts)
        ]
        series.append(Series(to_come, "forecast"))
        end = to_come[-1]
        said += f"; {_percent(end.y)} is forecast with {_whole(end.x)}"
    lows = [point.low for one in series for point in one.points if point.low is not None]
    places = spread_ticks(sorted({point.x for one in series for point in one.points}))
    return curves(
        series,
        alternative=said,
        ticks=[(height, f"{100 * height:.0f} %") for height in steps(min(lows))],
        below=[(x, _whole(x) + (" labels" if x == places[-1] else "")) for x in places],
        height=254,
    )


def _whole(value: float | None) -> str:
    return number(value, 0)


def _percent(value: float | None) -> str:
    return share(value).replace(" ", "\N{NO-BREAK SPACE}")


def _signed(change: float) -> str:
    return points(change).replace("-", "\N{MINUS SIGN}")


def _decimal(value: float | None) -> str:
    return number(value, 2).replace("-", "\N{MINUS SIGN}")


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST].rstrip()}… ({_whole(len(text))} characters)"


def _labels(value: float) -> str:
    """Return a number of labels; infinite stands for more than anybody can tell."""
    return _whole(value) if isfinite(value) else "more than ten times as many"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
