"""What the page of trust shows: from what the learner kept to charts and words in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite

from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.beliefs import ProjectBelief
from jurybox.project.stopping import RoundVerdicts
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings
from jurybox.trust.stopping import Verdict
from jurybox.web.charts import Chart, HeatTable, Whisker, heat_table, whiskers
from jurybox.web.i18n import Catalogue
from jurybox.web.panels import Panel

__all__ = ["PersonView", "RuleView", "person_view", "rules", "savings", "suspicion", "trust_panels"]

_PEOPLE = 60


@dataclass(frozen=True)
class RuleView:
    """What a stop rule says now, and since which round it has said so."""

    name: str
    stop: bool
    why: str
    since: int | None


@dataclass(frozen=True)
class PersonView:
    """One annotator in words and figures."""

    name: str
    suspicion: str
    facts: Sequence[tuple[str, str]]
    evidence: Sequence[tuple[str, str]]
    confusion: HeatTable | None


def trust_panels(catalogue: Catalogue, kept: ProjectBelief) -> list[Panel]:
    """Return the charts: how good it is, how good everyone is, class shares, what more labels bring."""
    return [
        _panel(catalogue, "audit", lambda: _audit(catalogue, kept)),
        _panel(catalogue, "people", lambda: _people(catalogue, kept)),
        _panel(catalogue, "shares", lambda: _shares(catalogue, kept)),
        _panel(catalogue, "forecast", lambda: _forecast(catalogue, kept)),
    ]


def rules(catalogue: Catalogue, history: Sequence[RoundVerdicts]) -> list[RuleView]:
    """Return what each stop rule says after the last round."""
    if not history:
        return []
    return [_rule(catalogue, verdict, history) for verdict in history[-1].verdicts]


def savings(catalogue: Catalogue, found: Savings | None) -> str:
    """Return what choosing texts has saved against random choice, as a sentence."""
    if found is None or found.better is None:
        return catalogue.text("trust.savings_unknown")
    better, labels = catalogue.percent(found.better), catalogue.number(found.labels)
    needed = found.needed
    if needed is None:
        return catalogue.text("trust.savings_unclear", labels=labels, better=better)
    if not isfinite(needed.low):
        return catalogue.text("trust.savings_far", labels=labels, better=better)
    low = catalogue.number(needed.low)
    if not isfinite(needed.high):
        return catalogue.text("trust.savings_open", labels=labels, low=low, better=better)
    high = catalogue.number(needed.high)
    return catalogue.text("trust.savings_known", labels=labels, low=low, high=high, better=better)


def suspicion(catalogue: Catalogue, person: AnnotatorBelief) -> str:
    """Return why a person's labels deserve a look; empty where they do not."""
    suspect = person.suspect
    if suspect is None:
        return ""
    words = catalogue.text(f"suspect.{suspect.kind}", name=person.name, other=suspect.other or "")
    return catalogue.text("trust.suspect", words=words, probability=catalogue.percent(suspect.probability))


def person_view(catalogue: Catalogue, person: AnnotatorBelief) -> PersonView:
    """Return everything that is known of one annotator."""
    t, percent, number = catalogue.text, catalogue.percent, catalogue.number
    facts = [(t("column.annotations"), number(person.n_annotations))]
    facts += [
        (t(name), _with_range(catalogue, found))
        for name, found in (
            ("people.quality", person.quality),
            ("people.agreement", person.agreement_with_consensus),
        )
        if found is not None
    ]
    if person.median_seconds is not None:
        facts.append((t("people.seconds"), catalogue.seconds(person.median_seconds)))
    if (drift := person.drift) is not None:
        before, after = percent(drift.before.estimate), percent(drift.after.estimate)
        change = t("trust.drift_change", before=before, after=after)
        facts.append((t("trust.drift"), f"{t(f'drift.{drift.verdict}')} · {change}"))
    if (effect := person.effect) is not None:
        facts.append((t("trust.effect"), catalogue.plural("trust.effect_note", effect.changed)))
    facts += [
        (t("trust.mix_up", right=mix.right, said=mix.said), _with_range(catalogue, mix.share))
        for mix in person.mix_ups
    ]
    evidence = [] if person.suspect is None else list(person.suspect.evidence.items())
    return PersonView(
        name=person.name,
        suspicion=suspicion(catalogue, person),
        facts=facts,
        evidence=[(t(f"evidence.{name}"), _written(catalogue, name, value)) for name, value in evidence],
        confusion=_confusion(catalogue, person.confusion),
    )


def _panel(catalogue: Catalogue, name: str, draw: Callable[[], Chart | None]) -> Panel:
    t = catalogue.text
    return Panel(t(f"trust.{name}"), t(f"trust.{name}_note"), t(f"trust.{name}_empty"), draw())


