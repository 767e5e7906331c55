"""This module tests that several simulated services run in one process and stop cleanly together."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys

import pytest
import requests

from connectors.sandbox import serving
from connectors.sandbox.stripe.app import create

PROGRAM = """
import json
from connectors.sandbox import serving
from connectors.sandbox.stripe.app import create
serving.run(
    {"one": create(account="acct_one"), "two": create(account="acct_two")},
    {"one": 0},
    on_ready=lambda addresses: print(json.dumps(addresses), flush=True),
)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_services_answer_beside_each_other_until_a_signal(number):
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        try:
            addresses = json.loads(process.stdout.readline())
            accounts = [
                requests.get(f"{addresses[name]}/_sandbox/state", timeout=60).json()["account"]
                for name in ("one", "two")
            ]
            process.send_signal(number)
            rest, _ = process.communicate(timeout=10)
        finally:
            process.kill()

    assert accounts == ["acct_one", "acct_two"]
    assert (rest, process.returncode) == ("ended\n", 0)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="in use"):
            asyncio.run(serving.serve({"stripe": create()}, {"stripe": taken.getsockname()[1]}))


def test_a_service_that_cannot_start_ends_the_others():
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "No state"})

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(asyncio.wait_for(serving.serve({"stripe": create(), "broken": broken}, {}), 10))
