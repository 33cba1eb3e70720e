"""The lead's desk: a verdict, an audit sample that grows, people at a glance, a trail, invitations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jurybox.store.records import Fault, Task
from jurybox.web.app import create_app
from support.web import OWNER_TOKEN, Stage, make_project, stage, staged, web_settings


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db")) as made:
        yield made


@pytest.fixture
def owner(own: Stage) -> TestClient:
    return own.browser("olga")


@pytest.mark.slow
def test_the_overview_says_what_to_do_first(own: Stage, owner: TestClient) -> None:
    page = owner.get("/manage").text
    verdict = re.search(r'<section class="verdict.*?</section>', page, re.S)
    assert verdict is not None
    assert "No model has been judged yet" in verdict[0]
    assert 'href="/label"' in verdict[0]
    assert page.index("verdict") < page.index('<dl class="stats"')
    assert own.project.beliefs.now().advice.step == "start"


@pytest.mark.slow
def test_the_audit_sample_grows_by_a_button(own: Stage, owner: TestClient) -> None:
    assert owner.post("/manage/audit", data={"texts": 5}).headers["location"] == "/manage/audit"
    assert len(own.project.audit.texts()) == 5
    page = owner.get("/manage/audit").text
    assert "5 texts, drawn at random" in page
    refused = owner.post("/manage/audit", data={"texts": 50})
    assert refused.status_code == 422
    assert "The sample can grow by 1 to 7 texts" in refused.text
    assert own.browser("rita").get("/manage/audit").status_code == 403


@pytest.mark.slow
def test_labels_are_left_out_and_counted_again_from_the_history(own: Stage, owner: TestClient) -> None:
    own.project.submit("t1", "yes", annotator="ana")
    assert "Leave labels out" in owner.get("/manage/people").text
    owner.post("/manage/people/leave-out", data={"name": "ana"})
    assert own.project.people.get("ana").left_out
    assert "left out" in owner.get("/manage/people").text
    page = owner.get("/manage/history").text
    assert "Left out the labels of ana" in page
    assert "olga" in page
    (event,) = own.project.edit.history.last(1)
    assert owner.post("/manage/history", data={"event": event.number}).status_code == 303
    assert not own.project.people.get("ana").left_out
    assert owner.post("/manage/history", data={"event": event.number}).status_code == 409


@pytest.mark.slow
def test_people_are_sorted_by_any_figure_and_back(own: Stage, owner: TestClient) -> None:
    for text in ("t1", "t2"):
        own.project.submit(text, "yes", annotator="bo")
    own.project.submit("t1", "yes", annotator="ana")
    own.project.beliefs.keep()

    def order(query: str) -> list[str]:
        page = owner.get(f"/manage/people{query}").text
        return re.findall(r'href="/manage/person\?name=(\w+)"><bdi>', page)

    assert order("") == ["ana", "bo", "rita", "olga"]
    assert order("?sort=people.name&down=1") == ["rita", "olga", "bo", "ana"]
    assert order("?sort=column.annotations&down=1")[:2] == ["bo", "ana"]
    assert order("?sort=no.such") == ["ana", "bo", "rita", "olga"]
    assert 'aria-sort="ascending"' in owner.get("/manage/people?sort=people.quality").text


@pytest.mark.slow
def test_several_people_are_invited_at_once_or_none(own: Stage, owner: TestClient) -> None:
    page = owner.post("/manage/people/several", data={"names": "cem\n dia@example.org \n\n"})
    assert page.status_code == 200
    assert page.text.count('class="segno"') == 2
    links = re.findall(r'value="(http://testserver/join/[\w-]+)"', page.text)
    assert len(set(links)) == 2
    assert own.client().get(links[0]).status_code == 303
    assert 'download="invitations.csv" href="data:text/csv' in page.text
    refused = owner.post("/manage/people/several", data={"names": "eva\nANA"})
    assert refused.status_code == 409
    assert "ANA is here already, as ana." in refused.text
    assert "eva" not in {person.name for person in own.project.people.all()}
    assert owner.post("/manage/people", data={"name": "Bo"}).status_code == 409


@pytest.mark.slow
def test_withdrawing_asks_first_and_says_so_afterwards(own: Stage, owner: TestClient) -> None:
    page = owner.get("/manage/people").text
    assert "The link and all sessions of ana end now; the labels stay." in page
    answer = owner.post("/manage/people/withdraw", data={"name": "ana"})
    assert "ana can sign in no more." in owner.get(answer.headers["location"]).text
    assert not own.project.people.has_token("ana")


@pytest.mark.slow
def test_guidelines_are_markdown_without_html_and_keep_their_versions(own: Stage, owner: TestClient) -> None:
    owner.post("/manage/guidelines", data={"text": "Be **fair**."})
    owner.post("/manage/guidelines", data={"text": "Be *kind*.\n\n<script>x()</script> [a](javascript:x)"})
    page = own.browser("ana").get("/guidelines").text
    assert "<em>kind</em>" in page
    assert "<script>x()" not in page
    assert 'href="javascript' not in page
    assert "<strong>fair</strong>" in owner.get("/manage/settings").text
    assert [version.text[:6] for version in own.project.reading.guideline_versions()] == ["Be *ki", "Be **f"]
    shown = owner.post("/manage/guidelines/preview", data={"text": "- one"})
    assert shown.text == "<ul>\n<li>one</li>\n</ul>\n"
    assert own.browser("ana").post("/manage/guidelines/preview", data={"text": ""}).status_code == 403


@pytest.mark.slow
def test_a_change_of_the_guidelines_can_ask_again_where_people_disagree(
    own: Stage, owner: TestClient
) -> None:
    for text, said in (("t1", "no"), ("t2", "yes")):
        own.project.submit(text, "yes", annotator="ana")
        own.project.submit(text, said, annotator="bo")
    owner.post("/manage/guidelines", data={"text": "Be fair."})
    assert [one.verb for one in own.project.edit.history.last()] == ["guidelines", "create project"]
    owner.post("/manage/guidelines", data={"text": "Be kind.", "again": "true"})
    last = own.project.edit.history.last()
    assert [(one.verb, one.subject) for one in last[:2]] == [("reopen", "1"), ("guidelines", "2")]
    own.project.people.add("cem")
    task = own.project.next_task("cem")
    assert isinstance(task, Task)
    assert task.text_id == "t1"


@pytest.mark.slow
def test_guidelines_show_decided_cases_as_examples_but_no_gold_text(own: Stage, owner: TestClient) -> None:
    for text, said in (("t1", "no"), ("t2", "yes"), ("t3", "yes")):
        own.project.submit(text, "yes" if said == "no" else "no", annotator="ana")
        own.project.adjudicate(text, said, reviewer="rita", comment=f"why {text}", fault=Fault.GUIDELINE)
    own.project.gold.set("t3", "yes")
    page = own.browser("ana").get("/guidelines").text
    assert page.index('<h3 dir="auto">no') < page.index("why t1") < page.index('<h3 dir="auto">yes')
    assert "why t2" in page
    assert "why t3" not in page


@pytest.mark.slow
def test_guidelines_are_read_before_the_first_label_and_after_a_change(own: Stage) -> None:
    def read_first() -> str:
        found = re.search(r'"read_first": ?"(\w*)"', ana.get("/label").text.replace("&#34;", '"'))
        assert found is not None
        return found[1]

    ana = own.browser("ana")
    assert read_first() == ""
    own.project.set_guidelines("Be fair.")
    assert read_first() == "first"
    own.project.submit("t1", "yes", annotator="ana")
    assert read_first() == ""
    own.project.set_guidelines("Be kind.")
    assert read_first() == "changed"


@pytest.mark.slow
def test_a_message_stands_on_the_labelling_page_until_it_was_read(own: Stage, owner: TestClient) -> None:
    ana, bo = own.browser("ana"), own.browser("bo")
    answer = owner.post(
        "/manage/people/message", data={"name": "ana", "message": "Slow <b>down</b>, please."}
    )
    assert "Not read yet" in owner.get(answer.headers["location"]).text
    assert "Slow &lt;b&gt;down&lt;/b&gt;, please." in ana.get("/label").text
    assert "Slow" not in bo.get("/label").text
    assert bo.post("/manage/people/message", data={"name": "ana", "message": "x"}).status_code == 403
    shown = re.search(r'name="message" value="(\w+)"', ana.get("/label").text)
    assert shown is not None
    owner.post("/manage/people/message", data={"name": "ana", "message": "And\nread twice."})
    assert ana.post("/label/read", data={"message": shown[1]}).headers["location"] == "/label"
    page = ana.get("/label").text
    assert "read twice" in page  # it came after what was read
    shown = re.search(r'name="message" value="(\w+)"', page)
    assert shown is not None
    ana.post("/label/read", data={"message": shown[1]})
    assert "read twice" not in ana.get("/label").text
    page = owner.get("/manage/history").text
    assert "Wrote to ana" in page


@pytest.mark.slow
def test_before_the_first_figures_nothing_is_stated_that_is_not_known(own: Stage, owner: TestClient) -> None:
    page = owner.get("/manage").text
    for words in (
        "Learn from the new labels now",
        "Texts that need a decision",
        "Quality so far",
        "by 0 people",
    ):
        assert words not in page, words
    for n in range(1, 4):
        own.project.submit(f"t{n}", "yes", annotator="ana")
    assert "Learn from the new labels now" in owner.get("/manage").text
    people = owner.get("/manage/people").text
    row = people[people.index("name=ana") :]
    assert re.findall(r'class="number" data-label="[^"]*"><div>([^<]*)', row)[:3] == ["3", "–", "–"]
    assert "3 labels so far." in owner.get("/manage/person?name=ana").text
    trust = owner.get("/manage/trust").text
    assert "No model has been judged yet" in trust
    own.project.configure(batch=3)
    assert "the first round is on its way" in owner.get("/manage").text


@pytest.mark.slow
def test_progress_counts_every_label(own: Stage) -> None:
    own.project.submit("t1", "yes", annotator="bo")
    page = own.browser("ana").get("/label").text
    assert "1 label by everybody, 0 of 12 texts finished" in page
    assert '<progress id="progress" max="24" value="1"' in page


@pytest.mark.slow
def test_agreement_is_shown_for_all_and_for_every_two_people(own: Stage, owner: TestClient) -> None:
    assert "No two people have labelled the same text yet." in owner.get("/manage/agreement").text
    for text, said in (("t1", "yes"), ("t2", "no"), ("t3", "no")):
        own.project.submit(text, "yes", annotator="ana")
        own.project.submit(text, said, annotator="bo")
    page = owner.get("/manage/agreement").text
    found = own.project.beliefs.now().agreement.all_texts
    assert found.percent is not None
    assert f"{found.percent.estimate:.0%}" in page
    assert "33% · 3" in page
    assert owner.get("/manage/trust").text.count('href="/manage/agreement"') == 1


@pytest.mark.slow
def test_agreement_is_shown_by_version_of_the_guidelines(own: Stage, owner: TestClient) -> None:
    for version, text, said in (("Be fair.", "t1", "no"), ("Be kind.", "t2", "yes")):
        own.project.set_guidelines(version)
        own.project.submit(text, "yes", annotator="ana")
        own.project.submit(text, said, annotator="bo")
    page = owner.get("/manage/agreement").text
    first, second = page.index("Guidelines, version 1"), page.index("Guidelines, version 2")
    assert "0% (" in page[first:second]
    assert "100% (" in page[second:]


@pytest.mark.slow
def test_the_wizard_says_what_each_size_of_the_audit_sample_tells(tmp_path: Path) -> None:
    app = create_app(str(tmp_path / "new.db"), settings=web_settings())
    client = TestClient(app, headers={"Authorization": f"Bearer {OWNER_TOKEN}"}, follow_redirects=False)
    lines = "".join(f"t{n},text number {n}\n" for n in range(300))
    file = {"file": ("reviews.csv", f"id,text\n{lines}", "text/csv")}
    page = client.post("/setup", files=file).text
    assert '<option value="90" selected>90 texts, 270 labels: accuracy ±10 points</option>' in page
    upload = re.search(r'name="upload" value="([^"]+)"', page)
    assert upload is not None
    form = {"upload": upload[1], "step": "create", "classes": "a\nb", "audit": "60"}
    assert client.post("/setup/file", data=form).status_code == 303
    project = app.state.server.project
    assert len(project.audit.texts()) == 60
    app.state.server.close()


@pytest.mark.slow
def test_answers_wait_in_one_place_whatever_their_annotator_is_called(own: Stage, tmp_path: Path) -> None:
    def place(browser: TestClient) -> str:
        found = re.search(
            r"&#34;outbox&#34;: &#34;(\w+)&#34;|\"outbox\": \"(\w+)\"", browser.get("/label").text
        )
        assert found is not None
        return found[1] or found[2]

    ana = own.browser("ana")
    before = place(ana)
    assert place(own.browser("bo")) != before
    own.project.edit.rename_person("ana", "anna")
    assert place(ana) == before, "what has not been sent yet is sent under the new name"
    own.project.edit.rename_person("bo", "ana")
    assert place(own.browser("bo")) != before
    own.app.state.server.close()
    (tmp_path / "p.db").rename(tmp_path / "q.db")
    with staged(str(tmp_path / "q.db")) as moved:
        assert place(moved.browser("ana")) == before
    make_project(str(tmp_path / "p.db"))
    with staged(str(tmp_path / "p.db")) as other:
        assert place(other.browser("ana")) != before
