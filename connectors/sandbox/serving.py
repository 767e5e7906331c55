"""This module serves several simulated services in one process, each on its own loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.types import ASGIApp

HOST = "127.0.0.1"
GRACE = 5  # seconds that calls under way may take to end


class Server(uvicorn.Server):
    """One of several servers in a loop: signals are taken for all of them, by `serve`."""

    def __init__(self, name: str, app: ASGIApp) -> None:
        self._name = name
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
                timeout_keep_alive=60,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Start as uvicorn does, but fail as one service among others instead of ending the process.

        :raises RuntimeError: if the service's lifespan fails
        """
        try:
            await super().startup(sockets=sockets)
        except SystemExit as reason:
            raise RuntimeError(f"The service {self._name!r} could not start") from reason

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve(
    apps: Mapping[str, ASGIApp],
    ports: Mapping[str, int],
    *,
    on_ready: Callable[[dict[str, str]], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """
    Serve until SIGTERM, SIGINT or `stop`; `on_ready` gets the addresses once every service answers.

    :raises OSError: if a port is taken
    :raises RuntimeError: if a service cannot start
    """
    with contextlib.ExitStack() as opened:
        sockets = {name: opened.enter_context(_listen(ports.get(name, 0))) for name in apps}
        servers = {name: Server(name, app) for name, app in apps.items()}
        ended = await _serve_all(servers, sockets, on_ready, stop or asyncio.Event())
    for failure in ended:
        if failure is not None:
            raise failure


async def _serve_all(
    servers: Mapping[str, Server],
    sockets: Mapping[str, socket.socket],
    on_ready: Callable[[dict[str, str]], None] | None,
    stopped: asyncio.Event,
) -> list[BaseException | None]:
    """Serve until the event, or until the first server ends, which ends all: half a sandbox is none."""
    tasks = [asyncio.create_task(server.serve([sockets[name]])) for name, server in servers.items()]
    with _signals(stopped):
        ready = asyncio.create_task(_tell(servers, sockets, on_ready))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        waiting.cancel()
        for server in servers.values():
            server.should_exit = True
        return await asyncio.gather(*tasks, return_exceptions=True)


def run(
    apps: Mapping[str, ASGIApp],
    ports: Mapping[str, int],
    *,
    on_ready: Callable[[dict[str, str]], None] | None = None,
) -> None:
    """
    Serve in a loop of its own, until a signal.

    :raises OSError: if a port is taken
    """
    asyncio.run(serve(apps, ports, on_ready=on_ready))


def _listen(port: int) -> socket.socket:
    # The protocol is named, since asyncio switches Nagle's delay off only where it can read it: without
    # that, every answer in several chunks takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def _tell(
    servers: Mapping[str, Server],
    sockets: Mapping[str, socket.socket],
    on_ready: Callable[[dict[str, str]], None] | None,
) -> None:
    while not all(server.started for server in servers.values()):
        await asyncio.sleep(0.01)
    addresses = {name: f"http://{HOST}:{listener.getsockname()[1]}" for name, listener in sockets.items()}
    if on_ready:
        on_ready(addresses)


@contextlib.contextmanager
def _signals(stopped: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the services, where the process lets us listen to them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
