"""This module runs a Redis of the test's own, which may be stopped without asking anybody."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator

import redis

from tests.stage import free_port, until

SERVER = shutil.which("redis-server")


class OwnRedis:
    """A Redis server that keeps nothing on disk: what it knew is gone when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return its address, with a database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it listens."""
        assert SERVER is not None
        keeping_nothing = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [SERVER, "--port", str(self.port), *keeping_nothing], stdout=subprocess.DEVNULL
        )
        until(self.listens, seconds=60, what="Redis listens")
        self.starts += 1

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def callers(self) -> int:
        """Return how many others are connected to it now."""
        with redis.Redis(port=self.port, socket_timeout=5) as asked:
            return int(asked.info("clients")["connected_clients"]) - 1

    def listens(self) -> bool:
        """Tell whether somebody would answer."""
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """Yield a started server and stop it afterwards."""
    server = OwnRedis()
    try:
        server.start()
        yield server
    finally:
        server.stop()
