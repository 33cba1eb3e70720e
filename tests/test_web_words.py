"""The words of the pages: complete in every language, and none too many."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

import jurybox.web
from jurybox import formats
from jurybox.drawing import Bar, Mark, Series, Whisker, bars, columns, curves, whiskers
from jurybox.errors import FormatError
from jurybox.formats import ReadOptions
from jurybox.learner import LearnerPhase
from jurybox.project.annotators import _EVIDENCE
from jurybox.project.choices import CHOICES
from jurybox.project.labeller import SKIP_REASONS
from jurybox.scales import CLASS_KEYS
from jurybox.store.filters import TextState
from jurybox.store.records import Role, Why
from jurybox.web.i18n import LANGUAGES, Catalogue, Message, choose_language, get_catalogue
from jurybox.web.pages.settings import GROUPS
from jurybox.web.pages.trust import heat_table
from jurybox.web.render import answer_words, environment, explain, found_words
from jurybox.web.webhooks import Event
from support.exports import SAMPLES, Sample

WEB = Path(jurybox.web.__file__).parent
ENGLISH = get_catalogue("en").messages
FORMS = {
    "en": {"one", "other"},
    "de": {"one", "other"},
    "es": {"one", "other"},
    "ar": {"zero", "one", "two", "few", "many", "other"},
}
BUILT = re.compile(
    r"^(label\.|help\.tab\.|acts\.|fault\.|advice\.|agreement\.|history\.|nothing\.|state\.|skip\.|role\.|reason\.|error\.\d|export\.|column\.|setting\.|overview\.|origin\.|learner\.|settings\.|strategy\.|target\.|ask\.|encoder\.|classifier\.|event\.|trust\.|rule\.|suspect\.|problem\.|finding\.|becomes\.|drift\.|evidence\.)"
)
"""Keys whose ends are put together from values; the values are checked below."""


def placeholders(message: Message) -> set[str]:
    forms = [message] if isinstance(message, str) else message.values()
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


def sources() -> str:
    files = [*WEB.rglob("*.html"), *WEB.rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.fixture(params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    language: str = request.param
    return get_catalogue(language)


def test_every_language_says_everything(catalogue: Catalogue) -> None:
    assert catalogue.messages.keys() == ENGLISH.keys()
    for key, message in catalogue.messages.items():
        assert placeholders(message) == placeholders(ENGLISH[key]), key
        assert isinstance(message, str) == isinstance(ENGLISH[key], str), key
        if not isinstance(message, str):
            assert message.keys() == FORMS[catalogue.language], key
        forms = [message] if isinstance(message, str) else message.values()
        assert all(form.strip() for form in forms), key


def test_translations_are_translations(catalogue: Catalogue) -> None:
    if catalogue.language == "en":
        return
    long = [key for key, text in ENGLISH.items() if isinstance(text, str) and len(text) > 25]
    assert [key for key in long if catalogue.messages[key] == ENGLISH[key]] == []


def test_pages_use_every_message_and_no_other() -> None:
    text = sources()
    used = set(re.findall(r"""\b(?:t|tn|text|plural)\(\s*["']([\w .]+)["']\s*[,)]""", text))
    assert {key for key in used if "." in key} <= ENGLISH.keys()
    quoted = set(re.findall(r"""["']([a-z_]+\.[\w .]+)["']""", text))
    assert {key for key in ENGLISH if key not in quoted and not BUILT.match(key)} == set()


def test_messages_that_are_put_together_exist() -> None:
    settings = [*CHOICES, *(field.name for group in GROUPS for field in group.fields)]
    made = {
        *(f"nothing.{why}" for why in Why),
        *(f"state.{state}" for state in TextState),
        *(f"skip.{reason}" for reason in SKIP_REASONS),
        *(f"role.{role}" for role in Role),
        *(f"learner.{phase}" for phase in LearnerPhase),
        *(f"event.{event}" for event in Event),
        *(f"settings.{group.name}" for group in GROUPS),
        *(f"setting.{name}{end}" for name in settings for end in ("", ".hint")),
        *(f"{name}.{value}{end}" for name in CHOICES for value in CHOICES[name] for end in ("", ".lead")),
        *(f"reason.{reason}" for reason in ("new", "second look", "random", "spread", "audit", "gold")),
    }
    assert made <= ENGLISH.keys()


def test_every_problem_that_is_named_has_words_and_no_other() -> None:
    core = WEB.parent
    code = "\n".join(file.read_text(encoding="utf-8") for file in core.rglob("*.py"))
    named = set(re.findall(r'\bcode="(\w+)"', code))
    words = {key.removeprefix("problem.") for key in ENGLISH if key.startswith("problem.")}
    assert named == words - {"row", "column", "value"}


def test_everything_that_is_found_in_a_file_has_words_and_nothing_else() -> None:
    core = WEB.parent
    code = "\n".join(file.read_text(encoding="utf-8") for file in (core / "formats").rglob("*.py"))
    named = set(re.findall(r'(?:\bfinding|_say)\(\s*"(\w+)"', code))
    named |= {"some_times", "some_durations", "no_time", "no_seconds", "known"}
    words = {key.removeprefix("finding.") for key in ENGLISH if key.startswith("finding.")}
    assert named == words - {"counted", "of_file"}


@pytest.mark.parametrize("name", [*SAMPLES, "wide.csv"])
def test_what_is_found_in_a_file_is_said_in_every_language(
    catalogue: Catalogue, name: str, tmp_path: Path
) -> None:
    if name == "wide.csv":
        sample = Sample(name, b"id,text,ana,bo,gold\n1,hi,0,1,1\n2,ho,1,1,1\n", classes=("0", "1"))
    else:
        sample = SAMPLES[name]
    path = tmp_path / sample.name
    path.write_bytes(sample.content)
    for found in formats.read(path, ReadOptions(classes=sample.classes)).plan.findings:
        words = found_words(catalogue, found)
        assert "{" not in words
        if catalogue.language != "en":
            assert words != found_words(get_catalogue("en"), found)


@pytest.mark.parametrize("code", ["empty_file", "no_such_code"])
def test_a_problem_names_the_file_as_its_owner_does(catalogue: Catalogue, code: str) -> None:
    error = FormatError(
        "is wrong", file="/srv/secret/reviews.csv", row=2, column="label", value="x", code=code
    )
    words = explain(catalogue, error)
    assert words.startswith("reviews.csv, ")
    assert catalogue.text("problem.row", row="2") in words
    assert "secret" not in words
    assert words.endswith(catalogue.text("problem.empty_file") if code == "empty_file" else "is wrong")


def test_class_keys_do_nothing_else() -> None:
    script = (WEB / "static" / "label" / "keys.js").read_text(encoding="utf-8")
    taken = set("ucsgfh")
    assert all(f'"{key}"' in script or f" {key}:" in script for key in taken)
    assert not taken & set(CLASS_KEYS)
    assert len(set(CLASS_KEYS)) == len(CLASS_KEYS) == 29


@pytest.mark.slow
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_wish_gets_some_language(chosen: str, accepted: str) -> None:
    assert choose_language(chosen, accepted) in LANGUAGES


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr, es;q=0.4, en;q=0.3", "es"),
        ("ar", "ar"),
        ("*", "en"),
        ("", "en"),
    ],
)
def test_the_best_language_that_a_browser_accepts(accepted: str, language: str) -> None:
    assert choose_language(None, accepted) == language


