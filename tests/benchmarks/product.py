"""This module runs the product's own commands as processes, measures them and kills them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.benchmarks.cpu import tree
from tests.benchmarks.databases import Database
from tests.stage import free_port

ROOT = Path(__file__).parents[2]


def ask(url: str, *, token: str = "", method: str = "GET", data: object = None) -> Any:
    """Return the JSON that `url` answers, whatever its status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, url, json=data, headers=headers, timeout=60).json()


@dataclass
class Process:
    """A command that runs in a process group of its own."""

    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, with its output at the end of its log."""
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                list(self.argv), env=dict(self.env), cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.popen is not None
        return self.popen.pid

    def stop(self) -> None:
        """Ask it to stop, and kill its group if it does not."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(20)
        self.kill()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Suspend it and all its descendants for a while."""
        assert self.popen is not None
        suspended = tree(self.popen.pid)
        for process in suspended:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(suspended):
                process.resume()

    def kill(self) -> None:
        """Kill it and all its descendants at once, as a power cut would."""
        if self.popen is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.popen.pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.popen.wait()


def wait_until_listening(port: int, *, within: float = 60.0) -> None:
    """Wait until somebody accepts connections."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"Nobody listens on port {port}.")


def wait_until(holds: Callable[[], bool], failure: str, *, within: float = 60.0, every: float = 0.05) -> None:
    """
    Wait until `holds()`, which is asked `every` so many seconds.

    :raises RuntimeError: with the text `failure`, if it takes longer than `within` seconds
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(every)
    raise RuntimeError(failure)


class Product:
    """An installation: its database, its environment, and the processes that were started."""

    def __init__(self, database: Database, *, redis: str = "", **settings: str) -> None:
        self.database = database
        self.port = free_port()
        self.env = {
            **os.environ,
            "DATABASE_URL": database.url,
            "REDIS_URL": redis,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "INTEGRATOR_ENCRYPTION_KEYS": urlsafe_b64encode(os.urandom(32)).decode(),
            "INTEGRATOR_SANDBOX": "1",
            "INTEGRATOR_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "integrator.settings",
            "PYTHONWARNINGS": "ignore",
            **settings,
        }
        self.env.pop("DEBUG", None)
        self.processes: dict[str, Process] = {}
        self.made: dict[str, Any] = {}
        self.sandbox: dict[str, str] = {}

    def manage(self, *args: str) -> str:
        """Run a management command to its end and return its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            check=False,
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(args)} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def start(self, name: str, *argv: str, **env: str) -> Process:
        """Start `argv` (a command of manage.py unless it is a whole path) under `name`."""
        command = argv if Path(argv[0]).is_absolute() else (sys.executable, "manage.py", *argv)
        process = Process(command, {**self.env, **env}, self.database.folder / f"{name}.log")
        process.start()
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        """Return what a process that was started has written."""
        return (self.database.folder / f"{name}.log").read_text(errors="replace")

    def roots(self) -> list[int]:
        """Return the processes whose trees are the product and its database, without the sandbox."""
        own = [process.pid for name, process in self.processes.items() if name != "sandbox"]
        return own + self.database.roots()

    def stop(self) -> None:
        """Stop whatever was started, the sandbox last."""
        for name in sorted(self.processes, key=lambda name: name == "sandbox"):
            self.processes[name].stop()

    # The commands

    def start_sandbox(self, *, latency: float) -> None:
        """Start both simulated systems, with Salesforce answering after `latency` seconds."""
        stripe, salesforce = free_port(), free_port()
        self.start("sandbox", "sandbox", "--stripe-port", str(stripe), "--salesforce-port", str(salesforce))
        for port in (stripe, salesforce):
            wait_until_listening(port)
        self.sandbox = {
            "stripe": f"http://127.0.0.1:{stripe}",
            "salesforce": f"http://127.0.0.1:{salesforce}",
        }
        ask(f"{self.sandbox['salesforce']}/_sandbox/latency", method="POST", data={"seconds": latency})

    def bootstrap(self, *args: str) -> None:
        """Make workspace, token, connections, webhook and flow."""
        printed = self.manage(
            "bootstrap", "--sandbox", self.sandbox["stripe"], self.sandbox["salesforce"], *args
        )
        self.made = json.loads(printed)

    def serve(self) -> None:
        """Start the web process and wait until it would take events."""
        self.start("serve", "serve", "--port", str(self.port), INTEGRATOR_ROLE="web")
        wait_until_listening(self.port)

    def wait_until_ready(self, *, within: float = 60.0) -> None:
        """Wait until /readyz says that the receiver is ready."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if ask(f"http://127.0.0.1:{self.port}/readyz").get("receiver"):
                    return
            time.sleep(0.1)
        raise RuntimeError("The receiver is not ready.")

    def work(self) -> None:
        """Start the workers with their supervisor."""
        self.start("work", "work", INTEGRATOR_ROLE="work")

    def api(self, path: str) -> Any:
        """Return what the REST API answers."""
        return ask(f"http://127.0.0.1:{self.port}/api/v1/{path}", token=self.made["token"])


@contextlib.contextmanager
def a_product(database: Database, **settings: str) -> Iterator[Product]:
    """Provide an installation with an empty, migrated database, and stop everything afterwards."""
    product = Product(database, **settings)
    try:
        product.manage("migrate", "--verbosity", "0")
        yield product
    finally:
        product.stop()
