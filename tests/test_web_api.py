"""The REST interface and its client, over real connections."""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from jurybox import formats
from jurybox.client import Client, RequestError
from jurybox.errors import ConflictError, InputError, JuryboxError, NotFoundError
from jurybox.formats import ReadOptions
from jurybox.formats.options import read_plan
from jurybox.store.records import Role, Standing
from jurybox.web.serving import open_socket
from jurybox.wire import SampleText
from support.web import TEXTS, Stage, stage, token_of


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db")) as made:
        yield made


@pytest.fixture
def url(own: Stage) -> Iterator[str]:
    """Serve the stage on a port of this machine."""
    listening = open_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(own.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture
def ana(url: str) -> Iterator[Client]:
    with Client(url, token_of("ana")) as client:
        yield client


@pytest.fixture
def olga(url: str) -> Iterator[Client]:
    with Client(url, token_of("olga")) as client:
        yield client


@pytest.mark.slow
def test_labelling(own: Stage, ana: Client) -> None:
    first, second = ana.tasks(2)
    receipt = ana.submit(first.text_id, "yes", seconds=2.5, comment="clear")
    assert (receipt.annotator, receipt.label, receipt.repeated) == ("ana", "yes", False)
    assert ana.submit(first.text_id, "yes").repeated
    with pytest.raises(ConflictError, match="another label"):
        ana.submit(first.text_id, "no")
    ana.skip(second.text_id, "no idea")
    ana.flag(second.text_id, "what is this?")
    assert [(row.text_id, row.label) for row in ana.decisions()] == [
        (second.text_id, None),
        (first.text_id, "yes"),
    ]
    assert ana.change(first.text_id, "no").label == "no"
    assert ana.undo(second.text_id).text_id == second.text_id
    assert ana.renew(second.text_id) > time.time()
    ana.release(second.text_id)
    assert (ana.progress().total, ana.progress(since=time.time() + 60).since) == (1, 0)
    row = own.project.reading.find_annotations().items[0]
    assert (row.label, row.seconds, row.comment) == ("no", 2.5, "clear")
    assert own.project.review.flags()[0].comment == "what is this?"


@pytest.mark.slow
def test_annotators_learn_nothing_of_others_or_of_the_model(own: Stage, ana: Client, olga: Client) -> None:
    task = ana.tasks()[0]
    assert (task.reason, task.score, task.round, task.suggestion) == (None, None, None, None)
    shown = olga.tasks()[0]
    assert shown.reason is not None
    raw = own.client("ana").post("/api/v1/tasks", json={}).text
    assert "metadata" not in raw
    assert "selection_probability" not in raw


def test_a_task_says_why_there_is_none(own: Stage) -> None:
    own.project.people.pause("ana")
    answer = own.client("ana").post("/api/v1/tasks", json={}).json()
    assert answer == {
        "tasks": [],
        "nothing": {"why": "paused", "explanation": "this annotator is paused", "retry_at": None},
    }


@pytest.mark.slow
def test_a_submit_that_arrives_many_times_counts_once(own: Stage) -> None:
    text = own.client("ana").post("/api/v1/tasks", json={}).json()["tasks"][0]["text_id"]

    def send(_: int) -> int:
        headers = {"Idempotency-Key": "one"}
        body = {"text_id": text, "label": "yes"}
        return own.client("ana").post("/api/v1/annotations", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(send, range(16)))
    assert statuses == [200] * 15 + [201]
    assert own.project.status().annotations == 1


def test_keys_of_other_requests(own: Stage) -> None:
    client = own.client("ana")
    texts = [task["text_id"] for task in client.post("/api/v1/tasks", json={"n": 2}).json()["tasks"]]
    headers = {"Idempotency-Key": "one"}
    for comment, status in [("odd", 204), ("odd", 204), ("another", 409)]:
        body = {"text_id": texts[0], "comment": comment}
        assert client.post("/api/v1/flags", json=body, headers=headers).status_code == status
    assert len(own.project.review.flags()) == 1
    for text in texts:
        client.post("/api/v1/annotations", json={"text_id": text, "label": "no"})
    for _ in range(3):
        client.post("/api/v1/decisions/undo", json={}, headers={"Idempotency-Key": "two"})
    assert own.project.status().annotations == 1


@pytest.mark.slow
def test_an_owner_acts_for_others_and_nobody_else_does(own: Stage, olga: Client, ana: Client) -> None:
    task = olga.tasks(annotator="bo")[0]
    assert olga.submit(task.text_id, "yes", annotator="bo").annotator == "bo"
    with pytest.raises(NotFoundError):
        olga.tasks(annotator="nobody")
    with pytest.raises(RequestError) as refused:
        ana.submit(task.text_id, "yes", annotator="bo")
    assert refused.value.status == 403
    assert own.project.people.get("bo").n_annotations == 1


@pytest.mark.slow
def test_people(own: Stage, url: str, olga: Client) -> None:
    made = olga.invite("mary/ann ü", cap=5)
    assert made.link.startswith(f"{url}/join/")
    with Client(url, made.token) as mary:
        assert len(mary.tasks(10)) == 5
        assert olga.pause("mary/ann ü").standing == Standing.PAUSED
        assert mary.tasks() == []
    assert olga.resume("mary/ann ü").standing == Standing.ACTIVE
    assert olga.set_cap("mary/ann ü", 7).cap == 7
    assert olga.set_cap("mary/ann ü", None).cap is None
    assert olga.set_max_share("mary/ann ü", 0.25).max_share == 0.25
    assert olga.set_max_share("mary/ann ü", None).max_share is None
    assert [olga.qualify("mary/ann ü", verdict).qualified for verdict in (False, None, True)] == [
        False,
        None,
        True,
    ]
    with pytest.raises(ConflictError):
        olga.invite("mary/ann ü")
    again = olga.new_token("mary/ann ü")
    with Client(url, made.token) as old, pytest.raises(RequestError) as refused:
        old.tasks()
    assert refused.value.status == 401
    with Client(url, again.token) as new:
        assert new.tasks()
    assert olga.invite("rob", role=Role.REVIEWER).annotator.role == Role.REVIEWER
    assert [person.name for person in olga.annotators()][-2:] == ["mary/ann ü", "rob"]


def test_an_owner_keeps_the_own_role(own: Stage) -> None:
    client = own.client("olga")
    answer = client.patch("/api/v1/annotators/olga", json={"role": "annotator"})
    assert answer.status_code == 409
    assert client.patch("/api/v1/annotators/rita", json={"role": "owner"}).json()["role"] == "owner"


@pytest.mark.slow
def test_reviewing(own: Stage, url: str, ana: Client) -> None:
    task = ana.tasks()[0]
    ana.submit(task.text_id, "yes")
    with Client(url, token_of("rita")) as rita:
        assert rita.adjudicate(task.text_id, "no").label == "no"
        assert [row.annotator for row in rita.annotations(text_id=task.text_id)] == ["rita", "ana"]
        assert [row.text_id for row in rita.texts(state="finished")] == [task.text_id]
        assert len(list(rita.texts())) == 12
        assert task.text_id not in {row.text_id for row in rita.queue()}
        status = rita.status()
        assert (status.annotations, status.classes, status.rounds) == (2, ("no", "yes"), 0)
        assert rita.flags() == []
        assert rita.rounds() == []
        with pytest.raises(RequestError):
            rita.configure(batch=3)


@pytest.mark.slow
def test_settings(olga: Client, own: Stage) -> None:
    assert olga.configure(batch=3, enough_agreement=None).batch == 3
    assert olga.settings() == own.project.settings
    for wrong in ({"batch": 0}, {"nonsense": 1}, {"lease_seconds": float("1e300")}):
        with pytest.raises(InputError):
            olga.configure(**wrong)
    client = own.client("olga")
    assert client.post("/api/v1/classes", json={"name": "maybe"}).json()["classes"] == ["no", "yes", "maybe"]
    assert client.post("/api/v1/classes", json={"name": "maybe"}).status_code == 409
    assert client.put("/api/v1/guidelines", json={"text": "# Be fair"}).json()["guidelines"] == "# Be fair"
    assert own.client("ana").get("/api/v1/project").json()["guidelines"] == "# Be fair"


@pytest.mark.slow
def test_files_in_and_out(own: Stage, olga: Client, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("id,text,annotator,label\nn1,new one,zoe,yes\nn2,new two,zoe,no\n")
    added = olga.add_file(file)
    assert (added.texts, added.annotations, added.annotators) == (2, 2, 1)
    assert olga.add_file(file).known_texts == 2
    file.write_text("id,text,annotator,label\nn3,new three,zoe,perhaps\n")
    with pytest.raises(InputError, match="perhaps") as refused:
        olga.add_file(file)
    assert "more.csv" in str(refused.value)
    assert "jurybox-" not in str(refused.value)
    assert own.project.status().texts == 14
    out = olga.export(tmp_path / "out.zip")
    with zipfile.ZipFile(out) as archive:
        names = {Path(name).name for name in archive.namelist()}
        assert {"texts.csv", "annotations.csv", "consensus.csv", "project.json"} <= names
    assert olga.export(tmp_path / "out.json", format="label-studio").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "..", "a/..", ".hidden", "x\x01y"])
