"""A client for the REST interface of a running server; needs httpx (``pip install 'jurybox[client]'``)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from jurybox.annotations import Duplicates
from jurybox.atomic import new_file
from jurybox.errors import ConflictError, InputError, JuryboxError, NotFoundError, StoreError, require
from jurybox.formats import ReadOptions
from jurybox.formats.plain import read_plain
from jurybox.project.beliefs import ProjectBelief
from jurybox.project.facets import QuestionsBelief
from jurybox.project.gold import GoldScore
from jurybox.store.browse import AnnotationRow, QueueRow, TextRow
from jurybox.store.records import (
    Added,
    AnnotatorInfo,
    AnnotatorProgress,
    Decision,
    Flag,
    Receipt,
    Role,
    RoundInfo,
    Standing,
    Status,
)
from jurybox.store.settings import ProjectSettings
from jurybox.wire import Expiry, FilePreview, GoldLabels, Invitation, OpenTask, OpenTasks
from jurybox.written import Answers

if TYPE_CHECKING:
    import httpx

Record = TypeVar("Record")

_ATTEMPTS = 4
_PAUSE = 0.5


class RequestError(JuryboxError):
    """The server refused a request, or nobody answered.

    Attributes
    ----------
    status
        The HTTP status; 0 where there was no answer.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


_ERRORS: dict[int, Callable[[str], JuryboxError]] = {
    404: NotFoundError,
    409: ConflictError,
    422: InputError,
    503: StoreError,
}


