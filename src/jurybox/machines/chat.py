"""Asking a language model: one request at a time, again where that may help and costs nothing twice.

Or offline: many questions go in one file, and their answers come in another.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jurybox.atomic import new_file
from jurybox.errors import FormatError, JuryboxError, require
from jurybox.machines.prompts import (
    PromptMessage,
    answer_schema,
    first_messages,
    label_probabilities,
    read_said,
    repair_messages,
    tokens_at_most,
)
from jurybox.machines.records import LanguageModel, MachineAnswer, Price

__all__ = [
    "AnswerLostError",
    "BatchReply",
    "Chat",
    "Pace",
    "RefusedError",
    "price_at_most",
    "read_answer",
    "read_replies",
    "request_body",
    "write_requests",
]

_LONGEST_PAUSE = 60.0
_TOP = 20


class RefusedError(JuryboxError):
    """The server gave no answer, and none was paid for."""


class AnswerLostError(JuryboxError):
    """A request was sent and its answer did not come: it may have been paid for."""


@dataclass(frozen=True)
class _Reply:
    raw: str
    tokens_in: int
    tokens_out: int
    probabilities: Mapping[str, Mapping[str, float]]


class Pace:
    """Lets through so many requests a minute, evenly.

    Parameters
    ----------
    per_minute
        None: all.
    """

    def __init__(
        self,
        per_minute: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self, pause: float = 0.0) -> None:
        """Wait for one's turn, and for a pause before."""
        if pause:
            self._sleep(pause)
        with self._lock:
            now = self._clock()
            at = max(self._next, now)
            self._next = at + self._gap
        if at > now:
            self._sleep(at - now)


class Chat:
    """A language model to be asked, from several threads.

    Parameters
    ----------
    model
        What is asked, and how.
    price
        What it costs.
    pace
        How fast it may be asked.
    timeout
        Seconds to wait for an answer.
    retries
        How often a request is sent again that was refused for now.
    """

    def __init__(
        self, model: LanguageModel, price: Price, *, pace: Pace, timeout: float = 120.0, retries: int = 5
    ) -> None:
        self._openai = require("openai", extra="llm")
        self._model, self._price, self._pace, self._retries = model, price, pace, retries
        self._key = os.environ.get(model.key, "")
        self._client = self._openai.OpenAI(
            base_url=model.base_url, api_key=self._key or "none", max_retries=0, timeout=timeout
        )

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def ask(self, text: str, key: str) -> MachineAnswer:
        """Return the model's answer to a text, after one repair where it leaves something open.

        Parameters
        ----------
        key
            Names the request: the same one for the same text, whenever it is asked again.

        Raises
        ------
        RefusedError
            If the server does not answer.
        AnswerLostError
            If it may have answered, to nobody.
        """
        began = time.monotonic()
        messages = first_messages(self._model, text)
        replies = [self._send(messages, key)]
        said = read_said(replies[0].raw, self._model.parts)
        if missing := [part for part in self._model.parts if part.key not in said]:
            repair = repair_messages(self._model, messages, replies[0].raw, missing)
            replies += self._repaired(repair, f"{key}-repair")
        answer = _together(self._model, self._price, replies)
        return replace(answer, seconds=time.monotonic() - began)

    def _repaired(self, messages: Sequence[PromptMessage], key: str) -> list[_Reply]:
        """Return the second answer; the first is paid for, and stands if there is none."""
        try:
            return [self._send(messages, key)]
        except RefusedError:
            return []
        except AnswerLostError:
            return [_Reply("", tokens_at_most(self._model, messages), self._model.max_tokens, {})]

    def _send(self, messages: Sequence[PromptMessage], key: str) -> _Reply:
        pause = 0.0
        for attempt in range(self._retries + 1):
            self._pace.wait(pause)
            try:
                return self._request(messages, key)
            except self._openai.APIError as error:
                again = self._judge(error)
                if attempt == self._retries:
                    raise again from error
                pause = _pause(error, attempt)
        raise AssertionError  # the last attempt returns or raises

    def _request(self, messages: Sequence[PromptMessage], key: str) -> _Reply:
        response = self._client.chat.completions.with_raw_response.create(
            **request_body(self._model, messages), extra_headers={"Idempotency-Key": key}
        )
        return _read_reply(response.http_response, self._model, messages)

    def _judge(self, error: Exception) -> JuryboxError:
        """Return what an error comes to if it stays; raise where asking again is of no use or costs twice."""
        said = self._said(error)
        status = getattr(error, "status_code", None)
        if status is not None:
            final = status < 500 and status not in (408, 409, 425, 429)
            if final or getattr(error, "code", None) == "insufficient_quota":
                raise RefusedError(said) from error
            return RefusedError(said)
        if _never_sent(error) or self._model.once or self._price.is_free:
            return RefusedError(said)
        raise AnswerLostError(said) from error

    def _said(self, error: Exception) -> str:
        """Return what went wrong, without the key, which a server may repeat."""
        problem = str(error)
        if self._key:
            problem = problem.replace(self._key, f"${self._model.key}")
        hint = f" (the key is taken from ${self._model.key})" if "401" in problem or "403" in problem else ""
        return f"{self._model.base_url} does not answer: {type(error).__name__}: {problem}{hint}"


