"""The report: complete in itself, and harmless whatever the texts say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jurybox.errors import FormatError
from jurybox.formats import AnnotationRecord
from jurybox.project import Project
from jurybox.report import write_report
from jurybox.store.settings import ProjectSettings

TEXTS = [
    ("1", "<script>alert(1)</script> thank you"),
    ("2", "please & thanks"),
    ("3", "go away"),
    ("4", "stop this {{ nonsense }}"),
]
CLASSES = ["polite", "<b>rude</b>"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    settings = ProjectSettings(encoder="tfidf", audit_size=2, audit_share=0.5)
    return Project.create(tmp_path / "p.db", classes=CLASSES, texts=TEXTS, name="A & B", settings=settings)


def label(project: Project) -> None:
    right = {"1": 0, "2": 0, "3": 1, "4": 1}
    labels = [AnnotationRecord(text, "ana", CLASSES[k], 2.0) for text, k in right.items()]
    labels += [AnnotationRecord(text, "<i>ben", CLASSES[1 - k]) for text, k in right.items() if text == "1"]
    project.add_annotations(labels)


def test_a_report_shows_the_project_and_loads_nothing(project: Project, tmp_path: Path) -> None:
    label(project)
    project.refit()
    page = write_report(project, tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<h1 dir="auto">A &amp; B</h1>' in page
    assert "on 2 audit texts" in page
    assert page.count("<svg") == 3
    assert "ana: polite, &lt;i&gt;ben: &lt;b&gt;rude&lt;/b&gt;" in page
    assert re.findall(r"(?:src|href)=|url\((?!#)|@import", page) == []
    assert "default-src 'none'" in page


def test_texts_classes_and_names_stay_text(project: Project, tmp_path: Path) -> None:
    label(project)
    page = write_report(project, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; thank you" in page
    assert "stop this {{ nonsense }}" in page
    for tag in ("<script", "<b>", "<i>"):
        assert tag not in page


def test_an_empty_project_has_a_report_too(project: Project, tmp_path: Path) -> None:
    page = write_report(project, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no labelled audit text yet" in page
    assert "Nobody has labelled anything yet." in page
    assert "<svg" not in page


def test_a_report_is_not_overwritten_unasked(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    with pytest.raises(FormatError, match="exists"):
        write_report(project, out)
    assert out.read_text() == "mine"
    write_report(project, out, overwrite=True)
    assert out.read_text().startswith("<!doctype html>")
