"""What the owner reads first: how the project stands, in a sentence, and the button that comes next."""

from __future__ import annotations

from dataclasses import dataclass

from jurybox.project.advice import Advice, Step
from jurybox.project.annotators import AnnotatorBelief
from jurybox.web.i18n import Catalogue
from jurybox.web.panels import range_words

_PLACES = {
    Step.TEXTS: "/import",
    Step.INVITE: "/manage/people",
    Step.REACHED: "/manage/export",
    Step.BUDGET: "/manage/export",
    Step.EXHAUSTED: "/manage/export",
    Step.FULL: "/manage/export",
}
_KINDS = {Step.PERSON: "warn", Step.GROW: "warn", Step.AUDIT: "warn", Step.REACHED: "good"}


@dataclass(frozen=True)
class ShownVerdict:
    """A sentence and a button.

    Attributes
    ----------
    kind
        How the sentence is set off, as that of a notice.
    words, action
        The sentence, and what is written on the button.
    href
        Where the button leads; empty where it adds texts to the audit sample.
    person
        Whose page it leads to instead.
    texts
        How many texts it adds.
    """

    kind: str
    words: str
    action: str
    href: str
    person: str = ""
    texts: int = 0


def verdict_of(catalogue: Catalogue, advice: Advice) -> ShownVerdict:
    """Write an advice in the language of whoever looks."""
    t, number, step = catalogue.text, catalogue.number, advice.step
    one = advice.person
    if one is not None:
        return ShownVerdict(
            "warn", suspicion_words(catalogue, one), t("advice.person.act", name=one.name), "", one.name
        )
    words = [_sentence(catalogue, advice)] if advice.accuracy is not None else []
    if step is Step.MORE and advice.expected is None:
        words.append(t("advice.wait"))
    else:
        paid = t("advice.paid", cost=number(advice.cost, 2)) if advice.cost is not None else ""
        words.append(
            t(
                f"advice.{step}",
                texts=number(advice.texts),
                labels=number(advice.labels),
                paid=paid,
                within=number(100 * (advice.within or 0)),
                target=catalogue.percent(advice.target),
                expected="" if advice.expected is None else range_words(catalogue, advice.expected),
            )
        )
    if step is Step.GROW:
        return ShownVerdict(
            "warn", " ".join(words), t("advice.grow.act", texts=number(advice.texts)), "", texts=advice.texts
        )
    href = _PLACES.get(step, "/label")
    action = t(
        {"/label": "overview.label", "/manage/export": "advice.export.act"}.get(href, f"advice.{step}.act")
    )
    return ShownVerdict(_KINDS.get(step, ""), " ".join(words), action, href)


def suspicion_words(catalogue: Catalogue, person: AnnotatorBelief) -> str:
    """Say why a person's labels deserve a look, and on what that rests; empty where they do not."""
    suspect = person.suspect
    if suspect is None:
        return ""
    words = catalogue.text(f"suspect.{suspect.kind}", name=person.name, other=suspect.other or "")
    return catalogue.plural(
        "advice.person", person.shared, words=words, probability=catalogue.percent(suspect.probability)
    )


def _sentence(catalogue: Catalogue, advice: Advice) -> str:
    accuracy = advice.accuracy
    value = None if accuracy is None else accuracy.estimate
    between = "" if accuracy is None else range_words(catalogue, accuracy)
    return catalogue.text("advice.model", value=catalogue.percent(value), range=between)
