"""Templates with what every page needs: language, appearance, navigation, words for numbers and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePath
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from jurybox.errors import FormatError, JuryboxError
from jurybox.formats.plan import Finding
from jurybox.store.records import Role
from jurybox.web.access import User, known_user
from jurybox.web.i18n import LANGUAGES, Catalogue, choose_language, get_catalogue
from jurybox.web.state import chosen_question, get_server

After = Annotated[int | None, Query(ge=0, le=2**62)]
Before = Annotated[int, Query(ge=0, le=2**62)]
"""Where a page of a list begins, and behind how many rows that is, for `pager`."""

TEMPLATES = Path(__file__).with_name("templates")

LANGUAGE_COOKIE = "jurybox_language"
THEME_COOKIE = "jurybox_theme"
THEMES = ("light", "dark")

_TABS = {
    Role.ANNOTATOR: (),
    Role.REVIEWER: (
        ("/label", "tab.label"),
        ("/manage/review", "tab.review"),
        ("/manage/texts", "tab.texts"),
    ),
    Role.OWNER: (
        ("/manage", "tab.overview"),
        ("/label", "tab.label"),
        ("/manage/queue", "tab.queue"),
        ("/manage/texts", "tab.texts"),
        ("/manage/review", "tab.review"),
        ("/manage/people", "tab.people"),
        ("/manage/trust", "tab.trust"),
        ("/manage/settings", "tab.settings"),
        ("/manage/export", "tab.export"),
    ),
}

_WITHIN = {
    "/manage/text": "/manage/texts",
    "/manage/annotations": "/manage/texts",
    "/manage/duplicates": "/manage/texts",
    "/manage/clusters": "/manage/texts",
    "/manage/cluster": "/manage/texts",
    "/manage/cases": "/manage/review",
    "/manage/person": "/manage/people",
    "/manage/history": "/manage/settings",
    "/manage/agreement": "/manage/trust",
    "/import": "/manage/texts",
    "/import/file": "/manage/texts",
    "/import/paste": "/manage/texts",
    "/manage/audit": "/manage/settings",
    "/manage/machines": "/manage/trust",
    "/manage/webhooks": "/manage/settings",
    "/manage/webhooks/test": "/manage/settings",
}
"""Pages without a tab of their own, and the tab that leads to them."""

_FIGURES = frozenset(
    f"/manage{page}"
    for page in (
        *("", "/trust", "/person", "/people", "/agreement", "/machines", "/audit", "/review", "/texts"),
        "/text",
    )
)
"""Pages whose figures are of one question, where there are several."""

_EXCERPT = 280
_SHORT, _LONG = 160, 900
_LONGEST_VALUE = 80
_MOST_NAMES = 12


@cache
def environment() -> Environment:
    """Return the environment of the templates; it escapes everything and knows no undefined names."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False}  # Arabic in a third
    return made


def has_template(name: str) -> bool:
    """Whether there is such a template."""
    return (TEMPLATES / name).is_file()