@given(st.integers(0, 10_000))
def test_every_number_has_a_plural_form(n: int) -> None:
    for language in LANGUAGES:
        assert Locale.parse(language).plural_form(n) in FORMS[language]
        assert get_catalogue(language).plural("label.today", n)


def test_numbers_as_each_language_writes_them() -> None:
    assert [get_catalogue(language).number(-1234.5, 1) for language in ("en", "de")] == [
        "−1,234.5",
        "−1.234,5",
    ]


def test_a_time_keeps_its_order_among_words_from_right_to_left() -> None:
    assert get_catalogue("en").moment(0.0) == "Jan 1, 1970, 00:00 UTC"
    assert get_catalogue("de").moment(0.0) == "01.01.1970, 00:00 UTC"
    written = get_catalogue("ar").moment(0.0)
    assert (written[0], written[-1]) == ("\u2068", "\u2069")
    assert "1970, 00:00 UTC" in written


def test_a_near_certain_probability_keeps_its_order_among_words_from_right_to_left() -> None:
    assert get_catalogue("de").probability(0.999) == ">99\xa0%"
    written = get_catalogue("ar").probability(0.999)
    assert (written[0], written[1], written[-1]) == ("\u2068", ">", "\u2069")


def test_answers_to_several_questions_are_said_without_the_marks_they_are_stored_with(
    catalogue: Catalogue,
) -> None:
    said = answer_words(catalogue, "food=good; topics=price|noise; size=|; mood=calm<calm|loud")
    assert said.startswith("food: good · topics: price, noise · size: ")
    assert said.endswith("loud")
    assert not set("=|;<") & set(said)


