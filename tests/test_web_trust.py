"""What the page of trust says in words, whatever is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from jurybox.project import beliefs
from jurybox.project.auditing import Accuracy
from jurybox.store.records import Status
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings
from jurybox.web.i18n import LANGUAGES, get_catalogue
from jurybox.web.pages.texts import _belief_chart
from jurybox.web.panels import _balance, _chart, savings
from support.web import stage


def found(needed: Interval | None, better: float | None = 0.78) -> Savings:
    return Savings(400, needed, better)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("known", "message", "figures"),
    [
        (None, "trust.savings_unknown", {}),
        (found(None, None), "trust.savings_unknown", {}),
        (found(None), "trust.savings_unclear", {"labels": 400}),
        (
            found(Interval(600, 450, 900, 0.8)),
            "trust.savings_known",
            {"labels": 400, "low": 450, "high": 900},
        ),
        (found(Interval(600, 450, inf, 0.8)), "trust.savings_open", {"labels": 400, "low": 450}),
        (found(Interval(inf, inf, inf, 0.8)), "trust.savings_far", {"labels": 400}),
    ],
)
def test_savings_are_told_as_far_as_they_are_known(
    language: str, known: Savings | None, message: str, figures: Mapping[str, int]
) -> None:
    catalogue = get_catalogue(language)
    expected = catalogue.text(message, **figures, better=catalogue.percent(0.78))
    assert savings(catalogue, known) == expected


def test_a_class_has_one_colour_however_the_bars_are_sorted() -> None:
    catalogue = get_catalogue("en")
    status = SimpleNamespace(class_counts={"no": 1, "yes": 3, "maybe": 2})
    balance = _balance(catalogue, cast(Status, status), rtl=False)
    belief = _belief_chart(catalogue, {"no": 0.3, "yes": 0.1, "maybe": 0.6}, in_order=False)
    assert balance is not None
    assert belief is not None
    colours = [re.findall(r'class="(series-\d)"', chart.svg) for chart in (balance, belief)]
    assert colours == [["series-2", "series-3", "series-1"], ["series-3", "series-1", "series-2"]]


def test_every_chart_of_trust_has_the_same_axis() -> None:
    for low in (0.02, 0.9):
        drawn = _chart(get_catalogue("en"), [("model", Interval(0.95, low, 0.97, 0.95))])
        assert drawn is not None
        assert re.findall(r">(\d+%)</text>", drawn.svg) == ["0%", "25%", "50%", "75%", "100%"]


@pytest.mark.slow
def test_trust_leads_with_the_verdict_of_the_overview(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        own.project.submit("t0", "yes", annotator="ana")
        own.project.beliefs.keep()
        owner = own.browser("olga")
        said = [
            re.findall(r'<section class="verdict.*?</section>', owner.get(path).text, re.DOTALL)
            for path in ("/manage", "/manage/trust")
        ]
        assert len(said[0]) == 1
        assert said[0] == said[1]


@pytest.mark.slow
def test_a_judgement_is_shown_without_another_annotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        own.project.submit("t0", "yes", annotator="ana")
        owner = own.browser("olga")
        assert "87%" not in owner.get("/manage").text
        judged = Accuracy(1, 1, 0.87, 0.8, 0.92, 40, Interval(0.86, 0.8, 0.92))
        monkeypatch.setattr(beliefs, "accuracy_by_round", lambda _rounds: (judged,))
        own.project.beliefs.keep()
        assert "87%" in owner.get("/manage").text


@pytest.mark.slow
def test_people_and_person_show_the_same_figures(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        for name in ("ana", "bo"):
            for number in range(8):
                own.project.submit(f"t{number}", "yes" if number % 2 else "no", annotator=name)
        own.project.submit("t8", "yes", annotator="ana")
        ana = next(one for one in own.project.beliefs.keep().annotators if one.name == "ana")
        catalogue, owner = get_catalogue("en"), own.browser("olga")
        for known in (ana.quality, ana.agreement_with_consensus):
            assert known is not None
            low, high = catalogue.percent(known.low), catalogue.percent(known.high)
            for page in ("/manage/people", "/manage/person?name=ana"):
                assert catalogue.text("chart.range", low=low, high=high) in owner.get(page).text, page


@pytest.mark.slow
def test_only_those_who_labelled_are_counted(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        own.project.submit("t0", "yes", annotator="ana")
        assert "by 1 person" in own.browser("olga").get("/manage").text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "form", "problem"),
    [
        ("/manage/classes", {"name": "yes"}, "There is a class yes already."),
        ("/manage/people/cap", {"name": "ana", "cap": "many"}, "Most labels: a whole number is expected."),
    ],
)
def test_what_is_wrong_is_said_on_the_page_itself(
    tmp_path: Path, path: str, form: dict[str, str], problem: str
) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        answer = own.browser("olga").post(path, data=form)
        assert answer.status_code == 422
        assert problem in answer.text
        assert "<form" in answer.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "a.csv: Die Datei ist leer."),
        ("a.xlsx", b"PK\x03\x04", "a.xlsx: Das ist ein Archiv, ein Dokument, eine Datenbank oder ein Bild."),
        ("a.pdf", b"%PDF-1.7", "a.pdf: Das ist ein Archiv, ein Dokument, eine Datenbank oder ein Bild."),
        ("a.json", b'{"a": ', "a.json: Zeile 1 ist kein g\u00fcltiges JSON."),
        ("a.csv", b"foo,bar\n1,2\n", "a.csv: Keine Spalte enth\u00e4lt erkennbar Texte"),
        ("a.csv", b"id,text\n1,one\n2\n", "a.csv, Zeile 2: Die Zeile hat 1 Zellen, die Kopfzeile hat 2."),
        ("a.csv", b"id,text\n1,one\n1,two\n", "Die Id \u201e1\u201c hat zwei verschiedene Texte"),
    ],
)
def test_a_wrong_file_is_explained_in_the_language_of_the_page(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        owner = own.browser("olga")
        answer = owner.post("/import", files={"file": (name, content)}, headers={"Accept-Language": "de"})
        assert answer.status_code == 422
        assert problem in answer.text
        assert "jurybox-uploads" not in answer.text


def test_the_api_names_what_is_wrong(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        ana = own.client("ana")
        (task,) = ana.post("/api/v1/tasks", json={"n": 1}).json()["tasks"]
        given = [
            ana.post("/api/v1/annotations", json={"text_id": task["text_id"], "label": label})
            for label in ("yes", "no")
        ]
        assert given[0].is_success
        assert (given[1].status_code, given[1].json()["code"]) == (409, "relabelled")


@pytest.mark.slow
def test_the_tab_is_the_one_that_led_to_a_text(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        owner = own.browser("olga")
        for path, tab in (("text", "/manage/texts"), ("review", "/manage/review")):
            assert f'href="{tab}" aria-current="page"' in owner.get(f"/manage/{path}?id=t0").text
