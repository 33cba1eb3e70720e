"""The command line: what it prints, for people and for programs, and how it fails."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.main import get_command

import jurybox
from jurybox.cli.app import app, run
from jurybox.project import Project

TEXTS = [
    ("t1", "Thanks a lot for your help!", "polite"),
    ("t2", "Would you mind having another look?", "polite"),
    ("t3", "This is nonsense, stop it.", "impolite"),
    ("t4", "You clearly cannot read.", "impolite"),
    ("t5", "Could you please add a source?", "polite"),
    ("t6", '=HYPERLINK("http://x") why did you \x1b[31mrevert\x1b[0m?', "impolite"),
]
Jurybox = Callable[..., str]


@pytest.fixture
def jurybox_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Jurybox:
    """Run a command in an empty folder; return what it prints, after checking its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = run(app, arguments)
        printed = capsys.readouterr()
        assert found == code, printed.err
        assert "\x1b" not in printed.out + printed.err
        assert "Traceback" not in printed.err
        if code == 0:
            return printed.out
        *plan, error = printed.err.splitlines()
        assert error.startswith("jurybox: "), printed.err
        assert all(re.match(r"\S+ \(\w+, |  ", line) for line in plan), printed.err
        return error

    return call


def write_texts(folder: Path) -> Path:
    path = folder / "texts.jsonl"
    lines = [json.dumps({"id": text_id, "text": text}) for text_id, text, _ in TEXTS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def project(jurybox_in: Jurybox, tmp_path: Path) -> str:
    write_texts(tmp_path)
    jurybox_in(
        *("init", "p.db", "--texts", "texts.jsonl", "-l", "polite", "-l", "impolite"),
        *("--set", "encoder=tfidf", "--set", "audit_size=0", "--set", "batch=2"),
    )
    return "p.db"


def label_all(jurybox_in: Jurybox, project: str, people: Sequence[str] = ("ana", "ben")) -> None:
    rows = [f"{text_id},{name},{label}" for text_id, _, label in TEXTS for name in people]
    Path("labels.csv").write_text("\n".join(["id,annotator,label", *rows]))
    jurybox_in("add", project, "labels.csv")


@pytest.mark.slow
def test_a_project_is_made_and_counted(jurybox_in: Jurybox, project: str) -> None:
    status = json.loads(jurybox_in("status", project, "--json"))
    assert (status["texts"], status["labelled_texts"], status["annotations"]) == (6, 0, 0)
    assert (status["annotators"], status["rounds"], status["classes"]) == (0, 0, ["polite", "impolite"])
    assert "texts" in jurybox_in("status", project)
    with Project.open(project) as opened:
        assert (opened.settings.batch, opened.settings.encoder) == (2, "tfidf")


def test_init_takes_texts_and_annotations_of_several_files(jurybox_in: Jurybox, tmp_path: Path) -> None:
    Path("wide.csv").write_text("id,text,ana,ben\n1,hi,a,\n2,ho,b,a\n")
    Path("more.csv").write_text("id,text\n3,hm\n")
    Path("rules.md").write_text("# Rules")
    printed = jurybox_in(
        *("init", "w.db", "--texts", "wide.csv", "--texts", "more.csv", "-l", "a", "-l", "b"),
        *("--guidelines", "rules.md", "--name", "Mine"),
    )
    assert "3 texts, 3 annotations" in printed
    with Project.open("w.db") as opened:
        assert (opened.name, opened.guidelines) == ("Mine", "# Rules")


@pytest.mark.slow
def test_an_init_that_fails_makes_nothing(jurybox_in: Jurybox, tmp_path: Path) -> None:
    Path("broken.csv").write_text("id,text,annotator,label\n1,hi,ana,a\n2,ho,ana,z\n")
    error = jurybox_in("init", "p.db", "--texts", "broken.csv", "-l", "a", "-l", "b", code=1)
    assert "broken.csv, row 2, column 'label', value 'z'" in error
    assert not Path("p.db").exists()
    assert "name each one with --label" in jurybox_in("init", "p.db", "--texts", "broken.csv", code=1)
    assert "NAME=VALUE" in jurybox_in(
        "init", "p.db", "--texts", "broken.csv", "-l", "a", "--set", "x", code=1
    )
    assert "no setting 'x'" in jurybox_in(
        "init", "p.db", "--texts", "broken.csv", "-l", "a", "--set", "x=1", code=1
    )


@pytest.mark.slow
def test_add_is_all_or_nothing_and_adds_nothing_twice(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project)
    again = jurybox_in("add", project, "labels.csv")
    assert "0 annotations" in again
    assert "12 annotations were there already" in again
    Path("bad.csv").write_text("id,annotator,label\nt1,cy,polite\nt2,cy,rude\n")
    assert "bad.csv, row 2" in jurybox_in("add", project, "bad.csv", code=1)
    Path("unknown.csv").write_text("id,annotator,label\nt1,cy,polite\nnope,cy,polite\n")
    error = jurybox_in("add", project, "unknown.csv", code=1)
    assert "unknown.csv, row 2, column 'id', value 'nope'" in error
    assert json.loads(jurybox_in("status", project, "--json"))["annotations"] == 12


@pytest.mark.slow
def test_add_can_replace_and_can_be_tried_first(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project, ["ana"])
    Path("second.csv").write_text("id,who,said\nt1,ana,impolite\n")
    named = ("--column", "annotator=who", "--column", "label=said")
    assert "1 annotation read, nothing added" in jurybox_in("add", project, "second.csv", "--dry-run", *named)
    assert "another label already" in jurybox_in("add", project, "second.csv", *named, code=1)
    added = json.loads(jurybox_in("add", project, "second.csv", "--replace", "--json", *named))
    assert added["annotations"] == 1
    with Project.open(project) as opened:
        labels = {record.text_id: record.label for record in opened.reading.annotation_records()}
    assert (labels["t1"], len(labels)) == ("impolite", 6)


@pytest.mark.slow
def test_next_hands_out_texts_for_another_tool(jurybox_in: Jurybox, project: str) -> None:
    lent = json.loads(jurybox_in("next", project, "--annotator", "ana", "-n", "2", "--json"))
    assert [sorted(entry) for entry in lent] == [["reason", "score", "text", "text_id"]] * 2
    other = json.loads(jurybox_in("next", project, "-a", "ben", "-n", "6", "--json"))
    assert not {entry["text_id"] for entry in lent} & {entry["text_id"] for entry in other}
    assert lent[0]["text_id"] in jurybox_in("next", project, "-a", "ana")


@pytest.mark.slow
def test_next_says_why_there_is_nothing(
    jurybox_in: Jurybox, project: str, capsys: pytest.CaptureFixture[str]
) -> None:
    label_all(jurybox_in, project, ["ana"])
    assert jurybox_in("next", project, "-a", "ana", "--json") == "[]\n"
    assert run(app, ["next", project, "-a", "ana"]) == 0
    assert "nothing to label for ana" in capsys.readouterr().err


@pytest.mark.slow
def test_a_round_is_not_trained_on_the_audit_sample(jurybox_in: Jurybox, tmp_path: Path) -> None:
    write_texts(tmp_path)
    settings = [
        part for one in ("encoder=tfidf", "audit_size=2", "audit_share=0.5") for part in ("--set", one)
    ]
    jurybox_in("init", "audited.db", "--texts", "texts.jsonl", "-l", "polite", "-l", "impolite", *settings)
    label_all(jurybox_in, "audited.db")
    assert "round 1: trained on 8 of 12 annotations" in jurybox_in("round", "audited.db")


@pytest.mark.slow
def test_a_round_ranks_what_is_left(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project)
    assert "round 1: trained on 12 of 12 annotations" in jurybox_in("round", project)
    second = json.loads(jurybox_in("round", project, "--json"))
    assert (second["number"], second["n_annotations"]) == (2, 12)
    status = json.loads(jurybox_in("status", project, "--json"))
    assert (status["rounds"], status["last_round"]["number"]) == (2, 2)


@pytest.mark.slow
def test_status_estimates_accuracy_on_the_audit_sample_and_counts_the_cost(
    jurybox_in: Jurybox, tmp_path: Path
) -> None:
    write_texts(tmp_path)
    audit = ("--set", "audit_size=3", "--set", "audit_share=0.5", "--set", "cost_per_label=0.25")
    classes = ("-l", "polite", "-l", "impolite", "--set", "encoder=tfidf")
    jurybox_in("init", "a.db", "--texts", "texts.jsonl", *classes, *audit)
    assert json.loads(jurybox_in("status", "a.db", "--json"))["accuracy"] is None
    label_all(jurybox_in, "a.db")
    jurybox_in("round", "a.db")
    status = json.loads(jurybox_in("status", "a.db", "--json"))
    assert (status["accuracy"]["n_texts"], status["effort"]["cost"]) == (3, 3.0)
    assert status["accuracy"]["low"] <= status["accuracy"]["estimate"] <= status["accuracy"]["high"]
    assert "on 3 audit texts" in jurybox_in("status", "a.db")


@pytest.mark.slow
def test_annotators_are_listed_with_their_quality(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project)
    people = json.loads(jurybox_in("annotators", project, "--json"))
    assert [person["name"] for person in people] == ["ana", "ben"]
    assert all(person["agreement_with_consensus"]["estimate"] == 1.0 for person in people)
    lines = jurybox_in("annotators", project).splitlines()
    assert lines[0].split()[:3] == ["annotator", "annotations", "quality"]
    assert len(lines) == 3


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "huggingface", "label-studio"])
def test_an_export_becomes_an_equal_project(jurybox_in: Jurybox, project: str, form: str) -> None:
    label_all(jurybox_in, project)
    out = "out.json" if form == "label-studio" else "out"
    assert jurybox_in("export", project, out, "--format", form) == f"{out}\n"
    labels = ("-l", "polite", "-l", "impolite") if form == "label-studio" else ()
    jurybox_in("init", "copy.db", "--texts", out, *labels)
    with Project.open(project) as first, Project.open("copy.db") as second:
        assert list(second.reading.texts()) == list(first.reading.texts())
        assert list(second.reading.annotation_records()) == list(first.reading.annotation_records())
        assert second.classes == first.classes
        assert [person.name for person in second.people.all()] == ["ana", "ben"]
    assert "exists" in jurybox_in("export", project, out, "--format", form, code=1)
    jurybox_in("export", project, out, "--format", form, "--overwrite")