def test_file_names_that_are_none(own: Stage, name: str) -> None:
    answer = own.client("olga").post("/api/v1/import", params={"filename": name}, content=b"id,text\n1,x")
    assert answer.status_code == 422


def test_a_preview_changes_nothing(own: Stage) -> None:
    body = "id;Text;anna;ben\n1;eins;yes;no\n2;zwei;no;\n".encode("cp1252")
    answer = own.client("olga").post("/api/v1/import/preview", params={"filename": "x.csv"}, content=body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()["plans"][0]
    assert (plan["file"], plan["delimiter"], plan["shape"]) == ("x.csv", ";", "wide")
    assert answer.json()["texts"][0] == {"id": "1", "text": "eins"}
    assert own.project.status().texts == 12


def test_a_preview_and_an_import_agree_on_what_would_be_lost(own: Stage) -> None:
    client, body = own.client("olga"), b"id,text,anna,ben\n1,one,yes,no\n2,two,no,no\n"
    found = client.post("/api/v1/import/preview", params={"filename": "x.csv"}, content=body).json()
    (loss,) = (one for one in found["findings"] if one["loses_labels"])
    assert (loss["code"], loss["values"]) == ("nobody", [["columns", ["anna", "ben"]]])
    refused = client.post("/api/v1/import", params={"filename": "x.csv"}, content=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "labels_lost")
    assert loss["problem"] in refused.json()["detail"]


SHEET = "key;words;a;b;rude?\n1;one;yes;no;x\n2;two;no;?;y\n"


@pytest.mark.slow
def test_a_file_is_read_as_a_program_says(own: Stage, olga: Client, tmp_path: Path) -> None:
    file = tmp_path / "sheet.txt"
    file.write_text(SHEET, encoding="utf-16")
    told = ReadOptions(
        format="csv",
        encoding="utf-16",
        delimiter=";",
        columns={"id": "key", "text": "words"},
        annotator_columns=("a", "b"),
        ignore=("rude?",),
        missing=("?",),
    )
    found = olga.preview_file(file, told)
    source = formats.read(file, replace(told, classes=own.project.classes))
    assert [plan.columns for plan in found.plans] == [plan.columns for plan in source.plan.files]
    assert (found.n_texts, found.annotators, found.findings) == (2, {"a": 2, "b": 1}, source.plan.findings)
    assert found.texts == (SampleText("1", "one"), SampleText("2", "two"))
    assert (own.project.status().texts, olga.add_file(file, told).annotations) == (12, 3)
    turned = tmp_path / "form.csv"
    turned.write_text("who,How is 'new one'?,How is 'new two'?\nana,yes,no\nbo,no,no\n", encoding="utf-8")
    assert olga.preview_file(turned, ReadOptions(turn=True)).n_annotations == 4


@pytest.mark.slow
def test_a_program_decides_about_labels_that_would_be_lost(olga: Client, tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text("id,text,anna,ben\n1,one,yes,no\n2,two,no,no\n", encoding="utf-8")
    (loss,) = (one for one in olga.preview_file(file).findings if one.loses_labels)
    assert (loss.code, loss.values) == ("nobody", (("columns", ("anna", "ben")),))
    with pytest.raises(InputError, match="anna"):
        olga.add_file(file)
    plan = read_plan_of(tmp_path, 'annotator_columns = ["anna", "ben"]')
    assert olga.add_file(file, plan).annotations == 4
    file.write_text("id,text,anna\n1,one,no\n", encoding="utf-8")
    with pytest.raises((InputError, ConflictError)):
        olga.add_file(file, plan)
    assert olga.add_file(file, plan, duplicates="last").texts == 0
    file.write_text("id,text,anna,ben\n3,three,yes,no\n", encoding="utf-8")
    assert olga.add_file(file, yes=True).annotations == 0


def read_plan_of(folder: Path, content: str) -> ReadOptions:
    (folder / "plan.toml").write_text(content, encoding="utf-8")
    return read_plan(folder / "plan.toml", ReadOptions())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"column": "text"}, "ROLE=NAME"),
        ({"column": "tone=text"}, "tone"),
        ({"column": "text=nowhere"}, "nowhere"),
        ({"annotator_column": "nobody"}, "nobody"),
        ({"encoding": "klingon"}, "klingon"),
        ({"format": "papyrus"}, "papyrus"),
        ({"delimiter": ";;"}, ";;"),
        ({"ignore": ["x"] * 201}, "200"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/import", "/api/v1/import/preview"])
def test_what_a_program_says_wrongly_is_named(
    own: Stage, path: str, query: dict[str, Any], said: str
) -> None:
    answer = own.client("olga").post(path, params={"filename": "x.csv", **query}, content=b"id,text\n1,one\n")
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]


