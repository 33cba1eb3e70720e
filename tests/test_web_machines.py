"""Machines in the web app: the owner sees what is known of them, and nobody else sees what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jurybox.formats.plain import plain
from jurybox.machines import Keywords, Price
from jurybox.project import Project
from jurybox.project.asking import AskOptions
from support.copies import copied
from support.web import TEXTS, Stage, make_project, stage, staged

pytestmark = pytest.mark.slow

OWNERS = ("/manage/machines", "/api/v1/machines", "/api/v1/beliefs")


@pytest.fixture
def own(location: str) -> Iterator[Stage]:
    with staged(copied(make_with_machines, location)) as made:
        yield made


def make_with_machines(location: str) -> None:
    """Make a project in which a rule knows odd texts from even ones, and another one is beside it."""
    make_project(location)
    with Project.open(location) as project:
        odd, even = (tuple(str(n) for n in range(first, 12, 2)) for first in (1, 0))
        project.machines.add("parity", Keywords({"yes": odd, "no": even}), made_by="olga")
        project.machines.add("guess", Keywords({"yes": ("1", "2"), "no": ("3",)}), price=Price(answer=0.5))
        project.machines.ask("parity")
        project.machines.ask("guess", limit=2, options=AskOptions(budget=1.0))
        for text_id, text in TEXTS[:8]:
            for name in ("ana", "bo"):
                project.submit(text_id, "yes" if int(text.split()[-1]) % 2 else "no", annotator=name)
        project.configure(cost_per_label=0.2)
        project.refit()
        project.beliefs.keep()


def test_the_owner_sees_what_is_known_of_each(own: Stage) -> None:
    owner = own.browser("olga")
    page = owner.get("/manage/machines").text
    for said in ("parity v1", "guess v1", "2 machines", "Whom to ask next", "A person"):
        assert said in page
    assert "Correlation with" in page
    assert page.count('<table class="heat">') == 2
    assert owner.get("/api/v1/machines").json() == plain(own.project.beliefs.now().machines)
    assert 'href="/manage/machines"' in owner.get("/manage/trust").text


@pytest.mark.parametrize("name", ["ana", "rita"])
@pytest.mark.parametrize("path", OWNERS)
def test_nobody_else_sees_them(own: Stage, name: str, path: str) -> None:
    assert own.browser(name).get(path).status_code == 403
    assert own.client().get(path).status_code in (303, 401)


def test_annotators_see_no_answer_until_the_owner_shows_suggestions(own: Stage) -> None:
    ana = own.client("ana")

    def lent() -> list[str | None]:
        tasks = ana.post("/api/v1/tasks", json={"n": 4}).json()["tasks"]
        return [task["suggestion"] for task in tasks]

    assert set(lent()) == {None}
    own.project.configure(suggestions=True)
    assert set(lent()) <= {"no", "yes"}
    assert own.project.beliefs.now().inputs.evidence.suggested.sum() == 0  # nothing of it is labelled yet


def test_before_there_are_machines_the_page_says_how_to_make_one(location: str) -> None:
    with stage(location) as made:
        assert "jurybox machine add" in made.browser("olga").get("/manage/machines").text