@pytest.mark.slow
def test_one_table_can_be_exported(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project)
    jurybox_in("export", project, "labels.jsonl", "--table", "consensus")
    rows = [json.loads(line) for line in Path("labels.jsonl").read_text().splitlines()]
    assert [(row["id"], row["label"]) for row in rows] == [(text_id, label) for text_id, _, label in TEXTS]


@pytest.mark.slow
def test_a_simulation_is_written_and_repeats_itself(jurybox_in: Jurybox, tmp_path: Path) -> None:
    arguments = (
        "simulate",
        "demo",
        "-s",
        "default",
        "-s",
        "random",
        "--rounds",
        "2",
        "--seeds",
        "2",
        "-e",
        "tfidf",
    )
    printed = jurybox_in(*arguments, "--out", "first")
    assert [line.split()[0] for line in printed.splitlines()[2:4]] == ["default", "random"]
    second = json.loads(jurybox_in(*arguments, "--out", "second", "--json"))
    first = json.loads((tmp_path / "first" / "curves.json").read_text())
    for curves in (first, second):
        for strategy in curves["strategies"].values():
            del strategy["seconds_per_round"]
    assert first == second
    assert (first["dataset"], first["rounds"], first["batch"], first["seeds"]) == ("demo", 2, 25, [0, 1])
    assert first["strategies"]["default"]["annotations"] == [200, 225]
    assert np.array(first["strategies"]["random"]["macro_f1"]).shape == (2, 2)
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [
        *("curves.json", "curves.png", "curves.svg", "selections.csv")
    ]
    asked = pd.read_csv(tmp_path / "first" / "selections.csv")
    assert len(asked) == 2 * 2 * 2 * 25
    assert asked.columns.tolist()[:5] == ["strategy", "seed", "round", "place", "id"]
    assert (tmp_path / "second" / "selections.csv").read_bytes() == (
        tmp_path / "first" / "selections.csv"
    ).read_bytes()