def test_a_long_name_is_drawn_for_narrow_and_for_wide_columns() -> None:
    name = "a name that is longer than a phone has room for"
    drawn = bars([Bar(name, 0.5, "50%")], alternative="one")
    assert re.findall(r">([^<]+)</text>", drawn) == ["a name that is longer t…", name, "50%"]
    assert '<g class="long" display="none">' in drawn, "where no page's style chooses, the short one is seen"


def test_a_histogram_names_the_edges_of_its_columns_and_mirrors_them() -> None:
    rows = [Bar("", 1, "3"), Bar("", 0.5, "2")]
    for rtl, expected in ((False, ["0", "50", "100%"]), (True, ["100%", "50", "0"])):
        drawn = columns(rows, alternative="two", edges=["0", "50", "100%"], rtl=rtl)
        below = re.findall(r'x="([\d.]+)%" y="206.0" text-anchor="middle">([^<]+)<', drawn)
        assert [words for _, words in below] == expected
        assert [float(x) for x, _ in below] == [2, 50, 98]


NASTY = '"><script>alert(1)</script>'


def test_charts_escape_what_people_wrote() -> None:
    drawn = [
        bars([Bar(NASTY, 0.5, NASTY)], alternative=NASTY),
        columns([Bar(NASTY, 0.5, NASTY)], alternative=NASTY),
        curves(
            [Series([Mark(0, 0), Mark(1, 1)], name=NASTY)],
            alternative=NASTY,
            ticks=[(0, NASTY), (1, "1")],
            below=[(0, NASTY)],
        ),
        whiskers([Whisker(NASTY, 0.5, 0, 1, NASTY)], alternative=NASTY, ticks=[(0, NASTY), (1, "1")]),
    ]
    for svg in drawn:
        assert "<script" not in svg
        assert 'role="img"' in svg
        assert "style=" not in svg


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1)), min_size=1, max_size=20, unique_by=lambda p: p[0]
    ),
    st.booleans(),
)
def test_curves_stay_inside_the_drawing(values: list[tuple[float, float]], rtl: bool) -> None:
    points = [Mark(x, y, max(y - 0.1, 0), min(y + 0.1, 1)) for x, y in sorted(values)]
    svg = curves([Series(points)], alternative="", ticks=[(0, "0"), (1, "1")], rtl=rtl)
    assert all(0 <= float(x) <= 100 for x in re.findall(r'cx="([\d.]+)%"', svg))
    assert svg.count("<circle") == len(points)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted), min_size=1, max_size=20
    ),
    st.floats(0, 0.9),
)
def test_whiskers_stay_inside_the_drawing_and_mirror(values: list[list[float]], first: float) -> None:
    rows = [Whisker(f"a{n}", middle, low, high, "") for n, (low, middle, high) in enumerate(values)]
    ticks = [(first, "first"), (1.0, "last")]
    places = []
    for rtl in (False, True):
        svg = whiskers(rows, alternative="", ticks=ticks, rtl=rtl)
        places.append([float(x) for x in re.findall(r'cx="([\d.]+)%"', svg)])
    assert all(0 <= x <= 100 for x in [*places[0], *places[1]])
    assert [round(100 - x, 1) for x in places[0]] == pytest.approx(places[1], abs=0.06)


def test_a_heat_table_is_read_by_rows() -> None:
    table = heat_table(
        [[0.8, 0.2], [0.04, 0.96]],
        ["polite", NASTY],
        [["80%", "20%"], ["4%", "96%"]],
        caption="Who said what",
        down="Right",
        across="Said",
    )
    macros = environment().get_template("macros.html").module
    drawn = str(macros.heat_table(table))  # type: ignore[attr-defined]
    assert "<script" not in drawn
    assert re.findall(r'class="number (\S+)">([^<]+)<', drawn) == [
        ("right-8", "80%"),
        ("wrong-2", "20%"),
        ("wrong-0", "4%"),
        ("right-10", "96%"),
    ]
    assert drawn.count('scope="row"') == 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("advice", ["more", "audit"])
def test_an_advice_without_a_price_has_no_comma_left_over(language: str, advice: str) -> None:
    said = get_catalogue(language).text(
        f"advice.{advice}", labels="100", paid="", expected="90%", within="10", texts="60"
    )
    assert "," not in said
    assert "،" not in said


def test_the_evidence_against_a_person_has_the_same_words_everywhere() -> None:
    english = get_catalogue("en")
    for name, (words, _) in _EVIDENCE.items():
        assert english.text(f"evidence.{name}").casefold() == words.casefold()
