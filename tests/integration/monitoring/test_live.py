"""The socket of an open page: who is let in, what is told, and when it is closed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import OperationalError, connections
from django.test import Client

from connectors.models import Connection
from flows.models import Change, Run
from integrator.accounts.models import Membership, Session
from integrator.asgi import application
from monitoring import cursor, follow, live
from monitoring.follow import Follower, audience, render
from monitoring.fragments import News, Reader
from tests.builders import NOON, a_pair, a_person, a_workspace
from tests.integration.flows.given import a_live_flow, runs
from tests.stage import until

pytestmark = pytest.mark.django_db(transaction=True)

HOME = "http://testserver"
PATIENCE = 120.0  # seconds: a busy machine may take its time


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous scene, and leave no connection open in its threads."""

    async def whole() -> None:
        try:
            await scene()
        finally:
            await database_sync_to_async(connections.close_all)()

    asyncio.run(whole())


def cookie_of(email: str = "otto@acme.test", workspace: str = "acme") -> str:
    """Return the cookie of a person who has just signed in."""
    client = Client()
    client.force_login(a_person(email, "operator", a_workspace(workspace)))
    return f"sessionid={client.cookies['sessionid'].value}"


class Socket(ApplicationCommunicator):
    """The browser's end of a web socket of the dev environment."""

    async def connect(self) -> bool:
        """Shake hands and return whether the server took the hand."""
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(timeout=PATIENCE))["type"] == "websocket.accept")

    async def say(self, text: str) -> None:
        """Send a message."""
        await self.send_input({"type": "websocket.receive", "text": text})

    async def hear(self) -> str:
        """Return the next message."""
        return str((await self.receive_output(timeout=PATIENCE))["text"])

    async def hears_of(self, text: str) -> None:
        """Wait for a message that has `text`; figures that are told anew may come before it."""
        heard: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while text not in (heard or [""])[-1]:
                heard.append(await self.hear())

    async def closed(self) -> int:
        """Wait until the server hangs up and return its code."""
        told = await self.receive_output(timeout=PATIENCE)
        assert told["type"] == "websocket.close"
        return int(told["code"])

    async def leave(self) -> None:
        """Hang up."""
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(PATIENCE)


def a_page(cookie: str = "", origin: str | None = HOME) -> Socket:
    """Return the socket of a page."""
    headers = [(b"host", b"testserver"), *([(b"cookie", cookie.encode())] if cookie else [])]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scope = {
        "type": "websocket",
        "path": "/ws/w/acme/dev/live/",
        "query_string": b"",
        "headers": headers,
        "subprotocols": [],
    }
    return Socket(application.sockets, scope)


def hello(position: str = cursor.START, **more: Any) -> str:
    """Return what a page says first."""
    return json.dumps({"after": position, "topics": ["runs"], "rows": [], **more})


def test_a_member_is_let_in_and_told_where_things_stand() -> None:
    cookie = cookie_of()

    async def scene() -> None:
        page = a_page(cookie)
        assert await page.connect()
        await page.say(hello())
        assert "nav-dead" in await page.hear()
        await page.leave()

    play(scene)


@pytest.mark.parametrize(
    ("signed_in", "workspace", "origin"),
    [
        pytest.param(True, "acme", None, id="no origin"),
        pytest.param(True, "acme", "https://evil.test", id="another origin"),
        pytest.param(False, "acme", HOME, id="signed out"),
        pytest.param(True, "globex", HOME, id="another workspace"),
    ],
)
def test_everybody_else_is_refused(signed_in: bool, workspace: str, origin: str | None) -> None:
    a_workspace()
    cookie = cookie_of(workspace=workspace) if signed_in else ""

    async def scene() -> None:
        assert not await a_page(cookie, origin).connect()

    play(scene)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda: Session.objects.all().delete(), id="signed out"),
        pytest.param(lambda: Session.objects.update(used_at=NOON - timedelta(days=365)), id="long unused"),
        pytest.param(lambda: Membership.objects.all().delete(), id="without a role"),
    ],
)
def test_a_socket_is_closed_when_its_person_may_no_longer_look(
    ending: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = cookie_of()
    monkeypatch.setattr(live, "CHECK_EVERY", 0.05)

    async def scene() -> None:
        page = a_page(cookie)
        assert await page.connect()
        await database_sync_to_async(ending)()
        assert await page.closed() == live.SIGNED_OUT

    play(scene)


def test_the_check_comes_in_time() -> None:
    assert live.CHECK_EVERY <= 30


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("no json", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param(json.dumps({"rows": ["x" * 20_000]}), id="too long"),
    ],
)
def test_a_page_that_talks_nonsense_is_hung_up_on(text: str) -> None:
    cookie = cookie_of()

    async def scene() -> None:
        page = a_page(cookie)
        assert await page.connect()
        await page.say(text)
        assert await page.closed() == 1008

    play(scene)


