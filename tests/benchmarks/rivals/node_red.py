"""
This module runs Node-RED with a flow that does the same job: verify, map ten fields, save by external id.

Its pinned version is installed into a temporary folder outside of the repository, once for a machine.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks import checking
from tests.benchmarks.databases import a_database
from tests.benchmarks.product import Process, Product, ask, wait_until, wait_until_listening
from tests.stage import free_port

VERSION = "5.0.7"
NODE = "24.9.0"  # Node-RED 5 wants 22.9 or later, and a machine often has an older one
SECRET = "whsec_of_the_measurement"
USERNAME = "integration@acme.test"
PATH = "/hooks/stripe/x/"
FLOW = Path(__file__).parent / "flow"
HOME = Path(tempfile.gettempdir()) / f"integrator-benchmark-node-red-{VERSION}"


class NotInstalled(Exception):
    """Node-RED cannot be had on this machine."""


@dataclass(frozen=True)
class Way:
    """How it is set up."""

    name: str
    tuned: bool  # keep-alive towards Salesforce, no editor, no log, more room for young objects
    at_once: bool  # the sender is answered before the record is saved, as Stripe asks for quick answers


WAYS = (
    Way("Node-RED, default, answers at once", tuned=False, at_once=True),
    Way("Node-RED, tuned, answers at once", tuned=True, at_once=True),
    Way("Node-RED, tuned, answers when saved", tuned=True, at_once=False),
)


def install() -> tuple[Path, Path]:
    """
    Return the programs of Node.js and Node-RED, installed if they are not yet.

    :raises NotInstalled: if there is no Node.js, or the registry cannot be reached
    """
    node, program = HOME / "node_modules" / ".bin" / "node", HOME / "node_modules" / "node-red" / "red.js"
    if node.exists() and program.exists():
        return node, program
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("There is no npm.")
    HOME.mkdir(parents=True, exist_ok=True)
    wanted = (f"node@{NODE}", f"node-red@{VERSION}")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(HOME), *wanted]
    done = subprocess.run(command, cwd=HOME, check=False, capture_output=True, text=True)
    if done.returncode or not program.exists():
        raise NotInstalled(f"npm could not install {' and '.join(wanted)}: {done.stderr[-500:]}")
    return node, program


class NodeRed:
    """One Node-RED that saves into the simulated Salesforce of a product that does not run itself."""

    def __init__(self, product: Product, way: Way) -> None:
        self.product = product
        self.way = way
        self.port = free_port()
        self._home = product.database.folder / "node-red"
        self._home.mkdir()
        (self._home / "flows.json").write_text(json.dumps(_flow(keep_alive=way.tuned)))
        self._process: Process | None = None
        self._awaited = 0  # calls

    def start(self) -> None:
        """Start it and wait until it would take events."""
        salesforce = self.product.sandbox["salesforce"]
        session = ask(f"{salesforce}/_sandbox/sessions", method="POST", data={"username": USERNAME})
        settings = FLOW / ("tuned.js" if self.way.tuned else "settings.js")
        node, program = install()
        room = ["--max-semi-space-size=64"] if self.way.tuned else []
        self._process = self.product.start(
            "node-red",
            *(str(node), *room, str(program), "--userDir", str(self._home), "--settings", str(settings)),
            PORT=str(self.port),
            STRIPE_SECRET=SECRET,
            SALESFORCE_URL=salesforce,
            SALESFORCE_TOKEN=session["access_token"],
            ANSWER_AT_ONCE="1" if self.way.at_once else "0",
            NODE_ENV="production",
        )
        wait_until_listening(self.port)
        wait_until(self._has_its_flow, "Node-RED does not take events.")

    def _has_its_flow(self) -> bool:
        """Tell whether the route is there: an unsigned request is refused by the flow itself."""
        with contextlib.suppress(requests.RequestException):
            return (
                requests.post(f"http://127.0.0.1:{self.port}{PATH}", data=b"{}", timeout=5).status_code == 400
            )
        return False

    def wait_for_calls(self, number: int, *, quiet: float = 5.0) -> None:
        """Wait until so many more calls have come to Salesforce, or until none came for `quiet` seconds."""
        self._awaited += number
        last, since = checking.calls(self.product), time.monotonic()
        while time.monotonic() < since + quiet and last < self._awaited:
            time.sleep(0.2)
            called = checking.calls(self.product)
            if called > last:
                last, since = called, time.monotonic()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def roots(self) -> list[int]:
        """Return its process."""
        return [self._process.pid] if self._process is not None else []


@contextlib.contextmanager
def a_node_red(way: Way, *, latency: float) -> Iterator[NodeRed]:
    """Provide a Node-RED that takes events, with a simulated Salesforce of its own."""
    with a_database("sqlite") as database:
        product = Product(database)
        try:
            product.start_sandbox(latency=latency)
            rival = NodeRed(product, way)
            rival.start()
            yield rival
        finally:
            product.stop()


def _flow(*, keep_alive: bool) -> list[dict[str, Any]]:
    """Return the flow as its editor would export it."""
    place = {"z": "flow", "x": 0, "y": 0}

    def code(name: str, outputs: int, wires: list[list[str]]) -> dict[str, Any]:
        return {
            **place,
            "id": name,
            "type": "function",
            "name": name,
            "func": (FLOW / f"{name}.js").read_text(),
            "outputs": outputs,
            "libs": [{"var": "crypto", "module": "crypto"}] if name == "verify" else [],
            "wires": wires,
        }

    return [
        {"id": "flow", "type": "tab", "label": "Payments"},
        {
            **place, "id": "in", "type": "http in", "url": PATH, "method": "post", "upload": False,
            "skipBodyParsing": True, "wires": [["verify"]],
        },
        code("verify", 2, [["out"], ["map"]]),
        code("map", 1, [["save"]]),
        {
            **place, "id": "save", "type": "http request", "method": "use", "ret": "txt", "paytoqs": "ignore",
            "url": "", "persist": keep_alive, "senderr": True, "wires": [["answer"]],
        },
        {**place, "id": "failed", "type": "catch", "scope": ["map", "save"], "wires": [["answer"]]},
        code("answer", 1, [["out"]]),
        {**place, "id": "out", "type": "http response", "statusCode": "", "headers": {}, "wires": []},
    ]  # fmt: skip
