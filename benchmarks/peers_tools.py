"""The three tools that `peers.py` drives: environments, projects, servers, and what their pages ask for.

Each makes a project with the same texts and one question of three classes, one label a text, serves it by its
own command, and lets people sign in and label by the requests that its labelling page sends.
"""

from __future__ import annotations

import html
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page
from typing_extensions import override

from jurybox.project import Project
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import invite
from serving import CLASSES

ROOT = Path(__file__).resolve().parent.parent
KEYS = dict(zip(CLASSES, "123", strict=True))
"""The key of each class on every page."""

_PATIENCE = 5400.0
_TIMEOUT = 120.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class RefusedError(Exception):
    """A server answered that it has not stored a label, or has no text for somebody."""


class Labeller(ABC):
    """Somebody at a labelling page, as requests; `text` is the id of the text at hand, None at the end."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=_TIMEOUT, follow_redirects=True)
        self.text: str | None = None

    @abstractmethod
    def submit(self, label: str) -> None:
        """Send the label of the text at hand; return when it is acknowledged."""

    @abstractmethod
    def proceed(self) -> None:
        """Fetch the next text."""

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; RefusedError for anything but success."""
        answer = self.http.request(method, path, **options)
        if answer.status_code >= 300:
            raise RefusedError(f"{method} {path.split('?')[0]}: {answer.status_code} {answer.text[:120]}")
        return answer


class Tool(ABC):
    """A tool with an environment of its own.

    Parameters
    ----------
    environments
        Folder of the environments, each made when it is not there.
    folder
        An empty folder for the project.
    """

    name = ""
    requirements: tuple[str, ...] = ()
    package = ""
    health = ""

    def __init__(self, environments: Path, folder: Path) -> None:
        self.environment, self.folder = environments / self.name.lower().replace(" ", "-"), folder
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    def install(self) -> str:
        """Make the environment unless it is there, and return the version in it."""
        python = self.environment / "bin" / "python"
        if not (self.environment / "installed").exists():
            print(f"making an environment for {self.name} in {self.environment}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.environment)], check=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", *self.requirements]
            subprocess.run(pip, check=True)
            (self.environment / "installed").touch()
        ask = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        return subprocess.check_output([str(python), "-c", ask], text=True).strip()

    def start(self, port: int) -> float:
        """Serve the project; return the seconds until the server answers."""
        self.port, begun = port, time.monotonic()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **self.variables()}
        for name in ("PYTHONPATH", "JURYBOX_TOKEN"):
            environment.pop(name, None)
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        while time.monotonic() - begun < _PATIENCE:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/{self.health}", timeout=5, follow_redirects=True).status_code < 500:
                    return time.monotonic() - begun
            except httpx.HTTPError:
                time.sleep(0.2)
        said = (self.folder / "server.log").read_text(errors="replace")[-1000:]
        raise SystemExit(f"{self.name} does not answer:\n{said}")

    def stop(self) -> None:
        """End the server, so that whatever it holds in memory is written."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def variables(self) -> dict[str, str]:
        """Return environment variables of the server."""
        return {}

    @abstractmethod
    def prepare(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:
        """Make what is to be there before the server starts."""

    def set_up(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:  # noqa: B027
        """Make what only a running server takes."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves the project."""

    @abstractmethod
    def sign_in(self, person: str) -> Labeller:
        """Let somebody open the labelling page."""

    @abstractmethod
    def stored(self) -> int:
        """Count the labels that lie in the tool's own files, after `stop`."""

    @abstractmethod
    def open_page(self, page: Page, person: str) -> str:
        """Open the labelling page in a browser; return a script that says which text is seen."""

    @abstractmethod
    def press(self, page: Page, label: str) -> None:
        """Give a label by the keyboard, as the page's own help says."""


# ---- jurybox -----------------------------------------------------------------------------------------------


class _AtJurybox(Labeller):
    def __init__(self, url: str, token: str) -> None:
        super().__init__(url)
        self.ask("GET", f"/join/{token}")
        found = re.search(r"data-config='([^']*)'", self.ask("GET", "/label").text)
        if found is None:
            raise RefusedError("the labelling page has no text")
        config = json.loads(html.unescape(found[1]))
        self.api, self.headers = config["api"], {"X-CSRF-Token": config["csrf"]}
        self.text = config["task"] and config["task"]["text_id"]

    @override
    def submit(self, label: str) -> None:
        body = {"text_id": self.text, "label": label, "seconds": 1.0}
        headers = {**self.headers, "Idempotency-Key": secrets.token_hex(8)}
        self.ask("POST", f"{self.api}/annotations", json=body, headers=headers)

    @override
    def proceed(self) -> None:
        found = self.ask("POST", f"{self.api}/tasks", json={"n": 1}, headers=self.headers).json()["tasks"]
        self.text = found[0]["text_id"] if found else None


