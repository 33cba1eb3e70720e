"""Downloads for the owner."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, HTMLResponse

from jurybox.errors import NotFoundError
from jurybox.formats import write_table
from jurybox.web.access import owner_only
from jurybox.web.api.transfer import export_file
from jurybox.web.render import render
from jurybox.web.state import get_project

router = APIRouter(prefix="/manage/export", include_in_schema=False, dependencies=[owner_only])

_TABLES = ("consensus", "annotations", "texts", "annotators", "gold")
_ENDS = ("csv", "jsonl")
_WHOLE = ("csv", "jsonl", "label-studio")


@router.get("")
def export_page(request: Request) -> HTMLResponse:
    """List what can be downloaded."""
    choices = [{"name": name, "formats": _ENDS} for name in _TABLES]
    return render(request, "manage/export.html", {"choices": [*choices, {"name": "all", "formats": _WHOLE}]})


@router.get("/{file}")
def download(request: Request, file: str) -> FileResponse:
    """Write a table, or everything, and send it."""
    name, _, end = file.partition(".")
    project = get_project(request)
    if name == "all" and end in _WHOLE:
        return export_file(project, end)
    if name not in _TABLES or end not in _ENDS:
        raise NotFoundError(f"there is no download {file!r}; see /manage/export")
    folder = Path(tempfile.mkdtemp(prefix="jurybox-"))
    try:
        path = write_table(project.export(), name, folder / file)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(path, filename=file, background=done)
