"""The report: complete in itself, harmless whatever the texts say, and true to the commands it names."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from jurybox import Project
from jurybox.cli.app import app, run
from jurybox.errors import FormatError, InputError
from jurybox.ranking import Reason
from jurybox.report import Facts, gather, gather_section, page, write_report
from jurybox.report.facts import REASONS, SECTIONS, to_json
from jurybox.report.page import render
from jurybox.report.sections import Names
from jurybox.store.clusters import AT_ONCE
from jurybox.store.loans import ASSIGNED
from jurybox.store.ranks import AGAIN, AUDIT
from jurybox.store.settings import ProjectSettings
from jurybox.written import Answers
from support.report import COMMENT, PEOPLE, REVIEWER, make_project

NO_TEXTS = [("1", "<script>alert(1)</script> thank you"), ("2", "please {{ nonsense }}")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project in it."""
    path = tmp_path_factory.mktemp("report")
    make_project(path / "mails.db")
    return path


@pytest.fixture(scope="module")
def facts(folder: Path) -> Facts:
    with Project.open(folder / "mails.db") as project:
        return gather(project, examples=8)


@pytest.fixture(scope="module")
def hidden(folder: Path) -> Facts:
    with Project.open(folder / "mails.db") as project:
        return gather(project, examples=8, hide_names=True)