def test_pages_and_ids_of_all_sorts(own: Stage) -> None:
    odd = [("a/b?c#d", "slash"), ("100% é", "percent"), ("..", "dots")]
    own.project.add_texts(odd)
    client = own.client("rita")
    page = client.get("/api/v1/texts", params={"limit": 10}).json()
    assert len(page["items"]) == 10
    rest = client.get("/api/v1/texts", params={"limit": 10, "after": page["next"]}).json()
    assert rest["next"] is None
    assert [row["text_id"] for row in rest["items"]][-3:] == [name for name, _ in odd]
    for path, text in [("a%2Fb%3Fc%23d", "slash"), ("100%25%20%C3%A9", "percent")]:
        assert client.get(f"/api/v1/texts/{path}").json()["text"]["text"] == text
    assert client.get("/api/v1/texts/none").status_code == 404


@pytest.mark.slow
def test_consensus_and_quality(own: Stage) -> None:
    for name in ("ana", "bo"):
        for number in range(6):
            label = "yes" if number % 2 else "no"
            own.project.submit(f"t{number}", label, annotator=name)
    client = own.client("rita")
    page = client.get("/api/v1/consensus", params={"limit": 5}).json()
    assert [row["label"] for row in page["items"]] == ["no", "yes", "no", "yes", "no"]
    assert page["next"] == 5
    doubtful = client.get("/api/v1/consensus", params={"order": "doubt"}).json()["items"]
    assert len(doubtful) == 6
    assert client.get("/api/v1/quality").status_code == 404
    own.project.beliefs.keep()
    quality = {row["name"]: row for row in client.get("/api/v1/quality").json()}
    assert quality["ana"]["n_annotations"] == 6
    own.project.submit("t6", "yes", annotator="bo")
    rows = client.get("/api/v1/consensus").json()["items"]
    assert rows[6]["n_annotations"] == 1


