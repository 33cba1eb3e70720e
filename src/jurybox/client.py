"""A client for the REST interface of a running server; needs httpx (``pip install 'jurybox[client]'``)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from jurybox.errors import ConflictError, InputError, JuryboxError, NotFoundError, StoreError, require
from jurybox.formats.plain import read_plain
from jurybox.project.beliefs import ProjectBelief
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
from jurybox.trust.intervals import Interval

if TYPE_CHECKING:
    import httpx

__all__ = ["Client", "Invitation", "OpenTask", "RequestError"]

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


@dataclass(frozen=True)
class OpenTask:
    """A text on loan until `expires_at`; reason, score and round are for reviewers and owners only."""

    text_id: str
    text: str
    expires_at: float
    suggestion: str | None = None
    reason: str | None = None
    score: float | None = None
    round: int | None = None


@dataclass(frozen=True)
class Invitation:
    """How a person signs in; the token is shown once."""

    annotator: AnnotatorInfo
    token: str
    link: str


_ERRORS: dict[int, Callable[[str], JuryboxError]] = {
    404: NotFoundError,
    409: ConflictError,
    422: InputError,
    503: StoreError,
}


class Client:
    """Talks to a server as one person, with that person's token.

    Everything that is stored carries an idempotency key or may be repeated as it is, and is sent again when
    the connection fails.

    Parameters
    ----------
    url
        Where the server is, such as ``http://127.0.0.1:8765``.
    token
        The token of a person: the last part of an invite link.
    timeout
        Seconds to wait for an answer.

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
        answer = self._json("POST", "/tasks", json=body)
        return [OpenTask(**task) for task in answer["tasks"]]

    def renew(self, text_id: str, *, annotator: str | None = None) -> float:
        """Keep a text for longer; return until when."""
        answer = self._json("POST", "/tasks/renew", json=_body(text_id=text_id, annotator=annotator))
        return float(answer["expires_at"])

    def release(self, text_id: str, *, annotator: str | None = None) -> None:
        """Give a text back without a decision."""
        self._send("POST", "/tasks/release", json=_body(text_id=text_id, annotator=annotator))

    def submit(
        self,
        text_id: str,
        label: str,
        *,
        seconds: float | None = None,
        comment: str = "",
        annotator: str | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Store a label; it is safe when this returns, and counts once however often it was sent."""
        body = _body(text_id=text_id, label=label, seconds=seconds, comment=comment, annotator=annotator)
        return Receipt(**self._json("POST", "/annotations", json=body, key=key or _new_key()))

    def skip(self, text_id: str, reason: str = "", *, annotator: str | None = None) -> None:
        """Leave a text to others."""
        self._send(
            "POST", "/skips", json=_body(text_id=text_id, reason=reason, annotator=annotator), key=_new_key()
        )

    def flag(self, text_id: str, comment: str, *, annotator: str | None = None) -> None:
        """Leave a remark about a text for the owner."""
        body = _body(text_id=text_id, comment=comment, annotator=annotator)
        self._send("POST", "/flags", json=body, key=_new_key())

    def decisions(self, limit: int = 10) -> list[Decision]:
        """List the last decisions that stand, the latest first."""
        return [Decision(**row) for row in self._json("GET", "/decisions", params={"limit": limit})]

    def undo(self, text_id: str | None = None, *, annotator: str | None = None) -> OpenTask:
        """Take back one of the last ten decisions and borrow its text again."""
        body = _body(text_id=text_id, annotator=annotator)
        return OpenTask(**self._json("POST", "/decisions/undo", json=body, key=_new_key()))

    def change(self, text_id: str, label: str, *, comment: str | None = None) -> Receipt:
        """Replace the label of one of the last ten decisions."""
        body = _body(text_id=text_id, label=label, comment=comment)
        return Receipt(**self._json("POST", "/decisions/change", json=body, key=_new_key()))

    def progress(self, *, since: float = 0.0) -> AnnotatorProgress:
        """Say how far the user is, in all and since a time, and how far the project is."""
        return AnnotatorProgress(**self._json("GET", "/progress", params={"since": since}))

    # Reviewing

    def adjudicate(self, text_id: str, label: str, *, comment: str = "") -> Receipt:
        """Decide about a text; it wants no more labels then."""
        body = _body(text_id=text_id, label=label, comment=comment)
        return Receipt(**self._json("POST", "/adjudications", json=body, key=_new_key()))

    def texts(self, **filters: str) -> Iterator[TextRow]:
        """Walk over texts in their order; filters: search, state, label, annotator."""
        return (TextRow(**row) for row in self._pages("/texts", filters))

    def annotations(self, **filters: str) -> Iterator[AnnotationRow]:
        """Walk over annotations that stand, the latest first; filters: text_id, annotator, label, search."""
        return (AnnotationRow(**row) for row in self._pages("/annotations", filters))

    def queue(self, limit: int = 50) -> list[QueueRow]:
        """List the texts that will be asked for next, and why."""
        return [QueueRow(**row) for row in self._json("GET", "/queue", params={"limit": limit})]

    def flags(self) -> list[Flag]:
        """List the remarks of annotators, the latest first."""
        return [Flag(**row) for row in self._json("GET", "/flags")]

    def status(self) -> Status:
        """Say how far the project is."""
        answer = self._json("GET", "/status")
        last = answer["last_round"]
        return Status(
            **{
                **answer,
                "classes": tuple(answer["classes"]),
                "last_round": None if last is None else RoundInfo(**last),
            }
        )

    def rounds(self) -> list[RoundInfo]:
        """List the rounds that were published."""
        return [RoundInfo(**row) for row in self._json("GET", "/rounds")]

    def annotators(self) -> list[AnnotatorInfo]:
        """List everyone, in the order in which they came."""
        return [_person(row) for row in self._json("GET", "/annotators")]

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
        labels: dict[str, str] = self._json("GET", "/gold")["labels"]
        return labels

    def add_gold(self, labels: Mapping[str, str]) -> None:
        """Name texts whose label is known, all or none."""
        self._send("POST", "/gold", json={"labels": dict(labels)})

    def remove_gold(self, text_id: str) -> None:
        """Make a gold text an ordinary one again."""
        from urllib.parse import quote

        self._send("DELETE", f"/gold/{quote(text_id, safe='')}")

    def gold_report(self) -> list[GoldScore]:
        """List how everyone does on gold texts."""
        return [_gold_score(row) for row in self._json("GET", "/gold/report")]

    def beliefs(self) -> ProjectBelief:
        """Return what the learner last found out about people, labels, accuracy and when to stop."""
        return read_plain(ProjectBelief, self._json("GET", "/beliefs"))

    def settings(self) -> ProjectSettings:
        """Return the settings that hold now."""
        return _settings(self._json("GET", "/settings"))

    def configure(self, **changes: Any) -> ProjectSettings:
        """Change settings by name."""
        return _settings(self._json("PATCH", "/settings", json=changes))

    def ask_for_round(self) -> None:
        """Ask the learner for a round now."""
        self._send("POST", "/rounds")

    def add_file(self, path: str | Path, *, annotator: str | None = None, add_classes: bool = False) -> Added:
        """Add the texts and annotations of a file, all or none."""
        file = Path(path)
        params = _body(filename=file.name, annotator=annotator, add_classes=str(add_classes).lower())
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._send("POST", "/import", params=params, content=file.read_bytes(), headers=headers)
        return Added(**answer.json())

    def export(self, path: str | Path, *, format: str = "csv") -> Path:  # noqa: A002
        """Download everything into a file and return its path."""
        answer = self._send("GET", "/export", params={"format": format})
        target = Path(path)
        target.write_bytes(answer.content)
        return target

    def _invitation(self, path: str, body: Mapping[str, Any]) -> Invitation:
        answer = self._json("POST", path, json=body)
        return Invitation(_person(answer["annotator"]), answer["token"], f"{self._url}{answer['path']}")

    def _change_person(self, name: str, changes: Mapping[str, Any]) -> AnnotatorInfo:
        from urllib.parse import quote

        return _person(self._json("PATCH", f"/annotators/{quote(name, safe='')}", json=changes))

    def _pages(self, path: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        after: int | None = None
        while True:
            page = self._json("GET", path, params={**params, "limit": 500, **_body(after=after)})
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def _json(self, method: str, path: str, *, key: str | None = None, **request: Any) -> Any:
        return self._send(method, path, key=key, **request).json()

    def _send(self, method: str, path: str, *, key: str | None = None, **request: Any) -> httpx.Response:
        if key is not None:
            request["headers"] = {**request.get("headers", {}), "Idempotency-Key": key}
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                answer = self._client.request(method, path, **request)
            except self._httpx.TransportError as error:
                failure: JuryboxError = RequestError(f"{self._url} does not answer: {error!r}")
                continue
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


def _new_key() -> str:
    return secrets.token_urlsafe(16)


def _body(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _person(row: Mapping[str, Any]) -> AnnotatorInfo:
    return AnnotatorInfo(**{**row, "role": Role(row["role"]), "standing": Standing(row["standing"])})


def _gold_score(row: Mapping[str, Any]) -> GoldScore:
    accuracy = row["accuracy"]
    return GoldScore(**{**row, "accuracy": None if accuracy is None else Interval(**accuracy)})


def _settings(row: Mapping[str, Any]) -> ProjectSettings:
    known: Sequence[str] = [field.name for field in fields(ProjectSettings)]
    return ProjectSettings(**{name: row[name] for name in known if name in row})
