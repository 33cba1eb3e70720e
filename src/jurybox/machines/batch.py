"""Files of the offline batch interface: many questions in one file, their answers in another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jurybox.atomic import new_file
from jurybox.errors import FormatError
from jurybox.machines.chat import request_body
from jurybox.machines.prompts import first_messages
from jurybox.machines.records import LanguageModel

__all__ = ["BatchReply", "read_replies", "write_requests"]


@dataclass(frozen=True)
class BatchReply:
    """What came back for one text: the body of a response, or the reason why there is none."""

    text: int
    body: Any
    problem: str


def write_requests(path: Path, model: LanguageModel, texts: Iterable[tuple[int, str]], *, mark: str) -> None:
    """Write questions about numbered texts, one a line; whole or not at all.

    Parameters
    ----------
    mark
        Of the machine in its project, by which `read_replies` knows answers that belong to it.

    Raises
    ------
    FormatError
        If there is a file, or it cannot be written.
    """
    with new_file(path, overwrite=False) as draft, draft.open("w", encoding="utf-8") as file:
        for number, text in texts:
            request = {
                "custom_id": f"{mark}-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": request_body(model, first_messages(model, text)),
            }
            file.write(json.dumps(request, ensure_ascii=False) + "\n")


def read_replies(path: Path, *, mark: str) -> Iterator[BatchReply]:
    """Read the answers of a batch.

    Raises
    ------
    FormatError
        For a line that is none, or that answers a question of another machine.
    """
    with path.open(encoding="utf-8") as file:
        for row, line in enumerate(file, start=1):
            if line.strip():
                yield _reply(line, mark, str(path), row)


def _reply(line: str, mark: str, file: str, row: int) -> BatchReply:
    try:
        found = json.loads(line)
        owner, _, number = found["custom_id"].rpartition("-")
        response, error = found.get("response") or {}, found.get("error")
        text = int(number)
    except (ValueError, LookupError, TypeError, AttributeError) as wrong:
        raise FormatError("expected a line of a batch's output", file=file, row=row) from wrong
    if owner != mark:
        problem = f"answers a question of {owner!r}, expected one of {mark!r}: it is another machine's batch"
        raise FormatError(problem, file=file, row=row)
    failed = error is not None or response.get("status_code", 200) >= 400
    body = response.get("body")
    return BatchReply(text, None if failed else body, json.dumps(error or body) if failed else "")
