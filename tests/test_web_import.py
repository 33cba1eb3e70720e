"""The page of an import states what the reader found, in every language, and asks before labels are lost."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jurybox.web.app import create_app
from support.web import OWNER_TOKEN, web_settings

NOBODYS = b"id,text,label,who_knows\n1,hi,polite,x\n2,ho,rude,y\n3,ho,rude,y\n"
DENSE = b"id,text,ana,bo\n1,hi,0,1\n2,ho,1,1\n"
FORM = (
    '"Zeitstempel","Nutzername","Wie? [Was ist denn los?]","Wie? [Vielen Dank dafür.]"\n'
    '"2024-05-02 09:12","ana","höflich","unhöflich"\n"2024-05-02 09:15","bo","unhöflich","höflich"\n'
).encode()

Site = tuple[TestClient, str]


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(str(tmp_path / "new.db"), settings=web_settings())
    headers = {"Authorization": f"Bearer {OWNER_TOKEN}", "Accept-Language": "de"}
    yield TestClient(app, headers=headers, follow_redirects=False)
    app.state.server.close()


def upload(visitor: TestClient, content: bytes, path: str = "/setup") -> str:
    page = visitor.post(path, files={"file": ("labels.csv", content, "text/csv")}).text
    found = re.search(r'name="upload" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def said(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_the_whole_plan_is_stated_in_the_language_of_the_page(visitor: TestClient) -> None:
    page = visitor.post("/setup", files={"file": ("labels.csv", b"\n" + NOBODYS + b",,,\n", "text/csv")}).text
    words = said(page)
    assert "4 Zeilen: 3 Texte, 0 Annotationen von 0 Annotatoren, 0 Klassen." in words
    assert "1 × Leere Zeilen bleiben weg. Zuerst in Zeile 4." in words
    assert "Texte, die einen früheren unter anderer Id wiederholen: 1." in words
    assert re.search(r"who_knows\s+Metadaten\s+3", words)
    assert "blank rows" not in words


@pytest.mark.slow
def test_labels_are_lost_only_where_somebody_says_so(visitor: TestClient) -> None:
    key = upload(visitor, NOBODYS)
    form = {"upload": key, "step": "create", "classes": "polite\nrude", "name": "p"}
    refused = visitor.post("/setup/file", data=form)
    assert refused.status_code == 422
    assert "Labels gingen verloren" in said(refused.text)
    assert 'name="lossy"' in refused.text
    assert not visitor.app.state.server.has_project  # type: ignore[attr-defined]
    assert visitor.post("/setup/file", data={**form, "lossy": "true"}).status_code == 303
    key = upload(visitor, NOBODYS, "/import")
    again = {"upload": key, "step": "create"}
    assert visitor.post("/import/file", data=again).status_code == 422
    done = visitor.post("/import/file", data={**again, "given_by": "ana"})
    assert "0 Texte und 3 Annotationen" in said(done.text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "classes", "choice", "annotations"),
    [
        (DENSE, "0\n1", {"voters": ["ana", "bo"]}, 4),
        (FORM, "höflich\nunhöflich", {"turned": "true"}, 4),
    ],
    ids=["columns that are people", "turned round"],
)
def test_who_votes_can_be_said_on_the_page(
    visitor: TestClient, content: bytes, classes: str, choice: dict[str, str | list[str]], annotations: int
) -> None:
    form = {"upload": upload(visitor, content), "step": "create", "classes": classes}
    refused = visitor.post("/setup/file", data=form)
    assert refused.status_code == 422
    assert all(f'name="{name}"' in refused.text for name in choice)
    assert visitor.post("/setup/file", data={**form, **choice}).status_code == 303
    project = visitor.app.state.server.project  # type: ignore[attr-defined]
    assert project.status().annotations == annotations