@pytest.mark.slow
def test_what_is_known_of_trust(own: Stage, olga: Client) -> None:
    assert own.client("olga").get("/api/v1/beliefs").status_code == 404
    for number in range(6):
        own.project.submit(f"t{number}", "yes" if number % 2 else "no", annotator="ana")
    kept = own.project.beliefs.keep()
    assert olga.beliefs() == own.project.beliefs.kept() == kept
    assert kept.basis.labels == 6
    (quality,) = [one.quality for one in kept.annotators if one.name == "ana"]
    assert quality is not None
    shown = own.browser("olga").get("/manage/people").text
    assert f"{round(100 * quality.estimate)}%" in shown
    assert own.client("rita").get("/api/v1/beliefs").status_code == 403


@pytest.mark.slow
def test_asking_for_a_round(own: Stage, olga: Client) -> None:
    olga.ask_for_round()
    note = own.project.notes.read("learner.request")
    assert note is not None
    assert note.value == {"pending": True}
    state = own.client("rita").get("/api/v1/learner").json()
    assert (state["phase"], state["failure"]) == ("absent", "")


@pytest.mark.slow
def test_a_client_tries_again(own: Stage, tmp_path: Path) -> None:
    closed = open_socket("127.0.0.1", 0)
    port = closed.getsockname()[1]
    closed.close()
    with Client(f"http://127.0.0.1:{port}", "token") as client:
        start = time.monotonic()
        with pytest.raises(RequestError, match="does not answer"):
            client.tasks()
        assert time.monotonic() - start > 1.0


