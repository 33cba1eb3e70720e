"""Work on many and the reviewers' inbox on pages and over REST, on both stores."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape

import pytest
from fastapi.testclient import TestClient

from jurybox.store.filters import AnnotationFilter
from jurybox.store.records import Fault, Role
from jurybox.web.state import ensure_owner
from support.web import Stage, stage

pytestmark = pytest.mark.slow


@pytest.fixture
def own(location: str) -> Iterator[Stage]:
    with stage(location) as made:
        for n in range(4):
            made.project.submit(f"t{n}", "yes" if n % 2 else "no", annotator="ana")
            made.project.submit(f"t{n}", "yes", annotator="bo")
        made.project.flag("t1", "two questions?", annotator="ana")
        yield made


@pytest.fixture
def owner(own: Stage) -> TestClient:
    return own.browser("olga")


def test_selected_texts_are_changed_and_the_list_offers_the_undoing(own: Stage, owner: TestClient) -> None:
    assert 'name="id" value="t3"' in owner.get("/manage/texts").text
    assert 'name="id"' not in own.browser("rita").get("/manage/texts").text  # reviewers only look
    answer = owner.post("/manage/texts/change", data={"act": "delete", "id": ["t10", "t11"], "q": "number"})
    page = owner.get(answer.headers["location"]).text
    assert "Deleted texts, with their labels: 2" in page
    assert own.project.status().texts == 10
    event = re.search(r'name="event" value="(\d+)"', page)
    assert event is not None
    back = {"event": event[1], "back": "/manage/texts?q=number"}
    assert owner.post("/manage/history", data=back).headers["location"] == back["back"]
    assert own.project.status().texts == 12
    for act, more in (("reopen", {"labels": 2}), ("gold", {"known": "no"}), ("delete_labels", {})):
        answer = owner.post("/manage/texts/change", data={"act": act, "id": ["t1", "t2"], **more})
        assert "done=" in answer.headers["location"]
    assert own.project.gold.labels() == {"t1": "no", "t2": "no"}
    assert own.project.status().annotations == 4
    answer = owner.post("/manage/texts/change", data={"act": "assign", "to": "bo", "id": ["t1", "t5"]})
    assert own.project.next_task("bo").text_id == "t5"  # type: ignore[union-attr]
    assert owner.post("/manage/texts/change", data={"act": "dance", "id": ["t5"]}).status_code == 422


def test_all_that_match_are_meant_and_nothing_where_nothing_is_selected(
    own: Stage, owner: TestClient
) -> None:
    answer = owner.post("/manage/texts/change", data={"act": "delete", "all": "1", "state": "disagreed"})
    assert own.project.status().texts == 10
    assert "state=disagreed" in answer.headers["location"]
    answer = owner.post("/manage/texts/change", data={"act": "delete", "q": "number"})
    assert "Nothing was changed" in owner.get(answer.headers["location"]).text
    assert own.project.status().texts == 10
    found = own.project.reading.find_annotations(AnnotationFilter(annotator="ana")).items
    owner.post("/manage/annotations/change", data={"number": [found[0].number]})
    assert own.project.people.get("ana").n_annotations == len(found) - 1
    owner.post("/manage/annotations/change", data={"all": "1", "annotator": "bo"})
    assert own.project.people.get("bo").n_annotations == 0


def test_selected_texts_are_exported(owner: TestClient) -> None:
    answer = owner.post("/manage/texts/change", data={"act": "export", "id": ["t0", "t3"]})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        tables = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".csv")}
    ids = {name: {*re.findall(r"\bt\d+\b", table)} for name, table in tables.items()}
    assert {frozenset(found) for found in ids.values() if found} == {frozenset({"t0", "t3"})}


def test_names_classes_and_people_change_on_pages(own: Stage, owner: TestClient) -> None:
    own.project.add_class("maybe")
    owner.post("/manage/name", data={"name": " Spring reviews "})
    owner.post("/manage/classes/rename", data={"old": "maybe", "new": "sure"})
    owner.post("/manage/classes/merge", data={"old": "sure", "into": "yes"})
    answer = owner.post("/manage/people/rename", data={"old": "bo", "new": "ben"})
    assert owner.get(answer.headers["location"]).status_code == 200
    owner.post("/manage/people/remove", data={"name": "ben", "labels": "1"})
    owner.post("/manage/people/erase", data={"name": "ana"})
    assert (own.project.name, own.project.classes) == ("Spring reviews", ("no", "yes"))
    people = owner.get("/manage/people").text
    assert not re.search(r"<bdi>(ben|ana)</bdi>", people)
    history = owner.get("/manage/history").text
    for words in (
        "Renamed the project from p",
        "Renamed the class maybe to sure",
        "Merged the class sure into yes",
        "Removed ben",
        "the labels are those of erased-1 now",
    ):
        assert words.replace("project from p", "project from") in history
    assert own.client("bo").get("/api/v1/me").status_code == 401
    assert owner.post("/manage/people/remove", data={"name": "olga"}).status_code == 409


def test_an_owner_who_is_removed_is_no_owner_any_more(own: Stage, owner: TestClient) -> None:
    own.project.people.add("otto", role=Role.OWNER)
    own.project.edit.remove_person("olga")
    assert owner.get("/manage/texts").status_code == 303
    assert ensure_owner(own.project) == "otto"
    otto = own.browser("owner")
    assert otto.get("/api/v1/me").json()["name"] == "otto"
    assert otto.post("/api/v1/tokens", json={"name": "olga"}).status_code == 409
    otto.post("/manage/texts/change", data={"act": "assign", "to": "bo", "id": ["t5"]})
    own.project.edit.remove_person("bo")
    for page in ("/manage/texts", "/manage/text?id=t5"):
        chosen = re.search(r'<select name="to">(.*?)</select>', otto.get(page).text)
        assert chosen is not None
        assert re.findall(r'value="(\w+)"', chosen[1]) == ["ana", "rita", "otto"]
    whose = re.search(r'<select name="annotator">(.*?)</select>', otto.get("/manage/texts").text)
    assert whose is not None
    assert "bo" in re.findall(r'value="(\w+)"', whose[1])  # their labels can be searched for


def test_what_owners_set_is_in_the_history_by_whichever_door_and_undone(
    own: Stage, owner: TestClient
) -> None:
    before = own.project.settings
    owner.post("/manage/settings", data={"random_share": "12.5", "suggestions": "on", "budget": "500"})
    owner.post("/manage/guidelines", data={"text": "Be kind."})
    owner.post("/manage/classes", data={"name": "perhaps"})
    assert own.client("olga").patch("/api/v1/settings", json={"batch": 7}).status_code == 200
    page = unescape(owner.get("/manage/history").text)
    for words in (
        f"Batch {before.batch} → 7",
        "Drawn at random 0% → 12.5% · ",
        "Budget – → 500",
        "suggests off → on",
        "Wrote version 1 of the guidelines",
        "Added the class perhaps",
    ):
        assert words in page, words
    *events, made = own.project.edit.history.last()
    assert made.verb == "create project"
    assert f"Created the project {own.project.name}; texts: " in page
    assert {event.actor for event in events} == {"olga"}
    for event in events:
        if event.verb != "add class":
            owner.post("/manage/history", data={"event": event.number})
    assert own.project.settings == before
    assert own.project.guidelines == ""


def test_a_class_that_was_added_goes_again_unless_it_was_used(own: Stage, owner: TestClient) -> None:
    for name in ("perhaps", "unsure"):
        owner.post("/manage/classes", data={"name": name})
    own.project.submit("t9", "unsure", annotator="ana")
    unsure, perhaps = (event.number for event in own.project.edit.history.last(2))
    refused = owner.post("/manage/history", data={"event": unsure})
    assert refused.status_code == 409
    assert "The class unsure has been used, so it stays." in unescape(refused.text)
    assert own.client("olga").post(f"/api/v1/history/{unsure}/undoing").status_code == 409
    assert "Undo: Added the class perhaps" in re.sub(r"<[^>]*>", "", refused.text)
    done = own.client("olga").post(f"/api/v1/history/{perhaps}/undoing")
    assert (done.status_code, done.json()["verb"]) == (200, "remove class")
    assert own.project.classes == ("no", "yes", "unsure")
    assert "Took the class perhaps away again" in owner.get("/manage/history").text


def test_the_history_comes_in_pages(own: Stage, owner: TestClient) -> None:
    for n in range(60):
        own.project.edit.rename(f"name {n}")
    first = owner.get("/manage/history").text
    assert first.count("Renamed the project") == 2 * 50  # as words and as what is undone
    assert "1 to 50" in first
    link = re.search(r'href="([^"]*)" rel="next"', first)
    assert link is not None
    second = owner.get(unescape(link[1])).text
    assert second.count("Renamed the project") == 2 * 10
    assert "51 to 61" in second
    assert "Created the project" in second
    assert 'rel="next"' not in second
    api = own.client("olga")
    numbers = [event["number"] for event in api.get("/api/v1/history?limit=10").json()]
    more = api.get(f"/api/v1/history?limit=10&before={numbers[-1]}").json()
    assert [event["number"] for event in more] == [number - 10 for number in numbers]


def test_the_inbox_decides_by_one_key_and_takes_it_back(own: Stage) -> None:
    rita = own.browser("rita")
    page = rita.get("/manage/review").text
    first = re.search(r'name="text_id" value="(\w+)"', page)
    follows = re.search(r'name="follows" value="(\w+)"', page)
    assert first is not None
    assert follows is not None
    decided = {
        "text_id": first[1],
        "label": "yes",
        "fault": "guideline",
        "comment": "irony counts",
        "inbox": "1",
        "follows": follows[1],
    }
    answer = rita.post("/manage/adjudicate", data=decided)
    page = rita.get(answer.headers["location"]).text
    assert f'name="text_id" value="{follows[1]}"' in page
    assert 'data-key="u"' in page
    (case,) = own.project.review.cases(Fault.GUIDELINE)
    assert (case.text_id, case.comment, case.reviewer) == (first[1], "irony counts", "rita")
    assert "irony counts" in rita.get("/manage/cases").text
    assert "irony counts" in own.browser("olga").get("/manage/settings").text
    answer = rita.post("/manage/review/undo", data={"text_id": first[1]})
    assert answer.headers["location"] == f"/manage/review?id={first[1]}"
    assert own.project.review.cases() == []
    assert own.project.status().on_loan == 0
    assert rita.get("/manage/review?id=gone").status_code == 404


@pytest.mark.parametrize("door", ["page", "REST"])
def test_what_an_owner_decides_is_a_reviewers_decision(own: Stage, door: str) -> None:
    assert not own.project.settings.owners_review
    ids = own.project.annotations().texts.tolist()
    for name in ("ana", "bo"):
        for text in ids[4:]:
            own.project.submit(text, "no", annotator=name)
    own.project.submit(ids[-1], "yes", annotator="olga")
    said = {"text_id": ids[4], "label": "yes"}
    if door == "page":
        assert own.browser("olga").post("/manage/adjudicate", data=said).status_code == 303
    else:
        assert own.client("olga").post("/api/v1/adjudications", json=said).status_code == 201
    found = [own.project.beliefs.now().texts.find(text) for text in (ids[4], ids[-1])]
    assert [one.label for one in found if one] == ["yes", "no"]


def test_a_remark_is_answered_and_settled(own: Stage) -> None:
    rita, ana = own.browser("rita"), own.browser("ana")
    assert "two questions?" in rita.get("/manage/review?show=remarks").text
    (flag,) = own.project.review.flags()
    rita.post("/manage/flags", data={"flag": flag.number, "answer": "Take the first.", "text_id": "t1"})
    (flag,) = own.project.review.flags(text_id="t1")
    assert (flag.answer, flag.answered_by, own.project.status().flags) == ("Take the first.", "rita", 0)
    assert "Take the first." in ana.get("/guidelines").text
    assert "Take the first." not in own.browser("bo").get("/guidelines").text
    rita.post("/manage/flags", data={"flag": flag.number, "act": "open"})
    assert own.project.status().flags == 1
    rita.post("/manage/flags", data={"flag": flag.number, "act": "settle"})
    assert own.project.status().flags == 0
    assert rita.post("/manage/flags", data={"flag": 99, "act": "settle"}).status_code == 404


def test_rest_does_the_same(own: Stage) -> None:
    olga, rita = own.client("olga"), own.client("rita")

    def post(path: str, **body: object) -> object:
        answer = olga.post(f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    assert post("/texts/changes", act="reopen", ids=["t1"], labels=2) == {"done": 1}
    assert post("/texts/changes", act="delete", search="number 1") == {"done": 3}
    assert post("/texts/changes", act="gold", state="labelled") == {"done": 3}
    assert post("/annotations/deletions", annotator="bo") == {"done": 3}
    assert olga.delete("/api/v1/annotators/bo").json() == {"done": 0}
    assert post("/people/erasures", name="ana") == {"pseudonym": "erased-1"}
    for path, body in (("/project/name", {"name": "x"}), ("/classes/names", {"old": "no", "new": "never"})):
        assert olga.put(f"/api/v1{path}", json=body).status_code == 204
    events = olga.get("/api/v1/history").json()
    assert [event["verb"] for event in events][:3] == ["rename class", "rename project", "erase person"]
    undone = post(f"/history/{events[0]['number']}/undoing")
    assert isinstance(undone, dict)
    assert undone["verb"] == "rename class"
    assert olga.post("/api/v1/texts/changes", json={"act": "delete"}).status_code == 422
    assert olga.post("/api/v1/texts/changes", json={"act": "assign", "ids": ["t4"]}).status_code == 422
    assert rita.post("/api/v1/texts/changes", json={"act": "delete", "ids": ["t4"]}).status_code == 403
    body = {"text_id": "t4", "label": "yes", "fault": "careless"}
    assert rita.post("/api/v1/adjudications", json=body).status_code == 201
    assert [case["fault"] for case in rita.get("/api/v1/cases").json()] == ["careless"]


def test_clusters_are_found_shown_and_labelled(own: Stage, owner: TestClient) -> None:
    rows = [("soup", f"the soup was cold, dish {n}") for n in range(6)]
    rows += [("waiter", f"our waiter smiled kindly, table {n}") for n in range(9)]
    own.project.add_texts((f"{kind}{n}", text) for n, (kind, text) in enumerate(rows))
    assert "once the first round has been played" in owner.get("/manage/clusters").text
    assert "once the first round has been played" in owner.get("/manage/text?id=soup1").text
    assert own.browser("rita").get("/manage/clusters").status_code == 403
    own.project.refit()
    assert "Find similar texts" in owner.get("/manage/text?id=soup1").text
    page = owner.get("/manage/text?id=soup1&similar=1").text
    assert all(f"id=soup{n}" in page for n in (0, 2, 3, 4, 5))
    assert owner.post("/manage/clusters", data={"n": "3"}).headers["location"] == "/manage/clusters"
    found = owner.get("/api/v1/clusters").json()
    assert len(found) == 3
    number = next(one["number"] for one in found if "waiter" in one["words"])
    assert "waiter" in owner.get("/manage/clusters").text
    page = owner.get(f"/manage/cluster?number={number}").text
    assert all(f"id=waiter{n}" in page for n in range(6, 15))
    found_at = own.project.pool.clusters()[number].found_at
    assert f'name="found_at" value="{found_at}"' in page
    said = {"number": number, "label": "yes", "most": "4", "found_at": str(found_at)}
    answer = owner.post("/manage/cluster", data=said)
    page = owner.get(answer.headers["location"]).text
    assert "Labelled a cluster at once as yes; texts: 4" in page
    given = own.project.reading.find_annotations(AnnotationFilter(annotator="clusters")).items
    assert {row.origin for row in given} == {"cluster"}
    assert "Cluster" in owner.get(f"/manage/text?id={given[0].text_id}").text
    assert "unchanged" in owner.post("/manage/cluster", data=said).headers["location"]
    assert owner.post("/manage/cluster", data={**said, "label": "maybe"}).status_code == 422
    assert owner.get("/manage/cluster?number=77").status_code == 404
    again = owner.post(f"/api/v1/clusters/{number}/labels", json={"label": "yes"}).json()
    assert again == {"done": 5}
    texts = owner.get(f"/api/v1/clusters/{number}/texts", params={"limit": 4}).json()
    assert len(texts) == 4
    near = owner.get("/api/v1/similar", params={"id": "soup1", "limit": 5}).json()
    assert {one["text_id"][:4] for one in near} == {"soup"}
    assert len(owner.post("/api/v1/clusters", json={"most": 2}).json()) == 2
    assert owner.post("/manage/cluster", data={**said, "number": 0}).status_code == 409
    own.project.add_texts((f"m{n}", f"loud music in hall {n}") for n in range(30))
    assert owner.get("/manage/cluster?number=0").status_code == 409


def test_groups_of_duplicates_are_found_split_and_merged(own: Stage, owner: TestClient) -> None:
    own.project.add_texts(
        [("a", "The soup was cold, the waiter kind."), ("b", "The soup was cold,  the waiter kind.")]
    )
    own.project.add_texts([("c", "The soup was cold, the waiter rude.")])
    assert "Exact copies: 1." in owner.get("/manage/duplicates").text
    answer = owner.post("/manage/duplicates", data={"act": "find"})
    page = owner.get(answer.headers["location"]).text
    assert "Looked for near-duplicates" in page
    assert "exact copy" in page
    answer = owner.post("/manage/duplicates", data={"act": "split", "id": ["b"]})
    assert "Took texts out of their groups: 1" in owner.get(answer.headers["location"]).text
    assert owner.post("/manage/duplicates", data={"act": "merge"}).headers["location"].endswith("none=1")
    assert owner.post("/manage/duplicates", data={"act": "dance"}).status_code == 422
    assert own.browser("rita").get("/manage/duplicates").status_code == 403
    found = owner.get("/api/v1/duplicates").json()
    assert found["copies"] == 0
    changed = owner.post("/api/v1/duplicates/changes", json={"act": "merge", "ids": ["a", "b"]})
    assert changed.json() == {"done": 1 + 1}
    assert owner.post("/api/v1/duplicates", json={"threshold": 2}).status_code == 422
    again = owner.post("/api/v1/duplicates", json={}).json()
    assert ["a", "b", "c"] in [group["texts"] for group in again["groups"]]