@pytest.mark.slow
def test_a_data_set_is_shown_part_by_part(jurybox_in: Jurybox) -> None:
    printed = jurybox_in("inspect", "demo")
    for part in (
        "Labelled texts",
        "Texts without a label",
        "What simulated annotators",
        "Examples of each class",
    ):
        assert part in printed
    assert "Krippendorff" in printed
    figures = json.loads(jurybox_in("inspect", "demo", "--json"))
    assert (figures["texts"], figures["initial"]["annotations"], len(figures["classes"])) == (2000, 200, 2)
    assert figures["initial"]["annotations_per_text"] == {"0": 1900, "2": 100}


@pytest.mark.slow
def test_an_exported_folder_is_a_data_set(jurybox_in: Jurybox, project: str) -> None:
    label_all(jurybox_in, project)
    jurybox_in("export", project, "out")
    figures = json.loads(jurybox_in("inspect", "out", "--json"))
    assert figures["annotators"] == 2
    assert figures["texts"] + figures["test_texts"] == 6


FAILURES = [
    (["status", "none.db"], 1, "there is no file none.db"),
    (["status", "postgresql://localhost:1/none"], 1, "jurybox: "),
    (["status"], 2, "Missing argument 'PROJECT'"),
    (["stat", "p.db"], 2, "No such command 'stat'"),
    (["next", "p.db"], 2, "Missing option '--annotator'"),
    (["next", "p.db", "-a", "ana", "-n", "0"], 2, "Invalid value for '-n'"),
    (["add", "p.db", "none.csv"], 1, "none.csv: there is no such file"),
    (["add", "p.db", "texts.jsonl", "--column", "text"], 1, "expected ROLE=NAME"),
    (["add", "p.db", "texts.jsonl", "--format", "docx"], 1, "expected auto or one of csv"),
    (["export", "p.db", "out", "--format", "docx"], 1, "expected one of csv"),
    (["export", "p.db", "no/such.csv", "--table", "people"], 1, "expected one of texts"),
    (["inspect", "nowhere"], 1, "data set 'nowhere' is unknown"),
    (["simulate", "demo", "-s", "magic"], 1, "strategy is 'magic'"),
    (["simulate", "demo", "--model", "x"], 1, "--model is for"),
    (["init", "p.db", "--texts", "texts.jsonl", "-l", "a"], 1, "p.db"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"), FAILURES, ids=[" ".join(a) for a, _, _ in FAILURES]
)
def test_a_failure_is_one_line_and_an_exit_code(
    jurybox_in: Jurybox, project: str, arguments: list[str], code: int, message: str
) -> None:
    assert message in jurybox_in(*arguments, code=code)


def test_an_unexpected_error_is_one_line_too(
    jurybox_in: Jurybox, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Project) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(Project, "status", broken)
    assert "internal error, please report it: ZeroDivisionError: oh no" in jurybox_in(
        "status", project, code=1
    )


def test_ctrl_c_ends_a_command_with_130(
    jurybox_in: Jurybox, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Project) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "status", interrupted)
    assert run(app, ["status", project]) == 130


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command that does something, with the words that call it."""
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        yield path, command
    for name, one in below.items():
        yield from leaves(one, (*path, name))


COMMANDS = dict(leaves(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_it_takes(path: tuple[str, ...]) -> None:
    title, *lines = (COMMANDS[path].epilog or "").split("\n\n")
    assert "Examples" in title, "no examples"
    assert lines
    for line in lines:
        given = shlex.split(re.split(r" [<>] ", line)[0])
        assert given[: len(path) + 1] == ["jurybox", *path]
        COMMANDS[path].make_context(path[-1], given[len(path) + 1 :])  # an error for what it does not take


def test_the_version(jurybox_in: Jurybox) -> None:
    assert jurybox_in("--version") == f"jurybox {jurybox.__version__}\n"


def process(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jurybox", *arguments]


def environment() -> dict[str, str]:
    source = str(Path(jurybox.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}


@pytest.mark.slow
def test_labelling_through_a_pipe(jurybox_in: Jurybox, project: str, tmp_path: Path) -> None:
    script = "1\n2\nu\npolite\nsomething\nf two questions\ns not sure\ng\nimpolite\nq\n"
    done = subprocess.run(
        process("label", project, "-a", "ana"),
        input=script,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
        check=True,
    )
    assert "\x1b" not in done.stdout
    assert "3 labelled by ana" in done.stderr
    assert "'something' is no key and no class; keys are 1 polite, 2 impolite" in done.stderr
    with Project.open(tmp_path / project) as opened:
        labels = [record.label for record in opened.reading.annotation_records()]
        assert sorted(labels) == ["impolite", "polite", "polite"]
        assert [flag.comment for flag in opened.review.flags()] == ["two questions"]
        status = opened.status()
        assert (status.skips, status.on_loan) == (1, 0)


@pytest.mark.slow
def test_labelling_with_the_keys_of_a_terminal(jurybox_in: Jurybox, project: str, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        process("label", project, "-a", "ana"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(),
        cwd=tmp_path,
        start_new_session=True,
    ) as running:
        os.close(terminal)
        try:
            os.write(controller, b"1")  # typed ahead
            screen = read_until(controller, "1 labelled")
            for keys, expected in [("x\x1b[A2", "2 labelled"), ("u", "1 labelled"), ("1", "2 labelled")]:
                os.write(controller, keys.encode())
                screen += read_until(controller, expected)
            os.write(controller, b"f")
            read_until(controller, "remark")
            os.write(controller, b"odd\n")
            read_until(controller, "flagged")
            os.write(controller, b"q")
            screen += read_until(controller, "2 labelled by ana")
            assert running.wait() == 0
        finally:
            running.kill()
    os.close(controller)
    assert "\x1b[31m" not in screen
    with Project.open(tmp_path / project) as opened:
        assert [record.label for record in opened.reading.annotation_records()] == ["polite", "polite"]
        assert all(record.seconds is not None for record in opened.reading.annotation_records())
        assert [flag.comment for flag in opened.review.flags()] == ["odd"]


def read_until(terminal: int, expected: str) -> str:
    """Read what appears on a terminal until it contains a text."""
    seen = ""
    while expected not in seen:
        try:
            seen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the program has ended
            break
    assert expected in seen, seen
    return seen


@pytest.mark.slow
def test_an_interrupt_from_outside_is_clean(tmp_path: Path) -> None:
    with subprocess.Popen(
        process("simulate", "demo", "--encoder", "tfidf"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "XDG_CACHE_HOME": str(tmp_path)},
        cwd=tmp_path,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # ignored in background jobs
    ) as running:
        assert running.stderr is not None
        assert "encoder" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        _, error = running.communicate()
    assert running.returncode == 130
    assert "Traceback" not in error
    assert not (tmp_path / "simulation").exists()


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(jurybox_in: Jurybox, project: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        process("inspect", "demo"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        error = running.stderr.read().decode()
        running.wait()
    assert error == ""


@pytest.mark.slow
def test_completion_knows_the_commands() -> None:
    found = subprocess.run(
        process(),
        capture_output=True,
        text=True,
        env={
            **environment(),
            "_JURYBOX_COMPLETE": "complete_bash",
            "COMP_WORDS": "jurybox st",
            "COMP_CWORD": "1",
        },
        check=False,
    )
    assert found.stdout.split() == ["status"]


@pytest.mark.slow
def test_gold_texts_are_named_from_a_file(jurybox_in: Jurybox, tmp_path: Path) -> None:
    pd.DataFrame(TEXTS, columns=["id", "text", "answer"]).to_csv(tmp_path / "texts.csv", index=False)
    texts = ("--texts", "texts.csv", "--ignore", "answer", "--label", "polite", "--label", "impolite")
    jurybox_in("init", "p.db", *texts, "--set", "audit_size=0", "--set", "gold_share=1")
    assert "0 gold texts" in jurybox_in("gold", "p.db")
    assert "no labels in the file" in jurybox_in("gold", "p.db", "texts.csv", "--ignore", "answer", code=1)
    (tmp_path / "some.csv").write_text("id,answer\nt1,polite\nt3,impolite\nt5,polite\n")
    assert jurybox_in("gold", "p.db", "some.csv", "--column", "label=answer") == "3 gold texts\n"
    (tmp_path / "bad.csv").write_text("id,answer\nt2,polit\n")
    assert "polit" in jurybox_in("gold", "p.db", "bad.csv", "--column", "label=answer", code=1)
    (tmp_path / "bad.csv").write_text("id,answer\nt2,polite\nt9,polite\n")
    assert "no text with id 't9'" in jurybox_in("gold", "p.db", "bad.csv", "--column", "label=answer", code=1)
    for _ in range(3):
        (task,) = json.loads(jurybox_in("next", "p.db", "-a", "ana", "--json"))
        assert (task["text_id"] in {"t1", "t3", "t5"}, task["reason"], task["score"]) == (
            True,
            "spread",
            None,
        )
        with Project.open(tmp_path / "p.db") as project:
            project.submit(task["text_id"], "polite", annotator="ana")
    report = jurybox_in("gold", "p.db", "--remove", "t5", "--qualify", "ana")
    assert report.splitlines()[0] == "2 gold texts"
    assert re.search(r"ana +2 +1 +50.0 % +9.5 % to 90.5 % +yes", report)
    printed = json.loads(jurybox_in("gold", "p.db", "--json"))
    assert printed["gold"] == {"t1": "polite", "t3": "impolite"}
    (ana,) = printed["annotators"]
    assert (ana["annotator"], ana["n"], ana["right"], ana["qualified"]) == ("ana", 2, 1, True)
    assert ana["accuracy"]["low"] < ana["accuracy"]["estimate"] == 0.5
    with Project.open(tmp_path / "p.db") as project:
        project.configure(gold_share=0.0)
    (task,) = json.loads(jurybox_in("next", "p.db", "-a", "ana", "--json"))
    assert task["text_id"] in {"t2", "t4", "t6"}


def test_editing_does_nothing_that_may_not_be_meant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = str(tmp_path / "p.db")
    with Project.create(place, texts=[("t1", "one"), ("t2", "two")], classes=["no", "yes"]):
        pass
    for wrong, words in (
        (["--id", "t1", "--search", "two", "--delete"], "either --id or a search"),
        (["--id", "t1", "--reopen", "0"], "labels is 0"),
        (["--delete"], "every text"),
    ):
        assert run(app, ["edit", "texts", place, *wrong]) == 1
        assert words in capsys.readouterr().err
    with Project.open(place) as project:
        assert project.status().texts == 2


@pytest.mark.slow
def test_settings_are_listed_changed_and_undone(jurybox_in: Jurybox, project: str) -> None:
    assert re.search(r"^encoder +tfidf +auto$", jurybox_in("set", project), re.M)
    assert jurybox_in("set", project, "batch=7", "budget=90") == "batch: 2 → 7\nbudget: null → 90\n"
    assert json.loads(jurybox_in("set", project, "--json"))["budget"] == 90
    assert jurybox_in("set", project, "batch=7") == ""
    events = json.loads(jurybox_in("history", project, "--json"))
    assert (events[0]["verb"], events[0]["detail"]["after"]) == ("settings", {"batch": 7, "budget": 90})
    jurybox_in("history", project, "--undo", str(events[0]["number"]))
    assert json.loads(jurybox_in("set", project, "--json"))["budget"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("batch", "expected NAME=VALUE"),
        ("batches=3", "there is no setting 'batches'"),
        ("batch=0", "batch is 0, expected a whole number from 1"),
        ("strategy=tarot", "strategy is 'tarot', expected one of default"),
        ("encoder=../nowhere", "encoder '../nowhere' is unknown and no folder"),
        ("classifier=sklearn:ensemble.Oracle", "no classifier 'ensemble.Oracle'"),
        ("encoder=[1]", "encoder is [1], expected a name"),
    ],
)
def test_a_wrong_setting_changes_nothing(
    jurybox_in: Jurybox, project: str, change: str, problem: str
) -> None:
    before = jurybox_in("set", project)
    assert problem in jurybox_in("set", project, "max_labels=3", change, code=1)
    assert jurybox_in("set", project) == before


def test_what_is_not_installed_cannot_be_set(
    jurybox_in: Jurybox, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    error = jurybox_in("set", project, "encoder=minilm", code=1)
    assert error.endswith("encoder is 'minilm', expected one of: auto, tfidf")


def test_a_project_is_not_made_for_a_strategy_that_there_is_not(jurybox_in: Jurybox, tmp_path: Path) -> None:
    texts = write_texts(tmp_path)
    error = jurybox_in("init", "p.db", "--texts", str(texts), "--set", "strategy=tarot", code=1)
    assert "strategy is 'tarot'" in error
    assert not (tmp_path / "p.db").exists()