def request_body(model: LanguageModel, messages: Sequence[PromptMessage]) -> dict[str, Any]:
    """Return the parameters of a request, without those of its transport."""
    body: dict[str, Any] = {
        "model": model.model,
        "messages": list(messages),
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
    }
    if model.structured:
        schema = {"name": "label", "strict": True, "schema": answer_schema(model.parts)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if model.logprobs:
        body |= {"logprobs": True, "top_logprobs": _TOP}
    return body


def price_at_most(model: LanguageModel, price: Price, text: str) -> float:
    """Return what an answer to a text cannot exceed, its repair included."""
    first = tokens_at_most(model, first_messages(model, text))
    repair = tokens_at_most(model, repair_messages(model, first_messages(model, text), "", model.parts))
    return price.of(first + repair + model.max_tokens, 2 * model.max_tokens, answers=2)


def read_answer(body: Any, model: LanguageModel, price: Price, text: str) -> MachineAnswer:
    """Return the answer that the body of a response holds, of a batch for instance."""
    return _together(model, price, [_read_body(body, model, first_messages(model, text))])


def _together(model: LanguageModel, price: Price, replies: Sequence[_Reply]) -> MachineAnswer:
    """Return what replies come to: of each part what was said of it last, and the price of all."""
    said: dict[str, str] = {}
    probabilities: dict[str, Mapping[str, float]] = {}
    for reply in replies:
        for key, label in read_said(reply.raw, model.parts).items():
            said[key] = label
            probabilities.pop(key, None)
            if key in reply.probabilities:
                probabilities[key] = reply.probabilities[key]
    tokens_in, tokens_out = sum(r.tokens_in for r in replies), sum(r.tokens_out for r in replies)
    return MachineAnswer(
        said,
        probabilities,
        tokens_in,
        tokens_out,
        price.of(tokens_in, tokens_out, answers=len(replies)),
        raw="\n".join(r.raw for r in replies),
    )


def _read_reply(response: Any, model: LanguageModel, messages: Sequence[PromptMessage]) -> _Reply:
    """Return what a response says, whatever it holds: it has been paid for."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    return _read_body(body, model, messages)


def _read_body(body: Any, model: LanguageModel, messages: Sequence[PromptMessage]) -> _Reply:
    """Read a response; where it does not say how many tokens it took, the most that it can have taken."""
    most = tokens_at_most(model, messages), model.max_tokens
    try:
        choice = body["choices"][0]
        raw = choice["message"].get("content") or ""
        content = (choice.get("logprobs") or {}).get("content") or ()
        words = [
            (word["token"], [(other["token"], other["logprob"]) for other in word.get("top_logprobs") or ()])
            for word in content
        ]
        usage = body.get("usage") or {}
        tokens = int(usage.get("prompt_tokens", most[0])), int(usage.get("completion_tokens", most[1]))
    except (ValueError, LookupError, TypeError, AttributeError):
        return _Reply(body if isinstance(body, str) else json.dumps(body), *most, {})
    return _Reply(str(raw), *tokens, label_probabilities(words, model.parts))


def _never_sent(error: Exception) -> bool:
    """Whether a request cannot have reached the server."""
    return type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")


def _pause(error: Exception, attempt: int) -> float:
    """Return seconds to wait: what the server asks for, else twice as long each time, scattered."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked = float(headers.get("retry-after", ""))
    except ValueError:
        asked = 0.0
    doubled = float(2**attempt)
    scattered = doubled * random.uniform(0.25, 0.75)  # noqa: S311 - so that not all come back at once
    return min(max(asked, scattered), _LONGEST_PAUSE)


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
