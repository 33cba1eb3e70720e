"""What every template gets besides its own values: language, appearance, navigation, ways to write things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from jurybox.store.records import Role
from jurybox.web.access import User
from jurybox.web.i18n import LANGUAGES, Catalogue, choose_language, get_catalogue
from jurybox.web.state import get_server

__all__ = ["LANGUAGE_COOKIE", "THEMES", "THEME_COOKIE", "catalogue_of", "page_context", "size_of"]

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
    "/manage/person": "/manage/people",
    "/import": "/manage/texts",
    "/import/file": "/manage/texts",
    "/manage/webhooks": "/manage/settings",
    "/manage/webhooks/test": "/manage/settings",
}
"""Pages without a tab of their own, and the tab that leads to them."""

_EXCERPT = 280
_SHORT, _LONG = 160, 900


def catalogue_of(request: Request) -> Catalogue:
    """Return the catalogue in the language of whoever asks."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return get_catalogue(choose_language(chosen, request.headers.get("accept-language", "")))


def page_context(request: Request, user: User | None) -> dict[str, Any]:
    """Return what every template gets."""
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
        "project_name": server.project.name if has_project else "",
        **_writers(catalogue),
    }


def size_of(text: str) -> str:
    """Return how large a text is shown, as the script does.

    Examples
    --------
    >>> size_of("short enough"), size_of("x" * 500), size_of("x" * 5000)
    ('short', '', 'long')
    """
    return "short" if len(text) <= _SHORT else "long" if len(text) > _LONG else ""


def _tabs(request: Request, user: User | None) -> list[Mapping[str, object]]:
    tabs = _TABS[user.role] if user is not None else ()
    reviewing = request.query_params.get("back") == "review"
    here = "/manage/review" if reviewing else _WITHIN.get(request.url.path, request.url.path)
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
        "reason": reason,
        "reason_note": reason_note,
        "excerpt": _excerpt,
        "text_href": _text_href,
        "person_href": _person_href,
        "size_of": size_of,
    }


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


def _text_href(text_id: str) -> str:
    return f"/manage/text?{urlencode({'id': text_id})}"


def _person_href(name: str) -> str:
    return f"/manage/person?{urlencode({'name': name})}"
