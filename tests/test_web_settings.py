"""The owner's pages of settings and webhooks, as a browser without scripts uses them."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from jurybox.project.choices import CHOICES, choices_of
from jurybox.web.pages.settings import GROUPS, Kind
from jurybox.web.webhooks import list_hooks
from support.web import Stage, stage
from test_web_webhooks import receiving

SETTINGS, WEBHOOKS = "/manage/settings", "/manage/webhooks"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db"), webhooks=True, webhooks_to_private_addresses=True) as made:
        yield made


@pytest.fixture
def browser(own: Stage) -> TestClient:
    return own.browser("olga")


def fields_of(page: str) -> dict[str, str]:
    """What a browser sends of the form of settings."""
    form = page.partition('action="/manage/settings"')[2].partition("</form>")[0]
    sent: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if found["type"] not in ("checkbox", "radio") or " checked" in tag:
            sent[found["name"]] = unescape(found["value"])
    return sent


def notice_of(page: str) -> str:
    found = re.search(r'class="notice bad" role="status">.*?<p>(.*?)</p>', page, re.DOTALL)
    assert found is not None
    return unescape(found.group(1))


def hook_number(page: str) -> str:
    found = re.search(r'name="number" value="(\w+)"', page)
    assert found is not None
    return found.group(1)


@pytest.mark.slow
def test_saving_the_page_as_it_is_changes_nothing(own: Stage, browser: TestClient) -> None:
    before = own.project.settings
    sent = fields_of(browser.get(SETTINGS).text)
    of_several = {"ask", "reading_effort"}  # questions, of which there is one here
    fields = {field.name for group in GROUPS for field in group.fields} | CHOICES.keys()
    assert sent.keys() > fields - of_several
    assert not of_several & sent.keys()
    assert browser.post(SETTINGS, data=sent).headers["location"] == "/manage/settings?saved=1"
    assert own.project.settings == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "entered", "stored"),
    [
        ("strategy", "margin", "margin"),
        ("encoder", "tfidf", "tfidf"),
        ("classifier", "head", "head"),
        ("batch", "7", 7),
        ("enough_agreement", "", None),
        ("enough_agreement", "2", 2),
        ("gold_share", "12.5", 0.125),
        ("max_share", "30", 0.3),
        ("max_share", "", None),
        ("random_share", "20", 0.2),
        ("target_accuracy", "92.5", 0.925),
        ("target_accuracy", "", None),
        ("budget", "5000", 5000),
        ("budget", "", None),
        ("cost_per_label", "0.07", 0.07),
        ("lease_seconds", "90", 90.0),
        ("suggestions", "on", True),
    ],
)
def test_a_setting_is_changed(
    own: Stage, browser: TestClient, name: str, entered: str, stored: object
) -> None:
    sent = {**fields_of(browser.get(SETTINGS).text), name: entered}
    expected = own.project.settings.updated({name: stored})
    assert browser.post(SETTINGS, data=sent).status_code == 303
    assert own.project.settings == expected
    assert fields_of(browser.get(SETTINGS).text)[name] == entered


@pytest.mark.slow
def test_what_is_left_out_stays(own: Stage, browser: TestClient) -> None:
    expected = own.project.settings.updated({"batch": 9})
    browser.post(SETTINGS, data={"batch": "9"})
    assert own.project.settings == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "entered", "problem"),
    [
        ("batch", "many", "Batch: a whole number is expected."),
        ("batch", "2.5", "Batch: a whole number is expected."),
        ("batch", "0", "Batch: this value is not possible."),
        ("gold_share", "half", "Gold texts: a number is expected."),
        ("gold_share", "150", "Gold texts: this value is not possible."),
        ("target_accuracy", "100", "Accuracy wanted: this value is not possible."),
        ("lease_seconds", "inf", "Seconds a text is reserved: a number is expected."),
        ("strategy", "tarot", "Strategy: choose one of those in the list."),
        ("encoder", "/etc", "Encoder: choose one of those in the list."),
        ("classifier", "sklearn:svm.SVC", "Classifier: choose one of those in the list."),
    ],
)
def test_what_is_wrong_is_said_and_kept_to_be_corrected(
    own: Stage, browser: TestClient, name: str, entered: str, problem: str
) -> None:
    before = own.project.settings
    answer = browser.post(
        SETTINGS, data={**fields_of(browser.get(SETTINGS).text), "first_labels": "4", name: entered}
    )
    assert answer.status_code == 422
    assert problem in notice_of(answer.text)
    assert own.project.settings == before
    assert fields_of(answer.text)["first_labels"] == "4"
    if name not in CHOICES:
        assert fields_of(answer.text)[name] == entered


@pytest.mark.slow
def test_problems_are_told_in_the_language_of_the_page(browser: TestClient) -> None:
    answer = browser.post(SETTINGS, data={"batch": "viele"}, headers={"Accept-Language": "de"})
    assert notice_of(answer.text).endswith("Erwartet wird eine ganze Zahl.")


@pytest.mark.slow
def test_what_was_set_elsewhere_can_be_kept(own: Stage, browser: TestClient) -> None:
    name = "sklearn:naive_bayes.GaussianNB"
    own.project.configure(classifier=name)
    sent = fields_of(browser.get(SETTINGS).text)
    assert sent["classifier"] == name
    assert browser.post(SETTINGS, data={**sent, "batch": "8"}).status_code == 303
    assert own.project.settings.classifier == name


@pytest.mark.slow
def test_what_is_not_installed_cannot_be_chosen(
    own: Stage, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert [choice.available for choice in choices_of("encoder", "tfidf")] == [True, True, False]
    assert "Not installed on this server." in browser.get(SETTINGS).text
    assert browser.post(SETTINGS, data={"encoder": "minilm"}).status_code == 422
    assert own.project.settings.encoder == "tfidf"


def test_every_setting_of_the_page_is_one(own: Stage) -> None:
    settings: dict[str, Any] = own.project.settings.to_dict()
    for group in GROUPS:
        for field in group.fields:
            value = settings[field.name]
            kinds: dict[Kind, type[Any] | tuple[type[Any], ...]] = {Kind.COUNT: int, Kind.SWITCH: bool}
            assert value is None or isinstance(value, kinds.get(field.kind, float)), field.name


@pytest.mark.slow
def test_a_webhook_is_added_tried_and_removed(own: Stage, browser: TestClient) -> None:
    assert "No server is told anything yet." in browser.get(WEBHOOKS).text
    with receiving(500) as receiver:
        made = browser.post(WEBHOOKS, data={"url": receiver.url, "events": ["round.finished"]})
        secret = re.search(r'id="secret" readonly value="(whsec_[\w+/=]{44})"', made.text)
        assert secret is not None
        listed = browser.get(WEBHOOKS).text
        assert secret.group(1) not in listed, "a secret is shown once"
        assert receiver.url in unescape(listed)
        number = hook_number(listed)
        failed = browser.post(f"{WEBHOOKS}/test", data={"number": number})
        assert "the receiver answered 500" in notice_of(failed.text)
        assert "The test was delivered." in browser.post(f"{WEBHOOKS}/test", data={"number": number}).text
        assert [json.loads(body)["type"] for _, body in receiver.got] == ["test", "test"]
    assert browser.post(f"{WEBHOOKS}/remove", data={"number": number}).status_code == 303
    assert list_hooks(own.project) == []
    for action in ("test", "remove"):
        assert browser.post(f"{WEBHOOKS}/{action}", data={"number": number}).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (
            {"url": "ftp://example.org", "events": "round.finished"},
            "expected one like https://example.org/hook",
        ),
        ({"url": "https://example.org"}, "Choose at least one event."),
    ],
)
def test_a_wrong_webhook_is_refused(
    own: Stage, browser: TestClient, form: dict[str, str], problem: str
) -> None:
    answer = browser.post(WEBHOOKS, data=form)
    assert answer.status_code == 422
    assert problem in notice_of(answer.text)
    assert f'value="{form["url"]}"' in answer.text
    assert list_hooks(own.project) == []


@pytest.mark.slow
def test_private_addresses_are_refused_on_the_page_too(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db"), webhooks=True) as own:
        browser = own.browser("olga")
        for url in (
            "http://127.0.0.1/hook",
            "http://localhost/hook",
            "http://[::1]/hook",
            "http://10.0.0.1/",
        ):
            answer = browser.post(WEBHOOKS, data={"url": url, "events": "round.finished"})
            assert "private network" in notice_of(answer.text)
        assert list_hooks(own.project) == []


@pytest.mark.slow
def test_nothing_is_added_or_sent_where_webhooks_are_off(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as own:
        browser = own.browser("olga")
        assert "jurybox serve --webhooks" in browser.get(WEBHOOKS).text
        form = {"url": "https://example.org/hook", "events": "round.finished"}
        assert browser.post(WEBHOOKS, data=form).status_code == 409
        assert browser.post(f"{WEBHOOKS}/test", data={"number": "0" * 16}).status_code == 409
        assert list_hooks(own.project) == []