@pytest.mark.slow
def test_suggestions_are_shown_where_the_owner_says_so(own: Stage, ana: Client, olga: Client) -> None:
    for name in ("bo", "olga"):
        for number in range(8):
            own.project.submit(f"t{number}", "yes" if number % 2 else "no", annotator=name)
    own.project.refit()
    assert ana.tasks()[0].suggestion is None
    olga.configure(suggestions=True)
    assert ana.tasks()[0].suggestion in ("no", "yes")


@pytest.mark.slow
def test_owners_name_gold_texts_and_annotators_cannot_tell(own: Stage, ana: Client, olga: Client) -> None:
    own.project.configure(gold_share=0.5)
    labels = {f"t{i}": "yes" for i in range(6)}
    olga.add_gold(labels)
    with pytest.raises(NotFoundError):
        olga.add_gold({"t99": "yes"})
    assert olga.gold() == labels
    browser = own.browser("ana")
    bodies: dict[bool, list[object]] = {True: [], False: []}
    for task in own.client("ana").post("/api/v1/tasks", json={"n": 8}).json()["tasks"]:
        golden = task.pop("text_id") in labels
        task.pop("text")
        bodies[golden].append(task)
    assert len(bodies[True]) > 1
    assert len(bodies[False]) > 1
    assert all(body == bodies[False][0] for body in bodies[True] + bodies[False])
    for text_id in [task.text_id for task in ana.tasks(8)]:
        sent = own.client("ana").post("/api/v1/annotations", json={"text_id": text_id, "label": "no"})
        assert sent.json().keys() == {"annotation", "text_id", "annotator", "label", "repeated"}
    pages = [browser.get(path).text for path in ("/label", "/api/v1/decisions", "/api/v1/progress")]
    again = own.client("ana").post("/api/v1/decisions/undo", json={}).text
    assert not [text for text in (*pages, again) if "gold" in text.lower()]
    score = next(score for score in olga.gold_report() if score.annotator == "ana")
    assert (score.n, score.right) == (len(bodies[True]), 0)
    assert score.accuracy is not None
    assert score.accuracy.low == 0 < score.accuracy.high
    assert {row.reason for row in olga.annotations(annotator="ana")} == {"gold", "spread"}
    olga.remove_gold("t0")
    assert "t0" not in olga.gold()


@pytest.mark.parametrize("act", ["invite", "import", "label"])
def test_an_answer_that_is_lost(
    own: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    server, asked = own.client("olga"), list[httpx.Request]()

    def lose_the_first(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        sent, headers = request.content, dict(request.headers)
        answer = server.request(request.method, str(request.url), content=sent, headers=headers)
        if len(asked) == 1:
            raise httpx.ReadError("cut")
        return httpx.Response(answer.status_code, json=answer.json())

    monkeypatch.setattr("jurybox.client._PAUSE", 0.0)
    with Client("http://testserver", token_of("olga")) as client:
        transport = httpx.MockTransport(lose_the_first)
        headers = client._client.headers
        client._client = httpx.Client(transport=transport, base_url=client._client.base_url, headers=headers)
        if act == "label":  # carries a key
            assert client.submit("t1", "yes").repeated
            assert own.project.status().annotations == 1
            return
        file = tmp_path / "more.csv"
        file.write_text("id,text\nm1,more\n")
        with pytest.raises(RequestError, match="does not answer"):
            client.invite("zoe") if act == "invite" else client.add_file(file)
        assert len(asked) == 1
        if act == "invite":
            assert client.new_token("zoe").annotator.name == "zoe"
        else:
            assert asked[0].extensions["timeout"]["read"] is None
            assert own.project.status().texts == len(TEXTS) + 1


def test_a_download_that_breaks_off_leaves_what_was_there(
    own: Stage, olga: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, write = tmp_path / "all.zip", Path.write_bytes
    target.write_bytes(b"before")

    def full(path: Path, content: bytes) -> int:
        write(path, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises((OSError, JuryboxError), match="No space left"):
        olga.export(target)
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("all")] == ["all.zip"]
