"""The stream of events that keeps pages current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from fastapi import Request

from jurybox.web.pages.live import News, gone_from, stream
from support.web import Stage, session_cookie, stage

Said = TypeVar("Said")


def run(listen: Callable[[], Coroutine[None, None, list[Said]]]) -> list[Said]:
    """Run it in a thread of its own: in this one a browser's loop may run already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(listen())).result()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stage]:
    with stage(str(tmp_path / "p.db")) as made:
        yield made


@pytest.mark.slow
def test_a_page_is_told_of_labels_acts_and_remarks_and_of_nothing_else(own: Stage) -> None:
    project = own.project
    acts = (
        lambda: project.submit("t1", "yes", annotator="ana"),
        lambda: project.people.pause("bo"),
        lambda: project.flag("t1", "odd", annotator="ana"),
        lambda: project.configure(batch=7),
        lambda: project.notes.write("learner", {"phase": "waiting"}),
    )

    async def listen() -> list[str]:
        news = News(own.app.state.server, every=0.0)

        async def stays() -> bool:
            return False

        project.notes.write("learner", {"phase": "stopped"})
        told = stream(news, stays)
        said = [await anext(told)]
        for act in acts:
            waiting = asyncio.ensure_future(anext(told))
            project.notes.write("learner", {"phase": "stopped"})  # a sign of life
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert not waiting.done()  # nothing has happened
            act()
            said.append(await waiting)
        assert news.streams == 1
        news.close()
        said += [event async for event in told]
        assert news.streams == 0
        return said

    assert run(listen) == ["retry: 5000\n\n", *["event: change\ndata: 1\n\n"] * len(acts)]


def test_a_stream_ends_when_its_page_is_left(own: Stage) -> None:
    async def listen() -> list[str]:
        news = News(own.app.state.server, every=0.0)

        async def leaves() -> bool:
            return True

        said = [event async for event in stream(news, leaves)]
        assert news.streams == 0
        return said

    assert run(listen) == ["retry: 5000\n\n"]


@pytest.mark.slow
def test_a_stream_ends_with_the_session_of_its_page(own: Stage) -> None:
    browser = own.browser("rita")
    cookie = "=".join(session_cookie(browser) or ()).encode()

    async def listen() -> list[bool]:
        news = News(own.app.state.server, every=0.0)

        async def receive() -> dict[str, str]:
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "app": own.app, "headers": [(b"cookie", cookie)]}
        is_gone = gone_from(Request(scope, receive), news)
        said = [await is_gone()]
        own.project.submit("t1", "yes", annotator="ana")
        said.append(await is_gone())
        await asyncio.to_thread(browser.post, "/sign-out")
        own.project.submit("t2", "yes", annotator="ana")
        return [*said, await is_gone()]

    assert run(listen) == [False, False, True]


def test_without_room_the_page_asks_by_itself(own: Stage) -> None:
    own.app.state.news.streams = 1_000
    assert own.client("rita").get("/manage/events").status_code == 204
    assert own.client("ana").get("/manage/events").status_code == 403