class Figures(HTMLParser):
    """Collects, for each figure of a page, its numbers and the commands beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[tuple[list[str], list[str]]] = []
        self._open: list[str] = []
        self._numbers: list[str] = []
        self._commands: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._open.append(tag)
        if tag == "figure":
            self._numbers, self._commands = [], []

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "figure":
            self.figures.append((self._numbers, self._commands))

    def handle_data(self, data: str) -> None:
        if "figure" not in self._open:
            return
        if "code" in self._open:
            self._commands.append(data)
        elif "td" in self._open:
            self._numbers += re.findall(r"\d[\d,]*(?:\.\d+)?", data)


def figures(page: str) -> list[tuple[list[str], list[str]]]:
    parser = Figures()
    parser.feed(page)
    return parser.figures


def printed(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command as somebody who reads the report would, in the project's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        capsys.readouterr()
        program, *arguments = shlex.split(command)
        assert program == "jurybox"
        assert run(app, arguments) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def shapes(value: Any) -> set[str]:
    """Return the numbers that a page may print for a value, and those inside of words."""
    if isinstance(value, str):
        return set(re.findall(r"\d[\d,]*(?:\.\d+)?", value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    size = abs(value)
    return {f"{size:,.0f}", f"{size:.1f}", f"{size:,.2f}", f"{100 * size:.1f}", f"{100 * size:.0f}"}


@pytest.mark.slow
def test_every_figure_is_printed_by_the_command_beside_it(
    facts: Facts, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = render(facts)
    told = {command: printed(command, folder, capsys) for command in set(facts.commands.values())}
    document = json.loads(to_json(facts))
    for section, command in facts.commands.items():
        assert told[command] == document[section], f"{command} prints something else"
    found = figures(page)
    assert len(found) > 15
    for numbers, commands in found:
        assert commands, "a figure without a command"
        allowed = {shape for command in commands for leaf in leaves(told[command]) for shape in shapes(leaf)}
        strange = [number for number in numbers if number not in allowed]
        assert strange == [], f"{commands} do not print {strange}"
    shown = {command for _, commands in found for command in commands}
    assert set(re.findall(r"<code>(jurybox [^<]+)</code>", page)) >= shown
    asked = {command for section, command in facts.commands.items() if document[section] is not None}
    elsewhere = asked - set(re.findall(r"<code>(jurybox [^<]+)</code>", page))
    assert elsewhere == set(), "every section is on the page"


@pytest.mark.slow
def test_hidden_figures_are_printed_by_commands_that_hide(
    hidden: Facts, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(to_json(hidden))
    for section in ("annotators", "protocol", "contested", "guidelines", "pairs", "gold"):
        command = hidden.commands[section]
        assert "--hide-names" in command
        assert printed(command, folder, capsys) == document[section]


@pytest.mark.slow
def test_hidden_names_are_nowhere(hidden: Facts, facts: Facts) -> None:
    for written in (render(hidden), to_json(hidden)):
        for name in (*PEOPLE, REVIEWER):
            assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", written, re.IGNORECASE) is None, name
    assert "but job is not A4" in to_json(hidden)
    for name in PEOPLE:
        assert name in to_json(facts)


@pytest.mark.slow
def test_hidden_names_are_the_same_person_everywhere(hidden: Facts, facts: Facts) -> None:
    known = {name: f"A{n}" for n, name in enumerate((*PEOPLE, REVIEWER), start=1)}
    for shown, behind in zip(facts.annotators, hidden.annotators, strict=True):
        assert known[shown.name] == behind.name
        assert (shown.n_annotations, shown.quality) == (behind.n_annotations, behind.quality)
        if shown.suspect is not None and behind.suspect is not None:
            assert known[str(shown.suspect.annotator)] == behind.suspect.annotator
    for pair, hidden_pair in zip(facts.pairs, hidden.pairs, strict=True):
        assert tuple(known[name] for name in pair.names) == hidden_pair.names
    assert {known[name]: n for name, n in facts.protocol.by_annotator.items()} == hidden.protocol.by_annotator
    for one, other in zip(facts.contested, hidden.contested, strict=True):
        votes = [(known[vote.annotator], vote.label, vote.error) for vote in one.votes]
        assert votes == [(vote.annotator, vote.label, vote.error) for vote in other.votes]
    assert any(vote.comment for one in facts.contested for vote in one.votes)


@pytest.mark.slow
def test_the_page_loads_nothing_and_texts_stay_text(facts: Facts) -> None:
    page = render(facts)
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|srcset|action)=|url\((?!#)|@import", page) == []
    assert set(re.findall(r'href="([^"]*)"', page)) == {
        f"#{part}" for part in re.findall(r'<h2 id="([^"]*)"><span class="no">', page)
    }
    for tag in ("<script", "<b>rude", "<i>", "<of>"):
        assert tag not in page
    assert '<h1 dir="auto">Tone &lt;of&gt; Jo&#39;s mails</h1>' in page
    assert "&lt;b&gt;rude&lt;/b&gt;" in page
    assert page.count("<h2") == 9
    assert len(re.findall(r'role="img"', page)) == 1
    assert len(page.encode()) < 400_000


@pytest.mark.slow
def test_facts_are_those_of_the_project(facts: Facts, folder: Path) -> None:
    with Project.open(folder / "mails.db") as project:
        status, annotations = project.status(), project.annotations()
        assert facts.data.texts == status.texts == 160
        assert facts.protocol.annotations == annotations.n_annotations
        assert (
            sum(found.annotations for found in facts.protocol.reasons.values()) == annotations.n_annotations
        )
        assert sum(count.texts for count in facts.data.labels_per_text) == 160
        assert facts.protocol.reasons["review"].annotations == 1
        assert facts.protocol.gold_texts == 5
        assert facts.protocol.cost == pytest.approx(0.15 * annotations.n_annotations)
        assert (
            sum(one.texts for one in facts.labels.bins) == facts.labels.basis.texts == status.labelled_texts
        )
        assert [one.number for one in facts.protocol.rounds] == [
            info.number for info in project.reading.rounds()
        ]
        rounds = sum(sum(one.asked.values()) for one in facts.protocol.rounds)
        assert rounds + sum(facts.protocol.before_rounds.values()) == annotations.n_annotations
    assert facts.environment.encoder is not None
    assert facts.environment.encoder.startswith("tfidf")
    assert facts.environment.versions["jurybox"] in render(facts)
    assert facts.environment.settings["seed"] == 0


@pytest.mark.slow
def test_texts_can_be_left_out(folder: Path, facts: Facts) -> None:
    with Project.open(folder / "mails.db") as project:
        silent = gather(project, examples=8, texts=False)
    assert facts.contested[0].text[:60] in to_json(facts)
    for written in (render(silent), to_json(silent)):
        assert "number</i>" not in written
        assert "number&lt;" not in written
        assert COMMENT[:12] not in written
    assert [one.text_id for one in silent.contested] == [one.text_id for one in facts.contested]
    assert silent.commands["contested"].endswith("--section contested --examples 8 --no-texts")


@pytest.mark.slow
def test_many_rounds_are_put_together_and_none_is_lost(facts: Facts) -> None:
    last = facts.protocol.rounds[-1]
    many = [replace(last, number=n, asked={"new": n}) for n in range(1, 31)]
    page = render(replace(facts, protocol=replace(facts.protocol, rounds=tuple(many), before_rounds={})))
    (table,) = (part for part in page.split("<table>") if "published (UTC)" in part)
    rows = re.findall(r'<tr><th scope="row">([^< ]+) .*?</th>(.*?)</tr>', table.split("</table>")[0])
    names = [name for name, _ in rows]
    assert names == ["0", *(f"{n}–{n + 2}" for n in range(1, 31, 3))]
    reasons = list(facts.protocol.reasons)
    new = [re.findall(r'<td class="n">([\d,]+|–)</td>', cells)[2 + reasons.index("new")] for _, cells in rows]
    assert sum(int(n) for n in new) == sum(range(31))


def test_every_reason_for_a_label_is_explained_and_has_a_colour() -> None:
    asked = {*get_args(Reason), AUDIT, AGAIN, ASSIGNED, "gold", "unranked"}
    assert asked | {"direct", "import", "review", AT_ONCE} == set(REASONS)
    style = (Path(page.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    assert [reason for reason in REASONS if f".key.{reason.replace(' ', '-')} " not in style] == []


@pytest.mark.slow
def test_labels_that_owners_asked_for_or_gave_at_once_are_reported(tmp_path: Path) -> None:
    texts = [(f"t{n}", f"{'please' if n % 2 else 'awful'} number {n}") for n in range(12)]
    settings = ProjectSettings(encoder="tfidf", audit_size=1, audit_share=0.01)
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=texts, settings=settings) as project:
        project.people.add("ana")
        project.people.add("bo")
        project.edit.assign(["t1"], "ana")
        project.submit(project.next_tasks("ana", 1).tasks[0], "a")
        for name in ("ana", "bo"):
            project.submit("t2", "a", annotator=name)
        project.people.add("cy")
        project.edit.reopen(["t2"], 3)
        project.submit(project.next_tasks("cy", 1).tasks[0], "b")
        project.pool.find_clusters(2)
        labelled = project.pool.label_cluster(0, "a")
        facts = gather(project)
    counts = {reason: one.annotations for reason, one in facts.protocol.reasons.items()}
    assert counts == {"again": 1, "assigned": 1, "direct": 2, "cluster": labelled}
    for reason in counts:
        assert REASONS[reason] in render(facts)


@pytest.mark.slow
def test_people_of_whom_nothing_is_believed_are_in_the_report(tmp_path: Path) -> None:
    texts = [(f"t{n}", f"text number {n}") for n in range(6)]
    with Project.create(tmp_path / "one.db", classes=["a", "b"], texts=texts) as project:
        for name in ("ana", "bo", "cy"):
            project.people.add(name)
            for text_id, _ in texts:
                project.submit(text_id, "a", annotator=name)
        project.people.leave_out("cy")  # whose labels stay, and count for nothing
        assert "cy" in render(gather(project))
    asked = ["food=single:bad,good", "topics=several:price,noise"]
    with Project.create(tmp_path / "two.db", questions=asked, texts=texts) as project:
        said: dict[str, Answers] = {
            "ana": {"food": "good"},
            "bo": {"food": "bad"},
            "cy": {"topics": ["price"]},
        }
        for name, answer in said.items():
            project.people.add(name)
            for text_id, _ in texts:
                project.submit(text_id, answer, annotator=name)
        assert "cy" in render(gather(project, question="food"))


@pytest.mark.slow
def test_an_empty_project_has_a_report_too(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=NO_TEXTS, name="Empty") as project:
        facts = gather(project)
    page = write_report(facts, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nobody has labelled anything yet." in page
    assert "Accuracy cannot be estimated yet" in page
    assert "Annotators were given no guidelines." in page
    assert 'role="img"' not in page
    json.loads(to_json(facts))
    with Project.create(tmp_path / "q.db", classes=["a", "b"], name="No texts") as project:
        assert "0 texts" in render(gather(project))


@pytest.mark.slow
def test_a_report_is_not_overwritten_unasked(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=NO_TEXTS) as project:
        facts = gather(project)
    out = tmp_path / "report.html"
    out.write_text("mine")
    with pytest.raises(FormatError, match="exists"):
        write_report(facts, out)
    assert out.read_text() == "mine"
    write_report(facts, out, overwrite=True)
    assert out.read_text().startswith("<!doctype html>")
    assert json.loads(write_report(facts, tmp_path / "report.json").read_text())["title"] == "p"
    with pytest.raises(InputError, match=r"ends in \.html or \.json"):
        write_report(facts, tmp_path / "report.pdf")


@pytest.mark.slow
def test_the_command_writes_pages_and_sections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project, page = str(tmp_path / "my project.db"), str(tmp_path / "r.html")
    Project.create(project, classes=["a", "b"], texts=NO_TEXTS).close()
    assert run(app, ["report", project, page, "--json", str(tmp_path / "r.json"), "--hide-names"]) == 0
    assert capsys.readouterr().out.split() == [page, str(tmp_path / "r.json")]
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["names_hidden"] is True
    assert set(SECTIONS) < set(document)
    assert document["commands"]["data"] == "jurybox report 'my project.db' --section data --hide-names"
    assert run(app, ["report", project, "--section", "data"]) == 0
    assert json.loads(capsys.readouterr().out) == document["data"]
    for wrong, code in (
        ([], 2),
        ([page, "--section", "data"], 2),
        (["--section", "weather"], 1),
        ([page], 1),
    ):
        assert run(app, ["report", project, *wrong]) == code
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_a_file_named_after_somebody_is_not_named(tmp_path: Path) -> None:
    with Project.create(tmp_path / "Ann's.db", classes=["a", "b"], texts=NO_TEXTS, name="Ann's") as project:
        project.people.add("ann")
        assert gather(project).commands["data"] == "jurybox report 'Ann'\"'\"'s.db' --section data"
        behind = gather(project, hide_names=True)
    assert behind.commands["data"] == "jurybox report PROJECT --section data --hide-names"
    assert "with the project&#39;s file or URL" in render(behind)
    assert "Ann" not in render(behind).replace("Annotation", "").replace("Annotator", "")


def test_sections_are_known_by_name(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.db", classes=["a", "b"], texts=NO_TEXTS) as project:
        with pytest.raises(InputError, match="no section 'weather'; sections are data, protocol"):
            gather_section(project, "weather")
        with pytest.raises(InputError, match="examples is -1"):
            gather(project, examples=-1)
        for name in SECTIONS:
            json.dumps(gather_section(project, name), allow_nan=False)


def test_names_are_hidden_as_whole_words_whatever_they_are() -> None:
    names = Names(["a.b", "Ann", "Ann Marie", "(x"], hidden=True)
    assert names.within("Ann Marie, ANN, Anna, a.b, aXb, (x") == "A3, A2, Anna, A1, aXb, A4"
    assert Names(["Ann"], hidden=False).within("Ann") == "Ann"
    assert Names([], hidden=True).within("Ann") == "Ann"