def a_run() -> Run:
    """Return a run of the dev environment."""
    pair = a_pair()
    a_live_flow(pair)
    return runs(pair, 1)[0]


def record(run: Run) -> None:
    """Say that `run` changed."""
    Change.objects.record(
        environment_id=run.pair.environment_id,
        kind="closed",
        summary={"fates": {"applied": 1}, "runs": [run.public_id]},
        now=NOON,
    )


def test_a_page_that_comes_back_catches_up() -> None:
    cookie, run = cookie_of(), a_run()
    before = cursor.latest()
    record(run)
    # PostgreSQL holds changes back for the oldest transaction of the whole server.
    until(lambda: cursor.latest() != before, seconds=120, what="the change can be read")

    async def scene() -> None:
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(before))
        told = await page.hear()
        assert f'data-run="{run.public_id}"' in told
        assert f'data-position="{await database_sync_to_async(cursor.latest)()}"' in told
        await page.leave()

    play(scene)


def test_an_overview_that_was_away_is_told_the_figures_of_now() -> None:
    cookie, run = cookie_of(), a_run()
    before = cursor.latest()
    Connection.objects.filter(pk=run.pair.salesforce_id).update(api_used=100, api_limit=10_000)
    record(run)
    until(lambda: cursor.latest() != before, seconds=120, what="the change can be read")

    async def scene() -> None:
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(before, topics=["dashboard"]))
        told = await page.hear()
        assert 'id="figures"' in told
        assert "8,900 <small>of 9,000 left" in told
        await page.leave()

    play(scene)


def test_what_happens_is_told_without_being_asked() -> None:
    cookie, run = cookie_of(), a_run()

    async def scene() -> None:
        follower = Follower()
        await follower.start()
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(await database_sync_to_async(cursor.latest)(), rows=[run.public_id]))
        assert run.public_id not in await page.hear()
        await database_sync_to_async(record)(run)
        await page.hears_of(f'<tr class="row" role="row" id="run-{run.public_id}"')
        await page.leave()
        await follower.stop()
        assert audience.environments() == []

    play(scene)


def test_what_could_not_be_told_for_want_of_the_database_is_told_once_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cookie, run = cookie_of(), a_run()
    failures = iter([OperationalError("the server closed the connection")])

    def fail_once(environment_id: int, news: News, readers: list[Reader]) -> list[str]:
        for failure in failures if news.changed else ():
            raise failure
        return render(environment_id, news, readers)

    async def scene() -> None:
        follower = Follower()
        await follower.start()
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(await database_sync_to_async(cursor.latest)(), rows=[run.public_id]))
        await page.hear()
        monkeypatch.setattr(follow, "render", fail_once)
        await database_sync_to_async(record)(run)
        await page.hears_of(f'id="run-{run.public_id}"')
        await page.leave()
        await follower.stop()

    play(scene)

    assert next(failures, None) is None


@pytest.mark.skipif(
    bool(settings.REDIS_URL), reason="Redis wakes it for what other processes of the tests do"
)
def test_while_no_page_is_open_the_table_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, run = cookie_of(), a_run()
    looks, look = [], cursor.after

    def counted(position: str, **where: Any) -> Any:
        looks.append(position)
        return look(position, **where)

    async def scene() -> None:
        monkeypatch.setattr(cursor, "after", counted)
        follower = Follower()
        await follower.start()
        await asyncio.sleep(1.7)
        assert looks == []  # it looks twice a second while somebody watches
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(await database_sync_to_async(cursor.latest)(), rows=[run.public_id]))
        await page.hear()
        await database_sync_to_async(record)(run)
        await page.hears_of(f'id="run-{run.public_id}"')  # whoever comes wakes it
        await page.leave()
        await follower.stop()

    play(scene)


def test_a_telling_that_falls_into_the_catching_up_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, run = cookie_of(), a_run()
    before = cursor.latest()
    record(run)
    # On PostgreSQL a change is told once nothing older is still being written, by whoever uses the server.
    until(lambda: cursor.latest() != before, seconds=120, what="the change")
    reading = live.News.since
    begun, told = threading.Event(), threading.Event()

    def slowly(position: str, *, environment_id: int) -> Any:
        begun.set()
        assert told.wait(PATIENCE)  # the telling comes first
        return reading(position, environment_id=environment_id)

    monkeypatch.setattr(live.News, "since", slowly)

    async def scene() -> None:
        page = a_page(cookie)
        await page.connect()
        await page.say(hello(before))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        (listener,) = audience.of(run.pair.environment_id)
        await listener.tell("<i>a telling</i>", position="999999.999999")
        told.set()
        assert f'data-run="{run.public_id}"' in await page.hear()
        await page.leave()

    play(scene)