def render(
    request: Request,
    name: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Fill a template; it also gets ``request``, ``user`` (or None), ``csrf_token`` and what all share."""
    user = _user(request)
    values = {
        **_page_context(request, user),
        "request": request,
        "user": user,
        "csrf_token": user.csrf_token if user else "",
        **(context or {}),
    }
    return HTMLResponse(environment().get_template(name).render(values), status, headers)


def catalogue_of(request: Request) -> Catalogue:
    """Return the catalogue in the language of whoever asks."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return get_catalogue(choose_language(chosen, request.headers.get("accept-language", "")))


def explain(catalogue: Catalogue, error: JuryboxError) -> str:
    """Say what an error says; in English where the language has no words for it.

    Files are called as those who uploaded them call them, and not by where they are on the server.

    Examples
    --------
    >>> from jurybox.web.i18n import get_catalogue
    >>> error = FormatError("is empty", file="/srv/uploads/x/reviews.csv", code="empty_file")
    >>> explain(get_catalogue("de"), error)
    'reviews.csv: Die Datei ist leer.'
    """
    if not isinstance(error, FormatError):
        return _words(catalogue, error, str(error))
    words = _words(catalogue, error, error.problem)
    place = ", ".join(_place(catalogue, error))
    return f"{place}: {words}" if place else words


def found_words(catalogue: Catalogue, found: Finding) -> str:
    """Say what was found in a file that is to be imported.

    Examples
    --------
    >>> from jurybox.formats.plan import finding
    >>> from jurybox.web.i18n import get_catalogue
    >>> found_words(get_catalogue("de"), finding("preamble", "left out: {rows}", rows=2))
    'Zeilen über den Spaltennamen bleiben weg: 2.'
    """
    said = {name: _in_words(catalogue, value) for name, value in found.values}
    words = catalogue.text(f"finding.{found.code}", **said)
    if found.n:
        counted = {"n": catalogue.number(found.n), "row": catalogue.number(found.row)}
        words = catalogue.text("finding.counted", what=words, **counted)
    return catalogue.text("finding.of_file", file=found.file, what=words) if found.file else words


def _in_words(catalogue: Catalogue, value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, int):
        return catalogue.number(value)
    if isinstance(value, str):
        return value
    quoted = [catalogue.text("problem.value", value=_shortened(name)) for name in value[:_MOST_NAMES]]
    return ", ".join([*quoted, *(["…"] if len(value) > _MOST_NAMES else [])])


def prose(text: str) -> Markup:
    r"""Return guidelines as HTML: Markdown, without raw HTML and pictures; a line stays a line.

    Examples
    --------
    >>> print(prose("Is it **polite**?\n<b>Skip</b> if in doubt."))
    <p>Is it <strong>polite</strong>?<br>
    &lt;b&gt;Skip&lt;/b&gt; if in doubt.</p>
    <BLANKLINE>
    """
    return Markup(_markdown().render(text))  # noqa: S704 - it lets no HTML through


@cache
def _markdown() -> MarkdownIt:
    options = {"html": False, "breaks": True, "xhtmlOut": False}
    return MarkdownIt("commonmark", options).enable("table").disable("image")


def pager(
    catalogue: Catalogue, path: str, query: Mapping[str, str], before: int, n: int, following: int | None
) -> dict[str, str]:
    """Return where a list goes on, and where in it its n rows here are: behind `before` others.

    Parameters
    ----------
    following
        What the next page asks for as ``after``; None at the end.
    """
    kept = {name: value for name, value in query.items() if value}
    more = {**kept, "after": following, "before": before + n}
    place = {"first": catalogue.number(before + 1), "last": catalogue.number(before + n)}
    return {
        "first": f"{path}?{urlencode(kept)}" if before else "",
        "place": catalogue.text("pager.place", **place) if n else "",
        "next": f"{path}?{urlencode(more)}" if following is not None else "",
    }


def size_of(text: str) -> str:
    """Return how large a text is shown, as the script does.

    Examples
    --------
    >>> size_of("short enough"), size_of("x" * 500), size_of("x" * 5000)
    ('short', '', 'long')
    """
    return "short" if len(text) <= _SHORT else "long" if len(text) > _LONG else ""


def _user(request: Request) -> User | None:
    try:
        return known_user(request)
    except JuryboxError:  # a page that says what is wrong must not fail of the same
        return None


def _page_context(request: Request, user: User | None) -> dict[str, Any]:
    catalogue = catalogue_of(request)
    theme = request.cookies.get(THEME_COOKIE)
    server = get_server(request)
    has_project = user is not None and server.has_project
    return {
        "lang": catalogue.language,
        "dir": catalogue.direction,
        "theme": theme if theme in THEMES else "",
        "languages": LANGUAGES.items(),
        "here": request.url.path if request.method == "GET" else "/",
        "tabs": _tabs(request, user) if has_project else (),
        "several": getattr(request.app.state, "hub", None) is not None,
        **_questions(request, shown=has_project and request.url.path in _FIGURES),
        "project_name": server.project.name if has_project else "",
        **_writers(catalogue),
        "answer": _answers(request, catalogue),
    }


def _questions(request: Request, *, shown: bool) -> dict[str, Any]:
    """Return what a page of figures of one question leads to: the same page of the others."""
    names, chosen = chosen_question(request) if shown else ((), None)
    query = {name: value for name, value in request.query_params.items() if name not in ("question", "after")}
    return {
        "question": chosen or "",
        "questions_here": [
            (name, f"{request.url.path}?{urlencode({**query, 'question': name})}", name == chosen)
            for name in names
        ],
    }


def _tabs(request: Request, user: User | None) -> list[Mapping[str, object]]:
    tabs = _TABS[user.role] if user is not None else ()
    here = _WITHIN.get(request.url.path, request.url.path)
    return [{"href": href, "name": name, "here": here == href} for href, name in tabs]


def _writers(catalogue: Catalogue) -> dict[str, Any]:
    def reason(name: str) -> str:
        key = f"reason.{name}"
        return catalogue.text(key) if catalogue.knows(key) else name

    def reason_note(name: str) -> str:
        key = f"reason.{name}.note"
        return catalogue.text(key) if catalogue.knows(key) else ""

    return {
        "t": catalogue.text,
        "tn": catalogue.plural,
        "known_message": catalogue.knows,
        "number": catalogue.number,
        "percent": catalogue.percent,
        "probability": catalogue.probability,
        "seconds": catalogue.seconds,
        "moment": catalogue.moment,
        "when": lambda time: when(catalogue, time),
        "reason": reason,
        "reason_note": reason_note,
        "excerpt": _excerpt,
        "text_href": _text_href,
        "person_href": _person_href,
        "review_href": _review_href,
        "size_of": size_of,
        "prose": prose,
    }


def when(catalogue: Catalogue, time: float | None) -> Markup | str:
    """Write a time in UTC, which the script of all pages turns into the time of whoever looks."""
    if time is None:
        return catalogue.moment(None)
    stamp = datetime.fromtimestamp(time, tz=UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(stamp, catalogue.moment(time))


def hour_words(catalogue: Catalogue, start: float) -> Markup:
    """Write the hour that begins at a time, as `when` writes a minute."""
    moment = datetime.fromtimestamp(start, tz=UTC)
    stamp = moment.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-hour>{}</time>').format(stamp, catalogue.hour(moment))


def answer_words(catalogue: Catalogue, label: str) -> str:
    """Write an answer to several questions for people: what is stored has marks of its own.

    Examples
    --------
    >>> answer_words(get_catalogue("en"), "food=good; topics=|; size=small<small|large")
    'food: good · topics: None of these · size: small, not large'
    """
    parts = []
    for part in label.split("; "):
        name, _, said = part.partition("=")
        yes, _, asked = said.partition("<")
        given = [one for one in yes.split("|") if one]
        other = [one for one in asked.split("|") if one and one not in given]
        words = [*given, *(f"{catalogue.text('label.not')} {one}" for one in other)]
        parts.append(f"{name}: {', '.join(words) or catalogue.text('label.none_of_these')}")
    return " · ".join(parts)


def _answers(request: Request, catalogue: Catalogue) -> Callable[[str], str]:
    """Return what writes a label: a class as it is, an answer to several questions in words."""
    several = cache(lambda: bool(get_server(request).project.questions))
    return lambda label: answer_words(catalogue, label) if several() else label


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


def _text_href(text_id: str) -> str:
    return f"/manage/text?{urlencode({'id': text_id})}"


def _review_href(text_id: str, show: str = "") -> str:
    return f"/manage/review?{urlencode({'id': text_id, **({'show': show} if show else {})})}"


def _person_href(name: str) -> str:
    return f"/manage/person?{urlencode({'name': name})}"


def _words(catalogue: Catalogue, error: JuryboxError, otherwise: str) -> str:
    if error.code == "setting":
        name = catalogue.text(f"setting.{error.values['name']}")
        return catalogue.text("problem.setting", name=name)
    key = f"problem.{error.code}"
    return catalogue.text(key, **error.values) if catalogue.knows(key) else otherwise


def _place(catalogue: Catalogue, error: FormatError) -> list[str]:
    place = [] if error.file is None else [PurePath(error.file).name]
    if error.row is not None:
        place.append(catalogue.text("problem.row", row=catalogue.number(error.row)))
    if error.column is not None:
        place.append(catalogue.text("problem.column", column=error.column))
    if error.value is not None:
        place.append(catalogue.text("problem.value", value=_shortened(str(error.value))))
    return place


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"