class Client:
    """Talks to a server as one person, with that person's token.

    What is stored carries an idempotency key or may be repeated as it is, and is sent again when the
    connection fails; invitations and files only where they have not arrived. `annotator` is for whom an
    owner's token acts. Methods raise what the library would (`NotFoundError`, …) or `RequestError`.

    Parameters
    ----------
    url
        Where the server is, such as ``http://127.0.0.1:8765``.
    token
        The token of a person, which is the last part of an invite link, or what ``jurybox token`` prints.
    timeout
        Seconds to wait for an answer; files are waited for as long as it takes.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8765", token) as client:  # doctest: +SKIP
    ...     for task in client.tasks(5):
    ...         client.submit(task.text_id, "polite")
    """

    def __init__(self, url: str, token: str, *, timeout: float = 30.0) -> None:
        self._httpx: Any = require("httpx", extra="client")
        self._url = url.rstrip("/")
        self._client: httpx.Client = self._httpx.Client(
            base_url=f"{self._url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=timeout
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Labelling

    def tasks(
        self,
        n: int = 1,
        *,
        resume: bool = True,
        annotator: str | None = None,
        lend_limit: int | None = None,
        seconds: float | None = None,
    ) -> list[OpenTask]:
        """Borrow up to n texts to label; fewer or none where there are not so many.

        An owner may say how many are in hand at most (20 otherwise), and for how long they are lent.
        """
        body = _body(n=n, resume=resume, annotator=annotator, lend_limit=lend_limit, seconds=seconds)
        return list(self._read(OpenTasks, "POST", "/tasks", json=body).tasks)

    def renew(self, text_id: str, *, annotator: str | None = None) -> float:
        """Keep a text for longer; return until when."""
        body = _body(text_id=text_id, annotator=annotator)
        return self._read(Expiry, "POST", "/tasks/renew", json=body).expires_at

    def release(self, text_id: str, *, annotator: str | None = None) -> None:
        """Give a text back without a decision."""
        self._send("POST", "/tasks/release", json=_body(text_id=text_id, annotator=annotator))

    def submit(
        self,
        text_id: str,
        label: str | Answers,
        *,
        seconds: float | None = None,
        comment: str = "",
        annotator: str | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Store a label; it is safe when this returns, and counts once however often it was sent.

        In a project with several questions the label holds the answers by question, all as one decision.
        """
        body = _body(text_id=text_id, label=label, seconds=seconds, comment=comment, annotator=annotator)
        return self._read(Receipt, "POST", "/annotations", json=body, key=key or _new_key())

    def skip(self, text_id: str, reason: str = "", *, annotator: str | None = None) -> None:
        """Leave a text to others."""
        body = _body(text_id=text_id, reason=reason, annotator=annotator)
        self._send("POST", "/skips", json=body, key=_new_key())

    def flag(self, text_id: str, comment: str, *, annotator: str | None = None) -> None:
        """Leave a remark about a text for the owner."""
        body = _body(text_id=text_id, comment=comment, annotator=annotator)
        self._send("POST", "/flags", json=body, key=_new_key())

    def decisions(self, limit: int = 10) -> list[Decision]:
        """List the last decisions that stand, the latest first."""
        return self._list(Decision, "/decisions", params={"limit": limit})

    def undo(self, text_id: str | None = None, *, annotator: str | None = None) -> OpenTask:
        """Take back one of the last ten decisions and borrow its text again."""
        body = _body(text_id=text_id, annotator=annotator)
        return self._read(OpenTask, "POST", "/decisions/undo", json=body, key=_new_key())

    def change(self, text_id: str, label: str | Answers, *, comment: str | None = None) -> Receipt:
        """Replace the label of one of the last ten decisions."""
        body = _body(text_id=text_id, label=label, comment=comment)
        return self._read(Receipt, "POST", "/decisions/change", json=body, key=_new_key())

    def progress(self, *, since: float = 0.0) -> AnnotatorProgress:
        """Say how far the user is, in all and since a time, and how far the project is."""
        return self._read(AnnotatorProgress, "GET", "/progress", params={"since": since})

    # Reviewing

    def adjudicate(self, text_id: str, label: str | Answers, *, comment: str = "") -> Receipt:
        """Decide about a text; it wants no more labels then."""
        body = _body(text_id=text_id, label=label, comment=comment)
        return self._read(Receipt, "POST", "/adjudications", json=body, key=_new_key())

    def texts(self, **filters: str) -> Iterator[TextRow]:
        """Walk over texts in their order; filters: search, state, label, annotator."""
        return self._pages(TextRow, "/texts", filters)

    def annotations(self, **filters: str) -> Iterator[AnnotationRow]:
        """Walk over annotations that stand, the latest first; filters: text_id, annotator, label, search."""
        return self._pages(AnnotationRow, "/annotations", filters)

    def queue(self, limit: int = 50) -> list[QueueRow]:
        """List the texts that will be asked for next, and why."""
        return self._list(QueueRow, "/queue", params={"limit": limit})

    def flags(self) -> list[Flag]:
        """List the remarks of annotators: those that are open first, of these the latest."""
        return self._list(Flag, "/flags")

    def status(self) -> Status:
        """Say how far the project is."""
        return self._read(Status, "GET", "/status")

    def rounds(self) -> list[RoundInfo]:
        """List the rounds that were published."""
        return self._list(RoundInfo, "/rounds")

    def annotators(self) -> list[AnnotatorInfo]:
        """List everyone, in the order in which they came."""
        return self._list(AnnotatorInfo, "/annotators")

    # Owning

    def invite(
        self, name: str, *, role: Role = Role.ANNOTATOR, cap: int | None = None, days: float | None = None
    ) -> Invitation:
        """Add a person and make an invite link, which lets them in for so many days; without, for good."""
        return self._invitation("/annotators", _body(name=name, role=role.value, cap=cap, days=days))

    def new_token(self, name: str, *, days: float | None = None) -> Invitation:
        """Make a new token and invite link for a person, as `invite` does; the old ones end."""
        return self._invitation("/tokens", _body(name=name, days=days))

    def pause(self, name: str) -> AnnotatorInfo:
        """Give an annotator no more tasks."""
        return self._change_person(name, {"standing": Standing.PAUSED.value})

    def resume(self, name: str) -> AnnotatorInfo:
        """Give a paused annotator tasks again."""
        return self._change_person(name, {"standing": Standing.ACTIVE.value})

    def set_cap(self, name: str, cap: int | None) -> AnnotatorInfo:
        """Limit how many annotations a person may give; None lifts the limit."""
        return self._change_person(name, {"cap": cap})

    def set_max_share(self, name: str, share: float | None) -> AnnotatorInfo:
        """Limit which share of all annotations a person may give; None: as the project's setting says."""
        return self._change_person(name, {"max_share": share})

    def qualify(self, name: str, verdict: bool | None = True) -> AnnotatorInfo:
        """Let a person label without a test; False: no more, None: leave it to the test."""
        return self._change_person(name, {"qualified": verdict})

    def gold(self) -> dict[str, str]:
        """Return the texts whose label is known, with their labels."""
        return dict(self._read(GoldLabels, "GET", "/gold").labels)

    def add_gold(self, labels: Mapping[str, str]) -> None:
        """Name texts whose label is known, all or none."""
        self._send("POST", "/gold", json={"labels": dict(labels)})

    def remove_gold(self, text_id: str) -> None:
        """Make a gold text an ordinary one again."""
        self._send("DELETE", f"/gold/{quote(text_id, safe='')}")

    def gold_report(self) -> list[GoldScore]:
        """List how everyone does on gold texts."""
        return self._list(GoldScore, "/gold/report")

    def beliefs(self, question: str | None = None) -> ProjectBelief:
        """Return what the learner last found out about people, labels, accuracy and when to stop.

        Parameters
        ----------
        question
            Which of several questions, or ``question:class`` for one class of it.
        """
        return self._read(ProjectBelief, "GET", "/beliefs", params=_body(question=question))

    def questions(self) -> QuestionsBelief | None:
        """Say how each of several questions stands, the mean and the worst; None in a project with one."""
        found = self._send("GET", "/questions").json()
        return None if found is None else read_plain(QuestionsBelief, found)

    def settings(self) -> ProjectSettings:
        """Return the settings that hold now."""
        return self._read(ProjectSettings, "GET", "/settings")

    def configure(self, **changes: Any) -> ProjectSettings:
        """Change settings by name."""
        return self._read(ProjectSettings, "PATCH", "/settings", json=changes)

    def ask_for_round(self) -> None:
        """Ask the learner for a round now."""
        self._send("POST", "/rounds")

    def preview_file(self, path: str | Path, options: ReadOptions | None = None) -> FilePreview:
        """Return how a file would be read, and what would be lost; nothing is changed.

        Parameters
        ----------
        path, options
            As for `jurybox.formats.read`; its classes are those of the project.
        """
        return self._read(FilePreview, "POST", "/import/preview", **_file(Path(path), options))

    def add_file(
        self,
        path: str | Path,
        options: ReadOptions | None = None,
        *,
        duplicates: Duplicates = "error",
        add_classes: bool = False,
        yes: bool = False,
        strict: bool = False,
    ) -> Added:
        """Add the texts and annotations of a file, all or none; as `jurybox.project.Project.add_file`.

        Parameters
        ----------
        path, options
            As of `preview_file`, which says what would be lost.
        duplicates
            What to do when an annotator labelled a text twice: ``"error"``, or keep the ``"last"`` label.
        add_classes
            Take labels that are no class yet for new classes.
        yes
            Go on where labels would be lost.
        strict
            Add nothing where anything looks wrong.
        """
        decided = {"duplicates": duplicates, "add_classes": add_classes, "lossy": yes, "strict": strict}
        return self._read(Added, "POST", "/import", **_file(Path(path), options, **decided))

    def export(self, path: str | Path, *, format: str = "csv") -> Path:  # noqa: A002
        """Download everything into a file and return its path."""
        with new_file(Path(path), overwrite=True) as draft:
            draft.write_bytes(self._send("GET", "/export", params={"format": format}).content)
        return Path(path)

    def _invitation(self, path: str, body: Mapping[str, Any]) -> Invitation:
        found = self._read(Invitation, "POST", path, json=body)
        return replace(found, link=f"{self._url}{found.link}")

    def _change_person(self, name: str, changes: Mapping[str, Any]) -> AnnotatorInfo:
        return self._read(AnnotatorInfo, "PATCH", f"/annotators/{quote(name, safe='')}", json=changes)

    def _pages(self, kind: type[Record], path: str, params: Mapping[str, str]) -> Iterator[Record]:
        after: int | None = None
        while True:
            page = self._send("GET", path, params={**params, "limit": 500, **_body(after=after)}).json()
            yield from (read_plain(kind, row) for row in page["items"])
            after = page["next"]
            if after is None:
                return

    def _read(self, kind: type[Record], method: str, path: str, **request: Any) -> Record:
        return read_plain(kind, self._send(method, path, **request).json())

    def _list(self, kind: type[Record], path: str, **request: Any) -> list[Record]:
        return [read_plain(kind, row) for row in self._send("GET", path, **request).json()]

    def _send(self, method: str, path: str, *, key: str | None = None, **request: Any) -> httpx.Response:
        if key is not None:
            request["headers"] = {**request.get("headers", {}), "Idempotency-Key": key}
        if path.startswith(("/import", "/export")):
            request["timeout"] = self._httpx.Timeout(self._client.timeout.connect, read=None)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                answer = self._client.request(method, path, **request)
            except self._httpx.TransportError as error:
                failure: JuryboxError = RequestError(f"{self._url} does not answer: {error!r}")
                unsent = isinstance(error, (self._httpx.ConnectError, self._httpx.ConnectTimeout))
                if unsent or (method, path) not in (("POST", "/annotators"), ("POST", "/import")):
                    continue
                break
            if answer.is_success:
                return answer
            failure = _error(answer)
            if answer.status_code != 503:
                break
        raise failure


def _error(answer: httpx.Response) -> JuryboxError:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the server answered {answer.status_code}"
    kind = _ERRORS.get(answer.status_code)
    return RequestError(detail, status=answer.status_code) if kind is None else kind(detail)


def _file(path: Path, options: ReadOptions | None, **further: Any) -> dict[str, Any]:
    """Return a request with a file, and how it is to be read."""
    told = options or ReadOptions()
    params = _body(
        filename=path.name,
        format=told.format,
        encoding=told.encoding,
        delimiter=told.delimiter,
        column=[f"{role}={name}" for role, name in told.columns.items()],
        annotator_column=list(told.annotator_columns),
        annotator=told.annotator,
        ignore=list(told.ignore),
        keep=list(told.keep),
        missing=list(told.missing),
        turn=told.turn,
        planned=told.planned,
        **further,
    )
    kind = "application/octet-stream"
    return {"params": params, "content": path.read_bytes(), "headers": {"Content-Type": kind}}


def _new_key() -> str:
    return secrets.token_urlsafe(16)


def _body(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