class Jurybox(Tool):
    """The tool of these sources, with its learner."""

    name = "jurybox"
    requirements = ("--constraint", str(ROOT / "constraints.txt"), str(ROOT))
    package = "jurybox"
    health = "healthz"

    @override
    def prepare(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:
        settings = ProjectSettings(encoder="tfidf", labels_per_text=1)
        self._project = str(self.folder / "project.db")
        with Project.create(self._project, classes=CLASSES, texts=texts, settings=settings) as project:
            for name in people:
                project.people.add(name)
            self._tokens = {name: invite(project, name) for name in people}

    @override
    def command(self) -> list[str]:
        program = str(self.environment / "bin" / "jurybox")
        return [program, "serve", self._project, "--port", str(self.port)]

    @override
    def sign_in(self, person: str) -> Labeller:
        return _AtJurybox(self.url, self._tokens[person])

    @override
    def stored(self) -> int:
        with Project.open(self._project) as project:
            return project.status().annotations

    @override
    def open_page(self, page: Page, person: str) -> str:
        page.goto(f"{self.url}/join/{self._tokens[person]}")
        page.goto(f"{self.url}/label")
        page.wait_for_selector("#labelling[data-ready]")
        return "document.getElementById('text').textContent"

    @override
    def press(self, page: Page, label: str) -> None:
        page.keyboard.press(KEYS[label])


# ---- Potato ------------------------------------------------------------------------------------------------


class _AtPotato(Labeller):
    def __init__(self, url: str, person: str) -> None:
        super().__init__(url)
        self._read(self.ask("POST", "/auth", data={"email": person, "pass": "", "action": "login"}))

    @override
    def submit(self, label: str) -> None:
        body: dict[str, Any] = {
            "instance_id": self.text,
            "annotations": {f"answer:{label}": label},
            "cleared_schemas": [],
            "span_annotations": [],
            "client_timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "response_time_seconds": 1.0,
        }
        said = self.ask("POST", "/updateinstance", json=body).json()
        if said.get("status") not in ("success", "ok"):
            raise RefusedError(f"POST /updateinstance: {said!r:.120}")

    @override
    def proceed(self) -> None:
        body = {"action": "next_instance", "instance_id": self.text}
        self.ask("POST", "/annotate", json=body, headers={"X-Potato-Navigation": "1"})
        before = self.text
        self._read(self.ask("GET", "/annotate"))
        if self.text == before:  # there is none behind the last
            self.text = None

    def _read(self, answer: httpx.Response) -> None:
        found = re.search(r'id="instance_id"[^>]*value="([^"]*)"', answer.text)
        self.text = found[1] if found else None


class Potato(Tool):
    """Potato, with the settings of its own template for a question with classes."""

    name = "Potato"
    package = "potato-annotation"
    requirements = ("potato-annotation==2.12.1",)
    health = "health"

    @override
    def prepare(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:
        rows = [json.dumps({"id": text_id, "text": text}) for text_id, text in texts]
        (self.folder / "data").mkdir()
        (self.folder / "data" / "texts.json").write_text("\n".join(rows) + "\n")
        scheme = {
            "annotation_type": "radio",
            "name": "answer",
            "description": "Which?",
            "labels": list(CLASSES),
            "sequential_key_binding": True,
            "label_requirement": {"required": True},
        }
        config = {
            "annotation_task_name": "peers",
            "task_dir": ".",
            "output_annotation_dir": "annotation_output/",
            "data_files": ["data/texts.json"],
            "item_properties": {"id_key": "id", "text_key": "text"},
            "require_password": False,
            "user_config": {"allow_all_users": True, "users": []},
            "assignment_strategy": "random",
            "max_annotations_per_item": -1,
            "max_annotations_per_user": -1,
            "annotation_schemes": [scheme],
            "site_dir": "default",
        }
        (self.folder / "config.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML

    @override
    def command(self) -> list[str]:
        program = str(self.environment / "bin" / "potato")
        return [program, "start", "config.yaml", "-p", str(self.port), "--host", "127.0.0.1"]

    @override
    def sign_in(self, person: str) -> Labeller:
        return _AtPotato(self.url, person)

    @override
    def stored(self) -> int:
        kept = (self.folder / "annotation_output").rglob("user_state.json")
        states = [json.loads(path.read_text()) for path in kept]
        return sum(len(state["instance_id_to_label_to_value"]) for state in states)

    @override
    def open_page(self, page: Page, person: str) -> str:
        page.goto(self.url)
        page.fill("#login-email", person)
        page.locator("form[action$='/auth'] button[type=submit]").click()
        page.wait_for_selector("#instance_id", state="attached")
        return "document.getElementById('instance_id')?.value ?? ''"

    @override
    def press(self, page: Page, label: str) -> None:
        page.keyboard.press(KEYS[label])
        page.keyboard.press("ArrowRight")


# ---- Label Studio ------------------------------------------------------------------------------------------


class _AtLabelStudio(Labeller):
    def __init__(self, url: str, person: str, project: int) -> None:
        super().__init__(url)
        self.project = project
        sign_up(self.http, person)
        self.proceed()

    @override
    def submit(self, label: str) -> None:
        result = {
            "id": secrets.token_urlsafe(8)[:10],
            "from_name": "answer",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [label]},
            "origin": "manual",
        }
        body = {"result": [result], "lead_time": 1.0, "draft_id": 0, "project": self.project}
        path = f"/api/tasks/{self.text}/annotations/?project={self.project}"
        self.ask("POST", path, json=body, headers=csrf_of(self.http))

    @override
    def proceed(self) -> None:
        path = f"/api/dm/actions?id=next_task&project={self.project}"
        answer = self.http.post(path, json={}, headers=csrf_of(self.http))
        if answer.status_code not in (200, 404):
            raise RefusedError(f"POST next_task: {answer.status_code} {answer.text[:120]}")
        self.text = str(answer.json()["id"]) if answer.status_code == 200 else None


def csrf_of(http: httpx.Client) -> dict[str, str]:
    """Return the header that Django wants of a page's requests."""
    return {"X-CSRFToken": http.cookies["csrftoken"], "Referer": str(http.base_url)}


def sign_up(http: httpx.Client, person: str) -> None:
    """Register somebody at Label Studio by its form."""
    http.get("/user/signup/")
    form = {
        "email": _address(person),
        "password": _PASSWORD,
        "csrfmiddlewaretoken": http.cookies["csrftoken"],
        "allow_newsletters": "false",
    }
    answer = http.post("/user/signup/", data=form, headers=csrf_of(http))
    if answer.status_code >= 300 or "sessionid" not in http.cookies:
        raise RefusedError(f"signing up: {answer.status_code}")


def _address(person: str) -> str:
    return f"{person.replace(' ', '.')}@example.org"


_PASSWORD = "a-long-word-of-no-use"  # noqa: S105


class LabelStudio(Tool):
    """Label Studio's free edition as its quick start runs it: its own server, SQLite."""

    name = "Label Studio"
    package = "label-studio"
    requirements = ("label-studio==1.23.2",)
    health = "health"

    @override
    def install(self) -> str:
        version = super().install()
        if not self._empty.exists():  # its first start takes minutes, which are nobody's wait
            self._data = self._empty.with_name("begun")
            self._data.mkdir(exist_ok=True)  # tables that an earlier start has made stay made
            try:
                self.start(free_port())
            finally:
                self.stop()
            self._data.rename(self._empty)
        return version

    @property
    def _empty(self) -> Path:
        """A data folder with tables and without a project."""
        return self.environment / "empty"

    @override
    def prepare(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:
        self._data = self.folder / "data"
        shutil.copytree(self._empty, self._data)

    @override
    def variables(self) -> dict[str, str]:
        return {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self._data),
            "LABEL_STUDIO_USERNAME": _address("owner"),
            "LABEL_STUDIO_PASSWORD": _PASSWORD,
            "COLLECT_ANALYTICS": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LATEST_VERSION_CHECK": "false",
        }

    @override
    def command(self) -> list[str]:
        program = str(self.environment / "bin" / "label-studio")
        address = ["--port", str(self.port), "--internal-host", "127.0.0.1"]
        return [program, "start", "--no-browser", "--data-dir", str(self._data), *address]

    @override
    def set_up(self, texts: Sequence[tuple[str, str]], people: Sequence[str]) -> None:
        with httpx.Client(base_url=self.url, timeout=_TIMEOUT, follow_redirects=True) as http:
            http.get("/user/login/")
            form = {
                "email": _address("owner"),
                "password": _PASSWORD,
                "csrfmiddlewaretoken": http.cookies["csrftoken"],
            }
            http.post("/user/login/", data=form, headers=csrf_of(http)).raise_for_status()
            choices = "".join(f'<Choice value="{name}" hotkey="{key}"/>' for name, key in KEYS.items())
            view = (
                '<View><Text name="text" value="$text"/>'
                f'<Choices name="answer" toName="text" choice="single">{choices}</Choices></View>'
            )
            body = {"title": "peers", "label_config": view, "maximum_annotations": 1}
            made = http.post("/api/projects", json=body, headers=csrf_of(http))
            made.raise_for_status()
            self._project = made.json()["id"]
            rows = [{"text": text} for _, text in texts]
            path = f"/api/projects/{self._project}/import"
            http.post(path, json=rows, headers=csrf_of(http)).raise_for_status()

    @override
    def sign_in(self, person: str) -> Labeller:
        return _AtLabelStudio(self.url, person, self._project)

    @override
    def stored(self) -> int:
        (path,) = self._data.glob("*.sqlite3")
        with sqlite3.connect(path) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM task_completion").fetchone()[0])

    @override
    def open_page(self, page: Page, person: str) -> str:
        page.goto(f"{self.url}/user/signup/")
        page.fill("input[name=email]", _address(person))
        page.fill("input[name=password]", _PASSWORD)
        page.locator("form button[type=submit]").first.click()
        page.goto(f"{self.url}/projects/{self._project}/data?labeling=1")
        page.wait_for_selector(".lsf-richtext, .lsf-object")
        return "document.querySelector('.lsf-object')?.textContent ?? ''"

    @override
    def press(self, page: Page, label: str) -> None:
        page.keyboard.press(KEYS[label])
        page.keyboard.press("Control+Enter")


TOOLS: tuple[type[Tool], ...] = (Jurybox, Potato, LabelStudio)