def _audit(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    rows = [
        (catalogue.text(f"trust.{of}_{measure}"), found)
        for of, estimate in (("model", kept.audit.model), ("consensus", kept.audit.consensus))
        if estimate is not None
        for measure, found in (("accuracy", estimate.accuracy), ("macro_f1", estimate.macro_f1))
    ]
    return _chart(catalogue, rows)


def _shares(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    model = kept.audit.model
    if model is None:
        return None
    return _chart(catalogue, list(zip(kept.audit.classes, model.class_shares, strict=True)), 0.0)


def _forecast(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    if kept.forecast is None:
        return None
    rows = [(catalogue.text("trust.today"), kept.forecast.now)]
    for point in kept.forecast.points:
        name = catalogue.text("trust.more", n=catalogue.number(point.labels))
        if point.cost is not None:
            name = f"{name} · {catalogue.number(point.cost, 2)}"
        rows.append((name, point.accuracy))
    return _chart(catalogue, rows)


def _people(catalogue: Catalogue, kept: ProjectBelief) -> Chart | None:
    known = [(one.name, one.quality) for one in kept.annotators if one.quality is not None]
    return _chart(catalogue, sorted(known, key=lambda row: row[1].estimate)[:_PEOPLE])


def _chart(
    catalogue: Catalogue, rows: Sequence[tuple[str, Interval]], least: float | None = None
) -> Chart | None:
    """Draw estimates with their intervals, and the same as a table."""
    if not rows:
        return None
    percent = catalogue.percent
    from_ = floor(10 * min(one.low for _, one in rows)) / 10 if least is None else least
    ticks = [(from_ + part * (1 - from_) / 2, percent(from_ + part * (1 - from_) / 2)) for part in range(3)]
    drawn = [Whisker(name, one.estimate, one.low, one.high, percent(one.estimate, 1)) for name, one in rows]
    name, first = rows[0]
    alternative = catalogue.text(
        "trust.chart_alt",
        n=catalogue.number(len(rows)),
        name=name,
        value=percent(first.estimate, 1),
        low=percent(first.low, 1),
        high=percent(first.high, 1),
    )
    return Chart(
        whiskers(drawn, alternative=alternative, ticks=ticks, rtl=catalogue.direction == "rtl"),
        catalogue.text("chart.table"),
        ["", catalogue.text("trust.estimate"), catalogue.text("trust.interval")],
        [[name, percent(one.estimate, 1), _range(catalogue, one)] for name, one in rows],
    )


def _rule(catalogue: Catalogue, verdict: Verdict, history: Sequence[RoundVerdicts]) -> RuleView:
    name, value = verdict.rule, verdict.value
    digits = 0 if name == "budget" else 1
    written = catalogue.number if name in ("budget", "stable") else catalogue.percent
    why = catalogue.text("rule.unknown")
    if value is not None:
        digits = 3 if name == "stable" else digits
        why = catalogue.text(
            f"rule.{name}.why",
            value=written(value, digits),
            threshold=written(verdict.threshold, digits),
        )
    return RuleView(catalogue.text(f"rule.{name}"), verdict.stop, why, _since(name, history))


def _since(name: str, history: Sequence[RoundVerdicts]) -> int | None:
    """Return the first round of those up to now in which a rule has said to stop without a break."""
    since = None
    for played in reversed(history):
        if not any(verdict.rule == name and verdict.stop for verdict in played.verdicts):
            break
        since = played.round
    return since


def _confusion(catalogue: Catalogue, confusion: Mapping[str, Mapping[str, float]]) -> HeatTable | None:
    if not confusion:
        return None
    names = list(confusion)
    shares = [[confusion[right][said] for said in names] for right in names]
    return heat_table(
        shares,
        names,
        [[catalogue.percent(share) for share in row] for row in shares],
        caption=catalogue.text("trust.confusion"),
        down=catalogue.text("trust.right"),
        across=catalogue.text("trust.said"),
    )


def _written(catalogue: Catalogue, name: str, value: float) -> str:
    if name in ("shared", "wrong_shared"):
        return catalogue.number(value, 1 if value % 1 else 0)
    if name == "seconds":
        return catalogue.seconds(value)
    if name in ("kappa", "speed"):
        return catalogue.number(value, 2)
    return catalogue.percent(value)


def _with_range(catalogue: Catalogue, one: Interval) -> str:
    return f"{catalogue.percent(one.estimate)} ({_range(catalogue, one)})"


def _range(catalogue: Catalogue, one: Interval) -> str:
    return catalogue.text("chart.range", low=catalogue.percent(one.low), high=catalogue.percent(one.high))
