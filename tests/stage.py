"""
This module starts the product's real processes, on free ports and with a database of their own.

The chaos tests and the benchmarks play on this stage: `serve`, `work` and `sandbox` are started by
the commands that an operator would use, and everything is judged from outside: by REST and by what
stands in the simulated Salesforce.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
from cryptography.fernet import Fernet

from tests import migrated

ROOT = Path(__file__).resolve().parents[1]
POSTGRESQL = "postgres://postgres@127.0.0.1:5432/"
TIMEOUT = 10


def manage(root: Path) -> list[str]:
    """Return what stands before a command of the version in a folder."""
    return [sys.executable, str(root / "manage.py")]


MANAGE = manage(ROOT)


def free_port() -> int:
    """
    Return a port that nothing listens on, and that no outgoing connection will take meanwhile.

    Ports that the system hands out for `bind(0)` are those of outgoing connections too: between the
    asking and the listening a browser may have taken one. These lie below that range.
    """
    for _ in range(200):
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("No free port below those of outgoing connections was found")


def until(
    true: Callable[[], bool],
    *,
    seconds: float,
    what: str,
    every: float = 0.1,
    alive: Callable[[], str] = lambda: "",
    found: Callable[[], object] = lambda: "",
) -> float:
    """
    Wait for something to become true and return how long it took.

    `alive` returns why there is nothing to wait for any more, such as the last words of a process, and
    `found` what there was instead when the time is over.

    :raises AssertionError: if it has not after `seconds`, or there is nothing to wait for
    """
    begun = time.monotonic()
    while not true():
        assert not (ended := alive()), f"{what}: it never will. {ended}"
        assert time.monotonic() - begun < seconds, f"{what}: not within {seconds} s. {found()}"
        time.sleep(every)
    return time.monotonic() - begun


def last_words(process: subprocess.Popen[Any], log: Path) -> str:
    """Return how a process ended and what it said last; nothing while it runs."""
    if process.poll() is None:
        return ""
    said = log.read_text(errors="replace")[-2_000:] if log.exists() else ""
    return f"The process ended with {process.returncode}: {said}"


class Stage:
    """The processes of one installation. `start` before, `stop` after; `kill` in between."""

    def __init__(
        self,
        folder: Path,
        *,
        postgresql: bool | str = False,
        database: str = "",
        redis_url: str = "",
        workers: int = 2,
    ) -> None:
        """
        `postgresql` is False for SQLite, True for this machine's server, or a server's address.

        `database` is the address of a SQLite database that is to be elsewhere than in the folder.
        """
        self.folder = folder
        self.web = f"http://127.0.0.1:{free_port()}"
        self.stripe = f"http://127.0.0.1:{free_port()}"
        self.salesforce = f"http://127.0.0.1:{free_port()}"
        self.server = postgresql if isinstance(postgresql, str) else POSTGRESQL
        self.database = f"stage_{secrets.token_hex(6)}" if postgresql else ""
        in_a_file = database or f"sqlite:///{folder / 'db.sqlite3'}"
        self.env = {
            **{k: v for k, v in os.environ.items() if k not in {"REDIS_URL", "DJANGO_SETTINGS_MODULE"}},
            "SECRET_KEY": secrets.token_urlsafe(50),
            "INTEGRATOR_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "INTEGRATOR_SANDBOX": "1",
            "INTEGRATOR_PUBLIC_URL": self.web,
            "INTEGRATOR_WORKERS": str(workers),
            "ALLOWED_HOSTS": "127.0.0.1",
            "PORT": self.web.rsplit(":", 1)[1],
            "DATABASE_URL": f"{self.server}{self.database}" if postgresql else in_a_file,
            "LOG_LEVEL": "WARNING",
            **({"REDIS_URL": redis_url} if redis_url else {}),
        }
        self.root = ROOT  # whose commands are run; tests of mixed versions take those of another folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        self.administrator: dict[str, str] = {}
        self.hook = ""
        self.secret = ""

    # Processes

    def start(self) -> None:
        """Make the database, start every process and wait until everything answers."""
        self.make_database()
        self.connect()
        self.spawn("serve")
        self.spawn("work")
        self.wait_until_ready()

    def connect(self) -> None:
        """Start the simulated systems and connect them."""
        self.spawn("sandbox")
        until(
            lambda: self.answers(f"{self.stripe}/_sandbox/state"),
            seconds=60,
            what="the sandbox answers",
            alive=lambda: self.last_words("sandbox"),
        )
        self.bootstrap()

    def wait_until_ready(self) -> None:
        """Wait until web and workers do what they are there for."""
        until(
            lambda: self.answers(f"{self.web}/readyz"),
            seconds=90,
            what="the product is ready",
            alive=lambda: self.last_words("serve") or self.last_words("work"),
        )

    def make_database(self) -> None:
        """Make a migrated database."""
        if migrated.SHARED in os.environ and not self.database:
            migrated.copy_to(Path(self.env["DATABASE_URL"].removeprefix("sqlite:///")))
            return
        if migrated.SHARED in os.environ and os.environ["DATABASE_URL"].startswith(self.server):
            migrated.copy_on_server(self.database)
            return
        if self.database:
            with psycopg.connect(f"{self.server}postgres", autocommit=True) as admin:
                admin.execute(f'CREATE DATABASE "{self.database}"')
        self.run("migrate", "--verbosity", "0")

    def last_words(self, name: str) -> str:
        """Return how a process ended and what it said last; nothing while it runs."""
        return last_words(self.processes[name], self.folder / f"{name}.log")

    def bootstrap(self, *flags: str) -> dict[str, Any]:
        """Connect both simulated systems, with the payments flow live."""
        made: dict[str, Any] = json.loads(
            self.run("bootstrap", "--sandbox", self.stripe, self.salesforce, "--flow", "payments", *flags)
        )
        self.token = made["token"] or self.token
        self.administrator = made["administrator"]
        self.hook = made["webhooks"][0]["url"]
        self.secret = made["webhooks"][0]["secret"] or self.secret
        return made

    def configure(self, system: str, **settings: Any) -> None:
        """Set settings of a connection, also such as no person may choose because they cost too much."""
        row = f"Connection.objects.get(system={system!r})"
        code = f"from connectors.models import Connection; {row}.configure(**{settings!r})"
        self.python(code)

    def python(self, code: str) -> str:
        """Run a line of Python within the product, for what only the passing of time would do."""
        return self.run("shell", "--no-imports", "-c", code)

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed."""
        whole = [*manage(self.root), *command]
        done = subprocess.run(whole, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        return done.stdout

    def try_to(self, *command: str, before: Sequence[str] = ()) -> str:
        """Run a command that is to fail, and return what it printed."""
        whole = [*before, *MANAGE, *command]
        done = subprocess.run(whole, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode != 0, f"{command} found nothing wrong: {done.stdout}"
        return done.stdout

    def spawn(self, command: str, *, name: str = "", before: Sequence[str] = (), **env: str) -> None:
        """
        Start one of serve, work, watch, sandbox; its log goes to a file in the folder.

        `name` tells a second process of the same command from the first, `before` stands in front of the
        command, and `env` is added to what all processes have.
        """
        name = name or command
        flags = ["--stripe-port", self.stripe.rsplit(":", 1)[1], "--salesforce-port"]
        flags.append(self.salesforce.rsplit(":", 1)[1])
        simulated = command == "sandbox"  # is no part of an installation, whose version is all the same to it
        whole = [*manage(ROOT), command, *flags] if simulated else [*manage(self.root), command]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, *whole],
                env={**self.env, **env},
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> int:
        """Kill a process as a power cut would, and return its exit code as proof."""
        process = self.processes[name]
        process.kill()
        return process.wait()

    def family(self, name: str) -> list[psutil.Process]:
        """Return a process and everything below it."""
        top = psutil.Process(self.processes[name].pid)
        return [top, *top.children(recursive=True)]

    def parts(self, kind: str) -> list[psutil.Process]:
        """
        Return the processes of a kind that run: serve, work, or a part of `work`.

        Its parts are watch and either drain, a worker alone, or the pool, the pool's sentinel and the
        sentinel's workers. There are none while they are being started.
        """
        try:
            if kind in self.processes:
                return self.family(kind)[:1]
            below = psutil.Process(self.processes["work"].pid).children()
            command = kind if kind in {"watch", "drain"} else "pool"
            found = [child for child in below if child.cmdline()[-1:] == [command]]
            if kind in {"sentinel", "worker"}:
                found = [child for pool in found for child in pool.children()]
            if kind == "worker":
                found = [child for sentinel in found for child in sentinel.children()]
        except psutil.NoSuchProcess:
            return []
        return found

    def stop(self) -> None:
        """Stop whatever still runs, and drop the database."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.database:
            with psycopg.connect(f"{self.server}postgres", autocommit=True) as admin:
                admin.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')

    # From outside

    @staticmethod
    def answers(address: str) -> bool:
        """Tell whether something answers well there."""
        try:
            return requests.get(address, timeout=TIMEOUT).ok
        except requests.RequestException:
            return False

    def api(self, path: str, **query: Any) -> dict[str, Any]:
        """Ask the product by REST."""
        return self._rest("GET", f"{self.web}/api/v1/{path}", params=query)

    def tell(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        """Change something in the product by REST."""
        return self._rest(method, f"{self.web}/api/v1/{path}", json=data)

    def whole(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all pages of a list that the product shows by REST."""
        page = self.api(path, **query)
        found = list(page["results"])
        while page["next"]:
            page = self._rest("GET", page["next"])
            found += page["results"]
        return found

    def _rest(self, method: str, address: str, **given: Any) -> dict[str, Any]:
        head = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(method, address, headers=head, timeout=TIMEOUT, **given)
        answer.raise_for_status()
        return dict(answer.json())

    def connection(self, system: str) -> dict[str, Any]:
        """Return how the connection to `stripe` or `salesforce` stands."""
        return next(one for one in self.api("health/")["connections"] if one["system"] == system)

    def counted(self) -> dict[str, Any]:
        """Return how everything stands now: counts that have become dear are given out again for a while."""
        health: dict[str, Any] = {}

        def anew() -> bool:
            health.update(self.api("health/"))
            return bool(health["counted_at"] == health["at"])

        until(anew, seconds=60, what="events are counted anew")
        return health

    def fates(self) -> dict[str, int]:
        """Return how many events have each fate now."""
        return dict(self.counted()["fates"])

    def settled(self) -> bool:
        """Tell whether no event is queued any more."""
        try:
            return not self.fates()["queued"]
        except requests.RequestException:
            return False

    def records(self, name: str = "Payment__c") -> list[dict[str, Any]]:
        """Return the records of an object as they stand in the simulated Salesforce."""
        return list(self.look("salesforce", "records", object=name)["records"])

    def turn(self, system: str, lever: str, *, method: str = "POST", **data: Any) -> dict[str, Any]:
        """Use a control endpoint of the simulated `stripe` or `salesforce`."""
        answer = requests.request(method, f"{self._at(system)}/_sandbox/{lever}", json=data, timeout=TIMEOUT)
        answer.raise_for_status()
        return dict(answer.json())

    def look(self, system: str, lever: str, **query: Any) -> dict[str, Any]:
        """Look through a control endpoint of the simulated `stripe` or `salesforce`."""
        answer = requests.get(f"{self._at(system)}/_sandbox/{lever}", params=query, timeout=60)
        answer.raise_for_status()
        return dict(answer.json())

    def fault(self, system: str, **fault: Any) -> None:
        """Order a fault in `stripe` or `salesforce`."""
        self.turn(system, "faults", **fault)

    def faults(self, system: str) -> list[dict[str, Any]]:
        """Return the ordered faults with how often each has fired."""
        return list(self.look(system, "faults")["faults"])

    def end_faults(self, system: str) -> list[dict[str, Any]]:
        """End all ordered faults, and return them with how often each has fired."""
        ended = self.faults(system)
        self.turn(system, "faults", method="DELETE")
        return ended

    def _at(self, system: str) -> str:
        return {"stripe": self.stripe, "salesforce": self.salesforce}[system]


def sign(body: bytes, secret: str, *, at: float | None = None) -> str:
    """Return the Stripe-Signature header, written down from Stripe's page and not from our own code."""
    stamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


@contextlib.contextmanager
def a_stage(folder: Path, **options: Any) -> Iterator[Stage]:
    """Yield a started stage and stop it afterwards, whatever happened."""
    stage = Stage(folder, **options)
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()
